"""The laws of pipelines: what is written is what is meant, or every error says where, what and how to mend it."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from extract.document_limits import DocumentLimits
from extract.errors import PipelineError
from extract.nodes import Record
from extract.pipeline import (
    DOCUMENTS,
    Check,
    Extract,
    Files,
    Pipeline,
    Rows,
    Set,
    Sql,
    Where,
    Write,
    load_pipeline,
)
from extract.sources import Source
from extract.templates import Template

RECEIPT = """
from __future__ import annotations
from datetime import date
from typing import Literal
from pydantic import BaseModel

class Line(BaseModel):
    name: str
    total: float

class Receipt(BaseModel):
    company: str
    date: date
    total: float
    tax: float | None = None
    kind: Literal["receipt", "invoice"] = "receipt"
    lines: list[Line] = []

Totals = list[float]
"""
WHOLE = """\
name: receipts of May
model: [rules, openai/gpt-4o-mini]
limits: {budget_usd: 0.10, requests_per_minute: 500, tokens_per_minute: 200000, in_flight: 64}
documents: docs/*.txt
settings: {temperature: 0, date_order: DMY}
attempts: 2
steps:
  - extract: schemas/receipt.py:Receipt
    instructions: |
      Read the receipt.
      Amounts are in euro.
    examples: shots.jsonl
    settings: {temperature: 0.5, seed: 7}
    on_failure: review
  - check: total >= 0
  - check: "sum(lines.total) == total or count(lines) == 0"
  - where: date.year == 2018
  - set: {net: "total - coalesce(tax, 0)", rate: 0.19}
  - check: net > 0
    on_failure: review
  - write: {to: out/rows.jsonl, with: [evidence, cost]}
  - sql: >
      select company, sum(net) as spent, max(date) as last
      from rows group by company
  - where: spent > 1 and last.year == 2018
write:
  - out/companies.parquet
"""
HEAD = "documents: docs/*.txt\nsteps:\n  - extract: schemas/receipt.py:Receipt\n"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("schemas", "pipelines", "docs/more"):
        (tmp_path / folder).mkdir(parents=True)
    Path("schemas/receipt.py").write_text(RECEIPT)
    Path("docs/b.txt").write_text("b")
    Path("docs/a.txt").write_text("a")
    Path("docs/.hidden.txt").write_text("h")
    Path("docs/more/c.md").write_text("c")
    Path("mails.csv").write_text("from,body,total\nme,hello,1\n")
    Path("shots.jsonl").write_text('{"text": "x", "record": {"company": "a", "date": "2018-01-01", "total": 1.5}}\n')


def load(text: str, **overrides: Any) -> Pipeline:
    Path("p.yaml").write_text(dedent(text), "utf-8")
    return load_pipeline("p.yaml", **overrides)


def wrong(text: str) -> str:
    with pytest.raises(PipelineError) as raised:
        load(text)
    return str(raised.value)


# What is written is what is meant


def test_a_whole_pipeline() -> None:
    pipeline = load(WHOLE)
    assert pipeline.name == "receipts of May"
    assert pipeline.model == ("rules", "openai/gpt-4o-mini")
    assert pipeline.limits == {
        "budget_usd": Decimal("0.10"),
        "requests_per_minute": 500.0,
        "tokens_per_minute": 200000.0,
        "in_flight": 64,
    }
    assert [step.name for step in pipeline.steps] == [
        "1 extract",
        "2 check",
        "3 check",
        "4 where",
        "5 set",
        "6 check",
        "7 write",
        "8 sql",
        "9 where",
    ]
    assert [str(step.place) for step in pipeline.steps[:2]] == ["p.yaml:8:5", "p.yaml:15:5"]


def test_an_extract_has_its_own_settings_and_the_checks_that_follow_it() -> None:
    extract = load(WHOLE).asked[0]
    assert extract.instructions == Template("Read the receipt.\nAmounts are in euro.")
    assert extract.settings == {"temperature": 0.5, "seed": 7, "date_order": "DMY"}
    assert (extract.attempts, extract.on_failure) == (2, "review")
    assert [check.condition.text for check in extract.checks] == [
        "total >= 0",
        "sum(lines.total) == total or count(lines) == 0",
    ]
    assert [check.condition.pointers for check in extract.checks] == [("/total",), ("/lines", "/total")]
    assert extract.examples[0].text == "x"
    assert extract.examples[0].value == {"company": "a", "date": "2018-01-01", "total": 1.5}


def test_a_stage_begins_where_all_rows_are_needed() -> None:
    pipeline = load(WHOLE)
    assert pipeline.stages == (DOCUMENTS, 8)
    assert [step.name for step in pipeline.flowing] == [
        *("1 extract", "4 where", "5 set", "6 check", "7 write", "8 sql", "9 where"),
    ]
    assert {number: sorted(several) for number, several in pipeline.feeding.items()} == {
        **{number: [DOCUMENTS] for number in (DOCUMENTS, 1, 4, 5, 6, 7)},
        **{number: [8] for number in (8, 9)},
    }
    readers = {number: [one.number for one in several] for number, several in pipeline.readers.items()}
    assert readers == {DOCUMENTS: [1], 1: [4], 4: [5], 5: [6], 6: [7], 7: [8], 8: [9], 9: [10]}
    assert pipeline.kept == {6, 7, 9}
    late = pipeline.steps[5]
    assert isinstance(late, Check)
    assert (late.joined, late.on_failure) == (False, "review")


def test_what_is_written_where() -> None:
    pipeline = load(WHOLE)
    assert [(str(step.target), step.extras) for step in pipeline.steps if isinstance(step, Write)] == [
        ("out/rows.jsonl", ("evidence", "cost"))
    ]
    assert [(str(write.target), write.extras) for write in pipeline.writes] == [("out/companies.parquet", ())]
    assert [str(write.target) for write in pipeline.outputs()] == ["out/rows.jsonl", "out/companies.parquet"]


def test_the_types_of_rows_follow_the_steps() -> None:
    names = []
    for step in load(WHOLE).steps:
        assert isinstance(step.type.root, Record)
        names.append([field.name for field in step.type.root.fields])
    receipt = ["company", "date", "total", "tax", "kind", "lines"]
    assert names[0] == [*receipt, "_id", "_source"]
    assert names[4] == [*receipt, "net", "rate", "_id", "_source"]
    assert names[8] == ["company", "spent", "last", "_id", "_source"]


def test_the_least_pipeline() -> None:
    pipeline = load(HEAD)
    assert (pipeline.name, pipeline.model, pipeline.limits, pipeline.settings, pipeline.writes) == (
        "p",
        ("openai/gpt-4o-mini",),
        {},
        {},
        (),
    )
    assert pipeline.asked[0].on_failure == "reject"
    assert pipeline.asked[0].attempts is None


def test_limits_of_each_document_are_part_of_the_limits() -> None:
    pipeline = load(HEAD + "limits: {in_flight: 2, per_document: {attempts: 2, tokens: 20000, budget_usd: 0.01}}\n")
    assert pipeline.limits == {"in_flight": 2}
    assert pipeline.per_document == DocumentLimits(20000, Decimal("0.01"))
    assert pipeline.asked[0].attempts == 2
    assert load(HEAD).per_document == DocumentLimits()
    own = load(HEAD + "    attempts: 4\nlimits: {per_document: {attempts: 2}}\n")
    assert own.asked[0].attempts == 4


def test_best_effort_names_fields_of_the_schema() -> None:
    assert load(HEAD + "    best_effort: [tax, kind, lines]\n").asked[0].best_effort == ("tax", "kind", "lines")
    assert load(HEAD + "    best_effort: tax\n").asked[0].best_effort == ("tax",)
    assert load(HEAD).asked[0].best_effort == ()
    assert load(HEAD + "    best_effort: tax\n").fingerprint != load(HEAD).fingerprint


def test_python_values_make_the_same_pipeline() -> None:
    steps: list[dict[str, Any]] = [
        {"extract": "schemas/receipt.py:Receipt", "settings": {"temperature": 0.5}},
        {"check": "total >= 0"},
    ]
    made = Pipeline.of(
        {"documents": ["docs/*.txt"], "steps": steps, "limits": {"budget_usd": 0.1}, "write": Path("out/a.csv")}
    )
    written = load(
        HEAD + "    settings: {temperature: 0.5}\n  - check: total >= 0\nwrite: out/a.csv\nlimits: {budget_usd: 0.1}\n"
    )
    assert made.plain() == written.plain()
    assert made.fingerprint == written.fingerprint
    assert made.limits == written.limits
    assert [step.verb for step in made.steps] == ["extract", "check"]


def test_the_fingerprint_knows_what_is_done_to_a_document_and_not_how_much_it_may_cost() -> None:
    first = load(HEAD).fingerprint
    assert load(HEAD + "limits: {budget_usd: 5}\nwrite: out/a.csv\n").fingerprint == first
    assert load(HEAD + "limits: {per_document: {tokens: 5}}\n").fingerprint == first
    assert load(HEAD, documents="docs/a.txt", model="rules").fingerprint == first
    assert load(HEAD + "  - where: total > 1\n").fingerprint != first
    assert load(HEAD + "settings: {seed: 1}\n").fingerprint != first
    Path("schemas/receipt.py").write_text(RECEIPT.replace("tax:", "vat:") + "# changed\n")
    assert load(HEAD).fingerprint != first


@pytest.mark.parametrize(
    ("documents", "found"),
    [
        ("docs/*.txt", ["docs/a.txt", "docs/b.txt"]),
        ("[docs/b.txt, docs/*.txt]", ["docs/b.txt", "docs/a.txt"]),
        ("docs", ["docs/a.txt", "docs/b.txt", "docs/more/c.md"]),
        ("docs/**/*.md", ["docs/more/c.md"]),
        ("./docs/a.txt", ["docs/a.txt"]),
    ],
)
def test_documents_that_are_files(documents: str, found: list[str]) -> None:
    pipeline = load(HEAD.replace("docs/*.txt", documents))
    assert isinstance(pipeline.documents, Files)
    assert [path.as_posix() for path in pipeline.documents.paths()] == found


