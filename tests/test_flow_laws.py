"""Laws of the flow of rows: none is lost, doubled or counted twice, whatever the steps, the code in them, and the end
of the run are like."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_any
from hypothesis import strategies as st
from pydantic import BaseModel

from extract.call import Call, Reply, Usage
from extract.catalogue import ModelFacts, Price
from extract.ledger import RunLedger
from extract.limits import Limits
from extract.models.cascade import Cascade
from extract.models.scripted import Scripted
from extract.pipeline import Pipeline
from extract.report import read_not_written
from extract.runner import Run, execute
from extract.sinks import Writer, open_writer

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


# ---- the end of a run


SUMS: dict[str, Any] = {
    "documents": {"rows": "rows.jsonl", "text": "body"},
    "steps": [
        {"classify": ["a", "b"], "as": "sorted"},
        {"sql": "select label, count(*) as many, sum(n) as total from rows group by all", "as": "sums"},
    ],
    "write": [
        {"to": "rows.db", "table": "sums", "from": "sums"},
        {"to": "sums.jsonl", "from": "sums"},
        {"to": "sorted.jsonl", "from": "sorted"},
    ],
}


def labels(call: Call) -> Any:
    return {"label": "ab"[int(text(call)) % 2]}


def test_what_needs_all_rows_does_not_take_some_for_all() -> None:
    given({"n": n, "body": str(n)} for n in range(10))
    done = run(SUMS, labels, limits=Limits(calls=4, in_flight=1))
    assert done.stopped is not None
    assert (done.states["pending"], done.outputs) == (6, (("sorted.jsonl", 4),))
    assert done.left == ("rows.db (sums)", "sums.jsonl")
    assert done.plain()["left_as_they_were"] == ["rows.db (sums)", "sums.jsonl"]
    done = run(SUMS, labels)
    assert (done.stopped, done.left) == (None, ())
    with closing(sqlite3.connect("rows.db")) as db:
        assert sorted(db.execute("select label, many, total from sums")) == [("a", 5, 20), ("b", 5, 25)]


def test_an_output_that_cannot_be_written_keeps_no_other_from_it() -> None:
    with closing(sqlite3.connect("rows.db")) as db:
        db.execute("create table t (n integer check (n < 3), _id text, _source text)")
    outputs = [{"to": "a.jsonl"}, {"to": "rows.db", "table": "t"}, {"to": "b.jsonl"}, {"to": "c.csv"}]
    done = run({**ROWS, "steps": [{"set": {"n": "n"}}, {"python": lambda row: {"n": row["n"]}}], "write": outputs})
    assert done.stopped is not None
    assert [name for name, _ in done.outputs] == ["a.jsonl", "b.jsonl", "c.csv"]
    assert done.left == ("rows.db (t)",)
    assert (len(written("a.jsonl")), len(written("b.jsonl"))) == (4, 4)


def test_an_output_that_breaks_on_the_way_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import extract.runner.outputs as outputs

    class Full(Writer):
        def _take(self, row: Any) -> None:
            raise OSError(28, "No space left on device")

        def _drop(self) -> None:
            pass

    really = open_writer
    monkeypatch.setattr(
        outputs, "open_writer", lambda to, **how: Full("full") if "full" in str(to) else really(to, **how)
    )
    done = run({**ROWS, "steps": [{"set": {"m": "n"}}], "write": ["full.jsonl", "out.jsonl"]})
    assert str(done.stopped) == "full: The output cannot be written: No space left on device."
    assert (done.outputs, done.left) == ((("out.jsonl", 4),), ("full.jsonl",))
    assert len(written()) == 4


def test_a_table_that_cannot_be_read_any_more_leaves_only_its_outputs_as_they_were() -> None:
    Path("firms.csv").write_text("firm,town\na,Bonn\n")

    def breaks(row: dict[str, Any]) -> dict[str, Any]:
        Path("firms.csv").write_text("firm,town\na,Bonn,1\n")
        return row

    query = "select firm, count(*) as many from rows cross join firms group by firm"
    steps = [{"python": breaks, "as": "all"}, {"sql": query, "tables": {"firms": "firms.csv"}}]
    done = run({**ROWS, "steps": steps, "write": ["out.jsonl", {"to": "all.jsonl", "from": "all"}]})
    assert done.stopped is not None
    assert done.stopped.message == "The row has 3 cells, and the header 2."
    assert (done.outputs, done.left) == ((("all.jsonl", 4),), ("out.jsonl",))


def test_a_group_of_no_rows_is_no_group() -> None:
    Path("order.json").write_text(json.dumps(ORDER))
    steps = [{"where": "n > 100"}, {"extract": "order.json", "group": "n", "text": "n"}]
    done = run({**ROWS, "steps": steps, "write": "out.jsonl"})
    assert (done.stopped, done.states, written()) == (None, {"filtered": 4}, [])


# ---- money, reasons and names


ORDER = {"properties": {"item": {"type": "string"}}, "required": ["item"], "type": "object"}


def test_what_refused_rows_of_one_document_cost_is_told_once() -> None:
    Path("order.json").write_text(json.dumps(ORDER))
    given([{"tags": [f"tag {n}" for n in range(6)]}])

    def say(call: Call) -> Any:
        good = text(call) in ("tag 0", "tag 1")
        return Reply(text=json.dumps({"item": text(call)} if good else {}), finish="stop", usage=Usage(100, 0, 1))

    steps = [{"unnest": "tags"}, {"extract": "order.json", "text": "tags", "keep": "all"}, {"set": {"m": "1"}}]
    steps.append({"check": "item != 'tag 1'"})
    done = run({**ROWS, "steps": steps, "write": [{"to": "out.jsonl", "with": ["cost"]}]}, say)
    lines = read_not_written(Path("run"))
    assert [line["step"] for line in lines] == ["4 check", *["2 extract"] * 4]
    assert [line["calls"] for line in lines] == [0, 2, 2, 2, 2]
    assert [len(line["attempts"]) for line in lines] == [0, 2, 2, 2, 2]
    assert done.cost == sum(Decimal(str(line["cost_usd"])) for line in lines) + sum(row["_cost"] for row in written())


def test_why_rows_of_one_document_are_asked_anew() -> None:
    Path("order.json").write_text(json.dumps(ORDER))
    given([{"tags": [f"tag {n}" for n in range(4)]}])

    def values(instructions: str) -> dict[str, Any]:
        steps = [{"unnest": "tags"}, {"extract": "order.json", "text": "tags", "instructions": instructions, "as": "a"}]
        return {**ROWS, "steps": steps, "write": "out.jsonl"}

    def say(call: Call) -> Any:
        return {"item": text(call)}

    run(values("Read."), say, limits=Limits(calls=1, in_flight=1))
    assert run(values("Read."), say).anew == {"a": {"not finished before": 3}}
    assert run(values("Read it."), say).anew == {"a": {"changed instructions": 4}}
    given([{"tags": [f"tag {n}" for n in range(5)]}])
    done = run(values("Read it."), say)
    assert (done.reused, done.anew) == ({"a": 4}, {"a": {"changed content": 1}})


def test_rows_that_a_query_gives_under_one_name_are_told_apart() -> None:
    names = "unnest(['x', 'x', 'x-2', 'x', 'x-2', 'x-2-2']) as _id, unnest([1, 2, 3, 4, 5, 6]) as n"
    query = f"select {names} from rows where n = 0"
    steps = [{"sql": query}, {"check": "n == 0"}]
    run({**ROWS, "steps": steps, "write": "out.jsonl"})
    lines = read_not_written(Path("run"))
    assert [line["row"]["n"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["_id"] for line in lines] == ["x", "x-2", "x-2-2", "x-3", "x-2-3", "x-2-2-2"]


def test_a_run_that_is_cancelled_while_it_opens_lets_go_of_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    import extract.runner as runner

    began, going = threading.Event(), threading.Event()

    class Slow(RunLedger):
        def __init__(self, folder: Path, **options: Any):
            began.set()
            going.wait(10)
            super().__init__(folder, **options)

    monkeypatch.setattr(runner, "RunLedger", Slow)
    pipeline = Pipeline.of({"name": "laws", **ROWS, "steps": [{"set": {"m": "n"}}]})

    async def cancelled() -> None:
        running = asyncio.create_task(execute(pipeline, Cascade((), {}), Path("run")))
        await asyncio.to_thread(began.wait, 10)
        running.cancel()
        await asyncio.sleep(0)
        going.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    RunLedger(Path("run")).close()


def test_rows_are_given_to_a_plain_function_as_well() -> None:
    taken: list[Any] = []
    run({**ROWS, "steps": [{"set": {"m": "n"}}]}, on_rows=taken.extend)
    assert sorted(row["m"] for row in taken) == [0, 1, 2, 3]


def test_places_are_those_in_the_document_that_a_row_came_from() -> None:
    Path("order.json").write_text(json.dumps(ORDER))
    Path("in").mkdir()
    Path("in/a.txt").write_text("The item is a lamp.")
    Path("pair.json").write_text(
        json.dumps(
            {
                "properties": {"item": {"type": "string"}, "by": {"type": "string"}},
                "required": ["item", "by"],
                "type": "object",
            }
        )
    )

    def say(call: Call) -> Any:
        if "by" in call.shape.full["properties"]:
            return {"item": "lamp", "by": "The"}
        return {"item": "lamp"}

    steps: list[dict[str, Any]] = [
        {"extract": "pair.json", "as": "pairs"},
        {"extract": "order.json", "text": "item", "keep": ["by"], "from": "pairs", "as": "orders"},
        {"extract": "order.json", "group": "by", "text": "item", "from": "pairs", "as": "groups"},
    ]
    outputs = [{"to": f"{name}.jsonl", "from": name, "with": ["evidence"]} for name in ("pairs", "orders", "groups")]
    run({"documents": "in/*.txt", "steps": steps, "write": outputs}, say)
    assert [row["_evidence"] for row in written("pairs.jsonl")] == [{"/item": [14, 18], "/by": [0, 3]}]
    assert [row["_evidence"] for row in written("orders.jsonl")] == [{"/by": [0, 3]}]
    assert [row["_evidence"] for row in written("groups.jsonl")] == [{}]


# ---- any graph of steps


Item = tuple[int, tuple[int, ...]]
"""A row of these graphs: its `n` and its `tags`."""


class Shape(BaseModel):
    n: int
    tags: list[int]


def _same(row: dict[str, Any]) -> Shape:
    return row  # type: ignore[return-value]


def _several(row: dict[str, Any]) -> Iterator[Shape]:
    for i in range(row["n"] % 3):
        yield Shape(n=row["n"] * 2 + i, tags=row["tags"])


def _once(row: dict[str, Any]) -> Shape | None:
    return None if row["n"] % 4 == 3 else Shape(n=row["n"] + 1, tags=[*row["tags"], 1])


def _from_tag(row: dict[str, Any]) -> Shape:
    return Shape(n=row["n"] + row["tag"], tags=[row["tag"]])


def _from_group(row: dict[str, Any]) -> Shape:
    return Shape(n=row["n"], tags=[row["words"]])


def _number(call: Call) -> Any:
    if "words" in call.shape.full["properties"]:
        return {"words": text(call).count("---") // 2}
    return {"n": int(text(call)) + 1}


def _groups(items: list[Item]) -> list[Item]:
    return [(n, (count,)) for n, count in Counter(n for n, _ in items).items()]


NUMBER = {"properties": {"n": {"type": "integer"}}, "required": ["n"], "type": "object"}
WORDS = {"properties": {"words": {"type": "integer"}}, "required": ["words"], "type": "object"}
Does = Callable[[list[Item]], list[Item]]
KINDS: dict[str, tuple[list[dict[str, Any]], Does]] = {
    "where": ([{"where": "n % 3 != 1"}], lambda of: [one for one in of if one[0] % 3 != 1]),
    "check": ([{"check": "n % 5 != 2"}], lambda of: [one for one in of if one[0] % 5 != 2]),
    "review": ([{"review": "n % 7 == 3"}], lambda of: [one for one in of if one[0] % 7 != 3]),
    "set": ([{"set": {"n": "n + 3"}}], lambda of: [(n + 3, tags) for n, tags in of]),
    "several": ([{"python": _several}], lambda of: [(n * 2 + i, tags) for n, tags in of for i in range(n % 3)]),
    "once": ([{"python": _once}], lambda of: [(n + 1, (*tags, 1)) for n, tags in of if n % 4 != 3]),
    "unnest": (
        [{"unnest": "tags", "into": "tag"}, {"python": _from_tag}],
        lambda of: [(n + tag, (tag,)) for n, tags in of for tag in tags],
    ),
    "write": ([{"write": "middle-NAME.jsonl"}], lambda of: of),
    "asked": ([{"extract": "number.json", "text": "n", "keep": ["tags"]}], lambda of: [(n + 1, t) for n, t in of]),
    "sql": (
        [{"sql": "select n, tags from rows where cast(n as bigint) % 2 = 0"}, {"python": _same}],
        lambda of: [one for one in of if one[0] % 2 == 0],
    ),
    "group": ([{"extract": "words.json", "group": "n", "text": "1"}, {"python": _from_group}], _groups),
}
node = st.tuples(
    st.sampled_from(sorted(KINDS)), st.lists(st.integers(0, 9), min_size=1, max_size=2), st.sampled_from([None, 2, 3])
)


def _graph(nodes: list[Any], rows: list[Item]) -> tuple[dict[str, Any], dict[str, list[Item]]]:
    """The pipeline of these nodes, and what each of its outputs has to hold."""
    names, found, steps, unread = ["documents"], {"documents": rows}, list[Any](), set[str]()
    middles: dict[str, list[Item]] = {}
    for number, (kind, reads, modulus) in enumerate(nodes):
        sources = list(dict.fromkeys(names[read % len(names)] for read in reads))
        first, *others = ({**one} for one in KINDS[kind][0])
        items = [one for source in sources for one in found[source]]
        if modulus is not None:
            first["when"] = f"n % {modulus} == 0"
            items = [one for one in items if one[0] % modulus == 0]
        if kind == "write":
            first["write"] = f"middle-{number}.jsonl"
            middles[first["write"]] = items
        if kind == "sql" and len(sources) > 1:
            first["sql"] = " union all ".join(
                f"select n, tags from {one} where cast(n as bigint) % 2 = 0" for one in sources
            )
        name = f"s{number}"
        several = [{**first, "from": sources}, *others]
        several[-1]["as"] = name
        steps += several
        found[name] = KINDS[kind][1](items)
        names.append(name)
        unread -= set(sources)
        unread.add(name)
    writes: list[dict[str, Any]] = [{"to": f"{name}.jsonl", "from": name} for name in sorted(unread)]
    writes.append({"to": "all.jsonl", "from": [*names[:1], names[-1]]})
    wanted = {f"{name}.jsonl": found[name] for name in unread} | middles
    wanted["all.jsonl"] = [*rows, *found[names[-1]]]
    return {**ROWS, "steps": steps, "write": writes}, wanted


@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given_any(
    st.lists(node, min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 20), st.lists(st.integers(0, 5), max_size=3).map(tuple)), min_size=1, max_size=8),
)
def test_any_graph_of_steps_gives_what_it_should_and_the_same_again(nodes: list[Any], rows: list[Item]) -> None:
    given({"n": n, "tags": list(tags)} for n, tags in rows)
    Path("number.json").write_text(json.dumps(NUMBER))
    Path("words.json").write_text(json.dumps(WORDS))
    values, wanted = _graph(nodes, rows)
    with TemporaryDirectory() as folder:
        first = run(values, _number, folder)
        assert first.stopped is None
        before = {name: Path(name).read_bytes() for name in wanted}
        for name, items in wanted.items():
            assert Counter((row["n"], tuple(row["tags"])) for row in written(name)) == Counter(items), name
        again = run(values, _number, folder)
        assert (again.calls, again.anew, again.states) == (first.calls, {}, first.states)
        assert before == {name: Path(name).read_bytes() for name in wanted}
