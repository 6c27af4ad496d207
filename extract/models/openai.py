"""OpenAI, Azure OpenAI and every server that speaks their protocol.

A model has one or more endpoints, each a `Station`. They are asked in their order: the next one when the one before
cannot be reached, fails, or has a limit that is reached; an answer that came is never asked for again elsewhere. Each
keeps what it has learnt of its server: how many requests may follow (`allowance`), and in which mode it takes a schema.
A server that is known to do less than strict schemas, or nothing is known of, is asked in the next mode when it refuses
one or answers as if it had not been asked, once; the first call goes ahead alone, and the others follow its choice.

What the bytes mean is the work of `wire`, `answers` and `failures`; how they get there that of `transport`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from weakref import WeakKeyDictionary

from ..call import Call, Failure, Mode, Reply
from . import wire
from .allowance import Allowance
from .answers import Assembly, NotAnEvent, held, read
from .clients import no_answer
from .failures import failure_of
from .transport import Answer, NoAnswer, Transport
from .wire import Wire

__all__ = ["OpenAIModel", "Station"]

_LONGEST = 600.0
"""Seconds that an answer may take where the caller sets no limit."""
_GOES_AHEAD = 2.0
"""Seconds for which other calls wait for the first one to a server whose mode is not known: a refusal comes at once."""
_OUTAGE = 5.0
"""Seconds for which an endpoint is passed over after it failed, if there is another and it does not say itself."""


class OpenAIModel:
    """A model behind one or more chat endpoints. What an endpoint learns is kept as long as the model is."""

    def __init__(self, stations: Sequence[Station]):
        self.name = stations[0].wire.facts.name
        self._stations = tuple(stations)
        for one in stations:
            one.alone = len(stations) == 1

    @property
    def mode(self) -> Mode:
        return self._stations[0].wire.mode

    def wait(self, call: Call) -> float:
        """Seconds until one of the endpoints takes this call, by what is known of their limits; 0 for now."""
        now, tokens = time.monotonic(), _tokens(call)
        return min(station.allowance.wait(now, tokens) for station in self._stations)

    async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
        seconds = timeout or _LONGEST
        stations = self._in_order(call)
        reply = await next(stations).send(call, seconds)
        for station in stations:
            if reply.failure is None or reply.failure.kind != "transport":
                break
            reply = await station.send(call, seconds)
        return reply

    async def stream(self, call: Call, *, timeout: float | None = None) -> AsyncGenerator[str | Reply, None]:
        station = next(self._in_order(call))
        async with aclosing(station.stream(call, timeout or _LONGEST)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        for station in self._stations:
            await station.transport.close()

    def _in_order(self, call: Call) -> Iterator[Station]:
        """The endpoints, those first that take the call now; asked one after the other, so that time goes on."""
        left = list(self._stations)
        while left:
            now, tokens = time.monotonic(), _tokens(call)
            station = min(left, key=lambda one: one.allowance.wait(now, tokens))
            left.remove(station)
            yield station


class Station:
    """One endpoint in use: what its requests look like (`wire`), how they get there, what it lets through, and the
    modes that are left to try on it, the present one first."""

    def __init__(
        self, wire: Wire, host: str, transport: Transport, modes: tuple[Mode, ...], allowance: Allowance | None = None
    ):
        self.wire, self.host, self.transport = wire, host, transport
        self.allowance = allowance or Allowance()
        self.alone = True
        self._modes = modes
        self._settled = len(modes) == 1
        self._first: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Event] = WeakKeyDictionary()

    async def send(self, call: Call, seconds: float) -> Reply:
        """One answer to a call, or why there is none. It is asked more than once only in another mode."""
        first = None if self._settled else await self._ahead()
        spent = None
        try:
            while True:
                asked = self.wire
                reply = await self._asked(call, asked, seconds)
                if not self._next(asked, call, reply):
                    break
                spent = reply.usage if spent is None else spent + reply.usage
        finally:
            if first is not None:
                first.set()
        return reply if spent is None or reply.failure else replace(reply, usage=reply.usage + spent)

    async def stream(self, call: Call, seconds: float) -> AsyncGenerator[str | Reply, None]:
        """The pieces of an answer and then the reply. Where the mode is not known yet there are no pieces: what was
        read of them could not be taken back."""
        if not self._settled:
            yield await self.send(call, seconds)
            return
        known = self.wire
        try:
            content = await _body(call, known, stream=True)
        except wire.Refused as refused:
            yield Reply(failure=refused.failure, mode=known.mode, endpoint=self.host)
            return
        ticket = self.allowance.take(time.monotonic(), _tokens(call))
        answer, reply = Assembly(known), None
        try:
            async with aclosing(self.transport.stream(content, seconds)) as lines:
                async for line in lines:
                    if isinstance(line, Answer):
                        self.allowance.learn(line.headers, ticket, time.monotonic())
                        reply = None if line.status == 200 else self._refused(line, known)
                    elif line == b"data: [DONE]":
                        break
                    elif line.startswith(b"data:") and (text := answer.feed(line[5:])):
                        yield text
            reply = reply or answer.reply()
        except (NoAnswer, NotAnEvent) as error:
            reply = Reply(failure=self._failed(error, seconds))
        yield replace(reply, mode=known.mode, endpoint=self.host)

    async def _asked(self, call: Call, known: Wire, seconds: float) -> Reply:
        """One request in one mode."""
        try:
            content = await _body(call, known)
        except wire.Refused as refused:
            return Reply(failure=refused.failure, mode=known.mode, endpoint=self.host)
        ticket = self.allowance.take(time.monotonic(), _tokens(call))
        try:
            answer = await self.transport.post(content, seconds)
        except NoAnswer as error:
            return Reply(failure=self._failed(error, seconds), mode=known.mode, endpoint=self.host)
        self.allowance.learn(answer.headers, ticket, time.monotonic())
        if answer.status != 200:
            return self._refused(answer, known)
        return read(answer.content, known, self.host)

    # ---- what goes wrong

    def _refused(self, answer: Answer, known: Wire) -> Reply:
        failure = failure_of(answer.status, answer.headers, answer.content, known, now=time.time())
        if failure.kind == "transport":
            self._rest(failure)
        return Reply(failure=failure, mode=known.mode, endpoint=self.host)

    def _failed(self, error: BaseException, seconds: float) -> Failure:
        failure = no_answer(error, self.host, seconds, self.wire)
        self._rest(failure)
        return failure

    def _rest(self, failure: Failure) -> None:
        """Nothing more is sent while the server asks to wait; to one that failed nothing for a while, if there are
        others."""
        seconds = failure.retry_after if failure.retry_after is not None else 0.0 if self.alone else _OUTAGE
        if failure.status == 429 or not self.alone:
            self.allowance.rest(time.monotonic() + seconds)

    # ---- the mode

    def _next(self, asked: Wire, call: Call, reply: Reply) -> bool:
        """Whether the call is to be asked in another mode than it was."""
        if self.wire.mode != asked.mode:
            return True  # another call has moved on in the meantime
        refused = reply.failure is not None and reply.failure.code == "unsupported_mode"
        ignored = reply.failure is None and not self._settled and not held(reply, call)
        if (refused or ignored) and len(self._modes) > 1:
            self._modes = self._modes[1:]
            self.wire = replace(self.wire, mode=self._modes[0])
            return True
        self._settled = self._settled or reply.failure is None
        return False

    async def _ahead(self) -> asyncio.Event | None:
        """Where the mode is not known the first call goes ahead, and sets what this gives it when it is done; the
        others wait for that, or for a moment."""
        loop = asyncio.get_running_loop()
        first = self._first.get(loop)
        if first is None:
            self._first[loop] = first = asyncio.Event()
            return first
        with suppress(TimeoutError):
            await asyncio.wait_for(first.wait(), _GOES_AHEAD)
        return None


async def _body(call: Call, known: Wire, *, stream: bool = False) -> bytes:
    """The request's body; with images or files made on a thread, because scaling and encoding them takes time."""
    if any(part.data for part in call.inputs):
        return await asyncio.to_thread(wire.body, call, known, stream=stream)
    return wire.body(call, known, stream=stream)


def _tokens(call: Call) -> int:
    """About how many tokens a call counts against a limit: four characters each, and the room for the answer."""
    room = call.settings.get("max_completion_tokens") or call.settings.get("max_tokens") or 0
    return (sum(len(part.text) for part in call.inputs) + len(call.instructions) + call.shape.length) // 4 + int(room)
