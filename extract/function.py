"""The decorator: a function's signature and docstring become an extraction.

    @extract(model="openai/gpt-4o-mini")
    def read_receipt(document) -> Receipt:
        \"\"\"Read the receipt. Amounts are in the currency printed on it.\"\"\"

The return annotation is the schema, the docstring the instruction, the parameters are the inputs: a `str` is text,
always; `Path`, `bytes` and `Document` are opened; anything else is a named value in the prompt. The body never runs. A
function keeps its signature and gains `detail`, `batch`, `stream` and `prompt`; an ``async def`` keeps being one, and
so do they.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import update_wrapper
from itertools import count
from pathlib import Path
from types import NoneType
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast, get_args, overload

from . import door
from .call import Example, Part
from .document import Document
from .endpoints import ANYWHERE, Reach
from .engines.batch import by_batch
from .engines.hooks import Hook
from .engines.local import Job, Local
from .errors import DocumentError, ExtractError, ModelError, SchemaError, ValidationFailed
from .events import OnEvent
from .extraction import Extraction
from .jsontext import dump
from .ledger import Entry, Memory, Nothing, RunLedger, State, came_to
from .limits import Batching, DocumentLimits, Engine, Limits, Traffic, check_priced
from .load import open_document
from .models.cascade import Cascade, Models, facts_of, open_cascade
from .prompt import VERSION, Message, render
from .report import write_not_written
from .schema import Schema, compile
from .settings import apart, check_settings
from .task import Task
from .waiving import OnFailure, check_best_effort, waive

__all__ = ["DEFAULT_MODEL", "AsyncFunction", "Function", "extract", "outcome_of"]

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_MODEL = "openai/gpt-4o-mini"


class _Decorator(Protocol):
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncFunction[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, T], /) -> Function[P, T]: ...


@overload
def extract(function: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncFunction[P, T]: ...  # type: ignore[overload-overlap]
@overload
def extract(function: Callable[P, T], /) -> Function[P, T]: ...
@overload
def extract(
    *,
    model: Models = DEFAULT_MODEL,
    examples: Iterable[tuple[str, Any]] = (),
    context: Any = None,
    settings: Mapping[str, Any] | None = None,
    attempts: int = 3,
    limits: Limits | None = None,
    per_document: DocumentLimits | None = None,
    on_failure: OnFailure = "reject",
    best_effort: Iterable[str] = (),
    on_event: OnEvent | None = None,
    offline: bool = False,
    hosts: Iterable[str] = (),
) -> _Decorator: ...
def extract(function: Any = None, /, **options: Any) -> Any:
    """Makes an extraction of a function.

    `model` is a name, a `Model`, or a list of them (a cascade: what one cannot settle goes to the next, field by
    field). `examples` are pairs of an input's text and its record (an instance or JSON values), checked against the
    schema. `context` reaches pydantic's validators. `settings` are sampling parameters (``temperature``, ``seed``,
    ...), and ``date_order`` for the model ``rules``.

    `attempts` is the greatest number of calls to each model for one document. `limits` are for all calls together,
    `per_document` for those of each document (both in `extract.limits`): a document that has reached one is asked no
    more and keeps what it has.

    `on_failure` says what becomes of a document without a valid record: ``reject`` raises; ``review`` raises as well,
    and a `batch` with a run's folder puts it into ``review.jsonl`` there; ``keep`` gives what is valid, without the
    optional fields that failed. `best_effort` names fields whose failure alone never fails a record. What a record was
    kept without is in `Extraction.waived`.

    `offline` sends nothing beyond this machine, `hosts` names the only ones that may be asked.

    `on_event` is called with each value of `extract.events.Happening`, on a thread of its own, one at a time and in
    order; what it raises ends the work, with everything that was paid for recorded, and is raised to the caller.

    Raises `SchemaError` where it stands if the annotation is missing, cannot be compiled, or an example does not fit,
    and `ModelError` for a budget for each document where a model has no price.
    """
    names = sys._getframe(1).f_locals  # classes that were declared beside the function, as in a test or a notebook

    def decorate(function: Callable[..., Any]) -> Any:
        _check_use(function, options)
        kind = AsyncFunction if inspect.iscoroutinefunction(function) else Function
        return kind(function, *_read(function, names, **options))

    return decorate if function is None else decorate(function)


@dataclass(frozen=True)
class _Use:
    """What the decorator was told that is no part of the task."""

    model: Models = DEFAULT_MODEL
    limits: Limits = field(default_factory=Limits)
    on_failure: OnFailure = "reject"
    best_effort: tuple[str, ...] = ()
    on_event: OnEvent | None = None
    reach: Reach = ANYWHERE
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _How:
    """How a batch is carried out: see `Function.batch`."""

    retry: Collection[State]
    engine: Engine
    batching: Batching | None
    on_event: OnEvent | None


class _Extractor(Generic[P, T]):
    """What both kinds of function share: the inputs, the task, and the engine of the running loop."""

    __name__: str

    def __init__(self, function: Callable[..., Any], task: Task[T], use: _Use):
        update_wrapper(cast(Any, self), function)
        self.task, self.limits = task, use.limits
        self._use = use
        self._signature = inspect.signature(function)
        self._parameters = tuple(self._signature.parameters)
        self._cascade: Cascade | None = None
        self._asked: Task[T] | None = None
        self._first: Traffic | None = None
        self._traffic: dict[asyncio.AbstractEventLoop, Traffic] = {}
        self._threads: dict[asyncio.AbstractEventLoop, ThreadPoolExecutor] = {}

    @property
    def schema(self) -> Schema[T]:
        return self.task.schema

    def prompt(self, *args: P.args, **kwargs: P.kwargs) -> tuple[Message, ...]:
        """What would be sent for these inputs, under strict mode; nothing is sent."""
        job = self._job(self._ready(), args, kwargs)
        return render(job.task.first_call(job.open()), "strict")

    async def _detail(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Extraction[T]:
        engine, job, document = await self._begun(args, kwargs)
        return await engine.drive(job.task, document, job.finish)

    async def _begun(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Local, Job[T], Document]:
        """What one call needs: the engine, what is to be done, and the document, opened."""
        job = self._job(self._ready(), args, kwargs)
        document = job.open() if job.at_hand else await asyncio.to_thread(job.open)
        return self._engine(), job, document

    async def _stream(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        engine, job, document = await self._begun(args, kwargs)
        async with aclosing(engine.stream(job.task, document, job.finish)) as items:
            async for item in items:
                yield item

    async def _batch(
        self, inputs: Iterable[Any], run: str | os.PathLike[str] | None, how: _How
    ) -> AsyncGenerator[Extraction[T], None]:
        cascade = self._opened()
        if isinstance(inputs, (str, bytes, bytearray, Path, Document)):
            kind = type(inputs).__name__
            fix = f"Put it into a list, or call {self.__name__} with it."
            raise ExtractError(f"batch takes many inputs, and this is one {kind}.", fix=fix)
        if run is None:
            if how.engine != "local" or how.retry:
                what = "The engine batch" if how.engine != "local" else "retry"
                raise ExtractError(f"{what} needs the record of a run.", fix='Name its folder: run="runs/may".')
            engine = Local(cascade.models, Memory(), self._shared(), self._hook(how.on_event))
            async with aclosing(self._extracted(engine, inputs, cascade)) as extractions:
                async for _, extraction in extractions:
                    if extraction is not None:
                        yield extraction
            return
        async with self._recorded(Path(run), cascade, how) as (ledger, engine, known):
            ordinals = count()
            async with aclosing(self._extracted(engine, inputs, known)) as extractions:
                async for name, extraction in extractions:
                    await ledger.enter_soon(self._entry(next(ordinals), name, extraction))
                    if extraction is not None:
                        yield extraction

    @asynccontextmanager
    async def _recorded(
        self, folder: Path, cascade: Cascade, how: _How
    ) -> AsyncGenerator[tuple[RunLedger, Local, Cascade], None]:
        """What one start of a batch with a record needs. At its end what gave no record is written out."""
        ledger, outcome = await asyncio.to_thread(RunLedger, folder), "interrupted"
        try:
            about = {"prompt": VERSION, "schema": self.schema.fingerprint}
            facts = await ledger.begin(f"{self.__name__}()", cascade.facts, about, retry=how.retry)
            known = replace(cascade, facts=facts)
            traffic = Traffic(self.limits, await ledger.spent())  # the run's own, over all of its starts
            name = str((await ledger.manifest())["name"])
            async with by_batch(known, ledger, traffic, name, how.engine, how.batching) as calls:
                engine = Local(cascade.models, ledger, traffic, self._hook(how.on_event), calls)
                yield ledger, engine, known
            outcome = "done"
        except ExtractError:
            outcome = "stopped"
            raise
        finally:
            try:
                await ledger.entered()
                await ledger.end(outcome)
            finally:
                await asyncio.to_thread(_end, ledger, folder)

    async def _extracted(
        self, engine: Local, inputs: Iterable[Any], cascade: Cascade
    ) -> AsyncGenerator[tuple[str, Extraction[T] | None], None]:
        """Each input's name and extraction, in order; None for what is pending. Raises at the end what stopped it."""
        jobs = self._jobs(inputs, replace(self.task, models=cascade.facts))
        lazy = not isinstance(inputs, (list, tuple))
        async with aclosing(engine.run(jobs, ordered=True, lazy=lazy)) as outcomes:
            async for outcome in outcomes:
                yield outcome.job.name, outcome.extraction
        if engine.stopped is not None:
            raise engine.stopped

    def _entry(self, ordinal: int, name: str, extraction: Extraction[T] | None) -> Entry:
        """What a run's ledger keeps of an input; its record went to whoever asked."""
        failed: State = "review" if self._use.on_failure == "review" else "rejected"
        state: State = "pending" if extraction is None else "written" if extraction.ok else failed
        problems = extraction.problems or extraction.waived if extraction else ()
        source = extraction.source or name if extraction else name
        reasons = tuple(map(str, problems))
        failing = extraction is not None and not extraction.ok
        keys = {"keys": {state: [one.key for one in extraction.attempts]}} if extraction and failing else {}
        known = came_to(extraction, **keys)
        return Entry(name, ordinal, source, state, self.schema.fingerprint, reasons=reasons, **known)

    def _jobs(self, inputs: Iterable[Any], task: Task[T]) -> Iterator[Job[T]]:
        several = len(self._parameters) > 1
        for number, given in enumerate(inputs):
            args, kwargs = (given, {}) if several and isinstance(given, tuple) else ((given,), {})
            if several and isinstance(given, dict):
                args, kwargs = (), given
            try:
                yield self._job(task, args, kwargs, f"input {number}")
            except (ExtractError, TypeError) as error:  # one wrong input is its own problem
                wrong = DocumentError(f"Input {number} does not fit: {error}")
                yield Job(f"input {number}", _raising(wrong), task, self._finish(task))

    def _job(self, task: Task[T], args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str = "") -> Job[T]:
        """What is to be done for these inputs: the documents among them, and the values that stand beside them."""
        if len(args) == 1 and not kwargs and len(self._parameters) == 1:
            given: Mapping[str, Any] = {self._parameters[0]: args[0]}
        else:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            given = bound.arguments
        sources: dict[str, Any] = {}
        values: list[Part] = []
        for parameter, value in given.items():
            if isinstance(value, (str, Path, bytes, bytearray, Document)):
                sources[parameter] = value
            elif value is not None:
                values.append(Part("value", parameter, text=_shown(parameter, value)))
        if not sources:
            raise ExtractError(
                f"{self.__name__} was given no document.",
                fix="Pass text as a str, or a Path, bytes or a Document to be opened.",
            )
        one = replace(task, values=tuple(values)) if values else task
        at_hand = all(isinstance(source, (str, Document)) for source in sources.values())
        return Job(name, lambda: _document(sources), one, self._finish(one), at_hand=at_hand)

    def _ready(self) -> Task[T]:
        """The task with its models, opened when the first call is made."""
        if self._asked is None:
            self._asked = replace(self.task, models=self._opened().facts)
        return self._asked

    def _opened(self) -> Cascade:
        if self._cascade is None:
            use = self._use
            cascade = open_cascade(use.model, settings=self.task.settings, reach=use.reach, headers=use.headers)
            check_priced(self.limits, cascade.facts)
            self._cascade = cascade
        return self._cascade

    def _shared(self) -> Traffic:
        """What all calls on the running loop share; budgets and pace are those of all loops. Loops that have ended are
        forgotten."""
        loop = asyncio.get_running_loop()
        if loop not in self._traffic:
            kept = {one: traffic for one, traffic in self._traffic.items() if not one.is_closed()}
            self._first = self._first or Traffic(self.limits)
            self._traffic = {**kept, loop: Traffic(self.limits, beside=self._first)}
        return self._traffic[loop]

    def _engine(self) -> Local:
        return Local(self._opened().models, Nothing(), self._shared(), self._hook(None), sole=True)

    def _finish(self, task: Task[T]) -> Callable[[Extraction[T]], Extraction[T]]:
        return lambda extraction: waive(extraction, task, self._use.on_failure, self._use.best_effort)

    def _hook(self, on_event: OnEvent | None) -> Hook:
        """The hook of one engine. All that run on one loop share its thread, so that their events come one by one."""
        on_event = on_event or self._use.on_event
        if on_event is None:
            return Hook()
        loop = asyncio.get_running_loop()
        if loop not in self._threads:
            kept = {one: thread for one, thread in self._threads.items() if not one.is_closed()}
            self._threads = {**kept, loop: ThreadPoolExecutor(1, "extract-hook")}
        return Hook(on_event, self._threads[loop])


