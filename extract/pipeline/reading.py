"""Reads a pipeline as a whole: its keys, its documents, its steps, its outputs; every error at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..catalogue import ModelFacts
from ..document_limits import DocumentLimits
from ..endpoints import Reach
from ..errors import DocumentError, ModelError
from ..load import PDF_USES, PdfUse
from ..nodes import Anything, Record, Type
from ..project import roots, shown
from ..settings import SETTINGS
from ..sources import column_types
from .asking import AskReader
from .cascades import Cascades
from .conduct import read_conduct
from .contents import Contents
from .keys import EXTRAS, FILES, FLOW, LATER_KEYS, LIMITS, PER_DOCUMENT, PIPELINE, ROWS, VERBS
from .options import Defaults, Outputs, read_attempts, read_on_failure, read_settings
from .origins import read_origin
from .problems import Problems, kind, nearest
from .rowtypes import KEPT, field_names, row_of
from .steps import StepReader
from .values import Files, Rows, Step, Write
from .variables import filled, hidden, secrets
from .written import Place, Written, from_values

__all__ = ["Given", "read"]

DEFAULT_MODEL = "openai/gpt-4o-mini"


@dataclass(frozen=True)
class Given:
    """What was given beside the file: values of `variables` (``--set``), and `model` and `documents` as they would be
    written, in place of what is written there."""

    variables: Mapping[str, str] = field(default_factory=dict)
    model: Any = None
    documents: Any = None


def read(written: Written, path: Path | None, root: Path, given: Given) -> Contents:
    """The contents of a pipeline; raises PipelineError with everything that is wrong."""
    problems = Problems()
    if not isinstance(written.value, dict):
        problems.add(written.place, f"A pipeline is a mapping of keys, and this is {kind(written)}.", "Write `steps:`.")
        problems.stop()
    for place, message, fix in secrets(written) if written.place.line else ():  # what Python gives is in no file
        problems.add(place, message, fix)
    written, faults = filled(written, given.variables, os.environ)
    problems.hidden = hidden(written, given.variables)
    for place, message, remedy in faults:
        problems.add(place, message, remedy)
    problems.unfilled = {one.place for one in written.walk() if one.unfilled}
    entries = problems.keys(written, PIPELINE, "a pipeline", LATER_KEYS, elsewhere=_elsewhere)
    instead = {"model": given.model, "documents": given.documents}
    entries |= {name: from_values(value, name) for name, value in instead.items() if value is not None}
    top = Place(written.place.file, 1, 1) if written.place.line else written.place
    for key in ("documents", "steps"):
        if key not in entries:
            problems.add(top, f"`{key}` is missing.", _MISSING[key])
    documents = _documents(problems, entries["documents"], path, root) if "documents" in entries else None
    cascades = Cascades(problems, entries.get("settings"))
    model = cascades.read(entries["model"] if "model" in entries else Written(DEFAULT_MODEL, top, DEFAULT_MODEL))
    limits, each = _limits(problems, entries.get("limits"))
    defaults = Defaults(
        settings=read_settings(problems, entries["settings"]) if "settings" in entries else {},
        attempts=_attempts(problems, entries.get("attempts"), each.get("attempts")),
        on_failure=read_on_failure(problems, entries.get("on_failure"), "reject"),
    )
    outputs = Outputs(problems, inputs=lambda one: documents is not None and _reads(documents, one))
    reader = _steps(problems, documents, AskReader(problems, root, path, defaults, cascades), outputs)
    steps = reader.read(entries["steps"]) if "steps" in entries else ()
    writes = tuple(_writes(problems, entries.get("write"), reader))
    _all_used(problems, reader, steps, writes)
    cascades.check(steps, model)
    models = (*model, *(name for step in steps for name in getattr(step, "model", ())))
    per_document = _per_document(problems, each, cascades.of(models))
    name = _name(problems, entries.get("name"), path)
    reach = _reach(problems, entries)
    conduct = read_conduct(problems, entries, root)
    problems.stop()
    assert documents is not None
    return Contents(
        name=name,
        model=model,
        documents=documents,
        steps=steps,
        writes=writes,
        settings=defaults.settings,
        limits=limits,
        per_document=per_document,
        reach=reach,
        place=written.place,
        path=path,
        root=root,
        given=reader.given,
        conduct=conduct,
    )


_RELATIVE = "Paths are relative to the folder that the command runs in."
_MISSING = {
    "documents": "Write which documents to read: `documents: examples/receipts/*.txt`.",
    "steps": "Write what to do with them: `steps:` and under it `- extract: schemas/receipt.py:Receipt`.",
}


def _elsewhere(key: str) -> str | None:
    """Where a key belongs that stands at the top."""
    if key in LIMITS:
        return f"It is one of the limits: `limits: {{{key}: ...}}`."
    if key in VERBS:
        return f"It is a step: write `- {key}: ...` under `steps:`."
    if any(key in options for options in (FLOW, *VERBS.values())):
        return "It stands in a step, beside its verb."
    return f"It is one of the settings: `settings: {{{key}: ...}}`." if key in SETTINGS else None


def _steps(problems: Problems, documents: Files | Rows | None, asking: AskReader, outputs: Outputs) -> StepReader:
    """The reader of the steps, which begins with the rows of the documents."""
    given, text = row_of(Type(Record())), None
    if documents is None:
        given = Type(Anything())
    elif isinstance(documents, Rows):
        given, text = row_of(documents.type), documents.text
    carrying = not isinstance(documents, Rows) or text is not None
    return StepReader(problems, asking.root, asking.path, asking, outputs, given, text, carrying)


def _writes(problems: Problems, written: Written | None, reader: StepReader) -> Iterator[Write]:
    """The outputs at the end, each of the last step or of the one that `from` names; numbered on from the steps."""
    if written is None:
        return
    items = written.value if isinstance(written.value, tuple) else (written,)
    if not items:
        fix = "Write where the rows go (`write: out/rows.jsonl`), or take it out."
        reader.problems.add(written.place, "`write` is an empty list.", fix)
    for number, item in enumerate(items, reader.count + 1):
        options = item.value if isinstance(item.value, dict) else {}
        taken = reader.taken({name: options[name] for name in ("from", "when") if name in options})
        write = reader.outputs.read(item, number, taken.type, **taken.flow)
        if write is not None:
            yield write


def _all_used(problems: Problems, reader: StepReader, steps: Sequence[Step], writes: Sequence[Write]) -> None:
    """Rows that nobody reads are a mistake: a step that nobody reads is written, is a `write`, or is the last one."""
    flowing = [step for step in steps if not getattr(step, "joined", False)]
    if len(steps) < reader.count or reader.unresolved or not flowing:
        return  # a step that could not be read may have been the one
    read = {number for one in (*flowing, *writes) for number in one.reads}
    read |= {
        number
        for one in flowing
        for of in getattr(one, "tables", {}).values()
        if isinstance(of, tuple)
        for number in of
    }
    ends = set() if writes else {flowing[-1].number}
    for step in flowing:
        if step.number not in read | ends and not isinstance(step, Write):
            message = f"Nobody reads the rows of the step `{step.name}`."
            problems.add(step.place, message, "Write them (`write: [{to: ..., from: name}]`), or take the step out.")


def _name(problems: Problems, written: Written | None, path: Path | None) -> str:
    if written is None:
        return path.stem if path is not None else "pipeline"
    return problems.text(written, "name") or ""


def _limits(problems: Problems, written: Written | None) -> tuple[dict[str, Any], dict[str, Written]]:
    """The limits of the run, and those of each document as they are written."""
    if written is None:
        return {}, {}
    limits: dict[str, Any] = {}
    entries = problems.keys(written, LIMITS, "`limits`")
    each = entries.pop("per_document", None)
    for name, item in entries.items():
        whole = name in ("tokens", "calls", "in_flight", "tries")
        found = problems.number(item, name, above=name != "budget_usd", whole=whole)
        limits[name] = found if whole else Decimal(found or 0) if name == "budget_usd" else float(found or 0)
    return limits, {} if each is None else problems.keys(each, PER_DOCUMENT, "`per_document`")


def _reach(problems: Problems, entries: Mapping[str, Written]) -> Reach:
    """Where the pipeline's data may go."""
    offline = problems.flag(entries["offline"], "offline") if "offline" in entries else None
    hosts = problems.texts(entries["hosts"], "hosts") if "hosts" in entries else ()
    for one in hosts:
        try:
            Reach(hosts=(str(one.value),))
        except ModelError as error:
            problems.carry(one.place, error)
            return Reach()
    return Reach(offline is True, tuple(str(one.value) for one in hosts))


