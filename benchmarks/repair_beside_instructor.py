"""What repairs cost and settle, beside instructor: the same server, documents, schema and faults, in one run.

    python benchmarks/repair_beside_instructor.py [--peer PYTHON] [--documents 300] [--scale 1]

`--peer` is an interpreter in an environment of its own that has instructor; without it our side runs alone. The server
is `extract.testing`'s, over real HTTP; what it charged is its own books, counted alike for both. Which answer and which
request goes wrong, and how, is decided by the document and by how many came for it before, so both meet the same.

Part 1: the first answer for each document has one failing field of twenty, the second is right.
Part 2: 35 % of answers go wrong (a failing field, amounts that do not add up, broken JSON, cut off) or are refused for
good, 15 % of requests fail (429, 500, a cut connection). A document can be settled if one of its three attempts is
right. instructor runs with `Mode.TOOLS` and `max_retries=3`, the OpenAI client with its own retries.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from extract import extract
from extract.jsontext import dump
from extract.schema import compile
from extract.testing import Answer, FakeOpenAI, Fault, Request
from extract.testing.completion import DAMAGE, counted
from extract.testing.gold import Gold

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from invoice import Invoice, document, record

ATTEMPTS = 3
PRICE_IN, PRICE_OUT = Decimal("0.15"), Decimal("0.60")
WRONG, FAILING = 0.35, 0.15
KINDS = ("field",) * 10 + ("sum",) * 3 + ("malformed",) * 3 + ("truncated",) * 3 + ("refusal",)

Fate = Callable[[int, int], str]
"""What becomes of the n-th answer for a document: ``right`` or a kind of wrong."""


def first_wrong(index: int, attempt: int) -> str:
    return "field" if attempt == 1 else "right"


def often_wrong(index: int, attempt: int) -> str:
    for one in range(1, attempt + 1):  # who refuses once goes on refusing
        dice = random.Random(f"{index} {one}")
        kind = dice.choice(KINDS) if dice.random() < WRONG else "right"
        if kind == "refusal" or one == attempt:
            return kind
    raise AssertionError


@dataclass
class Books:
    """What the server was asked and said in one run of one side."""

    fate: Fate
    failing: float
    schema: Any
    history: list[Request] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    requests: Counter[int] = field(default_factory=Counter)
    charged: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def __call__(self, request: Request) -> Answer | Fault:
        self.history.append(request)
        index = self._index(request)
        self.requests[index] += 1
        dice = random.Random(f"http {index} {self.requests[index]}")
        if dice.random() < self.failing:
            return Fault(dice.choice(("rate_limit", "server_error", "cut")), retry_after=0.01)
        self.answers[index] += 1
        answer = self._answer(request, index, self.fate(index, self.answers[index]))
        usage = counted(request, answer)
        self.charged[index].append((usage.input, usage.output))
        return answer

    def _index(self, request: Request) -> int:
        gold = Gold({f"INVOICE INV-{n:05d}": n for n in range(COUNT)}, None, self.history)
        found = gold(request)
        assert isinstance(found, Answer)
        return int(found.text)

    def _answer(self, request: Request, index: int, fate: str) -> Answer:
        true = record(index)
        if fate == "field":
            true["total"] = -true["total"]
        elif fate == "sum":
            true["net"] = true["net"] + 1
        said = Gold({":": true}, self.schema)(request)  # it stands in every request
        assert isinstance(said, Answer)
        if request.tool:  # the peer's schema is its own, and its records are the user's
            said = Answer(dump(true))
        return DAMAGE[fate](said) if fate in DAMAGE else said  # type: ignore[index]


@dataclass
class Outcome:
    """What one side made of the documents."""

    books: Books
    records: dict[int, Any]
    told: int

    @property
    def tokens(self) -> tuple[int, int]:
        every = [one for calls in self.books.charged.values() for one in calls]
        return sum(one[0] for one in every), sum(one[1] for one in every)

    @property
    def dollars(self) -> Decimal:
        asked, said = self.tokens
        return (asked * PRICE_IN + said * PRICE_OUT) / 1_000_000

    @property
    def repairs(self) -> tuple[int, int]:
        every = [one for calls in self.books.charged.values() for one in calls[1:]]
        return sum(one[0] for one in every), sum(one[1] for one in every)


def ours(fate: Fate, failing: float, count: int) -> Outcome:
    schema = compile(Invoice)
    books = Books(fate, failing, schema)

    @extract(model="openai/gpt-4o-mini", attempts=ATTEMPTS)
    def read(document: str) -> Invoice:
        """Read the invoice."""

    with FakeOpenAI(books) as server:
        os.environ |= {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "k"}
        records, told = {}, 0
        for index, result in enumerate(read.batch([document(index, SCALE) for index in range(count)])):
            records[index] = None if result.value is None else result.value.model_dump(mode="json")
            told += result.usage.input + result.usage.output
    return Outcome(books, records, told)


def peers(python: str, fate: Fate, failing: float, count: int) -> Outcome:
    books = Books(fate, failing, compile(Invoice))
    with FakeOpenAI(books) as server:
        program = Path(__file__).parent / "peers" / "with_instructor.py"
        command = [python, str(program), server.base_url, str(count), str(ATTEMPTS), str(SCALE)]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return Outcome(books, {one["index"]: one["record"] for one in lines}, sum(one["told"] for one in lines))


def settleable(fate: Fate, count: int) -> set[int]:
    return {i for i in range(count) if "right" in (fate(i, attempt) for attempt in range(1, ATTEMPTS + 1))}


def rows(name: str, made: Outcome, can: set[int]) -> Iterator[str]:
    settled = {index for index, one in made.records.items() if one is not None}
    wrong = {index for index in settled if made.records[index] != Invoice(**record(index)).model_dump(mode="json")}
    asked, said = made.tokens
    yield (
        f"{name:<11} settled {len(settled & can)} of {len(can)} ({len(settled & can) / len(can):.1%}), "
        f"wrong {len(wrong)}; "
        f"{sum(made.books.requests.values())} requests, tokens {asked:,} + {said:,}, {made.dollars:.4f} dollars; "
        f"charged and not told of: {asked + said - made.told:,} tokens"
    )


def main() -> None:
    global COUNT, SCALE
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="an interpreter that has instructor")
    parser.add_argument("--documents", type=int, default=COUNT)
    parser.add_argument("--scale", type=int, default=SCALE, help="how many times as long the terms of a document are")
    given = parser.parse_args()
    COUNT, SCALE = given.documents, given.scale
    if not given.peer:
        print("No --peer was given: instructor is not run.")
    for title, fate, failing in (
        ("one failing field of twenty", first_wrong, 0.0),
        (f"{WRONG:.0%} of answers wrong, {FAILING:.0%} of requests failing", often_wrong, FAILING),
    ):
        print(f"\n{title}, {COUNT} documents")
        can = settleable(fate, COUNT)
        mine = ours(fate, failing, COUNT)
        print(*rows("extract", mine, can), sep="\n")
        if given.peer:
            theirs = peers(given.peer, fate, failing, COUNT)
            print(*rows("instructor", theirs, can), sep="\n")
            both = sum(mine.tokens), sum(theirs.tokens)
            repairs = [one.repairs for one in (mine, theirs)]
            print(f"tokens {both[0] / both[1]:.2f}, dollars {mine.dollars / theirs.dollars:.2f} of instructor's")
            print(
                f"repairs: output {repairs[0][1]:,} / {repairs[1][1]:,} = {repairs[0][1] / max(repairs[1][1], 1):.2f}, "
                f"input {repairs[0][0]:,} / {repairs[1][0]:,} = {repairs[0][0] / max(repairs[1][0], 1):.2f}"
            )


COUNT, SCALE = 300, 1

if __name__ == "__main__":
    main()
