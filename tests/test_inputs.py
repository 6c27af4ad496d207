"""The inputs of an engine: each one once, in order, as soon as it is there."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from extract.engines.inputs import Inputs

LAZY = pytest.mark.parametrize("lazy", [True, False])


async def all_of(inputs: Inputs[int], workers: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []

    async def work() -> None:
        while (taken := await inputs.take()) is not None:
            found.append(taken)
            await asyncio.sleep(0)

    await asyncio.gather(*(work() for _ in range(workers)))
    return found


@LAZY
@pytest.mark.parametrize("workers", [1, 3, 64])
@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1_000])
def test_each_comes_once_with_its_number(lazy: bool, workers: int, count: int) -> None:
    async def run() -> list[tuple[int, int]]:
        inputs = Inputs(iter(range(count)), lazy)
        found = await all_of(inputs, workers)
        assert await inputs.take() is None
        inputs.close()
        return found

    assert asyncio.run(run()) == [(n, n) for n in range(count)]


@pytest.mark.parametrize("every", [1, 7])
def test_an_iterator_may_take_its_time(every: int) -> None:
    def slowly() -> Iterator[int]:
        for n in range(40):
            if n % every == 0:
                time.sleep(0.003)
            yield n

    async def run() -> list[tuple[int, int]]:
        inputs = Inputs(slowly(), True)
        found = await all_of(inputs, 5)
        inputs.close()
        return found

    assert asyncio.run(run()) == [(n, n) for n in range(40)]


def test_what_is_there_does_not_wait_for_the_next_and_the_end_waits_for_nothing() -> None:
    go = threading.Event()

    def one_and_then() -> Iterator[int]:
        yield 1
        go.wait(30)

    async def run() -> None:
        inputs = Inputs(one_and_then(), True)
        assert await asyncio.wait_for(inputs.take(), 10) == (0, 1)
        waiting = asyncio.create_task(inputs.take())
        await asyncio.sleep(0.01)
        inputs.close()
        assert await asyncio.wait_for(waiting, 10) is None
        assert await inputs.take() is None

    try:
        asyncio.run(run())
    finally:
        go.set()


def test_what_an_iterator_raises_comes_after_what_it_gave() -> None:
    def three_and_then() -> Iterator[int]:
        yield from range(3)
        raise OSError("the disk is gone")

    async def run() -> None:
        inputs = Inputs(three_and_then(), True)
        assert [await inputs.take() for _ in range(3)] == [(n, n) for n in range(3)]
        with pytest.raises(OSError, match="the disk is gone"):
            await inputs.take()
        assert await inputs.take() is None
        inputs.close()

    asyncio.run(run())


@pytest.mark.parametrize(("seconds", "most"), [(0.003, 17), (0.0, 513)])
def test_only_a_few_are_taken_ahead_and_some_more_where_they_come_fast(seconds: float, most: int) -> None:
    taken = 0

    def counting() -> Iterator[int]:
        nonlocal taken
        while True:
            time.sleep(seconds)
            taken += 1
            yield taken

    async def run() -> list[int]:
        inputs, ahead = Inputs(counting(), True), []
        for n in range(100):
            await inputs.take()
            await asyncio.sleep(0.001)
            ahead.append(taken - n - 1)
        inputs.close()
        return ahead

    assert max(asyncio.run(run())) <= most
