"""The local engine: order, retries, budget, pace, and that nothing is paid for twice or held up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, nullcontext
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
from extract.engines.threads import unbroken
from extract.errors import BudgetExceeded, DocumentError, ExtractError, ModelError, RunError
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


@pytest.mark.parametrize(
    ("limits", "most"),
    [({"calls": 7}, 7), ({"tokens": 20 * 7 + 400}, None)],
    ids=["calls", "tokens"],
)
def test_the_calls_and_tokens_of_a_run_have_a_budget_too(limits: dict[str, int], most: int | None) -> None:
    class Charging(Scripted):
        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            return replace(await super().send(call, timeout=timeout), usage=Usage(10, 0, 10))

    local = engine(Charging(echo), in_flight=4, **limits)
    done = asyncio.run(outcomes(local, jobs([f"d{n}" for n in range(100)])))
    settled = [o for o in done if o.extraction is not None]
    assert len(done) == 100
    assert 0 < len(settled) < 100
    assert most is None or len(settled) == most
    assert 20 * len(settled) <= limits.get("tokens", 20 * 100)
    assert isinstance(local.stopped, BudgetExceeded)
    if "calls" in limits:
        assert str(local.stopped) == (
            "The next call may take 1 of the calls, and 7 of 7 are spent.\n"
            "  Raise the budget and start again; a run in a folder goes on where it stopped, and pays nothing twice."
        )


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


class Held(Scripted):
    """A model whose answers come when `go` is set; `most` is the greatest number of calls that it had at once."""

    def __init__(self, answer: Callable[[Call], Any]):
        super().__init__(answer)
        self.go, self.most, self.now = asyncio.Event(), 0, 0

    async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.go.wait()
            return await super().send(call, timeout=timeout)
        finally:
            self.now -= 1


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.001)


def test_no_more_documents_are_opened_than_there_are_places_on_the_wire() -> None:
    """More of them would only wait, and take memory meanwhile."""
    opened: list[str] = []

    def at_hand() -> Iterator[Job[Any]]:
        for number in range(50):
            name = f"d{number}"
            yield Job(name, lambda name=name: opened.append(name) or Document(text=name), task(), at_hand=True)

    async def work() -> tuple[int, int]:
        model = Held(echo)
        asking = asyncio.create_task(outcomes(engine(model, in_flight=4), at_hand()))
        await until(lambda: model.now == 4)
        await asyncio.sleep(0.05)
        meanwhile = len(opened)
        model.go.set()
        return meanwhile, len(await asking)

    assert asyncio.run(work()) == (4, 50)


@pytest.mark.parametrize("where", ["opened", "read", "waiting", "asked already"])
def test_documents_that_are_held_up_elsewhere_leave_their_places_to_others(where: str) -> None:
    """Four that are opened or read for long, wait for another try, or for the same call of another document, do not
    keep the wire from being full."""
    go = threading.Event()

    class Thinks(BaseModel):
        word: str

        @field_validator("word")
        @classmethod
        def think(cls, value: str) -> str:
            assert not value.startswith("held") or go.wait(10)
            return value

    def text(number: int) -> str:
        return ("held" if where == "asked already" else f"held {number}") if number < 4 else f"free {number}"

    def opening(number: int) -> Callable[[], Document]:
        def opened() -> Document:
            assert where != "opened" or number >= 4 or go.wait(10)
            return Document(text=text(number))

        return opened

    def answer(call: Call) -> Any:
        busy = where == "waiting" and call.inputs[0].text.startswith("held")
        return Failure("transport", "Busy.", retry_after=60.0) if busy else echo(call)

    class Wire(Scripted):
        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            if where == "asked already" and call.inputs[0].text == "held":
                await asyncio.to_thread(go.wait, 10)
            return await super().send(call, timeout=timeout)

    async def work() -> int:
        model = Wire(answer)
        local = engine(model, in_flight=4)
        given = (Job(f"d{n}", opening(n), task(Thinks if where == "read" else Word)) for n in range(20))
        asking = asyncio.create_task(outcomes(local, given))
        try:
            await until(lambda: sum(call.inputs[0].text.startswith("free") for call in model.calls) == 16)
        finally:
            go.set()
            local.calls.stop(RunError("That is enough."))
        return len(await asking)

    assert asyncio.run(work()) == 20


def test_others_are_begun_although_nobody_has_read_that_workers_ended() -> None:
    """Two workers end because there are enough others, while whoever takes the outcomes is busy; then one of the others
    is held up, and somebody has to be there for it."""

    async def work() -> list[int]:
        local, began = engine(Scripted(echo), in_flight=2), list[int]()
        goes_on, reads = [asyncio.Event() for _ in range(8)], asyncio.Event()

        async def do(number: int) -> int:
            began.append(number)
            with local.calls.crew.away() if number in (0, 1, 4) else nullcontext():
                await goes_on[number].wait()
            return number

        async def taken() -> list[int]:
            came = []
            async for number in local.each(iter(range(8)), do, ordered=True, lazy=False):
                came.append(number)
                await reads.wait()
            return came

        taking = asyncio.create_task(taken())
        await until(lambda: began == [0, 1, 2, 3])
        for number in (0, 1):
            goes_on[number].set()
        await asyncio.sleep(0.01)
        assert began == [0, 1, 2, 3]
        goes_on[2].set()
        try:
            await until(lambda: began == [0, 1, 2, 3, 4, 5])  # 3 is on the wire, 4 is held up
        finally:
            for one in (reads, *goes_on):
                one.set()
        return await taking

    assert asyncio.run(work()) == list(range(8))


def test_workers_that_ended_take_no_room_from_what_may_wait_to_be_taken() -> None:
    async def work() -> int:
        local, done, reads = engine(Scripted(echo), in_flight=4), list[int](), asyncio.Event()

        async def do(number: int) -> int:
            for _ in range(5):
                with local.calls.crew.away():
                    await asyncio.sleep(0.0001 * (number % 3))
                await asyncio.sleep(0)
            done.append(number)
            return number

        async def taken() -> int:
            came = 0
            async for _ in local.each(iter(range(100)), do, ordered=True, lazy=False):
                came += 1
                await reads.wait()
            return came

        taking = asyncio.create_task(taken())
        try:
            await until(lambda: len(done) == 64)  # sixteen for each place on the wire
        finally:
            reads.set()
        return await taking

    assert asyncio.run(work()) == 100


def test_what_is_done_beside_others_or_within_one_of_them_is_done_to_its_end() -> None:
    """They share what may be called at once, and none takes the others' work for its own."""

    async def work() -> tuple[list[int], list[int]]:
        local = engine(Scripted(echo), in_flight=2)

        async def step(number: int) -> int:
            await asyncio.sleep(0)
            return number

        async def several(_: int) -> int:
            return len([number async for number in local.each(iter(range(9)), step, lazy=False)])

        within = [number async for number in local.each(iter(range(5)), several, lazy=False)]
        return within, await asyncio.gather(*map(several, range(4)))

    assert asyncio.run(work()) == ([9] * 5, [9] * 4)


