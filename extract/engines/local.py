"""The local engine: sends rounds over the wire from one event loop, many documents at once.

It asks the ledger first, and records each paid reply before the task sees it. Under one pace and one budget it keeps at
most `Limits.in_flight` requests on the wire; a call that waits (for its turn, or to be tried again) gives up its place.
Waiting and retrying are here and nowhere else. Reading and validating run on worker threads, so that a slow validator
holds up nobody. When the budget is reached, or a request can never succeed (a wrong key), nothing more is sent: what is
under way is finished and recorded, and the other documents stay pending.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextvars import copy_context
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from ..call import Call, Reply
from ..catalogue import ModelFacts
from ..document import Document
from ..door import working
from ..errors import BudgetExceeded, DocumentError, ExtractError, ModelError
from ..extraction import Extraction, Problem
from ..ledger import Ledger
from ..limits import Traffic
from ..models import Model
from ..prompt import shape_of
from ..task import Rounds, Task
from ..tokens import estimate_call

__all__ = ["Job", "Local", "Outcome"]

T = TypeVar("T")


@dataclass(frozen=True)
class Job(Generic[T]):
    """One document to be done: how to open it and the task. `name` is what the caller knows it by."""

    name: str
    open: Callable[[], Document]
    task: Task[T]


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a job: an extraction, or None where the engine stopped before it was done (the document is
    pending).
    """

    job: Job[T]
    extraction: Extraction[T] | None
    document: Document | None = None