class Function(_Extractor[P, T]):
    """A synchronous extraction. All calls work inside a running loop as well, such as a notebook's."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The record. Raises `ValidationFailed` or `ModelError`, which carry what was paid for, if there is none."""
        return outcome_of(self.detail(*args, **kwargs))

    def detail(self, *args: P.args, **kwargs: P.kwargs) -> Extraction[T]:
        """The record with its evidence, confidence, cost and events, or what is wrong with it."""
        return door.run(lambda: self._detail(args, kwargs), f"an async def {self.__name__} and await")

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
        """The record as it grows, as JSON values in the user's shape, and at the end the `Extraction`."""
        return door.iterate(lambda: self._stream(args, kwargs), f"an async def {self.__name__} and async for")

    def batch(
        self,
        inputs: Iterable[Any],
        *,
        run: str | os.PathLike[str] | None = None,
        retry: Collection[State] = (),
        engine: Engine = "local",
        batching: Batching | None = None,
        on_event: OnEvent | None = None,
    ) -> Iterator[Extraction[T]]:
        """The extractions of many documents, in the order of the inputs, many at once. With `run`, a folder, every paid
        reply is recorded in it, and the same call goes on after a crash without paying twice; documents without a valid
        record are in its ``rejected.jsonl`` or ``review.jsonl``, and are asked about anew where `retry` names their
        states. The `engine` ``batch`` asks by OpenAI's Batch API, as `batching` says. `on_event` takes the place of the
        decorator's."""
        how = _How(retry, engine, batching, on_event)
        return door.iterate(lambda: self._batch(inputs, run, how), f"an async def {self.__name__} and async for")


