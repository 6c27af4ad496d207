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
from functools import cache, lru_cache

from .regex import One, Repeat, bounded, whole, written

__all__ = [
    "NOTHING",
    "lengths",
    "literal",
    "may_overlap",
    "python_pattern",
    "readable",
    "searcher",
    "unfit",
    "wire_lengths",
    "wire_pattern",
]

ANY = r"[\s\S]"
NOTHING = r"^[^\s\S]$"
"""The expression of no text at all."""


@lru_cache(maxsize=4096)
def searcher(pattern: str) -> Callable[[str], bool]:
    """A function that searches a text for the expression; one that cannot be read here admits every text."""
    compiled = _compiled(pattern)
    return (lambda text: True) if compiled is None else (lambda text: compiled.search(text) is not None)


def readable(pattern: str) -> bool:
    """Whether the expression can be checked here."""
    return _compiled(pattern) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(python_pattern(pattern))
    except (re.error, RecursionError, OverflowError):
        return None


def python_pattern(pattern: str) -> str:
    """The expression in Python's dialect: ECMA's ``$``, ``\\d``, ``\\w``, ``\\p{...}``, named groups and escapes."""
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
        ranges = _property(braced[0].replace("P", "p", 1), char == "P")
        return (ranges if inside else f"[{ranges}]"), index + braced.end(), inside
    if char.isalpha() and char not in "dDwWsSbBnrtfvxuk0":
        return char, index + 2, inside
    return pattern[index : index + 2], index + 2, inside


@lru_cache(maxsize=256)
def _property(escape: str, refused: bool) -> str:
    """The characters that have a Unicode property, or that have it not, as the inside of a class. An unknown property
    is left as it is: the expression is then none that can be read here."""
    import regex

    try:
        found = [match.span() for match in regex.finditer(f"{escape}+", _every_character())]
    except regex.error:
        return escape
    if refused:
        edges = [0, *(edge for span in found for edge in span), 0x110000]
        found = [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2) if edges[i] < edges[i + 1]]
    return "".join(f"\\U{first:08x}-\\U{last - 1:08x}" for first, last in found)


@cache
def _every_character() -> str:
    return "".join(map(chr, range(0x110000)))


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


def may_overlap(one: str, other: str) -> bool:
    """Whether a text may fit both expressions: not where each begins with a text of its own."""
    first, second = (re.match(r"\^((?:[\w-]|\\[.\-/])+)(?![*?+{|])", pattern) for pattern in (one, other))
    if first is None or second is None or "|" in one + other:
        return True
    return first[1].startswith(second[1]) or second[1].startswith(first[1])


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
