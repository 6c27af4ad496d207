"""Runs that are killed, and what is demanded of them: the driver of the chaos benchmark and of its test.

A `World` is a folder with a pipeline and its documents, beside a server in a process of its own. A `Chase` is one run
of it, in a folder that it is started in again and again; whatever stops a start, what the server was asked for, what
the ledger holds and what was written are held against each other afterwards. What does not agree is a sentence in
`broken`.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Literal

from chaos_orders import PIPELINE, SCHEMA, document

from extract.ledger import LedgerReader

__all__ = ["IN_FLIGHT", "Chase", "Disk", "Kill", "Log", "Moment", "Reference", "Seen", "Server", "World", "served"]

HERE = Path(__file__).resolve().parent
IN_FLIGHT = 16
PRICE = {"input": Decimal("0.15"), "output": Decimal("0.6")}
"""Of a million tokens."""

Phase = Literal["starting", "asking", "later steps", "writing", "ended"]

BY_BATCH = """
import os, signal, sys
from pathlib import Path
from extract import door
from extract.batches import Waves
from extract.limits import Batching, Limits
from extract.pipeline import load_pipeline
from extract.runner import execute, open_models

folder, out, state, nth = sys.argv[1:]
left = int(nth)

def told(reached):
    global left
    if reached == state:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

plan = Waves.plan

async def planned(self, wave, calls):
    made = await plan(self, wave, calls)
    told("planned")
    return made

Waves.plan = planned
pipeline = load_pipeline(Path("chaos.yaml"), variables={"OUT": out})
batching = Batching(quiet=0.05, poll=0.02, rarely=0.05, requests=40)
limits = Limits(**pipeline.limits)
done = door.run(lambda: execute(pipeline, open_models(pipeline), Path(folder), engine="batch", batching=batching,
    limits=limits, on_wave=lambda wave: told(wave.state)), "await")
sys.exit(4 if done.stopped is not None else 0 if done.lossless else 3)
"""
"""`extract run --engine batch`, in a hurry; it kills itself when a wave has come to a state for the nth time."""


# ---- the server


class Log:
    """What the server was asked and what it charged for. Requests have numbers, from 1; answers have serial numbers."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        events, self.asks = told["log"], told["asks"]
        self.events, self.batches = events, told["batches"]
        self.bodies = {one["ask"]: one["body"] for one in events if one["what"] == "asked"}
        self.serials = {one["ask"]: one["serial"] for one in events if one["what"] == "answered"}
        self.tokens = {one["serial"]: one["tokens"] for one in events if one["what"] == "answered"}
        self.cut = {one["ask"] for one in events if one["what"] == "cut"}
        self.done = {one["ask"] for one in events if one["what"] == "done"}

    def whole(self) -> dict[int, int]:
        """The serial numbers of the answers that were sent whole, by the numbers of their requests."""
        return {ask: serial for ask, serial in self.serials.items() if ask not in self.cut}

    def cost(self, serial: int) -> Decimal:
        asked, said = self.tokens[serial]
        return (asked * PRICE["input"] + said * PRICE["output"]) / 1_000_000


