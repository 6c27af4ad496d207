"""Looks at the ledger of a run, while somebody writes it or after its end; changes nothing and holds up nobody."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..call import Reply, Usage
from ..jsontext import load
from .entries import Entry
from .forms import Forms, key_of
from .layout import look_in
from .packing import Dictionary, Packer

__all__ = ["LedgerReader", "Start", "dictionaries_in", "taken_in", "totals_in"]


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a run: its number, when it began and ended (ISO 8601; None: it goes on, or was killed), and what it
    came to in a word: ``done``, ``stopped`` or ``interrupted``."""

    number: int
    began: str
    ended: str | None = None
    outcome: str | None = None


class LedgerReader:
    """The ledger of the run in a folder. Raises `RunError` where there is none, or one of another version. Close it, or
    use it in a `with`."""

    def __init__(self, folder: Path):
        self.folder, self._db = folder, look_in(folder)
        self._forms = Forms(Packer(_finding(self._db)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def manifest(self) -> dict[str, Any]:
        """What the run decides by, and what is known about it."""
        return {name: load(value) for name, value in self._db.execute("select name, value from manifest")}

    def starts(self) -> list[Start]:
        return [Start(*row) for row in self._db.execute("select number, began, ended, outcome from starts order by 1")]

    @property
    def last(self) -> Start | None:
        """The last start, if there was one."""
        row = self._db.execute("select number, began, ended, outcome from starts order by 1 desc limit 1").fetchone()
        return None if row is None else Start(*row)

    def totals(self) -> tuple[int, Usage, Decimal | None]:
        """How many calls were paid for, their tokens, and what they cost in US dollars (None: some have no price)."""
        return totals_in(self._db)

    def models(self) -> list[tuple[str, int, int, int, int]]:
        """Each model with its recorded calls and their tokens of input, cached input and output."""
        sums = "select model, count(*), sum(input), sum(cached), sum(output) from calls where taken = 0 group by model"
        return self._db.execute(sums).fetchall()

    def taken(self) -> int:
        """How many answers were taken from a cache."""
        return taken_in(self._db)

    def states(self) -> dict[str, int]:
        """How many documents ended in each state."""
        return dict(self._db.execute("select state, count(*) from entries where stage = 0 group by state"))

    def entries(self, since: int = 0, *, refused: bool = False) -> Iterator[Entry]:
        """All documents in the order of the inputs, then the rows that later stages began with; or those that starts
        from this one on came to, or of which something was `refused`. What rows they gave is read by `rows`."""
        asked = f"start >= ?{' and refused = 1' if refused else ''}"
        for row in self._db.execute(f"select * from entries where {asked} order by stage, ordinal, id", (since,)):
            yield self._forms.entry(row)

    def entry(self, id: str, stage: int = 0) -> Entry | None:
        """What became of one document, or of one row of a later stage."""
        row = self._db.execute("select * from entries where stage = ? and id = ?", (stage, id)).fetchone()
        return None if row is None else self._forms.entry(row)

    def rows(
        self, *steps: int, stage: int | None = None, ordinals: range | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """The rows that these steps gave in the last start, in the order of the inputs; of one stage only, or of some
        of its inputs."""
        where = f"start = (select max(number) from starts) and step in ({', '.join('?' * len(steps))})"
        values: list[Any] = [*steps]
        if stage is not None:
            where, values = f"{where} and stage = ?", [*values, stage]
        if ordinals is not None:
            where, values = f"{where} and ordinal >= ? and ordinal < ?", [*values, ordinals.start, ordinals.stop]
        for (row,) in self._db.execute(f"select row from rows where {where} order by stage, ordinal, place", values):
            yield self._forms.row(row)

    def steps(self) -> list[int]:
        """The numbers of the steps whose rows are kept."""
        return [number for (number,) in self._db.execute("select distinct step from rows order by step")]

    def replies(self, keys: Sequence[str]) -> Iterator[Reply | None]:
        """What was recorded for each of these calls; None where nothing was, or where it is no longer kept."""
        for key in keys:
            row = self._db.execute("select reply from calls where key = ?", (key_of(key),)).fetchone()
            yield None if row is None or row[0] is None else self._forms.reply(row[0])


def totals_in(db: sqlite3.Connection) -> tuple[int, Usage, Decimal | None]:
    """See `LedgerReader.totals`."""
    count, unpriced, *tokens = db.execute(
        "select count(*), count(*) - count(cost), sum(input), sum(cached), sum(output) from calls where taken = 0"
    ).fetchone()
    costs = db.execute("select cost, count(*) from calls where taken = 0 and cost is not null group by cost")
    cost = sum((Decimal(one) * times for one, times in costs), Decimal(0))
    return count, Usage(*(n or 0 for n in tokens)), None if unpriced else cost


def taken_in(db: sqlite3.Connection) -> int:
    """See `LedgerReader.taken`."""
    return int(db.execute("select count(*) from calls where taken = 1").fetchone()[0])


def dictionaries_in(db: sqlite3.Connection) -> Iterator[Dictionary]:
    """The dictionaries of a ledger, in the order in which they were made."""
    for row in db.execute("select number, kind, content from dictionaries order by number"):
        yield Dictionary(*row)


def _finding(db: sqlite3.Connection) -> Any:
    def find(number: int) -> bytes:
        sql = "select content from dictionaries where number = ?"
        found: tuple[bytes] = db.execute(sql, (number,)).fetchone()
        return found[0]

    return find
