"""What a run writes, from its ledger: the rows of each output, whole and in the order of the documents.

Steps that need all rows at once run here, when the documents are done. Each file is written beside its old form and
then takes its place, so that an output is always a whole one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ..ledger import RunLedger
from ..nodes import Type
from ..operators import apply, gather
from ..pipeline import Segment, Write
from ..sinks import write_rows
from .documents import END, Work

__all__ = ["write_outputs"]

Row = Mapping[str, Any]
Files = tuple[tuple[Path, int], ...]

_SHOWN = 20


def write_outputs(work: Work, ledger: RunLedger) -> tuple[Files, tuple[Row, ...]]:
    """Writes every output; gives the files with their numbers of rows, and the first rows at the end."""
    pipeline = work.pipeline
    first, *later = pipeline.segments
    files: list[tuple[Path, int]] = []
    for step in first.steps:
        if isinstance(step, Write):
            files.append(_written(step, _kept(ledger, step.number), step.type))
    rows: list[Row] | None = None
    for segment in later:
        rows = _gathered(segment, _kept(ledger, END) if rows is None else rows, work, files)
    for write in pipeline.writes:
        files.append(_written(write, _kept(ledger, END) if rows is None else rows, pipeline.type))
    head = islice(_kept(ledger, END) if rows is None else rows, _SHOWN)
    return tuple(files), tuple({k: v for k, v in row.items() if not k.startswith("_")} for row in head)


def _gathered(segment: Segment, rows: Iterable[Row], work: Work, files: list[tuple[Path, int]]) -> list[Row]:
    """All rows through a step that needs them at once, and through the row-wise steps after it."""
    assert segment.gather is not None
    flow = work.flows[segment.gather.number]
    counted = _counted(rows, flow.counts)
    made = list(gather(segment.gather, counted))
    flow.into, flow.made = flow.counts["merged"], len(made)
    flow.counts["out"] = len(made)
    for step in segment.steps:
        flow = work.flows[step.number]
        flow.into = len(made)
        if isinstance(step, Write):
            files.append(_written(step, made, step.type))
            flow.counts["out"] = len(made)
            continue
        passed = [apply(step, row) for row in made]
        flow.counts.update(one.state for one in passed)
        made = [one.row for one in passed if one.state == "out"]
    return made


def _counted(rows: Iterable[Row], counts: dict[str, int]) -> Iterator[Row]:
    for row in rows:
        counts["merged"] += 1
        yield row


def _kept(ledger: RunLedger, number: int) -> Iterator[Row]:
    """The rows that documents gave to the write step of this number, or at the end of the row-wise steps."""
    for entry in ledger.entries():
        for kept in entry.rows:
            if kept["to"] == number:
                yield kept["row"]


def _written(write: Write, rows: Iterable[Row], type: Type) -> tuple[Path, int]:
    hidden = {f"_{name}" for name in ("evidence", "confidence", "cost") if name not in write.extras}
    shown = ({name: value for name, value in row.items() if name not in hidden} for row in rows)
    write.path.parent.mkdir(parents=True, exist_ok=True)
    return write.path, write_rows(write.path, shown, type=type)
