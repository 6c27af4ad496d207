"""Rows as tables of DuckDB, and queries over them.

Rows are spooled to a file on disk, the types of the columns are made of the schema and of what the rows hold, and a
query is run over the tables with everything else shut off: it cannot reach a file, the network, or Python's variables.
Decimals, whole numbers of any length, dates and times go in and come out exactly. Memory does not grow with the rows:
the tables are on disk, results come out as they are asked for.

A query that cannot run is a `QueryError` with its position in the text. What the rows mean is not known here.
"""

from __future__ import annotations

import errno
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from .. import nodes
from ..errors import PipelineError
from ..jsontext import dump
from .columns import Column, Seen, column, quoted, spooled

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "Column",
    "QueryError",
    "Row",
    "Seen",
    "columns_of",
    "describe",
    "exact_line",
    "fields_of",
    "json_value",
    "one_select",
    "plain_dates",
    "quoted",
    "result_type",
    "results",
    "run_query",
    "shut",
    "store",
    "workplace",
    "write_parquet",
]

Row = Mapping[str, Any]

_BLOCK = 1000
_MEMORY = "512MB"
_UNKNOWN = nodes.Type(root=nodes.Anything())


class QueryError(PipelineError):
    """A query that cannot run; `position` counts characters of its text from 0, where that is known."""

    def __init__(self, message: str, fix: str | None = None, position: int | None = None):
        super().__init__(message, None, fix)
        self.position = position


def describe(query: str, tables: Mapping[str, nodes.Type]) -> nodes.Type:
    """The type of the rows that a query gives, by the types of its tables; raises QueryError if it cannot run."""
    import duckdb

    connection = duckdb.connect(config={"threads": "1"})
    try:
        for name, type in tables.items():
            fields = fields_of(type)
            columns = {one.name: column(one.node, Seen(), type) for one in fields}
            _create(connection, name, columns)
        shut(connection)
        one_select(connection, query)
        try:
            found = connection.execute(f"describe {query.strip().rstrip(';')}").fetchall()
        except duckdb.Error as error:
            made = _error(error, query, tables, len("describe ") - (len(query) - len(query.lstrip())))
            if made is None:
                return _UNKNOWN
            raise made from None
    finally:
        connection.close()
    _no_doubles([row[0] for row in found])
    return nodes.Type(root=nodes.Record(fields=tuple(_described(row[0], row[1]) for row in found)))


