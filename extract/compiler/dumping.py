"""Instances as JSON values: the inverse of validation.

Pydantic's own dump serves what a program shows: it follows serializers, leaves excluded fields out, shows computed
ones, uses the names of output and hides secrets. A record that is read, repaired and written must come back instead:
`check(dump(x)).value == x`. So a dump here follows the core schema that validation follows, by the names that
validation takes. There is one rule for each kind of core schema; what has no rule, and every value whose type says
nothing (`Any`), goes by the value itself.

A rule also knows which values it takes, so that of several alternatives the right one writes the value. A user's
serializer is asked only where a value has no JSON form otherwise.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import enum
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..errors import SchemaError
from .codec import to_text
from .scalars import by_pydantic, carries_inf_nan, finite, number, spelled, unfit, utf8

__all__ = ["OWN", "Dump", "alias_paths", "dumper", "module_of", "plain"]

Dump = Callable[[Any], Any]
"""A function of an instance that gives its JSON value, or raises `SchemaError` with the place in the value."""

_STANDARD = ("builtins", "functools", "ipaddress", "operator", "pathlib", "re", "zoneinfo")
OWN = frozenset(("", "annotated_types", "pydantic", "pydantic_core", *_STANDARD))
"""Whose validators and serializers belong to a type that is described already."""

_Core = Mapping[str, Any]


@dataclass(slots=True)
class _Way:
    """How values of one core schema are written, and which values those are. `cls` is the class of a record; `other`
    writes what is of another type than the schema says, by a serializer. Values of the very classes in `own` are JSON
    as they are (numbers that JSON has not aside): most fields of most records are, and need not be written."""

    write: Dump
    takes: Callable[[Any], bool]
    cls: type | None = None
    other: Dump | None = None
    own: frozenset[type] = frozenset()


def dumper(core: _Core) -> Dump:
    """The dump of the type that a core schema describes."""
    return _Builder().way(core).write


@dataclass
class _Builder:
    """Makes the ways of one type. `config` is that of the innermost model, as pydantic has it."""

    config: _Core = field(default_factory=dict)
    named: dict[str, _Way] = field(default_factory=dict)

    def way(self, core: _Core) -> _Way:
        if _hidden(core):
            return _Way(_refuse_hidden, lambda value: False)
        made = _RULES.get(core["type"], _by_value)(self, core)
        if "serialization" in core and core["type"] not in _SERIALIZED:
            made = _serialized(made, core["serialization"])
        if "ref" in core and core["type"] != "definition-ref":
            known = self.named.setdefault(core["ref"], made)
            known.write, known.takes, known.cls, known.other = made.write, made.takes, made.cls, made.other
            known.own = made.own
        return made

    def under(self, config: _Core | None) -> _Builder:
        """The builder for what stands in a model with a config of its own."""
        return self if config is None else _Builder(config, self.named)


_SERIALIZED = ("model", "dataclass", "function-before", "function-after", "function-wrap", "function-plain")
"""Kinds that see to their serializers themselves."""


def _serialized(way: _Way, serialization: Any) -> _Way:
    """The way with a serializer, for values that are not of the type that validation begins with."""

    def other(value: Any) -> Any:
        return by_pydantic(value, serialization)

    return _Way(lambda value: (way.write if way.takes(value) else other)(value), way.takes, way.cls, other)


def _hidden(core: _Core) -> bool:
    """Whether a part was taken out of the schema (`SkipJsonSchema`)."""
    functions = core.get("metadata", {}).get("pydantic_js_annotation_functions", ())
    return any(type(getattr(one, "__self__", None)).__name__ == "SkipJsonSchema" for one in functions)


def _refuse_hidden(value: Any) -> Any:
    raise SchemaError(
        f"This value has no place in the schema, because its type is hidden by SkipJsonSchema: {value!r:.80}.",
        fix="Leave the value at its default, or show its type in the schema.",
    )


# ---- by the value itself


def plain(value: Any) -> Any:
    """A value as JSON by what it is. Raises `SchemaError` where it has no JSON form."""
    rule = _BY_CLASS.get(value.__class__) or next((r for kinds, r in _BY_KIND if isinstance(value, kinds)), None)
    if rule is not None:
        return rule(value)
    if hasattr(value, "get_secret_value"):
        return plain(value.get_secret_value())
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    core = getattr(type(value), "__pydantic_core_schema__", None)
    if isinstance(core, Mapping):
        return dumper(core)(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _object((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))
    return by_pydantic(value)


def _object(pairs: Iterable[tuple[Any, Any]], write: Dump = plain, key: Callable[[Any], str] | None = None) -> Any:
    made = {}
    for name, inner in pairs:
        text = (key or _key)(name)
        if text in made:
            raise SchemaError(
                f"Two keys of this dict have one name in JSON: {text!r}.", fix="Give the dict keys of one type."
            )
        try:
            made[text] = write(inner)
        except SchemaError as wrong:
            raise wrong.within(text) from None
    return made


def _list(items: Iterable[Any], write: Dump = plain, own: frozenset[type] = frozenset()) -> list[Any]:
    made = list[Any]()
    try:
        for inner in items:
            made.append(inner if own and _is_own(inner, own) else write(inner))
    except SchemaError as wrong:
        raise wrong.within(len(made)) from None
    return made


def _is_own(value: Any, own: frozenset[type]) -> bool:
    """Whether a value is JSON as it is, where those of these classes are."""
    return value.__class__ in own and (value.__class__ is not float or value - value == 0)


def _key(name: Any) -> str:
    """The name of a property that stands for a key of a dict."""
    return _name_of(name, plain(name))


def _name_of(key: Any, text: Any) -> str:
    if text is None or isinstance(text, (dict, list)):
        raise unfit(key, "Give the dict keys that are texts, numbers or dates.")
    return str(text).lower() if isinstance(text, bool) else str(text)


_BY_KIND: tuple[tuple[type | tuple[type, ...], Dump], ...] = (
    (enum.Enum, lambda value: plain(value.value)),
    ((bool, type(None)), lambda value: value),
    (str, str),
    (int, int),
    (float, finite),
    (Decimal, number),
    ((bytes, bytearray), utf8),
    (Mapping, lambda value: _object(value.items())),
    ((list, tuple, set, frozenset, deque), _list),
)
_MOSTLY = (bool, type(None), str, int, float, Decimal, bytes, dict, list, tuple)
_BY_CLASS = {kind: next(rule for kinds, rule in _BY_KIND if issubclass(kind, kinds)) for kind in _MOSTLY}


# ---- rules for kinds of core schema


def _by_value(builder: _Builder, core: _Core) -> _Way:
    return _Way(plain, lambda value: False)


def _kind(write: Dump, kinds: type | tuple[type, ...], but: tuple[type, ...] = ()) -> Callable[[_Builder, _Core], _Way]:
    """A scalar kind: the values of some Python types."""
    own = frozenset(one for one in (bool, int, str, type(None)) if one is kinds)
    way = _Way(write, lambda value: isinstance(value, kinds) and not isinstance(value, but), own=own)
    return lambda builder, core: way


def _day(value: Any) -> Any:
    return value.isoformat() if value.__class__ is dt.date else plain(value)


def _float(builder: _Builder, core: _Core) -> _Way:
    carried = carries_inf_nan(core, builder.config)
    own = frozenset((float, int))
    return _Way(_spelled if carried else plain, lambda value: isinstance(value, (float, int, Decimal)), own=own)


def _spelled(value: Any) -> Any:
    text = spelled(value)
    return plain(value) if text is None else text


def _bytes(builder: _Builder, core: _Core) -> _Way:
    return _Way(_BYTES.get(builder.config.get("val_json_bytes", ""), utf8), lambda value: isinstance(value, bytes))


_BYTES: dict[str, Dump] = {
    "base64": lambda value: base64.urlsafe_b64encode(value).decode(),
    "hex": lambda value: bytes(value).hex(),
}


def _enum(builder: _Builder, core: _Core) -> _Way:
    members = list(core["members"])
    held = [getattr(one, "value", one) for one in members]
    return _Way(plain, lambda value: any(value is one for one in members) or any(_equal(value, one) for one in held))


def _literal(builder: _Builder, core: _Core) -> _Way:
    expected = [*core["expected"], *(one.value for one in core["expected"] if isinstance(one, enum.Enum))]
    return _Way(plain, lambda value: any(_equal(value, one) for one in expected))


def _equal(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))


def _listed(kind: Any) -> Callable[[_Builder, _Core], _Way]:
    def rule(builder: _Builder, core: _Core) -> _Way:
        inner = core.get("items_schema")
        if inner is None:
            return _Way(_list, lambda value: isinstance(value, kind))
        item = builder.way(inner)
        return _Way(
            lambda value: _list(value, item.write, item.own),
            lambda value: isinstance(value, kind) and all(item.takes(one) for one in value),
        )

    return rule


def _generator(builder: _Builder, core: _Core) -> _Way:
    item = builder.way(core["items_schema"]) if "items_schema" in core else _Way(plain, lambda value: True)
    return _Way(lambda value: _list(value, item.write), lambda value: isinstance(value, Iterable))


def _tuple(builder: _Builder, core: _Core) -> _Way:
    ways = [builder.way(one) for one in core["items_schema"]]
    place = core.get("variadic_item_index")

    def spread(count: int) -> list[_Way]:
        more = count - len(ways)
        return ways if place is None else [*ways[:place], *[ways[place]] * (more + 1), *ways[place + 1 :]]

    def write(value: Any) -> Any:
        chosen = iter(spread(len(value)))
        return _list(value, lambda inner: next(chosen, _Way(plain, bool)).write(inner))

    def takes(value: Any) -> bool:
        if not isinstance(value, tuple):
            return False
        chosen = spread(len(value))
        return len(chosen) == len(value) and all(way.takes(one) for way, one in zip(chosen, value, strict=True))

    return _Way(write, takes)


def _dict(builder: _Builder, core: _Core) -> _Way:
    keys = builder.way(core["keys_schema"]) if "keys_schema" in core else _Way(plain, lambda value: True)
    values = builder.way(core["values_schema"]) if "values_schema" in core else _Way(plain, lambda value: True)
    named = _named_by_text(core.get("keys_schema", {}))

    def key(value: Any) -> str:
        text = keys.write(value)
        if named and not isinstance(text, str):  # validation compares a name of an object with texts alone
            raise unfit(value, "Give the enum texts as values, or name its type, as in class Kind(int, Enum).")
        return _name_of(value, text)

    return _Way(
        lambda value: _object(value.items(), values.write, key),
        lambda value: isinstance(value, Mapping) and all(keys.takes(k) and values.takes(v) for k, v in value.items()),
    )


def _named_by_text(keys: _Core) -> bool:
    return keys.get("type") in ("enum", "literal") and keys.get("sub_type") not in ("int", "float")


def _nullable(builder: _Builder, core: _Core) -> _Way:
    inner = builder.way(core["schema"])
    return _Way(
        lambda value: None if value is None else inner.write(value),
        lambda value: value is None or inner.takes(value),
        own=inner.own | {type(None)},
    )


def _inner(*names: str) -> Callable[[_Builder, _Core], _Way]:
    """A kind that stands around another one, which is found under one of these names."""
    return lambda builder, core: builder.way(next(core[name] for name in names if name in core))


def _chain(builder: _Builder, core: _Core) -> _Way:
    return builder.way(core["steps"][-1])


def _union(builder: _Builder, core: _Core) -> _Way:
    found = core["choices"].values() if isinstance(core["choices"], Mapping) else core["choices"]
    ways = [builder.way(one[0] if isinstance(one, tuple) else one) for one in found]
    otherwise = next((way.write for way in ways if way.write is _refuse_hidden), plain)
    others = [way.other for way in ways if way.other is not None]

    def write(value: Any) -> Any:
        taking = [way for way in ways if way.takes(value)]
        if taking:
            return (taking[0] if len(taking) == 1 else max(taking, key=lambda way: _nearness(way, value))).write(value)
        for other in others:
            with suppress(SchemaError):  # it is a serializer of another alternative
                return other(value)
        return otherwise(value)

    return _Way(write, lambda value: any(way.takes(value) for way in ways))


def _nearness(way: _Way, value: Any) -> int:
    """How near the class of an alternative is to a value's own."""
    return 0 if way.cls is None else len(way.cls.__mro__)


