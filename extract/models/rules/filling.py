"""Fills a type from a text: walks its nodes and asks a reader for each leaf.

`fill` is a pure function of the call. The value has only what was found; a field that was not found is left out, so
that a default of the schema can stand for it or the field counts as missing. Records are looked for in the part of
the paper that bears their name, lists of records in tables, lists of values behind their label.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from dataclasses import field as part_of
from functools import lru_cache
from typing import Any

from ...call import Call, Shape
from ...compiler import read_schema
from ...nodes import Array, Boolean, Choice, Field, Node, Null, Number, Record, Ref, Text, Type, Union
from .labels import Names, likeness
from .looks import Wanted, date_order, look_of, names_of
from .page import Cell, Line, Page, bounded, column, paged
from .paper import Paper
from .readers import ENOUGH, SELF_EVIDENT, Found, all_by_look, read_leaf
from .tables import table
from .words import tokens

__all__ = ["fill"]

Confidence = dict[str, float]

_DEEPEST = 6
"""Records within records; a type that holds itself is not followed further."""


def fill(call: Call) -> tuple[Any, Confidence]:
    """The JSON value in the user's shape with what was found, and how sure each leaf is by its JSON pointer. A type
    that is not an object gives None where nothing was found."""
    kind = _type_of(_Known(call.shape.fingerprint, call.shape))
    text = bounded("\n".join(part.text for part in call.inputs if part.kind == "text"))
    order = call.settings.get("date_order")
    walk = _Walk(kind, Paper(paged(text), order.lower() if isinstance(order, str) else None))
    root = kind.resolve(kind.root)
    if isinstance(root, Record):
        found = walk.record(root, walk.paper, (), 0)
        return found or ({}, {})
    named = Field(name=call.shape.name or "value", node=root)
    return walk.field(named, walk.paper, (), 0) or (None, {})


@dataclass(frozen=True)
class _Known:
    """A shape by its fingerprint: calls are many and shapes are few."""

    fingerprint: str
    shape: Shape = part_of(compare=False)


@lru_cache(maxsize=256)
def _type_of(known: _Known) -> Type:
    return read_schema(known.shape.full)


@dataclass(frozen=True)
class _Walk:
    kind: Type
    paper: Paper

    def record(self, node: Record, paper: Paper, around: tuple[str, ...], depth: int) -> tuple[Any, Confidence] | None:
        """The fields that were found, or None where there are none."""
        value: dict[str, Any] = {}
        sure: Confidence = {}
        for field in node.fields:
            found = self.field(field, paper, around, depth)
            if found is not None:
                value[field.name] = found[0]
                step = "/" + field.name.replace("~", "~0").replace("/", "~1")
                sure.update({step + pointer: one for pointer, one in found[1].items()})
        if not value:
            return None
        value |= {
            field.name: only[0] for field in node.fields if field.name not in value and (only := self.constant(field))
        }
        return {field.name: value[field.name] for field in node.fields if field.name in value}, sure

    def constant(self, field: Field) -> tuple[Any, ...]:
        """The one value of a required field that can have no other, as a 1-tuple."""
        node = self.kind.resolve(field.node)
        return node.values if field.required and isinstance(node, Choice) and len(node.values) == 1 else ()

    def field(self, field: Field, paper: Paper, around: tuple[str, ...], depth: int) -> tuple[Any, Confidence] | None:
        node = self.settled(field.node)
        if isinstance(node, Choice) and len(node.values) == 1:
            return None
        apart = bool(_OTHERS & set(around)) and not paper.part
        names = names_of(field, _described(node, field.node), around, apart)
        row = next((reader for kind, reader in _KINDS if isinstance(node, kind)), None)
        return row(self, node, names, paper, depth) if row is not None and names.own else None

    def settled(self, node: Node) -> Node:
        """What to look for: without references and without null; of numbers that may also be written as strings, the
        number; of other unions the first branch."""
        outer = node
        for _ in range(8):
            node = self.kind.resolve(node)
            if not isinstance(node, Union):
                break
            branches = [one for one in map(self.kind.resolve, node.branches) if not isinstance(one, Null)]
            if not branches:
                return Null()
            outer = node
            node = next((one for one in branches if isinstance(one, Number)), branches[0])
        if isinstance(outer, Union) and not node.description:
            node = replace(node, description=outer.description, title=node.title or outer.title)
        return node


_OTHERS = frozenset({"customer", "to", "delivery", "person", "shipping"})
"""Parties that did not write the paper: what is theirs bears their name, or stands in their part of it."""


def _described(node: Node, outer: Node) -> Node:
    return node if node.description or isinstance(outer, Ref) else replace(node, description=outer.description)


# One function for each kind of node


def _leaf(walk: _Walk, node: Node, names: Names, paper: Paper, depth: int) -> tuple[Any, Confidence] | None:
    wanted = Wanted(names, node, look_of(node, names), date_order(node.description))
    found = read_leaf(paper, wanted)
    return None if found is None else (found.value, {"": round(found.sure, 3)})


def _inner(walk: _Walk, node: Node, names: Names, paper: Paper, depth: int) -> tuple[Any, Confidence] | None:
    if not isinstance(node, Record) or not node.fields or depth >= _DEEPEST:
        return None
    own = names.own[0]
    part = _part_named(paper.page, Names((own,)))
    if part is not None:
        return walk.record(node, replace(paper, page=part, part=True), own, depth + 1)
    return walk.record(node, paper, own, depth + 1) if depth < 2 else None


def _list(walk: _Walk, node: Node, names: Names, paper: Paper, depth: int) -> tuple[Any, Confidence] | None:
    if not isinstance(node, Array):
        return None
    items = walk.settled(node.items)
    if isinstance(items, Record):
        columns = [_column(walk, field) for field in items.fields]
        rows = table(paper, [column for column in columns if column is not None])
    else:
        rows = [(found.value, {"": found.sure}) for found in _values(paper, items, names)]
    rows = rows[: node.max_items]
    if not rows or len(rows) < node.min_items:
        return None
    sure = {f"/{place}{pointer}": round(one, 3) for place, (_, row) in enumerate(rows) for pointer, one in row.items()}
    return [value for value, _ in rows], sure


def _column(walk: _Walk, field: Field) -> tuple[str, Wanted] | None:
    node = walk.settled(field.node)
    if not isinstance(node, (Text, Number, Choice, Boolean)):
        return None
    names = names_of(field, _described(node, field.node), (), False)
    more = tuple(other for token, other in _IN_ROWS if any(token in name for name in names.own))
    names = replace(names, own=names.own + more)
    return (field.name, Wanted(names, node, look_of(node, names), date_order(node.description))) if names.own else None


_IN_ROWS = (
    ("description", ("article",)),
    ("name", ("article",)),
    ("article", ("description",)),
    ("amount", ("total",)),
    ("total", ("amount",)),
)
"""What else the columns of a table call such a field."""


def _values(paper: Paper, items: Node, names: Names) -> list[Found]:
    """The values of a list behind its label, parted by commas or semicolons; of addresses and the like, all there
    are."""
    wanted = Wanted(names, items, look_of(items, names))
    if wanted.look in SELF_EVIDENT:
        return all_by_look(paper, wanted)
    best = max(paper.pairs, key=lambda pair: pair.near * likeness(names, pair.label), default=None)
    if best is None or best.near * likeness(names, best.label) < ENOUGH or not isinstance(items, (Text, Choice)):
        return []
    sure = 0.85 * best.near * likeness(names, best.label)
    parts = [part.strip() for part in re.split(r"[;,]\s*", best.text) if part.strip()]
    if isinstance(items, Text):
        return [Found(part, sure) for part in parts]
    return [Found(value, sure) for part in parts for value in items.values if str(value).casefold() == part.casefold()]


_KINDS: tuple[tuple[type[Node] | tuple[type[Node], ...], Callable[..., tuple[Any, Confidence] | None]], ...] = (
    ((Text, Number, Choice, Boolean), _leaf),
    (Record, _inner),
    (Array, _list),
)
"""What fills each kind of node; what is not here is left out."""


# Parts of a page that bear a name


_DETAILS = frozenset(
    {"number", "date", "code", "order", "account", "service", "amount", "total", "email", "phone", "tax"}
)
"""Words that make a heading the label of one value."""


def _part_named(page: Page, names: Names) -> Page | None:
    """What stands under the heading that fits the names, in its columns, up to a blank line."""
    for index, line in enumerate(page.lines):
        for cell in line.cells:
            head, colon, rest = cell.text.partition(":")
            label = tokens(head)
            if likeness(names, label) < 0.75 or len(head) > 40 or _DETAILS & (set(label) - names.all):
                continue
            lines: list[Line] = []
            if colon and rest.strip():
                start = cell.end - len(rest.lstrip())
                lines.append(
                    Line(
                        line.number, rest.strip(), start, (Cell(rest.strip(), start, cell.end, cell.left, cell.right),)
                    )
                )
            for below in column(page, index, cell).lines[:10]:
                if not below.text:
                    break
                lines.append(below)
            if lines:
                return Page(page.text, tuple(lines))
    return None
