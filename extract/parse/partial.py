"""An answer read while it is being written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import nodes
from .answer import read_whole
from .reading import Reading

__all__ = ["Live", "Reader"]


@dataclass(slots=True)
class Live:
    """What is there so far. `value` grows in place; `closed` are the pointers of the list items that this delta closed."""

    value: Any = None
    closed: tuple[str, ...] = ()
    complete: bool = False


class Reader:
    """Takes the deltas of one answer and shows what is there, in time linear in the length of the answer."""

    def __init__(self, type: nodes.Type):
        self._type = type
        self._deltas: list[str] = []
        self._live = Live()

    def feed(self, text: str) -> Live:
        self._deltas.append(text)
        return self._live

    @property
    def value(self) -> Any:
        return self._live.value

    def so_far(self) -> Reading:
        return read_whole("".join(self._deltas), self._type, "lenient")

    def finish(self) -> Reading:
        return read_whole("".join(self._deltas), self._type)