def _json(builder: _Builder, core: _Core) -> _Way:
    held = builder.way(core["schema"]) if "schema" in core else _Way(plain, lambda value: True)
    return _Way(lambda value: to_text(held.write(value)), held.takes)


def _reference(builder: _Builder, core: _Core) -> _Way:
    """A reference, perhaps to what is still in the making."""
    known = builder.named.setdefault(core["schema_ref"], _Way(plain, lambda value: False))
    return _Way(lambda value: known.write(value), lambda value: known.takes(value))


def _definitions(builder: _Builder, core: _Core) -> _Way:
    for one in core["definitions"]:
        builder.way(one)
    return builder.way(core["schema"])


def _function(builder: _Builder, core: _Core) -> _Way:
    """A validator: the value is written as what it was made of where it is still of that type; a type of pydantic's own
    writes itself; a user's serializer serves where there is no other way."""
    serialization = core.get("serialization", {})
    said = serialization.get("function")
    own = serialization.get("type") == "function-plain" and module_of(said) in OWN
    began = core.get("schema") or serialization.get("schema")
    inner = builder.way(began) if began else _Way(plain, lambda value: False)

    def other(value: Any) -> Any:
        return by_pydantic(value, serialization)

    def write(value: Any) -> Any:
        if hasattr(value, "get_secret_value"):
            return inner.write(value.get_secret_value())
        if own and not serialization.get("info_arg"):  # such as Base64Bytes: encoded, it is a value of `inner`
            before = said(value)
            return inner.write(before) if inner.takes(before) else plain(before)
        if not own and inner.takes(value):
            return inner.write(value)
        return other(value) if serialization else inner.other(value) if inner.other else plain(value)

    def takes(value: Any) -> bool:
        held = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        return inner.takes(held)

    return _Way(write, takes, inner.cls, other if serialization else inner.other)


