"""How a batch of rows is put into a table, inserted or merged, in the words of each database.

A way takes the table, its columns and the keys to merge by (none: insert), and gives what puts one batch. PostgreSQL
takes a batch as one JSON text and makes the values itself, exactly, whatever the driver: one statement and one way
there and back for a thousand rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..databases import Slot
from ..tables import exact_line, quoted

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

__all__ = ["way_of"]

Put = Callable[["Connection", Sequence[dict[str, Any]]], None]
Way = Callable[["Table", Sequence[Slot], Sequence[str]], Put]


def way_of(dialect: str) -> Way:
    """The way of a database, by SQLAlchemy's name for its kind."""
    return _WAYS.get(dialect, _each)


def _others(table: Table, keys: Sequence[str]) -> list[str]:
    return [str(column.key) for column in table.c if column.key not in keys]


def _postgresql(table: Table, slots: Sequence[Slot], keys: Sequence[str]) -> Put:
    import sqlalchemy as sa

    whole = [*([table.schema] if table.schema else []), table.name]
    into = ".".join(map(_named, whole))
    names = [_named(slot.name) for slot in slots]
    listed = ", ".join(f"c{i}" for i in range(len(slots)))
    kinds = ", ".join(f"c{i} {slot.declared}" for i, slot in enumerate(slots))
    rows = f"json_to_recordset(cast(:rows as json)) as r({kinds})"
    statement = f"insert into {into} ({', '.join(names)}) select {listed} from {rows}"
    if keys:
        by = [name for i, name in enumerate(names) if f"c{i}" in keys]
        change = ", ".join(f"{name} = excluded.{name}" for name in names if name not in by)
        statement += f" on conflict ({', '.join(by)}) do " + (f"update set {change}" if change else "nothing")
    made = sa.text(statement)

    def put(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
        connection.execute(made, {"rows": exact_line(list(values)).decode()})

    return put


def _named(name: str) -> str:
    """A name in a statement's text, where a colon would begin a parameter."""
    return quoted(name).replace(":", "\\:")


def _sqlite(table: Table, slots: Sequence[Slot], keys: Sequence[str]) -> Put:
    from sqlalchemy.dialects import sqlite

    insert = sqlite.insert(table)
    by = [table.c[key] for key in keys]
    others = _others(table, keys)
    if keys and others:
        insert = insert.on_conflict_do_update(index_elements=by, set_={name: insert.excluded[name] for name in others})
    elif keys:
        insert = insert.on_conflict_do_nothing(index_elements=by)
    return _executing(insert)


def _mysql(table: Table, slots: Sequence[Slot], keys: Sequence[str]) -> Put:
    """MySQL merges by whichever unique index a row meets."""
    from sqlalchemy.dialects import mysql

    insert = mysql.insert(table)
    if keys:
        insert = insert.on_duplicate_key_update({name: insert.inserted[name] for name in _others(table, keys) or keys})
    return _executing(insert)


def _executing(statement: Any) -> Put:
    def put(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
        connection.execute(statement, list(values))

    return put


def _each(table: Table, slots: Sequence[Slot], keys: Sequence[str]) -> Put:
    """Row by row: a row that is there is updated, else inserted."""
    import sqlalchemy as sa

    same = [table.c[key] == sa.bindparam(f"_{key}") for key in keys]
    others = _others(table, keys)

    def put(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
        if not keys:
            connection.execute(sa.insert(table), list(values))
            return
        for one in values:
            by = {f"_{key}": one[key] for key in keys}
            there = connection.execute(sa.select(sa.literal(1)).select_from(table).where(*same), by).first()
            if there is None:
                connection.execute(sa.insert(table), one)
            elif others:
                connection.execute(sa.update(table).where(*same).values({name: one[name] for name in others}), by)

    return put


_WAYS: dict[str, Way] = {"postgresql": _postgresql, "sqlite": _sqlite, "mysql": _mysql, "mariadb": _mysql}
