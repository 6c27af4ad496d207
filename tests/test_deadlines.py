"""Deadlines: one timer, and each request ends as if it had a timeout of its own."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from extract.models.deadlines import Deadlines


async def held(deadlines: Deadlines, seconds: float, work: float) -> str:
    """What becomes of work that takes so long and must have ended in so many seconds."""
    try:
        with deadlines.within(seconds):
            await asyncio.sleep(work)
    except TimeoutError:
        return "late"
    return "done"


def test_each_ends_in_its_own_time_in_whatever_order_they_came() -> None:
    async def all_of_them() -> list[str]:
        deadlines = Deadlines()
        ends = [(5.0, 0.0), (0.02, 5.0), (5.0, 0.05), (0.0, 5.0), (0.01, 5.0), (-1.0, 5.0), (5.0, 0.01)]
        return await asyncio.gather(*(held(deadlines, *one) for one in ends))

    assert asyncio.run(all_of_them()) == ["done", "late", "done", "late", "late", "late", "done"]


def test_those_that_come_after_it_has_rung_are_ended_as_well() -> None:
    async def one_after_the_other() -> list[str]:
        deadlines = Deadlines()
        return [await held(deadlines, *one) for one in [(0.01, 5.0), (5.0, 0.0), (0.01, 5.0), (0.02, 5.0)]]

    assert asyncio.run(one_after_the_other()) == ["late", "done", "late", "late"]


def test_who_is_cancelled_is_not_late() -> None:
    async def cancelled() -> str:
        deadlines = Deadlines()
        task = asyncio.create_task(held(deadlines, 5.0, 5.0))
        await asyncio.sleep(0)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return "cancelled"

    assert asyncio.run(cancelled()) == "cancelled"


def test_who_is_late_and_cancelled_is_cancelled() -> None:
    """And a task that has done its work in spite of being late is not cancelled for it later."""

    async def both() -> tuple[str, str]:
        deadlines = Deadlines()
        task = asyncio.create_task(held(deadlines, 5.0, 5.0))
        await asyncio.sleep(0)
        deadlines._woken(float("inf"))
        task.cancel()  # before it has heard of the first
        first = await asyncio.gather(task, return_exceptions=True)
        return type(first[0]).__name__, await asyncio.create_task(stubborn(deadlines))

    async def stubborn(deadlines: Deadlines) -> str:
        with deadlines.within(0.0), suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return f"done, cancelled {task.cancelling()} times"

    assert asyncio.run(both()) == ("CancelledError", "done, cancelled 0 times")


def test_nothing_is_ended_after_the_close() -> None:
    async def closed() -> str:
        deadlines = Deadlines()
        task = asyncio.create_task(held(deadlines, 0.01, 0.05))
        await asyncio.sleep(0)
        deadlines.close()
        return await task

    assert asyncio.run(closed()) == "done"
