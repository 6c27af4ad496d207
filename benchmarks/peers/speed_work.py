"""The work of the benchmark of speed: its documents, the answer to all of them, and the schema as plain values.

Nothing is imported, so that it can be read before a contender's own imports are timed. The documents differ by a number
each, so that no two calls are the same; what the answer says stands in all of them.
"""

from __future__ import annotations

MODEL = "gpt-4o-mini"
INSTRUCTIONS = "Read the invoice. Amounts are in the currency printed on it."

_GOODS = (
    ("Hex bolts M8 × 40, zinc plated", 250, 0.12),
    ("Copper cable 3 × 1.5 mm², 50 m", 4, 61.9),
    ('Desk lamp "Lumière", black', 3, 48.5),
    ("Office chair, grey", 2, 189.0),
    ("Copy paper A4, box of 2,500", 12, 21.75),
    ('Ball valve 1/2", brass', 16, 7.4),
    ("Air filter G4, 592 × 592", 8, 13.6),
    ("Work gloves, size 9", 40, 2.35),
)

RECORD = {
    "number": "INV-2026-00417",
    "date": "2026-03-14",
    "seller": "Borealis Trading Ltd",
    "buyer": "Müller & Söhne GmbH",
    "currency": "EUR",
    "lines": [
        {"name": name, "quantity": quantity, "price": price, "amount": round(quantity * price, 2)}
        for name, quantity, price in _GOODS
    ],
    "net": 1383.3,
    "tax": 276.66,
    "total": 1659.96,
}
"""The record that every answer holds."""


def _object(**properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "Invoice",
        "strict": True,
        "schema": _object(
            number=_TEXT,
            date={"type": "string", "format": "date"},
            seller=_TEXT,
            buyer=_TEXT,
            currency={"type": "string", "description": "The currency of the amounts as its ISO 4217 code"},
            lines={
                "type": "array",
                "items": _object(name=_TEXT, quantity={"type": "integer"}, price=_NUMBER, amount=_NUMBER),
            },
            net=_NUMBER,
            tax=_NUMBER,
            total={"type": "number", "description": "The amount to pay in the end, with tax"},
        ),
    },
}
"""The strict schema of the record, for contenders that are given it as values."""

_ROWS = "\n".join(
    f"{line['name']:<42}{line['quantity']:>6}{line['price']:>10.2f}{line['amount']:>12.2f}" for line in RECORD["lines"]
)
_TERMS = "\n".join(
    f"{number}. Goods remain the property of the seller until they are paid for in full. Complaints within 14 days, in "
    f"writing, with the number of this invoice; the place of performance is the seller's."
    for number in range(1, 21)
)
_BEGIN, _END = (
    "Scan no. ",
    f"""
Borealis Trading Ltd, 17 Station Road, Leeds          VAT no. GB 482 1180 07
INVOICE {RECORD["number"]}                            Date: {RECORD["date"]}
Bill to: {RECORD["buyer"]}, Hafenstraße 4, 20457 Hamburg

{_ROWS}

Net amount    {RECORD["currency"]} {RECORD["net"]:.2f}
VAT 20 %      {RECORD["currency"]} {RECORD["tax"]:.2f}
TOTAL         {RECORD["currency"]} {RECORD["total"]:.2f}

Payable within 30 days. IBAN GB33 BUKB 2020 1555 5555 55, BIC BUKBGB22. Questions: billing@borealis.example

{_TERMS}
""",
)


def document(number: int) -> str:
    """The text of document `number`: 5 kB."""
    return f"{_BEGIN}{number:08d}{_END}"
