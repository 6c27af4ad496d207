"""Takes from a new answer what failed in the old one, and nothing else.

The places that failed are JSON pointers. What stands there in the new answer is taken over; every other leaf of the old
value stays as it was. Lists are the hard case, because a new answer may have other items in another order: an item's
leaf is taken only from an item that agrees with the old one everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .events import Event
from .jsontext import same
from .pointer import ABSENT, drop, get, inside, join, put, split

__all__ = ["mend"]


def mend(old: Any, new: Any, failed: Iterable[str]) -> tuple[Any, tuple[Event, ...]]:
    """The old value with the `failed` places taken from the new one, and an event for each place that changed."""
    places = _outermost(_existing(old, place) for place in failed)
    events = []
    value = old
    for place in places:
        before, after = get(value, place), get(new, place)
        if not _comparable(old, new, place, places) or after is ABSENT or same(before, after):
            continue
        try:
            value = put(value, place, after)
        except KeyError:
            continue  # the new answer has another shape on the way there: the problem stays, and is reported
        shown = None if before is ABSENT else before
        events.append(Event("repair.field", place, before=shown, after=after))
    return value, tuple(events)


def _outermost(pointers: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for pointer in sorted(set(pointers), key=lambda p: (p.count("/"), p)):
        if not any(inside(pointer, other) for other in kept):
            kept.append(pointer)
    return kept


def _existing(value: Any, place: str) -> str:
    """The place, or the outermost one on the way to it that is missing: what is not there can only come as a whole."""
    steps = split(place)
    for depth in range(len(steps)):
        if get(value, join(*steps[:depth])) is ABSENT:
            return join(*steps[:depth])
    return place


def _comparable(old: Any, new: Any, place: str, places: list[str]) -> bool:
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
