"""Reads JSON Schema, drafts 4 to 2020-12, as nodes.

Each keyword is one row in a table: those that speak of one JSON type narrow the widest node of that type, the others
are conjunctions, branchings and references in the `Space`. A schema without ``type`` admits the other types too, as
the specification has it. Keywords that nodes cannot say are marked (`nodes.Node.after`) and checked once a value is
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .. import nodes
from ..errors import SchemaError
from .documents import Library, Place
from .meeting import named_node
from .membership import json_type
from .negation import EVERY, others
from .parting import empty
from .patterns import lengths, searcher
from .space import NEVER, SILENT, Space
from .words import noted

__all__ = ["AFTER", "ALIASES", "Reader"]

ALIASES = "x-extract-aliases"
"""The keyword under which a declared property lists its other names."""
AFTER = "x-extract-after"
"""The keyword under which a declared type lists constraints that JSON Schema has no word for, as pairs."""

_BY_TYPE: dict[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": (
        "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains",
        "unevaluatedItems",
    ),
    "object": (
        "properties", "required", "patternProperties", "additionalProperties", "propertyNames", "minProperties",
        "maxProperties", "dependencies", "dependentRequired", "dependentSchemas", "unevaluatedProperties",
    ),
}  # fmt: skip
_SAYING = frozenset(("type", "enum", "const", *(keyword for group in _BY_TYPE.values() for keyword in group)))
_PLAIN = frozenset(("type", "title", "description", "default", *_BY_TYPE["string"], *_BY_TYPE["number"]))
_SCALARS = ("string", "number", "integer", "boolean", "null")
_KINDS = ("null", "boolean", "string", "number", "array", "object")


@dataclass
class Reader:
    """Makes the nodes of one schema document. `declared` says that it was made from a pydantic type: ``discriminator``
    binds, ``contentSchema`` says what a text holds, and the notes count (`ALIASES`, `AFTER`)."""

    library: Library
    space: Space
    declared: bool = False

    def ref(self, place: Place) -> nodes.Ref:
        """A reference to the node of a place."""
        key = place.key
        self.space.places.setdefault(key, place.pointer)
        return self.space.name(key, lambda: self.read(place))

    def definition(self, place: Place) -> nodes.Ref:
        """A reference to a place that the schema itself refers to."""
        self.space.definitions.add(place.key)
        return self.ref(place)

    def child(self, place: Place, *tokens: str) -> nodes.Node:
        """The node of a subschema; the trivial ones are given at once."""
        stepped = self.library.step(place, *tokens)
        if stepped.schema is True:
            return nodes.Anything(pointer=stepped.pointer)
        if stepped.schema is False:
            return nodes.Never(pointer=stepped.pointer)
        return self.read(stepped) if _plain(stepped.schema) else self.ref(stepped)

    def read(self, place: Place) -> nodes.Node:
        """The node of what stands at a place."""
        schema = place.schema
        if not isinstance(schema, dict):
            return NEVER if schema is False else nodes.Anything(pointer=place.pointer)
        node: nodes.Node = SILENT
        for part in self._parts(place):
            node = self.space.both(node, part)
        if "unevaluatedProperties" in schema or "unevaluatedItems" in schema:
            node = self._evaluated(place, self.space.head(node))
        if isinstance(node, nodes.Anything) and not node.said and not node.after:
            node = nodes.Anything()
        return _described(node, place, self.declared)

    def _parts(self, place: Place) -> Iterable[nodes.Node]:
        schema = place.schema
        if place.draft < 2019 and isinstance(schema.get("$ref"), str):
            yield self.definition(self.library.follow(place, schema["$ref"]))
            return
        if self._says_type(schema):
            yield self._typed(place)
        if _PARTS.keys().isdisjoint(schema):
            return
        for keyword, rule in _PARTS.items():
            if keyword in schema:
                part = rule(self, place, schema[keyword])
                if part is not None:
                    yield part

    @staticmethod
    def _says_type(schema: Mapping[str, Any]) -> bool:
        return not _SAYING.isdisjoint(schema)

    def _typed(self, place: Place) -> nodes.Node:
        schema = place.schema
        kinds, whole = _types(schema.get("type"))
        branches = [self._of_kind(kind, place, whole) for kind in kinds]
        node = _union(branches, place)
        for keyword in ("enum", "const"):
            if keyword == "enum" and isinstance(schema.get("enum"), list):
                node = self.space.meet(_choice(schema["enum"], place), node)
            elif keyword == "const" and "const" in schema:
                node = self.space.meet(_choice([schema["const"]], place), node)
        return node

    def _of_kind(self, kind: str, place: Place, whole: bool) -> nodes.Node:
        rule = _KIND_RULES.get(kind)
        node = replace(EVERY[kind], pointer=place.pointer) if rule is None else rule(self, place)
        if kind == "number" and whole and isinstance(node, nodes.Number):
            node = replace(node, integer=True)
        return node if node.pointer == place.pointer else replace(node, pointer=place.pointer)

    # ---- keywords of one type

    def _text(self, place: Place) -> nodes.Node:
        schema = place.schema
        most = _count(schema.get("maxLength"))
        least = _count(schema.get("minLength")) or 0
        if most is not None and least > most:
            return NEVER
        return nodes.Text(
            min_length=least,
            max_length=most,
            pattern=_text_or_none(schema.get("pattern")),
            format=_text_or_none(schema.get("format")),
            content=self.child(place, "contentSchema") if self.declared and "contentSchema" in schema else None,
            pointer=place.pointer,
        )

    def _number(self, place: Place) -> nodes.Node:
        schema = place.schema
        bounds: dict[str, Any] = {}
        for side, name in (("inimum", "minimum"), ("aximum", "maximum")):
            plain = _number_or_none(schema.get("m" + side))
            strict = schema.get("exclusiveM" + side)
            if strict is True:
                bounds["exclusive_" + name] = plain
            else:
                bounds[name], bounds["exclusive_" + name] = plain, _number_or_none(strict)
        step = _number_or_none(schema.get("multipleOf"))
        return nodes.Number(
            **bounds, multiple_of=step if step is not None and step > 0 else None, pointer=place.pointer
        )

    def _array(self, place: Place) -> nodes.Node:
        schema = place.schema
        least, most = _count(schema.get("minItems")) or 0, _count(schema.get("maxItems"))
        if most is not None and least > most:
            return NEVER
        prefix_word = "prefixItems" if isinstance(schema.get("prefixItems"), list) else "items"
        after = self._contains(place)
        unique = schema.get("uniqueItems") is True
        if not isinstance(schema.get(prefix_word), list):
            items = self.child(place, "items") if isinstance(schema.get("items"), (dict, bool)) else SILENT
            return nodes.Array(
                items=items, min_items=least, max_items=most, unique=unique, after=after, pointer=place.pointer
            )
        prefix = tuple(self.child(place, prefix_word, str(index)) for index in range(len(schema[prefix_word])))
        rest_word = "items" if prefix_word == "prefixItems" else "additionalItems"
        said = isinstance(schema.get(rest_word), (dict, bool))
        rest: nodes.Node | None = self.child(place, rest_word) if said else SILENT
        if isinstance(rest, nodes.Never) or (most is not None and most <= len(prefix)):
            rest, prefix = None, prefix if most is None else prefix[:most]
        if rest is None and least > len(prefix):
            return NEVER
        after += (("uniqueItems", True),) if unique else ()
        return nodes.Tuple(prefix=prefix, rest=rest, min_items=least, max_items=most, after=after)

    @staticmethod
    def _contains(place: Place) -> tuple[tuple[str, Any], ...]:
        schema = place.schema
        if "contains" not in schema or (_count(schema.get("minContains")) == 0 and "maxContains" not in schema):
            return ()
        return tuple((word, schema[word]) for word in ("contains", "minContains", "maxContains") if word in schema)

    def _object(self, place: Place) -> nodes.Node:
        schema = place.schema
        said = isinstance(schema.get("additionalProperties"), (dict, bool))
        extras = self.child(place, "additionalProperties") if said else SILENT
        entries = tuple(
            nodes.Entry(pattern=pattern, node=self.child(place, "patternProperties", pattern))
            for pattern in _mapping(schema.get("patternProperties"))
        )
        bare = nodes.Record(
            entries=entries, extras=None if isinstance(extras, nodes.Never) else extras, pointer=place.pointer
        )
        fields = self._fields(place, bare)
        if any(field.required and isinstance(field.node, nodes.Never) for field in fields):
            return NEVER
        least, most = _count(schema.get("minProperties")) or 0, _count(schema.get("maxProperties"))
        if most is not None and (least > most or sum(field.required for field in fields) > most):
            return NEVER
        record = replace(bare, fields=fields, min_properties=least, max_properties=most)
        return self._named(place, record)

    def _fields(self, place: Place, bare: nodes.Record) -> tuple[nodes.Field, ...]:
        schema = place.schema
        declared = _mapping(schema.get("properties"))
        listed = schema.get("required")
        required = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
        made: list[nodes.Field] = []
        for name in dict.fromkeys([*declared, *required]):
            matched = [entry.node for entry in bare.entries if searcher(entry.pattern)(name)]
            default: tuple[Any, ...] = ()
            aliases: tuple[str, ...] = ()
            if name in declared:
                node = self.space.both(self.child(place, "properties", name), *matched)
                inner = declared[name]
                default = (inner["default"],) if isinstance(inner, dict) and "default" in inner else ()
                aliases = tuple(inner.get(ALIASES, ())) if isinstance(inner, dict) and self.declared else ()
            elif matched:
                node = self.space.both(*matched)
            else:
                node = NEVER if bare.extras is None else bare.extras
            made.append(nodes.Field(name=name, node=node, required=name in required, aliases=aliases, default=default))
        return tuple(made)

    def _named(self, place: Place, record: nodes.Record) -> nodes.Node:
        """``propertyNames``: a set of names, or an expression that they match."""
        if not isinstance(place.schema.get("propertyNames"), (dict, bool)):
            return record
        try:
            names = self.space.head(self.child(place, "propertyNames"))
        except SchemaError:  # it leads back here; but a name has no names, so a check of it ends
            names = nodes.Anything()
        return _restricted(self.space, record, names, place)

    # ---- keywords of every type

    def _reference(self, place: Place, reference: Any) -> nodes.Node | None:
        return self.definition(self.library.follow(place, reference)) if isinstance(reference, str) else None

    def _dynamic(self, place: Place, reference: Any) -> nodes.Node | None:
        return self.definition(self.library.follow_dynamic(place, reference)) if isinstance(reference, str) else None

    def _all(self, place: Place, branches: Any) -> nodes.Node | None:
        if not isinstance(branches, list):
            return None
        return self.space.both(*(self.child(place, "allOf", str(index)) for index in range(len(branches))))

    def _any(self, place: Place, branches: Any) -> nodes.Node | None:
        if not isinstance(branches, list) or not branches:
            return None
        return _union([self.child(place, "anyOf", str(index)) for index in range(len(branches))], place)

    def _one(self, place: Place, branches: Any) -> nodes.Node | None:
        if not isinstance(branches, list) or not branches:
            return None
        made = [self.child(place, "oneOf", str(index)) for index in range(len(branches))]
        told = place.schema.get("discriminator")
        if self.declared and isinstance(told, dict):
            tag = nodes.Record(fields=(nodes.Field(name=told["propertyName"], node=SILENT),), extras=SILENT)
            return nodes.Union(
                branches=tuple(self.space.both(branch, tag) for branch in made),
                discriminator=told["propertyName"],
                pointer=place.pointer,
            )
        if sum(not isinstance(branch, nodes.Never) for branch in made) < 2:
            return _union(made, place)
        return nodes.Union(branches=tuple(made), exclusive=True, pointer=place.pointer)

    def _not(self, place: Place, inner: Any) -> nodes.Node | None:
        return self.space.without(self.child(place, "not")) if isinstance(inner, (dict, bool)) else None

    def _if(self, place: Place, inner: Any) -> nodes.Node | None:
        schema = place.schema
        given = [word for word in ("then", "else") if isinstance(schema.get(word), (dict, bool))]
        if not given or place.draft < 7 or not isinstance(inner, (dict, bool)):
            return None
        condition = self.child(place, "if")
        yes = self.child(place, "then") if "then" in given else SILENT
        no = self.child(place, "else") if "else" in given else SILENT
        return _union([self.space.both(condition, yes), self.space.both(self.space.without(condition), no)], place)

    def _dependencies(self, place: Place, table: Any) -> nodes.Node | None:
        return self._dependent(place, "dependencies", table)

    def _dependent(self, place: Place, keyword: str, table: Any) -> nodes.Node | None:
        node: nodes.Node = SILENT
        for name, needed in _mapping(table).items():
            if isinstance(needed, str):
                needed = [needed]
            if isinstance(needed, list):
                names = dict.fromkeys([name, *(one for one in needed if isinstance(one, str))])
                then: nodes.Node = _requires(*names)
                if len(names) == 1:
                    continue
            else:
                then = self.space.both(_requires(name), self.child(place, keyword, name))
            absent = nodes.Record(fields=(nodes.Field(name=name, node=NEVER, required=False),), extras=SILENT)
            node = self.space.both(node, _union([absent, then, *others("object")], place))
        return node

    def _evaluated(self, place: Place, node: nodes.Node) -> nodes.Node:
        """``unevaluated*``: whatever no keyword has spoken of. Of alternatives that a value may fit together, each
        speaks for the others, and what stands under ``if`` or ``not`` speaks or does not by the value; there the node
        stays wider, and marked."""
        schema = place.schema
        branches = list(node.branches) if isinstance(node, nodes.Union) else [node]
        heads = [self.space.head(branch) for branch in branches]
        told = self._told(place)
        made = []
        for index, head in enumerate(heads):
            alone = isinstance(node, nodes.Union) and node.exclusive
            beside = [] if alone else [*heads[:index], *heads[index + 1 :]]
            others = [one for one in beside if not empty(self.space, self.space.both(head, one))]
            if isinstance(head, nodes.Record) and isinstance(schema.get("unevaluatedProperties"), (dict, bool)):
                head = self._closed(place, head, [*others, *told])
            elif isinstance(head, (nodes.Array, nodes.Tuple)) and isinstance(
                schema.get("unevaluatedItems"), (dict, bool)
            ):
                loose = (
                    bool(others or told) or "contains" in schema or any(word == "contains" for word, _ in head.after)
                )
                head = _closed_list(head, self.child(place, "unevaluatedItems"), loose)
            made.append(head)
        return replace(node, branches=tuple(made)) if isinstance(node, nodes.Union) else made[0]

    def _told(self, place: Place) -> list[nodes.Node]:
        """What stands where it may or may not speak of properties and items."""
        words = [word for word in ("if", "not") if isinstance(place.schema.get(word), (dict, bool))]
        found = [self.space.head(self.child(place, word)) for word in words]
        return [inner for one in found for inner in (one.branches if isinstance(one, nodes.Union) else (one,))]

    def _closed(self, place: Place, record: nodes.Record, others: list[nodes.Node]) -> nodes.Node:
        """The record closed to what it declares, and to what others that may speak for it do."""
        heads = [head for head in map(self.space.head, others) if isinstance(head, nodes.Record)]
        if not heads:
            return _closed_record(self.space, record, self.child(place, "unevaluatedProperties"))
        after = (*record.after, ("unevaluatedProperties", True))
        if any(head.entries or not (head.extras is None or _silent(head.extras)) for head in heads):
            return replace(record, after=after)
        own = {field.name for field in record.fields}
        names = dict.fromkeys(field.name for head in heads for field in head.fields if field.name not in own)
        more = tuple(nodes.Field(name=name, node=nodes.Anything(), required=False) for name in names)
        record = replace(record, fields=record.fields + more, after=after)
        return _closed_record(self.space, record, self.child(place, "unevaluatedProperties"))


def _plain(schema: Any) -> bool:
    """Whether a schema is one scalar that leads nowhere: its node needs no name."""
    return isinstance(schema, dict) and schema.get("type") in _SCALARS and _PLAIN.issuperset(schema)


def _described(node: nodes.Node, place: Place, declared: bool) -> nodes.Node:
    schema = place.schema
    words: dict[str, Any] = {
        word: schema[word] for word in ("title", "description") if isinstance(schema.get(word), str)
    }
    if declared and AFTER in schema:
        words["after"] = tuple((word, value) for word, value in schema[AFTER])
    return noted(node, nodes.Anything(**words)) if words else node


def _types(named: Any) -> tuple[list[str], bool]:
    """The JSON types that ``type`` names, and whether numbers must be whole."""
    listed = [named] if isinstance(named, str) else [one for one in named if isinstance(one, str)] if named else []
    known = [one for one in listed if one in (*_KINDS, "integer")]
    if not known or "any" in listed:
        return list(_KINDS), False
    kinds = dict.fromkeys("number" if one == "integer" else one for one in known)
    return list(kinds), "integer" in known and "number" not in known


def _union(branches: list[nodes.Node], place: Place) -> nodes.Node:
    kept = [branch for branch in branches if not isinstance(branch, nodes.Never)]
    if len(kept) == 1:
        return kept[0]
    return nodes.Union(branches=tuple(kept), pointer=place.pointer) if kept else nodes.Never(pointer=place.pointer)


def _choice(values: list[Any], place: Place) -> nodes.Choice:
    kept: list[Any] = []
    seen: set[str] = set()
    for value in values:
        key = f"{json_type(value)}:{value!r}" if not isinstance(value, float) or value % 1 else f"number:{int(value)!r}"
        if key not in seen:
            seen.add(key)
            kept.append(value)
    return nodes.Choice(values=tuple(kept), pointer=place.pointer)


def _requires(*names: str) -> nodes.Record:
    return nodes.Record(fields=tuple(nodes.Field(name=name, node=SILENT) for name in names), extras=SILENT)


def _restricted(space: Space, record: nodes.Record, names: nodes.Node, place: Place) -> nodes.Node:
    """The record whose property names belong to a node."""
    if isinstance(names, nodes.Union):
        texts = [one for one in map(space.head, names.branches) if isinstance(one, (nodes.Text, nodes.Choice))]
        names = texts[0] if len(texts) == 1 else nodes.Anything(after=names.after) if texts else NEVER
    mark = (("propertyNames", place.schema["propertyNames"]),)
    if isinstance(names, nodes.Anything):
        return replace(record, after=record.after + mark) if place.schema["propertyNames"] is not True else record
    fields = tuple(field if space.accepts(names, field.name) else replace(field, node=NEVER) for field in record.fields)
    if any(field.required and isinstance(field.node, nodes.Never) for field in fields):
        return NEVER
    record = replace(record, fields=fields)
    if isinstance(names, nodes.Choice):
        return _listed(space, record, names)
    if isinstance(names, nodes.Text) and names.pattern and not names.after and not record.entries:
        loose = () if names.min_length == 0 and names.max_length is None and names.format is None else mark
        entry = () if record.extras is None else (nodes.Entry(pattern=names.pattern, node=record.extras),)
        return replace(record, entries=entry, extras=None, after=record.after + loose)
    if isinstance(names, nodes.Text) and names.pattern is None and names.format is None and not record.entries:
        entry = () if record.extras is None else (
            nodes.Entry(pattern=lengths(names.min_length, names.max_length), node=record.extras),
        )  # fmt: skip
        return replace(record, entries=entry, extras=None, after=record.after + (mark if names.after else ()))
    if isinstance(names, nodes.Text):
        return replace(record, after=record.after + mark)
    return replace(record, entries=(), extras=None)


def _listed(space: Space, record: nodes.Record, names: nodes.Choice) -> nodes.Record:
    declared = {field.name for field in record.fields}
    added = tuple(
        nodes.Field(name=name, node=named_node(space, record, name), required=False)
        for name in names.values
        if isinstance(name, str) and name not in declared
    )
    return replace(record, fields=record.fields + added, entries=(), extras=None)


def _closed_record(space: Space, record: nodes.Record, rest: nodes.Node) -> nodes.Node:
    """Every silent part of a record becomes `rest`."""
    fields = tuple(replace(field, node=rest) if _silent(field.node) else field for field in record.fields)
    if any(field.required and isinstance(field.node, nodes.Never) for field in fields):
        return NEVER
    if not _silent(record.extras):
        return replace(record, fields=fields)
    return replace(record, fields=fields, extras=None if isinstance(rest, nodes.Never) else rest)


def _closed_list(node: nodes.Array | nodes.Tuple, rest: nodes.Node, contained: bool) -> nodes.Node:
    if contained:
        return replace(node, after=(*node.after, ("unevaluatedItems", True)))
    never = isinstance(rest, nodes.Never)
    if isinstance(node, nodes.Array):
        if not _silent(node.items):
            return node
        if not never:
            return replace(node, items=rest)
        return NEVER if node.min_items else replace(node, max_items=0)
    prefix = tuple(rest if _silent(one) else one for one in node.prefix)
    made = replace(node, prefix=prefix, rest=(None if never else rest) if _silent(node.rest) else node.rest)
    return NEVER if made.rest is None and made.min_items > len(prefix) else made


def _silent(node: nodes.Node | None) -> bool:
    return isinstance(node, nodes.Anything) and not node.said


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 else None


def _number_or_none(value: Any) -> Any:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


_KIND_RULES: dict[str, Callable[[Reader, Place], nodes.Node]] = {
    "string": Reader._text,
    "number": Reader._number,
    "array": Reader._array,
    "object": Reader._object,
}
_PARTS: dict[str, Callable[[Reader, Place, Any], nodes.Node | None]] = {
    "$ref": Reader._reference,
    "$dynamicRef": Reader._dynamic,
    "$recursiveRef": Reader._dynamic,
    "allOf": Reader._all,
    "anyOf": Reader._any,
    "oneOf": Reader._one,
    "not": Reader._not,
    "if": Reader._if,
    "dependencies": Reader._dependencies,
    "dependentRequired": lambda self, place, table: self._dependent(place, "dependentRequired", table),
    "dependentSchemas": lambda self, place, table: self._dependent(place, "dependentSchemas", table),
}
