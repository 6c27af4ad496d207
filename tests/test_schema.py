"""The face of a compiled type: reading in both shapes, pointers, strictness, findings, and the page of the docs."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from extract.call import Shape
from extract.errors import ReadingFailed, SchemaError
from extract.schema import Schema, compile

ROOT = Path(__file__).parents[1]


class Item(BaseModel):
    name: str
    count: int | None = None
    tags: dict[str, int] = {}


class Order(BaseModel):
    items: list[Item]
    note: str = Field(default="", max_length=10)


VALUES = st.builds(
    lambda items: {"items": items},
    st.lists(
        st.fixed_dictionaries(
            {"name": st.text(max_size=3)},
            optional={"count": st.none() | st.integers(), "tags": st.dictionaries(st.text(max_size=2), st.integers())},
        ),
        max_size=3,
    ),
)


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_both_shapes_are_read_exactly(value: Any) -> None:
    schema = compile(Order)
    for shape, shown in (("user", value), ("wire", schema.encode(value))):
        reading = schema.parse(json.dumps(shown), shape=shape)  # type: ignore[arg-type]
        assert reading.value == value
        assert reading.events == ()


def test_what_cannot_be_read_is_raised_with_what_is_left() -> None:
    schema = compile(Order)
    with pytest.raises(ReadingFailed) as caught:
        schema.parse("There is nothing here.")
    assert caught.value.problems
    assert schema.read("There is nothing here.").problems == caught.value.problems


def test_the_remedy_of_what_cannot_be_read_names_a_policy_that_was_not_tried() -> None:
    schema, fixes = compile(Order), {}
    for policy in ("strict", "safe", "lenient"):
        with pytest.raises(ReadingFailed) as caught:
            schema.parse("There is nothing here.", policy)
        fixes[policy] = caught.value.fix
    assert fixes == {
        "strict": "Ask again, or read it with policy='safe'.",
        "safe": "Ask again, or read it with policy='lenient'.",
        "lenient": "Ask again: even policy='lenient' could not read it.",
    }


def test_problems_of_the_wire_shape_lead_into_the_users_value() -> None:
    schema = compile(Order)
    wire = schema.encode({"items": [{"name": "a", "tags": {"x": 1}}]})
    wire["items"][0]["tags"][0]["value"] = "many"
    reading = schema.read(json.dumps(wire), shape="wire")
    assert [one.pointer for one in reading.problems] == ["/items/0/tags/x"]
    assert reading.value == {"items": [{"name": "a", "tags": {}}]}


def test_a_pointer_of_the_wire_is_a_place_in_the_value() -> None:
    schema = compile(Order)
    wire = schema.encode({"items": [{"name": "a", "tags": {"x": 1}}]})
    assert schema.user_pointer("/items/0/tags/0/value", wire) == "/items/0/tags/x"
    assert schema.user_pointer("/items/0/name", wire) == "/items/0/name"
    assert schema.user_pointer("", wire) == ""


def test_an_unfinished_answer_gives_what_is_there() -> None:
    schema = compile(Order)
    wire = schema.encode({"items": [{"name": "a"}, {"name": "b"}]})
    del wire["items"][1]["count"]
    del wire["note"]
    assert schema.decode_partial(wire) == {"items": [{"name": "a"}, {"name": "b"}]}


def test_require_refuses_what_the_wire_does_not_enforce() -> None:
    class Tagged(BaseModel):
        tags: set[str]

    with pytest.raises(SchemaError) as caught:
        compile(Tagged, strict="require")
    assert str(caught.value) == (
        "/properties/tags: 1 constraints of Tagged are not enforced on the wire; the first: doubles are not refused "
        "on the wire.\n"
        "  Change the schema, or compile it with strict='allow': they are then checked once a value is there."
    )
    assert compile(Item, strict="require") is compile(Item)


def test_the_shape_is_the_schema_as_plain_values() -> None:
    schema = compile(Order)
    assert schema.shape == Shape("Order", schema.full, schema.strict)
    assert schema.fingerprint == schema.shape.fingerprint


def test_findings_name_what_a_server_would_refuse() -> None:
    findings = compile({"type": "object", "properties": {"a": {"type": "string"}}}).lint()
    assert str(findings[0]) == (
        "the root: as it stands, OpenAI would refuse it: In context=(), 'additionalProperties' is required to be "
        "supplied and to be false. (openai)"
    )
    assert not [one for one in findings if one.message.startswith("on the wire")]


def test_a_json_schema_is_checked_by_its_own_draft() -> None:
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 0, "exclusiveMinimum": True}
    [problem] = compile(old).check(0).problems
    assert problem.pointer == ""
    [missing] = compile({"type": "object", "required": ["a"]}).check({}).problems
    assert (missing.pointer, missing.kind, missing.message) == ("/a", "missing", "This is required.")


def test_names_are_fit_for_the_server() -> None:
    assert compile(list[Item]).name.replace("_", "").isalnum()
    assert compile({"title": "A title: with signs", "type": "object"}).name == "A_title_with_signs"
    assert isinstance(compile({"type": "object"}), Schema)


def test_the_page_of_the_docs_is_what_the_script_makes() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_schemas.py"))
    assert (ROOT / "docs" / "schemas.md").read_text(encoding="utf-8") == made["page"]()


@pytest.mark.parametrize(
    ("source", "where", "said"),
    [
        ({"const": float("nan")}, "/const", "This is no JSON value: nan."),
        ({"default": [b""]}, "/default/0", "This is no JSON value: b''."),
        ({"properties": []}, "/properties", "The keyword 'properties' takes an object, not []."),
        ({"items": {"$ref": 3}}, "/items/$ref", "The keyword '$ref' takes a text, not 3."),
        ({"anyOf": [3]}, "/anyOf/0", "A schema is an object, true or false, not 3."),
        (
            {"properties": {"a": {"minimum": "a"}}},
            "/properties/a/minimum",
            "The keyword 'minimum' takes a number, not 'a'.",
        ),
        *(
            (
                {"type": kind},
                "/type",
                "The keyword 'type' takes one or more of string, number, integer, boolean, null, array, object, "
                f"not {kind!r}.",
            )
            for kind in (3, "foo", ["string", {}])
        ),
    ],
    ids=str,
)
def test_what_is_no_json_schema_is_refused_with_its_place(source: Any, where: str, said: str) -> None:
    with pytest.raises(SchemaError) as caught:
        compile(source)
    assert (caught.value.where, caught.value.message) == (where, said)


def test_names_and_values_are_no_keywords() -> None:
    names = {"type": {"type": "string"}, "$ref": {"type": "integer"}}
    schema = compile({"properties": names, "const": {"type": "a", "$ref": 1}, "dependencies": {"type": ["$ref"]}})
    assert schema.decode(schema.encode({"type": "a", "$ref": 1})) == {"type": "a", "$ref": 1}
