"""Providers other than OpenAI, through instructor and over real HTTP: one request an attempt, and nothing is lost."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_servers import FakeAnthropic, FakeGemini, No, Said
from pydantic import BaseModel

from extract import ModelError, extract
from extract.call import Call, Example, Failed, Failure, Part, Reply, Shape, Usage
from extract.catalogue import BRIDGED
from extract.errors import DocumentError
from extract.extraction import Extraction
from extract.jsontext import dump
from extract.limits import Limits
from extract.models import Model, answers, built_in_catalogue, open_model
from extract.models.bridge import PROVIDERS
from extract.models.bridge.anthropic import read_message
from extract.models.bridge.ways import failure_of
from extract.models.wire import Wire
from extract.testing import Answer, FakeOpenAI, Fault

ROOT = Path(__file__).parent.parent
KNOWN = built_in_catalogue()
CLAUDE = "anthropic/claude-haiku-5-5"
KEY = "sk-ant-api03-very-secret-1234567890"
RECORD = {"company": "Grüße & Söhne 🎉", "total": 4.95}
WIRE = {
    "type": "object",
    "properties": {
        "company": {"type": "string"},
        "total": {"anyOf": [{"type": "number", "maximum": Decimal("1e30")}, {"$ref": "#/$defs/None"}]},
    },
    "required": ["company", "total"],
    "additionalProperties": False,
    "$defs": {"None": {"type": "null"}},
}
SHAPE = Shape("Receipt [a]", {"type": "object"}, WIRE)


def a_call(*parts: Part, model: str = CLAUDE, **settings: Any) -> Call:
    inputs = parts or (Part("text", "document", text="GRÜSSE & SÖHNE  TOTAL 4.95"),)
    return Call(model, 1, "Read the receipt.", inputs, SHAPE, settings=settings)


@pytest.fixture(scope="module")
def running() -> Iterator[FakeAnthropic]:
    with FakeAnthropic(key=KEY) as server:
        yield server


@pytest.fixture
def server(running: FakeAnthropic) -> FakeAnthropic:
    running.reset()
    return running


def opened(server: FakeAnthropic, name: str = CLAUDE, **access: Any) -> Model:
    return open_model(name, KNOWN, {"ANTHROPIC_BASE_URL": server.address, "ANTHROPIC_API_KEY": KEY}, **access)


def ask(model: Model, call: Call, seconds: float | None = 10) -> Reply:
    return asyncio.run(model.send(call, timeout=seconds))


# Opening

MISSING: Mapping[str, tuple[dict[str, str], str]] = {
    CLAUDE: (
        {"OPENAI_API_KEY": KEY},
        f"No key for {CLAUDE}: ANTHROPIC_API_KEY is not set.\n"
        "  Set ANTHROPIC_API_KEY, or use --model rules, which needs no key and no network.",
    ),
    "mistral/mistral-small-latest": (
        {"MISTRAL_BASE_URL": "https://api.mistral.ai/other"},
        "No key for mistral/mistral-small-latest: MISTRAL_API_KEY is not set.\n"
        "  Set MISTRAL_API_KEY, or use --model rules, which needs no key and no network.",
    ),
    "databricks/llama": (
        {"DATABRICKS_TOKEN": KEY},
        "No address for databricks/llama: DATABRICKS_HOST is not set.\n"
        "  Set DATABRICKS_HOST, or use --model rules, which needs no key and no network.",
    ),
    "anthropic/claude-opus-5-5": (
        {"ANTHROPIC_API_KEY": "schlüssel"},
        "The key for anthropic/claude-opus-5-5 holds characters that no key has.\n  Check ANTHROPIC_API_KEY.",
    ),
    "anthropic/claude-sonnet-5-5": (
        {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://me:hunter2@127.0.0.1"},
        "ANTHROPIC_BASE_URL has a password in it.\n  Give the server's secret as its key instead.",
    ),
    "bedrock/claude": (
        {},
        "bedrock/claude: the provider 'bedrock' is not reached yet.\n"
        "  For a server that speaks OpenAI's protocol, use compatible/<name> with OPENAI_BASE_URL.",
    ),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_said_by_the_name_of_its_variable(name: str) -> None:
    environ, message = MISSING[name]
    with pytest.raises(ModelError) as refused:
        open_model(name, KNOWN, environ)
    assert str(refused.value) == message
    assert KEY not in message


@pytest.mark.parametrize(
    ("name", "package", "extra"), [(CLAUDE, "anthropic", "anthropic"), ("google/g", "google.genai", "google")]
)
def test_a_package_that_is_missing_is_said_with_the_command_that_installs_it(
    name: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError) as refused:
        open_model(name, KNOWN, {"ANTHROPIC_API_KEY": KEY, "GOOGLE_API_KEY": KEY})
    assert str(refused.value) == (
        f"{name} needs the package {package}, which is not installed.\n"
        f"  Install it: pip install 'typed-extract[{extra}]'"
    )


def test_every_bridged_provider_opens_or_says_that_it_is_not_reached() -> None:
    assert set(PROVIDERS) <= set(BRIDGED)
    assert set(BRIDGED) - set(PROVIDERS) == {"bedrock", "litellm", "vertexai", "writer"}
    for name, provider in PROVIDERS.items():
        with suppress(ModelError):  # the package may be missing
            environ = {**dict.fromkeys(provider.keys, "key"), "DATABRICKS_HOST": "https://any.databricks.com"}
            assert open_model(f"{name}/any", KNOWN, environ).name == f"{name}/any"


def test_the_documents_name_what_each_provider_needs() -> None:
    told = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for name, provider in PROVIDERS.items():
        (row,) = [line for line in told.splitlines() if line.startswith(f"| `{name}/")]
        needed = [*provider.keys, provider.variable, provider.way.extra and f"typed-extract[{provider.way.extra}]"]
        assert [one for one in needed if one not in row] == []


def test_instructor_and_the_sdk_are_loaded_by_the_first_call_and_not_before() -> None:
    code = (
        "import sys; from extract.models import open_model, built_in_catalogue as known;"
        f"open_model('{CLAUDE}', known(), {{'ANTHROPIC_API_KEY': 'k'}});"
        "print([name for name in ('anthropic', 'instructor', 'openai', 'httpx2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_server_of_ones_own_needs_no_key() -> None:
    with FakeAnthropic(RECORD) as server:
        model = open_model(CLAUDE, KNOWN, {"ANTHROPIC_BASE_URL": server.address})
        assert ask(model, a_call()).failure is None
        assert server.headers[0]["Authorization"] == "Bearer no-key"


def test_arguments_come_before_the_mapping_and_the_process_is_not_asked(
    server: FakeAnthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reset(RECORD)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "another-secret")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    environ = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_API_KEY": "another"}
    model = open_model(CLAUDE, KNOWN, environ, base_url=server.address, api_key=KEY)
    assert ask(model, a_call()).failure is None
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_a_client_of_the_callers_own_is_used_as_it_is_and_stays_open(server: FakeAnthropic) -> None:
    from anthropic import AsyncAnthropic

    server.reset(RECORD, RECORD)

    async def both() -> tuple[list[Failure | None], bool]:
        async with AsyncAnthropic(base_url=server.address, api_key=KEY, default_headers={"x-mine": "yes"}) as client:
            model = open_model(CLAUDE, KNOWN, {}, client=client)
            first = await model.send(a_call())
            await model.close()
            return [first.failure, (await model.send(a_call())).failure], client.is_closed()

    assert asyncio.run(both()) == ([None, None], False)
    assert [headers["x-mine"] for headers in server.headers] == ["yes", "yes"]


# What is sent


def test_a_call_is_sent_whole(server: FakeAnthropic) -> None:
    server.reset(RECORD)
    call = replace(
        a_call(temperature=0.5, top_k=3, stop="END", date_order="dmy", model="anthropic/claude-haiku-4-5"),
        examples=(Example("TOTAL 1", {"total": 1}, {"total": 1}),),
        answer="{}",
        failed=(Failed("/total", None, "wrong"),),
    )
    assert ask(opened(server, call.model), call).failure is None
    body = dict(server.requests[0])
    messages, system = body.pop("messages"), body.pop("system")
    assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert [block["text"].split(".")[0] for block in system] == [
        "Read the receipt",
        "Answer with one call of the tool Receipt__a_ and with nothing else",
    ]
    assert body == {
        "model": "claude-haiku-4-5",
        "max_tokens": 64_000,
        "temperature": 0.5,
        "top_k": 3,
        "stop_sequences": ["END"],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "tools": [
            {
                "name": "Receipt__a_",
                "description": "Correctly extracted `Receipt__a_` with all the required parameters with correct types",
                "input_schema": {"title": "Receipt__a_", **json.loads(dump(WIRE))},
            }
        ],
    }


def test_the_limit_of_tokens_is_the_callers_else_the_catalogues_else_a_fixed_one(server: FakeAnthropic) -> None:
    server.reset(RECORD, RECORD, RECORD)
    ask(opened(server), a_call(max_tokens=200))
    ask(opened(server), a_call())
    ask(opened(server, "anthropic/claude-unheard-of"), a_call(model="anthropic/claude-unheard-of"))
    assert [body["max_tokens"] for body in server.requests] == [200, 128_000, 4096]


@pytest.mark.parametrize("name", ["anthropic/claude-opus-5-5", "anthropic/claude-sonnet-5-5", CLAUDE])
def test_the_current_models_are_asked_as_they_want_it(server: FakeAnthropic, name: str) -> None:
    server.reset(RECORD)
    assert ask(opened(server, name), a_call(model=name)).failure is None


HOSTILE = "{{ 7*7 }} {% raw %} {{ ''.__class__ }} {# gone #} {% for x in y %} https://example.com/a.png"


def test_a_document_arrives_as_it_stands(server: FakeAnthropic) -> None:
    server.reset(RECORD)
    call = a_call(Part("text", "document", text=HOSTILE), Part("value", "note", text=HOSTILE))
    assert ask(opened(server), replace(call, instructions=HOSTILE)).failure is None
    sent = server.requests[0]
    assert sent["messages"][0]["content"] == [
        {"type": "text", "text": f"document:\n===\n{HOSTILE}\n==="},
        {"type": "text", "text": f"note: {HOSTILE}"},
    ]
    assert sent["system"][0]["text"].startswith(HOSTILE)


def test_text_that_is_no_unicode_is_sent_all_the_same(server: FakeAnthropic) -> None:
    server.reset(RECORD)
    assert ask(opened(server), a_call(Part("text", "document", text="a\ud800b"))).failure is None
    assert "a?b" in server.requests[0]["messages"][0]["content"]


def test_images_and_files_go_along_as_data_and_nothing_is_fetched(server: FakeAnthropic) -> None:
    server.reset(RECORD)
    image = Part("image", "https://127.0.0.1:9/scan.png", media_type="image/png", data=b"\x89PNG")
    file = Part("file", "scan.pdf", media_type="application/pdf", data=b"%PDF")
    assert ask(opened(server), a_call(image, file)).failure is None
    png = base64.b64encode(b"\x89PNG").decode()
    assert server.requests[0]["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}},
    ]


NOT_SENT: Mapping[str, tuple[Call, Failure]] = {
    "misspelt": (
        a_call(temprature=1, model="anthropic/claude-haiku-4-5"),
        Failure(
            "configuration",
            "There is no setting `temprature`.",
            code="unsupported_parameter",
            fix="Did you mean `temperature`?",
        ),
    ),
    "not this model's": (
        a_call(temperature=1),
        Failure(
            "configuration",
            f"{CLAUDE} takes no setting `temperature`.",
            code="unsupported_parameter",
            fix="It takes max_tokens, stop.",
        ),
    ),
    "an image of another kind": (
        a_call(Part("image", "scan.tiff", media_type="image/tiff", data=b"II")),
        Failure(
            "document",
            f"{CLAUDE} takes images of type image/gif, image/jpeg, image/png, image/webp, and scan.tiff is of type"
            " image/tiff.",
            code="unsupported_input",
            fix="Choose a model that takes it, or give the document as text.",
        ),
    ),
    "a file": (
        a_call(Part("file", "scan.pdf", media_type="application/pdf", data=b"%"), model="mistral/any"),
        Failure(
            "document",
            "mistral/any takes no files, and scan.pdf is one.",
            code="unsupported_input",
            fix="Choose a model that takes it, or give the document as text.",
        ),
    ),
}


@pytest.mark.parametrize("case", NOT_SENT)
def test_what_the_model_does_not_take_is_not_sent(server: FakeAnthropic, case: str) -> None:
    call, failure = NOT_SENT[case]
    environ = {"ANTHROPIC_BASE_URL": server.address, "MISTRAL_BASE_URL": server.address, "MISTRAL_API_KEY": KEY}
    assert ask(open_model(call.model, KNOWN, environ), call).failure == failure
    assert server.count == 0


# What comes back


def test_a_reply_is_read_whole(server: FakeAnthropic) -> None:
    usage = {
        "input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 64,
        "output_tokens": 30,
        "output_tokens_details": {"thinking_tokens": 12},
    }
    server.reset(Said(dump(RECORD), texts=("Here it is.",), usage=usage))
    reply = ask(opened(server), a_call())
    assert reply == Reply(
        text=dump(RECORD),
        mode="tools",
        usage=Usage(input=184, cached=64, output=30, reasoning=12),
        model="claude-haiku-5-5-20261007",
        endpoint=reply.endpoint,
    )
    assert reply.endpoint.startswith("127.0.0.1:")


EXACT = '{"total": 4.950, "n": 123456789012345678901234567890.10, "total": 5E-400,\n "\\u00fc": "{]}\\"" }'


def test_an_input_comes_with_all_its_digits_and_doubled_keys(server: FakeAnthropic) -> None:
    server.reset(Said(EXACT))
    assert ask(opened(server), a_call()).text == EXACT


ODD: Mapping[str, tuple[Said, str, str]] = {
    "a text that holds the record": (Said(json.dumps(EXACT)), EXACT, "stop"),
    "a list": (Said("[1]"), "[1]", "stop"),
    "null": (Said("null"), "null", "stop"),
    "missing fields": (Said('{"company": "A"}'), '{"company": "A"}', "stop"),
    "text and no tool": (Said(texts=("It is ", '{"a": 1}'), stop="end_turn"), 'It is {"a": 1}', "stop"),
    "nothing": (Said(stop="end_turn"), "", "stop"),
    "cut in a text": (Said('{"company": "Grü"}', stop="max_tokens"), '{"company": "Grü', "length"),
    "cut in a number": (Said('{"a": [{"b": 49}]}', stop="max_tokens"), '{"a": [{"b": 49', "length"),
    "cut at the start": (Said("{}", stop="max_tokens"), "{", "length"),
    "cut after a quote": (Said('{"a": "x\\""}', stop="max_tokens"), '{"a": "x\\"', "length"),
    "cut in plain text": (Said(texts=('{"a": "x"}',), stop="max_tokens"), '{"a": "x"}', "length"),
    "stopped at a sequence": (Said('{"a": 1}', stop="stop_sequence"), '{"a": 1', "length"),
}


@pytest.mark.parametrize("case", ODD)
def test_whatever_the_model_says_is_a_paid_reply(server: FakeAnthropic, case: str) -> None:
    said, text, finish = ODD[case]
    server.reset(said)
    reply = ask(opened(server), a_call())
    assert (reply.text, reply.finish, reply.paid, reply.usage) == (text, finish, True, server.usage)
    assert server.count == 1


REFUSED: Mapping[str, tuple[Said, str]] = {
    "in words": (Said(texts=("I can't help with that.",), stop="refusal"), "I can't help with that."),
    "explained": (Said(stop="refusal", details={"type": "refusal", "explanation": "It is harmful."}), "It is harmful."),
    "without a word": (Said(stop="refusal"), "The model declined to answer."),
    "in the middle": (Said('{"company": "A"}', stop="refusal"), "The model declined to answer."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_a_paid_reply(server: FakeAnthropic, case: str) -> None:
    said, refusal = REFUSED[case]
    server.reset(said)
    reply = ask(opened(server), a_call())
    assert (reply.refusal, reply.text, reply.failure, reply.usage) == (refusal, None, None, server.usage)


def test_a_stream_is_one_attempt_with_its_reply_as_the_only_item(server: FakeAnthropic) -> None:
    server.reset(RECORD)

    async def collect() -> list[str | Reply]:
        return [item async for item in opened(server).stream(a_call())]

    (reply,) = asyncio.run(collect())
    assert isinstance(reply, Reply)
    assert (reply.text, server.count) == (dump(RECORD), 1)


anything = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)
blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "tool_use", "thinking"]) | anything},
    optional={"text": anything, "input": anything},
)
envelopes = st.fixed_dictionaries(
    {"type": st.just("message") | anything, "content": st.lists(blocks | anything, max_size=3) | anything},
    optional={
        "stop_reason": st.sampled_from(["max_tokens", "refusal", "tool_use"]) | anything,
        "stop_details": anything,
        "usage": st.fixed_dictionaries({"input_tokens": anything, "output_tokens_details": anything}) | anything,
        "model": anything,
    },
)


@given(envelopes | anything)
def test_whatever_a_server_sends_becomes_a_reply(envelope: Any) -> None:
    reply = read_message(json.dumps(envelope).encode(), Wire(KNOWN.facts(CLAUDE), "claude", mode="tools"))
    assert [type(one) for one in (reply.text, reply.refusal, reply.failure) if one is not None] in ([str], [Failure])
    if reply.paid:
        assert Reply.from_plain(json.loads(json.dumps(reply.plain()))) == reply


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), values), st.dictionaries(st.text(), values))
def test_an_input_is_cut_out_of_any_message_as_it_stands(record: dict[str, Any], before: dict[str, Any]) -> None:
    text = dump(record)
    block = f'{{"type": "tool_use","x":{dump(before)}, "input":{text}}}'
    data = f' {{"type":"message","content" : [ {{"type":"thinking","y":{dump(before)}}} ,{block}] }}'.encode()
    assert read_message(data, Wire(KNOWN.facts(CLAUDE), "claude", mode="tools")).text == text


# Failures

LONG = "prompt is too long: 210000 tokens > 200000 maximum"

FAULTS: Mapping[str, tuple[Any, Failure]] = {
    "rate limit": (
        No(429, "rate_limit_error", "Number of requests has exceeded your limit", {"retry-after": "7"}),
        Failure(
            "transport",
            f"{CLAUDE} has a rate limit, and it is reached: Number of requests has exceeded your limit",
            status=429,
            code="rate_limit_error",
            retry_after=7.0,
        ),
    ),
    "overloaded": (
        No(529, "overloaded_error", "Overloaded", {"retry-after-ms": "250"}),
        Failure(
            "transport",
            f"The server of {CLAUDE} failed with status 529: Overloaded",
            status=529,
            code="overloaded_error",
            retry_after=0.25,
        ),
    ),
    "server error": (
        No(500, "api_error", "Internal server error"),
        Failure(
            "transport",
            f"The server of {CLAUDE} failed with status 500: Internal server error",
            status=500,
            code="api_error",
        ),
    ),
    "no permission": (
        No(403, "permission_error", "Not for this workspace."),
        Failure(
            "configuration",
            f"The key for {CLAUDE} may not be used for this: Not for this workspace.",
            status=403,
            code="permission_error",
            fix="Use another key in ANTHROPIC_API_KEY, or another model.",
        ),
    ),
    "no model": (
        No(404, "not_found_error", "model: claude-haiku-5-5"),
        Failure(
            "configuration",
            "The server does not know 'claude-haiku-5-5' or has no chat endpoint: model: claude-haiku-5-5",
            status=404,
            code="not_found_error",
            fix="Check the model's name and ANTHROPIC_BASE_URL.",
        ),
    ),
    "too long": (
        No(400, "invalid_request_error", LONG),
        Failure(
            "document",
            f"{CLAUDE} does not take this document: {LONG}",
            status=400,
            code="context_length_exceeded",
            fix="The document is too long for this model: choose one with a larger context.",
        ),
    ),
    "too large": (
        No(413, "request_too_large", "Request exceeds the maximum size"),
        Failure(
            "document",
            f"{CLAUDE} does not take this document: Request exceeds the maximum size",
            status=413,
            code="request_too_large",
        ),
    ),
    "a bad image": (
        No(400, "invalid_request_error", "messages.0.content.0.image.source.base64: image exceeds 5 MB maximum"),
        Failure(
            "document",
            f"{CLAUDE} does not take this document: messages.0.content.0.image.source.base64: image exceeds 5 MB"
            " maximum",
            status=400,
            code="invalid_request_error",
        ),
    ),
    "an image that is too large": (
        No(400, "invalid_request_error", "Too large.", details=({"error_code": "image_dimensions_too_large"},)),
        Failure("document", f"{CLAUDE} does not take this document: Too large.", status=400, code="image_too_large"),
    ),
    "a limit of spending": (
        No(429, "rate_limit_error", "Over the tier.", details=({"error_code": "enforced_spend_limit_reached"},)),
        Failure(
            "configuration",
            f"The account has no credit left for {CLAUDE}: Over the tier.",
            status=429,
            code="insufficient_quota",
            fix="Add credit to the account, or raise its limit.",
        ),
    ),
    "a schema that is refused": (
        No(400, "invalid_request_error", "tools.0.custom.input_schema: JSON schema is invalid."),
        Failure(
            "configuration",
            f"The server refused the request to {CLAUDE}: tools.0.custom.input_schema: JSON schema is invalid.",
            status=400,
            code="unsupported_mode",
            fix="The server does not take this schema: `extract schema REF --lint` says what it holds.",
        ),
    ),
    "no credit": (
        No(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        Failure(
            "configuration",
            f"The server refused the request to {CLAUDE}: Your credit balance is too low to access the Anthropic API.",
            status=400,
            code="invalid_request_error",
        ),
    ),
    "cut": ("cut", Failure("transport", f"{CLAUDE}: HOST cut the connection.", sent=True)),
    "cut in the body": ("cut_body", Failure("transport", f"{CLAUDE}: HOST cut the connection.", sent=True)),
    "hang": ("hang", Failure("transport", f"{CLAUDE}: no whole answer came from HOST in 1 seconds.", sent=True)),
    "garbage": (
        "garbage",
        Failure(
            "transport", f"The answer of {CLAUDE} cannot be used: what it sent is not JSON.", status=200, sent=True
        ),
    ),
    "another form": (
        "no message",
        Failure(
            "transport",
            f"The answer of {CLAUDE} cannot be used: what it sent has not the form of a message.",
            status=200,
            sent=True,
        ),
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_failure_is_a_value_and_one_request_is_made(
    server: FakeAnthropic, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault, failure = FAULTS[case]
    expected = replace(failure, message=failure.message.replace("HOST", server.address[7:]))
    server.reset(fault, RECORD)
    model = opened(server)
    with caplog.at_level(logging.INFO), warnings.catch_warnings():
        warnings.simplefilter("error")
        reply = ask(model, a_call(), 1 if case == "hang" else 10)
    assert (reply.failure, reply.mode) == (expected, "tools")
    assert server.count == 1
    assert [one.message for one in caplog.records if one.name.startswith("instructor")] == []
    assert ask(model, a_call()).failure is None


def test_a_setting_that_the_server_refuses_is_named(server: FakeAnthropic) -> None:
    call = a_call(temperature=3, model="anthropic/claude-haiku-4-5")
    assert ask(opened(server, call.model), call).failure == Failure(
        "configuration",
        "The server refused the request to anthropic/claude-haiku-4-5: temperature: range: 0..1",
        status=400,
        code="invalid_request_error",
        fix="Change the setting 'temperature', or leave it out.",
    )


def test_a_server_that_is_not_there() -> None:
    with FakeAnthropic() as server:
        gone = server.address
    failure = ask(open_model(CLAUDE, KNOWN, {"ANTHROPIC_BASE_URL": gone}), a_call()).failure
    assert failure == Failure(
        "transport", f"{CLAUDE}: there is no server at {gone[7:]}.", fix="Check ANTHROPIC_BASE_URL and the network."
    )


def test_a_key_never_shows(server: FakeAnthropic, caplog: pytest.LogCaptureFixture) -> None:
    wrong = "sk-ant-wrong-but-still-secret"
    model = opened(server, api_key=wrong)
    with caplog.at_level(logging.INFO):
        failure = ask(model, a_call()).failure
    assert failure == Failure(
        "configuration",
        f"The key for {CLAUDE} was not accepted.",
        status=401,
        code="authentication_error",
        fix="Check ANTHROPIC_API_KEY.",
    )
    server.reset(No(500, "api_error", f"While handling {KEY} of Bearer abcdefgh: failed."))
    failure = ask(opened(server), a_call()).failure
    assert failure is not None
    assert failure.message == f"The server of {CLAUDE} failed with status 500: While handling *** of ***: failed."
    assert wrong not in caplog.text + repr(vars(model))


@pytest.mark.parametrize("settings", [{"max_tokens": object()}, {"stop": 7}])
def test_what_cannot_be_asked_is_a_failure_that_quotes_nothing(server: FakeAnthropic, settings: dict[str, Any]) -> None:
    assert ask(opened(server), a_call(**settings)).failure == Failure(
        "configuration",
        f"{CLAUDE}: the request could not be made (TypeError).",
        fix="Check the settings, and update instructor and the provider's package.",
    )
    assert server.count == 0


def test_a_package_of_another_form_is_a_failure(server: FakeAnthropic, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(server)
    monkeypatch.setitem(sys.modules, "anthropic", None)
    failure = ask(model, a_call()).failure
    assert failure is not None
    assert failure.message == f"{CLAUDE}: the request could not be made (ModuleNotFoundError)."


# Loops, cancelling


async def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)


def test_one_model_serves_many_loops(server: FakeAnthropic) -> None:
    server.reset(*[RECORD] * 7)
    model = opened(server)
    assert [ask(model, a_call()).failure for _ in range(3)] == [None] * 3
    loops = [asyncio.new_event_loop() for _ in range(2)]
    for loop in [*loops, *loops]:
        assert loop.run_until_complete(model.send(a_call())).failure is None
    for loop in loops:
        loop.run_until_complete(model.close())
        loop.close()


def test_many_calls_at_once_get_each_its_own_reply(server: FakeAnthropic) -> None:
    server.reset(*[{"n": n} for n in range(40)])

    async def all_of_them() -> list[Reply]:
        model = opened(server)
        return await asyncio.gather(*(model.send(a_call()) for _ in range(40)))

    replies = asyncio.run(all_of_them())
    assert sorted(json.loads(reply.text or "")["n"] for reply in replies) == list(range(40))
    assert server.count == 40


def test_cancelling_closes_the_connection(server: FakeAnthropic) -> None:
    server.reset("hang")

    async def cancelled() -> None:
        sending = asyncio.create_task(opened(server).send(a_call()))
        await until(lambda: server.count == 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await until(lambda: server.hung_up == 1)

    asyncio.run(cancelled())


# End to end


class Bill(BaseModel):
    company: str
    total: Decimal
    note: str | None = None


BILL = {"company": "ACME Ltd", "total": "4.95", "note": None}
TEXT = "ACME Ltd, total 4.95"
READ = Bill(company="ACME Ltd", total=Decimal("4.95"))


@pytest.fixture
def at_home(server: FakeAnthropic, monkeypatch: pytest.MonkeyPatch) -> FakeAnthropic:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.address)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return server


def reader(**options: Any) -> Any:
    @extract(**{"model": CLAUDE, **options})
    def read(document) -> Bill:  # type: ignore[no-untyped-def]
        """Read the bill."""

    return read


def settled(server: FakeAnthropic, requests: int, result: Extraction[Any]) -> Extraction[Any]:
    """The result, after a look at what it cost: exactly what the server charged, and so many requests."""
    price = KNOWN.facts(CLAUDE).price
    assert price is not None
    assert (server.count, result.usage, result.cost) == (requests, server.usage, price.of(server.usage))
    return result


def test_a_record_is_read(at_home: FakeAnthropic) -> None:
    at_home.reset(BILL)
    result = settled(at_home, 1, reader().detail(TEXT))
    assert (result.value, result.problems) == (READ, ())
    assert result.evidence["/total"].text == "4.95"


def mended(body: Mapping[str, Any]) -> Any:
    """The right answer to a repair, in the way that it is asked for."""
    changes = "changes" in body["tools"][0]["input_schema"]["properties"]
    return {"changes": [{"path": "/total", "value": "4.95"}]} if changes else BILL


def test_a_wrong_field_is_repaired_by_a_change_of_that_field(at_home: FakeAnthropic) -> None:
    at_home.reset({**BILL, "total": "a lot"}, mended)
    result = settled(at_home, 2, reader().detail(LETTER))
    assert (result.value, [one.outcome for one in result.attempts]) == (READ, ["stop", "stop"])
    first, second = at_home.requests
    assert [body["tools"][0]["name"] for body in (first, second)] == ["Bill", "Bill_changes"]
    assert second["messages"][-1]["content"].startswith("What is asked for:\n- /total: ")


LETTER = TEXT + "\n" + "Thank you for your custom; come again.\n" * 80


def test_an_answer_that_was_cut_off_goes_on_and_is_never_read_as_whole(at_home: FakeAnthropic) -> None:
    """The cut fell inside the company's name, and Anthropic closed what was there: it is asked for again."""

    def rest(body: Mapping[str, Any]) -> Any:
        return {"changes": [{"path": "/company", "value": "ACME Ltd"}, {"path": "/total", "value": "4.95"}]}

    at_home.reset(Said('{"note": "paid", "company": "ACME"}', stop="max_tokens"), rest)
    result = settled(at_home, 2, reader().detail(LETTER))
    assert [one.outcome for one in result.attempts] == ["length", "stop"]
    assert result.value == replace_note("paid")


