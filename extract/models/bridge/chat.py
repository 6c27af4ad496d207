"""OpenAI's chat protocol as other providers speak it, through the ``openai`` package.

Mistral, DeepSeek, Groq and others speak it at addresses of their own, so that none of their SDKs is needed and nothing
is lost: the text of an answer is in the response as the model wrote it. `wire` makes the messages and reads replies, as
it does for OpenAI; instructor makes the schema into a tool, in the way that the provider wants it prescribed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson

from ...call import Call, Reply
from .. import wire
from ..answers import read
from ..clients import http_client
from ..wire import Wire
from .ways import Client, Reached, Way, plain_text, refused, whole_response

__all__ = ["CHAT", "MISTRAL"]

_BY_INSTRUCTOR = ("tools", "tool_choice")


def _asked(call: Call, known: Wire) -> dict[str, Any]:
    request: dict[str, Any] = orjson.loads(wire.body(call, known))
    for message in request["messages"]:
        message["content"] = message["content"] or plain_text("")  # an answer without a word, which Mistral refuses
    return {name: value for name, value in request.items() if name not in _BY_INSTRUCTOR}


def _asked_of_mistral(call: Call, known: Wire) -> dict[str, Any]:
    """Mistral calls the seed by another name, which the SDK sends in `extra_body` only."""
    asked = _asked(call, known)
    if "seed" in asked:
        asked["extra_body"] = {"random_seed": asked.pop("seed")}
    return asked


def _client(reached: Reached) -> Client:
    from openai import AsyncOpenAI

    if reached.client is not None:
        own: AsyncOpenAI = reached.client.with_options(max_retries=0)
        return own
    http = http_client(proxies=reached.proxies)
    return AsyncOpenAI(api_key=reached.key, base_url=reached.address, max_retries=0, http_client=http)


def _create(client: Any) -> Callable[..., Awaitable[Any]]:
    return whole_response(client.chat.completions.with_raw_response.create)


def _read(response: Any, known: Wire) -> Reply:
    return read(response.content, known)


def _troubles() -> tuple[type[Exception], ...]:
    from openai import APIError

    return (APIError,)


CHAT = Way(mode="tools", client=_client, asked=_asked, create=_create, read=_read, troubles=_troubles, refused=refused)
MISTRAL = replace(CHAT, asked=_asked_of_mistral)
