"""The straight way: what it takes is what reading and checking would give, and it takes what is as it should be."""

from __future__ import annotations

import datetime
import enum
import json
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
)

from extract.call import Reply
from extract.catalogue import ModelFacts
from extract.document import Document
from extract.errors import SchemaError
from extract.parse import quick
from extract.parse.conform import checks
from extract.pointer import ABSENT
from extract.schema import Schema, compile
from extract.task import Task

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Shade(enum.StrEnum):
    DARK = "dark"
    PALE = "pale"


class Whatever(enum.StrEnum):
    DARK = "dark"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> Whatever:
        return cls.OTHER


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    name: str


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=4)
NUMBERS = st.integers(-5, 5) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)

LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, TEXTS),
    (int, st.integers()),
    (Annotated[int, Field(ge=0, lt=9)], st.integers(0, 8)),
    (float, NUMBERS),
    (Annotated[float, Field(gt=0, le=2.5)], st.floats(0.5, 2.5)),
    (bool, st.booleans()),
    (datetime.date, st.dates().map(str)),
    (Literal["a", "b"], st.sampled_from("ab")),
    (Literal["a"], st.just("a")),
    (Color, st.sampled_from(["red", "blue"])),
    (Shade, st.sampled_from(["dark", "pale"])),
    (Whatever, st.sampled_from(["dark", "other"])),
    (Frozen, st.fixed_dictionaries({"name": TEXTS})),
]


@st.composite
def types(draw: st.DrawFn, depth: int = 2) -> tuple[Any, st.SearchStrategy[Any]]:
    """A type and the values that it takes as they are."""
    kind = draw(st.sampled_from(["leaf", "leaf", "list", "null", "model"] if depth else ["leaf"]))
    if kind == "leaf":
        return draw(st.sampled_from(LEAVES))
    if kind == "model":
        return draw(models(depth - 1))
    inner, values = draw(types(depth - 1))
    if kind == "null":
        return (inner, values) if _takes_null(inner) else (inner | None, values | st.none())
    most = draw(st.sampled_from([None, 2]))
    listed = Annotated[list[inner], Field(max_length=most)] if most else list[inner]
    return listed, st.lists(values, max_size=2)


def _takes_null(type: Any) -> bool:
    return NoneType in getattr(type, "__args__", ())


@st.composite
def models(draw: st.DrawFn, depth: int = 2) -> tuple[Any, st.SearchStrategy[Any]]:
    """A model and what stands on the wire for it: every field, by its alias."""
    fields, values = {}, {}
    for name in draw(st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, unique=True)):
        type, takes = draw(types(depth))
        alias = draw(st.sampled_from([None, None, f"{name}-it"]))
        fields[name] = (type, Field(alias=alias))
        values[alias or name] = takes
    return create_model("Made", **fields), st.fixed_dictionaries(values)  # type: ignore[call-overload]


SCALARS = (
    st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from(["a", "red", "2024-01-31", "2024-01-31T00:00", "7"])
)
NAMES = st.sampled_from(["one", "two", "name"])
ANY = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=2))


