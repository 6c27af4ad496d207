"""How values stand in a ledger's tables: JSON that no digit and no character is lost of, packed where it is long."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..call import Reply
from ..jsontext import encoded, load
from .entries import Entry
from .packing import Body, Dictionary, Packer

__all__ = ["ENTRY", "PAID", "ROW", "Forms", "Paid", "key_of"]

PAID = "insert or ignore into calls values (?, ?, ?, ?, ?, ?, ?, ?)"
"""Records a reply, as `Forms.paid` writes it; the first one to a call stays."""

Paid = tuple[bytes, str, Reply, Decimal | None, bool]
"""A reply: the key of its call, as it stands in a table, and the model; what it cost, and whether it was taken from a
cache."""

ENTRY = "insert or replace into entries values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ROW = "insert or replace into rows values (?, ?, ?, ?, ?, ?)"


class Forms:
    """Values of one ledger on their way into its tables and back. `made` are dictionaries that are to be written."""

    def __init__(self, packer: Packer):
        self.packer = packer
        self.made: deque[Dictionary] = deque()

    def paid(self, several: Sequence[Paid]) -> list[tuple[Any, ...]]:
        """The rows of replies."""
        bodies = self._in("reply", [reply.plain() for _, _, reply, _, _ in several])
        return [
            (
                key,
                model,
                body,
                None if cost is None else str(cost),
                reply.usage.input,
                reply.usage.cached,
                reply.usage.output,
                taken,
            )
            for (key, model, reply, cost, taken), body in zip(several, bodies, strict=True)
        ]

    def reply(self, kept: bytes) -> Reply:
        return Reply.from_plain(load(self.packer.unpack(kept)))

    def entered(self, entries: Sequence[Entry], start: int) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The rows of entries, and those of the rows that they gave."""
        details = iter(self._in("detail", [one.detail for one in entries if one.detail is not None]))
        values = [
            (
                one.stage,
                one.id,
                start,
                one.ordinal,
                one.source,
                one.state,
                one.fingerprint,
                encoded(one.reasons),
                one.calls,
                None if one.cost is None else str(one.cost),
                None if one.detail is None else next(details),
                one.refused,
            )
            for one in entries
        ]
        given = [(one, place, *step_row) for one in entries for place, step_row in enumerate(one.rows)]
        bodies = self._in("row", [row for *_, row in given])
        rows = [
            (start, step, one.stage, one.ordinal, place, body)
            for (one, place, step, _), body in zip(given, bodies, strict=True)
        ]
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

    def _in(self, body: Body, values: Sequence[Mapping[str, Any]]) -> list[bytes]:
        packed, new = self.packer.pack(body, [encoded(value) for value in values])
        if new is not None:
            self.made.append(new)
        return packed


def key_of(key: str) -> bytes:
    """The key of a call as it stands in a table."""
    return bytes.fromhex(key)
