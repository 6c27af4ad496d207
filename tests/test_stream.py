"""The laws of an answer that is being written, in both shapes: a view depends on what has come and not on how it was
cut, what has ended never changes, and in the end the view is the value."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from test_compiler import CASES, JSON, SCHEMAS

from extract.compiler.choosing import RecordCodec
from extract.pointer import get
from extract.schema import Schema, compile

LAW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
WORDS = st.sampled_from(
    ["", "a", "c", "ab", 'he said "hi"', "a\nb", "C:\\dir", "né 😀", '{"a": 1', "[1,", "12", "null"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 12345) | st.floats(-1e6, 1e6) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcxy"), inner, max_size=3),
    max_leaves=8,
)
STYLES = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def pieces(text: str, random: Any) -> list[str]:
    out = []
    while text:
        size = random.choice([1, 1, 2, 3, 5, 8, 40])
        out.append(text[:size])
        text = text[size:]
    return out


def follow(schema: Schema[Any], shape: Any, text: str, random: Any) -> list[tuple[str, Any, tuple[str, ...]]]:
    """Each prefix with its view and the items that closed with it; whatever was shown stays as it was."""
    reader = schema.reader(shape)
    seen, read = [], ""
    for piece in pieces(text, random):
        read += piece
        live = reader.feed(piece)
        kept = reader.snapshot()
        assert kept == live.value
        seen.append((read, kept, live.closed))
    assert [kept for _, kept, _ in seen] == [
        schema.read(prefix, shape=shape, partial=True).value for prefix, _, _ in seen
    ]
    reading = reader.finish()
    if not reading.problems:
        assert grown([kept for _, kept, _ in seen] + [reading.value])
    return seen


def grown(views: list[Any]) -> bool:
    return all(_within(a, b) for a, b in pairwise(views))


def _within(part: Any, whole: Any) -> bool:
    """Whether a view goes on as another: texts grow at their end, all else that is there stays."""
    if part is None:
        return True
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and _within(one, whole[name]) for name, one in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) <= len(whole) and all(map(_within, part, whole))
    if isinstance(part, str):
        return isinstance(whole, str) and whole.startswith(part)
    return type(part) is type(whole) and part == whole


def holds(schema: Schema[Any], value: Any, style: dict[str, Any], random: Any) -> None:
    for shape, sent in (("user", value), ("wire", schema.encode(value))):
        text = json.dumps(sent, **style)
        assert schema.read(text, shape=shape).value == value
        seen = follow(schema, shape, text, random)
        if isinstance(sent, (dict, list)):
            assert seen[-1][1] == value
        last = schema.read(text, shape=shape).value
        for _, _, closed in seen:
            for place in closed:
                assert get(last, place) == get(value, place)


@LAW
@given(SCHEMAS, st.lists(JSON | VALUES, min_size=4, max_size=4), STYLES, st.randoms(use_true_random=False))
def test_a_view_is_the_partial_reading_of_what_has_come(
    source: Any, values: list[Any], style: dict[str, Any], random: Any
) -> None:
    schema = compile(source, extras="keep")
    valid = Draft202012Validator(source)
    fitting = [value for value in values if valid.is_valid(value)]
    assume(fitting)
    for value in fitting:
        holds(schema, value, style, random)


@LAW
@given(st.sampled_from(sorted(CASES)), STYLES, st.randoms(use_true_random=False))
def test_every_construct_streams(name: str, style: dict[str, Any], random: Any) -> None:
    source, valid, _ = CASES[name]
    schema = compile(source, extras="keep")
    for value in valid:
        holds(schema, value, style, random)


@LAW
@given(SCHEMAS, JSON, JSON, st.randoms(use_true_random=False))
def test_a_view_of_what_does_not_fit_depends_on_its_text_only(source: Any, value: Any, other: Any, random: Any) -> None:
    schema = compile(source, extras="keep")
    for shape in ("user", "wire"):
        for text in (json.dumps(value), json.dumps(other)[:-1] + ", " + json.dumps(value), json.dumps([value, other])):
            follow(schema, shape, text, random)


class Counted(BaseModel):
    name: str
    note: str | None = None
    sizes: dict[str, int] = {}


class Shelf(BaseModel):
    kind: Literal["shelf"]
    rows: list[Counted]


class Box(BaseModel):
    kind: Literal["box"]
    size: int


def test_what_has_ended_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = compile(Shelf)
    value = {"kind": "shelf", "rows": [{"name": f"n{i}", "note": "x", "sizes": {"a": i}} for i in range(60)]}
    looked: list[int] = []
    partial = RecordCodec.partial
    monkeypatch.setattr(RecordCodec, "partial", lambda self, wire: looked.append(1) or partial(self, wire))
    reader = schema.reader("wire")
    for char in json.dumps(schema.encode(value)):
        reader.feed(char)
    assert reader.value == value
    assert len(looked) <= len(value["rows"])


def test_a_stream_hands_out_items_and_tells_records_apart_by_their_constants() -> None:
    schema = compile(list[Shelf | Box])
    value = [{"kind": "box", "size": 12}, {"kind": "shelf", "rows": [{"name": "oak", "sizes": {}}]}]
    for shape, sent in (("user", value), ("wire", schema.encode(value))):
        reader = schema.reader(shape)
        views, closed = [], []
        for char in json.dumps(sent):
            live = reader.feed(char)
            closed += live.closed
            views += [] if live.value in views else [reader.snapshot()]
        assert closed == ["/0", "/1/rows/0", "/1"]
        assert [{"kind": "box"}] in views
        assert [{"kind": "box", "size": 1}] not in views
        assert [value[0], {"kind": "shelf", "rows": [{"name": "o"}]}] in views
        assert (live.value, live.complete, reader.finish().problems) == (value, True, ())


def test_a_snapshot_stays_as_it_is() -> None:
    reader = compile(list[Counted]).reader()
    reader.feed('[{"name": "a"}, {"name": "b')
    first = reader.snapshot()
    assert first is reader.snapshot()
    reader.feed('c", "sizes": {"x": 1}}]')
    assert first == [{"name": "a"}, {"name": "b"}]
    assert reader.snapshot() == [{"name": "a"}, {"name": "bc", "sizes": {"x": 1}}]
    assert reader.snapshot()[0] is reader.value[0]


def test_a_name_that_comes_twice_in_a_map_is_refused() -> None:
    schema = compile(dict[str, int])
    text = '{"value": [{"key": "a", "value": 1}, {"key": "a", "value": 2}]}'
    reader = schema.reader("wire")
    for char in text:
        live = reader.feed(char)
    assert live.value == {"a": 1}
    for reading in (reader.finish(), schema.read(text, shape="wire")):
        assert [problem.message for problem in reading.problems] == [
            "A name stands twice among the entries of an object"
        ]
