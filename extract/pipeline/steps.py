"""Reads the steps of a pipeline, each against the rows that the steps before it give.

One row in a table for each verb. When a step is wrong the ones after it are still read, against what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from ..errors import ExtractError
from ..expressions import examine
from ..nodes import Anything, Array, Node, Number, Record, Type
from ..plugins import verb_names, verb_of
from ..sources import ROW_SUFFIXES
from ..waiving import OnFailure
from .asking import AskReader, Taken
from .functions import function_step, read_function
from .keys import FLOW, LATER_VERBS, ON_FAILURE, VERBS
from .options import Outputs
from .problems import Problems, kind, nearest
from .querying import ROWS_NAME, QueryReader, is_name
from .rowtypes import KEPT, either, field_names, items_at, node_at, with_field, with_fields, without
from .values import DOCUMENTS, Check, Extract, Review, Sample, Set, Step, Unnest, Where
from .written import Place, Written

__all__ = ["StepReader"]

_DOCUMENTS_NAME = "documents"
_ANY = Type(Anything())


@dataclass
class StepReader:
    """Reads step after step. `given` is the type of the documents' rows and `text` their column that is the document;
    `carrying` says whether there are documents at all. `types`, `carries` and `names` are of the steps so far; `count`
    says how many there are, `here` which one is being read, and `unresolved` that one reads a step
    that is not there."""

    problems: Problems
    root: Path
    path: Path | None
    asking: AskReader
    outputs: Outputs
    given: Type
    text: str | None = None
    carrying: bool = True
    types: dict[int, Type | None] = field(default_factory=dict)
    carries: dict[int, bool] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    later: dict[str, int] = field(default_factory=dict)
    last: int = DOCUMENTS
    count: int = 0
    here: int = DOCUMENTS
    unresolved: bool = False
    joining: Extract | None = None
    records: dict[int, Type] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.types[DOCUMENTS], self.carries[DOCUMENTS] = self.given, self.carrying
        self.names[_DOCUMENTS_NAME] = DOCUMENTS

    def read(self, written: Written) -> tuple[Step, ...]:
        """Every step that could be read, with the checks joined to their extract."""
        if not isinstance(written.value, tuple):
            message = f"`steps` is a list, and this is {kind(written)}."
            self.problems.add(written.place, message, "Begin each step with `- `.")
            return ()
        if not written.value:
            self.problems.add(written.place, "`steps` is an empty list.", "Write a step: `- extract: schemas/...`.")
        self.count = len(written.value)
        self.later = {
            item.value["as"].value: number
            for number, item in enumerate(written.value, 1)
            if isinstance(item.value, dict) and "as" in item.value and isinstance(item.value["as"].value, str)
        }
        return _joined(step for i, item in enumerate(written.value, 1) if (step := self.step(i, item)) is not None)

    def step(self, number: int, written: Written) -> Step | None:
        self.here = number
        verb = self.verb(written)
        if verb is None:
            self.known(number, None, carries=False)
            return None
        if verb not in VERBS:
            return self.of_package(number, verb, written)
        known = (verb, *FLOW, *VERBS[verb])
        options = self.problems.keys(written, known, f"the step `{verb}`", elsewhere=_elsewhere)
        before = len(self.problems.found)
        joining = self.joining if verb == "check" and not {"from", "when"} & options.keys() else None
        taken = self.taken(options)
        self.joining = joining
        if options[verb].value is None and not (verb == "review" and "confidence" in options):
            self.problems.add(written.keys[verb], f"`{verb}` says nothing.", f"Write `- {verb}: {_EXAMPLES[verb]}`.")
            step = None
        else:
            step = _VERBS[verb](self, number, written.keys[verb], options, taken)
        if taken.reads == (DOCUMENTS,) and field_names(self.given) == KEPT:
            fix = "Files have no fields: an `extract` before gives them some."
            self.problems.hint(before, fix, only=lambda message: message.startswith("There is no field"))
        if joining is not None:
            self.called(options.get("as"), joining.number)
            return step
        self.joining = step if isinstance(step, Extract) else None
        self.called(options.get("as"), number)
        if step is None and verb in _PASSING:
            self.known(number, taken.type, carries=taken.carries)  # what is wrong with it changes no row
        else:
            self.known(number, None if step is None else step.type, carries=step is not None and step.carries)
        return step

    def of_package(self, number: int, verb: str, written: Written) -> Step | None:
        """A step whose verb comes with another package: all keys beside it that are not of the flow are its options."""
        assert isinstance(written.value, dict)
        options = {name: item for name, item in written.value.items() if name in FLOW}
        own = {name: item.plain() for name, item in written.value.items() if name not in FLOW and name != verb}
        taken = self.taken(options)
        self.joining, step = None, None
        try:
            function = verb_of(verb, written.value[verb].plain(), own)
            step = function_step(number, written.keys[verb], verb, function, written.plain(), taken)
        except ExtractError as error:
            self.problems.carry(written.value[verb].place, error)
        self.called(options.get("as"), number)
        self.known(number, None if step is None else step.type, carries=False)
        return step

    def known(self, number: int, type: Type | None, *, carries: bool) -> None:
        """What the steps after this one read."""
        self.types[number], self.carries[number], self.last = type, carries, number

    def verb(self, written: Written) -> str | None:
        """The one verb of a step."""
        if not isinstance(written.value, dict):
            fix = f"Write `- {written.text}: ...`." if written.text in VERBS else "Write `- verb: argument`."
            self.problems.add(written.place, f"A step is a verb with its argument, and this is {kind(written)}.", fix)
            return None
        verbs: list[str] = [key for key in written.value if key in VERBS]
        later: list[str] = [key for key in written.value if key in LATER_VERBS]
        if len(verbs) == 1 and not later:
            return verbs[0]
        brought: list[str] = [key for key in written.value if not verbs and key in verb_names()]
        if len(brought) == 1:
            return brought[0]
        if len(verbs) > 1:
            message = f"A step has one verb, and this has {' and '.join(f'`{verb}`' for verb in verbs)}."
            self.problems.add(written.keys[verbs[1]], message, f"Begin a step of its own: `- {verbs[1]}: ...`.")
        elif later:
            message = f"The verb `{later[0]}` is not built yet."
            self.problems.add(written.keys[later[0]], message, LATER_VERBS[later[0]] or None)
        elif "ask" in written.value:
            self.problems.add(written.keys["ask"], "There is no verb `ask`.", 'Write `- where: {ask: "..."}`.')
        elif written.value:
            options = {one for several in VERBS.values() for one in several} | set(FLOW)
            odd = next((key for key in written.value if key not in options), None)
            if odd is None:
                first = next(iter(written.value))
                message = f"The step has no verb: `{first}` stands beside one."
                self.problems.add(written.keys[first], message, f"The verbs: {', '.join(VERBS)}.")
            else:
                self.problems.add(written.keys[odd], f"There is no verb `{odd}`.", nearest(odd, VERBS, "The verbs"))
        else:
            self.problems.add(written.place, "A step is empty.", "Write `- verb: argument`.")
        return None

    # ---- which rows a step takes, and what it is called

    def taken(self, options: dict[str, Written]) -> Taken:
        reads = self.sources(options["from"]) if "from" in options else (self.last,)
        type, carries = self.read_from(reads)
        when = None
        if "when" in options:
            when = self.problems.expression(options["when"], "when", type, condition=True)
        said = options.get("as")
        called = str(said.value) if said is not None and isinstance(said.value, str) else ""
        return Taken(reads, type, when, carries, self.text if carries else None, called)

    def read_from(self, reads: tuple[int, ...]) -> tuple[Type | None, bool]:
        """The type of the rows of these steps together, and whether they have their documents with them."""
        types = [self.types[number] for number in reads]
        known = [one for one in types if one is not None]
        type = either(known) if known and len(known) == len(types) else None
        return type, bool(reads) and all(self.carries[number] for number in reads)

    def sources(self, written: Written) -> tuple[int, ...]:
        """The steps that are named, by their numbers; what is not known stands for nothing."""
        found: list[int] = []
        said: list[str] = []
        for item in self.problems.texts(written, "from"):
            name = str(item.value)
            if name in said:
                self.problems.add(item.place, f"`{item.shown}` stands here twice.", "Take one of them out.")
            said.append(name)
            if name in self.names:
                found.append(self.names[name])
            elif self.later.get(name, self.here + 1) < self.here:
                continue  # it was refused where it was given
            elif self.later.get(name) == self.here:
                fix = "Leave `from` out to read the step before, or name another one."
                self.problems.add(item.place, f"`{item.shown}` is this step itself.", fix)
            elif name in self.later:
                message = f"The step `{item.shown}` comes later: it is step {self.later[name]}."
                self.problems.add(item.place, message, "A step reads steps before it; move it up.")
            else:
                known = list(dict.fromkeys([*self.names, *self.later]))
                message = f"There is no step of the name `{item.shown}`."
                fix = nearest(name, known, "The names")
                if len(known) == 1:
                    fix = "A step gets a name by `as: name`; `documents` are the documents themselves."
                self.problems.add(item.place, message, fix)
        self.unresolved = self.unresolved or not found or len(found) < len(said)
        return tuple(dict.fromkeys(found))

    def called(self, written: Written | None, number: int) -> None:
        """Gives the step the name that `as` says."""
        if written is None or (name := self.problems.text(written, "as")) is None:
            return
        same = next((one for one in self.names if one.lower() == name.lower()), None)
        if same is not None:
            other = "the documents" if same == _DOCUMENTS_NAME else f"step {self.names[same]}"
            said = "is the name of" if same == name else f"differs in case only from `{same}`, the name of"
            self.problems.add(written.place, f"`{written.shown}` {said} {other}.", "Give each step its own name.")
        elif name.lower() == ROWS_NAME:
            message = f"`{name}` is what a query calls the rows of the step that it reads."
            self.problems.add(written.place, message, "Give the step another name.")
        elif not is_name(name):
            message = f"`{written.shown}` is no name for a step."
            self.problems.add(written.place, message, "Write one word of letters, digits, `_` and `-`.")
        else:
            self.names[name] = number

    # ---- the verbs

    def extract(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        step = self.asking.extract(number, place, options, of)
        if step is not None:
            self.records[number] = step.schema.type
        return step

    def classify(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        return self.asking.classify(number, place, options, of)

    def check(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        type = self.records[self.joining.number] if self.joining is not None else of.type
        before = len(self.problems.found)
        condition = self.problems.expression(options["check"], "check", type, condition=True)
        if self.joining is not None and condition is None and self.fits(options["check"], of.type):
            fix = "A check directly after an `extract` sees its record only; to see the fields that came along as well,"
            name = self.joining.called or "NAME"
            beside = f"write `from: {name}` beside the check."
            beside = beside if self.joining.called else f"give the extract a name (`as: {name}`) and {beside}"
            self.problems.hint(before, f"{fix} {beside}")
        default = self.asking.defaults.on_failure
        on_failure: OnFailure = "reject" if default == "keep" else default
        if "on_failure" in options and self.joining is not None:
            self.problems.add(
                options["on_failure"].place,
                "A check that stands directly after an `extract` is part of it: what becomes of a record that cannot be"
                " repaired is said there.",
                "Move `on_failure` to the `extract`.",
            )
        elif "on_failure" in options:
            on_failure = self.problems.choice(options["on_failure"], "on_failure", ON_FAILURE[:2]) or "reject"
        if condition is None:
            return None
        joined = self.joining is not None
        return Check(number, place, of.type or _ANY, condition, joined, on_failure, carries=of.carries, **of.flow)

    def where(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        if isinstance(options["where"].value, dict):
            return self.asking.ask(number, place, options, of)
        before = len(self.problems.found)
        for name in options.keys() - {"where", *FLOW}:
            message = f"`{name}` goes with a question to a model, and this `where` is an expression."
            self.problems.add(options[name].place, message, 'Write `where: {ask: "..."}`, or take it out.')
        condition = self.problems.expression(options["where"], "where", of.type, condition=True)
        if condition is None:
            if options["where"].text.rstrip().endswith("?"):
                self.problems.hint(before, "A question to a model is `where: {ask: ...}`.")
            return None
        return Where(number, place, of.type or _ANY, condition, carries=of.carries, **of.flow)

    def set(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        written = options["set"]
        if not isinstance(written.value, dict) or not written.value:
            this = "empty" if written.value == {} else kind(written)
            message = f"`set` is a mapping of fields to expressions, and this is {this}."
            self.problems.add(written.place, message, 'Write `set: {net: "total - tax"}`.')
            return None
        values, type = [], of.type
        for name, item in written.value.items():
            part = name.partition(".")[0]
            if not name.strip():
                self.problems.add(written.keys[name], "A field has no name.", "Write `net: total - tax`.")
            elif type is not None and part != name and part in field_names(type):
                message = f"`{name}` is a part of the field `{part}`, and `set` gives whole fields of the row."
                self.problems.add(written.keys[name], message, f"Set another field, or `unnest` `{part}` before.")
            if name.startswith("_"):
                self.problems.add(written.keys[name], f"`{name}` cannot be set: names with `_` belong to the run.")
            if of.carries and name == of.text:
                message = f"`{name}` is the text of the documents, and cannot be set before it is read."
                self.problems.add(written.keys[name], message, "Set another field, and read that by `text:`.")
            before = len(self.problems.found)
            expression = self.problems.expression(item, f"set: {name}", type, condition=False)
            if expression is None and item.text.isidentifier() and not item.unfilled:
                fix = f"A text is written in quotes of its own: \"'{item.shown}'\"."
                self.problems.hint(before, fix, only=lambda message: message.startswith("There is no field"))
            if expression is not None:
                values.append((name, expression))
            if type is not None:
                node: Node = expression.gives(type) if expression is not None else Anything()
                type = with_field(type, name, node)
        if type is None:
            return None
        return Set(number, place, type, tuple(values), carries=of.carries, **of.flow)

    def unnest(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        field_of = self.problems.path(options["unnest"], "unnest", of.type)
        into, position = (
            self.problems.text(options[name], name) if name in options else None for name in ("into", "position")
        )
        keep = self.problems.flag(options["keep_empty"], "keep_empty") if "keep_empty" in options else False
        named = [(name, options[option]) for name, option in ((into, "into"), (position, "position")) if name]
        free = [self.asking.free(name, written) for name, written in named]
        if of.carries and field_of == (of.text,):
            message = f"`{of.text}` is the text of the documents, and cannot be taken apart."
            self.problems.add(options["unnest"].place, message, "Give `documents` another column for their `text`.")
            return None
        if not all(free) or field_of is None or of.type is None:
            return None
        if into is not None and into in field_names(without(of.type, field_of)):
            message = f"The rows have a field `{into}` already."
            self.problems.add(options["into"].place, message, "Give the item another name.")
            return None
        node, items = node_at(field_of, of.type), items_at(field_of, of.type)
        if node is not None and not isinstance(node, (Array, Anything)):
            fields = [name for name in field_names(of.type) if items_at((name,), of.type) is not None]
            one = "The list of the rows is" if len(fields) == 1 else "The lists of the rows are"
            fix = f"{one} {', '.join(fields)}." if fields else "The rows have no list."
            self.problems.add(options["unnest"].place, f"`{'.'.join(field_of)}` is no list.", fix)
            return None
        type, names = self.unnested(field_of, into, items, of.type, options["unnest"].place)
        if position is not None:
            if position in field_names(type):
                message = f"The rows have a field `{position}` already."
                self.problems.add(options["position"].place, message, "Give the position another name.")
            type, names = with_field(type, position, Number(integer=True)), (*names, position)
        return Unnest(number, place, type, field_of, into, position, bool(keep), names, carries=of.carries, **of.flow)

    def unnested(
        self, path: tuple[str, ...], into: str | None, items: Node | None, type: Type, place: Place
    ) -> tuple[Type, tuple[str, ...]]:
        """The type of a row for each item, and the names that the item gives to it."""
        rest = without(type, path)
        if into is not None:
            return with_field(rest, into, items or Anything()), (into,)
        if items is None or isinstance(items, Anything):
            return _ANY, ()
        if not isinstance(items, Record):
            return with_field(rest, path[-1], items), (path[-1],)
        names = tuple(one.name for one in items.fields)
        for name in names:
            if name in field_names(rest):
                message = f"The items have a field `{name}`, and so has the row."
                self.problems.add(place, message, f"Keep the item as one field: `into: {_singular(path[-1])}`.")
        return with_fields(rest, items.fields, type.named), names

    def sql(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        return QueryReader(self.problems, self.root, self.path, self.names, self.types).read(number, place, options, of)

    def python(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        return read_function(self.asking, number, place, options, of)

    def sample(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        written = options["sample"]
        before = len(self.problems.found)
        value = self.problems.number(written, "sample", above=True)
        self.problems.hint(before, "Write a share, `sample: 0.1`, or a number of rows, `sample: 100`.")
        seed = self.problems.number(options["seed"], "seed", above=False, whole=True) if "seed" in options else 0
        if value is None or seed is None:
            return None
        flow = {"carries": of.carries, **of.flow}
        if isinstance(value, int):
            return Sample(number, place, of.type or _ANY, None, value, seed, **flow)
        if value >= 1:
            message = f"`sample` is a share below 1 or a whole number of rows, and this is {written.shown}."
            self.problems.add(written.place, message, "Write `sample: 0.1` or `sample: 100`.")
            return None
        return Sample(number, place, of.type or _ANY, float(value), None, seed, **flow)

    def review(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        written, condition = options["review"], None
        confidence = None
        if "confidence" in options:
            before = len(self.problems.found)
            confidence = self.problems.number(options["confidence"], "confidence", above=True)
            self.problems.hint(before, "Write a number up to 1, such as 0.9.")
            if confidence is not None and confidence > 1:
                message = f"`confidence` is a number up to 1, and this is {options['confidence'].shown}."
                self.problems.add(options["confidence"].place, message, "Write 0.9, or the like.")
            self.asking.cascades.sure[number] = options["confidence"].place
        if isinstance(written.value, (int, Decimal)) and not isinstance(written.value, bool):
            message = "`review` is a condition, and this is a number."
            self.problems.add(written.place, message, f"Write `review:` and under it `confidence: {written.shown}`.")
            return None
        if written.value is not None:
            condition = self.problems.expression(written, "review", of.type, condition=True)
            if condition is None:
                return None
        decisions = None
        if "decisions" in options and (said := self.problems.file(options["decisions"], "decisions")) is not None:
            decisions = Path(said)
            if decisions.is_dir() or decisions.suffix.lower() not in ROW_SUFFIXES:
                what = "this is a folder" if decisions.is_dir() else f"this ends in {decisions.suffix or 'nothing'}"
                message = f"Decisions are rows of a file of {' or '.join(ROW_SUFFIXES)}, and {what}."
                fix = "Name a file that is or will be there: decisions.jsonl."
                self.problems.add(options["decisions"].place, message, fix)
        sure = None if confidence is None else float(confidence)
        return Review(number, place, of.type or _ANY, condition, sure, decisions, carries=of.carries, **of.flow)

    def write(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Step | None:
        flow = {"carries": of.carries, **of.flow}
        return self.outputs.read(options["write"], number, of.type, of_step=True, **flow)

    def fits(self, written: Written, type: Type | None) -> bool:
        """Whether a condition would be right for rows of another type."""
        return type is not None and not examine(written.text, type, True)[1]


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


def _elsewhere(key: str) -> str | None:
    """The verbs that an option goes with."""
    verbs = [verb for verb, options in VERBS.items() if key in options]
    if key in VERBS or not verbs:
        return None
    listed = ", ".join(f"`{verb}`" for verb in verbs[:-1])
    return f"It goes with {listed} and `{verbs[-1]}`." if listed else f"It goes with `{verbs[-1]}`."


def _singular(name: str) -> str:
    return name[:-1] if name.endswith("s") and len(name) > 2 else "item"


_EXAMPLES = {
    "extract": "schemas/receipt.py:Receipt",
    "classify": "[order, complaint]",
    "check": "total >= 0",
    "where": "total > 0",
    "set": '{net: "total - tax"}',
    "unnest": "lines",
    "sql": "select * from rows",
    "python": "code/clean.py:tidy",
    "sample": "0.1",
    "review": "total > 1000",
    "write": "out/rows.jsonl",
}

_PASSING = ("check", "where", "sample", "review", "write")
"""Verbs behind which rows are as they were."""

_VERBS: dict[str, Callable[[StepReader, int, Place, dict[str, Written], Taken], Step | None]] = {
    "extract": StepReader.extract,
    "classify": StepReader.classify,
    "check": StepReader.check,
    "where": StepReader.where,
    "set": StepReader.set,
    "unnest": StepReader.unnest,
    "sql": StepReader.sql,
    "python": StepReader.python,
    "sample": StepReader.sample,
    "review": StepReader.review,
    "write": StepReader.write,
}