def module_of(function: Any) -> str:
    """The package that a validator or serializer comes from."""
    return (getattr(function, "__module__", None) or "").partition(".")[0]


def _instance(builder: _Builder, core: _Core) -> _Way:
    """A class of the user's: by its serializer, if it has one."""
    serialization, cls = core.get("serialization"), core.get("cls")
    write = plain if serialization is None else lambda value: by_pydantic(value, serialization)
    return _Way(write, lambda value: isinstance(cls, type) and isinstance(value, cls))


# ---- records


@dataclass(frozen=True, slots=True)
class _Member:
    """A field: its name in Python, the name that validation takes, its way, whether it may be left out, and the classes
    whose values are JSON as they are."""

    name: str
    shown: str
    way: _Way
    core: _Core
    required: bool
    own: frozenset[type]

    def default(self) -> Any:
        """The default that stands for the field where it is left out; no value at all where there is none."""
        return self.core.get("default", _NOTHING) if self.core["type"] == "default" else _NOTHING


_NOTHING: Any = object()


def alias_paths(member: _Core) -> list[list[str | int]]:
    """The ways by which validation finds a field, each as its steps: a plain name has one."""
    given = member.get("validation_alias", [])
    if isinstance(given, str):
        return [[given]]
    return [given] if given and not isinstance(given[0], list) else given


