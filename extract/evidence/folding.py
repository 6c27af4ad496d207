"""Text without the accidents of its spelling, with a way back to the original.

Case, compatibility forms (full width, ligatures), kinds of quotes, dashes and digits, runs of white space, line breaks and
hyphenation say nothing about what a text means. `Folded` removes them and still leads every place back to the exact
range of the original that it came from. `fold` and `join` do the same to a short text that needs no way back.

There are two depths. ``spaces`` folds characters and white space. ``joins`` also takes away what appears or vanishes when lines
are put together: a hyphen between letters, commas and full stops before white space, white space between a letter and a digit.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from functools import cache
from typing import Literal

__all__ = ["Depth", "Folded", "evened", "fold", "word_character"]

Depth = Literal["spaces", "joins"]

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
_SPACES = rf"(?<=[{UNSPACED}])[ \n]+(?=[{UNSPACED}])|[ \n]{{2,}}|\n"
_JOINS = (
    rf"(?<={_LETTER})-(?:[ ]*\n[ \n]*)?(?={_LETTER})"  # a hyphen between letters, at the end of a line or not
    r"|(?<=\w)-[ ]*\n[ \n]*(?=\w)"  # a number broken after its hyphen: the hyphen stays
    rf"|(?<={_LETTER})(?:\.[ \n]*|[ \n]+)(?=\d)"  # `No. 3`, `No.3`, `No 3`
    rf"|(?<=\d)[ \n]+(?={_LETTER})"  # `20 kg`, `20kg`
    r"|[.,;|]{0,8}(?:[ \n]+[.,;|]{0,8})+"
    r"|,(?!\d)|(?<!\d),|[;|]"
)


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

    __slots__ = ("_ends", "_pieces", "_starts", "_whole", "text")

    def __init__(self, text: str, depth: Depth, even: str | None = None):
        even = evened(text) if even is None else even
        rules = [_SPACES if depth == "spaces" else _JOINS]
        odd = "".join(one for one in set(even) if not one.isascii() and len(_folded_character(one)) != 1)
        if not text.isascii():
            rules[:0] = [rf"[^ \n][{_MARKS}]+", rf"[{_INVISIBLE}]", *([f"[{re.escape(odd)}]"] if odd else [])]
        pieces, starts, ends, whole = [], [], [], []
        at = length = 0
        for found in re.finditer("|".join(rules), even):
            put = _replaced(found.group(), even, found.start(), depth)
            for piece, start, end, is_whole in (
                (even[at : found.start()], at, found.start(), False),
                (put, *found.span(), True),
            ):
                if piece:
                    pieces.append(piece)
                    starts.append(length)
                    ends.append((start, end))
                    whole.append(is_whole)
                    length += len(piece)
            at = found.end()
        if at < len(even):
            pieces.append(even[at:])
            starts.append(length)
            ends.append((at, len(even)))
            whole.append(False)
        self.text = "".join(pieces)
        self._pieces, self._starts, self._ends, self._whole = pieces, starts, ends, whole

    def original(self, start: int, end: int) -> tuple[int, int] | None:
        """The range of the original that ``text[start:end]`` came from, or None if it cuts through a folded character."""
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, end - 1) - 1
        if self._whole[first]:
            if start != self._starts[first]:
                return None
            begin = self._ends[first][0]
        else:
            begin = self._ends[first][0] + start - self._starts[first]
        if self._whole[last]:
            if end != self._starts[last] + len(self._pieces[last]):
                return None
            return begin, self._ends[last][1]
        return begin, self._ends[last][0] + end - self._starts[last]


def _replaced(found: str, text: str, at: int, depth: Depth) -> str:
    """What stands for a place that one of the rules found."""
    first = found[0]
    if first in " \n":
        if depth == "joins" and found.strip(" \n") == "" and _meets_digit(text, at, len(found)):
            return ""
        return "" if _unspaced(text, at, len(found)) else " "
    if first == "-":
        return "-" if text[at - 1].isdigit() or text[at + len(found)].isdigit() else ""
    if first == "." and depth == "joins":
        return "" if _meets_digit(text, at, len(found)) else " "
    if first in ",;|":
        return " "
    return _fold_odd(found)


def _fold_odd(found: str) -> str:
    if re.fullmatch(f"[{_INVISIBLE}]", found):
        return ""
    return "".join(_folded_character(one) for one in unicodedata.normalize("NFKC", found))


def _meets_digit(text: str, at: int, length: int) -> bool:
    """Whether a letter stands on one side of this gap and a digit on the other."""
    after = at + length
    if at == 0 or after >= len(text):
        return False
    left, right = text[at - 1], text[after]
    return (left.isalpha() and right.isdecimal()) or (left.isdecimal() and right.isalpha() and text[at] != ".")


def _unspaced(text: str, at: int, length: int) -> bool:
    after = at + length
    return at > 0 and after < len(text) and bool(re.fullmatch(f"[{UNSPACED}]{{2}}", text[at - 1] + text[after]))


def fold(text: str, depth: Depth = "spaces") -> str:
    """A short text folded, without leading and trailing white space (and, for ``joins``, punctuation)."""
    folded = Folded(text, depth).text
    return folded.strip(" .,;|" if depth == "joins" else " ")


def word_character(character: str) -> bool:
    """Whether a character belongs to a word or a number: letters, digits, underscores and combining marks."""
    if character.isalnum() or character == "_":
        return True
    return not character.isascii() and unicodedata.category(character)[0] == "M"
