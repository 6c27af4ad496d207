"""A hundred thousand documents through one process: the whole of a run beside the bare engine.

    python benchmarks/documents.py [--documents 100000] [--in-flight 32] [--repeat 1] [--per-minute 30000]

Three ways, each in a process of its own, against one fast local server that answers with a thousand different invoices
of eight lines: the local engine that drives one task for each document, and drops what comes of it; the same engine
with the pipeline's inputs and steps, with a ledger that keeps nothing and without outputs; and `extract run` of the
pipeline with its ledger, a JSON Lines output and its account. Documents are rows of a file, about 1 KB each. Printed
are documents a second and processor time for each, the ratios to the run, the memory when a tenth and when all is done,
and the bytes that a document takes in the ledger. Memory is read from /proc, and is left out where that is not there.
With `--per-minute` a run of its own keeps that pace, and what is printed is how much of one processor it takes;
`--synchronous full` makes the runs wait for the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "peers"), str(HERE)]

from speed_work import INSTRUCTIONS, MODEL, RECORD  # noqa: E402

_ANSWERS = 1_000
_WORDS = ("bolt", "cable", "lamp", "chair", "paper", "valve", "filter", "glove", "hinge", "motor", "pump", "sensor")

PIPELINE = f"""
name: documents
model: openai/{MODEL}
documents: {{rows: documents.jsonl, text: text}}
limits: {{in_flight: IN_FLIGHT}}
record: {{synchronous: SYNCHRONOUS}}
steps:
  - extract: speed_invoice.py:Invoice
    instructions: {INSTRUCTIONS}
    keep: n
write: [out/invoices.jsonl]
"""


# ---- the server


def records() -> Iterator[dict[str, Any]]:
    """Invoices that have nothing in common but their form."""
    made = random.Random(1)
    for number in range(_ANSWERS):
        lines = [
            {
                "name": " ".join(made.choices(_WORDS, k=4)),
                "quantity": made.randint(1, 500),
                "price": made.randint(1, 99_999) / 100,
                "amount": made.randint(1, 9_999_999) / 100,
            }
            for _ in range(8)
        ]
        names = {name: " ".join(made.choices(_WORDS, k=3)).title() for name in ("seller", "buyer")}
        sums = {name: made.randint(1, 9_999_999) / 100 for name in ("net", "tax", "total")}
        yield {**RECORD, "number": f"INV-{number}-{made.randint(0, 10**6)}", **names, "lines": lines, **sums}


def serve() -> None:
    import call_speed_server as server

    responses = []
    for one in records():
        server.RECORD = one  # type: ignore[attr-defined]
        responses.append(server.response())
    turn = cycle(responses)

    class Books(server.Books):
        @property
        def response(self) -> bytes:
            return next(turn)

        @response.setter
        def response(self, value: bytes) -> None:
            pass

    server.Books = Books  # type: ignore[misc]
    asyncio.run(server.main())


@contextmanager
def served() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


# ---- the ways


def tasks(in_flight: int) -> None:
    """The engine by itself: each document through its task, and what comes of it is dropped."""
    from speed_invoice import Invoice

    from extract.document import Document
    from extract.engines.local import Job, Local
    from extract.ledger import Nothing
    from extract.limits import Limits, Traffic
    from extract.models.cascade import open_cascade
    from extract.schema import compile
    from extract.task import Task

    async def work() -> None:
        cascade = open_cascade(f"openai/{MODEL}")
        task = Task(schema=compile(Invoice), models=cascade.facts, instructions=INSTRUCTIONS)
        engine = Local(cascade.models, Nothing(), Traffic(Limits(in_flight=in_flight)))

        def jobs() -> Iterator[Job[Any]]:
            with open("documents.jsonl") as file:
                for number, line in enumerate(file):
                    text = json.loads(line)["text"]
                    yield Job(str(number), lambda text=text: Document(text=text), task, at_hand=True)  # type: ignore[misc]

        async for outcome in engine.run(jobs()):
            assert outcome.extraction is not None
            assert outcome.extraction.ok
        for model in cascade.models.values():
            await model.close()

    _settled(work)


def steps(in_flight: int) -> None:
    """The engine with the inputs and the steps of the pipeline, without a ledger and without outputs."""
    from extract.engines.local import Local
    from extract.ledger import Nothing
    from extract.limits import Limits, Traffic
    from extract.pipeline import load_pipeline
    from extract.runner import asking, inputs, open_models
    from extract.runner.units import Units

    class First(Nothing):
        """The first start of a run: nothing is known from before."""

        start = 1

        async def known(self, stage: int, id: str) -> None:
            return None

    async def work() -> None:
        pipeline, ledger = load_pipeline("documents.yaml"), First()
        cascade = open_models(pipeline)
        engine = Local(cascade.models, ledger, Traffic(Limits(in_flight=in_flight)))
        asked = asking(pipeline, {one.name: one for one in cascade.facts})
        units = Units(pipeline, asked, engine, ledger, {})
        async for entry in engine.each(inputs(pipeline), units.unit):
            assert entry.state == "written"
        for model in cascade.models.values():
            await model.close()

    _settled(work)


def _settled(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Does the work with the collector of garbage as `extract run` has it."""
    from extract.cli.running import _settle

    _settle()
    asyncio.run(work())


