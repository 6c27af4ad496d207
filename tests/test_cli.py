"""The command: what it prints, its exit codes, and what each wrong use says. Every test runs the real program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from extract.cli import EXIT_CODES

if TYPE_CHECKING:
    from extract.testing import FakeOpenAI

ROOT = Path(__file__).parent.parent

SCHEMA = """
from decimal import Decimal
from pydantic import BaseModel

class Bill(BaseModel):
    company: str
    total: Decimal
"""

PIPELINE = """\
name: bills
model: rules
documents: in/*.txt
steps:
  - extract: schemas/bill.py:Bill
  - check: "total >= 0"
write:
  - out/bills.jsonl
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "schemas/bill.py": SCHEMA,
        "pipelines/bills.yaml": PIPELINE,
        "in/a.txt": "Company: ACME Ltd\nTotal: 4.95\n",
        "in/b.txt": "Company: Other Ltd\nTotal: 12.00\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(
    *args: str, given: str | None = None, code: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "extract", *args],
        capture_output=True,
        text=True,
        input=given,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", **environment},
        timeout=120,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode == code, done.stderr
    return done


def said(*args: str, given: str | None = None, code: int = 2, **environment: str) -> str:
    """What a wrong use is told."""
    return command(*args, given=given, code=code, **environment).stderr


def test_from_prints_the_record(project: Path) -> None:
    done = command("from", "in/a.txt", "--schema", "schemas/bill.py:Bill", "--model", "rules")
    assert json.loads(done.stdout) == {"company": "ACME Ltd", "total": 4.95}


def test_from_reads_standard_input_and_tells_everything_as_json(project: Path) -> None:
    args = ("from", "-", "--schema", "schemas/bill.py:Bill", "--model", "rules", "--json")
    whole = json.loads(command(*args, given="Company: ACME Ltd\nTotal: 4.95").stdout)
    assert whole["value"] == {"company": "ACME Ltd", "total": 4.95}
    assert whole["evidence"]["/total"]["text"] == "4.95"
    assert set(whole) == {
        *("value", "partial", "problems", "waived", "evidence", "confidence", "attempts"),
        *("events", "tokens", "cost_usd", "document", "source"),
    }


def test_from_without_a_valid_record_says_what_is_missing(project: Path) -> None:
    done = command("from", "-", "--schema", "schemas/bill.py:Bill", "--model", "rules", given="Total: 4.95", code=1)
    assert done.stdout == ""
    assert done.stderr.startswith("error: /company: ")


def test_prompt_prints_what_would_be_sent_without_a_key(project: Path) -> None:
    shown = command("from", "in/a.txt", "--schema", "schemas/bill.py:Bill", "--prompt").stdout
    assert "document:\n===\nCompany: ACME Ltd\nTotal: 4.95\n\n===" in shown
    body = json.loads(command("from", "in/a.txt", "--schema", "schemas/bill.py:Bill", "--prompt", "--json").stdout)
    assert body["model"] == "gpt-4o-mini"
    assert body["response_format"]["json_schema"]["strict"] is True


def test_run_as_json_is_one_object(project: Path) -> None:
    done = json.loads(command("run", "pipelines/bills.yaml", "--json", "--run", "r").stdout)
    assert {name: value for name, value in done.items() if name not in ("seconds", "steps")} == {
        "run": "r",
        "in": 2,
        "written": 2,
        "filtered": 0,
        "merged": 0,
        "review": 0,
        "rejected": 0,
        "pending": 0,
        "waived": 0,
        "calls": 2,
        "tokens": {"input": 0, "cached": 0, "output": 0},
        "cost_usd": 0,
        "outputs": ["out/bills.jsonl"],
        "left_as_they_were": [],
        "not_written": [],
        "tolerated": None,
        "from_cache": 0,
        "reused": {},
        "anew": {},
        "stopped": None,
    }
    assert len(Path("out/bills.jsonl").read_text().splitlines()) == 2


def test_run_shows_progress_records_states_cost_and_where_the_files_went(project: Path) -> None:
    told = command("run", "pipelines/bills.yaml").stderr
    for part in (
        "2/2 documents",
        "ACME Ltd",
        "2 documents: 2 written",
        "rows by step",
        "$0.0000",
        "2 rows in out/bills.jsonl",
    ):
        assert part in told


def test_documents_limit_and_run_replace_what_the_pipeline_says(project: Path) -> None:
    Path("other").mkdir()
    for n in range(3):
        Path(f"other/{n}.txt").write_text(f"Company: C{n} Ltd\nTotal: {n}.00")
    args = ("run", "pipelines/bills.yaml", "--documents", "other/*.txt", "--limit", "2", "--run", "r", "--json")
    assert json.loads(command(*args).stdout)["in"] == 2


def test_the_same_pipeline_runs_on_a_model(project: Path, fake_openai: FakeOpenAI) -> None:
    fake_openai.gold({"ACME": {"company": "ACME", "total": 4.95}, "Other": {"company": "Other", "total": 12}})
    args = ("run", "pipelines/bills.yaml", "--model", "openai/gpt-4o-mini", "--run", "r", "--json")
    done = json.loads(command(*args).stdout)
    assert (done["written"], done["calls"], len(fake_openai.requests)) == (2, 2, 2)
    assert done["cost_usd"] > 0
    assert json.loads(command(*args).stdout)["written"] == 2
    assert len(fake_openai.requests) == 2


def test_rejected_documents_have_an_exit_code_and_a_file_that_says_why(project: Path) -> None:
    Path("in/c.txt").write_text("nothing to see")
    Path("in/d.txt").write_text("")
    done = command("run", "pipelines/bills.yaml", "--run", "r", code=3)
    assert "4 documents: 2 written, 2 rejected" in done.stderr
    why = {row["_source"]: row["reasons"] for row in map(json.loads, Path("r/rejected.jsonl").read_text().splitlines())}
    assert set(why) == {"in/c.txt", "in/d.txt"}
    assert "in/c.txt" in command("report", "r").stderr


def test_documents_held_for_review_have_a_file_of_their_own_and_an_exit_code(project: Path) -> None:
    Path("in/c.txt").write_text("nothing to see")
    Path("pipelines/bills.yaml").write_text(PIPELINE.replace("Bill\n", "Bill\n    on_failure: review\n"))
    done = command("run", "pipelines/bills.yaml", "--run", "r", code=3)
    assert "3 documents: 2 written, 1 review" in done.stderr
    assert "review: in/c.txt: /company" in done.stderr
    assert "what was not written, and why: r/review.jsonl" in done.stderr
    assert not Path("r/rejected.jsonl").exists()
    assert [one["_source"] for one in json.loads(command("report", "r", "--json").stdout)["not_written"]] == [
        "in/c.txt"
    ]


def test_fields_that_a_record_does_without_are_counted(project: Path, fake_openai: FakeOpenAI) -> None:
    Path("schemas/bill.py").write_text(SCHEMA + "    year: int | None = None\n")
    Path("pipelines/bills.yaml").write_text(PIPELINE.replace("Bill\n", "Bill\n    best_effort: year\n"))
    fake_openai.gold({"Total": {"company": "A", "total": 1, "year": "soon"}})
    args = ("run", "pipelines/bills.yaml", "--model", "openai/gpt-4o-mini", "--run", "r")
    done = command(*args)
    assert "2 documents: 2 written" in done.stderr
    assert "2 of the documents were kept without fields that failed" in done.stderr
    assert json.loads(command(*args, "--json").stdout)["waived"] == 2


def test_a_document_may_take_so_much(project: Path, fake_openai: FakeOpenAI) -> None:
    fake_openai.answers(lambda request: {"company": "A", "total": f"many {fake_openai.count}"})
    model = ("--model", "openai/gpt-4o-mini")
    args = ("from", "in/a.txt", "--schema", "schemas/bill.py:Bill", *model, "--tokens-per-document", "1")
    told = "error: the record: The limit of 1 tokens for one document is reached: 1 call took"
    assert told in command(*args, code=1).stderr
    assert fake_openai.count == 1
    fake_openai.reset()
    args = ("run", "pipelines/bills.yaml", *model, "--run", "r", "--json")
    assert json.loads(command(*args, "--budget-per-document", "0.000001", code=3).stdout)["rejected"] == 2
    assert fake_openai.count == 2
    limits = "limits: {per_document: {tokens: 1}}\n"
    Path("pipelines/bills.yaml").write_text(limits + PIPELINE)
    command(*args, "--budget-per-document", "5", code=3)
    assert fake_openai.count == 2


def test_runs_models_schema_parse_plan_and_report(project: Path) -> None:
    command("run", "pipelines/bills.yaml", "--run", "runs/one", "--quiet")
    assert [run["run"] for run in json.loads(command("runs", "--json").stdout)] == ["runs/one"]
    assert json.loads(command("report", "runs/one", "--json").stdout)["written"] == 2
    assert "openai/gpt-4o-mini" in json.loads(command("models", "--json").stdout)
    assert "openai/gpt-4o-mini-2024-07-18" in command("models").stdout
    assert json.loads(command("schema", "schemas/bill.py:Bill").stdout)["additionalProperties"] is False
    command("schema", "schemas/bill.py:Bill", "--explain")
    command("schema", "schemas/bill.py:Bill", "--lint", "--json")
    two = command("schema", "schemas/bill.py:Bill", "--lint", "--explain", code=2)
    assert "are two views of a schema. Give one of them." in two.stderr
    published = json.loads(command("schema", "--pipeline").stdout)
    assert (published["$id"], published["additionalProperties"]) == ("urn:extract:pipeline:1", False)
    away = command("schema", "https://example.org/bill.json", code=2)
    assert "A schema is a file, and this is an address." in away.stderr
    args = ("parse", "-", "--schema", "schemas/bill.py:Bill")
    assert json.loads(command(*args, given='```json\n{"company": "A", "total": 1.50,}\n```').stdout) == {
        "company": "A",
        "total": 1.5,
    }
    assert said(*args, given="I don't know.", code=1).startswith("error: ")
    cut = ('{"company": "A", "total": 1.5', (*args, "--policy", "lenient"))
    assert json.loads(command(*cut[1], given=cut[0]).stdout) == {"company": "A", "total": 1.5}
    assert said(*cut[1], given=cut[0], code=0).endswith(
        "warning: the answer ends before its value does; this is what was there, and it may not be all\n"
    )
    assert json.loads(command(*cut[1], "--json", given=cut[0]).stdout)["complete"] is False
    planned = json.loads(command("plan", "pipelines/bills.yaml", "--model", "openai/gpt-4o-mini", "--json").stdout)
    assert (planned["documents"], planned["asked"][0]["model"]) == (2, "openai/gpt-4o-mini")
    assert "[system]" in command("plan", "pipelines/bills.yaml", "--model", "openai/gpt-4o-mini", "--prompt").stdout


def test_init_makes_a_project_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command("init", "mine")
    monkeypatch.chdir(tmp_path / "mine")
    Path("documents/a.txt").write_text("ACME Ltd\nDate: 2024-02-03\nTotal: 4.95 EUR\n")
    done = command("run", "pipelines/receipts.yaml", "--documents", "documents/*", "--json")
    assert json.loads(done.stdout)["written"] == 1


def test_eval_holds_the_records_against_the_truth(project: Path) -> None:
    gold = [
        {"_source": "in/a.txt", "company": "ACME Ltd", "total": 4.95},
        {"_source": "in/b.txt", "company": "X", "total": 12},
    ]
    Path("gold.jsonl").write_text("\n".join(map(json.dumps, gold)))
    scores: Any = json.loads(command("eval", "pipelines/bills.yaml", "--gold", "gold.jsonl", "--json").stdout)
    assert {field["field"]: field["right"] for field in scores["fields"]} == {"company": 1, "total": 2}


WRONG = [
    (
        ("from", "no.txt", "--schema", "schemas/bill.py:Bill", "--model", "rules"),
        "error: no.txt: There is no such file.",
    ),
    (
        ("from", "in/a.txt", "--schema", "schemas/bil.py:Bill"),
        "error: schemas/bil.py:Bill: There is no such schema file.",
    ),
    (("from", "in/a.txt", "--schema", "schemas/bill.py:Bil"), "error: schemas/bill.py:Bil: There is no Bil in"),
    (("from", "in/a.txt", "--schema", "schemas/bill.py:Bill"), "error: No key for openai/gpt-4o-mini: OPENAI_API_KEY"),
    (
        ("from", "in/a.txt", "--schema", "schemas/bill.py:Bill", "--model", "openai/gpt-4o-mni"),
        "error: There is no model openai/gpt-4o-mni in the catalogue.\n  Did you mean openai/gpt-4o-mini?",
    ),
    (
        ("from", "in/a.txt", "--schema", "schemas/bill.py:Bill", "--model", "anthropic/x"),
        "error: No key for anthropic/x: ANTHROPIC",
    ),
    (("from", "in/a.txt", "--schema", "schemas/bill.py:Bill", "--setting", "x"), "write NAME=VALUE"),
    (("from", "in/a.txt"), "Missing option '--schema'"),
    (("schema",), "No schema is named. Write schemas/receipt.py:Receipt, or --pipeline for pipelines."),
    (
        ("schema", "schemas/bill.py:Bill", "--pipeline"),
        "--pipeline shows the schema of all pipelines, and takes no REF. Leave schemas/bill.py:Bill out.",
    ),
    (
        ("schema", "--pipeline", "--explain"),
        "--explain is for a schema of yours, and not for --pipeline. Give one of them.",
    ),
    (("run", "pipelines/bils.yaml"), "error: pipelines/bils.yaml: There is no such pipeline."),
    (("run", "pipelines/bills.yaml", "--documents", "none/*"), "none/*"),
    (("run", "pipelines/bills.yaml", "--detach"), "Error: --detach goes with --engine batch."),
    (("run", "pipelines/bills.yaml", "--small", "3"), "Error: --small goes with --engine batch."),
    (
        ("run", "pipelines/bills.yaml", "--model", "azure/x", "--engine", "batch"),
        "error: No key, address and API version for azure/x",
    ),
    (("report", "none"), "error: none: There is no such folder."),
    (("walk",), "No such command 'walk'"),
]


@pytest.mark.parametrize(("args", "told"), WRONG, ids=[" ".join(args) for args, _ in WRONG])
def test_wrong_uses_are_told(project: Path, args: tuple[str, ...], told: str) -> None:
    assert told in said(*args)


def test_a_typo_in_a_pipeline_has_its_line_and_column(project: Path) -> None:
    Path("pipelines/bills.yaml").write_text(PIPELINE.replace("check:", "chek:"))
    assert said("run", "pipelines/bills.yaml").startswith("error: pipelines/bills.yaml:6:5: ")


def test_a_server_that_is_not_there_is_told(project: Path) -> None:
    args = ("from", "in/a.txt", "--schema", "schemas/bill.py:Bill")
    told = said(*args, code=1, OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_API_KEY="sk-x")
    assert "there is no server at 127.0.0.1:9" in told
    assert "sk-x" not in told


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_ctrl_c_leaves_a_run_that_can_go_on(project: Path, fake_openai: FakeOpenAI, signals: list[int]) -> None:
    """So does the signal that stops a service; a second one leaves at once, and as quietly."""
    from extract.testing import Fault

    fake_openai.gold({"ACME": {"company": "ACME", "total": 4.95}, "Other": {"company": "Other", "total": 12}})
    fake_openai.faults(None, Fault("hang"))
    args = ["run", "pipelines/bills.yaml", "--model", "openai/gpt-4o-mini", "--run", "r"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "extract", *args], env=environment, stderr=subprocess.PIPE, text=True
    ) as run:
        while len(fake_openai.requests) < 2:
            time.sleep(0.05)
        time.sleep(0.5)
        for one in signals:
            run.send_signal(one)
            time.sleep(0.3)
        told = run.communicate(timeout=60)[1]
    assert run.returncode in (130, -signal.SIGINT)
    assert told.endswith("\nInterrupted. What was paid for is recorded: the same run can be started again.\n")
    assert "Traceback" not in told
    assert json.loads(command(*args, "--json").stdout)["written"] == 2
    assert len(fake_openai.requests) == 3


def test_a_run_by_batch_is_detached_and_taken_in_later(project: Path, fake_openai: FakeOpenAI) -> None:
    fake_openai.gold({"ACME": {"company": "ACME", "total": 4.95}, "Other": {"company": "Other", "total": 12}})
    fake_openai.batches.auto = False
    args = ("run", "pipelines/bills.yaml", "--model", "openai/gpt-4o-mini", "--run", "r", "--engine", "batch")
    told = command(*args, "--detach", "--quiet", code=5).stderr
    assert told == (
        "stopped: 2 requests are with the provider, in 1 batch.\n"
        "  Start the same run again to take in the answers: `extract run PIPELINE --run DIR --engine batch`.\n"
    )
    fake_openai.batches.step(3)
    done = json.loads(command(*args, "--json").stdout)
    assert (done["written"], done["calls"], done["stopped"]) == (2, 2, None)
    assert fake_openai.answered == 0


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--tokens-per-document", "0"), "Invalid value for '--tokens-per-document': 0 is not in the range x>=1."),
        (("--budget-per-document", "0"), "Invalid value for '--budget-per-document': 0.0 is not in the range x>0."),
        (
            ("--budget-per-document", "nan"),
            "error: The budget for one document is a Decimal of US dollars above 0, not Decimal('NaN').\n"
            '  Write Decimal("0.01").\n',
        ),
        (
            ("--budget-per-document", "1", "--model", "compatible/local"),
            "error: A budget for each document cannot be held: the price of compatible/local is not known.\n"
            "  Limit the tokens of a document instead, or name models with a price.\n",
        ),
    ],
    ids=["no tokens", "no money", "no number", "no price"],
)
def test_limits_that_cannot_be_held_are_refused(project: Path, args: tuple[str, ...], told: str) -> None:
    address = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    assert told in said("run", "pipelines/bills.yaml", *args, **address)
    assert told in said("from", "in/a.txt", "--schema", "schemas/bill.py:Bill", *args, **address)


def test_help_says_what_the_exit_codes_mean() -> None:
    shown = command("--help").stdout
    assert all(str(code) in shown for code in EXIT_CODES)


def test_an_error_is_an_object_as_well_where_that_was_asked_for(project: Path) -> None:
    args = ("from", "no.txt", "--schema", "schemas/bill.py:Bill", "--model", "rules")
    assert command(*args, code=2).stdout == ""
    assert json.loads(command(*args, "--json", code=2).stdout)["error"]["message"] == "There is no such file."


def test_events_are_lines_and_the_run_is_the_last(project: Path) -> None:
    lines = [json.loads(line) for line in command("run", "pipelines/bills.yaml", "--events").stdout.splitlines()]
    assert {line["event"] for line in lines} == {"CallSent", "ReplyReceived", "DocumentEnded", "RunEnded"}
    ended = [line for line in lines if line["event"] == "DocumentEnded"]
    assert sorted((line["source"], line["state"]) for line in ended) == [("in/a.txt", "ok"), ("in/b.txt", "ok")]
    assert (lines[-1]["event"], lines[-1]["written"]) == ("RunEnded", 2)


def test_what_was_rejected_is_tried_again_and_a_threshold_stops_a_run(project: Path, fake_openai: FakeOpenAI) -> None:
    fake_openai.answers(lambda request: {"company": "A", "total": "many" if wrong else 1})
    wrong = True
    args = ("run", "pipelines/bills.yaml", "--model", "openai/gpt-4o-mini", "--run", "r")
    done = command(*args, "--max-rejected", "0", code=3)
    assert "`max_rejected` is 0 of 2." in done.stderr
    wrong = False
    again = json.loads(command(*args, "--retry", "rejected", "--json").stdout)
    assert (again["written"], again["rejected"]) == (2, 0)
    assert json.loads(command(*args, "--max-rejected", "1", "--json").stdout)["tolerated"] == 1
    refused = said("run", "pipelines/bills.yaml", "--retry", "rejected")
    assert refused.endswith("Error: --retry goes with --run: it names the run whose documents are tried again.\n")
    assert said(*args, "--max-rejected", "some").startswith(
        "error: `max_rejected` is a whole number or a share such as 5%, and this is some.\n"
    )


def test_runs_are_listed_shown_compared_and_pruned(project: Path, fake_openai: FakeOpenAI) -> None:
    fake_openai.answers(lambda request: {"company": "A", "total": 1})
    args = ("run", "pipelines/bills.yaml", "--model", "openai/gpt-4o-mini", "--cache", "cache", "--quiet", "--run")
    command(*args, "runs/one")
    Path("in/c.txt").write_text("nothing\n")
    command(*args, "runs/two")
    assert fake_openai.count == 3  # two answers of the first run were taken from the cache
    listed = json.loads(command("runs", "--json").stdout)
    assert [(one["run"], one["state"], one["calls"]) for one in listed] == [
        ("runs/one", "done", 2),
        ("runs/two", "done", 1),
    ]
    shown = json.loads(command("runs", "show", "runs/two", "--json").stdout)
    assert (shown["written"], shown["from_cache"], shown["starts"][0]["outcome"]) == (3, 2, "done")
    document = json.loads(command("runs", "show", "runs/two", "--document", "in/a.txt", "--json").stdout)
    assert document["attempts"][0]["model"] == "openai/gpt-4o-mini"
    assert document["rows"][0]["company"] == "A"
    assert "in/a.txt" in command("runs", "show", "runs/two", "--document", "in/a.txt").stdout
    assert said("runs", "show", "runs/two", "--document", "in/x.txt").startswith(
        "error: runs/two: The run has no document in/x.txt.\n"
    )
    assert "2 documents are in both, 0 of them differ" in command("runs", "diff", "runs/one", "runs/two", code=3).stdout
    assert json.loads(command("runs", "diff", "runs/one", "runs/one", "--json").stdout)["same"] is True
    pruned = json.loads(command("runs", "prune", "--older-than", "0 hours", "--json").stdout)
    assert [one["what"] for one in pruned] == ["pruned", "pruned"]
    assert said(*args, "runs/one").startswith("error: runs/one: What this run recorded was pruned (")


def test_ctrl_c_while_the_command_is_still_loading_ends_it_quietly(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    ended = subprocess.run([sys.executable, "-m", "extract", "--help"], env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
