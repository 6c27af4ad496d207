"""The inputs of an engine, taken one by one from an iterator that may take its time.

Such an iterator runs on a thread of its own, because it may read files, ask a database or wait for whoever writes. To
wake a thread and to be woken by it takes longer than to take most inputs, so the thread goes on to a few more than are
asked for, to more of them where they come fast, and wakes the event loop only where somebody waits. What is there is
handed out at once, however long the next one takes.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from .threads import on_thread

__all__ = ["Inputs"]

A = TypeVar("A")

_AHEAD, _MOST = 16, 512
"""How many inputs may have been taken that nobody has asked for: so many, or as many as come in a moment."""

_MOMENT = 0.01
"""Seconds: what takes that long to come may also take much memory."""


class Inputs(Generic[A]):
    """The items of an iterator with their numbers, for the workers of one event loop; where taking one may take time
    (`lazy`), on a thread that nobody else waits for. What the iterator raises is raised to one of the workers."""

    def __init__(self, items: Iterator[A], lazy: bool):
        self._items, self._closed = enumerate(items), False
        self._thread = ThreadPoolExecutor(1, "extract-inputs") if lazy else None
        self._turn = asyncio.Lock()
        self._taken: deque[tuple[int, A]] = deque()
        self._came = asyncio.Event()
        self._wanted = self._ended = False
        self._taking: asyncio.Future[None] | None = None

    async def take(self) -> tuple[int, A] | None:
        """The next item and its number, from 0; None at the end."""
        if self._thread is None:
            return None if self._closed else next(self._items, None)
        if not self._taken:
            async with self._turn:
                while not (self._taken or self._closed or self._ended):
                    await self._more(self._thread)
        return self._taken.popleft() if self._taken else None

    def close(self) -> None:
        """There are no more."""
        self._closed = True
        self._taken.clear()
        if self._taking is not None:
            self._taking.cancel()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _more(self, thread: ThreadPoolExecutor) -> None:
        """Waits until there is another item, or the thread has ended its work, and raises what it raised."""
        if self._taking is None:
            loop = asyncio.get_running_loop()
            work = on_thread(lambda: self._take(loop), thread, "an iterator of documents", apart=True)
            self._taking = asyncio.ensure_future(work)
            self._taking.add_done_callback(lambda done: self._came.set())
        self._wanted = True
        if not (self._taken or self._taking.done()):  # neither came before it was wanted
            await self._came.wait()
        self._wanted = False
        self._came.clear()
        if self._taking.done() and not (self._taken or self._closed):
            taking, self._taking = self._taking, None
            taking.result()

    def _take(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the thread: takes items until enough are there."""
        end = time.monotonic() + _MOMENT
        while not self._closed and len(self._taken) < (_MOST if time.monotonic() < end else _AHEAD):
            item = next(self._items, None)
            if item is None:
                self._ended = True
                return
            self._taken.append(item)
            if self._wanted:
                self._wanted = False
                loop.call_soon_threadsafe(self._came.set)
