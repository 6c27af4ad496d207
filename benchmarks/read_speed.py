"""What reading costs: the fast path, the tolerant path, and the incremental reader.

    python benchmarks/read_speed.py

States three figures. The fast path: reading and checking well-formed answers, against `pydantic_core.from_json`,
which only reads (the promise: within 3.5 times). Linearity: the incremental reader's time for 9 times the length
(the promise: about 9 times). Overhead: a live view at every delta, looked at each time, on top of receiving the
bytes, that is taking a server's stream events from a socket on this machine and reading their envelopes with orjson
(the promise: at most a quarter).
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import orjson
import pydantic_core

from extract import nodes
from extract.parse import Reader, read


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


def fast_path() -> None:
    for name, value, type in (("orders", orders(700), ORDERS), ("reports", reports(250), REPORT)):
        text = json.dumps(value)
        theirs, ours = best(lambda t=text: pydantic_core.from_json(t), lambda t=text, k=type: read(t, k))
        times = f"{ours * 1e3:.2f} ms, {ours / theirs:.2f} times pydantic_core.from_json"
        print(f"well-formed {name}, {len(text) // 1000} kB: {times}")
        broken = text[:-1] + ",]"
        (mended,) = best(lambda t=broken, k=type: read(t, k), rounds=5)
        print(f"the same with a comma too many: {mended * 1e3:.0f} ms, {mended / len(text) * 1e9:.0f} ns a character")


def deltas(text: str, rng: random.Random) -> Iterator[str]:
    at = 0
    while at < len(text):
        size = rng.randint(1, 8)
        yield text[at : at + size]
        at += size


def view(pieces: list[str], type: nodes.Type) -> Reader:
    reader = Reader(type)
    for piece in pieces:
        reader.feed(piece).value  # noqa: B018
    return reader


def linearity() -> None:
    for name, make, type in (("orders", orders, ORDERS), ("reports", reports, REPORT)):
        rng = random.Random(2)
        short, long = (list(deltas(json.dumps(make(n)), rng)) for n in (100, 900))
        few, many = best(lambda p=short, k=type: view(p, k), lambda p=long, k=type: view(p, k), rounds=7)
        each = many / len(long) * 1e6
        growth = f"{many / few:.1f} times for 9 times the length"
        print(f"incremental, {name}: {len(long)} deltas in {many * 1e3:.0f} ms, {each:.2f} µs each; {growth}")
    one = [list(deltas(json.dumps(["x" * n]), random.Random(3))) for n in (30_000, 270_000)]
    texts = nodes.Type(nodes.Array(items=TEXT))
    few, many = best(lambda: view(one[0], texts), lambda: view(one[1], texts), rounds=5)
    print(f"incremental, one long text: {many / few:.1f} times for 9 times the length")


def events(pieces: list[str]) -> bytes:
    """The body of a server's stream: one event a delta."""
    made = []
    for piece in pieces:
        choice = {"index": 0, "delta": {"content": piece}, "logprobs": None, "finish_reason": None}
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        made.append(b"data: " + orjson.dumps(chunk) + b"\n\n")
    return b"".join(made)


def receive(body: bytes, take: Callable[[str], Any]) -> float:
    """Seconds to take the events from a socket, event by event, and hand each delta on."""
    ours, theirs = socket.socketpair()
    sender = threading.Thread(target=lambda: (theirs.sendall(body), theirs.close()))
    began = time.perf_counter()
    sender.start()
    with ours.makefile("rb") as lines:
        for line in lines:
            if line.startswith(b"data: "):
                take(orjson.loads(line[6:])["choices"][0]["delta"]["content"])
    taken = time.perf_counter() - began
    sender.join()
    ours.close()
    return taken


def overhead() -> None:
    for name, value, type in (("orders", orders(500), ORDERS), ("reports", reports(150), REPORT)):
        pieces = list(deltas(json.dumps(value), random.Random(4)))
        body = events(pieces)
        bare = min(receive(body, len) for _ in range(9))
        seen = float("inf")
        for _ in range(9):
            reader = Reader(type)
            seen = min(seen, receive(body, lambda piece, r=reader: r.feed(piece).value))
        each = len(pieces)
        print(
            f"receiving {name}: {bare / each * 1e6:.2f} µs a delta bare (a socket and orjson, no HTTP), "
            f"{seen / each * 1e6:.2f} µs with a live view"
        )


if __name__ == "__main__":
    fast_path()
    linearity()
    overhead()
