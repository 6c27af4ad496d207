"""A short form of the chaos benchmark (benchmarks/chaos.py): a few stops of each kind, and every demand."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from chaos_runs import Chase, Moment, World, served

DOCUMENTS = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served(DOCUMENTS, 1) as server:
        yield World(tmp_path_factory.mktemp("chaos") / "world", server, DOCUMENTS)


def test_a_run_that_is_stopped_again_and_again_loses_nothing_and_does_nothing_twice(world: World) -> None:
    """Killed at random moments, while it asks and after its last document; then a disk that is full; then a kill."""
    random = Random(7)
    known = world.reference("local")
    world.server.begin(7, latency=0.1)
    chase = Chase(world, "killed")
    assert chase.killed(Moment("begun", random.uniform(0.1, 0.3)))
    assert chase.starved(60_000)
    assert chase.killed(Moment("begun", random.uniform(0.1, 0.3)))
    chase.killed(Moment("done", random.uniform(0, known.end)))
    chase.killed(Moment("made", random.uniform(0, known.replay)))
    chase.to_its_end()
    chase.judge()
    assert chase.broken == []
    assert len(chase.kills) >= 3
    shutil.rmtree(chase.out)


def test_ctrl_c_takes_in_what_is_on_the_wire(world: World) -> None:
    world.reference("local")
    world.server.begin(8, latency=0.1)
    chase = Chase(world, "interrupted")
    assert chase.killed(Moment("begun", 0.2), signal.SIGINT)
    chase.to_its_end()
    chase.judge(0)
    assert chase.broken == []
    assert (chase.kills[0].phase, chase.twice(world.server.log())) == ("asking", 0)
