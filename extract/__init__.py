"""Turns documents into typed, checked, explained records with a language model.

    from extract import extract

    @extract(model="openai/gpt-4o-mini")
    def read_receipt(document) -> Receipt:
        \"\"\"Read the receipt. Amounts are in the currency printed on it.\"\"\"

Importing this package has no effect and loads no SDK: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .document import Document
    from .errors import (
        BudgetExceeded,
        DocumentError,
        ExtractError,
        ModelError,
        PipelineError,
        SchemaError,
        ValidationFailed,
    )
    from .extraction import Extraction
    from .function import extract
    from .running import Pipeline
    from .schema import Schema, compile

__all__ = [
    "BudgetExceeded",
    "Document",
    "DocumentError",
    "ExtractError",
    "Extraction",
    "ModelError",
    "Pipeline",
    "PipelineError",
    "Schema",
    "SchemaError",
    "ValidationFailed",
    "compile",
    "extract",
]

_HOMES = {
    "Document": "document",
    "Extraction": "extraction",
    "Pipeline": "running",
    "Schema": "schema",
    "compile": "schema",
    "extract": "function",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
