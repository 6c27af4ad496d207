"""The server of the chaos benchmark: `extract.testing`'s fake OpenAI, in a process that outlives those that are killed.

    python tests/chaos_server.py DOCUMENTS SEED

It keeps a log of its own. Every answer has a serial number, which comes along as the name of the model that gave it, so
that a ledger can be held against the log, answer by answer. Whoever hangs up is charged all the same, as real providers
do. It prints its address, and takes a JSON object a line on its standard input: ``{"do": "begin", "seed": 1, ...}``
forgets the log and goes on with other faults, ``{"do": "log"}`` gives the log since then. It ends with its input.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from chaos_orders import Book  # noqa: E402

from extract.testing import FakeOpenAI, Fate  # noqa: E402
from extract.testing.batches import Batches  # noqa: E402
from extract.testing.completion import Completion  # noqa: E402
from extract.testing.script import Answer, Chance, FaultKind, Request  # noqa: E402

if TYPE_CHECKING:
    from aiohttp import web

FAULTS: Mapping[FaultKind, float] = {"rate_limit": 0.006, "server_error": 0.05, "cut": 0.02, "cut_body": 0.02}
RETRY_AFTER = 0.06

_ASK: ContextVar[int] = ContextVar("ask")
"""Which request is being answered."""


class Unhurried(Batches):
    """Each request about files and batches takes a while, so that a run can be killed in each state."""

    delay = 0.0

    async def handle(self, http: web.BaseRequest, request: Request, model: str) -> web.StreamResponse:
        await asyncio.sleep(self.delay)
        return await super().handle(http, request, model)


class Chaotic(FakeOpenAI):
    """Answers late, logs what it was asked for and what it charged, and charges whoever is gone by then."""

    def __init__(self, book: Book) -> None:
        super().__init__(book, keep=100_000)
        self.batches = Unhurried(self)
        self.log: list[dict[str, Any]] = []
        self.serial = self.asks = 0
        self._random = Random(0)

    def begin(self, seed: int, latency: float, slow: float, faults: float, delay: float = 0.0) -> None:
        """Forgets what was before. `slow` is the share of answers that take ten times as long."""
        self.reset()
        self.batches = Unhurried(self)
        self.batches.delay = delay
        self.log = []
        self._random = Random(seed)
        rates: dict[FaultKind, float] = {kind: rate * faults for kind, rate in FAULTS.items()}
        self._chance = Chance(rates, seed, RETRY_AFTER)
        self._spread, self._slow = latency, slow
        for operation in ("upload", "create", "retrieve", "content", "list"):
            some = [None, None, None, "server_error", "rate_limit", "cut", "cut_after"]
            self.batches.troubles(operation, *self._random.choices(some, k=int(30 * faults)))  # type: ignore[arg-type]
        kinds = [Fate(), Fate(), Fate("expired", share=0.6), Fate(doubled=[0], unknown=1), Fate(lost=[0], missing=[1])]
        self.batches.fates(*self._random.choices(kinds, k=int(30 * faults)))

    def told(self) -> dict[str, Any]:
        batches = self.batches
        return {
            "log": list(self.log),
            "asks": self.asks,
            "most_in_flight": self.most_in_flight,
            "batches": {
                "answered": dict(batches.answered),
                "count": len(batches.batches),
                "cost": str(batches.cost),
            },
        }

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        return await asyncio.shield(self._undeterred(http))

    async def _undeterred(self, http: web.BaseRequest) -> web.StreamResponse:
        from aiohttp import web

        try:
            return await super()._handle(http)
        except ConnectionResetError:  # of an answer that is cut short, and its client is gone
            return web.Response()

    async def _chat(self, http: web.BaseRequest, request: Request, model: str) -> web.StreamResponse:
        self.asks += 1
        _ASK.set(self.asks)
        body = hashlib.blake2b(request.raw, digest_size=8).hexdigest()
        self.log.append({"what": "asked", "ask": self.asks, "body": body})
        self.latency = self._spread * self._random.uniform(0.5, 1.5) * (10 if self._random.random() < self._slow else 1)
        ask = self.asks
        try:
            return await super()._chat(http, request, model)
        finally:
            self.log.append({"what": "done", "ask": ask})

    def _charged(self, request: Request, model: str, answer: Answer) -> Completion:
        made = super()._charged(request, model, answer)
        self.serial += 1
        tokens = [made.usage.input, made.usage.output]
        self.log.append({"what": "answered", "ask": _ASK.get(), "serial": self.serial, "tokens": tokens})
        return Completion(**{**_fields(made), "model": f"{made.model}-{self.serial}"})

    async def _cut_short(self, http: web.BaseRequest, whole: Mapping[str, Any]) -> web.StreamResponse:
        self.log.append({"what": "cut", "ask": _ASK.get()})
        return await super()._cut_short(http, whole)


def _fields(made: Completion) -> dict[str, Any]:
    return {name: getattr(made, name) for name in ("id", "model", "answer", "usage", "logprobs", "tool")}


def main() -> None:
    server = Chaotic(Book(int(sys.argv[1]), int(sys.argv[2])))
    with server:
        print(server.base_url, flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            if order.pop("do") == "begin":
                server.begin(**order)
            print(json.dumps(server.told()), flush=True)


if __name__ == "__main__":
    main()
