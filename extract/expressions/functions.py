"""The values of expressions and the functions on them.

Numbers are ints and Decimals and lose no digit; a float counts as the digits that it is written with. Dates and times
are ISO 8601 texts, and two such texts are compared as moments: a date is its midnight, a time without an offset is
UTC. What makes no sense (a text plus a number) raises `Wrong` rather than giving something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import Any

__all__ = [
    "DATE_PARTS",
    "FUNCTIONS",
    "Function",
    "Wrong",
    "arithmetic",
    "compared",
    "date_part",
    "kind_of",
    "moment",
    "plain",
]

DATE_PARTS = ("year", "month", "day", "hour", "minute", "second")

_EXACT = Context(prec=400)
_DIVISION = Context(prec=34)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")


class Wrong(Exception):
    """An operation that makes no sense for its values; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Function:
    """A listed function: the least and greatest number of arguments, the kinds of value it takes in each place (the
    last kind goes on), the kind that it gives, and the rule. Where `null` is false the rule never sees null."""

    arguments: tuple[int, int]
    takes: tuple[str, ...]
    gives: str
    rule: Callable[..., Any]
    null: bool = False


def plain(value: Any) -> Any:
    """A value as the language has it: floats as the Decimals they are written as, dates and times as ISO texts."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, (date, time)):
        return value.isoformat()
    return value


def kind_of(value: Any) -> str:
    """``null``, ``boolean``, ``number``, ``text``, ``list`` or ``record``."""
    for kind, types in _KINDS:
        if isinstance(value, types):
            return kind
    raise Wrong(f"A value of the type {type(value).__name__} cannot stand in an expression.")


_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("null", (type(None),)),
    ("boolean", (bool,)),
    ("number", (int, Decimal)),
    ("text", (str,)),
    ("list", (list, tuple)),
    ("record", (Mapping,)),
)


def moment(text: str) -> datetime | None:
    """The moment that an ISO 8601 text stands for, or None if it is no such text."""
    if not _DATE.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)) + timedelta(0)
    except ValueError:
        return None


def date_part(text: str, part: str) -> int:
    """The year, month, ... that is written in an ISO text (not converted to another time zone)."""
    if moment(text) is None:
        raise Wrong(f"{text!r} is not a date and has no {part}.")
    return int(getattr(datetime.fromisoformat(text), part))


def arithmetic(sign: str, left: Any, right: Any) -> Any:
    """``left sign right``; null where either is null."""
    if left is None or right is None:
        return None
    kinds = kind_of(left), kind_of(right)
    if sign == "+" and kinds == ("text", "text"):
        return left + right
    if kinds != ("number", "number"):
        raise Wrong(f"A {kinds[0]} and a {kinds[1]} cannot be put together with `{sign}`.")
    if sign in ("/", "%") and right == 0:
        raise Wrong("A division by zero.")
    try:
        return _ARITHMETIC[sign](left, right)
    except DecimalException:
        raise Wrong(f"{left} {sign} {right} is beyond what numbers can hold.") from None


def _divide(left: int | Decimal, right: int | Decimal) -> int | Decimal:
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return _DIVISION.divide(left, right)


def _modulo(left: int | Decimal, right: int | Decimal) -> int | Decimal:
    """The rest has the sign of the divisor, for whole numbers and Decimals alike."""
    if isinstance(left, int) and isinstance(right, int):
        return left % right
    rest = _EXACT.remainder(left, right)
    return _EXACT.add(rest, right) if rest and (rest < 0) != (right < 0) else rest


def _exact(whole: Callable[[int, int], int], decimal: Callable[[Any, Any], Decimal]) -> Callable[[Any, Any], Any]:
    return lambda a, b: whole(a, b) if isinstance(a, int) and isinstance(b, int) else decimal(a, b)


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": _exact(lambda a, b: a + b, _EXACT.add),
    "-": _exact(lambda a, b: a - b, _EXACT.subtract),
    "*": _exact(lambda a, b: a * b, _EXACT.multiply),
    "/": _divide,
    "%": _modulo,
}


def compared(sign: str, left: Any, right: Any) -> bool:
    """Whether the comparison holds; with null it never does."""
    if left is None or right is None:
        return False
    if sign in ("in", "not in"):
        return _contains(right, left) is (sign == "in")
    if sign in ("==", "!="):
        return _equal(left, right) is (sign == "==")
    kinds = kind_of(left), kind_of(right)
    if kinds not in (("number", "number"), ("text", "text")):
        raise Wrong(f"A {kinds[0]} and a {kinds[1]} have no order.")
    left, right = _moments(left, right)
    return _ORDER[sign](left, right)


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


def _moments(left: Any, right: Any) -> tuple[Any, Any]:
    """Two ISO texts as moments; anything else as it is."""
    if isinstance(left, str) and isinstance(right, str):
        dates = moment(left), moment(right)
        if dates[0] is not None and dates[1] is not None:
            return dates
    return left, right


def _equal(left: Any, right: Any) -> bool:
    left, right = plain(left), plain(right)
    kinds = kind_of(left), kind_of(right)
    if kinds[0] != kinds[1]:
        return False
    if kinds[0] == "list":
        return len(left) == len(right) and all(_equal(a, b) for a, b in zip(left, right, strict=True))
    if kinds[0] == "record":
        return left.keys() == right.keys() and all(_equal(left[name], right[name]) for name in left)
    left, right = _moments(left, right)
    return bool(left == right)


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, str) and isinstance(part, str):
        return part in whole
    if isinstance(whole, (list, tuple)):
        return any(_equal(item, part) for item in whole)
    raise Wrong(f"A {kind_of(part)} cannot be looked for in a {kind_of(whole)}.")


def _whole(number: int | Decimal, rounding: str) -> int:
    if not Decimal(number).is_finite() or Decimal(number).adjusted() > _EXACT.prec:
        raise Wrong(f"{number} is too large to be rounded.")
    return int(Decimal(number).to_integral_value(rounding))


def _round(number: int | Decimal, places: int | Decimal = 0) -> int | Decimal:
    """Half goes away from zero, as on a bill. Without places the result is a whole number."""
    if places != int(places) or not -100 <= places <= 100:
        raise Wrong(f"A number cannot be rounded to {places} places.")
    if places <= 0:
        unit: int = 10 ** abs(int(places))
        return _whole(Decimal(number).scaleb(int(places), _EXACT), ROUND_HALF_UP) * unit
    try:
        return Decimal(number).quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP, _EXACT)
    except DecimalException:
        raise Wrong(f"{number} is too large to be rounded.") from None


def _extreme(pick: Callable[..., Any]) -> Callable[..., Any]:
    """The least or greatest of values that are not null; texts that are dates count as dates."""

    def rule(*values: Any) -> Any:
        found = [value for value in values if value is not None]
        kinds = {kind_of(value) for value in found}
        if len(kinds) > 1 or kinds - {"number", "text"}:
            raise Wrong(f"Values of the kinds {', '.join(sorted(kinds))} have no order.")
        dates = [moment(value) if isinstance(value, str) else None for value in found]
        if found and None not in dates:
            return found[dates.index(pick(dates))]
        return pick(found) if found else None

    return rule


FUNCTIONS: dict[str, Function] = {
    "abs": Function((1, 1), ("number",), "number", abs),
    "ceil": Function((1, 1), ("number",), "number", lambda n: _whole(n, ROUND_CEILING)),
    "coalesce": Function((2, 99), ("any",), "any", lambda *v: next((x for x in v if x is not None), None), null=True),
    "contains": Function((2, 2), ("text|list", "any"), "boolean", _contains),
    "endswith": Function((2, 2), ("text", "text"), "boolean", str.endswith),
    "floor": Function((1, 1), ("number",), "number", lambda n: _whole(n, ROUND_FLOOR)),
    "len": Function((1, 1), ("text|list",), "number", len),
    "lower": Function((1, 1), ("text",), "text", str.lower),
    "max": Function((2, 99), ("any",), "any", _extreme(max), null=True),
    "min": Function((2, 99), ("any",), "any", _extreme(min), null=True),
    "round": Function((1, 2), ("number", "number"), "number", _round),
    "startswith": Function((2, 2), ("text", "text"), "boolean", str.startswith),
    "strip": Function((1, 1), ("text",), "text", str.strip),
    "upper": Function((1, 1), ("text",), "text", str.upper),
}
