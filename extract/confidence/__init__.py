"""How sure a model is of each leaf of a record, by the log-probabilities of the tokens that it was read from.

The confidence of a leaf is the probability that the model gave, at this place, to writing exactly what it wrote there:
the product over all tokens that hold a byte of the leaf's literal. It is joint and not a mean over tokens, because a
value is wrong if any part of it is: a digit of 50 % in a number of ten tokens leaves 50 %, and a mean would leave 93 %.
What is charged to whom:

- A token cannot be split: one that holds a value and punctuation (``42}``, ``":"A``) counts whole for the value, one
  that holds parts of two values for both. So a confidence may be too low, and is never too high. A token that holds
  none of a value's bytes, such as a comma, a bracket, white space or the name of a declared field, counts for none.
- The quotes of a text belong to it: the first is where the model decided for a text and against null, the last where it
  decided that the text ends. A number ends without a byte of its own, and what ends it also begins what follows, so
  that counts for nothing.
- null has the tokens of ``null``; so has a field that the record is without because the answer has null for it. Where
  the wire has an object for null or for what is missing, and for an empty list or object, the whole literal counts.
- What says something about all of a value counts for each leaf in it: the key of an entry in a map, in either shape,
  the variant or box by which the wire tells alternatives apart, the text of an enumeration's structured member. A
  discriminator that the user's type declares is a leaf like others, and counts for itself.
- Of a value that the wire has as JSON text each leaf has its own part of the text, escapes and all; a JSON text of the
  user's that the wire has as a value has all of that value's leaves.
- That a list has no more items, an object no more entries, counts for nothing.

A confidence is given or left out, and never guessed: where tokens and text do not go together, none is given; where a
mend touched a leaf's literal, that leaf has none; and a leaf has one only where what its tokens say is what the record
has there. `spots` finds where values stand in a text, `tracing` follows them through the codec, `charging` counts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..call import TokenLogprob
from ..compiler.codec import Codec
from ..events import Event
from ..jsontext import same
from ..nodes import Type
from ..parse.exact import exact
from ..parse.replay import pieces
from ..pointer import ABSENT, get, join
from .charging import Charges
from .spots import Span, Spot, finished, spot_of
from .tracing import Leaf, Traced, trace, trace_given

__all__ = ["Said", "of_changes", "of_record"]


@dataclass(frozen=True)
class Said:
    """An answer: its text, its tokens, what was mended to read it, and whether it was cut off."""

    text: str
    tokens: Sequence[TokenLogprob]
    events: Iterable[Event] = ()
    cut: bool = False


def of_record(said: Said, form: Codec | Type, record: Any) -> dict[str, float]:
    """The confidence of each leaf of a record, by JSON pointer. `form` is the codec of the wire that the answer is
    written for, or the type, where it is in the user's shape. A leaf that stands in the answer with another value, or
    not at all, has none."""
    sure: dict[str, float] = {}
    try:
        answer = _Answer.read(said)
        if answer is not None:
            answer.agree(answer.traced(form, answer.root), record, "", sure)
    except RecursionError:  # deeper than the reader itself goes
        return {}
    return sure


def of_changes(said: Said, codec: Codec, record: Any, place_of: Callable[[Any], str | None]) -> dict[str, float]:
    """The same for an answer of changes (see `Patch`) and the record that they were made to. `place_of` says which
    place a change on the wire stands for, None where it stands for none. Paths and indexes count for nothing: changes
    come in any order, and what was not asked for is not taken. Of two changes of one place the less sure counts."""
    sure: dict[str, float] = {}
    try:
        answer = _Answer.read(said)
        if answer is None:
            return {}
        for one in answer.items("changes"):
            place, value = place_of(one.value), answer.change(codec, one)
            if place is not None and isinstance(get(record, place.rpartition("/")[0]), (dict, list)):
                found: dict[str, float] = {}
                answer.agree(value, get(record, place), place, found)
                sure |= {pointer: min(known, sure.get(pointer, 1.0)) for pointer, known in found.items()}
    except RecursionError:
        return {}
    return sure


class _Answer:
    """An answer as JSON, its tokens, and how places in the one lead to the other."""

    def __init__(self, root: Spot, text: bytes, kept: _Kept, charges: Charges):
        self.root, self._text, self._kept, self._charges = root, text, kept, charges

    @classmethod
    def read(cls, said: Said) -> _Answer | None:
        """None where nothing certain can be said."""
        try:
            written = said.text.encode()
            text, kept = _finished(written) if said.cut else _mended(said)
            root = spot_of(exact(text.decode()), text)
        except ValueError:  # no JSON, or half a character
            return None
        if root is None:
            return None
        charges = Charges(said.tokens, written, kept.place(root.span) or (0, len(written)))
        return cls(root, text, kept, charges) if charges.fit else None

    def traced(self, form: Codec | Type, spot: Spot) -> Traced:
        return trace_given(form, spot) if isinstance(form, Type) else trace(form, spot, self._text)

    def items(self, name: str) -> Sequence[Spot]:
        """The items of a list in the answer."""
        listed = self.root.members.get(name)
        return () if listed is None else listed.items

    def change(self, codec: Codec, one: Spot) -> Traced:
        """What one change gives as the value of its place."""
        listed = Spot([one.value], one.span, items=[one])
        made = self.traced(codec, Spot({"changes": [one.value]}, one.span, {"changes": listed}))
        change = made.get("changes") if isinstance(made, dict) else None
        return change[0].get("value", ABSENT) if isinstance(change, list) and isinstance(change[0], dict) else ABSENT

    def agree(self, traced: Traced, held: Any, pointer: str, sure: dict[str, float]) -> None:
        """Puts down the confidences of the leaves in what was traced that a value has as well."""
        if isinstance(traced, Leaf):
            if held is traced.value or (held is not ABSENT and traced.value is not ABSENT and same(held, traced.value)):
                self._put(traced, pointer, sure)
        elif isinstance(traced, list) and isinstance(held, list):
            for index, inner in enumerate(traced[: len(held)]):
                self.agree(inner, held[index], f"{pointer}/{index}", sure)
        elif isinstance(traced, dict) and isinstance(held, dict):
            for name, inner in traced.items():
                self.agree(inner, held.get(name, ABSENT), pointer + join(name), sure)
            if not held and all(isinstance(inner, Leaf) and inner.value is ABSENT for inner in traced.values()):
                absent = list(traced.values())
                own = tuple(place for inner in absent for place in inner.own or ())
                self._put(Leaf({}, absent[0].above, own), pointer, sure)

    def _put(self, leaf: Leaf, pointer: str, sure: dict[str, float]) -> None:
        above, own = self._kept.places(leaf.above), None if leaf.own is None else self._kept.places(leaf.own)
        if above is not None and own is not None:
            sure[pointer] = self._charges.probability(above, own)


class _Kept:
    """The parts of a JSON text that stand in the answer as they are: where each begins and ends, and how much further
    on it stands in the answer, in bytes."""

    def __init__(self, parts: list[tuple[int, int, int]]):
        self._parts = parts
        self._starts = [start for start, _, _ in parts]
        self._all = parts[0] if len(parts) == 1 and parts[0][2] == 0 else (0, -1, 0)  # the usual one

    def place(self, span: Span) -> Span | None:
        """The place in the answer, if it is in one part."""
        start, end, shift = self._parts[bisect_right(self._starts, span[0]) - 1]
        return (span[0] + shift, span[1] + shift) if start <= span[0] and span[1] <= end else None

    def places(self, spans: tuple[Span, ...]) -> tuple[Span, ...] | None:
        """All of them, or None."""
        first, last, _ = self._all
        if all(first <= start and end <= last for start, end in spans):
            return spans
        found = tuple(place for span in spans if (place := self.place(span)) is not None)
        return found if len(found) == len(spans) else None


def _finished(written: bytes) -> tuple[bytes, _Kept]:
    """The JSON text of what an answer that was cut off has whole."""
    text, end = finished(written)
    return text, _Kept([(0, end, 0)])


def _mended(said: Said) -> tuple[bytes, _Kept]:
    """The JSON text that was read."""
    out: list[bytes] = []
    parts: list[tuple[int, int, int]] = []
    at = char = stands = 0
    for piece, first in pieces(said.text, said.events):
        made = piece.encode()
        if first >= 0 and made:
            stands += len(said.text[char:first].encode())
            parts.append((at, at + len(made), stands - at))
            stands, char = stands + len(made), first + len(piece)
        out.append(made)
        at += len(made)
    return b"".join(out), _Kept(parts or [(0, 0, 0)])
