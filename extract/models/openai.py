"""OpenAI, Azure OpenAI and every server that speaks their protocol, through the ``openai`` package.

The SDK gives what it knows: addresses, keys, Azure's deployments and tokens, the connections. It is told to retry
nothing and is handed bytes, so that no response model is built on the way; what the bytes mean is the work of `wire`. A
client belongs to one event loop and to one process: there is one for each loop that asks, closed when its loop ends or
by `OpenAIModel.close`, and a forked process makes its own. The SDK is imported when the first call is made.
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..call import Call, Failure, FailureKind, Mode, Reply
from ..catalogue import ModelFacts
from ..errors import ModelError
from . import wire
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
_CONNECT = 15.0


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
            http_client=_http_client(),
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
            http_client=_http_client(),
        )

    return client


def _http_client() -> httpx2.AsyncClient:
    """aiohttp under the SDK's face: httpx's own pool slows down with the number of connections."""
    import httpx2
    from openai import DefaultAioHttpClient

    return DefaultAioHttpClient(timeout=httpx2.Timeout(None, connect=_CONNECT))


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
        self._clients = _Clients(client, own)

    @property
    def mode(self) -> Mode:
        return self._wire.mode

    async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
        try:
            content = await _body(call, self._wire)
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
            content = await _body(call, self._wire, stream=True)
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
            kind, sentence, fix = _no_answer(error, self._host, seconds)
            failure = Failure(kind, f"{self.name}: {sentence}", fix=fix.format(self._wire.address_variables))
        return Reply(failure=failure, mode=self._wire.mode)


async def _body(call: Call, known: Wire, *, stream: bool = False) -> bytes:
    """The request's body; with images or files made on a thread, because scaling and encoding them takes time."""
    if any(part.data for part in call.inputs):
        return await asyncio.to_thread(wire.body, call, known, stream=stream)
    return wire.body(call, known, stream=stream)


class _Clients:
    """The clients of a model: one for each event loop of this process, or the caller's own for all of them."""

    def __init__(self, make: Callable[[], AsyncOpenAI], own: AsyncOpenAI | None):
        self._make, self._own = make, own
        self._pid = os.getpid()
        self._open: dict[asyncio.AbstractEventLoop, tuple[AsyncOpenAI, AsyncGenerator[None, None]]] = {}
        # A parent's clients are kept and not touched: to let go of one closes its sockets, in an epoll that both share.
        self._inherited: list[object] = []

    async def of_this_loop(self) -> AsyncOpenAI:
        if self._own is not None:
            return self._own
        if self._pid != os.getpid():
            self._inherited.append(self._open)
            self._pid, self._open = os.getpid(), {}
        loop = asyncio.get_running_loop()
        found = self._open.get(loop)
        if found is None:
            for ended in [one for one in list(self._open) if one.is_closed()]:
                self._open.pop(ended, None)
            client = self._make()
            keeper = _until_the_loop_ends(client)
            await anext(keeper)
            found = self._open[loop] = (client, keeper)
            weakref.finalize(self, _close_on, loop, keeper, os.getpid()).atexit = False
        return found[0]

    async def close(self) -> None:
        found = self._open.pop(asyncio.get_running_loop(), None)
        if found is not None and self._pid == os.getpid():
            await found[1].aclose()


def _close_on(loop: asyncio.AbstractEventLoop, keeper: AsyncGenerator[None, None], pid: int) -> None:
    """Closes a client whose model nobody has any more; it is kept until then, so that the collector, which knows no
    order, finds no open connections."""
    if pid == os.getpid() and not loop.is_closed():
        with suppress(RuntimeError):  # the loop may end in this moment, and closes the client then itself
            asyncio.run_coroutine_threadsafe(keeper.aclose(), loop)


async def _until_the_loop_ends(client: AsyncOpenAI) -> AsyncGenerator[None, None]:
    """Closes the client when it is closed itself, which an event loop does for every generator before it ends."""
    try:
        yield
    finally:
        await client.close()


def _no_answer(error: BaseException, host: str, seconds: float) -> tuple[FailureKind, str, str]:
    """Why no answer came: the kind, a sentence and the remedy.

    It is told by the innermost error that says it, because the SDK calls every cut connection a timeout.
    """
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    for kinds, kind, sentence, fix in _reasons():
        if any(isinstance(cause, kinds) for cause in causes):
            return kind, sentence.format(host=host, seconds=f"{seconds:g}"), fix
    return "transport", f"the connection to {host} failed ({type(causes[-1]).__name__}).", ""


@cache
def _reasons() -> tuple[tuple[tuple[type[BaseException], ...], FailureKind, str, str], ...]:
    """Errors of the two HTTP libraries, the special ones first."""
    import aiohttp
    import httpx2

    certificate = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError)
    unreached = (aiohttp.ClientConnectorError, ConnectionRefusedError, httpx2.ConnectError)
    cut = (aiohttp.ClientError, ConnectionError, httpx2.NetworkError, httpx2.ProtocolError)
    late = (TimeoutError, httpx2.TimeoutException)
    look = "Check {} and the network."
    return (
        (certificate, "configuration", "the certificate of {host} was not accepted.", "Check {}."),
        ((aiohttp.ClientConnectorDNSError,), "transport", "there is no host {host}.", look),
        ((aiohttp.ServerTimeoutError,), "transport", f"{{host}} took no connection in {_CONNECT:g} seconds.", look),
        (unreached, "transport", "there is no server at {host}.", look),
        (cut, "transport", "{host} cut the connection.", ""),
        (late, "transport", "no whole answer came from {host} in {seconds} seconds.", ""),
        ((wire.NotAnEvent,), "transport", "what {host} sent is not a stream of chat events.", ""),
    )
