"""Validates a JSON value and says what is wrong with it in plain words, by place.

Pydantic's locations carry names that are no part of the value (tags of unions, functions, keys); they are brought
back to pointers into the value. Alternatives that all failed at one place become one problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from .. import pointer
from ..extraction import Problem
from .declared import Declared
from .documents import LISTS, MAPS, SINGLE
from .formats import CHECKS
from .membership import is_multiple
from .patterns import python_pattern, readable, searcher

__all__ = ["Check", "json_schema_check", "pydantic_check"]

Check = Callable[[Any, Any], tuple[Any, tuple[Problem, ...]]]
"""A function of a JSON value and a context that gives the validated value, or None, and the problems."""


def pydantic_check(declared: Declared) -> Check:
    """Validation with a pydantic type."""
    from pydantic import ValidationError

    def check(value: Any, context: Any) -> tuple[Any, tuple[Problem, ...]]:
        try:
            return declared.validate(value, context), ()
        except ValidationError as wrong:
            errors = wrong.errors(include_url=False, include_context=False, include_input=False)
            return None, _joined(_problem(value, error["loc"], error["type"], error["msg"]) for error in errors)

    return check


def _problem(value: Any, location: Sequence[str | int], kind: str, said: str) -> Problem:
    missing = kind in (
        "missing",
        "missing_argument",
        "missing_keyword_only_argument",
        "missing_positional_only_argument",
    )
    place = pointer.join(*_way(value, list(location), missing)[1])
    found = pointer.get(value, place)
    message = "This is required." if missing else _sentence(said)
    return Problem(place, message, "missing" if missing else "invalid", None if found is pointer.ABSENT else found)


def _way(value: Any, location: list[str | int], missing: bool) -> tuple[int, list[str | int]]:
    """The steps of a location that lead through the value, as many as can be: (how many, the steps)."""
    if not location:
        return 0, []
    step, rest = location[0], location[1:]
    best: tuple[int, list[str | int]] = (0, [])
    inner: Any = pointer.ABSENT
    if isinstance(value, dict) and str(step) in value:
        inner = value[str(step)]
    elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        inner = value[step]
    if inner is not pointer.ABSENT:
        count, steps = _way(inner, rest, missing)
        best = (count + 1, [step, *steps])
    elif missing and not rest and isinstance(value, dict):
        return 1, [step]
    skipped = _way(value, rest, missing)
    return max(best, skipped, key=lambda one: one[0])


def _sentence(said: str) -> str:
    for start in ("Value error, ", "Assertion failed, "):
        said = said.removeprefix(start)
    said = said.strip()
    said = said[:1].upper() + said[1:]
    return said if said.endswith((".", "!", "?")) else said + "."


def _joined(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems of one place as one: the messages of the alternatives stand side by side."""
    places: dict[str, list[Problem]] = {}
    for problem in problems:
        places.setdefault(problem.pointer, []).append(problem)
    made = []
    for place, found in places.items():
        messages = list(dict.fromkeys(one.message for one in found))
        said = messages[0] if len(messages) == 1 else " Or: ".join(messages)
        made.append(Problem(place, said, found[0].kind, found[0].value))
    return tuple(made)


def json_schema_check(schema: Mapping[str, Any] | bool) -> Check:
    """Validation with a JSON Schema, by the draft that it names."""
    made: list[Any] = []

    def check(value: Any, context: Any) -> tuple[Any, tuple[Problem, ...]]:
        if not made:
            made.append(_validator(schema))
        problems = _joined(one for error in made[0].iter_errors(value) for one in _of_error(error))
        return (None if problems else value), problems

    return check


def _validator(schema: Mapping[str, Any] | bool) -> Any:
    """The validator of the draft that the schema names; one that names none and lists `items` is of an older draft."""
    from jsonschema import Draft201909Validator, Draft202012Validator, FormatChecker, validators

    formats = FormatChecker()
    for name, pattern in CHECKS.items():
        formats.checks(name)(_fitting(pattern))
    default = Draft201909Validator if _lists_items(schema) else Draft202012Validator
    kind = validators.validator_for(schema, default=default)
    numbers = kind.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer})
    return validators.extend(kind, {"multipleOf": _multiple_of}, type_checker=numbers)(
        _pythonic(schema), format_checker=formats
    )


