"""OpenAI's chat protocol as pure functions: a call into a request's body, a response's body into a `Reply`.

Whoever carries the bytes (a client, a batch file, a test) uses these, so that a call means the same wherever it goes. A
request that cannot be sent as it stands (a setting that the model does not take, an image for a model that reads text)
raises `Refused`, which carries the failure; whatever a server says becomes a `Reply`. Messages never hold a secret:
they are cleaned of the keys that were used and of everything that looks like one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import orjson

from ..call import Call, Failure, FailureKind, Mode, Part, Reply, TokenLogprob, Usage
from ..catalogue import ModelFacts
from ..jsontext import dump
from ..prompt import Message, render
from .attached import IMAGE_DETAIL, part_of, refusal

__all__ = ["Assembly", "NotAnEvent", "Refused", "Wire", "body", "failure_of", "read", "retry_after"]


class Refused(Exception):
    """A call that is not sent; `failure` says why."""

    def __init__(self, failure: Failure):
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Wire:
    """What a request and its messages need to know of an endpoint: the model's facts, its name on the wire, the mode in
    which the schema is asked for, the names of the variables that a user can mend, and the secrets that are never
    shown."""

    facts: ModelFacts
    model: str
    mode: Mode = "strict"
    key_variable: str = "OPENAI_API_KEY"
    address_variables: str = "OPENAI_BASE_URL"
    secrets: tuple[str, ...] = field(default=(), repr=False)


# Requests


def body(call: Call, wire: Wire, *, stream: bool = False) -> bytes:
    """The request's body. Raises `Refused`. Images are scaled on the way: with them, it belongs on a thread."""
    if (failure := refusal(call, wire.facts)) is not None:
        raise Refused(failure)
    request: dict[str, Any] = {
        "model": wire.model,
        "messages": [_message(message, call, wire.facts) for message in render(call, wire.mode)],
        **_ASKED[wire.mode](call),
        **_settings(call, wire.facts),
    }
    if stream:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    try:
        return orjson.dumps(request)
    except (TypeError, ValueError):  # numbers of more digits than orjson carries, text that is not Unicode
        return dump(request).encode("utf-8", "replace")


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
    return part_of(part, call, facts)


_SET_BY_US = frozenset(
    {
        "function_call",
        "functions",
        "messages",
        "model",
        "n",
        "response_format",
        "stream",
        "stream_options",
        "tool_choice",
        "tools",
    }
)
_NOT_SENT = frozenset({"date_order", IMAGE_DETAIL})
"""Settings that are no parameters of a request: the built-in reader's own, which the other models of a cascade are
given as well, and what goes with each image."""


def _settings(call: Call, facts: ModelFacts) -> dict[str, Any]:
    return {_accepted(name, facts): value for name, value in call.settings.items() if name not in _NOT_SENT}


def _accepted(name: str, facts: ModelFacts) -> str:
    """The setting's name on the wire for this model."""
    if name in facts.parameters:
        return name
    if name == "max_tokens" and "max_completion_tokens" in facts.parameters:
        return "max_completion_tokens"
    if name in _SET_BY_US:
        raise Refused(
            Failure(
                "configuration",
                f"The setting {name!r} is made from the schema and cannot be given.",
                code="unsupported_parameter",
            )
        )
    guess = get_close_matches(name, facts.parameters, 1)
    fix = f"Did you mean {guess[0]!r}?" if guess else f"It takes {', '.join(facts.parameters)}."
    raise Refused(
        Failure("configuration", f"{facts.name} takes no setting {name!r}.", code="unsupported_parameter", fix=fix)
    )


# Replies


_MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError)
"""What reading a value of another form than was expected raises; JSON that cannot be read is a ValueError."""


def read(data: bytes, wire: Wire) -> Reply:
    """The reply in the body of a response that was a success by its status."""
    try:
        envelope = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _broken(wire, "what it sent is not JSON")
    try:
        if envelope.get("error"):
            return Reply(failure=_said_no(_status_in(envelope["error"]), envelope["error"], wire), mode=wire.mode)
        choice = envelope["choices"][0]
        return _reply(
            wire.mode,
            choice["message"],
            finish=choice.get("finish_reason"),
            usage=_usage(envelope.get("usage")),
            logprobs=_logprobs(choice),
            model=str(envelope.get("model") or ""),
        )
    except _MALFORMED:
        return _broken(wire, "what it sent has not the form of a chat completion")


