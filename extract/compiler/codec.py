"""The codec between a value in the user's shape and the same value on the wire.

One class for each wire form. `encode` and `decode` are exact inverses on the values of the type; `decode` takes
whatever the wire schema admits, and what it gives encodes again to the same value. `partial` decodes a value that is
not finished or not whole: what isn't there is left out (`ABSENT`) and never made up, but an item of a list that cannot
be decoded stays as it was written, so that the places of the others do not change. `locate` brings a place in the
wire value to the place of the same thing in the user's value.

A codec whose forms are the same on both sides says so (`identity`), and then nothing is copied or walked. One that only
leaves something out when it encodes has nothing to do when it decodes (`kept`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..errors import SchemaError
from ..pointer import ABSENT
from .membership import json_type

__all__ = [
    "AnyCodec",
    "BoxCodec",
    "Codec",
    "ContentCodec",
    "Entries",
    "Late",
    "ListCodec",
    "MapCodec",
    "NamedValues",
    "NullMark",
    "OrNull",
    "TagCodec",
    "TextCodec",
    "Tokens",
    "TupleCodec",
]


Tokens = tuple[str, ...]


class Codec:
    """The same on both sides; the other forms override what differs."""

    identity: bool = True

    @property
    def kept(self) -> bool:
        """Whether every wire value is the value that it stands for; of a codec in the making that is not known."""
        return self.identity

    def encode(self, value: Any) -> Any:
        return value

    def decode(self, wire: Any) -> Any:
        return wire

    def partial(self, wire: Any) -> Any:
        return wire

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        return tokens


def misfit(what: str) -> SchemaError:
    return SchemaError(what, fix="Give a value that the schema admits.")


def placed(encode: Callable[[Any], Any], value: Any, *steps: str | int) -> Any:
    """What `encode` gives for a value that stands at these steps; an error tells the place."""
    try:
        return encode(value)
    except SchemaError as wrong:
        raise wrong.within(*steps) from None


def inside(wire: Any, token: str) -> Any:
    """The value under a token, or ABSENT."""
    if isinstance(wire, list):
        return wire[int(token)] if token.isdigit() and int(token) < len(wire) else ABSENT
    return wire.get(token, ABSENT) if isinstance(wire, dict) else ABSENT


def in_place(partial: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """The items of a list by their codec; one that it cannot decode as it was written."""
    made = [(one, partial(one)) for one in items]
    return [one if value is ABSENT else value for one, value in made]


@dataclass
class Late(Codec):
    """A reference: the codec of a definition that may still be in the making. What leads back to itself is not known
    to be kept."""

    target: Codec = field(default_factory=Codec)
    identity: bool = False
    _kept: bool = False

    @property
    def kept(self) -> bool:
        return self._kept

    def lead_to(self, target: Codec) -> None:
        self.target, self._kept = target, target.kept

    def encode(self, value: Any) -> Any:
        return self.target.encode(value)

    def decode(self, wire: Any) -> Any:
        return self.target.decode(wire)

    def partial(self, wire: Any) -> Any:
        return self.target.partial(wire)

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        return self.target.locate(tokens, wire)


@dataclass
class TextCodec(Codec):
    """Any value as its JSON text. A text that is no JSON stands for itself."""

    identity: bool = False

    def encode(self, value: Any) -> Any:
        return to_text(value)

    def decode(self, wire: Any) -> Any:
        return from_text(wire)

    def partial(self, wire: Any) -> Any:
        return from_text(wire) if isinstance(wire, str) else ABSENT

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        return ()


@dataclass
class ContentCodec(Codec):
    """A JSON text in the user's shape, which the wire has as the value itself. Decoding writes it compactly."""

    inner: Codec
    identity: bool = False

    def encode(self, value: Any) -> Any:
        try:
            held = json.loads(value, parse_float=_exact, parse_constant=_refused)
        except (TypeError, ValueError, RecursionError):
            raise misfit(f"A JSON text was expected, not {value!r}.") from None
        return self.inner.encode(held)

    def decode(self, wire: Any) -> Any:
        return to_text(self.inner.decode(wire))

    def partial(self, wire: Any) -> Any:
        found = self.inner.partial(wire)
        return ABSENT if found is ABSENT else to_text(found)

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        return ()


