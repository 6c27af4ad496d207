"""Servers that are not quite OpenAI's: an answer that came is taken and paid for once, whatever stands around it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from extract import ModelError, extract
from extract.call import Call, Part, Reply, Shape
from extract.limits import Limits
from extract.models import built_in_catalogue, open_model
from extract.pipeline import Pipeline
from extract.runner import execute, open_models
from extract.testing import FakeOpenAI

TEXT = '{"word":"here"}'
WIRE = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}
KNOWN = built_in_catalogue()
MINI = "openai/gpt-4o-mini"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}


class Word(BaseModel):
    word: str


class Raw:
    """A server that writes what a function of the number of the request says, byte for byte."""

    def __init__(self, say: Callable[[int], bytes | list[bytes]]):
        self.say, self.count, self.late = say, 0, 0.0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(one.split(b":")[1]) for one in head.split(b"\r\n") if one.lower().startswith(b"content-l")
                )
                await reader.readexactly(length)
                said = self.say(self.count)
                self.count += 1
                for piece in [said] if isinstance(said, bytes) else said:
                    await asyncio.sleep(self.late)
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.005)
                if isinstance(said, list) and said[-1] == b"":
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _run(self, started: threading.Event, stopped: list[Any]) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        stop = asyncio.Event()
        stopped.append((asyncio.get_running_loop(), stop))
        started.set()
        await stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


@contextmanager
def raw(say: Callable[[int], bytes | list[bytes]]) -> Iterator[Raw]:
    server, started, stopped = Raw(say), threading.Event(), []  # type: ignore[var-annotated]
    thread = threading.Thread(target=lambda: asyncio.run(server._run(started, stopped)), daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield server
    finally:
        loop, stop = stopped[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def http(body: bytes, status: str = "200 OK", kind: str = "application/json", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def completion(usage: Any = USAGE, **message: Any) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT, **message}}
    body = {"id": "x", "model": "m", "choices": [choice]}
    return json.dumps(body if usage is None else {**body, "usage": usage}).encode()


def events(*data: bytes, end: bytes = b"data: [DONE]\n\n", close: bool = True) -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return [head, *(b"data: " + one + b"\n\n" for one in data), end, *([b""] if close else [])]


def delta(text: str = TEXT, finish: str | None = None) -> bytes:
    return json.dumps(
        {"model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
    ).encode()


END = json.dumps({"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}).encode()
ACCOUNT = json.dumps({"model": "m", "choices": [], "usage": USAGE}).encode()


def a_call() -> Call:
    return Call(MINI, 1, "Read.", (Part("text", "document", text="the word is here"),), Shape("Word", WIRE, WIRE))


def asked(server: Raw, stream: bool = False, name: str = MINI) -> Reply:
    async def ask() -> Reply:
        model = open_model(name, KNOWN, {"OPENAI_BASE_URL": server.base_url})
        try:
            if not stream:
                return await model.send(a_call(), timeout=20)
            return [item async for item in model.stream(a_call(), timeout=20) if isinstance(item, Reply)][-1]
        finally:
            await model.close()

    return asyncio.run(ask())


STREAMS = {
    "no blank before the mark of the end": events(delta(), END, ACCOUNT, end=b"data:[DONE]\n\n"),
    "a blank behind it": events(delta(), END, ACCOUNT, end=b"data: [DONE] \n\n"),
    "no mark of the end": events(delta(), END, ACCOUNT, end=b""),
    "the connection stays open": events(delta(), END, ACCOUNT, end=b"", close=False),
    "an empty event": events(b"", delta(), b"", END, ACCOUNT),
    "comments": events(delta(), END, end=b": keep-alive\n\ndata: " + ACCOUNT + b"\n\ndata: [DONE]\n\n"),
    "no JSON behind the end": events(delta(), END, ACCOUNT, b"oops"),
    "line ends of two characters": [one.replace(b"\n\n", b"\r\n\r\n") for one in events(delta(), END, ACCOUNT)],
    "a whole answer instead": [http(completion()), b""],
    "events in pieces": [bytes([one]) for one in b"".join(events(delta("é" + TEXT[:0]), delta(), END, ACCOUNT))]
    + [b""],
    "a line of three megabytes": events(delta(TEXT[:-2] + "x" * 3_000_000 + TEXT[-2:]), END, ACCOUNT),
}


@pytest.mark.parametrize("case", STREAMS)
def test_a_streamed_answer_that_came_is_taken(case: str) -> None:
    with raw(lambda number: STREAMS[case]) as server:
        reply = asked(server, stream=True)
        assert reply.failure is None
        assert (reply.text or "").lstrip("é").startswith(TEXT[:-2])
        assert (reply.usage.input, reply.usage.output, reply.estimated) == (10, 5, False)
        assert server.count == 1


def test_a_stream_that_ends_before_its_answer_is_never_whole() -> None:
    with raw(lambda number: events(delta(TEXT[:5]), end=b"")) as server:
        reply = asked(server, stream=True)
        assert reply.failure is not None
        assert (reply.failure.kind, reply.failure.sent) == ("transport", True)


ACCOUNTS: dict[str, tuple[Any, tuple[int, int]]] = {
    "numbers as text": ({"prompt_tokens": "many", "completion_tokens": 5}, (0, 5)),
    "negative": ({"prompt_tokens": -10, "completion_tokens": 5}, (0, 5)),
    "details that are none": ({**USAGE, "prompt_tokens_details": "none"}, (10, 5)),
    "not a number": ({"prompt_tokens": float("inf"), "completion_tokens": 5}, (0, 5)),
}


@pytest.mark.parametrize("case", ACCOUNTS)
def test_an_answer_is_not_lost_for_its_account(case: str) -> None:
    usage, counted = ACCOUNTS[case]
    with raw(lambda number: http(completion(usage).replace(b"Infinity", b"1e999"))) as server:
        reply = asked(server)
        if case == "not a number":  # which is no JSON number that can be held: the body is refused as a whole
            assert reply.failure is not None or (reply.usage.input, reply.usage.output) == counted
            return
        assert (reply.text, reply.usage.input, reply.usage.output) == (TEXT, *counted)


@pytest.mark.parametrize("usage", [None, {}, ["x"], {"prompt_tokens": 0, "completion_tokens": 0}])
def test_an_answer_without_an_account_counts_by_an_estimate(usage: Any) -> None:
    with raw(lambda number: http(completion(usage))) as server:
        reply = asked(server)
        assert (reply.text, reply.estimated) == (TEXT, True)
        assert reply.usage.input > 50
        assert 0 < reply.usage.output < 20
        assert Reply.from_plain(reply.plain()) == reply


def test_a_budget_holds_with_a_server_that_says_nothing_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw(lambda number: http(completion(None))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "some-key")

        @extract(limits=Limits(budget_usd=Decimal("0.0105")))
        def read(document) -> Word:  # type: ignore[no-untyped-def]
            """Read the word."""

        with pytest.raises(Exception, match="The next call may cost"):
            list(read.batch([f"the word is here {number}" for number in range(200)]))
        assert 0 < server.count < 60


MESSAGES: dict[str, dict[str, Any]] = {
    "content in parts": {"content": [{"type": "text", "text": TEXT}]},
    "content as an object": {"content": {"word": "here"}},
    "log-probabilities that are none": {"logprobs": "x"},
}


@pytest.mark.parametrize("case", MESSAGES)
def test_content_of_other_forms_is_read(case: str) -> None:
    with raw(lambda number: http(completion(**MESSAGES[case]))) as server:
        assert json.loads(asked(server).text or "") == {"word": "here"}


@pytest.mark.parametrize("status", ["201 Created", "202 Accepted"])
def test_every_success_is_one(status: str) -> None:
    with raw(lambda number: http(completion(), status)) as server:
        assert asked(server).text == TEXT


def test_a_redirect_is_said_and_not_followed() -> None:
    with raw(
        lambda number: http(b"", "307 Temporary Redirect", "text/plain", "Location: http://127.0.0.1:9/")
    ) as server:
        failure = asked(server).failure
        assert failure is not None
        assert (failure.message, failure.fix) == (
            "The server of openai/gpt-4o-mini redirects to another address, which is not followed.",
            "Give the address itself in OPENAI_BASE_URL; http may have to be https.",
        )


def test_what_is_cancelled_on_its_way_counts_at_its_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A web handler gives up after a while; the request had been sent, and is charged."""
    with raw(lambda number: http(completion())) as server:
        server.late = 5.0
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "some-key")

        @extract(limits=Limits(calls=3))
        async def read(document) -> Word:  # type: ignore[no-untyped-def]
            """Read the word."""

        async def impatient() -> None:
            for number in range(6):
                try:
                    await asyncio.wait_for(read(f"the word is here {number}"), 0.2)
                except Exception as error:  # noqa: BLE001  the kind is what is looked at
                    seen.append(type(error).__name__)

        seen: list[str] = []
        asyncio.run(impatient())
        assert seen == ["TimeoutError"] * 3 + ["BudgetExceeded"] * 3


