"""Bare aiohttp in the benchmark of speed, the measure of all others.

The escaped document is put into bytes that were made beforehand; they are posted, the body is read, and its JSON: what
no client can do without. The record is not even read, let alone validated.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from speed_turns import Turn, one_by_one, serve
from speed_work import INSTRUCTIONS, MODEL, RESPONSE_FORMAT

__all__ = ["BEGIN", "END", "HEADERS"]

HEADERS = {"authorization": "Bearer k", "content-type": "application/json", "accept": "application/json"}
_PLACE = "THE DOCUMENT"
_MESSAGES = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": _PLACE}]
_REQUEST = json.dumps({"model": MODEL, "messages": _MESSAGES, "response_format": RESPONSE_FORMAT}).encode()
BEGIN, END = _REQUEST.split(f'"{_PLACE}"'.encode())


@asynccontextmanager
async def contender(name: str, address: str) -> AsyncIterator[Turn]:
    url = f"{address}/chat/completions"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=HEADERS) as session:

        async def one(text: str) -> str:
            async with session.post(url, data=BEGIN + json.dumps(text).encode() + END) as response:
                completion = json.loads(await response.read())
            return str(completion["choices"][0]["message"]["content"])

        yield one_by_one(one)


if __name__ == "__main__":
    serve(contender)
