"""The local engine: sends rounds over the wire from one event loop, many documents at once.

It asks the ledger first, and records each paid reply before the task sees it. Under one pace and one budget it keeps at
most `Limits.in_flight` requests on the wire; a call that waits (for its turn, or to be tried again) gives up its place.
Waiting and retrying are here and nowhere else. Documents are opened, answers read and validated on worker threads, so
that a slow validator holds up nobody. When the budget is reached, or a request can never succeed (a wrong key), nothing
more is sent: what is under way is finished and recorded, what is in the ledger is still replayed, and the other
documents stay pending. A hook is told what happens (`hooks`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import Any, Generic, NoReturn, TypeVar

from ..call import Call, Failure, Reply
from ..catalogue import ModelFacts
from ..document import Document
from ..errors import BudgetExceeded, DocumentError, ExtractError, ModelError, RunError
from ..extraction import Extraction, Problem, ProblemKind
from ..ledger import Ledger
from ..limits import NOTHING, Amounts, Traffic
from ..models import Model
from ..prompt import shape_of
from ..task import Rounds, Task
from ..tokens import estimate_call
from .hooks import Hook, HookRaised, Watch
from .threads import on_thread

__all__ = ["Job", "Local", "Outcome"]

T = TypeVar("T")

Finish = Callable[[Extraction[T]], Extraction[T]]
"""What whoever asked makes of an extraction before it is handed out (`waiving`); on a worker thread, as validators."""

_WORKERS = 2000
"""The greatest number of documents that are worked on at once, whatever the limits say."""

_AHEAD = 16
"""How many documents, for each place on the wire, may be done before one that comes first in order."""


def _as_it_is(extraction: Extraction[T]) -> Extraction[T]:
    return extraction


@dataclass(frozen=True)
class Job(Generic[T]):
    """One document to be done: how to open it and the task. `name` is what the caller knows it by, `source` what a hook
    is told before it is opened."""

    name: str
    open: Callable[[], Document]
    task: Task[T]
    finish: Finish[T] = _as_it_is
    source: str = ""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a job: an extraction, or None where the engine stopped before it was done (the document is
    pending).
    """

    job: Job[T]
    extraction: Extraction[T] | None


@dataclass(frozen=True)
class _Turn(Generic[T]):
    """Where a task stands: its next round, or the extraction that it ended with."""

    steps: Rounds[T]
    finish: Finish[T]
    calls: tuple[Call, ...] = ()
    extraction: Extraction[T] | None = None


