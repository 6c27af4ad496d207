"""The laws of a repair's answer: every place has a path, the schema is legal and one for each type, and an answer
changes what was asked for and nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from extract.compiler import violations
from extract.jsontext import dump, same
from extract.pointer import ABSENT, drop, get, inside, leaves
from extract.schema import compile


class Line(BaseModel):
    name: str
    price: Decimal
    tags: list[str] = []


class Address(BaseModel):
    street: str
    city: str | None = None


class Card(BaseModel):
    kind: Literal["card"]
    number: str


class Cash(BaseModel):
    kind: Literal["cash"]


class Bill(BaseModel):
    company: str = Field(description="The seller's name.")
    total: Decimal
    count: int = 1
    address: Address
    other: Address | None = None
    lines: list[Line]
    rates: dict[str, float] = {}
    pair: tuple[int, str] = (1, "a")
    paid: Card | Cash | None = None


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


BILL = compile(Bill)
VALUE: dict[str, Any] = {
    "company": "ACME",
    "total": "4.95",
    "count": 2,
    "address": {"street": "High Street", "city": None},
    "other": {"street": "Low Street", "city": "Leeds"},
    "lines": [{"name": "a", "price": "1", "tags": ["x", "y"]}, {"name": "b", "price": "2", "tags": []}],
    "rates": {"a/b": 0.5, "c": 1.5},
    "pair": [1, "a"],
    "paid": {"kind": "card", "number": "1"},
}
TYPES: list[Any] = [
    Bill, Tree, list[Line], dict[str, Line], int, str | None, list[int], tuple[int, str],
    {"type": "object", "properties": {"a": {"type": "array", "items": {"$ref": "#"}}, "*": {"type": "string"}}},
    {}, True, False, {"oneOf": [{"type": "string"}, {"required": ["a"]}]},
]  # fmt: skip


@pytest.mark.parametrize("source", TYPES, ids=str)
def test_the_schema_of_changes_is_legal_and_always_the_same(source: Any) -> None:
    schema = compile(source)
    assert violations(schema.patch.shape.wire) == ()
    again = compile.__wrapped__(source) if hasattr(compile, "__wrapped__") else compile(source)
    assert dump(again.patch.shape.wire) == dump(schema.patch.shape.wire)
    assert schema.patch.shape.name == f"{schema.name}_changes"


def test_every_leaf_has_a_path_and_the_paths_are_those_that_one_would_write() -> None:
    for pointer, _ in leaves(VALUE):
        assert BILL.patch.targets(pointer), pointer
    assert [(one.path, one.at, one.about) for one in BILL.patch.targets("/company")] == [
        ("/company", (), "The seller's name.")
    ]
    assert [(one.path, one.at) for one in BILL.patch.targets("/lines/1/price")] == [("/lines/*", (1,))]
    wide = {"type": "object", "properties": {f"f{index}": {"type": "string"} for index in range(9)}}
    schema = compile({"type": "object", "properties": {"lines": {"type": "array", "items": wide}}})
    assert [(one.path, one.at) for one in schema.patch.targets("/lines/1/f3")] == [("/lines/*/f3", (1,))]
    assert [(one.path, one.at) for one in BILL.patch.targets("/rates/a~1b")] == [("/rates/*", ("a/b",))]
    assert [one.path for one in BILL.patch.targets("/address")] == ["/address/street", "/address/city"]
    assert [one.path for one in BILL.patch.targets("/paid/number")] == ["/paid"]
    assert BILL.patch.targets("/pair/1")[0].path == "/pair/1"


def test_places_of_one_form_share_a_branch() -> None:
    wide = {"type": "object", "properties": {f"field_{index}": {"type": "string"} for index in range(40)}}
    schema = compile({**wide, "required": list(wide["properties"])})
    [branch] = [schema.patch.shape.wire["properties"]["changes"]["items"]]
    assert branch["properties"]["path"]["enum"] == [f"/field_{index}" for index in range(40)]
    assert len(dump(schema.patch.shape.wire)) < 0.6 * len(dump(schema.strict))


def _answer(*changes: dict[str, Any]) -> str:
    wire = BILL.patch.wired.codec.encode({"changes": list(changes)})
    assert Draft202012Validator(BILL.patch.shape.wire).is_valid(wire)
    return dump(wire)


GOLD = {
    **VALUE,
    "company": "ACME Ltd",
    "lines": [{"name": "a", "price": "1.5", "tags": ["x", "z"]}, {"name": "c", "price": "2", "tags": ["n"]}],
    "other": None,
    "rates": {"a/b": 0.25, "c": 1.5},
    "paid": {"kind": "cash"},
}


@pytest.mark.parametrize(
    "failed",
    [("/company",), ("/lines/0/price", "/lines/0/tags/1"), ("/lines/1",), ("/rates/a~1b",), ("/paid",), ("/other",)],
)
def test_the_right_values_at_the_places_that_failed_make_the_record_right_there(failed: tuple[str, ...]) -> None:
    changes = []
    for place in failed:
        for target in BILL.patch.targets(place):
            found = BILL.patch.places.by_path[target.path]
            change = {"path": target.path, "value": get(GOLD, found.pointer(list(target.at)))}
            changes.append({**change, "at": list(target.at)} if target.at else change)
    made = BILL.patch.apply(VALUE, _answer(*changes), failed)
    assert made.problems == ()
    for pointer in {one for one, _ in (*leaves(VALUE), *leaves(GOLD))}:
        wanted = GOLD if any(inside(pointer, place) for place in failed) else VALUE
        assert same(get(made.value, pointer), get(wanted, pointer)) or get(wanted, pointer) is ABSENT
    assert {event.rule for event in made.events} <= {"repair.field"}


PLACES = st.sampled_from(
    [pointer for pointer, _ in leaves(VALUE)] + ["/lines/0", "/lines", "/address", "/x", "/lines/7"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "price", "street"]), inner),
    max_leaves=5,
)
CHANGE = st.fixed_dictionaries(
    {"path": st.sampled_from([*BILL.patch.places.by_path, "/nothing"]), "value": JSON},
    optional={"at": st.lists(st.integers(0, 3) | st.sampled_from(["a/b", "c", "new"]), max_size=2)},
)
ANSWERS = st.one_of(
    st.builds(lambda changes: dump({"changes": changes}), st.lists(CHANGE, max_size=6)),
    st.text(max_size=30),
    JSON.map(dump),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PLACES, min_size=1, max_size=3), ANSWERS, st.booleans())
def test_whatever_an_answer_holds_it_changes_what_was_asked_for_and_nothing_else(
    failed: list[str], answer: str, partial: bool
) -> None:
    made = BILL.patch.apply(VALUE, answer, failed, partial)
    for pointer, leaf in leaves(VALUE):
        if not any(inside(pointer, place) or inside(place, pointer) for place in failed):
            assert get(made.value, pointer) is leaf, (pointer, made.events)
    grown = made.value
    for place in failed:
        grown = drop(grown, place)
    rest = VALUE
    for place in failed:
        rest = drop(rest, place)
    added = {one for one, _ in leaves(grown)} - {one for one, _ in leaves(rest)}
    assert not {one for one in added if not any(inside(place, one) or inside(one, place) for place in failed)}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([("/lines",), ("", "/lines"), ("/rates",)]), ANSWERS)
def test_what_goes_on_adds_and_changes_nothing(open_: tuple[str, ...], answer: str) -> None:
    made = BILL.patch.extend(VALUE, answer, open_)
    for pointer, leaf in leaves(VALUE):
        if leaf not in ({}, []):
            assert get(made.value, pointer) == leaf


def test_a_list_that_is_not_there_is_made() -> None:
    change = {"path": "/lines/*", "at": [0], "value": {"name": "a", "price": "1", "tags": []}}
    for lines in ({}, {"lines": None}):
        without = {name: inner for name, inner in VALUE.items() if name != "lines"} | lines
        made = BILL.patch.apply(without, _answer(change), ["/lines"])
        assert made.value["lines"] == [change["value"]]
        assert BILL.patch.extend({"company": "A"}, _answer(change), [""]).value["lines"] == [change["value"]]
