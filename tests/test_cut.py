"""The law of a cut answer: what is taken as a record after an answer was cut off is the record that it would have been,
or it is no record. Nothing that was cut off is lost in silence, wherever the cut was, however often, and however the
rest is answered."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, create_model

from extract import nodes
from extract.call import Call, Mode, Reply, Usage
from extract.catalogue import ModelFacts, Price
from extract.document import Document
from extract.extraction import Extraction
from extract.jsontext import dump
from extract.models.wire import Wire, body
from extract.parse import read
from extract.schema import Schema, compile
from extract.task import Task
from extract.testing.gold import Gold
from extract.testing.script import Request

MINI = ModelFacts("mini", "test", max_output=1000, price=Price(Decimal(1), Decimal(2)))
DOCUMENT = Document(text="KEY some text")
MODES: tuple[Mode, ...] = ("strict", "json_schema")


def well(schema: Schema[Any], record: Any, call: Call, mode: Mode) -> str:
    """What a model that is always right answers."""
    raw = body(call, Wire(MINI, "mini", mode=mode))
    answer = Gold({"KEY": record}, schema)(Request("POST", "/v1/chat/completions", {}, json.loads(raw), raw))
    assert answer is not None
    return answer.text  # type: ignore[union-attr]


def run(
    schema: Schema[Any], answer: Callable[[Call, int], Reply], attempts: int = 5
) -> tuple[Extraction[Any], list[Call]]:
    calls: list[Call] = []
    steps = Task(schema, (MINI,), attempts=attempts).steps(DOCUMENT)
    try:
        round_ = next(steps)
        while True:
            calls += round_
            round_ = steps.send(tuple(answer(call, len(calls)) for call in round_))
    except StopIteration as end:
        return end.value, calls


def cut_at(
    schema: Schema[Any],
    record: Any,
    mode: Mode,
    cuts: list[float | int],
    behave: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = list,
) -> tuple[Extraction[Any], list[Call]]:
    """The extraction where the first answers are cut: at a position, or at a share of their length. `behave` is what a
    model makes of the changes of its rest."""

    def answer(call: Call, number: int) -> Reply:
        text = well(schema, record, call, mode)
        codec = schema.patch.wired.codec
        if call.ask == "rest" and behave is not list:
            text = dump(codec.encode({"changes": behave(codec.decode(json.loads(text))["changes"])}))
        if number <= len(cuts):
            where = cuts[number - 1]
            text = text[: int(where * len(text)) if isinstance(where, float) else where]
            return Reply(text=text, mode=mode, finish="length", usage=Usage(10, 0, 10))
        return Reply(text=text, mode=mode, usage=Usage(10, 0, 10))

    return run(schema, answer)


def lawful(schema: Schema[Any], record: Any, result: Extraction[Any]) -> None:
    if result.ok:
        assert schema.dump(result.value) == schema.dump(schema.check(record).value)
    else:
        assert {one.kind for one in result.problems} & {"length", "missing", "invalid", "reading"}


# ---- the schemas


class Line(BaseModel):
    name: str
    price: Decimal


class Flat(BaseModel):
    company: str
    total: Decimal
    lines: list[Line]
    note: str | None = None
    tags: set[str] = set()
    done: bool


class Wide(BaseModel):
    a: int
    b: str
    c: list[str]
    d: str | None = None
    e: int = 0
    f: str = "x"
    g: float = 1.5


class Nested(BaseModel):
    head: Wide
    items: list[Wide]
    tail: str = "t"


class Maps(BaseModel):
    title: str
    prices: dict[str, int]
    deep: dict[str, list[int]]
    lines: dict[str, Line] = {}
    total: int = 0


class A(BaseModel):
    kind: Literal["a"]
    items: list[int]


class B(BaseModel):
    kind: Literal["b"]
    text: str


class Unions(BaseModel):
    u: A | B = Field(discriminator="kind")
    x: int | str
    y: list[A | B]
    note: str


class Node(BaseModel):
    name: str
    tags: list[str] = []
    next: Node | None = None
    kids: list[Node] = []


class Tuples(BaseModel):
    t: tuple[int, str, list[int]]
    v: tuple[int, ...]
    s: frozenset[int]
    when: datetime.date | None = None
    opt: Line | None = None
    lines: list[Line] | None = None
    any: Any = None


class Named(BaseModel):
    a: str = Field(alias="/a~b*")
    b: list[str] = Field(alias="", default=[])
    c: Line = Field(alias="c.d/é")


class Lines(RootModel[list[Line]]):
    pass


class Book(RootModel[dict[str, Line]]):
    pass


def _wide(a: int, **more: Any) -> dict[str, Any]:
    return {"a": a, "b": "q", "c": ["1", "2"], "d": None, "e": 5, "f": "g", "g": 0.5, **more}


LINES = [{"name": "p", "price": "1.10"}, {"name": "q", "price": "2.20"}, {"name": "r", "price": "3"}]
LEAF = {"name": "z", "tags": ["5", "6", "7"], "next": None, "kids": []}
CARRIED = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "string"}}},
    "required": ["a"],
    "additionalProperties": {"type": "integer"},
}
CASES: list[tuple[Any, Any]] = [
    (Flat, {"company": "ACME", "total": "4.95", "lines": LINES, "note": "hi", "tags": ["x"], "done": True}),
    (Flat, {"company": "ACME", "total": "4.95", "lines": LINES[:1], "note": None, "tags": [], "done": True}),
    (Nested, {"head": _wide(1, d="d"), "items": [_wide(1, e=4), _wide(2, c=["3"])], "tail": "u"}),
    (Maps, {"title": "t", "prices": {"apple": 1, "pear": 2, "plum": 3}, "deep": {"k": [1, 2, 3], "l": [4]},
            "lines": {"a/b": LINES[0], "~": LINES[1]}, "total": 6}),
    (Unions, {"u": {"kind": "a", "items": [1, 2, 3]}, "x": 5,
              "y": [{"kind": "b", "text": "q"}, {"kind": "a", "items": [7, 8]}], "note": "n"}),
    (Node, {"name": "x", "tags": ["1", "2"], "next": {"name": "y", "tags": ["3"], "next": LEAF, "kids": [LEAF]},
            "kids": [{**LEAF, "name": "l"}, {**LEAF, "name": "m"}]}),
    (Tuples, {"t": [1, "a", [1, 2]], "v": [1, 2, 3], "s": [4, 5], "when": "2024-01-02", "opt": LINES[0],
              "lines": None, "any": {"q": [1, 2, {"r": 3}]}}),
    (Tuples, {"t": [1, "a", []], "v": [], "s": [4], "when": None, "opt": None, "lines": LINES[:2], "any": [1, "b"]}),
    (Named, {"/a~b*": "v", "": ["p", "q"], "c.d/é": {"name": "n", "price": "2"}}),
    (Lines, LINES),
    (Book, {"k1": LINES[0], "k2": LINES[1], "k3": LINES[2]}),
    (CARRIED, {"a": 1, "b": ["x", "y"], "more": 2, "most": 3}),
]  # fmt: skip
IDS = [f"{index} {getattr(source, '__name__', 'schema')}" for index, (source, _) in enumerate(CASES)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("source", "record"), CASES, ids=IDS)
def test_an_answer_cut_anywhere_and_answered_well_is_the_record_or_none(source: Any, record: Any, mode: Mode) -> None:
    schema = compile(source)
    text = well(schema, record, Task(schema, (MINI,)).first_call(DOCUMENT), mode)
    outcomes = []
    for where in range(len(text) + 1):
        result, _ = cut_at(schema, record, mode, [where])
        lawful(schema, record, result)
        assert result.ok or [one.kind for one in result.problems] == ["length"]
        outcomes.append(result.ok)
    if source in (Flat, Nested, Maps):
        assert all(outcomes[text.index(",", 10) + 20 : -1]) or source is CARRIED


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("source", "record"), CASES, ids=IDS)
def test_a_rest_that_is_cut_as_well_goes_on_once_more(source: Any, record: Any, mode: Mode) -> None:
    schema = compile(source)
    text = well(schema, record, Task(schema, (MINI,)).first_call(DOCUMENT), mode)
    for where in range(len(text) + 1):
        result, _ = cut_at(schema, record, mode, [where, (where * 37 % 100) / 100])
        lawful(schema, record, result)
        assert result.ok or [one.kind for one in result.problems] == ["length"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("source", "record"), CASES, ids=IDS)
def test_an_answer_that_a_provider_has_closed_where_it_was_cut_is_no_whole_one(
    source: Any, record: Any, mode: Mode
) -> None:
    """Anthropic gives the input of a tool as JSON that ends, with half a text in it."""
    schema = compile(source)
    text = well(schema, record, Task(schema, (MINI,)).first_call(DOCUMENT), mode)
    ok = 0
    for where in range(2, len(text) + 1):
        closed = dump(read(text[:where], nodes.Type(nodes.Anything()), partial=True).value)

        def answer(call: Call, number: int) -> Reply:
            if number == 1:
                return Reply(text=closed, mode=mode, finish="length")  # noqa: B023
            return Reply(text=well(schema, record, call, mode), mode=mode)

        result, _ = run(schema, answer)
        lawful(schema, record, result)
        ok += result.ok
    assert ok > len(text) / 3 or source is CARRIED


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("source", "record"), CASES, ids=IDS)
def test_an_answer_that_ends_early_by_itself_is_no_whole_one(source: Any, record: Any, mode: Mode) -> None:
    schema = compile(source)
    text = well(schema, record, Task(schema, (MINI,)).first_call(DOCUMENT), mode)
    for where in range(len(text)):

        def answer(call: Call, number: int) -> Reply:
            return Reply(text=text[:where] if number == 1 else well(schema, record, call, mode), mode=mode)  # noqa: B023

        result, calls = run(schema, answer)
        assert schema.dump(result.value) == schema.dump(schema.check(record).value)
        assert len(calls) > 1


def test_where_only_the_last_bracket_is_missing_and_nothing_more_can_come_nothing_is_asked() -> None:
    schema, record = compile(Flat), CASES[0][1]
    for mode in MODES:
        text = well(schema, record, Task(schema, (MINI,)).first_call(DOCUMENT), mode)
        said = Reply(text=f"Here is the record: {text[:-1]},", mode=mode)
        result, calls = run(schema, lambda call, number, said=said: said)
        assert len(calls) == 1
        assert schema.dump(result.value) == schema.dump(schema.check(record).value)
        assert [(one.rule, one.note) for one in result.events if one.rule == "read.unclosed"] == [
            ("read.unclosed", "the last bracket is missing, and all that there can be is there")
        ]
        cut, _ = run(schema, lambda call, number, said=said: Reply(text=said.text, mode=said.mode, finish="length"), 1)
        assert [one.kind for one in cut.problems] == ["length"]


def test_a_bracket_that_is_missing_inside_loses_nothing() -> None:
    class Head(BaseModel):
        number: int
        note: str | None = None

    class Letter(BaseModel):
        head: Head
        total: int
        note: str | None = None
        lines: list[Line] = []

    schema = compile(Letter)
    record = {"head": {"number": 1, "note": None}, "total": 5, "note": "n", "lines": LINES}
    text = dump(record).replace(', "note": null}', "", 1)
    assert text.startswith('{"head": {"number": 1, "total"')
    for where in range(len(text) + 1):
        for finish in ("stop", "length"):

            def answer(call: Call, number: int) -> Reply:
                if number == 1:
                    return Reply(text=text[:where], mode="json_schema", finish=finish)  # type: ignore[arg-type]  # noqa: B023
                return Reply(text=well(schema, record, call, "json_schema"), mode="json_schema")

            lawful(schema, record, run(schema, answer)[0])


# ---- models that do not behave


def _unlike(change: dict[str, Any]) -> dict[str, Any]:
    """The change for the item behind, as a model makes it that counts from 1."""
    return {**change, "at": [*change["at"][:-1], change["at"][-1] + 1]} if _indexed(change) else change


def _indexed(change: dict[str, Any]) -> bool:
    return bool(change.get("at")) and isinstance(change["at"][-1], int)


def _without_inner(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the first item of each list that has several."""
    first = {}
    for index, one in enumerate(changes):
        if _indexed(one):
            first.setdefault((one["path"], *one["at"][:-1]), []).append(index)
    gone = {indexes[0] for indexes in first.values() if len(indexes) > 1}
    return [one for index, one in enumerate(changes) if index not in gone]


