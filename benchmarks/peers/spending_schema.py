from pydantic import BaseModel


class Line(BaseModel):
    item: str
    amount: float


class Receipt(BaseModel):
    company: str
    date: str
    address: str
    total: float
    lines: list[Line]
