"""What a user's pydantic type declares, as JSON Schema.

Pydantic's own JSON Schema (validation mode, by alias) is the start; where it is unfit for a wire it is mended: what
has no JSON Schema is refused with its place, defaults that are no JSON are left out, and the other names by which a
field is known go along under `ALIASES`, for readers. `Declared` also validates values and makes JSON values of
instances.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from types import BuiltinFunctionType, FunctionType, MethodType, NoneType
from typing import TYPE_CHECKING, Any

from .. import jsontext
from ..errors import SchemaError
from ..pointer import join
from .formats import DATE_TIME, DURATION, TIME

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

__all__ = ["ALIASES", "Declared", "declared", "name_of"]

ALIASES = "x-extract-aliases"
_UNFIT = "x-extract-unfit"
_FUNCTIONS = "x-extract-functions"
_NOTES = (ALIASES, _FUNCTIONS)
_OWN = ("", "builtins", "pydantic", "pydantic_core", "annotated_types", "ipaddress", "pathlib", "re", "zoneinfo")
"""Whose validators belong to a type that is described already."""


@dataclass(frozen=True)
class Declared:
    """A pydantic type: its adapter, its JSON Schema, and the same with the names of fields for readers."""

    adapter: TypeAdapter[Any]
    full: dict[str, Any]
    annotated: dict[str, Any]
    functions: tuple[tuple[str, str], ...]
    """The user's validators: where, and their names."""

    def validate(self, value: Any, context: Any) -> Any:
        """The instance, by pydantic's rules for JSON. Raises pydantic's ValidationError.

        A Decimal goes as text first, since pydantic reads JSON numbers through floats and would round it.
        """
        from pydantic import ValidationError

        exact = _texted(value)
        if exact is not value:
            with suppress(ValidationError):  # a type that takes no text for a number says so below, of the number
                return self.adapter.validate_json(jsontext.dump(exact), context=context)
        return self.adapter.validate_json(jsontext.dump(value), context=context)

    def dump(self, instance: Any) -> Any:
        """The instance as a JSON value: aliases, no computed fields, secrets in the clear, Decimals as numbers."""
        made = self.adapter.dump_python(instance, mode="json", by_alias=True, round_trip=True, warnings=False)
        return _mended(made, instance)


def _texted(value: Any) -> Any:
    """The value with its Decimals as text; the same object where there is none."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        made = {name: _texted(inner) for name, inner in value.items()}
        return made if any(made[name] is not value[name] for name in made) else value
    if isinstance(value, list):
        items = [_texted(inner) for inner in value]
        return items if any(one is not other for one, other in zip(items, value, strict=True)) else value
    return value


def _mended(made: Any, plain: Any) -> Any:
    """JSON values that pydantic's dump hides or that JSON has not: secrets, Decimals, inf and nan."""
    if hasattr(plain, "get_secret_value"):
        inner = plain.get_secret_value()
        return inner.decode() if isinstance(inner, bytes) else _mended(inner, inner)
    if isinstance(plain, Decimal) and isinstance(made, str) and plain.is_finite():
        return _number(plain)
    if isinstance(plain, (float, Decimal)) and not math.isfinite(plain):
        raise SchemaError(
            f"JSON has no number {plain}.", fix="Leave the value out, or make the field nullable and give None."
        )
    if isinstance(made, dict):
        return _mended_object(made, plain)
    if isinstance(made, list) and isinstance(plain, (list, tuple)) and len(made) == len(plain):
        return [_mended(inner, other) for inner, other in zip(made, plain, strict=True)]
    return made


def _mended_object(made: dict[str, Any], plain: Any) -> dict[str, Any]:
    if isinstance(plain, Mapping):
        if len(made) != len(plain):
            return made
        return {name: _mended(inner, other) for (name, inner), other in zip(made.items(), plain.values(), strict=True)}
    kind: type = type(plain)
    names = {
        field.serialization_alias or field.alias or name: (name, _validated_name(field, name))
        for name, field in _model_fields(kind).items()
    }
    unfit = _unfit_nulls(kind)
    result: dict[str, Any] = {}
    for shown, inner in made.items():
        own, wanted = names.get(shown, (shown, shown))
        if inner is None and own in unfit:
            continue
        result[wanted] = _mended(inner, getattr(plain, own, inner))
    return result


@lru_cache(maxsize=1024)
def _unfit_nulls(kind: type) -> frozenset[str]:
    """The fields with a default of None that their type does not admit (``count: int = None``): null has no place in
    their schema, so it is dumped by leaving it out."""
    suspects = {name: field for name, field in _model_fields(kind).items() if field.default is None}
    return frozenset(name for name, field in suspects.items() if not _takes_none(field.annotation))


