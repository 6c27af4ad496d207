"""Where paid replies are kept: what every ledger promises, and those of plain calls, which end with them."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from ..call import Call, Reply

__all__ = ["Ledger", "Memory", "Nothing"]


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


class Nothing:
    """Keeps nothing: one document asks no call twice."""

    lasting = False

    async def reply(self, key: str) -> Reply | None:
        return None

    async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        """It is not asked for again."""

    async def recorded(self) -> None:
        """There is nothing to wait for."""


class Memory:
    """Keeps the replies of several documents, which may ask the same."""

    lasting = False

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}

    async def reply(self, key: str) -> Reply | None:
        return self.replies.get(key)

    async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        self.replies[call.key] = reply

    async def recorded(self) -> None:
        """It is there at once."""
