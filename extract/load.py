"""Opens a file, or its bytes, as a `Document`.

What a file is, its content says, not its name: a PDF called ``scan.txt`` is a PDF. Text is taken as it stands,
Markdown, HTML, JSON and CSV too: a model reads them well. Images go along as attachments, in a format that models take
(`images`). Of a PDF the text is taken in the order in which an eye reads it, row by row with its columns kept apart by
spaces; `PdfUse` says what of it goes to the model. What cannot be opened is a `DocumentError` that says what to do.

A text is never looked into for something else: an address or a data URL that stands in one is a part of it. Whoever
means a data URL says so, with `open_data_url`.

Opening is synchronous and takes processor time; whoever works in an event loop opens in a thread. Which files belong
to a pipeline is not decided here.
"""

from __future__ import annotations

import codecs
import re
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal, NoReturn, get_args
from urllib.parse import unquote_to_bytes

from . import images
from .document import Attachment, Document, Page
from .errors import DocumentError, ExtractError
from .jsontext import canonical, digest

if TYPE_CHECKING:
    import pypdfium2

__all__ = ["PDF_USES", "PdfUse", "open_data_url", "open_document"]

PdfUse = Literal["auto", "text", "file"]
"""What of a PDF goes to the model. ``text``: its text. ``file``: the PDF itself, which the provider shows to the model
as the text and the image of each page; the text that was found here is kept, so that values still have their places.
``auto``: its text, and the PDF beside it where a page is a picture."""

PDF_USES: tuple[PdfUse, ...] = get_args(PdfUse)

_KINDS = f"Documents are text (also Markdown, HTML, JSON, CSV), PDF, and images ({images.KINDS})."

_PDFIUM = threading.RLock()
"""PDFium is not thread-safe: everything that calls it holds this lock."""

_PASSWORD_ERROR = 4
"""FPDF_ERR_PASSWORD of PDFium's public header fpdfview.h."""


_CONTROL = re.compile(r"[\x00-\x07\x0e-\x1a\x1c-\x1f]")
"""Characters that no text has."""


def open_document(source: Path | bytes | bytearray, *, name: str = "", pdf: PdfUse = "auto") -> Document:
    """The document in a file or in bytes. `name` is what it is called, if not by its path; `pdf` says what of a PDF
    goes to the model, and nothing to other documents.

    Raises DocumentError if it is missing, a folder, empty, damaged, locked, or of a kind that is not read.
    """
    if pdf not in PDF_USES:
        raise ExtractError(f"What goes to the model of a PDF is {_listed(PDF_USES)}, not {pdf!r}.")
    called = name or (str(source) if isinstance(source, Path) else "")
    data = _bytes_of(source, called) if isinstance(source, Path) else bytes(source)
    if not data.strip():
        _refuse("The document is empty.", called, "Take it out of the documents, or put in the file that was meant.")
    if _is_pdf(data):
        return _open_pdf(data, called, pdf)
    for recognise, open_kind in _BY_CONTENT:
        if recognise(data):
            return open_kind(data, called)
    return _open_text(data, called)


def open_data_url(url: str, *, name: str = "", pdf: PdfUse = "auto") -> Document:
    """The document in a data URL (RFC 2397), such as ``data:image/png;base64,...``. What it is, its content says, not
    the media type before it. Raises DocumentError, which never holds the data."""
    begin = re.match(r"data:([^,]*),", url[:_LONGEST_HEAD], re.IGNORECASE)
    if begin is None:
        _refuse("This is not a data URL.", name, "It begins as data:image/png;base64, and the data follows.")
    data = unquote_to_bytes(url[begin.end() :])
    if begin[1].lower().endswith(";base64"):
        try:
            bare = data.translate(_WEB_SAFE, b" \t\r\n").rstrip(b"=")
            data = b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
        except ValueError:
            _refuse("The data URL is not valid base64.", name, "It may be cut off: take it from its source again.")
    return open_document(data, name=name, pdf=pdf)


_LONGEST_HEAD = 1000
"""Characters before the comma of a data URL; a media type with its parameters has some dozens."""
_WEB_SAFE = bytes.maketrans(b"-_", b"+/")


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _refuse(message: str, called: str, fix: str) -> NoReturn:
    raise DocumentError(message, called or None, fix)


