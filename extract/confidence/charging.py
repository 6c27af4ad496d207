"""What the tokens of an answer say about places in it.

Tokens and places are compared in bytes, since a token may end inside a character. A place is charged with each token
that has a byte of it, once; its probability is the product of theirs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import exp, isnan

from ..call import TokenLogprob
from .spots import Span

__all__ = ["Charges"]


class Charges:
    """The tokens of an answer, laid beside its text. `lies` is the range of the text that must be found in them as it
    is: where the tokens are not those of the whole text (white space, a fence or a last token more, or less), the one
    place where they hold it says how the two lie. If there is none, or more than one, `fit` is False."""

    def __init__(self, tokens: Sequence[TokenLogprob], text: bytes, lies: Span):
        seen = [token for token in tokens if token.bytes]
        self._logprobs = [min(token.logprob, 0.0) for token in seen]
        self._starts = [0, *accumulate(len(token.bytes) for token in seen)]
        shift = _shift(b"".join(token.bytes for token in seen), text, lies)
        self.fit = shift is not None and not any(isnan(token.logprob) for token in seen)
        self._shift = shift or 0
        self._whole: dict[tuple[Span, ...], tuple[list[Span], float]] = {(): ([], 0.0)}

    def probability(self, above: tuple[Span, ...], own: tuple[Span, ...]) -> float:
        """That of all tokens at these places. What is `above` many is added up once."""
        if above not in self._whole:
            taken = self._ranges(above)
            self._whole[above] = taken, sum(sum(self._logprobs[first:end]) for first, end in taken)
        taken, total = self._whole[above]
        for first, end in self._ranges(own):
            held = self._logprobs[first:end]
            if taken and taken[-1][1] > first:  # a token of both counts once
                held = [one for at, one in enumerate(held, first) if not any(a <= at < b for a, b in taken)]
            total += sum(held)
        return exp(total)

    def _ranges(self, places: tuple[Span, ...]) -> list[Span]:
        """The tokens of some places, as ranges that do not overlap, in order."""
        found: list[Span] = []
        for start, end in sorted(places) if len(places) > 1 else places:
            first = bisect_right(self._starts, start + self._shift) - 1
            after = bisect_left(self._starts, end + self._shift)
            if found and first < found[-1][1]:
                found[-1] = (found[-1][0], max(after, found[-1][1]))
            else:
                found.append((first, after))
        return found


def _shift(held: bytes, text: bytes, lies: Span) -> int | None:
    """How much further on the text stands in the tokens, or None where that is not plain."""
    if held == text:
        return 0
    at = _only(held, text)
    if at is None:
        at = _only(held, text[slice(*lies)])
        return None if at is None else at - lies[0]
    return at


def _only(held: bytes, part: bytes) -> int | None:
    """Where a part is held, if it is held once."""
    at = held.find(part)
    return at if at >= 0 and part and held.find(part, at + 1) < 0 else None
