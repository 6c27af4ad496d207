"""Code of a project's own on rows: what a `python` step's function gives for a row, whatever it raises.

The function, what it yields, and the models and validators of what it gives run on a worker thread; a coroutine runs on
the loop. Neither may end the run or lose a row: whatever is raised, `SystemExit` and `StopIteration` among them,
rejects the one row that it was raised for.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from ..engines.threads import on_thread
from ..operators import Outcome, given_to, returned
from ..operators.rows import Row
from ..pipeline import Python

__all__ = ["called"]


async def called(step: Python, row: Row) -> Outcome:
    """What became of a row by a function of the user's."""
    found = await on_thread(lambda: _begun(step, row), whose=step.ref)
    if isinstance(found, Outcome):
        return found
    try:
        value = [one async for one in found] if inspect.isasyncgen(found) else await found
    except GeneratorExit:
        raise  # the run is being taken down, and nobody waits for the row
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        return _raised(step, row, error)
    return await on_thread(lambda: _ended(step, row, value), whose=step.ref)


def _begun(step: Python, row: Row) -> Any:
    """The outcome, or what is to be awaited before there is one."""
    try:
        value = step.function(given_to(row))
    except BaseException as error:  # noqa: BLE001
        return _raised(step, row, error)
    if inspect.isawaitable(value) or inspect.isasyncgen(value):
        return value
    return _ended(step, row, value)


def _ended(step: Python, row: Row, value: Any) -> Outcome:
    try:
        return returned(step, row, list(value) if inspect.isgenerator(value) else value)
    except BaseException as error:  # noqa: BLE001
        return _raised(step, row, error)


def _raised(step: Python, row: Row, error: BaseException) -> Outcome:
    said = str(error) or "no message"
    return Outcome("rejected", (row,), f"{step.ref} raised {type(error).__name__}: {said}")
