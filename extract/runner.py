"""Runs a pipeline: opens its documents, drives their tasks, sends rows through the steps, and writes what comes out.

A run lives in a folder. Its first act is to write down what it decides by (the facts and prices of the models, the
fingerprints of pipeline and schema); its ledger keeps each paid reply and what became of each document. The same folder
again resumes it: every document is done afresh, and what was paid for is answered from the ledger. Outputs are written
from the ledger when the documents are done, whole and in the order of the inputs.

Every document ends in exactly one state, and for each step what came in equals what went out.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from .call import Part, Usage
from .catalogue import ModelFacts
from .document import Document
from .engines.local import Job, Local, Outcome
from .errors import ExtractError, ModelError, RunError
from .extraction import Extraction
from .jsontext import canonical, digest
from .ledger import Entry, RunLedger, State
from .limits import Budget, Limits, Traffic
from .load import open_document
from .models.cascade import Cascade
from .operators import apply, run_sql
from .pipeline import Pipeline
from .pipeline.values import Check, Extract, Files, Rows, Segment, Sql, Step, Write
from .pointer import drop
from .prompt import VERSION
from .report import write_rejected, write_run
from .sinks import write_rows
from .task import Check as TaskCheck
from .task import Task

__all__ = ["Flow", "Progress", "Run", "execute", "inputs", "task_of"]

STATES: tuple[State, ...] = ("written", "filtered", "merged", "review", "rejected", "pending")


@dataclass
class Flow:
    """What went through one step: rows in and made, and where they went. The sum is kept by `check`."""

    step: str
    into: int = 0
    made: int = 0
    out: int = 0
    filtered: int = 0
    merged: int = 0
    review: int = 0
    rejected: int = 0
    pending: int = 0

    @property
    def conserved(self) -> bool:
        gone = self.out + self.filtered + self.merged + self.review + self.rejected + self.pending
        return self.into + self.made == gone

    def plain(self) -> dict[str, Any]:
        counts = ("made", "out", "filtered", "merged", "review", "rejected", "pending")
        return {"step": self.step, "in": self.into, **{name: getattr(self, name) for name in counts}}


@dataclass(frozen=True)
class Progress:
    """How far a run is: documents done of how many, their states, the money spent, and the document that was just
    done.
    """

    done: int
    total: int
    states: Mapping[str, int]
    spent: Decimal
    entry: Entry


@dataclass(frozen=True)
class Run:
    """What happened. `stopped` says why some documents are pending; `cost` is None where a model has no price."""

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
    """The first rows that were written, to be shown."""

    def plain(self) -> dict[str, Any]:
        """The run as one object, as ``extract run --json`` prints it."""
        return {
            "run": str(self.folder),
            "in": sum(self.states.values()),
            **{state: self.states.get(state, 0) for state in STATES},
            "calls": self.calls,
            "tokens": {"input": self.usage.input, "cached": self.usage.cached, "output": self.usage.output},
            "cost_usd": self.cost,
            "seconds": round(self.seconds, 3),
            "outputs": [str(path) for path, _ in self.outputs],
            "steps": [flow.plain() for flow in self.flows],
            "stopped": None if self.stopped is None else self.stopped.message,
        }


@dataclass(frozen=True)
class Input:
    """One document of a pipeline: its place, its name, how to open it, and the columns that come along."""

    ordinal: int
    source: str
    open: Callable[[], Document]
    columns: Mapping[str, Any] = field(default_factory=dict)


def inputs(pipeline: Pipeline, limit: int | None = None) -> Iterator[Input]:
    """The documents of a pipeline in order, at most `limit`; nothing is opened yet."""
    for ordinal, (source, opener, columns) in enumerate(_sources(pipeline.documents)):
        if limit is not None and ordinal >= limit:
            return
        yield Input(ordinal, source, opener, columns)


def _sources(documents: Files | Rows) -> Iterator[tuple[str, Callable[[], Document], Mapping[str, Any]]]:
    if isinstance(documents, Files):
        for path in documents.paths():
            yield str(path), _opener(path), {}
    else:
        for number, (text, columns) in enumerate(documents.read(), 1):
            source = f"{documents.path}#{number}"
            yield source, _given(Document(text=text, source=source)), columns


def _opener(path: Path) -> Callable[[], Document]:
    return lambda: open_document(path)


def _given(document: Document) -> Callable[[], Document]:
    return lambda: document


def task_of(pipeline: Pipeline, facts: tuple[ModelFacts, ...]) -> Task[Any]:
    """The task of the pipeline's `extract` step, with the checks that stand directly after it."""
    step = pipeline.extract
    task = Task(
        schema=step.schema,
        models=facts,
        instructions=step.instructions,
        examples=step.examples,
        checks=tuple(_task_check(check) for check in step.checks),
        settings={**pipeline.settings, **step.settings},
    )
    return task if step.attempts is None else replace(task, attempts=step.attempts)


