"""Pipelines that are wrong, each with its whole message: where it stands, what was meant, and how to mend it.

They stand in `broken_pipelines.txt`, as a person would write them: a title, the YAML, ``=>``, and what is said. Whoever
changes a message reads it there as a stranger would.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from extract.errors import PipelineError
from extract.pipeline import Pipeline
from extract.running import Pipeline as Made

BILL = """
from datetime import date
from decimal import Decimal
from typing import Literal
from pydantic import BaseModel

class Line(BaseModel):
    name: str
    price: Decimal

class Bill(BaseModel):
    company: str
    day: date
    total: Decimal
    kind: Literal["receipt", "invoice"]
    lines: list[Line] = []
    note: str | None = None

class Order(BaseModel):
    item: str
    amount: int

class Sender(BaseModel):
    to: str
    body: str

Numbers = list[int]
LIMIT = 5
"""
CODE = """
from typing import Iterator
from pydantic import BaseModel

class Out(BaseModel):
    company: str
    score: int

def tidy(row):
    return row

def typed(row) -> Out:
    return row

def several(row) -> Iterator[Out]:
    yield row

def nothing():
    return {}

def two(row, other):
    return row

async def later(row) -> Out:
    return row

LIMIT = 5
"""
SHOTS = """\
{"text": "x", "record": {"item": "a", "amount": 1}}
{"text": "y", "record": {"item": "a"}}
"""
SECRET = "s3cr3t"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.delenv("EXTRACT_MODELS", raising=False)
    Path("in").mkdir()
    files = {
        "bill.py": BILL,
        "code.py": CODE,
        "broken.py": "x = 1 / 0\n",
        "in/a.txt": "a",
        "in/b.txt": "b",
        "mails.csv": "sender,to,body\nyou,me,hello\n",
        "firms.csv": "firm,town\na,Bonn\n",
        "odd.csv": "_id,body\n1,x\n",
        "conf.csv": "_cost,body\n1,x\n",
        "twice.csv": "a,a\n1,2\n",
        "shots.jsonl": SHOTS,
    }
    for name, text in files.items():
        Path(name).write_text(text)


def cases() -> list[tuple[str, str, str]]:
    """The title, the YAML and the message of each."""
    found = []
    for case in re.split(r"^# ", Path(__file__).with_name("broken_pipelines.txt").read_text("utf-8"), flags=re.M)[1:]:
        written, _, message = case.partition("\n=>\n")
        title, _, text = written.partition("\n")
        found.append((title, text + "\n", message.rstrip("\n")))
    return found


BROKEN = cases()


def wrong(text: str) -> PipelineError:
    Path("p.yaml").write_text(text, "utf-8")
    with pytest.raises(PipelineError) as raised:
        Pipeline.load("p.yaml")
    return raised.value


def wrong_values(values: dict[str, Any]) -> str:
    with pytest.raises(PipelineError) as raised:
        Pipeline.of(values)
    return str(raised.value)


@pytest.mark.parametrize(("text", "message"), [one[1:] for one in BROKEN], ids=[one[0] for one in BROKEN])
def test_the_whole_message(text: str, message: str) -> None:
    assert str(wrong(text)) == message


def test_there_are_many_and_each_says_where() -> None:
    assert len({message for _, _, message in BROKEN}) >= 200
    assert len({title for title, _, _ in BROKEN}) == len(BROKEN)
    for _, _, message in BROKEN:
        places = [line for line in message.splitlines() if not line.startswith("  ")]
        assert all(re.match(r"p\.yaml:\d+:\d+: ", line) for line in places)


def test_errors_come_in_the_order_of_the_file() -> None:
    for _, _, message in BROKEN:
        places = [(int(line), int(column)) for line, column in re.findall(r"^p\.yaml:(\d+):(\d+): ", message, re.M)]
        assert places == sorted(places)


# ---- what is right stays right

FILES = "documents: in/*.txt\nsteps:\n  - extract: bill.py:Bill\n"
MAILS = "documents: {rows: mails.csv, text: body}\nsteps:\n"

GOOD = [
    FILES + "    as: bills\n  - check: total > 0\n    as: sound\nwrite: [{to: a.jsonl, from: sound}]\n",
    FILES + "  - write: a.jsonl\n    as: copied\n  - where: total > 1\n    from: copied\n",
    FILES + "    as: bills\n  - set: {big: total > 5}\n    as: big\n  - where: big\n    from: [bills, big]\n",
    FILES + "  - sql: select company, sum(total) as spent from rows group by 1\n  - extract: bill.py:Order\n",
    FILES + "    as: bills\n  - sql: select * from bills\n    from: bills\n",
    FILES + "  - extract: bill.py:Order\n    group: [company, kind]\n    text: note\n  - check: amount > 0\n",
    FILES + "  - unnest: lines\n    into: lines\n    position: at\n  - where: lines.price > 1\n",
    FILES + "  - python: code.py:tidy\n  - unnest: some.thing\n  - where: any_thing > 1\n",
    FILES + "  - set: {a.b: total}\n  - set: {note: 'null'}\n",
    FILES + "  - review: total > 1\n    decisions: decided.jsonl\n",
    FILES + "    settings: {logprobs: true, top_logprobs: 2}\n  - review:\n    confidence: 0.9\n",
    FILES + "    model: [rules, openai/gpt-4o-mini]\n  - review:\n    confidence: 0.9\n",
    FILES + "    model: compatible/mine\n  - unnest: lines\n  - review: price > 1\n    confidence: 1\n",
    FILES + "    model: azure/mine\n    settings: {temperature: 0}\n",
    "settings: {extra_headers: {x-team: '${TEAM}'}}\n" + FILES,
    "settings: {temperature: 0}\nmodel: rules\n" + FILES,
    "settings: {extra_headers: {Authorization: 'Bearer ${TEAM}'}}\n" + FILES,
    MAILS + "  - extract: bill.py:Order\n    as: orders\n  - check: to == 'me' and amount > 0\n    from: orders\n",
    "on_failure: keep\n" + MAILS + "  - classify: [order, complaint]\n  - where: {ask: Is it cross?}\n",
    MAILS + "  - classify: {yes: it is, no: it is not, true: both}\n    otherwise: 'no'\n",
    MAILS
    + "  - classify: [yes, no]\n    as: sorted\n  - extract: bill.py:Order\n    keep: []\n    when: label == 'yes'\n",
    MAILS + "  - extract: bill.py:Sender\n    keep: [sender, sender]\n",
    MAILS
    + "  - sql: select r.*, f.town from rows r join firms f on f.firm = r.sender\n    tables: {firms: firms.csv}\n",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_right_is_not_refused(text: str) -> None:
    Path("p.yaml").write_text(text)
    assert Pipeline.load("p.yaml").steps


def test_outputs_are_numbered_on_from_all_steps() -> None:
    Path("p.yaml").write_text(FILES + "  - check: total > 0\nwrite: a.jsonl\n")
    pipeline = Pipeline.load("p.yaml")
    assert ([one.number for one in pipeline.steps], [one.number for one in pipeline.writes]) == ([1, 2], [3])


# ---- odd input is refused, and nothing crashes

DEEP = "(" * 3000 + "1" + ")" * 3000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            FILES + f"  - where: {DEEP}\n",
            "p.yaml:4:12: The expression is 6001 characters long; at most 4000 are read.",
        ),
        (
            MAILS + f'  - classify: [a, b]\n    instructions: "{{{{ {DEEP} }}}}"\n',
            "p.yaml:4:20: The instructions are nested too deeply.\n  Take brackets out.",
        ),
        (
            FILES + '    examples: "a\\0.jsonl"\n',
            "p.yaml:4:15: There is no file a\0.jsonl with examples.\n"
            "  Paths are relative to the folder that the command runs in.",
        ),
        (
            FILES + '  - python: "code\\0.py:x"\n',
            "p.yaml:4:13: There is no file code\0.py.\n  Paths are relative to the folder that the command runs in.",
        ),
        (
            "attempts: 99999999999999999999999999\n" + FILES,
            "p.yaml:1:11: `attempts` is too large.\n  Write a number up to 1,000,000,000,000,000, or leave it out.",
        ),
    ],
)
def test_odd_input_is_refused(text: str, message: str) -> None:
    assert str(wrong(text)) == message


def test_a_file_of_models_that_is_wrong_is_told_once_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("models.yaml").write_text("openai/mine:\n  contxt: 5\n")
    assert str(wrong(FILES)) == "models.yaml:2:3: There is no fact `contxt`.\n  Did you mean `context`?"
    Path("models.yaml").write_text("openai/mine:\n  context: 5000\n")
    Path("p.yaml").write_text("model: openai/mine\n" + FILES)
    assert Pipeline.load("p.yaml").model == ("openai/mine",)


# ---- secrets

PLACES = """\
documents: {rows: mails.csv, text: body}
hosts: "${SECRET}/x"
settings: {stop: "${SECRET}", top_p: "${SECRET}"}
steps:
  - classify: ["${SECRET}", "${SECRET}", '${SECRET} ']
    into: _${SECRET}
    otherwise: ${SECRET}
    as: ${SECRET} x
  - where: label == '${SECRET}' and ${SECRET} > 1 and ${SECRET
  - extract: bill.py:${SECRET}
    from: ${SECRET}
    model: ["openai/${SECRET}", "${SECRET}"]
    keep: ${SECRET}
    best_effort: ${SECRET}
    examples: ${SECRET}
    on_failure: ${SECRET}
    attempts: ${SECRET}
  - extract: bill.py:Order
    from: documents
    when: to == ${SECRET}
    group: ${SECRET}
    instructions: "{{ ${SECRET} }}"
  - set: {net: "${SECRET}"}
  - unnest: ${SECRET}
  - python: ${SECRET}.py:x
    schema: ${SECRET}.py:Y
  - sql: select ${SECRET} from ${SECRET}
    from: documents
    tables: {a: "${SECRET}"}
  - sample: ${SECRET}
    seed: ${SECRET}
  - review: ${SECRET}
    confidence: ${SECRET}
    decisions: ${SECRET}
write: [{to: "${SECRET}", with: "${SECRET}", mode: "${SECRET}", key: "${SECRET}", table: "${SECRET}"}]
"""


def test_no_message_shows_what_the_environment_holds() -> None:
    said = str(wrong(PLACES))
    assert said.count("${SECRET}") > 15
    assert SECRET not in said


@pytest.mark.parametrize("secret", ["two words", "quo'te\\n", "a.b.c", "x" * 300, "Ünïcode"])
def test_no_message_shows_a_secret_of_any_kind(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", secret)
    said = str(wrong(PLACES))
    assert secret not in said
    assert not any(word in said for word in re.findall(r"\w{4,}", secret))


def test_what_was_given_by_hand_is_shown() -> None:
    Path("p.yaml").write_text("variables: {m: null}\nmodel: ${m}\n" + FILES)
    with pytest.raises(PipelineError) as raised:
        Pipeline.load("p.yaml", variables={"m": "gpt-4o"})
    assert str(raised.value) == (
        "p.yaml:2:8: `gpt-4o` is not a model: a model is named provider/model.\n"
        "  Write openai/gpt-4o, or rules for the built-in reader."
    )


# ---- the same as Python values


def tidy(row: dict[str, Any]) -> dict[str, Any]:
    return row


def nothing() -> dict[str, Any]:
    return {}


VALUES: list[tuple[list[Any], str]] = [
    ([{"extrat": "bill.py:Bill"}], "pipeline: steps[0].extrat: There is no verb `extrat`.\n  Did you mean `extract`?"),
    (
        [{"extract": "bill.py:Bill"}, {"where": "totl > 1"}],
        "pipeline: steps[1].where, column 1: There is no field `totl`.\n"
        "  Did you mean `total`? The fields here: company, day, total, kind, lines, note, _id, _source.",
    ),
    (
        [{"extract": "bill.py:Bill", "model": ["rules", "openai/gpt-4o-mni"]}],
        "pipeline: steps[0].model[1]: There is no model openai/gpt-4o-mni in the catalogue.\n"
        "  Did you mean openai/gpt-4o-mini?",
    ),
    (
        [{"extract": "bill.py:Bill", "settings": {"extra_headers": {"x": "y"}}}],
        "pipeline: steps[0].settings.extra_headers: `extra_headers` go with every request of a pipeline, because a"
        " model is opened once.\n  Move them to the `settings` of the pipeline.",
    ),
    (
        [{"extract": "bill.py:Bill"}, {"python": nothing}],
        "pipeline: steps[1].python: nothing cannot be called with one row: too many positional arguments.\n"
        "  Write `def nothing(row): ...`.",
    ),
    (
        [{"extract": int}],
        "pipeline: steps[0].extract: A row is a record, and int is not.\n  Put it into a model with a field for it.",
    ),
    (
        [{"extract": tidy}],
        "pipeline: steps[0].extract: `extract` names a schema, and this is a function.\n"
        "  Write its file and its name: schemas/receipt.py:Receipt.",
    ),
    (
        [{"classify": [True, 2]}],
        "pipeline: steps[0].classify[0]: A label is text, and this is true or false.\n  Put quotes around it: 'true'.\n"
        "pipeline: steps[0].classify[1]: A label is text, and this is a number.\n  Put quotes around it: '2'.",
    ),
    (
        [{"extract": {1, 2}}],
        "pipeline: steps[0].extract: A set cannot stand in a pipeline.\n"
        "  Pipelines hold dicts, lists, text, numbers, booleans and None.",
    ),
    (
        [{"extract": "bill.py:Bill", "as": "bills"}, {"where": "total > 1", "from": ["bill"]}],
        "pipeline: steps[1].from[0]: There is no step of the name `bill`.\n  Did you mean `bills`?",
    ),
]


@pytest.mark.parametrize(("steps", "message"), VALUES)
def test_python_values_are_refused_in_the_same_words(steps: list[Any], message: str) -> None:
    assert wrong_values({"documents": "in/*.txt", "steps": steps}) == message
    with pytest.raises(PipelineError) as raised:
        Made(steps, documents="in/*.txt")
    assert str(raised.value) == message


def test_what_python_gives_stands_in_no_file() -> None:
    headers = {"Authorization": "Bearer geheim"}
    values = {"documents": "in/*.txt", "steps": [{"extract": "bill.py:Bill"}], "settings": {"extra_headers": headers}}
    assert Pipeline.of(values).settings == {"extra_headers": headers}


def test_an_argument_that_a_pipeline_does_not_know() -> None:
    with pytest.raises(PipelineError) as raised:
        Made([{"extract": "bill.py:Bill"}], documents="in/*.txt", limit={"calls": 5})
    assert str(raised.value) == "pipeline: limit: A pipeline has no key `limit`.\n  Did you mean `limits`?"
