"""A complaint: about which product, what is wrong with it, and what is wished for.

It has no field for what a table of mails has a column for (sender, subject, day), so that the two stand side by side
in a row.
"""

import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field


class Complaint(BaseModel):
    """What the sender complains about in the newest part of the message. A quoted message says what it is about where
    the newest part does not."""

    product: str | None = Field(None, description="The product or service, in the sender's words")
    order_number: str | None = Field(None, description="The number of the order, invoice or delivery that is named")
    fault: Literal["damaged", "defective", "missing", "wrong_item", "late", "billing", "service", "other"] = Field(
        description="damaged, it arrived broken; defective, it does not work or stopped working; missing, part of it or"
        " all of it never came; wrong_item, another article or size came; late, it came or comes too late; billing, the"
        " invoice or the payment is wrong; service, how somebody was treated"
    )
    problem: str = Field(min_length=1, description="What is wrong, in one sentence")
    wish: Literal["refund", "replacement", "repair", "delivery", "discount", "correction", "answer"] | None = Field(
        None,
        description="What the sender asks for above all: refund, the money back; delivery, what is missing or late;"
        " correction, of an invoice or an address; answer, only an explanation or an apology; left out if nothing is"
        " asked for",
    )
    claimed: Decimal | None = Field(None, description="The sum of money that is asked for, if one is named")
    answer_by: datetime.date | None = Field(None, description="The day that is set for an answer, if one is named")
