"""Which steps would ask about which documents, as far as that can be known before an answer is there.

Conditions on what a file's rows say are worked out, and samples are drawn as a run would draw them; conditions on what
a model will say are taken to hold. Code of the project is not run: a `python` step lets every row pass as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import nsmallest

from ..operators import apply
from ..operators.rows import Row, chance
from ..pipeline import DOCUMENTS, Ask, Asked, Classify, Pipeline, Python, Sample, Step, Write
from ..runner import Input

__all__ = ["asks", "later"]


def asks(pipeline: Pipeline, documents: Iterable[Input]) -> Iterator[tuple[int, Input, Row, bool]]:
    """Every step that asks about a document, with the document, its row as far as it is known, and whether it is sure
    to come there: of the documents, and of samples that are drawn of them."""
    drawn: dict[int, list[tuple[float, int, Input, Row]]] = {number: [] for number in _samples(pipeline)}
    for order, given in enumerate(documents):
        for number, row, sure in _reached(pipeline, DOCUMENTS, given.row, True):
            if number not in drawn:
                yield number, given, row, sure
                continue
            step = pipeline.by_number[number]
            assert isinstance(step, Sample)
            drawn[number].append((chance(step.seed, str(row["_id"])), order, given, row))
            if len(drawn[number]) > 2 * (step.rows or 0):
                drawn[number] = nsmallest(step.rows or 0, drawn[number], key=_first)
    for number, several in drawn.items():
        step = pipeline.by_number[number]
        for _, _, given, row in nsmallest(getattr(step, "rows", 0), several, key=_first):
            for reached, one, sure in _reached(pipeline, number, row, True):
                if reached not in drawn:
                    yield reached, given, one, sure


def _first(drawn: tuple[float, int, Input, Row]) -> tuple[float, int]:
    return drawn[:2]


def _samples(pipeline: Pipeline) -> tuple[int, ...]:
    """The steps that draw so many of the documents, before anything is asked about them."""
    return tuple(
        step.number
        for step in pipeline.flowing
        if isinstance(step, Sample) and step.gathers and step.carries and _whole(pipeline, step, DOCUMENTS)
    )


def _whole(pipeline: Pipeline, step: Step, stage: int) -> bool:
    """Whether all rows that a step reads come from one stage."""
    return all(pipeline.feeding[number] == frozenset({stage}) for number in step.reads)


def _reached(pipeline: Pipeline, number: int, row: Row, sure: bool) -> Iterator[tuple[int, Row, bool]]:
    """The steps that ask about a document, with the row as far as it is known, and whether it is sure to come there."""
    for step in pipeline.readers[number]:
        if isinstance(step, Write) and step.number not in pipeline.by_number:
            continue
        if step.gathers:
            if isinstance(step, Sample) and step.carries and (step.when is None or step.when.holds(row)):
                yield step.number, row, sure
            continue
        if sure and step.when is not None and not step.when.holds(row):
            continue
        here = sure and not isinstance(step, Python)
        if isinstance(step, Asked):
            if step.document:
                yield step.number, row, here
                if isinstance(step, (Ask, Classify)):
                    yield from _reached(pipeline, step.number, row, False)
            continue
        if isinstance(step, (Python, Write)) or not sure:
            yield from _reached(pipeline, step.number, row, here)
            continue
        outcome = apply(step, row)
        for one in outcome.rows if outcome.state == "out" else ():
            yield from _reached(pipeline, step.number, one, sure)


def later(pipeline: Pipeline) -> Iterator[int]:
    """The steps that ask about what an answer or all rows before make: how often is not known."""
    known = {DOCUMENTS, *_samples(pipeline)}
    for step in pipeline.asked:
        if not step.document or not pipeline.feeding[step.number] <= known:
            yield step.number
