"""The laws of tables as outputs, on real SQLite, DuckDB, PostgreSQL and MariaDB: all or none, once, and exactly."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from database_servers import PASSWORD, NotHere, mariadb, postgresql
from sqlalchemy.pool import NullPool

from extract.errors import DocumentError, PipelineError
from extract.nodes import Array, Boolean, Field, Null, Number, Record, Text, Type, Union
from extract.sinks import open_writer, target_of, write_rows
from extract.sinks.putting import way_of
from extract.sources import column_names, column_types, count_rows, read_rows, source_of

ROOT = Path(__file__).parent.parent
LONG = Decimal("12345678901234567890.123456789012345678")
DECIMAL = Union(branches=(Number(), Text(pattern=r"^\d+\.?\d*$"), Null()))
LINE = Record(fields=(Field(name="what", node=Text()), Field(name="amount", node=DECIMAL)))
RECEIPT = Type(
    root=Record(
        fields=(
            Field(name="company", node=Text()),
            Field(name="total", node=DECIMAL),
            Field(name="date", node=Text(format="date")),
            Field(name="at", node=Text(format="date-time")),
            Field(name="paid", node=Boolean()),
            Field(name="lines", node=Array(items=LINE)),
        )
    )
)
ROWS: list[dict[str, Any]] = [
    {
        "company": "Bäckerei “Öl” 東京 🥐",
        "total": Decimal("4.950"),
        "date": "2018-05-01",
        "at": "2018-05-01T10:30:00Z",
        "paid": True,
        "lines": [{"what": "Brötchen", "amount": Decimal("1.10")}],
        "big": 2**70,
        "_id": "a",
        "_source": "a.txt",
    },
    {
        "company": 'it\'s "two"; drop table receipts; -- 100% :c0',
        "total": LONG,
        "date": None,
        "at": None,
        "paid": None,
        "lines": [],
        "big": 1,
        "_id": "b",
        "_source": "b.txt",
    },
]


@dataclass(frozen=True)
class Database:
    """One empty database: where it is, and a way to ask it that is not ours."""

    name: str
    to: str
    ask: Callable[[str], list[tuple[Any, ...]]]

    def rows(self, table: str = "receipts", columns: str = "*") -> list[tuple[Any, ...]]:
        return self.ask(f"select {columns} from {table} order by 1")


def _asking(url: str) -> Callable[[str], list[tuple[Any, ...]]]:
    def ask(query: str) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            result = connection.exec_driver_sql(query)
            return [tuple(row) for row in result] if result.returns_rows else []

    return ask


def _asking_duckdb(path: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    def ask(query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(path)) as connection:
            return connection.execute(query).fetchall()

    return ask


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    try:
        with postgresql() as (url, _):
            yield url
    except NotHere as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    try:
        with mariadb() as url:
            yield url
    except NotHere as reason:
        pytest.skip(str(reason))


def opened(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if name == "sqlite":
        return Database(name, str(tmp_path / "shop.db"), _asking(f"sqlite:///{tmp_path}/shop.db"))
    if name == "duckdb":
        return Database(name, str(tmp_path / "shop.duckdb"), _asking_duckdb(tmp_path / "shop.duckdb"))
    url = request.getfixturevalue(f"{name}_server")
    scheme, rest = {"postgresql": ("postgresql+pg8000", "postgres"), "mariadb": ("mariadb+pymysql", "shop")}[name]
    admin = _asking_outside(scheme + url[len(name) :] + rest)
    admin("drop database if exists test_shop")
    admin("create database test_shop")
    return Database(name, f"{url}test_shop", _asking(f"{scheme}{url[len(name) :]}test_shop"))


def _asking_outside(url: str) -> Callable[[str], None]:
    """For statements that no transaction may hold."""

    def ask(statement: str) -> None:
        engine = sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)

    return ask


@pytest.fixture(params=["sqlite", "duckdb", "postgresql", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return opened(request.param, request, tmp_path)


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """PostgreSQL alone."""
    return opened("postgresql", request, tmp_path)


def put(database: Database, rows: Sequence[dict[str, Any]] = ROWS, **words: Any) -> int:
    own = {name: words.pop(name) for name in ("run", "output", "type") if name in words}
    return write_rows(target_of(database.to, **{"table": "receipts", **words}), rows, **own)


def problem(what: Callable[[], Any]) -> str:
    with pytest.raises((PipelineError, DocumentError)) as raised:
        what()
    where = raised.value.where or ""
    assert PASSWORD not in str(raised.value)
    return str(raised.value).replace(f"{where}: ", "", 1)


def test_rows_arrive_and_come_back(database: Database) -> None:
    """Decimals of 38 digits, dates, nested values, other scripts, whole numbers beyond 64 bits."""
    assert put(database, type=RECEIPT) == 2
    source = source_of(database.to, table="receipts")
    rows = sorted(read_rows(source), key=lambda row: row["_id"])
    for row in rows:
        if database.name == "mariadb":  # its JSON is text
            row["lines"] = json.loads(row["lines"], parse_float=Decimal)
        if database.name == "sqlite":  # a number that a double does not hold is text
            row["total"], row["big"] = Decimal(row["total"]), Decimal(row["big"])
    assert rows == ROWS
    assert column_names(source) == (*(one.name for one in RECEIPT.root.fields), "big", "_id", "_source")
    assert count_rows(source) == 2


def test_columns_have_the_types_of_the_schema(database: Database) -> None:
    put(database, type=RECEIPT)
    queries = {
        "sqlite": "select name, type from pragma_table_info('receipts')",
        "duckdb": "select column_name, data_type from duckdb_columns() where table_name = 'receipts'",
    }
    asked = (
        "select column_name, data_type from information_schema.columns where table_name = 'receipts' "
        "and table_schema not in ('information_schema') order by ordinal_position"
    )
    expected = {
        "sqlite": "TEXT,,DATE,DATETIME,BOOLEAN,JSON_TEXT,,TEXT,TEXT",
        "duckdb": "VARCHAR;DECIMAL(38,18);DATE;TIMESTAMP WITH TIME ZONE;BOOLEAN;"
        "STRUCT(what VARCHAR, amount DECIMAL(38,9))[];DECIMAL(38,9);VARCHAR;VARCHAR",
        "postgresql": "text,numeric,date,timestamp with time zone,boolean,jsonb,numeric,text,text",
        "mariadb": "longtext,decimal,date,longtext,tinyint,longtext,decimal,longtext,longtext",
    }[database.name]
    found = [kind for _, kind in database.ask(queries.get(database.name, asked))]
    assert found == expected.split(";" if database.name == "duckdb" else ",")


def test_a_run_that_writes_again_adds_nothing(database: Database) -> None:
    for _ in range(2):
        assert put(database, run="may", output="out") == 2
    assert len(database.rows()) == 2
    assert put(database, [*ROWS, {**ROWS[0], "_id": "c"}], run="may", output="out") == 3
    assert len(database.rows()) == 3


def test_another_run_another_output_and_no_run_add_their_own(database: Database) -> None:
    for run, output in (("may", "one"), ("may", "two"), ("june", "one"), ("", ""), ("", "")):
        put(database, run=run, output=output)
    assert len(database.rows()) == 10


def test_rows_that_share_an_id_or_have_none_are_rows_of_their_own(database: Database) -> None:
    rows = [{"n": 1, "_id": "a"}, {"n": 2, "_id": "a"}, {"n": 2, "_id": "a"}, {"n": 3, "_id": "a#2"}]
    bare = [{"n": 4}, {"n": 4}, {"n": 5}]
    for _ in range(2):
        assert put(database, rows, run="may", output="ids") == 4
        assert put(database, bare, run="may", output="bare", table="bare") == 3
    assert [row[0] for row in database.rows(columns="n")] == [1, 2, 2, 3]
    assert [row[0] for row in database.rows("bare")] == [4, 4, 5]


def test_what_was_noted_of_a_table_ends_with_it(database: Database) -> None:
    for table in ("receipts", "others", "receipts"):
        put(database, run="may", output="out", table=table)
    assert len(database.rows()) == len(database.rows("others")) == 2
    database.ask("drop table receipts")
    assert put(database, run="may", output="out") == 2
    assert len(database.rows()) == 2


def test_long_names_of_runs_and_rows_stay_apart(database: Database) -> None:
    rows = [{"n": i, "_id": "x" * 400 + str(i)} for i in range(3)]
    for _ in range(2):
        assert put(database, rows, run="r" * 300, output="o" * 300) == 3
    assert put(database, rows, run="r" * 300 + "2", output="o" * 300) == 3
    assert len(database.rows()) == 6


def test_ids_that_differ_in_case_only_are_two(database: Database) -> None:
    rows = [{"n": 1, "_id": "a"}, {"n": 2, "_id": "A"}]
    assert put(database, rows, run="may", output="out") == 2
    assert put(database, rows, key=["_id"], table="merged") == 2
    assert len(database.rows()) == len(database.rows("merged")) == 2


def test_merging_sets_the_row_of_the_same_key_and_the_last_of_a_run_counts(database: Database) -> None:
    first = [{"_id": "a", "n": 1}, {"_id": "b", "n": 2}, {"_id": "a", "n": 3}]
    assert put(database, first, key=["_id"], run="may", output="out") == 2
    assert database.rows(columns="_id, n") == [("a", 3), ("b", 2)]
    assert put(database, [{"_id": "b", "n": 4}, {"_id": "c", "n": 5}], key=["_id"], run="june", output="out") == 2
    assert database.rows(columns="_id, n") == [("a", 3), ("b", 4), ("c", 5)]


def test_merging_by_numbers_takes_one_for_one(database: Database) -> None:
    rows = [{"n": Decimal("1.0"), "x": "a"}, {"n": Decimal(1), "x": "b"}, {"n": Decimal("1.5"), "x": "c"}]
    assert put(database, rows, key=["n"]) == 2
    assert [row[0] for row in database.rows(columns="x")] == ["b", "c"]


def test_merging_into_a_table_of_the_users_own(database: Database) -> None:
    """Its other columns stay as they are, and it need not have ours."""
    text = "varchar(50)"
    database.ask(
        f"create table receipts (shop {text}, number integer, company {text}, note {text}, unique (shop, number))"
    )
    database.ask("insert into receipts values ('x', 1, 'old', 'kept'), ('y', 1, 'other', 'kept')")
    rows = [{"shop": "x", "number": 1, "company": "new", "_id": "a"}, {"shop": "x", "number": 2, "company": "more"}]
    target = target_of(database.to, table="receipts", key=("shop", "number"))
    target.check(Type(root=Record(fields=(Field(name="company", node=Text()),))))
    assert write_rows(target, rows, run="may", output="out") == 2
    assert database.rows() == [("x", 1, "new", "kept"), ("x", 2, "more", None), ("y", 1, "other", "kept")] or sorted(
        database.rows(), key=str
    ) == [("x", 1, "new", "kept"), ("x", 2, "more", None), ("y", 1, "other", "kept")]


def test_inserting_into_a_table_of_the_users_own(database: Database) -> None:
    database.ask("create table receipts (company varchar(50) not null, total decimal(10, 2))")
    for _ in range(2):
        put(database, [{"company": "A", "total": Decimal("4.950"), "_id": "a", "_source": "x"}], run="r", output="o")
    assert [(name, str(total).rstrip("0")) for name, total in database.rows()] == [("A", "4.95")]


def test_a_row_of_nothing_but_its_key_is_merged(database: Database) -> None:
    for _ in range(2):
        assert put(database, [{"_id": "a"}, {"_id": "b"}], key=["_id"]) == 2
    assert database.rows() == [("a",), ("b",)]


def test_replacing_puts_the_new_rows_in_place_of_the_old(database: Database) -> None:
    for n in (1, 2):
        assert put(database, [{"_id": f"{n}{i}", "n": n} for i in range(3)], mode="replace") == 3
    assert [row[0] for row in database.rows(columns="n")] == [2, 2, 2]


@pytest.mark.parametrize("words", [{}, {"key": ["_id"]}, {"mode": "replace"}])
def test_what_fails_in_the_middle_leaves_all_as_it_was(database: Database, words: dict[str, Any]) -> None:
    put(database, [{"_id": "old", "n": 7}], **words)
    rows = [{"_id": str(i), "n": i if i != 1500 else "many"} for i in range(1600)]
    put_it = lambda: put(database, rows, run="may", output="out", **words)  # noqa: E731
    column = {"sqlite": "INTEGER", "mariadb": "BIGINT(20)"}.get(database.name, "BIGINT")
    why = '"many" would be changed' if database.name == "duckdb" else "many is no whole number"
    assert problem(put_it) == (
        f"The field `n` of the row 1500 does not go into `n` ({column}): {why}.\n"
        "  Change the column, or take such rows out with a `where` or a `check` before."
    )
    assert database.rows(columns="_id, n") == [("old", 7)]


def test_an_abandoned_writer_leaves_nothing(database: Database) -> None:
    writer = open_writer(target_of(database.to, table="receipts"), type=RECEIPT)
    writer.add(ROWS[0])
    writer.abandon()
    with pytest.raises(Exception, match=r"(?i)receipts"):
        database.rows()


def test_a_table_of_nothing_has_its_columns(database: Database) -> None:
    assert put(database, [], type=RECEIPT) == 0
    assert database.rows() == []
    assert column_names(source_of(database.to, table="receipts")) == tuple(one.name for one in RECEIPT.root.fields)


def test_columns_of_any_name(database: Database) -> None:
    rows = [{"a b": 1, "c:d": 2, "e%f": 3, 'g"h': 4, "select": 5, "(x)": 6, "Ü": 7, "_id": "a"}]
    if database.name == "mariadb":
        del rows[0]["e%f"]  # its driver doubles the sign when it merges, and the server refuses
    assert put(database, rows, run="may", output="out") == 1
    assert put(database, rows, key=["_id"], table="merged") == 1
    assert list(read_rows(source_of(database.to, table="merged"))) == rows


def test_what_a_column_would_round_is_refused(database: Database) -> None:
    database.ask("create table receipts (total decimal(10, 2))")
    said = problem(lambda: put(database, [{"total": Decimal("1234567890123.456789")}]))
    kind = {"duckdb": "DECIMAL(10,2)", "postgresql": "NUMERIC(10, 2)"}.get(database.name, "DECIMAL(10, 2)")
    why = {
        "duckdb": "1234567890123.456789000 would be changed",
        "sqlite": "SQLite would keep 15 digits of 1234567890123.456789 there",
    }.get(database.name, "1234567890123.456789 has more than 2 digits after the point")
    assert said.splitlines()[0] == f"The field `total` does not go into `total` ({kind}): {why}."
    assert database.rows() == []


def test_a_check_says_what_keeps_the_rows_from_the_table(database: Database) -> None:
    database.ask("create table receipts (company varchar(20), sum decimal(10, 2), shop varchar(9) not null, date date)")
    target = target_of(database.to, table="receipts")

    def refused(**fields: Any) -> str:
        return problem(
            lambda: target.check(Type(root=Record(fields=tuple(Field(name=n, node=f) for n, f in fields.items()))))
        )

    assert refused(compny=Text(), shop=Text()) == (
        "The table `receipts` has no column for the field `compny`.\n"
        "  The nearest is `company`. Rename one of them, or add the column."
    )
    assert refused(company=Text()) == (
        "The column `shop` of `receipts` may not be empty, and the rows have no such field.\n"
        "  Give the rows that field, or the column a default."
    )
    assert refused(shop=Text(), date=Number()) == (
        "The field `date` is a number, and the column `date` of `receipts` is DATE.\n"
        "  Change the one or the other, or write to another table."
    )
    target.check(Type(root=Record(fields=(Field(name="shop", node=Text()), Field(name="sum", node=DECIMAL)))))
    target.check()


def test_a_check_for_merging_wants_a_unique_index(database: Database) -> None:
    database.ask("create table receipts (id integer, shop varchar(9) not null)")
    assert problem(target_of(database.to, table="receipts", key=["idd"]).check) == (
        "The table `receipts` has no column `idd` to merge by.\n  Did you mean `id`?"
    )
    by_id = target_of(database.to, table="receipts", key=["id"])
    assert problem(by_id.check) == (
        "Nothing keeps two rows of `receipts` from having the same id. Merging needs a unique index of exactly these "
        "columns.\n  Make it: create unique index on receipts (id)."
    )
    database.ask("create unique index by_id on receipts (id)")
    by_id.check()
    kind = "INTEGER(11)" if database.name == "mariadb" else "INTEGER"
    assert problem(lambda: put(database, [{"id": None, "shop": "x"}], key=["id"])).splitlines()[0] == (
        f"The field `id` does not go into `id` ({kind}): it is null, and the rows are merged by it."
    )


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from extract.sinks import open_writer, target_of
to, mode, when = sys.argv[1:]
words = {"insert": {}, "merge": {"key": ["_id"]}, "replace": {"mode": "replace"}}[mode]
seen = []
if when != "committed":
    @sa.event.listens_for(sa.Engine, "after_cursor_execute")
    def count(connection, cursor, statement, *_):
        if "into receipts" in statement.lower().replace('"', "").replace("`", ""):
            seen.append(1)
            if len(seen) == int(when):
                os.kill(os.getpid(), signal.SIGKILL)
writer = open_writer(target_of(to, table="receipts", **words), type=None, run="may", output="out")
for i in range(3500):
    writer.add({"_id": f"{i:05}", "n": i})
print(writer.finish(), flush=True)
if when == "committed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(database: Database, mode: str, when: str) -> str:
    command = [sys.executable, "-c", KILLED, database.to, mode, when]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == (-9 if when != "never" else 0), done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("mode", ["insert", "merge", "replace"])
def test_a_process_killed_after_the_commit_has_written_once(database: Database, mode: str) -> None:
    assert killed(database, mode, "committed") == "3500"
    assert database.ask("select count(*), count(distinct _id) from receipts") == [(3500, 3500)]
    assert killed(database, mode, "committed") == "3500"
    assert database.ask("select count(*), count(distinct _id) from receipts") == [(3500, 3500)]


@pytest.mark.parametrize("mode", ["insert", "merge", "replace"])
@pytest.mark.parametrize("name", ["sqlite", "postgresql", "mariadb"])
def test_a_process_killed_between_batches_has_written_nothing(
    name: str, mode: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database = opened(name, request, tmp_path)
    put(database, [{"_id": "old", "n": 7}], key=["_id"])
    assert killed(database, mode, "3") == ""
    assert database.rows(columns="_id, n") == [("old", 7)]
    assert killed(database, mode, "committed") == "3500"
    assert database.ask("select count(*) from receipts") == [(3500 if mode == "replace" else 3501,)]


MANY = """
import resource, sys
from decimal import Decimal
from extract.sinks import open_writer, target_of
from extract.sources import read_rows, source_of
def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def write(count, table):
    with open_writer(target_of(sys.argv[1], table=table), type=None, run="may", output="out") as writer:
        for i in range(count):
            lines = [{"what": "bread" * 20}]
            writer.add({"company": f"Company {i}", "total": Decimal(i) / 100, "lines": lines, "_id": f"{i}"})
    return sum(1 for _ in read_rows(source_of(sys.argv[1], table=table)))
