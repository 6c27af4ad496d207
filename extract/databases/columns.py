"""What a column of a database holds, and how a value of a row becomes one of its own, exactly or not at all.

A `Slot` is one column: its `kind` is one of few, whatever the database calls it. `bound` makes the value that the
driver takes; what a column would round, cut or reinterpret is a ValueError that says why, never a changed value. `made`
says which type a new column gets.

SQLite has no exact decimals, dates, booleans or JSON of its own. There a decimal is stored as a number as long as a
double gives all its digits back (15 of them), and as text where it is longer; moments are ISO 8601 text, booleans 0 and
1, lists and records JSON text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from .. import nodes
from ..jsontext import dump
from ..tables import Column, Seen, plain_dates

__all__ = ["Slot", "bound", "kind_of_new", "made", "node_of", "slot_of", "sqlite_slot", "stripped"]

_SURE_DIGITS = 15
"""Decimal digits that a double always gives back (IEEE 754 binary64, DBL_DIG)."""

_INT64 = 2**63
_NUMBERS = {"whole", "decimal", "float"}


@dataclass(frozen=True)
class Slot:
    """One column. `declared` is its type in the database's words, `type` SQLAlchemy's; `filled` says that it gets a
    value where a row has none; `length` bounds a text, `digits` and `scale` a decimal; `item` is what a list holds."""

    name: str
    kind: str
    declared: str
    type: Any = None
    nullable: bool = True
    filled: bool = False
    length: int | None = None
    digits: int | None = None
    scale: int | None = None
    item: Slot | None = None


def slot_of(found: Mapping[str, Any], dialect: Any) -> Slot:
    """The slot of a column as SQLAlchemy's inspector found it."""
    import sqlalchemy as sa

    kind = found["type"]
    if isinstance(kind, sa.types.JSON):
        kind.none_as_null = True
    known = _kind(kind)
    try:
        declared = kind.compile(dialect)
    except sa.exc.SQLAlchemyError:
        declared = type(kind).__name__
    filled = found.get("default") is not None or bool(found.get("identity") or found.get("computed"))
    item = None
    if known == "list":
        item = slot_of({"name": found["name"], "type": kind.item_type}, dialect)
    return Slot(
        name=str(found["name"]),
        kind=known,
        declared=declared,
        type={"other": sa.types.NullType(), "uuid": sa.types.Uuid(as_uuid=False)}.get(known, kind),
        nullable=found.get("nullable", True),
        filled=filled or found.get("autoincrement") is True,
        length=getattr(kind, "length", None) if known == "text" else None,
        digits=kind.precision if known == "exact" else None,
        scale=kind.scale if known == "exact" else None,
        item=item,
    )


def _kind(kind: Any) -> str:
    import sqlalchemy as sa

    if isinstance(kind, sa.DateTime):
        return "instant" if kind.timezone else "moment"
    for of, known in (
        (sa.Boolean, "boolean"),
        (sa.Integer, "whole"),
        (sa.Float, "float"),
        (sa.Numeric, "exact"),
        (sa.Date, "date"),
        (sa.Time, "time"),
        (sa.types.JSON, "json"),
        (sa.types.ARRAY, "list"),
        (sa.types.Uuid, "uuid"),
        (sa.types.LargeBinary, "bytes"),
        (sa.types._Binary, "bytes"),
        (sa.Interval, "other"),
        (sa.String, "text"),
    ):
        if isinstance(kind, of):
            return known
    return "other"


_SQLITE_KINDS = (
    (r"BOOL", "boolean"),
    (r"JSON", "json"),
    (r"INT", "whole"),
    (r"DATETIME|TIMESTAMP", "moment"),
    (r"DATE", "date"),
    (r"TIME", "time"),
    (r"CHAR|CLOB|TEXT|UUID", "text"),
    (r"BLOB", "bytes"),
    (r"REAL|FLOA|DOUB", "float"),
    (r"", "exact"),
)


def sqlite_slot(found: tuple[Any, ...]) -> Slot:
    """The slot of a row of SQLite's `table_info`, by the words that its column was declared with."""
    _, name, declared, required, default, key = found
    words = str(declared or "").upper()
    kind = next(kind for words_of, kind in _SQLITE_KINDS if re.search(words_of, words)) if words else "loose"
    filled = default is not None or (bool(key) and words == "INTEGER")
    return Slot(name=name, kind=kind, declared=words or "untyped", nullable=not required and not key, filled=filled)


def bound(slot: Slot, value: Any, dialect: str) -> Any:
    """The value as the driver takes it for this column. Raises ValueError, with what is wrong in words."""
    if value is None:
        return None
    if dialect == "sqlite" and slot.kind in _SQLITE:
        return _SQLITE[slot.kind](slot, value)
    made = _BOUND[slot.kind](slot, value)
    if dialect == "postgresql" and _nul(made):
        raise ValueError("it holds the character NUL, which PostgreSQL does not store")
    return made


def _nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_nul(name) or _nul(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_nul, value))


def _shown(value: Any) -> str:
    said = value if isinstance(value, str) else dump(plain_dates(value))
    return said if len(said) <= 60 else f"{said[:59]}…"


