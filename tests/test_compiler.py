"""JSON Schemas on the wire: what each keyword becomes, and the laws that hold for every schema.

The laws: the wire schema is legal; it accepts what `encode` gives; `decode` gives the same value back; whatever the
wire admits is decoded, and encodes again to the same value.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from extract import nodes
from extract.compiler import read_schema, violations
from extract.errors import SchemaError
from extract.schema import compile

DRAFT = "https://json-schema.org/draft/2020-12/schema"
OLD = "http://json-schema.org/draft-04/schema#"
OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}

CASES: dict[str, tuple[Any, list[Any], list[Any]]] = {
    # name: schema, values that come back, values that the wire must not take
    "true": (True, [None, 1, {"a": [1]}], []),
    "false": (False, [], [None, 1, "", {}, []]),
    "empty": ({}, [None, "a", [], {}], []),
    "no type": ({"minLength": 2}, ["ab", 1, None, {}], ["a"]),
    "type list": ({"type": ["string", "integer"]}, ["a", 1], [1.5, None, []]),
    "integer": ({"type": "integer", "minimum": 1, "exclusiveMaximum": 3}, [1, 2], [0, 3, "1"]),
    "draft 4 bound": (
        {"$schema": OLD, "type": "number", "minimum": 0, "exclusiveMinimum": True},
        [1],
        [0],
    ),
    "enum": ({"enum": ["a", 1, None, [1], {"a": 1}]}, ["a", 1, None, [1], {"a": 1}], ["b", 2, "[1]", [2]]),
    "const": ({"const": {"a": [False]}}, [{"a": [False]}], [{"a": [0]}, {}]),
    "length": ({"type": "string", "minLength": 1, "maxLength": 3}, ["é", "abc"], ["", "abcd"]),
    "pattern": ({"type": "string", "pattern": "b+"}, ["abc"], ["ac"]),
    "pattern and length": ({"type": "string", "pattern": "^[a-z]+$", "maxLength": 3}, ["abc"], ["abcd", "A"]),
    "lookahead": ({"type": "string", "pattern": "^(?!x)"}, ["a"], [1]),
    "uri": ({"type": "string", "format": "uri"}, ["http://a.b/c?d#e"], ["no uri"]),
    "list": ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, [[], [1, 2]], [[1, 2, 3], ["a"]]),
    "tuple": (
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False, "minItems": 1},
        [[1], [1, "a"]],
        [[], ["a"], [1, "a", 2]],
    ),
    "old tuple": (
        {"type": "array", "items": [{"type": "integer"}], "additionalItems": {"type": "string"}},
        [[], [1], [1, "a", "b"]],
        [["a"], [1, 2]],
    ),
    "object": (OBJECT, [{"a": 1}, {"a": 1, "b": None}], [{}, {"a": "x"}, []]),
    "optional": (
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": False},
        [{}, {"a": None}, {"a": "x"}],
        [{"a": 1}, {"b": 1}],
    ),
    "map": ({"type": "object", "additionalProperties": {"type": "integer"}}, [{}, {"a b": 1}], [{"a": "x"}]),
    "patterns": (
        {
            "type": "object",
            "properties": {"id": {"type": "integer"}},
            "patternProperties": {"^x-": {"type": "string"}, "^y-": {"type": "boolean"}},
            "additionalProperties": False,
        },
        [{}, {"id": 1, "x-a": "b", "y-a": True}],
        [{"x-a": 1}, {"z": 1}, {"y-a": "b"}],
    ),
    "property names": (
        {"type": "object", "propertyNames": {"pattern": "^[a-z]$"}, "additionalProperties": {"type": "integer"}},
        [{}, {"a": 1}],
        [{"AB": 1}],
    ),
    "named property names": (
        {"type": "object", "propertyNames": {"enum": ["a", "b"]}},
        [{}, {"a": [1]}],
        [{"c": 1}],
    ),
    "all of": (
        {"allOf": [OBJECT, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]},
        [{"a": 1, "b": "x"}],
        [{"a": 1}],
    ),
    "any of required": (
        {"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        [{"a": 1}, {"b": 1}, {"a": None, "b": None}],
        [{}, {"c": 1}],
    ),
    "one of required": (
        {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        [{"a": 1}, {"b": 1}],
        [{}, {"a": 1, "b": 1}],
    ),
    "one of numbers": ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 2.5], [1.5]),
    "not": ({"not": {"type": "string"}}, [1, None, []], ["a"]),
    "not enum": ({"type": "string", "not": {"enum": ["ab", "b"]}}, ["a", "abc", ""], ["ab", "b"]),
    "not required": ({"type": "object", "not": {"required": ["a"]}}, [{}, {"b": 1}], [{"a": 1}]),
    "if then else": (
        {
            "type": "object",
            "properties": {"kind": {"enum": ["a", "b"]}},
            "required": ["kind"],
            "if": {"properties": {"kind": {"const": "a"}}},
            "then": {"required": ["x"]},
            "else": {"required": ["y"]},
        },
        [{"kind": "a", "x": 1}, {"kind": "b", "y": 1}],
        [{"kind": "a", "y": 1}, {"kind": "b"}],
    ),
    "dependencies": (
        {"type": "object", "properties": {"a": {}, "b": {}}, "dependentRequired": {"a": ["b"]}},
        [{}, {"b": 1}, {"a": 1, "b": 1}],
        [{"a": 1}],
    ),
    "dependent schema": (
        {"type": "object", "dependentSchemas": {"a": {"properties": {"b": {"type": "integer"}}}}},
        [{"b": "x"}, {"a": 1, "b": 1}],
        [{"a": 1, "b": "x"}],
    ),
    "unevaluated": (
        {
            "type": "object",
            "properties": {"a": {}},
            "allOf": [{"properties": {"b": {"type": "string"}}}],
            "unevaluatedProperties": False,
        },
        [{}, {"a": 1, "b": "x"}],
        [{"c": 1}],
    ),
    "unevaluated items": (
        {"type": "array", "prefixItems": [{"type": "string"}], "unevaluatedItems": False},
        [[], ["a"]],
        [["a", 1]],
    ),
    "reference": (
        {"$defs": {"a/b": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/$defs/a~1b"}},
        [[1]],
        [["x"]],
    ),
    "reference with siblings": (
        {"$defs": {"a": OBJECT}, "$ref": "#/$defs/a", "properties": {"b": {"type": "string"}}},
        [{"a": 1, "b": "x"}],
        [{"a": 1, "b": 2}],
    ),
    "old reference ignores siblings": (
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"a": {"type": "array"}},
            "properties": {"x": {"$ref": "#/definitions/a", "maxItems": 1}},
            "type": "object",
        },
        [{"x": [1, 2]}],
        [{"x": "y"}],
    ),
    "identifiers and anchors": (
        {
            "$id": "http://example.org/root.json",
            "type": "array",
            "items": {"anyOf": [{"$ref": "item.json"}, {"$ref": "#word"}]},
            "$defs": {"i": {"$id": "item.json", "type": "integer"}, "w": {"$anchor": "word", "type": "string"}},
        },
        [[1, "a"]],
        [[1.5]],
    ),
    "dynamic reference": (
        {
            "$id": "http://example.org/strict-tree",
            "$schema": DRAFT,
            "$dynamicAnchor": "node",
            "$ref": "tree",
            "unevaluatedProperties": False,
            "$defs": {
                "tree": {
                    "$id": "tree",
                    "$dynamicAnchor": "node",
                    "type": "object",
                    "properties": {"data": True, "children": {"type": "array", "items": {"$dynamicRef": "#node"}}},
                }
            },
        },
        [{"children": [{"data": 1}]}],
        [{"children": [{"daat": 1}]}, {"x": 1}],
    ),
    "recursion at the root": (
        {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False},
        [{}, {"next": {"next": {}}}],
        [{"next": {"x": 1}}],
    ),
    "union of lists and maps": (
        {"anyOf": [{"type": "array", "items": OBJECT}, {"type": "object", "additionalProperties": OBJECT}]},
        [[{"a": 1}], {"x": {"a": 1}}, []],
        [1, {"x": 1}],
    ),
    "large enumeration": (
        {"type": "string", "enum": [f"value {number}" for number in range(1500)]},
        ["value 0", "value 1499"],
        ["value 1500"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_keyword_is_legal_exact_and_enforced(name: str) -> None:
    source, valid, refused = CASES[name]
    schema = compile(source, extras="keep")
    assert violations(schema.strict) == ()
    wire = Draft202012Validator(schema.strict)
    for value in valid:
        assert schema.check(value).problems == ()
        sent = schema.encode(value)
        assert wire.is_valid(sent), sent
        assert schema.decode(sent) == value
        assert schema.decode_partial(sent) == value
    for value in refused:
        assert schema.check(value).problems != ()
        assert not _taken(schema, wire, value), value


def _taken(schema: Any, wire: Draft202012Validator, value: Any) -> bool:
    try:
        return wire.is_valid(schema.encode(value))
    except SchemaError:
        return False


# ---- laws over generated schemas


def _leaves() -> st.SearchStrategy[Any]:
    return st.sampled_from(
        [
            {"type": "string"},
            {"type": "integer"},
            {"type": "number", "minimum": 0},
            {"type": "boolean"},
            {"type": "null"},
            {"type": "string", "pattern": "^[ab]+$"},
            {"type": ["string", "null"]},
            {"enum": ["x", "y", 1, None]},
            {"const": "c"},
            {"type": "object"},
            {"type": "array"},
            {},
        ]
    )


NAMES = st.sampled_from(["a", "b", "c", "value", "more", "key", "variant"])


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def build(properties: dict[str, Any], required: list[str], extras: Any) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "object", "properties": properties}
        made["required"] = [name for name in properties if name in required]
        return made if extras is None else {**made, "additionalProperties": extras}

    return st.builds(
        build,
        st.dictionaries(NAMES, inner, max_size=4),
        st.lists(NAMES),
        st.none() | st.just(False) | inner,
    )


def _tuple(items: list[Any]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": items, "items": False}


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        _objects(inner),
        st.builds(lambda item: {"type": "array", "items": item}, inner),
        st.builds(
            lambda items: {"type": "array", "prefixItems": items, "items": False},
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda item: {"type": "object", "additionalProperties": item}, inner),
        st.builds(lambda branches: {"allOf": branches}, st.lists(inner, min_size=1, max_size=2)),
    )


def _constrained(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What the wire often cannot carry whole."""
    counts = st.integers(0, 3)
    return st.one_of(
        _nested(inner),
        st.builds(lambda branches: {"oneOf": branches}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda refused: {"not": refused}, inner),
        st.builds(lambda yes, then, no: {"if": yes, "then": then, "else": no}, inner, inner, inner),
        st.builds(lambda made, least: {**made, "minProperties": least}, _objects(inner), counts),
        st.builds(lambda made, most: {**made, "maxProperties": most}, _objects(inner), counts),
        st.builds(lambda made, name, one: {**made, "patternProperties": {name: one}}, _objects(inner), NAMES, inner),
        st.builds(lambda made, names: {**made, "propertyNames": names}, _objects(inner), inner),
        st.builds(lambda made, a, b: {**made, "dependentRequired": {a: [b]}}, _objects(inner), NAMES, NAMES),
        st.builds(lambda made, name, one: {**made, "dependentSchemas": {name: one}}, _objects(inner), NAMES, inner),
        st.builds(lambda item, held: {"type": "array", "items": item, "contains": held}, inner, inner),
        st.builds(lambda item: {"type": "array", "items": item, "uniqueItems": True, "maxItems": 2}, inner),
        st.builds(lambda first, rest: {"type": "array", "prefixItems": [first], "items": rest}, inner, inner),
    )


