"""A request that is written to a connection directly: the same answers as through aiohttp's session, and never another
request's."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from extract.models import built_in_catalogue
from extract.models.clients import no_answer
from extract.models.connections import Connections
from extract.models.transport import Direct, NoAnswer
from extract.models.wire import Wire

BODY = b'{"a": "word of some length"}'
MINI = Wire(built_in_catalogue().facts("openai/gpt-4o-mini"), "gpt-4o-mini")

Pieces = list[bytes]


class Server:
    """Says the same for every request, in pieces, and keeps what it was sent; an empty piece closes the connection."""

    def __init__(self, pieces: Pieces, wait: float = 0.0):
        self.pieces, self.wait = pieces, wait
        self.requests: list[bytes] = []
        self.connections = self.closed = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                await asyncio.sleep(self.wait)
                for piece in self.pieces:
                    if not piece:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.002)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed += 1
            writer.close()


def served(server: Server, work: Callable[[str], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with await asyncio.start_server(server, "127.0.0.1", 0) as listening:
            return await work(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/chat?x=1")

    return asyncio.run(run())


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, "Content-Type: application/json", *lines, "", ""]).encode()


LONG = head(f"Content-Length: {len(BODY)}")
PACKED, DEFLATED = gzip.compress(BODY), zlib.compress(BODY)
ANSWERS: dict[str, Pieces] = {
    "a length": [LONG + BODY],
    "a length, byte by byte": [bytes([one]) for one in LONG + BODY],
    "chunks": [
        head("Transfer-Encoding: chunked"),
        b"5\r\n" + BODY[:5] + b"\r\n",
        b"17;x=y\r\n" + BODY[5:],
        b"\r\n0\r\n\r\n",
    ],
    "chunks with a trailer": [head("Transfer-Encoding: chunked") + b"1c\r\n" + BODY + b"\r\n0\r\nX-Sum: 1\r\n\r\n"],
    "to the end of the connection": [head("Connection: close") + BODY[:9], BODY[9:], b""],
    "HTTP/1.0": [head(status="HTTP/1.0 200 OK") + BODY, b""],
    "early hints": [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" + LONG, BODY],
    "packed": [head("Content-Encoding: gzip", f"Content-Length: {len(PACKED)}") + PACKED],
    "deflated": [head("Content-Encoding: deflate", f"Content-Length: {len(DEFLATED)}") + DEFLATED],
    "no content": [b"HTTP/1.1 204 No Content\r\n\r\n"],
    "an empty body": [head("Content-Length: 0")],
    "a failure": [head("Content-Length: 3", status="HTTP/1.1 503 Busy") + b"no."],
    "a redirect": [head("Location: http://elsewhere/", "Content-Length: 0", status="HTTP/1.1 307 There")],
    "nothing": [b""],
    "half a head": [LONG[:30], b""],
    "half a body": [LONG + BODY[:9], b""],
    "half a chunk": [head("Transfer-Encoding: chunked") + b"1c\r\n" + BODY[:9], b""],
    "a chunk of no length": [head("Transfer-Encoding: chunked") + b"xyz\r\n" + BODY, b""],
    "another protocol": [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b""],
    "two lengths": [head("Content-Length: 3", "Content-Length: 28") + BODY, b""],
    "a length and chunks": [
        head("Content-Length: 3", "Transfer-Encoding: chunked") + b"1c\r\n" + BODY + b"\r\n0\r\n\r\n"
    ],
    "packed, and broken": [head("Content-Encoding: gzip", f"Content-Length: {len(BODY)}") + BODY, b""],
    "a head without an end": [head(f"X: {'y' * 100_000}")],
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_what_the_session_makes_of_it(case: str) -> None:
    async def both(url: str) -> None:
        connections = Connections(url, {"Content-Type": "application/json"}, None)

        async def through_the_session() -> Any:
            async with await connections.opened(b"{}") as response:
                return response.status, response.headers, await connections.whole(response)

        found = []
        for ask in (lambda: connections.answer(b"{}", 5), through_the_session):
            try:
                async with asyncio.timeout(5):
                    status, headers, body = await ask()
                found.append((status, sorted(headers.items()), body))
            except connections.errors as error:
                found.append(no_answer(error, "host", 5, MINI))
        await connections.close()
        assert found[0] == found[1]

    served(Server(ANSWERS[case]), both)


def test_a_request_is_written_as_it_should_be() -> None:
    server = Server([LONG + BODY])

    async def ask(url: str) -> None:
        transport = Direct(url, {"Authorization": "Bearer k", "X-Own": "own"})
        await transport.post(b'{"n": 1}', 5)
        await transport.post(b'{"n": 22}', 5)
        await transport.close()

    served(server, ask)
    first, second = server.requests
    lines, body = first.split(b"\r\n\r\n")
    request, host, *headers = lines.decode().split("\r\n")
    assert (request, host.split(":")[:2], body) == ("POST /v1/chat?x=1 HTTP/1.1", ["Host", " 127.0.0.1"], b'{"n": 1}')
    assert [one for one in headers if not one.startswith("User-Agent: typed-extract")] == [
        "Content-Type: application/json",
        "Authorization: Bearer k",
        "X-Own: own",
        "Content-Length: 8",
    ]
    assert second == first.replace(b"Content-Length: 8", b"Content-Length: 9").replace(b'{"n": 1}', b'{"n": 22}')


@pytest.mark.parametrize(
    ("case", "connections"),
    [("a length", 1), ("chunks", 1), ("no content", 1), ("HTTP/1.0", 3), ("to the end of the connection", 3)],
)
def test_a_connection_is_kept_as_long_as_its_server_keeps_it(case: str, connections: int) -> None:
    server = Server(ANSWERS[case])

    async def ask(url: str) -> None:
        transport = Direct(url, {})
        for _ in range(3):
            await transport.post(b"{}", 5)
        await transport.close()

    served(server, ask)
    assert (len(server.requests), server.connections) == (3, connections)


def test_what_comes_behind_an_answer_is_nobody_s() -> None:
    server = Server([LONG + BODY + LONG + b"x" * len(BODY)])

    async def ask(url: str) -> list[bytes]:
        transport = Direct(url, {})
        found = [(await transport.post(b"{}", 5)).content for _ in range(3)]
        await transport.close()
        return found

    assert served(server, ask) == [BODY] * 3
    assert server.connections == 3


@pytest.mark.parametrize("way", ["cancelled", "late"])
def test_a_request_that_is_left_closes_its_connection(way: str) -> None:
    server = Server([LONG + BODY], wait=0.3)

    async def ask(url: str) -> None:
        transport = Direct(url, {})
        await transport.post(b"{}", 5)  # so that there is a connection to be taken up again
        asking = asyncio.create_task(transport.post(b"{}", 0.05 if way == "late" else 5))
        await asyncio.sleep(0.05)
        if way == "cancelled":
            asking.cancel()
        with pytest.raises(NoAnswer if way == "late" else asyncio.CancelledError):
            await asking
        assert (await transport.post(b"{}", 5)).content == BODY
        await transport.close()

    served(server, ask)
    assert server.connections == 2


def test_a_connection_that_its_server_closed_meanwhile_is_not_used() -> None:
    server = Server([LONG + BODY, b""])

    async def ask(url: str) -> list[bytes]:
        transport, found = Direct(url, {}), []
        for _ in range(3):
            found.append((await transport.post(b"{}", 5)).content)
            await asyncio.sleep(0.05)
        await transport.close()
        return found

    assert served(server, ask) == [BODY] * 3
    assert server.connections == 3


def test_a_body_that_unpacks_to_too_much_is_no_answer() -> None:
    packed = gzip.compress(b" " * (65 * 2**20))
    server = Server([head("Content-Encoding: gzip", f"Content-Length: {len(packed)}") + packed])

    async def ask(url: str) -> None:
        transport = Direct(url, {})
        with pytest.raises(NoAnswer) as raised:
            await transport.post(b"{}", 30)
        assert str(raised.value.__cause__) == "the body has more than 67,108,864 bytes"
        await transport.close()

    served(server, ask)


def test_a_long_body_and_a_stream_are_sent_as_well() -> None:
    server = Server([LONG + BODY])

    async def ask(url: str) -> None:
        transport = Direct(url, {})
        await transport.post(b"{}", 5)
        assert (await transport.post(b'"' + b"x" * 2**21 + b'"', 5)).content == BODY
        async with aclosing(transport.stream(b"{}", 5)) as lines:
            assert [line async for line in lines][1:] == [BODY]
        await transport.close()

    served(server, ask)
    assert [len(one.split(b"\r\n\r\n")[1]) for one in server.requests] == [2, 2**21 + 2, 2]
