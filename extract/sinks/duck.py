"""Rows into a table of a DuckDB file, in one transaction, with lists and records as DuckDB's own.

The rows become a table beside the file first (see `tables`), and then one statement takes them over. What is promised
is what `database` promises for the others: all rows or none, once, and nothing rounded: a value that would not come
back from its column as it was is an error that names its row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..databases import Address, Slot
from ..errors import PipelineError
from ..nodes import Type
from ..tables import Column, Row, columns_of, quoted, store, workplace
from .fitting import matched, require_fit, require_key
from .tabling import NOTES, NULL, TableWriter, noted_as

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["DuckWriter", "check"]

_ROW, _NTH = "_extract row", "_extract nth"
_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")
_WIDEST, _USUAL_SCALE = 38, 9


@dataclass(frozen=True)
class _Place:
    """A table in the attached file."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"target.{quoted(self.schema)}.{quoted(self.name)}"


def check(address: Address, table: str, mode: str, key: Sequence[str], type: Type | None) -> None:
    """Raises PipelineError where the file cannot be opened, or the table does not take the rows."""
    if address.path is not None and any(sign in str(address.path) for sign in "?\\"):
        message = "DuckDB cannot keep a file whose path has a question mark or a backslash."
        raise PipelineError(message, address.shown, "Write somewhere else.")
    if address.path is None or not address.path.exists():
        return
    with _said(address), workplace() as (connection, _):
        _attach(connection, address.path, "read_only")
        place = _place(table)
        found = _slots(connection, place)
        if found is None:
            return
        if key:
            require_key(key, _unique(connection, place), found, address.shown, table)
        if type is not None:
            require_fit(type, found, address.shown, table)


@contextmanager
def _said(address: Address) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        said = str(error).strip().splitlines()[0].rstrip(".")
        held = isinstance(error, duckdb.IOException) and "No space left" not in said
        fix = "Another program may have it open: close it there." if held else None
        raise PipelineError(f"DuckDB refuses: {said}.", address.shown, fix) from None


def _attach(connection: DuckDBPyConnection, path: Path, *options: str) -> None:
    file = str(path).replace("'", "''")
    connection.execute(f"attach '{file}' as target ({', '.join(('type duckdb', *options))})")


def _make(path: Path) -> None:
    """Makes a file without tables where there is none, as a whole: one that was begun and not finished, because the
    disk was full or the process was killed, could not be opened ever again."""
    import duckdb

    if path.exists():
        return
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        duckdb.connect(str(part)).close()
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _place(table: str) -> _Place:
    schema, _, name = table.rpartition(".")
    return _Place(schema or "main", name)


def _slots(connection: DuckDBPyConnection, place: _Place) -> dict[str, Slot] | None:
    columns = "column_name, data_type, is_nullable, column_default"
    found = connection.execute(
        f"select {columns} from duckdb_columns() where database_name = 'target' and lower(schema_name) = lower(?) "
        "and lower(table_name) = lower(?) order by column_index",
        [place.schema, place.name],
    ).fetchall()
    made = (Slot(n, _kind(of), of, nullable=nullable, filled=default is not None) for n, of, nullable, default in found)
    return {slot.name: slot for slot in made} or None


def _kind(declared: str) -> str:
    if declared.endswith("]"):
        return "list"
    return next((kind for word, kind in _KINDS if declared.startswith(word)), "other")


_KINDS = (
    ("BOOLEAN", "boolean"),
    *(
        (f"{sign}{size}", "whole")
        for sign in ("", "U")
        for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
    ),
    ("DECIMAL", "exact"),
    ("DOUBLE", "float"),
    ("FLOAT", "float"),
    ("VARCHAR", "text"),
    ("DATE", "date"),
    ("TIMESTAMP WITH TIME ZONE", "instant"),
    ("TIMESTAMP", "moment"),
    ("TIME", "time"),
    ("UUID", "uuid"),
    ("JSON", "json"),
    ("STRUCT", "json"),
    ("MAP", "json"),
    ("BLOB", "bytes"),
)


def _unique(connection: DuckDBPyConnection, place: _Place) -> list[frozenset[str]]:
    where = "database_name = 'target' and lower(schema_name) = lower(?) and lower(table_name) = lower(?)"
    names = [place.schema, place.name]
    found = connection.execute(
        "select constraint_column_names from duckdb_constraints() "
        f"where constraint_type in ('PRIMARY KEY', 'UNIQUE') and {where}",
        names,
    ).fetchall()
    indexes = connection.execute(
        f"select expressions from duckdb_indexes() where is_unique and {where}", names
    ).fetchall()
    keys = [frozenset(columns) for (columns,) in found]
    return keys + [frozenset(one.strip(" \"'") for one in text.strip("[]").split(",")) for (text,) in indexes]