@dataclass(frozen=True)
class Found:
    """Seconds by the clock and of processor time, and MB of memory when a tenth and when all was done."""

    seconds: float
    processor: float
    early: float = 0.0
    late: float = 0.0
    most: float = 0.0


def run(command: list[str], folder: Path, environ: dict[str, str]) -> Found:
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environ)
    sizes = []
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        sizes.append(_megabytes(process.pid))
        time.sleep(0.25)
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    assert process.returncode == 0, f"{command} ended with {process.returncode}"
    used = ended[2]
    sizes = [size for size in sizes if size]
    tenth = sizes[len(sizes) // 10 : len(sizes) // 5 + 1]
    last = sizes[-max(1, len(sizes) // 10) :]
    found = Found(time.perf_counter() - began, used.ru_utime + used.ru_stime, most=used.ru_maxrss / 1024)
    return replace(found, early=statistics.median(tenth), late=statistics.median(last)) if sizes else found


def paced(folder: Path, environ: dict[str, str], per_minute: int, documents: int) -> None:
    """Prints how much of a processor a run takes that keeps a pace."""
    path = folder / "documents.yaml"
    path.write_text(path.read_text().replace("limits: {", f"limits: {{requests_per_minute: {per_minute}, "))
    found = run([sys.executable, "-m", "extract", "run", "documents.yaml", "--run", "r", "--quiet"], folder, environ)
    kept, share = 60 * documents / found.seconds, found.processor / found.seconds
    print(f"{documents:,} documents at {per_minute:,} requests a minute: {kept:,.0f} were kept, the start among them,")
    print(f"with {100 * share:.0f} % of a processor and {found.most:.0f} MB")


def _megabytes(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        return 0.0


def make(folder: Path, documents: int, in_flight: int, synchronous: str = "normal") -> None:
    made = random.Random(2)
    with (folder / "documents.jsonl").open("w") as file:
        for number in range(documents):
            text = f"Invoice {number}\n" + " ".join(made.choices(_WORDS, k=160))
            file.write(json.dumps({"n": number, "text": text}) + "\n")
    written = PIPELINE.replace("IN_FLIGHT", str(in_flight)).replace("SYNCHRONOUS", synchronous)
    (folder / "documents.yaml").write_text(written)
    (folder / "speed_invoice.py").write_text((HERE / "peers" / "speed_invoice.py").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--per-minute", type=int, help="requests a minute, for a run of its own")
    parser.add_argument("--synchronous", choices=["normal", "full"], default="normal")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return serve()
    if given.way:
        return WAYS[given.way](given.in_flight)
    found: dict[str, list[Found]] = {**{title: [] for title in WAYS}, "extract run": []}
    with served() as address, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, given.documents, given.in_flight, given.synchronous)
        environ = {**os.environ, "OPENAI_BASE_URL": address, "OPENAI_API_KEY": "none", "PYTHONPATH": str(HERE.parent)}
        if given.per_minute:
            return paced(folder, environ, given.per_minute, given.documents)
        for number in range(given.repeat):
            for title in WAYS:
                alone = [sys.executable, __file__, "--way", title, "--in-flight", str(given.in_flight)]
                found[title].append(run(alone, folder, environ))
            whole = [sys.executable, "-m", "extract", "run", "documents.yaml", "--run", f"r{number}", "--quiet"]
            found["extract run"].append(run(whole, folder, environ))
        account = json.loads((folder / "r0" / "run.json").read_text())
        assert (account["written"], account["calls"]) == (given.documents, given.documents), account
        size = sum(path.stat().st_size for path in (folder / "r0").glob("ledger.sqlite*"))
    print(f"{given.documents:,} documents, {given.in_flight} in flight\n")
    print("| | documents/s | processor time each | memory at a tenth | at the end | greatest |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for title, several in found.items():
        one = sorted(several, key=lambda f: f.seconds)[len(several) // 2]
        each = f"{1e6 * one.processor / given.documents:.0f} µs"
        memory = f"{one.early:.0f} MB | {one.late:.0f} MB | {one.most:.0f} MB"
        print(f"| {title} | {given.documents / one.seconds:,.0f} | {each} | {memory} |")
    for title in WAYS:
        pairs = list(zip(found["extract run"], found[title], strict=True))
        clock = _spread([one.seconds / other.seconds for one, other in pairs])
        processor = _spread([one.processor / other.processor for one, other in pairs])
        print(f"\nthe run beside {title}: {clock} by the clock, {processor} by the processor")
    print(f"\n{size / given.documents:,.0f} bytes a document in the ledger")
    return None


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


WAYS: dict[str, Callable[[int], None]] = {"the engine with one task": tasks, "the engine with the steps": steps}


if __name__ == "__main__":
    main()
