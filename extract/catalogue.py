"""What is known of each model, as values: what it takes, what it can do, what it costs, and where that is from.

Nothing in the code asks which provider a model belongs to in order to know what it can do: it asks the `ModelFacts`. A
`Catalogue` finds the facts by name, counts what a call cost, and turns into plain JSON values and back, so that a run
can keep the facts that it was started with. Names that are not known are treated by provider: under ``openai/`` they
are errors with the nearest name, under all other providers they are taken on trust and `ModelFacts.warning` says what
was assumed. Reading the file that the facts are kept in is the work of `models`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Literal

from .call import Mode, Usage
from .endpoints import Endpoint
from .errors import ModelError
from .image_rules import ImageRule, rule_from_plain
from .settings import OPENAI_PARAMETERS

__all__ = ["BRIDGED", "MODES", "Catalogue", "Input", "ModelFacts", "Price", "provider_of"]

Input = Literal["text", "image", "file"]

MODES: tuple[Mode, ...] = ("strict", "tools", "json_schema", "json_object", "json", "text")
"""The ways to ask for a schema, from the one that enforces most; what an unknown server is tried with, in order."""

_SAMPLING = ("max_tokens", "stop", "temperature", "top_p")
_PENALTIES = ("frequency_penalty", "presence_penalty", "seed")

BRIDGED: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("max_tokens", "stop"),
    **dict.fromkeys(("genai", "generative-ai", "google"), (*_SAMPLING, *_PENALTIES, "top_k")),
    "mistral": (*_SAMPLING, *_PENALTIES),
    **dict.fromkeys(
        (
            *("anyscale", "bedrock", "cerebras", "cohere", "databricks", "deepseek", "fireworks", "groq", "litellm"),
            *("ollama", "openrouter", "perplexity", "together", "vertexai", "writer", "xai"),
        ),
        OPENAI_PARAMETERS,
    ),
}
"""Providers that instructor knows, and the settings that their protocol takes, by OpenAI's names where it has one."""

_READ_FILES = ("anthropic", "genai", "generative-ai", "google")
"""Bridged providers whose protocol carries files."""

_OPEN = ("azure", "compatible")
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Price:
    """List prices in US dollars per million tokens. `cached` is for input that the provider had in its cache (None: as
    any other input), `batch` the prices of its batch endpoint (None: it has none)."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    batch: Price | None = None

    def of(self, usage: Usage) -> Decimal:
        """What these tokens cost, in US dollars."""
        cached = self.input if self.cached is None else self.cached
        fresh = usage.input - usage.cached
        return (fresh * self.input + usage.cached * cached + usage.output * self.output) / _MILLION

    def plain(self) -> dict[str, Any]:
        return {
            "input": str(self.input),
            "output": str(self.output),
            "cached": None if self.cached is None else str(self.cached),
            "batch": None if self.batch is None else self.batch.plain(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Price:
        cached, batch = plain.get("cached"), plain.get("batch")
        return cls(
            input=Decimal(plain["input"]),
            output=Decimal(plain["output"]),
            cached=None if cached is None else Decimal(cached),
            batch=None if batch is None else cls.from_plain(batch),
        )


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model. `context` and `max_output` are in tokens (None: not known, or no limit); `modes` are the ways in which
    it can be asked for a schema, in the order in which they are tried; `logprobs` says whether it can give
    log-probabilities, `asks_again` whether asking a second time can give another answer; `parameters` are the settings
    that it takes; `images` is the rule by which it sees and counts images; `most_images`, `most_file_bytes` (of all
    files together) and `most_bytes` are what one request may carry; `source` and `date` (ISO 8601) say where and when
    the facts were found; `warning` is for the user and names what was assumed."""

    name: str
    provider: str
    context: int | None = None
    max_output: int | None = None
    inputs: tuple[Input, ...] = ("text",)
    images: ImageRule | None = None
    most_images: int | None = None
    most_file_bytes: int | None = None
    most_bytes: int | None = None
    modes: tuple[Mode, ...] = ("strict",)
    tools: bool = False
    logprobs: bool = False
    parameters: tuple[str, ...] = ()
    asks_again: bool = True
    price: Price | None = None
    tokenizer: str = ""
    source: str = ""
    date: str = ""
    warning: str = ""

    @property
    def strict(self) -> bool:
        """Whether it is first asked in a mode that holds the answer to the schema."""
        return self.modes[0] in ("strict", "tools")

    def cost(self, usage: Usage, *, batch: bool = False) -> Decimal | None:
        """What these tokens cost at list prices, in US dollars; None where the price is not known."""
        price = self.price.batch if self.price and batch else self.price
        return None if price is None else price.of(usage)

    def plain(self) -> dict[str, Any]:
        """JSON values; `from_plain` is the inverse."""
        plain: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        plain |= {name: list(plain[name]) for name in _TUPLES}
        plain["price"] = None if self.price is None else self.price.plain()
        plain["images"] = None if self.images is None else self.images.plain()
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ModelFacts:
        price, images = plain.get("price"), plain.get("images")
        return cls(
            **{
                **plain,
                "images": None if images is None else rule_from_plain(images),
                **{name: tuple(plain[name]) for name in _TUPLES if name in plain},
                "price": None if price is None else Price.from_plain(price),
            }
        )


