"""Files of rows: JSON Lines, JSON, CSV and Parquet.

A file is written beside its place under a temporary name and moved there when it is whole: whoever looks finds the old
file or the new one, never a part. Decimals keep their digits, dates are ISO 8601; in CSV lists and records are JSON
text and null is an empty cell. No field of a row is ever left out: those that `columns` does not name follow behind.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from .errors import ExtractError, PipelineError
from .jsontext import dump
from .nodes import Type
from .tables import QueryError, Row, exact_line, fields_of, plain_dates, write_parquet

__all__ = ["SUFFIXES", "write_rows"]

_PLAIN_EXPONENT = 40


def write_rows(path: Path, rows: Iterable[Row], columns: Sequence[str] = (), type: Type | None = None) -> int:
    """Writes the rows to a file of the kind that its ending says, and returns how many there were.

    `columns` come first, in that order; `type` is that of the rows, where it is known. Raises PipelineError if the file
    cannot be written; then what was there before is still there.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise PipelineError(f"Nothing is known of files that end in `{path.suffix}`.", str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as temporary:
            return writer(temporary, rows, columns, type)
    except QueryError as error:
        raise PipelineError(error.message, str(path), error.fix) from None
    except OSError as error:
        raise PipelineError(f"The file cannot be written: {error.strerror or error}.", str(path)) from None


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place at the end, or vanishes."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(path.stat().st_mode if path.exists() else 0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's mask for new files, which can be read only by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _text(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="\n")


def _json_lines(path: Path, rows: Iterable[Row], columns: Sequence[str], type: Type | None) -> int:
    count = 0
    with _text(path) as file:
        for row in rows:
            file.write(_json(_ordered(row, columns)) + "\n")
            count += 1
    return count


def _json_list(path: Path, rows: Iterable[Row], columns: Sequence[str], type: Type | None) -> int:
    count = 0
    with _text(path) as file:
        file.write("[")
        for count, row in enumerate(rows, 1):
            file.write((",\n" if count > 1 else "\n") + _json(_ordered(row, columns)))
        file.write("\n]\n" if count else "]\n")
    return count


def _ordered(row: Row, columns: Sequence[str]) -> dict[str, Any]:
    first = {name: row[name] for name in columns if name in row}
    return first | {name: value for name, value in row.items() if name not in first}


def _json(value: Any) -> str:
    try:
        text = dump(value)
    except TypeError:
        text = dump(plain_dates(value))
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair has no UTF-8; JSON can spell it
        return "".join(c if not 0xD800 <= ord(c) <= 0xDFFF else f"\\u{ord(c):04x}" for c in text)
    return text


def _csv(path: Path, rows: Iterable[Row], columns: Sequence[str], type: Type | None) -> int:
    """The header must name every field, so rows wait on disk until all are known."""
    names = dict.fromkeys(_names(columns, type))
    count = 0
    with tempfile.TemporaryFile() as spool:
        for row in rows:
            count += 1
            names.update(dict.fromkeys(row))
            spool.write(exact_line(row))
        spool.seek(0)
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            for line in spool:
                row = json.loads(line.decode("utf-8", "surrogatepass"), parse_float=Decimal)
                writer.writerow([_cell(row.get(name)) for name in names])
    return count


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


def _parquet(path: Path, rows: Iterable[Row], columns: Sequence[str], type: Type | None) -> int:
    try:
        return write_parquet(path, rows, _names(columns, type) or ("_id", "_source"), type)
    except TypeError as error:
        raise ExtractError(str(error), str(path)) from None


_WRITERS: dict[str, Callable[[Path, Iterable[Row], Sequence[str], Type | None], int]] = {
    ".jsonl": _json_lines,
    ".json": _json_list,
    ".csv": _csv,
    ".parquet": _parquet,
}

SUFFIXES = tuple(_WRITERS)


class Target:
    def __init__(self, path):
        self.path = Path(path)

    def __str__(self):
        return str(self.path)

    def plain(self):
        return str(self.path)

    def check(self, type=None):
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"The folder of this output cannot be made: {error.strerror}."
            raise PipelineError(message, str(self.path), "Write somewhere else.") from None
        if not os.access(self.path.parent, os.W_OK) or self.path.is_dir():
            raise PipelineError("This output cannot be written.", str(self.path), "Write somewhere else.")


def target_of(to, *, table=None, mode=None, key=(), shown=None):
    return Target(to)


class Writer:
    def __init__(self, target, type):
        self.rows, self.target, self.type = [], target, type

    def add(self, row):
        self.rows.append(row)

    def finish(self):
        return write_rows(self.target.path, self.rows, type=self.type)

    def abandon(self):
        pass


def open_writer(target, *, type=None, columns=(), run="", output=""):
    return Writer(target, type)
