"""The straight way from an answer to an instance, for plain types: one walk, which pydantic's core does.

Reading holds a value against the wire's schema and leaves the rest to validation, which converts: a text into a date,
and by pydantic's rules "3" into a number as well. Of a type that is made of models, lists, texts, numbers, dates,
literals and enumerations of texts, whose fields stand on the wire as they are, a validator can be made that takes
exactly the values that the wire's schema allows, each kind as it is and every field there, and makes of them what
pydantic makes. What it takes needs no other check. What it does not take may still be right: that is told the usual
way, and so is every problem. What was made goes back the same way. A type with anything else in it has no straight way.

Where fields may be missing, or have another form on the wire, there is half of it: values that were read and decoded
are validated as they are, without being written as JSON for that.
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


def straight(core: Core, type: nodes.Type | None = None) -> Straight | None:
    """The straight way of a type, if it has one. `core` is the schema that pydantic made of it, `type` are the nodes of
    the wire; without them `make` takes values in the user's shape that were read before."""
    from pydantic_core import SchemaSerializer, SchemaValidator

    try:
        made = _Walk(core, type).part(core, None if type is None else type.root)
    except _Unfit:
        return None
    # the validators that models have of their own take more than what is written here
    validator, serializer = SchemaValidator(made, _use_prebuilt=False), SchemaSerializer(made, _use_prebuilt=False)
    return Straight(validator.validate_python, partial(serializer.to_python, mode="json", by_alias=True))


class _Unfit(Exception):
    """The type has a part for which there is no straight way."""


