"""Answers that other runs paid for, in a folder that runs share; whoever wants that says so.

An answer is found by its call's key, the version of the prompt, and how the model is asked now: its mode and its
addresses. Only answers that ended by themselves are kept. The file has a greatest size and its answers a greatest age;
what was not used for longest goes first. It may be deleted at any time, and several processes may use it at once; what
goes wrong with it costs nobody a run: it is told as `failure`, and the cache is done without from there on.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..call import Reply
from ..errors import RunError
from ..jsontext import digest, encoded, load
from ..prompt import VERSION
from .forms import key_of
from .packing import Packer

__all__ = ["Asked", "Cache", "Lookup"]

_LAYOUT = """
create table if not exists answers (
    key blob not null, prompt text not null, mode text not null, asked text not null, model text not null,
    made real not null, used real not null, size integer not null, reply blob not null,
    primary key (key, prompt, mode, asked)
);
create index if not exists answers_by_use on answers (used);
"""
_FIND = "select mode, asked, model, made, reply from answers where key = ? and prompt = ?"
_KEEP = "insert or replace into answers values (?, ?, ?, ?, ?, ?, ?, ?, ?)"

_TOGETHER = 32
"""So many answers are written in one transaction: as many may be lost to other runs when a process is killed."""

_WAIT = 10.0
"""Seconds to wait for another process that writes."""

_ROW = 200
"""Bytes that an answer takes beside its text, about."""

Asked = Callable[[str], tuple[str, str]]
"""How a model is asked now, by its name: the mode, and its addresses."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache in a `folder`: at most `size` bytes, and answers that are at most `age` seconds old."""

    folder: Path
    size: int = 1_000_000_000
    age: float = 30 * 86_400.0

    def __post_init__(self) -> None:
        if self.size <= 0 or self.age <= 0:
            raise RunError("The size and the age of a cache are greater than 0.", str(self.folder))


class Lookup:
    """A cache in use by one run. `failure` says why it is done without."""

    def __init__(self, cache: Cache, asked: Asked):
        self.failure: str | None = None
        self._cache, self._asked, self._packer = cache, asked, Packer()
        self._kept: list[tuple[Any, ...]] = []
        self._used: list[tuple[float, bytes]] = []
        self._lock = threading.Lock()
        path = cache.folder / "answers.sqlite"
        try:
            cache.folder.mkdir(parents=True, exist_ok=True)
            self._read, self._write = _opened(path), _opened(path)
            self._write.executescript(_LAYOUT)
        except (OSError, sqlite3.Error) as error:
            fix = "Name another folder, or do without a cache."
            raise RunError(f"The cache cannot be opened: {error}.", str(path), fix) from None
        self._thread = ThreadPoolExecutor(1, "extract-cache")

    def reply(self, key: str) -> tuple[str, Reply] | None:
        """The answer to a call and the name of its model, if there is one that is young enough."""
        kept, now = key_of(key), time.time()
        with self._lock:
            if self.failure is not None:
                return None
            try:
                rows = self._read.execute(_FIND, (kept, VERSION)).fetchall()
            except sqlite3.Error as error:
                self._failed(error)
                return None
        for mode, asked, model, made, reply in rows:
            if self._asks(model) == (mode, asked) and now - made <= self._cache.age:
                self._later(self._used, (now, kept))
                return model, Reply.from_plain(load(self._packer.unpack(reply)))
        return None

    def keep(self, key: str, model: str, reply: Reply) -> None:
        """Keeps an answer for other runs, if it ended by itself."""
        if reply.text is None or reply.finish != "stop":
            return
        (packed,), _ = self._packer.pack("reply", [encoded(reply.plain())])
        now, asked = time.time(), self._asks(model)[1]
        values = (key_of(key), VERSION, reply.mode, asked, model, now, now, len(packed) + _ROW, packed)
        self._later(self._kept, values)

    def close(self) -> None:
        """Writes what is left, and lets go of what is too old or too much."""
        self._thread.submit(self._save)
        self._thread.submit(self._trim)
        self._thread.shutdown(wait=True)
        self._read.close()
        self._write.close()

    def _asks(self, model: str) -> tuple[str, str]:
        mode, addresses = self._asked(model)
        return mode, digest(addresses.encode())[:16]

    def _later(self, waiting: list[Any], item: Any) -> None:
        with self._lock:
            waiting.append(item)
            full = len(waiting) == _TOGETHER
        if full:
            self._thread.submit(self._save)

    def _save(self) -> None:
        """On the thread: writes what has come in."""
        with self._lock:
            kept, used = self._kept[:], self._used[:]
            self._kept.clear()
            self._used.clear()
        try:
            self._write.execute("begin immediate")
            self._write.executemany(_KEEP, kept)
            self._write.executemany("update answers set used = ? where key = ?", used)
            self._write.execute("commit")
        except sqlite3.Error as error:
            self._failed(error)

    def _trim(self) -> None:
        """On the thread: drops what is too old, then what was not used for longest, until the rest fits."""
        db = self._write
        try:
            db.execute("begin immediate")
            db.execute("delete from answers where made < ?", (time.time() - self._cache.age,))
            over = db.execute("select coalesce(sum(size), 0) from answers").fetchone()[0] - self._cache.size
            for key, size in db.execute("select key, size from answers order by used").fetchall() if over > 0 else ():
                if over <= 0:
                    break
                db.execute("delete from answers where key = ?", (key,))
                over -= size
            db.execute("commit")
            db.execute("pragma wal_checkpoint(truncate)")
            if db.execute("pragma freelist_count").fetchone()[0] * 2 > db.execute("pragma page_count").fetchone()[0]:
                db.execute("vacuum")
        except sqlite3.Error as error:
            self._failed(error)

    def _failed(self, error: sqlite3.Error) -> None:
        if self._write.in_transaction:
            self._write.rollback()
        self.failure = self.failure or f"The cache in {self._cache.folder} is done without: {error}."


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = normal")
    return db
