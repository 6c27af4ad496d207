"""Which DuckDB type a column has: from the type of the rows, and from the values that are there.

`Seen` takes values in and says what kinds there were; `column` puts that together with what the schema says. Nothing is
rounded to fit: decimals are as wide as their longest value, and what has no one type is kept as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from .. import nodes
from ..expressions import is_decimal
from ..jsontext import dump

__all__ = ["Column", "Seen", "column", "quoted", "spooled"]

WIDEST = 38
"""Digits of DuckDB's widest DECIMAL (its documentation, "Fixed-point decimals")."""

_WHOLE = 18
_DEEPEST = 8
_FORMATS = {"date": "DATE", "date-time": "TIMESTAMP", "time": "TIME"}


@dataclass(frozen=True)
class Column:
    """A DuckDB type: its SQL name, or the parts of a list or a struct."""

    sql: str
    items: Column | None = None
    fields: tuple[tuple[str, Column], ...] = ()

    @property
    def spool(self) -> str:
        """The type that its values are read with from the spool; JSON travels as its text."""
        return self._text("VARCHAR")

    def __str__(self) -> str:
        return self._text("JSON")

    def _text(self, json: str) -> str:
        if self.items is not None:
            return f"{self.items._text(json)}[]"
        if self.fields:
            return f"STRUCT({', '.join(f'{quoted(name)} {one._text(json)}' for name, one in self.fields)})"
        return json if self.sql == "JSON" else self.sql


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass
class Seen:
    """The kinds of value that a place has held. `digits` and `scale` are the most before and after the point."""

    kinds: set[str] = field(default_factory=set)
    digits: int = 0
    scale: int = 0
    offset: bool = False
    items: Seen | None = None
    fields: dict[str, Seen] = field(default_factory=dict)

    def take(self, value: Any) -> None:
        """Notes one value."""
        for of, kind in _KINDS:
            if isinstance(value, of):
                self.kinds.add(kind)
                break
        else:
            raise TypeError(f"A {type(value).__name__} is no JSON value.")
        if kind in _TAKE:
            _TAKE[kind](self, value)

    def whole(self, value: int) -> None:
        self.digits = max(self.digits, len(str(abs(value))))

    def number(self, value: float | Decimal) -> None:
        exact = Decimal(repr(value)) if isinstance(value, float) else value
        if not exact.is_finite():
            raise TypeError(f"{value} is no JSON number.")
        self.digits = max(self.digits, exact.adjusted() + 1)
        self.scale = max(self.scale, -int(exact.as_tuple().exponent))

    def text(self, value: str) -> None:
        self.offset = self.offset or value[-1:] == "Z" or "+" in value[10:] or "-" in value[10:]

    def list(self, value: Any) -> None:
        self.items = self.items or Seen()
        for item in value:
            self.items.take(item)

    def record(self, value: Mapping[str, Any]) -> None:
        for name, item in value.items():
            self.fields.setdefault(name, Seen()).take(item)


_KINDS: tuple[tuple[Any, str], ...] = (
    (type(None), "null"),
    (bool, "boolean"),
    (int, "whole"),
    (Decimal, "decimal"),
    (float, "float"),
    ((str, date, time), "text"),
    ((list, tuple), "list"),
    (Mapping, "record"),
)
_TAKE: dict[str, Callable[[Seen, Any], None]] = {
    "whole": Seen.whole,
    "decimal": Seen.number,
    "float": Seen.number,
    "text": lambda seen, value: seen.text(value) if isinstance(value, str) else None,
    "list": Seen.list,
    "record": Seen.record,
}

_JSON = Column("JSON")


def column(node: nodes.Node | None, seen: Seen, type: nodes.Type, *, floats: bool = False, depth: int = 0) -> Column:
    """The type of a column that the schema gives as `node` (None: nothing is known) and that held what was `seen`.

    With `floats`, numbers that all came as floats are DOUBLE; otherwise they are the decimals that they are written as.
    """
    node = None if node is None else _plain(node, type)
    kinds = seen.kinds - {"null"}
    if depth > _DEEPEST:
        return _JSON
    if not kinds:
        return _declared(node, type, depth)
    if kinds == {"text"}:
        return _text(node, seen, depth)
    if kinds == {"boolean"}:
        return Column("BOOLEAN")
    if kinds <= {"whole", "decimal", "float"}:
        decimal = node is not None and is_decimal(node, type)
        if floats and "float" in kinds and "decimal" not in kinds and not decimal:
            return Column("DOUBLE")
        whole = kinds == {"whole"} and not (isinstance(node, nodes.Number) and not node.integer)
        return _number(seen, whole, "float" in kinds)
    if kinds == {"list"}:
        items = node.items if isinstance(node, nodes.Array) else None
        return Column("LIST", column(items, seen.items or Seen(), type, floats=floats, depth=depth + 1))
    if kinds == {"record"}:
        return _struct(node, seen, type, floats, depth)
    return _JSON


