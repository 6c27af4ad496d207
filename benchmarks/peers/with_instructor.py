"""The peer's side of the benchmark of repairs: run by an interpreter that has instructor, and nothing of ours.

    python with_instructor.py BASE_URL COUNT ATTEMPTS SCALE

Extracts COUNT invoices and prints one JSON line for each: its number, the record or null, and the
tokens that the caller is told of.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import instructor
import openai
from invoice import Invoice, document

PROMPT = "Read the invoice."


async def one(client: Any, index: int, attempts: int, scale: int, slots: asyncio.Semaphore) -> dict[str, Any]:
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": document(index, scale)}]
    async with slots:
        try:
            value, completion = await client.chat.completions.create_with_completion(
                model="gpt-4o-mini", response_model=Invoice, max_retries=attempts, messages=messages
            )
            told = completion.usage
            made = value.model_dump(mode="json")
        except Exception as error:  # noqa: BLE001  whatever it raises, the document is not settled
            told, made = getattr(error, "total_usage", None), None
    return {
        "index": index,
        "record": made,
        "told": 0 if told is None else int(told.prompt_tokens or 0) + int(told.completion_tokens or 0),
    }


async def main() -> None:
    address, count, attempts, scale = sys.argv[1], *map(int, sys.argv[2:5])
    client = instructor.from_openai(openai.AsyncOpenAI(base_url=address, api_key="k"), mode=instructor.Mode.TOOLS)
    slots = asyncio.Semaphore(16)
    for made in await asyncio.gather(*(one(client, n, attempts, scale, slots) for n in range(count))):
        print(json.dumps(made))


asyncio.run(main())
