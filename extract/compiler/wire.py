"""Rewrites nodes into a schema that OpenAI's strict mode takes, with the codec between the two.

Each kind of node is one row in a table. The forms are chosen so that a model finds them natural: names, order and
descriptions stay, nothing is moved without need, and what the wire cannot say goes into the description and is
checked afterwards. Every rewrite is accounted for. The same type gives the same bytes, always.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from .. import nodes
from . import unions
from .choosing import Part, RecordCodec
from .codec import (
    AnyCodec,
    BoxCodec,
    Codec,
    Entries,
    Late,
    ListCodec,
    MapCodec,
    NamedValues,
    NullMark,
    TextCodec,
    TupleCodec,
    to_text,
)
from .finishing import children
from .formats import OWN, PATTERNS, known
from .forms import Form, Shape, described, led, nullable, tagged, tags_of
from .membership import accepts, json_type
from .patterns import NOTHING, lengths, literal, searcher, wire_pattern
from .regex import MOST_REPEATS
from .rules import DEEPEST, violations

__all__ = ["Extras", "Rewrite", "Wire", "Wired", "wire_of"]

Extras = Literal["ignore", "keep"]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One change on the way to the wire: where in the source, by which rule, in words, and whether what it leaves open
    is checked once the value is there."""

    pointer: str
    rule: str
    what: str
    checked_afterwards: bool = False

    def __str__(self) -> str:
        return f"{self.pointer or 'the root'}: {self.what}" + (
            " (checked afterwards)" if self.checked_afterwards else ""
        )


@dataclass(frozen=True)
class Wired:
    """A finished wire: the schema, the codec, and every rewrite."""

    schema: dict[str, Any]
    codec: Codec
    rewrites: tuple[Rewrite, ...]


SMALL = 250
"""A wire of fewer nodes and members of enumerations than these passes no limit."""


@dataclass(frozen=True)
class Room:
    """How much the wire may take: levels, and how many members an enumeration may have before it is written as a
    pattern."""

    levels: int = DEEPEST
    members: int = 250


