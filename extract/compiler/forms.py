"""A wire form: a schema that the strict mode takes, with the codec and with what unions must know of it.

Small steps that all rewrites share stand here: making a form nullable, giving it words, telling which JSON types and
which objects it writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .. import nodes
from .codec import Codec, TagCodec, frozen

__all__ = ["Form", "Shape", "described", "led", "nullable", "object_schema", "reference", "tagged", "tags_of"]


@dataclass(frozen=True)
class Shape:
    """The names of a wire object in order, and the constants that some of them have (frozen values)."""

    names: tuple[str, ...]
    tags: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """`kinds` are the JSON types on the wire, `objects` the shapes of its objects, `height` the levels under it, `held`
    the node that this form enforces: the user's node, less what is checked afterwards."""

    schema: Mapping[str, Any]
    codec: Codec
    kinds: frozenset[str]
    held: nodes.Node
    objects: tuple[Shape, ...] = ()
    height: int = 0


def object_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def nullable(form: Form) -> Form:
    """The form that admits null beside what it admits."""
    if "null" in form.kinds:
        return form
    schema, kinds = form.schema, form.kinds | {"null"}
    if "anyOf" in schema:
        return replace(form, schema={**schema, "anyOf": _with_null(list(schema["anyOf"]))}, kinds=kinds)
    if "$ref" in schema:
        return replace(form, schema={"anyOf": [schema, {"type": "null"}]}, kinds=kinds, height=form.height + 1)
    return replace(form, schema=_typed_null(schema), kinds=kinds)


def _typed_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(schema)
    made["type"] = [schema["type"], "null"]
    if "const" in made:
        made = {
            ("enum" if key == "const" else key): ([value] if key == "const" else value) for key, value in made.items()
        }
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
    return made


def _with_null(branches: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """null joins the first plain branch, or stands as a branch of its own."""
    for index, branch in enumerate(branches):
        if branch.get("type") in ("string", "number", "integer", "boolean"):
            return [*branches[:index], _typed_null(branch), *branches[index + 1 :]]
    return [*branches, {"type": "null"}]


def described(form: Form, words: str) -> Form:
    """The form with a description; one that is a reference gets a place to stand for it."""
    if not words or form.schema.get("description") == words:
        return form
    schema, height = form.schema, form.height
    if "$ref" in schema:
        schema, height = {"anyOf": [schema]}, height + 1
    if "description" in schema:
        words = "\n".join(dict.fromkeys((words, schema["description"])))
    return replace(
        form, schema={"description": words, **{k: v for k, v in schema.items() if k != "description"}}, height=height
    )


def led(form: Form, first: str) -> Form:
    """The form of a record with one of its properties put first."""
    properties = dict(form.schema["properties"])
    ordered = {first: properties.pop(first), **properties}
    shape = form.objects[0]
    objects = (replace(shape, names=tuple(ordered)),)
    return replace(form, schema={**form.schema, "properties": ordered, "required": list(ordered)}, objects=objects)


def tagged(form: Form, key: str, value: str) -> Form:
    """The form of a record with a constant before its properties."""
    properties = {key: {"type": "string", "const": value}, **form.schema["properties"]}
    shape = form.objects[0]
    objects = (Shape((key, *shape.names), {**shape.tags, key: frozenset((frozen(value),))}),)
    schema = {**form.schema, "properties": properties, "required": list(properties)}
    return replace(
        form, schema=schema, codec=TagCodec(form.codec, key, value), objects=objects, height=max(1, form.height)
    )


def tags_of(values: Iterable[Any]) -> frozenset[str]:
    """Constants as they stand on the wire, frozen so that they can be compared."""
    return frozenset(map(frozen, values))