class AsyncFunction(_Extractor[P, T]):
    """An asynchronous extraction."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The record. Raises `ValidationFailed` or `ModelError`, which carry what was paid for, if there is none."""
        return outcome_of(await self._detail(args, kwargs))

    async def detail(self, *args: P.args, **kwargs: P.kwargs) -> Extraction[T]:
        """The record with its evidence, confidence, cost and events, or what is wrong with it."""
        return await self._detail(args, kwargs)

    def stream(self, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Any]:
        """The record as it grows, as JSON values in the user's shape, and at the end the `Extraction`."""
        return self._stream(args, kwargs)

    def batch(
        self,
        inputs: Iterable[Any],
        *,
        run: str | os.PathLike[str] | None = None,
        retry: Collection[State] = (),
        engine: Engine = "local",
        batching: Batching | None = None,
        on_event: OnEvent | None = None,
    ) -> AsyncIterator[Extraction[T]]:
        """As `Function.batch`, asynchronously."""
        return self._batch(inputs, run, _How(retry, engine, batching, on_event))


def outcome_of(extraction: Extraction[T]) -> T:
    """The value of an extraction that has one; otherwise raises what its problems amount to."""
    if extraction.ok:
        return extraction.value  # type: ignore[return-value]
    first = extraction.problems[-1]
    where = extraction.source or None
    if first.kind == "document":
        raise DocumentError(first.message, where)
    if first.kind in ("transport", "refusal", "filter", "length", "configuration"):
        again = first.kind == "transport"
        raise ModelError(first.message, where, retryable=again, kind=first.kind, extraction=extraction)
    listed = "; ".join(map(str, extraction.problems))
    raise ValidationFailed(
        f"No valid record came out: {listed}.",
        extraction,
        where=where,
        fix="The error's .extraction holds the best value so far, the attempts and their cost.",
    )


