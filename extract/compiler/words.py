"""The words of a person, kept while nodes are put together.

Descriptions are never lost: where two nodes become one, both sides' words and marks stand on the result.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from .. import nodes

__all__ = ["alike", "noted"]

N = TypeVar("N", bound=nodes.Node)


def noted(node: N, source: nodes.Node) -> N:
    """The node with the words of `source` added to its own."""
    if not (source.title or source.description or source.after):
        return node
    if source.description and source.description != node.description:
        words = "\n".join(dict.fromkeys(filter(None, (source.description, node.description))))
    else:
        words = node.description
    after = node.after + tuple(one for one in source.after if one not in node.after)
    return replace(node, title=source.title or node.title, description=words, after=after)


def alike(one: nodes.Node, other: nodes.Node) -> bool:
    """Whether two nodes are the same; 1 and true are not, though they are equal in Python."""
    return one == other and repr(one) == repr(other)
