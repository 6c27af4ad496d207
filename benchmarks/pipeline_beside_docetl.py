"""One job beside DocETL: the same receipts, schema, answers and concurrency, and what each start of it costs.

    python benchmarks/pipeline_beside_docetl.py [--peer PYTHON] [--documents 300] [--repeat 3] [--receipts FILE]
                                                [--json FILE]

PYTHON is an interpreter in an environment of its own, made by ``python -m venv DIR`` and ``DIR/bin/pip install
docetl``; without it our side runs alone. The documents are made receipts of about 1 kB, and before them the real ones
of FILE (JSON Lines with `text` and `gold`), where it is given.

The job: read company, date, address, total and lines of each receipt with a model, keep those with a total of at least
40, go over to the lines, add them up by company, write a CSV file. `peers/spending_extract.yaml` with
`peers/spending_schema.py`, and `peers/spending_docetl.yaml`, are the whole of it. Both have 16 calls in flight and ask
strictly for a JSON schema, which DocETL's documentation advises for lists of objects. DocETL's job skips what cannot be
read (`skip_on_error`) and runs without its `intermediate_dir`; the runs for which either matters are also made the
other way, and their rows say so.

The server (`pipeline_server.py`) is another process, and takes 20 ms for an answer. Each run is a command of its own,
in a new folder with a new cache, unless it goes on with an earlier one. Processor time is the user and system time of
the command and its children; that of a document is the slope between the job and one of five times as many documents,
and a start's is the rest. What was written is compared with what should have been.

DocETL needs two variables to run in a closed network, and has them here: ``LITELLM_LOCAL_MODEL_COST_MAP=True`` (else it
tries to fetch a list of prices when it is imported) and ``TIKTOKEN_CACHE_DIR``, the folder of ranks that litellm brings
along (else tiktoken fetches them at the first call).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
TIMES = 5
"""How many times as many documents the larger job has."""
sys.path.insert(0, str(HERE / "peers"))

from spending_receipts import LEAST, Receipt, bad, receipts, spending  # noqa: E402

_MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of ru_maxrss."""
Edit = tuple[str, str]
"""A text of the job's file, and what stands there instead."""


@dataclass(frozen=True)
class Side:
    """One of the two: its files, under the names that they have in the job's folder, its command and variables, and
    what is changed for each of the runs that need a changed file."""

    name: str
    files: dict[str, str]
    command: tuple[str, ...]
    variables: dict[str, str]
    filter: Edit
    misspelt: dict[str, Edit]
    kept: dict[str, tuple[Edit, ...]] = field(default_factory=dict)
    careless: dict[str, tuple[Edit, ...]] = field(default_factory=dict)

    def lines(self) -> int:
        """Lines of the job that are neither empty nor a comment."""
        texts = [(HERE / "peers" / name).read_text("utf-8") for name in self.files]
        return sum(1 for text in texts for line in text.splitlines() if line.strip() and line.strip()[0] != "#")


def ours() -> Side:
    return Side(
        "extract",
        {"spending_extract.yaml": "job.yaml", "spending_schema.py": "schemas/receipt.py"},
        (sys.executable, "-m", "extract", "run", "job.yaml", "--run", "run"),
        {"PYTHONPATH": str(HERE.parent)},
        ("total >= 40", "total >= 80"),
        {
            "a key at the top": ("model:", "modell:"),
            "a step's key that it needs": ("extract:", "extrakt:"),
            "a step's key that it can do without": ("instructions:", "instruction:"),
            "a field in the filter": ("total >= 40", "totl >= 40"),
        },
    )


def docetl(python: str) -> Side:
    find = "import importlib.util as u; print(u.find_spec('litellm').submodule_search_locations[0])"
    litellm = subprocess.run([python, "-c", find], capture_output=True, text=True, check=True).stdout.strip()
    ranks = Path(litellm) / "litellm_core_utils" / "tokenizers"
    return Side(
        "DocETL",
        {"spending_docetl.yaml": "job.yaml"},
        (str(Path(python).parent / "docetl"), "run", "job.yaml", "--max-threads", "16"),
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "TIKTOKEN_CACHE_DIR": str(ranks), "COLUMNS": "200"},
        ('doc["total"] >= 40', 'doc["total"] >= 80'),
        {
            "a key at the top": ("default_model:", "default_modell:"),
            "a step's key that it needs": ("prompt:", "promt:"),
            "a step's key that it can do without": ("skip_on_error:", "skip_on_eror:"),
            "a field in the filter": ('doc["total"]', 'doc["totl"]'),
        },
        {", with an intermediate_dir": (("    path: out.csv", "    path: out.csv\n    intermediate_dir: kept"),)},
        {", without skip_on_error": (("    skip_on_error: true\n", ""),)},
    )


