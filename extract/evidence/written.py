"""Numbers, dates and times as people write them.

The same amount is written 1234.5, 1,234.50, 1.234,50 or 1 234,50, and the same day 2018-02-12, 12/02/2018, 12.2.18 or
February 12, 2018. Here a text gives up every number, day and time that is written in it, each with all that it may
mean: who looks for a known value takes the reading that agrees, and nothing is ever guessed. `read_numbers` and
`read_days` do the same for a short text that is one number or one day.

Texts are given evened (`folding.evened`): lower case, ASCII digits, plain dashes and quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

__all__ = ["Day", "Reading", "days", "number_runs", "numbers_in", "read_days", "read_numbers", "times"]

_LONGEST = 64  # characters of a written number; longer ones are codes

_RUN = re.compile(r"\d+(?:[.,'/:\-]\d+)*|(?<![\w.])\.\d+")
_SPACED = re.compile(r"(?<![\d.,'])\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?!\d)")
_SIMPLE = re.compile(r"\d+(?:\.\d\d?)?")
_DATE_LIKE = re.compile(r"\d{1,2}([./-])\d{1,2}\1(\d{4})|(\d{4})([./-])\d{1,2}\4\d{1,2}")
_NAMED = (2, 3)  # the groups of _DATE_LIKE that hold a year


@dataclass(frozen=True, slots=True)
class Reading:
    """One meaning of a part of a run of digits: its place in the run, its value, and how far-fetched it is (0: not)."""

    start: int
    end: int
    value: Decimal
    cost: float = 0.0


def number_runs(text: str, spaced: bool = False) -> Iterator[tuple[int, str]]:
    """Each run of digits and the marks between them, with its offset; with `spaced`, those grouped by spaces only."""
    for found in (_SPACED if spaced else _RUN).finditer(text):
        if found.end() - found.start() <= _LONGEST:
            yield found.start(), found.group()


@lru_cache(20_000)
def numbers_in(run: str) -> tuple[Reading, ...]:
    """All that a run may mean: as one number, or as the numbers that stand side by side in it."""
    return tuple(_readings(run))


def _readings(run: str) -> Iterator[Reading]:
    if _SIMPLE.fullmatch(run):
        yield Reading(0, len(run), Decimal(run))
    elif " " in run:
        yield from (Reading(0, len(run), value, cost) for value, cost in _values(run.replace(" ", "'")))
    elif not re.search(r"[/:-]", run):
        whole = list(_values(run))
        yield from (Reading(0, len(run), value, cost) for value, cost in whole)
        yield from _year(run) if not whole else ()
        if "," in run and (not whole or re.search(r",\d{4}", run)):
            yield from _parts(run, ",", 0.5)
    else:
        yield from _year(run)
        if len(re.findall(r"[/:-]", run)) == 1:
            yield from _parts(run, "/:-", 1.0)


def _parts(run: str, marks: str, cost: float) -> Iterator[Reading]:
    for part in re.finditer(f"[^{re.escape(marks)}]+", run):
        for inner in _readings(part.group()):
            yield Reading(part.start() + inner.start, part.start() + inner.end, inner.value, cost + inner.cost)


def _year(run: str) -> Iterator[Reading]:
    found = _DATE_LIKE.fullmatch(run)
    group = next((group for group in _NAMED if found and found[group]), None)
    if found and group:
        yield Reading(*found.span(group), Decimal(found[group]), 0.5)


def _values(digits: str) -> Iterator[tuple[Decimal, float]]:
    """What digits with points, commas and apostrophes may mean. `1.234` is 1.234 or 1234."""
    marks = re.findall(r"[.,']", digits)
    if not marks:
        yield Decimal(digits), 0.0
        return
    last = marks[-1]
    head, _, tail = digits.rpartition(last)
    grouping = _grouped(digits) and len(set(marks)) == 1
    if last != "'" and marks.count(last) == 1 and (_grouped(head) or not re.search(r"[.,']", head)):
        yield Decimal(f"{re.sub(r'[^0-9]', '', head)}.{tail}"), 0.3 if grouping and last == "," else 0.0
    if grouping:
        yield Decimal(re.sub(r"[^0-9]", "", digits)), 0.3 if last == "." and len(marks) == 1 else 0.0


def _grouped(digits: str) -> bool:
    """Whether the marks group the digits by thousands, or as in India by thousands and then hundreds."""
    return bool(re.fullmatch(r"[1-9]\d{0,2}([.,'])\d{3}(?:\1\d{3})*|[1-9]\d?(,)(?:\d{2}\2)+\d{3}", digits))


_CURRENCY = r"(?:[^\W\d_]{1,4}\.?|[$\u20ac\u00a3\u00a5\u20b9])?"
_AMOUNT = re.compile(
    rf"(?P<open>\()? ?(?P<minus>[-+])? ?{_CURRENCY} ?(?P<inner>[-+])? ?"
    rf"(?P<number>\d+(?:[.,' ]\d+)*|\.\d+)(?P<power>e[-+]?\d{{1,3}})?(?P<after>-)? ?{_CURRENCY}%? ?(?P<close>\))?"
)


def read_numbers(text: str) -> tuple[Decimal, ...]:
    """All that an evened text may mean as one number, likeliest first; currency around it is left aside."""
    text = text.strip()
    found = _AMOUNT.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or bool(found["open"]) != bool(found["close"]):
        return ()
    negative = bool(found["open"] or found["after"]) or "-" in (found["minus"], found["inner"])
    if found["power"]:
        values = [Decimal(found["number"] + found["power"])] if re.fullmatch(r"[\d.]+", found["number"]) else []
    else:
        values = _whole(found["number"])
    return tuple(-value if negative else value for value in values)


def _whole(run: str) -> list[Decimal]:
    if " " in run and not _SPACED.fullmatch(run):
        return []
    run = f"0{run}" if run.startswith(".") else run
    whole = [one for one in numbers_in(run) if (one.start, one.end) == (0, len(run))]
    return [one.value for one in sorted(whole, key=lambda one: one.cost)]


# The names of months as languages of business write them; their first three or four letters are
# the short forms. Names that are the same in several languages are written once.
_MONTHS = (
    "january januar janvier enero gennaio janeiro januari ianuarie",
    "february februar février fevrier febrero febbraio fevereiro februari",
    "march märz maerz mars marzo março marco maart mac",
    "april avril abril aprile avr abr",
    "may mai mayo maggio maio mei",
    "june juni juin junio giugno junho jun giu",
    "july juli juillet julio luglio julho julai lug",
    "august août aout agosto augustus ogos ago aoû",
    "september septembre septiembre settembre setembro sept set",
    "october oktober octobre octubre ottobre outubro okt out ott",
    "november novembre noviembre novembro",
    "december dezember décembre decembre diciembre dicembre dezembro desember disember dez déc dic dis",
)
_MONTH = {
    form: number
    for number, names in enumerate(_MONTHS, 1)
    for name in names.split()
    for form in {name, name[:3] if not name.startswith(("jui", "mar")) else name, name[:4] if len(name) > 5 else name}
} | {"mar": 3, "jan": 1, "mai": 5, "jul": 7, "jun": 6}

_NUMERIC = re.compile(r"(?<![\d.,/-])(\d{1,4})( ?[./-] ?)(\d{1,2})( ?[./-] ?)(\d{4}|\d{1,2})(?!\d|[/.-]\d)", re.ASCII)
_COMPACT = re.compile(r"(?<![\d.,/-])((?:19|20)\d\d)(\d\d)(\d\d)(?!\d|[.,/-]\d)")
_HAN = re.compile(r"(?<!\d)(\d{4}) ?[\u5e74\ub144] ?(\d{1,2}) ?[\u6708\uc6d4] ?(\d{1,2})(?: ?[\u65e5\uc77c])?")
_WORD = re.compile(r"[^\W\d_]{3,10}")
_FILLER = r"(?:[ \n,./'-]|\b(?:of|de|del|di|the|year)\b)*"
_DAY_BEFORE = re.compile(rf"(?<!\d)(?<!\d[./,-])(\d{{1,2}})(?:st|nd|rd|th|er|\.|\u00ba)? ?(?:day)?{_FILLER}$")
_YEAR_BEFORE = re.compile(r"(?<!\d)(\d{4})[ ./-]{1,2}$")
_YEAR_AFTER = re.compile(rf"\.?{_FILLER}(\d{{4}}|\d{{2}}(?!\d|,? \d{{4}}))(?!\d|[.,:/-]\d)")
_DAY_AFTER = re.compile(r"\.?[ \n,./-]{0,3}(\d{1,2})(?:st|nd|rd|th)?(?!\d|[.:/-]\d)")


@dataclass(frozen=True, slots=True)
class Day:
    """A day as written: its place, and what it may mean as (year, month, day), likeliest first. A year of two digits is
    below 100."""

    start: int
    end: int
    readings: tuple[tuple[int, int, int], ...]

    def means(self, year: int, month: int, day: int) -> bool:
        return (year, month, day) in self.readings or (year % 100, month, day) in self.readings


def days(text: str) -> Iterator[Day]:
    """Every day that is written in an evened text; numeric ones first, then those with a month's name."""
    for found in _NUMERIC.finditer(text):
        if found[2].strip() == found[4].strip() and (readings := _orders(found[1], found[3], found[5])):
            yield Day(*found.span(), readings)
    for pattern in (_COMPACT, _HAN):
        for found in pattern.finditer(text):
            if readings := _possible([(int(found[1]), int(found[2]), int(found[3]))]):
                yield Day(*found.span(), readings)
    for word in _WORD.finditer(text):
        if (month := _MONTH.get(word.group())) and (day := _around(text, *word.span(), month)):
            yield day


