"""Running a pipeline: every document ends in one state, a run resumes by replay, outputs are whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from extract.call import Call, Failure, Reply, Usage
from extract.catalogue import ModelFacts, Price
from extract.errors import ModelError, RunError
from extract.ledger import RunLedger
from extract.limits import Limits
from extract.models.cascade import Cascade
from extract.models.scripted import Scripted
from extract.pipeline import Pipeline
from extract.report import read_not_written
from extract.runner import Progress, Run, execute

SCHEMA = """
from decimal import Decimal
from pydantic import BaseModel

class Bill(BaseModel):
    company: str
    total: Decimal
"""

FACTS = ModelFacts("scripted", "scripted", max_output=100, price=Price(Decimal(1), Decimal(1)))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "bill.py").write_text(SCHEMA)
    (tmp_path / "in").mkdir()
    for n in range(10):
        (tmp_path / "in" / f"{n}.txt").write_text(f"company {n % 3}\ntotal {n}.50")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pipeline(*steps: Any, write: Any = "out/bills.jsonl", **more: Any) -> Pipeline:
    values = {"name": "bills", "model": "rules", "documents": "in/*.txt", "write": [write], **more}
    return Pipeline.of({**values, "steps": [{"extract": "schemas/bill.py:Bill"}, *steps]})


def answer(call: Call) -> Any:
    company, total = call.inputs[-1].text.splitlines()
    return {"company": company, "total": total.split()[1]}


def run(one: Pipeline, say: Callable[[Call], Any] = answer, folder: str = "run", **options: Any) -> Run:
    cascade = Cascade((FACTS,), {"scripted": Scripted(say)})
    return asyncio.run(execute(asked_of(one, cascade), cascade, Path(folder), **options))


def asked_of(one: Pipeline, cascade: Cascade) -> Pipeline:
    """The pipeline with its steps asking these models."""
    return one.asking(tuple(facts.name for facts in cascade.facts))


def rows(path: str = "out/bills.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in Path(path).read_text().splitlines()]


def test_every_document_gives_its_row_in_the_order_of_the_inputs(project: Path) -> None:
    done = run(pipeline())
    assert done.states == {"written": 10}
    assert [row["_source"] for row in rows()] == [f"in/{n}.txt" for n in range(10)]
    assert set(rows()[0]) == {"company", "total", "_id", "_source"}
    assert done.plain()["outputs"] == ["out/bills.jsonl"]


def test_each_state_is_counted_and_for_each_step_the_sum_holds(project: Path) -> None:
    (project / "in" / "5.txt").write_text("")

    def say(call: Call) -> Any:
        return Reply(refusal="No.", usage=Usage(1, 0, 1)) if "total 7.50" in call.inputs[-1].text else answer(call)

    done = run(pipeline({"check": "total < 9"}, {"where": "company != 'company 0'"}), say)
    assert done.states == {"written": 4, "filtered": 3, "rejected": 3}
    assert all(flow.conserved for flow in done.flows)
    assert [flow.plain() for flow in done.flows] == [
        {
            "step": "1 extract",
            "in": 10,
            "made": 0,
            "out": 7,
            "filtered": 0,
            "merged": 0,
            "review": 0,
            "rejected": 3,
            "pending": 0,
        },
        {
            "step": "3 where",
            "in": 7,
            "made": 0,
            "out": 4,
            "filtered": 3,
            "merged": 0,
            "review": 0,
            "rejected": 0,
            "pending": 0,
        },
    ]
    why = {row["_source"]: row["reasons"] for row in rows("run/rejected.jsonl")}
    assert set(why) == {"in/5.txt", "in/7.txt", "in/9.txt"}
    assert why["in/7.txt"] == ["the record: scripted refused: No"]
    assert why["in/9.txt"] == ["/total: the check `total < 9` does not hold"]


def test_a_query_merges_rows_into_new_ones(project: Path) -> None:
    query = "select company, sum(total) as spent, count(*) as bills from rows group by company order by company"
    done = run(pipeline({"sql": query}, {"where": "bills > 3"}))
    assert done.states == {"merged": 10}
    assert [{k: v for k, v in row.items() if k[0] != "_"} for row in rows()] == [
        {"company": "company 0", "spent": Decimal("20.0"), "bills": 4}
    ]
    merging, later = (flow.plain() for flow in done.flows[1:])
    assert (merging["in"], merging["made"], merging["merged"], merging["out"]) == (10, 3, 10, 3)
    assert (later["in"], later["filtered"], later["out"]) == (3, 2, 1)


def test_the_same_folder_resumes_and_asks_only_for_what_is_new(project: Path) -> None:
    asked: list[str] = []

    def say(call: Call) -> Any:
        asked.append(call.key)
        return answer(call)

    run(pipeline(), say, limit=4)
    assert len(asked) == 4
    (project / "in" / "new.txt").write_text("company 9\ntotal 9")
    done = run(pipeline(), say)
    assert len(asked) == len(set(asked)) == 11
    assert done.states == {"written": 11}
    assert len(rows()) == 11


def test_a_document_that_is_gone_is_gone_from_the_outputs(project: Path) -> None:
    run(pipeline())
    (project / "in" / "0.txt").unlink()
    assert run(pipeline()).states == {"written": 9}
    assert len(rows()) == 9


def test_a_run_that_reaches_its_budget_keeps_everything_and_goes_on(project: Path) -> None:
    sent: list[Call] = []

    class Charging(Scripted):
        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            sent.append(call)
            return replace(await super().send(call, timeout=timeout), usage=Usage(100, 0, 100))

    def start(budget: str) -> Run:
        cascade = Cascade((FACTS,), {"scripted": Charging(answer)})
        limits = Limits(budget_usd=Decimal(budget), in_flight=1)
        return asyncio.run(execute(asked_of(pipeline(), cascade), cascade, Path("run"), limits=limits))

    first = start("0.0012")
    assert first.stopped is not None
    assert first.states["pending"] > 0
    assert first.states["written"] + first.states["pending"] == 10
    assert len(rows()) == first.states["written"]
    second = start("1")
    assert (second.stopped, second.states) == (None, {"written": 10})
    assert len(sent) == 10


def test_a_run_decides_by_the_prices_that_it_was_started_with(project: Path) -> None:
    run(pipeline())
    dearer = replace(FACTS, price=Price(Decimal(1000), Decimal(1000)))
    cascade = Cascade((dearer,), {"scripted": Scripted(answer)})
    again = asyncio.run(execute(asked_of(pipeline(), cascade), cascade, Path("run")))
    assert again.cost == run(pipeline(), folder="other").cost


def test_a_wrong_key_stops_the_run_and_everything_else_stays_pending(project: Path) -> None:
    done = run(pipeline(), lambda call: Failure("configuration", "The key is wrong.", status=401))
    assert done.states == {"pending": 10}
    assert isinstance(done.stopped, ModelError)


def test_what_is_held_for_review_is_written_down_with_all_that_is_known(project: Path) -> None:
    """Documents without a valid record, rows of a later check, and rows that were made of several documents."""

    def say(call: Call) -> Any:
        company, total = call.inputs[-1].text.splitlines()
        value = {"company": company, "total": "many" if total == "total 7.50" else total.split()[1]}
        return Reply(text=json.dumps(value), mode="json_schema", usage=Usage(10, 0, 5))

    late = {"check": "total < 9", "on_failure": "review"}
    query = "select company, count(*) as bills from rows group by company order by company"
    steps = ({"where": "total >= 0"}, late, {"sql": query}, {"check": "bills < 3", "on_failure": "review"})
    done = run(pipeline(*steps, on_failure="review"), say)
    assert done.states == {"review": 2, "merged": 8}
    assert all(flow.conserved for flow in done.flows)
    assert not done.lossless
    assert done.not_written == (Path("run/review.jsonl"),)
    assert not Path("run/rejected.jsonl").exists()
    invalid, checked, *merged = rows("run/review.jsonl")
    assert (invalid["_source"], invalid["state"], invalid["calls"]) == ("in/7.txt", "review", 2)
    assert [reason.split(":")[0] for reason in invalid["reasons"]] == ["/total"]
    assert invalid["partial"]["company"] == "company 1"
    each = {"model": "scripted", "outcome": "stop", "cost_usd": Decimal("0.000015")}
    assert invalid["attempts"] == [{**each, "attempt": 1}, {**each, "attempt": 2}]
    assert (invalid["tokens"], invalid["cost_usd"]) == (
        {"input": 20, "cached": 0, "output": 10},
        Decimal("0.000030"),
    )
    assert (checked["_source"], checked["reasons"]) == ("in/9.txt", ["It does not hold that total < 9."])
    assert [(row["state"], row["row"]["company"], row["row"]["bills"]) for row in merged] == [
        ("review", "company 0", 3),
        ("review", "company 2", 3),
    ]


def test_what_is_rejected_and_what_is_held_are_in_files_of_their_own(project: Path) -> None:
    def say(call: Call) -> Any:
        return {"company": "A", "total": "many"} if "total 7.50" in call.inputs[-1].text else answer(call)

    late = {"check": "total < 9", "on_failure": "review"}
    done = run(pipeline({"where": "total >= 0"}, late), say)
    assert done.states == {"written": 8, "review": 1, "rejected": 1}
    assert [str(path) for path in done.not_written] == ["run/rejected.jsonl", "run/review.jsonl"]
    assert [row["_source"] for row in rows("run/rejected.jsonl")] == ["in/7.txt"]
    assert [row["_source"] for row in rows("run/review.jsonl")] == ["in/9.txt"]
    assert [row["_source"] for row in read_not_written(Path("run"))] == ["in/7.txt", "in/9.txt"]
    assert run(pipeline()).not_written == (Path("run/rejected.jsonl"),)
    assert not Path("run/review.jsonl").exists()


OPTIONAL = (
    SCHEMA
    + """
    tax: Decimal | None = None
    kind: str = Field("receipt", pattern="^[a-z]+$")
