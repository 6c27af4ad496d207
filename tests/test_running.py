"""Pipelines in Python: made of the same words, planned, run, and their rows taken as they come."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from extract import Pipeline, PipelineError
from extract.call import Call
from extract.errors import ModelError
from extract.limits import Limits
from extract.models.scripted import Scripted


class Bill(BaseModel):
    company: str
    total: Decimal


def tidy(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "company": row["company"].title()}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for n in range(6):
        Path(f"in/{n}.txt").write_text(f"acme {n % 2}\n{n}.50")


def say(call: Call) -> Any:
    company, total = call.inputs[-1].text.splitlines()
    return {"company": company, "total": total}


def bills(*steps: Any, **says: Any) -> Pipeline:
    return Pipeline([{"extract": Bill}, *steps], documents="in/*.txt", name="bills", **says)


def test_schemas_and_functions_stand_there_themselves() -> None:
    pipeline = bills({"python": tidy}, {"where": "total > 1"}, write="out.jsonl")
    assert repr(pipeline) == "Pipeline('bills': 1 extract, 2 python, 3 where)"
    done = pipeline.run("run", models=Scripted(say))
    assert done.states == {"written": 5, "filtered": 1}
    lines = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert (lines[0]["company"], lines[0]["total"]) == ("Acme 1", 1.5)


def test_rows_come_while_it_runs_and_the_run_at_the_end() -> None:
    rows = bills({"set": {"twice": "total * 2"}}).rows("run", models=Scripted(say))

    async def taken() -> list[Any]:
        return [row["twice"] async for row in rows]

    assert sorted(asyncio.run(taken())) == [1, 3, 5, 7, 9, 11]
    assert rows.run is not None
    assert (rows.run.states, rows.run.calls) == ({"written": 6}, 6)
    again = bills({"set": {"twice": "total * 2"}}).rows("run", models=Scripted(say))
    assert sorted(row["_source"] for row in again) == [f"in/{n}.txt" for n in range(6)]
    assert again.run is not None
    assert (again.run.calls, again.run.reused) == (6, {"1 extract": 6})


def test_whoever_takes_no_more_rows_ends_the_run_and_keeps_what_was_paid_for() -> None:
    for _ in bills(limits={"in_flight": 1}).rows("run", models=Scripted(say)):
        break
    rest = bills().run("run", models=Scripted(say))
    assert rest.states == {"written": 6}
    assert rest.calls == 6


def test_what_stopped_a_run_is_raised_after_the_last_row() -> None:
    rows = bills().rows("run", models=Scripted(say), limits=Limits(calls=2, in_flight=1))
    taken: list[Any] = []
    with pytest.raises(Exception, match="The next call may take 1 of the calls"):
        taken.extend(rows)
    assert len(taken) == 2
    assert rows.run is not None
    assert rows.run.states["pending"] == 4


def test_it_is_planned_without_a_key_and_not_run_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    pipeline = bills(model="openai/gpt-4o-mini")
    assert pipeline.plan().calls == 6
    assert pipeline.plan(limit=2).calls == 2
    with pytest.raises(ModelError, match="OPENAI_API_KEY is not set"):
        pipeline.run("run")


def test_a_file_is_loaded_with_its_variables() -> None:
    Path("p.yaml").write_text(
        "variables: {least: 1}\ndocuments: in/*.txt\nmodel: rules\nsteps:\n"
        "  - extract: bill.json\n  - where: total > ${least}\n"
    )
    Path("bill.json").write_text(json.dumps(Bill.model_json_schema()))
    loaded = Pipeline.load("p.yaml", variables={"least": "4"})
    assert loaded.run("run", models=Scripted(say)).states == {"filtered": 4, "written": 2}


def test_what_is_wrong_is_raised_where_it_is_made() -> None:
    with pytest.raises(PipelineError) as raised:
        bills({"where": "totl > 1"}, {"unnest": "lines"}, modle="rules")
    assert [str(one).splitlines()[0] for one in (raised.value, *raised.value.others)] == [
        "pipeline: modle: A pipeline has no key `modle`.",
        "pipeline: steps[1].where, column 1: There is no field `totl`.",
        "pipeline: steps[2].unnest: There is no field `lines`.",
    ]
