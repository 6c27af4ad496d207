"""What is wrong with a value is told in the words of the declaration, in every shape that an answer has."""

from __future__ import annotations

import datetime
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, HttpUrl

from extract.jsontext import dump
from extract.schema import compile


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Inner(BaseModel):
    a: int


class Everything(BaseModel):
    name: str
    above: Decimal | None = Field(None, gt=0)
    price: Decimal = Decimal(1)
    counted: Annotated[Decimal, Field(ge=1, le=10, decimal_places=2)] | None = None
    whole: int = Field(5, ge=2, lt=9)
    fives: int = Field(5, multiple_of=5)
    when: datetime.datetime | None = None
    day: datetime.date | None = None
    clock: datetime.time | None = None
    long: datetime.timedelta | None = None
    known: uuid.UUID | None = None
    done: bool = True
    colour: Colour = Colour.RED
    code: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    one: Annotated[str, Field(min_length=1)] = "a"
    like: Annotated[str, Field(pattern="^x")] = "x"
    either: Annotated[str, Field(max_length=2)] | Annotated[int, Field(gt=3)] = 5
    listed: int | list[int] | None = None
    inner: Inner | None = None
    inners: list[Inner] = []
    counts: list[Annotated[int, Field(gt=0)]] = []


EVERYTHING = compile(Everything)
TOLD: list[tuple[str, Any, str]] = [
    ("above", "-1", "-1 is not greater than 0"),
    ("above", -1, "-1 is not greater than 0"),
    ("above", "many", '"many" is not a number'),
    ("price", "x", '"x" is not a number'),
    ("price", True, "Expected a number, found true"),
    ("counted", 11, "11 is not at most 10"),
    ("whole", 1, "1 is not at least 2"),
    ("whole", 9, "9 is not less than 9"),
    ("whole", 2.5, "Expected a whole number of at least 2 and less than 9, found 2.5"),
    ("fives", 7, "7 is not a multiple of 5"),
    ("when", "soon", '"soon" is not a date with a time (such as 2024-01-31T09:30:00)'),
    ("day", "31/31/2020", '"31/31/2020" is not a date with one reading (such as 2024-01-31)'),
    ("day", 5, "Expected a date (such as 2024-01-31) or null, found 5"),
    ("clock", "9h", '"9h" is not a time (such as 09:30:00)'),
    ("long", "1h", '"1h" is not a duration (such as PT1H30M)'),
    ("done", "maybe", 'Expected true or false, found "maybe"'),
    ("colour", "purple", 'Expected one of "r", "g", found "purple"'),
    ("code", "a", '"a" is shorter than 2 characters'),
    ("code", "long!", '"long!" is longer than 3 characters'),
    ("code", 5, "Expected a text of 2 to 3 characters, found 5"),
    ("one", "", '"" is shorter than 1 character'),
    ("like", "yy", '"yy" does not match the pattern ^x'),
    ("either", [1], "Expected a text of at most 2 characters or a whole number greater than 3, found [1]"),
    ("either", 1, "1 is not greater than 3"),
    ("either", "abc", '"abc" is longer than 2 characters'),
    ("listed", "x", 'Expected a whole number, a list or null, found "x"'),
    ("inner", "x", 'Expected an object or null, found "x"'),
    ("inner", {"a": "x"}, 'Expected a whole number, found "x"'),
    ("inners", [5], "Expected an object, found 5"),
    ("counts", [1, -1], "-1 is not greater than 0"),
]


@pytest.mark.parametrize(("name", "value", "told"), TOLD, ids=[f"{name} {value!r}" for name, value, _ in TOLD])
def test_a_value_is_minded_in_plain_words_with_the_bound(name: str, value: Any, told: str) -> None:
    wire = {**EVERYTHING.encode({"name": "n"}), name: value}
    for found in (
        EVERYTHING.read(dump({"name": "n", name: value})),
        EVERYTHING.read(dump(wire), shape="wire"),
        EVERYTHING.read_cut(dump({"name": "n", name: value, "more": ""})),
    ):
        assert [one.message for one in found.problems] == [told]
        assert found.problems[0].pointer.startswith(f"/{name}")
        assert found.problems[0].kind == "invalid"


@pytest.mark.parametrize(("name", "value", "told"), TOLD, ids=[f"{name} {value!r}" for name, value, _ in TOLD])
def test_what_a_repair_says_wrongly_is_minded_in_the_same_words(name: str, value: Any, told: str) -> None:
    answer = EVERYTHING.patch.read(dump({"changes": [{"path": f"/{name}", "value": value}]}))
    if name != "inners":  # whose items have paths, and it has none
        assert [one.message for one in answer.refused] == [told]
        assert answer.refused[0].pointer.startswith(f"/{name}")


def test_no_pattern_of_ours_is_shown() -> None:
    class Linked(BaseModel):
        link: HttpUrl

    schema = compile(Linked)
    [problem] = schema.read('{"link": "no link"}', shape="wire").problems
    assert problem.message == '"no link" is not a URL'


def test_what_is_missing_on_the_wire_is_told_without_the_wires_names() -> None:
    class Pair(BaseModel):
        pair: tuple[int, str]
        prices: dict[str, int]

    schema = compile(Pair)
    found = schema.read('{"pair": {"item0": 1}, "prices": [{"value": 1}]}', shape="wire")
    assert [str(one) for one in found.problems] == [
        "/pair/1: This is required and not there",
        "/prices: This is required and not there",
    ]


def test_what_the_reader_says_of_names_stays() -> None:
    class Closed(BaseModel, extra="forbid"):
        total: int | None = None

    schema = compile(Closed)
    for shape in ("user", "wire"):
        found = schema.read('{"total": 5, "totl": "x"}', shape=shape)  # type: ignore[arg-type]
        assert [str(one) for one in found.problems] == ['/totl: "totl" is not a property of this object']