SCHEMAS = st.recursive(_leaves(), _nested, max_leaves=8)
CONSTRAINED = st.recursive(_leaves(), _constrained, max_leaves=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "b", "x", "c"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
LAW = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)


@LAW
@given(SCHEMAS, st.lists(JSON, min_size=6, max_size=6))
def test_valid_values_come_back_exactly(source: Any, values: list[Any]) -> None:
    schema = compile(source, extras="keep")
    assert violations(schema.strict) == ()
    valid, wire = Draft202012Validator(source), Draft202012Validator(schema.strict)
    for value in values:
        if valid.is_valid(value):
            sent = schema.encode(value)
            assert wire.is_valid(sent)
            assert schema.decode(sent) == value
            assert json.dumps(schema.decode(sent), sort_keys=True) == json.dumps(value, sort_keys=True)


@LAW
@given(CONSTRAINED, st.lists(JSON, min_size=8, max_size=8))
def test_nothing_is_weakened_without_a_word(source: Any, values: list[Any]) -> None:
    """A value that the schema refuses and the wire takes is one of which the account tells."""
    schema = compile(source, extras="keep")
    assert violations(schema.strict) == ()
    valid, wire = Draft202012Validator(source), Draft202012Validator(schema.strict)
    silent = not any(one.loose for one in schema.explain())
    for value in values:
        if valid.is_valid(value):
            sent = schema.encode(value)
            assert wire.is_valid(sent)
            assert json.dumps(schema.decode(sent), sort_keys=True) == json.dumps(value, sort_keys=True)
        elif silent:
            assert not _taken(schema, wire, value)


