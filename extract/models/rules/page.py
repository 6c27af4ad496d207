"""A text as lines and cells, with offsets that lead back to it.

A cell is a run of text without a wide gap: two spaces, a tab or a bar begin the next one. Cells know the column at
which they stand, so that headers and what stands under them can be told by their place.

What is read is bounded, so that no text can hold up the reader: `bounded` keeps the beginning of a long text, parts
long lines between words, and leaves out words that are longer than any value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

__all__ = ["LONGEST_LINE", "LONGEST_TEXT", "MOST_LINES", "Cell", "Line", "Page", "bounded", "column", "paged"]

LONGEST_TEXT = 400_000
"""Characters of a document that are read; what is behind them is not."""

MOST_LINES = 20_000
"""Lines of a document that are read."""

LONGEST_LINE = 1_000
"""Characters of a line that is read as one."""

_MOST_CELLS = 60
"""Cells of a line that are read: no table has more columns."""

_GAP = re.compile(r"\s{2,}|\t|\s*[|¦]\s*")


@dataclass(frozen=True, slots=True)
class Cell:
    """Text without a wide gap. `start` and `end` are offsets in the whole text, `left` and `right` columns of its
    line."""

    text: str
    start: int
    end: int
    left: int
    right: int


@dataclass(frozen=True)
class Line:
    """One line: its number from 0, its text without white space at the ends, where that starts, and its cells."""

    number: int
    text: str
    start: int
    cells: tuple[Cell, ...]

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @cached_property
    def numbered(self) -> bool:
        """Whether it has a digit."""
        return any(ch.isdigit() for ch in self.text)


@dataclass(frozen=True)
class Page:
    """A whole text as lines; blank ones are kept, since they part blocks."""

    text: str
    lines: tuple[Line, ...]

    @cached_property
    def starts(self) -> tuple[int, ...]:
        return tuple(line.start for line in self.lines)


_SENTENCE_END = re.compile(r"(?<!\d)[.!?;]\s+(?![\s\d])")
_BETWEEN_WORDS = re.compile(r"(?<=[^\s\d])\s+(?![\s\d])")


def bounded(text: str) -> str:
    """The part of a text that is read: its beginning up to the end of a word, with no line longer than
    `LONGEST_LINE`."""
    if len(text) > LONGEST_TEXT:
        sure = LONGEST_TEXT - LONGEST_LINE
        text = text[: sure + _last_end(_BETWEEN_WORDS, text[sure:LONGEST_TEXT])]
    lines = text.split("\n", MOST_LINES)[:MOST_LINES]
    return "\n".join(piece for line in lines for piece in _pieces(line))


def _pieces(line: str) -> Iterator[str]:
    """The line, or where it is too long its parts: sentences, otherwise what stands between two words. A part that
    cannot be told from the next one without cutting a word or a number is left out."""
    at = 0
    while len(line) - at > LONGEST_LINE:
        window = line[at : at + LONGEST_LINE]
        stop = _last_end(_SENTENCE_END, window) or _last_end(_BETWEEN_WORDS, window)
        if stop:
            yield window[:stop].rstrip()
            at += stop
        else:
            gap = _BETWEEN_WORDS.search(line, at + LONGEST_LINE - 1)
            at = gap.end() if gap else len(line)
    yield line[at:]


def _last_end(mark: re.Pattern[str], text: str) -> int:
    ends = [match.end() for match in mark.finditer(text) if match.end() < len(text)]
    return ends[-1] if ends else 0


def paged(text: str) -> Page:
    """The lines of a text."""
    lines = []
    offset = 0
    for number, raw in enumerate(text.split("\n")):
        lines.append(_line(number, raw, offset))
        offset += len(raw) + 1
    return Page(text, tuple(lines))


def _line(number: int, raw: str, offset: int) -> Line:
    body = raw.strip()
    lead = len(raw) - len(raw.lstrip()) if body else 0
    cells = []
    at = 0
    for gap in [*islice(_GAP.finditer(body), _MOST_CELLS), None]:
        stop = gap.start() if gap else len(body)
        if stop > at:
            left = lead + at
            cells.append(Cell(body[at:stop], offset + left, offset + lead + stop, left, lead + stop))
        at = gap.end() if gap else at
    return Line(number, body, offset + lead, tuple(cells))


def column(page: Page, index: int, cell: Cell) -> Page:
    """What stands below a cell of the line `index`, each line as one cell: the whole lines where the cell is the
    first of its line and theirs are not parted at its edge, otherwise the cells between its left edge and its right
    neighbour. Lines that stand far to the right are another column; blank lines are kept as such."""
    line = page.lines[index]
    right = min((other.left for other in line.cells if other.left > cell.left), default=cell.right + 14)
    left = cell.left - 3 if cell is not line.cells[0] else 0
    lines = (_within(below, left, right) for below in page.lines[index + 1 : index + 41])
    return Page(page.text, tuple(below for below in lines if below is not None))


def _within(line: Line, left: int, right: int) -> Line | None:
    """The line's first cell with its left edge in a range, as a line; None where it has cells elsewhere only."""
    cells = [cell for cell in line.cells if left <= cell.left < right - 2]
    if cells == list(line.cells):
        return line
    if not cells:
        return None
    return Line(line.number, cells[0].text, cells[0].start, (cells[0],))
