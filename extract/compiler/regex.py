"""Regular expressions as values: ECMA's syntax read into a small tree, changed, and written again.

Only what a server's grammar can carry is read: characters, classes, groups, alternatives, repetitions, and anchors at
the ends. `whole` gives the tree of all texts in which an expression is found; `bounded` narrows it to texts of some
lengths. What is not read here (lookaround, backreferences, word borders, flags) is None, and is checked once a value
is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

__all__ = ["ANY", "Alt", "Node", "One", "Repeat", "Seq", "bounded", "none_of", "read", "whole", "written"]

MOST_REPEATS = 5000
"""Repetitions above this are too large for the engines that compile expressions."""

MOST_AT_ONCE, BLOCK = 128, 64
"""Repetitions above the first are written in blocks of the second: xgrammar 0.2 fails on larger ones."""

MOST_BESIDE = 1000
"""Lengths above this are not worked into an expression that has other parts."""


@dataclass(frozen=True)
class One:
    """One character, as it is written: ``a``, ``\\.``, ``[a-z]``, ``\\d``."""

    text: str


@dataclass(frozen=True)
class Seq:
    parts: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Alt:
    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    node: Node
    least: int
    most: int | None


@dataclass(frozen=True)
class Anchor:
    """``^`` or ``$``."""

    text: str


Node = One | Seq | Alt | Repeat | Anchor
ANY = One(r"[\s\S]")
ANYTHING = Repeat(ANY, 0, None)


class _Unread(Exception):
    """The expression has a part that the wire cannot carry."""


@dataclass
class _Reader:
    text: str
    at: int = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def alternatives(self) -> Node:
        options = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            options.append(self.sequence())
        return options[0] if len(options) == 1 else Alt(tuple(options))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            part = self.repeated(self.atom())
            parts.extend(part.parts if isinstance(part, Seq) else (part,))
        return parts[0] if len(parts) == 1 else Seq(tuple(parts))

    def repeated(self, node: Node) -> Node:
        while True:
            found = re.compile(r"\*|\+|\?|\{(\d+)(,(\d*))?\}").match(self.text, self.at)
            if not found:
                return node
            if isinstance(node, Anchor):
                raise _Unread
            self.at = found.end()
            if self.peek() == "?":
                self.at += 1
            if self.peek() == "+":
                raise _Unread
            least, most = _COUNTS.get(found[0], (0, None))
            if found[1]:
                least = int(found[1])
                most = least if found[2] is None else int(found[3]) if found[3] else None
            if max(least, most or 0) > MOST_REPEATS or (most is not None and least > most):
                raise _Unread
            node = Repeat(node, least, most)

    def atom(self) -> Node:
        char = self.peek()
        if char == "(":
            return self.group()
        if char == "[":
            return One(self.bracket())
        if char in "^$":
            self.at += 1
            return Anchor(char)
        if char == "\\":
            return One(self.escape(False))
        self.at += 1
        if char == ".":
            return One(r"[^\n\r]")
        return One("\\" + char if char in "{}]" else char)

    def group(self) -> Node:
        start = re.compile(r"\((?:\?:|\?<[A-Za-z_]\w*>|\?P<[A-Za-z_]\w*>|(?!\?))").match(self.text, self.at)
        if not start:
            raise _Unread
        self.at = start.end()
        inner = self.alternatives()
        if self.peek() != ")":
            raise _Unread
        self.at += 1
        return inner

    def bracket(self) -> str:
        self.at += 1
        out = "["
        if self.peek() == "^":
            out, self.at = "[^", self.at + 1
        if self.peek() == "]":
            self.at += 1
            return r"[^\s\S]" if out == "[" else r"[\s\S]"
        while self.peek() != "]":
            char = self.peek()
            if not char:
                raise _Unread
            if char == "\\":
                out += self.escape(True)
            else:
                out += "\\" + char if char in "[&~" else char
                self.at += 1
        self.at += 1
        try:
            re.compile(out + "]")
        except re.error as wrong:
            raise _Unread from wrong
        return out + "]"

    def escape(self, inside: bool) -> str:
        found = _ESCAPE.match(self.text, self.at)
        if not found:
            raise _Unread
        self.at = found.end()
        if found["hex"] or found["braced"] or found["byte"]:
            code = found["hex"] or found["braced"] or found["byte"]
            return _escaped(chr(int(code, 16)), inside)
        if found["control"]:
            return f"\\x{ord(found['control'].upper()) - 64:02x}"
        char = found["char"]
        if char in "dDwWsS":
            return _SHORT[char] if inside and char in "dw" else "\\" + char
        if char in "nrtfv":
            return "\\" + char
        if char == "b" and inside:
            return r"\x08"
        if char == "0":
            return r"\x00"
        if char.isalnum():
            raise _Unread
        return _escaped(char, inside)


_SHORT = {"d": "0-9", "w": "A-Za-z0-9_"}
_COUNTS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_ESCAPE = re.compile(
    r"\\(?:u\{(?P<braced>[0-9A-Fa-f]+)\}|u(?P<hex>[0-9A-Fa-f]{4})|x(?P<byte>[0-9A-Fa-f]{2})|c(?P<control>[A-Za-z])|"
    r"(?P<char>[^pPkuxc]))",
    re.DOTALL,
)


def _escaped(char: str, inside: bool = False) -> str:
    special = r"\^$.|?*+()[]{}" if not inside else r"\^]-[&~"
    if char in "\n\r\t":
        return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}[char]
    return "\\" + char if char in special else char


@lru_cache(maxsize=4096)
def read(pattern: str) -> Node | None:
    """The tree of an expression, or None where it has a part that the wire cannot carry."""
    reader = _Reader(pattern)
    try:
        node = reader.alternatives()
    except (_Unread, ValueError, OverflowError, RecursionError):
        return None
    return node if reader.at == len(pattern) else None


@lru_cache(maxsize=4096)
def whole(pattern: str) -> Node | None:
    """The tree, without anchors, of all texts in which the expression is found."""
    node = read(pattern)
    try:
        return None if node is None else _alternatives(_anchored(option) for option in _spread(node))
    except _Unread:
        return None


def _spread(node: Node) -> list[Node]:
    """Alternatives that hold anchors are taken apart, so that anchors stand at the ends of sequences."""
    if not _has_anchor(node):
        return [node]
    if isinstance(node, Alt):
        return [one for option in node.options for one in _spread(option)]
    if isinstance(node, Seq):
        ways: list[tuple[Node, ...]] = [()]
        for part in node.parts:
            ways = [(*way, *_flat(one)) for way in ways for one in _spread(part)]
            if len(ways) > 64:
                raise _Unread
        return [Seq(way) for way in ways]
    if isinstance(node, Repeat):
        if (node.least, node.most) == (0, 1):
            return [*_spread(node.node), Seq()]
        raise _Unread
    return [node]


def _flat(node: Node) -> tuple[Node, ...]:
    return node.parts if isinstance(node, Seq) else (node,)


def _has_anchor(node: Node) -> bool:
    if isinstance(node, Anchor):
        return True
    if isinstance(node, Repeat):
        return _has_anchor(node.node)
    return any(map(_has_anchor, node.parts if isinstance(node, Seq) else node.options if isinstance(node, Alt) else ()))


def _anchored(node: Node) -> Node:
    parts = list(_flat(node))
    begins = ends = False
    while parts and parts[0] == Anchor("^"):
        parts.pop(0)
        begins = True
    while parts and parts[-1] == Anchor("$"):
        parts.pop()
        ends = True
    if any(map(_has_anchor, parts)):
        raise _Unread
    before: tuple[Node, ...] = () if begins or parts[:1] == [ANYTHING] else (ANYTHING,)
    after: tuple[Node, ...] = () if ends or parts[-1:] == [ANYTHING] else (ANYTHING,)
    if before and after and not parts:
        after = ()
    return Seq((*before, *parts, *after))


def _alternatives(nodes: Iterable[Node]) -> Node:
    options: list[Node] = []
    for node in nodes:
        for option in node.options if isinstance(node, Alt) else (node,):
            if option not in options:
                options.append(option)
    return options[0] if len(options) == 1 else Alt(tuple(options))


# ---- writing


def written(node: Node) -> str:
    """The expression of a tree, anchored at both ends."""
    inner = _write(node)
    return f"^(?:{inner})$" if isinstance(node, Alt) else f"^{inner}$"


def _write(node: Node) -> str:
    if isinstance(node, One):
        return node.text
    if isinstance(node, Seq):
        return "".join(f"(?:{_write(part)})" if isinstance(part, Alt) else _write(part) for part in node.parts)
    if isinstance(node, Alt):
        return "|".join(map(_write, node.options))
    if isinstance(node, Anchor):
        return node.text
    inner = _write(node.node) if isinstance(node.node, One) else f"(?:{_write(node.node)})"
    return _repeated(inner, node.least, node.most)


def _repeated(inner: str, least: int, most: int | None) -> str:
    """A repetition; where its counts are larger than engines take at once, the same in blocks."""
    if max(least, most or 0) <= MOST_AT_ONCE:
        return inner + _count(least, most)
    must = _times(inner, least) if least else ""
    return must + (f"{inner}*" if most is None else _up_to(inner, most - least))


def _times(inner: str, count: int) -> str:
    if count <= MOST_AT_ONCE:
        return inner + _count(count, count)
    blocks, rest = divmod(count, BLOCK)
    return f"(?:{inner}{{{BLOCK}}}){{{blocks}}}" + (inner + _count(rest, rest) if rest else "")


def _up_to(inner: str, count: int) -> str:
    """From none to `count`: whole blocks, then at least what one block lacks, so that no number is left out and a
    text that is too long is refused without trying every way to part it."""
    if count <= MOST_AT_ONCE:
        return inner + _count(0, count) if count else ""
    rest = BLOCK - 1 + (count - BLOCK + 1) % BLOCK
    return f"(?:{inner}{{{BLOCK}}}){_count(0, (count - rest) // BLOCK)}{inner}{_count(0, rest)}"


def _count(least: int, most: int | None) -> str:
    for sign, counts in _COUNTS.items():
        if (least, most) == counts:
            return sign
    if least == most:
        return "" if least == 1 else f"{{{least}}}"
    return f"{{{least},{'' if most is None else most}}}"


def none_of(texts: list[str]) -> str:
    """The expression of all texts but these."""
    return f"^(?:{_none_of(sorted(set(texts)))})$"


def _none_of(texts: list[str]) -> str:
    firsts = sorted({text[0] for text in texts if text})
    options = [] if "" in texts else [""]
    options.append(f"[^{''.join(_escaped(char, True) for char in firsts)}][\\s\\S]*" if firsts else r"[\s\S]+")
    for char in firsts:
        rest = _none_of([text[1:] for text in texts if text[:1] == char])
        options.append(f"{_escaped(char)}(?:{rest})")
    return "|".join(options)


# ---- lengths


def lengths_of(node: Node) -> tuple[int, int | None]:
    """The least and the greatest length of a text."""
    if isinstance(node, One):
        return 1, 1
    if isinstance(node, Repeat):
        least, most = lengths_of(node.node)
        longest = None if most is None or node.most is None else most * node.most
        return least * node.least, 0 if most == 0 else longest
    if isinstance(node, Anchor):
        return 0, 0
    both = [lengths_of(part) for part in (node.parts if isinstance(node, Seq) else node.options)]
    shorts, longs = [least for least, _ in both], [most for _, most in both]
    known = [most for most in longs if most is not None]
    if isinstance(node, Seq):
        return sum(shorts), sum(known) if len(known) == len(longs) else None
    return min(shorts), max(known) if len(known) == len(longs) else None


def bounded(node: Node, least: int, most: int | None) -> tuple[Node | None, bool]:
    """The texts of a tree that have a length in bounds, and whether that is exact; None where there are none. Where it
    cannot be exact the tree stays wider."""
    short, long = lengths_of(node)
    if short >= least and (most is None or (long is not None and long <= most)):
        return node, True
    if (long is not None and long < least) or (most is not None and short > most):
        return None, True
    if isinstance(node, Alt):
        made = [bounded(option, least, most) for option in node.options]
        kept = [option for option, _ in made if option is not None]
        return (_alternatives(kept) if kept else None), all(exact for _, exact in made)
    if isinstance(node, Seq):
        return _bounded_sequence(node, least, most)
    if isinstance(node, Repeat):
        return _bounded_repeat(node, least, most)
    return node, False


def _bounded_sequence(node: Seq, least: int, most: int | None) -> tuple[Node | None, bool]:
    if max(least, most or 0) > MOST_BESIDE and len(node.parts) > 1:
        return (_not_empty(node) if least else node), False
    ranges = [lengths_of(part) for part in node.parts]
    varying = [index for index, (short, long) in enumerate(ranges) if short != long]
    fixed = sum(short for index, (short, _) in enumerate(ranges) if index not in varying)
    if len(varying) == 1:
        index = varying[0]
        part, exact = bounded(node.parts[index], max(0, least - fixed), None if most is None else most - fixed)
        return (None if part is None else replace(node, parts=_put(node.parts, index, part))), exact
    parts = node.parts
    if most is not None:
        for index in varying:
            others = sum(short for at, (short, _) in enumerate(ranges) if at != index)
            part, _ = bounded(parts[index], 0, most - others)
            if part is None:
                return None, True
            parts = _put(parts, index, part)
    narrowed = Seq(parts)
    if most is None or (lengths_of(narrowed)[1] or most + 1) <= most:
        return (_not_empty(narrowed), True) if least == 1 else (narrowed, least <= lengths_of(narrowed)[0])
    return (_not_empty(narrowed) if least == 1 else narrowed), False


def _put(parts: tuple[Node, ...], index: int, part: Node) -> tuple[Node, ...]:
    return (*parts[:index], part, *parts[index + 1 :])


def _bounded_repeat(node: Repeat, least: int, most: int | None) -> tuple[Node | None, bool]:
    short, long = lengths_of(node.node)
    if short == long and short > 0:
        low = max(node.least, -(-least // short))
        high = node.most if most is None else most // short if node.most is None else min(node.most, most // short)
        if high is not None and low > high:
            return None, True
        if max(low, high or 0) > MOST_REPEATS:
            return node, False
        return Repeat(node.node, low, high), True
    if most is not None and short > 0:
        high = most // short if node.most is None else min(node.most, most // short)
        narrowed = Repeat(node.node, min(node.least, high), high) if high <= MOST_REPEATS else node
        return (_not_empty(narrowed) if least == 1 else narrowed), False
    return (_not_empty(node), most is None) if least == 1 else (node, False)


def _not_empty(node: Node) -> Node:
    """The texts of a tree, without the empty one."""
    if lengths_of(node)[0] > 0:
        return node
    if isinstance(node, Alt):
        return _alternatives(_not_empty(option) for option in node.options if lengths_of(option)[1] != 0)
    if isinstance(node, Repeat):
        inner = _not_empty(node.node)
        return Repeat(inner, 1, node.most)
    if isinstance(node, Seq):
        ways = [
            Seq((_not_empty(part), *node.parts[index + 1 :]))
            for index, part in enumerate(node.parts)
            if lengths_of(part)[1] != 0
        ]
        return _alternatives(ways)
    return node
