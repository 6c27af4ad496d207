"""Holds records against the truth, field by field.

`score` compares predicted records with gold ones and counts, for each field, what is right, wrong, missing or made up.
Text is compared after folding case, white space and kinds of quotes and dashes (how much is right to the letter is
counted beside), numbers and days by value. Lists are aligned by their best match, so the order of items costs nothing
and an item too many costs that item. What gold does not mention is not judged; where gold says null, a value is one too
many.

`read_gold` reads the truth from a file, `match` brings rows and truth together, `evaluate` runs a pipeline over the
documents that have a truth.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any

from . import door
from .errors import DocumentError, PipelineError
from .evidence.folding import evened, fold
from .evidence.leaves import element, member, narrow
from .evidence.written import read_days, read_numbers
from .jsontext import canonical, load
from .ledger import FOR_GOOD, LedgerReader
from .nodes import Anything, Choice, Node, Text, Type
from .pipeline import Ask, Asked, Check, Files, Pipeline, Sample, Set, Step, Where, Write, load_pipeline
from .runner import execute, open_models

__all__ = ["FieldScore", "Scores", "evaluate", "match", "read_gold", "score"]


@dataclass(frozen=True, slots=True)
class FieldScore:
    """The counts of one field. `field` is its path (``lines[].price``; the whole record is ``""``). `right` are equal
    to gold, `exact` of them to the letter; `wrong` differ, `missing` are in gold only, `extra` predicted only."""

    field: str
    right: int = 0
    exact: int = 0
    wrong: int = 0
    missing: int = 0
    extra: int = 0

    @property
    def n(self) -> int:
        """How many values gold has."""
        return self.right + self.wrong + self.missing

    @property
    def precision(self) -> float | None:
        """The share of right ones among the predicted; None where nothing was predicted."""
        return _share(self.right, self.right + self.wrong + self.extra)

    @property
    def recall(self) -> float | None:
        """The share of right ones among gold's; None where gold has none."""
        return _share(self.right, self.n)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of the two; None where there is nothing at all."""
        return _share(2 * self.right, 2 * self.right + 2 * self.wrong + self.extra + self.missing)

    def plain(self) -> dict[str, Any]:
        """The counts and shares as JSON values."""
        counts = {name: getattr(self, name) for name in ("field", "n", *_COUNTS)}
        return {**counts, **{name: _rounded(getattr(self, name)) for name in _SHARES}}


_COUNTS = ("right", "exact", "wrong", "missing", "extra")
_SHARES = ("precision", "recall", "f1")


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


@dataclass(frozen=True, slots=True)
class Scores:
    """How well records fit the truth: field by field, over all fields, and how many records are right as a whole."""

    fields: tuple[FieldScore, ...]
    records: int = 0
    right: int = 0
    absent: int = 0

    @property
    def total(self) -> FieldScore:
        """All fields together."""
        return FieldScore("all", *(sum(getattr(one, name) for one in self.fields) for name in _COUNTS))

    def plain(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return {
            "records": self.records,
            "right": self.right,
            "absent": self.absent,
            "all": self.total.plain(),
            "fields": [one.plain() for one in self.fields],
        }

    def table(self) -> str:
        """The figures as a table in plain text."""
        head = ("field", "n", *_COUNTS, *_SHARES)
        rows = [head, *(tuple(map(_cell, one.plain().values())) for one in (*self.fields, self.total))]
        widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(width) if not at else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        lines.insert(1, "-" * len(lines[0]))
        lines.insert(-1, lines[1])
        absent = f"; {self.absent} gave no record" if self.absent else ""
        return "\n".join([*lines, f"{self.right} of {self.records} records are right in every field{absent}."])


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def score(pairs: Iterable[tuple[Any, Any]], type: Type | None = None, date_order: str | None = None) -> Scores:
    """The scores of (predicted, gold) pairs of JSON values; a prediction of None is a record that never came.

    `date_order` (``DMY`` or ``MDY``) says how days such as 03/04/2018 are meant. Without it each field's order is the
    one that its unambiguous gold values show, and day before month where none does.
    """
    known = list(pairs)
    type = type or Type(Anything())
    judge = _Judge(type, _orders((gold for _, gold in known), date_order))
    counts: dict[str, Counter[str]] = {}
    right = 0
    for predicted, gold in known:
        marks = judge.compare(predicted, gold, type.root, "")
        right += predicted is not None and not any(mark in ("wrong", "missing", "extra") for _, mark in marks)
        for path, mark in marks:
            counts.setdefault(path, Counter())[mark] += 1
    fields = tuple(
        FieldScore(
            path, count["right"] + count["exact"], count["exact"], count["wrong"], count["missing"], count["extra"]
        )
        for path, count in counts.items()
    )
    return Scores(fields, len(known), right, sum(predicted is None for predicted, _ in known))


Marks = list[tuple[str, str]]
"""For each value that was judged the path of its field and `exact`, `right`, `wrong`, `missing` or `extra`."""


@dataclass(frozen=True)
class _Judge:
    """Compares values of one type."""

    type: Type
    orders: Mapping[str, str] = field(default_factory=dict)

    def compare(self, predicted: Any, gold: Any, node: Node, path: str) -> Marks:
        """The marks of a predicted value against a gold one."""
        node = narrow(node, gold if gold is not None else predicted, self.type)
        if isinstance(gold, Mapping):
            return self._objects(predicted if isinstance(predicted, Mapping) else None, gold, node, path)
        if isinstance(gold, list):
            return self._lists(predicted if isinstance(predicted, list) else [], gold, node, path)
        if gold in (None, ""):
            return self._all(predicted, path, "extra")
        if predicted in (None, ""):
            return [(path, "missing")]
        return [(path, self._equal(predicted, gold, node, path))]

    def _objects(self, predicted: Mapping[str, Any] | None, gold: Mapping[str, Any], node: Node, path: str) -> Marks:
        marks: Marks = []
        for name, value in gold.items():
            inner = f"{path}.{name}" if path else name
            marks += self.compare((predicted or {}).get(name), value, member(node, name)[1], inner)
        return marks

    def _lists(self, predicted: Sequence[Any], gold: Sequence[Any], node: Node, path: str) -> Marks:
        inner, item = f"{path}[]", element(node, 0)
        marks: Marks = []
        pairs, left, right = _aligned(predicted, gold, lambda a, b: self._likeness(a, b, item, inner))
        for mine, theirs in pairs:
            marks += self.compare(predicted[mine], gold[theirs], item, inner)
        for theirs in right:
            marks += self._all(gold[theirs], inner, "missing")
        asked = {name for one in gold if isinstance(one, Mapping) for name in one}
        for mine in left:
            value = predicted[mine]
            if asked and isinstance(value, Mapping):
                value = {name: part for name, part in value.items() if name in asked}
            marks += self._all(value, inner, "extra")
        return marks

    def _likeness(self, predicted: Any, gold: Any, node: Node, path: str) -> float:
        """How many leaves of two items agree."""
        marks = self.compare(predicted, gold, node, path)
        return sum({"exact": 1.01, "right": 1.0, "wrong": 0.001}.get(mark, 0.0) for _, mark in marks)

    def _all(self, value: Any, path: str, mark: str) -> Marks:
        """The same mark for every leaf that is not null."""
        if isinstance(value, Mapping):
            return [
                one for name, part in value.items() for one in self._all(part, f"{path}.{name}" if path else name, mark)
            ]
        if isinstance(value, list):
            return [one for part in value for one in self._all(part, f"{path}[]", mark)]
        return [] if value in (None, "") else [(path, mark)]

    def _equal(self, predicted: Any, gold: Any, node: Node, path: str) -> str:
        if isinstance(predicted, (Mapping, list)):
            return "wrong"
        if isinstance(predicted, bool) or isinstance(gold, bool):
            return "exact" if predicted is gold else "wrong"
        if predicted == gold and isinstance(predicted, str) == isinstance(gold, str):
            return "exact"
        if not (isinstance(predicted, str) and isinstance(gold, str)):
            mine, theirs = _number(predicted), _number(gold)
            return "right" if mine is not None and mine == theirs else "wrong"
        if fold(predicted) == fold(gold):
            return "right"
        if isinstance(node, Choice):
            return "wrong"
        order = self.orders.get(path, "DMY")
        dated = (isinstance(node, Text) and node.format in ("date", "date-time")) or _iso(predicted) or _iso(gold)
        mine_day, their_day = (_day(predicted, order), _day(gold, order)) if dated else (None, None)
        return "right" if mine_day is not None and mine_day == their_day else "wrong"


def _number(value: Any) -> Decimal | None:
    """The number that a value means; a text whose spelling leaves two readings means its likelier one."""
    if isinstance(value, str):
        return next(iter(read_numbers(evened(value))), None)
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _iso(text: str) -> bool:
    return len(text) >= 10 and text[4] == text[7] == "-" and text[:4].isdecimal()


def _day(text: str, order: str) -> tuple[int, int, int] | str | None:
    """The day that a text means; with a time of day, the text itself for what stands after it."""
    even = evened(text).strip()
    if _iso(even):
        return (int(even[:4]), int(even[5:7]), int(even[8:10])) if even[:10].replace("-", "").isdecimal() else None
    readings = read_days(even)
    if not readings:
        return None
    year, month, day = readings[1] if order == "MDY" and _ambiguous(readings) else readings[0]
    return (year if year > 99 else 2000 + year if year < 70 else 1900 + year, month, day)


def _ambiguous(readings: Sequence[tuple[int, int, int]]) -> bool:
    return len(readings) > 1 and readings[0][0] == readings[1][0] and readings[0][1:] == readings[1][:0:-1]


def _orders(gold: Iterable[Any], given: str | None) -> Mapping[str, str]:
    """The order of day and month for each field's path: as given, or as unambiguous gold values show it."""
    shown: dict[str, Counter[str]] = {}
    for record in gold:
        for path, text in _texts(record, ""):
            numbers = [
                int(part) for part in evened(text).replace("-", "/").replace(".", "/").split("/") if part.isdecimal()
            ]
            if len(numbers) == 3 and not _iso(text):
                first, second = numbers[:2]
                shown.setdefault(path, Counter())[
                    "MDY" if second > 12 >= first else "DMY" if first > 12 >= second else ""
                ] += 1
    return {path: given or ("MDY" if seen["MDY"] > seen["DMY"] else "DMY") for path, seen in shown.items()}


