"""Providers other than OpenAI, through ``instructor``: Anthropic, Google, and those that speak OpenAI's protocol.

instructor knows how each provider wants to be asked, and is asked for that alone. It makes one attempt (``max_retries``
is 0, and the SDKs are told to retry nothing), and the reply is taken from its ``completion:response`` hook before it
reads it: what it would think of the answer is not asked, because reading, repair, cost and ledger are ours. It is never
given a ``context``, with which it would render documents as templates, and never an exception of an SDK, which it would
write to its log with what the provider said.

A protocol is a `Way` (`anthropic`, `google`, `chat`); a provider is a row in `PROVIDERS`. Answers are not streamed:
instructor hands out no raw text while it comes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...call import Call, Failure, Mode, Reply, Shape
from ...catalogue import ModelFacts
from ...errors import ModelError
from ...jsontext import dump
from ..access import Access
from ..clients import Clients, no_answer
from ..wire import Refused, Wire
from .anthropic import MESSAGES
from .chat import CHAT, MISTRAL
from .google import GEMINI
from .ways import Client, Reached, Way, tool_name

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["PROVIDERS", "BridgedModel", "Provider", "open_bridged"]

_LONGEST = 600.0
"""Seconds that an answer may take where the caller sets no limit."""
_NO_KEY = "no-key"
"""Sent to servers that ask for no key: the SDKs want one."""


@dataclass(frozen=True)
class Provider:
    """How one provider is reached: the protocol, the `name` of how instructor asks it and the mode in which it does
    (`handler`), the variables that hold its key (none: it needs no key), its address, and the variable for another one.
    `path` is put behind an address that lacks it."""

    way: Way
    name: str
    keys: tuple[str, ...]
    variable: str
    address: str = ""
    handler: str = "TOOLS"
    path: str = ""


_GEMINI = Provider(
    GEMINI,
    "GENAI",
    keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    variable="GOOGLE_GEMINI_BASE_URL",
    address="https://generativelanguage.googleapis.com",
    handler="JSON",
)


def _chat(provider: str, address: str, *, way: Way = CHAT, name: str = "OPENAI", handler: str = "TOOLS") -> Provider:
    upper = provider.upper()
    return Provider(way, name, (f"{upper}_API_KEY",), f"{upper}_BASE_URL", address, handler)


PROVIDERS: Mapping[str, Provider] = {
    "anthropic": Provider(
        MESSAGES,
        "ANTHROPIC",
        keys=("ANTHROPIC_API_KEY",),
        variable="ANTHROPIC_BASE_URL",
        address="https://api.anthropic.com",
    ),
    "google": _GEMINI,
    "genai": _GEMINI,
    "generative-ai": _GEMINI,
    "mistral": _chat("mistral", "https://api.mistral.ai/v1", way=MISTRAL, name="MISTRAL"),
    "anyscale": _chat("anyscale", "https://api.endpoints.anyscale.com/v1"),
    "cerebras": _chat("cerebras", "https://api.cerebras.ai/v1"),
    "cohere": _chat("cohere", "https://api.cohere.ai/compatibility/v1"),
    "deepseek": _chat("deepseek", "https://api.deepseek.com"),
    "fireworks": _chat("fireworks", "https://api.fireworks.ai/inference/v1"),
    "groq": _chat("groq", "https://api.groq.com/openai/v1"),
    "openrouter": _chat("openrouter", "https://openrouter.ai/api/v1"),
    "perplexity": _chat("perplexity", "https://api.perplexity.ai", name="PERPLEXITY", handler="MD_JSON"),
    "together": _chat("together", "https://api.together.xyz/v1"),
    "xai": _chat("xai", "https://api.x.ai/v1"),
    "databricks": Provider(CHAT, "DATABRICKS", ("DATABRICKS_TOKEN",), "DATABRICKS_HOST", path="/serving-endpoints"),
    "ollama": Provider(CHAT, "OPENAI", (), "OLLAMA_BASE_URL", "http://localhost:11434/v1", handler="JSON_SCHEMA"),
}
"""Addresses are those of the providers' own documents, as instructor 1.17 has them where it has them."""


