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
    return asyncio.run(execute(one, cascade, Path(folder), **options))


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
        return asyncio.run(execute(pipeline(), cascade, Path("run"), limits=limits))

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
    again = asyncio.run(execute(pipeline(), cascade, Path("run")))
    assert again.cost == run(pipeline(), folder="other").cost


def test_a_wrong_key_stops_the_run_and_everything_else_stays_pending(project: Path) -> None:
    done = run(pipeline(), lambda call: Failure("configuration", "The key is wrong.", status=401))
    assert done.states == {"pending": 10}
    assert isinstance(done.stopped, ModelError)


def test_on_failure_review_holds_and_keep_keeps_what_is_valid(project: Path) -> None:
    def say(call: Call) -> Any:
        return {"company": "A", "total": "many"}

    assert run(pipeline(on_failure="review"), say).states == {"review": 10}
    assert run(pipeline(on_failure="keep"), say, folder="other").states == {"written": 10}
    assert rows()[0]["company"] == "A"
    assert "total" not in rows()[0]


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
        "run: This folder holds a run of the pipeline bills, not of others.\n  Name another folder with --run."
    )


def test_a_budget_without_a_price_is_refused(project: Path) -> None:
    cascade = Cascade((replace(FACTS, price=None),), {"scripted": Scripted(answer)})
    with pytest.raises(ModelError, match="A budget in dollars cannot be held: the price of scripted is not known"):
        asyncio.run(execute(pipeline(), cascade, Path("run"), limits=Limits(budget_usd=Decimal(1))))


def test_the_ledger_says_what_became_of_each_document(project: Path) -> None:
    run(pipeline())
    ledger = RunLedger(Path("run"))
    entries = list(ledger.entries())
    ledger.close()
    assert [(e.source, e.state, e.calls) for e in entries] == [(f"in/{n}.txt", "written", 1) for n in range(10)]
