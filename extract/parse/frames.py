"""The places of a value that is being written: which brackets are open, what stands in them, and what is known of the
values that may come there.

A `Kind` is what is known of a value before it is there, made once for each node of a type. A `Frame` is one open
bracket. It is filled out of sight where its type is not known before its end, or before one of its names or constants
tells which of several objects it is; then it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .. import nodes
from .conform import Check, Checks, pattern
from .scalars import fold

__all__ = ["FREE", "Fields", "Frame", "Kind", "child", "fields_of", "item_of", "kind_of"]


@dataclass(slots=True, eq=False)
class Kind:
    """What is known of a value before it is there: the Python types that settle it without a check, whether texts can
    be shown as they come (`grows`), whether everything fits (`free`), and what a list or an object may be here. `item`
    and `fields` are what it is, found at the first one, where that is known when it opens."""

    node: nodes.Node
    check: Check
    types: frozenset[type]
    grows: bool
    free: bool
    lists: tuple[nodes.Array | nodes.Tuple, ...] = ()
    records: tuple[nodes.Record, ...] = ()
    item: Kind | None = None
    fields: Fields | None = None

    def only(self, value: Any) -> bool:
        """Whether a Python literal can be nothing but this value here."""
        return self.free or (not self.grows and self.check(value))


@dataclass(slots=True, eq=False)
class Fields:
    """The properties of one record by every name that leads to them."""

    record: nodes.Record
    known: dict[str, Kind] = field(default_factory=dict)
    others: dict[str, nodes.Field | None] = field(default_factory=dict)
    entries: tuple[tuple[Any, nodes.Node], ...] = ()

    def takes(self, name: str) -> bool:
        """Whether the record may have a property of this name."""
        return name in self.known or self.loose(name) is not None

    def fits(self, checks: Checks, name: str, value: Any) -> bool:
        """Whether the record may have this property with this value."""
        kind = self.known.get(name)
        if kind is not None:
            return kind.check(value)
        node = self.loose(name)
        return node is not None and checks.of(node)(value)

    def other(self, name: str) -> nodes.Field | None:
        """The one property that a name is an alias of, or another case of."""
        if name in self.others:
            return self.others[name]
        return self.others.get("\n" + fold(name)) if self.others else None

    def loose(self, name: str) -> nodes.Node | None:
        """The node of a property that has no field."""
        for searched, node in self.entries:
            if searched is None or searched.search(name):
                return node
        return self.record.extras


def kind_of(checks: Checks, node: nodes.Node) -> Kind:
    """The kind of a node, made once."""
    found = checks.kinds.get(id(node))
    if found is None:
        found = checks.kinds[id(node)] = _kind(checks, node)
    assert isinstance(found, Kind)
    return found


def _kind(checks: Checks, node: nodes.Node) -> Kind:
    kinds = [one for one in _branches(checks, node) if not isinstance(one, nodes.Null)]
    texts = [one for one in kinds if isinstance(one, (nodes.Text, nodes.Choice, nodes.Anything))]
    free = len(kinds) == 1 and isinstance(kinds[0], nodes.Anything)
    mixed = any(isinstance(one, nodes.Anything) for one in kinds)
    return Kind(
        node=kinds[0] if len(kinds) == 1 else checks.resolve(node),
        check=checks.of(node),
        types=frozenset(checks.types(node) or ()) - {list, dict},
        grows=free or (len(texts) == 1 and _grows(texts[0])),
        free=free,
        lists=() if mixed else tuple(one for one in kinds if isinstance(one, (nodes.Array, nodes.Tuple))),
        records=() if mixed else tuple(one for one in kinds if isinstance(one, nodes.Record)),
    )


def _grows(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Text) and node.pattern is None and node.format is None


def _branches(checks: Checks, node: nodes.Node) -> Iterator[nodes.Node]:
    node = checks.resolve(node)
    if isinstance(node, nodes.Union):
        for branch in node.branches:
            yield from _branches(checks, branch)
    else:
        yield node


FREE = Kind(nodes.Anything(), lambda value: True, frozenset(), True, True)
"""The kind of what is gathered out of sight."""


def fields_of(checks: Checks, record: nodes.Record) -> Fields:
    """The names of a record, made once."""
    found = checks.kinds.get((id(record), "fields"))
    if found is None:
        found = checks.kinds[id(record), "fields"] = _fields(checks, record)
    assert isinstance(found, Fields)
    return found


def _fields(checks: Checks, record: nodes.Record) -> Fields:
    others: dict[str, nodes.Field | None] = {}
    for one in record.fields:
        labels = {*one.aliases, *("\n" + fold(label) for label in (one.name, *one.aliases) if fold(label))}
        for label in labels:
            others[label] = None if label in others else one
    return Fields(
        record,
        {one.name: kind_of(checks, one.node) for one in record.fields},
        others,
        tuple((pattern(entry.pattern), entry.node) for entry in record.entries),
    )


class Frame:
    """One open bracket, or the place of the whole value (`mark` is "root", its value a list of one).

    `into` is where values are put: the frame's own value, or a dict that nobody sees for a name that is ignored. `key`
    is the present name, or -1 in a list; `kind` that of the present value. `attached` says that the frame's value
    stands in the frame around it, `visible` that it can be seen from the outermost.
    """

    __slots__ = (
        "attached", "fields", "into", "key", "kind", "kinds", "mark", "odd", "outer", "records", "seen", "start",
        "step", "value", "visible", "way",
    )  # fmt: skip

    def __init__(self, mark: str, outer: Frame | None, kind: Kind, attached: bool):
        self.mark, self.outer, self.kind, self.attached = mark, outer, kind, attached
        self.visible: bool = attached and (outer is None or (outer.visible and outer.into is outer.value))
        self.value: Any = {} if mark == "{" else []
        self.into: Any = self.value
        self.key: Any = "" if mark == "{" else -1
        self.fields: Fields | None = None
        self.records: tuple[nodes.Record, ...] = ()  # those that it may be, where there are several
        self.kinds: nodes.Tuple | None = None
        self.seen: set[str] | None = set() if mark == "{" else None
        self.step: str | int = 0  # where it stands in the outer one
        if outer is not None:
            self.step = outer.key if outer.mark == "{" else len(outer.into)
        self.odd = outer is None  # something is to be looked at when a value in it has ended
        self.start = 0
        self.way: str | None = None

    @property
    def pointer(self) -> str:
        """The way to this frame's value."""
        if self.way is None:
            outer = self.outer
            self.way = "" if outer is None or outer.mark == "root" else outer.pointer + _step(self.step)
        return self.way

    @property
    def here(self) -> str:
        """The way to the place where the next value will stand."""
        if self.mark == "root":
            return ""
        return self.pointer + _step(self.key if self.mark == "{" else len(self.into))

    def take_back(self) -> None:
        """Takes away what was shown at the present place."""
        if self.mark == "{":
            self.into.pop(self.key, None)
        else:
            self.into.pop()

    def put(self, value: Any) -> None:
        """Sets what stands at the present place."""
        if self.mark == "{":
            self.into[self.key] = value
        else:
            self.into.append(value)

    def attach(self) -> None:
        """Shows the frame's value in the one around it."""
        assert self.outer is not None
        self.outer.put(self.value)
        self.attached, self.visible = True, self.outer.visible and self.outer.into is self.outer.value


