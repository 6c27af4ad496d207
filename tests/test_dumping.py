"""Instances as JSON values: what is dumped is read back as the same instance, whatever the type shows to others."""

from __future__ import annotations

import datetime as dt
import enum
import math
from dataclasses import InitVar, dataclass, field
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Union

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    PlainValidator,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import core_schema
from typing_extensions import TypedDict

from extract.errors import SchemaError
from extract.schema import compile


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Hidden(BaseModel):
    some: set[SecretStr] = set()
    root: RootModel[SecretStr]
    keyed: dict[SecretStr, SecretBytes] = {}
    number: Secret[int] | None = None
    pair: tuple[SecretStr, int] = (SecretStr("p"), 1)


class Shown(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float", ser_json_bytes="base64")
    day: Annotated[dt.date, PlainSerializer(lambda value: value.strftime("%d.%m.%Y"))]
    price: Annotated[float, PlainSerializer(lambda value: f"{value:.1f}")] = 1.25
    took: dt.timedelta = dt.timedelta(minutes=90)
    raw: bytes = b"raw"
    hidden: int = Field(4, exclude=True)
    named: int = Field(1, serialization_alias="for_output", validation_alias="from_input")

    @field_serializer("named")
    def _twice(self, value: int) -> str:
        return f"{value}{value}"

    @computed_field
    @property
    def double(self) -> int:
        return 2 * self.named


class Whole(BaseModel):
    amount: int
    currency: str = "EUR"

    @model_serializer
    def _short(self) -> str:
        return f"{self.amount} {self.currency}"


class Ways(BaseModel):
    first: str = Field(validation_alias=AliasPath("names", 0))
    either: int = Field(validation_alias=AliasChoices(AliasPath("x", "y"), "z"))


class Renamed(TypedDict):
    a: Annotated[int, Field(alias="A")]
    b: NotRequired[Annotated[SecretStr, Field(alias="B")]]


class Named(NamedTuple):
    word: SecretStr
    when: dt.date = dt.date(2020, 1, 1)


@dataclass
class Data:
    a: SecretStr
    factor: InitVar[int] = 2
    made: int = field(init=False, default=0)

    def __post_init__(self, factor: int) -> None:
        self.made = factor


class Coded(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64")
    raw: bytes
    coded: Base64Bytes = b"aGk="
    held: Json[list[dt.date]] = '["2020-01-01"]'  # type: ignore[assignment]


class Money:
    def __init__(self, text: str):
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


def money(value: Any) -> Any:
    return Money(value) if isinstance(value, str) else value


Priced = Annotated[str, AfterValidator(money), PlainSerializer(lambda value: value.text)]


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    secret: SecretStr


class Tree(BaseModel):
    label: SecretStr
    children: list[Tree] = []


class Kept(BaseModel):
    model_config = ConfigDict(extra="allow", ser_json_inf_nan="strings")
    limit: float = 1.0


class Spared(BaseModel):
    """Defaults that JSON, or the type itself, does not have."""

    limit: float = math.inf
    count: int = None  # type: ignore[assignment]


class Later(BaseModel):
    model_config = ConfigDict(validate_by_alias=False, validate_by_name=True)
    own: int = Field(alias="other")


KEY = SecretStr("k")


class Animal(BaseModel):
    name: str


class Dog(Animal):
    breed: str = "x"


class Oid:
    """A class of somebody else's, as libraries declare theirs."""

    def __init__(self, text: str):
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Oid) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        read = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), read]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.text),
        )


class Kinds(enum.StrEnum):
    A = "a"
    B = "b"


class OfA(BaseModel):
    kind: Literal[Kinds.A] = "a"  # type: ignore[assignment]


class OfB(BaseModel):
    kind: Literal[Kinds.B] = Kinds.B


class Plainly(BaseModel):
    a: Annotated[int, PlainValidator(int)]

    @field_validator("a", mode="plain")
    @classmethod
    def _whole(cls, value: Any) -> int:
        return int(value)


class Hexed(BaseModel):
    model_config = ConfigDict(val_json_bytes="hex")
    held: dict[bytes, int]


class Skipped(BaseModel):
    shown: int | SkipJsonSchema[None] = None
    hidden: SkipJsonSchema[str] = "x"


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


