"""The steps of a pipeline as values, one class for each verb; what is read before them and written after them.

All of it is frozen and was checked when it was read. A step knows the steps whose rows it reads (0 stands for the
documents), the type of the rows that it gives, and its place in the file for whatever may go wrong later. What a step
does with rows is the work of `operators` and `runner`.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..call import Example
from ..expressions import Expression
from ..load import PdfUse
from ..nodes import Anything, Type
from ..project import shown
from ..settings import apart
from ..sinks import Target
from ..sources import Source
from ..templates import Template
from ..waiving import OnFailure
from .written import Place

if TYPE_CHECKING:
    from ..schema import Schema

__all__ = [
    "DOCUMENTS",
    "Ask",
    "Asked",
    "Check",
    "Classify",
    "Extract",
    "Files",
    "OnFailure",
    "Python",
    "Review",
    "Rows",
    "Sample",
    "Set",
    "Sql",
    "Step",
    "Unnest",
    "Where",
    "Write",
]

DOCUMENTS = 0
"""The number that stands for the documents where a step says what it reads."""


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
    """Documents that are rows of a file or a database: each row's column `text` is one document (None: the rows are
    there for their columns only), and the other columns come along. `type` is that of the rows."""

    source: Source
    text: str | None = None
    columns: tuple[str, ...] = ()
    type: Type = field(default=Type(Anything()), repr=False, compare=False)

    @cached_property
    def name(self) -> str:
        """What the rows are called, with their number behind it: the file as a person would write it, or the table."""
        return str(self.source) if self.source.path is None else shown(self.source.path)


@dataclass(frozen=True)
class Step:
    """One step: its number from 1, its place, and the type of the rows that it gives. `reads` are the numbers of the
    steps whose rows it takes, as far as they meet `when`; `called` is the name that `as` gave it. Rows still have their
    document with them where `carries` says so."""

    number: int
    place: Place
    type: Type = field(repr=False)
    called: str = field(default="", kw_only=True)
    reads: tuple[int, ...] = field(default=(), kw_only=True)
    when: Expression | None = field(default=None, kw_only=True)
    carries: bool = field(default=False, kw_only=True)

    @property
    def verb(self) -> str:
        return type(self).__name__.lower()

    @property
    def name(self) -> str:
        """How the step is called in accounts of a run: its own name, or ``2 check``."""
        return self.called or f"{self.number} {self.verb}"

    @property
    def gathers(self) -> bool:
        """Whether it needs all rows at once; every other step takes one row after another."""
        return False

    def plain(self) -> Any:
        """What the step does, as JSON values; places and names of files take no part in it."""
        raise NotImplementedError

    def flow(self) -> Any:
        """Which rows it takes, as JSON values."""
        return {"reads": list(self.reads), "when": None if self.when is None else self.when.text}


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
class Asked(Step):
    """A step that asks a model for a value of `schema`, row by row. What it asks about is the row's document, or what
    `text` gives, or the record itself. `instructions` may name fields of the row. `model` is its own cascade (empty:
    that of the pipeline); `keep` are the fields of the row that come along."""

    ref: str
    schema: Schema[Any] = field(repr=False, compare=False)
    instructions: Template = field(default_factory=lambda: Template(""))
    examples: tuple[Example, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    attempts: int | None = None
    on_failure: OnFailure = "reject"
    best_effort: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    model: tuple[str, ...] = field(default=(), kw_only=True)
    text: Expression | None = field(default=None, kw_only=True)
    document: bool = field(default=True, kw_only=True)
    keep: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def parts(self) -> Mapping[str, Any]:
        """What its answers depend on beside the document and the models, each by its name, as JSON values."""
        return {
            "schema": self.schema.fingerprint,
            "instructions": self.instructions.text,
            "examples": [one.plain() for one in self.examples],
            "settings": apart(self.settings)[0],
            "attempts": self.attempts,
            "checks": [check.condition.text for check in self.checks],
        }

    def plain(self) -> Any:
        return {
            self.verb: self.schema.fingerprint,
            "instructions": self.instructions.text,
            "examples": [one.plain() for one in self.examples],
            "settings": apart(self.settings)[0],
            "attempts": self.attempts,
            "on_failure": self.on_failure,
            "best_effort": list(self.best_effort),
            "text": None if self.text is None else self.text.text,
            "model": list(self.model),
            "keep": list(self.keep),
        }


@dataclass(frozen=True)
class Extract(Asked):
    """A record of the schema out of each document, or out of all rows of each `group` (the fields that they share).
    `checks` are those that joined it; `best_effort` are fields that a record can do without."""

    group: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def gathers(self) -> bool:
        return bool(self.group)

    def plain(self) -> Any:
        return {**super().plain(), "group": list(self.group)}


@dataclass(frozen=True)
class Classify(Asked):
    """Gives each row one of `labels` (with what each means), in the field `into`; `otherwise` is the label for what
    none of the others fits."""

    labels: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    otherwise: str | None = field(default=None, kw_only=True)
    into: str = field(default="label", kw_only=True)

    def plain(self) -> Any:
        return {**super().plain(), "into": self.into}


@dataclass(frozen=True)
class Ask(Asked):
    """Keeps the rows for which a model says that the `question` is to be answered with yes."""

    question: str = field(default="", kw_only=True)

    @property
    def verb(self) -> str:
        return "where"


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
class Unnest(Step):
    """A row for each item of the list at `path`. The fields of an item that is a record become the row's own, or the
    item stands in the field `into`; the field `position` counts them from 1. A row without items ends here, unless it
    is kept with nulls in their place, under the `names` that items have."""

    path: tuple[str, ...]
    into: str | None = None
    position: str | None = None
    keep_empty: bool = False
    names: tuple[str, ...] = ()

    def plain(self) -> Any:
        return {
            "unnest": list(self.path),
            "into": self.into,
            "position": self.position,
            "keep_empty": self.keep_empty,
        }


@dataclass(frozen=True)
class Sql(Step):
    """One query over all rows, which it sees as the table `rows`, and as the tables that are named in `tables`: rows of
    steps by their numbers, or rows of files and databases. `types` are those of the tables' rows."""

    query: str
    tables: Mapping[str, tuple[int, ...] | Source]
    types: Mapping[str, Type] = field(repr=False)
    shown: str = field(default="", kw_only=True, repr=False, compare=False)

    @property
    def gathers(self) -> bool:
        return True

    def plain(self) -> Any:
        tables = {name: of.plain() if isinstance(of, Source) else list(of) for name, of in self.tables.items()}
        return {"sql": self.query, "tables": tables}