def _of_wire(type_: nodes.Type, node: nodes.Node, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that a wire type admits, small ones."""
    node = type_.resolve(node)
    if isinstance(node, nodes.Union):
        branches = list(node.branches)
        if depth > 6:
            branches = [
                b for b in branches if not isinstance(type_.resolve(b), (nodes.Record, nodes.Array))
            ] or branches
        return st.one_of(*(st.deferred(lambda b=b: _of_wire(type_, b, depth + 1)) for b in branches))
    if isinstance(node, nodes.Record):
        return st.fixed_dictionaries({one.name: _of_wire(type_, one.node, depth + 1) for one in node.fields})
    if isinstance(node, nodes.Array):
        most = node.min_items if depth > 6 else min(node.min_items + 2, node.max_items or node.min_items + 2)
        most = 0 if node.max_items == 0 else most
        if most == 0:
            return st.just([])
        return st.lists(_of_wire(type_, node.items, depth + 1), min_size=node.min_items, max_size=most)
    if isinstance(node, nodes.Choice):
        return st.sampled_from(node.values)
    if isinstance(node, nodes.Text):
        return (
            st.from_regex(node.pattern, fullmatch=True) if node.pattern else st.sampled_from(["", "a", "b", "{}", "1"])
        )
    if isinstance(node, nodes.Number):
        return st.integers(int(node.minimum or 0), int(node.minimum or 0) + 3)
    return st.booleans() if isinstance(node, nodes.Boolean) else st.none()


@LAW
@given(st.one_of(SCHEMAS, CONSTRAINED), st.data())
def test_whatever_the_wire_admits_is_decoded_and_stable(source: Any, data: st.DataObject) -> None:
    schema = compile(source, extras="keep")
    assume(len(json.dumps(schema.strict)) < 6000)
    assume("[^\\\\s\\\\S]" not in json.dumps(schema.strict))
    sent = data.draw(_of_wire(schema.wire_type, schema.wire_type.root))
    wire = Draft202012Validator(schema.strict)
    assume(wire.is_valid(sent))
    value = schema.decode(sent)
    again = schema.encode(value)
    assert wire.is_valid(again)
    assert schema.decode(again) == value
    if not any(one.loose for one in schema.explain()):
        assert Draft202012Validator(source).is_valid(value)


@LAW
@given(SCHEMAS, JSON, st.randoms(use_true_random=False))
def test_what_is_missing_is_left_out_and_never_made_up(source: Any, value: Any, random: Any) -> None:
    schema = compile(source, extras="keep")
    assume(Draft202012Validator(source).is_valid(value))
    sent = schema.encode(value)
    part = schema.decode_partial(_cut(sent, random))
    assert _within(part, value)


def _cut(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        return {name: _cut(inner, random) for name, inner in value.items() if random.random() < 0.8}
    return [_cut(one, random) for one in value[: random.randint(0, len(value))]] if isinstance(value, list) else value


def _within(part: Any, whole: Any) -> bool:
    """Whether everything in a part stands in the whole."""
    if part is None:
        return True
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and _within(one, whole[name]) for name, one in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(_within(one, other) for other in whole) for one in part)
    return bool(part == whole)


# ---- what is refused, and what is said


def test_a_reference_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(SchemaError) as caught:
        compile({"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}})
    assert str(caught.value) == (
        "/properties/a: The reference '#/$defs/missing' leads nowhere.\n"
        "  Put what it names under $defs of this schema and refer to it as '#/$defs/Name'."
    )


def test_a_reference_to_itself_is_refused() -> None:
    with pytest.raises(SchemaError) as caught:
        compile({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"})
    assert caught.value.message == "Every value of this schema would have to contain another one, without an end."


def test_descriptions_are_kept() -> None:
    source = {
        "$defs": {"name": {"type": "object", "description": "A name.", "properties": {"a": {"type": "string"}}}},
        "type": "object",
        "description": "The whole.",
        "properties": {
            "one": {"$ref": "#/$defs/name", "description": "The first."},
            "two": {"$ref": "#/$defs/name", "description": "The second."},
        },
    }
    text = json.dumps(compile(source).strict)
    assert all(words in text for words in ("The whole.", "The first.", "The second.", "A name."))


def test_the_account_names_what_is_rewritten_and_what_is_left() -> None:
    schema = compile(
        {
            "type": "object",
            "properties": {"tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}},
            "required": ["tags"],
            "additionalProperties": False,
        }
    )
    assert [str(one) for one in schema.explain()] == [
        "/properties/tags: doubles are not refused on the wire (checked afterwards)"
    ]


def test_undeclared_properties_are_ignored_or_kept() -> None:
    value = {"a": 1, "b": [2]}
    keeping, ignoring = compile(OBJECT, extras="keep"), compile(OBJECT, extras="ignore")
    assert keeping.decode(keeping.encode(value)) == value
    assert ignoring.decode(ignoring.encode(value)) == {"a": 1}
    assert [str(one) for one in ignoring.explain()] == ["the root: undeclared properties are left out"]


def test_of_open_objects_that_overlap_the_one_that_declares_most_is_meant() -> None:
    names = ("a", "ab", "ac")
    branches = [{"type": "object", "properties": {n: {"type": "string"} for n in name}} for name in names]
    schema = compile({"anyOf": branches})
    for name in names:
        value = dict.fromkeys(name, "x")
        assert schema.decode(schema.encode(value)) == value
        assert schema.decode(schema.encode({**value, "z": 1})) == value


def test_the_whole_wire_of_a_small_schema() -> None:
    assert compile(OBJECT, extras="ignore").strict == {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }


def test_named_nodes_keep_recursion_finite() -> None:
    tree = read_schema({"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False})
    root = tree.resolve(tree.root)
    assert isinstance(root, nodes.Record)
    assert tree.resolve(root.fields[0].node) is root


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "array"}, "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'."),
        (
            {"type": "object", "properties": {"a": {}}, "required": [], "additionalProperties": False},
            "In context=(), 'required' is required to be supplied and to be an array including every key in "
            "properties. Missing 'a'.",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "object"}},
                "required": ["a"],
                "additionalProperties": False,
            },
            "In context=('properties', 'a'), 'additionalProperties' is required to be supplied and to be false.",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string", "format": "uri"}},
                "required": ["a"],
                "additionalProperties": False,
            },
            "In context=('properties', 'a'), 'uri' is not a valid format.",
        ),
    ],
)
def test_violations_read_as_the_servers_do(schema: dict[str, Any], said: str) -> None:
    assert str(violations(schema)[0]) == said


def test_definitions_of_our_own_take_no_name_of_the_users() -> None:
    held = {"type": "object", "properties": {"x": {"enum": ["p", "q", "r", "s"]}}, "required": ["x"]}
    source = {
        "type": "object",
        "properties": {"a": {}, "b": {"$ref": "#/$defs/anything"}, "c": {"$ref": "#/$defs/anything"}},
        "$defs": {"anything": held},
    }
    schema = compile(source, extras="keep")
    value = {"a": [1, {"y": None}], "b": {"x": "p"}, "c": {"x": "q"}}
    sent = schema.encode(value)
    assert Draft202012Validator(schema.strict).is_valid(sent)
    assert schema.decode(sent) == value


@pytest.mark.parametrize("word", ["anyOf", "oneOf", "allOf"])
def test_a_schema_that_is_itself_again_is_refused(word: str) -> None:
    """Who checks a value against it never comes to an end."""
    with pytest.raises(SchemaError) as caught:
        compile({"properties": {"a": {word: [{"type": "string"}, {"$ref": "#/properties/a"}]}}})
    assert caught.value.where is not None
    assert caught.value.where.startswith("/properties/a")
    assert caught.value.message == (
        "This schema refers to itself without an end: no value could ever be checked against it."
    )


def test_where_null_is_the_default_null_is_written_as_null() -> None:
    optional = {"type": ["string", "null"], "default": None}
    schema = compile({"type": "object", "properties": {"a": optional}, "additionalProperties": False})
    assert schema.encode({"a": None}) == {"a": None}
    assert schema.encode({}) == {"a": {"missing": True}}
    for value in ({}, {"a": None}, {"a": "x"}):
        sent = schema.encode(value)
        assert Draft202012Validator(schema.strict).is_valid(sent)
        assert schema.decode(sent) == value
    assert schema.decode_partial({"a": {"missing": True}}) == {}


@pytest.mark.parametrize(
    ("source", "value", "where", "message"),
    [
        (
            {"type": "array", "items": {"type": "object", "properties": {"a/b": {"type": "array", "items": OBJECT}}}},
            [{}, {"a/b": [{"a": 1}, {}]}],
            "/1/a~1b/1",
            "The property 'a' is missing.",
        ),
        ({"type": "object", "additionalProperties": OBJECT}, {"k": {}}, "/k", "The property 'a' is missing."),
        (
            {"prefixItems": [{"type": "string"}, OBJECT], "type": "array"},
            ["x", {}],
            "/1",
            "The property 'a' is missing.",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}},
            [],
            "the value",
            "An object was expected, not array.",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_place(source: Any, value: Any, where: str, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        compile(source).encode(value)
    assert (caught.value.where, caught.value.message) == (where, message)


def test_expressions_mean_what_json_schema_means_by_them() -> None:
    schema = compile(
        {"type": "object", "properties": {"a": {"pattern": r"^\p{Lu}\d$"}}, "patternProperties": {r"^\P{L}": False}}
    )
    assert schema.check({"a": "É1"}).problems == ()
    [letter] = schema.check({"a": "é1"}).problems
    assert (letter.pointer, letter.message) == ("/a", r"This must match the pattern ^\p{Lu}\d$")
    assert schema.check({"a": "É١"}).problems != ()
    assert schema.check({"1": 1}).problems != ()


def test_what_nothing_can_check_is_told() -> None:
    source = {"type": "object", "properties": {"a": {"pattern": r"\p{Nope}"}, "b": {"format": "int99"}}}
    schema = compile(source)
    assert [str(one) for one in schema.explain() if one.unchecked] == [
        r"/properties/a: the pattern \p{Nope} is none that can be read here (not checked)",
        "/properties/b: the format 'int99' is told to the model (not checked)",
    ]
    assert schema.check({"a": "x", "b": "y"}).problems == ()
    said = [str(one) for one in schema.lint() if one.who == "schema"]
    assert (
        said[0] == r"/properties/a: the pattern \p{Nope} is none that can be read here, and nothing checks it. (schema)"
    )
    with pytest.raises(SchemaError):
        compile(source, strict="require")


def test_a_schema_without_values_says_so() -> None:
    schema = compile({"type": "string", "enum": [1]})
    assert [str(one) for one in schema.lint() if one.who == "schema"] == [
        "the root: no value is possible here. (schema)"
    ]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2020-01-01T10:00:00Z", "2020-01-01"),
        ("duration", "P1DT2H", "1 day"),
        ("hostname", "a.example", "-a"),
        ("uri", "http://a.b", "a b"),
        ("uri-template", "http://a/{b}", "{"),
    ],
)
def test_formats_are_checked(name: str, good: str, bad: str) -> None:
    schema = compile({"type": "string", "format": name})
    assert schema.check(good).problems == ()
    assert [one.message for one in schema.check(bad).problems] == [f"This is not in the format {name!r}."]


def test_a_value_of_too_many_levels_is_refused() -> None:
    schema = compile({})
    value: Any = 1
    for _ in range(3000):
        value = [value]
    with pytest.raises(SchemaError) as caught:
        schema.encode(value)
    assert str(caught.value) == (
        "the value: The value is nested too deeply.\n  Give a value of fewer levels: some 150 can be carried."
    )


def test_the_order_of_properties_is_kept() -> None:
    names = [f"field_{index}" for index in (2, 10, 1)]
    schema = compile({"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names})
    assert list(schema.strict["properties"]) == names
    assert list(schema.full["properties"]) == names


@pytest.mark.parametrize("kinds", [([1], [2]), ({"a": 1}, {"a": 2}), ("x", [3])], ids=str)
def test_structured_constants_tell_alternatives_apart(kinds: tuple[Any, Any]) -> None:
    def one(kind: Any, name: str) -> dict[str, Any]:
        properties = {"kind": {"const": kind}, name: {"type": "integer"}}
        return {"type": "object", "properties": properties, "required": ["kind"], "additionalProperties": False}

    schema = compile({"anyOf": [one(kinds[0], "x"), one(kinds[1], "y")]})
    for value in ({"kind": kinds[0], "x": 3}, {"kind": kinds[1]}):
        sent = schema.encode(value)
        assert Draft202012Validator(schema.strict).is_valid(sent)
        assert schema.decode(sent) == value
        assert schema.decode_partial(sent) == value


WIDE: list[tuple[str, Any, list[Any]]] = [
    (
        "patterns that overlap",
        {"type": "object", "patternProperties": {"^a": {"type": "integer"}, "a$": {"minimum": 5}}},
        [{"a": 1}],
    ),
    ("a count beside not", {"type": "object", "maxProperties": 1, "not": {"required": ["a"]}}, [{"c": 1, "b": 1}]),
    ("equal alternatives", {"oneOf": [{"type": ["integer", "null"]}, {"type": ["integer", "null"]}]}, [1, None]),
    ("alternatives of everything", {"type": "string", "oneOf": [True, True]}, ["a"]),
    (
        "what a failed if speaks of",
        {
            "type": "object", "if": {"properties": {"a": {"const": 1}}, "required": ["a"]},
            "then": {"properties": {"b": True}}, "unevaluatedProperties": False,
        },
        [{"a": 2}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "source", "values"), WIDE, ids=[row[0] for row in WIDE])
def test_what_the_wire_takes_and_the_schema_refuses_is_told(name: str, source: Any, values: list[Any]) -> None:
    schema = compile(source, extras="keep")
    wire = Draft202012Validator(schema.strict)
    for value in values:
        assert schema.check(value).problems != ()
        assert not _taken(schema, wire, value) or any(one.loose for one in schema.explain())


KEPT: list[tuple[Any, Any]] = [
    (
        {
            "type": "object", "unevaluatedProperties": False,
            "anyOf": [{"properties": {name: {"type": "integer"}}, "required": [name]} for name in "ab"],
        },
        {"a": 1, "b": 2},
    ),
    ({"type": "object", "if": {"properties": {"a": {"type": "integer"}}}, "unevaluatedProperties": False}, {"a": 1}),
    ({"type": "array", "if": {"prefixItems": [{}]}, "unevaluatedItems": {"type": "string"}}, [1, "a"]),
    ({"type": "array", "anyOf": [{"contains": {"const": 1}}], "unevaluatedItems": {"type": "string"}}, [1, "a"]),
    ({"not": {"if": {"type": "integer"}, "then": {"type": "string"}, "else": True}}, 1),
    ({"prefixItems": [{}], "not": {"items": False, "minItems": 2}}, []),
    ({"propertyNames": {"$ref": "#"}, "type": ["object", "string"]}, {"a": 1}),
    ({"type": "object", "properties": {"x": {"not": {"$ref": "#"}}}}, {"x": 1}),
    ({"type": "object", "not": {"properties": {"a": {"$ref": "#"}}, "required": ["a"]}}, {"b": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "value"), KEPT, ids=str)
def test_no_valid_value_is_lost(source: Any, value: Any) -> None:
    schema = compile(source, extras="keep")
    assert schema.check(value).problems == ()
    sent = schema.encode(value)
    assert Draft202012Validator(schema.strict).is_valid(sent)
    assert schema.decode(sent) == value


def test_a_schema_that_passes_a_limit_in_every_form_is_refused() -> None:
    with pytest.raises(SchemaError) as caught:
        compile({"type": "object", "properties": {f"p{index}": {"type": "integer"} for index in range(6000)}})
    assert "5000" in caught.value.message
    assert caught.value.fix == "Split it into several schemas, or leave out what is not asked for."


@pytest.mark.parametrize(
    ("source", "value", "wrong"),
    [
        ({"multipleOf": 0.01}, 19.99, 19.995),
        ({"multipleOf": 0.5}, Decimal("1.5"), Decimal("1.25")),
        ({"multipleOf": 2}, 10**400, 10**400 + 1),
        ({"type": "integer"}, Decimal("3.0"), Decimal("3.5")),
        ({"maximum": 1.1}, Decimal("1.1"), Decimal("1.2")),
        ({"anyOf": [{"type": "integer"}, False]}, 1, "x"),
        ({"properties": {"a": False}}, {"b": 1}, {"a": 1}),
    ],
    ids=str,
)
def test_checks_are_exact_and_never_crash(source: Any, value: Any, wrong: Any) -> None:
    schema = compile(source)
    assert schema.check(value).problems == ()
    assert len(schema.check(wrong).problems) == 1


def test_what_is_too_deep_is_told_to_the_model() -> None:
    source: Any = {"type": "integer", "description": "level 0"}
    for level in range(1, 13):
        inner = {"type": "object", "properties": {f"v{level}": source}, "required": [f"v{level}"]}
        source = {**inner, "description": f"level {level}"}
    text = json.dumps(compile(source).strict)
    for level in range(13):
        assert f"level {level}" in text
    outlined = json.dumps('level 2 Written as JSON text: {"v2": {"v1": integer (level 0)} (level 1)}')[1:-1]
    assert outlined in text