CASES: list[tuple[Any, Any, Any]] = [
    (
        Hidden,
        Hidden(some={SecretStr("s")}, root=RootModel[SecretStr](SecretStr("r")), keyed={KEY: SecretBytes(b"v")}),
        {"some": ["s"], "root": "r", "keyed": {"k": "v"}, "number": None, "pair": ["p", 1]},
    ),
    (
        Shown,
        Shown(day=dt.date(2020, 1, 2), from_input=3),
        {"day": "2020-01-02", "price": 1.25, "took": "PT1H30M", "raw": "raw", "hidden": 4, "from_input": 3},
    ),
    (Whole, Whole(amount=1), {"amount": 1, "currency": "EUR"}),
    (Ways, Ways.model_validate({"names": ["a"], "z": 1}), {"first": "a", "z": 1}),
    (Renamed, {"a": 1, "b": SecretStr("s")}, {"A": 1, "B": "s"}),
    (Named, Named(SecretStr("w")), ["w", "2020-01-01"]),
    (Data, Data(SecretStr("a")), {"a": "a", "factor": 2}),
    (
        Coded,
        Coded(raw="_w==", held='["2020-01-01"]'),  # type: ignore[arg-type]
        {"raw": "_w==", "coded": "WVVkclBRPT0=", "held": '["2020-01-01"]'},
    ),
    (list[Priced], [Money("1 EUR")], ["1 EUR"]),
    (Annotated[dt.date, BeforeValidator(lambda value: value)], dt.date(2020, 1, 1), "2020-01-01"),
    (Tree, Tree(label=SecretStr("a"), children=[Tree(label=SecretStr("b"))]), {
        "label": "a", "children": [{"label": "b", "children": []}]}),
    (Union[Cat, list[Cat], int], [Cat(secret=SecretStr("s"))], [{"kind": "cat", "secret": "s"}]),  # noqa: UP007
    (dict[Level, int], {Level.LOW: 3}, {"1": 3}),
    (dict[bool, int], {True: 3}, {"true": 3}),
    (dict[int, Path], {-3: Path("/a")}, {"-3": "/a"}),
    (dict[Decimal, int], {Decimal("1.5"): 3}, {"1.5": 3}),
    (dict[dt.date | int, int], {dt.date(2020, 1, 1): 3}, {"2020-01-01": 3}),
    (Kept, Kept(limit=-math.inf, more={"a": [1]}), {"limit": "-Infinity", "more": {"a": [1]}}),
    (Annotated[Decimal, Field(allow_inf_nan=True)], Decimal("Infinity"), "Infinity"),
    (Spared, Spared(), {}),
    (Animal | Dog, Dog(name="a", breed="b"), {"name": "a", "breed": "b"}),
    (list[Dog | Animal], [Dog(name="b", breed="c")], [{"name": "b", "breed": "c"}]),
    (Oid, Oid("a"), "a"),
    (dict[str, Oid | int], {"a": Oid("b"), "c": 1}, {"a": "b", "c": 1}),
    (Annotated[OfA | OfB, Field(discriminator="kind")], OfA(), {"kind": "a"}),
    (Plainly, Plainly(a=3), {"a": 3}),
    (dict[Base64Bytes, int], {b"abc": 1}, {"YWJj": 1}),
    (Hexed, Hexed.model_validate_json('{"held": {"6b": 1}}'), {"held": {"6b": 1}}),
    (Skipped, Skipped(), {}),
    (Skipped, Skipped(shown=1), {"shown": 1}),
    (Rights, Rights.READ | Rights.WRITE, 3),
    (list[PurePosixPath], [PurePosixPath("a/b")], ["a/b"]),
    (Later, Later(own=1), {"other": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "instance", "shown"), CASES, ids=lambda case: getattr(case, "__name__", None))
def test_what_is_dumped_is_read_back(source: Any, instance: Any, shown: Any) -> None:
    schema = compile(source)
    assert schema.dump(instance) == shown
    assert schema.decode(schema.encode(shown)) == shown
    checked = schema.check(shown)
    assert checked.problems == ()
    assert checked.value == instance


def test_a_number_of_many_digits_becomes_what_its_place_makes_of_it() -> None:
    class Mixed(BaseModel):
        exact: Decimal
        free: Any
        rough: float | str

    digits = Decimal("12345678901234567.89")
    value = compile(Mixed).check({"exact": digits, "free": digits, "rough": digits}).value
    assert value is not None
    assert value.exact == digits
    assert isinstance(value.free, float)
    assert isinstance(value.rough, float)


@pytest.mark.parametrize(
    ("source", "instance", "where", "message"),
    [
        (list[bytes], [b"a", b"\xff"], "/1", "These bytes are no UTF-8 text: b'\\xff'."),
        (dict[str, list[float]], {"a/b": [math.nan]}, "/a~1b/0", "JSON has no number nan."),
        (
            Skipped,
            Skipped(hidden="y"),
            "/hidden",
            "This value has no place in the schema, because its type is hidden by SkipJsonSchema: 'y'.",
        ),
        (
            list[Animal],
            [Dog(name="a")],
            "/0",
            "Animal is declared here, and this Dog has fields that it has not: breed.",
        ),
        (dict[int | str, int], {1: 1, "1": 2}, "the value", "Two keys of this dict have one name in JSON: '1'."),
        (dict[str | None, int], {None: 1}, "the value", "This value of type NoneType has no JSON form: None."),
        (Any, {"a": object}, "/a", "This value of type type has no JSON form: <class 'object'>."),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place(source: Any, instance: Any, where: str, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        compile(source).dump(instance)
    assert (caught.value.where, caught.value.message) == (where, message)
    assert caught.value.fix


class Days(enum.Enum):
    NEW_YEAR = dt.date(2020, 1, 1)


class Kind(enum.Enum):
    CAT = "cat"


class Mended(enum.Enum):
    NEW_YEAR = dt.date(2020, 1, 1)

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return cls.NEW_YEAR if value == "2020-01-01" else None


@pytest.mark.parametrize(
    ("source", "where", "message"),
    [
        (
            dict[str, Days],
            "/$defs/Days",
            "This part of dict_str_Days cannot be read from JSON: pydantic reads no JSON value as "
            "<Days.NEW_YEAR: datetime.date(2020, 1, 1)>.",
        ),
        (
            list[Literal[Kind.CAT]],
            "/items",
            "This part of list_Literal_CAT_cat cannot be read from JSON: pydantic reads no JSON value as "
            "<Kind.CAT: 'cat'>.",
        ),
        (
            list[dict[tuple[int, int], str]],
            "/items",
            "This part of list_dict_tuple_int_int_str cannot be read from JSON: pydantic reads no name of a JSON "
            "object as a key of this dict (tuple).",
        ),
    ],
)
def test_what_validation_can_never_read_is_refused(source: Any, where: str, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        compile(source)
    assert (caught.value.where, caught.value.message) == (where, message)
    assert caught.value.fix


def test_an_enum_that_finds_its_members_itself_is_taken() -> None:
    schema = compile(Mended)
    assert schema.check(schema.dump(Mended.NEW_YEAR)).value is Mended.NEW_YEAR