@dataclass(frozen=True)
class Ran:
    """What one start of the job took and did. `first` is the time from its start to its first request, in seconds."""

    code: int
    seconds: float
    processor: float
    megabytes: float
    requests: int
    first: float | None
    said: str = field(repr=False)


class Server:
    """The server's process."""

    def __init__(self, count: int, real: Path | None):
        command = [sys.executable, str(HERE / "pipeline_server.py"), str(count), *([str(real)] if real else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self._line().strip()

    def begin(self, which: str = "none") -> None:
        self._ask(f"begin {which}")

    def told(self) -> dict[str, Any]:
        return self._ask("told")

    def end(self) -> None:
        self._process.communicate()

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


class Folder:
    """The folder of one job, with its documents and whatever a run leaves there."""

    def __init__(self, side: Side, server: Server, root: Path, read: list[Receipt], *edits: Edit):
        self.side, self.server, self.read = side, server, read
        self.root = Path(tempfile.mkdtemp(dir=root))
        (self.root / "docs").mkdir()
        self.add(read, 0)
        for source, target in side.files.items():
            (self.root / target).parent.mkdir(exist_ok=True)
            shutil.copy(HERE / "peers" / source, self.root / target)
        for edit in edits:
            self.edit(edit)

    def add(self, read: list[Receipt], first: int) -> None:
        for number, one in enumerate(read, first):
            (self.root / "docs" / f"{number:06}.txt").write_text(one.text, "utf-8")

    def edit(self, edit: Edit) -> None:
        path = self.root / "job.yaml"
        text = path.read_text("utf-8")
        assert edit[0] in text, edit
        path.write_text(text.replace(*edit), "utf-8")

    def run(self, which: str = "none", kill_at: int = 0) -> Ran:
        """Starts the job and waits for its end, or kills it when the server has had so many requests."""
        (self.root / "out.csv").unlink(missing_ok=True)
        self.server.begin(which)
        began = time.monotonic()
        with (self.root / "said.txt").open("w+") as said:
            process = subprocess.Popen(
                self.side.command,
                cwd=self.root,
                env=self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            while kill_at and self.server.told()["requests"] < kill_at and process.poll() is None:
                time.sleep(0.005)
            if kill_at and process.poll() is None:
                process.send_signal(signal.SIGKILL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)  # nobody else waits for it
            seconds = time.monotonic() - began
        time.sleep(0.1)  # for what a killed job had in flight
        told = self.server.told()
        return Ran(
            process.returncode,
            seconds,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * _MEMORY_UNIT / 1e6,
            told["requests"],
            None if told["first"] is None else told["first"] - began,
            (self.root / "said.txt").read_text("utf-8", errors="replace"),
        )

    def written(self) -> dict[str, dict[str, float]] | None:
        """What it wrote, by company; None if it wrote nothing."""
        path = self.root / "out.csv"
        if not path.exists() or not path.stat().st_size:
            return None
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {row["company"]: {name: float(row[name]) for name in ("receipts", "lines", "spent")} for row in rows}

    def right(self, least: float = LEAST) -> bool:
        """Whether that is what should have been written."""
        found, should = self.written() or {}, spending(self.read, least)
        return found.keys() == should.keys() and all(
            abs(value - should[company][name]) < 0.01 for company, row in found.items() for name, value in row.items()
        )

    def _variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        asked = {"OPENAI_BASE_URL": self.server.address, "OPENAI_API_KEY": "k"}
        return {**kept, **self.side.variables, **asked, "HOME": str(self.root), "DOCETL_HOME_DIR": str(self.root)}


@dataclass
class Found:
    """What was measured of one side."""

    lines: int
    job: list[Ran] = field(default_factory=list)
    large: list[Ran] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)

    def each(self) -> list[float]:
        """Processor time of one more document, in seconds, a round."""
        pairs = zip(self.job, self.large, strict=True)
        return [(large.processor - job.processor) / (large.requests - job.requests) for job, large in pairs]

    def start(self) -> list[float]:
        """Processor time of no document at all, in seconds, a round."""
        each = median(self.each())
        return [job.processor - each * job.requests for job in self.job]


class Bench:
    """All runs of one side."""

    def __init__(self, side: Side, server: Server, root: Path, known: list[Receipt], count: int):
        self.side, self.server, self.root, self.known, self.count = side, server, root, known, count
        self.found = Found(side.lines())

    def folder(self, *edits: Edit, count: int = 0) -> Folder:
        return Folder(self.side, self.server, self.root, self.known[: count or self.count], *edits)

    def sizes(self) -> None:
        """The job, and one of five times as many documents."""
        for count, into in ((self.count, self.found.job), (TIMES * self.count, self.found.large)):
            folder = self.folder(count=count)
            into.append(checked(folder, folder.run()))

    def starts(self) -> None:
        """Runs that go on with an earlier one."""
        half = self.count // 2
        folder = self.folder()
        killed, again = folder.run(kill_at=half), folder.run()
        asked = f"{killed.requests} + {again.requests} requests"
        self.found.notes[f"killed at {half} requests, then started again"] = f"{asked}{right(folder)}"
        for more, edits in {"": (), **self.side.kept}.items():
            self._again(more, self.folder(*edits))

    def _again(self, more: str, folder: Folder) -> None:
        checked(folder, folder.run())
        self._note(f"started again, nothing changed{more}", folder.run(), right(folder))
        folder.edit(self.side.filter)
        self._note(f"the filter changed (40 to 80){more}", folder.run(), right(folder, 80.0))
        folder.edit((self.side.filter[1], self.side.filter[0]))
        added = self.known[self.count : self.count + self.count // 10]
        folder.add(added, self.count)
        folder.read = folder.read + added
        self._note(f"{len(added)} documents added{more}", folder.run(), right(folder))

    def _note(self, title: str, ran: Ran, judged: str) -> None:
        self.found.notes[title] = f"{ran.requests} requests, {ran.seconds:.1f} s{judged}"

    def misspelt(self) -> None:
        for title, (was, word) in self.side.misspelt.items():
            ran = self.folder((was, word), count=20).run()
            _tell(f"{self.side.name}, misspelt: {title}", ran.said[-1500:])
            lines, word = ran.said.splitlines(), max(re.findall(r"[a-z_]+", word), key=len)
            naming = sum(1 for line in lines if word in line)
            said = f"exit {ran.code} after {ran.seconds:.1f} s, {len(lines)} lines" if ran.code else "not said"
            named = f", {naming} of them with the word" if ran.code else f" ({ran.seconds:.1f} s, exit 0)"
            self.found.notes[f"misspelt: {title}"] = f"{said}{named}; {ran.requests} of 20 requests sent"

    def broken(self) -> None:
        for which, title in (("first", "first answer for 5 % is bad"), ("all", "every answer for 5 % is bad")):
            for more, edits in {"": (), **self.side.careless}.items():
                folder = self.folder(*edits)
                ran = folder.run(which)
                should = sum(row["receipts"] for row in spending(folder.read, LEAST).values())
                spoilt = [number for number in range(self.count) if bad(number)]
                named = sum(1 for number in spoilt if f"{number:06}" in ran.said)
                got = sum(row["receipts"] for row in (folder.written() or {}).values())
                self.found.notes[title + more] = (
                    f"{should - got:.0f} of {should:.0f} receipts missing{wrong(folder)}, exit {ran.code}, "
                    f"{ran.requests} requests, {named} of the {len(spoilt)} spoilt ones named"
                )
                _tell(f"{self.side.name}, {title}{more}", ran.said[-2500:])


def right(folder: Folder, least: float = LEAST) -> str:
    """Nothing where a run wrote what it should have; else what is the matter."""
    should, got = (
        sum(row["receipts"] for row in rows.values()) for rows in (spending(folder.read, least), folder.written() or {})
    )
    return "" if folder.right(least) else f"; WRONG: {got:.0f} receipts written, and there are {should:.0f}"


def wrong(folder: Folder) -> str:
    """How many companies have a sum that is too great, which no lost receipt explains."""
    should = spending(folder.read, LEAST)
    odd = [
        name for name, row in (folder.written() or {}).items() if row["spent"] > should.get(name, row)["spent"] + 0.01
    ]
    return f", {len(odd)} sums too great" if odd else ""


def checked(folder: Folder, ran: Ran) -> Ran:
    if ran.code or not folder.right():
        raise SystemExit(f"{folder.side.name} did not do its job (exit {ran.code}):\n{ran.said[-3000:]}")
    return ran


def table(found: dict[str, Found], count: int) -> str:
    """The figures, in Markdown; a row that a side does not have is empty there."""

    def spread(values: list[float], form: str) -> str:
        return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"

    def first(one: Found) -> list[float]:
        return [ran.first or 0.0 for ran in one.job]

    def memory(runs: list[Ran]) -> str:
        return f"{max(ran.megabytes for ran in runs):.0f}"

    rows: dict[str, Callable[[Found], str]] = {
        "lines of the job": lambda one: str(one.lines),
        "from the start to the first request, s": lambda one: spread(first(one), ".2f"),
        "processor time of a start, s": lambda one: spread(one.start(), ".2f"),
        "processor time of a document, ms": lambda one: spread([1000 * each for each in one.each()], ".2f"),
        f"{count} documents, s": lambda one: spread([ran.seconds for ran in one.job], ".1f"),
        f"{TIMES * count} documents, s": lambda one: spread([ran.seconds for ran in one.large], ".1f"),
        f"greatest memory, MB ({count}, {TIMES * count})": lambda one: f"{memory(one.job)}, {memory(one.large)}",
        "first run": lambda one: f"{one.job[0].requests} requests",
    }
    titles = dict.fromkeys(title for one in found.values() for title in one.notes)
    lines = [["", *found], ["---"] * (len(found) + 1)]
    lines += [[title, *(cell(one) for one in found.values())] for title, cell in rows.items()]
    lines += [[title, *(one.notes.get(title, "") for one in found.values())] for title in titles]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def about(peer: str | None, given: argparse.Namespace) -> str:
    said = [f"{given.documents} documents, {given.repeat} rounds, {sys.platform}, Python {sys.version.split()[0]}."]
    if peer is None:
        return f"{said[0]} No --peer was given: DocETL is not run."
    ask = (
        "from importlib.metadata import version as v; print(*(f'{n} {v(n)}' for n in ('docetl', 'litellm', 'openai')))"
    )
    versions = subprocess.run([peer, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    said.append("DocETL's side: " + ", ".join(map(" ".join, zip(versions[::2], versions[1::2], strict=True))) + ";")
    said.append("LITELLM_LOCAL_MODEL_COST_MAP=True and TIKTOKEN_CACHE_DIR (litellm's own ranks) were set for it.")
    return " ".join(said)


def _tell(title: str, said: str) -> None:
    print(f"--- {title}\n{said}", file=sys.stderr, flush=True)


@contextmanager
def served(count: int, real: Path | None) -> Iterator[Server]:
    server = Server(count, real)
    try:
        yield server
    finally:
        server.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="an interpreter that has docetl")
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--repeat", type=int, default=3, help="rounds of the runs whose time is told")
    parser.add_argument("--receipts", type=Path, help="a file of real receipts, to stand before the made ones")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    given = parser.parse_args()
    count = given.documents
    known = receipts(TIMES * count, given.receipts)
    sides = [ours(), *([docetl(given.peer)] if given.peer else [])]
    with served(len(known), given.receipts) as server, tempfile.TemporaryDirectory() as root:
        benches = [Bench(side, server, Path(root), known, count) for side in sides]
        for bench in benches:
            folder = bench.folder(count=5)
            checked(folder, folder.run())  # byte code is made, and files are in the system's cache
        for number in range(given.repeat):
            print(f"round {number + 1} of {given.repeat}", file=sys.stderr, flush=True)
            for bench in benches:
                bench.sizes()
        for bench in benches:
            bench.starts()
            bench.misspelt()
            bench.broken()
    found = {bench.side.name: bench.found for bench in benches}
    if given.json:
        given.json.write_text(json.dumps({name: asdict(one) for name, one in found.items()}, indent=1))
    print(table(found, count), about(given.peer, given), sep="\n\n")


if __name__ == "__main__":
    main()
