"""The local engine: drives the tasks of many documents from one event loop.

Each round of a task goes to `calls`, which asks the ledger, waits, sends and records. Documents are opened, answers
read and validated on worker threads, so that a slow validator holds up nobody; where none of the user's code runs and
the text is short, that takes less time than a thread does, and is done on the spot. When the budget is reached, or a
request can never succeed (a wrong key), nothing more is sent: what is under way is finished and recorded, what is in
the ledger is still replayed, and the other documents stay pending. A hook is told what happens (`hooks`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from contextvars import copy_context
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from ..call import Call, Failure, Reply
from ..document import Document
from ..errors import BudgetExceeded, Detached, DocumentError, ExtractError, ModelError, NestedCall, RunError
from ..extraction import Extraction, Problem, ProblemKind
from ..frozen import quick
from ..ledger import Ledger
from ..limits import Traffic
from ..models import Model
from ..task import Rounds, Task
from .calls import Calls
from .crew import Crew
from .hooks import Hook, HookRaised, Watch
from .inputs import Inputs
from .threads import on_the_spot, on_thread

__all__ = ["Job", "Local", "Outcome"]

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")

Finish = Callable[[Extraction[T]], Extraction[T]]
"""What whoever asked makes of an extraction before it is handed out (`waiving`); on a worker thread, as validators."""

_AHEAD = 16
"""How many documents, for each place on the wire, may be done before one that comes first in order."""

_GRACE = 4.0
"""Seconds that requests on the wire have, when a run is interrupted, to bring what they may be charged for anyway."""

_SHORT = 32_000
"""Characters of a document and of an answer up to which reading takes less than a thread is worth."""


def _as_it_is(extraction: Extraction[T]) -> Extraction[T]:
    return extraction


@quick
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


@quick
@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a job: an extraction, or None where the engine stopped before it was done (the document is pending);
    and how many calls were `asked` of a model for it, the others being answered by the ledger."""

    job: Job[T]
    extraction: Extraction[T] | None
    asked: int = 0


@dataclass
class _Course(Generic[T]):
    """A task on its way through one document: what it asks next, until it has ended with an extraction."""

    steps: Rounds[T]
    finish: Finish[T]
    light: bool
    crew: Crew
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
        if self.light and (replies is None or all(len(reply.text or "") <= _SHORT for reply in replies)):
            on_the_spot(self.advance, replies)
        else:
            with self.crew.away():
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
    told what happens; `calls` says how calls are answered, where it is not one by one (`batch`). One that is for a
    single document (`sole`) has no equal calls to share, and no ledger that knows any."""

    def __init__(
        self,
        models: Mapping[str, Model],
        ledger: Ledger,
        traffic: Traffic,
        hook: Hook | None = None,
        calls: Calls | None = None,
        *,
        sole: bool = False,
    ):
        self.hook, self.traffic, self.limits = hook or Hook(), traffic, traffic.limits
        self.calls, self._sole = calls or Calls(models, ledger, traffic), sole

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
        async with _Hooked(self.calls, watch):
            course = self._course(task, document, finish)
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
        pending, if it is. Jobs are taken one by one, some more than can be worked on (`inputs`); where taking one may
        take time (`lazy`), on a thread of their own."""
        async with aclosing(self.each(jobs, self.outcome, ordered=ordered, lazy=lazy)) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async def each(
        self, items: Iterator[A], do: Callable[[A], Awaitable[B]], *, ordered: bool = False, lazy: bool = True
    ) -> AsyncGenerator[B, None]:
        """What `do` gives for each item, as they come or in the order of the items; it may call `outcome` as often as
        it likes. Items are taken as `run` takes jobs."""
        source, places = Inputs(items, lazy), self.limits.in_flight * (_AHEAD if ordered else 2)
        workers = _Workers(source, do, self.calls, max(places, self.calls.width))
        waiting: dict[int, B] = {}
        turn = 0
        try:
            while workers.left or not workers.outcomes.empty():
                item = await workers.outcomes.get()
                if isinstance(item, BaseException):
                    self.calls.leave()
                if isinstance(item, HookRaised):
                    source.close()
                    await self.calls.settled()  # before the workers are cancelled, and with them what is on the wire
                    raise item.error
                if isinstance(item, BaseException):
                    raise item
                if item is None:
                    continue
                number, outcome = item
                waiting[number if ordered else turn] = outcome
                while turn in waiting:
                    yield waiting.pop(turn)
                    turn += 1
                    workers.room.release()
        except asyncio.CancelledError:
            source.close()
            await self.calls.finished(_GRACE)
            raise
        except GeneratorExit:  # whoever takes the outcomes was cancelled meanwhile, or wants no more of them
            self.calls.leave()
            await self.calls.finished(_GRACE)
            raise
        finally:
            source.close()
            await workers.dismiss()
            await self.calls.settled()

    async def stream(
        self, task: Task[T], document: Document, finish: Finish[T] = _as_it_is
    ) -> AsyncGenerator[Any, None]:
        """The record as it grows (JSON values in the user's shape), then the `Extraction`. Answers that are already in
        the ledger come at once. Raises as `drive` does."""
        facts = {one.name: one for one in task.models}
        watch = Watch(self.hook)
        watch.opened(document)
        async with _Hooked(self.calls, watch):
            course = self._course(task, document, finish)
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

    async def outcome(self, job: Job[T]) -> Outcome[T]:
        """The outcome of one job, whatever goes wrong."""
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
            document = await self._opened(job)
            watch.opened(document)
            course = self._course(job.task, document, job.finish)
            extraction = await self._driven(job.task, course, watch)
            return Outcome(job, extraction, watch.asked)
        except HookRaised:
            raise
        except DocumentError as error:
            message = error.message + (f" {error.fix}" if error.fix else "")
            return _failed(job, message, "document", error.where)
        except Detached:
            return Outcome(job, None)
        except (BudgetExceeded, ModelError, RunError) as error:
            self.calls.stop(error)
            return Outcome(job, None)
        except NestedCall as error:
            if error.extraction is None:
                return _failed(job, error.message, "configuration")
            return Outcome(job, error.extraction, watch.asked)
        except ExtractError as error:
            return _failed(job, error.message, "invalid", error.where)
        except Exception as error:  # noqa: BLE001  a user's own model or loader may raise anything
            return _failed(job, f"{type(error).__name__}: {error}", "invalid")

    async def _opened(self, job: Job[T]) -> Document:
        if job.at_hand:
            return on_the_spot(job.open)
        with self.calls.crew.away():
            return await on_thread(job.open)

    def _course(self, task: Task[T], document: Document, finish: Finish[T]) -> _Course[T]:
        light = task.schema.quick and not task.checks and len(document.text) <= _SHORT
        return _Course(task.steps(document), finish, light, self.calls.crew)

    async def _driven(self, task: Task[T], course: _Course[T], watch: Watch) -> Extraction[T]:
        await course.after(None)
        while course.extraction is None:
            await watch.repairs(course.calls)
            if len(course.calls) == 1:
                call, ask = course.calls[0], self.calls.new_reply if self._sole else self.calls.reply
                replies: tuple[Reply, ...] = (await ask(call, task.facts_of(call), watch),)
            else:
                asked = (self.calls.reply(call, task.facts_of(call), watch) for call in course.calls)
                replies = tuple(await asyncio.gather(*asked))
            await course.after(replies)
        return course.extraction


