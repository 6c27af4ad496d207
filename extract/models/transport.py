"""How the bytes of a request get to a server and the answer's back: directly, or through a client of the caller's own.

`Direct` speaks HTTP through aiohttp (`connections`), one pool of connections for each event loop, with nothing on the
way that a call does not need: no objects of an SDK, no cookies, no redirects.
`Through` uses an ``AsyncOpenAI`` or ``AsyncAzureOpenAI`` that the caller made, with its own proxy, transport, tokens
and headers, as it is, and never closes it. Both raise `NoAnswer` for what keeps an answer from coming.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

from .clients import Clients
from .connections import Connections

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["Answer", "Direct", "NoAnswer", "Through", "Transport", "proxy_for"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, its headers (found by names in small letters), and its body, empty while it streams."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class NoAnswer(Exception):
    """No whole answer came; `__cause__` is the library's error that says why."""


class Transport(Protocol):
    """Carries one request. Raises `NoAnswer`."""

    async def post(self, body: bytes, seconds: float) -> Answer:
        """The whole response, within so many seconds."""
        ...

    def stream(self, body: bytes, seconds: float) -> AsyncGenerator[Answer | bytes, None]:
        """The response's head, then its lines without their ends; of one that is no success, the whole at once. Time is
        measured around each wait, so that a slow reader costs none."""
        ...

    async def close(self) -> None:
        """Closes what the running event loop holds open."""
        ...


class Direct:
    """Posts to one address, with the same headers each time."""

    def __init__(self, url: str, headers: Mapping[str, str], proxy: str | None = None):
        self._url, self._proxy = url, proxy
        self._headers = {"Content-Type": "application/json", "User-Agent": _agent(), **headers}
        self._clients: Clients[Connections] = Clients(self._open, None)

    async def post(self, body: bytes, seconds: float) -> Answer:
        client = await self._clients.of_this_loop()
        try:
            return Answer(*await client.answer(body, seconds))
        except client.errors as error:
            raise NoAnswer from error

    async def stream(self, body: bytes, seconds: float) -> AsyncGenerator[Answer | bytes, None]:
        client = await self._clients.of_this_loop()
        clock = _Clock(seconds)
        try:
            async with clock.left():
                response = await client.opened(body)
        except client.errors as error:
            raise NoAnswer from error
        try:
            if not 200 <= response.status < 300:
                async with clock.left():
                    yield Answer(response.status, response.headers, await client.whole(response))
                return
            yield Answer(response.status, response.headers, b"")
            begun: list[bytes] = []  # of a line whose end has not come; lines may be of any length
            while True:
                async with clock.left():
                    chunk = await response.content.readany()
                if not chunk:
                    yield b"".join(begun)
                    return
                first, *others = chunk.split(b"\n")
                begun.append(first)
                if others:
                    yield b"".join(begun).rstrip(b"\r")
                    for line in others[:-1]:
                        yield line.rstrip(b"\r")
                    begun = [others[-1]]
        except client.errors as error:
            raise NoAnswer from error
        finally:
            response.close()  # an answer that was not read to its end closes its connection

    async def close(self) -> None:
        await self._clients.close()

    def _open(self) -> Connections:
        return Connections(self._url, self._headers, self._proxy)


class Through:
    """Posts through a client of the caller's own."""

    def __init__(self, client: AsyncOpenAI, path: str):
        self._client, self._path = client, path

    async def post(self, body: bytes, seconds: float) -> Answer:
        async with self._raising(), asyncio.timeout(seconds):
            response = await self._post(body)
        return Answer(response.status_code, response.headers, response.content)

    async def stream(self, body: bytes, seconds: float) -> AsyncGenerator[Answer | bytes, None]:
        clock = _Clock(seconds)
        async with self._raising(), clock.left():
            response = await self._post(body, stream=True)
        try:
            if not 200 <= response.status_code < 300:
                yield Answer(response.status_code, response.headers, response.content)
                return
            yield Answer(response.status_code, response.headers, b"")
            lines = response.aiter_lines()
            while True:
                async with self._raising(), clock.left():
                    line = await anext(lines, None)
                if line is None:
                    return
                yield line.encode()
        finally:
            await response.aclose()

    async def close(self) -> None:
        """It is the caller's."""

    @asynccontextmanager
    async def _raising(self) -> AsyncGenerator[None, None]:
        try:
            yield
        except Exception as error:  # whatever a client of the caller's own raises, its keys and tokens among it
            raise NoAnswer from error

    async def _post(self, body: bytes, *, stream: bool = False) -> Any:
        import httpx2
        from openai import APIStatusError, AsyncStream

        post: Any = self._client.post  # typed for parsed answers; asked for a raw response, it gives that
        try:
            return await post(
                self._path,
                cast_to=httpx2.Response,
                content=body,
                options={"max_retries": 0, "follow_redirects": False},
                stream=stream,
                stream_cls=AsyncStream[Any] if stream else None,
            )
        except APIStatusError as error:
            return error.response


class _Clock:
    """What is left of so many seconds."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    def left(self) -> asyncio.Timeout:
        return asyncio.timeout(max(0.0, self._end - time.monotonic()))


def _agent() -> str:
    try:
        return f"typed-extract/{version('typed-extract')}"
    except PackageNotFoundError:  # run from its folder, without having been installed
        return "typed-extract"


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for this address, if any."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass

    scheme, host = url.split("://", 1)[0], url.split("://", 1)[1].split("/", 1)[0]
    proxies = getproxies()
    return None if proxy_bypass(host) else proxies.get(scheme) or proxies.get("all")
