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
    failed = next((one for one in several if one.problems), None)
    made = [attempt for one in several for attempt in one.attempts]
    tokens = [0, 0, 0]
    for one in made:
        tokens = [tokens[0] + one.usage.input, tokens[1] + one.usage.cached, tokens[2] + one.usage.output]
    costs = [one.cost for one in several]
    cost = None if None in costs else sum((one for one in costs if one is not None), Decimal(0))
    known = {
        "attempts": [attempt for one in several for attempt in attempts_of(one)],
        "tokens": tokens,
        "waived": [[p.pointer, p.kind, p.message] for one in several for p in one.waived],
        "events": [[e.rule, e.pointer, e.before, e.after] for one in several for e in one.events],
    }
    partial = {} if failed is None else {"partial": failed.partial}
    return {"calls": len(made), "cost": cost, "detail": {**partial, **_some(known), **detail}}


def _some(known: Mapping[str, Any]) -> dict[str, Any]:
    """Without the lists that are empty: of most documents there is little to tell."""
    return {name: value for name, value in known.items() if value}


def attempts_of(extraction: Extraction[Any]) -> list[list[Any]]:
    """The attempts of an extraction, as an entry holds them."""
    return [[one.model, one.number, one.outcome, one.cost] for one in extraction.attempts]