class _Hooked:
    """Where one document is driven by itself and a hook is told: what that raised comes out as it was, when all is
    recorded."""

    def __init__(self, calls: Calls, watch: Watch):
        self._calls, self._watch = calls, watch

    async def __aenter__(self) -> None:
        """There is nothing to begin with."""

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (BudgetExceeded, ModelError, RunError)):
            try:
                await self._watch.ended(None)
            except HookRaised as raised:
                error = raised
        if isinstance(error, HookRaised):
            self._calls.stop(error)
            await self._calls.settled()
            raise error.error from None


class _Workers(Generic[A, B]):
    """Takes items and does them, as many at once as keep the calls' `hands` busy and no more than `ahead` before what
    came of the others was taken from `outcomes`: what came of an item with its number, an error, or None of a worker
    that has ended. `left` of them have not."""

    def __init__(self, source: Inputs[A], do: Callable[[A], Awaitable[B]], calls: Calls, ahead: int):
        self.outcomes: asyncio.Queue[tuple[int, B] | BaseException | None] = asyncio.Queue()
        self.room, self.left = asyncio.Semaphore(ahead), 0
        self._source, self._do, self._calls, self._crew = source, do, calls, calls.crew
        self._context = copy_context()  # workers are hired where another unit is held up, and are not of that unit
        self._tasks: set[asyncio.Task[None]] = set()
        self._crew.short.append(self._fill)
        for _ in range(calls.hands):
            self._hire()

    def _hire(self) -> None:
        """Another worker, if there is room."""
        if self.left < self._calls.width:
            task = asyncio.create_task(self._work(), context=self._context.copy())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self.left += 1

    def _fill(self) -> None:
        """Another worker, if it is needed to keep all hands busy: the others may be held up for a day."""
        if self._crew.calling < self._calls.hands:
            self._hire()

    async def dismiss(self) -> None:
        self._crew.short.remove(self._fill)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        """Takes items and does them, until there are no more or there are enough others. The last one stays: those may
        be of another `each`."""
        try:
            while await self.room.acquire() and (self.left == 1 or self._crew.calling < self._calls.hands):
                with self._crew.takes():
                    taken = await self._source.take()
                    if taken is None:
                        break
                with self._crew.works():
                    outcome = await self._do(taken[1])
                self.outcomes.put_nowait((taken[0], outcome))
            self.room.release()  # where there are no more, this wakes the next one
        except Exception as error:  # noqa: BLE001  it is raised again where the outcomes are read
            self.outcomes.put_nowait(error)
        finally:
            self.left -= 1  # here, not where that is read: another one may be needed before anybody reads it
            self.outcomes.put_nowait(None)


def _carrying(error: Any, course: _Course[Any]) -> ExtractError:
    """The error with everything that was paid for before it."""
    carrying: Any = copy(error)
    carrying.extraction = course.given_up(error)
    return cast(ExtractError, carrying)


def _failed(job: Job[T], message: str, kind: ProblemKind, where: str | None = None) -> Outcome[T]:
    source = where if kind == "document" and where else job.name
    return Outcome(job, Extraction(value=None, source=source, problems=(Problem("", message, kind),)))
