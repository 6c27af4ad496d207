"""What is shown of an answer that is being written.

A view is one value that grows in place. `snapshot` makes a value of it that stays as it is, at the cost of what is
still open; `grows_into` says whether a whole value is what a view could have become.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..jsontext import same
from .frames import Frame

__all__ = ["Live", "Whole", "grows_into", "snapshot"]


class Live:
    """What is there so far. `value` grows in place (None before it begins); `closed` are the pointers of the list items
    that the last delta closed and that are valid; `complete` says that the value has ended."""

    __slots__ = ("_ended", "_placed", "complete", "value")

    def __init__(self, ended: list[tuple[Frame, int]], placed: Callable[[str], str] = str):
        self.value: Any = None
        self.complete = False
        self._ended, self._placed = ended, placed

    @property
    def closed(self) -> tuple[str, ...]:
        return tuple(self._placed(f"{frame.pointer}/{item}") for frame, item in self._ended)


class Whole:
    """The value of a view as a place that a text can grow in."""

    __slots__ = ("_live",)

    def __init__(self, live: Live):
        self._live = live

    def __getitem__(self, key: str) -> Any:
        return self._live.value

    def __setitem__(self, key: str, value: Any) -> None:
        self._live.value = value


def snapshot(value: Any) -> Any:
    """A value that does not change while the one that it was made of grows: only what can still grow is copied, that
    is the last part, and the last part of that."""
    if type(value) is not dict and type(value) is not list:
        return value
    made = inner = value.copy()
    while inner:
        key = next(reversed(inner)) if type(inner) is dict else -1
        last = inner[key]
        if type(last) is not dict and type(last) is not list:
            break
        inner[key] = last = last.copy()
        inner = last
    return made


def grows_into(part: Any, value: Any) -> bool:
    """Whether a view could have become a value: nothing in it is gone or changed."""
    if part is None:
        return True
    if isinstance(part, dict):
        return isinstance(value, dict) and all(n in value and grows_into(v, value[n]) for n, v in part.items())
    if isinstance(part, list):
        if not isinstance(value, list) or len(part) > len(value):
            return False
        return all(grows_into(a, b) for a, b in zip(part, value, strict=False))
    if isinstance(part, str):
        return isinstance(value, str) and value.startswith(part)
    return same(part, value)
