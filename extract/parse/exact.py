"""Well-formed JSON, read exactly.

jiter reads the bulk of it, refuses doubled names and is about as fast as JSON can be read from Python; what it
would round (long numbers, large exponents) or does not take (lone surrogates, deep nesting) goes to the standard
library's scanner, with hooks that keep it honest: a doubled name has two readings and is refused, a number that a
float would round is kept as a Decimal. NaN and Infinity are not JSON.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import jiter

from ..pointer import ABSENT

__all__ = ["NotJson", "exact", "exact_end", "faithful", "integer", "quick", "whole"]

_SHORT = 16  # a decimal text of up to 16 characters with a point has at most 15 digits, which a float always keeps
_DIGITS = 4300  # the longest integer that Python reads as an int by default

# Digits and points become "0", exponent letters "e", all else a space: then two searches find the numbers at risk.
_CLASSES = bytes(48 if c in b"0123456789." else 101 if c in b"eE" else 32 for c in range(256))
_SILENT = bytes(c for c in range(256) if c not in b"0123456789.eE ,:[]{}+-\n")
_NUMBER = re.compile(rb"[-+.\deE]*")
_FEW = 5_000  # numbers at risk that are looked at one by one


class NotJson(ValueError):
    """The text is not JSON; `reason` is a clause, `position` the character where it shows."""

    def __init__(self, reason: str, position: int):
        super().__init__(reason)
        self.reason, self.position = reason, position


def faithful(text: str) -> float | Decimal:
    """The number that a text with a fraction or exponent says: a float if it says the same, otherwise a Decimal.

    >>> faithful("0.1"), faithful("12345678901234567.89")
    (0.1, Decimal('12345678901234567.89'))
    """
    number = float(text)
    if (len(text) <= _SHORT and "e" not in text and "E" not in text) or repr(number) == text:
        return number
    try:
        written = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"the exponent of {text[:40]} is beyond any range") from None
    if number - number == 0.0 and Decimal(repr(number)) == written:
        return number
    return written


def integer(text: str) -> int | Decimal:
    """An integer of any length: an int as far as Python reads one, otherwise a Decimal."""
    return int(text) if len(text) <= _DIGITS else Decimal(text)


def whole(value: int | float | Decimal) -> bool:
    """Whether a number has no fraction: 1.0 has none."""
    return value == value.to_integral_value() if isinstance(value, Decimal) else value == value // 1


def _kept(data: bytes) -> bool:
    """Whether a float keeps every number in a text: long ones and those with exponents are looked at, wherever they
    stand. Most texts are settled by a shorter one, without the characters that separate nothing, where numbers can only
    seem longer; `rfind` takes half the time of `find` here."""
    short = data.translate(_CLASSES, _SILENT)
    if short.rfind(b"0e") < 0 and short.rfind(b"0" * (_SHORT + 1)) < 0:
        return True
    classes = data.translate(_CLASSES)
    return _all_kept(data, classes, b"0e") and _all_kept(data, classes, b"0" * (_SHORT + 1))


def _all_kept(data: bytes, classes: bytes, mark: bytes) -> bool:
    at, count = classes.find(mark), 0
    while at >= 0:
        while at and classes[at - 1] == 48:
            at -= 1
        written = _NUMBER.match(data, at)[0].decode()  # type: ignore[index]
        count += 1
        if count > _FEW or not (written.isdigit() or _fits_float(written)):
            return False
        at = classes.find(mark, at + len(written))
    return True


def _fits_float(written: str) -> bool:
    try:
        return repr(float(written)) == written or isinstance(faithful(written), float)
    except ValueError:
        return False


class _Refused(ValueError):
    """What the standard library would take and JSON or this project does not."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for doubled, _ in pairs:
            if doubled in seen:
                break
            seen.add(doubled)
        raise _Refused(f"the name {json.dumps(doubled, ensure_ascii=False)} stands twice in one object")
    return made


def _constant(text: str) -> Any:
    raise _Refused(f"{text} is not JSON")


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=faithful, parse_int=integer, parse_constant=_constant
)


def quick(text: str) -> Any:
    """What jiter reads, or ABSENT where the careful reader must read it or say what is wrong."""
    try:
        data = text.encode()
        return jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True) if _kept(data) else ABSENT
    except ValueError:
        return ABSENT


def exact(text: str) -> Any:
    """The value of a JSON text. Raises `NotJson`, and RecursionError where it nests too deep for the interpreter."""
    value = quick(text)
    if value is not ABSENT:
        return value
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.pos) from None
    except ValueError as error:
        raise NotJson(str(error), 0) from None


def exact_end(text: str, start: int) -> int:
    """Where the JSON value that begins at `start` ends, or -1 where what stands there is not JSON."""
    try:
        return _decoder.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return -1
