"""The laws of the verbs: rows are kept, changed or stopped with a reason; queries are exact and reach nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from extract.errors import PipelineError
from extract.expressions import parse
from extract.nodes import Anything, Array, Field, Null, Number, Record, Text, Type, Union
from extract.operators import Outcome, apply
from extract.operators.gathering import queried
from extract.operators.rows import new_row, row_id
from extract.pipeline import Check, Place, Set, Sql, Where
from extract.tables import QueryError, describe, run_query

OPEN = Type(root=Anything())
PLACE = Place("p.yaml", 7, 5)
RECEIPT = Type(
    root=Record(
        fields=(
            Field(name="company", node=Text()),
            Field(name="date", node=Union(branches=(Text(format="date"), Null()))),
            Field(name="seen", node=Text(format="date-time"), required=False),
            Field(name="total", node=Union(branches=(Number(), Text()))),
            Field(name="tax", node=Number(), required=False),
            Field(
                name="lines",
                node=Array(items=Record(fields=(Field(name="name", node=Text()), Field(name="n", node=Number())))),
            ),
            Field(name="_id", node=Text()),
            Field(name="_source", node=Text()),
        )
    )
)
ROWS: list[dict[str, Any]] = [
    {
        "company": "ACME",
        "date": "2018-05-01",
        "seen": "2018-05-01T10:00:00+02:00",
        "total": Decimal("0.10"),
        "lines": [{"name": "a", "n": Decimal("1.5")}, {"name": "b", "n": 2}],
        "_id": "1",
        "_source": "a.txt",
    },
    {
        "company": "ACME",
        "date": None,
        "total": Decimal("0.20"),
        "tax": 0.1,
        "lines": [],
        "_id": "2",
        "_source": "b.txt",
    },
    {"company": "Öl", "date": "2019-01-31", "total": 12345678901234567, "lines": [], "_id": "3", "_source": "c.txt"},
]


def sql(query: str) -> Sql:
    return Sql(2, PLACE, OPEN, query, {"rows": (1,)}, {"rows": RECEIPT})


def gather(step: Sql, rows: Iterable[dict[str, Any]]) -> Iterator[Any]:
    return queried(step, {"rows": rows})


def run(query: str, rows: Iterable[dict[str, Any]] = ROWS) -> list[dict[str, Any]]:
    return list(run_query(query, {"rows": rows}, {"rows": RECEIPT}))


# Row by row


def test_where_keeps_or_filters() -> None:
    step = Where(2, PLACE, OPEN, parse("total > 1"))
    assert apply(step, {"total": 2}) == Outcome("out", ({"total": 2},))
    assert apply(step, {"total": 1}) == Outcome("filtered", ({"total": 1},))
    assert apply(step, {"total": None}).state == "filtered"


def test_what_cannot_be_worked_out_is_rejected_with_its_reason() -> None:
    outcome = apply(Where(2, PLACE, OPEN, parse("total / n > 1")), {"total": 2, "n": 0})
    assert outcome == Outcome(
        "rejected", ({"total": 2, "n": 0},), "`total / n > 1` cannot be worked out: A division by zero."
    )
    assert apply(Where(2, PLACE, OPEN, parse("total")), {"total": 2}).reason == (
        "`total` is no condition: A number stands where true or false is needed."
    )


def test_set_goes_one_after_another_and_leaves_the_row_alone() -> None:
    step = Set(2, PLACE, OPEN, (("net", parse("total - tax")), ("share", parse("tax / net")), ("total", parse("0"))))
    row = {"total": 12, "tax": Decimal("2.0"), "_id": "1"}
    made = apply(step, row)
    assert made.row == {"total": 0, "tax": Decimal("2.0"), "net": 10, "share": Decimal("0.2"), "_id": "1"}
    assert list(made.row) == ["total", "tax", "net", "share", "_id"]
    assert row == {"total": 12, "tax": Decimal("2.0"), "_id": "1"}


@pytest.mark.parametrize(("on_failure", "state"), [("reject", "rejected"), ("review", "review")])
def test_a_late_check_rejects_or_holds(on_failure: Any, state: str) -> None:
    step = Check(2, PLACE, OPEN, parse("total >= 0"), False, on_failure)
    assert apply(step, {"total": 0}).state == "out"
    assert apply(step, {"total": -1}) == Outcome(state, ({"total": -1},), "It does not hold that total >= 0.")  # type: ignore[arg-type]


def test_rows_have_stable_names() -> None:
    step = "2 where"
    assert row_id("a.txt", "d", step) == row_id("a.txt", "d", step)
    assert (
        len(
            {
                row_id("a.txt", "d", step),
                row_id("b.txt", "d", step),
                row_id("a.txt", "e", step),
                row_id("a.txt", "d", step, 1),
            }
        )
        == 4
    )
    assert new_row({"a": 1}, "x", "a.txt", {"b": 2}) == {"a": 1, "b": 2, "_id": "x", "_source": "a.txt"}


# Queries


def test_sums_are_exact() -> None:
    assert run("select company, sum(total) as spent from rows group by company order by company") == [
        {"company": "ACME", "spent": Decimal("0.30")},
        {"company": "Öl", "spent": Decimal("12345678901234567.00")},
    ]


def test_floats_count_as_they_are_written() -> None:
    assert run("select sum(total) as s from rows", [{"total": 0.1}, {"total": 0.2}]) == [{"s": Decimal("0.3")}]


def test_dates_are_dates() -> None:
    query = "select date + interval 1 month as due, year(date) as y, date from rows where date < '2019-01-01'"
    assert run(query) == [{"due": "2018-06-01T00:00:00", "y": 2018, "date": "2018-05-01"}]
    assert run("select seen from rows where seen is not null") == [{"seen": "2018-05-01T08:00:00Z"}]


def test_lists_are_lists() -> None:
    assert run("select l.name, l.n * 2 as n from (select unnest(lines) as l from rows)") == [
        {"name": "a", "n": Decimal("3.0")},
        {"name": "b", "n": Decimal("4.0")},
    ]


def test_every_value_comes_back() -> None:
    rows = run("select * from rows")
    assert rows[0] == {**ROWS[0], "seen": "2018-05-01T08:00:00Z", "tax": None}
    assert [row["tax"] for row in rows] == [None, Decimal("0.1"), None]


def test_values_of_several_kinds_stay_as_they_are() -> None:
    rows: list[dict[str, Any]] = [
        {"x": 1},
        {"x": "a"},
        {"x": [Decimal("1.10"), None]},
        {"x": None},
        {"x": {"y": 2**70}},
    ]
    assert list(run_query("select x from rows", {"rows": rows})) == rows


def test_no_rows() -> None:
    assert run("select count(*) as n, sum(total) as s from rows", []) == [{"n": 0, "s": None}]


def test_gathered_rows_have_names_and_sources() -> None:
    step = sql("select company, count(*) as n from rows group by company")
    first, again = list(gather(step, ROWS)), list(gather(step, ROWS))
    assert first == again
    assert [(row["company"], row["n"], row["_source"]) for row in first] == [("ACME", 2, None), ("Öl", 1, None)]
    assert len({row["_id"] for row in first}) == 2
    assert [row["_id"] for row in gather(sql("select * from rows"), ROWS)] == ["1", "2", "3"]
    doubled = gather(sql("select 1 as a from rows"), [{**row, "_cost": 1} for row in ROWS])
    assert len({row["_id"] for row in doubled}) == 3


def test_two_tables_join() -> None:
    found = run_query("select a.x, b.y from a join b on a.k = b.k", {"a": [{"k": 1, "x": 2}], "b": [{"k": 1, "y": 3}]})
    assert list(found) == [{"x": 2, "y": 3}]


@pytest.mark.parametrize(
    "query",
    [
        "select * from '{file}'",
        "select * from read_text('{file}')",
        "select * from read_csv('{file}')",
        "select * from glob('{folder}/*')",
        "select * from 'http://127.0.0.1:9/x.csv'",
        "copy rows to '{folder}/out.csv'",
        "attach '{folder}/x.db'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "pragma enable_profiling",
        "create table x as select 1",
        "delete from rows",
        "select 1; select 2",
        "select * from secret",
        "select * from duckdb_secrets(), read_blob('{file}')",
        "call pragma_database_size()",
        "export database '{folder}'",
    ],
)
def test_a_query_reaches_nothing_but_its_rows(tmp_path: Path, query: str) -> None:
    secret = [{"a": 1}]
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(QueryError):
        run(query.format(file=tmp_path / "secret.csv", folder=tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == ["secret.csv"]
    assert secret


WRONG = [
    ("select totl from rows", 7, "There is no column `totl`.", "Did you mean `total`?"),
    (
        "select zzz from rows",
        7,
        "There is no column `zzz`.",
        "The columns: company, date, seen, total, tax, lines, _id, _source.",
    ),
    (
        "\n  select company\nfrom rows where zzz > 1",
        34,
        "There is no column `zzz`.",
        "The columns: company, date, seen, total, tax, lines, _id, _source.",
    ),
    ("select 'Öl', totl from rows", 13, "There is no column `totl`.", "Did you mean `total`?"),
    ("select * from row", 14, "There is no table `row`.", "The rows are the table `rows`."),
    ("selec 1", 0, 'The query cannot run: syntax error at or near "selec".', None),
    ("select sum(total from rows", 17, 'The query cannot run: syntax error at or near "from".', None),
    (
        "select total, company as total from rows",
        None,
        "The query gives two columns the name `total`.",
        "Name one of them with `as`.",
    ),
    ("drop table rows", None, "A `sql` step is one query.", "Begin it with `select` or `with`."),
]


@pytest.mark.parametrize(("query", "position", "message", "fix"), WRONG)
def test_queries_that_cannot_run(query: str, position: int | None, message: str, fix: str | None) -> None:
    with pytest.raises(QueryError) as raised:
        describe(query, {"rows": RECEIPT})
    assert (raised.value.message, raised.value.position, raised.value.fix) == (message, position, fix)


def test_a_query_that_fails_on_the_way_says_where_it_stands() -> None:
    with pytest.raises(PipelineError) as raised:
        list(gather(sql("select 1 / (total - total) as r from rows"), ROWS))
    assert str(raised.value) == (
        "p.yaml:7:5: The column `r` is infinite in a row.\n  Guard a division with nullif(x, 0)."
    )
    with pytest.raises(PipelineError) as raised:
        list(gather(sql("select cast(company as integer) as n from rows"), ROWS))
    assert raised.value.where == "p.yaml:7:5"
    assert raised.value.message.startswith("The query cannot run: Could not convert string 'ACME' to INT32")


def test_a_value_that_its_schema_does_not_have() -> None:
    with pytest.raises(QueryError) as raised:
        run("select date from rows", [{"date": "May"}])
    assert str(raised.value) == (
        "The field `date` is a date by its schema, and a row does not have one there:"
        " Invalid isoformat string: 'May'.\n"
        "  Filter such rows out with a `where` or a `check` step before."
    )


def test_the_type_of_a_query() -> None:
    type = describe(
        "select company, sum(total) as s, max(date) as d, count(*) > 1 as b from rows group by 1", {"rows": RECEIPT}
    )
    assert isinstance(type.root, Record)
    kinds = {one.name: one.node.branches[0] for one in type.root.fields if isinstance(one.node, Union)}
    assert kinds["company"] == Text()
    assert kinds["s"] == Number()
    assert isinstance(kinds["d"], Text)
    assert kinds["d"].format == "date"


def test_rows_are_taken_as_they_come_and_handed_out_as_they_are_asked_for() -> None:
    def many() -> Iterator[dict[str, Any]]:
        for i in range(20_000):
            yield {"n": i, "text": "x" * 50}

    found = run_query("select n from rows where n % 2 = 0", {"rows": many()})
    assert next(found) == {"n": 0}
    found.close()
    assert sum(1 for _ in run_query("select n from rows where n % 2 = 0", {"rows": many()})) == 10_000


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    threads = threading.active_count()
    run("select 1 as a from rows")
    with pytest.raises(QueryError):
        run("select nope from rows")
    assert os.listdir(tmp_path) == []
    assert threading.active_count() == threads
