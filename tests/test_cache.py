"""Answers handed on from run to run: by what was asked and how, not too old, not too many, and never in the way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from extract.call import Call, Part, Reply, Shape, Usage
from extract.errors import RunError
from extract.ledger import Cache, Lookup, RunLedger

CALL = Call("m", 1, "", (Part("text", "document", text="x"),), Shape("S", {}, {}))
REPLY = Reply(text='{"a": 1}', usage=Usage(100, 0, 10), model="m-1")


def asked(model: str) -> tuple[str, str]:
    return "strict", "https://one.example"


@contextmanager
def opened(cache: Cache, how: object = asked) -> Iterator[Lookup]:
    lookup = Lookup(cache, how)  # type: ignore[arg-type]
    try:
        yield lookup
    finally:
        lookup.close()


def kept(cache: Cache, *replies: tuple[Call, Reply]) -> None:
    with opened(cache) as lookup:
        for call, reply in replies:
            lookup.keep(call.key, call.model, reply)


def test_an_answer_is_handed_on_and_costs_nothing(tmp_path: Path) -> None:
    kept(Cache(tmp_path / "cache"), (CALL, REPLY))
    ledger = RunLedger(tmp_path / "run")
    with opened(Cache(tmp_path / "cache")) as lookup:
        ledger.cache = lookup

        async def work() -> tuple[Reply | None, tuple[Decimal, Decimal, Decimal]]:
            return await ledger.reply(CALL.key), await ledger.spent()

        assert asyncio.run(work()) == (replace(REPLY, usage=Usage()), (0, 0, 0))
    ledger.cache = None
    assert asyncio.run(ledger.reply(CALL.key)) == replace(REPLY, usage=Usage())  # it is in the record of this run now
    ledger.close()


def test_what_a_run_pays_for_goes_into_the_cache(tmp_path: Path) -> None:
    ledger = RunLedger(tmp_path / "run")
    with opened(Cache(tmp_path / "cache")) as lookup:
        ledger.cache = lookup
        asyncio.run(ledger.record(CALL, REPLY, Decimal("0.01")))
        ledger.close()
    with opened(Cache(tmp_path / "cache")) as lookup:
        assert lookup.reply(CALL.key) == ("m", REPLY)
        assert lookup.reply(replace(CALL, attempt=2).key) is None


@pytest.mark.parametrize("how", [("json", "https://one.example"), ("strict", "https://other.example")])
def test_another_mode_or_another_server_is_another_question(tmp_path: Path, how: tuple[str, str]) -> None:
    kept(Cache(tmp_path), (CALL, REPLY))
    with opened(Cache(tmp_path), lambda model: how) as lookup:
        assert lookup.reply(CALL.key) is None


@pytest.mark.parametrize("reply", [replace(REPLY, finish="length"), Reply(refusal="No.", usage=Usage(100, 0, 3))])
def test_what_did_not_end_by_itself_is_not_kept(tmp_path: Path, reply: Reply) -> None:
    kept(Cache(tmp_path), (CALL, reply))
    with opened(Cache(tmp_path)) as lookup:
        assert lookup.reply(CALL.key) is None


def test_an_answer_that_is_too_old_is_asked_for_again(tmp_path: Path) -> None:
    kept(Cache(tmp_path), (CALL, REPLY))
    with closing(sqlite3.connect(tmp_path / "answers.sqlite")) as db:
        db.execute("update answers set made = made - 7200")
        db.commit()
    with opened(Cache(tmp_path, age=3600)) as lookup:
        assert lookup.reply(CALL.key) is None
    with closing(sqlite3.connect(tmp_path / "answers.sqlite")) as db:
        assert db.execute("select count(*) from answers").fetchone() == (0,)


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    calls = [replace(CALL, attempt=number) for number in range(1, 21)]
    for call in calls:
        kept(Cache(tmp_path), (call, REPLY))
    with opened(Cache(tmp_path, size=5_000)) as lookup:
        assert lookup.reply(calls[0].key) is not None
    with opened(Cache(tmp_path)) as lookup:
        there = [number for number, call in enumerate(calls) if lookup.reply(call.key) is not None]
    assert there[0] == 0
    assert there[1:] == list(range(20 - len(there) + 1, 20))
    assert 2 < len(there) < 20


def test_several_runs_use_it_at_once(tmp_path: Path) -> None:
    with opened(Cache(tmp_path)) as one, opened(Cache(tmp_path)) as other:
        one.keep(CALL.key, "m", REPLY)
        other.keep(replace(CALL, attempt=2).key, "m", REPLY)
    with opened(Cache(tmp_path)) as lookup:
        assert lookup.reply(CALL.key) == lookup.reply(replace(CALL, attempt=2).key) == ("m", REPLY)


def test_what_goes_wrong_with_it_costs_nobody_a_run(tmp_path: Path) -> None:
    with opened(Cache(tmp_path)) as lookup:
        lookup._read.execute("drop table answers")
        assert lookup.reply(CALL.key) is None
        assert lookup.failure == f"The cache in {tmp_path} is done without: no such table: answers."


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_text("this is not a database, and long enough to be seen as none" * 9)
    with pytest.raises(RunError) as caught:
        Lookup(Cache(tmp_path), asked)
    assert str(caught.value) == (
        f"{tmp_path / 'answers.sqlite'}: The cache cannot be opened: file is not a database.\n"
        "  Name another folder, or do without a cache."
    )
