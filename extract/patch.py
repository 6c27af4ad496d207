"""A repair's answer: changes of single places of a record, and how they are taken over.

`Patch` belongs to one schema and is compiled once. It says by which paths a failing place can be changed, reads an
answer, and applies it: a change is taken where it was asked for and nowhere else, so every other leaf stays as it was,
whatever the answer holds. How a record that was cut off goes on by such changes is the work of `rest`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from . import parse as reading
from .call import Shape, Target
from .compiler import Extras, Wired, read_schema, wire_of
from .compiler.faults import worded
from .compiler.patching import Change, Place, Places, places_of
from .events import Event
from .extraction import Problem
from .jsontext import same
from .nodes import Record, Type
from .pointer import ABSENT, drop, existing, get, inside, join, put, split, upwards

__all__ = ["GONE", "Answer", "Change", "Patch", "Patched", "comparable", "ignored", "patch_of", "target_of"]


@dataclass(frozen=True)
class Answer:
    """What an answer with changes says: those that could be read, the places of those that could not (`refused`: what
    was wrong with them), the place of one that the answer was cut off in (`begun`), and what was mended to read it.
    `sound`: there is nothing else in it, so that what it does not say is not there."""

    changes: tuple[Change, ...] = ()
    refused: tuple[Problem, ...] = ()
    begun: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    problems: tuple[Problem, ...] = ()
    sound: bool = True


@dataclass(frozen=True)
class Patched:
    """What came of an answer: the value, an event for each change that was taken or left, the places that it settled
    (there may be nothing there now), those that it spoke of (it may have said what is there), and what was wrong with
    the answer itself."""

    value: Any
    events: tuple[Event, ...] = ()
    settled: tuple[str, ...] = ()
    spoken: tuple[str, ...] = ()
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
        return tuple(target_of(place, steps) for place in found)

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

    def read(self, text: str, partial: bool = False) -> Answer:
        """The changes in an answer. `partial`: the answer was cut off, and its last change may not be whole, so it is
        left out."""
        found = reading.read_cut(text, self._wire_type) if partial else reading.read(text, self._wire_type, "safe")
        listed = found.value.get("changes") if isinstance(found.value, dict) else None
        listed = listed if isinstance(listed, list) else []
        open_ = ("",) if found.cut is None else found.cut.open
        whole = len(listed) - (partial and ("/changes" not in open_ or f"/changes/{len(listed) - 1}" in open_))
        wrong: dict[str, list[Problem]] = {}
        for problem in found.problems:
            wrong.setdefault("/".join(problem.pointer.split("/")[:3]), []).append(problem)
        changes: list[Change] = []
        refused: list[Problem] = []
        begun: list[str] = []
        sound = isinstance(found.value, dict) and not partial
        for index, one in enumerate(listed):
            problems, change = wrong.pop(f"/changes/{index}", []), self._change(one)
            if index >= whole:
                begun += [] if change is None else [change.pointer]
            elif change is None:
                sound = False
            elif problems:
                refused += (self._placed(problem, change, index, found.value) for problem in problems)
            else:
                changes.append(change)
        return Answer(tuple(changes), tuple(refused), tuple(begun), found.events, found.problems, sound and not wrong)

    def pointer_of(self, wire: Any) -> str | None:
        """The place that one item of an answer changes, or None."""
        change = self._change(wire)
        return None if change is None else change.pointer

    def _change(self, wire: Any) -> Change | None:
        """The change that one item of an answer stands for; none, where its path is unknown or its place unsaid."""
        made = self.wired.codec.partial({"changes": [wire]})["changes"]
        one = made[0] if made and isinstance(made[0], dict) else {}
        path, at = one.get("path"), one.get("at", [])
        place = self.places.by_path.get(path) if isinstance(path, str) else None
        if place is None or not isinstance(at, list) or len(at) != len(place.keys):
            return None
        return Change(place.pointer(at), one.get("value", ABSENT), place.node, place.lists(at))

    def _placed(self, problem: Problem, change: Change, index: int, wire: Any) -> Problem:
        """A problem with the place in the record that it is about."""
        if len(split(problem.pointer)) < len(("changes", index, "value")):  # the change as a whole fits nowhere
            return replace(problem, pointer=change.pointer, value=None)
        inner = self.wired.codec.locate(split(problem.pointer), wire)[3:]
        told = worded(problem, self.places.type, change.node, inner)
        return replace(told, pointer=change.pointer + join(*inner))

    def apply(self, old: Any, text: str, wanted: Collection[str], partial: bool = False) -> Patched:
        """The old value with what an answer changes at the `wanted` places."""
        answer = self.read(text, partial)
        places = frozenset(wanted)
        around: dict[str, list[str]] = {}
        for place in dict.fromkeys(wanted):
            for at in upwards(place):
                around.setdefault(at, []).append(place)
        value, events = old, list(answer.events)
        settled: list[str] = []
        for change in answer.changes:
            inner = not places.isdisjoint(upwards(change.pointer))
            value, made, there = _taken(value, change, [change.pointer] if inner else around.get(change.pointer, []))
            events += made
            settled += there
        spoken = tuple(change.pointer for change in answer.changes)
        return Patched(value, tuple(events), tuple(settled), spoken, answer.problems)


GONE = "the answer says that there is none"
"""The note of an event that settles a place which stays without a value."""


def patch_of(name: str, type_: Type, extras: Extras) -> Patch:
    """The patch of a schema of this name and type."""
    places = places_of(type_, extras)
    return Patch(f"{name[:56]}_changes", places, wire_of(places.type, extras))


def target_of(place: Place, steps: tuple[str, ...]) -> Target:
    """How an answer names a place, as far as a pointer's steps say which one it is."""
    return Target(place.path, place.at(steps), place.node.description)


