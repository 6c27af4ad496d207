"""Scores: what is equal counts as right whatever its spelling and order, and every value is counted once."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import DocumentError
from extract.evals import FieldScore, evaluate, match, read_gold, score
from extract.nodes import Array, Choice, Field, Number, Record, Text, Type

LINE = Record(fields=(Field(name="name", node=Text()), Field(name="price", node=Number())))
RECEIPT = Type(
    Record(
        fields=(
            Field(name="company", node=Text()),
            Field(name="date", node=Text(format="date")),
            Field(name="total", node=Number()),
            Field(name="paid", node=Choice(values=("cash", "card"))),
            Field(name="lines", node=Array(items=LINE)),
        )
    )
)


def marks(predicted: Any, gold: Any, type: Type | None = None, order: str | None = None) -> dict[str, FieldScore]:
    return {one.field: one for one in score([(predicted, gold)], type, order).fields}


def verdict(predicted: Any, gold: Any, type: Type | None = None, order: str | None = None) -> str:
    one = marks({"x": predicted}, {"x": gold}, type, order).get("x")
    if one is None:
        return "nothing"
    if one.exact:
        return "exact"
    return next(name for name in ("right", "wrong", "missing", "extra") if getattr(one, name))


@pytest.mark.parametrize(
    ("predicted", "gold", "expected"),
    [
        ("Acme", "Acme", "exact"),
        ("ACME  Ltd", "Acme Ltd", "right"),
        ("O\u2019Neill", "o'neill", "right"),
        ("Acme", "Acne", "wrong"),
        ("Acme", None, "extra"),
        (None, "Acme", "missing"),
        ("", "Acme", "missing"),
        (None, None, "nothing"),
        ("", None, "nothing"),
        (20, 20.0, "exact"),
        (Decimal("20.00"), "20.00", "right"),
        (1234.5, "RM 1,234.50", "right"),
        ("1.234,50", 1234.5, "right"),
        (20, 21, "wrong"),
        (20, "twenty", "wrong"),
        (True, True, "exact"),
        (True, 1, "wrong"),
        (False, 0, "wrong"),
        ("2018-02-12", "12/02/2018", "right"),
        ("2018-02-12", "12 Feb 2018", "right"),
        ("2018-12-02", "12/02/2018", "wrong"),
        ("2018-02-12", "someday", "wrong"),
        ({"a": 1}, "a", "wrong"),
        ("a", {"x": "a"}, "missing"),
    ],
)
def test_values_are_compared_by_what_they_mean(predicted: Any, gold: Any, expected: str) -> None:
    if isinstance(gold, dict):
        assert marks({"x": predicted}, {"x": gold})["x.x"].missing == 1
    else:
        assert verdict(predicted, gold) == expected


def test_the_order_of_days_is_the_one_that_gold_shows_or_that_is_given() -> None:
    assert verdict("2018-12-02", "12/02/2018", order="MDY") == "right"
    american = [({"x": "2018-12-02"}, {"x": "12/02/2018"}), ({"x": "2018-12-25"}, {"x": "12/25/2018"})]
    assert score(american).total.right == 2
    european = [({"x": "2018-12-02"}, {"x": "12/02/2018"}), ({"x": "2018-12-25"}, {"x": "25/12/2018"})]
    assert score(european).total.right == 1


def test_members_of_an_enum_are_equal_by_case_only() -> None:
    type = Type(Record(fields=(Field(name="x", node=Choice(values=("2018-01-02", "a"))),)))
    assert verdict("A", "a", type) == "right"
    assert verdict("2018-01-02", "02/01/2018", type) == "wrong"


def test_what_gold_does_not_mention_is_not_judged() -> None:
    assert [one.field for one in score([({"a": 1, "b": 2}, {"a": 1})]).fields] == ["a"]


def test_lists_of_records_are_aligned_by_their_best_match() -> None:
    gold = {"lines": [{"name": "Tea", "price": 2}, {"name": "Cake", "price": 3}, {"name": "Tea", "price": 4}]}
    predicted = {
        "lines": [{"name": "Tea", "price": 4}, {"name": "tea", "price": 2, "note": "x"}, {"name": "Pie", "price": 9}]
    }
    assert marks(predicted, gold, RECEIPT) == {
        "lines[].name": FieldScore("lines[].name", right=2, exact=1, missing=1, extra=1),
        "lines[].price": FieldScore("lines[].price", right=2, exact=2, missing=1, extra=1),
    }


def test_lists_of_values_are_aligned_too() -> None:
    assert marks({"x": ["b", "A", "c"]}, {"x": ["a", "b", "d"]}) == {
        "x[]": FieldScore("x[]", right=2, exact=1, missing=1, extra=1)
    }


values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text("abc ", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
records = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)


@given(records)
def test_a_record_is_right_against_itself(record: dict[str, Any]) -> None:
    scores = score([(record, record)])
    assert scores.right == 1
    assert scores.total.right == scores.total.exact == scores.total.n
    assert scores.total.wrong == scores.total.missing == scores.total.extra == 0


@given(records, records)
def test_each_value_of_gold_is_counted_once(predicted: dict[str, Any], gold: dict[str, Any]) -> None:
    def leaves(value: Any) -> int:
        if isinstance(value, dict):
            return sum(map(leaves, value.values()))
        return sum(map(leaves, value)) if isinstance(value, list) else value not in (None, "")

    assert score([(predicted, gold)]).total.n == leaves(gold)
    assert score([(None, gold)]).total.missing == leaves(gold)


items = st.lists(st.fixed_dictionaries({"n": st.integers(0, 3), "m": st.integers(0, 3)}), max_size=6)


@given(items, items, st.randoms(use_true_random=False))
def test_the_order_of_a_list_changes_no_score(predicted: list[Any], gold: list[Any], rnd: random.Random) -> None:
    mixed = list(predicted)
    rnd.shuffle(mixed)
    one, other = score([({"x": predicted}, {"x": gold})]), score([({"x": mixed}, {"x": gold})])
    assert one.total.right == other.total.right
    assert one.total.n == other.total.n


def test_long_lists_are_aligned_as_well() -> None:
    gold = [{"n": f"item {i}", "m": i} for i in range(150)]
    predicted = [{"n": f"item {i}", "m": -i - 1} for i in reversed(range(150))]
    scores = score([({"x": predicted}, {"x": gold})])
    assert {one.field: one.right for one in scores.fields} == {"x[].n": 150, "x[].m": 0}


def test_figures_and_their_table() -> None:
    pairs = [
        ({"company": "acme", "total": 5, "date": None}, {"company": "Acme", "total": "5.00", "date": None}),
        ({"company": "Bree", "total": 6, "date": "2018-01-02"}, {"company": "Bree", "total": 7, "date": None}),
        (None, {"company": "Cafe", "total": None, "date": None}),
    ]
    scores = score(pairs, RECEIPT)
    assert (scores.records, scores.right, scores.absent) == (3, 1, 1)
    assert (scores.total.precision, scores.total.recall, scores.total.f1) == (3 / 5, 3 / 5, 3 / 5)
    assert scores.table() == (
        "field    n  right  exact  wrong  missing  extra  precision  recall     f1\n"
        "-------------------------------------------------------------------------\n"
        "company  3      2      1      0        1      0      1.000   0.667  0.800\n"
        "total    2      1      0      1        0      0      0.500   0.500  0.500\n"
        "date     0      0      0      0        0      1      0.000       -  0.000\n"
        "-------------------------------------------------------------------------\n"
        "all      5      3      1      1        1      1      0.600   0.600  0.600\n"
        "1 of 3 records are right in every field; 1 gave no record."
    )
    assert json.loads(json.dumps(scores.plain()))["fields"][2] == {
        "field": "date",
        **{"n": 0, "right": 0, "exact": 0, "wrong": 0, "missing": 0, "extra": 1},
        **{"precision": 0.0, "recall": None, "f1": 0.0},
    }


def test_gold_is_read_in_its_three_forms(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    rows = [
        '{"_source": "a.txt", "gold": {"t": 1}}',
        "",
        '{"id": "b", "gold": {"t": 0.10}}',
        '{"_source": "c", "_id": 9, "t": 3}',
    ]
    path.write_text("\n".join([*rows, '{"_source": "c", "t": 4}']), encoding="utf-8")
    assert read_gold(path) == {"a.txt": {"t": 1}, "b": {"t": 0.1}, "c": [{"t": 3}, {"t": 4}]}


FORM = 'Each line is {"_source": document, "gold": record}, or the record with "_source" beside its fields.'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", "", "The gold file is empty."),
        ('{"_source": "a", "t": 1}\n{"t": 1}', ":2", "This row does not say which document it is of."),
        ("[1]", ":1", "This line is not a JSON object."),
        ("{", ":1", None),
    ],
)
def test_gold_that_cannot_be_read_says_where_and_how_it_should_be(
    text: str, line: str, message: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError) as error:
        read_gold(path)
    assert (error.value.where, error.value.fix) == (f"{path}{line}", FORM)
    assert error.value.message.startswith(message or "This line is not JSON: ")


def test_a_gold_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as error:
        read_gold(tmp_path / "none.jsonl")
    assert error.value.message == "The gold file cannot be read: No such file or directory."
    assert error.value.where == str(tmp_path / "none.jsonl")


def test_rows_and_truth_meet_by_path_by_file_name_and_by_name() -> None:
    gold = {
        "in/a.txt": {"t": 1},
        "b.txt": {"t": 2},
        "c.v1": {"t": 3},
        "d": {"t": 4},
        "x/e.txt": {"t": 5},
        "y/e.txt": {"t": 6},
    }
    rows = [
        {"_source": "other/c.v1.pdf", "_id": "3", "t": 30},
        {"_source": "./in/a.txt", "t": 10},
        {"_source": "in/b.txt", "t": 20},
        {"_source": "y/e.txt", "t": 60},
        {"_source": "z/e.txt", "t": 99},
        {"_source": "unknown.txt", "t": 99},
    ]
    assert match(rows, gold) == [
        *[({"t": 10}, {"t": 1}), ({"t": 20}, {"t": 2}), ({"t": 30}, {"t": 3}), (None, {"t": 4})],
        *[(None, {"t": 5}), ({"t": 60}, {"t": 6})],
    ]


def test_several_records_of_one_document_are_a_list() -> None:
    gold = {"a.txt": [{"t": 1}, {"t": 2}]}
    pairs = match([{"_source": "a.txt", "t": 2}, {"_source": "a.txt", "t": 1}], gold)
    assert pairs == [([{"t": 2}, {"t": 1}], [{"t": 1}, {"t": 2}])]
    assert score(pairs).right == 1


def test_a_pipeline_is_run_over_the_documents_that_have_a_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("schema.py").write_text(
        "from pydantic import BaseModel\n\n\nclass Receipt(BaseModel):\n    invoice_no: str\n    total: float\n",
        encoding="utf-8",
    )
    Path("p.yaml").write_text(
        "name: p\nmodel: rules\ndocuments: '*.txt'\nsteps:\n  - extract: schema.py:Receipt\n"
        "  - where: total > 100\nwrite: [out.jsonl]\n",
        encoding="utf-8",
    )
    for name, total in (("one", "5.00"), ("two", "7.50"), ("three", "1.00")):
        Path(f"{name}.txt").write_text(f"Invoice No: {name.upper()}-1\nTotal: {total}\n", encoding="utf-8")
    gold = Path("gold.jsonl")
    rows = [{"_source": "one.txt", "invoice_no": "one-1", "total": "5.00"}, {"id": "two", "gold": {"total": 8}}]
    gold.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    scores = evaluate("p.yaml", gold, folder="runs/eval")
    assert (scores.records, scores.right) == (2, 1)
    assert {one.field: (one.right, one.wrong) for one in scores.fields} == {"invoice_no": (1, 0), "total": (1, 1)}
    assert not Path("out.jsonl").exists()
    gold.write_text('{"_source": "four.txt", "total": 1}', encoding="utf-8")
    with pytest.raises(DocumentError) as error:
        evaluate("p.yaml", gold)
    assert str(error.value).startswith("gold.jsonl: None of the pipeline's documents is named in the gold file.")
