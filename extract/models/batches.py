"""OpenAI's Batch API: files of requests that are answered within a day, at half the price.

A `Door` is one model's way there. It makes the lines of a file, uploads it, creates, finds and asks for batches, brings
their files, and reads the lines that come back; each is one attempt, and what goes wrong is raised as `Refused` with
the failure in it. When to do it, and again, is decided by the engine. There is no key against creating a batch twice:
whoever does not know whether a batch was created looks through the list for its file or its metadata.

Sources: OpenAI's guide "Batch API" and its API reference for batches and files; the code ``token_limit_exceeded`` from
openai/openai-python issue 2084 (both as of 2026).
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from ..call import Call, Failure, Reply, Usage
from ..catalogue import ModelFacts
from ..errors import ModelError
from ..tokens import estimate
from . import Model
from .answers import understood
from .clients import no_answer
from .failures import broken, clean, failure_of, said_no
from .files import Files
from .openai import OpenAIModel, Station
from .transport import Answer, NoAnswer
from .wire import Refused, Wire, body

__all__ = ["FULL", "Batch", "Door", "Fault", "open_door"]

_ENDPOINT = "/v1/chat/completions"
_WINDOW = "24h"
_PAGE = 100
"""Batches on a page of the list; the most that OpenAI gives."""

_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})

FULL = "token_limit_exceeded"
"""The code of a batch that failed because too many tokens of its model are under way. It costs nothing and passes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a batch failed as a whole; `line` (from 1) is the one that is to blame, if one is."""

    code: str
    message: str
    line: int | None = None


@dataclass(frozen=True)
class Batch:
    """What the server says of a batch: its status, its files by their ids, its metadata, why it failed, and when it was
    made (seconds since 1970)."""

    id: str
    status: str
    input: str
    output: str | None = None
    errors: str | None = None
    metadata: Mapping[str, str] | None = None
    faults: tuple[Fault, ...] = ()
    made: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it, whatever it came to."""
        return self.status in _ENDED


def open_door(facts: ModelFacts, model: Model) -> Door | None:
    """The way to a model's batches; None for a model that costs nothing, which is asked directly. Raises `ModelError`
    for a model that has no batches that are known."""
    if facts.price is not None and not (facts.price.input or facts.price.output):
        return None
    why, fix = "", "Run it with the local engine, or name another model."
    if not isinstance(model, OpenAIModel):
        why = "its provider's batches are not built yet"
    elif model.station.files is None:
        why = model.station.no_files
    elif facts.price is None or facts.price.batch is None:
        why = "the catalogue has no batch price of it"
        fix = "Declare one (`batch` in its `price`) if its server has OpenAI's Batch API, or use the local engine."
    else:
        return Door(facts, model.station, model.station.files)
    raise ModelError(f"{facts.name} cannot be asked by batch: {why}.", fix=fix)


