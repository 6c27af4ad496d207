"""Quoted strings, as models write them: with quotes and line breaks inside that should have been escaped, in the wrong
kind of quotes, or with a quote missing.

Where a string ends is decided by what follows each quote (`Cursor.ends`). Escapes are resolved to the last digit;
an escape that JSON does not know keeps its backslash, since forgetting to double one is how it comes about.
"""

from __future__ import annotations

import re

from .cursor import QUOTES, Cursor
from .scalars import looks_numeric
from .tree import Form, Leaf

__all__ = ["half", "string", "unescape", "valid"]

_CLEAN = re.compile(r'"([^"\\\x00-\x1f]*)"')
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U00[01][0-9a-fA-F]{5}|x[0-9a-fA-F]{2}|[\s\S]|$)")
_SIMPLE = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "'": "'", "`": "`"}
_BEFORE = re.compile(r"[,:\[{(]\s*$")
_AFTER = re.compile(r"\s*[,:\]})]")
_COMMA_BEFORE = re.compile(r"(,?)(\s*)$")
_LAYOUT = re.compile(r"\r?\n[ \t]*$")
_SPACE = re.compile(r"(?<=[^ ]) +$")
_LEADING = re.compile(r" *")
_BREAK = re.compile(r"[ \t]*[\r\n]\s*$")
_NEXT = re.compile(r"[\s}\]]*,(?:\s*[\"\[{]|[ \t]*\n)")
_ANY_QUOTE = re.compile(r'\\?"')
_LETTERS = re.compile(r"\\(?:[bfnrt](?=\w)|u[0-9a-fA-F]{4})")
_MARKS = ("'", '"', "`", "’", "”", "\\")
_LITERALS = ("true", "false", "null", "none")
_STRUCTURE = re.compile(r"[{}\[\]]|,\s*[\w-]+\s*:")

_INNER = "the quotes inside could also end the text"


def unescape(text: str) -> str:
    """The string that the inside of a quoted text says. Surrogate pairs become one character; unknown escapes stay."""
    if "\\" not in text:
        return text
    out = _ESCAPE.sub(_one, text)
    if any("\ud800" <= char <= "\udfff" for char in out):
        out = out.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return out


def _one(found: re.Match[str]) -> str:
    escape = found[1]
    if len(escape) > 1:
        return chr(min(int(escape[1:], 16), 0x10FFFF))
    return _SIMPLE.get(escape, found[0])


def string(cursor: Cursor) -> Leaf:
    """Reads the string that begins at the cursor and leaves the cursor behind it."""
    start = cursor.at
    clean = _CLEAN.match(cursor.text, start)
    if clean is not None and cursor.ends(clean.end()):
        cursor.at = clean.end()
        return Leaf(start, clean.end(), clean[1], "string")
    opening = _opening(cursor)
    closing = QUOTES[opening[0]] * len(opening)
    begin = start + len(opening)
    end, inner = _end(cursor, begin, closing)
    if _splits(cursor, begin, inner, end):
        return _split(cursor, start, begin, inner[0])
    if cursor.faults and cursor.at >= cursor.size:
        return Leaf(start, cursor.size, unescape(cursor.text[begin : inner[0]] if inner else ""), "string")
    if end < 0:
        return _unclosed(cursor, start, begin, inner)
    return _made(cursor, start, begin, end, end + len(closing), inner)


def _opening(cursor: Cursor) -> str:
    """The opening quote: three, or two where a doubled one closes it too, or one."""
    text, at = cursor.text, cursor.at
    quote = text[at]
    if text.startswith(quote * 3, at) and text.find(quote * 3, at + 3) > 0:
        return quote * 3
    if cursor.doubled and text.startswith(quote * 2, at) and quote in "\"'" and text[at + 2 : at + 3].isalnum():
        end = cursor.find(quote, at + 2)
        if text.startswith(quote * 2, end) and cursor.ends(end + 2):
            return quote * 2
    return quote


def _end(cursor: Cursor, begin: int, closing: str) -> tuple[int, list[int]]:
    """Where the closing quote stands (-1: nowhere), and the quotes before it that do not close."""
    text, at, inner = cursor.text, begin, list[int]()
    marks = re.compile(rf"\\[\s\S]|{re.escape(closing)}")
    while found := marks.search(text, at):
        at = found.end()
        if text[found.start()] == "\\":
            continue
        if cursor.ends(at, plain=not inner):
            return found.start(), inner
        inner.append(found.start())
    return -1, inner


def _splits(cursor: Cursor, begin: int, inner: list[int], end: int) -> bool:
    """Whether the closing quote was forgotten: the first quote inside opens the next name or, on a line of its own, the
    next item. Between items of one line nobody can tell a forgotten quote from a quote that was not escaped."""
    if not inner or (end >= 0 and len(inner) % 2 == 0):
        return False
    comma = _COMMA_BEFORE.search(cursor.text, max(begin, inner[0] - 200), inner[0])
    if comma is None or (not comma[1] and "\n" not in comma[2]):
        return False
    if cursor.open and cursor.open[-1] == "{":
        return cursor.keyed(inner[0])
    if "\n" in comma[2]:
        return True
    cursor.fault(begin - 1, inner[0] + 1, "A quote is missing here, or one inside the text is not escaped")
    return False


def _split(cursor: Cursor, start: int, begin: int, next_quote: int) -> Leaf:
    comma = _COMMA_BEFORE.search(cursor.text, max(begin, next_quote - 200), next_quote)
    end = comma.start() if comma is not None else next_quote
    value = unescape(cursor.text[begin:end])
    if "\n" in value or value.strip()[-1:] in ("", "}", "]", *_MARKS):
        cursor.fault(start, end, "A quote is missing, and it could stand in more than one place", halt=False)
    cursor.edit("read.missing-quote", start, end, value)
    cursor.at = end
    return Leaf(start, end, value, half(value))