def _shown_name(member: _Core, name: str) -> str:
    """The name under which validation takes a field: its alias, the first plain one of several, or its own name."""
    return next((str(path[0]) for path in alias_paths(member) if len(path) == 1), name)


def _members(builder: _Builder, fields: Iterable[tuple[str, _Core]]) -> list[_Member]:
    made = []
    for name, member in fields:
        core = member["schema"]
        required = member.get("required", core["type"] != "default")
        way = builder.way(core)
        made.append(_Member(name, _shown_name(member, name), way, core, required, way.own))
    return made


def _written(members: list[_Member], held: Mapping[str, Any], other: Callable[[str], Any]) -> dict[str, Any]:
    """The fields of an instance: of what it holds, or from where `other` finds them. A default that the type itself
    does not admit (``count: int = None``) has no place in the schema, so it is written by leaving the field out."""
    made = {}
    for one in members:
        name = one.name
        value = held[name] if name in held else other(name)
        if (kind := value.__class__) in one.own and (kind is not float or value - value == 0):  # as `_is_own` says
            made[one.shown] = value
            continue
        if value is _NOTHING:
            continue
        if not one.required and not one.way.takes(value) and _equal(value, one.default()):
            continue
        try:
            made[one.shown] = one.way.write(value)
        except SchemaError as wrong:
            if not one.required and _equal(value, one.default()):
                continue
            raise wrong.within(one.shown) from None
    return made


