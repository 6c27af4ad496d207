"""The engine `ray`, on a real Ray of this machine with two workers, and a server over real HTTP: what comes out is what
one machine gives, limits hold over all workers, and a worker that is killed costs what it had in flight."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_batch import SCHEMA, pipeline, said

from extract import Pipeline as Pipelines
from extract.errors import BudgetExceeded, ExtractError, ModelError, PipelineError, RunError
from extract.events import DocumentEnded, Happening
from extract.ledger import RunLedger
from extract.limits import Fleet, Limits
from extract.models.scripted import Scripted
from extract.runner import Run, execute, open_models
from extract.runner.fleet import sent
from extract.testing import FakeOpenAI

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'typed-extract[ray]'")

ROOT = Path(__file__).parent.parent
DOCUMENTS = 40
TWO = Fleet(workers=2)
CODE = """
import os
import signal
from pathlib import Path

def once(row):
    if row["number"] == 17 and not Path("killed").exists():
        Path("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return row

def always(row):
    if row["number"] == 17:
        os.kill(os.getpid(), signal.SIGKILL)
    return row
"""
WHO = """
import os

def who(row):
    os.makedirs(f"{os.getpid()}.pid", exist_ok=True)
    return row
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[FakeOpenAI]:
    """A Ray of this machine, in whose environment a server's address stands."""
    environment = {
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "OPENAI_API_KEY": "sk-of-a-test",
    }
    with FakeOpenAI(said) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in {**environment, "OPENAI_BASE_URL": server.base_url}.items():
            patch.setenv(name, value)
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=100_000_000,
        )
        yield server
        ray.shutdown()


