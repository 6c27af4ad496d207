"""Models over real HTTP: one attempt each, whatever happens is a value, and nothing secret is ever said."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.call import Call, Failed, Failure, Part, Reply, Shape, Usage
from extract.catalogue import MODES, Catalogue
from extract.errors import ModelError
from extract.models import Model, answers, built_in_catalogue, failures, open_model
from extract.models import wire as chat
from extract.models.careful import careful
from extract.models.scripted import Scripted
from extract.testing import Answer, FakeOpenAI, Fault

KNOWN = built_in_catalogue()
KEY = "sk-proj-very-secret-1234567890"
RECORD = {"company": "Grüße & Söhne 🎉", "total": 4.95}
WIRE = {
    "type": "object",
    "properties": {"company": {"type": "string"}, "total": {"type": "number"}},
    "required": ["company", "total"],
    "additionalProperties": False,
}
SHAPE = Shape("Receipt", {"type": "object", "properties": {"company": {}, "total": {}}}, WIRE)


def a_call(*parts: Part, model: str = "openai/gpt-4o-mini", **settings: Any) -> Call:
    inputs = parts or (Part("text", "document", text="GRÜSSE & SÖHNE  TOTAL 4.95"),)
    return Call(model, 1, "Read the receipt.", inputs, SHAPE, settings=settings)


@pytest.fixture(scope="module")
def running() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(lambda request: RECORD, key=KEY) as server:
        yield server


@pytest.fixture
def server(running: FakeOpenAI) -> FakeOpenAI:
    running.reset()
    return running


def opened(server: FakeOpenAI, name: str = "openai/gpt-4o-mini", **access: Any) -> Model:
    return open_model(name, KNOWN, {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}, **access)


def ask(model: Model, call: Call, seconds: float | None = 10) -> Reply:
    return asyncio.run(model.send(call, timeout=seconds))


def streamed(model: Model, call: Call, seconds: float | None = 10) -> tuple[list[str], Reply]:
    async def collect() -> list[str | Reply]:
        return [piece async for piece in model.stream(call, timeout=seconds)]

    *pieces, reply = asyncio.run(collect())
    assert isinstance(reply, Reply)
    return [str(piece) for piece in pieces], reply


# Opening

MISSING = {
    "openai/gpt-4o-mini": (
        {},
        "No key for openai/gpt-4o-mini: OPENAI_API_KEY is not set.\n"
        "  Set OPENAI_API_KEY, or use --model rules, which needs no key and no network.",
    ),
    "openai/gpt-4o": (
        {"OPENAI_BASE_URL": "https://api.openai.com/v1/", "OPENAI_API_KEY": ""},
        "No key for openai/gpt-4o: OPENAI_API_KEY is not set.\n"
        "  Set OPENAI_API_KEY, or use --model rules, which needs no key and no network.",
    ),
    "compatible/qwen": (
        {"OPENAI_API_KEY": KEY},
        "No address for compatible/qwen: OPENAI_BASE_URL is not set.\n"
        "  Set OPENAI_BASE_URL, or use --model rules, which needs no key and no network.",
    ),
    "azure/gpt-4o": (
        {"AZURE_OPENAI_API_KEY": KEY, "AZURE_OPENAI_ENDPOINT": "https://any.openai.azure.com"},
        "No API version for azure/gpt-4o: OPENAI_API_VERSION is not set.\n"
        "  Set OPENAI_API_VERSION, or use --model rules, which needs no key and no network.",
    ),
    "azure/receipts": (
        {"OPENAI_API_KEY": KEY},
        "No key, address and API version for azure/receipts:"
        " AZURE_OPENAI_API_KEY, AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION are not set.\n"
        "  Set AZURE_OPENAI_API_KEY, AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION, or use --model rules, which needs no"
        " key and no network.",
    ),
    "compatible/local": (
        {"OPENAI_BASE_URL": "localhost:8000"},
        "OPENAI_BASE_URL is not a web address: 'localhost:8000'.\n  Write it whole, such as http://localhost:8000/v1.",
    ),
    "compatible/shared": (
        {"OPENAI_BASE_URL": "http://me:hunter2@127.0.0.1:9/v1"},
        "OPENAI_BASE_URL has a password in it.\n  Give the server's secret as its key instead.",
    ),
    "scripted": (
        {},
        "The scripted model has nothing to say until it is given its replies.\n"
        "  In a test, make one with extract.models.scripted.Scripted(replies).",
    ),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_said_by_the_name_of_its_variable(name: str) -> None:
    environ, message = MISSING[name]
    with pytest.raises(ModelError) as refused:
        open_model(name, KNOWN, environ)
    assert str(refused.value) == message


def test_the_sdk_is_loaded_by_the_first_call_and_not_before() -> None:
    code = (
        "import sys; from extract.models import open_model, built_in_catalogue as known;"
        "open_model('openai/gpt-4o-mini', known(), {'OPENAI_API_KEY': 'k'});"
        "print([name for name in ('openai', 'httpx2', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["openai/gpt-4o-mini", "compatible/qwen"])
def test_a_server_of_ones_own_needs_no_key(name: str) -> None:
    with FakeOpenAI([RECORD]) as server:
        reply = ask(open_model(name, KNOWN, {"OPENAI_BASE_URL": server.base_url}), a_call(model=name))
        assert reply.failure is None
        assert "Authorization" not in server.requests[0].headers


def test_arguments_come_before_the_environment(server: FakeOpenAI) -> None:
    environ = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "another"}
    model = open_model("openai/gpt-4o-mini", KNOWN, environ, base_url=server.base_url, api_key=KEY)
    assert ask(model, a_call()).failure is None


def test_azure_is_asked_by_deployment_version_and_its_own_key(server: FakeOpenAI) -> None:
    environ = {
        "AZURE_OPENAI_ENDPOINT": server.address,
        "AZURE_OPENAI_API_KEY": KEY,
        "OPENAI_API_VERSION": "2024-10-21",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    }
    model = open_model("azure/receipts", KNOWN, environ)
    assert json.loads(ask(model, a_call(model="azure/receipts")).text or "") == RECORD
    request = server.requests[0]
    assert request.path == "/openai/deployments/receipts/chat/completions"
    assert request.query == {"api-version": "2024-10-21"}
    assert request.headers["api-key"] == KEY


def test_a_client_of_the_callers_own_is_used_as_it_is_and_stays_open(server: FakeOpenAI) -> None:
    from openai import AsyncOpenAI

    async def both() -> tuple[Reply, bool]:
        async with AsyncOpenAI(base_url=server.base_url, api_key=KEY, default_headers={"x-mine": "yes"}) as client:
            model = open_model("openai/gpt-4o-mini", KNOWN, {}, client=client)
            server.faults("server_error")
            failed = await model.send(a_call())
            await model.close()
            assert failed.failure is not None
            return await model.send(a_call()), client.is_closed()

    reply, closed = asyncio.run(both())
    assert (reply.failure, closed) == (None, False)
    assert [request.headers["x-mine"] for request in server.requests] == ["yes", "yes"]  # and nothing was retried


# What is sent and what comes back


def test_a_call_is_sent_whole_and_its_reply_read_whole(server: FakeOpenAI) -> None:
    reply = ask(opened(server), a_call(temperature=0, max_tokens=200, date_order="dmy"))
    assert (json.loads(reply.text or ""), reply.mode, reply.finish, reply.model) == (
        RECORD,
        "strict",
        "stop",
        "gpt-4o-mini",
    )
    assert reply.usage == server.usage
    body = server.requests[0].body
    assert [message["role"] for message in body.pop("messages")] == ["system", "user"]
    assert body == {
        "model": "gpt-4o-mini",
        "response_format": {"type": "json_schema", "json_schema": {"name": "Receipt", "strict": True, "schema": WIRE}},
        "temperature": 0,
        "max_tokens": 200,
    }


def test_images_and_files_go_along_as_data(server: FakeOpenAI) -> None:
    image = Part("image", "scan.png", digest="1", media_type="image/png", data=b"\x89PNG")
    file = Part("file", "scan.pdf", digest="2", media_type="application/pdf", data=b"%PDF")
    assert ask(opened(server), a_call(image, file)).failure is None
    assert server.requests[0].body["messages"][-1]["content"] == [
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{base64.b64encode(b'%bPNG' % bytes([137])).decode()}"},
        },
        {"type": "file", "file": {"filename": "scan.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
    ]


def test_usage_keeps_what_was_cached_and_what_was_thought() -> None:
    with FakeOpenAI([Answer("{}", usage=Usage(100, 64, 30, 20))]) as server:
        assert ask(opened(server), a_call()).usage == Usage(100, 64, 30, 20)


def test_log_probabilities_keep_the_bytes_of_their_tokens(server: FakeOpenAI) -> None:
    call = a_call(logprobs=True)
    reply = ask(opened(server), call)
    assert reply.logprobs is not None
    assert b"".join(token.bytes for token in reply.logprobs) == (reply.text or "").encode()
    assert any(token.bytes.decode("utf-8", "replace").encode() != token.bytes for token in reply.logprobs)
    assert all(token.logprob <= 0 for token in reply.logprobs)


def test_a_model_that_only_knows_the_other_name_of_a_setting_is_sent_that(server: FakeOpenAI) -> None:
    assert ask(opened(server, "openai/gpt-5-mini"), a_call(model="openai/gpt-5-mini", max_tokens=9)).failure is None
    body = server.requests[0].body
    assert (body["max_completion_tokens"], "max_tokens" in body) == (9, False)


NOT_SENT: Mapping[str, tuple[dict[str, Any], Failure]] = {
    "misspelt": (
        {"temprature": 1},
        Failure(
            "configuration",
            "There is no setting `temprature`.",
            code="unsupported_parameter",
            fix="Did you mean `temperature`?",
        ),
    ),
    "ours": (
        {"tools": []},
        Failure(
            "configuration",
            "The setting `tools` is made from the schema and cannot be given.",
            code="unsupported_parameter",
        ),
    ),
    "not this model's": (
        {"temperature": 1},
        Failure(
            "configuration",
            "openai/gpt-5-mini takes no setting `temperature`.",
            code="unsupported_parameter",
            fix="It takes max_completion_tokens, reasoning_effort, seed.",
        ),
    ),
}


@pytest.mark.parametrize("case", NOT_SENT)
def test_a_setting_that_the_model_does_not_take_is_not_sent(server: FakeOpenAI, case: str) -> None:
    settings, failure = NOT_SENT[case]
    name = failure.message.split()[0] if "/" in failure.message.split()[0] else "openai/gpt-4o-mini"
    model, call = opened(server, name), a_call(model=name, **settings)
    assert ask(model, call).failure == failure
    assert streamed(model, call) == ([], ask(model, call))
    assert server.count == 0


def test_an_input_that_the_model_does_not_take_is_not_sent(server: FakeOpenAI) -> None:
    file = Part("file", "scan.pdf", digest="2", media_type="application/pdf", data=b"%PDF")
    assert ask(opened(server, "compatible/qwen"), a_call(file)).failure == Failure(
        "document",
        "compatible/qwen takes no files, and scan.pdf is one.",
        code="unsupported_input",
        fix="Choose a model that takes it, or give the document as text.",
    )
    assert server.count == 0


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_sent_as_json(text: str) -> None:
    known = chat.Wire(KNOWN.facts("openai/gpt-4o-mini"), "gpt-4o-mini")
    sent = json.loads(chat.body(a_call(Part("text", "document", text=text)), known))
    assert text.encode("utf-8", "replace").decode() in sent["messages"][1]["content"]


def test_numbers_of_any_length_are_sent_whole() -> None:
    wire = {**WIRE, "properties": {"n": {"type": "integer", "maximum": 10**30}, "d": {"multipleOf": Decimal("0.10")}}}
    known = chat.Wire(KNOWN.facts("openai/gpt-4o-mini"), "gpt-4o-mini")
    sent = chat.body(replace(a_call(), shape=replace(SHAPE, wire=wire)), known)
    assert b"1000000000000000000000000000000" in sent
    assert b"0.10" in sent


# Modes


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_asks_in_its_way_and_reads_its_answer(mode: Any) -> None:
    known = Catalogue({"openai/gpt-4o-mini": replace(KNOWN.facts("openai/gpt-4o-mini"), modes=(mode,))})
    with FakeOpenAI(lambda request: RECORD, modes=MODES) as server:
        model = open_model("openai/gpt-4o-mini", known, {"OPENAI_BASE_URL": server.base_url})
        reply = ask(model, a_call())
        assert (json.loads(reply.text or ""), reply.mode, model.mode) == (RECORD, mode, mode)
        assert server.requests[0].mode == mode
        assert streamed(model, a_call())[1] == reply


@pytest.mark.parametrize(
    ("mode", "way"),
    # where the schema stands in the prompt, a server that ignores the rest cannot be told from one that does not
    [*((mode, "refuses") for mode in MODES), *((mode, "ignores") for mode in MODES[:4])],
)
def test_a_server_that_takes_another_mode_is_asked_in_it_and_the_choice_is_kept(mode: Any, way: str) -> None:
    left = MODES[MODES.index(mode) :]
    takes = {"modes": left} if way == "refuses" else {"modes": MODES, "ignores": set(MODES) - set(left)}
    with FakeOpenAI(lambda request: RECORD, **takes) as server:
        model = open_model("compatible/qwen", KNOWN, {"OPENAI_BASE_URL": server.base_url})
        tried = [one for one in MODES if one not in left]
        reply = ask(model, a_call(model="compatible/qwen"))
        first = [one.mode for one in server.requests]
        assert (first, reply.failure) == ([*tried, MODES[len(tried)]], None)
        assert json.loads(reply.text or "") == RECORD
        if way == "ignores":
            assert reply.usage == server.usage  # what was charged for answers of no use is counted
        ask(model, a_call(model="compatible/qwen"))
        assert [one.mode for one in server.requests] == [*first, reply.mode]


def test_the_first_call_goes_ahead_and_the_others_follow_its_choice() -> None:
    with FakeOpenAI(lambda request: RECORD, modes=("json",)) as server:
        model = open_model("compatible/qwen", KNOWN, {"OPENAI_BASE_URL": server.base_url})

        async def many() -> list[Reply]:
            calls = [
                a_call(Part("text", "document", text=f"{i} TOTAL 4.95"), model="compatible/qwen") for i in range(20)
            ]
            return await asyncio.gather(*(model.send(call) for call in calls))

        assert {reply.mode for reply in asyncio.run(many())} == {"json"}
        assert server.count == 4 + 20


def test_a_stream_to_a_server_whose_mode_is_not_known_comes_whole_and_the_next_one_in_pieces() -> None:
    with FakeOpenAI(lambda request: RECORD, modes=("json_schema",)) as server:
        model = open_model("compatible/qwen", KNOWN, {"OPENAI_BASE_URL": server.base_url})
        pieces, reply = streamed(model, a_call(model="compatible/qwen"))
        assert (pieces, reply.mode) == ([], "json_schema")
        pieces, again = streamed(model, a_call(model="compatible/qwen"))
        assert len(pieces) > 5
        assert again.text == reply.text


TELLING = {
    "context": (400, "context_length_exceeded", "... (including 317 in the response_format schemas.)", "document"),
    "filter": (400, "content_filter", "The content is restricted by a schema of tools.", "filter"),
    "image": (400, "invalid_image", "This strict image is restricted.", "document"),
    "passing": (500, "", "Internal error: database schema migration in strict mode", "transport"),
    "restricted": (500, "", "restricted", "transport"),
}


@pytest.mark.parametrize("case", TELLING)
def test_a_code_that_leaves_no_doubt_is_no_refusal_of_the_mode(case: str) -> None:
    status, code, message, kind = TELLING[case]
    known = chat.Wire(KNOWN.facts("compatible/qwen"), "qwen")
    data = json.dumps({"error": {"code": code, "message": message, "param": "messages"}}).encode()
    failure = failures.failure_of(status, {}, data, known, now=0.0)
    assert (failure.kind, failure.code) == (kind, code)


def test_a_server_that_fails_over_a_field_of_the_mode_refuses_it() -> None:
    data = b'{"error": {"message": "KeyError: json_schema"}}'
    known = chat.Wire(KNOWN.facts("compatible/qwen"), "qwen")
    failure = failures.failure_of(500, {}, data, known, now=0.0)
    assert (failure.kind, failure.code) == ("configuration", "unsupported_mode")


def test_good_answers_are_taken_whatever_mode_another_call_has_moved_on_to() -> None:
    """Eight calls go out before any is answered; one answer is prose, and no other is paid for twice."""
    said: list[Any] = []

    def say(request: Any) -> Any:
        said.append(request)
        return Answer("Here it is.", delay=2.5) if len(said) == 1 else Answer(json.dumps(RECORD), delay=2.5)

    with FakeOpenAI(say, modes=MODES) as server:
        model = open_model("compatible/qwen", KNOWN, {"OPENAI_BASE_URL": server.base_url})

        async def many() -> list[Reply]:
            parts = [Part("text", "document", text=f"{i} TOTAL 4.95") for i in range(8)]
            return await asyncio.gather(*(model.send(a_call(part, model="compatible/qwen")) for part in parts))

        replies = asyncio.run(many())
        assert [reply.failure for reply in replies] == [None] * 8
        assert server.count == 9
        assert sum((reply.usage for reply in replies), Usage()) == server.usage


def test_a_model_whose_mode_is_known_is_not_asked_in_another() -> None:
    with FakeOpenAI(lambda request: RECORD, modes=("json",)) as server:
        reply = ask(opened(server), a_call())
        assert reply.failure is not None
        assert (reply.failure.kind, reply.failure.code, server.count) == ("configuration", "unsupported_mode", 1)


PATTERNED = {
    "type": "object",
    "properties": {
        "pattern": {"type": "string", "pattern": r"^[\s\S]+$"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "amount": {"type": "string", "pattern": r"^(?:\d+)$", "description": "in words: ^\\d$"},
        "lines": {"type": "array", "maxItems": 1001, "items": {"maxLength": 1000, "minLength": 1}},
        "size": {"enum": ["S", '5" wide'], "default": {"pattern": "^.$"}},
        "enum": {"enum": ["pattern", "ä"], "const": "\\"},
        "plain": {"type": ["string", "null"], "title": "Plain"},
        "some": {"type": ["array", "null"], "title": "Some", "items": {"type": "string", "pattern": r"^\d$"}},
        "one": {"type": ["string", "null"], "enum": ["a", None]},
        "ref": {"type": ["string", "null"], "$ref": "#"},
    },
    "required": ["pattern"],
}
TAMED = {
    "type": "object",
    "properties": {
        "pattern": {"type": "string"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "amount": {"type": "string", "description": "in words: ^\\d$"},
        "lines": {"type": "array", "items": {"maxLength": 1000, "minLength": 1}},
        "size": {"default": {"pattern": "^.$"}},
        "enum": {"enum": ["pattern", "ä"]},
        "plain": {"type": ["string", "null"], "title": "Plain"},
        "some": {"title": "Some", "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        "one": {"anyOf": [{"type": "string", "enum": ["a", None]}, {"type": "null", "enum": ["a", None]}]},
        "ref": {"type": ["string", "null"], "$ref": "#"},
    },
    "required": ["pattern"],
}


@pytest.mark.parametrize("mode", MODES[:4])
def test_servers_of_unknown_making_are_spared_what_they_may_not_take(mode: Any) -> None:
    shape = Shape("Receipt", PATTERNED, PATTERNED)
    with FakeOpenAI(lambda request: RECORD, modes=MODES) as server:
        known = Catalogue({"compatible/qwen": replace(KNOWN.facts("compatible/qwen"), modes=(mode,))})
        model = open_model("compatible/qwen", known, {"OPENAI_BASE_URL": server.base_url})
        ask(model, replace(a_call(model="compatible/qwen"), shape=shape))
        sent = TAMED if mode in ("tools", "json_object") else PATTERNED
        assert server.requests[0].schema == sent
        assert server.requests[0].asks_for(PATTERNED)
    known_wire = chat.Wire(KNOWN.facts("openai/gpt-4o-mini"), "gpt-4o-mini", mode=mode)
    asked = json.loads(chat.body(replace(a_call(), shape=shape), known_wire))
    assert json.dumps(PATTERNED)[1:-1] in json.dumps(asked)


def test_what_is_plain_is_sent_as_it_is() -> None:
    assert careful(WIRE) == WIRE
    assert careful(TAMED) == TAMED


@pytest.mark.parametrize(
    ("text", "finish"),
    [
        ('{"company": "ACME", "total": 4', "length"),
        ('{"comp', "length"),
        ('{"company": "ACME", "total": 4}', "stop"),
        ('{"company": "ACME" "total": 4}', "stop"),
        ("", "stop"),
    ],
)
def test_arguments_that_break_off_were_cut_off_whatever_is_said(text: str, finish: str) -> None:
    """llama.cpp's Python server says ``tool_calls`` of all of them."""
    wire = chat.Wire(KNOWN.facts("compatible/tiny"), "tiny", mode="tools")
    call = [{"index": 0, "function": {"name": "Receipt", "arguments": text}}]
    choice = {"message": {"content": None, "tool_calls": call}, "finish_reason": "tool_calls"}
    whole = answers.read(json.dumps({"choices": [choice]}).encode(), wire)
    assert (whole.text, whole.finish) == (text, finish)
    streamed = answers.Assembly(wire)
    streamed.feed(json.dumps({"choices": [{"delta": {"tool_calls": call}, "finish_reason": None}]}).encode())
    streamed.feed(json.dumps({"choices": [{"delta": {"tool_calls": None}, "finish_reason": "tool_calls"}]}).encode())
    assert streamed.reply() == whole


