"""Alternatives that exclude each other, made disjoint.

``oneOf`` admits a value of exactly one branch. Where two branches overlap, each is narrowed to what the other
refuses, as far as that can be said with few nodes; then the alternatives are plain ones, and the wire enforces the
exclusion by itself.
"""

from __future__ import annotations

from dataclasses import replace

from .. import nodes
from .space import Space

__all__ = ["empty", "parted"]

MOST_PIECES = 4
"""A branch that falls into more pieces than these stays whole."""
MOST_BRANCHES = 16


def empty(space: Space, node: nodes.Node, depth: int = 4) -> bool:
    """Whether a node is seen to be impossible, looking a few steps deep."""
    node = space.head(node)
    if isinstance(node, nodes.Never):
        return True
    if depth == 0:
        return False
    if isinstance(node, nodes.Union):
        return all(empty(space, branch, depth - 1) for branch in node.branches)
    if isinstance(node, nodes.Record):
        return any(field.required and empty(space, field.node, depth - 1) for field in node.fields)
    if isinstance(node, nodes.Array):
        return node.min_items > 0 and empty(space, node.items, depth - 1)
    if isinstance(node, nodes.Tuple):
        return any(empty(space, one, depth - 1) for one in node.prefix[: node.min_items])
    return False


def parted(space: Space, union: nodes.Union) -> nodes.Union:
    """The union with disjoint branches; still exclusive, and marked, where they may overlap."""
    branches = [branch for branch in union.branches if not empty(space, branch)]
    if len(branches) > MOST_BRANCHES:
        return replace(union, after=(*union.after, ("oneOf", len(union.branches))))
    exact = True
    made: list[nodes.Node] = []
    for index, branch in enumerate(branches):
        beside = [*branches[:index], *branches[index + 1 :]]
        others = [one for one in beside if not empty(space, space.both(branch, one))]
        narrowed = branch
        for other in others:
            piece = _less(space, narrowed, other)
            exact = exact and piece is not None
            narrowed = narrowed if piece is None else piece
        made.append(narrowed)
    if exact:
        return replace(union, branches=tuple(made), exclusive=False)
    mark = ("oneOf", len(union.branches))  # stays, also where but one branch is left of the others
    return replace(union, branches=tuple(made), after=union.after if mark in union.after else (*union.after, mark))


def _less(space: Space, branch: nodes.Node, other: nodes.Node) -> nodes.Node | None:
    """What of a branch the other refuses; None where that is not exact or falls into many pieces."""
    refused = space.head(space.without(other))
    if refused.after:  # it could not be said exactly
        return None
    if isinstance(refused, nodes.Union):
        pieces = [space.both(branch, one) for one in refused.branches]
    else:
        pieces = [space.both(branch, refused)]
    kept = [piece for piece in pieces if not empty(space, piece)]
    marks = set(map(repr, space.head(branch).after))
    if len(kept) > MOST_PIECES or any(set(map(repr, space.head(piece).after)) - marks for piece in kept):
        return None
    if any(_loose(space, piece) for piece in kept):
        return None
    if not kept:
        return nodes.Never()
    return kept[0] if len(kept) == 1 else space.literal(nodes.Union(branches=tuple(kept)))


def _loose(space: Space, node: nodes.Node, depth: int = 2) -> bool:
    """Whether a negation in a node could not be said."""
    head = space.head(node)
    if any(word == "not" for word, _ in head.after):
        return True
    if depth and isinstance(head, nodes.Record):
        return any(_loose(space, field.node, depth - 1) for field in head.fields)
    return bool(depth) and isinstance(head, nodes.Union) and any(_loose(space, b, depth - 1) for b in head.branches)
