"""Exact counts: the same as those of OpenAI's own tokenizer, and none where they cannot be had."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.tokenizer import count, counts

# Counted by tiktoken 0.14.0 with the ranks of o200k_base (SHA-256 446a9538...), special tokens as text.
COUNTED = {
    "": 0,
    "The quick brown fox jumps over the lazy dog.": 10,
    "<|endoftext|>": 7,
    "<|endofprompt|> <|im_start|>": 13,
    " \t\n\r\n   \u3000x": 5,
    "Grüße & Söhne 🎉👩‍👩‍👧‍👦": 20,
    "領収書 ¥1,234 サンプル": 10,
    "مرحبا بالعالم": 4,
    "नमस्ते दुनिया": 5,
    "I'LL we've DON'T": 5,
    "e\u0301\u0301 a\u0308": 5,
    "12345678901234567890": 7,
}


@pytest.mark.parametrize(("text", "tokens"), COUNTED.items())
def test_texts_are_counted_as_by_the_models_own_tokenizer(text: str, tokens: int) -> None:
    assert count(text) == tokens


def test_what_is_not_known_is_not_counted() -> None:
    assert count("TOTAL", "a tokenizer") is None
    assert [counts(name) for name in ("o200k_base", "cl100k_base", "", "a tokenizer")] == [True, True, False, False]
    assert count("TOTAL", "cl100k_base") == 1


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_is_counted_and_a_longer_one_has_no_fewer_tokens(one: str, other: str) -> None:
    both = count(one + "\n\n" + other)
    assert both is not None
    assert both >= max(count(one) or 0, 1)


def test_half_characters_are_counted_as_they_go_over_the_wire() -> None:
    assert count("a\ud800b") == count("a?b")


def test_without_the_library_there_is_no_count() -> None:
    code = "import sys; sys.modules['toktok'] = None; from extract.tokenizer import count; print(count('TOTAL'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