write(10_000, "few")
before = memory()
print(write(100_000, "many"), (memory() - before) // 1024)
"""


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_memory_does_not_grow_with_the_rows(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """As Python's values these rows would take 70 MB more."""
    command = [sys.executable, "-c", MANY, opened(name, request, tmp_path).to]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    count, grown = done.stdout.split()
    assert (int(count), int(grown) < 25) == (100_000, True), done


def test_what_sqlite_keeps_of_numbers(tmp_path: Path) -> None:
    """Up to 15 digits a number, and so it compares and adds up as one; beyond that a text with every digit."""
    to = tmp_path / "shop.db"
    values = [Decimal("4.950"), Decimal("0.1"), Decimal("123456789012345"), LONG, Decimal("0.12345678901234567"), 2**63]
    write_rows(target_of(str(to), table="t"), [{"n": value} for value in values])
    with sqlite3.connect(to) as connection:
        found = connection.execute("select n, typeof(n) from t").fetchall()
        assert connection.execute("select count(*) from t where n < 5 and typeof(n) = 'real'").fetchone() == (2,)
    connection.close()
    assert found == [
        (4.95, "real"),
        (0.1, "real"),
        (123456789012345, "integer"),
        (str(LONG), "text"),
        ("0.12345678901234567", "text"),
        (str(2**63), "text"),
    ]


def test_a_database_without_words_for_merging_is_asked_row_by_row(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/shop.db", poolclass=NullPool)
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, key="c0"), sa.Column("n", sa.Integer, key="c1"))
    with engine.begin() as connection:
        table.create(connection)
        merge = way_of("oracle")(table, (), ["c0"])
        merge(connection, [{"c0": 1, "c1": 1}, {"c0": 2, "c1": 2}])
        merge(connection, [{"c0": 2, "c1": 3}, {"c0": 3, "c1": 4}])
        assert connection.execute(sa.select(table)).fetchall() == [(1, 1), (2, 3), (3, 4)]


