"""The types of rows between steps, made from the types of schemas and of the rows before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from ..nodes import Anything, Array, Field, Node, Null, Record, Ref, Text, Type, Union

__all__ = [
    "KEPT",
    "either",
    "field_names",
    "is_record",
    "items_at",
    "node_at",
    "row_of",
    "taken",
    "with_field",
    "with_fields",
    "without",
]

KEPT = ("_id", "_source")
"""The names that every row has beside its fields."""

_KEPT = tuple(Field(name=name, node=Text()) for name in KEPT)

T = TypeVar("T")


def is_record(type: Type) -> bool:
    """Whether every value of the type is an object."""
    return all(isinstance(node, Record) for node in _flat(type.root, type))


def _flat(node: Node, type: Type) -> Iterable[Node]:
    node = type.resolve(node)
    if isinstance(node, Union):
        return [inner for branch in node.branches for inner in _flat(branch, type)]
    return [node]


def _records(type: Type) -> list[Record]:
    return [node for node in _flat(type.root, type) if isinstance(node, Record)]


def _each(type: Type, change: Callable[[Record], Record]) -> Type:
    """The type with each record at its root changed; where nothing is known, nothing is."""
    if isinstance(type.root, Anything):
        return type
    return replace(type, root=_joined([change(node) for node in _records(type)]))


def _joined(records: list[Record]) -> Node:
    return records[0] if len(records) == 1 else Union(branches=tuple(records))


def row_of(type: Type) -> Type:
    """A row with fields of this type: those, `_id` and `_source`."""

    def change(record: Record) -> Record:
        return replace(record, fields=(*(one for one in record.fields if one.name not in KEPT), *_KEPT))

    return _each(type, change)


def taken(type: Type, names: Collection[str]) -> tuple[Field, ...]:
    """The declared fields of a row that have these names, each once; one that differs from kind to kind of row may be
    anything, and so may all of them where nothing is known of the row."""
    if isinstance(type.root, Anything):
        return tuple(Field(name=name, node=Anything(), required=False) for name in names)
    found: dict[str, Field] = {}
    for record in _records(type):
        for one in record.fields:
            if one.name in names:
                before = found.get(one.name, one)
                found[one.name] = one if before == one else Field(name=one.name, node=Anything(), required=False)
    return tuple(found.values())


def with_fields(type: Type, others: Iterable[Field], named: Mapping[str, Node]) -> Type:
    """A row with further fields, in place of those of the same name; `named` is what their references lead to."""
    aside = _aside(type, named)
    made = {one.name: replace(one, node=_renamed(one.node, aside)) for one in others}
    names = {**type.named, **{aside.get(name, name): _renamed(node, aside) for name, node in named.items()}}

    def change(record: Record) -> Record:
        left = dict(made)
        own = [left.pop(one.name, one) for one in record.fields]
        before = [one for one in own if one.name not in KEPT]
        return replace(record, fields=(*before, *left.values(), *(one for one in own if one.name in KEPT)))

    return replace(_each(type, change), named=names)


def with_field(type: Type, name: str, node: Node) -> Type:
    """A row with one field more, or with another type for it."""
    return with_fields(type, (Field(name=name, node=node),), {})


def without(type: Type, path: tuple[str, ...]) -> Type:
    """A row without the field at the end of a path; where the way there is not plain, the row as it is."""
    return _each(type, lambda record: _dropped(record, path, type))


def _dropped(record: Record, path: tuple[str, ...], type: Type) -> Record:
    name, *rest = path
    if not rest:
        return replace(record, fields=tuple(one for one in record.fields if one.name != name))

    def inner(one: Field) -> Field:
        node = type.resolve(one.node)
        return replace(one, node=_dropped(node, tuple(rest), type)) if isinstance(node, Record) else one

    return replace(record, fields=tuple(inner(one) if one.name == name else one for one in record.fields))


def either(types: Iterable[Type]) -> Type:
    """A row of any of these types."""
    first, *others = types
    for other in others:
        if isinstance(first.root, Anything) or isinstance(other.root, Anything):
            return Type(Anything())
        aside = _aside(first, other.named)
        named = {**first.named, **{aside.get(name, name): _renamed(node, aside) for name, node in other.named.items()}}
        records = [*_records(first), *(_renamed(record, aside) for record in _records(other))]
        unique = [one for i, one in enumerate(records) if one not in records[:i]]
        first = Type(_joined(unique), named)
    return first


def field_names(type: Type) -> tuple[str, ...]:
    """The declared fields of a row, each once."""
    return tuple(dict.fromkeys(one.name for node in _records(type) for one in node.fields))


def node_at(path: tuple[str, ...], type: Type) -> Node | None:
    """The node of a field, by the names that lead to it through records; None where nothing is known of it."""
    here: list[Node] = [type.root]
    for name in path:
        here = [
            one.node for node in here for record in _flat(node, type) for one in _fields(record) if one.name == name
        ]
    known = [node for start in here for node in _flat(start, type) if not isinstance(node, Null)]
    return known[0] if len(known) == 1 else None


def _fields(node: Node) -> tuple[Field, ...]:
    return node.fields if isinstance(node, Record) else ()


def items_at(path: tuple[str, ...], type: Type) -> Node | None:
    """The node of the items of a list, or None where it is not known to be one: the record, where items are records and
    perhaps null, and anything where some are records and some are not."""
    node = node_at(path, type)
    if not isinstance(node, Array):
        return None
    kinds = [one for one in _flat(node.items, type) if not isinstance(one, Null)]
    if not any(isinstance(one, Record) for one in kinds):
        return type.resolve(node.items)
    return kinds[0] if len(kinds) == 1 else Anything()


def _aside(type: Type, named: Mapping[str, Node]) -> dict[str, str]:
    """Other names for those that mean something else in the type."""
    clashing = [name for name, node in named.items() if type.named.get(name, node) != node]
    found: dict[str, str] = {}
    for name in clashing:
        number = 2
        while (other := f"{name}-{number}") in type.named or other in named:
            number += 1
        found[name] = other
    return found


def _renamed(value: T, names: Mapping[str, str]) -> T:
    """A node with its references renamed."""
    if not names:
        return value
    return _rename(value, names)  # type: ignore[no-any-return]


def _rename(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Ref):
        return replace(value, name=names.get(value.name, value.name))
    if isinstance(value, tuple):
        return tuple(_rename(one, names) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _rename(getattr(value, one.name), names) for one in fields(value)})
    return value
