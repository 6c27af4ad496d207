"""Says of a key that it is certainly not in a ledger, without a look into the file.

Most calls of a run are new, and a look costs more than all else that is done to record one. Keys are hashes already, so
parts of them are the places in a row of bits (a Bloom filter); four megabytes serve some millions of keys, and more of
them only lead to looks that find nothing.
"""

from __future__ import annotations

__all__ = ["Sieve"]

_BITS = 25
_MASK = 2**_BITS - 1


class Sieve:
    """Keys that were added are ``in`` it; of others few are."""

    def __init__(self) -> None:
        self._bits = bytearray(2 ** (_BITS - 3))

    def add(self, key: bytes) -> None:
        for start in (0, 4, 8, 12):
            place = int.from_bytes(key[start : start + 4], "big") & _MASK
            self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, key: bytes) -> bool:
        for start in (0, 4, 8, 12):
            place = int.from_bytes(key[start : start + 4], "big") & _MASK
            if not self._bits[place >> 3] & 1 << (place & 7):
                return False
        return True
