"""Ours in the benchmark of speed: the decorated function, its `detail`, and its `batch` with the ledger of a run.

The batch is timed whole, with the making, the entries and the closing of its ledger, in a new folder for each turn.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from speed_invoice import Invoice
from speed_turns import Turn, one_by_one, serve
from speed_work import MODEL

from extract import extract
from extract.function import outcome_of
from extract.limits import Limits


@cache
def reader(in_flight: int) -> Any:
    """The function with this limit; it is decorated once, as in a program."""

    @extract(model=f"openai/{MODEL}", limits=Limits(in_flight=in_flight))
    async def read_invoice(document) -> Invoice:
        """Read the invoice. Amounts are in the currency printed on it."""
        raise NotImplementedError

    return read_invoice


async def called(documents: Iterator[str], in_flight: int) -> tuple[Any, list[float]]:
    return await one_by_one(reader(in_flight))(documents, in_flight)


async def detailed(documents: Iterator[str], in_flight: int) -> tuple[Any, list[float]]:
    read = reader(in_flight)

    async def one(text: str) -> Invoice:
        return outcome_of(await read.detail(text))

    return await one_by_one(one)(documents, in_flight)


async def in_a_batch(documents: Iterator[str], in_flight: int) -> tuple[Any, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        async for extraction in reader(in_flight).batch(documents, run=folder):
            value = outcome_of(extraction)
    return value, []


@asynccontextmanager
async def contender(name: str, address: str) -> AsyncIterator[Turn]:
    os.environ |= {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": "k"}
    yield {"call": called, "detail": detailed, "batch": in_a_batch}[name]


if __name__ == "__main__":
    serve(contender)
