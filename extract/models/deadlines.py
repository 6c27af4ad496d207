"""When requests must have ended, for many of them in one event loop: asyncio's timeouts, set off by one timer.

A timer for each request would be set and taken back a moment later. The loop keeps what was taken back, in their order
with the others, and that takes it as long as reading an answer. Here a request only writes down when it must have
ended, and the one timer is set for the first of them.
"""

from __future__ import annotations

import asyncio

__all__ = ["Deadlines"]


class Deadlines:
    """The ends of what is under way in the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends: dict[asyncio.Timeout, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def set(self, timeout: asyncio.Timeout, seconds: float) -> None:
        """Sets off a timeout that has none of its own, unless it is dropped within so many seconds."""
        self._ends[timeout] = end = self._loop.time() + seconds
        if self._timer is None or end < self._timer.when():
            self._wake_at(end)

    def drop(self, timeout: asyncio.Timeout) -> None:
        self._ends.pop(timeout, None)

    def close(self) -> None:
        """Nothing is set off any more."""
        self._ends.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake_at(self, end: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(end, self._woken, end)

    def _woken(self, due: float) -> None:
        """Sets off what is due; most of what the timer was set for has been dropped by now."""
        self._timer = None
        for timeout in [one for one, end in self._ends.items() if end <= due]:
            del self._ends[timeout]
            timeout.reschedule(due)
        if self._ends:
            self._wake_at(min(self._ends.values()))
