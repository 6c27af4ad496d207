"""What holds whatever happens: what was paid for is kept, budgets are never passed, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from extract import ExtractError, ModelError, extract
from extract.call import Reply
from extract.engines import calls
from extract.errors import BudgetExceeded
from extract.limits import Budget, Limits
from extract.testing import Answer, FakeOpenAI, Fault


class Bill(BaseModel):
    company: str
    total: Decimal


RECORD = {"company": "ACME Ltd", "total": "4.95"}
WRONG = {"company": "ACME Ltd", "total": "x"}


def reader(**options: Any) -> Any:
    @extract(**options)
    def read(document) -> Bill:  # type: ignore[no-untyped-def]
        """Read the bill."""

    return read


# What was paid for


@pytest.mark.parametrize("fault", ["quota", "key"])
def test_a_request_that_can_never_succeed_carries_what_was_paid_for_before(fake_openai: FakeOpenAI, fault: str) -> None:

    def say(request: Any) -> Any:
        fake_openai.key = "another" if fault == "key" else None  # for the next one
        return WRONG

    fake_openai.answers(say)
    if fault == "quota":
        fake_openai.faults(None, "quota")
    with pytest.raises(ModelError) as caught:
        reader()("ACME Ltd, total 4.95")
    held = caught.value.extraction
    assert held is not None
    assert (held.usage, held.partial, held.ok) == (fake_openai.usage, {"company": "ACME Ltd"}, False)
    assert [one.outcome for one in held.attempts] == ["stop", "configuration"]
    assert held.problems[-1].message == caught.value.message


@pytest.mark.parametrize("limits", [Limits(calls=1), Limits(tokens=16_800), Limits(budget_usd=Decimal("0.00988"))])
def test_a_budget_that_is_reached_carries_what_was_paid_for_before(fake_openai: FakeOpenAI, limits: Limits) -> None:
    fake_openai.answers(lambda request: Answer('{"company":"ACME","total":"x"}', usage=None))
    read = reader(limits=limits)
    with pytest.raises(BudgetExceeded) as caught:
        read("ACME Ltd, total 4.95")
    held = caught.value.extraction
    assert held is not None
    assert held.usage == fake_openai.usage
    assert len(held.attempts) == fake_openai.count > 0
    assert str(caught.value).endswith(
        "  Raise the budget and start again; a run in a folder goes on where it stopped, and pays nothing twice."
    )


def test_a_stream_that_is_stopped_carries_what_was_paid_for_before(fake_openai: FakeOpenAI) -> None:
    fake_openai.replies(WRONG)
    with pytest.raises(BudgetExceeded) as caught:
        list(reader(limits=Limits(calls=1)).stream("ACME Ltd, total 4.95"))
    assert caught.value.extraction is not None
    assert caught.value.extraction.usage == fake_openai.usage


# Budgets


def test_a_budget_is_for_all_event_loops_together(fake_openai: FakeOpenAI) -> None:
    fake_openai.answers(lambda request: RECORD)

    @extract(limits=Limits(calls=3))
    async def read(document) -> Bill:  # type: ignore[no-untyped-def]
        """Read the bill."""

    for number in range(3):
        asyncio.run(read(f"ACME Ltd, total 4.95 ({number})"))
    with pytest.raises(BudgetExceeded):
        asyncio.run(read("ACME Ltd, total 4.95 (3)"))
    assert fake_openai.count == 3


def test_loops_of_several_threads_share_a_budget_and_wait_for_each_other_s_reserves() -> None:
    budget = Budget(Decimal(1))
    taken: list[Decimal] = []

    async def take() -> None:
        for _ in range(50):
            await budget.reserve(Decimal("0.5"))
            await asyncio.sleep(0)
            taken.append(budget.spent + budget.reserved)
            budget.settle(Decimal("0.5"), Decimal("0.001"))

    threads = [threading.Thread(target=lambda: asyncio.run(take())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(taken), budget.spent, budget.reserved) == (200, Decimal("0.200"), 0)
    assert max(taken) <= 1


def test_an_answer_that_was_lost_on_its_way_counts_at_its_reserve(fake_openai: FakeOpenAI) -> None:
    """The server has charged for it, and nobody can know how much."""
    fake_openai.answers(lambda request: RECORD)
    fake_openai.faults(*["cut_body"] * 50)
    with pytest.raises((BudgetExceeded, ModelError)):
        list(reader(limits=Limits(calls=5, tries=3)).batch([f"bill {number}" for number in range(20)]))
    assert fake_openai.answered <= 5


def test_what_never_reached_a_server_counts_for_nothing(fake_openai: FakeOpenAI) -> None:
    fake_openai.answers(lambda request: RECORD)
    fake_openai.faults(*[Fault("overloaded", retry_after=0)] * 8)
    done = list(reader(limits=Limits(calls=3, tries=9)).batch(["one", "two", "three"]))
    assert [one.ok for one in done] == [True] * 3


def test_nothing_is_said_to_be_over_a_budget_that_nobody_set() -> None:
    free = Budget(None)
    free.settle(Decimal(0), Decimal(5))
    assert (free.spent, free.over) == (5, 0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"budget_usd": "five"}, "A budget is an amount of US dollars from 0, not 'five'."),
        ({"budget_usd": True}, "A budget is an amount of US dollars from 0, not True."),
        ({"tokens": "5"}, "The limit tokens is a whole number greater than 0, not '5'."),
        ({"calls": 1.5}, "The limit calls is a whole number greater than 0, not 1.5."),
        ({"in_flight": None}, "The limit in_flight is a whole number greater than 0, not None."),
        ({"tries": True}, "The limit tries is a whole number greater than 0, not True."),
        ({"timeout": "soon"}, "The limit timeout is a number greater than 0, not 'soon'."),
    ],
)
def test_limits_are_numbers(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ExtractError) as wrong:
        Limits(**given)
    assert str(wrong.value) == told


def test_dollars_may_be_given_as_they_are_written() -> None:
    assert [Limits(budget_usd=one).budget_usd for one in ("0.5", 0.1, 2)] == [  # type: ignore[arg-type]
        Decimal("0.5"),
        Decimal("0.1"),
        Decimal(2),
    ]


# Nothing waits for ever


def run_apart(code: str, server: FakeOpenAI, seconds: float = 40) -> str:
    """Runs a program of its own, because a hang would be one of the tests as well."""
    environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "some-key"}
    root = str(Path(__file__).parent.parent)
    head = f"import os, sys; sys.path.insert(0, {root!r}); os.environ |= {environ!r}\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", head + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_inputs_may_come_out_of_another_batch(fake_openai: FakeOpenAI) -> None:
    fake_openai.answers(lambda request: RECORD)
    said = run_apart(
        """
        from decimal import Decimal
        from pydantic import BaseModel
        from extract import extract

        class Bill(BaseModel):
            company: str
            total: Decimal

        @extract
        def first(document) -> Bill: "Read."
        @extract
        def second(document) -> Bill: "Read again."

        bills = (str(one.value) for one in first.batch(f"bill {n}" for n in range(40)))
        print(sum(one.ok for one in second.batch(bills)))
        """,
        fake_openai,
    )
    assert said == "40"


def test_inputs_may_wait_for_results(fake_openai: FakeOpenAI) -> None:
    """A generator that gives its next input when it has seen the last result: the results come as they are ready."""
    fake_openai.answers(lambda request: RECORD)
    seen = threading.Event()

    def inputs() -> Iterator[str]:
        for number in range(5):
            yield f"bill {number}"
            assert seen.wait(20)
            seen.clear()

    count = 0
    for one in reader().batch(inputs()):
        assert one.ok
        count += 1
        seen.set()
    assert count == 5


def test_a_validator_may_ask_a_model_on_a_thread_of_its_own(fake_openai: FakeOpenAI) -> None:
    fake_openai.answers(lambda request: RECORD)
    inner = reader()

    class Checked(Bill):
        @field_validator("company")
        @classmethod
        def ask(cls, value: str) -> str:
            got: list[Any] = []
            thread = threading.Thread(target=lambda: got.append(inner(f"{value} {time.monotonic_ns()}")))
            thread.start()
            thread.join(30)
            assert got, "the call on the thread hangs"
            return value

    @extract(limits=Limits(in_flight=16))
    def read(document) -> Checked:  # type: ignore[no-untyped-def]
        """Read."""

    assert [one.ok for one in read.batch([f"bill {number}" for number in range(40)])] == [True] * 40


@pytest.mark.parametrize("retry_after", [None, 0.0, 0.3])
def test_a_server_that_takes_a_few_at_a_time_loses_no_document(fake_openai: FakeOpenAI, retry_after: Any) -> None:
    """It says nothing of its limits: twenty a second are answered, the others refused, and none of them for good."""
    times: list[float] = []

    def say(request: Any) -> Any:
        now = time.monotonic()
        times[:] = [one for one in times if one > now - 1]
        if len(times) >= 20:
            return Fault("rate_limit", retry_after=retry_after)
        times.append(now)
        return RECORD

    fake_openai.answers(say)
    done = list(reader(limits=Limits(in_flight=32, tries=4)).batch([f"bill {number}" for number in range(80)]))
    assert [one.ok for one in done] == [True] * 80
    assert fake_openai.count < 400


def test_a_limit_that_lasts_too_long_is_given_up_by_all(fake_openai: FakeOpenAI) -> None:
    fake_openai.answers(lambda request: RECORD)
    fake_openai.faults(Fault("rate_limit", retry_after=86_400))
    read = reader()
    assert not read.detail("ACME Ltd, total 4.95").ok
    (problem,) = read.detail("ACME Ltd, total 5.95").problems
    assert problem.message.startswith("The server of openai/gpt-4o-mini takes no more requests for 86,")
    assert fake_openai.count == 1


def test_an_interrupted_run_takes_in_what_is_on_the_wire(fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    fake_openai.answers(lambda request: RECORD)
    fake_openai.latency = 0.5

    @extract(limits=Limits(in_flight=8))
    async def read(document) -> Bill:  # type: ignore[no-untyped-def]
        """Read the bill."""

    async def interrupted() -> None:
        async def work() -> None:
            async for _ in read.batch([f"bill {number}" for number in range(100)], run=tmp_path / "run"):
                pass

        task = asyncio.create_task(work())
        while fake_openai.in_flight < 8:  # noqa: ASYNC110  the server counts on a thread of its own
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupted())
    assert (fake_openai.hung_up, fake_openai.answered) == (0, fake_openai.count)
    before = fake_openai.count
    assert len(list(reader().batch([f"bill {number}" for number in range(100)], run=tmp_path / "run"))) == 100
    assert fake_openai.count == 100 > before


def test_a_server_that_asks_to_wait_too_long_is_given_up(fake_openai: FakeOpenAI) -> None:
    fake_openai.faults(Fault("rate_limit", retry_after=3600))
    result = reader().detail("ACME Ltd, total 4.95")
    assert [problem.kind for problem in result.problems] == ["transport"]
    assert fake_openai.count == 1
    assert calls.passes(Reply(failure=None, text="")) is False


# Wrong uses


@pytest.mark.parametrize("given", ["a text", b"bytes", Path("file.txt")])
def test_a_batch_of_one_input_that_is_no_list_is_refused(given: Any) -> None:
    with pytest.raises(ExtractError) as refused:
        list(reader(model="rules").batch(given))
    assert str(refused.value) == (
        f"batch takes many inputs, and this is one {type(given).__name__}.\n  Put it into a list, or call read with it."
    )


def test_an_option_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(ExtractError) as refused:
        reader(modle="rules")
    assert str(refused.value).endswith("extract has no option modle.\n  Did you mean model?")
