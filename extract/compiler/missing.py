"""What may be missing, on a wire where every property must be there.

null stands for what is missing. Where null is itself a value, one of the two needs a form of its own: null, where it
is a value like others; but missing, where the declaration has null as its default, because a model writes null for
what a document does not state, and that is then just what is meant.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import nodes
from .codec import NullMark
from .forms import Form, Shape, nullable, object_schema, reference

if TYPE_CHECKING:
    from .wire import Wire

__all__ = ["defaulted", "free", "optional"]


def optional(wire: Wire, node: nodes.Node, form: Form) -> Form:
    """The form of something that may be missing: null stands for that."""
    if "null" not in form.kinds:
        wire.note(node, "optional", "may be missing, which is written as null")
        return nullable(form)
    name = _mark(form, "value", "null", "explicit_null")
    wire.note(node, "null", f'missing is written as null, and null itself as {{"{name}": null}}')
    made = _beside(form, object_schema({name: {"type": "null"}}), name)
    return replace(made, codec=NullMark(form.codec, name))


def defaulted(wire: Wire, node: nodes.Node, form: Form) -> tuple[Form, Mapping[str, Any]]:
    """The form of a property whose default is null: null is what the model will write, and it stands for itself;
    missing, which means the same and is another value, has a mark of its own."""
    name = _mark(form, "missing", "left_out")
    wire.note(node, "null", f'null is null, and missing is written as {{"{name}": true}}')
    label = wire.label(name)
    wire.defs[label] = object_schema({name: {"type": "boolean", "const": True}})
    return _beside(form, reference(label), name), {name: True}


def _mark(form: Form, *names: str) -> str:
    """A name for an object beside a form, that is the first one of none of its objects."""
    taken = {name for shape in form.objects for name in shape.names}
    return next((name for name in names if name not in taken), free(names[-1], taken))


def _beside(form: Form, mark: Mapping[str, Any], name: str) -> Form:
    """The form with an object of one name as one more alternative."""
    if "anyOf" in form.schema:
        schema: dict[str, Any] = {**form.schema, "anyOf": [*form.schema["anyOf"], mark]}
        height = max(form.height, 2)
    else:
        outer = {key: value for key, value in form.schema.items() if key == "description"}
        inner = {key: value for key, value in form.schema.items() if key != "description"}
        schema, height = {**outer, "anyOf": [inner, mark]}, max(form.height + 1, 2)
    return replace(
        form, schema=schema, kinds=form.kinds | {"object"}, objects=(*form.objects, Shape((name,))), height=height
    )


def free(name: str, taken: Container[str]) -> str:
    """The name, or the first like it that is not taken."""
    while name in taken:
        name += "_"
    return name
