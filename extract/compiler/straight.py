"""The straight way from an answer to an instance, for plain types: one walk, which pydantic's core does.

Reading holds a value against the wire's schema and leaves the rest to validation, which converts: a text into a date,
and by pydantic's rules "3" into a number as well. Of a type that is made of models, lists, texts, numbers, dates,
literals and enumerations of texts, whose fields stand on the wire as they are, a validator can be made that takes
exactly the values that the wire's schema allows, each kind as it is and every field there, and makes of them what
pydantic makes. What it takes needs no other check. What it does not take may still be right: that is told the usual
way, and so is every problem. What was made goes back the same way. A type with anything else in it has no straight way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .. import nodes

__all__ = ["Straight", "straight"]

Core = Mapping[str, Any]
"""A schema of pydantic's core, or a part of one."""


@dataclass(frozen=True)
class Straight:
    """The straight way of one type. `make` makes the instance of a JSON value as it stands on the wire, or raises
    pydantic's ValidationError where it is not sure; `dump` gives the JSON value of an instance that validation made."""

    make: Callable[[Any], Any]
    dump: Callable[[Any], Any]


def straight(core: Core, type: nodes.Type) -> Straight | None:
    """The straight way of a type, if it has one. `core` is the schema that pydantic made of it, `type` are the nodes of
    the wire."""
    from pydantic_core import SchemaSerializer, SchemaValidator

    try:
        made = _Walk(core, type).part(core, type.root)
    except _Unfit:
        return None
    # the validators that models have of their own take more than what is written here
    validator, serializer = SchemaValidator(made, _use_prebuilt=False), SchemaSerializer(made, _use_prebuilt=False)
    return Straight(validator.validate_python, partial(serializer.to_python, mode="json", by_alias=True))


class _Unfit(Exception):
    """The type has a part for which there is no straight way."""


