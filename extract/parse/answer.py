"""Reads a whole answer: the exact way first, the tolerant way where that fails.

The tolerant way finds the values in the text, reads each against the type, and takes the one that fits. The policy
decides which mends are allowed; one that is not is a problem, with the value as it would be read for whoever wants
to salvage it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from .. import nodes
from ..events import Event
from ..extraction import Problem
from ..jsontext import same
from ..pointer import ABSENT
from .align import Aligner
from .conform import Checks, checks
from .exact import NotJson, exact
from .find import Candidate, Finding, find, whole
from .reading import Policy, Reading, require_policy
from .replay import PUNCTUATION
from .tree import Edit, Leaf, List, Tree, places_of, plain

__all__ = ["SIZE", "read_whole"]

_ESCAPED = re.compile(r"\s*(?:\\n|\\t|\s)*[{\[](?:\\n|\\t|\s)*(?:\\\"|[{\[])[^\"]*\\\"")
_ESCAPES = re.compile(r"(?:\\\\)?\\[\"n]")
_BY_TYPE = ("read.bare-text", "read.missing-quote")  # mends of texts that the type has a word in
_NESTED = 8  # values that end together, up to which it is looked where a missing bracket could stand
SIZE = 8_000_000
"""The longest text, in characters, that is mended. Well-formed JSON may be longer."""


def read_whole(text: str, type: nodes.Type, policy: Policy = "safe") -> Reading:
    """What a whole text says, as a value of the type. Raises for nothing that a text can hold."""
    require_policy(policy)
    if not isinstance(text, str):
        raise TypeError(f"An answer is read as a str, not as {text.__class__.__name__}: decode it first")
    checked = checks(type)
    try:
        value = exact(text)
        if checked.root(value):
            return Reading(value)
    except NotJson as error:
        if policy == "strict":
            return _refused(f"The text is not JSON: {error.reason}{_around(text, error.position)}")
    except ValueError as error:
        return _refused(f"The text holds a number that cannot be held: {error}")
    except RecursionError:
        return _refused("The text nests too deep to be read")
    if len(text) > SIZE:
        return _refused(f"The text is not as it should be, and longer than the {SIZE:,} characters that are mended")
    try:
        return _Mender(text, type, checked, policy).read()
    except ValueError as error:
        return _refused(f"The text holds a number that cannot be held: {error}")
    except RecursionError:
        return _refused("The text nests too deep to be read")


def _refused(message: str, complete: bool = True) -> Reading:
    return Reading(None, problems=(Problem("", message, "reading"),), complete=complete)


def _around(text: str, at: int) -> str:
    """The text around a place, for a message."""
    start, end = max(0, at - 30), min(len(text), at + 30)
    shown = ("..." if start else "") + text[start:end] + ("..." if end < len(text) else "")
    return f", at character {at}: {shown!r}"


@dataclass
class _Read:
    """A candidate read against the type."""

    candidate: Candidate
    value: Any
    events: tuple[Event, ...]
    problems: tuple[Problem, ...]

    @property
    def rank(self) -> tuple[bool, int]:
        return (self.value is ABSENT, len(self.problems))


class _Mender:
    """Reads one text that is not a value of the type as it stands."""

    def __init__(self, text: str, type: nodes.Type, checked: Checks, policy: Policy):
        self.text, self.type, self.checks, self.policy = text, type, checked, policy
        self.lenient = policy == "lenient"
        self.untyped = isinstance(type.resolve(type.root), nodes.Anything)

    def read(self) -> Reading:
        bracketed = self.text.lstrip()[:1] in ("{", "[")
        alone = None if bracketed else whole(self.text, self.checks.names)
        if alone is not None:
            return self._given(self._unambiguous(self._align(alone, self.type.root)))
        if "&quot;" in self.text and '"' not in self.text:
            return _refused("The text is written with the entities of HTML, and which of them are quotes is not plain")
        unescaped = self._escaped()
        if unescaped is not None:
            return unescaped
        finding = find(self.text, self.checks.names)
        tried = [self._align(candidate, self.type.root) for candidate in finding.candidates]
        fitting = [one for one in tried if not one.problems]
        chosen = self._together(finding) or (self._among(fitting) if fitting else None)
        if chosen is None:
            chosen = self._scalar()
        if chosen is None:
            return self._nothing(finding, tried)
        if finding.torn is not None:
            at, message = finding.torn
            chosen.problems += (Problem("", f"{message}{_around(self.text, at)}", "reading"),)
        return self._given(chosen)

    def _escaped(self) -> Reading | None:
        """The reading of a JSON text that was escaped as if it stood in a string, quotes and all."""
        if self.policy == "strict" or not _ESCAPED.match(self.text):
            return None
        try:
            value = exact(exact(f'"{self.text.strip()}"'))
        except (NotJson, TypeError, RecursionError):
            return None
        other = _ESCAPES.sub("", self.text)  # without the quotes, and those that had been escaped before
        if not self.checks.root(value) or "\\" in other:
            return None
        start = len(self.text) - len(self.text.lstrip())
        end = len(self.text.rstrip())

        return Reading(value, (Event("read.escaped", "", self.text[start:end], value, (start, end)),))

    def _unambiguous(self, read: _Read) -> _Read:
        """A lone Python literal is a problem where the type also takes texts: it may be one."""
        literal = any(edit.rule == "read.literal" for edit in read.candidate.edits)
        if isinstance(read.candidate.tree, Leaf) and literal and self.checks.root(self.text.strip()):
            read.problems += (Problem("", f"{self.text.strip()} could be a text or a value", "reading"),)
        return read

    def _align(self, candidate: Candidate, node: nodes.Node) -> _Read:
        aligner = Aligner(self.type, self.checks, self.text, self.lenient, self._nested)
        value = self._as_it_stands(candidate, node)
        if value is ABSENT:
            value, located = aligner.read(candidate.tree, node), aligner.places
        else:
            located = list(places_of(candidate.tree)) if candidate.edits else []
        places = _Places(located if candidate.edits or candidate.faults else [])
        swallowed = _Swallowed(aligner.events)
        edits = [edit for edit in candidate.edits if edit not in swallowed]
        events = [_event(edit, self.text, places) for edit in edits]
        events = sorted(
            [*events, *aligner.events, *self._prose(candidate)], key=lambda one: one.span[0] if one.span else 0
        )
        faults = [
            Problem(places.of(start), f"{message}{_around(self.text, start)}", "reading")
            for start, _, message in candidate.faults
        ]
        if candidate.forked == "inside" or (candidate.forked and not self._settled(candidate.tree, node)):
            where = "A bracket is missing, and it could stand in more than one place"
            faults.append(Problem("", where, "reading"))
        problems = (*faults, *self._risks(edits, places), *aligner.problems)
        return _Read(candidate, value, tuple(events), problems)

    def _as_it_stands(self, candidate: Candidate, node: nodes.Node) -> Any:
        """The value of a candidate that needs no aligning once its syntax is mended, or ABSENT."""
        if candidate.faults or any(edit.rule in _BY_TYPE for edit in candidate.edits):
            return ABSENT
        value = plain(candidate.tree)
        return value if self.checks.of(node)(value) else ABSENT

    def _settled(self, tree: Tree, node: nodes.Node) -> bool:
        """Whether a bracket that is missing at the end can stand in one place only by the type: the last part of no
        value at the end may be a part of one around it."""
        if self.untyped:
            return False
        fits, value = self.checks.of(node), plain(tree)
        path = [value]
        while isinstance(last := _last(path[-1]), (dict, list)):
            path.append(last)
        pairs = [(outer, inner) for depth, inner in enumerate(path) for outer in path[:depth]]
        return fits(value) and len(path) <= _NESTED and not any(_moves(*pair, lambda: fits(value)) for pair in pairs)

    def _risks(self, edits: list[Edit], places: _Places) -> Iterable[Problem]:
        """What the policy does not allow."""
        for edit in edits if not self.lenient else ():
            if edit.risks or self.policy == "strict":
                why = f": {edit.risks}" if edit.risks else ""
                message = f"The text can only be read by mending it ({edit.rule}){why}{_around(self.text, edit.start)}"
                yield Problem(places.of(edit.start), message, "reading")

    def _prose(self, candidate: Candidate) -> Iterable[Event]:
        """The events that leave out what stands around a candidate."""
        for start, end in ((0, candidate.start), (candidate.end, len(self.text))):
            if self.text[start:end].strip(" \t\r\n"):
                yield Event("read.prose", "", self.text[start:end], "", (start, end))

    def _nested(self, text: str) -> Tree | None:
        found = whole(text, self.checks.names)
        if found is None or any(edit.risks for edit in found.edits) or isinstance(found.tree, Leaf):
            return None
        return found.tree

    def _among(self, fitting: list[_Read]) -> _Read:
        """One of the values that fit: the one in a fence, or the first, with a word on the others."""
        best = min(self._plainness(one) for one in fitting)
        narrowed = fitting if self._touching(fitting) else [one for one in fitting if self._plainness(one) == best]
        chosen = narrowed[0]
        mended = any(one.candidate.edits for one in fitting)
        if len(narrowed) > 1 and self._touching(fitting) and (mended or not self.lenient):
            chosen.problems = (Problem("", "The brackets do not go together", "reading"),)
            return chosen
        others = [one for one in narrowed[1:] if not same(one.value, chosen.value)]
        if others:
            note = f"{len(others) + 1} different values in the text fit; the first was taken."
            if self.untyped or not self.lenient:
                chosen.problems = (Problem("", note.replace("; the first was taken", ""), "reading"),)
            else:
                span = (others[0].candidate.start, others[0].candidate.end)
                chosen.events += (Event("read.ambiguous", "", others[0].value, chosen.value, None, f"{note} {span}"),)
        return chosen

    def _touching(self, fitting: list[_Read]) -> bool:
        """Whether values stand side by side with nothing but a comma between, so that they may be parts of one."""
        between = (self.text[a.candidate.end : b.candidate.start] for a, b in pairwise(fitting))
        return any(gap.strip() in ("", ",") and "\n" not in gap for gap in between)

    def _plainness(self, one: _Read) -> tuple[bool, bool, int]:
        """How plainly a value is the answer: in a fence, at the beginning of a line, with few changes."""
        candidate = one.candidate
        if self.untyped:
            return (not candidate.fenced, False, 0)
        before = self.text[: candidate.start].rpartition("\n")[2]
        changes = sum(1 for event in one.events if event.rule not in PUNCTUATION)
        return (not candidate.fenced, bool(before.strip()), changes)

    def _together(self, finding: Finding) -> _Read | None:
        """Several values as the items of the list that was asked for."""
        root = self.type.resolve(self.type.root)
        if not self.lenient or len(finding.candidates) < 2 or any(one.faults for one in finding.candidates):
            return None
        if self.untyped:
            item: nodes.Node = nodes.Anything()
            if not self._side_by_side(finding.candidates):
                return None
        elif isinstance(root, nodes.Array) and not any(isinstance(one.tree, List) for one in finding.candidates):
            item = root.items
        else:
            return None
        items = [self._align(candidate, item) for candidate in finding.candidates]
        if any(one.problems for one in items):
            return None
        first, last = items[0].candidate.start, items[-1].candidate.end
        events = [Event("read.several", "", "", "[", (first, first)), Event("read.several", "", "", "]", (last, last))]
        for left, right in pairwise(items):
            span = (left.candidate.end, right.candidate.start)
            events.append(Event("read.several", "", self.text[slice(*span)], ",", span))
        for i, one in enumerate(items):
            inner = (event for event in one.events if event.rule != "read.prose")
            events.extend(replace(event, pointer=f"/{i}{event.pointer}") for event in inner)
        joined = replace(finding.candidates[0], start=first, end=last)
        value = [one.value for one in items]
        made = tuple(sorted([*events, *self._prose(joined)], key=lambda one: one.span or (0, 0)))
        problems = (
            () if self.checks.of(root)(value) else (Problem("", "The list does not have as many items as it must"),)
        )
        return _Read(joined, value, made, problems)

    def _side_by_side(self, candidates: list[Candidate]) -> bool:
        """Whether values that nobody asked for one by one stand together as those of a list do: each in a fence of its
        own, or with nothing but a comma between."""
        if all(one.fenced for one in candidates):
            return True
        between = (self.text[a.end : b.start].strip() for a, b in pairwise(candidates))
        return all(mark == "," for mark in between) and not any(one.fenced for one in candidates)

    def _scalar(self) -> _Read | None:
        """The text as a scalar that was asked for: without quotes, or as the answer in plain words."""
        stripped = self.text.strip()
        root = self.type.resolve(self.type.root)
        if not stripped or self.untyped or stripped[0] in "{[\"'`<" or (not self.lenient and len(stripped.split()) > 1):
            return None
        if stripped.casefold() in ("none", "null", "undefined", "nan", "true", "false"):
            return None
        start = self.text.index(stripped)
        end = start + len(stripped)
        if isinstance(root, nodes.Text) and self.lenient:
            start, end, stripped = 0, len(self.text), self.text
        leaf = Leaf(start, end, stripped, "bare")
        aligner = Aligner(self.type, self.checks, self.text, self.lenient, self._nested)
        value = aligner.read(leaf, self.type.root)
        if aligner.problems or isinstance(value, dict | list) or value is ABSENT:
            return None
        events = aligner.events or [Event("read.bare-text", "", stripped, value, (start, end))]
        return _Read(Candidate(leaf, start, end, [], [], False, ""), value, tuple(events), ())

    def _given(self, read: _Read) -> Reading:
        """The reading of what was chosen."""
        candidate, problems = read.candidate, read.problems
        if self.policy == "strict" and read.events and not problems:
            rules = ", ".join(sorted({event.rule for event in read.events}))
            problems = (Problem("", f"The text is not a value of the schema as it stands ({rules})", "invalid"),)
        complete = not candidate.cut and all(edit.rule != "read.unclosed" for edit in candidate.edits)
        value = None if read.value is ABSENT else read.value
        return Reading(value, read.events, problems, complete)

    def _nothing(self, finding: Finding, tried: list[_Read]) -> Reading:
        """Nothing fits: the problems of what comes nearest."""
        if finding.thinking:
            return _refused("The text ends before its thinking does", complete=False)
        if not tried:
            return _refused("The text is empty" if not self.text.strip() else "The text holds no value of the schema")
        return self._given(min(tried, key=lambda one: one.rank))


def _last(value: Any) -> Any:
    """The last part of a list or an object."""
    if not value:
        return None
    return value[-1] if isinstance(value, list) else next(reversed(value.values()))


def _moves(outer: Any, inner: Any, fits: Callable[[], bool]) -> bool:
    """Whether the whole still fits when the last part of a value at the end stands in one around it."""
    if isinstance(inner, list) and isinstance(outer, list) and inner:
        outer.append(inner.pop())
        moved = fits()
        inner.append(outer.pop())
        return moved
    if isinstance(inner, dict) and isinstance(outer, dict) and inner and (name := next(reversed(inner))) not in outer:
        outer[name] = inner.pop(name)
        moved = fits()
        inner[name] = outer.pop(name)
        return moved
    return False


class _Swallowed:
    """Which insertions at the edge of a value belong to a change of the whole value: the bracket that closes a value
    which is replaced, and the comma before a member that is left out."""

    def __init__(self, events: list[Event]):
        self._replaced: dict[int, int] = {}
        self._left_out: set[int] = set()
        self._dropped: dict[int, int] = {}
        for event in events:
            if event.span is None:
                continue
            start, end = event.span
            if event.rule == "read.undeclared":
                self._left_out.add(start)
                self._dropped[end] = min(start, self._dropped.get(end, start))
            else:
                self._replaced[end] = min(start, self._replaced.get(end, start))

    def __contains__(self, edit: Edit) -> bool:
        if edit.start != edit.end:
            return False
        if edit.owner >= 0 and self._replaced.get(edit.end, edit.owner + 1) <= edit.owner:
            return True
        return edit.start in self._left_out or 0 <= self._dropped.get(edit.end, edit.owner + 1) <= edit.owner


def _event(edit: Edit, text: str, places: _Places) -> Event:
    return Event(
        edit.rule, places.of(edit.start), text[edit.start : edit.end], edit.after, (edit.start, edit.end), edit.risks
    )


class _Places:
    """Which pointer a character of the text belongs to: that of the smallest range around it."""

    def __init__(self, places: list[tuple[int, int, str]]):
        self._edges: list[int] = []
        self._pointers: list[str] = []
        open_: list[tuple[int, str]] = []
        for start, end, pointer in sorted(places, key=lambda one: (one[0], -one[1], len(one[2]))):
            self._close(open_, start)
            self._mark(start, pointer)
            open_.append((end, pointer))
        self._close(open_, None)

    def _close(self, open_: list[tuple[int, str]], before: int | None) -> None:
        while open_ and (before is None or open_[-1][0] <= before):
            end, _ = open_.pop()
            self._mark(end, open_[-1][1] if open_ else "")

    def _mark(self, at: int, pointer: str) -> None:
        self._edges.append(at)
        self._pointers.append(pointer)

    def of(self, at: int) -> str:
        i = bisect_right(self._edges, at) - 1
        return self._pointers[i] if i >= 0 else ""
