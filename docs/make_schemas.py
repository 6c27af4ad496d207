"""Writes the table of docs/schemas.md: each construct, its wire form, and what is checked afterwards.

Run it: python docs/make_schemas.py. A test fails when the page and the table differ.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Base64Bytes, BaseModel, Field, HttpUrl, Json, SecretStr

from extract.compiler import Extras
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


class Paid(BaseModel):
    """A record with the usual kinds of optional fields."""

    total: Decimal
    tax: Decimal | None = None
    count: int = 1


class Card(BaseModel):
    kind: Literal["card"]
    secret: SecretStr


class Cash(BaseModel):
    amount: float
    kind: Literal["cash"]


class Place(NamedTuple):
    x: int
    y: int = 0


TYPES: tuple[tuple[str, Any, Any], ...] = (
    ("`Decimal`, `X \\| None = None`, a default", Paid, {"total": 1.5, "tax": None, "count": 2}),
    ("the same, left out", Paid, {"total": 1.5}),
    ("discriminated union", Annotated[Card | Cash, Field(discriminator="kind")], {"amount": 2.5, "kind": "cash"}),
    ("secret", Card, {"kind": "card", "secret": "1234"}),
    ("`date` with a bound", Annotated[dt.date, Field(ge=dt.date(2000, 1, 1))], "2026-01-31"),
    ("`datetime`", dt.datetime, "2026-01-31T10:00:00"),
    ("`timedelta`", dt.timedelta, "PT1H30M"),
    ("`bytes`, `Base64Bytes`", tuple[bytes, Base64Bytes], ["text", "dGV4dA=="]),
    ("`HttpUrl`", HttpUrl, "https://example.org/"),
    ("`dict[int, str]`", dict[int, str], {"1": "a"}),
    ("`set[int]`", set[int], [1, 2]),
    ("`NamedTuple`", Place, [1]),
    ("`Json[list[int]]`", Json[list[int]], "[1,2]"),
    ("`float` with `allow_inf_nan=True`", Annotated[float, Field(allow_inf_nan=True)], "Infinity"),
    ("`Any`", Any, {"a": [1, None]}),
)


def table(rows: Iterable[tuple[str, Any, Any]], extras: Extras) -> str:
    """The rows as Markdown."""
    lines = ["| construct | a value | on the wire | checked afterwards |", "| --- | --- | --- | --- |"]
    for name, source, value in rows:
        schema = compile(source, extras=extras)
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

The tables are made by `python docs/make_schemas.py`.

## JSON Schema

With `extras="keep"`, which carries undeclared properties; by default they are left out.

{table(ROWS, "keep")}

## Pydantic

A value is what validation reads, by the names that it takes: no serializer of output, no computed field.

{table(TYPES, "ignore")}

## What is refused when it is compiled

A recursion without an end; a type that has no JSON form (a callable, a class); values that pydantic writes and never
reads back (an enum of dates, `Literal` of a plain enum's member, a dict with tuples as keys). Each error names the
place and the remedy.
"""


def _shown(value: Any) -> str:
    return json.dumps(value).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
