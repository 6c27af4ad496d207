"""JSON values as text, exactly: a Decimal is written as a number with all its digits, an integer of any length as it
is.

The standard encoder serves every value that it can carry; this module adds Decimals, and mappings and tuples that are
not dicts and lists. Text goes out in one line. `canonical` is the one text that equal values share; hashes are made of
it. `same` says whether two values are equal as JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import MAX_EMAX, Decimal
from functools import cache
from typing import Any

import orjson

__all__ = ["as_read", "canonical", "digest", "dump", "encoded", "fast", "finite", "load", "same", "sure"]


def dump(value: Any, *, sort_keys: bool = False, spaced: bool = True) -> str:
    """The JSON text of a plain value. Raises TypeError for what is no JSON value, ValueError for inf and nan."""
    if value.__class__ is int and -_WORD < value < _WORD:  # the encoder takes a number as long as a whole record
        return str(value)
    comma, colon = (", ", ": ") if spaced else (",", ":")
    try:
        return _encoder(sort_keys, comma, colon).encode(value)
    except (TypeError, ValueError):  # a Decimal, a mapping that is no dict, an integer of thousands of digits
        return "".join(_pieces(value, sort_keys, comma, colon))


_WORD = 2**63


@cache
def _encoder(sort_keys: bool, comma: str, colon: str) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=sort_keys, separators=(comma, colon))


def _pieces(value: Any, sort_keys: bool, comma: str, colon: str) -> Iterator[str]:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is not a JSON number")
        yield str(value)
    elif isinstance(value, Mapping):
        yield "{"
        for i, name in enumerate(sorted(value) if sort_keys else value):
            yield (comma if i else "") + json.dumps(name, ensure_ascii=False) + colon
            yield from _pieces(value[name], sort_keys, comma, colon)
        yield "}"
    elif isinstance(value, (list, tuple)):
        yield "["
        for i, item in enumerate(value):
            if i:
                yield comma
            yield from _pieces(item, sort_keys, comma, colon)
        yield "]"
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(Decimal(value))  # str(int) stops at 4,300 digits, by a setting of the process
    else:
        yield json.dumps(value, ensure_ascii=False, allow_nan=False)


def load(text: str | bytes) -> Any:
    """The value of a JSON text, exactly: a number that a float would change is a Decimal."""
    if isinstance(text, bytes):
        with suppress(orjson.JSONDecodeError, TypeError):  # the other decoder takes more, and says what is wrong
            value = orjson.loads(text)
            if orjson.dumps(value) == text:  # the fast encoder's own: then no float has lost a digit of it
                return value
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    return _DECODER.decode(text)


def _integer(digits: str) -> int:
    return int(digits) if len(digits) < 4000 else int(Decimal(digits))


def _number(digits: str) -> float | Decimal:
    if len(digits) <= _EXACT and "e" not in digits and "E" not in digits:
        return float(digits)
    try:
        short, exact = float(digits), Decimal(digits)
    except ArithmeticError:
        raise ValueError(f"a number with an exponent of more than {MAX_EMAX:,} cannot be held") from None
    if short in (float("inf"), float("-inf")):
        return exact
    return short if Decimal(repr(short)) == exact else exact


_EXACT = 15
"""So many digits a float gives back as they were."""

_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_integer)


def encoded(value: Any) -> bytes:
    """JSON without spaces that any value and any text survives, halves of surrogate pairs among them; null for what is
    no number."""
    return fast(value) or dump(value, spaced=False).encode("utf-8", "surrogatepass")


def fast(value: Any, *, read: bool = False) -> bytes | None:
    """The same, where the fast encoder can do it: it takes no integer of more than 64 bits, and no text that is not
    Unicode. Of a value `as_read`, if it is to be that."""
    try:
        return orjson.dumps(value, default=_as_it_is_read if read else _exactly, option=_STRICTLY)
    except TypeError:
        return None


_STRICTLY = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def _exactly(value: Any) -> Any:
    """A Decimal as a number with all its digits; the slow encoder says what is no JSON, or carries what is left."""
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError


def _as_it_is_read(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        found = load(str(value))
        return orjson.Fragment(str(found)) if isinstance(found, Decimal) else found
    raise TypeError


def as_read(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it comes back from its JSON text: of the same values, each in the form that it has then."""
    return {name: value if value.__class__ in _AS_THEY_ARE else _read(value) for name, value in row.items()}


_AS_THEY_ARE = frozenset((str, int, bool, type(None)))
"""Classes whose values are JSON as they are."""


def _read(value: Any) -> Any:
    kind = value.__class__
    if kind is list:
        return [one if one.__class__ in _AS_THEY_ARE else _read(one) for one in value]
    if kind is dict:
        return {name: one if one.__class__ in _AS_THEY_ARE else _read(one) for name, one in value.items()}
    if kind is float and value - value == 0:
        return value
    return load(encoded(value))


def sure(value: Any) -> bytes | None:
    """`fast`, where it writes null for null only."""
    text = fast(value)
    return text if text is not None and (b"null" not in text or finite(value)) else None


def finite(value: Any) -> bool:
    """Whether a value is plain, and every float in it a number; the fast encoder writes null for one that is not."""
    kind = value.__class__
    if kind is float:
        return bool(value - value == 0)
    if kind is dict or kind is list or kind is tuple:
        return all(map(finite, value.values() if kind is dict else value))
    return kind in _PLAIN


_PLAIN = frozenset((str, int, bool, type(None), Decimal))


def canonical(value: Any) -> bytes:
    """The one JSON text of a plain value: sorted keys, no spaces, UTF-8. What the fast encoder cannot carry (Decimals,
    long integers, halves of surrogate pairs) is written by the other one; no value is within reach of both."""
    try:
        return orjson.dumps(value, option=_SORTED)
    except TypeError:
        return dump(value, sort_keys=True, spaced=False).encode("utf-8", "surrogatepass")


_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal. Values are known by it, and nothing is secured, which OpenSSL prepares less for."""
    return hashlib.sha256(data, usedforsecurity=False).hexdigest()


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal: true is not 1, and 1.0 is 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(value, b[name]) for name, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)