class DuckWriter(TableWriter):
    """Rows into a table of a DuckDB file, in one transaction."""

    @property
    def _place(self) -> _Place:
        return _place(self._name)

    def _appear(self) -> int:
        path = self._address.path
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        seen = self._spool.seen
        columns = {name: _lasting(one) for name, one in columns_of(seen, self._type, floats=True).items()}
        columns = columns or {name: Column("VARCHAR") for name in ("_id", "_source")}
        with _said(self._address), workplace() as (connection, folder):
            extra = {_ROW: Column("VARCHAR"), _NTH: Column("BIGINT")} if self._run else {}
            store(connection, folder, "rows", self._rows(), columns | extra)
            _make(path)
            _attach(connection, path)
            connection.execute("begin")
            self._fill(connection, columns)
            connection.execute("commit")
            (count,) = connection.execute("select count(*) from rows").fetchone() or (0,)
        return int(count)

    def _rows(self) -> Iterator[Row]:
        if self._key:
            yield from self._spool.last()
        elif self._run:
            for name, nth, row in self._spool.counted():
                yield row | {_ROW: noted_as(name), _NTH: nth}
        else:
            yield from self._spool.rows()

    def _fill(self, connection: DuckDBPyConnection, columns: dict[str, Column]) -> None:
        found = _slots(connection, self._place)
        made = found is None
        if found is None:
            found = self._made(connection, columns)
        elif self._key:
            require_key(self._key, _unique(connection, self._place), found, self.shown, self._name)
        to = matched(tuple(columns), found, self.shown, self._name)
        self._require_exact(connection, to, columns)
        if self._mode == "replace":
            connection.execute(f"delete from {self._place}")
        into = f"insert into {self._place} ({', '.join(quoted(slot.name) for slot in to.values())})"
        values = ", ".join(f"cast({quoted(name)} as {slot.declared})" for name, slot in to.items())
        if self._run:
            self._note(connection, f"{into} select {values} from rows", made)
            return
        connection.execute(f"{into} select {values} from rows {self._on_conflict(to)}")

    def _made(self, connection: DuckDBPyConnection, columns: dict[str, Column]) -> dict[str, Slot]:
        self._require_key_in(columns)
        listed = [f"{quoted(name)} {column}" for name, column in columns.items()]
        if self._key:
            listed.append(f"primary key ({', '.join(map(quoted, self._key))})")
        connection.execute(f"create schema if not exists target.{quoted(self._place.schema)}")
        connection.execute(f"create table {self._place} ({', '.join(listed)})")
        return _slots(connection, self._place) or {}

    def _on_conflict(self, to: dict[str, Slot]) -> str:
        if not self._key:
            return ""
        key = ", ".join(quoted(to[name].name) for name in self._key)
        others = [quoted(slot.name) for name, slot in to.items() if name not in self._key]
        set_ = ", ".join(f"{name} = excluded.{name}" for name in others)
        return f"on conflict ({key}) do update set {set_}" if others else f"on conflict ({key}) do nothing"

    def _note(self, connection: DuckDBPyConnection, insert: str, made: bool) -> None:
        """Inserts the rows that the notes do not have, and notes them; see `database` for what they are."""
        notes = _Place(self._place.schema, NOTES)
        connection.execute(
            f"create table if not exists {notes} (run varchar, output varchar, row_id varchar, nth bigint, "
            "primary key (run, output, row_id, nth))"
        )
        own = [self._run, self._output]
        if made:
            connection.execute(f"delete from {notes} where run = ? and output = ?", own)
        new = (
            f"where not exists (select 1 from {notes} as n where n.run = ? and n.output = ? "
            f"and n.row_id = rows.{quoted(_ROW)} and n.nth = rows.{quoted(_NTH)})"
        )
        connection.execute(f"{insert} {new}", own)
        select = f"select ?, ?, {quoted(_ROW)}, {quoted(_NTH)} from rows"
        connection.execute(f"insert into {notes} {select} {new}", own + own)

    def _require_exact(self, connection: DuckDBPyConnection, to: dict[str, Slot], columns: dict[str, Column]) -> None:
        """Raises PipelineError for a value that its column would change, or that a key must have."""
        own = quoted("_id") if "_id" in columns else "null"
        for name, slot in to.items():
            value = quoted(name)
            there = f"try_cast({value} as {slot.declared})"
            changed = f"try_cast({there} as {columns[name]}) is distinct from {value}"
            if slot.declared == "TIMESTAMP" and columns[name].sql == "TIMESTAMPTZ":
                changed = "true"
            lost = f"{value} is not null and ({there} is null or {changed})"
            lost += f" or {value} is null" if name in self._key else ""
            found = connection.execute(
                f"select {own}, cast({value} as varchar) from rows where {lost} limit 1"
            ).fetchone()
            if found is not None:
                id, lost_value = found
                why = NULL if lost_value is None else f"{lost_value} would be changed"
                raise self._refused(name, slot, slot.declared, id, why)


def _lasting(column: Column) -> Column:
    """The type of a column that later runs write to as well: decimals have room for more digits than were seen."""
    if column.items is not None:
        return replace(column, items=_lasting(column.items))
    if column.fields:
        return replace(column, fields=tuple((name, _lasting(one)) for name, one in column.fields))
    found = _DECIMAL.fullmatch(column.sql)
    if found is None:
        return column
    digits, scale = int(found[1]), int(found[2])
    wider = max(scale, _USUAL_SCALE)
    return Column(f"DECIMAL({_WIDEST}, {wider if digits - scale + wider <= _WIDEST else scale})")
