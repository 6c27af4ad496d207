"""The batch engine: the calls of many documents, gathered into files for OpenAI's Batch API.

It is the local engine with other `Calls`: a call is looked for in the ledger and in the batches that are under way,
among them those of earlier starts; else it waits until a file is full, or until no unit can go on without an answer.
Then the file goes its way (`carrier`), and each answer is recorded under its call's key before anybody sees it. What
expired or failed goes into the next file, as do the repairs that answers lead to. The same keys serve the local engine:
a run may be started by one and finished by the other.

Calls to models that cost nothing are answered at once; few calls are sent online, where that is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..batches import Wave, Waves
from ..call import Call, Failure, Mode, Reply
from ..catalogue import ModelFacts
from ..errors import Detached, ExtractError, RunError
from ..ledger import RunLedger
from ..limits import NOTHING, Amounts, Batching, Traffic
from ..models import Model
from ..models.batches import Door, open_door
from ..models.cascade import Cascade
from ..models.wire import Refused
from ..tokens import estimate_call
from .calls import Calls, cost_of, most_output, passes, too_long_for
from .carrier import Came, Carrier, Left, UnderWay, path_of
from .hooks import HookRaised, Watch
from .waves import File, Line, affordable, most_of

__all__ = ["FOLDER", "BatchCalls", "by_batch", "left_open"]

FOLDER = "batches"
"""Where the files of batches are on their way, in the folder of the run."""


@dataclass(frozen=True, eq=False)
class _Asked:
    """A call that waits to be put into a file."""

    line: Line
    body: bytes
    mode: Mode
    future: asyncio.Future[Reply | Came]


class _Pool:
    """The calls to one model that wait, as the file that they will be; all of them are asked in one mode."""

    def __init__(self, batching: Batching):
        self.file = File(batching)
        self.asked: list[_Asked] = []

    def takes(self, one: _Asked) -> bool:
        return not self.file.full_for(one.line) and self.asked[0].mode == one.mode

    def add(self, one: _Asked) -> None:
        self.file.add(one.line)
        self.asked.append(one)


class BatchCalls(Calls):
    """Asks models by batch, through their `doors`; those that have none are asked directly. `name` is the run's, by
    which its batches are found again; `on_wave` is told of each step of each batch. `online`: new calls are sent one by
    one, and only what is under way already is waited for.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        ledger: RunLedger,
        traffic: Traffic,
        doors: Mapping[str, Door],
        name: str,
        batching: Batching | None = None,
        *,
        online: bool = False,
    ):
        super().__init__(models, ledger, traffic)
        self.batching, self.doors = batching or Batching(), doors
        self.odd: dict[str, int] = {}
        self.on_wave: Callable[[Wave], None] | None = None
        self._online, self._folder = online, ledger.path.parent / FOLDER
        self._waves = Waves(ledger)
        self._carrier = Carrier(self, self._waves, name, self._folder)
        self._under: dict[int, UnderWay] = {}
        self._wave_of: dict[str, int] = {}
        self._futures: dict[str, asyncio.Future[Reply | Came]] = {}
        self._pools: dict[str, _Pool] = {}
        self._most_tokens: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._launches: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._leaving = asyncio.Event()
        self._moving = 0
        self._detached = False
        self._quiet: asyncio.TimerHandle | None = None
        self._patient: asyncio.TimerHandle | None = None
        self.crew.changed = self._look

    @property
    def width(self) -> int:
        return max(super().width, self.batching.units)

    @property
    def abreast(self) -> int:
        return max(super().abreast, self.batching.units)

    @property
    def under_way(self) -> tuple[int, int]:
        """How many batches are with the provider, and the requests in them."""
        return len(self._under), sum(one.wave.requests for one in self._under.values())

    async def take_up(self) -> None:
        """Goes on with what earlier starts left, in whatever state. Raises `RunError` for a model that is not asked any
        more."""
        for wave in await left_open(self._waves, self._folder):
            if wave.model not in self.doors:
                raise RunError(
                    f"A batch of {wave.model} is under way, and the run does not ask {wave.model} any more.",
                    fix="Run it with that model first, or name another folder with --run.",
                )
            self.traffic.hold(wave.most)
            calls = await self._waves.calls(wave.number)
            self._begin(UnderWay(wave, calls, self.doors[wave.model], taken_up=True))

    async def reply(self, call: Call, facts: ModelFacts, watch: Watch) -> Reply:
        with self.crew.waits():
            return await super().reply(call, facts, watch)

    async def settled(self) -> None:
        """Waits until every batch that is under way has been taken in; or, if the run is to be detached, is created."""
        while True:
            await super().settled()
            if not self._tasks:
                break
            await asyncio.wait(self._tasks)
        if self._detached or (self.batching.detach and self._under):
            self.stop(self.detached())

    async def finished(self, seconds: float) -> None:
        await super().finished(seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def leave(self) -> None:
        self._leaving.set()
        for task in self._launches:
            task.cancel()
        self._wake()

    def stop(self, error: ExtractError) -> None:
        super().stop(error)
        if isinstance(error, (RunError, HookRaised)):
            self.leave()
        for pool in self._pools.values():
            self._fail(pool.asked, error)
        self._pools.clear()

    def detached(self) -> Detached:
        self._detached = True
        batches, requests = self.under_way
        said = f"{requests:,} requests are with the provider, in {batches} batch{'es' * (batches != 1)}."
        return Detached(
            said if batches else "The provider's queue is full, and not all requests could be sent.",
            fix="Start the same run again to take in the answers: `extract run PIPELINE --run DIR --engine batch`.",
        )

    # ---- one call

    async def sole_reply(self, call: Call, facts: ModelFacts, watch: Watch) -> Reply:
        """By the ledger, or by what is under way; an answer may be recorded while the ledger is read."""
        self._moving += 1
        try:
            while True:
                under_way = call.key in self._wave_of
                recorded = await self.ledger.reply(call.key)
                if recorded is not None:
                    await watch.replied(call, recorded, cost_of(recorded, facts), "ledger")
                    return recorded
                if not under_way or call.key in self._wave_of:
                    return await self.new_reply(call, facts, watch)
        finally:
            self._moving -= 1
            self._look()

    async def new_reply(self, call: Call, facts: ModelFacts, watch: Watch) -> Reply:
        """Goes into one file after the other until there is a reply that another would not change."""
        door, tried = self.doors.get(facts.name), 0
        while door is not None:
            if call.key in self._wave_of:
                came = await self._waiting_for(call.key)
            elif self._online:
                break
            else:
                came = await self._asked(call, facts, door, watch, tried + 1)
            if came is Came.ONLINE:
                break
            if came is Came.AGAIN:
                continue
            assert isinstance(came, Reply)
            await watch.replied(call, came, cost_of(came, facts))
            if came.failure is None:
                return came
            tried += 1
            if not passes(came) or tried >= self.limits.tries:
                return self._final(came, facts)
            await watch.retries(call, 0.0, came.failure.message)
        return await super().new_reply(call, facts, watch)

    async def _asked(self, call: Call, facts: ModelFacts, door: Door, watch: Watch, tried: int) -> Reply | Came:
        """What comes of a call that is put into the next file."""
        if (too_long := too_long_for(call, facts)) is not None:
            return Reply(failure=too_long)
        try:
            known = door.wire
            if any(part.data for part in call.inputs):
                body = await asyncio.to_thread(door.line, call, known)
            else:
                body = door.line(call, known)
        except Refused as refused:
            return Reply(failure=refused.failure, mode=known.mode)
        if len(body) > self.batching.bytes:
            message = f"The request has {len(body):,} bytes, and a file of a batch at most {self.batching.bytes:,}."
            return Reply(failure=Failure("document", message))
        await watch.sent(call, tried)
        if self.stopped is not None:
            raise self.stopped
        tokens = estimate_call(call, facts)
        line = Line(call.key, len(body), tokens, self._most(call, facts, tokens))
        future = _future()
        self._pool(door, _Asked(line, body, known.mode, future))
        with self._resting():
            return await future

    async def _waiting_for(self, key: str) -> Reply | Came:
        """What comes of a call that is in a batch already."""
        under = self._under[self._wave_of[key]]
        if under.given_up is not None:
            raise under.given_up
        future = self._futures[key] = _future()
        with self._resting():
            return await future

    @contextmanager
    def _resting(self) -> Iterator[None]:
        """Around waiting for a batch: nothing moves on this call's behalf."""
        self._moving -= 1
        self._look()
        try:
            yield
        finally:
            self._moving += 1

    def _most(self, call: Call, facts: ModelFacts, tokens: int) -> Amounts:
        said, price = most_output(call, facts), facts.price.batch if facts.price else None
        dollars = Decimal(0) if price is None else (tokens * price.input + said * price.output) / 1_000_000
        return dollars, Decimal(tokens + said), Decimal(1)

    # ---- when a file is closed

    def _pool(self, door: Door, one: _Asked) -> None:
        name = door.facts.name
        pool = self._pools.get(name)
        if pool is not None and not pool.takes(one):
            self._close(name)
        self._pools.setdefault(name, _Pool(self._limits_of(name))).add(one)
        if self._patient is not None:
            self._patient.cancel()
        self._patient = asyncio.get_running_loop().call_later(self.batching.patience, self._close_all, 0)

    def _limits_of(self, name: str) -> Batching:
        return replace(self.batching, tokens=self._most_tokens.get(name, self.batching.tokens))

    @property
    def _idle(self) -> bool:
        return bool(self._pools) and not self._moving and self.crew.idle

    def _look(self) -> None:
        """Closes what waits after a while, if by then nobody has gone on."""
        if self._idle and self._quiet is None:
            self._quiet = asyncio.get_running_loop().call_later(self.batching.quiet, self._was_quiet)
        elif not self._idle and self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None

    def _was_quiet(self) -> None:
        self._quiet = None
        if self._idle:
            self._close_all(self.batching.small)

    def _close_all(self, small: int) -> None:
        """Closes what waits; fewer calls than `small` are sent online."""
        for name in list(self._pools):
            if len(self._pools[name].asked) < small:
                for one in self._pools.pop(name).asked:
                    _tell(one.future, Came.ONLINE)
            else:
                self._close(name)

    def _close(self, name: str) -> None:
        task = self._start(self._launched(self.doors[name], self._pools.pop(name).asked))
        self._launches.add(task)
        task.add_done_callback(self._launches.discard)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- from a file to what came of it

    async def _launched(self, door: Door, asked: list[_Asked]) -> None:
        """Makes waves of a file: one, if the budget and the queue of the provider have room for all of it."""
        left = asked
        try:
            while left := [one for one in left if not one.future.done()]:
                count = await self._room(door, [one.line for one in left])
                await self._planned(door, left[:count])
                left = left[count:]
        except BaseException as error:  # noqa: BLE001  it is told to all who wait
            self._broken(error, lambda said: self._fail(left, said))

    def _broken(self, error: BaseException, tell: Callable[[ExtractError], None]) -> None:
        """Tells those who wait of an error on the way, and stops the run unless it only leaves the batch to another
        start; a cancellation goes on."""
        said = self._said(error)
        tell(said)
        if isinstance(error, asyncio.CancelledError):
            raise error
        if not isinstance(said, Detached):
            self.stop(said)

    def _said(self, error: BaseException) -> ExtractError:
        """What is said to those who wait, of an error on the way."""
        if isinstance(error, ExtractError):
            return error
        if isinstance(error, (Left, asyncio.CancelledError)):
            return self.stopped or RunError("The run was left before its end.", fix=_GO_ON)
        return RunError(f"A batch could not be taken on: {type(error).__name__}: {error}", fix=_GO_ON)

    async def _room(self, door: Door, lines: Sequence[Line]) -> int:
        """How many of the first lines may go now; the most that they may take is set aside. Raises `BudgetExceeded`
        where not even one may."""
        while True:
            if self.stopped is not None:
                raise self.stopped
            most = self._limits_of(door.facts.name).tokens
            queued = sum(one.wave.tokens for one in self._under.values() if one.wave.model == door.facts.name)
            if queued and most is not None and queued + sum(line.tokens for line in lines) > most:
                await self._one_ends()
                continue
            count = affordable(lines, self.traffic.left)
            if count:
                self.traffic.hold(most_of(lines[:count]))
                return count
            await self._set_aside(lines[0].most)  # waits for what others may give back, or says that it is spent
            self.traffic.settle(lines[0].most, NOTHING)

    async def _set_aside(self, most: Amounts) -> None:
        """Of a run that is to be detached, what batches have set aside comes back in a later start only."""
        me = asyncio.current_task()
        others = self._under or any(task is not me for task in self._launches)
        if self.batching.detach and others and not affordable([Line("", 0, 0, most)], self.traffic.left):
            raise self.detached()
        await super()._set_aside(most)

    async def _one_ends(self) -> None:
        """Waits until a batch has ended; if the run is to be detached, that is too long."""
        if self.batching.detach:
            raise self.detached()
        ended = self._ended
        await ended.wait()
        if self._leaving.is_set():
            raise Left

    def _wake(self) -> None:
        self._ended.set()
        self._ended = asyncio.Event()

    async def _planned(self, door: Door, part: Sequence[_Asked]) -> None:
        calls = {one.line.key: one.line.tokens for one in part}
        wave, path = await self._carrier.planned(door, part[0].mode, calls, most_of([one.line for one in part]))
        under = UnderWay(wave, calls, door)
        for one in part:
            self._futures[one.line.key] = one.future
        self.sent += len(part)
        await asyncio.to_thread(_write, path, [one.body for one in part])
        self._begin(under)

    def _begin(self, under: UnderWay) -> None:
        self._under[under.wave.number] = under
        self._wave_of |= dict.fromkeys(under.calls, under.wave.number)
        self._start(self._carried(under))

    async def _carried(self, under: UnderWay) -> None:
        try:
            await self._carrier.carry(under)
        except BaseException as error:  # noqa: BLE001  it is told to all who wait
            self._broken(error, lambda said: self._give_up(under, said))

    def _give_up(self, under: UnderWay, error: ExtractError) -> None:
        """Nobody waits for a wave any longer in this start of the run."""
        under.given_up = error
        for key in under.calls:
            if (future := self._futures.pop(key, None)) is not None and not future.done():
                future.set_exception(error)

    def _fail(self, asked: Sequence[_Asked], error: ExtractError) -> None:
        for one in asked:
            if not one.future.done():
                one.future.set_exception(error)

    # ---- what the carrier tells

    @property
    def leaving(self) -> bool:
        return self._leaving.is_set()

    async def pause(self, seconds: float) -> None:
        """Waits. Raises `Left` if the run is left meanwhile."""
        try:
            await asyncio.wait_for(self._leaving.wait(), seconds)
        except TimeoutError:
            return
        raise Left

    def notice(self, wave: Wave) -> None:
        """Tells how far a wave is; what the callback raises goes the way of a hook's error."""
        if self.on_wave is not None:
            try:
                self.on_wave(wave)
            except Exception as error:
                raise HookRaised(error) from error

    def answers(self, under: UnderWay, replies: Mapping[str, Reply]) -> None:
        """Hands out what is recorded."""
        for key, reply in replies.items():
            self._note(reply, under.door.facts)
            self._wave_of.pop(key, None)
            if (future := self._futures.pop(key, None)) is not None:
                _tell(future, reply)

    def ended(self, under: UnderWay, taken: Amounts) -> None:
        """A wave is done with, and this is what it took."""
        del self._under[under.wave.number]
        for key in under.calls:
            self._wave_of.pop(key, None)
        self.traffic.settle(under.wave.most, taken)
        for name, count in (under.wave.odd or {}).items():
            self.odd[name] = self.odd.get(name, 0) + count
        self._wake()

    def told(self, under: UnderWay, rest: Mapping[str, Reply | Came]) -> None:
        """What is to be said to the calls of a wave that had no answer."""
        for key, came in rest.items():
            if (future := self._futures.pop(key, None)) is not None:
                _tell(future, came)

    async def room(self, under: UnderWay) -> None:
        """Waits until the provider's queue may have room, where a wave found none. Where no other of its model is under
        way, the next ones are half as large."""
        if any(one.wave.model == under.wave.model for one in self._under.values()):
            await self._one_ends()
            return
        self._most_tokens[under.wave.model] = max(1, under.wave.tokens // 2)
        if self.batching.detach:
            raise self.detached()
        await self.pause(self.batching.rarely)


async def left_open(waves: Waves, folder: Path) -> list[Wave]:
    """What earlier starts left with the provider. What they had only planned is dropped: it cost nothing, and its calls
    are asked for again by whoever still wants them."""
    found = [wave for wave in await waves.all() if wave.open]
    for wave in found:
        if wave.state == "planned":
            await waves.save(replace(wave, state="dropped"))
            path_of(folder, wave, "input").unlink(missing_ok=True)
    return [wave for wave in found if wave.state != "planned"]


_GO_ON = "Start it again: it goes on where it stopped."


def _future() -> asyncio.Future[Reply | Came]:
    return asyncio.get_running_loop().create_future()


def _tell(future: asyncio.Future[Any], came: Any) -> None:
    if not future.done():
        future.set_result(came)


def _write(path: Path, lines: Sequence[bytes]) -> None:
    """Raises `RunError` where the disk does not take it."""
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.writelines(lines)
    except OSError as error:
        raise RunError(f"The file of a batch cannot be written: {error.strerror}.", str(path)) from None


@asynccontextmanager
async def by_batch(
    cascade: Cascade,
    ledger: RunLedger,
    traffic: Traffic,
    name: str,
    engine: str,
    batching: Batching | None = None,
    on_wave: Callable[[Wave], None] | None = None,
) -> AsyncGenerator[BatchCalls | None, None]:
    """The calls of the batch engine; of the local one too, where an earlier start left something with the provider.
    Raises `RunError` where that is another one, whose workers would ask for it again."""
    left = {wave.model for wave in await left_open(Waves(ledger), ledger.path.parent / FOLDER)}
    if left and engine not in ("batch", "local"):
        message = (
            f"An earlier start of this run left batches with the provider, and the engine `{engine}` takes none in."
        )
        fix = "Start it with `--engine batch` or `--engine local` first."
        raise RunError(message, str(ledger.path.parent), fix)
    if engine != "batch" and not left:
        yield None
        return
    models = [one for one in cascade.facts if engine == "batch" or one.name in left]
    opened = {one.name: open_door(one, cascade.models[one.name]) for one in models}
    doors = {name: door for name, door in opened.items() if door is not None}
    calls = BatchCalls(cascade.models, ledger, traffic, doors, name, batching, online=engine != "batch")
    calls.on_wave = on_wave
    try:
        await calls.take_up()
        yield calls
    finally:
        await calls.finished(0)
