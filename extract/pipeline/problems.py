"""Reads written values as what they should be, and collects everything that is wrong on the way.

Each function gives the value, or None after it has noted a problem: reading goes on, so that a person sees every error
at once. Unknown keys are errors with the nearest known one; what is planned and not built yet is refused by name. What
came from the environment may be a secret: wherever it turns up in a message, the variable stands in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from ..errors import ExtractError, PipelineError, SchemaError
from ..expressions import Expression, Fault, examine
from ..expressions.kinds import find
from ..nodes import Type
from ..templates import Template, examine_template
from .written import Place, Written

__all__ = ["Problems", "kind", "nearest"]

_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (Decimal, "a number"),
    (str, "text"),
    (tuple, "a list"),
    (dict, "a mapping"),
)


def kind(written: Written) -> str:
    """What a written value is, in words."""
    found = next((words for of, words in _KINDS if isinstance(written.value, of)), None)
    return found or ("a function" if callable(written.value) else "empty")


def nearest(word: str, known: Iterable[str], every: str) -> str:
    """The known word that was probably meant, or all of them."""
    known = list(known)
    near = get_close_matches(word.lower(), known, 1)
    return f"Did you mean `{near[0]}`?" if near else f"{every}: {', '.join(known)}."


@dataclass
class Problems:
    """What was found wrong so far, each with its place. `hidden` are texts that are never shown, with what is shown
    instead; `unfilled` the places of values whose variable has none, of which nothing more is said."""

    found: list[PipelineError] = field(default_factory=list)
    hidden: Mapping[str, str] = field(default_factory=dict, repr=False)
    unfilled: Collection[Place] = ()

    def add(self, place: Place, message: str, fix: str | None = None) -> None:
        """Notes what is wrong at a place, once."""
        made = PipelineError(self._public(message), str(place), None if fix is None else self._public(fix))
        if place not in self.unfilled and str(made) not in map(str, self.found):
            self.found.append(made)

    def _public(self, text: str) -> str:
        for secret, sign in self.hidden.items():
            text = text.replace(repr(secret)[1:-1], sign).replace(secret, sign)
        return text

    def hint(self, since: int, text: str, *, only: Callable[[str], bool] = lambda message: True) -> None:
        """Says more of how to mend what was found since there were so many."""
        for i, error in enumerate(self.found[since:], since):
            if only(error.message):
                fix = f"{error.fix} {text}" if error.fix else text
                self.found[i] = PipelineError(error.message, error.where, fix)

    def stop(self) -> None:
        """Raises the first problem with the others in it, in the order of the file; nothing if there is none."""
        if self.found:
            first, *others = sorted(self.found, key=_position)
            raise PipelineError(first.message, first.where, first.fix, tuple(others))

    def carry(self, place: Place, error: ExtractError) -> None:
        """An error of another room that belongs to this place."""
        elsewhere = error.where if isinstance(error, SchemaError) and ":" in (error.where or "") else None
        inside = elsewhere is not None and elsewhere.rsplit(":", 1)[-1].isdigit()
        self.add(place, f"{error.where}: {error.message}" if inside else error.message, error.fix)

    def keys(
        self,
        written: Written,
        known: Iterable[str],
        what: str,
        later: Mapping[str, str] = {},
        elsewhere: Callable[[str], str | None] = lambda key: None,
    ) -> dict[str, Written]:
        """The entries of a mapping that are known; the others are noted. `later` names what is not built yet, and
        `elsewhere` says of a key where it belongs."""
        if not isinstance(written.value, dict):
            self.add(written.place, f"{what[0].upper()}{what[1:]} is a mapping of keys, and this is {kind(written)}.")
            return {}
        known = list(known)
        for key in written.value:
            if key in later and key not in known:
                self.add(written.keys[key], f"`{key}` is not built yet.", later[key] or None)
            elif key not in known:
                self.add(
                    written.keys[key],
                    f"{what[0].upper()}{what[1:]} has no key `{key}`.",
                    elsewhere(key) or nearest(key, known, "Its keys"),
                )
        return {key: value for key, value in written.value.items() if key in known}

    def text(self, written: Written, what: str) -> str | None:
        if not isinstance(written.value, str):
            self.add(written.place, f"`{what}` is text, and this is {kind(written)}.")
            return None
        if not written.value.strip():
            self.add(written.place, f"`{what}` is empty.")
            return None
        return written.value

    def file(self, written: Written, what: str) -> str | None:
        """A text that names a file, which a file system can take."""
        said = self.text(written, what)
        parts = () if said is None or "://" in said else said.split("/")
        if any(len(part.encode()) > _LONGEST_NAME for part in parts):
            self.add(written.place, f"`{what}` names a file, and this is too long for a name.", "Write its path.")
            return None
        return said

    def texts(self, written: Written, what: str) -> tuple[Written, ...]:
        """A text or a list of texts, as a list."""
        items = written.value if isinstance(written.value, tuple) else (written,)
        if not items:
            self.add(written.place, f"`{what}` is an empty list.")
        return tuple(item for item in items if self.text(item, what) is not None)

    def number(self, written: Written, what: str, *, above: bool, whole: bool = False) -> Any:
        """A number from 0, or above 0; `whole` wants an integer."""
        value = written.value
        if isinstance(value, (int, Decimal)) and Decimal(value).is_finite() and value > _LARGEST:
            self.add(written.place, f"`{what}` is too large.", f"Write a number up to {_LARGEST:,}, or leave it out.")
            return None
        good = isinstance(value, int if whole else (int, Decimal)) and not isinstance(value, bool)
        if not good or not Decimal(value).is_finite() or value < 0 or (above and value == 0):
            wanted = f"{'a whole number' if whole else 'a number'} {'above 0' if above else 'from 0'}"
            given = written.shown if good or isinstance(value, Decimal) else kind(written)
            self.add(written.place, f"`{what}` is {wanted}, and this is {given}.")
            return None
        return value

    def flag(self, written: Written, what: str) -> bool | None:
        if not isinstance(written.value, bool):
            meant = _TRUTH.get(written.text.lower())
            fix = None if meant is None else f"Write {meant}, without quotes."
            self.add(written.place, f"`{what}` is true or false, and this is {kind(written)}.", fix)
            return None
        return written.value

    def choice(self, written: Written, what: str, choices: Iterable[str]) -> Any:
        choices = list(choices)
        if written.value not in choices:
            given = f"`{written.shown}`" if isinstance(written.value, str) else kind(written)
            one_of = f"{', '.join(choices[:-1])} or {choices[-1]}"
            lower = {one.lower(): one for one in choices}
            near = [lower[word] for word in get_close_matches(written.text.lower(), lower, 1)]
            self.add(
                written.place,
                f"`{what}` is {one_of}, and this is {given}.",
                f"Did you mean `{near[0]}`?" if near else None,
            )
            return None
        return written.value

    def path(self, written: Written, what: str, type: Type | None) -> tuple[str, ...] | None:
        """The names that lead to one field, such as ``order.lines``."""
        if not isinstance(written.value, str):
            message = f"`{what}` is the name of a field, and this is {kind(written)}."
            self.add(written.place, message, f"Write `{what}: lines`.")
            return None
        expression, faults = examine(written.text) if self.text(written, what) is not None else (None, ())
        self._faults(written, faults)
        path = () if expression is None else expression.plain_path
        if expression is not None and not path:
            message = f"`{what}` is the name of a field, and this is an expression."
            self.add(written.place, message, f"Write `{what}: lines`.")
        place = find(path, type) if path and type is not None else None
        if place is not None and place.fault is not None:
            self.add(written.place, *place.fault)
        elif place is not None and place.lists:
            here = ".".join(path[: place.lists[0]])
            self.add(
                written.place, f"`{here}` is a list, and `{'.'.join(path)}` is many values.", f"Write `{what}: {here}`."
            )
        else:
            return path or None
        return None

    def template(self, written: Written, type: Type | None, hidden: Collection[str]) -> Template | None:
        """Instructions that may name fields of the rows."""
        try:
            template, faults = examine_template(str(written.value).strip(), type, hidden)
        except RecursionError:
            self.add(written.place, "The instructions are nested too deeply.", "Take brackets out.")
            return None
        before = len(written.text) - len(written.text.lstrip())
        for fault in () if written.unfilled else faults:
            self.add(written.at(before + fault.column - 1), fault.message, fault.fix)
        return None if faults else template

    def expression(self, written: Written, what: str, type: Type | None, *, condition: bool) -> Expression | None:
        """An expression, checked against the type of the rows where that is known."""
        if isinstance(written.value, (tuple, dict)) or written.value is None:
            fix = "Put quotes around the whole expression."
            if written.value is None:
                fix = (
                    "Write `total > 0`, or the like."
                    if condition
                    else "Write `total * 2`, or the like; null is 'null'."
                )
            self.add(written.place, f"`{what}` is an expression, and this is {kind(written)}.", fix)
            return None
        expression, faults = examine(written.text, type, condition)
        self._faults(written, faults)
        return None if faults or expression is None else replace(expression, shown=written.shown)

    def _faults(self, written: Written, faults: Iterable[Fault]) -> None:
        for fault in () if written.unfilled else faults:
            self.add(written.at(fault.column - 1), fault.message, fault.fix)


_LARGEST = 10**15
"""The largest number that anything can mean here; floats hold it exactly."""

_LONGEST_NAME = 255
"""Bytes of a file's name, on every file system that is in use."""

_TRUTH = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}


def _position(error: PipelineError) -> tuple[int, int]:
    """Line and column of an error, so that they come in the order of the file; those of Python values as they are."""
    parts = (error.where or "").rsplit(":", 2)
    return (int(parts[1]), int(parts[2])) if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit() else (0, 0)
