"""The built-in reader: fills a schema by rules, without a key and without a network.

It knows labels and the look of values (dates, amounts, addresses, names of organisations, identifiers, tables), in a
few languages, and it knows no kind of document: a schema's names, descriptions and types say what to look for. What
it does not find it leaves out, and for each value it says how sure it is. It reads text; a document without any it
refuses. Of a long text it reads the first 400,000 characters or 20,000 lines, and it leaves out words of more than
1,000 characters. Asking it again gives the same answer, so `failed` fields of a call change nothing.

The setting ``date_order`` (``dmy``, ``mdy`` or ``ymd``, in capitals as well) settles dates whose day and month cannot
be told apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ...call import Call, Failure, Mode, Reply
from ...jsontext import dump
from .filling import fill

__all__ = ["Rules", "fill"]

_ORDERS = ("dmy", "mdy", "ymd")


class Rules:
    """The rule reader as a model. Reading takes processor time and is done in a thread."""

    name = "rules"
    mode: Mode = "json_schema"

    async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
        return await asyncio.to_thread(_reply, call)

    async def stream(self, call: Call, *, timeout: float | None = None) -> AsyncIterator[str | Reply]:
        reply = await self.send(call, timeout=timeout)
        if reply.text:
            yield reply.text
        yield reply

    async def close(self) -> None:
        """There is nothing to close."""


def _reply(call: Call) -> Reply:
    order = call.settings.get("date_order")
    if order is not None and str(order).lower() not in _ORDERS:
        message = f"The setting date_order is {order!r}, which is no order of dates."
        return Reply(
            failure=Failure("configuration", message, fix="Set it to DMY, MDY or YMD."),
            mode="json_schema",
            model="rules",
        )
    if not any(part.text.strip() for part in call.inputs if part.kind == "text"):
        return Reply(
            refusal="The rule reader reads text, and this document has none.", mode="json_schema", model="rules"
        )
    value, confidence = fill(call)
    return Reply(text=dump(value), mode="json_schema", confidence=confidence, model="rules")
