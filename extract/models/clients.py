"""The clients of SDKs: whose they are, when they are closed, and why one brought no answer.

A client belongs to one event loop and to one process: there is one for each loop that asks, closed when its loop ends
or by `Clients.close`, and a forked process makes its own. Why a connection brought nothing is told by the errors of the
HTTP libraries below the SDKs, which say it, and not by the SDK's own, which call every cut connection a timeout.
"""

from __future__ import annotations

import asyncio
import os
import sys
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ..call import Failure, FailureKind
from .answers import NotAnEvent
from .wire import Wire

if TYPE_CHECKING:
    import ssl

    import httpx2

__all__ = ["CONNECT", "Clients", "http_client", "no_answer", "trusted"]

CONNECT = 15.0
"""Seconds within which a server takes a connection."""


class _Client(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=_Client)


class Clients(Generic[C]):
    """The clients of a model: one for each event loop of this process, or the caller's own for all of them."""

    def __init__(self, make: Callable[[], C], own: C | None):
        self._make, self._own = make, own
        self._pid = os.getpid()
        self._open: dict[asyncio.AbstractEventLoop, tuple[C, AsyncGenerator[None, None]]] = {}
        # A parent's clients are kept and not touched: to let go of one closes its sockets, in an epoll that both share.
        self._inherited: list[object] = []

    async def of_this_loop(self) -> C:
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


async def _until_the_loop_ends(client: _Client) -> AsyncGenerator[None, None]:
    """Closes the client when it is closed itself, which an event loop does for every generator before it ends."""
    try:
        yield
    finally:
        await client.close()


def http_client(*, proxies: bool = True) -> httpx2.AsyncClient:
    """aiohttp under the face that the SDKs know: httpx's own pool slows down with the number of connections. Redirects
    are not followed: a request for one host must not end at another. `proxies`: those of the environment are used."""
    import httpx2
    from openai import DefaultAioHttpClient

    timeout = httpx2.Timeout(None, connect=CONNECT)
    return DefaultAioHttpClient(timeout=timeout, follow_redirects=False, trust_env=proxies)


def trusted() -> ssl.SSLContext:
    """The certificates of the system, or of ``SSL_CERT_FILE``, and those of certifi: containers often have none."""
    import ssl

    import certifi

    context = ssl.create_default_context()
    if not os.environ.get("SSL_CERT_FILE"):
        context.load_verify_locations(certifi.where())
    return context


def no_answer(error: BaseException, host: str, seconds: float, known: Wire) -> Failure:
    """Why no answer came from a host within so many seconds, by the innermost error that says it."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    for kinds, kind, sentence, fix, sent in _reasons():
        if any(isinstance(cause, kinds) for cause in causes):
            said = sentence.format(host=host, seconds=f"{seconds:.3g}")
            return Failure(kind, f"{known.facts.name}: {said}", fix=fix.format(known.address_variables), sent=sent)
    said = f"the connection to {host} failed ({type(causes[-1]).__name__})."
    return Failure("transport", f"{known.facts.name}: {said}", sent=True)


def _reasons() -> tuple[tuple[tuple[type[BaseException], ...], FailureKind, str, str, bool], ...]:
    """Errors of the HTTP libraries, the special ones first; at the end whether the request had been sent. A library
    that is not loaded has raised nothing."""
    import aiohttp

    http: Any = sys.modules.get("httpx2")
    certificate = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError)
    hung_up = (aiohttp.ServerDisconnectedError,)  # which some SDKs take for a server that was not reached
    unreached = (aiohttp.ClientConnectorError, ConnectionRefusedError, *([http.ConnectError] if http else []))
    cut = (
        aiohttp.ClientError,
        aiohttp.http_exceptions.HttpProcessingError,
        ConnectionError,
        *([http.NetworkError, http.ProtocolError] if http else []),
    )
    late = (TimeoutError, *([http.TimeoutException] if http else []))
    slow, look = f"{{host}} took no connection in {CONNECT:g} seconds.", "Check {} and the network."
    return (
        (certificate, "configuration", "the certificate of {host} was not accepted.", "Check {}.", False),
        ((aiohttp.ClientConnectorDNSError,), "transport", "there is no host {host}.", look, False),
        ((aiohttp.ServerTimeoutError,), "transport", slow, look, False),
        (hung_up, "transport", "{host} cut the connection.", "", True),
        (unreached, "transport", "there is no server at {host}.", look, False),
        (cut, "transport", "{host} cut the connection.", "", True),
        (late, "transport", "no whole answer came from {host} in {seconds} seconds.", "", True),
        ((NotAnEvent,), "transport", "what {host} sent is not a stream of chat events.", "", True),
    )