class Slow(Memory):
    """A ledger that takes its time, and may fail; `lost` is the greatest number of answers that it had not yet."""

    def __init__(self, model: Scripted, fails: int | None = None):
        super().__init__()
        self.model, self.fails, self.lost = model, fails, 0

    async def record(self, call: Call, reply: Reply, cost: Decimal | None) -> None:
        await asyncio.sleep(0.01)
        self.lost = max(self.lost, len(self.model.calls) - len(self.replies))
        if self.fails is not None and len(self.replies) >= self.fails:
            raise RunError("The ledger could not be written: the disk is full.")
        await super().record(call, reply, cost)


@pytest.mark.parametrize("fails", [None, 20])
def test_no_more_answers_wait_to_be_recorded_than_there_are_places_on_the_wire(fails: int | None) -> None:
    """So many and no more can be lost, if the process is killed or the disk is full: then nothing more is sent."""
    model = Scripted(echo)
    ledger = Slow(model, fails)
    local = engine(model, ledger, in_flight=4)
    given = (replace(job, at_hand=True) for job in jobs([f"d{n}" for n in range(60)]))  # so that the wire is full
    done = asyncio.run(outcomes(local, given))
    assert ledger.lost == 4
    assert sum(one.extraction is not None for one in done) == len(ledger.replies) == (60 if fails is None else fails)
    assert len(model.calls) == (60 if fails is None else fails + 4)


