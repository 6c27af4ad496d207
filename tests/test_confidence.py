"""How sure a model is of each leaf, by its tokens: a leaf is charged with each token that has a byte of its literal,
and with no other.

With one token a byte, and one of them at a time unlikely, the bytes that a leaf is charged with can be read off; so the
laws are told of these.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from math import exp, log
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Json
from test_compiler import CONSTRAINED, JSON, NAMES, SCHEMAS, _nested, _of_wire

from extract import extract
from extract.call import Call, Failure, Reply, TokenLogprob
from extract.catalogue import ModelFacts, Price
from extract.confidence import Said, of_changes, of_record
from extract.document import Document
from extract.extraction import Extraction
from extract.jsontext import dump
from extract.pointer import ABSENT, get, leaves, put, split
from extract.schema import Schema, compile
from extract.task import Task
from extract.testing import Answer, FakeOpenAI


def tokens(*pieces: str | bytes | tuple[str | bytes, float]) -> tuple[TokenLogprob, ...]:
    """Tokens with their probabilities; those without one are certain."""
    made = []
    for piece in pieces:
        text, sure = piece if isinstance(piece, tuple) else (piece, 1.0)
        made.append(TokenLogprob(text.encode() if isinstance(text, str) else text, log(sure) if sure else -9999.0))
    return tuple(made)


def bytes_of(text: str, unlikely: int = -1) -> tuple[TokenLogprob, ...]:
    """A token for each byte, one of them unlikely."""
    return tuple(TokenLogprob(bytes([one]), -1.0 * (at == unlikely)) for at, one in enumerate(text.encode()))


def charged(text: str, form: Any, record: Any) -> dict[str, set[int]]:
    """The bytes that each leaf is charged with."""
    found: dict[str, set[int]] = {place: set() for place in of_record(Said(text, bytes_of(text)), form, record)}
    for at in range(len(text.encode())):
        for place, sure in of_record(Said(text, bytes_of(text, at)), form, record).items():
            assert sure in (1.0, pytest.approx(exp(-1)))
            if sure < 1.0:
                found[place].add(at)
    return found


def groups(text: str, places: set[int]) -> list[str]:
    """The pieces of a text at some bytes."""
    data = text.encode()
    made: list[bytes] = []
    for at in sorted(places):
        if at - 1 in places:
            made[-1] += data[at : at + 1]
        else:
            made.append(data[at : at + 1])
    return [one.decode() for one in made]


def literals(text: str, places: set[int]) -> list[Any]:
    """The values of the literals at some bytes, which must be whole; two may touch where a colon is missing."""
    found = []
    for group in groups(text, places):
        at = 0
        while at < len(group):
            value, at = json.JSONDecoder().raw_decode(group, at)
            found.append(value)
    return found


# ---- laws over generated schemas

LAW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
WRITERS = st.sampled_from(
    [
        lambda value: json.dumps(value, separators=(",", ":")),
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(value, indent=2),
    ]
)
OTHERS = [None, True, 0, 1, 3, -4, 2.5, "", "a", "bb", "x", "c", [], {}]


def other_values(source: Any, value: Any, place: str) -> list[Any]:
    """Values that differ from a valid one in one leaf, and are valid."""
    valid = Draft202012Validator(source)
    made = [put(value, place, one) for one in OTHERS if dump(one) != dump(get(value, place))]
    return [one for one in made if valid.is_valid(one)]


def differing(one: bytes, other: bytes) -> tuple[int, int]:
    """The range of `one` in which two texts differ."""
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    most = min(len(one), len(other)) - start
    same = next((at for at in range(most) if one[-1 - at] != other[-1 - at]), most)
    return start, len(one) - same


def _object(properties: dict[str, Any], required: bool, extras: Any) -> dict[str, Any]:
    made = {"type": "object", "properties": properties, "additionalProperties": extras}
    return {**made, "required": list(properties)} if required else made


PARTS = st.recursive(st.one_of(SCHEMAS, CONSTRAINED), _nested, max_leaves=4)
OBJECTS = st.builds(
    _object, st.dictionaries(NAMES, PARTS, min_size=2, max_size=4), st.booleans(), st.just(False) | PARTS
)


@st.composite
def records(draw: Any) -> tuple[Any, Schema[Any], Any, str]:
    """A schema's source, the schema, a valid value, and the value as a model writes it."""
    source = draw(st.one_of(OBJECTS, OBJECTS, PARTS))
    schema = compile(source, extras="keep")
    assume(len(json.dumps(schema.strict)) < 6000)
    assume("[^\\\\s\\\\S]" not in json.dumps(schema.strict))
    value = schema.decode(draw(_of_wire(schema.wire_type, schema.wire_type.root)))
    assume(Draft202012Validator(source).is_valid(value))
    text = draw(WRITERS)(schema.encode(value))
    assume(len(text) < 400)
    return source, schema, value, text


@LAW
@given(records(), st.data())
def test_a_leaf_is_charged_with_the_bytes_that_change_with_it(record: Any, data: st.DataObject) -> None:
    source, schema, value, _ = record
    write = data.draw(WRITERS)
    text = write(schema.encode(value))
    found = charged(text, schema.codec, value)
    places, wire = {place for place, _ in leaves(value)}, schema.encode(value)
    assert places <= found.keys()
    assert all(get(value, place) in (ABSENT, {}) for place in found.keys() - places)
    for place in places:
        for other in other_values(source, value, place):
            sent = schema.encode(other)
            if [at for at, _ in leaves(sent)] != [at for at, _ in leaves(wire)]:
                continue  # another alternative, with other names
            start, end = differing(text.encode(), write(sent).encode())
            assert min(found[place]) <= start, (text, place, other)
            assert end <= max(found[place]) + 1, (text, place, other)


