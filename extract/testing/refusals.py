"""What OpenAI refuses, and with which status and code, as a pure function of the request's body.

The fake server asks this before it answers. Each rule is one that the real server has, with its ``param`` and ``code``
(from OpenAI's API reference and from answers of the real server that were reported in public); the words are ours where
nothing hangs on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from ..call import Mode
from ..catalogue import ModelFacts
from ..compiler import violations
from ..settings import OPENAI_PARAMETERS
from .script import text_of

__all__ = ["Refusal", "refusal", "unknown_mode"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the server: its status and the fields of its body."""

    message: str
    status: int = 400
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def refusal(body: Any, facts: ModelFacts | None) -> Refusal | None:
    """Why the body of a chat request is refused, or None. `facts` are those of the model, where it is a known one."""
    if not isinstance(body, Mapping):
        return Refusal("We could not parse the JSON body of your request: it is not a JSON object.")
    for rule in (_parameters, _messages, _response_format, _tool_schemas, _dependencies):
        for found in rule(body, facts):
            return found
    return None


# Parameters


def _between(low: float, high: float) -> Callable[[Any], str]:
    def wrong(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"expected a number, but got {_kind(value)} instead"
        if value < low:
            return f"expected a value >= {low:g}, but got {value} instead"
        return f"expected a value <= {high:g}, but got {value} instead" if value > high else ""

    return wrong


def _whole(low: int, high: int) -> Callable[[Any], str]:
    inside = _between(low, high)
    return lambda value: inside(value) if type(value) is int else f"expected an integer, but got {_kind(value)} instead"


def _of(kind: type, name: str) -> Callable[[Any], str]:
    return lambda value: "" if isinstance(value, kind) else f"expected {name}, but got {_kind(value)} instead"


def _stop(value: Any) -> str:
    texts = [value] if isinstance(value, str) else value
    fits = isinstance(texts, list) and 1 <= len(texts) <= 4 and all(isinstance(text, str) for text in texts)
    return "" if fits else "expected a string or a list of at most 4 strings"


def _bias(value: Any) -> str:
    if not isinstance(value, Mapping):
        return f"expected an object, but got {_kind(value)} instead"
    inside = _between(-100, 100)
    return next((wrong for one in value.values() if (wrong := inside(one))), "")


def _kind(value: Any) -> str:
    names = {str: "a string", bool: "a boolean", type(None): "null", list: "an array", dict: "an object"}
    return names.get(type(value), "a number")


def _any(value: Any) -> str:
    return ""


_MOST = 2**31 - 1
_PARAMETERS: Mapping[str, Callable[[Any], str]] = {
    "model": _of(str, "a string"),
    "messages": _of(list, "an array"),
    "frequency_penalty": _between(-2, 2),
    "presence_penalty": _between(-2, 2),
    "temperature": _between(0, 2),
    "top_p": _between(0, 1),
    "top_logprobs": _whole(0, 20),
    "max_tokens": _whole(1, _MOST),
    "max_completion_tokens": _whole(1, _MOST),
    "n": _whole(1, 128),
    "seed": _whole(-(2**63), 2**63 - 1),
    "logprobs": _of(bool, "a boolean"),
    "stream": _of(bool, "a boolean"),
    "parallel_tool_calls": _of(bool, "a boolean"),
    "store": _of(bool, "a boolean"),
    "stop": _stop,
    "logit_bias": _bias,
    **dict.fromkeys(("audio", "functions", "function_call", "metadata", "modalities", "prediction"), _any),
    **dict.fromkeys(("prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier"), _any),
    **dict.fromkeys(("service_tier", "stream_options", "tool_choice", "tools", "user", "verbosity"), _any),
    "web_search_options": _any,
}


_SAMPLING = frozenset(OPENAI_PARAMETERS) - {"max_completion_tokens", "seed"}
"""Those of the parameters that some models take and others refuse."""


def _parameters(body: Mapping[str, Any], facts: ModelFacts | None) -> Iterator[Refusal]:
    for name in ("model", "messages"):
        if name not in body:
            yield Refusal(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    for name, value in body.items():
        check = _PARAMETERS.get(name)
        if check is None:
            yield Refusal(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
        elif wrong := check(value):
            code = "invalid_type" if "but got a" in wrong else "invalid_value"
            yield Refusal(f"Invalid '{name}': {wrong}.", param=name, code=code)
        elif facts is not None and name in _SAMPLING and name not in facts.parameters:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            yield Refusal(message, param=name, code="unsupported_parameter")


def _dependencies(body: Mapping[str, Any], facts: ModelFacts | None) -> Iterator[Refusal]:
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        yield Refusal("Invalid 'top_logprobs': 'logprobs' must be set to true.", param="top_logprobs")
    if body.get("stream_options") is not None and not body.get("stream"):
        yield Refusal(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if body.get("tool_choice") is not None and not body.get("tools"):
        yield Refusal(
            "Invalid value for 'tool_choice': it is only allowed when 'tools' are given.", param="tool_choice"
        )
    for name in ("max_tokens", "max_completion_tokens"):
        asked = body.get(name)
        if asked is not None and facts is not None and facts.max_output is not None and asked > facts.max_output:
            message = f"{name} is too large: {asked}. This model supports at most {facts.max_output} completion tokens."
            yield Refusal(message, param=name, code="invalid_value")


# Messages

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def _messages(body: Mapping[str, Any], facts: ModelFacts | None) -> Iterator[Refusal]:
    if not body["messages"]:
        yield Refusal("Invalid 'messages': empty array.", param="messages", code="empty_array")
    for number, message in enumerate(body["messages"]):
        place = f"messages[{number}]"
        if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
            yield Refusal(f"Invalid value for '{place}.role'.", param=f"{place}.role", code="invalid_value")
        elif message.get("content") is None and message["role"] != "assistant":
            yield Refusal(
                f"Invalid value for '{place}.content': it is missing.", param=f"{place}.content", code="invalid_type"
            )
        elif isinstance(message.get("content"), list):
            for index, part in enumerate(message["content"]):
                yield from _part(part, f"{place}.content[{index}]", facts)


def _part(part: Any, place: str, facts: ModelFacts | None) -> Iterator[Refusal]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    needed = {"text": "text", "image_url": "image_url", "file": "file"}.get(str(kind))
    if needed is None or part.get(needed) is None:
        yield Refusal(f"Invalid value for '{place}.type': {kind!r}.", param=f"{place}.type", code="invalid_value")
        return
    taken = {"text": "text", "image_url": "image", "file": "file"}[str(kind)]
    if facts is not None and taken not in facts.inputs:
        yield Refusal(f"Invalid content type: {kind} is only supported by certain models.", param=place)
    if kind == "image_url":
        yield from _image(part["image_url"], f"{place}.image_url")
    if kind == "file" and not re.match(
        r"data:application/pdf;base64,.", part["file"].get("file_data", "data:application/pdf;base64,x")
    ):
        message = (
            f"Invalid file data: '{place}.file.file_data'. Expected a base64-encoded data URL with an application/pdf"
        )
        yield Refusal(f"{message} MIME type.", param=f"{place}.file.file_data", code="invalid_value")


def _image(image: Mapping[str, Any], place: str) -> Iterator[Refusal]:
    found = re.match(r"https?://|data:(image/[a-z0-9.+-]+);base64,.", image.get("url", ""))
    if found is None:
        yield Refusal("Invalid image data.", param=place, code="invalid_image_url")
    elif found[1] not in (None, "image/png", "image/jpeg", "image/gif", "image/webp"):
        message = "You uploaded an unsupported image. Please make sure your image is of one of the following formats:"
        yield Refusal(f"{message} ['png', 'jpeg', 'gif', 'webp'].", code="invalid_image_format")
    if image.get("detail", "auto") not in ("auto", "low", "high", "original"):
        message = f"Invalid value: {image['detail']!r}. Supported values are: 'low', 'auto', 'original', and 'high'."
        yield Refusal(message, param=f"{place}.detail", code="invalid_value")


def unknown_mode(mode: Mode) -> Refusal:
    """What a server that is not OpenAI's says of a way to ask for a schema that it does not know."""
    field = "tools" if mode == "tools" else "response_format"
    return Refusal(f"Input should be 'text' or a type that is supported: body.{field}", 422, "bad_request")


# Schemas


def _response_format(body: Mapping[str, Any], facts: ModelFacts | None) -> Iterator[Refusal]:
    asked = body.get("response_format")
    if asked is None:
        return
    kind = asked.get("type") if isinstance(asked, Mapping) else None
    if kind not in ("text", "json_object", "json_schema"):
        yield Refusal("Invalid value for 'response_format.type'.", param="response_format.type", code="invalid_value")
    elif kind == "json_object" and "schema" in asked:
        yield Refusal("Unknown parameter: 'response_format.schema'.", param="response_format.schema")
    elif kind == "json_object" and not any("json" in text_of(one).lower() for one in body["messages"]):
        message = (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        )
        yield Refusal(message, param="messages")
    elif kind == "json_schema":
        if facts is not None and not facts.strict:
            message = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
            yield Refusal(message, param="response_format")
        asked = asked.get("json_schema")
        yield from _schema(
            asked if isinstance(asked, Mapping) else {}, "schema", "response_format", "response_format.json_schema"
        )


def _tool_schemas(body: Mapping[str, Any], facts: ModelFacts | None) -> Iterator[Refusal]:
    for number, tool in enumerate(body.get("tools") or ()):
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping):
            yield Refusal(f"Missing required parameter: 'tools[{number}].function'.", param=f"tools[{number}].function")
        else:
            yield from _schema(function, "parameters", "function", f"tools[{number}].function")


def _schema(holder: Mapping[str, Any], key: str, what: str, place: str) -> Iterator[Refusal]:
    name, schema = holder.get("name"), holder.get(key)
    if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
        message = (
            f"Invalid '{place}.name': string does not match pattern. Expected a string that matches '^[a-zA-Z0-9_-]+$'."
        )
        yield Refusal(message, param=f"{place}.name", code="invalid_value")
    elif schema is None:
        yield Refusal(
            f"Missing required parameter: '{place}.{key}'.", param=f"{place}.{key}", code="missing_required_parameter"
        )
    elif holder.get("strict"):
        place, code = (what, None) if what == "response_format" else (f"{place}.{key}", "invalid_function_parameters")
        for wrong in _illegal(orjson.dumps(schema)):
            yield Refusal(f"Invalid schema for {what} '{name}': {wrong}", param=place, code=code)


@lru_cache(maxsize=256)
def _illegal(schema: bytes) -> tuple[str, ...]:
    """What a strict schema may not hold; remembered, since requests are many and schemas are few."""
    return tuple(str(wrong) for wrong in violations(orjson.loads(schema)))
