"""Rows out of files: CSV and JSON Lines, one row after another.

Numbers of JSON are ints and Decimals and keep their digits; cells of CSV are text. What cannot be read is a
`DocumentError` with the file and its line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from .errors import DocumentError
from .project import shown

__all__ = ["ROW_SUFFIXES", "column_names", "read_rows"]

_LONGEST_CELL = 2**27


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file; raises DocumentError at the first one that cannot be read."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DocumentError(f"Rows are read from {' and '.join(ROW_SUFFIXES)}.", shown(path))
    try:
        yield from reader(path)
    except OSError as error:
        raise DocumentError(f"The file cannot be read: {error.strerror}.", shown(path)) from None
    except UnicodeDecodeError:
        raise DocumentError("The file is not UTF-8.", shown(path), "Save it as UTF-8.") from None


def column_names(path: Path) -> tuple[str, ...]:
    """The names of the columns: of CSV its header, of JSON Lines the names in its first rows."""
    names: dict[str, None] = {}
    for i, row in enumerate(read_rows(path)):
        names.update(dict.fromkeys(row))
        if i >= 100 or path.suffix.lower() == ".csv":
            return tuple(names)
    if not names:
        raise DocumentError("The file holds no rows.", shown(path))
    return tuple(names)


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(_LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        try:
            header = next(lines, [])
            _check_header(path, header)
            for cells in lines:
                if len(cells) != len(header) and cells:
                    message = f"The row has {len(cells)} cells, and the header {len(header)}."
                    _refuse(path, lines.line_num, message, "Put quotes around cells that hold commas.")
                if cells:
                    yield dict(zip(header, cells, strict=True))
        except csv.Error as error:
            _refuse(path, lines.line_num, f"The CSV cannot be read: {error}.")


def _check_header(path: Path, header: list[str]) -> None:
    if not header:
        raise DocumentError("The file is empty.", shown(path))
    for i, name in enumerate(header):
        if not name.strip():
            _refuse(path, 1, f"Column {i + 1} has no name.", "The first line of a CSV file names its columns.")
        if name in header[:i]:
            _refuse(path, 1, f"Two columns have the name `{name}`.", "Rename one of them.")


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, parse_float=Decimal)
            except ValueError as error:
                said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                _refuse(path, number, f"The line is not JSON: {said}.")
            if not isinstance(row, dict):
                _refuse(path, number, "The line is not a JSON object.", "Write one object a line.")
            yield row


def _refuse(path: Path, line: int, message: str, fix: str | None = None) -> NoReturn:
    raise DocumentError(message, f"{shown(path)}:{line}", fix)


_READERS: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {".csv": _csv, ".jsonl": _json_lines}

ROW_SUFFIXES = tuple(_READERS)


def column_types(path):
    from .nodes import Anything, Field, Record, Type

    return Type(Record(fields=tuple(Field(name=n, node=Anything(), required=False) for n in column_names(path))))