@LAW
@given(records())
def test_a_leaf_is_charged_with_whole_literals_and_nothing_between_them(record: Any) -> None:
    _, schema, value, text = record
    for place, places in charged(text, schema.codec, value).items():
        *above, own = literals(text, places)
        assert all(isinstance(one, (str, int, float, bool)) or one is None for one in above)
        held = get(value, place)
        if isinstance(own, dict) and held not in ({}, []):
            assert list(own.values()) == [True if held is ABSENT else None]  # a mark
        elif held is ABSENT:
            assert own is None
        elif isinstance(held, (dict, list)):
            assert held in ({}, [])  # the wire may have any literal for it, such as {"map": []}
        else:
            assert own == held or json.loads(own) is not None, own


@LAW
@given(records(), WRITERS)
def test_in_the_users_shape_a_leaf_is_charged_with_its_literal_and_with_the_names_that_are_data(
    record: Any, write: Any
) -> None:
    _, schema, value, _ = record
    text = write(value)
    found = charged(text, schema.type, value)
    assert found.keys() == {place for place, _ in leaves(value)}
    for place, places in found.items():
        *names, own = literals(text, places)
        assert own == get(value, place)
        steps = iter(split(place))
        assert all(name in steps for name in names)


@LAW
@given(records(), st.data())
def test_however_the_text_is_cut_into_tokens_a_leaf_has_those_that_hold_a_byte_of_it(
    record: Any, data: st.DataObject
) -> None:
    _, schema, value, text = record
    written = text.encode()
    edges = sorted(data.draw(st.sets(st.integers(1, max(1, len(written) - 1)), max_size=12)) | {0, len(written)})
    made = tuple(
        TokenLogprob(written[start:end], -float(data.draw(st.integers(0, 9))) / 10) for start, end in pairwise(edges)
    )
    found = of_record(Said(text, made), schema.codec, value)
    for place, places in charged(text, schema.codec, value).items():
        held = [
            one.logprob
            for one, (start, end) in zip(made, pairwise(edges), strict=True)
            if any(start <= at < end for at in places)
        ]
        assert found[place] == pytest.approx(exp(sum(held)))


# ---- the rules, one by one


class Item(BaseModel):
    name: str
    price: float


class Circle(BaseModel):
    radius: float
    unit: str


class Square(BaseModel):
    radius: int
    unit: str


class Card(BaseModel):
    kind: Literal["card"]
    number: str


class Cash(BaseModel):
    kind: Literal["cash"]
    paid: int


class Thing(BaseModel):
    name: str
    count: int | None = 0
    note: str | None = None
    tags: list[str] = []
    rates: dict[str, float] = {}
    items: list[Item] = []


THING = compile(Thing)


def sure(schema: Schema[Any], *pieces: Any, shape: str = "wire") -> dict[str, float]:
    """The confidences that differ from 1 of an answer with these tokens."""
    made = tokens(*pieces)
    text = b"".join(one.bytes for one in made).decode()
    value = schema.parse(text, shape=shape).value  # type: ignore[arg-type]
    found = of_record(Said(text, made), schema.codec if shape == "wire" else schema.type, value)
    assert {place for place, _ in leaves(value)} <= found.keys()
    return {place: round(one, 9) for place, one in found.items() if one < 1.0}


