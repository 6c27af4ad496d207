"""A run over many workers, with Ray: who starts them, hands inputs out to them, and takes in what came of them.

Ray starts the workers, where there is room for them, starts them again when they die, and gives them again what they
had in hand; it carries every message. The process that runs the run goes on as it does on one machine: it reads the
inputs, counts, and writes the outputs. The ledger, and what the limits leave, is kept by one actor beside it
(`Keeper`), for the workers to record what they paid for. A block of inputs is taken in when all of it is done, so that
one which was begun twice is counted once; what its replies had cost is in the ledger by then, and only what was on the
wire is asked for again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

from ..engines.calls import Calls
from ..engines.hooks import Hook, HookRaised
from ..engines.keeper import Keeper, Raised, value_of
from ..engines.local import Local
from ..errors import ExtractError, PipelineError, RunError
from ..jsontext import digest
from ..ledger import Entry, RunLedger
from ..limits import Fleet, Limits, Traffic
from ..models.cascade import Cascade
from ..models.declared import reach_in
from ..operators.decisions import Decision
from ..pipeline import Conduct, Pipeline
from ..project import loaded_files, shown
from .entering import Input
from .units import Units
from .worker import GO_ON, Done, Setup, Worker, answer_of

__all__ = ["Cluster", "KeptLedger", "Spread", "sent", "started", "working"]

A = TypeVar("A")
B = TypeVar("B")

_BLOCK = 16
"""How many inputs are in one message to a worker, at most."""

_TOGETHER, _LATER = 64, 0.02
"""How many entries are in one message to the ledger, and the seconds that they wait for others."""

_GATHERING = 5.0
"""Seconds that the first worker waits for the others; those that come later take part from then on."""

_SOON = 0.2
"""Seconds until a worker that died is asked again what happens there."""

_ANSWERS = 5.0
"""Seconds that a cluster has to answer in."""

_ENDING = 30.0
"""Seconds that the ledger has to be closed in."""

_WHERE = ("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION", "EXTRACT_MODELS")
"""Variables of the environment that say where models are asked: a worker without them would ask elsewhere."""


@dataclass
class Cluster:
    """What runs in Ray for one run: the keeper and the workers. It was `begun` here if Ray was started for it."""

    fleet: Fleet
    keeper: Any
    begun: bool
    workers: Sequence[Any]

    def end(self) -> None:
        """Ends it all, once the ledger is closed. Whatever Ray does not end is ended with this process."""
        import ray
        from ray.exceptions import GetTimeoutError, RayActorError

        try:
            with suppress(GetTimeoutError, RayActorError):  # it hangs or has died: what came of it was told before
                ray.get(self.keeper.close.remote(), timeout=_ENDING)
        finally:
            for actor in (*self.workers, self.keeper):
                with suppress(Exception):
                    ray.kill(actor)
            if self.begun:
                ray.shutdown()


class KeptLedger:
    """The ledger of a run's folder that the keeper keeps, with the methods of `RunLedger`; rows and entries are read
    here, since the keeper is on the same machine."""

    lasting = True
    cache = None
    entries, refused, rows = RunLedger.entries, RunLedger.refused, RunLedger.rows

    def __init__(self, folder: Path, cluster: Cluster, start: int):
        self.path, self.cluster, self.start = folder / "ledger.sqlite", cluster, start
        self.took: Callable[[Decimal, Decimal], None] = lambda spent, over: None
        self._entries: list[Entry] = []
        self._sending: set[asyncio.Task[None]] = set()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """A method of `RunLedger`, which the keeper's own ledger answers."""
        if name.startswith("_") or not hasattr(RunLedger, name):
            raise AttributeError(name)

        async def asked(*given: Any, **named: Any) -> Any:
            answer, self.start = await answer_of(self.cluster.keeper.ledger.remote(name, given, named))
            return value_of(answer)

        return asked

    async def enter_soon(self, entry: Entry) -> None:
        """Records an entry while the caller goes on; waits where too many are on their way."""
        self._entries.append(entry)
        if len(self._entries) >= _TOGETHER:
            self._send()
        elif len(self._entries) == 1:
            asyncio.get_running_loop().call_later(_LATER, self._send)
        if len(self._sending) > 4:
            await self.entered()

    async def entered(self) -> None:
        """Waits until all of those are recorded."""
        self._send()
        sending, self._sending = self._sending, set()
        await asyncio.gather(*sending)

    def close(self) -> None:
        """Commits what has come in, and lets go of the folder; the workers end."""
        self.cluster.end()

    def _send(self) -> None:
        if self._entries:
            entries, self._entries = self._entries, []
            self._sending.add(asyncio.create_task(self._sent(entries)))

    async def _sent(self, entries: Sequence[Entry]) -> None:
        answer, spent, over = await answer_of(self.cluster.keeper.enter.remote(entries))
        self.took(spent, over)
        value_of(answer)


