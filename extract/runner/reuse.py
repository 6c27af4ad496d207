"""What a run that is started again takes from its record, and why it asks for the rest.

A start does everything afresh and is answered from the ledger wherever it would ask the same. So what is asked anew
says by itself what has changed: the document, or a part of the step (its schema, its instructions, its model).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from ..extraction import Extraction
from ..ledger import Entry, State
from ..pipeline import Asked
from .asking import Asking
from .entering import Input

__all__ = ["Known", "Reuse"]


class Known(Protocol):
    """What was recorded before: the number of this `start`, and what an earlier one recorded of an input."""

    start: int

    async def known(self, stage: int, id: str) -> tuple[int, Entry] | None: ...


class Reuse:
    """Counts, for each step that asks: the rows whose answers were all in the record (`reused`), and the others with
    the reason why (`anew`). At the first start of a run nothing is counted."""

    def __init__(self, ledger: Known):
        self._ledger = ledger
        self.reused: Counter[str] = Counter()
        self.anew: dict[str, Counter[str]] = {}
        self.before: Mapping[int, Mapping[str, Any]] = {}
        self.retried: Collection[State] = ()

    async def note(
        self, given: Input, step: Asked, asking: Asking, extraction: Extraction[Any] | None, asked: int
    ) -> None:
        """Takes note of one row that a model was asked about, or was not."""
        if self._ledger.start < 2 or extraction is None or not extraction.attempts:
            return
        if not asked:
            self.reused[step.name] += 1
            return
        why = await self._why(given, step, asking, extraction)
        self.anew.setdefault(step.name, Counter())[why] += 1

    async def _why(self, given: Input, step: Asked, asking: Asking, extraction: Extraction[Any]) -> str:
        before = await self._ledger.known(given.stage, given.id)
        if before is None:
            return "new"
        start, entry = before
        if entry.state in self.retried or any(state in self.retried for state in (entry.detail or {}).get("keys", ())):
            return "tried again"
        about = (entry.detail or {}).get("asked", {})
        parts = self.before.get(start, {}).get(step.name)
        if step.name not in about or parts is None:
            return "not finished before" if entry.state == "pending" else "not asked before"
        if extraction.document[:12] not in about[step.name]:
            return "not finished before" if entry.state == "pending" else "changed content"
        changed = [name for name, value in asking.parts.items() if parts.get(name) != value]
        return f"changed {', '.join(changed)}" if changed else "not answered before"

    def fresh(self) -> Reuse:
        """The same, with nothing counted."""
        own = Reuse(self._ledger)
        own.before, own.retried = self.before, self.retried
        return own

    def add(self, reused: Mapping[str, int], anew: Mapping[str, Mapping[str, int]]) -> None:
        """Adds what was counted elsewhere."""
        self.reused.update(reused)
        for name, counts in anew.items():
            self.anew.setdefault(name, Counter()).update(counts)

    def plain(self) -> dict[str, Any]:
        """As JSON values, for the account of the run."""
        return {"reused": dict(self.reused), "anew": {name: dict(counts) for name, counts in self.anew.items()}}