EMOJI = "😀".encode()
RULES: dict[str, tuple[list[Any], dict[str, float]]] = {
    "a value and punctuation in one token": (['{"name":"A","count":', ("42}", 0.5)], {"/count": 0.5}),
    "punctuation before and value in one token": (['{"name', ('":"A', 0.5), '"}'], {"/name": 0.5}),
    "punctuation alone": (
        [("{", 0.1), '"name"', (": ", 0.1), '"A"', (", ", 0.1), ('"count":', 0.1), "42", (" }", 0.1)], {},
    ),
    "names of fields": ([('{"name', 0.1), '":"A"', (',"count', 0.1), '":1}'], {}),
    "a token over two values": (['{"name":"A","tags":["a', ('","', 0.5), 'b"]}'], {"/tags/0": 0.5, "/tags/1": 0.5}),
    "numbers in one token": (
        ['{"name":"A","rates":{"a":', ('1,"b":2', 0.5), "}}"], {"/rates/a": 0.5, "/rates/b": 0.5},
    ),
    "joint and not mean": (['{"name":"', ("A", 0.5), ("C", 0.5), ("M", 0.5), 'E"}'], {"/name": 0.125}),
    "the quote that opens a text decides for a text": (['{"name":"A","note":', ('"', 0.5), 'x"}'], {"/note": 0.5}),
    "the quote that closes a text decides that it ends": (['{"name":"A', ('"', 0.5), "}"], {"/name": 0.5}),
    "what ends a number": (['{"name":"A","count":4', (",", 0.1), '"tags":[]}'], {}),
    "null": (['{"name":"A","note":', ("nu", 0.5), ("ll", 0.5), "}"], {"/note": 0.25}),
    "an exponent": (['{"name":"A","rates":{"a":-1.5', ("E+", 0.5), "3}}"], {"/rates/a": 0.5}),
    "an empty text": (['{"name":"', ('"', 0.5), "}"], {"/name": 0.5}),
    "an empty list": (['{"name":"A","tags":[', ("]", 0.5), "}"], {"/tags": 0.5}),
    "an empty list in one token": (['{"name":"A","tags"', (":[]}", 0.5)], {"/tags": 0.5}),
    "an empty object": (['{"name":"A","rates":{', ("}", 0.5), "}"], {"/rates": 0.5}),
    "a list that ends": (['{"name":"A","tags":["x"', ("]", 0.1), "}"], {}),
    "the key of a map": (['{"name":"A","rates":{"', ("x", 0.5), '":', ("1", 0.5), "}}"], {"/rates/x": 0.25}),
    "key and value in one token": (['{"name":"A","rates":{"', ('x":1', 0.5), "}}"], {"/rates/x": 0.5}),
    "an escape": (['{"name":"a', ("\\", 0.5), ("u00", 0.5), 'e9b"}'], {"/name": 0.25}),
    "a character over tokens": (
        ['{"name":"', (EMOJI[:1], 0.5), (EMOJI[1:3], 0.5), EMOJI[3:] + b'","note":', ("null", 0.1), "}"],
        {"/name": 0.25, "/note": 0.1},
    ),
    "the whole answer in one token": ([('{"name":"A","count":1}', 0.5)], {"/name": 0.5, "/count": 0.5}),
    "tokens without bytes": (['{"name":"', ("", 0.1), 'A"}', ("", 0.1)], {}),
    "certainly not": (['{"name":"', ("A", 0.0), '"}'], {"/name": 0.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_what_is_charged_to_whom(name: str) -> None:
    pieces, expected = RULES[name]
    assert sure(THING, *pieces, shape="user") == expected


class Wired(BaseModel):
    data: Json[list[int]] = [1]
    maybe: Json[int | None] = None
    shape: Circle | Square | None = None
    paid: Card | Cash | None = None
    pair: tuple[int, str] | None = None
    rates: dict[str, Item] | None = None
    free: dict[str, Any] | None = None
    count: int = 0
    other: int | None = None


WIRED = compile(Wired)
BARE: dict[str, Any] = {
    **dict.fromkeys(("data", "maybe", "shape", "paid", "pair", "rates", "free", "count")),
    "other": {"missing": True},
}


def wired(name: str, *pieces: Any) -> dict[str, float]:
    """The confidences of an answer in which only one property is not missing."""
    before, after = dump({**BARE, name: "HERE"}, spaced=False).split('"HERE"')
    return sure(WIRED, before, *pieces, after)


ITEM = '{"name":"A","price":1}'
WIRES: dict[str, tuple[str, list[Any], dict[str, float]]] = {
    "missing, written as null": ("count", [("null", 0.5)], {"/count": 0.5}),
    "missing, with a mark": ("other", ['{"mi', ('ssing":true}', 0.5)], {"/other": 0.5}),
    "the key of a map counts for all in its value": (
        "rates", ['[{"key":"', ("x", 0.5), '","value":', ITEM, "}]"], {"/rates/x/name": 0.5, "/rates/x/price": 0.5},
    ),
    "the names of an entry count for nothing": ("rates", ['[{"', ("key", 0.1), '":"x","value":', ITEM, "}]"], {}),
    "a key after its value": (
        "rates", ['[{"value":{"name":"A","price":', ('1},"key":"', 0.5), ('x"', 0.5), "}]"],
        {"/rates/x/name": 0.25, "/rates/x/price": 0.25},
    ),
    "an empty map": ("rates", ["[", ("]", 0.5)], {"/rates": 0.5}),
    "free values": (
        "free", ['[{"k":"', ("a", 0.5), '","v":{"map":[{"k":"', ("b", 0.5), '","v":[', ("1", 0.5), "]}]}}]"],
        {"/free/a/b/0": 0.125},
    ),
    "an empty free object": ("free", ['[{"k":"a","v":{"map":', ("[", 0.5), "]}}]"], {"/free/a": 0.5}),
    "a variant counts for all of its object": (
        "shape", ['{"variant":"', ("Circle", 0.5), '","radius":1,"unit":', ('"m"', 0.5), "}"],
        {"/shape/radius": 0.5, "/shape/unit": 0.25},
    ),
    "a discriminator counts for itself": (
        "paid", ['{"kind":"', ("cash", 0.5), '","paid":3}'], {"/paid/kind": 0.5},
    ),
    "a tuple": ("pair", ['{"item0":', ("1", 0.5), ',"item1":"a"}'], {"/pair/0": 0.5}),
    "the text of a value": ("data", ["[", ("1", 0.5), (",", 0.1), ("2", 0.5), "]"], {"/data": 0.25}),
    "the text of an empty list": ("data", [("[", 0.5), "]"], {"/data": 0.5}),
    "the text of a null": ("maybe", ['{"json":', ("null", 0.5), "}"], {"/maybe": 0.5}),
}  # fmt: skip


@pytest.mark.parametrize("name", WIRES)
def test_what_is_charged_to_whom_on_the_wire(name: str) -> None:
    at, pieces, expected = WIRES[name]
    assert wired(at, *pieces) == expected


ENUM = compile({"enum": ["a", [1, 2], {"b": []}]})
TOLD = compile({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"additionalProperties": {"type": "null"}}]})


def test_the_box_around_a_root_counts_for_nothing() -> None:
    assert sure(compile(int), '{"value', (('":'), 0.1), ("4", 0.5), "2}") == {"": 0.5}


def test_a_structured_member_of_an_enumeration_is_one_literal() -> None:
    assert sure(ENUM, '{"value":"[', ("1", 0.5), ',2]"}') == {"/0": 0.5, "/1": 0.5}
    assert sure(ENUM, '{"value":"', ("a", 0.5), '"}') == {"": 0.5}


def test_the_box_that_tells_an_alternative_counts_for_all_in_it() -> None:
    assert sure(TOLD, '{"value":{"', ("map", 0.5), '":[{"key":"x","value":null}]}}') == {"/x": 0.5}


def deep(levels: int) -> Schema[Any]:
    """A schema with more levels than the wire has, so that the innermost ones are written as JSON text."""
    made: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
        "required": ["a", "b"],
    }
    for _ in range(levels):
        made = {"type": "object", "properties": {"x": made}, "required": ["x"], "additionalProperties": False}
    return compile(made)