def changed(value: Any, draw: st.DrawFn) -> Any:
    """The value with one thing in it another, gone or added, at any depth."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 4)) == 0:
            return {key: held for key, held in value.items() if key != name}
        return {**value, name: changed(value[name], draw)}
    if isinstance(value, list) and value and draw(st.booleans()):
        at = draw(st.integers(0, len(value) - 1))
        return [changed(one, draw) if i == at else one for i, one in enumerate(value)]
    if isinstance(value, dict) and draw(st.booleans()):
        return {**value, draw(st.sampled_from(["one", "two", "more"])): draw(ANY)}
    return draw(ANY)


def written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def same_kind(one: Any, other: Any) -> bool:
    """Whether two instances are equal, down to the kinds of their parts and what is known to have been given."""
    if type(one) is not type(other):
        return False
    if isinstance(one, BaseModel):
        alike = one.model_fields_set == other.model_fields_set and one.model_extra == other.model_extra
        return alike and same_kind(dict(one), dict(other)) and list(vars(one)) == list(vars(other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same_kind(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_kind, one, other))
    return bool(one == other)


def agrees(schema: Schema[Any], text: str) -> bool:
    """Whether a text goes the straight way; what is taken must be what the usual way gives."""
    taken = schema.take(text)
    if taken is None:
        return False
    value, instance = taken
    reading = schema.read(text, shape="wire")
    assert (reading.value, reading.events, reading.problems) == (value, (), ())
    assert checks(schema.wire_type).root(value)
    usual = schema.check(value)
    assert usual.problems == ()
    assert same_kind(usual.value, instance)
    assert same_kind(schema.dump(instance), schema.dump_made(instance))
    return True


LOOSE: list[tuple[Any, Any, st.SearchStrategy[Any]]] = [
    (str | None, None, st.none() | TEXTS),
    (str, "q", TEXTS),
    (Annotated[str, Field(max_length=2)], ..., st.text("ab", max_size=2)),
    (Annotated[str, Field(pattern="^[ab]*$")], "a", st.text("ab")),
    (Annotated[int, Field(multiple_of=3)], 3, st.sampled_from([0, 3, 9, -3])),
    (float, 1.5, NUMBERS),
    (dict[str, int], ..., st.dictionaries(TEXTS, st.integers(), max_size=2)),
    (list[str], [], st.lists(TEXTS, max_size=2)),
    (Annotated[datetime.date, Field(ge=datetime.date(2000, 1, 1))], ..., st.dates(datetime.date(2000, 1, 1)).map(str)),
    (Color | None, Color.RED, st.sampled_from(["red", None])),
    (Frozen | None, None, st.none() | st.fixed_dictionaries({"name": TEXTS})),
]


@st.composite
def loose(draw: st.DrawFn) -> tuple[Any, st.SearchStrategy[Any]]:
    """A model of which fields may be missing, and its values in the user's shape."""
    fields, there, missing = {}, {}, {}
    for name in ("one", "two", "three", "four"):
        type, default, takes = draw(st.sampled_from(LOOSE))
        alias = draw(st.sampled_from([None, None, f"{name}-it"]))
        fields[name] = (type, Field(default, alias=alias))
        (there if default is ... else missing)[alias or name] = takes
    config = ConfigDict(extra=draw(st.sampled_from(["ignore", "forbid"])), validate_by_name=draw(st.booleans()))
    return create_model("Made", __config__=config, **fields), st.fixed_dictionaries(there, optional=missing)  # type: ignore[call-overload]


def checks_alike(schema: Schema[Any], value: Any) -> bool:
    """Whether a value in the user's shape is made at once; the instance must be what the usual way makes."""
    assert schema._plainly is not None
    try:
        instance = schema._plainly.make(value)
    except ValueError:
        return False
    usual, problems = schema._check(value, None)
    assert problems == ()
    assert same_kind(usual, instance)
    assert same_kind(schema.dump(instance), schema.dump_made(instance))
    return True


@settings(max_examples=300)
@given(st.data())
def test_what_was_read_is_made_at_once(data: st.DataObject) -> None:
    model, values = data.draw(loose())
    assert checks_alike(compile(model), data.draw(values))


@settings(max_examples=600)
@given(st.data())
def test_what_is_made_at_once_is_what_the_usual_way_makes(data: st.DataObject) -> None:
    model, values = data.draw(loose())
    checks_alike(compile(model), changed(data.draw(values), data.draw))


@pytest.mark.parametrize("value", [{"name": "\ud800"}, {"amount": float("inf")}, {"amount": 10**400}])
def test_what_json_has_not_is_told_as_it_was(value: dict[str, Any]) -> None:
    class Loose(BaseModel):
        name: str = ""
        amount: float = 0

    schema = compile(Loose)
    with pytest.raises(ValueError, match="validation error"):
        schema._plainly.make(value)  # type: ignore[union-attr]
    made = Loose.model_construct(name="a", amount=float("inf"))
    with pytest.raises(SchemaError, match="JSON has no number inf"):
        schema.dump_made(made)


@settings(max_examples=300)
@given(st.data())
def test_what_is_as_it_should_be_goes_the_straight_way(data: st.DataObject) -> None:
    model, values = data.draw(models())
    text = written(data.draw(values))
    assert agrees(compile(model), text) or quick(text) is ABSENT  # which numbers do that a float would round


@settings(max_examples=600)
@given(st.data())
def test_what_it_takes_is_what_the_usual_way_gives(data: st.DataObject) -> None:
    model, values = data.draw(models())
    agrees(compile(model), written(changed(data.draw(values), data.draw)))


class Line(BaseModel):
    name: str
    amount: float


class Bill(BaseModel):
    date: datetime.date
    count: int
    lines: list[Line]
    other: Line


