"""The codec's other half for answers that are being written: what is there of a wire value, in the user's shape.

A view stands for one wire value that grows in place and gives the user's value of it, which grows in place as well: it
is told how many parts at the end of the wire value are still open, decodes what has ended once, and looks again only at
what is open. So a look costs what has come since the last one, and the depth. What has ended never changes any more; an
item that cannot be decoded holds back those behind it, since their places would not be right.

A codec that has no row in the table is shown at its end, by its own `partial`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..pointer import ABSENT
from .choosing import RecordCodec, UnionCodec
from .codec import (
    AnyCodec,
    BoxCodec,
    Codec,
    Entries,
    Late,
    ListCodec,
    MapCodec,
    NullMark,
    OrNull,
    TagCodec,
    TupleCodec,
    inside,
)

__all__ = ["View", "view_of"]


class View:
    """What is shown of one wire value. `take` is given the wire value and how many of its last parts are open, itself
    and an unfinished text at the end among them (0: it has ended); it gives the user's value so far, or ABSENT."""

    def take(self, wire: Any, opened: int) -> Any:
        raise NotImplementedError


class _Same(View):
    """The wire value itself, where both shapes are one."""

    def take(self, wire: Any, opened: int) -> Any:
        return wire


class _Whole(View):
    """Nothing, until it has ended."""

    def __init__(self, codec: Codec):
        self._codec = codec

    def take(self, wire: Any, opened: int) -> Any:
        return ABSENT if opened else self._codec.partial(wire)


class _OrNull(View):
    def __init__(self, codec: Codec):
        self._inner = view_of(cast(OrNull, codec).inner)

    def take(self, wire: Any, opened: int) -> Any:
        return None if wire is None else self._inner.take(wire, opened)


class _NullMark(View):
    """An object that is open and holds nothing but the mark may still be null, or another object."""

    def __init__(self, codec: Codec):
        mark = cast(NullMark, codec)
        self._name, self._inner = mark.name, view_of(mark.inner)

    def take(self, wire: Any, opened: int) -> Any:
        if type(wire) is dict and len(wire) < 2 and (not wire or wire.get(self._name, ABSENT) is None):
            if opened:
                return ABSENT
            return None if wire else self._inner.take(wire, 0)
        return self._inner.take(wire, opened)


class _Box(View):
    def __init__(self, codec: Codec):
        box = cast(BoxCodec, codec)
        self._name, self._inner = box.name, view_of(box.inner)

    def take(self, wire: Any, opened: int) -> Any:
        found = inside(wire, self._name)
        return ABSENT if found is ABSENT else self._inner.take(found, max(opened - 1, 0))


class _Items(View):
    """The items of a list, behind those that the value holds already."""

    def __init__(self, item: Codec, value: list[Any]):
        self._item, self.value = item, value
        self._before = len(value)
        self._ended = 0  # items of the wire that have ended and are in the value
        self._last: View | None = None
        self._stuck = False

    def take(self, wire: Any, opened: int) -> Any:
        if not isinstance(wire, list):
            return ABSENT
        count = len(wire) - (opened > 1)
        while self._ended < count and not self._stuck:
            self._put(self._look(wire[self._ended], 0), ended=True)
        if opened > 1 and not self._stuck:
            self._put(self._look(wire[-1], opened - 1), ended=False)
        return self.value

    def _look(self, wire: Any, opened: int) -> Any:
        if self._last is None:
            if not opened:
                return self._item.partial(wire)
            self._last = view_of(self._item)
        return self._last.take(wire, opened)

    def _put(self, made: Any, ended: bool) -> None:
        del self.value[self._before + self._ended :]
        if made is not ABSENT:
            self.value.append(made)
        if ended:
            self._last = None
            self._stuck = made is ABSENT
            self._ended += 1


class _List(View):
    def __init__(self, codec: Codec):
        self._items = _Items(cast(ListCodec, codec).item, [])

    def take(self, wire: Any, opened: int) -> Any:
        return self._items.take(wire, opened)


