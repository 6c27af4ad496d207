"""The words of a person, kept while nodes are put together.

Descriptions are never lost: where two nodes become one, both sides' words and marks stand on the result. What is left
to a check afterwards gets words as well: a row of the account, and a sentence that tells the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from .. import nodes
from .codec import to_text

__all__ = ["alike", "later", "noted", "outline"]

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


def later(word: str, value: Any) -> tuple[str, str]:
    """What is said of a constraint that is checked afterwards: in the account, and to the model (may be nothing)."""
    what, told = _LATER.get(word, ("{word} {value}", ""))
    listed = " or ".join(map(str, value)) if isinstance(value, list) else value
    text = listed if isinstance(listed, str) else to_text(listed)
    short = text if len(text) <= 60 else text[:57] + "..."
    return what.format(word=word, value=short), told.format(value=text) if len(text) <= MOST_TOLD else ""


MOST_TOLD = 300
"""Constraints of more characters than these are not told: every request would pay for them."""

_PLAIN = "{word} {value}"
_LATER: dict[str, tuple[str, str]] = {
    "uniqueItems": (_PLAIN, "No item twice."),
    "oneOf": ("that only one of {value} alternatives fits is not enforced on the wire", ""),
    "contains": (_PLAIN, "Some item must fit the JSON Schema {value}"),
    "minContains": (_PLAIN, "At least {value} such items."),
    "maxContains": (_PLAIN, "At most {value} such items."),
    "propertyNames": (_PLAIN, "Each name must fit the JSON Schema {value}"),
    "pattern": (_PLAIN, "Must also match the pattern {value}"),
    "format": (_PLAIN, "Format: {value}."),
    "multipleOf": (_PLAIN, "A multiple of {value}."),
    "multiple_of": ("a multiple of {value}", "A multiple of {value}."),
    "ge": ("at least {value}", "At least {value}."),
    "gt": ("more than {value}", "More than {value}."),
    "le": ("at most {value}", "At most {value}."),
    "lt": ("less than {value}", "Less than {value}."),
    "calendar": ("that there is such a day is checked once a value is there", ""),
    "encoded": ("that it is {value} is checked once a value is there", "Written as {value}."),
    "stripped": ("white space at the ends does not count for the length", ""),
    "in bytes": ("the length is counted in bytes", ""),
    "unicode": ("letters of all scripts are admitted; the pattern {value}", "Must match the pattern {value}"),
    "keys": ("keys {value}", "Keys are {value}."),
    "now_op": ("in the {value}", "In the {value}."),
    "max_digits": ("at most {value} digits", "At most {value} digits."),
    "decimal_places": ("at most {value} decimal places", "At most {value} decimal places."),
    "allowed_schemes": ("a URL that begins with {value}", "A URL that begins with {value}."),
}
"""For each constraint its words in the account and to the model."""


MOST_OUTLINED = 600
"""An outline has no more characters than these; what is deeper is left out first."""


def outline(type_: nodes.Type, node: nodes.Node) -> str:
    """What the JSON of a node looks like, in one line for a model that cannot be held to it, with the words of a
    person."""
    best = ""
    for depth in range(1, 13):
        text = _outlined(type_, node, depth)
        if len(text) > MOST_OUTLINED:
            return best or text[: MOST_OUTLINED - 3] + "..."
        if text == best:
            break
        best = text
    return best


def _outlined(type_: nodes.Type, node: nodes.Node, depth: int) -> str:
    body = type_.resolve(node)
    rule = _OUTLINES.get(type(body))
    if rule is None or depth == 0:
        return "..." if rule is not None else _SCALARS.get(type(body), "any JSON")
    return rule(body, lambda inner: _told(type_, inner, depth - 1))


def _told(type_: nodes.Type, node: nodes.Node, depth: int) -> str:
    words = node.description or type_.resolve(node).description
    return _outlined(type_, node, depth) + (f" ({words})" if words else "")


def _of_record(node: nodes.Record, inner: Callable[[nodes.Node], str]) -> str:
    named = [f'"{one.name}": {inner(one.node)}{"" if one.required else " or missing"}' for one in node.fields]
    others = [entry.node for entry in node.entries] + ([node.extras] if node.extras is not None else [])
    keyed = [f"any name: {inner(one)}" for one in others if not node.fields]
    return "{" + ", ".join(named + keyed) + "}"


def _of_tuple(node: nodes.Tuple, inner: Callable[[nodes.Node], str]) -> str:
    rest = [inner(node.rest) + ", ..."] if node.rest is not None else []
    return "[" + ", ".join([*map(inner, node.prefix), *rest]) + "]"


_OUTLINES: dict[type, Callable[[Any, Callable[[nodes.Node], str]], str]] = {
    nodes.Record: _of_record,
    nodes.Array: lambda node, inner: f"[{inner(node.items)}, ...]",
    nodes.Tuple: _of_tuple,
    nodes.Union: lambda node, inner: " or ".join(map(inner, node.branches)),
    nodes.Choice: lambda node, inner: " or ".join(map(to_text, node.values)),
    nodes.Number: lambda node, inner: "integer" if node.integer else "number",
    nodes.Text: lambda node, inner: node.format or "text",
}
_SCALARS: dict[type, str] = {nodes.Null: "null", nodes.Boolean: "true or false", nodes.Never: "nothing"}
