"""What the protocols have in common that instructor carries: how one is described, and how its errors are read.

A `Way` is a protocol in five functions: a client of its SDK, what instructor is asked, the SDK's call that instructor
makes, and what a reply and an error of it mean. The last three are told nothing but what came and the `Wire`, so that
they can be tested without a server. Here are also the checks that are the same for all: settings by name, inputs by
kind, and the errors of providers that spell them each in its own way, brought to the one form that `wire` reads.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from ...call import Call, Failure, Mode, Part, Reply
from ...catalogue import ModelFacts
from ...jsontext import dump
from ...settings import on_the_wire, refusal
from .. import failures
from ..failures import broken
from ..wire import Refused, Wire

__all__ = [
    "Client",
    "Reached",
    "Way",
    "broken",
    "failure_of",
    "plain_text",
    "refused",
    "settings",
    "tool_name",
    "unsupported",
    "whole_response",
]


class Client(Protocol):
    """A client of an SDK, for one event loop. It retries nothing, and leaves measuring the time to us."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a provider is reached: the address and the key, or a client of the caller's own that knows both; and
    whether by the environment's proxies."""

    address: str
    key: str
    client: Any = None
    proxies: bool = True


@dataclass(frozen=True)
class Way:
    """One protocol. `packages` must be installed for it and `extra` installs them; `mode` is how an answer is read."""

    mode: Mode
    client: Callable[[Reached], Client]
    asked: Callable[[Call, Wire], dict[str, Any]]
    """What instructor is given beside the schema. Raises `Refused`."""
    create: Callable[[Any], Callable[..., Awaitable[Any]]]
    """The call of a client that instructor makes; what it gives is what the hook is handed."""
    read: Callable[[Any, Wire], Reply]
    troubles: Callable[[], tuple[type[Exception], ...]]
    """The errors that a provider or the network can bring about; any other is a mistake in what was asked."""
    refused: Callable[[Exception, Wire], Failure | None]
    """What an error means that a server answered with, or None where no server did."""
    packages: tuple[str, ...] = ()
    extra: str = ""
    hands_schema: bool = True
    """Whether instructor carries our schema; else it is shown an open one, and `create` is given ours as
    ``our_schema``."""


# What is asked


def tool_name(call: Call) -> str:
    """The schema's name as tools may be called: 64 characters of letters, digits, ``_`` and ``-``."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", call.shape.name)[:64] or "answer"


def plain_text(text: str) -> str:
    """Text that can be sent: half of a character pair, which is no Unicode, becomes a question mark, and no text, which
    Anthropic and Google refuse, is named as such."""
    return text.encode("utf-8", "replace").decode("utf-8") if text.strip() else "(nothing)"


def settings(call: Call, facts: ModelFacts, names: Mapping[str, str]) -> dict[str, Any]:
    """The settings of a call under the provider's `names` for them. Raises `Refused` for one that is not taken."""
    if (why := refusal(call.settings, facts.name, facts.parameters, bridged=True)) is not None:
        raise Refused(Failure("configuration", why[0], code="unsupported_parameter", fix=why[1]))
    known = {name: on_the_wire(name, facts.parameters) for name in call.settings}
    return {names.get(ours, ours): call.settings[name] for name, ours in known.items() if ours is not None}


def unsupported(part: Part, facts: ModelFacts, media: Mapping[str, Collection[str]]) -> None:
    """Raises `Refused` for an input that the model or its protocol does not take; `media` are the kinds of each."""
    if part.kind not in facts.inputs:
        message = f"{facts.name} takes no {part.kind}s, and {part.name} is one."
    elif part.media_type not in media[part.kind]:
        taken = ", ".join(sorted(media[part.kind]))
        message = f"{facts.name} takes {part.kind}s of type {taken}, and {part.name} is of type {part.media_type}."
    else:
        return
    fix = "Choose a model that takes it, or give the document as text."
    raise Refused(Failure("document", message, code="unsupported_input", fix=fix))


# What came


def failure_of(status: int, headers: Mapping[str, str], data: bytes, known: Wire) -> Failure:
    """What a response that is no success means, in whichever of their forms a provider's errors come."""
    try:
        error = _error_in(orjson.loads(data))
    except orjson.JSONDecodeError:
        error = {"message": data.decode("utf-8", "replace")}
    return failures.failure_of(status, headers, orjson.dumps({"error": error}), known, now=time.time())


def _error_in(body: Any) -> dict[str, str]:
    """The error in a body: under ``error``, or the body itself; its words under ``message`` or ``detail``."""
    if isinstance(body, list) and body:
        body = body[0]
    held = body.get("error") or body if isinstance(body, Mapping) else body
    error: Mapping[str, Any] = held if isinstance(held, Mapping) else {"message": held}
    said = error.get("message") or error.get("detail") or ""
    words = said if isinstance(said, str) else dump(said)
    code = _code(error)
    return {
        "message": words,
        "code": "context_length_exceeded" if _TOO_LONG.search(words) else _OPENAIS.get(code, code),
        "param": str(error.get("param") or "") or _param(words),
    }


def _code(error: Mapping[str, Any]) -> str:
    """The most special code of an error: Anthropic's is in its details, Google's is its status in words."""
    details = error.get("details")
    found = [details.get("error_code") if isinstance(details, Mapping) else None]
    found += [error.get(name) for name in ("code", "type", "status")]
    return next((one for one in found if isinstance(one, str) and one), "")


_OPENAIS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "billing_error",
            "contract_spend_limit_reached",
            "enforced_spend_limit_reached",  # with status 429, but it does not pass
            "linked_organization_spend_limit_reached",
        ),
        "insufficient_quota",
    ),
    "image_dimensions_too_large": "image_too_large",
}
"""Codes of Anthropic that mean what a code of OpenAI does, which `wire` knows."""

_TOO_LONG = re.compile(
    r"prompt is too long|exceed\w* (?:the )?(?:\w+ )?(?:context|maximum number of tokens)|maximum context length"
    r"|too large for model|context window",
    re.IGNORECASE,
)
"""What they say of a document that is too long. It is looked for in their words, which a provider may change, because
Anthropic, Google and Mistral give no code for it (seen in their errors as of November 2026)."""


_PLACE = re.compile(r"((?:messages|tools|system|max_tokens|stop_sequences|temperature|top_k|top_p)(?:\.\w+)*): ")


def _param(words: str) -> str:
    """The setting or the place that a complaint of Anthropic begins with, as in ``messages.0.content: ...``."""
    found = _PLACE.match(words)
    return found[1] if found else ""


# The SDKs of OpenAI and Anthropic are made by one generator and alike


def whole_response(create: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """An SDK's call for a raw response, giving the response of the HTTP library."""

    async def created(**asked: Any) -> Any:
        return (await create(**asked)).http_response

    return created


def refused(error: Exception, known: Wire) -> Failure | None:
    """What an error of such an SDK means, if a server answered with it."""
    answer = getattr(error, "response", None)
    if answer is None:
        return None
    return failure_of(answer.status_code, answer.headers, answer.content, known)
