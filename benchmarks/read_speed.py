"""What reading costs: the fast path, the tolerant path, and the incremental reader.

    python benchmarks/read_speed.py

States three figures, each as a ratio within one run, the median of several rounds with the smallest and the greatest.
The fast path: reading and checking well-formed answers, against `pydantic_core.from_json`, which only reads (the
promise: within 3.5 times). Linearity: the incremental reader's time for 9 times the length, in both shapes and with a
snapshot at each delta, as a stream makes them (the promise: about 9 times). Overhead: a live view at every delta,
looked at each time, on top of receiving the bytes (the promise: at most a quarter). Receiving is, first, what the
product does: its OpenAI model reads a server's events over a real HTTP connection on this machine (the SDK's client,
lines, orjson). Beside it stand two leaner receivers that do nothing else: aiohttp's lines with orjson, and a bare
socket with orjson and no HTTP at all, which costs less than any program that talks to a model.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import orjson
import pydantic_core

from extract import nodes
from extract.call import Call, Part, Shape
from extract.models import built_in_catalogue, wire
from extract.models.access import Access, open_openai
from extract.models.openai import OpenAIModel
from extract.parse import Reader, read
from extract.schema import compile
from extract.testing import FakeOpenAI


def record(**fields: nodes.Node) -> nodes.Record:
    return nodes.Record(fields=tuple(nodes.Field(name=name, node=node) for name, node in fields.items()))


TEXT, NUMBER, WHOLE = nodes.Text(), nodes.Number(), nodes.Number(integer=True)
ORDER = record(
    id=WHOLE,
    name=TEXT,
    price=NUMBER,
    tags=nodes.Array(items=TEXT),
    address=record(street=TEXT, zip=TEXT),
    paid=nodes.Boolean(),
    note=nodes.Union(branches=(TEXT, nodes.Null())),
)
ORDERS = nodes.Type(nodes.Array(items=ORDER))
REPORT = nodes.Type(nodes.Array(items=record(title=TEXT, body=TEXT, score=NUMBER)))


SHOP = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "price": {"type": "number"},
                    "note": {"type": "string"},
                    "sizes": {"type": "object", "additionalProperties": {"type": "integer"}},
                    "of": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                },
                "required": ["name", "price"],
            },
        }
    },
    "required": ["items"],
}
"""A schema whose wire form differs at every level: optional properties, a map, a union."""


def stock(count: int) -> list[dict[str, Any]]:
    return [
        {"name": f"Widget {i}", "price": i / 7, "sizes": {"S": i, "XL": 2}, "of": ["steel", "oak"][: i % 3]}
        for i in range(count)
    ]


def orders(count: int) -> list[dict[str, Any]]:
    rng = random.Random(1)
    return [
        {
            "id": i,
            "name": f"Widget {i}",
            "price": round(rng.random() * 1000, 2),
            "tags": ["new", "blue", "steel"],
            "address": {"street": f"Main Street {i}", "zip": f"0{i}"},
            "paid": i % 2 == 0,
            "note": None,
        }
        for i in range(count)
    ]


def reports(count: int) -> list[dict[str, Any]]:
    body = 'The parties agree as "stated" above.\nNothing else was said, and the terms stand as they are. ' * 4
    return [{"title": f"Clause {i}", "body": body, "score": round(i / 7, 3)} for i in range(count)]


def best(*runs: Callable[[], Any], rounds: int = 30) -> list[float]:
    """The shortest time of each, in seconds, taken in turn so that a busy moment hits all."""
    times = [float("inf")] * len(runs)
    for _ in range(rounds):
        for i, run in enumerate(runs):
            began = time.perf_counter()
            run()
            times[i] = min(times[i], time.perf_counter() - began)
    return times


def ratio(run: Callable[[], Any], base: Callable[[], Any], rounds: int, each: int = 1) -> str:
    """How much longer the one takes than the other: the median over rounds of their shortest times, and the range."""
    found = []
    for _ in range(rounds):
        long, short = best(run, base, rounds=each)
        found.append(long / short)
    return f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def fast_path() -> None:
    for name, value, type in (("orders", orders(700), ORDERS), ("reports", reports(250), REPORT)):
        text = json.dumps(value)
        times = ratio(lambda t=text, k=type: read(t, k), lambda t=text: pydantic_core.from_json(t), 7, each=20)
        print(f"well-formed {name}, {len(text) // 1000} kB: {times} times pydantic_core.from_json")
        broken = text[:-1] + ",]"
        (mended,) = best(lambda t=broken, k=type: read(t, k), rounds=5)
        print(f"the same with a comma too many: {mended * 1e3:.0f} ms, {mended / len(text) * 1e9:.0f} ns a character")


def deltas(text: str, rng: random.Random) -> Iterator[str]:
    at = 0
    while at < len(text):
        size = rng.randint(1, 8)
        yield text[at : at + size]
        at += size


def view(pieces: list[str], reader: Reader, look: Callable[[Reader], Any] = lambda reader: reader.value) -> Reader:
    for piece in pieces:
        reader.feed(piece)
        look(reader)
    return reader


def growth(name: str, make: Callable[[int], Any], reader: Callable[[], Reader], count: int, look: Any) -> None:
    """Prints the time of a delta, and the growth for 9 times the length."""
    rng = random.Random(2)
    short, long = (list(deltas(json.dumps(make(n)), rng)) for n in (count, 9 * count))
    times = ratio(lambda: view(long, reader(), look), lambda: view(short, reader(), look), 5, each=3)
    (whole,) = best(lambda: view(long, reader(), look), rounds=3)
    print(f"{name}: {len(long)} deltas, {whole / len(long) * 1e6:.2f} µs each; 9 times the length takes {times} times")


def linearity() -> None:
    def live(reader: Reader) -> Any:
        return reader.value

    texts = nodes.Type(nodes.Array(items=TEXT))
    shop = compile(SHOP)
    growth("live, orders", orders, lambda: Reader(ORDERS), 100, live)
    growth("live, reports", reports, lambda: Reader(REPORT), 100, live)
    growth("live, one long text", lambda n: ["x" * n], lambda: Reader(texts), 30_000, live)
    growth("live, wire shape", lambda n: shop.encode({"items": stock(n)}), lambda: shop.reader("wire"), 50, live)
    growth("snapshots, orders", orders, lambda: Reader(ORDERS), 100, Reader.snapshot)
    growth(
        "snapshots, wire", lambda n: shop.encode({"items": stock(n)}), lambda: shop.reader("wire"), 50, Reader.snapshot
    )


def events(pieces: list[str]) -> bytes:
    """The body of a server's stream: one event a delta."""
    made = []
    for piece in pieces:
        choice = {"index": 0, "delta": {"content": piece}, "logprobs": None, "finish_reason": None}
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        made.append(b"data: " + orjson.dumps(chunk) + b"\n\n")
    return b"".join(made)


