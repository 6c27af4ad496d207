"""Images: what a file of one becomes so that a model can read it, and how it is made smaller for the wire.

Models take PNG, JPEG, WebP, and GIF that stands still. `pictures` opens these and the other `KINDS`, and gives what
goes along: the file's own bytes where nothing needs to be done, else a PNG, or a JPEG of what was one. What lies on its
side by its camera's note is turned; the pages of a TIFF are pictures of their own; of what moves the first frame is
kept; what can be seen through lies on white; CMYK, 16 bits and other kinds of pixels become what every reader knows.
What is damaged, or larger than `MOST_PIXELS`, is a `DocumentError` that says what to do.

`fitted` scales a picture down to the size that a model will see of it (`image_rules`), so that less goes over the wire;
where that saves nothing, it goes as it is. The same bytes in give the same bytes out, under one version of Pillow; what
a document is known by does not depend on it.

All of it takes processor time: whoever works in an event loop calls it on a thread. Pillow is imported when it is first
needed; `size_of` reads headers without it.
"""

from __future__ import annotations

import re
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, NoReturn, cast

from .errors import DocumentError
from .image_rules import Size
from .jsontext import digest

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["KINDS", "MOST_PIXELS", "Picture", "fitted", "is_image", "pictures", "size_of"]

KINDS = "PNG, JPEG, WebP, GIF, TIFF, BMP, PPM, ICO, AVIF and JPEG 2000"
"""The kinds of images that are read, for messages."""

MOST_PIXELS = 89_478_485
"""From so many pixels on Pillow warns of a picture that is made to exhaust the memory; no page or photograph has them,
and no model sees a fortieth of them."""

_READ = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "ICO", "AVIF", "JPEG2000")
"""Pillow's names; what else it can open (PostScript, fonts, films) is no document's page."""

_TAKEN = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
"""What models take as it is. MPO is how Pillow calls the JPEG of a telephone that has a second picture behind the
first."""

_QUALITY = 90
"""Of JPEG and WebP, from 1 to 95: no difference to be seen in print."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as a model takes it. `changed` says whether these are other bytes than those of the file; `page`
    counts from 1 where a file has several."""

    media_type: str
    data: bytes
    changed: bool = False
    page: int = 0


# What is an image


def is_image(data: bytes) -> bool:
    """Whether the bytes begin as those of an image that is read here do. A text never does."""
    return any(begins(data) for begins in _BEGINNINGS)


