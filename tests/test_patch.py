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

from extract.call import Target
from extract.compiler import violations
from extract.jsontext import dump, same
from extract.parse import Cut, Reading
from extract.pointer import ABSENT, drop, get, inside, leaves
from extract.rest import Gap, asked, begin, go_on
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


OPEN = [("", "/lines"), ("", "/rates"), ("",), ("", "/lines", "/lines/1")]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(OPEN), st.sampled_from(["company", "paid", "other", "address"]), ANSWERS, st.booleans())
def test_what_goes_on_adds_and_changes_nothing(open_: tuple[str, ...], lacking: str, answer: str, ended: bool) -> None:
    value = {name: inner for name, inner in VALUE.items() if name != lacking or f"/{name}" in open_}
    begun = begin(BILL.patch, Reading(value, complete=False, cut=Cut(open_)))
    assert begun is not None
    made = go_on(begun.value, begun.gaps, BILL.patch.read(answer, partial=not ended), ended)
    for pointer, leaf in leaves(begun.value):
        if leaf not in ({}, []):
            assert get(made.value, pointer) == leaf
    assert {gap.pointer for gap in made.gaps} <= {gap.pointer for gap in begun.gaps}
    added = {one for one, _ in leaves(made.value)} - {one for one, _ in leaves(begun.value)}
    assert all(any(inside(one, gap.pointer) for gap in begun.gaps) for one in added)


def test_what_a_cut_answer_lacks_is_asked_for_place_by_place() -> None:
    value = {"company": "ACME", "address": {"street": "High Street"}, "lines": VALUE["lines"], "rates": {"a/b": 0.5}}
    begun = begin(BILL.patch, Reading(value, complete=False, cut=Cut(("", "/lines"), "/lines/1", True)))
    assert begun is not None
    assert begun.value == {**value, "lines": VALUE["lines"][:1]}
    assert [
        (one.pointer, one.message, [(to.path, to.at) for to in one.targets]) for one in asked(begun.value, begun.gaps)
    ] == [
        ("/total", "this is not there yet", [("/total", ())]),
        ("/count", "this is not there yet", [("/count", ())]),
        ("/other", "this is not there yet", [("/other", ())]),
        ("/pair", "this is not there yet", [("/pair", ())]),
        ("/paid", "this is not there yet", [("/paid", ())]),
        (
            "/lines",
            f"1 item is there, the last one {dump(VALUE['lines'][0])}; the next ones are missing",
            [("/lines/*", ())],
        ),
    ]
    begun = begin(BILL.patch, Reading(VALUE, complete=False, cut=Cut(("", "/rates"), "/rates/c", True)))
    assert begun is not None
    [failed] = asked(begun.value, begun.gaps)
    assert (failed.pointer, failed.message) == (
        "/rates",
        '1 entry is there, the last one "a/b": 0.5; the next ones are missing',
    )


@pytest.mark.parametrize(
    ("value", "open_", "kept", "gaps"),
    [
        ({**VALUE, "paid": {"kind": "card"}}, ("", "/paid"), {"paid": ABSENT}, ["/paid"]),
        ({**VALUE, "pair": [1]}, ("", "/pair"), {"pair": ABSENT}, ["/pair"]),
        ({"lines": [{"name": "a"}]}, ("", "/lines", "/lines/0"), {"lines": []}, ["/address/street", "/lines"]),
        ({"company": "A", "other": {"street": "x"}}, ("", "/other"), {"other": {"street": "x"}}, ["/other/city"]),
    ],
)
def test_what_is_open_and_has_no_path_is_asked_for_with_what_is_around_it(
    value: Any, open_: tuple[str, ...], kept: dict[str, Any], gaps: list[str]
) -> None:
    begun = begin(BILL.patch, Reading(value, complete=False, cut=Cut(open_)))
    assert begun is not None
    assert {name: get(begun.value, f"/{name}") for name in kept} == kept
    assert set(gaps) <= {gap.pointer for gap in begun.gaps}


def test_what_goes_on_nowhere_is_not_kept() -> None:
    wide = compile({"type": "object", "properties": {f"f{index}": {"type": "integer"} for index in range(200)}})
    carried = compile({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {}})
    kept = compile({"type": "object", "properties": {"a": {"type": "integer"}}}, extras="keep")
    for schema in (wide, carried, kept, compile(Card | Cash), compile(tuple[int, str])):
        for value in ({"f1": 1, "f2": 2}, {"a": 1, "b": 2}, {"kind": "card"}, [1]):
            assert begin(schema.patch, Reading(value, complete=False, cut=Cut(("",)))) is None


def _gap(pointer: str, kind: Any = "items", more: bool = False) -> Gap:
    return Gap(pointer, kind, Target(f"{pointer}/*"), more)


def _said(*items: tuple[int, str]) -> str:
    changes = [
        {"path": "/lines/*", "at": [at], "value": {"name": name, "price": "1", "tags": []}} for at, name in items
    ]
    return _answer(*changes)


