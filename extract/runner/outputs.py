"""What a run writes, while it goes on: each output takes its rows in the order of the inputs.

Rows are handed on as soon as everything before them is done, so that the first record is on its way to its file while
later documents are being read. They are as the ledger has them, and come from there where too many wait for one before
them to be kept at hand. An output appears whole, at the end.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Generator
from contextlib import closing
from itertools import islice

from ..errors import ExtractError, PipelineError
from ..jsontext import as_read
from ..ledger import Entry, LedgerReader, RunLedger
from ..operators.rows import HIDDEN, Row
from ..pipeline import Pipeline, Write
from ..sinks import Writer, open_writer
from .entering import reads

__all__ = ["Outputs", "check_writable"]

_SHOWN = 20
_KEPT = 10_000
"""So many rows that wait to be handed on are kept in memory."""

_OFTEN = 0.25
"""Seconds between two times that rows are handed on: to another thread, which holds up this one."""


def check_writable(pipeline: Pipeline) -> None:
    """Raises PipelineError with every output that cannot be written, before anything is paid for."""
    wrong: list[PipelineError] = []
    for write in pipeline.outputs():
        try:
            write.target.check(write.type)
        except PipelineError as error:
            wrong.append(PipelineError(error.message, error.where or str(write.place), error.fix))
    if wrong:
        raise PipelineError(wrong[0].message, wrong[0].where, wrong[0].fix, tuple(wrong[1:]))


class Outputs:
    """The outputs of one start of a run. `files` are those that were written, with their numbers of rows; `failure` is
    what kept one from being written: the documents are done and paid for, and the others are written. `left` are those
    that are as they were."""

    def __init__(self, pipeline: Pipeline, ledger: RunLedger, run: str):
        self.files: list[tuple[str, int]] = []
        self.left: list[str] = []
        self.failure: ExtractError | None = None
        self._broken: set[int] = set()
        self._pipeline, self._ledger = pipeline, ledger
        self._rows = LedgerReader(ledger.path.parent)
        self._writers: list[tuple[Write, Writer]] = []
        self._done: set[int] = set()
        self._at_hand: dict[int, tuple[tuple[int, Row], ...]] = {}
        self._kept = 0
        self._next, self._handed, self._last = 0, 0, 0.0
        for write in pipeline.outputs():
            self._writers.append((write, open_writer(write.target, type=write.type, run=run, output=write.name)))

    def done(self, entry: Entry) -> bool:
        """Takes note that an input of the stage is on its way into the ledger; says whether rows should be handed on
        now. So many rows are kept at hand; those of more inputs, which wait for one before them, are read from the
        ledger in the end."""
        self._done.add(entry.ordinal)
        if self._kept < _KEPT:
            self._kept += len(entry.rows)
            self._at_hand[entry.ordinal] = entry.rows
        while self._next in self._done:
            self._done.remove(self._next)
            self._next += 1
        return self._next > self._handed and time.monotonic() - self._last >= _OFTEN

    def hand_on(self, stage: int) -> None:
        """Gives the outputs the rows of the inputs that are done, as the ledger has them, up to one that is not."""
        ordinals, at_hand = range(self._handed, self._next), None
        if self.all_at_hand:
            at_hand = [given for one in ordinals for given in self._at_hand.pop(one)]
            self._kept -= len(at_hand)
        else:
            self._at_hand.clear()
            self._kept = 0
        for write, writer in self._writers:
            if self._whole(write) != stage or not ordinals:
                continue
            if at_hand is None:
                self._add(write, writer, self._rows.rows(*write.reads, stage=stage, ordinals=ordinals))
            else:
                self._add(write, writer, _read_by(write, at_hand), at_hand=True)
        self._last, self._handed = time.monotonic(), self._next

    def ended(self, stage: int) -> None:
        """Gives them the rest of the rows of a stage, of which all inputs are done."""
        self.hand_on(stage)
        self._next, self._handed, self._last = 0, 0, 0.0

    @property
    def all_at_hand(self) -> bool:
        """Whether the rows that are to be handed on now need not be read from the ledger."""
        return all(ordinal in self._at_hand for ordinal in range(self._handed, self._next))

    def finish(self, stages: Collection[int]) -> tuple[Row, ...]:
        """Makes the outputs appear whose rows come from stages that have ended, and leaves the others as they were;
        gives the first rows of the pipeline, to be shown."""
        for write, writer in self._writers:
            ended = self._feeding(write) <= set(stages)
            if ended and self._whole(write) is None:
                self._add(write, writer, reads(self._ledger, write, write.reads))
            if ended and write.number not in self._broken and self._appears(write, writer):
                continue
            writer.abandon()
            self.left.append(str(write.target))
        head = list(islice(self._rows.rows(self._pipeline.end), _SHOWN))
        self._rows.close()
        return tuple({name: value for name, value in row.items() if not name.startswith("_")} for row in head)

    def abandon(self) -> None:
        """Leaves every output as it was."""
        for _, writer in self._writers:
            writer.abandon()
        self._rows.close()

    def _whole(self, write: Write) -> int | None:
        """The one stage that all rows of an output come from; None where there are several."""
        stages = self._feeding(write)
        return next(iter(stages)) if len(stages) == 1 else None

    def _feeding(self, write: Write) -> frozenset[int]:
        """The stages that the rows of an output come from."""
        return frozenset().union(*(self._pipeline.feeding[number] for number in write.reads))

    def _appears(self, write: Write, writer: Writer) -> bool:
        try:
            self.files.append((str(write.target), writer.finish()))
        except ExtractError as error:
            self.failure = self.failure or error
            return False
        return True

    def _add(self, write: Write, writer: Writer, rows: Generator[Row, None, None], at_hand: bool = False) -> None:
        """Gives an output its rows; those `at_hand` as the ledger has them, so far as anybody looks at them: the
        condition of an output may name what it does not write."""
        if write.number in self._broken:
            return
        try:
            with closing(rows):
                hidden = _hidden(write)
                add = writer.add_as_read if at_hand else writer.add
                for row in rows:
                    if write.when is None or write.when.holds(as_read(row) if at_hand else row):
                        add({name: value for name, value in row.items() if name not in hidden})
            writer.hand_over()
        except ExtractError as error:
            self._broken.add(write.number)
            self.failure = self.failure or error


def _read_by(write: Write, given: list[tuple[int, Row]]) -> Generator[Row, None, None]:
    """The rows that an output reads."""
    yield from (row for step, row in given if step in write.reads)


def _hidden(write: Write) -> frozenset[str]:
    """What an output does not ask for."""
    return frozenset(name for name in HIDDEN if name[1:] not in write.extras)
