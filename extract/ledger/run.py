"""The ledger of a run, as the process that works on it writes it.

Whatever comes in at about the same time is committed in one transaction (`writer`), and the folder is held against a
second process for as long as the ledger is open. What is recorded outlives the process; a loss of power may take the
last moments, which are then paid for again, unless every commit waits for the disk (`synchronous` ``full``). Answers
that are not there may be in a cache of other runs: they cost nothing and are recorded as well.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from ..call import Call, Reply, Usage
from ..catalogue import ModelFacts
from ..errors import RunError
from ..jsontext import encoded, load
from ..writer import Changes, Work, Writer
from .cache import Lookup
from .entries import Entry, State
from .forms import ENTRY, PAID, ROW, Forms, Paid, key_of
from .layout import Synchronous, hold, open_ledger
from .packing import Dictionary, Packer
from .reading import LedgerReader, dictionaries_in, taken_in, totals_in
from .sieve import Sieve

__all__ = ["RunLedger"]

T = TypeVar("T")

_ENTERING = 256
"""How many entries may be on their way into the ledger."""

_KNOWN = "select * from entries where stage = ? and id = ? and start < ?"
_REPLY = "select reply from calls where key = ?"


class RunLedger:
    """The ledger of a run's folder. `start` is the number of this start. Raises `RunError` where the folder is held by
    another process, was written by a newer version, or is of a run whose record was pruned. Close it when the run ends.
    """

    lasting = True

    def __init__(self, folder: Path, *, synchronous: Synchronous = "normal"):
        self.path = folder / "ledger.sqlite"
        self.cache: Lookup | None = None
        self._begun, self._again = False, frozenset[bytes]()
        self._pid = os.getpid()
        self._entering = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"The run's folder cannot be made: {error.strerror}."
            raise RunError(message, str(folder), "Name another folder with --run.") from None
        self._held = hold(folder)
        try:
            connection = _whole(open_ledger(self.path, synchronous), folder)
        except RunError:
            self._held.close()
            raise
        packer = Packer()
        for one in dictionaries_in(connection):
            packer.adopt(one)
        self._forms, self._sieve = Forms(packer), Sieve()
        for (key,) in connection.execute("select key from calls"):
            self._sieve.add(key)
        self.start: int = connection.execute("select coalesce(max(number), 0) from starts").fetchone()[0]
        self._writer = Writer(self.path, connection, synchronous)

    async def reply(self, key: str) -> Reply | None:
        """What is recorded is committed, and so seen; what only the cache has is recorded now."""
        kept = key_of(key)
        if kept in self._sieve:
            row = await self._writer.read(lambda db: db.execute(_REPLY, (kept,)).fetchone())
            if row is not None:
                return self._forms.reply(row[0])
        if self.cache is None or kept in self._again or (found := self.cache.reply(key)) is None:
            return None
        model, reply = found
        taken = replace(reply, usage=Usage(), batch=False)
        self._sieve.add(kept)
        paid: Paid = (kept, model, taken, Decimal(0), True)
        await self._changed(self._pay, paid)
        return taken

    async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        kept = key_of(call.key)
        self._sieve.add(kept)
        if self.cache is not None:
            self.cache.keep(call.key, call.model, reply)
        await self._changed(self._pay, (kept, call.model, reply, cost, False))

    async def record_all(self, replies: Sequence[tuple[str, str, Reply, Decimal | None]]) -> list[bool]:
        """Records paid replies (key, model, reply, cost) in one transaction; says which of them are new."""
        rows = self._forms.paid([(key_of(key), model, reply, cost, False) for key, model, reply, cost in replies])
        for row in rows:
            self._sieve.add(row[0])
        if self.cache is not None:
            for key, model, reply, _ in replies:
                self.cache.keep(key, model, reply)
        self._adopt_new()
        return await self.change(lambda db: [db.execute(PAID, row).rowcount == 1 for row in rows])

    async def recorded(self) -> None:
        await self._writer.idle()

    async def begin(
        self, what: str, facts: Iterable[ModelFacts], about: Mapping[str, Any], *, retry: Collection[State] = ()
    ) -> tuple[ModelFacts, ...]:
        """Begins another start of the run of `what`. The first one writes down what is to be known `about` the run and
        the facts of its models; gives those by which the run was started, with a model that is new to it added. What an
        earlier start ended in a state of `retry` is asked about anew. What is entered from here on takes the place of
        what was; the rows of earlier starts go, because each start makes its own.

        Raises `RunError` where the folder holds a run of something else."""
        asked, now = tuple(facts), _now()
        first = {"pipeline": what, "started": now, "name": uuid4().hex}
        await self.write_manifest({**first, **about, **{f"model:{one.name}": one.plain() for one in asked}})
        known = await self.manifest()
        if known["pipeline"] != what:
            message = f"This folder holds a run of {known['pipeline']}, not of {what}."
            raise RunError(message, str(self.path.parent), "Name another folder with --run.")

        def work(db: sqlite3.Connection) -> int:
            self._again = _set_aside(db, self._forms, retry, self.start) if retry else frozenset()
            db.execute("delete from rows")
            db.execute("insert into starts (began) values (?)", (now,))
            return int(db.execute("select max(number) from starts").fetchone()[0])

        self.start = await self._ask(work, write=True)
        self._begun = True
        return tuple(ModelFacts.from_plain(known[f"model:{one.name}"]) for one in asked)

    async def end(self, outcome: str) -> None:
        """Says that this start has ended, and how; one that did not begin says nothing."""
        if not self._begun:
            return
        values = (_now(), outcome, self.start)
        sql = "update starts set ended = ?, outcome = ? where number = ?"
        await self._ask(lambda db: db.execute(sql, values), write=True)

    async def taken(self) -> int:
        """How many answers were taken from a cache."""
        return await self._ask(taken_in)

    async def enter(self, entry: Entry) -> None:
        """Records what became of a document, in place of what was recorded before, with the rows that it gave."""
        await self._changed(self._enter, entry)

    async def known(self, stage: int, id: str) -> tuple[int, Entry] | None:
        """What an earlier start recorded of a document, with the number of that start."""
        asked = (stage, id, self.start)
        row = await self._writer.read(lambda db: db.execute(_KNOWN, asked).fetchone())
        return None if row is None else (int(row[2]), self._forms.entry(row))

    async def enter_soon(self, entry: Entry) -> None:
        """Records an entry while the caller goes on, so that many are committed at once; waits where too many are on
        their way, and raises what became of an earlier one."""
        self._writer.later(self._enter, entry)
        self._adopt_new()
        self._entering += 1
        if self._entering >= _ENTERING:
            await self.entered()

    async def entered(self) -> None:
        """Waits until all of those are recorded."""
        self._entering = 0
        await self._writer.idle()

    def entries(self) -> Iterator[Entry]:
        """All documents in the order of the inputs, then the rows that later stages began with; read through a
        connection of its own. What rows they gave is read by `rows`."""
        with LedgerReader(self.path.parent) as reader:
            yield from reader.entries()

    def refused(self) -> Iterator[Entry]:
        """Those that this start came to and of which something was refused."""
        with LedgerReader(self.path.parent) as reader:
            yield from reader.entries(self.start, refused=True)

    def rows(
        self, *steps: int, stage: int | None = None, ordinals: range | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """The rows that these steps gave in this start, as `LedgerReader` gives them; read through a connection of its
        own."""
        with (
            LedgerReader(self.path.parent) as reader,
            closing(reader.rows(*steps, stage=stage, ordinals=ordinals)) as found,
        ):
            yield from found

    async def forget_older(self) -> None:
        """Drops the entries of what is no longer among the inputs; its paid replies stay."""
        start = self.start
        await self._ask(lambda db: db.execute("delete from entries where start < ?", (start,)), write=True)

    async def manifest(self) -> dict[str, Any]:
        """What the run decided by at its first start; empty before that."""
        rows = await self._ask(lambda db: db.execute("select name, value from manifest").fetchall())
        return {name: load(value) for name, value in rows}

    async def write_manifest(self, values: Mapping[str, Any], *, anew: bool = False) -> None:
        """Adds to the manifest; what is there already stays as it is, unless it is written `anew`."""
        rows = [(name, encoded(value)) for name, value in values.items()]
        sql = f"insert or {'replace' if anew else 'ignore'} into manifest values (?, ?)"
        await self._ask(lambda db: db.executemany(sql, rows), write=True)

    async def spent(self) -> tuple[Decimal, Decimal, Decimal]:
        """What all recorded calls took: US dollars, tokens, and how many they are."""
        count, usage, cost = await self.totals()
        return cost or Decimal(0), Decimal(usage.input + usage.output), Decimal(count)

    async def totals(self) -> tuple[int, Usage, Decimal | None]:
        """How many calls are recorded, their tokens, and what they cost in US dollars (None: some have no price)."""
        return await self._ask(totals_in)

    def close(self) -> None:
        """Commits what has come in and lets go of the folder."""
        if self._pid != os.getpid():
            return  # a forked child must not touch its parent's handles
        self._writer.close()
        self._held.close()

    async def change(self, work: Work[T]) -> T:
        """What a change of the file gives, made in a transaction of the writer; it is committed when this returns."""
        return await self._ask(work, write=True)

    async def _ask(self, work: Work[T], *, write: bool = False) -> T:
        return await self._writer.ask(work, write=write)

    def _changed(self, changes: Changes[T], about: T) -> asyncio.Future[None]:
        """Makes a small change soon; a dictionary that was made for it by the way is for what comes later."""
        self._adopt_new()
        return self._writer.soon(changes, about)

    def _adopt_new(self) -> None:
        """Writes new dictionaries down; each is used from when it is safe."""
        while self._forms.made:
            one = self._forms.made.popleft()
            written = self._writer.soon(_write_dictionaries, one)
            written.add_done_callback(partial(self._written, one))

    def _written(self, one: Dictionary, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is None:  # if it is not safe, those who came with it are told why
            self._forms.packer.adopt(one)

    # ---- changes, which are packed when they are made

    def _pay(self, db: sqlite3.Connection, paid: list[Paid]) -> None:
        db.executemany(PAID, self._forms.paid(paid))

    def _enter(self, db: sqlite3.Connection, entries: list[Entry]) -> None:
        """Records entries, with their rows."""
        values, rows = self._forms.entered(entries, self.start)
        db.executemany(ENTRY, values)
        db.executemany(ROW, rows)


def _whole(db: sqlite3.Connection, folder: Path) -> sqlite3.Connection:
    """The ledger, closed with a `RunError` where its texts were dropped: going on would pay for them again."""
    row = db.execute("select value from manifest where name = 'pruned'").fetchone()
    if row is not None:
        db.close()
        message = f"What this run recorded was pruned ({load(row[0])}): all of it would be asked and paid for again."
        raise RunError(message, str(folder), "Name another folder with --run.")
    return db


def _set_aside(db: sqlite3.Connection, forms: Forms, states: Collection[State], start: int) -> frozenset[bytes]:
    """Sets the answers aside that led to these states: they are asked for again, and what was paid stays counted. Gives
    the keys of their calls."""
    keys = dict[str, None]()
    for row in db.execute("select * from entries where refused = 1"):
        led = (forms.entry(row).detail or {}).get("keys", {})
        keys.update((key, None) for state in states for key in led.get(state, ()))
    aside = b"~%d" % start  # longer than any key, so nobody looks it up
    for kept in map(key_of, keys):
        db.execute("update calls set key = ? where key = ?", (kept + aside, kept))
    return frozenset(map(key_of, keys))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write_dictionaries(db: sqlite3.Connection, made: list[Dictionary]) -> None:
    db.executemany("insert into dictionaries values (?, ?, ?)", [(one.number, one.kind, one.content) for one in made])
