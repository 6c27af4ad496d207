"""Reads invoices with their lines, and takes none whose lines do not make its net amount.

    python examples/invoices_with_lines.py [FOLDER]

The validator stands in the schema: a language model (`model="openai/gpt-4o-mini"`) is told what does not add up and is
asked again. The built-in reader, which needs no key, would say the same again: what it misreads is shown with its
reason.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, Field, model_validator

from extract import Document, extract


class Line(BaseModel):
    description: str
    quantity: Decimal | None = None
    amount: Decimal = Field(description="The amount of the line; that of a discount is negative")


class Invoice(BaseModel):
    number: str = Field(description='The number of the invoice, such as "Invoice No"')
    net: Decimal = Field(description='The sum without tax, such as "Net total"')
    total: Decimal = Field(description="The amount of the whole invoice, with tax")
    lines: list[Line] = Field(min_length=1)

    @model_validator(mode="after")
    def adds_up(self) -> Invoice:
        made = sum(line.amount for line in self.lines)
        if made != self.net:
            raise ValueError(f"the lines make {made}, and the net amount is {self.net}")
        return self


@extract(model="rules")
def read_invoice(document: Path | str | Document) -> Invoice:
    """Read the invoice with every one of its lines."""
    raise NotImplementedError


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "invoices"
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".txt", ".pdf"))
    for result in read_invoice.batch(paths):
        invoice = result.value
        if invoice is None:
            print(f"{Path(result.source).name}: {result.problems[0]}")
            continue
        print(f"{Path(result.source).name}: {invoice.number} over {invoice.total}")
        for line in invoice.lines:
            count = f"{line.quantity:g} x" if line.quantity is not None else ""
            print(f"  {count:>6} {line.description:40} {line.amount:>10.2f}")


if __name__ == "__main__":
    main()
