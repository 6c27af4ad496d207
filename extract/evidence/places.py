"""Every place where a value stands in a text.

A `Source` indexes a text once, each part of the index when it is first needed, and then finds a value in it: as it is
written, after folding (`folding`), or by what it means (`written`). It finds whole words and whole numbers only, says
how each place was found and how far-fetched it is, and leaves the choice among them to `choice`. A value that stands
nowhere has no place: what is nearly the same is not evidence.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Literal

from ..nodes import Choice, Node
from .folding import Folded, evened, fold, word_character
from .written import Day, Reading, days, number_runs, numbers_in, read_numbers, times

__all__ = ["Place", "Source"]

Match = Literal["exact", "normal", "value"]

_MOST = 2_000  # places of one value that are looked at; a value that is more common than that has no telling place
_ENOUGH = 8  # exact places of a text; with so many, those in another case or spacing are not looked for
_MINUS = "-\u2212\ufe63\uff0d"  # dashes that are a sign before a number; en and em dashes are not
_SIGNED = re.compile(r"(?:^|(?<=[^\w)]))- ?(?:[^\W\d_]{1,3}|[$\u20ac\u00a3\u00a5\u20b9])? ?$")
_OPENED = re.compile(r"\( ?(?:[^\W\d_]{1,3}|[$\u20ac\u00a3\u00a5\u20b9])? ?$")
_SCALED = re.compile(r" ?(%|(?:thousand|million|mio|billion|bn|mrd)\b|[km]\b|[\u4e07\u5104\u4ebf])")
_SCALES = {
    "%": -2,
    **dict.fromkeys(("k", "thousand"), 3),
    **dict.fromkeys(("m", "million", "mio"), 6),
    **dict.fromkeys(("billion", "bn", "mrd"), 9),
    "\u4e07": 4,
    "\u5104": 8,
    "\u4ebf": 8,
}
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_ISO_TIME = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
_TIME_REACH = 40  # characters between a day and its time of day
_CODE_LENGTH = 7  # letters and digits that a code must have to be found with other marks between them


@dataclass(frozen=True, slots=True)
class Place:
    """A range of characters of the text, how the value was found there, and how far-fetched that is (0: not at all)."""

    start: int
    end: int
    match: Match
    cost: float = 0.0


class Source:
    """A text, indexed for finding values in it."""

    def __init__(self, text: str):
        self.text = text
        self.even = evened(text)
        self._found: dict[tuple[object, ...], tuple[Place, ...]] = {}

    def find(self, value: object, node: Node) -> tuple[Place, ...]:
        """The places of a value in the order of the text; () for null, booleans, constants and what is nowhere."""
        if isinstance(node, Choice) and len(node.values) == 1:
            return ()
        choice = node if isinstance(node, Choice) else None
        key = (value.__class__, value, choice and choice.names)
        if key not in self._found:
            find = _FINDERS.get(value.__class__)
            places = find(self, value, node) if find else ()
            best: dict[tuple[int, int], Place] = {}
            for place in places:
                kept = best.get((place.start, place.end))
                if kept is None or place.cost < kept.cost:
                    best[place.start, place.end] = place
            self._found[key] = tuple(best[span] for span in sorted(best))
        return self._found[key]

    # -- text ----------------------------------------------------------------------------------------------------------

    def texts(self, value: str, node: Node) -> Iterable[Place]:
        """The places of a text: as it is and folded, or else joined over lines, or else by what it means."""
        if not value.strip():
            return ()
        found = self._as_written(value.strip()) or list(self.moments(value))
        if not found:
            found = self._joined(value.strip())
        if not found:
            found = [
                Place(place.start, place.end, "value", place.cost)
                for spelling in _spellings(value, node)
                for place in self._as_written(spelling)
            ]
        return found or [place for meaning in _MEANINGS for place in meaning(self, value)]

    def _as_written(self, value: str) -> list[Place]:
        exact = list(self._whole(_occurrences(self.text, value), len(value), "exact"))
        folded = fold(value)
        if not folded or len(exact) >= _ENOUGH:
            return exact
        spans = {(place.start, place.end) for place in exact}
        normal = [place for place in self._folded(self._spaces, folded) if (place.start, place.end) not in spans]
        return exact + normal

    def _joined(self, value: str) -> list[Place]:
        joined = fold(value, "joins")
        return list(self._folded(self._joins, joined)) if len(joined) > 1 else []

    def _folded(self, folded: Folded, value: str) -> Iterator[Place]:
        pure = _pure(value)
        for at in self._positions(folded, value):
            span = folded.original(at, at + len(value))
            cost = None if span is None else self._edges(*span, pure)
            if span is not None and cost is not None:
                yield Place(*span, "normal", cost)

    def _positions(self, folded: Folded, value: str) -> Iterable[int]:
        """Where a folded value begins. Short words are looked up: a search would stop within longer ones."""
        if folded is self._spaces and len(value) < 4 and value.isascii() and (value.isalpha() or value.isdecimal()):
            return self._words.get(value, [])[:_MOST]
        return _occurrences(folded.text, value)

    def _whole(self, starts: Iterable[int], length: int, match: Match) -> Iterator[Place]:
        pure: bool | None = None
        for start in starts:
            pure = _pure(self.even[start : start + length]) if pure is None else pure
            cost = self._edges(start, start + length, pure)
            if cost is not None:
                yield Place(start, start + length, match, cost)

    def _edges(self, start: int, end: int, pure: bool) -> float | None:
        """None if the range begins or ends inside a word or a number, else how doubtful its edges are."""
        even = self.even
        left = _edge(even[start], even[start - 1 : start], even[start - 2 : start - 1] if start > 1 else "", pure)
        right = _edge(even[end - 1], even[end : end + 1], even[end + 1 : end + 2], pure)
        return None if left is None or right is None else left + right

    @cached_property
    def _spaces(self) -> Folded:
        return Folded(self.text, "spaces", self.even)

    @cached_property
    def _joins(self) -> Folded:
        return Folded(self.text, "joins", self.even)

    @cached_property
    def _words(self) -> dict[str, list[int]]:
        words: dict[str, list[int]] = {}
        for found in re.finditer(r"[^\W\d_]+|\d+", self._spaces.text):
            if found.end() - found.start() < 4:
                words.setdefault(found.group(), []).append(found.start())
        return words

    # -- codes ---------------------------------------------------------------------------------------------------------

    def codes(self, value: str) -> Iterator[Place]:
        """A long number or code whose groups are set apart by other marks: IBAN, telephone, tax and card numbers."""
        code = fold(value, "codes")
        if len(code) < _CODE_LENGTH or 2 * sum(one.isdecimal() for one in code) < len(code):
            return
        for at in _occurrences(self._codes.text, code):
            span = self._codes.original(at, at + len(code))
            if span and "\n" not in self.text[slice(*span)] and self._edges(*span, False) is not None:
                yield Place(*span, "value", 0.2)

    @cached_property
    def _codes(self) -> Folded:
        return Folded(self.text, "codes", self.even)

    # -- numbers -------------------------------------------------------------------------------------------------------

    def numbers(self, value: int | float | Decimal, node: Node) -> Iterator[Place]:
        """The places of a number in any spelling, signs, percentages and words such as million read along."""
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if not number.is_finite() or abs(number.adjusted()) > 60:
            return
        plain = {str(number), format(number, "f")}
        for start, end, cost in self._amounts(number):
            written, even = self.text[start:end], self.even[start:end]
            yield Place(start, end, "exact" if written in plain else "normal" if even in plain else "value", cost)

    def _amounts(self, number: Decimal) -> Iterator[tuple[int, int, float]]:
        found = False
        for at, reading in self._readings(abs(number)):
            place = self._signed(at + reading.start, at + reading.end, number, reading.cost)
            if place is not None:
                found = True
                yield place
        if number and not found:
            for power in (-2, 3, 4, 6, 8, 9):
                for at, reading in self._readings(abs(number).scaleb(-power)):
                    scale = _SCALED.match(self.even, at + reading.end)
                    if scale and _SCALES[scale[1]] == power:
                        signed = self._signed(at + reading.start, at + reading.end, number, reading.cost + 0.2)
                        if signed is not None:
                            yield signed[0], max(signed[1], scale.end()), signed[2]

    def _readings(self, value: Decimal) -> Iterator[tuple[int, Reading]]:
        indexes = (self._runs, self._spaced_runs) if value >= 1000 else (self._runs,)
        for offsets, meanings in indexes:
            for run, reading in meanings.get(value, ()):
                for at in offsets[run][:_MOST]:
                    yield at, reading

    @cached_property
    def _runs(self) -> _Runs:
        return _indexed(number_runs(self.even))

    @cached_property
    def _spaced_runs(self) -> _Runs:
        return _indexed(number_runs(self.even, spaced=True))

    def _signed(self, start: int, end: int, number: Decimal, cost: float) -> tuple[int, int, float] | None:
        """The place with its sign, or None where the sign is another or the digits are part of a word."""
        before, after = self.even[max(0, start - 12) : start], self.even[end : end + 3]
        touching = [one for one in (before[-1:], after[:1]) if one and word_character(one) and not _unspaced(one)]
        if len(touching) == 2 or "_" in touching:
            return None
        cost += 0.3 * len(touching)
        minus = _SIGNED.search(before)
        if minus and self.text[start - len(minus.group()) : start].lstrip()[:1] not in _MINUS:
            minus = None
        trailing = after[:1] == "-" and not after[1:2].isalnum()
        if number >= 0:
            return None if minus and minus.group() == "-" and number else (start, end, cost + 0.5 * trailing)
        if minus:
            return start - len(minus.group()), end, cost
        opened = _OPENED.search(before)
        if opened and (closed := re.match(r" ?\)", after)):
            return start - len(opened.group()), end + closed.end(), cost
        return (start, end + 1, cost) if trailing else None

    def amounts(self, value: str) -> Iterator[Place]:
        """A number that is given as text, where its spelling leaves no doubt."""
        values = set(read_numbers(evened(value)))
        if len(values) == 1 and not re.match(r"0\d", value.strip()):
            for place in self.numbers(values.pop(), Node()):
                yield Place(place.start, place.end, "value", place.cost)

    # -- days and times ------------------------------------------------------------------------------------------------

    def moments(self, value: str) -> Iterator[Place]:
        """A day, with its time of day where the value has one, or a time of day."""
        value = value.strip()
        try:
            if _ISO.fullmatch(value):
                yield from self._days(datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value))
            elif _ISO_TIME.fullmatch(value):
                clock = time.fromisoformat(value)
                yield from (Place(*span, "value") for span, written in self._times if _same_time(written, clock))
        except ValueError:  # 2018-02-30 looks like a day and is none
            return

    def _days(self, value: date) -> Iterator[Place]:
        for key in dict.fromkeys(((value.year, value.month, value.day), (value.year % 100, value.month, value.day))):
            for day in self._written_days.get(key, ()):
                cost = 0.2 if day.readings[0] != key else 0.0
                if not isinstance(value, datetime):
                    yield Place(day.start, day.end, "value", cost)
                    continue
                span = self._with_time(day, value.time())
                if span is not None:
                    yield Place(*span, "value", cost)
                elif value.time() == time(0):
                    yield Place(day.start, day.end, "value", cost)

    def _with_time(self, day: Day, clock: time) -> tuple[int, int] | None:
        first = bisect_left(self._times, ((max(0, day.start - _TIME_REACH), 0), (0, 0, 0)))
        for (start, end), written in self._times[first : first + 12]:
            if start > day.end + _TIME_REACH:
                return None
            if _same_time(written, clock) and (start >= day.end or end <= day.start):
                return min(start, day.start), max(end, day.end)
        return None

    @cached_property
    def _written_days(self) -> dict[tuple[int, int, int], list[Day]]:
        index: dict[tuple[int, int, int], list[Day]] = {}
        for day in days(self.even):
            for reading in day.readings:
                index.setdefault(reading, []).append(day)
        return index

    @cached_property
    def _times(self) -> list[tuple[tuple[int, int], tuple[int, int, int]]]:
        """Spans with hour, minute and second; -1 stands for a second that is not written."""
        return [((start, end), (h, m, -1 if s is None else s)) for start, end, (h, m, s) in times(self.even)]


_Runs = tuple[dict[str, list[int]], dict[Decimal, list[tuple[str, Reading]]]]


def _indexed(runs: Iterable[tuple[int, str]]) -> _Runs:
    offsets: dict[str, list[int]] = {}
    for at, run in runs:
        offsets.setdefault(run, []).append(at)
    meanings: dict[Decimal, list[tuple[str, Reading]]] = {}
    for run in offsets:
        for reading in numbers_in(run):
            meanings.setdefault(reading.value, []).append((run, reading))
    return offsets, meanings


def _same_time(written: tuple[int, int, int], clock: time) -> bool:
    return written[:2] == (clock.hour, clock.minute) and written[2] in (clock.second, -1)


def _occurrences(text: str, value: str) -> Iterator[int]:
    at = text.find(value)
    left = _MOST
    while at >= 0 and left:
        yield at
        left -= 1
        at = text.find(value, at + 1)


def _pure(value: str) -> bool:
    """Whether a value has letters or digits but not both: then a digit may touch its letters (`RM20.00`, `12kg`)."""
    return not (any(one.isdecimal() for one in value) and any(one.isalpha() for one in value))


def _edge(inner: str, outer: str, beyond: str, pure: bool) -> float | None:
    """How doubtful it is that a value ends between `inner` and `outer`; None if not. `beyond` follows `outer`."""
    if not outer:
        return 0.0
    if word_character(inner) and word_character(outer):
        if _unspaced(inner) or _unspaced(outer):
            return 0.1
        return 0.3 if pure and outer != "_" and inner.isdecimal() != outer.isdecimal() else None
    if inner.isdecimal() and beyond.isdecimal():
        if outer in ".,'":
            return None
        if outer in "-/:":
            return 1.0 if pure else None
    return 0.0


_UNSPACED = (
    ("\u0e00", "\u0eff"),
    ("\u1000", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u2e80", "\u9fff"),
    ("\uac00", "\ud7a3"),
)


def _unspaced(character: str) -> bool:
    """Whether a character is of a script that sets no space between words, or hangs endings on them (Hangul)."""
    return character >= "\u0e00" and (
        any(first <= character <= last for first, last in _UNSPACED)
        or "\uf900" <= character <= "\ufaff"
        or "\uff66" <= character <= "\uff9f"
        or character >= "\U00020000"
    )


def _spellings(value: str, node: Node) -> Iterator[str]:
    """Other spellings that mean the same: an enum's name with spaces, a URL without its scheme or last slash."""
    if isinstance(node, Choice):
        if re.search(r"\w[_-]\w", value):
            yield re.sub(r"[_-]", " ", value)
        if node.names and value in node.values:
            yield node.names[node.values.index(value)].replace("_", " ")
    if re.match(r"https?://", value):
        yield value.rstrip("/")
        yield re.sub(r"^https?://", "", value).rstrip("/")


_MEANINGS: tuple[Callable[[Source, str], Iterator[Place]], ...] = (Source.amounts, Source.codes)
_FINDERS: dict[type, Callable[[Source, object, Node], Iterable[Place]]] = {
    str: Source.texts,  # type: ignore[dict-item]
    int: Source.numbers,  # type: ignore[dict-item]
    float: Source.numbers,  # type: ignore[dict-item]
    Decimal: Source.numbers,  # type: ignore[dict-item]
}