def test_documents_that_are_files_may_say_what_goes_to_the_model_of_a_pdf() -> None:
    pipeline = load(HEAD.replace("docs/*.txt", "{files: docs/*.txt, pdf: file}"))
    assert isinstance(pipeline.documents, Files)
    assert (pipeline.documents.patterns, pipeline.documents.pdf) == (("docs/*.txt",), "file")
    assert load(HEAD).documents.pdf == "auto"  # type: ignore[union-attr]


def test_documents_that_are_rows() -> None:
    Path("note.json").write_text('{"title": "Note", "type": "object", "properties": {"about": {"type": "string"}}}')
    pipeline = load(
        "documents: {rows: mails.csv, text: body}\nsteps:\n  - extract: note.json\n  - where: row['from'] == 'me'\n"
    )
    source = Source("mails.csv", Path.cwd() / "mails.csv")
    assert pipeline.documents == Rows(source, "body", ("from", "total"))


def test_documents_and_tables_may_be_in_a_database() -> None:
    db = sqlite3.connect("shop.db")
    db.executescript("create table mails (sender text, body text); insert into mails values ('me', 'hello');")
    db.close()
    text = (
        "documents: {rows: shop.db, table: mails, text: body}\nsteps:\n  - where: sender == 'me'\n"
        "  - sql: select m.sender from rows join m using (sender)\n"
        '    tables: {m: {rows: shop.db, query: "select sender from mails"}}\n'
    )
    documents = load(text).documents
    assert isinstance(documents, Rows)
    assert (documents.name, documents.columns) == ("shop.db (mails)", ("sender",))
    assert wrong(text.replace("table: mails", "table: mals")) == (
        "p.yaml:1:19: shop.db: There is no table `mals`.\n  Did you mean `mails`?"
    )
    assert wrong(text.replace("sender == 'me'", "sendr == 'me'")).startswith("p.yaml:3:12: There is no field `sendr`.")


