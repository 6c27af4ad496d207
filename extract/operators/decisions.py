"""What a person decided about rows that were held for review, as a file of JSON Lines.

A line names the row by its `_id` and says ``"decision": "accept"`` or ``"reject"``; with ``row`` it gives the fields as
they should be, and with ``reason`` why. The lines of a run's ``review.jsonl`` have `_id` and `row` already, so that a
person only adds the decision. A row without a decision stays held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DocumentError, PipelineError
from ..project import shown
from ..sources import read_rows

__all__ = ["Decision", "read_decisions"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a row goes on, with which fields, or why it does not."""

    accepted: bool
    row: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


def read_decisions(path: Path) -> dict[str, Decision]:
    """The decisions in a file by the rows' `_id`; none where there is no file yet. Raises PipelineError with the
    line."""
    if not path.is_file():
        return {}
    found: dict[str, Decision] = {}
    try:
        for number, line in enumerate(read_rows(path), 1):
            decided = line.get("decision")
            if decided is None:
                continue
            where = f"{shown(path)}:{number}"
            if decided not in ("accept", "reject"):
                raise PipelineError(f"A decision is accept or reject, and this is {decided!r}.", where)
            if not isinstance(line.get("_id"), str):
                raise PipelineError("A decision names its row by `_id`.", where, "Take the line from review.jsonl.")
            row = line.get("row")
            changed = row if isinstance(row, dict) else {}
            found[line["_id"]] = Decision(decided == "accept", changed, str(line.get("reason") or ""))
    except DocumentError as error:
        raise PipelineError(error.message, error.where, error.fix) from None
    return found
