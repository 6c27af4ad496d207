"""Writes the table of docs/schemas.md: each construct, its wire form, and what is checked afterwards.

Run it: python docs/make_schemas.py. A test fails when the page and the table differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from extract.schema import compile

PAGE = Path(__file__).parent / "schemas.md"
OBJECT = {"type": "object", "additionalProperties": False}
TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
MAYBE = {"type": ["string", "null"]}

ROWS: tuple[tuple[str, Any, Any], ...] = (
    ("required property", {**OBJECT, "properties": {"a": TEXT}, "required": ["a"]}, {"a": "x"}),
    ("optional property, missing", {**OBJECT, "properties": {"a": TEXT}}, {}),
    ("optional property that may be null, null", {**OBJECT, "properties": {"a": MAYBE}}, {"a": None}),
    ("undeclared properties", {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}, {"a": "x", "b": 1}),
    ("map", {"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}),
    ("pattern properties", {**OBJECT, "properties": {"a": TEXT}, "patternProperties": {"^x-": TEXT}}, {"x-b": "y"}),
    ("any value", {}, {"a": [1]}),
    ("tuple", {"type": "array", "prefixItems": [TEXT, {"type": "integer"}], "items": False, "minItems": 2}, ["x", 1]),
    ("tuple with a rest", {"type": "array", "prefixItems": [TEXT], "items": WHOLE, "minItems": 1}, ["x", 1, 2]),
    ("set", {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, [1, 2]),
    ("length", {"type": "string", "minLength": 2, "maxLength": 5}, "abc"),
    ("pattern", {"type": "string", "pattern": "[0-9]"}, "a1"),
    ("pattern with lookaround", {"type": "string", "pattern": "^(?!x)"}, "a"),
    ("format that the wire knows", {"type": "string", "format": "date"}, "2026-01-31"),
    ("format that it does not know", {"type": "string", "format": "uri"}, "http://a.b"),
    ("enumeration of several types", {"enum": ["a", 1, None]}, "a"),
    ("structured member of an enumeration", {"enum": [[1], "a"]}, [1]),
    (
        "alternatives with a constant",
        {
            "anyOf": [
                {**OBJECT, "properties": {"x": TEXT, "t": {"const": "a"}}, "required": ["x", "t"]},
                {**OBJECT, "properties": {"y": TEXT, "t": {"const": "b"}}, "required": ["y", "t"]},
            ]
        },
        {"y": "z", "t": "b"},
    ),
    (
        "alternatives that look alike",
        {
            "anyOf": [
                {**OBJECT, "properties": {"a": TEXT}, "required": ["a"]},
                {**OBJECT, "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            ]
        },
        {"a": 1},
    ),
    (
        "lists and maps side by side",
        {"anyOf": [{"type": "array", "items": TEXT}, {"type": "object", "additionalProperties": TEXT}]},
        {"a": "x"},
    ),
    ("oneOf", {"oneOf": [{"type": "integer"}, {"type": "string"}]}, 1),
    ("allOf", {"allOf": [{**OBJECT, "properties": {"a": TEXT, "b": TEXT}}, {"required": ["a"]}]}, {"a": "x"}),
    ("not", {"type": "string", "not": {"enum": ["no"]}}, "yes"),
    ("dependencies", {**OBJECT, "properties": {"a": TEXT, "b": TEXT}, "dependentRequired": {"a": ["b"]}}, {"b": "x"}),
    ("a root that is no object", {"type": "integer"}, 3),
)  # fmt: skip


def table() -> str:
    """The rows as Markdown."""
    lines = ["| construct | a value | on the wire | checked afterwards |", "| --- | --- | --- | --- |"]
    for name, source, value in ROWS:
        schema = compile(source, extras="keep")
        later = "; ".join(dict.fromkeys(one.what for one in schema.explain() if one.checked_afterwards))
        cells = (name, f"`{_shown(value)}`", f"`{_shown(schema.encode(value))}`", later.replace("|", "\\|"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    return f"""# Schemas on the wire

A schema is compiled into one that OpenAI's strict mode takes, and values come back exactly:
`schema.decode(schema.encode(value)) == value`. What the wire cannot enforce stands in its descriptions and is checked
once a value is there; `schema.explain()` lists every rewrite, and `strict="require"` refuses schemas that need such
checks.

This table is made by `python docs/make_schemas.py`, with `extras="keep"`.

{table()}
"""


def _shown(value: Any) -> str:
    return json.dumps(value).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