def _boolean(slot: Slot, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{_shown(value)} is neither true nor false")


def _whole(slot: Slot, value: Any) -> int:
    if isinstance(value, (int, float, Decimal)) and value == (whole := int(value)):
        if not -_INT64 <= whole < 2 * _INT64:
            raise ValueError(f"{_shown(value)} is past 64 bits")
        return whole
    raise ValueError(f"{_shown(value)} is no whole number")


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError(f"{_shown(value)} is no number")
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _exact(slot: Slot, value: Any) -> Decimal:
    number = _number(value)
    if slot.scale is None:
        return number
    short = stripped(number)
    if -_exponent(short) > slot.scale:
        raise ValueError(f"{_shown(value)} has more than {slot.scale} digits after the point")
    if slot.digits is not None and short and short.adjusted() + 1 > slot.digits - slot.scale:
        raise ValueError(f"{_shown(value)} has more than {slot.digits - slot.scale} digits before the point")
    return short


def stripped(number: Decimal) -> Decimal:
    """The same number without zeros at its end. (`Decimal.normalize` would round it to 28 digits.)"""
    sign, digits, exponent = number.as_tuple()
    kept = len(digits)
    while kept > 1 and not digits[kept - 1]:
        kept -= 1
    return Decimal((sign, digits[:kept], int(exponent) + len(digits) - kept if number else 0))


def _exponent(number: Decimal) -> int:
    return int(number.as_tuple().exponent)


def _float(slot: Slot, value: Any) -> float:
    return float(_number(value))


def _text(slot: Slot, value: Any) -> str:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, (int, float, Decimal)):
        value = format(_number(value), "f")
    elif not isinstance(value, str):
        value = value.isoformat() if isinstance(value, (date, time)) else dump(plain_dates(value))
    if not value.isascii():  # half of a surrogate pair has no UTF-8; it is spelled out, as in CSV
        value = value.encode("utf-8", "backslashreplace").decode()
    if slot.length is not None and len(value) > slot.length:
        raise ValueError(f"it is {len(value)} characters long, and there is room for {slot.length}")
    return str(value)


def _date(slot: Slot, value: Any) -> date:
    try:
        return date.fromisoformat(_iso(value))
    except ValueError:
        raise ValueError(f"{_shown(value)} is no date") from None


def _time(slot: Slot, value: Any) -> time:
    try:
        return time.fromisoformat(_iso(value))
    except ValueError:
        raise ValueError(f"{_shown(value)} is no time") from None


