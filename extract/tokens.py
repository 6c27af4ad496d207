"""How many tokens a call has, before it is sent: estimated in a moment, or counted.

Budgets and rate limits reserve tokens ahead of every call. Too low an estimate breaks them and too high a one wastes
them, so `estimate` is made to be rarely below the truth of o200k, the tokenizer of gpt-4o and gpt-4o-mini, and to take
less than 100 µs for a page. It knows the shape of a text (words, digits, scripts), not the tokenizer's vocabulary.
`count_call` takes longer and counts (`tokenizer`), for a plan and for whoever cuts a document; its `Count` says whether
it could.

Images follow the model's published rule (`image_rules`) where their size can be read from their first bytes, and the
most that the rule allows where it cannot. What a provider makes of a schema or of a file is not published: they are
estimated in any case.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil

from .call import Call, Example, Part
from .catalogue import ModelFacts
from .image_rules import DEAREST, DETAILS, Detail, ImageRule
from .images import size_of
from .jsontext import dump
from .prompt import Message, common, own
from .tokenizer import count, counts

__all__ = ["Count", "count_call", "estimate", "estimate_call", "estimate_parts"]

# A text's UTF-8 bytes are turned into one letter for each character (continuation bytes are dropped), so that every
# feature is a count over a byte string. Lead bytes tell the scripts apart: e Latin with marks, c Greek and Cyrillic,
# g right-to-left, Indic and Thai scripts, kana and Hangul, h Han and more Latin (Vietnamese), u signs, punctuation,
# full-width and private characters, m emoji and rare planes.
_SCRIPTS = dict(zip((0xC2, 0xCE, 0xD4, 0xE1, 0xE2, 0xE3, 0xE4, 0xEA, 0xEE, 0xF0), "ecghughgum", strict=True))


def _letter(byte: int) -> str:
    if byte < 0x80:
        one = chr(byte)
        tests: tuple[tuple[bool, str], ...] = (
            (one.islower(), "a"),
            (one.isupper(), "A"),
            (one.isdigit(), "0"),
            (one in "\r\n", "\n"),
            (one.isspace(), " "),
        )
        return next((letter for holds, letter in tests if holds), ".")
    return next((letter for first, letter in reversed(_SCRIPTS.items()) if byte >= first), "e")


def _table(marked: str, mark: str = "x", other: str = ".") -> bytes:
    """A translation of bytes into two letters, so that a run of the marked ones begins where ``other mark`` stands."""
    return bytes(ord(mark if _letter(byte) in marked else other) for byte in range(256))


_CLASSES = bytes(ord(_letter(byte)) for byte in range(256))
_WORDS, _NUMBERS, _CYRILLIC, _SPACES = _table("aAe"), _table("0"), _table("c"), _table(" ", " ", "x")
_CONTINUATION = bytes(range(0x80, 0xC0))

# Weights in tokens, so set that few texts come out below the truth, by counts of toktok 0.3.0. Only counts of one to
# five bytes are taken: each costs 2 to 5 µs for 5 KB, and a regular expression 20 to 90. Estimate / truth over pieces
# of 300 to 4,000 characters, lowest and median, and the share of pieces below 1:
#   scanned receipts 1.17 1.26 0 %, contracts 1.07 1.25 0 %, invoices 1.15 1.23 0 %, JSON Schemas 1.09 1.23 0 %,
#   Python's library 1.09 1.30 0 %, Markdown about code 0.98 1.12 3 %, CSV 1.31 1.34 0 %, amounts 1.32 1.33 0 %,
#   digits 1.17 1.19 0 %, base64 1.03 1.08 0 %, hexadecimal 1.60 1.62 0 %;
#   vim's tutor in 33 languages: lowest 0.97 (Croatian) to 1.74 (Vietnamese), median 1.17 (Esperanto) to 1.94; Chinese
#   1.18 1.26, Japanese 1.30 1.37, Korean 1.14 1.31, Russian 1.20 1.49, French 1.34 1.50, German 1.18 1.37, all 0 %.
# Strings of random letters and of random punctuation are estimated at 0.6 and 0.8 of it. The table is made by
# `python -m benchmarks.tokens --texts FILES`.
_WEIGHTS: tuple[tuple[bytes, float], ...] = (
    *((b"aaa", 0.36), (b"aaaaa", 0.25), (b"A", 0.28), (b"aA", 0.75), (b".", 0.3), (b"..", 0.45), (b"\n", 0.8)),
)
_FOREIGN: tuple[tuple[bytes, float], ...] = ((b"e", 1.9), (b"g", 0.87), (b"h", 1.0), (b"u", 1.3), (b"m", 2.4))
_PER_DIGIT, _PER_NUMBER, _PER_CYRILLIC_WORD = 1 / 3, 1.8, 2.6
_ENGLISH = (b" the ", b" of ", b" and ", b" to ")
"""o200k knows English words whole: these say how much of a text is English."""
_ENGLISH_DISCOUNT = 2.0
_LEAN = 1.05


def estimate(text: str) -> int:
    """The tokens of a text under o200k, leaning upwards; of an empty text 0. 70 µs for 5 KB of English."""
    if not text:
        return 0
    data = text.encode("utf-8", "replace")
    classes = data.translate(_CLASSES, _CONTINUATION)
    words = _runs(data, _WORDS)
    total = words + sum(classes.count(part) * weight for part, weight in _WEIGHTS)
    total += data.translate(_SPACES, _CONTINUATION).count(b"  x")  # runs of spaces; a single one belongs to its word
    if digits := classes.count(b"0"):
        total += digits * _PER_DIGIT + _runs(data, _NUMBERS) * _PER_NUMBER
    if not text.isascii():
        total += sum(classes.count(part) * weight for part, weight in _FOREIGN)
        total += _runs(data, _CYRILLIC) * _PER_CYRILLIC_WORD
    total -= _ENGLISH_DISCOUNT * sum(data.count(word) for word in _ENGLISH)
    return ceil(max(total, words, 1) * _LEAN)


def _runs(data: bytes, table: bytes) -> int:
    marks = data.translate(table, _CONTINUATION)
    return marks.count(b".x") + marks.startswith(b"x")


# Images and files

_PAGE = (1240, 1754)
"""The size of a page of A4 at 150 dots an inch: OpenAI reads a PDF as the text and the image of each page."""
_PAGE_TEXT = 800
"""Tokens of text on a dense page."""
_PAGE_BYTES = 2_000
"""A file whose pages can't be counted is taken to have one page for so many bytes, at most 100."""


