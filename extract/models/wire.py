"""OpenAI's chat protocol as pure functions: a call into a request's body.

Whoever carries the bytes (a client, a batch file, a test) uses these, so that a call means the same wherever it goes. A
request that cannot be sent as it stands (a setting that the model does not take, an image for a model that reads text)
raises `Refused`, which carries the failure. What comes back is read by `answers` and `failures`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..call import Call, Failure, Mode, Part
from ..catalogue import ModelFacts
from ..jsontext import dump
from ..prompt import Message, common, own, render
from ..settings import on_the_wire, refusal
from . import attached
from .careful import careful

__all__ = ["Refused", "Wire", "body"]


class Refused(Exception):
    """A call that is not sent; `failure` says why."""

    def __init__(self, failure: Failure):
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Wire:
    """What a request and its messages need to know of an endpoint: the model's facts, its name on the wire, the mode in
    which the schema is asked for, the names of the variables that a user can mend, and the secrets that are never
    shown. A `careful` wire leaves out of the schema what servers of unknown making may not take, save in the modes that
    are OpenAI's own."""

    facts: ModelFacts
    model: str
    mode: Mode = "strict"
    key_variable: str = "OPENAI_API_KEY"
    address_variables: str = "OPENAI_BASE_URL"
    secrets: tuple[str, ...] = field(default=(), repr=False)
    careful: bool = False


# Requests


def body(call: Call, wire: Wire, *, stream: bool = False) -> bytes:
    """The request's body. Raises `Refused`. Images are scaled on the way: with them, it belongs on a thread."""
    if (failure := attached.refusal(call, wire.facts)) is not None:
        raise Refused(failure)
    request: dict[str, Any] = {
        "model": wire.model,
        "messages": [*_common(call, wire), *(_message(message, call, wire.facts) for message in own(call))],
        **_asked(call, wire),
        **_settings(call, wire.facts),
    }
    if stream:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    try:
        return orjson.dumps(request)
    except (TypeError, ValueError):  # numbers of more digits than orjson carries, text that is not Unicode
        messages = [_message(message, call, wire.facts) for message in render(call, wire.mode)]
        return dump({**request, "messages": messages, **_fields(call, wire)}).encode("utf-8", "replace")


def _common(call: Call, wire: Wire) -> list[Any]:
    """The messages that are the same for all documents, as JSON that is written once."""
    kept = call.shape.kept.setdefault("common", {})
    key = (wire.mode, call.ask, call.instructions)
    examples, messages = kept.get(key, (None, []))
    if examples is not call.examples:
        if len(kept) >= _KEPT:
            kept.clear()
        messages = [_json(_message(message, call, wire.facts)) for message in common(call, wire.mode)]
        kept[key] = call.examples, messages
    return list(messages)


_KEPT = 64
"""So many ways of instructing are kept ready for each schema."""


def _asked(call: Call, wire: Wire) -> dict[str, Any]:
    """The fields that ask for the schema, as JSON that is written once for each schema."""
    kept, way = call.shape.kept, f"{wire.mode} careful" if wire.careful else wire.mode
    if way not in kept:
        kept[way] = {name: _json(value) for name, value in _fields(call, wire).items()}
    fields: dict[str, Any] = kept[way]
    return fields


def _fields(call: Call, wire: Wire) -> dict[str, Any]:
    fields = _ASKED[wire.mode](call)
    return careful(fields) if wire.careful and wire.mode in _OF_OTHERS else fields


_OF_OTHERS: tuple[Mode, ...] = ("tools", "json_object")
"""The modes in which servers are asked that do not know OpenAI's ``json_schema``."""


def _json(value: Any) -> Any:
    try:
        return orjson.Fragment(orjson.dumps(value))
    except (TypeError, ValueError):  # numbers of more digits than orjson carries
        return value


def _strict(call: Call) -> dict[str, Any]:
    schema = {"name": _name(call), "strict": True, "schema": call.shape.wire}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _tools(call: Call) -> dict[str, Any]:
    function = {"name": _name(call), "strict": True, "parameters": call.shape.wire}
    chosen = {"type": "function", "function": {"name": _name(call)}}
    return {"tools": [{"type": "function", "function": function}], "tool_choice": chosen}


def _json_schema(call: Call) -> dict[str, Any]:
    schema = {"name": _name(call), "schema": call.shape.full}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


_ASKED: Mapping[Mode, Callable[[Call], dict[str, Any]]] = {
    "strict": _strict,
    "tools": _tools,
    "json_schema": _json_schema,
    "json_object": lambda call: {"response_format": {"type": "json_object", "schema": call.shape.full}},
    "json": lambda call: {"response_format": {"type": "json_object"}},
    "text": lambda call: {},
}


def _name(call: Call) -> str:
    """The schema's name as the wire allows it: 64 characters of letters, digits, ``_`` and ``-``."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", call.shape.name)[:64] or "answer"


def _message(message: Message, call: Call, facts: ModelFacts) -> dict[str, Any]:
    if len(message.parts) == 1 and message.parts[0].kind == "text":
        return {"role": message.role, "content": message.parts[0].text}
    return {"role": message.role, "content": [_part(part, call, facts) for part in message.parts]}


def _part(part: Part, call: Call, facts: ModelFacts) -> dict[str, Any]:
    if part.kind in ("text", "value"):
        return {"type": "text", "text": part.text}
    return attached.part_of(part, call, facts)


def _settings(call: Call, facts: ModelFacts) -> dict[str, Any]:
    """The settings under the names that the model wants; what only the built-in reader takes is left out."""
    if not call.settings:
        return {}
    if (why := refusal(call.settings, facts.name, facts.parameters)) is not None:
        raise Refused(Failure("configuration", why[0], code="unsupported_parameter", fix=why[1]))
    sent: dict[str, Any] = {}
    for name, value in call.settings.items():
        if name == "extra_body":
            sent |= value
        elif (known := on_the_wire(name, facts.parameters)) is not None:
            sent[known] = value
    return sent