def run_query(
    query: str, tables: Mapping[str, Iterable[Row]], types: Mapping[str, nodes.Type] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a query over tables of rows, one by one, in the query's order. `types` gives the types of the rows by
    table, where they are known."""
    try:
        with on_disk(), workplace() as (connection, folder):
            yield from _queried(connection, folder, query, tables, types or {})
    except OSError as error:
        raise QueryError(f"The query cannot run: {error.strerror or error}.") from None


def _queried(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    query: str,
    tables: Mapping[str, Iterable[Row]],
    types: Mapping[str, nodes.Type],
) -> Iterator[dict[str, Any]]:
    for name, rows in tables.items():
        _fill(connection, folder, name, rows, types.get(name, _UNKNOWN))
    shut(connection)
    one_select(connection, query)
    yield from results(connection, query)


def results(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[dict[str, Any]]:
    """The rows of one query as JSON values, as they are asked for. Raises QueryError if it cannot run."""
    import duckdb

    try:
        relation = connection.sql(query)
        _no_doubles(relation.columns)
        connection.execute(_handed_out(query, relation))
        readers = [_reader(str(one)) for one in relation.types]
        while block := connection.fetchmany(_BLOCK):
            for values in block:
                yield {n: read(n, v) for n, read, v in zip(relation.columns, readers, values, strict=True)}
    except duckdb.Error as error:
        raise _error(error, query, {}, 0) or QueryError(str(error)) from None


def result_type(connection: duckdb.DuckDBPyConnection, query: str) -> nodes.Type:
    """The type of a query's rows."""
    import duckdb

    try:
        relation = connection.sql(query)
    except duckdb.Error as error:
        raise _error(error, query, {}, 0) or QueryError(str(error)) from None
    _no_doubles(relation.columns)
    described = zip(relation.columns, map(str, relation.types), strict=True)
    return nodes.Type(root=nodes.Record(fields=tuple(_described(name, kind) for name, kind in described)))


def write_parquet(path: Path, rows: Iterable[Row], columns: Mapping[str, Column]) -> None:
    """Writes rows to a Parquet file with these columns. Raises OSError where the disk does not take them."""
    with on_disk(), workplace() as (connection, folder):
        store(connection, folder, "rows", rows, columns)
        target = str(path).replace("'", "''")
        connection.execute(f"copy (select * from rows) to '{target}' (format parquet)")


@contextmanager
def on_disk() -> Iterator[None]:
    """What DuckDB cannot write is an OSError, as of any other file."""
    import duckdb

    try:
        yield
    except duckdb.IOException as error:
        facts = re.search(r'"exception_message":"(.*?)","', str(error))
        said = facts[1].replace('\\"', '"') if facts else str(error).strip().splitlines()[0]
        raise OSError(errno.EIO, said.removeprefix("IO Error: ").rstrip(".")) from None


@contextmanager
def workplace() -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A database on disk that is gone afterwards. One thread keeps the order of rows the same from run to run."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="extract-", ignore_cleanup_errors=True) as folder:
        connection = duckdb.connect(f"{folder}/rows.duckdb", config={"threads": "1", "memory_limit": _MEMORY})
        try:
            yield connection, Path(folder)
        finally:
            connection.close()


def shut(connection: duckdb.DuckDBPyConnection) -> None:
    """From here on nothing but the tables can be reached, and no query can change that."""
    for setting in (
        "errors_as_json = true",
        "python_enable_replacements = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"set {setting}")


def one_select(connection: duckdb.DuckDBPyConnection, query: str, what: str = "A `sql` step") -> None:
    """Raises QueryError for what is not one query that only reads."""
    import duckdb

    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise _error(error, query, {}, 0) or QueryError(str(error)) from None
    if len(statements) != 1 or str(statements[0].type).rpartition(".")[2] != "SELECT":
        raise QueryError(f"{what} is one query.", "Begin it with `select` or `with`.")


def fields_of(type: nodes.Type) -> tuple[nodes.Field, ...]:
    """The fields of rows of a type; of several kinds of row, each name once, and without a type where they differ."""
    found: dict[str, nodes.Field] = {}
    for node in _records(type.root, type):
        for one in node.fields:
            same = found.get(one.name, one).node == one.node
            found[one.name] = one if same else nodes.Field(name=one.name, node=nodes.Anything())
    return tuple(found.values())


def _records(node: nodes.Node, type: nodes.Type) -> Iterator[nodes.Record]:
    node = type.resolve(node)
    if isinstance(node, nodes.Record):
        yield node
    for branch in node.branches if isinstance(node, nodes.Union) else ():
        yield from _records(branch, type)


def _create(connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, Column]) -> None:
    lower: dict[str, str] = {}
    for one in columns:
        if one.lower() in lower:
            message = f"The fields `{lower[one.lower()]}` and `{one}` differ in case only, which SQL cannot tell apart."
            raise QueryError(message, "Rename one of them with a `set` step or in the schema.")
        lower[one.lower()] = one
    listed = ", ".join(f"{quoted(one)} {of}" for one, of in columns.items())
    connection.execute(f"create table {quoted(name)} ({listed or '_nothing VARCHAR'})")


def _fill(
    connection: duckdb.DuckDBPyConnection, folder: Path, name: str, rows: Iterable[Row], type: nodes.Type
) -> None:
    """Makes the table of the rows. They are kept on disk until their types are known."""
    declared = {one.name: one.node for one in fields_of(type)}
    seen = {one: Seen() for one in declared}
    raw = folder / f"{name}.raw"
    with raw.open("wb") as out:
        for row in rows:
            for key, value in row.items():
                seen.setdefault(key, Seen()).take(value)
            out.write(exact_line(row))
    with raw.open(encoding="utf-8", errors="surrogatepass") as lines:
        exact = (json.loads(line, parse_float=Decimal) for line in lines)
        store(connection, folder, name, exact, columns_of(seen, type))
    raw.unlink()


def columns_of(seen: Mapping[str, Seen], type: nodes.Type | None, *, floats: bool = False) -> dict[str, Column]:
    """The columns for what was seen in rows of a type; see `column`."""
    type = type or _UNKNOWN
    declared = {one.name: one.node for one in fields_of(type)}
    return {one: column(declared.get(one), was, type, floats=floats) for one, was in seen.items()}


def store(
    connection: duckdb.DuckDBPyConnection, folder: Path, name: str, rows: Iterable[Row], columns: Mapping[str, Column]
) -> None:
    """Makes a table of these columns, in the order given, and puts the rows into it by way of a file in the folder."""
    _create(connection, name, columns)
    if not columns:
        return
    typed = folder / f"{name}.jsonl"
    longest = 0
    with typed.open("wb") as out:
        for row in rows:
            line = exact_line({one: _cell(one, row.get(one), to) for one, to in columns.items()})
            longest = max(longest, len(line))
            out.write(line)
    if longest:
        _load(connection, name, typed, columns, longest)
    typed.unlink()


def _cell(name: str, value: Any, to: Column) -> Any:
    try:
        return spooled(value, to)
    except ValueError as error:
        message = f"The field `{name}` is a {to.sql.lower()} by its schema, and a row does not have one there: {error}."
        raise QueryError(message, "Filter such rows out with a `where` or a `check` step before.") from None


def exact_line(row: Row | list[Row]) -> bytes:
    """A row, or a list of them, as one line of JSON: numbers with all their digits, dates and times in ISO 8601."""
    try:
        return orjson.dumps(row, default=_exact, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # integers past 64 bits, halves of surrogate pairs
        return dump(plain_dates(row), spaced=False).encode("utf-8", "surrogatepass") + b"\n"


def _exact(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"A {type(value).__name__} is no JSON value.")


def plain_dates(value: Any) -> Any:
    """JSON values: dates and times as ISO texts, in lists and records too."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: plain_dates(item) for name, item in value.items()}
    return [plain_dates(item) for item in value] if isinstance(value, (list, tuple)) else value


def _load(
    connection: duckdb.DuckDBPyConnection, name: str, file: Path, columns: Mapping[str, Column], longest: int
) -> None:
    """Reads a file whose longest line has so many bytes: DuckDB sets aside room for a line, and not for the file."""
    import duckdb

    listed = ", ".join(f"{_text(one)}: {_text(of.spool)}" for one, of in columns.items())
    biggest = max(16 * 2**20, 2 * longest)
    options = f"format='newline_delimited', columns={{{listed}}}, maximum_object_size={biggest}"
    try:
        connection.execute(f"insert into {quoted(name)} select * from read_json({_text(str(file))}, {options})")
    except duckdb.Error as error:
        said = str(error).splitlines()[0]
        raise QueryError(f"The rows cannot be made a table: {said}.") from None


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _handed_out(query: str, relation: Any) -> str:
    """The query, with moments as text in UTC: the client would need a time zone library for them."""
    kinds = [str(one) for one in relation.types]
    if "TIMESTAMP WITH TIME ZONE" not in kinds:
        return query
    moment = "strftime({0} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') as {0}"
    listed = ", ".join(
        moment.format(quoted(name)) if kind == "TIMESTAMP WITH TIME ZONE" else quoted(name)
        for name, kind in zip(relation.columns, kinds, strict=True)
    )
    return f"select {listed} from ({query.strip().rstrip(';')}\n)"


def _reader(kind: str) -> Callable[[str, Any], Any]:
    """How values of a DuckDB type become JSON values."""
    if kind == "JSON":
        return lambda name, value: None if value is None else json.loads(value, parse_float=Decimal)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return lambda name, value: None if value is None else value.replace(".000000Z", "Z")
    return json_value


def json_value(name: str, value: Any) -> Any:
    """The JSON value of what a database's client gave for this column. Raises QueryError where there is none."""
    if value is None or isinstance(value, (bool, int, str, Decimal)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        said = "no number" if math.isnan(value) else "infinite"
        raise QueryError(f"The column `{name}` is {said} in a row.", "Guard a division with nullif(x, 0).")
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [json_value(name, item) for item in value]
    if isinstance(value, dict):
        return {str(key): json_value(name, item) for key, item in value.items()}
    message = f"The column `{name}` holds a {type(value).__name__}, which JSON does not have."
    raise QueryError(message, f"Cast it in the query: cast({name} as varchar).")


def _no_doubles(names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise QueryError(f"The query gives two columns the name `{name}`.", "Name one of them with `as`.")


def _described(name: str, kind: str) -> nodes.Field:
    return nodes.Field(name=name, node=nodes.Union(branches=(_node(kind), nodes.Null())))


def _node(kind: str) -> nodes.Node:
    """The node of a DuckDB type, as far as expressions care."""
    if kind.endswith("[]"):
        return nodes.Array(items=_node(kind[:-2]))
    if kind.startswith("DECIMAL"):
        return nodes.Number()
    return _NODES.get(kind, nodes.Anything())


_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_UNSIGNED = tuple(f"U{name}" for name in _INTEGERS)

_NODES: dict[str, nodes.Node] = {
    **{kind: nodes.Number(integer=True) for kind in _INTEGERS + _UNSIGNED},
    "BOOLEAN": nodes.Boolean(),
    "DATE": nodes.Text(format="date"),
    "DOUBLE": nodes.Number(),
    "FLOAT": nodes.Number(),
    "TIME": nodes.Text(format="time"),
    "TIMESTAMP": nodes.Text(format="date-time"),
    "TIMESTAMP WITH TIME ZONE": nodes.Text(format="date-time"),
    "UUID": nodes.Text(),
    "VARCHAR": nodes.Text(),
}


def _position(said: Any, query: str, shift: int) -> int | None:
    """DuckDB counts bytes of UTF-8, and what was put before the query counts too."""
    if not str(said).isdigit() or not 0 <= int(said) - shift <= len(query.encode()):
        return None
    return len(query.encode()[: int(said) - shift].decode(errors="ignore"))


def _error(error: Any, query: str, tables: Mapping[str, nodes.Type], shift: int) -> QueryError | None:
    """DuckDB's error in our words. None: it may come from a column of which nothing is known, and so be no error."""
    said = str(error)
    try:
        facts = json.loads(said[said.index("{") :])
    except ValueError:
        facts = {"exception_message": said.splitlines()[0]}
    position = _position(facts.get("position"), query, shift)
    subtype, name = facts.get("error_subtype"), facts.get("name", "")
    known = [one.name for type in tables.values() for one in fields_of(type)]
    if subtype == "COLUMN_NOT_FOUND":
        near = get_close_matches(name.rpartition(".")[2], known, 1)
        fix = f"Did you mean `{near[0]}`?" if near else f"The columns: {', '.join(known)}." if known else None
        return QueryError(f"There is no column `{name}`.", fix, position)
    if facts.get("type") == "Table":
        return QueryError(f"There is no table `{name}`.", "The rows are the table `rows`.", position)
    open_type = any(isinstance(one.node, nodes.Anything) for type in tables.values() for one in fields_of(type))
    unknown = any(not fields_of(type) for type in tables.values()) or open_type
    if facts.get("exception_type") == "Binder" and unknown:
        return None
    if facts.get("exception_type") == "Permission":
        message = "A query sees the tables that it is given and nothing else."
        return QueryError(message, "Take files and URLs out of it.", position)
    message, *more = [line.strip() for line in str(facts.get("exception_message", said)).splitlines() if line.strip()]
    fix = " ".join(more).replace("Candidate bindings: :", "Candidate bindings:")
    return QueryError(f"The query cannot run: {message.rstrip('.!')}.", fix if 0 < len(fix) < 200 else None, position)
