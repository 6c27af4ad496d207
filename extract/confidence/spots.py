"""Where the values and the names of a JSON text stand.

The text is well-formed and its value is known, so the two are walked side by side: names and values come in the text in
the order in which the value holds them. Places are half-open ranges of bytes, and cover a literal as it is written: a
text with both of its quotes, a list or an object with its brackets. What does not go together has no places at all.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

__all__ = ["Span", "Spot", "finished", "spot_of", "spot_within"]

Span = tuple[int, int]

_LITERAL = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|[^\s{}\[\]",:]+', re.DOTALL)
_MARK = re.compile(rb'"(?:[^"\\]*(?:\\.[^"\\]*)*")?|[{}\[\],]', re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_NONE: Mapping[str, Any] = MappingProxyType({})
_CLOSER = {b"{": b"}", b"[": b"]"}


class Spot:
    """A value and its place. `members` are the values of an object, `names` the places of their names, `items` the
    values of a list. There is one for each value of an answer, so it is kept small."""

    __slots__ = ("items", "members", "names", "span", "value")

    def __init__(
        self,
        value: Any,
        span: Span,
        members: Mapping[str, Spot] = _NONE,
        names: Mapping[str, Span] = _NONE,
        items: Sequence[Spot] = (),
    ):
        self.value, self.span, self.members, self.names, self.items = value, span, members, names, items

    @property
    def empty(self) -> bool:
        """Whether there is nothing inside: it is a leaf."""
        return not (self.members or self.items)

    def leaves(self) -> Iterator[Spot]:
        """Its leaves in order."""
        if self.empty:
            yield self
        for inner in (*self.members.values(), *self.items):
            yield from inner.leaves()


class _Apart(Exception):
    """The value is not that of the text."""


def spot_of(value: Any, text: bytes) -> Spot | None:
    """The spot of the value that a JSON text holds; None where the two do not go together."""
    literals = (found.span() for found in _LITERAL.finditer(text))
    try:
        found = _spot(value, text, literals)
    except (_Apart, StopIteration):
        return None
    return found if next(literals, None) is None else None


def _spot(value: Any, text: bytes, literals: Iterator[Span]) -> Spot:
    span = next(literals)
    mark = text[span[0]]
    if type(value) is dict:
        _require(mark == 0x7B)
        members: dict[str, Spot] = {}
        names: dict[str, Span] = {}
        for name, inner in value.items():
            names[name] = at = next(literals)
            _require(text[at[0]] == 0x22)
            members[name] = _spot(inner, text, literals)
        made = Spot(value, span, members, names)
    elif type(value) is list:
        _require(mark == 0x5B)
        made = Spot(value, span, items=[_spot(inner, text, literals) for inner in value])
    else:
        _require(mark not in b"{}[]" and (mark == 0x22) == isinstance(value, str))
        return Spot(value, span)
    end = next(literals)
    _require(text[end[0]] == mark + 2)
    made.span = (span[0], end[1])
    return made


def _require(holds: bool) -> None:
    if not holds:
        raise _Apart


def spot_within(value: Any, spot: Spot, text: bytes) -> Spot | None:
    """The spot of a value whose JSON text stands in the JSON string at a spot, with places in the outer text."""
    start, end = spot.span
    outer = _Unescaped(text[start + 1 : end - 1], start + 1)
    found = spot_of(value, spot.value.encode("utf-8", "surrogatepass"))
    return None if found is None else _moved(found, outer.span)


def _moved(spot: Spot, place: Callable[[Span], Span]) -> Spot:
    return Spot(
        spot.value,
        place(spot.span),
        {name: _moved(inner, place) for name, inner in spot.members.items()},
        {name: place(span) for name, span in spot.names.items()},
        [_moved(inner, place) for inner in spot.items],
    )


class _Unescaped:
    """Brings places in what a JSON string says to places in how it is written: an escape is one character."""

    def __init__(self, written: bytes, start: int):
        self._said = [0]  # where in what is said each escape begins and ends, in turn
        self._written = [start]
        at = 0
        for escape in _ESCAPE.finditer(written):
            said = self._said[-1] + escape.start() - at
            meant = json.loads(b'"' + escape[0] + b'"').encode("utf-8", "surrogatepass")
            self._said += (said, said + len(meant))
            self._written += (start + escape.start(), start + escape.end())
            at = escape.end()

    def span(self, span: Span) -> Span:
        return self._place(span[0], 0), self._place(span[1] - 1, 1)

    def _place(self, at: int, after: int) -> int:
        """Where the byte stands that holds what is said at a place, or the place after it."""
        index = bisect_right(self._said, at) - 1
        if index % 2:  # inside of an escape
            return self._written[index + after]
        return self._written[index] + at - self._said[index] + after


def finished(text: bytes) -> tuple[bytes, int]:
    """What is surely whole of a JSON text that was cut off, as JSON, and where it ends in the text: at the last comma
    or closing bracket. The brackets are closed that are open there; what stands before the first one is blank, so that
    places stay as they are."""
    start = min((at for at in (text.find(b"{"), text.find(b"[")) if at >= 0), default=len(text))
    open_: list[bytes] = []
    end, depth = start, 0
    for mark in _MARK.finditer(text, start):
        if mark[0] in _CLOSER:
            open_.append(_CLOSER[mark[0]])
        elif mark[0] == b'"' or (mark[0] in (b"}", b"]") and (not open_ or open_.pop() != mark[0])):
            break
        elif mark[0] == b",":
            end, depth = mark.start(), len(open_)
        elif mark[0] in (b"}", b"]"):
            end, depth = mark.end(), len(open_)
            if not open_:
                break
    return b" " * start + text[start:end] + b"".join(reversed(open_[:depth])), end
