"""A model that says what it was told to say, for tests of everything that stands above a model.

It is given its replies in order, or a function of the call. Text is a reply as it is; a dict or a list becomes its JSON
in the user's own shape. It keeps the calls that it was sent. It opens nothing and takes no time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..call import Call, Failure, Mode, Reply, Usage
from ..jsontext import dump

__all__ = ["Scripted"]

Said = Reply | Failure | str | Mapping[str, Any] | list[Any]
"""What a script may hold: a whole reply, a failure, a text, or a value in the user's shape."""


class Scripted:
    """A model with a script. `calls` holds what it was asked, in order.

    A script that is at its end answers with a configuration failure, so that a test that asks too often stops and says
    so.
    """

    mode: Mode = "json_schema"
    addresses: tuple[str, ...] = ()

    def __init__(self, replies: Iterable[Said] | Callable[[Call], Said], name: str = "scripted"):
        self.name = name
        self.calls: list[Call] = []
        self._say = replies if callable(replies) else _in_order(iter(replies))

    async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
        self.calls.append(call)
        return _reply(self._say(call), self.name)

    async def stream(self, call: Call, *, timeout: float | None = None) -> AsyncIterator[str | Reply]:
        reply = await self.send(call, timeout=timeout)
        for start in range(0, len(reply.text or ""), 8):
            yield (reply.text or "")[start : start + 8]
        yield reply

    async def close(self) -> None:
        """There is nothing to close."""


def _in_order(script: Iterator[Said]) -> Callable[[Call], Said]:
    def say(call: Call) -> Said:
        for said in script:
            return said
        return Failure("configuration", "The script of the scripted model is at its end.", fix="Give it more replies.")

    return say


def _reply(said: Said, name: str) -> Reply:
    if isinstance(said, Reply):
        return said if said.model else replace(said, model=name)
    if isinstance(said, Failure):
        return Reply(failure=said, model=name)
    text = said if isinstance(said, str) else dump(said)
    return Reply(text=text, mode=Scripted.mode, usage=Usage(output=len(text.encode()) // 4 + 1), model=name)
