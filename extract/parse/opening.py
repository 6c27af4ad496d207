"""Where the value of an answer begins, while the answer is being written: behind prose, fences and thinking.

As in a whole text, a bracket begins a value only where it looks like one: `{name}` in prose is prose. What cannot be
told yet is looked at again when more has come.
"""

from __future__ import annotations

import re

__all__ = ["VALUE", "opening"]

VALUE = "value"

_BEGIN = re.compile(r"[{\[]|\"|<(?:think|thinking|reasoning|scratchpad)>")
_OPENED = re.compile(
    r"""\{\s*(?:["'}/\#“‘,]|[A-Za-z_$][\w$]*(?:\ [\w$]+)*\s*:(?!//))
       |\[\s*(?:["'\[{\]\-+.\d/\#“‘(,]|(?:true|false|null|True|False|None)\b(?!$))""",
    re.VERBOSE,
)
_UNDECIDED = re.compile(r"\{\s*(?:[A-Za-z_$][\w$ ]{0,100}\s*:?)?$|\[\s*[A-Za-z]{0,5}$")
_BLANK = re.compile(r"\s*")
_KEEP = 12  # characters at the end that may be the beginning of a tag


def opening(text: str, at: int, texts: bool) -> tuple[int, str]:
    """Where to look on, and what was found there: `VALUE`, the tag that ends the thinking, or nothing yet. `texts` says
    that the value is a text."""
    while (found := _BEGIN.search(text, at)) is not None:
        start = found.start()
        if found[0][0] == "<":
            return found.end(), f"</{found[0][1:]}"
        if found[0] == '"':
            if texts and _BLANK.match(text).end() == start:  # type: ignore[union-attr]
                return start, VALUE
        elif _OPENED.match(text, start):
            return start, VALUE
        elif _UNDECIDED.match(text, start):
            return start, ""
        at = start + 1
    return max(at, len(text) - _KEEP), ""
