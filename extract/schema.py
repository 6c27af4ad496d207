"""The face of a compiled type.

`compile` turns a pydantic type or a JSON Schema into a `Schema`, once per type. A schema knows its full JSON Schema
and its strict wire form, carries values exactly from one to the other and back, reads text as its values, and
accounts for every rewrite. Values here are JSON values; instances of the user's type are made by `check`, after
`decode`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Generic, Literal, TypeVar, overload

from . import nodes
from . import parse as reading
from .call import Shape
from .compiler import Extras, Finding, Rewrite, Wired, lint, read_schema, wire_of
from .compiler.checking import Check, json_schema_check, pydantic_check
from .compiler.codec import Codec
from .compiler.declared import declared, name_of
from .compiler.faults import worded
from .compiler.growing import view_of
from .compiler.straight import Straight, straight
from .compiler.wellformed import require_wellformed
from .errors import ReadingFailed, SchemaError
from .events import Event
from .extraction import Problem
from .frozen import quick
from .jsontext import dump, same, sure
from .patch import Patch, patch_of
from .pointer import ABSENT, get, join, leaves, split

__all__ = ["Checked", "Finding", "Json", "Rewrite", "Schema", "compile"]

T = TypeVar("T")
Json = Any
"""A JSON value: dict, list, str, int, float, Decimal (a number whose digits a float would lose), bool or None."""

Strict = Literal["allow", "require"]


_FIXES: Mapping[reading.Policy, str] = {
    "strict": "Ask again, or read it with policy='safe'.",
    "safe": "Ask again, or read it with policy='lenient'.",
    "lenient": "Ask again: even policy='lenient' could not read it.",
}


@quick
@dataclass(frozen=True)
class Checked(Generic[T]):
    """What validation gave: the value of the user's type, or None and what is wrong."""

    value: T | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, eq=False)
