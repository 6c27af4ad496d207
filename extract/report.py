"""What a run came to, as files in its folder: the account of the run, and the documents that gave no row.

``run.json`` is what ``extract run --json`` prints, with the counts of each step; ``rejected.jsonl`` has a line for each
document that was rejected or held for review, with the reasons, the number of calls and the cost. Both are written anew
at the end of each start, beside the old ones and then in their place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from .errors import RunError
from .jsontext import dump, load
from .ledger import Entry

__all__ = ["read_rejected", "read_run", "runs_in", "write_rejected", "write_run"]


def write_run(folder: Path, account: Mapping[str, Any]) -> None:
    """Writes ``run.json``."""
    _replace(folder / "run.json", [dump(account)])


def write_rejected(folder: Path, entries: Iterable[Entry], rows: Iterable[Mapping[str, Any]] = ()) -> int:
    """Writes ``rejected.jsonl``, the documents and then rows that were refused later, and says how many there are;
    without any, there is no such file."""
    refused = (_line(entry) for entry in entries if entry.state in ("rejected", "review"))
    count = _replace(folder / "rejected.jsonl", (dump(line) for line in chain(refused, rows)))
    if not count:
        (folder / "rejected.jsonl").unlink()
    return count


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


def read_rejected(folder: Path) -> list[dict[str, Any]]:
    """The documents of a run that gave no row, with the reasons."""
    path = folder / "rejected.jsonl"
    return [load(line) for line in path.read_bytes().splitlines()] if path.is_file() else []


def runs_in(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The runs below a folder by name, each with its account; one that cannot be read is there by its name."""
    for path in sorted(folder.glob("*/run.json")):
        try:
            yield path.parent, read_run(path.parent)
        except RunError as error:
            yield path.parent, {"run": str(path.parent), "stopped": error.message}


def _line(entry: Entry) -> dict[str, Any]:
    return {
        "_source": entry.source,
        "state": entry.state,
        "reasons": list(entry.reasons),
        "calls": entry.calls,
        "cost_usd": entry.cost,
        "partial": (entry.detail or {}).get("partial"),
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