def wire_of(type_: nodes.Type, extras: Extras = "ignore") -> Wired:
    """The wire form of a type; where a limit is passed it is made again with less room."""
    room = Room()
    while True:
        wired, small = _settled(type_, extras, room)
        if small:
            return wired
        said = " ".join(one.message for one in violations(wired.schema))
        many, large = "enum" in said and room.members > 4, "exceed" in said and room.levels > 2
        if not (many or large):
            return wired
        less = 1 if "levels" in said else 2
        room = Room(room.levels - (less if large else 0), room.members // (4 if many else 1))


def _settled(type_: nodes.Type, extras: Extras, room: Room) -> tuple[Wired, bool]:
    """References that are still in the making are guessed first; if a guess was wrong, the whole is made again with
    what was found. Also gives whether the whole is so small that no limit can be passed."""
    guesses: dict[str, Form] = {}
    for _ in range(6):
        wire = Wire(type_, extras, guesses, room)
        wired = wire.run()
        wrong = [name for name, form in wire.guessed.items() if not _alike(form, wire.made.get(name, form))]
        if not wrong:
            break
        guesses = {name: wire.made[name] for name in wire.guessed if name in wire.made}
    return wired, wire.built < SMALL and wire.members < SMALL and wire.height <= DEEPEST


def _alike(one: Form, other: Form) -> bool:
    return one.kinds == other.kinds and one.objects == other.objects


class Wire:
    """The making of one wire: definitions, rewrites and guesses on the way."""

    def __init__(self, type_: nodes.Type, extras: Extras, guesses: Mapping[str, Form], room: Room):
        self.type, self.extras, self.guesses, self.room = type_, extras, guesses, room
        self.defs: dict[str, Mapping[str, Any]] = {}
        self.made: dict[str, Form] = {}
        self.guessed: dict[str, Form] = {}
        self.late: dict[str, Late] = {}
        self.variants: list[tuple[str, str, tuple[str, str] | None, str]] = []
        self.held: dict[str, nodes.Node] = {}
        self.rewrites: dict[tuple[str, str, str], Rewrite] = {}
        self.recursive = _recursive(type_)
        self.built = self.members = self.height = 0

    def run(self) -> Wired:
        if not self._may_be_object(self.type.root):
            return self._wired(self._boxed_root())
        form = self.build(self.type.root, 0)
        if "$ref" in form.schema and form.kinds == {"object"}:
            body = self.defs[form.schema["$ref"].rpartition("/")[2]]
            form = replace(form, schema=body)
        if form.schema.get("type") != "object":
            form = self._boxed_root()
        return self._wired(form)

    def _may_be_object(self, root: nodes.Node) -> bool:
        root = self.type.resolve(root)
        return isinstance(root, (nodes.Record, nodes.Tuple)) or (
            isinstance(root, nodes.Union) and len(root.branches) == 1
        )

    def _wired(self, form: Form) -> Wired:
        self._finish_variants()
        self.height = max([form.height, *(1 + one.height for one in self.made.values())])
        schema = dict(form.schema)
        used = self._used(schema)
        if used:
            schema["$defs"] = {name: dict(self.defs[name]) for name in self.defs if name in used}
        return Wired(schema, form.codec, tuple(self.rewrites.values()))

    def _boxed_root(self) -> Form:
        form = self.build(self.type.root, 1)
        self.note(self.type.root, "root", 'the root is not an object and is written {"value": ...}')
        return Form(
            _object({"value": form.schema}),
            BoxCodec(form.codec),
            frozenset(("object",)),
            form.held,
            (),
            form.height + 1,
        )

    def _used(self, schema: Any) -> set[str]:
        used: set[str] = set()
        waiting = [schema]
        while waiting:
            part = waiting.pop()
            if isinstance(part, Mapping):
                if isinstance(part.get("$ref"), str):
                    name = part["$ref"].rpartition("/")[2]
                    if name not in used:
                        used.add(name)
                        waiting.append(self.defs[name])
                waiting.extend(part.values())
            elif isinstance(part, list):
                waiting.extend(part)
        return used

    def note(self, node: nodes.Node, rule: str, what: str, checked: bool = False) -> None:
        """One row of the account."""
        self.rewrites.setdefault((node.pointer, rule, what), Rewrite(node.pointer, rule, what, checked))

    def resolve(self, node: nodes.Node) -> nodes.Node:
        while isinstance(node, nodes.Ref):
            node = self.held.get(node.name) or self.type.named[node.name]
        return node

    def fits(self, held: nodes.Node) -> Callable[[Any], bool]:
        """Whether a value belongs to what a form enforces."""
        return lambda value: accepts(self.resolve, held, value)

    # ---- building

    def build(self, node: nodes.Node, level: int) -> Form:
        """The form of a node at a level; where the wire is not deep enough, its JSON text."""
        self.built += 1
        if level > self.room.levels:
            return self.as_text(node)
        form = described(_BUILDERS[type(node)](self, node, level), self.words(node))
        return form if level + form.height <= self.room.levels else self.as_text(node)

    def as_text(self, node: nodes.Node) -> Form:
        self.note(node, "depth", "nested too deeply for the wire; written as JSON text", True)
        words = " ".join(filter(None, (node.description, "Written as JSON text.")))
        return Form({"type": "string", "description": words}, TextCodec(), frozenset(("string",)), nodes.Anything())

    def words(self, node: nodes.Node) -> str:
        """The description on the wire: the person's words, and what only words can say there."""
        said = node.description or _telling(node)
        marks = [_AFTER.get(word, "") for word, _ in node.after]
        for word, value in node.after:
            self.note(node, word, f"{word} {_short(value)}", True)
        return "\n".join(dict.fromkeys(filter(None, (said, *marks))))

    def null(self, node: nodes.Node, level: int) -> Form:
        return Form({"type": "null"}, Codec(), frozenset(("null",)), node)

    def boolean(self, node: nodes.Node, level: int) -> Form:
        return Form({"type": "boolean"}, Codec(), frozenset(("boolean",)), node)

    def never(self, node: nodes.Node, level: int) -> Form:
        self.note(node, "never", "no value is possible here")
        return Form({"type": "string", "pattern": NOTHING}, Codec(), frozenset(("string",)), node)

    def anything(self, node: nodes.Node, level: int) -> Form:
        self.note(node, "anything", 'any JSON value; objects in it are written {"map": [{"key", "value"}]}')
        self.defs.update(_ANYTHING)
        kinds = frozenset(("null", "boolean", "number", "string", "array", "object"))
        return Form(_ref("anything"), AnyCodec(), kinds, nodes.Anything(), (Shape(("map",)),), 1)

    def number(self, node: nodes.Number, level: int) -> Form:
        schema: dict[str, Any] = {"type": "integer" if node.integer else "number"}
        for name, keyword in _NUMBERS:
            if getattr(node, name) is not None:
                schema[keyword] = getattr(node, name)
        return Form(schema, Codec(), frozenset(("number",)), node)

    def text(self, node: nodes.Text, level: int) -> Form:
        schema: dict[str, Any] = {"type": "string"}
        held = node
        if node.format is not None and node.pattern not in OWN:
            node = held = self._format(node, schema)
        if node.pattern is None and (node.min_length > 0 or node.max_length is not None):
            held = self._lengths(node, held, schema)
        elif node.pattern is not None:
            held = self._pattern(node, held, schema)
        return Form(schema, Codec(), frozenset(("string",)), held)

    def _format(self, node: nodes.Text, schema: dict[str, Any]) -> nodes.Text:
        assert node.format is not None
        if known(node.format):
            schema["format"] = known(node.format)
        if known(node.format) != node.format:
            schema["description"] = f"Format: {node.format}."
            self.note(node, "format", f"the format {node.format!r} is checked once a value is there", True)
        if node.pattern is None and node.format in PATTERNS:
            return replace(node, pattern=PATTERNS[node.format])
        return node

    def _lengths(self, node: nodes.Text, held: nodes.Text, schema: dict[str, Any]) -> nodes.Text:
        if max(node.min_length, node.max_length or 0) <= MOST_REPEATS:
            schema["pattern"] = lengths(node.min_length, node.max_length)
            return held
        self.note(node, "length", f"a length of up to {node.max_length} characters is not enforced on the wire", True)
        least = min(node.min_length, 1)
        if least:
            schema["pattern"] = lengths(least, None)
        return replace(held, min_length=least, max_length=None)

    def _pattern(self, node: nodes.Text, held: nodes.Text, schema: dict[str, Any]) -> nodes.Text:
        assert node.pattern is not None
        pattern, exact = wire_pattern(node.pattern, node.min_length, node.max_length)
        if pattern is None and exact:
            schema["pattern"] = NOTHING
            return held
        if pattern is None:
            schema["description"] = f"Must match the pattern {node.pattern}"
            self.note(node, "pattern", f"the pattern {node.pattern} cannot be enforced on the wire", True)
            if node.min_length or node.max_length is not None:
                return self._lengths(node, replace(held, pattern=None), schema)
            return replace(held, pattern=None)
        schema["pattern"] = pattern
        if not exact:
            self.note(node, "length", "the length is not enforced beside the pattern", True)
            return replace(held, min_length=0, max_length=None, pattern=pattern)
        return held

    def choice(self, node: nodes.Choice, level: int) -> Form:
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
                self.note(node, "enum", "structured members of the enumeration are written as JSON text")
            else:
                groups.setdefault(kind, []).append(value)
        null = groups.pop("null", None)
        forms = [self._enumerated(node, kind, values) for kind, values in groups.items()]
        if not forms:
            return self.null(node, level)
        schema = forms[0] if len(forms) == 1 else {"anyOf": forms}
        codec: Codec = NamedValues(pairs) if pairs else Codec()
        form = Form(schema, codec, frozenset(groups), node, (), 0 if len(forms) == 1 else 1)
        return nullable(form) if null else form

    def _enumerated(self, node: nodes.Choice, kind: str, values: list[Any]) -> dict[str, Any]:
        self.members += len(values)
        if kind == "string" and len(values) > self.room.members:
            self.note(node, "enum", "an enumeration over the limits is written as a pattern")
            return {"type": "string", "pattern": f"^(?:{'|'.join(map(literal, values))})$"}
        if kind == "number" and len(values) > self.room.members:
            self.note(node, "enum", "an enumeration of numbers over the limits is not enforced on the wire", True)
            return {"type": "number", "minimum": min(values), "maximum": max(values)}
        if kind == "number" and all(isinstance(value, int) for value in values):
            kind = "integer"
        return {"type": kind, "enum": values}

    def array(self, node: nodes.Array, level: int) -> Form:
        item = self.build(node.items, level + 1)
        if isinstance(node.items, nodes.Never):
            item = self.null(nodes.Null(), level)
            node = replace(node, max_items=0)
        schema: dict[str, Any] = {"type": "array", "items": item.schema}
        if node.min_items:
            schema["minItems"] = node.min_items
        if node.max_items is not None:
            schema["maxItems"] = node.max_items
        if node.unique:
            schema["description"] = "No item twice."
            self.note(node, "unique", "doubles are not refused on the wire", True)
        codec = Codec() if item.codec.identity else ListCodec(item.codec)
        held = replace(node, items=item.held, unique=False)
        return Form(schema, codec, frozenset(("array",)), held, (), item.height + 1)

    def tuple_(self, node: nodes.Tuple, level: int) -> Form:
        whole = {*node.prefix, *((node.rest,) if node.rest is not None else ())} if _hashable(node) else set()
        if len(whole) == 1 and node.prefix:
            most = node.max_items if node.rest is not None else len(node.prefix)
            alike = nodes.Array(items=node.prefix[0], min_items=node.min_items, max_items=most, pointer=node.pointer)
            return self.array(alike, level)
        if not node.prefix:
            alike = nodes.Array(items=node.rest or nodes.Never(), min_items=node.min_items, max_items=node.max_items)
            return self.array(alike, level)
        self.note(node, "tuple", "a list of fixed places is written as an object with item0, item1, ...")
        items = [self.build(one, level + 1) for one in node.prefix]
        least = min(node.min_items, len(items))
        properties: dict[str, Any] = {}
        codecs: list[Codec] = []
        for index, form in enumerate(items):
            form = form if index < least else self.optional(node.prefix[index], form, level + 1)
            properties[f"item{index}"] = form.schema
            items[index] = form
            codecs.append(form.codec)
        rest = None if node.rest is None else self.build(nodes.Array(
            items=node.rest, min_items=max(0, node.min_items - len(items)),
            max_items=None if node.max_items is None else max(0, node.max_items - len(items))), level + 1)  # fmt: skip
        rest_codec: Codec | None = None
        if rest is not None:
            properties["rest"] = rest.schema
            rest_codec = rest.codec.item if isinstance(rest.codec, ListCodec) else Codec()
        height = 1 + max(form.height for form in (*items, *((rest,) if rest else ())))
        held = replace(node, prefix=tuple(form.held for form in items), rest=self._held_item(rest))
        form = Form(_object(properties), TupleCodec(codecs, rest_codec, least), frozenset(("object",)), held)
        return replace(form, objects=(Shape(tuple(properties)),), height=height)

    @staticmethod
    def _held_item(rest: Form | None) -> nodes.Node | None:
        return None if rest is None else rest.held.items if isinstance(rest.held, nodes.Array) else nodes.Anything()

    def optional(self, node: nodes.Node, form: Form, level: int) -> Form:
        """The form of something that may be missing: null stands for that."""
        if "null" not in form.kinds:
            self.note(node, "optional", "may be missing, which is written as null")
            return nullable(form)
        taken = {name for shape in form.objects for name in shape.names}
        name = next(one for one in ("value", "null", "explicit_null", "explicit_null_") if one not in taken)
        self.note(node, "null", f'missing is written as null, and null itself as {{"{name}": null}}')
        mark = _object({name: {"type": "null"}})
        if "anyOf" in form.schema:
            schema = {**form.schema, "anyOf": [*form.schema["anyOf"], mark]}
            height = max(form.height, 2)
        else:
            outer = {key: value for key, value in form.schema.items() if key == "description"}
            inner = {key: value for key, value in form.schema.items() if key != "description"}
            schema = {**outer, "anyOf": [inner, mark]}
            height = max(form.height + 1, 2)
        objects = (*form.objects, Shape((name,)))
        return Form(schema, NullMark(form.codec, name), form.kinds | {"object"}, form.held, objects, height)

    # ---- records

    def record(self, node: nodes.Record, level: int) -> Form:
        fields = [field for field in node.fields if not isinstance(field.node, nodes.Never)]
        kinds = self._entry_kinds(node)
        if not fields and kinds:
            return self.map(node, kinds, level)
        properties: dict[str, Any] = {}
        parts: list[Part] = []
        held: dict[str, nodes.Node] = {}
        height = 0
        tags: dict[str, frozenset[str]] = {}
        for field in fields:
            form = self._field(field, level + 1)
            properties[field.name] = form.schema
            height = max(height, form.height + 1)
            held[field.name] = form.held
            parts.append(Part(field.name, form.codec, not field.required, self.fits(form.held)))
            inner = self.resolve(field.node)
            if isinstance(inner, nodes.Choice) and not inner.after and field.required:
                tags[field.name] = tags_of(inner)
        carrier, others = None, None
        if kinds:
            carrier = _free("more", properties)
            form = self.entries(node, kinds, level + 1, 0)
            properties[carrier] = form.schema
            height = max(height, form.height + 1)
            others = form.codec if isinstance(form.codec, MapCodec) else None
            self.note(node, "more", f"undeclared properties are written as entries of {carrier!r}")
        codec: Codec = RecordCodec(parts, carrier, others, self._ignored(node))
        plain = not kinds and all(part.codec.identity and not part.optional for part in parts)
        if plain and not self._ignored(node):
            codec = Codec()
        kept = tuple(replace(field, node=held.get(field.name, field.node)) for field in node.fields)
        holding = replace(node, fields=kept, min_properties=0, max_properties=None)
        return Form(
            _object(properties), codec, frozenset(("object",)), holding, (Shape(tuple(properties), tags),), height
        )

    def _ignored(self, node: nodes.Record) -> bool:
        return (
            self.extras == "ignore"
            and bool(node.fields)
            and isinstance(node.extras, nodes.Anything)
            and not node.extras.said
        )

    def _field(self, field: nodes.Field, level: int) -> Form:
        form = self.build(field.node, level)
        if field.required:
            return form
        made = self.optional(field.node, form, level)
        if level + made.height <= self.room.levels:
            return made
        if isinstance(field.node, nodes.Ref) and self._plain(field.node.name):
            inner = described(self.build(self.type.named[field.node.name], level), self.words(field.node))
            made = self.optional(field.node, inner, level)
            if level + made.height <= self.room.levels:
                return made
        return self.optional(field.node, self.as_text(field.node), level)

    def _plain(self, name: str) -> bool:
        """Whether a definition refers to no other, so that it may stand in place where levels are short."""
        return name not in self.recursive and not _refs(self.type.named[name])

    def _entry_kinds(self, node: nodes.Record) -> list[nodes.Entry]:
        """The kinds of properties that are not declared: one for each pattern, and one for all others."""
        kinds = [entry for entry in node.entries if not isinstance(entry.node, nodes.Never)]
        if node.extras is not None and not self._ignored(node):
            kinds.append(nodes.Entry(pattern="", node=node.extras))
        elif self._ignored(node):
            self.note(node, "closed", "undeclared properties are left out")
        return kinds

    def map(self, node: nodes.Record, kinds: list[nodes.Entry], level: int) -> Form:
        form = self.entries(node, kinds, level, min(1, node.min_properties) if _never_dropped(node, kinds) else 0)
        self.note(node, "map", "a map is written as a list of entries")
        return form

    def entries(self, node: nodes.Record, kinds: list[nodes.Entry], level: int, least: int) -> Form:
        """A list of ``{"key", "value"}``; each pattern has a name of its own for the key."""
        if len(kinds) == 1 and not kinds[0].pattern and _free_of_words(kinds[0].node):
            return self.free_entries(node, kinds, least)
        branches: list[Mapping[str, Any]] = []
        made: list[Entries] = []
        helds: list[nodes.Node] = []
        height = 0
        several = len(kinds) > 1
        for index, kind in enumerate(kinds):
            key = "key" if index == len(kinds) - 1 else f"key_{index + 1}"
            form = self.build(kind.node, level + 2 + several)
            name: dict[str, Any] = {"type": "string"}
            written = wire_pattern(kind.pattern)[0] if kind.pattern else None
            if written is not None:
                name["pattern"] = written
            elif kind.pattern:
                name["description"] = f"Must match {kind.pattern}"
            branches.append(_object({key: name, "value": form.schema}))
            made.append(Entries(key, form.codec, self.fits(form.held)))
            helds.append(form.held)
            height = max(height, form.height + 2 + several)
        items = {"anyOf": branches} if several else branches[0]
        schema: dict[str, Any] = {"type": "array", "items": items}
        if least:
            schema["minItems"] = least
        if node.max_properties is not None and not node.fields:
            schema["maxItems"] = node.max_properties
        codec = MapCodec(made, _router(node, kinds))
        entries = tuple(replace(kind, node=held) for kind, held in zip(kinds, helds, strict=True) if kind.pattern)
        extras = helds[-1] if kinds[-1].pattern == "" else None
        held = replace(node, entries=entries, extras=extras, min_properties=least)
        return Form(schema, codec, frozenset(("array",)), held, (), max(height, 2))

    def free_entries(self, node: nodes.Record, kinds: list[nodes.Entry], least: int) -> Form:
        """Entries of any values, by the definitions that every value has."""
        self.anything(kinds[0].node, 0)
        codec = MapCodec([Entries("key", AnyCodec(), lambda value: True)], _router(node, kinds))
        held = replace(node, entries=(), extras=nodes.Anything(), min_properties=least)
        schema: dict[str, Any] = _ref("anything_entries")
        height = 1
        most = None if node.fields else node.max_properties
        if least or most is not None:
            schema, height = {"type": "array", "items": _ref("anything_entry")}, 2
            schema |= {"minItems": least} if least else {}
            schema |= {"maxItems": most} if most is not None else {}
        return Form(schema, codec, frozenset(("array",)), held, (), height)

    # ---- references and unions

    def ref(self, node: nodes.Ref, level: int, tag: tuple[str, str] | None = None, first: str = "") -> Form:
        """A reference to a definition; with a tag or another order, to a definition of its own."""
        base = self._reference(node, level)
        if not (tag or first):
            return base
        owner = base.schema["$ref"].rpartition("/")[2]
        label = "_as_".join(filter(None, (owner, tag[1] if tag else "", first)))
        if label not in self.late:
            self.late[label] = Late()
            self.variants.append((label, owner, tag, first))
        made = _varied(replace(base, schema=_EMPTY_OBJECT), tag, first)
        codec = Codec() if made.codec.identity else self.late[label]
        return replace(made, schema=_ref(label), codec=codec)

    def _finish_variants(self) -> None:
        for label, owner, tag, first in self.variants:
            form = _varied(self.made[owner], tag, first)
            self.made[label], self.defs[label] = form, form.schema
            self.late[label].target = form.codec

    def _reference(self, node: nodes.Ref, level: int) -> Form:
        label = node.name
        if label in self.late and label not in self.made:
            return self._guess(label, node)
        if label not in self.made:
            self._define(label, node)
        made, held = self.made[label], self.held[label]
        if level + made.height > self.room.levels and label not in self.recursive:
            label = f"{label}_at_{level}"
            if label not in self.made:
                self.late[label] = Late()
                self.made[label] = self.build(self.type.named[node.name], level)
                self.defs[label] = self.made[label].schema
                self.late[label].target = self.made[label].codec
            made = self.made[label]
            held = made.held
        codec = Codec() if made.codec.identity else self.late[label]
        return replace(
            made, schema=_ref(label), codec=codec, held=held if label != node.name else nodes.Ref(name=label)
        )

    def _define(self, label: str, node: nodes.Ref) -> None:
        self.late[label] = Late()
        self.defs[label] = {}
        form = self.build(self.type.named[node.name], 1)
        self.made[label], self.held[label] = form, form.held
        self.defs[label] = form.schema
        self.late[label].target = form.codec

    def _guess(self, label: str, node: nodes.Ref) -> Form:
        known = self.guesses.get(label)
        body = self.type.named[node.name]
        kinds = known.kinds if known else frozenset(_kinds(self, body, set()))
        objects = known.objects if known else ()
        form = Form(_ref(label), self.late[label], kinds, nodes.Ref(name=node.name), objects, 0)
        self.guessed[label] = form
        return form

    def union(self, node: nodes.Union, level: int) -> Form:
        return unions.build(self, node, level)


_EMPTY_OBJECT: dict[str, Any] = {"type": "object", "properties": {}}


def _varied(form: Form, tag: tuple[str, str] | None, first: str) -> Form:
    """A record with another property first, or a constant before them."""
    if first and first not in form.schema["properties"]:
        form = replace(form, schema={**form.schema, "properties": {name: {} for name in form.objects[0].names}})
    if first:
        form = led(form, first)
    return tagged(form, *tag) if tag else form


def _recursive(type_: nodes.Type) -> frozenset[str]:
    """The names that lead back to themselves."""
    edges = {name: {ref.name for ref in _refs(node)} for name, node in type_.named.items()}
    found: set[str] = set()
    for name in edges:
        seen: set[str] = set()
        waiting = list(edges[name])
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting.extend(edges[one])
        if name in seen:
            found.add(name)
    return frozenset(found)


def _refs(node: nodes.Node) -> list[nodes.Ref]:
    return [node] if isinstance(node, nodes.Ref) else [ref for child in children(node) for ref in _refs(child)]


def _kinds(wire: Wire, node: nodes.Node, seen: set[str]) -> set[str]:
    """The JSON types that a node will have on the wire, as far as that can be told beforehand."""
    if isinstance(node, nodes.Ref):
        if node.name in seen:
            return set()
        return _kinds(wire, wire.type.named[node.name], seen | {node.name})
    if isinstance(node, nodes.Union):
        return set().union(*(_kinds(wire, branch, seen) for branch in node.branches))
    if isinstance(node, nodes.Record):
        return {"object"} if node.fields or (node.extras is None and not node.entries) else {"array"}
    if isinstance(node, nodes.Choice):
        return {{"array": "string", "object": "string"}.get(json_type(v), json_type(v)) for v in node.values}
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


def _never_dropped(node: nodes.Record, kinds: list[nodes.Entry]) -> bool:
    """Whether each entry that the wire admits is a property of the type."""
    if len(kinds) != 1 or node.fields or any(isinstance(entry.node, nodes.Never) for entry in node.entries):
        return False
    return not kinds[0].pattern or wire_pattern(kinds[0].pattern)[0] is not None


def _router(node: nodes.Record, kinds: list[nodes.Entry]) -> Callable[[str], int | None]:
    """Which kind of entry holds a property of this name."""
    matchers = [(index, searcher(kind.pattern)) for index, kind in enumerate(kinds) if kind.pattern]
    refused = [searcher(entry.pattern) for entry in node.entries if isinstance(entry.node, nodes.Never)]
    gone = {field.name for field in node.fields if isinstance(field.node, nodes.Never)}
    last = len(kinds) - 1 if kinds and kinds[-1].pattern == "" else None

    def route(name: str) -> int | None:
        if name in gone or any(match(name) for match in refused):
            return None
        return next((index for index, match in matchers if match(name)), last)

    return route


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _free(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name


def _hashable(node: nodes.Node) -> bool:
    try:
        hash(node)
    except TypeError:
        return False
    return True


def _telling(node: nodes.Node) -> str:
    """A title that says more than the name of the place does."""
    if not node.title or isinstance(node, nodes.Ref):
        return ""
    place = node.pointer.rpartition("/")[2]
    if not place:
        return ""
    letters = [re.sub(r"[^a-z0-9]", "", text.lower()) for text in (node.title, place)]
    return node.title if letters[0] != letters[1] else ""


def _free_of_words(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Anything) and not (node.description or node.title or node.after)


def _short(value: Any) -> str:
    text = to_text(value) if not isinstance(value, str) else value
    return text if len(text) <= 60 else text[:57] + "..."


_NUMBERS = (
    ("minimum", "minimum"),
    ("maximum", "maximum"),
    ("exclusive_minimum", "exclusiveMinimum"),
    ("exclusive_maximum", "exclusiveMaximum"),
    ("multiple_of", "multipleOf"),
)
_AFTER = {"uniqueItems": "No item twice."}
_SCALARS = [{"type": ["string", "null"]}, {"type": "number"}, {"type": "boolean"}]
_ANYTHING: dict[str, Mapping[str, Any]] = {
    "anything": {"anyOf": [*_SCALARS, _ref("anything_list"), _ref("anything_object")]},
    "anything_list": {"type": "array", "items": _ref("anything")},
    "anything_object": _object({"map": _ref("anything_entries")}),
    "anything_entries": {"type": "array", "items": _ref("anything_entry")},
    "anything_entry": _object({"key": {"type": "string"}, "value": _ref("anything")}),
}
"""Every JSON value, by definitions that lead back to each other: they count one or two levels where they are used."""
_BUILDERS: dict[type, Callable[[Wire, Any, int], Form]] = {
    nodes.Null: Wire.null,
    nodes.Boolean: Wire.boolean,
    nodes.Never: Wire.never,
    nodes.Anything: Wire.anything,
    nodes.Number: Wire.number,
    nodes.Text: Wire.text,
    nodes.Choice: Wire.choice,
    nodes.Array: Wire.array,
    nodes.Tuple: Wire.tuple_,
    nodes.Record: Wire.record,
    nodes.Ref: Wire.ref,
    nodes.Union: Wire.union,
}
