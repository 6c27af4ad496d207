"""The receipts of the benchmark of pipelines and what is read in them: the standard library alone, so that the driver,
which must stay small, and its server make the same ones.

A receipt has about 1 kB; its number stands in it and in no other. Which receipts are answered badly, and how, is
decided by their number as well.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["BAD", "LEAST", "Receipt", "bad", "receipts", "spending"]

LEAST = 40.0
"""The job keeps receipts whose total is at least this."""

BAD = ("broken JSON", "no date", "a total that is text")
_FIRST = ("Acme", "Borealis", "Cobalt", "Delta", "Elm", "Falcon", "Garnet", "Harbour", "Iris", "Juniper")
_SECOND = ("Stores", "Trading", "Supplies", "Foods")
_STREETS = ("High Street", "Mill Lane", "Station Road", "Queen Street", "Harbour Row")
_TOWNS = ("Leeds", "Bristol", "Cork", "Oxford", "Bath", "York")
_GOODS = ("Bread", "Green tea", "Paper A4", "Batteries", "Apples", "Olive oil", "Soap", "Light bulb", "Rice 5 kg")
_FOOT = (
    "Goods can be exchanged within 14 days with this receipt. Opened packages are not taken back.",
    "Collect points with every purchase: ask for your card at the till. Points are kept for two years.",
    "Open Monday to Saturday from 8 to 20. Thank you for your visit, and see you again soon.",
)


@dataclass(frozen=True)
class Receipt:
    """One document: a text that stands in it alone, the text, and the record that is read in it."""

    key: str
    text: str
    record: dict[str, Any]


def receipts(count: int, real: Path | None = None) -> list[Receipt]:
    """So many receipts: the real ones first, where there is a file of them, then made ones."""
    found = [] if real is None else [_real(json.loads(line)) for line in real.read_text("utf-8").splitlines()][:count]
    return found + [_made(number) for number in range(len(found), count)]


def bad(number: int) -> str | None:
    """What is wrong with the answers for this receipt, if it is one of the 5 % whose answers are."""
    return BAD[number // 20 % len(BAD)] if number % 20 == 7 else None


def spending(read: list[Receipt], least: float) -> dict[str, dict[str, float]]:
    """What the job makes of them: by company, the receipts, the lines, and their sum."""
    found: dict[str, dict[str, float]] = {}
    for one in read:
        if one.record["total"] >= least:
            row = found.setdefault(one.record["company"], {"receipts": 0, "lines": 0, "spent": 0.0})
            row["receipts"] += 1
            row["lines"] += len(one.record["lines"])
            row["spent"] += sum(line["amount"] for line in one.record["lines"])
    return found


def _made(number: int) -> Receipt:
    dice = random.Random(f"receipt {number}")
    company = f"{dice.choice(_FIRST)} {dice.choice(_SECOND)} Ltd"
    address = f"{dice.randint(1, 180)} {dice.choice(_STREETS)}, {dice.choice(_TOWNS)}"
    date = f"{dice.randint(2019, 2024)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"
    lines = [{"item": dice.choice(_GOODS), "amount": dice.randint(50, 2500) / 100} for _ in range(dice.randint(3, 9))]
    total = round(sum(line["amount"] for line in lines), 2)
    key = f"Receipt no. R-{number:06}"
    printed = "\n".join(f"{line['item']:<32}{line['amount']:>8.2f}" for line in lines)
    head = f"{company}\n{address}\nTel. 01 555 {dice.randint(1000, 9999)}\n\n{key}\nDate: {date}\nTill {number % 7}"
    foot = "\n".join(_FOOT)
    text = f"{head}\n\n{printed}\n{'-' * 40}\n{'TOTAL':<32}{total:>8.2f}\nPaid by card\n\n{foot}\n"
    return Receipt(key, text, {"company": company, "date": date, "address": address, "total": total, "lines": lines})


def _real(row: dict[str, Any]) -> Receipt:
    """A scanned receipt; its gold record has no lines, so that it is answered with one for the whole."""
    gold, text = row["gold"], row["text"].strip() + "\n"
    total = float(re.sub(r"[^\d.]", "", gold["total"]))
    lines = [{"item": "all", "amount": total}]
    named = {name: gold[name] for name in ("company", "date", "address")}
    return Receipt(text.strip(), text, {**named, "total": total, "lines": lines})
