"""The types of rows between steps, made from the type of a schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ..nodes import Anything, Field, Node, Record, Text, Type, Union

__all__ = ["field_names", "is_record", "row_of", "with_field"]

_KEPT = (Field(name="_id", node=Text()), Field(name="_source", node=Text()))


def is_record(type: Type) -> bool:
    """Whether every value of the type is an object."""
    return all(isinstance(node, Record) for node in _flat(type.root, type))


def _flat(node: Node, type: Type) -> Iterable[Node]:
    node = type.resolve(node)
    if isinstance(node, Union):
        return [inner for branch in node.branches for inner in _flat(branch, type)]
    return [node]


def _each(type: Type, change: Callable[[Record], Record]) -> Type:
    """The type with each record at its root changed; where nothing is known, nothing is."""
    if isinstance(type.root, Anything):
        return type
    changed = tuple(change(node) for node in _flat(type.root, type) if isinstance(node, Record))
    return replace(type, root=changed[0] if len(changed) == 1 else Union(branches=changed))


def row_of(type: Type, columns: tuple[str, ...] = ()) -> Type:
    """A row with fields of this type: those, the columns that came along, `_id` and `_source`."""
    along = tuple(Field(name=name, node=Anything(), required=False) for name in columns)
    kept = {one.name for one in _KEPT}

    def change(record: Record) -> Record:
        own = (one for one in record.fields if one.name not in kept)
        return replace(record, fields=(*own, *along, *_KEPT))

    return _each(type, change)


def with_field(type: Type, name: str, node: Node) -> Type:
    """A row with one field more, or with another type for it."""

    def change(record: Record) -> Record:
        made = Field(name=name, node=node)
        if any(one.name == name for one in record.fields):
            return replace(record, fields=tuple(made if one.name == name else one for one in record.fields))
        own = [one for one in record.fields if one not in _KEPT]
        return replace(record, fields=(*own, made, *(one for one in record.fields if one in _KEPT)))

    return _each(type, change)


def field_names(type: Type) -> tuple[str, ...]:
    """The declared fields of a row, each once."""
    names = [one.name for node in _flat(type.root, type) if isinstance(node, Record) for one in node.fields]
    return tuple(dict.fromkeys(names))