def _per_document(problems: Problems, entries: Mapping[str, Written], models: tuple[ModelFacts, ...]) -> DocumentLimits:
    """What one document may take; a budget is refused where the price of a model is not known."""
    given = {name: entries[name] for name in ("tokens", "budget_usd") if name in entries}
    found = {name: problems.number(one, name, above=True, whole=name == "tokens") for name, one in given.items()}
    budget = found.get("budget_usd")
    limits = DocumentLimits(found.get("tokens"), None if budget is None else Decimal(budget))
    try:
        limits.check_priced(models if budget is not None else ())
    except ModelError as error:
        problems.carry(given["budget_usd"].place, error)
    return limits


def _reads(documents: Files | Rows, path: Path) -> bool:
    """Whether a file is one of the documents."""
    if not path.is_file():
        return False
    paths = documents.paths() if isinstance(documents, Files) else filter(None, (documents.source.path,))
    return any(one.name == path.name and one.samefile(path) for one in paths)


def _attempts(problems: Problems, written: Written | None, each: Written | None) -> int | None:
    """The calls to a model for one document, which may be said in two places and only in one of them."""
    if written is not None and each is not None:
        message = "`attempts` is said twice: here, and for the pipeline as a whole."
        problems.add(each.place, message, "Take one of them out.")
    return read_attempts(problems, written or each, None)


