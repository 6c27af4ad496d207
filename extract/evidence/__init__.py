"""Finds where each value of a record stands in its document.

`locate` gives for every leaf that stands in the document's text the range of characters that it was read from: as it
is written, after folding case, white space, line breaks and kinds of characters, or by what it means, such as a day or
an amount in another spelling. Words and numbers are matched whole. What stands in several places is told apart by
labels, by the other fields of its record and by the order of lists. What is not found has no evidence: a near match is
not one.

Finding takes longer than all else that is done with an answer, so a `Located` looks when it is first asked.

`folding` says what spelling is accidental, `written` what digits may mean, `places` finds all places, `choice`
chooses, `leaves` walks a value beside its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..document import Document
from ..extraction import Evidence
from ..nodes import Type
from .choice import choose
from .leaves import leaves
from .places import Source

__all__ = ["Located", "locate"]


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


class Located(Mapping[str, Evidence]):
    """Evidence by JSON pointer that is looked for when it is first asked for. It compares, shows and pickles as the
    dict that it comes to."""

    def __init__(self, find: Callable[[], Mapping[str, Evidence]]):
        self._find: Callable[[], Mapping[str, Evidence]] | None = find
        self._found: Mapping[str, Evidence] = {}

    @property
    def found(self) -> Mapping[str, Evidence]:
        find = self._find
        if find is not None:  # two threads may both look, and find the same
            self._found, self._find = find(), None
        return self._found

    def __getitem__(self, pointer: str) -> Evidence:
        return self.found[pointer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def __repr__(self) -> str:
        return repr(self.found)

    def __reduce__(self) -> tuple[type, tuple[Mapping[str, Evidence]]]:
        return dict, (dict(self.found),)
