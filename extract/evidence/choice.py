"""Which of its places is the one that a value was read from.

A value that stands in several places is told apart by what stands around it: the label before it, the other fields of
its record, the items before and after its own. Values with one telling place are placed first and show where their
records are; the others follow in the order of the value. Two items of a list share a place only if there is no other.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log2

from .leaves import Leaf
from .places import Place, Source

__all__ = ["choose"]

# The weights of what speaks for a place, in units of a label that fits fully.
_EXACT = 0.5  # text that stands there letter by letter
_EXACT_NUMBER = 0.1  # a number in the spelling of the answer: models respell numbers
_SHARED = 0.8  # another leaf has this place already
_TAKEN = 50.0  # another item of the same list has it
_DISORDER = 1.0  # it stands before the item before, or after the item after
_TRESPASS = 1.5  # it stands within another item's range
_FAR = 0.25  # for each doubling of the lines between a place and its record
_FAR_IN_ROOT = 0.02  # the same for the fields of the whole document, which stand anywhere
_ABOVE = 0.7  # a label on the line above
_BEHIND = 0.4  # a label behind the value

_CONSIDERED = 28  # places of one value that are weighed
_NEAR = 6  # of these, so many on each side of its record


@dataclass
class _Range:
    """The characters from the first to the last place of a record's values."""

    start: int
    end: int

    def take(self, place: Place) -> None:
        self.start, self.end = min(self.start, place.start), max(self.end, place.end)


@dataclass
class _Board:
    """What has been placed so far: ranges by pointer, and who holds each place."""

    ranges: dict[str, _Range] = field(default_factory=dict)
    held: list[tuple[int, int, tuple[tuple[str, int], ...]]] = field(default_factory=list)

    def put(self, leaf: Leaf, place: Place) -> None:
        insort(self.held, (place.start, place.end, leaf.items))
        for pointer in {leaf.record, *(f"{at}/{index}" for at, index in leaf.items), *(at for at, _ in leaf.items)}:
            self.ranges.setdefault(pointer, _Range(place.start, place.end)).take(place)

    def holders(self, place: Place) -> Iterable[tuple[int, int, tuple[tuple[str, int], ...]]]:
        """Those whose places overlap this one."""
        at = bisect_left(self.held, (place.start, 0, ()))
        for back in range(at - 1, max(-1, at - 4), -1):
            if self.held[back][1] > place.start:
                yield self.held[back]
        while at < len(self.held) and self.held[at][0] < place.end:
            yield self.held[at]
            at += 1


def choose(found: Sequence[tuple[Leaf, tuple[Place, ...]]], source: Source) -> dict[str, Place]:
    """The place of each leaf that has any, by pointer."""
    page = _Page(source.even)
    board = _Board()
    chosen: dict[str, Place] = {}
    order = sorted(range(len(found)), key=lambda at: (_rank(found[at][1]), at))
    for at in order:
        leaf, places = found[at]
        if places:
            place = places[0] if len(places) == 1 else _best(leaf, places, board, page)
            board.put(leaf, place)
            chosen[leaf.pointer] = place
    return {leaf.pointer: chosen[leaf.pointer] for leaf, _ in found if leaf.pointer in chosen}


def _rank(places: tuple[Place, ...]) -> int:
    """Values with one telling place come first, then long ones, then the rest."""
    if not places:
        return 3
    length = places[0].end - places[0].start
    if len(places) == 1:
        return 0 if length > 2 else 2
    return 1 if length > 5 and len(places) < 4 else 2


def _best(leaf: Leaf, places: tuple[Place, ...], board: _Board, page: _Page) -> Place:
    labels = [words for name in leaf.names if (words := _words(name))]
    if len(places) > _CONSIDERED:
        places = _considered(leaf, places, board, page, labels)
    exact = _EXACT if isinstance(leaf.value, str) else _EXACT_NUMBER
    before, own, after = _around(leaf, board)

    def weight(place: Place) -> float:
        total = page.label(place, labels) - place.cost + exact * (place.match == "exact")
        total -= page.distance(place, own) * (_FAR if leaf.items else _FAR_IN_ROOT if leaf.record == "" else _FAR / 2)
        for other, out in ((before, place.start < before.start if before else False),
                           (after, place.end > after.end if after else False)):  # fmt: skip
            if other and other.start < place.end and place.start < other.end:
                total -= _TRESPASS
            elif out:
                total -= _DISORDER
        for _, _, items in board.holders(place):
            total -= _TAKEN if _rival(items, leaf.items) else _SHARED
        return total - place.start / (page.length * 100 + 1)

    return max(places, key=weight)


