"""What several workers of one run share, on a worker's side: a ledger, budgets and a pace that are kept elsewhere.

Everything goes to the keeper (`keeper`) over one line. What comes up while messages are on their way waits for the next
one, so that the busier a worker is, the more a message carries. The engine above it is the local one, with its own
places on the wire.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

from ..call import Call, Reply
from ..catalogue import ModelFacts
from ..events import Happening
from ..ledger import Entry
from ..limits import Amounts, Limits, Traffic
from ..models import Model
from ..tokens import estimate_call
from .calls import Calls, most_output
from .hooks import Hook, Watch
from .keeper import ELSEWHERE, Asked, value_of

__all__ = ["Line", "Relay", "RemoteCalls", "RemoteLedger", "RemoteTraffic", "Way"]

_MESSAGES = 4
"""How many messages of a worker may be on their way at once."""


class Way(Protocol):
    """How a worker's messages reach the keeper: as its methods of these names, with the worker's number."""

    async def serve(self, asked: Sequence[Asked]) -> list[Any]: ...

    async def reserve(self, most: Amounts) -> Any: ...

    async def wait(self, key: str) -> Any: ...


class Line:
    """One worker's line to the keeper. What is asked in one turn of the event loop, or while enough messages are on
    their way, goes together."""

    def __init__(self, way: Way):
        self.way = way
        self._waiting: list[tuple[Asked, asyncio.Future[Any]]] = []
        self._sending: set[asyncio.Task[None]] = set()
        self._soon = False

    def post(self, kind: str, *rest: Any) -> asyncio.Future[Any]:
        """Asks something; the answer may be waited for."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(((kind, rest), future))
        if not self._soon and len(self._sending) < _MESSAGES:
            self._soon = True
            loop.call_soon(self._send)
        return future

    async def ask(self, kind: str, *rest: Any) -> Any:
        """The answer; raises what went wrong at the keeper."""
        return value_of(await self.post(kind, *rest))

    async def quiet(self) -> None:
        """Waits until all that was asked is answered."""
        while self._waiting or self._sending:
            await asyncio.sleep(0) if not self._sending else await asyncio.wait(self._sending)

    def _send(self) -> None:
        self._soon = False
        asked, self._waiting = self._waiting, []
        if asked:
            task = asyncio.create_task(self._sent(asked))
            self._sending.add(task)
            task.add_done_callback(self._came_back)

    def _came_back(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._send()

    async def _sent(self, asked: list[tuple[Asked, asyncio.Future[Any]]]) -> None:
        try:
            answers = await self.way.serve([one for one, _ in asked])
        except BaseException as error:  # noqa: BLE001  it is raised where it was asked for
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # nobody may wait for what was only told
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)


class RemoteLedger:
    """The ledger of the run as a worker sees it; `start` is the number of this start."""

    lasting = True

    def __init__(self, line: Line, start: int):
        self.start = start
        self._line = line
        self._mine: set[str] = set()

    async def reply(self, key: str) -> Reply | None:
        """What is recorded. None means that the call is this worker's to make, until it is recorded or let go of."""
        answer = await self._line.ask("reply", key)
        if answer == ELSEWHERE:
            answer = value_of(await self._line.way.wait(key))
        if answer is None:
            self._mine.add(key)
        return answer  # type: ignore[no-any-return]

    async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        await self._line.ask("record", call.key, call.model, reply, cost)
        self._mine.discard(call.key)

    def let_go(self, key: str) -> None:
        """Says that a call ended without a reply that could be recorded."""
        if key in self._mine:
            self._mine.remove(key)
            self._line.post("free", key)

    async def known(self, stage: int, id: str) -> tuple[int, Entry] | None:
        return await self._line.ask("known", stage, id)  # type: ignore[no-any-return]

    async def recorded(self) -> None:
        await self._line.quiet()


class RemoteTraffic(Traffic):
    """The run's budgets and pace, with this worker's share of the places on the wire. The pace is asked by
    `RemoteCalls`: it takes a message."""

    def __init__(self, line: Line, limits: Limits, share: int):
        super().__init__(replace(limits, in_flight=share))
        self.paced, self.pace = self.pace is not None, None
        self._line = line

    async def reserve(self, most: Amounts) -> None:
        if not await self._line.ask("reserve", most):
            value_of(await self._line.way.reserve(most))

    def settle(self, reserved: Amounts, taken: Amounts) -> None:
        self._line.post("settle", reserved, taken)


class RemoteCalls(Calls):
    """The calls of one worker."""

    def __init__(self, models: Mapping[str, Model], ledger: RemoteLedger, traffic: RemoteTraffic, line: Line):
        super().__init__(models, ledger, traffic)
        self._remote, self._line, self._paced = ledger, line, traffic.paced

    async def sole_reply(self, call: Call, facts: ModelFacts, watch: Watch) -> Reply:
        try:
            return await super().sole_reply(call, facts, watch)
        finally:
            self._remote.let_go(call.key)

    def _free(self, call: Call, facts: ModelFacts) -> bool:
        return not self._paced and super()._free(call, facts)

    async def _turn(self, call: Call, facts: ModelFacts) -> int:
        if not self._paced:
            return await super()._turn(call, facts)
        tokens = estimate_call(call, facts)
        share = tokens + most_output(call, facts, default=0)
        wait = await self._line.ask("claim", share)
        try:
            with self.traffic.holds("requests or tokens per minute"):
                await self._pause(wait)
        except BaseException:
            self._line.post("give back", share)
            raise
        return tokens


class Relay(Hook):
    """A hook whose callback is elsewhere: what happens is handed on by `told`, and whoever has something to tell waits
    until it is asked for what comes next."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[tuple[Happening, asyncio.Future[None]]] = deque()
        self._told: list[asyncio.Future[None]] = []
        self._came = asyncio.Event()

    @property
    def silent(self) -> bool:
        return False

    async def tell(self, happening: Happening) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((happening, future))
        self._came.set()
        await future

    async def told(self) -> list[Happening]:
        """What has happened, once something has; what was given before is done with."""
        for future in self._told:
            if not future.done():
                future.set_result(None)
        await self._came.wait()
        self._came.clear()
        several, self._told = [one for one, _ in self._waiting], [future for _, future in self._waiting]
        self._waiting.clear()
        return several
