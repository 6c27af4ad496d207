"""Images and files on their way to a model, over real HTTP: what arrives is what the model sees, and no more."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import BaseModel
from test_load import PICTURE, pdf

from extract import extract
from extract.call import Call, Failure, Part, Reply, Shape
from extract.catalogue import Catalogue
from extract.document import Document
from extract.image_rules import DETAILS
from extract.load import open_document
from extract.models import built_in_catalogue, open_model
from extract.models.attached import refusal
from extract.testing import FakeOpenAI

ROOT = Path(__file__).parent.parent
KNOWN = built_in_catalogue()
RECORD = {"total": 4.95}
WIRE = {
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
    "additionalProperties": False,
}
SHAPE = Shape("Receipt", {"type": "object"}, WIRE)


def photo(width: int, height: int, format: str = "JPEG", **options: Any) -> bytes:
    out = BytesIO()
    Image.effect_noise((width, height), 50).save(out, format, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def running() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(lambda request: RECORD) as server:
        yield server


@pytest.fixture
def server(running: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> FakeOpenAI:
    running.reset()
    monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    return running


def call(document: Document, model: str = "openai/gpt-4o-mini", **settings: Any) -> Call:
    return Call(model, 1, "Read it.", document.parts(), SHAPE, settings=settings)


def send(server: FakeOpenAI, one: Call, *, stream: bool = False) -> Reply:
    model = open_model(one.model, KNOWN, {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "any"})

    async def whole() -> Reply:
        if not stream:
            return await model.send(one, timeout=20)
        reply = [piece async for piece in model.stream(one, timeout=20)][-1]
        assert isinstance(reply, Reply)
        return reply

    return asyncio.run(whole())


def arrived(server: FakeOpenAI) -> list[dict[str, Any]]:
    """The parts of the last message of the last request."""
    parts: list[dict[str, Any]] = server.requests[-1].body["messages"][-1]["content"]
    return parts


def picture(part: dict[str, Any]) -> tuple[str, bytes]:
    head, _, data = part["image_url"]["url"].partition(";base64,")
    return head.removeprefix("data:"), b64decode(data)


def size(data: bytes) -> tuple[int, int]:
    return Image.open(BytesIO(data)).size


# Images


@pytest.mark.parametrize(
    ("model", "seen"),
    [
        ("openai/gpt-4o-mini", (768, 1024)),  # tiles: 768 on the shorter side
        ("openai/gpt-4.1", (768, 1024)),
        ("openai/gpt-4.1-mini", (1056, 1408)),  # patches: as in OpenAI's own example
        ("compatible/qwen", (1800, 2400)),  # its rule is not known
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_large_image_arrives_as_large_as_the_model_sees_it(
    server: FakeOpenAI, model: str, seen: tuple[int, int], stream: bool
) -> None:
    data = photo(1800, 2400)
    assert send(server, call(open_document(data), model), stream=stream).text == '{"total": 4.95}'
    (part,) = arrived(server)
    media_type, sent = picture(part)
    assert (media_type, size(sent)) == ("image/jpeg", seen)
    assert (sent == data) == (seen == (1800, 2400))
    assert len(sent) <= len(data)
    assert list(part["image_url"]) == ["url"]


def test_a_small_image_arrives_byte_for_byte(server: FakeOpenAI) -> None:
    data = photo(300, 400, "WEBP")
    send(server, call(open_document(data)))
    assert [picture(part) for part in arrived(server)] == [("image/webp", data)]


def test_an_image_that_lies_on_its_side_arrives_upright(server: FakeOpenAI) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    send(server, call(open_document(photo(2000, 1000, exif=exif))))
    assert [(kind, size(data)) for kind, data in map(picture, arrived(server))] == [("image/jpeg", (768, 1536))]


def test_the_pages_of_a_tiff_arrive_as_images(server: FakeOpenAI) -> None:
    data = photo(300, 400, "TIFF", save_all=True, append_images=[Image.new("L", (30, 40))])
    send(server, call(open_document(data, name="scan.tif")))
    assert [(kind, size(data)) for kind, data in map(picture, arrived(server))] == [
        ("image/png", (300, 400)),
        ("image/png", (30, 40)),
    ]


@pytest.mark.parametrize(("detail", "seen"), [("auto", (768, 1024)), ("high", (768, 1024)), ("low", (384, 512))])
def test_the_detail_goes_with_the_image_and_is_no_parameter(
    server: FakeOpenAI, detail: str, seen: tuple[int, int]
) -> None:
    send(server, call(open_document(photo(1800, 2400)), image_detail=detail, temperature=0))
    (part,) = arrived(server)
    assert part["image_url"]["detail"] == detail
    assert size(picture(part)[1]) == seen
    assert "image_detail" not in server.requests[-1].body
    assert server.requests[-1].body["temperature"] == 0


def test_the_detail_is_a_part_of_what_is_asked() -> None:
    document = Document(text="TOTAL 4.95")
    keys = {call(document, image_detail=detail).key for detail in DETAILS}
    assert len(keys | {call(document).key}) == 4


def test_a_detail_that_does_not_exist_is_refused_before_anything_is_sent(server: FakeOpenAI) -> None:
    reply = send(server, call(open_document(photo(30, 40)), image_detail="hihg"))
    assert reply.failure == Failure(
        "configuration",
        "`image_detail` is auto, low or high, and this is 'hihg'.",
        code="unsupported_parameter",
        fix="Did you mean `high`?",
    )
    assert server.count == 0


# Files


def test_a_pdf_arrives_as_it_is(server: FakeOpenAI) -> None:
    data = pdf([(50, 700, "TOTAL 4.95")])
    send(server, call(open_document(data, name="in/a.pdf", pdf="file")))
    (part,) = arrived(server)
    assert part["type"] == "file"
    assert part["file"]["filename"] == "a.pdf"
    head, _, sent = part["file"]["file_data"].partition(",")
    assert (head, b64decode(sent)) == ("data:application/pdf;base64", data)


def test_a_pdf_that_goes_as_it_is_still_shows_where_values_stand(server: FakeOpenAI) -> None:
    class Receipt(BaseModel):
        total: float

    @extract(model="openai/gpt-4o-mini")
    def read(document: Any) -> Receipt:
        """Read the total."""

    found = read.detail(open_document(pdf([(50, 700, "TOTAL 4.95")], [(50, 700, "page two")]), pdf="file"))
    assert [part["type"] for part in arrived(server)] == ["file"]
    assert (found.evidence["/total"].text, found.evidence["/total"].page) == ("4.95", 1)


# What is refused before anything is sent


def attached(kind: Any, number: int, bytes_each: int) -> Call:
    parts = tuple(Part(kind, f"{i}", digest=f"{i}", data=b"x" * bytes_each) for i in range(number))
    return Call("openai/gpt-4o-mini", 1, "", parts, SHAPE)


MINI = replace(KNOWN["openai/gpt-4o-mini"], most_images=2, most_file_bytes=3_000_000, most_bytes=8_000_000)


@pytest.mark.parametrize(
    ("one", "failure"),
    [
        (attached("image", 2, 3_000_000), None),
        (
            attached("image", 3, 1),
            Failure(
                "document",
                "openai/gpt-4o-mini takes 2 images in one request, and the document has 3.",
                code="too_many_images",
                fix="Split the document into several.",
            ),
        ),
        (attached("file", 3, 1_000_000), None),
        (
            attached("file", 2, 1_550_000),
            Failure(
                "document",
                "openai/gpt-4o-mini takes files of 3.0 MB in one request, and the document has 3.1 MB.",
                code="input_too_large",
                fix="Split it into several documents, or make its pictures smaller.",
            ),
        ),
        (
            attached("image", 2, 3_100_000),
            Failure(
                "document",
                "openai/gpt-4o-mini takes images and files of 6.0 MB in one request, and the document has 6.2 MB.",
                code="input_too_large",
                fix="Split it into several documents, or make its pictures smaller.",
            ),
        ),
    ],
)
def test_what_is_too_much_for_one_request_is_refused(one: Call, failure: Failure | None) -> None:
    assert refusal(one, MINI) == failure


def test_what_a_model_does_not_take_is_refused() -> None:
    facts = Catalogue().facts("compatible/qwen")
    assert refusal(attached("file", 1, 1), facts) == Failure(
        "document",
        "compatible/qwen takes no files, and 0 is one.",
        code="unsupported_input",
        fix="Choose a model that takes it, or give the document as text.",
    )


def test_the_catalogue_has_the_published_limits() -> None:
    facts = KNOWN["openai/gpt-4o-mini"]
    assert (facts.most_images, facts.most_file_bytes, facts.most_bytes) == (1500, 50 * 2**20, 512 * 2**20)


def test_a_file_that_is_too_large_fails_as_a_document_and_nothing_is_sent(server: FakeOpenAI, tmp_path: Path) -> None:
    huge = tmp_path / "huge.pdf"
    huge.write_bytes(pdf(PICTURE) + b"%" + b"x" * (50 * 2**20))

    @extract(model="openai/gpt-4o-mini", attempts=1)
    def read(document: Any) -> dict[str, float]:
        """Read the total."""

    (problem,) = read.detail(huge).problems
    assert problem.kind == "document"
    assert problem.message == (
        "openai/gpt-4o-mini takes files of 52.4 MB in one request, and the document has 52.4 MB."
        " Split it into several documents, or make its pictures smaller."
    )
    assert server.count == 0


# All the way


def test_a_function_reads_a_photo_with_less_detail(server: FakeOpenAI, tmp_path: Path) -> None:
    class Receipt(BaseModel):
        total: float

    path = tmp_path / "front.bmp"
    path.write_bytes(photo(900, 600, "BMP"))

    @extract(model="openai/gpt-4o-mini", settings={"image_detail": "low"})
    def read(document: Any) -> Receipt:
        """Read the total."""

    assert read(path) == Receipt(total=4.95)
    (part,) = arrived(server)
    assert (part["image_url"]["detail"], size(picture(part)[1])) == ("low", (512, 341))


def command(*args: str, given: bytes = b"") -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    asked = [sys.executable, "-m", "extract", *args]
    done = subprocess.run(asked, capture_output=True, input=given, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_a_pipeline_sends_pdfs_whole_where_it_says_so(
    server: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("receipt.json").write_text(
        '{"title": "Receipt", "type": "object", "properties": {"total": {"type": "number"}},'
        ' "required": ["total"], "additionalProperties": false}'
    )
    Path("a.pdf").write_bytes(pdf([(50, 700, "TOTAL 4.95")]))
    Path("p.yaml").write_text(
        "model: openai/gpt-4o-mini\ndocuments: {files: '*.pdf', pdf: file}\n"
        "settings: {image_detail: high}\nsteps:\n  - extract: receipt.json\n"
    )
    command("run", "p.yaml")
    assert [part["type"] for part in arrived(server)] == ["file"]
    given = ["from", "a.pdf", "--schema", "receipt.json", "--model", "openai/gpt-4o-mini", "--prompt"]
    assert "TOTAL 4.95" in command(*given, "--pdf", "text")
    assert "TOTAL 4.95" not in command(*given, "--pdf", "file")
    assert "<file a.pdf application/pdf>" in command(*given, "--pdf", "file")
    given[1] = "-"
    assert "<image - image/png>" in command(*given, given=photo(30, 40, "PNG"))
    assert "TOTAL 7.10" in command(*given, given=b"TOTAL 7.10")
