"""Scalars of Python that JSON has not, or has in another form: how they are written, and which are refused. What none
of our rules knows is left to pydantic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, partial
from typing import Any

from ..errors import SchemaError

__all__ = ["by_pydantic", "carries_inf_nan", "finite", "number", "spelled", "unfit", "utf8"]


def number(value: Decimal) -> int | float | Decimal:
    """A Decimal as the JSON number that keeps all its digits."""
    if not value.is_finite():
        raise _infinite(value)
    if value == value.to_integral_value() and value.as_tuple().exponent == 0:
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else value


def finite(value: float) -> float:
    if not math.isfinite(value):
        raise _infinite(value)
    return float(value)


def _infinite(value: float | Decimal) -> SchemaError:
    return SchemaError(
        f"JSON has no number {value}.",
        fix="Leave the value out, or declare the field with Field(allow_inf_nan=True): it is then written as text.",
    )


def utf8(value: bytes | bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise SchemaError(
            f"These bytes are no UTF-8 text: {bytes(value[:40])!r}.",
            fix="Declare the field as Base64Bytes, or set val_json_bytes='base64' in the model's config.",
        ) from None


def carries_inf_nan(core: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether the declaration asks for numbers that JSON has not: they are then written as text."""
    return core.get("allow_inf_nan") is True or (
        config.get("ser_json_inf_nan") == "strings" and core.get("allow_inf_nan") is not False
    )


def spelled(value: Any) -> str | None:
    """The text of a number that JSON has not; None for every other value."""
    if isinstance(value, (float, Decimal)) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return None


def by_pydantic(value: Any, serialization: Any = None) -> Any:
    """What pydantic makes of a value of a type that needs none of the rules here."""
    from pydantic_core import PydanticSerializationError

    serializer = _serializer() if serialization is None else _serializer_with(serialization)
    try:
        return serializer.to_python(value, mode="json", warnings="error")
    except (PydanticSerializationError, UnicodeDecodeError, RecursionError):
        raise unfit(value) from None


def _serializer_with(serialization: Any) -> Any:
    from pydantic_core import SchemaSerializer, core_schema

    return SchemaSerializer(core_schema.any_schema(serialization=serialization))


_serializer = cache(partial(_serializer_with, None))


def unfit(value: Any, fix: str = "Leave the value out, or give the field a type that JSON can hold.") -> SchemaError:
    return SchemaError(f"This value of type {type(value).__name__} has no JSON form: {value!r:.80}.", fix=fix)
