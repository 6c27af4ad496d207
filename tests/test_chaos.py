"""A short form of the chaos benchmark (benchmarks/chaos.py): a few stops of each kind, and every demand."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from random import Random

import pytest
from chaos_runs import Chase, Moment, World, served

DOCUMENTS = 48


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals")
def test_a_run_that_is_stopped_again_and_again_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    """Killed while it asks, starved of room on the disk, killed again, interrupted, killed after its last document and
    at any moment. Each stop is at a random moment, so that some may come too late."""
    random = Random(7)
    with served(DOCUMENTS, 1) as server:
        world = World(tmp_path / "world", server, DOCUMENTS, faults=0.5)
        known = world.reference("local")
        world.begin(7)
        chase = Chase(world, "stopped")
        assert chase.killed(Moment("begun", random.uniform(0.05, 0.15)))
        assert chase.starved(60_000)
        assert chase.killed(Moment("begun", random.uniform(0.05, 0.15)))
        chase.killed(Moment("begun", random.uniform(0.05, 0.15)), signal.SIGINT)
        chase.killed(Moment("done", random.uniform(0, known.end)))
        chase.killed(Moment("made", random.uniform(0, known.replay)))
        chase.to_its_end()
        chase.judge()
    assert chase.broken == []
