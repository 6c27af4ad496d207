"""What a node refuses, as a node.

The complement of most nodes can be said with the same kinds: other types, other bounds, a property missing or its
value refused. What can't be said is left as every value, marked so that it is checked afterwards; a marked node is
not exact and is never negated again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .. import nodes
from .membership import json_type
from .regex import none_of

if TYPE_CHECKING:
    from .space import Space

__all__ = ["EVERY", "negate", "others"]

MOST_LETTERS = 200
"""An expression that rules out texts of more letters than these is too long."""

_OPEN = nodes.Anything(said=False)

EVERY: dict[str, nodes.Node] = {
    "null": nodes.Null(),
    "boolean": nodes.Boolean(),
    "number": nodes.Number(),
    "string": nodes.Text(),
    "array": nodes.Array(items=_OPEN),
    "object": nodes.Record(extras=_OPEN),
}
"""The widest node of each JSON type; together they are every value."""


def others(*kinds: str) -> tuple[nodes.Node, ...]:
    """The widest nodes of all other JSON types."""
    return tuple(node for kind, node in EVERY.items() if kind not in kinds)


def _unknown(node: nodes.Node) -> nodes.Node:
    return nodes.Anything(said=False, after=(("not", node.pointer),))


def negate(space: Space, node: nodes.Node) -> nodes.Node:
    """Every value that the node refuses."""
    if node.after:
        return _unknown(node)
    return _RULES[type(node)](space, node)


def _union(branches: list[nodes.Node] | tuple[nodes.Node, ...]) -> nodes.Node:
    if not branches:
        return nodes.Never()
    return branches[0] if len(branches) == 1 else nodes.Union(branches=tuple(branches))


def _kind(kind: str) -> Callable[[Space, Any], nodes.Node]:
    return lambda space, node: _union(others(kind))


def _number(space: Space, node: nodes.Number) -> nodes.Node:
    if node.integer or node.multiple_of is not None:
        return _unknown(node)
    outside: list[nodes.Node] = list(others("number"))
    for own, opposite in (
        ("minimum", "exclusive_maximum"),
        ("exclusive_minimum", "maximum"),
        ("maximum", "exclusive_minimum"),
        ("exclusive_maximum", "minimum"),
    ):
        if getattr(node, own) is not None:
            bounds: dict[str, Any] = {opposite: getattr(node, own)}
            outside.append(nodes.Number(**bounds))
    return _union(outside)


def _text(space: Space, node: nodes.Text) -> nodes.Node:
    if node.pattern is not None or node.format is not None:
        return _unknown(node)
    outside = list(others("string"))
    if node.min_length > 0:
        outside.append(nodes.Text(max_length=node.min_length - 1))
    if node.max_length is not None:
        outside.append(nodes.Text(min_length=node.max_length + 1))
    return _union(outside)


def _choice(space: Space, node: nodes.Choice) -> nodes.Node:
    kinds = {json_type(value) for value in node.values}
    texts = [value for value in node.values if isinstance(value, str)]
    if kinds & {"array", "object"} or sum(map(len, texts)) > MOST_LETTERS:
        return _unknown(node)
    outside = list(others(*kinds))
    if texts:
        outside.append(nodes.Text(pattern=none_of(texts)))
    if "boolean" in kinds:
        left = tuple(value for value in (True, False) if value not in [v for v in node.values if isinstance(v, bool)])
        outside.extend([nodes.Choice(values=left)] if left else [])
    if "number" in kinds:
        marks = sorted(value for value in node.values if json_type(value) == "number")
        edges = [None, *marks, None]
        outside.extend(nodes.Number(exclusive_minimum=low, exclusive_maximum=high) for low, high in pairwise(edges))
    return _union(outside)


def _counts(least: int, most: int | None) -> list[dict[str, Any]]:
    ranges: list[dict[str, Any]] = []
    if least > 0:
        ranges.append({"most": least - 1})
    if most is not None:
        ranges.append({"least": most + 1})
    return ranges


def _array(space: Space, node: nodes.Array) -> nodes.Node:
    if node.unique or not (isinstance(node.items, nodes.Anything) and not node.items.after):
        if not (isinstance(node.items, nodes.Never) and not node.unique):
            return _unknown(node)
        if node.min_items:  # there is no such list
            return _OPEN
        return _union([*others("array"), nodes.Array(items=_OPEN, min_items=1)])
    outside = list(others("array"))
    for counts in _counts(node.min_items, node.max_items):
        outside.append(nodes.Array(items=_OPEN, min_items=counts.get("least", 0), max_items=counts.get("most")))
    return _union(outside)


def _tuple(space: Space, node: nodes.Tuple) -> nodes.Node:
    outside = list(others("array"))
    if not (node.rest is None or (isinstance(node.rest, nodes.Anything) and not node.rest.after)):
        return _unknown(node)
    most = node.max_items if node.rest is not None else min(len(node.prefix), node.max_items or len(node.prefix))
    for counts in _counts(node.min_items, most):
        outside.append(nodes.Array(items=_OPEN, min_items=counts.get("least", 0), max_items=counts.get("most")))
    for index, item in enumerate(node.prefix):
        if isinstance(item, nodes.Anything) and not item.after:
            continue
        before = (_OPEN,) * index
        outside.append(nodes.Tuple(prefix=(*before, space.without(item)), rest=_OPEN, min_items=index + 1))
    return _union(outside)


def _record(space: Space, node: nodes.Record) -> nodes.Node:
    free = isinstance(node.extras, nodes.Anything) and not node.extras.after
    if node.entries or not free:
        return _unknown(node)
    outside = list(others("object"))
    for counts in _counts(node.min_properties, node.max_properties):
        outside.append(
            nodes.Record(extras=_OPEN, min_properties=counts.get("least", 0), max_properties=counts.get("most"))
        )
    for field in node.fields:
        if field.required:
            outside.append(nodes.Record(fields=(_field(field, nodes.Never(), False),), extras=_OPEN))
        if not (isinstance(field.node, nodes.Anything) and not field.node.after):
            outside.append(nodes.Record(fields=(_field(field, space.without(field.node), True),), extras=_OPEN))
    return _union(outside)


def _field(field: nodes.Field, node: nodes.Node, required: bool) -> nodes.Field:
    return replace(field, node=node, required=required, aliases=(), default=())


def _branches(space: Space, node: nodes.Union) -> nodes.Node:
    if node.exclusive:
        return _unknown(node)
    return space.meet_all(space.without(branch) for branch in node.branches)


_RULES: dict[type, Callable[[Space, Any], nodes.Node]] = {
    nodes.Anything: lambda space, node: nodes.Never(),
    nodes.Never: lambda space, node: _OPEN,
    nodes.Null: _kind("null"),
    nodes.Boolean: _kind("boolean"),
    nodes.Number: _number,
    nodes.Text: _text,
    nodes.Choice: _choice,
    nodes.Array: _array,
    nodes.Tuple: _tuple,
    nodes.Record: _record,
    nodes.Union: _branches,
}
