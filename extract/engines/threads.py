"""Code of the user's on worker threads: loaders, validators, checks, callbacks.

It must neither hold up the event loop nor end it: whatever would (`SystemExit` among them) comes out as an ordinary
error. The caller's context variables go along, and a synchronous call of this package from there is refused by `door`,
because it would wait for itself. Code that waits for other work of the same kind (a validator that asks a model on a
thread of its own) must not take the last thread from it: there are many, and they are started when they are needed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from ..door import working

__all__ = ["on_the_spot", "on_thread", "unbroken"]

P = ParamSpec("P")
R = TypeVar("R")

_MOST = 1_000
_workers: tuple[int, ThreadPoolExecutor] | None = None


async def on_thread(
    work: Callable[[], R],
    executor: Executor | None = None,
    whose: str = "a schema or a model",
    *,
    apart: bool = False,
) -> R:
    """What `work` gives, from a thread of the executor (one for all engines of the process, if none is named). A thread
    that no other work waits for is `apart`: synchronous calls may be made from it."""

    def guarded() -> R:
        working.set(not apart)
        try:
            return work()
        except (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError) as error:
            raise RuntimeError(f"code of {whose} raised {error!r}") from error

    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(executor or _shared(), lambda: context.run(guarded))


async def unbroken(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What short work of this package gives, from a thread. A thread cannot be cancelled: whoever is, waits for its
    end, because what it works with may be closed next."""
    going = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(going)
    except asyncio.CancelledError:
        await asyncio.wait([going])
        raise


def on_the_spot(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `work` gives, here and now; for work that is short and runs none of the user's code, so far as is known."""
    token = working.set(True)
    try:
        return work(*args, **kwargs)
    except (SystemExit, GeneratorExit) as error:
        raise RuntimeError(f"code of a schema or a model raised {error!r}") from error
    finally:
        working.reset(token)


def _shared() -> ThreadPoolExecutor:
    """The workers of this process; a forked one has none of its parent's threads."""
    global _workers
    if _workers is None or _workers[0] != os.getpid():
        _workers = os.getpid(), ThreadPoolExecutor(_MOST, "extract-worker")
    return _workers[1]
