"""Runs a pipeline: opens its documents, drives their tasks, sends rows through the steps, and writes what comes out.

A run lives in a folder. Its first act is to write down what it decides by (the facts and prices of the models, the way
of rendering prompts); its ledger keeps each paid reply and what became of each document. The same folder again resumes
it: every document is done afresh, and what was paid for is answered from the ledger. Stage after stage, what enters is
taken through the steps that need one row at a time, and rows are handed to the outputs as they are ready.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from inspect import isawaitable
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from ..batches import Wave, Waves
from ..call import Usage
from ..endpoints import ANYWHERE, Reach
from ..engines.batch import FOLDER, BatchCalls, left_open
from ..engines.hooks import Hook
from ..engines.local import Local
from ..errors import DocumentError, ExtractError, ModelError, PipelineError, RunError
from ..events import OnEvent
from ..ledger import Entry, RunLedger
from ..limits import Batching, Limits, Traffic, check_priced
from ..models.batches import open_door
from ..models.cascade import Cascade, open_cascade
from ..operators.decisions import Decision, read_decisions
from ..operators.rows import Row
from ..pipeline import DOCUMENTS, Pipeline, Review, Sample
from ..prompt import VERSION
from ..report import NOT_WRITTEN, write_not_written, write_run
from ..settings import apart
from .asking import Asking, asking, task_of
from .entering import Input, count, gathered, inputs
from .flows import STATES, Flow
from .outputs import Outputs, check_writable
from .units import Units

__all__ = [
    "STATES",
    "Asking",
    "Engine",
    "Flow",
    "Input",
    "Progress",
    "Run",
    "asking",
    "execute",
    "inputs",
    "lacking",
    "new_folder",
    "open_models",
    "task_of",
]

Engine = Literal["local", "batch"]
"""How calls are answered: one by one, or by OpenAI's Batch API. A run may be started by one and finished by the other.
"""


@dataclass(frozen=True)
class Progress:
    """How far a run is: documents done of how many, their states, the money spent, and what was done just now."""

    done: int
    total: int
    states: Mapping[str, int]
    spent: Decimal
    entry: Entry


@dataclass(frozen=True)
class Run:
    """What happened. `stopped` says why some documents are pending or an output is missing; `left` are the outputs that
    are as they were, because not all that they are made of is there; `calls`, `usage` and `cost`
    are those of all starts of the run, the cost in US dollars, None where a model has no price; `sample` holds the
    first rows at the end and `refused` the first documents that gave none, to be shown; `waived` counts the documents
    whose record was kept without fields that failed, `not_written` are the files of the rows that were not written.
    `reused` counts for each step the answers that were on record, `anew` those that were asked for once more, by the
    reason why."""

    folder: Path
    states: Mapping[str, int]
    flows: tuple[Flow, ...]
    calls: int
    usage: Usage
    cost: Decimal | None
    seconds: float
    outputs: tuple[tuple[str, int], ...]
    left: tuple[str, ...] = ()
    over_budget: Decimal = Decimal(0)
    warnings: tuple[str, ...] = ()
    stopped: ExtractError | None = None
    sample: tuple[Row, ...] = ()
    refused: tuple[Entry, ...] = ()
    waived: int = 0
    not_written: tuple[Path, ...] = ()
    reused: Mapping[str, int] = field(default_factory=dict)
    anew: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def lossless(self) -> bool:
        """Whether nothing was rejected or held for review, at any step."""
        return not any(flow.counts["rejected"] or flow.counts["review"] for flow in self.flows)

    def plain(self) -> dict[str, Any]:
        """The run as one object, as ``extract run --json`` prints it."""
        return {
            "run": str(self.folder),
            "in": sum(self.states.values()),
            **{state: self.states.get(state, 0) for state in STATES},
            "waived": self.waived,
            "calls": self.calls,
            "tokens": {"input": self.usage.input, "cached": self.usage.cached, "output": self.usage.output},
            "cost_usd": self.cost,
            "seconds": round(self.seconds, 3),
            "outputs": [name for name, _ in self.outputs],
            "left_as_they_were": list(self.left),
            "not_written": [str(path) for path in self.not_written],
            "steps": [flow.plain() for flow in self.flows],
            "reused": dict(self.reused),
            "anew": {name: dict(counts) for name, counts in self.anew.items()},
            "stopped": None if self.stopped is None else self.stopped.message,
        }


def open_models(pipeline: Pipeline, reach: Reach = ANYWHERE) -> Cascade:
    """The models of a pipeline, opened as the environment and the user's file of models say; data goes where the
    pipeline and `reach` allow; where no step asks one, there are none. Raises `ModelError`."""
    if not pipeline.models:
        return Cascade((), {})
    _, headers = apart(pipeline.settings)
    return open_cascade(pipeline.models, reach=pipeline.reach & reach, headers=headers)


def lacking(pipeline: Pipeline) -> Iterator[str]:
    """What a run would stop at before anything is sent: models that cannot be opened, outputs that cannot be
    written."""
    try:
        open_models(pipeline)
    except ModelError as error:
        yield str(error)
    try:
        check_writable(pipeline)
    except PipelineError as error:
        yield from map(str, (error, *error.others))


def new_folder(name: str, below: str = "runs") -> Path:
    """A folder for a run that is not there yet: the name and the time, and a number if that is taken."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip(".-")[:80] or "run"
    stem = f"{below}/{safe}-{datetime.now().strftime('%Y%m%d-%H%M%S')}"
    number = 1
    while (folder := Path(stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return folder


async def execute(
    pipeline: Pipeline,
    cascade: Cascade,
    folder: Path,
    *,
    limits: Limits | None = None,
    limit: int | None = None,
    engine: Engine = "local",
    batching: Batching | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
    on_event: OnEvent | None = None,
    on_rows: Callable[[list[Row]], Any] | None = None,
    on_wave: Callable[[Wave], None] | None = None,
) -> Run:
    """Runs a pipeline in a folder, or resumes the run that is there; at most `limit` documents. `watch` is told of each
    document that is done, `on_event` of everything that happens to it (`engines.hooks` says how and where), `on_rows`
    of rows that came out at the end of the pipeline; if it gives something to await, the run waits until it has taken
    them. With the `engine` ``batch`` calls are gathered as `batching` says, and `on_wave` is told how each batch fares;
    what a start of the run left with the provider is taken in by the next one, whatever its engine.

    Raises `RunError` where the folder cannot be used and `ModelError` for a budget that cannot be held or a model that
    cannot be asked by batch. What goes wrong with a document is in its entry, and what stops the run in `Run.stopped`.
    """
    began = time.monotonic()
    limits = limits or Limits(**pipeline.limits)
    check_priced(limits, cascade.facts)
    pipeline.per_document.check_priced(cascade.facts)
    if engine == "batch":
        for facts in cascade.facts:
            open_door(facts, cascade.models[facts.name])
    check_writable(pipeline)
    decisions = _decisions(pipeline)
    ledger = await _opened(folder)
    try:
        cascade, name = await _as_started(ledger, pipeline, cascade)
        traffic = Traffic(limits, await ledger.spent())
        async with _by_batch(cascade, ledger, traffic, name, engine, batching, on_wave) as by_batch:
            local = Local(cascade.models, ledger, traffic, Hook(on_event), by_batch)
            asked = asking(pipeline, {one.name: one for one in cascade.facts})
            units = Units(pipeline, asked, local, ledger, decisions)
            units.reuse.before = await _parts(ledger, asked)
            stages = _Stages(pipeline, units, local, ledger, Outputs(pipeline, ledger, name), on_rows)
            sample = await stages.whole(limit, watch)
            run = await stages.account(folder, time.monotonic() - began, cascade.warnings, sample)
        _check_conserved(run)
        write_run(folder, run.plain())
        return run
    finally:
        for model in cascade.models.values():
            await model.close()
        await asyncio.to_thread(ledger.close)


@dataclass
class _Stages:
    """The stages of a run, one after another: those that have `ended`, and the `failure` that kept a step which needs
    all rows from running."""

    pipeline: Pipeline
    units: Units
    engine: Local
    ledger: RunLedger
    outputs: Outputs
    on_rows: Callable[[list[Row]], Any] | None = None
    failure: ExtractError | None = None
    ended: list[int] = field(default_factory=list)

    async def account(self, folder: Path, seconds: float, warnings: tuple[str, ...], sample: tuple[Row, ...]) -> Run:
        """What happened in all of them; what is no longer among the inputs is forgotten."""
        units, engine, outputs = self.units, self.engine, self.outputs
        await self.ledger.forget_older()
        await asyncio.to_thread(write_not_written, folder, self.ledger.entries)
        calls, usage, cost = await self.ledger.totals()
        return Run(
            folder=folder,
            states=dict(units.states),
            flows=tuple(units.flows.values()),
            calls=calls,
            usage=usage,
            cost=cost,
            seconds=seconds,
            outputs=tuple(outputs.files),
            left=tuple(outputs.left),
            over_budget=engine.traffic.budget.over,
            warnings=(*warnings, *_noticed(engine)),
            stopped=engine.stopped or self.failure or outputs.failure,
            sample=sample,
            refused=tuple(units.refused),
            waived=units.waived,
            not_written=tuple(path for name in NOT_WRITTEN.values() if (path := folder / name).is_file()),
            **units.reuse.plain(),
        )

    async def whole(self, limit: int | None, watch: Callable[[Progress], None]) -> tuple[Row, ...]:
        """All stages, and then the outputs, which appear whole or not at all; gives the first rows at the end."""
        try:
            await self.run(limit, watch)
            return await asyncio.to_thread(self.outputs.finish, self.ended)
        except BaseException:
            self.outputs.abandon()
            raise

    async def run(self, limit: int | None, watch: Callable[[Progress], None]) -> None:
        total = await asyncio.to_thread(count, self.pipeline, limit)

        def told(entry: Entry) -> None:
            units = self.units
            spent = self.engine.traffic.budget.spent
            watch(Progress(units.states.total(), total, units.states, spent, entry))

        for number in self.pipeline.stages:
            if number == DOCUMENTS:
                await self._stage(number, inputs(self.pipeline, limit), told)
                continue
            if self.engine.stopped is not None:
                return  # what needs all rows would take some for all: a sum over them looks like the sum
            step = self.pipeline.by_number[number]
            try:
                await self._stage(number, gathered(self.pipeline, step, self.ledger), lambda entry: None)
            except (DocumentError, PipelineError) as error:  # a query, or a file that one of its tables is read from
                self.failure = error
                return
            if isinstance(step, Sample):
                self.units.flows[number].chosen()

    async def _stage(self, number: int, given: Any, told: Callable[[Entry], None]) -> None:
        """All inputs of a stage through the engine; each is entered into the ledger while the next ones go on."""
        came, went = _Counted(given), 0
        try:
            async with aclosing(self.engine.each(came, self.units.unit)) as entries:
                async for entry in entries:
                    went += 1
                    await self.ledger.enter_soon(entry)
                    self.units.taken(entry)
                    told(entry)
                    await self._hand_on(number, entry)
        finally:
            await self.ledger.entered()
        if came.count != went:
            said = f"Of {came.count} inputs {came.count - went} vanished on their way."
            raise RunError(said, str(self.ledger.path.parent), "Please report this; the ledger is whole.")
        await asyncio.to_thread(self.outputs.ended, number)
        self.ended.append(number)

    async def _hand_on(self, number: int, entry: Entry) -> None:
        if self.on_rows is not None and (rows := [row for step, row in entry.rows if step == self.pipeline.end]):
            taken = self.on_rows(rows)
            if isawaitable(taken):
                await taken
        if self.outputs.done(entry.ordinal):
            await self.ledger.entered()
            await asyncio.to_thread(self.outputs.hand_on, number)


class _Counted:
    """Inputs as they are taken, and how many they were."""

    def __init__(self, inputs: Iterator[Input]):
        self._inputs, self.count = inputs, 0

    def __iter__(self) -> Iterator[Input]:
        return self

    def __next__(self) -> Input:
        item = next(self._inputs)
        self.count += 1
        return item


def _decisions(pipeline: Pipeline) -> dict[int, Mapping[str, Decision]]:
    """What was decided about rows that were held, for each step that holds some."""
    return {
        step.number: read_decisions(step.decisions)
        for step in pipeline.steps
        if isinstance(step, Review) and step.decisions is not None
    }


async def _opened(folder: Path) -> RunLedger:
    """The ledger of a folder. If the run is cancelled meanwhile, the folder is let go of: nobody else would."""
    opening = asyncio.ensure_future(asyncio.to_thread(RunLedger, folder))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        with suppress(RunError):
            (await opening).close()
        raise


async def _parts(ledger: RunLedger, asked: Mapping[int, Asking]) -> dict[int, Mapping[str, Any]]:
    """What the steps of each start asked by; this start's are written down."""
    mine = {one.step.name: dict(one.parts) for one in asked.values()}
    await ledger.write_manifest({f"asked:{ledger.start}": mine})
    known = await ledger.manifest()
    return {int(name.partition(":")[2]): parts for name, parts in known.items() if name.startswith("asked:")}


@asynccontextmanager
async def _by_batch(
    cascade: Cascade,
    ledger: RunLedger,
    traffic: Traffic,
    name: str,
    engine: Engine,
    batching: Batching | None,
    on_wave: Callable[[Wave], None] | None,
) -> AsyncGenerator[BatchCalls | None, None]:
    """The calls of the batch engine; of the other one too, where an earlier start left something with the provider."""
    left = {wave.model for wave in await left_open(Waves(ledger), ledger.path.parent / FOLDER)}
    if engine == "local" and not left:
        yield None
        return
    models = [one for one in cascade.facts if engine == "batch" or one.name in left]
    opened = {one.name: open_door(one, cascade.models[one.name]) for one in models}
    doors = {name: door for name, door in opened.items() if door is not None}
    calls = BatchCalls(cascade.models, ledger, traffic, doors, name, batching, online=engine == "local")
    calls.on_wave = on_wave
    try:
        await calls.take_up()
        yield calls
    finally:
        await calls.finished(0)


def _noticed(engine: Local) -> Iterator[str]:
    """What is to be known of how models answered."""
    for name, mode in engine.calls.modes.items():
        yield _weaker(name, mode)
    odd = engine.calls.odd if isinstance(engine.calls, BatchCalls) else {}
    for kind, times in odd.items():
        yield f"{times:,} {_ODD[kind]}"


_ODD = {
    "doubled": "answers came a second time in a batch; the first ones were taken.",
    "unknown": "answers in batches had ids that were not asked for; they were left out.",
    "broken": "lines of batches could not be read; what they should have answered was asked for again.",
}


def _weaker(name: str, mode: str) -> str:
    return f"{name} holds no answer to a strict schema: it was asked in the mode {mode}, and answers are checked here."


def _check_conserved(run: Run) -> None:
    """The sums are checked at each end of a run: a row that vanished is an error of this package, and is said."""
    lost = [flow.plain() for flow in run.flows if not flow.conserved]
    if lost:
        raise RunError(f"Rows are not conserved: {lost}.", str(run.folder), "Please report this; the ledger is whole.")


async def _as_started(ledger: RunLedger, pipeline: Pipeline, cascade: Cascade) -> tuple[Cascade, str]:
    """Writes the manifest at the first start; gives the cascade by the facts that the run was started with, and the
    name by which databases know the run, wherever its folder is."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    about = {
        "name": uuid4().hex,
        "started": now,
        "pipeline": pipeline.name,
        "fingerprint": pipeline.fingerprint,
        "prompt": VERSION,
    }
    facts = await ledger.started_with(cascade.facts, about)
    manifest = await ledger.manifest()
    if manifest["pipeline"] != pipeline.name:
        raise RunError(
            f"This folder holds a run of the pipeline {manifest['pipeline']}, not of {pipeline.name}.",
            where=str(ledger.path.parent),
            fix="Name another folder with --run.",
        )
    await ledger.begin(now)
    return replace(cascade, facts=facts), str(manifest["name"])
