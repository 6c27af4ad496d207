"""instructor in the benchmark of speed, on the OpenAI SDK, asking for strict JSON as the others do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import instructor
from openai import AsyncOpenAI
from speed_invoice import Invoice
from speed_turns import Turn, one_by_one, serve
from speed_work import INSTRUCTIONS, MODEL


@asynccontextmanager
async def contender(name: str, address: str) -> AsyncIterator[Turn]:
    async with AsyncOpenAI(base_url=address, api_key="k") as own:
        client = instructor.from_openai(own, mode=instructor.Mode.JSON_SCHEMA)

        async def one(text: str) -> Invoice:
            messages = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": text}]
            return await client.chat.completions.create(model=MODEL, response_model=Invoice, messages=messages)

        yield one_by_one(one)


if __name__ == "__main__":
    serve(contender)
