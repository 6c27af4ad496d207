"""Rewrites nodes into a schema that OpenAI's strict mode takes, with the codec between the two.

Each kind of node is one row in a table. The forms are chosen so that a model finds them natural: names, order and
descriptions stay, nothing is moved without need, and what the wire cannot say goes into the description and is
checked afterwards. Every rewrite is accounted for. The same type gives the same bytes, always.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

from .. import nodes
from ..errors import SchemaError
from . import leaves, missing, unions
from .choosing import Part, RecordCodec
from .codec import (
    AnyCodec,
    BoxCodec,
    Codec,
    Entries,
    Late,
    ListCodec,
    MapCodec,
    TextCodec,
    TupleCodec,
)
from .finishing import children, on_loops
from .forms import Form, Shape, described, led, object_schema, reference, tagged, tags_of
from .membership import accepts
from .patterns import may_overlap, readable, searcher, wire_pattern
from .rules import DEEPEST, violations
from .words import later, outline

__all__ = ["Extras", "Rewrite", "Wire", "Wired", "wire_of"]

Extras = Literal["ignore", "keep"]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One change on the way to the wire: where in the source, by which rule, in words, and whether what it leaves open
    is checked once the value is there, or nowhere."""

    pointer: str
    rule: str
    what: str
    checked_afterwards: bool = False
    unchecked: bool = False

    def __str__(self) -> str:
        left = " (checked afterwards)" if self.checked_afterwards else " (not checked)" if self.unchecked else ""
        return f"{self.pointer or 'the root'}: {self.what}{left}"

    @property
    def loose(self) -> bool:
        """Whether the wire admits what the source does not."""
        return self.checked_afterwards or self.unchecked


@dataclass(frozen=True)
class Wired:
    """A finished wire: the schema, the codec, and every rewrite."""

    schema: dict[str, Any]
    codec: Codec
    rewrites: tuple[Rewrite, ...]