def _step(step: str | int) -> str:
    return f"/{step}" if isinstance(step, int) else f"/{step.replace('~', '~0').replace('/', '~1')}"


def child(checks: Checks, outer: Frame, mark: str) -> Frame:
    """The frame of a bracket that opens at the present place of another."""
    kind = outer.kind
    if mark == "{":
        if kind.fields is None and not _opens_record(checks, kind):
            frame = Frame(mark, outer, FREE, kind.free)
            frame.records = kind.records
            frame.odd = bool(kind.records)
        else:
            frame = Frame(mark, outer, FREE, True)
            frame.fields = kind.fields
    elif kind.item is None and not _opens_list(checks, kind):
        frame = Frame(mark, outer, FREE, kind.free)
    else:
        assert kind.item is not None
        frame = Frame(mark, outer, kind.item, True)
        frame.kinds = kind.lists[0] if kind.item is FREE and kind.lists else None  # type: ignore[assignment]
    if frame.attached:
        outer.put(frame.value)
    return frame


def item_of(checks: Checks, frame: Frame) -> Kind:
    """The kind of the next item of a list where each place has its own."""
    listed, at = frame.kinds, len(frame.value)
    assert listed is not None
    node = listed.prefix[at] if at < len(listed.prefix) else listed.rest
    return FREE if node is None else kind_of(checks, node)


def _opens_record(checks: Checks, kind: Kind) -> bool:
    """Whether an object here is of one record; notes its fields."""
    if len(kind.records) == 1:
        kind.fields = fields_of(checks, kind.records[0])
    return kind.fields is not None


def _opens_list(checks: Checks, kind: Kind) -> bool:
    """Whether a list here is of one kind; notes that of its items, which is free where each place has its own."""
    if len(kind.lists) == 1:
        node = kind.lists[0]
        kind.item = kind_of(checks, node.items) if isinstance(node, nodes.Array) else FREE
    return kind.item is not None
