"""The ready pipelines, run as the command runs them: over a model that answers from the gold records beside their
documents, each row is what gold says, and what is no good document ends where the pipeline promises."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from extract import compile
from extract.evals import Scores, match, read_gold, score
from extract.jsontext import load
from extract.load import open_document
from extract.project import load_schema
from extract.schema import Schema
from extract.sources import read_rows
from extract.testing import FakeOpenAI, Request

ROOT = Path(__file__).parent.parent
MAILS = Path("examples/mails/mails.csv")
MODEL = ("--model", "openai/gpt-4o-mini")

QUILLON = {
    "number": "QC-30418",
    "date": "2024-04-30",
    "seller": {"name": "QUILLON COURIERS LLP"},
    "lines": [{"description": "Courier", "amount": amount} for amount in (116.00, 144.40, 36.00, 16.00)],
    "net": 321.40,
    "tax": 64.28,
    "total": 385.68,
}
"""What a right reading of 08 is: its lines make 312.40, and the paper says 321.40."""

DELIVERY = {"kind": "other", "number": "DN-884", "date": "2024-04-18", "seller": {"name": "HARTWELL"}, "total": 0}
"""What can be said of 09, which is a delivery note."""


pytestmark = pytest.mark.usefixtures("checkout")


def run(*args: str, code: int = 0) -> Any:
    """What the command says as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "extract", *args, "--json"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def lines(path: str) -> list[dict[str, Any]]:
    return [load(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def of(schema: str) -> Schema[Any]:
    return compile(load_schema(schema))


def text(path: str) -> str:
    """The text by which the fake model knows a document."""
    return open_document(Path(path)).text.strip()


def answer_from(server: FakeOpenAI, gold: str, schema: Schema[Any], **more: Any) -> dict[str, Any]:
    """Lets the model answer from the truth of the documents, and from `more` by a part of their names."""
    truth = read_gold(Path(gold))
    records = {text(source): record for source, record in truth.items()}
    for name, record in more.items():
        (path,) = Path(gold).parent.glob(f"*{name}*")
        records[text(str(path))] = record
    server.gold(records, schema)
    return truth


def held_against(rows: list[dict[str, Any]], truth: dict[str, Any], schema: Schema[Any]) -> Scores:
    return score(match(rows, truth), schema.type)


def counts(done: Any) -> dict[str, int]:
    return {state: done[state] for state in ("written", "filtered", "merged", "review", "rejected", "pending")}


NONE = {"written": 0, "filtered": 0, "merged": 0, "review": 0, "rejected": 0, "pending": 0}


@pytest.mark.parametrize(
    ("gold", "schema"),
    [
        ("examples/receipts/gold.jsonl", "schemas/receipt.py:Receipt"),
        ("examples/invoices/gold.jsonl", "schemas/invoice.py:Invoice"),
    ],
)
def test_gold_fits_its_schema(gold: str, schema: str) -> None:
    problems = {source: of(schema).check(record, None).problems for source, record in read_gold(Path(gold)).items()}
    assert {source: found for source, found in problems.items() if found} == {}


@pytest.mark.parametrize(
    ("kind", "schema"), [("order", "schemas/order.py:Order"), ("complaint", "schemas/complaint.py:Complaint")]
)
def test_gold_of_the_mails_fits_the_schemas_of_their_classes(kind: str, schema: str, fake_openai: FakeOpenAI) -> None:
    bodies = {f"examples/mails/mails.csv#{n}": row["body"] for n, row in enumerate(read_rows(MAILS), 1)}
    truth = read_gold(Path("examples/mails/gold.jsonl"))
    assert set(truth) == set(bodies)
    mine = {source: one for source, one in truth.items() if one.pop("kind") == kind}
    said = (
        {"problem": "It is not as it should be."} if kind == "complaint" else {}
    )  # free text, which gold cannot judge
    fake_openai.gold({bodies[source]: {**one, **said} for source, one in mine.items()}, of(schema))
    fake_openai.answers(lambda request: "This is something else.")
    values = {"documents": {"rows": str(MAILS), "text": "body"}, "steps": [{"extract": schema}], "write": "out.jsonl"}
    Path("pipelines/mails.yaml").write_text(json.dumps(values))
    done = run("run", "pipelines/mails.yaml", *MODEL, "--run", "r", code=3)
    assert counts(done) == {**NONE, "written": 7, "rejected": 17}
    scores = held_against(lines("out.jsonl"), mine, of(schema))
    assert (scores.records, scores.right, scores.total.exact) == (7, 7, scores.total.n)


def test_what_gold_says_of_a_mail_stands_in_it() -> None:
    bodies = {f"examples/mails/mails.csv#{n}": row["body"] for n, row in enumerate(read_rows(MAILS), 1)}
    for source, one in read_gold(Path("examples/mails/gold.jsonl")).items():
        words = [one.get(name) for name in ("company", "order_number", "deliver_to", "product")]
        words += [item[name] for item in one.get("items", ()) for name in ("article", "code")]
        assert [word for word in words if word and word not in bodies[source]] == []


def test_what_gold_says_of_an_invoice_stands_in_it() -> None:
    for source, one in read_gold(Path("examples/invoices/gold.jsonl")).items():
        parties = [party[name] for party in (one["seller"], one["buyer"]) for name in ("name", "tax_number")]
        words = [one["number"], *parties, *(line[name] for line in one["lines"] for name in ("description", "code"))]
        assert [word for word in words if word and word not in text(source)] == [], source


def test_receipts(fake_openai: FakeOpenAI) -> None:
    schema = of("schemas/receipt.py:Receipt")
    truth = answer_from(fake_openai, "examples/receipts/gold.jsonl", schema)
    fake_openai.answers(lambda request: "The part with the total is not there.")
    done = run("run", "pipelines/receipts.yaml", *MODEL, "--run", "r", code=3)
    assert counts(done) == {**NONE, "written": 14, "rejected": 2}
    scores = held_against(lines("out/receipts.jsonl"), truth, schema)
    assert (scores.records, scores.right, scores.total.exact) == (14, 14, scores.total.n)
    with Path("out/receipts.csv").open(encoding="utf-8", newline="") as file:
        assert [row["company"] for row in csv.DictReader(file)] == [one["company"] for one in truth.values()]
    assert {Path(row["_source"]).name for row in lines("r/rejected.jsonl")} == {
        "11-scan-without-total.txt",
        "16-damaged.pdf",
    }


def test_spending(fake_openai: FakeOpenAI) -> None:
    truth = answer_from(fake_openai, "examples/receipts/gold.jsonl", of("schemas/receipt.py:Receipt"))
    fake_openai.answers(lambda request: "The part with the total is not there.")
    done = run("run", "pipelines/spending.yaml", *MODEL, "--run", "r", code=3)
    assert counts(done) == {**NONE, "merged": 13, "filtered": 1, "rejected": 2}
    spent: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in truth.values():
        if one["currency"]:
            spent[one["currency"], one["date"][:7]] += Decimal(str(one["total"]))
    with Path("out/spending.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["currency"], row["month"]): Decimal(row["spent"]) for row in rows} == spent


def test_invoices_with_their_lines(fake_openai: FakeOpenAI) -> None:
    schema = of("schemas/invoice.py:Invoice")
    truth = answer_from(fake_openai, "examples/invoices/gold.jsonl", schema, quillon=QUILLON, delivery=DELIVERY)
    done = run("run", "pipelines/invoices.yaml", *MODEL, "--run", "r", code=3)
    assert counts(done) == {**NONE, "written": 7, "review": 1, "rejected": 1}
    rows = lines("out/invoices.jsonl")
    scores = held_against(rows, truth, schema)
    assert (scores.records, scores.right, scores.total.exact) == (7, 7, scores.total.n)
    assert {row["number"]: row["open"] for row in rows} == {
        one["number"]: one["due"] or one["total"] for one in truth.values()
    }


def test_the_lines_of_all_invoices_are_one_flat_table(fake_openai: FakeOpenAI) -> None:
    schema = of("schemas/invoice.py:Invoice")
    truth = answer_from(fake_openai, "examples/invoices/gold.jsonl", schema, quillon=QUILLON, delivery=DELIVERY)
    run("run", "pipelines/invoices.yaml", *MODEL, "--run", "r", code=3)
    with Path("out/invoice_lines.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["_source"] for row in rows) == {source: len(one["lines"]) for source, one in truth.items()}
    for source, one in truth.items():
        mine = [row for row in rows if row["_source"] == source]
        sign = -1 if one["kind"] == "credit_note" else 1
        assert [int(row["position"]) for row in mine] == list(range(1, len(mine) + 1))
        assert [row["description"] for row in mine] == [line["description"] for line in one["lines"]]
        assert sum(Decimal(row["amount"]) for row in mine) == sign * Decimal(str(one["net"]))


def test_a_paper_that_does_not_add_up_is_held_and_one_that_is_no_invoice_is_rejected(fake_openai: FakeOpenAI) -> None:
    schema = of("schemas/invoice.py:Invoice")
    answer_from(fake_openai, "examples/invoices/gold.jsonl", schema, quillon=QUILLON, delivery=DELIVERY)
    run("run", "pipelines/invoices.yaml", *MODEL, "--run", "r", code=3)
    (held,), (rejected,) = lines("r/review.jsonl"), lines("r/rejected.jsonl")
    assert held["_source"] == "examples/invoices/08-quillon-couriers.txt"
    assert {reason.split(":")[0] for reason in held["reasons"]} == {"/lines", "/net", "/total"}
    assert rejected["_source"] == "examples/invoices/09-delivery-note.txt"
    assert rejected["reasons"] == ["It does not hold that kind != 'other'."]
    asked = Counter(name for one in fake_openai.requests for name in ("QUILLON", "DELIVERY NOTE") if name in one.prompt)
    assert asked["QUILLON"] > 1
    assert asked["DELIVERY NOTE"] == 1


def test_an_amount_that_was_misread_is_asked_for_again_and_mended(fake_openai: FakeOpenAI) -> None:
    schema = of("schemas/invoice.py:Invoice")
    first = read_gold(Path("examples/invoices/gold.jsonl"))["examples/invoices/01-hartwell-signs.txt"]
    misread = json.loads(json.dumps(first, default=float))
    misread["lines"][1]["amount"] = 116.00

    def misreading(request: Request) -> Any:
        once = "Gilding" in request.document and not any("Gilding" in one.document for one in earlier)
        earlier.append(request)
        return schema.encode(misread) if once else None

    earlier: list[Request] = []
    fake_openai.answers(misreading)
    truth = answer_from(fake_openai, "examples/invoices/gold.jsonl", schema, quillon=QUILLON, delivery=DELIVERY)
    args = ("--documents", "examples/invoices/01-hartwell-signs.txt", "--run", "r")
    assert counts(run("run", "pipelines/invoices.yaml", *MODEL, *args)) == {**NONE, "written": 1}
    assert fake_openai.count == 2
    scores = held_against(lines("out/invoices.jsonl"), truth, schema)
    assert (scores.right, scores.absent) == (1, 6)


@pytest.mark.parametrize(("name", "records"), [("receipts", 14), ("invoices", 7)])
def test_the_truth_is_in_the_form_that_eval_reads(name: str, records: int, fake_openai: FakeOpenAI) -> None:
    schema = of(f"schemas/{name[:-1]}.py:{name[:-1].title()}")
    answer_from(fake_openai, f"examples/{name}/gold.jsonl", schema)
    scores = run("eval", f"pipelines/{name}.yaml", "--gold", f"examples/{name}/gold.jsonl", *MODEL)
    assert (scores["records"], scores["right"]) == (records, records)


def test_what_the_built_in_reader_gets_past_the_checks_is_right_in_every_amount() -> None:
    schema = of("schemas/invoice.py:Invoice")
    done = run("run", "pipelines/invoices.yaml", "--run", "r", code=3)
    assert done["written"] >= 2
    rows, truth = lines("out/invoices.jsonl"), read_gold(Path("examples/invoices/gold.jsonl"))
    found = {one.field: one for one in held_against(rows, truth, schema).fields}
    for field in ("net", "tax", "total", "lines[].amount"):
        assert (found[field].right > 0, found[field].wrong, found[field].extra) == (True, 0, 0)
