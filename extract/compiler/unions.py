"""Unions on the wire: alternatives that can be told apart by what they look like.

Branches of different JSON types stand side by side. Objects are told apart by a constant that stands first, or by
their names, with a name of its own first in each (the server wants that); failing both, a record gets a ``variant``
and anything else a box with a name of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import nodes
from .choosing import Branch, UnionCodec
from .codec import BoxCodec, Codec, OrNull
from .forms import Form, Shape, described, led, nullable, tagged
from .membership import json_type

if TYPE_CHECKING:
    from .wire import Wire

__all__ = ["build", "kinds_of"]


@dataclass
class _Option:
    """A branch in the making: its node, its form, and how it was made."""

    node: nodes.Node
    form: Form
    boxed: bool = False


def build(wire: Wire, node: nodes.Union, level: int) -> Form:
    """The form of a union."""
    branches = [branch for branch in node.branches if not isinstance(branch, nodes.Null)]
    with_null = len(branches) < len(node.branches)
    if not branches:
        return wire.build(nodes.Null() if with_null else nodes.Never(), level)
    if len(branches) == 1:
        form = wire.build(branches[0], level)
        if "null" in form.kinds or not with_null:
            return form
        codec = form.codec if form.codec.identity else OrNull(form.codec)
        return replace(nullable(form), codec=codec, held=replace(node, branches=(form.held, nodes.Null())))
    options = [_Option(branch, wire.build(branch, level + 1)) for branch in branches]
    _box_lookalikes(wire, options)
    _part_objects(wire, options, level + 1)
    return _joined(wire, node, options, with_null)


def _box_lookalikes(wire: Wire, options: list[_Option]) -> None:
    """Of several branches with one JSON type, those that decoding must know apart get a box."""
    for kind in ("string", "number", "boolean", "array", "null"):
        alike = [one for one in options if kind in one.form.kinds]
        plain = [one for one in alike if one.form.codec.identity]
        changed = [one for one in alike if not one.form.codec.identity]
        if len(alike) < 2 or not changed:
            continue
        for one in changed if plain else changed[1:]:
            _box(wire, one, options)


def _box(wire: Wire, option: _Option, options: list[_Option]) -> None:
    taken = {shape.names[0] for one in options for shape in one.form.objects if shape.names}
    name = _fresh(_title(option.node, _BOXES.get(type(_bottom(wire, option.node)), "value")), taken)
    wire.note(option.node, "box", f'one alternative is written {{"{name}": ...}} to tell it from the others')
    schema = {
        "type": "object",
        "properties": {name: option.form.schema},
        "required": [name],
        "additionalProperties": False,
    }
    option.form = Form(
        schema,
        BoxCodec(option.form.codec, name),
        frozenset(("object",)),
        option.form.held,
        (Shape((name,)),),
        option.form.height + 1,
    )
    option.boxed = True


def _part_objects(wire: Wire, options: list[_Option], level: int) -> None:
    """Objects are told apart by a constant, by their names, or by a variant that is put first."""
    group = [one for one in options if "object" in one.form.kinds and one.form.objects]
    if len(group) < 2:
        return
    tag = _common_tag(group)
    if tag:
        for one in group:
            _lead(wire, one, level, tag)
        return
    firsts = _distinct_firsts(wire, group)
    if firsts is not None:
        for one, first in zip(group, firsts, strict=True):
            if first:
                _lead(wire, one, level, first)
        return
    _give_variants(wire, group, options, level)


def _common_tag(group: list[_Option]) -> str:
    """A name whose constants tell all objects of the group apart."""
    shapes = [shape for one in group for shape in one.form.objects]
    if not shapes:
        return ""
    for name in shapes[0].tags:
        sets = [shape.tags.get(name) for shape in shapes]
        if any(values is None for values in sets):
            continue
        known = [values for values in sets if values is not None]
        if len(frozenset().union(*known)) == sum(map(len, known)):
            movable = all(_record(one) or all(name in s.names[:1] for s in one.form.objects) for one in group)
            if movable:
                return name
    return ""


def _record(option: _Option) -> bool:
    """Whether the branch is one record, whose properties can be put in another order."""
    return not option.boxed and len(option.form.objects) == 1 and isinstance(option.node, (nodes.Record, nodes.Ref))


def _distinct_firsts(wire: Wire, group: list[_Option]) -> list[str] | None:
    """For each object a name to stand first, so that no two begin alike ("" where it stays); None if that can't be."""
    shapes = [shape for one in group for shape in one.form.objects]
    if len({frozenset(shape.names) for shape in shapes}) < len(shapes) or any(not shape.names for shape in shapes):
        return None
    firsts = [shape.names[0] for shape in shapes]
    if len(set(firsts)) == len(firsts):
        return [""] * len(group)
    if any(len(one.form.objects) != 1 for one in group):
        return None
    choices = [_movable(wire, one) if _record(one) else [one.form.objects[0].names[0]] for one in group]
    matched: dict[str, int] = {}
    for index in range(len(choices)):
        if not _match(index, choices, matched, set()):
            return None
    chosen = {index: name for name, index in matched.items()}
    return [chosen[index] if chosen[index] != choices[index][0] else "" for index in range(len(choices))]


