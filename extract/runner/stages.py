"""The stages of a run, one after another, and what happened in them.

Whatever enters a stage goes through all steps that need one row at a time; its entry goes into the ledger, and its rows
to the outputs, while the next ones go on. A step that needs all rows begins the stage after it, unless the run was
stopped: what it would make of some rows looks like what it makes of all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from inspect import isawaitable
from pathlib import Path
from typing import Any

from ..call import Usage
from ..engines.batch import BatchCalls
from ..engines.local import Local
from ..engines.threads import unbroken
from ..errors import DocumentError, ExtractError, PipelineError, RunError, TooManyRejected
from ..ledger import Entry, RunLedger
from ..operators.rows import Row
from ..pipeline import DOCUMENTS, Pipeline, Sample, Tolerance
from ..report import NOT_WRITTEN, write_not_written
from .entering import Input, count, gathered, inputs
from .flows import STATES, Flow
from .outputs import Outputs
from .progress import Meter, Progress
from .units import Units

__all__ = ["Run", "Stages"]

_TICK = 1.0
"""Seconds."""

_ODD = {
    "doubled": "answers came a second time in a batch; the first ones were taken.",
    "unknown": "answers in batches had ids that were not asked for; they were left out.",
    "broken": "lines of batches could not be read; what they should have answered was asked for again.",
}


@dataclass(frozen=True)
class Run:
    """What happened. `stopped` says why some documents are pending or an output is missing; `left` are the outputs that
    are as they were, because not all that they are made of is there; `calls`, `usage` and `cost`
    are those of all starts of the run, the cost in US dollars, None where a model has no price; `sample` holds the
    first rows at the end and `refused` the first documents that gave none, to be shown; `waived` counts the documents
    whose record was kept without fields that failed, `not_written` are the files of the rows that were not written.
    `reused` counts for each step the answers that were on record, `anew` those that were asked for once more, by the
    reason why; `from_cache` counts the answers that other runs had paid for. `rejected` are the documents, and rows of
    later stages, of which something was rejected, and `tolerated` how many of them are not too many."""

    folder: Path
    states: Mapping[str, int]
    flows: tuple[Flow, ...]
    calls: int
    usage: Usage
    cost: Decimal | None
    seconds: float
    outputs: tuple[tuple[str, int], ...]
    left: tuple[str, ...] = ()
    over_budget: Decimal = Decimal(0)
    warnings: tuple[str, ...] = ()
    stopped: ExtractError | None = None
    sample: tuple[Row, ...] = ()
    refused: tuple[Entry, ...] = ()
    waived: int = 0
    not_written: tuple[Path, ...] = ()
    reused: Mapping[str, int] = field(default_factory=dict)
    anew: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    from_cache: int = 0
    rejected: int = 0
    tolerated: int | None = None

    @property
    def lossless(self) -> bool:
        """Whether nothing was rejected or held for review, at any step."""
        return not any(flow.counts["rejected"] or flow.counts["review"] for flow in self.flows)

    @property
    def clean(self) -> bool:
        """Whether nothing was held for review, and no more was rejected than is tolerated."""
        held = any(flow.counts["review"] for flow in self.flows)
        return self.lossless or (not held and self.tolerated is not None and self.rejected <= self.tolerated)

    def plain(self) -> dict[str, Any]:
        """The run as one object, as ``extract run --json`` prints it."""
        return {
            "run": str(self.folder),
            "in": sum(self.states.values()),
            **{state: self.states.get(state, 0) for state in STATES},
            "waived": self.waived,
            "calls": self.calls,
            "tokens": {"input": self.usage.input, "cached": self.usage.cached, "output": self.usage.output},
            "cost_usd": self.cost,
            "seconds": round(self.seconds, 3),
            "outputs": [name for name, _ in self.outputs],
            "left_as_they_were": list(self.left),
            "not_written": [str(path) for path in self.not_written],
            "steps": [flow.plain() for flow in self.flows],
            "tolerated": self.tolerated,
            "from_cache": self.from_cache,
            "reused": dict(self.reused),
            "anew": {name: dict(counts) for name, counts in self.anew.items()},
            "stopped": None if self.stopped is None else self.stopped.message,
        }


@dataclass
class Stages:
    """The stages of a run, one after another: those that have `ended`, and the `failure` that kept a step which needs
    all rows from running."""

    pipeline: Pipeline
    units: Units
    engine: Local
    ledger: RunLedger
    outputs: Outputs
    on_rows: Callable[[list[Row]], Any] | None = None
    tolerance: Tolerance | None = None
    failure: ExtractError | None = None
    ended: list[int] = field(default_factory=list)
    total: int = 0

    async def account(self, folder: Path, seconds: float, warnings: tuple[str, ...], sample: tuple[Row, ...]) -> Run:
        """What happened in all of them; what is no longer among the inputs is forgotten."""
        units, engine, outputs = self.units, self.engine, self.outputs
        await self.ledger.forget_older()
        await asyncio.to_thread(write_not_written, folder, self.ledger.refused)
        calls, usage, cost = await self.ledger.totals()
        return Run(
            folder=folder,
            states=dict(units.states),
            flows=tuple(units.flows.values()),
            calls=calls,
            usage=usage,
            cost=cost,
            seconds=seconds,
            outputs=tuple(outputs.files),
            left=tuple(outputs.left),
            over_budget=engine.traffic.budget.over,
            warnings=(*warnings, *_noticed(engine)),
            stopped=engine.stopped or self.failure or outputs.failure,
            sample=sample,
            refused=tuple(units.refused),
            waived=units.waived,
            not_written=tuple(path for name in NOT_WRITTEN.values() if (path := folder / name).is_file()),
            from_cache=await self.ledger.taken(),
            rejected=units.rejected,
            tolerated=None if self.tolerance is None else self.tolerance.most(self.total),
            **units.reuse.plain(),
        )

    async def whole(self, limit: int | None, watch: Callable[[Progress], None] | None) -> tuple[Row, ...]:
        """All stages, and then the outputs, which appear whole or not at all; gives the first rows at the end."""
        try:
            await self.run(limit, watch)
            return await unbroken(self.outputs.finish, self.ended)
        except BaseException:
            self.outputs.abandon()
            raise

    async def run(self, limit: int | None, watch: Callable[[Progress], None] | None) -> None:
        self.total = await asyncio.to_thread(count, self.pipeline, limit)
        if watch is None:
            await self._all(limit, lambda entry: None)
            return
        meter = Meter(self.engine.traffic, self.total)

        def told(entry: Entry | None = None) -> None:
            if entry is not None:
                meter.took(entry)
            watch(meter.progress(self.units.states, entry))

        ticking = asyncio.create_task(_ticking(told))
        try:
            await self._all(limit, told)
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)  # what a watch raises, it raises to a document too

    async def _all(self, limit: int | None, told: Callable[[Entry], None]) -> None:
        for number in self.pipeline.stages:
            if number == DOCUMENTS:
                await self._stage(number, inputs(self.pipeline, limit), told)
                continue
            if self.engine.stopped is not None:
                return  # what needs all rows would take some for all: a sum over them looks like the sum
            step = self.pipeline.by_number[number]
            try:
                await self._stage(number, gathered(self.pipeline, step, self.ledger), lambda entry: None)
            except (DocumentError, PipelineError) as error:  # a query, or a file that one of its tables is read from
                self.failure = error
                return
            if isinstance(step, Sample):
                self.units.flows[number].chosen()

    async def _stage(self, number: int, given: Iterator[Input], told: Callable[[Entry], None]) -> None:
        """All inputs of a stage through the engine; each is entered into the ledger while the next ones go on."""
        came, went = _Counted(given), 0
        try:
            async with aclosing(self.engine.each(came, self.units.unit)) as entries:
                async for entry in entries:
                    went += 1
                    await self.ledger.enter_soon(entry)
                    self.units.taken(entry)
                    self._tolerate()
                    told(entry)
                    await self._hand_on(number, entry)
        finally:
            await self.ledger.entered()
        if came.count != went:
            said = f"Of {came.count} inputs {came.count - went} vanished on their way."
            raise RunError(said, str(self.ledger.path.parent), "Please report this; the ledger is whole.")
        await unbroken(self.outputs.ended, number)
        self.ended.append(number)

    def _tolerate(self) -> None:
        """Stops the run as soon as it is certain that too many will have been rejected: what is left would be paid for
        as well."""
        if self.tolerance is None or self.units.rejected <= self.tolerance.most(self.total):
            return
        self.engine.calls.stop(
            TooManyRejected(
                f"Of {self.units.rejected:,} inputs something was rejected, and `max_rejected` is {self.tolerance}"
                f" of {self.total:,}.",
                fix="rejected.jsonl in the run's folder says why. Start the run again with a greater `max_rejected`,"
                " or with other instructions, to go on.",
            )
        )

    async def _hand_on(self, number: int, entry: Entry) -> None:
        if self.on_rows is not None and (rows := [row for step, row in entry.rows if step == self.pipeline.end]):
            taken = self.on_rows(rows)
            if isawaitable(taken):
                await taken
        if self.outputs.done(entry):
            if not self.outputs.all_at_hand:
                await self.ledger.entered()
            await unbroken(self.outputs.hand_on, number)


async def _ticking(told: Callable[[], None]) -> None:
    """Tells how far the run is although no document ends."""
    while True:
        await asyncio.sleep(_TICK)
        told()


class _Counted:
    """Inputs as they are taken, and how many they were."""

    def __init__(self, inputs: Iterator[Input]):
        self._inputs, self.count = inputs, 0

    def __iter__(self) -> Iterator[Input]:
        return self

    def __next__(self) -> Input:
        item = next(self._inputs)
        self.count += 1
        return item


def _noticed(engine: Local) -> Iterator[str]:
    """What is to be known of how models answered."""
    for name, mode in engine.calls.modes.items():
        yield _weaker(name, mode)
    odd = engine.calls.odd if isinstance(engine.calls, BatchCalls) else {}
    for kind, times in odd.items():
        yield f"{times:,} {_ODD[kind]}"


def _weaker(name: str, mode: str) -> str:
    return f"{name} holds no answer to a strict schema: it was asked in the mode {mode}, and answers are checked here."
