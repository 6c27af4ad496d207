"""Rows of text files, line by line: CSV and TSV by Python's own module, JSON Lines by its own reader.

A quoted cell may hold line ends and separators. Every error names the line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from .. import nodes
from ..errors import DocumentError
from ..project import shown
from ..tables import Seen

__all__ = ["Delimited", "Lines"]

_LONGEST_CELL = 2**27
_FIRST = 100


def _refuse(path: Path, line: int, message: str, fix: str | None = None) -> NoReturn:
    raise DocumentError(message, f"{shown(path)}:{line}", fix)


class Delimited:
    """CSV or TSV: the first line names the columns."""

    def __init__(self, path: Path, delimiter: str):
        self._path, self._delimiter = path, delimiter
        self._kind = "CSV" if delimiter == "," else "TSV"

    def rows(self, limit: int | None) -> Iterator[dict[str, Any]]:
        found = (dict(zip(header, cells, strict=True)) for header, cells in self._cells() if cells is not None)
        return islice(found, limit)

    def type(self) -> nodes.Type:
        header, _ = next(self._cells())
        return nodes.Type(root=nodes.Record(fields=tuple(nodes.Field(name=one, node=nodes.Text()) for one in header)))

    def count(self) -> int:
        return sum(1 for _, cells in self._cells() if cells is not None)

    def _cells(self) -> Iterator[tuple[list[str], list[str] | None]]:
        """The header without cells first, then the cells of each row."""
        csv.field_size_limit(_LONGEST_CELL)
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, delimiter=self._delimiter, strict=True)
            try:
                header = next(lines, [])
                self._check(header)
                yield header, None
                for cells in lines:
                    if len(cells) != len(header) and cells:
                        message = f"The row has {len(cells)} cells, and the header {len(header)}."
                        what = "commas" if self._delimiter == "," else "tabs"
                        _refuse(self._path, lines.line_num, message, f"Put quotes around cells that hold {what}.")
                    if cells:
                        yield header, cells
            except csv.Error as error:
                _refuse(self._path, lines.line_num, f"The {self._kind} cannot be read: {error}.")

    def _check(self, header: list[str]) -> None:
        if not header:
            raise DocumentError("The file is empty.", shown(self._path))
        for i, name in enumerate(header):
            if not name.strip():
                fix = f"The first line of a {self._kind} file names its columns."
                _refuse(self._path, 1, f"Column {i + 1} has no name.", fix)
            if name in header[:i]:
                _refuse(self._path, 1, f"Two columns have the name `{name}`.", "Rename one of them.")


class Lines:
    """JSON Lines: an object a line, empty lines between them."""

    def __init__(self, path: Path):
        self._path = path

    def rows(self, limit: int | None) -> Iterator[dict[str, Any]]:
        return islice(self._rows(), limit)

    def _rows(self) -> Iterator[dict[str, Any]]:
        with self._path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield self._row(number, line)

    def type(self) -> nodes.Type:
        seen = Seen()
        for row in self.rows(_FIRST):
            seen.take(row)
        if not seen.fields:
            raise DocumentError("The file holds no rows.", shown(self._path))
        return nodes.Type(root=_record(seen))

    def count(self) -> int:
        with self._path.open("rb") as file:
            return sum(1 for line in file if line.strip() not in (b"", b"\xef\xbb\xbf"))

    def _row(self, number: int, line: str) -> dict[str, Any]:
        try:
            row = _DECODER.decode(line)
        except ValueError as error:
            said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            _refuse(self._path, number, f"The line is not JSON: {said}.")
        if not isinstance(row, dict):
            _refuse(self._path, number, "The line is not a JSON object.", "Write one object a line.")
        return row


_DECODER = json.JSONDecoder(parse_float=Decimal)


def _record(seen: Seen) -> nodes.Record:
    """The type of records by those that were seen: any field may be missing, and others may be there."""
    fields = tuple(nodes.Field(name=name, node=_node(one), required=False) for name, one in seen.fields.items())
    return nodes.Record(fields=fields, extras=nodes.Anything(said=False))


def _node(seen: Seen) -> nodes.Node:
    kinds = seen.kinds - {"null"}
    if kinds == {"list"}:
        found: nodes.Node = nodes.Array(items=_node(seen.items or Seen()))
    elif kinds == {"record"}:
        found = _record(seen)
    elif kinds and kinds <= {"whole", "decimal", "float"}:
        found = nodes.Number()  # whole ones so far may be followed by others
    else:
        found = {frozenset({"text"}): nodes.Text(), frozenset({"boolean"}): nodes.Boolean()}.get(
            frozenset(kinds), nodes.Anything(said=False)
        )
    if isinstance(found, nodes.Anything):
        return found
    return nodes.Union(branches=(found, nodes.Null()))
