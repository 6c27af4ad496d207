"""What went wrong, where, and what to do about it.

Every error that a user can meet is an `ExtractError`: one sentence that says what happened, the place (a
``file:line:column``, a JSON pointer, a document and page, a call's key), and the remedy. The children are few and say
who can mend it: the author of the schema, of the pipeline, of the document, the provider, or whoever pays.

An error keeps what was paid for: `ValidationFailed` carries the extraction with its best value, attempts and cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .pointer import join

if TYPE_CHECKING:
    from .events import Event
    from .extraction import Extraction, Problem

__all__ = [
    "BudgetExceeded",
    "Detached",
    "DocumentError",
    "ExtractError",
    "ModelError",
    "NestedCall",
    "PipelineError",
    "ReadingFailed",
    "RunError",
    "SchemaError",
    "TooManyRejected",
    "ValidationFailed",
]


class ExtractError(Exception):
    """The base of all errors of this package.

    `message` is a sentence; `where` the place, or None; `fix` what to do, or None; `retryable` says whether the same
    thing tried again later may succeed.
    """

    def __init__(self, message: str, where: str | None = None, fix: str | None = None, retryable: bool = False):
        super().__init__(message, where, fix, retryable)
        self.message, self.where, self.fix, self.retryable = message, where, fix, retryable

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"\n  {self.fix}" if self.fix else ""
        return f"{place}{self.message}{remedy}"


class SchemaError(ExtractError):
    """A schema that does not exist, cannot be compiled, or does not fit a value."""

    def within(self, *steps: str | int) -> SchemaError:
        """The same error, of a value that stands at these steps inside another one."""
        return SchemaError(self.message, join(*steps) + (self.where or ""), self.fix)


class PipelineError(ExtractError):
    """A pipeline that cannot run as written; `where` is ``file:line:column``.

    A pipeline is checked whole: `others` holds the errors that were found after this one.
    """

    def __init__(
        self,
        message: str,
        where: str | None = None,
        fix: str | None = None,
        others: tuple[PipelineError, ...] = (),
    ):
        super().__init__(message, where, fix)
        self.others = others

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(str(other) for other in self.others)])


class DocumentError(ExtractError):
    """A document that is missing, empty, unreadable, or of a kind that the model does not take."""


class ModelError(ExtractError):
    """A model that cannot be used or did not answer.

    `kind` is one of ``transport``, ``length``, ``refusal``, ``filter`` and ``configuration`` (see `call.Failure`).
    `extraction`, where there is one, holds what was paid for before.
    """

    def __init__(
        self,
        message: str,
        where: str | None = None,
        fix: str | None = None,
        retryable: bool = False,
        kind: str = "configuration",
        extraction: Extraction[Any] | None = None,
    ):
        super().__init__(message, where, fix, retryable)
        self.kind, self.extraction = kind, extraction


class ReadingFailed(ExtractError):
    """A text that cannot be read as a value of the schema.

    `value` is what could be salvaged (or None), `events` what was changed on the way, `problems` what is wrong.
    """

    def __init__(
        self,
        message: str,
        where: str | None = None,
        fix: str | None = None,
        value: Any = None,
        events: tuple[Event, ...] = (),
        problems: tuple[Problem, ...] = (),
    ):
        super().__init__(message, where, fix)
        self.value, self.events, self.problems = value, events, problems


class ValidationFailed(ExtractError):
    """No valid record came out; `extraction` holds the best value so far, what is wrong with it, and what it cost."""

    def __init__(self, message: str, extraction: Extraction[Any], where: str | None = None, fix: str | None = None):
        super().__init__(message, where, fix)
        self.extraction = extraction


class BudgetExceeded(ExtractError):
    """The next call would pass the budget. A run in a folder goes on with a larger one, and pays nothing twice; of a
    single document `extraction` holds what was paid for, with the best value so far (None for a whole run)."""

    extraction: Extraction[Any] | None = None


class NestedCall(ExtractError):
    """A synchronous call from inside the work of another one, such as a validator's: its code has to be changed.
    `extraction`, where there is one, holds what was paid for before."""

    extraction: Extraction[Any] | None = None


class RunError(ExtractError):
    """A run's folder that is in use, of another pipeline, or not a run at all."""


class TooManyRejected(RunError):
    """A run that stopped because more was rejected than it was told to stand."""


class Detached(RunError):
    """A run that ended while its requests are with the provider: another start of it takes in the answers."""
