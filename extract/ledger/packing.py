"""Long values of a ledger, made small: zstd, with dictionaries of values that came before.

The answers of a run are much alike, and so are its rows. What they share is in a dictionary, so each keeps only what is
its own: an answer of 1.5 KB takes some 200 bytes and about five microseconds. A packed value names its dictionary by
number; one that would not get smaller stays as it is, and so does what earlier versions wrote.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Body", "Dictionary", "Packer"]

Body = Literal["reply", "row", "detail"]
"""Kinds of values, each alike among themselves."""

_PACKED = b"\x01"
"""How a packed value begins: JSON never does. Two bytes for the number of its dictionary follow (0: none), then a frame
of zstd."""

_FIRST, _GROWTH = 8, 8
"""A kind's first dictionary is made after so many values, and each further one after so many times as many."""

_SAMPLES, _LONGEST = 16, 32_000
"""A dictionary is made of so many values, and at most of so many bytes of them."""

_LEVEL = 1
_SMALL = 400
"""Bytes up to which a value is left as it is: what is said of most documents takes less than it would save."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """What values of one kind have in common; known by its number for as long as the ledger lives."""

    number: int
    kind: Body
    content: bytes


@dataclass
class _Kind:
    """The values of one kind: how many came, the last of them, and by which dictionary they are packed."""

    made: int = 0
    came: int = 0
    last: deque[bytes] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    number: int = 0


class Packer:
    """Packs and unpacks the values of one ledger, on any thread. `find` gives the content of a dictionary that was not
    adopted yet."""

    def __init__(self, find: Callable[[int], bytes] | None = None):
        self._find = find
        self._kinds: dict[Body, _Kind] = {}
        self._contents: dict[int, bytes] = {0: b""}
        self._compressors: dict[int, Any] = {}
        self._decompressors: dict[int, Any] = {}
        self._lock = threading.Lock()  # a compressor serves one thread at a time

    def adopt(self, one: Dictionary) -> None:
        """Values of its kind are packed by this dictionary from here on: it is safe in the ledger."""
        with self._lock:
            kind = self._kinds.setdefault(one.kind, _Kind())
            kind.number = one.number
            kind.made += one.number not in self._contents
            self._contents[one.number] = one.content

    def pack(self, body: Body, plain: Sequence[bytes]) -> tuple[list[bytes], Dictionary | None]:
        """The values as they are to be kept; and now and then a new dictionary, to be adopted once it is in the
        ledger."""
        with self._lock:
            kind = self._kinds.get(body) or self._kinds.setdefault(body, _Kind())
            new = None
            for one in plain:
                kind.came += 1
                kind.last.append(one)
                if kind.came == _FIRST * _GROWTH**kind.made:
                    new = self._made(body, kind) or new
            packed = [one if len(one) <= _SMALL else self._packed(one, kind.number) for one in plain]
        return packed, new

    def unpack(self, kept: bytes) -> bytes:
        """The value as it was."""
        if kept[:1] != _PACKED:
            return kept
        with self._lock:
            found = self._decompressor(int.from_bytes(kept[1:3], "big")).decompress(kept[3:])
        return bytes(found)

    def _packed(self, plain: bytes, number: int) -> bytes:
        packed = _PACKED + number.to_bytes(2, "big") + self._compressor(number).compress(plain)
        return packed if len(packed) < len(plain) else plain

    def _made(self, body: Body, kind: _Kind) -> Dictionary | None:
        number = max(self._contents) + 1
        content = b"".join(one[: _LONGEST // _SAMPLES] for one in kind.last)
        self._contents[number] = content  # the number is taken, whether it is adopted or not
        kind.made += 1
        return Dictionary(number, body, content) if number < 2**16 else None

    def _compressor(self, number: int) -> Any:
        if number not in self._compressors:
            import zstandard

            self._compressors[number] = zstandard.ZstdCompressor(_LEVEL, self._dictionary(number), write_checksum=False)
        return self._compressors[number]

    def _decompressor(self, number: int) -> Any:
        if number not in self._decompressors:
            import zstandard

            self._decompressors[number] = zstandard.ZstdDecompressor(self._dictionary(number))
        return self._decompressors[number]

    def _dictionary(self, number: int) -> Any:
        import zstandard

        if number == 0:
            return None
        if number not in self._contents and self._find is not None:
            self._contents[number] = self._find(number)
        return zstandard.ZstdCompressionDict(self._contents[number], dict_type=zstandard.DICT_TYPE_RAWCONTENT)
