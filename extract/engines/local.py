"""The local engine: drives the tasks of many documents from one event loop.

Each round of a task goes to `calls`, which asks the ledger, waits, sends and records. Documents are opened, answers
read and validated on worker threads, so that a slow validator holds up nobody; where none of the user's code runs and
the text is short, that takes less time than a thread does, and is done on the spot. When the budget is reached, or a
request can never succeed (a wrong key), nothing more is sent: what is under way is finished and recorded, what is in
the ledger is still replayed, and the other documents stay pending. A hook is told what happens (`hooks`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from ..call import Call, Failure, Reply
from ..document import Document
from ..errors import BudgetExceeded, DocumentError, ExtractError, ModelError, NestedCall, RunError
from ..extraction import Extraction, Problem, ProblemKind
from ..ledger import Ledger
from ..limits import Traffic
from ..models import Model
from ..task import Rounds, Task
from .calls import Calls
from .hooks import Hook, HookRaised, Watch
from .inputs import Inputs
from .threads import on_the_spot, on_thread

__all__ = ["Job", "Local", "Outcome"]

T = TypeVar("T")

Finish = Callable[[Extraction[T]], Extraction[T]]
"""What whoever asked makes of an extraction before it is handed out (`waiving`); on a worker thread, as validators."""

_WORKERS = 2000
"""The greatest number of documents that are worked on at once, whatever the limits say."""

_AHEAD = 16
"""How many documents, for each place on the wire, may be done before one that comes first in order."""

_GRACE = 4.0
"""Seconds that requests on the wire have, when a run is interrupted, to bring what they may be charged for anyway."""

_SHORT = 32_000
"""Characters of a document and of an answer up to which reading takes less than a thread is worth."""


def _as_it_is(extraction: Extraction[T]) -> Extraction[T]:
    return extraction


@dataclass(frozen=True)
class Job(Generic[T]):
    """One document to be done: how to open it and the task. `name` is what the caller knows it by, `source` what a hook
    is told before it is opened; `at_hand` says that opening it reads nothing."""

    name: str
    open: Callable[[], Document]
    task: Task[T]
    finish: Finish[T] = _as_it_is
    source: str = ""
    at_hand: bool = False


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a job: an extraction, or None where the engine stopped before it was done (the document is
    pending).
    """

    job: Job[T]
    extraction: Extraction[T] | None


@dataclass
class _Course(Generic[T]):
    """A task on its way through one document: what it asks next, until it has ended with an extraction."""

    steps: Rounds[T]
    finish: Finish[T]
    light: bool
    calls: tuple[Call, ...] = ()
    extraction: Extraction[T] | None = None

    def advance(self, replies: tuple[Reply, ...] | None) -> None:
        """Goes on with the replies to what was asked, or begins."""
        try:
            self.calls = next(self.steps) if replies is None else self.steps.send(replies)
        except StopIteration as end:
            self.calls, self.extraction = (), self.finish(end.value)

    async def after(self, replies: tuple[Reply, ...] | None) -> None:
        """`advance`, on a worker thread unless that would take longer than the work."""
        if self.light and all(len(reply.text or "") <= _SHORT for reply in replies or ()):
            on_the_spot(lambda: self.advance(replies))
        else:
            await on_thread(lambda: self.advance(replies))

    def given_up(self, error: ExtractError) -> Extraction[T]:
        """The extraction as it stands when nothing more can be asked, with everything that was paid for."""
        failure = Failure("configuration", error.message, fix=error.fix or "")
        asked, self.finish = -1 if isinstance(error, ModelError) else 0, _as_it_is
        while self.extraction is None:
            asked += len(self.calls)
            self.advance(tuple(Reply(failure=failure) for _ in self.calls))
        attempts = self.extraction.attempts
        return replace(self.extraction, attempts=attempts[: len(attempts) - asked])