def _check_use(function: Any, options: Mapping[str, Any]) -> None:
    """Raises ExtractError for what cannot be decorated, and for options that are not what they should be."""
    if not inspect.isfunction(function):
        raise ExtractError(f"extract decorates a function, not {function!r}.", fix='Name a model as model="rules".')
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    parameters = list(inspect.signature(function).parameters.values())
    odd = [one.name for one in parameters if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    odd += [one.name for one in parameters[:1] if one.name in ("self", "cls")]
    if odd:
        message = f"Each parameter of {function.__name__} is one input, and {odd[0]} is none."
        raise ExtractError(message, where, "Decorate a plain function, and name each of its inputs.")
    for name, value in options.items():
        if name not in _OPTIONS:
            near = get_close_matches(name, _OPTIONS, 1)
            fix = f"Did you mean {near[0]}?" if near else f"There are {', '.join(_OPTIONS)}."
            raise ExtractError(f"extract has no option {name}.", where, fix)
        if name in _KINDS and not _KINDS[name](value):
            raise ExtractError(f"{name} of {function.__name__} cannot be {value!r}.", where, _MEANT.get(name))
    for pair in options.get("examples", ()):
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise ExtractError(f"An example is a pair of a text and its record, not {pair!r}.", where)


def _are_texts(value: Any) -> bool:
    """Whether a value can be gone through and is not a text itself."""
    return not isinstance(value, (str, bytes)) and isinstance(value, Iterable)


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "attempts": lambda value: type(value) is int,
    "best_effort": _are_texts,
    "examples": _are_texts,
    "hosts": _are_texts,
    "limits": lambda value: isinstance(value, (Limits, NoneType)),
    "on_event": lambda value: value is None or (callable(value) and not inspect.iscoroutinefunction(value)),
    "offline": lambda value: isinstance(value, bool),
    "on_failure": lambda value: isinstance(value, str) and value in get_args(OnFailure),
    "per_document": lambda value: isinstance(value, (DocumentLimits, NoneType)),
    "settings": lambda value: isinstance(value, (Mapping, NoneType)),
}
"""Options that can be told at a glance to be what they should be."""

