"""An invoice with its lines."""

import datetime
from decimal import Decimal

from pydantic import BaseModel, Field


class Party(BaseModel):
    """Somebody who sells or buys."""

    name: str = Field(min_length=1, description="The name of the company or person")
    address: str | None = Field(None, description="The address in one line")
    tax_number: str | None = Field(None, description='The number for value added tax, such as "VAT ID"')


class Line(BaseModel):
    """One position of the invoice."""

    description: str = Field(description="What was delivered or done")
    quantity: Decimal | None = Field(None, description="How many units")
    unit_price: Decimal | None = Field(None, description="The price of one unit")
    amount: Decimal | None = Field(None, description="The amount of the line")


class Invoice(BaseModel):
    """An invoice."""

    number: str = Field(description='The number of the invoice, such as "Invoice No"')
    date: datetime.date = Field(description="The day on which the invoice was issued")
    due_date: datetime.date | None = Field(None, description="The day until which it is to be paid")
    seller: Party = Field(description="Who issued the invoice")
    customer: Party | None = Field(None, description="To whom it was issued")
    currency: str | None = Field(
        None, pattern="^[A-Z]{3}$", description="The currency of the amounts as its ISO 4217 code"
    )
    net: Decimal | None = Field(None, description='The sum without tax, such as "Subtotal" or "Net total"')
    tax: Decimal | None = Field(None, description="The sum of all taxes")
    total: Decimal = Field(description="The amount to pay, with tax")
    lines: list[Line] = Field(default_factory=list, description="The positions in their order")
