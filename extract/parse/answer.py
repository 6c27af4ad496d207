"""Reading a whole answer: the exact way first, the tolerant way where that fails."""

from __future__ import annotations

import re
from typing import Any

from .. import nodes
from ..events import Event
from ..extraction import Problem
from .conform import checks
from .exact import NotJson, exact
from .reading import Policy, Reading

__all__ = ["read"]

_FENCE = re.compile(r"```[^\n`]*\n(.*?)\n?[ \t]*```", re.DOTALL)


def read(text: str, type: nodes.Type, policy: Policy = "safe", partial: bool = False) -> Reading:
    """What the text says, as a value of the type. Never raises for anything in the text."""
    check = checks(type).root
    try:
        value = exact(text)
    except (NotJson, RecursionError) as error:
        if policy == "strict":
            return _refused(f"The text is not JSON: {error}.")
    else:
        if check(value):
            return Reading(value)
        return Reading(value, problems=(Problem("", "The value does not fit the schema.", "invalid", value),))
    for found in _FENCE.finditer(text):
        value = _try(found[1])
        if check(value):
            return Reading(value, (Event("read.fence", "", text, found[1], found.span(1)),))
    start = min((i for i in (text.find("{"), text.find("[")) if i >= 0), default=-1)
    end = max(text.rfind("}"), text.rfind("]")) + 1
    if 0 <= start < end:
        value = _try(text[start:end])
        if value is not None and check(value):
            return Reading(value, (Event("read.prose", "", text, text[start:end], (start, end)),))
    return _refused("The text holds no JSON value of the schema.")


def _try(text: str) -> Any:
    try:
        return exact(text)
    except (NotJson, RecursionError):
        return None


def _refused(message: str) -> Reading:
    return Reading(None, problems=(Problem("", message, "reading"),), complete=False)