def test_what_is_given_beside_replaces_what_is_written() -> None:
    pipeline = load(HEAD.replace("docs", "nowhere"), documents=["docs/a.txt"], model=["rules"])
    assert isinstance(pipeline.documents, Files)
    assert list(pipeline.documents.paths()) == [Path("docs/a.txt")]
    assert pipeline.model == ("rules",)


def test_schemas_and_documents_are_found_above_the_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pipelines/p.yaml").write_text(HEAD)
    monkeypatch.chdir(tmp_path / "pipelines")
    pipeline = Pipeline.load("p.yaml")
    assert isinstance(pipeline.documents, Files)
    assert list(pipeline.documents.paths()) == [tmp_path / "docs/a.txt", tmp_path / "docs/b.txt"]


def test_yaml_is_version_1_2_with_anchors() -> None:
    pipeline = load(HEAD + "  - set: {yes: no, on: 0o17, a: &a total, b: *a }\n".replace("no,", "'1',"))
    step = pipeline.steps[1]
    assert isinstance(step, Set)
    assert [(name, value.text) for name, value in step.values] == [
        ("yes", "1"),
        ("on", "0o17"),
        ("a", "total"),
        ("b", "total"),
    ]


def test_pipelines_are_values() -> None:
    for one, other in zip(load(WHOLE).steps, load(WHOLE).steps, strict=True):
        if not isinstance(one, Write):  # a target is a value of its own room
            assert one == other
    with pytest.raises(AttributeError):
        load(WHOLE).name = "x"  # type: ignore[misc]
    assert {type(step) for step in load(WHOLE).steps} == {Extract, Check, Where, Set, Write, Sql}