def _texts(value: Any, path: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _texts(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, f"{path}[]")
    elif isinstance(value, str) and len(value) < 24:
        yield path, value


_EXACTLY = (
    10_000  # pairs of items up to which the best alignment is searched for; beyond that the likest go together first
)

Alignment = tuple[list[tuple[int, int]], list[int], list[int]]


def _aligned(predicted: Sequence[Any], gold: Sequence[Any], likeness: Callable[[Any, Any], float]) -> Alignment:
    """Which predicted item answers which gold one: pairs of indexes in gold's order, then those left over on each side.
    Equal items go together; of the rest, those that share a right value, so that as much as possible is right."""
    pairs, left, right = _equals(predicted, gold)
    like = [[likeness(predicted[mine], gold[theirs]) for theirs in right] for mine in left]
    chosen = (_best if len(left) * len(right) <= _EXACTLY else _greedy)(like)
    met = [(left[mine], right[theirs]) for mine, theirs in chosen if like[mine][theirs] >= 1.0]
    pairs = sorted(pairs + met, key=lambda pair: pair[1])
    mine_met, theirs_met = {mine for mine, _ in met}, {theirs for _, theirs in met}
    return pairs, [one for one in left if one not in mine_met], [one for one in right if one not in theirs_met]


def _equals(predicted: Sequence[Any], gold: Sequence[Any]) -> Alignment:
    waiting: dict[bytes, list[int]] = {}
    for mine in reversed(range(len(predicted))):
        waiting.setdefault(canonical(predicted[mine]), []).append(mine)
    pairs, right = [], []
    for theirs, item in enumerate(gold):
        if same := waiting.get(canonical(item)):
            pairs.append((same.pop(), theirs))
        else:
            right.append(theirs)
    return pairs, sorted(mine for rest in waiting.values() for mine in rest), right


def _greedy(like: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    ranked = sorted((-one, abs(i - j), i, j) for i, row in enumerate(like) for j, one in enumerate(row) if one)
    rows, columns, chosen = set(), set(), []
    for _, _, i, j in ranked:
        if i not in rows and j not in columns:
            rows.add(i)
            columns.add(j)
            chosen.append((i, j))
    return chosen


def _best(like: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """The assignment of rows to columns with the greatest sum: the Hungarian method with potentials, O(n * n * m)."""
    if not like or not like[0]:
        return []
    if len(like) > len(like[0]):
        return [(i, j) for j, i in _best([list(column) for column in zip(*like, strict=True)])]
    n, m = len(like), len(like[0])
    row_cost, column_cost = [0.0] * (n + 1), [0.0] * (m + 1)
    owner = [0] * (m + 1)  # the row that holds a column, counted from 1; 0: free
    for row in range(1, n + 1):
        owner[0], column = row, 0
        slack, came = [float("inf")] * (m + 1), [0] * (m + 1)
        seen = [False] * (m + 1)
        while owner[column]:
            seen[column] = True
            here, delta, following = owner[column], float("inf"), 0
            for j in range(1, m + 1):
                if seen[j]:
                    continue
                cost = -like[here - 1][j - 1] - row_cost[here] - column_cost[j]
                if cost < slack[j]:
                    slack[j], came[j] = cost, column
                if slack[j] < delta:
                    delta, following = slack[j], j
            for j in range(m + 1):
                if seen[j]:
                    row_cost[owner[j]] += delta
                    column_cost[j] -= delta
                else:
                    slack[j] -= delta
            column = following
        while column:
            owner[column] = owner[came[column]]
            column = came[column]
    return [(owner[j] - 1, j - 1) for j in range(1, m + 1) if owner[j]]


def read_gold(path: Path) -> dict[str, Any]:
    """The truth from a JSONL file, by document. A row is ``{"_source": document, "gold": record}`` (or ``id`` for
    ``_source``), or the record's own fields beside ``_source``. A document with several rows has the list of their
    records. Raises `DocumentError` for a file that cannot be read so.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(
            f"The gold file cannot be read: {getattr(error, 'strerror', None) or error}.", where=str(path)
        ) from None
    gathered: dict[str, list[Any]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            source, record = _gold_row(line, f"{path}:{number}")
            gathered.setdefault(source, []).append(record)
    if not gathered:
        raise DocumentError("The gold file is empty.", where=str(path), fix=_GOLD_FORM)
    return {source: records[0] if len(records) == 1 else records for source, records in gathered.items()}


_GOLD_FORM = 'Each line is {"_source": document, "gold": record}, or the record with "_source" beside its fields.'


def _gold_row(line: str, where: str) -> tuple[str, Any]:
    try:
        row = load(line)
    except ValueError as error:
        raise DocumentError(f"This line is not JSON: {error}.", where=where, fix=_GOLD_FORM) from None
    if not isinstance(row, dict):
        raise DocumentError("This line is not a JSON object.", where=where, fix=_GOLD_FORM)
    source = row.get("_source", row.get("id") if "gold" in row else None)
    if not isinstance(source, str):
        raise DocumentError("This row does not say which document it is of.", where=where, fix=_GOLD_FORM)
    if "gold" in row:
        return source, row["gold"]
    return source, {name: value for name, value in row.items() if not name.startswith("_")}


def match(rows: Iterable[Mapping[str, Any]], gold: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """The pairs of predicted and gold records for `score`, in gold's order. A row belongs to the gold record of its
    ``_source``: the same path, or else the same file name, or else the same name without its ending. Gold without a row
    is paired with None; rows without gold are left out. Several rows of one document become a list.
    """
    index = _Sources(gold)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        name = index.find(str(row.get("_source", "")))
        if name is not None:
            found.setdefault(name, []).append({key: value for key, value in row.items() if not key.startswith("_")})
    pairs: list[tuple[Any, Any]] = []
    for name, record in gold.items():
        mine: list[Any] = list(found.get(name, ()))
        several = isinstance(record, list) or len(mine) > 1
        if several:
            pairs.append((mine or None, record if isinstance(record, list) else [record]))
        else:
            pairs.append((mine[0] if mine else None, record))
    return pairs


class _Sources:
    """The documents that gold names, to be found by path, by file name, and by name without its ending."""

    def __init__(self, names: Iterable[str]):
        self._paths: dict[str, list[str]] = {}
        self._files: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for name in names:
            path, file, stem = _names(name)
            self._paths.setdefault(path, []).append(name)
            self._files.setdefault(file, []).append(name)
            for one in {file, stem}:
                self._stems.setdefault(one, []).append(name)

    def find(self, source: str) -> str | None:
        """The gold document that a source is, or None; a name that two of them share tells nothing."""
        path, file, stem = _names(source)
        for found in (self._paths.get(path, ()), self._files.get(file, ()), self._stems.get(stem, ())):
            if len(found) == 1:
                return found[0]
        return None


def _names(source: str) -> tuple[str, str, str]:
    """The path, the file's name, and that without its ending; a row of a file (`mails.csv#3`) has none."""
    path = PurePath(source)
    return os.path.normpath(source), path.name, path.name if "#" in path.name else path.stem


def evaluate(
    pipeline: str, gold: Path, model: Sequence[str] = (), folder: str | None = None, step: str | None = None
) -> Scores:
    """Runs a pipeline over those of its documents that `gold` names, and scores the records.

    The records are those of the last step that asks a model about documents, or of the one that `step` names, with the
    `set` and `check` steps after it; nothing is filtered out, and nothing is written but the run's folder (`folder`, or
    a new one under ``runs``; the same again resumes). `model` replaces the pipeline's models.
    Raises `DocumentError` where gold and the pipeline's documents have nothing in common, and what stopped the run.
    """
    truth = read_gold(gold)
    loaded = _judged(pipeline, truth, tuple(model), gold, step)
    cascade = open_models(loaded)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    where = Path(folder or f"runs/{loaded.name}-eval-{stamp}")
    # the records are read afterwards, and what is rejected is a part of what is judged
    conduct = replace(loaded.conduct, retention=FOR_GOOD, max_rejected=None)
    done = door.run(lambda: execute(loaded, cascade, where, conduct=conduct), "await")
    if done.stopped is not None:
        raise done.stopped
    with LedgerReader(where) as ledger:
        rows = list(ledger.rows(loaded.end))
    return score(match(rows, truth), loaded.type)


def _judged(name: str, truth: Mapping[str, Any], model: tuple[str, ...], gold: Path, step: str | None) -> Pipeline:
    """The pipeline over the documents that have a truth, up to the step that is judged, writing nothing."""
    loaded = load_pipeline(name, model=model or None)
    if isinstance(loaded.documents, Files):
        index = _Sources(truth)
        named = [glob.escape(str(path.absolute())) for path in loaded.documents.paths() if index.find(str(path))]
        if not named:
            raise DocumentError(
                "None of the pipeline's documents is named in the gold file.",
                where=str(gold),
                fix='A gold row\'s "_source" is the path or the file name of a document.',
            )
        loaded = load_pipeline(name, model=model or None, documents=named)
    return _up_to(loaded, _judged_step(loaded, step))


def _judged_step(pipeline: Pipeline, name: str | None) -> Asked:
    """The step whose records are judged."""
    about = [one for one in pipeline.asked if not isinstance(one, Ask) and not one.gathers]
    named = [one for one in about if name in (None, one.name)]
    if named:
        return named[-1]
    listed = ", ".join(one.name for one in about)
    message = f"There is no step `{name}` to be judged." if name else "No step makes records of documents."
    fix = f"The steps that can be: {listed}." if listed else None
    raise PipelineError(message, str(pipeline.place), fix)


def _up_to(pipeline: Pipeline, judged: Asked) -> Pipeline:
    """The way to a step, and on through the steps after it that change rows one by one; without those that leave some
    out."""
    end = judged.number
    wanted, waiting = {end}, [end]
    while waiting:
        before = (one for one in pipeline.sources(pipeline.by_number[waiting.pop()]) if one in pipeline.by_number)
        waiting += (new := [one for one in before if one not in wanted])
        wanted |= set(new)
    while after := [one for one in pipeline.readers[end] if isinstance(one, (Set, Check)) and one.when is None]:
        end = after[0].number
        wanted.add(end)
    instead: dict[int, tuple[int, ...]] = {}
    steps: list[Step] = []
    for step in pipeline.steps:
        joined = isinstance(step, Check) and step.joined
        if step.number not in wanted and not joined:
            continue
        reads = tuple(dict.fromkeys(new for one in step.reads for new in instead.get(one, (one,))))
        if isinstance(step, (Where, Ask, Sample, Write)) and not joined:
            instead[step.number] = reads
        else:
            steps.append(replace(step, reads=reads, when=None if step is not judged else step.when))
    return replace(pipeline, steps=tuple(steps), writes=())
