"""The documents of a pipeline on their way through the steps that take one row at a time.

Each document ends in exactly one state, and each step counts what came in and where it went: what came in and what was
made is always what went out, was filtered, merged, held for review, rejected, or is pending. A row that a step writes
out keeps the number of that step; the row at the end of these steps has the number 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..call import Part
from ..catalogue import ModelFacts
from ..document import Document
from ..engines.local import Job, Outcome
from ..extraction import Extraction
from ..jsontext import canonical, digest
from ..ledger import Entry, State
from ..load import open_document
from ..operators import apply, new_row, row_id
from ..pipeline import Check, Extract, Files, Pipeline, Step, Write
from ..pointer import ABSENT, drop, get
from ..project import shown
from ..settings import apart
from ..sources import read_rows
from ..task import Check as TaskCheck
from ..task import Task
from ..waiving import waive

__all__ = ["END", "STATES", "Flow", "Input", "Work", "inputs", "task_of"]

STATES: tuple[State, ...] = ("written", "filtered", "merged", "review", "rejected", "pending")

END = 0
"""The number under which a row is kept that came through all of these steps."""

_SHOWN = 20


@dataclass
class Flow:
    """What went through one step: rows that came in and that it made, and where they went."""

    step: str
    into: int = 0
    made: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def conserved(self) -> bool:
        """Whether what came in and was made is all accounted for."""
        return self.into + self.made == self.counts.total()

    def plain(self) -> dict[str, Any]:
        gone = ("out", *STATES[1:])
        return {"step": self.step, "in": self.into, "made": self.made, **{name: self.counts[name] for name in gone}}


@dataclass(frozen=True)
class Input:
    """One document of a pipeline: its place, its name, how to open it, and the columns that come along."""

    ordinal: int
    source: str
    open: Callable[[], Document]
    columns: Mapping[str, Any] = field(default_factory=dict)


def inputs(pipeline: Pipeline, limit: int | None = None) -> Iterator[Input]:
    """The documents of a pipeline in order, at most `limit`; nothing is opened yet."""
    for ordinal, one in enumerate(_sources(pipeline)):
        if limit is not None and ordinal >= limit:
            return
        yield replace(one, ordinal=ordinal)


def _sources(pipeline: Pipeline) -> Iterator[Input]:
    documents = pipeline.documents
    if isinstance(documents, Files):
        for path in documents.paths():
            yield Input(0, _name(path), lambda path=path: open_document(path, pdf=documents.pdf))  # type: ignore[misc]
    else:
        for number, row in enumerate(read_rows(documents.path), 1):
            source = f"{shown(documents.path)}#{number}"
            text = row.get(documents.text)
            document = Document(text="" if text is None else str(text), source=source)
            along = {name: value for name, value in row.items() if name != documents.text}
            yield Input(0, source, lambda document=document: document, along)  # type: ignore[misc]


def _name(path: Path) -> str:
    """The path as text; bytes in it that are no UTF-8 are spelled out."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def task_of(pipeline: Pipeline, facts: tuple[ModelFacts, ...]) -> Task[Any]:
    """The task of the pipeline's `extract` step, with the checks that stand directly after it."""
    step = pipeline.extract
    task = Task(
        schema=step.schema,
        models=facts,
        instructions=step.instructions,
        examples=step.examples,
        checks=tuple(
            TaskCheck(check.condition.text, check.condition.pointers, check.condition.holds) for check in step.checks
        ),
        settings=apart(pipeline.asked)[0],
        limits=pipeline.per_document,
    )
    return task if step.attempts is None else replace(task, attempts=step.attempts)


