"""The made-up job of the chaos benchmark: documents, their records, the pipeline, and how answers about them go wrong.

An order is some lines of text, each with its number, so that whatever is shown of it tells which one it is. Which
answers are wrong depends on the order and on what was asked, never on how often: a run that is killed is told the same
as one that is not, and both must write the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from decimal import Decimal
from inspect import getsource
from typing import Any

from pydantic import BaseModel

from extract import compile
from extract.testing.completion import DAMAGE
from extract.testing.gold import Gold
from extract.testing.script import Answer, Request, Said

__all__ = ["PIPELINE", "SCHEMA", "Book", "document"]

PIPELINE = """
name: chaos
model: openai/gpt-4o-mini
documents: in/*.txt
variables: {OUT: out}
limits: {in_flight: IN_FLIGHT, tries: 12}
steps:
  - extract: schemas/order.py:Order
    instructions: Read the order.
  - check: "total == sum(parts.price)"
  - where: number % 7 != 0
    as: orders
  - unnest: parts
    as: parts
  - sql: >
      select company, count(*) as parts, sum(price) as spent from rows group by company order by company
  - where: {ask: "Is it a good customer?"}
write:
  - {to: "${OUT}/parts.jsonl", from: parts}
  - {to: "${OUT}/shop.db", table: parts, from: parts}
  - {to: "${OUT}/shop.duckdb", table: orders, from: orders, key: number}
  - "${OUT}/spent.parquet"
"""

_COMPANIES = 11
_NUMBER = re.compile(r"order (\d{5}),")
_COMPANY = re.compile(r"company (\d+) of the chaos")


class Part(BaseModel):
    name: str
    price: Decimal


class Order(BaseModel):
    number: int
    company: str
    total: Decimal
    parts: list[Part]


SCHEMA = f"from decimal import Decimal\nfrom pydantic import BaseModel\n\n{getsource(Part)}\n{getsource(Order)}"
"""The same, as a file of the project."""


def record(number: int) -> dict[str, Any]:
    parts = [
        {"name": f"part {number}-{place}", "price": Decimal(number % 97 + place) + Decimal("0.25")}
        for place in range(1 + number % 4)
    ]
    total = sum((one["price"] for one in parts), Decimal(0))
    return {
        "number": number,
        "company": f"company {number % _COMPANIES} of the chaos",
        "total": total,
        "parts": parts,
    }


def document(number: int) -> str:
    one = record(number)
    lead = f"order {number:05},"
    lines = [f"{lead} from {one['company']}"]
    lines += [f"{lead} {part['name']}: {part['price']}" for part in one["parts"]]
    return "\n".join([*lines, f"{lead} total: {one['total']}", ""])


class Book:
    """What is said to each request. Of the orders a sixth comes with a wrong total at first, some are cut off or
    broken, and a few are wrong however they are asked for, and rejected in the end."""

    def __init__(self, count: int, seed: int) -> None:
        self._gold = Gold({f"order {n:05},": record(n) for n in range(count)}, compile(Order))
        self._seed = seed

    def __call__(self, request: Request) -> Said:
        found = _NUMBER.search(request.document)
        if found is None:
            company = _COMPANY.search(request.document)
            return {"yes": company is not None and int(company[1]) % 3 != 0}
        said = self._gold(request)
        assert isinstance(said, Answer)
        number = int(found[1])
        if number % 50 == 49:
            return _wrong(said)
        if len(request.body["messages"]) > 2 or '"changes"' in said.text[:12]:  # a repair is answered rightly
            return said
        dice = int.from_bytes(hashlib.blake2b(f"{self._seed} {number}".encode(), digest_size=2).digest(), "big") % 100
        if dice < 16:
            return _wrong(said)
        if dice < 22:
            return DAMAGE["truncated"](said)
        return DAMAGE["malformed"](said) if dice < 26 else said


def _wrong(said: Answer) -> Answer:
    """An answer whose total is not the sum of its parts."""
    value = json.loads(said.text)
    for change in value.get("changes", ()):
        change["value"] = "0.01" if isinstance(change["value"], str) else change["value"]
    if "total" in value:
        value["total"] = "0.01" if isinstance(value["total"], str) else 0.01
    return replace(said, text=json.dumps(value))
