"""Where rows go: files of JSON Lines, JSON, CSV and Parquet, SQLite, DuckDB, PostgreSQL and other databases.

`target_of` reads where they go and checks the words, `Target.check` looks whether they can go there, `open_writer`
takes them one by one. An output appears whole, at once: a file by its name, a table by one transaction (several
files, one after another: `shards`). It appears once, also where a run is killed after it and writes again: `database`
says how.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import PipelineError
from ..nodes import Type
from ..tables import Row
from .database import DatabaseWriter
from .duck import DuckWriter
from .files import SUFFIXES, file_writer
from .shards import Shards
from .targets import Mode, Target, target_of
from .writing import Writer

__all__ = ["SUFFIXES", "Mode", "Target", "Writer", "open_writer", "target_of", "write_rows"]


def open_writer(
    target: Target, *, type: Type | None, columns: Sequence[str] = (), run: str = "", output: str = ""
) -> Writer:
    """A writer for the rows of one output of a run.

    `type` is that of the rows, where it is known; `columns` come first, in that order. `run` and `output` name for good
    which output of which run it is: a database takes each row of it once, however often it is written. Without a `run`
    every writer's rows are new ones. Raises PipelineError if writing cannot begin.
    """
    if target.path is not None:
        if target.per_file:
            return Shards(target.path, target.shown, type, columns, target.per_file)
        return file_writer(target.path, target.shown, type, columns)
    assert target.address is not None
    kind = DuckWriter if target.address.dialect == "duckdb" else DatabaseWriter
    names: dict[str, Any] = {"type": type, "columns": columns, "run": run, "output": output}
    try:
        return kind(target.address, target.table, target.mode, target.key, **names)
    except OSError as error:
        raise PipelineError(f"The output cannot be written: {error.strerror or error}.", target.shown) from None


def write_rows(
    target: Target | Path,
    rows: Iterable[Row],
    columns: Sequence[str] = (),
    type: Type | None = None,
    *,
    run: str = "",
    output: str = "",
) -> int:
    """Writes all rows, and returns how many of them the output holds. Raises PipelineError if it cannot be written;
    then what was there before is still there."""
    if isinstance(target, Path):
        target = target_of(str(target))
    with open_writer(target, type=type, columns=columns, run=run, output=output) as writer:
        for row in rows:
            writer.add(row)
    return writer.finish()
