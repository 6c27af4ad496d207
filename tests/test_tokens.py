"""Estimates of tokens: they never fall when a text grows, and images follow the published rule to the token."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.call import Call, Example, Part, Shape
from extract.tokens import ImageRule, estimate, estimate_call, estimate_parts

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
@pytest.mark.parametrize(
    ("width", "height", "tiles"),
    [(512, 512, 1), (1024, 1024, 4), (2048, 4096, 6), (300, 1500, 3), (8000, 8000, 4), (1, 1, 1), (700, 2048, 8)],
)
def test_images_are_counted_by_their_tiles(kind: object, width: int, height: int, tiles: int) -> None:
    part = image(kind(width, height))  # type: ignore[operator]
    assert estimate_parts([part]) == 2833 + 5667 * tiles
    assert estimate_parts([part], ImageRule(85, 170)) == 85 + 170 * tiles


@pytest.mark.parametrize("data", [b"", b"not an image", png(5, 5)[:18], b"\xff\xd8\xff", png(0, 7)])
def test_an_image_of_unknown_size_counts_as_the_largest(data: bytes) -> None:
    assert estimate_parts([image(data)]) == 2833 + 5667 * 8


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_no_image_counts_more_than_one_of_unknown_size(width: int, height: int) -> None:
    rule = ImageRule()
    assert rule.tokens((width, height)) <= rule.tokens(None)


def test_a_file_counts_its_pages() -> None:
    one = estimate_parts([Part("file", "a.pdf", data=b"%PDF-1.4 << /Type /Pages /Count 1 >> << /Type /Page >>")])
    two = estimate_parts([Part("file", "a.pdf", data=b"%PDF-1.4 /Type /Pages << /Type/Page >> << /Type /Page\n>>")])
    assert two == 2 * one > 0


def call(text: str, **more: object) -> Call:
    shape = Shape("Receipt", {"type": "object"}, {"type": "object", "properties": {"total": {"type": "number"}}})
    return Call("m", 1, "Read it.", (Part("text", "document", text=text),), shape, **more)  # type: ignore[arg-type]


def test_a_call_counts_its_inputs_beside_what_all_documents_share() -> None:
    short, long = call("TOTAL 4.95"), call("TOTAL 4.95\n" * 100)
    assert estimate_call(long) - estimate_call(short) == pytest.approx(
        estimate("TOTAL 4.95\n" * 100) - estimate("TOTAL 4.95"), abs=20
    )
    assert estimate_call(short) > estimate("Read it.") + estimate("TOTAL 4.95")
    with_example = call("TOTAL 4.95", examples=(Example("TOTAL 7", {"total": 7}, {"total": 7}),))
    assert estimate_call(with_example) > estimate_call(short)