@pytest.mark.parametrize("ascii_only", [True, False])
def test_leaves_in_a_json_text_have_their_own_part_of_it(ascii_only: bool) -> None:
    schema, value, at = deep(11), {"a": 17, "b": 'é"\\\ud83d 😀\n'}, "/x" * 11
    for _ in range(11):
        value = {"x": value}
    text = json.dumps(schema.encode(value))
    text = text if ascii_only else text.replace("\\u00e9", "é").replace("\\ud83d\\ude00", "😀")
    found = charged(text, schema.codec, value)
    assert list(found) == [f"{at}/a", f"{at}/b"]
    assert groups(text, found[f"{at}/a"]) == ["17"]
    [written] = groups(text, found[f"{at}/b"])
    assert json.loads(json.loads(f'"{written}"')) == get(value, f"{at}/b")


def test_a_json_text_in_which_a_name_stands_twice_counts_as_one_literal() -> None:
    schema, at = deep(11), "/x" * 11
    text = '{"x":' * 10 + '"{\\"x\\":{\\"a\\":1,\\"a\\":2,\\"b\\":\\"\\"}}"' + "}" * 10
    found = charged(text, schema.codec, schema.decode(json.loads(text)))
    assert found[f"{at}/a"] == found[f"{at}/b"]
    assert groups(text, found[f"{at}/a"]) == [text[50:-10]]


def test_a_declared_property_that_is_carried_counts_where_its_own_place_is_empty() -> None:
    schema = compile(
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a"],
            "additionalProperties": {"type": "integer"},
        }
    )
    before = '{"a":1,"b":null,"more":[{"key":"'
    assert sure(schema, before, ("b", 0.5), '","value":2},{"key":"', ("a", 0.1), '","value":9}]}') == {"/b": 0.5}


def test_in_the_users_shape_each_item_of_a_tuple_has_its_own_names() -> None:
    class Pair(BaseModel):
        held: tuple[dict[str, int], Item, dict[str, int]]

    pieces = ['{"held":[{"', ("name", 0.5), '":1},{"', ("name", 0.1), '":"A","price":1},{"', ("k", 0.5), '":1}]}']
    assert sure(compile(Pair), *pieces, shape="user") == {"/held/0/name": 0.5, "/held/2/k": 0.5}


# ---- tokens and texts that do not quite go together

CODE = '{"name":"A","count":1}'


@pytest.mark.parametrize(
    ("text", "pieces", "expected"),
    [
        (CODE, [" \n", '{"name":"', ("A", 0.5), '","count":1}', "</s>"], {"/name": 0.5}),
        (f"\n{CODE}", ['{"name":"', ("A", 0.5), '","count":1}'], {"/name": 0.5}),
        (f"```json\n{CODE}\n```", ["```", "json\n", '{"name":"', ("A", 0.5), '","count":1}\n', "```"], {"/name": 0.5}),
        (f"```json\n{CODE}\n```", ['{"name":"', ("A", 0.5), '","count":1}'], {"/name": 0.5}),
        (CODE, ["```json\n", '{"name":"', ("A", 0.5), '","count":1}', "\n```"], {"/name": 0.5}),
        (f"Here, 😀: {CODE}", ["Here, 😀", ": {", '"name":"', ("A", 0.5), '","count":1}'], {"/name": 0.5}),
        (CODE, ['{"name":"', ("B", 0.5), '","count":1}'], None),
        (CODE, ['{"name":"', ("A", 0.5), '","count":1'], None),
        (CODE, [CODE, ("\n", 0.5), CODE], None),
        (CODE, [], None),
        ('{"name":"é","count":1}', ['{"name":"', ("�", 0.5), '","count":1}'], None),
    ],
)  # fmt: skip
def test_a_difference_around_the_answer_is_borne_and_one_in_it_is_not(
    text: str, pieces: list[Any], expected: dict[str, float] | None
) -> None:
    read = THING.parse(text)
    found = of_record(Said(text, tokens(*pieces), read.events), THING.type, read.value)
    if expected is None:
        assert found == {}
    else:
        assert set(found) == {"/name", "/count"}
        assert {place: round(one, 9) for place, one in found.items() if one < 1} == expected


def test_an_answer_that_came_twice_is_known_where_it_is_all_of_the_text() -> None:
    text = f"<think>{CODE}</think>{CODE}"
    read = THING.parse(text)
    pieces = tokens("<think>", (CODE, 0.1), "</think>", '{"name":"', ("A", 0.5), '","count":1}')
    found = of_record(Said(text, pieces, read.events), THING.type, read.value)
    assert found == {"/name": pytest.approx(0.5), "/count": 1.0}


@pytest.mark.parametrize("logprob", [float("nan"), 0.5])
def test_a_probability_that_is_none_gives_none(logprob: float) -> None:
    made = (*tokens('{"name":'), TokenLogprob(b'"A"', logprob), *tokens(',"count":1}'))
    found = of_record(Said(CODE, made), THING.type, {"name": "A", "count": 1})
    assert found == ({} if logprob != logprob else {"/name": 1.0, "/count": 1.0})


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('{"name": "A", "count": 1,}', {"/name", "/count"}),
        ("{name: \"A\", 'count': 1}", {"/name", "/count"}),
        ('{"name": "A" "count": 1}', {"/name", "/count"}),
        ("{'name': 'A', \"count\": 1}", {"/count"}),
        ('{"name": "A", "count": +1}', {"/name"}),
        ('{"name": "A", // 😀\n "count": 1', {"/name", "/count"}),
        ('{"name": "A", "rates": {"x": 1, "y": 0x1}}', {"/name", "/rates/x"}),
    ],
)
def test_what_was_mended_has_no_confidence_and_the_rest_has(text: str, known: set[str]) -> None:
    read = THING.read(text, "lenient")
    halves = tokens(*((bytes([one]), 0.5) for one in text.encode()))
    found = of_record(Said(text, halves, read.events), THING.type, read.value)
    assert set(found) == known
    for place in known & {"/name", "/count", "/rates/x"}:
        assert found[place] == pytest.approx(0.5 ** (3 if place == "/name" else 4 if "rates" in place else 1))


