"""The laws of output files: every row and field arrives, no digit is lost, a file is whole or not there."""

from __future__ import annotations

import csv
import json
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
from extract.nodes import Array, Field, Null, Number, Record, Text, Type, Union
from extract.sinks import SUFFIXES, write_rows
from extract.sources import column_names, read_rows

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
        '{"_id": "a", "company": "ACME, “Ltd”", "total": 4.950, "date": "2018-05-01", "lines": [{"n": 1.10}]}\n'
        '{"_id": "b", "company": null, "total": 12345678901234567890.123456789, "paid": true}\n'
    )


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
