"""The verbs that need all rows at once: a query, a group, and a sample of so many rows.

Rows come as an iterable that may be gone through more than once, from wherever they wait on disk; memory does not grow
with their number.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..errors import PipelineError
from ..jsontext import canonical, digest, dump, load
from ..nodes import Field, Number, Record, Text, Type
from ..pipeline import KEPT, Asked, Extract, Sample, Sql
from ..tables import QueryError, run_query
from .rows import HIDDEN, Row, chance, own_fields, row_id

__all__ = ["Group", "grouped", "queried", "sampled", "text_of"]

_ID_LENGTH = 24


def queried(step: Sql, tables: Mapping[str, Iterable[Row]]) -> Iterator[Row]:
    """The rows that the query of a step gives; raises PipelineError with the step's place."""
    plain = {name: (_without_hidden(row) for row in rows) for name, rows in tables.items()}
    given: dict[str, int] = {}
    try:
        for row in run_query(step.query, plain, step.types):
            named = str(row["_id"]) if row.get("_id") is not None else digest(canonical([step.name, row]))[:_ID_LENGTH]
            name = named
            while name in given:
                given[named] += 1
                name = f"{named}-{given[named]}"
            given[name] = 1
            own = {field: value for field, value in row.items() if field not in KEPT}
            yield {**own, "_id": name, "_source": row.get("_source")}
    except QueryError as error:
        raise PipelineError(error.message, str(step.place), error.fix) from None


def _without_hidden(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in HIDDEN}


def sampled(step: Sample, rows: Iterable[Row]) -> Iterator[Row]:
    """So many of the rows, in their order."""
    assert step.rows is not None
    drawn = ((chance(step.seed, str(row["_id"])), number) for number, row in enumerate(rows))
    chosen = {number for _, number in heapq.nsmallest(step.rows, drawn)}
    return (row for number, row in enumerate(rows) if number in chosen)


_LINES = Type(
    Record(
        fields=(
            Field(name="n", node=Number(integer=True)),
            Field(name="key", node=Text()),
            Field(name="text", node=Text()),
        )
    )
)
"""What the rows of groups wait as; there may be none of them."""


@dataclass(frozen=True)
class Group:
    """The rows that share the fields of a group: those fields as a row, and the text of all of them."""

    row: Row
    text: str


def grouped(step: Extract, rows: Iterable[Row]) -> Iterator[Group]:
    """The rows of each group as one document, the groups in the order of their first rows."""
    lines = (
        {
            "n": number,
            "key": canonical([row.get(name) for name in step.group]).decode("utf-8", "surrogatepass"),
            "text": f"--- {row.get('_source') or row['_id']} ---\n{text_of(step, row)}",
        }
        for number, row in enumerate(rows)
    )
    query = "select key, list(text order by n) as texts from rows group by key order by min(n)"
    for found in run_query(query, {"rows": lines}, {"rows": _LINES}):
        key = load(found["key"])
        source = f"{step.name}: {dump(key[0] if len(key) == 1 else key)}"
        shared = dict(zip(step.group, key, strict=True))
        row = {**shared, "_id": row_id(source, "", step.name), "_source": source}
        yield Group(row, "\n\n".join(found["texts"]))


def text_of(step: Asked, row: Row) -> str:
    """What a step reads of a row that has no document of its own: what `text` gives, or the record itself, a field a
    line."""
    if step.text is not None:
        value = step.text.evaluate(row)
        return value if isinstance(value, str) else "" if value is None else dump(value)
    fields = own_fields(row).items()
    return "\n".join(f"{name}: {value if isinstance(value, str) else dump(value)}" for name, value in fields)
