"""The laws of sources: every row and digit arrives, in order, and what cannot be read says its file and line."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.errors import DocumentError, PipelineError
from extract.nodes import Anything, Array, Boolean, Field, Node, Null, Number, Record, Text, Union
from extract.sinks import target_of, write_rows
from extract.sources import ROW_SUFFIXES, Source, column_names, column_types, count_rows, read_rows, source_of


def types(source: Source | Path) -> dict[str, Node]:
    """The type of each column, without null."""
    root = column_types(source).root
    assert isinstance(root, Record)
    return {one.name: one.node.branches[0] if isinstance(one.node, Union) else one.node for one in root.fields}


def test_rows_of_csv(tmp_path: Path) -> None:
    path = tmp_path / "mails.csv"
    path.write_text('\ufeffid,body\r\n1,"a, ""b""\nc"\r\n\r\n2,\r\n', "utf-8", newline="")
    assert list(read_rows(path)) == [{"id": "1", "body": 'a, "b"\nc'}, {"id": "2", "body": ""}]
    assert column_names(path) == ("id", "body")


BROKEN_ROWS = [
    (
        "a.csv",
        "a,b\n1,2\n1\n",
        "a.csv:3: The row has 1 cells, and the header 2.\n  Put quotes around cells that hold commas.",
    ),
    ("a.csv", "a,a\n1,2\n", "a.csv:1: Two columns have the name `a`.\n  Rename one of them."),
    ("a.csv", "a,\n1,2\n", "a.csv:1: Column 2 has no name.\n  The first line of a CSV file names its columns."),
    ("a.csv", "", "a.csv: The file is empty."),
    ("a.csv", 'a\n"b', "a.csv:2: The CSV cannot be read: unexpected end of data."),
    ("a.jsonl", '{"a": 1}\n{"a": }\n', "a.jsonl:2: The line is not JSON: Expecting value."),
    ("a.jsonl", "[1]\n", "a.jsonl:1: The line is not a JSON object.\n  Write one object a line."),
    ("a.jsonl", "\n", "a.jsonl: The file holds no rows."),
    ("a.txt", "x", "a.txt: Rows are read from .csv, .tsv, .jsonl, .parquet, .duckdb, .db, .sqlite and .sqlite3."),
]


@pytest.mark.parametrize(("name", "text", "message"), BROKEN_ROWS)
def test_rows_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text, "utf-8")
    with pytest.raises(Exception) as raised:  # noqa: PT011
        column_names(Path(name)) and list(read_rows(Path(name)))
    assert str(raised.value) == message


def test_rows_of_tsv(tmp_path: Path) -> None:
    path = tmp_path / "mails.tsv"
    path.write_text('id\tbody\n1\t"a\t""b"""\n2\tx,y\n', "utf-8")
    assert list(read_rows(path)) == [{"id": "1", "body": 'a\t"b"'}, {"id": "2", "body": "x,y"}]
    assert count_rows(path) == 2
    assert types(path) == {"id": Text(), "body": Text()}


def test_types_of_json_lines_are_those_of_the_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows: list[dict[str, Any]] = [
        {"a": 1, "b": "x", "c": None, "d": [1], "e": {"f": True}, "g": 1},
        {"a": 1.5, "b": None, "c": None, "d": [], "e": {}, "g": "x", "h": False},
    ]
    path.write_text("".join(f"{json.dumps(row)}\n\n" for row in rows))
    flag = Field(name="f", node=Union(branches=(Boolean(), Null())), required=False)
    assert types(path) == {
        "a": Number(),
        "b": Text(),
        "c": Anything(said=False),
        "d": Array(items=Union(branches=(Number(), Null()))),
        "e": Record(fields=(flag,), extras=Anything(said=False)),
        "g": Anything(said=False),
        "h": Boolean(),
    }
    assert count_rows(path) == 2
    assert list(read_rows(path, 1)) == [{**rows[0]}]