BEHAVIOURS: dict[str, Callable[[list[dict[str, Any]]], list[dict[str, Any]]]] = {
    "backwards": lambda changes: changes[::-1],
    "twice": lambda changes: [*changes, *changes],
    "counts from 1": lambda changes: [_unlike(one) for one in changes],
    "skips an item": _without_inner,
    "one place only": lambda changes: [one for one in changes if one["path"] == changes[0]["path"]],
    "no plain values": lambda changes: [one for one in changes if "at" in one],
}


@pytest.mark.parametrize("behave", BEHAVIOURS.values(), ids=BEHAVIOURS)
@pytest.mark.parametrize(("source", "record"), CASES, ids=IDS)
def test_a_model_that_orders_counts_or_leaves_out_wrongly_loses_nothing(source: Any, record: Any, behave: Any) -> None:
    schema = compile(source)
    text = well(schema, record, Task(schema, (MINI,)).first_call(DOCUMENT), "strict")
    for where in range(0, len(text) + 1, 3):
        for cuts in ([where], [where, 0.6]):
            lawful(schema, record, cut_at(schema, record, "strict", list(cuts), behave)[0])


@pytest.mark.parametrize(
    "said",
    ["", "I think so", "null", "[]", '{"changes": {}}', '{"changes": [', '{"changes": [{"path": "/nothing"}]}', "{}"],
)
def test_an_answer_that_is_no_rest_closes_nothing(said: str) -> None:
    schema, record = compile(Flat), CASES[0][1]
    text = well(schema, record, Task(schema, (MINI,)).first_call(DOCUMENT), "strict")
    for where in range(0, len(text) + 1, 5):

        def answer(call: Call, number: int) -> Reply:
            if number == 1:
                return Reply(text=text[:where], mode="strict", finish="length")  # noqa: B023
            return Reply(text=said, mode="strict")

        result, _ = run(schema, answer)
        assert [one.kind for one in result.problems] == ["length"]