# Streaming


def test_a_stream_gives_the_text_in_pieces_and_then_the_same_reply(server: FakeOpenAI) -> None:
    model, call = opened(server), a_call(logprobs=True)
    pieces, reply = streamed(model, call)
    whole = ask(model, call)
    assert len(pieces) > 5
    assert "".join(pieces) == reply.text == whole.text
    assert (reply.usage, reply.finish, reply.model) == (whole.usage, whole.finish, whole.model)
    assert b"".join(token.bytes for token in reply.logprobs or ()) == (reply.text or "").encode()


def test_a_stream_that_is_left_closes_its_connection(server: FakeOpenAI) -> None:
    server.replies(Answer("x" * 400_000))
    before = server.hung_up

    async def leave() -> str | Reply:
        stream = opened(server).stream(a_call())
        first = await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        await until(lambda: server.hung_up > before)
        return first

    assert asyncio.run(leave()) == "xxxx"


# Failures

FAULTS: Mapping[Any, Failure] = {
    "rate_limit": Failure(
        "transport",
        "openai/gpt-4o-mini has a rate limit, and it is reached: Rate limit reached.",
        status=429,
        code="rate_limit_exceeded",
        retry_after=0.25,
    ),
    "quota": Failure(
        "configuration",
        "The account has no credit left for openai/gpt-4o-mini: You exceeded your current quota, please check your plan"
        " and billing details.",
        status=429,
        code="insufficient_quota",
        fix="Add credit to the account, or raise its limit.",
    ),
    "server_error": Failure(
        "transport",
        "The server of openai/gpt-4o-mini failed with status 500: The server had an error while processing your"
        " request.",
        status=500,
        code="server_error",
        retry_after=0.25,
    ),
    "overloaded": Failure(
        "transport",
        "The server of openai/gpt-4o-mini failed with status 503: The engine is currently overloaded.",
        status=503,
        code="overloaded",
        retry_after=0.25,
    ),
    "filter": Failure(
        "filter",
        "The content filter of openai/gpt-4o-mini took the request: The request was taken by the content management"
        " policy.",
        status=400,
        code="content_filter",
    ),
    "cut": Failure("transport", "openai/gpt-4o-mini: HOST cut the connection.", sent=True),
    "cut_body": Failure("transport", "openai/gpt-4o-mini: HOST cut the connection.", sent=True),
    "hang": Failure("transport", "openai/gpt-4o-mini: no whole answer came from HOST in 0.3 seconds.", sent=True),
    "garbage": Failure(
        "transport", "The answer of openai/gpt-4o-mini cannot be used: what it sent is not JSON.", status=200, sent=True
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_failure_is_a_value_and_one_attempt_is_made(server: FakeOpenAI, kind: Any) -> None:
    expected = replace(FAULTS[kind], message=FAULTS[kind].message.replace("HOST", server.address[7:]))
    model, seconds = opened(server), 0.3 if kind == "hang" else 10
    server.faults(Fault(kind, retry_after=0.25))
    assert ask(model, a_call(), seconds).failure == expected
    assert server.count == 1
    server.faults(Fault(kind, retry_after=0.25))
    _, reply = streamed(model, a_call(), seconds)
    assert server.count == 2
    if kind == "garbage":
        expected = replace(expected, message=expected.message.replace("what it sent is not JSON", BROKEN_OFF))
    assert reply.failure == expected
    assert ask(model, a_call()).failure is None


BROKEN_OFF = "the stream ended before the answer did"

TEXT = json.dumps(RECORD, ensure_ascii=False)
SPOILT = {
    "truncated": ("length", TEXT[: len(TEXT) // 2], None),
    "filtered": ("filter", TEXT[: len(TEXT) // 2], None),
    "malformed": ("stop", f"Here is the record: {TEXT[:-1]},", None),
    "refusal": ("stop", None, "I'm sorry, but I can't help with that."),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_answer_is_a_paid_reply(server: FakeOpenAI, kind: Any) -> None:
    server.faults(kind, kind)
    reply = ask(opened(server), a_call())
    assert (reply.finish, reply.text, reply.refusal) == SPOILT[kind]
    assert reply.paid
    assert reply.usage.output > 0
    assert streamed(opened(server), a_call())[1] == reply


def test_a_model_that_the_server_does_not_know() -> None:
    with FakeOpenAI(models=["another"]) as server:
        assert ask(opened(server), a_call()).failure == Failure(
            "configuration",
            "The server does not know 'gpt-4o-mini' or has no chat endpoint: The model 'gpt-4o-mini' does not exist or"
            " you do not have access to it.",
            status=404,
            code="model_not_found",
            fix="Check the model's name and OPENAI_BASE_URL.",
        )


def test_a_parameter_that_the_server_refuses_is_named(server: FakeOpenAI) -> None:
    assert ask(opened(server), a_call(temperature=3)).failure == Failure(
        "configuration",
        "The server refused the request to openai/gpt-4o-mini: Invalid 'temperature': expected a value <= 2, but got 3"
        " instead.",
        status=400,
        code="invalid_value",
        fix="Change the setting 'temperature', or leave it out.",
    )


def test_a_schema_that_the_server_refuses_leads_to_lint(server: FakeOpenAI) -> None:
    call = replace(a_call(), shape=replace(SHAPE, wire={"type": "object"}))
    assert ask(opened(server), call).failure == Failure(
        "configuration",
        "The server refused the request to openai/gpt-4o-mini: Invalid schema for response_format 'Receipt': In"
        " context=(), 'additionalProperties' is required to be supplied and to be false.",
        status=400,
        code="unsupported_mode",
        fix="The server does not take this schema: `extract schema REF --lint` says what it holds.",
    )


def test_a_server_that_is_not_there() -> None:
    with FakeOpenAI() as server:
        gone = server.base_url
    failure = ask(open_model("compatible/qwen", KNOWN, {"OPENAI_BASE_URL": gone}), a_call()).failure
    host = gone.removeprefix("http://").removesuffix("/v1")
    assert failure == Failure(
        "transport", f"compatible/qwen: there is no server at {host}.", fix="Check OPENAI_BASE_URL and the network."
    )


def test_a_key_never_shows(server: FakeOpenAI) -> None:
    wrong = "sk-proj-wrong-but-still-secret"
    model = opened(server, api_key=wrong)
    failure = ask(model, a_call()).failure
    assert failure == Failure(
        "configuration",
        "The key for openai/gpt-4o-mini was not accepted.",
        status=401,
        code="invalid_api_key",
        fix="Check OPENAI_API_KEY.",
    )
    server.faults(None, Fault("server_error", message=f"While handling {KEY} of Bearer abcdefgh: failed."))
    assert ask(opened(server), a_call()).failure is None
    failure = ask(opened(server), a_call()).failure
    assert failure is not None
    assert failure.message == (
        "The server of openai/gpt-4o-mini failed with status 500: While handling *** of ***: failed."
    )
    assert KEY not in repr(vars(model))


WAITS = {
    "no header": ({}, None),
    "seconds": ({"retry-after": "20"}, 20.0),
    "milliseconds first": ({"retry-after": "20", "retry-after-ms": "1500"}, 1.5),
    "a date": ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, 30.0),
    "a date gone by": ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT"}, 0.0),
    "nonsense": ({"retry-after": "soon", "retry-after-ms": "nan"}, None),
}


@pytest.mark.parametrize("case", WAITS)
def test_the_wait_that_a_server_asks_for(case: str) -> None:
    headers, seconds = WAITS[case]
    assert failures.retry_after(headers, now=1_795_341_600.0) == seconds


anything = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)


def sometimes(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return strategy | anything


tokens = st.fixed_dictionaries(
    {"token": st.text(), "logprob": sometimes(st.floats(-9, 0))}, optional={"bytes": anything}
)
messages = st.fixed_dictionaries(
    {"content": sometimes(st.lists(st.fixed_dictionaries({"type": sometimes(st.just("text"))})))},
    optional={"refusal": anything, "tool_calls": anything},
)
choices = st.fixed_dictionaries(
    {"message": sometimes(messages), "delta": sometimes(messages), "finish_reason": anything},
    optional={"logprobs": sometimes(st.fixed_dictionaries({"content": sometimes(st.lists(tokens))}))},
)
counts = st.fixed_dictionaries({"prompt_tokens": anything, "completion_tokens_details": anything})
errors = st.fixed_dictionaries({"code": anything, "message": anything, "param": anything})
envelopes = st.fixed_dictionaries(
    {"choices": sometimes(st.lists(choices, max_size=2))},
    optional={"usage": sometimes(counts), "model": anything, "error": sometimes(errors)},
)


@given(sometimes(envelopes), st.sampled_from(["strict", "tools"]))
def test_whatever_a_server_sends_becomes_a_reply(envelope: Any, mode: Any) -> None:
    known = chat.Wire(KNOWN.facts("openai/gpt-4o-mini"), "gpt-4o-mini", mode=mode)
    data = json.dumps(envelope).encode()
    answer = answers.Assembly(known)
    with contextlib.suppress(answers.NotAnEvent):
        answer.feed(data)
    for reply in (answers.read(data, known), answer.reply()):
        assert [type(one) for one in (reply.text, reply.refusal, reply.failure) if one is not None] in (
            [str],
            [Failure],
        )
        if reply.paid:
            assert Reply.from_plain(json.loads(json.dumps(reply.plain()))) == reply
    failure = failures.failure_of(500, {}, data, known, now=0.0)
    assert (failure.status, failure.kind) == (500, "transport")


# Loops, processes, cancelling


async def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)


def test_one_model_serves_many_loops(server: FakeOpenAI) -> None:
    model = opened(server)
    assert [ask(model, a_call()).failure for _ in range(3)] == [None] * 3

    loops = [asyncio.new_event_loop() for _ in range(2)]
    for loop in [*loops, *loops]:
        assert loop.run_until_complete(model.send(a_call())).failure is None
    for loop in loops:
        loop.run_until_complete(model.close())
        loop.run_until_complete(model.close())
        loop.close()


def test_a_closed_model_opens_again(server: FakeOpenAI) -> None:
    async def twice() -> list[Failure | None]:
        model = opened(server)
        first = await model.send(a_call())
        await model.close()
        return [first.failure, (await model.send(a_call())).failure]

    assert asyncio.run(twice()) == [None, None]


def test_a_fork_has_connections_of_its_own(server: FakeOpenAI) -> None:
    code = """if True:
        import asyncio, os, sys
        from extract.call import Call, Part, Shape
        from extract.models import built_in_catalogue, open_model
        model = open_model("openai/gpt-4o-mini", built_in_catalogue(), os.environ)
        wire = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
        call = Call(model.name, 1, "", (Part("text", "document", text="x"),), Shape("S", {}, wire))
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(model.send(call)).failure is None
        child = os.fork()
        if not child:
            os._exit(asyncio.run(model.send(call)).failure is not None)
        assert loop.run_until_complete(model.send(call)).failure is None
        print(os.waitpid(child, 0)[1])
    """
    environ = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
    server.replies(*["{}"] * 3)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, cwd=ROOT)
    assert (done.stdout.strip(), server.count) == ("0", 3), done.stderr


def test_cancelling_closes_the_connection(server: FakeOpenAI) -> None:
    before = server.hung_up

    async def cancelled() -> None:
        server.faults("hang")
        sending = asyncio.create_task(opened(server).send(a_call()))
        await until(lambda: server.count == 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await until(lambda: server.hung_up > before)

    asyncio.run(cancelled())


# The scripted model


def test_a_script_is_followed_in_order_and_says_when_it_ends() -> None:
    model = Scripted([{"total": Decimal("4.950")}, "not JSON", Failure("transport", "cut"), Reply(refusal="no")])
    calls = [a_call(seed=seed) for seed in range(5)]
    replies = [ask(model, call) for call in calls]
    assert [reply.text for reply in replies] == ['{"total": 4.950}', "not JSON", None, None, None]
    assert (replies[0].mode, replies[0].model) == ("json_schema", "scripted")
    assert [reply.refusal for reply in replies][3] == "no"
    assert [reply.failure for reply in replies][2] == Failure("transport", "cut")
    assert replies[4].failure == Failure(
        "configuration", "The script of the scripted model is at its end.", fix="Give it more replies."
    )
    assert model.calls == calls


def test_a_script_may_be_a_function_of_the_call() -> None:
    model = Scripted(lambda call: {"attempt": call.attempt, "failed": len(call.failed)}, name="own/stub")
    call = replace(a_call(), attempt=2, failed=(Failed("/total", 1, "wrong"),))
    pieces, reply = streamed(model, call)
    assert ("".join(pieces), reply.model) == ('{"attempt": 2, "failed": 1}', "own/stub")
    assert reply.text == "".join(pieces)
