"""Walks a JSON value beside its type.

Who looks for evidence or compares records needs every leaf of a value with what the type says about it: which node it
belongs to and what its field is called. The walk never fails: a part of the value that the type does not describe is
walked as `Anything`, because a partial or invalid value has leaves too.

A leaf is a value that is neither an object nor a list. Pointers are JSON pointers (RFC 6901) in the user's shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..nodes import Anything, Array, Boolean, Choice, Node, Null, Number, Record, Text, Tuple, Type, Union

__all__ = ["Leaf", "element", "leaves", "member", "narrow", "step"]

_ANYTHING = Anything()
_NONE = None.__class__


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf: where it stands, its value, its node, the names of its field (best first; empty under a bare list), the
    pointer of the object that holds it, and the lists on the way to it as (pointer of the list, index) pairs."""

    pointer: str
    value: Any
    node: Node
    names: tuple[str, ...]
    record: str
    items: tuple[tuple[str, int], ...]


def leaves(value: Any, type: Type) -> Iterator[Leaf]:
    """Every leaf of `value` in its own order, null and booleans among them."""
    yield from _walk(Leaf("", value, type.root, (), "", ()), type)


def _walk(at: Leaf, type: Type) -> Iterator[Leaf]:
    node = narrow(at.node, at.value, type)
    if isinstance(at.value, Mapping):
        for name, part in at.value.items():
            names, child = member(node, name)
            yield from _walk(Leaf(step(at.pointer, name), part, child, names, at.pointer, at.items), type)
    elif isinstance(at.value, (list, tuple)):
        for index, part in enumerate(at.value):
            items = (*at.items, (at.pointer, index))
            yield from _walk(
                Leaf(step(at.pointer, index), part, element(node, index), at.names, at.record, items), type
            )
    else:
        yield Leaf(at.pointer, at.value, node, at.names, at.record, at.items)


def step(pointer: str, part: str | int) -> str:
    """The pointer one step further down."""
    return f"{pointer}/{str(part).replace('~', '~0').replace('/', '~1')}"


def narrow(node: Node, value: Any, type: Type) -> Node:
    """The node that `value` belongs to: references followed, and of a union the branch that fits it best."""
    node = type.resolve(node)
    if not isinstance(node, Union):
        return node
    branches = [narrow(branch, value, type) for branch in node.branches]
    return max(branches, key=lambda branch: _fit(branch, value, type), default=_ANYTHING)


def member(node: Node, name: str) -> tuple[tuple[str, ...], Node]:
    """What `node` says of its property `name`: the names it goes by, and its node."""
    if isinstance(node, Record):
        for one in node.fields:
            if one.name == name:
                return (name, *one.aliases, *((one.node.title,) if one.node.title else ())), one.node
        for entry in node.entries:
            if _matches(entry.pattern, name):
                return (name,), entry.node
        return (name,), node.extras or _ANYTHING
    return (name,), _ANYTHING


def element(node: Node, index: int) -> Node:
    """What `node` says of its item `index`."""
    if isinstance(node, Array):
        return node.items
    if isinstance(node, Tuple):
        return node.prefix[index] if index < len(node.prefix) else node.rest or _ANYTHING
    return _ANYTHING


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # an ECMA pattern that Python does not read: the property is walked without its entry's node
        return False


def _fit(node: Node, value: Any, type: Type) -> float:
    """How well a value's outside fits a node, from 0 (not at all) to 2."""
    if isinstance(node, Choice):
        return (
            2.0
            if any(one == value and isinstance(one, bool) == isinstance(value, bool) for one in node.values)
            else 0.0
        )
    if isinstance(node, Record):
        return _overlap(node, value, type) if isinstance(value, Mapping) else 0.0
    if isinstance(node, Anything):
        return 0.1
    if isinstance(node, Text) and isinstance(value, str):
        return 1.5 if node.format else 1.0
    kinds = {Array: list, Tuple: list, Boolean: bool, Null: _NONE, Number: object}
    kind = kinds.get(node.__class__)
    if kind is None:
        return 0.0
    if kind is object:
        return 1.0 if not isinstance(value, (bool, str, list, Mapping)) and value is not None else 0.0
    return 1.0 if isinstance(value, kind) else 0.0


def _overlap(node: Record, value: Mapping[str, Any], type: Type) -> float:
    """The share of names that record and value have in common; a constant that contradicts the value rules it out."""
    for one in node.fields:
        fixed = type.resolve(one.node)
        if (
            isinstance(fixed, Choice)
            and len(fixed.values) == 1
            and one.name in value
            and value[one.name] not in fixed.values
        ):
            return 0.0
    known = {one.name for one in node.fields}
    every = known | set(value)
    return 0.2 + (len(known & set(value)) / len(every) if every else 1.0)
