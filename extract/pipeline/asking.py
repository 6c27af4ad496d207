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
from ..nodes import Anything, Array, Choice, Record, Type
from ..project import find_file, load_schema, roots, shown
from ..sources import read_rows
from ..templates import Template
from ..waiving import check_best_effort
from .cascades import Cascades
from .keys import KEEP_ALL, ON_FAILURE
from .options import Defaults, read_attempts, read_on_failure, read_settings
from .problems import Problems, kind, nearest
from .rowtypes import KEPT, field_names, is_record, node_at, row_of, taken, with_field, with_fields
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
    cascades: Cascades

    def extract(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Extract | None:
        ref, schema = self.schema(options["extract"], "extract")
        common = self.common(number, options, of)
        group = self.group(options["group"], of) if "group" in options else ()
        if "group" in options and "keep" in options:
            message = "`keep` does not go with `group`: what comes along are the fields that the rows of a group share."
            self.problems.add(options["keep"].place, message, "Take it out, or name its fields in `group`.")
        if schema is None or ref is None:
            return None
        examples = self.examples(options["examples"], schema) if "examples" in options else ()
        keep = group or self.keep(options.get("keep"), of, common)
        made = row_of(schema.type)
        if of.type is not None:
            self.collisions(schema.type, keep, options)
            made = with_fields(made, taken(of.type, keep), of.type.named)
        effort = tuple(self.best_effort(options["best_effort"], schema)) if "best_effort" in options else ()
        return Extract(
            number, place, made, ref, schema, examples=examples, best_effort=effort, group=group, keep=keep, **common
        )

    def classify(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Classify | None:
        labels = self.labels(options["classify"])
        common = self.common(number, options, of, keeps=False)
        into = self.problems.text(options["into"], "into") if "into" in options else "label"
        otherwise = self.problems.text(options["otherwise"], "otherwise") if "otherwise" in options else None
        if not labels or into is None or not self.free(into, options.get("into")):
            return None
        if of.type is not None and into in field_names(of.type):
            written = options.get("into", options["classify"])
            fix = "Give the label another name." if "into" in options else "Give the label another name: `into: kind`."
            place = written.place if "into" in options else place
            self.problems.add(place, f"The rows have a field `{into}` already.", fix)
        if otherwise is not None:
            self.alike(otherwise, tuple(one for one in labels if one != otherwise), options["otherwise"].place)
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
        entries = self.problems.keys(options["where"], ("ask",), "`where`")
        if "ask" not in entries:
            if not options["where"].value:
                message = "A `where` that is a mapping asks a model, and `ask` is missing."
                self.problems.add(options["where"].place, message, 'Write `where: {ask: "Is it a complaint?"}`.')
            return None
        question = self.problems.text(entries["ask"], "ask")
        common = self.common(number, options, of, keeps=False)
        if question is None:
            return None
        if (sign := question.find("{{")) >= 0 or (sign := question.find("{%")) >= 0:
            message = "A question is the same for all rows: no field can be named in it."
            fix = "Name fields in `instructions:` beside it."
            self.problems.add(entries["ask"].at(sign), message, fix)
        schema = schemas.compile(_question(question))
        examples = self.examples(options["examples"], schema) if "examples" in options else ()
        type = of.type or _ROW
        return Ask(
            number, place, type, "where", schema, examples=examples, question=question, carries=of.carries, **common
        )

    def common(self, number: int, options: Mapping[str, Written], of: Taken, *, keeps: bool = True) -> dict[str, Any]:
        """What each of them may say. Without `keeps` there is nothing to keep of an answer that failed: it is one
        value."""
        settings: dict[str, Any] = {}
        if "settings" in options:
            settings = read_settings(self.problems, options["settings"], of_step=True)
            self.cascades.own[number] = options["settings"]
        text = None
        if "text" in options:
            text = self.problems.expression(options["text"], "text", of.type, condition=False)
        models = self.cascades.read(options["model"]) if "model" in options else ()
        choices = ON_FAILURE if keeps else ON_FAILURE[:2]
        default = self.defaults.on_failure if self.defaults.on_failure in choices else "reject"
        before = len(self.problems.found)
        on_failure = read_on_failure(self.problems, options.get("on_failure"), default, choices)
        if not keeps:
            self.problems.hint(before, "The answer is one value, and nothing of it can be kept without it.")
        return {
            **of.flow,
            "instructions": self.instructions(options.get("instructions"), of),
            "settings": {**self.defaults.settings, **settings},
            "attempts": read_attempts(self.problems, options.get("attempts"), self.defaults.attempts),
            "on_failure": on_failure,
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

    def schema(self, written: Written, what: str) -> tuple[str | None, Any]:
        """What the step names and the schema that it stands for: a reference, or a type itself in Python."""
        declared, ref = written.value, written.text
        if not isinstance(declared, (str, type)):
            message = f"`{what}` names a schema, and this is {kind(written)}."
            self.problems.add(written.place, message, "Write its file and its name: schemas/receipt.py:Receipt.")
            return None, None
        if isinstance(declared, str) and self.problems.file(written, what) is None:
            return None, None
        try:
            named = declared if isinstance(declared, type) else load_schema(ref, self.root, pipeline=self.path)
            if isinstance(named, (int, float, str, list, tuple, set)):
                message = f"{written.shown} is a value, and no schema."
                self.problems.add(written.place, message, "Name a class: a pydantic model, a dataclass, a TypedDict.")
                return ref, None
            schema: Schema[Any] = schemas.compile(named)
        except ExtractError as error:
            self.problems.carry(written.place, error)
            return ref, None
        if not is_record(schema.type):
            message = f"A row is a record, and {written.shown} is not."
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
        return () if written.value == () else self.fields(written, "keep", of)

    def group(self, written: Written, of: Taken) -> tuple[str, ...]:
        """The fields that the rows of one group share."""
        found = self.fields(written, "group", of)
        for item in written.value if isinstance(written.value, tuple) else (written,):
            node = node_at((str(item.value),), of.type) if of.type is not None and item.value in found else None
            if isinstance(node, (Array, Record)):
                what = "a list" if isinstance(node, Array) else "a record"
                message = f"Rows are grouped by plain values, and `{item.shown}` is {what}."
                self.problems.add(item.place, message, "Group by another field, or take it apart before.")
        return found

    def fields(self, written: Written, what: str, of: Taken) -> tuple[str, ...]:
        """Fields of the rows that a step takes, each once."""
        known = () if of.type is None else tuple(name for name in field_names(of.type) if name not in KEPT)
        found = []
        for item in self.problems.texts(written, what):
            if of.type is None or not is_record(of.type) or item.value in known:
                found.append(str(item.value))
                continue
            fix = nearest(str(item.value), known, "Their fields") if known else "An `extract` before gives them fields."
            self.problems.add(item.place, f"The rows have no field `{item.shown}`.", fix)
        return tuple(dict.fromkeys(found))

    def collisions(self, type: Type, along: tuple[str, ...], options: Mapping[str, Written]) -> None:
        """Notes fields of the schema whose names come along with the rows, where that is said."""
        names = [name for name in field_names(type) if name in along]
        if not names:
            return
        written = options.get("group", options.get("keep", options["extract"]))
        items = written.value if isinstance(written.value, tuple) else (written,)
        place = next((item.place for item in items if item.value in names), written.place)
        listed = " and ".join(f"`{name}`" for name in (", ".join(names[:-1]).replace(", ", "`, `"), names[-1]) if name)
        message = f"The schema's field {listed} has the name of a field of the rows that it reads."
        if len(names) > 1:
            message = f"The schema's fields {listed} have the names of fields of the rows that it reads."
        fix = "Rename one of them (an alias in the schema will do), or say with `keep` which fields come along."
        self.problems.add(place, message, fix.split(", or")[0] + "." if "group" in options else fix)

    def labels(self, written: Written) -> dict[str, str]:
        """The labels, each with what it means, where that is said."""
        if isinstance(written.value, dict):
            named = [(name, written.keys[name], name) for name in written.value]
            meant = {name: self.meaning(item, name) for name, item in written.value.items()}
        elif isinstance(written.value, tuple):
            named, meant = [], {}
            for item in written.value:
                if isinstance(item.value, str):
                    named.append((item.value, item.place, item.shown))
                    continue
                fix = "Write `classify: {order: wants to buy, complaint: is cross}` to say what labels mean."
                if not isinstance(item.value, (dict, tuple)):
                    fix = f"Put quotes around it: '{item.shown}'."
                self.problems.add(item.place, f"A label is text, and this is {kind(item)}.", fix)
        else:
            said = "`classify` is a list of labels, or a mapping of labels to what they mean"
            self.problems.add(
                written.place, f"{said}, and this is {kind(written)}.", "Write `classify: [order, complaint]`."
            )
            return {}
        found: dict[str, str] = {}
        for label, place, public in named:
            if not label.strip():
                self.problems.add(place, "A label is empty.", "Write a word, or take it out.")
            elif label in found:
                self.problems.add(place, f"The label `{public}` stands here twice.", "Take one of them out.")
            else:
                self.alike(label, tuple(found), place)
                found[label] = meant.get(label, "")
        if len(written.value) < 2:
            self.problems.add(written.place, "There is nothing to choose between.", "Give two labels at least.")
        return found

    def alike(self, label: str, others: tuple[str, ...], place: Place) -> None:
        """Notes a label that differs from another one in case and blanks only: a model cannot tell them apart."""
        for other in others:
            if " ".join(label.split()).lower() == " ".join(other.split()).lower():
                message = f"The labels `{other}` and `{label}` differ in case or blanks only."
                self.problems.add(place, message, "Take one of them out, or give it a name of its own.")

    def meaning(self, written: Written, label: str) -> str:
        if written.value is None:
            return ""
        if isinstance(written.value, (dict, tuple)):
            message = f"What the label `{label}` means is text, and this is {kind(written)}."
            self.problems.add(written.place, message, "Write a sentence, or leave it out.")
        return written.text

    def free(self, name: str, written: Written | None) -> bool:
        """Whether rows may have a field of this name."""
        if not name.startswith("_"):
            return True
        assert written is not None
        message = f"`{name}` cannot be a field: names with `_` belong to the run."
        self.problems.add(written.place, message, "Write it without the `_`.")
        return False

    def examples(self, written: Written, schema: Any) -> tuple[Example, ...]:
        """Pairs of a text and its record, from a file or written out; each is checked against the schema."""
        if isinstance(written.value, str):
            if self.problems.file(written, "examples") is None:
                return ()
            path = find_file(written.value, roots(self.path, self.root))
            if path is None:
                message = f"There is no file {written.shown} with examples."
                fix = "Paths are relative to the folder that the command runs in."
                self.problems.add(written.place, message, fix)
                return ()
            try:
                pairs = [(f"{shown(path)}:{i}", pair) for i, pair in enumerate(read_rows(path), 1)]
            except ExtractError as error:
                self.problems.add(written.place, f"{error.where}: {error.message}", error.fix)
                return ()
        elif isinstance(written.value, tuple):
            pairs = [("", item.plain()) for item in written.value]
        else:
            message = f"`examples` is a file or a list, and this is {kind(written)}."
            self.problems.add(written.place, message, 'Write [{text: "...", record: {...}}], or a file of such lines.')
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
