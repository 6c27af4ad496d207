"""What providers would refuse in a schema, and what is costly in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..jsontext import dump
from .rules import violations
from .wire import Wired

__all__ = ["Finding", "lint"]

LONG = 60_000
"""A wire schema of more characters than these is costly: it is part of every request's input."""

_AZURE = (
    "minItems",
    "maxItems",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "multipleOf",
    "exclusiveMinimum",
    "exclusiveMaximum",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a schema: where, who minds, and what."""

    pointer: str
    who: Literal["openai", "azure", "cost", "schema"]
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or 'the root'}: {self.message} ({self.who})"


def lint(full: Mapping[str, Any], wired: Wired) -> tuple[Finding, ...]:
    """The findings: about the full schema if it were sent as it is, and about the wire schema that is sent."""
    found = [
        Finding(one.pointer, "openai", f"as it stands, OpenAI would refuse it: {one.message}")
        for one in violations(full)
    ]
    found += [Finding(one.pointer, "openai", f"on the wire: {one.message}") for one in violations(wired.schema)]
    found += [Finding(one.pointer, "schema", one.what + ".") for one in wired.rewrites if one.rule == "never"]
    found += [
        Finding(one.pointer, "schema", f"{one.what}, and nothing checks it.") for one in wired.rewrites if one.unchecked
    ]
    text = dump(wired.schema, spaced=False)
    named = [word for word in _AZURE if f'"{word}":' in text]
    if named:
        said = f"on the wire: {', '.join(named)}: older API versions of Azure refuse these keywords."
        found.append(Finding("", "azure", said))
    if len(text) > LONG:
        found.append(Finding("", "cost", f"the wire schema has {len(text)} characters, which every request pays for."))
    return tuple(found)