class Schema(Generic[T]):
    """A compiled type. `type` are the nodes of the user's shape, `strict` is the wire schema; `quick` says that
    checking a value runs none of the user's code, so far as can be seen."""

    name: str
    full: dict[str, Any] = field(repr=False)
    type: nodes.Type = field(repr=False)
    _wired: Wired = field(repr=False)
    _check: Check = field(repr=False)
    _dump: Callable[[Any], Json] = field(repr=False)
    _extras: Extras = "ignore"
    quick: bool = False
    _core: Mapping[str, Any] | None = field(default=None, repr=False)

    @cached_property
    def patch(self) -> Patch:
        """How single places of a record are asked for again. There is one such schema for each, whatever fails."""
        return patch_of(self.name, self.type, self._extras)

    @property
    def strict(self) -> dict[str, Any]:
        """The schema that is sent: what OpenAI's strict mode takes."""
        return self._wired.schema

    @cached_property
    def wire_type(self) -> nodes.Type:
        """The nodes of the wire schema, for reading answers in its shape."""
        return read_schema(self.strict)

    @cached_property
    def _has_entries(self) -> bool:
        """Whether the wire form writes properties as entries, which can have one name twice."""
        return '"key"' in json.dumps(self.strict)

    @cached_property
    def _straight(self) -> Straight | None:
        """The short way of values on the wire to instances and back, if the type is plain enough to have one."""
        return straight(self._core, self.wire_type) if self._core is not None and self.codec.kept else None

    @cached_property
    def _plainly(self) -> Straight | None:
        """The same for values in the user's shape, which have been read."""
        return self._straight or (None if self._core is None else straight(self._core))

    @cached_property
    def shape(self) -> Shape:
        """The schema as plain values, as a call carries it."""
        return Shape(self.name, self.full, self.strict)

    @property
    def fingerprint(self) -> str:
        """A hash of name, full and wire schema: the same on every machine."""
        return self.shape.fingerprint

    # ---- the codec

    @property
    def codec(self) -> Codec:
        """The codec between the two shapes."""
        return self._wired.codec

    def encode(self, value: Json) -> Json:
        """The value as it stands on the wire. Raises `SchemaError` for what has no place there."""
        return _bounded(self._wired.codec.encode, value)

    def decode(self, wire: Json) -> Json:
        """The value that a wire value stands for."""
        return _bounded(self._wired.codec.decode, wire)

    def decode_partial(self, wire: Json) -> Json:
        """The value of a wire value that is unfinished or not whole: what isn't there is left out."""
        made = self._wired.codec.partial(wire)
        return None if made is ABSENT else made

    def user_pointer(self, wire_pointer: str, wire_value: Json) -> str:
        """The place in the user's value that a place in a wire value stands for, as near as there is one."""
        return join(*self._wired.codec.locate(split(wire_pointer), wire_value))

    # ---- validation

    def check(self, value: Json, context: Any = None) -> Checked[T]:
        """Validates a JSON value in the user's shape: with pydantic, or with the JSON Schema that was given. `context`
        reaches pydantic's validators."""
        try:
            if self._plainly is not None:
                with suppress(ValueError):  # pydantic's ValidationError is one; what is wrong is told by the other way
                    return Checked(self._plainly.make(value))
            made, problems = self._check(value, context)
        except RecursionError:
            if not _deep(value):  # it is a validator's own
                raise
            return Checked(None, (Problem("", "The value is nested too deeply."),))
        return Checked(made, problems)

    def dump(self, instance: T) -> Json:
        """An instance as a JSON value in the user's shape. Raises `SchemaError`, with the place, for what JSON has
        not."""
        return _bounded(self._dump, instance)

    def dump_made(self, instance: T) -> Json:
        """`dump` of an instance that validation made and nobody has changed."""
        if self._plainly is not None:
            made = self._plainly.dump(instance)
            if sure(made) is not None:
                return made
        return self.dump(instance)

    # ---- reading

    def parse(
        self,
        text: str,
        policy: reading.Policy = "safe",
        shape: Literal["user", "wire"] = "user",
        partial: bool = False,
    ) -> reading.Reading:
        """The value that a text holds. Raises `ReadingFailed` where it cannot be read without guessing."""
        found = self.read(text, policy, shape, partial)
        if found.problems:
            first = found.problems[0]
            raise ReadingFailed(
                first.message,
                where=first.pointer or "the answer",
                fix=_FIXES[policy],
                value=found.value,
                events=found.events,
                problems=found.problems,
            )
        return found

    def read(
        self,
        text: str,
        policy: reading.Policy = "safe",
        shape: Literal["user", "wire"] = "user",
        partial: bool = False,
    ) -> reading.Reading:
        """The same without raising: value, events and problems."""
        if partial:
            reader = self.reader(shape, policy)
            reader.feed(text)
            return reader.so_far()
        _require_shape(shape)
        if shape == "user":
            return self._worded(reading.read(text, self.type, policy))
        return self._unwired(reading.read(text, self.wire_type, policy))

    def take(self, text: str) -> tuple[Json, T] | None:
        """The value that a text in the wire's shape is, and its instance, where nothing has to be mended, converted or
        told: read and checked in one, as most answers can be. None says nothing; `read` and `check` do."""
        if self._straight is None or (value := reading.quick(text)) is ABSENT:
            return None
        try:
            return value, self._straight.make(value)
        except (ValueError, RecursionError):  # pydantic's ValidationError is a ValueError
            return None

    def read_cut(self, text: str, shape: Literal["user", "wire"] = "user") -> reading.Reading:
        """What is certain of an answer that was cut off, and which of its lists and objects were open."""
        _require_shape(shape)
        if shape == "user":
            return self._worded(reading.read_cut(text, self.type))
        wire = reading.read_cut(text, self.wire_type)
        if wire.cut is None:
            return self._unwired(wire)
        places = tuple(dict.fromkeys(self.user_pointer(place, wire.value) for place in wire.cut.open))
        last = None if wire.cut.last is None else self.user_pointer(wire.cut.last, wire.value)
        return replace(self._unwired(wire), cut=replace(wire.cut, open=places, last=last))

    def reader(self, shape: Literal["user", "wire"] = "user", policy: reading.Policy = "safe") -> reading.Reader:
        """Reads an answer while it is being written, in the shape that was asked for."""
        _require_shape(shape)
        return reading.Reader(self.type, policy) if shape == "user" else _WireReader(self, policy)

    def _unwired(self, found: reading.Reading) -> reading.Reading:
        """A whole reading of the wire shape in the user's."""
        wire = found.value
        if found.problems:
            return self._placed(found, self.decode_partial(wire), wire)
        value = self.decode(wire) if found.complete else self.decode_partial(wire)
        if not (found.events or self._has_entries):
            return found if value is wire else replace(found, value=value)
        if self._has_entries and not same(value, view_of(self._wired.codec).take(wire, 0)):
            # the view keeps the first of two entries with one name, decoding the last
            doubled = Problem("", "A name stands twice among the entries of an object", "reading")
            found = replace(found, problems=(doubled,))
        return self._placed(found, value, wire)

    def _placed(self, found: reading.Reading, value: Json, wire: Json) -> reading.Reading:
        """A reading of the wire shape with the user's value and the user's places."""
        return self._worded(
            replace(
                found,
                value=value,
                events=tuple(self._event(event, wire) for event in found.events),
                problems=tuple(replace(one, pointer=self.user_pointer(one.pointer, wire)) for one in found.problems),
            )
        )

    def _worded(self, found: reading.Reading) -> reading.Reading:
        """A reading whose problems are told in the words of the type."""
        if not found.problems:
            return found
        return replace(found, problems=tuple(self._told(one, found.value) for one in found.problems))

    def _told(self, problem: Problem, value: Json) -> Problem:
        held = get(value, problem.pointer)
        if (
            problem.kind != "missing" and held is not ABSENT and not same(held, problem.value)
        ):  # it is about something that has no place of its own
            return problem
        return worded(problem, self.type, self.type.root, split(problem.pointer))

    def _event(self, event: Event, wire: Json) -> Event:
        return replace(event, pointer=self.user_pointer(event.pointer, wire))

    # ---- the account

    def explain(self) -> tuple[Rewrite, ...]:
        """Every rewrite, and every constraint that is checked once a value is there, by place in the full schema."""
        return self._wired.rewrites

    def lint(self) -> tuple[Finding, ...]:
        """What OpenAI and Azure would refuse, and what is costly."""
        return lint(self.full, self._wired)