def _mark(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(marks)


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _is_bmp(data: bytes) -> bool:
    """A text may begin with BM, so the length of the second header is looked at as well."""
    return data[:2] == b"BM" and len(data) > 18 and data[6:10] == bytes(4) and data[15:18] == bytes(3)


def _is_ppm(data: bytes) -> bool:
    """The binary kinds; those in digits are text, and are read as such."""
    begins = re.match(rb"P(?:4|[56](?=(?:\s+(?:#.*\n)*\d+){3}\s))(?:\s+(?:#.*\n)*\d+){2}\s", data[:1024])
    return begins is not None and re.search(rb"[^\t\n\r\x20-\x7e]", data[:4096]) is not None


def _is_avif(data: bytes) -> bool:
    return data[4:12] in (b"ftypavif", b"ftypavis")


_BEGINNINGS: tuple[Callable[[bytes], bool], ...] = (
    _mark(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"),
    _mark(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\1\0", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    _is_webp,
    _is_bmp,
    _is_ppm,
    _is_avif,
)


# Opening


def pictures(data: bytes, where: str | None = None) -> tuple[Picture, ...]:
    """The pictures in the bytes of an image: one, or the pages of a TIFF. Raises `DocumentError`."""
    from PIL import Image

    size = size_of(data)
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        _too_large(size, where)
    with _damage(where), Image.open(BytesIO(data), formats=_formats()) as image:
        if image.size[0] * image.size[1] > MOST_PIXELS:
            _too_large(image.size, where)
        media_type = _TAKEN.get(image.format or "")
        if media_type is not None and _as_it_is(image, data):
            _read_through(image)
            return (Picture(media_type, data),)
        made = [_picture(frame, media_type == "image/jpeg") for frame in _frames(image, where)]
    several = len(made) > 1
    return tuple(Picture(*one, changed=True, page=number if several else 0) for number, one in enumerate(made, 1))


@contextmanager
def _damage(where: str | None) -> Iterator[None]:
    """Whatever Pillow's readers meet in a damaged file is one error."""
    from PIL import Image

    try:
        yield
    except DocumentError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        _too_large(None, where)
    except Exception as error:  # each reader raises what its own parser stumbles over
        raise DocumentError(
            "The image is damaged and cannot be opened.",
            where,
            "Open it in a viewer; if that works, save it again as PNG or JPEG.",
        ) from error


def _too_large(size: Size | None, where: str | None) -> NoReturn:
    measures = "" if size is None else f": {size[0]:,} by {size[1]:,} pixels"
    raise DocumentError(
        f"The image is too large to be opened{measures}.",
        where,
        "No model sees more than a small part of so many pixels: scale it down to 6,000 pixels on its longer side, or"
        " cut it into its pages.",
    )


@cache
def _formats() -> tuple[str, ...]:
    """What is read of what this build of Pillow can read."""
    from PIL import Image

    Image.init()
    return tuple(name for name in _READ if name in Image.OPEN)


def _as_it_is(image: Image, data: bytes) -> bool:
    """Whether a model can read these bytes as they are."""
    moves = image.format != "MPO" and getattr(image, "is_animated", False)
    deep = image.format == "PNG" and data[24] == 16  # bits for each colour, of which Pillow's mode does not tell
    ordinary = image.mode in ("1", "L", "P", "RGB", "LA", "RGBA")
    return ordinary and not moves and not deep and _upright(image) and not _see_through(image)


def _upright(image: Image) -> bool:
    try:
        return bool(image.getexif().get(_ORIENTATION, 1) == 1)
    except Exception:  # noqa: BLE001  damaged notes of a camera are no damage to its picture
        return True


_ORIENTATION = 0x0112


def _see_through(image: Image) -> bool:
    """Whether some of it can be seen through; having a channel for it is not enough."""
    if not image.has_transparency_data:
        return False
    alpha = image.convert("RGBA").getchannel("A")
    return alpha.getextrema()[0] != 255


def _read_through(image: Image) -> None:
    """Decodes the picture, which shows its damage; a JPEG at an eighth of its size, which takes a quarter of the
    time."""
    if image.format in ("JPEG", "MPO"):
        image.draft(image.mode, (image.width // 8, image.height // 8))
    image.load()


def _frames(image: Image, where: str | None) -> Iterator[Image]:
    """The pages of a TIFF, without the small copies that some programs put beside them; the first frame of all else."""
    if image.format != "TIFF":
        yield image
        return
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        if image.size[0] * image.size[1] > MOST_PIXELS:
            _too_large(image.size, where)
        if number == 0 or not image.tag_v2.get(_SUBFILE, 0) & 1:  # type: ignore[attr-defined]
            yield image


_SUBFILE = 254


def _picture(frame: Image, lossy: bool) -> tuple[str, bytes]:
    """A frame as PNG or JPEG: upright, in ordinary pixels, on white."""
    from PIL import ImageOps

    frame.load()
    upright = frame if _upright(frame) else ImageOps.exif_transpose(frame)
    return _written(_ordinary(upright), "JPEG" if lossy else "PNG")


def _ordinary(image: Image) -> Image:
    """The same picture in the modes 1, L or RGB. Pixels of more than 8 bits keep their share of the range that they can
    have; of numbers without one, of the range that they do have."""
    from PIL import Image as images

    if image.mode in ("1", "L", "RGB"):
        return image if not image.has_transparency_data else _ordinary(image.convert("RGBA"))
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value / 257).convert("L")
    if image.mode in ("I", "F"):
        low, high = cast(tuple[float, float], image.getextrema())
        low, high = (0, 65535) if image.mode == "I" and low >= 0 and 255 < high <= 65535 else (low, high)
        factor = 255 / (high - low) if high > low else 0.0
        return image.point(lambda value: value * factor - low * factor).convert("L")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        on_white = images.new("RGBA", layer.size, "white")
        on_white.alpha_composite(layer)
        return on_white.convert("L" if image.mode in ("L", "LA", "La") else "RGB")
    return image.convert("RGB")


def _written(image: Image, format: str) -> tuple[str, bytes]:
    out = BytesIO()
    options = {"PNG": {"compress_level": 4}, "JPEG": {"quality": _QUALITY, "subsampling": 0}}
    image.save(out, format, **options.get(format, {"quality": _QUALITY}))
    return _TAKEN[format], out.getvalue()


# Making smaller


_FITTED: OrderedDict[tuple[str, Size], tuple[str, bytes] | None] = OrderedDict()
"""The last pictures that were made smaller, by the digest of what they were made of; None: it stays as it is. A repair,
and a call that is tried again, send their picture again."""
_FITTED_MOST = 64
_FITTED_LOCK = threading.Lock()


def fitted(data: bytes, media_type: str, size: Size) -> tuple[str, bytes]:
    """The media type and the bytes of a picture at this size, which is not larger than its own. It stays as it is where
    that has fewer bytes, or where it cannot be read here."""
    if size_of(data) == size:
        return media_type, data
    key = digest(data), size
    with _FITTED_LOCK:
        if key in _FITTED:
            return _FITTED[key] or (media_type, data)
    made = _scaled(data, size)
    with _FITTED_LOCK:
        _FITTED[key] = made
        while len(_FITTED) > _FITTED_MOST:
            _FITTED.popitem(last=False)
    return made or (media_type, data)


def _scaled(data: bytes, size: Size) -> tuple[str, bytes] | None:
    from PIL import Image

    try:
        with _damage(None), Image.open(BytesIO(data), formats=_formats()) as image:
            kind = image.format if image.format in ("JPEG", "WEBP") else "PNG"
            image.draft(image.mode, size)
            image.load()
            small = _smooth(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
            made = _written(small, kind)
    except DocumentError:
        return None
    return made if len(made[1]) < len(data) else None


def _smooth(image: Image) -> Image:
    """The picture in pixels that can be mixed: two colours become shades of grey, a palette its colours."""
    if image.mode == "1":
        return image.convert("L")
    return _ordinary(image)


# Sizes


def size_of(data: bytes) -> Size | None:
    """Width and height in pixels from the first bytes of a PNG, GIF, WebP or JPEG, or None."""
    for magic, read in _HEADERS:
        if data.startswith(magic):
            try:
                size = read(data)
            except (struct.error, IndexError):
                return None
            return size if size and min(size) > 0 else None
    return None


def _png(data: bytes) -> Size:
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _gif(data: bytes) -> Size:
    width, height = struct.unpack("<HH", data[6:10])
    return width, height


def _webp(data: bytes) -> Size | None:
    form = data[12:16]
    if form == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if form == b"VP8L":
        (bits,) = struct.unpack("<I", data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None


def _jpeg(data: bytes) -> Size | None:
    """Walks the segments to the frame header (SOF0 to SOF15 without DHT, JPG and DAC)."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


_HEADERS: tuple[tuple[bytes, Callable[[bytes], Size | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF8", _gif),
    (b"RIFF", _webp),
    (b"\xff\xd8", _jpeg),
)