def _movable(wire: Wire, option: _Option) -> list[str]:
    """The names that can be put first: those of declared properties."""
    bottom = _bottom(wire, option.node)
    declared = {field.name for field in bottom.fields} if isinstance(bottom, nodes.Record) else set()
    names = option.form.objects[0].names
    return [name for name in names if name in declared or name == names[0]]


def _match(index: int, choices: list[list[str]], matched: dict[str, int], seen: set[str]) -> bool:
    for name in choices[index]:
        if name in seen:
            continue
        seen.add(name)
        if name not in matched or _match(matched[name], choices, matched, seen):
            matched[name] = index
            return True
    return False


def _lead(wire: Wire, option: _Option, level: int, first: str) -> None:
    if option.form.objects[0].names[0] == first:
        return
    wire.note(option.node, "order", f"{first!r} stands first, so that the alternatives can be told apart")
    option.form = _rebuilt(wire, option, level, None, first)


def _rebuilt(wire: Wire, option: _Option, level: int, tag: tuple[str, str] | None, first: str) -> Form:
    if isinstance(option.node, nodes.Ref):
        return described(wire.ref(option.node, level, tag, first), wire.words(option.node))
    form = led(option.form, first) if first else option.form
    return tagged(form, *tag) if tag else form


def _give_variants(wire: Wire, group: list[_Option], options: list[_Option], level: int) -> None:
    taken = {name for one in group for shape in one.form.objects for name in shape.names}
    key = "variant"
    while key in taken:
        key += "_"
    used: set[str] = set()
    for index, one in enumerate(group):
        if not (_record(one) and isinstance(_bottom(wire, one.node), nodes.Record)):
            if not one.boxed:
                _box(wire, one, options)
            continue
        name = _fresh(_title(one.node, f"{index + 1}"), used)
        used.add(name)
        wire.note(one.node, "variant", f'"{key}": "{name}" is put first, so that the alternatives can be told apart')
        one.form = _rebuilt(wire, one, level, (key, name), "")


def _bottom(wire: Wire, node: nodes.Node) -> nodes.Node:
    return wire.type.resolve(node)


def _title(node: nodes.Node, otherwise: str) -> str:
    said = node.title or (node.name if isinstance(node, nodes.Ref) else "")
    return re.sub(r"[^A-Za-z0-9]+", "_", said).strip("_")[:32] or otherwise


def _fresh(name: str, taken: set[str]) -> str:
    fresh, count = name, 2
    while fresh in taken:
        fresh, count = f"{name}_{count}", count + 1
    return fresh