class _Walk:
    """Goes through both accounts of a type side by side: a part is taken only where the wire says nothing that pydantic
    does not say."""

    def __init__(self, core: Core, type: nodes.Type):
        self._type = type
        self._named: dict[str, Core] = {}
        self._inside: set[str] = set()
        if core["type"] == "definitions":
            self._named = {one["ref"]: one for one in core["definitions"]}

    def part(self, core: Core, node: nodes.Node) -> Any:
        """The schema of the straight way for a part. Raises `_Unfit`."""
        make, known = _MAKERS.get(core["type"], (None, frozenset[str]()))
        node = self._type.resolve(node)
        if make is None or node.after or not core.keys() <= known | _EVERYWHERE:
            raise _Unfit
        return make(self, core, node)

    def definitions(self, core: Core, node: nodes.Node) -> Any:
        return self.part(core["schema"], node)

    def reference(self, core: Core, node: nodes.Node) -> Any:
        name = core["schema_ref"]
        if name in self._inside or name not in self._named:
            raise _Unfit
        self._inside.add(name)
        made = self.part(self._named[name], node)
        self._inside.discard(name)
        return made

    def model(self, core: Core, node: nodes.Node) -> Any:
        fields, config = core["schema"], core.get("config", {})
        if core.get("custom_init") or core.get("root_model") or config.keys() - _CONFIGS or fields.keys() - _FIELDS:
            raise _Unfit
        if config.get("extra_fields_behavior") == "allow":  # an instance has room for others, though none are there
            raise _Unfit
        made = {"type": "model-fields", "fields": self._fields(fields["fields"], node), "extra_behavior": "forbid"}
        return {"type": "model", "cls": core["cls"], "schema": made}

    def _fields(self, fields: Mapping[str, Core], node: nodes.Node) -> dict[str, Any]:
        if not isinstance(node, nodes.Record) or not _closed(node):
            raise _Unfit
        there = {one.name: one for one in node.fields}
        made = {}
        for name, field in fields.items():
            alias = field.get("validation_alias", name)
            if not isinstance(alias, str) or alias not in there or field.keys() - _FIELD:
                raise _Unfit
            schema = self.part(field["schema"], there.pop(alias).node)
            names = {"validation_alias": alias, "serialization_alias": alias}
            made[name] = {"type": "model-field", "schema": schema, **names}
        if there:
            raise _Unfit
        return made

    def listed(self, core: Core, node: nodes.Node) -> Any:
        if not isinstance(node, nodes.Array) or node.unique or "items_schema" not in core:
            raise _Unfit
        if node.min_items not in (0, core.get("min_length")) or node.max_items not in (None, core.get("max_length")):
            raise _Unfit
        return {**_without_notes(core), "items_schema": self.part(core["items_schema"], node.items), "strict": True}

    def nullable(self, core: Core, node: nodes.Node) -> Any:
        if isinstance(node, nodes.Choice) and None in node.values:
            others: tuple[nodes.Node, ...] = (
                nodes.Choice(values=tuple(one for one in node.values if one is not None)),
            )
        elif isinstance(node, nodes.Union) and not node.exclusive and len(node.branches) == 2:
            others = tuple(one for one in node.branches if not isinstance(one, nodes.Null))
        else:
            raise _Unfit
        if len(others) != 1:
            raise _Unfit
        return {"type": "nullable", "schema": self.part(core["schema"], others[0])}

    def text(self, core: Core, node: nodes.Node) -> Any:
        """Any text: what the wire says of one is an expression, which pydantic's core would read its own way."""
        if not isinstance(node, nodes.Text) or node != _bare(node):
            raise _Unfit
        return {"type": "str", "strict": True}

    def number(self, core: Core, node: nodes.Node) -> Any:
        whole = core["type"] == "int"
        if not isinstance(node, nodes.Number) or node.integer != whole or node.multiple_of is not None:
            raise _Unfit
        if any(getattr(node, other) not in (None, core.get(one)) for one, other in _BOUNDS.items()):
            raise _Unfit
        if not whole and any(abs(core.get(one) or 0) >= _EXACT for one in _BOUNDS):  # a float may round up to it
            raise _Unfit
        return {**_without_notes(core), "strict": True}

    def boolean(self, core: Core, node: nodes.Node) -> Any:
        if not isinstance(node, nodes.Boolean):
            raise _Unfit
        return {"type": "bool", "strict": True}

    def date(self, core: Core, node: nodes.Node) -> Any:
        """Pydantic takes numbers and times for dates, too."""
        if not isinstance(node, nodes.Text) or node != _bare(node, "date"):
            raise _Unfit
        text = {"type": "str", "strict": True, "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
        return {"type": "chain", "steps": [text, {"type": "date"}]}

    def choice(self, core: Core, node: nodes.Node) -> Any:
        literal = core["type"] == "literal"
        values = core["expected"] if literal else [member.value for member in core["members"]]
        if not isinstance(node, nodes.Choice) or not all(type(value) is str for value in values):
            raise _Unfit
        if sorted(values) != sorted(map(str, node.values)):
            raise _Unfit
        return _without_notes(core)


def _closed(record: nodes.Record) -> bool:
    """Whether a record has its fields, all of them, and no others."""
    open_ = record.entries or record.extras is not None or record.min_properties or record.max_properties is not None
    return not open_ and all(one.required for one in record.fields)


def _bare(node: nodes.Text, format: str | None = None) -> nodes.Text:
    """The same text, of which nothing is said but its format."""
    return nodes.Text(title=node.title, description=node.description, pointer=node.pointer, format=format)


def _without_notes(core: Core) -> dict[str, Any]:
    return {name: value for name, value in core.items() if name not in _EVERYWHERE - {"type"}}


_EXACT = 2**53
"""Whole numbers below it are the same as floats."""

_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusive_minimum", "lt": "exclusive_maximum"}
_EVERYWHERE = frozenset(("type", "ref", "metadata", "strict"))
_CONFIGS = frozenset(("title", "extra_fields_behavior", "validate_by_alias", "validate_by_name"))
_FIELDS = frozenset(("type", "fields", "model_name", "computed_fields"))
_FIELD = frozenset(
    ("type", "schema", "validation_alias", "serialization_alias", "serialization_exclude", "frozen", "metadata")
)

_MAKERS: Mapping[str, tuple[Callable[[_Walk, Core, nodes.Node], Any], frozenset[str]]] = {
    "definitions": (_Walk.definitions, frozenset(("schema", "definitions"))),
    "definition-ref": (_Walk.reference, frozenset(("schema_ref",))),
    "model": (
        _Walk.model,
        frozenset(("cls", "schema", "config", "custom_init", "root_model", "frozen", "generic_origin")),
    ),
    "list": (_Walk.listed, frozenset(("items_schema", "min_length", "max_length"))),
    "nullable": (_Walk.nullable, frozenset(("schema",))),
    "str": (_Walk.text, frozenset()),
    "int": (_Walk.number, frozenset(_BOUNDS)),
    "float": (_Walk.number, frozenset(_BOUNDS)),
    "bool": (_Walk.boolean, frozenset()),
    "date": (_Walk.date, frozenset()),
    "literal": (_Walk.choice, frozenset(("expected",))),
    "enum": (_Walk.choice, frozenset(("cls", "members", "sub_type"))),
}
"""How each kind of part is made, and what may be said of it."""
