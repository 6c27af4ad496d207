"""Rows of SQLite, PostgreSQL, MySQL and other databases, through SQLAlchemy.

The rows are fetched in portions and put into a file at once, before the first is given: a run may take hours, and no
transaction stays open that long, nor does a lock. The connection may only read. A table comes in the order of its key,
or of all its columns where it has none; a query in the order that it says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from .. import nodes
from ..databases import Address, Slot, connected, node_of, slots, table_names, unique_keys
from ..errors import PipelineError
from ..tables import QueryError, json_value
from .stored import kept, no_table

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult

__all__ = ["Served"]

_BLOCK = 100  # rows may be whole documents
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

    def rows(self, limit: int | None) -> Iterator[dict[str, Any]]:
        return kept(islice(self._rows(), limit))

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
            readers: dict[str, Callable[[Any], Any]] = {}
            for portion in _portions(connection, self._statement(connection, known)):
                readers = readers or self._readers(list(portion.keys()), known)
                for values in portion:
                    yield {name: read(value) for (name, read), value in zip(readers.items(), values, strict=True)}

    def _readers(self, names: list[str], known: Mapping[str, Slot]) -> dict[str, Callable[[Any], Any]]:
        for i, name in enumerate(names):
            if name in names[:i]:
                message = f"The query gives two columns the name `{name}`."
                raise PipelineError(message, self._address.shown, "Name one of them with `as`.")
        decoded = self._address.dialect == "postgresql"
        return {name: _reader(name, known.get(name), decoded) for name in names}

    def _statement(self, connection: Connection, known: Mapping[str, Slot]) -> str:
        if not self._table:
            return self._query
        quote = connection.dialect.identifier_preparer.quote_identifier
        name = ".".join(quote(one) for one in self._table.rpartition(".")[::2] if one)
        columns = ", ".join(map(quote, known))
        order = ", ".join(map(quote, self._order(connection, known)))
        # a name with a percent sign comes doubled, for a statement with parameters
        return f"select {columns} from {name}{f' order by {order}' if order else ''}".replace("%%", "%")

    def _described(self, connection: Connection) -> list[Slot]:
        """The columns of the query; of what kind they are only PostgreSQL says."""
        kinds = _OIDS if self._address.dialect == "postgresql" else {}
        portion = next(_portions(connection, self._query))
        codes = {one[0]: one[1] for one in portion.cursor.description or ()} if portion.cursor else {}
        found = [Slot(name, kinds.get(codes.get(name), "other"), "") for name in list(portion.keys())]
        portion.close()
        return found

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


def _portions(connection: Connection, statement: str) -> Iterator[CursorResult[Any]]:
    """The rows of a statement, some at a time, as results that have the names of the columns. PostgreSQL gives them
    through a cursor of its own; drivers of the others do it by themselves."""
    if connection.dialect.name != "postgresql":
        streaming = connection.execution_options(stream_results=True, yield_per=_BLOCK)
        yield streaming.execute(_literal(statement))
        return
    connection.execute(_literal(f"declare extract_rows no scroll cursor for {statement}"))
    more = True
    while more:
        portion = connection.execute(_literal(f"fetch {_BLOCK} from extract_rows"))
        more = portion.rowcount == _BLOCK
        yield portion


def _literal(query: str) -> Any:
    """A query as it was written: a colon in it is no parameter."""
    import sqlalchemy as sa

    return sa.text(query.replace(":", "\\:"))


def _reader(name: str, slot: Slot | None, decoded: bool) -> Callable[[Any], Any]:
    """How the values of a column become JSON values; `decoded` says that the driver has read its JSON."""

    def read(value: Any) -> Any:
        if isinstance(value, (bytes, memoryview)):
            raise QueryError(
                f"The column `{name}` holds bytes, which JSON does not have.", "Leave it out in a `query`."
            )
        found = json_value(name, value)
        return f"{found[:-6]}Z" if isinstance(found, str) and found is not value and found[-6:] == "+00:00" else found

    if slot is not None and slot.kind == "json" and not decoded:
        return lambda value: json.loads(value, parse_float=Decimal) if isinstance(value, str) else read(value)
    if slot is not None and slot.kind == "boolean":
        return lambda value: bool(value) if value in (0, 1) else read(value)
    return read
