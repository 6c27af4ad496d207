"""A paper: a page with what is found on it, once for all fields that are read from it.

It holds the dates, amounts and labelled texts of its page, and the labels of the places that readers asked about. It
decides nothing: which of them a field takes is the readers' matter.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

from . import entities, patterns
from .labels import Labelled, contexts, labelled
from .page import Page

__all__ = ["MOST", "Paper"]

MOST = 5_000
"""Values of one kind, and labels, that are looked at; those behind them are not."""

Labels = list[tuple[tuple[str, ...], float]]


@dataclass(frozen=True)
class Paper:
    """What is read: a page, and what is found on it once for all fields. `order` is the set order of dates, or None;
    `part` says that it is the part of a page that bears the name of the record."""

    page: Page
    order: str | None = None
    part: bool = False

    @cached_property
    def mark(self) -> str | None:
        return patterns.decimal_mark(self.text)

    @cached_property
    def text(self) -> str:
        """The page's own text; of a part of a page, only that."""
        lines = self.page.lines
        return self.page.text[lines[0].start : lines[-1].end] if lines else ""

    @property
    def offset(self) -> int:
        return self.page.lines[0].start if self.page.lines else 0

    @cached_property
    def days(self) -> list[patterns.Day]:
        return patterns.days(self.text)

    @cached_property
    def amounts(self) -> list[patterns.Amount]:
        """The numbers that are no part of a date. Dates do not overlap, so that one that does overlap a number is the
        last that begins before the number's end."""
        starts = [day.start for day in self.days]
        kept = []
        for amount in patterns.amounts(self.text, self.mark):
            before = bisect_left(starts, amount.end)
            if not before or self.days[before - 1].end <= amount.start:
                kept.append(amount)
        return kept

    @cached_property
    def money(self) -> list[patterns.Amount]:
        return [amount for amount in self.amounts if amount.money]

    @cached_property
    def pairs(self) -> list[Labelled]:
        return labelled(self.page)[:MOST]

    @cached_property
    def telling(self) -> list[patterns.Day]:
        """Dates that show in which order this paper writes them."""
        return patterns.telling(self.days)

    @cached_property
    def said_of(self) -> dict[tuple[int, int, int], Labels]:
        """The labels of places that were looked at: fields of one kind ask about the same ones."""
        return {}

    def contexts(self, start: int, end: int, before: int) -> Labels:
        place = (start, end, before)
        if place not in self.said_of:
            self.said_of[place] = list(contexts(self.page, *place))
        return self.said_of[place]

    @cached_property
    def organisation(self) -> entities.Span | None:
        return entities.organisation(self.page)