def replace_note(note: str) -> Bill:
    return Bill(company="ACME Ltd", total=Decimal("4.95"), note=note)


ASKED_AGAIN: Mapping[str, Said] = {
    "an input that is no record": Said('"the total is 4.95"'),
    "a list": Said("[]"),
    "prose": Said(texts=("The company is ACME Ltd.",), stop="end_turn"),
    "nothing": Said(stop="end_turn"),
}


@pytest.mark.parametrize("case", ASKED_AGAIN)
def test_what_is_no_record_is_asked_for_again_whole(at_home: FakeAnthropic, case: str) -> None:
    at_home.reset(ASKED_AGAIN[case], mended)
    result = settled(at_home, 2, reader().detail(TEXT))
    assert (result.value, [one.outcome for one in result.attempts]) == (READ, ["stop", "stop"])


def test_a_record_in_text_is_read_and_fields_that_are_missing_are_asked_for(at_home: FakeAnthropic) -> None:
    at_home.reset(Said(texts=(f"Here it is:\n```json\n{dump(BILL)}\n```",), stop="end_turn"))
    assert settled(at_home, 1, reader().detail(TEXT)).value == READ
    at_home.reset({"company": "ACME Ltd", "note": None}, mended)
    assert settled(at_home, 2, reader().detail(TEXT)).value == READ


