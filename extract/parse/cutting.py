"""Reads an answer that was cut off: what of it is certain, and what was still open.

Of a text that ends in the middle of its value, the part up to the last comma or bracket is certain, and nothing behind
it is: a number may go on, a quote may be one inside of the text, a list may have more items. That part is closed with
the brackets that are missing and read as a whole answer, so it is judged as one, and the reading says which lists and
objects were `open`, from the outermost on. A value that stands open is not known to be whole, though its last bracket
may be there: what follows it was never seen. A text that is not JSON as far as it goes gives nothing certain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .. import nodes
from ..events import Event
from ..extraction import Problem
from .answer import read_whole
from .opening import VALUE, opening
from .reading import Reading

__all__ = ["read_cut"]

_SPACE = re.compile(r"[ \t\r\n]*")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[-+.\w]+")
_AFTER = re.compile(r"\s*(?:```\s*)?")
_DEEPEST = 200
"""Brackets that are open at once; a text with more of them gives nothing."""

_CLOSES = {"{": "}", "[": "]"}


def read_cut(text: str, type: nodes.Type) -> Reading:
    """What is certain of the beginning of an answer, with `open` and never `complete`; no value where nothing is."""
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
        open=_renamed(found.open, read.events),
        goes_on=found.comma,
    )


def _moved(event: Event, by: int) -> Event:
    return event if event.span is None else replace(event, span=(event.span[0] + by, event.span[1] + by))


def _renamed(open_: tuple[tuple[str | int, ...], ...], events: tuple[Event, ...]) -> tuple[str, ...]:
    """The open places by the names that they have in the value, which may be written otherwise in the text."""
    names = {
        (event.pointer.rpartition("/")[0], event.before): event.pointer for event in events if event.rule in _NAMES
    }
    made = [""]
    for depth, steps in enumerate(open_[1:]):
        step, outer = steps[-1], made[depth]
        plain = f"{outer}/{str(step).replace('~', '~0').replace('/', '~1')}"
        made.append(names.get((outer, step), plain))
    return tuple(made)


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
    """The certain part as a whole value, the steps to each of the brackets that were open there, and whether a comma
    stands behind it."""

    text: str
    open: tuple[tuple[str | int, ...], ...]
    comma: bool


class _Scan:
    """Goes through JSON from one bracket on, and notes the last place up to which all is certain."""

    def __init__(self, text: str, start: int):
        self.text, self.start, self.at = text, start, start
        self.marks: list[str] = []
        self.steps: list[str | int] = []  # the present member of each open bracket
        self.end = start  # of what is certain
        self.depth, self.innermost = 0, ""  # how many brackets were open there, and the last of them

    def certain(self) -> _Certain | None:
        """The certain part, or None where the text is not JSON as far as it goes."""
        try:
            self._follow()
        except _NotJson:
            return None
        around = self.depth - 1  # what is around the innermost bracket has not changed since
        open_ = tuple(tuple(self.steps[:depth]) for depth in range(self.depth))
        missing = [self.innermost, *reversed(self.marks[:around])]
        text = self.text[self.start : self.end] + "".join(map(_CLOSES.__getitem__, missing))
        return _Certain(text, open_, self.text[self.end : self.end + 1] == ",")

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
        self._note(self.at)

    def _note(self, end: int) -> None:
        """All is certain up to here."""
        self.end, self.depth, self.innermost = end, len(self.marks), self.marks[-1]

    def _closed(self) -> str:
        self._note(self.at)  # its parts are; that it is a part of what is around it is seen by what follows
        self.marks.pop()
        self.steps.pop()
        self.at += 1
        return "after"

    def _first(self) -> str:
        """Behind an opening bracket."""
        if self.text[self.at] == _CLOSES[self.marks[-1]]:
            return self._closed()
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
            self._note(self.at)
            self.at += 1
            if self.marks[-1] == "{":
                return "name"
            step = self.steps[-1]
            assert isinstance(step, int)
            self.steps[-1] = step + 1
            return "value"
        if mark == _CLOSES[self.marks[-1]]:
            return self._closed()
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
