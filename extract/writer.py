"""Who changes a SQLite file: the event loop itself, or a thread where that could hold it up.

A small change takes less time than waking a thread and being woken by it. So what comes in during one turn of an event
loop is committed at its end, together and on the spot: in WAL mode that does not wait for the disk. Changes that come
so close together that a turn has several wait a millisecond for more, and those for which nobody waits a little
longer. The thread does what may take time: work of any size (`ask`), now and then a change like all others, whose
commit also moves the log into the file, and everything while another process holds the file or the disk is slow. It
does no more than that: two threads that ask for the interpreter again and again, as each call of SQLite does, hold each
other up. An event loop's changes are made in the order in which they came (those of one kind that are committed
together in a row, those for which nobody waits perhaps after others), and nobody is told of one before it is committed.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .errors import RunError

__all__ = ["Changes", "Work", "Writer", "remedy"]

T = TypeVar("T")
A = TypeVar("A")

Work = Callable[[sqlite3.Connection], T]
"""Something that is done in a transaction, and may be done again if that could not be committed."""

Changes = Callable[[sqlite3.Connection, list[A]], Any]
"""The same for several small changes of one kind, given what each of them is about: one statement makes them all."""

_OFTEN = 8_000
"""After so many changes one goes to the thread."""

_TOGETHER, _LATER = 0.001, 0.2
"""Seconds that changes wait for others: those that come close together, and those for which nobody waits. Whoever waits
holds a place on the wire: with ten times as much, answers came in one by one, and each turn of the loop that takes one
costs more than its commit."""

_CLOSE = 0.05
"""Seconds for which changes are taken to come close together after several came in one turn of the loop."""

_MANY = 64
"""So many of the latter do not wait any longer: the loop is held up by them for two milliseconds."""

_SLOW, _SHARE = 0.05, 20
"""Seconds from which a commit is too slow for an event loop, and how many times as long none is made there again. Other
threads of a busy process may hold it up for a few milliseconds, and that says nothing of the disk."""

_CACHE_KIB = 16_000
"""What may be kept of the file in memory: a ledger looks up keys from all over it."""


class Writer:
    """Makes changes to one file, which is there and in WAL mode; `connection` is the thread's, and closed with it. With
    `synchronous` ``full`` a commit waits for the disk."""

    def __init__(self, path: Path, connection: sqlite3.Connection, synchronous: str = "normal"):
        self._path, self._connection = path, connection
        self._here = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        for pragma in (f"synchronous = {synchronous}", "wal_autocheckpoint = 0", f"cache_size = -{_CACHE_KIB}"):
            self._here.execute(f"pragma {pragma}")
        self._turn = threading.Lock()  # event loops of several threads may share it
        self._since, self._not_before = 0, 0.0
        self._waiting: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        self._patient: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        self._close_until = 0.0
        self._handed: dict[asyncio.AbstractEventLoop, int] = {}
        self._closed = False
        self._lost: BaseException | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="extract-ledger", daemon=True)
        self._thread.start()

    async def read(self, work: Work[T]) -> T:
        """What a short look at the file finds, on the spot."""
        self._check_open()
        try:
            with self._turn:
                return work(self._here)
        except sqlite3.Error:  # it is held, or broken: the thread can wait for it, and says what is wrong
            return await self.ask(work)

    def soon(self, changes: Changes[A], about: A) -> asyncio.Future[None]:
        """Makes a small change at the end of this turn of the event loop. The future is done when it is committed; the
        change is made even if that is cancelled."""
        self._check_open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        waiting = self._waiting.setdefault(loop, [])
        waiting.append(_Change(changes, about, loop, future))
        if len(waiting) == 1:
            if loop.time() < self._close_until:
                loop.call_later(_TOGETHER, self._turn_ends, loop)
            else:
                loop.call_soon(self._turn_ends, loop)
        return future

    def later(self, changes: Changes[A], about: A) -> None:
        """Makes a small change at the end of a later turn of the event loop. Nobody waits for it; that it could not be
        made is raised by `idle`."""
        self._check_open()
        loop = asyncio.get_running_loop()
        waiting = self._patient.setdefault(loop, [])
        waiting.append(_Change(changes, about, loop, None))
        if len(waiting) == 1:
            loop.call_later(_LATER, self._later_has_come, loop)
        elif len(waiting) == _MANY:
            loop.call_soon(self._later_has_come, loop)

    async def ask(self, work: Work[T], *, write: bool = False) -> T:
        """What the thread finds or changes, after all that came before."""
        self._check_open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._hand_over(loop, [*self._come_in(loop), _Asked(work, loop, future, write)])
        return await future

    async def idle(self) -> None:
        """Waits until every change that came in from this event loop is committed, whoever waits for it; raises why one
        for which nobody waited could not be made."""
        loop = asyncio.get_running_loop()
        self._commit(loop, self._come_in(loop))
        try:
            if self._handed.get(loop):
                await self.ask(lambda db: None)
        finally:
            lost, self._lost = self._lost, None  # it is told once, and not after something worse either
        if lost is not None:
            raise lost

    def close(self) -> None:
        """Commits what has come in, and closes the file."""
        self._closed = True
        for loop in {**self._waiting, **self._patient}:
            for job in self._come_in(loop):
                self._jobs.put(job)
        self._jobs.put(None)
        self._thread.join()
        while not self._jobs.empty():
            if (late := self._jobs.get()) is not None:
                self._tell([(late, None, _closed(self._path))])
        self._here.close()
        self._connection.close()

    # ---- on the spot

    def _turn_ends(self, loop: asyncio.AbstractEventLoop) -> None:
        jobs = self._waiting.pop(loop, [])
        if len(jobs) > 1:
            self._close_until = loop.time() + _CLOSE
        self._commit(loop, jobs)

    def _later_has_come(self, loop: asyncio.AbstractEventLoop) -> None:
        self._commit(loop, self._patient.pop(loop, []))

    def _come_in(self, loop: asyncio.AbstractEventLoop) -> list[_Job]:
        return [*self._waiting.pop(loop, ()), *self._patient.pop(loop, ())]

    def _commit(self, loop: asyncio.AbstractEventLoop, jobs: list[_Job]) -> None:
        """Commits these, here or by the thread: there as well while something else is on its way through it, so that
        the order is kept, and the log, to which nobody adds meanwhile, can be moved into the file."""
        if not jobs:
            return
        self._since += len(jobs)
        here = not self._handed.get(loop) and self._since < _OFTEN and time.monotonic() >= self._not_before
        if here and (done := self._committed(jobs)) is not None:
            self._settle(done)
        else:
            self._since = 0
            self._hand_over(loop, jobs)

    def _committed(self, jobs: list[_Job]) -> list[_Result] | None:
        """What came of these, if they could be committed at once. The thread tries again where not, and says what is
        wrong."""
        began, db = time.monotonic(), self._here
        with self._turn:
            try:
                db.execute("begin immediate")
                done = _done(db, jobs)
                db.execute("commit")
            except Exception:  # noqa: BLE001  whatever it is, it is told by the thread
                if db.in_transaction:
                    with suppress(sqlite3.Error):
                        db.execute("rollback")
                return None
        if (took := time.monotonic() - began) > _SLOW:
            self._not_before = began + _SHARE * took
        return done

    # ---- the thread

    def _hand_over(self, loop: asyncio.AbstractEventLoop, jobs: list[_Job]) -> None:
        self._handed[loop] = self._handed.get(loop, 0) + len(jobs)
        for job in jobs:
            self._jobs.put(job)

    def _serve(self) -> None:
        """The thread: takes all that has come in, does it in one transaction, commits, and only then says so."""
        while (job := self._jobs.get()) is not None:
            batch: list[_Job | None] = [job]
            while not self._jobs.empty() and len(batch) < 1000:
                batch.append(self._jobs.get())
            self._work([one for one in batch if one is not None])
            if None in batch:
                return

    def _work(self, jobs: list[_Job]) -> None:
        db, results = self._connection, list[_Result]()
        try:
            if any(job.write for job in jobs):
                db.execute("begin immediate")
            results = _done(db, jobs)
            if db.in_transaction:
                db.execute("commit")
        except BaseException as error:  # noqa: BLE001  whoever waits for a job must hear of it, whatever it was
            if db.in_transaction:
                with suppress(sqlite3.Error):  # a disk that is full may refuse this as well; the next begin tells
                    db.execute("rollback")
            said = _said(error, self._path)
            self._tell([(job, None, said) for job in jobs])
            return
        self._tell(results)

    def _tell(self, done: list[_Result]) -> None:
        """Tells whoever waits what came of the jobs: each event loop once for all of its own, since waking it takes
        longer than all else."""
        by_loop: dict[asyncio.AbstractEventLoop, list[_Result]] = {}
        for one in done:
            by_loop.setdefault(one[0].loop, []).append(one)
        for loop, its in by_loop.items():
            with suppress(RuntimeError):  # the loop has ended, and nobody waits there any more
                loop.call_soon_threadsafe(self._came_back, loop, its)

    def _came_back(self, loop: asyncio.AbstractEventLoop, done: list[_Result]) -> None:
        left = self._handed.pop(loop, 0) - len(done)
        if left > 0:
            self._handed[loop] = left
        self._settle(done)

    def _settle(self, done: list[_Result]) -> None:
        for job, result, error in done:
            if job.future is None:
                self._lost = self._lost or error
            elif job.future.done():
                continue  # whoever waited was cancelled
            elif error is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(error)

    def _check_open(self) -> None:
        if self._closed:
            raise _closed(self._path)


class _Asked(NamedTuple):
    """Something that the thread does; whoever asks waits for what comes of it."""

    work: Work[Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    write: bool


class _Change(NamedTuple):
    """A small change; perhaps somebody waits for it."""

    changes: Changes[Any]
    about: Any
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None] | None
    write: bool = True


_Job = _Asked | _Change
_Result = tuple[_Job, Any, BaseException | None]


def _done(db: sqlite3.Connection, jobs: list[_Job]) -> list[_Result]:
    """Does the jobs: changes of one kind together, and each before what is asked after it came."""
    results, changes = list[_Result](), dict[Changes[Any], list[Any]]()

    def change() -> None:
        for make, about in changes.items():
            make(db, about)
        changes.clear()

    for job in jobs:
        if isinstance(job, _Change):
            changes.setdefault(job.changes, []).append(job.about)
            results.append((job, None, None))
        else:
            change()
            results.append((job, job.work(db), None))
    change()
    return results


def _closed(path: Path) -> RunError:
    return RunError("The run's ledger is closed: what came after its end is not recorded.", str(path))


def remedy(error: sqlite3.Error) -> str:
    """What is to be done about a file that could not be written."""
    if getattr(error, "sqlite_errorname", "") in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return "Another program writes to it: wait for it, and start the same run again."
    return "Make room and start the same run again."


def _said(error: BaseException, path: Path) -> BaseException:
    if isinstance(error, sqlite3.OperationalError):
        message = f"The ledger could not be written: {error}."
        return RunError(message, str(path), remedy(error), retryable=True)
    return error
