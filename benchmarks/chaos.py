"""Runs that are killed at random moments, under faults: what was asked for, what was recorded and what was written.

    python benchmarks/chaos.py [--only local|sigint|batch|disk|two] ... [--kills 50] [--documents 120] [--seed 1]

A job of several steps (`tests/chaos_orders.py`: a check that leads to repairs, a filter, a list gone through, a query
over all rows, a second question, four outputs) is run with `extract run`, against a server that is a process of its own
and keeps its own log (`tests/chaos_server.py`): it refuses, fails, cuts connections and answers late, and charges for
an answer although nobody is there any more to take it. Each start of a run is killed at a random moment: of the time
that it takes, of the time in which it asks, or of the time after its last document. After six kills it is left to
finish, and another run begins, until there were so many kills.

- ``local``: by SIGKILL. ``sigint``: by Ctrl-C, which takes in what is on the wire; nothing at all may be paid twice.
- ``batch``: the batch engine, by SIGKILL when a batch comes to one of its recorded states, or at a random moment.
- ``disk``: no kills, but a disk that is full at random moments, and has more room at each start: a limit on the size of
  files, and a small disk of its own (tmpfs) where this user may mount one.
- ``two``: another process tries to work on a run that is being worked on, again and again.

Demanded is, after every start: the ledger is whole, and what it held before it still holds, and none of that was asked
for again; a reader that looks at it meanwhile sees no less than before and no document without its rows. At the end:
every answer that the server sent whole is recorded, once, but for at most so many of each stopped start as may be in
flight (16); what is recorded costs what the server charged for it; and replies, account and outputs are those of a run
that nobody disturbed, files byte by byte and tables row by row. Whatever is not so is printed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

from chaos_runs import Chase, Disk, World, at_rest, moment, served  # noqa: E402

A_RUN = 6
"""So many kills a run, and then it is left to finish."""
STATES = ("planned", "uploaded", "created", "finished", "downloaded", "ingested")
PHASES = ("starting", "asking", "later steps", "writing", "ended")


@dataclass
class Found:
    """What came of the runs of one kind."""

    runs: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    twice: int = 0
    in_flight: int = 0
    recorded: int = 0
    lost: int = 0
    most_lost: int = 0
    beyond: Decimal = Decimal(0)
    written_twice: int = 0
    looks: int = 0
    others: int = 0
    broken: list[str] = field(default_factory=list)

    def take(self, chase: Chase) -> None:
        log, seen = chase.world.server.log(), at_rest(chase.run)
        self.runs += 1
        self.phases.update(kill.phase for kill in chase.kills)
        for kill in chase.kills:
            self.states.update(state for state in kill.waves if state != "dropped")
        self.requests += len(log.bodies) + sum(log.batches["answered"].values())
        self.recorded += len(seen.calls)
        self.written_twice += chase.written_twice()
        self.looks += chase.looks
        self.others += chase.others
        self.broken += chase.broken
        if chase.engine == "batch":
            self.twice += sum(times - 1 for times in log.batches["answered"].values())
            return
        lost = chase.lost(log)
        self.twice += chase.twice(log)
        self.in_flight += sum(kill.in_flight for kill in chase.kills)
        self.lost += sum(map(len, lost.values()))
        self.most_lost = max(self.most_lost, *map(len, lost.values()), 0)
        self.beyond += sum((log.cost(serial) for serials in lost.values() for serial in serials), Decimal(0))


class Bench:
    """The kinds of runs, each as a generator of finished runs."""

    def __init__(self, world: World, kills: int, seed: int):
        self.world, self.kills, self.seed = world, kills, seed

    def local(self) -> Iterator[Chase]:
        return self._chased("local", signal.SIGKILL)

    def sigint(self) -> Iterator[Chase]:
        return self._chased("local", signal.SIGINT)

    def batch(self) -> Iterator[Chase]:
        return self._chased("batch", signal.SIGKILL)

    def disk(self) -> Iterator[Chase]:
        """Six starts with a limit, and one disk that grows from start to start."""
        random, known = Random(self.seed), self.world.reference("local")
        self._begin("disk", 1)
        chase = Chase(self.world, "limited")
        most = len(known.calls) * 6_000
        for _ in range(6):
            chase.starved(random.randint(4_000, most))
        yield self._ended(chase)
        if not Disk.possible():
            print("disk: no tmpfs could be mounted; only the limit on the size of files was tried", file=sys.stderr)
            return
        self._begin("disk", 2)
        with Disk(self.world.root / "small", random.randint(100, 400)) as disk:
            chase = Chase(self.world, "small", run=disk.at / "run")
            while chase.starved():
                disk.grow(random.randint(150, 600))
            yield self._ended(chase)

    def two(self) -> Iterator[Chase]:
        self._begin("two", 1)
        chase = Chase(self.world, "two")
        chase.beside_another()
        yield self._ended(chase)

    def _chased(self, engine: str, by: signal.Signals) -> Iterator[Chase]:
        random, known, left, number = Random(self.seed), self.world.reference(engine), self.kills, 0
        while left > 0:
            number += 1
            self._begin(engine, number)
            chase = Chase(self.world, f"{engine}-{by.name}-{number}", engine)
            for _ in range(min(A_RUN, left)):
                if engine == "batch" and random.random() < 0.7:
                    left -= chase.killed_at(random.choice(STATES), random.randint(1, 3))
                else:
                    left -= chase.killed(moment(random, known, len(at_rest(chase.run).calls)), by)
            yield self._ended(chase)

    def _begin(self, kind: str, number: int) -> None:
        self.world.reference("batch" if kind == "batch" else "local")
        self.world.begin(1000 * self.seed + number)

    def _ended(self, chase: Chase) -> Chase:
        chase.to_its_end()
        chase.judge()
        return chase


KINDS: dict[str, Callable[[Bench], Iterator[Chase]]] = {
    "local": Bench.local,
    "sigint": Bench.sigint,
    "batch": Bench.batch,
    "disk": Bench.disk,
    "two": Bench.two,
}


def table(found: dict[str, Found]) -> str:
    """The figures, in Markdown."""

    def phases(one: Found) -> str:
        return ", ".join(f"{one.phases[phase]} {phase}" for phase in PHASES if one.phases[phase])

    rows: dict[str, Callable[[Found], str]] = {
        "runs": lambda one: str(one.runs),
        "starts that were stopped": lambda one: str(one.phases.total()),
        "in which phase": phases,
        "states of batches found at a kill": lambda one: ", ".join(
            f"{s} {one.states[s]}" for s in STATES if one.states
        ),
        "requests": lambda one: f"{one.requests:,}",
        "on the wire when it was stopped": lambda one: str(one.in_flight),
        "answers recorded": lambda one: f"{one.recorded:,}",
        "answers paid for and not recorded": lambda one: f"{one.lost} (at most {one.most_lost} a start)",
        "what they cost, USD": lambda one: f"{one.beyond:f}",
        "asked for again after a whole answer": lambda one: str(one.twice),
        "rows written twice": lambda one: str(one.written_twice),
        "looks of a reader meanwhile": lambda one: f"{one.looks:,}",
        "other processes refused": lambda one: str(one.others),
        "demands broken": lambda one: str(len(one.broken)),
    }
    lines = [["", *found], ["---"] * (len(found) + 1)]
    lines += [[title, *(cell(one) for one in found.values())] for title, cell in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(KINDS), action="append", help="this kind; may be given several times")
    parser.add_argument("--kills", type=int, default=50, help="of each kind that is killed")
    parser.add_argument("--documents", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as root, served(given.documents, given.seed) as server:
        bench = Bench(World(Path(root), server, given.documents), given.kills, given.seed)
        for kind in given.only or ["local"]:
            began, found[kind] = time.monotonic(), Found()
            for chase in KINDS[kind](bench):
                found[kind].take(chase)
                said = f"{kind}: {found[kind].phases.total()} stops, {time.monotonic() - began:.0f} s"
                print(said, *chase.broken, sep="\n  BROKEN: ", file=sys.stderr, flush=True)
    print(table(found))
    sys.exit(1 if any(one.broken for one in found.values()) else 0)


if __name__ == "__main__":
    main()
