"""OpenAI, Azure OpenAI and every server that speaks their protocol, through the ``openai`` package.

The SDK gives what it knows: addresses, keys, Azure's deployments and tokens, the connections. It is told to retry
nothing and is handed bytes, so that no response model is built on the way; what the bytes mean is the work of `wire`,
and which client is used the work of `clients`. The SDK is imported when the first call is made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..call import Call, Mode, Reply
from ..catalogue import ModelFacts
from ..errors import ModelError
from . import wire
from .clients import Clients, http_client, no_answer
from .wire import Wire

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

__all__ = ["Access", "OpenAIModel", "open_azure", "open_compatible", "open_openai"]

_OPENAI = "https://api.openai.com/v1"
_NO_KEY = "no-key"
"""Sent to servers that ask for no key: the SDK wants one."""
_LONGEST = 600.0
"""Seconds that an answer may take where the caller sets no limit."""


@dataclass(frozen=True)
class Access:
    """How a model is reached: what the caller gave, and the environment that stands in for what was not given."""

    environ: Mapping[str, str] = field(repr=False)
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    client: Any = None

    def address(self, variable: str) -> str | None:
        """A web address, or None. Raises `ModelError` for what is none, and for one with a password in it."""
        address = self.base_url or self.environ.get(variable)
        if not address:
            return None
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ModelError(
                f"{variable} is not a web address: {parts.netloc.rpartition('@')[2] or address!r}.",
                fix="Write it whole, such as http://localhost:8000/v1.",
            )
        if parts.username or parts.password:
            raise ModelError(f"{variable} has a password in it.", fix="Give the server's secret as its key instead.")
        return address

    def key(self, variable: str) -> str | None:
        return self.api_key or self.environ.get(variable) or None


def open_openai(facts: ModelFacts, access: Access) -> OpenAIModel:
    """``openai/<model>``. A key may be missing only where the address is another than OpenAI's own."""
    address = access.address("OPENAI_BASE_URL") or _OPENAI
    key = access.key("OPENAI_API_KEY")
    if key is None and access.client is None and urlsplit(address).hostname == urlsplit(_OPENAI).hostname:
        raise _missing(facts.name, {"key": "OPENAI_API_KEY"})
    return OpenAIModel(_wire(facts, key), address, _openai_client(access, address, key), own=access.client)


def open_compatible(facts: ModelFacts, access: Access) -> OpenAIModel:
    """``compatible/<model>``: any server that speaks OpenAI's protocol, at OPENAI_BASE_URL."""
    address, key = access.address("OPENAI_BASE_URL"), access.key("OPENAI_API_KEY")
    if address is None and access.client is None:
        raise _missing(facts.name, {"address": "OPENAI_BASE_URL"})
    address = address or str(access.client.base_url)
    return OpenAIModel(_wire(facts, key), address, _openai_client(access, address, key), own=access.client)


def open_azure(facts: ModelFacts, access: Access) -> OpenAIModel:
    """``azure/<deployment>``, by key or by the token in AZURE_OPENAI_AD_TOKEN."""
    key, token = access.key("AZURE_OPENAI_API_KEY"), access.environ.get("AZURE_OPENAI_AD_TOKEN") or None
    address, version = access.address("AZURE_OPENAI_ENDPOINT"), access.environ.get("OPENAI_API_VERSION") or None
    needed = {
        "key": ("AZURE_OPENAI_API_KEY", key or token),
        "address": ("AZURE_OPENAI_ENDPOINT", address),
        "API version": ("OPENAI_API_VERSION", version),
    }
    missing = {what: variable for what, (variable, value) in needed.items() if not value}
    if missing and access.client is None:
        raise _missing(facts.name, missing)
    endpoint = address or str(access.client.base_url)

    def client() -> AsyncOpenAI:
        from openai import AsyncAzureOpenAI

        return AsyncAzureOpenAI(
            azure_endpoint=endpoint,
            api_version=version,
            api_key=key,
            azure_ad_token=None if key else token,
            max_retries=0,
            http_client=http_client(),
        )

    known = Wire(
        facts,
        facts.name.partition("/")[2],
        mode=_mode(facts),
        key_variable="AZURE_OPENAI_API_KEY",
        address_variables="AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION",
        secrets=tuple(secret for secret in (key, token) if secret),
    )
    return OpenAIModel(known, endpoint, client, path=f"/deployments/{known.model}/chat/completions", own=access.client)