class Local:
    """Drives tasks with these models, by name. `traffic` may be shared with other engines on the same loop; `hook` is
    told what happens. One that is for a single document (`sole`) has no equal calls to share."""

    def __init__(
        self,
        models: Mapping[str, Model],
        ledger: Ledger,
        traffic: Traffic,
        hook: Hook | None = None,
        *,
        sole: bool = False,
    ):
        self.hook, self.traffic, self.limits = hook or Hook(), traffic, traffic.limits
        self.calls, self._sole = Calls(models, ledger, traffic), sole

    @property
    def sent(self) -> int:
        """The requests of this engine."""
        return self.calls.sent

    @property
    def stopped(self) -> ExtractError | None:
        """Why no more are sent."""
        return self.calls.stopped

    async def drive(self, task: Task[T], document: Document, finish: Finish[T] = _as_it_is) -> Extraction[T]:
        """One document from first call to extraction. Raises `BudgetExceeded`, and `ModelError` for a request that can
        never succeed, with what was paid for until then; any other failure is in the extraction."""
        watch = Watch(self.hook)
        watch.opened(document)
        async with self._hooked(watch):
            course = _course(task, document, finish)
            try:
                extraction = await self._driven(task, course, watch)
            except (BudgetExceeded, ModelError) as error:
                raise _carrying(error, course) from None
            await watch.ended(extraction)
            return extraction

    async def run(
        self, jobs: Iterator[Job[T]], *, ordered: bool = False, lazy: bool = True
    ) -> AsyncGenerator[Outcome[T], None]:
        """The outcomes of all jobs, as they come or in the order of the jobs. `stopped` says afterwards why the rest is
        pending, if it is. Jobs are taken one by one, a few more than can be worked on; where taking one may take time
        (`lazy`), on a thread of their own."""
        outcomes: asyncio.Queue[tuple[int, Outcome[T]] | BaseException | None] = asyncio.Queue()
        ahead = self.limits.in_flight * (_AHEAD if ordered else 2)
        room = asyncio.Semaphore(ahead)
        source = Inputs(jobs, lazy)

        async def work() -> None:
            try:
                while await room.acquire() and (taken := await source.take()) is not None:
                    outcomes.put_nowait((taken[0], await self._outcome(taken[1])))
            except Exception as error:  # noqa: BLE001  it is raised again where the outcomes are read
                outcomes.put_nowait(error)
            finally:
                outcomes.put_nowait(None)

        workers = [asyncio.create_task(work()) for _ in range(min(2 * self.limits.in_flight, _WORKERS))]
        waiting: dict[int, Outcome[T]] = {}
        turn, left = 0, len(workers)
        try:
            while left:
                item = await outcomes.get()
                if isinstance(item, HookRaised):
                    source.close()
                    await self.calls.settled()  # before the workers are cancelled, and with them what is on the wire
                    raise item.error
                if isinstance(item, BaseException):
                    raise item
                if item is None:
                    left -= 1
                    room.release()  # the place of the worker that found no more jobs wakes the next one
                    continue
                number, outcome = item
                waiting[number if ordered else turn] = outcome
                while turn in waiting:
                    yield waiting.pop(turn)
                    turn += 1
                    room.release()
        except asyncio.CancelledError:
            source.close()
            await self.calls.finished(_GRACE)
            raise
        finally:
            source.close()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self.calls.settled()

    async def stream(
        self, task: Task[T], document: Document, finish: Finish[T] = _as_it_is
    ) -> AsyncGenerator[Any, None]:
        """The record as it grows (JSON values in the user's shape), then the `Extraction`. Answers that are already in
        the ledger come at once. Raises as `drive` does."""
        facts = {one.name: one for one in task.models}
        watch = Watch(self.hook)
        watch.opened(document)
        async with self._hooked(watch):
            course = _course(task, document, finish)
            try:
                await course.after(None)
                while course.extraction is None:
                    replies = []
                    await watch.repairs(course.calls)
                    for call in course.calls:
                        async with aclosing(self.calls.deltas(call, facts[call.model], task.schema, watch)) as deltas:
                            async for item in deltas:
                                if isinstance(item, Reply):
                                    replies.append(item)
                                else:
                                    yield item
                    await course.after(tuple(replies))
            except (BudgetExceeded, ModelError) as error:
                raise _carrying(error, course) from None
            await watch.ended(course.extraction)
        yield course.extraction

    async def settled(self) -> None:
        """Waits until nothing is under way and everything that was paid for is recorded."""
        await self.calls.settled()

    @asynccontextmanager
    async def _hooked(self, watch: Watch) -> AsyncIterator[None]:
        """Where one document is driven by itself and a hook is told: what that raised comes out as it was, when all is
        recorded."""
        try:
            try:
                yield
            except (BudgetExceeded, ModelError, RunError):
                await watch.ended(None)
                raise
        except HookRaised as raised:
            self.calls.stop(raised)
            await self.calls.settled()
            raise raised.error from None

    async def _outcome(self, job: Job[T]) -> Outcome[T]:
        watch = Watch(self.hook, job.source or job.name)
        try:
            outcome = await self._done(job, watch)
            await watch.ended(outcome.extraction)
            return outcome
        except HookRaised as raised:
            self.calls.stop(raised)
            raise

    async def _done(self, job: Job[T], watch: Watch) -> Outcome[T]:
        """The outcome of one job, whatever goes wrong: one document must not end the others."""
        try:
            document = on_the_spot(job.open) if job.at_hand else await on_thread(job.open)
            watch.opened(document)
            course = _course(job.task, document, job.finish)
            return Outcome(job, await self._driven(job.task, course, watch))
        except HookRaised:
            raise
        except DocumentError as error:
            message = error.message + (f" {error.fix}" if error.fix else "")
            return _failed(job, message, "document", error.where)
        except (BudgetExceeded, ModelError, RunError) as error:
            self.calls.stop(error)
            return Outcome(job, None)
        except NestedCall as error:
            return Outcome(job, error.extraction) if error.extraction else _failed(job, error.message, "configuration")
        except ExtractError as error:
            return _failed(job, error.message, "invalid", error.where)
        except Exception as error:  # noqa: BLE001  a user's own model or loader may raise anything
            return _failed(job, f"{type(error).__name__}: {error}", "invalid")

    async def _driven(self, task: Task[T], course: _Course[T], watch: Watch) -> Extraction[T]:
        await course.after(None)
        while course.extraction is None:
            await watch.repairs(course.calls)
            if len(course.calls) == 1:
                call, ask = course.calls[0], self.calls.sole_reply if self._sole else self.calls.reply
                replies: tuple[Reply, ...] = (await ask(call, task.facts_of(call), watch),)
            else:
                asked = (self.calls.reply(call, task.facts_of(call), watch) for call in course.calls)
                replies = tuple(await asyncio.gather(*asked))
            await course.after(replies)
        return course.extraction


def _course(task: Task[T], document: Document, finish: Finish[T]) -> _Course[T]:
    light = task.schema.quick and not task.checks and len(document.text) <= _SHORT
    return _Course(task.steps(document), finish, light)


def _carrying(error: Any, course: _Course[Any]) -> ExtractError:
    """The error with everything that was paid for before it."""
    carrying: Any = copy(error)
    carrying.extraction = course.given_up(error)
    return cast(ExtractError, carrying)


def _failed(job: Job[T], message: str, kind: ProblemKind, where: str | None = None) -> Outcome[T]:
    source = where if kind == "document" and where else job.name
    return Outcome(job, Extraction(value=None, source=source, problems=(Problem("", message, kind),)))
