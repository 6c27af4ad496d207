"""What a pipeline would do and what it may cost, without sending anything.

Every document is opened, because its length decides; the call that would be made first is counted, by the model's own
tokenizer where that is known, and the plan says where it is not. What a model will write is not known before: an answer
is taken to be as long as its schema, which is about right for records of short fields, and the sentence says so.
Repairs are not in the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .call import Usage
from .catalogue import ModelFacts
from .errors import DocumentError
from .jsontext import dump
from .pipeline import Check, Extract, Pipeline, Step
from .runner import inputs, task_of
from .tokens import count_call, estimate

__all__ = ["Plan", "plan_of"]


@dataclass(frozen=True)
class Plan:
    """`steps` are rows to show; `unreadable` the documents that cannot be opened, with the reason. Tokens and the cost
    in US dollars (None: no price) are for the first model of the cascade; `counted` says whether its input was counted
    or estimated, the output being an estimate in any case."""

    pipeline: str
    model: str
    steps: tuple[Mapping[str, Any], ...]
    documents: int
    unreadable: tuple[tuple[str, str], ...]
    usage: Usage
    cost: Decimal | None
    counted: bool

    def plain(self) -> dict[str, Any]:
        return {
            "pipeline": self.pipeline,
            "model": self.model,
            "documents": self.documents,
            "unreadable": [{"document": name, "reason": reason} for name, reason in self.unreadable],
            "steps": [dict(step) for step in self.steps],
            "tokens": {"input": self.usage.input, "output": self.usage.output, "counted": self.counted},
            "cost_usd": self.cost,
        }

    def sentence(self) -> str:
        cost = "a cost that is not known" if self.cost is None else f"about ${self.cost:.4f}"
        how = "counted; the schema's share estimated" if self.counted else "estimated"
        calls = self.documents - len(self.unreadable)
        lines = [
            f"{calls} call{'' if calls == 1 else 's'} to {self.model}: {self.usage.input:,} tokens in ({how}),"
            f" about {self.usage.output:,} out if answers are as long as the schema, {cost}, repairs aside."
        ]
        lines += [f"{name} cannot be read: {reason}" for name, reason in self.unreadable]
        return "\n".join(lines)


def plan_of(pipeline: Pipeline, facts: tuple[ModelFacts, ...], limit: int | None = None) -> Plan:
    """The plan of a pipeline over its documents, at most `limit`."""
    task = task_of(pipeline, facts)
    answer = estimate(dump(task.schema.strict))
    count, usage, counted = 0, Usage(), True
    unreadable: list[tuple[str, str]] = []
    for one in inputs(pipeline, limit):
        count += 1
        try:
            asked = count_call(task.first_call(one.open()), facts[0])
            usage += Usage(input=asked.tokens, output=answer)
            counted = counted and asked.exact
        except DocumentError as error:
            unreadable.append((one.source, error.message))
    price = facts[0].price
    cost = None if price is None else price.of(usage)
    steps = tuple(_step(step) for step in pipeline.steps)
    return Plan(pipeline.name, facts[0].name, steps, count, tuple(unreadable), usage, cost, counted)


def _step(step: Step) -> dict[str, Any]:
    joined = isinstance(step, Check) and step.joined
    told = {"step": step.name, "does": next(iter(step.plain().values()))}
    if isinstance(step, Extract):
        told["does"] = f"{step.ref}, {len(step.schema.full.get('properties', ()))} fields"
    if isinstance(step, Check):
        told["when it fails"] = f"asked for again, then {step.on_failure}" if joined else step.on_failure
    return told
