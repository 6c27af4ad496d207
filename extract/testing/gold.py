"""Gold records: what the fake model answers where it answers rightly.

A request for a whole record is answered with it, a repair or a continuation with the changes that lead to it. Which
places are asked for is read from the request's last message, as a model reads it; so users' own tests, which give
whole records, work with repairs as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..jsontext import dump
from ..patch import Patch
from ..pointer import ABSENT, get, join
from .script import Answer, Request, Said, text_of

__all__ = ["Encoder", "Gold"]

_ASKED = re.compile(r'^  path "(?P<path>.*?)"(?:, at (?P<at>\[.*?\]))?(?:: .*)?$')
_EXCERPT = re.compile(r"^excerpt of [^\n]*:\n=+\n(.*?)\n=+$", re.DOTALL | re.MULTILINE)
_PLACE = re.compile(r"^- (?P<pointer>/\S*|the record): (?:(?P<count>\d+) items? (?:are|is) there)?")


class Encoder(Protocol):
    """The part of `extract.Schema` that gold records need: from the user's shape into the wire's, and its changes."""

    @property
    def patch(self) -> Patch: ...

    def encode(self, value: Any) -> Any: ...


@dataclass(frozen=True)
class Gold:
    """Records by a text that stands in their document; of several that fit, the longest text is right. A repair that
    shows an excerpt is known by its lines, which stood in an earlier request (`history`). With a `schema`, records are
    in the user's shape and are encoded where the request asks for a strict answer."""

    records: Mapping[str, Any]
    schema: Encoder | None = None
    history: Collection[Request] = field(default=(), repr=False)

    def __call__(self, request: Request) -> Said:
        found = self._known(request.document) or self._of_excerpt(request.document)
        if found is None:
            return None
        record = self.records[found]
        if self.schema is not None and request.asks_for(self.schema.patch.shape.wire):
            changes = list(_changes(self.schema.patch, request, record))
            return Answer(dump(self.schema.patch.wired.codec.encode({"changes": changes})))
        return Answer(dump(self.schema.encode(record) if self.schema and request.strict else record))

    def _known(self, document: str) -> str | None:
        return max((text for text in self.records if text in document), key=len, default=None)

    def _of_excerpt(self, shown: str) -> str | None:
        """The record of the last document that has all the lines of an excerpt."""
        part = _EXCERPT.search(shown)
        lines = [line for line in part[1].splitlines() if line and line != "[...]"] if part else []
        before = (one.document for one in reversed(tuple(self.history)) if one.body is not None)
        whole = (self._known(document) for document in before if all(line in document for line in lines))
        return next(filter(None, whole), None) if lines else None


def _changes(patch: Patch, request: Request, record: Any) -> Iterator[dict[str, Any]]:
    """The changes that a request asks for. Where the record has nothing, the answer says so, if it can."""
    count = 0
    for line in text_of(request.body["messages"][-1]).splitlines():
        if (found := _PLACE.match(line)) is not None:
            count = int(found["count"] or 0)
        elif (asked := _ASKED.match(line)) is not None:
            place = patch.places.by_path[asked["path"]]
            for at in _filled(record, place.steps, len(place.keys), json.loads(asked["at"] or "[]"), count):
                change: dict[str, Any] = {"path": place.path, **({"at": at} if at else {})}
                value = get(record, place.pointer(at))
                if value is not ABSENT:
                    yield {**change, "value": value}
                elif not place.required:
                    yield {**change, "value": None} if place.settled else change


def _filled(record: Any, steps: tuple[str | None, ...], count: int, at: list[Any], first: int) -> Iterator[list[Any]]:
    """All indexes and keys that a path stands for in the record, where the first ones are given; the first one that is
    not goes from `first` on."""
    if len(at) == count:
        yield at
        return
    open_ = [index for index, step in enumerate(steps) if step is None][len(at)]
    named = iter(at)
    held = get(record, join(*(str(next(named)) if step is None else step for step in steps[:open_])))
    found = range(first, len(held)) if isinstance(held, list) else held if isinstance(held, dict) else ()
    for step in found:
        yield from _filled(record, steps, count, [*at, step], 0)
