"""What one call costs beside bare aiohttp and beside others: the same server, documents, schema and record, in one run.

    python benchmarks/call_speed.py [--peers DIR] [--calls 100] [--repeat 3] [--json FILE]

DIR holds environments of the peers' own, made by ``python -m venv DIR/openai`` and so on, with these packages in them:
``openai`` (openai[aiohttp]), ``instructor`` (instructor), ``pydantic_ai`` (pydantic-ai-slim[openai]) and ``langchain``
(langchain-openai). Those that are missing are named and left out.

The work: a document of 5 kB is sent with a strict schema, an invoice with eight lines comes back as JSON, and becomes a
pydantic model that is the same for all. The server (`call_speed_server.py`) is another process that writes bytes made
beforehand. Each contender is a process (`peers/speed_*.py`), new in each round; in a round all of them take their turns
at 1 call in flight, then at 32, then at 256, in an order that changes with the round, and bare aiohttp takes one before
and after each of theirs. A turn is `--calls` calls and as many as are in flight, and more until it has lasted 0.3
seconds; some calls before it open the connections and warm up what is warmed.

Stated are the processor time of the client for one call, user and system, as a ratio to the two turns of bare aiohttp
beside it (the median over the rounds, and the smallest and the greatest); requests per second and the 99th percentile
of the time that a call takes (medians; of a batch only its whole is known); the greatest memory; and the time from the
start of a process to the end of its imports and to its first answer, with files warm in the system's cache and byte
code that was made at an earlier start (the smallest).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import IO, Any

HERE = Path(__file__).resolve().parent
IN_FLIGHT = (1, 32, 256)
SHORTEST = 300
"""Milliseconds that a turn lasts at least."""
_MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of ru_maxrss."""


@dataclass(frozen=True)
class Contender:
    """One row: its title, its script in ``peers`` and the name that it is called by there, the folder of its
    environment (empty: this one), and the packages whose versions matter."""

    title: str
    script: str
    name: str
    home: str
    packages: str


CONTENDERS = (
    Contender("bare aiohttp", "speed_bare", "bare", "", "aiohttp"),
    Contender("bare aiohttp, validated", "speed_bare_validated", "validated", "", "aiohttp orjson pydantic"),
    Contender("extract", "speed_extract", "call", "", "openai aiohttp pydantic"),
    Contender("extract `.detail`", "speed_extract", "detail", "", "openai aiohttp pydantic"),
    Contender("extract `.batch`, durable", "speed_extract", "batch", "", "openai aiohttp pydantic"),
    Contender("OpenAI SDK `create`", "speed_openai", "create", "openai", "openai httpx httpx2 pydantic"),
    Contender("OpenAI SDK `create` on aiohttp", "speed_openai", "aiohttp", "openai", "openai aiohttp pydantic"),
    Contender("OpenAI SDK `parse`", "speed_openai", "parse", "openai", "openai httpx httpx2 pydantic"),
    Contender("instructor", "speed_instructor", "instructor", "instructor", "instructor openai pydantic"),
    Contender("pydantic-ai", "speed_pydantic_ai", "pydantic-ai", "pydantic_ai", "pydantic-ai-slim openai pydantic"),
    Contender("LangChain", "speed_langchain", "langchain", "langchain", "langchain-core langchain-openai openai"),
)
BARE = CONTENDERS[0]


@dataclass(frozen=True)
class Ground:
    """What a run's processes share: the server's address, and a folder for byte code, so that nobody's imports are
    compiled while they are timed."""

    address: str
    byte_code: str

    def environ(self, contender: Contender) -> dict[str, str]:
        """The variables of a contender's process: nobody's addresses, keys or habits, and this package for ours."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHON"))}
        path = {} if contender.home else {"PYTHONPATH": str(HERE.parent)}
        return {**kept, **path, "PYTHONPYCACHEPREFIX": self.byte_code}


class Broken(Exception):
    """A contender's process ended before its time."""