def test_rows_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    query = """
        select 1::bigint as n, 12345678901234567890.12345678::decimal(38, 8) as d, 0.1::double as f,
          date '2018-05-01' as day, timestamptz '2018-05-01 10:00:00+00' as at, {'a': [1.10::decimal(4, 2)]} as nested,
          true as ok, 'ü' as t, '{"x": 0.12345678901234567890}'::json as j
        union all select null, null, null, null, null, null, null, null, null"""
    duckdb.connect().execute(f"copy ({query}) to '{str(path).replace(chr(39), chr(39) * 2)}' (format parquet)")
    assert list(read_rows(path)) == [
        {
            "n": 1,
            "d": Decimal("12345678901234567890.12345678"),
            "f": Decimal("0.1"),
            "day": "2018-05-01",
            "at": "2018-05-01T10:00:00Z",
            "nested": {"a": [Decimal("1.10")]},
            "ok": True,
            "t": "ü",
            "j": {"x": Decimal("0.12345678901234567890")},
        },
        dict.fromkeys(("n", "d", "f", "day", "at", "nested", "ok", "t", "j")),
    ]
    assert count_rows(path) == 2
    found = types(path)
    assert (found["n"], found["d"], found["day"]) == (Number(integer=True), Number(), Text(format="date"))
    assert column_names(path) == ("n", "d", "f", "day", "at", "nested", "ok", "t", "j")


def test_a_table_and_a_query_of_a_file(tmp_path: Path) -> None:
    rows = [{"_id": name, "n": i, "f": [Decimal("1.10")]} for i, name in enumerate("cab")]
    for name in ("shop.db", "shop.duckdb"):
        to = str(tmp_path / name)
        write_rows(target_of(to, table="receipts", key=["_id"]), rows)
        table = source_of(to, table="receipts")
        assert sorted(read_rows(table), key=lambda row: row["n"]) == rows
        assert count_rows(table) == 3
        query = source_of(to, query="select _id, n from receipts where n > 0 order by n desc;")
        assert list(read_rows(query)) == [{"_id": "b", "n": 2}, {"_id": "a", "n": 1}]
        assert (count_rows(query), column_names(query)) == (2, ("_id", "n"))
        assert query.plain() == {"rows": to, "query": "select _id, n from receipts where n > 0 order by n desc;"}


def test_sqlite_comes_in_the_order_of_its_key(tmp_path: Path) -> None:
    to = str(tmp_path / "shop.db")
    write_rows(target_of(to, table="keyed", key=["_id"]), [{"_id": one} for one in "cab"])
    write_rows(target_of(to, table="bare"), [{"x": one, "j": [1]} for one in "cab"])
    assert [row["_id"] for row in read_rows(source_of(to, table="keyed"))] == ["a", "b", "c"]
    assert [row["x"] for row in read_rows(source_of(to, table="bare"))] == ["a", "b", "c"]


def test_a_source_can_be_written_to_while_it_is_read(tmp_path: Path) -> None:
    """A run may read from a database and write to it, for hours: no lock may be held."""
    for name in ("shop.db", "shop.duckdb"):
        to = str(tmp_path / name)
        write_rows(target_of(to, table="mails"), [{"n": i} for i in range(3)])
        rows = read_rows(source_of(to, table="mails"))
        assert next(rows) == {"n": 0}
        write_rows(target_of(to, table="receipts"), [{"n": 1}])
        write_rows(target_of(to, table="mails"), [{"n": 3}])
        assert [row["n"] for row in rows] == [1, 2]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"rows": "a.db"}, "a.db: A database needs `table` or `query`.\n  Write `table: mails`, or `query: select ...`."),
    (
        {"rows": "a.duckdb", "table": "t", "query": "q"},
        "a.duckdb: A database needs `table` or `query`, and not both.\n  Write `table: mails`, or `query: select ...`.",
    ),
    (
        {"rows": "a.csv", "table": "t"},
        "a.csv: A `table` is for databases, and this is a file of rows.\n  Leave it out.",
    ),
    ({"rows": "a.xlsx"}, "a.xlsx: Spreadsheets are not read.\n  Save the sheet as CSV."),
    (
        {"rows": "a.jsnl"},
        "a.jsnl: Rows are read from .csv, .tsv, .jsonl, .parquet, .duckdb, .db, .sqlite and .sqlite3.\n"
        "  Did you mean `.jsonl`?",
    ),
]


