"""What each verb does with rows.

A row is a mapping of JSON values: the record's fields under the schema's names, what came along, `_id` and `_source`,
and what an output may ask for (`HIDDEN`). A row-wise verb takes one row and says what became of it: it goes on, perhaps
changed or as several, it is filtered out, rejected with a reason, or held for review. A verb that needs all rows takes
them from wherever they are and gives new ones (`gathering`).

Asking a model is the work of a task and its engine, writing of `sinks`; where rows wait, how they are counted, and on
which thread code of the user's runs, is known to `runner`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from ..errors import ExtractError
from ..pipeline import Check, Python, Review, Sample, Set, Step, Unnest, Where
from ..pointer import ABSENT, drop, get, inside, join
from .decisions import Decision
from .rows import HIDDEN, Row, chance, child_id, clear, of_the_run, ordered, own_fields

__all__ = ["HIDDEN", "Outcome", "Row", "apply", "given_to", "returned"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row at a step: the rows that go on, or the row as it was and the reason why it does not."""

    state: Literal["out", "filtered", "rejected", "review"]
    rows: tuple[Row, ...]
    reason: str = ""

    @property
    def row(self) -> Row:
        """The one row that goes on, or the row as it was."""
        return self.rows[0]


def apply(step: Step, row: Row, decisions: Mapping[str, Decision] | None = None) -> Outcome:
    """One row through one row-wise step that runs no code of the user's. What cannot be worked out for a row rejects
    it. `decisions` are those of a `review`, by the row's `_id`."""
    try:
        if isinstance(step, Review):
            return _review(step, row, decisions or {})
        return _ROW_WISE[type(step)](step, row)
    except ExtractError as error:
        return Outcome("rejected", (row,), error.message)


def given_to(row: Row) -> dict[str, Any]:
    """What a function of the user's gets to see of a row: its fields, `_id` and `_source`, to do with as it likes: the
    row itself may be on its way elsewhere."""
    return {name: _copied(value) for name, value in row.items() if name not in HIDDEN}


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def returned(step: Python, row: Row, value: Any) -> Outcome:
    """What became of a row by what a function of the user's gave for it: a record, several, or None; the outcome is
    rejected where that is no JSON or does not fit the step's schema."""
    if value is None:
        return Outcome("filtered", (row,), f"{step.ref} gave None.")
    several = value if isinstance(value, (list, tuple)) else (value,)
    made: list[Row] = []
    for place, one in enumerate(several):
        record, wrong = _record_of(step, one)
        if record is None:
            return Outcome("rejected", (row,), f"{step.ref} gave {wrong}")
        id = child_id(row, step.name, place) if several is value else row["_id"]
        own = {name: item for name, item in record.items() if not name.startswith("_")}
        made.append({**own, "_id": id, "_source": row["_source"], **_share(row, place)})
    return Outcome("out", tuple(made)) if made else Outcome("filtered", (row,), f"{step.ref} gave no rows.")


def _record_of(step: Python, value: Any) -> tuple[Mapping[str, Any] | None, str]:
    """The record that a value stands for, as JSON values, or what is wrong with it."""
    if hasattr(value, "model_dump") and not isinstance(value, type):
        value = value.model_dump(mode="python", by_alias=True)
    if not isinstance(value, Mapping):
        return None, f"a {type(value).__name__}, and a row is a dict."
    try:
        record: Mapping[str, Any] = clear(value)
    except TypeError as error:
        return None, f"what is no JSON value: {error}"
    if step.schema is not None:
        own = {name: item for name, item in record.items() if not name.startswith("_")}
        checked = step.schema.check(own)
        if checked.problems:
            return None, f"a record that does not fit {step.schema.name}: {'; '.join(map(str, checked.problems))}."
        dumped: Any = step.schema.dump(checked.value)
        record = dumped
    return record, ""


def _where(step: Where, row: Row) -> Outcome:
    return Outcome("out" if step.condition.condition(row) else "filtered", (row,))


def _set(step: Set, row: Row) -> Outcome:
    changed, kept = own_fields(row), of_the_run(row)
    for name, expression in step.values:
        changed[name] = expression.evaluate({**changed, **kept})
    names = [name for name, _ in step.values]
    return Outcome("out", ({**changed, **kept, **_without_places(row, names)},))


