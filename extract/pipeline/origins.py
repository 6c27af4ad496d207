"""Reads where rows come from: a file of rows by its path, or a table or query of a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import PipelineError
from ..sources import Source, source_of
from .keys import ORIGIN
from .problems import Problems
from .written import Written

__all__ = ["read_origin"]

_RELATIVE = "Paths are relative to the folder that the command runs in."


def read_origin(
    problems: Problems, entries: Mapping[str, Written], where: Sequence[Path], what: str = "rows"
) -> Source | None:
    """The source that `rows` names, with its `table` or `query`; a file is looked for in each of the roots.
    `what` it is called in messages."""
    name = problems.file(entries["rows"], what)
    said = {one: problems.text(entries[one], one) for one in ORIGIN[1:] if one in entries}
    if name is None or None in said.values():
        return None
    try:
        source = source_of(name, shown=entries["rows"].shown, **said)
    except PipelineError as error:
        problems.carry(entries["rows"].place, error)
        return None
    if source.path is None:
        return source
    path = next((root / source.path for root in where if (root / source.path).is_file()), None)
    if path is None:
        problems.add(entries["rows"].place, f"There is no file {entries['rows'].shown}.", _RELATIVE)
        return None
    return replace(source, path=path)
