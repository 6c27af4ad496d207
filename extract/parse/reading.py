"""What reading a text gave: the value, every change on the way to it, and what is wrong with it.

A `Reading` is a value like any other. It promises that nothing in `value` was invented and that nothing was lost
without a word: what was changed stands in `events`, what could not be read stands in `problems` and is left out of
`value`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..events import Event
from ..extraction import Problem
from ..frozen import quick

__all__ = ["POLICIES", "Cut", "Policy", "Reading", "require_policy"]

Policy = Literal["safe", "lenient", "strict"]
"""How much may be mended. ``strict``: nothing, the text is JSON or refused. ``safe``: what has one reading only.
``lenient``: also what nearly always means one thing, such as one item where a list was asked for."""


POLICIES: tuple[Policy, ...] = ("safe", "lenient", "strict")


def require_policy(policy: Policy) -> None:
    """Raises ValueError for what is no policy."""
    if policy not in POLICIES:
        raise ValueError(f"policy is one of 'safe', 'lenient' and 'strict', not {policy!r}")


@dataclass(frozen=True, slots=True)
class Cut:
    """Where an answer was cut off: the lists and objects that were `open`, from the outermost on, the `last` part of
    the innermost (None where it had none), and whether a comma says that another one was to come."""

    open: tuple[str, ...]
    last: str | None = None
    goes_on: bool = False


@quick
@dataclass(frozen=True)
class Reading:
    """`value` is a JSON value; numbers that a float would round are Decimals. Pointers of events and problems are in
    its shape. `complete` is False where the text ended before its value did; `cut` says where an
    answer that was cut off ends."""

    value: Any
    events: tuple[Event, ...] = ()
    problems: tuple[Problem, ...] = ()
    complete: bool = True
    cut: Cut | None = None
