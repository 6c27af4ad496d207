"""A repair's answer: changes of single places of a record, and how they are taken over.

`Patch` belongs to one schema and is compiled once. It says by which paths a failing place can be changed, reads an
answer, and applies it: a change is taken where it was asked for and nowhere else, so every other leaf stays as it was,
whatever the answer holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from . import parse as reading
from .call import Failed, Shape, Target
from .compiler import Extras, Wired, read_schema, wire_of
from .compiler.patching import Change, Place, Places, places_of
from .events import Event
from .extraction import Problem
from .jsontext import dump, same
from .nodes import Record, Type
from .pointer import ABSENT, drop, get, inside, join, put, split

__all__ = ["Change", "Patch", "Patched", "patch_of"]


@dataclass(frozen=True)
class Patched:
    """What came of an answer: the value, an event for each change that was taken or left, and what was wrong with the
    answer itself."""

    value: Any
    events: tuple[Event, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, eq=False)
class Patch:
    """The changes that a schema admits. `shape` is what a call for them carries: it has one form for all modes."""

    name: str
    places: Places = field(repr=False)
    wired: Wired = field(repr=False)

    @cached_property
    def shape(self) -> Shape:
        return Shape(self.name, self.wired.schema, self.wired.schema)

    @cached_property
    def _wire_type(self) -> Type:
        return read_schema(self.wired.schema)

    def targets(self, pointer: str) -> tuple[Target, ...]:
        """By which paths a place can be changed: its own or that of what it is in, else those of what is in it. None:
        only the whole record can be asked for again."""
        steps = split(pointer)
        around = self.places.around(steps)
        found = self.places.below(steps) if around is None else [around]
        return tuple(Target(place.path, place.at(steps), _words(place)) for place in found)

    def whole(self, pointer: str) -> str:
        """What must be asked for to change a place without regard to what it is in: itself, where that is a record; if
        it is in one of several alternatives, or in any value, that as a whole."""
        steps = split(pointer)
        around = self.places.around(steps)
        if around is None or isinstance(self.places.bare(around), Record):
            return pointer
        return join(*steps[: len(around.steps)])

    def covers(self, pointers: Iterable[str]) -> bool:
        """Whether each of these places can be changed by itself."""
        return all(self.targets(pointer) for pointer in pointers)

    def additions(self, value: Any, pointer: str) -> tuple[Failed, ...]:
        """What can be added to an object or a list of a record that is not whole, as a call asks for it."""
        held = get(value, pointer)
        if isinstance(held, list):
            item = self.places.around((*split(pointer), str(len(held))))
            if item is None or len(item.steps) != len(split(pointer)) + 1:
                return ()
            last = f", the last one {dump(held[-1])}" if held else ""
            target = Target(item.path, item.at(split(pointer)), _words(item))
            return (Failed(pointer, None, f"{len(held)} items are there{last}; the next ones are missing", (target,)),)
        inner = (_outer(place, pointer) for place in self.places.below(split(pointer)))
        wanted = dict.fromkeys(one for one in inner if get(value, one) is ABSENT)
        return tuple(Failed(one, None, "this is not there yet", self.targets(one)) for one in wanted)

    def read(
        self, text: str, partial: bool = False
    ) -> tuple[tuple[Change, ...], tuple[Event, ...], tuple[Problem, ...]]:
        """The changes in an answer, what was mended to read it, and what could not be read. `partial`: the answer was
        cut off, and its last change may not be whole, so it is left out."""
        found = reading.read(text, self._wire_type, "safe", partial)
        wrong = [problem.pointer for problem in found.problems]
        listed = found.value.get("changes") if isinstance(found.value, dict) else None
        listed = listed if isinstance(listed, list) else []
        changes = []
        for index, one in enumerate(listed[:-1] if partial else listed):
            if not any(inside(pointer, f"/changes/{index}") for pointer in wrong):
                changes += self._change(one)
        return tuple(changes), found.events, found.problems

    def pointer_of(self, wire: Any) -> str | None:
        """The place that one item of an answer changes, or None."""
        return next((one.pointer for one in self._change(wire)), None)

    def _change(self, wire: Any) -> list[Change]:
        """The change that one item of an answer stands for; none, where its path is unknown or its place unsaid."""
        made = self.wired.codec.partial({"changes": [wire]})["changes"]
        one = made[0] if made and isinstance(made[0], dict) else {}
        path, at = one.get("path"), one.get("at", [])
        place = self.places.by_path.get(path) if isinstance(path, str) else None
        if place is None or not isinstance(at, list) or len(at) != len(place.keys):
            return []
        return [Change(place.pointer(at), one.get("value", ABSENT), place.lists(at))]

    def extend(self, old: Any, text: str, open_: Iterable[str], partial: bool = False) -> Patched:
        """The old value with what an answer adds to the objects and lists at the `open_` places; the rest stays."""
        changes, events, problems = self.read(text, partial)
        places = tuple(open_)
        value = old
        for change in changes:
            fits = any(inside(change.pointer, place) for place in places) and get(value, change.pointer) is ABSENT
            value, made = _put(value, change.pointer, change) if fits else (value, _ignored(change))
            events += made
        return Patched(value, events, problems)

    def apply(self, old: Any, text: str, failed: Iterable[str], partial: bool = False) -> Patched:
        """The old value with what an answer changes at the `failed` places."""
        changes, events, problems = self.read(text, partial)
        places = tuple(failed)
        value = old
        for change in changes:
            value, made = _taken(value, change, places)
            events += made
        return Patched(value, events, problems)


def patch_of(name: str, type_: Type, extras: Extras) -> Patch:
    """The patch of a schema of this name and type."""
    places = places_of(type_)
    return Patch(f"{name[:56]}_changes", places, wire_of(places.type, extras))


def _words(place: Place) -> str:
    return place.node.description


def _taken(value: Any, change: Change, failed: tuple[str, ...]) -> tuple[Any, tuple[Event, ...]]:
    """The value with one change, as far as it was asked for."""
    if any(inside(change.pointer, place) for place in failed):
        return _put(value, change.pointer, change)
    asked = [place for place in failed if inside(place, change.pointer)]
    events: tuple[Event, ...] = ()
    for place in asked:
        value, made = _put(value, place, replace(change, value=get(change.value, place[len(change.pointer) :])))
        events += made
    return value, events if asked else _ignored(change)


def _ignored(change: Change) -> tuple[Event, ...]:
    return (Event("repair.ignored", change.pointer, after=_shown(change.value)),)


def _outer(place: Place, pointer: str) -> str:
    """The place itself, or the outermost one around it, right inside of what a pointer leads to."""
    step = place.steps[len(split(pointer))]
    return pointer + join("0" if step is None else step)


def _put(value: Any, pointer: str, change: Change) -> tuple[Any, tuple[Event, ...]]:
    new = change.value
    before = get(value, pointer)
    if before is new or (before is not ABSENT and new is not ABSENT and same(before, new)):
        return value, ()
    try:
        made = value
        for one in change.lists if new is not ABSENT else ():
            made = put(made, one, []) if get(made, one) in (ABSENT, None) else made
        made = drop(made, pointer) if new is ABSENT else put(made, pointer, new)
    except KeyError:  # the way there leads through something that is no record: the problem stays, and is reported
        return value, (Event("repair.ignored", pointer, after=_shown(new)),)
    return made, (Event("repair.field", pointer, before=_shown(before), after=_shown(new)),)


def _shown(value: Any) -> Any:
    return None if value is ABSENT else value
