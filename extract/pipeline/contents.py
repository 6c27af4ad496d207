"""A pipeline as a whole: what is read, the steps and which of them read which, what is written.

Rows flow from the documents along the steps. Steps that take one row after another hang together in a `Stage`: whatever
enters it goes through all of them before the next does. A step that needs all rows at once (`gathers`) begins a stage
of its own, whose rows it makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from ..document_limits import DocumentLimits
from ..endpoints import Reach
from ..jsontext import canonical, digest
from ..nodes import Type
from ..settings import apart
from .conduct import Conduct
from .values import DOCUMENTS, Asked, Check, Files, Rows, Sql, Step, Write
from .written import Place

__all__ = ["Contents"]


@dataclass(frozen=True)
class Contents:
    """What a pipeline consists of. `limits` are those of the run, `per_document` those of each document and step;
    `reach` says where its data may go. `given` is the type of the documents' rows, before any step. `writes` are the
    outputs, numbered on from the steps; `conduct` is how its runs are carried out."""

    name: str
    model: tuple[str, ...]
    documents: Files | Rows
    steps: tuple[Step, ...]
    writes: tuple[Write, ...]
    settings: Mapping[str, Any]
    limits: Mapping[str, Any]
    per_document: DocumentLimits
    reach: Reach
    place: Place
    path: Path | None
    root: Path
    given: Type = field(repr=False)
    conduct: Conduct = field(default_factory=Conduct)

    @cached_property
    def asked(self) -> tuple[Asked, ...]:
        """The steps that ask a model."""
        return tuple(step for step in self.steps if isinstance(step, Asked))

    def models_of(self, step: Asked) -> tuple[str, ...]:
        """The cascade that a step asks."""
        return step.model or self.model

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Every model that some step asks, each once."""
        return tuple(dict.fromkeys(name for step in self.asked for name in self.models_of(step)))

    def asking(self, models: tuple[str, ...]) -> Self:
        """The same pipeline with every step asking these models."""
        steps = tuple(replace(step, model=()) if isinstance(step, Asked) else step for step in self.steps)
        return replace(self, model=models, steps=steps)

    @property
    def end(self) -> int:
        """The number of the last step: its rows are those of the pipeline."""
        return self.flowing[-1].number if self.flowing else DOCUMENTS

    @property
    def type(self) -> Type:
        """The type of the rows at the end."""
        return self.type_of(self.end)

    @cached_property
    def by_number(self) -> Mapping[int, Step]:
        """The steps by their numbers."""
        return {step.number: step for step in self.steps}

    def type_of(self, number: int) -> Type:
        """The type of the rows that a step gives, or of the documents' own."""
        return self.given if number == DOCUMENTS else self.by_number[number].type

    @cached_property
    def flowing(self) -> tuple[Step, ...]:
        """The steps that rows flow through: checks that joined their `extract` are a part of it."""
        return tuple(step for step in self.steps if not (isinstance(step, Check) and step.joined))

    @cached_property
    def readers(self) -> Mapping[int, tuple[Step, ...]]:
        """The steps and outputs that read the rows of each step, by its number."""
        found: dict[int, list[Step]] = {number: [] for number in (DOCUMENTS, *(one.number for one in self.flowing))}
        for reader in (*self.flowing, *self.writes):
            for number in dict.fromkeys(self.sources(reader)):
                found[number].append(reader)
        return {number: tuple(several) for number, several in found.items()}

    def sources(self, reader: Step) -> tuple[int, ...]:
        """The numbers of the steps that one reads, those of its further tables among them."""
        if not isinstance(reader, Sql):
            return reader.reads
        return (*reader.reads, *(number for of in reader.tables.values() if isinstance(of, tuple) for number in of))

    @cached_property
    def kept(self) -> frozenset[int]:
        """The steps whose rows must be kept until somebody reads them, by their numbers: what needs all rows, and what
        is written, reads them later."""
        late = (one for one in (*self.flowing, *self.writes) if one.gathers or isinstance(one, Write))
        return frozenset({self.end, *(number for one in late for number in self.sources(one))})

    @cached_property
    def stages(self) -> tuple[int, ...]:
        """The numbers of the steps that begin a stage, the documents first."""
        return (DOCUMENTS, *(step.number for step in self.flowing if step.gathers))

    @cached_property
    def feeding(self) -> Mapping[int, frozenset[int]]:
        """The stages that the rows of each step come from, by its number."""
        found: dict[int, frozenset[int]] = {DOCUMENTS: frozenset({DOCUMENTS})}
        for step in self.flowing:
            upstream = frozenset().union(*(found[number] for number in step.reads))
            found[step.number] = frozenset({step.number}) if step.gathers else upstream
        return found

    def outputs(self) -> Iterator[Write]:
        """Everything that is written: by steps, and at the end."""
        yield from (step for step in self.steps if isinstance(step, Write))
        yield from self.writes

    def plain(self) -> Any:
        """What the pipeline does to a document, as JSON values: not which documents, models, limits and outputs."""
        steps = [[step.plain(), step.flow()] for step in self.steps if not isinstance(step, Write)]
        return {"settings": apart(self.settings)[0], "steps": steps}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of `plain`."""
        return digest(canonical(self.plain()))
