"""The OpenAI SDK in the benchmark of speed: ``create``, with its own client or on aiohttp, and ``parse``.

What `create` gives is validated as the others do it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI, DefaultAioHttpClient
from speed_invoice import Invoice
from speed_turns import Turn, one_by_one, serve
from speed_work import INSTRUCTIONS, MODEL, RESPONSE_FORMAT


@asynccontextmanager
async def contender(name: str, address: str) -> AsyncIterator[Turn]:
    own = DefaultAioHttpClient() if name == "aiohttp" else None
    async with AsyncOpenAI(base_url=address, api_key="k", http_client=own) as client:

        async def create(text: str) -> Invoice:
            completion = await client.chat.completions.create(
                model=MODEL, messages=_messages(text), response_format=RESPONSE_FORMAT
            )
            return Invoice.model_validate_json(completion.choices[0].message.content)

        async def parse(text: str) -> Invoice:
            completion = await client.chat.completions.parse(
                model=MODEL, messages=_messages(text), response_format=Invoice
            )
            return completion.choices[0].message.parsed

        yield one_by_one(parse if name == "parse" else create)


def _messages(text: str) -> Any:
    return [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": text}]


if __name__ == "__main__":
    serve(contender)
