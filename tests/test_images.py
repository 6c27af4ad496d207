"""Images: what needs nothing goes as it is, everything else becomes what models take, and looks the same."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, TiffImagePlugin

from extract.errors import DocumentError
from extract.images import MOST_PIXELS, Picture, fitted, is_image, pictures, size_of

GRADIENT = Image.linear_gradient("L").resize((60, 40))  # dark above, light below


def made(image: Image.Image, format: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def seen(picture: Picture) -> Image.Image:
    return Image.open(BytesIO(picture.data))


def one(data: bytes) -> Picture:
    assert is_image(data)
    (picture,) = pictures(data)
    return picture


def ends(image: Image.Image) -> tuple[int, int]:
    """The brightness above and below."""
    grey = image.convert("L")
    return grey.getpixel((0, 0)), grey.getpixel((0, grey.height - 1))  # type: ignore[return-value]


# What needs nothing


@pytest.mark.parametrize(
    ("format", "mode", "media_type"),
    [
        *(("PNG", mode, "image/png") for mode in ("1", "L", "P", "RGB", "LA", "RGBA")),
        *(("JPEG", mode, "image/jpeg") for mode in ("L", "RGB")),
        *(("WEBP", mode, "image/webp") for mode in ("RGB", "RGBA")),
        *(("GIF", mode, "image/gif") for mode in ("L", "P")),
    ],
)
def test_an_image_that_needs_nothing_goes_byte_for_byte(format: str, mode: str, media_type: str) -> None:
    data = made(GRADIENT.convert(mode), format)
    assert one(data) == Picture(media_type, data)


def test_the_jpeg_of_a_telephone_with_a_second_picture_behind_it_goes_as_it_is() -> None:
    data = made(GRADIENT, "MPO", save_all=True, append_images=[GRADIENT])
    assert Image.open(BytesIO(data)).format == "MPO"
    assert one(data) == Picture("image/jpeg", data)


# What is converted


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        *(("TIFF", mode) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "LAB", "YCbCr", "I;16", "I", "F")),
        *(("BMP", mode) for mode in ("1", "L", "P", "RGB")),
        *(("PPM", mode) for mode in ("1", "L", "RGB", "I;16")),
        *(("AVIF", "RGB"), ("ICO", "RGBA"), ("JPEG2000", "RGB"), ("JPEG2000", "L"), ("PNG", "I;16")),
    ],
)
def test_other_formats_and_deep_pixels_become_png(format: str, mode: str) -> None:
    wide = mode in ("I;16", "I", "F")
    image = GRADIENT.convert("I").point(lambda value: value * 257) if wide else GRADIENT.convert(mode)
    image = image.convert(mode)
    options = {"sizes": [image.size]} if format == "ICO" else {}
    picture = one(made(image, format, **options))
    assert (picture.media_type, picture.changed) == ("image/png", True)
    assert seen(picture).mode in ("1", "L", "RGB")
    assert seen(picture).size == image.size
    above, below = ends(seen(picture))
    assert above < 16
    assert below > 239


def test_a_jpeg_in_cmyk_becomes_a_jpeg_in_rgb() -> None:
    picture = one(made(GRADIENT.convert("RGB").convert("CMYK"), "JPEG"))
    assert (picture.media_type, seen(picture).mode, picture.changed) == ("image/jpeg", "RGB", True)
    above, below = ends(seen(picture))
    assert above < 16
    assert below > 239


def png_of_16_bits() -> bytes:
    """A PNG of one pixel in three colours of 16 bits, which Pillow reads and does not write."""
    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0\xff\xff\x80\0\0\0")), (b"IEND", b"")]
    written = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def test_a_png_of_16_bits_a_colour_becomes_one_of_8() -> None:
    picture = one(png_of_16_bits())
    assert (seen(picture).mode, seen(picture).getpixel((0, 0))) == ("RGB", (255, 128, 0))


@pytest.mark.parametrize(
    ("format", "mode"),
    [*(("PNG", mode) for mode in ("RGBA", "LA", "P")), ("WEBP", "RGBA"), ("GIF", "RGBA"), ("TIFF", "RGBA")],
)
def test_what_can_be_seen_through_lies_on_white(format: str, mode: str) -> None:
    layer = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    layer.paste((0, 0, 0, 255), (0, 0, 20, 20))
    picture = one(made(layer.convert(mode), format, **({"lossless": True} if format == "WEBP" else {})))
    assert picture.changed
    assert [seen(picture).convert("L").getpixel((x, 10)) for x in (5, 35)] == [0, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_what_the_camera_says_is_turned_is_turned(orientation: int, format: str) -> None:
    stands = Image.new("L", (60, 40), 255)
    stands.paste(0, (0, 0, 20, 10))  # a corner that tells the eight ways apart
    ways = Image.Transpose
    turns = [None, None, ways.FLIP_LEFT_RIGHT, ways.ROTATE_180, ways.FLIP_TOP_BOTTOM]
    turns += [ways.TRANSPOSE, ways.ROTATE_90, ways.TRANSVERSE, ways.ROTATE_270]
    turn = turns[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(format, {})
    picture = one(made(stands.transpose(turn) if turn is not None else stands, format, exif=exif, **options))
    assert picture.changed == (orientation != 1 or format == "TIFF")
    assert seen(picture).size == (60, 40)
    assert seen(picture).getexif().get(0x0112, 1) == 1
    at = [seen(picture).convert("L").getpixel(place) for place in ((3, 3), (56, 3), (3, 36), (56, 36))]
    assert [value > 128 for value in at] == [False, True, True, True]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_what_moves_the_first_frame_is_kept(format: str) -> None:
    frames = [Image.new("L", (20, 10), shade) for shade in (0, 128, 255)]
    picture = one(made(frames[0], format, save_all=True, append_images=frames[1:]))
    assert (picture.media_type, picture.page) == ("image/png", 0)
    assert not getattr(seen(picture), "is_animated", False)
    assert ends(seen(picture))[0] < 3


def test_the_pages_of_a_tiff_are_pictures_without_the_small_copies_beside_them() -> None:
    pages = [Image.new("L", (20, 10), shade) for shade in (0, 90, 180)]
    for page, small in zip(pages, (0, 1, 0), strict=True):
        page.encoderinfo = {"tiffinfo": TiffImagePlugin.ImageFileDirectory_v2()}
        page.encoderinfo["tiffinfo"][254] = small
    found = pictures(made(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert [(one.page, ends(seen(one))[0]) for one in found] == [(1, 0), (2, 180)]


def test_the_same_bytes_give_the_same_bytes() -> None:
    data = made(GRADIENT.convert("CMYK"), "TIFF")
    assert pictures(data) == pictures(data)


# What is not opened

DAMAGED = (
    "The image is damaged and cannot be opened.\n  Open it in a viewer; if that works, save it again as PNG or JPEG."
)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "ICO", "AVIF", "JPEG2000"])
def test_a_file_that_was_cut_off_is_damaged(format: str) -> None:
    data = made(Image.effect_noise((120, 90), 60), format)
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(DocumentError) as caught:
            pictures(data[: max(30, int(share * len(data)))], "in/a")
        assert str(caught.value) == f"in/a: {DAMAGED}"


def test_pictures_made_to_exhaust_the_memory_are_refused() -> None:
    width, height = 20_000, 10_000
    data = made(Image.new("1", (width, height)), "PNG")
    assert len(data) < 50_000
    assert width * height > MOST_PIXELS
    with pytest.raises(DocumentError) as caught:
        pictures(data, "bomb.png")
    assert str(caught.value) == (
        "bomb.png: The image is too large to be opened: 20,000 by 10,000 pixels.\n"
        "  No model sees more than a small part of so many pixels: scale it down to 6,000 pixels on its longer side, or"
        " cut it into its pages."
    )
    with pytest.raises(DocumentError) as hidden:
        pictures(made(Image.new("1", (width, height)), "TIFF", compression="group4"))
    assert hidden.value.message.startswith("The image is too large to be opened")


def opens_or_is_refused(data: bytes) -> bool:
    """Whether there are pictures, or a remedy."""
    try:
        return bool(pictures(data))
    except DocumentError as error:
        return bool(error.fix)


@given(st.data())
def test_a_damaged_image_opens_or_is_refused(data: st.DataObject) -> None:
    format = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]))
    whole = bytearray(made(GRADIENT, format))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place : place + 4] = data.draw(st.binary(min_size=1, max_size=4))
    assert opens_or_is_refused(bytes(whole))


@pytest.mark.parametrize(
    "text",
    ["BMW 320d\nTOTAL 4.95", "P6 4 5 255 to be paid\n", "P4 12 14 pieces", "II* and MM*", "RIFF, then WEBP", "GIF89"],
)
def test_a_text_is_no_image(text: str) -> None:
    assert not is_image(text.encode())


# Making smaller


@pytest.mark.parametrize(
    ("format", "mode", "media_type"),
    [
        ("PNG", "RGB", "image/png"),
        ("PNG", "P", "image/png"),
        ("JPEG", "L", "image/jpeg"),
        ("WEBP", "RGB", "image/webp"),
        ("GIF", "L", "image/png"),
    ],
)
def test_a_picture_is_scaled_to_the_size_that_is_asked(format: str, mode: str, media_type: str) -> None:
    data = made(Image.effect_noise((400, 300), 80).convert(mode), format)
    kind, small = fitted(data, f"image/{format.lower()}", (100, 75))
    assert (kind, size_of(small)) == (media_type, (100, 75))
    assert len(small) < len(data)
    assert fitted(data, f"image/{format.lower()}", (100, 75)) == (kind, small)


def test_a_picture_stays_as_it_is_where_scaling_saves_nothing() -> None:
    drawing = Image.new("1", (2000, 1500))
    ImageDraw.Draw(drawing).ellipse((200, 200, 1800, 1300), fill=1)
    bilevel = made(drawing, "PNG")
    assert fitted(bilevel, "image/png", (1024, 768)) == ("image/png", bilevel)
    whole = made(GRADIENT, "PNG")
    assert fitted(whole, "image/png", (60, 40)) == ("image/png", whole)
    assert fitted(b"not an image", "image/png", (60, 40)) == ("image/png", b"not an image")


def test_a_bilevel_scan_becomes_shades_of_grey() -> None:
    scan = Image.effect_noise((1200, 900), 90).convert("1")
    _, small = fitted(made(scan, "PNG"), "image/png", (120, 90))
    assert Image.open(BytesIO(small)).mode == "L"
