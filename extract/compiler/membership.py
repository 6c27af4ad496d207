"""Whether a JSON value belongs to a node.

Membership is structural: it looks at what the node says itself and not at what stands in `after`, so it may admit
more than the whole schema does and never less. Branches of unions are chosen by it, and enumerations are narrowed by
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .. import nodes
from .formats import OWN, STRICT
from .patterns import searcher

__all__ = ["Resolve", "accepts", "json_type", "same"]

Resolve = Callable[[nodes.Node], nodes.Node]

_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    ((int, float, Decimal), "number"),
    (str, "string"),
    (dict, "object"),
    (list, "array"),
)


def json_type(value: Any) -> str:
    """``null``, ``boolean``, ``number``, ``string``, ``object`` or ``array``."""
    if value is None:
        return "null"
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return "object" if isinstance(value, Mapping) else "array"


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 and 1.0 are the same number, true is not 1."""
    kind = json_type(one)
    if kind != json_type(other):
        return False
    if kind == "array":
        return len(one) == len(other) and all(map(same, one, other))
    if kind == "object":
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def accepts(resolve: Resolve, node: nodes.Node, value: Any) -> bool:
    """Whether the value has the node's structure; `resolve` leads from references to nodes."""
    node = resolve(node)
    return _TABLE[type(node)](resolve, node, value)


def _anything(resolve: Resolve, node: Any, value: Any) -> bool:
    return True


def _never(resolve: Resolve, node: Any, value: Any) -> bool:
    return False


def _null(resolve: Resolve, node: Any, value: Any) -> bool:
    return value is None


def _boolean(resolve: Resolve, node: Any, value: Any) -> bool:
    return isinstance(value, bool)


def _number(resolve: Resolve, node: nodes.Number, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return False
    if node.integer and value != value // 1:
        return False
    return (
        (node.minimum is None or value >= node.minimum)
        and (node.maximum is None or value <= node.maximum)
        and (node.exclusive_minimum is None or value > node.exclusive_minimum)
        and (node.exclusive_maximum is None or value < node.exclusive_maximum)
        and (node.multiple_of is None or is_multiple(value, node.multiple_of))
    )


def is_multiple(value: Any, step: Any) -> bool:
    """Whether a number is a whole multiple of another, counted in decimal digits."""
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    exact, unit = (Decimal(one) if isinstance(one, int) else Decimal(str(one)) for one in (value, step))
    return exact.is_finite() and (Fraction(exact) / Fraction(unit)).denominator == 1


def _text(resolve: Resolve, node: nodes.Text, value: Any) -> bool:
    if not isinstance(value, str) or len(value) < node.min_length:
        return False
    if node.max_length is not None and len(value) > node.max_length:
        return False
    if node.format in STRICT and node.pattern not in OWN and not searcher(STRICT[node.format])(value):
        return False
    return node.pattern is None or searcher(node.pattern)(value)


def _choice(resolve: Resolve, node: nodes.Choice, value: Any) -> bool:
    return any(same(one, value) for one in node.values)


def _array(resolve: Resolve, node: nodes.Array, value: Any) -> bool:
    if not isinstance(value, list) or not _counted(len(value), node.min_items, node.max_items):
        return False
    return all(accepts(resolve, node.items, item) for item in value)


def _tuple(resolve: Resolve, node: nodes.Tuple, value: Any) -> bool:
    if not isinstance(value, list) or not _counted(len(value), node.min_items, node.max_items):
        return False
    if node.rest is None and len(value) > len(node.prefix):
        return False
    rest = [node.rest] * (len(value) - len(node.prefix)) if node.rest is not None else []
    return all(accepts(resolve, one, item) for one, item in zip((*node.prefix, *rest), value, strict=False))


def _counted(count: int, least: int, most: int | None) -> bool:
    return count >= least and (most is None or count <= most)


def _record(resolve: Resolve, node: nodes.Record, value: Any) -> bool:
    if not isinstance(value, dict) or not _counted(len(value), node.min_properties, node.max_properties):
        return False
    declared = {field.name: field for field in node.fields}
    if any(field.required and field.name not in value for field in node.fields):
        return False
    for name, inner in value.items():
        field = declared.get(name)
        if field is not None:
            if not accepts(resolve, field.node, inner):
                return False
            continue
        matched = [entry for entry in node.entries if searcher(entry.pattern)(name)]
        if not matched and (node.extras is None or not accepts(resolve, node.extras, inner)):
            return False
        if not all(accepts(resolve, entry.node, inner) for entry in matched):
            return False
    return True


def _union(resolve: Resolve, node: nodes.Union, value: Any) -> bool:
    return any(accepts(resolve, branch, value) for branch in node.branches)


_TABLE: dict[type, Callable[[Resolve, Any, Any], bool]] = {
    nodes.Anything: _anything,
    nodes.Never: _never,
    nodes.Null: _null,
    nodes.Boolean: _boolean,
    nodes.Number: _number,
    nodes.Text: _text,
    nodes.Choice: _choice,
    nodes.Array: _array,
    nodes.Tuple: _tuple,
    nodes.Record: _record,
    nodes.Union: _union,
}
