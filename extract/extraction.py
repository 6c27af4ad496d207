"""The result of a task: the record, and everything that a careful reader wants to know about it.

An `Extraction` says what the value is, what is still wrong with it (`problems`; none means that it is whole and valid),
where each leaf stands in the source (`evidence`), how sure the model was of it (`confidence`: by its own account, or by
the log-probabilities of its tokens), and what was asked and paid on the way (`attempts`, `usage`, `cost`, `events`).
Where a record was kept without fields that failed, what was wrong with them is in `waived`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

from .call import Usage
from .events import Event
from .frozen import LATE, computed, quick

__all__ = ["Attempt", "Evidence", "Extraction", "Problem", "ProblemKind"]

T = TypeVar("T")

ProblemKind = Literal[
    "missing",
    "invalid",
    "check",
    "unsure",
    "reading",
    "length",
    "limit",
    "refusal",
    "filter",
    "transport",
    "configuration",
    "document",
]
"""Why a value is not settled. The first four name a place in the value; the others concern a whole answer."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (a JSON pointer in the user's value), the kind, a sentence, and the value
    there.
    """

    pointer: str
    message: str
    kind: ProblemKind = "invalid"
    value: Any = None

    def __str__(self) -> str:
        return f"{self.pointer or 'the record'}: {self.message.rstrip('.')}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a value stands in the document: a half-open range of characters of `Document.text`, its text and its page.

    `match` says how it was found: ``exact`` as written, ``normal`` after folding case and white space, ``value`` by
    what it means (a number or a date written in another form).
    """

    start: int
    end: int
    text: str
    page: int | None = None
    match: Literal["exact", "normal", "value"] = "exact"


@quick
@dataclass(frozen=True)
class Attempt:
    """One call of the task: its key, the model, what came of it (``stop``, ``length``, ``filter``, ``refusal``,
    or a failure's kind) and what it cost in US dollars (None where the model has no price)."""

    key: str = field(metadata=LATE)
    model: str
    number: int
    outcome: str
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = field(default=None, metadata=LATE)


@quick
@dataclass(frozen=True)
class Extraction(Generic[T]):
    """What came of one document.

    `value` is an instance of the schema's type if there are no problems, otherwise None; `partial` is the best JSON
    value in the user's shape either way; `waived` are problems that a record was kept in spite of. `evidence` and
    `confidence` are keyed by JSON pointer. `cost` is in US dollars, None if any call's model has no price; it is that
    of all calls that the record rests on, so a call that equal documents share, or that a ledger answered, is in each
    of them. What a run paid is counted once, by its ledger.
    """

    value: T | None
    partial: Any = None
    problems: tuple[Problem, ...] = ()
    waived: tuple[Problem, ...] = ()
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    confidence: Mapping[str, float] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    events: tuple[Event, ...] = ()
    document: str = field(default="", metadata=LATE)
    source: str = ""

    @property
    def ok(self) -> bool:
        """Whether the record is whole and valid."""
        return not self.problems

    @property
    def usage(self) -> Usage:
        return sum((attempt.usage for attempt in self.attempts), Usage())

    @computed
    def cost(self) -> Decimal | None:
        cost = Decimal(0)
        for attempt in self.attempts:
            if attempt.cost is None:
                return None
            cost += attempt.cost
        return cost
