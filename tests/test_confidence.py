"""How sure a model is of each leaf, by its tokens: a leaf is charged with each token that has a byte of its literal,
and with no other.

With one token a byte, and one of them at a time unlikely, the bytes that a leaf is charged with can be read off; so the
laws are told of these.
"""

from __future__ import annotations

import json
from itertools import pairwise
from math import exp, log
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Json
from test_compiler import CONSTRAINED, NAMES, SCHEMAS, _nested, _of_wire

from extract.call import TokenLogprob
from extract.confidence import Said, of_record
from extract.jsontext import dump
from extract.pointer import ABSENT, get, leaves, put, split
from extract.schema import Schema, compile


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


# ---- laws over generated schemas

LAW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
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
        *above, own = [json.loads(one) for one in groups(text, places)]
        assert all(isinstance(one, (str, int, float, bool)) or one is None for one in above)
        held = get(value, place)
        if held is ABSENT:
            assert own in (None, {"missing": True}, {"left_out": True}), own
        elif isinstance(held, (dict, list)):
            assert held in ({}, [])  # the wire may have any literal for it, such as {"map": []}
        else:
            assert own in (held, {"value": held}, {"explicit_null": held}) or json.loads(own) is not None, own


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
        *names, own = [json.loads(one) for one in groups(text, places)]
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
