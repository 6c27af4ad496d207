"""Applies the events of a reading to the text that was read.

Each event replaces its range of the text: those about punctuation by other text, those about values by the JSON
text of their `after`. Where one range lies in another, the outer event has the last word, and of two on the same
range the later. What comes out is the JSON text of the value that was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..events import Event
from ..jsontext import dump

__all__ = ["PUNCTUATION", "pieces", "replay"]

PUNCTUATION = frozenset(
    "read." + name
    for name in (
        "comment", "early-bracket", "elision", "extra-bracket", "extra-colon", "extra-comma", "missing-bracket",
        "missing-colon", "missing-comma", "parenthesis", "prose", "several", "stray-word", "trailing-comma", "unclosed",
        "wrong-bracket",
    )
)  # fmt: skip
"""The rules whose `before` and `after` are pieces of text; those of all other rules are JSON values."""


def replay(text: str, events: Iterable[Event]) -> str:
    """The JSON text that the events make of a text."""
    return "".join(piece for piece, _ in pieces(text, events))


def pieces(text: str, events: Iterable[Event]) -> Iterator[tuple[str, int]]:
    """The same in pieces, each with the character of the text where it stands as it is, or -1 if an event made it."""
    placed = [(event.span, event) for event in events if event.span is not None]
    placed.sort(key=lambda one: (one[0][0], one[0][1] > one[0][0], -one[0][1]))
    at = 0
    for i, ((start, end), event) in enumerate(placed):
        if start < at or _spoken_over(placed, i):
            continue
        yield text[at:start], at
        yield _after(event), -1
        at = end
    yield text[at:], at


def _spoken_over(placed: list[tuple[tuple[int, int], Event]], i: int) -> bool:
    """Whether the next event has the same range and so the last word; insertions at one place all stand."""
    start, end = placed[i][0]
    return start < end and i + 1 < len(placed) and placed[i + 1][0] == (start, end)


def _after(event: Event) -> str:
    if event.rule in PUNCTUATION:
        return str(event.after)
    return "" if event.rule == "read.undeclared" else dump(event.after)
