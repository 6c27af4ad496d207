"""What the confidences of an answer cost: processor time for answers of growing length, and per byte.

    python benchmarks/confidence_speed.py

Each answer is an invoice in the wire's shape, with tokens of one to six bytes.
"""

from __future__ import annotations

import random
import statistics
import time

from pydantic import BaseModel

from extract.call import TokenLogprob
from extract.confidence import Said, of_record
from extract.jsontext import dump, load
from extract.schema import compile


class Line(BaseModel):
    name: str
    price: float
    quantity: int | None = None


class Invoice(BaseModel):
    company: str
    total: float
    note: str | None = None
    tags: list[str] = []
    lines: list[Line]
    rates: dict[str, float] = {}


SCHEMA = compile(Invoice)


def answer(lines: int) -> str:
    items = [{"name": f"item {index}", "price": index + 0.5, "quantity": index % 3 or None} for index in range(lines)]
    value = {"company": "ACME Ltd 😀", "total": 4.95, "note": None, "lines": items, "rates": {"a": 1.5, "b": 2.0}}
    return dump(SCHEMA.encode(value), spaced=False)


def cut(text: str) -> tuple[TokenLogprob, ...]:
    data, made, at, chance = text.encode(), [], 0, random.Random(1)
    while at < len(data):
        end = at + chance.randint(1, 6)
        made.append(TokenLogprob(data[at:end], -chance.random() / 10))
        at = end
    return tuple(made)


def main() -> None:
    for lines in (18, 180, 1800):
        text = answer(lines)
        said, record = Said(text, cut(text)), SCHEMA.decode(load(text))
        times = []
        for _ in range(200 if lines < 1000 else 20):
            start = time.process_time()
            found = of_record(said, SCHEMA.codec, record)
            times.append(time.process_time() - start)
        middle = statistics.median(times)
        print(
            f"{len(text.encode()):7,} bytes, {len(said.tokens):6,} tokens, {len(found):5,} leaves: "
            f"{middle * 1e3:7.2f} ms, {middle / len(text.encode()) * 1e6:.2f} µs a byte"
        )


if __name__ == "__main__":
    main()