def open_bridged(facts: ModelFacts, access: Access) -> BridgedModel:
    """Opens a model of a bridged provider. Raises `ModelError` where a key, an address or a package is missing."""
    provider = PROVIDERS.get(facts.provider)
    if provider is None:
        raise ModelError(
            f"{facts.name}: the provider {facts.provider!r} is not reached yet.",
            fix="For a server that speaks OpenAI's protocol, use compatible/<name> with OPENAI_BASE_URL.",
        )
    _require(facts, provider.way)
    address = access.address(provider.variable) or provider.address
    if access.endpoints:
        message = f"`endpoints` of {facts.name} are not taken: it is asked through the provider's own package."
        raise ModelError(message, fix=f"Set {provider.variable} to the address, and {_keys(provider)} to the key.")
    if access.client is not None and not access.reach.everywhere:
        message = f"{facts.name} has a client of your own, which may go anywhere, and data may not (offline or hosts)."
        raise ModelError(message, fix="Leave the client out.")
    if not address and access.client is None:
        raise _missing(facts, "address", provider.variable)
    if provider.path and not address.rstrip("/").endswith(provider.path):
        address = address.rstrip("/") + provider.path
    access.reach.check(facts.name, address if access.client is None else _address_of(access.client) or address)
    if access.headers:
        message = f"{facts.name} takes no `extra_headers`: it is asked through the provider's own package."
        raise ModelError(message, fix="Leave them out, or pass a client that sends them.")
    key = next(filter(None, map(access.key, provider.keys)), None)
    own_server = urlsplit(address).hostname != urlsplit(provider.address).hostname
    if key is None and provider.keys and access.client is None and not own_server:
        raise _missing(facts, "key", " or ".join(provider.keys))
    if key is not None and not (key.isascii() and key.isprintable()):
        variables = " or ".join(provider.keys)
        raise ModelError(f"The key for {facts.name} holds characters that no key has.", fix=f"Check {variables}.")
    known = Wire(
        facts,
        facts.name.partition("/")[2],
        mode=provider.way.mode,
        key_variable=" or ".join(provider.keys),
        address_variables=provider.variable,
        secrets=(key,) if key else (),
    )
    return BridgedModel(known, provider, Reached(address, key or _NO_KEY, access.client, access.reach.everywhere))


def _keys(provider: Provider) -> str:
    return " or ".join(provider.keys) or "nothing"


def _address_of(client: Any) -> str:
    """The address of a client of the caller's own, where it tells one."""
    return str(getattr(client, "base_url", ""))


def _require(facts: ModelFacts, way: Way) -> None:
    for package in way.packages:
        try:
            there = find_spec(package) is not None
        except ModuleNotFoundError:  # the package that it would be in is not there
            there = False
        if not there:
            raise ModelError(
                f"{facts.name} needs the package {package}, which is not installed.",
                fix=f"Install it: pip install 'typed-extract[{way.extra}]'",
            )


def _missing(facts: ModelFacts, what: str, variable: str) -> ModelError:
    return ModelError(
        f"No {what} for {facts.name}: {variable} is not set.",
        fix=f"Set {variable}, or use --model rules, which needs no key and no network.",
    )