_LEVELS = 150
"""Values of fewer levels can be carried, whatever else is on Python's stack."""


def _deep(value: Json) -> bool:
    """Whether a value has more levels than can be carried."""
    waiting = [(value, 0)]
    while waiting:
        held, level = waiting.pop()
        if level > _LEVELS:
            return True
        inner = held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()
        waiting.extend((one, level + 1) for one in inner)
    return False


def _bounded(work: Callable[[Any], Json], value: Any) -> Json:
    try:
        return work(value)
    except SchemaError as wrong:
        raise wrong if wrong.where else SchemaError(wrong.message, "the value", wrong.fix) from None
    except RecursionError:
        raise SchemaError(
            "The value is nested too deeply.",
            "the value",
            f"Give a value of fewer levels: some {_LEVELS} can be carried.",
        ) from None


def _require_shape(shape: str) -> None:
    if shape not in ("user", "wire"):
        raise ValueError(f"shape is 'user' or 'wire', not {shape!r}")


class _WireReader(reading.Reader):
    """Follows an answer in the wire shape and shows it in the user's."""

    def __init__(self, schema: Schema[Any], policy: reading.Policy):
        super().__init__(schema.wire_type, policy)
        self._schema = schema
        self._view = view_of(schema._wired.codec)
        self._shown = reading.Live(self._closed, lambda place: schema.user_pointer(place, self._live.value))

    def feed(self, text: str) -> reading.Live:
        before, follows = len(self._rest), self._step is not None
        wire, shown = super().feed(text), self._shown
        if follows and wire.value is not None and len(self._rest) < before + len(text):  # a piece was read
            made = self._view.take(wire.value, self.opened)
            shown.value = None if made is ABSENT else made
            shown.complete = wire.complete
        return shown

    @property
    def value(self) -> Json:
        return self._shown.value

    def so_far(self) -> reading.Reading:
        return self._schema._placed(super().so_far(), self._shown.value, self._live.value)

    def _whole(self, text: str) -> reading.Reading:
        return self._schema._unwired(super()._whole(text))


