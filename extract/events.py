"""Events: each change and each decision, as a value that can be shown, stored and replayed.

Reading a text records what was changed in it (`rule`, where in the value, before, after, where in the text); a task
records attempts, repairs and failures in the same form. Reading what is already valid records nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Event"]


@dataclass(frozen=True, slots=True)
class Event:
    """One change or decision.

    `rule` names it by room and cause (``read.trailing-comma``, ``repair.field``, ``failure.transport``); `pointer` is a
    JSON pointer in the user's value (``/lines/0/price``; the whole is ``""``); `before` and `after` are JSON values;
    `span` is a half-open range of characters in the text that was read.
    """

    rule: str
    pointer: str = ""
    before: Any = None
    after: Any = None
    span: tuple[int, int] | None = None
    note: str = ""