class BridgedModel:
    """A model behind instructor."""

    def __init__(self, known: Wire, provider: Provider, reached: Reached):
        self.name = known.facts.name
        self._wire, self._provider, self._way = known, provider, provider.way
        self._host = urlsplit(reached.address).netloc.rpartition("@")[2] or reached.address
        own = None if reached.client is None else provider.way.client(reached)
        self._clients = Clients(lambda: self._way.client(reached), own)
        self._shown: dict[str, tuple[type[BaseModel], Any]] = {}
        self._loaded = False

    @property
    def mode(self) -> Mode:
        return self._wire.mode

    async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
        seconds = timeout or _LONGEST
        try:
            if not self._loaded:
                await asyncio.to_thread(self._load)
            asked, client = self._way.asked(call, self._wire), await self._clients.of_this_loop()
            async with asyncio.timeout(seconds):
                came = await self._attempt(call, client, asked)
        except Refused as refused:
            return Reply(failure=refused.failure, mode=self.mode)
        except TimeoutError as error:
            came = _Failed(error)
        except Exception as error:  # noqa: BLE001  a setting of another kind, a package of another form
            came = _Failed(error, sent=False)
        if isinstance(came, _Failed):
            return Reply(failure=self._failure(came, seconds), mode=self.mode, endpoint=self._host)
        return replace(self._way.read(came, self._wire), endpoint=self._host)

    async def stream(self, call: Call, *, timeout: float | None = None) -> AsyncGenerator[str | Reply, None]:
        """One plain attempt, and its reply as the only item: instructor hands out no raw text while it comes."""
        yield await self.send(call, timeout=timeout)

    async def close(self) -> None:
        await self._clients.close()

    async def _attempt(self, call: Call, client: Client, asked: dict[str, Any]) -> Any:
        """What the one attempt brought: what the SDK gave, or a `_Failed`. Where instructor makes no request of what it
        is given, it raises why."""
        from instructor.core.hooks import Hooks

        create = self._way.create(client)
        taken: list[Any] = []

        async def once(**prepared: Any) -> Any:
            try:
                return await create(**prepared)
            except Exception as error:  # noqa: BLE001  instructor would log it; it is told apart by `_failure`
                return _Failed(error)

        def take(came: Any) -> None:
            taken.append(came)
            raise _Taken

        hooks = Hooks()
        hooks.on("completion:response", take)
        model, schema = self._answer(call)
        ours = {} if self._way.hands_schema else {"our_schema": schema}
        with suppress(_Taken):
            await self._patched(once)(response_model=model, max_retries=0, hooks=hooks, **asked, **ours)
        return taken[0]

    def _patched(self, create: Callable[..., Awaitable[Any]]) -> Any:
        """A call of an SDK with what instructor does before and after it."""
        import instructor

        mode, provider = instructor.Mode[self._provider.handler], instructor.Provider[self._provider.name]
        return instructor.patch(create=create, mode=mode, provider=provider)

    def _load(self) -> None:
        """Imports instructor and the SDK, which takes seconds: on a thread of its own, and before time is measured."""
        self._patched(_nothing)
        self._way.troubles()
        self._loaded = True

    def _answer(self, call: Call) -> tuple[type[BaseModel], Any]:
        """The model class that shows instructor our schema, and the schema; made once for each."""
        found = self._shown.get(call.shape.fingerprint)
        if found is None:
            if len(self._shown) >= _SHAPES:
                self._shown.clear()
            schema = _plain_schema(call.shape)
            shown = schema if self._way.hands_schema else {"type": "object", "properties": {}}
            found = self._shown[call.shape.fingerprint] = (_answer_model(tool_name(call), shown), schema)
        return found

    def _failure(self, failed: _Failed, seconds: float) -> Failure:
        error = failed.error
        if failed.sent and isinstance(error, (TimeoutError, *self._way.troubles())):
            return self._way.refused(error, self._wire) or no_answer(error, self._host, seconds, self._wire)
        # what went wrong before anything was sent may quote the document, so that only its kind is told
        message = f"{self.name}: the request could not be made ({type(error).__name__})."
        return Failure(
            "configuration", message, fix="Check the settings, and update instructor and the provider's package."
        )


_SHAPES = 256
"""So many schemas are kept ready; instructor keeps as many."""


async def _nothing(**asked: Any) -> None:
    """Stands for a call where instructor is only to be loaded."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """What an attempt raised, as a value, and whether the SDK had been asked to send something."""

    error: Exception
    sent: bool = True


class _Taken(BaseException):
    """Ends instructor's call when its hook has the reply. It is no `Exception`, which the hook would swallow."""


def _plain_schema(shape: Shape) -> Any:
    """The wire schema in values that every SDK can send: bounds are checked by us, so that a float does for them."""
    return json.loads(dump(shape.wire).encode("utf-8", "replace"))


def _answer_model(name: str, schema: Mapping[str, Any]) -> type[BaseModel]:
    """A class that is only asked for its name and its JSON schema. instructor wants a title, and writes into the
    schema."""
    from instructor import ResponseSchema

    def shown(cls: type[BaseModel], *_: Any, **__: Any) -> dict[str, Any]:
        return {"title": name, **schema}

    members = {"__module__": __name__, "model_json_schema": classmethod(shown)}
    made: Callable[..., type[BaseModel]] = type(ResponseSchema)
    return made(name, (ResponseSchema,), members)
