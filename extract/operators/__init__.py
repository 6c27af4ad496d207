"""What each verb does with rows.

A row is a mapping of JSON values: the record's fields under the schema's names, what came along, `_id` and `_source`.
Row-wise verbs take one row and say what became of it: it goes on (perhaps changed), it is filtered out, rejected with a
reason, or held for review. A verb that needs all rows takes them from wherever they are and gives new ones.

Extracting is the work of a task and its engine, writing of `sinks`; where rows wait, and how they are counted, is known
to `runner`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import ExtractError, PipelineError
from ..jsontext import canonical, digest
from ..pipeline import Check, Set, Sql, Step, Where
from ..tables import QueryError, run_query

__all__ = ["Outcome", "Row", "apply", "gather", "new_row", "row_id", "through"]

Row = Mapping[str, Any]

_ID_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row at a step. `row` is as it goes on, or as it was; `reason` says why it does not."""

    state: Literal["out", "filtered", "rejected", "review"]
    row: Row
    reason: str = ""


def apply(step: Step, row: Row) -> Outcome:
    """One row through one row-wise step. What cannot be worked out for a row rejects it."""
    try:
        return _ROW_WISE[type(step)](step, row)
    except ExtractError as error:
        return Outcome("rejected", row, error.message)


def through(steps: Iterable[Step], row: Row) -> tuple[Step | None, Outcome]:
    """One row through several steps: the step where it stopped (None: it came through), and the outcome there."""
    for step in steps:
        if type(step) in _ROW_WISE:
            outcome = apply(step, row)
            if outcome.state != "out":
                return step, outcome
            row = outcome.row
    return None, Outcome("out", row)


def gather(step: Sql, rows: Iterable[Row]) -> Iterator[Row]:
    """All rows through a step that needs them at once; raises PipelineError with the step's place."""
    plain = ({name: value for name, value in row.items() if name[:1] != "_" or name in _KEPT} for row in rows)
    given: dict[str, int] = {}
    try:
        for row in run_query(step.query, {"rows": plain}, {"rows": step.reads}):
            named = str(row["_id"]) if row.get("_id") is not None else digest(canonical([step.name, row]))[:_ID_LENGTH]
            given[named] = given.get(named, 0) + 1
            again = "" if given[named] == 1 else f"-{given[named]}"
            own = {name: value for name, value in row.items() if name not in _KEPT}
            yield {**own, "_id": named + again, "_source": row.get("_source")}
    except QueryError as error:
        raise PipelineError(error.message, str(step.place), error.fix) from None


def row_id(source: str, document: str, step: Step, place: int = 0) -> str:
    """The name of a row that a step made: the same for the same source, content (the document's id), step and place."""
    return digest(canonical([source, document, step.name, place]))[:_ID_LENGTH]


def new_row(record: Row, id: str, source: str, along: Row | None = None) -> dict[str, Any]:
    """A row out of a record: its fields, the columns that come `along` with it, `_id` and `_source`."""
    return {**record, **(along or {}), "_id": id, "_source": source}


_KEPT = ("_id", "_source")


def _where(step: Where, row: Row) -> Outcome:
    return Outcome("out" if step.condition.condition(row) else "filtered", row)


def _set(step: Set, row: Row) -> Outcome:
    changed = dict(row)
    kept = {name: changed.pop(name) for name in _KEPT if name in changed}
    for name, expression in step.values:
        changed[name] = expression.evaluate({**changed, **kept})
    return Outcome("out", {**changed, **kept})


def _check(step: Check, row: Row) -> Outcome:
    if step.condition.condition(row):
        return Outcome("out", row)
    state: Literal["review", "rejected"] = "review" if step.on_failure == "review" else "rejected"
    return Outcome(state, row, f"It does not hold that {step.condition.text}.")


_ROW_WISE: dict[type[Step], Callable[[Any, Row], Outcome]] = {Where: _where, Set: _set, Check: _check}
