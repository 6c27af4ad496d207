"""The pieces of an answer that is being written, as expressions: what must be there of each before it can be read.

Names and commas take the space along that stands around them, since a step for each character is what a view costs.
"""

from __future__ import annotations

import json
import re

__all__ = [
    "COMMA",
    "COMMENT",
    "ESCAPE_SO_FAR",
    "INSIDE",
    "LITERALS",
    "NAME",
    "NAMED",
    "NEXT_NAME",
    "NO_COLON",
    "NO_ITEM",
    "NUMBER",
    "ODD_NAME",
    "PYTHON",
    "QUOTED",
    "SCALAR",
    "SCALAR_SO_FAR",
    "SPACE",
    "WHOLE",
    "name_of",
    "unescaped",
]

SPACE = re.compile(r"\s*")
WHOLE = re.compile(r'"([^"\\\x00-\x1f]*)"')
NAME = re.compile(r'\s*"([^"\\\x00-\x1f]*)"\s*: *')
NEXT_NAME = re.compile(r'\s*,\s*"([^"\\\x00-\x1f]*)"\s*: *')
COMMA = re.compile(r", *")
NO_ITEM = ("", "]", "/", "\n", "\r", "\t")
NAMED = re.compile("[:}]").search
ODD_NAME = re.compile(r"""("(?:[^"\\\n]|\\.)*"|'[^'"\\\n]*'|[A-Za-z_$][\w$]*(?: [\w$]+)*)\s*:""")
NO_COLON = re.compile(r"""("(?:[^"\\\n]|\\.)*"|'[^'"\\\n]*')\s*[^\s:]""")
QUOTED = re.compile(r"'([^'\"\\\n]*)'(?=\s*[,}\]])")
COMMENT = re.compile(r"(?://|#[^\S\n])[^\n]*\n|/\*[\s\S]*?\*/")
SCALAR = re.compile(r"[-+\w.]++(?=[\s,\]}/])")
SCALAR_SO_FAR = re.compile(r"[-+\w.]*")
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_STRINGS = json.JSONDecoder(strict=False)
LITERALS = {"true": True, "false": False, "null": None}
PYTHON = {"True": True, "False": False, "None": None}
_ESCAPE = (
    r"\\(?:[\"\\/bfnrt]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})"
)
INSIDE = re.compile(rf'(?:[^"\\]|{_ESCAPE})*+')
ESCAPE_SO_FAR = re.compile(r"\\(?:u[0-9a-fA-F]{0,4}(?:\\(?:u[0-9a-fA-F]{0,4})?)?)?")


def unescaped(inside: str) -> str:
    """What the inside of a text says; a line break in it stands for itself."""
    text: str = _STRINGS.decode(f'"{inside}"')
    return text


def name_of(written: str) -> str | None:
    """The name in double quotes, or None where it has an escape that JSON has not."""
    try:
        name: str = _STRINGS.decode(written)
    except ValueError:
        return None
    return name
