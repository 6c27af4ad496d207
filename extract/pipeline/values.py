"""A pipeline as values: what is read, the steps, what is written.

All of it is frozen and was checked when it was read: a `Pipeline` that exists can be run. Running it is the work of
`runner`. A step knows the type of the rows that it gives, and its place in the file for whatever may go wrong later.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..call import Example
from ..document_limits import DocumentLimits
from ..endpoints import Reach
from ..expressions import Expression
from ..jsontext import canonical, digest
from ..load import PdfUse
from ..nodes import Type
from ..settings import apart
from ..waiving import OnFailure
from .written import Place

if TYPE_CHECKING:
    from ..schema import Schema

__all__ = [
    "Check",
    "Contents",
    "Extract",
    "Files",
    "OnFailure",
    "Rows",
    "Segment",
    "Set",
    "Sql",
    "Step",
    "Where",
    "Write",
]


@dataclass(frozen=True)
class Files:
    """Documents that are files: patterns relative to `root`. A folder stands for every file in it and below. `pdf` says
    what of a PDF goes to the model."""

    patterns: tuple[str, ...]
    root: Path
    pdf: PdfUse = "auto"

    def paths(self) -> Iterator[Path]:
        """Every file, each once: pattern by pattern, and within one by name. Relative to the working folder where it is
        inside, as a person would write it."""
        seen: set[str] = set()
        for pattern in self.patterns:
            for name in self._matches(pattern):
                if name not in seen:
                    seen.add(name)
                    yield Path(name)

    def missing(self) -> Iterator[int]:
        """The numbers of the patterns that match no file."""
        return (i for i, pattern in enumerate(self.patterns) if not any(True for _ in self._matches(pattern)))

    def _matches(self, pattern: str) -> Iterator[str]:
        pattern = os.path.expanduser(pattern)
        whole, here = self.root / pattern, Path.cwd()
        if whole.is_dir():
            found: Iterable[Path] = sorted(_within(whole))
        elif whole.exists():
            found = (whole,)
        else:
            found = (self.root / name for name in sorted(glob.glob(pattern, root_dir=self.root, recursive=True)))
        for path in found:
            if path.is_file():
                yield str(path.relative_to(here) if path.is_relative_to(here) else path)


def _within(folder: Path) -> Iterator[Path]:
    """The files of a folder and below, but for hidden ones."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        yield from (Path(parent) / file for file in files if not file.startswith("."))


@dataclass(frozen=True)
class Rows:
    """Documents that are rows of a file: each row's column `text` is one document, and the other columns come along."""

    path: Path
    text: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One step: its number from 1, its place, and the type of the rows that it gives."""

    number: int
    place: Place
    type: Type = field(repr=False)

    @property
    def verb(self) -> str:
        return type(self).__name__.lower()

    @property
    def name(self) -> str:
        """How the step is called in accounts of a run: ``2 check``."""
        return f"{self.number} {self.verb}"

    def plain(self) -> Any:
        """What the step does, as JSON values; places take no part in it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Check(Step):
    """A condition that a record must meet. One that stands directly after an `extract` (`joined`) belongs to its task,
    so that what breaks it is repaired; a later one only rejects or holds for review."""

    condition: Expression
    joined: bool = False
    on_failure: OnFailure = "reject"

    def plain(self) -> Any:
        return {"check": self.condition.text, "on_failure": self.on_failure}


@dataclass(frozen=True)
class Extract(Step):
    """A record of the schema out of each document. `checks` are those that joined it; `best_effort` are fields that a
    record can do without."""

    ref: str
    schema: Schema[Any] = field(repr=False, compare=False)
    instructions: str = ""
    examples: tuple[Example, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    attempts: int | None = None
    on_failure: OnFailure = "reject"
    best_effort: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()

    def plain(self) -> Any:
        return {
            "extract": self.schema.fingerprint,
            "instructions": self.instructions,
            "examples": [one.plain() for one in self.examples],
            "settings": apart(self.settings)[0],
            "attempts": self.attempts,
            "on_failure": self.on_failure,
            "best_effort": list(self.best_effort),
        }


@dataclass(frozen=True)
class Where(Step):
    """Keeps the rows for which the condition holds."""

    condition: Expression

    def plain(self) -> Any:
        return {"where": self.condition.text}


@dataclass(frozen=True)
class Set(Step):
    """Gives fields new values, one after another: a later one sees the earlier ones."""

    values: tuple[tuple[str, Expression], ...]

    def plain(self) -> Any:
        return {"set": [[name, value.text] for name, value in self.values]}


@dataclass(frozen=True)
class Sql(Step):
    """One query over all rows, which it sees as the table `rows`. `reads` is the type of those rows."""

    query: str
    reads: Type = field(repr=False)

    def plain(self) -> Any:
        return {"sql": self.query}


@dataclass(frozen=True)
class Write(Step):
    """A file that rows are written to; `extras` of ``evidence``, ``confidence`` and ``cost`` come along."""

    path: Path
    extras: tuple[str, ...] = ()

    def plain(self) -> Any:
        return {"write": str(self.path), "with": list(self.extras)}


@dataclass(frozen=True)
class Segment:
    """Steps that rows go through one by one. `gather` is the step before them that needs all rows at once, or None for
    the first segment, which begins with the documents. Checks that joined their `extract` are not among `steps`."""

    gather: Sql | None
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Contents:
    """What a pipeline consists of; `Pipeline` in the face of this room adds the ways to make one. `limits` are those of
    the run, `per_document` those of each document; `reach` says where its data may go."""

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

    @property
    def extract(self) -> Extract:
        """The step that makes records of documents."""
        return next(step for step in self.steps if isinstance(step, Extract))

    @property
    def asked(self) -> Mapping[str, Any]:
        """The settings of the calls, `extra_headers` among them."""
        return {**self.settings, **self.extract.settings}

    @property
    def type(self) -> Type:
        """The type of the rows at the end."""
        return self.steps[-1].type

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The steps, cut before each one that needs all rows at once."""
        cut: list[tuple[Sql | None, list[Step]]] = [(None, [])]
        for step in self.steps:
            if isinstance(step, Sql):
                cut.append((step, []))
            elif not (isinstance(step, Check) and step.joined):
                cut[-1][1].append(step)
        return tuple(Segment(gather, tuple(steps)) for gather, steps in cut)

    def plain(self) -> Any:
        """What the pipeline does to a document, as JSON values: not which documents, models, limits and outputs."""
        steps = [step.plain() for step in self.steps if not isinstance(step, Write)]
        return {"settings": apart(self.settings)[0], "steps": steps}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of `plain`."""
        return digest(canonical(self.plain()))
