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
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ..batches import Wave
from ..endpoints import ANYWHERE, Reach
from ..engines.batch import by_batch
from ..engines.calls import Calls
from ..engines.hooks import Hook
from ..engines.local import Local
from ..errors import ModelError, PipelineError, RunError
from ..events import OnEvent
from ..ledger import UNTIL_ENDED, Lookup, RunLedger, State, Synchronous, forget
from ..limits import Batching, Engine, Fleet, Limits, Traffic, check_priced
from ..models.batches import open_door
from ..models.cascade import Cascade, open_cascade
from ..operators.decisions import Decision, read_decisions
from ..operators.rows import Row
from ..pipeline import Conduct, Pipeline, Review
from ..prompt import VERSION
from ..report import write_run
from ..settings import apart
from .asking import Asking, asking, task_of
from .entering import Input, inputs
from .fleet import Spread, sent, started, working
from .flows import STATES, Flow
from .outputs import Outputs, check_writable
from .progress import Progress
from .stages import Run, Stages
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
    conduct: Conduct | None = None,
    engine: Engine | None = None,
    batching: Batching | None = None,
    fleet: Fleet | None = None,
    retry: Collection[State] = (),
    watch: Callable[[Progress], None] | None = None,
    on_event: OnEvent | None = None,
    on_rows: Callable[[list[Row]], Any] | None = None,
    on_wave: Callable[[Wave], None] | None = None,
) -> Run:
    """Runs a pipeline in a folder, or resumes the run that is there; at most `limit` documents. `conduct` and `engine`
    are in place of the pipeline's own. What an earlier start ended in one of the states of `retry` (``rejected``,
    ``review``) is asked about anew. `watch` is told how far the run is, with each document and each second, `on_event`
    of everything that happens (`engines.hooks` says how and where), `on_rows` of rows that came out at the end of the
    pipeline; if it gives something to await, the run waits until it has taken them. With the engine ``batch`` calls are
    gathered as `batching` says, and `on_wave` is told how each batch fares; what a start of the run left with the
    provider is taken in by the next one, unless its engine is ``ray``. That one spreads the run over a `fleet`.

    Raises `RunError` where the folder cannot be used and `ModelError` for a budget that cannot be held or a model that
    cannot be asked by batch. What goes wrong with a document is in its entry, and what stops the run in `Run.stopped`.
    """
    began = time.monotonic()
    limits, conduct = limits or Limits(**pipeline.limits), conduct or pipeline.conduct
    engine = engine or conduct.engine
    _check(pipeline, cascade, limits, engine)
    decisions = _decisions(pipeline)
    fleet = _fleet(engine, fleet, pipeline)
    async with _recording(folder, conduct, cascade, fleet, limits) as ledger:
        cascade, name = await _as_started(ledger, pipeline, cascade, conduct, retry)
        traffic = Traffic(limits, await ledger.spent())
        async with by_batch(cascade, ledger, traffic, name, engine, batching, on_wave) as calls:
            local = _engine(fleet, cascade, ledger, traffic, Hook(on_event), calls)
            asked = asking(pipeline, {one.name: one for one in cascade.facts})
            units = Units(pipeline, asked, local, ledger, decisions)
            units.reuse.before, units.reuse.retried = await _parts(ledger, asked), frozenset(retry)
            async with working(local, pipeline, cascade, units, decisions):
                outputs = Outputs(pipeline, ledger, name)
                stages = Stages(pipeline, units, local, ledger, outputs, on_rows, conduct.max_rejected)
                sample = await stages.whole(limit, watch)
            run = await stages.account(folder, time.monotonic() - began, cascade.warnings, sample)
        _check_conserved(run)
        write_run(folder, run.plain())
        await ledger.end("done" if run.stopped is None else "stopped")
    if conduct.retention == UNTIL_ENDED and run.stopped is None and not run.states.get("pending"):
        await asyncio.to_thread(forget, folder)
        run = replace(run, not_written=())
        write_run(folder, run.plain())
    return run


def _check(pipeline: Pipeline, cascade: Cascade, limits: Limits, engine: Engine) -> None:
    """Raises what would keep the run from being done, before anything is sent or written."""
    check_priced(limits, cascade.facts)
    pipeline.per_document.check_priced(cascade.facts)
    if engine == "batch":
        for facts in cascade.facts:
            open_door(facts, cascade.models[facts.name])
    check_writable(pipeline)