def estimate_parts(parts: Iterable[Part], rule: ImageRule | None = None, detail: Detail = "auto") -> int:
    """The tokens of these inputs together. Images follow `rule` (None: the dearest that is known); a file counts each
    page as an image and a dense page of text, which is rough and leans upwards."""
    return sum(_part(part, rule or DEAREST, detail, estimate) for part in parts)


def _part(part: Part, rule: ImageRule, detail: Detail, measure: Callable[[str], int]) -> int:
    if part.kind == "image":
        return rule.tokens(size_of(part.data), detail)
    if part.kind == "file":
        return _pages(part) * (rule.tokens(_PAGE) + _PAGE_TEXT)
    return measure(part.text)


def _pages(part: Part) -> int:
    marked = part.pages or len(re.findall(rb"/Type\s*/Page(?!s)", part.data))
    return marked or min(100, ceil(len(part.data) / _PAGE_BYTES) or 1)


# Calls

_MESSAGE = 4
"""A message has three tokens beside its content, and one for its role; the answer's beginning has three. Source:
OpenAI's cookbook, "How to count tokens with tiktoken", section 6."""
_ANSWER = 3
_SCHEMA = 24
"""Tokens around a schema, which the provider puts into the prompt in a form that is not published; leaning upwards."""


@dataclass(frozen=True, slots=True)
class Count:
    """The input tokens of a call. `exact` says whether its messages were counted, by the model's own tokenizer and by
    the published rules; the share of the schema is an estimate in any case."""

    tokens: int
    exact: bool


def estimate_call(call: Call, facts: ModelFacts | None = None) -> int:
    """The input tokens of a call with its messages and its wire schema, leaning upwards. What documents have in common
    (instructions, examples, schema) is estimated once."""
    return _whole(call, facts, "", estimate)


def count_call(call: Call, facts: ModelFacts) -> Count:
    """The input tokens of a call for this model, counted where that can be done."""
    if not counts(facts.tokenizer):
        return Count(estimate_call(call, facts), False)
    kinds = {part.kind for part in call.inputs}
    exact = "file" not in kinds and ("image" not in kinds or facts.images is not None)
    return Count(_whole(call, facts, facts.tokenizer, lambda text: count(text, facts.tokenizer) or 0), exact)


def _whole(call: Call, facts: ModelFacts | None, tokenizer: str, measure: Callable[[str], int]) -> int:
    rule = (facts and facts.images) or DEAREST
    asked = call.settings.get("image_detail")
    detail: Detail = asked if asked in DETAILS else "auto"
    return _messages(own(call), rule, detail, measure) + _common(call, tokenizer, measure)


def _messages(messages: Iterable[Message], rule: ImageRule, detail: Detail, measure: Callable[[str], int]) -> int:
    return sum(_MESSAGE + sum(_part(part, rule, detail, measure) for part in message.parts) for message in messages)


_Known = OrderedDict[tuple[str, str, str, str, int], tuple[tuple[Example, ...], int]]
_KNOWN: _Known = OrderedDict()
"""What calls have in common, by tokenizer, schema, instructions, what is asked, and the identity of the examples, which
are kept beside it so that it stays theirs."""
_KNOWN_MOST = 256


def _common(call: Call, tokenizer: str, measure: Callable[[str], int]) -> int:
    key = (tokenizer, call.shape.fingerprint, call.instructions, call.ask, id(call.examples))
    known = _KNOWN.get(key)
    if known is None:
        tokens = _messages(common(call, "strict"), DEAREST, "auto", measure)
        tokens += measure(dump(call.shape.wire)) + _SCHEMA + _ANSWER
        known = _KNOWN[key] = (call.examples, tokens)
        while len(_KNOWN) > _KNOWN_MOST:
            _KNOWN.popitem(last=False)
    return known[1]
