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
from .ledger import FOR_GOOD, STATES, Entry, LedgerReader, State, in_words, is_held, size_of

__all__ = [
    "NOT_WRITTEN",
    "of_document",
    "read_not_written",
    "read_run",
    "runs_in",
    "standing",
    "write_not_written",
    "write_run",
]

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
    """The runs below a folder by name, each with its account and how it stands; one that cannot be read is there by its
    name."""
    for path in sorted(one for one in folder.glob("*") if (one / "ledger.sqlite").is_file()):
        try:
            with LedgerReader(path) as reader:
                account = _listed(reader) if not (path / "run.json").is_file() else read_run(path)
                yield path, {**account, "run": str(path), "state": _state(reader)}
        except RunError as error:
            yield path, {"run": str(path), "state": "unreadable", "stopped": error.message}


def standing(reader: LedgerReader) -> dict[str, Any]:
    """How a run stands by its ledger, also while it goes on: what is recorded, not what will come of it."""
    manifest, starts = reader.manifest(), reader.starts()
    models = [
        {"model": name, "calls": calls, "input": took, "cached": cached, "output": said}
        for name, calls, took, cached, said in reader.models()
    ]
    return {
        **_listed(reader),
        "state": _state(reader),
        "pipeline": manifest.get("pipeline"),
        "prompt": manifest.get("prompt"),
        "started": manifest.get("started"),
        "from_cache": reader.taken(),
        "retention": in_words(manifest.get("retention", FOR_GOOD)),
        "pruned": manifest.get("pruned"),
        "bytes": size_of(reader.folder),
        "models": models,
        "starts": [
            {"start": one.number, "began": one.began, "ended": one.ended, "outcome": one.outcome} for one in starts
        ],
    }


def of_document(reader: LedgerReader, entry: Entry) -> dict[str, Any]:
    """What became of one document: its state and the reasons, its attempts, the events of reading and repair, the rows
    that it gave in the last start, and those that were refused on their way."""
    detail = entry.detail or {}
    ordinals = range(entry.ordinal, entry.ordinal + 1)
    return {
        **_line(entry),
        "attempts": _attempts(detail),
        "events": [
            dict(zip(("rule", "pointer", "before", "after"), one, strict=True)) for one in detail.get("events", ())
        ],
        "rows": list(reader.rows(*reader.steps(), stage=entry.stage, ordinals=ordinals)),
        "refused": [one for state in NOT_WRITTEN for one in _lines(entry, state)] if "refused" in detail else [],
    }


def _listed(reader: LedgerReader) -> dict[str, Any]:
    """The sums of a ledger."""
    states, (calls, usage, cost) = reader.states(), reader.totals()
    return {
        "run": str(reader.folder),
        "in": sum(states.values()),
        **{state: states.get(state, 0) for state in STATES},
        "calls": calls,
        "tokens": {"input": usage.input, "cached": usage.cached, "output": usage.output},
        "cost_usd": cost,
    }


def _state(reader: LedgerReader) -> str:
    """In a word how a run stands."""
    if reader.last is not None and reader.last.outcome is not None:
        return reader.last.outcome
    return "running" if is_held(reader.folder) else "killed"


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
    return {
        "_source": entry.source,
        "state": entry.state,
        "reasons": list(entry.reasons) if row is None else [],
        "partial": detail.get("partial"),
        "calls": entry.calls if row is None else row["calls"],
        "attempts": _attempts(detail),
        "tokens": dict(zip(("input", "cached", "output"), detail.get("tokens", (0, 0, 0)), strict=True)),
        "cost_usd": entry.cost if row is None else row["cost"],
    }


def _attempts(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    fields = ("model", "attempt", "outcome", "cost_usd")
    return [dict(zip(fields, one, strict=False)) for one in detail.get("attempts", ())]


def _replace(path: Path, lines: Iterable[str]) -> int:
    """Writes the lines beside the file and moves them into its place."""
    count = 0
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("w", encoding="utf-8", errors="backslashreplace") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
        os.replace(beside, path)
    except OSError as error:
        message, fix = f"It could not be written: {error.strerror}.", "Make room and start the same run again."
        raise RunError(message, str(path), fix, retryable=True) from None
    return count
