"""How long the record of a run keeps what documents said: for good, for a time, or until the run has ended.

What is dropped are the texts: answers, records of documents that were refused, rows. What stays is the account: the
keys of the calls, their tokens and their cost, the state of each document and the reasons. A run whose texts were
dropped cannot be gone on with, since all of it would be asked and paid for again.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import RunError
from ..jsontext import encoded
from .layout import hold, is_held, open_ledger
from .reading import LedgerReader

__all__ = ["FOR_GOOD", "UNTIL_ENDED", "Pruned", "forget", "in_words", "prune", "seconds_of", "size_of"]

FOR_GOOD, UNTIL_ENDED = "for good", "until ended"
"""Words for a retention that is no time."""

_UNITS = {"h": 3_600, "hour": 3_600, "d": 86_400, "day": 86_400, "w": 7 * 86_400, "week": 7 * 86_400}
_TIME = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(h|hour|d|day|w|week)s?\s*")
_BODIES = ("rejected.jsonl", "review.jsonl", "batches")
"""What else in a run's folder holds texts of documents."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """A run that was looked at: what became of it, and the bytes of its folder before and after."""

    folder: Path
    what: str
    before: int
    after: int


def seconds_of(text: str) -> float:
    """A time such as ``30 days``, ``12 hours`` or ``2w`` in seconds. Raises ValueError for anything else."""
    if (found := _TIME.fullmatch(text)) is None:
        raise ValueError(text)
    return float(found[1]) * _UNITS[found[2]]


def in_words(retention: str | float) -> str:
    """A retention as it would be written: ``30 days``, ``12 hours``, or the words for one that is no time."""
    if isinstance(retention, str):
        return retention
    days = retention / _UNITS["day"]
    return f"{days:g} days" if days >= 1 else f"{retention / _UNITS['hour']:g} hours"


def forget(folder: Path) -> None:
    """Drops the texts of a run that nobody works on. Raises `RunError` where somebody does. That all of them are gone
    is written down last, so that one that was killed on the way can be done again."""
    held = hold(folder)
    try:
        db = open_ledger(folder / "ledger.sqlite", "full")
        try:
            _forget(db)
            for name in _BODIES:
                path = folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            db.execute("insert or replace into manifest values ('swept', ?)", (encoded(True),))
        finally:
            db.close()
    finally:
        held.close()


def _forget(db: sqlite3.Connection) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    db.execute("begin immediate")
    db.execute("update calls set reply = null")
    db.execute("update entries set detail = null")
    db.execute("delete from rows")
    db.execute("delete from dictionaries")
    db.execute("insert or replace into manifest values ('pruned', ?)", (encoded(now),))
    db.execute("commit")
    db.execute("vacuum")
    db.execute("pragma wal_checkpoint(truncate)")


def prune(below: Path, older: float | None = None, now: datetime | None = None) -> Iterator[Pruned]:
    """Drops the texts of the runs below a folder that have ended and whose time is over: that of each run's own
    retention, or `older` seconds for all of them. Runs that somebody works on, that were interrupted or that are kept
    for good stay as they are."""
    now = now or datetime.now(UTC)
    for path in sorted(below.glob("*/ledger.sqlite")):
        folder = path.parent
        before = size_of(folder)
        what = _due(folder, older, now)
        if what == "pruned":
            forget(folder)
        yield Pruned(folder, what, before, size_of(folder))


def size_of(folder: Path) -> int:
    """The bytes of the files in a folder and below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _due(folder: Path, older: float | None, now: datetime) -> str:
    """What is to be done with a run: ``pruned``, or why it stays."""
    try:
        if is_held(folder):
            return "is being worked on"
        with LedgerReader(folder) as reader:
            manifest, last = reader.manifest(), reader.last
    except RunError as error:
        return error.message
    if "pruned" in manifest:
        return "was pruned before" if "swept" in manifest else "pruned"
    if last is None or last.ended is None:
        return "has not ended"
    kept = manifest.get("retention", FOR_GOOD)
    after = older if older is not None else None if kept == FOR_GOOD else 0.0 if kept == UNTIL_ENDED else float(kept)
    if after is None:
        return "is kept for good"
    passed = (now - datetime.fromisoformat(last.ended)).total_seconds()
    return "pruned" if passed >= after else "is kept for now"
