"""The fake OpenAI server: it speaks the wire that the real one speaks, and does the same thing every time."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import extract
from extract.call import Usage
from extract.testing import Answer, FakeOpenAI, Fault, Request
from extract.testing_fixtures import fake_openai

__all__ = ["fake_openai"]

STRICT = {
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
    "additionalProperties": False,
}


def asking(text: str = "TOTAL 4.95", **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}


def strictly(schema: Any, name: str = "Receipt") -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


def post(
    server: FakeOpenAI, body: Any, path: str = "/v1/chat/completions", method: str = "POST", **headers: str
) -> tuple[int, Mapping[str, str], str]:
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()
    finally:
        connection.close()


def said(server: FakeOpenAI, body: Any) -> Any:
    status, _, text = post(server, body)
    assert status == 200, text
    return json.loads(text)["choices"][0]["message"]["content"]


@pytest.fixture(scope="module")
def running() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(lambda request: "{}") as server:
        yield server


@pytest.fixture
def server(running: FakeOpenAI) -> FakeOpenAI:
    running.reset()
    return running


# What it says


def test_a_completion_has_the_form_of_the_real_one() -> None:
    with FakeOpenAI([{"total": 4.95}]) as server:
        status, headers, text = post(server, asking())
    assert (status, headers["Content-Type"], headers["x-request-id"]) == (200, "application/json", "req-1")
    assert json.loads(text) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o-mini",
        "system_fingerprint": "fp_fake",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": '{"total": 4.95}', "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
    }


def test_a_script_goes_before_functions_and_records_and_is_used_up(server: FakeOpenAI) -> None:
    server.replies("first", {"second": 2}, ["third"], Answer("fourth"))
    assert [said(server, asking()) for _ in range(5)] == ["first", '{"second": 2}', '["third"]', "fourth", "{}"]


def test_a_function_that_says_nothing_leaves_the_request_to_the_next() -> None:
    def by_colour(request: Request) -> str | None:
        return "red it is" if "red" in request.document else None

    with FakeOpenAI(by_colour) as server:
        server.answers(lambda request: f"{request.prompt!r} to {request.body['model']}")
        assert said(server, asking("red")) == "red it is"
        assert said(server, asking("blue")) == "'blue' to gpt-4o-mini"


def test_with_nothing_to_say_it_says_so() -> None:
    with FakeOpenAI() as server:
        status, _, text = post(server, asking())
    assert status == 400
    assert json.loads(text)["error"]["message"] == (
        "The fake server has nothing to say to this: give it replies, a function or gold records."
    )


def test_gold_records_are_found_by_a_text_in_their_document_and_sent_in_the_shape_that_is_asked() -> None:
    schema = extract.compile({"type": "object", "additionalProperties": {"type": "number"}})
    with FakeOpenAI() as server:
        server.gold({"ACME": {"total": 1}, "ACME Ltd": {"total": 2}}, schema=schema)
        assert said(server, asking("ACME Ltd, TOTAL 2")) == '{"total": 2}'
        assert said(server, asking("ACME, TOTAL 1")) == '{"total": 1}'
        asked = asking("from ACME", response_format=strictly(schema.strict))
        assert json.loads(said(server, asked)) == schema.encode({"total": 1}) != {"total": 1}
        assert post(server, asking("Nobody"))[0] == 400


def test_it_keeps_what_it_was_asked_and_counts_what_it_charged(server: FakeOpenAI) -> None:
    post(server, asking("x" * 400), **{"X-Mine": "yes"})
    server.replies(Answer("{}", usage=Usage(1000, 800, 50, 40)))
    post(server, asking())
    server.faults("rate_limit", "refusal", "cut_body")
    for _ in range(2):
        post(server, asking())
    with pytest.raises(http.client.IncompleteRead):
        post(server, asking())
    first = server.requests[0]
    assert (first.method, first.path, first.headers["x-mine"]) == ("POST", "/v1/chat/completions", "yes")
    assert first.body == asking("x" * 400)
    assert (server.count, server.answered) == (5, 4)
    refused = Usage(3, 0, 10, 0)
    cut = Usage(3, 0, 1, 0)  # the client never saw it, and it is charged all the same
    assert server.usage == Usage(100, 0, 1, 0) + Usage(1000, 800, 50, 40) + refused + cut


def test_a_stream_is_made_of_events_and_ends_with_what_it_cost(server: FakeOpenAI) -> None:
    server.replies("Grüße", "Grüße")
    asked = asking(stream=True, stream_options={"include_usage": True})
    _, headers, text = post(server, asked)
    assert headers["Content-Type"] == "text/event-stream"
    *lines, last = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    events = [json.loads(line) for line in lines]
    assert last == "[DONE]"
    assert [event["object"] for event in events] == ["chat.completion.chunk"] * 5
    assert [choice["delta"] for event in events for choice in event["choices"]] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Grüß"},
        {"content": "e"},
        {},
    ]
    assert (events[-2]["choices"][0]["finish_reason"], events[-1]["usage"]["completion_tokens"]) == ("stop", 2)
    assert "usage" not in post(server, asking(stream=True))[2]


def test_the_sdk_takes_it_for_the_real_one(server: FakeOpenAI) -> None:
    from openai import OpenAI

    server.replies('{"total": 4.95}', '{"total": 4.95}')
    with OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        assert "gpt-4o-mini" in [model.id for model in client.models.list()]
        asked = asking(response_format=strictly(STRICT), logprobs=True)
        completion = client.chat.completions.create(**asked)
        assert completion.choices[0].message.content == '{"total": 4.95}'
        assert completion.choices[0].logprobs is not None
        events = client.chat.completions.create(**asked, stream=True)
        pieces = [event.choices[0].delta.content or "" for event in events]
        assert "".join(pieces) == '{"total": 4.95}'


def test_an_answer_may_bring_its_own_tokens(server: FakeOpenAI) -> None:
    tokens = [(b'{"total": \xf0', -0.5), ("42}", -1.5), (b"", -9.0)]
    server.replies(*[Answer('{"total": 4.95}', logprobs=tokens)] * 3)
    sent = [
        {"token": '{"total": \ufffd', "bytes": list(tokens[0][0]), "logprob": -0.5, "top_logprobs": []},
        {"token": "42}", "bytes": [52, 50, 125], "logprob": -1.5, "top_logprobs": []},
        {"token": "", "bytes": [], "logprob": -9.0, "top_logprobs": []},
    ]
    whole = json.loads(post(server, asking(logprobs=True))[2])["choices"][0]
    assert (whole["message"]["content"], whole["logprobs"]["content"]) == ('{"total": 4.95}', sent)
    lines = post(server, asking(logprobs=True, stream=True))[2].removesuffix("data: [DONE]\n\n").split("data: ")[1:]
    choices = [json.loads(line)["choices"][0] for line in lines]
    assert "".join(one["delta"].get("content", "") for one in choices) == '{"total": 4.95}'
    assert [token for one in choices for token in (one["logprobs"] or {"content": []})["content"]] == sent
    assert json.loads(post(server, asking())[2])["choices"][0]["logprobs"] is None


# What it refuses

REFUSED: Mapping[str, tuple[Any, str | None, str | None, str]] = {
    "not JSON": (b"{", None, None, "We could not parse the JSON body of your request: it is not a JSON object."),
    "no messages": (
        {"model": "gpt-4o-mini"},
        "messages",
        "missing_required_parameter",
        "Missing required parameter: 'messages'.",
    ),
    "empty messages": (asking(messages=[]), "messages", "empty_array", "Invalid 'messages': empty array."),
    "unknown parameter": (asking(temprature=1), "temprature", "unknown_parameter", "Unknown parameter: 'temprature'."),
    "out of range": (
        asking(temperature=2.5),
        "temperature",
        "invalid_value",
        "Invalid 'temperature': expected a value <= 2, but got 2.5 instead.",
    ),
    "wrong type": (
        asking(seed="7"),
        "seed",
        "invalid_type",
        "Invalid 'seed': expected an integer, but got a string instead.",
    ),
    "too many stops": (
        asking(stop=list("abcde")),
        "stop",
        "invalid_value",
        "Invalid 'stop': expected a string or a list of at most 4 strings.",
    ),
    "bias": (
        asking(logit_bias={"50256": -101}),
        "logit_bias",
        "invalid_value",
        "Invalid 'logit_bias': expected a value >= -100, but got -101 instead.",
    ),
    "top_logprobs alone": (
        asking(top_logprobs=3),
        "top_logprobs",
        None,
        "Invalid 'top_logprobs': 'logprobs' must be set to true.",
    ),
    "stream_options alone": (
        asking(stream_options={"include_usage": True}),
        "stream_options",
        None,
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
    ),
    "more than the model can say": (
        asking(max_tokens=20_000),
        "max_tokens",
        "invalid_value",
        "max_tokens is too large: 20000. This model supports at most 16384 completion tokens.",
    ),
    "not this model's": (
        {**asking(temperature=0), "model": "gpt-5-mini"},
        "temperature",
        "unsupported_parameter",
        "Unsupported parameter: 'temperature' is not supported with this model.",
    ),
    "role": (
        asking(messages=[{"role": "robot", "content": "x"}]),
        "messages[0].role",
        "invalid_value",
        "Invalid value for 'messages[0].role'.",
    ),
    "part": (
        asking(messages=[{"role": "user", "content": [{"type": "video"}]}]),
        "messages[0].content[0].type",
        "invalid_value",
        "Invalid value for 'messages[0].content[0].type': 'video'.",
    ),
    "image": (
        asking(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "scan.png"}}]}]),
        "messages[0].content[0].image_url",
        "invalid_image_url",
        "Invalid image data.",
    ),
    "JSON mode without the word": (
        asking(response_format={"type": "json_object"}),
        "messages",
        None,
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
    ),
    "name of a schema": (
        asking(response_format=strictly(STRICT, "My Receipt")),
        "response_format.json_schema.name",
        "invalid_value",
        "Invalid 'response_format.json_schema.name': string does not match pattern. Expected a string that matches"
        " '^[a-zA-Z0-9_-]+$'.",
    ),
}


OPEN = {"type": "object", "properties": {"total": {"type": "number", "default": 0}}}
NOT_CLOSED = "In context=(), 'additionalProperties' is required to be supplied and to be false."


def test_a_schema_that_is_not_strict_is_refused_as_by_the_real_one(server: FakeOpenAI) -> None:
    status, _, text = post(server, asking(response_format=strictly(OPEN)))
    assert (status, json.loads(text)["error"]) == (
        400,
        {
            "message": f"Invalid schema for response_format 'Receipt': {NOT_CLOSED}",
            "type": "invalid_request_error",
            "param": "response_format",
            "code": None,
        },
    )
    tool = {"type": "function", "function": {"name": "read", "strict": True, "parameters": OPEN}}
    status, _, text = post(server, asking(tools=[tool]))
    assert (status, json.loads(text)["error"]) == (
        400,
        {
            "message": f"Invalid schema for function 'read': {NOT_CLOSED}",
            "type": "invalid_request_error",
            "param": "tools[0].function.parameters",
            "code": "invalid_function_parameters",
        },
    )
    loosely = {"type": "json_schema", "json_schema": {"name": "Receipt", "schema": OPEN}}
    assert said(server, asking(response_format=loosely)) == "{}"


@pytest.mark.parametrize("case", REFUSED)
def test_what_openai_refuses_is_refused_with_its_code(server: FakeOpenAI, case: str) -> None:
    body, param, code, message = REFUSED[case]
    status, _, text = post(server, body)
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    assert (status, json.loads(text)) == (400, {"error": error})
    assert server.answered == 0


def test_keys_models_addresses_and_versions_are_looked_at() -> None:
    with FakeOpenAI(lambda request: "{}", key="sk-right", models=["gpt-4o-mini", "receipts"]) as server:
        right, azure = {"Authorization": "Bearer sk-right"}, "/openai/deployments/{}/chat/completions{}"
        version = "?api-version=2024-10-21"

        def status(
            path: str = "/v1/chat/completions", method: str = "POST", model: str = "gpt-4o-mini", **headers: str
        ) -> Any:
            status, _, text = post(server, {**asking(), "model": model}, path, method, **headers)
            return status, (json.loads(text).get("error") or {}).get("code")

        assert status(**right) == (200, None)
        assert status() == (401, "invalid_api_key")
        assert status(Authorization="Bearer sk-wrong") == (401, "invalid_api_key")
        assert status(model="gpt-9", **right) == (404, "model_not_found")
        assert status("/v1/completions", **right) == (404, None)
        assert status(method="GET", **right) == (404, None)
        assert status("/v1/models", "GET", **right) == (200, None)
        assert status(azure.format("receipts", version), **{"api-key": "sk-right"}) == (200, None)
        assert status(azure.format("others", version), **{"api-key": "sk-right"}) == (404, "DeploymentNotFound")
        assert status(azure.format("receipts", ""), **{"api-key": "sk-right"}) == (404, None)


# What goes wrong with it


def test_a_fault_says_how_long_to_wait(server: FakeOpenAI) -> None:
    server.faults(Fault("rate_limit", retry_after=1.5, message="Too many."), "overloaded")
    status, headers, text = post(server, asking())
    assert (status, headers["retry-after"], headers["retry-after-ms"]) == (429, "2", "1500")
    assert json.loads(text)["error"] == {
        "message": "Too many.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    status, headers, _ = post(server, asking())
    assert (status, "retry-after" in headers) == (503, False)


def test_a_fault_in_a_script_spoils_what_the_script_says_next(server: FakeOpenAI) -> None:
    server.replies(Fault("truncated"), "12345678", Fault("server_error"), "whole")
    assert said(server, asking()) == "1234"
    assert post(server, asking())[0] == 500
    assert said(server, asking()) == "whole"


def fates(seed: int, order: list[int]) -> dict[int, list[int]]:
    """The statuses of twenty requests, each made twice."""
    with FakeOpenAI(lambda request: "{}", chances={"rate_limit": 0.3, "server_error": 0.2}, seed=seed) as server:
        found: dict[int, list[int]] = {}
        for number in order:
            found.setdefault(number, []).append(post(server, asking(f"document {number}"))[0])
        return found


def test_chance_is_decided_by_the_seed_and_the_request_and_not_by_their_order() -> None:
    numbers = list(range(20))
    there_and_back = fates(7, [*numbers, *numbers])
    assert there_and_back == fates(7, sorted([*numbers, *numbers], reverse=True))
    assert there_and_back != fates(8, [*numbers, *numbers])
    assert {status for both in there_and_back.values() for status in both} == {200, 429, 500}
    assert any(first != second for first, second in there_and_back.values())


def test_stopping_ends_hanging_requests_and_frees_the_port() -> None:
    with FakeOpenAI(faults=["hang"]) as server:
        connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=10)
        connection.request("POST", "/v1/chat/completions", json.dumps(asking()))
        while not server.count:
            time.sleep(0.01)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        connection.getresponse()
    connection.close()
    port = int(server.address.rpartition(":")[2])
    with FakeOpenAI(["again"], port=port) as again:
        assert said(again, asking()) == "again"
        with pytest.raises(OSError, match="Address already in use"):
            FakeOpenAI(port=port).start()


# The fixture


def test_the_fixture_runs_a_server_and_points_the_environment_at_it(fake_openai: FakeOpenAI) -> None:
    assert os.environ["OPENAI_BASE_URL"] == fake_openai.base_url
    assert os.environ["OPENAI_API_KEY"] == "sk-fake"
    fake_openai.replies("hello")
    assert said(fake_openai, asking()) == "hello"


def test_the_plugin_loads_nothing_but_pytest() -> None:
    code = (
        "import pytest, sys; before = set(sys.modules)\n"
        "import extract.testing_fixtures; print(*set(sys.modules) - before)"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    loaded = {name for name in done.stdout.split() if not name.startswith("extract")}
    assert loaded & {"openai", "aiohttp", "pydantic", "asyncio", "duckdb", "orjson"} == set()
    assert "extract.testing" not in done.stdout.split()