BROKEN = (
    '{"name": "é", "count": 1, "tags": ["x", "y"], "rates": {"a": 1, "b": 2.5}, "items": [{"name": "i", "price": 1}]}'
)
EDITS = st.tuples(
    st.integers(0, len(BROKEN)), st.integers(0, 4), st.sampled_from(["", "", ",", '"', "}", "]", "\\", "1"])
)


@LAW
@given(st.lists(EDITS, max_size=3), st.sampled_from(["safe", "lenient"]), st.booleans())
def test_however_an_answer_was_mended_a_leaf_is_charged_with_what_it_was_read_from(
    edits: list[Any], policy: Any, cut: bool
) -> None:
    text = BROKEN
    for at, removed, added in edits:
        text = text[:at] + added + text[at + removed :]
    read = THING.read(text, policy, partial=cut)
    said = Said(text, bytes_of(text), read.events, cut)
    for place in of_record(said, THING.type, read.value):
        places = {
            at
            for at in range(len(text.encode()))
            if of_record(replace(said, tokens=bytes_of(text, at)), THING.type, read.value)[place] < 1
        }
        *names, own = literals(text, places)
        assert own == get(read.value, place)
        assert set(names) <= set(split(place))


@LAW
@given(records(), JSON, st.randoms(use_true_random=False), st.booleans())
def test_an_answer_that_does_not_fit_its_wire_is_no_error(record: Any, other: Any, random: Any, cut: bool) -> None:
    _, schema, value, text = record
    wire = json.loads(text)
    place = random.choice([at for at, _ in leaves(wire)])
    for at in (place, place.rpartition("/")[0]):
        bent = json.dumps(put(wire, at, other))
        found = of_record(Said(bent, bytes_of(bent), (), cut), schema.codec, value)
        assert all(get(value, one) in (ABSENT, {}) or one in dict(leaves(value)) for one in found)


@given(
    st.text(st.sampled_from('{}[]":,\\ a1é\ud800\n'), max_size=30),
    st.lists(st.builds(TokenLogprob, st.binary(max_size=4), st.floats(-9, 1) | st.just(float("nan"))), max_size=6),
    st.booleans(),
    JSON,
)
def test_nothing_that_a_model_can_say_is_an_error(text: str, made: list[TokenLogprob], cut: bool, record: Any) -> None:
    for form in (THING.type, WIRED.codec):
        assert set(of_record(Said(text, made, (), cut), form, record)) <= {"", *dict(leaves(record))}
    of_changes(Said(text, made, (), cut), THING.patch.wired.codec, record, THING.patch.pointer_of)
    nested = "[" * 100_000 if cut else "[" * 50_000 + "]" * 50_000
    assert of_record(Said(nested, made, (), cut), THING.type, record) == {}


def test_a_leaf_that_the_record_has_otherwise_has_no_confidence() -> None:
    text = '{"name":"A","count":1,"tags":["x","y"]}'
    record = {"name": "B", "count": 1.0, "tags": ["x"], "note": None}
    assert of_record(Said(text, bytes_of(text)), THING.type, record) == {"/count": 1.0, "/tags/0": 1.0}
    assert of_record(Said(text, bytes_of(text)), THING.type, ["A"]) == {}
    assert of_record(Said("no JSON", bytes_of("no JSON")), THING.type, {}) == {}
    assert of_record(Said("\ud800", bytes_of("?")), THING.type, {}) == {}


@pytest.mark.parametrize("end", range(len('{"name":"A","tags":["x","y"],"items":[{"name":"i","price":1')))
def test_of_an_answer_that_was_cut_off_what_is_finished_has_a_confidence(end: int) -> None:
    text = '{"name":"A","tags":["x","y"],"items":[{"name":"i","price":1},{"name":"j","price":22'[:end]
    found = of_record(Said(text, bytes_of(text), cut=True), THING.type, THING.read(text, partial=True).value)
    finished = [
        place
        for place, literal in {
            "/name": '"A",', "/tags/0": '"x",', "/tags/1": '"y"]', "/items/0/name": '"i",', "/items/0/price": "1}",
        }.items()
        if literal in text
    ]  # fmt: skip
    assert list(found) == finished


# ---- in a task


def tokens_of(text: str, low: dict[str, float]) -> tuple[TokenLogprob, ...]:
    """Tokens of a text, of which some pieces have these probabilities."""
    made: list[Any] = [text]
    for piece, probability in low.items():
        index = next(at for at, one in enumerate(made) if isinstance(one, str) and piece in one)
        before, after = made[index].split(piece, 1)
        made[index : index + 1] = [before, (piece, probability), after]
    return tokens(*made)


def answer(value: Any, low: dict[str, float], mode: Any = "strict", schema: Schema[Any] = THING, **more: Any) -> Reply:
    text = dump(schema.encode(value) if mode == "strict" else value)
    return Reply(text=text, mode=mode, logprobs=tokens_of(text, low), **more)


def change(low: dict[str, float], *made: dict[str, Any], schema: Schema[Any] = THING, **more: Any) -> Reply:
    text = dump(schema.patch.wired.codec.encode({"changes": list(made)}))
    return Reply(text=text, mode="strict", logprobs=tokens_of(text, low), **more)


def asked(task: Task[Any], *replies: Reply, text: str = "") -> tuple[Extraction[Any], list[Call]]:
    """The extraction and the calls on the way to it."""
    calls: list[Call] = []
    left = list(replies)
    steps = task.steps(Document(text=text) if text else LONG)
    try:
        round_ = next(steps)
        while True:
            calls += round_
            round_ = steps.send(tuple(left.pop(0) for _ in round_))
    except StopIteration as end:
        assert left == []
        return end.value, calls


