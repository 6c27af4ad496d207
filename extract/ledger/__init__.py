"""The durable record of a run: what was asked and paid for, what became of each document, and what the run decided by.

A reply is recorded before it is used, under its call's key; a run that was killed asks again and is answered from here.
`Memory` serves a plain call, `RunLedger` a run in a folder, which it holds against a second process; `LedgerReader`
looks at a run that somebody else may be writing, and `Cache` hands answers on from one run to another. Long values are
kept small (`packing`); `layout` knows the tables.
"""

from __future__ import annotations

from .cache import Cache, Lookup
from .entries import STATES, Entry, State, attempts_of, came_to
from .layout import Synchronous, is_held
from .memory import Ledger, Memory, Nothing
from .reading import LedgerReader, Start
from .retention import FOR_GOOD, UNTIL_ENDED, Pruned, forget, in_words, prune, seconds_of, size_of
from .run import RunLedger

__all__ = [
    "FOR_GOOD",
    "STATES",
    "UNTIL_ENDED",
    "Cache",
    "Entry",
    "Ledger",
    "LedgerReader",
    "Lookup",
    "Memory",
    "Nothing",
    "Pruned",
    "RunLedger",
    "Start",
    "State",
    "Synchronous",
    "attempts_of",
    "came_to",
    "forget",
    "in_words",
    "is_held",
    "prune",
    "seconds_of",
    "size_of",
]
