"""How far a run is, how fast, and what it will come to, as it goes on.

The rate is that of the last half minute, so that documents which were answered from the record do not make promises for
those that are asked about. Nothing here decides anything.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ..ledger import Entry
from ..limits import Traffic

__all__ = ["Meter", "Progress"]

_WINDOW = 30.0
"""Seconds over which the rate is taken."""

_OFTEN = 0.5
"""Seconds between two marks of how many were done."""


@dataclass(frozen=True)
class Progress:
    """How far a run is. `done` documents of `total`, their `states`, and the `entry` that was done just now (None: only
    time has passed). `seconds` since this start began, the `rate` in documents a second of late, and the seconds that
    are `left` at it (None: not known yet). `spent` US dollars by all starts and `projected` for the whole (None: not
    known); `tokens` of the documents that are done, `repairs` among their calls. `held` counts the calls that wait, by
    what they wait for."""

    done: int
    total: int
    states: Mapping[str, int]
    spent: Decimal
    entry: Entry | None = None
    seconds: float = 0.0
    rate: float | None = None
    left: float | None = None
    projected: Decimal | None = None
    tokens: int = 0
    repairs: int = 0
    held: Mapping[str, int] = field(default_factory=dict)


class Meter:
    """Takes note of each document of one start that is done, and says how far it is."""

    def __init__(self, traffic: Traffic, total: int, clock: Callable[[], float] = time.monotonic):
        self.total = total
        self._traffic, self._clock = traffic, clock
        self._began = clock()
        self._marks: deque[tuple[float, int]] = deque([(self._began, 0)])
        self._done = self._tokens = self._repairs = 0
        self._cost: Decimal | None = Decimal(0)

    def took(self, entry: Entry) -> None:
        """Counts a document."""
        detail = entry.detail or {}
        self._done += entry.stage == 0
        tokens = detail.get("tokens") or (0, 0, 0)
        self._tokens += tokens[0] + tokens[2]
        self._repairs += sum(attempt[1] > 1 for attempt in detail.get("attempts", ()))
        self._cost = None if self._cost is None or entry.cost is None else self._cost + entry.cost

    def progress(self, states: Counter[str], entry: Entry | None = None) -> Progress:
        now, done, spent = self._clock(), states.total(), self._traffic.budget.spent
        rate = self._rate(now)
        ahead = max(0, self.total - done)
        projected = None if self._cost is None or not done else spent + self._cost / done * ahead
        return Progress(
            done=done,
            total=self.total,
            states=states,
            spent=spent,
            entry=entry,
            seconds=now - self._began,
            rate=rate,
            left=ahead / rate if rate else None,
            projected=projected,
            tokens=self._tokens,
            repairs=self._repairs,
            held={what: count for what, count in self._traffic.held.items() if count > 0},
        )

    def _rate(self, now: float) -> float | None:
        if now - self._marks[-1][0] >= _OFTEN:
            self._marks.append((now, self._done))
        while len(self._marks) > 2 and now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()
        began, before = self._marks[0]
        return (self._done - before) / (now - began) if now - began >= _OFTEN and self._done > before else None
