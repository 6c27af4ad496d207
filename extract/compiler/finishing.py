"""From a space of lazily made nodes to a finished `nodes.Type`.

What can be reached is made; impossible branches are dropped; unions lie flat; what is used once stands where it is
used, and what is used often or refers to itself keeps a stable name. A schema whose every value would be endless is
refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from operator import is_
from typing import Any

from .. import nodes
from ..errors import SchemaError
from .meeting import joined
from .membership import same
from .parting import parted
from .space import Space, endless
from .words import noted

__all__ = ["children", "finish", "on_loops", "rebuilt"]

_INLINE = (nodes.Null, nodes.Boolean, nodes.Number, nodes.Text, nodes.Anything, nodes.Never, nodes.Ref)


def children(node: nodes.Node) -> Sequence[nodes.Node]:
    """The nodes directly under a node."""
    rule = _CHILDREN.get(type(node))
    return () if rule is None else rule(node)


def _of_record(node: nodes.Record) -> Sequence[nodes.Node]:
    found = [field.node for field in node.fields]
    if node.entries:
        found += [entry.node for entry in node.entries]
    return found if node.extras is None else [*found, node.extras]


def _of_tuple(node: nodes.Tuple) -> Sequence[nodes.Node]:
    return node.prefix if node.rest is None else (*node.prefix, node.rest)


def rebuilt(node: nodes.Node, make: Callable[[nodes.Node], nodes.Node]) -> nodes.Node:
    """The node with each child replaced by what `make` gives for it; the same object where nothing changes."""
    rule = _REBUILT.get(type(node))
    if rule is None:
        return node
    old = children(node)
    new = [make(child) for child in old]
    return node if all(map(is_, old, new)) else rule(node, new)


def _record_of(node: nodes.Record, new: list[nodes.Node]) -> nodes.Node:
    count, entries = len(node.fields), len(node.entries)
    return replace(
        node,
        fields=tuple(map(_holding, node.fields, new)),
        entries=tuple(replace(entry, node=one) for entry, one in zip(node.entries, new[count:], strict=False)),
        extras=new[count + entries] if node.extras is not None else None,
    )


def _holding(field: nodes.Field, node: nodes.Node) -> nodes.Field:
    return field if field.node is node else replace(field, node=node)


def _tuple_of(node: nodes.Tuple, new: list[nodes.Node]) -> nodes.Node:
    count = len(node.prefix)
    return replace(node, prefix=tuple(new[:count]), rest=new[count] if node.rest is not None else None)


_CHILDREN: dict[type, Callable[[Any], Sequence[nodes.Node]]] = {
    nodes.Record: _of_record,
    nodes.Union: lambda node: node.branches,
    nodes.Array: lambda node: (node.items,),
    nodes.Tuple: _of_tuple,
    nodes.Text: lambda node: () if node.content is None else (node.content,),
}
_REBUILT: dict[type, Callable[[Any, list[nodes.Node]], nodes.Node]] = {
    nodes.Record: _record_of,
    nodes.Union: lambda node, new: replace(node, branches=tuple(new)),
    nodes.Array: lambda node, new: replace(node, items=new[0]),
    nodes.Tuple: _tuple_of,
    nodes.Text: lambda node, new: replace(node, content=new[0]),
}


def finish(space: Space, root: nodes.Node, declared: bool = False) -> nodes.Type:
    """The finished type that a root in a space stands for. `declared`: an alternative that leads straight back to what
    it is an alternative of is left out, since pydantic ends there; who checks by a JSON Schema with one does not."""
    return _Finish(space, declared).run(root)


def _small(node: nodes.Node) -> bool:
    """Whether a node stands in place however often it is used."""
    if isinstance(node, nodes.Union):
        return (
            len(node.branches) <= 3 and not node.description and all(isinstance(b, _INLINE[:-1]) for b in node.branches)
        )
    return isinstance(node, _INLINE) or (isinstance(node, nodes.Choice) and len(node.values) <= 3)


def _opens(node: nodes.Node) -> bool:
    """Whether a union in a union says nothing of its own, so that its alternatives may lie beside the others."""
    return isinstance(node, nodes.Union) and not (
        node.after or node.exclusive or node.discriminator or node.description
    )


class _Finish:
    def __init__(self, space: Space, declared: bool):
        self.space, self.declared = space, declared
        self.heads: dict[str, nodes.Node] = {}
        self.labels: dict[str, str] = {}
        self.named: dict[str, nodes.Node] = {}

    def run(self, root: nodes.Node) -> nodes.Type:
        entry = root if isinstance(root, nodes.Ref) else self.space.literal(root)
        self._reach(entry.name)
        productive = self._productive()
        if entry.name not in productive and not self._plainly_never(entry.name, set()):
            raise SchemaError(
                "Every value of this schema would have to contain another one, without an end.",
                where=self.space.places.get(entry.name) or "the schema",
                fix="Make a property on the way of the recursion optional or nullable, or a list that may be empty.",
            )
        self.productive = productive
        for name in self.heads:
            possible = name in productive
            head = self.heads[name]
            self.heads[name] = self._pruned(head) if possible else nodes.Never(pointer=head.pointer)
        self.keep = self._kept(entry.name)
        whole = self._placed(nodes.Ref(name=entry.name), inside=())
        return nodes.Type(root=whole, named={self.labels[name]: node for name, node in self.named.items()})

    # ---- what there is

    def _reach(self, first: str) -> None:
        waiting = [first]
        while waiting:
            name = waiting.pop()
            if name in self.heads:
                continue
            head = self._flat(self.space.raw(name), (name,))
            self.heads[name] = head
            waiting.extend(ref.name for ref in _refs(head))

    def _flat(self, node: nodes.Node, inside: tuple[str, ...] = ()) -> nodes.Node:
        """Unions in unions become one; literal unions too. Alternatives that are references to unions are opened; one
        that leads straight back to what it is an alternative of (`inside`) adds nothing."""
        if not isinstance(node, nodes.Union):
            return rebuilt(node, self._flat) if not isinstance(node, nodes.Ref) else node
        back = [branch for branch in node.branches if isinstance(branch, nodes.Ref) and branch.name in inside]
        if back and (node.exclusive or not self.declared):
            raise endless(self.space.places.get(back[0].name, ""))
        if node.exclusive:
            node = parted(self.space, node)
        branches: list[nodes.Node] = []
        for branch in node.branches:
            if any(branch is one for one in back):
                continue
            branch = branch if isinstance(branch, nodes.Ref) else self._flat(branch)
            inner = self.space.head(branch)
            if node.exclusive or node.discriminator or not _opens(inner):
                branches.append(branch)
            else:
                flat = self._flat(inner, (*inside, branch.name) if isinstance(branch, nodes.Ref) else inside)
                branches.extend(flat.branches if isinstance(flat, nodes.Union) else (flat,))
        return replace(node, branches=tuple(branches))

    def _productive(self) -> set[str]:
        """The names that have a finite value: the least set that is closed under the rules."""
        found: set[str] = set()
        changed = True
        while changed:
            changed = False
            for name, head in reversed(self.heads.items()):
                if name not in found and _possible(head, found):
                    found.add(name)
                    changed = True
        return found

    def _plainly_never(self, name: str, seen: set[str]) -> bool:
        """Whether a name is impossible for another reason than an endless recursion."""
        every = set(self.heads)
        return not _possible(self.heads[name], self._closure(every))

    def _closure(self, names: set[str]) -> set[str]:
        """The greatest set of names that are possible when recursion counts as possible."""
        while True:
            left = {name for name in names if _possible(self.heads[name], names)}
            if left == names:
                return left
            names = left

    # ---- what is impossible goes

    def _pruned(self, node: nodes.Node) -> nodes.Node:
        if isinstance(node, nodes.Ref):
            return node if node.name in self.productive else nodes.Never(pointer=node.pointer)
        node = rebuilt(node, self._pruned)
        if not _possible(node, self.productive):
            return nodes.Never(pointer=node.pointer)
        if isinstance(node, nodes.Union):
            return self._settled(node)
        if isinstance(node, nodes.Record):
            return replace(node, extras=None) if isinstance(node.extras, nodes.Never) else node
        if isinstance(node, nodes.Array) and isinstance(node.items, nodes.Never):
            return replace(node, max_items=0)
        if isinstance(node, nodes.Tuple) and isinstance(node.rest, nodes.Never):
            return replace(node, rest=None)
        return node

    def _settled(self, node: nodes.Union) -> nodes.Node:
        branches = [branch for branch in node.branches if not isinstance(branch, nodes.Never)]
        if any(isinstance(branch, nodes.Anything) and not branch.after for branch in branches) and not node.exclusive:
            widest = next(b for b in branches if isinstance(b, nodes.Anything) and not b.after)
            return noted(widest, replace(node, branches=()))
        return joined(self.space, _choices_joined(branches, node.exclusive), node)

    # ---- names

    def _kept(self, root: str) -> set[str]:
        """The names that stay names: used more than once, or on a way back to themselves."""
        ways = {name: [ref.name for ref in _refs(head)] for name, head in self.heads.items()}
        uses = Counter(chain.from_iterable(ways.values()))
        kept = {name for name, count in uses.items() if count > 1 and not _small(self.heads[name])}
        edges = {name: set(led) for name, led in ways.items()}
        loops = on_loops(edges)
        order = _order(root, ways) if loops else ()
        for name in order:
            if name in loops and (name in self.space.definitions or _closes(name, edges, kept)):
                kept.add(name)
        return kept

    def _placed(self, node: nodes.Node, inside: tuple[str, ...]) -> nodes.Node:
        """The node with its references resolved: in place, or to a stable name."""
        if not isinstance(node, nodes.Ref):
            return rebuilt(node, lambda child: self._placed(child, inside))
        if node.name not in self.keep:
            placed = self._placed(self.heads[node.name], inside)
            return noted(placed, node)
        if node.name not in self.labels:
            self.labels[node.name] = self._label(node.name)
            self.named[node.name] = nodes.Never()
            self.named[node.name] = self._placed(self.heads[node.name], inside)
        return replace(node, name=self.labels[node.name])

    def _label(self, name: str) -> str:
        """A short name that says where the node came from, and that no other has."""
        places = [part for part in name.split("&") if not part.startswith(("=", "!"))] or [name]
        words = [re.sub(r"[^A-Za-z0-9_-]+", "_", _last(place)).strip("_") for place in places]
        label = "_".join(dict.fromkeys(filter(None, words)))[:48] or "part"
        taken = set(self.labels.values())
        numbered = label
        count = 2
        while numbered in taken:
            numbered = f"{label}_{count}"
            count += 1
        return numbered


_DULL = frozenset(
    ("properties", "items", "anyOf", "oneOf", "allOf", "not", "then", "else", "if", "additionalProperties")
)


def _last(place: str) -> str:
    tokens = [token for token in place.rpartition("#")[2].split("/") if token and not token.isdigit()]
    telling = [token for token in tokens if token not in _DULL]
    return telling[-1] if telling else "root" if not tokens else tokens[-1]


def _refs(node: nodes.Node) -> list[nodes.Ref]:
    if type(node) is nodes.Ref:
        return [node]
    return [ref for child in children(node) for ref in _refs(child)]


def _order(root: str, ways: Mapping[str, Sequence[str]]) -> list[str]:
    """The names as they are met from the root on."""
    order: dict[str, None] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name not in order:
            order[name] = None
            waiting.extend(reversed(ways[name]))
    return list(order)


def on_loops(edges: Mapping[str, set[str]]) -> set[str]:
    """The names that lead back to themselves."""
    found = set()
    for name in edges:
        seen: set[str] = set()
        waiting = list(edges[name])
        while waiting and name not in seen:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting.extend(edges[one])
        if name in seen:
            found.add(name)
    return found


def _closes(name: str, edges: Mapping[str, set[str]], kept: set[str]) -> bool:
    """Whether a name closes a loop that no kept name is on yet."""
    seen: set[str] = set()
    waiting = [one for one in edges[name] if one not in kept]
    while waiting:
        one = waiting.pop()
        if one == name:
            return True
        if one not in seen:
            seen.add(one)
            waiting.extend(next_ for next_ in edges[one] if next_ not in kept)
    return False


def _possible(node: nodes.Node, found: set[str]) -> bool:
    """Whether a node has a value, given the names that have one."""
    if isinstance(node, nodes.Ref):
        return node.name in found
    if isinstance(node, nodes.Never):
        return False
    if isinstance(node, nodes.Union):
        return any(_possible(branch, found) for branch in node.branches)
    if isinstance(node, nodes.Record):
        return all(_possible(field.node, found) for field in node.fields if field.required)
    if isinstance(node, nodes.Array):
        return node.min_items == 0 or _possible(node.items, found)
    if isinstance(node, nodes.Tuple):
        return all(_possible(one, found) for one in node.prefix[: node.min_items])
    return True


def _choices_joined(branches: list[nodes.Node], exclusive: bool) -> list[nodes.Node]:
    """Enumerations side by side become one enumeration; their words become one description."""
    chosen = [branch for branch in branches if isinstance(branch, nodes.Choice) and not branch.after]
    if len(chosen) < 2:
        return branches
    values: list[Any] = []
    for value in (value for branch in chosen for value in branch.values):
        if any(same(value, other) for other in values):
            if exclusive:
                return branches
            continue
        values.append(value)
    lines = [
        f"{', '.join(map(repr, branch.values))}: {branch.description or branch.title}"
        for branch in chosen
        if branch.description or branch.title
    ]
    whole = nodes.Choice(values=tuple(values), description="\n".join(lines), pointer=chosen[0].pointer)
    first = next(index for index, branch in enumerate(branches) if branch is chosen[0])
    rest = [branch for branch in branches if not any(branch is one for one in chosen)]
    return [*rest[:first], whole, *rest[first:]]