class _Tuple(View):
    """The items as long as each stands where it should; one that may be missing and is null ends the list."""

    def __init__(self, codec: Codec):
        self._codec = cast(TupleCodec, codec)
        self.value: list[Any] = []
        self._ended = 0
        self._last: View | None = None
        self._rest: _Items | None = None
        self._stuck = False

    def take(self, wire: Any, opened: int) -> Any:
        if not isinstance(wire, dict):
            return ABSENT
        last = next(reversed(wire), None) if opened > 1 else None
        items = self._codec.items
        while self._ended < len(items) and not self._stuck:
            name = f"item{self._ended}"
            held = wire.get(name, ABSENT)
            if held is ABSENT:
                return self.value
            self._stuck = self._ended >= self._codec.least and held is None
            if not self._stuck and not self._next(held, opened - 1 if name == last else 0):
                return self.value
        rest = wire.get("rest", ABSENT)
        if self._codec.rest is not None and not self._stuck and isinstance(rest, list):
            if self._rest is None:
                self._rest = _Items(self._codec.rest, self.value)
            self._rest.take(rest, opened - 1 if last == "rest" else 0)
        return self.value

    def _next(self, held: Any, opened: int) -> bool:
        """Shows the next item; whether it has ended and can be followed by others."""
        if self._last is None:
            self._last = view_of(self._codec.items[self._ended])
        made = self._last.take(held, opened)
        del self.value[self._ended :]
        if made is not ABSENT:
            self.value.append(made)
        if opened:
            return False
        self._last, self._stuck = None, made is ABSENT
        self._ended += 1
        return not self._stuck


class _Map(View):
    """Entries as properties. A property is shown once its name has ended; the first of two with one name stays."""

    def __init__(self, codec: MapCodec, value: dict[str, Any], held_back: Callable[[str], bool] = lambda name: False):
        self._codec, self.value = codec, value
        self._held_back = held_back
        self._ended = 0
        self._last: View | None = None
        self._name: str | None = None  # of the open entry that is shown

    def take(self, wire: Any, opened: int) -> Any:
        if not isinstance(wire, list):
            return ABSENT
        count = len(wire) - (opened > 1)
        while self._ended < count:
            self._end(wire[self._ended])
        if opened > 1:
            self._open(wire[-1], opened - 1)
        return self.value

    def _end(self, entry: Any) -> None:
        """An entry has ended: its property is shown, or what was shown of it is settled."""
        shown, view, self._name, self._last = self._name, self._last, None, None
        self._ended += 1
        if shown is not None and view is not None:
            self._set(shown, view.take(entry["value"], 0))
        elif isinstance(entry, dict):
            for name, value in self._codec._pair(entry, True):
                if name not in self.value and not self._held_back(name):
                    self.value[name] = value

    def _open(self, entry: Any, opened: int) -> None:
        """An entry that is being written is shown while its value comes, if its name is there and tells its kind."""
        if not isinstance(entry, dict) or next(reversed(entry), None) != "value":
            return
        if self._last is None:
            index = next((i for i, kind in enumerate(self._codec.kinds) if kind.key in entry), None)
            name = None if index is None else entry[self._codec.kinds[index].key]
            if index is None or not isinstance(name, str) or self._codec.route(name) != index:
                return
            if name in self.value or self._held_back(name):
                return
            self._last, self._name = view_of(self._codec.kinds[index].codec), name
        assert self._name is not None
        self._set(self._name, self._last.take(entry["value"], opened - 1))

    def _set(self, name: str, value: Any) -> None:
        if value is not ABSENT:
            self.value[name] = value
        else:
            self.value.pop(name, None)


def _map(codec: Codec) -> View:
    return _Map(cast(MapCodec, codec), {})


