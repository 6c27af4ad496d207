"""An e-mail: who wrote to whom about what, and what is asked for."""

import datetime
from typing import Literal

from pydantic import BaseModel, Field


class Email(BaseModel):
    """A message as it was received, headers included where they are there."""

    sender: str | None = Field(None, description='Who wrote it: the name or address behind "From"')
    recipients: list[str] = Field(
        default_factory=list, description='To whom: the names or addresses behind "To" and "Cc"'
    )
    sent: datetime.date | None = Field(None, description='The day on which it was sent, behind "Date"')
    subject: str | None = Field(None, description='The subject line, behind "Subject"')
    summary: str | None = Field(None, description="What it says, in one sentence")
    intent: Literal["question", "request", "complaint", "order", "information", "other"] = Field(
        "other", description="What the sender wants"
    )
    reply_by: datetime.date | None = Field(None, description="The day until which an answer or an action is asked for")
