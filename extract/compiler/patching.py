"""The places of a type that a repair can name, and the type of an answer that changes some of them.

Each type has one such answer, whatever fails: a provider compiles every new schema for seconds, so a schema for each
set of failing fields would be dear. A change names its place by a path in which ``*`` stands for an index or a key,
says which one with ``at``, and gives the value in the form that the place has:

    {"changes": [{"path": "/lines/*/price", "at": [2], "value": 3.5}]}

Places of one form share a branch, so the schema stays small: names and forms, each once. Leaves have places, and items
of lists and maps as wholes; a record in a record is changed leaf by leaf, and so is an item of many fields.

The lists, maps and records that have places in them are known as well (`Container`), so that one that was cut off can
be asked to go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from .. import nodes
from ..pointer import join, split
from .wire import Extras

__all__ = ["Change", "Container", "Place", "Places", "places_of"]

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
    """A change as an answer gives it: the place in the user's value, the new value (`ABSENT`: it goes), the node that
    stands there, and the lists on the way there, which it makes where there are none."""

    pointer: str
    value: Any
    node: nodes.Node
    lists: tuple[str, ...] = ()


@dataclass(frozen=True)
class Container:
    """A list, a map or a record whose parts have places: the place where it stands, and those of its members: of a
    list or a map the one of its items or entries, of a record those of its fields."""

    place: Place
    kind: Literal["record", "map", "list"]
    members: tuple[Place, ...]


@dataclass(frozen=True)
class Places:
    """The places of a type by their paths, its containers, and the type of the answer that changes the places."""

    by_path: dict[str, Place] = field(repr=False)
    containers: dict[str, Container] = field(repr=False)
    type: nodes.Type = field(repr=False)

    def container(self, steps: tuple[str, ...]) -> Container | None:
        """The container that stands where a pointer leads to."""
        found = (one for one in self.containers.values() if len(one.place.steps) == len(steps))
        return next((one for one in found if one.place.holds(steps)), None)

    def around(self, steps: tuple[str, ...]) -> Place | None:
        """The smallest place that is at a pointer or around it."""
        found = [place for place in self.by_path.values() if place.holds(steps)]
        return max(found, key=lambda place: len(place.steps), default=None)

    def bare(self, place: Place) -> nodes.Node:
        """The node of a place; of something that may be null, the rest."""
        return _resolved(self.type, _Spot(place)).node

    def below(self, steps: tuple[str, ...]) -> list[Place]:
        """The places inside of what a pointer leads to."""
        return [place for place in self.by_path.values() if place.within(steps)]


def places_of(type_: nodes.Type, extras: Extras = "ignore") -> Places:
    """The places of a type. The same type gives the same places in the same order. `extras` as in `wire_of`: a record
    that carries undeclared properties is no container, since it is not known which it has."""
    found: dict[str, Place] = {}
    containers: dict[str, Container] = {}
    for spot, own, inner in _walk(type_):
        if len(found) >= MOST:
            break
        if own:
            found.setdefault(spot.place.path, spot.place)
        if (container := _container(spot, inner, extras)) is not None:
            containers.setdefault(container.place.path, container)
    changes = nodes.Array(items=_union(list(found.values())))
    root = nodes.Record(fields=(nodes.Field(name="changes", node=changes),))
    return Places(found, containers, nodes.Type(root=root, named=type_.named))


# ---- which places there are


@dataclass(frozen=True)
class _Spot:
    """A place that is still to be looked at, with the names of the definitions that it is in."""

    place: Place
    inside: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Found:
    """What stands in a place: its node without references and null, whether it may be null, the definitions around
    what is in it, and whether it leads back to one of them."""

    place: Place
    node: nodes.Node
    null: bool
    names: frozenset[str]
    again: bool


def _walk(type_: nodes.Type) -> Iterator[tuple[_Found, bool, list[_Spot]]]:
    """What stands in each place from the root on, the nearer ones first; whether it is a place that can be changed by
    itself, and what is in it."""
    waiting = deque([_Spot(Place((), type_.root))])
    while waiting:
        found = _resolved(type_, waiting.popleft())
        inner = [] if found.again or _small_item(found) else list(_under(type_, found))
        yield found, (not inner or (bool(found.place.steps) and _whole(type_, found))), inner
        waiting.extend(inner)


def _small_item(found: _Found) -> bool:
    node = found.node
    if not found.place.steps or found.place.steps[-1] is not None:
        return False
    return isinstance(node, nodes.Record) and 0 < len(node.fields) <= FEW


def _resolved(type_: nodes.Type, spot: _Spot) -> _Found:
    """What stands in a spot. Of something that may be null, the rest is looked at."""
    node, names, null = spot.place.node, spot.inside, False
    while True:
        if isinstance(node, nodes.Ref):
            if node.name in names:
                return _Found(spot.place, node, null, names, True)
            names = names | {node.name}
            node = type_.named[node.name]
        elif isinstance(node, nodes.Union) and len(left := _not_null(node)) == 1:
            null = null or len(left) < len(node.branches)
            node = left[0]
        else:
            return _Found(spot.place, node, null, names, False)


def _not_null(node: nodes.Union) -> list[nodes.Node]:
    return [branch for branch in node.branches if not isinstance(branch, nodes.Null)]


def _under(type_: nodes.Type, found: _Found) -> Iterator[_Spot]:
    node, names = found.node, found.names
    steps, keys = found.place.steps, found.place.keys
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


def _whole(type_: nodes.Type, found: _Found) -> bool:
    """Whether a place with places in it is one as well: items and entries are, what may be null or missing, and lists
    of plain values. A list that may be missing and is empty then says so by having no items."""
    place, node = found.place, found.node
    if place.steps[-1] is None:
        return True
    if isinstance(node, nodes.Record):
        return not place.required or found.null
    if isinstance(node, nodes.Array) and isinstance(type_.resolve(node.items), (nodes.Record, nodes.Array)):
        return found.null or not (place.required or place.default == ([],))
    return True


def _container(found: _Found, inner: list[_Spot], extras: Extras) -> Container | None:
    """What stands in a place as a container, if what it has is known by its places."""
    node, members = found.node, tuple(spot.place for spot in inner)
    if not members or isinstance(node, nodes.Tuple):
        return None
    if isinstance(node, nodes.Array):
        return Container(found.place, "list", members)
    if not isinstance(node, nodes.Record):
        return None
    if not node.fields:
        return Container(found.place, "map", members)
    silent = extras == "ignore" and isinstance(node.extras, nodes.Anything) and not node.extras.said
    return Container(found.place, "record", members) if not node.entries and (silent or node.extras is None) else None


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
