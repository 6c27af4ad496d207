"""A document as a value: its text, its pages, and whatever cannot be said in text.

Offsets are characters of `text` and always lead back to it: a page is a range of it, evidence is a range of it, and a
chunk is a range of it. A document is known by its content: two files with the same content have the same `id`, whatever
they are called. Opening files is the work of `load`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from .call import Part
from .jsontext import canonical, digest

__all__ = ["Attachment", "Document", "Page"]


@dataclass(frozen=True, slots=True)
class Page:
    """A half-open range of characters of the document's text; `number` counts from 1."""

    number: int
    start: int
    end: int


@dataclass(frozen=True)
class Attachment:
    """An image, or a file as it is, that goes to the model beside the text."""

    kind: Literal["image", "file"]
    name: str
    media_type: str
    data: bytes = field(repr=False)

    @cached_property
    def digest(self) -> str:
        return digest(self.data)


@dataclass(frozen=True)
class Document:
    """One source, opened. `source` is where it came from, as given, and takes no part in `id`."""

    text: str = ""
    pages: tuple[Page, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    source: str = ""

    @cached_property
    def id(self) -> str:
        """SHA-256 of the content (text and attachments), in hexadecimal."""
        return digest(canonical([self._digest, [[a.kind, a.media_type, a.digest] for a in self.attachments]]))

    @cached_property
    def _digest(self) -> str:
        """SHA-256 of the text: the id and the key of each call are made of it."""
        return digest(self.text.encode("utf-8", "surrogatepass"))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to read."""
        return not self.text.strip() and not self.attachments

    @classmethod
    def joined(cls, named: Mapping[str, Document]) -> Document:
        """Several documents as one: each text under its name, one after the other; no pages."""
        text = "\n\n".join(f"{name}:\n{document.text}" for name, document in named.items() if document.text)
        attachments = tuple(one for document in named.values() for one in document.attachments)
        source = ", ".join(document.source for document in named.values() if document.source)
        return cls(text=text, attachments=attachments, source=source)

    def page_at(self, offset: int) -> int | None:
        """The number of the page that holds the character at `offset`, or None where there are no pages."""
        if not self.pages:
            return None
        return self.pages[max(0, bisect_right([page.start for page in self.pages], offset) - 1)].number

    def parts(self, name: str = "document") -> tuple[Part, ...]:
        """The document as inputs of a call: its text, then its attachments."""
        text = (Part("text", name, text=self.text, digest=self._digest),) if self.text else ()
        return text + tuple(
            Part(a.kind, a.name, digest=a.digest, media_type=a.media_type, data=a.data) for a in self.attachments
        )