class Door:
    """A model's batches on its first endpoint."""

    def __init__(self, facts: ModelFacts, station: Station, files: Files):
        self.facts, self._station, self._files = facts, station, files

    @property
    def wire(self) -> Wire:
        """How its requests look; the mode is the one that its single calls have come to."""
        return self._station.wire

    def line(self, call: Call, known: Wire) -> bytes:
        """The line of a call in a file, as this wire has it. Raises `Refused`. Images are scaled on the way: with them,
        it belongs on a thread."""
        request = {"custom_id": call.key, "method": "POST", "url": _ENDPOINT}
        return orjson.dumps({**request, "body": orjson.Fragment(body(call, known))}) + b"\n"

    async def upload(self, path: Path, seconds: float) -> str:
        """The id of a file that was brought there."""
        try:
            answer = await self._files.upload(path, {"purpose": "batch"}, seconds)
        except NoAnswer as error:
            raise self._none(error, seconds) from error
        return str(self._value(answer)["id"])

    async def create(self, file: str, metadata: Mapping[str, str], seconds: float) -> Batch:
        content = {
            "input_file_id": file,
            "endpoint": _ENDPOINT,
            "completion_window": _WINDOW,
            "metadata": dict(metadata),
        }
        return self._batch(await self._asked("POST", "/batches", seconds, content))

    async def retrieve(self, id: str, seconds: float) -> Batch:
        return self._batch(await self._asked("GET", f"/batches/{id}", seconds))

    async def cancel(self, id: str, seconds: float) -> Batch:
        return self._batch(await self._asked("POST", f"/batches/{id}/cancel", seconds))

    async def all(self, seconds: float) -> AsyncGenerator[Batch, None]:
        """All batches of the account, the newest first."""
        after = ""
        while True:
            page = await self._asked("GET", f"/batches?limit={_PAGE}{after}", seconds)
            found = [self._batch(one) for one in page.get("data") or ()]
            for batch in found:
                yield batch
            if not page.get("has_more") or not found:
                return
            after = f"&after={found[-1].id}"

    async def download(self, file: str, to: Path, seconds: float) -> None:
        """Brings a file; none of its pieces may take longer than so many seconds."""
        try:
            answer = await self._files.download(f"/files/{file}/content", to, seconds)
        except NoAnswer as error:
            raise self._none(error, seconds) from error
        if not 200 <= answer.status < 300:
            raise self._refused(answer)

    def read(self, line: bytes, known: Wire, tokens: Mapping[str, int]) -> tuple[str, Reply] | None:
        """The id and the reply in a line that came back, by the wire that it was asked with; None for what is none. For
        servers that do not say what an answer took it is estimated, by the `tokens` of the calls by their keys."""
        try:
            found = orjson.loads(line)
            key, response, error = found["custom_id"], found.get("response"), found.get("error")
            if not response:
                return str(key), Reply(failure=_undone(error, known), mode=known.mode, endpoint=self._station.host)
            status, envelope = int(response["status_code"]), response.get("body")
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return None
        if not 200 <= status < 300:
            said = envelope.get("error") if isinstance(envelope, Mapping) else None
            return str(key), Reply(failure=said_no(status, said or "", known), mode=known.mode)
        if not isinstance(envelope, Mapping):
            return str(key), broken(known, "what it sent has not the form of a chat completion")
        reply = replace(understood(envelope, known, self._station.host), batch=True)
        if reply.paid and not reply.usage.input and not reply.usage.output:
            usage = Usage(tokens.get(str(key), 0), 0, estimate(reply.text or reply.refusal or ""))
            reply = replace(reply, usage=usage, estimated=True)
        return str(key), reply

    # ---- one request

    async def _asked(self, method: str, path: str, seconds: float, content: Any = None) -> Any:
        try:
            answer = await self._files.ask(method, path, seconds, content)
        except NoAnswer as error:
            raise self._none(error, seconds) from error
        return self._value(answer)

    def _value(self, answer: Answer) -> Any:
        if not 200 <= answer.status < 300:
            raise self._refused(answer)
        try:
            value = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise self._broken("what it sent is not JSON")
        return value

    def _batch(self, value: Mapping[str, Any]) -> Batch:
        errors = value.get("errors") or {}
        try:
            return Batch(
                id=str(value["id"]),
                status=str(value["status"]),
                input=str(value["input_file_id"]),
                output=value.get("output_file_id"),
                errors=value.get("error_file_id"),
                metadata=value.get("metadata"),
                faults=tuple(self._fault(one) for one in errors.get("data") or ()),
                made=float(value.get("created_at") or 0),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._broken("what it sent has not the form of a batch") from error

    def _fault(self, value: Mapping[str, Any]) -> Fault:
        line, said = value.get("line"), clean(str(value.get("message") or ""), self.wire.secrets)
        return Fault(str(value.get("code") or ""), said, line if isinstance(line, int) else None)

    def _none(self, error: NoAnswer, seconds: float) -> Refused:
        return Refused(no_answer(error, self._station.host, seconds, self.wire))

    def _refused(self, answer: Answer) -> Refused:
        failure = failure_of(answer.status, answer.headers, answer.content, self.wire, now=time.time())
        if answer.status == 404:
            message = f"The server of {self.facts.name} does not know this batch, or has no Batch API."
            fix = f"Use the key with which the run was started ({self.wire.key_variable}), or the local engine."
            failure = replace(failure, message=message, fix=fix)
        return Refused(failure)

    def _broken(self, how: str) -> Refused:
        failure = broken(self.wire, how).failure
        assert failure is not None
        return Refused(failure)


def _undone(error: Any, known: Wire) -> Failure:
    """Why a request was not done: the batch expired or was cancelled before it, or something broke. It may be asked
    again."""
    details = error if isinstance(error, Mapping) else {}
    code, said = str(details.get("code") or ""), clean(str(details.get("message") or ""), known.secrets)
    return Failure("transport", f"{known.facts.name} did not come to it in its batch: {said or code}", code=code)