async def started(
    fleet: Fleet, limits: Limits, folder: Path, conduct: Conduct, asks: Mapping[str, tuple[str, str]]
) -> RunLedger:
    """The ledger of a folder, kept by an actor on this machine, while workers begin to start. Raises `RunError` where
    the folder cannot be used, or Ray cannot be reached."""
    import ray

    here, begun = Path.cwd(), not ray.is_initialized()
    if begun:
        await asyncio.to_thread(_connect, fleet)
    cluster = _cluster(fleet, limits, begun)
    cache = replace(conduct.cache, folder=here / conduct.cache.folder) if conduct.cache else None
    try:
        start = value_of(await answer_of(cluster.keeper.open.remote(here / folder, conduct.synchronous, cache, asks)))
    except BaseException:
        await asyncio.to_thread(cluster.end)
        raise
    return cast(RunLedger, KeptLedger(folder, cluster, start))


def _cluster(fleet: Fleet, limits: Limits, begun: bool) -> Cluster:
    """Starts the keeper, beside this process, and the workers, wherever there is room for them."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    name, most = f"extract-{uuid4().hex}", {"max_concurrency": 10_000}
    beside = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    keeper = ray.remote(Keeper).options(num_cpus=0, scheduling_strategy=beside, name=name, **most).remote()
    environment = dict(fleet.runtime_env) if fleet.runtime_env else None
    again = {"max_restarts": -1, "max_task_retries": fleet.deaths - 1}
    kind = ray.remote(Worker).options(num_cpus=fleet.num_cpus, runtime_env=environment, **again, **most)
    count = _workers(fleet, limits)
    share, rest = divmod(limits.in_flight, count)
    return Cluster(
        fleet, keeper, begun, [kind.remote(name, number, share + (number < rest)) for number in range(count)]
    )


def _connect(fleet: Fleet) -> None:
    """Connects to the cluster, or starts Ray on this machine."""
    import ray

    address = fleet.address or os.environ.get("RAY_ADDRESS") or None
    if address is not None and address.startswith("ray://"):
        message = "A run writes its folder beside the process that runs it, and `ray://` runs that elsewhere."
        raise RunError(message, address, "Start it on a machine of the cluster with --address auto: `ray job submit`.")
    _check_reached(address)
    alone = {} if address else {"include_dashboard": False}
    try:
        ray.init(
            address=address,
            runtime_env=dict(fleet.runtime_env) if fleet.runtime_env else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **alone,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _unreached(error, address) from None


def _check_reached(address: str | None) -> None:
    """Raises `RunError` where nobody listens: Ray itself would try for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWERS).close()
        except OSError as error:
            raise _unreached(error, address) from None


def _unreached(error: Exception, address: str | None) -> RunError:
    said = getattr(error, "strerror", None) or next(iter(str(error).strip().splitlines()), type(error).__name__)
    fix = "Start a cluster there (`ray start --head`), or leave the address out to use this machine alone."
    return RunError(f"Ray cannot be reached: {said.rstrip('.')}.", address, fix)


@asynccontextmanager
async def working(
    engine: Local, pipeline: Pipeline, cascade: Cascade, units: Units, decisions: Mapping[int, Mapping[str, Decision]]
) -> AsyncGenerator[None, None]:
    """While an engine works that is spread over workers; any other has none."""
    if not isinstance(engine, Spread):
        yield
        return
    try:
        await engine.begin(pipeline, cascade, units, decisions)
        yield
    finally:
        await engine.close()


