"""The images and files of a call as parts of a message of OpenAI's chat protocol.

An image is scaled down to what the model will see of it (`image_rules`), so that no more goes over the wire; how
closely the model looks is the setting ``image_detail``, which is sent with each image and is no sampling parameter.
What the model does not take, or not so much of, is refused before anything is sent, with a `Failure` that says what to
do.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from ..call import Call, Failure, Part
from ..catalogue import ModelFacts
from ..images import fitted, size_of
from ..settings import wrong

__all__ = ["IMAGE_DETAIL", "part_of", "refusal"]

IMAGE_DETAIL = "image_detail"
"""The setting: ``auto``, ``low`` or ``high``."""


def part_of(part: Part, call: Call, facts: ModelFacts) -> dict[str, Any]:
    """An image or a file as it stands in a message. A call with a `refusal` has none."""
    if part.kind == "file":
        return {"type": "file", "file": {"filename": part.name, "file_data": _data_url(part.media_type, part.data)}}
    detail = call.settings.get(IMAGE_DETAIL)
    media_type, data, size = part.media_type, part.data, size_of(part.data)
    if facts.images is not None and size is not None:
        media_type, data = fitted(data, media_type, facts.images.seen(size, detail or "auto"))
    url = {"url": _data_url(media_type, data)}
    return {"type": "image_url", "image_url": url if detail is None else {**url, "detail": detail}}


def _data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode('ascii')}"


def refusal(call: Call, facts: ModelFacts) -> Failure | None:
    """Why a call is not sent for what it carries beside text, if so."""
    attached = [part for part in call.inputs if part.kind in ("image", "file")]
    if not attached:
        return None
    if IMAGE_DETAIL in call.settings and (said := wrong(IMAGE_DETAIL, call.settings[IMAGE_DETAIL])) is not None:
        return Failure("configuration", said[0], code="unsupported_parameter", fix=said[1] or "")
    return next(_refusals(attached, facts), None)


def _refusals(attached: list[Part], facts: ModelFacts) -> Iterator[Failure]:
    for part in attached:
        if part.kind not in facts.inputs:
            yield Failure(
                "document",
                f"{facts.name} takes no {part.kind}s, and {part.name} is one.",
                code="unsupported_input",
                fix="Choose a model that takes it, or give the document as text.",
            )
    images, files = ([part for part in attached if part.kind == kind] for kind in ("image", "file"))
    if facts.most_images is not None and len(images) > facts.most_images:
        yield Failure(
            "document",
            f"{facts.name} takes {facts.most_images:,} images in one request, and the document has {len(images):,}.",
            code="too_many_images",
            fix="Split the document into several.",
        )
    if facts.most_file_bytes is not None and (size := _bytes(files)) > facts.most_file_bytes:
        yield _too_large(facts, "files", facts.most_file_bytes, size)
    # in base64, three bytes become four
    if facts.most_bytes is not None and (size := _bytes(attached)) * 4 // 3 > facts.most_bytes:
        yield _too_large(facts, "images and files", facts.most_bytes * 3 // 4, size)


def _bytes(parts: list[Part]) -> int:
    return sum(len(part.data) for part in parts)


def _too_large(facts: ModelFacts, what: str, most: int, size: int) -> Failure:
    message = (
        f"{facts.name} takes {what} of {_megabytes(most)} in one request, and the document has {_megabytes(size)}."
    )
    fix = "Split it into several documents, or make its pictures smaller."
    return Failure("document", message, code="input_too_large", fix=fix)


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