class Local:
    """Drives tasks with these models, by name. `traffic` may be shared with other engines on the same loop; `hook` is
    told what happens; `sent` counts the requests of this one, `stopped` is why it sends no more."""

    def __init__(self, models: Mapping[str, Model], ledger: Ledger, traffic: Traffic, hook: Hook | None = None):
        self.models, self.ledger, self.hook = models, ledger, hook or Hook()
        self.traffic, self.limits = traffic, traffic.limits
        self.stopped: ExtractError | None = None
        self.sent = 0
        self._stopping = asyncio.Event()
        self._under_way: dict[str, _Shared] = {}
        self._recording: set[asyncio.Future[None]] = set()

    async def drive(self, task: Task[T], document: Document, finish: Finish[T] = _as_it_is) -> Extraction[T]:
        """One document from first call to extraction. Raises `BudgetExceeded`, and `ModelError` for a request that can
        never succeed; any other failure is in the extraction."""
        watch = Watch(self.hook)
        watch.opened(document)
        async with self._hooked(watch):
            turn = await on_thread(lambda: _begun(task, document, finish))
            extraction = await self._driven(task, turn, watch)
            await watch.ended(extraction)
            return extraction

    async def run(self, jobs: Iterator[Job[T]], *, ordered: bool = False) -> AsyncGenerator[Outcome[T], None]:
        """The outcomes of all jobs, as they come or in the order of the jobs. `stopped` says afterwards why the rest is
        pending, if it is. Jobs are taken on worker threads, no more ahead than can be worked on."""
        outcomes: asyncio.Queue[tuple[int, Outcome[T]] | BaseException | None] = asyncio.Queue()
        ahead = self.limits.in_flight * (_AHEAD if ordered else 2)
        room = asyncio.Semaphore(ahead)
        source = _Source(jobs)

        async def work() -> None:
            try:
                while await room.acquire() and (taken := await asyncio.to_thread(source.take)) is not None:
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
                    await self.settled()  # before the workers are cancelled, and with them what is on the wire
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
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self.settled()

    async def stream(
        self, task: Task[T], document: Document, finish: Finish[T] = _as_it_is
    ) -> AsyncGenerator[Any, None]:
        """The record as it grows (JSON values in the user's shape), then the `Extraction`. Answers that are already in
        the ledger come at once."""
        facts = {one.name: one for one in task.models}
        watch = Watch(self.hook)
        watch.opened(document)
        async with self._hooked(watch):
            turn = await on_thread(lambda: _begun(task, document, finish))
            while turn.extraction is None:
                replies = []
                await watch.repairs(turn.calls)
                for call in turn.calls:
                    async with aclosing(self._deltas(call, facts[call.model], task, watch)) as deltas:
                        async for item in deltas:
                            if isinstance(item, Reply):
                                replies.append(item)
                            else:
                                yield item
                turn = await on_thread(lambda turn=turn, replies=replies: _advanced(turn, tuple(replies)))  # type: ignore[misc]
            await watch.ended(turn.extraction)
        yield turn.extraction

    async def settled(self) -> None:
        """Waits until nothing is under way and everything that was paid for is recorded."""
        while self._under_way or self._recording:
            pending: list[asyncio.Future[Any]] = [one.future for one in self._under_way.values()]
            await asyncio.wait([*pending, *self._recording])
            await asyncio.sleep(0)  # their callbacks take them off the lists

    @asynccontextmanager
    async def _hooked(self, watch: Watch) -> AsyncIterator[None]:
        """Where one document is driven by itself: what the hook raised comes out as it was, when all is recorded."""
        try:
            try:
                yield
            except (BudgetExceeded, ModelError, RunError):
                await watch.ended(None)
                raise
        except HookRaised as raised:
            self._stop(raised)
            await self.settled()
            raise raised.error from None

    async def _outcome(self, job: Job[T]) -> Outcome[T]:
        watch = Watch(self.hook, job.source or job.name)
        try:
            outcome = await self._done(job, watch)
            await watch.ended(outcome.extraction)
            return outcome
        except HookRaised as raised:
            self._stop(raised)
            raise

    async def _done(self, job: Job[T], watch: Watch) -> Outcome[T]:
        """The outcome of one job, whatever goes wrong: one document must not end the others."""

        def begun() -> _Turn[T]:
            document = job.open()
            watch.opened(document)
            return _begun(job.task, document, job.finish)

        try:
            return Outcome(job, await self._driven(job.task, await on_thread(begun), watch))
        except HookRaised:
            raise
        except DocumentError as error:
            message = error.message + (f" {error.fix}" if error.fix else "")
            return _failed(job, message, "document", error.where)
        except (BudgetExceeded, ModelError, RunError) as error:
            self._stop(error)
            return Outcome(job, None)
        except ExtractError as error:
            return _failed(job, error.message, "invalid", error.where)
        except Exception as error:  # noqa: BLE001  a user's own model or loader may raise anything
            return _failed(job, f"{type(error).__name__}: {error}", "invalid")

    async def _driven(self, task: Task[T], turn: _Turn[T], watch: Watch) -> Extraction[T]:
        facts = {one.name: one for one in task.models}
        while turn.extraction is None:
            await watch.repairs(turn.calls)
            replies = await asyncio.gather(*(self._reply(call, facts[call.model], watch) for call in turn.calls))
            turn = await on_thread(lambda turn=turn, replies=replies: _advanced(turn, tuple(replies)))  # type: ignore[misc]
        return turn.extraction

    async def _reply(self, call: Call, facts: ModelFacts, watch: Watch) -> Reply:
        """The reply to a call: from the ledger, from the same call under way, or from the model. The sending is shared
        by all who ask, and cancelled when the last of them is."""
        shared = self._under_way.get(call.key)
        first = shared is None
        if shared is None:
            shared = self._under_way[call.key] = _Shared(asyncio.ensure_future(self._answered(call, facts, watch)))
            shared.future.add_done_callback(lambda _: self._forget(call.key, shared))
        shared.waiting += 1
        try:
            reply = await asyncio.shield(shared.future)
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.future.done():
                self._forget(call.key, shared)
                shared.future.cancel()
        if not first:
            await watch.replied(call, reply, _cost(reply, facts), "shared")
        return reply

    def _forget(self, key: str, shared: _Shared) -> None:
        if self._under_way.get(key) is shared:
            del self._under_way[key]
        if not shared.future.cancelled() and shared.future.done():
            shared.future.exception()  # whoever waited for it has had it; nobody did if all were cancelled

    async def _answered(self, call: Call, facts: ModelFacts, watch: Watch) -> Reply:
        recorded = await self.ledger.reply(call.key)
        if recorded is None:
            return await self._persist(call, facts, watch)
        await watch.replied(call, recorded, _cost(recorded, facts), "ledger")
        return recorded

    async def _persist(self, call: Call, facts: ModelFacts, watch: Watch, tried: int = 1) -> Reply:
        """Attempts until there is a reply that another attempt would not change; `tried` is the number of the first."""
        reply = await self._attempt(call, facts, watch, tried)
        if reply.failure is not None and reply.failure.kind == "transport" and self.limits.tries > 1:
            reply = await self._again(call, facts, watch, reply, tried)
        if reply.failure is not None and reply.failure.kind == "configuration":
            self._refuse(reply, facts)
        return reply

    async def _again(self, call: Call, facts: ModelFacts, watch: Watch, first: Reply, tried: int) -> Reply:
        """The attempts after the first one, each when the server asks for it, or later and later."""
        from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt, wait_random_exponential

        backoff = wait_random_exponential(multiplier=0.5, max=30)
        replies, numbers, last = iter([first]), count(tried + 1), first

        async def attempt() -> Reply:
            nonlocal last
            last = next(replies, None) or await self._attempt(call, facts, watch, next(numbers))
            return last

        def wait(state: RetryCallState) -> float:
            asked = last.failure.retry_after if last.failure else None
            return backoff(state) if asked is None else asked

        async def pause(seconds: float) -> None:
            await watch.retries(call, seconds, last.failure.message if last.failure else "")
            await self._pause(seconds)

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda reply: reply.failure is not None and reply.failure.kind == "transport"),
            stop=stop_after_attempt(self.limits.tries),
            wait=wait,
            sleep=pause,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        reply: Reply = await retrying(attempt)
        return reply

    async def _attempt(self, call: Call, facts: ModelFacts, watch: Watch, tried: int) -> Reply:
        if (too_long := _too_long(call, facts)) is not None:
            reply = Reply(failure=too_long)
            await watch.replied(call, reply, None)
            return reply
        tokens = await self._turn(call, facts)
        async with self.traffic.slots:
            reserved = await self._reserve(call, facts, tokens)
            taken = NOTHING
            try:
                await watch.sent(call, tried)
                self.sent += 1
                reply = await self.models[facts.name].send(call, timeout=self.limits.timeout)
                taken = _amounts(reply, facts)
            finally:
                self.traffic.settle(reserved, taken)
        await self._record(call, reply, facts)
        await watch.replied(call, reply, _cost(reply, facts))
        return reply

    async def _turn(self, call: Call, facts: ModelFacts) -> int:
        """Waits for the call's turn; gives the tokens that it was counted to have."""
        tokens = estimate_call(call, facts) if self.traffic.counted else 0
        share = tokens + _most_output(call, facts, default=0)
        pace = self.traffic.pace
        try:
            await self._pause(pace.claim(asyncio.get_running_loop().time(), share))
        except BaseException:
            pace.give_back(share)
            raise
        return tokens

    async def _reserve(self, call: Call, facts: ModelFacts, tokens: int) -> Amounts:
        """Sets the most that the call may take aside; the last thing before it is sent."""
        if self.stopped is not None:
            raise self.stopped
        cost, said = Decimal(0), _most_output(call, facts) if self.traffic.counted else 0
        if facts.price is not None and self.limits.budget_usd is not None:
            cost = (tokens * facts.price.input + said * facts.price.output) / 1_000_000
        most = (cost, Decimal(tokens + said if self.limits.tokens is not None else 0), Decimal(1))
        await self.traffic.reserve(most)
        return most

    async def _record(self, call: Call, reply: Reply, facts: ModelFacts) -> None:
        """Records a paid reply, even if whoever asked for it is cancelled meanwhile."""
        if reply.paid:
            recording = asyncio.ensure_future(self.ledger.record(call, reply, _cost(reply, facts)))
            self._recording.add(recording)
            recording.add_done_callback(self._recording.discard)
            await asyncio.shield(recording)

    async def _deltas(self, call: Call, facts: ModelFacts, task: Task[Any], watch: Watch) -> AsyncGenerator[Any, None]:
        """The growing record of one call, then its reply; of a repair, only its reply. A stream that breaks is asked
        for again as a plain call."""
        recorded = await self.ledger.reply(call.key)
        if recorded is not None:
            await watch.replied(call, recorded, _cost(recorded, facts), "ledger")
            yield recorded
            return
        if (too_long := _too_long(call, facts)) is not None:
            await watch.replied(call, Reply(failure=too_long), None)
            yield Reply(failure=too_long)
            return
        model = self.models[facts.name]
        reader = task.schema.reader(shape=shape_of(model.mode))
        reply = Reply(text="")
        tokens = await self._turn(call, facts)
        async with self.traffic.slots:
            reserved = await self._reserve(call, facts, tokens)
            taken = NOTHING
            try:
                await watch.sent(call, 1)
                self.sent += 1
                async for item in model.stream(call, timeout=self.limits.timeout):
                    if isinstance(item, Reply):
                        reply, taken = item, _amounts(item, facts)
                    elif call.ask == "whole" and reader.feed(item).value is not None:
                        yield reader.snapshot()
            finally:
                self.traffic.settle(reserved, taken)
        await self._record(call, reply, facts)
        await watch.replied(call, reply, _cost(reply, facts))
        if reply.failure is not None and reply.failure.kind == "transport":
            reply = await self._persist(call, facts, watch, tried=2)
        elif reply.failure is not None and reply.failure.kind == "configuration":
            self._refuse(reply, facts)
        yield reply

    async def _pause(self, seconds: float) -> None:
        """Waits, unless the engine is stopped: then raises why."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._stopping.wait(), seconds)
            except TimeoutError:
                return
        if self.stopped is not None:
            raise self.stopped

    def _refuse(self, reply: Reply, facts: ModelFacts) -> NoReturn:
        assert reply.failure is not None
        error = ModelError(reply.failure.message, where=facts.name, fix=reply.failure.fix or None)
        self._stop(error)
        raise error

    def _stop(self, error: ExtractError) -> None:
        self.stopped = self.stopped or error
        self._stopping.set()


class _Shared:
    """A call under way, and how many wait for it."""

    def __init__(self, future: asyncio.Future[Reply]):
        self.future, self.waiting = future, 0


class _Source(Generic[T]):
    """The jobs, taken one by one from several threads."""

    def __init__(self, jobs: Iterator[Job[T]]):
        self._jobs, self._lock, self._closed = enumerate(jobs), threading.Lock(), False

    def take(self) -> tuple[int, Job[T]] | None:
        with self._lock:
            return None if self._closed else next(self._jobs, None)

    def close(self) -> None:
        """There are no more jobs."""
        self._closed = True


def _begun(task: Task[T], document: Document, finish: Finish[T]) -> _Turn[T]:
    return _advanced(_Turn(task.steps(document), finish), None)


def _advanced(turn: _Turn[T], replies: tuple[Reply, ...] | None) -> _Turn[T]:
    try:
        return replace(turn, calls=next(turn.steps) if replies is None else turn.steps.send(replies))
    except StopIteration as end:
        return replace(turn, calls=(), extraction=turn.finish(end.value))


def _too_long(call: Call, facts: ModelFacts) -> Failure | None:
    """Why a call is not sent that cannot fit into the model's context. Counting is left out where the number of
    characters shows that it fits; what is counted leans upwards, so a fifth is taken off. Images and files are left to
    the provider: of gpt-4o-mini's tokens for an image, most are a price and take no room."""
    if facts.context is None or sum(len(part.text) for part in call.inputs) < facts.context:
        return None
    text = tuple(part for part in call.inputs if part.kind in ("text", "value"))
    tokens = int(0.8 * estimate_call(replace(call, inputs=text)))
    if tokens <= facts.context:
        return None
    message = f"The document is too long for {facts.name}: about {tokens:,} tokens, and it takes {facts.context:,}"
    return Failure("document", f"{message}; cutting documents is not built yet.", code="context_length_exceeded")


def _amounts(reply: Reply, facts: ModelFacts) -> Amounts:
    """What a reply took of each budget."""
    if not reply.paid:
        return NOTHING
    return _cost(reply, facts) or Decimal(0), Decimal(reply.usage.input + reply.usage.output), Decimal(1)


def _cost(reply: Reply, facts: ModelFacts) -> Decimal | None:
    return facts.price.of(reply.usage) if facts.price and reply.paid else None


def _most_output(call: Call, facts: ModelFacts, default: int | None = None) -> int:
    """The greatest number of tokens that the answer may have."""
    for name in ("max_completion_tokens", "max_tokens"):
        if call.settings.get(name) is not None:
            return int(call.settings[name])
    if default is not None:
        return default
    return facts.max_output or 0


def _failed(job: Job[T], message: str, kind: ProblemKind, where: str | None = None) -> Outcome[T]:
    source = where if kind == "document" and where else job.name
    return Outcome(job, Extraction(value=None, source=source, problems=(Problem("", message, kind),)))
