"""The places of a value that is being written: which brackets are open, what stands in them, and what may be shown of
it.

A frame is hidden where its type is not known before its end (one of several kinds): it is filled out of sight and
shown when it closes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import nodes
from .conform import Check, Checks, pattern
from .scalars import fold

__all__ = ["Frame", "Plan", "child", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a value before it is there: its node without a possible null, whether texts can be shown as they
    come (`grows`), whether everything fits (`free`), and the objects that it may be."""

    node: nodes.Node
    check: Check
    grows: bool
    free: bool
    records: tuple[nodes.Record, ...] = ()


def plan(checks: Checks, node: nodes.Node) -> Plan:
    """The plan of a node."""
    found = checks.plans.get(id(node))
    if found is None:
        found = checks.plans[id(node)] = _plan(checks, node)
    return found


def _plan(checks: Checks, node: nodes.Node) -> Plan:
    kinds = [kind for kind in _kinds(checks, node) if not isinstance(kind, nodes.Null)]
    one = kinds[0] if len(kinds) == 1 else None
    text = one if isinstance(one, nodes.Text) else None
    grows = isinstance(one, nodes.Anything) or (text is not None and text.pattern is None and text.format is None)
    records = tuple(kind for kind in kinds if isinstance(kind, nodes.Record))
    return Plan(one or checks.resolve(node), checks.of(node), grows, isinstance(one, nodes.Anything), records)


def _kinds(checks: Checks, node: nodes.Node) -> Iterator[nodes.Node]:
    node = checks.resolve(node)
    if isinstance(node, nodes.Union):
        for branch in node.branches:
            yield from _kinds(checks, branch)
    else:
        yield node


class Frame:
    """One open bracket, or the place of the whole value (`mark` is "root"). `plan` is that of the value now being read
    in it; a name that is being ignored has none."""

    __slots__ = (
        "hidden", "hides", "mark", "name", "outer", "parts", "plan", "records", "seen", "sink", "undecided", "value",
    )  # fmt: skip

    def __init__(self, mark: str, outer: Frame | None, kind: Plan | None, hidden: bool = False):
        self.mark, self.outer, self.plan, self.hidden = mark, outer, kind, hidden
        self.value: Any = {} if mark == "{" else [] if mark == "[" else None
        self.hides = False
        self.undecided = False
        self.sink = False
        self.name = ""
        self.parts: list[str] | None = None
        self.records: tuple[nodes.Record, ...] = ()
        self.seen: set[str] = set()

    def pointer(self) -> str:
        steps = []
        frame: Frame | None = self.outer
        while frame is not None and frame.mark != "root":
            steps.append(str(len(frame.value) - 1) if frame.mark == "[" else frame.name)
            frame = frame.outer
        return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in reversed(steps))

    def begin_text(self) -> None:
        """A text begins: shown from its first character, or gathered out of sight."""
        if self.hidden or self.sink or self.plan is None or not self.plan.grows:
            self.parts = []
        else:
            self.parts = None
            self._place("")

    def grow(self, text: str) -> None:
        """Adds to the text. The only reference is taken out of the value first, so that it can grow where it is."""
        if self.parts is not None:
            self.parts.append(text)
        elif self.mark == "{":
            grown = self.value[self.name]
            self.value[self.name] = None
            grown += text
            self.value[self.name] = grown
        elif self.mark == "[":
            grown = self.value[-1]
            self.value[-1] = None
            grown += text
            self.value[-1] = grown
        else:
            self.value += text

    def end_text(self) -> str:
        """The whole text; what was shown of it makes room for its settled form."""
        if self.parts is not None:
            text, self.parts = "".join(self.parts), None
            return text
        if self.mark == "[":
            return str(self.value.pop())
        return str(self.value[self.name] if self.mark == "{" else self.value)

    def put(self, value: Any) -> None:
        """Sets what stands at the current place."""
        if not self.sink:
            self._place(value)

    def _place(self, value: Any) -> None:
        if self.mark == "{":
            self.value[self.name] = value
        elif self.mark == "[":
            self.value.append(value)
        else:
            self.value = value

    def drop(self) -> None:
        """Takes back what was shown at the current name."""
        if self.mark == "{":
            self.value.pop(self.name, None)
        elif self.mark == "root":
            self.value = None

    def open_name(self, checks: Checks, name: str) -> bool:
        """Goes on to the property of this name; False where it stands there twice."""
        if name in self.seen:
            return False
        self.seen.add(name)
        self.sink = False
        self.name = name
        if self.hidden:
            return True
        if self.undecided:
            self._decide(checks, name)
        if not self.undecided and self.records:
            self._declared(checks, self.records[0], name)
        return True

    def _decide(self, checks: Checks, name: str) -> None:
        """Which of several objects this is, as soon as one of its names tells."""
        knowing = tuple(record for record in self.records if any(field.name == name for field in record.fields))
        if knowing:
            self.records = knowing
        if len(self.records) == 1:
            self.undecided = False
            if self.outer is not None:
                self.outer.put(self.value)
        else:
            self.plan = None

    def take_pending(self) -> Iterator[tuple[str, Any, nodes.Node]]:
        """The values that were gathered before it was known which object this is, with their nodes."""
        if self.undecided or self.hidden or not self.hides:
            return
        self.hides = False
        gathered = dict(self.value)
        self.value.clear()
        for name, value in gathered.items():
            field = next((field for field in self.records[0].fields if field.name == name), None)
            node = field.node if field is not None else self.records[0].extras
            if node is not None:
                yield name, value, node

    def _declared(self, checks: Checks, record: nodes.Record, name: str) -> None:
        fields = {field.name: field for field in record.fields}
        if name in fields:
            self.plan = plan(checks, fields[name].node)
            return
        entry = next((e.node for e in record.entries if (p := pattern(e.pattern)) is None or p.search(name)), None)
        other = _other_name(record, name)
        if other is not None and entry is None and record.extras is None and other.name not in self.seen:
            self.name = other.name
            self.seen.add(other.name)
            self.plan = plan(checks, other.node)
            return
        node = entry or record.extras
        self.sink = node is None or (other is not None and other.required)
        self.plan = None if node is None else plan(checks, node)


def _other_name(record: nodes.Record, name: str) -> nodes.Field | None:
    """The one property that a name is an alias of, or another case of."""
    found = [field for field in record.fields if name in field.aliases]
    found = found or [f for f in record.fields if fold(name) in {fold(label) for label in (f.name, *f.aliases)}]
    return found[0] if len(found) == 1 else None


def child(checks: Checks, outer: Frame, mark: str) -> Frame:
    """The frame of a bracket that opens at the current place of another."""
    kind = outer.plan
    if outer.hidden or outer.sink or kind is None:
        frame = Frame(mark, outer, None, hidden=True)
        frame.hides = True
        return frame
    node = kind.node
    if kind.free:
        frame = Frame(mark, outer, kind)
    elif mark == "[" and isinstance(node, nodes.Array):
        frame = Frame(mark, outer, plan(checks, node.items))
    elif mark == "{" and len(kind.records) == 1:
        frame = Frame(mark, outer, None)
        frame.records = kind.records
    elif mark == "{" and kind.records:
        frame = Frame(mark, outer, None)
        frame.records, frame.undecided, frame.hides = kind.records, True, True
        return frame
    else:
        frame = Frame(mark, outer, None, hidden=True)
        frame.hides = True
        return frame
    outer.put(frame.value)
    return frame
