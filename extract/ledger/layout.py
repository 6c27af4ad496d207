"""The files of a run's ledger: their tables, how they are opened, and how a process holds the folder.

``ledger.sqlite`` is in WAL mode, so that others read while it is written. Its layout is brought up to date when it is
opened to be written. A second file, ``lock.sqlite``, is locked for as long as a process works on the run; the system
lets go of it when that ends, however it ends.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

from ..errors import RunError
from ..writer import remedy

__all__ = ["MIGRATIONS", "Synchronous", "hold", "is_held", "look", "look_in", "open_ledger"]

Synchronous = Literal["normal", "full"]
"""What a commit outlives: the process, or a loss of power as well (the disk is waited for)."""

MIGRATIONS = (
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
    # keys are kept as bytes, which takes half the room; see `packing`; what became of each start
    """
    alter table calls rename to calls_before;
    create table calls (
        key blob primary key, model text not null, reply blob, cost text,
        input integer not null, cached integer not null, output integer not null, taken integer not null
    );
    insert into calls select unhex(key), model, reply, cost, input, cached, output, 0 from calls_before;
    drop table calls_before;
    create table dictionaries (number integer primary key, kind text not null, content blob not null);
    alter table entries add column refused integer not null default 1;
    alter table starts add column ended text;
    alter table starts add column outcome text;
    """,
)


_NO_LEDGER = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR")
"""What SQLite says of a file that holds something else."""


def hold(folder: Path, *, wait: float = 0.2) -> sqlite3.Connection:
    """A transaction that stays open holds the folder; the system lets go of it when the process ends, however it
    ends.
    """
    try:
        lock = sqlite3.connect(folder / "lock.sqlite", timeout=wait, isolation_level=None, check_same_thread=False)
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


def is_held(folder: Path) -> bool:
    """Whether a process works on the run at this moment."""
    if not (folder / "lock.sqlite").is_file():
        return False
    try:
        hold(folder, wait=0).close()
    except RunError:
        return True
    return False


def open_ledger(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """A connection to write by, to a ledger of the layout of this version; whoever opens it holds the folder. Raises
    `RunError` for a file that is none, and for one of a newer version."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("pragma journal_mode = wal")
        db.execute(f"pragma synchronous = {synchronous}")
        version = _version(db, path)
        db.create_function("unhex", 1, bytes.fromhex, deterministic=True)
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            db.executescript(f"begin; {script} pragma user_version = {number}; commit;")
    except sqlite3.Error as error:
        db.close()
        none = getattr(error, "sqlite_errorname", "") in _NO_LEDGER
        message = f"This is not a ledger: {error}." if none else f"The ledger could not be written: {error}."
        fix = "Name another folder with --run." if none else remedy(error)
        raise RunError(message, str(path), fix, retryable=not none) from None
    except RunError:
        db.close()
        raise
    return db


def look(path: Path) -> sqlite3.Connection:
    """A connection to read by. Whoever gives up reading half way may do so on another thread."""
    return sqlite3.connect(path, check_same_thread=False)


def look_in(folder: Path) -> sqlite3.Connection:
    """A connection to read by, to the ledger of a run that this process does not work on. Raises `RunError` where there
    is none, or one of another layout."""
    path = folder / "ledger.sqlite"
    if not path.is_file():
        what = "This folder holds no run." if folder.is_dir() else "There is no such folder."
        raise RunError(what, str(folder), "`extract runs` lists the runs that there are.")
    db = look(path)
    try:
        db.execute("pragma query_only = on")
        version = _version(db, path)
    except sqlite3.Error as error:
        db.close()
        raise RunError(f"The ledger of this run cannot be read: {error}.", str(path)) from None
    except RunError:
        db.close()
        raise
    if version < len(MIGRATIONS):
        db.close()
        message = "An earlier version of extract wrote this ledger."
        raise RunError(message, str(path), "Start the run again with this version: that brings its record up to date.")
    return db


def _version(db: sqlite3.Connection, path: Path) -> int:
    version, known = int(db.execute("pragma user_version").fetchone()[0]), len(MIGRATIONS)
    if version > known:
        message = f"A newer version of extract wrote this ledger (its layout is {version}, this version knows {known})."
        raise RunError(message, where=str(path), fix="Update extract.")
    return version