class Server:
    """The server's process."""

    def __init__(self, documents: int, seed: int):
        command = [sys.executable, str(HERE / "chaos_server.py"), str(documents), str(seed)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self._line().strip()

    def begin(self, seed: int, *, latency: float = 0.06, slow: float = 0.03, faults: float = 1.0) -> None:
        self._ask(do="begin", seed=seed, latency=latency, slow=slow, faults=faults, delay=latency / 2)

    def log(self) -> Log:
        return Log(self._ask(do="log"))

    def end(self) -> None:
        self._process.communicate()

    def _ask(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def served(documents: int, seed: int) -> Iterator[Server]:
    server = Server(documents, seed)
    try:
        yield server
    finally:
        server.end()


class Disk:
    """A small disk of its own (a tmpfs), for whoever may mount one."""

    def __init__(self, at: Path, kilobytes: int):
        self.at, self.kilobytes = at, kilobytes

    def __enter__(self) -> Disk:
        self.at.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.kilobytes}k", "tmpfs", self.at], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self.at], check=True)

    def grow(self, kilobytes: int) -> None:
        self.kilobytes += kilobytes
        subprocess.run(["mount", "-o", f"remount,size={self.kilobytes}k", self.at], check=True)

    @staticmethod
    def possible() -> bool:
        """Whether this user may mount one here."""
        with tempfile.TemporaryDirectory() as folder:
            tried = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
            try:
                mounted = subprocess.run(tried, capture_output=True).returncode == 0
            except OSError:
                return False
            if mounted:
                subprocess.run(["umount", folder], check=True)
            return mounted


# ---- the ledger, as anybody may read it


@dataclass(frozen=True)
class Seen:
    """What a ledger holds: its calls by key (the model's name, the reply's text, tokens and cost), the starts of the
    run, how many documents the last of them has done, the waves by their state, and what is wrong with it."""

    calls: Mapping[str, tuple[str, str | None, tuple[int, int], Decimal]] = field(default_factory=dict)
    starts: int = 0
    documents: int = 0
    waves: Mapping[str, int] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()

    def serials(self) -> set[int]:
        return {int(model.rpartition("-")[2]) for model, *_ in self.calls.values()}

    @property
    def cost(self) -> Decimal:
        return sum((cost for *_, cost in self.calls.values()), Decimal(0))


def at_rest(run: Path) -> Seen:
    """The ledger of a run that nobody works on, read from a copy: reading it would tidy it up for the next start."""
    if not (run / "ledger.sqlite").exists():
        return Seen()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ledger.sqlite", "ledger.sqlite-wal"):
            if (run / name).exists():
                shutil.copy(run / name, folder)
        with closing(sqlite3.connect(Path(folder) / "ledger.sqlite")) as db:
            whole = [said for (said,) in db.execute("pragma integrity_check") if said != "ok"]
            if not _made(db):
                return Seen(wrong=tuple(whole))
            seen = _seen(db, Path(folder))
    return replace(seen, wrong=(*seen.wrong, *whole))


def _made(db: sqlite3.Connection) -> bool:
    """Whether the tables are there, up to the last layout."""
    return db.execute("select 1 from sqlite_master where name = 'dictionaries'").fetchone() is not None


def _seen(db: sqlite3.Connection, folder: Path) -> Seen:
    calls, wrong = {}, []
    paid = db.execute("select lower(hex(key)), cost, input, output from calls").fetchall()
    with LedgerReader(folder) as reader:
        for (key, cost, asked, said), reply in zip(paid, reader.replies([key for key, *_ in paid]), strict=True):
            assert reply is not None
            calls[key] = (reply.model, reply.text, (asked, said), Decimal(cost))
            if (reply.usage.input, reply.usage.output) != (asked, said):
                wrong.append(f"the tokens of {key} are not those of its reply")
    starts = db.execute("select coalesce(max(number), 0) from starts").fetchone()[0]
    waves = dict(db.execute("select state, count(*) from waves group by state"))
    documents, without = _entered(db, starts)
    if without:
        wrong.append(f"{without} documents are written, and have no rows")
    return Seen(calls, starts, documents, waves, tuple(wrong))


def _entered(db: sqlite3.Connection, start: int) -> tuple[int, int]:
    """How many documents this start has done, and how many of them lack the rows that they gave."""
    rows = "select 1 from rows r where r.start = e.start and r.stage = e.stage and r.ordinal = e.ordinal"
    sql = f"select count(*), sum(state = 'merged' and not exists ({rows})) from entries e where stage = 0 and start = ?"
    count, without = db.execute(sql, (start,)).fetchone()
    return count, without or 0


class Reader:
    """Somebody who reads the ledger while it is written, by plain sqlite3. What it held once it holds for good."""

    def __init__(self, run: Path):
        self._path = run / "ledger.sqlite"
        self._calls = 0
        self.looks = 0
        self.wrong: list[str] = []

    def documents(self) -> tuple[int, int]:
        """The last start of the run, and how many documents it has done."""
        if not self._path.exists():
            return 0, 0
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as db:
                db.execute("begin")
                if not _made(db):
                    return 0, 0
                start = db.execute("select coalesce(max(number), 0) from starts").fetchone()[0]
                documents, without = _entered(db, start)
                (calls,) = db.execute("select count(*) from calls").fetchone()
        except sqlite3.OperationalError as error:
            if "unable to open" not in str(error) and "no such table" not in str(error):
                self.wrong.append(f"a reader was told: {error}")
            return 0, 0
        self.looks += 1
        if without:
            self.wrong.append(f"a reader saw {without} written documents without rows")
        if calls < self._calls:
            self.wrong.append(f"a reader saw {self._calls} calls, and then {calls}")
        self._calls = calls
        return start, documents


# ---- one run


@dataclass(frozen=True)
class Kill:
    """One end of a start that was not its own: in which phase, what was asked for in this start (the numbers of the
    requests), how many of them were on the wire then, the waves by their state, and how many answers may be lost."""

    phase: Phase
    asks: range
    in_flight: int
    waves: Mapping[str, int]
    may_lose: int


@dataclass(frozen=True)
class Reference:
    """What a run comes to that nobody disturbs, and how many seconds it takes: whole, from its record alone, and from
    the last document to its end."""

    account: Mapping[str, Any]
    outputs: Mapping[str, Any]
    calls: Mapping[str, Any]
    seconds: float
    replay: float
    end: float


class World:
    """A folder with documents and a pipeline; `faults` is how much goes wrong, as a multiple of the usual."""

    def __init__(self, root: Path, server: Server, documents: int, faults: float = 1.0):
        self.root, self.server, self.documents, self.in_flight = root, server, documents, IN_FLIGHT
        self.faults = faults
        for name in ("in", "schemas"):
            (root / name).mkdir(parents=True)
        for n in range(documents):
            (root / "in" / f"{n:05}.txt").write_text(document(n), "utf-8")
        (root / "schemas" / "order.py").write_text(SCHEMA, "utf-8")
        (root / "chaos.yaml").write_text(PIPELINE.replace("IN_FLIGHT", str(IN_FLIGHT)), "utf-8")
        self._known: dict[str, Reference] = {}

    def reference(self, engine: str) -> Reference:
        """What an undisturbed run comes to; it is made once."""
        if engine not in self._known:
            self.begin(0)
            chase = Chase(self, f"undisturbed-{engine}", engine)
            seconds = _took(chase.to_its_end)
            replay = _took(chase.to_its_end)
            if chase.broken:
                raise SystemExit(f"The undisturbed run is not in order: {chase.broken}\n{chase.said[-3000:]}")
            known = at_rest(chase.run)
            values = {key: value[1:] for key, value in known.calls.items()}
            end = replay / 4
            self._known[engine] = Reference(chase.account(), chase.outputs(), values, seconds, replay, end)
        return self._known[engine]

    def begin(self, seed: int) -> None:
        """Another run begins: the server forgets the last one, and goes wrong in other places."""
        self.server.begin(seed, faults=self.faults)


def _took(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


class Chase:
    """One run, started as often as need be. `kills` are the starts that did not come to their end, `broken` what was
    found that must not be; `said` is what the last start said."""

    def __init__(self, world: World, name: str, engine: str = "local", *, run: Path | None = None):
        self.world, self.engine = world, engine
        self.run, self.out = run or world.root / name / "run", world.root / name / "out"
        self.kills: list[Kill] = []
        self.broken: list[str] = []
        self.looks = self.others = 0
        self.said, self.code = "", 0
        self._asked: list[range] = []
        self._said = world.root / f"{name}.said"

    # Starting

    def command(self, state: str = "", nth: int = 0) -> list[str]:
        if self.engine == "batch":
            return [sys.executable, "-c", BY_BATCH, str(self.run), str(self.out), state, str(nth)]
        more = ["--run", str(self.run), "--set", f"OUT={self.out}", "--quiet"]
        return [sys.executable, "-m", "extract", "run", "chaos.yaml", *more]

    def _environ(self) -> dict[str, str]:
        own = {"OPENAI_BASE_URL": self.world.server.address, "OPENAI_API_KEY": "sk-of-chaos"}
        return {**os.environ, **own, "PYTHONPATH": str(HERE.parent)}

    @contextmanager
    def _started(self, command: list[str], most_bytes: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """A start of the run, as a process that is gone afterwards; what is demanded of every start is looked at."""
        before, log = at_rest(self.run), self.world.server.log()
        first = log.asks + 1
        environ = self._environ()
        limit = None if most_bytes is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes,) * 2)
        with self._said.open("wb") as said:
            process = subprocess.Popen(
                command, cwd=self.world.root, env=environ, stdout=said, stderr=said, preexec_fn=limit
            )
            try:
                yield process
            finally:
                process.kill()
                self.code = process.wait()
        self.said = self._said.read_text("utf-8", "replace")
        log = self.world.server.log()
        self._asked.append(range(first, log.asks + 1))
        self._after(before, log)

    def to_its_end(self) -> None:
        """A start that nobody disturbs."""
        with self._started(self.command()) as process:
            process.wait(120)
        if self.code not in (0, 3):
            self.broken.append(f"a start ended with {self.code}: {self.said[-500:]}")

    def killed(self, when: Moment, by: signal.Signals = signal.SIGKILL) -> bool:
        """A start that is killed at this moment. Whether it was: it may have come to its end before."""
        files, reader = self._files(), Reader(self.run)
        number = at_rest(self.run).starts + 1
        with self._started(self.command()) as process:
            began, waits = time.monotonic(), when.since != "made"
            while process.poll() is None:
                if waits:
                    start, documents = reader.documents()
                    waits = start < number or (when.since == "done" and documents < self.world.documents)
                    began = time.monotonic()
                elif time.monotonic() - began >= when.seconds:
                    break
                elif reader.looks < 8:
                    reader.documents()
                time.sleep(0.004)
            alive = process.poll() is None
            process.send_signal(by)
            if alive and by != signal.SIGKILL:
                process.wait(20)
            log = self.world.server.log()
        self.broken += reader.wrong
        self.looks += reader.looks
        if alive:
            self._note(number, files, log, 0 if by == signal.SIGINT else self.world.in_flight)
            early = self.kills[-1].phase in ("starting", "ended")
            if by == signal.SIGINT and self.code not in (130, -signal.SIGINT) and not early:
                self.broken.append(f"Ctrl-C ended it with {self.code}: {self.said[-500:]}")
        return alive

    def killed_at(self, state: str, nth: int) -> bool:
        """A start by batch that is killed when a wave has come to this state for the nth time."""
        files, number = self._files(), at_rest(self.run).starts + 1
        with self._started(self.command(state, nth)) as process:
            process.wait(120)
            log = self.world.server.log()
        if self.code == -signal.SIGKILL:
            self._note(number, files, log)
        return self.code == -signal.SIGKILL

    def starved(self, most_bytes: int | None = None) -> bool:
        """A start with a disk that may be too small: no file may have more than so many bytes, or the run's folder is
        on a `Disk`. Whether it was."""
        files, number = self._files(), at_rest(self.run).starts + 1
        with self._started(self.command(), most_bytes) as process:
            process.wait(120)
            log = self.world.server.log()
        if self.code in (0, 3):
            return False
        self._note(number, files, log)
        told = re.match(
            r"(error|stopped): [^\n]*?: [^\n]*(could not|cannot) be written: |stopped: [^\n]* refuses: ", self.said
        )
        if self.code != 4 or told is None or len(self.said.splitlines()) > 3:
            self.broken.append(f"a full disk ended it with {self.code}: {self.said[-500:]}")
        return True

    def beside_another(self) -> None:
        """A start that comes to its end, while others try to work on the same run and are refused."""
        refused = (
            f"error: {self.run}: Another process is working on this run.\n"
            "  Wait for it, stop it, or name another folder with --run.\n"
        )
        with self._started(self.command()) as process:
            while process.poll() is None and not (self.run / "ledger.sqlite").exists():
                time.sleep(0.004)
            with tempfile.TemporaryFile("w+") as said:
                while process.poll() is None:
                    other = subprocess.run(self.command(), cwd=self.world.root, env=self._environ(), stderr=said)
                    said.seek(0)
                    told = said.read()
                    said.seek(0)
                    said.truncate()
                    if process.poll() is None and (other.returncode, told) != (2, refused):
                        self.broken.append(f"a second process ended with {other.returncode}: {told[-500:]}")
                    self.others += 1
        if self.code not in (0, 3):
            self.broken.append(f"it ended with {self.code}, beside another one: {self.said[-500:]}")

    def _note(self, number: int, files: Mapping[Path, tuple[int, int]], log: Log, may_lose: int | None = None) -> None:
        most = self.world.in_flight if may_lose is None else may_lose
        asks = self._asked[-1]
        on_the_wire = [ask for ask in log.bodies if ask in asks and ask not in log.done]
        seen = at_rest(self.run)
        self.kills.append(Kill(self._phase(seen, number, files), asks, len(on_the_wire), seen.waves, most))

    def _files(self) -> dict[Path, tuple[int, int]]:
        """The outputs and the account as they lie there."""
        paths = [self.run / "run.json", *(self.out.iterdir() if self.out.is_dir() else ())]
        found = {path: path.stat() for path in paths if path.is_file() and path.suffix != ".part"}
        return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}

    def _phase(self, seen: Seen, number: int, before: Mapping[Path, tuple[int, int]]) -> Phase:
        if seen.starts < number:
            return "starting"
        if seen.documents < self.world.documents:
            return "asking"
        changed = {path for path, stat in self._files().items() if before.get(path) != stat}
        if self.run / "run.json" in changed:
            return "ended"
        return "writing" if changed else "later steps"

    # What is demanded after each start

    def _after(self, before: Seen, log: Log) -> None:
        """Of every start, however it ended: what was recorded is still there, as it was, and was not asked for."""
        seen = at_rest(self.run)
        self.broken += seen.wrong
        gone = [key for key, value in before.calls.items() if seen.calls.get(key) != value]
        if gone:
            self.broken.append(f"{len(gone)} replies that were recorded are gone or changed")
        if self.engine == "batch":
            return
        bodies = {serial: log.bodies[ask] for ask, serial in log.serials.items()}
        held = {bodies[serial] for serial in before.serials()}
        again = [ask for ask in self._asked[-1] if log.bodies[ask] in held]
        if again:
            self.broken.append(f"{len(again)} calls were asked for again, although their replies were recorded")

    # What is demanded at the end

    def lost(self, log: Log) -> dict[int, list[int]]:
        """The answers that were sent whole and are not in the ledger, by the start in which they were asked for."""
        held = at_rest(self.run).serials()
        found: dict[int, list[int]] = {}
        for ask, serial in log.whole().items():
            if serial not in held:
                start = next((n for n, asks in enumerate(self._asked) if ask in asks), -1)
                found.setdefault(start, []).append(serial)
        return found

    def twice(self, log: Log) -> int:
        """The requests for which a whole answer had been charged before."""
        answered: set[str] = set()
        count = 0
        for one in log.events:
            if one["what"] == "asked":
                count += one["body"] in answered
            elif one["what"] == "answered" and one["ask"] not in log.cut:
                answered.add(log.bodies[one["ask"]])
        return count

    def judge(self) -> None:
        """Holds the finished run against the server's log and against the undisturbed run."""
        time.sleep(0.5)  # answers that are still on their way to nobody
        log, seen, known = self.world.server.log(), at_rest(self.run), self.world.reference(self.engine)
        if self.engine == "batch":
            self._judge_batches(log, seen)
        else:
            self._judge_calls(log, seen)
        values = {key: value[1:] for key, value in seen.calls.items()}
        if values != known.calls:
            other = sum(known.calls.get(key) != value for key, value in values.items())
            missing = len(known.calls.keys() - values.keys())
            self.broken.append(f"{other} replies are not those of the undisturbed run, and {missing} are missing")
        self.broken += [
            f"{name} is {mine}, and {known.account[name]} in the undisturbed run"
            for name, mine in self.account().items()
            if mine != known.account[name]
        ]
        self.broken += [f"{name} differs" for name, rows in self.outputs().items() if rows != known.outputs[name]]
        if self.account()["cost_usd"] != str(seen.cost):
            self.broken.append(f"the run says that it cost {self.account()['cost_usd']}, its replies {seen.cost}")

    def _judge_calls(self, log: Log, seen: Seen) -> None:
        whole = set(log.whole().values())
        if not seen.serials() <= whole:
            self.broken.append("the ledger holds answers that were not sent")
        if len(seen.serials()) != len(seen.calls):
            self.broken.append("an answer is recorded for two calls")
        charged = sum((log.cost(serial) for serial in seen.serials() & whole), Decimal(0))
        if charged != seen.cost:
            self.broken.append(f"the server charged {charged} for what is recorded, the ledger says {seen.cost}")
        may_lose = {kill.asks.start: kill.may_lose for kill in self.kills if kill.asks}
        for start, serials in self.lost(log).items():
            allowed = may_lose.get(self._asked[start].start, 0) if start >= 0 else 0
            if len(serials) > allowed:
                said = f"{len(serials)} answers of the start {start + 1} are not recorded, and at most {allowed} may be"
                self.broken.append(said)

    def _judge_batches(self, log: Log, seen: Seen) -> None:
        answered = log.batches["answered"]
        more = {key: times for key, times in answered.items() if times > 1}
        if more:
            self.broken.append(f"{len(more)} requests were charged in more than one batch")
        if set(answered) != set(seen.calls):
            self.broken.append(f"{len(set(answered) ^ set(seen.calls))} requests were charged or recorded alone")
        if Decimal(log.batches["cost"]) != seen.cost:
            self.broken.append(f"the server charged {log.batches['cost']}, the ledger says {seen.cost}")
        if log.serials:
            self.broken.append(f"{len(log.serials)} calls were answered one by one")
        left = {state: count for state, count in seen.waves.items() if state not in ("ingested", "dropped")}
        if left:
            self.broken.append(f"waves are left: {left}")

    # What was written

    def account(self) -> dict[str, Any]:
        """What the run says of itself, but for its times, its places, and what it took from its record."""
        told = json.loads((self.run / "run.json").read_text("utf-8"), parse_float=str)
        names = ("in", "written", "filtered", "merged", "review", "rejected", "pending", "calls", "tokens", "cost_usd")
        return {name: told[name] for name in (*names, "steps", "stopped", "left_as_they_were")}

    def outputs(self) -> dict[str, Any]:
        """What was written: files as they are, tables as their rows."""
        return {
            "parts.jsonl": _content(self.out / "parts.jsonl"),
            "spent.parquet": _content(self.out / "spent.parquet"),
            "rejected.jsonl": _content(self.run / "rejected.jsonl"),
            "shop.db": _rows(self.out / "shop.db"),
            "shop.duckdb": _duck_rows(self.out / "shop.duckdb"),
            "what lies about": sorted(path.name for path in self.out.iterdir()),
        }

    def written_twice(self) -> int:
        """Rows that are there more than once."""
        lines = self.outputs()["parts.jsonl"].splitlines()
        return sum(sum(Counter(rows).values()) - len(set(rows)) for rows in (lines, _rows(self.out / "shop.db")))