_OPTIONS = ("model", "context", *_KINDS)

_MEANT = {
    "hosts": 'Name the hosts in a list, such as ["llm.example.com"].',
    "limits": "Write Limits(budget_usd=5), from extract.limits.",
    "best_effort": 'Name the fields in a list, such as ["note"].',
    "on_event": "Give a plain function of one event; it runs on a thread of its own.",
    "on_failure": f"It is {', '.join(get_args(OnFailure)[:-1])} or {get_args(OnFailure)[-1]}.",
    "per_document": "Write DocumentLimits(tokens=20_000), from extract.limits.",
}


def _read(
    function: Callable[..., Any],
    names: Mapping[str, Any],
    *,
    model: Models = DEFAULT_MODEL,
    examples: Iterable[tuple[str, Any]] = (),
    context: Any = None,
    settings: Mapping[str, Any] | None = None,
    attempts: int = 3,
    limits: Limits | None = None,
    per_document: DocumentLimits | None = None,
    on_failure: OnFailure = "reject",
    best_effort: Iterable[str] = (),
    on_event: OnEvent | None = None,
    offline: bool = False,
    hosts: Iterable[str] = (),
) -> tuple[Task[Any], _Use]:
    """The task and its use by what the decorator was told, checked."""
    schema = compile(_returned(function, names))
    per_document, best_effort = per_document or DocumentLimits(), tuple(best_effort)
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    asked, headers = apart(dict(settings or {}))
    try:
        check_settings(dict(settings or {}))
        check_best_effort(schema, best_effort)
        if per_document.budget_usd is not None:
            per_document.check_priced(facts_of(model))
    except ExtractError as error:
        error.where = error.where or where
        raise
    task = Task(
        schema=schema,
        models=(),
        instructions=inspect.cleandoc(function.__doc__ or ""),
        examples=tuple(_example(schema, text, record, context) for text, record in examples),
        settings=asked,
        attempts=attempts,
        limits=per_document,
        context=context,
    )
    reach = Reach(offline, tuple(hosts))
    return task, _Use(model, limits or Limits(), on_failure, best_effort, on_event, reach, headers)