class _Walk:
    """Goes through both accounts of a type side by side: a part is taken only where the wire says nothing that pydantic
    does not say. Without the wire's account nodes are None, and what pydantic says is taken over."""

    def __init__(self, core: Core, type: nodes.Type | None):
        self._type = type
        self._named: dict[str, Core] = {}
        self._inside: set[str] = set()
        if core["type"] == "definitions":
            self._named = {one["ref"]: one for one in core["definitions"]}

    def part(self, core: Core, node: nodes.Node | None) -> Any:
        """The schema of the straight way for a part. Raises `_Unfit`."""
        make, known, more = _MAKERS.get(core["type"], (None, _NO_WORDS, _NO_WORDS))
        if node is not None and self._type is not None:
            node, more = self._type.resolve(node), _NO_WORDS
        if make is None or (node is not None and node.after) or core.keys() - known - more - _EVERYWHERE:
            raise _Unfit
        return make(self, core, node)

    def definitions(self, core: Core, node: nodes.Node | None) -> Any:
        return self.part(core["schema"], node)

    def reference(self, core: Core, node: nodes.Node | None) -> Any:
        name = core["schema_ref"]
        if name in self._inside or name not in self._named:
            raise _Unfit
        self._inside.add(name)
        made = self.part(self._named[name], node)
        self._inside.discard(name)
        return made

    def model(self, core: Core, node: nodes.Node | None) -> Any:
        fields, config = core["schema"], core.get("config", {})
        if core.get("custom_init") or core.get("root_model") or config.keys() - _CONFIGS or fields.keys() - _FIELDS:
            raise _Unfit
        if fields["type"] != "model-fields" or config.get("extra_fields_behavior") == "allow":
            raise _Unfit  # where others are allowed an instance has room for them, though none are there
        named = {name: _alias(name, field) for name, field in fields["fields"].items()}
        there = {} if node is None else _closed(node)
        if node is not None and sorted(there) != sorted(named.values()):
            raise _Unfit
        made = {name: self._field(one, named[name], there.get(named[name])) for name, one in fields["fields"].items()}
        inner, model = {"type": "model-fields", "fields": made}, {"type": "model", "cls": core["cls"]}
        if node is None:
            return {**model, "schema": inner, "config": config}
        return {**model, "schema": {**inner, "extra_behavior": "forbid"}}  # by the wire's names, and by no others

    def _field(self, field: Core, alias: str, node: nodes.Node | None) -> Any:
        names = {"validation_alias": alias, "serialization_alias": alias}
        return {"type": "model-field", "schema": self.part(field["schema"], node), **names}

    def default(self, core: Core, node: nodes.Node | None) -> Any:
        """What may be missing has another form on the wire."""
        if node is not None:
            raise _Unfit
        return {**_without_notes(core), "schema": self.part(core["schema"], None)}

    def listed(self, core: Core, node: nodes.Node | None) -> Any:
        items = None
        if node is not None:
            if not isinstance(node, nodes.Array) or node.unique:
                raise _Unfit
            if node.min_items not in (0, core.get("min_length")):
                raise _Unfit
            if node.max_items not in (None, core.get("max_length")):
                raise _Unfit
            items = node.items
        if "items_schema" not in core:
            raise _Unfit
        return {**_without_notes(core), "items_schema": self.part(core["items_schema"], items), "strict": True}

    def mapped(self, core: Core, node: nodes.Node | None) -> Any:
        """A map is a list of entries on the wire."""
        if node is not None or core.get("keys_schema") != {"type": "str"} or "values_schema" not in core:
            raise _Unfit
        values = self.part(core["values_schema"], None)
        return {**_without_notes(core), "keys_schema": _TEXT, "values_schema": values, "strict": True}

    def nullable(self, core: Core, node: nodes.Node | None) -> Any:
        others: list[nodes.Node | None]
        if isinstance(node, nodes.Choice) and None in node.values:
            others = [nodes.Choice(values=tuple(one for one in node.values if one is not None))]
        elif isinstance(node, nodes.Union) and not node.exclusive and len(node.branches) == 2:
            others = [one for one in node.branches if not isinstance(one, nodes.Null)]
        else:
            others = [None] if node is None else []
        if len(others) != 1:
            raise _Unfit
        return {"type": "nullable", "schema": self.part(core["schema"], others[0])}

    def text(self, core: Core, node: nodes.Node | None) -> Any:
        """What the wire says of a text is an expression, which pydantic's core would read its own way."""
        if node is not None and node != _bare(node):
            raise _Unfit
        return {**_TEXT, **_without_notes(core)}

    def number(self, core: Core, node: nodes.Node | None) -> Any:
        whole = core["type"] == "int"
        if node is not None:
            if not isinstance(node, nodes.Number) or node.integer != whole or node.multiple_of is not None:
                raise _Unfit
            if any(getattr(node, other) not in (None, core.get(one)) for one, other in _BOUNDS.items()):
                raise _Unfit
            if not whole and any(abs(core.get(one) or 0) >= _EXACT for one in _BOUNDS):  # a float may round up to it
                raise _Unfit
        return {**_without_notes(core), "strict": True, **({} if whole else {"allow_inf_nan": False})}

    def boolean(self, core: Core, node: nodes.Node | None) -> Any:
        if not isinstance(node, nodes.Boolean | None):
            raise _Unfit
        return {"type": "bool", "strict": True}

    def date(self, core: Core, node: nodes.Node | None) -> Any:
        """Pydantic takes numbers and times for dates, too."""
        if node is not None and node != _bare(node, "date"):
            raise _Unfit
        text = {**_TEXT, "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
        return {"type": "chain", "steps": [text, _without_notes(core)]}

    def choice(self, core: Core, node: nodes.Node | None) -> Any:
        literal = core["type"] == "literal"
        values = core["expected"] if literal else [member.value for member in core["members"]]
        if not all(type(value) is str for value in values):
            raise _Unfit
        if node is not None and not (isinstance(node, nodes.Choice) and set(node.values) == set(values)):
            raise _Unfit
        written = {"type": "literal", "expected": values}  # a class may make members of anything (`_missing_`)
        return written if literal else {"type": "chain", "steps": [written, _without_notes(core)]}


def _alias(name: str, field: Core) -> str:
    """The name that a field has in JSON, if it has only one."""
    alias = field.get("validation_alias", name)
    if not isinstance(alias, str) or field.keys() - _FIELD:
        raise _Unfit
    return alias


def _closed(node: nodes.Node) -> dict[str, nodes.Node]:
    """The fields of a record that has all of them, and no others."""
    if not isinstance(node, nodes.Record) or node.entries or node.extras is not None:
        raise _Unfit
    if node.min_properties or node.max_properties is not None or not all(one.required for one in node.fields):
        raise _Unfit
    return {one.name: one.node for one in node.fields}


def _bare(node: nodes.Node, format: str | None = None) -> nodes.Text:
    """A text with the words of a node, of which nothing is said but its format."""
    return nodes.Text(title=node.title, description=node.description, pointer=node.pointer, format=format)


def _without_notes(core: Core) -> dict[str, Any]:
    return {name: value for name, value in core.items() if name not in _EVERYWHERE - {"type"}}


_TEXT: Core = {"type": "str", "strict": True, "min_length": 0}
"""A text; only where something is said of its length does pydantic's core look whether it is Unicode."""

_EXACT = 2**53
"""Whole numbers below it are the same as floats."""

_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusive_minimum", "lt": "exclusive_maximum"}
_EVERYWHERE = frozenset(("type", "ref", "metadata", "strict"))
_CONFIGS = frozenset(("title", "extra_fields_behavior", "validate_by_alias", "validate_by_name"))
_FIELDS = frozenset(("type", "fields", "model_name", "computed_fields"))
_FIELD = frozenset(
    ("type", "schema", "validation_alias", "serialization_alias", "serialization_exclude", "frozen", "metadata")
)

_NO_WORDS = frozenset[str]()

_Maker = Callable[[_Walk, Core, nodes.Node | None], Any]
_MAKERS: Mapping[str, tuple[_Maker, frozenset[str], frozenset[str]]] = {
    kind: (make, frozenset(known.split()), frozenset(more.split()))
    for kind, make, known, more in (
        ("definitions", _Walk.definitions, "schema definitions", ""),
        ("definition-ref", _Walk.reference, "schema_ref", ""),
        ("model", _Walk.model, "cls schema config custom_init root_model frozen generic_origin", ""),
        ("default", _Walk.default, "schema default default_factory default_factory_takes_data", ""),
        ("list", _Walk.listed, "items_schema min_length max_length", ""),
        ("dict", _Walk.mapped, "keys_schema values_schema min_length max_length", ""),
        ("nullable", _Walk.nullable, "schema", ""),
        ("str", _Walk.text, "", "min_length max_length pattern regex_engine"),
        ("int", _Walk.number, "ge le gt lt", "multiple_of"),
        ("float", _Walk.number, "ge le gt lt", "multiple_of"),
        ("bool", _Walk.boolean, "", ""),
        ("date", _Walk.date, "", "ge le gt lt"),
        ("literal", _Walk.choice, "expected", ""),
        ("enum", _Walk.choice, "cls members sub_type", ""),
    )
}
"""How each kind of part is made, what may be said of it, and what else where only pydantic says something."""
