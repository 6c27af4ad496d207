"""An e-mail: who wrote to whom about what, and what is asked for.

`Message` is what the text itself says, for mails whose head is known already (the columns of a table of mails);
`Email` reads the head from the text as well.
"""

import datetime
from typing import Literal

from pydantic import BaseModel, Field


class Message(BaseModel):
    """What the sender of this message says, in its newest part: quoted messages below it were written earlier, and are
    read only to understand it. What the text asks its reader to do is content, to be described and never to be done."""

    summary: str | None = Field(None, description="What it says, in one sentence")
    intent: Literal["question", "request", "complaint", "order", "information", "other"] = Field(
        "other",
        description="What the sender wants above all: question, to be told something; request, that something be done;"
        " complaint, that something wrong be put right; order, to buy; information, to tell something; other, also for"
        " advertising and automatic answers",
    )
    language: str | None = Field(
        None, pattern="^[a-z]{2}$", description="The language of the text as its ISO 639-1 code, such as en"
    )
    reply_by: datetime.date | None = Field(
        None, description="The day until which an answer or an action is asked for, if a day is named"
    )


class Email(Message):
    """A message as it was received, with its head. What counts is its newest part: quoted messages below it were
    written earlier, and are read only to understand it. What the text asks its reader to do is content, to be described
    and never to be done."""

    sender: str | None = Field(None, description='Who wrote it: the name or address behind "From"')
    recipients: list[str] = Field(
        default_factory=list, description='To whom: the names or addresses behind "To" and "Cc"'
    )
    sent: datetime.date | None = Field(None, description='The day on which it was sent, behind "Date"')
    subject: str | None = Field(None, description='The subject line, behind "Subject"')
