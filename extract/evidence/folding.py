"""Text without the accidents of its spelling, with a way back to the original.

Case, compatibility forms (full width, ligatures), kinds of quotes, dashes and digits, runs of white space, line breaks
and hyphenation say nothing about what a text means. `Folded` removes them and still leads every place back to the
exact range of the original that it came from. `fold` does the same to a short text that needs no way back.

There are two depths. ``spaces`` folds characters and white space. ``joins`` also takes away what appears or vanishes
when lines are put together: a hyphen between letters, commas and full stops beside white space, and any gap between a
letter and a digit. ``codes`` takes away the marks and spaces inside long numbers.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from functools import cache
from typing import Literal

__all__ = ["Depth", "Folded", "evened", "fold", "word_character"]

Depth = Literal["spaces", "joins", "codes"]

_QUOTES = dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4`\uff07", "'") | dict.fromkeys(
    "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02", '"'
)
_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-")
_BREAKS = dict.fromkeys("\n\r\v\f\u0085\u2028\u2029", "\n")
_SIGNS = _QUOTES | _DASHES | _BREAKS | {"\u2044": "/"}

UNSPACED = "\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003fffd"  # Han and kana: no spaces between words
_INVISIBLE = "\u00ad\u200b-\u200d\u2060\ufeff"
_MARKS = "\u0300-\u036f\u3099\u309a"
_LETTER = r"[^\W\d_]"
_GAP = rf"(?<=[{UNSPACED}])[ \n]+(?=[{UNSPACED}])"
_RULES: dict[Depth, str] = {
    "spaces": rf"[ \n]{{2,}}|{_GAP}",
    "joins": (
        rf"(?<={_LETTER})-(?:[ ]*\n[ \n]*)?(?={_LETTER})"  # a hyphen between letters, at the end of a line or not
        r"|(?<=\w)-[ ]*\n[ \n]*(?=\w)"  # a number broken after its hyphen: the hyphen stays
        rf"|(?<={_LETTER})(?:\.|[ \n])(?=\d)|(?<=\d)[ \n](?={_LETTER})"  # `No.3` as `No 3`, `20 kg` as `20kg`
        r"|[.,;|]{1,8}(?:[ \n]+[.,;|]{0,8})+|[ \n](?:[ \n]|[.,;|])(?:[ \n]|[.,;|]){0,80}"
        rf"|,(?!\d)|(?<!\d),|[;|]|{_GAP}"
    ),
    "codes": r"[ ./()-]+",
}


@cache
def _folded_character(character: str) -> str:
    """One character folded; the result may be empty or longer than one."""
    if character in _SIGNS:
        return _SIGNS[character]
    if character.isspace():
        return " "
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    plain = unicodedata.normalize("NFKC", character).casefold()
    return "".join(_SIGNS.get(one, one) for one in plain)


def evened(text: str) -> str:
    """The text with each character folded where that leaves one character: it has the length of the original, so every
    offset is the original's. Line breaks are ``\\n``, other white space is a space, digits are ASCII."""
    if text.isascii():
        return text.lower().replace("\r", "\n").replace("\t", " ").replace("\f", "\n").replace("\v", "\n")
    table = {ord(one): folded for one in set(text) if len(folded := _folded_character(one)) == 1}
    return text.translate({ord(one): one for one in set(text)} | table)


class Folded:
    """A text folded to a depth. `text` is the folded text; `original` leads a range of it back."""

    __slots__ = ("_ends", "_lengths", "_spans", "_starts", "text")

    def __init__(self, text: str, depth: Depth, even: str | None = None):
        even = evened(text) if even is None else even
        spans = [found.span() for found in _pattern(even, depth).finditer(even)]
        puts = [_replaced(even, start, end, depth) for start, end in spans]
        pieces: list[str] = []
        starts: list[int] = []
        at = length = 0
        for (start, end), put in zip(spans, puts, strict=True):
            length += start - at
            starts.append(length)
            pieces += (even[at:start], put)
            length += len(put)
            at = end
        pieces.append(even[at:])
        self.text = "".join(pieces).replace("\n", " ")
        self._spans, self._starts, self._lengths = spans, starts, [len(put) for put in puts]

    def original(self, start: int, end: int) -> tuple[int, int] | None:
        """The range of the original that ``text[start:end]`` came from, or None if it cuts a folded character."""
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, end - 1) - 1
        begin, finish = start, end
        if first >= 0:
            beyond = start - self._starts[first] - self._lengths[first]
            if beyond < 0 and start != self._starts[first]:
                return None
            begin = self._spans[first][0] if beyond < 0 else self._spans[first][1] + beyond
        if last >= 0:
            beyond = end - self._starts[last] - self._lengths[last]
            if beyond < 0:
                return None
            finish = self._spans[last][1] + beyond
        return begin, finish


def _pattern(even: str, depth: Depth) -> re.Pattern[str]:
    """What is replaced in this text: the rules of the depth, and the characters that do not fold to just one."""
    if even.isascii():
        return re.compile(_RULES[depth])
    odd = "".join(sorted(one for one in set(even) if not one.isascii() and len(_folded_character(one)) != 1))
    alone = [f"[{re.escape(odd)}]"] if odd else []
    return re.compile("|".join((rf"[^ \n][{_MARKS}]+", rf"[{_INVISIBLE}]", *alone, _RULES[depth])))


def _replaced(text: str, start: int, end: int, depth: Depth) -> str:
    """What stands for a place that one of the rules found."""
    first = text[start]
    left, right = text[start - 1 : start] or " ", text[end : end + 1] or " "
    if first in " \n" and depth == "spaces" and right < UNSPACED[0]:
        return " "
    if depth == "codes" and first in " ./()-":
        return ""
    if first == "-" and depth == "joins":
        return "-" if left.isdigit() or right.isdigit() else ""
    if first in " \n" or (depth == "joins" and first in ".,;|"):
        return "" if _both_unspaced(left, right) or (depth == "joins" and _mixed(left, right)) else " "
    return _fold_odd(text[start:end])


def _fold_odd(found: str) -> str:
    if re.fullmatch(f"[{_INVISIBLE}]", found):
        return ""
    return "".join(_folded_character(one) for one in unicodedata.normalize("NFKC", found))


def _mixed(left: str, right: str) -> bool:
    """Whether a letter stands on one side and a digit on the other."""
    return (left.isalpha() and right.isdecimal()) or (left.isdecimal() and right.isalpha())


_UNSPACED = re.compile(f"[{UNSPACED}]")


def _both_unspaced(left: str, right: str) -> bool:
    return bool(right >= UNSPACED[0] and _UNSPACED.match(left) and _UNSPACED.match(right))


def fold(text: str, depth: Depth = "spaces") -> str:
    """A short text folded, without leading and trailing white space (and, for ``joins``, punctuation)."""
    folded = Folded(text, depth).text
    return folded.strip(" .,;|" if depth == "joins" else " ")


def word_character(character: str) -> bool:
    """Whether a character belongs to a word or a number: letters, digits, underscores and combining marks."""
    if character.isalnum() or character == "_":
        return True
    return not character.isascii() and unicodedata.category(character)[0] == "M"