class Running:
    """A contender's process, for one round."""

    def __init__(self, contender: Contender, python: str, ground: Ground):
        self.contender = contender
        script = str(HERE / "peers" / f"{contender.script}.py")
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  `kill` closes it
        self._process = subprocess.Popen(
            [python, script, contender.name, ground.address, str(time.monotonic()), contender.packages],
            env=ground.environ(contender),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.started = self._told()

    def turn(self, in_flight: int, calls: int) -> dict[str, Any]:
        _pipe(self._process.stdin).write(f"{in_flight} {calls + in_flight} {SHORTEST}\n")
        _pipe(self._process.stdin).flush()
        return self._told()

    def end(self) -> dict[str, Any]:
        _pipe(self._process.stdin).close()
        told = self._told()
        self._process.wait()
        return told

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            _pipe(pipe).close()

    def _told(self) -> dict[str, Any]:
        line = _pipe(self._process.stdout).readline()
        if line:
            return dict(json.loads(line))
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines() or ["it said nothing"]
        raise Broken(f"{self.contender.title} failed: {said[-1]}")


@dataclass
class Found:
    """What was measured of one contender, an item a round; of bare aiohttp, several turns a round."""

    starts: list[dict[str, Any]] = field(default_factory=list)
    turns: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: {one: [] for one in IN_FLIGHT})
    ends: list[dict[str, Any]] = field(default_factory=list)

    def spread(self, in_flight: int, what: str) -> tuple[float, float, float]:
        """The median, the smallest and the greatest."""
        values = [turn[what] for turn in self.turns[in_flight]]
        return median(values), min(values), max(values)

    def least(self, what: str) -> float:
        return min(start[what] for start in self.starts)

    def megabytes(self) -> float:
        return max(end["memory"] for end in self.ends) * _MEMORY_UNIT / 1e6


def a_round(contenders: list[tuple[Contender, str]], ground: Ground, calls: int, found: dict[str, Found]) -> None:
    """Starts all, lets them take their turns, and ends them. Bare aiohttp is among them, at any place."""
    running: dict[str, Running] = {}
    try:
        for contender, python in contenders:
            one = running[contender.title] = Running(contender, python, ground)
            found[contender.title].starts.append(one.started)
        for in_flight in IN_FLIGHT:
            _turns(running, in_flight, calls, found)
        for title, one in running.items():
            found[title].ends.append(one.end())
    finally:
        for one in running.values():
            one.kill()


def _turns(running: dict[str, Running], in_flight: int, calls: int, found: dict[str, Found]) -> None:
    """Everybody's turns at so many in flight, each as a ratio to what bare aiohttp took before and after it."""
    bare, others = running[BARE.title], [(title, one) for title, one in running.items() if title != BARE.title]
    turns = [bare.turn(in_flight, calls)]
    for title, one in others:
        turn = one.turn(in_flight, calls)
        turns.append(bare.turn(in_flight, calls))
        beside = mean(one["processor"] for one in turns[-2:])
        found[title].turns[in_flight].append({**turn, "ratio": turn["processor"] / beside})
    found[BARE.title].turns[in_flight] += [{**turn, "ratio": 1.0} for turn in turns]


@contextmanager
def served(books: dict[str, Any]) -> Iterator[str]:
    """The server's address; what it counted is in `books` at the end."""
    command = [sys.executable, str(HERE / "call_speed_server.py")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(_pipe(process.stdout).readline())}/v1"
        books |= json.loads(process.communicate()[0])
    finally:
        process.kill()
        process.wait()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def usable(contenders: tuple[Contender, ...], peers: Path | None, ground: Ground) -> list[tuple[Contender, str]]:
    """Those that can run, each with its interpreter, having given one right answer; the others are named."""
    able = []
    for contender in contenders:
        python = sys.executable
        if contender.home:
            python = str((peers or Path("DIR")) / contender.home / "bin" / "python")
            if peers is None or not Path(python).exists():
                print(f"{contender.title} is left out: there is no {python}.")
                continue
        try:
            one = Running(contender, python, ground)
        except Broken as error:
            print(f"{contender.title} is left out: {error}.")
            continue
        one.kill()
        able.append((contender, python))
    return able


