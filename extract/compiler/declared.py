"""What a user's pydantic type declares, as JSON Schema.

Pydantic's own JSON Schema (validation mode, by alias) is the start; `describing` mends it where it is unfit for a wire
and notes beside it what JSON Schema has no word for. `Declared` also validates values and makes JSON values of
instances (`dumping`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import orjson

from .. import jsontext
from ..errors import SchemaError
from ..jsontext import finite
from ..pointer import get, join, leaves, put
from .describing import BY_NAME, FUNCTIONS, UNFIT, Unreadable, generator, marking_generator
from .dumping import Dump, dumper
from .reading import AFTER, ALIASES

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

__all__ = ["Declared", "declared", "name_of"]


@dataclass(frozen=True)
class Declared:
    """A pydantic type: its adapter, its JSON Schema, and the same with the notes for readers."""

    adapter: TypeAdapter[Any]
    annotated: dict[str, Any]
    full: dict[str, Any]
    functions: tuple[tuple[str, str], ...]
    """The user's validators: where, and their names."""
    by_name: bool
    """Whether a field is known by its own name because its aliases are ways through other values."""

    def validate(self, value: Any, context: Any) -> Any:
        """The instance, by pydantic's rules for JSON. Raises pydantic's ValidationError.

        A Decimal goes as text where a Decimal is made of it: pydantic reads JSON numbers through floats and would
        round it.
        """
        text = _plain(value)
        places = [] if text is not None else [place for place, leaf in leaves(value) if isinstance(leaf, Decimal)]
        if not places:
            return self._validated(value, context, text)
        from pydantic import ValidationError

        with suppress(ValidationError):  # a type that takes no text for a number says so below, of the number
            instance = self._validated(_texted(value, places), context)
            shown = self.dumped(instance)
            numbers = [place for place in places if not isinstance(get(shown, place), str)]
            return instance if numbers == places else self._validated(_texted(value, numbers), context)
        return self._validated(value, context)

    def _validated(self, value: Any, context: Any, text: bytes | None = None) -> Any:
        text = text or jsontext.dump(value).encode("utf-8", "surrogatepass")
        return self.adapter.validate_json(text, context=context, by_alias=True, by_name=self.by_name or None)

    def dumped(self, instance: Any) -> Any:
        """An instance as a JSON value: what validation reads back to it."""
        return self._dump(instance)

    @cached_property
    def _dump(self) -> Dump:
        return dumper(self.adapter.core_schema)


def _plain(value: Any) -> bytes | None:
    """The JSON text of a value that the fast encoder writes exactly: it takes no Decimals here, and writes null for
    what is no number."""
    try:
        text = orjson.dumps(value, option=_PLAIN)
    except TypeError:
        return None
    return text if b"null" not in text or finite(value) else None


_PLAIN = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def _texted(value: Any, places: list[str]) -> Any:
    """The value with the numbers at these places as text."""
    for place in places:
        value = put(value, place, str(get(value, place)))
    return value


def declared(source: Any) -> Declared:
    """What a type declares. Raises `SchemaError` for what pydantic cannot describe."""
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUndefinedAnnotation

    if isinstance(source, (FunctionType, MethodType, BuiltinFunctionType)):
        raise SchemaError(
            f"{source.__name__} is a function, and no type.",
            where=source.__name__,
            fix="Give the type of the answer, such as the one that the function returns.",
        )
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(source)
        annotated = _schema_of(adapter, generator())
    except PydanticInvalidForJsonSchema as wrong:
        raise SchemaError(
            f"This part of {name_of(source)} has no JSON form: {_first_line(wrong)}.",
            where=_unfit_place(adapter) or name_of(source),
            fix="Leave it out of the schema, give it another type, or a default together with `SkipJsonSchema`.",
        ) from wrong
    except Unreadable as wrong:
        said, fix = wrong.args
        raise SchemaError(
            f"This part of {name_of(source)} cannot be read from JSON: {said}.",
            where=_unfit_place(adapter) or name_of(source),
            fix=fix,
        ) from None
    except PydanticUndefinedAnnotation as wrong:
        raise _undefined(source, wrong.name or "a type") from wrong
    except ImportError as wrong:
        raise SchemaError(
            f"{name_of(source)} needs a package that is missing.",
            where=name_of(source),
            fix=_first_line(wrong) + ".",
        ) from wrong
    except (PydanticSchemaGenerationError, PydanticUserError) as wrong:
        if wrong.code == "class-not-fully-defined":
            raise _undefined(source, _missing_name(adapter)) from None
        raise SchemaError(
            f"{name_of(source)} is no type that pydantic can describe: {_first_line(wrong)}",
            where=name_of(source),
            fix="Use a pydantic model, a dataclass, a TypedDict, a NamedTuple, an enum, or a type made of these.",
        ) from wrong
    return Declared(adapter, annotated, *_parted(annotated))


def _undefined(source: Any, name: str) -> SchemaError:
    return SchemaError(
        f"{name_of(source)} refers to {name!r}, which is not defined.",
        where=name_of(source),
        fix="Define it before the schema is compiled, in the module of the schema.",
    )


def _missing_name(adapter: TypeAdapter[Any]) -> str:
    """The name that a type refers to and that is not there."""
    from pydantic.errors import PydanticUndefinedAnnotation

    try:
        adapter.rebuild(raise_errors=True)
    except PydanticUndefinedAnnotation as wrong:
        return wrong.name or "a type"
    return "a type"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip().rstrip(".")


def _schema_of(adapter: TypeAdapter[Any], made_by: type[GenerateJsonSchema]) -> dict[str, Any]:
    return adapter.json_schema(by_alias=True, mode="validation", schema_generator=made_by)


def _unfit_place(adapter: TypeAdapter[Any]) -> str:
    """Where in the JSON Schema the part stands that has none."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), _schema_of(adapter, marking_generator()))]
    while waiting:
        path, part = waiting.pop(0)
        if isinstance(part, Mapping):
            if UNFIT in part:
                return join(*path)
            waiting.extend(((*path, str(name)), inner) for name, inner in part.items())
        elif isinstance(part, list):
            waiting.extend(((*path, str(index)), inner) for index, inner in enumerate(part))
    return ""


_NOTES = frozenset((ALIASES, AFTER, FUNCTIONS, BY_NAME))


@dataclass
class _Parts:
    functions: list[tuple[str, str]] = field(default_factory=list)
    by_name: bool = False


def _parted(annotated: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[tuple[str, str], ...], bool]:
    """The schema without the notes; the validators that they tell of, with their places; whether names count."""
    found = _Parts()
    full = _without_notes(annotated, (), found)
    return full, tuple(found.functions), found.by_name


def _without_notes(schema: Any, at: tuple[str, ...], found: _Parts) -> Any:
    if isinstance(schema, dict):
        if FUNCTIONS in schema:
            found.functions += ((join(*at), name) for name in schema[FUNCTIONS])
        found.by_name = found.by_name or BY_NAME in schema
        return {
            name: _without_notes(inner, (*at, name), found) if isinstance(inner, (dict, list)) else inner
            for name, inner in schema.items()
            if name not in _NOTES
        }
    if isinstance(schema, list):
        return [_without_notes(inner, (*at, str(index)), found) for index, inner in enumerate(schema)]
    return schema


def name_of(source: Any) -> str:
    """The name of a type for the wire: letters, digits, ``_`` and ``-``, at most 64."""
    said = getattr(source, "__name__", None) if isinstance(source, type) else None
    bare = said or re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", str(source))  # the names of modules are long
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "_", bare).strip("_")
    return cleaned[:64] or "answer"
