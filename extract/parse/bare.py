"""Text without quotes, as models write it, and what speaks against reading it as one text.

A bare text is read as what stands there. Where it begins or goes on like another value of JSON, where marks inside
may be JSON's own, or where a quote at its end says that one was forgotten and not where, it is a fault.
"""

from __future__ import annotations

import re

from .cursor import Cursor
from .scalars import looks_numeric
from .strings import half, unescape
from .tree import Leaf

__all__ = ["bare_text"]

_LITERALS = ("true", "false", "null")
_TANGLED = re.compile(
    r"(?:true|false|null|True|False|None)\s*:|-?\d[\d.eE+-]*\s*:(?:\s|[{\[\"']|true|false|null)"
    r"|(?:-?\d[\d.eE+-]*|true|false|null|True|False|None)\s*(?:[,}\]\[{\"'`\n;=]|//|/\*|#)|.*?(?:[}\]]\s*,|\s//|/\*)",
    re.DOTALL,
)
_RUN_TOGETHER = re.compile(
    r"(?:-?\d[\d.eE+-]*)?(?:true|false|null|True|False|None)(?:-?\d[\d.eE+-]*|true|false|null|True|False|None)*+"
)
_NAME_INSIDE = re.compile(r"[\"']\s*:")
_WORD_MARKS = re.compile(r"[\"'`\\:;]")
_SPACED = re.compile(r'":( *)[^ ]')


def bare_text(cursor: Cursor, start: int, stop: int, inside: str) -> Leaf:
    """The text that stands without quotes in this range, or with the last one only."""
    stray = inside[-1] in "\"'" and inside.count(inside[-1]) == 1
    written = inside[:-1] if stray else inside
    quotes = [start + i for i, char in enumerate(written) if char == '"']
    if _NAME_INSIDE.search(written):
        cursor.fault(start, stop, "A name may stand inside this text", halt=False)
    if (
        not cursor.paired(start, quotes)
        or len(quotes) % 2
        or _tangled(written, stray)
        or _hurt(written)
        or "&quot;" in written
        or (stray and (_indented(cursor.text, start) or cursor.open[-1:] == ["("]))
        or inside[0] in ";=:>|&\\"
        or ("\\" in inside and not stray)
    ):
        cursor.fault(start, stop, "Other values may stand inside this text", halt=False)
    if stray:
        written = unescape(written)
    in_list = bool(cursor.open) and cursor.open[-1] != "{"
    if (
        stray
        and in_list
        and cursor.text.rfind(",", max(0, start - 50), start) >= 0
        and not _quoted_before(cursor.text, start)
    ):
        cursor.fault(start, stop, "A quote is missing before this, but not necessarily here")
    alone = stray and cursor.text[start - 1 : start] == " " and _usual(cursor.text, start) is None
    risks = "the space before it may belong to the text" if alone else ""
    risks = "the text could end earlier" if any(char in written for char in ',"\n{}[]:') else risks
    cursor.edit("read.missing-quote" if stray else "read.bare-text", start, stop, written, risks)
    return Leaf(start, stop, written, half(written) if stray else "bare")


def _indented(text: str, start: int) -> bool:
    """Whether the space before a text that lacks its first quote is more, or less, than this writer puts behind colons,
    so that it may belong to the text."""
    begin = len(text[max(0, start - 40) : start].rstrip(" "))
    before = text[max(0, start - 40) : start]
    if before[begin - 1 : begin] in ("[", "("):
        return len(before) > begin
    usual = _usual(text, start)
    return before[begin - 1 : begin] in (":", ",") and len(before) - begin > (1 if usual is None else usual)


def _usual(text: str, start: int) -> int | None:
    """How many spaces stand behind another colon than the one before `start`, if there is one near the beginning."""
    found = next((one for one in _SPACED.finditer(text, 0, 2000) if one.end() - 1 != start), None)
    return None if found is None else len(found[1])


def _hurt(text: str) -> bool:
    """Whether a bare text is a number or a literal but for a quote or a backslash in it."""
    healed = _WORD_MARKS.sub("", text)
    return healed != text and (healed in _LITERALS or looks_numeric(healed))


def _tangled(text: str, stray: bool) -> bool:
    """Whether a bare text begins or goes on like other values of JSON."""
    if _RUN_TOGETHER.fullmatch(text):
        return True
    return _TANGLED.match(text) is not None and (stray or not looks_numeric(text))


def _quoted_before(text: str, start: int) -> bool:
    """Whether the item before the comma that stands before `start` ends in a quote or bracket."""
    before = text[max(0, start - 200) : start].rstrip().rstrip(",").rstrip()
    return before[-1:] in "\"'”]})"