def _rival(items: tuple[tuple[str, int], ...], others: tuple[tuple[str, int], ...]) -> bool:
    """Whether two leaves belong to different items of one list."""
    return any(at == other and index != second for (at, index), (other, second) in zip(items, others, strict=False))


def _around(leaf: Leaf, board: _Board) -> tuple[_Range | None, _Range | None, _Range | None]:
    """The range of the item before, of the leaf's own record, and of the item after."""
    own = board.ranges.get(leaf.record)
    if not leaf.items:
        return None, own, None
    at, index = leaf.items[-1]
    item = board.ranges.get(f"{at}/{index}")
    before = next(
        (r for back in range(index - 1, max(-1, index - 6), -1) if (r := board.ranges.get(f"{at}/{back}"))), None
    )
    after = next((r for on in range(index + 1, index + 6) if (r := board.ranges.get(f"{at}/{on}"))), None)
    return before, item or before or after or board.ranges.get(at), after


def _considered(
    leaf: Leaf, places: tuple[Place, ...], board: _Board, page: _Page, labels: list[tuple[str, ...]]
) -> tuple[Place, ...]:
    """Of very many places those that are worth weighing: near the record, behind a label, and the first ones."""
    starts = [place.start for place in places]
    picked = set(range(_NEAR))
    for near in _around(leaf, board):
        if near:
            first, last = bisect_left(starts, near.start), bisect_left(starts, near.end)
            picked.update(range(first - _NEAR, first + _NEAR), range(last - _NEAR, last + _NEAR))
    for words in labels:
        for at in page.mentions(words[-1], _NEAR):
            first = bisect_left(starts, at)
            picked.update(range(first, first + 2))
    return tuple(places[at] for at in sorted(picked) if 0 <= at < len(places))


_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|_")


def _words(name: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(_CAMEL.sub(" ", name).lower()))


class _Page:
    """The lines of a text, for the labels and distances on it."""

    def __init__(self, even: str):
        self._even = even
        self.length = len(even)
        self._starts = [0, *(found.end() for found in re.finditer("\n", even))]
        self._labels: dict[tuple[int, int], tuple[str, ...]] = {}

    def mentions(self, word: str, most: int) -> Iterable[int]:
        at = self._even.find(word)
        while at >= 0 and most:
            yield at
            most -= 1
            at = self._even.find(word, at + 1)

    def distance(self, place: Place, near: _Range | None) -> float:
        """How far a place is from a record, as the logarithm of lines: 0 on the same line or within."""
        if near is None or (near.start < place.end and place.start < near.end):
            return 0.0
        first, last = (place.end, near.start) if place.start < near.start else (near.end, place.start)
        gap = max(0, last - first)
        lines = self._even.count("\n", first, last) if gap < 4_000 else gap // 40
        return log2(1 + lines) * 2 + min(gap, 200) / 400

    def label(self, place: Place, labels: list[tuple[str, ...]]) -> float:
        """How well the words around a place fit one of the labels, from 0 to 1."""
        if not labels:
            return 0.0
        line = self._line(place.start)
        ahead = self._slice(max(self._starts[line], place.start - 80), place.start)
        best = max(_likeness(label, ahead) for label in labels)
        if best == 0.0 and not ahead and line:
            above = self._slice(max(self._starts[line - 1], self._starts[line] - 80), self._starts[line])
            best = _ABOVE * max(_likeness(label, above) for label in labels)
        if best < _BEHIND:
            end = self._starts[line + 1] if line + 1 < len(self._starts) else self.length
            behind = self._slice(place.end, min(end, place.end + 40))[:3]
            best = max(best, _BEHIND * max(_likeness(label, behind) for label in labels))
        return best

    def _line(self, offset: int) -> int:
        at = bisect_left(self._starts, offset + 1)
        return at - 1

    def _slice(self, start: int, end: int) -> tuple[str, ...]:
        known = self._labels.get((start, end))
        if known is None:
            known = self._labels[start, end] = tuple(_WORD.findall(self._even, start, end))
        return known


def _likeness(label: tuple[str, ...], words: tuple[str, ...]) -> float:
    """The words that a label and the end of a line share, as a share of both; 1 where the label stands there whole."""
    near = words[-(len(label) + 2) :]
    if not near:
        return 0.0
    if "".join(near).endswith("".join(label)) and len(near) <= len(label):
        return 1.0
    shared = sum(any(_same(word, other) for other in near) for word in label)
    return 2 * shared / (len(label) + len(near))


def _same(word: str, other: str) -> bool:
    """Whether two words are the same or one abbreviates the other (`inv`, `invoice`)."""
    return word == other or (min(len(word), len(other)) > 2 and (word.startswith(other) or other.startswith(word)))
