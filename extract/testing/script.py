"""What the fake server says: answers, faults, and where they come from.

A script is a list that is used up in order, or a function of the request, such as gold records (`gold`). Chance is
decided by a hash of the seed and the request, and by how often the same request came before: it does not depend on the
order in which requests arrive.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ..call import Mode, Usage
from ..jsontext import dump
from ..models.careful import careful

__all__ = ["Answer", "Chance", "Fault", "FaultKind", "Request", "Said", "text_of"]

FaultKind = Literal[
    "rate_limit", "quota", "server_error", "overloaded", "cut", "cut_body", "hang", "garbage",
    "malformed", "truncated", "refusal", "filter", "filtered",
]  # fmt: skip
"""``rate_limit`` 429, ``quota`` 429 for want of credit, ``server_error`` 500, ``overloaded`` 503, ``cut`` the
connection closes without an answer, ``cut_body`` in the middle of one, ``hang`` nothing comes, ``garbage`` a body that
is not JSON; ``malformed`` an answer whose JSON is broken, ``truncated`` one that stops half-way for its length,
``refusal`` a refusal, ``filter`` a request that the content filter takes (400), ``filtered`` an answer that it
stops."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong. `retry_after` (seconds) is sent along with a 429 and a 503, to the millisecond."""

    kind: FaultKind
    retry_after: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says. `usage` is counted from the bytes where it is not given, `cached` is the part of its input
    that was cached, `reasoning` are tokens of thought. `delay` is in seconds. `logprobs` are the tokens of the answer
    with their log-probabilities, for requests that ask for them; where they are not given they are made up."""

    text: str = ""
    refusal: str | None = None
    finish: Literal["stop", "length", "content_filter"] = "stop"
    usage: Usage | None = None
    cached: int = 0
    reasoning: int = 0
    delay: float = 0.0
    logprobs: Sequence[tuple[bytes | str, float]] | None = None


@dataclass(frozen=True)
class Request:
    """A request as it came. `body` is its JSON, or None where it was none."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)
    raw: bytes = field(default=b"", repr=False)
    query: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def prompt(self) -> str:
        """The text of all messages."""
        return "\n".join(text_of(message) for message in self.body["messages"])

    @cached_property
    def document(self) -> str:
        """The text of the user's messages: the document, and the examples before it."""
        return "\n".join(text_of(message) for message in self.body["messages"] if message["role"] == "user")

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON schema that the answer must have, or None."""
        return self._asked.get("schema") or self._asked.get("parameters")

    def asks_for(self, wire: Mapping[str, Any]) -> bool:
        """Whether the answer must have this schema, as it is asked for or as it stands in the prompt."""
        if self.schema is None:
            return dump(wire) in self.prompt
        return self.schema == wire or self.schema == careful(wire)

    @property
    def strict(self) -> bool:
        """Whether the schema was asked for strictly."""
        return bool(self._asked.get("strict"))

    @property
    def mode(self) -> Mode:
        """How the schema is asked for."""
        if self.body.get("tools"):
            return "tools"
        asked = self.body.get("response_format") or {}
        if asked.get("type") == "json_schema":
            return "strict" if self.strict else "json_schema"
        return "text" if asked.get("type") != "json_object" else "json_object" if "schema" in asked else "json"

    @property
    def tool(self) -> str:
        """The name of the tool that the answer must go to, or empty."""
        return self._asked["name"] if self.body.get("tools") else ""

    @cached_property
    def _asked(self) -> Mapping[str, Any]:
        tools, asked = self.body.get("tools"), self.body.get("response_format") or {}
        beside = asked if asked.get("type") == "json_object" else {}
        return tools[0]["function"] if tools else asked.get("json_schema") or beside


def text_of(message: Mapping[str, Any]) -> str:
    """The text of one message."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part.get("type") == "text")
    return content or ""


Said = Answer | Fault | str | Mapping[str, Any] | list[Any] | None
"""What a script may hold: an answer, a fault, a text, or a JSON value. None, from a function, leaves the request to the
next source."""


@dataclass(frozen=True)
class Chance:
    """Faults by chance: `rates` gives each kind's probability. The same seed gives each request the same fate."""

    rates: Mapping[FaultKind, float]
    seed: int = 0
    retry_after: float | None = None
    _seen: Counter[bytes] = field(default_factory=Counter, repr=False)

    def __call__(self, request: Request) -> Fault | None:
        digest = hashlib.blake2b(request.raw, digest_size=16).digest()
        self._seen[digest] += 1
        dice = hashlib.blake2b(digest + f"{self.seed} {self._seen[digest]}".encode(), digest_size=8).digest()
        drawn = int.from_bytes(dice, "big") / 2**64
        for kind, rate in self.rates.items():
            if drawn < rate:
                return Fault(kind, retry_after=self.retry_after)
            drawn -= rate
        return None
