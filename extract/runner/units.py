"""The way of one document, or of one row that a later stage begins with, through the steps that take row after row.

Whatever is asked on the way is put to the engine; every row ends somewhere, and the unit as a whole in one state, by
the best that became of its rows. What it gave is kept with the number of the step that gave it, wherever somebody reads
it later: outputs, and steps that need all rows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..engines.local import Local
from ..errors import ExtractError
from ..extraction import Extraction
from ..jsontext import canonical, digest
from ..ledger import Entry, State, attempts_of, came_to
from ..operators import Outcome, apply
from ..operators.decisions import Decision
from ..operators.rows import HIDDEN, Row
from ..pipeline import DOCUMENTS, Asked, Pipeline, Python, Step, Write
from .asking import Asking
from .entering import Input
from .flows import Flow
from .functions import called
from .reuse import Known, Reuse

__all__ = ["Sums", "Units"]

_BEST: tuple[State, ...] = ("pending", "written", "merged", "review", "rejected", "filtered")
"""What a document is said to have ended as, if its rows ended in several ways: the first of these."""

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class _Refused:
    """A row that was refused at a step, with the answer that was not good enough, if it was one."""

    step: Step
    state: State
    reasons: tuple[str, ...]
    row: Row
    extraction: Extraction[Any] | None = None


@dataclass
class _Found:
    """What became of a row and of all that was made of it."""

    ends: Counter[State] = field(default_factory=Counter)
    rows: list[tuple[int, Row]] = field(default_factory=list)
    refused: list[_Refused] = field(default_factory=list)
    extractions: list[Extraction[Any] | None] = field(default_factory=list)
    asked: dict[str, dict[str, None]] = field(default_factory=dict)
    """The documents that each step asked about, by the first letters of their names."""

    def take(self, other: _Found) -> None:
        """Adds what became of another row."""
        self.ends.update(other.ends)
        self.rows += other.rows
        self.refused += other.refused
        self.extractions += other.extractions
        for name, documents in other.asked.items():
            self.asked.setdefault(name, {}).update(documents)

    @property
    def state(self) -> State:
        return next(state for state in _BEST if self.ends[state])


@dataclass(frozen=True)
class Sums:
    """What units that were done elsewhere come to."""

    flows: Mapping[int, Flow]
    waived: int
    rejected: int
    reused: Mapping[str, int]
    anew: Mapping[str, Mapping[str, int]]


class Units:
    """The units of one start of a run, and the sums over them; `states` are those of the documents, `refused` keeps the
    first that gave no row, `waived` counts those whose record was kept without fields that failed, `rejected` the
    units of which something was rejected."""

    def __init__(
        self,
        pipeline: Pipeline,
        asking: Mapping[int, Asking],
        engine: Local,
        ledger: Known,
        decisions: Mapping[int, Mapping[str, Decision]],
    ):
        self.pipeline, self.engine = pipeline, engine
        self.flows = {step.number: Flow(step.name) for step in pipeline.flowing}
        self.states: Counter[str] = Counter()
        self.refused: list[Entry] = []
        self.waived = self.rejected = 0
        self.reuse = Reuse(ledger)
        self._asking, self._decisions = asking, decisions
        self._readers, self._kept = pipeline.readers, pipeline.kept
        self._waits = _waiting(pipeline)
        facts = [one.plain() for of in asking.values() for one in of.task.models]
        self._fingerprint = digest(canonical([pipeline.fingerprint, facts]))

    async def unit(self, given: Input) -> Entry:
        """What became of a document or row, counted."""
        found = _Found()
        if given.stage == DOCUMENTS:
            await self._given(DOCUMENTS, given.row, given, found)
        else:
            await self._begun(self.pipeline.by_number[given.stage], given, found)
        self.waived += any(one.waived for one in found.extractions if one is not None)
        self.rejected += found.ends["rejected"] > 0
        entry = Entry(
            id=given.id,
            ordinal=given.ordinal,
            source=given.source,
            state=found.state,
            fingerprint=self._fingerprint,
            rows=tuple(found.rows),
            reasons=tuple(_reasons(found)),
            stage=given.stage,
            **came_to(*found.extractions, **_told(found)),
        )
        self._keep_refused(entry)
        return entry

    def _keep_refused(self, entry: Entry) -> None:
        if entry.state in ("rejected", "review") and len(self.refused) < _SHOWN:
            self.refused.append(entry)

    def taken(self, entry: Entry) -> None:
        """Counts a unit that is done with."""
        if entry.stage == DOCUMENTS:
            self.states[entry.state] += 1

    def fresh(self) -> Units:
        """The same, with sums of its own."""
        own = copy(self)
        own.flows = {number: Flow(flow.step) for number, flow in self.flows.items()}
        own.states, own.refused, own.waived, own.rejected = Counter(), [], 0, 0
        own.reuse = self.reuse.fresh()
        return own

    def sums(self) -> Sums:
        """What they come to so far."""
        return Sums(self.flows, self.waived, self.rejected, self.reuse.reused, self.reuse.anew)

    def add(self, sums: Sums, entries: Iterable[Entry]) -> None:
        """Adds units that were done elsewhere."""
        for number, flow in sums.flows.items():
            self.flows[number].add(flow)
        self.waived += sums.waived
        self.rejected += sums.rejected
        self.reuse.add(sums.reused, sums.anew)
        for entry in entries:
            self._keep_refused(entry)

    async def _begun(self, step: Step, given: Input, found: _Found) -> None:
        """A row of a stage that a step began: the step has made it, or asks about it now."""
        flow = self.flows[step.number]
        flow.made += 1
        if isinstance(step, Asked):
            await self._asked(step, given.row, given, found)
            return
        flow.counts["out"] += 1
        await self._given(step.number, given.row, given, found)

    async def _given(self, number: int, row: Row, given: Input, found: _Found) -> None:
        """A row that a step gave, on its way to whoever reads it."""
        if number in self._kept:
            found.rows.append((number, row))
        readers = self._readers[number]
        if not readers:
            found.ends["written"] += 1
        for reader in readers:
            await self._read(reader, row, given, found)

    async def _read(self, step: Step, row: Row, given: Input, found: _Found) -> None:
        """A row at a step that takes it, if it does."""
        flow = self.flows.get(step.number)  # an output at the end is no step
        try:
            taken = step.when is None or step.when.condition(row)
        except ExtractError as error:
            self._stopped(step, flow, "rejected", row, error.message, found)
            return
        if not taken:
            if flow is not None:
                flow.passed("filtered")
            found.ends["filtered"] += 1
        elif flow is None:
            found.ends["written"] += 1
        elif step.gathers:
            flow.waits()
            found.ends["merged"] += 1
        elif isinstance(step, Asked):
            flow.into += 1
            await self._asked(step, row, given, found)
        elif isinstance(step, Write):
            flow.passed("out")
            found.ends["written"] += 1
            await self._given(step.number, row, given, found)
        else:
            outcome = await self._applied(step, row)
            if outcome.state != "out":
                self._stopped(step, flow, outcome.state, row, outcome.reason, found)
                return
            flow.passed("out", len(outcome.rows))
            await self._several(step, outcome.rows, given, found)

    async def _several(self, step: Step, rows: tuple[Row, ...], given: Input, found: _Found) -> None:
        """The rows that a step made of one: side by side, where a model is to be asked about them."""
        room = self.engine.calls.abreast if self._waits[step.number] and len(rows) > 1 else 1
        for start in range(0, len(rows), room):
            block = rows[start : start + room]
            if room == 1:
                await self._given(step.number, block[0], given, found)
                continue
            several = [_Found() for _ in block]
            going = (self._given(step.number, row, given, one) for row, one in zip(block, several, strict=True))
            await asyncio.gather(*going)
            for one in several:
                found.take(one)

    async def _applied(self, step: Step, row: Row) -> Outcome:
        if not isinstance(step, Python):
            return apply(step, row, self._decisions.get(step.number))
        with self.engine.calls.crew.away():
            return await called(step, row)

    async def _asked(self, step: Asked, row: Row, given: Input, found: _Found) -> None:
        """A row about which a model is asked; it has been counted as come in, or as made."""
        flow, asking = self.flows[step.number], self._asking[step.number]
        try:
            job = asking.job(row, given)
        except ExtractError as error:
            flow.counts["rejected"] += 1
            self._stopped(step, None, "rejected", row, error.message, found)
            return
        outcome = await self.engine.outcome(job)
        extraction = outcome.extraction
        await self.reuse.note(given, step, asking, extraction, outcome.asked)
        found.extractions.append(extraction)
        if extraction is None:
            flow.counts["pending"] += 1
            found.ends["pending"] += 1
            return
        found.asked.setdefault(step.name, {})[extraction.document[:12]] = None
        if not extraction.ok:
            state: State = "review" if step.on_failure == "review" else "rejected"
            flow.counts[state] += 1
            found.ends[state] += 1
            found.refused.append(_Refused(step, state, tuple(map(str, extraction.problems)), row, extraction))
            return
        try:
            made = asking.answered(row, given, extraction)
        except ExtractError as error:  # a number that JSON has not, in a field that takes anything
            flow.counts["rejected"] += 1
            self._stopped(step, None, "rejected", row, f"{error.where or 'the record'}: {error.message}", found)
            return
        if made is None:
            flow.counts["filtered"] += 1
            found.ends["filtered"] += 1
            return
        flow.counts["out"] += 1
        await self._given(step.number, made, given, found)

    def _stopped(self, step: Step, flow: Flow | None, state: Any, row: Row, reason: str, found: _Found) -> None:
        if flow is not None:
            flow.passed(state)
        found.ends[state] += 1
        if state != "filtered":
            found.refused.append(_Refused(step, state, (reason,), row))


def _waiting(pipeline: Pipeline) -> dict[int, bool]:
    """Whether a model is asked about the rows of a step, or about what becomes of them."""
    found: dict[int, bool] = {}
    for number in sorted(pipeline.readers, reverse=True):
        below = (one for one in pipeline.readers[number] if not one.gathers)
        found[number] = any(isinstance(one, (Asked, Python)) or found.get(one.number, False) for one in below)
    return found


def _reasons(found: _Found) -> Iterable[str]:
    """Why a document gave no row, or what its record is kept without."""
    for one in found.extractions:
        if one is not None:
            yield from map(str, one.problems or one.waived)
    for refused in found.refused:
        if refused.extraction is None:
            yield from refused.reasons


def _told(found: _Found) -> dict[str, Any]:
    """What else is to be known of a unit: what was asked about, and the rows that were refused on the way."""
    asked = {name: list(documents) for name, documents in found.asked.items()}
    told: dict[str, Any] = {"asked": asked} if asked else {}
    if not found.refused:
        return told
    apart = len(found.refused) > 1 or any(state != found.state for state in found.ends)
    rows = [_line(one, apart) for one in found.refused]
    return {**told, "refused": rows, "keys": _keys(found)}


def _keys(found: _Found) -> dict[str, list[str]]:
    """The calls whose answers led to rows that were refused, by what became of them: what is asked again if somebody
    wants them tried once more. Of a row that a later step refused, they are those of the whole unit."""
    keys: dict[str, dict[str, None]] = {}
    for one in found.refused:
        asked = found.extractions if one.extraction is None else [one.extraction]
        attempts = (attempt for extraction in asked if extraction is not None for attempt in extraction.attempts)
        keys.setdefault(one.state, {}).update((attempt.key, None) for attempt in attempts)
    return {state: list(several) for state, several in keys.items()}


def _line(one: _Refused, apart: bool) -> dict[str, Any]:
    """What is told of a refused row; where others came of the same document, `apart` from what they took."""
    row, asked = one.row, one.extraction
    told = {
        "step": one.step.name,
        "_id": row.get("_id"),
        "state": one.state,
        "reasons": one.reasons,
        "row": {name: value for name, value in row.items() if name not in HIDDEN},
    }
    if not apart:
        return told
    cost = row.get("_cost", Decimal(0))
    if asked is None:
        return {**told, "partial": None, "calls": 0, "attempts": [], "tokens": [0, 0, 0], "cost": cost}
    return {
        **told,
        "partial": asked.partial,
        "calls": len(asked.attempts),
        "attempts": attempts_of(asked),
        "tokens": [asked.usage.input, asked.usage.cached, asked.usage.output],
        "cost": None if cost is None or asked.cost is None else cost + asked.cost,
    }
