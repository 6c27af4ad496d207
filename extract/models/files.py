"""A server's files and batches over HTTP: plain requests to addresses below its own, and files to and from the disk.

Nothing here knows what the requests mean. Files go from the disk and come to it in pieces, so that one of 200 MB takes
no memory; a file that was cut on its way is not taken for a whole one. Redirects are not followed. What keeps an answer
from coming raises `NoAnswer`, as in `transport`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .clients import CONNECT, Clients, trusted
from .transport import Answer, NoAnswer

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Files"]

_PIECE = 2**20
"""Bytes that are moved at a time."""

_SLOWEST = 100_000
"""Bytes of a file that are uploaded in a second, at the least."""


@dataclass(frozen=True)
class _Session:
    session: aiohttp.ClientSession

    async def close(self) -> None:
        await self.session.close()


class Files:
    """Requests below one address, with the same headers each time."""

    def __init__(self, url: str, headers: Mapping[str, str], proxy: str | None = None):
        self._url, self._headers, self._proxy = url, dict(headers), proxy
        self._clients: Clients[_Session] = Clients(self._open, None)

    async def ask(self, method: str, path: str, seconds: float, body: Any = None) -> Answer:
        """The whole answer to a request, with a JSON body if one is given."""
        return await self._asked(method, path, seconds, {} if body is None else {"json": body})

    async def upload(self, path: Path, fields: Mapping[str, str], seconds: float) -> Answer:
        """The answer to a form with these fields and a file, named as it is on the disk. A large file has more time."""
        import aiohttp

        form = aiohttp.FormData()
        for name, value in fields.items():
            form.add_field(name, value)
        with path.open("rb") as file:
            form.add_field("file", file, filename=path.name, content_type="application/jsonl")
            seconds += os.fstat(file.fileno()).st_size / _SLOWEST
            return await self._asked("POST", "/files", seconds, {"data": form})

    async def download(self, path: str, to: Path, seconds: float) -> Answer:
        """Writes the body of an answer into a file, which appears when it is whole; of one that is no success it is in
        the answer. Time is measured around each wait."""
        client, part = await self._clients.of_this_loop(), to.with_name(f"{to.name}.part")
        try:
            async with (
                asyncio.timeout(seconds) as clock,
                client.session.get(self._url + path, proxy=self._proxy, allow_redirects=False) as response,
            ):
                if not 200 <= response.status < 300:
                    return Answer(response.status, response.headers, await response.read())
                with part.open("wb") as file:
                    async for piece in response.content.iter_chunked(_PIECE):
                        file.write(piece)
                        clock.reschedule(asyncio.get_running_loop().time() + seconds)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(to)
                return Answer(response.status, response.headers, b"")
        except _errors() as error:
            raise NoAnswer from error

    async def close(self) -> None:
        await self._clients.close()

    async def _asked(self, method: str, path: str, seconds: float, content: Mapping[str, Any]) -> Answer:
        client = await self._clients.of_this_loop()
        try:
            async with (
                asyncio.timeout(seconds),
                client.session.request(
                    method, self._url + path, proxy=self._proxy, allow_redirects=False, **content
                ) as response,
            ):
                return Answer(response.status, response.headers, await response.read())
        except _errors() as error:
            raise NoAnswer from error

    def _open(self) -> _Session:
        import aiohttp

        connector = aiohttp.TCPConnector(ssl=trusted() if self._url.startswith("https:") else True)
        return _Session(
            aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT),
            )
        )


def _errors() -> tuple[type[Exception], ...]:
    import aiohttp

    return (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError, ValueError)
