"""Says of a key that it is certainly not in a ledger, without a look into the file.

Most calls of a run are new, and a look costs more than all else that is done to record one. Each key marks a byte,
which a few keys may share: then somebody looks and finds nothing.
"""

from __future__ import annotations

__all__ = ["Sieve"]

_PLACES = 2**24
"""Sixteen megabytes, of which the system gives what is touched. Of a million keys one in seventeen shares its place."""


class Sieve:
    """Keys that were added are ``in`` it; of others few are. Event loops of several threads may add at once."""

    def __init__(self) -> None:
        self._marks = bytearray(_PLACES)

    def add(self, key: bytes) -> None:
        self._marks[hash(key) % _PLACES] = 1

    def __contains__(self, key: bytes) -> bool:
        return self._marks[hash(key) % _PLACES] == 1
