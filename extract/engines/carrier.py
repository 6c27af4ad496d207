"""The way of one wave: its file is uploaded, a batch created of it, waited for, brought back, and taken in.

Each step writes down that it was done; what a step may have done before it was cut off, the next start finds out. Only
creating a batch can cost something twice: whoever cannot know whether it took effect looks through the provider's list
for the wave's name or its file, several times, before it tries again. However a batch ends, both of its files are taken
in: one that expired has charged for what it did. Once no more is to be sent, what is under way is still waited for;
when the run is left, it stays for the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Protocol, TypeVar

from ..batches import Wave, Waves, WaveState
from ..call import Failure, Mode, Reply
from ..errors import Detached, ExtractError, ModelError
from ..limits import NOTHING, Amounts, Batching, Limits, plus
from ..models.batches import FULL, Batch, Door
from ..models.wire import Refused
from .calls import cost_of
from .waves import Joined, pauses

__all__ = ["Came", "Carrier", "Left", "UnderWay", "path_of"]

T = TypeVar("T")

_LOOKS = 3
"""How often the list of batches is looked through before a batch is taken not to be there."""

_POLLS = 10
"""How many times as often as other requests one that asks after a batch may fail: it costs nothing to wait."""

_LINES = 500
"""So many lines that came back are read and recorded at a time."""


class Came(Enum):
    """What comes of a call that has no reply: it is sent ONLINE, or goes into a file AGAIN."""

    ONLINE = "online"
    AGAIN = "again"


class Left(Exception):
    """The run is left, and what is under way stays for its next start."""


@dataclass
class UnderWay:
    """A wave in this start of the run: how far it is, its calls (tokens by key, in the order of its file), whether it
    was `taken_up` from an earlier start, and why nobody waits for it any longer (`given_up`)."""

    wave: Wave
    calls: Mapping[str, int]
    door: Door
    taken_up: bool = False
    given_up: ExtractError | None = None


class Owner(Protocol):
    """Whose waves they are: who hands out the answers."""

    limits: Limits
    batching: Batching

    @property
    def leaving(self) -> bool: ...

    async def pause(self, seconds: float) -> None: ...

    def notice(self, wave: Wave) -> None: ...

    def answers(self, under: UnderWay, replies: Mapping[str, Reply]) -> None: ...

    def ended(self, under: UnderWay, taken: Amounts) -> None: ...

    def told(self, under: UnderWay, rest: Mapping[str, Reply | Came]) -> None: ...

    async def room(self, under: UnderWay) -> None: ...

    def detached(self) -> Detached: ...


class Carrier:
    """Takes waves from state to state. `run` is the name of the run, in the metadata of its batches."""

    def __init__(self, owner: Owner, waves: Waves, run: str, folder: Path):
        self._owner, self._waves, self._run, self._folder = owner, waves, run, folder

    async def planned(self, door: Door, mode: Mode, calls: Mapping[str, int], most: Amounts) -> tuple[Wave, Path]:
        """A new wave of calls that are asked in this mode, and where its file is to be written."""
        new = Wave(0, door.facts.name, mode, "planned", len(calls), sum(calls.values()), most)
        wave = await self._waves.plan(new, calls)
        return wave, self._path(wave, "input")

    async def carry(self, under: UnderWay) -> None:
        """To its end. Raises `Left`, `Detached` where it is left with the provider, and `ModelError` for what cannot
        succeed."""
        while under.wave.open:
            if self._owner.leaving:
                raise Left
            await _STEPS[under.wave.state](self, under)

    # ---- the steps

    async def _upload(self, under: UnderWay) -> None:
        path = self._path(under.wave, "input")
        file = await self._insist(lambda: under.door.upload(path, self._owner.limits.timeout), under)
        await self._save(under, state="uploaded", file=file)
        path.unlink(missing_ok=True)

    async def _create(self, under: UnderWay) -> None:
        """One batch of the file, whatever happens: what may be there already is looked for first."""
        batch = await self._find(under) if under.wave.tried else None
        waits = pauses(self._owner.batching)
        for tried in count(1):
            if batch is not None:
                break
            await self._save(under, tried=under.wave.tried + 1)
            try:
                batch = await under.door.create(
                    str(under.wave.file), self._metadata(under.wave), self._owner.limits.timeout
                )
            except Refused as refused:
                if under.taken_up and refused.failure.status in (400, 404):  # its file has expired meanwhile
                    await self._drop(under)
                    return
                if refused.failure.kind != "transport":
                    raise _given_up(refused.failure, under) from None
                batch = await self._find(under)
                if batch is None and tried >= self._owner.limits.tries:
                    raise _given_up(refused.failure, under) from None
                if batch is None:
                    await self._owner.pause(refused.failure.retry_after or next(waits))
        assert batch is not None
        await self._save(under, state="created", batch=batch.id, status=batch.status)

    async def _drop(self, under: UnderWay) -> None:
        """Gives up a wave that has no batch: its calls go into files again."""
        await self._save(under, state="dropped")
        self._owner.ended(under, NOTHING)
        self._owner.told(under, dict.fromkeys(under.calls, Came.AGAIN))

    async def _find(self, under: UnderWay) -> Batch | None:
        """The wave's batch, if the provider has one. The list may be behind what was done."""
        for pause in (0.0, *islice(pauses(self._owner.batching), _LOOKS - 1)):
            if pause:
                await self._owner.pause(pause)
            found = await self._insist(lambda: self._listed(under), under)
            if found is not None:
                return found
        return None

    async def _listed(self, under: UnderWay) -> Batch | None:
        metadata = self._metadata(under.wave)
        async with aclosing(under.door.all(self._owner.limits.timeout)) as batches:
            async for batch in batches:
                if batch.input == under.wave.file or dict(batch.metadata or {}) == metadata:
                    return batch
        return None

    async def _wait(self, under: UnderWay) -> None:
        """Until the batch has ended; of a run that is detached, only if it has by now."""
        detach = self._owner.batching.detach
        if detach and not under.taken_up:
            raise self._owner.detached()
        waits, lost = pauses(self._owner.batching), 0
        while True:
            asked = None
            try:
                batch = await under.door.retrieve(str(under.wave.batch), self._owner.limits.timeout)
                lost = 0
                if batch.ended:
                    break
                if batch.status != under.wave.status:
                    await self._save(under, status=batch.status)
            except Refused as refused:
                lost, asked = lost + 1, refused.failure.retry_after
                if refused.failure.kind != "transport" or lost >= _POLLS * self._owner.limits.tries:
                    raise _given_up(refused.failure, under) from None
            if detach:
                raise self._owner.detached()
            await self._owner.pause(asked or next(waits))
        faults = tuple((one.code, one.message, one.line) for one in batch.faults)
        ends = {"status": batch.status, "output": batch.output, "errors": batch.errors, "faults": faults}
        await self._save(under, state="finished", **ends)

    async def _download(self, under: UnderWay) -> None:
        self._folder.mkdir(exist_ok=True)
        for name in ("output", "errors"):
            file = getattr(under.wave, name)
            if file is not None:
                path, seconds = self._path(under.wave, name), self._owner.limits.timeout
                await self._insist(partial(under.door.download, file, path, seconds), under)
        await self._save(under, state="downloaded")

    async def _ingest(self, under: UnderWay) -> None:
        """Records each answer, hands it out, and says what came of the rest. Doing it again changes nothing."""
        joined, taken = Joined(under.calls), NOTHING
        for name in ("output", "errors"):
            if getattr(under.wave, name) is not None:
                path = self._path(under.wave, name)
                if not path.is_file():  # somebody has tidied up
                    await self._save(under, state="finished")
                    return
                for lines in _blocks(path):
                    taken = plus(taken, await self._record(under, joined, lines))
        rest: Mapping[str, Reply | Came] = {**dict.fromkeys(joined.missing, _nothing(under)), **joined.failed}
        failed = under.wave.status == "failed"
        odd = {name: n for name in ("doubled", "unknown", "broken") if (n := getattr(joined, name))}
        await self._save(under, state="ingested", odd=odd)
        for name in ("input", "output", "errors"):
            self._path(under.wave, name).unlink(missing_ok=True)
        self._owner.ended(under, taken)
        self._owner.told(under, await self._failed(under) if failed else rest)

    async def _record(self, under: UnderWay, joined: Joined, lines: list[bytes]) -> Amounts:
        """What the new ones among the answers in these lines took."""
        known, facts = replace(under.door.wire, mode=under.wave.mode), under.door.facts
        found = await asyncio.to_thread(lambda: [under.door.read(line, known, under.calls) for line in lines])
        paid = {one[0]: reply for one in found if (reply := joined.take(one)) is not None and one is not None}
        new = await self._waves.record([(key, facts.name, one, cost_of(one, facts)) for key, one in paid.items()])
        taken = NOTHING
        for reply, is_new in zip(paid.values(), new, strict=True):
            if is_new:  # what is not was counted when it was recorded
                tokens = Decimal(reply.usage.input + reply.usage.output)
                taken = plus(taken, (cost_of(reply, facts) or Decimal(0), tokens, Decimal(1)))
        self._owner.answers(under, paid)
        return taken

    async def _failed(self, under: UnderWay) -> dict[str, Reply | Came]:
        """What is to be done about a batch that failed as a whole, and cost nothing: wait until the queue has room,
        leave out the lines that are to blame, or stop."""
        again: dict[str, Reply | Came] = dict.fromkeys(under.calls, Came.AGAIN)
        faults, model = under.wave.faults, under.wave.model
        if any(code == FULL for code, _, _ in faults):
            await self._owner.room(under)
            return again
        keys = list(under.calls)
        to_blame = {keys[line - 1]: said for _, said, line in faults if line is not None and 0 < line <= len(keys)}
        if not to_blame or any(line is None for _, _, line in faults):
            said = "; ".join(dict.fromkeys(said or code for code, said, _ in faults)) or "No reason was given."
            raise ModelError(f"A batch of {model} failed: {said}", where=under.wave.batch)
        for key, said in to_blame.items():
            again[key] = Reply(failure=Failure("document", f"{model} does not take this document: {said}"))
        return again

    # ---- one request

    async def _insist(self, work: Callable[[], Awaitable[T]], under: UnderWay) -> T:
        """What a request gives that may be made any number of times, at last."""
        waits = pauses(self._owner.batching)
        for tried in count(1):
            try:
                return await work()
            except Refused as refused:
                failure = refused.failure
                if failure.kind != "transport" or tried >= self._owner.limits.tries:
                    raise _given_up(failure, under) from None
                await self._owner.pause(failure.retry_after or next(waits))
        raise AssertionError("the attempts are counted")

    async def _save(self, under: UnderWay, **changes: object) -> None:
        before = under.wave
        under.wave = await self._waves.save(replace(before, **changes))  # type: ignore[arg-type]
        if (before.state, before.status) != (under.wave.state, under.wave.status):
            self._owner.notice(under.wave)

    def _metadata(self, wave: Wave) -> dict[str, str]:
        return {"extract_run": self._run, "extract_wave": str(wave.number)}

    def _path(self, wave: Wave, name: str) -> Path:
        return path_of(self._folder, wave, name)


_STEPS: Mapping[WaveState, Callable[[Carrier, UnderWay], Awaitable[None]]] = {
    "planned": Carrier._upload,
    "uploaded": Carrier._create,
    "created": Carrier._wait,
    "finished": Carrier._download,
    "downloaded": Carrier._ingest,
}


def path_of(folder: Path, wave: Wave, name: str) -> Path:
    """Where a file of a wave is while it is on its way: its ``input``, ``output`` or ``errors``."""
    return folder / f"{wave.number}.{name}.jsonl"


def _blocks(path: Path) -> Iterator[list[bytes]]:
    """The lines of a file that are not empty, some at a time."""
    with path.open("rb") as file:
        lines = (line for line in file if line.strip())
        while block := list(islice(lines, _LINES)):
            yield block


def _nothing(under: UnderWay) -> Reply:
    return Reply(failure=Failure("transport", f"{under.wave.model} gave nothing for it in its batch."))


def _given_up(failure: Failure, under: UnderWay) -> ModelError:
    """What ends the run for now; the wave stays as it is, and the next start goes on with it."""
    return ModelError(failure.message, where=under.wave.model, fix=failure.fix or None, kind=failure.kind)