def _returned(function: Callable[..., Any], names: Mapping[str, Any]) -> Any:
    """The type that the function says it returns."""
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    annotation = function.__annotations__.get("return", inspect.Signature.empty)
    if annotation is inspect.Signature.empty or annotation is None:
        raise SchemaError(f"{function.__name__} does not say what it returns.", where, "Annotate it: `-> Receipt`.")
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, {**function.__globals__, **names})  # an annotation is the author's own code
        except NameError as error:
            raise SchemaError(
                f"The return type of {function.__name__} cannot be resolved: {error}.",
                where,
                "Declare the type before the function.",
            ) from None
    return annotation


def _example(schema: Schema[Any], text: str, record: Any, context: Any) -> Example:
    try:
        dump(record)
        value = record
    except (TypeError, ValueError):  # it holds instances
        value = schema.dump(record)
    problems = schema.check(value, context).problems
    if problems:
        listed = "; ".join(map(str, problems))
        raise SchemaError(f"An example does not fit {schema.name}: {listed}.", fix="Mend the example or the schema.")
    return Example(text, value, schema.encode(value))


def _end(ledger: RunLedger, folder: Path) -> None:
    """The end of a start of a batch: what gave no record is written out, of the inputs that it came to."""
    try:
        write_not_written(folder, ledger.refused)
    finally:
        ledger.close()


def _raising(error: ExtractError) -> Callable[[], Document]:
    def raises() -> Document:
        raise error

    return raises


def _document(sources: Mapping[str, Any]) -> Document:
    if len(sources) == 1:
        return _one(*sources.values())
    return Document.joined({name: _one(source) for name, source in sources.items()})


def _one(source: str | Path | bytes | bytearray | Document) -> Document:
    if isinstance(source, Document):
        return source
    return Document(text=source) if isinstance(source, str) else open_document(source)


def _shown(name: str, value: Any) -> str:
    from pydantic_core import to_jsonable_python

    try:
        plain = to_jsonable_python(value)
    except ValueError:
        raise ExtractError(
            f"The parameter {name} holds a {type(value).__name__}, which cannot be shown to a model.",
            fix="Pass a str, a number, a date, a list, a dict, a dataclass or a pydantic model.",
        ) from None
    return plain if isinstance(plain, str) else dump(plain)