@pytest.mark.parametrize(
    ("items", "names", "closed"),
    [
        ([(1, "b"), (2, "c")], "abc", True),
        ([(2, "c"), (1, "b")], "abc", True),  # in another order
        ([(2, "c"), (3, "d")], "a", False),  # counted from 1
        ([(1, "b"), (3, "d")], "ab", False),  # one is missing
        ([(1, "b"), (1, "x")], "a", False),  # which of the two
        ([(1, "b"), (1, "b")], "ab", False),  # said twice
        ([(0, "x"), (1, "b")], "a", False),  # counted from 1 item before
        ([(0, "a"), (1, "b")], "ab", False),  # what is there is said again
        ([], "a", True),  # there is no more
    ],
)
def test_a_list_is_closed_by_items_that_follow_each_other(
    items: list[tuple[int, str]], names: str, closed: bool
) -> None:
    value = {"lines": [{"name": "a", "price": "1", "tags": []}]}
    made = go_on(value, [_gap("/lines")], BILL.patch.read(_said(*items)), ended=True)
    assert [one["name"] for one in made.value["lines"]] == list(names)
    assert (made.gaps == ()) is closed
    cut = go_on(value, [_gap("/lines")], BILL.patch.read(_said(*items)), ended=False)
    assert cut.gaps != ()
    more = go_on(value, [_gap("/lines", more=True)], BILL.patch.read(_said(*items)), ended=True)
    assert (more.gaps == ()) is (closed and bool(items))


def test_what_need_not_be_there_and_was_gone_past_is_not_there_if_a_rest_does_not_say_so_either() -> None:
    class Part(BaseModel):
        name: str
        count: int = 1
        size: int = Field(2, gt=0)
        more: list[Line] = []
        lines: list[Line]
        note: str = "n"

    patch = compile(Part).patch
    text = '{"name": "a", "size": -1, "lines": [{"name": "b", "price": "1"}, {"na'
    begun = begin(patch, compile(Part).read_cut(text))
    assert begun is not None
    assert {gap.pointer: gap.passed for gap in begun.gaps} == {
        "/count": True, "/size": False, "/more": True, "/note": False, "/lines": False
    }  # fmt: skip
    line = {"path": "/lines/*", "at": [1], "value": {"name": "c", "price": "1", "tags": []}}
    said = dump(patch.wired.codec.encode({"changes": [line]}))
    assert {gap.pointer for gap in go_on(begun.value, begun.gaps, patch.read(said), ended=True).gaps} == {
        "/size",
        "/note",
    }
    assert {gap.pointer for gap in go_on(begun.value, begun.gaps, patch.read(said), ended=False).gaps} == {
        gap.pointer for gap in begun.gaps
    }


def test_that_there_is_no_more_is_said_by_an_answer_that_says_nothing() -> None:
    gaps = [_gap("/lines"), Gap("/company", "value", Target("/company"))]
    first = go_on({"lines": []}, gaps, BILL.patch.read(_answer({"path": "/company", "value": "A"})), ended=True)
    assert [gap.pointer for gap in first.gaps] == ["/lines"]
    assert go_on(first.value, first.gaps, BILL.patch.read(_answer()), ended=True).gaps == ()
    assert go_on({"lines": []}, gaps, BILL.patch.read(_answer()), ended=True).gaps == tuple(gaps)


def test_a_value_that_was_asked_for_and_is_refused_is_a_problem_of_its_place() -> None:
    gaps = [Gap("/count", "value", Target("/count")), Gap("/total", "value", Target("/total"))]
    said = dump({"changes": [{"path": "/count", "value": "many"}, {"path": "/total", "value": "1"}]})
    made = go_on({}, gaps, BILL.patch.read(said), ended=True)
    assert made.value == {"total": "1"}
    assert made.gaps == ()
    assert [(one.pointer, one.value) for one in made.problems] == [("/count", "many")]


def test_a_list_that_is_not_there_is_made() -> None:
    change = {"path": "/lines/*", "at": [0], "value": {"name": "a", "price": "1", "tags": []}}
    for lines in ({}, {"lines": None}):
        without = {name: inner for name, inner in VALUE.items() if name != "lines"} | lines
        made = BILL.patch.apply(without, _answer(change), ["/lines"])
        assert made.value["lines"] == [change["value"]]


def test_what_is_around_a_missing_place_comes_along_where_it_is_missing_too() -> None:
    without = {name: inner for name, inner in VALUE.items() if name != "other"}
    made = BILL.patch.apply(without, _answer({"path": "/other", "value": VALUE["other"]}), ["/other/street"])
    assert made.value["other"] == VALUE["other"]


def test_a_list_of_records_that_may_be_null_can_be_answered_with_null() -> None:
    class Maybe(BaseModel):
        lines: list[Line] | None
        more: list[Line] = []
        other: list[Line] = Field(default_factory=lambda: [Line(name="a", price=Decimal(1))])

    assert [*compile(Maybe).patch.places.by_path] == ["/lines", "/other", "/lines/*", "/more/*", "/other/*"]


@pytest.mark.parametrize(
    ("tags", "taken"), [(["x", "z"], "z"), (["x"], "y"), (["z", "x"], "y"), (["x", "y", "z"], "y")]
)
def test_of_a_whole_list_an_item_is_taken_between_the_same_neighbours_only(tags: list[str], taken: str) -> None:
    line = {**VALUE["lines"][0], "tags": tags}
    made = BILL.patch.apply(VALUE, _answer({"path": "/lines/*", "at": [0], "value": line}), ["/lines/0/tags/1"])
    assert made.value == {**VALUE, "lines": [{**VALUE["lines"][0], "tags": ["x", taken]}, VALUE["lines"][1]]}
