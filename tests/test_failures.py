"""Each kind of failure over real HTTP: how often is asked, what is kept, and that a model sees nothing of the wire."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from extract import ModelError, ValidationFailed, compile, extract
from extract.call import Usage
from extract.extraction import Extraction
from extract.jsontext import dump
from extract.limits import Limits
from extract.models import built_in_catalogue
from extract.testing import Answer, Fault

if TYPE_CHECKING:
    from extract.testing import FakeOpenAI


class Bill(BaseModel):
    company: str
    total: Decimal
    note: str | None = None


BILL = compile(Bill)
TEXT = "ACME Ltd, total 4.95"
RECORD = {"company": "ACME Ltd", "total": "4.95", "note": None}
PRICE = built_in_catalogue().facts("openai/gpt-4o-mini").price
WIRE = ("rate limit", "429", "500", "status", "connection", "retry", "server")
"""Words of transport errors, none of which may be in a prompt."""


def wrong(**changed: Any) -> Answer:
    """An answer that the schema does not admit."""
    return Answer(dump({**RECORD, **changed}))


def reader(**options: Any) -> Any:
    @extract(**options)
    def read(document) -> Bill:  # type: ignore[no-untyped-def]
        """Read the bill."""

    return read


def cost(usage: Usage) -> Decimal:
    assert PRICE is not None
    return PRICE.of(usage)


@contextmanager
def paid(server: FakeOpenAI, requests: int, outcomes: list[str]) -> Iterator[list[Extraction[Any]]]:
    """Checks what holds of every failure: the number of requests, the attempts, that usage and cost are what the server
    charged, and that no prompt speaks of the transport. The extraction is put into the list."""
    kept: list[Extraction[Any]] = []
    yield kept
    assert server.count == requests
    (extraction,) = kept
    assert [one.outcome for one in extraction.attempts] == outcomes
    assert extraction.usage == server.usage
    assert extraction.cost == cost(server.usage)
    for request in server.requests:
        said = request.prompt.lower()
        assert [word for word in WIRE if word in said] == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("rate_limit", retry_after=0.2),
        Fault("server_error", retry_after=0.2),
        Fault("overloaded", retry_after=0.2),
    ],
    ids=lambda fault: fault.kind,
)
def test_the_transport_is_tried_again_when_the_server_says(fake_openai: FakeOpenAI, fault: Fault) -> None:
    fake_openai.gold({TEXT: RECORD}, BILL)
    fake_openai.faults(fault)
    began = time.monotonic()
    with paid(fake_openai, 2, ["stop"]) as kept:
        kept.append(reader().detail(TEXT))
    assert time.monotonic() - began >= 0.2
    assert kept[0].ok
    first, second = fake_openai.requests
    assert first.raw == second.raw


@pytest.mark.parametrize("kind", ["cut", "garbage"])
def test_a_connection_that_breaks_is_tried_again(fake_openai: FakeOpenAI, kind: Any) -> None:
    fake_openai.gold({TEXT: RECORD}, BILL)
    fake_openai.faults(kind)
    with paid(fake_openai, 2, ["stop"]) as kept:
        kept.append(reader().detail(TEXT))
    assert kept[0].ok


def test_a_transport_failure_that_stays_may_be_tried_later(fake_openai: FakeOpenAI) -> None:
    fake_openai.faults(*[Fault("rate_limit", retry_after=0.01)] * 9)
    with paid(fake_openai, 3, ["transport"]) as kept:
        with pytest.raises(ModelError) as caught:
            reader(limits=Limits(tries=3))(TEXT)
        assert caught.value.extraction is not None
        kept.append(caught.value.extraction)
    assert (caught.value.kind, caught.value.retryable) == ("transport", True)
    assert kept[0].cost == 0


def test_a_transport_failure_of_a_repair_keeps_the_answer_that_was_paid_for(fake_openai: FakeOpenAI) -> None:
    fake_openai.replies(wrong(total="many"))
    fake_openai.faults(None, *[Fault("rate_limit", retry_after=0.01)] * 2)
    with paid(fake_openai, 3, ["stop", "transport"]) as kept:
        with pytest.raises(ModelError) as caught:
            reader(limits=Limits(tries=2))(TEXT)
        assert caught.value.extraction is not None
        kept.append(caught.value.extraction)
    assert [(one.pointer, one.kind) for one in kept[0].problems] == [("/total", "invalid"), ("", "transport")]
    assert kept[0].partial["company"] == "ACME Ltd"
    assert kept[0].cost is not None
    assert kept[0].cost > 0


def test_a_repair_after_a_transport_failure_shows_what_was_wrong_and_nothing_of_the_wire(
    fake_openai: FakeOpenAI,
) -> None:
    fake_openai.replies(wrong(total="many"))
    fake_openai.gold({TEXT: RECORD}, BILL)
    fake_openai.faults(Fault("server_error", retry_after=0.01), None, Fault("rate_limit", retry_after=0.01), None)
    with paid(fake_openai, 4, ["stop", "stop"]) as kept:
        kept.append(reader().detail(TEXT))
    assert kept[0].ok
    assert "/total" in fake_openai.requests[-1].prompt


def test_a_truncated_answer_is_never_asked_for_in_the_same_way_again(fake_openai: FakeOpenAI) -> None:
    fake_openai.gold({TEXT: RECORD}, BILL)
    fake_openai.faults("truncated")
    with paid(fake_openai, 2, ["length", "stop"]) as kept:
        kept.append(reader(settings={"max_completion_tokens": 100}).detail(TEXT))
    assert kept[0].ok
    assert kept[0].partial == RECORD
    assert len({request.raw for request in fake_openai.requests}) == 2


def test_a_truncated_answer_is_no_record(fake_openai: FakeOpenAI) -> None:
    fake_openai.gold({TEXT: RECORD}, BILL)
    fake_openai.faults("truncated")
    with paid(fake_openai, 1, ["length"]) as kept:
        with pytest.raises(ModelError) as caught:
            reader(attempts=1, on_failure="keep", best_effort=["note"])(TEXT)
        assert caught.value.kind == "length"
        assert caught.value.extraction is not None
        kept.append(caught.value.extraction)
    assert kept[0].value is None
    assert kept[0].partial == {"company": "ACME Ltd"}
    assert kept[0].problems[-1].message == (
        "The answer did not fit into the 16,384 tokens that openai/gpt-4o-mini had for it."
    )


STOPS = [
    ("refusal", "refusal", "openai/gpt-4o-mini refused: I'm sorry, but I can't help with that.", True),
    ("filter", "filter", "The content filter of openai/gpt-4o-mini took the request", False),
    ("filtered", "filter", "The content filter of openai/gpt-4o-mini stopped the answer.", True),
]


@pytest.mark.parametrize(("fault", "kind", "told", "charged"), STOPS, ids=[one[0] for one in STOPS])
def test_what_a_model_will_not_answer_is_asked_once(
    fake_openai: FakeOpenAI, fault: Any, kind: str, told: str, charged: bool
) -> None:
    fake_openai.gold({TEXT: RECORD}, BILL)
    fake_openai.faults(fault)
    with paid(fake_openai, 1, [kind]) as kept:
        with pytest.raises(ModelError) as caught:
            reader()(TEXT)
        assert caught.value.extraction is not None
        kept.append(caught.value.extraction)
    assert (caught.value.kind, caught.value.retryable) == (kind, False)
    assert told in caught.value.message
    assert (kept[0].usage.output > 0) is charged
    assert kept[0].value is None


@pytest.mark.parametrize("fault", ["refusal", "filter", "filtered"])
def test_what_one_model_will_not_answer_is_asked_of_the_next(fake_openai: FakeOpenAI, fault: Any) -> None:
    fake_openai.gold({TEXT: RECORD}, BILL)
    fake_openai.faults(fault)
    result = reader(model=["openai/gpt-4o-mini", "openai/gpt-4o"]).detail(TEXT)
    assert result.ok
    assert [request.body["model"] for request in fake_openai.requests] == ["gpt-4o-mini", "gpt-4o"]
    assert f"failure.{result.attempts[0].outcome}" in [event.rule for event in result.events]


def test_an_unreadable_answer_is_asked_for_again(fake_openai: FakeOpenAI) -> None:
    fake_openai.replies("I think that it is about ACME.")
    fake_openai.gold({TEXT: RECORD}, BILL)
    with paid(fake_openai, 2, ["stop", "stop"]) as kept:
        kept.append(reader().detail(TEXT))
    assert kept[0].ok
    assert kept[0].partial == RECORD


def test_answers_that_stay_unreadable_keep_what_they_cost(fake_openai: FakeOpenAI) -> None:
    fake_openai.replies("I think so.", "I am sure.", "Believe me.")
    with paid(fake_openai, 3, ["stop", "stop", "stop"]) as kept:
        with pytest.raises(ValidationFailed) as caught:
            reader()(TEXT)
        kept.append(caught.value.extraction)
    assert [one.kind for one in kept[0].problems] == ["reading"]


def test_an_invalid_answer_is_repaired_where_it_is_wrong(fake_openai: FakeOpenAI) -> None:
    fake_openai.replies(wrong(total="many", note="as it was"))
    fake_openai.gold({TEXT: RECORD}, BILL)
    with paid(fake_openai, 2, ["stop", "stop"]) as kept:
        kept.append(reader().detail(TEXT))
    assert kept[0].partial == {**RECORD, "note": "as it was"}
    assert [event.pointer for event in kept[0].events if event.rule == "repair.field"] == ["/total"]


def test_an_answer_that_stays_invalid_keeps_its_best_value(fake_openai: FakeOpenAI) -> None:
    fake_openai.replies(wrong(total="many"), wrong(total="more"))
    with paid(fake_openai, 2, ["stop", "stop"]) as kept:
        with pytest.raises(ValidationFailed) as caught:
            reader(attempts=2)(TEXT)
        kept.append(caught.value.extraction)
    assert [one.pointer for one in kept[0].problems] == ["/total"]
    assert kept[0].partial["company"] == "ACME Ltd"


def test_a_wrong_key_is_tried_once_and_not_for_every_document(fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    fake_openai.key = "another"
    read = reader(limits=Limits(in_flight=1))
    told = "openai/gpt-4o-mini: The key for openai/gpt-4o-mini was not accepted.\n  Check OPENAI_API_KEY."
    with pytest.raises(ModelError) as caught:
        read(TEXT)
    assert (str(caught.value), caught.value.kind, fake_openai.count) == (told, "configuration", 1)
    fake_openai.reset()
    with pytest.raises(ModelError) as caught:
        list(read.batch((f"{TEXT} {n}" for n in range(100)), run=tmp_path / "run"))
    assert (str(caught.value), fake_openai.count) == (told, 1)
    assert fake_openai.usage == Usage()


def test_a_wrong_key_found_after_an_answer_loses_nothing(fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    """The first document is paid for, then the key is withdrawn; the run goes on with a new one and pays once."""
    fake_openai.gold({"ACME": RECORD}, BILL)
    read = reader(limits=Limits(in_flight=1))
    texts = [f"{TEXT} {n}" for n in range(5)]
    assert [one.ok for one in read.batch(texts[:1], run=tmp_path / "run")] == [True]
    fake_openai.key = "another"
    with pytest.raises(ModelError, match="was not accepted"):
        list(read.batch(texts, run=tmp_path / "run"))
    fake_openai.key = None
    assert [one.ok for one in read.batch(texts, run=tmp_path / "run")] == [True] * 5
    assert fake_openai.answered == 5