def to_text(value: Any) -> str:
    """Compact JSON text; Decimals keep all their digits."""
    if _has_decimal(value):
        return _spelled(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _has_decimal(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_decimal, value.values()))
    return any(map(_has_decimal, value)) if isinstance(value, list) else isinstance(value, Decimal)


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        inner = ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_spelled(v)}" for k, v in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_spelled, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def _exact(text: str) -> Any:
    number = float(text)
    return number if Decimal(repr(number)) == Decimal(text) else Decimal(text)


def _refused(text: str) -> Any:
    raise ValueError(text)


def from_text(text: str) -> Any:
    """The JSON value of a text, or the text itself where it is none."""
    try:
        return json.loads(text, parse_float=_exact, parse_constant=_refused)
    except (ValueError, RecursionError):
        return text


@dataclass
class NamedValues(Codec):
    """Values that the wire has under another name: structured ones as their JSON text."""

    pairs: Sequence[tuple[Any, Any]] = ()
    identity: bool = False

    def __post_init__(self) -> None:
        self._names = {frozen(value): name for value, name in self.pairs}
        self._values = {frozen(name): value for value, name in self.pairs}

    def encode(self, value: Any) -> Any:
        key = frozen(value)
        if key in self._values and key not in self._names:
            raise misfit(f"{value!r} is none of the members of the enumeration.")
        return self._names.get(key, value)

    def decode(self, wire: Any) -> Any:
        return self._values.get(frozen(wire), wire)

    def partial(self, wire: Any) -> Any:
        return self.decode(wire)


def frozen(value: Any) -> str:
    if isinstance(value, float) and value == value // 1:
        value = int(value)
    return json_type(value) + (json.dumps(value, sort_keys=True, default=str))


@dataclass
class BoxCodec(Codec):
    """A value under one name of an object."""

    inner: Codec
    name: str = "value"
    identity: bool = False

    def encode(self, value: Any) -> Any:
        return {self.name: self.inner.encode(value)}

    def decode(self, wire: Any) -> Any:
        return self.inner.decode(wire[self.name])

    def partial(self, wire: Any) -> Any:
        found = inside(wire, self.name)
        return ABSENT if found is ABSENT else self.inner.partial(found)

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        return self.inner.locate(tokens[1:], inside(wire, self.name)) if tokens else ()


@dataclass
class TagCodec(Codec):
    """An object with a constant before its properties that only the wire has."""

    inner: Codec
    name: str
    value: str
    identity: bool = False

    def encode(self, value: Any) -> Any:
        made = self.inner.encode(value)
        if not isinstance(made, dict):
            raise misfit(f"An object was expected, not {json_type(value)}.")
        return {self.name: self.value, **made}

    def decode(self, wire: Any) -> Any:
        return self.inner.decode({name: inner for name, inner in wire.items() if name != self.name})

    def partial(self, wire: Any) -> Any:
        if not isinstance(wire, dict):
            return ABSENT
        return self.inner.partial({name: inner for name, inner in wire.items() if name != self.name})

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        return () if tokens[:1] == (self.name,) else self.inner.locate(tokens, wire)


@dataclass
class OrNull(Codec):
    """null, or a value of another form."""

    inner: Codec
    identity: bool = False

    @property
    def kept(self) -> bool:
        return self.inner.kept

    def encode(self, value: Any) -> Any:
        return None if value is None else self.inner.encode(value)

    def decode(self, wire: Any) -> Any:
        return None if wire is None else self.inner.decode(wire)

    def partial(self, wire: Any) -> Any:
        return None if wire is None else self.inner.partial(wire)

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        return () if wire is None else self.inner.locate(tokens, wire)


