"""How a contender of the benchmark of speed takes its turns; each script beside this one calls `serve` for its own.

    python speed_X.py NAME ADDRESS BEGAN PACKAGES

ADDRESS is the server's, BEGAN the driver's monotonic clock when it started this process, PACKAGES names those whose
versions are told. The script answers in JSON lines: first when its imports were done and when its first answer had come
(in seconds since BEGAN), then, for each line ``IN_FLIGHT CALLS MILLISECONDS`` that it is told, what that turn took, and
at the end of its input the greatest memory that it had. It is idle while others have their turns.

A turn is so many calls, and more of them until it has lasted so long; before it, `WARMING` calls and as many as are in
flight open the connections. Its processor time is what the whole process took, user and system, with the collector and
this harness, which is a few microseconds a call.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from speed_work import RECORD, document

__all__ = ["Open", "Turn", "one_by_one", "serve"]

Turn = Callable[[Iterator[str], int], Awaitable[tuple[Any, list[float]]]]
"""Takes documents until there are no more, so many in flight; gives one of the values, and the seconds of each call
where it knows them."""
Open = Callable[[str, str], AbstractAsyncContextManager[Turn]]
"""Opens the contender of this name for the server at this address."""


WARMING = 30


def one_by_one(one: Callable[[str], Awaitable[Any]]) -> Turn:
    """Turns of a contender that is asked for one document at a time, by as many workers as are in flight."""

    async def turn(documents: Iterator[str], in_flight: int) -> tuple[Any, list[float]]:
        value, taken = None, []

        async def worker() -> None:
            nonlocal value
            for text in documents:
                began = time.perf_counter()
                value = await one(text)
                taken.append(time.perf_counter() - began)

        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return value, taken

    return turn


def serve(open_: Open) -> None:
    """Takes the turns that standard input asks for."""
    name, address, began, packages = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4].split()
    imported = time.monotonic() - began
    numbers, opened = _Numbers(), open_(name, address)
    with asyncio.Runner() as runner:
        turn = runner.run(_entered(opened))
        value, _ = runner.run(turn(numbers.documents(1), 1))
        _check(value)
        _tell({"imported": imported, "first": time.monotonic() - began, "versions": _versions(packages)})
        for line in sys.stdin:
            in_flight, calls, milliseconds = map(int, line.split())
            runner.run(turn(numbers.documents(WARMING + in_flight), in_flight))
            _tell(runner.run(_measured(turn, numbers, in_flight, calls, milliseconds)))
        runner.run(opened.__aexit__(None, None, None))
    _tell({"calls": numbers.given, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss})


async def _entered(opened: AbstractAsyncContextManager[Turn]) -> Turn:
    return await opened.__aenter__()


async def _measured(
    turn: Turn, numbers: _Numbers, in_flight: int, calls: int, milliseconds: int
) -> dict[str, float | None]:
    before, given = resource.getrusage(resource.RUSAGE_SELF), numbers.given
    began = time.perf_counter()
    value, taken = await turn(numbers.documents(calls, milliseconds / 1000), in_flight)
    elapsed = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    _check(value)
    count = numbers.given - given
    taken.sort()
    return {
        "calls": count,
        "processor": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count,
        "rate": count / elapsed,
        "p99": taken[int(0.99 * len(taken))] if taken else None,
    }


class _Numbers:
    """The documents that were given so far: each one once in the life of a process."""

    def __init__(self) -> None:
        self.given = 0

    def documents(self, calls: int, seconds: float = 0.0) -> Iterator[str]:
        """At least so many, and more until so many seconds have passed."""
        least, until = self.given + calls, time.perf_counter() + seconds
        while self.given < least or time.perf_counter() < until:
            self.given += 1
            yield document(self.given)


def _check(value: Any) -> None:
    """A contender that gives another record than the server's has not done the work."""
    found = value.model_dump(mode="json") if hasattr(value, "model_dump") else json.loads(value)
    if found != RECORD:
        raise SystemExit(f"The record is not the one that the server gave: {found}")


def _versions(packages: list[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)