def _task_check(check: Check) -> TaskCheck:
    condition = check.condition
    return TaskCheck(condition.text, tuple(condition.pointers), lambda row: bool(condition.evaluate(row)))


async def execute(
    pipeline: Pipeline,
    cascade: Cascade,
    folder: Path,
    *,
    limits: Limits | None = None,
    limit: int | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> Run:
    """Runs a pipeline in a folder, or resumes the run that is there. Raises `RunError` where the folder cannot be used;
    what goes wrong with a document is in its entry, and what stops the run in `Run.stopped`."""
    began = time.monotonic()
    limits = limits or Limits(**pipeline.limits)
    _check_budget(limits, cascade)
    ledger = await asyncio.to_thread(RunLedger, folder)
    try:
        cascade = await _as_started(ledger, pipeline, cascade)
        budget = Budget(limits.budget_usd, await ledger.spent())
        engine = Local(cascade.models, ledger, Traffic(limits, budget))
        work = _Work(pipeline, task_of(pipeline, cascade.facts), list(inputs(pipeline, limit)))
        await ledger.forget_others(one.source for one in work.inputs)
        async for outcome in engine.run(work.jobs()):
            entry = work.entry(outcome)
            await ledger.enter(entry)
            watch(Progress(work.done, len(work.inputs), work.states, budget.spent, entry))
        outputs, sample = await asyncio.to_thread(_write, work, ledger)
        await asyncio.to_thread(write_rejected, folder, ledger.entries())
        run = Run(
            folder=folder,
            states=dict(work.states),
            flows=tuple(work.flows.values()),
            calls=work.calls,
            usage=work.usage,
            cost=work.cost,
            seconds=time.monotonic() - began,
            outputs=outputs,
            over_budget=budget.over,
            warnings=cascade.warnings,
            stopped=engine.stopped,
            sample=sample,
        )
        write_run(folder, run.plain())
        return run
    finally:
        for model in cascade.models.values():
            await model.close()
        await asyncio.to_thread(ledger.close)


def _check_budget(limits: Limits, cascade: Cascade) -> None:
    unpriced = [one.name for one in cascade.facts if one.price is None]
    if limits.budget_usd is not None and unpriced:
        raise ModelError(
            f"A budget in dollars cannot be held: the price of {', '.join(unpriced)} is not known.",
            fix="Leave budget_usd out, or declare the price of the model.",
        )


async def _as_started(ledger: RunLedger, pipeline: Pipeline, cascade: Cascade) -> Cascade:
    """Writes the manifest at the first start; gives the cascade by the facts that the run was started with."""
    await ledger.write_manifest(
        {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "pipeline": pipeline.name,
            "prompt": VERSION,
            **{f"model:{one.name}": one.plain() for one in cascade.facts},
        }
    )
    manifest = await ledger.manifest()
    if manifest["pipeline"] != pipeline.name:
        raise RunError(
            f"This folder holds a run of the pipeline {manifest['pipeline']}, not of {pipeline.name}.",
            where=str(ledger.path.parent),
            fix="Name another folder with --run.",
        )
    return replace(cascade, facts=tuple(ModelFacts.from_plain(manifest[f"model:{one.name}"]) for one in cascade.facts))


class _Work:
    """The documents of one start of a run on their way through the row-wise steps, and the sums over them."""

    def __init__(self, pipeline: Pipeline, task: Task[Any], inputs: Sequence[Input]):
        self.pipeline, self.task, self.inputs = pipeline, task, inputs
        self.flows = {step.number: Flow(step.name) for step in pipeline.steps if not _joined(step)}
        self.states: Counter[str] = Counter()
        self.calls, self.usage = 0, Usage()
        self.cost: Decimal | None = Decimal(0)
        self._fingerprint = digest(canonical([pipeline.fingerprint, [one.plain() for one in task.models]]))

    @property
    def done(self) -> int:
        return self.states.total()

    def jobs(self) -> Iterator[Job[Any]]:
        for one in self.inputs:
            values = tuple(Part("value", name, text=str(value)) for name, value in one.columns.items())
            yield Job(str(one.ordinal), one.open, replace(self.task, values=values))

    def entry(self, outcome: Outcome[Any]) -> Entry:
        """What became of a document, counted."""
        given = self.inputs[int(outcome.job.name)]
        extraction = outcome.extraction
        state, rows = self._through(given, outcome)
        self.states[state] += 1
        if extraction is not None:
            self.calls += len(extraction.attempts)
            self.usage += extraction.usage
            self.cost = None if self.cost is None or extraction.cost is None else self.cost + extraction.cost
        return Entry(
            id=given.source,
            ordinal=given.ordinal,
            source=given.source,
            state=state,
            fingerprint=self._fingerprint,
            rows=tuple(rows),
            reasons=tuple(str(problem) for problem in extraction.problems) if extraction else (),
            calls=len(extraction.attempts) if extraction else 0,
            cost=extraction.cost if extraction else Decimal(0),
            detail=_detail(extraction),
        )

    def _through(self, given: Input, outcome: Outcome[Any]) -> tuple[State, list[dict[str, Any]]]:
        """The state of a document and the rows that it gave, with the number of the write step that takes each."""
        step, flow = self.pipeline.extract, self.flows[self.pipeline.extract.number]
        flow.into += 1
        extraction = outcome.extraction
        if extraction is None:
            flow.pending += 1
            return "pending", []
        if not extraction.ok and (step.on_failure != "keep" or extraction.partial is None or outcome.document is None):
            state: State = "review" if step.on_failure == "review" else "rejected"
            setattr(flow, state, getattr(flow, state) + 1)
            return state, []
        flow.out += 1
        return self._steps(_row(self.pipeline, given, extraction))

    def _steps(self, row: dict[str, Any]) -> tuple[State, list[dict[str, Any]]]:
        """One row through the row-wise steps after its extract."""
        first, *later = self.pipeline.segments
        kept: list[dict[str, Any]] = []
        for step in first.steps:
            if isinstance(step, Extract):
                continue
            flow = self.flows[step.number]
            flow.into += 1
            if isinstance(step, Write):
                kept.append({"to": step.number, "row": row})
            else:
                passed = apply(step, row)
                if passed is None:
                    state = _gone(step)
                    setattr(flow, state, getattr(flow, state) + 1)
                    return state, kept
                row = passed
            flow.out += 1
        return ("merged" if later else "written"), [*kept, {"to": 0, "row": row}]


def _joined(step: Step) -> bool:
    return isinstance(step, Check) and step.joined


def _gone(step: Step) -> State:
    """The state of a row that does not pass a step."""
    if isinstance(step, Check):
        return "review" if step.on_failure == "review" else "rejected"
    return "filtered"


def _row(pipeline: Pipeline, given: Input, extraction: Extraction[Any]) -> dict[str, Any]:
    """The record's fields under the schema's own names, the columns that came along, and where the row is from."""
    schema = pipeline.extract.schema
    if extraction.ok:
        value = schema.dump(extraction.value)
    else:
        value = extraction.partial
        for problem in extraction.problems:
            value = drop(value, problem.pointer)
    fields = value if isinstance(value, dict) else {"value": value}
    place = [given.source, extraction.document, pipeline.extract.number]
    return {
        **given.columns,
        **fields,
        "_id": digest(canonical(place))[:20],
        "_source": given.source,
        "_evidence": {pointer: [one.start, one.end] for pointer, one in extraction.evidence.items()},
        "_confidence": dict(extraction.confidence),
        "_cost": extraction.cost,
    }


def _detail(extraction: Extraction[Any] | None) -> dict[str, Any] | None:
    """What the report and the dead-letter file show beside the row."""
    if extraction is None:
        return None
    return {
        "partial": extraction.partial,
        "attempts": [[a.model, a.number, a.outcome] for a in extraction.attempts],
        "events": [[e.rule, e.pointer, e.before, e.after] for e in extraction.events],
    }


def _write(work: _Work, ledger: RunLedger) -> tuple[tuple[tuple[Path, int], ...], tuple[Mapping[str, Any], ...]]:
    """Writes every output from the ledger; gives the files with their numbers of rows, and the first rows."""
    pipeline = work.pipeline
    outputs: list[tuple[Path, int]] = []
    for step in pipeline.segments[0].steps:
        if isinstance(step, Write):
            outputs.append((step.path, write_rows(step.path, _shown(_kept(ledger, step.number), step), ())))
    rows: Iterable[dict[str, Any]] | None = None
    for segment in pipeline.segments[1:]:
        rows, files = _gathered(segment, _kept(ledger, 0) if rows is None else rows, work)
        outputs += files
    for write in pipeline.writes:
        final = _kept(ledger, 0) if rows is None else rows
        outputs.append((write.path, write_rows(write.path, _shown(final, write), ())))
    head = (row for row, _ in zip(_kept(ledger, 0) if rows is None else rows, range(20), strict=False))
    return tuple(outputs), tuple({k: v for k, v in row.items() if not k.startswith("_")} for row in head)


def _gathered(
    segment: Segment, rows: Iterable[dict[str, Any]], work: _Work
) -> tuple[list[dict[str, Any]], list[tuple[Path, int]]]:
    """The rows of a query over all rows, through the steps after it."""
    assert isinstance(segment.gather, Sql)
    flow = work.flows[segment.gather.number]
    before = list(rows)
    result = list(run_sql(segment.gather, before))
    flow.into, flow.merged, flow.made, flow.out = len(before), len(before), len(result), len(result)
    outputs = []
    for step in segment.steps:
        flow = work.flows[step.number]
        flow.into = len(result)
        if isinstance(step, Write):
            outputs.append((step.path, write_rows(step.path, _shown(result, step), ())))
        else:
            passed = [apply(step, row) for row in result]
            result = [row for row in passed if row is not None]
            state = _gone(step)
            setattr(flow, state, len(passed) - len(result))
        flow.out = len(result)
    return result, outputs


def _kept(ledger: RunLedger, number: int) -> Iterator[dict[str, Any]]:
    """The rows that documents gave to the write step of this number; 0 is the end of the row-wise steps."""
    for entry in ledger.entries():
        for kept in entry.rows:
            if kept["to"] == number:
                yield kept["row"]


def _shown(rows: Iterable[dict[str, Any]], write: Write) -> Iterator[dict[str, Any]]:
    """Rows as they are written: what stays in the ledger is left out, unless the step asks for it."""
    hidden = {f"_{name}" for name in ("evidence", "confidence", "cost") if name not in write.extras}
    return ({name: value for name, value in row.items() if name not in hidden} for row in rows)