@pytest.mark.parametrize(("said", "message"), REFUSED)
def test_words_that_do_not_go_together(said: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError) as raised:
        source_of(**said)
    assert str(raised.value) == message


BROKEN_DATABASES: list[tuple[str, dict[str, str], str]] = [
    ("gone.db", {"table": "t"}, "gone.db: There is no such file.\n  Look at the path."),
    ("shop.db", {"table": "reciepts"}, "shop.db: There is no table `reciepts`.\n  Did you mean `receipts`?"),
    ("shop.duckdb", {"table": "reciepts"}, "shop.duckdb: There is no table `reciepts`.\n  Did you mean `receipts`?"),
    ("shop.db", {"query": "select x from receipts"}, "shop.db: The database refuses: no such column: x."),
    (
        "shop.db",
        {"query": "delete from receipts returning n"},
        "shop.db: The database refuses: attempt to write a readonly database.\n  It may only be read.",
    ),
    (
        "shop.db",
        {"query": "select 1 as n, 2 as n"},
        "shop.db: The query gives two columns the name `n`.\n  Name one of them with `as`.",
    ),
    (
        "shop.db",
        {"query": "select x'00' as n"},
        "shop.db: The column `n` holds bytes, which JSON does not have.\n  Leave it out in a `query`.",
    ),
    (
        "shop.duckdb",
        {"query": "delete from receipts"},
        "shop.duckdb: A `query` is one query.\n  Begin it with `select` or `with`.",
    ),
    (
        "shop.duckdb",
        {"query": "select 'nan'::double as n"},
        "shop.duckdb: The column `n` is no number in a row.\n  Guard a division with nullif(x, 0).",
    ),
]


@pytest.mark.parametrize(("name", "words", "message"), BROKEN_DATABASES)
def test_databases_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: dict[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for one in ("shop.db", "shop.duckdb"):
        write_rows(target_of(one, table="receipts"), [{"n": 1}])
    with pytest.raises(DocumentError) as raised:
        list(read_rows(source_of(name, **words)))
    assert str(raised.value) == message


def test_a_query_of_duckdb_sees_no_file(tmp_path: Path) -> None:
    to = str(tmp_path / "shop.duckdb")
    write_rows(target_of(to, table="receipts"), [{"n": 1}])
    with pytest.raises(DocumentError, match="disabled by configuration"):
        list(read_rows(source_of(to, query=f"select * from read_csv('{__file__}')")))


MANY = """
import resource, sys
from pathlib import Path
from extract.sinks import write_rows
from extract.sources import count_rows, read_rows
def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
path = Path(sys.argv[1])
if not path.exists():
    write_rows(path, ({"n": i, "text": f"{i} " * 20} for i in range(100_000)))
else:
    sum(1 for _ in zip(range(5000), read_rows(path)))
    before = memory()
    print(sum(1 for _ in read_rows(path)), count_rows(path), (memory() - before) // 1024)
"""


@pytest.mark.parametrize("suffix", [one for one in ROW_SUFFIXES if one != ".tsv"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, suffix: str) -> None:
    command = [sys.executable, "-c", MANY, str(tmp_path / f"rows{suffix}")]
    root = Path(__file__).parent.parent
    for _ in range(2):
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    read, counted, grown = map(int, done.stdout.split())
    assert (read, counted, grown < 40) == (100_000, 100_000, True), done