# Every error says where, what was meant, and how to mend it

KEYS = (
    "name, model, documents, steps, write, limits, settings, on_failure, attempts, offline, hosts, variables, engine, "
    "max_rejected, record, cache"
)
OWN = "company, date, total, tax, kind, lines"
FIELDS = f"{OWN}, _id, _source"

BROKEN: list[tuple[str, str]] = [
    # the YAML itself
    ("", "p.yaml: The pipeline is empty.\n  Write `documents:` and `steps:` into it."),
    ("- a\n", "p.yaml:1:1: A pipeline is a mapping of keys, and this is a list.\n  Write `steps:`."),
    ("just text", "p.yaml:1:1: A pipeline is a mapping of keys, and this is text.\n  Write `steps:`."),
    (
        "name: a\nname: b\n",
        "p.yaml:2:1: The key `name` stands here twice; it was first on line 1.\n  Keep one of them.",
    ),
    (
        "name: a: b\n",
        "p.yaml:1:8: The YAML cannot be read: mapping values are not allowed here.\n"
        "  Put quotes around a value that holds `: `, and check the indentation.",
    ),
    (
        "steps:\n\t- a\n",
        "p.yaml:2:1: The YAML cannot be read: found character '\\t' that cannot start any token.\n"
        "  Indent with spaces, and put a value that begins with a special character into quotes.",
    ),
    ("name: 'a\n", "p.yaml:2:1: The YAML cannot be read: found unexpected end of stream.\n  Close the quotes."),
    (
        "steps: [a\n",
        "p.yaml:2:1: The YAML cannot be read: expected ',' or ']', but got '<stream end>'.\n"
        "  Close the bracket, and put commas between the items.",
    ),
    (
        "name: *a\n",
        "p.yaml:1:7: The YAML cannot be read: found undefined alias 'a'.\n"
        "  Put quotes around a value that begins with `*`.",
    ),
    (
        "name: !!python/name:os.system x\n",
        "p.yaml:1:7: A pipeline has no tags.\n  Take the word that begins with `!` out.",
    ),
    ("name: &a [*a]\n", "p.yaml:1:7: A value cannot hold itself.\n  Take the `*` alias out."),
    ("[1]: a\n", "p.yaml:1:1: A key is a word, and this is not.\n  Put quotes around the key."),
    (
        "name: a\n---\nname: b\n",
        "p.yaml:2:1: The YAML cannot be read: but found another document.\n  Write one pipeline a file.",
    ),
    ("a: " + "[" * 600, "p.yaml: The YAML is nested too deeply."),
    (
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "p.yaml:1:32: The pipeline holds more than 50000 values.",
    ),
    # keys of the pipeline
    (
        "documents: docs\n",
        "p.yaml:1:1: `steps` is missing.\n"
        "  Write what to do with them: `steps:` and under it `- extract: schemas/receipt.py:Receipt`.",
    ),
    (
        HEAD.replace("documents: docs/*.txt\n", ""),
        "p.yaml:1:1: `documents` is missing.\n  Write which documents to read: `documents: examples/receipts/*.txt`.",
    ),
    (HEAD + "limit: {budget_usd: 1}\n", "p.yaml:4:1: A pipeline has no key `limit`.\n  Did you mean `limits`?"),
    (HEAD + "zzz: 1\n", f"p.yaml:4:1: A pipeline has no key `zzz`.\n  Its keys: {KEYS}."),
    (
        HEAD + "version: 1\n",
        "p.yaml:4:1: `version` is not built yet.\n  Leave it out; this version has one form of pipeline.",
    ),
    (HEAD + "name: [a]\n", "p.yaml:4:7: `name` is text, and this is a list."),
    (HEAD + "name: ''\n", "p.yaml:4:7: `name` is empty."),
    (
        HEAD + "model: gpt-4o\n",
        "p.yaml:4:8: `gpt-4o` is not a model: a model is named provider/model.\n"
        "  Write openai/gpt-4o, or rules for the built-in reader.",
    ),
    (
        HEAD + "model: [rules, rules]\n",
        "p.yaml:4:16: The model rules stands in the cascade twice.\n  Take one of them out.",
    ),
    (HEAD + "model: []\n", "p.yaml:4:8: `model` is an empty list."),
    (HEAD + "limits: 5\n", "p.yaml:4:9: `limits` is a mapping of keys, and this is a number."),
    (HEAD + "limits: {budget: 5}\n", "p.yaml:4:10: `limits` has no key `budget`.\n  Did you mean `budget_usd`?"),
    (HEAD + "limits: {budget_usd: -5}\n", "p.yaml:4:22: `budget_usd` is a number from 0, and this is -5."),
    (HEAD + "limits: {budget_usd: 5 USD}\n", "p.yaml:4:22: `budget_usd` is a number from 0, and this is text."),
    (HEAD + "limits: {in_flight: 0}\n", "p.yaml:4:21: `in_flight` is a whole number above 0, and this is 0."),
    (HEAD + "limits: {in_flight: 1.5}\n", "p.yaml:4:21: `in_flight` is a whole number above 0, and this is 1.5."),
    (
        HEAD + "limits: {tokens_per_minute: .inf}\n",
        "p.yaml:4:29: `tokens_per_minute` is a number above 0, and this is .inf.",
    ),
    (
        HEAD + "settings: {temprature: 0}\n",
        "p.yaml:4:12: There is no setting `temprature`.\n  Did you mean `temperature`?",
    ),
    (HEAD + "settings: {temperature: 3}\n", "p.yaml:4:25: `temperature` is a number from 0 to 2, and this is 3."),
    (HEAD + "settings: {top_p: high}\n", "p.yaml:4:19: `top_p` is a number from 0 to 1, and this is 'high'."),
    (
        HEAD + "settings: {date_order: DYM}\n",
        "p.yaml:4:24: `date_order` is DMY, MDY or YMD, and this is 'DYM'.\n  Did you mean `YMD`?",
    ),
    (
        HEAD + "limits: {per_document: 5}\n",
        "p.yaml:4:24: `per_document` is a mapping of keys, and this is a number.",
    ),
    (
        HEAD + "limits: {per_document: {token: 5}}\n",
        "p.yaml:4:25: `per_document` has no key `token`.\n  Did you mean `tokens`?",
    ),
    (
        HEAD + "limits: {per_document: {tokens: 1.5}}\n",
        "p.yaml:4:33: `tokens` is a whole number above 0, and this is 1.5.",
    ),
    (
        HEAD + "limits: {per_document: {budget_usd: 0}}\n",
        "p.yaml:4:37: `budget_usd` is a number above 0, and this is 0.",
    ),
    (
        HEAD + "limits: {per_document: {budget_usd: 0.01}}\nmodel: [openai/gpt-4o-mini, compatible/local]\n",
        "p.yaml:4:37: A budget for each document cannot be held: the price of compatible/local is not known.\n"
        "  Limit the tokens of a document instead, or name models with a price.",
    ),
    (
        HEAD + "attempts: 2\nlimits: {per_document: {attempts: 3}}\n",
        "p.yaml:5:35: `attempts` is said twice: here, and for the pipeline as a whole.\n  Take one of them out.",
    ),
    (
        HEAD + "    best_effort: [tax, totl]\n",
        "p.yaml:4:24: Receipt has no field `totl`.\n  Did you mean `total`?",
    ),
    (
        HEAD + "    best_effort: [lines.total]\n",
        "p.yaml:4:19: `lines.total` of Receipt is required and has no null: a record cannot do without it.\n"
        "  Let it be null or give it a default in the schema, or take it out of best_effort.",
    ),
    (HEAD + "    best_effort: {tax: 1}\n", "p.yaml:4:18: `best_effort` is text, and this is a mapping."),
    (HEAD + "    best_effort: []\n", "p.yaml:4:18: `best_effort` is an empty list."),
    (HEAD + "on_failure: ignore\n", "p.yaml:4:13: `on_failure` is reject, review or keep, and this is `ignore`."),
    (HEAD + "attempts: 0\n", "p.yaml:4:11: `attempts` is a whole number above 0, and this is 0."),
    # documents
    (HEAD.replace("*.txt", "*.pdf"), "p.yaml:1:12: No document matches docs/*.pdf.\n  The files in docs end in .txt."),
    (
        HEAD.replace("docs/*.txt", "[docs/*.txt, dcs/*.txt]"),
        "p.yaml:1:25: No document matches dcs/*.txt.\n"
        "  There is no folder dcs; paths are relative to the folder that the command runs in.",
    ),
    (
        HEAD.replace("docs/*.txt", "{files: docs/*.txt, pdf: fil}"),
        "p.yaml:1:37: `pdf` is auto, text or file, and this is `fil`.\n  Did you mean `file`?",
    ),
    (
        HEAD.replace("docs/*.txt", "{pdf: file}"),
        "p.yaml:1:12: `files` is missing.\n  Write `documents: {files: in/*.pdf, pdf: file}`.",
    ),
    (
        HEAD + "settings: {image_detail: sharp}\n",
        "p.yaml:4:26: `image_detail` is auto, low or high, and this is 'sharp'.",
    ),
    (HEAD.replace("docs/*.txt", "5"), "p.yaml:1:12: `documents` is text, and this is a number."),
    (
        HEAD.replace("docs/*.txt", "{text: body}"),
        "p.yaml:1:12: Documents that are rows need `rows`.\n  Write `documents: {rows: mails.csv, text: body}`.",
    ),
    (
        HEAD.replace("docs/*.txt", "{rows: mail.csv, text: body}"),
        "p.yaml:1:19: There is no file mail.csv.\n  Paths are relative to the folder that the command runs in.",
    ),
    (
        HEAD.replace("docs/*.txt", "{rows: docs/a.txt, text: body}"),
        "p.yaml:1:19: Rows are read from .csv, .tsv, .jsonl, .parquet, .duckdb, .db, .sqlite and .sqlite3.",
    ),
    (
        HEAD.replace("docs/*.txt", "{rows: mails.csv, text: bdy}"),
        "p.yaml:1:36: mails.csv has no column `bdy`.\n  Did you mean `body`?",
    ),
    (
        HEAD.replace("docs/*.txt", "{rows: mails.csv, text: body}"),
        "p.yaml:3:14: The schema's field `total` has the name of a field of the rows that it reads.\n"
        "  Rename one of them (an alias in the schema will do), or say with `keep` which fields come along.",
    ),
    (
        HEAD.replace("docs/*.txt", "${DATA}/*.txt"),
        "p.yaml:1:12: The variable `DATA` has no value.\n"
        "  Give it with --set DATA=value, or set it in the environment.",
    ),
    # steps
    (
        HEAD.replace("  - extract", "   extract"),
        "p.yaml:3:4: `steps` is a list, and this is a mapping.\n  Begin each step with `- `.",
    ),
    (
        "documents: docs\nsteps: []\n",
        "p.yaml:2:8: `steps` is an empty list.\n  Write a step: `- extract: schemas/...`.",
    ),
    (
        HEAD + "  - check\n",
        "p.yaml:4:5: A step is a verb with its argument, and this is text.\n  Write `- check: ...`.",
    ),
    (HEAD + "  - {}\n", "p.yaml:4:5: A step is empty.\n  Write `- verb: argument`."),
    (HEAD + "  - chek: total > 0\n", "p.yaml:4:5: There is no verb `chek`.\n  Did you mean `check`?"),
    (
        HEAD + "  - zzz: 1\n",
        "p.yaml:4:5: There is no verb `zzz`.\n"
        "  The verbs: extract, classify, check, where, set, unnest, sql, python, sample, review, write.",
    ),
    (
        HEAD + "  - where: total > 0\n    set: {a: total}\n",
        "p.yaml:5:5: A step has one verb, and this has `where` and `set`.\n  Begin a step of its own: `- set: ...`.",
    ),
    (
        HEAD + "  - resolve: company\n",
        "p.yaml:4:5: The verb `resolve` is not built yet.\n  A `sql` step brings rows together whose keys are equal.",
    ),
    (
        HEAD + "  - where: total > 0\n    fom: a\n",
        "p.yaml:5:5: The step `where` has no key `fom`.\n  Did you mean `from`?",
    ),
    (
        "documents: docs\nsteps:\n  - where: total > 0\n",
        "p.yaml:3:12: There is no field `total`.\n"
        "  The fields here: _id, _source. Files have no fields: an `extract` before gives them some.",
    ),
    # extract
    (
        HEAD.replace("Receipt", "Recept"),
        "p.yaml:3:14: There is no Recept in schemas/receipt.py.\n"
        "  Did you mean Receipt? The names in it: Line, Receipt.",
    ),
    (
        HEAD.replace("receipt.py", "receit.py"),
        "p.yaml:3:14: There is no such schema file.\n  Did you mean schemas/receipt.py?",
    ),
    (
        HEAD.replace("Receipt", "Totals"),
        "p.yaml:3:14: A row is a record, and schemas/receipt.py:Totals is not.\n"
        "  Put it into a model with a field for it.",
    ),
    (
        HEAD + "    instruction: Read.\n",
        "p.yaml:4:5: The step `extract` has no key `instruction`.\n  Did you mean `instructions`?",
    ),
    (HEAD + "    instructions: [a]\n", "p.yaml:4:19: `instructions` is text, and this is a list."),
    (
        HEAD + "    examples: shot.jsonl\n",
        "p.yaml:4:15: There is no file shot.jsonl with examples.\n"
        "  Paths are relative to the folder that the command runs in.",
    ),
    (
        HEAD + "    examples: [{text: a}]\n",
        'p.yaml:4:16: An example has a `text` and its `record`.\n  Write {"text": "...", "record": {...}}.',
    ),
    # expressions
    (
        HEAD + "  - check: totl >= 0\n",
        f"p.yaml:4:12: There is no field `totl`.\n  Did you mean `total`? The fields here: {OWN}.",
    ),
    (
        HEAD + "  - where: company == 'a' and totl >= 0\n",
        f"p.yaml:4:31: There is no field `totl`.\n  Did you mean `total`? The fields here: {FIELDS}.",
    ),
    (
        HEAD + "  - where: \"company == 'a' and totl >= 0\"\n",
        f"p.yaml:4:32: There is no field `totl`.\n  Did you mean `total`? The fields here: {FIELDS}.",
    ),
    (
        HEAD + "  - where: 'company == ''a'' and totl >= 0'\n",
        f"p.yaml:4:34: There is no field `totl`.\n  Did you mean `total`? The fields here: {FIELDS}.",
    ),
    (
        HEAD + '  - where: "company == \\"\\u00e9\\" and totl >= 0"\n',
        f"p.yaml:4:39: There is no field `totl`.\n  Did you mean `total`? The fields here: {FIELDS}.",
    ),
    (
        HEAD + "  - where: >\n      total > 1\n      and\n\n      totl > 1\n",
        f"p.yaml:8:7: There is no field `totl`.\n  Did you mean `total`? The fields here: {FIELDS}.",
    ),
    (
        HEAD + "  - where: |\n      total > 1\n        and totl > 1\n",
        f"p.yaml:6:13: There is no field `totl`.\n  Did you mean `total`? The fields here: {FIELDS}.",
    ),
    (
        HEAD + "  - where: total > 1\n      and totl > 1\n",
        f"p.yaml:5:11: There is no field `totl`.\n  Did you mean `total`? The fields here: {FIELDS}.",
    ),
    (HEAD + "  - where: total = 1\n", "p.yaml:4:18: `=` is not part of an expression.\n  Write `==` to compare."),
    (
        HEAD + "  - where: total\n",
        "p.yaml:4:12: A condition is needed here, and this gives a number.\n"
        "  Compare it with something, such as `total > 0`.",
    ),
    (
        HEAD + "  - where: kind == 'recipt'\n",
        "p.yaml:4:20: `kind` is never 'recipt'.\n  Did you mean 'receipt'? It is one of 'receipt', 'invoice'.",
    ),
    (
        HEAD + "  - where: [total > 1]\n",
        "p.yaml:4:12: `where` is an expression, and this is a list.\n  Put quotes around the whole expression.",
    ),
    (HEAD + "  - where:\n", "p.yaml:4:5: `where` says nothing.\n  Write `- where: total > 0`."),
    (
        HEAD + "  - check: total > 0\n    on_failure: review\n",
        "p.yaml:5:17: A check that stands directly after an `extract` is part of it: what becomes of a record"
        " that cannot be repaired is said there.\n"
        "  Move `on_failure` to the `extract`.",
    ),
    (
        HEAD + "  - where: total > 0\n  - check: total > 0\n    on_failure: keep\n",
        "p.yaml:6:17: `on_failure` is reject or review, and this is `keep`.",
    ),
    (
        HEAD + "  - set: total * 2\n",
        "p.yaml:4:10: `set` is a mapping of fields to expressions, and this is text.\n"
        '  Write `set: {net: "total - tax"}`.',
    ),
    (
        HEAD + "  - set: {a: total, b: aa * 2}\n",
        "p.yaml:4:24: There is no field `aa`.\n"
        "  Did you mean `a`? The fields here: company, date, total, tax, kind, lines, a, _id, _source.",
    ),
    (HEAD + "  - set: {_id: 1}\n", "p.yaml:4:11: `_id` cannot be set: names with `_` belong to the run."),
    # sql
    (HEAD + "  - sql: select totl from rows\n", "p.yaml:4:17: There is no column `totl`.\n  Did you mean `total`?"),
    (
        HEAD + "  - sql: |\n      select company,\n        totl from rows\n",
        "p.yaml:6:9: There is no column `totl`.\n  Did you mean `total`?",
    ),
    (HEAD + "  - sql: selec 1\n", 'p.yaml:4:10: The query cannot run: syntax error at or near "selec".'),
    (HEAD + "  - sql: select * from row\n", "p.yaml:4:24: There is no table `row`.\n  The rows are the table `rows`."),
    (
        HEAD + "  - sql: drop table rows\n",
        "p.yaml:4:10: A `sql` step is one query.\n  Begin it with `select` or `with`.",
    ),
    (
        HEAD + "  - sql: select company, sum(total) as spent from rows group by 1\n  - where: total > 1\n",
        "p.yaml:5:12: There is no field `total`.\n  The fields here: company, spent, _id, _source.",
    ),
    # outputs
    (
        HEAD + "write: out/a.parqet\n",
        "p.yaml:4:8: Nothing is known of files that end in `.parqet`.\n  Did you mean `.parquet`?",
    ),
    (
        HEAD + "write: [out/a]\n",
        "p.yaml:4:9: The output's name has no ending.\n  The endings: .jsonl, .json, .csv, .parquet,"
        " .duckdb, .db, .sqlite, .sqlite3.",
    ),
    (
        HEAD + "write: sqlite:///a.db\n",
        "p.yaml:4:8: A database needs the name of a table.\n  Write `table: receipts` beside it.",
    ),
    (
        HEAD + "write: [a.xlsx]\n",
        "p.yaml:4:9: Spreadsheets are not built yet as outputs.\n  Write one of .jsonl, .json, .csv, .parquet,"
        " .duckdb, .db, .sqlite, .sqlite3.",
    ),
    (
        HEAD + "write: [a.csv, a.csv]\n",
        "p.yaml:4:16: a.csv is written twice; it was first on line 4.\n  Give it another name.",
    ),
    (
        HEAD + "write: [{to: a.csv, with: [evidnce]}]\n",
        "p.yaml:4:28: `with` is evidence, confidence or cost, and this is `evidnce`.\n  Did you mean `evidence`?",
    ),
    (
        HEAD + "write: [{with: cost}]\n",
        "p.yaml:4:9: An output needs a path: `to` is missing.\n  Write `to: out/rows.jsonl` into it.",
    ),
    (HEAD + "write: 5\n", "p.yaml:4:8: `write` is text, and this is a number."),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_broken_pipelines(text: str, message: str) -> None:
    assert wrong(text) == message


def test_every_error_at_once_in_the_order_of_the_file() -> None:
    text = HEAD + "  - check: totl > 0\n  - chek: total > 0\nmodle: rules\nwrite: a.txt\n"
    with pytest.raises(PipelineError) as raised:
        load(text)
    assert [str(raised.value.where), *(other.where for other in raised.value.others)] == [
        "p.yaml:4:12",
        "p.yaml:5:5",
        "p.yaml:6:1",
        "p.yaml:7:8",
    ]
    assert str(raised.value).count("\n  ") == 4


def test_an_error_in_the_schemas_own_file_says_so() -> None:
    Path("schemas/receipt.py").write_text("x = 1 / 0\n")
    assert wrong(HEAD) == (
        "p.yaml:3:14: schemas/receipt.py:1: The file cannot be loaded: ZeroDivisionError: division by zero."
    )


def test_an_example_that_does_not_fit_says_which() -> None:
    Path("shots.jsonl").write_text('{"text": "x", "record": {}}\nnot json\n')
    assert (
        wrong(HEAD + "    examples: shots.jsonl\n")
        == "p.yaml:4:15: shots.jsonl:2: The line is not JSON: Expecting value."
    )
    Path("shots.jsonl").write_text('{"text": "x", "record": {"company": "a", "date": "2018-01-01", "total": "much"}}\n')
    said = wrong(HEAD + "    examples: shots.jsonl\n")
    assert said.startswith("p.yaml:4:15: shots.jsonl:1: The example does not fit Receipt: /total: ")


def test_errors_in_python_values_say_their_path() -> None:
    with pytest.raises(PipelineError) as raised:
        Pipeline.of(
            {"documents": "docs/*.txt", "steps": [{"extract": "schemas/receipt.py:Receipt"}, {"where": "totl > 1"}]}
        )
    assert str(raised.value) == (
        "pipeline: steps[1].where, column 1: There is no field `totl`.\n"
        f"  Did you mean `total`? The fields here: {FIELDS}."
    )
    with pytest.raises(PipelineError) as raised:
        Pipeline.of({"documents": "docs/*.txt", "steps": [{"extract": int}]})
    assert str(raised.value) == (
        "pipeline: steps[0].extract: A row is a record, and int is not.\n  Put it into a model with a field for it."
    )


def test_a_file_that_is_no_text() -> None:
    Path("p.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(PipelineError) as raised:
        load_pipeline("p.yaml")
    assert str(raised.value) == "p.yaml: byte 7: The file is not UTF-8.\n  Save it as UTF-8."


def test_there_are_enough_of_them() -> None:
    assert len({message for _, message in BROKEN}) >= 60
