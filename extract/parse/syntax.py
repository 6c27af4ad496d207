"""Reads one value that is nearly JSON.

Every deviation from JSON that is mended is an edit, every one that is not is a fault, and after a fault that leaves no
way to go on the rest is not read. One pass, no going back over what was decided.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .bare import bare_text
from .cursor import CLOSER, QUOTES, Cursor
from .exact import exact, faithful, integer
from .strings import string, unescape, valid
from .tree import Leaf, List, Member, Object, Tree

__all__ = ["DEPTH", "value"]

DEPTH = 100
"""How many brackets may be open at once in a text that needs mending."""

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_NEARLY = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?([eE][+-]?\d+)?", re.ASCII)
_WORD = re.compile(r"[A-Za-z]+")
_LITERALS: dict[str, Any] = {"true": True, "false": False, "null": None}
_PYTHON: dict[str, str] = {
    "True": "true",
    "False": "false",
    "None": "null",
    "TRUE": "true",
    "FALSE": "false",
    "NULL": "null",
}
_QUOTE = "\"'"
_STOP = re.compile(r"[,{}\[\]()\n\"']|\s(?=//|/\*|#)")
_NAME = re.compile(r"([^\s\"'“”{}\[\]:,][^\"'“”{}\[\]:,\n]{0,200}?)[\"']?\s*(?=:)")
_CLEAN_NAME = re.compile(r'"([^"\\\x00-\x1f:,{}\[\]]+)"(?=:)')
_DOUBLED_NAME = re.compile(r'""[^"\n,:{}\[\]]+""\s*:')
_BREAK = re.compile(r"[ \t]*[\r\n]\s*$")
_VALUE_AHEAD = re.compile(r"\s*[\d\[{-]|\s+[\"'tfnTFN]|(?:true|false|null)\b")
_BEGUN = re.compile(r"\s*(?:(?:-?\d[\d.eE+-]*|true|false|null)\s*[,}\]]|[\[{])")
_HALF = re.compile(r"\"\s*,?\s*$")
_STRAY_WORD = re.compile(r"([A-Za-z_]{1,40})\s+(?=\")")


def value(cursor: Cursor) -> Tree:
    """The value that begins at the cursor."""
    gap(cursor)
    if cursor.at >= cursor.size:
        cursor.fault(cursor.at, cursor.size, "The text ends where a value should stand")
        return Leaf(cursor.size, cursor.size, None, "bare")
    mark = cursor.text[cursor.at]
    if mark in "{[(":
        return _container(cursor, mark)
    if mark in QUOTES and (mark != "`" or cursor.open):
        return string(cursor)
    return _scalar(cursor)


def _container(cursor: Cursor, mark: str) -> Tree:
    if len(cursor.open) >= DEPTH:
        cursor.fault(cursor.at, cursor.at + 1, f"The text nests deeper than {DEPTH} levels")
        return Leaf(cursor.at, cursor.size, None, "bare")
    cursor.open.append(mark)
    outer, cursor.innermost = cursor.innermost, cursor.at
    made = _object(cursor) if mark == "{" else _list(cursor, mark)
    cursor.open.pop()
    cursor.innermost = outer
    return made


def gap(cursor: Cursor) -> None:
    """Skips white space and comments; a comment is an edit."""
    at = cursor.at
    cursor.at = end = cursor.blank(at)
    if end - at < 2 or ("/" not in cursor.text[at:end] and "#" not in cursor.text[at:end]):
        return
    while at < end:
        after = cursor.comment(at)
        if after > at:
            if _HALF.search(cursor.text[at:after]) and cursor.text.count('"', at, after) % 2:
                cursor.fault(at, after, "This may be a comment, or a text without its first quote", halt=False)
            cursor.edit("read.comment", at, after, "")
            at = after
        else:
            at += 1


def _commas(cursor: Cursor, first: bool) -> tuple[int, int]:
    """Skips commas up to the next member or item; gives how many there were and where the first stood. All but the one
    that belongs there are edits."""
    count, where = 0, -1
    gap(cursor)
    while cursor.at < cursor.size and cursor.text[cursor.at] == ",":
        if first and cursor.text[cursor.innermost - 1 : cursor.innermost] in ("]", "}"):
            cursor.fault(cursor.innermost - 1, cursor.at, "The brackets and commas do not go together", halt=False)
        if count or first:
            cursor.edit("read.extra-comma", cursor.at, cursor.at + 1, "")
        else:
            where = cursor.at
        count += 1
        cursor.at += 1
        gap(cursor)
    return count, where


def _closing(cursor: Cursor, bracket: str, made: List | Object, comma: int) -> bool:
    """Whether the open bracket closes here, by its closer, by that of an outer one, or by the end of the text."""
    at = cursor.at
    if at >= cursor.size:
        if not cursor.cut:
            _unclosed(cursor, bracket, made, comma)
        made.end = cursor.size
        return True
    mark = cursor.text[at]
    if mark not in "}])":
        return False
    if comma < 0 and mark == "}" and _too_early(cursor, bracket):
        cursor.edit("read.early-bracket", at, at + 1, "", "the object may have ended here")
        cursor.at = at + 1
        return False
    if comma >= 0:
        cursor.edit("read.trailing-comma", comma, comma + 1, "")
    if mark == CLOSER[bracket]:
        made.end = cursor.at = at + 1
        if bracket == "(":
            cursor.edit("read.parenthesis", at, at + 1, "]")
        return True
    if any(CLOSER[outer] == mark for outer in cursor.open[:-1]):
        _implied(cursor, bracket, made, at)
    else:
        if comma >= 0 or not (made.items if isinstance(made, List) else made.members):
            cursor.fault(at, at + 1, f"A {mark} stands where a value or a {CLOSER[bracket]} should", halt=False)
        cursor.edit(
            "read.wrong-bracket", at, at + 1, _json_closer(bracket), f"{mark} stands where {CLOSER[bracket]} should"
        )
        made.end = cursor.at = at + 1
    return True


def _too_early(cursor: Cursor, bracket: str) -> bool:
    """Whether the outermost object closes here and yet goes on with more names, and closes again at the end."""
    if bracket != "{" or len(cursor.open) != 1:
        return False
    at = cursor.blank(cursor.at + 1)
    if not cursor.text.startswith(",", at) or not cursor.text.rstrip().endswith("}"):
        return False
    return cursor.keyed(cursor.blank(at + 1))


def _json_closer(bracket: str) -> str:
    return "}" if bracket == "{" else "]"


def _implied(cursor: Cursor, bracket: str, made: List | Object, at: int) -> None:
    """The bracket closes without its closer."""
    cursor.forked = "inside" if _forks(made) else cursor.forked
    if cursor.edits and cursor.edits[-1].rule == "read.missing-comma" and not cursor.text[made.start + 1 : at].strip():
        cursor.fault(made.start, at, "A bracket too many stands here, or a comma and a value are missing", halt=False)
    cursor.edit(
        "read.missing-bracket", at, at, _json_closer(bracket), f"a {CLOSER[bracket]} is missing before this", made.start
    )
    made.end = at


def _unclosed(cursor: Cursor, bracket: str, made: List | Object, comma: int) -> None:
    """The text ends and the bracket is open: the last closers may be missing, or the rest of the answer."""
    if comma >= 0:
        cursor.fault(comma, cursor.size, "The text ends after a comma")
        return
    cursor.forked = cursor.forked or ("end" if _forks(made) else "")
    cursor.edit(
        "read.unclosed", cursor.size, cursor.size, _json_closer(bracket), "the text may have been cut off", made.start
    )


def _forks(made: List | Object) -> bool:
    """Whether the missing closer could also stand earlier: what closed last is of its kind and has several parts."""
    last: Tree = made
    while True:
        if isinstance(last, List) and last.items:
            last = last.items[-1]
        elif isinstance(last, Object) and last.members:
            last = last.members[-1].value
        else:
            return False
        size = len(last.items) if isinstance(last, List) else len(last.members) if isinstance(last, Object) else 0
        if type(last) is type(made) and size > 1:
            return True


def _list(cursor: Cursor, bracket: str) -> Tree:
    start = cursor.at
    made = List(start, cursor.size)
    cursor.at += 1
    first, elided, commas = True, False, 0
    while True:
        count, comma = _commas(cursor, first)
        commas += count
        if _closing(cursor, bracket, made, comma):
            break
        if not first and not count and not elided and not _item_without_comma(cursor, made):
            break
        elided = False
        if cursor.text.startswith(":", cursor.at):
            cursor.fault(cursor.at, cursor.at + 1, "A colon stands in a list")
            break
        if cursor.text.startswith("...", cursor.at):
            _elision(cursor, made)
            elided = True
            continue
        item = value(cursor)
        if not cursor.cut and cursor.colon(cursor.at) >= 0:
            if comma < 0 or "{" not in cursor.open:
                cursor.fault(item.start, cursor.at + 1, "A name and a colon stand in a list")
                break
            cursor.at = item.start
            while cursor.edits and cursor.edits[-1].start >= item.start:
                cursor.edits.pop()
            _implied(cursor, bracket, made, comma)
            cursor.at = comma
            break
        made.items.append(item)
        first = False
    if bracket == "(":
        return _parenthesis(cursor, made, commas)
    return made


def _item_without_comma(cursor: Cursor, made: List) -> bool:
    """Notes the comma that is missing before the next item; False where what follows is no item."""
    if cursor.text[cursor.at] == ":":
        cursor.fault(cursor.at, cursor.at + 1, "A colon stands in a list")
        return False
    cursor.edit("read.missing-comma", made.items[-1].end, made.items[-1].end, ",")
    return True


def _elision(cursor: Cursor, made: List) -> None:
    """`...` in a list: the model left something out, or says that it did. One comma beside it goes along."""
    start, end = cursor.at, cursor.blank(cursor.at + 3)
    if cursor.text.startswith(",", end):
        end += 1
    else:
        end = start + 3
        start = cursor.text.rfind(",", made.items[-1].end, start) if made.items else start
    cursor.edit("read.elision", max(start, 0), end, "", "items may have been left out here")
    cursor.at = end


def _parenthesis(cursor: Cursor, made: List, commas: int) -> Tree:
    """A list in parentheses; one value without a comma is that value."""
    if cursor.text[cursor.at : cursor.at + 1] in ('"', "'", "”", "`"):
        cursor.fault(made.start, cursor.at + 1, "A quote is missing before this text in parentheses", halt=False)
    cursor.edit("read.parenthesis", made.start, made.start + 1, "[")
    if len(made.items) == 1 and not commas:
        cursor.edits = [
            e for e in cursor.edits if e.rule != "read.parenthesis" or e.start not in (made.start, made.end - 1)
        ]
        risks = "the parentheses may be those of a list"
        cursor.edit("read.parenthesis", made.start, made.start + 1, "", risks)
        cursor.edit("read.parenthesis", made.end - 1, made.end, "", risks)
        return made.items[0]
    return made


def _object(cursor: Cursor) -> Tree:
    made = Object(cursor.at, cursor.size)
    seen: set[str] = set()
    cursor.at += 1
    cursor.bare_names.append(_bare_at(cursor, cursor.at))
    while True:
        count, comma = _commas(cursor, not made.members)
        if _closing(cursor, "{", made, comma):
            break
        early = (
            bool(cursor.edits) and cursor.edits[-1].rule == "read.early-bracket" and cursor.edits[-1].end == cursor.at
        )
        if early:
            count, _ = _commas(cursor, not made.members)
        glued = cursor.text[cursor.at - 1] in _QUOTE and cursor.text[cursor.at : cursor.at + 1] not in QUOTES
        if made.members and not count and glued:
            cursor.fault(
                cursor.at - 1, cursor.at + 1, "A quote too many stands here, or a comma is missing", halt=False
            )
        if made.members and not count:
            cursor.edit("read.missing-comma", made.members[-1].value.end, made.members[-1].value.end, ",")
        member = _member(cursor)
        if member is None:
            break
        if member.name in seen:
            message = f"The name {json.dumps(member.name, ensure_ascii=False)} stands twice in one object"
            cursor.fault(member.start, member.value.end, message, halt=False)
        else:
            seen.add(member.name)
            made.members.append(member)
    cursor.bare_names.pop()
    return made


def _bare_at(cursor: Cursor, at: int) -> bool:
    at = cursor.blank(at)
    return at < cursor.size and cursor.text[at] not in QUOTES


def _member(cursor: Cursor) -> Member | None:
    stray = _STRAY_WORD.match(cursor.text, cursor.at)
    if stray is not None and cursor.keyed(stray.end()):
        cursor.edit(
            "read.stray-word", stray.start(), stray.end(), "", "the word before the name may belong to something"
        )
        cursor.at = stray.end()
    start = cursor.at
    name = _quoted_name(cursor) if cursor.text[start] in QUOTES else _bare_name(cursor)
    if name is None:
        return None
    end = cursor.at
    gap(cursor)
    if cursor.text.startswith(":", cursor.at):
        cursor.at += 1
    gap(cursor)
    while cursor.text.startswith(":", cursor.at):
        cursor.edit("read.extra-colon", cursor.at, cursor.at + 1, "")
        cursor.at += 1
        gap(cursor)
    if cursor.text[cursor.at : cursor.at + 1] in (",", "}", "]"):
        cursor.fault(
            start, cursor.at, f"No value stands after the name {json.dumps(name, ensure_ascii=False)}", halt=False
        )
        return Member(name, start, end, Leaf(cursor.at, cursor.at, None, "bare"))
    return Member(name, start, end, value(cursor))


def _bare_name(cursor: Cursor) -> str | None:
    found = _NAME.match(cursor.text, cursor.at)
    if found is None:
        cursor.fault(cursor.at, min(cursor.at + 20, cursor.size), "No name stands where one should")
        return None
    name = found[1].rstrip()
    rule = "read.bare-name"
    if "&quot;" in name:
        cursor.fault(found.start(), found.end(), "This name is written with the entities of HTML")
    if found[0].rstrip()[-1] in "\"'":
        rule, name = "read.missing-quote", unescape(name)
    elif "\\" in name:
        cursor.fault(found.start(), found.end(), "A quote is missing around this name", halt=False)
    cursor.edit(rule, found.start(), found.end(), name)
    cursor.at = found.end()
    return name


def _quoted_name(cursor: Cursor) -> str | None:
    """The name in quotes at the cursor, with a quote or the colon behind it possibly missing."""
    text, start = cursor.text, cursor.at
    clean = _CLEAN_NAME.match(text, start)
    if clean is not None:
        cursor.at = clean.end()
        return clean[1]
    width = 2 if _DOUBLED_NAME.match(text, start) else 1
    closing = QUOTES[text[start]] * width
    begin = at = start + width
    marks = re.compile(rf"\\[\s\S]|{re.escape(closing)}")
    first = -1
    while found := marks.search(text, at, cursor.size if cursor.trusted else begin + 400):
        at = found.end()
        if found[0][0] == "\\":
            continue
        if cursor.colon(at) >= 0:
            cursor.doubled = cursor.doubled or width == 2
            return _name(cursor, start, begin, found.start(), at, first >= 0)
        if first < 0:
            first = found.start()
            odd = _odd_name(cursor, start, begin, first)
            if odd is not None:
                return odd
    if first < 0 and (split := _colon_inside(cursor, start, begin, min(begin + 400, cursor.size))) is not None:
        return split
    cursor.fault(start, min(start + 40, cursor.size), "A name has no end, or no colon stands after it")
    return None


def _name(cursor: Cursor, start: int, begin: int, end: int, after: int, inner: bool) -> str:
    inside = cursor.text[begin:end]
    cursor.odd_names = cursor.odd_names or any(char in inside for char in ",:{}[]")
    layout = _BREAK.search(inside)
    name = unescape(inside[: layout.start()] if layout is not None else inside)
    cursor.at = after
    risks = "the quotes inside could also end the name" if inner else "the name holds a line break" if layout else ""
    if inner and (any(char in inside for char in ":,={}[]\n") or not _even(inside)):
        cursor.fault(start, after, "A quote is missing in or around this name")
    if inner or begin - start > 1 or cursor.text[start] != '"' or any(char < " " for char in inside) or "\\" in inside:
        if cursor.text[start] == '"' and not valid(inside):
            cursor.fault(start, after, "A character may be missing after the backslash in this name", halt=False)
        if not _well_formed(cursor.text[start:after]):
            cursor.edit("read.quoted-name", start, after, name, risks)
    return name


def _even(inside: str) -> bool:
    """Whether the quotes inside of a name go in pairs, and none stands at its edge."""
    return inside.count('"') % 2 == 0 and inside[:1] != '"' and inside[-1:] != '"'


def _well_formed(token: str) -> bool:
    try:
        json.loads(token)
    except ValueError:
        return False
    return True


def _odd_name(cursor: Cursor, start: int, begin: int, quote: int) -> str | None:
    """A name whose closing quote is missing (the colon stands inside), or whose colon is missing."""
    inside = cursor.text[begin:quote]
    if ":" in inside:
        return _colon_inside(cursor, start, begin, quote)
    after = _VALUE_AHEAD.match(cursor.text, quote + 1)
    if after is not None and inside.strip() and "\n" not in inside:
        cursor.at = quote + 1
        name = unescape(inside)
        if not _well_formed(cursor.text[start : quote + 1]):
            cursor.edit("read.quoted-name", start, quote + 1, name)
        cursor.edit("read.missing-colon", quote + 1, quote + 1, ":")
        return name
    return None


def _colon_inside(cursor: Cursor, start: int, begin: int, stop: int) -> str | None:
    """The name before the only colon that could end it."""
    inside = cursor.text[begin:stop]
    name, colon, rest = inside.partition(":")
    if not colon or not name.strip() or any(char in name for char in "{}[],\"'\n") or ":" in rest.split(",")[0]:
        return None
    if stop < cursor.size and cursor.text[stop] == cursor.text[start] and rest.strip() and not _BEGUN.match(rest):
        return None
    end = begin + len(name)
    written = unescape(name.rstrip())
    cursor.edit("read.missing-quote", start, end, written)
    cursor.at = end
    return written


def _scalar(cursor: Cursor) -> Leaf:
    """A number, a literal, or bare text."""
    text, start = cursor.text, cursor.at
    number = _NUMBER.match(text, start)
    if number is not None and cursor.ends(number.end()) and not _runs_on(text, number.end()):
        cursor.at = number.end()
        fraction = number[1] is not None or number[2] is not None
        return Leaf(start, cursor.at, faithful(number[0]) if fraction else integer(number[0]), "number")
    word = _WORD.match(text, start)
    known = word is not None and (word[0] in _LITERALS or word[0] in _PYTHON)
    if word is not None and known and cursor.ends(word.end()) and not _runs_on(text, word.end()):
        return _literal(cursor, word[0])
    return _bare(cursor)


def _runs_on(text: str, at: int) -> bool:
    """Whether a word goes on here, so that what stands before is only its beginning."""
    return at < len(text) and (text[at].isalnum() or text[at] in "_.-+%/\"'") and text[at : at + 2] not in ("//", "/*")


def _literal(cursor: Cursor, word: str) -> Leaf:
    start = cursor.at
    cursor.at += len(word)
    if word in _PYTHON:
        word = _PYTHON[word]
        cursor.edit("read.literal", start, cursor.at, _LITERALS[word])
    return Leaf(start, cursor.at, _LITERALS[word], "literal")


def _bare(cursor: Cursor) -> Leaf:
    """Text without quotes, up to where a value may end."""
    text, start = cursor.text, cursor.at
    end = _bare_end(cursor, start)
    inside = text[start:end].rstrip()
    stop = start + len(inside)
    cursor.at = stop
    if not inside:
        cursor.fault(start, start + 1, "No value stands where one should")
        return Leaf(start, start, None, "bare")
    if stop >= len(text.rstrip()) and cursor.open and _nearly(inside) is None:
        cursor.fault(start, cursor.size, "The text ends inside a value")
        return Leaf(start, cursor.size, None, "bare")
    if inside in _LITERALS or inside in _PYTHON:
        cursor.at = start
        return _literal(cursor, inside)
    number = _nearly(inside)
    if number is not None:
        value = exact(number)
        cursor.edit("read.number", start, stop, value)
        return Leaf(start, stop, value, "number")
    return bare_text(cursor, start, stop, inside)


def _bare_end(cursor: Cursor, start: int) -> int:
    text, at, nested = cursor.text, start, 0
    in_list = bool(cursor.open) and cursor.open[-1] != "{"
    while found := _STOP.search(text, at):
        at, mark = found.start(), found[0]
        if mark in "{[(":
            nested += 1
        elif mark in "}])":
            if nested:
                nested -= 1
            elif cursor.open and cursor.ends(at):
                return at
        elif mark == "," and not nested and cursor.open:
            if in_list or cursor.ends(at):
                return at
        elif mark in "\"'" and not nested and cursor.ends(at + 1, plain=False) and cursor.open:
            return at + 1
        elif mark not in ",\"'" and not nested and cursor.open and not in_list and cursor.ends(at):
            return at
        at += 1
    return cursor.size


def _nearly(text: str) -> str | None:
    """The JSON number for one with a plus sign, or without a digit before or after its point."""
    found = _NEARLY.fullmatch(text)
    if found is None or not (found[2] or found[3]) or (len(found[2]) > 1 and found[2][0] == "0"):
        return None
    fraction = f".{found[3]}" if found[3] else ""
    sign = "-" if found[1] == "-" else ""
    return f"{sign}{found[2] or '0'}{fraction}{found[4] or ''}"
