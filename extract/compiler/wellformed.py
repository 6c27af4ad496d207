"""Whether a JSON Schema is one: each keyword with a value of a kind that some draft gives it.

A keyword of another kind says nothing, so a slip of the pen would silently let everything through. This is less than
a metaschema asks for, and many times as fast: what drafts disagree about, or what still has one meaning, passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ..errors import SchemaError
from ..pointer import join
from .documents import LISTS, MAPS, SINGLE

__all__ = ["require_wellformed"]

_TYPES = ("string", "number", "integer", "boolean", "null", "array", "object")


def require_wellformed(schema: Any) -> None:
    """Raises `SchemaError`, with the place, for the first keyword whose value is of a kind that it cannot have."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), schema)]
    while waiting:
        at, one = waiting.pop()
        if isinstance(one, bool):
            continue
        if not isinstance(one, dict):
            raise _wrong(at, "A schema is", "an object, true or false", one)
        for keyword, value in one.items():
            rule = _RULES.get(keyword)
            if rule is not None and not rule[0](value):
                raise _wrong((*at, keyword), f"The keyword {keyword!r} takes", rule[1], value)
            waiting.extend(_inner((*at, keyword), keyword, value))


def _wrong(at: tuple[str, ...], subject: str, wanted: str, value: Any) -> SchemaError:
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    return SchemaError(
        f"{subject} {wanted}, not {shown}.",
        where=join(*at) or "the schema",
        fix="Write it as JSON Schema has it, or leave it out.",
    )


def _inner(at: tuple[str, ...], keyword: str, value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The schemas that stand under a keyword."""
    if isinstance(value, dict) and keyword in MAPS:
        named = keyword == "dependencies"
        yield from (((*at, name), inner) for name, inner in value.items() if not (named and _names(inner)))
    elif isinstance(value, list) and keyword in LISTS:
        yield from (((*at, str(index)), inner) for index, inner in enumerate(value))
    elif keyword in SINGLE:
        yield at, value


def _number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _names(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _type(value: Any) -> bool:
    return value in _TYPES if isinstance(value, str) else isinstance(value, list) and all(map(_type, value))


_Rule = tuple[Callable[[Any], bool], str]
_TEXT: _Rule = (lambda value: isinstance(value, str), "a text")
_NUMBER: _Rule = (_number, "a number")
_LIMIT: _Rule = (lambda value: isinstance(value, bool) or _number(value), "a number")
_LIST: _Rule = (lambda value: isinstance(value, list), "a list")
_MAP: _Rule = (lambda value: isinstance(value, dict), "an object")

_RULES: Mapping[str, _Rule] = {
    "type": (_type, f"one or more of {', '.join(_TYPES)}"),
    "required": (lambda value: isinstance(value, bool) or _names(value), "a list of names"),
    **dict.fromkeys(("$ref", "$dynamicRef", "pattern", "format"), _TEXT),
    **dict.fromkeys(("minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems"), _NUMBER),
    **dict.fromkeys(("minProperties", "maxProperties", "minContains", "maxContains"), _NUMBER),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), _LIMIT),
    **dict.fromkeys(("enum", "allOf", "anyOf", "oneOf", "prefixItems"), _LIST),
    **dict.fromkeys((*MAPS, "dependentRequired"), _MAP),
}