@dataclass
class NullMark(Codec):
    """Where null is a value and a property may be missing as well: null on the wire means missing, and null itself is
    written ``{"value": null}``."""

    inner: Codec
    name: str = "value"
    identity: bool = False

    def encode(self, value: Any) -> Any:
        return {self.name: None} if value is None else self.inner.encode(value)

    def decode(self, wire: Any) -> Any:
        if type(wire) is dict and len(wire) == 1 and self.name in wire and wire[self.name] is None:
            return None
        return self.inner.decode(wire)

    def partial(self, wire: Any) -> Any:
        if wire == {}:  # what stood in it is missing, and it may have been the mark
            return ABSENT
        return None if wire == {self.name: None} else self.inner.partial(wire)

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        return () if wire == {self.name: None} else self.inner.locate(tokens, wire)


@dataclass
class ListCodec(Codec):
    """A list of items that differ on the wire."""

    item: Codec
    identity: bool = False

    def encode(self, value: Any) -> Any:
        if type(value) is not list:
            raise misfit(f"A list was expected, not {json_type(value)}.")
        encode = self.item.encode
        try:
            return [encode(one) for one in value]
        except SchemaError:
            return [placed(encode, one, index) for index, one in enumerate(value)]

    @property
    def kept(self) -> bool:
        return self.item.kept

    def decode(self, wire: Any) -> Any:
        decode = self.item.decode
        return wire if self.kept else [decode(one) for one in wire]

    def partial(self, wire: Any) -> Any:
        if not isinstance(wire, list):
            return ABSENT
        return in_place(self.item.partial, wire)

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        return (tokens[0], *self.item.locate(tokens[1:], inside(wire, tokens[0]))) if tokens else ()


@dataclass
class TupleCodec(Codec):
    """``item0``, ``item1``, ... and ``rest``; the items that may be missing are null, the ones behind them too. `fits`
    says for each item which values it may have."""

    items: Sequence[Codec]
    fits: Sequence[Callable[[Any], bool]]
    rest: Codec | None
    least: int
    identity: bool = False

    def encode(self, value: Any) -> Any:
        if type(value) is not list or len(value) < self.least:
            raise misfit(f"A list of at least {self.least} items was expected.")
        if self.rest is None and len(value) > len(self.items):
            raise misfit(f"A list of at most {len(self.items)} items was expected.")
        wire: dict[str, Any] = {}
        for index, codec in enumerate(self.items):
            if self.least <= index < len(value) and value[index] is None and not self.fits[index](None):
                raise misfit("This item may be left out, but it may not be null.").within(index)
            wire[f"item{index}"] = placed(codec.encode, value[index], index) if index < len(value) else None
        if self.rest is not None:
            rest, first = self.rest.encode, len(self.items)
            wire["rest"] = [placed(rest, one, first + index) for index, one in enumerate(value[first:])]
        return wire

    def decode(self, wire: Any) -> Any:
        value: list[Any] = []
        for index, codec in enumerate(self.items):
            held = wire[f"item{index}"]
            if index >= self.least and held is None:
                return value
            value.append(codec.decode(held))
        if self.rest is not None:
            value.extend(self.rest.decode(one) for one in wire["rest"])
        return value

    def partial(self, wire: Any) -> Any:
        value: list[Any] = []
        for index, codec in enumerate(self.items):
            held = inside(wire, f"item{index}")
            if held is ABSENT or (index >= self.least and held is None):
                return value
            value += in_place(codec.partial, [held])
        rest = inside(wire, "rest")
        if self.rest is not None and isinstance(rest, list):
            value += in_place(self.rest.partial, rest)
        return value

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        if not tokens:
            return ()
        if tokens[0] == "rest" and self.rest is not None:
            if len(tokens) == 1 or not tokens[1].isdecimal():
                return ()
            inner = inside(inside(wire, "rest"), tokens[1])
            return (str(int(tokens[1]) + len(self.items)), *self.rest.locate(tokens[2:], inner))
        index = next((at for at in range(len(self.items)) if tokens[0] == f"item{at}"), None)
        if index is None:
            return ()
        return (str(index), *self.items[index].locate(tokens[1:], inside(wire, tokens[0])))