def _fleet(engine: Engine, fleet: Fleet | None, pipeline: Pipeline) -> Fleet | None:
    """The workers that a run is spread over, if it is. Raises `PipelineError` for one that cannot be sent to them."""
    if engine != "ray":
        return None
    sent(pipeline)
    return fleet or Fleet()


def _engine(
    fleet: Fleet | None, cascade: Cascade, ledger: RunLedger, traffic: Traffic, hook: Hook, calls: Calls | None
) -> Local:
    return Local(cascade.models, ledger, traffic, hook, calls) if fleet is None else Spread(ledger, traffic, hook)


def _decisions(pipeline: Pipeline) -> dict[int, Mapping[str, Decision]]:
    """What was decided about rows that were held, for each step that holds some."""
    return {
        step.number: read_decisions(step.decisions)
        for step in pipeline.steps
        if isinstance(step, Review) and step.decisions is not None
    }


@asynccontextmanager
async def _recording(
    folder: Path, conduct: Conduct, cascade: Cascade, fleet: Fleet | None, limits: Limits
) -> AsyncGenerator[RunLedger, None]:
    """The ledger of a folder, with the cache that it looks into; both are closed in the end, and the models. Where the
    run does not come to its end, that is written down, if the process lives. That of a `fleet` is kept beside it."""
    asks, lookup = _asks(cascade), None
    if fleet is None:
        ledger = await _opened(folder, conduct.synchronous)
    else:
        ledger = await started(fleet, limits, folder, conduct, {one.name: asks(one.name) for one in cascade.facts})
    try:
        if conduct.cache is not None and fleet is None:
            lookup = ledger.cache = await asyncio.to_thread(Lookup, conduct.cache, asks)
        yield ledger
    except BaseException:
        with suppress(RunError):  # what ended the run is what is to be told
            await ledger.end("interrupted")
        raise
    finally:
        for model in cascade.models.values():
            await model.close()
        if lookup is not None:
            await asyncio.to_thread(lookup.close)
        await asyncio.to_thread(ledger.close)


async def _opened(folder: Path, synchronous: Synchronous) -> RunLedger:
    """The ledger of a folder. If the run is cancelled meanwhile, the folder is let go of: nobody else would."""
    opening = asyncio.ensure_future(asyncio.to_thread(RunLedger, folder, synchronous=synchronous))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        with suppress(RunError):
            (await opening).close()
        raise


def _asks(cascade: Cascade) -> Callable[[str], tuple[str, str]]:
    """How the models are asked at this moment."""

    def asked(name: str) -> tuple[str, str]:
        model = cascade.models.get(name)
        return ("", "") if model is None else (model.mode, " ".join(getattr(model, "addresses", ())))

    return asked


async def _parts(ledger: RunLedger, asked: Mapping[int, Asking]) -> dict[int, Mapping[str, Any]]:
    """What the steps of each start asked by; this start's are written down."""
    mine = {one.step.name: dict(one.parts) for one in asked.values()}
    await ledger.write_manifest({f"asked:{ledger.start}": mine})
    known = await ledger.manifest()
    return {int(name.partition(":")[2]): parts for name, parts in known.items() if name.startswith("asked:")}


def _check_conserved(run: Run) -> None:
    """The sums are checked at each end of a run: a row that vanished is an error of this package, and is said."""
    lost = [flow.plain() for flow in run.flows if not flow.conserved]
    if lost:
        raise RunError(f"Rows are not conserved: {lost}.", str(run.folder), "Please report this; the ledger is whole.")


async def _as_started(
    ledger: RunLedger, pipeline: Pipeline, cascade: Cascade, conduct: Conduct, retry: Collection[State]
) -> tuple[Cascade, str]:
    """Begins a start of the run. Writes the manifest at the first one; gives the cascade by the facts that the run was
    started with, and the name by which databases know the run, wherever its folder is."""
    about = {"fingerprint": pipeline.fingerprint, "prompt": VERSION}
    facts = await ledger.begin(pipeline.name, cascade.facts, about, retry=retry)
    ends = {"step": pipeline.end, "stage": _stage_of(pipeline, pipeline.end), "fingerprint": pipeline.fingerprint}
    await ledger.write_manifest({f"start:{ledger.start}": ends})
    await ledger.write_manifest({"retention": conduct.retention}, anew=True)
    return replace(cascade, facts=facts), str((await ledger.manifest())["name"])


def _stage_of(pipeline: Pipeline, number: int) -> int | None:
    """The stage that the rows of a step come from; None where there are several."""
    stages = pipeline.feeding[number]
    return next(iter(stages)) if len(stages) == 1 else None
