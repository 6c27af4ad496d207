"""What several workers of one run share, without processes of their own: one ledger, one pace, one budget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from extract.call import Call, Part, Reply, Shape, Usage
from extract.catalogue import ModelFacts, Price
from extract.engines.hooks import Hook, Watch
from extract.engines.keeper import Asked, Keeper, value_of
from extract.engines.remote import Line, RemoteCalls, RemoteLedger, RemoteTraffic
from extract.errors import BudgetExceeded, RunError
from extract.ledger import RunLedger
from extract.limits import Amounts, Limits

SHAPE = Shape("Any", {}, {})
PRICE = Price(input=Decimal(1), output=Decimal(1), cached=Decimal(1))
FACTS = ModelFacts(name="own/one", provider="own", max_output=1000, price=PRICE)


def call(number: int) -> Call:
    return Call(FACTS.name, 1, "", (Part("text", "document", text=f"document {number}"),), SHAPE)


class Counting:
    """A model that takes a moment; `most` is how many were asked at once."""

    name, mode = FACTS.name, "plain"

    def __init__(self) -> None:
        self.count = self.under_way = self.most = 0

    async def send(self, call: Call, *, timeout: float) -> Reply:
        self.count += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0.01)
        self.under_way -= 1
        return Reply(text="{}", usage=Usage(input=10, output=10))


class Straight:
    """The way of a worker to a keeper in the same process; `messages` counts what went over it."""

    def __init__(self, keeper: Keeper, name: str):
        self._keeper, self._name, self.messages = keeper, name, 0

    async def serve(self, asked: Sequence[Asked]) -> list[Any]:
        self.messages += 1
        await asyncio.sleep(0.001)
        return await self._keeper.serve(self._name, asked)

    async def reserve(self, most: Amounts) -> Any:
        return await self._keeper.reserve(self._name, most)

    async def wait(self, key: str) -> Any:
        return await self._keeper.wait(self._name, key)


@asynccontextmanager
async def workers(
    folder: Path, limits: Limits, count: int = 2
) -> AsyncIterator[tuple[Keeper, list[RemoteCalls], Counting]]:
    keeper, model, several = Keeper(), Counting(), []
    start = await keeper.open(folder, "normal", None, {})
    await keeper.serves(limits, "setup")
    try:
        for number in range(count):
            assert await keeper.arrived(number, f"worker {number}") == "setup"
            line = Line(Straight(keeper, f"worker {number}"))
            ledger, traffic = RemoteLedger(line, start), RemoteTraffic(line, limits, limits.in_flight // count)
            several.append(RemoteCalls({FACTS.name: model}, ledger, traffic, line))
        yield keeper, several, model
    finally:
        await keeper.close()


async def ask(calls: RemoteCalls, number: int) -> Reply:
    return await calls.reply(call(number), FACTS, Watch(Hook()))


def test_a_call_that_two_workers_would_make_is_made_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with workers(tmp_path, Limits(in_flight=4)) as (_, (one, two), model):
            first, *others = await asyncio.gather(ask(one, 1), ask(two, 1), ask(two, 1), ask(one, 1))
            assert others == [first] * 3
            assert model.count == 1

    asyncio.run(work())


def test_a_worker_that_died_lets_go_of_its_calls_and_what_was_set_aside_for_it_is_taken(tmp_path: Path) -> None:
    async def work() -> None:
        async with workers(tmp_path, Limits(in_flight=4, calls=2)) as (keeper, (one, two), model):
            dying = asyncio.create_task(ask(one, 1))
            await asyncio.sleep(0.005)
            waiting = asyncio.create_task(ask(two, 1))
            await asyncio.sleep(0.005)
            await keeper.arrived(0, "worker 0 again")
            assert (await waiting).text == "{}"
            assert model.count == 2
            with pytest.raises(BudgetExceeded) as caught:
                await ask(two, 2)
            assert caught.value.message == "The next call may take 1 of the calls, and 2 of 2 are spent."
            assert (await dying).text == "{}"  # had it lived after all: it gives nothing back

    asyncio.run(work())


def test_a_folder_that_is_in_use_is_refused(tmp_path: Path) -> None:
    held = RunLedger(tmp_path)
    try:
        answer = asyncio.run(Keeper().open(tmp_path, "normal", None, {}))
    finally:
        held.close()
    with pytest.raises(RunError) as caught:
        value_of(answer)
    assert caught.value.message == "Another process is working on this run."


def test_a_budget_is_one_for_all_and_waits_for_what_others_give_back(tmp_path: Path) -> None:
    async def work() -> None:
        limits = Limits(in_flight=8, budget_usd=Decimal("0.0015"))  # room for the most of one call
        async with workers(tmp_path, limits) as (_, several, model):
            await asyncio.gather(*(ask(several[n % 2], n) for n in range(12)))
            assert (model.count, model.most) == (12, 1)

    asyncio.run(work())


def test_a_limit_of_calls_is_reached_and_not_passed(tmp_path: Path) -> None:
    async def work() -> None:
        async with workers(tmp_path, Limits(in_flight=8, calls=5)) as (_, several, model):
            asked = (ask(several[n % 2], n) for n in range(12))
            came = await asyncio.gather(*asked, return_exceptions=True)
            assert model.count == 5
            assert [type(one).__name__ for one in came].count("BudgetExceeded") == 7

    asyncio.run(work())


def test_one_clock_gives_out_all_turns(tmp_path: Path) -> None:
    async def work() -> None:
        async with workers(tmp_path, Limits(in_flight=64, requests_per_minute=1200)) as (_, several, model):
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(ask(several[n % 2], n) for n in range(36)))
            assert model.count == 36
            # twenty a second, and those of the first second at once
            assert asyncio.get_running_loop().time() - began >= 0.7

    asyncio.run(work())


def test_what_comes_up_together_goes_together(tmp_path: Path) -> None:
    async def work() -> None:
        async with workers(tmp_path, Limits(in_flight=100), count=1) as (_, (calls,), model):
            await asyncio.gather(*(ask(calls, n) for n in range(100)))
            line: Any = calls._line
            assert model.count == 100
            assert line.way.messages < 30

    asyncio.run(work())