def test_the_pace_lets_a_second_through_at_once_and_then_one_by_one() -> None:
    pace = Pace(60, None)
    assert [pace.claim(1000.0, 0) for _ in range(4)] == pytest.approx([0.0, 0.0, 1.0, 2.0])
    tokens = Pace(None, 600)
    assert [tokens.claim(0.0, 300) for _ in range(3)] == pytest.approx([0.0, 29.0, 59.0])
    tokens.give_back(300)
    assert tokens.claim(0.0, 300) == pytest.approx(59.0)


def test_a_call_that_is_cancelled_gives_its_turn_back() -> None:
    async def impatient() -> float:
        local = engine(Scripted(echo), requests_per_minute=60)
        await local.drive(task(), Document(text="a"))
        for n in range(50):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(
                    asyncio.gather(*(local.drive(task(), Document(text=f"{n} {m}")) for m in range(9))), 0.01
                )
        return local.traffic.pace.claim(asyncio.get_running_loop().time(), 0)

    assert asyncio.run(impatient()) < 60


def test_a_budget_says_what_was_charged_beyond_the_reserve() -> None:
    async def spend() -> tuple[Decimal, Decimal, Decimal]:
        await budget.reserve(Decimal("0.5"))
        budget.settle(Decimal("0.5"), Decimal("0.7"))
        return budget.spent, budget.reserved, budget.over

    budget = Budget(Decimal(1))
    assert asyncio.run(spend()) == (Decimal("0.7"), 0, Decimal("0.2"))
    with pytest.raises(BudgetExceeded) as caught:
        asyncio.run(budget.reserve(Decimal("0.4")))
    assert str(caught.value) == (
        "The next call may cost 0.400000 USD, and 0.700000 of 1 USD are spent.\n"
        "  Raise the budget and start again; a run in a folder goes on where it stopped, and pays nothing twice."
    )


def test_the_reserves_of_others_are_waited_for_and_end_no_run() -> None:
    """Each call may cost 0.0001 and costs 0.00002: with a budget of 0.0003 three go at once, and all ten in turn."""

    class Charging(Scripted):
        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            await asyncio.sleep(0.01)
            return replace(await super().send(call, timeout=timeout), usage=Usage(10, 0, 10))

    free = replace(FACTS, price=Price(Decimal(0), Decimal(1)))
    cheap = Task(compile(Word), (free,))
    local = engine(Charging(echo), budget_usd=Decimal("0.0003"), in_flight=32)
    done = asyncio.run(outcomes(local, jobs([f"d{n}" for n in range(10)], cheap)))
    assert local.stopped is None
    assert sum(o.extraction is not None for o in done) == 10


def test_cancelling_equal_calls_under_way_ends_at_once() -> None:
    class Slow(Scripted):
        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            await asyncio.sleep(3600)
            raise AssertionError

    async def cancelled() -> int:
        local = engine(Slow(echo))
        drives = [asyncio.create_task(local.drive(task(), Document(text="same"))) for _ in range(6)]
        await asyncio.sleep(0.1)
        for one in drives:
            one.cancel()
        await asyncio.gather(*drives, return_exceptions=True)
        await local.settled()
        return len(asyncio.all_tasks())

    assert asyncio.run(asyncio.wait_for(cancelled(), 10)) <= 2


def test_one_waiter_that_is_cancelled_leaves_the_others_their_answer() -> None:
    class Slow(Scripted):
        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            await asyncio.sleep(0.2)
            return await super().send(call, timeout=timeout)

    async def two() -> tuple[Any, int]:
        model = Slow(echo)
        local = engine(model)
        first = asyncio.create_task(local.drive(task(), Document(text="same")))
        second = asyncio.create_task(local.drive(task(), Document(text="same")))
        await asyncio.sleep(0.1)
        first.cancel()
        return (await second).value, len(model.calls)

    assert asyncio.run(two()) == (Word(word="same"), 1)


