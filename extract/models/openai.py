"""OpenAI, Azure OpenAI and every server that speaks their protocol.

A model has one or more endpoints, each a `Station`. They are asked in their order: the next one when the one before
cannot be reached, fails, or has a limit that is reached; an answer that came is never asked for again elsewhere, and
one that was lost on its way, so that it may have been charged, only by another attempt of the engine's. Each
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
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from ..call import Call, Failure, Mode, Reply, Usage
from ..tokens import estimate, estimate_call
from . import wire
from .allowance import Allowance, Ticket
from .answers import Assembly, NotAnEvent, held, read
from .clients import no_answer
from .failures import failure_of
from .files import Files
from .transport import Answer, NoAnswer, Transport
from .wire import Wire

__all__ = ["OpenAIModel", "Station"]

_LONGEST = 600.0
"""Seconds that an answer may take where the caller sets no limit."""
_GOES_AHEAD = 2.0
"""Seconds for which other calls wait for the first one to a server whose mode is not known: a refusal comes at once."""
_ACCOUNT = 5.0
"""Seconds that the account of a streamed answer is waited for once the answer is whole."""
_CROWDED = (429, 503)
"""Statuses of a server that has too much to do."""
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

    @property
    def addresses(self) -> tuple[str, ...]:
        """The web addresses that it asks."""
        return tuple(station.url for station in self._stations)

    @property
    def station(self) -> Station:
        """The endpoint that is asked first."""
        return self._stations[0]

    def wait(self, call: Call) -> float:
        """Seconds until one of the endpoints takes this call, by what is known of their limits; 0 for now."""
        now, tokens = time.monotonic(), _tokens(call)
        if len(self._stations) == 1:
            return self._stations[0].allowance.wait(now, tokens)
        return min(station.allowance.wait(now, tokens) for station in self._stations)

    async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
        seconds = timeout or _LONGEST
        if len(self._stations) == 1:
            return await self._stations[0].send(call, seconds)
        end, stations = time.monotonic() + seconds, self._in_order(call)
        reply = await next(stations).send(call, seconds)
        for station in stations:
            failure, left = reply.failure, end - time.monotonic()
            if failure is None or failure.kind != "transport" or failure.sent or left <= 0:
                break  # what may have been charged is not asked for elsewhere before that is counted and told
            reply = await station.send(call, left)
        return reply

    async def stream(self, call: Call, *, timeout: float | None = None) -> AsyncGenerator[str | Reply, None]:
        station = next(self._in_order(call))
        async with aclosing(station.stream(call, timeout or _LONGEST)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        for station in self._stations:
            await station.transport.close()
            if station.files is not None:
                await station.files.close()

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
    modes that are left to try on it, the present one first. `files` is the way to its files and batches (None: it has
    none, and `no_files` says why)."""

    no_files = "its provider's batches are not built yet"

    def __init__(
        self,
        wire: Wire,
        url: str,
        transport: Transport,
        modes: tuple[Mode, ...],
        allowance: Allowance | None = None,
        files: Files | None = None,
    ):
        self.wire, self.url, self.transport, self.files = wire, url, transport, files
        self.host = urlsplit(url).netloc.rpartition("@")[2]
        self.allowance = allowance or Allowance()
        self.alone = True
        self._modes = modes
        self._settled = len(modes) == 1
        self._first: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Event] = WeakKeyDictionary()

    async def send(self, call: Call, seconds: float) -> Reply:
        """One answer to a call, or why there is none. It is asked more than once only in another mode."""
        first = None if self._settled else await self._ahead()
        spent, end = None, time.monotonic() + seconds
        try:
            while True:
                asked = self.wire
                reply = await self._asked(call, asked, max(0.0, end - time.monotonic()))
                if not self._next(asked, call, reply):
                    break
                spent = reply.usage if spent is None else spent + reply.usage
        finally:
            if first is not None:
                first.set()
        return reply if spent is None else replace(reply, usage=reply.usage + spent)

    async def stream(self, call: Call, seconds: float) -> AsyncGenerator[str | Reply, None]:
        """The pieces of an answer and then the reply. Where the mode is not known yet there are no pieces: what was
        read of them could not be taken back."""
        if not self._settled:
            yield await self.send(call, seconds)
            return
        known = self.wire
        try:
            content, ticket = await self._request(call, known, stream=True)
        except wire.Refused as refused:
            yield Reply(failure=refused.failure, mode=known.mode, endpoint=self.host)
            return
        answer, reply, rest = Assembly(known), None, []
        try:
            async with aclosing(self.transport.stream(content, seconds)) as lines:
                while (line := await _next_line(lines, answer)) is not None:
                    if isinstance(line, Answer):
                        reply = self._came(line, ticket, known)
                    elif not line.startswith(b"data:"):
                        rest.append(line)  # a comment, or a server that does not stream
                    elif (data := line[5:].strip()) == b"[DONE]":
                        break
                    elif data and (text := answer.feed(data)):
                        yield text
        except (NoAnswer, NotAnEvent) as error:
            if not answer.finished:  # what is behind the end of an answer cannot undo it
                reply = Reply(failure=self._failed(error, seconds))
        if reply is None:
            whole = b"" if answer.finished else b"\n".join(rest).strip()
            reply = read(whole, known) if whole.startswith(b"{") else answer.reply()
        yield replace(_counted(reply, call), mode=known.mode, endpoint=self.host)

    async def _asked(self, call: Call, known: Wire, seconds: float) -> Reply:
        """One request in one mode."""
        try:
            content, ticket = await self._request(call, known)
            answer = await self.transport.post(content, seconds)
        except wire.Refused as refused:
            return Reply(failure=refused.failure, mode=known.mode, endpoint=self.host)
        except NoAnswer as error:
            return Reply(failure=self._failed(error, seconds), mode=known.mode, endpoint=self.host)
        refused_by = self._came(answer, ticket, known)
        return refused_by or _counted(read(answer.content, known, self.host), call)

    async def _request(self, call: Call, known: Wire, *, stream: bool = False) -> tuple[bytes, Ticket]:
        """The body of a request that is sent now, and its ticket. With images or files it is made on a thread, because
        scaling and encoding them takes time. Raises `Refused`."""
        if any(part.data for part in call.inputs):
            content = await asyncio.to_thread(wire.body, call, known, stream=stream)
        else:
            content = wire.body(call, known, stream=stream)
        return content, self.allowance.take(time.monotonic(), _tokens(call))

    def _came(self, answer: Answer, ticket: Ticket, known: Wire) -> Reply | None:
        """Learns what an answer's head says of the server; where it is no success, gives the failure that it says."""
        now = time.monotonic()
        self.allowance.learn(answer.headers, ticket, now)
        if 200 <= answer.status < 300:
            self.allowance.served()
            return None
        if answer.status in _CROWDED:
            self.allowance.refused(ticket, now)
        failure = failure_of(answer.status, answer.headers, answer.content, known, now=time.time())
        if failure.kind == "transport":
            self._rest(failure)
        return Reply(failure=failure, mode=known.mode, endpoint=self.host)

    # ---- what goes wrong

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
        if self._settled and reply.failure is None:
            return False
        refused = reply.failure is not None and reply.failure.code == "unsupported_mode"
        if reply.failure is None and held(reply, call):
            self._settled, self.wire = True, asked  # it may have been given up for another call's sake
            return False
        if reply.failure is not None and not refused:
            return False
        if self.wire.mode != asked.mode:
            return True  # another call has moved on in the meantime
        if len(self._modes) == 1:
            return False
        self._modes = self._modes[1:]
        self.wire = replace(self.wire, mode=self._modes[0])
        return True

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


async def _next_line(lines: AsyncGenerator[Answer | bytes, None], answer: Assembly) -> Answer | bytes | None:
    """The next line of a stream, or None at its end. Behind the end of an answer only its account is waited for, and
    not for long: some servers leave the connection open."""
    if not answer.finished:
        return await anext(lines, None)
    with suppress(TimeoutError):
        async with asyncio.timeout(_ACCOUNT):
            return await anext(lines, None)
    return None


def _counted(reply: Reply, call: Call) -> Reply:
    """The reply with its tokens; where the server does not say how many, they are estimated: a budget must be held."""
    if reply.failure is not None or reply.usage.input or reply.usage.output:
        return reply
    usage = Usage(input=estimate_call(call), output=estimate(reply.text or reply.refusal or ""))
    return replace(reply, usage=usage, estimated=True)


def _tokens(call: Call) -> int:
    """About how many tokens a call counts against a limit: four characters each, and the room for the answer."""
    settings = call.settings
    room = (settings.get("max_completion_tokens") or settings.get("max_tokens") or 0) if settings else 0
    return call.length // 4 + int(room)
