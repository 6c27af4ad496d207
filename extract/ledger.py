"""The durable record of a run: what was asked and paid for, what became of each document, and what the run decided by.

A reply is recorded before it is used, under its call's key; a run that was killed asks again and is answered from here.
`Memory` serves a plain call. `RunLedger` is a SQLite file in the run's folder: it is written by one thread, which
commits whatever has come in since the last commit in one transaction (in WAL mode, so that others can read meanwhile),
and it holds the folder against a second process for as long as it is open. What is recorded outlives the process; a
power cut may take the last moments, which are then paid for again.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
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

__all__ = ["PAID", "Entry", "Ledger", "Memory", "RunLedger", "State", "paid_row"]

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
        several = [one for one in extractions if one is not None]
        if not several:
            return replace(self, detail=detail or None)
        usage = sum((one.usage for one in several), Usage())
        detail = {
            "partial": next((one.partial for one in several if not one.ok), None),
            "attempts": [[a.model, a.number, a.outcome, a.cost] for one in several for a in one.attempts],
            "tokens": [usage.input, usage.cached, usage.output],
            "waived": [[p.pointer, p.kind, p.message] for one in several for p in one.waived],
            "events": [[e.rule, e.pointer, e.before, e.after] for one in several for e in one.events],
            **detail,
        }
        costs = [one.cost for one in several]
        cost = None if None in costs else sum((one for one in costs if one is not None), Decimal(0))
        return replace(self, calls=len(detail["attempts"]), cost=cost, detail=detail)


class Ledger(Protocol):
    """Where paid replies are kept. One that is not `lasting` takes no time to record."""

    lasting: bool

    async def reply(self, key: str) -> Reply | None:
        """What was recorded for a call, if anything."""
        ...

    async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        """Records a paid reply; it is safe when this returns."""
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
"""Records a paid reply, as `paid_row` writes it; the first one to a call stays."""


class RunLedger:
    """The ledger of a run's folder. Raises `RunError` where the folder is held by another process or written by a newer
    version. Close it when the run ends."""

    lasting = True

    def __init__(self, folder: Path):
        self.path = folder / "ledger.sqlite"
        self._pid = os.getpid()
        self._closed = False
        self._entering: set[asyncio.Future[None]] = set()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"The run's folder cannot be made: {error.strerror}."
            raise RunError(message, str(folder), "Name another folder with --run.") from None
        self._held = _hold(folder)
        try:
            self._connection = _connect(self.path)
        except RunError:
            self._held.close()
            raise
        self._reading = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.start: int = self._reading.execute("select coalesce(max(number), 0) from starts").fetchone()[0]
        self._thread = threading.Thread(target=self._serve, name="extract-ledger", daemon=True)
        self._thread.start()

    async def reply(self, key: str) -> Reply | None:
        """Read on the spot, over a connection of its own: to look a key up takes less time than to ask a thread. What
        is recorded is committed, and so seen."""
        if self._closed:
            raise _closed(self.path)
        try:
            row = self._reading.execute("select reply from calls where key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise _said(error, self.path) from None
        return None if row is None else Reply.from_plain(load(row[0]))

    async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        values = paid_row(call.key, call.model, reply, cost)
        await self._ask(lambda db: db.execute(PAID, values), write=True)

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
        values = (
            entry.stage,
            entry.id,
            self.start,
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
            (self.start, step, entry.stage, entry.ordinal, place, _bytes(row))
            for place, (step, row) in enumerate(entry.rows)
        ]

        def work(db: sqlite3.Connection) -> None:
            db.execute("insert or replace into entries values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            db.executemany("insert or replace into rows values (?, ?, ?, ?, ?, ?)", rows)

        await self._ask(work, write=True)

    def known(self, stage: int, id: str) -> tuple[int, Entry] | None:
        """What an earlier start recorded of a document, with the number of that start; read on the spot."""
        columns = "select * from entries where stage = ? and id = ? and start < ?"
        row = self._reading.execute(columns, (stage, id, self.start)).fetchone()
        return None if row is None else (int(row[2]), _entry(row))

    async def enter_soon(self, entry: Entry) -> None:
        """Records an entry while the caller goes on, so that many are committed at once; waits where too many are on
        their way, and raises what became of an earlier one."""
        self._entering.add(asyncio.ensure_future(self.enter(entry)))
        if len(self._entering) >= _ENTERING:
            done, self._entering = await asyncio.wait(self._entering, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.gather(*done)

    async def entered(self) -> None:
        """Waits until all of those are recorded."""
        entering, self._entering = self._entering, set()
        await asyncio.gather(*entering)

    def entries(self) -> Iterator[Entry]:
        """All documents in the order of the inputs, then the rows that later stages began with; read through a
        connection of its own. What rows they gave is read by `rows`."""
        with closing(sqlite3.connect(self.path)) as db:
            for row in db.execute("select * from entries order by stage, ordinal, id"):
                yield _entry(row)

    def rows(self, *steps: int, stage: int | None = None, ordinals: range | None = None) -> Iterator[dict[str, Any]]:
        """The rows that these steps gave in the last start, in the order of the inputs; of one stage only, or of some
        of its inputs. Read through a connection of its own."""
        where = f"start = ? and step in ({', '.join('?' * len(steps))})"
        values: list[Any] = [self.start, *steps]
        if stage is not None:
            where, values = f"{where} and stage = ?", [*values, stage]
        if ordinals is not None:
            where, values = f"{where} and ordinal >= ? and ordinal < ?", [*values, ordinals.start, ordinals.stop]
        with closing(sqlite3.connect(self.path)) as db:
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
        self._closed = True
        self._jobs.put(None)
        self._thread.join()
        while not self._jobs.empty():
            if (late := self._jobs.get()) is not None:
                _tell([(late, None, _closed(self.path))])
        self._reading.close()
        self._connection.close()
        self._held.close()

    async def change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What a change of the file gives, made in a transaction of the writer; it is committed when this returns."""
        return await self._ask(work, write=True)

    async def _ask(self, work: Callable[[sqlite3.Connection], T], *, write: bool = False) -> T:
        if self._closed:
            raise _closed(self.path)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(work, loop, future, write))
        return await future

    def _serve(self) -> None:
        """The writer: takes all that has come in, does it in one transaction, commits, and only then says so."""
        while (job := self._jobs.get()) is not None:
            batch: list[_Job | None] = [job]
            while not self._jobs.empty() and len(batch) < 1000:
                batch.append(self._jobs.get())
            jobs = [one for one in batch if one is not None]
            self._work(jobs)
            if None in batch:
                return

    def _work(self, jobs: list[_Job]) -> None:
        results: list[tuple[_Job, Any]] = []
        try:
            if any(job.write for job in jobs):
                self._connection.execute("begin immediate")
            results = [(job, job.work(self._connection)) for job in jobs]
            if self._connection.in_transaction:
                self._connection.execute("commit")
        except BaseException as error:  # noqa: BLE001  whoever waits for a job must hear of it, whatever it was
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):  # a disk that is full may refuse this as well; the next begin tells
                    self._connection.execute("rollback")
            said = _said(error, self.path)
            _tell([(job, None, said) for job in jobs])
            return
        _tell([(job, result, None) for job, result in results])


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    write: bool


_Done = tuple[_Job, Any, BaseException | None]


def _tell(done: list[_Done]) -> None:
    """Tells whoever waits what came of the jobs: each event loop once for all of its own, since waking it takes longer
    than all else."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Done]] = {}
    for one in done:
        by_loop.setdefault(one[0].loop, []).append(one)
    for loop, its in by_loop.items():
        with suppress(RuntimeError):  # the loop has ended, and nobody waits there any more
            loop.call_soon_threadsafe(_settle, its)


def _settle(done: list[_Done]) -> None:
    for job, result, error in done:
        if job.future.done():
            continue  # whoever waited was cancelled
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)


def _closed(path: Path) -> RunError:
    return RunError("The run's ledger is closed: what came after its end is not recorded.", str(path))


def _said(error: BaseException, path: Path) -> BaseException:
    if isinstance(error, sqlite3.OperationalError):
        message = f"The ledger could not be written: {error}."
        return RunError(message, str(path), "Make room and start the same run again.")
    return error


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
