"""The calls of an engine: each is answered by the ledger, by the same call under way, or by the model.

A paid reply is recorded before anybody sees it. Under one pace and one budget at most `Limits.in_flight` requests are
on the wire; a call that waits (for its turn, for a server's limit, to be tried again) gives up its place. Waiting and
retrying are here and nowhere else. Once `stopped` nothing more is sent: what is under way is finished and recorded,
and what the ledger has is still answered from it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any, NoReturn

from ..call import Call, Failure, Mode, Reply
from ..catalogue import ModelFacts
from ..errors import ExtractError, ModelError, RunError
from ..ledger import Ledger
from ..limits import NOTHING, Amounts, Traffic
from ..models import Model
from ..prompt import shape_of
from ..schema import Schema
from ..tokens import estimate_call
from .crew import Crew
from .hooks import Watch

__all__ = ["Calls", "cost_of", "most_output", "passes", "too_long_for"]

_PATIENCE = 900.0
"""Seconds that a server may ask to wait; a call that would have to wait longer is given up."""

_AT_ONCE = 0.05
"""Seconds below which the wait that a server asks for is none, and is chosen here."""

_WORKERS = 2000
"""The greatest number of documents that are worked on at once, whatever the limits say."""

_ODD = 5
"""So many refusals for reasons that are not known, one after the other, are no longer taken for the documents'."""

_TOLD = 1.0
"""Seconds from which a wait for a server's limit is told to a hook."""

_LOOK_AGAIN = 30.0
"""Seconds after which a call that waits for a server's limit asks again how long it is."""


