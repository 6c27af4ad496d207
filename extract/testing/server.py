"""The fake server itself: HTTP on a loopback port, on a thread with an event loop of its own.

A request goes the way it would go at OpenAI: key, address, body, model, parameters and schema are looked at first, then
it is answered, and the answer is charged. Everything that was asked and charged is kept for a test to look at.
Endpoints are rows in one table.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import orjson

from ..call import Mode, Usage
from ..jsontext import dump
from ..models import built_in_catalogue
from .batches import Batches
from .completion import DAMAGE, Completion, counted
from .gold import Encoder, Gold
from .meter import Meter
from .refusals import Refusal, refusal, unknown_mode
from .script import Answer, Chance, Fault, FaultKind, Request, Said

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.BaseRequest, Request, str], Awaitable[web.StreamResponse]]

__all__ = ["FakeOpenAI"]

Source = Callable[[Request], Said]


class FakeOpenAI:
    """A fake OpenAI server. Use it in a ``with`` statement, or call `start` and `stop`.

    `replies` is a list that is used up in order (answers, faults, texts, JSON values) or a function of the request;
    `faults` are used up in order as well, one a request and None for none, before anything else is said; `chances`
    gives each kind of fault a probability, decided by `seed` and the request; `retry_after` goes with those. `key` is
    the only key that is accepted (None: any, or none), `models` the only models that exist (None: any). `latency` is
    the time in seconds that each answer takes, `headers` go with every response, and `keep` is how many requests are
    kept.

    It is OpenAI's, unless it is told which `modes` of asking for a schema it takes: then it is of another kind,
    which refuses the other modes, takes any parameter, and answers in prose to the modes that it `ignores`. With
    `requests_per_minute` or `tokens_per_minute` it has rate limits, and says with each answer what is left of them.

    To look at afterwards: `requests`, the last ones; `usage`, the tokens that it charged for; `count` and `answered`,
    the requests that came and those that were answered; `in_flight` and `most_in_flight`; and `hung_up`, the requests
    whose connection the client closed before it had the whole answer. `batches` are its files and batches.
    """

    def __init__(
        self,
        replies: Iterable[Said] | Source = (),
        *,
        faults: Iterable[Fault | FaultKind | None] = (),
        chances: Mapping[FaultKind, float] | None = None,
        seed: int = 0,
        retry_after: float | None = None,
        key: str | None = None,
        models: Collection[str] | None = None,
        modes: Collection[Mode] | None = None,
        ignores: Collection[Mode] = (),
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        latency: float = 0.0,
        headers: Mapping[str, str] | None = None,
        keep: int = 10_000,
        port: int = 0,
    ):
        self.key, self.models, self.latency, self.headers = key, models, latency, dict(headers or {})
        self.modes, self.ignores = modes, ignores
        self.meter = Meter(requests_per_minute, tokens_per_minute)
        self.requests: deque[Request] = deque(maxlen=keep)
        self.usage = Usage()
        self.batches = Batches(self)
        self.count = self.answered = self.in_flight = self.most_in_flight = self.hung_up = 0
        self._port = port
        self._script: deque[Said] = deque()
        self._trouble: deque[Fault | FaultKind | None] = deque(faults)
        self._chance = Chance(chances or {}, seed, retry_after)
        self._sources: list[Source] = []
        if callable(replies):
            self.answers(replies)
        else:
            self.replies(*replies)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None

    # What it says

    def replies(self, *script: Said) -> None:
        """What to say to the next requests, in order, after what is left of the script."""
        self._script.extend(script)

    def answers(self, function: Source) -> None:
        """Answers requests that no script is left for by a function of them; where that gives None, the next one is
        asked."""
        self._sources.append(function)

    def gold(self, records: Mapping[str, Any], schema: Encoder | None = None) -> None:
        """Answers requests that no script is left for with the record whose key stands in the document. With a compiled
        `schema`, records are in the user's shape; without, they are sent as they are."""
        self._sources.append(Gold(records, schema, self.requests))

    def faults(self, *faults: Fault | FaultKind | None) -> None:
        """What goes wrong with the next requests, one each; None lets one pass."""
        self._trouble.extend(faults)

    def reset(self) -> None:
        """Forgets what it was asked, what it charged, and what was left of its scripts; functions and records stay."""
        self.requests.clear()
        self._script.clear()
        self._trouble.clear()
        self.usage = Usage()
        self.count = self.answered = self.most_in_flight = self.hung_up = 0

    # Where it is

    @property
    def address(self) -> str:
        """``http://127.0.0.1:<port>``; as AZURE_OPENAI_ENDPOINT, the server is an Azure one."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """The address for OPENAI_BASE_URL."""
        return f"{self.address}/v1"

    def start(self) -> FakeOpenAI:
        started: Future[int] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="fake-openai", daemon=True
        )
        self._thread.start()
        self._port = started.result()
        return self

    def stop(self) -> None:
        """Closes all connections, hanging ones too."""
        if self._thread is not None and self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()
            self._thread = None

    def __enter__(self) -> FakeOpenAI:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _serve(self, started: Future[int]) -> None:
        from aiohttp import web

        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = web.Server(self._handle, request_factory=_any_size, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        try:
            listening = socket.create_server(("127.0.0.1", self._port))
        except OSError as error:
            started.set_exception(error)
            return
        await runner.setup()
        await web.SockSite(runner, listening).start()
        started.set_result(listening.getsockname()[1])
        await self._stopped.wait()
        await _accept_no_more(listening)
        await runner.cleanup()

    # The way of a request

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        request = await _received(http)
        self.requests.append(request)
        self.count += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answered(http, request)
        except (asyncio.CancelledError, ConnectionResetError):
            self.hung_up += 1
            raise
        finally:
            self.in_flight -= 1

    async def _answered(self, http: web.BaseRequest, request: Request) -> web.StreamResponse:
        refused = self._key_refused(request)
        if refused:
            return self._json(refused.body(), refused.status)
        handler, model = self._route(request)
        if handler is None:
            unknown = Refusal(f"Invalid URL ({request.method} {request.path})", 404)
            return self._json(unknown.body(), unknown.status)
        return await handler(http, request, model)

    def _key_refused(self, request: Request) -> Refusal | None:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        given = request.headers.get("api-key") or bearer
        if self.key is None or given == self.key:
            return None
        said = f"Incorrect API key provided: {given}." if given else "You didn't provide an API key."
        return Refusal(said, 401, code="invalid_api_key")

    def _route(self, request: Request) -> tuple[Handler | None, str]:
        """The handler for a path, and the model where the path names it: Azure's is its deployment."""
        parts = request.path.strip("/").split("/")
        if parts[:2] == ["openai", "deployments"] and len(parts) > 3 and "api-version" in request.query:
            return self._endpoints().get((request.method, *parts[3:])), parts[2]
        if parts[0] == "v1" and parts[1:2] in (["files"], ["batches"]):
            return self.batches.handle, ""
        return self._endpoints().get((request.method, *parts[1:])) if parts[0] == "v1" else None, ""

    def _endpoints(self) -> Mapping[tuple[str, ...], Handler]:
        return {("POST", "chat", "completions"): self._chat, ("GET", "models"): self._list_models}

    async def _list_models(self, http: web.BaseRequest, request: Request, model: str) -> web.StreamResponse:
        names = self.models if self.models is not None else _openai_names()
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "fake"} for name in sorted(names)]
        return self._json({"object": "list", "data": data})

    async def _chat(self, http: web.BaseRequest, request: Request, model: str) -> web.StreamResponse:
        refused = self._refused(request, model)
        if refused:
            return self._json(refused.body(), refused.status)
        if (seconds := self.meter.take(request)) is not None:
            return await _limited(self, http, Fault("rate_limit", retry_after=seconds))
        fault, answer = self._decided(request)
        if answer is not None and request.mode in self.ignores:
            answer = Answer("Here is what I found in the document.")
        if fault is not None and fault.kind in _INSTEAD:
            return await _INSTEAD[fault.kind](self, http, fault)
        if answer is None:
            nothing = Refusal(
                "The fake server has nothing to say to this: give it replies, a function or gold records."
            )
            return self._json(nothing.body(), nothing.status)
        if fault is not None and fault.kind in DAMAGE:
            answer = DAMAGE[fault.kind](answer)
        if self.latency or answer.delay:
            await asyncio.sleep(self.latency + answer.delay)
        whole = self._charged(request, model, answer)
        cut = fault is not None and fault.kind == "cut_body"
        if request.body.get("stream"):
            with_usage = bool((request.body.get("stream_options") or {}).get("include_usage"))
            events = whole.events(with_usage)
            return await self._stream(http, _first_half(events) if cut else events, cut)
        return await self._cut_short(http, whole.body()) if cut else self._json(whole.body())

    def _refused(self, request: Request, deployment: str) -> Refusal | None:
        body = request.body
        if deployment and isinstance(body, Mapping):
            body = {**body, "model": deployment}
        model = body.get("model") if isinstance(body, Mapping) else None
        if isinstance(model, str) and self.models is not None and model not in self.models:
            if deployment:
                return Refusal("The API deployment for this resource does not exist.", 404, code="DeploymentNotFound")
            return Refusal(
                f"The model '{model}' does not exist or you do not have access to it.", 404, code="model_not_found"
            )
        if self.modes is not None:
            return None if request.mode in self.modes else unknown_mode(request.mode)
        return refusal(body, built_in_catalogue().get(f"openai/{model}"))

    def _decided(self, request: Request) -> tuple[Fault | None, Answer | None]:
        """What goes wrong, and what is said: a fault in a script spoils what the script says next."""
        trouble = self._trouble.popleft() if self._trouble else self._chance(request)
        fault = Fault(trouble) if isinstance(trouble, str) else trouble
        said = None if fault is not None and fault.kind in _INSTEAD else self._say(request)
        if isinstance(said, Fault):
            fault, said = said, None if said.kind in _INSTEAD else self._say(request)
        if said is None and fault is not None and fault.kind not in _INSTEAD:
            said = "{}"  # a refusal, or an answer that is spoilt anyway, needs nothing to be said
        if said is None or isinstance(said, (Answer, Fault)):
            return fault, said if isinstance(said, Answer) else None
        return fault, Answer(said if isinstance(said, str) else dump(said))

    def _say(self, request: Request) -> Said:
        if self._script:
            return self._script.popleft()
        return next((said for source in self._sources if (said := source(request)) is not None), None)

    def _charged(self, request: Request, model: str, answer: Answer) -> Completion:
        """Charges for an answer, which it does even where the answer is cut on its way: so does the real server."""
        usage = answer.usage or counted(request, answer)
        self.answered += 1
        self.usage += usage
        return Completion(
            id=f"chatcmpl-{self.answered}",
            model=model or request.body["model"],
            answer=answer,
            usage=usage,
            logprobs=bool(request.body.get("logprobs")),
            tool=request.tool,
        )

    # Responses

    def _json(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        from aiohttp import web

        said = {"x-request-id": f"req-{self.count}", **self.meter.headers(), **self.headers, **(headers or {})}
        return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=said)

    async def _stream(self, http: web.BaseRequest, events: Iterable[Any], cut: bool) -> web.StreamResponse:
        from aiohttp import web

        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", **self.meter.headers(), **self.headers}
        )
        await response.prepare(http)
        for event in events:
            await response.write(b"data: " + orjson.dumps(event) + b"\n\n")
        if cut:
            return _closed(http, response)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _cut_short(self, http: web.BaseRequest, whole: Mapping[str, Any]) -> web.StreamResponse:
        from aiohttp import web

        body = orjson.dumps(whole)
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
        await response.prepare(http)
        await response.write(body[: len(body) // 2])
        return _closed(http, response)


def _first_half(events: Iterable[Any]) -> list[Any]:
    whole = list(events)
    return whole[: len(whole) // 2]


def _closed(http: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    if http.transport is not None:
        http.transport.close()
    return response


async def _accept_no_more(listening: socket.socket) -> None:
    """Lets connections that are being accepted come to be known: asyncio forgets those that it finds its server closed
    for, and they would stay open. It takes them a few turns of the loop."""
    with contextlib.suppress(NotImplementedError):  # the loop of Windows has no readers
        asyncio.get_running_loop().remove_reader(listening)
    for _ in range(5):
        await asyncio.sleep(0)


def _any_size(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """A request of any length: images and files are longer than aiohttp's own limit."""
    from aiohttp import web

    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=0)


async def _received(http: web.BaseRequest) -> Request:
    raw = await http.read()
    try:
        body = orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        body = None
    return Request(http.method, http.path, http.headers.copy(), body, raw, dict(http.query))


def _openai_names() -> list[str]:
    return [name.removeprefix("openai/") for name in built_in_catalogue() if name.startswith("openai/")]


# Faults


async def _limited(server: FakeOpenAI, http: web.BaseRequest, fault: Fault) -> web.StreamResponse:
    refused = Refusal(fault.message or "Rate limit reached.", 429, "requests", code="rate_limit_exceeded")
    return server._json(refused.body(), 429, _wait(fault))


async def _no_credit(server: FakeOpenAI, http: web.BaseRequest, fault: Fault) -> web.StreamResponse:
    said = fault.message or "You exceeded your current quota, please check your plan and billing details."
    return server._json(Refusal(said, 429, "insufficient_quota", code="insufficient_quota").body(), 429)


async def _server_error(server: FakeOpenAI, http: web.BaseRequest, fault: Fault) -> web.StreamResponse:
    said = fault.message or "The server had an error while processing your request."
    return server._json(Refusal(said, 500, "server_error").body(), 500, _wait(fault))


async def _overloaded(server: FakeOpenAI, http: web.BaseRequest, fault: Fault) -> web.StreamResponse:
    said = fault.message or "The engine is currently overloaded."
    return server._json(Refusal(said, 503, "server_error", code="overloaded").body(), 503, _wait(fault))


async def _filter(server: FakeOpenAI, http: web.BaseRequest, fault: Fault) -> web.StreamResponse:
    said = fault.message or "The request was taken by the content management policy."
    return server._json(Refusal(said, 400, param="prompt", code="content_filter").body(), 400)


async def _cut(server: FakeOpenAI, http: web.BaseRequest, fault: Fault) -> web.StreamResponse:
    from aiohttp import web

    return _closed(http, web.Response())


async def _hang(server: FakeOpenAI, http: web.BaseRequest, fault: Fault) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("a hanging request ends by being cancelled")


async def _garbage(server: FakeOpenAI, http: web.BaseRequest, fault: Fault) -> web.StreamResponse:
    from aiohttp import web

    return web.Response(text="<html>Bad gateway</html>", content_type="text/html")


def _wait(fault: Fault) -> dict[str, str]:
    if fault.retry_after is None:
        return {}
    return {
        "retry-after": str(-(-int(fault.retry_after * 1000) // 1000)),
        "retry-after-ms": f"{fault.retry_after * 1000:g}",
    }


_INSTEAD: Mapping[str, Callable[[FakeOpenAI, web.BaseRequest, Fault], Awaitable[web.StreamResponse]]] = {
    "rate_limit": _limited,
    "quota": _no_credit,
    "server_error": _server_error,
    "overloaded": _overloaded,
    "filter": _filter,
    "cut": _cut,
    "hang": _hang,
    "garbage": _garbage,
}
