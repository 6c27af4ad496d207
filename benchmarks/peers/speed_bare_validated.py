"""Bare aiohttp that does all that is asked of the others, and no more: orjson for the wire, pydantic for the record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson
from speed_bare import BEGIN, END, HEADERS
from speed_invoice import Invoice
from speed_turns import Turn, one_by_one, serve


@asynccontextmanager
async def contender(name: str, address: str) -> AsyncIterator[Turn]:
    url = f"{address}/chat/completions"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=HEADERS) as session:

        async def one(text: str) -> Invoice:
            async with session.post(url, data=BEGIN + orjson.dumps(text) + END) as response:
                completion = orjson.loads(await response.read())
            return Invoice.model_validate_json(completion["choices"][0]["message"]["content"])

        yield one_by_one(one)


if __name__ == "__main__":
    serve(contender)
