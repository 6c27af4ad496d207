"""The schema of the benchmark of repairs, and its documents: pydantic alone, so that both sides can import it."""

from __future__ import annotations

import datetime
import random
from typing import Any

from pydantic import BaseModel, Field, field_validator, model_validator


class Line(BaseModel):
    name: str
    price: float


class Invoice(BaseModel):
    """An invoice with twenty fields, of which some can be wrong."""

    number: str
    date: datetime.date
    seller: str
    buyer: str
    street: str
    city: str
    country: str
    vat: str
    currency: str = Field(description="The currency of the amounts as its ISO 4217 code")
    net: float
    tax: float
    total: float = Field(description="The amount to pay in the end, with tax")
    iban: str
    bic: str
    terms: str
    due: datetime.date
    reference: str
    mail: str
    note: str | None = None
    lines: list[Line]

    @field_validator("total", "net", "tax")
    @classmethod
    def not_negative(cls, value: float) -> float:
        if value < 0:
            raise ValueError("an amount is not negative")
        return value

    @model_validator(mode="after")
    def adds_up(self) -> Invoice:
        if abs(self.net + self.tax - self.total) > 0.005:
            raise ValueError("net and tax add up to the total")
        return self


FIRST = ("Acme", "Borealis", "Cobalt", "Delta", "Elm", "Falcon", "Garnet", "Harbour", "Iris", "Juniper")
SECOND = ("Works", "Trading", "Supplies", "Foods", "Tools", "Paper", "Optics", "Textiles")
CITIES = ("Leeds", "Bristol", "Cork", "Oslo", "Graz", "Lyon", "Turin", "Ghent")
GOODS = ("bolts", "cable", "lamp", "chair", "paper", "valve", "filter", "paint", "glove", "rope")
TERMS = "Goods remain the property of the seller until they are paid for in full. Complaints within 14 days."


def record(index: int) -> dict[str, Any]:
    """The true record of document `index`."""
    dice = random.Random(index)
    lines = [
        {"name": f"{dice.choice(GOODS)} no. {dice.randint(10, 99)}", "price": dice.randint(100, 90_000) / 100}
        for _ in range(dice.randint(2, 8))
    ]
    net = round(sum(line["price"] for line in lines), 2)
    tax = round(net * 0.2, 2)
    seller = f"{dice.choice(FIRST)} {dice.choice(SECOND)} Ltd"
    return {
        "number": f"INV-{index:05d}",
        "date": f"2026-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}",
        "seller": seller,
        "buyer": f"{dice.choice(FIRST)} {dice.choice(SECOND)} GmbH",
        "street": f"{dice.randint(1, 200)} Station Road",
        "city": dice.choice(CITIES),
        "country": "GB",
        "vat": f"GB{dice.randint(10**8, 10**9 - 1)}",
        "currency": dice.choice(("GBP", "EUR")),
        "net": net,
        "tax": tax,
        "total": round(net + tax, 2),
        "iban": f"GB{dice.randint(10**19, 10**20 - 1)}",
        "bic": "BARCGB22",
        "terms": f"{dice.choice((14, 30, 60))} days net",
        "due": f"2027-01-{dice.randint(1, 28):02d}",
        "reference": f"R-{dice.randint(1000, 9999)}",
        "mail": f"billing@{seller.split()[0].lower()}.example",
        "note": None,
        "lines": lines,
    }


def document(index: int, scale: int = 1) -> str:
    """The text of document `index`: one to four thousand characters, with terms that are `scale` times as long."""
    dice, true = random.Random(-index - 1), record(index)
    rows = [f"{line['name']:<40}{line['price']:>10.2f}" for line in true["lines"]]
    text = [
        f"INVOICE {true['number']}",
        f"{true['seller']}, {true['street']}, {true['city']} ({true['country']})   VAT no. {true['vat']}",
        f"Date: {true['date']}    Bill to: {true['buyer']}    Your reference: {true['reference']}",
        "",
        *rows,
        "",
        f"Net amount {true['currency']} {true['net']:.2f}",
        f"VAT 20 %   {true['currency']} {true['tax']:.2f}",
        f"TOTAL      {true['currency']} {true['total']:.2f}",
        "",
        f"Payable by {true['due']}, {true['terms']}. IBAN {true['iban']}, BIC {true['bic']}. Questions: {true['mail']}",
        "",
        *(f"{number}. {TERMS}" for number in range(1, scale * dice.randint(4, 28))),
    ]
    return "\n".join(text)
