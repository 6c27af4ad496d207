"""The ledger: what it says is recorded is there after any end of the process, and one process holds a folder."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from extract.call import Call, Part, Reply, Shape, TokenLogprob, Usage
from extract.errors import RunError
from extract.ledger import Entry, Memory, RunLedger
from extract.ledger.forms import encoded
from extract.ledger.layout import MIGRATIONS

ROOT = Path(__file__).parent.parent
CALL = Call("mini", 1, "", (Part("text", "document", text="x"),), Shape("S", {}, {}))
REPLY = Reply(
    text='{"a": 1}',
    usage=Usage(10, 5, 3, 1),
    confidence={"/a": 0.5},
    logprobs=(TokenLogprob(b"\xf0\x9f", -0.25),),
    model="mini-1",
)
ROW = {"total": Decimal("12345678901234567.89")}
ENTRY = Entry("a.txt", 0, "a.txt", "written", "f", (), ("why",), 2, None)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[RunLedger]:
    opened = RunLedger(tmp_path)
    yield opened
    opened.close()


def test_a_reply_comes_back_as_it_was(ledger: RunLedger) -> None:
    async def there_and_back() -> tuple[Reply | None, Reply | None]:
        await ledger.record(CALL, REPLY, Decimal("0.01"))
        return await ledger.reply(CALL.key), await ledger.reply(replace(CALL, attempt=2).key)

    assert asyncio.run(there_and_back()) == (REPLY, None)
    assert asyncio.run(ledger.spent())[0] == Decimal("0.01")


def test_the_first_reply_to_a_call_stays(ledger: RunLedger) -> None:
    async def twice() -> Reply | None:
        await ledger.record(CALL, REPLY, None)
        await ledger.record(CALL, replace(REPLY, text="other"), None)
        return await ledger.reply(CALL.key)

    assert asyncio.run(twice()) == REPLY


def test_every_reply_is_found_in_the_start_that_recorded_it_and_in_the_next(tmp_path: Path) -> None:
    calls = [replace(CALL, attempt=number) for number in range(1, 40)]

    async def found(recorded: int) -> list[bool]:
        ledger = RunLedger(tmp_path)
        for call in calls[recorded : recorded + 13]:
            await ledger.record(call, REPLY, None)
        there = [await ledger.reply(call.key) is not None for call in calls]
        ledger.close()
        return there

    assert asyncio.run(found(0)) == [number < 13 for number in range(39)]
    assert asyncio.run(found(13)) == [number < 26 for number in range(39)]


def test_many_writers_at_once_lose_nothing(ledger: RunLedger) -> None:
    calls = [replace(CALL, attempt=n) for n in range(500)]

    async def write() -> list[Reply | None]:
        await asyncio.gather(
            *(ledger.record(call, replace(REPLY, text=str(call.attempt)), Decimal(1)) for call in calls)
        )
        return await asyncio.gather(*(ledger.reply(call.key) for call in calls))

    assert [reply and reply.text for reply in asyncio.run(write())] == [str(n) for n in range(500)]
    assert asyncio.run(ledger.spent())[0] == 500


def test_entries_keep_every_digit_and_the_order_of_the_inputs(ledger: RunLedger) -> None:
    later = replace(ENTRY, id="b", ordinal=1)

    async def write() -> None:
        for entry in (later, ENTRY, replace(ENTRY, state="rejected"), ENTRY):
            await ledger.enter(entry)

    asyncio.run(write())
    assert list(ledger.entries()) == [ENTRY, later]


def test_rows_come_in_the_order_of_the_inputs_and_keep_every_digit(ledger: RunLedger) -> None:
    async def write() -> None:
        await ledger.begin("bills", (), {})
        await ledger.enter(replace(ENTRY, id="b", ordinal=1, rows=((2, {"n": 3}), (5, {"n": 4}))))
        await ledger.enter(replace(ENTRY, rows=((2, ROW), (2, {"n": 2}))))
        await ledger.enter(replace(ENTRY, id="r", stage=3, rows=((2, {"n": 5}),)))

    asyncio.run(write())
    assert list(ledger.rows(2)) == [ROW, {"n": 2}, {"n": 3}, {"n": 5}]
    assert list(ledger.rows(2, 5, stage=0)) == [ROW, {"n": 2}, {"n": 3}, {"n": 4}]
    assert list(ledger.rows(2, stage=0, ordinals=range(1, 2))) == [{"n": 3}]


def test_a_start_takes_the_place_of_the_one_before(ledger: RunLedger) -> None:
    gone, kept = replace(ENTRY, id="gone"), replace(ENTRY, id="kept", ordinal=1, rows=((2, ROW),))

    async def write() -> None:
        await ledger.begin("bills", (), {})
        await ledger.enter(gone)
        await ledger.enter(kept)
        await ledger.begin("bills", (), {})
        assert list(ledger.rows(2)) == []
        assert await ledger.known(0, "kept") == (1, replace(kept, rows=()))
        await ledger.enter(kept)
        assert await ledger.known(0, "kept") is None
        await ledger.forget_older()

    asyncio.run(write())
    assert (ledger.start, list(ledger.rows(2))) == (2, [ROW])
    assert [entry.id for entry in ledger.entries()] == ["kept"]


def test_a_run_of_before_is_taken_over_without_its_rows(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.executescript(MIGRATIONS[0])
        db.execute("insert into entries values ('a', 0, 'a', 'written', 'f', '[{}]', '[]', 1, '0.5', null)")
        db.execute("pragma user_version = 1")
    db.close()
    ledger = RunLedger(tmp_path)
    assert [(one.id, one.stage, one.cost) for one in ledger.entries()] == [("a", 0, Decimal("0.5"))]
    assert list(ledger.rows(0, 1)) == []
    ledger.close()


def test_the_manifest_is_written_once(ledger: RunLedger) -> None:
    async def write() -> dict[str, object]:
        await ledger.write_manifest({"prices": {"a": 1}})
        await ledger.write_manifest({"prices": {"a": 2}, "more": 3})
        return await ledger.manifest()

    assert asyncio.run(write()) == {"prices": {"a": 1}, "more": 3}


def test_what_was_recorded_is_there_after_a_kill(tmp_path: Path) -> None:
    code = f"""
