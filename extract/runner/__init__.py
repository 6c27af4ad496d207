"""Runs a pipeline: opens its documents, drives their tasks, sends rows through the steps, and writes what comes out.

A run lives in a folder. Its first act is to write down what it decides by (the facts and prices of the models, the way
of rendering prompts); its ledger keeps each paid reply and what became of each document. The same folder again resumes
it: every document is done afresh, and what was paid for is answered from the ledger. Outputs are written from the
ledger when the documents are done, whole and in the order of the inputs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..call import Usage
from ..endpoints import ANYWHERE, Reach
from ..engines.hooks import Hook
from ..engines.local import Local
from ..errors import ExtractError, RunError
from ..events import OnEvent
from ..ledger import Entry, RunLedger
from ..limits import Limits, Traffic, check_priced
from ..models.cascade import Cascade, open_cascade
from ..pipeline import Pipeline
from ..prompt import VERSION
from ..report import NOT_WRITTEN, write_not_written, write_run
from ..settings import apart
from .documents import STATES, Flow, Input, Work, inputs, task_of
from .outputs import check_writable, write_outputs

__all__ = ["STATES", "Flow", "Input", "Progress", "Run", "execute", "inputs", "open_models", "task_of"]


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
    """What happened. `stopped` says why some documents are pending or an output is missing; `calls`, `usage` and `cost`
    are those of all starts of the run, the cost in US dollars, None where a model has no price; `sample` holds the
    first rows at the end and `refused` the first documents that gave none, to be shown; `waived` counts the documents
    whose record was kept without fields that failed, `not_written` are the files of the rows that were not written."""

    folder: Path
    states: Mapping[str, int]
    flows: tuple[Flow, ...]
    calls: int
    usage: Usage
    cost: Decimal | None
    seconds: float
    outputs: tuple[tuple[Path, int], ...]
    over_budget: Decimal = Decimal(0)
    warnings: tuple[str, ...] = ()
    stopped: ExtractError | None = None
    sample: tuple[Mapping[str, Any], ...] = ()
    refused: tuple[Entry, ...] = ()
    waived: int = 0
    not_written: tuple[Path, ...] = ()

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
            "outputs": [str(path) for path, _ in self.outputs],
            "not_written": [str(path) for path in self.not_written],
            "steps": [flow.plain() for flow in self.flows],
            "stopped": None if self.stopped is None else self.stopped.message,
        }


def open_models(pipeline: Pipeline, reach: Reach = ANYWHERE) -> Cascade:
    """The models of a pipeline, opened as the environment and the user's file of models say; data goes where the
    pipeline and `reach` allow. Raises `ModelError`."""
    settings, headers = apart(pipeline.asked)
    return open_cascade(pipeline.model, settings=settings, reach=pipeline.reach & reach, headers=headers)


async def execute(
    pipeline: Pipeline,
    cascade: Cascade,
    folder: Path,
    *,
    limits: Limits | None = None,
    limit: int | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
    on_event: OnEvent | None = None,
) -> Run:
    """Runs a pipeline in a folder, or resumes the run that is there; at most `limit` documents. `watch` is told of each
    document that is done, `on_event` of everything that happens to it (`engines.hooks` says how and where).

    Raises `RunError` where the folder cannot be used and `ModelError` for a budget that cannot be held. What goes wrong
    with a document is in its entry, and what stops the run in `Run.stopped`.
    """
    began = time.monotonic()
    limits = limits or Limits(**pipeline.limits)
    check_priced(limits, cascade.facts)
    pipeline.per_document.check_priced(cascade.facts)
    check_writable(pipeline)
    ledger = await asyncio.to_thread(RunLedger, folder)
    try:
        cascade = await _as_started(ledger, pipeline, cascade)
        engine = Local(cascade.models, ledger, Traffic(limits, await ledger.spent()), Hook(on_event))
        work = Work(pipeline, task_of(pipeline, cascade.facts), list(inputs(pipeline, limit)))
        await ledger.forget_others(one.source for one in work.inputs)
        await _documents(engine, work, ledger, watch)
        written = await asyncio.to_thread(write_outputs, work, ledger)
        await asyncio.to_thread(write_not_written, folder, ledger.entries, written.refused)
        calls, usage, cost = await ledger.totals()
        run = Run(
            folder=folder,
            states=dict(work.states),
            flows=tuple(work.flows.values()),
            calls=calls,
            usage=usage,
            cost=cost,
            seconds=time.monotonic() - began,
            outputs=written.files,
            over_budget=engine.traffic.budget.over,
            warnings=(*cascade.warnings, *(_weaker(name, mode) for name, mode in engine.calls.modes.items())),
            stopped=engine.stopped or written.failure,
            sample=written.head,
            refused=tuple(work.refused),
            waived=work.waived,
            not_written=tuple(path for name in NOT_WRITTEN.values() if (path := folder / name).is_file()),
        )
        _check_conserved(run)
        write_run(folder, run.plain())
        return run
    finally:
        for model in cascade.models.values():
            await model.close()
        await asyncio.to_thread(ledger.close)


async def _documents(engine: Local, work: Work, ledger: RunLedger, watch: Callable[[Progress], None]) -> None:
    """All documents through the engine; each is entered into the ledger while the next ones go on."""
    try:
        async with aclosing(engine.run(work.jobs(), lazy=False)) as outcomes:
            async for outcome in outcomes:
                entry = work.entry(outcome)
                await ledger.enter_soon(entry)
                watch(
                    Progress(
                        work.states.total(),
                        len(work.inputs),
                        work.states,
                        engine.traffic.budget.spent,
                        entry,
                    )
                )
    finally:
        await ledger.entered()


def _weaker(name: str, mode: str) -> str:
    return f"{name} holds no answer to a strict schema: it was asked in the mode {mode}, and answers are checked here."


def _check_conserved(run: Run) -> None:
    """The sums are checked at each end of a run: a row that vanished is an error of this package, and is said."""
    lost = [flow.plain() for flow in run.flows if not flow.conserved]
    if lost:
        raise RunError(f"Rows are not conserved: {lost}.", str(run.folder), "Please report this; the ledger is whole.")


async def _as_started(ledger: RunLedger, pipeline: Pipeline, cascade: Cascade) -> Cascade:
    """Writes the manifest at the first start; gives the cascade by the facts that the run was started with."""
    about = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
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
    return replace(cascade, facts=facts)
