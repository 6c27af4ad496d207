"""What is wrong with a value, in the words of the type that it should have.

A reader tells what it minds by the nodes that it reads against, which on the wire are patterns and alternatives of our
own making. A person, and a model that is asked again, is told by the type that was declared: the bound that a number
does not keep, the length of a text, what is allowed where nothing fits. A pattern is shown only if the declaration has
it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from .. import nodes
from ..extraction import Problem
from .formats import OWN, PATTERNS
from .membership import accepts, is_multiple, json_type
from .patterns import searcher

__all__ = ["allowed", "worded"]

MOST_SHOWN = 60
"""A value is shown up to so many characters."""
MOST_MEMBERS = 8
"""So many members of an enumeration are named."""

_DECIMAL = re.compile(r"\^(?:\[\+-\]|\\\+)\?[\\d*+?.(:){},0-9eE|+\[\]-]*\$")
"""The patterns of numbers that are written as text, which are ours."""


def worded(problem: Problem, type_: nodes.Type, node: nodes.Node, steps: Sequence[str]) -> Problem:
    """A problem with the words of its type. `node` is what `steps` lead from to the place."""
    if problem.kind == "missing":
        known = not steps or problem.message.startswith(json.dumps(steps[-1], ensure_ascii=False))
        return problem if known else replace(problem, message="This is required and not there")
    if problem.kind not in ("invalid", "reading") or (problem.kind == "reading" and problem.value is None):
        return problem
    said = {_fault(type_, found, problem.value) for found in _reached(type_, [node], steps)}
    told = said.pop() if len(said) == 1 else None
    return problem if told is None else replace(problem, message=told, kind="invalid")


# ---- which node stands at a place


def _reached(type_: nodes.Type, found: list[nodes.Node], steps: Sequence[str]) -> list[nodes.Node]:
    for step in steps:
        found = [inner for node in found for one in flat(type_, node) for inner in _entered(one, step)]
    return found


def flat(type_: nodes.Type, node: nodes.Node) -> Iterator[nodes.Node]:
    """The kinds that a node stands for."""
    node = type_.resolve(node)
    if isinstance(node, nodes.Union):
        for branch in node.branches:
            yield from flat(type_, branch)
    else:
        yield node


def _entered(node: nodes.Node, step: str) -> Iterable[nodes.Node]:
    if isinstance(node, nodes.Record):
        field = next((one for one in node.fields if one.name == step), None)
        if field is not None:
            return (field.node,)
        return (*(entry.node for entry in node.entries), *((node.extras,) if node.extras is not None else ()))
    if isinstance(node, nodes.Array):
        return (node.items,)
    if isinstance(node, nodes.Tuple) and step.isdecimal():
        index = int(step)
        return node.prefix[index : index + 1] or ((node.rest,) if node.rest is not None else ())
    return ()


# ---- what is wrong


def _fault(type_: nodes.Type, node: nodes.Node, value: Any) -> str | None:
    """What a value of this kind is minded for; None where there is nothing better to say than the reader does."""
    kinds = [one for one in flat(type_, node) if not isinstance(one, nodes.Null)]
    if any(isinstance(one, (nodes.Anything, nodes.Never)) for one in kinds):
        return None
    if accepts(type_.resolve, node, value):
        formats = (one.format for one in kinds if isinstance(one, nodes.Text) and one.format in PATTERNS)
        wrong = (name for name in formats if isinstance(value, str) and not searcher(PATTERNS[name])(value))
        return next((f"{_shown(value)} is not {_format(name)}" for name in wrong), None)
    if (number := _decimal(kinds)) is not None and json_type(value) in ("string", "number"):
        return _of_decimal(number, _after(type_, node), value)
    alike = [one for one in kinds if _alike(one, value)]
    if alike and isinstance(value, (list, dict)):
        return None
    said = _of_kind(alike[0], value) if len(alike) == 1 else None
    return said or f"Expected {allowed(type_, node)}, found {_shown(value)}"


def _decimal(kinds: list[nodes.Node]) -> nodes.Number | None:
    """The number that is meant where it may be written as text too."""
    numbers = [one for one in kinds if isinstance(one, nodes.Number)]
    texts = [one for one in kinds if isinstance(one, nodes.Text)]
    if len(numbers) != 1 or len(texts) != 1 or texts[0].pattern is None or texts[0].format is not None:
        return None
    return numbers[0] if _DECIMAL.fullmatch(texts[0].pattern) else None


def _after(type_: nodes.Type, node: nodes.Node) -> dict[str, Any]:
    """What the declaration asks for beside what the nodes say, of a union and of those in it."""
    node = type_.resolve(node)
    made = dict(node.after)
    for branch in node.branches if isinstance(node, nodes.Union) else ():
        made |= _after(type_, branch)
    return made


def _of_decimal(node: nodes.Number, after: dict[str, Any], value: Any) -> str:
    shown = value if isinstance(value, str) else _shown(value)
    try:
        number = Decimal(str(value).strip())
        digits = number.as_tuple()
    except (InvalidOperation, ValueError):
        return f"{_shown(value)} is not a number"
    if not number.is_finite() or not isinstance(digits.exponent, int):
        return f"{_shown(value)} is not a number"
    if (said := _of_number(node, number, shown)) is not None:
        return said
    places, most = after.get("decimal_places"), after.get("max_digits")
    if places is not None and -digits.exponent > places:
        return f"{shown} has more than {places} decimal places"
    if most is not None:
        return f"{shown} has more than {most} digits"
    return f"{_shown(value)} is not a number as it should be written"


def _of_kind(node: nodes.Node, value: Any) -> str | None:
    if isinstance(node, nodes.Number):
        return _of_number(node, value, _shown(value))
    return _of_text(node, value) if isinstance(node, nodes.Text) else None


def _of_number(node: nodes.Number, value: Any, shown: str) -> str | None:
    bounds = (
        (node.exclusive_minimum, lambda bound: value > bound, "greater than"),
        (node.minimum, lambda bound: value >= bound, "at least"),
        (node.exclusive_maximum, lambda bound: value < bound, "less than"),
        (node.maximum, lambda bound: value <= bound, "at most"),
        (node.multiple_of, lambda step: is_multiple(value, step), "a multiple of"),
    )
    return next(
        (
            f"{shown} is not {words} {_shown(bound)}"
            for bound, keeps, words in bounds
            if bound is not None and not keeps(bound)
        ),
        None,
    )


def _of_text(node: nodes.Text, value: str) -> str | None:
    if len(value) < node.min_length:
        return f"{_shown(value)} is shorter than {_counted(node.min_length)}"
    if node.max_length is not None and len(value) > node.max_length:
        return f"{_shown(value)} is longer than {_counted(node.max_length)}"
    if node.format == "date":
        return f"{_shown(value)} is not a date with one reading (such as 2024-01-31)"
    if node.pattern is not None and node.pattern not in OWN and not searcher(node.pattern)(value):
        return f"{_shown(value)} does not match the pattern {node.pattern}"
    return f"{_shown(value)} is not {_format(node.format)}" if node.format is not None else None


def _counted(count: int) -> str:
    return f"{count} character{'' if count == 1 else 's'}"


def _alike(node: nodes.Node, value: Any) -> bool:
    """Whether a value is of the JSON type of a node."""
    if isinstance(value, str):
        return isinstance(node, nodes.Text) or (
            isinstance(node, nodes.Choice) and any(isinstance(one, str) for one in node.values)
        )
    if isinstance(value, bool) or value is None:
        return isinstance(node, nodes.Boolean) and value is not None
    if isinstance(value, (int, float, Decimal)):
        return isinstance(node, nodes.Number)
    return isinstance(node, nodes.Record if isinstance(value, dict) else (nodes.Array, nodes.Tuple))


# ---- what is allowed


def allowed(type_: nodes.Type, node: nodes.Node) -> str:
    """What may stand at a place."""
    kinds = list(flat(type_, node))
    if _decimal(kinds) is not None:
        kinds = [one for one in kinds if not isinstance(one, nodes.Text)]
    words = list(dict.fromkeys(map(_kind, kinds)))
    return ", ".join(words[:-1]) + (" or " if len(words) > 1 else "") + words[-1] if words else "nothing"


def _kind(node: nodes.Node) -> str:
    if isinstance(node, nodes.Number):
        return ("a whole number" if node.integer else "a number") + _bounds(node)
    if isinstance(node, nodes.Text):
        return _text(node)
    if isinstance(node, nodes.Choice):
        more = ", ..." if len(node.values) > MOST_MEMBERS else ""
        one = "one of " if len(node.values) > 1 else ""
        return one + ", ".join(map(_shown, node.values[:MOST_MEMBERS])) + more
    return _KINDS.get(type(node), "a value")


_KINDS: dict[type, str] = {
    nodes.Anything: "any value",
    nodes.Never: "nothing",
    nodes.Null: "null",
    nodes.Boolean: "true or false",
    nodes.Array: "a list",
    nodes.Tuple: "a list",
    nodes.Record: "an object",
}


def _bounds(node: nodes.Number) -> str:
    parts = (
        ("greater than", node.exclusive_minimum),
        ("of at least", node.minimum),
        ("less than", node.exclusive_maximum),
        ("of at most", node.maximum),
    )
    said = " and ".join(f"{words} {_shown(bound)}" for words, bound in parts if bound is not None)
    return f" {said}" if said else ""


def _text(node: nodes.Text) -> str:
    if node.format is not None and node.format != "binary":
        return _format(node.format)
    if node.pattern is not None and _DECIMAL.fullmatch(node.pattern):
        return "a number as text"
    least, most = node.min_length, node.max_length
    if most is not None:
        length = f" of {_counted(most)}" if least == most else f" of {least} to {_counted(most)}"
        length = f" of at most {_counted(most)}" if not least else length
    else:
        length = f" of at least {_counted(least)}" if least else ""
    return "a text" + length + (f" with the pattern {node.pattern}" if node.pattern is not None else "")


def _format(name: str) -> str:
    return _FORMATS.get(name) or f"a text in the format {name}"


_FORMATS: dict[str, str] = {
    "date": "a date (such as 2024-01-31)",
    "date-time": "a date with a time (such as 2024-01-31T09:30:00)",
    "time": "a time (such as 09:30:00)",
    "duration": "a duration (such as PT1H30M)",
    "email": "an email address",
    "uri": "a URL",
    "uuid": "a UUID",
}


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."