def _joined(wire: Wire, node: nodes.Union, options: list[_Option], with_null: bool) -> Form:
    """The branches side by side; unions in them lie flat."""
    schemas: list[Any] = []
    height = 0
    for one in options:
        flat = set(one.form.schema) == {"anyOf"}
        height = max(height, one.form.height + (0 if flat else 1))
        for schema in one.form.schema["anyOf"] if flat else (one.form.schema,):
            if schema not in schemas:
                schemas.append(schema)
    codec: Codec = Codec()
    if not all(one.form.codec.identity for one in options):
        null = Branch(Codec(), lambda value: value is None, _NULL, _NULL)
        codec = UnionCodec([*(_branch(wire, one) for one in options), *((null,) if with_null else ())])
    held = tuple(one.form.held for one in options) + ((nodes.Null(),) if with_null else ())
    form = Form(
        {"anyOf": schemas} if len(schemas) > 1 else schemas[0],
        codec,
        frozenset().union(*(one.form.kinds for one in options)),
        replace(node, branches=held, exclusive=False),
        tuple(shape for one in options for shape in one.form.objects),
        height,
    )
    return nullable(form) if with_null else form


def _branch(wire: Wire, option: _Option) -> Branch:
    form = option.form
    objects = tuple((frozenset(shape.names), shape.tags) for shape in form.objects)
    return Branch(form.codec, wire.fits(form.held), frozenset(_user_types(wire, form.held, set())), form.kinds, objects)


def kinds_of(wire: Wire, node: nodes.Node, seen: set[str]) -> set[str]:
    """The JSON types that a node will have on the wire, as far as that can be told beforehand."""
    if isinstance(node, nodes.Ref):
        if node.name in seen:
            return set()
        return kinds_of(wire, wire.type.named[node.name], seen | {node.name})
    if isinstance(node, nodes.Union):
        return set().union(*(kinds_of(wire, branch, seen) for branch in node.branches))
    if isinstance(node, nodes.Record):
        return {"object"} if node.fields or (node.extras is None and not node.entries) else {"array"}
    if isinstance(node, nodes.Choice):
        return {{"array": "string", "object": "string"}.get(json_type(v), json_type(v)) for v in node.values}
    if isinstance(node, nodes.Text) and node.content is not None:
        return kinds_of(wire, node.content, seen)
    return set(_PLAIN[type(node)])


_PLAIN: dict[type, tuple[str, ...]] = {
    nodes.Null: ("null",),
    nodes.Boolean: ("boolean",),
    nodes.Number: ("number",),
    nodes.Text: ("string",),
    nodes.Never: ("string",),
    nodes.Array: ("array",),
    nodes.Tuple: ("object",),
    nodes.Anything: ("null", "boolean", "number", "string", "array", "object"),
}


def _user_types(wire: Wire, node: nodes.Node, seen: set[str]) -> set[str]:
    """The JSON types of a node's values in the user's shape."""
    if isinstance(node, nodes.Ref):
        return set() if node.name in seen else _user_types(wire, wire.type.named[node.name], seen | {node.name})
    if isinstance(node, nodes.Union):
        return set().union(*(_user_types(wire, branch, seen) for branch in node.branches))
    if isinstance(node, nodes.Choice):
        return set(map(json_type, node.values))
    return set(_TYPES[type(node)])


_BOXES: dict[type, str] = {nodes.Record: "map", nodes.Array: "list", nodes.Tuple: "list", nodes.Text: "text"}
"""The names of boxes for branches that have no title."""
_NULL = frozenset(("null",))
_TYPES: dict[type, tuple[str, ...]] = {
    nodes.Null: ("null",),
    nodes.Boolean: ("boolean",),
    nodes.Number: ("number",),
    nodes.Text: ("string",),
    nodes.Array: ("array",),
    nodes.Tuple: ("array",),
    nodes.Record: ("object",),
    nodes.Never: (),
    nodes.Anything: ("null", "boolean", "number", "string", "array", "object"),
}