def refused(code: str, message: str, status: str = "400 Bad Request") -> bytes:
    return http(json.dumps({"error": {"code": code, "message": message}}).encode(), status)


def batch(server: Raw, monkeypatch: pytest.MonkeyPatch, count: int) -> list[bool]:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "some-key")

    @extract(limits=Limits(in_flight=1))
    def read(document) -> Word:  # type: ignore[no-untyped-def]
        """Read the word."""

    return [one.ok for one in read.batch([f"the word is here {number}" for number in range(count)])]


def test_a_refusal_for_a_reason_that_is_not_known_ends_one_document_where_others_were_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = refused("invalid_document", "I do not like it.")
    with raw(lambda number: odd if number == 1 else http(completion())) as server:
        assert batch(server, monkeypatch, 5) == [True, False, True, True, True]
    with (
        raw(lambda number: odd) as server,
        pytest.raises(ModelError, match=r"refused the request .* I do not like it\."),
    ):
        batch(server, monkeypatch, 5)
    with raw(lambda number: odd if number else http(completion())) as server, pytest.raises(ModelError):
        batch(server, monkeypatch, 20)  # again and again: it is not the documents


def test_a_document_of_more_tokens_than_a_minute_has_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Request too large for gpt-4o-mini on tokens per min (TPM): Limit 200000, Requested 250000."
    with raw(lambda number: refused("rate_limit_exceeded", said, "429 Too Many Requests")) as server:
        failure = asked(server).failure
        assert failure is not None
        assert (failure.kind, server.count) == ("document", 1)


