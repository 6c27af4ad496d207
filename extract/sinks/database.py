"""Rows into a table of SQLite, PostgreSQL, MySQL or any other database of SQLAlchemy's, in one transaction.

Rows wait in a spool; `finish` makes the table if there is none, fills it in batches, and commits once. So a table has
all rows or none, whenever the process is killed. What was written *and* noted by nobody, because the process ended
between the two, is written again by the next start under the same names of run and output, and is there once:

- `insert` notes each row's run, output and `_id` in the table `_extract_written` in the same transaction, and leaves
  out what is noted there, for as long as the table is. Rows of one run that share an `_id` are told apart by their
  order, rows without one by their content.
- `merge` sets the row of the same key. Of two rows of one key in a run the last one counts, and is counted once.
- `replace` empties the table in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..databases import Address, Slot, bound, connected, kind_of_new, made, slots, unique_keys
from ..nodes import Type
from ..tables import Row, columns_of
from .allowed import require_leave
from .fitting import matched, require_fit, require_key
from .putting import way_of
from .tabling import NAME_LENGTH, NOTES, NULL, TableWriter, noted_as

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

__all__ = ["DatabaseWriter", "check"]

_NOTE = (*(Slot(name, "text", "TEXT") for name in ("run", "output", "row_id")), Slot("nth", "whole", "INTEGER"))

_UNICODE: Any = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}  # their own default may be narrower

_BATCH, _WEIGHT = 1000, 8_000_000


def check(address: Address, table: str, mode: str, key: Sequence[str], type: Type | None) -> None:
    """Raises PipelineError where the database cannot be reached, or the table does not take the rows. Of PostgreSQL it
    is known as well what the user may do."""
    if address.path is not None and not address.path.exists():
        return
    with connected(address) as connection:
        found = slots(connection, table)
        if address.dialect == "postgresql":
            require_leave(connection, table, mode, found is not None, NOTES, address.shown)
        if found is None:
            return
        if key:
            require_key(key, unique_keys(connection, table), found, address.shown, table)
        if type is not None:
            require_fit(type, found, address.shown, table)


class DatabaseWriter(TableWriter):
    """Rows into a table, in one transaction of its database."""

    def _appear(self) -> int:
        if self._address.path is not None:
            self._address.path.parent.mkdir(parents=True, exist_ok=True)
        with connected(self._address, write=True) as connection, connection.begin():
            found = slots(connection, self._name)
            made = found is None
            if found is None:
                found = self._made(connection)
            elif self._key:
                require_key(self._key, unique_keys(connection, self._name), found, self.shown, self._name)
            to = matched(tuple(self._spool.seen), found, self.shown, self._name)
            return self._filled(connection, to, made)

    def _made(self, connection: Connection) -> dict[str, Slot]:
        """Makes the table, with a column for each field and the key as its primary key."""
        dialect = connection.dialect.name
        columns = columns_of(self._spool.seen, self._type, floats=True)
        kinds = {name: kind_of_new(column, self._spool.seen[name]) for name, column in columns.items()}
        self._require_key_in(kinds)
        found = {name: made(name, kind, dialect, name in self._key) for name, kind in kinds.items()}
        found = found or {name: made(name, "text", dialect, False) for name in ("_id", "_source")}
        _table(self._name, found.values(), self._key).create(connection)
        return found

    def _filled(self, connection: Connection, to: dict[str, Slot], made: bool) -> int:
        import sqlalchemy as sa

        table = _table(self._name, to.values(), ())
        keys = [f"c{i}" for i, name in enumerate(to) if name in self._key]
        put = way_of(connection.dialect.name)(table, tuple(to.values()), keys)
        if self._mode == "replace":
            connection.execute(sa.delete(table))
        rows = self._spool.last() if self._key else self._new(connection, made) if self._run else self._spool.rows()
        count = 0
        for block in _blocks(rows):
            count += len(block)
            put(connection, [self._values(row, to, connection) for row in block])
        return count if self._key else self._spool.count

    def _values(self, row: Row, to: dict[str, Slot], connection: Connection) -> dict[str, Any]:
        values = {}
        for i, (name, slot) in enumerate(to.items()):
            try:
                values[f"c{i}"] = bound(slot, row.get(name), connection.dialect.name)
                if name in self._key and values[f"c{i}"] is None:
                    raise ValueError(NULL)
            except ValueError as error:
                raise self._refused(name, slot, slot.declared or "untyped", row.get("_id"), str(error)) from None
        return values

    def _new(self, connection: Connection, made: bool) -> Iterator[Row]:
        """The rows that are not noted yet, each noted as it is given. What was noted of a table ends with it."""
        import sqlalchemy as sa

        notes = _notes(self._name)
        notes.create(connection, checkfirst=True)
        put = way_of(connection.dialect.name)(notes, _NOTE, ())
        mine = (notes.c.c0 == self._run, notes.c.c1 == self._output)
        name, nth = notes.c.c2, notes.c.c3
        if made:
            connection.execute(sa.delete(notes).where(*mine))
        before = connection.execute(sa.select(name).where(*mine).limit(1)).first() is not None
        for block in _blocks(self._spool.counted()):
            rows = {(noted_as(identity), nth): row for identity, nth, row in block}
            if before:
                asked = sa.select(name, nth).where(*mine, name.in_({one for one, _ in rows}))
                for known in connection.execute(asked):
                    rows.pop(tuple(known), None)
            if rows:
                put(connection, [{"c0": self._run, "c1": self._output, "c2": one, "c3": n} for one, n in rows])
            yield from rows.values()


def _table(name: str, slots: Iterable[Slot], key: Sequence[str]) -> Table:
    """SQLAlchemy's table of these columns, under short keys: a column may have any name."""
    import sqlalchemy as sa

    schema, _, own = name.rpartition(".")
    columns = [
        sa.Column(slot.name, slot.type, key=f"c{i}", primary_key=slot.name in key, nullable=slot.nullable)
        for i, slot in enumerate(slots)
    ]
    for column in columns:
        column.autoincrement = False
    return sa.Table(own, sa.MetaData(), *columns, schema=schema or None, **_UNICODE)


def _notes(table: str) -> Table:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    schema, _, _ = table.rpartition(".")
    exact = mysql.VARCHAR(NAME_LENGTH, collation="utf8mb4_bin")  # else MySQL holds a and A for the same
    text = sa.String(NAME_LENGTH).with_variant(exact, "mysql", "mariadb")
    columns = [
        sa.Column(one.name, sa.Integer if one.kind == "whole" else text, key=f"c{i}", primary_key=True)
        for i, one in enumerate(_NOTE)
    ]
    columns[-1].autoincrement = False
    return sa.Table(NOTES, sa.MetaData(), *columns, schema=schema or None, **_UNICODE)


def _blocks(items: Iterable[Any]) -> Iterator[list[Any]]:
    """The items in batches of so many, or of so many characters."""
    block: list[Any] = []
    weight = 0
    for item in items:
        block.append(item)
        weight += _weight(item)
        if len(block) >= _BATCH or weight >= _WEIGHT:
            yield block
            block, weight = [], 0
    if block:
        yield block


def _weight(value: Any) -> int:
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_weight, value.values()))
    return sum(map(_weight, value)) if isinstance(value, (list, tuple)) else 8
