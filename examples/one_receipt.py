"""Reads one receipt and shows what is known of each field.

    python examples/one_receipt.py [FILE]

It uses the built-in reader, so it needs no key; with `model="openai/gpt-4o-mini"` the same lines ask a language model.
"""

from __future__ import annotations

import datetime
import sys
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, Field

from extract import Document, extract

RECEIPTS = Path(__file__).parent / "receipts"


class Receipt(BaseModel):
    company: str = Field(description="The seller's name")
    date: datetime.date
    total: Decimal = Field(description="The amount to pay in the end")
    address: str | None = None


@extract(model="rules")
def read_receipt(document: Path | str | Document) -> Receipt:
    """Read the receipt. Amounts are in the currency printed on it."""
    raise NotImplementedError  # the decorator does the work; the body is never run


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RECEIPTS / "01-kopi-corner.txt"
    result = read_receipt.detail(path)
    if result.value is None:
        print("This is not a whole receipt:", *(f"  {problem}" for problem in result.problems), sep="\n")
        return
    print(f"{result.value.company} sold for {result.value.total} on {result.value.date}.")
    for pointer, sure in result.confidence.items():
        found = result.evidence.get(pointer)
        print(f"  {pointer:10} {sure:4.0%} sure", f"from {found.text!r}" if found else "")


if __name__ == "__main__":
    main()
