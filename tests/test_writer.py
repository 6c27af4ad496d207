"""Changes to a SQLite file: committed before anybody is told, in their order, whoever makes them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from extract import writer
from extract.errors import RunError
from extract.writer import Work, Writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "file.sqlite")) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table told (number integer primary key autoincrement, word text not null)")
    return tmp_path / "file.sqlite"


@pytest.fixture
def opened(path: Path) -> Iterator[Writer]:
    made = Writer(path, sqlite3.connect(path, isolation_level=None, check_same_thread=False))
    yield made
    made.close()


def tell(word: object) -> Work[None]:
    def work(db: sqlite3.Connection) -> None:
        db.execute("insert into told (word) values (?)", (word,))

    return work


def tell_all(db: sqlite3.Connection, words: list[object]) -> None:
    db.executemany("insert into told (word) values (?)", [(word,) for word in words])


def nowhere(db: sqlite3.Connection, numbers: list[int]) -> None:
    db.executemany("insert into nowhere values (?)", [(number,) for number in numbers])


def told(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [word for (word,) in db.execute("select word from told order by number")]


def test_what_comes_in_during_one_turn_is_committed_together_and_then_said(opened: Writer, path: Path) -> None:
    async def several() -> list[str]:
        changes = [opened.soon(tell_all, str(n)) for n in range(5)]
        assert told(path) == []
        await changes[0]
        assert all(change.done() for change in changes)
        return told(path)

    assert asyncio.run(several()) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("often", [1, 7, 2_000])
@pytest.mark.parametrize("slow", [-1.0, 10.0])
def test_the_order_is_kept_whoever_makes_the_changes(
    opened: Writer, path: Path, monkeypatch: pytest.MonkeyPatch, often: int, slow: float
) -> None:
    monkeypatch.setattr(writer, "_OFTEN", often)
    monkeypatch.setattr(writer, "_SLOW", slow)

    async def many() -> None:
        for n in range(100):
            change = opened.soon(tell_all, f"{n} a")
            if n % 3 == 0:
                await opened.ask(tell(f"{n} b"), write=True)
            if n % 5 == 0:
                await change
        await opened.idle()

    asyncio.run(many())
    expected = [[f"{n} a", *([f"{n} b"] if n % 3 == 0 else [])] for n in range(100)]
    assert told(path) == [word for words in expected for word in words]


def test_a_file_that_another_process_holds_holds_nothing_up(opened: Writer, path: Path) -> None:
    async def meanwhile() -> int:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin immediate")
            changes = [opened.soon(tell_all, "first")]
            await asyncio.sleep(0.01)  # it was tried, and went to the thread
            changes.append(opened.soon(tell_all, "second"))
            turns = 0
            while turns < 20:
                await asyncio.sleep(0.001)
                turns += 1
            assert not any(change.done() for change in changes)
            assert await opened.read(lambda db: db.execute("select count(*) from told").fetchone()) == (0,)
            other.execute("commit")
        await asyncio.gather(*changes)
        return turns

    assert asyncio.run(meanwhile()) == 20
    assert told(path) == ["first", "second"]


def test_a_change_is_made_though_whoever_waits_for_it_is_cancelled(opened: Writer, path: Path) -> None:
    async def cancelled() -> None:
        async def waits() -> None:
            await opened.soon(tell_all, "a")

        waiting = asyncio.create_task(waits())
        await asyncio.sleep(0)
        waiting.cancel()
        await opened.idle()

    asyncio.run(cancelled())
    assert told(path) == ["a"]


def test_a_change_that_nobody_waits_for_is_made_soon(opened: Writer, path: Path) -> None:
    async def lazily() -> None:
        for word in "abc":
            opened.later(tell_all, word)
        await asyncio.sleep(0)
        assert told(path) == []
        await opened.idle()

    asyncio.run(lazily())
    assert told(path) == ["a", "b", "c"]


def test_closing_makes_the_changes_of_loops_that_have_ended(opened: Writer, path: Path) -> None:
    async def leaves() -> None:
        opened.later(tell_all, "a")
        opened.soon(tell_all, "b")

    asyncio.run(leaves())
    opened.close()
    assert sorted(told(path)) == ["a", "b"]


def test_after_its_end_it_takes_nothing(opened: Writer, path: Path) -> None:
    opened.close()
    message = f"{path}: The run's ledger is closed: what came after its end is not recorded."

    async def late() -> None:
        opened.soon(tell_all, "a")

    for work in (late, lambda: opened.ask(tell("a")), lambda: opened.read(tell("a"))):
        with pytest.raises(RunError) as caught:
            asyncio.run(work())
        assert str(caught.value) == message


def test_what_cannot_be_done_is_said_and_leaves_nothing_behind(opened: Writer, path: Path) -> None:
    async def wrong() -> list[BaseException | None]:
        changes = [opened.soon(tell_all, "a"), opened.soon(tell_all, None)]
        return await asyncio.gather(*changes, return_exceptions=True)

    assert [type(one) for one in asyncio.run(wrong())] == [sqlite3.IntegrityError] * 2
    assert told(path) == []

    async def no_table() -> None:
        await opened.soon(nowhere, 1)

    with pytest.raises(RunError) as caught:
        asyncio.run(no_table())
    assert str(caught.value) == (
        f"{path}: The ledger could not be written: no such table: nowhere.\n  Make room and start the same run again."
    )

    async def right() -> None:
        await opened.soon(tell_all, "a")

    asyncio.run(right())
    assert told(path) == ["a"]


def test_event_loops_of_several_threads_may_share_it(opened: Writer, path: Path) -> None:
    async def some(letter: str) -> None:
        for n in range(200):
            await opened.soon(tell_all, f"{letter}{n}")

    threads = [threading.Thread(target=lambda letter=letter: asyncio.run(some(letter))) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = told(path)
    assert [word for word in found if word[0] == "a"] == [f"a{n}" for n in range(200)]
    assert [word for word in found if word[0] == "b"] == [f"b{n}" for n in range(200)]


def test_the_log_does_not_grow_with_the_run(opened: Writer, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_OFTEN", 300)

    async def much() -> None:
        for _ in range(3_000):
            await opened.soon(tell_all, "x" * 3_000)

    asyncio.run(much())
    assert path.stat().st_size > 5e6
    assert path.with_name("file.sqlite-wal").stat().st_size < 9e6  # of 37 MB that went through it


def test_a_change_that_nobody_waits_for_and_that_fails_is_told_by_whoever_waits_for_all(opened: Writer) -> None:
    async def fails() -> None:
        opened.later(nowhere, 1)
        await asyncio.sleep(0.2)
        with pytest.raises(RunError, match="The ledger could not be written: no such table: nowhere"):
            await opened.idle()
        await opened.idle()

    asyncio.run(fails())
