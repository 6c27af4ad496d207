"""Reads what a model wrote as a value of a type: exactly, or not at all.

`read` takes a whole text, `Reader` takes it as it comes. Neither raises: what was changed is an event, what cannot
be read is a problem and is left out of the value. Nothing is invented, no item is dropped, no number rounded, and
the time is linear in the length of the text. `replay` makes the value's JSON text from the text and the events. What
is plain JSON, `quick` reads, of no type.
"""

from __future__ import annotations

from .. import nodes
from .answer import read_whole
from .cutting import read_cut
from .exact import quick
from .partial import Reader
from .reading import Cut, Policy, Reading
from .replay import replay
from .views import Live, snapshot

__all__ = ["Cut", "Live", "Policy", "Reader", "Reading", "quick", "read", "read_cut", "replay", "snapshot"]


def read(text: str, type: nodes.Type, policy: Policy = "safe", partial: bool = False) -> Reading:
    """What the text says, as a value of the type. Under `partial` the text is the beginning of an answer, and what is
    there of its value is given."""
    if not partial:
        return read_whole(text, type, policy)
    reader = Reader(type, policy)
    reader.feed(text)
    return reader.so_far()
