"""An answer in OpenAI's wire form: the body of a chat completion, and the events of a streamed one.

Where an answer does not say what its tokens are, they are pieces of four bytes, which fall inside characters now and
then as real ones do; their log-probabilities are made up, always the same, and fit the length of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import orjson

from ..call import Usage
from .script import Answer, FaultKind, Request, text_of

__all__ = ["DAMAGE", "Completion", "counted"]

_TOKEN = 4
_CREATED = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer to one request. `tool` is the name of the tool that the answer goes to, or empty."""

    id: str
    model: str
    answer: Answer
    usage: Usage
    logprobs: bool = False
    tool: str = ""

    def body(self) -> dict[str, Any]:
        """The body of the response."""
        answer = self.answer
        message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": answer.refusal}
        if answer.refusal is not None or self.tool:
            message["content"] = None
        if self.tool:
            function = {"name": self.tool, "arguments": answer.text}
            message["tool_calls"] = [{"id": "call_0", "type": "function", "function": function}]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": self._logprobs(self._tokens(answer.text)),
            "finish_reason": answer.finish,
        }
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    def events(self, with_usage: bool) -> Iterator[dict[str, Any]]:
        """The events of a stream: the role, the pieces, the end, and the usage where it was asked for."""
        yield self._event({"role": "assistant", "content": "", "refusal": None})
        text = self.answer.refusal if self.answer.refusal is not None else self.answer.text
        tokens = None if self.answer.logprobs is None else self._tokens(text)
        for piece, own in zip_longest(_pieces(text), tokens or (), fillvalue=None):
            held = self._tokens(piece or "") if tokens is None else [] if own is None else [own]
            yield self._event(self._delta(piece or ""), logprobs=self._logprobs(held))
        yield self._event({}, finish=self.answer.finish)
        if with_usage:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()}

    def _delta(self, piece: str) -> dict[str, Any]:
        if self.answer.refusal is not None:
            return {"refusal": piece}
        if self.tool:
            return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        return {"content": piece}

    def _event(self, delta: Mapping[str, Any], *, finish: str | None = None, logprobs: Any = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": _CREATED,
            "model": self.model,
            "system_fingerprint": "fp_fake",
        }

    def _usage(self) -> dict[str, Any]:
        usage = self.usage
        return {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
        }

    def _tokens(self, text: str) -> list[tuple[bytes, float]]:
        if self.answer.logprobs is not None:
            given = self.answer.logprobs
            return [(one.encode() if isinstance(one, str) else one, logprob) for one, logprob in given]
        data = text.encode()
        tokens = [data[start : start + _TOKEN] for start in range(0, len(data), _TOKEN)]
        return [(token, -(token[0] % 16) / 64) for token in tokens]

    def _logprobs(self, tokens: list[tuple[bytes, float]]) -> dict[str, Any] | None:
        return {"content": [_logprob(*one) for one in tokens], "refusal": None} if self.logprobs else None


def _logprob(token: bytes, logprob: float) -> dict[str, Any]:
    text = token.decode("utf-8", "replace")
    return {"token": text, "bytes": list(token), "logprob": logprob, "top_logprobs": []}


def _pieces(text: str) -> Iterator[str]:
    """Pieces of about a token's length, each of whole characters, as the wire sends them."""
    yield from (text[start : start + _TOKEN] for start in range(0, len(text), _TOKEN))


def counted(request: Request, answer: Answer) -> Usage:
    """Tokens as a quarter of the bytes, rounded up: near enough, and the same on every machine."""
    asked = sum(len(text_of(message).encode()) for message in request.body["messages"])
    schema = request.schema
    asked += 0 if schema is None else len(orjson.dumps(schema))
    said = len((answer.refusal or answer.text).encode())
    return Usage(-(-asked // _TOKEN), answer.cached, -(-said // _TOKEN) + answer.reasoning, answer.reasoning)


def _malformed(answer: Answer) -> Answer:
    """JSON with its last bracket lost and a comma too many, after a word of politeness."""
    return replace(answer, text=f"Here is the record: {answer.text[:-1]},")


def _half(answer: Answer) -> str:
    return answer.text[: len(answer.text) // 2]


DAMAGE: Mapping[FaultKind, Callable[[Answer], Answer]] = {
    "malformed": _malformed,
    "truncated": lambda answer: replace(answer, text=_half(answer), finish="length"),
    "filtered": lambda answer: replace(answer, text=_half(answer), finish="content_filter"),
    "refusal": lambda answer: replace(answer, text="", refusal="I'm sorry, but I can't help with that."),
}
"""What the faults that spoil an answer make of it."""
