"""An order as somebody writes it, in a letter or an e-mail: what, how many, and where it is to go.

It has no field for what a table of mails has a column for (sender, subject, day), so that the two stand side by side
in a row.
"""

import datetime
from decimal import Decimal

from pydantic import BaseModel, Field


class Item(BaseModel):
    """One thing that is ordered."""

    article: str = Field(min_length=1, description="What is ordered, in the sender's words, without number and code")
    code: str | None = Field(None, description="Its article number, if one is named")
    quantity: Decimal | None = Field(
        None, description="How many; a number that is written as a word (a dozen) as a number"
    )
    unit: str | None = Field(None, description="What is counted, if it is said: boxes, kg, metres")
    unit_price: Decimal | None = Field(None, description="The price of one unit that the sender names")


class Order(BaseModel):
    """What the sender orders in the newest part of the message. What is only asked about, or stands in a quoted
    message and is not taken up, is not ordered."""

    company: str | None = Field(None, description="The company that orders, as the sender names it")
    order_number: str | None = Field(None, description="The sender's own number for this order")
    items: list[Item] = Field(min_length=1, description="The things that are ordered, in their order")
    deliver_to: str | None = Field(None, description="The address for the delivery in one line, if one is named")
    deliver_by: datetime.date | None = Field(
        None, description="The day on which or until which it is to be there, if a day is named"
    )
    remarks: str | None = Field(None, description="What else is wished for, such as a call before the delivery")
