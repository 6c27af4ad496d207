"""Who of an engine's units can go on by itself: what has to be known before a file of calls is closed, and before more
units are begun.

A unit is at work until something in it waits for a file's reply; units are counted by a variable of their context,
which goes along into whatever they start. When nobody is at work and nobody takes another unit, no call will come until
a reply has come. A unit that is held up while it needs no place on the wire is elsewhere: another one may be begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Crew"]


class _Unit:
    __slots__ = ("ended", "waiting")

    def __init__(self) -> None:
        self.waiting, self.ended = 0, False


_unit: ContextVar[_Unit | None] = ContextVar("extract_unit", default=None)


class Crew:
    """Counts who is `taking` a unit, how many units are `at_work`, and how many times one of them is `elsewhere`.
    `changed` is called when one of the first two falls, all of `short` when fewer make calls than before."""

    __slots__ = ("at_work", "changed", "elsewhere", "short", "taking")

    def __init__(self) -> None:
        self.taking = self.at_work = self.elsewhere = 0
        self.changed: Callable[[], None] = _nothing
        self.short: list[Callable[[], None]] = []

    @property
    def idle(self) -> bool:
        """Whether nothing happens until a reply comes."""
        return not self.taking and not self.at_work

    @property
    def calling(self) -> int:
        """About how many make calls, or will as soon as they have a unit: one that does several things at once may be
        elsewhere several times."""
        return self.taking + self.at_work - self.elsewhere

    @contextmanager
    def away(self) -> Iterator[None]:
        """Around what may take long and needs no place on the wire: other threads, pauses, other calls."""
        self.elsewhere += 1
        self._fewer()
        try:
            yield
        finally:
            self.elsewhere -= 1

    def takes(self) -> _Taking:
        """Around taking a unit."""
        return _Taking(self)

    def works(self) -> _Working:
        """Around all of a unit."""
        return _Working(self)

    @contextmanager
    def waits(self) -> Iterator[None]:
        """Around waiting for a reply, on behalf of whatever unit this is."""
        unit = _unit.get()
        if unit is None or unit.ended:
            yield
            return
        unit.waiting += 1
        self.at_work -= unit.waiting == 1
        self.changed()
        self._fewer()
        try:
            yield
        finally:
            unit.waiting -= 1
            self.at_work += not unit.waiting and not unit.ended

    def _fewer(self) -> None:
        for told in self.short:
            told()


def _nothing() -> None:
    """Nobody wants to know."""


class _Taking:
    __slots__ = ("_crew",)

    def __init__(self, crew: Crew):
        self._crew = crew

    def __enter__(self) -> None:
        self._crew.taking += 1

    def __exit__(self, *raised: object) -> None:
        self._crew.taking -= 1
        self._crew.changed()


class _Working:
    __slots__ = ("_before", "_crew", "_unit")

    def __init__(self, crew: Crew):
        self._crew, self._unit = crew, _Unit()

    def __enter__(self) -> None:
        self._before = _unit.set(self._unit)
        self._crew.at_work += 1

    def __exit__(self, *raised: object) -> None:
        _unit.reset(self._before)
        self._unit.ended = True
        self._crew.at_work -= not self._unit.waiting
        self._crew.changed()