class Local:
    """Drives tasks with these models, by name. `traffic` may be shared with other engines on the same loop; `sent`
    counts the requests of this one, `stopped` is why it sends no more."""

    def __init__(
        self,
        models: Mapping[str, Model],
        ledger: Ledger,
        traffic: Traffic,
    ):
        self.models, self.ledger = models, ledger
        self.traffic, self.limits = traffic, traffic.limits
        self.stopped: ExtractError | None = None
        self.sent = 0
        self._under_way: dict[str, asyncio.Future[Reply]] = {}

    async def drive(self, task: Task[T], document: Document) -> Extraction[T]:
        """One document from first call to extraction. Raises `BudgetExceeded`, and `ModelError` for a request that can
        never succeed; any other failure is in the extraction."""
        facts = {one.name: one for one in task.models}
        steps = task.steps(document)
        calls, extraction = await _advance(steps, None)
        while extraction is None:
            replies = await asyncio.gather(*(self._reply(call, facts[call.model]) for call in calls))
            calls, extraction = await _advance(steps, tuple(replies))
        return extraction

    async def run(self, jobs: Iterator[Job[T]]) -> AsyncIterator[Outcome[T]]:
        """The outcomes of all jobs as they come. `stopped` says afterwards why the rest is pending, if it is."""
        outcomes: asyncio.Queue[Outcome[T] | BaseException | None] = asyncio.Queue(maxsize=2 * self.limits.in_flight)

        async def work() -> None:
            try:
                for job in jobs:
                    await outcomes.put(await self._outcome(job))
            except Exception as error:  # noqa: BLE001  it is raised again where the outcomes are read
                await outcomes.put(error)
            await outcomes.put(None)

        workers = [asyncio.create_task(work()) for _ in range(2 * self.limits.in_flight)]
        left = len(workers)
        try:
            while left:
                outcome = await outcomes.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                if outcome is None:
                    left -= 1
                else:
                    yield outcome
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def stream(self, task: Task[T], document: Document) -> AsyncIterator[Any]:
        """The record as it grows (JSON values in the user's shape), then the `Extraction`. Answers that are already in
        the ledger come at once."""
        facts = {one.name: one for one in task.models}
        steps = task.steps(document)
        calls, extraction = await _advance(steps, None)
        while extraction is None:
            replies = []
            for call in calls:
                async for item in self._deltas(call, facts[call.model], task):
                    if isinstance(item, Reply):
                        replies.append(item)
                    else:
                        yield item
            calls, extraction = await _advance(steps, tuple(replies))
        yield extraction

    async def _outcome(self, job: Job[T]) -> Outcome[T]:
        if self.stopped is not None:
            return Outcome(job, None)
        try:
            document = await asyncio.to_thread(job.open)
        except DocumentError as error:
            return Outcome(job, _unopened(job, error))
        try:
            return Outcome(job, await self.drive(job.task, document), document)
        except (BudgetExceeded, ModelError) as error:
            self.stopped = self.stopped or error
            return Outcome(job, None, document)

    async def _reply(self, call: Call, facts: ModelFacts) -> Reply:
        """The reply to a call: from the ledger, from the same call under way, or from the model."""
        while (same := self._under_way.get(call.key)) is not None:
            try:
                return await asyncio.shield(same)
            except asyncio.CancelledError:
                if not same.cancelled():  # it is this caller that was cancelled, and not the one that sends
                    raise
        future = asyncio.ensure_future(self._answered(call, facts))
        self._under_way[call.key] = future
        future.add_done_callback(lambda _: self._under_way.pop(call.key, None))
        return await future

    async def _answered(self, call: Call, facts: ModelFacts) -> Reply:
        recorded = await self.ledger.reply(call.key)
        return recorded if recorded is not None else await self._persist(call, facts)

    async def _persist(self, call: Call, facts: ModelFacts) -> Reply:
        """Attempts until there is a reply that another attempt would not change."""
        from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt, wait_random_exponential

        backoff = wait_random_exponential(multiplier=0.5, max=30)

        def wait(state: RetryCallState) -> float:
            failure = state.outcome.result().failure if state.outcome else None
            asked = failure.retry_after if failure else None
            return backoff(state) if asked is None else asked

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda reply: reply.failure is not None and reply.failure.kind == "transport"),
            stop=stop_after_attempt(self.limits.tries),
            wait=wait,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        reply: Reply = await retrying(self._attempt, call, facts)
        if reply.failure is not None and reply.failure.kind == "configuration":
            raise ModelError(reply.failure.message, where=facts.name, fix=reply.failure.fix or None)
        return reply

    async def _attempt(self, call: Call, facts: ModelFacts) -> Reply:
        tokens = estimate_call(call) if self.traffic.counted else 0
        await self.traffic.pace.take(tokens + _most_output(call, facts, default=0))
        async with self.traffic.slots:
            if self.stopped is not None:
                raise self.stopped
            reserved = self._reserve(call, facts, tokens)
            self.sent += 1
            reply, cost = Reply(), Decimal(0)
            try:
                reply = await self.models[facts.name].send(call, timeout=self.limits.timeout)
                cost = facts.price.of(reply.usage) if facts.price and reply.paid else Decimal(0)
            finally:
                self.traffic.budget.settle(reserved, cost)
        if reply.paid:
            await asyncio.shield(self._record(call, reply, facts))
        return reply

    async def _record(self, call: Call, reply: Reply, facts: ModelFacts) -> None:
        await self.ledger.record(call, reply, facts.price.of(reply.usage) if facts.price else None)

    def _reserve(self, call: Call, facts: ModelFacts, tokens: int) -> Decimal:
        if facts.price is None or self.traffic.budget.limit is None:
            return Decimal(0)
        most = (tokens * facts.price.input + _most_output(call, facts) * facts.price.output) / 1_000_000
        self.traffic.budget.reserve(most)
        return most

    async def _deltas(self, call: Call, facts: ModelFacts, task: Task[Any]) -> AsyncIterator[Any]:
        """The growing record of one call, then its reply. A stream that breaks is asked for again as a plain call."""
        recorded = await self.ledger.reply(call.key)
        if recorded is not None:
            yield recorded
            return
        model = self.models[facts.name]
        shape = shape_of(model.mode)
        reader = task.schema.reader(shape=shape)
        reply = None
        tokens = estimate_call(call) if self.traffic.counted else 0
        await self.traffic.pace.take(tokens + _most_output(call, facts, default=0))
        async with self.traffic.slots:
            reserved = self._reserve(call, facts, tokens)
            self.sent += 1
            cost = Decimal(0)
            try:
                async for item in model.stream(call, timeout=self.limits.timeout):
                    if isinstance(item, Reply):
                        reply = item
                        cost = facts.price.of(item.usage) if facts.price and item.paid else Decimal(0)
                    elif (live := reader.feed(item)).value is not None:
                        yield task.schema.decode_partial(live.value) if shape == "wire" else deepcopy(live.value)
            finally:
                self.traffic.budget.settle(reserved, cost)
        if reply is None or (reply.failure is not None and reply.failure.kind == "transport"):
            reply = await self._persist(call, facts)
        elif reply.paid:
            await asyncio.shield(self._record(call, reply, facts))
        yield reply


async def _advance(
    steps: Rounds[T], replies: tuple[Reply, ...] | None
) -> tuple[tuple[Call, ...], Extraction[T] | None]:
    """The next round, or the extraction, made on a worker thread: validators are the user's and may be slow."""

    def work() -> tuple[tuple[Call, ...], Extraction[T] | None]:
        working.set(True)
        try:
            return (next(steps) if replies is None else steps.send(replies)), None
        except StopIteration as end:
            return (), end.value

    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(None, lambda: context.run(work))


def _most_output(call: Call, facts: ModelFacts, default: int | None = None) -> int:
    """The greatest number of tokens that the answer may have."""
    for name in ("max_completion_tokens", "max_tokens"):
        if call.settings.get(name) is not None:
            return int(call.settings[name])
    if default is not None:
        return default
    return facts.max_output or 0


def _unopened(job: Job[T], error: DocumentError) -> Extraction[T]:
    message = error.message + (f" {error.fix}" if error.fix else "")
    problems = (Problem("", message, "document"),)
    return Extraction(value=None, source=error.where or job.name, problems=problems)
