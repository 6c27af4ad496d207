"""What a ledger keeps of one document: what became of it, why, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, get_args

from ..extraction import Extraction
from ..frozen import quick

__all__ = ["STATES", "Entry", "State", "attempts_of", "came_to"]

State = Literal["written", "filtered", "merged", "review", "rejected", "pending"]
"""What became of an input; each has exactly one of these."""

STATES: tuple[State, ...] = get_args(State)


@quick
@dataclass(frozen=True)
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

    @property
    def refused(self) -> bool:
        """Whether it was rejected or held for review, or one of its rows was."""
        return self.state in ("rejected", "review") or bool(self.detail and "refused" in self.detail)


def came_to(*extractions: Extraction[Any] | None, **detail: Any) -> dict[str, Any]:
    """What extractions came to (None: one is pending), and what else is to be known of an entry: its `calls`, its
    `cost` and its `detail`."""
    several = [one for one in extractions if one is not None]
    if not several:
        return {"detail": detail or None}
    known: dict[str, list[Any]] = {"attempts": [], "tokens": [0, 0, 0], "waived": [], "events": []}
    cost: Decimal | None = Decimal(0)
    for one in several:
        known["attempts"] += attempts_of(one)
        known["waived"] += [[p.pointer, p.kind, p.message] for p in one.waived]
        known["events"] += [[e.rule, e.pointer, e.before, e.after] for e in one.events]
        for usage in (attempt.usage for attempt in one.attempts):
            before = known["tokens"]
            known["tokens"] = [before[0] + usage.input, before[1] + usage.cached, before[2] + usage.output]
        cost = None if cost is None or one.cost is None else cost + one.cost
    failed = next((one for one in several if one.problems), None)
    partial = {} if failed is None else {"partial": failed.partial}
    return {"calls": len(known["attempts"]), "cost": cost, "detail": {**partial, **_some(known), **detail}}


def _some(known: Mapping[str, Any]) -> dict[str, Any]:
    """Without the lists that are empty: of most documents there is little to tell."""
    return {name: value for name, value in known.items() if value}


def attempts_of(extraction: Extraction[Any]) -> list[list[Any]]:
    """The attempts of an extraction, as an entry holds them."""
    return [[one.model, one.number, one.outcome, one.cost] for one in extraction.attempts]
