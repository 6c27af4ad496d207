"""How rows flow through a pipeline: every verb, branches and joins, and no row lost on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from extract.call import Call, Reply, Usage
from extract.catalogue import ModelFacts, Price
from extract.models.cascade import Cascade
from extract.models.scripted import Scripted
from extract.pipeline import Pipeline
from extract.plan import plan_of
from extract.report import read_not_written
from extract.runner import Run, execute

FACTS = ModelFacts("scripted", "scripted", max_output=100, price=Price(Decimal(1), Decimal(1)))
BILL = """
from decimal import Decimal
from pydantic import BaseModel

class Line(BaseModel):
    name: str
    price: Decimal

class Bill(BaseModel):
    company: str
    lines: list[Line] = []

class Order(BaseModel):
    item: str

class Summary(BaseModel):
    words: int
"""
CODE = """
from typing import Iterator
from pydantic import BaseModel

class Out(BaseModel):
    company: str
    n: int

def keep(row):
    return row if row["n"] != 2 else None

def several(row):
    for i in range(row["n"]):
        yield {"i": i}

async def later(row):
    return {**row, "n": row["n"] + 1}

def fails(row):
    return {"n": 1 // row["n"]}

def typed(row) -> Out:
    return {"company": "a", "n": row["n"]}

def odd(row):
    return 5
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bill.py").write_text(BILL)
    Path("code.py").write_text(CODE)
    Path("in").mkdir()
    for n in range(4):
        Path(f"in/{n}.txt").write_text(f"firm {n % 2}\n" + "\n".join(f"part{i} {i + 1}.10" for i in range(n)))
    rows = [{"n": n, "body": f"mail {n}", "to": "me"} for n in range(4)]
    Path("mails.jsonl").write_text("\n".join(map(json.dumps, rows)))


def run(values: dict[str, Any], say: Callable[[Call], Any], folder: str = "run", **options: Any) -> Run:
    pipeline = Pipeline.of({"name": "flow", "model": "scripted", **values})
    cascade = Cascade((FACTS,), {"scripted": Scripted(say)})
    done = asyncio.run(execute(pipeline.asking(("scripted",)), cascade, Path(folder), **options))
    assert all(flow.conserved for flow in done.flows)
    return done


def written(path: str = "out.jsonl") -> list[dict[str, Any]]:
    lines = [json.loads(line, parse_float=Decimal) for line in Path(path).read_text().splitlines()]
    return [{name: value for name, value in one.items() if name[0] != "_"} for one in lines]


def flows(done: Run) -> dict[str, dict[str, int]]:
    """What is not nought, for each step."""
    return {
        flow.step: {name: value for name, value in flow.plain().items() if name != "step" and value}
        for flow in done.flows
    }


def text(call: Call) -> str:
    return next(part.text for part in call.inputs if part.kind == "text")


def bill(call: Call) -> Any:
    company, *lines = text(call).splitlines()
    return {"company": company, "lines": [dict(zip(("name", "price"), one.split(), strict=True)) for one in lines]}


def never(call: Call) -> Any:
    raise AssertionError(f"nothing was to be asked: {text(call)}")


MAILS: dict[str, Any] = {"documents": {"rows": "mails.jsonl", "text": "body"}}
ROWS: dict[str, Any] = {"documents": {"rows": "mails.jsonl"}}
BILLS: dict[str, Any] = {"documents": "in/*.txt"}


# ---- row by row, without a model


def test_rows_of_a_file_flow_without_any_model() -> None:
    done = run({**ROWS, "steps": [{"where": "n > 0"}, {"set": {"twice": "n * 2"}}], "write": "out.jsonl"}, never)
    assert [one["twice"] for one in written()] == [2, 4, 6]
    assert (done.states, done.calls) == ({"filtered": 1, "written": 3}, 0)


def test_unnest_gives_a_row_for_each_item() -> None:
    steps = [{"extract": "bill.py:Bill"}, {"unnest": "lines"}]
    done = run(
        {**BILLS, "steps": steps, "write": [{"to": "out.jsonl", "with": ["confidence", "cost", "evidence"]}]}, bill
    )
    assert written()[:2] == [
        {"company": "firm 1", "name": "part0", "price": Decimal("1.10")},
        {"company": "firm 0", "name": "part0", "price": Decimal("1.10")},
    ]
    assert flows(done)["2 unnest"] == {"in": 4, "made": 3, "out": 6, "filtered": 1}
    assert done.states == {"written": 3, "filtered": 1}
    rows = [json.loads(line, parse_float=Decimal) for line in Path("out.jsonl").read_text().splitlines()]
    assert len({row["_id"] for row in rows}) == 6
    assert rows[1]["_evidence"].keys() == {"/company", "/name", "/price"}
    assert [row["_cost"] > 0 for row in rows if row["_source"] == "in/3.txt"] == [True, False, False]


def test_unnest_keeps_the_item_as_a_field_and_rows_without_items() -> None:
    steps = [{"extract": "bill.py:Bill"}, {"unnest": "lines", "into": "line", "position": "at", "keep_empty": True}]
    run({**BILLS, "steps": steps, "write": "out.jsonl"}, bill)
    assert written()[:2] == [
        {"company": "firm 0", "line": None, "at": None},
        {"company": "firm 1", "line": {"name": "part0", "price": Decimal("1.10")}, "at": 1},
    ]


def test_unnest_of_plain_values() -> None:
    Path("tags.jsonl").write_text('{"a": 1, "tags": ["x", "y"]}\n{"a": 2, "tags": null}\n{"a": 3, "tags": 7}\n')
    done = run({"documents": {"rows": "tags.jsonl"}, "steps": [{"unnest": "tags"}], "write": "out.jsonl"}, never)
    assert written() == [{"a": 1, "tags": "x"}, {"a": 1, "tags": "y"}]
    assert done.states == {"written": 1, "filtered": 1, "rejected": 1}
    assert [line["reasons"] for line in read_not_written(Path("run"))] == [["`tags` is no list in this row."]]


@pytest.mark.parametrize(
    ("function", "rows", "states"),
    [
        ("keep", [0, 1, 3], {"written": 3, "filtered": 1}),
        ("later", [1, 2, 3, 4], {"written": 4}),
        ("fails", [1, 0, 0], {"written": 3, "rejected": 1}),
        ("typed", [0, 1, 2, 3], {"written": 4}),
        ("odd", [], {"rejected": 4}),
    ],
)
def test_python_changes_filters_and_rejects(function: str, rows: list[int], states: dict[str, int]) -> None:
    done = run({**ROWS, "steps": [{"python": f"code.py:{function}"}], "write": "out.jsonl"}, never)
    assert [one["n"] for one in written()] == rows
    assert done.states == states


def test_an_output_may_go_by_what_it_does_not_write() -> None:
    """Behind a function, of which nobody knows what it gives, a condition may name what a row has cost."""
    steps = [{"extract": "bill.py:Bill"}, {"python": lambda row: row}]
    run({**MAILS, "steps": steps, "write": [{"to": "out.jsonl", "when": "_cost >= 0"}]}, bill)
    assert len(written()) == 4
    assert "_cost" not in Path("out.jsonl").read_text()


def test_rows_that_python_holds_up_leave_their_places_to_others() -> None:
    """All four documents are asked about, although two may be on the wire and nothing comes out of the function."""
    came, all_came = list[int](), asyncio.Event()

    async def waits(row: dict[str, Any]) -> dict[str, Any]:
        came.append(1)
        if len(came) == 4:
            all_came.set()
        await asyncio.wait_for(all_came.wait(), 10)
        return row

    steps = [{"extract": "bill.py:Bill"}, {"python": waits}]
    done = run({**MAILS, "limits": {"in_flight": 2}, "steps": steps}, bill)
    assert done.states == {"written": 4}


def test_python_gives_several_rows_and_says_what_it_raised() -> None:
    done = run({**ROWS, "steps": [{"python": "code.py:several"}, {"python": "code.py:odd"}]}, never)
    assert flows(done)["1 python"] == {"in": 4, "made": 3, "out": 6, "filtered": 1}
    assert {line["reasons"][0] for line in read_not_written(Path("run"))} == {
        "code.py:odd gave a int, and a row is a dict."
    }


def test_functions_and_schemas_may_stand_there_themselves() -> None:
    done = run({**ROWS, "steps": [{"python": lambda row: {"m": row["n"]}}], "write": "out.jsonl"}, never)
    assert (written(), done.states) == ([{"m": n} for n in range(4)], {"written": 4})


def test_a_number_that_json_has_not_rejects_its_document_and_no_other() -> None:
    Path("thing.py").write_text(
        "from typing import Any\nfrom pydantic import BaseModel\n\nclass Thing(BaseModel):\n    x: Any\n"
    )
    done = run(
        {**MAILS, "steps": [{"extract": "thing.py:Thing"}], "write": "out.jsonl"},
        lambda call: '{"x": 1e999}' if "mail 2" in text(call) else '{"x": 1}',
    )
    assert dict(done.states) == {"written": 3, "rejected": 1}
    assert [entry.reasons for entry in done.refused] == [("/x: JSON has no number inf.",)]
    assert [row["x"] for row in written()] == [1, 1, 1]


def test_a_share_is_the_same_rows_each_time() -> None:
    Path("many.jsonl").write_text("\n".join(json.dumps({"n": n}) for n in range(400)))
    values = {
        "documents": {"rows": "many.jsonl"},
        "steps": [{"sample": Decimal("0.25"), "seed": 3}],
        "write": "out.jsonl",
    }
    run(values, never)
    first = [one["n"] for one in written()]
    assert 70 < len(first) < 130
    Path("many.jsonl").write_text("\n".join(json.dumps({"n": n}) for n in range(800)))
    run(values, never, "other")
    assert [one["n"] for one in written() if one["n"] < 400] == first


def test_a_number_of_rows_is_drawn_before_anything_is_asked() -> None:
    steps = [{"sample": 2}, {"extract": "bill.py:Bill"}]
    done = run({**BILLS, "steps": steps, "write": "out.jsonl"}, bill)
    assert (len(written()), done.calls) == (2, 2)
    assert flows(done) == {
        "1 sample": {"in": 4, "out": 2, "filtered": 2},
        "2 extract": {"in": 2, "out": 2},
    }


# ---- asked of a model


def sort(call: Call) -> Any:
    if "label" in call.shape.full["properties"]:
        return {"label": "order" if int(text(call)[-1]) % 2 else "complaint"}
    return {"item": text(call).upper()}


TRIAGE = [
    {
        "classify": {"order": "wants to buy", "complaint": "is cross"},
        "otherwise": "other",
        "into": "kind",
        "as": "sorted",
    },
    {"extract": "bill.py:Order", "from": "sorted", "when": "kind == 'order'", "as": "orders"},
    {"set": {"loud": "n > 1"}, "from": "sorted", "when": "kind == 'complaint'", "as": "complaints"},
]


def test_rows_are_sorted_and_go_their_ways() -> None:
    outputs = [
        {"to": "orders.jsonl", "from": "orders"},
        {"to": "complaints.jsonl", "from": "complaints"},
        {"to": "all.jsonl", "from": ["orders", "complaints"]},
    ]
    done = run({**MAILS, "steps": TRIAGE, "write": outputs}, sort)
    assert written("orders.jsonl") == [
        {"item": "MAIL 1", "n": 1, "to": "me", "kind": "order"},
        {"item": "MAIL 3", "n": 3, "to": "me", "kind": "order"},
    ]
    assert [one["loud"] for one in written("complaints.jsonl")] == [False, True]
    assert len(written("all.jsonl")) == 4
    assert done.states == {"written": 4}
    assert flows(done) == {
        "sorted": {"in": 4, "out": 4},
        "orders": {"in": 4, "out": 2, "filtered": 2},
        "complaints": {"in": 4, "out": 2, "filtered": 2},
    }


def test_the_columns_are_shown_to_the_model_beside_the_document() -> None:
    seen: list[Call] = []

    def say(call: Call) -> Any:
        seen.append(call)
        return sort(call)

    run({**MAILS, "steps": TRIAGE[:1]}, say)
    assert {(part.kind, part.name, part.text) for part in seen[0].inputs} == {
        ("value", "n", "0"),
        ("value", "to", "me"),
        ("text", "document", "mail 0"),
    }


def test_a_second_extract_reads_a_field_or_the_record() -> None:
    seen: list[str] = []

    def say(call: Call) -> Any:
        if "company" in call.shape.full["properties"]:
            return bill(call)
        seen.append(text(call))
        return {"words": len(text(call).split())}

    steps = [{"extract": "bill.py:Bill"}, {"extract": "bill.py:Summary", "text": "company"}]
    run({**BILLS, "steps": steps, "write": "out.jsonl"}, say)
    assert sorted(seen) == ["firm 0", "firm 1"]  # equal texts are asked about once
    assert written()[0] == {"words": 2, "lines": []}
    seen.clear()
    steps = [{"extract": "bill.py:Bill"}, {"extract": "bill.py:Summary", "keep": ["company"]}]
    run({**BILLS, "steps": steps, "write": "out.jsonl"}, say, "other")
    assert (
        sorted(seen)[1] == 'company: firm 0\nlines: [{"name": "part0", "price": 1.1}, {"name": "part1", "price": 2.1}]'
    )
    assert sorted(seen)[3] == 'company: firm 1\nlines: [{"name": "part0", "price": 1.1}]'
    assert written()[1] == {"words": 8, "company": "firm 1"}


def test_the_rows_of_a_group_are_one_document() -> None:
    seen: list[str] = []

    def say(call: Call) -> Any:
        if "company" in call.shape.full["properties"]:
            return bill(call)
        seen.append(text(call))
        return {"words": len(seen)}

    steps = [{"extract": "bill.py:Bill"}, {"extract": "bill.py:Summary", "group": "company", "text": "count(lines)"}]
    done = run({**BILLS, "steps": steps, "write": "out.jsonl"}, say)
    assert seen == ["--- in/0.txt ---\n0\n\n--- in/2.txt ---\n2", "--- in/1.txt ---\n1\n\n--- in/3.txt ---\n3"]
    assert written() == [{"words": 1, "company": "firm 0"}, {"words": 2, "company": "firm 1"}]
    assert flows(done)["2 extract"] == {"in": 4, "made": 2, "out": 2, "merged": 4}
    assert done.states == {"merged": 4}


def test_a_question_filters() -> None:
    def say(call: Call) -> Any:
        assert call.instructions == "Answer the question about the document.\nIs it odd?"
        return {"yes": int(text(call)[-1]) % 2 == 1}

    done = run({**MAILS, "steps": [{"where": {"ask": "Is it odd?"}}], "write": "out.jsonl"}, say)
    assert [one["n"] for one in written()] == [1, 3]
    assert done.states == {"filtered": 2, "written": 2}


def test_instructions_may_name_fields_of_the_row() -> None:
    said: list[str] = []

    def say(call: Call) -> Any:
        said.append(call.instructions)
        return {"item": "x"}

    steps = [{"extract": "bill.py:Order", "instructions": "The mail was sent to {{ to }}; it is number {{ n }}."}]
    run({**MAILS, "steps": steps}, say)
    assert said[2] == "The mail was sent to me; it is number 2."


def test_many_rows_of_one_document_are_asked_about_side_by_side_and_stay_in_order() -> None:
    Path("one.jsonl").write_text(json.dumps({"tags": [f"tag {n}" for n in range(50)]}))
    steps = [{"unnest": "tags"}, {"extract": "bill.py:Order", "text": "tags"}]
    done = run({"documents": {"rows": "one.jsonl"}, "steps": steps, "write": "out.jsonl"}, lambda c: {"item": text(c)})
    assert [one["item"] for one in written()] == [f"tag {n}" for n in range(50)]
    assert done.states == {"written": 1}


# ---- all rows at once


def test_a_query_sees_several_steps_and_files_as_tables() -> None:
    Path("firms.csv").write_text("firm,town\nfirm 0,Bonn\n")
    steps = [
        {"extract": "bill.py:Bill", "as": "bills"},
        {"unnest": "lines", "as": "parts"},
        {
            "sql": "select b.company, f.town, count(p.name) as parts from bills b left join parts p using (company)"
            " left join firms f on f.firm = b.company group by all order by all",
            "from": ["bills", "parts"],
            "tables": {"firms": "firms.csv"},
        },
    ]
    done = run({**BILLS, "steps": steps, "write": "out.jsonl"}, bill)
    assert written() == [
        {"company": "firm 0", "town": "Bonn", "parts": 4},
        {"company": "firm 1", "town": None, "parts": 8},
    ]
    assert flows(done)["3 sql"] == {"in": 10, "made": 2, "out": 2, "merged": 10}
    assert done.states == {"merged": 4}


def test_what_a_query_gives_can_be_asked_about() -> None:
    steps = [
        {"extract": "bill.py:Bill"},
        {"sql": "select company, count(*) as n from rows group by company order by company"},
        {"extract": "bill.py:Summary", "text": "company", "keep": "all"},
        {"check": "words > 1"},
    ]

    def say(call: Call) -> Any:
        return bill(call) if "company" in call.shape.full["properties"] else {"words": int(text(call)[-1]) + 1}

    done = run({**BILLS, "steps": steps, "write": "out.jsonl"}, say)
    assert written() == [{"words": 2, "n": 2}]
    (line,) = read_not_written(Path("run"))
    assert (line["step"], line["state"], line["row"]["company"]) == ("3 extract", "rejected", "firm 0")
    assert line["reasons"] == ["/words: the check `words > 1` does not hold"]
    assert flows(done)["3 extract"] == {"in": 2, "out": 1, "rejected": 1}


# ---- held for review


def test_rows_are_held_until_somebody_decides() -> None:
    values = {
        **ROWS,
        "steps": [{"review": "n > 1", "decisions": "decided.jsonl"}, {"set": {"seen": "true"}}],
        "write": "out.jsonl",
    }
    done = run(values, never)
    assert done.states == {"written": 2, "review": 2}
    held = read_not_written(Path("run"))
    assert [(line["row"]["n"], line["reasons"]) for line in held] == [
        (2, ["It holds that n > 1."]),
        (3, ["It holds that n > 1."]),
    ]
    decided = [
        {**held[0], "decision": "accept", "row": {**held[0]["row"], "to": "you"}},
        {**held[1], "decision": "reject", "reason": "Not ours."},
    ]
    Path("decided.jsonl").write_text("\n".join(map(json.dumps, decided)))
    done = run(values, never)
    assert done.states == {"written": 3, "rejected": 1}
    assert [(one["n"], one["to"], one["seen"]) for one in written()] == [
        (0, "me", True),
        (1, "me", True),
        (2, "you", True),
    ]
    assert [line["reasons"] for line in read_not_written(Path("run"))] == [["Not ours."]]


def test_what_nobody_knows_to_be_sure_is_held() -> None:
    done = run({**MAILS, "steps": [*TRIAGE[:1], {"review": None, "confidence": Decimal("0.9")}]}, sort)
    assert done.states == {"review": 4}
    assert read_not_written(Path("run"))[0]["reasons"] == ["Nothing is known of how sure the model was."]


# ---- conserved, and taken up again


def test_a_document_that_ends_in_several_ways_is_told_as_the_best_and_its_refused_rows_are_kept() -> None:
    steps = [{"extract": "bill.py:Bill"}, {"unnest": "lines"}, {"check": "price < 3"}]
    done = run({**BILLS, "steps": steps, "write": "out.jsonl"}, bill)
    assert done.states == {"filtered": 1, "written": 3}
    assert not done.lossless
    (line,) = read_not_written(Path("run"))
    assert (line["_source"], line["step"], line["row"]["name"]) == ("in/3.txt", "3 check", "part2")


def test_a_budget_leaves_rows_pending_wherever_they_are() -> None:
    from extract.limits import Limits

    def say(call: Call) -> Any:
        return Reply(text=json.dumps(sort(call)), finish="stop", usage=Usage(100, 0, 1))

    done = run(
        {
            **MAILS,
            "steps": TRIAGE,
            "write": [{"to": "a.jsonl", "from": "orders"}, {"to": "b.jsonl", "from": "complaints"}],
        },
        say,
        limits=Limits(calls=3, in_flight=1),
    )
    assert done.stopped is not None
    assert done.states["pending"] >= 1
    done = run(
        {
            **MAILS,
            "steps": TRIAGE,
            "write": [{"to": "a.jsonl", "from": "orders"}, {"to": "b.jsonl", "from": "complaints"}],
        },
        say,
    )
    assert (done.states, done.calls) == ({"written": 4}, 6)
    assert done.reused["sorted"] + sum(done.anew["sorted"].values()) == 4


def test_only_what_changed_is_asked_again_and_the_run_says_why() -> None:
    def steps(instructions: str) -> dict[str, Any]:
        return {**BILLS, "steps": [{"extract": "bill.py:Bill", "instructions": instructions, "as": "bills"}]}

    first = run(steps("Read."), bill)
    assert (first.calls, first.reused, first.anew) == (4, {}, {})
    Path("in/9.txt").write_text("firm 9")
    Path("in/0.txt").write_text("firm 0\nnew 1.00")
    second = run(steps("Read."), bill)
    assert (second.calls, second.reused, second.anew) == (6, {"bills": 3}, {"bills": {"changed content": 1, "new": 1}})
    third = run(steps("Read it."), bill)
    assert (third.reused, third.anew) == ({}, {"bills": {"changed instructions": 5}})
    fourth = run(steps("Read it."), bill)
    assert (fourth.calls, fourth.reused, fourth.anew) == (11, {"bills": 5}, {})


def test_the_first_row_is_on_its_way_while_the_last_document_is_being_read() -> None:
    for n in range(300):
        Path(f"in/{n:03}.txt").write_text(f"firm {n}")
    seen: list[bool] = []

    def say(call: Call) -> Any:
        if text(call) == "firm 299":
            seen.append(any("firm" in path.read_text() for path in Path().glob("*out.jsonl*")))
        return bill(call)

    from extract.limits import Limits

    run({**BILLS, "steps": [{"extract": "bill.py:Bill"}], "write": "out.jsonl"}, say, limits=Limits(in_flight=4))
    assert seen == [True]


def test_a_query_that_fails_on_the_way_leaves_its_outputs_as_they_were() -> None:
    values = {
        **ROWS,
        "steps": [{"set": {"word": "'a'"}, "as": "rows_"}, {"sql": "select cast(word as integer) as n from rows"}],
        "write": ["out.jsonl", {"to": "rows.jsonl", "from": "rows_"}],
    }
    Path("out.jsonl").write_text('{"n": 7}\n')
    done = run(values, never)
    assert done.stopped is not None
    assert done.stopped.message.startswith("The query cannot run: Could not convert string 'a' to INT32")
    assert (written(), len(written("rows.jsonl"))) == ([{"n": 7}], 4)
    assert not [path for path in Path().iterdir() if ".part" in path.name or path.name.startswith(".out")]


def test_a_document_is_opened_once_for_all_the_steps_that_ask_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import extract.runner.entering as entering

    opened: list[Path] = []
    really = entering.open_document
    monkeypatch.setattr(entering, "open_document", lambda path, **how: opened.append(path) or really(path, **how))
    steps = [{"classify": ["a", "b"]}, {"extract": "bill.py:Bill"}]
    run(
        {**BILLS, "steps": steps},
        lambda call: {"label": "a"} if "label" in call.shape.full["properties"] else bill(call),
    )
    assert len(opened) == 4


def test_what_comes_from_the_environment_is_in_no_reason_and_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIVATE", "topsecret")
    steps = [
        {"check": "to == '${PRIVATE}'"},
        {"review": "to == '${PRIVATE}'"},
        {"sql": "select '${PRIVATE}' as word from rows"},
    ]
    done = run({**ROWS, "steps": steps, "write": "out.jsonl"}, never)
    assert read_not_written(Path("run"))[0]["reasons"] == ["It does not hold that to == '${PRIVATE}'."]
    assert "topsecret" not in json.dumps([str(done.plain()), Path("run/run.json").read_text()])
    plan = plan_of(Pipeline.of({**ROWS, "steps": steps}), {})
    assert "topsecret" not in f"{plan.plain()}{plan.listing()}{plan.sentence()}"
    assert "${PRIVATE}" in plan.listing()


def test_no_rows_are_no_groups() -> None:
    steps = [{"where": "n > 9"}, {"extract": "bill.py:Summary", "group": "to", "text": "body"}]
    done = run({**ROWS, "steps": steps, "write": "out.jsonl"}, never)
    assert (done.stopped, done.states, written()) == (None, {"filtered": 4}, [])


def test_fields_that_come_along_are_known_even_of_rows_of_which_nothing_is() -> None:
    steps = [
        {"python": "code.py:later"},
        {"extract": "bill.py:Order", "text": "body", "keep": ["n", "to"]},
        {"extract": "bill.py:Order", "text": "item", "keep": ["to"]},
    ]
    done = run({**ROWS, "steps": steps, "write": "out.jsonl"}, lambda call: {"item": text(call)})
    assert (done.states, written()[0]) == ({"written": 4}, {"item": "mail 0", "to": "me"})


def test_items_of_a_file_s_rows_are_records_to_the_queries_behind_even_where_one_is_null() -> None:
    rows = [{"firm": "a", "lines": [{"name": "x", "price": 1.5}, None]}, {"firm": "b", "lines": []}]
    Path("bills.jsonl").write_text("\n".join(map(json.dumps, rows)))
    steps = [
        {"unnest": "lines", "position": "nth"},
        {"sql": "select firm, nth, name, sum(price) as spent from rows group by all order by all"},
    ]
    done = run({"documents": {"rows": "bills.jsonl"}, "steps": steps, "write": "out.jsonl"}, never)
    assert done.stopped is None
    assert written() == [
        {"firm": "a", "nth": 1, "name": "x", "spent": Decimal("1.5")},
        {"firm": "a", "nth": 2, "name": None, "spent": None},
    ]