def _documents(problems: Problems, written: Written, path: Path | None, root: Path) -> Files | Rows | None:
    where = roots(path, root)
    pdf: PdfUse = "auto"
    if isinstance(written.value, dict) and not set(FILES).isdisjoint(written.value):
        entries = problems.keys(written, FILES, "`documents`")
        if "files" not in entries:
            problems.add(written.place, "`files` is missing.", "Write `documents: {files: in/*.pdf, pdf: file}`.")
            return None
        pdf = problems.choice(entries["pdf"], "pdf", PDF_USES) if "pdf" in entries else pdf
        written = entries["files"]
    if isinstance(written.value, dict):
        return _rows(problems, written, where)
    patterns = problems.texts(written, "documents")
    if not patterns or any(problems.file(one, "documents") is None for one in patterns):
        return None
    found = [Files(tuple(str(item.value) for item in patterns), one, pdf) for one in where]
    best = next((files for files in found if not list(files.missing())), found[0])
    for i in best.missing():
        pattern = best.patterns[i]
        if "${" not in pattern:  # that has been said already
            problems.add(patterns[i].place, f"No document matches {patterns[i].shown}.", _nearest_files(pattern, root))
    return best


def _nearest_files(pattern: str, root: Path) -> str:
    """What is there instead: the folder's other endings, or the part of the path that exists."""
    folder = Path(os.path.join(root, os.path.expanduser(pattern))).parent
    if any(sign in str(folder) for sign in "*?["):
        return _RELATIVE
    if not folder.is_dir():
        return f"There is no folder {shown(folder)}; paths are relative to the folder that the command runs in."
    endings = sorted({one.suffix for one in folder.iterdir() if one.is_file() and one.suffix})
    if endings:
        return f"The files in {shown(folder)} end in {', '.join(endings)}."
    return f"The folder {shown(folder)} holds no files."


def _rows(problems: Problems, written: Written, where: Sequence[Path]) -> Rows | None:
    entries = problems.keys(written, ROWS, "`documents`")
    if "rows" not in entries and written.value.keys() > entries.keys():
        return None  # a word that is not known has been said, and was meant for it
    if "rows" not in entries:
        message = "Documents that are rows need `rows`."
        problems.add(written.place, message, "Write `documents: {rows: mails.csv, text: body}`.")
        return None
    source = read_origin(problems, entries, where)
    column = problems.text(entries["text"], "text") if "text" in entries else None
    if source is None:
        return None
    try:
        type = column_types(source)
    except DocumentError as error:
        problems.add(entries["rows"].place, f"{error.where}: {error.message}", error.fix)
        return None
    columns = field_names(type)
    if column is not None and column not in columns:
        message = f"{entries['rows'].shown} has no column `{entries['text'].shown}`."
        problems.add(entries["text"].place, message, nearest(column, columns, "Its columns"))
        return None
    for reserved in (*KEPT, *(f"_{extra}" for extra in EXTRAS)):
        if reserved in columns:
            message = f"{source} has a column `{reserved}`, and rows have that name from the run."
            problems.add(entries["rows"].place, message, "Rename the column.")
            return None
    return Rows(source, column, tuple(one for one in columns if one != column), type)