def _is_number(checker: Any, value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_integer(checker: Any, value: Any) -> bool:
    """1.0 is whole, as a Decimal too."""
    return _is_number(checker, value) and (isinstance(value, int) or value == value // 1)


def _multiple_of(validator: Any, step: Any, value: Any, schema: Any) -> Iterable[Any]:
    """Counted in decimal digits: 19.99 is a multiple of 0.01, though not as floats."""
    from jsonschema import ValidationError

    if _is_number(None, value) and not is_multiple(value, step):
        yield ValidationError(f"{value!r} is not a multiple of {step!r}")


class _Pattern(str):
    """An expression in Python's dialect that remembers how it was written."""

    def __new__(cls, written: str) -> _Pattern:
        made = super().__new__(cls, python_pattern(written))
        made.written = written
        return made

    written: str


def _pythonic(schema: Any) -> Any:
    """The schema with its expressions in Python's dialect, as jsonschema reads them; one that cannot be read there, and
    of which `explain` has told, is left out."""
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "pattern" and isinstance(value, str):
            if readable(value):
                made[keyword] = _Pattern(value)
        elif keyword == "patternProperties" and isinstance(value, dict):
            made[keyword] = {python_pattern(name): _pythonic(inner) for name, inner in value.items() if readable(name)}
        elif isinstance(value, dict) and keyword in MAPS:
            made[keyword] = {name: _pythonic(inner) for name, inner in value.items()}
        elif isinstance(value, dict) and keyword in SINGLE:
            made[keyword] = _pythonic(value)
        elif isinstance(value, list) and keyword in LISTS:
            made[keyword] = [_pythonic(inner) for inner in value]
        else:
            made[keyword] = value
    return made


def _fitting(pattern: str) -> Callable[[object], bool]:
    fits = searcher(pattern)
    return lambda value: not isinstance(value, str) or fits(value)


def _lists_items(schema: Any) -> bool:
    if isinstance(schema, dict):
        return isinstance(schema.get("items"), list) or any(map(_lists_items, schema.values()))
    return isinstance(schema, list) and any(map(_lists_items, schema))


def _of_error(error: Any) -> Iterable[Problem]:
    at = [str(step) for step in error.absolute_path]
    if error.validator == "required" and isinstance(error.instance, dict):
        names = [name for name in error.validator_value if name not in error.instance]
        name = next((name for name in names if repr(name) in error.message), names[0])
        yield Problem(pointer.join(*at, name), "This is required.", "missing")
        return
    if error.validator in ("anyOf", "oneOf") and error.context:
        inner = _closest(error)
        if inner:
            yield from inner
            return
    if error.validator is None:
        yield Problem(pointer.join(*at), "There may be no value here.", "invalid", error.instance)
        return
    words = _WORDS.get(error.validator)
    said = words(error.validator_value, error.instance) if words else _sentence(error.message)
    yield Problem(pointer.join(*at), said, "invalid", error.instance)


def _closest(error: Any) -> list[Problem]:
    """The problems of the one alternative that the value got furthest into."""
    branches: dict[int, list[Any]] = {}
    for inner in error.context:
        if inner.schema_path and inner.validator is not None:  # `false` says of itself nothing but that
            branches.setdefault(inner.schema_path[0], []).append(inner)
    if not branches:
        return []
    deep = {index: min(len(one.path) for one in found) for index, found in branches.items()}
    best = max(deep.values())
    chosen = [index for index, depth in deep.items() if depth == best]
    if len(chosen) != 1 or best == 0:
        plain = [index for index, found in branches.items() if all(one.validator != "type" for one in found)]
        chosen = plain if len(plain) == 1 else []
    return [problem for index in chosen for one in branches[index] for problem in _of_error(one)]


MOST_SHOWN = 200
"""Values in a message are shown up to so many characters."""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def _listed(values: Any) -> str:
    text = ", ".join(repr(value) for value in values)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def _needed(table: Any, instance: Any) -> str:
    """What the names that are there ask for."""
    missing = [
        f"where {name!r} is, {other!r} is required"
        for name, others in table.items()
        if name in instance and isinstance(others, list)
        for other in others
        if other not in instance
    ]
    said = "; ".join(missing)
    return f"{said[:1].upper()}{said[1:]}." if said else "A property that another one asks for is missing."


_NAMES = {
    "array": "a list",
    "object": "an object",
    "integer": "a whole number",
    "null": "null",
    "boolean": "true or false",
}


def _typed(named: Any, instance: Any) -> str:
    listed = [named] if isinstance(named, str) else list(named)
    return f"This must be {' or '.join(_NAMES.get(one, f'a {one}') for one in listed)}."


_WORDS: dict[str, Callable[[Any, Any], str]] = {
    "type": _typed,
    "enum": lambda values, _: f"This must be one of {_listed(values)}.",
    "const": lambda value, _: f"This must be {_shown(value)}.",
    "contains": lambda _, __: "Too few of the items are of the kind that the list must contain.",
    "maxContains": lambda count, _: f"More than {count} of the items are of the kind that the list must contain.",
    "additionalProperties": lambda _, __: "There may be no other properties than those that are declared.",
    "unevaluatedProperties": lambda _, __: "There may be no other properties than those that are declared.",
    "additionalItems": lambda _, __: "There may be no more items.",
    "unevaluatedItems": lambda _, __: "There may be no more items.",
    "items": lambda _, __: "There may be no more items.",
    "dependentRequired": _needed,
    "dependencies": _needed,
    "minimum": lambda bound, _: f"This must be at least {bound}.",
    "maximum": lambda bound, _: f"This must be at most {bound}.",
    "exclusiveMinimum": lambda bound, _: f"This must be greater than {bound}.",
    "exclusiveMaximum": lambda bound, _: f"This must be less than {bound}.",
    "multipleOf": lambda step, _: f"This must be a multiple of {step}.",
    "minLength": lambda count, _: f"This must have at least {count} characters.",
    "maxLength": lambda count, _: f"This must have at most {count} characters.",
    "pattern": lambda pattern, _: f"This must match the pattern {pattern.written}",
    "format": lambda name, _: f"This is not in the format {name!r}.",
    "minItems": lambda count, _: f"There must be at least {count} items.",
    "maxItems": lambda count, _: f"There must be at most {count} items.",
    "uniqueItems": lambda _, __: "An item stands here twice.",
    "minProperties": lambda count, _: f"There must be at least {count} properties.",
    "maxProperties": lambda count, _: f"There must be at most {count} properties.",
    "not": lambda _, __: "This is one of the values that are ruled out.",
    "anyOf": lambda _, __: "This fits none of the alternatives.",
    "oneOf": lambda _, __: "This must fit exactly one of the alternatives.",
}
