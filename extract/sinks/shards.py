"""Rows in several Parquet files, for what reads many files at once: ``out/receipts/*.parquet``, a number for the star.

All files have the same columns, and rows are in them in their order. They are written beside their places first, and
moved there one after another when all are whole; then those go that were there before and are no longer. Which files
an output has written stands in a note beside them: no others are replaced or removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from ..errors import PipelineError
from ..nodes import Type
from ..tables import columns_of, write_parquet
from . import files
from .files import Spooled, part_of, put

__all__ = ["ROWS", "SUFFIX", "Shards", "check"]

SUFFIX = ".parquet"

ROWS = 100_000
"""How many rows are in a file, if nothing else is said."""


def check(path: Path, shown: str) -> None:
    """Raises PipelineError where the files cannot be written, or are there and somebody else's."""
    files.check(path, shown)
    foreign = sorted(name for name in _there(path) if name not in _noted(path))
    if foreign:
        message = f"This output has not written {foreign[0]}, and its own files have such names."
        raise PipelineError(message, shown, "Write into a folder of its own, or move what is there.")


class Shards(Spooled):
    """A writer of several files of at most `each` rows."""

    least = ("_id", "_source")

    def __init__(self, path: Path, shown: str, type: Type | None, columns: Sequence[str], each: int):
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, shown, type, columns)
        self._each, self._parts = each, list[Path]()

    def _appear(self) -> int:
        columns, rows = columns_of(self._spool.seen, self._type, floats=True), self._spool.rows()
        for number in range(max(1, -(-self._spool.count // self._each))):
            shard = self._path.with_name(self._path.name.replace("*", f"{number:05}"))
            self._parts.append(shard)
            write_parquet(part_of(shard), islice(rows, self._each), columns)
        names, before = [one.name for one in self._parts], _noted(self._path)
        check(self._path, self.shown)
        _note(self._path, sorted({*before, *names}))
        for shard in self._parts:
            put(shard)
        for name in before:
            if name not in names:
                self._path.with_name(name).unlink(missing_ok=True)
        _note(self._path, names)
        return self._spool.count

    def _drop(self) -> None:
        self._spool.close()
        for shard in self._parts:
            part_of(shard).unlink(missing_ok=True)


def _there(path: Path) -> Iterator[str]:
    """The files that have names of the output's."""
    before, after = path.name.split("*")
    for one in path.parent.iterdir():
        number = one.name.removeprefix(before).removesuffix(after)
        if one.name == f"{before}{number}{after}" and number.isdecimal():
            yield one.name


def _noted(path: Path) -> list[str]:
    """The files that the output has written."""
    note = _note_of(path)
    try:
        return [str(name) for name in json.loads(note.read_text("utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        fix = "Remove it, together with the files of the output."
        raise PipelineError(f"The note of what was written here cannot be read: {error}.", str(note), fix) from None


def _note(path: Path, names: Sequence[str]) -> None:
    note = _note_of(path)
    part_of(note).write_text(json.dumps(names), "utf-8")
    put(note)


def _note_of(path: Path) -> Path:
    return path.with_name(f".{path.name.replace('*', 'n')}.written")
