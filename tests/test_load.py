"""Opening documents: what a file is, its content says; its text stands where an eye reads it;
what cannot be opened says so."""

from __future__ import annotations

import re
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from extract.document import Document, Page
from extract.errors import DocumentError, ExtractError
from extract.jsontext import digest
from extract.load import open_data_url, open_document
from extract.models import built_in_catalogue

EXAMPLES = Path(__file__).parent.parent / "examples" / "receipts"


def image(format: str, **options: Any) -> bytes:
    out = BytesIO()
    Image.linear_gradient("L").resize((30, 20)).save(out, format, **options)
    return out.getvalue()


PNG = image("PNG")

Drawn = Sequence[tuple[int, int, str]]


def pdf(*pages: Drawn | bytes, trailer: str = "") -> bytes:
    """A PDF of pages: texts at places, in points from the lower left, or a content stream as it is."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for i, page in enumerate(pages):
        stream = page if isinstance(page, bytes) else b"".join(_shown(*one) for one in page)
        box = "/Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F 3 0 R >> >>"
        objects.append(f"<< /Type /Page {box} /Contents {5 + 2 * i} 0 R >>".encode())
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    tail = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\n"
    return out + f"{tail}startxref\n{len(out)}\n%%EOF\n".encode()


def _shown(x: int, y: int, text: str) -> bytes:
    return f"BT /F 10 Tf {x} {y} Td ({text}) Tj ET\n".encode()


PICTURE = b"0 0 200 200 re f"
LOCKED = pdf(
    [(10, 10, "x")],
    trailer=f"/ID [<{'ab' * 16}> <{'ab' * 16}>] "
    f"/Encrypt << /Filter /Standard /V 1 /R 2 /O <{'cd' * 32}> /U <{'ef' * 32}> /P -4 >>",
)


# Text


@given(st.text(min_size=1).filter(lambda text: text.strip() and all(ch >= " " and ch not in "\ufeff" for ch in text)))
def test_text_in_utf_8_comes_out_as_it_is(text: str) -> None:
    try:
        document = open_document(text.encode())
    except UnicodeEncodeError:
        return
    assert (document.text, document.attachments, document.pages) == (text, (), ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings_are_told_by_their_marks_or_their_bytes(encoding: str) -> None:
    text = "Café Müller\nTOTAL 4,95 €\n"
    assert open_document(text.encode(encoding)).text == text


def test_line_ends_become_one_kind() -> None:
    assert open_document(b"a\r\nb\rc\n").text == "a\nb\nc\n"


def test_markup_and_tables_are_text_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<p>TOTAL 1</p>")
    assert open_document(path).text == "<p>TOTAL 1</p>"


def test_a_document_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "scan.txt"
    path.write_bytes(PNG)
    document = open_document(path)
    assert (document.attachments[0].kind, document.attachments[0].media_type) == ("image", "image/png")
    assert document.source == str(path)
    assert document.id == open_document(PNG, name="other").id


@pytest.mark.parametrize(
    ("format", "media_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp")],
)
def test_images_go_along_as_they_are(format: str, media_type: str) -> None:
    data = image(format)
    (attachment,) = open_document(data, name="scans/front").attachments
    assert (attachment.kind, attachment.name, attachment.media_type) == ("image", "front", media_type)
    assert (attachment.data, attachment.digest) == (data, digest(data))


def test_an_image_that_was_converted_is_known_by_what_was_given() -> None:
    data = image("BMP")
    (attachment,) = open_document(data, name="scan.bmp").attachments
    assert (attachment.media_type, attachment.digest) == ("image/png", digest(data))
    assert attachment.data != data


def test_the_pages_of_a_tiff_are_attachments_of_their_own() -> None:
    pages = [Image.new("L", (20, 10), shade) for shade in (0, 90, 180)]
    out = BytesIO()
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    document = open_document(out.getvalue(), name="in/scan.tif")
    assert [one.name for one in document.attachments] == [f"scan.tif, page {number}" for number in (1, 2, 3)]
    assert [Image.open(BytesIO(one.data)).getpixel((0, 0)) for one in document.attachments] == [0, 90, 180]
    assert len({one.digest for one in document.attachments}) == 3
    assert document.id == open_document(out.getvalue()).id


# Data URLs


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64," + b64encode(PNG).decode(),
        "DATA:image/jpeg;name=a.jpg;BASE64," + b64encode(PNG).decode().rstrip("="),
        "data:;base64," + urlsafe_b64encode(PNG).decode(),
        "data:image/png;base64," + quote(b64encode(PNG).decode()),
        "data:image/png;base64,\n " + b64encode(PNG).decode()[:40] + "\r\n" + b64encode(PNG).decode()[40:],
        "data:application/octet-stream," + quote(PNG),
    ],
)
def test_a_data_url_holds_the_document_that_its_bytes_are(url: str) -> None:
    assert open_data_url(url, name="front.png") == open_document(PNG, name="front.png")


def test_a_data_url_may_hold_text_and_pdf() -> None:
    assert open_data_url("data:,TOTAL%204.95").text == "TOTAL 4.95"
    url = "data:application/pdf;base64," + b64encode(pdf([(50, 700, "one")])).decode()
    assert open_data_url(url, pdf="file").attachments[0].media_type == "application/pdf"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("TOTAL 4.95", "This is not a data URL.\n  It begins as data:image/png;base64, and the data follows."),
        (
            "data:image/png;base64",
            "This is not a data URL.\n  It begins as data:image/png;base64, and the data follows.",
        ),
        (
            "data:image/png;base64,AAA!",
            "The data URL is not valid base64.\n  It may be cut off: take it from its source again.",
        ),
        (
            "data:image/png;base64,AAAAA",
            "The data URL is not valid base64.\n  It may be cut off: take it from its source again.",
        ),
        (
            "data:image/png;base64,",
            "The document is empty.\n  Take it out of the documents, or put in the file that was meant.",
        ),
    ],
)
def test_what_is_no_data_url_says_so(url: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        open_data_url(url)
    assert str(caught.value) == message


def test_a_text_is_never_looked_into_for_a_data_url(tmp_path: Path) -> None:
    url = "data:image/png;base64," + b64encode(PNG).decode()
    (tmp_path / "url.txt").write_text(url)
    assert open_document(url.encode()) == Document(text=url)
    assert open_document(tmp_path / "url.txt").text == url


# PDF


def test_the_text_of_a_pdf_stands_as_an_eye_reads_it() -> None:
    drawn = [(400, 700, "9.50"), (50, 680, "Total"), (50, 700, "Coffee"), (400, 680, "9.50")]
    lines = open_document(pdf(drawn)).text.splitlines()
    assert [line.split() for line in lines] == [["Coffee", "9.50"], ["Total", "9.50"]]
    assert lines[0].index("9.50") == lines[1].index("9.50")
    assert "  " in lines[0]


def test_words_of_a_sentence_stand_one_space_apart() -> None:
    assert open_document(pdf([(50, 700, "Thank you for coming")])).text == "Thank you for coming\n"


def test_pages_are_ranges_of_the_text() -> None:
    document = open_document(pdf([(50, 700, "one")], [(50, 700, "two")]))
    assert document.text == "one\n\ftwo\n"
    assert document.pages == (Page(1, 0, 4), Page(2, 5, 9))
    assert [document.text[page.start : page.end] for page in document.pages] == ["one\n", "two\n"]
    assert document.page_at(document.text.index("two")) == 2
    assert document.attachments == ()


def test_a_scanned_pdf_goes_along_whole() -> None:
    data = pdf(PICTURE)
    document = open_document(data, name="in/scan.pdf")
    assert document.text == ""
    (attachment,) = document.attachments
    assert (attachment.kind, attachment.name, attachment.media_type) == ("file", "scan.pdf", "application/pdf")
    assert attachment.data == data


def test_a_pdf_with_one_scanned_page_keeps_its_text_and_goes_along() -> None:
    document = open_document(pdf([(50, 700, "one")], PICTURE))
    assert document.text.startswith("one\n")
    assert [one.media_type for one in document.attachments] == ["application/pdf"]


def test_what_of_a_pdf_goes_to_the_model_can_be_said() -> None:
    mixed = pdf([(50, 700, "one")], PICTURE)
    text, file = open_document(mixed, pdf="text"), open_document(mixed, name="a.pdf", pdf="file")
    assert [part.kind for part in text.parts()] == ["text"]
    assert [part.kind for part in open_document(mixed).parts()] == ["text", "file"]
    assert [(part.kind, part.name, part.pages) for part in file.parts()] == [("file", "a.pdf", 2)]
    assert file.text == text.text  # so that values have their places
    assert not file.empty
    with pytest.raises(DocumentError) as caught:
        open_document(pdf(PICTURE), name="a.pdf", pdf="text")
    assert str(caught.value) == (
        "a.pdf: The PDF has no text: its pages are pictures.\n  Send it whole to a model that takes files."
    )
    with pytest.raises(ExtractError) as wrong:
        open_document(mixed, pdf="whole")  # type: ignore[arg-type]
    assert str(wrong.value) == "What goes to the model of a PDF is auto, text or file, not 'whole'."


def test_threads_may_open_pdfs_at_the_same_time() -> None:
    data = pdf(*([(50, 700 - 20 * i, f"line {i}") for i in range(30)] for _ in range(5)))
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(open_document(data).text)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 8
    assert len(set(texts)) == 1


# What cannot be opened

KINDS = (
    "Documents are text (also Markdown, HTML, JSON, CSV), PDF, and images (PNG, JPEG, WebP, GIF, TIFF, BMP, PPM, ICO,"
    " AVIF and JPEG 2000)."
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.x: The document is empty.\n  Take it out of the documents, or put in the file that was meant."),
        (b" \n\t", "a.x: The document is empty.\n  Take it out of the documents, or put in the file that was meant."),
        (
            "\ufeff\n".encode(),
            "a.x: The document is empty.\n  Take it out of the documents, or put in the file that was meant.",
        ),
        (
            b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x91\x92" * 30,
            "a.x: The file is of a kind that cannot be read.\n"
            f"  {KINDS} Convert it to one of them; text should be UTF-8.",
        ),
        (
            "日本語の領収書".encode("shift-jis"),
            "a.x: The file is of a kind that cannot be read.\n"
            f"  {KINDS} Convert it to one of them; text should be UTF-8.",
        ),
        (
            b"PK\x03\x04word/document.xml",
            "a.x: The file is an archive or an office document, which cannot be read.\n"
            f"  {KINDS} Save an office document as PDF; unpack an archive first.",
        ),
        (
            b"%PDF-1.7 and then nothing",
            "a.x: The PDF is damaged and cannot be opened.\n"
            "  Open it in a viewer; if that works, print it to a new PDF.",
        ),
        (
            PNG[:50],
            "a.x: The image is damaged and cannot be opened.\n"
            "  Open it in a viewer; if that works, save it again as PNG or JPEG.",
        ),
        (
            b"\0\0\0\x18ftypheic" + bytes(20),
            "a.x: The file is a HEIC photo, which is not read: its format is not free.\n"
            "  Save it as JPEG; a telephone does so by itself where it is set to the most compatible format.",
        ),
        (LOCKED, "a.x: The PDF is locked with a password.\n  Save a copy without the password and use that."),
        (
            pdf(b""),
            "a.x: The document is empty.\n  The PDF has pages and nothing on them; take it out of the documents.",
        ),
    ],
)
def test_what_cannot_be_opened_says_what_to_do(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        open_document(data, name="a.x")
    assert str(caught.value) == message


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as missing:
        open_document(tmp_path / "no.txt")
    assert str(missing.value) == (
        f"{tmp_path / 'no.txt'}: There is no such file.\n"
        "  Check the path; it is taken from the folder that the command runs in."
    )
    with pytest.raises(DocumentError) as folder:
        open_document(tmp_path)
    assert str(folder.value) == (
        f"{tmp_path}: This is a folder, not a document.\n"
        "  Name a file in it, or all of them with a pattern such as 'folder/*.pdf'."
    )


def test_bytes_without_a_name_have_no_place() -> None:
    with pytest.raises(DocumentError) as caught:
        open_document(b"")
    assert caught.value.where is None


def opens_or_is_refused(data: bytes) -> bool:
    """Whether something is there to read, or a remedy."""
    try:
        return not open_document(data).empty
    except DocumentError as error:
        return bool(error.fix)


@given(st.binary(max_size=200))
def test_any_bytes_open_or_are_refused(data: bytes) -> None:
    assert opens_or_is_refused(data)


@given(st.integers(0, 1500), st.binary(min_size=1, max_size=4))
def test_a_damaged_pdf_opens_or_is_refused(place: int, patch: bytes) -> None:
    whole = (EXAMPLES / "13-tidewater-print.pdf").read_bytes()
    data = whole[:place] + patch + whole[place + len(patch) :]
    assert opens_or_is_refused(data)


def test_what_the_documentation_shows_runs() -> None:
    shown = (Path(__file__).parent.parent / "docs" / "inputs.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", shown, re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        exec(block, {})


def test_the_documentation_has_the_tokens_of_an_image() -> None:
    shown = (Path(__file__).parent.parent / "docs" / "inputs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (gpt-[^|]*) \|.*?([\d,]+) \|(?:[^|=]*=)? ?(\d+) \|$", shown, re.MULTILINE)
    assert len(rows) == 5
    for names, high, low in rows:
        for name in names.split(", "):
            rule = built_in_catalogue()[f"openai/{name}"].images
            assert rule is not None
            assert (f"{rule.tokens((1024, 1024)):,}", str(rule.tokens((1024, 1024), "low"))) == (high, low)