@overload
def compile(source: type[T], *, extras: Extras = "ignore", strict: Strict = "allow") -> Schema[T]: ...
@overload
def compile(
    source: Mapping[str, Any] | bool, *, extras: Extras = "ignore", strict: Strict = "allow"
) -> Schema[Any]: ...
@overload
def compile(source: Any, *, extras: Extras = "ignore", strict: Strict = "allow") -> Schema[Any]: ...
def compile(source: Any, *, extras: Extras = "ignore", strict: Strict = "allow") -> Schema[Any]:
    """The compiled form of a pydantic type, or of a JSON Schema (drafts 4 to 2020-12) as a dict. Made once per type.

    `extras` says what becomes of undeclared properties of open objects: left out, or carried. `strict="require"`
    refuses a schema with constraints that the wire does not enforce. Raises `SchemaError`, with the place and the
    remedy, for what cannot be held exactly.
    """
    if isinstance(source, (Mapping, bool)):
        schema = _of_json(_text_of(source), extras)
    else:
        try:
            schema = _of_type(source, extras)
        except TypeError:
            schema = _of_type.__wrapped__(source, extras)
    if strict == "require":
        _require(schema)
    return schema


def _text_of(source: Mapping[str, Any] | bool) -> bytes:
    try:
        return dump(source).encode()  # in its own order, which is the order of the wire
    except (TypeError, ValueError) as wrong:
        place, odd = next(((at, value) for at, value in leaves(source) if not _is_json(value)), ("", source))
        raise SchemaError(
            f"This is no JSON value: {odd!r:.80}.",
            where=place or "the schema",
            fix="A JSON Schema holds objects, lists, texts, finite numbers, true, false and null.",
        ) from wrong


def _is_json(value: Any) -> bool:
    try:
        dump(value)
    except (TypeError, ValueError):
        return False
    return True


def _require(schema: Schema[Any]) -> None:
    loose = [one for one in schema.explain() if one.loose]
    if loose:
        raise SchemaError(
            f"{len(loose)} constraints of {schema.name} are not enforced on the wire; the first: {loose[0].what}.",
            where=loose[0].pointer or "the schema",
            fix="Change the schema, or compile it with strict='allow': they are then checked once a value is there.",
        )


@lru_cache(maxsize=1024)
def _of_type(source: Any, extras: Extras) -> Schema[Any]:
    described = declared(source)
    type_ = read_schema(described.annotated, declared=True)
    wired = wire_of(type_, extras)
    checked = tuple(Rewrite(place, "validator", f"the validator {name!r}", True) for place, name in described.functions)
    wired = replace(wired, rewrites=wired.rewrites + checked)
    check, quick = pydantic_check(described), not described.functions
    core = described.adapter.core_schema
    return Schema(name_of(source), described.full, type_, wired, check, described.dumped, extras, quick, core)


@lru_cache(maxsize=1024)
def _of_json(text: bytes, extras: Extras) -> Schema[Any]:
    full = json.loads(text)
    require_wellformed(full)
    title = full.get("title") if isinstance(full, dict) else None
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", title).strip("_")[:64] if isinstance(title, str) else ""
    type_ = read_schema(full)
    return Schema(name or "answer", full, type_, wire_of(type_, extras), json_schema_check(full), _as_it_is, extras)


def _as_it_is(value: Json) -> Json:
    return value
