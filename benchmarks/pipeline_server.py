"""The server of the benchmark of pipelines: `extract.testing`'s fake OpenAI with the records of the receipts.

    python benchmarks/pipeline_server.py COUNT [RECEIPTS]

Prints its address, and serves until its standard input is closed. There it is told ``begin BAD``, which forgets what
was asked so far (BAD is which answers for the receipts that `bad` names are bad: ``none``, the ``first`` for each, or
``all``), and ``told``, at which it says how many requests came since, and when the first one did, as the monotonic
clock of the machine has it. Bad answers are charged and end as others do; a repair is answered as badly as the whole.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "peers")]

from spending_receipts import BAD, bad, receipts  # noqa: E402
from spending_schema import Receipt  # noqa: E402

from extract import compile  # noqa: E402
from extract.testing import FakeOpenAI  # noqa: E402
from extract.testing.gold import Gold  # noqa: E402
from extract.testing.script import Answer, Request, Said  # noqa: E402

LATENCY = 0.02
"""Seconds that an answer takes."""


class Books:
    """What is answered, and what was asked."""

    def __init__(self, count: int, real: Path | None) -> None:
        known = receipts(count, real)
        self.server = FakeOpenAI(self, latency=LATENCY)
        self._numbers = Gold({one.key: number for number, one in enumerate(known)}, None, self.server.requests)
        records = {one.key: one.record for one in known}
        self._records = Gold(records, compile(Receipt), self.server.requests)
        self.begin("none")

    def begin(self, which: str) -> None:
        self.which, self.first = which, None
        self._answers: Counter[int] = Counter()
        self.server.reset()

    def told(self) -> dict[str, Any]:
        return {"requests": self.server.count, "first": self.first}

    def __call__(self, request: Request) -> Said:
        if self.first is None:
            self.first = time.monotonic()
        number, said = self._numbers(request), self._records(request)
        assert isinstance(number, Answer)
        assert isinstance(said, Answer)
        kind = bad(int(number.text))
        self._answers[int(number.text)] += 1
        spoilt = self.which == "all" or (self.which == "first" and self._answers[int(number.text)] == 1)
        return Answer(_spoilt(kind, said.text)) if kind is not None and spoilt else said

    first: float | None


def _spoilt(kind: str, text: str) -> str:
    """A record, or the changes of a repair, gone wrong in one of the ways."""
    value = json.loads(text)
    if kind == BAD[0]:
        return text[: len(text) // 2]
    if "changes" in value:
        value["changes"] = [] if kind == BAD[1] else [{**one, "value": "n/a"} for one in value["changes"]]
    elif kind == BAD[1]:
        del value["date"]
    else:
        value["total"] = "n/a"
    return json.dumps(value)


def main() -> None:
    books = Books(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    with books.server as server:
        print(server.base_url, flush=True)
        for line in sys.stdin:
            verb, *rest = line.split()
            if verb == "begin":
                books.begin(*rest)
            print(json.dumps(books.told()), flush=True)


if __name__ == "__main__":
    main()
