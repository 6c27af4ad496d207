"""The local engine: order, retries, budget, pace, and that nothing is paid for twice or held up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from extract import door
from extract.call import Call, Failure, Reply, Usage
from extract.catalogue import ModelFacts, Price
from extract.document import Document
from extract.engines.local import Job, Local, Outcome
from extract.errors import BudgetExceeded, DocumentError, ExtractError, ModelError
from extract.ledger import Ledger, Memory, RunLedger
from extract.limits import Budget, Limits, Pace, Traffic
from extract.models.scripted import Scripted
from extract.schema import compile
from extract.task import Task

FACTS = ModelFacts("scripted", "scripted", max_output=100, price=Price(Decimal(1), Decimal(1)))


class Word(BaseModel):
    word: str


def task(type: Any = Word) -> Task[Any]:
    return Task(compile(type), (FACTS,))


def engine(model: Scripted, ledger: Ledger | None = None, **limits: Any) -> Local:
    return Local({"scripted": model}, ledger or Memory(), Traffic(Limits(**limits)))


def echo(call: Call) -> Any:
    return {"word": call.inputs[0].text}


def jobs(texts: list[str], one: Task[Any] | None = None) -> Iterator[Job[Any]]:
    for text in texts:
        yield Job(text, lambda text=text: Document(text=text, source=text), one or task())


async def outcomes(local: Local, some: Iterator[Job[Any]]) -> list[Outcome[Any]]:
    return [outcome async for outcome in local.run(some)]


def test_every_job_has_one_outcome() -> None:
    texts = [f"d{n}" for n in range(200)]
    local = engine(Scripted(echo))
    done = asyncio.run(outcomes(local, jobs(texts)))
    assert sorted(o.extraction.value.word for o in done if o.extraction) == sorted(texts)
    assert local.sent == 200


def test_equal_documents_are_asked_for_once_even_at_the_same_time() -> None:
    model = Scripted(echo)
    done = asyncio.run(outcomes(engine(model), jobs(["same"] * 50)))
    assert [o.extraction.value.word for o in done if o.extraction] == ["same"] * 50
    assert len(model.calls) == 1


def test_a_slow_validator_holds_up_no_call_in_flight() -> None:
    """64 calls of 50 ms each, with a validator of 50 ms each: the loop answers in between, all the time."""

    class Slow(BaseModel):
        word: str

        @field_validator("word")
        @classmethod
        def think(cls, value: str) -> str:
            time.sleep(0.05)
            assert threading.current_thread() is not threading.main_thread()
            return value

    class Wire(Scripted):
        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            await asyncio.sleep(0.05)
            return await super().send(call, timeout=timeout)

    async def work() -> tuple[int, float]:
        longest, beats = 0.0, True

        async def heart() -> None:
            nonlocal longest
            while beats:
                began = time.monotonic()
                await asyncio.sleep(0.005)
                longest = max(longest, time.monotonic() - began)

        beat = asyncio.create_task(heart())
        done = await outcomes(engine(Wire(echo), in_flight=64), jobs([f"d{n}" for n in range(64)], task(Slow)))
        beats = False
        await beat
        return sum(o.extraction is not None and o.extraction.ok for o in done), longest

    settled, longest = asyncio.run(work())
    assert settled == 64
    assert longest < 64 * 0.05  # a loop that validates itself would be away for all of them together


def test_a_synchronous_call_from_inside_a_validator_is_refused_and_named() -> None:
    class Nested(BaseModel):
        word: str

        @field_validator("word")
        @classmethod
        def ask(cls, value: str) -> str:
            door.run(lambda: asyncio.sleep(0), "an async def and await")
            return value

    with pytest.raises(ExtractError, match="from inside the work of another one"):
        asyncio.run(engine(Scripted(echo)).drive(task(Nested), Document(text="x")))


def test_a_transport_failure_is_tried_again_as_the_server_asks() -> None:
    busy = Failure("transport", "Too many requests.", status=429, retry_after=0.01)
    model = Scripted([busy, busy, {"word": "x"}])
    done = asyncio.run(engine(model).drive(task(), Document(text="x")))
    assert done.ok
    assert [a.outcome for a in done.attempts] == ["stop"]
    assert len(model.calls) == 3
    assert len({call.key for call in model.calls}) == 1


def test_a_transport_failure_that_stays_is_in_the_extraction_and_is_not_recorded() -> None:
    memory = Memory()
    model = Scripted(lambda call: Failure("transport", "Cut.", retry_after=0))
    done = asyncio.run(engine(model, memory, tries=3).drive(task(), Document(text="x")))
    assert [(p.kind, p.message) for p in done.problems] == [("transport", "Cut.")]
    assert len(model.calls) == 3
    assert memory.replies == {}


def test_a_request_that_can_never_succeed_stops_the_run_at_once() -> None:
    model = Scripted(lambda call: Failure("configuration", "The key is wrong.", status=401, fix="Set OPENAI_API_KEY."))
    local = engine(model, in_flight=1)
    done = asyncio.run(outcomes(local, jobs([f"d{n}" for n in range(100)])))
    assert len(model.calls) <= 2
    assert [o.extraction for o in done] == [None] * 100
    assert str(local.stopped) == "scripted: The key is wrong.\n  Set OPENAI_API_KEY."


def test_the_budget_stops_before_it_is_passed_and_the_rest_is_pending() -> None:
    class Charging(Scripted):
        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            return replace(await super().send(call, timeout=timeout), usage=Usage(10, 0, 10))

    local = engine(Charging(echo), budget_usd=Decimal("0.01"), in_flight=4)
    done = asyncio.run(outcomes(local, jobs([f"d{n}" for n in range(1000)])))
    settled = [o for o in done if o.extraction is not None]
    assert len(done) == 1000
    assert 0 < len(settled) < 1000
    assert isinstance(local.stopped, BudgetExceeded)
    assert local.traffic.budget.spent == len(settled) * Decimal(20) / 1_000_000 <= Decimal("0.01")
    assert local.traffic.budget.reserved == 0


def test_a_document_that_cannot_be_opened_is_an_outcome_and_the_run_goes_on() -> None:
    def broken() -> Document:
        raise DocumentError("This PDF cannot be read.", where="a.pdf", fix="Open it in a viewer.")

    some = [Job("a.pdf", broken, task()), *jobs(["b"])]
    done = {o.job.name: o.extraction for o in asyncio.run(outcomes(engine(Scripted(echo)), iter(some)))}
    assert [str(p) for p in done["a.pdf"].problems] == ["the record: This PDF cannot be read. Open it in a viewer"]
    assert done["b"].ok


def test_a_killed_run_is_resumed_by_replay(tmp_path: Path) -> None:
    """The driver dies after every single paid reply; each start goes one reply further, and none is asked for twice."""
    sent: list[str] = []

    class Dying(Scripted):
        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            sent.append(call.key)
            return await super().send(call, timeout=timeout)

    class Killed(BaseException):
        pass

    class KillingLedger(RunLedger):
        async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
            await super().record(call, reply, cost)
            raise Killed

    def start(kind: Callable[[Path], RunLedger]) -> Any:
        ledger = kind(tmp_path)
        try:
            return asyncio.run(engine(Dying(wrong_twice), ledger).drive(task(Number), Document(text="x")))
        except Killed:
            return None
        finally:
            ledger.close()

    class Number(BaseModel):
        word: int

    def wrong_twice(call: Call) -> Any:
        return {"word": f"no {call.attempt}"} if call.attempt < 3 else {"word": 3}

    assert [start(KillingLedger) for _ in range(3)] == [None] * 3
    result = start(RunLedger)
    assert result.value.word == 3
    assert len(sent) == len(set(sent)) == 3


def test_a_stream_gives_growing_records_and_then_the_extraction() -> None:
    async def all_of() -> list[Any]:
        local = engine(Scripted([{"word": "a long word to be streamed in pieces"}]))
        return [item async for item in local.stream(task(), Document(text="x"))]

    *partial, last = asyncio.run(all_of())
    assert last.value.word == "a long word to be streamed in pieces"
    assert len(partial) > 2
    assert all("a long word to be streamed in pieces".startswith(p.get("word", "")) for p in partial)


def test_a_call_that_waits_gives_up_its_place() -> None:
    """With one place on the wire, a document that is told to wait does not keep the others from going."""
    order: list[str] = []

    def answer(call: Call) -> Any:
        text = call.inputs[0].text
        order.append(text)
        return (
            Failure("transport", "Busy.", retry_after=0.3)
            if order.count(text) == 1 and text == "slow"
            else {"word": text}
        )

    asyncio.run(outcomes(engine(Scripted(answer), in_flight=1), jobs(["slow", "b", "c", "d"])))
    assert order[0] == order[-1] == "slow"


def test_the_pace_lets_a_minute_through_at_once_and_then_one_by_one() -> None:
    pace = Pace(60, None)
    waits = [pace._claim(1000.0, 0) for _ in range(63)]
    assert waits[:60] == [0.0] * 60
    assert waits[60:] == pytest.approx([1.0, 2.0, 3.0])
    tokens = Pace(None, 600)
    assert [tokens._claim(0.0, 300) for _ in range(3)] == pytest.approx([0.0, 0.0, 30.0])


def test_a_budget_says_what_was_charged_beyond_the_reserve() -> None:
    budget = Budget(Decimal(1))
    budget.reserve(Decimal("0.5"))
    budget.settle(Decimal("0.5"), Decimal("0.7"))
    assert (budget.spent, budget.reserved, budget.over) == (Decimal("0.7"), 0, Decimal("0.2"))
    with pytest.raises(BudgetExceeded) as caught:
        budget.reserve(Decimal("0.4"))
    assert str(caught.value) == (
        "The next call may cost 0.400000 USD; 0.700000 of 1 USD are spent and 0.000000 are reserved.\n"
        "  Nothing is lost: raise budget_usd and start the same run again."
    )


def test_an_engine_that_was_stopped_raises_what_stopped_it_from_a_plain_drive() -> None:
    model = Scripted([Failure("configuration", "No such model.", fix="")])
    with pytest.raises(ModelError, match=r"scripted: No such model\."):
        asyncio.run(engine(model).drive(task(), Document(text="x")))


def test_a_document_that_the_model_does_not_take_is_its_own_problem_and_the_run_goes_on() -> None:
    def answer(call: Call) -> Any:
        text = call.inputs[0].text
        return Failure("document", "It is too long.", status=400) if text == "long" else {"word": text}

    local = engine(Scripted(answer))
    done = {o.job.name: o.extraction for o in asyncio.run(outcomes(local, jobs(["a", "long", "b"])))}
    assert [(p.kind, p.message) for p in done["long"].problems] == [("document", "It is too long.")]
    assert local.stopped is None
    assert done["a"].ok
    assert done["b"].ok