def _moment(slot: Slot, value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(_iso(value))
    except ValueError:
        raise ValueError(f"{_shown(value)} is no date with a time") from None
    if found.tzinfo is not None:
        raise ValueError(f"{_shown(value)} has an offset from UTC, and the column has no place for it")
    return found


def _instant(slot: Slot, value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(_iso(value))
    except ValueError:
        raise ValueError(f"{_shown(value)} is no date with a time") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _iso(value: Any) -> str:
    if isinstance(value, (date, time)):
        return value.isoformat()
    if not isinstance(value, str):
        raise ValueError
    return value


def _list(slot: Slot, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{_shown(value)} is no list")
    assert slot.item is not None
    item = slot.item
    return [
        _list(slot, one) if isinstance(one, (list, tuple)) else one if one is None else _BOUND[item.kind](item, one)
        for one in value
    ]


def _uuid(slot: Slot, value: Any) -> str:
    try:
        return str(UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{_shown(value)} is no UUID") from None


def _bytes(slot: Slot, value: Any) -> Any:
    raise ValueError("the column holds bytes, which no field does")


def _other(slot: Slot, value: Any) -> Any:
    return _json_text(slot, value) if isinstance(value, (list, dict)) else value


def _json_text(slot: Slot, value: Any) -> str:
    return _text(slot, dump(plain_dates(value)))


def _loose(slot: Slot, value: Any) -> Any:
    """A number that SQLite's own hold, all other values as text."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return value
    if isinstance(value, (float, Decimal)):
        number = _number(value)
        short = float(number)
        return short if Decimal(repr(short)) == number and _sure(number) else format(number, "f")
    return _text(slot, value)


def _sure(number: Decimal) -> bool:
    return len(stripped(number).as_tuple().digits) <= _SURE_DIGITS and abs(number.adjusted()) < 300


def _sqlite_exact(slot: Slot, value: Any) -> Any:
    number = _loose(slot, value if isinstance(value, (int, float)) else _number(value))
    if isinstance(number, str):
        raise ValueError(f"SQLite would keep {_SURE_DIGITS} digits of {_shown(value)} there")
    return number


def _sqlite_whole(slot: Slot, value: Any) -> int:
    whole = _whole(slot, value)
    if whole >= _INT64:
        raise ValueError(f"{_shown(value)} is past 64 bits")
    return whole


_BOUND: dict[str, Callable[[Slot, Any], Any]] = {
    "boolean": _boolean,
    "whole": _whole,
    "exact": _exact,
    "float": _float,
    "text": _text,
    "date": _date,
    "time": _time,
    "moment": _moment,
    "instant": _instant,
    "json": lambda slot, value: plain_dates(value),
    "list": _list,
    "uuid": _uuid,
    "bytes": _bytes,
    "other": _other,
    "loose": _loose,
}

_SQLITE: dict[str, Callable[[Slot, Any], Any]] = {
    "boolean": lambda slot, value: int(_boolean(slot, value)),
    "whole": _sqlite_whole,
    "exact": _sqlite_exact,
    "date": lambda slot, value: _date(slot, value).isoformat(),
    "time": lambda slot, value: _time(slot, value).isoformat(),
    "moment": lambda slot, value: _instant(slot, value) and _iso(value),
    "json": _json_text,
}


def kind_of_new(column: Column, seen: Seen) -> str:
    """The kind of a column that is to be made, by what `tables` says of it and what it held."""
    if column.sql == "JSON" and seen.kinds and seen.kinds - {"null"} <= _NUMBERS:
        return "exact"  # a number too long for DuckDB's decimals
    return "exact" if column.sql.startswith("DECIMAL") else _NEW.get(column.sql, "json")


_NEW = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "BIGINT": "whole",
    "DOUBLE": "float",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "moment",
    "TIMESTAMPTZ": "instant",
}


def made(name: str, kind: str, dialect: str, key: bool) -> Slot:
    """The slot of a new column of this kind; `key` says that it is part of the primary key."""
    if dialect == "sqlite":
        kind, declared = _SQLITE_NEW[kind]
        return Slot(name=name, kind=kind, declared=declared, type=_spelled(declared), nullable=not key)
    if dialect in ("mysql", "mariadb") and kind == "instant":
        kind = "text"  # MySQL has no moments with an offset
    found = _types(dialect, key)[kind]
    digits, scale = (found.precision, found.scale) if kind == "exact" else (None, None)
    length = getattr(found, "length", None) if kind == "text" else None
    declared = found.compile(_dialect(dialect))
    return Slot(name, kind, declared, found, not key, length=length, digits=digits, scale=scale)


_SQLITE_NEW = {
    "text": ("text", "TEXT"),
    "boolean": ("boolean", "BOOLEAN"),
    "whole": ("whole", "INTEGER"),
    "exact": ("loose", ""),
    "float": ("float", "REAL"),
    "date": ("date", "DATE"),
    "time": ("time", "TIME"),
    "moment": ("moment", "DATETIME"),
    "instant": ("moment", "DATETIME"),
    "json": ("json", "JSON_TEXT"),  # a column declared JSON would turn a JSON text of digits into a double
}


def _spelled(declared: str) -> Any:
    """A type that is written as it is said, and hands values on as they are."""
    from sqlalchemy.types import UserDefinedType

    class Spelled(UserDefinedType[Any]):
        cache_ok = True

        def get_col_spec(self, **_: Any) -> str:
            return declared

    return Spelled()


def _dialect(name: str) -> Any:
    from sqlalchemy.dialects import mysql, postgresql

    return {"postgresql": postgresql, "mysql": mysql, "mariadb": mysql}[name].dialect() if name in _SPOKEN else None


_SPOKEN = ("postgresql", "mysql", "mariadb")


def _types(dialect: str, key: bool) -> dict[str, Any]:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql, postgresql

    types: dict[str, Any] = {
        "text": sa.Text(),
        "boolean": sa.Boolean(),
        "whole": sa.BigInteger(),
        "exact": sa.Numeric(38, 9),
        "float": sa.Double(),
        "date": sa.Date(),
        "time": sa.Time(),
        "moment": sa.DateTime(),
        "instant": sa.DateTime(timezone=True),
        "json": sa.JSON(none_as_null=True),
    }
    if dialect == "postgresql":
        types |= {"exact": sa.Numeric(), "json": postgresql.JSONB(none_as_null=True)}
    if dialect in ("mysql", "mariadb"):
        types |= {
            "text": mysql.VARCHAR(255, collation="utf8mb4_bin") if key else mysql.LONGTEXT(),
            "exact": sa.Numeric(65, 30),
            "time": mysql.TIME(fsp=6),
            "moment": mysql.DATETIME(fsp=6),
        }
    return types


def node_of(slot: Slot) -> nodes.Node:
    """The type of the values that are read from a column, as far as it is known."""
    found = _NODES.get(slot.kind, nodes.Anything())
    if slot.kind == "list" and slot.item is not None:
        found = nodes.Array(items=node_of(slot.item))
    return nodes.Union(branches=(found, nodes.Null())) if slot.nullable and slot.kind in _NODES else found


_NODES: dict[str, nodes.Node] = {
    "boolean": nodes.Boolean(),
    "whole": nodes.Number(integer=True),
    "exact": nodes.Number(),
    "float": nodes.Number(),
    "text": nodes.Text(),
    "uuid": nodes.Text(format="uuid"),
    "date": nodes.Text(format="date"),
    "time": nodes.Text(format="time"),
    "moment": nodes.Text(format="date-time"),
    "instant": nodes.Text(format="date-time"),
}
