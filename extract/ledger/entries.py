"""What a ledger keeps of one document: what became of it, why, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from ..call import Usage
from ..extraction import Extraction

__all__ = ["Entry", "State", "attempts_of"]

State = Literal["written", "filtered", "merged", "review", "rejected", "pending"]
"""What became of an input; each has exactly one of these."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one document, or of one row that a later `stage` of a pipeline began with: its place among them,
    its state, the rows it gave (JSON values, each with the number of the step that gave it), why it was not written
    (`reasons`), what it cost in US dollars (None: no price), and the fingerprint of what was done to it."""

    id: str
    ordinal: int
    source: str
    state: State
    fingerprint: str
    rows: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    reasons: tuple[str, ...] = ()
    calls: int = 0
    cost: Decimal | None = Decimal(0)
    detail: Mapping[str, Any] | None = None
    stage: int = 0

    def after(self, *extractions: Extraction[Any] | None, **detail: Any) -> Entry:
        """The entry with what its extractions came to (None: one is pending), and what else is to be known of it."""
        several = [one for one in extractions if one is not None]
        if not several:
            return replace(self, detail=detail or None)
        usage = sum((one.usage for one in several), Usage())
        detail = {
            "partial": next((one.partial for one in several if not one.ok), None),
            "attempts": [attempt for one in several for attempt in attempts_of(one)],
            "tokens": [usage.input, usage.cached, usage.output],
            "waived": [[p.pointer, p.kind, p.message] for one in several for p in one.waived],
            "events": [[e.rule, e.pointer, e.before, e.after] for one in several for e in one.events],
            **detail,
        }
        costs = [one.cost for one in several]
        cost = None if None in costs else sum((one for one in costs if one is not None), Decimal(0))
        return replace(self, calls=len(detail["attempts"]), cost=cost, detail=detail)


def attempts_of(extraction: Extraction[Any]) -> list[list[Any]]:
    """The attempts of an extraction, as an entry holds them."""
    return [[one.model, one.number, one.outcome, one.cost] for one in extraction.attempts]
