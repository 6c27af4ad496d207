"""What a record can do without: only what may be empty, only if the rest is sound, and never in silence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, model_validator

from extract import SchemaError, compile
from extract.catalogue import ModelFacts
from extract.extraction import Evidence, Extraction, Problem
from extract.pointer import ABSENT, get
from extract.schema import Schema
from extract.task import Check, Task
from extract.waiving import check_best_effort, waive


class Line(BaseModel):
    name: str
    price: Decimal
    note: str | None = None


class Address(BaseModel):
    street: str
    city: str | None


class Bill(BaseModel):
    company: str
    total: Decimal
    tax: Decimal | None = None
    due: Decimal | None
    kind: Literal["receipt", "invoice"] = "receipt"
    lines: list[Line] = []
    seller: Address | None = None
    buyer: Address
    marks: dict[str, int] = {}
    counts: list[int | None] = []


BILL = compile(Bill)
GOOD: dict[str, Any] = {
    "company": "ACME",
    "total": "4.95",
    "tax": "1",
    "due": "2",
    "kind": "invoice",
    "lines": [{"name": "a", "price": "1", "note": "n"}, {"name": "b", "price": "2", "note": None}],
    "seller": {"street": "High Street", "city": "Oslo"},
    "buyer": {"street": "Low Street", "city": "Rome"},
    "marks": {"a": 1},
    "counts": [1, 2],
}
MODEL = ModelFacts("mini", "test")


def failed(
    *pointers: str, schema: Schema[Any] = BILL, value: Any = None, beside: tuple[Problem, ...] = (), **more: Any
):
    partial = GOOD if value is None else value
    problems = tuple(Problem(at, "it is wrong", value="?") for at in pointers)
    return Extraction(value=None, partial=partial, problems=(*problems, *beside), **more), Task(schema, (MODEL,))


# Each place that fails, what becomes empty where what is valid is kept, and what stands there then.
KEPT = [
    ("/tax", "/tax", None),
    ("/due", "/due", None),
    ("/kind", "/kind", ABSENT),
    ("/lines", "/lines", ABSENT),
    ("/lines/0/note", "/lines/0/note", None),
    ("/lines/0/price", "/lines", ABSENT),
    ("/lines/1", "/lines", ABSENT),
    ("/seller/street", "/seller", None),
    ("/seller/city", "/seller/city", None),
    ("/buyer/city", "/buyer/city", None),
    ("/marks/a", "/marks", ABSENT),
    ("/counts/1", "/counts/1", None),
]


@pytest.mark.parametrize(("at", "empty", "then"), KEPT, ids=[one[0] for one in KEPT])
def test_what_is_valid_is_kept_without_the_nearest_field_that_may_be_empty(at: str, empty: str, then: Any) -> None:
    extraction, task = failed(at)
    kept = waive(extraction, task, "keep")
    assert kept.ok
    assert isinstance(kept.value, Bill)
    assert get(kept.partial, empty) is then
    assert kept.waived == extraction.problems
    assert [(one.rule, one.pointer, one.before, one.note) for one in kept.events] == [
        ("waived.field", empty, get(GOOD, empty), f"{at}: it is wrong")
    ]
    assert waive(extraction, task, "reject") is waive(extraction, task, "review") is extraction


@pytest.mark.parametrize("at", ["/company", "/total", "/buyer", "/buyer/street", "/nowhere", ""])
def test_what_a_record_cannot_do_without_fails_it(at: str) -> None:
    extraction, task = failed(at)
    assert waive(extraction, task, "keep") is extraction
    both, task = failed("/tax", at)
    assert waive(both, task, "keep") is both


def test_a_field_that_is_not_there_is_null_where_it_has_to_be_there() -> None:
    value = {name: one for name, one in GOOD.items() if name != "due"}
    extraction, task = failed("/due", value=value)
    kept = waive(extraction, task, "keep")
    assert (kept.partial["due"], kept.value.due) == (None, None)


def test_best_effort_names_what_alone_never_fails_a_record() -> None:
    extraction, task = failed("/tax")
    for on_failure in ("reject", "review", "keep"):
        assert waive(extraction, task, on_failure, ("tax",)).value.tax is None
    assert waive(extraction, task, "reject", ("due", "lines")) is extraction
    both, task = failed("/tax", "/kind")
    assert waive(both, task, "reject", ("tax",)) is both
    assert waive(both, task, "reject", ("tax", "kind")).ok


def test_a_field_in_another_is_named_by_its_path_and_takes_no_more_along() -> None:
    extraction, task = failed("/lines/0/note", "/seller/city")
    kept = waive(extraction, task, best_effort=("lines.note", "seller.city"))
    assert kept.partial == {
        **GOOD,
        "lines": [{**GOOD["lines"][0], "note": None}, GOOD["lines"][1]],
        "seller": {"street": "High Street", "city": None},
    }
    assert waive(extraction, task, best_effort=("lines", "seller")).partial == {
        **{name: one for name, one in GOOD.items() if name != "lines"},
        "seller": None,
    }
    assert waive(*failed("/lines/0/price"), best_effort=("lines.note",)).problems


@pytest.mark.parametrize("kind", ["transport", "refusal", "filter", "limit", "reading"])
def test_that_a_record_could_not_be_mended_says_nothing_against_what_it_has(kind: Any) -> None:
    extraction, task = failed("/tax", beside=(Problem("", "There was an end.", kind),))
    kept = waive(extraction, task, "keep")
    assert kept.ok
    assert [one.kind for one in kept.waived] == ["invalid", kind]
    alone, task = failed(beside=(Problem("", "There was an end.", kind),))
    assert waive(alone, task, "keep") is alone


@pytest.mark.parametrize("kind", ["length", "document", "configuration"])
def test_what_was_cut_off_is_never_waived(kind: Any) -> None:
    extraction, task = failed("/tax", beside=(Problem("", "There was an end.", kind),))
    assert waive(extraction, task, "keep", ("tax",)) is extraction


def test_what_remains_is_validated_again() -> None:
    class Sum(BaseModel):
        total: int
        tax: int | None = None
        net: int | None = None

        @model_validator(mode="after")
        def has_one(self) -> Sum:
            if self.tax is None and self.net is None:
                raise ValueError("tax or net is needed")
            return self

    schema = compile(Sum)
    extraction, task = failed("/tax", schema=schema, value={"total": 3, "tax": "?"})
    kept = waive(extraction, task, "keep")
    assert not kept.ok
    assert [str(one) for one in kept.problems] == [
        "/tax: it is wrong",
        "the record: Tax or net is needed (tried without /tax)",
    ]
    assert kept.waived == ()
    extraction, task = failed("/tax", schema=schema, value={"total": 3, "tax": "?", "net": 2})
    assert waive(extraction, task, "keep").value == Sum(total=3, net=2)


def test_whatever_a_validator_raises_leaves_the_record_failed() -> None:
    class Odd(BaseModel):
        tax: int | None = None

        @model_validator(mode="after")
        def fails(self) -> Odd:
            raise ZeroDivisionError("by zero")

    extraction, task = failed("/tax", schema=compile(Odd), value={"tax": "?"})
    assert str(waive(extraction, task, "keep").problems[-1]) == (
        "the record: a validator raised ZeroDivisionError: by zero (tried without /tax)"
    )


def test_a_check_that_failed_is_waived_only_with_all_that_it_names() -> None:
    broken = (Problem("/tax", "the check `tax < total` does not hold", "check"),)
    total = (Problem("/total", "the check `tax < total` does not hold", "check"),)
    extraction, task = failed(beside=broken)
    assert waive(extraction, task, "keep").ok
    extraction, task = failed(beside=(*broken, *total))
    assert waive(extraction, task, "keep", ("tax",)) is extraction


def test_a_check_that_names_a_field_that_is_gone_is_said_to_be_undecided() -> None:
    extraction, _ = failed("/tax")
    checks = (
        Check("tax < total", ("/tax", "/total"), lambda row: row["tax"] is not None and row["tax"] < row["total"]),
        Check("tax is null or tax > 0", ("/tax",), lambda row: row["tax"] is None),
        Check("total > 0", ("/total",), lambda row: True),
    )
    kept = waive(extraction, Task(BILL, (MODEL,), checks=checks), "keep")
    assert kept.ok
    assert [(one.rule, one.pointer, one.note) for one in kept.events[1:]] == [
        (
            "waived.check",
            "/tax",
            "the check `tax < total` is not decided: it names a field that the record does without",
        )
    ]


def test_evidence_and_confidence_of_what_is_gone_go_with_it() -> None:
    evidence = {at: Evidence(0, 1, "x") for at in ("/company", "/tax", "/seller/street")}
    confidence = {"/company": 0.9, "/seller/street": 0.4}
    extraction, task = failed("/tax", "/seller/street", evidence=evidence, confidence=confidence)
    kept = waive(extraction, task, "keep")
    assert set(kept.evidence) == set(kept.confidence) == {"/company"}


def test_what_is_whole_stays_as_it_is() -> None:
    value = Bill.model_validate(GOOD)
    extraction: Extraction[Bill] = Extraction(value=value, partial=GOOD)
    assert waive(extraction, Task(BILL, (MODEL,)), "keep", ("tax",)) is extraction


def test_a_schema_given_as_json_is_no_other() -> None:
    schema = compile(
        {
            "type": "object",
            "required": ["a"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"type": ["integer", "null"]}},
        }
    )
    extraction, task = failed("/b", "/c", schema=schema, value={"a": 1, "b": "?", "c": "?"})
    assert waive(extraction, task, "keep").value == {"a": 1, "c": None}
    check_best_effort(schema, ["b", "c"])
    with pytest.raises(SchemaError, match="`a` of answer is required and has no null"):
        check_best_effort(schema, ["a"])


@given(st.sets(st.sampled_from([at for at, _, _ in KEPT] + ["/company", "/buyer/street"]), min_size=1))
def test_nothing_but_what_failed_is_touched_and_all_of_it_is_said(at: set[str]) -> None:
    extraction, task = failed(*sorted(at))
    kept = waive(extraction, task, "keep")
    if kept is extraction:
        assert at & {"/company", "/buyer/street"}
        return
    assert set(kept.waived) == set(extraction.problems)
    gone = [one.pointer for one in kept.events if one.rule == "waived.field"]
    assert all(any(one == place or one.startswith(f"{place}/") for place in gone) for one in at)
    for name in GOOD:
        if not any(place == f"/{name}" or place.startswith(f"/{name}/") for place in gone):
            assert kept.partial[name] == GOOD[name]
    assert BILL.check(kept.partial).value == kept.value


# Naming fields

NAMES = [
    ("tax", None),
    ("kind", None),
    ("lines", None),
    ("lines.note", None),
    ("seller.city", None),
    ("buyer.city", None),
    ("total", "`total` of Bill is required and has no null: a record cannot do without it."),
    ("buyer.street", "`buyer.street` of Bill is required and has no null: a record cannot do without it."),
    ("lines.price", "`lines.price` of Bill is required and has no null: a record cannot do without it."),
    ("taxx", "Bill has no field `taxx`.\n  Did you mean `tax`?"),
    ("lines.notes", "Bill has no field `lines.notes`.\n  Did you mean `note`?"),
    ("seller.zip", "Bill has no field `seller.zip`.\n  There is: city, street."),
    ("tax.rate", "Bill has no field `tax.rate`."),
]


@pytest.mark.parametrize(("name", "told"), NAMES, ids=[one[0] for one in NAMES])
def test_a_name_is_a_field_that_may_be_empty(name: str, told: str | None) -> None:
    if told is None:
        check_best_effort(BILL, [name])
        return
    with pytest.raises(SchemaError) as caught:
        check_best_effort(BILL, [name])
    fix = "\n  Let it be null or give it a default in the schema, or take it out of best_effort."
    assert str(caught.value) == told + (fix if "required" in told else "")


def test_a_name_is_a_text() -> None:
    with pytest.raises(SchemaError, match="A field is named by a text, not by 3"):
        check_best_effort(BILL, [3])  # type: ignore[list-item]


def test_a_name_with_a_dot_is_a_name_first() -> None:
    class Dotted(BaseModel):
        net: int | None = Field(default=None, alias="net.total")

    check_best_effort(compile(Dotted), ["net.total"])


def test_a_field_that_the_reader_cannot_tell_is_a_field_like_any_other() -> None:
    beside = Problem("", "There was an end.", "refusal")
    told = Problem("/tax", "1 fits one kind here only by bending it", "reading", 1)
    for named, on_failure, kept in (((), "reject", False), (("tax",), "reject", True), ((), "keep", True)):
        for others in ((), (beside,)):
            extraction, task = failed(value={**GOOD, "tax": None}, beside=(told, *others))
            assert waive(extraction, task, on_failure, named).ok is kept
    both, task = failed("/kind", value={**GOOD, "tax": None}, beside=(told,))
    assert waive(both, task, "reject", ("kind",)) is both