_FINISH: Mapping[str, Literal["stop", "length", "filter"]] = {"length": "length", "content_filter": "filter"}


def _reply(
    mode: Mode,
    message: Mapping[str, Any],
    *,
    finish: Any,
    usage: Usage,
    logprobs: tuple[TokenLogprob, ...] | None,
    model: str,
) -> Reply:
    whole = Reply(mode=mode, finish=_FINISH.get(str(finish), "stop"), usage=usage, logprobs=logprobs, model=model)
    if message.get("refusal"):
        return replace(whole, refusal=_text(message["refusal"]))
    return replace(whole, text=_said(message, mode))


def _said(message: Mapping[str, Any], mode: Mode) -> str:
    """The text in a message or in a delta: the arguments of the tool that was asked for, or the content."""
    calls = message.get("tool_calls")
    return _text(calls[0]["function"].get("arguments") if calls and mode == "tools" else message.get("content"))


def _text(content: Any) -> str:
    """Content as text; some servers send it in parts."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _usage(usage: Mapping[str, Any] | None) -> Usage:
    if not usage:
        return Usage()
    return Usage(
        input=int(usage.get("prompt_tokens") or 0),
        cached=int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0),
        output=int(usage.get("completion_tokens") or 0),
        reasoning=int((usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0),
    )


def _logprobs(choice: Mapping[str, Any]) -> tuple[TokenLogprob, ...] | None:
    found = (choice.get("logprobs") or {}).get("content")
    if found is None:
        return None
    return tuple(TokenLogprob(_bytes(token), float(token["logprob"])) for token in found)


def _bytes(token: Mapping[str, Any]) -> bytes:
    """The token's own bytes: a token may end inside a character, so that its text alone would lose them."""
    own = token.get("bytes")
    return token["token"].encode() if own is None else bytes(own)


class NotAnEvent(Exception):
    """What came on a stream is not an event of a chat completion."""


class Assembly:
    """A streamed answer, put together. `feed` takes one event's data and gives the text that came with it."""

    def __init__(self, wire: Wire):
        self._wire = wire
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._logprobs: list[TokenLogprob] | None = None
        self._finish: str | None = None
        self._usage = Usage()
        self._model = ""
        self._failure: Failure | None = None

    def feed(self, data: bytes) -> str:
        """Raises `NotAnEvent`."""
        try:
            return self._take(orjson.loads(data))
        except _MALFORMED as error:
            raise NotAnEvent(data) from error

    def _take(self, event: Mapping[str, Any]) -> str:
        if event.get("error"):
            self._failure = _said_no(_status_in(event["error"]), event["error"], self._wire)
            return ""
        self._model = str(event.get("model") or self._model)
        if event.get("usage"):
            self._usage = _usage(event["usage"])
        text = ""
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            text += _said(delta, self._wire.mode)
            self._refusals.append(_text(delta.get("refusal")))
            self._finish = choice.get("finish_reason") or self._finish
            found = _logprobs(choice)
            if found is not None:
                self._logprobs = [*(self._logprobs or ()), *found]
        self._texts.append(text)
        return text

    def reply(self) -> Reply:
        """What came. A stream that ended before the answer was finished is a failure: its text must not be read as
        whole."""
        if self._failure:
            return Reply(failure=self._failure, mode=self._wire.mode)
        if self._finish is None:
            return _broken(self._wire, "the stream ended before the answer did")
        message = {"content": "".join(self._texts), "refusal": "".join(self._refusals)}
        logprobs = None if self._logprobs is None else tuple(self._logprobs)
        wire = self._wire
        reply = _reply(wire.mode, message, finish=self._finish, usage=self._usage, logprobs=logprobs, model=self._model)
        return reply


# Failures


def _broken(wire: Wire, how: str) -> Reply:
    return Reply(
        failure=Failure("transport", f"The answer of {wire.facts.name} cannot be used: {how}.", status=200),
        mode=wire.mode,
    )


