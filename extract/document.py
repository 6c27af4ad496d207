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
from .frozen import computed, quick
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
    """An image or a file that goes to the model beside the text. Where `data` was made of what was given, as of an
    image in a format that no model takes, `known_as` is a digest of what was given: another version of what made it
    must not make another document. `pages` are those of a file (0: not known)."""

    kind: Literal["image", "file"]
    name: str
    media_type: str
    data: bytes = field(repr=False)
    known_as: str = ""
    pages: int = 0

    @cached_property
    def digest(self) -> str:
        return self.known_as or digest(self.data)


@quick
@dataclass(frozen=True)
class Document:
    """One source, opened. `source` is where it came from, as given, and takes no part in `id`. `shown` says whether the
    text goes to the model: where an attachment says the same, it need not, and still shows where values stand."""

    text: str = ""
    pages: tuple[Page, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    source: str = ""
    shown: bool = True

    @computed
    def id(self) -> str:
        """SHA-256 of the content (text and attachments), in hexadecimal."""
        return digest(canonical([self._text.meant, [[a.kind, a.media_type, a.digest] for a in self.attachments]]))

    @computed
    def _text(self) -> Part:
        """The text as an input. The id and the key of each call are made of what it is known by."""
        return Part("text", "document", text=self.text)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to read."""
        return not (self.shown and self.text.strip()) and not self.attachments

    @classmethod
    def joined(cls, named: Mapping[str, Document]) -> Document:
        """Several documents as one: each text under its name, one after the other; no pages."""
        shown = {name: document.text for name, document in named.items() if document.text and document.shown}
        text = "\n\n".join(f"{name}:\n{text}" for name, text in shown.items())
        attachments = tuple(one for document in named.values() for one in document.attachments)
        source = ", ".join(document.source for document in named.values() if document.source)
        return cls(text=text, attachments=attachments, source=source)

    def page_at(self, offset: int) -> int | None:
        """The number of the page that holds the character at `offset`, or None where there are no pages."""
        if not self.pages:
            return None
        return self.pages[max(0, bisect_right([page.start for page in self.pages], offset) - 1)].number

    def parts(self) -> tuple[Part, ...]:
        """The document as inputs of a call: its text, then its attachments."""
        shown = self.text and self.shown
        text = (self._text,) if shown else ()
        if not self.attachments:
            return text
        return text + tuple(
            Part(a.kind, a.name, digest=a.digest, media_type=a.media_type, data=a.data, pages=a.pages)
            for a in self.attachments
        )
