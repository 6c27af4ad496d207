"""One worker of a run: the local engine, over a pipeline that came with what the run decides by, on blocks of inputs.

It has no run of its own. What it records, and what it may take of the run's limits, is kept elsewhere
(`engines.keeper`); it opens its models by its own environment, and no key is sent to it. A worker that is started
again, because it died, begins as it did the first time.
"""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from ..call import Mode
from ..catalogue import ModelFacts
from ..endpoints import Reach
from ..engines.hooks import Hook
from ..engines.keeper import Asked, Raised
from ..engines.local import Local
from ..engines.remote import Line, Relay, RemoteCalls, RemoteLedger, RemoteTraffic
from ..errors import ExtractError, ModelError, PipelineError, RunError
from ..events import Happening
from ..jsontext import digest
from ..ledger import Entry, State
from ..limits import Amounts, Limits
from ..models.cascade import Cascade, open_cascade
from ..operators.decisions import Decision
from ..pipeline import Files, Pipeline
from ..project import load_file
from ..settings import apart
from .asking import asking
from .entering import Input
from .units import Sums, Units

__all__ = ["GO_ON", "Done", "Setup", "Worker", "answer_of"]

GO_ON = "Start the run again: it goes on where it stopped."


@dataclass(frozen=True)
class Setup:
    """What a worker begins with. `pipeline` is pickled: the Python `files` that it names come first, each with a hash
    of what it has to hold. `here` is the folder that paths are relative to, `variables` are names of the environment
    that say where models are asked."""

    here: Path
    files: tuple[tuple[Path, str], ...]
    variables: tuple[str, ...]
    pipeline: bytes
    fingerprint: str
    reach: Reach
    facts: tuple[ModelFacts, ...]
    decisions: Mapping[int, Mapping[str, Decision]]
    before: Mapping[int, Mapping[str, Any]]
    retried: frozenset[State]
    start: int
    limits: Limits
    told: bool


@dataclass(frozen=True)
class Done:
    """What came of a block: its entries and what they come to, the modes that models were found to answer in, and why
    nothing more is sent."""

    entries: tuple[Entry, ...]
    sums: Sums
    modes: Mapping[str, Mode]
    stopped: ExtractError | None = None


class _Way:
    """The way to the keeper, an actor of Ray's."""

    def __init__(self, keeper: Any, name: str):
        self._keeper, self._name = keeper, name

    async def serve(self, asked: Sequence[Asked]) -> list[Any]:
        return await answer_of(self._keeper.serve.remote(self._name, asked))  # type: ignore[no-any-return]

    async def reserve(self, most: Amounts) -> Any:
        return await answer_of(self._keeper.reserve.remote(self._name, most))

    async def wait(self, key: str) -> Any:
        return await answer_of(self._keeper.wait.remote(self._name, key))


class Worker:
    """One worker, by its number, with its `share` of the places in flight; Ray makes an actor of it. `keeper` is the
    name of the actor that keeps what all share."""

    def __init__(self, keeper: str, number: int, share: int):
        import ray

        self._keeper, self._number, self._share, self._relay = ray.get_actor(keeper), number, share, Relay()
        self._begun: asyncio.Future[Raised | None] | None = None

    async def ready(self) -> Raised | None:
        """Begins, if that has not been done; says what stands in the way."""
        if self._begun is None:
            self._begun = asyncio.ensure_future(self._begin())
        return await asyncio.shield(self._begun)

    async def units(self, block: Sequence[Input]) -> Done | Raised:
        """Does all inputs of a block."""
        if (wrong := await self.ready()) is not None:
            return wrong
        units = self._units.fresh()
        try:
            entries = await asyncio.gather(*(units.unit(one) for one in block))
        except ExtractError as error:
            return Raised(error)
        return Done(tuple(entries), units.sums(), self._local.calls.modes, self._local.stopped)

    async def told(self) -> list[Happening]:
        """What has happened, once something has; see `Relay`."""
        await self.ready()
        return await self._relay.told()

    async def stop(self, error: ExtractError) -> None:
        """Sends nothing more."""
        if await self.ready() is None:
            self._local.calls.stop(error)

    async def finish(self, seconds: float) -> None:
        """Sends nothing more, and waits so long for what is on the wire, until it is recorded."""
        if await self.ready() is None:
            await self._local.calls.finished(seconds)

    async def _begin(self) -> Raised | None:
        try:
            name = uuid4().hex
            setup: Setup = await answer_of(self._keeper.arrived.remote(self._number, name))
            pipeline = _received(setup)
            cascade = _opened(pipeline, setup)
        except ExtractError as error:
            return Raised(error)
        line = Line(_Way(self._keeper, name))
        ledger, traffic = RemoteLedger(line, setup.start), RemoteTraffic(line, setup.limits, self._share)
        calls = RemoteCalls(cascade.models, ledger, traffic, line)
        self._local = Local(cascade.models, ledger, traffic, self._relay if setup.told else Hook(), calls)
        asked = asking(pipeline, {one.name: one for one in cascade.facts})
        self._units = Units(pipeline, asked, self._local, ledger, setup.decisions)
        self._units.reuse.before, self._units.reuse.retried = setup.before, setup.retried
        return None


