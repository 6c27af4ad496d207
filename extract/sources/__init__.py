"""Rows out of files and databases: CSV, TSV, JSON Lines, Parquet, SQLite, DuckDB, PostgreSQL and others, one by one.

`source_of` reads where they are and checks the words; what takes a source takes the path of a file as well. Rows hold
JSON values: numbers are ints and Decimals and keep their digits, dates and times are ISO 8601 texts, cells of CSV are
text. They come in one order each time. What cannot be read is a `DocumentError` with the file and its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

from ..databases import DUCKDB_SUFFIXES, SQLITE_SUFFIXES, Address, address_of
from ..errors import DocumentError, PipelineError
from ..nodes import Type
from ..project import shown as shown_path
from ..tables import fields_of
from .served import Served
from .stored import Ducks, Parquet
from .texts import Delimited, Lines

__all__ = ["ROW_SUFFIXES", "Source", "column_names", "column_types", "count_rows", "read_rows", "source_of"]

Row = dict[str, Any]


class Reader(Protocol):
    """What one kind of source can do."""

    def rows(self, limit: int | None) -> Iterator[Row]: ...
    def type(self) -> Type: ...
    def count(self) -> int: ...


_FILES: dict[str, Any] = {
    ".csv": lambda path: Delimited(path, ","),
    ".tsv": lambda path: Delimited(path, "\t"),
    ".jsonl": Lines,
    ".parquet": Parquet,
}

ROW_SUFFIXES = tuple(_FILES)
"""Endings of the files that are rows by themselves; one of a database needs the name of a table as well."""


@dataclass(frozen=True)
class Source:
    """Where rows are: a file at `path`, or a `table` or the result of a `query` in the database at `address`. `str` of
    it is what people may see, `plain` what a fingerprint is made of: a password is in neither."""

    shown: str
    path: Path | None = None
    address: Address | None = None
    table: str = ""
    query: str = ""

    def __str__(self) -> str:
        return f"{self.shown} ({self.table})" if self.table else self.shown

    def plain(self) -> dict[str, Any]:
        """JSON values that say all of it but the password."""
        words = {"rows": self.shown, "table": self.table, "query": self.query}
        return {name: value for name, value in words.items() if value}

    def _reader(self) -> Reader:
        if self.path is not None:
            if not self.path.is_file():
                message = "This is a folder." if self.path.is_dir() else "There is no such file."
                raise DocumentError(message, shown_path(self.path), "Look at the path.")
            reader: Reader = _FILES[self.path.suffix.lower()](self.path)
            return reader
        assert self.address is not None
        if self.address.path is not None and not self.address.path.is_file():
            raise DocumentError("There is no such file.", self.shown, "Look at the path.")
        kind = Ducks if self.address.dialect == "duckdb" else Served
        return kind(self.address, self.table, self.query)


def source_of(rows: str, *, table: str | None = None, query: str | None = None, shown: str | None = None) -> Source:
    """The source that these words name; raises PipelineError for words that do not go together. `shown` is `rows` as
    its author wrote it, such as with ${PGPASSWORD} in it."""
    address = address_of(rows, shown)
    if address is not None:
        if bool(table) == bool(query):
            message = "A database needs `table` or `query`" + (", and not both." if table else ".")
            raise PipelineError(message, address.shown, "Write `table: mails`, or `query: select ...`.")
        return Source(address.shown, None, address, table or "", query or "")
    shown = shown if shown is not None else rows
    suffix = Path(rows).suffix.lower()
    if suffix == ".xlsx":
        raise PipelineError("Spreadsheets are not read.", shown, "Save the sheet as CSV.")
    if suffix not in _FILES:
        every = (*ROW_SUFFIXES, *DUCKDB_SUFFIXES, *SQLITE_SUFFIXES)
        near = get_close_matches(suffix, every, 1)
        fix = f"Did you mean `{near[0]}`?" if near else None
        raise PipelineError(f"Rows are read from {', '.join(every[:-1])} and {every[-1]}.", shown, fix)
    for name, value in (("table", table), ("query", query)):
        if value:
            raise PipelineError(f"A `{name}` is for databases, and this is a file of rows.", shown, "Leave it out.")
    return Source(shown, Path(rows).expanduser())


def read_rows(source: Source | Path, limit: int | None = None) -> Iterator[Row]:
    """The rows, at most `limit`; raises DocumentError at the first one that cannot be read."""
    with _reading(source) as reader:
        yield from reader.rows(limit)


def column_names(source: Source | Path) -> tuple[str, ...]:
    """The names of the columns: those that the file has, of JSON Lines those in its first rows."""
    return tuple(one.name for one in fields_of(column_types(source)))


def column_types(source: Source | Path) -> Type:
    """The type of the rows, as far as the source knows it: of CSV all is text, of JSON Lines it is what the first rows
    hold, and a column of which nothing is known may hold anything."""
    with _reading(source) as reader:
        return reader.type()


def count_rows(source: Source | Path) -> int:
    """How many rows there are. Parquet and databases know it; other files are read through."""
    with _reading(source) as reader:
        return reader.count()


@contextmanager
def _reading(source: Source | Path) -> Iterator[Reader]:
    """The reader of a source; what goes wrong in it is a DocumentError."""
    shown = shown_path(source) if isinstance(source, Path) else source.shown
    try:
        found = source_of(str(source), shown=shown) if isinstance(source, Path) else source
        yield found._reader()
    except PipelineError as error:
        raise DocumentError(error.message, error.where or shown, error.fix) from None
    except UnicodeDecodeError:
        raise DocumentError("The file is not UTF-8.", shown, "Save it as UTF-8.") from None
    except OSError as error:
        raise DocumentError(f"The file cannot be read: {error.strerror or error}.", shown) from None