def test_long_numbers_keep_their_digits_to_the_end(at_home: FakeAnthropic) -> None:
    digits = "12345678901234567890.12345678901234567890"
    at_home.reset(Said(f'{{"company": "A", "total": {digits}, "note": null}}'))
    assert reader()(f"A, {digits}").total == Decimal(digits)


def test_a_refusal_ends_it(at_home: FakeAnthropic) -> None:
    at_home.reset(Said(texts=("I can't help with that.",), stop="refusal"))
    with pytest.raises(ModelError) as caught:
        reader()(TEXT)
    assert caught.value.kind == "refusal"
    assert caught.value.extraction is not None
    settled(at_home, 1, caught.value.extraction)


def test_what_passes_is_waited_for_and_tried_again_by_us_alone(at_home: FakeAnthropic) -> None:
    busy = No(529, "overloaded_error", "Overloaded", {"retry-after-ms": "10"})
    at_home.reset(busy, "cut", BILL)
    result = settled(at_home, 3, reader().detail(TEXT))
    assert (result.value, [one.outcome for one in result.attempts]) == (READ, ["stop"])
    at_home.reset(*[busy] * 9)
    with pytest.raises(ModelError, match="failed with status 529"):
        reader(limits=Limits(tries=3))(TEXT)
    assert at_home.count == 3


