"""Reads texts inside a program that is asynchronous already, such as a web service.

python examples/in_a_service.py
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Literal

from pydantic import BaseModel, Field

from extract import extract

TICKETS = [
    "Ticket No: 4711\nOpened: 2018-03-02\nPriority: high\nE-mail: dana@example.org\nThe printer on floor 3 is on fire.",
    "Ticket No: 4712\nOpened: 2018-03-05\nPriority: low\nE-mail: otto@example.org\nPlease order more paper.",
]


class Ticket(BaseModel):
    number: int = Field(description='The number behind "Ticket No"')
    opened: datetime.date
    priority: Literal["low", "normal", "high"] = "normal"
    email: str | None = None


@extract(model="rules")
async def read_ticket(text: str) -> Ticket:
    """Read the head of the ticket."""
    raise NotImplementedError


async def main() -> None:
    for ticket in await asyncio.gather(*(read_ticket(text) for text in TICKETS)):
        print(f"{ticket.number} of {ticket.opened}: {ticket.priority}, answer to {ticket.email}")


if __name__ == "__main__":
    asyncio.run(main())
