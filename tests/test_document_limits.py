"""Limits of one document: a task that has reached one asks no more, says so, and keeps what it has."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from extract import ExtractError, ModelError, ValidationFailed, compile, extract
from extract.call import Call, Reply, Usage
from extract.catalogue import ModelFacts, Price
from extract.document import Document
from extract.extraction import Extraction
from extract.jsontext import dump
from extract.limits import DocumentLimits
from extract.task import Task

if TYPE_CHECKING:
    from extract.testing import FakeOpenAI

MINI = ModelFacts("mini", "test", max_output=1000, price=Price(Decimal(1), Decimal(2)))
LARGE = ModelFacts("large", "test", max_output=1000, price=Price(Decimal(10), Decimal(20)))
FREE = ModelFacts("own", "own", max_output=1000)


class Bill(BaseModel):
    company: str
    total: Decimal


BILL = compile(Bill)
EACH = Usage(100, 0, 10)
COST = Decimal("0.000120")
"""What a call to MINI costs."""


def drive(task: Task[Any], say: Callable[[Call], Any]) -> Extraction[Any]:
    steps = task.steps(Document(text="ACME 4.95"))
    try:
        calls = next(steps)
        while True:
            calls = steps.send(tuple(reply(say(call)) for call in calls))
    except StopIteration as end:
        return end.value


def reply(said: Any) -> Reply:
    if isinstance(said, Reply):
        return said
    return Reply(text=dump(said), mode="json_schema", usage=EACH)


def always_wrong(call: Call) -> Any:
    return {"company": "ACME", "total": f"many {call.attempt}"}


@pytest.mark.parametrize(
    ("limits", "calls"),
    [
        (DocumentLimits(tokens=1), 1),
        (DocumentLimits(tokens=110), 1),
        (DocumentLimits(tokens=111), 2),
        (DocumentLimits(tokens=331), 4),
        (DocumentLimits(budget_usd=COST), 1),
        (DocumentLimits(budget_usd=COST + Decimal("1e-9")), 2),
        (DocumentLimits(tokens=331, budget_usd=2 * COST), 2),
        (DocumentLimits(), 9),
    ],
)
def test_a_document_that_has_reached_a_limit_is_asked_no_more(limits: DocumentLimits, calls: int) -> None:
    result = drive(Task(BILL, (MINI,), attempts=9, limits=limits), always_wrong)
    assert len(result.attempts) == calls
    assert result.usage == Usage(calls * 100, 0, calls * 10)
    assert result.cost == calls * COST
    assert [one.kind for one in result.problems] == (["invalid", "limit"] if calls < 9 else ["invalid"])
    assert result.partial["company"] == "ACME"


def test_the_problem_says_which_limit_and_what_was_taken() -> None:
    result = drive(Task(BILL, (MINI,), limits=DocumentLimits(tokens=200)), always_wrong)
    assert str(result.problems[-1]) == (
        "the record: The limit of 200 tokens for one document is reached: 2 calls took 220"
    )
    result = drive(Task(BILL, (MINI,), limits=DocumentLimits(budget_usd=Decimal("0.0001"))), always_wrong)
    assert str(result.problems[-1]) == (
        "the record: The limit of 0.0001 USD for one document is reached: 1 call cost 0.000120 USD"
    )
    assert result.events[-1].rule == "failure.limit"


def test_a_limit_is_for_all_models_of_a_cascade_together() -> None:
    asked: list[str] = []

    def say(call: Call) -> Any:
        asked.append(call.model)
        return always_wrong(call)

    result = drive(Task(BILL, (MINI, LARGE), attempts=2, limits=DocumentLimits(tokens=330)), say)
    assert asked == ["mini", "mini", "large"]
    assert [one.kind for one in result.problems] == ["invalid", "limit"]


def test_the_next_model_is_not_asked_where_the_first_has_reached_the_limit() -> None:
    refusal = Reply(refusal="No.", usage=EACH)
    result = drive(Task(BILL, (MINI, LARGE), limits=DocumentLimits(tokens=110)), lambda call: refusal)
    assert len(result.attempts) == 1
    assert [one.kind for one in result.problems] == ["limit"]
    assert [event.rule for event in result.events] == ["failure.refusal", "failure.limit"]


def test_a_record_that_is_valid_at_its_limit_is_valid() -> None:
    result = drive(
        Task(BILL, (MINI,), limits=DocumentLimits(tokens=1)), lambda call: {"company": "ACME", "total": "4.95"}
    )
    assert result.ok


def test_a_record_that_is_only_unsure_at_its_limit_is_kept_and_the_limit_is_seen() -> None:
    unsure = Reply(
        text=dump({"company": "ACME", "total": "4.95"}),
        mode="json_schema",
        usage=EACH,
        confidence={"/company": 0.9, "/total": 0.1},
    )
    result = drive(Task(BILL, (MINI, LARGE), limits=DocumentLimits(tokens=1)), lambda call: unsure)
    assert result.ok
    assert len(result.attempts) == 1
    assert result.events[-1].rule == "failure.limit"


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"tokens": 0}, "The tokens for one document are a whole number above 0, not 0."),
        ({"tokens": 1.5}, "The tokens for one document are a whole number above 0, not 1.5."),
        (
            {"budget_usd": True},
            'The budget for one document is a Decimal of US dollars above 0, not True.\n  Write Decimal("0.01").',
        ),
        ({"tokens": True}, "The tokens for one document are a whole number above 0, not True."),
        (
            {"budget_usd": 0.01},
            'The budget for one document is a Decimal of US dollars above 0, not 0.01.\n  Write Decimal("0.01").',
        ),
        (
            {"budget_usd": Decimal(0)},
            "The budget for one document is a Decimal of US dollars above 0, not Decimal('0').\n"
            '  Write Decimal("0.01").',
        ),
    ],
)
def test_a_limit_is_above_nothing(limits: dict[str, Any], told: str) -> None:
    with pytest.raises(ExtractError) as caught:
        DocumentLimits(**limits)
    assert str(caught.value) == told


UNPRICED = "A budget for each document cannot be held: the price of {} is not known."
REMEDY = "\n  Limit the tokens of a document instead, or name models with a price."


def test_a_budget_without_a_price_is_refused_when_the_task_is_made() -> None:
    with pytest.raises(ModelError) as caught:
        Task(BILL, (MINI, FREE), limits=DocumentLimits(budget_usd=Decimal(1)))
    assert str(caught.value) == UNPRICED.format("own") + REMEDY
    assert Task(BILL, (MINI, FREE), limits=DocumentLimits(tokens=1)).limits.tokens == 1


def test_a_budget_without_a_price_is_refused_where_the_function_stands() -> None:
    with pytest.raises(ModelError) as caught:

        @extract(model="compatible/local", per_document=DocumentLimits(budget_usd=Decimal(1)))
        def read(document) -> Bill:  # type: ignore[no-untyped-def]
            """Read."""

    where, told = str(caught.value).split(": ", 1)
    assert where.startswith(f"{__file__}:")
    assert told == UNPRICED.format("compatible/local") + REMEDY


def test_what_was_paid_for_is_in_the_error(fake_openai: FakeOpenAI) -> None:
    fake_openai.answers(lambda request: {"company": "ACME", "total": f"many {fake_openai.count}"})

    @extract(attempts=10, per_document=DocumentLimits(tokens=300))
    def read(document) -> Bill:  # type: ignore[no-untyped-def]
        """Read."""

    with pytest.raises(ValidationFailed) as caught:
        read("ACME 4.95")
    extraction = caught.value.extraction
    assert extraction.usage == fake_openai.usage
    assert 1 < len(extraction.attempts) == fake_openai.count < 10
    assert extraction.usage.input + extraction.usage.output >= 300
    assert extraction.partial["company"] == "ACME"
    assert "The limit of 300 tokens for one document is reached" in str(caught.value)