GOOD: dict[str, Any] = {
    "date": "2024-01-31",
    "count": 2,
    "lines": [{"name": "a", "amount": 1}],
    "other": {"name": "b", "amount": 2.5},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"count": "2"},
        {"count": 2.0},
        {"count": True},
        {"date": "2024-1-31"},
        {"date": "2024-01-31T00:00:00"},
        {"date": "２０２４-01-31"},
        {"date": "2024-01-31\n"},
        {"date": 1706659200},
        {"other": {"name": "b", "amount": "2.5"}},
        {"other": {"name": "b", "amount": 1, "more": 1}},
        {"lines": [{"name": "a"}]},
        {"lines": None},
        {"more": 1},
    ],
)
def test_what_is_converted_or_told_of_goes_the_usual_way(changes: dict[str, Any]) -> None:
    schema = compile(Bill)
    assert agrees(schema, json.dumps(GOOD))
    assert schema.take(json.dumps({**GOOD, **changes})) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "a", "amount": 1, "amount": 2}',
        '{"name": "a", "amount": 12345678901234567.89}',
        '{"name": "a", "amount": NaN}',
        '{"name": "a", "amount": 1',
        '```json\n{"name": "a", "amount": 1}\n```',
        '{"name": "\\ud800", "amount": 1}',
        "",
        "[" * 100_000,
    ],
)
def test_a_text_that_is_not_read_as_it_stands_goes_the_usual_way(text: str) -> None:
    assert compile(Line).take(text) is None


def test_what_only_the_users_shape_says_is_heeded_where_answers_have_it() -> None:
    class Codes(BaseModel):
        codes: Annotated[list[int], Field(json_schema_extra={"uniqueItems": True})]

    facts = ModelFacts("mini", "test")
    for mode, problems in (("strict", 0), ("json_schema", 1)):
        steps = Task(compile(Codes), (facts,), attempts=1).steps(Document(text="5, 5"))
        next(steps)
        with pytest.raises(StopIteration) as ended:
            steps.send((Reply(text='{"codes": [5, 5]}', mode=mode),))  # type: ignore[arg-type]
        assert len(ended.value.value.problems) == problems


def test_a_text_at_length_has_the_straight_way_too() -> None:
    assert agrees(compile(Line), written({"name": "é" * 100_000, "amount": -0.0}))


class Shown(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)
    name: str = Field(alias="its-name", exclude=True)
    number: int = Field(validation_alias="no", serialization_alias="number", strict=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def both(self) -> str:
        return f"{self.name} {self.number}"


class Pair(BaseModel, Generic[T]):
    one: T
    two: T | None


def test_how_a_model_is_shown_makes_no_difference() -> None:
    assert agrees(compile(Shown), '{"its-name": "a", "no": 1}')
    assert agrees(compile(Pair[Shown]), '{"one": {"its-name": "a", "no": 1}, "two": null}')
    assert agrees(compile(Pair[int]), '{"one": 1, "two": 2}')
    assert not agrees(compile(Shown), '{"name": "a", "no": 1}')


def test_a_bound_that_no_float_is_sure_of_is_looked_at_the_usual_way() -> None:
    class Great(BaseModel):
        count: Annotated[float, Field(le=2**53)]

    assert compile(Great).take('{"count": 1}') is None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Stripped(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    name: str


class Checked(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def known(cls, value: str) -> str:
        return value


class Written(BaseModel):
    name: str

    @field_serializer("name")
    def shouted(self, value: str) -> str:
        return value.upper()


class Private(BaseModel):
    name: str
    _seen: list[str] = []


class Optional(BaseModel):
    name: str | None = None


class Loop(BaseModel):
    name: str
    inner: list[Loop]


class Narrowed(BaseModel):
    name: Annotated[str, Field(json_schema_extra={"enum": ["a", "b"]})]
    count: Annotated[int, Field(json_schema_extra={"minimum": 0})]


class Ways(BaseModel):
    name: str = Field(validation_alias=AliasChoices("name", "title"))


class Priced(BaseModel):
    amount: Decimal


class Patterned(BaseModel):
    code: Annotated[str, Field(pattern="^[A-Z]+$")]


class Short(BaseModel):
    name: Annotated[str, Field(max_length=3)]


class Numbered(enum.Enum):
    ONE = 1


class Spelled(BaseModel):
    number: Annotated[Literal["1"], WithJsonSchema({"enum": [1]})]


class OfNumbers(BaseModel):
    number: Numbered


@pytest.mark.parametrize(
    "model",
    [
        Open,
        Stripped,
        Checked,
        Written,
        Private,
        Optional,
        Loop,
        Narrowed,
        Ways,
        Priced,
        Patterned,
        Short,
        Spelled,
        OfNumbers,
    ],
)
def test_where_there_is_more_to_a_type_there_is_no_straight_way(model: type[BaseModel]) -> None:
    assert compile(model).take('{"name": "a"}') is None
    assert compile(model)._straight is None


def test_a_json_schema_has_no_instances_and_no_straight_way() -> None:
    schema = compile({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]})
    assert schema.take('{"name": "a"}') is None
