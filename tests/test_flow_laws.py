"""Laws of the flow of rows: none is lost, doubled or counted twice, whatever the steps, the code in them, and the end
of the run are like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from extract.call import Call
from extract.catalogue import ModelFacts, Price
from extract.models.cascade import Cascade
from extract.models.scripted import Scripted
from extract.pipeline import Pipeline
from extract.report import read_not_written
from extract.runner import Run, execute

FACTS = ModelFacts("scripted", "scripted", max_output=100, price=Price(Decimal(1), Decimal(1)))
ROWS: dict[str, Any] = {"documents": {"rows": "rows.jsonl"}}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given({"n": n, "tags": [f"t{i}" for i in range(n)]} for n in range(4))


def given(rows: Any, path: str = "rows.jsonl") -> None:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))


def never(call: Call) -> Any:
    raise AssertionError("nothing was to be asked")


def run(values: dict[str, Any], say: Callable[[Call], Any] = never, folder: str = "run", **options: Any) -> Run:
    pipeline = Pipeline.of({"name": "laws", "model": "scripted", **values})
    cascade = Cascade((FACTS,), {"scripted": Scripted(say)})
    done = asyncio.run(execute(pipeline.asking(("scripted",)), cascade, Path(folder), **options))
    assert all(flow.conserved for flow in done.flows)
    return done


def written(path: str = "out.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in Path(path).read_text().splitlines()]


def text(call: Call) -> str:
    return next(part.text for part in call.inputs if part.kind == "text")


# ---- code of the user's


class _Own(BaseException):
    pass


def _raises(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    def function(row: dict[str, Any]) -> Any:
        if row["n"] == 1:
            raise error
        return row

    return function


def _raises_later(error: BaseException) -> Callable[[dict[str, Any]], Any]:
    async def function(row: dict[str, Any]) -> Any:
        if row["n"] == 1:
            raise error
        return row

    return function


@pytest.mark.parametrize("made", [_raises, _raises_later])
@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit("x"), KeyboardInterrupt("x"), asyncio.CancelledError("x"), _Own("x")]
)
def test_whatever_a_function_raises_rejects_one_row(made: Any, error: BaseException) -> None:
    done = run({**ROWS, "steps": [{"python": made(error)}], "write": "out.jsonl"})
    assert done.states == {"written": 3, "rejected": 1}
    (line,) = read_not_written(Path("run"))
    assert line["reasons"] == [f"{made.__name__}.<locals>.function raised {type(error).__name__}: x"]


def test_an_iterator_at_its_end_rejects_one_row() -> None:
    done = run({**ROWS, "steps": [{"python": lambda row: next(iter(row["tags"])) and row}], "write": "out.jsonl"})
    assert done.states == {"written": 3, "rejected": 1}


class _Breaks(dict[str, Any]):
    def items(self) -> Any:
        raise ValueError("no items")


def _round(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "own": row} if row.update(own=row) is None else row


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Decimal("NaN"), "f gave what is no JSON value: NaN is no number of JSON."),
        (Decimal("-Infinity"), "f gave what is no JSON value: -Infinity is no number of JSON."),
        (b"a", "f gave what is no JSON value: a bytes."),
        (_Breaks(a=1), "f raised ValueError: no items"),
        (Pipeline, "f gave what is no JSON value: a type."),
    ],
)
def test_what_is_no_json_rejects_the_row_and_not_the_run(value: Any, reason: str) -> None:
    def f(row: dict[str, Any]) -> dict[str, Any]:
        return {"x": value}

    done = run({**ROWS, "steps": [{"python": f}], "write": "out.jsonl"})
    assert done.states == {"rejected": 4}
    said = {line["reasons"][0].rpartition("<locals>.")[2] for line in read_not_written(Path("run"))}
    assert said == {reason}


def test_a_row_that_holds_itself_is_rejected() -> None:
    done = run({**ROWS, "steps": [{"python": _round}], "write": "out.jsonl"})
    assert done.states == {"rejected": 4}


def test_a_coroutine_may_yield_rows() -> None:
    async def several(row: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        for tag in row["tags"]:
            yield {"tag": tag}

    done = run({**ROWS, "steps": [{"python": several}], "write": "out.jsonl"})
    assert [row["tag"] for row in written()] == ["t0", "t0", "t1", "t0", "t1", "t2"]
    assert done.states == {"written": 3, "filtered": 1}


def test_a_set_is_written_in_an_order_that_stays() -> None:
    run({**ROWS, "steps": [{"python": lambda row: {"all": {"c", "a", "b", *row["tags"]}}}], "write": "out.jsonl"})
    assert written()[1]["all"] == ["a", "b", "c", "t0"]


def test_a_function_that_changes_what_it_was_given_changes_no_other_branch() -> None:
    def spoils(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        row["tags"].append("spoiled")
        yield row

    steps = [{"python": spoils, "from": "documents", "as": "a"}, {"set": {"m": "n"}, "from": "documents", "as": "b"}]
    outputs = [{"to": "a.jsonl", "from": "a"}, {"to": "b.jsonl", "from": "b"}, {"to": "c.jsonl", "from": "documents"}]
    run({**ROWS, "steps": steps, "write": outputs})
    assert [row["tags"][-1:] for row in written("a.jsonl")] == [["spoiled"]] * 4
    assert [len(row["tags"]) for row in written("b.jsonl")] == [0, 1, 2, 3]
    assert [len(row["tags"]) for row in written("c.jsonl")] == [0, 1, 2, 3]
