"""Whether a JSON value belongs to a type as it stands.

Nodes are compiled into functions once per type, because this runs over every well-formed answer: most leaves are
settled by one look at their Python type. Everything that a node says itself is checked here, bounds, lengths and
patterns included; what stands in `after`, and formats other than dates, are left to the schema's own check.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from typing import Any, cast

from .. import nodes
from ..jsontext import same
from .exact import whole

__all__ = ["Check", "Checks", "checks", "distinct", "pattern", "within"]

Check = Callable[[Any], bool]

_NUMBERS = (int, float, Decimal)
_EVERY: tuple[type, ...] = (str, int, float, Decimal, bool, type(None), list, dict)


@lru_cache(maxsize=512)
def pattern(text: str) -> re.Pattern[str] | None:
    """An ECMA pattern as a Python one, or None where Python has no such pattern. Where the two differ Python's takes
    more, and the schema's own check decides."""
    try:
        return re.compile(text)
    except re.error:
        return None


def within(node: nodes.Number, value: Any) -> bool:
    """Whether a number keeps the bounds and the step of a node."""
    if node.minimum is not None and value < node.minimum:
        return False
    if node.maximum is not None and value > node.maximum:
        return False
    if node.exclusive_minimum is not None and value <= node.exclusive_minimum:
        return False
    if node.exclusive_maximum is not None and value >= node.exclusive_maximum:
        return False
    return node.multiple_of is None or _steps(value, node.multiple_of)


def _steps(value: Any, step: float) -> bool:
    """Whether a number is a multiple, by its decimal digits: 0.3 is a multiple of 0.1."""
    try:
        return Decimal(str(value)) % Decimal(str(step)) == 0
    except InvalidOperation:  # more digits between the two than a Decimal divides by
        return False


_compiled: dict[int, tuple[weakref.ref[nodes.Type], Checks]] = {}


def checks(type: nodes.Type) -> Checks:
    """The checks of a type, made once."""
    found = _compiled.get(id(type))
    if found is not None and found[0]() is type:
        return found[1]
    made = Checks(type)
    _compiled[id(type)] = (weakref.ref(type, partial(_forget, id(type))), made)
    return made


def _forget(key: int, gone: weakref.ref[nodes.Type]) -> None:
    _compiled.pop(key, None)


class Checks:
    """The compiled checks of one type, by node. `of` makes each on first use; references are resolved late, so that
    recursive types compile."""

    def __init__(self, type: nodes.Type):
        self._named = dict(type.named)
        self._made: dict[int, tuple[nodes.Node, Check]] = {}
        self.root = self.of(type.root)
        self.names = _names(type)
        self.kinds: dict[Any, Any] = {}  # what the incremental reader knows of each node and record

    def resolve(self, node: nodes.Node) -> nodes.Node:
        while isinstance(node, nodes.Ref):
            node = self._named[node.name]
        return node

    def of(self, node: nodes.Node) -> Check:
        found = self._made.get(id(node))
        if found is not None:
            return found[1]
        check = self._later(node) if isinstance(node, nodes.Ref) else _MAKERS[type(node)](self, node)
        self._made[id(node)] = (node, check)
        return check

    def _later(self, node: nodes.Ref) -> Check:
        made: list[Check] = []

        def check(value: Any) -> bool:
            if not made:
                made.append(self.of(self.resolve(node)))
            return made[0](value)

        return check

    def types(self, node: nodes.Node) -> tuple[type, ...] | None:
        """The Python types that settle a node alone, or None where more must be looked at."""
        node = self.resolve(node)
        if isinstance(node, nodes.Union):
            branches = [self.types(branch) for branch in node.branches]
            if node.exclusive or any(branch is None for branch in branches):
                return None
            return tuple({t for branch in branches for t in branch or ()})
        if isinstance(node, nodes.Text):
            free = node.min_length == 0 and node.max_length is None and node.pattern is None
            return (str,) if free and node.format not in _DATES else None
        if isinstance(node, nodes.Number):
            if node.integer:
                return (int,) if _unbounded(node) else None
            return _NUMBERS if _unbounded(node) else None
        return {nodes.Anything: _EVERY, nodes.Null: (type(None),), nodes.Boolean: (bool,)}.get(type(node))


def _names(type: nodes.Type) -> frozenset[str]:
    """Every name and alias of a property anywhere in a type."""
    found: set[str] = set()
    waiting, seen = [type.root, *type.named.values()], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, nodes.Record):
            for field in node.fields:
                found.update((field.name, *field.aliases))
                waiting.append(field.node)
            waiting.extend(entry.node for entry in node.entries)
            waiting.extend([node.extras] if node.extras is not None else [])
        elif isinstance(node, nodes.Array):
            waiting.append(node.items)
        elif isinstance(node, nodes.Tuple):
            waiting.extend((*node.prefix, *([node.rest] if node.rest is not None else [])))
        elif isinstance(node, nodes.Union):
            waiting.extend(node.branches)
    return frozenset(found)


_DATES = {
    "date": re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII),
}


