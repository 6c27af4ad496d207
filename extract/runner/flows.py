"""What went through the steps, counted: rows are conserved.

For each step, what came in and what it made is always what went out, was filtered, merged, held for review, rejected,
or is pending.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..ledger import STATES

__all__ = ["STATES", "Flow"]


@dataclass
class Flow:
    """What went through one step: rows that came in and that it made, and where they went."""

    step: str
    into: int = 0
    made: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def passed(self, state: str, out: int = 1) -> None:
        """Counts one row that came in, and the `out` rows that go on for it."""
        self.into += 1
        if state == "out":
            self.made += out - 1
            self.counts["out"] += out
        else:
            self.counts[state] += 1

    def waits(self) -> None:
        """Counts one row that came in and waits until all are there."""
        self.passed("merged")

    def chosen(self) -> None:
        """Says that the rows that came out are some of those that waited, and none was made of others."""
        self.counts["filtered"] += self.counts.pop("merged", 0) - self.made
        self.made = 0

    def add(self, other: Flow) -> None:
        """Adds what went through the same step elsewhere."""
        self.into += other.into
        self.made += other.made
        self.counts.update(other.counts)

    @property
    def conserved(self) -> bool:
        """Whether what came in and was made is all accounted for."""
        return self.into + self.made == self.counts.total()

    def plain(self) -> dict[str, Any]:
        gone = ("out", *STATES[1:])
        return {"step": self.step, "in": self.into, "made": self.made, **{name: self.counts[name] for name in gone}}
