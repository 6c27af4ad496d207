"""The one door from asynchronous code to synchronous callers.

All work is written once, as coroutines. A synchronous call carries its coroutine to one event loop on one daemon
thread of the process and waits; it works as well inside somebody's running loop (a notebook), because that loop is
another one. The caller's context variables go along. Ctrl-C cancels the work, gives it `GRACE` seconds to record what
was paid for, and raises again; a second one leaves at once. After a fork the child has a door of its own.

A synchronous call made from the work itself (from a validator, from a `python:` step) would wait for a thread that
waits for it: it is refused, with the name of the asynchronous twin.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from .errors import NestedCall

__all__ = ["GRACE", "iterate", "run", "working"]

T = TypeVar("T")

GRACE = 5.0
"""Seconds that cancelled work has to record what was paid for."""

working: ContextVar[bool] = ContextVar("extract_working", default=False)
"""True in code that the engine runs on behalf of a task: validators and steps."""


class _Door:
    """The thread and its loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._serve, name="extract", daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def close(self) -> None:
        """Closes what is open and stops the loop, at the exit of the process. Clients are kept by asynchronous
        generators (see `models.openai`), which a loop closes before it ends. What is still at work, after a second
        Ctrl-C, is left as it is."""
        if any(not task.done() for task in asyncio.all_tasks(self.loop)):
            return
        with suppress(Exception):  # the process is leaving: what cannot be closed in time is closed by the system
            asyncio.run_coroutine_threadsafe(self.loop.shutdown_asyncgens(), self.loop).result(GRACE)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(1)
        if not self.thread.is_alive():
            self.loop.close()


_door: _Door | None = None
_lock = threading.Lock()
_registered = False


def run(start: Callable[[], Coroutine[Any, Any, T]], twin: str) -> T:
    """Runs a coroutine on the door's loop and waits for its result. `twin` is how the caller would say it with
    await.
    """
    return _wait(start, _opened(twin))


def iterate(start: Callable[[], AsyncIterator[T]], twin: str) -> Iterator[T]:
    """Iterates an asynchronous iterator that lives on the door's loop, one item at a time."""
    door = _opened(twin)
    items = start()
    close = getattr(items, "aclose", None)

    async def step() -> tuple[bool, T | None]:
        try:
            return True, await anext(items)
        except StopAsyncIteration:
            return False, None

    try:
        while (pulled := _wait(step, door))[0]:
            yield pulled[1]  # type: ignore[misc]
    finally:
        if close is not None and door is _door:  # after a fork the iterator belongs to the parent
            if threading.current_thread() is door.thread:  # collected there, where waiting would be for itself
                door.loop.create_task(_closed(close))
            else:
                _wait(close, door)


async def _closed(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with suppress(RuntimeError):  # the loop closes what it finds unreachable itself, and may have begun to
        await close()


def _opened(twin: str) -> _Door:
    global _door, _registered
    if working.get() or (_door is not None and threading.current_thread() is _door.thread):
        raise NestedCall(
            "A synchronous call was made from inside the work of another one, which would wait for itself.",
            fix=f"Use {twin}, or make the call before or after.",
        )
    with _lock:
        if _door is None or not _door.thread.is_alive():
            _door = _Door()
            if not _registered:
                _registered = True
                atexit.register(_close)
                if hasattr(os, "register_at_fork"):
                    os.register_at_fork(after_in_child=_forget)
        return _door


def _wait(start: Callable[[], Coroutine[Any, Any, T]], door: _Door) -> T:
    work = _Work(start)
    try:
        door.loop.call_soon_threadsafe(work.begin)
        return work.came.result()
    except BaseException:  # Ctrl-C, or whatever a signal handler raises in the waiting thread, at any moment
        if not work.came.done():
            door.loop.call_soon_threadsafe(work.leave)
            work.ended.wait(GRACE)
        raise


class _Work(Generic[T]):
    """A coroutine on its way to the loop, which may be left before it has begun there. `came` is what comes of it,
    `ended` is set when nothing of it is under way any more."""

    def __init__(self, start: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self.came: Future[T] = Future()
        self.ended = threading.Event()
        self._start = start
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """On the loop's thread, with the context of whoever waits."""
        self._task = asyncio.get_running_loop().create_task(self._carried())
        self._task.add_done_callback(self._over)

    def leave(self) -> None:
        """On the loop's thread, after `begin` if that was handed over."""
        if self._task is None:
            self.ended.set()
        else:
            self._task.cancel()

    async def _carried(self) -> None:
        try:
            came = await self._start()
        except asyncio.CancelledError:
            return
        except BaseException as error:  # noqa: BLE001  it is raised to whoever waits
            self.came.set_exception(error)
        else:
            self.came.set_result(came)

    def _over(self, task: asyncio.Task[None]) -> None:
        """After all of it, or where it was cancelled before it had begun."""
        self.came.cancel()  # unless something came
        self.ended.set()


def _close() -> None:
    global _door
    if _door is not None:
        _door.close()
        _door = None


def _forget() -> None:
    """In a forked child the thread does not exist: the next call opens a new door."""
    global _door, _lock
    _door, _lock = None, threading.Lock()
