"""Plans: what a pipeline would do and cost, counted where the model's tokenizer is known."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from extract.catalogue import ModelFacts
from extract.models import built_in_catalogue
from extract.pipeline import Pipeline
from extract.plan import Plan, plan_of
from extract.runner import inputs, task_of
from extract.tokens import count_call, estimate_call

MINI = built_in_catalogue()["openai/gpt-4o-mini"]
SCHEMA = '{"title": "Receipt", "type": "object", "properties": {"total": {"type": "number"}}}'


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "receipt.json").write_text(SCHEMA)
    (tmp_path / "a.txt").write_text("TOTAL 4.95")
    (tmp_path / "b.txt").write_text("TOTAL 7.10 " * 50)
    (tmp_path / "c.txt").write_text(" ")
    values: dict[str, Any] = {"name": "receipts", "documents": "*.txt", "steps": [{"extract": "receipt.json"}]}
    return Pipeline.of(values, root=tmp_path)


def test_a_plan_counts_the_first_call_of_each_document(pipeline: Pipeline) -> None:
    plan = plan_of(pipeline, (MINI,))
    task = task_of(pipeline, (MINI,))
    first, second, _ = inputs(pipeline)
    assert plan.usage.input == sum(count_call(task.first_call(one.open()), MINI).tokens for one in (first, second))
    assert plan.usage.input <= sum(estimate_call(task.first_call(one.open()), MINI) for one in (first, second))
    assert (plan.counted, plan.documents) == (True, 3)
    assert plan.plain()["tokens"] == {"input": plan.usage.input, "output": plan.usage.output, "counted": True}


def test_a_plan_says_what_was_counted_and_what_could_not_be_read(pipeline: Pipeline) -> None:
    plan = plan_of(pipeline, (MINI,))
    assert plan.sentence() == (
        f"2 calls to openai/gpt-4o-mini: {plan.usage.input:,} tokens in (counted; the schema's share estimated), about"
        f" {plan.usage.output:,} out if answers are as long as the schema, about ${plan.cost:.4f}, repairs aside.\n"
        "c.txt cannot be read: The document is empty."
    )


def test_a_plan_for_another_tokenizer_is_an_estimate(pipeline: Pipeline) -> None:
    plan = plan_of(pipeline, (ModelFacts("compatible/qwen", "compatible"),), limit=1)
    assert not plan.counted
    assert plan.sentence() == (
        f"1 call to compatible/qwen: {plan.usage.input:,} tokens in (estimated), about {plan.usage.output:,} out if"
        " answers are as long as the schema, a cost that is not known, repairs aside."
    )


def test_the_cost_is_that_of_the_tokens(pipeline: Pipeline) -> None:
    plan: Plan = plan_of(pipeline, (MINI,))
    assert plan.cost == (plan.usage.input * Decimal("0.15") + plan.usage.output * Decimal("0.60")) / 1_000_000
