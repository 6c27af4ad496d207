"""An invoice or a credit note, with its lines.

Amounts are read as they are printed, and nothing here ties them together: papers are wrong now and then, and whether
such a one is mended, held for review or rejected is for the checks of a pipeline to say (`pipelines/invoices.yaml`).
"""

import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field


class Party(BaseModel):
    """Somebody who sells or buys."""

    name: str = Field(min_length=1, description="The name of the company or person, without the address")
    address: str | None = Field(None, description="The address in one line, as it is printed")
    tax_number: str | None = Field(
        None, description='The number for value added tax, such as "VAT ID", with its country letters'
    )


class Line(BaseModel):
    """One position of the invoice. A discount, a charge or a deposit that stands among the positions, or between them
    and the sum without tax, is a line too; a discount has a negative amount. Subtotals, sums that are carried from page
    to page, and taxes are no lines."""

    description: str = Field(
        min_length=1,
        description='What was delivered or done, as it is printed under a heading such as "Service" or "Concepto"',
    )
    code: str | None = Field(None, description="The article number; the number of the position is none")
    quantity: Decimal | None = Field(None, description="How many units")
    unit: str | None = Field(None, description="What is counted, if the paper says so: hours, kg, pieces")
    unit_price: Decimal | None = Field(None, description="The price of one unit")
    tax_rate: Decimal | None = Field(
        None, description="The rate of its tax in percent (19 for 19 %), if it stands in the line"
    )
    amount: Decimal | None = Field(
        None, description="The amount of the line as it is printed, not worked out from quantity and price"
    )


class Invoice(BaseModel):
    """An invoice or a credit note. Numbers are written with a point and without separators of thousands, whatever the
    paper does; amounts keep the sign that is printed. What is not on the paper is left out."""

    kind: Literal["invoice", "credit_note", "other"] = Field(
        "invoice",
        description="other is any paper that asks for no money and gives none back, such as a delivery note, an order"
        " confirmation or an offer",
    )
    number: str = Field(
        min_length=1, description='The number of the invoice or credit note, such as "Invoice No" or "Gutschrift Nr."'
    )
    date: datetime.date = Field(description="The day on which it was issued")
    due_date: datetime.date | None = Field(
        None, description="The day until which it is to be paid, if a day is named and not only a number of days"
    )
    delivery_date: datetime.date | None = Field(
        None, description="The day of the delivery or service, if it is one day"
    )
    order_number: str | None = Field(None, description="The number of the order that the paper names")
    seller: Party = Field(description="Who issued the invoice")
    buyer: Party | None = Field(None, description="To whom it was issued")
    currency: str | None = Field(
        None, pattern="^[A-Z]{3}$", description="The currency of the amounts as its ISO 4217 code"
    )
    lines: list[Line] = Field(
        default_factory=list, description="The positions of all pages, in their order, each one once"
    )
    net: Decimal | None = Field(None, description='The sum without tax, such as "Subtotal" or "Net total"')
    tax: Decimal | None = Field(
        None, description="The sum of all taxes; 0 if the paper says that there is none, left out if it says nothing"
    )
    rounding: Decimal | None = Field(
        None, description="What was added to net and tax to round the total, or taken off (negative), if it is printed"
    )
    total: Decimal = Field(
        description="The amount of the whole invoice, with tax, before any payment is taken off; 0 on a paper of the"
        " kind other that names none"
    )
    paid: Decimal | None = Field(None, description="What had been paid before, such as a deposit, as a positive number")
    due: Decimal | None = Field(
        None, description='What is still to be paid, if a payment was taken off the total, such as "Balance due"'
    )