SMALL = 250
"""A wire of fewer nodes and members of enumerations than these passes no limit, if it has no more levels than these."""
FLAT = 5


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
        found = violations(wired.schema)
        said = " ".join(one.message for one in found)
        many, large = "enum" in said and room.members > 4, "exceed" in said and room.levels > 2
        if found and not (many or large):
            raise SchemaError(
                f"The wire cannot hold this schema: {found[0].message}",
                where=found[0].pointer or "the schema",
                fix="Split it into several schemas, or leave out what is not asked for.",
            )
        if not found:
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
    return wired, wire.built < SMALL and wire.members < SMALL and wire.height <= FLAT


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
        self.own: dict[str, str] = {}
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
        used = self._used(schema) if self.defs else set()
        if used:
            schema["$defs"] = {name: dict(self.defs[name]) for name in self.defs if name in used}
        return Wired(schema, form.codec, tuple(self.rewrites.values()))

    def _boxed_root(self) -> Form:
        form = self.build(self.type.root, 1)
        self.note(self.type.root, "root", 'the root is not an object and is written {"value": ...}')
        return Form(
            object_schema({"value": form.schema}),
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

    def note(self, node: nodes.Node, rule: str, what: str, checked: bool = False, unchecked: bool = False) -> None:
        """One row of the account."""
        self.rewrites.setdefault((node.pointer, rule, what), Rewrite(node.pointer, rule, what, checked, unchecked))

    def loose_pattern(self, node: nodes.Node, pattern: str, whose: str = "pattern") -> None:
        """The row for an expression that the wire does not carry."""
        if readable(pattern):
            self.note(node, "pattern", f"the {whose} {pattern} cannot be enforced on the wire", checked=True)
        else:
            self.note(node, "pattern", f"the {whose} {pattern} is none that can be read here", unchecked=True)

    def label(self, name: str) -> str:
        """The name of a definition of our own: none of the type's has it."""
        if name not in self.own:
            self.own[name] = missing.free(name, {*self.type.named, *self.own.values()})
        return self.own[name]

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
        words = " ".join(filter(None, (node.description, f"Written as JSON text: {outline(self.type, node)}")))
        return Form({"type": "string", "description": words}, TextCodec(), frozenset(("string",)), nodes.Anything())

    def words(self, node: nodes.Node) -> str:
        """The description on the wire: the person's words, and what only words can say there."""
        said = [node.description or _telling(node)]
        for word, value in node.after:
            what, told = later(word, value)
            self.note(node, word, what, True)
            said.append(told)
        return "\n".join(dict.fromkeys(filter(None, said)))

    def array(self, node: nodes.Array, level: int) -> Form:
        item = self.build(node.items, level + 1)
        if isinstance(node.items, nodes.Never):
            item = leaves.null(self, nodes.Null(), level)
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
            form = form if index < least else missing.optional(self, node.prefix[index], form)
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
        fits = [self.fits(form.held) for form in items]
        form = Form(
            object_schema(properties), TupleCodec(codecs, fits, rest_codec, least), frozenset(("object",)), held
        )
        return replace(form, objects=(Shape(tuple(properties)),), height=height)

    @staticmethod
    def _held_item(rest: Form | None) -> nodes.Node | None:
        return None if rest is None else rest.held.items if isinstance(rest.held, nodes.Array) else nodes.Anything()

    # ---- records

    def record(self, node: nodes.Record, level: int) -> Form:
        fields = [field for field in node.fields if not isinstance(field.node, nodes.Never)]
        kinds = self._entry_kinds(node)
        if not fields and kinds:
            return self.map(node, kinds, level)
        self._count(node, sum(field.required for field in fields), None if kinds else len(fields))
        properties: dict[str, Any] = {}
        parts: list[Part] = []
        held: dict[str, nodes.Node] = {}
        height = 0
        tags: dict[str, frozenset[str]] = {}
        for field in fields:
            form, mark = self._field(field, level + 1)
            properties[field.name] = form.schema
            height = max(height, form.height + 1)
            held[field.name] = form.held
            parts.append(Part(field.name, form.codec, not field.required, self.fits(form.held), mark))
            inner = self.resolve(field.node)
            if isinstance(inner, nodes.Choice) and not inner.after and field.required:
                tags[field.name] = tags_of(map(form.codec.encode, inner.values))
        carrier, others = None, None
        if kinds:
            carrier = missing.free("more", properties)
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
            object_schema(properties), codec, frozenset(("object",)), holding, (Shape(tuple(properties), tags),), height
        )

    def _count(self, node: nodes.Record, least: int, most: int | None) -> None:
        """The account of how many properties there may be, where the wire enforces from `least` to `most`."""
        if node.min_properties > least:
            self.note(node, "minProperties", f"at least {node.min_properties} properties", True)
        if node.max_properties is not None and (most is None or most > node.max_properties):
            self.note(node, "maxProperties", f"at most {node.max_properties} properties", True)

    def _ignored(self, node: nodes.Record) -> bool:
        return (
            self.extras == "ignore"
            and bool(node.fields)
            and isinstance(node.extras, nodes.Anything)
            and not node.extras.said
        )

    def _field(self, field: nodes.Field, level: int) -> tuple[Form, Mapping[str, Any] | None]:
        """The form of a property, and how it is written where it is missing (None: as null)."""
        form = self.build(field.node, level)
        if field.required:
            return form, None
        if field.default == (None,) and "null" in form.kinds and level + max(form.height + 1, 3) <= self.room.levels:
            return missing.defaulted(self, field.node, form)
        made = missing.optional(self, field.node, form)
        if level + made.height <= self.room.levels:
            return made, None
        if isinstance(field.node, nodes.Ref) and self._plain(field.node.name):
            inner = described(self.build(self.type.named[field.node.name], level), self.words(field.node))
            made = missing.optional(self, field.node, inner)
            if level + made.height <= self.room.levels:
                return made, None
        return missing.optional(self, field.node, self.as_text(field.node)), None

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
        least = min(1, node.min_properties) if _never_dropped(node, kinds) else 0
        self._count(node, least, node.max_properties)
        form = self.entries(node, kinds, level, least)
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
        patterns = [kind.pattern for kind in kinds if kind.pattern]
        if any(may_overlap(one, other) for one, other in combinations(patterns, 2)):
            self.note(node, "patternProperties", "of two patterns that match one name, the first is enforced", True)
        for index, kind in enumerate(kinds):
            key = "key" if index == len(kinds) - 1 else f"key_{index + 1}"
            form = self.build(kind.node, level + 2 + several)
            name: dict[str, Any] = {"type": "string"}
            written = wire_pattern(kind.pattern)[0] if kind.pattern else None
            if written is not None:
                name["pattern"] = written
            elif kind.pattern:
                name["description"] = f"Must match {kind.pattern}"
                self.loose_pattern(node, kind.pattern, "pattern of names")
            branches.append(object_schema({key: name, "value": form.schema}))
            made.append(Entries(key, form.codec, self.fits(form.held)))
            helds.append(form.held)
            height = max(height, form.height + 2 + several)
        items = {"anyOf": branches} if several else branches[0]
        schema: dict[str, Any] = {"type": "array", "items": items}
        if least:
            schema["minItems"] = least
        if node.max_properties is not None and not _declares(node):
            schema["maxItems"] = node.max_properties
        codec = MapCodec(made, _router(node, kinds))
        entries = tuple(replace(kind, node=held) for kind, held in zip(kinds, helds, strict=True) if kind.pattern)
        extras = helds[-1] if kinds[-1].pattern == "" else None
        held = replace(node, entries=entries, extras=extras, min_properties=least)
        return Form(schema, codec, frozenset(("array",)), held, (), max(height, 2))

    def free_entries(self, node: nodes.Record, kinds: list[nodes.Entry], least: int) -> Form:
        """Entries of any values, by the definitions that every value has."""
        leaves.anything(self, kinds[0].node, 0)
        codec = MapCodec([Entries("k", AnyCodec(), lambda value: True, "v")], _router(node, kinds))
        held = replace(node, entries=(), extras=nodes.Anything(), min_properties=least)
        entry = self.label("anything_entry")
        schema: dict[str, Any] = reference(self.label("anything_entries"))
        height = 1
        most = None if _declares(node) else node.max_properties
        if least or most is not None:
            schema, height = {"type": "array", "items": reference(entry)}, 2
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
        label = self.label("_as_".join(filter(None, (owner, tag[1] if tag else "", first))))
        if label not in self.late:
            self.late[label] = Late()
            self.variants.append((label, owner, tag, first))
        made = _varied(replace(base, schema=_EMPTY_OBJECT), tag, first)
        codec = Codec() if made.codec.identity else self.late[label]
        return replace(made, schema=reference(label), codec=codec)

    def _finish_variants(self) -> None:
        for label, owner, tag, first in self.variants:
            form = _varied(self.made[owner], tag, first)
            self.made[label], self.defs[label] = form, form.schema
            self.late[label].lead_to(form.codec)

    def _reference(self, node: nodes.Ref, level: int) -> Form:
        label = node.name
        if label in self.late and label not in self.made:
            return self._guess(label, node)
        if label not in self.made:
            self._define(label, node)
        made, held = self.made[label], self.held[label]
        if level + made.height > self.room.levels and label not in self.recursive:
            label = self.label(f"{label}_at_{level}")
            if label not in self.made:
                self.late[label] = Late()
                self.made[label] = self.build(self.type.named[node.name], level)
                self.defs[label] = self.made[label].schema
                self.late[label].lead_to(self.made[label].codec)
            made = self.made[label]
            held = made.held
        codec = Codec() if made.codec.identity else self.late[label]
        return replace(
            made, schema=reference(label), codec=codec, held=held if label != node.name else nodes.Ref(name=label)
        )

    def _define(self, label: str, node: nodes.Ref) -> None:
        self.late[label] = Late()
        self.defs[label] = {}
        form = self.build(self.type.named[node.name], 1)
        self.made[label], self.held[label] = form, form.held
        self.defs[label] = form.schema
        self.late[label].lead_to(form.codec)

    def _guess(self, label: str, node: nodes.Ref) -> Form:
        known = self.guesses.get(label)
        body = self.type.named[node.name]
        kinds = known.kinds if known else frozenset(unions.kinds_of(self, body, set()))
        objects = known.objects if known else ()
        form = Form(reference(label), self.late[label], kinds, nodes.Ref(name=node.name), objects, 0)
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
    return frozenset(on_loops(edges))


def _refs(node: nodes.Node) -> list[nodes.Ref]:
    return [node] if isinstance(node, nodes.Ref) else [ref for child in children(node) for ref in _refs(child)]


def _declares(node: nodes.Record) -> bool:
    return any(not isinstance(field.node, nodes.Never) for field in node.fields)


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


_BUILDERS: dict[type, Callable[[Wire, Any, int], Form]] = {
    nodes.Null: leaves.null,
    nodes.Boolean: leaves.boolean,
    nodes.Never: leaves.never,
    nodes.Anything: leaves.anything,
    nodes.Number: leaves.number,
    nodes.Text: leaves.text,
    nodes.Choice: leaves.choice,
    nodes.Array: Wire.array,
    nodes.Tuple: Wire.tuple_,
    nodes.Record: Wire.record,
    nodes.Ref: Wire.ref,
    nodes.Union: Wire.union,
}
