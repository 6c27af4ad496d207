"""How well the rule reader fills company, date, address and total of scanned receipts.

    python benchmarks/receipts.py receipts.jsonl        # or set EXTRACT_RECEIPTS to its path

Each line of the file is a JSON object with `text` (the receipt as recognised text) and `gold` (the four fields as
strings); ICDAR-2019 SROIE in that form is what the README's figures are from. A field is right if it equals the
gold value after folding case and white space. Two schemas are tried: strings as they are printed, and typed ones (a
date with the order day, month, year set, and a number). `right` is the share of all receipts, `precision` that of
the answered.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from extract.call import Call, Part, Shape
from extract.models.rules import fill


class Printed(BaseModel):
    company: str
    date: str
    address: str
    total: str


class Typed(BaseModel):
    company: str
    date: date
    address: str
    total: Decimal


def folded(text: Any) -> str:
    return re.sub(r"\s+", "", str(text)).casefold()


def same_number(found: Any, gold: str) -> bool:
    try:
        return Decimal(str(found)) == Decimal(re.sub(r"[^\d.-]", "", gold))
    except InvalidOperation:
        return False


def same_date(found: Any, gold: str) -> bool:
    """Whether an ISO date has the gold date's parts, day first."""
    names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    parts = re.findall(r"\d+|[a-z]{3}", gold.casefold())
    numbers = [
        names.index(part) + 1 if part in names else int(part) for part in parts if part.isdigit() or part in names
    ]
    year, month, day = (int(part) for part in str(found).split("-"))
    return sorted(numbers[:3]) in (sorted([year, month, day]), sorted([year % 100, month, day]))


def same_text(found: Any, gold: str) -> bool:
    return folded(found) == folded(gold)


def same_amount_text(found: Any, gold: str) -> bool:
    return same_text(found, gold) or same_number(re.sub(r"[^\d.-]", "", str(found)) or "x", gold)


PRINTED: dict[str, Callable[[Any, str], bool]] = dict.fromkeys(("company", "date", "address", "total"), same_text)
TYPED = PRINTED | {"date": same_date, "total": same_number}


def score(
    rows: list[dict[str, Any]], model: type[BaseModel], same: dict[str, Callable[[Any, str], bool]], wrong: str
) -> None:
    full = model.model_json_schema()
    right, answered = dict.fromkeys(same, 0), dict.fromkeys(same, 0)
    begin = time.perf_counter()
    for row in rows:
        call = Call(
            "rules",
            1,
            "",
            (Part("text", "document", text=row["text"]),),
            Shape(model.__name__, full, {}),
            settings={"date_order": "dmy"},
        )
        value, confidence = fill(call)
        for name, equal in same.items():
            if name in value:
                answered[name] += 1
                good = equal(value[name], row["gold"][name])
                right[name] += good
                if wrong == name and not good:
                    print(f"{row['id']}: {value[name]!r} ({confidence['/' + name]}) is not {row['gold'][name]!r}")
            elif wrong == name:
                print(f"{row['id']}: nothing for {row['gold'][name]!r}")
    seconds = time.perf_counter() - begin
    print(f"{model.__name__}: {len(rows)} receipts, {1000 * seconds / len(rows):.1f} ms each")
    for name in same:
        print(
            f"  {name:8} right {right[name] / len(rows):.3f}"
            f"   precision {right[name] / max(answered[name], 1):.3f}   answered {answered[name]}"
        )


def main() -> int:
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("EXTRACT_RECEIPTS", "")
    path = Path(given)
    if not given or not path.is_file():
        print(
            f"There are no receipts at {given or 'the path given'}: name a file of receipts, or set EXTRACT_RECEIPTS.",
            file=sys.stderr,
        )
        return 2
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    wrong = sys.argv[2] if len(sys.argv) > 2 else ""
    score(rows, Printed, PRINTED, wrong)
    score(rows, Typed, TYPED, "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