@dataclass(frozen=True)
class Python(Step):
    """Each row through a function of a project's own, which gives a row, several, or none. Where `schema` is known,
    what it gives is checked by it."""

    ref: str
    function: Callable[[dict[str, Any]], Any] = field(repr=False, compare=False)
    source: str = field(default="", repr=False)
    schema: Schema[Any] | None = field(default=None, repr=False, compare=False)

    def plain(self) -> Any:
        schema = None if self.schema is None else self.schema.fingerprint
        return {"python": self.ref, "source": self.source, "schema": schema}


@dataclass(frozen=True)
class Sample(Step):
    """Some of the rows, the same ones each time, chosen by their `_id` and the seed: a share of them (`fraction`, as
    they come), or so many of them (`rows`, for which all must be there)."""

    fraction: float | None = None
    rows: int | None = None
    seed: int = 0

    @property
    def gathers(self) -> bool:
        return self.rows is not None

    def plain(self) -> Any:
        return {"sample": self.fraction if self.rows is None else self.rows, "seed": self.seed}


@dataclass(frozen=True)
class Review(Step):
    """Holds rows for a person: those that meet the condition, and those with a field that a model was less sure of than
    `confidence`. What was decided about a row stands in the file `decisions`, by its `_id`."""

    condition: Expression | None = None
    confidence: float | None = None
    decisions: Path | None = None

    def plain(self) -> Any:
        condition = None if self.condition is None else self.condition.text
        return {"review": condition, "confidence": self.confidence}


@dataclass(frozen=True)
class Write(Step):
    """Where rows are written to; `extras` of ``evidence``, ``confidence`` and ``cost`` come along. Rows go on as they
    are."""

    target: Target
    extras: tuple[str, ...] = ()

    def plain(self) -> Any:
        return {"write": self.target.plain(), "with": list(self.extras)}
