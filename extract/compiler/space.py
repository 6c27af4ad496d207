"""Nodes by name, made when they are first looked at, and the algebra over them.

A schema may refer to itself anywhere, so nothing here follows a reference before it must: children are references
(`nodes.Ref`) into the space, and `head` makes the one node that a reference stands for. A conjunction or a negation
of references is itself a name, so the algebra ends on every recursive schema.

The algebra is sound: what it cannot say exactly it leaves wider, and marks with the constraint that is to be checked
afterwards. So a value of the type is never lost, and what is loose is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import nodes
from ..errors import SchemaError
from . import meeting, negation
from .membership import accepts
from .words import alike, noted

__all__ = ["NEVER", "SILENT", "Space", "endless"]

SILENT = nodes.Anything(said=False)
NEVER = nodes.Never()


MOST_PARTS, MOST_NAMED = 24, 6000
"""A conjunction of more parts, or of a longer name, is left wider and marked: on a recursive schema each look could
else make a new name, without an end."""


class Space:
    """All nodes of one type, by name."""

    def __init__(self) -> None:
        self.makers: dict[str, Callable[[], nodes.Node]] = {}
        self.heads: dict[str, nodes.Node] = {}
        self.parts: dict[str, frozenset[str]] = {}
        self.places: dict[str, str] = {}
        self.definitions: set[str] = set()
        self.making: list[str] = []

    # ---- names

    def name(self, key: str, make: Callable[[], nodes.Node]) -> nodes.Ref:
        """A reference to what `make` will give; the same key is the same node."""
        if key not in self.makers:
            self.makers[key] = make
            self.parts[key] = frozenset((key,))
        return nodes.Ref(name=key)

    def literal(self, node: nodes.Node) -> nodes.Ref:
        """A reference to a node that is there already."""
        return self.name(f"={node!r}", lambda: node)

    def head(self, node: nodes.Node) -> nodes.Node:
        """The node itself, or the one that a reference stands for."""
        seen: set[str] = set()
        while isinstance(node, nodes.Ref):
            if node.name in seen:
                raise endless(_place(self, node))
            seen.add(node.name)
            node = noted(self.raw(node.name), node)
        return node

    def raw(self, name: str) -> nodes.Node:
        """What a name stands for; that may be another reference."""
        if name not in self.heads:
            if name in self.making:
                raise endless(_place(self, nodes.Ref(name=name)))
            self.making.append(name)
            try:
                self.heads[name] = self.makers[name]()
            finally:
                self.making.pop()
        return self.heads[name]

    # ---- the algebra over children

    def both(self, *children: nodes.Node) -> nodes.Node:
        """The conjunction of children, made only when it is looked at."""
        result: nodes.Node = SILENT
        for child in children:
            result = self._both(result, child)
        return result

    def _both(self, one: nodes.Node, other: nodes.Node) -> nodes.Node:
        if one is SILENT or alike(one, other):
            return other
        for wide, narrow in ((one, other), (other, one)):
            if isinstance(wide, nodes.Anything) and not wide.after:
                said = isinstance(narrow, nodes.Anything) and not narrow.said and wide.said
                return noted(noted(wide, narrow) if said else narrow, wide)
            if isinstance(wide, nodes.Never):
                return wide
        if isinstance(one, nodes.Ref) or isinstance(other, nodes.Ref):
            return self._conjunction((one, other))
        return self.meet(one, other)

    def _conjunction(self, pair: tuple[nodes.Node, nodes.Node]) -> nodes.Node:
        refs = [one if isinstance(one, nodes.Ref) else self.literal(one) for one in pair]
        parts = frozenset().union(*(self.parts[ref.name] for ref in refs))
        key = "&".join(sorted(parts))
        if len(parts) > MOST_PARTS or len(key) > MOST_NAMED:
            return noted(pair[0], nodes.Anything(after=(("allOf", _place(self, refs[1])),)))
        made = self.name(key, lambda: self.meet_all(nodes.Ref(name=part) for part in sorted(parts)))
        self.parts[key] = parts
        return noted(noted(made, pair[0]), pair[1])

    def meet_all(self, children: Iterable[nodes.Node]) -> nodes.Node:
        """The conjunction of several, as one node."""
        result: nodes.Node = SILENT
        for child in children:
            result = self.meet(result, self.head(child))
        return result

    def meet(self, one: nodes.Node, other: nodes.Node) -> nodes.Node:
        """The conjunction of two, as one node."""
        return meeting.meet(self, self.head(one), self.head(other))

    def without(self, child: nodes.Node) -> nodes.Node:
        """What a child refuses, made only when it is looked at; wider, and marked, where that cannot be said."""
        if isinstance(child, nodes.Ref):
            if child.name.startswith("!(") and self.parts[child.name] == {child.name}:
                return nodes.Ref(name=child.name[2:-1])  # what is refused twice
            if len(child.name) > MOST_NAMED:
                return nodes.Anything(said=False, after=(("not", _place(self, child)),))
            return self.name(f"!({child.name})", lambda: self.negate(self.head(nodes.Ref(name=child.name))))
        return self.negate(child)

    def negate(self, node: nodes.Node) -> nodes.Node:
        """What a node refuses, as one node."""
        return negation.negate(self, self.head(node))

    def accepts(self, node: nodes.Node, value: Any) -> bool:
        return accepts(self.head, node, value)


def _place(space: Space, ref: nodes.Ref) -> str:
    """The first place in the source that a name is made of."""
    parts = (part.strip("!()") for part in sorted(space.parts[ref.name]))
    return next((space.places[part] for part in parts if part in space.places), "")


def endless(place: str) -> SchemaError:
    return SchemaError(
        "This schema refers to itself without an end: no value could ever be checked against it.",
        where=place or "the schema",
        fix="Put a property, an item or another step between the definition and the reference to itself.",
    )
