"""Code of the user's on worker threads: loaders, validators, checks, callbacks.

It must neither hold up the event loop nor end it: whatever would (`SystemExit` among them) comes out as an ordinary
error. The caller's context variables go along, and a synchronous call of this package from there is refused by `door`,
because it would wait for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import TypeVar

from ..door import working

__all__ = ["on_thread"]

R = TypeVar("R")


async def on_thread(work: Callable[[], R], executor: Executor | None = None, whose: str = "a schema or a model") -> R:
    """What `work` gives, from a thread of the executor (the loop's own, if none is named)."""

    def guarded() -> R:
        working.set(True)
        try:
            return work()
        except (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError) as error:
            raise RuntimeError(f"code of {whose} raised {error!r}") from error

    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(executor, lambda: context.run(guarded))