def test_a_mode_that_enforces_less_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with FakeOpenAI(lambda request: {"word": "here"}, modes=("text",)) as server:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        (tmp_path / "word.json").write_text(json.dumps({**WIRE, "title": "Word"}))
        (tmp_path / "a.txt").write_text("the word is here")
        steps = [{"extract": "word.json"}]
        pipeline = Pipeline.of(
            {"name": "words", "model": "compatible/qwen", "documents": "a.txt", "steps": steps, "write": "out.jsonl"}
        )
        run = asyncio.run(execute(pipeline, open_models(pipeline), tmp_path / "run"))
        assert run.warnings[-1] == (
            "compatible/qwen holds no answer to a strict schema: it was asked in the mode text, and answers are checked"
            " here."
        )


# Models that are passed as objects


def test_a_model_that_is_passed_is_held_to_where_data_may_go() -> None:
    with FakeOpenAI(lambda request: {"word": "here"}) as server:
        model = open_model(MINI, base_url=server.base_url)

        @extract(model=model, hosts=["allowed.example.com"])
        def elsewhere(document) -> Word:  # type: ignore[no-untyped-def]
            """Read the word."""

        with pytest.raises(ModelError, match=r"^openai/gpt-4o-mini is at 127\.0\.0\.1, and only allowed\.example"):
            elsewhere("the word is here")

        @extract(model=model, offline=True)
        def here(document) -> Word:  # type: ignore[no-untyped-def]
            """Read the word."""

        assert here("the word is here").word == "here"
        assert server.count == 1


def test_a_model_that_does_not_say_where_it_goes_may_not_where_data_may_not() -> None:
    class Own:
        name, mode = "own/model", "json_schema"

        async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
            return Reply(text=TEXT)

    @extract(model=Own(), offline=True)
    def read(document) -> Word:  # type: ignore[no-untyped-def]
        """Read the word."""

    with pytest.raises(ModelError) as refused:
        read("the word is here")
    assert str(refused.value) == (
        "own/model does not say where it goes, and data may not go anywhere (offline or hosts).\n"
        "  Give it `addresses`, a tuple of the web addresses that it asks."
    )


@pytest.mark.parametrize("client", [object(), type("AsyncOpenAI", (), {})])
def test_a_client_that_is_none_is_said_when_it_is_passed(client: Any) -> None:
    with pytest.raises(ModelError) as refused:
        open_model(MINI, client=client)
    assert str(refused.value).endswith("Pass AsyncOpenAI(...) or AsyncAzureOpenAI(...).")


def test_the_account_at_openai_is_no_business_of_other_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: secret")
    with FakeOpenAI(
        lambda request: {"word": "here"}, modes=("tools", "json_schema", "strict", "json", "text")
    ) as server:
        environ = {"MISTRAL_API_KEY": "key-1234", "MISTRAL_BASE_URL": server.base_url}

        async def ask() -> None:
            model = open_model("mistral/x", KNOWN, environ)
            await model.send(a_call(), timeout=60)
            await model.close()

        asyncio.run(ask())
        assert "secret" not in str(dict(server.requests[0].headers))
