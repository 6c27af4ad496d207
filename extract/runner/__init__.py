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
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from ..batches import Wave, Waves
from ..endpoints import ANYWHERE, Reach
from ..engines.batch import FOLDER, BatchCalls, left_open
from ..engines.hooks import Hook
from ..engines.local import Local
from ..errors import ModelError, PipelineError, RunError
from ..events import OnEvent
from ..ledger import RunLedger
from ..limits import Batching, Limits, Traffic, check_priced
from ..models.batches import open_door
from ..models.cascade import Cascade, open_cascade
from ..operators.decisions import Decision, read_decisions
from ..operators.rows import Row
from ..pipeline import Pipeline, Review
from ..prompt import VERSION
from ..report import write_run
from ..settings import apart
from .asking import Asking, asking, task_of
from .entering import Input, inputs
from .flows import STATES, Flow
from .outputs import Outputs, check_writable
from .stages import Progress, Run, Stages
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
            stages = Stages(pipeline, units, local, ledger, Outputs(pipeline, ledger, name), on_rows)
            sample = await stages.whole(limit, watch)
            run = await stages.account(folder, time.monotonic() - began, cascade.warnings, sample)
        _check_conserved(run)
        write_run(folder, run.plain())
        return run
    finally:
        for model in cascade.models.values():
            await model.close()
        await asyncio.to_thread(ledger.close)


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