def _takes_none(annotation: Any) -> bool:
    from pydantic import PydanticUserError, TypeAdapter, ValidationError

    try:
        TypeAdapter(annotation).validate_python(None)
    except ValidationError:
        return False
    except PydanticUserError:
        return True
    return True


def _model_fields(kind: type) -> Mapping[str, Any]:
    found = getattr(kind, "model_fields", None) or getattr(kind, "__pydantic_fields__", None)
    return found if isinstance(found, Mapping) else {}


def _validated_name(field: Any, name: str) -> str:
    """The name under which the JSON Schema of validation shows a field."""
    given = field.validation_alias or field.alias
    choices = getattr(given, "choices", [given])
    first = choices[0] if choices else None
    path = getattr(first, "path", [first])
    return path[0] if len(path) == 1 and isinstance(path[0], str) else name


def _number(value: Decimal) -> int | float | Decimal:
    if value == value.to_integral_value() and value.as_tuple().exponent == 0:
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else value


def declared(source: Any) -> Declared:
    """What a type declares. Raises `SchemaError` for what pydantic cannot describe."""
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUndefinedAnnotation

    if isinstance(source, (FunctionType, MethodType, BuiltinFunctionType)):
        raise SchemaError(
            f"{source.__name__} is a function, and no type.",
            fix="Give the type of the answer, such as the one that the function returns.",
        )
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(source)
        annotated = _schema_of(adapter)
    except PydanticInvalidForJsonSchema as wrong:
        place = _unfit_place(adapter)
        raise SchemaError(
            f"This part of {name_of(source)} has no JSON form: {_first_line(wrong)}.",
            where=place or None,
            fix="Leave it out of the schema, give it another type, or a default together with `SkipJsonSchema`.",
        ) from wrong
    except PydanticUndefinedAnnotation as wrong:
        raise SchemaError(
            f"{name_of(source)} refers to {wrong.name!r}, which is not defined.",
            fix="Define it before the schema is compiled, in the module of the schema.",
        ) from wrong
    except ImportError as wrong:
        raise SchemaError(
            f"{name_of(source)} needs a package that is missing.", fix=_first_line(wrong) + "."
        ) from wrong
    except (PydanticSchemaGenerationError, PydanticUserError) as wrong:
        raise SchemaError(
            f"{name_of(source)} is no type that pydantic can describe: {_first_line(wrong)}",
            fix="Use a pydantic model, a dataclass, a TypedDict, a NamedTuple, an enum, or a type made of these.",
        ) from wrong
    return Declared(adapter, _stripped(annotated), annotated, tuple(_functions(annotated)))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip().rstrip(".")


def _schema_of(adapter: TypeAdapter[Any], mark_unfit: bool = False) -> dict[str, Any]:
    generator = _generator()
    if mark_unfit:
        generator = type("_Marking", (generator,), {"handle_invalid_for_json_schema": _marked})
    return adapter.json_schema(by_alias=True, mode="validation", schema_generator=generator)


def _marked(self: Any, schema: Any, info: str) -> dict[str, Any]:
    return {_UNFIT: info}


def _unfit_place(adapter: TypeAdapter[Any]) -> str:
    """Where in the JSON Schema the part stands that has none."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), _schema_of(adapter, mark_unfit=True))]
    while waiting:
        path, part = waiting.pop(0)
        if isinstance(part, Mapping):
            if _UNFIT in part:
                return join(*path)
            waiting.extend(((*path, str(name)), inner) for name, inner in part.items())
        elif isinstance(part, list):
            waiting.extend(((*path, str(index)), inner) for index, inner in enumerate(part))
    return ""


@cache
def _generator() -> type[GenerateJsonSchema]:
    """Pydantic's generator, mended, that also notes the user's validators."""
    mended = _mended_generator()

    class Noting(mended):  # type: ignore[valid-type, misc]
        def function_before_schema(self, schema: Any) -> dict[str, Any]:
            return _noting(self, super().function_before_schema(schema), schema)

        def function_after_schema(self, schema: Any) -> dict[str, Any]:
            return _noting(self, super().function_after_schema(schema), schema)

        def function_wrap_schema(self, schema: Any) -> dict[str, Any]:
            return _noting(self, super().function_wrap_schema(schema), schema)

        def function_plain_schema(self, schema: Any) -> dict[str, Any]:
            return _noting(self, super().function_plain_schema(schema), schema)

    return Noting


def _mended_generator() -> type[GenerateJsonSchema]:
    """Pydantic's generator, mended. It is made late: pydantic is heavy."""
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        mode = "validation"
        ignored_warning_kinds = frozenset(("skipped-choice", "non-serializable-default", "skipped-discriminator"))  # type: ignore[assignment]

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

        def datetime_schema(self, schema: Any) -> dict[str, Any]:
            made = super().datetime_schema(schema)
            return made if schema.get("tz_constraint") == "aware" else {**made, "pattern": DATE_TIME}

        def time_schema(self, schema: Any) -> dict[str, Any]:
            made = super().time_schema(schema)
            return made if schema.get("tz_constraint") == "aware" else {**made, "pattern": TIME}

        def timedelta_schema(self, schema: Any) -> dict[str, Any]:
            made = super().timedelta_schema(schema)
            return {**made, "pattern": DURATION} if made.get("format") == "duration" else made

        def decimal_schema(self, schema: Any) -> dict[str, Any]:
            number = self.float_schema({**schema, "type": "float"})  # type: ignore[typeddict-item]
            return {"anyOf": [number, {"type": "string", "pattern": _decimal_pattern(schema)}]}

        def _build_definitions_remapping(self) -> Any:
            return _short_names(self) or super()._build_definitions_remapping()

        def encode_default(self, value: Any) -> Any:
            if type(value) in (str, int, bool, NoneType):
                return value
            made = super().encode_default(value)
            if isinstance(made, float) and not math.isfinite(made):
                raise ValueError("no JSON number")
            return made

        def default_schema(self, schema: Any) -> dict[str, Any]:
            try:
                return super().default_schema(schema)
            except ValueError:
                return self.generate_inner(schema["schema"])

        def _named_required_fields_schema(self, named_required_fields: Any) -> dict[str, Any]:
            made = super()._named_required_fields_schema(named_required_fields)
            for name, _, field in named_required_fields:
                shown = self._get_alias_name(field, name) if self.by_alias else name
                others = [other for other in dict.fromkeys((*_aliases(field), name)) if other != shown]
                inner = made["properties"].get(shown)
                if others and isinstance(inner, dict):
                    inner[ALIASES] = others
            return made

    return Generator


