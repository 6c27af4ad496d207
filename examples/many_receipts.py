"""Reads a folder of receipts and invoices side by side, and adds up what was spent in each currency.

    python examples/many_receipts.py [FOLDER]

A document that cannot be read does not stop the others: it comes back with its problems.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, Field

from extract import Document, extract


class Spending(BaseModel):
    company: str = Field(description="The seller's name")
    total: Decimal = Field(description="The amount to pay in the end")
    currency: str = Field("???", pattern="^[A-Z?]{3}$", description="The currency as its ISO 4217 code")


@extract(model="rules")
def read_spending(document: Path | str | Document) -> Spending:
    """Read who was paid how much."""
    raise NotImplementedError


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "receipts"
    spent: dict[str, Decimal] = defaultdict(Decimal)
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".txt", ".pdf"))
    for result in read_spending.batch(paths):
        if result.value is None:
            print(f"{Path(result.source).name}: {result.problems[0]}")
        else:
            spent[result.value.currency] += result.value.total
    for currency, total in sorted(spent.items()):
        print(f"{currency} {total:>10}")


if __name__ == "__main__":
    main()
