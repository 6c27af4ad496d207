"""Reads an answer that was cut off: what of it is certain, and what was still open.

Of a text that ends in the middle of its value, the part up to the last comma or bracket is certain, and nothing behind
it is: a number may go on, a quote may be one inside of the text, a list may have more items. That part is closed with
the brackets that are missing and read as a whole answer, so it is judged as one, and the reading says which lists and
objects were `open`, from the outermost on. Brackets at the very end close nothing, because nothing that follows them
was seen, and there are providers that add those that are missing. A text that is not JSON as far as it goes gives
nothing certain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .. import nodes
from ..events import Event
from ..extraction import Problem
from ..pointer import join
from .answer import read_whole
from .opening import VALUE, opening
from .reading import Cut, Reading

__all__ = ["read_cut"]

_SPACE = re.compile(r"[ \t\r\n]*")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[-+.\w]+")
_AFTER = re.compile(r"\s*(?:```\s*)?")
_DEEPEST = 200
"""Brackets that are open at once; a text with more of them gives nothing."""

_CLOSES = {"{": "}", "[": "]"}


def read_cut(text: str, type: nodes.Type) -> Reading:
    """What is certain of the beginning of an answer, with its `cut`; no value where nothing is."""
    start = _start(text)
    found = None if start is None else _Scan(text, start).certain()
    if found is None:
        return Reading(None, problems=(Problem("", "The text was cut off and is not JSON", "reading"),), complete=False)
    read = read_whole(found.text, type)
    before = text[:start]
    prose = (Event("read.prose", "", before, "", (0, len(before))),) if before.strip() else ()
    return replace(
        read,
        events=(*prose, *(_moved(event, len(before)) for event in read.events)),
        complete=False,
        cut=_renamed(found, read.events),
    )


def _moved(event: Event, by: int) -> Event:
    return event if event.span is None else replace(event, span=(event.span[0] + by, event.span[1] + by))


def _renamed(found: _Certain, events: tuple[Event, ...]) -> Cut:
    """The places of the cut by the names that they have in the value, which may be written otherwise in the text."""
    names = {
        (event.pointer.rpartition("/")[0], event.before): event.pointer for event in events if event.rule in _NAMES
    }
    places = [""]
    for step in (*found.way, *(() if found.last is None else (found.last,))):
        places.append(names.get((places[-1], step), places[-1] + join(step)))
    last = None if found.last is None else places.pop()
    return Cut(tuple(places), last, found.comma)


_NAMES = ("read.name",)


def _start(text: str) -> int | None:
    """Where the value begins, behind prose, fences and thinking."""
    at = 0
    while True:
        at, found = opening(text, at, False)
        if found == VALUE:
            return at
        if not found:
            return None
        end = text.find(found, at)
        if end < 0:
            return None
        at = end + len(found)


@dataclass(frozen=True, slots=True)
class _Certain:
    """The certain part as a whole value, the steps to the innermost of the brackets that were open there, its last part
    (None: it has none), and whether a comma stands behind that."""

    text: str
    way: tuple[str | int, ...]
    last: str | int | None
    comma: bool


class _Scan:
    """Goes through JSON from one bracket on, and notes the last place up to which all is certain."""

    def __init__(self, text: str, start: int):
        self.text, self.start, self.at = text, start, start
        self.marks: list[str] = []
        self.steps: list[str | int] = []  # the present member of each open bracket
        self.behind = start  # a closing bracket: where another one would follow it
        self.end = start  # of what is certain
        self.member: str | int | None = None  # the last one that is certain, of the innermost
        self.way: tuple[list[str], list[str | int]] | None = None  # what was open there, if it is not open any more

    def certain(self) -> _Certain | None:
        """The certain part, or None where the text is not JSON as far as it goes."""
        try:
            self._follow()
        except _NotJson:
            return None
        marks, steps = self.way or (self.marks, self.steps)
        text = self.text[self.start : self.end] + "".join(map(_CLOSES.__getitem__, reversed(marks)))
        return _Certain(text, tuple(steps[:-1]), self.member, self.text[self.end : self.end + 1] == ",")

    def _follow(self) -> None:
        self._opened()
        state = "first"
        while self.marks and state:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at >= len(self.text):
                return
            state = _STEPS[state](self)
        if not state:
            return
        after = _AFTER.match(self.text, self.at)
        assert after is not None
        if after.end() < len(self.text):
            raise _NotJson

    def _opened(self) -> None:
        mark = self.text[self.at]
        if len(self.marks) == _DEEPEST:
            raise _NotJson
        self.marks.append(mark)
        self.steps.append("" if mark == "{" else 0)
        self.at += 1
        self._note(self.at, None)

    def _note(self, end: int, member: str | int | None) -> None:
        """All is certain up to here."""
        self.end, self.member, self.way = end, member, None

    def _closed(self, member: str | int | None) -> str:
        if self.behind != self.at:  # of several brackets, the first
            self._note(self.at, member)
            self.way = self.marks.copy(), self.steps.copy()
        self.marks.pop()
        self.steps.pop()
        self.at += 1
        self.behind = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
        return "after"

    def _first(self) -> str:
        """Behind an opening bracket."""
        if self.text[self.at] == _CLOSES[self.marks[-1]]:
            return self._closed(None)
        return self._name() if self.marks[-1] == "{" else self._value()

    def _name(self) -> str:
        name = _TEXT.match(self.text, self.at)
        if name is None:
            return self._unfinished()
        colon = _SPACE.match(self.text, name.end()).end()  # type: ignore[union-attr]
        if colon >= len(self.text):
            return ""
        if self.text[colon] != ":":
            raise _NotJson
        self.steps[-1] = _unescaped(name[0])
        self.at = colon + 1
        return "value"

    def _value(self) -> str:
        mark = self.text[self.at]
        if mark in _CLOSES:
            self._opened()
            return "first"
        found = (_TEXT if mark == '"' else _SCALAR).match(self.text, self.at)
        if found is None:
            return self._unfinished()
        self.at = found.end()
        return "after"

    def _after(self) -> str:
        """Behind a value: it is certain once a comma or the closing bracket is there."""
        mark = self.text[self.at]
        if mark == ",":
            self._note(self.at, self.steps[-1])
            self.at += 1
            if self.marks[-1] == "{":
                return "name"
            step = self.steps[-1]
            assert isinstance(step, int)
            self.steps[-1] = step + 1
            return "value"
        if mark == _CLOSES[self.marks[-1]]:
            return self._closed(self.steps[-1])
        raise _NotJson

    def _unfinished(self) -> str:
        """The text ends inside of a name or a text; anything else that stands here is not JSON."""
        if self.text[self.at] != '"':
            raise _NotJson
        return ""


_STEPS: Mapping[str, Callable[[_Scan], str]] = {
    "first": _Scan._first, "name": _Scan._name, "value": _Scan._value, "after": _Scan._after
}  # fmt: skip
"""What may stand next, and what to do with it: each gives what may stand after that, or nothing at the end."""


def _unescaped(written: str) -> str:
    if "\\" not in written:
        return written[1:-1]
    try:
        name = json.loads(written, strict=False)
    except ValueError:
        raise _NotJson from None
    assert isinstance(name, str)
    return name


class _NotJson(Exception):
    """The text is not JSON as far as it goes."""
