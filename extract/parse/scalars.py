"""What a short text means as a number, a truth value, a date or one of a set of choices, where it can mean one thing
only.

Nothing here knows a locale, so nothing is read that needs one: ``1,234.56`` and ``12,111,123`` are plain, ``3,14``
and ``1.234,56`` are not numbers here, and ``3,000`` is one only where an integer is asked for. Every function gives
None for what it does not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from .exact import faithful, integer
from .exact import whole as fits

__all__ = ["amount", "boolean", "choose", "day", "fold", "looks_numeric", "number"]

_PLAIN = re.compile(r"([+-]?)(\d+|\d*(?=\.\d))(\.\d*)?([eE][+-]?\d{1,4})?", re.ASCII)
_GROUPED = re.compile(r"([+-]?)(\d{1,3}(?:([,_'’\u00a0\u2009\u202f])\d{3})(?:\3\d{3})*)(\.\d*)?", re.ASCII)
_NUMERIC = re.compile(r"[+-]?[\d.,'’_\u00a0\u2009\u202f]*\d[\d.,'’_\u00a0\u2009\u202f]*%?", re.ASCII)
_EXPONENTS = re.compile(r"[+-]?[\d.]*\d[\d.]*(?:[eE][+-]?[\d.]*)+", re.ASCII)
_MONEY = re.compile(r"([+-]?)\s?(?:[$€£¥]|USD|EUR|GBP)\s?([+-]?)(.+)|(.+?)\s?(?:[$€£¥]|USD|EUR|GBP)")
_LARGE: int = 10**18  # up to here a number with an exponent becomes an integer
_BARE = re.compile(r"[\W_]+")


def number(text: str, whole: bool) -> int | float | Decimal | None:
    """The number that a text says. A comma groups where the text says so itself: twice, before a point, or because no
    fraction can be meant (`whole`)."""
    text = text.strip().rstrip(",") if text.strip().count(",") > 1 else text.strip()
    plain = _PLAIN.fullmatch(text)
    if plain is not None and plain[0] and not (len(plain[2]) > 1 and plain[2][0] == "0"):
        sign, digits, fraction, exponent = plain.groups(default="")
        return _made(sign, digits or "0", fraction, exponent, whole)
    grouped = _GROUPED.fullmatch(text)
    if grouped is None or grouped[2][0] == "0":
        return None
    sign, digits, mark, fraction = grouped.groups(default="")
    if mark == "," and digits.count(",") == 1 and len(fraction) < 2 and not whole:
        return None
    return _made(sign, digits.replace(mark, ""), fraction, "", whole)


def _made(sign: str, digits: str, fraction: str, exponent: str, whole: bool) -> int | float | Decimal | None:
    sign = "-" if sign == "-" else ""
    if not exponent and len(fraction) < 2:
        return integer(sign + digits)
    value = faithful(f"{sign}{digits}{fraction if len(fraction) > 1 else ''}{exponent}")
    if not whole:
        return value
    if not fits(value):
        return None
    return int(value) if -_LARGE < value < _LARGE else value


def amount(text: str, whole: bool) -> int | float | Decimal | None:
    """A number with one currency sign before or after it."""
    found = _MONEY.fullmatch(text.strip())
    if found is None:
        return None
    before, after, rest, leading = found.groups(default="")
    if before and after:
        return None
    return number((before or after) + (rest or leading), whole)


def looks_numeric(text: str) -> bool:
    """Whether a text is made of digits, separators and exponents, so that it may well be meant as a number."""
    text = text.strip()
    return _NUMERIC.fullmatch(text) is not None or _EXPONENTS.fullmatch(text) is not None


def boolean(text: str, lenient: bool) -> bool | None:
    word = text.strip().casefold()
    if word in ("true", "false"):
        return word == "true"
    if lenient and word in ("yes", "no", "y", "n", "on", "off"):
        return word in ("yes", "y", "on")
    return None


_MONTH_NAMES = (
    ("jan", "january"),
    ("feb", "february"),
    ("mar", "march"),
    ("apr", "april"),
    ("may",),
    ("jun", "june"),
    ("jul", "july"),
    ("aug", "august"),
    ("sep", "sept", "september"),
    ("oct", "october"),
    ("nov", "november"),
    ("dec", "december"),
)
_MONTHS = {name: i for i, names in enumerate(_MONTH_NAMES, 1) for name in names}
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|\+00:00)?)?", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})", re.ASCII)
_NAMED = re.compile(
    r"(?:(?P<d>\d{1,2})(?:st|nd|rd|th)?[ -](?:of )?(?P<m>[A-Za-z]{3,9})\.?"
    r"|(?P<M>[A-Za-z]{3,9})\.? (?P<D>\d{1,2})(?:st|nd|rd|th)?),?[ -](?P<y>\d{4})",
    re.ASCII,
)


def day(text: str) -> str | None:
    """A date in ISO 8601, where the text has one reading: the year first, the month by its name, or a day beyond 12."""
    text = text.strip()
    if found := _YEAR_FIRST.fullmatch(text):
        return _iso(found[1], found[3], found[4])
    if found := _NAMED.fullmatch(text):
        month = _MONTHS.get((found["m"] or found["M"]).casefold())
        return None if month is None else _iso(found["y"], str(month), found["d"] or found["D"])
    if found := _YEAR_LAST.fullmatch(text):
        first, second = int(found[1]), int(found[3])
        if first == second or second > 12:
            return _iso(found[4], found[1], found[3])
        if first > 12:
            return _iso(found[4], found[3], found[1])
    return None


def _iso(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None


def fold(text: str) -> str:
    """A text without case, punctuation and spaces: two names that fold to the same are one name written in two ways."""
    return _BARE.sub("", text).casefold()


def choose(text: str, labels: Sequence[tuple[str, Any]], lenient: bool) -> tuple[Any] | None:
    """The one choice that a text names, by a label, without regard to case and punctuation; under `lenient` also a
    label followed by an explanation that names no other one."""
    folded = fold(text)
    found = [value for label, value in labels if fold(label) == folded and folded]
    if not found and lenient:
        found = _explained(text, labels)
    return (found[0],) if found and all(value is found[0] or value == found[0] for value in found) else None


def _explained(text: str, labels: Sequence[tuple[str, Any]]) -> list[Any]:
    stripped = text.strip().lstrip("*_`\"' ")
    mentioned = [
        (label, value) for label, value in labels if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text, re.IGNORECASE)
    ]
    if not mentioned or any(value != mentioned[0][1] for _, value in mentioned):
        return []
    longest = max((label for label, _ in mentioned), key=len)
    head = re.match(rf"{re.escape(longest)}[*_`\"']*\s*(?::|\s-+\s|\s?[—–]|\()", stripped, re.IGNORECASE)
    return [mentioned[0][1]] if head is not None else []
