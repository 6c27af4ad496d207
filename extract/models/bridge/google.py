"""Google's Gemini protocol, through the ``google-genai`` package.

The answer is asked for as JSON text under our schema, which goes into ``response_json_schema``: the answer comes as the
text that the model wrote, and nothing of it is lost. instructor's own translation of schemas is passed by. It writes
out every reference (a recursive schema never ends), drops what Google's older form of schema does not know, and refuses
enumerations of numbers. What Google ignores of our schema is checked by us afterwards, as everything is. Safety
settings stay the provider's own; left to itself, instructor would switch its filters off.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import orjson

from ...call import Call, Failure, Part, Reply, Usage
from ...catalogue import ModelFacts
from ...prompt import Message, render
from ..clients import http_client
from ..wire import Wire
from .ways import Client, Reached, Way, broken, failure_of, plain_text, settings, unsupported

__all__ = ["GEMINI"]

# What is asked

_NAMES = {"max_tokens": "max_output_tokens", "stop": "stop_sequences"}
_ROLES = {"user": "user", "assistant": "model"}
_MEDIA = {
    "image": ("image/heic", "image/heif", "image/jpeg", "image/png", "image/webp"),
    "file": ("application/pdf",),
}


def _asked(call: Call, known: Wire) -> dict[str, Any]:
    given = settings(call, known.facts, _NAMES)
    if isinstance(given.get("stop_sequences"), str):
        given["stop_sequences"] = [given["stop_sequences"]]
    system, *messages = render(call, "strict")
    return {
        "model": known.model,
        "system": plain_text(system.parts[0].text),  # by name: among the messages, instructor refuses braces in it
        "messages": [_message(message, known.facts) for message in messages],
        "safety_settings": [],
        "our_config": given,
    }


def _message(message: Message, facts: ModelFacts) -> dict[str, Any]:
    return {"role": _ROLES[message.role], "content": [_part(part, facts) for part in message.parts]}


def _part(part: Part, facts: ModelFacts) -> Any:
    if part.kind in ("text", "value"):
        return plain_text(part.text)
    unsupported(part, facts, _MEDIA)
    from instructor.processing.multimodal import PDF, Image

    held = Image if part.kind == "image" else PDF
    # never the document's name as its source: instructor fetches what is called like a web address
    return held(source="inline", media_type=part.media_type, data=b64encode(part.data).decode("ascii"))


# The SDK


class _Client:
    """A client of the SDK with the HTTP client that it was given, which it leaves open."""

    def __init__(self, client: Any, http: Any = None):
        self.generate = client.aio.models.generate_content
        self._sdk, self._http = client, http

    async def close(self) -> None:
        await self._sdk.aio.aclose()
        if self._http is not None:
            await self._http.aclose()


def _client(reached: Reached) -> Client:
    from google import genai
    from google.genai import types

    if reached.client is not None:
        return _Client(reached.client)
    http = http_client(proxies=reached.proxies)
    options = types.HttpOptions(base_url=reached.address, httpx_async_client=http)
    return _Client(genai.Client(api_key=reached.key, vertexai=False, http_options=options), http)


def _create(client: Any) -> Callable[..., Awaitable[Any]]:
    from google.genai import types
    from pydantic import ValidationError

    once = {  # the SDK would try again after some connection errors, and go on by itself after a long answer
        "http_options": types.HttpOptions(retry_options=types.HttpRetryOptions(attempts=1)),
        "automatic_continuation": False,
        "automatic_function_calling": types.AutomaticFunctionCallingConfig(disable=True),
    }

    async def create(*, model: str, contents: Any, config: Any, our_config: Mapping[str, Any], our_schema: Any) -> Any:
        ours = {**our_config, **once, "response_schema": None, "response_json_schema": our_schema}
        try:
            whole = types.GenerateContentConfig(**{**dict(config), **ours})
        except ValidationError as error:  # told apart from an answer of another form
            raise TypeError("a setting has another kind") from error
        return await client.generate(model=model, contents=contents, config=whole)

    return create


def _troubles() -> tuple[type[Exception], ...]:
    import aiohttp
    import httpx2
    from google.genai.errors import APIError
    from pydantic import ValidationError

    return (APIError, json.JSONDecodeError, ValidationError, aiohttp.ClientError, httpx2.HTTPError, OSError)


def _refused(error: Exception, known: Wire) -> Failure | None:
    from google.genai.errors import APIError
    from pydantic import ValidationError

    if isinstance(error, json.JSONDecodeError):
        return broken(known, "what it sent is not JSON").failure
    if isinstance(error, ValidationError):
        return broken(known, "what it sent has not the form of a response").failure
    if not isinstance(error, APIError):
        return None
    details = list(_details(error.details))
    wrong_key = any(one.get("reason") == "API_KEY_INVALID" for one in details)
    headers = getattr(error.response, "headers", None) or {}
    # a wrong key is a bad request to Google
    failure = failure_of(401 if wrong_key else error.code, headers, orjson.dumps(error.details), known)
    failure = replace(failure, status=error.code)
    if failure.kind == "transport" and failure.retry_after is None:
        return replace(failure, retry_after=next(filter(None, map(_delay, details)), None))
    return failure


def _details(body: Any) -> Iterator[Mapping[str, Any]]:
    error = body.get("error", body) if isinstance(body, Mapping) else None
    found = error.get("details") if isinstance(error, Mapping) else None
    yield from (one for one in found or () if isinstance(one, Mapping))


def _delay(detail: Mapping[str, Any]) -> float | None:
    """The seconds in ``"retryDelay": "34.07s"``, which Google sends instead of a header."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(detail.get("retryDelay") or ""))
    return float(found[1]) if found else None


# What came

_FINISH: Mapping[str, Literal["length", "filter"]] = {
    **dict.fromkeys(("MAX_TOKENS", "CONTINUATION"), "length"),
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION"), "filter"
    ),
}


def _read(response: Any, known: Wire) -> Reply:
    if not response.candidates:
        blocked = getattr(response.prompt_feedback, "block_reason", None)
        if blocked is None:
            return broken(known, "there is no candidate in it")
        message = f"The content filter of {known.facts.name} took the request: {blocked.value}."
        return Reply(failure=Failure("filter", message, status=200, code=blocked.value), mode=known.mode)
    candidate = response.candidates[0]
    parts = (candidate.content.parts if candidate.content else None) or ()
    return Reply(
        text="".join(part.text for part in parts if part.text and not part.thought),
        mode=known.mode,
        finish=_FINISH.get(str(getattr(candidate.finish_reason, "value", "")), "stop"),
        usage=_usage(response.usage_metadata),
        model=response.model_version or "",
    )


def _usage(usage: Any) -> Usage:
    """Its count of the answer leaves out what was thought, which is paid for like the answer."""
    if usage is None:
        return Usage()
    thought = usage.thoughts_token_count or 0
    return Usage(
        input=usage.prompt_token_count or 0,
        cached=usage.cached_content_token_count or 0,
        output=(usage.candidates_token_count or 0) + thought,
        reasoning=thought,
    )


GEMINI = Way(
    mode="strict",
    client=_client,
    asked=_asked,
    create=_create,
    read=_read,
    troubles=_troubles,
    refused=_refused,
    packages=("google.genai", "jsonref"),
    extra="google",
    hands_schema=False,
)
