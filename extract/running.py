"""Pipelines in Python: the same words as in YAML, with schemas and functions as themselves.

    pipeline = Pipeline(
        [{"extract": Receipt, "instructions": "Read the receipt."}, {"check": "total >= 0"}],
        documents="in/*.pdf",
        model="openai/gpt-4o-mini",
        write="out/receipts.jsonl",
    )
    print(pipeline.plan())                      # what it would do and cost; sends nothing
    run = pipeline.run("runs/may")              # the same folder again goes on with the run
    async for row in (rows := pipeline.rows()): # rows as they come; `for` does as well
        ...
    rows.run                                    # what happened

A pipeline that was made is right: whatever is wrong with it is raised before, all of it at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import door
from .batches import Wave
from .errors import ModelError
from .events import OnEvent
from .ledger import State
from .limits import Batching, Engine, Fleet, Limits
from .models.cascade import Models, facts_of, open_cascade
from .operators.rows import Row
from .pipeline import Pipeline as Contents
from .plan import Plan, plan_of
from .runner import Progress, Run, execute, new_folder, open_models
from .settings import apart

__all__ = ["Pipeline", "Rows"]

_WAITING = 64
"""How many blocks of rows may wait to be taken before the run waits for whoever takes them."""


class Pipeline:
    """A checked pipeline that can be planned and run. `contents` are its steps as values.

    Made of a list of steps (mappings with the words of the YAML), the `documents` and what else a pipeline says
    (`model`, `write`, `limits`, `settings`, ...); `load` reads one from a file. Raises `PipelineError` with everything
    that is wrong.
    """

    def __init__(
        self,
        steps: Sequence[Mapping[str, Any]],
        *,
        documents: Any,
        variables: Mapping[str, str] | None = None,
        root: Path | None = None,
        **says: Any,
    ):
        given = {name: value for name, value in says.items() if value is not None}
        values = {**given, "documents": documents, "steps": list(steps)}
        self.contents = Contents.of(values, root=root, variables=variables)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        model: str | Sequence[str] | None = None,
        documents: Any = None,
        variables: Mapping[str, str] | None = None,
        root: Path | None = None,
    ) -> Pipeline:
        """The pipeline in a YAML file; `model` and `documents` replace what the file says, `variables` are values for
        its ``${NAME}``. Paths in it are relative to `root`, the working folder if it is not given."""
        made = cls.__new__(cls)
        made.contents = Contents.load(path, root=root, model=model, documents=documents, variables=variables)
        return made

    def __repr__(self) -> str:
        steps = ", ".join(step.name for step in self.contents.steps)
        return f"Pipeline({self.contents.name!r}: {steps})"

    def plan(self, limit: int | None = None) -> Plan:
        """What it would do and cost, over at most `limit` documents; sends nothing and needs no key."""
        models = self.contents.models
        facts = {one.name: one for one in (facts_of(models) if models else ())}
        return plan_of(self.contents, facts, limit)

    def run(self, run: str | os.PathLike[str] | None = None, **options: Any) -> Run:
        """Runs it in the folder `run` (a new one below ``runs`` if none is given), or goes on with the run that is
        there. Raises before anything is sent if something is missing (a key, a folder that can be written); what stops
        the run later is in `Run.stopped`. `options` are those of `arun`."""
        return door.run(lambda: self.arun(run, **options), "await pipeline.arun()")

    async def arun(
        self,
        run: str | os.PathLike[str] | None = None,
        *,
        limits: Limits | None = None,
        limit: int | None = None,
        watch: Callable[[Progress], None] | None = None,
        on_event: OnEvent | None = None,
        models: Models | None = None,
        on_rows: Callable[[list[Row]], Any] | None = None,
        engine: Engine | None = None,
        retry: Collection[State] = (),
        batching: Batching | None = None,
        fleet: Fleet | None = None,
        on_wave: Callable[[Wave], None] | None = None,
    ) -> Run:
        """`run`, in a coroutine. `limits` are in place of the pipeline's, `limit` is the greatest number of documents,
        `models` are opened models in place of those that its steps name (a scripted one, a user's own). `retry` asks
        anew about what an earlier start ``rejected`` or held for ``review``. The `engine` ``batch`` asks by OpenAI's
        Batch API, as `batching` says, and `on_wave` is told how each batch fares; ``ray`` asks from the workers of a
        `fleet`."""
        contents, cascade = self.contents, None
        if models is not None:
            cascade = open_cascade(models, headers=apart(contents.settings)[1], reach=contents.reach)
            if (engine or contents.conduct.engine) == "ray":
                message = "Models that are passed in cannot go to the workers of the engine `ray`."
                raise ModelError(message, fix="Name them in the pipeline: each worker opens its own.")
            contents = contents.asking(tuple(one.name for one in cascade.facts))
        folder = new_folder(contents.name) if run is None else Path(run)
        return await execute(
            contents,
            cascade or open_models(contents),
            folder,
            limits=limits,
            limit=limit,
            watch=watch,
            on_event=on_event,
            on_rows=on_rows,
            engine=engine,
            retry=retry,
            batching=batching,
            fleet=fleet,
            on_wave=on_wave,
        )

    def rows(self, run: str | os.PathLike[str] | None = None, **options: Any) -> Rows:
        """Runs it and gives the rows at its end as they come, in no order: with ``async for`` or with ``for``. The
        outputs are written as well. What stopped the run is raised at the end, after the last row."""
        return Rows(self, run, options)


class Rows:
    """The rows of a pipeline that runs while they are taken; `run` is the `Run` once the last one was."""

    def __init__(self, pipeline: Pipeline, folder: str | os.PathLike[str] | None, options: Mapping[str, Any]):
        self.run: Run | None = None
        self._pipeline, self._folder, self._options = pipeline, folder, options

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self._taken()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return door.iterate(self._taken, "`async for` over pipeline.rows()")

    async def _taken(self) -> AsyncGenerator[dict[str, Any], None]:
        waiting: asyncio.Queue[list[Row] | None] = asyncio.Queue(_WAITING)

        async def work() -> Run:
            try:
                return await self._pipeline.arun(self._folder, **self._options, on_rows=waiting.put)
            finally:
                await waiting.put(None)

        running = asyncio.create_task(work())
        try:
            while (block := await waiting.get()) is not None:
                for row in block:
                    yield dict(row)
            self.run = await running
        finally:
            if not running.done():
                running.cancel()
                while not running.done():
                    if waiting.full():
                        waiting.get_nowait()
                    await asyncio.wait((running,), timeout=0.05)
        if self.run.stopped is not None:
            raise self.run.stopped
