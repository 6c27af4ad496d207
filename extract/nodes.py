"""The kinds of type, as a small tree of frozen values.

Whatever a schema was declared with, a pydantic type or a JSON Schema of any draft, it is known inside as a `Type`: one
root node and the named nodes that references lead to. `compiler` makes nodes and rewrites them for the wire, `parse`
reads text against them, the rule reader looks for labels by them. A node says which JSON values belong to the type;
what it cannot say itself stands in `after`, as constraints that are checked once a value is there.

Nodes describe values and do nothing. A new kind of type is a class here and one row in each table that handles nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Anything",
    "Array",
    "Boolean",
    "Choice",
    "Entry",
    "Field",
    "Never",
    "Node",
    "Null",
    "Number",
    "Record",
    "Ref",
    "Text",
    "Tuple",
    "Type",
    "Union",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What all kinds share: the words that a person wrote, where the node stood in the source (a JSON pointer), and the
    constraints that are checked after reading, as (keyword, JSON value) pairs of JSON Schema."""

    title: str = ""
    description: str = ""
    pointer: str = ""
    after: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything(Node):
    """Every JSON value. `said` is False where the declaration is silent about what may stand here."""

    said: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Never(Node):
    """No value at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Null(Node):
    """null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean(Node):
    """true or false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Node):
    """A number; `integer` admits whole ones only (1.0 is whole)."""

    integer: bool = False
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    multiple_of: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Node):
    """A string. `format` is JSON Schema's name (``date``, ``uuid``, ...), `pattern` an ECMA expression that is searched
    for, lengths count code points. `content` is the node of the JSON value that the string is the text of."""

    min_length: int = 0
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None
    content: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Node):
    """One of these JSON values, of any types: an enum, or a const as a choice of one. `names` are the members' names
    where the declaration had them, in the order of `values`."""

    values: tuple[Any, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Array(Node):
    """A list of `items`; `unique` forbids doubles."""

    items: Node
    min_items: int = 0
    max_items: int | None = None
    unique: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuple(Node):
    """A list that begins with `prefix` and goes on with `rest` (None: ends there). The first `min_items` must be
    there.
    """

    prefix: tuple[Node, ...]
    rest: Node | None = None
    min_items: int = 0
    max_items: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One declared property. `aliases` are other names that a reader may accept for it; the first name is `name`.

    `default` is a 1-tuple of the JSON value that stands for an absent property, or an empty one where there is none.
    """

    name: str
    node: Node
    required: bool = True
    aliases: tuple[str, ...] = ()
    default: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The properties whose names match `pattern` (an ECMA expression that is searched for), with their values' node."""

    pattern: str
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Node):
    """An object: declared `fields` in order, `entries` by pattern, and `extras` for every other property (None: there
    may be none). A map is a record without fields."""

    fields: tuple[Field, ...] = ()
    entries: tuple[Entry, ...] = ()
    extras: Node | None = None
    min_properties: int = 0
    max_properties: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Union(Node):
    """A value of one of the `branches`; `exclusive` forbids values of two. `discriminator` names the property whose
    constant tells the branches apart, or is empty."""

    branches: tuple[Node, ...]
    exclusive: bool = False
    discriminator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref(Node):
    """The named node `name` of the `Type`."""

    name: str


@dataclass(frozen=True)
class Type:
    """A whole type: the root and the nodes that references lead to."""

    root: Node
    named: Mapping[str, Node] = field(default_factory=dict)

    def resolve(self, node: Node) -> Node:
        """The node itself, or what a chain of references leads to."""
        while isinstance(node, Ref):
            node = self.named[node.name]
        return node
