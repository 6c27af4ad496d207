"""What a real server that is not OpenAI's makes of each mode: llama.cpp's Python server, with a model of chance.

    python benchmarks/llama_server.py --peer PYTHON [--calls 20]

PYTHON is an interpreter in an environment of its own, made by ``pip install 'llama-cpp-python[server]' gguf`` (the
server is compiled on the way, which takes some minutes). The model (`tests/tiny_llama.py`) is written on the spot: what
it says means nothing, but the server makes it follow a grammar.

Part 1: the same calls in each mode alone: how the server answers, how many of the answers that ended by themselves are
valid for the schema, and the time that a call takes (median; the model is so small that it is the server's own).
Part 2: what is asked of a server of which nothing is known, until the mode is found.
Part 3: fields that it does not take, sent as they are and as we send them (`extract/models/careful.py`): whether it
answers in the schema's shape, in part of it, in any JSON, or is no more. Each has a server of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

import jsonschema
import orjson
from pydantic import BaseModel, Field, create_model

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

from llama_server import INSTALL, LlamaServer, version_in  # noqa: E402

from extract.call import Call, Mode, Part, Reply  # noqa: E402
from extract.catalogue import MODES, Catalogue  # noqa: E402
from extract.models import built_in_catalogue, open_model  # noqa: E402
from extract.models.careful import careful  # noqa: E402
from extract.models.openai import OpenAIModel  # noqa: E402
from extract.prompt import shape_of  # noqa: E402
from extract.schema import Schema, compile  # noqa: E402

NAME = "compatible/tiny"
KNOWN = built_in_catalogue()


class Count(BaseModel):
    word: str
    times: int


class Odd(Enum):
    INCHES = '5" wide'


FIELDS: dict[str, Any] = {
    "a text": str,
    "a text with a least length": Annotated[str, Field(min_length=1)],
    "a pattern with \\d": Annotated[str, Field(pattern=r"^\d{4}$")],
    "a pattern without a backslash": Annotated[str, Field(pattern="^[A-Z]{3}$")],
    "a Decimal": Decimal,
    "a list of up to 5,000": Annotated[list[int], Field(max_length=5000)],
    "an enum with a quotation mark": Odd,
    "a Literal, or null": Literal["paid", "open"] | None,
}


def a_call(schema: Schema[Any], seed: int) -> Call:
    text = Part("text", "document", text="MANY WORDS")
    return Call(NAME, 1, "Count.", (text,), schema.shape, settings={"max_tokens": 200, "seed": seed})


def opened(server: LlamaServer, modes: tuple[Mode, ...], *, spared: bool = True) -> OpenAIModel:
    known = Catalogue({NAME: replace(KNOWN.facts(NAME), modes=modes)})
    model = open_model(NAME, known, {}, base_url=server.base_url)
    assert isinstance(model, OpenAIModel)
    for station in model._stations:
        station.wire = replace(station.wire, careful=spared)
    return model


def valid(reply: Reply, schema: Schema[Any]) -> bool:
    """Whether an answer is valid for what a careful wire sends of the schema."""
    asked = careful(schema.strict if shape_of(reply.mode) == "wire" else schema.full)
    try:
        return bool(jsonschema.Draft202012Validator(asked).is_valid(orjson.loads(reply.text or "")))
    except orjson.JSONDecodeError:
        return False


async def in_mode(server: LlamaServer, mode: Mode, calls: int) -> str:
    """A line of the first part."""
    schema, before = compile(Count), len(server.statuses)
    model, times, replies = opened(server, (mode,)), [], []
    for seed in range(calls + 1):
        start = time.perf_counter()
        replies.append(await model.send(a_call(schema, seed)))
        times.append(time.perf_counter() - start)
    took = median(times[1:]) * 1e3
    statuses = ", ".join(sorted({str(status) for status in server.statuses[before:]}))
    failure = replies[-1].failure
    if failure is not None:
        return f"{mode:<12} {statuses}  {took:6.1f} ms  {failure.code}: {failure.message[:230]}"
    ended = [reply for reply in replies if reply.finish == "stop"]
    held = sum(valid(reply, schema) for reply in ended)
    tokens = sum(reply.usage.output for reply in replies) / len(replies)
    return f"{mode:<12} {statuses}  {took:6.1f} ms  {held} of {len(ended)} that ended are valid; {tokens:.0f} tokens"


async def found(server: LlamaServer) -> str:
    before, model, schema = len(server.statuses), opened(server, MODES), compile(Count)
    modes = [(await model.send(a_call(schema, seed))).mode for seed in range(2)]
    return f"first call and second: {modes[0]}, {modes[1]}; statuses {server.statuses[before:]}"


async def with_field(server: LlamaServer, schema: Schema[Any], mode: Mode, spared: bool) -> str:
    model = opened(server, (mode,), spared=spared)
    replies = [await model.send(a_call(schema, seed)) for seed in range(10)]
    if (failure := replies[-1].failure) is not None:
        return f"status {failure.status}" if failure.status else "it is no more"
    ended = [reply for reply in replies if reply.finish == "stop"]
    if all(valid(reply, schema) for reply in ended):
        return "the schema's shape"
    return "part of its shape" if all('"field"' in (reply.text or "") for reply in ended) else "any JSON"


def rows(python: str, folder: Path) -> Iterator[str]:
    for title, field in FIELDS.items():
        schema = compile(create_model("Record", field=(field, ...)))
        for mode in ("tools", "json_object"):
            said = []
            for spared in (False, True):
                with LlamaServer(python, folder) as server:
                    said.append(asyncio.run(with_field(server, schema, mode, spared)))
            yield f"{title:<30} {mode:<12} {said[0]:<20} {said[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="an interpreter that has the server")
    parser.add_argument("--calls", type=int, default=20)
    given = parser.parse_args()
    if not (version := version_in(given.peer)):
        sys.exit(f"{given.peer} cannot run the server: {INSTALL}")
    print(f"llama-cpp-python {version}\n")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with LlamaServer(given.peer, folder) as server:
            for mode in MODES:
                print(asyncio.run(in_mode(server, mode, given.calls)))
            print("\n" + asyncio.run(found(server)))
        print(f"\n{'field':<30} {'mode':<12} {'sent as it is':<20} as we send it")
        for row in rows(given.peer, folder):
            print(row, flush=True)


if __name__ == "__main__":
    main()
