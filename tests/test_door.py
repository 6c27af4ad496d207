"""The door: synchronous calls from anywhere, Ctrl-C once and twice, forks, a running loop, and no deadlock."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path

import pytest

from extract import door
from extract.errors import ExtractError

ROOT = Path(__file__).parent.parent


async def double(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


def test_a_coroutine_runs_on_one_thread_and_gives_its_result() -> None:
    async def where() -> str:
        return threading.current_thread().name

    assert door.run(lambda: double(4), "await") == 8
    assert {door.run(where, "await") for _ in range(3)} == {"extract"}


def test_errors_come_through_as_they_are() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        door.run(fail, "await")


def test_it_works_inside_a_running_loop() -> None:
    async def notebook_cell() -> int:
        return door.run(lambda: double(4), "await")

    assert asyncio.run(notebook_cell()) == 8


def test_context_variables_go_along() -> None:
    tenant: ContextVar[str] = ContextVar("tenant")
    tenant.set("a")

    async def read() -> str:
        return tenant.get()

    assert door.run(read, "await") == "a"


def test_a_synchronous_call_from_the_doors_own_thread_is_refused_with_the_name_of_the_twin() -> None:
    async def nested() -> int:
        return door.run(lambda: double(4), "an async def and await")

    with pytest.raises(ExtractError) as caught:
        door.run(nested, "await")
    assert str(caught.value) == (
        "A synchronous call was made from inside the work of another one, which would wait for itself.\n"
        "  Use an async def and await, or make the call before or after."
    )


def test_many_threads_may_call_at_once() -> None:
    results: list[int] = []
    threads = [threading.Thread(target=lambda n=n: results.append(door.run(lambda: double(n), ""))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [2 * n for n in range(20)]


def test_an_asynchronous_iterator_is_iterated_and_closed() -> None:
    closed = threading.Event()

    async def count() -> AsyncIterator[int]:
        try:
            for n in range(100):
                yield n
        finally:
            closed.set()

    items = door.iterate(count, "async for")
    assert [next(items), next(items)] == [0, 1]
    items.close()
    assert closed.wait(5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_after_a_fork_the_child_has_a_door_of_its_own() -> None:
    code = """
        import os, sys
        from extract import door
        async def pid():
            return os.getpid()
        parent = door.run(pid, "")
        child = os.fork()
        if child == 0:
            os._exit(0 if door.run(pid, "") == os.getpid() != parent else 1)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], cwd=ROOT, timeout=60)
    assert done.returncode == 0


INTERRUPTED = """
    import asyncio, signal, sys, time
    from extract import door

    async def work():
        try:
            print("started", flush=True)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep({recording})
            print("recorded", flush=True)

    {before}
    try:
        door.run(work, "await")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""

WHILE_HANDED_OVER = """
    import threading
    hand_over = asyncio.BaseEventLoop.call_soon_threadsafe
    def interrupted(loop, *given, **more):
        mine = threading.current_thread() is threading.main_thread()
        if mine:
            asyncio.BaseEventLoop.call_soon_threadsafe = hand_over  # once
        if mine and {early}:
            signal.raise_signal(signal.SIGINT)
        handle = hand_over(loop, *given, **more)
        if mine:
            time.sleep(0.5)  # the work goes on meanwhile on its own thread
            signal.raise_signal(signal.SIGINT)
        return handle
    asyncio.BaseEventLoop.call_soon_threadsafe = interrupted
"""


def interrupted(recording: float, signals: int) -> tuple[list[str], float]:
    """The lines that such a program prints, and the seconds it lives after the first of so many signals."""
    code = textwrap.dedent(INTERRUPTED).format(recording=recording, before="")
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip()]
        began = time.monotonic()
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        lines += process.stdout.read().split()
    return lines, time.monotonic() - began


def test_ctrl_c_cancels_waits_for_what_is_being_recorded_and_raises() -> None:
    assert interrupted(0.2, signals=1)[0] == ["started", "recorded", "interrupted"]


def test_a_second_ctrl_c_leaves_at_once() -> None:
    lines, seconds = interrupted(30, signals=2)
    assert lines == ["started", "interrupted"]
    assert seconds < 25


def test_work_that_is_left_before_its_first_step_has_ended() -> None:
    async def turn() -> bool:
        work = door._Work(asyncio.Event().wait)
        work.begin()
        work.leave()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return work.ended.is_set() and work.came.cancelled()

    assert asyncio.run(turn())


@pytest.mark.parametrize("early", [True, False])
def test_ctrl_c_while_work_is_handed_over_leaves_nothing_unrecorded(early: bool) -> None:
    before = textwrap.indent(textwrap.dedent(WHILE_HANDED_OVER).format(early=early), "    ").strip()
    code = textwrap.dedent(INTERRUPTED.format(recording=0.2, before=before))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == (["interrupted"] if early else ["started", "recorded", "interrupted"])
    assert done.stderr == ""