def _content(path: Path) -> bytes:
    return re.sub(rb"[\w./-]*/in/", b"in/", path.read_bytes()) if path.exists() else b""


def _rows(path: Path) -> list[str]:
    if not path.exists() or path.stat().st_size == 0:
        return []
    with closing(sqlite3.connect(path)) as db:
        return sorted(map(repr, db.execute("select * from parts")))


def _duck_rows(path: Path) -> list[str]:
    import duckdb

    if not path.exists():
        return []
    with duckdb.connect(str(path), read_only=True) as db:
        return sorted(map(repr, db.execute("select * from orders").fetchall()))


@dataclass(frozen=True)
class Moment:
    """When to kill a start: so many seconds after it was made, after it was `begun` (its number is in the ledger), or
    after its last document is `done`."""

    since: Literal["made", "begun", "done"]
    seconds: float


def moment(random: Random, known: Reference, recorded: int) -> Moment:
    """A random moment of a start of which so many calls are on record: of all the time that it will take, of that in
    which it asks, as long as there is something to ask for, or of that after its last document."""
    asking = known.seconds - known.replay
    left = asking * (1 - min(1.0, recorded / max(1, len(known.calls))))
    kind = random.random()
    if kind < 0.3:
        return Moment("made", random.uniform(0, known.replay + left))
    if left > asking / 10 and kind < 0.95:
        return Moment("begun", random.uniform(0, min(left, asking / 4)))
    return Moment("done", random.uniform(0, known.end))