def _taken(value: Any, change: Change, asked: list[str]) -> tuple[Any, tuple[Event, ...], list[str]]:
    """The value with what a change says of some places in it, and the places that it settles."""
    events: tuple[Event, ...] = ()
    settled: list[str] = []
    own = [place[len(change.pointer) :] for place in asked]
    for place, inner in zip(asked, own, strict=True):
        if not comparable(get(value, change.pointer), change.value, inner, own):
            events += (ignored(replace(change, pointer=place, value=get(change.value, inner))),)
            continue  # its list has other items there, so it is not known which of them is meant
        missing = existing(value, place)  # where even what is around it is not there, that comes as a whole
        at = missing if inside(missing, change.pointer) else change.pointer
        value, made, there = _put(value, at, replace(change, value=get(change.value, at[len(change.pointer) :])))
        events += made
        settled += there
    return value, events if asked else (ignored(change),), settled


def comparable(old: Any, new: Any, place: str, places: Iterable[str]) -> bool:
    """Whether every list on the way to `place` has the same items in both values, failed places aside."""
    steps = split(place)
    for depth in range(len(steps)):
        at = join(*steps[:depth])
        before, after = get(old, at), get(new, at)
        if not isinstance(before, list):
            continue
        if depth < len(steps) - 1:  # the place is inside an item: this item must be the same one
            item = join(steps[depth])
            before, after = get(before, item), get(after, item)
            at += item
        elif not isinstance(after, list) or len(before) != len(after):
            return False  # the place is an item itself: its neighbours must be the same
        for failed in places:
            if inside(failed, at) and failed != at:
                before, after = drop(before, failed[len(at) :]), drop(after, failed[len(at) :])
        if not same(before, after):
            return False
    return True


def ignored(change: Change) -> Event:
    """The event of a change that is not taken."""
    return Event("repair.ignored", change.pointer, after=_shown(change.value))


def _put(value: Any, pointer: str, change: Change) -> tuple[Any, tuple[Event, ...], list[str]]:
    new = change.value
    before = get(value, pointer)
    if before is ABSENT and new is ABSENT:
        return value, (Event("repair.field", pointer, note=GONE),), [pointer]
    if before is not ABSENT and new is not ABSENT and same(before, new):
        return value, (), []
    if new is ABSENT and isinstance(get(value, join(*split(pointer)[:-1])), list):
        return value, (ignored(replace(change, pointer=pointer)),), []  # an item cannot go without the others moving up
    try:
        made = value
        for one in change.lists if new is not ABSENT else ():
            made = put(made, one, []) if get(made, one) in (ABSENT, None) else made
        made = drop(made, pointer) if new is ABSENT else put(made, pointer, new)
    except KeyError:  # the way there leads through something that is no record: the problem stays, and is reported
        return value, (Event("repair.ignored", pointer, after=_shown(new)),), []
    return made, (Event("repair.field", pointer, before=_shown(before), after=_shown(new)),), [pointer]


def _shown(value: Any) -> Any:
    return None if value is ABSENT else value
