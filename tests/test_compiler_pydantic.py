"""Pydantic types on the wire: each construct compiles to a legal schema and comes back exactly, instances too."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import pathlib
import re
import uuid
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, TypeVar, Union

import pytest
from annotated_types import Ge, Len, MultipleOf
from jsonschema import Draft202012Validator
from pydantic import (
    UUID4,
    AliasChoices,
    AnyUrl,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ByteSize,
    ConfigDict,
    Discriminator,
    Field,
    HttpUrl,
    Json,
    NaiveDatetime,
    PastDate,
    PositiveInt,
    RootModel,
    SecretBytes,
    SecretStr,
    StringConstraints,
    Tag,
    computed_field,
    conlist,
    constr,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType, TypedDict

from extract.compiler import violations
from extract.errors import SchemaError
from extract.schema import compile

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mixed(enum.Enum):
    NAME = "name"
    NUMBER = 3
    NOTHING = None


class Line(BaseModel):
    """One line of a receipt."""

    text: str = Field(description="What was bought.")
    price: Decimal = Field(ge=0)
    count: int = 1


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Left(BaseModel):
    right: Right | None = None


class Right(BaseModel):
    left: Left | None = None
    value: int


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    name: str
    kind: Literal["dog"]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int
    b: str = "x"


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    total: int = Field(alias="Total Amount")
    other: str = Field(validation_alias=AliasChoices("o1", "o2"), default="")


class Computed(BaseModel):
    a: int

    @computed_field
    @property
    def double(self) -> int:
        return 2 * self.a


class StrictModel(BaseModel):
    model_config = ConfigDict(strict=True)
    day: dt.date
    colour: Colour
    amount: Decimal


class Box(BaseModel, Generic[T]):
    content: T


class Typed(TypedDict):
    a: int
    b: NotRequired[str]


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass
class Plain:
    a: int
    b: list[str] = field(default_factory=list)


@pydantic_dataclass
class Pydantic:
    a: int
    when: dt.date | None = None


class Names(RootModel[list[str]]):
    pass


class Deep(BaseModel):
    a: dict[str, list[dict[str, Line]]]


def animal(value: Any) -> str:
    return value.get("kind", "") if isinstance(value, dict) else value.kind


UserId = NewType("UserId", int)
Nested = TypeAliasType("Nested", "int | list[Nested]")
LINE = {"text": "tea", "price": 2.5, "count": 2}

CASES: dict[str, tuple[Any, list[Any]]] = {
    "model": (Line, [LINE, {"text": "", "price": 0}, {"text": "x", "price": "1.50"}]),
    "recursive model": (Tree, [{"name": "a", "children": [{"name": "b", "children": []}]}, {"name": "c"}]),
    "mutual recursion": (Left, [{}, {"right": None}, {"right": {"left": {"right": None}, "value": 1}}]),
    "list of models": (list[Line], [[], [LINE]]),
    "optional": (
        Optional[Line],  # noqa: UP045 - the old spelling is a case of its own
        [None, LINE],
    ),
    "dict of models": (dict[str, Line], [{}, {"a": LINE, "b c": LINE}]),
    "dict by int": (dict[int, str], [{"1": "a"}]),
    "dict by enum": (dict[Colour, int], [{"red": 1}]),
    "dict by literal": (dict[Literal["a", "b"], int], [{}, {"a": 1}]),
    "ordered dict": (OrderedDict[str, int], [{"a": 1}]),
    "default dict": (defaultdict[str, int], [{"a": 1}]),
    "mapping": (Mapping[str, list[int]], [{"a": [1, 2]}]),
    "any": (Any, [None, 1, "a", [1, {"b": None}], {"a": {"b": [True]}}]),
    "free dict": (dict, [{}, {"a": [None]}]),
    "free list": (list, [[], [1, "a", {}]]),
    "string": (str, ["", "é", "a\nb"]),
    "integer": (int, [0, -3, 10**30]),
    "float": (float, [0.5, 1, -1e300]),
    "bool": (bool, [True, False]),
    "none": (None, [None]),
    "decimal": (Decimal, [1, 2.5, "1.50", Decimal("12345678901234567.89")]),
    "bounded decimal": (Annotated[Decimal, Field(max_digits=5, decimal_places=2)], [1.25, "123.45"]),
    "date": (dt.date, ["2020-01-31"]),
    "datetime": (dt.datetime, ["2020-01-31T10:00:00", "2020-01-31T10:00:00Z", "2020-01-31T10:00:00.5+02:00"]),
    "aware datetime": (AwareDatetime, ["2020-01-31T10:00:00Z"]),
    "naive datetime": (NaiveDatetime, ["2020-01-31T10:00:00"]),
    "past date": (PastDate, ["2001-01-01"]),
    "time": (dt.time, ["10:00:00", "10:00:00Z"]),
    "timedelta": (dt.timedelta, ["P1DT2H", "-PT0.5S"]),
    "uuid": (uuid.UUID, [str(uuid.UUID(int=7))]),
    "uuid4": (UUID4, ["123e4567-e89b-42d3-a456-426614174000"]),
    "bytes": (bytes, ["abc"]),
    "base64": (Base64Bytes, ["YWJj"]),
    "url": (AnyUrl, ["https://example.org/a?b=c#d"]),
    "http url": (HttpUrl, ["http://example.org/"]),
    "path": (pathlib.Path, ["/a/b"]),
    "ip address": (ipaddress.IPv4Address, ["192.168.0.1"]),
    "any ip address": (ipaddress.IPv4Address | ipaddress.IPv6Address, ["::1", "10.0.0.1"]),
    "network": (ipaddress.IPv4Network, ["10.0.0.0/8"]),
    "pattern": (re.Pattern, ["^a+$"]),
    "secret": (SecretStr, ["hush"]),
    "secret bytes": (SecretBytes, ["hush"]),
    "byte size": (ByteSize, [1024, "1kb"]),
    "json": (Json[list[int]], ["[1,2]"]),
    "complex": (complex, ["1+2j"]),
    "enum": (Colour, ["red", "blue"]),
    "int enum": (Level, [1, 2]),
    "mixed enum": (Mixed, ["name", 3, None]),
    "literals": (Literal["a", 1, True, None], ["a", 1, True, None]),
    "set": (set[int], [[], [1, 2]]),
    "frozenset": (frozenset[str], [["a"]]),
    "deque": (deque[int], [[1, 1]]),
    "sequence": (Sequence[int], [[1]]),
    "tuple": (tuple[int, str], [[1, "a"]]),
    "long tuple": (tuple[int, ...], [[], [1, 2, 3]]),
    "pair": (tuple[float, float], [[0.5, 1.5]]),
    "named tuple": (Point, [[1], [1, 2]]),
    "typed dict": (Typed, [{"a": 1}, {"a": 1, "b": "x"}]),
    "dataclass": (Plain, [{"a": 1}, {"a": 1, "b": ["x"]}]),
    "pydantic dataclass": (Pydantic, [{"a": 1}, {"a": 1, "when": None}, {"a": 1, "when": "2020-01-01"}]),
    "root model": (Names, [[], ["a"]]),
    "generic model": (Box[int], [{"content": 1}]),
    "generic of generic": (Box[Box[list[str]]], [{"content": {"content": ["a"]}}]),
    "new type": (UserId, [3]),
    "recursive alias": (Nested, [1, [1, [2]]]),
    "union": (int | str, [1, "a"]),
    "union with list": (int | list[int], [1, [1]]),
    "union of models": (
        Union[Line, Tree],  # noqa: UP007 - the same
        [LINE, {"name": "a", "children": []}],
    ),
    "union of list and dict": (list[Line] | dict[str, Line], [[LINE], {"a": LINE}]),
    "discriminated union": (
        Annotated[Cat | Dog, Field(discriminator="kind")],
        [{"kind": "cat", "lives": 9}, {"name": "Rex", "kind": "dog"}],
    ),
    "callable discriminator": (
        Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(animal)],
        [{"kind": "cat", "lives": 9}, {"name": "Rex", "kind": "dog"}],
    ),
    "extra allowed": (Open, [{"a": 1}, {"a": 1, "b": [1, {"c": None}]}]),
    "extra forbidden": (Closed, [{"a": 1}, {"a": 1, "b": "y"}]),
    "aliases": (Aliased, [{"Total Amount": 1}, {"Total Amount": 1, "o1": "x"}]),
    "computed field": (Computed, [{"a": 1}]),
    "strict model": (StrictModel, [{"day": "2020-01-01", "colour": "red", "amount": 1.5}]),
    "nested maps": (Deep, [{"a": {"x": [{"y": LINE}]}}]),
    "constrained string": (constr(min_length=2, max_length=4), ["ab", "abcd"]),
    "pattern string": (Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")], ["EUR"]),
    "positive": (PositiveInt, [1]),
    "multiple": (Annotated[int, MultipleOf(5), Ge(0)], [0, 10]),
    "bounded list": (conlist(int, min_length=1, max_length=2), [[1], [1, 2]]),
    "annotated length": (Annotated[list[int], Len(1, 3)], [[1]]),
    "optional list": (list[int | None] | None, [None, [1, None]]),
    "list of tuples": (list[tuple[str, int]], [[["a", 1]]]),
}


@pytest.mark.parametrize("name", CASES)
def test_each_construct_is_legal_and_comes_back_exactly(name: str) -> None:
    source, values = CASES[name]
    schema = compile(source)
    assert violations(schema.strict) == ()
    wire = Draft202012Validator(schema.strict)
    for value in values:
        sent = schema.encode(value)
        assert not list(wire.iter_errors(_plain(sent))), sent
        assert schema.decode(sent) == value
        assert schema.decode_partial(sent) == value


@pytest.mark.parametrize("name", CASES)
def test_instances_survive_dump_and_check(name: str) -> None:
    source, values = CASES[name]
    schema = compile(source)
    for value in values:
        checked = schema.check(value)
        assert checked.problems == ()
        if name in ("json", "complex"):
            continue
        shown = schema.dump(checked.value)
        assert schema.check(shown).value == checked.value
        assert schema.decode(schema.encode(shown)) == shown


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def test_what_has_no_json_form_is_refused_with_its_place() -> None:
    class Bad(BaseModel):
        hooks: list[Callable[[], int]]

    with pytest.raises(SchemaError) as caught:
        compile(Bad)
    assert caught.value.where == "/properties/hooks/items"


def test_an_endless_recursion_is_refused() -> None:
    class Endless(BaseModel):
        again: Endless

    with pytest.raises(SchemaError) as caught:
        compile(Endless)
    assert str(caught.value) == (
        "the schema: Every value of this schema would have to contain another one, without an end.\n"
        "  Make a property on the way of the recursion optional or nullable, or a list that may be empty."
    )


def test_problems_name_places_in_the_value_and_not_branches_of_the_type() -> None:
    schema = compile(list[Annotated[Cat | Dog, Field(discriminator="kind")]])
    problems = schema.check([{"kind": "cat", "lives": "many"}, {"kind": "dog"}]).problems
    assert [(one.pointer, one.kind) for one in problems] == [("/0/lives", "invalid"), ("/1/name", "missing")]
    assert problems[0].message == "Input should be a valid integer, unable to parse string as an integer."
    assert problems[1].message == "This is required."


def test_messages_of_the_users_validators_are_theirs_alone() -> None:
    class Sum(BaseModel):
        parts: list[int]
        total: int

        @field_validator("total")
        @classmethod
        def positive(cls, value: int) -> int:
            if value <= 0:
                raise ValueError("the total is positive")
            return value

        @model_validator(mode="after")
        def adds_up(self) -> Sum:
            if sum(self.parts) != self.total:
                raise ValueError("the parts add up to the total")
            return self

    schema = compile(dict[str, Sum])
    [whole] = schema.check({"a": {"parts": [1], "total": 2}}).problems
    assert (whole.pointer, whole.message) == ("/a", "The parts add up to the total.")
    [one] = schema.check({"a": {"parts": [], "total": 0}}).problems
    assert (one.pointer, one.message) == ("/a/total", "The total is positive.")


def test_context_reaches_validators() -> None:
    class Within(BaseModel):
        a: int

        @field_validator("a")
        @classmethod
        def bounded(cls, value: int, info: Any) -> int:
            if value > info.context["most"]:
                raise ValueError("too much")
            return value

    assert compile(Within).check({"a": 3}, {"most": 5}).problems == ()
    assert compile(Within).check({"a": 3}, {"most": 2}).problems[0].message == "Too much."


def test_a_decimal_keeps_its_digits() -> None:
    value = compile(Line).check({"text": "x", "price": Decimal("12345678901234567.89")}).value
    assert value is not None
    assert value.price == Decimal("12345678901234567.89")


def test_secrets_are_dumped_in_the_clear() -> None:
    class Login(BaseModel):
        password: SecretStr

    schema = compile(Login)
    assert schema.dump(Login(password=SecretStr("hush"))) == {"password": "hush"}


def test_a_type_is_compiled_once() -> None:
    assert compile(Line) is compile(Line)
    assert compile(list[Line]) is compile(list[Line])


def test_names_of_fields_go_along_for_readers() -> None:
    schema = compile(Aliased)
    root = schema.type.resolve(schema.type.root)
    assert [(one.name, one.aliases) for one in root.fields] == [("Total Amount", ("total",)), ("o1", ("o2", "other"))]
    assert "x-extract-aliases" not in str(schema.full)


def test_the_discriminator_stands_first() -> None:
    schema = compile(Annotated[Cat | Dog, Field(discriminator="kind")])
    branches = schema.strict["properties"]["value"]["anyOf"]
    assert [next(iter(_body(schema.strict, branch)["properties"])) for branch in branches] == ["kind", "kind"]


def _body(whole: dict[str, Any], branch: dict[str, Any]) -> dict[str, Any]:
    return whole["$defs"][branch["$ref"].rpartition("/")[2]] if "$ref" in branch else branch


def test_described_references_do_not_explode() -> None:
    import pydantic

    inner: type[BaseModel] = Line
    for number in range(12):
        inner = pydantic.create_model(
            f"M{number}",
            left=(inner, Field(description=f"left of {number}")),
            right=(inner, Field(description=f"right of {number}")),
        )
    schema = compile(list[inner])  # type: ignore[valid-type]
    assert violations(schema.strict) == ()
    assert len(str(schema.strict)) < 20_000


def test_the_wire_of_a_model_reads_as_one_would_write_it() -> None:
    assert compile(Line).strict == {
        "description": "One line of a receipt.",
        "type": "object",
        "properties": {
            "text": {"description": "What was bought.", "type": "string"},
            "price": {
                "anyOf": [
                    {"type": "number", "minimum": 0},
                    {"type": "string", "pattern": r"^\+?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"},
                ]
            },
            "count": {"type": ["integer", "null"]},
        },
        "required": ["text", "price", "count"],
        "additionalProperties": False,
    }


def test_validators_are_listed_as_checked_afterwards() -> None:
    class Part(BaseModel):
        size: int
        secret: SecretStr = SecretStr("s")

        @model_validator(mode="after")
        def fits(self) -> Any:
            return self

    class Whole(BaseModel):
        parts: list[Part]
        count: int

        @field_validator("count")
        @classmethod
        def positive(cls, value: int) -> int:
            return value

    listed = [(one.pointer, one.what) for one in compile(Whole).explain() if one.rule == "validator"]
    assert listed == [("/$defs/Part", "the validator 'fits'"), ("/properties/count", "the validator 'positive'")]
    assert "x-extract" not in str(compile(Whole).full) + str(compile(Whole).strict)


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), Decimal("NaN")])
def test_a_number_that_json_has_not_is_refused(number: Any) -> None:
    with pytest.raises(SchemaError) as caught:
        compile(list[float | Decimal]).dump([number])
    assert caught.value.args[0] == f"JSON has no number {number}."


def test_a_json_text_goes_as_the_value_that_it_holds() -> None:
    class Part(BaseModel):
        size: int

    class Whole(BaseModel):
        part: Json[Part]
        free: Json[int | None] | None = None

    schema = compile(Whole)
    value = {"part": '{"size":1}', "free": "null"}
    assert schema.encode(value) == {"part": {"size": 1}, "free": {"json": None}}
    assert schema.decode(schema.encode(value)) == value
    assert schema.decode(schema.encode({"part": '{ "size": 1 }'})) == {"part": '{"size":1}'}
    told = [str(one) for one in schema.explain() if one.rule == "json"]
    assert told[0] == "/properties/part: a JSON text is written as the value that it holds, and comes back compact"
    with pytest.raises(SchemaError) as caught:
        schema.encode({"part": "no JSON"})
    assert caught.value.args[0] == "A JSON text was expected, not 'no JSON'."


class Short(BaseModel):
    a: int
    b: str | None = None


class Other(BaseModel):
    a: int
    c: str | None = None


class Deep(BaseModel):
    inner: Other


class Shallow(BaseModel):
    inner: Short


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (Short | Other, {"a": 1, "c": "y"}),
        (Other | Short, {"a": 1, "c": "y"}),
        (Shallow | Deep, {"inner": {"a": 1, "c": "y"}}),
        (list[Short] | list[Other], [{"a": 1}, {"a": 2, "c": "y"}]),
        (dict[str, Short] | dict[str, Other], {"k": {"a": 2, "c": "y"}}),
    ],
    ids=str,
)
def test_of_alternatives_that_overlap_the_one_that_declares_most_is_meant(source: Any, value: Any) -> None:
    schema = compile(source)
    assert schema.decode(schema.encode(value)) == value


class Loose(BaseModel):
    count: int = None  # type: ignore[assignment]
    note: str | None = None
    free: Any = None
    size: int = Field(None, alias="Size")
    parts: list[Loose] = None  # type: ignore[assignment]


def test_a_default_of_none_that_the_type_does_not_admit_is_left_out() -> None:
    schema = compile(Loose)
    for instance in (Loose(), Loose(count=1, Size=2, parts=[Loose(note="n")])):
        value = schema.dump(instance)
        assert schema.decode(schema.encode(value)) == value
        assert schema.check(value).value == instance
    assert schema.dump(Loose()) == {"note": None, "free": None}


def test_a_function_is_no_type() -> None:
    def answer() -> int:
        raise AssertionError("It was called.")

    for given, name in ((answer, "answer"), (len, "len"), (Loose().model_dump, "model_dump")):
        with pytest.raises(SchemaError) as caught:
            compile(given)
        assert caught.value.args[0] == f"{name} is a function, and no type."
        assert caught.value.fix == "Give the type of the answer, such as the one that the function returns."


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (Annotated[Decimal, Field(gt=5)], "1"),
        (Annotated[Decimal, Field(multiple_of=Decimal("0.01"))], "1.001"),
        (dict[Annotated[int, Field(gt=3)], int], {"1": 1}),
        (Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], "  "),
        (Annotated[bytes, Field(max_length=3)], "éé"),
        (dt.timedelta, "P"),
        (dt.datetime, "2020-02-31T10:00:00"),
        (complex, "foo"),
        (Annotated[dt.date, Field(ge=dt.date(2020, 1, 1))], "2019-01-01"),
        (HttpUrl, "ftp://a.b"),
    ],
    ids=str,
)
def test_what_only_pydantic_refuses_is_told(source: Any, value: Any) -> None:
    schema = compile(source)
    assert schema.check(value).problems != ()
    assert Draft202012Validator(schema.strict).is_valid(schema.encode(value))
    assert any(one.checked_afterwards for one in schema.explain())
    with pytest.raises(SchemaError):
        compile(source, strict="require")


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (Annotated[Decimal, Field(ge=0)], "-7"),
        (dt.datetime, "7610-97-95T86:07:37"),
        (dt.time, "47:61:67"),
    ],
    ids=str,
)
def test_what_pydantic_refuses_the_wire_refuses_where_it_can(source: Any, value: Any) -> None:
    schema = compile(source)
    assert schema.check(value).problems != ()
    assert not Draft202012Validator(schema.strict).is_valid(schema.encode(value))


def test_letters_of_all_scripts_are_letters() -> None:
    schema = compile(Annotated[str, StringConstraints(pattern=r"^[\w-]+ \w+$")])
    sent = schema.encode("Jean-Müller 東京")
    assert Draft202012Validator(schema.strict).is_valid(sent)
    assert schema.check("Jean-Müller 東京").problems == ()
    assert [one.what for one in schema.explain() if one.checked_afterwards] == [
        r"letters of all scripts are admitted; the pattern ^[\w-]+ \w+$"
    ]


def test_a_class_is_no_value() -> None:
    with pytest.raises(SchemaError) as caught:
        compile(list[type[int]])
    assert str(caught.value) == (
        "/items: This part of list_type_int cannot be read from JSON: pydantic reads no JSON value as a class.\n"
        "  Give the name of the class, as a text."
    )
