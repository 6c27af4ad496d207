"""What a document costs in processor time on one machine, and spread over two workers with Ray.

    python benchmarks/ray_workers.py [--documents 2000]

The fake server runs in a process of its own and answers at once, so that what is measured is this package and Ray:
the processor time of all processes but the server's, after the first tenth of the documents.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from extract import Pipeline
from extract.limits import Fleet, Limits
from extract.runner import Progress

SCHEMA = "from pydantic import BaseModel\n\nclass Bill(BaseModel):\n    number: int\n    word: str\n"
SERVER = """
import re, sys
from extract.testing import FakeOpenAI

def said(request):
    number = re.search(r"document (\\d+)", request.document)[1]
    return {"number": int(number), "word": f"w{number}"}

with FakeOpenAI(said, keep=1) as server:
    print(server.base_url, flush=True)
    sys.stdin.read()
"""


def taken(root: int) -> float:
    """Seconds of processor time of a process and all below it that are there."""
    tick, parents, times = os.sysconf("SC_CLK_TCK"), {}, {}
    for one in Path("/proc").iterdir():
        if one.name.isdecimal():
            try:
                fields = (one / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(one.name)] = int(fields[1])
            times[int(one.name)] = sum(map(int, fields[11:15])) / tick  # with those of children that have ended

    def within(pid: int) -> bool:
        while pid and pid != root:
            pid = parents.get(pid, 0)
        return pid == root

    return sum(time for pid, time in times.items() if within(pid))


def measured(pipeline: Pipeline, engine: str, server: int) -> tuple[float, float, float]:
    """Milliseconds of processor time and on the clock that a document takes, once a tenth of them is done, and the
    seconds on the clock until the first is."""
    marks: list[tuple[int, float, float]] = []
    began = time.monotonic()

    def watch(progress: Progress) -> None:
        done, total = progress.done, progress.total
        if done and (not marks or (len(marks) == 1 and done >= total / 10) or (len(marks) == 2 and done == total)):
            marks.append((done, taken(os.getpid()) - taken(server), time.monotonic()))

    with tempfile.TemporaryDirectory() as folder:
        fleet, limits = Fleet(workers=2), Limits(in_flight=32)
        run = pipeline.run(f"{folder}/run", engine=engine, watch=watch, limits=limits, fleet=fleet)
        assert run.stopped is None
    first, some, all_ = marks
    documents = (all_[0] - some[0]) / 1000
    return (all_[1] - some[1]) / documents, (all_[2] - some[2]) / documents, first[2] - began


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--documents", type=int, default=2000)
    count = arguments.parse_args().documents
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OPENAI_API_KEY": "none"}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("bill.py").write_text(SCHEMA)
        Path("in").mkdir()
        for n in range(count):
            Path(f"in/{n:06}.txt").write_text(f"document {n}, of a benchmark")
        line = [sys.executable, "-c", SERVER]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            os.environ["OPENAI_BASE_URL"] = server.stdout.readline().strip()
            _compare(server.pid)
            server.terminate()


def _compare(server: int) -> None:
    import ray

    pipeline = Pipeline([{"extract": "bill.py:Bill"}], documents="in/*.txt", model="openai/gpt-4o-mini")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    for engine in ("local", "ray"):
        each, clock, start = measured(pipeline, engine, server)
        print(f"{engine:6}{each:6.2f} ms of processor time a document, {clock:6.2f} ms on the clock;", end=" ")
        print(f"the first one after {start:.1f} s", flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()
