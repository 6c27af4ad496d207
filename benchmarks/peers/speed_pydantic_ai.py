"""pydantic-ai in the benchmark of speed: an agent without tools, asking for strict JSON as the others do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from speed_invoice import Invoice
from speed_turns import Turn, one_by_one, serve
from speed_work import INSTRUCTIONS, MODEL


@asynccontextmanager
async def contender(name: str, address: str) -> AsyncIterator[Turn]:
    async with AsyncOpenAI(base_url=address, api_key="k") as own:
        model = OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=own))
        agent = Agent(model, output_type=NativeOutput(Invoice), instructions=INSTRUCTIONS)

        async def one(text: str) -> Invoice:
            return (await agent.run(text)).output

        yield one_by_one(one)


if __name__ == "__main__":
    serve(contender)
