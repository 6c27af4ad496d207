"""Anthropic's Messages protocol, through the ``anthropic`` package.

The answer is asked for as the input of a tool. The tool is offered and not prescribed (``tool_choice`` is ``auto``):
the current models refuse a prescribed one (Claude Sonnet 5.5, Opus 5.5 and Fable 5.1 with status 400, by their
migration guides of September and October 2026). A model that answers in text all the same is read from its text.

The SDK hands over the response as it came, and the input is cut out of its text, so that no digit and no doubled key is
lost on our side. What Anthropic itself has parsed before it sends: an input that was cut off for its length arrives
closed, as if it were whole. It is opened again, so that its last value counts as unfinished, and ends with ``length``.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from ...call import Call, Part, Reply, Usage
from ...catalogue import ModelFacts
from ...prompt import Message, render
from ..clients import CONNECT, http_client
from ..wire import Wire
from .ways import (
    Client,
    Reached,
    Way,
    broken,
    failure_of,
    plain_text,
    refused,
    settings,
    tool_name,
    unsupported,
    whole_response,
)

__all__ = ["MESSAGES", "read_message"]

# What is asked

_MAX_TOKENS = 4096
"""The protocol wants a limit; this is sent where neither the caller nor the catalogue names one."""

_NAMES = {"stop": "stop_sequences"}
_BEFORE = {"anthropic-version": "2023-06-01"}
"""Sampling is gone from the version of October 2026 and from the SDK; the models that take it are asked for it in the
version before."""
_MEDIA = {
    "image": ("image/gif", "image/jpeg", "image/png", "image/webp"),
    "file": ("application/pdf",),
}


def _asked(call: Call, known: Wire) -> dict[str, Any]:
    given = settings(call, known.facts, _NAMES)
    stop = given.pop("stop_sequences", None)
    system, *messages = render(call, "tools")
    told = f"Answer with one call of the tool {tool_name(call)} and with nothing else."
    asked: dict[str, Any] = {
        "model": known.model,
        "max_tokens": given.pop("max_tokens", None) or known.facts.max_output or _MAX_TOKENS,
        "messages": [
            *({"role": "system", "content": text} for text in (plain_text(system.parts[0].text), told)),
            *(_message(message, known.facts) for message in messages),
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    }
    if stop is not None:
        asked["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    if given:
        asked |= {"extra_body": given, "extra_headers": _BEFORE}
    return asked


def _message(message: Message, facts: ModelFacts) -> dict[str, Any]:
    if len(message.parts) == 1 and message.parts[0].kind == "text":
        return {"role": message.role, "content": plain_text(message.parts[0].text)}
    return {"role": message.role, "content": [_part(part, facts) for part in message.parts]}


def _part(part: Part, facts: ModelFacts) -> dict[str, Any]:
    if part.kind in ("text", "value"):
        return {"type": "text", "text": plain_text(part.text)}
    unsupported(part, facts, _MEDIA)
    source = {"type": "base64", "media_type": part.media_type, "data": b64encode(part.data).decode("ascii")}
    return {"type": "image" if part.kind == "image" else "document", "source": source}


# The SDK


def _client(reached: Reached) -> Client:
    import httpx2
    from anthropic import AsyncAnthropic

    ours: dict[str, Any] = {"max_retries": 0, "timeout": httpx2.Timeout(None, connect=CONNECT)}
    if reached.client is not None:
        own: AsyncAnthropic = reached.client.with_options(**ours)
        return own
    return AsyncAnthropic(
        api_key=reached.key, base_url=reached.address, http_client=http_client(proxies=reached.proxies), **ours
    )


def _create(client: Any) -> Callable[..., Awaitable[Any]]:
    return whole_response(client.messages.with_raw_response.create)


def _troubles() -> tuple[type[Exception], ...]:
    from anthropic import APIError

    return (APIError,)


# What came

_FINISH: Mapping[str, Literal["stop", "length"]] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "stop_sequence": "length",  # the input of a tool that was stopped inside is closed as well
}


def _read(response: Any, known: Wire) -> Reply:
    return read_message(response.content, known)


def read_message(data: bytes, known: Wire) -> Reply:
    """The reply in the body of a response that was a success by its status."""
    try:
        text = data.decode("utf-8")
        message = _EXACT.decode(text)
    except (ValueError, RecursionError):
        return broken(known, "what it sent is not JSON")
    try:
        if message["type"] == "error":
            return Reply(failure=failure_of(500, {}, data, known), mode=known.mode)
        blocks = [_members(block) for block in _items(_members(text)["content"])]
        said = [str(json.loads(block["text"])) for block in blocks if block["type"] == '"text"']
        finish = _FINISH.get(message.get("stop_reason"), "stop")
        usage, model = _usage(message.get("usage") or {}), str(message.get("model") or "")
        whole = Reply(mode=known.mode, finish=finish, usage=usage, model=model)
        if message.get("stop_reason") == "refusal":
            return replace(whole, refusal="".join(said) or _explanation(message.get("stop_details") or {}))
        used = next((block["input"] for block in blocks if block["type"] == '"tool_use"'), None)
        return replace(whole, text="".join(said) if used is None else _input(used, finish == "length"))
    except _MALFORMED:
        return broken(known, "what it sent has not the form of a message")


_MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError)
"""What reading a value of another form than was expected raises."""


def _explanation(details: Mapping[str, Any]) -> str:
    return str(details.get("explanation") or details.get("category") or "The model declined to answer.")


def _input(text: str, cut: bool) -> str:
    """The input of a tool. One that is a text is that text; one that was cut off is opened again: without what closes
    its last value, that counts as unfinished, whether it was or not."""
    if text.startswith('"'):
        return str(json.loads(text))
    return text.rstrip("}] \t\r\n").removesuffix('"') if cut else text


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Its input tokens are those that were neither read from the cache nor written to it."""

    def count(name: str, within: Mapping[str, Any] = usage) -> int:
        return int(within.get(name) or 0)

    cached = count("cache_read_input_tokens")
    return Usage(
        input=count("input_tokens") + count("cache_creation_input_tokens") + cached,
        cached=cached,
        output=count("output_tokens"),
        reasoning=count("thinking_tokens", usage.get("output_tokens_details") or {}),
    )


_EXACT = json.JSONDecoder(parse_int=str, parse_float=str)
"""Reads numbers as their digits, however many: here it is only asked where a value ends."""


def _members(text: str) -> dict[str, str]:
    """The members of a JSON object, each as the text that it is."""
    return dict(_pieces(text, "{", "}"))


def _items(text: str) -> list[str]:
    """The items of a JSON list, each as the text that it is."""
    return [item for _, item in _pieces(text, "[", "]")]


def _pieces(text: str, opens: str, closes: str) -> Iterator[tuple[str, str]]:
    at = _past_space(text, 0)
    if text[at] != opens:
        raise ValueError(f"{opens} was expected")
    at = _past_space(text, at + 1)
    while text[at] != closes:
        name = ""
        if opens == "{":
            name, at = _EXACT.raw_decode(text, at)
            at = _past_space(text, _past_space(text, at) + 1)  # the colon
        end = _EXACT.raw_decode(text, at)[1]
        yield name, text[at:end]
        at = _past_space(text, end)
        if text[at] == ",":
            at = _past_space(text, at + 1)


def _past_space(text: str, at: int) -> int:
    while text[at] in " \t\n\r":
        at += 1
    return at


MESSAGES = Way(
    mode="tools",
    client=_client,
    asked=_asked,
    create=_create,
    read=_read,
    troubles=_troubles,
    refused=refused,
    packages=("anthropic",),
    extra="anthropic",
)
