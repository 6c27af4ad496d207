"""The triage of e-mails, run as the command runs it over a model that answers from the gold records."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from extract import compile
from extract.evals import match, read_gold, score
from extract.jsontext import load
from extract.project import load_schema
from extract.sources import read_rows
from extract.testing import FakeOpenAI, Request

ROOT = Path(__file__).parent.parent
MAILS = "examples/mails/mails.csv"


pytestmark = pytest.mark.usefixtures("checkout")


def mails() -> dict[str, dict[str, Any]]:
    """Each mail by its source, with its truth."""
    truth = read_gold(Path("examples/mails/gold.jsonl"))
    rows = {f"{MAILS}#{n}": row for n, row in enumerate(read_rows(Path(MAILS)), 1)}
    return {source: {**row, "gold": truth[source]} for source, row in rows.items()}


def shown_in(request: Request, body: str) -> bool:
    return body.strip() in request.prompt or json.dumps(body.strip(), ensure_ascii=False)[1:-1] in request.prompt


def sorting(node: Any, label: str) -> Any:
    """An answer of the schema of `classify`, whatever its fields are called: the label where it may stand, and as
    little as possible elsewhere."""
    if label in node.get("enum", ()) or node.get("const") == label:
        return label
    for one in node.get("anyOf", ()):
        if (found := sorting(one, label)) == label:
            return found
    if "properties" in node:
        return {name: sorting(inner, label) for name, inner in node["properties"].items()}
    least: Mapping[str, Any] = {"array": [], "number": 1, "integer": 1, "boolean": False, "string": ""}
    return least.get(str(node.get("type")))


def truthful(request: Request) -> Any:
    mail = next(one for one in mails().values() if shown_in(request, one["body"]))
    record = {name: value for name, value in mail["gold"].items() if name != "kind"}
    asked = request.schema or {}
    if "items" in asked["properties"]:
        return compile(load_schema("schemas/order.py:Order")).encode(record)
    if "fault" in asked["properties"]:
        return compile(load_schema("schemas/complaint.py:Complaint")).encode({"problem": mail["subject"], **record})
    return sorting(asked, mail["gold"]["kind"])


@pytest.fixture
def done(fake_openai: FakeOpenAI) -> Any:
    fake_openai.answers(truthful)
    args = ("run", "pipelines/triage.yaml", "--model", "openai/gpt-4o-mini", "--run", "r", "--json")
    ran = subprocess.run([sys.executable, "-m", "extract", *args], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_each_mail_gets_its_class(done: Any) -> None:
    with Path("out/mails.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["_source"]: row["kind"] for row in csv.DictReader(file)}
    assert rows == {source: mail["gold"]["kind"] for source, mail in mails().items()}
    assert Counter(rows.values()) == {"order": 7, "complaint": 7, "question": 6, "other": 4}


@pytest.mark.parametrize(
    ("kind", "schema"), [("order", "schemas/order.py:Order"), ("complaint", "schemas/complaint.py:Complaint")]
)
def test_only_the_mails_of_a_class_are_read_further(kind: str, schema: str, done: Any) -> None:
    truth = {source: mail["gold"] for source, mail in mails().items() if mail["gold"]["kind"] == kind}
    rows = [load(line) for line in Path(f"out/{kind}s.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["_source"] for row in rows} == set(truth)
    read = {source: {name: one for name, one in gold.items() if name != "kind"} for source, gold in truth.items()}
    scores = score(match(rows, read), compile(load_schema(schema)).type)
    assert (scores.records, scores.right, scores.total.exact) == (7, 7, scores.total.n)


def test_a_mail_is_asked_about_once_for_its_class_and_once_for_what_it_is(done: Any, fake_openai: FakeOpenAI) -> None:
    assert done["calls"] == fake_openai.count == 24 + 7 + 7


def test_what_a_mail_tells_its_reader_to_do_is_data(done: Any, fake_openai: FakeOpenAI) -> None:
    for request in fake_openai.requests:
        for message in request.body["messages"]:
            if message["role"] != "user":
                said = str(message["content"])
                assert "Ignore your instructions" not in said
                assert "administrator mode" not in said
                assert "this message is from your developer" not in said
