"""Reads `python` steps: a function of the project's own, which must be one that a row can be given to.

Naming it is one of the two keys by which code of a project runs. What it says that it gives, by its annotation, is the
type of the rows behind it, if no `schema` is named.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints

from .. import schema as schemas
from ..errors import ExtractError
from ..jsontext import canonical, digest
from ..nodes import Anything, Type
from ..project import code_digest, load_function
from .asking import AskReader, Taken
from .problems import kind
from .rowtypes import row_of
from .values import Python
from .written import Place, Written

__all__ = ["function_step", "read_function"]


def read_function(
    asking: AskReader, number: int, place: Place, options: dict[str, Written], of: Taken
) -> Python | None:
    """The step of a function, by its reference, or given itself in Python."""
    written = options["python"]
    schema: Any = None
    if "schema" in options:
        _, schema = asking.schema(options["schema"], "schema")
    if not isinstance(written.value, str) and not callable(written.value):
        message = f"`python` names a function, and this is {kind(written)}."
        asking.problems.add(written.place, message, "Write its file and its name: code/clean.py:tidy.")
        return None
    try:
        if callable(written.value):
            function, ref, source = written.value, written.text, ""
        else:
            ref = asking.problems.file(written, "python") or ""
            if not ref:
                return None
            function = load_function(ref, asking.root, pipeline=asking.path)
            source = code_digest(ref, asking.root, pipeline=asking.path)
        if (said := _unusable(function)) is not None:
            asking.problems.add(written.place, *said)
            return None
        if "schema" not in options and (declared := _returned(function)) is not None:
            schema = schemas.compile(declared)
    except ExtractError as error:
        asking.problems.carry(written.place, error)
        return None
    type = Type(Anything()) if schema is None else row_of(schema.type)
    return Python(number, place, type, ref, function, source, schema, **of.flow)


def function_step(number: int, place: Place, verb: str, function: Any, written: Any, of: Taken) -> Python:
    """The step of a verb of another package, which works as a function of the project's own; what is `written` of it
    says what it does."""
    schema = getattr(function, "schema", None) or _returned(function)
    compiled = None if schema is None else schemas.compile(schema)
    type = Type(Anything()) if compiled is None else row_of(compiled.type)
    source = digest(canonical(written))
    return Python(number, place, type, verb, function, source, compiled, **of.flow)


def _unusable(function: Callable[..., Any]) -> tuple[str, str] | None:
    """Why a function cannot be given one row, and how to mend it."""
    name = getattr(function, "__qualname__", repr(function))
    if isinstance(function, type):
        return f"{name} is a class, and a `python` step is a function.", "Write `def name(row): ...`, and name that."
    try:
        inspect.signature(function).bind({})
    except TypeError as error:
        return f"{name} cannot be called with one row: {error}.", f"Write `def {name}(row): ...`."
    except ValueError:  # a built-in one may not tell
        return None
    return None


def _returned(function: Any) -> Any:
    """The record that a function says it gives: its annotation, or that of the items of a list or an iterator."""
    try:
        declared = get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001  an annotation that cannot be resolved says nothing
        return None
    options = [one for one in get_args(declared) if one is not type(None)] if get_origin(declared) else [declared]
    if len(options) == 1 and isinstance(options[0], type) and hasattr(options[0], "model_fields"):
        return options[0]
    return None
