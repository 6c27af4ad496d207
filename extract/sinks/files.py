"""Files of rows: JSON Lines, JSON, CSV and Parquet.

A file is written beside its place as `<name>.part` and moved there when it is whole: whoever looks finds the old file
or the new one, never a part of it. JSON Lines are written to the part row by row, so that people can watch them come;
those of the others that need all rows first keep them in a spool. Decimals keep their digits, dates are ISO 8601; in
CSV lists and records are JSON text and null is an empty cell. No field of a row is ever left out: those that `columns`
does not name follow behind.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..errors import PipelineError
from ..jsontext import dump, fast, sure
from ..nodes import Type
from ..tables import Row, columns_of, fields_of, plain_dates, write_parquet
from .spool import Spool
from .writing import Writer

__all__ = ["SUFFIXES", "Spooled", "check", "file_writer", "part_of", "put"]

_PLAIN_EXPONENT = 40


def check(path: Path, shown: str) -> None:
    """Makes the folder; raises PipelineError for a file that cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The folder of this output cannot be made: {error.strerror}."
        raise PipelineError(message, shown, "Write somewhere else.") from None
    if path.is_dir() or part_of(path).is_dir():
        raise PipelineError("This output is a folder.", shown, "Name a file in it.")
    if not os.access(path.parent, os.W_OK):
        raise PipelineError("This output cannot be written.", shown, "Write somewhere else.")


def file_writer(path: Path, shown: str, type: Type | None, columns: Sequence[str]) -> Writer:
    """A writer of the kind that the path's ending says. Raises PipelineError if it cannot begin."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _WRITERS[path.suffix.lower()](path, shown, type, columns)
    except OSError as error:
        raise PipelineError(f"The output cannot be written: {error.strerror or error}.", shown) from None


def part_of(path: Path) -> Path:
    """Where a file is on its way."""
    return path.with_name(f"{path.name}.part")


class _Lines(Writer):
    """JSON Lines."""

    between, after = b"", b"\n"
    opening, closing, empty = b"", b"", b""

    def __init__(self, path: Path, shown: str, type: Type | None, columns: Sequence[str]):
        super().__init__(shown)
        self._path, self._columns, self._rows = path, columns, 0
        self._file = part_of(path).open("wb")

    def add_as_read(self, row: Row) -> None:
        line = fast(_ordered(row, self._columns), read=True)
        if line is None or not self._open:
            super().add_as_read(row)
        else:
            self._do(self._write, line)

    def _take(self, row: Row) -> None:
        self._write(_line(_ordered(row, self._columns)))

    def _write(self, line: bytes) -> None:
        self._file.write((self.between if self._rows else self.opening) + line + self.after)
        self._rows += 1

    def _hand_over(self) -> None:
        self._file.flush()

    def _appear(self) -> int:
        self._file.write(self.closing if self._rows else self.empty)
        self._file.close()
        put(self._path)
        return self._rows

    def _drop(self) -> None:
        with suppress(OSError):  # what the disk had no room for is in the way once more, and is dropped anyway
            self._file.close()
        part_of(self._path).unlink(missing_ok=True)


class _List(_Lines):
    """One JSON list."""

    after, between = b"", b",\n"
    opening, closing, empty = b"[\n", b"\n]\n", b"[]\n"


class Spooled(Writer):
    """A file whose columns are known when all rows are."""

    least: tuple[str, ...] = ()

    def __init__(self, path: Path, shown: str, type: Type | None, columns: Sequence[str]):
        super().__init__(shown)
        self._path, self._type = path, type
        self._spool = Spool(_names(columns, type) or self.least)

    def _take(self, row: Row) -> None:
        self._spool.add(row)

    def _appear(self) -> int:
        self._write(part_of(self._path))
        put(self._path)
        return self._spool.count

    def _write(self, part: Path) -> None:
        raise NotImplementedError

    def _drop(self) -> None:
        self._spool.close()
        part_of(self._path).unlink(missing_ok=True)


class _Csv(Spooled):
    def _write(self, part: Path) -> None:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self._spool.seen)
            for row in self._spool.rows():
                writer.writerow([_cell(row.get(name)) for name in self._spool.seen])


class _Parquet(Spooled):
    least = ("_id", "_source")  # a Parquet file has at least one column

    def _write(self, part: Path) -> None:
        write_parquet(part, self._spool.rows(), columns_of(self._spool.seen, self._type, floats=True))


def put(path: Path) -> None:
    """Moves the part to its place, whole and on the disk before that."""
    part = part_of(path)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    if path.exists():
        part.chmod(path.stat().st_mode)
    part.replace(path)
    if os.name == "posix":  # elsewhere a folder cannot be opened, and need not be
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _ordered(row: Row, columns: Sequence[str]) -> Row:
    if not columns:
        return row
    first = {name: row[name] for name in columns if name in row}
    return first | {name: value for name, value in row.items() if name not in first}


def _line(row: Row) -> bytes:
    """The row as JSON. Raises ValueError for a number that is none: the fast encoder writes null for it."""
    return sure(row) or _json(row, spaced=False).encode()


def _json(value: Any, spaced: bool = True) -> str:
    try:
        text = dump(value, spaced=spaced)
    except TypeError:
        text = dump(plain_dates(value), spaced=spaced)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair has no UTF-8; JSON can spell it
        return "".join(c if not 0xD800 <= ord(c) <= 0xDFFF else f"\\u{ord(c):04x}" for c in text)
    return text


def _names(columns: Sequence[str], type: Type | None) -> tuple[str, ...]:
    """The columns that are there even if no row has them."""
    declared = () if type is None else tuple(one.name for one in fields_of(type))
    return tuple(dict.fromkeys((*columns, *declared)))


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        small = abs(value.adjusted()) < _PLAIN_EXPONENT
        return format(value, "f") if small else str(value)
    return _json(value) if isinstance(value, (list, dict)) else value


_WRITERS: dict[str, Callable[[Path, str, Type | None, Sequence[str]], Writer]] = {
    ".jsonl": _Lines,
    ".json": _List,
    ".csv": _Csv,
    ".parquet": _Parquet,
}

SUFFIXES = tuple(_WRITERS)
