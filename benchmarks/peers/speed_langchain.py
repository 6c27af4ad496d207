"""LangChain in the benchmark of speed: its OpenAI model with structured output, strict JSON as it is by default."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langchain_openai import ChatOpenAI
from speed_invoice import Invoice
from speed_turns import Turn, one_by_one, serve
from speed_work import INSTRUCTIONS, MODEL


@asynccontextmanager
async def contender(name: str, address: str) -> AsyncIterator[Turn]:
    model = ChatOpenAI(model=MODEL, base_url=address, api_key="k").with_structured_output(Invoice, strict=True)

    async def one(text: str) -> Any:
        return await model.ainvoke([("system", INSTRUCTIONS), ("human", text)])

    yield one_by_one(one)


if __name__ == "__main__":
    serve(contender)