def test_columns_that_only_postgresql_has(shop: Database) -> None:
    shop.ask("create type mood as enum ('good', 'bad')")
    shop.ask(
        "create table receipts (id uuid primary key, tags text[], mood mood, ip inet, short varchar(5), at timestamp, "
        "span interval, doc json, n smallint, made timestamptz default now() not null, serial bigserial)"
    )
    row = {
        "id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "tags": ["a", "b,{}", None],
        "mood": "good",
        "ip": "10.0.0.1",
        "short": "12345",
        "at": "2018-05-01T10:00:00",
        "span": "1 day",
        "doc": {"n": Decimal("1.10"), "x": None},
        "n": 3,
    }
    for _ in range(2):
        assert put(shop, [row], key=["id"]) == 1
    query = "select id, tags, mood, ip::text as ip, short, at, span::text as span, doc, n from receipts"
    assert list(read_rows(source_of(shop.to, query=query))) == [{**row, "ip": "10.0.0.1/32"}]
    for field, value, why in (
        ("short", "123456", "it is 6 characters long, and there is room for 5"),
        (
            "at",
            "2018-05-01T10:00:00Z",
            "2018-05-01T10:00:00Z has an offset from UTC, and the column has no place for it",
        ),
        ("id", "7", "7 is no UUID"),
        ("tags", "a", "a is no list"),
        ("doc", ["\0"], "it holds the character NUL, which PostgreSQL does not store"),
    ):
        said = problem(lambda one={**row, field: value}: put(shop, [one], key=["id"]))
        assert said.splitlines()[0].endswith(f": {why}.")


