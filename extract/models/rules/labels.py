"""Labels: which words say what a value is, and how well they fit a field.

A value's labels are the words before it on its line, the line above where it stands alone, and the header of its
column. A field's names are its own name, aliases and title; the words of its description and of the records around it
help, and never decide alone. Words that the label has beyond the field's own count against it, each by what it
usually means: ``sub`` turns a total into another thing, ``grand`` does not.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .page import Cell, Line, Page
from .patterns import SYMBOL
from .words import EXTRA, WEIGHT, tokens

__all__ = ["Labelled", "Names", "contexts", "labelled", "likeness", "line_at"]


@dataclass(frozen=True)
class Names:
    """What a field is called: `own` are alternatives, each as tokens; `hints` are tokens of its surroundings."""

    own: tuple[tuple[str, ...], ...]
    hints: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        return frozenset(token for name in self.own for token in name)


def _weight(token: str) -> float:
    return WEIGHT.get(token, 1.0)


def likeness(names: Names, label: Sequence[str]) -> float:
    """How well a label fits a field, from 0 to 1: the share of the field's words that it has, less what its other words
    take away."""
    best = 0.0
    said = set(label)
    for name in names.own:
        wanted = set(name)
        shared = sum(_weight(token) for token in wanted & said)
        if not shared:
            continue
        missing = sum(
            _weight(token) * (0.4 if token in names.hints and _weight(token) < 2 else 1.0) for token in wanted - said
        )
        extra = sum(EXTRA.get(token, 0.5) * (0.3 if token in names.hints else 1.0) for token in said - wanted)
        if any(_weight(token) >= 2 for token in wanted - said):
            shared *= 0.6
        best = max(best, (shared / (shared + missing)) * (shared / (shared + extra)) ** 0.6)
    return best


_LETTER = re.compile(r"[^\W\d_]")
_EDGE = " \t:;=.-–—*|>#@("
_CURRENCY = re.compile(rf"\(?(?<![^\W\d_]){SYMBOL}(?![^\W\d_])\)?", re.IGNORECASE)


def line_at(page: Page, offset: int) -> int:
    """The index in `page.lines` of the line that holds the offset."""
    return max(0, bisect_right(page.starts, offset) - 1)


def contexts(page: Page, start: int, end: int, before: int) -> Iterator[tuple[tuple[str, ...], float]]:
    """The labels of the value at [start, end) as tokens, each with how near it is, from 0 to 1. `before` is the end
    of the value of the same kind that stands before it on its line, or -1."""
    index = line_at(page, start)
    line = page.lines[index]
    words = page.text[max(line.start, before) : start] if before < start else ""
    labels = _last_labels(words)
    if labels:
        yield from labels
    elif before >= 0:
        yield from ((label, 0.6 * near) for label, near in _last_labels(page.text[line.start : before]))
    else:
        above = page.lines[index - 1] if index else None
        if above is not None and above.text and not above.numbered and len(above.cells) == 1:
            yield tokens(above.text), 0.75
    header = _header_above(page, index, start, end)
    if header:
        yield header


def _last_labels(words: str) -> list[tuple[tuple[str, ...], float]]:
    """The labels that end in these words: their last cell behind its last colon, and less near what is before that."""
    for wide in reversed(re.split(r"\s{2,}|\t|\|", words)):
        cell = _CURRENCY.sub("", wide).strip(_EDGE)
        if _LETTER.search(cell) or cell.endswith("#"):
            said = [label for part in re.split(r"[:=]", cell) if (label := tokens(part))]
            return list(zip(reversed(said), (1.0, 0.85), strict=False))
    return [(tokens("#"), 1.0)] if words.rstrip().endswith("#") else []


def _header_above(page: Page, index: int, start: int, end: int) -> tuple[tuple[str, ...], float] | None:
    """The cell above the value, in its columns, of the nearest line that has several cells and no digit."""
    line = page.lines[index]
    cell = next((cell for cell in line.cells if cell.start <= start < cell.end), None)
    if cell is None or len(line.cells) < 2:
        return None
    for distance in range(1, min(index, 40) + 1):
        above = page.lines[index - distance]
        if len(above.cells) < 2 or above.numbered:
            continue
        for other in above.cells:
            if other.left < cell.right + 1 and cell.left - 1 < other.right:
                return tokens(_CURRENCY.sub(" ", other.text)), 0.8 if distance == 1 else 0.55
    return None


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label with the text that it stands for: behind a colon, in the next cell, or on the next line."""

    label: tuple[str, ...]
    text: str
    start: int
    end: int
    near: float