LONG = Document(text="ACME Ltd\nTOTAL 4.95\n2 apples\n" + "The terms and conditions go on.\n" * 200)
MINI = ModelFacts("mini", "test", max_output=1000, price=Price(Decimal(1), Decimal(100)))
LARGE = replace(MINI, name="large")
THIRD = replace(MINI, name="third")
RECORD = {"name": "ACME", "count": 42, "note": None, "tags": ["x"], "items": [{"name": "apples", "price": 1.5}]}


@pytest.mark.parametrize("mode", ["strict", "json_schema"])
def test_one_model_says_how_sure_it_is_and_is_asked_no_more(mode: Any) -> None:
    result, calls = asked(Task(THING, (MINI,)), answer(RECORD, {'"ACME"': 0.2, "42": 0.75}, mode))
    assert (result.ok, len(calls), result.events) == (True, 1, ())
    assert result.confidence["/name"] == pytest.approx(0.2)
    assert result.confidence["/count"] == pytest.approx(0.75)
    assert result.confidence["/items/0/price"] == 1.0
    assert set(result.confidence) - {"/rates"} == {place for place, _ in leaves(RECORD)}


def test_without_log_probabilities_or_with_those_of_something_else_there_is_no_confidence() -> None:
    plain = Reply(text=dump(RECORD), mode="json_schema")
    for reply in (plain, replace(plain, logprobs=tokens("something else")), replace(plain, logprobs=())):
        result, _ = asked(Task(THING, (MINI, LARGE)), reply)
        assert (result.ok, result.confidence) == (True, {})


def test_a_confidence_of_the_models_own_comes_first() -> None:
    reply = replace(answer(RECORD, {"42": 0.1}), confidence={"/count": 0.9})
    result, _ = asked(Task(THING, (MINI,)), reply)
    assert result.confidence == {"/count": 0.9}


def test_what_a_model_doubts_is_asked_of_the_next_and_nothing_else() -> None:
    first = answer(RECORD, {'"ACME"': 0.75, "42": 0.25, "1.5": 0.4})
    second = change(
        {"43": 0.75, "1.5": 0.9, '"CHANGED"': 0.1},
        {"path": "/count", "value": 43},
        {"path": "/items/*", "at": [0], "value": {"name": "CHANGED", "price": 1.5}},
    )
    result, calls = asked(Task(THING, (MINI, LARGE, THIRD)), first, second)
    assert [(call.model, call.ask) for call in calls] == [("mini", "whole"), ("large", "changes")]
    assert [(one.pointer, one.value) for one in calls[1].failed] == [("/count", 42), ("/items/0/price", 1.5)]
    assert result.partial == {**RECORD, "count": 43}
    assert result.confidence["/name"] == pytest.approx(0.75)
    assert result.confidence["/count"] == pytest.approx(0.75)
    assert result.confidence["/items/0/price"] == pytest.approx(0.9)  # confirmed
    assert result.confidence["/items/0/name"] == 1.0


def test_what_the_next_model_doubts_as_well_goes_on_to_the_third() -> None:
    first = answer(RECORD, {"42": 0.25})
    result, calls = asked(
        Task(THING, (MINI, LARGE, THIRD), sure=0.5),
        first,
        change({"42": 0.4}, {"path": "/count", "value": 42}),
        change({"44": 0.3}, {"path": "/count", "value": 44}),
    )
    assert [call.model for call in calls] == ["mini", "large", "third"]
    assert result.ok
    assert result.partial == {**RECORD, "count": 44}
    assert result.confidence["/count"] == pytest.approx(0.3)


def test_how_sure_is_sure_enough_is_the_tasks_to_say() -> None:
    first = answer(RECORD, {"42": 0.25})
    assert len(asked(Task(THING, (MINI, LARGE), sure=0.2), first)[1]) == 1


def test_a_null_that_is_doubted_is_asked_for() -> None:
    value = {name: one for name, one in RECORD.items() if name != "count"}
    first = answer(value, {"null": 0.25})
    result, calls = asked(Task(THING, (MINI, LARGE)), first, change({}, {"path": "/count", "value": 7}))
    assert [(one.pointer, one.value) for one in calls[1].failed] == [("/count", None)]
    assert result.partial == {**value, "count": 7}
    assert result.confidence["/count"] == 1.0


def test_a_list_that_was_doubted_to_be_empty_is_known_by_its_items_once_it_has_some() -> None:
    first = answer({**RECORD, "items": []}, {'"items": []': 0.25})
    item = {"name": "apples", "price": 1.5}
    second = change({"1.5": 0.75}, {"path": "/items/*", "at": [0], "value": item})
    result, calls = asked(Task(THING, (MINI, LARGE, THIRD)), first, second)
    assert [one.pointer for one in calls[1].failed] == ["/items"]
    assert result.partial == RECORD
    known = {place: round(one, 9) for place, one in result.confidence.items() if place.startswith("/items")}
    assert known == {"/items/0/name": 1.0, "/items/0/price": 0.75}


def test_a_model_is_not_asked_again_for_what_it_doubts() -> None:
    bad = {**RECORD, "items": [{"name": "apples", "price": "many"}]}
    text = dump(bad)
    first = Reply(text=text, mode="json_schema", logprobs=tokens_of(text, {"42": 0.25}))
    mended = change({}, {"path": "/items/*", "at": [0], "value": {"name": "apples", "price": 1.5}})
    result, calls = asked(Task(THING, (MINI,)), first, mended)
    assert [one.pointer for one in calls[1].failed] == ["/items/0/price"]
    assert result.partial == RECORD
    assert result.confidence["/count"] == pytest.approx(0.25)
    assert result.confidence["/items/0/price"] == 1.0
    result, calls = asked(Task(THING, (MINI, LARGE)), first, mended, change({}, {"path": "/count", "value": 42}))
    assert [[one.pointer for one in call.failed] for call in calls[1:]] == [["/items/0/price"], ["/count"]]