def test_a_document_that_is_too_long_and_a_wrong_key_end_it_at_once(
    at_home: FakeAnthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home.reset(No(400, "invalid_request_error", LONG))
    said = f"^{CLAUDE} does not take this document: {LONG}. The document is too long for this model: choose one with a"
    with pytest.raises(DocumentError, match=said):
        reader()(TEXT)
    assert at_home.count == 1
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-another-1234567890")
    at_home.reset(BILL)
    with pytest.raises(ModelError) as caught:
        reader()(TEXT)
    assert str(caught.value) == (f"{CLAUDE}: The key for {CLAUDE} was not accepted.\n  Check ANTHROPIC_API_KEY.")
    assert at_home.count == 1


def test_a_stream_ends_with_the_record(at_home: FakeAnthropic) -> None:
    at_home.reset(BILL)
    *partial, result = reader().stream(TEXT)
    assert (partial, settled(at_home, 1, result).value) == ([], READ)


def test_a_cascade_goes_on_with_another_provider(at_home: FakeAnthropic, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home.reset(Said(stop="refusal"))
    with FakeOpenAI([Answer(dump(BILL))]) as other:
        monkeypatch.setenv("MISTRAL_BASE_URL", other.base_url)
        assert reader(model=[CLAUDE, "mistral/mistral-small-latest"])(TEXT) == READ
        assert (at_home.count, other.count) == (1, 1)


# The providers that speak OpenAI's protocol

SMALL = "mistral/mistral-small-latest"


@pytest.fixture(scope="module")
def chatting() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(key=KEY) as server:
        yield server


@pytest.fixture
def chat(chatting: FakeOpenAI) -> FakeOpenAI:
    chatting.reset()
    return chatting


def opened_chat(server: FakeOpenAI, name: str = SMALL) -> Model:
    upper = name.partition("/")[0].upper()
    return open_model(name, KNOWN, {f"{upper}_BASE_URL": server.base_url, f"{upper}_API_KEY": KEY})


def test_mistral_is_asked_for_a_tool_in_its_own_way(chat: FakeOpenAI) -> None:
    chat.replies(Answer(EXACT, usage=Usage(100, 64, 30, 20)))
    call = a_call(Part("text", "document", text=HOSTILE), model=SMALL, max_tokens=90)
    reply = ask(opened_chat(chat), call)
    assert (reply.text, reply.mode, reply.usage) == (EXACT, "tools", Usage(100, 64, 30, 20))
    body = dict(chat.requests[0].body)
    messages, tools = body.pop("messages"), body.pop("tools")
    assert messages[-1] == {"role": "user", "content": f"document:\n===\n{HOSTILE}\n==="}
    assert tools[0]["function"]["parameters"] == json.loads(dump(WIRE))
    assert body == {"model": "mistral-small-latest", "max_tokens": 90, "tool_choice": "any"}


def test_mistral_is_told_the_seed_by_its_own_name(chat: FakeOpenAI) -> None:
    failure = ask(opened_chat(chat), a_call(model=SMALL, seed=7)).failure
    assert chat.requests[0].body["random_seed"] == 7
    assert failure == Failure(
        "configuration",
        f"The server refused the request to {SMALL}: Unknown parameter: 'random_seed'.",  # it is no Mistral
        status=400,
        code="unknown_parameter",
        fix="Change the setting 'random_seed', or leave it out.",
    )


TOOL = {"type": "function", "function": {"name": "Receipt__a_"}}
OPENAIS_WAY = {"deepseek/any": TOOL, "groq/any": TOOL, "ollama/any": None}


@pytest.mark.parametrize("name", OPENAIS_WAY)
def test_the_others_are_asked_in_openais_way(name: str) -> None:
    with FakeOpenAI([RECORD]) as server:
        reply = ask(opened_chat(server, name), a_call(model=name))
        body = server.requests[0].body
        asked = body["tools"][0]["function"]["parameters"] if "tools" in body else server.requests[0].schema
        assert (json.loads(reply.text or ""), body.get("tool_choice")) == (RECORD, OPENAIS_WAY[name])
        assert asked["properties"] == json.loads(dump(WIRE["properties"]))


def test_an_answer_of_mistral_that_filled_the_context_is_cut_off(chat: FakeOpenAI) -> None:
    known = Wire(KNOWN.facts(SMALL), "mistral-small-latest", mode="tools")
    call = {"function": {"name": "Receipt", "arguments": '{"company": "A'}}
    choice = {"finish_reason": "model_length", "message": {"content": "", "tool_calls": [call]}}
    reply = answers.read(dump({"choices": [choice]}).encode(), known)
    assert (reply.text, reply.finish) == ('{"company": "A', "length")


def test_an_answer_without_a_word_is_shown_as_such(chat: FakeOpenAI) -> None:
    chat.replies(RECORD)
    call = replace(a_call(model=SMALL), answer="", failed=(Failed("", None, "there is nothing"),))
    assert ask(opened_chat(chat), call).failure is None
    assert chat.requests[0].body["messages"][-2] == {"role": "assistant", "content": "(nothing)"}


CHAT_FAULTS: Mapping[Any, Failure] = {
    "rate_limit": Failure(
        "transport",
        f"{SMALL} has a rate limit, and it is reached: Rate limit reached.",
        status=429,
        code="rate_limit_exceeded",
        retry_after=0.25,
    ),
    "cut": Failure("transport", f"{SMALL}: HOST cut the connection.", sent=True),
    "hang": Failure("transport", f"{SMALL}: no whole answer came from HOST in 1 seconds.", sent=True),
    "garbage": Failure(
        "transport", f"The answer of {SMALL} cannot be used: what it sent is not JSON.", status=200, sent=True
    ),
}


@pytest.mark.parametrize("kind", CHAT_FAULTS)
def test_a_failure_of_theirs_is_a_value_and_one_request_is_made(chat: FakeOpenAI, kind: Any) -> None:
    expected = replace(CHAT_FAULTS[kind], message=CHAT_FAULTS[kind].message.replace("HOST", chat.address[7:]))
    chat.faults(Fault(kind, retry_after=0.25))
    reply = ask(opened_chat(chat), a_call(model=SMALL), 1 if kind == "hang" else 10)
    assert (reply.failure, chat.count) == (expected, 1)


ERRORS: Mapping[str, tuple[int, Any, Failure]] = {
    "mistral's words at the top": (
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
            "code": "3051",
        },
        Failure(
            "document",
            f"{SMALL} does not take this document: Prompt contains 40000 tokens, too large for model with 32768 maximum"
            " context length",
            status=400,
            code="context_length_exceeded",
            fix="The document is too long for this model: choose one with a larger context.",
        ),
    ),
    "mistral's details": (
        422,
        {"detail": [{"loc": ["body", "top_p"], "msg": "too large"}]},
        Failure(
            "configuration",
            f'The server refused the request to {SMALL}: [{{"loc": ["body", "top_p"], "msg": "too large"}}]',
            status=422,
        ),
    ),
    "a text": (
        502,
        "Bad gateway",
        Failure("transport", f"The server of {SMALL} failed with status 502: Bad gateway", status=502),
    ),
    "nothing": (503, None, Failure("transport", f"The server of {SMALL} failed with status 503.", status=503)),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_read_in_every_form(case: str) -> None:
    status, body, failure = ERRORS[case]
    known = Wire(KNOWN.facts(SMALL), "mistral-small-latest", mode="tools")
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert failure_of(status, {}, data, known) == failure


@given(anything | st.fixed_dictionaries({}, optional={"error": anything, "message": anything, "detail": anything}))
def test_any_error_is_a_failure(body: Any) -> None:
    known = Wire(KNOWN.facts(SMALL), "mistral-small-latest", mode="tools")
    failure = failure_of(500, {}, json.dumps(body).encode(), known)
    assert (failure.kind, failure.status) == ("transport", 500)


# Google

FLASH = "google/gemini-9-flash"


@pytest.fixture
def gemini() -> Iterator[FakeGemini]:
    pytest.importorskip("google.genai")
    pytest.importorskip("jsonref")
    with FakeGemini(key=KEY) as server:
        yield server


def opened_gemini(server: FakeGemini, name: str = FLASH, key: str = KEY) -> Model:
    return open_model(name, KNOWN, {"GOOGLE_GEMINI_BASE_URL": server.address, "GEMINI_API_KEY": key})


TREE = {
    "type": "object",
    "properties": {"size": {"enum": [1, 2]}, "child": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
    "required": ["size", "child"],
    "additionalProperties": False,
}


def test_google_is_asked_for_text_under_our_own_schema(gemini: FakeGemini) -> None:
    gemini.reset(Said(EXACT, texts=("I think.",)))
    document = Part("text", "document", text=HOSTILE)
    image = Part("image", "https://127.0.0.1:9/scan.png", media_type="image/png", data=b"\x89PNG")
    file = Part("file", "scan.pdf", media_type="application/pdf", data=b"%PDF")
    call = a_call(document, image, file, model=FLASH, temperature=0, top_k=3, max_tokens=90, stop="END", seed=1)
    call = replace(
        call, instructions=HOSTILE, shape=Shape("Tree", {}, TREE), answer="{}", failed=(Failed("", 1, "no"),)
    )
    reply = ask(opened_gemini(gemini), call)
    assert reply == Reply(
        text=EXACT, mode="strict", usage=gemini.usage, model="gemini-9-flash-001", endpoint=reply.endpoint
    )
    assert gemini.path == "/v1/models/gemini-9-flash:generateContent"
    body = gemini.requests[0]
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]
    text, picture, pages = body["contents"][0]["parts"]
    assert text == {"text": f"document:\n===\n{HOSTILE}\n==="}
    assert set(picture["inlineData"].values()) == {"image/png", base64.b64encode(b"\x89PNG").decode()}
    assert set(pages["inlineData"].values()) == {"application/pdf", base64.b64encode(b"%PDF").decode()}
    assert body["systemInstruction"]["parts"][0]["text"].startswith(HOSTILE)
    assert body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": TREE,
        "temperature": 0,
        "topK": 3,
        "maxOutputTokens": 90,
        "stopSequences": ["END"],
        "seed": 1,
    }
    assert not body.get("safetySettings")


GEMINIS: Mapping[str, tuple[Said, str, str]] = {
    "cut off": (Said('{"size": 1, "chi', stop="MAX_TOKENS"), '{"size": 1, "chi', "length"),
    "to be continued": (Said('{"size": 1, "chi', stop="CONTINUATION"), '{"size": 1, "chi', "length"),
    "filtered": (Said('{"size"', stop="SAFETY"), '{"size"', "filter"),
    "empty": (Said(), "", "stop"),
}


@pytest.mark.parametrize("case", GEMINIS)
def test_what_gemini_says_is_a_paid_reply(gemini: FakeGemini, case: str) -> None:
    said, text, finish = GEMINIS[case]
    gemini.reset(said)
    reply = ask(opened_gemini(gemini), a_call(model=FLASH))
    assert (reply.text, reply.finish, reply.usage, gemini.count) == (text, finish, gemini.usage, 1)


DELAY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
TOO_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."

GEMINI_FAULTS: Mapping[str, tuple[Any, Failure]] = {
    "rate limit": (
        No(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", details=(DELAY,)),
        Failure(
            "transport",
            f"{FLASH} has a rate limit, and it is reached: Quota exceeded.",
            status=429,
            code="RESOURCE_EXHAUSTED",
            retry_after=34.5,
        ),
    ),
    "overloaded": (
        No(503, "UNAVAILABLE", "The model is overloaded.", {"retry-after": "2"}),
        Failure(
            "transport",
            f"The server of {FLASH} failed with status 503: The model is overloaded.",
            status=503,
            code="UNAVAILABLE",
            retry_after=2.0,
        ),
    ),
    "too long": (
        No(400, "INVALID_ARGUMENT", TOO_LONG),
        Failure(
            "document",
            f"{FLASH} does not take this document: {TOO_LONG}",
            status=400,
            code="context_length_exceeded",
            fix="The document is too long for this model: choose one with a larger context.",
        ),
    ),
    "no model": (
        No(404, "NOT_FOUND", "models/gemini-9-flash is not found."),
        Failure(
            "configuration",
            "The server does not know 'gemini-9-flash' or has no chat endpoint: models/gemini-9-flash is not found.",
            status=404,
            code="NOT_FOUND",
            fix="Check the model's name and GOOGLE_GEMINI_BASE_URL.",
        ),
    ),
    "blocked": (
        Said(stop="blocked"),
        Failure(
            "filter",
            f"The content filter of {FLASH} took the request: PROHIBITED_CONTENT.",
            status=200,
            code="PROHIBITED_CONTENT",
        ),
    ),
    "cut": ("cut", Failure("transport", f"{FLASH}: HOST cut the connection.", sent=True)),
    "cut in the body": ("cut_body", Failure("transport", f"{FLASH}: HOST cut the connection.", sent=True)),
    "hang": ("hang", Failure("transport", f"{FLASH}: no whole answer came from HOST in 1 seconds.", sent=True)),
    "garbage": (
        "garbage",
        Failure("transport", f"The answer of {FLASH} cannot be used: what it sent is not JSON.", status=200, sent=True),
    ),
    "another form": (
        "no message",
        Failure(
            "transport", f"The answer of {FLASH} cannot be used: there is no candidate in it.", status=200, sent=True
        ),
    ),
    "a candidate of another form": (
        Said("[]", stop="odd"),
        Failure(
            "transport",
            f"The answer of {FLASH} cannot be used: what it sent has not the form of a response.",
            status=200,
            sent=True,
        ),
    ),
}


@pytest.mark.parametrize("case", GEMINI_FAULTS)
def test_a_failure_of_google_is_a_value_and_one_request_is_made(gemini: FakeGemini, case: str) -> None:
    fault, failure = GEMINI_FAULTS[case]
    gemini.reset(fault, RECORD)
    reply = ask(opened_gemini(gemini), a_call(model=FLASH), 1 if case == "hang" else 10)
    assert reply.failure == replace(failure, message=failure.message.replace("HOST", gemini.address[7:]))
    assert gemini.count == 1


def test_googles_key_is_found_under_either_name_and_a_wrong_one_is_told(gemini: FakeGemini) -> None:
    failure = ask(opened_gemini(gemini, key="another-key"), a_call(model=FLASH)).failure
    assert failure == Failure(
        "configuration",
        f"The key for {FLASH} was not accepted.",
        status=400,
        code="INVALID_ARGUMENT",
        fix="Check GOOGLE_API_KEY or GEMINI_API_KEY.",
    )
    with pytest.raises(ModelError) as missing:
        open_model(FLASH, KNOWN, {})
    assert str(missing.value) == (
        f"No key for {FLASH}: GOOGLE_API_KEY or GEMINI_API_KEY is not set.\n"
        "  Set GOOGLE_API_KEY or GEMINI_API_KEY, or use --model rules, which needs no key and no network."
    )


def test_a_setting_of_another_kind_is_not_sent_to_google(gemini: FakeGemini) -> None:
    failure = ask(opened_gemini(gemini), a_call(model=FLASH, temperature="warm")).failure
    assert failure is not None
    assert (failure.kind, failure.message, gemini.count) == (
        "configuration",
        f"{FLASH}: the request could not be made (TypeError).",
        0,
    )


def test_google_from_end_to_end(gemini: FakeGemini, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", gemini.address)
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)

    def change(body: Mapping[str, Any]) -> Any:
        asked = body["generationConfig"]["responseJsonSchema"]["properties"]
        return {"changes": [{"path": "/total", "value": "4.95"}]} if "changes" in asked else BILL

    gemini.reset({**BILL, "total": "a lot"}, change)
    result = reader(model=FLASH).detail(LETTER)
    assert (result.value, gemini.count, result.usage, result.cost) == (READ, 2, gemini.usage, None)
