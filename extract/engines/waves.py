"""How calls become files of a batch, and how what came back is joined to them: functions of their arguments.

A file holds calls of one model, in the order in which they came, as many as the provider takes: it is closed by
requests, by bytes or by tokens, whichever comes first, and by what the budgets let through. What comes back is known
by its id and by nothing else: it comes in any order, twice, or not at all, and with ids that nobody sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ..call import Reply
from ..limits import NOTHING, Amounts, Batching, plus

__all__ = ["File", "Joined", "Line", "affordable", "cut", "most_of", "pauses"]


@dataclass(frozen=True, slots=True)
class Line:
    """One call of a file: its key, the bytes of its line with the end of the line, its tokens of input, and the most
    that it may take of each budget."""

    key: str
    size: int
    tokens: int = 0
    most: Amounts = NOTHING


class File:
    """A file that is being filled: its lines, their bytes and their tokens."""

    def __init__(self, batching: Batching):
        self.batching = batching
        self.lines: list[Line] = []
        self.size = self.tokens = 0

    def full_for(self, line: Line) -> bool:
        """Whether the line has to go into another one. An empty file takes any line: whether it may be sent at all is
        decided elsewhere."""
        most = self.batching
        passed = self.size + line.size > most.bytes or len(self.lines) >= most.requests
        return bool(self.lines) and (passed or (most.tokens is not None and self.tokens + line.tokens > most.tokens))

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self.size, self.tokens = self.size + line.size, self.tokens + line.tokens


def cut(lines: Iterable[Line], batching: Batching) -> Iterator[tuple[Line, ...]]:
    """The lines in files, in their order."""
    file = File(batching)
    for line in lines:
        if file.full_for(line):
            yield tuple(file.lines)
            file = File(batching)
        file.add(line)
    if file.lines:
        yield tuple(file.lines)


def pauses(batching: Batching) -> Iterator[float]:
    """Seconds between questions of how something fares: each half as long again, up to the longest."""
    pause = batching.poll
    while True:
        yield pause
        pause = min(pause * 1.5, batching.rarely)


def affordable(lines: Sequence[Line], left: Sequence[Decimal | None]) -> int:
    """How many of the first lines together stay within what is left of each budget (None: there is no limit)."""
    taken = NOTHING
    for count, line in enumerate(lines):
        taken = plus(taken, line.most)
        if any(limit is not None and amount > limit for amount, limit in zip(taken, left, strict=True)):
            return count
    return len(lines)


def most_of(lines: Iterable[Line]) -> Amounts:
    """The most that these lines together may take of each budget."""
    total = NOTHING
    for line in lines:
        total = plus(total, line.most)
    return total


@dataclass
class Joined:
    """What came back for the calls of a file, by their keys. Each key has one reply, the first that was paid for; a
    failure counts only where there is none. `doubled` counts what came for a key once more, `unknown` the ids that
    nobody sent, `broken` the lines that could not be read."""

    keys: Collection[str]
    doubled: int = 0
    unknown: int = 0
    broken: int = 0
    answered: set[str] = field(default_factory=set)
    failed: dict[str, Reply] = field(default_factory=dict)

    def take(self, found: tuple[str, Reply] | None) -> Reply | None:
        """The reply, if it is a paid one that is to be recorded."""
        if found is None:
            self.broken += 1
            return None
        key, reply = found
        if key not in self.keys:
            self.unknown += 1
        elif key in self.answered or (key in self.failed and not reply.paid):
            self.doubled += 1
        elif reply.paid:
            self.answered.add(key)
            self.failed.pop(key, None)
            return reply
        else:
            self.failed[key] = reply
        return None

    @property
    def missing(self) -> set[str]:
        """The keys for which nothing came."""
        return set(self.keys) - self.answered - self.failed.keys()