def _model(builder: _Builder, core: _Core) -> _Way:
    cls = core["cls"]
    inside = builder.under(core.get("config"))
    if core.get("root_model"):
        root = inside.way(core["schema"])
        return _Way(lambda value: root.write(value.root), lambda value: isinstance(value, cls))
    body = _body(core["schema"], ("model-fields", "dataclass-args"))
    if body is None:
        return _Way(by_pydantic, lambda value: isinstance(value, cls))
    extras = inside.way(body["extras_schema"]).write if "extras_schema" in body else plain
    fields = body["fields"]
    named = fields.items() if isinstance(fields, Mapping) else ((one["name"], one) for one in fields)
    members = _members(inside, ((name, one) for name, one in named if one.get("init", True)))
    names = frozenset(member.name for member in members)

    def write(value: Any) -> Any:
        if value.__class__ is not cls and (lost := _fields_of(type(value)) - names):
            raise SchemaError(
                f"{cls.__name__} is declared here, and this {type(value).__name__} has fields that it has not: "
                f"{', '.join(sorted(lost))}.",
                fix=f"Declare {type(value).__name__}, or a union with it.",
            )
        made = _written(members, getattr(value, "__dict__", {}), lambda name: getattr(value, name, _NOTHING))
        more = getattr(value, "__pydantic_extra__", None)
        return made | _object(more.items(), extras) if more else made

    return _Way(write, lambda value: isinstance(value, cls), cls)


def _fields_of(kind: type) -> frozenset[str]:
    found = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "__dataclass_fields__", {})
    return frozenset(name for name, one in found.items() if getattr(one, "init", True) is not False)


def _body(core: _Core, kinds: tuple[str, ...]) -> _Core | None:
    """The fields of a model, inside of its validators."""
    while core["type"] not in kinds:
        if "schema" not in core:
            return None
        core = core["schema"]
    return core


def _typed_dict(builder: _Builder, core: _Core) -> _Way:
    inside = builder.under(core.get("config"))
    members = _members(inside, core["fields"].items())
    names = {one.name for one in members}
    extras = inside.way(core["extras_schema"]).write if "extras_schema" in core else plain

    def write(value: Any) -> Any:
        made = _written(members, value, lambda name: _NOTHING)
        return made | _object(((k, v) for k, v in value.items() if k not in names), extras)

    def takes(value: Any) -> bool:
        if not isinstance(value, Mapping) or any(one.required and one.name not in value for one in members):
            return False
        return all(one.way.takes(value[one.name]) for one in members if one.name in value)

    return _Way(write, takes)


def _named_tuple(builder: _Builder, core: _Core) -> _Way:
    members = _members(builder, ((one["name"], one) for one in core["fields"]))

    def write(value: Any) -> Any:
        chosen = iter(members)
        return _list(value, lambda inner: next(chosen).way.write(inner))

    return _Way(write, lambda value: isinstance(value, core["cls"]))


_RULES: dict[str, Callable[[_Builder, _Core], _Way]] = {
    "any": lambda builder, core: _Way(plain, lambda value: True),
    "none": _kind(plain, type(None)),
    "bool": _kind(plain, bool),
    "int": _kind(plain, int, (bool,)),
    "float": _float,
    "decimal": _float,
    "str": _kind(plain, str),
    "bytes": _bytes,
    "date": _kind(_day, dt.date, (dt.datetime,)),
    "time": _kind(plain, dt.time),
    "datetime": _kind(plain, dt.datetime),
    "timedelta": _kind(plain, dt.timedelta),
    "complex": _kind(plain, complex),
    "uuid": _kind(plain, uuid.UUID),
    "enum": _enum,
    "literal": _literal,
    "is-instance": _instance,
    "list": _listed(list),
    "deque": _listed(deque),
    "set": _listed(set),
    "frozenset": _listed(frozenset),
    "generator": _generator,
    "tuple": _tuple,
    "dict": _dict,
    "ordered-dict": _dict,
    "counter": _dict,
    "frozendict": _dict,
    "nullable": _nullable,
    "default": _inner("schema"),
    "custom-error": _inner("schema"),
    "lax-or-strict": _inner("lax_schema"),
    "json-or-python": _inner("json_schema"),
    "chain": _chain,
    "union": _union,
    "tagged-union": _union,
    "json": _json,
    "definition-ref": _reference,
    "definitions": _definitions,
    "function-before": _function,
    "function-after": _function,
    "function-wrap": _function,
    "function-plain": _function,
    "model": _model,
    "dataclass": _model,
    "typed-dict": _typed_dict,
    "named-tuple": _named_tuple,
}
"""One rule for each kind of core schema; the others are written by their value."""
