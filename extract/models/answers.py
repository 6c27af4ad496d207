"""What a server answered, as a `Reply`: a whole body, or events of a stream put together.

Servers differ in what they leave out, and nothing here depends on what need not be there. What has another form is a
failure of the transport: the request may be made again. A stream that ended before the answer did is one as well, so
that its text is never read as whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import orjson

from ..call import Call, Failure, Mode, Reply, TokenLogprob, Usage
from ..jsontext import dump
from ..prompt import shape_of
from .failures import broken, said_no, status_in
from .wire import Wire

__all__ = ["Assembly", "NotAnEvent", "held", "read", "understood"]

_MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError)
"""What reading a value of another form than was expected raises; JSON that cannot be read is a ValueError."""


def read(data: bytes, wire: Wire, endpoint: str = "") -> Reply:
    """The reply in the body of a response that was a success by its status, from this host."""
    try:
        envelope = orjson.loads(data)
    except orjson.JSONDecodeError:
        return broken(wire, "what it sent is not JSON")
    return understood(envelope, wire, endpoint)


def understood(envelope: Any, wire: Wire, endpoint: str = "") -> Reply:
    """The reply in a body that has been read as JSON."""
    try:
        if envelope.get("error"):
            return Reply(failure=said_no(status_in(envelope["error"]), envelope["error"], wire), mode=wire.mode)
        choice = envelope["choices"][0]
        return _reply(
            wire.mode,
            choice["message"],
            finish=choice.get("finish_reason"),
            usage=_usage(envelope.get("usage")),
            logprobs=_logprobs(choice),
            model=str(envelope.get("model") or ""),
            endpoint=endpoint,
        )
    except _MALFORMED:
        return broken(wire, "what it sent has not the form of a chat completion")


_FINISH: Mapping[str, Literal["stop", "length", "filter"]] = {
    "length": "length",
    "model_length": "length",  # Mistral's word for it
    "content_filter": "filter",
}


def _reply(
    mode: Mode,
    message: Mapping[str, Any],
    *,
    finish: Any,
    usage: Usage,
    logprobs: tuple[TokenLogprob, ...] | None,
    model: str,
    endpoint: str = "",
) -> Reply:
    refused = message.get("refusal")
    text = None if refused else _said(message, mode)
    cut = finish == "tool_calls" and text is not None and _breaks_off(text)
    return Reply(
        text=text,
        refusal=_text(refused) if refused else None,
        mode=mode,
        finish="length" if cut else _FINISH.get(str(finish), "stop"),
        usage=usage,
        logprobs=logprobs,
        model=model,
        endpoint=endpoint,
    )


def _breaks_off(text: str) -> bool:
    """Whether a text is JSON as far as it goes, and not whole. llama.cpp's Python server says ``tool_calls`` of
    arguments that were cut off, too."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return 0 < error.pos == len(text)
    return False


def held(reply: Reply, call: Call) -> bool:
    """Whether an answer can be one of a server that heeds the mode it was asked in: one that ignores what it does not
    know answers in prose, or with other keys. Where the prompt holds the schema as well, nothing can be told."""
    if reply.text is None or reply.finish != "stop" or reply.mode in ("json_object", "json", "text"):
        return True
    schema = call.shape.wire if shape_of(reply.mode) == "wire" else call.shape.full
    known = schema.get("properties")
    try:
        value = orjson.loads(reply.text)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(known, Mapping) or not isinstance(value, dict):
        return not isinstance(known, Mapping)
    return set(schema.get("required") or ()) <= set(value) and bool(known.keys() & value.keys() or not known)


def _said(message: Mapping[str, Any], mode: Mode) -> str:
    """The text in a message or in a delta: the arguments of the tool that was asked for, or the content."""
    calls = message.get("tool_calls")
    return _text(calls[0]["function"].get("arguments") if calls and mode == "tools" else message.get("content"))


def _text(content: Any) -> str:
    """Content as text; some servers send it in parts, and some as the JSON value that it should be the text of."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, Mapping):
        return dump(content)
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _usage(usage: Mapping[str, Any] | None) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    cached = _tokens(usage.get("prompt_tokens_details"), "cached_tokens")
    thought = _tokens(usage.get("completion_tokens_details"), "reasoning_tokens")
    asked = _tokens(usage, "prompt_tokens")
    return Usage(asked, min(asked, cached), _tokens(usage, "completion_tokens"), thought)


def _tokens(usage: Any, name: str) -> int:
    """A count in the account of an answer; 0 where there is none, or no count. An answer is not lost for it."""
    count = usage.get(name) if isinstance(usage, dict) else None
    if type(count) is int:
        return count if count > 0 else 0
    return max(0, int(count)) if isinstance(count, (int, float)) and count - count == 0 else 0


def _logprobs(choice: Mapping[str, Any]) -> tuple[TokenLogprob, ...] | None:
    """The log-probabilities of an answer; None where there are none, or they are not to be understood."""
    try:
        found = (choice.get("logprobs") or {}).get("content")
        return None if found is None else tuple(TokenLogprob(_bytes(one), float(one["logprob"])) for one in found)
    except _MALFORMED:
        return None


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

    @property
    def finished(self) -> bool:
        """Whether the answer is whole; its account may still come."""
        return self._finish is not None or self._failure is not None

    def feed(self, data: bytes) -> str:
        """Raises `NotAnEvent`."""
        try:
            return self._take(orjson.loads(data))
        except _MALFORMED as error:
            raise NotAnEvent(data) from error

    def _take(self, event: Mapping[str, Any]) -> str:
        if event.get("error"):
            self._failure = said_no(status_in(event["error"]), event["error"], self._wire)
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
            return broken(self._wire, "the stream ended before the answer did")
        message = {"content": "".join(self._texts), "refusal": "".join(self._refusals)}
        logprobs = None if self._logprobs is None else tuple(self._logprobs)
        wire = self._wire
        reply = _reply(wire.mode, message, finish=self._finish, usage=self._usage, logprobs=logprobs, model=self._model)
        return reply
