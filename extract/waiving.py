"""What a record can do without, decided when its task has ended: fields whose failure does not fail the record.

A task returns an `Extraction` with its problems, and whoever asked says what becomes of it (`OnFailure`). A field that
failed after all attempts can be waived if it is named as best effort, or, where what is valid is kept, if it may be
empty: it becomes null where its type has null, and is left out where the record may lack it. A place that can be
neither (an item of a list, a required field) takes the nearest field around it along. Everything else must be sound,
and what remains is validated again. The extraction stays honest: what was waived is in `Extraction.waived`, with an
event for each field, and nothing is put in its place.

What was cut off is never waived, because nobody knows what was to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal, TypeVar

from .errors import ExtractError, SchemaError
from .events import Event
from .evidence import Located
from .extraction import Extraction, Problem, ProblemKind
from .nodes import Anything, Array, Choice, Field, Node, Null, Record, Tuple, Type, Union
from .pointer import ABSENT, drop, get, inside, join, put, split
from .schema import Schema
from .task import Task

__all__ = ["OnFailure", "check_best_effort", "waive"]

T = TypeVar("T")

OnFailure = Literal["reject", "review", "keep"]
"""What becomes of a document without a valid record: it is rejected with its reason, held for review, or what is valid
of its record is kept, as long as no required field fails."""

_OF_FIELDS: frozenset[ProblemKind] = frozenset({"missing", "invalid", "check", "reading"})
"""Kinds of problems that leave the rest of a record sound, where they are of a place in it."""

_BESIDE: frozenset[ProblemKind] = frozenset({"transport", "refusal", "filter", "limit", "reading"})
"""Why a record was not mended any further, which says nothing against what it has; all of them are of no place."""


def check_best_effort(schema: Schema[Any], names: Iterable[str]) -> None:
    """Raises `SchemaError` for the first name that is no field of the schema, or one that a record cannot do without.
    A field inside another is named by a path (``address.street``); lists on the way are gone through."""
    for name in names:
        if not isinstance(name, str):
            raise SchemaError(f"A field is named by a text, not by {name!r}.", fix='Write ["note"].')
        _field_steps(schema, name)


def waive(
    extraction: Extraction[T], task: Task[T], on_failure: OnFailure = "reject", best_effort: tuple[str, ...] = ()
) -> Extraction[T]:
    """The extraction without the fields that its record can do without, if that leaves nothing wrong; otherwise as it
    was. Runs the schema's validators."""
    if not extraction.problems:
        return extraction
    own = [one for one in extraction.problems if one.pointer and one.kind in _OF_FIELDS]
    beside = [one for one in extraction.problems if one not in own]
    if not own or any(one.pointer or one.kind not in _BESIDE for one in beside):
        return extraction
    named = [_field_steps(task.schema, name) for name in best_effort]
    spared: dict[str, _Place] = {}
    for problem in own:
        places = _places(task.schema.type, problem.pointer)
        free = (one for one in reversed(places) if one.may and (on_failure == "keep" or one.path in named))
        if (place := next(free, None)) is None:
            return extraction
        spared[place.pointer] = place
    outermost = [one for at, one in spared.items() if not any(inside(at, other) for other in spared if other != at)]
    return _without(extraction, task, outermost)


@dataclass(frozen=True, slots=True)
class _Place:
    """A place on the way to a problem: the names of the fields that lead there (None: it is an item or an entry, which
    has no name), and how it can be empty."""

    pointer: str
    path: tuple[str, ...] | None
    may: Literal["null", "absent", ""]


def _without(extraction: Extraction[T], task: Task[T], places: list[_Place]) -> Extraction[T]:
    """The extraction with these places empty, or as it was where that is no valid record either."""
    value, events = extraction.partial, []
    for place in places:
        before = get(value, place.pointer)
        value = put(value, place.pointer, None) if place.may == "null" else drop(value, place.pointer)
        why = "; ".join(str(one) for one in extraction.problems if inside(one.pointer, place.pointer))
        shown = None if before is ABSENT else before
        events.append(Event("waived.field", place.pointer, before=shown, note=why))
    instance, problems = _validated(task, value)
    if problems:
        without = ", ".join(place.pointer for place in places)
        tried = (replace(one, message=f"{one.message.rstrip('.')} (tried without {without})") for one in problems)
        return replace(extraction, problems=(*extraction.problems, *tried))
    gone = [place.pointer for place in places]
    events += _undecided(task, instance, gone)
    return replace(
        extraction,
        value=instance,
        partial=value,
        problems=(),
        waived=extraction.problems,
        evidence=Located(lambda: _elsewhere(extraction.evidence, gone)),
        confidence=_elsewhere(extraction.confidence, gone),
        events=(*extraction.events, *events),
    )


