"""Finds the values in an answer: between prose, in fences of any kind, after the thinking of a reasoning model.

A value begins at a bracket that looks like the beginning of one, and an outermost value is taken, never a part of
one that is not closed. A bracket in prose (`{name}`) is prose. Where text outside of the values looks like a torn
piece of JSON, the finding says so, and nothing is taken out of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from .cursor import Cursor
from .exact import exact_end
from .syntax import gap, value
from .tree import Edit, Leaf, List, Object, Tree

__all__ = ["Candidate", "Finding", "find", "whole"]

_ATTEMPTS = 64
_ALONE = re.compile(r"""\s*(?:[{\["'“\d-].*|\(\s*["'\[{\dtfnTFN-].*\)|[tfnTFN][A-Za-z]*)\s*""", re.DOTALL)
_MARK = re.compile(
    r"```|</?\s*(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)\s*>|[{\[}\]]|\"(?=\s*:)", re.I
)
_HEAD = re.compile(
    r"""\{(?:\s|//[^\n]*|/\*.{0,400}?\*/|\#[^\n]*)*
        (?:\}|"|'|“|[\w$@][\w$@./-]{0,100}(?:\ [\w$@./-]{1,40}){0,3}["']?\s*:(?!//)|$)""",
    re.VERBOSE | re.DOTALL,
)
_LIST_HEAD = re.compile(
    r"""\[(?:\s|//[^\n]*)*(?:[\]\["'{“]|-?[\d.]|true\b|false\b|null\b|None\b|True\b|False\b|\w[^\[\]{}\n]{0,400}?,|$)""",
    re.VERBOSE,
)
_NOTE = re.compile(r"\[\d{1,3}\]")
_EXTRA = re.compile(r"(?:\s*\}){1,8}(?=\s*(?:$|```|\n\s*[^\s,\[\]{}:\"']))")
_FENCED = re.compile(r"```[ \t]*([\w+-]*)[ \t]*\n?")
_TORN = re.compile(r"[}\]:\"]|,\s*[\"'}\]]|,\s*\w+\s*:")


@dataclass(slots=True)
class Candidate:
    """One value in the text: its tree, the edits that made it JSON, what could not be read, and its range."""

    tree: Tree
    start: int
    end: int
    edits: list[Edit]
    faults: list[tuple[int, int, str]]
    cut: bool
    forked: str
    fenced: bool = False


@dataclass(slots=True)
class Finding:
    """What was found: candidates in order; `torn` says where text outside of them looks like a piece of JSON;
    `thinking` that the text ends before its thinking does."""

    candidates: list[Candidate] = field(default_factory=list)
    torn: tuple[int, str] | None = None
    thinking: bool = False


def whole(text: str, names: Collection[str]) -> Candidate | None:
    """The text as one value with nothing around it, or None."""
    if not _ALONE.fullmatch(text):
        return None
    cursor = Cursor(text, names, len(text) - len(text.lstrip()))
    candidate = _candidate(cursor)
    if isinstance(candidate.tree, Leaf) and candidate.tree.form == "bare":
        return None
    return candidate if cursor.at >= cursor.size and not candidate.faults else None


def _candidate(cursor: Cursor) -> Candidate:
    start = cursor.at
    if cursor.text[start : start + 1] in ("{", "["):
        cursor.trusted = exact_end(cursor.text, start) >= 0
    tree = value(cursor)
    end = cursor.at
    rules = {edit.rule for edit in cursor.edits}
    if cursor.odd_quotes > 1 or (cursor.odd_quotes and cursor.odd_names):
        cursor.fault(start, end, "Quotes are missing, and not in one place only", halt=False)
    open_ended = rules & {"read.missing-bracket", "read.wrong-bracket", "read.unclosed"}
    if open_ended and rules & {"read.early-bracket", "read.extra-comma"}:
        cursor.fault(start, end, "The brackets do not go together", halt=False)
    return Candidate(tree, start, end, cursor.edits, cursor.faults, cursor.cut, cursor.forked)


def find(text: str, names: Collection[str]) -> Finding:
    """The values of a text."""
    finding = Finding()
    at, fenced, prose, attempts = 0, False, 0, 0
    while found := _MARK.search(text, at):
        start, mark = found.start(), found[0]
        at = found.end()
        if mark == "```":
            fenced = not fenced
            at = _fence(text, start, names, finding) if fenced else at
        elif mark[0] == "<":
            if not _think(text, found, finding):
                break
            closing = re.compile(rf"</\s*{re.sub(r'[^a-z]', '', mark.lower())}\s*>", re.I).search(text, at)
            at = closing.end() if closing is not None and mark[1] != "/" else at
        elif mark == '"':
            finding.torn = finding.torn or (start, "A name stands outside of any object")
        elif mark in "}]":
            if prose:
                prose -= 1
            else:
                finding.torn = finding.torn or (start, f"A {mark} stands here that closes nothing")
        elif attempts < _ATTEMPTS and (_begins(text, start) or not text[:start].strip()):
            attempts += 1
            at = _take(text, start, names, finding, fenced)
            if at < 0:
                break
        else:
            prose += 1
    _without_notes(text, finding)
    return finding


def _without_notes(text: str, finding: Finding) -> None:
    """Leaves out what is a mark of a note in prose, such as [1] behind a word, where there are other values."""
    values = [one for one in finding.candidates if not _is_note(text, one)]
    if values:
        finding.candidates = values


def _is_note(text: str, one: Candidate) -> bool:
    return (
        isinstance(one.tree, List)
        and not one.fenced
        and _NOTE.fullmatch(text, one.start, one.end) is not None
        and bool(text[text.rfind("\n", 0, one.start) + 1 : one.start].strip())
    )


def _begins(text: str, at: int) -> bool:
    head = _HEAD if text[at] == "{" else _LIST_HEAD
    return head.match(text, at) is not None


def _take(text: str, start: int, names: Collection[str], finding: Finding, fenced: bool) -> int:
    """Reads the value that begins here; gives where to look on, or -1 where nothing more can be told."""
    cursor = Cursor(text, names, start)
    candidate = _candidate(cursor)
    candidate.fenced = fenced
    finding.candidates.append(candidate)
    if candidate.faults and candidate.cut:
        if _follows(text, finding):
            finding.torn = finding.torn or (start, "The text goes on after its value")
        fence = text.find("```", start)
        return fence if not fenced and fence > 0 and _LINE_FENCE.search(text, start) else -1
    after = cursor.at
    sound = isinstance(candidate.tree, Object) and not candidate.faults
    sound = sound and not any(edit.rule.endswith("bracket") for edit in candidate.edits)
    extra = _EXTRA.match(text, after) if sound else None
    if extra is not None:
        candidate.edits.append(
            Edit("read.extra-bracket", after, extra.end(), "", "a bracket may be missing before the value")
        )
        candidate.end = after = cursor.at = extra.end()
    gap(cursor)
    torn = _TORN.match(text, cursor.at)
    if candidate.faults and _follows(text, finding):
        finding.torn = finding.torn or (start, "The text goes on after its value")
    broken = bool(candidate.faults) and text[cursor.at : cursor.at + 1] in ("{", "[")
    glued = text[after : after + 1] in ("{", "[") and not _begins(text, after)
    if (torn is not None or broken or glued) and cursor.at < len(text):
        finding.torn = finding.torn or (cursor.at, "The text goes on after its value")
    return after


def _follows(text: str, finding: Finding) -> bool:
    """Whether the last value stands behind another one with nothing but a comma between."""
    if len(finding.candidates) < 2:
        return False
    before, last = finding.candidates[-2:]
    return text[before.end : last.start].strip() in ("", ",")


_LINE_FENCE = re.compile(r"\n[ \t]*```[ \t]*\w*[ \t]*\n\s*[\[{]")


def _fence(text: str, start: int, names: Collection[str], finding: Finding) -> int:
    """What to do with an opening fence: read on inside it, or, where no bracket opens there, take its content as one
    value if it is one."""
    opening = _FENCED.match(text, start)
    at = opening.end() if opening is not None else start + 3
    end = text.find("```", at)
    inside = text[at:end] if end >= 0 else text[at:]
    head = inside.lstrip()[:1]
    if head in "{[" or not inside.strip() or end < 0:
        return at
    if head in "(\"'" or inside.strip().replace(".", "").lstrip("-").isalnum():
        cursor = Cursor(text[:end].rstrip(), names, at)
        candidate = _candidate(cursor)
        if cursor.at >= cursor.size and not candidate.faults:
            candidate.fenced = True
            finding.candidates.append(candidate)
            return end
    return at


def _think(text: str, found: re.Match[str], finding: Finding) -> bool:
    """A tag of a reasoning model: what stands before its end is no answer. False where it has no end."""
    finding.candidates.clear()
    finding.torn = None
    if found[0][1] == "/":
        return True
    tag = re.sub(r"[^a-z]", "", found[0].lower())
    finding.thinking = re.compile(rf"</\s*{tag}\s*>", re.I).search(text, found.end()) is None
    return not finding.thinking
