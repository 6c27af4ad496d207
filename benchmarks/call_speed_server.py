"""The server of the benchmark of speed: one canned chat completion for every request, and nothing else.

    python benchmarks/call_speed_server.py

Prints its port, serves on 127.0.0.1 until its standard input is closed, then prints one JSON line: how many requests it
answered and the processor time that they took. A body is counted (Content-Length, or chunks) and never looked at; the
response is bytes that were made beforehand, so that what is measured on the other side is the client.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from speed_work import RECORD

_HEAD_ENDS = b"\r\n\r\n"


def completion() -> bytes:
    """The body of the answer, in OpenAI's form, with the record as strict JSON text."""
    message = {
        "role": "assistant",
        "content": json.dumps(RECORD, ensure_ascii=False),
        "refusal": None,
        "annotations": [],
    }
    details = {"cached_tokens": 0, "audio_tokens": 0}
    said = {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    body = {
        "id": "chatcmpl-C0FFEE0123456789abcdefABCDEF",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 1430,
            "completion_tokens": 412,
            "total_tokens": 1842,
            "prompt_tokens_details": details,
            "completion_tokens_details": said,
        },
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    return json.dumps(body, ensure_ascii=False).encode()


def response() -> bytes:
    body = completion()
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_0123456789abcdef\r\n"
        "openai-processing-ms: 1\r\nx-ratelimit-limit-requests: 1000000\r\nx-ratelimit-remaining-requests: 999999\r\n"
        f"content-length: {len(body)}"
    )
    return head.encode() + _HEAD_ENDS + body


class Books:
    """What the connections share: the response, and how often it was given."""

    def __init__(self) -> None:
        self.response = response()
        self.requests = 0


class Connection(asyncio.Protocol):
    """One kept-alive connection."""

    def __init__(self, books: Books):
        self._books = books
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._end()) > 0:
            self._buffer = self._buffer[end:]
            self._books.requests += 1
            self._transport.write(self._books.response)

    def _end(self) -> int:
        """Where the first request in the buffer ends; 0 if it is not whole yet."""
        begin = self._buffer.find(_HEAD_ENDS) + len(_HEAD_ENDS)
        if begin < len(_HEAD_ENDS):
            return 0
        head = self._buffer[:begin].lower()
        told = head.find(b"\r\ncontent-length:")
        if told >= 0:
            end = begin + int(head[told + 17 : head.index(b"\r\n", told + 17)])
            return end if len(self._buffer) >= end else 0
        return self._last_chunk(begin) if b"\r\ntransfer-encoding: chunked" in head else begin

    def _last_chunk(self, at: int) -> int:
        """Where a body in chunks that begins at `at` ends; no client here sends trailers."""
        while (line := self._buffer.find(b"\r\n", at)) >= 0:
            size = int(self._buffer[at:line], 16)
            at = line + 2 + size + 2
            if len(self._buffer) < at:
                return 0
            if size == 0:
                return at
        return 0


async def main() -> None:
    books, loop = Books(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(books), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    began = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.to_thread(sys.stdin.read)
    ended = resource.getrusage(resource.RUSAGE_SELF)
    seconds = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    print(json.dumps({"requests": books.requests, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
