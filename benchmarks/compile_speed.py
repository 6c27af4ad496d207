"""How long compiling takes, and what encoding and decoding cost beside pydantic's own validation.

Run it: python -m benchmarks.compile_speed

The model has 30 fields of the usual kinds: text, numbers, dates, enums, optional ones, a nested record, a list of
records. Times are processor time. Compiling is timed on fresh classes, so nothing is cached. A record is decoded from
the wire, encoded for it, and validated by pydantic (`validate_python` of the value, `validate_json` of its text).
"""

from __future__ import annotations

import datetime as dt
import enum
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import pydantic

from extract.jsontext import dump
from extract.schema import compile

ROUNDS = 2000


class Currency(enum.Enum):
    EUR = "EUR"
    USD = "USD"


class Address(pydantic.BaseModel):
    street: str
    city: str
    postcode: str
    country: str | None = None


class Line(pydantic.BaseModel):
    text: str
    price: Decimal
    count: int = 1


def model(number: int) -> type[pydantic.BaseModel]:
    """A new class of 30 fields."""
    fields: dict[str, Any] = {f"text_{index}": (str, pydantic.Field(description="A text.")) for index in range(8)}
    fields |= {f"maybe_{index}": (str | None, None) for index in range(6)}
    fields |= {f"amount_{index}": (float, ...) for index in range(5)}
    fields |= {f"count_{index}": (int, 0) for index in range(3)}
    fields |= {"day": (dt.date, ...), "due": (dt.date | None, None), "paid": (bool, ...), "currency": (Currency, ...)}
    fields |= {"kind": (Literal["invoice", "receipt"], "receipt"), "address": (Address, ...)}
    fields |= {"lines": (list[Line], ...), "notes": (list[str], [])}
    return pydantic.create_model(f"Record{number}", **fields)


def value() -> dict[str, Any]:
    """A record with most of its optional fields."""
    made: dict[str, Any] = {f"text_{index}": "some text" for index in range(8)}
    made |= {f"maybe_{index}": "more" for index in range(3)}
    made |= {f"amount_{index}": 1.5 * index for index in range(5)}
    made |= {"count_0": 3, "day": "2026-01-31", "paid": True, "currency": "EUR", "kind": "invoice"}
    made |= {"address": {"street": "High Street 1", "city": "Leeds", "postcode": "LS1"}, "notes": ["a", "b"]}
    return made | {"lines": [{"text": f"line {n}", "price": 2.5, "count": n} for n in range(8)]}


def seconds(run: Callable[[], Any]) -> float:
    """The median time of one call, over many."""
    times = []
    for _ in range(9):
        started = time.process_time()
        for _ in range(ROUNDS // 9):
            run()
        times.append((time.process_time() - started) / (ROUNDS // 9))
    return statistics.median(times)


def main() -> None:
    compile(model(-1))
    times = []
    for number in range(20):
        fresh = model(number)
        started = time.process_time()
        compile(fresh)
        times.append(time.process_time() - started)
    print(f"compile, 30 fields    {statistics.median(times) * 1e3:7.2f} ms   (goal: under 5)")
    record = model(99)
    schema = compile(record)
    user = value()
    wire, text = schema.encode(user), dump(user)
    adapter = pydantic.TypeAdapter(record)
    python = seconds(lambda: adapter.validate_python(user))
    json = seconds(lambda: adapter.validate_json(text))
    decode, encode = seconds(lambda: schema.decode(wire)), seconds(lambda: schema.encode(user))
    print(f"validate_python       {python * 1e6:7.2f} us")
    print(f"validate_json         {json * 1e6:7.2f} us")
    print(f"decode                {decode * 1e6:7.2f} us   {decode / python:.2f} of validate_python (goal: under 1)")
    print(
        f"encode                {encode * 1e6:7.2f} us   {encode / python:.2f} of validate_python (goal: at most 1.5)"
    )


if __name__ == "__main__":
    main()