def test_a_table_in_a_schema_has_its_notes_there(shop: Database) -> None:
    shop.ask("create schema books")
    for _ in range(2):
        put(shop, ROWS, table="books.receipts", run="may", output="out")
    assert len(shop.rows("books.receipts")) == len(shop.rows("books._extract_written")) == 2
    assert count_rows(source_of(shop.to, table="books.receipts")) == 2


def test_a_query_is_only_read(shop: Database) -> None:
    put(shop, type=RECEIPT)
    query = "select _id, total::text as t, '50%' as p, 'a:b' as c, at from receipts where total > 1 order by _id desc;"
    source = source_of(shop.to, query=query)
    assert list(read_rows(source)) == [
        {"_id": "b", "t": str(LONG), "p": "50%", "c": "a:b", "at": None},
        {"_id": "a", "t": "4.950", "p": "50%", "c": "a:b", "at": "2018-05-01T10:30:00Z"},
    ]
    assert count_rows(source) == 2
    assert column_names(source) == ("_id", "t", "p", "c", "at")
    assert list(read_rows(source, 1)) == list(read_rows(source))[:1]
    shop.ask("create function spoil() returns int language sql as 'delete from receipts; select 1'")
    spoiled = source_of(shop.to, query="select spoil() as n")
    assert problem(lambda: list(read_rows(spoiled))) == (
        "The database refuses: cannot execute DELETE in a read-only transaction."
    )
    assert problem(lambda: list(read_rows(source_of(shop.to, query="selec 1")))) == (
        'The database refuses: syntax error at or near "selec".'
    )
    assert problem(lambda: list(read_rows(source_of(shop.to, table="receipt")))) == (
        "There is no table `receipt`.\n  Did you mean `receipts`?"
    )
    fields = column_types(source_of(shop.to, table="receipts")).root.fields
    assert [one.node.branches[0] for one in fields if one.name in ("company", "total", "date", "paid")] == [
        Text(),
        Number(),
        Text(format="date"),
        Boolean(),
    ]


