"""Plans: what a pipeline would do and cost, counted where the model's tokenizer is known."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from extract.catalogue import ModelFacts
from extract.document import Document
from extract.errors import PipelineError
from extract.models import built_in_catalogue
from extract.pipeline import Pipeline
from extract.plan import Plan, first_prompt, mermaid, plan_of
from extract.runner import Input, inputs, task_of
from extract.tokens import count_call, estimate_call

MINI = built_in_catalogue()["openai/gpt-4o-mini"]
QWEN = ModelFacts("compatible/qwen", "compatible")
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


def opened(one: Input) -> Document:
    assert one.open is not None
    return one.open()


def test_a_plan_counts_the_first_call_of_each_document(pipeline: Pipeline) -> None:
    plan = plan_of(pipeline.asking((MINI.name,)), {MINI.name: MINI})
    task = task_of(pipeline, pipeline.asked[0], (MINI,))
    first, second, _ = inputs(pipeline)
    assert plan.usage.input == sum(count_call(task.first_call(opened(one)), MINI).tokens for one in (first, second))
    assert plan.usage.input <= sum(estimate_call(task.first_call(opened(one)), MINI) for one in (first, second))
    assert (plan.counted, plan.documents) == (True, 3)
    assert plan.plain()["tokens"] == {"input": plan.usage.input, "output": plan.usage.output, "counted": True}


def test_a_plan_says_what_was_counted_and_what_could_not_be_read(pipeline: Pipeline) -> None:
    plan = plan_of(pipeline.asking((MINI.name,)), {MINI.name: MINI})
    assert plan.sentence() == (
        f"1 extract: 2 calls to openai/gpt-4o-mini: {plan.usage.input:,} tokens in (counted; the schema's share"
        f" estimated), about {plan.usage.output:,} out if answers are as long as the schema, about"
        f" ${plan.cost():.4f}, repairs aside.\n"
        f"By OpenAI's Batch API: about ${plan.cost(batch=True):.4f}.\n"
        "c.txt cannot be read: The document is empty."
    )


def test_a_plan_for_another_tokenizer_is_an_estimate(pipeline: Pipeline) -> None:
    plan = plan_of(pipeline.asking((QWEN.name,)), {QWEN.name: QWEN}, limit=1)
    assert not plan.counted
    assert plan.sentence() == (
        f"1 extract: 1 call to compatible/qwen: {plan.usage.input:,} tokens in (estimated), about"
        f" {plan.usage.output:,} out if answers are as long as the schema, a cost that is not known, repairs aside."
    )


def test_the_cost_is_that_of_the_tokens(pipeline: Pipeline) -> None:
    plan: Plan = plan_of(pipeline.asking((MINI.name,)), {MINI.name: MINI})
    assert plan.cost() == (plan.usage.input * Decimal("0.15") + plan.usage.output * Decimal("0.60")) / 1_000_000


def test_conditions_on_columns_are_worked_out_and_those_on_answers_are_taken_to_hold(pipeline: Pipeline) -> None:
    Path("mails.jsonl").write_text("".join(f'{{"n": {n}, "body": "mail"}}\n' for n in range(10)))
    steps: list[dict[str, Any]] = [
        {"where": "n > 3"},
        {"classify": ["a", "b"], "as": "sorted"},
        {"extract": "receipt.json", "from": "sorted", "when": "label == 'a'", "as": "totals"},
        {"extract": "receipt.json", "group": "label", "from": "sorted", "as": "sums"},
    ]
    outputs = [{"to": "a.jsonl", "from": "totals"}, {"to": "b.jsonl", "from": "sums"}]
    values = {"documents": {"rows": "mails.jsonl", "text": "body"}, "steps": steps, "write": outputs}
    limits = {"requests_per_minute": 3}
    plan = plan_of(Pipeline.of({**values, "limits": limits}, root=Path()), {MINI.name: MINI})
    assert [(one.calls, one.at_most, one.unknown) for one in plan.asked] == [
        (6, False, False),
        (6, True, False),
        (0, False, True),
    ]
    assert (plan.documents, plan.calls, plan.minutes) == (10, 12, 4.0)
    lines = plan.sentence().splitlines()
    assert lines[1].startswith("totals: at most 6 calls to openai/gpt-4o-mini: ")
    assert lines[2] == "sums asks openai/gpt-4o-mini; how often shows when the rows before it are there."
    assert lines[3].startswith("In all: 12 calls, about $0.0")
    assert lines[5] == "At the limits given it takes 4 minutes at least."
    assert [(step["step"], step["reads"], step["gives"], step.get("calls")) for step in plan.steps] == [
        ("1 where", "documents", "n: number?, body: text?", None),
        ("sorted", "1 where", "n: number?, body: text?, label: text", "6"),
        ("totals", "sorted when label == 'a'", "total: number, n: number?, label: text", "≤ 6"),
        ("sums", "sorted", "total: number, label: text", "later"),
    ]


def test_a_plan_is_a_diagram_too(pipeline: Pipeline) -> None:
    values: dict[str, Any] = {
        "documents": "*.txt",
        "steps": [
            {"extract": "receipt.json", "as": "bills"},
            {"where": 'total < 5 and "a" != "b"', "when": "total is not null"},
            {"sql": "select sum(total) as spent from rows"},
        ],
        "write": "out.csv",
    }
    assert mermaid(Pipeline.of(values, root=Path())).splitlines() == [
        "flowchart TD",
        '    s0[("documents")]',
        '    s1(["bills: receipt.json, 1 fields"])',
        "    s0 --> s1",
        '    s2["2 where: total &lt; 5 and &quot;a&quot; != &quot;b&quot;"]',
        '    s1 -->|"total is not null"| s2',
        '    s3{{"3 sql: select sum(total) as spent from rows"}}',
        "    s2 --> s3",
        '    s4[/"write: out.csv"/]',
        "    s3 --> s4",
    ]


def test_the_first_prompt_is_that_of_the_first_document_that_is_asked_about(pipeline: Pipeline) -> None:
    call, facts = first_prompt(pipeline.asking((MINI.name,)), {MINI.name: MINI})
    assert (call.inputs[-1].text, facts) == ("TOTAL 4.95", MINI)
    rows = Pipeline.of({"documents": "*.txt", "steps": [{"sample": Decimal("0.5")}]}, root=Path())
    with pytest.raises(PipelineError, match="No step asks a model about the documents"):
        first_prompt(rows, {})
    assert plan_of(rows, {}).sentence() == "No model is asked."


def test_a_sample_is_drawn_before_its_documents_are_counted(pipeline: Pipeline) -> None:
    for n in range(9):
        Path(f"{n}.txt").write_text(f"TOTAL {n}")
    steps = [{"sample": 4}, {"extract": "receipt.json"}]
    plan = plan_of(Pipeline.of({"documents": "[0-9].txt", "steps": steps}, root=Path()), {MINI.name: MINI})
    assert (plan.documents, plan.calls, plan.asked[0].unknown) == (9, 4, False)
    asked = plan_of(Pipeline.of({"documents": "[0-9].txt", "steps": [steps[1]]}, root=Path()), {MINI.name: MINI})
    assert plan.usage.output * 9 == asked.usage.output * 4
