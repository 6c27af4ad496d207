"""Rows and their names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from math import isfinite
from typing import Any
from uuid import UUID

from ..jsontext import canonical, digest
from ..pipeline import KEPT
from ..pipeline.keys import EXTRAS

__all__ = ["HIDDEN", "Row", "chance", "child_id", "clear", "new_row", "of_the_run", "ordered", "own_fields", "row_id"]

Row = Mapping[str, Any]

HIDDEN = tuple(f"_{name}" for name in EXTRAS)
"""What a row knows beside its fields; outputs that ask for it have it too."""

_OF_THE_RUN = (*KEPT, *HIDDEN)

_ID_LENGTH = 24


def row_id(source: str, document: str, step: str, place: int = 0) -> str:
    """The name of a row that a step made: the same for the same source, content (the document's id), step and place."""
    return digest(canonical([source, document, step, place]))[:_ID_LENGTH]


def child_id(row: Row, step: str, place: int) -> str:
    """The name of a row that a step made of another one."""
    return digest(canonical([str(row["_id"]), step, place]))[:_ID_LENGTH]


def new_row(record: Row, id: str, source: str, along: Row | None = None) -> dict[str, Any]:
    """A row out of a record: its fields, the columns that come `along` with it, `_id` and `_source`."""
    return {**record, **(along or {}), "_id": id, "_source": source}


def own_fields(row: Row) -> dict[str, Any]:
    """The fields of a row, without what belongs to the run."""
    return {name: value for name, value in row.items() if name not in _OF_THE_RUN}


def of_the_run(row: Row) -> dict[str, Any]:
    """What of a row belongs to the run: its names, and what it knows beside its fields."""
    return {name: row[name] for name in _OF_THE_RUN if name in row}


def ordered(row: Row) -> dict[str, Any]:
    """The row with its fields first."""
    return {**own_fields(row), **of_the_run(row)}


def clear(value: Any) -> Any:
    """Values of Python as JSON values: dates and times as ISO texts, mappings as dicts, sets in an order that stays
    the same. Raises TypeError for others."""
    if isinstance(value, Enum):
        return clear(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, Decimal)):
        if not isfinite(value):
            raise TypeError(f"{value} is no number of JSON.")
        return value
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {_name(name): clear(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clear(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(clear, value), key=canonical)
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return clear(value.model_dump(mode="python", by_alias=True))
    raise TypeError(f"a {type(value).__name__}.")


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a key that is a {type(name).__name__}.")
    return name


def chance(seed: int, id: str) -> float:
    """A number from 0 to 1 for a row, the same on every start and machine."""
    return int.from_bytes(sha256(f"{seed}:{id}".encode()).digest()[:8], "big") / 2**64