def test_a_record_stays_valid_when_nobody_settles_what_was_doubted() -> None:
    cut = Reply(failure=Failure("transport", "Cut."))
    result, _ = asked(Task(THING, (MINI, LARGE)), answer(RECORD, {"42": 0.25}), cut)
    assert (result.ok, result.partial) == (True, RECORD)
    assert result.confidence["/count"] == pytest.approx(0.25)


def test_one_of_several_alternatives_is_asked_for_as_a_whole() -> None:
    record = {"shape": {"radius": 1.5, "unit": "m"}, "paid": {"kind": "cash", "paid": 3}, "maybe": "null"}
    first = answer(record, {"cash": 0.25, "Circle": 0.25}, schema=WIRED)
    second = change(
        {},
        {"path": "/paid", "value": {"kind": "card", "number": "1"}},
        {"path": "/shape", "value": {"radius": 2, "unit": "cm"}},
        schema=WIRED,
    )
    result, calls = asked(Task(WIRED, (MINI, LARGE)), first, second)
    assert {one.pointer for one in calls[1].failed} == {"/shape", "/paid"}
    assert result.partial == {
        "shape": {"radius": 2, "unit": "cm"}, "paid": {"kind": "card", "number": "1"}, "maybe": "null",
    }  # fmt: skip


def test_an_answer_in_parts_has_the_confidence_of_its_parts() -> None:
    items = [{"name": f"item {index}", "price": index} for index in range(4)]
    whole = dump({"name": "ACME", "count": 42, "items": items})
    text = whole[: whole.index("item 2") + 3]
    cut = Reply(text=text, mode="json_schema", finish="length", logprobs=tokens_of(text, {"42": 0.25, '"item 1"': 0.5}))
    rest = change(
        {'"item 2"': 0.75},
        *({"path": "/items/*", "at": [index], "value": items[index]} for index in (2, 3)),
    )
    result, calls = asked(Task(THING, (MINI,)), cut, rest)
    assert [call.ask for call in calls] == ["whole", "rest"]
    assert result.partial == {"name": "ACME", "count": 42, "items": items}
    assert {place: round(one, 9) for place, one in result.confidence.items()} == {
        **{place: 1.0 for place, _ in leaves(result.partial)},
        "/count": 0.25,
        "/items/1/name": 0.5,
        "/items/2/name": 0.75,
    }
    assert result.ok


def test_of_a_whole_new_answer_only_what_was_asked_for_is_known_anew() -> None:
    dear = replace(LARGE, price=Price(Decimal(100), Decimal(1)))
    first = answer(RECORD, {'"ACME"': 0.75, "42": 0.25, '"x"': 0.6})
    second = answer({**RECORD, "name": "OTHER", "count": 43}, {'"OTHER"': 0.9, "43": 0.8, '"x"': 0.9})
    result, calls = asked(Task(THING, (MINI, dear)), first, second)
    assert [call.ask for call in calls] == ["whole", "whole"]
    assert result.partial == {**RECORD, "count": 43}
    known = {place: round(one, 9) for place, one in result.confidence.items() if one < 1}
    assert known == {"/name": 0.75, "/count": 0.8, "/tags/0": 0.6}


def test_an_item_of_another_list_says_nothing_about_this_one() -> None:
    dear = replace(LARGE, price=Price(Decimal(100), Decimal(1)))
    first = answer(RECORD, {"1.5": 0.25})
    other = answer({**RECORD, "items": [{"name": "pears", "price": 1.5}]}, {"1.5": 0.9})
    result, calls = asked(Task(THING, (MINI, dear)), first, other, text="ACME\napples 1.5")
    assert [call.ask for call in calls] == ["whole", "whole"]
    assert result.partial == RECORD
    assert result.confidence["/items/0/price"] == pytest.approx(0.25)


@LAW
@given(st.data())
def test_a_change_gives_the_place_that_it_changes_the_confidence_of_its_value(data: st.DataObject) -> None:
    place, value = data.draw(
        st.sampled_from(
            [
                ("/name", "B"), ("/count", 7), ("/note", "n"), ("/note", None), ("/tags/0", "y"), ("/tags", ["y", "z"]),
                ("/rates/a~1b", 2.5), ("/items/1", {"name": "pears", "price": 2}), ("/items/0/price", 9),
            ]
        )
    )  # fmt: skip
    old = {**RECORD, "rates": {"a/b": 1.5}, "items": [*RECORD["items"], {"name": "b", "price": 0.5}]}
    new = put(old, place, value)
    [target] = THING.patch.targets(place)
    held = get(new, THING.patch.places.by_path[target.path].pointer(list(target.at)))
    made = {"path": target.path, "value": held} | ({"at": list(target.at)} if target.at else {})
    text = dump(THING.patch.wired.codec.encode({"changes": [made]}))
    value_at = text.index('"value": ') + len('"value": ')
    end = len(text) - 3
    for at in range(len(text)):
        halves = tokens(text[:at], (text[at], 0.5), text[at + 1 :])
        found = of_changes(Said(text, halves), THING.patch.wired.codec, new, THING.patch.pointer_of)
        within = {one for one, _ in leaves(held)}
        pointer = THING.patch.pointer_of(json.loads(text)["changes"][0])
        assert set(found) == {f"{pointer}{one}" for one in within}
        assert (value_at <= at < end) or not any(one < 1 for one in found.values())


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={"path": st.sampled_from(["/name", "/tags/*", "/items/*", ""]) | JSON, "at": JSON, "value": JSON},
        )
        | JSON
    ),
    st.sampled_from([THING, compile(list[int]), compile(dict[str, int]), compile(int)]),
    JSON,
)
def test_no_change_is_an_error(made: list[Any], schema: Schema[Any], record: Any) -> None:
    text = json.dumps({"changes": made})
    of_changes(Said(text, bytes_of(text)), schema.patch.wired.codec, record, schema.patch.pointer_of)