# ---- any schema, any record


def _leaves() -> st.SearchStrategy[tuple[Any, st.SearchStrategy[Any]]]:
    word = st.text(st.sampled_from('ab ,"\\é{}[]'), max_size=5)
    return st.sampled_from(
        [
            (int, st.integers(-99, 9999)),
            (str, word),
            (Decimal, st.sampled_from(["1.10", "4", "0.05"])),
            (bool, st.booleans()),
            (str | None, st.none() | word),
            (Literal["x", "y"], st.sampled_from("xy")),
            (int | str, st.integers(0, 9) | st.sampled_from(["p", "q"])),
            (A | B, st.sampled_from([{"kind": "a", "items": [1, 2]}, {"kind": "b", "text": "t"}])),
            (Any, st.recursive(st.none() | st.integers(0, 9), lambda one: st.lists(one, max_size=2), max_leaves=3)),
            (Node, st.just({**LEAF, "kids": [LEAF]})),
        ]
    )


@st.composite
def _shapes(draw: st.DrawFn, depth: int = 2) -> tuple[Any, st.SearchStrategy[Any]]:
    """A type and its JSON values."""
    kind = draw(st.sampled_from(["leaf", "leaf", "list", "map", "record", "null", "tuple"])) if depth else "leaf"
    if kind == "leaf":
        return draw(_leaves())
    if kind == "record":
        return draw(_records(depth - 1))
    source, values = draw(_shapes(depth - 1))
    if kind == "list":
        return list[source], st.lists(values, max_size=4)
    if kind == "map":
        return dict[str, source], st.dictionaries(st.sampled_from(["k", "a/b", "~", ""]), values, max_size=3)
    if kind == "tuple":
        return tuple[int, source], st.tuples(st.integers(0, 9), values).map(list)
    return source | None, st.none() | values