@pytest.fixture
def server(cluster: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> FakeOpenAI:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-test")
    monkeypatch.setenv("OPENAI_BASE_URL", cluster.base_url)
    cluster.reset()
    cluster.latency = 0.0
    return cluster


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("schemas/bill.py", SCHEMA), ("code/deadly.py", CODE)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (tmp_path / "in").mkdir()
    for n in range(DOCUMENTS):
        (tmp_path / "in" / f"{n:02}.txt").write_text(f"document {n}, of a test")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(
    *steps: Any,
    engine: Any = "ray",
    fleet: Fleet | None = TWO,
    limits: Limits | None = None,
    folder: str = "run",
    on_event: Any = None,
    **more: Any,
) -> Run:
    one, limits = pipeline(*steps, **more), limits or Limits(timeout=5.0, in_flight=4)
    work = execute(one, open_models(one), Path(folder), engine=engine, fleet=fleet, limits=limits, on_event=on_event)
    return asyncio.run(asyncio.wait_for(work, 60))


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out/bills.jsonl").read_text().splitlines()]


def whole(done: Run) -> None:
    """Every document has its own answer, once."""
    assert done.stopped is None
    assert done.states == {"written": DOCUMENTS}
    assert [(row["number"], row["word"]) for row in rows()] == [(n, f"w{n}") for n in range(DOCUMENTS)]


def test_two_workers_write_what_one_machine_writes_and_the_other_engine_asks_nothing_again(server: FakeOpenAI) -> None:
    server.latency, told, before = 0.05, list[Happening](), os.getpid()
    Path("code/who.py").write_text(WHO)
    steps = (
        {"python": "code/who.py:who", "schema": "schemas/bill.py:Bill"},
        {"check": "number >= 0"},
        {"where": "number != 3"},
        {"set": {"twice": "number + number"}},
    )
    sums = {"sql": "select word, sum(twice) as spent from rows group by word order by word"}
    done = run(*steps, sums, write=["out/bills.csv"], on_event=told.append)
    there = Path("out/bills.csv").read_bytes()
    assert (done.stopped, server.count, done.calls) == (None, DOCUMENTS, DOCUMENTS)
    assert len({path.stem for path in Path().glob("*.pid")} - {str(before)}) == 2
    assert server.most_in_flight <= 4
    kinds = Counter(type(one).__name__ for one in told)
    assert kinds == {"CallSent": DOCUMENTS, "ReplyReceived": DOCUMENTS, "DocumentEnded": DOCUMENTS}
    assert {one.source for one in told if isinstance(one, DocumentEnded)} == {str(path) for path in Path().glob("in/*")}
    again = run(*steps, sums, engine="local", write=["out/bills.csv"])
    assert (again.stopped, server.count, again.calls) == (None, DOCUMENTS, DOCUMENTS)
    assert Path("out/bills.csv").read_bytes() == there
    assert [flow.plain() for flow in again.flows] == [flow.plain() for flow in done.flows]
    assert (again.cost, again.usage, again.reused) == (done.cost, done.usage, {"1 extract": DOCUMENTS})
    other = run(*steps, sums, engine="local", folder="other", write=["out/bills.csv"])
    assert (other.cost, Path("out/bills.csv").read_bytes()) == (done.cost, there)


def test_a_killed_worker_costs_what_it_had_in_flight(server: FakeOpenAI) -> None:
    server.latency = 0.02
    parts = {"to": "out/parts/*.parquet", "rows_per_file": 16}
    done = run({"python": "code/deadly.py:once"}, write=["out/bills.jsonl", parts])
    assert Path("killed").exists()
    whole(done)
    assert done.outputs[1] == ("out/parts/*.parquet", DOCUMENTS)
    assert [path.name for path in sorted(Path("out/parts").glob("*.parquet"))] == [f"0000{n}.parquet" for n in range(3)]
    assert done.calls == DOCUMENTS
    assert DOCUMENTS <= server.count <= DOCUMENTS + 4  # two on the wire, and two whose replies were being recorded
    assert all(flow.conserved for flow in done.flows)


def test_a_worker_that_dies_again_and_again_ends_the_run_which_can_go_on(server: FakeOpenAI) -> None:
    with pytest.raises(RunError) as caught:
        run({"python": "code/deadly.py:always"}, fleet=Fleet(workers=1, block=1, deaths=2), documents="in/17.txt")
    assert str(caught.value) == (
        "run: A worker died 2 times while it had the same 1 inputs: in/17.txt.\n"
        "  Look at its memory, and at code of the pipeline that ends a process. Start the run again: it goes on where "
        "it stopped."
    )
    done = run(engine="local", documents="in/17.txt")
    assert (done.states, server.count) == ({"written": 1}, 1)


def test_a_limit_of_calls_holds_over_all_workers_and_the_run_goes_on(server: FakeOpenAI) -> None:
    server.latency = 0.005
    done = run(limits=Limits(calls=15, in_flight=4))
    assert isinstance(done.stopped, BudgetExceeded)
    assert str(done.stopped).startswith("The next call may take 1 of the calls, and 15 of 15 are spent.")
    assert (server.count, done.calls, done.states["written"], done.states["pending"]) == (15, 15, 15, DOCUMENTS - 15)
    whole(run(engine="local"))
    assert server.count == DOCUMENTS


def test_what_a_callback_raises_comes_out_and_nothing_that_was_paid_for_is_lost(server: FakeOpenAI) -> None:
    def raises(happening: Happening) -> None:
        if isinstance(happening, DocumentEnded):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(on_event=raises)
    whole(run(engine="local"))
    assert server.count == DOCUMENTS


MAIN = """
import os, signal, sys, threading
from pydantic import BaseModel
from extract import Pipeline
from extract.limits import Fleet, Limits

class Bill(BaseModel):
    number: int
    word: str

pipeline = Pipeline(
    [{"extract": Bill}, {"python": lambda row: {**row, "more": row["number"] + 1}}],
    name="bills", documents="in/*.txt", model="openai/gpt-4o-mini", write="out/bills.jsonl",
)

def watch(progress):
    if sys.argv[2:] and progress.done >= int(sys.argv[3]):
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))

done = pipeline.run("run", engine=sys.argv[1], fleet=Fleet(workers=2), limits=Limits(in_flight=4), watch=watch)
print(done.states)
"""


def program(*words: str) -> subprocess.CompletedProcess[str]:
    """A program with its schema in itself, which uses the Ray of this test."""
    Path("main.py").write_text(MAIN)
    environment = {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "main.py", *words], env=environment, capture_output=True, text=True, timeout=60
    )


def test_a_program_that_is_killed_or_interrupted_leaves_a_run_that_goes_on(server: FakeOpenAI) -> None:
    server.latency = 0.02
    assert program("ray", "SIGKILL", "10").returncode == -signal.SIGKILL
    _held_by_nobody(Path("run"))
    server.reset()
    ended = program("ray", "SIGINT", "25")
    assert "KeyboardInterrupt" in ended.stderr
    assert ended.returncode not in (0, -signal.SIGKILL)
    assert server.count < DOCUMENTS
    count, ledger = server.count, RunLedger(Path("run"))
    calls, _, _ = asyncio.run(ledger.totals())
    ledger.close()
    assert calls >= count  # what was on the wire was recorded
    done = program("local")
    assert (done.returncode, done.stdout) == (0, "{'written': 40}\n"), done.stderr
    assert server.count - count == DOCUMENTS - calls