def _number(seen: Seen, whole: bool, floats: bool) -> Column:
    if whole and seen.digits <= _WHOLE:
        return Column("BIGINT")
    digits, scale = max(seen.digits, 1), seen.scale
    if digits + scale <= WIDEST:
        return Column(f"DECIMAL({max(digits + scale, _WHOLE)}, {scale})")
    return Column("DOUBLE") if floats else _JSON


def _text(node: nodes.Node | None, seen: Seen, depth: int) -> Column:
    found = _FORMATS.get(node.format or "", "VARCHAR") if isinstance(node, nodes.Text) else "VARCHAR"
    if found == "TIMESTAMP" and seen.offset:
        # what lies deeper is handed out by a part of the client that needs a time zone library
        return Column("VARCHAR" if depth else "TIMESTAMPTZ")
    if found == "TIME" and seen.offset:
        return Column("VARCHAR")
    return Column(found)


def _struct(node: nodes.Node | None, seen: Seen, type: nodes.Type, floats: bool, depth: int) -> Column:
    declared = {one.name: one.node for one in node.fields} if isinstance(node, nodes.Record) else {}
    if node is not None and not declared and not isinstance(node, nodes.Anything):
        return _JSON
    names = list(dict.fromkeys([*declared, *seen.fields]))
    if not names or len({name.lower() for name in names}) < len(names) or "" in names:
        return _JSON
    made = (
        (name, column(declared.get(name), seen.fields.get(name, Seen()), type, floats=floats, depth=depth + 1))
        for name in names
    )
    return Column("STRUCT", fields=tuple(made))


def _plain(node: nodes.Node, type: nodes.Type) -> nodes.Node:
    """The node without references and without the null of an optional field."""
    node = type.resolve(node)
    if isinstance(node, nodes.Union) and not is_decimal(node, type):
        branches = [one for one in map(type.resolve, node.branches) if not isinstance(one, nodes.Null)]
        if len(branches) == 1:
            return _plain(branches[0], type)
    return node


def _declared(node: nodes.Node | None, type: nodes.Type, depth: int) -> Column:
    """The type by the schema alone."""
    if node is None or depth > _DEEPEST:
        return Column("VARCHAR")
    node = _plain(node, type)
    if is_decimal(node, type):
        return Column(f"DECIMAL({WIDEST}, 9)")
    if isinstance(node, nodes.Text):
        return Column(_FORMATS.get(node.format or "", "VARCHAR"))
    if isinstance(node, nodes.Number):
        return Column("BIGINT" if node.integer else f"DECIMAL({WIDEST}, 9)")
    if isinstance(node, nodes.Boolean):
        return Column("BOOLEAN")
    if isinstance(node, nodes.Choice):
        return _choice(node)
    if isinstance(node, nodes.Array):
        return Column("LIST", _declared(node.items, type, depth + 1))
    if isinstance(node, nodes.Record) and node.fields:
        return Column("STRUCT", fields=tuple((one.name, _declared(one.node, type, depth + 1)) for one in node.fields))
    return Column("VARCHAR") if isinstance(node, (nodes.Anything, nodes.Null)) else _JSON


def _choice(node: nodes.Choice) -> Column:
    seen = Seen()
    for value in node.values:
        seen.take(value)
    return column(None, seen, nodes.Type(root=node))


_MOMENTS: dict[str, Callable[[str], date | time]] = {
    "DATE": date.fromisoformat,
    "TIMESTAMP": datetime.fromisoformat,
    "TIMESTAMPTZ": datetime.fromisoformat,
    "TIME": time.fromisoformat,
}


def spooled(value: Any, to: Column) -> Any:
    """A value as it is written to the spool for a column of this type: numbers as text, so that no digit is lost on the
    way, and JSON as its text. Raises ValueError for a date or time that is none."""
    if value is None:
        return None
    if to.sql in _MOMENTS:
        return _MOMENTS[to.sql](_iso(value)).isoformat()
    if to.sql == "JSON":
        return dump(_iso(value))
    if to.items is not None:
        return [spooled(item, to.items) for item in value]
    if to.fields:
        return {name: spooled(value.get(name), one) for name, one in to.fields}
    if isinstance(value, float) and to.sql != "DOUBLE":
        return format(Decimal(repr(value)), "f")
    if isinstance(value, Decimal):
        return repr(float(value)) if to.sql == "DOUBLE" else format(value, "f")
    if isinstance(value, int) and to.sql.startswith("DECIMAL"):
        return str(value)
    return _iso(value)


def _iso(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, time)) else value
