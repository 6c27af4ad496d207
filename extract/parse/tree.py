"""What a text says before anyone asks what it should say: a tree of values with their places, and the edits that made
JSON of it.

An edit replaces a range of the text by other text; applied together, the edits turn the text into well-formed JSON. An
edit that `risks` something has another reading that is not absurd: the safe policy refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Edit", "Form", "Leaf", "List", "Member", "Object", "Tree", "places_of", "plain"]

Form = Literal["string", "number", "literal", "bare"]


@dataclass(slots=True)
class Edit:
    """`text[start:end]` becomes `after`, by the rule: punctuation (`replay.PUNCTUATION`) as text, all else as a JSON
    value. `risks` says in a clause what else it could have meant. `owner` is where the bracket opens that this edit
    closes, or -1."""

    rule: str
    start: int
    end: int
    after: Any
    risks: str = ""
    owner: int = -1


@dataclass(slots=True)
class Leaf:
    """A scalar. `bare` is text without quotes that is neither number nor literal: what it is, its type decides."""

    start: int
    end: int
    value: Any
    form: Form


@dataclass(slots=True)
class List:
    start: int
    end: int
    items: list[Tree] = field(default_factory=list)


@dataclass(slots=True)
class Member:
    """One name of an object with its place, and its value."""

    name: str
    start: int
    end: int
    value: Tree


@dataclass(slots=True)
class Object:
    start: int
    end: int
    members: list[Member] = field(default_factory=list)


Tree = Leaf | List | Object


def plain(tree: Tree) -> Any:
    """The JSON value of a tree as it is written; bare text is a string."""
    if isinstance(tree, Leaf):
        return tree.value
    if isinstance(tree, List):
        return [plain(item) for item in tree.items]
    return {member.name: plain(member.value) for member in tree.members}


def places_of(tree: Tree, pointer: str = "") -> Iterator[tuple[int, int, str]]:
    """The range of every value of a tree, with its pointer; a name belongs to its value."""
    yield tree.start, tree.end, pointer
    if isinstance(tree, List):
        for i, item in enumerate(tree.items):
            yield from places_of(item, f"{pointer}/{i}")
    elif isinstance(tree, Object):
        for member in tree.members:
            inner = f"{pointer}/{member.name.replace('~', '~0').replace('/', '~1')}"
            yield member.start, member.end, inner
            yield from places_of(member.value, inner)