@dataclass
class AnyCodec(Codec):
    """Every JSON value: objects are written as ``{"map": [{"k", "v"}]}``, with short names since they are many."""

    identity: bool = False

    def encode(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {"map": [{"k": name, "v": self.encode(inner)} for name, inner in value.items()]}
        return [self.encode(one) for one in value] if isinstance(value, list) else value

    def decode(self, wire: Any) -> Any:
        if isinstance(wire, dict):
            return {entry["k"]: self.decode(entry["v"]) for entry in wire["map"]}
        return [self.decode(one) for one in wire] if isinstance(wire, list) else wire

    def partial(self, wire: Any) -> Any:
        if isinstance(wire, list):
            return in_place(self.partial, wire)
        if not isinstance(wire, dict):
            return wire
        entries = inside(wire, "map")
        if not isinstance(entries, list):
            return ABSENT
        made = ((inside(one, "k"), self.partial(inside(one, "v"))) for one in entries)
        return {key: value for key, value in made if isinstance(key, str) and value is not ABSENT}

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        if not tokens:
            return ()
        if isinstance(wire, list):
            return (tokens[0], *self.locate(tokens[1:], inside(wire, tokens[0])))
        if len(tokens) < 2:
            return ()
        entry = inside(inside(wire, "map"), tokens[1])
        key = inside(entry, "k")
        if not isinstance(key, str):
            return ()
        return (key, *(self.locate(tokens[3:], inside(entry, "v")) if tokens[2:3] == ("v",) else ()))


@dataclass(frozen=True)
class Entries:
    """One kind of entry: under which names its key and its value are written, how the value is, and what the wire takes
    as value."""

    key: str
    codec: Codec
    fits: Callable[[Any], bool]
    value: str = "value"


@dataclass
class MapCodec(Codec):
    """Properties that are not declared one by one, as a list of entries. `route` says for a name which kind of entry
    holds it (None: there may be no such property)."""

    kinds: Sequence[Entries]
    route: Callable[[str], int | None]
    identity: bool = False

    def encode(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise misfit(f"An object was expected, not {json_type(value)}.")
        return [self._entry(name, inner) for name, inner in value.items()]

    def _entry(self, name: str, inner: Any) -> dict[str, Any]:
        index = self.route(name)
        if index is None:
            raise misfit(f"There may be no property {name!r}.")
        kind = self.kinds[index]
        return {kind.key: name, kind.value: placed(kind.codec.encode, inner, name)}

    def decode(self, wire: Any) -> Any:
        return dict(pair for entry in wire for pair in self._pair(entry, False))

    def partial(self, wire: Any) -> Any:
        if not isinstance(wire, list):
            return ABSENT
        return dict(pair for entry in wire if isinstance(entry, dict) for pair in self._pair(entry, True))

    def _pair(self, entry: Mapping[str, Any], partly: bool) -> Sequence[tuple[str, Any]]:
        """The property that an entry holds. One that its name does not allow is no property of this type."""
        index = next((index for index, kind in enumerate(self.kinds) if kind.key in entry), None)
        if index is None:
            return ()
        kind, name = self.kinds[index], entry[self.kinds[index].key]
        if kind.value not in entry or not isinstance(name, str):
            return ()
        value = kind.codec.partial(entry[kind.value]) if partly else kind.codec.decode(entry[kind.value])
        meant = self.route(name)
        if meant == index:
            return () if value is ABSENT else ((name, value),)
        if meant is None or value is ABSENT or not self.kinds[meant].fits(value):
            return ()
        return ((name, value),)

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        entry = inside(wire, tokens[0]) if tokens else ABSENT
        for kind in self.kinds:
            name = inside(entry, kind.key)
            if isinstance(name, str):
                held = inside(entry, kind.value)
                inner = kind.codec.locate(tokens[2:], held) if tokens[1:2] == (kind.value,) else ()
                return (name, *inner)
        return ()
