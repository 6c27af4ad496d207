"""Which part of an answer's text each leaf of the user's value rests on.

`trace` goes the way that a codec's `partial` goes, one row for each codec in a table, and gives a value of the same
form whose leaves are `Leaf`s: they hold the leaf's value and the places in the text that say it. `trace_given` does so
for an answer in the user's own shape.

Most leaves rest on one literal. What says something about all that is in a value (the key of an entry, a name that no
type declares, the variant that tells alternatives apart, the text of a structured member of an enumeration) is `above`
each leaf in it. A property that the answer says is missing is a leaf as well, with the value `ABSENT`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from .. import nodes
from ..compiler.choosing import RecordCodec, UnionCodec
from ..compiler.codec import (
    AnyCodec,
    BoxCodec,
    Codec,
    ContentCodec,
    Late,
    ListCodec,
    MapCodec,
    NamedValues,
    NullMark,
    OrNull,
    TagCodec,
    TextCodec,
    TupleCodec,
)
from ..pointer import ABSENT
from .spots import Span, Spot, spot_within

__all__ = ["Leaf", "Traced", "trace", "trace_given"]

Above = tuple[Span, ...]


@dataclass(slots=True)
class Leaf:
    """A leaf of the user's value: a scalar, an empty object or list, or `ABSENT`. `own` are the places that say it,
    `above` those that say it along with others; None: it is not known where it stands."""

    value: Any
    above: Above
    own: tuple[Span, ...] | None


Traced = Any
"""A dict or a list of what was traced, a `Leaf`, or `ABSENT`, where there is nothing."""


def trace(codec: Codec, spot: Spot, text: bytes) -> Traced:
    """The user's value of a wire value that stands at a spot of a text. A codec without a row has nothing to show."""
    return _Tracer(text).of(codec, spot, ())


class _Tracer:
    def __init__(self, text: bytes):
        self.text = text

    def of(self, codec: Codec, spot: Spot, above: Above) -> Traced:
        codec = _resolved(codec)
        if codec.identity:
            return _as_it_is(spot, above)
        rule = _RULES.get(type(codec))
        return ABSENT if rule is None else rule(self, codec, spot, above)


def _resolved(codec: Codec) -> Codec:
    while isinstance(codec, Late):
        codec = codec.target
    return codec


def _as_it_is(spot: Spot, above: Above) -> Traced:
    """What has one form on both sides."""
    if spot.members:
        return {name: _as_it_is(inner, above) for name, inner in spot.members.items()}
    if spot.items:
        return [_as_it_is(inner, above) for inner in spot.items]
    return Leaf(spot.value, above, (spot.span,))


def _spread(value: Any, above: Above) -> Traced:
    """A value that one literal says as a whole."""
    if isinstance(value, dict) and value:
        return {name: _spread(inner, above) for name, inner in value.items()}
    if isinstance(value, list) and value:
        return [_spread(inner, above) for inner in value]
    return Leaf(value, above, ())


def _plain(traced: Traced) -> Any:
    """The value itself."""
    if isinstance(traced, dict):
        return {name: made for name, inner in traced.items() if (made := _plain(inner)) is not ABSENT}
    if isinstance(traced, list):
        return [_plain(inner) for inner in traced]
    return traced.value if isinstance(traced, Leaf) else traced


def _there(traced: Traced) -> bool:
    return traced is not ABSENT and not (isinstance(traced, Leaf) and traced.value is ABSENT)


def _listed(items: list[Traced], spot: Spot, above: Above, whole: bool) -> Traced:
    """A list, or a leaf where it is empty; `whole` says whether the answer has it so, and nothing was left out."""
    return items or Leaf([], above, (spot.span,) if whole else None)


# ---- a row for each codec


