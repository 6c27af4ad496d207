"""The durable record of a run: what was asked and paid for, what became of each document, and what the run decided by.

A reply is recorded before it is used, under its call's key; a run that was killed asks again and is answered from here.
`Memory` serves a plain call. `RunLedger` is a SQLite file in the run's folder: whatever comes in at about the same time
is committed in one transaction (`writer`; in WAL mode, so that others can read meanwhile), and it holds the folder
against a second process for as long as it is open. What is recorded outlives the process; a power cut may take the last
moments, which are then paid for again.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import orjson

from .call import Call, Reply, Usage
from .catalogue import ModelFacts
from .errors import RunError
from .extraction import Extraction
from .jsontext import dump, load
from .writer import Work, Writer

__all__ = ["PAID", "Entry", "Ledger", "Memory", "RunLedger", "State", "attempts_of", "come_to"]

T = TypeVar("T")

State = Literal["written", "filtered", "merged", "review", "rejected", "pending"]
"""What became of an input; each has exactly one of these."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one document, or of one row that a later `stage` of a pipeline began with: its place among them,
    its state, the rows it gave (JSON values, each with the number of the step that gave it), why it was not written
    (`reasons`), what it cost in US dollars (None: no price), and the fingerprint of what was done to it."""

    id: str
    ordinal: int
    source: str
    state: State
    fingerprint: str
    rows: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    reasons: tuple[str, ...] = ()
    calls: int = 0
    cost: Decimal | None = Decimal(0)
    detail: Mapping[str, Any] | None = None
    stage: int = 0

    def after(self, *extractions: Extraction[Any] | None, **detail: Any) -> Entry:
        """The entry with what its extractions came to (None: one is pending), and what else is to be known of it."""
        return replace(self, **come_to(*extractions, **detail))


def come_to(*extractions: Extraction[Any] | None, **detail: Any) -> dict[str, Any]:
    """What an entry tells of the extractions that it rests on: `calls`, `cost` and `detail`."""
    several = [one for one in extractions if one is not None]
    if not several:
        return {"detail": detail or None}
    attempts = [attempt for one in several for attempt in one.attempts]
    costs, used = [one.cost for one in attempts], [one.usage for one in attempts]
    detail = {
        "partial": next((one.partial for one in several if not one.ok), None),
        "attempts": [attempt for one in several for attempt in attempts_of(one)],
        "tokens": [
            sum(one.input for one in used),
            sum(one.cached for one in used),
            sum(one.output for one in used),
        ],
        "waived": [[p.pointer, p.kind, p.message] for one in several for p in one.waived],
        "events": [[e.rule, e.pointer, e.before, e.after] for one in several for e in one.events],
        **detail,
    }
    cost = None if None in costs else sum((one for one in costs if one is not None), Decimal(0))
    return {"calls": len(detail["attempts"]), "cost": cost, "detail": detail}


def attempts_of(extraction: Extraction[Any]) -> list[list[Any]]:
    """The attempts of an extraction, as an entry holds them."""
    return [[one.model, one.number, one.outcome, one.cost] for one in extraction.attempts]


class Ledger(Protocol):
    """Where paid replies are kept. One that is not `lasting` takes no time to record."""

    lasting: bool

    async def reply(self, key: str) -> Reply | None:
        """What was recorded for a call, if anything."""
        ...

    async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        """Records a paid reply; it is safe when this returns, and will be if whoever waits for it is cancelled."""
        ...

    async def recorded(self) -> None:
        """Waits until all that came in is safe."""
        ...


class Memory:
    """A ledger for one plain call, gone with it."""

    lasting = False

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}

    async def reply(self, key: str) -> Reply | None:
        return self.replies.get(key)

    async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        self.replies[call.key] = reply

    async def recorded(self) -> None:
        """It is there at once."""


_ENTERING = 256
"""How many entries may be on their way into the ledger."""

_MIGRATIONS = (
    """
    create table manifest (name text primary key, value blob not null);
    create table calls (
        key text primary key, model text not null, reply blob not null, cost text,
        input integer not null, cached integer not null, output integer not null
    ) without rowid;
    create table entries (
        id text primary key, ordinal integer not null, source text not null, state text not null,
        fingerprint text not null, rows blob not null, reasons blob not null, calls integer not null,
        cost text, detail blob
    );
    create index entries_by_ordinal on entries (ordinal);
    """,
    # keys come in no order, and replies are long: each stands where the last one ended, and only keys among keys
    """
    alter table calls rename to calls_before;
    create table calls (
        key text primary key, model text not null, reply blob not null, cost text,
        input integer not null, cached integer not null, output integer not null
    );
    insert into calls select * from calls_before;
    drop table calls_before;
    """,
    # rows are made anew by each start, so those of before are not taken over
    """
    drop index entries_by_ordinal;
    alter table entries rename to entries_before;
    create table entries (
        stage integer not null, id text not null, start integer not null, ordinal integer not null,
        source text not null, state text not null, fingerprint text not null, reasons blob not null,
        calls integer not null, cost text, detail blob, primary key (stage, id)
    ) without rowid;
    insert into entries
        select 0, id, 0, ordinal, source, state, fingerprint, reasons, calls, cost, detail from entries_before;
    drop table entries_before;
    create table rows (
        start integer not null, step integer not null, stage integer not null, ordinal integer not null,
        place integer not null, row blob not null, primary key (start, step, stage, ordinal, place)
    ) without rowid;
    create table starts (number integer primary key, began text not null);
    """,
    # see `batches`
    """
    create table waves (
        number integer primary key, model text not null, mode text not null, state text not null,
        requests integer not null, tokens integer not null, most blob not null, tried integer not null,
        file text, batch text, status text, output text, errors text, faults blob not null, odd blob not null
    );
    create table wave_calls (
        wave integer not null, place integer not null, key text not null, tokens integer not null,
        primary key (wave, place)
    ) without rowid;
    """,
)

PAID = "insert or ignore into calls values (?, ?, ?, ?, ?, ?, ?)"
"""Records a paid reply, as `RunLedger.paid` writes it; the first one to a call stays."""

_ENTRY = "insert or replace into entries values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_KNOWN = "select * from entries where stage = ? and id = ? and start < ?"
_ROW = "insert or replace into rows values (?, ?, ?, ?, ?, ?)"


class RunLedger:
    """The ledger of a run's folder. Raises `RunError` where the folder is held by another process or written by a newer
    version. Close it when the run ends."""

    lasting = True

    def __init__(self, folder: Path):
        self.path = folder / "ledger.sqlite"
        self._pid = os.getpid()
        self._entering: set[asyncio.Future[None]] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"The run's folder cannot be made: {error.strerror}."
            raise RunError(message, str(folder), "Name another folder with --run.") from None
        self._held = _hold(folder)
        try:
            connection = _connect(self.path)
        except RunError:
            self._held.close()
            raise
        self.start: int = connection.execute("select coalesce(max(number), 0) from starts").fetchone()[0]
        self._marks = None if connection.execute("select 1 from calls limit 1").fetchone() else _Marks()
        self._writer = Writer(self.path, connection)

    async def reply(self, key: str) -> Reply | None:
        """What is recorded is committed, and so seen."""
        if self._marks is not None and key not in self._marks:
            return None
        row = await self._writer.read(lambda db: db.execute("select reply from calls where key = ?", (key,)).fetchone())
        return None if row is None else Reply.from_plain(load(row[0]))

    async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        values = self.paid(call.key, call.model, reply, cost)
        await self._writer.soon(lambda db: db.execute(PAID, values))

    def paid(self, key: str, model: str, reply: Reply, cost: Decimal | None) -> tuple[Any, ...]:
        """The row of a paid reply to the call of this key, which `PAID` records; it is looked for from now on."""
        if self._marks is not None:
            self._marks.add(key)
        return paid_row(key, model, reply, cost)

    async def recorded(self) -> None:
        await self._writer.idle()

    async def begin(self, began: str) -> None:
        """Begins another start of the run: what is entered from here on takes the place of what was. The rows of
        earlier starts go, because each start makes its own."""

        def work(db: sqlite3.Connection) -> int:
            db.execute("delete from rows")
            db.execute("insert into starts (began) values (?)", (began,))
            return int(db.execute("select max(number) from starts").fetchone()[0])

        self.start = await self._ask(work, write=True)

    async def enter(self, entry: Entry) -> None:
        """Records what became of a document, in place of what was recorded before, with the rows that it gave."""
        await self._writer.soon(_entering(entry, self.start))

    async def known(self, stage: int, id: str) -> tuple[int, Entry] | None:
        """What an earlier start recorded of a document, with the number of that start."""
        asked = (stage, id, self.start)
        row = await self._writer.read(lambda db: db.execute(_KNOWN, asked).fetchone())
        return None if row is None else (int(row[2]), _entry(row))

    async def enter_soon(self, entry: Entry) -> None:
        """Records an entry while the caller goes on, so that many are committed at once; waits where too many are on
        their way, and raises what became of an earlier one."""
        self._entering.add(self._writer.soon(_entering(entry, self.start), lazily=True))
        if len(self._entering) >= _ENTERING:
            await self.entered()

    async def entered(self) -> None:
        """Waits until all of those are recorded."""
        entering, self._entering = self._entering, set()
        await self._writer.idle()
        for one in entering:
            one.result() if one.done() else await one

    def entries(self) -> Iterator[Entry]:
        """All documents in the order of the inputs, then the rows that later stages began with; read through a
        connection of its own. What rows they gave is read by `rows`."""
        with closing(_look(self.path)) as db:
            for row in db.execute("select * from entries order by stage, ordinal, id"):
                yield _entry(row)

    def rows(
        self, *steps: int, stage: int | None = None, ordinals: range | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """The rows that these steps gave in the last start, in the order of the inputs; of one stage only, or of some
        of its inputs. Read through a connection of its own."""
        where = f"start = ? and step in ({', '.join('?' * len(steps))})"
        values: list[Any] = [self.start, *steps]
        if stage is not None:
            where, values = f"{where} and stage = ?", [*values, stage]
        if ordinals is not None:
            where, values = f"{where} and ordinal >= ? and ordinal < ?", [*values, ordinals.start, ordinals.stop]
        with closing(_look(self.path)) as db:
            for (row,) in db.execute(f"select row from rows where {where} order by stage, ordinal, place", values):
                yield load(row)

    async def forget_older(self) -> None:
        """Drops the entries of what is no longer among the inputs; its paid replies stay."""
        start = self.start
        await self._ask(lambda db: db.execute("delete from entries where start < ?", (start,)), write=True)

    async def manifest(self) -> dict[str, Any]:
        """What the run decided by at its first start; empty before that."""
        rows = await self._ask(lambda db: db.execute("select name, value from manifest").fetchall())
        return {name: load(value) for name, value in rows}

    async def write_manifest(self, values: Mapping[str, Any]) -> None:
        """Adds to the manifest; what is there already stays as it is."""
        rows = [(name, _bytes(value)) for name, value in values.items()]
        sql = "insert or ignore into manifest values (?, ?)"
        await self._ask(lambda db: db.executemany(sql, rows), write=True)

    async def started_with(self, facts: Iterable[ModelFacts], about: Mapping[str, Any]) -> tuple[ModelFacts, ...]:
        """The facts of these models that the run was started with. The first start writes them down, with what else is
        to be known `about` the run; a model that is new to it is added."""
        asked = tuple(facts)
        await self.write_manifest({**about, **{f"model:{one.name}": one.plain() for one in asked}})
        known = await self.manifest()
        return tuple(ModelFacts.from_plain(known[f"model:{one.name}"]) for one in asked)

    async def spent(self) -> tuple[Decimal, Decimal, Decimal]:
        """What all recorded calls took: US dollars, tokens, and how many they are."""
        count, usage, cost = await self.totals()
        return cost or Decimal(0), Decimal(usage.input + usage.output), Decimal(count)

    async def totals(self) -> tuple[int, Usage, Decimal | None]:
        """How many calls are recorded, their tokens, and what they cost in US dollars (None: some have no price)."""

        def work(db: sqlite3.Connection) -> tuple[int, Usage, Decimal | None]:
            count, unpriced, *tokens = db.execute(
                "select count(*), count(*) - count(cost), sum(input), sum(cached), sum(output) from calls"
            ).fetchone()
            costs = db.execute("select cost, count(*) from calls where cost is not null group by cost")
            cost = sum((Decimal(one) * times for one, times in costs), Decimal(0))
            return count, Usage(*(n or 0 for n in tokens)), None if unpriced else cost

        return await self._ask(work)

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


class _Marks:
    """The keys that may be recorded, in a ledger that had none: a byte for each, which a few keys may share. One that
    is not marked need not be looked for. Four megabytes do for a million keys, of which one in five is then looked for
    in vain. Event loops of several threads may mark at once."""

    def __init__(self) -> None:
        self._bytes = bytearray(2**22)

    def add(self, key: str) -> None:
        self._bytes[hash(key) % len(self._bytes)] = 1

    def __contains__(self, key: str) -> bool:
        return self._bytes[hash(key) % len(self._bytes)] == 1


def _hold(folder: Path) -> sqlite3.Connection:
    """A transaction that stays open holds the folder; the system lets go of it when the process ends, however it
    ends.
    """
    try:
        lock = sqlite3.connect(folder / "lock.sqlite", timeout=0.2, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise RunError(f"The run's folder cannot be used: {error}.", str(folder), "Name another with --run.") from None
    try:
        lock.execute("begin exclusive")
    except sqlite3.Error as error:
        lock.close()
        if getattr(error, "sqlite_errorname", "") not in ("SQLITE_BUSY", "SQLITE_LOCKED"):
            message = f"The run's folder cannot be used: {error}."
            raise RunError(message, str(folder), "Name another folder with --run.") from None
        raise RunError(
            "Another process is working on this run.",
            where=str(folder),
            fix="Wait for it, stop it, or name another folder with --run.",
        ) from None
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        version = db.execute("pragma user_version").fetchone()[0]
    except sqlite3.Error as error:
        db.close()
        message = f"This is not a ledger: {error}."
        raise RunError(message, where=str(path), fix="Name another folder with --run.") from None
    known = len(_MIGRATIONS)
    if version > known:
        db.close()
        message = f"A newer version of extract wrote this ledger (its layout is {version}, this version knows {known})."
        raise RunError(message, where=str(path), fix="Update extract.")
    for number, script in enumerate(_MIGRATIONS[version:], version + 1):
        db.executescript(f"begin; {script} pragma user_version = {number}; commit;")
    return db


def _look(path: Path) -> sqlite3.Connection:
    """A connection to read by. Whoever gives up reading half way may do so on another thread."""
    return sqlite3.connect(path, check_same_thread=False)


def paid_row(key: str, model: str, reply: Reply, cost: Decimal | None) -> tuple[Any, ...]:
    """The row of a paid reply to the call of this key."""
    usage, paid = reply.usage, None if cost is None else str(cost)
    return (key, model, _bytes(reply.plain()), paid, usage.input, usage.cached, usage.output)


def _bytes(value: Any) -> bytes:
    """JSON that any value and any text survives, halves of surrogate pairs among them."""
    try:
        return orjson.dumps(value, default=_number, option=_STRICTLY)
    except TypeError:
        return dump(value).encode("utf-8", "surrogatepass")


_STRICTLY = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def _number(value: Any) -> Any:
    """A Decimal as a number with all its digits; the slow encoder says what is no JSON, or carries what is left."""
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError


def _entering(entry: Entry, start: int) -> Work[Any]:
    """The change that records an entry, with its rows."""
    values = (
        entry.stage,
        entry.id,
        start,
        entry.ordinal,
        entry.source,
        entry.state,
        entry.fingerprint,
        _bytes(entry.reasons),
        entry.calls,
        None if entry.cost is None else str(entry.cost),
        None if entry.detail is None else _bytes(entry.detail),
    )
    rows = [
        (start, step, entry.stage, entry.ordinal, place, _bytes(row)) for place, (step, row) in enumerate(entry.rows)
    ]

    def work(db: sqlite3.Connection) -> None:
        db.execute(_ENTRY, values)
        if rows:
            db.executemany(_ROW, rows)

    return work


def _entry(row: tuple[Any, ...]) -> Entry:
    stage, id, _, ordinal, source, state, fingerprint, reasons, calls, cost, detail = row
    return Entry(
        id=id,
        ordinal=ordinal,
        source=source,
        state=state,
        fingerprint=fingerprint,
        reasons=tuple(load(reasons)),
        calls=calls,
        cost=None if cost is None else Decimal(cost),
        detail=None if detail is None else load(detail),
        stage=stage,
    )
