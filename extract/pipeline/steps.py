"""Reads the steps of a pipeline, each against the rows that the step before it gives.

One row in a table for each verb. When a step is wrong the ones after it are still read, against what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import schema as schemas
from ..call import Example
from ..errors import ExtractError, ModelError, SchemaError
from ..nodes import Anything, Type
from ..project import find_file, load_schema, roots, shown
from ..settings import SETTINGS, check_settings, wrong
from ..sinks import SUFFIXES
from ..sources import read_rows
from ..tables import QueryError, describe
from ..waiving import OnFailure, check_best_effort
from .keys import EXTRAS, LATER_OPTIONS, LATER_VERBS, ON_FAILURE, VERBS
from .problems import Problems, kind, nearest
from .rowtypes import field_names, is_record, row_of, with_field
from .values import Check, Extract, Set, Sql, Step, Where, Write
from .written import Place, Written

if TYPE_CHECKING:
    from ..schema import Schema

__all__ = ["Defaults", "StepReader", "read_settings", "read_write"]

_LATER_SINKS = (".db", ".duckdb", ".sqlite", ".sqlite3", ".xlsx")


@dataclass(frozen=True)
class Defaults:
    """What the pipeline as a whole says to its steps."""

    settings: dict[str, Any] = field(default_factory=dict)
    attempts: int | None = None
    on_failure: OnFailure = "reject"
    columns: tuple[str, ...] = ()


@dataclass
class StepReader:
    """Reads step after step. `type` is that of the rows so far, None before the first `extract` and where it is
    unknown; `joining` is whether a check would still join an `extract`, whose own type is `record`."""

    problems: Problems
    root: Path
    path: Path | None
    defaults: Defaults
    type: Type | None = None
    record: Type | None = None
    joining: bool = False
    extracts: int = 0
    sinks: dict[Path, Place] = field(default_factory=dict)

    def read(self, written: Written) -> tuple[Step, ...]:
        """Every step that could be read, with the checks joined to their extract."""
        if not isinstance(written.value, tuple):
            message = f"`steps` is a list, and this is {kind(written)}."
            self.problems.add(written.place, message, "Begin each step with `- `.")
            return ()
        if not written.value:
            self.problems.add(written.place, "`steps` is an empty list.", "Write a step: `- extract: schemas/...`.")
        return _joined(step for i, item in enumerate(written.value, 1) if (step := self.step(i, item)) is not None)

    def step(self, number: int, written: Written) -> Step | None:
        verb = self.verb(written)
        if verb is None:
            return None
        options = self.problems.keys(written, (verb, *VERBS[verb]), f"the step `{verb}`", LATER_OPTIONS)
        if verb == "extract":
            self.extracts += 1
        elif self.extracts == 0:
            message = "The first step is an `extract`: it makes the rows that the others read."
            self.problems.add(written.keys[verb], message)
            self.extracts = 1
        self.joining = (self.joining and verb == "check") or verb == "extract"
        return _VERBS[verb](self, number, written.keys[verb], options)

    def verb(self, written: Written) -> str | None:
        """The one verb of a step."""
        if not isinstance(written.value, dict):
            fix = f"Write `- {written.text}: ...`." if written.text in VERBS else "Write `- verb: argument`."
            self.problems.add(written.place, f"A step is a verb with its argument, and this is {kind(written)}.", fix)
            return None
        verbs: list[str] = [key for key in written.value if key in VERBS]
        later: list[str] = [key for key in written.value if key in LATER_VERBS]
        if len(verbs) == 1 and not [key for key in later if key not in LATER_OPTIONS]:
            return verbs[0]
        if len(verbs) > 1:
            message = f"A step has one verb, and this has {' and '.join(f'`{verb}`' for verb in verbs)}."
            self.problems.add(written.keys[verbs[1]], message, f"Begin a step of its own: `- {verbs[1]}: ...`.")
        elif later:
            message = f"The verb `{later[0]}` is not built yet."
            self.problems.add(written.keys[later[0]], message, LATER_VERBS[later[0]] or None)
        elif written.value:
            first = next(iter(written.value))
            message = f"There is no verb `{first}`."
            self.problems.add(written.keys[first], message, nearest(first, VERBS, "The verbs"))
        else:
            self.problems.add(written.place, "A step is empty.", "Write `- verb: argument`.")
        return None

    def extract(self, number: int, place: Place, options: dict[str, Written]) -> Step | None:
        if self.extracts > 1:
            fix = "Put the fields into one schema, or run a second pipeline."
            self.problems.add(place, "A second `extract` is not built yet.", fix)
            return None
        problems = self.problems
        ref = problems.text(options["extract"], "extract")
        schema = None if ref is None else self.schema(ref, options["extract"].place)
        instructions = options.get("instructions")
        said = None if instructions is None else problems.text(instructions, "instructions")
        settings = read_settings(problems, options["settings"]) if "settings" in options else {}
        attempts = read_attempts(problems, options.get("attempts"), self.defaults.attempts)
        on_failure = read_on_failure(problems, options.get("on_failure"), self.defaults.on_failure)
        if schema is None or ref is None:
            return None
        examples = self.examples(options["examples"], schema) if "examples" in options else ()
        self.record, self.type = schema.type, row_of(schema.type, self.defaults.columns)
        self.collisions(schema.type, options["extract"].place)
        return Extract(
            number,
            place,
            self.type,
            ref,
            schema,
            (said or "").strip(),
            examples,
            {**self.defaults.settings, **settings},
            attempts,
            on_failure,
            tuple(self.best_effort(options["best_effort"], schema)) if "best_effort" in options else (),
        )

    def schema(self, ref: str, place: Place) -> Any:
        try:
            schema = schemas.compile(load_schema(ref, self.root, pipeline=self.path))
        except ExtractError as error:
            self.problems.carry(place, error)
            return None
        if not is_record(schema.type):
            message = f"A row is a record, and {ref} is not."
            self.problems.add(place, message, "Put it into a model with a field for it.")
            return None
        return schema

    def collisions(self, type: Type, place: Place) -> None:
        for name in field_names(type):
            if name in self.defaults.columns:
                message = f"The schema's field `{name}` has the name of a column of the rows."
                self.problems.add(place, message, "Rename the field or the column; an alias in the schema will do.")

    def examples(self, written: Written, schema: Any) -> tuple[Example, ...]:
        """Pairs of a text and its record, from a file or written out; each is checked against the schema."""
        if isinstance(written.value, str):
            path = find_file(written.value, roots(self.path, self.root))
            if path is None:
                self.problems.add(written.place, f"There is no file {written.value} with examples.")
                return ()
            try:
                pairs = [(f"{shown(path)}:{i}", pair) for i, pair in enumerate(read_rows(path), 1)]
            except ExtractError as error:
                self.problems.add(written.place, f"{error.where}: {error.message}", error.fix)
                return ()
        elif isinstance(written.value, tuple):
            pairs = [("", item.plain()) for item in written.value]
        else:
            self.problems.add(written.place, f"`examples` is a file or a list, and this is {kind(written)}.")
            return ()
        listed = written.value if isinstance(written.value, tuple) else (written,) * len(pairs)
        places = [item.place for item in listed]
        made = (self.example(at, where, pair, schema) for at, (where, pair) in zip(places, pairs, strict=True))
        return tuple(one for one in made if one is not None)

    def example(self, place: Place, where: str, pair: Any, schema: Any) -> Example | None:
        before = f"{where}: " if where else ""
        if not isinstance(pair, dict) or set(pair) != {"text", "record"} or not isinstance(pair["text"], str):
            fix = 'Write {"text": "...", "record": {...}}.'
            self.problems.add(place, f"{before}An example has a `text` and its `record`.", fix)
            return None
        wrong = schema.check(pair["record"], None).problems
        if wrong:
            listed = "; ".join(str(problem) for problem in wrong)
            self.problems.add(place, f"{before}The example does not fit {schema.name}: {listed}.")
            return None
        return Example(pair["text"], pair["record"], schema.encode(pair["record"]))

    def best_effort(self, written: Written, schema: Schema[Any]) -> Iterator[str]:
        """The fields that a record can do without, each of which may be empty."""
        for item in self.problems.texts(written, "best_effort"):
            try:
                check_best_effort(schema, (str(item.value),))
                yield str(item.value)
            except SchemaError as error:
                self.problems.carry(item.place, error)

    def check(self, number: int, place: Place, options: dict[str, Written]) -> Step | None:
        type = self.record if self.joining else self.type
        condition = self.problems.expression(options["check"], "check", type, condition=True)
        on_failure: OnFailure = "reject" if self.defaults.on_failure == "keep" else self.defaults.on_failure
        if "on_failure" in options and self.joining:
            self.problems.add(
                options["on_failure"].place,
                "A check that stands directly after an `extract` is part of it: what becomes of a record that cannot be"
                " repaired is said there.",
                "Move `on_failure` to the `extract`.",
            )
        elif "on_failure" in options:
            on_failure = self.problems.choice(options["on_failure"], "on_failure", ON_FAILURE[:2]) or "reject"
        if condition is None or self.type is None:
            return None
        return Check(number, place, self.type, condition, self.joining, on_failure)

    def where(self, number: int, place: Place, options: dict[str, Written]) -> Step | None:
        condition = self.problems.expression(options["where"], "where", self.type, condition=True)
        return None if condition is None or self.type is None else Where(number, place, self.type, condition)

    def set(self, number: int, place: Place, options: dict[str, Written]) -> Step | None:
        written = options["set"]
        if not isinstance(written.value, dict) or not written.value:
            message = f"`set` is a mapping of fields to expressions, and this is {kind(written)}."
            self.problems.add(written.place, message, 'Write `set: {net: "total - tax"}`.')
            return None
        values = []
        for name, item in written.value.items():
            if name.startswith("_"):
                self.problems.add(written.keys[name], f"`{name}` cannot be set: names with `_` belong to the run.")
            expression = self.problems.expression(item, f"set: {name}", self.type, condition=False)
            if expression is not None:
                values.append((name, expression))
            if self.type is not None:
                node = expression.gives(self.type) if expression is not None else Anything()
                self.type = with_field(self.type, name, node)
        return None if self.type is None else Set(number, place, self.type, tuple(values))

    def sql(self, number: int, place: Place, options: dict[str, Written]) -> Step | None:
        query = self.problems.text(options["sql"], "sql")
        if query is None or self.type is None:
            return None
        try:
            reads, self.type = self.type, row_of(describe(query, {"rows": self.type}))
        except QueryError as error:
            at = options["sql"].at(error.position) if error.position is not None else options["sql"].place
            self.problems.add(at, error.message, error.fix)
            self.type = None
            return None
        return Sql(number, place, self.type, query, reads)

    def write(self, number: int, place: Place, options: dict[str, Written]) -> Step | None:
        write = read_write(self.problems, options["write"], number, self.type, self.sinks)
        return None if write is None or self.type is None else write


def _joined(steps: Iterator[Step]) -> tuple[Step, ...]:
    """The steps, with each extract holding the checks that stand directly after it."""
    found: list[Step] = []
    last = -1
    for step in steps:
        if isinstance(step, Extract):
            last = len(found)
        if isinstance(step, Check) and step.joined:
            extract = found[last]
            assert isinstance(extract, Extract)
            found[last] = replace(extract, checks=(*extract.checks, step))
        found.append(step)
    return tuple(found)


def read_settings(problems: Problems, written: Written) -> dict[str, Any]:
    """The settings of calls, each checked where it stands."""
    if not isinstance(written.value, dict):
        problems.add(written.place, f"`settings` is a mapping of keys, and this is {kind(written)}.")
        return {}
    found: dict[str, Any] = {}
    for name, item in written.value.items():
        value = _for_the_wire(item.plain())
        if (said := wrong(name, value)) is not None:
            problems.add(written.keys[name] if name not in SETTINGS else item.place, *said)
        else:
            found[name] = value
    try:
        check_settings(found)
    except ModelError as error:
        problems.carry(written.place, error)
    return found


def _for_the_wire(value: Any) -> Any:
    """Parameters go to a server as JSON numbers, which its client makes of floats."""
    if isinstance(value, Mapping):
        return {name: _for_the_wire(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_for_the_wire(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def read_attempts(problems: Problems, written: Written | None, default: int | None) -> int | None:
    found = default if written is None else problems.number(written, "attempts", above=True, whole=True)
    return None if found is None else int(found)


def read_on_failure(problems: Problems, written: Written | None, default: OnFailure) -> OnFailure:
    return default if written is None else problems.choice(written, "on_failure", ON_FAILURE) or default


def read_write(
    problems: Problems, written: Written, number: int, type: Type | None, sinks: dict[Path, Place]
) -> Write | None:
    """One output: a path, or `{to: path, with: [evidence, confidence, cost]}`."""
    extras: tuple[str, ...] = ()
    to = written
    if isinstance(written.value, dict):
        entries = problems.keys(written, ("to", "with"), "an output", {})
        if "to" not in entries:
            problems.add(written.place, "An output needs a path: `to` is missing.")
            return None
        to = entries["to"]
        if "with" in entries:
            named = problems.texts(entries["with"], "with")
            extras = tuple(str(problems.choice(item, "with", EXTRAS)) for item in named)
    name = problems.text(to, "write")
    if name is None or not _writable(problems, to, name):
        return None
    path = Path(name).expanduser()
    if path in sinks:
        first = f"it was first on line {sinks[path].line}" if to.place.line else f"it was first at {sinks[path].path}"
        problems.add(to.place, f"{name} is written twice; {first}.", "Give it another name.")
        return None
    sinks[path] = to.place
    return Write(number, to.place, type or Type(root=Anything()), path, extras)


def _writable(problems: Problems, written: Written, name: str) -> bool:
    suffix = Path(name).suffix.lower()
    if "://" in name or suffix in _LATER_SINKS:
        what = "Databases are" if suffix != ".xlsx" else "Spreadsheets are"
        problems.add(written.place, f"{what} not built yet as outputs.", f"Write one of {', '.join(SUFFIXES)}.")
        return False
    if suffix not in SUFFIXES:
        said = f"Nothing is known of files that end in `{suffix}`." if suffix else "The output's name has no ending."
        problems.add(written.place, said, nearest(suffix, SUFFIXES, "The endings"))
        return False
    if Path(name).is_dir():
        problems.add(written.place, f"{name} is a folder.", "Name a file in it.")
        return False
    return True


_VERBS: dict[str, Callable[[StepReader, int, Place, dict[str, Written]], Step | None]] = {
    "extract": StepReader.extract,
    "check": StepReader.check,
    "where": StepReader.where,
    "set": StepReader.set,
    "sql": StepReader.sql,
    "write": StepReader.write,
}
