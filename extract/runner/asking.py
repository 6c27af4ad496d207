"""One step that asks a model: its task, what it asks about a row, and the row that its answer makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..call import Part
from ..catalogue import ModelFacts
from ..document import Document
from ..engines.local import Job
from ..extraction import Extraction
from ..jsontext import canonical, digest, dump
from ..operators.gathering import text_of
from ..operators.rows import Row, new_row, ordered, own_fields, row_id
from ..pipeline import Ask, Asked, Classify, Extract, Pipeline, Rows
from ..pointer import ABSENT, drop, get, split
from ..prompt import VERSION
from ..settings import apart
from ..task import Check as TaskCheck
from ..task import Task
from ..waiving import waive
from .entering import Input

__all__ = ["Asking", "asking", "task_of"]

_SAID: Mapping[type[Asked], str] = {
    Classify: "Choose the label that fits the document best.",
    Ask: "Answer the question about the document.",
}


def task_of(pipeline: Pipeline, step: Asked, facts: tuple[ModelFacts, ...]) -> Task[Any]:
    """The task of a step, with the checks that stand directly after it; instructions that name fields of the row are
    filled in for each."""
    task = Task(
        schema=step.schema,
        models=facts,
        instructions=_instructions(step, step.instructions.text),
        examples=step.examples,
        checks=tuple(
            TaskCheck(str(check.condition), check.condition.pointers, check.condition.holds) for check in step.checks
        ),
        settings=apart(step.settings)[0],
        limits=pipeline.per_document,
    )
    return task if step.attempts is None else replace(task, attempts=step.attempts)


def _instructions(step: Asked, said: str) -> str:
    """What the model is told: what the verb means, the question, and what the pipeline says."""
    parts = (_SAID.get(type(step), ""), step.question if isinstance(step, Ask) else "", said)
    return "\n".join(part for part in parts if part)


def asking(pipeline: Pipeline, facts: Mapping[str, ModelFacts]) -> dict[int, Asking]:
    """Every step that asks a model, by its number; `facts` are those of all models, by name."""
    evidence = any("evidence" in one.extras for one in pipeline.outputs())
    made = {}
    for step in pipeline.asked:
        models = tuple(facts[name] for name in pipeline.models_of(step))
        made[step.number] = Asking(pipeline, step, task_of(pipeline, step, models), evidence)
    return made


@dataclass(frozen=True)
class Asking:
    """A step with its task. `evidence` says whether an output wants to know where values stand: that takes longer to
    find than all else that is done with an answer."""

    pipeline: Pipeline
    step: Asked
    task: Task[Any]
    evidence: bool = False
    parts: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        models = [one.name for one in self.task.models]
        parts = {**self.step.parts, "model": models, "way of asking": VERSION}
        object.__setattr__(self, "parts", {name: digest(canonical(value))[:12] for name, value in parts.items()})

    def job(self, row: Row, given: Input) -> Job[Any]:
        """What is to be asked about a row. Raises ExtractError where that cannot be worked out."""
        task, step = self.task, self.step
        if not step.instructions.fixed:
            task = replace(task, instructions=_instructions(step, step.instructions.render(row)))
        opener, at_hand = self._document(row, given)
        if step.document and (values := tuple(self._values(row))):
            task = task.beside(values)
        return Job(str(row["_id"]), opener, task, self._finish, given.source, at_hand)

    def _document(self, row: Row, given: Input) -> tuple[Callable[[], Document], bool]:
        step = self.step
        if step.document or step.gathers:
            assert given.open is not None
            return given.open, isinstance(self.pipeline.documents, Rows) or step.gathers
        document = Document(text=text_of(step, row), source=given.source)
        return (lambda: document), True

    def _values(self, row: Row) -> list[Part]:
        """The fields that stand beside the row's document."""
        documents = self.pipeline.documents
        text = documents.text if isinstance(documents, Rows) else None
        if isinstance(self.step, Extract):
            names = [name for name in self.step.keep if name in row]
        else:
            names = list(own_fields(row))
        found = ((name, row[name]) for name in names if name != text and row[name] is not None)
        return [Part("value", name, text=value if isinstance(value, str) else dump(value)) for name, value in found]

    def _finish(self, extraction: Extraction[Any]) -> Extraction[Any]:
        step = self.step
        extraction = waive(extraction, self.task, step.on_failure, step.best_effort)
        if self.evidence:
            len(extraction.evidence)  # it is looked for here, on a worker thread
        return extraction

    def answered(self, row: Row, given: Input, extraction: Extraction[Any]) -> Row | None:
        """The row as it goes on with a valid answer; None where the answer filters it out."""
        step = self.step
        value = step.schema.dump_made(extraction.value)
        if isinstance(step, Ask):
            return {**row, **_cost(row, extraction)} if value["yes"] else None
        if isinstance(step, Classify):
            sure = extraction.confidence.get("/label")
            known = {} if sure is None else {f"/{step.into}": sure}
            confidence = {"_confidence": {**(row.get("_confidence") or {}), **known}}
            return ordered({**row, step.into: value["label"], **confidence, **_cost(row, extraction)})
        assert isinstance(step, Extract)
        return self._record(step, row, given, extraction, value)

    def _record(self, step: Extract, row: Row, given: Input, extraction: Extraction[Any], value: Any) -> Row:
        """The record's fields under the schema's own names, what comes along, and what an output may ask for."""
        for event in extraction.events:
            if event.rule == "waived.field" and get(extraction.partial, event.pointer) is ABSENT:
                value = drop(value, event.pointer)  # a default of the schema is not what stood in the document
        fields = value if isinstance(value, dict) else {"value": value}
        along = {name: row[name] for name in step.keep if name in row}
        if step.document:
            id = row_id(given.source, extraction.document, step.name)
        else:
            id = row_id(str(row["_id"]), extraction.document, step.name)
        return {
            **new_row(fields, id, str(row.get("_source") or given.source), along),
            **({"_evidence": self._places(row, along, extraction)} if self.evidence else {}),
            "_confidence": {**_kept_places(row, "_confidence", along), **extraction.confidence},
            **_cost(row, extraction),
        }

    def _places(self, row: Row, along: Row, extraction: Extraction[Any]) -> dict[str, Any]:
        """Where the fields stand in the document that the row came from. What was made of a record or of a whole group
        stands in a text that nobody has: places in it would be taken for places in the document."""
        apart = self.step.gathers or (not self.step.document and "_evidence" in row)
        return {**_kept_places(row, "_evidence", along), **({} if apart else _spans(extraction))}


def _kept_places(row: Row, name: str, along: Row) -> dict[str, Any]:
    """What was known before of the fields that come along."""
    before: Mapping[str, Any] = row.get(name) or {}
    return {at: known for at, known in before.items() if split(at)[:1] and split(at)[0] in along}


def _cost(row: Row, extraction: Extraction[Any]) -> dict[str, Any]:
    """What the row has cost so far, in US dollars; None where a model has no price."""
    before = row.get("_cost", 0)
    return {"_cost": None if before is None or extraction.cost is None else before + extraction.cost}


def _spans(extraction: Extraction[Any]) -> dict[str, list[int]]:
    return {pointer: [one.start, one.end] for pointer, one in extraction.evidence.items()}
