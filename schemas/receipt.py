"""A receipt: who sold, when, and for how much."""

import datetime
from decimal import Decimal

from pydantic import BaseModel, Field


class Receipt(BaseModel):
    """A receipt or a simple invoice."""

    company: str = Field(min_length=1, description="The seller's name, as printed at the head of the paper")
    date: datetime.date = Field(description="The day on which it was issued")
    total: Decimal = Field(description="The amount to pay in the end, with tax and after rounding")
    address: str | None = Field(None, description="The seller's address in one line")
    currency: str | None = Field(
        None, pattern="^[A-Z]{3}$", description="The currency of the amounts as its ISO 4217 code"
    )
    number: str | None = Field(None, description='The number of the paper, such as "Invoice No" or "Receipt No"')
    tax: Decimal | None = Field(None, description="The tax that the total includes")