class _Record(View):
    """Properties as they come. What is carried beside them under the name of a declared one is settled at the end."""

    def __init__(self, codec: Codec):
        self._codec = cast(RecordCodec, codec)
        self._parts = {part.name: part for part in self._codec.parts}
        self.value: dict[str, Any] = {}
        self._ended = 0  # names that have ended
        self._last: View | None = None
        self._name: str | None = None  # the name that is open
        self._carried: _Map | None = None
        self._settled = False

    def take(self, wire: Any, opened: int) -> Any:
        if not isinstance(wire, dict):
            return ABSENT
        if self._name is not None and self._name not in wire:  # it was taken back
            self.value.pop(self._name, None)
            self._name = self._last = None
        new: list[str] = []
        for name in reversed(wire):
            if len(wire) - len(new) <= self._ended:
                break
            new.append(name)
        for at, name in enumerate(reversed(new)):
            still = opened - 1 if opened > 1 and at == len(new) - 1 else 0
            self._show(name, wire[name], still)
            self._ended += not still
        if not opened and not self._settled:
            self._settle(wire)
        return self.value

    def _show(self, name: str, held: Any, opened: int) -> None:
        part = self._parts.get(name)
        if part is None:
            if name == self._codec.carrier and self._codec.others is not None:
                if self._carried is None:
                    self._carried = _Map(self._codec.others, self.value, self._parts.__contains__)
                self._carried.take(held, opened)
            return
        if part.optional and held is None:
            return
        if part.codec.identity:
            self.value[name] = held
        else:
            if self._last is None or self._name != name:
                self._last = view_of(part.codec)
            made = self._last.take(held, opened)
            if made is not ABSENT:
                self.value[name] = made
            else:
                self.value.pop(name, None)
        self._name = name if opened else None
        if not opened:
            self._last = None

    def _settle(self, wire: Mapping[str, Any]) -> None:
        self._settled = True
        codec = self._codec
        carried = wire.get(codec.carrier) if codec.carrier is not None else None
        if codec.others is not None and isinstance(carried, list):
            extras = codec.others.partial(carried)
            codec._add(self.value, {name: one for name, one in extras.items() if name in self._parts})


class _Union(View):
    """One of several, as soon as what is there tells which."""

    def __init__(self, codec: Codec):
        self._codec = cast(UnionCodec, codec)
        self._inner: View | None = None

    def take(self, wire: Any, opened: int) -> Any:
        if self._inner is None:
            branch = self._codec._meant(wire) if not opened or type(wire) is not dict else None
            if branch is None and isinstance(wire, dict):
                branch = self._codec._likely(wire)
            if branch is None:
                return ABSENT
            self._inner = view_of(branch.codec)
        return self._inner.take(wire, opened)


class _Any(View):
    """Every JSON value: objects are entries on the wire."""

    def __init__(self, codec: Codec):
        self._codec = codec
        self._items: _Items | None = None
        self._map: _Map | None = None

    def take(self, wire: Any, opened: int) -> Any:
        if isinstance(wire, list):
            if self._items is None:
                self._items = _Items(self._codec, [])
            return self._items.take(wire, opened)
        if not isinstance(wire, dict):
            return wire
        entries = inside(wire, "map")
        if not isinstance(entries, list):
            return ABSENT
        if self._map is None:
            kinds = [Entries("key", self._codec, lambda value: True)]
            self._map = _Map(MapCodec(kinds, lambda name: 0), {})
        return self._map.take(entries, max(opened - 1, 0))


def _tag(codec: Codec) -> View:
    """A record knows its own names and leaves a constant out."""
    inner = _resolved(cast(TagCodec, codec).inner)
    return _Record(inner) if isinstance(inner, RecordCodec) else _Whole(codec)


def _resolved(codec: Codec) -> Codec:
    while isinstance(codec, Late):
        codec = codec.target
    return codec


_VIEWS: Mapping[type, Callable[[Codec], View]] = {
    AnyCodec: _Any,
    BoxCodec: _Box,
    ListCodec: _List,
    MapCodec: _map,
    NullMark: _NullMark,
    OrNull: _OrNull,
    RecordCodec: _Record,
    TagCodec: _tag,
    TupleCodec: _Tuple,
    UnionCodec: _Union,
}


def view_of(codec: Codec) -> View:
    """The view of a wire value of this codec."""
    codec = _resolved(codec)
    if codec.identity:
        return _Same()
    made = _VIEWS.get(type(codec))
    return _Whole(codec) if made is None else made(codec)
