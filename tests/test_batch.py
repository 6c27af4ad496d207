"""The batch engine, over real HTTP: every document gets its answer, and every answer is charged once."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from extract import compile
from extract.batches import Wave, Waves
from extract.errors import Detached, ModelError, RunError
from extract.ledger import RunLedger
from extract.limits import Batching, Limits
from extract.pipeline import Pipeline
from extract.runner import Run, execute, open_models
from extract.testing import Answer, FakeOpenAI, Fate, Request
from extract.testing.gold import Gold

ROOT = Path(__file__).parent.parent
MODEL = "openai/gpt-4o-mini"
SCHEMA = """
from pydantic import BaseModel

class Bill(BaseModel):
    number: int
    word: str
"""


class Bill(BaseModel):
    number: int
    word: str


QUICK = Batching(quiet=0.02, poll=0.01, rarely=0.02, patience=5.0)
DOCUMENTS = 12


def said(request: Request) -> Any:
    """The right answer: the number that the document has."""
    number = re.search(r"document (\d+)", request.document)
    assert number is not None
    return {"number": int(number[1]), "word": f"w{number[1]}"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    with FakeOpenAI(said) as one:
        monkeypatch.setenv("OPENAI_BASE_URL", one.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-test")
        yield one


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "bill.py").write_text(SCHEMA)
    (tmp_path / "in").mkdir()
    for n in range(DOCUMENTS):
        (tmp_path / "in" / f"{n:02}.txt").write_text(f"document {n}, of a test")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pipeline(*steps: Any, **more: Any) -> Pipeline:
    values = {"name": "bills", "model": MODEL, "documents": "in/*.txt", "write": ["out/bills.jsonl"], **more}
    return Pipeline.of({**values, "steps": [{"extract": "schemas/bill.py:Bill"}, *steps]})


def run(
    *steps: Any, engine: Any = "batch", batching: Batching = QUICK, limits: Limits | None = None, **more: Any
) -> Run:
    one = pipeline(*steps, **more)
    limits = limits or Limits(timeout=5.0)
    work = execute(one, open_models(one), Path("run"), engine=engine, batching=batching, limits=limits)
    return asyncio.run(asyncio.wait_for(work, 60))


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out/bills.jsonl").read_text().splitlines()]


def waves() -> list[Wave]:
    ledger = RunLedger(Path("run"))
    try:
        return asyncio.run(Waves(ledger).all())
    finally:
        ledger.close()


def whole(done: Run, server: FakeOpenAI, documents: int = DOCUMENTS) -> None:
    """Every document has its own answer, and what is recorded is what was charged, each answer once."""
    assert done.stopped is None
    assert done.states == {"written": documents}
    assert [row["number"] for row in rows()] == list(range(documents))
    assert all(row["word"] == f"w{row['number']}" for row in rows())
    assert set(server.batches.answered.values()) <= {1}
    assert done.calls == server.batches.answered.total() + server.answered
    online = (server.usage.input * Decimal("0.15") + server.usage.output * Decimal("0.6")) / 1_000_000
    assert done.cost == server.batches.cost + online


def test_all_documents_go_into_one_batch_at_half_the_price(server: FakeOpenAI) -> None:
    done = run()
    whole(done, server)
    assert (server.answered, len(server.batches.batches)) == (0, 1)
    assert server.batches.cost > 0
    assert [(wave.state, wave.status, wave.requests) for wave in waves()] == [("ingested", "completed", DOCUMENTS)]
    assert list(Path("run/batches").iterdir()) == []


# ---- however a batch ends


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_a_batch_did_before_its_end_is_taken_in_and_the_rest_goes_into_the_next(
    server: FakeOpenAI, end: Any
) -> None:
    server.batches.fates(Fate(end, share=0.5), Fate("expired", share=0.0))
    whole(run(), server)
    assert [(wave.status, wave.requests) for wave in waves()] == [(end, 12), ("expired", 6), ("completed", 6)]


def test_lines_that_failed_or_are_missing_go_into_the_next_file(server: FakeOpenAI) -> None:
    server.batches.fates(Fate(statuses={0: 500, 1: 429}, lost=[2], missing=[3]))
    whole(run(), server)
    assert [wave.requests for wave in waves()] == [12, 4]


def test_a_line_fails_for_good_after_as_many_tries_as_a_call_has(server: FakeOpenAI) -> None:
    server.batches.fates(*[Fate(lost=[0])] * 3)
    done = run(limits=Limits(tries=3), documents="in/00.txt")
    assert done.states == {"rejected": 1}
    assert [entry.reasons for entry in done.refused] == [
        ("the record: openai/gpt-4o-mini did not come to it in its batch: The request failed",)
    ]
    assert [wave.requests for wave in waves()] == [1, 1, 1]


def test_answers_are_joined_by_id_whatever_else_comes(server: FakeOpenAI) -> None:
    server.batches.fates(Fate(doubled=[0, 5], unknown=3, broken=1))
    done = run()
    whole(done, server)
    assert done.warnings == (
        "2 answers came a second time in a batch; the first ones were taken.",
        "3 answers in batches had ids that were not asked for; they were left out.",
        "1 lines of batches could not be read; what they should have answered was asked for again.",
    )


def test_what_the_provider_refuses_of_one_document_is_that_documents(server: FakeOpenAI) -> None:
    server.batches.fates(Fate(statuses={3: 400}))
    done = run()
    assert done.states == {"written": DOCUMENTS - 1, "rejected": 1}
    assert [entry.ordinal for entry in done.refused] == list({*range(DOCUMENTS)} - {row["number"] for row in rows()})


def test_a_batch_that_fails_as_a_whole_stops_the_run_and_the_next_start_asks_again(server: FakeOpenAI) -> None:
    server.batches.fates(Fate("failed", code="billing_hard_limit_reached"))
    done = run()
    assert done.states == {"pending": DOCUMENTS}
    assert str(done.stopped) == "batch_1: A batch of openai/gpt-4o-mini failed: The batch failed."
    whole(run(), server)


def test_a_line_for_which_a_batch_fails_is_left_out_of_the_next(server: FakeOpenAI) -> None:
    server.batches.fates(Fate("failed", code="invalid_request", line=2))
    done = run()
    assert done.states == {"written": DOCUMENTS - 1, "rejected": 1}
    assert [entry.reasons for entry in done.refused] == [
        ("the record: openai/gpt-4o-mini does not take this document: The batch failed",)
    ]
    assert [wave.requests for wave in waves()] == [12, 11]


def test_a_full_queue_is_waited_for_and_then_asked_for_less(server: FakeOpenAI) -> None:
    server.batches.token_limit = 700
    done = run()
    whole(done, server)
    found = waves()
    assert found[0].status == "failed"
    assert {wave.state for wave in found} == {"ingested"}
    assert sum(wave.requests for wave in found if wave.status == "completed") == DOCUMENTS


# ---- requests that fail


@pytest.mark.parametrize("operation", ["upload", "create", "retrieve", "content"])
@pytest.mark.parametrize("trouble", ["server_error", "rate_limit", "cut", "cut_after", "hang_after"])
def test_a_request_that_fails_is_made_again_and_nothing_is_charged_twice(
    server: FakeOpenAI, operation: Any, trouble: Any
) -> None:
    server.batches.troubles(operation, trouble, None, trouble)
    whole(run(limits=Limits(timeout=0.2)), server)
    assert len(server.batches.batches) == 1


def test_a_batch_whose_creation_timed_out_is_found_in_the_list(server: FakeOpenAI) -> None:
    """It is on the second page, behind others that are not ours, and the list fails as well."""
    server.batches.troubles("create", "hang_after")
    server.batches.troubles("list", "server_error", "cut")
    server.batches.others(150)
    whole(run(limits=Limits(timeout=0.2)), server)
    assert len(server.batches.batches) == 151


def test_a_wrong_key_stops_the_run_before_anything_is_there(server: FakeOpenAI) -> None:
    server.key = "sk-another"
    done = run()
    assert done.states == {"pending": DOCUMENTS}
    assert str(done.stopped) == (
        "openai/gpt-4o-mini: The key for openai/gpt-4o-mini was not accepted.\n  Check OPENAI_API_KEY."
    )
    server.key = None
    whole(run(), server)


# ---- files


def test_files_are_cut_by_requests_and_by_bytes(server: FakeOpenAI) -> None:
    whole(run(batching=replace(QUICK, requests=5)), server)
    assert [wave.requests for wave in waves()] == [5, 5, 2]
    sizes = sorted(len(content) for id, content in server.batches.files.items() if b'"method"' in content)
    Path("run").rename("other")
    server.batches.answered.clear()
    run(batching=replace(QUICK, bytes=sizes[-1] // 2))
    assert len(waves()) == 6


def test_a_request_that_is_too_large_for_a_file_is_that_documents(server: FakeOpenAI) -> None:
    Path("in/05.txt").write_text("document 5 " + "long " * 2000)
    done = run(batching=replace(QUICK, bytes=8000))
    assert done.states == {"written": DOCUMENTS - 1, "rejected": 1}
    assert done.refused[0].reasons[0].startswith("the record: The request has 1")


def test_few_calls_go_online_where_that_is_asked_for(server: FakeOpenAI) -> None:
    server.batches.fates(Fate("expired", share=0.75))
    whole(run(batching=replace(QUICK, small=4)), server)
    assert (server.answered, len(server.batches.batches)) == (3, 1)


# ---- tasks that ask more than once


def test_repairs_go_into_the_next_file(server: FakeOpenAI) -> None:
    """The first answers about every third document break a check; they are repaired in a second wave."""
    records = {f"document {n}, ": {"number": n, "word": f"w{n}"} for n in range(DOCUMENTS)}
    right, first = Gold(records, compile(Bill), server.requests), set[str]()

    def wrong_at_first(request: Request) -> Any:
        number = re.search(r"document (\d+),", request.document)
        if number is not None and int(number[1]) % 3 == 0 and number[1] not in first:
            first.add(number[1])
            return {"number": int(number[1]), "word": "wrong"}
        return right(request)

    server._sources[:] = [wrong_at_first]
    done = run({"check": "word != 'wrong'"})
    assert done.states == {"written": DOCUMENTS}
    assert [wave.requests for wave in waves()] == [12, 4]
    assert [row["word"] for row in rows()] == [f"w{n}" for n in range(DOCUMENTS)]
    assert done.cost == server.batches.cost


def test_models_that_cost_nothing_are_asked_directly(server: FakeOpenAI) -> None:
    done = run(model=["rules", MODEL])
    assert done.states == {"written": DOCUMENTS}
    assert server.answered == 0
    assert done.cost == server.batches.cost > 0


def test_a_unit_that_is_at_work_is_waited_for(server: FakeOpenAI, project: Path) -> None:
    """A step in Python takes longer than the engine is quiet: what is asked after it goes into one file anyway."""
    (project / "slow.py").write_text(
        "import time\n\ndef slow(row):\n    time.sleep(0.3 if row['number'] % 4 == 0 else 0)\n    return row\n"
    )
    labels = {"classify": ["one", "two"], "text": "word", "into": "label"}

    def both(request: Request) -> Any:
        return {"label": "one"} if "label" in str(request.schema) else said(request)

    server._sources[:] = [both]
    done = run({"python": "slow.py:slow"}, labels)
    assert done.states == {"written": DOCUMENTS}
    assert [wave.requests for wave in waves()] == [12, 12]


# ---- money


def test_a_budget_makes_files_smaller_and_then_stops(server: FakeOpenAI) -> None:
    """The budget has room for the most that three calls may cost; each costs much less, so that waves follow."""
    limits = Limits(budget_usd=Decimal("0.015"))
    done = run(limits=limits)
    whole(done, server)
    assert waves()[0].requests < DOCUMENTS
    assert len(waves()) > 1
    Path("run").rename("before")
    server.batches.answered.clear()
    done = run(limits=Limits(calls=5))
    assert done.states == {"written": 5, "pending": 7}
    assert str(done.stopped) == (
        "The next call may take 1 of the calls, and 5 of 5 are spent.\n"
        "  Raise the budget and start again; a run in a folder goes on where it stopped, and pays nothing twice."
    )
    done = run()
    assert done.states == {"written": DOCUMENTS}
    assert set(server.batches.answered.values()) == {1}


def test_a_budget_that_has_no_room_for_one_call_sends_nothing(server: FakeOpenAI) -> None:
    done = run(limits=Limits(budget_usd=Decimal("0.0001")))
    assert done.states == {"pending": DOCUMENTS}
    assert "of 0.0001 USD are spent." in str(done.stopped)
    assert server.batches.files == {}


# ---- which models


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (
            "azure/gpt-4o-mini",
            "azure/gpt-4o-mini cannot be asked by batch: Azure's batches are not built yet.\n"
            "  Run it with the local engine, or name another model.",
        ),
        (
            "compatible/mine",
            "compatible/mine cannot be asked by batch: the catalogue has no batch price of it.\n"
            "  Declare one (`batch` in its `price`) if its server has OpenAI's Batch API, or use the local engine.",
        ),
        (
            "anthropic/claude-haiku-4-5",
            "anthropic/claude-haiku-4-5 cannot be asked by batch: its provider's batches are not built yet.\n"
            "  Run it with the local engine, or name another model.",
        ),
    ],
)
def test_models_without_batches_are_refused_before_anything_is_sent(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, model: str, why: str
) -> None:
    for name, value in {
        "AZURE_OPENAI_ENDPOINT": server.address,
        "AZURE_OPENAI_API_KEY": "of-a-test",
        "OPENAI_API_VERSION": "2024-10-21",
        "ANTHROPIC_API_KEY": "of-a-test",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ModelError) as caught:
        run(model=model)
    assert str(caught.value) == why
    assert not Path("run").exists()


def test_a_compatible_server_with_batch_prices_can_be_asked(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("models.yaml").write_text(
        "compatible/mine:\n"
        f"  endpoints: [{{url: '{server.base_url}'}}]\n"
        "  modes: [strict]\n"
        "  price: {input: 1, output: 2, batch: {input: 0.5, output: 1}}\n"
    )
    done = run(model="compatible/mine")
    used = server.batches.usage["mine"]
    assert done.states == {"written": DOCUMENTS}
    assert done.cost == (used.input * Decimal("0.5") + used.output) / 1_000_000


# ---- one run, several starts


def test_a_detached_run_is_taken_in_by_its_next_start(server: FakeOpenAI) -> None:
    server.batches.auto = False
    detach = replace(QUICK, detach=True, requests=5, units=4)
    for _ in range(2):
        done = run(batching=detach)
        assert done.states == {"pending": DOCUMENTS}
        assert isinstance(done.stopped, Detached)
        assert re.match(r"12 requests are with the provider, in \d batches.\n  Start the same run", str(done.stopped))
        assert server.batches.answered.total() == 0
    count = len(server.batches.batches)
    server.batches.step(3)
    assert run(batching=detach).stopped is None
    whole(run(), server)
    assert len(server.batches.batches) == count


def test_a_detached_run_asks_for_as_much_as_its_budget_has_room_for(server: FakeOpenAI) -> None:
    server.batches.auto = False
    done = run(batching=replace(QUICK, detach=True, requests=1, small=3), limits=Limits(calls=4))
    assert isinstance(done.stopped, Detached)
    assert done.stopped.message == "4 requests are with the provider, in 4 batches."
    server.batches.auto = True
    whole(run(), server)


def test_a_run_is_started_online_and_finished_by_batch_and_the_other_way_round(server: FakeOpenAI) -> None:
    assert run(engine="local", limits=Limits(calls=4)).states == {"written": 4, "pending": 8}
    assert run(limits=Limits(calls=7)).states == {"written": 7, "pending": 5}
    whole(run(engine="local"), server)
    assert (server.answered, server.batches.answered.total()) == (9, 3)


def test_the_local_engine_takes_in_what_is_under_way_and_asks_the_rest_online(server: FakeOpenAI) -> None:
    server.batches.auto = False
    assert isinstance(run(batching=replace(QUICK, detach=True), documents="in/0*.txt").stopped, Detached)
    server.batches.auto = True
    whole(run(engine="local"), server)
    assert (server.answered, server.batches.answered.total()) == (2, 10)


def test_an_interrupted_run_leaves_its_batches_to_the_next_start(server: FakeOpenAI) -> None:
    server.batches.auto = False

    async def interrupted() -> None:
        one = pipeline()
        work = asyncio.create_task(
            execute(one, open_models(one), Path("run"), engine="batch", batching=QUICK, limits=Limits())
        )
        while not server.batches.polls:  # noqa: ASYNC110  the server has a loop of its own
            await asyncio.sleep(0.02)
        work.cancel()
        await asyncio.wait((work,), timeout=3)
        assert work.cancelled()

    asyncio.run(interrupted())
    server.batches.auto = True
    whole(run(), server)
    assert len(server.batches.batches) == 1


def test_batches_that_nobody_asks_for_any_more_are_taken_in_all_the_same(server: FakeOpenAI) -> None:
    """The instructions change while a batch is with the provider: its answers were paid for, and are recorded."""
    server.batches.auto = False
    run(batching=replace(QUICK, detach=True))
    server.batches.auto = True
    one = pipeline()
    values = {"extract": "schemas/bill.py:Bill", "instructions": "Read it again."}
    changed = Pipeline.of(
        {"name": "bills", "model": MODEL, "documents": "in/*.txt", "write": ["out/bills.jsonl"], "steps": [values]}
    )
    assert one.fingerprint != changed.fingerprint
    done = asyncio.run(execute(changed, open_models(changed), Path("run"), engine="batch", batching=QUICK))
    assert (done.states, done.calls) == ({"written": DOCUMENTS}, 2 * DOCUMENTS)
    assert [(wave.state, wave.requests) for wave in waves()] == [("ingested", DOCUMENTS)] * 2


def test_a_batch_of_a_model_that_the_run_does_not_ask_any_more_is_told(server: FakeOpenAI) -> None:
    server.batches.auto = False
    run(batching=replace(QUICK, detach=True))
    with pytest.raises(RunError) as caught:
        run(model="rules")
    assert str(caught.value) == (
        "A batch of openai/gpt-4o-mini is under way, and the run does not ask openai/gpt-4o-mini any more.\n"
        "  Run it with that model first, or name another folder with --run."
    )


def test_each_model_of_a_cascade_has_files_of_its_own(server: FakeOpenAI) -> None:
    def refusing(request: Request) -> Any:
        right = said(request)
        small = request.body["model"] == "gpt-4o-mini"
        return Answer(refusal="I cannot.") if small and right["number"] % 4 == 0 else right

    server._sources[:] = [refusing]
    done = run(model=[MODEL, "openai/gpt-4o"])
    assert done.states == {"written": DOCUMENTS}
    assert [(wave.model, wave.requests) for wave in waves()] == [(MODEL, 12), ("openai/gpt-4o", 3)]
    assert done.cost == server.batches.cost


def test_a_step_that_needs_all_rows_waits_for_a_detached_run(server: FakeOpenAI) -> None:
    summed = {"sql": "select count(*) as many, sum(number) as total from rows"}
    judged = {"where": {"ask": "Is it many?"}}

    def both(request: Request) -> Any:
        return {"yes": True} if "yes" in str(request.schema) else said(request)

    server._sources[:] = [both]
    server.batches.auto = False
    assert isinstance(run(summed, judged, batching=replace(QUICK, detach=True)).stopped, Detached)
    server.batches.auto = True
    done = run(summed, judged)
    assert done.stopped is None
    assert [(row["many"], row["total"]) for row in rows()] == [(12, 66)]
    assert done.cost == server.batches.cost
    assert server.batches.answered.total() == DOCUMENTS + 1


@pytest.mark.parametrize("where", ["on_event", "watch", "on_wave"])
def test_what_a_callback_raises_ends_the_run_and_leaves_its_batches_to_the_next(server: FakeOpenAI, where: str) -> None:
    """The first document ends in a first batch, while a second one is with the provider for long."""
    server.batches.auto = False
    ends: list[Any] = []

    def told(happening: Any) -> None:
        if type(happening).__name__ in ("CallSent", "Progress", "Wave"):
            ends.append(happening)
            if len(ends) == {"on_event": DOCUMENTS, "watch": 1, "on_wave": 5}[where]:
                raise KeyError("a mistake of the callback's")

    one = pipeline()
    (Path("in") / "12.md").write_text("no document")
    given: dict[str, Any] = {where: told}
    if where == "watch":
        Path("in/00.txt").write_bytes(b"")  # it ends before any batch does
    work = execute(one, open_models(one), Path("run"), engine="batch", batching=replace(QUICK, requests=5), **given)
    with pytest.raises(Exception, match="a mistake of the callback's"):
        asyncio.run(asyncio.wait_for(work, 20))
    Path("in/00.txt").write_text("document 0, of a test")
    server.batches.auto = True
    whole(run(), server)


def test_it_is_told_how_batches_fare(server: FakeOpenAI) -> None:
    seen: list[Any] = []
    one = pipeline()
    work = execute(one, open_models(one), Path("run"), engine="batch", batching=QUICK, on_wave=seen.append)
    asyncio.run(work)
    assert [(wave.state, wave.status) for wave in seen] == [
        ("uploaded", None),
        ("created", "validating"),
        ("created", "in_progress"),
        ("created", "finalizing"),
        ("finished", "completed"),
        ("downloaded", "completed"),
        ("ingested", "completed"),
    ]


# ---- killed

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from extract.batches import Waves
from extract.limits import Batching, Limits
from extract.pipeline import Pipeline
from extract.runner import execute, open_models

state, moment, model = sys.argv[1:]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dying(method, of):
    async def changed(self, *given):
        if moment == "before" and of(*given) == state:
            die()
        result = await method(self, *given)
        if moment == "after" and of(*given) == state:
            die()
        return result
    return changed

def saved(wave):
    return "trying" if wave.state == "uploaded" and wave.tried else wave.state

Waves.save = dying(Waves.save, saved)
Waves.plan = dying(Waves.plan, lambda wave, calls: "planned")
Waves.record = dying(Waves.record, lambda replies: "recorded")
pipeline = Pipeline.of({
    "name": "bills", "model": model, "documents": "in/*.txt", "write": ["out/bills.jsonl"],
    "steps": [{"extract": "schemas/bill.py:Bill"}],
})
batching = Batching(quiet=0.02, poll=0.01, rarely=0.02, requests=5)
work = execute(pipeline, open_models(pipeline), Path("run"), engine="batch", batching=batching, limits=Limits())
asyncio.run(work)
print("it was not killed")
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "state", ["planned", "uploaded", "trying", "created", "finished", "downloaded", "recorded", "ingested"]
)
@pytest.mark.parametrize("engine", ["batch", "local"])
def test_a_start_that_is_killed_at_any_step_loses_nothing_and_pays_nothing_twice(
    server: FakeOpenAI, project: Path, state: str, moment: str, engine: Any
) -> None:
    """One of three batches is killed at this step, the others wherever they are; one expires half-way."""
    server.batches.fates(Fate("expired", share=0.6), Fate(), Fate(doubled=[0], unknown=1))
    (project / "killed.py").write_text(KILLED)
    command = [sys.executable, "killed.py", state, moment, MODEL]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, timeout=60)
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, ""), killed.stderr
    done = run(engine=engine)
    whole(done, server)
    assert all(not wave.open for wave in waves())


def test_kills_at_every_step_one_after_the_other_end_in_a_whole_run(server: FakeOpenAI, project: Path) -> None:
    (project / "killed.py").write_text(KILLED)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    for state in ("planned", "uploaded", "trying", "created", "finished", "downloaded", "recorded", "ingested"):
        command = [sys.executable, "killed.py", state, "after", MODEL]
        killed = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, timeout=60)
        assert killed.returncode in (-signal.SIGKILL, 0), killed.stderr
    whole(run(), server)