class Calls:
    """Asks these models, by name. `sent` counts the requests, `stopped` is why no more are sent, `modes` has the models
    that answered in another mode than they were first asked in."""

    def __init__(self, models: Mapping[str, Model], ledger: Ledger, traffic: Traffic):
        self.models, self.ledger, self.traffic = models, ledger, traffic
        self.limits = traffic.limits
        self.stopped: ExtractError | None = None
        self.sent = 0
        self.modes: dict[str, Mode] = {}
        self.crew = Crew()
        self._stopping = asyncio.Event()
        self._under_way: dict[str, _Shared] = {}
        self._served: defaultdict[str, int] = defaultdict(int)
        self._odd: defaultdict[str, int] = defaultdict(int)

    @property
    def width(self) -> int:
        """How many units may be worked on at once, counting those that make no calls at the moment."""
        return min(2 * self.limits.in_flight, _WORKERS)

    @property
    def hands(self) -> int:
        """How many units should be making calls at any moment. More of them would only get ready and wait for a place:
        those that go on together are done in less time, since all that is done to one is at hand for the next."""
        return min(max(2, self.limits.in_flight), _WORKERS)

    @property
    def abreast(self) -> int:
        """How many rows of one unit are worth being asked about at once."""
        return self.limits.in_flight

    async def reply(self, call: Call, facts: ModelFacts, watch: Watch) -> Reply:
        """The reply to a call. The sending is shared by all who ask, and cancelled when the last of them is. Raises
        `BudgetExceeded`, and `ModelError` for a request that can never succeed."""
        shared = self._under_way.get(call.key)
        first = shared is None
        if shared is None:
            shared = self._under_way[call.key] = _Shared()
            shared.task = asyncio.create_task(self._share(call, facts, watch, shared))
        waiter = asyncio.get_running_loop().create_future()
        shared.waiters.append(waiter)
        try:
            with nullcontext() if first else self.crew.away():
                reply: Reply = await waiter
        finally:
            shared.waiters.remove(waiter)
            if not shared.waiters and shared.task is not None and not shared.task.done():
                self._forget(call.key, shared)
                shared.task.cancel()
        if not first:
            await watch.replied(call, reply, cost_of(reply, facts), "shared")
        return reply

    async def sole_reply(self, call: Call, facts: ModelFacts, watch: Watch) -> Reply:
        """The same, of a call that nobody else asks for meanwhile."""
        recorded = await self.ledger.reply(call.key)
        if recorded is None:
            return await self.new_reply(call, facts, watch)
        await watch.replied(call, recorded, cost_of(recorded, facts), "ledger")
        return recorded

    async def new_reply(self, call: Call, facts: ModelFacts, watch: Watch) -> Reply:
        """The same, of a call that no ledger knows: attempts until there is one that another would not change."""
        served = self._served[facts.name]
        reply = await self._attempt(call, facts, watch, 1)
        return reply if reply.failure is None else await self._after(call, facts, watch, reply, served)

    async def deltas(
        self, call: Call, facts: ModelFacts, schema: Schema[Any], watch: Watch
    ) -> AsyncGenerator[Any, None]:
        """The growing record of one call, then its reply; of a repair, only its reply. A stream that breaks is asked
        for again as a plain call."""
        recorded = await self.ledger.reply(call.key)
        if recorded is not None:
            await watch.replied(call, recorded, cost_of(recorded, facts), "ledger")
            yield recorded
            return
        admitted = await self._admitted(call, facts, watch)
        if isinstance(admitted, Reply):
            yield admitted
            return
        model = self.models[facts.name]
        async with _Request(self, call, facts, admitted, watch) as request:
            reader, reply = schema.reader(shape=shape_of(model.mode)), Reply(text="")
            async for item in model.stream(call, timeout=self.limits.timeout):
                if isinstance(item, Reply):
                    reply = item
                    request.came(reply)
                elif call.ask == "whole" and reader.feed(item).value is not None:
                    yield reader.snapshot()
            if request.reply is None:
                request.came(reply)
            await self._record(call, reply, request.cost)
        self._note(reply, facts)
        await watch.replied(call, reply, request.cost)
        if reply.failure is not None:
            reply = await self._after(call, facts, watch, reply, self._served[facts.name])
        yield reply

    async def settled(self) -> None:
        """Waits until nothing is under way and everything that was paid for is recorded."""
        while self._under_way:
            await asyncio.wait([one.task for one in self._under_way.values() if one.task is not None])
            await asyncio.sleep(0)  # their callbacks take them off the list
        await self.ledger.recorded()

    async def finished(self, seconds: float) -> None:
        """Sends nothing more, and gives what is on the wire so many seconds, where the ledger outlives it."""
        self.stop(RunError("The run was interrupted.", fix="Start it again: it goes on where it stopped."))
        if self.ledger.lasting:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.settled()

    def leave(self) -> None:
        """Whoever asked is gone before the end: what would only come much later is not waited for."""

    def stop(self, error: ExtractError) -> None:
        """Nothing more is sent, for this reason; the first one is kept."""
        self.stopped = self.stopped or error
        self._stopping.set()

    # ---- one call

    async def _share(self, call: Call, facts: ModelFacts, watch: Watch, shared: _Shared) -> None:
        """Answers a call for all who wait for it, with a reply or with what it raises."""
        try:
            reply = await self.sole_reply(call, facts, watch)
            for waiter in shared.left():
                waiter.set_result(reply)
        except asyncio.CancelledError:
            for waiter in shared.left():
                waiter.cancel()
            raise
        except BaseException as error:  # noqa: BLE001  it is raised where it was asked for
            for waiter in shared.left():
                waiter.set_exception(error)
        finally:
            self._forget(call.key, shared)

    def _forget(self, key: str, shared: _Shared) -> None:
        if self._under_way.get(key) is shared:
            del self._under_way[key]

    async def _after(self, call: Call, facts: ModelFacts, watch: Watch, first: Reply, served: int) -> Reply:
        """What comes of a call whose first attempt failed. Raises `ModelError` for one that can never succeed."""
        again = passes(first) and self.limits.tries > 1
        return self._final(await self._again(call, facts, watch, first, served) if again else first, facts)

    def _final(self, reply: Reply, facts: ModelFacts) -> Reply:
        """A reply that another attempt would not change. Raises `ModelError` for a call that can never succeed."""
        reply = self._of_the_document(reply, facts)
        if reply.failure is not None and reply.failure.kind == "configuration":
            self._refuse(reply, facts)
        return reply

    def _of_the_document(self, reply: Reply, facts: ModelFacts) -> Reply:
        """What a server refuses for a reason that is not known is the document's own, where it has answered others with
        the same key and settings; unless it happens again and again."""
        failure = reply.failure
        if failure is None or failure.status not in (400, 422) or failure.code == "unsupported_mode":
            return reply
        self._odd[facts.name] += 1
        if failure.kind != "configuration" or not self._served[facts.name] or self._odd[facts.name] > _ODD:
            return reply
        return replace(reply, failure=replace(failure, kind="document"))

    async def _again(self, call: Call, facts: ModelFacts, watch: Watch, first: Reply, served: int) -> Reply:
        """The attempts after the first one, each when the server asks for it, or later and later. One that came too
        early while the server answered others (it had `served` so many) is none of the tries: it is their turn."""
        from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

        backoff = wait_random_exponential(multiplier=0.5, max=30)
        replies, numbers, last = iter([first]), count(2), first

        async def attempt() -> Reply:
            nonlocal last
            last = next(replies, None) or await self._attempt(call, facts, watch, next(numbers))
            return last

        counted = 0

        def enough(state: RetryCallState) -> bool:
            nonlocal counted, served
            crowded = last.failure is not None and last.failure.status in (429, 503)
            counted += not (crowded and self._served[facts.name] > served)
            served = self._served[facts.name]
            return counted >= self.limits.tries or (state.seconds_since_start or 0.0) > _PATIENCE

        def wait(state: RetryCallState) -> float:
            asked = last.failure.retry_after if last.failure else None
            return asked if asked is not None and asked >= _AT_ONCE else backoff(state)

        async def pause(seconds: float) -> None:
            await watch.retries(call, seconds, last.failure.message if last.failure else "")
            with self.traffic.holds("another try"):
                await self._pause(seconds)

        retrying = AsyncRetrying(
            retry=retry_if_result(passes),
            stop=enough,
            wait=wait,
            sleep=pause,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        reply: Reply = await retrying(attempt)
        return reply

    async def _attempt(self, call: Call, facts: ModelFacts, watch: Watch, tried: int) -> Reply:
        admitted = await self._admitted(call, facts, watch)
        if isinstance(admitted, Reply):
            return admitted
        async with _Request(self, call, facts, admitted, watch, tried) as request:
            reply = await self.models[facts.name].send(call, timeout=self.limits.timeout)
            request.came(reply)
            await self._record(call, reply, request.cost)
        self._note(reply, facts)
        await watch.replied(call, reply, request.cost)
        return reply

    async def _admitted(self, call: Call, facts: ModelFacts, watch: Watch) -> int | Reply:
        """Waits until the call may be sent, and holds a place on the wire then: the tokens that it was counted to have.
        Or why it is not sent."""
        if self._free(call, facts):
            await self.traffic.slots.acquire()
            return 0
        if (too_long := too_long_for(call, facts)) is not None:
            reply = Reply(failure=too_long)
            await watch.replied(call, reply, None)
            return reply
        tokens = await self._turn(call, facts)
        limited = await self._place(call, facts, self.models[facts.name], watch)
        return tokens if limited is None else limited

    def _free(self, call: Call, facts: ModelFacts) -> bool:
        """Whether a call may be sent at once: nothing of it is to be counted, and nobody waits."""
        traffic, busy = self.traffic, getattr(self.models[facts.name], "wait", None)
        if traffic.counted or traffic.pace is not None or traffic.line(facts.name).standing or traffic.slots.locked():
            return False
        return (busy is None or busy(call) <= 0) and too_long_for(call, facts) is None

    async def _record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        """Records a reply, before the place on the wire is given up: no more answers can be lost than places there are.
        Where that cannot be done nothing more is sent, by nobody."""
        if reply.paid:
            try:
                await self.ledger.record(call, reply, cost)
            except RunError as error:
                self.stop(error)
                raise

    async def _place(self, call: Call, facts: ModelFacts, model: Model, watch: Watch) -> Reply | None:
        """Takes a place on the wire when the model's server takes the call, as far as its limits are known; a failure
        if that is too far off. Calls stand in line for a model, so that none is overtaken, however big it is; while
        the first one waits it holds no place."""
        busy, slots = getattr(model, "wait", None), self.traffic.slots
        if busy is None:
            await slots.acquire()
            return None
        async with self.traffic.line(facts.name):
            while True:
                await slots.acquire()
                wait = busy(call)
                if wait <= 0:
                    return None
                slots.release()
                if wait > _PATIENCE:
                    message = f"The server of {facts.name} takes no more requests for {wait:,.0f} seconds."
                    return Reply(failure=Failure("transport", message, status=429, retry_after=wait))
                if wait > _TOLD:
                    await watch.retries(call, wait, f"The limit of {facts.name}'s server is reached.")
                with self.traffic.holds(f"the limits of {facts.name}'s server"):
                    await self._pause(min(wait, _LOOK_AGAIN))

    def _note(self, reply: Reply, facts: ModelFacts) -> None:
        """What a reply says of its model: that it answers, and in which mode."""
        if reply.paid:
            self._served[facts.name] += 1
            self._odd[facts.name] = 0
            if reply.mode not in facts.modes[:1] and len(facts.modes) > 1:
                self.modes[facts.name] = reply.mode

    async def _turn(self, call: Call, facts: ModelFacts) -> int:
        """Waits for the call's turn; gives the tokens that it was counted to have."""
        tokens = estimate_call(call, facts) if self.traffic.counted else 0
        pace = self.traffic.pace
        if pace is not None:
            share = tokens + most_output(call, facts, default=0)
            try:
                with self.traffic.holds("requests or tokens per minute"):
                    await self._pause(pace.claim(asyncio.get_running_loop().time(), share))
            except BaseException:
                pace.give_back(share)
                raise
        return tokens

    async def _reserve(self, call: Call, facts: ModelFacts, tokens: int) -> Amounts:
        """Sets the most that the call may take aside; the last thing before it is sent."""
        if self.stopped is not None:
            raise self.stopped
        cost, said = Decimal(0), most_output(call, facts) if self.traffic.counted else 0
        if facts.price is not None and self.limits.budget_usd is not None:
            cost = (tokens * facts.price.input + said * facts.price.output) / 1_000_000
        most = (cost, Decimal(tokens + said if self.limits.tokens is not None else 0), Decimal(1))
        with self.traffic.holds("the budget"):
            await self._set_aside(most)
        return most

    async def _set_aside(self, most: Amounts) -> None:
        await self.traffic.reserve(most)

    async def _pause(self, seconds: float) -> None:
        """Waits, unless the engine is stopped: then raises why."""
        if seconds > 0:
            try:
                with self.crew.away():
                    await asyncio.wait_for(self._stopping.wait(), seconds)
            except TimeoutError:
                return
        if self.stopped is not None:
            raise self.stopped

    def _refuse(self, reply: Reply, facts: ModelFacts) -> NoReturn:
        assert reply.failure is not None
        error = ModelError(reply.failure.message, where=facts.name, fix=reply.failure.fix or None)
        self.stop(error)
        raise error


class _Request:
    """One request on the wire, from a place that was taken to its being given up. The most that it may take of each
    budget is set aside until its `reply` says what it took, and its `cost` in US dollars (None: not known, or nothing);
    without one it may be charged all of that."""

    def __init__(self, calls: Calls, call: Call, facts: ModelFacts, tokens: int, watch: Watch, tried: int = 1):
        self.reply: Reply | None = None
        self.cost: Decimal | None = None
        self._calls, self._call, self._facts, self._tokens = calls, call, facts, tokens
        self._watch, self._tried = watch, tried
        self._reserved = NOTHING

    async def __aenter__(self) -> _Request:
        calls = self._calls
        try:
            if calls.traffic.limited or calls.stopped is not None:
                self._reserved = await calls._reserve(self._call, self._facts, self._tokens)
            await self._watch.sent(self._call, self._tried)
        except BaseException:
            if self._reserved is not NOTHING:
                calls.traffic.settle(self._reserved, NOTHING)
            calls.traffic.slots.release()
            raise
        calls.sent += 1
        return self

    def came(self, reply: Reply) -> None:
        self.reply, self.cost = reply, cost_of(reply, self._facts)

    async def __aexit__(self, *raised: object) -> None:
        taken = self._reserved if self.reply is None else _amounts(self.reply, self.cost, self._reserved)
        self._calls.traffic.settle(self._reserved, taken)
        self._calls.traffic.slots.release()


class _Shared:
    """A call under way, and who waits for it."""

    __slots__ = ("task", "waiters")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.waiters: list[asyncio.Future[Reply]] = []

    def left(self) -> list[asyncio.Future[Reply]]:
        """Those who have not gone away."""
        return [waiter for waiter in self.waiters if not waiter.done()]


def passes(reply: Reply) -> bool:
    """Whether a failure may pass, soon enough to wait for it."""
    failure = reply.failure
    return failure is not None and failure.kind == "transport" and (failure.retry_after or 0.0) <= _PATIENCE


def too_long_for(call: Call, facts: ModelFacts) -> Failure | None:
    """Why a call is not sent that cannot fit into the model's context. Counting is left out where the number of
    characters shows that it fits; what is counted leans upwards, so a fifth is taken off. Images and files are left to
    the provider: of gpt-4o-mini's tokens for an image, most are a price and take no room."""
    if facts.context is None or call.length < facts.context or _characters(call) < facts.context:
        return None
    text = tuple(part for part in call.inputs if part.kind in ("text", "value"))
    tokens = int(0.8 * estimate_call(replace(call, inputs=text)))
    if tokens <= facts.context:
        return None
    message = f"The document is too long for {facts.name}: about {tokens:,} tokens, and it takes {facts.context:,}"
    return Failure("document", f"{message}; cutting documents is not built yet.", code="context_length_exceeded")


def _characters(call: Call) -> int:
    return sum(len(part.text) for part in call.inputs)


def _amounts(reply: Reply, cost: Decimal | None, reserved: Amounts) -> Amounts:
    """What a reply took of each budget. One that was lost on its way may have been charged, nobody knows how much: it
    takes what was reserved for it, so that a budget is never passed unseen."""
    if reply.failure is not None and reply.failure.sent:
        return reserved
    tokens = Decimal(reply.usage.input + reply.usage.output)
    return cost or Decimal(0), tokens, Decimal(1 if reply.paid or tokens else 0)


def cost_of(reply: Reply, facts: ModelFacts) -> Decimal | None:
    """What a reply cost at list prices, in US dollars; None where there is no price, or nothing was paid. An answer of
    no use may have been paid for before a failure."""
    return facts.cost(reply.usage, batch=reply.batch) if reply.paid or reply.usage.output else None


def most_output(call: Call, facts: ModelFacts, default: int | None = None) -> int:
    """The greatest number of tokens that the answer may have."""
    for name in ("max_completion_tokens", "max_tokens"):
        if call.settings.get(name) is not None:
            return int(call.settings[name])
    if default is not None:
        return default
    return facts.max_output or 0
