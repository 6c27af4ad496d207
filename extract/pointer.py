"""JSON pointers (RFC 6901): the way to a place inside a JSON value.

`""` is the whole value, ``/lines/0/price`` a leaf. Values are never changed in place: `put` and `drop` give a new value
that shares everything off the way with the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

__all__ = ["ABSENT", "drop", "existing", "get", "inside", "join", "leaves", "put", "split", "upwards", "within"]


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""What `get` gives where there is nothing: null is a value."""


def split(pointer: str) -> tuple[str, ...]:
    """The unescaped steps of a pointer."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def join(*steps: str | int) -> str:
    """The pointer of these steps."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def inside(pointer: str, other: str) -> bool:
    """Whether `pointer` is `other` or leads to a place within it."""
    return pointer == other or pointer.startswith(other + "/")


def upwards(pointer: str) -> Iterator[str]:
    """A pointer, and those of all that it is in."""
    yield pointer
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer


def within(pointers: Iterable[str], places: Iterable[str]) -> tuple[str, ...]:
    """The pointers that lead into some places; there may be thousands of both."""
    known = frozenset(places)
    return tuple(p for p in pointers if any(at in known for at in upwards(p)))


def get(value: Any, pointer: str) -> Any:
    """What stands at the pointer, or `ABSENT`."""
    for step in split(pointer):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and (i := _index(step)) is not None and i < len(value):
            value = value[i]
        else:
            return ABSENT
    return value


def existing(value: Any, pointer: str) -> str:
    """The place itself, or the outermost one on the way to it that is missing: what is not there can only come as a
    whole."""
    steps = split(pointer)
    ways = (join(*steps[:depth]) for depth in range(len(steps)))
    return next((way for way in ways if get(value, way) is ABSENT), pointer)


def put(value: Any, pointer: str, new: Any) -> Any:
    """A value like `value` with `new` at the pointer. Missing objects on the way are made; KeyError where the way leads
    through something that is neither object nor list, or past the end of a list."""
    return _put(value, split(pointer), new)


def _put(value: Any, steps: tuple[str, ...], new: Any) -> Any:
    if not steps:
        return new
    step, rest = steps[0], steps[1:]
    if value is ABSENT:
        return {step: _put(ABSENT, rest, new)}
    if isinstance(value, dict):
        return {**value, step: _put(value.get(step, ABSENT), rest, new)}
    if isinstance(value, list) and (i := _index(step)) is not None and i <= len(value):
        return [*value[:i], _put(value[i] if i < len(value) else ABSENT, rest, new), *value[i + 1 :]]
    raise KeyError(join(*steps))


def drop(value: Any, pointer: str) -> Any:
    """A value like `value` with nothing at the pointer; items of a list do not move up: the item becomes null."""
    steps = split(pointer)
    parent = get(value, join(*steps[:-1])) if steps else ABSENT
    if isinstance(parent, dict) and steps[-1] in parent:
        return put(value, join(*steps[:-1]), {k: v for k, v in parent.items() if k != steps[-1]})
    if isinstance(parent, list) and get(value, pointer) is not ABSENT:
        return put(value, pointer, None)
    return value


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Each leaf with its pointer, in order; empty objects and lists are leaves."""
    if isinstance(value, (dict, list)) and value:
        steps: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        for step, inner in steps:
            yield from leaves(inner, at + join(step))
    else:
        yield at, value


def _index(step: str) -> int | None:
    return int(step) if step.isascii() and step.isdigit() and (step == "0" or step[0] != "0") else None
