"""Reads what may be said in several places of a pipeline: the settings of calls, attempts, what becomes of failures,
and where rows are written to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from os.path import normpath
from pathlib import Path
from typing import Any

from ..errors import ModelError, PipelineError
from ..nodes import Anything, Type
from ..settings import SETTINGS, check_settings, wrong
from ..sinks import Target, target_of
from ..waiving import OnFailure
from .keys import EXTRAS, FLOW, MODES, ON_FAILURE, OUTPUT
from .problems import Problems, kind, nearest
from .rowtypes import field_names, is_record
from .values import Write
from .written import Place, Written

__all__ = ["Defaults", "Outputs", "read_attempts", "read_on_failure", "read_settings"]


@dataclass(frozen=True)
class Defaults:
    """What the pipeline as a whole says to its steps."""

    settings: dict[str, Any] = field(default_factory=dict)
    attempts: int | None = None
    on_failure: OnFailure = "reject"


def read_settings(problems: Problems, written: Written, *, of_step: bool = False) -> dict[str, Any]:
    """The settings of calls, each checked where it stands."""
    if not isinstance(written.value, dict):
        message = f"`settings` is a mapping of keys, and this is {kind(written)}."
        problems.add(written.place, message, "Write `settings: {temperature: 0}`.")
        return {}
    found: dict[str, Any] = {}
    for name, item in written.value.items():
        value = _for_the_wire(item.plain())
        if name == "extra_headers" and of_step:
            message = "`extra_headers` go with every request of a pipeline, because a model is opened once."
            problems.add(written.keys[name], message, "Move them to the `settings` of the pipeline.")
            continue
        if (said := wrong(name, value)) is not None:
            problems.add(written.keys[name] if name not in SETTINGS else item.place, *said)
        else:
            found[name] = value
    try:
        check_settings(found)
    except ModelError as error:
        at = "max_completion_tokens" if "max_completion_tokens" in found else "top_logprobs"
        problems.carry(written.keys.get(at, written.place), error)
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


def read_on_failure(
    problems: Problems, written: Written | None, default: OnFailure, choices: tuple[str, ...] = ON_FAILURE
) -> OnFailure:
    return default if written is None else problems.choice(written, "on_failure", choices) or default


@dataclass
class Outputs:
    """Reads where rows are written to. What is written twice is an error, so the places of all are known here. `inputs`
    says of a file whether the pipeline reads it: nothing is written over that."""

    problems: Problems
    places: dict[str, Place] = field(default_factory=dict)
    inputs: Callable[[Path], bool] = lambda path: False

    def read(
        self, written: Written, number: int, type: Type | None, *, of_step: bool = False, **flow: Any
    ) -> Write | None:
        """One output: a path or an address, or ``{to: path, with: [evidence, confidence, cost]}``. Of a step, what it
        takes stands beside the `write`."""
        entries: dict[str, Written] = {"to": written}
        if isinstance(written.value, dict):
            known = tuple(one for one in OUTPUT if not (of_step and one in FLOW))
            beside = _beside if of_step else lambda key: None
            entries = self.problems.keys(written, known, "an output", elsewhere=beside)
        if "to" not in entries:
            if not (isinstance(written.value, dict) and written.value.keys() - set(OUTPUT)):
                message = "An output needs a path: `to` is missing."
                self.problems.add(written.place, message, "Write `to: out/rows.jsonl` into it.")
            return None
        extras: tuple[str, ...] = ()
        if "with" in entries:
            named = self.problems.texts(entries["with"], "with")
            extras = tuple(str(found) for item in named if (found := self.problems.choice(item, "with", EXTRAS)))
        to = self.problems.file(entries["to"], "write")
        if to is None:
            return None
        table = self.problems.text(entries["table"], "table") if "table" in entries else None
        key = self.problems.texts(entries["key"], "key") if "key" in entries else ()
        mode = self.problems.choice(entries["mode"], "mode", MODES) if "mode" in entries else None
        each = entries.get("rows_per_file")
        per_file = None if each is None else self.problems.number(each, "rows_per_file", above=True, whole=True)
        known = () if type is None or not is_record(type) else field_names(type)
        for one in key if known else ():
            if one.value not in known:
                message = f"The rows have no field `{one.shown}`."
                self.problems.add(one.place, message, nearest(str(one.value), known, "Their fields"))
        try:
            names = [str(one.value) for one in key]
            target = target_of(to, table=table, mode=mode, key=names, per_file=per_file, shown=entries["to"].shown)
        except PipelineError as error:
            self.problems.carry(entries["to"].place, error)
            return None
        if self.twice(target, entries["to"].place):
            return None
        if target.path is not None and self.inputs(target.path):
            message = f"{entries['to'].shown} is read by this pipeline, and would be written over."
            self.problems.add(entries["to"].place, message, "Write somewhere else.")
        return Write(number, entries["to"].place, type or Type(root=Anything()), target, extras, **flow)

    def twice(self, target: Target, place: Place) -> bool:
        name = str(target) if target.path is None else normpath(target.path)
        if name not in self.places:
            self.places[name] = place
            return False
        at = self.places[name]
        first = f"it was first on line {at.line}" if place.line else f"it was first at {at.path}"
        self.problems.add(place, f"{target} is written twice; {first}.", "Give it another name.")
        return True


def _beside(key: str) -> str | None:
    return f"Write `{key}` beside the `write`, not in it." if key in FLOW else None