def _held_by_nobody(folder: Path) -> None:
    """Waits until Ray has ended what its dead driver left."""
    for _ in range(100):
        with contextlib.suppress(RunError):
            RunLedger(folder).close()
            return
        time.sleep(0.1)
    raise AssertionError("somebody holds the folder")


def test_a_pipeline_that_has_been_run_here_can_be_sent(server: FakeOpenAI) -> None:
    one = pipeline({"check": "number >= 0"}, {"classify": ["a", "b"]}, documents="in/0*.txt")
    limits = Limits(timeout=5.0, tries=1)
    asyncio.run(execute(one, open_models(one), Path("run"), engine="local", limits=limits))
    assert pickle.loads(sent(one)).fingerprint == one.fingerprint


# ---- what is refused


def test_a_pipeline_that_cannot_be_sent_is_refused(server: FakeOpenAI) -> None:
    import threading

    lock = threading.Lock()

    def locks(row: Any) -> Any:
        return row if lock else None

    with pytest.raises(PipelineError) as caught:
        run({"python": locks})
    assert str(caught.value) == (
        "pipeline: The pipeline cannot be sent to workers: TypeError: cannot pickle '_thread.lock' object.\n"
        "  Write the schema or the function that it names into a file, and name it there: code/clean.py:tidy."
    )
    assert server.count == 0


def test_a_worker_that_would_ask_elsewhere_is_refused(server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRACT_MODELS", "models.yaml")
    Path("models.yaml").write_text("{}\n")
    with pytest.raises(ModelError) as caught:
        run()
    assert str(caught.value) == (
        f"a worker on {os.uname().nodename}: EXTRACT_MODELS is set where the run was started, and not where a worker "
        "runs.\n  Set it where Ray is started on each machine, or in the `runtime_env` of the Fleet."
    )
    assert server.count == 0


def test_what_goes_with_another_engine_or_reaches_nobody_is_refused(server: FakeOpenAI) -> None:
    Path("bills.yaml").write_text(
        "name: bills\nmodel: rules\ndocuments: in/*.txt\nsteps: [{extract: schemas/bill.py:Bill}]\nwrite: out/b.jsonl\n"
    )

    def command(*words: str) -> str:
        line = [sys.executable, "-W", "ignore", "-m", "extract", "run", "bills.yaml", "--run", "run", *words]
        ended = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert ended.returncode != 0
        return ended.stderr

    assert command("--workers", "2").endswith("Error: --workers goes with --engine ray.\n")
    assert command("--engine", "ray", "--address", "127.0.0.1:1") == (
        "error: 127.0.0.1:1: Ray cannot be reached: Connection refused.\n"
        "  Start a cluster there (`ray start --head`), or leave the address out to use this machine alone.\n"
    )
    assert command("--engine", "ray", "--address", "ray://127.0.0.1:1") == (
        "error: ray://127.0.0.1:1: A run writes its folder beside the process that runs it, and `ray://` runs that "
        "elsewhere.\n  Start it on a machine of the cluster with --address auto: `ray job submit`.\n"
    )


def test_models_that_are_passed_in_are_refused() -> None:
    one = Pipelines([{"extract": "schemas/bill.py:Bill"}], documents="in/*.txt", model="rules")
    with pytest.raises(ModelError) as caught:
        one.run("run", engine="ray", models=[Scripted([])])
    assert str(caught.value) == (
        "Models that are passed in cannot go to the workers of the engine `ray`.\n"
        "  Name them in the pipeline: each worker opens its own."
    )


def test_more_processors_than_there_are_is_said_after_some_patience(server: FakeOpenAI) -> None:
    with pytest.raises(RunError) as caught:
        run(fleet=Fleet(workers=1, num_cpus=64, patience=0.5))
    assert str(caught.value) == (
        "No worker was ready within 0.5 seconds: each wants 64 processors, and Ray has 2, which others may be using.\n"
        "  Make room, or ask for less."
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"workers": 0}, "`workers` of Fleet is a whole number from 1, not 0."),
        ({"block": True}, "`block` of Fleet is a whole number from 1, not True."),
    ],
)
def test_a_fleet_is_checked(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ExtractError) as caught:
        Fleet(**given)
    assert str(caught.value) == message