_COLON = re.compile(r"(?<!\d)\s*[:：]\s*(?!//)|(?<=\d)\s*:\s+|(?<=\s)=\s")


def labelled(page: Page) -> list[Labelled]:
    """All pairs of a label and a text, in the order of the page."""
    found: list[Labelled] = []
    for index, line in enumerate(page.lines):
        below = page.lines[index + 1] if index + 1 < len(page.lines) else None
        found.extend(_in_line(page, line, below))
    return found


def _in_line(page: Page, line: Line, below: Line | None) -> Iterator[Labelled]:
    for place, cell in enumerate(line.cells):
        after = line.cells[place + 1] if place + 1 < len(line.cells) else None
        marks = list(_COLON.finditer(cell.text))
        if marks:
            yield from _behind_colons(page, cell, marks, after, _under(cell, below))
        elif _LETTER.search(cell.text) and len(cell.text) <= 40:
            header = len(line.cells) > 2 and not line.numbered
            if after is not None and not header:
                lead = re.match(r"\s*[:=]\s*", after.text)
                shift = lead.end() if lead else 0
                yield _pair(tokens(cell.text), page, after.start + shift, after.end, 0.95 if lead else 0.7)
            under = _under(cell, below)
            valued = after is not None and any(ch.isdigit() for ch in after.text)
            if under is not None and len(under.text) <= _VALUE and not valued:
                yield _pair(tokens(cell.text), page, under.start, under.end, _nearness(line))


_VALUE = 60
"""Characters of a longest value under its label: longer lines are sentences."""


def _alone(cell: Cell) -> bool:
    return len(cell.text) <= _VALUE and not _COLON.search(cell.text)


def _nearness(line: Line) -> float:
    """How near a label is to what stands under it: nearer in a row of labels."""
    return 0.85 if len(line.cells) > 2 and not line.numbered else 0.6


def _behind_colons(
    page: Page, cell: Cell, marks: list[re.Match[str]], after: Cell | None, under: Cell | None
) -> Iterator[Labelled]:
    """The labels of a cell: each value ends where the words of the next label begin."""
    begin = 0
    for place, mark in enumerate(marks):
        label = cell.text[begin : mark.start()]
        stop = len(cell.text)
        if place + 1 < len(marks):
            stop = mark.end() + _value_length(cell.text[mark.end() : marks[place + 1].start()])
        begin = stop
        if cell.text[mark.end() : stop].strip():
            yield _pair(tokens(label), page, cell.start + mark.end(), cell.start + stop, 1.0)
        elif place + 1 == len(marks) and after is not None and not _COLON.search(after.text):
            yield _pair(tokens(label), page, after.start, after.end, 0.95)
        elif place + 1 == len(marks) and after is None and under is not None and _alone(under):
            yield _pair(tokens(label), page, under.start, under.end, 0.8)


def _value_length(between: str) -> int:
    """Of the text between two colons, how much belongs to the first: all but the last word, and more of it while the
    words before it are words of labels too."""
    pieces = list(re.finditer(r"\S+", between))
    if len(pieces) < 2:
        return 0
    first = len(pieces) - 1
    while (
        first > 1
        and tokens(pieces[first - 1].group()) != (pieces[first - 1].group().lower(),)
        and len(pieces) - first < 3
    ):
        first -= 1
    return pieces[first].start()


def _pair(label: tuple[str, ...], page: Page, start: int, end: int, near: float) -> Labelled:
    text = page.text[start:end]
    lead = len(text) - len(text.lstrip())
    return Labelled(label, text.strip(), start + lead, start + lead + len(text.strip()), near)


def _under(cell: Cell, below: Line | None) -> Cell | None:
    """The cell of the next line that stands under this one."""
    if below is None:
        return None
    return next((other for other in below.cells if other.left < cell.right and cell.left < other.right), None)