def test_a_stopped_run_still_replays_what_was_paid_for() -> None:
    memory = Memory()
    texts = [f"d{n}" for n in range(20)]
    asyncio.run(outcomes(engine(Scripted(echo), memory), jobs(texts)))
    refusing = engine(Scripted(lambda call: Failure("configuration", "The key has expired.")), memory)
    done = asyncio.run(outcomes(refusing, jobs(["new", *texts])))
    assert sorted(o.job.name for o in done if o.extraction is None) == ["new"]


def test_a_stop_ends_every_wait() -> None:
    """One request a minute and a wrong key: the others do not wait for their turn to be told."""
    local = engine(Scripted(lambda call: Failure("configuration", "The key is wrong.")), requests_per_minute=1)
    done = asyncio.run(asyncio.wait_for(outcomes(local, jobs([f"d{n}" for n in range(50)])), 20))
    assert len(done) == 50
    assert local.sent == 1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), OSError("odd")])
def test_whatever_the_users_code_raises_ends_one_document_only(error: BaseException) -> None:
    def loader() -> Document:
        raise error

    some = [Job("odd", loader, task()), *jobs(["a", "b"])]
    done = {o.job.name: o.extraction for o in asyncio.run(outcomes(engine(Scripted(echo)), iter(some)))}
    assert done["a"].ok
    assert done["b"].ok
    assert type(error).__name__ in done["odd"].problems[0].message


def test_outcomes_may_be_had_in_the_order_of_the_jobs() -> None:
    class Uneven(Scripted):
        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            await asyncio.sleep(0.02 if call.inputs[0].text.endswith("0") else 0)
            return await super().send(call, timeout=timeout)

    async def ordered() -> list[str]:
        return [o.job.name async for o in engine(Uneven(echo), in_flight=4).run(jobs(texts), ordered=True)]

    texts = [f"d{n}" for n in range(100)]
    assert asyncio.run(ordered()) == texts


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


def test_a_document_that_cannot_fit_into_the_context_is_not_sent() -> None:
    small = replace(FACTS, context=1000)
    model = Scripted(echo)
    done = asyncio.run(engine(model).drive(Task(compile(Word), (small,)), Document(text="one word " * 5000)))
    assert model.calls == []
    assert done.problems[0].kind == "document"
    assert done.problems[0].message.startswith("The document is too long for scripted: about ")


class Taking(Scripted):
    """Its answers take a moment, in which whoever asked may have been cancelled."""

    async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
        reply = await super().send(call, timeout=timeout)
        if call.inputs[0].text != "first":
            await asyncio.sleep(0.1)
        return reply


@pytest.mark.parametrize("leaves", ["cancelled", "had enough"])
def test_what_is_on_the_wire_is_taken_in_whatever_its_taker_was_doing(tmp_path: Path, leaves: str) -> None:
    """Cancelled while it does something with an outcome, or done with all of them."""

    async def taken() -> int:
        ledger, model = RunLedger(tmp_path), Taking(echo)

        async def take() -> None:
            async with aclosing(engine(model, ledger, in_flight=4).run(jobs(["first", *"abcdefgh"]))) as some:
                async for _ in some:
                    await asyncio.sleep(60 if leaves == "cancelled" else 0.05)
                    return

        taking = asyncio.create_task(take())
        await asyncio.sleep(0.05)
        if leaves == "cancelled":
            taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        asked, recorded = len(model.calls), (await ledger.totals())[0]
        ledger.close()
        assert asked == recorded
        return asked

    assert 4 <= asyncio.run(taken()) <= 5


def test_a_thread_is_waited_for_by_whoever_is_cancelled() -> None:
    async def cancelled() -> list[str]:
        told: list[str] = []

        def work() -> None:
            time.sleep(0.1)
            told.append("worked")

        async def whole() -> None:
            try:
                await unbroken(work)
            finally:
                told.append("closed")

        task = asyncio.create_task(whole())
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [*told, str(task.cancelled())]

    assert asyncio.run(cancelled()) == ["worked", "closed", "True"]
