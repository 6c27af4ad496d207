"""Plain values on the wire: scalars, enumerations, and every JSON value.

One function for each kind of node, in the table of `wire`. What the wire cannot say of a text goes into its description
and is checked once a value is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import nodes
from .codec import AnyCodec, BoxCodec, Codec, ContentCodec, NamedValues, to_text
from .formats import BARE, CHECKED, OWN, PATTERNS, known
from .forms import Form, Shape, nullable, object_schema, reference
from .membership import json_type
from .patterns import NOTHING, literal, wire_lengths, wire_pattern
from .regex import MOST_REPEATS

if TYPE_CHECKING:
    from .wire import Wire

__all__ = ["anything", "boolean", "choice", "never", "null", "number", "text"]


def null(wire: Wire, node: nodes.Node, level: int) -> Form:
    return Form({"type": "null"}, Codec(), frozenset(("null",)), node)


def boolean(wire: Wire, node: nodes.Node, level: int) -> Form:
    return Form({"type": "boolean"}, Codec(), frozenset(("boolean",)), node)


def never(wire: Wire, node: nodes.Node, level: int) -> Form:
    wire.note(node, "never", "no value is possible here")
    return Form({"type": "string", "pattern": NOTHING}, Codec(), frozenset(("string",)), node)


def anything(wire: Wire, node: nodes.Node, level: int) -> Form:
    wire.note(node, "anything", 'any JSON value; objects in it are written {"map": [{"k", "v"}]}')
    wire.defs.update(_every_value(wire))
    kinds = frozenset(("null", "boolean", "number", "string", "array", "object"))
    return Form(reference(wire.label("anything")), AnyCodec(), kinds, nodes.Anything(), (Shape(("map",)),), 1)


def number(wire: Wire, node: nodes.Number, level: int) -> Form:
    schema: dict[str, Any] = {"type": "integer" if node.integer else "number"}
    for name, keyword in _NUMBERS:
        if getattr(node, name) is not None:
            schema[keyword] = getattr(node, name)
    return Form(schema, Codec(), frozenset(("number",)), node)


def text(wire: Wire, node: nodes.Text, level: int) -> Form:
    if node.content is not None:
        return _content(wire, node, node.content, level)
    schema: dict[str, Any] = {"type": "string"}
    held = node
    if node.format is not None and node.pattern not in OWN:
        node = held = _format(wire, node, schema)
    if node.pattern is None and (node.min_length > 0 or node.max_length is not None):
        held = _lengths(wire, node, held, schema)
    elif node.pattern is not None:
        held = _pattern(wire, node, held, schema)
    return Form(schema, Codec(), frozenset(("string",)), held)


def _content(wire: Wire, node: nodes.Text, content: nodes.Node, level: int) -> Form:
    """The value itself; one that may be null in an object, since null is no text."""
    wire.note(node, "json", "a JSON text is written as the value that it holds, and comes back compact")
    form = wire.build(content, level)
    if "null" not in form.kinds:
        return replace(form, codec=ContentCodec(form.codec), held=node)
    form = wire.build(content, level + 1)
    codec = BoxCodec(ContentCodec(form.codec), "json")
    schema, shape = object_schema({"json": form.schema}), Shape(("json",))
    return Form(schema, codec, frozenset(("object",)), node, (shape,), form.height + 1)


def _format(wire: Wire, node: nodes.Text, schema: dict[str, Any]) -> nodes.Text:
    assert node.format is not None
    if known(node.format):
        schema["format"] = known(node.format)
    if known(node.format) != node.format and node.format not in BARE:
        schema["description"] = f"Format: {node.format}."
        checked = known(node.format) != "" or node.format in CHECKED
        what = f"the format {node.format!r} is " + ("checked once a value is there" if checked else "told to the model")
        wire.note(node, "format", what, checked, not checked)
    if node.pattern is None and node.format in PATTERNS:
        return replace(node, pattern=PATTERNS[node.format])
    return node


def _lengths(wire: Wire, node: nodes.Text, held: nodes.Text, schema: dict[str, Any]) -> nodes.Text:
    if max(node.min_length, node.max_length or 0) <= MOST_REPEATS:
        schema["pattern"] = wire_lengths(node.min_length, node.max_length)
        return held
    wire.note(node, "length", f"a length of up to {node.max_length} characters is not enforced on the wire", True)
    least = min(node.min_length, 1)
    if least:
        schema["pattern"] = wire_lengths(least, None)
    return replace(held, min_length=least, max_length=None)


def _pattern(wire: Wire, node: nodes.Text, held: nodes.Text, schema: dict[str, Any]) -> nodes.Text:
    assert node.pattern is not None
    pattern, exact = wire_pattern(node.pattern, node.min_length, node.max_length)
    if pattern is None and exact:
        schema["pattern"] = NOTHING
        return held
    if pattern is None:
        schema["description"] = f"Must match the pattern {node.pattern}"
        wire.loose_pattern(node, node.pattern)
        if node.min_length or node.max_length is not None:
            return _lengths(wire, node, replace(held, pattern=None), schema)
        return replace(held, pattern=None)
    schema["pattern"] = pattern
    if not exact:
        wire.note(node, "length", "the length is not enforced beside the pattern", True)
        return replace(held, min_length=0, max_length=None, pattern=pattern)
    return held


def choice(wire: Wire, node: nodes.Choice, level: int) -> Form:
    groups: dict[str, list[Any]] = {}
    pairs: list[tuple[Any, Any]] = []
    for value in node.values:
        kind = json_type(value)
        if kind in ("array", "object"):
            name = to_text(value)
            while name in node.values:
                name += " "
            pairs.append((value, name))
            groups.setdefault("string", []).append(name)
            wire.note(node, "enum", "structured members of the enumeration are written as JSON text")
        else:
            groups.setdefault(kind, []).append(value)
    with_null = groups.pop("null", None) is not None
    forms = [_enumerated(wire, node, kind, values) for kind, values in groups.items()]
    if not forms:
        return null(wire, node, level)
    schema = forms[0] if len(forms) == 1 else {"anyOf": forms}
    codec: Codec = NamedValues(pairs) if pairs else Codec()
    form = Form(schema, codec, frozenset(groups), node, (), 0 if len(forms) == 1 else 1)
    return nullable(form) if with_null else form


def _enumerated(wire: Wire, node: nodes.Choice, kind: str, values: list[Any]) -> dict[str, Any]:
    wire.members += len(values)
    if kind == "string" and len(values) > wire.room.members:
        wire.note(node, "enum", "an enumeration over the limits is written as a pattern")
        return {"type": "string", "pattern": f"^(?:{'|'.join(map(literal, values))})$"}
    if kind == "number" and len(values) > wire.room.members:
        wire.note(node, "enum", "an enumeration of numbers over the limits is not enforced on the wire", True)
        return {"type": "number", "minimum": min(values), "maximum": max(values)}
    if kind == "number" and all(isinstance(value, int) for value in values):
        kind = "integer"
    return {"type": kind, "enum": values}


_NUMBERS = (
    ("minimum", "minimum"),
    ("maximum", "maximum"),
    ("exclusive_minimum", "exclusiveMinimum"),
    ("exclusive_maximum", "exclusiveMaximum"),
    ("multiple_of", "multipleOf"),
)
_SCALARS = [{"type": ["string", "null"]}, {"type": "number"}, {"type": "boolean"}]


def _every_value(wire: Wire) -> dict[str, Mapping[str, Any]]:
    """Every JSON value, by definitions that lead back to each other: they count one or two levels where they are
    used."""
    parts = ("anything", "anything_list", "anything_object", "anything_entries", "anything_entry")
    value, list_, object_, entries, entry = map(wire.label, parts)
    return {
        value: {"anyOf": [*_SCALARS, reference(list_), reference(object_)]},
        list_: {"type": "array", "items": reference(value)},
        object_: object_schema({"map": reference(entries)}),
        entries: {"type": "array", "items": reference(entry)},
        entry: object_schema({"k": {"type": "string"}, "v": reference(value)}),
    }
