"""Rows that wait on disk until all of them are known: what columns they need, and which of them stand for the same.

The spool is an SQLite file of its own, gone when it is closed. Each row lies there as exact JSON, with an identity
where the output needs one; rows come out in the order they came in, all of them or the last of each identity.
"""

from __future__ import annotations

import errno
import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from ..tables import QueryError, Row, Seen, exact_line

__all__ = ["Spool"]

_BLOCK, _BYTES = 500, 4_000_000
"""How many rows, or bytes of them, wait in memory for the next transaction of the spool."""


class Spool:
    """Rows on disk. `seen` has what each column held, by name, in the order of their coming; `count` how many rows."""

    def __init__(self, columns: Sequence[str] = ()):
        self.seen: dict[str, Seen] = {name: Seen() for name in columns}
        self.count = 0
        self._waiting: list[tuple[bytes | None, bytes]] = []
        self._bytes = 0
        self._folder = tempfile.TemporaryDirectory(prefix="extract-", ignore_cleanup_errors=True)
        self._file = sqlite3.connect(f"{self._folder.name}/rows", isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode = off", "synchronous = off", "cache_size = -8000", "temp_store = file"):
            self._file.execute(f"pragma {setting}")
        with _on_disk():
            self._file.execute("create table rows (n integer primary key, identity blob, line blob)")

    def add(self, row: Row, identity: bytes | None = None) -> None:
        """Takes a row; rows of one `identity` stand for the same. Raises QueryError for what is no JSON value, and
        OSError where the disk does not take it."""
        try:
            for name, value in row.items():
                if name not in self.seen:
                    self.seen[name] = Seen()
                self.seen[name].take(value)
        except TypeError as error:
            raise QueryError(f"The field `{name}`: {error}") from None
        line = exact_line(row)
        self._waiting.append((identity, line))
        self._bytes += len(line)
        self.count += 1
        if len(self._waiting) >= _BLOCK or self._bytes >= _BYTES:
            self._keep()

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows."""
        self._keep()
        for (line,) in self._file.execute("select line from rows order by n"):
            yield _row(line)

    def counted(self) -> Iterator[tuple[bytes, int, dict[str, Any]]]:
        """All rows, each with its identity and with which of the rows of that identity it is, from 1."""
        self._keep()
        which = "row_number() over (partition by identity order by n)"
        for identity, nth, line in self._file.execute(f"select identity, {which}, line from rows order by n"):
            yield identity, nth, _row(line)

    def last(self) -> Iterator[dict[str, Any]]:
        """Of each identity the row that came last."""
        self._keep()
        chosen = "select max(n) from rows group by identity"
        for (line,) in self._file.execute(f"select line from rows where n in ({chosen}) order by n"):
            yield _row(line)

    def close(self) -> None:
        self._file.close()
        self._folder.cleanup()

    def _keep(self) -> None:
        if self._waiting:
            with _on_disk():
                self._file.execute("begin")
                self._file.executemany("insert into rows (identity, line) values (?, ?)", self._waiting)
                self._file.execute("commit")
            self._waiting.clear()
            self._bytes = 0


@contextmanager
def _on_disk() -> Iterator[None]:
    """What the disk does not take is said as of any other file, with the folder that needs room."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(errno.ENOSPC, f"rows cannot wait in {tempfile.gettempdir()}: {error}") from None


def _row(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line.decode("utf-8", "surrogatepass"), parse_float=Decimal)
    return row