@st.composite
def _records(draw: st.DrawFn, depth: int = 2) -> tuple[Any, st.SearchStrategy[Any]]:
    fields: dict[str, Any] = {}
    members: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for index in range(draw(st.integers(1, 9 if depth else 3))):
        source, values = draw(_shapes(depth))
        name, kind = f"f{index}", draw(st.sampled_from(["required", "required", "default", "made"]))
        made = draw(values) if kind != "required" else None
        default = Field(default_factory=lambda made=made: made) if kind == "made" else made
        fields[name] = (source, ... if kind == "required" else default)
        (members if kind == "required" else optional)[name] = values
    return create_model("M", **fields), st.fixed_dictionaries(members, optional=optional)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_record_of_any_schema_cut_anywhere_is_that_record_or_none(data: st.DataObject) -> None:
    source, values = data.draw(_records())
    schema = compile(source)
    record = data.draw(values)
    if schema.check(record).problems:
        return
    mode = data.draw(st.sampled_from(MODES))
    behave = data.draw(st.sampled_from([list, list, *BEHAVIOURS.values()]))
    if behave is list:  # who leaves something out of its rest has not mixed up its fields before
        record = dict(data.draw(st.permutations(list(record.items()))))
    text = well(schema, record, Task(schema, (MINI,)).first_call(DOCUMENT), mode)
    for where in range(0, len(text) + 1, max(1, len(text) // 60)):
        again = data.draw(st.floats(0.05, 0.95), label="where the rest is cut") if where % 8 == 0 else 0.5
        for cuts in ([where], [where, again]):
            lawful(schema, record, cut_at(schema, record, mode, list(cuts), behave)[0])
