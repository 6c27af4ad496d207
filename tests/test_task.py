"""The laws of a task: it ends, it asks only for what failed, and a restart asks for nothing that was paid for."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from extract.call import Call, Example, Failure, Reply, Usage
from extract.catalogue import ModelFacts, Price
from extract.document import Attachment, Document
from extract.errors import ExtractError
from extract.extraction import Extraction
from extract.jsontext import dump
from extract.schema import compile
from extract.task import Check, Task

MINI = ModelFacts("mini", "test", max_output=1000, price=Price(Decimal("1"), Decimal("2")))
LARGE = ModelFacts("large", "test", max_output=1000, price=Price(Decimal("10"), Decimal("20")))
RULES = ModelFacts("rules", "rules", asks_again=False, price=Price(Decimal(0), Decimal(0)))

DOCUMENT = Document(text="ACME Ltd\nTOTAL 4.95\n2 apples")


class Line(BaseModel):
    name: str
    price: Decimal

    @field_validator("price")
    @classmethod
    def not_negative(cls, value: Decimal) -> Decimal:
        if value < 0:
            raise ValueError("a price is not negative")
        return value


class Bill(BaseModel):
    company: str
    total: Decimal
    note: str | None = None
    lines: list[Line] = []

    @field_validator("company")
    @classmethod
    def upper(cls, value: str, info: ValidationInfo) -> str:
        if info.context and value not in info.context:
            raise ValueError(f"{value} is not a company that we know")
        return value


BILL = compile(Bill)


def said(value: Any, **more: Any) -> Reply:
    return Reply(text=dump(value), mode="json_schema", usage=Usage(100, 0, 10), **more)


def drive(task: Task[Any], answer: Callable[[Call], Reply], ledger: dict[str, Reply] | None = None) -> Extraction[Any]:
    """A plain driver: replies come from the ledger, else from `answer`, and are recorded before they are used."""
    ledger = {} if ledger is None else ledger
    steps = task.steps(DOCUMENT)
    try:
        calls = next(steps)
        while True:
            replies = []
            for call in calls:
                if call.key not in ledger:
                    reply = answer(call)
                    if not reply.paid:
                        replies.append(reply)
                        continue
                    ledger[call.key] = reply
                replies.append(ledger[call.key])
            calls = steps.send(tuple(replies))
    except StopIteration as end:
        return end.value


def script(*replies: Reply) -> Callable[[Call], Reply]:
    left = list(replies)
    return lambda call: left.pop(0)


GOOD = {"company": "ACME Ltd", "total": "4.95", "note": None, "lines": [{"name": "apples", "price": "4.95"}]}


def test_a_good_answer_is_one_call() -> None:
    result = drive(Task(BILL, (MINI,)), script(said(GOOD)))
    assert result.ok
    assert result.value == Bill(company="ACME Ltd", total=Decimal("4.95"), lines=[Line(name="apples", price="4.95")])
    assert [a.outcome for a in result.attempts] == ["stop"]
    assert result.cost == (100 * Decimal(1) + 10 * Decimal(2)) / 1_000_000
    assert result.usage == Usage(100, 0, 10)
    assert DOCUMENT.text[result.evidence["/company"].start : result.evidence["/company"].end] == "ACME Ltd"


def test_a_repair_changes_only_what_failed() -> None:
    bad = {**GOOD, "lines": [{"name": "apples", "price": "-1"}, {"name": "pears", "price": "2"}]}
    new = {
        "company": "OTHER",
        "total": "9",
        "note": "x",
        "lines": [{"name": "apples", "price": "1"}, {"name": "pears", "price": "2"}],
    }
    result = drive(Task(BILL, (MINI,)), script(said(bad), said(new)))
    assert result.partial == {**bad, "lines": [{"name": "apples", "price": "1"}, {"name": "pears", "price": "2"}]}
    assert [(e.rule, e.pointer, e.before, e.after) for e in result.events] == [
        ("repair.field", "/lines/0/price", "-1", "1")
    ]


def test_a_repair_shows_the_last_answer_and_what_is_wrong_with_it() -> None:
    calls: list[Call] = []
    bad = said({**GOOD, "total": "many"})

    def answer(call: Call) -> Reply:
        calls.append(call)
        return bad if len(calls) == 1 else said(GOOD)

    assert drive(Task(BILL, (MINI,)), answer).ok
    assert calls[1].answer == bad.text
    assert [one.pointer for one in calls[1].failed] == ["/total"]
    assert calls[1].attempt == 2


def test_an_item_of_a_list_is_mended_only_by_the_same_item() -> None:
    bad = {**GOOD, "lines": [{"name": "apples", "price": "-1"}]}
    other = {**GOOD, "lines": [{"name": "pears", "price": "2"}]}
    result = drive(Task(BILL, (MINI,), attempts=2), script(said(bad), said(other)))
    assert [p.pointer for p in result.problems] == ["/lines/0/price"]
    assert result.partial == bad


def test_a_model_that_repeats_itself_is_not_asked_a_third_time() -> None:
    calls: list[Call] = []

    def answer(call: Call) -> Reply:
        calls.append(call)
        return said({**GOOD, "total": "many"})

    result = drive(Task(BILL, (MINI,), attempts=10), answer)
    assert len(calls) == 2
    assert len({call.key for call in calls}) == 2
    assert [p.pointer for p in result.problems] == ["/total"]
    assert result.value is None
    assert result.cost == 2 * (100 * Decimal(1) + 10 * Decimal(2)) / 1_000_000


def test_a_model_that_errs_in_new_ways_is_asked_no_more_than_attempts_times() -> None:
    calls: list[Call] = []

    def answer(call: Call) -> Reply:
        calls.append(call)
        return said({**GOOD, "total": f"many {len(calls)}"})

    drive(Task(BILL, (MINI,), attempts=4), answer)
    assert [call.attempt for call in calls] == [1, 2, 3, 4]


class Crash(Exception):
    pass


@pytest.mark.parametrize("changed", [False, True], ids=["same catalogue", "changed catalogue"])
def test_a_driver_that_crashes_after_every_reply_ends_and_pays_nothing_twice(changed: bool) -> None:
    """The task decides by the facts it was started with, so that a new price list changes no call."""
    ledger: dict[str, Reply] = {}
    asked: list[str] = []
    answers = {1: {**GOOD, "total": "?"}, 2: {**GOOD, "total": "??"}, 3: GOOD}
    task = Task(BILL, (MINI,), attempts=5)
    for start in range(10):
        if changed:  # a new catalogue on disk; the run's manifest keeps the old facts, which is what a restart is given
            newer = replace(MINI, max_output=7, price=Price(Decimal(start), Decimal(start)))
            assert newer != MINI
            task = Task(BILL, (ModelFacts.from_plain(MINI.plain()),), attempts=5)

        def answer(call: Call) -> Reply:
            asked.append(call.key)
            ledger[call.key] = said(answers[call.attempt])
            raise Crash

        try:
            result = drive(task, answer, ledger)
        except Crash:
            continue
        break
    assert result.ok
    assert start == 3
    assert len(asked) == len(set(asked)) == 3
    assert [a.key for a in result.attempts] == asked


def test_the_key_is_the_same_in_every_process_and_differs_by_attempt_and_model() -> None:
    call = Task(BILL, (MINI,)).first_call(DOCUMENT)
    assert call.key == Task(compile(Bill), (MINI,)).first_call(Document(text=DOCUMENT.text, source="elsewhere")).key
    assert len({call.key, replace(call, attempt=2).key, replace(call, model="large").key}) == 3


def test_a_refusal_ends_the_models_turn_and_the_next_model_is_asked() -> None:
    calls: list[str] = []

    def answer(call: Call) -> Reply:
        calls.append(call.model)
        return Reply(refusal="I can't help with that.", usage=Usage(5, 0, 5)) if call.model == "mini" else said(GOOD)

    result = drive(Task(BILL, (MINI, LARGE)), answer)
    assert result.ok
    assert calls == ["mini", "large"]
    alone = drive(Task(BILL, (MINI,)), answer)
    assert [str(p) for p in alone.problems] == ["the record: mini refused: I can't help with that"]
    assert alone.problems[0].kind == "refusal"
    assert alone.usage == Usage(5, 0, 5)


def test_a_transport_failure_is_never_shown_to_the_model() -> None:
    result = drive(Task(BILL, (MINI,)), script(Reply(failure=Failure("transport", "The connection was cut."))))
    assert [(p.kind, p.message) for p in result.problems] == [("transport", "The connection was cut.")]
    assert result.cost == 0


def test_a_truncated_answer_gets_more_room_and_is_never_read_as_complete() -> None:
    calls: list[Any] = []
    cut = Reply(
        text='{"company": "ACME Ltd", "total": "4.9', mode="json_schema", finish="length", usage=Usage(10, 0, 10)
    )

    def answer(call: Call) -> Reply:
        calls.append(call.settings.get("max_tokens"))
        return cut if call.settings["max_tokens"] < 900 else said(GOOD)

    assert drive(Task(BILL, (MINI,), settings={"max_tokens": 300}), answer).ok
    assert calls == [300, 600, 1000]
    result = drive(Task(BILL, (MINI,)), script(cut))
    assert result.problems[0].message == "The answer did not fit into the 1,000 tokens that mini had for it."
    assert result.value is None
    assert result.partial == {"company": "ACME Ltd"}


def test_an_unreadable_answer_is_asked_for_again() -> None:
    result = drive(Task(BILL, (MINI,)), script(Reply(text="I think so.", mode="text"), said(GOOD)))
    assert result.ok
    assert len(result.attempts) == 2


def test_a_cascade_asks_the_next_model_for_what_is_not_settled_and_keeps_the_rest() -> None:
    def answer(call: Call) -> Reply:
        if call.model == "rules":
            return said({"company": "ACME Ltd", "total": "4.95"}, confidence={"/company": 0.9, "/total": 0.2})
        assert call.failed == ()
        return said({"company": "Somebody", "total": "5.95", "note": "n", "lines": []})

    result = drive(Task(BILL, (RULES, MINI)), answer)
    assert result.ok
    assert result.partial == {"company": "ACME Ltd", "total": "5.95", "note": "n", "lines": []}
    assert result.confidence == {"/company": 0.9}
    alone = drive(Task(BILL, (RULES,)), answer)
    assert alone.ok
    assert alone.value == Bill(company="ACME Ltd", total="4.95")


def test_rules_are_never_asked_again() -> None:
    result = drive(
        Task(BILL, (RULES,), attempts=5), script(said({"company": "ACME Ltd"}, confidence={"/company": 0.9}))
    )
    assert [(p.pointer, p.kind) for p in result.problems] == [("/total", "missing")]


def test_a_check_that_fails_is_asked_for_again_at_the_fields_that_it_names() -> None:
    check = Check("total < 10", ("/total",), lambda row: Decimal(row["total"]) < 10)
    result = drive(Task(BILL, (MINI,), checks=(check,)), script(said({**GOOD, "total": "11"}), said(GOOD)))
    assert result.ok
    stubborn = drive(Task(BILL, (MINI,), checks=(check,)), lambda call: said({**GOOD, "total": "11"}))
    assert [str(p) for p in stubborn.problems] == ["/total: the check `total < 10` does not hold"]


def test_the_context_reaches_validators_in_the_first_reading_and_in_repair() -> None:
    result = drive(Task(BILL, (MINI,), context={"ACME Ltd"}), script(said({**GOOD, "company": "Acme"}), said(GOOD)))
    assert result.ok
    assert len(result.attempts) == 2


def test_a_validator_of_the_whole_record_may_change_the_whole_record() -> None:
    class Sum(BaseModel):
        a: int
        b: int
        total: int

        @model_validator(mode="after")
        def adds_up(self) -> Sum:
            if self.a + self.b != self.total:
                raise ValueError("a and b do not make the total")
            return self

    answers = script(said({"a": 1, "b": 2, "total": 4}), said({"a": 2, "b": 2, "total": 4}))
    assert drive(Task(compile(Sum), (MINI,)), answers).value == Sum(a=2, b=2, total=4)


def test_examples_are_part_of_the_call() -> None:
    plain = Task(BILL, (MINI,))
    taught = replace(plain, examples=(Example("x", GOOD, BILL.encode(GOOD)),))
    assert plain.first_call(DOCUMENT).key != taught.first_call(DOCUMENT).key


def test_an_answer_that_is_truncated_to_the_last_attempt_is_no_record() -> None:
    cut = Reply(text='{"company": "AC', mode="json_schema", finish="length")
    facts = replace(MINI, max_output=16_000)
    result = drive(Task(BILL, (facts,), settings={"max_tokens": 100}, attempts=3), lambda call: cut)
    assert not result.ok
    assert result.problems[0].message == "The answer did not fit into the 400 tokens that mini had for it."


def test_a_task_needs_an_attempt_and_a_model() -> None:
    with pytest.raises(ExtractError, match="A task needs at least one attempt, not 0"):
        Task(BILL, (MINI,), attempts=0)
    assert [str(p) for p in drive(Task(BILL, ()), script()).problems] == ["the record: No model was asked"]


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), KeyError("x"), RecursionError(), StopIteration()])
def test_whatever_a_validator_raises_is_the_documents_problem(error: Exception) -> None:
    class Raising(BaseModel):
        word: str

        @field_validator("word")
        @classmethod
        def fail(cls, value: str) -> str:
            raise error

    result = drive(Task(compile(Raising), (MINI,)), lambda call: said({"word": "x"}))
    assert not result.ok
    assert f"a validator raised {type(error).__name__}" in str(result.problems[0])


SURE = {"/company": 0.9, "/total": 0.9, "/note": 0.2}


def test_an_unreadable_answer_of_a_later_model_leaves_what_is_sure_alone() -> None:
    first = said({"company": "A", "total": "1", "note": "?", "lines": []}, confidence=SURE)
    garbage = Reply(text="I am not sure what you mean.", mode="text")
    later = said({"company": "CHANGED", "total": "2", "note": "n", "lines": []})
    result = drive(Task(BILL, (RULES, MINI)), script(first, garbage, later))
    assert result.ok
    assert result.partial == {"company": "A", "total": "1", "note": "n", "lines": []}


def test_a_valid_record_stays_valid_when_a_later_model_fails() -> None:
    first = said({"company": "A", "total": "1", "note": "?", "lines": []}, confidence=SURE)
    result = drive(Task(BILL, (RULES, MINI)), script(first, Reply(failure=Failure("transport", "Cut."))))
    assert result.ok
    assert [(e.rule, e.note) for e in result.events] == [("failure.transport", "Cut.")]


def test_an_empty_document_is_asked_about_by_nobody() -> None:
    steps = Task(BILL, (MINI,)).steps(Document(text=" \n"))
    with pytest.raises(StopIteration) as ended:
        next(steps)
    assert [str(p) for p in ended.value.value.problems] == ["the record: The document is empty"]


def test_settings_are_json_values() -> None:
    with pytest.raises(ExtractError, match="A setting is no JSON value"):
        Task(BILL, (MINI,), settings={"seed": float("inf")})


# ---- changes, excerpts, continuations

CHEAP = replace(MINI, price=Price(Decimal(1), Decimal(100)))
"""A model whose input costs next to nothing: single changes are the cheaper way."""
LONG = Document(text="ACME Ltd\nTOTAL 4.95\n2 apples\n" + "The terms and conditions go on.\n" * 200)


def changes(*made: dict[str, Any], schema: Any = BILL, **more: Any) -> Reply:
    text = dump(schema.patch.wired.codec.encode({"changes": list(made)}))
    return Reply(text=text, mode="strict", usage=Usage(50, 0, 5), **more)


def asked(task: Task[Any], document: Document, *replies: Reply) -> tuple[Extraction[Any], list[Call]]:
    """The extraction and the calls on the way to it."""
    calls: list[Call] = []
    left = list(replies)
    steps = task.steps(document)
    try:
        round_ = next(steps)
        while True:
            calls += round_
            round_ = steps.send(tuple(left.pop(0) for _ in round_))
    except StopIteration as end:
        assert left == []
        return end.value, calls


def test_what_failed_is_asked_for_as_a_change_with_the_lines_that_matter() -> None:
    bad = {**GOOD, "lines": [{"name": "apples", "price": "-1"}]}
    change = {"path": "/lines/*", "at": [0], "value": {"name": "CHANGED", "price": "4.95"}}
    result, [first, second] = asked(Task(BILL, (MINI,)), LONG, said(bad), changes(change))
    assert result.ok
    assert result.partial == GOOD
    assert (first.ask, second.ask) == ("whole", "changes")
    assert second.shape == BILL.patch.shape
    [failed] = second.failed
    assert (failed.pointer, failed.value, failed.message) == ("/lines/0/price", "-1", "A price is not negative.")
    assert [(one.path, one.at) for one in failed.targets] == [("/lines/*", (0,))]
    [shown] = second.inputs
    assert shown.name == "excerpt of the document"
    assert shown.text.startswith("ACME Ltd\nTOTAL 4.95\n2 apples\n")
    assert len(shown.text) < 200
    assert [event.rule for event in result.events] == ["repair.field"]


def test_an_excerpt_that_did_not_help_gives_way_to_the_document_and_then_to_the_whole() -> None:
    bad = {**GOOD, "total": "x"}
    nothing = changes()
    result, calls = asked(Task(BILL, (CHEAP,), attempts=4), LONG, said(bad), nothing, nothing, said(GOOD))
    assert result.ok
    assert [(call.ask, call.inputs[0].name) for call in calls] == [
        ("whole", "document"),
        ("changes", "excerpt of the document"),
        ("changes", "document"),
        ("whole", "document"),
    ]
    assert calls[3].answer == dump(bad)


def test_prompts_do_not_grow_with_attempts() -> None:
    from extract.prompt import render

    bad = {**GOOD, "total": "x"}
    wrong = [said({**GOOD, "total": total}) for total in (1, 2)]
    check = Check("total > 2", ("/total",), lambda row: row["total"] > 2)
    dear = replace(MINI, price=Price(Decimal(100), Decimal(1)))
    result, calls = asked(Task(BILL, (dear,), attempts=4, checks=(check,)), DOCUMENT, said(bad), *wrong, said(GOOD))
    assert result.ok
    sizes = [sum(len(part.text) for message in render(call, "strict") for part in message.parts) for call in calls[1:]]
    assert max(sizes) < min(sizes) + 60
    assert len({call.key for call in calls}) == 4


def test_the_cheaper_way_is_taken() -> None:
    """On a short document with a small record, the whole costs no more than its changes."""
    dear = replace(MINI, price=Price(Decimal(100), Decimal(1)))
    bad = {**GOOD, "total": "x"}
    _, calls = asked(Task(BILL, (dear,)), DOCUMENT, said(bad), said(GOOD))
    assert calls[1].ask == "whole"
    cheap = replace(MINI, price=Price(Decimal(1), Decimal(100)))
    _, calls = asked(Task(BILL, (cheap,)), DOCUMENT, said(bad), changes({"path": "/total", "value": "4.95"}))
    assert calls[1].ask == "changes"


def test_a_cross_field_validator_may_change_all_fields_of_its_record() -> None:
    class Sum(BaseModel):
        parts: list[int]
        total: int

        @model_validator(mode="after")
        def adds_up(self) -> Any:
            if sum(self.parts) != self.total:
                raise ValueError("the parts add up to the total")
            return self

    schema = compile(Sum)
    bad = Reply(text=dump({"parts": [1] * 200, "total": 4}), mode="json_schema")
    result, calls = asked(Task(schema, (CHEAP,)), LONG, bad, changes({"path": "/total", "value": 200}, schema=schema))
    assert result.value == Sum(parts=[1] * 200, total=200)
    assert [target.path for target in calls[1].failed[0].targets] == ["/parts", "/total"]


def test_the_next_model_is_asked_only_for_what_is_not_settled() -> None:
    lines = [{"name": f"item {index}", "price": "1"} for index in range(30)]
    known = {"company": "ACME Ltd", "total": "4.95", "lines": lines}
    first = said(known, confidence={"/company": 0.9, "/lines": 0.9, "/total": 0.2})
    change = changes({"path": "/total", "value": "5.95"})
    result, calls = asked(Task(BILL, (RULES, CHEAP)), LONG, first, change)
    assert result.partial == {**known, "total": "5.95"}
    assert {one.pointer for one in calls[1].failed} == {"/total", "/note"}
    assert [attempt.model for attempt in result.attempts] == ["rules", "mini"]


def test_an_answer_that_was_cut_off_goes_on_where_it_stopped() -> None:
    items = [{"name": f"item {index}", "price": "1"} for index in range(5)]
    whole = dump({"company": "ACME Ltd", "total": "4.95", "note": None, "lines": items})
    cut = Reply(text=whole[: whole.index("item 3") + 4], mode="json_schema", finish="length", usage=Usage(100, 0, 1000))
    rest = changes(*({"path": "/lines/*", "at": [index], "value": items[index]} for index in (3, 4)))
    result, calls = asked(Task(BILL, (MINI,)), LONG, cut, rest)
    assert result.ok
    assert result.value is not None
    assert [line.name for line in result.value.lines] == [f"item {index}" for index in range(5)]
    assert [call.ask for call in calls] == ["whole", "rest"]
    assert calls[1].failed[-1].message == (
        '3 items are there, the last one {"name": "item 2", "price": "1"}; the next ones are missing'
    )
    assert len({call.key for call in calls}) == 2


def test_a_cut_answer_is_never_a_record_until_one_that_ended_closes_it() -> None:
    text = dump({"company": "ACME Ltd", "total": "4.95", "note": None, "lines": [{"name": "a", "price": "1"}]})
    cut = Reply(text=text[:-2], mode="json_schema", finish="length")
    items = [{"path": "/lines/*", "at": [index], "value": {"name": "a", "price": "1"}} for index in (0, 1)]
    more = changes(*items, finish="length")
    nothing = changes(finish="length")
    result, _ = asked(Task(BILL, (MINI,)), LONG, cut, more, nothing)
    assert not result.ok
    assert result.value is None
    assert [problem.kind for problem in result.problems] == ["length"]
    assert result.partial == {"company": "ACME Ltd", "total": "4.95", "note": None, "lines": [items[0]["value"]]}


def test_context_reaches_validators_in_a_repair_too() -> None:
    bad, good = {**GOOD, "company": "OTHER"}, changes({"path": "/company", "value": "ACME Ltd"})
    task = Task(BILL, (CHEAP,), attempts=2, context={"ACME Ltd"})
    result, _ = asked(task, LONG, said(bad), good)
    assert result.ok
    result, _ = asked(task, LONG, said(bad), changes({"path": "/company", "value": "B"}))
    assert [problem.message for problem in result.problems] == ["B is not a company that we know."]


def test_a_rest_that_cannot_be_read_closes_nothing() -> None:
    text = dump({"company": "ACME Ltd", "total": "4.95", "note": None, "lines": [{"name": "a", "price": "1"}]})
    cut = Reply(text=text[:-2], mode="json_schema", finish="length")
    garbage = Reply(text="I think so", mode="text")
    result, _ = asked(Task(BILL, (MINI,), attempts=2), LONG, cut, garbage)
    assert (result.ok, result.value) == (False, None)
    assert [problem.kind for problem in result.problems] == ["length"]
    rest = changes({"path": "/lines/*", "at": [0], "value": {"name": "a", "price": "1"}})
    result, _ = asked(Task(BILL, (MINI,)), LONG, cut, garbage, rest)
    assert result.ok


def test_of_a_record_that_fails_as_a_whole_the_fields_that_the_complaint_names_are_asked_for() -> None:
    class Sum(BaseModel):
        net: int
        tax: int
        total: int
        note: str

        @model_validator(mode="after")
        def adds_up(self) -> Any:
            if self.net + self.tax != self.total:
                raise ValueError("net and tax add up to the total")
            return self

    schema = compile(Sum)
    text = "NET 5\nTAX 1\nTOTAL 6\n" + "The terms and conditions go on.\n" * 100
    bad = Reply(text=dump({"net": 5, "tax": 1, "total": 7, "note": "n"}), mode="json_schema")
    change = changes({"path": "/total", "value": 6}, schema=schema)
    result, calls = asked(Task(schema, (CHEAP,)), Document(text=text), bad, change)
    assert result.value == Sum(net=5, tax=1, total=6, note="n")
    [failed] = calls[1].failed
    assert failed.pointer == ""
    assert failed.value == {"/net": 5, "/tax": 1, "/total": 7}
    assert [target.path for target in failed.targets] == ["/net", "/tax", "/total"]
    assert calls[1].inputs[0].text.startswith("NET 5\nTAX 1\nTOTAL 6\n")
    assert len(calls[1].inputs[0].text) < 200


def test_changes_that_were_cut_off_are_asked_for_in_another_way() -> None:
    bad = {**GOOD, "total": "x"}
    cut = changes({"path": "/total", "value": "1"}, finish="length")
    result, calls = asked(Task(BILL, (CHEAP,)), LONG, said(bad), cut, changes({"path": "/total", "value": "4.95"}))
    assert result.ok
    assert [call.inputs[0].name for call in calls] == ["document", "excerpt of the document", "document"]
    assert [call.ask for call in calls] == ["whole", "changes", "changes"]


# ---- what the reader refused stays wrong until its place changes


class Item(BaseModel):
    name: str
    qty: int = Field(1, gt=0)


class Order(BaseModel):
    title: str
    lines: list[Item] = []


ORDER = compile(Order)
REFUSED = {"title": "t", "lines": [{"name": "a", "qty": 2}, {"name": "b", "qty": -7}]}


@pytest.mark.parametrize(
    "lines",
    [[{"name": "a", "qty": 2}, {"name": "B", "qty": 7}], [{"name": "a", "qty": 2}], [], "x", REFUSED["lines"]],
    ids=["another item", "fewer items", "none", "no list", "the same"],
)
def test_a_refused_field_does_not_become_its_default_where_the_whole_again_says_nothing_of_it(lines: Any) -> None:
    answers = script(said(REFUSED), said({"title": "other", "lines": lines}))
    result = drive(Task(ORDER, (MINI,), attempts=2), answers)
    assert [(p.pointer, p.message, p.value) for p in result.problems] == [
        ("/lines/1/qty", "-7 is not greater than 0", -7)
    ]
    assert result.partial == {"title": "t", "lines": [{"name": "a", "qty": 2}, {"name": "b"}]}


def test_a_refused_field_does_not_become_its_default_where_changes_say_nothing_of_it() -> None:
    bad = Reply(text=dump(REFUSED), mode="json_schema")
    other = {"path": "/lines/*", "at": [0], "value": {"name": "z"}}
    right = {"path": "/lines/*", "at": [1], "value": {"name": "z", "qty": 7}}
    task = Task(ORDER, (CHEAP,), attempts=2)
    for made in ([], [other]):
        result, calls = asked(task, LONG, bad, changes(*made, schema=ORDER))
        assert [call.ask for call in calls] == ["whole", "changes"]
        assert [p.pointer for p in result.problems] == ["/lines/1/qty"]
    result, _ = asked(task, LONG, bad, changes(other, right, schema=ORDER))
    assert result.partial == {"title": "t", "lines": [{"name": "a", "qty": 2}, {"name": "b", "qty": 7}]}


@pytest.mark.parametrize("way", ["whole", "changes"])
def test_an_answer_may_say_that_there_is_no_such_value_and_an_event_tells_it(way: str) -> None:
    told = {"title": "t", "lines": [{"name": "a", "qty": 2}, {"name": "b"}]}
    change = changes({"path": "/lines/*", "at": [1], "value": {"name": "b"}}, schema=ORDER)
    bad = Reply(text=dump(REFUSED), mode="json_schema")
    task = Task(ORDER, (MINI if way == "whole" else CHEAP,), attempts=2)
    result, calls = asked(task, DOCUMENT if way == "whole" else LONG, bad, said(told) if way == "whole" else change)
    assert calls[1].ask == way
    assert result.value == Order(title="t", lines=[Item(name="a", qty=2), Item(name="b")])
    assert [(e.rule, e.pointer, e.note) for e in result.events] == [
        ("repair.field", "/lines/1/qty", "the answer says that there is none")
    ]


def test_a_second_answer_that_is_wrong_as_well_is_told_what_is_wrong_with_it() -> None:
    calls: list[Call] = []

    def answer(call: Call) -> Reply:
        calls.append(call)
        quantity = (-7, -8, 9)[len(calls) - 1]
        return said({"title": "t", "lines": [{"name": "a", "qty": quantity}]})

    assert drive(Task(ORDER, (MINI,)), answer).ok
    assert [one.message for one in calls[2].failed] == ["-8 is not greater than 0"]


# ---- only what was asked for is taken


class Span(BaseModel):
    company: str
    start: int
    end: int
    tags: list[str] = []

    @model_validator(mode="after")
    def ordered(self) -> Any:
        if self.end < self.start:
            raise ValueError("end must not be before start")
        return self


SPAN = compile(Span)
TURNED = {"company": "ACME", "start": 5, "end": 3, "tags": ["a"]}
MEDDLED = {"company": "OTHER", "start": 5, "end": 9, "tags": []}


@pytest.mark.parametrize("way", ["whole", "changes"])
def test_of_a_record_that_fails_as_a_whole_only_the_fields_that_were_asked_for_are_taken(way: str) -> None:
    all_of_it = changes(*({"path": f"/{name}", "value": one} for name, one in MEDDLED.items()), schema=SPAN)
    task = Task(SPAN, (MINI if way == "whole" else CHEAP,))
    second = said(MEDDLED) if way == "whole" else all_of_it
    result, calls = asked(task, DOCUMENT if way == "whole" else LONG, said(TURNED), second)
    assert calls[1].ask == way
    assert result.value == Span(company="ACME", start=5, end=9, tags=["a"])
    assert [e.pointer for e in result.events if e.rule == "repair.field"] == ["/end"]


def test_where_the_fields_that_a_complaint_names_do_not_help_all_of_the_record_are_asked_for() -> None:
    class Sum(BaseModel):
        net: int
        tax: int
        total: int

        @model_validator(mode="after")
        def adds_up(self) -> Any:
            if self.net + self.tax != self.total:
                raise ValueError("net and tax do not add up")
            return self

    schema = compile(Sum)
    bad, named = said({"net": 5, "tax": 1, "total": 7}), changes({"path": "/total", "value": 6}, schema=schema)
    result, calls = asked(Task(schema, (CHEAP,)), LONG, bad, named, said({"net": 5, "tax": 1, "total": 6}))
    assert [target.path for target in calls[1].failed[0].targets] == ["/net", "/tax"]
    assert [event.rule for event in result.events] == ["repair.ignored", "repair.field"]
    assert result.value == Sum(net=5, tax=1, total=6)


# ---- several models


class Account(BaseModel):
    company: str
    total: Decimal

    @field_validator("total")
    @classmethod
    def not_negative(cls, value: Decimal) -> Decimal:
        if value < 0:
            raise ValueError("a total is not negative")
        return value


@pytest.mark.parametrize(
    "second", [{"company": "B"}, {"company": "B", "total": "n/a"}, {"company": "B", "total": "-1"}]
)
def test_a_valid_record_is_not_spoiled_by_a_later_model(second: Any) -> None:
    first = said({"company": "ACME", "total": "1.10"}, confidence={"/company": 0.9, "/total": 0.2})
    result = drive(Task(compile(Account), (RULES, MINI), attempts=1), script(first, said(second)))
    assert result.value == Account(company="ACME", total=Decimal("1.10"))
    assert result.problems == ()
    assert result.confidence == {"/company": 0.9, "/total": 0.2}


def test_a_later_model_that_says_the_same_settles_it() -> None:
    first = said({"company": "ACME", "total": "1.10"}, confidence={"/company": 0.9, "/total": 0.2})
    same = said({"company": "B", "total": "1.10"})
    result = drive(Task(compile(Account), (RULES, MINI, LARGE), attempts=1), script(first, same))
    assert result.confidence == {"/company": 0.9}
    assert [attempt.model for attempt in result.attempts] == ["rules", "mini"]


def test_a_whole_answer_of_another_model_takes_the_place_of_one_that_was_cut_off() -> None:
    text = dump({**GOOD, "lines": [{"name": f"n{index}", "price": "1"} for index in range(9)]})
    cut = Reply(text=text[: text.index("n5")], mode="json_schema", finish="length")
    result = drive(Task(BILL, (MINI, RULES), attempts=1), script(cut, said(GOOD)))
    assert result.ok
    assert result.partial == GOOD


def test_what_was_cut_off_is_asked_of_the_next_model() -> None:
    text = dump({**GOOD, "lines": [{"name": f"n{index}", "price": "1"} for index in range(3)]})
    cut = Reply(text=text[: text.index("n1")], mode="json_schema", finish="length")
    items = [{"path": "/lines/*", "at": [index], "value": {"name": f"n{index}", "price": "1"}} for index in (1, 2)]
    result, calls = asked(Task(BILL, (MINI, LARGE), attempts=1), LONG, cut, changes(*items))
    assert [(call.model, call.ask) for call in calls] == [("mini", "whole"), ("large", "rest")]
    assert result.partial == {**GOOD, "lines": [{"name": f"n{index}", "price": "1"} for index in range(3)]}


def test_the_next_model_does_not_begin_with_the_room_that_was_too_small() -> None:
    rooms: list[tuple[str, int]] = []

    def answer(call: Call) -> Reply:
        rooms.append((call.model, call.settings["max_tokens"]))
        return Reply(text='{"company": "AC', mode="json_schema", finish="length")

    drive(Task(BILL, (MINI, LARGE), settings={"max_tokens": 100}, attempts=2), answer)
    assert rooms == [("mini", 100), ("mini", 200), ("large", 400), ("large", 800)]


# ---- whatever code of the user's does, the task ends with what was paid for


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ExtractError("a look-up failed"), "the record: a validator raised ExtractError: a look-up failed"),
        (SystemExit(3), "the record: a validator raised SystemExit: 3"),
    ],
    ids=["ours", "exit"],
)
def test_an_error_of_ours_that_a_validator_raises_is_the_documents_problem(error: BaseException, told: str) -> None:
    class Raising(BaseModel):
        word: str

        @field_validator("word")
        @classmethod
        def fail(cls, value: str) -> str:
            raise error

    result = drive(Task(compile(Raising), (MINI,), attempts=1), lambda call: said({"word": "x"}))
    assert [str(one) for one in result.problems] == [told]
    assert (result.partial, len(result.attempts), result.cost) == ({"word": "x"}, 1, MINI.price.of(Usage(100, 0, 10)))  # type: ignore[union-attr]


def test_a_number_that_no_float_holds_is_asked_for_again() -> None:
    class Measure(BaseModel):
        name: str
        size: float

    first = Reply(text='{"name": "n", "size": 1e400}', mode="json_schema")
    result = drive(Task(compile(Measure), (MINI,)), script(first, said({"name": "n", "size": 4.5})))
    assert result.value == Measure(name="n", size=4.5)
    alone = drive(Task(compile(Measure), (MINI,), attempts=1), script(first))
    assert [str(one) for one in alone.problems] == ["/size: JSON has no number inf"]
    assert alone.partial == {"name": "n", "size": Decimal("1E+400")}


def test_attempts_are_a_number() -> None:
    with pytest.raises(ExtractError) as caught:
        Task(BILL, (MINI,), attempts="3")  # type: ignore[arg-type]
    assert str(caught.value) == "The attempts are a whole number above 0, not '3'.\n  Write 3."


@pytest.mark.parametrize("data", [b"", b"\x89PNG"])
def test_an_extraction_keeps_no_reply_and_no_image(data: bytes) -> None:
    """What was asked for and found is not kept for the sake of what somebody may still ask."""
    images = (Attachment("image", "scan.png", "image/png", data),) if data else ()
    document, reply = Document(text="4.95", attachments=images), said({"total": 4.95})
    steps = Task(compile({"type": "object", "properties": {"total": {"type": "number"}}}), (MINI,)).steps(document)
    next(steps)
    with pytest.raises(StopIteration) as ended:
        steps.send((reply,))
    found = ended.value.value
    assert list(found.evidence) == ["/total"]
    kept = [weakref.ref(one) for one in ((reply, document) if data else (reply,))]
    del steps, reply, document, images, ended
    gc.collect()
    assert [one() for one in kept] == [None] * len(kept)
    assert (len(found.document), len(found.attempts[0].key), found.cost) == (64, 64, Decimal("0.00012"))
