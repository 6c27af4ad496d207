"""How what failed is asked for again, and what of a whole new answer is taken over.

`Way`s of asking are the changes of single places, shown an excerpt or the whole document, and the whole record again.
`price` says what a call of each will cost, near enough to choose by.

A whole new answer may change what was right, so `mend` takes from it what failed in the old one, and nothing else.
The places that failed are JSON pointers; every other leaf of the old value stays as it was. Lists are the hard case,
because a new answer may have other items in another order: an item's leaf is taken only from an item that agrees with
the old one everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

from .call import Call, Target
from .catalogue import ModelFacts
from .events import Event
from .extraction import Problem
from .jsontext import dump, same
from .patch import GONE, comparable
from .pointer import ABSENT, existing, get, join, put, split, upwards

__all__ = ["Way", "answered", "changes", "mend", "named_in", "pays", "price", "said", "still_wrong"]

Way = Literal["excerpt", "document", "whole"]
"""``excerpt`` and ``document`` ask for changes and show that much of the document; ``whole`` asks for the record."""

PER_TOKEN = 4
"""Characters of a token, for estimates: a tokenizer has no place among pure functions, and nobody pays by this."""
CACHED_FROM = 1024
"""Providers keep a prompt's beginning, the schema included, from so many tokens on."""
ATTACHED = 1000
"""An image or a file counts as so many tokens."""
FRAME = 12
"""The tokens of a change around its value."""


def price(call: Call, facts: ModelFacts, answer: int, again: bool = False) -> Decimal:
    """What a call will cost with an answer of so many tokens: in millionths of a dollar, or where the model has no
    price in tokens, of which those of answers count four times. `again`: its beginning was sent before and may be
    cached."""
    parts = [call.instructions, *(part.text for part in call.inputs), *(one.text for one in call.examples)]
    shown = sum(map(len, parts)) + call.shape.length
    repeated = shown // PER_TOKEN + ATTACHED * sum(part.kind in ("image", "file") for part in call.inputs)
    fresh = (
        len(call.answer or "") // PER_TOKEN + sum(len(one.message) + len(str(one.value)) for one in call.failed) // 4
    )
    known = facts.price
    asked, given = (Decimal(1), Decimal(4)) if known is None else (known.input, known.output)
    cached = asked if known is None or known.cached is None else known.cached
    first = cached if again and repeated >= CACHED_FROM else asked
    return repeated * first + fresh * asked + answer * given


def said(values: Iterable[Any]) -> int:
    """The tokens of an answer that changes these values; of a record that fails as a whole, a part will change."""
    return sum(FRAME + _tokens(value) // (4 if isinstance(value, dict) else 1) for value in values)


def pays(kept: Any, gaps: int) -> bool:
    """Whether it costs less to ask for so many missing parts of a record than for all of it: what is there is not said
    again, and each part is said with its frame."""
    return _tokens(kept) > gaps * FRAME


def _tokens(value: Any) -> int:
    return FRAME if value is None or value is ABSENT else len(dump(value)) // PER_TOKEN


def named_in(message: str, targets: Iterable[Target]) -> tuple[Target, ...]:
    """The targets whose field a complaint names: by each of the words of its name, in a sentence of whatever form."""
    words = set(re.findall(r"[^\W_]+", message.lower()))
    return tuple(
        target
        for target in targets
        if "*" not in target.path and words.issuperset(re.findall(r"[^\W_]+", target.path.rpartition("/")[2].lower()))
    )


def mend(old: Any, new: Any, failed: Iterable[str]) -> tuple[Any, tuple[Event, ...]]:
    """The old value with the `failed` places taken from the new one, and an event for each place that changed."""
    events = []
    value = old
    for place in answered(old, new, failed):
        before, after = get(value, place), get(new, place)
        if after is ABSENT or same(before, after):
            continue
        try:
            value = put(value, place, after)
        except KeyError:
            continue  # the new answer has another shape on the way there: the problem stays, and is reported
        shown = None if before is ABSENT else before
        events.append(Event("repair.field", place, before=shown, after=after))
    return value, tuple(events)


def answered(old: Any, new: Any, failed: Iterable[str]) -> tuple[str, ...]:
    """The `failed` places that a new value speaks of: those that it has, or both lack, and that are the same place in
    both."""
    places = _outermost(existing(old, place) for place in failed)
    there = (place for place in places if get(new, place) is not ABSENT or get(old, place) is ABSENT)
    return tuple(place for place in there if comparable(old, new, place, places))


def still_wrong(
    left: tuple[Problem, ...], old: Any, new: Any, value: Any, found: tuple[Problem, ...], events: tuple[Event, ...]
) -> tuple[tuple[Problem, ...], tuple[Event, ...]]:
    """What the reader left out of the value that `mend` made (`events` tell of it), with the events of what is known to
    have no value: `left` of the old one where nothing came of it, and what was `found` of the new one where that was
    taken over."""
    changed = frozenset(event.pointer for event in events)
    told = {one.pointer: one for one in found}
    places = _outermost(existing(old, one.pointer) for one in left)
    made = [one for one in found if not changed.isdisjoint(upwards(one.pointer))]
    gone: list[Event] = []
    for problem in left:
        at = problem.pointer
        if changes(at, old, value, changed):
            continue
        spoken = get(new, join(*split(at)[:-1])) is not ABSENT and comparable(old, new, at, places)
        if spoken and at in told:
            made.append(told[at])
        elif spoken and get(new, at) is ABSENT and get(value, at) is ABSENT:
            gone.append(Event("repair.field", at, note=GONE))
        else:
            made.append(problem)
    return tuple(made), tuple(gone)


def changes(pointer: str, old: Any, new: Any, settled: frozenset[str]) -> bool:
    """Whether the value at a place is another one now, or was settled with what is around it."""
    if not settled.isdisjoint(upwards(pointer)):
        return True
    before, after = get(old, pointer), get(new, pointer)
    return before is not after and (before is ABSENT or after is ABSENT or not same(before, after))


def _outermost(pointers: Iterable[str]) -> list[str]:
    known = set(pointers)
    outer = (one for one in known if all(at == one or at not in known for at in upwards(one)))
    return sorted(outer, key=lambda p: (p.count("/"), p))
