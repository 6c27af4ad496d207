"""Who of an engine's units can go on by itself: what has to be known before a file of calls is closed.

A unit is at work until something in it waits for a reply; units are counted by a variable of their context, which goes
along into whatever they start. When nobody is at work and nobody takes another unit, no call will come until a reply
has come.
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
    """Counts who is `taking` a unit and how many units are `at_work`; `changed` is called when one of these falls."""

    __slots__ = ("at_work", "changed", "taking")

    def __init__(self) -> None:
        self.taking = self.at_work = 0
        self.changed: Callable[[], None] = lambda: None

    @property
    def idle(self) -> bool:
        """Whether nothing happens until a reply comes."""
        return not self.taking and not self.at_work

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
        try:
            yield
        finally:
            unit.waiting -= 1
            self.at_work += not unit.waiting and not unit.ended


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