"""
)


def test_keep_leaves_out_optional_fields_that_failed_and_rejects_for_a_required_one(project: Path) -> None:
    Path("schemas/bill.py").write_text(OPTIONAL.replace("BaseModel", "BaseModel, Field", 1))

    def say(call: Call) -> Any:
        company, total = call.inputs[-1].text.splitlines()
        number = "many" if total == "total 7.50" else total.split()[1]
        return {"company": company, "total": number, "tax": "a lot", "kind": "NONE"}

    done = run(pipeline({"set": {"net": "total - coalesce(tax, 0)"}}, on_failure="keep"), say)
    assert (done.states, done.waived) == ({"written": 9, "rejected": 1}, 9)
    assert rows()[0] == {
        **{"company": "company 0", "total": Decimal("0.50"), "tax": None, "net": Decimal("0.50")},
        **{"_id": rows()[0]["_id"], "_source": "in/0.txt"},
    }
    (rejected,) = rows("run/rejected.jsonl")
    assert rejected["_source"] == "in/7.txt"
    assert len(rejected["reasons"]) == 3
    ledger = RunLedger(Path("run"))
    first = next(ledger.entries())
    ledger.close()
    assert (first.state, len(first.reasons)) == ("written", 2)
    assert first.detail is not None
    assert [rule for rule, *_ in first.detail["events"] if rule.startswith("waived")] == ["waived.field"] * 2
    assert [pointer for pointer, *_ in first.detail["waived"]] == ["/tax", "/kind"]


def test_best_effort_fields_alone_fail_no_document(project: Path) -> None:
    Path("schemas/bill.py").write_text(OPTIONAL.replace("BaseModel", "BaseModel, Field", 1))

    def say(call: Call) -> Any:
        odd = "NONE" if "total 7.50" in call.inputs[-1].text else "receipt"
        return {**answer(call), "tax": "a lot", "kind": odd}

    one = Pipeline.of(
        {
            "name": "bills",
            "model": "rules",
            "documents": "in/*.txt",
            "steps": [{"extract": "schemas/bill.py:Bill", "best_effort": ["tax"], "on_failure": "review"}],
        }
    )
    done = run(one, say)
    assert (done.states, done.waived, done.lossless) == ({"written": 9, "review": 1}, 9, False)
    assert [reason.split(":")[0] for reason in rows("run/review.jsonl")[0]["reasons"]] == ["/tax", "/kind"]


def test_a_document_that_has_reached_its_limit_is_rejected_and_the_run_goes_on(project: Path) -> None:
    def say(call: Call) -> Any:
        company, total = call.inputs[-1].text.splitlines()
        number = f"many {call.attempt}" if total == "total 7.50" else total.split()[1]
        value = json.dumps({"company": company, "total": number})
        return Reply(text=value, mode="json_schema", usage=Usage(100, 0, 10))

    done = run(pipeline(attempts=9, limits={"per_document": {"tokens": 250}}), say)
    assert done.states == {"written": 9, "rejected": 1}
    (rejected,) = rows("run/rejected.jsonl")
    assert (rejected["calls"], rejected["tokens"]["input"]) == (3, 300)
    assert (
        rejected["reasons"][-1] == "the record: The limit of 250 tokens for one document is reached: 3 calls took 330"
    )
    assert done.calls == 12
    more = run(pipeline(attempts=4, limits={"per_document": {"tokens": 10_000}}), say)
    assert more.calls == 13


def test_a_budget_for_each_document_without_a_price_is_refused(project: Path) -> None:
    cascade = Cascade((replace(FACTS, price=None),), {"scripted": Scripted(answer)})
    limited = pipeline(limits={"per_document": {"budget_usd": 1}})
    with pytest.raises(ModelError, match="A budget for each document cannot be held: the price of scripted is not"):
        asyncio.run(execute(asked_of(limited, cascade), cascade, Path("run")))
    assert not Path("run").exists()


def test_rows_of_a_file_bring_their_other_columns_along(project: Path) -> None:
    Path("mails.csv").write_text('id,body\n1,"company x\ntotal 2"\n2,"company y\ntotal 3"\n')
    done = run(pipeline(documents={"rows": "mails.csv", "text": "body"}))
    assert done.states == {"written": 2}
    assert [(row["id"], row["company"], row["_source"]) for row in rows()] == [
        ("1", "company x", "mails.csv#1"),
        ("2", "company y", "mails.csv#2"),
    ]


def test_write_may_ask_for_evidence_confidence_and_cost(project: Path) -> None:
    run(pipeline(write={"to": "out/bills.jsonl", "with": ["evidence", "cost"]}))
    assert rows()[0]["_evidence"]["/company"] == [0, 9]
    assert "_cost" in rows()[0]
    assert "_confidence" not in rows()[0]


def test_progress_is_told_for_every_document(project: Path) -> None:
    told: list[Progress] = []
    run(pipeline(), watch=told.append)
    assert [one.done for one in told] == list(range(1, 11))
    assert told[-1].total == 10


def test_a_folder_of_another_pipeline_is_refused(project: Path) -> None:
    run(pipeline())
    with pytest.raises(RunError) as caught:
        run(pipeline(name="others"))
    assert str(caught.value) == (
        "run: This folder holds a run of bills, not of others.\n  Name another folder with --run."
    )


def test_a_budget_without_a_price_is_refused(project: Path) -> None:
    cascade = Cascade((replace(FACTS, price=None),), {"scripted": Scripted(answer)})
    with pytest.raises(ModelError, match="A budget in dollars cannot be held: the price of scripted is not known"):
        asyncio.run(execute(asked_of(pipeline(), cascade), cascade, Path("run"), limits=Limits(budget_usd=Decimal(1))))


def test_the_ledger_says_what_became_of_each_document(project: Path) -> None:
    run(pipeline())
    ledger = RunLedger(Path("run"))
    entries = list(ledger.entries())
    ledger.close()
    assert [(e.source, e.state, e.calls) for e in entries] == [(f"in/{n}.txt", "written", 1) for n in range(10)]
