"""A place in a text and what can be seen from there.

The tolerant reader decides by looking ahead: a quote ends a string if what follows could follow a string *here*, inside
these brackets. Every look is bounded, or remembered, so that all looks together stay linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from .tree import Edit

__all__ = ["CLOSER", "FAULTS", "QUOTES", "Cursor"]

CLOSER = {"{": "}", "[": "]", "(": ")"}
QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "‘": "’", "`": "`", "«": "»"}

_MAY_SKIP = frozenset("/#\ufeff\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\x85") | {
    chr(c) for c in range(0x2000, 0x200B)
}
FAULTS = 50
"""A text with more faults than these is not read on."""
_EDITS = 10_000  # nor one that needs more edits than these
_BLANK = re.compile(r"[\s\ufeff]*")
_COMMAS = re.compile(r"[\s,]*")
_QUOTED_KEY = re.compile(
    r"""(?:"(?![\s]*[,:}\]])(?:[^"\\\n]|\\.){0,200}"|'(?:[^'\\\n]|\\.){0,200}'|“[^”\n]{0,200}”|‘[^’\n]{0,200}’
        |""(?:[^"\n]){1,200}"")\s*(?:/\*[^*]{0,400}\*/\s*)?:""",
    re.VERBOSE,
)
_BARE_KEY = re.compile(r"([\w$@][\w$@./-]{0,100}(?: [\w$@./-]{1,40}){0,4})\s*:(?!//)")
_HALF_KEY = re.compile(r"([\w$@][\w$@./-]{0,100}(?: [\w$@./-]{1,40}){0,4})\"\s*:")
_NO_COLON = re.compile(r"\"([^\"\\\n:,{}\[\]]{1,100})\"(?=\s*[\d\[{-]|\s+[\"tfnTFN]|(?:true|false|null)\b)")
_STRAY_WORD = re.compile(r"[A-Za-z_]{1,40}\s+(?=\")")
_SCALAR = re.compile(r"(?:-?[.\d][\w.+-]{0,60}|true|false|null|True|False|None)(?=[\s,\]})]|$)")
_BARE_ITEM = re.compile(r"[^\s\"'\[\]{}(),:][^\"\[\]{}(),\n]{0,200}\s*[,\])]")
_WORDS = re.compile(r'"[^"\\\n]+"\s*[,\]]')
_OPENS = re.compile(r"[^\s,:;.!?)\]}]")


class Cursor:
    """The text, how far it is read, the brackets that are open, and what was mended or could not be read so far."""

    def __init__(self, text: str, names: Collection[str] = (), start: int = 0):
        self.text, self.size, self.names = text, len(text), names
        self.at = start
        self.open: list[str] = []
        self.bare_names: list[bool] = []
        self.edits: list[Edit] = []
        self.faults: list[tuple[int, int, str]] = []
        self.innermost = start
        self.trusted = False  # the text is JSON from here on: every quote means what it says
        self.doubled = False
        self.odd_quotes = 0  # strings that were mended in a way that changes what is inside of quotes and what is not
        self.odd_names = False
        self.cut = False
        self.forked = ""  # where a bracket is missing that could stand in several places: "inside", or at the "end"
        self._next: dict[str, int] = {}

    def fault(self, start: int, end: int, message: str, halt: bool = True) -> None:
        """Notes what cannot be read; a fault that halts leaves the rest of the text unread."""
        self.faults.append((start, end, message))
        if halt or len(self.faults) > FAULTS:
            self.at = self.size
            self.cut = True

    def edit(self, rule: str, start: int, end: int, after: Any, risks: str = "", owner: int = -1) -> None:
        if len(self.edits) == _EDITS:
            self.fault(start, end, f"The text needs more than {_EDITS:,} mends")
        self.odd_quotes += rule == "read.missing-quote"
        self.edits.append(Edit(rule, start, end, after, risks, owner))

    def find(self, mark: str, at: int) -> int:
        """The next place of a mark from `at` on, or the size of the text. Looks that overlap are remembered."""
        known = self._next.get(mark, -1)
        if known < at or self._next.get(mark + " from", self.size) > at:
            found = self.text.find(mark, at)
            known = self.size if found < 0 else found
            self._next[mark], self._next[mark + " from"] = known, at
        return known

    def blank(self, at: int) -> int:
        """The next place from `at` on that is neither white space nor comment."""
        mark = self.text[at : at + 1]
        if mark > " " and mark not in _MAY_SKIP:
            return at
        while True:
            at = _BLANK.match(self.text, at).end()  # type: ignore[union-attr]
            end = self.comment(at)
            if end == at:
                return at
            at = end

    def comment(self, at: int) -> int:
        """Where the comment that begins at `at` ends, or `at` where none does. A comment to the end of its line needs a
        line after it: nothing could close behind it otherwise."""
        two = self.text[at : at + 2]
        if two == "//" or (two[:1] == "#" and (two[1:].isspace() or self.text[at - 1 : at] in ("", " ", "\n", "\t"))):
            end = self.find("\n", at)
            return end if end < self.size else at
        if two == "/*":
            return min(self.find("*/", at + 2) + 2, self.size)
        return at

    def ends(self, at: int, plain: bool = True) -> bool:
        """Whether a value may end at `at`, by what follows. `plain` says that nothing in the value spoke against it:
        then anything may follow the outermost bracket."""
        if self.trusted:
            return True
        depth = len(self.open)
        while True:
            at = self.blank(at)
            if at >= self.size:
                return True
            if depth == 0:
                return plain or self._outside(at)
            mark, inside = self.text[at], self.open[depth - 1]
            if mark == ",":
                return self._goes_on(at, inside, plain)
            if mark in "}])":
                depth = self._closed(mark, depth, plain)
                if depth < 0:
                    return False
                at += 1
                continue
            if inside == "{":
                return self.keyed(at, plain)
            if mark == ":":
                return plain and "{" in self.open
            if mark == '"' and self.text[at - 1] in "\"'":
                return _WORDS.match(self.text, at) is not None
            return mark in '"“{[' or (plain and _SCALAR.match(self.text, at) is not None and self.text[at - 1] == " ")

    def _closed(self, mark: str, depth: int, plain: bool) -> int:
        """How many brackets are open after this closer, counting those that it closes along the way. Where none is its
        own, it stands for another one, or (-1) it does not close anything."""
        for outer in range(depth - 1, -1, -1):
            if CLOSER[self.open[outer]] == mark:
                return outer
        return depth - 1 if plain else -1

    def _goes_on(self, comma: int, inside: str, plain: bool) -> bool:
        """Whether the next member or item follows a comma."""
        at = self.blank(_COMMAS.match(self.text, comma).end())  # type: ignore[union-attr]
        if at >= self.size or self.text[at] in "}])":
            return True
        if inside == "{":
            word = _STRAY_WORD.match(self.text, at)
            return self.keyed(at, plain or "\n" in self.text[comma:at]) or (word is not None and self.keyed(word.end()))
        return self._item(at) or ("{" in self.open and self.keyed(at))

    def _item(self, at: int) -> bool:
        """Whether an item of a list can begin here."""
        mark = self.text[at]
        if mark in "{[(\"'“":
            return True
        return bool(_SCALAR.match(self.text, at) or _BARE_ITEM.match(self.text, at) or self.text.startswith("...", at))

    def keyed(self, at: int, plain: bool = False) -> bool:
        """Whether a name and a colon stand here. Bare words count where this object's names are bare or known, and one
        word alone where nothing speaks against it."""
        if _QUOTED_KEY.match(self.text, at):
            return True
        bare = _BARE_KEY.match(self.text, at)
        if bare is None:
            return self._half_keyed(at)
        return (
            bare[1] in self.names or (bool(self.bare_names) and self.bare_names[-1]) or (plain and " " not in bare[1])
        )

    def _half_keyed(self, at: int) -> bool:
        """Whether a name that the type knows stands here with its first quote or its colon missing."""
        found = _HALF_KEY.match(self.text, at) or _NO_COLON.match(self.text, at)
        return found is not None and found[1] in self.names

    def _outside(self, at: int) -> bool:
        """Whether what follows the outermost bracket is no part of it any more."""
        if self.text[at] in "}])\":,'":
            return False
        stop = min(self.find("{", at), self.find("```", at))
        return self.find('"', at) >= stop

    def colon(self, at: int) -> int:
        """The place after the colon that follows `at`, or -1 where none does."""
        at = self.blank(at)
        return at + 1 if self.text.startswith(":", at) else -1

    def paired(self, begin: int, quotes: list[int]) -> bool:
        """Whether quotes inside a text come as they do around words: one before a word, one after it, in turn."""
        for i, at in enumerate(quotes):
            before, after = self.text[at - 1 : at] if at > begin else " ", self.text[at + 1 : at + 2]
            if i % 2 == 0 and (before.isalnum() or not _OPENS.match(after)):
                return False
            if i % 2 == 1 and after.isalnum():
                return False
        return True

    def tail(self) -> int:
        """Where the brackets that are open now close again at the end of the text, or -1 where they do not."""
        end = self.size
        trimmed = self.text.rstrip()
        if trimmed.endswith("```"):
            trimmed = trimmed[:-3].rstrip()
        end = len(trimmed)
        for i, bracket in enumerate(self.open):
            if end <= 0 or self.text[end - 1] != CLOSER[bracket]:
                return -1
            end -= 1
            if i + 1 < len(self.open):
                end = len(self.text[:end].rstrip())
        return end