def _unclosed(cursor: Cursor, start: int, begin: int, inner: list[int]) -> Leaf:
    """A string that runs to the end of the text: cut off, unless the brackets that are open close behind it."""
    text = cursor.text
    end = cursor.tail() if cursor.open and len(inner) % 2 == 0 else -1
    if end <= begin or text[start] != '"':
        cursor.fault(start, cursor.size, "The text ends inside a string")
        return Leaf(start, cursor.size, unescape(text[begin:]), "string")
    inside = text[begin:end]
    in_list = cursor.open[-1] != "{"
    if (
        inside.strip()[-1:] in ("", *_MARKS)
        or _STRUCTURE.search(inside)
        or (in_list and "," in inside)
        or _touching(text, begin, inner)
        or not cursor.paired(begin, inner)
    ):
        cursor.fault(start, end, "A quote is missing, and it could stand in more than one place")
        return Leaf(start, end, inside, "string")
    risks = "the text could end earlier" if inner else ""
    layout = _LAYOUT.search(inside) or _SPACE.search(inside)
    if layout is not None:
        if not layout[0].startswith(("\n", "\r")) and layout[0] != _padding(text, cursor.innermost):
            cursor.fault(start, end, "The quote that ends this text is missing, before or after the space")
            return Leaf(start, end, inside, "string")
        inside = inside[: layout.start()]
    value = unescape(inside)
    cursor.at = begin + len(inside)
    cursor.edit("read.missing-quote", start, cursor.at, value, risks)
    return Leaf(start, cursor.at, value, half(value))


def half(value: str) -> Form:
    """The form of a text with one quote only: with the other one forgotten it is a text, with this one too many it may
    be a number or a literal, and then its type decides."""
    return "bare" if looks_numeric(value) or value.strip().casefold() in _LITERALS else "string"


def _padding(text: str, opening: int) -> str:
    """The space that this text puts inside of its brackets."""
    found = _LEADING.match(text, opening + 1)
    return found[0] if found is not None else ""


def _touching(text: str, begin: int, inner: list[int]) -> bool:
    """Whether a quote inside stands beside a mark of JSON's own, so that it may be one of them."""
    return any(_AFTER.match(text, i + 1) or _BEFORE.search(text, max(begin, i - 20), i) for i in inner)


def _made(cursor: Cursor, start: int, begin: int, end: int, after: int, inner: list[int]) -> Leaf:
    """The string between two quotes, with the one edit that makes it JSON."""
    text = cursor.text
    inside = text[begin:end]
    cursor.at = after
    rule, risks = "", ""
    if inner:
        doubtful = _touching(text, begin, inner) or not _in_pairs(inside)
        rule, risks = "read.unescaped-quote", _INNER if doubtful else ""
        _doubt(cursor, start, begin, end, inner)
    elif begin - start > 1 or text[start] != '"':
        rule = "read.quotes"
    elif any(char < " " for char in inside):
        rule, risks = "read.raw-control", "" if valid(inside) else "a character may be missing after the backslash"
    elif not valid(inside):
        rule, risks = "read.escape", "a character may be missing after the backslash"
        if '\\"' in inside:
            cursor.fault(start, end, "A quote may be missing after a backslash", halt=False)
        elif _LETTERS.search(inside):
            cursor.fault(start, end, "Some backslashes here are escapes and some are not", halt=False)
    layout = _BREAK.search(inside)
    if layout is not None and layout.start():
        inside, risks = inside[: layout.start()], risks or "the line break before the quote may belong to the text"
    value = unescape(inside)
    cursor.odd_quotes += len(inner) % 2
    if rule:
        cursor.edit(rule, start, after, value, risks)
    return Leaf(start, after, value, "string")


def _in_pairs(inside: str) -> bool:
    """Whether the quotes inside come in pairs around words, escaped or not."""
    opened = False
    for found in _ANY_QUOTE.finditer(inside):
        before, after = inside[: found.start()][-1:], inside[found.end() : found.end() + 1]
        if after.isalnum() if opened else before.isalnum():
            return False
        opened = not opened
    return not opened


def _doubt(cursor: Cursor, start: int, begin: int, end: int, inner: list[int]) -> None:
    """Faults for quotes inside that may well be no part of the text."""
    text = cursor.text
    odd = len(inner) % 2 == 1
    edge = inner[0] == begin and (len(inner) % 2 == 1 or not text[begin + 1 : begin + 2].isalnum())
    if edge or (len(inner) % 2 == 1 and inner[-1] == end - 1):
        cursor.fault(start, end, "One quote too many stands here, or one is not escaped", halt=False)
    elif odd and _touching(text, begin, inner):
        cursor.fault(start, end, "A quote is missing in or around this text", halt=False)
    elif not valid(text[begin:end]):
        cursor.fault(start, end, "The quotes and the backslashes inside this text do not go together", halt=False)
    elif not odd and not cursor.paired(begin, inner):
        cursor.fault(start, end, "The quotes inside this text do not go together", halt=False)
    elif any(text[i - 1] in '\\"' or text.startswith('\\"', i + 1) for i in inner):
        cursor.fault(start, end, "The quotes inside are escaped twice, or not at all", halt=False)
    elif any(_NEXT.match(text, i + 1, end) for i in inner):
        cursor.fault(start, end, "This text could end at one of the quotes inside", halt=False)


def valid(inside: str) -> bool:
    """Whether every escape is one of JSON's."""
    return all(len(e) == 5 or e in '"\\/bfnrt' for e in _ESCAPE.findall(inside))
