"""The part of a document that matters for some places of a record.

A repair that shows the whole document pays for all of it again; mostly a few lines say what is needed: those where the
failing value stands, where its neighbours in the record stand, and where words of the field stand as a label. `excerpt`
takes whole lines with some around them, in order, and says which ranges of the text they are. Where it cannot tell, it
gives nothing, and the whole document is shown.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .document import Document
from .extraction import Evidence
from .pointer import join, split

__all__ = ["Excerpt", "excerpt"]

SHORT = 1200
"""A document of fewer characters is always shown whole."""
AROUND = 2
"""So many lines are shown before and after one that matters."""
SHARE = 0.5
"""An excerpt of more than this part of the document is none."""
COMMON = 6
"""A label's word that stands in more lines than these tells nothing."""


@dataclass(frozen=True)
class Excerpt:
    """Lines of a document: their text, with gaps marked, and the half-open ranges of characters that they are."""

    text: str
    ranges: tuple[tuple[int, int], ...]


def excerpt(document: Document, evidence: Mapping[str, Evidence], words: Mapping[str, str]) -> Excerpt | None:
    """The lines that matter for the places in `words` (JSON pointers, each with the schema's words for it), given where
    the values of the record stand. None where one of them has no such line, or where they are most of the document."""
    text = document.text
    if len(text) < SHORT:
        return None
    starts = [0, *(match.end() for match in re.finditer(r"\n", text))]
    lines = [text[start:end].lower() for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    chosen: set[int] = set()
    for pointer, about in words.items():
        found = {_line(starts, one.start) for one in _near(pointer, evidence)} | _labelled(lines, pointer, about)
        if not found:
            return None
        chosen |= found
    shown = sorted({n for line in chosen for n in range(line - AROUND, line + AROUND + 1) if 0 <= n < len(lines)})
    ranges = _ranges(shown, [*starts, len(text)])
    if sum(end - start for start, end in ranges) > SHARE * len(text):
        return None
    return Excerpt("\n[...]\n".join(text[start:end].rstrip("\n") for start, end in ranges), ranges)


def _near(pointer: str, evidence: Mapping[str, Evidence]) -> Iterable[Evidence]:
    """Where the place itself stands, or what is in it; where that is not known, its neighbours."""
    own = [one for place, one in evidence.items() if place == pointer or place.startswith(pointer + "/")]
    record = join(*split(pointer)[:-1])
    return own or [one for place, one in evidence.items() if record and place.startswith(record + "/")]


def _labelled(lines: list[str], pointer: str, about: str) -> set[int]:
    """The lines with a word of the field's name, or of what the schema says of it, if these are few."""
    named = next((step for step in reversed(split(pointer)) if not step.isdigit()), "")
    found: set[int] = set()
    for word in set(re.findall(r"[^\W\d_]{3,}", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", f"{named} {about}").lower())):
        held = {index for index, line in enumerate(lines) if word in line}
        found |= held if len(held) <= COMMON else set()
    return found


def _line(starts: list[int], offset: int) -> int:
    return bisect_right(starts, offset) - 1


def _ranges(lines: list[int], edges: list[int]) -> tuple[tuple[int, int], ...]:
    """The characters of these lines, neighbours together."""
    made: list[tuple[int, int]] = []
    for line in lines:
        if made and made[-1][1] == edges[line]:
            made[-1] = (made[-1][0], edges[line + 1])
        else:
            made.append((edges[line], edges[line + 1]))
    return tuple(made)
