"""Opening documents: what a file is, its content says; its text stands where an eye reads it;
what cannot be opened says so."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.document import Page
from extract.errors import DocumentError
from extract.load import open_document

EXAMPLES = Path(__file__).parent.parent / "examples" / "receipts"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)

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
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(9), "image/jpeg"),
        (b"GIF89a" + bytes(9), "image/gif"),
        (b"RIFF\x04\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_images_go_along_as_they_are(data: bytes, media_type: str) -> None:
    (attachment,) = open_document(data, name="scans/front").attachments
    assert (attachment.kind, attachment.name, attachment.media_type) == ("image", "front", media_type)
    assert attachment.data == data


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

KINDS = "Documents are text (also Markdown, HTML, JSON, CSV), PDF, PNG, JPEG, WebP and GIF."


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
