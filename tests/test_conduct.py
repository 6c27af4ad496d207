"""How runs are carried out: what was refused is tried again, too much that is refused stops a run, a cache pays for
nothing twice, and the record keeps texts as long as it is told to. The runs that there are can be seen and compared."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from test_runner import FACTS, answer, asked_of, pipeline, project, rows, run  # noqa: F401  `project` is a fixture

from extract.call import Call
from extract.cli import running
from extract.comparison import compare
from extract.errors import ExtractError, PipelineError, RunError
from extract.function import extract
from extract.ledger import Cache, Entry, LedgerReader, RunLedger, prune, seconds_of
from extract.limits import Limits, Traffic
from extract.models.cascade import Cascade
from extract.models.scripted import Scripted
from extract.pipeline import Pipeline, Tolerance, keys
from extract.report import read_run, runs_in, standing
from extract.runner import Run, execute
from extract.runner.progress import Meter

ENTRY = Entry("a", 0, "a", "written", "f")


def doubtful(*totals: str) -> Callable[[Call], Any]:
    """Answers that are wrong for these totals, however often they are asked for."""

    def say(call: Call) -> Any:
        found = answer(call)
        return {**found, "total": "many"} if found["total"] in totals else found

    return say


def told(one: Pipeline, **changes: Any) -> Pipeline:
    return replace(one, conduct=replace(one.conduct, **changes))


def asked(say: Callable[[Call], Any]) -> tuple[Callable[[Call], Any], list[str]]:
    """The same answers, and the totals that were asked about."""
    about: list[str] = []

    def noting(call: Call) -> Any:
        about.append(call.inputs[-1].text.split()[-1])
        return say(call)

    return noting, about


# ---- tried again


def test_what_was_rejected_is_tried_again_and_nothing_else(project: Path) -> None:  # noqa: F811
    first = run(pipeline(), doubtful("3.50", "7.50"))
    assert first.states == {"written": 8, "rejected": 2}
    say, about = asked(answer)
    assert run(pipeline(), say).states == {"written": 8, "rejected": 2}
    assert about == []  # a plain start is answered from the record
    again = run(pipeline(), say, retry=("rejected",))
    assert again.states == {"written": 10}
    assert sorted(about) == ["3.50", "7.50"]
    assert again.anew == {"1 extract": {"tried again": 2}}
    assert again.calls == first.calls + 2  # what was paid for before stays counted
    assert [row["_source"] for row in rows()] == [f"in/{n}.txt" for n in range(10)]


def test_what_was_held_is_tried_again_if_that_is_asked_for(project: Path) -> None:  # noqa: F811
    held = pipeline(on_failure="review")
    assert run(held, doubtful("3.50")).states == {"written": 9, "review": 1}
    say, about = asked(answer)
    assert run(held, say, retry=("rejected",)).states == {"written": 9, "review": 1}
    assert run(held, say, retry=("review",)).states == {"written": 10}
    assert about == ["3.50"]


def test_of_a_document_with_several_rows_only_what_was_refused_is_tried_again(project: Path) -> None:  # noqa: F811
    Path("in").rename("old")
    Path("in").mkdir()
    Path("in/all.txt").write_text("a 1\nb 2\nc 3")
    Path("schemas/parts.py").write_text(
        "from pydantic import BaseModel\n\nclass Parts(BaseModel):\n    parts: list[str]\n\n"
        "class Part(BaseModel):\n    number: int\n"
    )
    steps = [
        {"extract": "schemas/parts.py:Parts"},
        {"unnest": "parts", "into": "part"},
        {"extract": "schemas/parts.py:Part", "text": "part"},
    ]
    one = Pipeline.of({"name": "parts", "model": "rules", "documents": "in/*.txt", "steps": steps})
    about: list[str] = []

    def say(call: Call) -> Any:
        text = call.inputs[-1].text
        about.append(text)
        if "\n" in text:
            return {"parts": text.splitlines()}
        return {"number": "none" if text == "b 2" and wrong else text.split()[1]}

    wrong = True
    assert run(one, say).flows[-1].counts == {"out": 2, "rejected": 1}
    about.clear()
    wrong = False
    assert run(one, say, retry=("rejected",)).flows[-1].counts == {"out": 3}
    assert about == ["b 2"]


def test_a_batch_of_a_function_tries_again(tmp_path: Path) -> None:
    wrong = True

    def say(call: Call) -> Any:
        return {"n": "none" if wrong and call.inputs[-1].text == "2" else call.inputs[-1].text}

    @extract(model=Scripted(say))
    def read(text: str) -> dict[str, int]:
        """Read the number."""

    assert [one.ok for one in read.batch(["1", "2", "3"], run=tmp_path)] == [True, False, True]
    wrong = False
    assert [one.ok for one in read.batch(["1", "2", "3"], run=tmp_path)] == [True, False, True]
    assert [one.value for one in read.batch(["1", "2", "3"], run=tmp_path, retry=["rejected"])] == [
        {"n": 1},
        {"n": 2},
        {"n": 3},
    ]
    with LedgerReader(tmp_path) as reader:
        assert (reader.manifest()["pipeline"], [one.outcome for one in reader.starts()]) == ("read()", ["done"] * 3)
    with pytest.raises(ExtractError) as caught:
        list(read.batch(["1"], retry=["rejected"]))
    assert str(caught.value) == 'retry needs the record of a run.\n  Name its folder: run="runs/may".'


# ---- too much that is rejected


def test_a_run_stops_as_soon_as_too_many_are_rejected(project: Path) -> None:  # noqa: F811
    bad = doubtful("1.50", "3.50", "5.50")
    done = run(told(pipeline(), max_rejected=Tolerance(1)), bad, limits=Limits(in_flight=1))
    assert str(done.stopped) == (
        "Of 2 inputs something was rejected, and `max_rejected` is 1 of 10.\n"
        "  rejected.jsonl in the run's folder says why. Start the run again with a greater `max_rejected`, or with"
        " other instructions, to go on."
    )
    assert (done.rejected, done.tolerated, done.clean) == (2, 1, False)
    on = run(told(pipeline(), max_rejected=Tolerance.of("30%")), bad)
    assert (on.stopped, on.clean, on.lossless, on.states) == (None, True, False, {"written": 7, "rejected": 3})
    assert run(pipeline(), bad).clean is False


def test_rows_of_later_steps_count_as_well(project: Path) -> None:  # noqa: F811
    done = run(told(pipeline({"check": "total < 8"}), max_rejected=Tolerance(3)))
    assert (done.rejected, done.clean) == (2, True)


@pytest.mark.parametrize(
    ("said", "most", "shown"), [("20", 20, "20"), ("5%", 10, "5 %"), (" 0.5 % ", 1, "0.5 %"), ("100%", 200, "100 %")]
)
def test_a_tolerance_is_a_number_or_a_share(said: str, most: int, shown: str) -> None:
    assert (Tolerance.of(said).most(200), str(Tolerance.of(said))) == (most, shown)


@pytest.mark.parametrize("said", ["", "many", "-1", "101%", "1.5"])
def test_anything_else_is_none(said: str) -> None:
    with pytest.raises(PipelineError, match="`max_rejected` is a whole number or a share such as 5%, and this is"):
        Tolerance.of(said)


# ---- a cache


def test_another_run_takes_answers_from_the_cache_and_pays_nothing(project: Path) -> None:  # noqa: F811
    cached = told(pipeline(), cache=Cache(Path("cache")))
    first = run(cached, folder="one")
    before = rows()
    say, about = asked(answer)
    second = run(cached, say, folder="two")
    assert (about, second.calls, second.from_cache, second.cost) == ([], 0, 10, 0)
    assert first.calls == 10
    assert run(told(pipeline(), cache=None), say, folder="two").from_cache == 10  # they are in its record now
    assert about == []
    assert rows() == before


def test_what_is_tried_again_is_not_taken_from_the_cache(project: Path) -> None:  # noqa: F811
    cached = told(pipeline(), cache=Cache(Path("cache")))
    assert run(cached, doubtful("3.50")).states == {"written": 9, "rejected": 1}
    say, about = asked(answer)
    assert run(cached, say, retry=("rejected",)).states == {"written": 10}
    assert about == ["3.50"]
    assert run(cached, doubtful("3.50"), folder="other").states == {"written": 10}  # the better answer is handed on


# ---- how long texts are kept


def test_texts_go_when_the_run_has_ended_if_they_are_not_to_be_kept(project: Path) -> None:  # noqa: F811
    done = run(told(pipeline(), retention="until ended"), doubtful("3.50"))
    assert (done.states, done.not_written) == ({"written": 9, "rejected": 1}, ())
    held = b"".join(path.read_bytes() for path in Path("run").rglob("*") if path.is_file())
    assert b"company 1" not in held
    with LedgerReader(Path("run")) as reader:
        account = standing(reader)
        assert list(reader.rows(*reader.steps())) == []
    assert (account["calls"], account["rejected"], account["state"]) == (done.calls, 1, "done")
    with pytest.raises(RunError) as caught:
        run(pipeline())
    assert str(caught.value) == (
        f"run: What this run recorded was pruned ({account['pruned']}): all of it would be asked and paid for again.\n"
        "  Name another folder with --run."
    )


def test_texts_are_pruned_when_their_time_is_over(project: Path) -> None:  # noqa: F811
    run(told(pipeline(), retention=86_400.0), folder="runs/short")
    run(pipeline(), folder="runs/long")
    later = datetime.now(UTC) + timedelta(days=2)
    assert [(one.folder.name, one.what) for one in prune(Path("runs"))] == [
        ("long", "is kept for good"),
        ("short", "is kept for now"),
    ]
    pruned = {one.folder.name: one for one in prune(Path("runs"), now=later)}
    assert (pruned["short"].what, pruned["long"].what) == ("pruned", "is kept for good")
    assert [one.what for one in prune(Path("runs"), 3600.0, later)] == ["pruned", "was pruned before"]


def test_pruning_that_was_killed_is_done_again(
    project: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(pipeline(), doubtful("3.50"), folder="runs/one")
    assert Path("runs/one/rejected.jsonl").exists()

    def killed(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            list(prune(Path("runs"), 0.0))
    assert Path("runs/one/rejected.jsonl").exists()
    assert [one.what for one in prune(Path("runs"), 0.0)] == ["pruned"]
    assert not Path("runs/one/rejected.jsonl").exists()
    assert [one.what for one in prune(Path("runs"), 0.0)] == ["was pruned before"]


def test_what_is_worked_on_or_has_not_ended_is_not_pruned(project: Path) -> None:  # noqa: F811
    ledger = RunLedger(Path("runs/one"))
    asyncio.run(ledger.begin("bills", (), {}))
    assert [one.what for one in prune(Path("runs"), 0.0)] == ["is being worked on"]
    ledger.close()
    assert [one.what for one in prune(Path("runs"), 0.0)] == ["has not ended"]


@pytest.mark.parametrize(("said", "seconds"), [("30 days", 2_592_000), ("12 hours", 43_200), ("2w", 1_209_600)])
def test_a_time_is_written_as_people_write_it(said: str, seconds: float) -> None:
    assert seconds_of(said) == seconds


@pytest.mark.parametrize(
    ("kept", "said"), [(2_592_000.0, "30 days"), (43_200.0, "12 hours"), ("until ended", "until ended")]
)
def test_and_is_told_so(kept: str | float, said: str, project: Path) -> None:  # noqa: F811
    run(told(pipeline(), retention=kept))
    with LedgerReader(Path("run")) as reader:
        assert standing(reader)["retention"] == said


def test_a_commit_waits_for_the_disk_if_that_is_asked_for(project: Path) -> None:  # noqa: F811
    for synchronous, number in (("normal", 1), ("full", 2)):
        ledger = RunLedger(Path(synchronous), synchronous=synchronous)  # type: ignore[arg-type]
        for db in (ledger._writer._here, ledger._writer._connection):
            assert db.execute("pragma synchronous").fetchone() == (number,)
        ledger.close()
    assert run(told(pipeline(), synchronous="full")).states == {"written": 10}


# ---- the runs that there are


def test_a_run_can_be_seen_while_it_goes_on_and_after_it_was_killed(project: Path) -> None:  # noqa: F811
    seen: list[Any] = []

    def look(_: Any) -> None:
        if not seen:
            seen.extend(runs_in(Path("runs")))

    run(pipeline(), folder="runs/one", watch=look)
    assert [(path.name, account["state"]) for path, account in seen] == [("one", "running")]
    ((_, account),) = runs_in(Path("runs"))
    assert (account["state"], account["written"]) == ("done", 10)
    ledger = RunLedger(Path("runs/two"))
    asyncio.run(ledger.begin("bills", (), {}))
    ledger.close()
    assert [account["state"] for _, account in runs_in(Path("runs"))] == ["done", "killed"]


def test_a_run_that_is_interrupted_says_so(project: Path) -> None:  # noqa: F811
    async def cancelled() -> None:
        cascade = Cascade((FACTS,), {"scripted": Scripted(answer)})
        task = asyncio.create_task(
            execute(asked_of(pipeline(), cascade), cascade, Path("run"), watch=lambda update: task.cancel())
        )
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    with LedgerReader(Path("run")) as reader:
        assert [one.outcome for one in reader.starts()] == ["interrupted"]


def test_two_runs_are_compared_field_by_field(project: Path) -> None:  # noqa: F811
    def other(call: Call) -> Any:
        found = answer(call)
        return {**found, "total": "4.75"} if found["total"] == "4.50" else found

    run(pipeline(), doubtful("7.50"), folder="one")
    Path("in/9.txt").unlink()
    Path("in/new.txt").write_text("company 5\ntotal 20.50")
    run(pipeline(), other, folder="two")
    with LedgerReader(Path("one")) as one, LedgerReader(Path("two")) as two:
        found = compare(one, two)
        assert compare(one, one).same
    assert (found.documents, found.only, found.changed, found.same) == (9, (1, 1), 2, False)
    assert found.states == {("rejected", "written"): 1}
    assert found.fields == {"total": 1, "(number of rows)": 1}
    assert [(one.document, one.what, one.second) for one in found.differences] == [
        ("in/4.txt", "total", Decimal("4.75")),
        ("in/7.txt", "state", "written"),
        ("in/7.txt", "rows", 1),
        ("in/9.txt", "document", None),
        ("in/new.txt", "document", "written"),
    ]
    assert found.totals["documents"] == (10, 10)
    assert json.loads(json.dumps(found.plain(), default=str))["changed"] == 2


def test_a_folder_without_a_run_is_said(project: Path) -> None:  # noqa: F811
    with pytest.raises(RunError) as caught:
        LedgerReader(Path("in"))
    assert str(caught.value) == "in: This folder holds no run.\n  `extract runs` lists the runs that there are."
    with pytest.raises(RunError, match="There is no such folder"):
        LedgerReader(Path("nowhere"))


# ---- how far a run is


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    now = [0.0]
    meter = Meter(Traffic(Limits()), 1000, lambda: now[0])
    states: Counter[str] = Counter()

    def done(count: int, seconds: float) -> Any:
        for _ in range(count):
            now[0] += seconds / count
            states["written"] += 1
            meter.took(replace(ENTRY, cost=Decimal("0.01")))
            update = meter.progress(states)
        return update

    replayed = done(200, 2.0)
    assert replayed.rate == pytest.approx(100, rel=0.1)
    later = done(100, 100.0)
    assert later.rate == pytest.approx(1, rel=0.1)
    assert later.left == pytest.approx(700, rel=0.1)
    assert later.projected == Decimal("7.00")


def test_what_calls_wait_for_is_told(project: Path) -> None:  # noqa: F811
    held: list[str] = []
    slow = Limits(requests_per_minute=240, in_flight=4)
    done: Run = run(pipeline(), limits=slow, watch=lambda update: held.extend(update.held))
    assert set(held) == {"requests or tokens per minute"}
    assert done.states == {"written": 10}
    assert read_run(Path("run"))["written"] == 10


def test_the_command_knows_the_engines_of_pipelines() -> None:
    assert running.ENGINES == keys.ENGINES
