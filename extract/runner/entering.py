"""What each stage of a pipeline begins with: its documents, and the rows that a step made of all rows before it.

Inputs come one by one and in order; nothing is opened before it is asked about, and what waits is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..document import Document
from ..errors import DocumentError
from ..ledger import RunLedger
from ..load import open_document
from ..operators.gathering import grouped, queried, sampled
from ..operators.rows import Row, row_id
from ..pipeline import DOCUMENTS, Extract, Files, Pipeline, Rows, Sample, Sql, Step
from ..sources import Source, count_rows, read_rows

__all__ = ["Input", "count", "gathered", "inputs", "reads"]


@dataclass(frozen=True)
class Input:
    """One document or row that a stage begins with: its place, its name, its row, and how to open the document that it
    carries (None: it has none)."""

    stage: int
    ordinal: int
    id: str
    source: str
    row: Row
    open: Callable[[], Document] | None = None


def inputs(pipeline: Pipeline, limit: int | None = None) -> Iterator[Input]:
    """The documents of a pipeline in order, at most `limit`; nothing is opened yet."""
    documents = pipeline.documents
    made = _of_files(documents) if isinstance(documents, Files) else _of_rows(documents)
    for ordinal, (source, row, opener) in enumerate(islice(made, limit)):
        yield Input(DOCUMENTS, ordinal, source, source, row, opener)


def count(pipeline: Pipeline, limit: int | None = None) -> int:
    """How many documents there are; opens none of them."""
    documents = pipeline.documents
    if isinstance(documents, Files):
        return sum(1 for _ in islice(documents.paths(), limit))
    there = count_rows(documents.source)
    return there if limit is None else min(there, limit)


def _of_files(documents: Files) -> Iterator[tuple[str, Row, Callable[[], Document]]]:
    for path in documents.paths():
        source = _name(path)
        yield source, {"_id": row_id(source, "", "documents"), "_source": source}, _Opener(documents, path)


@dataclass
class _Opener:
    """Opens a file, once for all the steps that ask about it."""

    documents: Files
    path: Path
    document: Document | None = None

    def __call__(self) -> Document:
        if self.document is None:
            self.document = open_document(self.path, pdf=self.documents.pdf)
        return self.document


def _of_rows(documents: Rows) -> Iterator[tuple[str, Row, Callable[[], Document] | None]]:
    for number, found in enumerate(read_rows(documents.source), 1):
        source = f"{documents.name}#{number}"
        row = {**found, "_id": row_id(source, "", "documents"), "_source": source}
        yield source, row, _carried(documents, row)


def _carried(documents: Rows, row: Row) -> Callable[[], Document] | None:
    """How to open the document that a row of a file carries."""
    if documents.text is None:
        return None
    text = row.get(documents.text)
    return _Text("" if text is None else str(text), str(row["_source"]))


def _name(path: Path) -> str:
    """The path as text; bytes in it that are no UTF-8 are spelled out."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def reads(ledger: RunLedger, reader: Step, steps: tuple[int, ...]) -> Generator[Row, None, None]:
    """The rows of some steps that a reader takes, from the ledger."""
    when = reader.when
    with closing(ledger.rows(*steps)) as rows:
        for row in rows:
            if when is None or when.holds(row):
                yield row


@dataclass(frozen=True)
class _Waiting:
    """Rows that can be gone through as often as need be."""

    make: Callable[[], Iterator[Row]]

    def __iter__(self) -> Iterator[Row]:
        return self.make()


def gathered(pipeline: Pipeline, step: Step, ledger: RunLedger) -> Iterator[Input]:
    """The rows that a step makes of all those before it, as inputs of its stage. Raises PipelineError for a query that
    cannot run."""
    if isinstance(step, Sql):
        tables = {name: _table(step, ledger, of) for name, of in step.tables.items()}
        made: Iterator[tuple[Row, Callable[[], Document] | None]] = ((row, None) for row in queried(step, tables))
    elif isinstance(step, Sample):
        waiting = _Waiting(lambda: reads(ledger, step, step.reads))
        again = _again(pipeline.documents) if step.carries else lambda row: None
        made = ((row, again(row)) for row in sampled(step, waiting))
    else:
        assert isinstance(step, Extract)
        groups = grouped(step, reads(ledger, step, step.reads))
        made = ((one.row, _text(one.text, str(one.row["_source"]))) for one in groups)
    for ordinal, (row, opener) in enumerate(made):
        source = str(row.get("_source") or row["_id"])
        yield Input(step.number, ordinal, str(row["_id"]), source, row, opener)


def _table(step: Sql, ledger: RunLedger, of: tuple[int, ...] | Source) -> _Waiting:
    if isinstance(of, Source):
        return _Waiting(lambda: read_rows(of))
    return _Waiting(lambda: reads(ledger, step, of))


def _text(text: str, source: str) -> Callable[[], Document]:
    return _Text(text, source)


@dataclass(frozen=True, slots=True)
class _Text:
    """A document whose text is at hand; a value, so that it may be done elsewhere."""

    text: str
    source: str

    def __call__(self) -> Document:
        return Document(text=self.text, source=self.source)


def _again(documents: Files | Rows) -> Callable[[Row], Callable[[], Document] | None]:
    """How to open the documents that rows carried before they waited."""
    if isinstance(documents, Rows):
        return lambda row: _carried(documents, row)
    paths = {_name(path): path for path in documents.paths()}

    def opener(row: Row) -> Callable[[], Document]:
        source = str(row["_source"])
        return _Opener(documents, paths[source]) if source in paths else _Gone(source)

    return opener


@dataclass(frozen=True, slots=True)
class _Gone:
    source: str

    def __call__(self) -> Document:
        raise DocumentError("The file is no longer there.", self.source)
