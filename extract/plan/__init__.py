"""What a pipeline would do and what it may cost, without sending anything.

Every document is opened, because its length decides; the call that would be made first about it is counted, by the
model's own tokenizer where that is known, and the plan says where it is not. Conditions on what a file's rows say are
worked out, so that what they leave out is not counted; conditions on what a model will say are taken to hold, and the
calls behind them are "at most". What a model will write is not known before: an answer is taken to be as long as its
schema, which is about right for records of short fields, and the sentence says so. Repairs are not in the figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from textwrap import wrap
from typing import Any

from ..call import Call, Usage
from ..catalogue import ModelFacts
from ..errors import DocumentError, ExtractError, PipelineError
from ..expressions.kinds import kinds_of
from ..jsontext import dump
from ..nodes import Type
from ..operators.rows import Row
from ..pipeline import DOCUMENTS, KEPT, Asked, Check, Classify, Pipeline, Step
from ..pipeline.rowtypes import field_names, taken
from ..runner import Asking, Input, asking, inputs
from ..tokens import count_call, estimate
from .drawing import does, mermaid
from .reach import asks, later

__all__ = ["Plan", "StepPlan", "first_prompt", "mermaid", "plan_of"]


@dataclass
class StepPlan:
    """What one step would ask of the first model of its cascade: calls (`at_most`: fewer where a condition on an answer
    before does not hold; `unknown`: their number shows when the run is there), tokens, and whether the input was
    counted or estimated."""

    step: Asked
    facts: ModelFacts
    answer: int
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    counted: bool = True
    at_most: bool = False
    unknown: bool = False

    def cost(self, *, batch: bool = False) -> Decimal | None:
        """What it would cost in US dollars, at list prices; None where the price is not known."""
        price = self.facts.price
        price = price.batch if price is not None and batch else price
        return None if price is None else price.of(self.usage)

    def ask(self, call: Call) -> None:
        """Counts one call."""
        asked = count_call(call, self.facts)
        self.calls += 1
        self.usage += Usage(input=asked.tokens, output=self.answer)
        self.counted = self.counted and asked.exact

    def plain(self) -> dict[str, Any]:
        return {
            "step": self.step.name,
            "model": self.facts.name,
            "calls": None if self.unknown else self.calls,
            "at_most": self.at_most,
            "tokens": {"input": self.usage.input, "output": self.usage.output, "counted": self.counted},
            "cost_usd": self.cost(),
            "batch_cost_usd": self.cost(batch=True),
        }


@dataclass(frozen=True)
class Plan:
    """`steps` are rows to show; `asked` what each step would ask of a model; `unreadable` the documents that cannot be
    opened, with the reason; `limits` those of the run. Tokens and the costs in US dollars (None: no price) are for the
    first models of the cascades; `minutes` is the least time at the limits given, None where there are none. `lacks`
    says what a run would stop at."""

    pipeline: str
    steps: tuple[Mapping[str, Any], ...]
    asked: tuple[StepPlan, ...]
    documents: int
    unreadable: tuple[tuple[str, str], ...]
    limits: Mapping[str, Any]
    diagram: str = field(repr=False)
    lacks: tuple[str, ...] = ()

    @property
    def usage(self) -> Usage:
        return sum((one.usage for one in self.asked), Usage())

    @property
    def calls(self) -> int:
        return sum(one.calls for one in self.asked)

    @property
    def counted(self) -> bool:
        """Whether all input was counted; the output is an estimate in any case."""
        return all(one.counted for one in self.asked)

    def cost(self, *, batch: bool = False) -> Decimal | None:
        """What all of it would cost; None where one price is not known."""
        costs = [one.cost(batch=batch) for one in self.asked if one.calls]
        return None if None in costs else sum((one for one in costs if one is not None), Decimal(0))

    @property
    def minutes(self) -> float | None:
        requests, tokens = self.limits.get("requests_per_minute"), self.limits.get("tokens_per_minute")
        total = self.usage.input + self.usage.output
        found = [amount / rate for amount, rate in ((self.calls, requests), (total, tokens)) if rate]
        return max(found) if found else None

    def plain(self) -> dict[str, Any]:
        return {
            "pipeline": self.pipeline,
            "documents": self.documents,
            "unreadable": [{"document": name, "reason": reason} for name, reason in self.unreadable],
            "steps": [dict(step) for step in self.steps],
            "asked": [one.plain() for one in self.asked],
            "calls": self.calls,
            "tokens": {"input": self.usage.input, "output": self.usage.output, "counted": self.counted},
            "cost_usd": self.cost(),
            "batch_cost_usd": self.cost(batch=True),
            "minutes": None if self.minutes is None else round(self.minutes, 2),
            "lacks": list(self.lacks),
            "mermaid": self.diagram,
        }

    def listing(self, width: int = 100) -> str:
        """The steps one below the other, each with what it takes, does and gives, in lines of this width."""
        lines: list[str] = []
        before, had = "documents", ""
        for step in self.steps:
            reads = "" if step["reads"] == before else f", of {step['reads']}"
            calls = f", {step['calls']} calls" if "calls" in step else ""
            fails = f"; what breaks it is {step['when it fails']}" if "when it fails" in step else ""
            head = f"{step['step']}{reads}: {step['does']}{calls}{fails}"
            lines += wrap(head, width, subsequent_indent="    ", break_on_hyphens=False)
            if (gives := step["gives"]) and gives != had:
                also = bool(had) and reads == "" and gives.startswith(f"{had}, ")
                said = f"gives also {gives.removeprefix(f'{had}, ')}" if also else f"gives {gives}"
                lines += wrap(said, width, initial_indent="    ", subsequent_indent="    ")
            before, had = (step["step"], gives) if gives else (before, had)
        return "\n".join(lines)

    def sentence(self) -> str:
        """The calls, the cost and the time, each as one line for a person."""
        lines = [_asked(one) for one in self.asked]
        if len(self.asked) > 1:
            lines.append(f"In all: {_calls(self.calls)}, {_dollars(self.cost())}.")
        batch = self.cost(batch=True)
        if self.asked and batch is not None and self.cost():
            lines.append(f"By OpenAI's Batch API: {_dollars(batch)}.")
        if self.minutes is not None:
            lines.append(f"At the limits given it takes {_time(self.minutes)} at least.")
        lines += [f"{name} cannot be read: {reason}" for name, reason in self.unreadable]
        lines += [f"A run would stop at once: {one}" for one in self.lacks]
        return "\n".join(lines) if lines else "No model is asked."


def _asked(one: StepPlan) -> str:
    name, usage = one.facts.name, one.usage
    if not one.facts.asks_again and one.facts.provider == "rules":
        return f"{one.step.name}: {one.calls:,} documents are read by the built-in reader, which costs nothing."
    if one.unknown:
        return f"{one.step.name} asks {name}; how often shows when the rows before it are there."
    how = "counted; the schema's share estimated" if one.counted else "estimated"
    calls = f"{'at most ' if one.at_most else ''}{_calls(one.calls)}"
    return (
        f"{one.step.name}: {calls} to {name}: {usage.input:,} tokens in ({how}), about {usage.output:,} out if answers"
        f" are as long as the schema, {_dollars(one.cost())}, repairs aside."
    )


def _calls(number: int) -> str:
    return f"{number:,} call{'' if number == 1 else 's'}"


def _dollars(cost: Decimal | None) -> str:
    return "a cost that is not known" if cost is None else f"about ${cost:.4f}"


def _time(minutes: float) -> str:
    if minutes < 1:
        return f"{minutes * 60:.0f} seconds"
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"


def plan_of(
    pipeline: Pipeline, facts: Mapping[str, ModelFacts], limit: int | None = None, lacks: tuple[str, ...] = ()
) -> Plan:
    """The plan of a pipeline over its documents, at most `limit`; `facts` are those of its models, by name."""
    ways = asking(pipeline, facts)
    asked = {number: StepPlan(way.step, way.task.models[0], _answer(way.step)) for number, way in ways.items()}
    unreadable: dict[str, str] = {}
    documents = 0

    def counted() -> Iterator[Input]:
        nonlocal documents
        for given in inputs(pipeline, limit):
            documents += 1
            yield given

    for number, given, row, sure in asks(pipeline, counted()):
        try:
            asked[number].ask(_first_call(ways[number], row, given))
            asked[number].at_most = asked[number].at_most or not sure
        except DocumentError as error:
            unreadable.setdefault(given.source, error.message)
        except ExtractError:
            continue  # instructions that name what an answer will say
    for number in later(pipeline):
        asked[number].unknown = True
    steps = tuple(_step(pipeline, step, asked) for step in pipeline.steps)
    return Plan(
        pipeline.name,
        steps,
        tuple(asked.values()),
        documents,
        tuple(unreadable.items()),
        pipeline.limits,
        mermaid(pipeline),
        lacks,
    )


def _answer(step: Asked) -> int:
    """About how many tokens an answer has: a label, or what is as long as the schema without its descriptions."""
    if isinstance(step, Classify):
        return estimate(dump({"label": max(step.labels, key=len)}))
    return estimate(dump(_undescribed(step.schema.strict)))


def _undescribed(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _undescribed(item) for name, item in schema.items() if name != "description"}
    return [_undescribed(item) for item in schema] if isinstance(schema, list) else schema


def _first_call(way: Asking, row: Row, given: Input) -> Call:
    """What would be asked first about a row; instructions that name what is not known yet stand as they are."""
    try:
        job = way.job(row, given)
    except ExtractError:
        step = replace(way.step, instructions=replace(way.step.instructions, fixed=True))
        job = replace(way, step=step).job(row, given)
    return job.task.first_call(job.open())


def first_prompt(pipeline: Pipeline, facts: Mapping[str, ModelFacts]) -> tuple[Call, ModelFacts]:
    """What would be asked first about the first document, and the model that is asked. Raises PipelineError where no
    step asks about documents."""
    ways = asking(pipeline, facts)
    for number, given, row, _ in asks(pipeline, inputs(pipeline)):
        return _first_call(ways[number], row, given), ways[number].task.models[0]
    raise PipelineError("No step asks a model about the documents.", str(pipeline.place))


def _step(pipeline: Pipeline, step: Step, asked: Mapping[int, StepPlan]) -> dict[str, Any]:
    joined = isinstance(step, Check) and step.joined
    told: dict[str, Any] = {"step": step.name, "reads": _read(pipeline, step), "does": does(step)}
    if isinstance(step, Check):
        told["when it fails"] = (
            f"asked for again, then {_CAUSES[_owner(pipeline, step)]}" if joined else _CAUSES[step.on_failure]
        )
    told["gives"] = "" if joined else ", ".join(_typed(step.type)) or "rows"
    if step.number in asked:
        one = asked[step.number]
        told["calls"] = "later" if one.unknown else f"{'≤ ' if one.at_most else ''}{one.calls}"
    return told


_CAUSES = {"reject": "rejected", "review": "held for review", "keep": "kept as far as it is valid"}


def _owner(pipeline: Pipeline, check: Check) -> str:
    """What becomes of a record that breaks a check of its `extract`."""
    return next((one.on_failure for one in pipeline.asked if check in one.checks), check.on_failure)


def _typed(type: Type) -> Iterator[str]:
    """The fields of rows with their types, `?` after those that may be null."""
    for one in taken(type, field_names(type)):
        if one.name not in KEPT:
            kinds = kinds_of(one.node, type)
            words = sorted(kinds - {"null"})
            known = "any" if len(words) > 2 or not words else " or ".join(words)
            yield f"{one.name}: {known}{'?' if 'null' in kinds and known != 'any' else ''}"


def _read(pipeline: Pipeline, step: Step) -> str:
    """The steps whose rows it takes, by name, where that is not the one before it."""
    names = ["documents" if one == DOCUMENTS else pipeline.by_number[one].name for one in pipeline.sources(step)]
    when = "" if step.when is None else f" when {step.when}"
    return ", ".join(dict.fromkeys(names)) + when
