"""Rows of SQLite, PostgreSQL, MySQL and other databases, through SQLAlchemy.

The rows are fetched in portions and put into a file at once, before the first is given: a run may take hours, and no
transaction stays open that long, nor does a lock. The connection may only read. A table comes in the order of its key,
or of all its columns where it has none; a query in the order that it says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .. import nodes
from ..databases import Address, Slot, connected, node_of, slots, table_names, unique_keys
from ..errors import PipelineError
from ..tables import QueryError, json_value
from .stored import kept, no_table

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult

__all__ = ["Served"]

_BLOCK = 1000
_SORTED = {"boolean", "whole", "exact", "float", "text", "uuid", "date", "time", "moment", "instant", "loose"}

_OIDS: dict[Any, str] = {
    **dict.fromkeys((20, 21, 23, 26), "whole"),
    **dict.fromkeys((25, 1042, 1043), "text"),
    **dict.fromkeys((700, 701), "float"),
    **{16: "boolean", 1700: "exact", 1082: "date", 1083: "time", 1114: "moment", 1184: "instant", 2950: "uuid"},
}
"""Kinds by PostgreSQL's numbers of its types (its source, pg_type.dat), which a cursor gives for a query's columns."""


class Served:
    """A table, or the result of a query."""

    def __init__(self, address: Address, table: str, query: str):
        self._address, self._table, self._query = address, table, query.strip().rstrip(";")

    def rows(self) -> Iterator[dict[str, Any]]:
        return kept(self._rows())

    def type(self) -> nodes.Type:
        with connected(self._address) as connection:
            found = list(self._slots(connection).values()) if self._table else self._described(connection)
        fields = tuple(nodes.Field(name=slot.name, node=node_of(slot)) for slot in found)
        return nodes.Type(root=nodes.Record(fields=fields))

    def count(self) -> int:
        import sqlalchemy as sa

        with connected(self._address) as connection:
            if self._table:
                self._slots(connection)
                counted: Any = sa.select(sa.func.count()).select_from(self._named())
            else:
                counted = _literal(f"select count(*) from ({self._query}\n) counted_rows")
            return int(connection.execute(counted).scalar_one())

    def _rows(self) -> Iterator[dict[str, Any]]:
        with connected(self._address) as connection:
            known = self._slots(connection) if self._table else {}
            result = self._result(connection, known)
            names = list(result.keys())
            for i, name in enumerate(names):
                if name in names[:i]:
                    message = f"The query gives two columns the name `{name}`."
                    raise PipelineError(message, self._address.shown, "Name one of them with `as`.")
            readers = [_reader(name, known.get(name)) for name in names]
            for values in result:
                yield {name: read(value) for name, read, value in zip(names, readers, values, strict=True)}

    def _result(self, connection: Connection, known: Mapping[str, Slot] | None = None) -> CursorResult[Any]:
        import sqlalchemy as sa

        if self._query and self._address.dialect == "postgresql":
            self._tried(connection)  # an error in the declaration of a cursor is one that cannot be closed in quiet
        streaming = connection.execution_options(stream_results=True, yield_per=_BLOCK)
        if not self._table:
            return streaming.execute(_literal(self._query))
        known = known or self._slots(connection)
        columns: dict[str, Any] = {name: sa.column(name) for name in known}
        order = [columns[name] for name in self._order(connection, known)]
        return streaming.execute(sa.select(*columns.values()).select_from(self._named()).order_by(*order))

    def _described(self, connection: Connection) -> list[Slot]:
        """The columns of the query; of what kind they are only PostgreSQL says without running it."""
        if self._address.dialect == "postgresql":
            result = self._tried(connection)
            codes = {one[0]: one[1] for one in result.cursor.description or ()} if result.cursor else {}
            return [Slot(name, _OIDS.get(codes.get(name), "other"), "") for name in list(result.keys())]
        result = self._result(connection)
        found = [Slot(name, "other", "") for name in list(result.keys())]
        result.close()
        return found

    def _tried(self, connection: Connection) -> CursorResult[Any]:
        """The result of the query without its rows."""
        return connection.execute(_literal(f"select * from ({self._query}\n) as tried limit 0"))

    def _slots(self, connection: Connection) -> dict[str, Slot]:
        found = slots(connection, self._table)
        if found is None:
            raise no_table(self._table, table_names(connection, self._table), self._address.shown)
        return found

    def _order(self, connection: Connection, known: Mapping[str, Slot]) -> list[str]:
        for key in unique_keys(connection, self._table):
            if all(name in known and not known[name].nullable for name in key):
                return [name for name in known if name in key]
        return [name for name, slot in known.items() if slot.kind in _SORTED]

    def _named(self) -> Any:
        import sqlalchemy as sa

        schema, _, name = self._table.rpartition(".")
        return sa.table(name, schema=schema or None)


def _literal(query: str) -> Any:
    """A query as it was written: a colon in it is no parameter."""
    import sqlalchemy as sa

    return sa.text(query.replace(":", "\\:"))


def _reader(name: str, slot: Slot | None) -> Callable[[Any], Any]:
    """How the values of a column become JSON values."""

    def read(value: Any) -> Any:
        if isinstance(value, (bytes, memoryview)):
            raise QueryError(
                f"The column `{name}` holds bytes, which JSON does not have.", "Leave it out in a `query`."
            )
        found = json_value(name, value)
        return f"{found[:-6]}Z" if isinstance(found, str) and found is not value and found[-6:] == "+00:00" else found

    if slot is not None and slot.kind == "json":
        return lambda value: json.loads(value, parse_float=Decimal) if isinstance(value, str) else read(value)
    if slot is not None and slot.kind == "boolean":
        return lambda value: bool(value) if value in (0, 1) else read(value)
    return read
