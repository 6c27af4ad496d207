"""Tokens counted exactly, offline, as the model's own tokenizer does it.

The vocabulary comes inside a library (toktok), so that nothing is fetched when it is first needed. Names of special
tokens that stand in a document, such as ``<|endoftext|>``, are text and counted as text. Where a tokenizer is not known
here, or the library has no build for the machine, the count is None, and whoever asked estimates (`tokens`).

The first count of a process reads the vocabulary, which takes half a second and 70 MB; so this is for planning and for
cutting documents, and not for every call.
"""

from __future__ import annotations

__all__ = ["count", "counts"]

_KNOWN = ("o200k_base", "cl100k_base")


def counts(tokenizer: str) -> bool:
    """Whether texts of this tokenizer are counted here."""
    return count("", tokenizer) is not None


def count(text: str, tokenizer: str = "o200k_base") -> int | None:
    """The tokens of a text, or None where they cannot be counted."""
    if tokenizer not in _KNOWN:
        return None
    try:
        import toktok
    except ImportError:
        return None
    try:
        return int(toktok.batch_count([text], tokenizer, 1)[0])
    except UnicodeEncodeError:  # a half of a character, which goes over the wire as a question mark
        return int(toktok.batch_count([text.encode("utf-8", "replace").decode()], tokenizer, 1)[0])
