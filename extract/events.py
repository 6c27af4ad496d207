"""Events: each change and each decision, as a value that can be shown, stored and replayed.

Reading a text records what was changed in it (`rule`, where in the value, before, after, where in the text); a task
records attempts, repairs and failures in the same form. Reading what is already valid records nothing.

The other values here are what an engine tells a hook while it works (`on_event=`), one after another: for each document
what was asked, what came back, what is waited for, and how it ended. They are told and not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from .call import FailureKind, Usage

if TYPE_CHECKING:
    from .extraction import Extraction

__all__ = [
    "CallFailed",
    "CallSent",
    "DocumentEnded",
    "Event",
    "Happening",
    "OnEvent",
    "RepairAsked",
    "ReplyReceived",
    "RetryScheduled",
]


@dataclass(frozen=True, slots=True)
class Event:
    """One change or decision.

    `rule` names it by room and cause (``read.trailing-comma``, ``repair.field``, ``failure.transport``); `pointer` is a
    JSON pointer in the user's value (``/lines/0/price``; the whole is ``""``); `before` and `after` are JSON values;
    `span` is a half-open range of characters in the text that was read.
    """

    rule: str
    pointer: str = ""
    before: Any = None
    after: Any = None
    span: tuple[int, int] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfDocument:
    """`document` is the hash of the document's content, `source` where it came from, as far as they are known."""

    document: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfCall(_OfDocument):
    """`key` is the call's, as in the ledger; `number` counts the calls of the document from 1."""

    key: str
    model: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairAsked(_OfCall):
    """The next call asks for places again (JSON pointers in the user's value; ``""`` is the whole record)."""

    places: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSent(_OfCall):
    """A request goes out: the first for this call (`tried` is 1), or another one after the transport failed."""

    tried: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(_OfCall):
    """The same request will go out again in so many `seconds`; `why` is what went wrong."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyReceived(_OfCall):
    """A paid reply is there, and recorded. `outcome` is as in `Attempt`; `cost` is in US dollars, None without a price.
    `origin`: it came from the ``model``, out of the ``ledger``, or was ``shared`` by an equal document that had asked
    first; only what comes from the model is paid for now."""

    outcome: str
    usage: Usage
    cost: Decimal | None
    origin: Literal["model", "ledger", "shared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed(_OfCall):
    """A request got no answer. `status` is the HTTP status, 0 where there was no response."""

    kind: FailureKind
    message: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEnded(_OfDocument):
    """The end of a document: its `extraction`, as the caller gets it; None where the run stopped before."""

    extraction: Extraction[Any] | None


Happening = CallFailed | CallSent | DocumentEnded | RepairAsked | ReplyReceived | RetryScheduled
"""What a hook is told."""

OnEvent = Callable[[Happening], object]
"""A hook; what it returns is not used."""
