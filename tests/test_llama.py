"""A real server that is not OpenAI's: llama.cpp's Python server, with a model of weights by chance.

What it answers means nothing, but the server makes it follow a grammar, so that an answer that ends by itself is JSON
of the schema. Run with

    EXTRACT_LLAMA_PYTHON=/path/to/python python -m pytest -m llama

where that Python has what `llama_server.INSTALL` installs. What is expected here was seen with llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from llama_server import INSTALL, VARIABLE, LlamaServer, version_in
from pydantic import BaseModel, Field

from extract import extract
from extract.call import Call, Mode, Part, Reply
from extract.catalogue import MODES, Catalogue
from extract.models import Model, built_in_catalogue, open_model
from extract.models.careful import careful
from extract.schema import compile

pytestmark = [
    pytest.mark.llama,
    pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} names no Python with a server ({INSTALL})"),
]


class Size(Enum):
    SMALL = "small"
    INCHES = '5" wide'


class Count(BaseModel):
    word: str
    times: int


class Receipt(BaseModel):
    """With what ends this server, or makes it forget the schema: lengths, patterns, a quotation mark, two types."""

    company: Annotated[str, Field(min_length=1)]
    total: Decimal
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    number: Annotated[str, Field(pattern=r"^\d+$")] | None = None
    note: Annotated[str, Field(max_length=5000)] | None = None
    size: Size = Size.SMALL
    state: Literal["paid", "open"] | None = None
    counts: list[Count] | None = None


SCHEMA = compile(Count)
KNOWN = built_in_catalogue()
NAME = "compatible/tiny"
ROOM = 200
"""Tokens that are enough for most answers."""


@pytest.fixture(scope="module")
def python() -> str:
    named = os.environ[VARIABLE]
    if not version_in(named):
        pytest.skip(f"{named} cannot run the server: {INSTALL}")
    return named


@pytest.fixture(scope="module")
def server(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    with LlamaServer(python, tmp_path_factory.mktemp("llama")) as running:
        yield running


def a_call(text: str = "MANY WORDS", **settings: Any) -> Call:
    parts = (Part("text", "document", text=text),)
    return Call(NAME, 1, "Count.", parts, SCHEMA.shape, settings={"max_tokens": ROOM, "seed": 1, **settings})


def opened(server: LlamaServer, *modes: Mode) -> Model:
    """The model as nothing is known of it, or asked in these modes only."""
    known = Catalogue({NAME: replace(KNOWN.facts(NAME), modes=modes)}) if modes else KNOWN
    return open_model(NAME, known, {}, base_url=server.base_url)


def ask(model: Model, call: Call) -> Reply:
    return asyncio.run(model.send(call, timeout=60))


async def collected(model: Model, call: Call) -> tuple[list[str], Reply]:
    *pieces, reply = [piece async for piece in model.stream(call, timeout=60)]
    assert isinstance(reply, Reply)
    return [str(piece) for piece in pieces], reply


def valid(reply: Reply) -> bool:
    """Whether an answer that ended by itself is of the schema, in the shape of its mode."""
    assert reply.failure is None
    assert reply.finish == "stop"
    schema = SCHEMA.strict if reply.mode == "tools" else SCHEMA.full
    return bool(jsonschema.Draft202012Validator(schema).is_valid(json.loads(reply.text or "")))


# Modes


@pytest.mark.parametrize("mode", ["strict", "json_schema"])
def test_response_formats_with_a_schema_are_refused(server: LlamaServer, mode: Mode) -> None:
    failure = ask(opened(server, mode), a_call()).failure
    assert failure is not None
    assert (failure.kind, failure.status, failure.code) == ("configuration", 500, "unsupported_mode")
    assert "'response_format', 'type'" in failure.message
    assert "Input should be 'text' or 'json_object'" in failure.message


@pytest.mark.parametrize("mode", ["tools", "json_object"])
def test_a_tool_and_a_schema_beside_json_mode_are_enforced(server: LlamaServer, mode: Mode) -> None:
    model = opened(server, mode)
    replies = [ask(model, a_call(seed=seed)) for seed in range(12)]
    ended = [reply for reply in replies if reply.finish == "stop"]
    assert len(ended) > 6
    assert all(valid(reply) for reply in ended)


def test_json_mode_gives_any_json_and_without_it_there_is_any_text(server: LlamaServer) -> None:
    json.loads(ask(opened(server, "json"), a_call()).text or "")
    assert ask(opened(server, "text"), a_call()).failure is None


def test_the_mode_is_found_by_one_refusal_and_kept(server: LlamaServer) -> None:
    before, model = len(server.statuses), opened(server)
    first = ask(model, a_call())
    assert (first.mode, model.mode, server.statuses[before:]) == ("tools", "tools", [500, 200])
    assert ask(model, a_call(seed=2)).mode == "tools"
    assert server.statuses[before:] == [500, 200, 200]


def test_without_tools_and_schemas_it_comes_to_the_schema_beside_json_mode(server: LlamaServer) -> None:
    before, left = len(server.statuses), [mode for mode in MODES if mode != "tools"]
    assert ask(opened(server, *left), a_call()).mode == "json_object"
    assert server.statuses[before:] == [500, 500, 200]


def test_many_calls_at_once_follow_the_first(server: LlamaServer) -> None:
    before, model = len(server.statuses), opened(server)

    async def many() -> list[Reply]:
        return await asyncio.gather(*(model.send(a_call(seed=seed), timeout=60) for seed in range(12)))

    assert {(reply.mode, reply.failure) for reply in asyncio.run(many())} == {("tools", None)}
    assert server.statuses[before:] == [500] + 12 * [200]


# Answers


@pytest.mark.parametrize("mode", ["tools", "json_object"])
def test_an_answer_that_was_cut_off_is_never_whole(server: LlamaServer, mode: Mode) -> None:
    """The server says of all arguments of a tool that they ended by themselves."""
    model, call = opened(server, mode), a_call(max_tokens=6)
    assert ask(model, call).finish == "length"
    assert asyncio.run(collected(model, call))[1].finish == "length"


def test_a_first_answer_that_was_cut_off_does_not_lose_the_mode(server: LlamaServer) -> None:
    reply = ask(opened(server), a_call(max_tokens=6))
    assert (reply.mode, reply.finish) == ("tools", "length")


def test_usage_is_read(server: LlamaServer) -> None:
    reply = ask(opened(server), a_call())
    assert reply.usage.input > 100
    assert len(reply.text or "") <= reply.usage.output <= ROOM  # a character is a token or more
    assert reply.model == "tiny"


def test_log_probabilities_are_those_of_the_text_where_the_likeliest_are_asked_for(server: LlamaServer) -> None:
    model = opened(server, "tools")
    reply = ask(model, a_call(logprobs=True, top_logprobs=1))
    assert b"".join(token.bytes for token in reply.logprobs or ()) == (reply.text or "").encode()
    assert ask(model, a_call(logprobs=True)).logprobs is None


def test_a_document_that_is_too_long_is_the_documents_failure(server: LlamaServer) -> None:
    failure = ask(opened(server), a_call("x" * 9000)).failure
    assert failure is not None
    assert (failure.kind, failure.status, failure.code) == ("document", 400, "context_length_exceeded")


@pytest.mark.parametrize("mode", ["tools", "json_object"])
def test_a_schema_that_would_end_it_or_be_forgotten_is_enforced(server: LlamaServer, mode: Mode) -> None:
    schema, model = compile(Receipt), opened(server, mode)
    asked = jsonschema.Draft202012Validator(careful(schema.strict if mode == "tools" else schema.full))
    replies = [ask(model, replace(a_call(max_tokens=600, seed=seed), shape=schema.shape)) for seed in range(8)]
    assert server.runs
    ended = [json.loads(reply.text or "") for reply in replies if reply.finish == "stop"]
    assert len(ended) > 2
    assert all(asked.is_valid(value) for value in ended)


def test_an_extraction_goes_all_the_way(server: LlamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)

    @extract(model=NAME, settings={"max_tokens": ROOM, "seed": 3})
    def read(document: str) -> Count:
        """Count."""

    result = read.detail("MANY WORDS")
    assert isinstance(result.value, Count)
    assert result.usage.output > 0


# Streams


def test_a_stream_comes_in_pieces_without_usage(server: LlamaServer) -> None:
    model = opened(server, "tools")
    pieces, reply = asyncio.run(collected(model, a_call()))
    assert len(pieces) > 5
    assert "".join(pieces) == reply.text
    assert valid(reply)
    assert reply.estimated  # it sends no usage with a stream
    assert reply.usage.output > 0


def test_streams_side_by_side_cut_each_other_off_and_are_failures(server: LlamaServer) -> None:
    replies = asyncio.run(side_by_side(opened(server, "tools")))
    cut = [reply.failure for reply in replies if reply.failure is not None]
    assert cut
    said = f"The answer of {NAME} cannot be used: the stream ended before the answer did."
    assert {(failure.kind, failure.message) for failure in cut} == {("transport", said)}


def test_streams_side_by_side_are_whole_where_it_is_told_not_to_interrupt(python: str, tmp_path: Path) -> None:
    with LlamaServer(python, tmp_path, interrupt_requests="false") as server:
        replies = asyncio.run(side_by_side(opened(server, "tools")))
    assert [reply.failure for reply in replies] == [None] * 4


async def side_by_side(model: Model) -> list[Reply]:
    many = await asyncio.gather(*(collected(model, a_call(seed=seed)) for seed in range(4)))
    return [reply for _, reply in many]


# Cancelling


def endless(tokens: int) -> Call:
    return a_call(max_tokens=tokens, logit_bias={"2": -100})  # the token that ends a text


def test_a_stream_that_is_left_is_ended_by_the_server(server: LlamaServer) -> None:
    async def leave() -> Reply:
        stream = opened(server, "text").stream(endless(6000))
        await anext(aiter(stream))
        await stream.aclose()  # type: ignore[attr-defined]
        return await opened(server, "tools").send(a_call(), timeout=20)

    before = server.said.count("Disconnected from client")
    assert asyncio.run(leave()).failure is None
    assert server.said.count("Disconnected from client") == before + 1


def test_a_call_that_is_cancelled_returns_at_once_and_the_server_lives_on(server: LlamaServer) -> None:
    async def cancelled() -> Reply:
        sending = asyncio.create_task(opened(server, "text").send(endless(1000)))
        await asyncio.sleep(0.1)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
        assert sending.cancelled()
        return await opened(server, "tools").send(a_call(), timeout=60)  # it finishes the other answer first

    assert asyncio.run(cancelled()).failure is None
