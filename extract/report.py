"""What a run came to, as files in its folder: the account of the run, and the documents that gave no row.

``run.json`` is what ``extract run --json`` prints, with the counts of each step; ``rejected.jsonl`` has a line for each
document that was rejected, ``review.jsonl`` for each that is held for review, with the reasons, what there is of its
record, the calls, the tokens and the cost. They are written anew at the end of each start, beside the old ones and then
in their place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import RunError
from .jsontext import dump, load
from .ledger import Entry, State

__all__ = ["NOT_WRITTEN", "read_not_written", "read_run", "runs_in", "write_not_written", "write_run"]

NOT_WRITTEN: Mapping[State, str] = {"rejected": "rejected.jsonl", "review": "review.jsonl"}
"""The file of each state that a document may end in without a row."""


def write_run(folder: Path, account: Mapping[str, Any]) -> None:
    """Writes ``run.json``."""
    _replace(folder / "run.json", [dump(account)])


def write_not_written(folder: Path, entries: Callable[[], Iterable[Entry]]) -> None:
    """Writes ``rejected.jsonl`` and ``review.jsonl``: the documents, and the rows that were made of them and refused on
    their way (`entries` reads them anew for each file). A file with nothing in it is not there."""
    for state, name in NOT_WRITTEN.items():
        lines = (line for entry in entries() for line in _lines(entry, state))
        if not _replace(folder / name, map(dump, lines)):
            (folder / name).unlink()


def read_run(folder: Path) -> dict[str, Any]:
    """The account of the run in a folder; raises `RunError` where there is none."""
    try:
        account = load((folder / "run.json").read_bytes())
    except FileNotFoundError:
        what = "This folder holds no run that has ended." if folder.is_dir() else "There is no such folder."
        raise RunError(what, where=str(folder), fix="`extract runs` lists the runs that there are.") from None
    except (OSError, ValueError):
        account = None
    if not isinstance(account, dict) or "steps" not in account:
        raise RunError("The account of this run cannot be read.", where=str(folder / "run.json"))
    return account


def read_not_written(folder: Path) -> list[dict[str, Any]]:
    """The documents of a run that gave no row, with the reasons: the rejected ones, then those held for review."""
    paths = [path for name in NOT_WRITTEN.values() if (path := folder / name).is_file()]
    return [load(line) for path in paths for line in path.read_bytes().splitlines()]


def runs_in(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The runs below a folder by name, each with its account; one that cannot be read is there by its name."""
    for path in sorted(folder.glob("*/run.json")):
        try:
            yield path.parent, read_run(path.parent)
        except RunError as error:
            yield path.parent, {"run": str(path.parent), "stopped": error.message}


def _lines(entry: Entry, state: State) -> Iterator[dict[str, Any]]:
    """What is said of a document in the file of a state: a line for each of its rows that ended so."""
    refused = (entry.detail or {}).get("refused")
    if refused is None:
        if entry.state == state:
            yield _line(entry)
        return
    for one in refused:
        if one["state"] == state:
            row = {"row": one["row"]} if any(not name.startswith("_") for name in one["row"]) else {}
            about = {"_id": one["_id"], "step": one["step"], "state": state, "reasons": one["reasons"]}
            yield {**_line(entry, one if "cost" in one else None), **about, **row}


def _line(entry: Entry, row: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is said of a document, or of one `row` among several of it: then the calls and the tokens are those of the
    step that refused it, and the cost is what the row had cost, so that nothing is told twice."""
    detail: Mapping[str, Any] = (entry.detail or {}) if row is None else row
    fields = ("model", "attempt", "outcome", "cost_usd")
    return {
        "_source": entry.source,
        "state": entry.state,
        "reasons": list(entry.reasons) if row is None else [],
        "partial": detail.get("partial"),
        "calls": entry.calls if row is None else row["calls"],
        "attempts": [dict(zip(fields, one, strict=False)) for one in detail.get("attempts", ())],
        "tokens": dict(zip(("input", "cached", "output"), detail.get("tokens", (0, 0, 0)), strict=True)),
        "cost_usd": entry.cost if row is None else row["cost"],
    }


def _replace(path: Path, lines: Iterable[str]) -> int:
    """Writes the lines beside the file and moves them into its place."""
    count = 0
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
    os.replace(beside, path)
    return count