def _check(step: Check, row: Row) -> Outcome:
    if step.condition.condition(row):
        return Outcome("out", (row,))
    state: Literal["review", "rejected"] = "review" if step.on_failure == "review" else "rejected"
    return Outcome(state, (row,), f"It does not hold that {step.condition}.")


def _unnest(step: Unnest, row: Row) -> Outcome:
    at = join(*step.path)
    found = get(row, at)
    if not isinstance(found, list) and found is not None and found is not ABSENT:
        raise ExtractError(f"`{'.'.join(step.path)}` is no list in this row.")
    rest = row if found is ABSENT else drop(row, at)
    items = found if isinstance(found, list) else []
    if not items:
        if not step.keep_empty:
            return Outcome("filtered", (row,), f"`{'.'.join(step.path)}` is empty.")
        return Outcome("out", (ordered({**rest, **dict.fromkeys(step.names)}),))
    return Outcome("out", tuple(_item(step, row, rest, place, item) for place, item in enumerate(items)))


def _item(step: Unnest, row: Row, rest: Row, place: int, item: Any) -> Row:
    """The row that one item of the list gives."""
    if item is None and step.into is None and step.names and step.path[-1] not in step.names:
        item = dict.fromkeys(step.names)  # where the others are records
    if step.into is not None or not isinstance(item, Mapping):
        own: Mapping[str, Any] = {step.into or step.path[-1]: item}
        prefix = join(step.into or step.path[-1])
    else:
        own, prefix = item, ""
    if step.position is not None:
        own = {**own, step.position: place + 1}
    clash = next((name for name in own if name in rest), None)
    if clash is not None:
        raise ExtractError(f"The items have a field `{clash}`, and so has the row.")
    below = join(*step.path, place)
    known = [name for name in ("_evidence", "_confidence") if name in row]
    places = {name: _moved(row[name], join(*step.path), below, prefix) for name in known}
    kept = {"_id": child_id(row, step.name, place), **places, **_share(row, place)}
    return ordered({**rest, **own, **kept})


def _moved(found: Mapping[str, Any], list_at: str, below: str, prefix: str) -> dict[str, Any]:
    """What was known of places in the item, at the places that they have in its row; of other items nothing stays."""
    own = {prefix + at[len(below) :]: value for at, value in found.items() if inside(at, below)}
    return {**{at: value for at, value in found.items() if not inside(at, list_at)}, **own}


def _without_places(row: Row, names: Iterable[str]) -> dict[str, Any]:
    """What is known of the places of a row, without fields that are no longer what the model gave."""
    gone = [join(name) for name in names]
    return {
        one: {at: value for at, value in row[one].items() if not any(inside(at, name) for name in gone)}
        for one in ("_evidence", "_confidence")
        if row.get(one)
    }


def _share(row: Row, place: int) -> dict[str, Any]:
    """What one of several rows out of one has of its cost: the first all of it, so that sums over rows stay true."""
    if "_cost" not in row:
        return {}
    cost = row["_cost"]
    return {"_cost": cost if place == 0 or cost is None else Decimal(0)}


def _sample(step: Sample, row: Row) -> Outcome:
    assert step.fraction is not None
    return Outcome("out" if chance(step.seed, str(row["_id"])) < step.fraction else "filtered", (row,))


def _review(step: Review, row: Row, decisions: Mapping[str, Decision]) -> Outcome:
    decision = decisions.get(str(row["_id"]))
    if decision is not None:
        if not decision.accepted:
            return Outcome("rejected", (row,), decision.reason or "A person rejected it.")
        changed = own_fields(decision.row)
        names = [name for name, value in changed.items() if row.get(name) != value]
        return Outcome("out", (ordered({**row, **changed, **_without_places(row, names)}),))
    if step.condition is not None and step.condition.condition(row):
        return Outcome("review", (row,), f"It holds that {step.condition}.")
    if step.confidence is not None:
        sure = row.get("_confidence") or {}
        if not sure:
            return Outcome("review", (row,), "Nothing is known of how sure the model was.")
        least = min(sure, key=lambda at: sure[at])
        if sure[least] < step.confidence:
            said = f"The model was {sure[least]:.2f} sure of {least or 'the record'}, less than {step.confidence}."
            return Outcome("review", (row,), said)
    return Outcome("out", (row,))


_ROW_WISE: dict[type[Step], Callable[[Any, Row], Outcome]] = {
    Check: _check,
    Sample: _sample,
    Set: _set,
    Unnest: _unnest,
    Where: _where,
}
