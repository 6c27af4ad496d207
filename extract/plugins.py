"""Verbs of other packages, found by entry point.

A package that declares

    [project.entry-points."extract.verbs"]
    geocode = "my_package:geocode"

gives pipelines the verb `geocode`. What stands there is a function of the verb's argument and its options (JSON values,
as written in the pipeline) that gives a function of a row, which works as that of a `python` step does: it gives a row,
several, or None; with a return annotation, or an attribute `schema`, its rows are checked. A verb says what is wrong
with its argument by raising `ValueError`, and it is told with its place. The package is loaded when a pipeline names
its verb, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .errors import PipelineError

__all__ = ["RowFunction", "verb_names", "verb_of"]

RowFunction = Callable[[dict[str, Any]], Any]

_GROUP = "extract.verbs"


def verb_names() -> tuple[str, ...]:
    """The verbs that installed packages bring."""
    return tuple(sorted(_found()))


def verb_of(name: str, argument: Any, options: Mapping[str, Any]) -> RowFunction:
    """The function of a row that a verb makes of its argument and options. Raises PipelineError without a place."""
    found = _found()[name]
    try:
        make = found.load()
    except Exception as error:  # another package may raise anything while it is loaded
        message = f"The verb `{name}` cannot be loaded: {type(error).__name__}: {error}."
        raise PipelineError(message, fix=f"It comes from {_package(found)}.") from error
    try:
        made = make(argument, **options)
    except (TypeError, ValueError) as error:
        message = f"The verb `{name}` does not take this: {str(error).rstrip('.')}."
        raise PipelineError(message, fix=f"It comes from {_package(found)}.") from None
    if not callable(made):
        message = f"The verb `{name}` gave a {type(made).__name__} and no function of a row."
        raise PipelineError(message, fix=f"It comes from {_package(found)}.")
    return made  # type: ignore[no-any-return]


def _found() -> dict[str, EntryPoint]:
    return {one.name: one for one in entry_points(group=_GROUP)}


def _package(found: EntryPoint) -> str:
    return f"{found.dist.name} {found.dist.version}" if found.dist is not None else found.value
