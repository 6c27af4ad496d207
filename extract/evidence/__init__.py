"""Finds where each value of a record stands in its document.

`locate` gives for every leaf that stands in the document's text the range of characters that it was read from: as it
is written, after folding case, white space, line breaks and kinds of characters, or by what it means, such as a day or
an amount in another spelling. Words and numbers are matched whole. What stands in several places is told apart by
labels, by the other fields of its record and by the order of lists. What is not found has no evidence: a near match is
not one.

`folding` says what spelling is accidental, `written` what digits may mean, `places` finds all places, `choice`
chooses, `leaves` walks a value beside its type.
"""

from __future__ import annotations

from typing import Any

from ..document import Document
from ..extraction import Evidence
from ..nodes import Type
from .choice import choose
from .leaves import leaves
from .places import Source

__all__ = ["locate"]


def locate(value: Any, type: Type, document: Document) -> dict[str, Evidence]:
    """The evidence of a JSON value in the user's shape, by JSON pointer, in the value's own order.

    Null, booleans and constants have none. `document.text[e.start:e.end] == e.text` holds for each. The cost grows with
    the length of the text plus the number of leaves, not with their product.
    """
    if not document.text:
        return {}
    source = Source(document.text)
    found = [(leaf, source.find(leaf.value, leaf.node)) for leaf in leaves(value, type)]
    return {
        pointer: Evidence(
            place.start, place.end, document.text[place.start : place.end], document.page_at(place.start), place.match
        )
        for pointer, place in choose(found, source).items()
    }