def _received(setup: Setup) -> Pipeline:
    """The pipeline, as it is where the run was started. Raises `PipelineError` where it cannot be that."""
    try:
        os.chdir(setup.here)
    except OSError:
        if setup.files:
            raise _elsewhere(setup.here, "folder") from None
    for path, content in setup.files:
        if not path.is_file():
            raise _elsewhere(path, "file")
        if digest(path.read_bytes()) != content:
            message = "The file of a worker is another than that of the run."
            raise PipelineError(message, _at(path), "Give all machines the same files, and start the run again.")
        load_file(path)
    try:
        pipeline: Pipeline = pickle.loads(setup.pipeline)
    except Exception as error:  # noqa: BLE001  what unpickling raises is anybody's
        message = f"The pipeline cannot be read by a worker: {type(error).__name__}: {error}."
        fix = "Install what it is made of on every machine, or name schemas and functions by files: file.py:Name."
        raise PipelineError(message, _at(None), fix) from None
    if isinstance(pipeline.documents, Files) and Path.cwd() != setup.here:
        raise _elsewhere(setup.here, "folder")
    if pipeline.fingerprint != setup.fingerprint:
        message = "The pipeline of a worker is another than that of the run."
        raise PipelineError(message, _at(None), "Install the same version of extract on every machine.")
    return pipeline


def _opened(pipeline: Pipeline, setup: Setup) -> Cascade:
    """The models, by this worker's environment and the facts of the run."""
    if not pipeline.models:
        return Cascade((), {})
    for name in setup.variables:
        if not os.environ.get(name):
            message = f"{name} is set where the run was started, and not where a worker runs."
            fix = "Set it where Ray is started on each machine, or in the `runtime_env` of the Fleet."
            raise ModelError(message, _at(None), fix)
    headers = apart(pipeline.settings)[1]
    try:
        cascade = open_cascade(pipeline.models, reach=pipeline.reach & setup.reach, headers=headers)
    except ModelError as error:
        fix = f"{error.fix or ''} A worker has the environment in which Ray was started on its machine.".lstrip()
        raise ModelError(error.message, _at(error.where), fix) from None
    return replace(cascade, facts=setup.facts)


def _elsewhere(path: Path, kind: Literal["file", "folder"]) -> PipelineError:
    message = f"This {kind} of the run is not on the machine of a worker."
    return PipelineError(message, _at(path), "Keep the project in a folder that all machines share, by the same path.")


def _at(what: object) -> str:
    """Where something went wrong, with the machine."""
    machine = f"a worker on {os.uname().nodename}"
    return machine if what is None else f"{what} ({machine})"


async def answer_of(ref: Any, died: ExtractError | None = None) -> Any:
    """What an actor answers. Raises `RunError` (`died`, if it is given) where it has died, and where its code raised
    what nobody expected."""
    from ray.exceptions import RayActorError, RayError

    try:
        return await ref
    except RayActorError:
        raise died or RunError("The process that keeps the run's ledger has died.", fix=GO_ON) from None
    except RayError as error:
        message = f"A process of Ray's raised {type(error).__name__}: {error}".rstrip()
        raise RunError(message, fix="Please report this; the ledger is whole.") from None