def _noting(generator: GenerateJsonSchema, made: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with the name of a user's validator; pydantic's own are no news."""
    function = schema["function"]["function"]
    name = getattr(function, "__name__", type(function).__name__)
    module = getattr(function, "__module__", None) or ""
    if module.partition(".")[0] in _OWN:
        return made
    target = generator.get_schema_from_definitions(made["$ref"]) if "$ref" in made else made
    if target is not None:
        target[_FUNCTIONS] = [*target.get(_FUNCTIONS, ()), name]
    return made


def _functions(schema: Any, *at: str) -> Iterator[tuple[str, str]]:
    """Where validators stand, and their names."""
    if isinstance(schema, Mapping):
        yield from ((join(*at), name) for name in schema.get(_FUNCTIONS, ()))
        for key, inner in schema.items():
            yield from _functions(inner, *at, key)
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from _functions(inner, *at, str(index))


def _short_names(generator: GenerateJsonSchema) -> Any:
    """The renaming of definitions to their shortest names, where no two share one; pydantic's own way of finding
    this copies and compares all definitions, twice."""
    from pydantic.json_schema import _DefinitionsRemapping

    choices = {name: generator._prioritized_defsref_choices[name] for name in generator.definitions}
    uses = Counter(name for names in choices.values() for name in set(names))
    if any(uses[names[0]] > 1 for names in choices.values()):
        return None
    template = generator.ref_template.format
    paths = {template(model=name): template(model=names[0]) for names in choices.values() for name in names}
    return _DefinitionsRemapping({name: names[0] for name, names in choices.items()}, paths)  # type: ignore[arg-type]


def _aliases(field: Mapping[str, Any]) -> list[str]:
    """The plain names among a field's validation aliases."""
    given = field.get("validation_alias")
    listed = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    paths = [one if isinstance(one, list) else [one] for one in listed]
    return [path[0] for path in paths if len(path) == 1 and isinstance(path[0], str)]


def _decimal_pattern(schema: Mapping[str, Any]) -> str:
    """The texts of a Decimal: digits, a point, an exponent where places are not counted."""
    places, digits = schema.get("decimal_places"), schema.get("max_digits")
    whole = r"\d*" if digits is None else rf"0*\d{{0,{max(0, digits - (places or 0))}}}"
    if digits is None and places is None:
        return r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
    if places == 0:
        return rf"^[+-]?{whole}\.?0*$"
    after = rf"\d{{0,{places}}}0*" if places is not None else rf"\d{{0,{digits}}}0*"
    return rf"^[+-]?{whole}(?:\.{after})?$"


def _stripped(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {name: _stripped(inner) for name, inner in schema.items() if name not in _NOTES}
    return [_stripped(one) for one in schema] if isinstance(schema, list) else schema


def name_of(source: Any) -> str:
    """The name of a type for the wire: letters, digits, ``_`` and ``-``, at most 64."""
    said = getattr(source, "__name__", None) if isinstance(source, type) else None
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "_", said or str(source).replace("typing.", "")).strip("_")
    return cleaned[:64] or "answer"
