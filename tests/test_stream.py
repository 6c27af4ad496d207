"""The laws of an answer that is being written, in both shapes: a view depends on what has come and not on how it was
cut, what has ended never changes, and in the end the view is the value."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from test_compiler import CASES, JSON, SCHEMAS

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
