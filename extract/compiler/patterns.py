"""Regular expressions of JSON Schema: matched here, and written so that a server can enforce them.

JSON Schema's expressions are ECMA's and are searched for. The wire takes a smaller language, and it is not known
whether a server searches or matches whole; so an expression goes out anchored at both ends, which is safe either way.
What the wire cannot carry (lookaround, backreferences, word borders) is refused here and left to the check
afterwards.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import lru_cache

from .regex import One, Repeat, bounded, whole, written

__all__ = ["NOTHING", "lengths", "literal", "searcher", "unfit", "wire_lengths", "wire_pattern"]

ANY = r"[\s\S]"
NOTHING = r"^[^\s\S]$"
"""The expression of no text at all."""


@lru_cache(maxsize=4096)
def searcher(pattern: str) -> Callable[[str], bool]:
    """A function that searches a text for the expression; one that cannot be read here admits every text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = re.compile(python_pattern(pattern))
    except (re.error, RecursionError, OverflowError):
        return lambda text: True
    return lambda text: compiled.search(text) is not None


def python_pattern(pattern: str) -> str:
    """The expression in Python's dialect: ECMA's ``$``, ``\\d``, ``\\w``, named groups and escapes."""
    out: list[str] = []
    index, inside = 0, False
    while index < len(pattern):
        piece, index, inside = _piece(pattern, index, inside)
        out.append(piece)
    return "".join(out)


def _piece(pattern: str, index: int, inside: bool) -> tuple[str, int, bool]:
    char = pattern[index]
    if char == "\\" and index + 1 < len(pattern):
        return _escape(pattern, index, inside)
    if inside:
        return ("\\[" if char == "[" else char), index + 1, char != "]"
    if char == "$":
        return r"\Z", index + 1, False
    if pattern.startswith("[^]", index):
        return ANY, index + 3, False
    if pattern.startswith("[]", index):
        return r"[^\s\S]", index + 2, False
    if char == "[":
        negated = pattern.startswith("[^", index)
        return ("[^" if negated else "["), index + (2 if negated else 1), True
    if pattern.startswith("(?<", index) and pattern[index + 3 : index + 4] not in ("=", "!"):
        return "(?P<", index + 3, False
    return char, index + 1, inside


_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_"}


def _escape(pattern: str, index: int, inside: bool) -> tuple[str, int, bool]:
    char = pattern[index + 1]
    if char in _CLASSES:
        return (_CLASSES[char] if inside else f"[{_CLASSES[char]}]"), index + 2, inside
    if char in "DW" and not inside:
        return f"[^{_CLASSES[char.lower()]}]", index + 2, inside
    braced = re.match(r"\\[pP]\{[^}]*\}|\\u\{([0-9A-Fa-f]+)\}|\\c([A-Za-z])|\\u([0-9A-Fa-f]{4})", pattern[index:])
    if braced:
        if braced[1] or braced[3]:
            return re.escape(chr(int(braced[1] or braced[3], 16))), index + braced.end(), inside
        if braced[2]:
            return f"\\x{ord(braced[2].upper()) - 64:02x}", index + braced.end(), inside
        return (r"\w" if pattern[index + 1] == "p" else r"\W"), index + braced.end(), inside
    if char.isalpha() and char not in "dDwWsSbBnrtfvxuk0":
        return char, index + 2, inside
    return pattern[index : index + 2], index + 2, inside


def lengths(least: int, most: int | None) -> str:
    """The expression of all texts of so many code points."""
    if most is None:
        return f"^{ANY}*$" if least == 0 else f"^{ANY}+$" if least == 1 else f"^{ANY}{{{least},}}$"
    return f"^{ANY}{{{least},{most}}}$"


def wire_lengths(least: int, most: int | None) -> str:
    """The same as it goes on the wire."""
    return written(Repeat(One(ANY), least, most))


def literal(text: str) -> str:
    """The expression of this text alone."""
    return re.sub(r"([\\^$.|?*+()\[\]{}/-])", r"\\\1", text).replace("\n", r"\n").replace("\r", r"\r")


def wire_pattern(pattern: str, least: int = 0, most: int | None = None) -> tuple[str | None, bool]:
    """The expression as it may go on the wire, anchored at both ends, for texts of some lengths; and whether it says
    all of that. None where the wire cannot carry it, or where no text is possible (then it is exact)."""
    tree = whole(pattern)
    if tree is None:
        return None, False
    tree, exact = bounded(tree, least, most)
    return (None if tree is None else written(tree)), exact


def unfit(pattern: str) -> str:
    """Why the strict mode would refuse an expression, or nothing."""
    bare = re.sub(r"\[(?:\\.|[^\]\\])*\]", "_", re.sub(r"\\[\\\[\]]", "_", pattern))
    if re.search(r"(?<!\\)\(\?<?[=!]", bare):
        return "lookaround"
    if re.search(r"\\[1-9k]", bare):
        return "a backreference"
    if re.search(r"\\[bB]", bare):
        return "a word border"
    if re.search(r"(?<!\\)\(\?(?!:|<[A-Za-z]|P[<=])", bare):
        return "a kind of group"
    try:
        re.compile(python_pattern(pattern))
    except (re.error, RecursionError, OverflowError):
        return "it is no regular expression"
    return ""
