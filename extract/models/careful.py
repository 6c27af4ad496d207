"""A schema as a server of unknown making can take it.

Servers that make a grammar of a schema read less than OpenAI does. llama.cpp's Python server (0.3.36, read and tried on
2026-11-28) is ended as a process by a pattern with ``\\s`` or ``\\d`` in it, by a length of over a thousand and by a
quotation mark in an enum; over a group ``(?:`` it forgets the whole schema and lets any JSON pass, without a word; and
beside a list of types it heeds nothing else, such as the items of a list that may be null. So such keywords are left
out of what is sent, and lists of types are written as alternatives. The rest is enforced the better, and all of it is
checked by the reader afterwards, as always.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..jsontext import dump

__all__ = ["careful"]

_PLAIN = re.compile(
    r"\^(?:(?:[A-Za-z0-9 _:/,@#%=-]|\[[A-Za-z0-9 _:/,.@#%+=-]+\])(?:[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})?)+\$"
)
"""Patterns that mean the same everywhere: characters and classes of them, repeated, and nothing that needs a
backslash, a group or a class of what must not be there (which would let quotation marks through)."""

_MOST = 1000
"""Repetitions that a grammar may have."""


def _few(limit: Any) -> bool:
    return isinstance(limit, int) and limit <= _MOST


def _unescaped(value: Any) -> bool:
    """Quotation marks, backslashes and the ends of lines are written with a backslash in JSON."""
    return "\\" not in dump(value)


_TAKEN: Mapping[str, Callable[[Any], bool]] = {
    "pattern": lambda pattern: isinstance(pattern, str) and _PLAIN.fullmatch(pattern) is not None,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _few),
    **dict.fromkeys(("enum", "const"), _unescaped),
}
"""Keywords that are not taken with every value, and with which they are."""

_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose keys are names and no keywords."""
_DATA = ("enum", "const", "default", "examples")
"""Keywords whose values are no schemas."""


_AROUND = ("title", "description", "default", "examples", "$defs", "definitions", "$id", "$schema")
"""Keywords that are about the whole of a schema that has several types."""
_COMPOSED = ("anyOf", "oneOf", "allOf", "$ref")


def careful(schema: Any) -> Any:
    """The schema as it can be taken: nothing is in it that was not there before."""
    if isinstance(schema, list):
        return [careful(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _TAKEN and not _TAKEN[key](value):
            continue
        if key in _NAMED and isinstance(value, Mapping):
            made[key] = {name: careful(one) for name, one in value.items()}
        else:
            made[key] = value if key in _DATA else careful(value)
    return _by_type(made)


def _by_type(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of several types as one for each: what stands beside a list of types is not heeded by all."""
    types = schema.get("type")
    about = {key: value for key, value in schema.items() if key in _AROUND}
    beside = {key: value for key, value in schema.items() if key not in _AROUND and key != "type"}
    if not isinstance(types, list) or not beside or any(key in beside for key in _COMPOSED):
        return schema
    chosen = {key: value for key, value in beside.items() if key in ("enum", "const")}
    each = [{"type": one, **(chosen if one == "null" else beside)} for one in types]
    return {**about, "anyOf": each}