Take = Callable[[str], Any]


def by_socket(body: bytes, take: Take) -> float:
    """Seconds of this thread to take the events from a socket and hand each delta on."""
    ours, theirs = socket.socketpair()
    sender = threading.Thread(target=lambda: (theirs.sendall(body), theirs.close()))
    began = time.thread_time()
    sender.start()
    with ours.makefile("rb") as lines:
        for line in lines:
            if line.startswith(b"data: "):
                take(orjson.loads(line[6:])["choices"][0]["delta"]["content"])
    taken = time.thread_time() - began
    sender.join()
    ours.close()
    return taken


@contextmanager
def serving(name: str) -> Iterator[str]:
    """The address of a server in a process of its own, so that it does not run between the steps of the receiver."""
    command = [sys.executable, __file__, "serve", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def serve(name: str) -> None:
    """Answers every request with one text, until it is ended."""
    with FakeOpenAI(lambda asked: ANSWERS[name]) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()


async def by_lines(address: str, request: bytes, take: Take) -> float:
    """The same over HTTP, with aiohttp's lines and orjson."""
    async with aiohttp.ClientSession() as client:
        began = time.thread_time()
        async with client.post(f"{address}/chat/completions", data=request) as response:
            async for line in response.content:
                if line.startswith(b"data: {") and (choices := orjson.loads(line[6:])["choices"]):
                    take(choices[0]["delta"].get("content") or "")
        return time.thread_time() - began


async def by_product(model: OpenAIModel, call: Call, take: Take) -> float:
    """The same through the product's own model."""
    began = time.thread_time()
    async for item in model.stream(call):
        if isinstance(item, str):
            take(item)
        elif item.failure is not None:
            raise RuntimeError(item.failure.message)
    return time.thread_time() - began


async def overhead(rounds: int = 9) -> None:
    facts = built_in_catalogue()["openai/gpt-4o-mini"]
    for name, type in (("orders", ORDERS), ("reports", REPORT)):
        text = ANSWERS[name]
        pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
        body = events(pieces)
        shape = Shape("answer", {"type": "array"}, {"type": "object"})
        call = Call(facts.name, 1, "Read.", (Part("text", "document", text="x"),), shape)
        request = wire.body(call, wire.Wire(facts, "gpt-4o-mini", mode="json"), stream=True)
        with serving(name) as address:
            access = Access({"OPENAI_BASE_URL": address, "OPENAI_API_KEY": "none"})
            model = open_openai(replace(facts, modes=("json_schema",)), access)

            async def product(take: Take, model: OpenAIModel = model, call: Call = call) -> float:
                return await by_product(model, call, take)

            async def lines(take: Take, address: str = address, request: bytes = request) -> float:
                return await by_lines(address, request, take)

            async def bare(take: Take, body: bytes = body) -> float:
                return by_socket(body, take)

            for receiver, receive in (("the product", product), ("aiohttp", lines), ("a bare socket", bare)):
                print(await beside(f"receiving {name} by {receiver}", receive, type, len(pieces), rounds))
            await model.close()


async def beside(
    what: str, receive: Callable[[Take], Awaitable[float]], type: nodes.Type, count: int, rounds: int
) -> str:
    """The cost of a delta, and what a live view and a snapshot at each add to it."""
    await receive(len)
    alone, live, kept = [], [], []
    for _ in range(rounds):
        one, other = Reader(type), Reader(type)
        alone.append(await receive(len))
        live.append(await receive(lambda piece, r=one: r.feed(piece).value))
        kept.append(await receive(lambda piece, r=other: (r.feed(piece), r.snapshot())))
    base = statistics.median(alone)
    view, snap = (
        [f"{(x / base - 1) * 100:+.0f}" for x in (statistics.median(t), min(t), max(t))] for t in (live, kept)
    )
    spread = f"{min(alone) / count * 1e6:.2f} to {max(alone) / count * 1e6:.2f}"
    return (
        f"{what}: {base / count * 1e6:.2f} µs a delta ({spread}); a live view {view[0]} % ({view[1]} to {view[2]}), "
        f"a snapshot {snap[0]} % ({snap[1]} to {snap[2]})"
    )


ANSWERS = {"orders": json.dumps(orders(150)), "reports": json.dumps(reports(50))}

if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
        sys.exit()
    fast_path()
    linearity()
    asyncio.run(overhead())
