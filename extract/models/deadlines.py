"""When requests must have ended, for many of them in one event loop: timeouts that one timer sets off.

A timer for each request would be set and taken back a moment later. The loop keeps what was taken back, in their order
with the others, and that takes it as long as reading an answer. Here a request only writes down when it must have
ended, and the one timer is set for the first of them. What is late is ended as `asyncio.timeout` ends it.
"""

from __future__ import annotations

import asyncio

__all__ = ["Deadline", "Deadlines"]


class Deadlines:
    """The ends of what is under way in the running event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._open: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> Deadline:
        """Around what must have ended within so many seconds; raises TimeoutError where it has not."""
        return Deadline(self, self.loop.time() + seconds)

    def set(self, deadline: Deadline, end: float) -> None:
        self._open[deadline] = end
        if self._timer is None or end < self._timer.when():
            self._wake_at(end)

    def drop(self, deadline: Deadline) -> None:
        self._open.pop(deadline, None)

    def close(self) -> None:
        """Nothing is set off any more."""
        self._open.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake_at(self, end: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(end, self._woken, end)

    def _woken(self, due: float) -> None:
        """Sets off what is due; most of what the timer was set for has been dropped by now."""
        self._timer = None
        for deadline in [one for one, end in self._open.items() if end <= due]:
            del self._open[deadline]
            deadline.strike()
        if self._open:
            self._wake_at(min(self._open.values()))


class Deadline:
    """The end of what the present task does inside of it."""

    __slots__ = ("_cancelling", "_deadlines", "_end", "_passed", "_task")

    def __init__(self, deadlines: Deadlines, end: float):
        self._deadlines, self._end, self._passed = deadlines, end, False

    def __enter__(self) -> None:
        task = asyncio.current_task(self._deadlines.loop)
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._deadlines.set(self, self._end)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._deadlines.drop(self)
        if self._passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error  # nobody else has cancelled the task

    def strike(self) -> None:
        """Ends what is late."""
        self._passed = True
        self._task.cancel()