import asyncio, os, signal, sys
sys.path.insert(0, "tests")
from pathlib import Path
from test_ledger import CALL, REPLY, RunLedger
ledger = RunLedger(Path({str(tmp_path)!r}))
asyncio.run(ledger.record(CALL, REPLY, None))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -9
    ledger = RunLedger(tmp_path)
    assert asyncio.run(ledger.reply(CALL.key)) == REPLY
    ledger.close()


def test_a_second_holder_of_the_folder_is_refused(ledger: RunLedger, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        RunLedger(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: Another process is working on this run.\n"
        "  Wait for it, stop it, or name another folder with --run."
    )


def test_it_can_be_read_while_it_is_written(ledger: RunLedger) -> None:
    asyncio.run(ledger.enter(ENTRY))
    assert [entry.source for entry in ledger.entries()] == ["a.txt"]


def test_a_newer_layout_and_a_file_that_is_no_ledger_are_refused(tmp_path: Path) -> None:
    RunLedger(tmp_path).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(RunError, match="A newer version of extract wrote this ledger"):
        RunLedger(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "ledger.sqlite").write_text("this is not a database, and long enough to be seen as none" * 9)
    with pytest.raises(RunError, match="This is not a ledger: file is not a database"):
        RunLedger(tmp_path / "other")


FULL = """
import asyncio, resource, sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_ledger import ENTRY, RunLedger, replace

async def write(folder, most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    ledger = RunLedger(Path(folder))
    await ledger.begin("x", (), {})
    try:
        for n in range(200):
            await ledger.enter_soon(replace(ENTRY, id=str(n), detail={"n": [str(i * n) for i in range(900)]}))
        await ledger.entered()
    finally:
        ledger.close()

try:
    asyncio.run(write(sys.argv[1], int(sys.argv[2])))
except Exception as error:
    print(error, error.retryable)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits on the size of files")
@pytest.mark.parametrize("most", [4_096, 30_000, 70_000, 150_000])
def test_a_full_disk_is_told_once_whenever_it_is_full(tmp_path: Path, most: int) -> None:
    """While the ledger is made, while its layout is brought up to date, while it is written to: and the next start
    finds what was safe."""
    command = [sys.executable, "-c", FULL, str(tmp_path), str(most)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (
        f"{tmp_path / 'ledger.sqlite'}: The ledger could not be written: disk I/O error.\n"
        "  Make room and start the same run again. True\n",
        "",
    )
    ledger = RunLedger(tmp_path)
    assert [one.id for one in ledger.entries()] == []
    ledger.close()


def test_a_ledger_that_another_program_writes_to_is_told(tmp_path: Path) -> None:
    RunLedger(tmp_path).close()
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("pragma journal_mode = delete")
        other.execute("begin exclusive")
        with pytest.raises(RunError) as caught:
            RunLedger(tmp_path)
    assert str(caught.value) == (
        f"{path}: The ledger could not be written: database is locked.\n"
        "  Another program writes to it: wait for it, and start the same run again."
    )


def test_memory_keeps_the_same_promise_for_one_process() -> None:
    memory = Memory()
    asyncio.run(memory.record(CALL, REPLY, None))
    assert asyncio.run(memory.reply(CALL.key)) == REPLY


def test_what_an_earlier_layout_holds_is_taken_over(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        db.executescript(f"{MIGRATIONS[0]} pragma user_version = 1;")
        values = (CALL.key, CALL.model, encoded(REPLY.plain()), "0.01", 10, 5, 3)
        db.execute("insert into calls values (?, ?, ?, ?, ?, ?, ?)", values)
        db.commit()
    ledger = RunLedger(tmp_path)

    async def known() -> tuple[Reply | None, tuple[Decimal, Decimal, Decimal]]:
        await ledger.record(CALL, replace(REPLY, text="other"), None)
        return await ledger.reply(CALL.key), await ledger.spent()

    assert asyncio.run(known()) == (REPLY, (Decimal("0.01"), 13, 1))
    ledger.close()
