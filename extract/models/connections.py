"""The connections to one address, in one event loop: a request's bytes out, the answer's back.

Connecting, keeping connections alive, certificates, proxies and reading HTTP are aiohttp's. Its session does a great
deal more for each request (redirects, cookies, traces, a task that writes the body), which takes longer than all of
that; so a request of the usual kind, short and straight to its server, is written to a connection of the session's pool
here. Long ones, those through a proxy, and those whose answer is read while it comes go through the session itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING

from .clients import CONNECT, trusted
from .deadlines import Deadlines

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Connections"]

_LONG = 2**20
"""Bytes of a body, from which on it is written in pieces: all at once it would hold up the loop."""

_BUFFER = 2**20
"""Bytes of an answer that are taken in before somebody reads them."""

_LARGEST = 64 * 2**20
"""The most bytes of an answer, after unpacking; answers have some kilobytes."""


class Connections:
    """Posts to one address, with the same headers each time. It is made in the event loop that it is for. `errors` are
    what a request may raise; redirects are not followed: a request for one host must not end at another."""

    def __init__(self, url: str, headers: Mapping[str, str], proxy: str | None):
        import aiohttp
        from yarl import URL

        self._url, self._proxy, self._loop = URL(url), proxy, asyncio.get_running_loop()
        self._deadlines = Deadlines()
        self._connector = aiohttp.TCPConnector(limit=0, ssl=trusted() if url.startswith("https:") else True)
        self._patience = aiohttp.ClientTimeout(total=None, connect=CONNECT)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._patience,
            skip_auto_headers=_SET_BY_US,
            read_bufsize=_BUFFER,
        )
        self._request = aiohttp.ClientRequest("POST", self._url, headers=headers, skip_auto_headers=_SET_BY_US)
        self._head = _head(self._request)
        self.errors = (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError, ValueError)

    async def answer(self, body: bytes, seconds: float) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of the answer, within so many seconds. Left early, it closes its connection."""
        with self._deadlines.within(seconds):
            return await self._answer(body)

    async def _answer(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        if self._proxy is not None or len(body) >= _LONG:
            async with await self.opened(body) as response:
                return response.status, response.headers, await self.whole(response)
        connection = await self._connected()
        try:
            protocol = connection.protocol
            if protocol is None or protocol.transport is None or protocol.transport.is_closing():
                raise ConnectionResetError("the server closed the connection before anything was sent")
            protocol.set_response_params(read_until_eof=True, read_bufsize=_BUFFER)
            # what is sent in one turn of the loop goes out together at its end, which takes it half the time
            self._loop.call_soon(protocol.transport.write, b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
            message, content = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:  # the answer is still to come
                message, content = await protocol.read()
            found = message.code, message.headers, await _whole(content, message.headers)
        except BaseException:
            connection.close()
            raise
        connection.release()  # it is kept if the answer was read to its end and the server keeps it, too
        return found

    async def opened(self, body: bytes) -> aiohttp.ClientResponse:
        """The answer, of which only the head has come."""
        data = body if len(body) < _LONG else BytesIO(body)
        return await self._session.post(self._url, data=data, proxy=self._proxy, allow_redirects=False)

    async def whole(self, response: aiohttp.ClientResponse) -> bytes:
        """What is left of its body."""
        return await _whole(response.content, response.headers)

    async def close(self) -> None:
        self._deadlines.close()
        await self._session.close()

    async def _connected(self) -> aiohttp.connector.Connection:
        try:
            return await self._connector.connect(self._request, [], self._patience)
        except TimeoutError as error:
            import aiohttp

            raise aiohttp.ServerTimeoutError(f"no connection in {CONNECT:g} seconds") from error


_SET_BY_US = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp would set where they are missing."""


def _head(request: aiohttp.ClientRequest) -> bytes:
    """What stands before each body, but for its length at the end."""
    lines = [f"POST {request.url.raw_path_qs} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "content-length"]
    return "\r\n".join([*lines, "Content-Length: "]).encode()


async def _whole(content: aiohttp.StreamReader, headers: Mapping[str, str]) -> bytes:
    """The body. Raises ValueError for one that is too large to be an answer, however small it was packed."""
    if "Content-Encoding" not in headers and _number(headers.get("Content-Length")) <= _LARGEST:
        return content.read_nowait() if content.is_eof() else await content.read()
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _LARGEST:
            raise ValueError(f"the body has more than {_LARGEST:,} bytes")
    return bytes(body)


def _number(length: str | None) -> int:
    return int(length) if length is not None else _LARGEST + 1
