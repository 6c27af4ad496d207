"""Reads what may be said in several places of a pipeline: the settings of calls, attempts, what becomes of failures,
and where rows are written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..errors import ModelError, PipelineError
from ..nodes import Anything, Type
from ..settings import SETTINGS, check_settings, wrong
from ..sinks import target_of
from ..waiving import OnFailure
from .keys import EXTRAS, ON_FAILURE, OUTPUT
from .problems import Problems, kind
from .values import Write
from .written import Place, Written

__all__ = ["Defaults", "Outputs", "read_attempts", "read_on_failure", "read_settings"]


@dataclass(frozen=True)
class Defaults:
    """What the pipeline as a whole says to its steps."""

    settings: dict[str, Any] = field(default_factory=dict)
    attempts: int | None = None
    on_failure: OnFailure = "reject"


def read_settings(problems: Problems, written: Written) -> dict[str, Any]:
    """The settings of calls, each checked where it stands."""
    if not isinstance(written.value, dict):
        problems.add(written.place, f"`settings` is a mapping of keys, and this is {kind(written)}.")
        return {}
    found: dict[str, Any] = {}
    for name, item in written.value.items():
        value = _for_the_wire(item.plain())
        if (said := wrong(name, value)) is not None:
            problems.add(written.keys[name] if name not in SETTINGS else item.place, *said)
        else:
            found[name] = value
    try:
        check_settings(found)
    except ModelError as error:
        problems.carry(written.place, error)
    return found


def _for_the_wire(value: Any) -> Any:
    """Parameters go to a server as JSON numbers, which its client makes of floats."""
    if isinstance(value, Mapping):
        return {name: _for_the_wire(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_for_the_wire(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def read_attempts(problems: Problems, written: Written | None, default: int | None) -> int | None:
    found = default if written is None else problems.number(written, "attempts", above=True, whole=True)
    return None if found is None else int(found)


def read_on_failure(problems: Problems, written: Written | None, default: OnFailure) -> OnFailure:
    return default if written is None else problems.choice(written, "on_failure", ON_FAILURE) or default


@dataclass
class Outputs:
    """Reads where rows are written to. What is written twice is an error, so the places of all are known here."""

    problems: Problems
    places: dict[str, Place] = field(default_factory=dict)

    def read(self, written: Written, number: int, type: Type | None, **flow: Any) -> Write | None:
        """One output: a path or an address, or ``{to: path, with: [evidence, confidence, cost]}``."""
        entries: dict[str, Written] = {"to": written}
        if isinstance(written.value, dict):
            entries = self.problems.keys(written, OUTPUT, "an output", {})
        if "to" not in entries:
            self.problems.add(written.place, "An output needs a path: `to` is missing.")
            return None
        extras: tuple[str, ...] = ()
        if "with" in entries:
            named = self.problems.texts(entries["with"], "with")
            extras = tuple(str(found) for item in named if (found := self.problems.choice(item, "with", EXTRAS)))
        to = self.problems.text(entries["to"], "write")
        if to is None:
            return None
        table = self.problems.text(entries["table"], "table") if "table" in entries else None
        key = self.problems.texts(entries["key"], "key") if "key" in entries else ()
        mode = self.problems.choice(entries["mode"], "mode", _MODES) if "mode" in entries else None
        try:
            target = target_of(
                to, table=table, mode=mode, key=[str(one.value) for one in key], shown=entries["to"].shown
            )
        except PipelineError as error:
            self.problems.carry(entries["to"].place, error)
            return None
        if self.twice(f"{target}#{table or ''}", target, entries["to"].place):
            return None
        return Write(number, entries["to"].place, type or Type(root=Anything()), target, extras, **flow)

    def twice(self, name: str, target: Any, place: Place) -> bool:
        if name not in self.places:
            self.places[name] = place
            return False
        at = self.places[name]
        first = f"it was first on line {at.line}" if place.line else f"it was first at {at.path}"
        self.problems.add(place, f"{target} is written twice; {first}.", "Give it another name.")
        return True


_MODES = ("insert", "merge", "replace")
