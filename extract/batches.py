"""The waves of a run in its ledger: which calls went into which batch, and how far each has come.

A wave is the calls of one file. What is about to be done with it is written down before it is done, so that a start
that was killed between two steps is taken up by the next one, which knows what may have happened and what cannot. The
states: ``planned`` (nothing is at the provider that costs anything), ``uploaded`` (a file is there; if a batch was
`tried`, it may be there too), ``created``, ``finished`` (it has ended, however it ended), ``downloaded``, ``ingested``
(every answer is recorded under its call's key), and ``dropped`` (nothing came of it and nothing will).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Literal

from .call import Mode, Reply
from .jsontext import dump, load
from .ledger import RunLedger

__all__ = ["Wave", "WaveState", "Waves"]

WaveState = Literal["planned", "uploaded", "created", "finished", "downloaded", "ingested", "dropped"]


@dataclass(frozen=True)
class Wave:
    """The calls of one file: how many, of which model, in which mode they were asked, their tokens of input, and the
    most that they may take (US dollars, tokens, calls). `tried` counts the attempts to create its batch; `file`,
    `batch`, `output` and `errors` are ids at the provider, `status` the last that it said of the batch, and `faults`
    why the batch failed (code, message, line). `odd` counts what came back beside the answers."""

    number: int
    model: str
    mode: Mode
    state: WaveState
    requests: int
    tokens: int
    most: tuple[Decimal, Decimal, Decimal]
    tried: int = 0
    file: str | None = None
    batch: str | None = None
    status: str | None = None
    output: str | None = None
    errors: str | None = None
    faults: tuple[tuple[str, str, int | None], ...] = ()
    odd: Mapping[str, int] | None = None

    @property
    def open(self) -> bool:
        """Whether there is still something to be done about it."""
        return self.state not in ("ingested", "dropped")


_COLUMNS = tuple(one.name for one in fields(Wave))
_SAVE = f"insert or replace into waves ({', '.join(_COLUMNS)}) values ({', '.join('?' * len(_COLUMNS))})"


class Waves:
    """The waves of one run."""

    def __init__(self, ledger: RunLedger):
        self._ledger = ledger

    async def plan(self, wave: Wave, calls: Mapping[str, int]) -> Wave:
        """Writes down a new wave with its calls (their keys in the order of the file, and their tokens); gives it with
        its number."""

        def work(db: sqlite3.Connection) -> Wave:
            number = db.execute("select coalesce(max(number), 0) + 1 from waves").fetchone()[0]
            made = replace(wave, number=number)
            rows = [(number, place, key, tokens) for place, (key, tokens) in enumerate(calls.items())]
            db.execute(_SAVE, _values(made))
            db.executemany("insert into wave_calls values (?, ?, ?, ?)", rows)
            return made

        return await self._ledger.change(work)

    async def save(self, wave: Wave) -> Wave:
        """Writes down how far a wave has come; the calls of one that is done with are forgotten."""

        def work(db: sqlite3.Connection) -> Wave:
            db.execute(_SAVE, _values(wave))
            if not wave.open:
                db.execute("delete from wave_calls where wave = ?", (wave.number,))
            return wave

        return await self._ledger.change(work)

    async def record(self, replies: Sequence[tuple[str, str, Reply, Decimal | None]]) -> list[bool]:
        """Records paid replies (key, model, reply, cost) in one transaction; says which of them are new."""
        return await self._ledger.record_all(replies)

    async def all(self) -> list[Wave]:
        """All waves, in the order in which they were planned."""
        sql = f"select {', '.join(_COLUMNS)} from waves order by number"
        rows = await self._ledger.change(lambda db: db.execute(sql).fetchall())
        return [_wave(row) for row in rows]

    async def calls(self, number: int) -> dict[str, int]:
        """The keys of the calls of an open wave, in the order of the file, and their tokens."""
        sql = "select key, tokens from wave_calls where wave = ? order by place"
        return dict(await self._ledger.change(lambda db: db.execute(sql, (number,)).fetchall()))


def _values(wave: Wave) -> tuple[Any, ...]:
    plain = {name: getattr(wave, name) for name in _COLUMNS}
    plain |= {"most": dump([str(one) for one in wave.most]), "faults": dump(wave.faults), "odd": dump(wave.odd)}
    return tuple(plain.values())


def _wave(row: tuple[Any, ...]) -> Wave:
    plain = dict(zip(_COLUMNS, row, strict=True))
    one, two, three = (Decimal(amount) for amount in load(plain["most"]))
    faults = tuple((code, message, line) for code, message, line in load(plain["faults"]))
    return Wave(**{**plain, "most": (one, two, three), "faults": faults, "odd": load(plain["odd"])})
