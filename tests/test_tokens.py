"""Estimates of tokens and counts of them: texts lean upwards, images follow the published rule to the token, and a call
is counted as its messages are."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.call import Call, Example, Failed, Part, Shape
from extract.catalogue import ModelFacts
from extract.image_rules import DEAREST, Patches, Tiles
from extract.images import size_of
from extract.jsontext import dump
from extract.models import built_in_catalogue
from extract.prompt import render
from extract.tokenizer import count
from extract.tokens import Count, count_call, estimate, estimate_call, estimate_parts

MINI = built_in_catalogue()["openai/gpt-4o-mini"]

# (text, tokens under o200k as counted by rs-bpe 0.1.0)
COUNTED = [
    ("The quick brown fox jumps over the lazy dog.", 10),
    ("TOTAL (RM) : 1,234.50\nCASH : 1,300.00\n", 22),
    ('{"company": "Acme Ltd.", "lines": [{"price": 4.95, "quantity": 2}]}', 26),
    ("领收书 株式会社山田商店 東京都千代田区", 16),
    ("12345678901234567890", 7),
    ("def total(lines):\n    return sum(line.price for line in lines)\n", 14),
]


@pytest.mark.parametrize(("text", "counted"), COUNTED)
def test_an_estimate_is_not_below_the_truth_and_not_far_above(text: str, counted: int) -> None:
    assert counted == count(text)
    assert counted <= estimate(text) <= counted * 1.6 + 2


@given(st.text(max_size=200))
def test_an_estimate_is_a_number_from_zero_up_and_nothing_is_free_but_nothing(text: str) -> None:
    assert estimate(text) >= 0
    assert (estimate(text) > 0) == bool(text)


@given(st.text(max_size=60), st.integers(2, 5))
def test_a_text_many_times_over_costs_about_so_many_times(text: str, times: int) -> None:
    once = estimate(text + "\n")
    assert estimate((text + "\n") * times) <= once * times + times


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))


def jpeg(width: int, height: int) -> bytes:
    skipped = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    return b"\xff\xd8" + skipped + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + bytes(12)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(4)


def webp(width: int, height: int) -> bytes:
    head = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0" + head


def image(data: bytes) -> Part:
    return Part("image", "scan", digest="d", media_type="image/png", data=data)


@pytest.mark.parametrize("kind", [png, jpeg, gif, webp])
def test_sizes_are_read_from_the_first_bytes(kind: Any) -> None:
    assert size_of(kind(700, 2048)) == (700, 2048)
    assert [size_of(kind(700, 2048)[:cut]) for cut in (0, 3, 9)] == [None] * 3


def test_images_are_counted_by_the_rule_of_the_model() -> None:
    part = image(png(1800, 2400))
    assert estimate_parts([part]) == DEAREST.tokens((1800, 2400)) == 2833 + 4 * 5667
    assert estimate_parts([part, part], Tiles(85, 170)) == 2 * (85 + 4 * 170)
    assert estimate_parts([part], Patches(Decimal("1.62"))) == 2353
    assert estimate_parts([part], Tiles(85, 170), "low") == 85


@pytest.mark.parametrize("data", [b"", b"not an image", png(5, 5)[:18], b"\xff\xd8\xff", png(0, 7)])
def test_an_image_of_unknown_size_counts_as_the_largest(data: bytes) -> None:
    assert estimate_parts([image(data)]) == 2833 + 5667 * 8


def test_a_file_counts_its_pages() -> None:
    one = estimate_parts([Part("file", "a.pdf", data=b"%PDF-1.4 << /Type /Pages /Count 1 >> << /Type /Page >>")])
    two = estimate_parts([Part("file", "a.pdf", data=b"%PDF-1.4 /Type /Pages << /Type/Page >> << /Type /Page\n>>")])
    assert two == 2 * one > 0
    assert estimate_parts([Part("file", "a.pdf", data=b"%PDF-1.4", pages=7)]) == 7 * one


def call(text: str, **more: Any) -> Call:
    shape = Shape("Receipt", {"type": "object"}, {"type": "object", "properties": {"total": {"type": "number"}}})
    return Call("m", 1, "Read it.", (Part("text", "document", text=text),), shape, **more)


EXAMPLES = (Example("TOTAL 7", {"total": 7}, {"total": 7}),)


def test_a_call_counts_its_inputs_beside_what_all_documents_share() -> None:
    short, long = call("TOTAL 4.95"), call("TOTAL 4.95\n" * 100)
    assert estimate_call(long) - estimate_call(short) == pytest.approx(
        estimate("TOTAL 4.95\n" * 100) - estimate("TOTAL 4.95"), abs=20
    )
    assert estimate_call(short) > estimate("Read it.") + estimate("TOTAL 4.95")
    assert estimate_call(call("TOTAL 4.95", examples=EXAMPLES)) > estimate_call(short)
    assert estimate_call(call("TOTAL 4.95", examples=(*EXAMPLES,))) == estimate_call(
        call("TOTAL 4.95", examples=EXAMPLES)
    )


CALLS = [
    call("TOTAL 4.95"),
    call("Grüße 🎉 <|endoftext|> ===", examples=EXAMPLES),
    call("TOTAL 4.95", answer='{"total": 5}', failed=(Failed("/total", 5, "it must be 4.95"),)),
]


@pytest.mark.parametrize("one", CALLS)
def test_a_call_is_counted_as_its_messages_are(one: Call) -> None:
    """By OpenAI's rule: three tokens a message and one for its role, the texts, and three where the answer begins."""
    texts = ["".join(part.text for part in message.parts) for message in render(one, "strict")]
    messages = sum(4 + (count(text) or 0) for text in texts) + 3
    schema = (count(dump(one.shape.wire)) or 0) + 24
    assert count_call(one, MINI) == Count(messages + schema, exact=True)
    assert count_call(one, MINI).tokens <= estimate_call(one, MINI)


def test_a_call_with_images_is_counted_by_the_rule_and_the_detail_of_its_model() -> None:
    text = call("TOTAL 4.95")
    pictured = replace(text, inputs=(*text.inputs, image(png(1024, 1024))))
    small = replace(pictured, settings={"image_detail": "low"})
    for counting in (lambda one, facts: count_call(one, facts).tokens, estimate_call):
        alone = counting(text, MINI)
        assert counting(pictured, MINI) - alone == 2833 + 4 * 5667
        assert counting(small, MINI) - alone == 2833
        assert counting(pictured, built_in_catalogue()["openai/gpt-4.1"]) - alone == 85 + 4 * 170
    assert count_call(pictured, MINI).exact


def test_what_cannot_be_counted_is_estimated_and_says_so() -> None:
    text, unknown = call("TOTAL 4.95"), ModelFacts("compatible/qwen", "compatible")
    assert count_call(text, unknown) == Count(estimate_call(text, unknown), exact=False)
    with_image = replace(text, inputs=(image(png(9, 9)),))
    assert not count_call(with_image, replace(MINI, images=None)).exact
    assert not count_call(replace(text, inputs=(Part("file", "a.pdf", pages=1),)), MINI).exact
