"""What every writer of rows promises: rows are taken one by one, and appear whole, at once, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, Self

from ..errors import PipelineError
from ..jsontext import as_read
from ..tables import QueryError, Row

__all__ = ["Writer"]

P = ParamSpec("P")


class Writer:
    """Takes the rows of one output. They wait on disk: memory does not grow with them.

    Nothing of it is seen under the output's name until `finish`. As a context manager it finishes at the end, or
    abandons where an exception leaves it. One thread at a time may use it. A kind of output is a child that has
    `_take`, `_appear` and `_drop`.
    """

    def __init__(self, shown: str):
        self.shown = shown
        self._count: int | None = None
        self._open = True

    def add(self, row: Row) -> None:
        """Takes one row. Raises PipelineError where the disk does not take it."""
        if not self._open:
            raise RuntimeError("the writer is finished")
        self._do(self._take, row)

    def add_as_read(self, row: Row) -> None:
        """Takes one row as it would be if it came from a ledger."""
        self.add(as_read(row))

    def hand_over(self) -> None:
        """Hands the rows that were added to the system, so that others see them under way."""
        if self._open:
            self._do(self._hand_over)

    def finish(self) -> int:
        """Makes the output appear, and says how many rows it holds of those that were added. Raises PipelineError if
        it cannot be; then the output is as it was before, and the rows have to be added again to a new writer."""
        if self._count is not None:
            return self._count
        if not self._open:
            raise RuntimeError("the writer is abandoned")
        try:
            self._count = self._appear()
        except (QueryError, OSError) as error:
            raise self._said(error) from None
        finally:
            self.abandon()
        return self._count

    def abandon(self) -> None:
        """Drops what was added; the output stays as it was. After `finish` it does nothing."""
        if self._open:
            self._open = False
            self._drop()

    def _take(self, row: Row) -> None:
        raise NotImplementedError

    def _hand_over(self) -> None:
        """Nothing waits in this process."""

    def _appear(self) -> int:
        raise NotImplementedError

    def _drop(self) -> None:
        raise NotImplementedError

    def _do(self, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Does it; where that cannot be done the output is given up."""
        try:
            work(*args, **kwargs)
        except (QueryError, OSError) as error:
            self.abandon()
            raise self._said(error) from None
        except BaseException:
            self.abandon()
            raise

    def _said(self, error: QueryError | OSError) -> PipelineError:
        """Errors as the user meets them: with the name of the output."""
        if isinstance(error, QueryError):
            return PipelineError(error.message, self.shown, error.fix)
        return PipelineError(f"The output cannot be written: {error.strerror or error}.", self.shown)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abandon()
