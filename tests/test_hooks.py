"""What a hook is told, in which order and on which thread, and that what it raises is seen and loses nothing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from extract import ExtractError, ModelError, compile, extract
from extract.call import Call, Failure
from extract.events import (
    CallFailed,
    CallSent,
    DocumentEnded,
    Happening,
    RepairAsked,
    ReplyReceived,
    RetryScheduled,
)
from extract.limits import Limits
from extract.models.cascade import open_cascade
from extract.models.scripted import Scripted
from extract.pipeline import Pipeline
from extract.runner import execute
from extract.testing import Fault

if TYPE_CHECKING:
    from extract.testing import FakeOpenAI


class Bill(BaseModel):
    company: str
    total: Decimal


BILL = compile(Bill)
RECORD = {"company": "ACME Ltd", "total": "4.95"}
TEXT = "ACME Ltd, total 4.95"


class Broken(Exception):
    """What a callback of a test raises."""


def reader(**options: Any) -> Any:
    @extract(**options)
    def read(document) -> Bill:  # type: ignore[no-untyped-def]
        """Read the bill."""

    return read


def names(told: list[Happening]) -> list[str]:
    return [type(one).__name__ for one in told]


def test_every_attempt_wait_repair_and_reply_is_told_in_order(fake_openai: FakeOpenAI) -> None:
    told: list[Happening] = []
    fake_openai.replies({"company": "ACME Ltd", "total": "many"})
    fake_openai.gold({TEXT: RECORD}, BILL)
    fake_openai.faults(Fault("rate_limit", retry_after=0.05), None, "server_error", None)
    result = reader(on_event=told.append).detail(TEXT)
    assert result.ok
    assert names(told) == [
        *("CallSent", "CallFailed", "RetryScheduled", "CallSent", "ReplyReceived"),
        *("RepairAsked", "CallSent", "CallFailed", "RetryScheduled", "CallSent", "ReplyReceived"),
        "DocumentEnded",
    ]
    first, second = result.attempts
    of_calls = [one for one in told if not isinstance(one, DocumentEnded)]
    assert [(one.key, one.number) for one in of_calls] == [(first.key, 1)] * 5 + [(second.key, 2)] * 6
    assert {(one.document, one.model) for one in of_calls} == {(result.document, "openai/gpt-4o-mini")}
    assert [one.tried for one in told if isinstance(one, CallSent)] == [1, 2, 1, 2]
    assert [(one.kind, one.status) for one in told if isinstance(one, CallFailed)] == [
        ("transport", 429),
        ("transport", 500),
    ]
    waits = [one for one in told if isinstance(one, RetryScheduled)]
    assert waits[0].seconds == 0.05
    assert waits[0].why == "openai/gpt-4o-mini has a rate limit, and it is reached: Rate limit reached."
    assert [one.places for one in told if isinstance(one, RepairAsked)] == [("/total",)]
    replies = [one for one in told if isinstance(one, ReplyReceived)]
    assert [(one.outcome, one.origin, one.usage, one.cost) for one in replies] == [
        ("stop", "model", one.usage, one.cost) for one in result.attempts
    ]
    assert told[-1] == DocumentEnded(document=result.document, source="", extraction=result)


def test_what_comes_from_the_ledger_is_told_as_such(fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    fake_openai.gold({TEXT: RECORD}, BILL)
    read = reader()
    for origin in ("model", "ledger"):
        told: list[Happening] = []
        (result,) = read.batch([TEXT], run=tmp_path / "run", on_event=told.append)
        (reply,) = (one for one in told if isinstance(one, ReplyReceived))
        assert (reply.origin, reply.usage, reply.cost) == (origin, result.usage, result.cost)
        assert ("CallSent" in names(told)) == (origin == "model")
    assert fake_openai.count == 1


def test_equal_documents_share_a_reply_and_each_is_told_of(fake_openai: FakeOpenAI) -> None:
    told: list[Happening] = []
    fake_openai.gold({TEXT: RECORD}, BILL)
    list(reader(on_event=told.append).batch([TEXT] * 5))
    assert Counter(names(told)) == {"CallSent": 1, "ReplyReceived": 5, "DocumentEnded": 5}
    origins = Counter(one.origin for one in told if isinstance(one, ReplyReceived))
    assert origins["model"] == 1
    paid = [one.usage for one in told if isinstance(one, ReplyReceived) and one.origin == "model"]
    assert paid == [fake_openai.usage]


def test_an_extraction_is_told_as_the_caller_gets_it(fake_openai: FakeOpenAI) -> None:
    class Noted(BaseModel):
        company: str
        year: int | None = None

    told: list[Happening] = []
    fake_openai.replies({"company": "ACME", "year": "soon"})

    @extract(on_event=told.append, best_effort=["year"], attempts=1)
    def read(document) -> Noted:  # type: ignore[no-untyped-def]
        """Read."""

    result = read.detail(TEXT)
    assert result.value == Noted(company="ACME")
    assert told[-1].extraction is result


def test_a_stream_tells_the_same(fake_openai: FakeOpenAI) -> None:
    told: list[Happening] = []
    fake_openai.gold({TEXT: RECORD}, BILL)
    fake_openai.faults("cut")
    *_, last = reader(on_event=told.append).stream(TEXT)
    assert last.ok
    assert names(told) == ["CallSent", "CallFailed", "RetryScheduled", "CallSent", "ReplyReceived", "DocumentEnded"]
    assert [one.tried for one in told if isinstance(one, CallSent)] == [1, 2]


def test_it_runs_on_one_thread_of_its_own_one_event_at_a_time_and_documents_keep_their_order() -> None:
    told: list[Happening] = []
    threads: set[threading.Thread] = set()
    inside = [0, 0]

    def hook(happening: Happening) -> None:
        inside[0] += 1
        inside[1] = max(inside)
        threads.add(threading.current_thread())
        told.append(happening)
        inside[0] -= 1

    read = reader(model=Scripted(lambda call: RECORD), on_event=hook)
    results = list(read.batch(f"{TEXT} {n}" for n in range(200)))
    assert len(threads) == inside[1] == 1
    assert not {threading.main_thread(), *(t for t in threading.enumerate() if t.name == "extract")} & threads
    for result in results:
        of_one = [one for one in told if one.document == result.document]
        assert names(of_one) == ["CallSent", "ReplyReceived", "DocumentEnded"]


def test_a_document_that_cannot_be_opened_is_told_by_its_name(tmp_path: Path) -> None:
    told: list[Happening] = []
    missing = tmp_path / "missing.txt"
    (result,) = reader(model=Scripted([]), on_event=told.append).batch([missing])
    assert told == [DocumentEnded(document="", source="input 0", extraction=result)]
    assert not result.ok


def test_what_stays_pending_is_told_as_such() -> None:
    told: list[Happening] = []
    refusing = Scripted(lambda call: Failure("configuration", "The key is wrong.", status=401))
    with pytest.raises(ModelError, match=r"The key is wrong\."):
        reader(model=refusing, on_event=told.append)(TEXT)
    assert names(told) == ["CallSent", "CallFailed", "DocumentEnded"]
    assert isinstance(told[-1], DocumentEnded)
    assert told[-1].extraction is None


# What it raises


def raising(
    at: Callable[[Happening], bool], error: BaseException, told: list[Happening]
) -> Callable[[Happening], None]:
    def hook(happening: Happening) -> None:
        told.append(happening)
        if at(happening):
            raise error

    return hook


@pytest.mark.parametrize("kind", [CallSent, ReplyReceived, DocumentEnded], ids=lambda kind: kind.__name__)
def test_what_it_raises_comes_out_of_a_call_and_of_a_stream(kind: type) -> None:
    told: list[Happening] = []
    error = Broken("the disk of the log is full")
    read = reader(model=Scripted(lambda call: RECORD), on_event=raising(lambda one: isinstance(one, kind), error, told))
    with pytest.raises(Broken) as caught:
        read(TEXT)
    assert caught.value is error
    assert type(told[-1]) is kind
    with pytest.raises(Broken):
        list(read.stream(TEXT))


def test_what_it_raises_stops_a_batch_and_all_that_was_answered_is_recorded(
    fake_openai: FakeOpenAI, tmp_path: Path
) -> None:
    """It raises at the fifth reply, with others on the wire: these are finished and recorded, and nothing more is sent
    or told. The same batch goes on from there."""
    told: list[Happening] = []
    fake_openai.latency = 0.05
    fake_openai.gold({TEXT: RECORD}, BILL)
    read = reader(limits=Limits(in_flight=8))
    texts = [f"{TEXT} {n}" for n in range(200)]
    fifth = raising(lambda one: names(told).count("ReplyReceived") == 5, Broken("fifth"), told)
    with pytest.raises(Broken, match="fifth"):
        list(read.batch(texts, run=tmp_path / "run", on_event=fifth))
    assert isinstance(told[-1], ReplyReceived)
    answered = fake_openai.answered
    assert 5 <= answered <= 5 + 2 * 8
    assert fake_openai.hung_up == 0
    with closing(sqlite3.connect(tmp_path / "run" / "ledger.sqlite")) as db:
        assert db.execute("select count(*) from calls").fetchone() == (answered,)
    assert all(one.ok for one in read.batch(texts, run=tmp_path / "run"))
    assert fake_openai.answered == len(texts)


def test_what_it_raises_stops_a_run_of_a_pipeline(
    fake_openai: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bill.py").write_text("from pydantic import BaseModel\nclass Bill(BaseModel):\n    company: str\n")
    Path("in").mkdir()
    for n in range(30):
        Path("in", f"{n:02}.txt").write_text(f"bill {n}")
    fake_openai.gold({"bill": {"company": "ACME"}})
    pipeline = Pipeline.of(
        {
            "model": "openai/gpt-4o-mini",
            "documents": "in/*.txt",
            "limits": {"in_flight": 4},
            "steps": [{"extract": "bill.py:Bill"}],
        }
    )

    def run(hook: Callable[[Happening], object]) -> Any:
        from extract.models import built_in_catalogue

        environ = {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": fake_openai.base_url}
        cascade = open_cascade("openai/gpt-4o-mini", built_in_catalogue(), environ)
        return asyncio.run(execute(pipeline.asking(tuple(cascade.models)), cascade, Path("run"), on_event=hook))

    told: list[Happening] = []
    with pytest.raises(Broken, match="third"):
        run(raising(lambda one: names(told).count("DocumentEnded") == 3, Broken("third"), told))
    answered = fake_openai.answered
    assert 3 <= answered < 30
    told.clear()
    assert run(told.append).states == {"written": 30}
    assert fake_openai.answered == 30
    ended = [one for one in told if isinstance(one, DocumentEnded)]
    assert sorted(one.source for one in ended) == [f"in/{n:02}.txt" for n in range(30)]
    assert Counter(one.origin for one in told if isinstance(one, ReplyReceived)) == {
        "ledger": answered,
        "model": 30 - answered,
    }


def test_a_function_can_be_used_again_after_its_hook_has_raised() -> None:
    told: list[Happening] = []
    first = raising(lambda one: len(told) == 1, Broken("once"), told)
    read = reader(model=Scripted(lambda call: RECORD), on_event=first)
    with pytest.raises(Broken):
        read(TEXT)
    assert read.detail(TEXT).ok


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_would_end_the_loop_comes_out_as_an_error(error: BaseException) -> None:
    read = reader(model=Scripted(lambda call: RECORD), on_event=raising(lambda one: True, error, []))
    with pytest.raises(RuntimeError) as caught:
        read(TEXT)
    assert str(caught.value) == f"the callback for events raised {error!r}"


def test_a_synchronous_call_from_a_hook_is_refused() -> None:
    other = reader(model=Scripted(lambda call: RECORD))
    read = reader(model=Scripted(lambda call: RECORD), on_event=lambda happening: other(TEXT))
    with pytest.raises(ExtractError, match="from inside the work of another one"):
        read(TEXT)


def test_a_slow_hook_holds_up_no_request_that_is_on_the_wire(fake_openai: FakeOpenAI) -> None:
    """While the callback sleeps over one document, the answer of another comes in."""
    fake_openai.latency = 0.3
    fake_openai.gold({TEXT: RECORD}, BILL)
    asleep, awake = threading.Event(), threading.Event()

    def hook(happening: Happening) -> None:
        if isinstance(happening, ReplyReceived) and not asleep.is_set():
            asleep.set()
            assert awake.wait(10)

    read = reader(on_event=hook)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.extend(read.batch([TEXT, f"{TEXT}!"])))
    thread.start()
    assert asleep.wait(10)
    for _ in range(1000):
        if fake_openai.answered == 2 and not fake_openai.in_flight:
            break
        threading.Event().wait(0.01)
    assert fake_openai.answered == 2
    awake.set()
    thread.join(10)
    assert [one.ok for one in results] == [True, True]


def test_a_model_of_ones_own_is_told_of_as_well() -> None:
    seen: list[str] = []

    def say(call: Call) -> Any:
        seen.append("asked")
        return RECORD

    reader(model=Scripted(say), on_event=lambda one: seen.append(type(one).__name__))(TEXT)
    assert seen == ["CallSent", "asked", "ReplyReceived", "DocumentEnded"]
