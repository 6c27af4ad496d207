"""The decorator: signatures, inputs, the four ways to call, and what a wrong use says."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import BaseModel, ValidationInfo, field_validator

from extract import Document, Extraction, ModelError, SchemaError, ValidationFailed, compile, extract
from extract.errors import DocumentError, ExtractError
from extract.models.scripted import Scripted

if TYPE_CHECKING:
    from extract.testing import FakeOpenAI

ROOT = Path(__file__).parent.parent


class Receipt(BaseModel):
    company: str
    total: Decimal


GOOD = {"company": "ACME Ltd", "total": "4.95"}
RECEIPT = Receipt(company="ACME Ltd", total=Decimal("4.95"))


def reader(*replies: Any) -> Any:
    @extract(model=Scripted(list(replies) or [GOOD]))
    def read_receipt(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read the receipt."""

    return read_receipt


def test_a_plain_call_gives_the_record() -> None:
    assert reader()("ACME Ltd TOTAL 4.95") == RECEIPT


def test_the_function_keeps_its_name_and_its_docstring() -> None:
    assert (reader().__name__, reader().__doc__) == ("read_receipt", "Read the receipt.")
    assert reader().schema.name == "Receipt"


def test_it_can_be_used_without_arguments() -> None:
    @extract
    def read(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read."""

    assert read.task.instructions == "Read."


def test_detail_says_everything() -> None:
    result = reader().detail("ACME Ltd TOTAL 4.95")
    assert isinstance(result, Extraction)
    assert result.value == RECEIPT
    assert result.evidence["/total"].text == "4.95"
    assert [a.outcome for a in result.attempts] == ["stop"]


def test_an_async_function_stays_one() -> None:
    @extract(model=Scripted([GOOD, GOOD, GOOD]))
    async def read(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read."""

    async def use() -> tuple[Any, Any, list[Any]]:
        return await read("x"), await read.detail("x"), [item async for item in read.stream("x")]

    record, detail, streamed = asyncio.run(use())
    assert record == detail.value == streamed[-1].value == RECEIPT


def test_a_stream_ends_with_the_extraction() -> None:
    *partial, last = reader().stream("x")
    assert last.value == RECEIPT
    assert partial[-1] == GOOD


def test_a_batch_comes_in_the_order_of_the_inputs_and_is_resumable(tmp_path: Path) -> None:
    model = Scripted(lambda call: {"company": call.inputs[0].text, "total": 1})

    @extract(model=model)
    def read(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read."""

    texts = [f"c{n}" for n in range(50)]
    for _ in range(2):
        results = list(read.batch(texts, run=tmp_path / "run"))
        assert [one.value.company for one in results] == texts
    assert len(model.calls) == 50


def test_a_batch_may_be_left_early() -> None:
    @extract(model=Scripted(lambda call: GOOD))
    def read(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read."""

    for one in read.batch(f"c{n}" for n in range(10_000)):
        assert one.ok
        break


def test_a_batch_with_a_run_that_is_left_early_has_recorded_all_that_was_answered(tmp_path: Path) -> None:
    model = Scripted(lambda call: {"company": call.inputs[0].text, "total": 1})

    @extract(model=model)
    def read(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read."""

    for _ in read.batch((f"c{n}" for n in range(300)), run=tmp_path / "run"):
        break
    answered = len(model.calls)
    with closing(sqlite3.connect(tmp_path / "run" / "ledger.sqlite")) as db:
        assert db.execute("select count(*) from calls").fetchone() == (answered,)


def test_one_wrong_input_of_a_batch_is_its_own_problem() -> None:
    @extract(model=Scripted(lambda call: GOOD))
    def read(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read."""

    results = list(read.batch(["a", None, "b"]))
    assert [one.ok for one in results] == [True, False, True]
    assert "read was given no document" in results[1].problems[0].message


def test_examples_may_be_instances() -> None:
    @extract(examples=[("two", [RECEIPT, RECEIPT])])
    def read(document) -> list[Receipt]:  # type: ignore[no-untyped-def]
        """Read."""

    assert [one["company"] for one in read.task.examples[0].value] == ["ACME Ltd", "ACME Ltd"]


def test_a_str_is_text_always_and_a_path_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("from a file")
    seen: list[str] = []

    @extract(model=Scripted(lambda call: seen.append(call.inputs[-1].text) or GOOD))
    def read(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read."""

    for given in (str(path), path, b"from bytes", Document(text="a document")):
        read(given)
    assert seen == [str(path), "from a file", "from bytes", "a document"]


def test_other_parameters_are_named_values_and_several_documents_are_one() -> None:
    seen: list[Any] = []

    @extract(model=Scripted(lambda call: seen.append([(p.kind, p.name, p.text) for p in call.inputs]) or GOOD))
    def read(page: str, currency: dict[str, str], back: str | None = None, *, limit: int = 3) -> Receipt:
        """Read."""
        ...

    read("front", {"a": "EUR"})
    read("front", {"a": "EUR"}, "back", limit=4)
    values = [("value", "currency", '{"a": "EUR"}')]
    assert seen == [
        [*values, ("value", "limit", "3"), ("text", "document", "front")],
        [*values, ("value", "limit", "4"), ("text", "document", "page:\nfront\n\nback:\nback")],
    ]


def test_examples_are_checked_against_the_schema_where_the_function_stands() -> None:
    with pytest.raises(SchemaError) as caught:

        @extract(examples=[("TOTAL 1", {"company": "A"})])
        def read(document) -> Receipt:  # type: ignore[no-untyped-def]
            """Read."""

    assert str(caught.value) == (
        "An example does not fit Receipt: /total: This is required.\n  Mend the example or the schema."
    )


def test_the_context_reaches_validators() -> None:
    class Known(BaseModel):
        company: str

        @field_validator("company")
        @classmethod
        def known(cls, value: str, info: ValidationInfo) -> str:
            assert info.context == {"x"}
            return value

    @extract(model=Scripted([{"company": "A"}]), context={"x"})
    def read(document) -> Known:  # type: ignore[no-untyped-def]
        """Read."""

    assert read("x").company == "A"


def test_a_function_without_a_return_type_fails_where_it_stands() -> None:
    with pytest.raises(SchemaError, match="read does not say what it returns"):

        @extract
        def read(document):  # type: ignore[no-untyped-def]
            """Read."""


def test_no_valid_record_raises_and_keeps_what_was_paid_for() -> None:
    with pytest.raises(ValidationFailed) as caught:
        reader({"company": "ACME Ltd"}, {"changes": []}, {"company": "ACME Ltd"})("x")
    assert str(caught.value) == (
        'No valid record came out: /total: "total" is required and not there.\n'
        "  The error's .extraction holds the best value so far, the attempts and their cost."
    )
    assert caught.value.extraction.partial == {"company": "ACME Ltd"}
    assert len(caught.value.extraction.attempts) == 3


def test_no_document_is_said() -> None:
    with pytest.raises(ExtractError, match="read_receipt was given no document"):
        reader()(3)


def test_no_key_is_one_clear_error() -> None:
    @extract
    def read(document) -> Receipt:  # type: ignore[no-untyped-def]
        """Read."""

    with pytest.raises(ModelError) as caught:
        read("x")
    assert str(caught.value) == (
        "No key for openai/gpt-4o-mini: OPENAI_API_KEY is not set.\n"
        "  Set OPENAI_API_KEY, or use --model rules, which needs no key and no network."
    )


def test_it_runs_over_the_wire_in_the_wires_own_shape(fake_openai: FakeOpenAI) -> None:
    class Trip(BaseModel):
        city: str
        stops: dict[str, int] = {}

    gold = {"city": "Oslo", "stops": {"a": 1}}
    fake_openai.gold({"to Oslo": gold}, schema=compile(Trip))

    @extract
    def read(document) -> Trip:  # type: ignore[no-untyped-def]
        """Read the trip."""

    assert read("a trip to Oslo").stops == {"a": 1}
    *partial, last = read.stream("a trip to Oslo, again")
    assert last.value.stops == {"a": 1}
    assert partial[-1] == gold
    assert {"city": "Oslo"} in partial
    assert all(request.strict for request in fake_openai.requests)


def test_it_works_inside_a_running_loop() -> None:
    async def cell() -> Any:
        return reader()("x")

    assert asyncio.run(cell()) == RECEIPT


TYPED = """
    from decimal import Decimal
    from pathlib import Path
    from typing import assert_type
    from collections.abc import Iterator
    from pydantic import BaseModel
    from extract import extract, Extraction

    class Receipt(BaseModel):
        total: Decimal

    @extract(model="rules")
    def read(document: str | Path, currency: str = "EUR") -> Receipt:
        '''Read.'''
        ...

    @extract
    async def read_later(document: Path) -> list[Receipt]:
        '''Read.'''
        ...

    assert_type(read("x"), Receipt)
    assert_type(read.detail(Path("x"), currency="USD"), Extraction[Receipt])
    assert_type(read.batch(["a"]), Iterator[Extraction[Receipt]])

    async def use() -> None:
        assert_type(await read_later(Path("x")), list[Receipt])
        assert_type(await read_later.detail(Path("x")), Extraction[list[Receipt]])
        read(3)  # WRONG
        read("x", currenzy="USD")  # WRONG
"""


def test_type_checkers_see_the_schema_as_the_return_type(tmp_path: Path) -> None:
    path = tmp_path / "typed.py"
    path.write_text(textwrap.dedent(TYPED))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--disable-error-code=empty-body", "--no-incremental", str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    wrong = [n for n, line in enumerate(path.read_text().splitlines(), 1) if "# WRONG" in line]
    found = [int(line.split(":")[1]) for line in done.stdout.splitlines() if str(path.name) in line and "error" in line]
    assert (found, done.stderr) == (wrong, "")


def typed(document: str) -> Receipt:
    """Read."""
    raise AssertionError("a decorated function is never called")


WRONG_USES = [
    (lambda: extract("rules"), "extract decorates a function, not 'rules'."),
    (lambda: extract(model="rules")(Receipt), "extract decorates a function, not"),
    (lambda: extract(attempts="x")(lambda document: None), "attempts of <lambda> cannot be 'x'."),
    (lambda: extract(limits={})(lambda document: None), "limits of <lambda> cannot be {}."),
    (
        lambda: extract(per_document=5)(lambda document: None),
        "per_document of <lambda> cannot be 5.\n  Write DocumentLimits(tokens=20_000), from extract.limits.",
    ),
    (
        lambda: extract(on_failure="ignore")(lambda document: None),
        "on_failure of <lambda> cannot be 'ignore'.\n  It is reject, review or keep.",
    ),
    (
        lambda: extract(best_effort="note")(lambda document: None),
        "best_effort of <lambda> cannot be 'note'.\n  Name the fields in a list, such as [\"note\"].",
    ),
    (lambda: extract(on_event=3)(lambda document: None), "on_event of <lambda> cannot be 3."),
    (
        lambda: extract(best_effort=["total"])(typed),
        "`total` of Receipt is required and has no null: a record cannot do without it.\n"
        "  Let it be null or give it a default in the schema, or take it out of best_effort.",
    ),
    (lambda: extract(examples=["abc"])(lambda document: None), "An example is a pair of a text and its record"),
    (lambda: extract()(lambda *documents: None), "Each parameter of <lambda> is one input, and documents is none."),
    (lambda: extract()(lambda self, document: None), "Each parameter of <lambda> is one input, and self is none."),
]


@pytest.mark.parametrize(("use", "told"), WRONG_USES, ids=[told for _, told in WRONG_USES])
def test_wrong_uses_fail_where_the_function_stands(use: Any, told: str) -> None:
    with pytest.raises(ExtractError) as caught:
        use()
    assert told in str(caught.value)


class Noted(BaseModel):
    company: str
    year: int | None = None
    kind: Literal["a", "b"] = "a"


ODD = {"company": "ACME", "year": "soon", "kind": "z"}


def noted(*replies: Any, **options: Any) -> Any:
    @extract(model=Scripted(list(replies)), attempts=1, **options)
    def read(document) -> Noted:  # type: ignore[no-untyped-def]
        """Read."""

    return read


def test_keep_gives_what_is_valid_and_says_what_was_waived() -> None:
    assert noted(ODD, on_failure="keep")("x") == Noted(company="ACME")
    result = noted(ODD, on_failure="keep").detail("x")
    assert (result.ok, result.partial) == (True, {"company": "ACME", "year": None})
    assert [one.pointer for one in result.waived] == ["/year", "/kind"]
    assert [one.pointer for one in result.events if one.rule == "waived.field"] == ["/year", "/kind"]
    with pytest.raises(ValidationFailed) as caught:
        noted({"year": "soon"}, on_failure="keep")("x")
    assert [one.pointer for one in caught.value.extraction.problems] == ["/year", "/company"]


def test_best_effort_holds_for_calls_streams_and_batches() -> None:
    soon = {**ODD, "kind": "b"}
    one, two = Noted(company="ACME", kind="b"), Noted(company="A")
    assert noted(soon, best_effort=["year"])("x") == one
    *_, last = noted(soon, best_effort=["year"]).stream("x")
    assert last.value == one
    results = noted(soon, {"company": "A"}, best_effort=["year"]).batch(["x", "y"])
    assert sorted((result.value for result in results), key=str) == sorted([one, two], key=str)
    with pytest.raises(ValidationFailed):
        noted(ODD, best_effort=["year"])("x")


@pytest.mark.parametrize(("on_failure", "name"), [("reject", "rejected.jsonl"), ("review", "review.jsonl")])
def test_a_batch_with_a_run_writes_down_what_gave_no_record(tmp_path: Path, on_failure: Any, name: str) -> None:
    read = noted(ODD, {"company": "A"}, on_failure=on_failure)
    results = list(read.batch(["x", "y"], run=tmp_path))
    assert sorted(one.ok for one in results) == [False, True]
    (line,) = map(json.loads, (tmp_path / name).read_text().splitlines())
    number = [one.ok for one in results].index(False)
    assert (line["_source"], line["calls"], line["partial"]) == (f"input {number}", 1, {"company": "ACME"})
    assert line["state"] == name.removesuffix(".jsonl")
    assert [reason.split(":")[0] for reason in line["reasons"]] == ["/year", "/kind"]
    assert not [path for path in tmp_path.glob("re*.jsonl") if path.name != name]


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_document_is_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="The document is empty"):
        reader()(text)
