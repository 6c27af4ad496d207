"""The places of a type that a repair can name, and the type of an answer that changes some of them.

Each type has one such answer, whatever fails: a provider compiles every new schema for seconds, so a schema for each
set of failing fields would be dear. A change names its place by a path in which ``*`` stands for an index or a key,
says which one with ``at``, and gives the value in the form that the place has:

    {"changes": [{"path": "/lines/*/price", "at": [2], "value": 3.5}]}

Places of one form share a branch, so the schema stays small: names and forms, each once. Leaves have places, and items
of lists and maps as wholes; a record in a record is changed leaf by leaf, and so is an item of many fields.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .. import nodes
from ..pointer import join, split

__all__ = ["Change", "Place", "Places", "places_of"]

FEW = 6
"""An item of so many fields is asked for as a whole: a place for each of its leaves costs more than it saves."""
MOST = 150
"""More places than these make the schema too large; what lies deeper is changed with the item that it is in."""


@dataclass(frozen=True)
class Place:
    """One place: its steps (None for an index or a key), the node that stands there, and whether it may be missing."""

    steps: tuple[str | None, ...]
    node: nodes.Node
    required: bool = True
    default: tuple[Any, ...] = ()
    keys: tuple[bool, ...] = ()
    """For each None among the steps, whether it is a key (of a map) and not an index."""

    @property
    def settled(self) -> bool:
        """Whether a change always gives a value here. Where null is the default, null says that there is none."""
        return self.required or self.default == (None,)

    @cached_property
    def path(self) -> str:
        return "".join("/*" if step is None else join(step.replace("*", "~2")) for step in self.steps)

    def holds(self, steps: tuple[str, ...]) -> bool:
        """Whether a pointer of these steps is this place, or leads into it."""
        return len(steps) >= len(self.steps) and all(
            own in (None, step) for own, step in zip(self.steps, steps, strict=False)
        )

    def within(self, steps: tuple[str, ...]) -> bool:
        """Whether this place lies in what a pointer of these steps leads to."""
        return len(steps) < len(self.steps) and all(
            own in (None, step) for own, step in zip(self.steps, steps, strict=False)
        )

    def at(self, steps: tuple[str, ...]) -> tuple[str | int, ...]:
        """The indexes and keys of this place on the way of a pointer, as far as the pointer says them."""
        named = [step for own, step in zip(self.steps, steps, strict=False) if own is None]
        return tuple(step if key else int(step) for key, step in zip(self.keys, named, strict=False))

    def lists(self, at: list[Any]) -> tuple[str, ...]:
        """The lists on the way to the place with these indexes and keys, the outer ones first."""
        depths = [depth for depth, step in enumerate(self.steps) if step is None]
        whole = split(self.pointer(at))
        return tuple(join(*whole[:depth]) for depth, key in zip(depths, self.keys, strict=True) if not key)

    def pointer(self, at: list[Any]) -> str:
        """The pointer of the place with these indexes and keys."""
        named = iter(at)
        return join(*(str(next(named)) if step is None else step for step in self.steps))


@dataclass(frozen=True)
class Change:
    """A change as an answer gives it: the place in the user's value, the new value (`ABSENT`: it goes), and the lists
    on the way there, which it makes where there are none."""

    pointer: str
    value: Any
    lists: tuple[str, ...] = ()


@dataclass(frozen=True)
class Places:
    """The places of a type by their paths, and the type of the answer that changes them."""

    by_path: dict[str, Place] = field(repr=False)
    type: nodes.Type = field(repr=False)

    def around(self, steps: tuple[str, ...]) -> Place | None:
        """The smallest place that is at a pointer or around it."""
        found = [place for place in self.by_path.values() if place.holds(steps)]
        return max(found, key=lambda place: len(place.steps), default=None)

    def bare(self, place: Place) -> nodes.Node:
        """The node of a place; of something that may be null, the rest."""
        return _resolved(self.type, _Spot(place))[0]

    def below(self, steps: tuple[str, ...]) -> list[Place]:
        """The places inside of what a pointer leads to."""
        return [place for place in self.by_path.values() if place.within(steps)]


def places_of(type_: nodes.Type) -> Places:
    """The places of a type. The same type gives the same places in the same order."""
    found: dict[str, Place] = {}
    for place in _walk(type_):
        if len(found) >= MOST:
            break
        found.setdefault(place.path, place)
    changes = nodes.Array(items=_union(list(found.values())))
    root = nodes.Record(fields=(nodes.Field(name="changes", node=changes),))
    return Places(found, nodes.Type(root=root, named=type_.named))


# ---- which places there are


@dataclass(frozen=True)
class _Spot:
    """A place that is still to be looked at, with the names of the definitions that it is in."""

    place: Place
    inside: frozenset[str] = frozenset()


def _walk(type_: nodes.Type) -> Iterator[Place]:
    """The places from the root on, the nearer ones first."""
    waiting = deque([_Spot(Place((), type_.root))])
    while waiting:
        spot = waiting.popleft()
        node, names, again = _resolved(type_, spot)
        inner = [] if again or _small_item(spot.place, node) else list(_under(type_, spot, node, names))
        if (spot.place.steps and (not inner or _whole(type_, spot.place, node))) or (
            not spot.place.steps and not inner
        ):
            yield spot.place
        waiting.extend(inner)


def _small_item(place: Place, node: nodes.Node) -> bool:
    return (
        bool(place.steps) and place.steps[-1] is None and isinstance(node, nodes.Record) and 0 < len(node.fields) <= FEW
    )


def _resolved(type_: nodes.Type, spot: _Spot) -> tuple[nodes.Node, frozenset[str], bool]:
    """The node of a spot, the definitions around what is in it, and whether it leads back to one of them. Of something
    that may be null, the rest is looked at."""
    node, names = spot.place.node, spot.inside
    while True:
        if isinstance(node, nodes.Ref):
            if node.name in names:
                return node, names, True
            names = names | {node.name}
            node = type_.named[node.name]
        elif isinstance(node, nodes.Union) and len(left := _not_null(node)) == 1:
            node = left[0]
        else:
            return node, names, False


def _not_null(node: nodes.Union) -> list[nodes.Node]:
    return [branch for branch in node.branches if not isinstance(branch, nodes.Null)]


def _under(type_: nodes.Type, spot: _Spot, node: nodes.Node, names: frozenset[str]) -> Iterator[_Spot]:
    steps, keys = spot.place.steps, spot.place.keys
    if isinstance(node, nodes.Record):
        for one in node.fields:
            if not isinstance(one.node, nodes.Never):
                yield _Spot(Place((*steps, one.name), one.node, one.required, one.default, keys), names)
        kinds = [*(entry.node for entry in node.entries), *((node.extras,) if node.extras is not None else ())]
        if not node.fields and len(kinds) == 1:
            yield _Spot(Place((*steps, None), kinds[0], False, (), (*keys, True)), names)
    elif isinstance(node, nodes.Array):
        yield _Spot(Place((*steps, None), node.items, True, (), (*keys, False)), names)
    elif isinstance(node, nodes.Tuple):
        for index, item in enumerate(node.prefix):
            yield _Spot(Place((*steps, str(index)), item, True, (), keys), names)


def _whole(type_: nodes.Type, place: Place, node: nodes.Node) -> bool:
    """Whether a place with places in it is one as well: items and entries are, records that may be null or missing, and
    lists of plain values."""
    if place.steps[-1] is None:
        return True
    if isinstance(node, nodes.Record):
        return not place.required or isinstance(place.node, nodes.Union)
    items = type_.resolve(node.items) if isinstance(node, nodes.Array) else node
    return not isinstance(items, (nodes.Record, nodes.Array))


# ---- the answer


def _union(places: list[Place]) -> nodes.Node:
    """One branch for all places of one form."""
    groups: dict[str, list[Place]] = {}
    for place in places:
        form = (_bare(place.node), place.settled, place.keys)
        groups.setdefault(repr(form), []).append(place)
    branches = [_branch(group) for group in groups.values()]
    return branches[0] if len(branches) == 1 else nodes.Union(branches=tuple(branches), discriminator="path")


def _branch(group: list[Place]) -> nodes.Node:
    first = group[0]
    path = nodes.Field(name="path", node=nodes.Choice(values=tuple(place.path for place in group)))
    value = nodes.Field(name="value", node=_bare(first.node), required=first.settled)
    if not first.keys:
        return nodes.Record(fields=(path, value))
    kinds = dict.fromkeys(first.keys)
    forms = [nodes.Text() if key else nodes.Number(integer=True, minimum=0) for key in kinds]
    items = forms[0] if len(forms) == 1 else nodes.Union(branches=tuple(forms))
    count = len(first.keys)
    at = nodes.Field(name="at", node=nodes.Array(items=items, min_items=count, max_items=count))
    return nodes.Record(fields=(path, at, value))


def _bare(node: nodes.Node) -> nodes.Node:
    """The node without the words of its place, which the prompt says where they are needed."""
    if isinstance(node, nodes.Union):
        node = replace(node, branches=tuple(map(_bare, node.branches)))
    return replace(node, title="", description="", pointer="")