_TUPLES = ("inputs", "modes", "parameters")


@dataclass(frozen=True)
class Catalogue(Mapping[str, ModelFacts]):
    """Models by name, and the endpoints of those that have some of their own. As a mapping it holds the declared ones;
    `facts` also answers for names that it can only assume."""

    models: Mapping[str, ModelFacts] = field(default_factory=dict)
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ModelFacts:
        return self.models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def __or__(self, other: Catalogue) -> Catalogue:
        """Both; where both know a name, `other` is right."""
        return Catalogue({**self.models, **other.models}, {**self.endpoints, **other.endpoints})

    def facts(self, name: str) -> ModelFacts:
        """What is known or assumed of a model. Raises `ModelError` for a name that cannot be meant."""
        known = self.models.get(name)
        if known is not None:
            return known
        provider, model = provider_of(name), name.partition("/")[2]
        if provider in BRIDGED and model:
            return _assumed_bridged(name, provider)
        if provider not in _OPEN or not model:
            raise self._unknown(name)
        twin = self.models.get(f"openai/{model}") if provider == "azure" else None
        return replace(twin, name=name, provider=provider) if twin else _assumed(name, provider)

    def cost(self, facts: ModelFacts, usage: Usage, *, batch: bool = False) -> Decimal | None:
        """What a call cost at list prices, in US dollars; None where the price is not known."""
        return facts.cost(usage, batch=batch)

    def plain(self) -> dict[str, Any]:
        """JSON values; `from_plain` is the inverse."""
        return {name: facts.plain() for name, facts in self.models.items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Mapping[str, Any]]) -> Catalogue:
        """From JSON values. An entry may say ``same_as``: the name of another one that it takes its facts from."""
        return cls({name: ModelFacts.from_plain(_resolved(name, plain)) for name in plain})

    def _unknown(self, name: str) -> ModelError:
        if "/" not in name:
            guess = [one for one in self.models if one == f"openai/{name}"] or get_close_matches(name, self.models, 1)
            return ModelError(f"{name!r} is not the name of a model: it names no provider.", fix=_meant(guess))
        provider = name.partition("/")[0]
        if provider == "openai":
            known = [one.removeprefix("openai/") for one in self.models if one.startswith("openai/")]
            guess = get_close_matches(name.removeprefix("openai/"), known, 1, 0.5)
            fix = f"Did you mean openai/{guess[0]}?" if guess else "A model of another server is compatible/<name>."
            return ModelError(f"There is no model {name} in the catalogue.", fix=fix)
        if provider in (*_OPEN, *BRIDGED):
            return ModelError(f"{name!r} names no model.", fix=f"Write {provider}/<name>.")
        providers = ["openai", *_OPEN, *sorted(BRIDGED)]
        guess = [f"{one}{name[len(provider) :]}" for one in get_close_matches(provider, providers, 1)]
        return ModelError(f"{name} has a provider that is not known: {provider!r}.", fix=_meant(guess))


def provider_of(name: str) -> str:
    """The provider in a model's name; the built-in models are providers of themselves."""
    return name.partition("/")[0]


def _meant(guesses: list[str]) -> str:
    if guesses:
        return f"Did you mean {guesses[0]}?"
    return "Write provider/model, such as openai/gpt-4o-mini, azure/<deployment> or compatible/<name>, or write rules."


def _assumed(name: str, provider: str) -> ModelFacts:
    return ModelFacts(
        name=name,
        provider=provider,
        inputs=("text", "image"),
        modes=MODES,
        tools=True,
        logprobs=True,
        parameters=OPENAI_PARAMETERS,
        warning=f"{name} is not in the catalogue: its price and its limits are not known, and it is taken to do what"
        " GPT-4o mini does, until it refuses.",
    )


def _assumed_bridged(name: str, provider: str) -> ModelFacts:
    return ModelFacts(
        name=name,
        provider=provider,
        inputs=("text", "image", "file") if provider in _READ_FILES else ("text", "image"),
        modes=("tools",),
        tools=True,
        parameters=BRIDGED[provider],
        warning=f"{name} is not in the catalogue: its price and its limits are not known, and it is not taken to hold"
        " to strict schemas: what it answers is checked here.",
    )


def _resolved(name: str, plain: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    entry = dict(plain[name])
    other = entry.pop("same_as", None)
    found = {**(_resolved(other, plain) if other else {}), **entry}
    return {**found, "name": name, "provider": provider_of(name)}
