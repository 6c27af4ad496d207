"""An answer read while it is being written.

The `Reader` follows well-formed JSON as it comes, delta by delta, and keeps one value that grows in place: texts
show what is there of them, numbers, choices and whatever needs its end to be known are withheld until they end,
list items are checked and handed out as they close. What stands behind its comma or bracket never changes any more.
Where the text is not well-formed, the view stands still and `finish` reads the whole tolerantly; if that does not
agree with what was shown, it says so. The cost of a delta depends on its own length only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .. import nodes
from ..extraction import Problem
from ..jsontext import same
from ..pointer import ABSENT
from .align import Aligner
from .answer import read_whole
from .conform import Checks, checks
from .exact import NotJson, exact
from .find import whole
from .frames import Frame, child, plan
from .reading import Policy, Reading

__all__ = ["Live", "Reader"]

_WAIT = -1  # a step that needs more text
_LONGEST = 5_000  # characters of one number, literal or name
_DEEPEST = 200  # brackets that are open at once in a view
_BEGIN = re.compile(r"[{\[]|\"|<(?:think|thinking|reasoning|scratchpad)>")
_OPENED = re.compile(r"\{\s*[\"}]|\[\s*[\[{\"\]\-\dtfn]")
_NEXT = re.compile(r"\s*")
_PLAIN = re.compile(r'[^"\\]*')
_NAME = re.compile(r'"((?:[^"\\\n]|\\.)*)"\s*:')
_SCALAR = re.compile(r"[-+\w.]++(?=[\s,\]}])")
_SCALAR_SO_FAR = re.compile(r"[-+\w.]*")
_ESCAPE = re.compile(
    r"\\(?:u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?![dD][89a-fA-F])[0-9a-fA-F]{4})|[\"\\/bfnrt])"
)
_ESCAPE_SO_FAR = re.compile(r"\\(?:u[0-9a-fA-F]{0,4}(?:\\(?:u[0-9a-fA-F]{0,4})?)?)?")


@dataclass(slots=True)
class Live:
    """What is there so far. `value` grows in place (None before it begins); `closed` are the pointers of the list items
    that the last delta closed and that are valid; `complete` says that the value has ended."""

    value: Any = None
    closed: tuple[str, ...] = ()
    complete: bool = False


class Reader:
    """Takes the deltas of one answer and shows what is there."""

    def __init__(self, type: nodes.Type, policy: Policy = "safe"):
        self._type, self._policy = type, policy
        self._checks: Checks = checks(type)
        self._deltas: list[str] = []
        self._rest = ""
        self._needs = ""  # a character without which the next step cannot be made
        self._live = Live()
        self._frames: list[Frame] = []
        self._in_text = False
        self._step: Callable[[str, int], int] | None = self._begin

    def feed(self, text: str) -> Live:
        """Takes the next delta; gives the view, which is the same object each time."""
        self._deltas.append(text)
        live = self._live
        if live.closed:
            live.closed = ()
        if self._in_text and not self._rest and '"' not in text and "\\" not in text:
            self._frames[-1].grow(text)
            return live
        if self._step is None:
            return live
        if self._needs and self._needs not in text and len(self._rest) < _LONGEST:
            self._rest += text
            return live
        rest = self._rest + text if self._rest else text
        at = 0
        size = len(rest)
        while (step := self._step) is not None:
            after = step(rest, at)
            if after < 0:
                break
            at = after
            if at == size:
                self._rest = ""
                return live
        self._rest = rest[at:] if self._step is not None else ""
        if len(self._rest) > _LONGEST:
            self._stop()
        return live

    @property
    def value(self) -> Any:
        """What is there so far."""
        return self._live.value

    def so_far(self) -> Reading:
        """The view as a reading."""
        return Reading(self._live.value, complete=self._live.complete)

    def finish(self) -> Reading:
        """The reading of the whole answer."""
        reading = read_whole("".join(self._deltas), self._type, self._policy)
        if reading.problems or _grows_into(self._live.value, reading.value):
            return reading
        problem = Problem("", "The end of the text contradicts what had been read of it", "reading")
        return replace(reading, problems=(problem,))

    def _stop(self) -> None:
        """The text is not well-formed: the view stands still from here."""
        self._step, self._in_text = None, False

    def _begin(self, text: str, at: int) -> int:
        """Looks for the beginning of the value between prose, fences and thinking."""
        found = _BEGIN.search(text, at)
        if found is None:
            return _WAIT if at == len(text) else max(at, len(text) - 12) if len(text) - at > 12 else _WAIT
        start = found.start()
        if found[0][0] == "<":
            self._step, self._thought = self._think, f"</{found[0][1:]}"
            return found.end()
        if found[0] == '"':
            if text[:start].strip() or not isinstance(self._type.resolve(self._type.root), nodes.Text):
                return found.end()
        elif not _OPENED.match(text, start):
            tail = text[start + 1 :]
            return start if tail.strip() == "" and start > at else _WAIT if tail.strip() == "" else start + 1
        root = Frame("root", None, plan(self._checks, self._type.root))
        self._frames.append(root)
        self._step = self._value
        return start

    def _think(self, text: str, at: int) -> int:
        end = text.find(self._thought, at)
        if end < 0:
            keep = max(at, len(text) - len(self._thought))
            return keep if keep > at else _WAIT
        self._step = self._begin
        return end + len(self._thought)

    def _value(self, text: str, at: int) -> int:
        if at < len(text) and text[at] <= " ":
            at = _NEXT.match(text, at).end()  # type: ignore[union-attr]
        if at == len(text):
            return _WAIT
        frame, mark = self._frames[-1], text[at]
        if mark == '"':
            frame.begin_text()
            self._in_text, self._step = True, self._text
            return at + 1
        if mark in "{[":
            if len(self._frames) > _DEEPEST:
                self._stop()
                return _WAIT
            self._frames.append(child(self._checks, frame, mark))
            self._show()
            self._step = self._first
            return at + 1
        return self._scalar(text, at)

    def _show(self) -> None:
        if self._live.value is None and self._frames:
            self._live.value = self._frames[0].value

    def _scalar(self, text: str, at: int) -> int:
        found = _SCALAR.match(text, at)
        if found is None:
            if _SCALAR_SO_FAR.match(text, at).end() < len(text):  # type: ignore[union-attr]
                self._stop()
            return _WAIT
        try:
            value = exact(found[0])
        except NotJson:
            self._stop()
            return _WAIT
        self._settle(self._frames[-1], value)
        self._step = self._after
        return found.end()

    def _text(self, text: str, at: int) -> int:
        """Inside of a text: as much as is there, up to its quote."""
        frame = self._frames[-1]
        end = _PLAIN.match(text, at).end()  # type: ignore[union-attr]
        if end > at:
            frame.grow(text[at:end])
        if end == len(text):
            return end if end > at else _WAIT
        if text[end] == '"':
            self._in_text, self._step = False, self._after
            self._settle(frame, frame.end_text())
            self._end_at(frame)
            return end + 1
        escape = _ESCAPE.match(text, end)
        if escape is not None:
            frame.grow(json.loads(f'"{escape[0]}"'))
            return escape.end()
        if not _ESCAPE_SO_FAR.fullmatch(text, end):
            self._stop()
        return end if end > at and self._step is not None else _WAIT

    def _settle(self, frame: Frame, value: Any) -> None:
        """A value has ended: it is shown as the type reads it, and left out of an object where the type does not."""
        kind = frame.plan
        if frame.hidden or kind is None or kind.free or kind.check(value):
            frame.put(value)
        else:
            read = self._read(value, kind.node)
            if read is not ABSENT:
                frame.put(read)
            elif frame.mark == "[":
                frame.put(value)
            else:
                frame.drop()
        if frame.mark == "root":
            self._live.value = frame.value

    def _read(self, value: Any, node: nodes.Node) -> Any:
        """A whole value read against a node, as the final reading would."""
        text = json.dumps(value, ensure_ascii=False, default=float)
        candidate = whole(text, self._checks.names)
        if candidate is None:
            return ABSENT
        aligner = Aligner(self._type, self._checks, text, self._policy == "lenient", lambda _: None)
        read = aligner.read(candidate.tree, node)
        return ABSENT if aligner.problems else read

    def _first(self, text: str, at: int) -> int:
        """After an opening bracket: the first name or item, or the end."""
        if at < len(text) and text[at] <= " ":
            at = _NEXT.match(text, at).end()  # type: ignore[union-attr]
        if at == len(text):
            return _WAIT
        frame = self._frames[-1]
        if text[at] == ("}" if frame.mark == "{" else "]"):
            return self._close(at)
        self._step = self._name if frame.mark == "{" else self._value
        return at

    def _name(self, text: str, at: int) -> int:
        if at < len(text) and text[at] <= " ":
            at = _NEXT.match(text, at).end()  # type: ignore[union-attr]
        found = _NAME.match(text, at)
        if found is None:
            if at < len(text):
                self._needs = ":"
                if text[at] != '"':
                    self._stop()
            return _WAIT
        self._needs = ""
        name = found[1] if "\\" not in found[1] else json.loads(f'"{found[1]}"', strict=False)
        if not self._frames[-1].open_name(self._checks, name):
            self._stop()
            return _WAIT
        for pending, value, node in self._frames[-1].take_pending():
            read = value if self._checks.of(node)(value) else self._read(value, node)
            if read is not ABSENT:
                self._frames[-1].value[pending] = read
        self._step = self._value
        return found.end()

    def _after(self, text: str, at: int) -> int:
        """After a value: a comma, or the end of what it stands in."""
        frame = self._frames[-1]
        if at < len(text) and text[at] <= " ":
            at = _NEXT.match(text, at).end()  # type: ignore[union-attr]
        if at == len(text):
            return _WAIT
        mark = text[at]
        if mark == ",":
            if frame.mark == "[":
                self._hand_out(frame)
            self._step = self._name if frame.mark == "{" else self._value
            return at + 1
        if mark == ("}" if frame.mark == "{" else "]"):
            if frame.mark == "[":
                self._hand_out(frame)
            return self._close(at)
        self._stop()
        return _WAIT

    def _hand_out(self, frame: Frame) -> None:
        """A list item has ended: where it is valid, its pointer is told."""
        if frame.hidden or not frame.value or frame.plan is None:
            return
        if frame.plan.check(frame.value[-1]):
            self._live.closed += (f"{frame.pointer()}/{len(frame.value) - 1}",)

    def _close(self, at: int) -> int:
        frame = self._frames.pop()
        if frame.hides or frame.undecided:
            frame.hidden = True
            self._settle(self._frames[-1], frame.value)
        self._step = self._after
        self._end_at(self._frames[-1])
        return at + 1

    def _end_at(self, frame: Frame) -> None:
        """The value as a whole has ended where its place is the outermost."""
        if frame.mark == "root":
            self._live.complete, self._step = True, None


def _grows_into(part: Any, value: Any) -> bool:
    """Whether a view could have become a value: nothing in it is gone or changed."""
    if part is None:
        return True
    if isinstance(part, dict):
        return isinstance(value, dict) and all(n in value and _grows_into(v, value[n]) for n, v in part.items())
    if isinstance(part, list):
        if not isinstance(value, list) or len(part) > len(value):
            return False
        return all(_grows_into(a, b) for a, b in zip(part, value, strict=False))
    if isinstance(part, str):
        return isinstance(value, str) and value.startswith(part)
    return same(part, value)
