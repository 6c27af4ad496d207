"""How values stand in a ledger's tables: JSON that no digit and no character is lost of, packed where it is long."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from ..call import Reply
from ..jsontext import dump, load
from .entries import Entry
from .packing import Body, Dictionary, Packer

__all__ = ["ENTRY", "PAID", "ROW", "Forms", "as_kept", "encoded", "key_of"]

PAID = "insert or ignore into calls values (?, ?, ?, ?, ?, ?, ?, ?)"
"""Records a reply, as `Forms.paid` writes it; the first one to a call stays."""

ENTRY = "insert or replace into entries values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ROW = "insert or replace into rows values (?, ?, ?, ?, ?, ?)"

_STRICTLY = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


class Forms:
    """Values of one ledger on their way into its tables and back. `made` are dictionaries that are to be written."""

    def __init__(self, packer: Packer):
        self.packer = packer
        self.made: deque[Dictionary] = deque()

    def paid(self, key: str, model: str, reply: Reply, cost: Decimal | None, taken: bool = False) -> tuple[Any, ...]:
        """The row of a reply to the call of this key, which was paid for or `taken` from a cache."""
        usage, paid = reply.usage, None if cost is None else str(cost)
        body = self._in("reply", reply.plain())
        return (key_of(key), model, body, paid, usage.input, usage.cached, usage.output, taken)

    def reply(self, kept: bytes) -> Reply:
        return Reply.from_plain(load(self.packer.unpack(kept)))

    def entered(self, entry: Entry, start: int) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
        """The row of an entry, and those of the rows that it gave."""
        values = (
            entry.stage,
            entry.id,
            start,
            entry.ordinal,
            entry.source,
            entry.state,
            entry.fingerprint,
            encoded(entry.reasons),
            entry.calls,
            None if entry.cost is None else str(entry.cost),
            None if entry.detail is None else self._in("detail", entry.detail),
            entry.refused,
        )
        about = (entry.stage, entry.ordinal)
        rows = [(start, step, *about, place, self._in("row", row)) for place, (step, row) in enumerate(entry.rows)]
        return values, rows

    def entry(self, row: tuple[Any, ...]) -> Entry:
        """An entry without its rows, which have a table of their own."""
        stage, id, _, ordinal, source, state, fingerprint, reasons, calls, cost, detail, _ = row
        return Entry(
            id=id,
            ordinal=ordinal,
            source=source,
            state=state,
            fingerprint=fingerprint,
            reasons=tuple(load(reasons)),
            calls=calls,
            cost=None if cost is None else Decimal(cost),
            detail=None if detail is None else load(self.packer.unpack(detail)),
            stage=stage,
        )

    def row(self, kept: bytes) -> dict[str, Any]:
        found: dict[str, Any] = load(self.packer.unpack(kept))
        return found

    def _in(self, body: Body, value: Mapping[str, Any]) -> bytes:
        packed, new = self.packer.pack(body, encoded(value))
        if new is not None:
            self.made.append(new)
        return packed


def as_kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it comes out of a ledger: of the same values, each in the form that JSON gives it."""
    made: dict[str, Any] = load(encoded(row))
    return made


def key_of(key: str) -> bytes:
    """The key of a call as it stands in a table."""
    return bytes.fromhex(key)


def encoded(value: Any) -> bytes:
    """JSON that any value and any text survives, halves of surrogate pairs among them."""
    try:
        return orjson.dumps(value, default=_number, option=_STRICTLY)
    except TypeError:
        return dump(value).encode("utf-8", "surrogatepass")


def _number(value: Any) -> Any:
    """A Decimal as a number with all its digits; the slow encoder says what is no JSON, or carries what is left."""
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError
