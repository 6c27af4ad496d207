"""The laws of output files: every row and field arrives, no digit is lost, a file is whole or not there."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extract.errors import PipelineError
from extract.jsontext import encoded, load
from extract.nodes import Array, Field, Null, Number, Record, Text, Type, Union
from extract.sinks import SUFFIXES, Target, open_writer, target_of, write_rows
from extract.sources import read_rows, source_of

ROOT = Path(__file__).parent.parent
LONG = Decimal("12345678901234567890.123456789")
ROWS: list[dict[str, Any]] = [
    {
        "company": "ACME, “Ltd”",
        "total": Decimal("4.950"),
        "date": "2018-05-01",
        "lines": [{"n": Decimal("1.10")}],
        "_id": "a",
    },
    {"company": None, "total": LONG, "paid": True, "_id": "b"},
]


def parquet(path: Path) -> tuple[list[str], list[tuple[Any, ...]]]:
    found = duckdb.connect().sql(f"select * from '{path}'")
    return [f"{name} {kind}" for name, kind in zip(found.columns, found.types, strict=True)], found.fetchall()


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "rows.jsonl"
    assert write_rows(path, iter(ROWS), ("_id", "company")) == 2
    assert path.read_text("utf-8") == (
        '{"_id":"a","company":"ACME, “Ltd”","total":4.950,"date":"2018-05-01","lines":[{"n":1.10}]}\n'
        '{"_id":"b","company":null,"total":12345678901234567890.123456789,"paid":true}\n'
    )


@pytest.mark.parametrize("odd", [float("nan"), [{"x": float("inf")}], OrderedDict(x=[float("nan")])])
def test_a_number_that_is_none_is_not_written_as_something_else(tmp_path: Path, odd: Any) -> None:
    path = tmp_path / "rows.jsonl"
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_rows(path, [{"a": None, "b": 1.5}, {"a": odd}])
    assert list(tmp_path.iterdir()) == []


def test_rows_at_hand_are_written_as_they_are_read_back(tmp_path: Path) -> None:
    row = {"a": Decimal("1.10"), "b": [Decimal("12345678901234567890.10"), 10**30], "c": {"d": 1.5, "e": None}}
    lines = []
    for name, one in (("hand.jsonl", row), ("read.jsonl", load(encoded(row)))):
        with open_writer(target_of(str(tmp_path / name)), type=None) as writer:
            (writer.add_as_read if one is row else writer.add)(one)
        lines.append(json.loads((tmp_path / name).read_text(), parse_float=str))
    assert lines[0] == lines[1] == {"a": "1.1", "b": ["12345678901234567890.10", 10**30], "c": {"d": "1.5", "e": None}}


def test_json_list(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    assert write_rows(path, ROWS) == 2
    assert json.loads(path.read_text("utf-8"), parse_float=Decimal) == ROWS
    assert write_rows(path, []) == 0
    assert json.loads(path.read_text("utf-8")) == []


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    assert write_rows(path, iter(ROWS), ("_id", "company")) == 2
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["_id", "company", "total", "date", "lines", "paid"],
            ["a", "ACME, “Ltd”", "4.950", "2018-05-01", '[{"n": 1.10}]', ""],
            ["b", "", str(LONG), "", "", "true"],
        ]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    type = Type(
        root=Record(
            fields=(
                Field(name="company", node=Text()),
                Field(name="date", node=Text(format="date")),
                Field(name="total", node=Number()),
                Field(name="lines", node=Array(items=Record(fields=(Field(name="n", node=Number()),)))),
            )
        )
    )
    assert write_rows(path, iter(ROWS), ("company", "date", "total", "lines", "_id"), type) == 2
    columns, rows = parquet(path)
    assert columns == [
        "company VARCHAR",
        "date DATE",
        "total DECIMAL(29,9)",
        "lines STRUCT(n DECIMAL(18,2))[]",
        "_id VARCHAR",
        "paid BOOLEAN",
    ]
    assert rows == [
        ("ACME, “Ltd”", date(2018, 5, 1), Decimal("4.950000000"), [{"n": Decimal("1.10")}], "a", None),
        (None, None, LONG, None, "b", True),
    ]


def test_parquet_keeps_what_has_no_one_type_as_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_rows(path, [{"x": 1, "y": 2**70}, {"x": "a", "y": 1}, {"x": {"z": Decimal("1.10")}, "y": None}])
    columns, rows = parquet(path)
    assert [row[2:] for row in rows] == [("1", Decimal(2**70)), ('"a"', Decimal(1)), ('{"z": 1.10}', None)]
    assert columns[:2] == ["_id VARCHAR", "_source VARCHAR"]


def test_decimals_are_decimals_and_floats_are_doubles(tmp_path: Path) -> None:
    """A Decimal whose digits a float has too may come as a float; its schema says what it is."""
    path = tmp_path / "rows.parquet"
    decimal = Union(branches=(Number(), Text(pattern=r"^\d+\.?\d*$"), Null()))
    type = Type(root=Record(fields=(Field(name="d", node=decimal), Field(name="f", node=Number()))))
    write_rows(path, [{"d": 1.5, "f": 0.1}, {"d": None, "f": 1e300}], type=type)
    assert parquet(path) == (["d DECIMAL(18,1)", "f DOUBLE"], [(Decimal("1.5"), 0.1), (None, 1e300)])


def test_a_csv_of_nothing_has_its_header(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    type = Type(root=Record(fields=(Field(name="n", node=Number()), Field(name="_id", node=Text()))))
    assert write_rows(path, [], type=type) == 0
    assert path.read_text() == "n,_id\n"


def test_an_empty_parquet_has_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    type = Type(root=Record(fields=(Field(name="n", node=Number(integer=True)),)))
    assert write_rows(path, [], ("n", "_id"), type) == 0
    assert parquet(path) == (["n BIGINT", "_id VARCHAR"], [])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda f: Decimal(repr(f))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.text(max_size=6), JSON, max_size=4), max_size=4))
def test_json_lines_come_back_as_they_were(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "rows.jsonl"
    assert write_rows(path, rows) == len(rows)
    assert list(read_rows(path)) == rows


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_leaves_what_was_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    write_rows(path, ROWS)
    before = path.read_bytes()

    def broken() -> Iterator[dict[str, Any]]:
        yield ROWS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rows(path, broken())
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_files_are_as_open_as_others(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_rows(path, ROWS)
    (tmp_path / "other").write_text("x")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as raised:
        write_rows(Path("rows.xml"), [])
    assert str(raised.value) == (
        "rows.xml: Nothing is known of files that end in `.xml`.\n"
        "  The endings: .jsonl, .json, .csv, .parquet, .duckdb, .db, .sqlite, .sqlite3."
    )
    (tmp_path / "file").write_text("x")
    path = tmp_path / "file" / "rows.jsonl"
    with pytest.raises(PipelineError) as raised:
        write_rows(path, [])
    assert str(raised.value) == f"{path}: The output cannot be written: File exists."
    with pytest.raises(PipelineError) as raised:
        write_rows(tmp_path / "a.parquet", [{"Total": 1, "total": 2}])
    assert raised.value.message == "The fields `Total` and `total` differ in case only, which SQL cannot tell apart."


def test_json_lines_can_be_watched_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("old\n")
    writer = open_writer(target_of(str(path)), type=None, columns=("b",))
    writer.add({"a": 1, "b": 2})
    writer.hand_over()
    assert (tmp_path / "rows.jsonl.part").read_text() == '{"b":2,"a":1}\n'
    assert path.read_text() == "old\n"
    assert writer.finish() == writer.finish() == 1
    writer.abandon()
    assert path.read_text() == '{"b":2,"a":1}\n'
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]
    with pytest.raises(RuntimeError, match="the writer is finished"):
        writer.add({})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_process_that_is_killed_leaves_the_old_file_and_the_next_one_writes_it_whole(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"rows{suffix}"
    write_rows(path, ROWS)
    before = path.read_bytes()
    code = (
        "import os, signal, sys; from extract.sinks import open_writer, target_of\n"
        "writer = open_writer(target_of(sys.argv[1]), type=None)\n"
        "for i in range(2000): writer.add({'n': i})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code, str(path)], cwd=root, timeout=60).returncode == -9
    assert path.read_bytes() == before
    assert write_rows(path, [{"n": 1}]) == 1
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_writer_that_is_left_by_an_error_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    target = target_of(str(tmp_path / f"rows{suffix}"))

    def broken() -> None:
        with open_writer(target, type=None) as writer:
            writer.add({"n": 1})
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert list(tmp_path.iterdir()) == []
    with open_writer(target, type=None) as writer:
        writer.add({"n": 1})
    assert [one.name for one in tmp_path.iterdir()] == [f"rows{suffix}"]


def test_what_is_no_json_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with pytest.raises(PipelineError) as raised:
        write_rows(path, [{"n": {1, 2}}])
    assert str(raised.value) == f"{path}: The field `n`: A set is no JSON value."


def test_a_target_in_words() -> None:
    file = target_of("out/rows.jsonl")
    assert (str(file), file.mode, file.plain()) == ("out/rows.jsonl", "replace", {"to": "out/rows.jsonl"})
    written = "postgresql://me:${PGPASSWORD}@db/shop?sslmode=require"
    target = target_of("postgresql://me:s3cret@db/shop?sslmode=require", table="receipts", key="_id", shown=written)
    assert str(target) == f"{written} (receipts)"
    assert target.plain() == {"to": written, "table": "receipts", "mode": "merge", "key": ["_id"]}
    assert "s3cret" not in repr(target)
    same = target_of("postgresql://me:other@db/shop?sslmode=require", table="receipts", key="_id", shown=written)
    assert same.plain() == target.plain()


@pytest.mark.parametrize(
    ("to", "shown"),
    [
        ("postgres://me:a%40b%3Ac@db/shop", "postgres://me:***@db/shop"),
        ("postgresql://me@db/shop", "postgresql://me@db/shop"),
        ("mysql://me:secret@db:3306/shop?ssl_key=path", "mysql://me:***@db:3306/shop?ssl_key=***"),
    ],
)
def test_a_password_is_not_shown(to: str, shown: str) -> None:
    assert target_of(to, table="t").plain()["to"] == shown


def words(to: str, **others: Any) -> Target:
    return target_of(to, **others)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"to": "a.parqet"}, "a.parqet: Nothing is known of files that end in `.parqet`.\n  Did you mean `.parquet`?"),
    (
        {"to": "a"},
        "a: The output's name has no ending.\n"
        "  The endings: .jsonl, .json, .csv, .parquet, .duckdb, .db, .sqlite, .sqlite3.",
    ),
    (
        {"to": "a.xlsx"},
        "a.xlsx: Spreadsheets are not built yet as outputs.\n"
        "  Write one of .jsonl, .json, .csv, .parquet, .duckdb, .db, .sqlite, .sqlite3.",
    ),
    (
        {"to": "a.csv", "table": "t"},
        "a.csv: A `table` is for databases, and this is a file.\n"
        "  Leave it out, or write to a database: a.db, a.duckdb or a URL.",
    ),
    (
        {"to": "a.csv", "key": ["x"]},
        "a.csv: A `key` is for databases, and this is a file.\n"
        "  Leave it out, or write to a database: a.db, a.duckdb or a URL.",
    ),
    (
        {"to": "a.csv", "mode": "insert"},
        "a.csv: A file is always replaced as a whole, and the mode is `insert`.\n"
        "  Leave out `mode`, or write to a database: a.db, a.duckdb or a URL.",
    ),
    ({"to": "a.db"}, "a.db: A database needs the name of a table.\n  Write `table: receipts` beside it."),
    (
        {"to": "a.db", "table": "t", "mode": "add"},
        "Nothing is known of the mode `add`.\n  The modes: replace, insert, merge.",
    ),
    (
        {"to": "a.db", "table": "t", "mode": "replce"},
        "Nothing is known of the mode `replce`.\n  Did you mean `replace`?",
    ),
    (
        {"to": "a.db", "table": "t", "mode": "merge"},
        "a.db: Rows are merged by a key, and there is none.\n"
        "  Write `key: _id`, or the columns that tell the rows apart.",
    ),
    (
        {"to": "a.db", "table": "t", "mode": "insert", "key": ["_id"]},
        "a.db: A `key` is for merging, and the mode is `insert`.\n  Leave out `key`, or write `mode: merge`.",
    ),
    (
        {"to": "sqlite://", "table": "t"},
        "sqlite://: A database in memory is gone when the work is done.\n  Name a file.",
    ),
    (
        {"to": "postgressql://db/shop", "table": "t"},
        "postgressql://db/shop: Nothing is known of databases at postgressql://.\n  Did you mean postgresql://?",
    ),
    (
        {"to": "s3://bucket/rows", "table": "t"},
        "s3://bucket/rows: Nothing is known of databases at s3://.\n"
        "  There are postgresql://, mysql://, mariadb://, sqlite://, duckdb://.",
    ),
    (
        {"to": "postgresql+asyncpg://db/shop", "table": "t"},
        "postgresql+asyncpg://db/shop: The driver asyncpg is an asynchronous one.\n"
        "  Write postgresql:// and what follows.",
    ),
    (
        {"to": "oracle+oracledb://me:secret@db/shop", "table": "t"},
        "oracle+oracledb://me:***@db/shop: The driver oracledb is not installed.\n  pip install oracledb",
    ),
    (
        {"to": "postgresql://me:secret@db", "table": "t"},
        "postgresql://me:***@db: The address does not name a database.\n  Write its name after the host: host/shop.",
    ),
    (
        {"to": "postgresql://me:p@ss@db/shop", "table": "t"},
        "postgresql://me:***@db/shop: The address of the database cannot be read.\n  Write postgresql://user:password"
        "@host:5432/database; in a password @ is %40, : is %3A and / is %2F.",
    ),
    (
        {"to": "postgresql://me:a@b:c@db/shop", "table": "t"},
        "postgresql://me:***@db/shop: The address of the database cannot be read.\n  Write postgresql://user:password"
        "@host:5432/database; in a password @ is %40, : is %3A and / is %2F.",
    ),
    (
        {"to": "postgresql://db/shop?sslmod=require", "table": "t"},
        "postgresql://db/shop?sslmod=require: Nothing is known of `sslmod` in the address of a PostgreSQL database.\n"
        "  There are application_name, connect_timeout, host, sslmode, sslrootcert.",
    ),
]


@pytest.mark.parametrize(("said", "message"), REFUSED)
def test_words_that_do_not_go_together(said: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError) as raised:
        words(**said)
    assert str(raised.value) == message


def test_a_driver_that_is_not_installed_is_named_with_its_extra() -> None:
    code = (
        "import sys; sys.modules['pg8000'] = None; sys.meta_path.insert(0, type('Gone', (), {'find_spec': "
        "staticmethod(lambda name, *_: None)})); sys.modules.pop('pg8000')\n"
        "import importlib.util, extract.databases.addresses as of\n"
        "of.find_spec = lambda name: None\n"
        "from extract.sinks import target_of\n"
        "try: target_of('postgresql://me:secret@db/shop', table='t')\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == (
        "postgresql://me:***@db/shop: The driver of postgresql databases, pg8000, is not installed.\n"
        "  pip install 'typed-extract[postgres]'\n"
    )


def test_a_check_makes_the_folder_and_refuses_what_cannot_be_written(tmp_path: Path) -> None:
    for name in ("new/rows.jsonl", "other/shop.db", "third/shop.duckdb"):
        target_of(str(tmp_path / name), table=None if name.endswith("jsonl") else "t").check()
        assert list((tmp_path / name).parent.iterdir()) == []
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.csv").mkdir()
    refused = {
        "file/rows.csv": "The folder of this output cannot be made: File exists.\n  Write somewhere else.",
        "folder.csv": "This output is a folder.\n  Name a file in it.",
    }
    for name, message in refused.items():
        with pytest.raises(PipelineError) as raised:
            target_of(str(tmp_path / name)).check()
        assert str(raised.value) == f"{tmp_path / name}: {message}"


@pytest.mark.parametrize("sign", ["?", "\\"])
def test_a_path_that_duckdb_would_read_otherwise_is_refused(tmp_path: Path, sign: str) -> None:
    with pytest.raises(PipelineError) as raised:
        target_of(str(tmp_path / f"a{sign}b" / "shop.duckdb"), table="t").check()
    assert raised.value.message == "DuckDB cannot keep a file whose path has a question mark or a backslash."


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    for name, message in (
        ("shop.db", "The database refuses: file is not a database.\n  This is no SQLite file."),
        ("shop.duckdb", "DuckDB refuses: "),
    ):
        (tmp_path / name).write_text("hello\n" * 2000)
        with pytest.raises(PipelineError) as raised:
            target_of(str(tmp_path / name), table="t").check()
        assert str(raised.value).startswith(f"{tmp_path / name}: {message}")


def test_the_page_about_outputs_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "outputs.md").read_text("utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60).returncode == 0
    assert (tmp_path / "out" / "receipts.csv").read_text() == "_id,company\na,ACME Ltd\n"


def test_rows_as_large_as_documents(tmp_path: Path) -> None:
    to = str(tmp_path / "shop.db")
    assert write_rows(target_of(to, table="t"), ({"n": i, "text": "x" * 1_000_000} for i in range(30))) == 30
    assert sum(len(row["text"]) for row in read_rows(source_of(to, table="t"), 20)) == 20_000_000


# ---- rows in several files


def shards(folder: Path) -> dict[str, list[Any]]:
    files = sorted(folder.glob("*.parquet"))
    return {one.name: [n for (n,) in duckdb.connect().sql(f"select n from '{one}'").fetchall()] for one in files}


def test_rows_go_to_several_files_of_the_same_columns(tmp_path: Path) -> None:
    target = target_of(f"{tmp_path}/out/bills-*.parquet", per_file=2)
    target.check()
    assert write_rows(target, [{"n": n, "late": None if n < 4 else "x"} for n in range(5)]) == 5
    assert shards(tmp_path / "out") == {
        "bills-00000.parquet": [0, 1],
        "bills-00001.parquet": [2, 3],
        "bills-00002.parquet": [4],
    }
    assert {tuple(parquet(one)[0]) for one in (tmp_path / "out").glob("*.parquet")} == {
        ("_id VARCHAR", "_source VARCHAR", "n BIGINT", "late VARCHAR")
    }
    whole = {one.name: one.read_bytes() for one in (tmp_path / "out").iterdir()}
    write_rows(target, [{"n": n, "late": None if n < 4 else "x"} for n in range(5)])
    assert {one.name: one.read_bytes() for one in (tmp_path / "out").iterdir()} == whole


def test_fewer_files_take_the_place_of_more_and_other_peoples_stay(tmp_path: Path) -> None:
    target = target_of(f"{tmp_path}/*.parquet", per_file=1)
    write_rows(target, [{"n": n} for n in range(3)])
    write_rows(tmp_path / "mine.parquet", [{"n": 7}])
    target.check()
    assert write_rows(target, [], ("n",)) == 0
    assert shards(tmp_path) == {"00000.parquet": [], "mine.parquet": [7]}
    write_rows(tmp_path / "00001.parquet", [{"n": 8}])
    for attempt in (target.check, lambda: write_rows(target, [{"n": n} for n in range(3)])):
        with pytest.raises(PipelineError) as caught:
            attempt()
        assert str(caught.value) == (
            f"{tmp_path}/*.parquet: This output has not written 00001.parquet, and its own files have such names.\n"
            "  Write into a folder of its own, or move what is there."
        )
    assert shards(tmp_path) == {"00000.parquet": [], "00001.parquet": [8], "mine.parquet": [7]}
    assert not list(tmp_path.glob("*.part"))


def test_several_files_without_a_number_in_their_name_are_refused() -> None:
    star = "Write one star into the name of the file: out/receipts/*.parquet."
    for to, per_file, message in (
        ("out/rows.parquet", 10, "Rows go to several Parquet files by a star for their number, and there is none."),
        ("out/*.csv", None, "The star of an output stands for the number of a Parquet file, in its name and once."),
        ("*/a.parquet", None, "The star of an output stands for the number of a Parquet file, in its name and once."),
        (
            "out/*-*.parquet",
            None,
            "The star of an output stands for the number of a Parquet file, in its name and once.",
        ),
    ):
        with pytest.raises(PipelineError) as caught:
            target_of(to, per_file=per_file)
        assert str(caught.value) == f"{to}: {message}\n  {star}"
    with pytest.raises(PipelineError) as caught:
        target_of("shop.db", table="receipts", per_file=10)
    assert str(caught.value) == "shop.db: `rows_per_file` is for files, and this is a database.\n  Leave it out."


# ---- a disk that is full

FULL = """
import resource, sys
from extract.errors import PipelineError
from extract.sinks import open_writer, target_of

where, when, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
table = {"table": "words"} if where.endswith(("db", "duckdb")) else {}

def limited(now):
    if now == when:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

limited("first")
try:
    writer = open_writer(target_of(where, **table), type=None)
    limited("rows")
    for n in range(3000):
        writer.add({"_id": str(n), "word": f"{n} " * 20})
    limited("last")
    writer.finish()
except PipelineError as error:
    print(error.where, error.message, sep="|")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits on the size of files")
@pytest.mark.parametrize(("when", "most"), [("first", 100), ("rows", 50_000), ("last", 5_000)])
@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.db", "a.duckdb"])
def test_a_full_disk_is_one_sentence_and_the_next_writer_writes_all(
    tmp_path: Path, name: str, when: str, most: int
) -> None:
    where = tmp_path / name
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", FULL, str(where), when, str(most)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    told, _, said = done.stdout.strip().partition("|")
    if said or when != "last":  # a Parquet file of these rows is small
        assert told == str(where)
        assert said.startswith(("The output cannot be written: ", "The database refuses: ", "DuckDB refuses: "))
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    table: dict[str, Any] = {"table": "words"} if name in ("a.db", "a.duckdb") else {}
    assert write_rows(target_of(str(where), **table), ROWS) == 2
