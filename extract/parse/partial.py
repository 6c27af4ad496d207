"""An answer read while it is being written.

The `Reader` follows JSON as it comes, delta by delta, and keeps one value that grows in place: texts show what is there
of them, numbers, choices and whatever needs its end to be known are withheld until they end, list items are checked and
handed out as they close. What stands behind its comma or bracket never changes any more. Deviations from JSON that have
one reading and need no look ahead (bare names, a trailing comma, comments, Python's literals) are mended on the way,
each an event; where anything else is not JSON, the view stands still and says so, and `finish` reads the whole
tolerantly. If that does not agree with what was shown, it says so too.

The cost of a delta depends on its own length, not on what came before: a text of several kilobytes is one object that
grows, and what a step has seen it does not look at again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .. import nodes
from ..events import Event
from ..extraction import Problem
from ..jsontext import dump
from ..pointer import ABSENT
from . import pieces
from .align import Aligner
from .answer import read_whole
from .conform import Checks, checks
from .cursor import FAULTS
from .exact import faithful, integer
from .find import whole
from .frames import FREE, Frame, child, fields_of, item_of, kind_of
from .opening import VALUE, opening
from .pieces import (
    COMMA,
    INSIDE,
    LITERALS,
    NAME,
    NAMED,
    NEXT_NAME,
    NO_ITEM,
    NUMBER,
    PYTHON,
    SCALAR,
    SCALAR_SO_FAR,
    SPACE,
    WHOLE,
    unescaped,
)
from .reading import Policy, Reading, require_policy
from .views import Live, Whole, grows_into, snapshot

__all__ = ["Reader"]

_WAIT = -1  # a step that needs more text
_LONGEST = 5_000  # characters of one number, literal, name or comment
_DEEPEST = 200  # brackets that are open at once in a view


class Reader:
    """Takes the deltas of one answer and shows what is there."""

    def __init__(self, type: nodes.Type, policy: Policy = "safe"):
        require_policy(policy)
        self._type, self._policy = type, policy
        self._checks: Checks = checks(type)
        self._deltas: list[str] = []
        self._rest = ""  # what the next step needs more of
        self._counted = (0, 0)  # deltas whose characters were counted, and how many these are
        self._size = 0  # of the text that the present step looks at
        self._waits: Callable[[str], Any] | None = None  # finds what the next step cannot be made without
        self._closed: list[tuple[Frame, int]] = []
        self._live = Live(self._closed)
        self._frame = Frame("root", None, kind_of(self._checks, type.root), True)
        self._depth = 0
        self._held: Any = None  # where the text stands that is being written, and under which key
        self._key: Any = None
        self._parts: list[str] | None = None  # the same, of a text that is shown at its end
        self._kept: Any = None  # the last snapshot, while nothing has come since
        self._prose = False  # whether anything stands before the value
        self._tail = False  # whether the last text of the view is unfinished
        self._comma = (0, 0)  # the last comma: deltas there were, and how far it stood before their end
        self._events: list[Event] = []
        self._problems: list[Problem] = []
        self._step: _Step | None = Reader._begin

    def feed(self, text: str) -> Live:
        """Takes the next delta; gives the view, which is the same object each time."""
        self._deltas.append(text)
        live = self._live
        if self._closed:
            self._closed.clear()
        held = self._held
        if held is not None and '"' not in text and "\\" not in text and not self._rest:
            key = self._key
            grown = held[key]
            held[key] = None  # the only reference is taken out, so that the text can grow where it is
            grown += text
            held[key] = grown
            self._kept = None
        elif self._waits is not None and self._waits(text) is None and len(self._rest) < _LONGEST:
            self._rest += text
        elif self._step is not None:
            self._go(self._rest + text if self._rest else text)
        return live

    @property
    def value(self) -> Any:
        """What is there so far."""
        return self._live.value

    def snapshot(self) -> Any:
        """What is there so far, as a value that stays as it is. Finished parts are shared with the view."""
        if self._kept is None:
            self._kept = snapshot(self.value)
        return self._kept

    @property
    def opened(self) -> int:
        """How many of the last parts of the view are unfinished, one in the other: its open brackets and the text that
        is being written in the innermost."""
        frame, count = self._frame, self._depth
        while not frame.visible:
            assert frame.outer is not None
            frame, count = frame.outer, count - 1
        return count + self._tail

    def so_far(self) -> Reading:
        """The view as a reading, with what was mended on the way to it and what could not be read."""
        if self._rest:
            self._go(self._rest)
        return Reading(self._live.value, tuple(self._events), tuple(self._problems), self._live.complete)

    def finish(self) -> Reading:
        """The reading of the whole answer."""
        reading = self._whole("".join(self._deltas))
        if reading.problems or grows_into(self.value, reading.value):
            return reading
        problem = Problem("", "The end of the text contradicts what had been read of it", "reading")
        return replace(reading, problems=(problem,))

    def _whole(self, text: str) -> Reading:
        return read_whole(text, self._type, self._policy)

    def _go(self, text: str) -> None:
        """Makes every step that the text is enough for, and keeps the rest."""
        at, step, self._kept = 0, self._step, None
        self._size = size = len(text)
        while at < size and step is not None:
            after = step(self, text, at)
            if after < 0:
                break
            at, step = after, self._step
        self._waits = _WAITING.get(self._step)
        self._rest = "" if at == size else text[at:]
        if self._step is None:
            self._rest, self._held = "", None
        elif size - at > _LONGEST:
            self._stop(at, "a name, a number or a comment without an end")

    def _place(self, at: int) -> int:
        """The place in the whole answer of a place in the text that the present step looks at."""
        deltas, characters = self._counted
        characters += sum(map(len, self._deltas[deltas:]))
        self._counted = (len(self._deltas), characters)
        return characters - self._size + at

    def _stop(self, at: int, what: str) -> int:
        """The text cannot be followed: the view stands still from here."""
        self._step = Reader._held = None
        message = f"From character {self._place(at)} on the text cannot be read as it comes: {what}"
        self._problems.append(Problem(self._frame.here, message, "reading"))
        return _WAIT

    # ---- before the value

    def _begin(self, text: str, at: int) -> int:
        """Looks for the beginning of the value between prose, fences and thinking."""
        texts = not self._prose and isinstance(self._type.resolve(self._type.root), nodes.Text)
        after, found = opening(text, at, texts)
        self._prose = self._prose or bool(text[at:after].strip())
        if found == VALUE:
            self._step = Reader._value
            before = "".join(self._deltas)[: self._place(after)]
            if before.strip(" \t\r\n"):
                self._events.append(Event("read.prose", "", before, "", (0, len(before))))
        elif found:
            self._step, self._thought = Reader._think, found
        return after if after > at or found else _WAIT

    def _think(self, text: str, at: int) -> int:
        end = text.find(self._thought, at)
        if end < 0:
            keep = max(at, len(text) - len(self._thought))
            return keep if keep > at else _WAIT
        self._step = Reader._begin
        return end + len(self._thought)

    # ---- values

    def _value(self, text: str, at: int) -> int:
        frame, mark = self._frame, text[at]
        if mark == '"':
            whole_text = WHOLE.match(text, at)
            if whole_text is None:
                return self._begin_text(frame, text, at)
            self._step = _AFTER[frame.mark]
            self._settle(frame, whole_text[1], at, whole_text.end())
            return whole_text.end()
        if mark in "{[":
            return self._open(frame, mark, at)
        if mark <= " ":
            return SPACE.match(text, at).end()  # type: ignore[union-attr]
        if mark in "/#'":
            return self._odd_value(text, at)
        return self._scalar(text, at)

    def _open(self, frame: Frame, mark: str, at: int) -> int:
        if self._depth == _DEEPEST:
            return self._stop(at, f"more than {_DEEPEST} brackets are open")
        self._depth += 1
        self._frame = inner = child(self._checks, frame, mark)
        if not inner.attached:
            inner.start = self._place(at)
        elif frame.outer is None:
            self._live.value = inner.value
        self._step = Reader._first_member if mark == "{" else Reader._first_item
        return at + 1

    def _scalar(self, text: str, at: int) -> int:
        found = SCALAR.match(text, at)
        if found is None:
            end = SCALAR_SO_FAR.match(text, at).end()  # type: ignore[union-attr]
            self._step = Reader._scalar
            return _WAIT if end == len(text) else self._stop(at, "no value stands where one should")
        word, frame, end = found[0], self._frame, found.end()
        number = NUMBER.fullmatch(word)
        value: Any
        if number is not None:
            try:
                value = faithful(word) if number[1] or number[2] else integer(word)
            except ValueError as error:
                return self._stop(at, str(error))
        elif word in LITERALS:
            value = LITERALS[word]
        elif word in PYTHON and self._policy != "strict" and frame.kind.only(PYTHON[word]):
            value = PYTHON[word]
            self._mended("read.literal", frame.here, word, value, at, end)
        else:
            return self._stop(at, "no value stands where one should")
        self._step = _AFTER[frame.mark]
        self._settle(frame, value, at, end)
        return end

    def _odd_value(self, text: str, at: int) -> int:
        """What is no JSON and has one reading: a comment, or a text in single quotes."""
        mark, frame = text[at], self._frame
        if self._policy == "strict":
            return self._stop(at, "no value stands where one should")
        if mark in "/#":
            return self._comment(text, at)
        found = pieces.QUOTED.match(text, at)
        if found is None:
            runs_on = re.fullmatch(r"'[^'\"\\\n]*(?:'\s*)?", text[at:])
            return _WAIT if runs_on else self._stop(at, "a text in single quotes that may end in several places")
        end = found.end()
        self._mended("read.quotes", frame.here, found[0], found[1], at, end)
        self._step = _AFTER[frame.mark]
        self._settle(frame, found[1], at, end)
        return end

    def _comment(self, text: str, at: int) -> int:
        found = pieces.COMMENT.match(text, at) if self._policy != "strict" else None
        if found is None:
            opens = self._policy != "strict" and text[at : at + 2] in ("/", "//", "/*", "#", "# ", "#\t")
            return _WAIT if opens else self._stop(at, "a mark that is not JSON's")
        end = found.end() - (found[0][-1] == "\n")
        self._mended("read.comment", self._frame.pointer, text[at:end], "", at, end)
        return end

    # ---- texts

    def _begin_text(self, frame: Frame, text: str, at: int) -> int:
        """A text begins: shown from its first character, or gathered out of sight."""
        self._step = Reader._text
        kind = frame.kind
        if str not in kind.types and not kind.free:
            frame.start = self._place(at)
        found = INSIDE.match(text, at + 1)
        assert found is not None
        piece = found[0]
        if "\\" in piece:
            piece = unescaped(piece)
        if not kind.grows:
            self._parts = [piece]
            return found.end()
        self._parts = None
        frame.put(piece)
        self._held, self._key = frame.into, frame.key
        self._tail = frame.visible and frame.into is frame.value
        if frame.outer is None:
            self._held, self._key = Whole(self._live), "value"
            self._live.value = piece
        return found.end()

    def _text(self, text: str, at: int) -> int:
        """Inside of a text: as much as is there, up to its quote."""
        found = INSIDE.match(text, at)
        assert found is not None
        end = found.end()
        if end > at:
            piece = found[0]
            if "\\" in piece:
                piece = unescaped(piece)
            if self._parts is not None:
                self._parts.append(piece)
            else:
                held, key = self._held, self._key
                grown = held[key]
                held[key] = None
                grown += piece
                held[key] = grown
            if end == len(text):
                return end
        if text[end] == '"':
            self._end_text(end + 1)
            return end + 1
        if not pieces.ESCAPE_SO_FAR.fullmatch(text, end):
            return self._stop(end, "an escape that is not JSON's")
        return end if end > at else _WAIT

    def _end_text(self, end: int) -> None:
        frame = self._frame
        self._step = _AFTER[frame.mark]
        if self._parts is not None:
            text, self._parts = "".join(self._parts), None
            self._settle(frame, text, -1, end)
            return
        text = self._held[self._key]
        self._held, self._tail = None, False
        kind = frame.kind
        if kind.free or str in kind.types or kind.check(text):
            if frame.odd:
                self._look(frame, text)
        else:
            frame.take_back()
            self._settle(frame, text, -1, end)

    # ---- what has ended

    def _settle(self, frame: Frame, value: Any, at: int, end: int) -> None:
        """A value has ended: it is shown as the type reads it, and left out of an object where the type does not. Its
        place is from `at` (-1: what the frame says, in the whole answer) to `end`."""
        kind = frame.kind
        if not (kind.free or type(value) in kind.types or kind.check(value)):
            span = (frame.start if at < 0 else self._place(at), self._place(end))
            value = self._read(frame, value, kind.node, span)
        if value is not ABSENT:
            if frame.mark == "{":
                frame.into[frame.key] = value
            else:
                frame.into.append(value)
        if frame.odd:
            self._look(frame, value)

    def _look(self, frame: Frame, value: Any) -> None:
        """The whole value has ended, or one whose constant may tell which of several objects this is."""
        if frame.outer is None:
            self._live.value = None if value is ABSENT else value
            self._live.complete, self._step = True, None
            return
        fitting = tuple(
            one for one in frame.records if fields_of(self._checks, one).fits(self._checks, frame.key, value)
        )
        frame.records = fitting or frame.records
        if len(fitting) == 1:
            self._decided(frame)

    def _read(self, frame: Frame, value: Any, node: nodes.Node, span: tuple[int, int]) -> Any:
        """A whole value read against a node, as the final reading would; in a list one that cannot be read stays as it
        was written, so that the places of the others do not change."""
        if len(self._problems) >= FAULTS:
            self._stop(0, f"more than {FAULTS} values before it do not fit")
            return value if frame.mark == "[" else ABSENT
        text, place = dump(value), frame.here
        candidate = whole(text, self._checks.names)
        if candidate is None or self._policy == "strict":
            self._problems.append(Problem(place, f"{text[:60]} does not fit here", "invalid", value))
            return value if frame.mark == "[" else ABSENT
        aligner = Aligner(self._type, self._checks, text, self._policy == "lenient", lambda _: None)
        read = aligner.read(candidate.tree, node, place)
        self._events.extend(replace(event, span=span) for event in aligner.events)
        self._problems.extend(aligner.problems)
        return value if aligner.problems and frame.mark == "[" else read

    def _mended(self, rule: str, pointer: str, before: Any, after: Any, start: int, end: int) -> None:
        self._events.append(Event(rule, pointer, before, after, (self._place(start), self._place(end))))

    def _left_out_comma(self, frame: Frame) -> None:
        deltas, before = self._comma
        at = self._place(self._size) - sum(map(len, self._deltas[deltas:])) - before
        self._events.append(Event("read.trailing-comma", frame.pointer, ",", "", (at, at + 1)))

    # ---- objects

    def _first_member(self, text: str, at: int) -> int:
        found = NAME.match(text, at)
        if found is not None:
            return self._named(found[1], text, found.start(1) - 1, found.end())
        if text[at] == "}":
            return self._close(at)
        return self._name(text, at)

    def _after_member(self, text: str, at: int) -> int:
        """After a value in an object: a comma and the next name, or the end."""
        found = NEXT_NAME.match(text, at)
        if found is not None:
            return self._named(found[1], text, found.start(1) - 1, found.end())
        mark = text[at]
        if mark == ",":
            if not NAMED(text, at):
                return _WAIT
            self._comma = (len(self._deltas), len(text) - at)
            self._step = Reader._next_member
            return at + 1
        if mark == "}":
            return self._close(at)
        return self._between(text, at)

    def _between(self, text: str, at: int) -> int:
        """After a value, where neither comma nor closing bracket stands."""
        if text[at] <= " ":
            return SPACE.match(text, at).end()  # type: ignore[union-attr]
        if text[at] in "/#":
            return self._comment(text, at)
        return self._stop(at, "no comma and no closing bracket stands after a value")

    def _next_member(self, text: str, at: int) -> int:
        if text[at] == "}" and self._policy != "strict":
            self._left_out_comma(self._frame)
            return self._close(at)
        found = NAME.match(text, at)
        return self._name(text, at) if found is None else self._named(found[1], text, found.start(1) - 1, found.end())

    def _name(self, text: str, at: int) -> int:
        mark = text[at]
        if mark <= " ":
            return SPACE.match(text, at).end()  # type: ignore[union-attr]
        if mark in "/#":
            return self._comment(text, at)
        found = pieces.ODD_NAME.match(text, at)
        if found is None:
            bare = mark.isalpha() or mark in "_$"
            if pieces.NO_COLON.match(text, at) or (mark not in "\"'" and (not bare or NAMED(text, at))):
                return self._stop(at, "no name with a colon stands where one should")
            return _WAIT
        written = found[1]
        if written[0] == '"':
            said = pieces.name_of(written)
            wrong = "a backslash stands in a name and escapes nothing"
            return self._stop(at, wrong) if said is None else self._named(said, text, at, found.end())
        if self._policy == "strict":
            return self._stop(at, "no name stands where one should")
        rule, name = ("read.quoted-name", written[1:-1]) if written[0] == "'" else ("read.bare-name", written)
        self._mended(rule, self._frame.pointer, written, name, at, found.end(1))
        return self._named(name, text, at, found.end())

    def _named(self, name: str, text: str, at: int, end: int) -> int:
        """Goes on to the property of this name."""
        frame = self._frame
        if name in frame.seen:  # type: ignore[operator]
            return self._stop(at, f"the name {dump(name)} stands twice in one object")
        frame.seen.add(name)  # type: ignore[union-attr]
        self._step = Reader._value
        if frame.records:
            taking = tuple(r for r in frame.records if fields_of(self._checks, r).takes(name))
            frame.records = taking or frame.records
            if len(taking) == 1:
                self._decided(frame)
        fields = frame.fields
        frame.key = name
        if fields is not None:
            kind = fields.known.get(name)
            frame.into = frame.value
            if kind is None:
                self._undeclared(frame, name, at, text)
            else:
                frame.kind = kind
        return end

    def _undeclared(self, frame: Frame, name: str, at: int, text: str) -> None:
        """A name that is no property's own: another name of one, one that the type takes, or ignored."""
        assert frame.fields is not None
        assert frame.seen is not None
        field, node = frame.fields.other(name), frame.fields.loose(name)
        if field is not None and node is None and field.name not in frame.seen and self._policy != "strict":
            frame.seen.add(field.name)
            frame.key, frame.kind = field.name, kind_of(self._checks, field.node)
            end = text.index(":", at + len(name)) if ":" not in name else at
            stop = at + len(text[at:end].rstrip())
            self._mended("read.name", frame.here, name, field.name, at, stop)
        elif node is None or (field is not None and field.required):
            frame.into, frame.kind = {}, FREE
        else:
            frame.kind = kind_of(self._checks, node)

    def _decided(self, frame: Frame) -> None:
        """It is known which object this is: what was gathered of it is read, and shown."""
        frame.fields = fields = fields_of(self._checks, frame.records[0])
        frame.records, frame.odd = (), False
        gathered = dict(frame.value)
        frame.value.clear()
        key = frame.key
        frame.attach()
        if frame.outer is not None and frame.outer.outer is None:
            self._live.value = frame.value
        for name, value in gathered.items():
            kind = fields.known.get(name)
            node = kind.node if kind is not None else fields.loose(name)
            frame.key = name
            if node is not None:
                frame.kind = kind or kind_of(self._checks, node)
                self._settle(frame, value, -1, 0)
        frame.key = key

    # ---- lists

    def _first_item(self, text: str, at: int) -> int:
        if text[at] <= " ":
            return SPACE.match(text, at).end()  # type: ignore[union-attr]
        if text[at] == "]":
            return self._close(at)
        if self._frame.kinds is not None:
            self._frame.kind = item_of(self._checks, self._frame)
        self._step = Reader._value
        return at

    def _after_item(self, text: str, at: int) -> int:
        """After a value in a list: it is handed out before the comma or the end."""
        mark, frame = text[at], self._frame
        if mark == ",":
            if frame.visible:
                self._hand_out(frame)
            if frame.kinds is not None:
                frame.kind = item_of(self._checks, frame)
            self._step = Reader._value
            end: int = COMMA.match(text, at).end()  # type: ignore[union-attr]
            if text[end : end + 1] in NO_ITEM:
                self._step, self._comma = Reader._item, (len(self._deltas), len(text) - at)
            return end
        if mark == "]":
            if frame.visible:
                self._hand_out(frame)
            return self._close(at)
        return self._between(text, at)

    def _item(self, text: str, at: int) -> int:
        """After a comma in a list, where no item has begun yet."""
        if text[at] <= " ":
            return SPACE.match(text, at).end()  # type: ignore[union-attr]
        if text[at] in "/#":
            return self._comment(text, at)
        if text[at] == "]" and self._policy != "strict":
            self._left_out_comma(self._frame)
            return self._close(at)
        self._step = Reader._value
        return at

    def _hand_out(self, frame: Frame) -> None:
        """A list item has ended: where it is valid, its pointer is told."""
        value, kind = frame.value, frame.kind
        if value and (type(value[-1]) in kind.types or kind.check(value[-1])):
            self._closed.append((frame, len(value) - 1))

    def _close(self, at: int) -> int:
        frame = self._frame
        outer = frame.outer
        assert outer is not None
        self._frame = outer
        self._depth -= 1
        self._step = _AFTER[outer.mark]
        if not frame.attached:
            outer.start = frame.start
            self._settle(outer, frame.value, -1, at + 1)
        elif outer.odd:
            self._look(outer, frame.value)
        return at + 1


_Step = Callable[[Reader, str, int], int]
_AFTER: Mapping[str, _Step] = {"{": Reader._after_member, "[": Reader._after_item, "root": Reader._begin}
_WAITING: Mapping[_Step | None, Callable[[str], Any]] = {
    Reader._first_member: NAMED,
    Reader._after_member: NAMED,
    Reader._next_member: NAMED,
    Reader._scalar: re.compile(r"[^-+.\w]").search,
}
"""What each step cannot be made without."""