def _unbounded(node: nodes.Number) -> bool:
    return (
        node.minimum is None
        and node.maximum is None
        and node.exclusive_minimum is None
        and node.exclusive_maximum is None
        and node.multiple_of is None
    )


def _anything(of: Checks, node: nodes.Node) -> Check:
    return lambda value: True


def _never(of: Checks, node: nodes.Node) -> Check:
    return lambda value: False


def _null(of: Checks, node: nodes.Node) -> Check:
    return lambda value: value is None


def _boolean(of: Checks, node: nodes.Node) -> Check:
    return lambda value: value is True or value is False


def _number(of: Checks, node: nodes.Node) -> Check:
    number = cast(nodes.Number, node)

    def check(value: Any) -> bool:
        if type(value) not in _NUMBERS or (number.integer and not whole(value)):
            return False
        return within(number, value)

    return check


def _text(of: Checks, node: nodes.Node) -> Check:
    text = cast(nodes.Text, node)
    searched = pattern(text.pattern) if text.pattern is not None else None
    date = _DATES.get(text.format or "")

    def check(value: Any) -> bool:
        if type(value) is not str or len(value) < text.min_length:
            return False
        if text.max_length is not None and len(value) > text.max_length:
            return False
        if date is not None and not date.fullmatch(value):
            return False
        return searched is None or searched.search(value) is not None

    return check


def _choice(of: Checks, node: nodes.Node) -> Check:
    choice = cast(nodes.Choice, node)
    if all(type(value) is str for value in choice.values):
        members = frozenset(choice.values)
        return lambda value: isinstance(value, str) and value in members
    return lambda value: any(same(value, member) for member in choice.values)


def distinct(values: list[Any]) -> bool:
    """Whether no value stands twice in a list."""
    try:
        return len({(isinstance(value, bool), value) for value in values}) == len(values)
    except TypeError:
        return not any(same(a, b) for i, a in enumerate(values) for b in values[:i])


def _array(of: Checks, node: nodes.Node) -> Check:
    array = cast(nodes.Array, node)
    found = of.types(array.items)
    types = frozenset(found) if found is not None else None
    item = of.of(array.items)

    def check(value: Any) -> bool:
        if type(value) is not list or len(value) < array.min_items:
            return False
        if array.max_items is not None and len(value) > array.max_items:
            return False
        if types is not None:
            if not types.issuperset(map(type, value)) and not all(map(item, value)):
                return False
        elif not all(map(item, value)):
            return False
        return not array.unique or distinct(value)

    return check


def _tuple(of: Checks, node: nodes.Node) -> Check:
    listed = cast(nodes.Tuple, node)
    prefix = tuple(map(of.of, listed.prefix))
    rest = of.of(listed.rest) if listed.rest is not None else None

    def check(value: Any) -> bool:
        if type(value) is not list or len(value) < listed.min_items:
            return False
        if listed.max_items is not None and len(value) > listed.max_items:
            return False
        if not all(part(item) for part, item in zip(prefix, value, strict=False)):
            return False
        extra = value[len(prefix) :]
        return not extra or (rest is not None and all(map(rest, extra)))

    return check


def _record(of: Checks, node: nodes.Node) -> Check:
    record = cast(nodes.Record, node)
    settled = {field.name: frozenset(of.types(field.node) or ()) for field in record.fields}
    others = {field.name: of.of(field.node) for field in record.fields}
    required = frozenset(field.name for field in record.fields if field.required)
    undeclared = _undeclared(of, record)
    count = len(others)

    def check(value: Any) -> bool:
        if type(value) is not dict:
            return False
        known = 0
        for name, item in value.items():
            types = settled.get(name)
            if types is None:
                if not undeclared(name, item):
                    return False
                continue
            known += 1
            if type(item) not in types and not others[name](item):
                return False
        if known != count and not required <= value.keys():
            return False
        return record.min_properties <= len(value) and (
            record.max_properties is None or len(value) <= record.max_properties
        )

    return check


def _undeclared(of: Checks, record: nodes.Record) -> Callable[[str, Any], bool]:
    """What a record says of a property that is not among its fields."""
    entries = [(pattern(entry.pattern), of.of(entry.node)) for entry in record.entries]
    extras = of.of(record.extras) if record.extras is not None else None

    def check(name: str, value: Any) -> bool:
        matching = [item for searched, item in entries if searched is None or searched.search(name)]
        if matching:
            return all(item(value) for item in matching)
        return extras is not None and extras(value)

    return check


def _union(of: Checks, node: nodes.Node) -> Check:
    union = cast(nodes.Union, node)
    branches = tuple(map(of.of, union.branches))
    if union.exclusive:
        return lambda value: sum(branch(value) for branch in branches) == 1

    def check(value: Any) -> bool:
        for branch in branches:  # noqa: SIM110  a generator would take longer than the branches
            if branch(value):
                return True
        return False

    return check


_MAKERS: Mapping[type, Callable[[Checks, nodes.Node], Check]] = {
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
