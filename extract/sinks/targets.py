"""Where rows go, as it was written: a file, a database file, or a database's URL with a table.

A `Target` is checked words; nothing was touched. `check` touches the outside: it says before anything is paid for what
would keep the rows from being written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

from ..databases import DUCKDB_SUFFIXES, SQLITE_SUFFIXES, Address, address_of
from ..errors import PipelineError
from ..nodes import Type
from . import database, duck, files, shards

__all__ = ["Mode", "Target", "target_of"]

Mode = Literal["replace", "insert", "merge"]

_ENDINGS = (*files.SUFFIXES, *DUCKDB_SUFFIXES, *SQLITE_SUFFIXES)


@dataclass(frozen=True)
class Target:
    """Where rows go. `str` of it is what people may see, `plain` what a fingerprint is made of: a password is in
    neither. Either `path` is that of a file of rows, or of several of at most `per_file` rows with a star for their
    number, or `address` is that of a database with its `table`."""

    shown: str
    mode: Mode = "replace"
    path: Path | None = None
    address: Address | None = None
    table: str = ""
    key: tuple[str, ...] = ()
    per_file: int = 0

    def __str__(self) -> str:
        return f"{self.shown} ({self.table})" if self.table else self.shown

    def plain(self) -> dict[str, Any]:
        """JSON values that say all of it but the password."""
        if self.address is None:
            return {"to": self.shown, **({"rows_per_file": self.per_file} if self.per_file else {})}
        return {"to": self.shown, "table": self.table, "mode": self.mode, "key": list(self.key)}

    def check(self, type: Type | None = None) -> None:
        """Raises PipelineError for what would keep rows (of this type, where it is known) from being written."""
        if self.path is not None:
            (shards if self.per_file else files).check(self.path, self.shown)
            return
        assert self.address is not None
        if self.address.path is not None:
            files.check(self.address.path, self.shown)
            if self.address.path.exists() and not os.access(self.address.path, os.W_OK):
                raise PipelineError("This file may only be read.", self.shown, "Write somewhere else.")
        look = duck.check if self.address.dialect == "duckdb" else database.check
        look(self.address, self.table, self.mode, self.key, type)


def target_of(
    to: str,
    *,
    table: str | None = None,
    mode: Mode | None = None,
    key: Sequence[str] = (),
    per_file: int | None = None,
    shown: str | None = None,
) -> Target:
    """The target that these words name; raises PipelineError for words that do not go together.

    A database takes `insert` where nothing is said, and `merge` where there is a `key`; a file is always replaced.
    `shown` is `to` as its author wrote it, such as with ${PGPASSWORD} in it.
    """
    if mode is not None and mode not in get_args(Mode):
        fix = _nearest(str(mode), get_args(Mode), "The modes")
        raise PipelineError(f"Nothing is known of the mode `{mode}`.", None, fix)
    address = address_of(to, shown)
    if address is None:
        return _sharded(_file(to, shown, {"table": table, "key": tuple(key)}, mode), per_file)
    if per_file:
        raise PipelineError("`rows_per_file` is for files, and this is a database.", address.shown, "Leave it out.")
    if not table:
        raise PipelineError(
            "A database needs the name of a table.", address.shown, "Write `table: receipts` beside it."
        )
    key = tuple(dict.fromkeys([key] if isinstance(key, str) else key))
    mode = mode or ("merge" if key else "insert")
    if mode == "merge" and not key:
        fix = "Write `key: _id`, or the columns that tell the rows apart."
        raise PipelineError("Rows are merged by a key, and there is none.", address.shown, fix)
    if mode != "merge" and key:
        fix = "Leave out `key`, or write `mode: merge`."
        raise PipelineError(f"A `key` is for merging, and the mode is `{mode}`.", address.shown, fix)
    return Target(address.shown, mode, None, address, table, key)


def _file(to: str, shown: str | None, words: dict[str, Any], mode: Mode | None) -> Target:
    path = Path(to).expanduser()
    shown = shown if shown is not None else to
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        message = "Spreadsheets are not built yet as outputs."
        raise PipelineError(message, shown, f"Write one of {', '.join(_ENDINGS)}.")
    if suffix not in files.SUFFIXES:
        message = f"Nothing is known of files that end in `{suffix}`." if suffix else "The output's name has no ending."
        raise PipelineError(message, shown, _nearest(suffix, _ENDINGS, "The endings"))
    for name, value in words.items():
        if value:
            fix = f"Leave it out, or write to a database: {path.stem}.db, {path.stem}.duckdb or a URL."
            raise PipelineError(f"A `{name}` is for databases, and this is a file.", shown, fix)
    if mode not in (None, "replace"):
        fix = f"Leave out `mode`, or write to a database: {path.stem}.db, {path.stem}.duckdb or a URL."
        raise PipelineError(f"A file is always replaced as a whole, and the mode is `{mode}`.", shown, fix)
    return Target(shown, "replace", path)


def _sharded(target: Target, per_file: int | None) -> Target:
    """The target as several files, where there is a star for their number."""
    assert target.path is not None
    stars = str(target.path).count("*")
    if not stars and not per_file:
        return target
    if stars != 1 or "*" not in target.path.stem or target.path.suffix.lower() != shards.SUFFIX:
        fix = f"Write one star into the name of the file: out/receipts/*{shards.SUFFIX}."
        message = "Rows go to several Parquet files by a star for their number, and there is none."
        if stars:
            message = "The star of an output stands for the number of a Parquet file, in its name and once."
        raise PipelineError(message, target.shown, fix)
    return replace(target, per_file=per_file or shards.ROWS)


def _nearest(word: str, known: Sequence[str], what: str) -> str:
    near = get_close_matches(word, known, 1)
    return f"Did you mean `{near[0]}`?" if near else f"{what}: {', '.join(known)}."