_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_FILTER = frozenset({"content_filter", "content_policy_violation", "invalid_prompt"})
_PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 that may pass by themselves."""


def failure_of(status: int, headers: Mapping[str, str], data: bytes, wire: Wire, *, now: float) -> Failure:
    """What a response that is no success means. `now` is the time in seconds since 1970, for ``retry-after`` dates."""
    try:
        error = orjson.loads(data).get("error")
    except (orjson.JSONDecodeError, AttributeError):
        error = data.decode("utf-8", "replace")
    failure = _said_no(status, error, wire)
    return replace(failure, retry_after=retry_after(headers, now)) if failure.kind == "transport" else failure


def _said_no(status: int, error: Any, wire: Wire) -> Failure:
    details = error if isinstance(error, Mapping) else {"message": error}
    code, param = str(details.get("code") or details.get("type") or ""), str(details.get("param") or "")
    said = _clean(str(details.get("message") or ""), wire.secrets)
    kind, sentence, fix = _meaning(status, code, param, wire)
    # what a server says of a key may quote the key
    message = sentence if status == 401 or not said else f"{sentence[:-1]}: {said}"
    return Failure(kind, message, status=status, code=code, fix=fix)


def _meaning(status: int, code: str, param: str, wire: Wire) -> tuple[FailureKind, str, str]:
    """The kind, a sentence and the remedy."""
    name = wire.facts.name
    if code in _QUOTA:
        return (
            "configuration",
            f"The account has no credit left for {name}.",
            "Add credit to the account, or raise its limit.",
        )
    if status == 429:
        return "transport", f"{name} has a rate limit, and it is reached.", ""
    if status in _PASSING or status >= 500:
        return "transport", f"The server of {name} failed with status {status}.", ""
    if code in _FILTER:
        return "filter", f"The content filter of {name} took the request.", ""
    if status == 401:
        return "configuration", f"The key for {name} was not accepted.", f"Check {wire.key_variable}."
    if status == 403:
        return (
            "configuration",
            f"The key for {name} may not be used for this.",
            f"Use another key in {wire.key_variable}, or another model.",
        )
    if status == 413 or code in _OF_THE_DOCUMENT or param.startswith("messages"):
        return "document", f"{name} does not take this document.", _refused_fix(code, param)
    if status == 404:
        fix = f"Check the model's name and {wire.address_variables}."
        return "configuration", f"The server does not know {wire.model!r} or has no chat endpoint.", fix
    return "configuration", f"The server refused the request to {name}.", _refused_fix(code, param)


_OF_THE_DOCUMENT = frozenset(
    {
        "context_length_exceeded",
        "image_parse_error",
        "invalid_base64",
        "invalid_image",
        "invalid_image_format",
        "image_too_large",
        "string_above_max_length",
        "unsupported_image_media_type",
    }
)
"""Codes of refusals that concern what was sent, and not how."""


def _refused_fix(code: str, param: str) -> str:
    if code == "context_length_exceeded":
        return "The document is too long for this model: choose one with a larger context."
    if "schema" in code or param.startswith(("response_format", "tools")):
        return "The server does not take this schema: `extract schema REF --lint` says what it holds."
    if param.startswith("messages"):
        return ""
    return f"Change the setting {param!r}, or leave it out." if param else ""


def _status_in(error: Any) -> int:
    """The status that an error inside a successful response names; 0 where it names none that says more, which
    passes."""
    code = error.get("code") if isinstance(error, Mapping) else None
    return code if isinstance(code, int) and code >= 400 else 500


_KEYS = re.compile(r"\b(?:sk|pk|key|Bearer)[-_ ][A-Za-z0-9_\-*.]{6,}")


def _clean(text: str, secrets: tuple[str, ...]) -> str:
    """One line of at most 400 characters without the secrets and without what looks like one."""
    for secret in secrets:
        if len(secret) > 3:
            text = text.replace(secret, "***")
    text = " ".join(_KEYS.sub("***", text).split())
    return text if len(text) <= 400 else text[:399] + "…"


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that the server asks to wait, by ``retry-after-ms`` or ``retry-after`` (seconds or a date)."""
    millis, after = headers.get("retry-after-ms"), headers.get("retry-after")
    if millis is not None and (seconds := _seconds(millis)) is not None:
        return seconds / 1000
    if after is None or (seconds := _seconds(after)) is not None:
        return None if after is None else seconds
    try:
        return max(0.0, parsedate_to_datetime(after).timestamp() - now)
    except ValueError:
        return None


def _seconds(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d+(\.\d+)?\s*", text) else None
