"""Files and batches of the fake server: what OpenAI's Batch API does, at the pace that a test wants.

A file is taken and kept; a batch is checked as OpenAI checks it, goes through its states, and is answered by what the
server says to single calls, at half the price. Each time somebody asks for it, it goes one state further (`auto`), or
when a test says so (`step`). Answers come in another order than the requests. What goes wrong is said beforehand: a
`Fate` for the next batches, and troubles with single requests.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import orjson

from ..call import Usage
from ..models import built_in_catalogue
from .completion import DAMAGE, Completion, counted
from .refusals import Refusal
from .script import Request

if TYPE_CHECKING:
    from aiohttp import web

    from .server import FakeOpenAI

__all__ = ["Batches", "Fate", "Operation", "Trouble"]

Operation = Literal["upload", "content", "create", "retrieve", "list", "cancel"]
Trouble = Literal["server_error", "rate_limit", "cut", "cut_after", "hang_after"]
"""``server_error`` 500, ``rate_limit`` 429, ``cut`` the connection closes; nothing was done. ``cut_after`` it was done,
and then the connection closes, ``hang_after`` and then no answer comes."""

_CREATED = 1_700_000_000
_MOST_REQUESTS, _MOST_BYTES = 50_000, 200 * 2**20
_METADATA_PAIRS, _METADATA_KEY, _METADATA_VALUE = 16, 64, 512
_PATH = "/v1/chat/completions"
_UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")
_NEXT = {"validating": "in_progress", "in_progress": "finalizing", "cancelling": "cancelled"}
_STATUS = {"rate_limit": 429, "quota": 429, "server_error": 500, "overloaded": 503, "filter": 400}


@dataclass(frozen=True)
class Fate:
    """What becomes of a batch: its `end`, with this `share` of its requests done; `code` and `line` are why it failed.
    Of the requests done, by their place in the file: the `statuses` with which some are refused, those that are `lost`
    (no response, but an error), `missing` (in neither file) or `doubled`. Besides `unknown` answers to ids that nobody
    sent, and `broken` lines."""

    end: Literal["completed", "expired", "failed", "cancelled"] = "completed"
    share: float = 1.0
    code: str = "invalid_request"
    line: int | None = None
    statuses: Mapping[int, int] = field(default_factory=dict)
    lost: Collection[int] = ()
    missing: Collection[int] = ()
    doubled: Collection[int] = ()
    unknown: int = 0
    broken: int = 0


@dataclass
class _Batch:
    id: str
    file: str
    metadata: Mapping[str, str]
    fate: Fate
    status: str = "validating"
    output: str | None = None
    errors: str | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)
    model: str = ""
    tokens: int = 0

    def body(self, made: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": _PATH,
            "completion_window": "24h",
            "input_file_id": self.file,
            "status": self.status,
            "output_file_id": self.output,
            "error_file_id": self.errors,
            "errors": {"object": "list", "data": self.faults} if self.faults else None,
            "metadata": dict(self.metadata),
            "created_at": _CREATED + made,
        }


class Batches:
    """The files and batches of one server. `files` and `batches` are what is there, `answered` counts how often a
    request was answered and charged, by its id, and `cost` is what that came to in US dollars, at batch prices.
    `token_limit` is how many tokens of one model may be under way (None: any number)."""

    def __init__(self, server: FakeOpenAI):
        self._server = server
        self.auto = True
        self.token_limit: int | None = None
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, _Batch] = {}
        self.answered: Counter[str] = Counter()
        self.usage: dict[str, Usage] = {}
        self.polls = 0
        self._others = 0
        self._fates: deque[Fate] = deque()
        self._troubles: dict[str, deque[Trouble | None]] = defaultdict(deque)
        self._lock = threading.RLock()

    def fates(self, *fates: Fate) -> None:
        """What becomes of the next batches, one each."""
        self._fates.extend(fates)

    def troubles(self, operation: Operation, *kinds: Trouble | None) -> None:
        """What goes wrong with the next requests of a kind, one each; None lets one pass."""
        self._troubles[operation].extend(kinds)

    def others(self, count: int) -> None:
        """So many batches of somebody else's are made right after the next one, and stand before it in the list."""
        self._others = count

    def step(self, times: int = 1) -> None:
        """Takes every batch one state further."""
        with self._lock:
            for _ in range(times):
                for batch in self.batches.values():
                    self._move(batch)

    @property
    def cost(self) -> Decimal:
        catalogue = built_in_catalogue()
        costs = (catalogue.cost(catalogue[f"openai/{name}"], used, batch=True) for name, used in self.usage.items())
        return sum((cost for cost in costs if cost is not None), Decimal(0))

    # ---- requests

    async def handle(self, http: web.BaseRequest, request: Request, model: str) -> web.StreamResponse:
        parts = tuple(request.path.strip("/").split("/")[1:])
        found = self._operation(request.method, parts)
        if found is None:
            return self._said(Refusal(f"Invalid URL ({request.method} {request.path})", 404))
        operation, work = found
        queue = self._troubles[operation]
        trouble = queue.popleft() if queue else None
        if trouble == "server_error":
            return self._said(Refusal("The server had an error while processing your request.", 500, "server_error"))
        if trouble == "rate_limit":
            return self._said(Refusal("Rate limit reached.", 429, "requests", code="rate_limit_exceeded"))
        if trouble != "cut":
            with self._lock:
                done = work(request, parts)
        if trouble == "hang_after":
            await asyncio.Event().wait()
        if trouble in ("cut", "cut_after"):
            from aiohttp import web

            if http.transport is not None:
                http.transport.close()
            return web.Response()
        return self._said(done)

    def _operation(self, method: str, parts: tuple[str, ...]) -> tuple[Operation, Any] | None:
        """What is asked for, by the method and the path, in which ``*`` stands for an id."""
        shape = (method, *(("*" if place == 1 else part) for place, part in enumerate(parts)))
        table: Mapping[tuple[str, ...], tuple[Operation, Callable[[Request, tuple[str, ...]], Any]]] = {
            ("POST", "files"): ("upload", self._upload),
            ("GET", "files", "*", "content"): ("content", self._content),
            ("POST", "batches"): ("create", self._create),
            ("GET", "batches"): ("list", self._list),
            ("GET", "batches", "*"): ("retrieve", self._retrieve),
            ("POST", "batches", "*", "cancel"): ("cancel", self._cancel),
        }
        return table.get(shape)

    def _said(self, done: Any) -> web.StreamResponse:
        from aiohttp import web

        if isinstance(done, Refusal):
            return self._server._json(done.body(), done.status)
        if isinstance(done, bytes):
            return web.Response(body=done, content_type="application/octet-stream")
        return self._server._json(done)

    def _upload(self, request: Request, parts: tuple[str, ...]) -> Any:
        fields = dict(_form(request))
        if fields.get("purpose") != b"batch" or "file" not in fields:
            return Refusal("The fake server takes files with a purpose of 'batch' only.", param="purpose")
        if len(fields["file"]) > _MOST_BYTES:
            return Refusal("The file is larger than 200 MB.", 413)
        id = self._keep(fields["file"])
        return {"id": id, "object": "file", "bytes": len(fields["file"]), "purpose": "batch", "status": "processed"}

    def _content(self, request: Request, parts: tuple[str, ...]) -> Any:
        return self.files.get(parts[1], Refusal(f"No such File object: {parts[1]}", 404, param="id"))

    def _create(self, request: Request, parts: tuple[str, ...]) -> Any:
        asked = request.body if isinstance(request.body, dict) else {}
        metadata = asked.get("metadata") or {}
        if asked.get("endpoint") != _PATH:
            return Refusal(f"Invalid value: {asked.get('endpoint')!r}.", param="endpoint", code="invalid_value")
        if asked.get("completion_window") != "24h":
            return Refusal("Supported values are: '24h'.", param="completion_window", code="invalid_value")
        if asked.get("input_file_id") not in self.files:
            return Refusal("No such File object.", param="input_file_id")
        long = any(len(key) > _METADATA_KEY or len(value) > _METADATA_VALUE for key, value in metadata.items())
        if len(metadata) > _METADATA_PAIRS or long:
            return Refusal("Invalid metadata.", param="metadata")
        id = f"batch_{len(self.batches) + 1}"
        fate = self._fates.popleft() if self._fates else Fate()
        made = self.batches[id] = _Batch(id, asked["input_file_id"], metadata, fate)
        for number in range(self._others):
            other = f"batch_other_{number}"
            self.batches[other] = _Batch(other, "file-other", {}, fate, status="completed")
        self._others = 0
        return self._told(made)

    def _list(self, request: Request, parts: tuple[str, ...]) -> Any:
        newest = [self._told(one) for one in reversed(self.batches.values())]
        ids = [one["id"] for one in newest]
        after, limit = request.query.get("after"), int(request.query.get("limit", 20))
        start = ids.index(after) + 1 if after in ids else 0
        page = newest[start : start + limit]
        return {"object": "list", "data": page, "has_more": start + limit < len(newest)}

    def _retrieve(self, request: Request, parts: tuple[str, ...]) -> Any:
        self.polls += 1
        batch = self.batches.get(parts[1])
        if batch is None:
            return Refusal(f"No batch found with id '{parts[1]}'.", 404)
        if self.auto:
            self._move(batch)
        return self._told(batch)

    def _cancel(self, request: Request, parts: tuple[str, ...]) -> Any:
        batch = self.batches.get(parts[1])
        if batch is None or batch.status not in ("validating", "in_progress"):
            return Refusal("Cannot cancel a batch that is not under way.", 409)
        batch.status = "cancelling"
        batch.fate = Fate("cancelled", share=0.5)
        return self._told(batch)

    def _told(self, batch: _Batch) -> dict[str, Any]:
        return batch.body(list(self.batches).index(batch.id))  # the older, the sooner

    def _keep(self, content: bytes) -> str:
        id = f"file-{len(self.files) + 1}"
        self.files[id] = content
        return id

    # ---- the way of a batch

    def _move(self, batch: _Batch) -> None:
        if batch.status == "validating":
            batch.faults = list(self._wrong(batch))
        if batch.faults:
            batch.status = "failed"
        elif batch.status in ("finalizing", "cancelling"):
            self._answer(batch)
            batch.status = batch.fate.end
        elif batch.status in _NEXT:
            batch.status = _NEXT[batch.status]

    def _wrong(self, batch: _Batch) -> Iterator[dict[str, Any]]:
        """Why a batch fails before it begins, each with its line."""
        lines, seen, models = self.files[batch.file].splitlines(), set[str](), set[str]()
        if batch.fate.end == "failed":
            yield _fault(batch.fate.code, "The batch failed.", batch.fate.line)
        if not lines:
            yield _fault("empty_file", "The input file is empty.")
        if len(lines) > _MOST_REQUESTS:
            yield _fault("too_many_requests", f"The input file has more than {_MOST_REQUESTS} requests.")
        for number, line in enumerate(lines, 1):
            try:
                asked = orjson.loads(line)
                id, url, method, model = (asked[name] for name in ("custom_id", "url", "method", "body"))
                models.add(model["model"])
            except (orjson.JSONDecodeError, KeyError, TypeError):
                yield _fault("invalid_json_line", "This line is not parseable as a request.", number)
                continue
            if id in seen:
                yield _fault("duplicate_custom_id", f"The custom_id '{id}' is used more than once.", number)
            if (url, method) != (_PATH, "POST"):
                yield _fault("invalid_url", f"The URL '{url}' is not that of the batch.", number)
            seen.add(id)
        if len(models) > 1:
            yield _fault("mismatched_model", "The requests of a batch are for one model.")
        batch.model, batch.tokens = min(models, default=""), sum(len(line) // 4 for line in lines)
        others = (one for one in self.batches.values() if one is not batch and one.model == batch.model)
        waiting = sum(one.tokens for one in others if one.status in _UNFINISHED)
        if self.token_limit is not None and waiting + batch.tokens > self.token_limit:
            yield _fault("token_limit_exceeded", f"Enqueued token limit reached for {batch.model}.")

    def _answer(self, batch: _Batch) -> None:
        """Does the share of the requests that the fate leaves, and makes the two files."""
        fate, lines = batch.fate, self.files[batch.file].splitlines()
        output, errors = list[bytes](), list[bytes]()
        for place, line in enumerate(lines):
            asked = orjson.loads(line)
            if place >= round(len(lines) * fate.share):
                said = f"This request could not be executed before the batch was {fate.end}."
                errors.append(_result(asked["custom_id"], None, f"batch_{fate.end}", said))
            elif place in fate.lost:
                errors.append(_result(asked["custom_id"], None, "server_error", "The request failed."))
            elif place not in fate.missing:
                status, body = self._done(asked, fate.statuses.get(place))
                into = output if status == 200 else errors
                made = _result(asked["custom_id"], {"status_code": status, "request_id": f"req-{place}", "body": body})
                into.extend([made] * (2 if place in fate.doubled else 1))
        stranger = {"status_code": 200, "request_id": "req", "body": {"choices": []}}
        output += [_result(f"stranger-{number}", stranger) for number in range(fate.unknown)]
        output += [b"<html>\n"] * fate.broken
        batch.output = self._keep(b"".join(reversed(output))) if output else None
        batch.errors = self._keep(b"".join(reversed(errors))) if errors else None

    def _done(self, asked: Mapping[str, Any], status: int | None) -> tuple[int, Any]:
        """The status and body of the response to one request, as the server answers single ones; and its charge."""
        request = Request("BATCH", _PATH, {}, asked["body"], orjson.dumps(asked["body"]))
        self._server.requests.append(request)
        if status is not None:
            return status, Refusal("The request was refused.", status).body()
        refused = self._server._refused(request, "")
        if refused is not None:
            return refused.status, refused.body()
        fault, answer = self._server._decided(request)
        if answer is None:
            status = 400 if fault is None else _STATUS.get(fault.kind, 500)
            return status, Refusal("The fake server has nothing to say to this.", status).body()
        if fault is not None and fault.kind in DAMAGE:
            answer = DAMAGE[fault.kind](answer)
        usage, model = answer.usage or counted(request, answer), str(asked["body"]["model"])
        self.answered[asked["custom_id"]] += 1
        self.usage[model] = self.usage.get(model, Usage()) + usage
        wanted = bool(request.body.get("logprobs"))
        made = Completion(f"chatcmpl-{asked['custom_id'][:8]}", model, answer, usage, wanted, request.tool)
        return 200, made.body()


def _fault(code: str, message: str, line: int | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "param": None, "line": line}


def _result(id: str, response: Any, code: str = "", message: str = "") -> bytes:
    error = {"code": code, "message": message} if code else None
    return orjson.dumps({"id": f"batch_req_{id[:8]}", "custom_id": id, "response": response, "error": error}) + b"\n"


def _form(request: Request) -> Iterator[tuple[str, bytes]]:
    """The fields of a form, by their names."""
    kind = request.headers.get("Content-Type", "")
    if "boundary=" not in kind:
        return
    mark = b"--" + kind.partition("boundary=")[2].strip('"').encode()
    for part in request.raw.split(mark)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = head.partition(b'name="')[2].partition(b'"')[0]
        yield named.decode(), content.removesuffix(b"\r\n")