class Spread(Local):
    """An engine over the workers of a cluster, where a run has the local one."""

    def __init__(self, ledger: RunLedger, traffic: Traffic, hook: Hook):
        kept = cast(KeptLedger, ledger)
        self.cluster, self._raised = kept.cluster, cast(HookRaised | None, None)
        count = len(self.cluster.workers)
        least = traffic.limits.in_flight // count
        self._block = self.cluster.fleet.block or min(_BLOCK, max(1, least))
        self._ahead = max(2, -(-2 * least // self._block) + 1)
        calls = _Handed(ledger, traffic, self.cluster, count * self._ahead)
        super().__init__({}, ledger, traffic, hook, calls)
        self._free: asyncio.Queue[Any] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        kept.took = self._took

    async def begin(
        self, pipeline: Pipeline, cascade: Cascade, units: Units, decisions: Mapping[int, Mapping[str, Decision]]
    ) -> None:
        """Lets the workers begin; returns when the first of them is ready, and the others if they are soon. Raises what
        keeps the first one from that."""
        import ray

        self._units = units
        setup = _setup(pipeline, cascade, units, decisions, self.ledger_start, self.limits, not self.hook.silent)
        await answer_of(self.cluster.keeper.serves.remote(self.limits, setup))
        readying = [self._start(self._readied(worker)) for worker in self.cluster.workers]
        fleet = self.cluster.fleet
        try:
            async with asyncio.timeout(fleet.patience):
                self._free.put_nowait(value_of(await self._free.get()))
        except TimeoutError:
            raise _no_room(fleet, ray.cluster_resources().get("CPU", 0)) from None
        await asyncio.wait(readying, timeout=_GATHERING)

    async def each(
        self, items: Iterator[A], do: Callable[[A], Awaitable[B]], *, ordered: bool = False, lazy: bool = True
    ) -> AsyncGenerator[B, None]:
        """What becomes of each item by the workers' units, whatever `do` is here."""
        blocks = _blocks(items, self._block)
        async with aclosing(super().each(blocks, self._worked, ordered=ordered, lazy=lazy)) as several:
            async for done in several:
                self._units.add(done.sums, done.entries)
                for entry in done.entries:
                    yield cast(B, entry)

    async def _worked(self, block: Sequence[Any]) -> Done:
        """A block, by the worker that has had nothing to do for longest."""
        worker = await self._free.get()
        try:
            done: Done = value_of(await answer_of(value_of(worker).units.remote(block), self._died(block)))
        finally:
            self._free.put_nowait(worker)
        self.calls.modes.update(done.modes)
        if done.stopped is not None:
            self.calls.stop(done.stopped)
        if self._raised is not None:
            raise self._raised
        return done

    def _died(self, block: Sequence[Input]) -> RunError:
        fleet = self.cluster.fleet
        names = ", ".join(one.source for one in block[:3]) + (", ..." if len(block) > 3 else "")
        message = f"A worker died {fleet.deaths} times while it had the same {len(block)} inputs: {names}."
        fix = f"Look at its memory, and at code of the pipeline that ends a process. {GO_ON}"
        return RunError(message, self.folder, fix)

    async def _readied(self, worker: Any) -> None:
        """Lets a worker take part once it is ready."""
        try:
            wrong = await answer_of(worker.ready.remote(), RunError("A worker died before it was ready.", fix=GO_ON))
        except ExtractError as error:
            wrong = Raised(error)
        if wrong is not None:
            self._free.put_nowait(wrong)
            return
        for _ in range(self._ahead):
            self._free.put_nowait(worker)
        if self.stopped is not None:
            worker.stop.remote(self.stopped)
        if not self.hook.silent:
            self._start(self._relayed(worker))

    async def _relayed(self, worker: Any) -> None:
        """Tells the hook what happens at a worker. What it raises ends the run; the rest is not told any more."""
        while True:
            try:
                several = await answer_of(worker.told.options(max_task_retries=0).remote())
            except RunError:  # it died, and is started again
                await asyncio.sleep(_SOON)
                continue
            for happening in several:
                try:
                    await self.hook.tell(happening)
                except HookRaised as error:
                    self._raised = error
                    self.calls.stop(RunError(error.message))

    def _start(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _took(self, spent: Decimal, over: Decimal) -> None:
        self.traffic.budget.spent, self.traffic.budget.over = spent, over

    async def close(self) -> None:
        """Listens to the workers no longer."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def ledger_start(self) -> int:
        return cast(KeptLedger, self.calls.ledger).start

    @property
    def folder(self) -> str:
        return str(cast(KeptLedger, self.calls.ledger).path.parent)


class _Handed(Calls):
    """Stands where the local engine has its calls: nothing is sent from here, and who stops, stops the workers."""

    def __init__(self, ledger: RunLedger, traffic: Traffic, cluster: Cluster, width: int):
        super().__init__({}, ledger, traffic)
        self._cluster, self._width = cluster, width

    @property
    def width(self) -> int:
        return self._width

    @property
    def hands(self) -> int:
        """Blocks that are on their way to a worker keep it busy."""
        return self._width

    def stop(self, error: ExtractError) -> None:
        if self.stopped is None:
            for worker in self._cluster.workers:
                worker.stop.remote(error)
        super().stop(error)

    async def settled(self) -> None:
        """Where the run is stopped, what workers have on the wire is recorded first."""
        if self.stopped is not None:
            await self._finish(self.limits.timeout)
        await super().settled()

    async def finished(self, seconds: float) -> None:
        """What is on the wire has so many seconds to be recorded."""
        super().stop(RunError("The run was interrupted.", fix=GO_ON))
        await self._finish(seconds)

    async def _finish(self, seconds: float) -> None:
        ending = (answer_of(one.finish.remote(seconds)) for one in self._cluster.workers)
        with suppress(TimeoutError):  # a worker that died is not waited for any longer
            async with asyncio.timeout(seconds + 1.0):
                await asyncio.gather(*ending, return_exceptions=True)


def _setup(
    pipeline: Pipeline,
    cascade: Cascade,
    units: Units,
    decisions: Mapping[int, Mapping[str, Decision]],
    start: int,
    limits: Limits,
    told: bool,
) -> Setup:
    """What workers begin with."""
    pickled = sent(pipeline)
    asks = any(getattr(model, "addresses", ()) for model in cascade.models.values())
    return Setup(
        here=Path.cwd(),
        files=tuple((path, _digest(path)) for name, path in loaded_files().items() if name.encode() in pickled),
        variables=tuple(name for name in _WHERE if asks and os.environ.get(name)),
        pipeline=pickled,
        fingerprint=pipeline.fingerprint,
        reach=reach_in(os.environ),
        facts=cascade.facts,
        decisions=decisions,
        before=units.reuse.before,
        retried=frozenset(units.reuse.retried),
        start=start,
        limits=limits,
        told=told,
    )


def sent(pipeline: Pipeline) -> bytes:
    """A pipeline as it goes to workers. Raises `PipelineError` for one that cannot be sent, and `RunError` where Ray is
    not installed."""
    try:
        from ray import cloudpickle
    except ImportError:
        message = "The engine `ray` needs Ray, and it is not installed."
        raise RunError(message, fix="pip install 'typed-extract[ray]'") from None
    try:
        return cloudpickle.dumps(pipeline)  # type: ignore[no-any-return]
    except Exception as error:  # noqa: BLE001  what pickling raises is anybody's
        message = f"The pipeline cannot be sent to workers: {type(error).__name__}: {error}."
        fix = "Write the schema or the function that it names into a file, and name it there: code/clean.py:tidy."
        raise PipelineError(message, str(pipeline.place), fix) from None


def _digest(path: Path) -> str:
    try:
        return digest(path.read_bytes())
    except OSError as error:
        raise PipelineError(f"A file of the pipeline cannot be read: {error.strerror}.", shown(path)) from None


def _blocks(items: Iterator[A], size: int) -> Iterator[list[A]]:
    while block := list(islice(items, size)):
        yield block


def _workers(fleet: Fleet, limits: Limits) -> int:
    """How many workers there are: no more than have a place in flight each."""
    import ray

    room = int(ray.cluster_resources().get("CPU", 1) / fleet.num_cpus) if fleet.num_cpus else 1
    return max(1, min(fleet.workers or room, limits.in_flight))


def _no_room(fleet: Fleet, cpus: float) -> RunError:
    message = f"No worker was ready within {fleet.patience:g} seconds: each wants {fleet.num_cpus:g} processors,"
    return RunError(f"{message} and Ray has {cpus:g}, which others may be using.", fix="Make room, or ask for less.")