def _validated(task: Task[T], value: Any) -> tuple[Any, tuple[Problem, ...]]:
    try:
        checked = task.schema.check(value, task.context)
    except ExtractError:
        raise
    except Exception as error:  # noqa: BLE001  a validator may raise anything; it is this document's problem
        return None, (Problem("", f"a validator raised {type(error).__name__}: {error}"),)
    return checked.value, checked.problems


def _undecided(task: Task[T], instance: Any, gone: list[str]) -> Iterator[Event]:
    """An event for each check that does not hold because it names a field that is not there any more."""
    row = task.schema.dump(instance)
    for check in task.checks:
        touched = [at for at in gone for named in check.pointers if inside(named, at) or inside(at, named)]
        if touched and isinstance(row, Mapping) and not check.holds(row):
            note = f"the check `{check.text}` is not decided: it names a field that the record does without"
            yield Event("waived.check", touched[0], note=note)


def _elsewhere(found: Mapping[str, T], gone: list[str]) -> dict[str, T]:
    return {at: one for at, one in found.items() if not any(inside(at, place) for place in gone)}


# ---- which places may be empty


def _places(type: Type, pointer: str) -> list[_Place]:
    """The places on the way to a pointer, itself the last; they end where the type does not know the way."""
    nodes, at = [type.root], ""
    path: tuple[str, ...] = ()
    found: list[_Place] = []
    for step in split(pointer):
        entered = [one for node in nodes for one in _entered(type, node, step)]
        if not entered:
            break
        at += join(step)
        fields = [one for one in entered if isinstance(one, Field)]
        path = (*path, step) if fields else path
        nodes = [one.node if isinstance(one, Field) else one for one in entered]
        found.append(_Place(at, path if fields else None, _may_be(type, nodes, fields)))
    return found


def _entered(type: Type, node: Node, step: str) -> Iterator[Field | Node]:
    """What a step leads to: a declared field, or the node of an item or an entry."""
    for one in _flat(type, node):
        if isinstance(one, Record):
            field = next((field for field in one.fields if field.name == step), None)
            yield from (field,) if field else (entry.node for entry in one.entries)
            if field is None and one.extras is not None and getattr(one.extras, "said", True):
                yield one.extras
        elif isinstance(one, (Array, Tuple)):
            yield from _items(one, step)


def _items(node: Array | Tuple, step: str = "") -> Iterator[Node]:
    """The node of the item at an index, or of all items."""
    if isinstance(node, Array):
        yield node.items
        return
    index = int(step) if step.isdigit() else None
    yield from node.prefix if index is None else node.prefix[index : index + 1]
    if node.rest is not None and (index is None or index >= len(node.prefix)):
        yield node.rest


def _flat(type: Type, node: Node) -> Iterator[Node]:
    """The branches that a node stands for."""
    node = type.resolve(node)
    if isinstance(node, Union):
        for branch in node.branches:
            yield from _flat(type, branch)
    else:
        yield node


def _may_be(type: Type, nodes: Iterable[Node], fields: Iterable[Field]) -> Literal["null", "absent", ""]:
    if any(_has_null(one) for node in nodes for one in _flat(type, node)):
        return "null"
    return "absent" if any(not field.required for field in fields) else ""


def _has_null(node: Node) -> bool:
    return isinstance(node, (Null, Anything)) or (isinstance(node, Choice) and None in node.values)


def _field_steps(schema: Schema[Any], name: str) -> tuple[str, ...]:
    """The names of the fields that a path leads through. Raises `SchemaError` for one that leads nowhere, or to what
    cannot be empty."""
    type, nodes = schema.type, [schema.type.root]
    here = {one.name for one in _fields(type, nodes)}
    steps = (name,) if name in here else tuple(name.split("."))
    fields: list[Field] = []
    for step in steps:
        known = _fields(type, nodes)
        fields = [one for one in known if one.name == step]
        if not fields:
            raise _unknown(schema, name, step, sorted({one.name for one in known}))
        nodes = [one.node for one in fields]
    if not _may_be(type, nodes, fields):
        raise SchemaError(
            f"`{name}` of {schema.name} is required and has no null: a record cannot do without it.",
            fix="Let it be null or give it a default in the schema, or take it out of best_effort.",
        )
    return steps


def _fields(type: Type, nodes: Iterable[Node]) -> list[Field]:
    """The fields of the records that these nodes are, or are lists of."""
    found: list[Field] = []
    for one in (flat for node in nodes for flat in _flat(type, node)):
        if isinstance(one, Record):
            found += one.fields
        elif isinstance(one, (Array, Tuple)):
            found += _fields(type, _items(one))
    return found


def _unknown(schema: Schema[Any], name: str, step: str, known: list[str]) -> SchemaError:
    near = get_close_matches(step, known, 1)
    meant = f"Did you mean `{near[0]}`?" if near else f"There is: {', '.join(known)}." if known else None
    return SchemaError(f"{schema.name} has no field `{name}`.", fix=meant)