def _wire(facts: ModelFacts, key: str | None) -> Wire:
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ModelError(f"The key for {facts.name} holds characters that no key has.", fix="Check OPENAI_API_KEY.")
    return Wire(facts, facts.name.partition("/")[2], mode=_mode(facts), secrets=(key,) if key else ())


def _mode(facts: ModelFacts) -> Mode:
    return "strict" if facts.structured else "json_schema"


def _missing(name: str, missing: Mapping[str, str]) -> ModelError:
    """One sentence for everything that is not set, and the way out that needs none of it."""
    whats, variables = _listed(list(missing)), _listed(list(missing.values()))
    verb = "is" if len(missing) == 1 else "are"
    return ModelError(
        f"No {whats} for {name}: {variables} {verb} not set.",
        fix=f"Set {variables}, or use --model rules, which needs no key and no network.",
    )


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _openai_client(access: Access, address: str, key: str | None) -> Callable[[], AsyncOpenAI]:
    def client() -> AsyncOpenAI:
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            api_key=key or _NO_KEY,
            base_url=address,
            organization=access.environ.get("OPENAI_ORG_ID"),
            project=access.environ.get("OPENAI_PROJECT_ID"),
            max_retries=0,
            http_client=http_client(),
        )

    return client


class OpenAIModel:
    """A model behind a chat endpoint."""

    def __init__(
        self,
        known: Wire,
        address: str,
        client: Callable[[], AsyncOpenAI],
        *,
        path: str = "/chat/completions",
        own: AsyncOpenAI | None = None,
    ):
        self.name = known.facts.name
        self._wire, self._path = known, path
        self._host = urlsplit(address).netloc.rpartition("@")[2] or address
        self._clients = Clients(client, own)

    @property
    def mode(self) -> Mode:
        return self._wire.mode

    async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
        try:
            content = wire.body(call, self._wire)
        except wire.Refused as refused:
            return Reply(failure=refused.failure, mode=self._wire.mode)
        from openai import APIError

        seconds = timeout or _LONGEST
        try:
            async with asyncio.timeout(seconds):
                response = await self._post(content)
        except (APIError, TimeoutError) as error:
            return self._failed(error, seconds)
        return wire.read(response.content, self._wire)

    async def stream(self, call: Call, *, timeout: float | None = None) -> AsyncGenerator[str | Reply, None]:
        try:
            content = wire.body(call, self._wire, stream=True)
        except wire.Refused as refused:
            yield Reply(failure=refused.failure, mode=self._wire.mode)
            return
        answer = wire.Assembly(self._wire)
        async with aclosing(self._events(content, answer, timeout or _LONGEST)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        await self._clients.close()

    async def _events(self, content: bytes, answer: wire.Assembly, seconds: float) -> AsyncGenerator[str | Reply, None]:
        """The pieces of text and then the reply. Time is measured around each wait, so that a slow reader costs
        none."""
        import httpx2
        from openai import APIError

        deadline = time.monotonic() + seconds
        response: httpx2.Response | None = None
        try:
            async with asyncio.timeout(seconds):
                response = await self._post(content, stream=True)
            lines = response.aiter_lines()
            while True:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    line = await anext(lines, None)
                if line is None or line == "data: [DONE]":
                    break
                if line.startswith("data:") and (text := answer.feed(line[5:].encode())):
                    yield text
            reply = answer.reply()
        except (APIError, TimeoutError, httpx2.HTTPError, wire.NotAnEvent) as error:
            reply = self._failed(error, seconds)
        finally:
            if response is not None:
                await response.aclose()
        yield reply

    async def _post(self, content: bytes, *, stream: bool = False) -> httpx2.Response:
        import httpx2
        from openai import AsyncStream

        client = await self._clients.of_this_loop()
        post: Any = client.post  # typed for parsed answers; asked for a raw response, it gives that
        response: httpx2.Response = await post(
            self._path,
            cast_to=httpx2.Response,
            content=content,
            options={"max_retries": 0},
            stream=stream,
            stream_cls=AsyncStream[Any] if stream else None,
        )
        return response

    def _failed(self, error: Exception, seconds: float) -> Reply:
        from openai import APIStatusError

        if isinstance(error, APIStatusError):
            answer = error.response
            failure = wire.failure_of(answer.status_code, answer.headers, answer.content, self._wire, now=time.time())
        else:
            failure = no_answer(error, self._host, seconds, self._wire)
        return Reply(failure=failure, mode=self._wire.mode)
