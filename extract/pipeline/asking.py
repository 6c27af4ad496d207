"""Reads the steps that ask a model: `extract`, `classify`, and `where` with a question.

Each is a schema, what it is filled from, and how it is asked. A `classify` and a question bring schemas of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import schema as schemas
from ..call import Example
from ..errors import ExtractError, SchemaError
from ..expressions import Expression
from ..nodes import Anything, Choice, Type
from ..project import find_file, load_schema, roots, shown
from ..sources import read_rows
from ..templates import Template
from ..waiving import check_best_effort
from .keys import KEEP_ALL
from .options import Defaults, read_attempts, read_on_failure, read_settings
from .problems import Problems, kind, nearest
from .rowtypes import KEPT, field_names, is_record, row_of, taken, with_field, with_fields
from .values import Ask, Classify, Extract
from .written import Place, Written

if TYPE_CHECKING:
    from ..schema import Schema

__all__ = ["AskReader", "Taken"]

_ROW = Type(Anything())


@dataclass(frozen=True)
class Taken:
    """What a step takes: the steps that it reads, the rows of those that it wants, their type (None: it is unknown,
    because a step before is wrong), the column that holds the text of the document that they carry, and what it is
    called."""

    reads: tuple[int, ...]
    type: Type | None
    when: Expression | None = None
    carries: bool = False
    text: str | None = None
    called: str = ""

    @property
    def flow(self) -> dict[str, Any]:
        """What each step has of it."""
        return {"reads": self.reads, "when": self.when, "called": self.called}


@dataclass
class AskReader:
    """Reads one step after another; what is wrong is noted in `problems`."""

    problems: Problems
    root: Path
    path: Path | None
    defaults: Defaults

    def extract(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Extract | None:
        ref, schema = self.schema(options["extract"])
        common = self.common(options, of)
        group = self.group(options["group"], of) if "group" in options else ()
        if schema is None or ref is None:
            return None
        examples = self.examples(options["examples"], schema) if "examples" in options else ()
        keep = group or self.keep(options.get("keep"), of, common)
        made = row_of(schema.type)
        if of.type is not None:
            self.collisions(schema.type, keep, options["extract"].place)
            made = with_fields(made, taken(of.type, keep), of.type.named)
        effort = tuple(self.best_effort(options["best_effort"], schema)) if "best_effort" in options else ()
        return Extract(
            number, place, made, ref, schema, examples=examples, best_effort=effort, group=group, keep=keep, **common
        )

    def classify(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Classify | None:
        labels = self.labels(options["classify"])
        common = self.common(options, of)
        into = self.problems.text(options["into"], "into") if "into" in options else "label"
        otherwise = self.problems.text(options["otherwise"], "otherwise") if "otherwise" in options else None
        if not labels or into is None or not self.free(into, options.get("into")):
            return None
        if otherwise is not None:
            labels.setdefault(otherwise, "None of the others fits.")
        schema = schemas.compile(_labelled(labels))
        examples = self.examples(options["examples"], schema) if "examples" in options else ()
        type = None if of.type is None else with_field(of.type, into, Choice(values=tuple(labels)))
        return Classify(
            number,
            place,
            type or _ROW,
            "classify",
            schema,
            examples=examples,
            labels=labels,
            otherwise=otherwise,
            into=into,
            carries=of.carries,
            **common,
        )

    def ask(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Ask | None:
        """A `where` with a question."""
        entries = self.problems.keys(options["where"], ("ask",), "`where`", {})
        if "ask" not in entries:
            self.problems.add(
                options["where"].place, "`ask` is missing.", 'Write `where: {ask: "Is it a complaint?"}`.'
            )
            return None
        question = self.problems.text(entries["ask"], "ask")
        common = self.common(options, of)
        if question is None:
            return None
        schema = schemas.compile(_question(question))
        examples = self.examples(options["examples"], schema) if "examples" in options else ()
        type = of.type or _ROW
        return Ask(
            number, place, type, "where", schema, examples=examples, question=question, carries=of.carries, **common
        )

    def common(self, options: Mapping[str, Written], of: Taken) -> dict[str, Any]:
        """What each of them may say."""
        settings = read_settings(self.problems, options["settings"]) if "settings" in options else {}
        text = None
        if "text" in options:
            text = self.problems.expression(options["text"], "text", of.type, condition=False)
        models = self.problems.models(options["model"]) if "model" in options else ()
        return {
            **of.flow,
            "instructions": self.instructions(options.get("instructions"), of),
            "settings": {**self.defaults.settings, **settings},
            "attempts": read_attempts(self.problems, options.get("attempts"), self.defaults.attempts),
            "on_failure": read_on_failure(self.problems, options.get("on_failure"), self.defaults.on_failure),
            "model": models,
            "text": text,
            "document": of.carries and "text" not in options,
        }

    def instructions(self, written: Written | None, of: Taken) -> Template:
        said = None if written is None else self.problems.text(written, "instructions")
        if written is None or said is None:
            return Template("")
        hidden = (of.text,) if of.text is not None else ()
        return self.problems.template(written, of.type, hidden) or Template("")

    def schema(self, written: Written) -> tuple[str | None, Any]:
        """What the step names and the schema that it stands for: a reference, or a type itself in Python."""
        declared, ref = written.value, written.text
        if isinstance(declared, str) or not isinstance(declared, type):
            if (said := self.problems.text(written, "extract")) is None:
                return None, None
            ref = said
        try:
            named = declared if isinstance(declared, type) else load_schema(ref, self.root, pipeline=self.path)
            schema: Schema[Any] = schemas.compile(named)
        except ExtractError as error:
            self.problems.carry(written.place, error)
            return ref, None
        if not is_record(schema.type):
            message = f"A row is a record, and {ref} is not."
            self.problems.add(written.place, message, "Put it into a model with a field for it.")
            return ref, None
        return ref, schema

    def keep(self, written: Written | None, of: Taken, common: Mapping[str, Any]) -> tuple[str, ...]:
        """The fields of the row that come along. If nothing is said: all but what was read."""
        known = () if of.type is None else tuple(name for name in field_names(of.type) if name not in KEPT)
        text: Expression | None = common["text"]
        read = of.text if common["document"] else text.text.strip() if text is not None else None
        others = tuple(name for name in known if name != read)
        if written is None:
            return others if common["document"] or text is not None else ()
        if written.value == KEEP_ALL:
            return known if text is None and not common["document"] else others
        found = []
        for item in self.problems.texts(written, "keep"):
            if of.type is not None and item.value not in known:
                message = f"The rows have no field `{item.value}`."
                self.problems.add(item.place, message, nearest(str(item.value), known, "Their fields"))
            else:
                found.append(str(item.value))
        return tuple(found)

    def group(self, written: Written, of: Taken) -> tuple[str, ...]:
        """The fields that the rows of one group share."""
        known = () if of.type is None else tuple(name for name in field_names(of.type) if name not in KEPT)
        found = []
        for item in self.problems.texts(written, "group"):
            if of.type is not None and known and item.value not in known:
                message = f"The rows have no field `{item.value}`."
                fix = nearest(str(item.value), known, "Their fields")
                self.problems.add(item.place, message, fix)
            else:
                found.append(str(item.value))
        return tuple(dict.fromkeys(found))

    def collisions(self, type: Type, along: tuple[str, ...], place: Place) -> None:
        for name in field_names(type):
            if name in along:
                message = f"The schema's field `{name}` has the name of a field of the rows that it reads."
                fix = "Rename one of them (an alias in the schema will do), or say with `keep` which fields come along."
                self.problems.add(place, message, fix)

    def labels(self, written: Written) -> dict[str, str]:
        """The labels, each with what it means, where that is said."""
        if isinstance(written.value, dict):
            named = [(name, item, written.keys[name]) for name, item in written.value.items()]
            found = {name: self.meaning(item, name) for name, item, _ in named if name.strip()}
        elif isinstance(written.value, tuple):
            found = {}
            for item in self.problems.texts(written, "classify"):
                if item.value in found:
                    self.problems.add(
                        item.place, f"The label `{item.value}` stands here twice.", "Take one of them out."
                    )
                found[str(item.value)] = ""
        else:
            said = "`classify` is a list of labels, or a mapping of labels to what they mean"
            self.problems.add(
                written.place, f"{said}, and this is {kind(written)}.", "Write `classify: [order, complaint]`."
            )
            return {}
        if len(found) < 2:
            self.problems.add(written.place, "There is nothing to choose between.", "Give two labels at least.")
        return found

    def meaning(self, written: Written, label: str) -> str:
        if written.value is None:
            return ""
        return self.problems.text(written, label) or ""

    def free(self, name: str, written: Written | None) -> bool:
        """Whether rows may have a field of this name."""
        if not name.startswith("_"):
            return True
        assert written is not None
        self.problems.add(written.place, f"`{name}` cannot be a field: names with `_` belong to the run.")
        return False

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


def _labelled(labels: Mapping[str, str]) -> dict[str, Any]:
    """A record of one field, the label; what the labels mean stands in its description."""
    meant = [f"{label}: {meaning}" for label, meaning in labels.items() if meaning]
    said = "The label that fits best." + ("".join(f"\n{one}" for one in meant))
    label = {"type": "string", "enum": list(labels), "description": said}
    return {"title": "Label", "type": "object", "properties": {"label": label}, "required": ["label"]}


def _question(question: str) -> dict[str, Any]:
    """A record of one field: whether the answer is yes."""
    yes = {"type": "boolean", "description": f"Whether the answer is yes: {question}"}
    return {"title": "Answer", "type": "object", "properties": {"yes": yes}, "required": ["yes"]}