def _text(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    """Of a list or an object in a JSON text each leaf has its own place in the text."""
    if not isinstance(spot.value, str):
        return ABSENT
    value = codec.decode(spot.value)
    if isinstance(value, (dict, list)) and value:
        inner = spot_within(value, spot, self.text)
        return _spread(value, (*above, spot.span)) if inner is None else _as_it_is(inner, above)
    return Leaf(value, above, (spot.span,))


def _content(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    """One text for the user, of which everything that the wire has is a part."""
    value = codec.partial(spot.value)
    return ABSENT if value is ABSENT else Leaf(value, above, tuple(leaf.span for leaf in spot.leaves()))


def _named(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    if not spot.empty:
        return _as_it_is(spot, above)
    return _spread(codec.decode(spot.value), (*above, spot.span))


def _box(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    box = cast(BoxCodec, codec)
    found = spot.members.get(box.name)
    return ABSENT if found is None else self.of(box.inner, found, above)


def _tag(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    tag = cast(TagCodec, codec)
    if not isinstance(spot.value, dict):
        return ABSENT
    said = spot.members.get(tag.name)
    members = {name: inner for name, inner in spot.members.items() if name != tag.name}
    value = {name: inner for name, inner in spot.value.items() if name != tag.name}
    inner = Spot(value, spot.span, members, spot.names)
    return self.of(tag.inner, inner, above if said is None else (*above, said.span))


def _or_null(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    return _as_it_is(spot, above) if spot.value is None else self.of(cast(OrNull, codec).inner, spot, above)


def _null_mark(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    mark = cast(NullMark, codec)
    if spot.value == {}:
        return ABSENT
    return Leaf(None, above, (spot.span,)) if spot.value == {mark.name: None} else self.of(mark.inner, spot, above)


def _list(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    if not isinstance(spot.value, list):
        return ABSENT
    item = cast(ListCodec, codec).item
    made = [one for one in (self.of(item, inner, above) for inner in spot.items) if one is not ABSENT]
    return _listed(made, spot, above, spot.empty)


def _tuple(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    """The items up to the first that is missing; that there are no more is said by all that follow."""
    listed = cast(TupleCodec, codec)
    made: list[Traced] = []
    for index, item in enumerate(listed.items):
        held = spot.members.get(f"item{index}")
        if held is None or (index >= listed.least and held.value is None):
            return _listed(made, spot, above, held is not None)
        one = self.of(item, held, above)
        if one is ABSENT:
            return _listed(made, spot, above, False)
        made.append(one)
    rest = spot.members.get("rest")
    if listed.rest is not None and rest is not None:
        made += [one for one in (self.of(listed.rest, inner, above) for inner in rest.items) if one is not ABSENT]
    return _listed(made, spot, above, rest is None or rest.empty)


def _anything(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    if isinstance(spot.value, list):
        items = [one for one in (self.of(codec, inner, above) for inner in spot.items) if one is not ABSENT]
        return _listed(items, spot, above, spot.empty)
    if not isinstance(spot.value, dict):
        return _as_it_is(spot, above)
    entries = spot.members.get("map")
    if entries is None or not isinstance(entries.value, list):
        return ABSENT
    made: dict[str, Traced] = {}
    for entry in entries.items:
        key, held = entry.members.get("k"), entry.members.get("v")
        if key is not None and held is not None and isinstance(key.value, str):
            one = self.of(codec, held, (*above, key.span))
            if one is not ABSENT:
                made[key.value] = one
    return made or Leaf({}, above, (spot.span,) if entries.empty else None)


def _map(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    if not isinstance(spot.value, list):
        return ABSENT
    listed = cast(MapCodec, codec)
    made = {}
    for entry in spot.items:
        index = next((index for index, kind in enumerate(listed.kinds) if kind.key in entry.members), None)
        if index is None:
            continue
        kind = listed.kinds[index]
        key, held = entry.members[kind.key], entry.members.get(kind.value)
        if held is None or not isinstance(key.value, str):
            continue
        one, meant = self.of(kind.codec, held, (*above, key.span)), listed.route(key.value)
        if one is not ABSENT and (meant == index or (meant is not None and listed.kinds[meant].fits(_plain(one)))):
            made[key.value] = one
    return made or Leaf({}, above, (spot.span,) if spot.empty else None)


def _record(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    if not isinstance(spot.value, dict):
        return ABSENT
    record = cast(RecordCodec, codec)
    made: dict[str, Traced] = {}
    for part in record.parts:
        held = spot.members.get(part.name)
        if held is None:
            continue
        marked = part.missing is not None and isinstance(held.value, dict) and held.value.keys() <= part.missing.keys()
        if marked or (part.optional and part.missing is None and held.value is None):
            if held.value == part.missing:
                made[part.name] = Leaf(ABSENT, above, (held.span,))
            continue
        one = self.of(part.codec, held, above)
        if one is not ABSENT:
            made[part.name] = one
    carried = spot.members.get(record.carrier) if record.carrier is not None else None
    if record.others is not None and carried is not None and carried.items:
        _carry(record, made, self.of(record.others, carried, above))
    return made or Leaf({}, above, (spot.span,))


def _carry(record: RecordCodec, made: dict[str, Traced], extras: Traced) -> None:
    """Takes over the carried properties; one that is declared only where its own place is empty and it fits there."""
    fits = {part.name: part.fits for part in record.parts}
    for name, inner in extras.items() if isinstance(extras, dict) else ():
        if name not in fits or (not _there(made.get(name, ABSENT)) and fits[name](_plain(inner))):
            made[name] = inner


def _union(self: _Tracer, codec: Codec, spot: Spot, above: Above) -> Traced:
    """The name of a box tells the alternative as a variant does."""
    branch = cast(UnionCodec, codec).branch(spot.value)
    if branch is None:
        return ABSENT
    box = _resolved(branch.codec)
    told = spot.names.get(box.name) if isinstance(box, BoxCodec) else None
    return self.of(box, spot, above if told is None else (*above, told))


_RULES: Mapping[type, Callable[[_Tracer, Codec, Spot, Above], Traced]] = {
    AnyCodec: _anything,
    BoxCodec: _box,
    ContentCodec: _content,
    ListCodec: _list,
    MapCodec: _map,
    NamedValues: _named,
    NullMark: _null_mark,
    OrNull: _or_null,
    RecordCodec: _record,
    TagCodec: _tag,
    TextCodec: _text,
    TupleCodec: _tuple,
    UnionCodec: _union,
}


# ---- answers in the user's own shape


def trace_given(type_: nodes.Type, spot: Spot) -> Traced:
    """The value at a spot, in the user's shape already. A name that the type does not declare is data, as a key is."""
    return _Given(type_).of((type_.root,), spot, ())


class _Given:
    """Walks a value beside all the nodes that may stand there; nothing needs to be decided between alternatives."""

    def __init__(self, type_: nodes.Type):
        self.type = type_
        self._known: dict[tuple[int, ...], _Inside] = {}

    def of(self, kinds: tuple[nodes.Node, ...], spot: Spot, above: Above) -> Traced:
        if spot.empty:
            return Leaf(spot.value, above, (spot.span,))
        inside = self._inside(kinds)
        if spot.items:
            return [self.of(inside.item(index), inner, above) for index, inner in enumerate(spot.items)]
        made = {}
        for name, inner in spot.members.items():
            declared = inside.fields.get(name)
            below = above if declared else (*above, spot.names[name])
            made[name] = self.of(declared or inside.others, inner, below)
        return made

    def _inside(self, kinds: tuple[nodes.Node, ...]) -> _Inside:
        key = tuple(map(id, kinds))
        if key not in self._known:
            self._known[key] = _Inside(list(self._flat(kinds, set())))
        return self._known[key]

    def _flat(self, kinds: tuple[nodes.Node, ...], seen: set[int]) -> list[nodes.Node]:
        """The nodes without references and unions."""
        found: list[nodes.Node] = []
        for kind in kinds:
            kind = self.type.resolve(kind)
            if id(kind) not in seen:
                seen.add(id(kind))
                found += self._flat(kind.branches, seen) if isinstance(kind, nodes.Union) else [kind]
        return found


class _Inside:
    """What may stand inside of a value of any of some nodes."""

    def __init__(self, kinds: list[nodes.Node]):
        self.fields: dict[str, tuple[nodes.Node, ...]] = {}
        self.others: tuple[nodes.Node, ...] = ()
        self._lists = [kind for kind in kinds if isinstance(kind, (nodes.Array, nodes.Tuple))]
        for kind in kinds:
            if isinstance(kind, nodes.Record):
                for one in kind.fields:
                    self.fields[one.name] = (*self.fields.get(one.name, ()), one.node)
                self.others += tuple(entry.node for entry in kind.entries)
                self.others += () if kind.extras is None else (kind.extras,)
        self._items: dict[int, tuple[nodes.Node, ...]] = {}

    def item(self, index: int) -> tuple[nodes.Node, ...]:
        """The nodes that an item may have."""
        index = min(index, max((len(one.prefix) for one in self._lists if isinstance(one, nodes.Tuple)), default=0))
        if index not in self._items:
            self._items[index] = tuple(filter(None, (_item(one, index) for one in self._lists)))
        return self._items[index]


def _item(kind: nodes.Node, index: int) -> nodes.Node | None:
    if isinstance(kind, nodes.Tuple):
        return kind.prefix[index] if index < len(kind.prefix) else kind.rest
    return kind.items if isinstance(kind, nodes.Array) else None
