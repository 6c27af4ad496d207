"""What a run writes, from its ledger: the rows of each output, whole and in the order of the documents.

Steps that need all rows at once run here, when the documents are done. Each file is written beside its old form and
then takes its place, so that an output is always a whole one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import ExtractError, PipelineError
from ..ledger import RunLedger
from ..nodes import Type
from ..operators import Outcome, apply, gather
from ..pipeline import Pipeline, Segment, Write
from ..sinks import write_rows
from .documents import END, Work

__all__ = ["Written", "check_writable", "write_outputs"]

Row = Mapping[str, Any]

_SHOWN = 20


@dataclass
class Written:
    """What was written: the files with their numbers of rows, the first rows at the end, the rows that were refused
    after the documents had been merged, and the error that kept an output from being written, if any."""

    files: tuple[tuple[Path, int], ...] = ()
    head: tuple[Row, ...] = ()
    refused: list[dict[str, Any]] = field(default_factory=list)
    failure: ExtractError | None = None


def check_writable(pipeline: Pipeline) -> None:
    """Raises PipelineError for an output that cannot be written, before anything is paid for."""
    writes = [*(step for step in pipeline.steps if isinstance(step, Write)), *pipeline.writes]
    for write in writes:
        try:
            write.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"The folder of this output cannot be made: {error.strerror}."
            raise PipelineError(message, str(write.path), "Write somewhere else.") from None
        if not os.access(write.path.parent, os.W_OK) or write.path.is_dir():
            raise PipelineError("This output cannot be written.", str(write.path), "Write somewhere else.")


def write_outputs(work: Work, ledger: RunLedger) -> Written:
    """Writes every output. An error ends the writing and is in the result: the documents are done and paid for."""
    written = Written()
    try:
        _write_all(work, ledger, written)
    except ExtractError as error:
        written.failure = error
    return written


def _write_all(work: Work, ledger: RunLedger, written: Written) -> None:
    pipeline = work.pipeline
    first, *later = pipeline.segments
    for step in first.steps:
        if isinstance(step, Write):
            _write(step, _kept(ledger, step.number), step.type, written)
    rows: list[Row] | None = None
    for segment in later:
        rows = _gathered(segment, _kept(ledger, END) if rows is None else rows, work, written)
    head = islice(_kept(ledger, END) if rows is None else rows, _SHOWN)
    written.head = tuple({k: v for k, v in row.items() if not k.startswith("_")} for row in head)
    for write in pipeline.writes:
        _write(write, _kept(ledger, END) if rows is None else rows, pipeline.type, written)


def _gathered(segment: Segment, rows: Iterable[Row], work: Work, written: Written) -> list[Row]:
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
            _write(step, made, step.type, written)
            flow.counts["out"] = len(made)
            continue
        passed = [apply(step, row) for row in made]
        flow.counts.update(one.state for one in passed)
        written.refused += (_refused(one) for one in passed if one.state in ("rejected", "review"))
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


def _write(write: Write, rows: Iterable[Row], type: Type, written: Written) -> None:
    hidden = {f"_{name}" for name in ("evidence", "confidence", "cost") if name not in write.extras}
    shown = ({name: value for name, value in row.items() if name not in hidden} for row in rows)
    written.files += ((write.path, write_rows(write.path, shown, type=type)),)


def _refused(outcome: Outcome) -> dict[str, Any]:
    """A row that was refused after a step that had merged the documents, for the dead-letter file."""
    row = {name: value for name, value in outcome.row.items() if not name.startswith("_")}
    return {"_id": outcome.row.get("_id"), "state": outcome.state, "reasons": [outcome.reason], "row": row}
