"""Runs that are killed at random moments, under faults: what was asked for, what was recorded and what was written.

python benchmarks/chaos.py [--engine local|batch] [--sigint] [--kills 50] [--documents 120] [--seed 1]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

import signal  # noqa: E402

from chaos_runs import Chase, World, at_rest, moment, served  # noqa: E402

A_RUN = 6
"""So many kills a run, and then it is left to finish."""
STATES = ("planned", "uploaded", "created", "finished", "downloaded", "ingested")


def chased(world: World, kills: int, seed: int, engine: str, by: signal.Signals) -> Iterator[Chase]:
    """Runs that are killed so many times in all, each left to finish afterwards."""
    random, known, number = Random(seed), world.reference(engine), 0
    while kills > 0:
        number += 1
        world.server.begin(1000 * seed + number)
        chase = Chase(world, f"{engine}-{by.name}-{number}", engine)
        for _ in range(min(A_RUN, kills)):
            if engine == "batch" and random.random() < 0.7:
                was = chase.killed_at(random.choice(STATES), random.randint(1, 3))
            else:
                was = chase.killed(moment(random, known, len(at_rest(chase.run).calls)), by)
            kills -= was
        chase.to_its_end()
        chase.judge(0 if by == signal.SIGINT else None)
        yield chase


def table(chases: list[Chase]) -> str:
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["local", "batch"], default="local")
    parser.add_argument("--sigint", action="store_true", help="Ctrl-C instead of SIGKILL")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--documents", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    by = signal.SIGINT if given.sigint else signal.SIGKILL
    began = time.monotonic()
    broken = []
    with tempfile.TemporaryDirectory() as root, served(given.documents, given.seed) as server:
        world = World(Path(root), server, given.documents)
        for chase in chased(world, given.kills, given.seed, given.engine, by):
            log = server.log()
            phases = Counter(kill.phase for kill in chase.kills)
            lost = sum(map(len, chase.lost(log).values())) if given.engine == "local" else 0
            print(
                dict(phases),
                len(log.bodies),
                "asked",
                chase.twice(log),
                "twice",
                lost,
                "lost",
                chase.looks,
                [k.in_flight for k in chase.kills],
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
            for one in chase.broken:
                print("  BROKEN:", one, flush=True)
            broken += chase.broken
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
