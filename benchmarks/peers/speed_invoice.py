"""The record of the benchmark of speed as the pydantic model that every contender validates into."""

from __future__ import annotations

import datetime

from pydantic import BaseModel, Field


class Line(BaseModel):
    name: str
    quantity: int
    price: float
    amount: float


class Invoice(BaseModel):
    number: str
    date: datetime.date
    seller: str
    buyer: str
    currency: str = Field(description="The currency of the amounts as its ISO 4217 code")
    lines: list[Line]
    net: float
    tax: float
    total: float = Field(description="The amount to pay in the end, with tax")
