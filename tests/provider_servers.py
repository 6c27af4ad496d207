"""Servers that speak Anthropic's and Google's protocols over real HTTP, for the tests of the bridge.

Each looks at a request as the real one does (key, limits, roles, schema, settings that new models refuse), then says
the next of its script, and counts what it charges. The forms are those of the protocols' references as of November
2026; a tool's input is sent as the text that the script gives, so that a test decides on its digits and doubled keys.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web

from extract.call import Usage
from extract.jsontext import dump

ANTHROPICS = Literal["end_turn", "max_tokens", "refusal", "stop_sequence", "tool_use"]
GOOGLES = Literal["MAX_TOKENS", "CONTINUATION", "SAFETY", "blocked", "odd"]

ADAPTIVE = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")
"""Models that take no sampling parameters; the first two take no prescribed tool either."""


@dataclass(frozen=True)
class Said:
    """One message: the `input` of the tool as JSON text (None: no tool is used), texts before it, why it ended."""

    input: str | None = None
    texts: tuple[str, ...] = ()
    stop: ANTHROPICS | GOOGLES = "tool_use"
    usage: Mapping[str, Any] | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class No:
    """An answer that is no success."""

    status: int
    type: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    details: tuple[Mapping[str, Any], ...] = ()


Broken = Literal["cut", "cut_body", "garbage", "hang", "no message"]


class Served:
    """A server on a loopback port, on a thread of its own. It says the values of its script in order; one that is a
    function is asked with the request's body."""

    def __init__(self, *script: Any, key: str | None = None):
        self.script, self.key = deque(script), key
        self.requests: list[Mapping[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.usage = Usage()
        self.hung_up = 0

    @property
    def count(self) -> int:
        return len(self.requests)

    def reset(self, *script: Any) -> None:
        self.script = deque(script)
        self.requests, self.headers, self.usage, self.hung_up = [], [], Usage(), 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        started: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        self._port = started.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _serve(self, started: Future[int]) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        listening = socket.create_server(("127.0.0.1", 0))
        await runner.setup()
        await web.SockSite(runner, listening).start()
        started.set_result(listening.getsockname()[1])
        await self._stopped.wait()
        await runner.cleanup()

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await http.read())
        self.requests.append(body)
        self.headers.append(dict(http.headers))
        try:
            return await self._answered(http, body)
        except (asyncio.CancelledError, ConnectionResetError):
            self.hung_up += 1
            raise

    async def _answered(self, http: web.BaseRequest, body: Mapping[str, Any]) -> web.StreamResponse:
        no = self._refused(http, body)
        said = no or (self.script.popleft() if self.script else No(500, "api_error", "The script is at its end."))
        said = said(body) if callable(said) else said
        if isinstance(said, No):
            return web.json_response(self._no(said), status=said.status, headers=said.headers)
        if said == "garbage":
            return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
        if said == "hang":
            await asyncio.Event().wait()
        if said == "cut":
            return _closed(http, web.Response())
        if said == "no message":
            return web.json_response({"type": "message", "content": [{"type": "tool_use"}]})
        whole = self._message(body, said if isinstance(said, Said) else Said(dump(said)))
        if said == "cut_body":
            response = web.StreamResponse(headers={"Content-Length": str(len(whole))})
            await response.prepare(http)
            await response.write(whole[: len(whole) // 2])
            return _closed(http, response)
        return web.Response(body=whole, content_type="application/json")

    def _refused(self, http: web.BaseRequest, body: Mapping[str, Any]) -> No | None:
        raise NotImplementedError

    def _no(self, no: No) -> Any:
        raise NotImplementedError

    def _message(self, body: Mapping[str, Any], said: Said) -> bytes:
        raise NotImplementedError


class FakeAnthropic(Served):
    """Anthropic's Messages. A value of the script is a record (the input of the tool), `Said`, `No` or `Broken`."""

    def _refused(self, http: web.BaseRequest, body: Mapping[str, Any]) -> No | None:
        if http.path != "/v1/messages" or "anthropic-version" not in http.headers:
            return No(404, "not_found_error", "Not found")
        key = http.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.key is not None and key != self.key:
            return No(401, "authentication_error", f"invalid key {key}")
        wrong = next(_wrong(body, http.headers["anthropic-version"]), None)
        return No(400, "invalid_request_error", wrong) if wrong else None

    def _no(self, no: No) -> Any:
        error: dict[str, Any] = {"type": no.type, "message": no.message}
        if no.details:
            error["details"] = no.details[0]
        return {"type": "error", "error": error, "request_id": "req_1"}

    def _message(self, body: Mapping[str, Any], said: Said) -> bytes:
        usage = {
            "input_tokens": len(dump(body)) // 4,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": len((said.input or "") + "".join(said.texts)) // 4 + 1,
        } | dict(said.usage or {})
        cached = usage["cache_read_input_tokens"]
        sent = usage["input_tokens"] + usage["cache_creation_input_tokens"] + cached
        self.usage += Usage(input=sent, cached=cached, output=usage["output_tokens"])
        blocks = [dump({"type": "text", "text": text}) for text in said.texts]
        if said.input is not None:
            tool = json.dumps({"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"]})
            blocks.append(f'{tool[:-1]} , "input" :\n {said.input} }}')
        rest = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": f"{body['model']}-20261007",
            "stop_reason": said.stop,
            "stop_sequence": None,
            "stop_details": said.details,
            "usage": usage,
        }
        return f'{dump(rest)[:-1]}, "content": [{", ".join(blocks)}]}}'.encode()


def _wrong(body: Mapping[str, Any], version: str) -> Iterator[str]:
    """What the real server says of a request that it does not take."""
    known = {"model", "messages", "system", "tools", "tool_choice", "max_tokens", "stop_sequences"}
    sampling = {"temperature", "top_p", "top_k"}
    for name in body:
        if name not in known | (sampling if version == "2023-06-01" else set()):
            yield f"{name}: Extra inputs are not permitted"
        if name in sampling and body["model"].startswith(ADAPTIVE):
            yield f"{name}: this model takes no sampling parameters"
    if not isinstance(body.get("max_tokens"), int):
        yield "max_tokens: Field required"
    if not 0 <= body.get("temperature", 0) <= 1:
        yield "temperature: range: 0..1"
    if not body["messages"] or body["messages"][0]["role"] != "user":
        yield "messages: first message must use the user role"
    for number, message in enumerate(body["messages"]):
        if message["role"] not in ("user", "assistant"):
            yield f"messages.{number}.role: unexpected role {message['role']!r}"
        if not message["content"]:
            yield f"messages.{number}: content must not be empty"
    for number, tool in enumerate(body.get("tools", ())):
        if set(tool) - {"name", "description", "input_schema"} or tool["input_schema"].get("type") != "object":
            yield f"tools.{number}.custom.input_schema: JSON schema is invalid"
    if body.get("tool_choice", {}).get("type") in ("tool", "any") and body["model"].startswith(ADAPTIVE[:2]):
        yield "tool_choice: this model does not support forced tool use"


class FakeGemini(Served):
    """Google's generateContent. A value of the script is a record, `Said`, `No` or `Broken`. The input of a `Said` is
    the text of the answer, its texts are thoughts, and its `stop` is Google's word for it; ``blocked`` is no answer at
    all, ``odd`` one of another form."""

    def _refused(self, http: web.BaseRequest, body: Mapping[str, Any]) -> No | None:
        self.path = http.path
        if self.key is not None and http.headers.get("x-goog-api-key") != self.key:
            return No(400, "INVALID_ARGUMENT", "API key not valid.", details=({"reason": "API_KEY_INVALID"},))
        config = body.get("generationConfig", {})
        if config.get("responseMimeType") != "application/json" or not config.get("responseJsonSchema"):
            return No(400, "INVALID_ARGUMENT", "responseJsonSchema: a schema was expected.")
        if {turn["role"] for turn in body["contents"]} - {"user", "model"}:
            return No(400, "INVALID_ARGUMENT", "Please use a valid role: user, model.")
        return None

    def _no(self, no: No) -> Any:
        return {"error": {"code": no.status, "message": no.message, "status": no.type, "details": list(no.details)}}

    def _message(self, body: Mapping[str, Any], said: Said) -> bytes:
        usage = {
            "promptTokenCount": len(dump(body)) // 4,
            "cachedContentTokenCount": 8,
            "candidatesTokenCount": len(said.input or "") // 4 + 1,
            "thoughtsTokenCount": 5,
        }
        output = usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
        self.usage += Usage(input=usage["promptTokenCount"], cached=8, output=output, reasoning=5)
        parts: list[Any] = [{"text": text, "thought": True} for text in said.texts]
        if said.input is not None:
            half = len(said.input) // 2
            parts += [{"text": said.input[:half]}, {"text": said.input[half:]}]
        stop = "STOP" if said.stop == "tool_use" else said.stop
        message: dict[str, Any] = {"usageMetadata": usage, "modelVersion": "gemini-9-flash-001"}
        if stop == "odd":
            message["candidates"] = [{"content": {"role": "model", "parts": 7}}]
        elif stop == "blocked":
            message["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
        else:
            candidate = {"content": {"role": "model", "parts": parts}, "finishReason": stop, "index": 0}
            message["candidates"] = [candidate | ({"continuationToken": "YWJj"} if stop == "CONTINUATION" else {})]
        return dump(message).encode()


def _closed(http: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    if http.transport is not None:
        http.transport.close()
    return response
