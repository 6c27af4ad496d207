"""Rows of Parquet and of DuckDB files, through DuckDB.

Parquet is read as rows are asked for. A DuckDB file is read to a file of rows at once and let go, so that nobody has to
wait for the end of a run to write to it. A query sees the file's own tables and nothing else.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import nodes
from ..databases import Address
from ..errors import PipelineError
from ..tables import Row, exact_line, one_select, quoted, result_type, results, shut

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Ducks", "Parquet", "kept"]

_MEMORY = "512MB"


def kept(rows: Iterator[Row]) -> Iterator[dict[str, Any]]:
    """The rows by way of a file on disk: all are read before the first is given, and memory does not grow with them."""
    with tempfile.TemporaryFile(prefix="extract-") as file:
        for row in rows:
            file.write(exact_line(row))
        file.seek(0)
        for line in file:
            yield json.loads(line.decode("utf-8", "surrogatepass"), parse_float=Decimal)


@contextmanager
def _opened(path: Path | None, shown: str) -> Iterator[DuckDBPyConnection]:
    """A connection to a DuckDB file, only to read, or to none. One thread keeps the order of the rows."""
    import duckdb

    config: dict[str, Any] = {"threads": "1", "memory_limit": _MEMORY}
    try:
        connection = duckdb.connect(str(path or ":memory:"), read_only=path is not None, config=config)
    except duckdb.Error as error:
        said = str(error).strip().splitlines()[0].rstrip(".")
        fix = "Another program may have it open: close it there."
        raise PipelineError(f"DuckDB cannot open the file: {said}.", shown, fix) from None
    try:
        yield connection
    finally:
        connection.close()


def _decimals(value: Any) -> Any:
    """The same value with its doubles as the decimals that they are written as."""
    if isinstance(value, float) and math.isfinite(value):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: _decimals(item) for name, item in value.items()}
    return [_decimals(item) for item in value] if isinstance(value, list) else value


class Parquet:
    """A Parquet file."""

    def __init__(self, path: Path):
        self._query = "select * from read_parquet('" + str(path).replace("'", "''") + "')"
        self._shown = str(path)

    def rows(self, limit: int | None) -> Iterator[dict[str, Any]]:
        with _opened(None, self._shown) as connection:
            for row in islice(results(connection, self._query), limit):
                yield _decimals(row)

    def type(self) -> nodes.Type:
        with _opened(None, self._shown) as connection:
            return result_type(connection, self._query)

    def count(self) -> int:
        with _opened(None, self._shown) as connection:
            return _count(connection, self._query)


class Ducks:
    """A table of a DuckDB file, or the result of a query over its tables."""

    def __init__(self, address: Address, table: str, query: str):
        self._address, self._table = address, table
        schema, _, name = table.rpartition(".")
        name = f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)
        self._query = query.strip().rstrip(";") or f"select * from {name}"

    def rows(self, limit: int | None) -> Iterator[dict[str, Any]]:
        return kept(islice(self._rows(), limit))

    def _rows(self) -> Iterator[dict[str, Any]]:
        with self._open() as connection:
            yield from results(connection, self._query)

    def type(self) -> nodes.Type:
        with self._open() as connection:
            return result_type(connection, self._query)

    def count(self) -> int:
        with self._open() as connection:
            return _count(connection, self._query)

    @contextmanager
    def _open(self) -> Iterator[DuckDBPyConnection]:
        with _opened(self._address.path, self._address.shown) as connection:
            found = connection.execute(
                "select table_name from duckdb_tables() union all select view_name from duckdb_views()"
            )
            known = [name for (name,) in found.fetchall()]
            shut(connection)
            if self._table and self._table.rpartition(".")[2].lower() not in {name.lower() for name in known}:
                raise no_table(self._table, known, self._address.shown)
            one_select(connection, self._query, "A `query`")
            yield connection


def no_table(table: str, known: list[str], shown: str) -> PipelineError:
    """The error of a table that is not there."""
    near = get_close_matches(table, known, 1)
    fix = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(known[:20])}." if known else None
    return PipelineError(f"There is no table `{table}`.", shown, fix)


def _count(connection: DuckDBPyConnection, query: str) -> int:
    for row in results(connection, f"select count(*) as n from ({query}\n) as rows"):
        return int(row["n"])
    return 0
