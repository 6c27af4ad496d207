"""Variables in a pipeline's file: ``${NAME}`` anywhere in a value, and ``$${`` for the signs themselves.

A value is looked for in what was given (``--set NAME=value``), then in the file's own ``variables`` (their defaults;
one without a default must be given), then in the environment. A value that is nothing but a variable is read as YAML
would read it, so that ``in_flight: ${N}`` is a number. What came from the environment may be a secret, and is never
shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .problems import kind, nearest
from .written import Place, Written, scalar

__all__ = ["filled", "hidden", "secrets"]

Fault = tuple[Place, str, str | None]

_SIGN = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = re.compile(r"\w+")
_SHORTEST = 4
"""Characters of a text that can be a secret: less is an ordinary word, which may stand in any message."""

_LATER = "extra_headers"
"""Their values are filled when a model is opened."""

_SECRETS = (
    (
        re.compile(
            r"\b(?:(?:sk|rk|xai)-(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{16}\b|AIza[A-Za-z0-9_-]{30,}"
            r"|(?:ghp|gsk|hf|github_pat)_[A-Za-z0-9_]{20,})"
        ),
        "A key",
    ),
    (re.compile(r"://[^/?#\s:@]*:(?!\$\{)[^/?#\s@]+@"), "A password"),
)
_IN_ITS_PLACE = "Write ${NAME} in its place, and set NAME in the environment."
_SECRET_HEADERS = ("api-key", "authorization", "cookie", "proxy-authorization", "x-api-key")


def filled(written: Written, given: Mapping[str, str], environment: Mapping[str, str]) -> tuple[Written, list[Fault]]:
    """The pipeline with every variable filled in, and everything that is wrong with them."""
    filling = _Filling(given, environment)
    declared = written.value.get("variables") if isinstance(written.value, dict) else None
    if declared is not None:
        filling.declare(declared)
    made = filling.of(written)
    filling.unused(Place(written.place.file), declared)
    return made, filling.faults


def hidden(written: Written, given: Mapping[str, str]) -> dict[str, str]:
    """What of a filled pipeline came from the environment and may be a secret, with what may be shown in its place; the
    words of a longer text as well, since a message may quote one of them."""
    named = written.value.get("variables") if isinstance(written.value, dict) else None
    told = {*given, *(named.value if named is not None and isinstance(named.value, dict) else ())}
    found: dict[str, str] = {}
    for one in written.walk():
        for start, end, raw_start, raw_end in one.pieces:
            sign = (one.raw or "")[raw_start:raw_end]
            if sign[2:-1] not in told and one.text[start:end] != sign and sign != "$${":
                text = one.text[start:end]
                found |= {part: sign for part in (text, *_WORDS.findall(text)) if len(part) >= _SHORTEST}
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def secrets(written: Written) -> Iterator[Fault]:
    """What looks as if it should not stand in a file."""
    for one in written.walk():
        for pattern, what in _SECRETS if isinstance(one.value, str) else ():
            if (found := pattern.search(one.value)) is not None:
                yield one.at(found.start()), f"{what} stands in the file, for everybody to see.", _IN_ITS_PLACE
        headers = one.value.get(_LATER) if isinstance(one.value, dict) else None
        for name, item in headers.value.items() if headers is not None and isinstance(headers.value, dict) else ():
            said = item.value if isinstance(item.value, str) else "${"
            if name.lower() in _SECRET_HEADERS and "${" not in said and not _SECRETS[0][0].search(said):
                message = f"The header `{name}` stands in the file, for everybody to see."
                yield item.place, message, _IN_ITS_PLACE


@dataclass
class _Filling:
    """Fills one value after another, and notes what is used and what is wrong."""

    given: Mapping[str, str]
    environment: Mapping[str, str]
    declared: dict[str, str | None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)

    def declare(self, written: Written) -> None:
        """Takes the variables that the file names itself."""
        if not isinstance(written.value, dict):
            message = f"`variables` is a mapping of names to values, and this is {kind(written)}."
            self.faults.append((written.place, message, "Write `variables: {month: 2024-05}`."))
            return
        for name, item in written.value.items():
            if not _NAME.fullmatch(name):
                message = f"`{name}` is no name for a variable."
                self.faults.append((written.keys[name], message, "Write letters, digits and `_`, a letter first."))
            elif isinstance(item.value, (dict, tuple)):
                message = f"The value of a variable is one text or number, and this is {kind(item)}."
                self.faults.append((item.place, message, None))
            elif (found := next((one for one in _SIGN.finditer(item.text) if one[0] != "$${"), None)) is not None:
                message = "The value of a variable cannot name another one."
                fix = f"Take `{name}` out of `variables`, and give it with --set {name}=value."
                self.faults.append((item.at(found.start()), message, fix))
                self.declared[name] = item.text  # that is said already, and not where it is used as well
            else:
                self.declared[name] = None if item.value is None else item.text.replace("$${", "${")

    def of(self, written: Written, name: str = "") -> Written:
        """A value with the variables in it filled in."""
        if isinstance(written.value, dict):
            kept = {_LATER, "variables"} if name == "" else {_LATER}
            for key in written.value:
                for found in _SIGN.finditer(key) if name.rpartition(".")[2] != _LATER else ():
                    self.used.add(found[1] or "")
                    message = "A variable stands in a value, and not in a key."
                    self.faults.append((written.keys[key], message, "Write the key itself."))
            made: Any = {
                key: item if key in kept else self.of(item, f"{name}.{key}") for key, item in written.value.items()
            }
            return replace(written, value=made)
        if isinstance(written.value, tuple):
            return replace(written, value=tuple(self.of(item, f"{name}[]") for item in written.value))
        if not isinstance(written.value, str) or "${" not in written.value:
            return written
        return self.scalar(written, written.value)

    def scalar(self, written: Written, text: str) -> Written:
        made, shown, pieces, at, before_all = "", "", [], 0, len(self.faults)
        for found in _SIGN.finditer(text):
            before = text[at : found.start()]
            value, public = self.value(written, found)
            start = len(made) + len(before)
            pieces.append((start, start + len(value), found.start(), found.end()))
            made, shown, at = made + before + value, shown + before + public, found.end()
        whole = len(pieces) == 1 and pieces[0][2:] == (0, len(text)) and not written.quoted
        made, shown = made + text[at:], shown + text[at:]
        unfilled = len(self.faults) > before_all
        typed = scalar(made) if whole and not unfilled else made
        return replace(written, value=typed, text=made, raw=text, public=shown, pieces=tuple(pieces), unfilled=unfilled)

    def value(self, written: Written, found: re.Match[str]) -> tuple[str, str]:
        """What a sign stands for, and what of it may be shown."""
        sign, name = found[0], found[1]
        if sign == "$${":
            return "${", "${"
        if name is None or not _NAME.fullmatch(name):
            message = "`${` begins the name of a variable, and none follows."
            self.faults.append((written.at(found.start()), message, "Write ${NAME}, or $${ for the signs themselves."))
            return sign, sign
        self.used.add(name)
        if name in self.given:
            return self.given[name], self.given[name]
        default = self.declared.get(name)
        if default is not None:
            return default, default
        if name in self.environment and name not in self.declared:
            return self.environment[name], sign
        known = [*self.given, *self.declared]
        near = nearest(name, known, "") if known else ""
        hint = f"{near} " if near.startswith("Did") and name not in self.declared else ""
        how = f"Give it with --set {name}=value" + ("." if name in self.declared else ", or set it in the environment.")
        self.faults.append((written.at(found.start()), f"The variable `{name}` has no value.", hint + how))
        return sign, sign

    def unused(self, place: Place, declared: Written | None) -> None:
        """Notes values that nothing asks for: their names are probably misspelt."""
        for name in self.given:
            if name not in self.used:
                known = sorted(self.used)
                fix = nearest(name, known, "Its variables") if known else "It has no ${...}."
                self.faults.append((place, f"Nothing in the file asks for the variable `{name}`.", fix))
        for name in self.declared:
            if name not in self.used and declared is not None:
                self.faults.append((declared.keys[name], f"Nothing asks for the variable `{name}`.", "Take it out."))
