"""One request to a model and what came back, as values.

A `Call` says what is asked, not how a wire spells it: model, attempt, instructions, examples, inputs, schema, settings
and, in a repair, what failed. Two calls with the same meaning have the same `key` on every machine and in every
process; the ledger, the batch engine and a resumed run all know a call by it. A `Reply` is an answer, a refusal or a
failure, and never an exception: a task decides what each of them means.

Nothing here touches a clock, a network or a provider's types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from .frozen import computed, quick
from .jsontext import canonical, digest

__all__ = [
    "Asked",
    "Call",
    "Example",
    "Failed",
    "Failure",
    "FailureKind",
    "Mode",
    "Part",
    "Reply",
    "Shape",
    "Target",
    "TokenLogprob",
    "Usage",
]

Mode = Literal["strict", "tools", "json_schema", "json_object", "json", "text"]
"""How the schema was asked for: strict JSON schema, strict tool, plain JSON schema, JSON mode with the schema beside
it (as llama.cpp's Python server takes it), JSON mode with the schema in the prompt, or in the prompt only."""

Asked = Literal["whole", "changes", "rest"]
"""What the answer to a call is: see `Call`."""

FailureKind = Literal["transport", "configuration", "filter", "document"]
"""Why there is no answer. ``transport``: it never came, later it may (cut, timeout, 429, 5xx). ``configuration``: every
request like it will fail (key, model, parameter). ``filter``: the provider's content filter took the request.
``document``: the model does not take this document (too long, a kind that it cannot read); others may do."""


@quick
@dataclass(frozen=True)
class Part:
    """One input of a call: text, an image or a file.

    Text is carried as `text`; images and files are meant by their `digest` (SHA-256 in hexadecimal), and `data` only
    travels along so that it can be sent: it takes no part in comparison, in the key or in what is stored. Neither do
    the `pages` of a file, by which it is counted (0: not known).
    """

    kind: Literal["text", "value", "image", "file"]
    name: str
    text: str = ""
    digest: str = ""
    media_type: str = ""
    data: bytes = field(default=b"", repr=False, compare=False)
    pages: int = field(default=0, compare=False)

    @computed
    def meant(self) -> str:
        """What the part is known by: texts are long, and are known by their digests as well."""
        return self.digest or digest(self.text.encode("utf-8", "surrogatepass"))

    def plain(self) -> list[str]:
        """What the part means, for a key."""
        return [self.kind, self.name, self.meant, self.media_type]


@dataclass(frozen=True)
class Shape:
    """The schema of a call as plain values: its name, the user's full JSON Schema and the strict wire schema."""

    name: str
    full: Mapping[str, Any] = field(repr=False)
    wire: Mapping[str, Any] = field(repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Without what a wire keeps, which may be of a kind that no other process takes."""
        return {"name": self.name, "full": self.full, "wire": self.wire}

    @cached_property
    def length(self) -> int:
        """The characters of the wire schema, which each request carries."""
        return len(canonical(self.wire))

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What a wire makes of the schema, kept by whatever it likes to call it: it is the same for each request."""
        return {}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the three, computed once: schemas are large and calls are many."""
        return digest(canonical([self.name, self.full, self.wire]))


@dataclass(frozen=True, slots=True)
class Target:
    """How an answer names a place that it changes: a path in which ``*`` stands for an index or a key, and which ones
    (`at`); the ones that are missing at its end are the model's to say. `about` are the words of the schema for it."""

    path: str
    at: tuple[str | int, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """What a repair asks for again: where, the value that failed (JSON), and the complaint in plain words; where single
    places are asked for, how the answer names them."""

    pointer: str
    value: Any
    message: str
    targets: tuple[Target, ...] = ()

    def plain(self) -> list[Any]:
        plain = [self.pointer, self.value, self.message]
        return [*plain, [[one.path, one.at, one.about] for one in self.targets]] if self.targets else plain


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example: an input's text and its record, in the user's shape and in the wire's."""

    text: str
    value: Any
    wire: Any

    def plain(self) -> list[Any]:
        return [self.text, self.value]


@quick
@dataclass(frozen=True)
class Call:
    """One frozen request. `attempt` counts from 1 over the whole task; it is in the key and is never rendered.

    `settings` are sampling parameters by their OpenAI names, and `date_order` for the rule reader. `ask` says what the
    answer is: a ``whole`` record, the ``changes`` of single places of one, or the ``rest`` of one whose answer was cut
    off. In a repair, `failed` says what is asked for again, and `answer`, where the whole is, the text of the model's
    last answer (None if another model gave it); of what was asked before, nothing else is shown.
    """

    model: str
    attempt: int
    instructions: str
    inputs: tuple[Part, ...]
    shape: Shape
    examples: tuple[Example, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    answer: str | None = None
    failed: tuple[Failed, ...] = ()
    ask: Asked = "whole"

    @computed
    def length(self) -> int:
        """The characters of what is asked, but for what failed and for examples."""
        return sum(len(part.text) for part in self.inputs) + len(self.instructions) + self.shape.length

    @computed
    def key(self) -> str:
        """SHA-256 of the call's canonical JSON, in hexadecimal."""
        meant = {
            "model": self.model,
            "attempt": self.attempt,
            "instructions": self.instructions,
            "inputs": [part.plain() for part in self.inputs],
            "shape": self.shape.fingerprint,
            "examples": [one.plain() for one in self.examples],
            "settings": self.settings,
            "answer": self.answer,
            "failed": [one.plain() for one in self.failed],
        }
        return digest(canonical(meant if self.ask == "whole" else {**meant, "ask": self.ask}))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or of many calls, as the provider counts them. `cached` is the part of `input` that was cached,
    `reasoning` the part of `output` that was thought and not said."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why no answer came. `status` is the HTTP status (0: no response), `retry_after` the seconds the server asked to
    wait, `sent` whether the request had been taken and its answer was lost, so that the provider may charge for it.
    """

    kind: FailureKind
    message: str
    status: int = 0
    code: str = ""
    retry_after: float | None = None
    fix: str = ""
    sent: bool = False


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token of the answer: its bytes and the natural logarithm of its probability. The bytes of all tokens in order
    are those of the answer, so a token stands where the ones before it end. It may end inside a character."""

    bytes: bytes
    logprob: float


@quick
@dataclass(frozen=True)
class Reply:
    """What came back for a call: `text`, a `refusal`, or a `failure`; exactly one of the three is set.

    `mode` is how the schema was asked for, so that the text is read in the shape that was asked. `finish` is ``stop``,
    ``length`` or ``filter``. `confidence` maps JSON pointers in the user's value to a number from 0 to 1, from models
    that know it themselves; from `logprobs`, the room `confidence` makes it. `model` is the name that the provider
    reports, `endpoint` the host that answered; `estimated` says that the provider did not report the usage, and it is
    an estimate; `batch` that it came through the provider's batch endpoint, which has prices of its own.
    """

    text: str | None = None
    refusal: str | None = None
    failure: Failure | None = None
    mode: Mode = "strict"
    finish: Literal["stop", "length", "filter"] = "stop"
    usage: Usage = field(default_factory=Usage)
    confidence: Mapping[str, float] | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    model: str = ""
    endpoint: str = ""
    estimated: bool = False
    batch: bool = False

    @property
    def paid(self) -> bool:
        """Whether the provider may charge for it. Only paid replies are recorded and replayed."""
        return self.failure is None

    @property
    def outcome(self) -> str:
        """What it amounts to: ``refusal``, how an answer ended, or the kind of failure."""
        return self.failure.kind if self.failure else "refusal" if self.refusal is not None else self.finish

    def plain(self) -> dict[str, Any]:
        """A paid reply as JSON values; `Reply.from_plain` is the inverse."""
        return {
            "text": self.text,
            "refusal": self.refusal,
            "mode": self.mode,
            "finish": self.finish,
            "usage": [self.usage.input, self.usage.cached, self.usage.output, self.usage.reasoning],
            "confidence": None if self.confidence is None else dict(self.confidence),
            "logprobs": None if self.logprobs is None else [[t.bytes.hex(), t.logprob] for t in self.logprobs],
            "model": self.model,
            "endpoint": self.endpoint,
            **({"estimated": True} if self.estimated else {}),
            **({"batch": True} if self.batch else {}),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Reply:
        logprobs = plain["logprobs"]
        names = ("text", "refusal", "mode", "finish", "confidence", "model", "endpoint", "estimated", "batch")
        reply = cls(**{name: plain[name] for name in names if name in plain})
        return replace(
            reply,
            usage=Usage(*plain["usage"]),
            logprobs=None if logprobs is None else tuple(TokenLogprob(bytes.fromhex(b), p) for b, p in logprobs),
        )