def test_changes_that_stand_for_nothing_have_no_confidence() -> None:
    codec, pointer_of = THING.patch.wired.codec, THING.patch.pointer_of
    for text in ('{"changes":[{"path":"/none","value":1}]}', '{"changes":[1]}', "[]", "{}", '{"changes":{}}', "?"):
        assert of_changes(Said(text, bytes_of(text)), codec, RECORD, pointer_of) == {}
    twice = change({"42": 0.25}, {"path": "/count", "value": 42}, {"path": "/count", "value": 42})
    found = of_changes(Said(twice.text or "", twice.logprobs or ()), codec, RECORD, pointer_of)
    assert found == {"/count": pytest.approx(0.25)}


# ---- over the wire


class Receipt(BaseModel):
    company: str
    total: float
    note: str | None = None


RECEIPT = compile(Receipt)
PAID = {"company": "ACME 😀 Ltd", "total": 4.95, "note": None}
TEXT = dump(RECEIPT.encode(PAID), spaced=False)


def split_at(text: str, low: dict[str, float]) -> Answer:
    return Answer(text, logprobs=[(one.bytes, one.logprob) for one in tokens_of(text, low)])


def test_a_function_says_how_sure_its_model_is(fake_openai: FakeOpenAI) -> None:
    @extract(model="openai/gpt-4o-mini", settings={"logprobs": True})
    def read_receipt(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read the receipt."""

    fake_openai.replies(split_at(TEXT, {":4.95,": 0.5}), TEXT)
    result = read_receipt.detail("ACME 😀 Ltd, TOTAL 4.95")
    assert result.value == Receipt(**PAID)
    assert result.confidence == {"/company": 1.0, "/total": pytest.approx(0.5), "/note": 1.0}
    assert fake_openai.requests[0].body["logprobs"] is True
    made_up = read_receipt.detail("ACME 😀 Ltd, TOTAL 4.95 again").confidence
    assert set(made_up) == {"/company", "/total", "/note"}
    assert all(0 < one < 1 for one in made_up.values())


def test_a_function_that_did_not_ask_for_log_probabilities_has_no_confidence(fake_openai: FakeOpenAI) -> None:
    @extract(model="openai/gpt-4o-mini")
    def read_receipt(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read the receipt."""

    fake_openai.replies(split_at(TEXT, {"4.95": 0.5}))
    assert read_receipt.detail("TOTAL 4.95").confidence == {}


def test_a_streamed_answer_has_the_same_confidence(fake_openai: FakeOpenAI) -> None:
    @extract(model="openai/gpt-4o-mini", settings={"logprobs": True})
    def read_receipt(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read the receipt."""

    answer = split_at(TEXT, {"ACME": 0.75, "4.95": 0.5})
    fake_openai.replies(answer, answer)
    *_, streamed = read_receipt.stream("TOTAL 4.95")
    assert streamed.confidence["/company"] == pytest.approx(0.75)
    assert streamed.confidence == read_receipt.detail("TOTAL 4.95").confidence


def test_a_cascade_hands_on_what_its_first_model_doubts(fake_openai: FakeOpenAI) -> None:
    @extract(model=["openai/gpt-4o-mini", "openai/gpt-4o"], settings={"logprobs": True})
    def read_receipt(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read the receipt."""

    changed = dump(RECEIPT.patch.wired.codec.encode({"changes": [{"path": "/total", "value": 4.96}]}))
    fake_openai.replies(split_at(TEXT, {"4.95": 0.3}), split_at(changed, {"4.96": 0.8}))
    result = read_receipt.detail("ACME 😀 Ltd, TOTAL 4.96\n" + "The terms and conditions go on.\n" * 200)
    assert [request.body["model"] for request in fake_openai.requests] == ["gpt-4o-mini", "gpt-4o"]
    assert result.value == Receipt(company="ACME 😀 Ltd", total=4.96)
    assert result.confidence["/total"] == pytest.approx(0.8)


def test_a_pipeline_writes_the_confidences(
    fake_openai: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/a.txt").write_text("ACME TOTAL 4.95")
    Path("receipt.json").write_text(dump(RECEIPT.full))
    pipeline = """\
name: receipts
model: openai/gpt-4o-mini
documents: in/*.txt
settings: {logprobs: true}
steps:
  - extract: receipt.json
write:
  - {to: out.jsonl, with: [confidence]}
"""
    Path("p.yaml").write_text(pipeline)
    fake_openai.replies(split_at(TEXT, {"4.95": 0.5}))
    command("run", "p.yaml", "--run", "r", cwd=tmp_path, base_url=fake_openai.base_url)
    [row] = map(json.loads, Path("out.jsonl").read_text().splitlines())
    assert row["_confidence"]["/total"] == pytest.approx(0.5)
    command("run", "p.yaml", "--run", "r", cwd=tmp_path, base_url=fake_openai.base_url)
    assert len(fake_openai.requests) == 1


def test_the_command_tells_the_confidences(fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(dump(RECEIPT.full))
    (tmp_path / "a.txt").write_text("ACME TOTAL 4.95")
    fake_openai.replies(split_at(TEXT, {"4.95": 0.5}))
    options = ("--schema", "receipt.json", "--model", "openai/gpt-4o-mini", "--setting", "logprobs=true", "--json")
    told = json.loads(command("from", "a.txt", *options, cwd=tmp_path, base_url=fake_openai.base_url))
    assert told["confidence"]["/total"] == pytest.approx(0.5)


def command(*args: str, cwd: Path, base_url: str) -> str:
    where = {"PYTHONPATH": str(Path(__file__).parent.parent), "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "any"}
    done = subprocess.run(
        [sys.executable, "-m", "extract", *args], capture_output=True, text=True, cwd=cwd, env={**os.environ, **where}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