def _bytes_of(path: Path, called: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        _refuse(
            "There is no such file.", called, "Check the path; it is taken from the folder that the command runs in."
        )
    except IsADirectoryError:
        _refuse(
            "This is a folder, not a document.",
            called,
            "Name a file in it, or all of them with a pattern such as 'folder/*.pdf'.",
        )
    except OSError as error:
        _refuse(
            f"The file cannot be read: {error.strerror or error}.",
            called,
            "Check that it exists and that you may read it.",
        )


# Text


def _open_text(data: bytes, called: str) -> Document:
    text = _decoded(data)
    if text is None:
        _refuse(
            "The file is of a kind that cannot be read.",
            called,
            f"{_KINDS} Convert it to one of them; text should be UTF-8.",
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        _refuse("The document is empty.", called, "Take it out of the documents, or put in the file that was meant.")
    return Document(text=text, source=called)


_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _decoded(data: bytes) -> str | None:
    """The text of the bytes, or None if they are no text.

    A mark at the start decides; then UTF-16 without a mark shows by its zeros, then UTF-8 by its strictness. What is
    left is read as Windows-1252 only if three bytes in four are ASCII: a page of another old encoding would come out
    as letters that nobody wrote.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _as(data, encoding)
    if b"\0" in data:
        even, odd = data[0::2].count(0), data[1::2].count(0)
        if max(even, odd) < len(data) / 4:
            return None
        return _as(data, "utf-16-be" if even > odd else "utf-16-le")
    text = _as(data, "utf-8")
    if text is None and sum(byte < 128 for byte in data) >= 0.75 * len(data):
        text = _as(data, "cp1252")
    return text


def _as(data: bytes, encoding: str) -> str | None:
    """The bytes in this encoding; None if they are not in it, or hold control characters that no text has."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


# Images and other things that begin with a mark of their own


def _open_image(data: bytes, called: str) -> Document:
    named, known = Path(called).name or "image", digest(data)
    attachments = []
    for one in images.pictures(data, called or None):
        name = f"{named}, page {one.page}" if one.page else named
        known_as = digest(canonical([known, one.page])) if one.page else known
        attachments.append(Attachment("image", name, one.media_type, one.data, known_as))
    return Document(attachments=tuple(attachments), source=called)


def _begins(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(marks)


def _is_heic(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


def _open_heic(data: bytes, called: str) -> Document:
    _refuse(
        "The file is a HEIC photo, which is not read: its format is not free.",
        called,
        "Save it as JPEG; a telephone does so by itself where it is set to the most compatible format.",
    )


def _open_archive(data: bytes, called: str) -> Document:
    _refuse(
        "The file is an archive or an office document, which cannot be read.",
        called,
        f"{_KINDS} Save an office document as PDF; unpack an archive first.",
    )


# PDF


def _is_pdf(data: bytes) -> bool:
    """Whether the mark of a PDF stands at the beginning, or within the first kilobyte of what also ends as one; a text
    may speak of it."""
    begins = data[:1024].lstrip(b"\xef\xbb\xbf\0 \t\r\n\f").startswith(b"%PDF-")
    return begins or (b"%PDF-" in data[:1024] and b"startxref" in data[-2048:])


def _open_pdf(data: bytes, called: str, use: PdfUse) -> Document:
    import pypdfium2

    with _PDFIUM:
        try:
            pdf = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            if error.err_code == _PASSWORD_ERROR:
                _refuse("The PDF is locked with a password.", called, "Save a copy without the password and use that.")
            _refuse(
                "The PDF is damaged and cannot be opened.",
                called,
                "Open it in a viewer; if that works, print it to a new PDF.",
            )
        try:
            texts, pictured = _read_pages(pdf, called)
        finally:
            pdf.close()
    return _pdf_document(texts, pictured, data, called, use)


def _pdf_document(texts: list[str], pictured: bool, data: bytes, called: str, use: PdfUse) -> Document:
    """Pages follow each other with a form feed between them, which belongs to neither."""
    pages: list[Page] = []
    start = 0
    for number, text in enumerate(texts, 1):
        pages.append(Page(number, start, start + len(text)))
        start += len(text) + 1
    whole = "\f".join(texts)
    if not whole.strip():
        whole, pages = "", []
    if not whole and not pictured:
        _refuse(
            "The document is empty.", called, "The PDF has pages and nothing on them; take it out of the documents."
        )
    if not whole and use == "text":
        _refuse(
            "The PDF has no text: its pages are pictures.",
            called,
            "Send it whole to a model that takes files.",
        )
    attached: tuple[Attachment, ...] = ()
    if use == "file" or (use == "auto" and pictured):
        named = Path(called).name or "document.pdf"
        attached = (Attachment("file", named, "application/pdf", data, pages=len(texts)),)
    return Document(whole, tuple(pages), attached, called, shown=use != "file")


def _read_pages(pdf: pypdfium2.PdfDocument, called: str) -> tuple[list[str], bool]:
    """The text of each page, and whether a page without text has something drawn on it."""
    from pypdfium2 import PdfiumError

    texts: list[str] = []
    pictured = False
    for number in range(len(pdf)):
        try:
            page = pdf[number]
            textpage = page.get_textpage()
            text = _laid_out(list(_words(textpage)))
            pictured = pictured or (not text and any(True for _ in page.get_objects(max_depth=1)))
            textpage.close()
            page.close()
        except PdfiumError:
            place = f"{called}, page {number + 1}" if called else f"page {number + 1}"
            _refuse(
                "The page is damaged and cannot be read.",
                place,
                "Open the PDF in a viewer; if that works, print it to a new PDF.",
            )
        texts.append(text)
    return texts, pictured


@dataclass(slots=True)
class _Word:
    """Characters that follow each other, and their box in points; `bottom` is below `top`."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    spaced: bool  # whether white space stood before it in the file

    @property
    def height(self) -> float:
        return max(self.top - self.bottom, 0.1)

    def takes(self, left: float, bottom: float, top: float) -> bool:
        """Whether a character at this place goes on the word: on its line and close behind it."""
        middle = (bottom + top) / 2
        return self.bottom <= middle <= self.top and -0.5 * self.height < left - self.right < 0.25 * self.height


def _words(textpage: pypdfium2.PdfTextPage) -> Iterator[_Word]:
    """The words of a page in the order of the file, which need not be the order of reading."""
    from pypdfium2 import raw

    word: _Word | None = None
    spaced = True
    for index in range(textpage.count_chars()):
        char = _character(raw.FPDFText_GetUnicode(textpage, index))
        if char.isspace() or not char:
            spaced = True
            continue
        left, bottom, right, top = textpage.get_charbox(index, loose=True)
        if word is not None and not spaced and word.takes(left, bottom, top):
            word.text += char
            word.right = max(word.right, right)
        else:
            if word is not None:
                yield word
            word = _Word(char, left, bottom, right, top, spaced)
        spaced = False
    if word is not None:
        yield word


def _character(code: int) -> str:
    """PDFium marks a hyphen at the end of a line with code 2, and writes 0 and 0xFFFE where a font names no
    character."""
    if code == 2:
        return "-"
    return "" if code in (0, 0xFFFE) or 0xD800 <= code <= 0xDFFF else chr(code)


def _laid_out(words: list[_Word]) -> str:
    """The page as lines from top to bottom. Words stand one space apart; across a gap wider than a line is high
    they stand at least two apart, under each other as on the page, so that columns can be told by their place. A
    blank line stands where more than a line is free."""
    if not words:
        return ""
    unit = median((word.right - word.left) / len(word.text) for word in words) or 1.0
    margin = min(word.left for word in words)
    text, last = "", None
    for row in _rows(words):
        if last is not None and last.bottom - row[0].top > 1.2 * min(last.height, row[0].height):
            text += "\n"
        text += _line(row, unit, margin).rstrip() + "\n"
        last = row[0]
    return text


def _rows(words: Sequence[_Word]) -> list[list[_Word]]:
    """Words whose middles lie within each other's height, from left to right; rows from top to bottom."""
    rows: list[list[_Word]] = []
    for word in sorted(words, key=lambda word: -(word.top + word.bottom)):
        middle = (word.top + word.bottom) / 2
        first = rows[-1][0] if rows else None
        if first is not None and abs((first.top + first.bottom) / 2 - middle) < 0.45 * min(first.height, word.height):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word.left) for row in rows]


def _line(row: list[_Word], unit: float, margin: float) -> str:
    line, last = "", None
    for word in row:
        if last is None:
            line = " " * round((word.left - margin) / unit)
        else:
            gap = (word.left - last.right) / max(word.height, last.height)
            if gap >= 1:
                line += " " * max(2, round((word.left - margin) / unit) - len(line))
            elif gap > 0.12 or word.spaced:
                line += " "
        line += word.text
        last = word
    return line


_BY_CONTENT: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, str], Document]], ...] = (
    (images.is_image, _open_image),
    (_is_heic, _open_heic),
    (_begins(b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!"), _open_archive),
)
"""How the content of each kind but PDF is known, and what opens it."""