@lru_cache(20_000)
def _orders(first: str, middle: str, last: str) -> tuple[tuple[int, int, int], ...]:
    a, b, c = int(first), int(middle), int(last)
    if len(first) == 4:
        return _possible([(a, b, c)]) if len(last) < 3 else ()
    if len(first) > 2 or len(last) == 1:
        return ()
    return _possible([(c, b, a), (c, a, b), *([(a, b, c)] if len(last) == 2 and len(first) == 2 else [])])


def _possible(readings: Iterable[tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
    return tuple(dict.fromkeys(one for one in readings if 1 <= one[1] <= 12 and 1 <= one[2] <= 31))


def _around(text: str, start: int, end: int, month: int) -> Day | None:
    """The day whose month's name stands at `start`, if a day and a year stand around it."""
    before = text[max(0, start - 28) : start]
    after = text[end : end + 40]
    if (day := _DAY_BEFORE.search(before)) and (year := _YEAR_AFTER.match(after)):
        begin, stop, found = start - len(before) + day.start(), end + year.end(), (year[1], day[1])
    elif (year := _YEAR_BEFORE.search(before)) and (day := _DAY_AFTER.match(after)):
        begin, stop, found = start - len(before) + year.start(), end + day.end(), (year[1], day[1])
    elif (day := _DAY_AFTER.match(after)) and (year := _YEAR_AFTER.match(after[day.end() :])):
        begin, stop, found = start, end + day.end() + year.end(), (year[1], day[1])
    else:
        return None
    readings = _possible([(int(found[0]), month, int(found[1]))])
    return Day(begin, stop, readings) if readings else None


def read_days(text: str) -> tuple[tuple[int, int, int], ...]:
    """All that an evened text may mean as one day, likeliest first (day before month); () if it is not a day."""
    text = text.strip()
    whole = [day for day in days(text) if (day.start, day.end) == (0, len(text))]
    return whole[0].readings if whole else ()


_TIME = re.compile(r"(?<![\d:.,])(\d{1,2})(?:[:h](\d{2})(?:[:.](\d{2})(?:[.,]\d+)?)?)?( ?(?:[ap]\.?m\b\.?))?(?![\d:])")


def times(text: str) -> Iterator[tuple[int, int, tuple[int, int, int | None]]]:
    """Every time of day in an evened text: its place, and hour, minute and second (None where it is not written)."""
    for found in _TIME.finditer(text):
        hour, minute, second, half = found.groups()
        if minute is None and half is None:
            continue
        hours = int(hour)
        if half and hours <= 12:
            hours = hours % 12 + (12 if "p" in half else 0)
        if hours <= 24 and int(minute or 0) < 60:
            yield found.start(), found.end(), (hours, int(minute or 0), None if second is None else int(second))