class Work:
    """The documents of one start of a run, and the sums over them; `refused` keeps the first that gave no row, `waived`
    counts those whose record was kept without fields that failed."""

    def __init__(self, pipeline: Pipeline, task: Task[Any], inputs: Sequence[Input]):
        self.pipeline, self.task, self.inputs = pipeline, task, inputs
        self.flows = {step.number: Flow(step.name) for step in pipeline.steps if not _joined(step)}
        self.states: Counter[str] = Counter()
        self.refused: list[Entry] = []
        self.waived = 0
        self._evidence = _asked_for(pipeline, "evidence")
        self._fingerprint = digest(canonical([pipeline.fingerprint, [one.plain() for one in task.models]]))

    def jobs(self) -> Iterator[Job[Any]]:
        for one in self.inputs:
            values = tuple(Part("value", name, text=str(value)) for name, value in one.columns.items())
            task = replace(self.task, values=values)
            yield Job(str(one.ordinal), one.open, task, self._finish, one.source)

    def _finish(self, extraction: Extraction[Any]) -> Extraction[Any]:
        step = self.pipeline.extract
        extraction = waive(extraction, self.task, step.on_failure, step.best_effort)
        if self._evidence:
            len(extraction.evidence)  # it is looked for here, on a worker thread
        return extraction

    def entry(self, outcome: Outcome[Any]) -> Entry:
        """What became of a document, counted."""
        given = self.inputs[int(outcome.job.name)]
        extraction = outcome.extraction
        state, rows, reasons = self._extracted(given, outcome)
        self.states[state] += 1
        self.waived += bool(extraction and extraction.waived)
        entry = Entry(
            id=given.source,
            ordinal=given.ordinal,
            source=given.source,
            state=state,
            fingerprint=self._fingerprint,
            rows=tuple(rows),
            reasons=reasons,
        ).after(extraction)
        if state in ("rejected", "review") and len(self.refused) < _SHOWN:
            self.refused.append(entry)
        return entry

    def _extracted(self, given: Input, outcome: Outcome[Any]) -> tuple[State, list[Mapping[str, Any]], tuple[str, ...]]:
        """The state of a document, the rows that it gave, and why it gave none."""
        step, extraction = self.pipeline.extract, outcome.extraction
        if extraction is None:
            self._count(step, "pending")
            return "pending", [], ()
        reasons = tuple(str(problem) for problem in extraction.problems or extraction.waived)
        if not extraction.ok:
            state: State = "review" if step.on_failure == "review" else "rejected"
            self._count(step, state)
            return state, [], reasons
        self._count(step, "out")
        state, rows, reason = self._steps(_row(self.pipeline, given, extraction))
        return state, rows, (*reasons, *([reason] if reason else []))

    def _steps(self, row: Mapping[str, Any]) -> tuple[State, list[Mapping[str, Any]], str]:
        """One row through the row-wise steps after its extract."""
        first, *later = self.pipeline.segments
        kept: list[Mapping[str, Any]] = []
        for step in first.steps:
            if isinstance(step, Extract):
                continue
            if isinstance(step, Write):
                kept.append({"to": step.number, "row": row})
                self._count(step, "out")
                continue
            passed = apply(step, row)
            self._count(step, passed.state)
            if passed.state != "out":
                return passed.state, kept, passed.reason
            row = passed.row
        return ("merged" if later else "written"), [*kept, {"to": END, "row": row}], ""

    def _count(self, step: Step, state: str) -> None:
        self.flows[step.number].into += 1
        self.flows[step.number].counts[state] += 1


def _joined(step: Step) -> bool:
    return isinstance(step, Check) and step.joined


def _row(pipeline: Pipeline, given: Input, extraction: Extraction[Any]) -> dict[str, Any]:
    """The record's fields under the schema's own names, what came along, and what `write` may ask for."""
    step = pipeline.extract
    value = step.schema.dump(extraction.value)
    for event in extraction.events:
        if event.rule == "waived.field" and get(extraction.partial, event.pointer) is ABSENT:
            value = drop(value, event.pointer)  # a default of the schema is not what stood in the document
    fields = value if isinstance(value, dict) else {"value": value}
    row = new_row(fields, row_id(given.source, extraction.document, step), given.source, given.columns)
    return {
        **row,
        **({"_evidence": _spans(extraction)} if _asked_for(pipeline, "evidence") else {}),
        "_confidence": dict(extraction.confidence),
        "_cost": extraction.cost,
    }


def _spans(extraction: Extraction[Any]) -> dict[str, list[int]]:
    return {pointer: [one.start, one.end] for pointer, one in extraction.evidence.items()}


def _asked_for(pipeline: Pipeline, extra: str) -> bool:
    """Whether an output is to have this: evidence takes longer to find than all else that is done with an answer."""
    writes = (*pipeline.writes, *(step for step in pipeline.steps if isinstance(step, Write)))
    return any(extra in one.extras for one in writes)
