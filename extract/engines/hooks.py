"""The hook of an engine: tells a callback of the user's what happens, and takes care of what it raises.

The callback runs on one thread of its own, one event at a time, in the order in which things happened; the events of
one document come in its order, those of several documents in between each other. Whoever has something to tell waits
until the callback has returned: a slow one slows the run down, but nothing piles up, and no request that is on the wire
is held up. A reply is recorded before it is told.

What the callback raises is the caller's to see, and it ends the work: nothing more is sent or told, what is under way
is finished and recorded, and the callback's own exception comes out of the call, the batch or the run.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Literal

from ..call import Call, Reply
from ..document import Document
from ..errors import ExtractError
from ..events import (
    CallFailed,
    CallSent,
    DocumentEnded,
    Happening,
    OnEvent,
    RepairAsked,
    ReplyReceived,
    RetryScheduled,
)
from ..extraction import Extraction
from .threads import on_thread

__all__ = ["Hook", "HookRaised", "Watch"]


class HookRaised(ExtractError):
    """What a callback raised, on its way through the engine; `error` is what the caller gets to see."""

    def __init__(self, error: Exception):
        super().__init__(f"The callback for events raised {error!r}.")
        self.error = error


class Hook:
    """A callback (None: nobody is told), for one engine. `thread` is where it runs; engines may share one, and one that
    was stopped by its callback does not stop the others."""

    def __init__(self, on_event: OnEvent | None = None, thread: ThreadPoolExecutor | None = None):
        self._on_event = on_event
        self._thread = thread or (ThreadPoolExecutor(1, "extract-hook") if on_event is not None else None)
        self._raised: HookRaised | None = None

    @property
    def silent(self) -> bool:
        """Whether nobody is told."""
        return self._on_event is None

    async def tell(self, happening: Happening) -> None:
        """Calls the callback and waits for it; raises `HookRaised` if it raises, or has raised before."""
        if self._on_event is not None:
            on_event = self._on_event
            await on_thread(lambda: self._call(on_event, happening), self._thread)

    def _call(self, on_event: OnEvent, happening: Happening) -> None:
        """On the thread, so that what waited there for its turn is not told after the end."""
        if self._raised is None:
            try:
                on_event(happening)
            except Exception as error:  # noqa: BLE001  whatever it is, it is raised again where the caller is
                self._raised = HookRaised(error)
            except BaseException as error:  # noqa: BLE001  SystemExit and its like would end the event loop
                self._raised = HookRaised(RuntimeError(f"the callback for events raised {error!r}"))
        if self._raised is not None:
            raise self._raised


class Watch:
    """Tells what happens to one document, which is not known by its content until it is opened. `asked` counts the
    calls that were sent to a model, and not answered by a ledger."""

    def __init__(self, hook: Hook, source: str = ""):
        self._hook, self.silent = hook, hook.silent
        self.asked = 0
        self.document, self.source = "", source

    def opened(self, document: Document) -> None:
        if not self.silent:
            self.document, self.source = document.id, document.source or self.source

    async def repairs(self, calls: tuple[Call, ...]) -> None:
        """Says which of these calls ask for something again."""
        if self.silent:
            return
        for call in calls:
            if call.failed:
                await self._hook.tell(
                    RepairAsked(**self._about(call), places=tuple(one.pointer for one in call.failed))
                )

    async def sent(self, call: Call, tried: int) -> None:
        self.asked += tried == 1
        if not self.silent:
            await self._hook.tell(CallSent(**self._about(call), tried=tried))

    async def retries(self, call: Call, seconds: float, why: str) -> None:
        if not self.silent:
            await self._hook.tell(RetryScheduled(**self._about(call), seconds=seconds, why=why))

    async def replied(
        self, call: Call, reply: Reply, cost: Decimal | None, origin: Literal["model", "ledger", "shared"] = "model"
    ) -> None:
        """Says what came back: a reply, or the failure that stands for one."""
        if self.silent:
            return
        about = self._about(call)
        if reply.failure is not None:
            failed = reply.failure
            told: Happening = CallFailed(**about, kind=failed.kind, message=failed.message, status=failed.status)
        else:
            told = ReplyReceived(**about, outcome=reply.outcome, usage=reply.usage, cost=cost, origin=origin)
        await self._hook.tell(told)

    async def ended(self, extraction: Extraction[Any] | None) -> None:
        if not self.silent:
            await self._hook.tell(DocumentEnded(document=self.document, source=self.source, extraction=extraction))

    def _about(self, call: Call) -> dict[str, Any]:
        return {
            "document": self.document,
            "source": self.source,
            "key": call.key,
            "model": call.model,
            "number": call.attempt,
        }
