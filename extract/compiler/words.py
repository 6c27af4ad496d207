"""The words of a person, kept while nodes are put together.

Descriptions are never lost: where two nodes become one, both sides' words and marks stand on the result. What is left
to a check afterwards gets words as well: a row of the account, and a sentence that tells the model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from .. import nodes
from .codec import to_text

__all__ = ["alike", "later", "noted"]

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