def table(heads: list[str], found: dict[str, Found], cells: Callable[[Found], list[str]]) -> str:
    rows = [["", *heads], ["---", *["---:"] * len(heads)], *([title, *cells(one)] for title, one in found.items())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def report(found: dict[str, Found]) -> str:
    """The three tables, in Markdown."""

    def times(one: Found, in_flight: int) -> str:
        if one is found[BARE.title]:
            return "1 ({:.3f} ms, {:.3f} to {:.3f})".format(
                *(1000 * value for value in one.spread(in_flight, "processor"))
            )
        return "{:.2f} ({:.2f} to {:.2f})".format(*one.spread(in_flight, "ratio"))

    def rates(one: Found, in_flight: int) -> str:
        known = one.turns[in_flight][0]["p99"] is not None
        p99 = f", {1000 * one.spread(in_flight, 'p99')[0]:.1f} ms" if known else ""
        return f"{one.spread(in_flight, 'rate')[0]:,.0f}{p99}"

    def at_each(cell: Callable[[Found, int], str]) -> Callable[[Found], list[str]]:
        return lambda one: [cell(one, in_flight) for in_flight in IN_FLIGHT]

    def rest(one: Found) -> list[str]:
        times = [f"{1000 * one.least(what):.0f} ms" for what in ("imported", "first")]
        return [f"{one.megabytes():.0f} MB", *times]

    flight = [f"{one} in flight" for one in IN_FLIGHT]
    parts = [
        "Processor time of the client for one call, bare aiohttp = 1",
        table(flight, found, at_each(times)),
        "Requests per second, and the 99th percentile of a call",
        table(flight, found, at_each(rates)),
        "Memory, and the time from the start of a process to the end of its imports and to its first answer",
        table(["greatest memory", "imports", "first answer"], found, rest),
    ]
    return "\n\n".join(parts)


def about(found: dict[str, Found], books: dict[str, Any], answers: int) -> str:
    """What ran, whether the server was asked as often as it should be, and how busy it was."""
    calls = answers + sum(end["calls"] for one in found.values() for end in one.ends)
    versions: dict[str, dict[str, str]] = {}
    for contender in CONTENDERS:
        if contender.title in found:
            versions.setdefault(contender.home or "here", {}).update(found[contender.title].starts[0]["versions"])
    listed = "; ".join(f"{home}: {', '.join(map(' '.join, one.items()))}" for home, one in versions.items())
    asked = f"{calls:,} calls, {books['requests']:,} requests at the server"
    each = 1e6 * books["seconds"] / books["requests"]
    return f"{asked}, which took it {each:.0f} µs each. Python {sys.version.split()[0]}. {listed}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers", type=Path, help="a folder of environments: openai, instructor, pydantic_ai, langchain"
    )
    parser.add_argument("--calls", type=int, default=100, help="calls of one turn, beside those in flight")
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    given = parser.parse_args()
    books: dict[str, Any] = {}
    with served(books) as address, tempfile.TemporaryDirectory() as byte_code:
        ground = Ground(address, byte_code)
        contenders = usable(CONTENDERS, given.peers, ground)
        answers = len(contenders)
        found = {contender.title: Found() for contender, _ in contenders}
        for number in range(given.repeat):
            print(f"round {number + 1} of {given.repeat}", file=sys.stderr, flush=True)
            turned = number * len(contenders) // given.repeat
            a_round(contenders[turned:] + contenders[:turned], ground, given.calls, found)
    if given.json:
        figures = {title: {"starts": one.starts, "turns": one.turns, "ends": one.ends} for title, one in found.items()}
        given.json.write_text(json.dumps({"server": books, "contenders": figures}, indent=1))
    print(report(found), about(found, books, answers), sep="\n\n")


if __name__ == "__main__":
    main()
