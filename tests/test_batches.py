"""Files and batches of the fake server: what OpenAI refuses is refused, with the same code, and nothing is charged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from extract.batches import Wave, Waves
from extract.call import Call, Part, Reply, Shape, Usage
from extract.ledger import RunLedger
from extract.limits import NOTHING
from extract.models import built_in_catalogue, open_model
from extract.models.batches import Batch, Door, open_door
from extract.models.wire import Refused
from extract.testing import FakeOpenAI

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
CALL = Call("openai/gpt-4o-mini", 1, "", (Part("text", "document", text="x"),), Shape("S", SCHEMA, SCHEMA))


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(lambda request: {"a": 1}) as one:
        yield one


def through(server: FakeOpenAI, work: Callable[[Door], Awaitable[Any]]) -> Any:
    """What the door's requests give, at this server."""

    async def all_of() -> Any:
        model = open_model(CALL.model, base_url=server.base_url, api_key="sk-of-a-test")
        door = open_door(built_in_catalogue()[CALL.model], model)
        assert door is not None
        try:
            return await work(door)
        finally:
            await model.close()

    return asyncio.run(all_of())


def ended(server: FakeOpenAI, content: bytes) -> Batch:
    """The batch that is made of a file with this content, after it has ended."""
    Path("lines.jsonl").write_bytes(content)

    async def work(door: Door) -> Batch:
        batch = await door.create(await door.upload(Path("lines.jsonl"), 5), {"of": "a test"}, 5)
        while not batch.ended:
            batch = await door.retrieve(batch.id, 5)
        return batch

    found: Batch = through(server, work)
    return found


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def line(**changes: Any) -> bytes:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}
    request = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body, **changes}
    return json.dumps(request).encode() + b"\n"


OTHER = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (b"", [("empty_file", None)]),
        (line() + line(), [("duplicate_custom_id", 2)]),
        (line() + b"{\n", [("invalid_json_line", 2)]),
        (line(url="/v1/embeddings"), [("invalid_url", 1)]),
        (line() + line(custom_id="2", body=OTHER), [("mismatched_model", None)]),
    ],
    ids=["empty", "doubled", "broken", "other endpoint", "two models"],
)
def test_a_file_that_breaks_the_rules_fails_as_a_whole(server: FakeOpenAI, content: bytes, faults: Any) -> None:
    batch = ended(server, content)
    assert (batch.status, batch.output, batch.errors) == ("failed", None, None)
    assert [(one.code, one.line) for one in batch.faults] == faults
    assert server.batches.answered == {}


def test_a_batch_of_a_file_that_is_not_there_is_refused(server: FakeOpenAI) -> None:
    with pytest.raises(Refused) as caught:
        through(server, lambda door: door.create("file-9", {}, 5))
    assert caught.value.failure.kind == "configuration"
    assert caught.value.failure.message == (
        "The server refused the request to openai/gpt-4o-mini: No such File object."
    )


def test_a_batch_that_is_not_there_is_told_with_the_remedy(server: FakeOpenAI) -> None:
    with pytest.raises(Refused) as caught:
        through(server, lambda door: door.retrieve("batch_9", 5))
    assert caught.value.failure.message == (
        "The server of openai/gpt-4o-mini does not know this batch, or has no Batch API."
    )
    assert caught.value.failure.fix == (
        "Use the key with which the run was started (OPENAI_API_KEY), or the local engine."
    )


def test_a_batch_is_cancelled_and_what_it_did_is_kept(server: FakeOpenAI) -> None:
    Path("lines.jsonl").write_bytes(line() + line(custom_id="2"))

    async def work(door: Door) -> tuple[Batch, Batch]:
        batch = await door.create(await door.upload(Path("lines.jsonl"), 5), {}, 5)
        return await door.cancel(batch.id, 5), await door.retrieve(batch.id, 5)

    cancelling, cancelled = through(server, work)
    assert (cancelling.status, cancelled.status) == ("cancelling", "cancelled")
    assert None not in (cancelled.output, cancelled.errors)
    assert server.batches.answered == {"1": 1}


def test_a_call_means_the_same_in_a_file_as_by_itself(server: FakeOpenAI) -> None:
    async def work(door: Door) -> tuple[bytes, Reply]:
        model = open_model(CALL.model, base_url=server.base_url, api_key="sk-of-a-test")
        try:
            return door.line(CALL, door.wire), await model.send(CALL)
        finally:
            await model.close()

    sent, _ = through(server, work)
    assert json.loads(sent)["body"] == server.requests[0].body
    assert json.loads(sent)["custom_id"] == CALL.key
    assert sent.count(b"\n") == 1


@pytest.mark.parametrize(
    ("came", "outcome"),
    [
        ({"response": None, "error": {"code": "batch_expired", "message": "Too late."}}, "transport"),
        ({"response": {"status_code": 429, "body": {"error": {"code": "rate_limit_exceeded"}}}}, "transport"),
        ({"response": {"status_code": 500, "body": None}}, "transport"),
        ({"response": {"status_code": 200, "body": "no object"}}, "transport"),
        ({"response": {"status_code": 400, "body": {"error": {"code": "context_length_exceeded"}}}}, "document"),
    ],
)
def test_what_comes_back_for_one_call(server: FakeOpenAI, came: Any, outcome: str) -> None:
    async def work(door: Door) -> Any:
        return door.read(json.dumps({"custom_id": "k", **came}).encode(), door.wire, {})

    key, reply = through(server, work)
    assert (key, reply.outcome) == ("k", outcome)


def test_an_answer_without_its_account_is_estimated(server: FakeOpenAI) -> None:
    body = {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}

    async def work(door: Door) -> Any:
        found = {"custom_id": "k", "response": {"status_code": 200, "body": body}}
        return door.read(json.dumps(found).encode(), door.wire, {"k": 7})

    _, reply = through(server, work)
    assert (reply.usage.input, reply.usage.output > 0, reply.estimated, reply.batch) == (7, True, True, True)
    assert Reply.from_plain(reply.plain()) == reply


@pytest.mark.parametrize("broken", [b"", b"<html>", b"[]", b"{}", b'{"custom_id": "k", "response": 3}'])
def test_a_line_that_is_none_says_nothing(server: FakeOpenAI, broken: bytes) -> None:
    async def work(door: Door) -> Any:
        return door.read(broken, door.wire, {})

    assert through(server, work) is None


def test_waves_are_kept_with_their_calls_until_they_are_done_with(tmp_path: Path) -> None:
    new = Wave(0, "m", "strict", "planned", 2, 7, NOTHING)

    async def work(waves: Waves) -> None:
        first = await waves.plan(new, {"b": 3, "a": 4})
        second = await waves.plan(new, {"c": 7})
        assert (first.number, second.number) == (1, 2)
        assert list((await waves.calls(1)).items()) == [("b", 3), ("a", 4)]
        done = await waves.save(
            Wave(1, "m", "strict", "ingested", 2, 7, NOTHING, faults=(("full", "It is.", None),), odd={"doubled": 1})
        )
        assert await waves.all() == [done, second]
        assert await waves.calls(1) == {}
        reply = Reply(text="{}", usage=Usage(1, 0, 1))
        assert await waves.record([("aa", "m", reply, None), ("aa", "m", reply, None), ("bb", "m", reply, None)]) == [
            True,
            False,
            True,
        ]
        assert (await ledger.reply("aa"), await ledger.reply("bb"), await ledger.reply("cc")) == (reply, reply, None)

    ledger = RunLedger(tmp_path / "run")
    try:
        asyncio.run(work(Waves(ledger)))
    finally:
        ledger.close()