def test_a_wrong_password_is_never_shown(shop: Database, postgresql_server: str) -> None:
    wrong = shop.to.replace("correct", "wrong%2Fone")
    target = target_of(wrong, table="receipts")
    shown = f"postgresql://me:***@{shop.to.rpartition('@')[2]}"
    for what in (target.check, lambda: write_rows(target, ROWS), lambda: list(read_rows(source_of(wrong, table="x")))):
        with pytest.raises((PipelineError, DocumentError)) as raised:
            what()
        assert str(raised.value) == (
            f'{shown}: The database refuses: password authentication failed for user "me".\n'
            "  Look at the user and the password."
        )
    assert "wrong" not in repr(target) + str(target) + json.dumps(target.plain())


def test_what_the_user_may_not_do_is_said_before(shop: Database) -> None:
    shop.ask("create table receipts (_id text primary key)")
    shop.ask("create role worker login password 'worker'")
    to = shop.to.replace(shop.to[shop.to.index("me:") : shop.to.index("@")], "worker:worker")

    def said(table: str = "receipts", **words: Any) -> str:
        return problem(target_of(to, table=table, **words).check)

    assert said() == (
        "The user may not insert rows of the table `receipts`.\n"
        "  Let them: grant insert on public.receipts to the user."
    )
    shop.ask("grant insert on receipts to worker")
    assert said() == (
        "The user may not make the table `_extract_written` in the schema `public`.\n"
        "  Let them: grant create on schema public to the user."
    )
    assert said(table="others", key="_id").startswith(
        "The user may not make the table `others` in the schema `public`."
    )
    assert said(mode="replace").startswith("The user may not delete rows of the table `receipts`.")
    shop.ask("grant create on schema public to worker")
    target = target_of(to, table="receipts")
    target.check()
    assert write_rows(target, [{"_id": "a"}], run="may", output="out") == 1


def test_a_server_that_is_not_there(shop: Database) -> None:
    missing = shop.to.replace("test_shop", "nothing")
    assert problem(target_of(missing, table="t").check) == (
        'The database refuses: database "nothing" does not exist.\n  Make the database, or look at its name.'
    )
    nobody = "postgresql://me@127.0.0.1:1/shop"
    said = problem(target_of(nobody, table="t").check)
    assert said.endswith("\n  Is it running, and can this machine reach it?")


def test_a_socket_is_named_as_the_host() -> None:
    try:
        with postgresql() as (url, folder):
            port = url.rpartition(":")[2].strip("/")
            to = f"postgres://me@:{port}/postgres?host={folder}&connect_timeout=5&sslmode=disable"
            assert write_rows(target_of(to, table="t"), [{"n": 1}]) == 1
            assert list(read_rows(source_of(to, table="t"))) == [{"n": 1}]
    except NotHere as reason:
        pytest.skip(str(reason))
