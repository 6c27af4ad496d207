"""The conjunction of two nodes: what both admit.

One rule for each pair of kinds, in a table. Where one node cannot say both (two expressions, two branchings that
would multiply), the wider one is kept and the other constraint is marked to be checked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import gcd
from typing import TYPE_CHECKING, Any

from .. import nodes
from .membership import is_multiple
from .patterns import searcher
from .words import alike, noted

if TYPE_CHECKING:
    from .space import Space

__all__ = ["meet", "named_node"]

MOST_BRANCHES = 32
"""More branches than these are not multiplied out."""


def meet(space: Space, one: nodes.Node, other: nodes.Node) -> nodes.Node:
    """What both nodes admit."""
    for first, second in ((one, other), (other, one)):
        if isinstance(first, nodes.Anything):
            if isinstance(second, nodes.Anything):
                return noted(
                    first if first.said else replace(second, said=second.said), second if first.said else first
                )
            return noted(second, first)
        if isinstance(first, nodes.Never):
            return first
    for first, second in ((one, other), (other, one)):
        if isinstance(first, nodes.Union):
            return _branches(space, first, second)
    for first, second in ((one, other), (other, one)):
        if isinstance(first, nodes.Choice):
            loose = replace(second, format=None) if isinstance(second, nodes.Text) else second
            kept = tuple(value for value in first.values if space.accepts(loose, value))
            return _chosen(first, second, kept)
    rule = _RULES.get((type(one), type(other)))
    if rule is None:
        return nodes.Never(pointer=one.pointer)
    return noted(rule(space, one, other), other)


def _chosen(first: nodes.Choice, second: nodes.Node, kept: tuple[Any, ...]) -> nodes.Node:
    if not kept:
        return nodes.Never(pointer=first.pointer)
    names = first.names if len(kept) == len(first.values) else ()
    return noted(replace(first, values=kept, names=names), second)


def _branches(space: Space, union: nodes.Union, other: nodes.Node) -> nodes.Node:
    """Each branch with the whole other node. Only branches that may overlap on both sides can be multiplied out; what
    excludes each other goes on doing so."""
    if isinstance(other, nodes.Union):
        if not (union.exclusive or other.exclusive):
            return _products(space, union, other)
        union, other = (union, other) if union.exclusive else (other, union)
    bare = replace(other, title="", description="", after=())
    return noted(joined(space, [space.both(branch, bare) for branch in union.branches], union), other)


def _products(space: Space, union: nodes.Union, other: nodes.Union) -> nodes.Node:
    """Each branch of one with each of the other, less those that plainly differ in type."""
    pairs = [(one, two) for one in union.branches for two in other.branches if not _apart(one, two)]
    if len(pairs) > MOST_BRANCHES:
        wider, dropped = (union, other) if len(union.branches) <= len(other.branches) else (other, union)
        return replace(wider, after=(*wider.after, *dropped.after, ("allOf", dropped.pointer)))
    result = joined(space, [space.both(one, two) for one, two in pairs], union)
    return noted(
        result, replace(other, description="" if other.description == result.description else other.description)
    )


def _apart(one: nodes.Node, two: nodes.Node) -> bool:
    kinds = [_KIND.get(type(each), "") for each in (one, two)]
    return "" not in kinds and kinds[0] != kinds[1]


_KIND: dict[type, str] = {
    nodes.Null: "null",
    nodes.Boolean: "boolean",
    nodes.Number: "number",
    nodes.Text: "string",
    nodes.Array: "array",
    nodes.Tuple: "array",
    nodes.Record: "object",
}


def joined(space: Space, branches: list[nodes.Node], source: nodes.Node) -> nodes.Node:
    """The union of branches, without those that are impossible."""
    exclusive = isinstance(source, nodes.Union) and source.exclusive
    kept: list[nodes.Node] = []
    for branch in branches:
        if isinstance(branch, nodes.Never) or (not exclusive and any(alike(branch, one) for one in kept)):
            continue
        kept.append(branch)
    if not kept:
        return nodes.Never(pointer=source.pointer)
    discriminator = source.discriminator if isinstance(source, nodes.Union) else ""
    if len(kept) == 1:
        return noted(kept[0], source)
    return nodes.Union(
        branches=tuple(kept),
        exclusive=exclusive,
        discriminator=discriminator,
        title=source.title,
        description=source.description,
        pointer=source.pointer,
        after=source.after,
    )


def _same(space: Space, one: nodes.Node, other: nodes.Node) -> nodes.Node:
    return one


def _numbers(space: Space, one: nodes.Number, other: nodes.Number) -> nodes.Node:
    step, after = _steps(one, other)
    return replace(
        one,
        integer=one.integer or other.integer,
        minimum=_pick(max, one.minimum, other.minimum),
        maximum=_pick(min, one.maximum, other.maximum),
        exclusive_minimum=_pick(max, one.exclusive_minimum, other.exclusive_minimum),
        exclusive_maximum=_pick(min, one.exclusive_maximum, other.exclusive_maximum),
        multiple_of=step,
        after=one.after + after,
    )


def _steps(one: nodes.Number, other: nodes.Number) -> tuple[Any, tuple[tuple[str, Any], ...]]:
    first, second = one.multiple_of, other.multiple_of
    if first is None or second is None or first == second:
        return (first if second is None else second), ()
    if isinstance(first, int) and isinstance(second, int):
        return first * second // gcd(first, second), ()
    if is_multiple(first, second):
        return first, ()
    return (second, ()) if is_multiple(second, first) else (first, (("multipleOf", second),))


def _pick(choose: Callable[..., Any], one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else choose(one, other)


def _texts(space: Space, one: nodes.Text, other: nodes.Text) -> nodes.Node:
    after = one.after
    if one.pattern and other.pattern and one.pattern != other.pattern and ("pattern", other.pattern) not in after:
        after += (("pattern", other.pattern),)
    if one.format and other.format and one.format != other.format:
        after += (("format", other.format),)
    least, most = max(one.min_length, other.min_length), _pick(min, one.max_length, other.max_length)
    if most is not None and least > most:
        return nodes.Never(pointer=one.pointer)
    return replace(
        one,
        min_length=least,
        max_length=most,
        pattern=one.pattern or other.pattern,
        format=one.format or other.format,
        after=after,
    )


def _lists(space: Space, one: nodes.Array | nodes.Tuple, other: nodes.Array | nodes.Tuple) -> nodes.Node:
    least, most = max(one.min_items, other.min_items), _pick(min, one.max_items, other.max_items)
    for each in (one, other):
        if isinstance(each, nodes.Tuple) and each.rest is None:
            most = _pick(min, most, len(each.prefix))
    if most is not None and least > most:
        return nodes.Never(pointer=one.pointer)
    after = one.after
    if isinstance(one, nodes.Array) and isinstance(other, nodes.Array):
        items = space.both(one.items, other.items)
        return replace(one, items=items, min_items=least, max_items=most, unique=one.unique or other.unique)
    if any(isinstance(each, nodes.Array) and each.unique for each in (one, other)):
        after += (("uniqueItems", True),)
    length = max(len(each.prefix) if isinstance(each, nodes.Tuple) else 0 for each in (one, other))
    prefix = tuple(space.both(item_at(one, index), item_at(other, index)) for index in range(length))
    rest = space.both(item_at(one, length), item_at(other, length))
    made = nodes.Tuple(
        prefix=prefix if most is None else prefix[:most],
        rest=None if isinstance(rest, nodes.Never) or (most is not None and most <= len(prefix)) else rest,
        min_items=least,
        max_items=most,
    )
    return replace(made, title=one.title, description=one.description, pointer=one.pointer, after=after)


def item_at(node: nodes.Array | nodes.Tuple, index: int) -> nodes.Node:
    """The node of the item at an index."""
    if isinstance(node, nodes.Array):
        return node.items
    if index < len(node.prefix):
        return node.prefix[index]
    return nodes.Never() if node.rest is None else node.rest


def named_node(space: Space, record: nodes.Record, name: str) -> nodes.Node:
    """The node that a record has for a property of this name."""
    for field in record.fields:
        if field.name == name:
            return field.node
    matched = [entry.node for entry in record.entries if searcher(entry.pattern)(name)]
    if matched:
        return space.both(*matched)
    return nodes.Never() if record.extras is None else record.extras


def _records(space: Space, one: nodes.Record, other: nodes.Record) -> nodes.Node:
    names = dict.fromkeys([field.name for field in one.fields] + [field.name for field in other.fields])
    declared = [{field.name: field for field in side.fields} for side in (one, other)]
    fields: list[nodes.Field] = []
    for name in names:
        found = [side[name] for side in declared if name in side]
        required = any(field.required for field in found)
        node = space.both(named_node(space, one, name), named_node(space, other, name))
        if required and isinstance(node, nodes.Never):
            return nodes.Never(pointer=one.pointer)
        fields.append(replace(found[0], node=node, required=required, default=_default(found)))
    entries, after = _entries(space, one, other)
    extras = None if one.extras is None or other.extras is None else space.both(one.extras, other.extras)
    least = max(one.min_properties, other.min_properties)
    most = _pick(min, one.max_properties, other.max_properties)
    if most is not None and (least > most or sum(field.required for field in fields) > most):
        return nodes.Never(pointer=one.pointer)
    return replace(
        one,
        fields=tuple(fields),
        entries=entries,
        extras=None if isinstance(extras, nodes.Never) else extras,
        min_properties=least,
        max_properties=most,
        after=one.after + after,
    )


def _default(found: list[nodes.Field]) -> tuple[Any, ...]:
    return next((field.default for field in found if field.default), ())


def _entries(space: Space, one: nodes.Record, other: nodes.Record) -> tuple[tuple[nodes.Entry, ...], tuple[Any, ...]]:
    """Entries of both sides. A name that one side has a pattern for may be an undeclared one of the other side."""
    made: dict[str, nodes.Entry] = {}
    after: tuple[Any, ...] = ()
    for side, opposite in ((one, other), (other, one)):
        for entry in side.entries:
            if entry.pattern in made:
                continue
            shared = [its.node for its in opposite.entries if its.pattern == entry.pattern]
            foreign = [its for its in opposite.entries if its.pattern != entry.pattern]
            if shared:
                node = space.both(entry.node, *shared)
            elif not foreign:
                node = space.both(entry.node, nodes.Never() if opposite.extras is None else opposite.extras)
            else:
                node = entry.node
                if not (isinstance(opposite.extras, nodes.Anything) and not opposite.extras.after):
                    after = (("patternProperties", entry.pattern),)
            made[entry.pattern] = nodes.Entry(pattern=entry.pattern, node=node)
    return tuple(made.values()), after


_RULES: dict[tuple[type, type], Callable[[Space, Any, Any], nodes.Node]] = {
    (nodes.Null, nodes.Null): _same,
    (nodes.Boolean, nodes.Boolean): _same,
    (nodes.Number, nodes.Number): _numbers,
    (nodes.Text, nodes.Text): _texts,
    (nodes.Array, nodes.Array): _lists,
    (nodes.Array, nodes.Tuple): _lists,
    (nodes.Tuple, nodes.Array): _lists,
    (nodes.Tuple, nodes.Tuple): _lists,
    (nodes.Record, nodes.Record): _records,
}
