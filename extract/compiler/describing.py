"""Pydantic's JSON Schema generator, mended where a wire needs more than it says.

Its output is right for documentation; here it must be right for values. Keys of dicts get the names that JSON has for
them, numbers that JSON has not are texts where the declaration asks for them, Decimals have exact patterns, times may
lack an offset as pydantic admits it, and what can never be read back is refused. What JSON Schema has no word for is
noted beside it, under keywords of our own: other names of fields (`ALIASES`), constraints that pydantic checks
(`AFTER`), the user's validators (`FUNCTIONS`), and fields that only their own name reaches (`BY_NAME`).

Pydantic is heavy, so the classes are made when they are first used.
"""

from __future__ import annotations

import enum
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any

from .dumping import OWN, alias_paths, module_of, plain
from .formats import DATE_TIME, DURATION, TIME
from .reading import AFTER, ALIASES
from .scalars import carries_inf_nan, number
from .words import later

if TYPE_CHECKING:
    from pydantic.json_schema import GenerateJsonSchema

__all__ = ["BY_NAME", "FUNCTIONS", "UNFIT", "Unreadable", "generator", "marking_generator"]

BY_NAME = "x-extract-by-name"
FUNCTIONS = "x-extract-functions"
UNFIT = "x-extract-unfit"

_Core = Mapping[str, Any]
_Json = dict[str, Any]

INF_NAN: _Json = {"type": "string", "enum": ["Infinity", "-Infinity", "NaN"]}
"""The texts that pydantic reads as the numbers that JSON has not."""


class Unreadable(Exception):
    """A part of a type whose values pydantic writes as JSON and never reads from it: what, and the remedy."""


@cache
def marking_generator() -> type[GenerateJsonSchema]:
    """A generator that marks what has no JSON Schema instead of refusing it."""

    class Marking(generator()):  # type: ignore[misc]
        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> _Json:
            return {UNFIT: error_info}

        def unreadable(self, said: str, fix: str) -> _Json:
            return {UNFIT: said}

    return Marking


@cache
def generator() -> type[GenerateJsonSchema]:
    """The mended generator."""

    class Generator(_values()):  # type: ignore[misc]
        mode = "validation"  # a property in pydantic, and asked for of every part
        ignored_warning_kinds = frozenset(("skipped-choice", "non-serializable-default", "skipped-discriminator"))

        def unreadable(self, said: str, fix: str) -> _Json:
            raise Unreadable(said, fix)

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

        def _build_definitions_remapping(self) -> Any:
            return _short_names(self) or super()._build_definitions_remapping()

        def definitions_schema(self, schema: Any) -> _Json:
            self.cores = {one["ref"]: one for one in schema["definitions"]}
            made: _Json = super().definitions_schema(schema)
            return made

        def encode_default(self, value: Any) -> Any:
            if type(value) in (str, int, bool, NoneType):
                return value
            made = super().encode_default(value)
            if isinstance(made, float) and not math.isfinite(made):
                raise ValueError("no JSON number")
            return made

        def default_schema(self, schema: Any) -> _Json:
            try:
                made: _Json = super().default_schema(schema)
            except ValueError:
                made = self.generate_inner(schema["schema"])
            return made

        def _named_required_fields_schema(self, named_required_fields: Any) -> _Json:
            made: _Json = super()._named_required_fields_schema(named_required_fields)
            for name, _, field in named_required_fields:
                shown = self._get_alias_name(field, name)
                inner = made["properties"].get(shown)
                if isinstance(inner, dict):
                    inner.update(_names(field, name, shown))
            return made

        def update_with_validations(self, json_schema: _Json, core_schema: Any, mapping: Any) -> None:
            super().update_with_validations(json_schema, core_schema, mapping)
            for word, value in json_schema.items():
                if isinstance(value, Decimal):
                    json_schema[word] = float(value) if isinstance(number(value), Decimal) else number(value)

    for name in ("function_before", "function_after", "function_wrap", "function_plain"):
        _extended(Generator, name, _with_validator)
    for name in ("dict", "ordered_dict", "counter", "frozendict"):
        _extended(Generator, name, _with_keys)
    for name, words in _UNSAID.items():
        _extended(Generator, name, _unsaid(words))
    return Generator


def _extended(made: Any, kind: str, change: Callable[[Any, _Json, _Core], _Json]) -> None:
    """Puts a change behind the generator's method for a kind of core schema, where this pydantic has it."""
    method = f"{kind.replace('-', '_')}_schema"
    old = getattr(made, method, None)
    if old is not None:
        setattr(made, method, lambda self, schema: change(self, old(self, schema), schema))


def _texts() -> type[GenerateJsonSchema]:
    """The generator for what is written as text."""
    from pydantic.json_schema import GenerateJsonSchema

    class Texts(GenerateJsonSchema):
        def datetime_schema(self, schema: Any) -> _Json:
            made = super().datetime_schema(schema)
            aware = schema.get("tz_constraint") == "aware"
            return made if aware else _noted({**made, "pattern": DATE_TIME}, ["calendar", True])

        def time_schema(self, schema: Any) -> _Json:
            made = super().time_schema(schema)
            return made if schema.get("tz_constraint") == "aware" else {**made, "pattern": TIME}

        def timedelta_schema(self, schema: Any) -> _Json:
            made = super().timedelta_schema(schema)
            text = {key: value for key, value in made.items() if key != "type"}
            made = {"type": "string", **text, "format": "duration", "pattern": DURATION}
            return _noted(made, ["encoded", "an ISO 8601 duration"])

        def str_schema(self, schema: Any) -> _Json:
            return _text(super().str_schema(schema), schema, self._config)

        def bytes_schema(self, schema: Any) -> _Json:
            made = super().bytes_schema(schema)
            coding = self._config.val_json_bytes
            made = made if coding == "utf8" else _noted(made, ["encoded", coding])
            return _noted(made, ["in bytes", True]) if {"minLength", "maxLength"} & made.keys() else made

        def complex_schema(self, schema: Any) -> _Json:
            return _noted(super().complex_schema(schema), ["encoded", "a complex number"])

    return Texts


def _values() -> type[GenerateJsonSchema]:
    """The generator for the other values that pydantic describes too widely or too narrowly."""

    class Values(_texts()):  # type: ignore[misc]
        def is_subclass_schema(self, schema: Any) -> _Json:
            said = "pydantic reads no JSON value as a class"
            unread: _Json = self.unreadable(said, "Give the name of the class, as a text.")
            return unread

        def float_schema(self, schema: Any) -> _Json:
            made = super().float_schema(schema)
            return {"anyOf": [made, INF_NAN]} if carries_inf_nan(schema, _config(self)) else made

        def decimal_schema(self, schema: Any) -> _Json:
            bare = {**schema, "type": "float", "allow_inf_nan": False}
            text = {"type": "string", "pattern": _decimal_pattern(schema)}
            more = [INF_NAN] if carries_inf_nan(schema, _config(self)) else []
            return {"anyOf": [self.float_schema(bare), text, *more]}

        def enum_schema(self, schema: Any) -> _Json:
            if issubclass(schema["cls"], enum.Flag):  # any of the members together
                most = sum({one.value for one in schema["members"] if one.value.bit_count() == 1})
                return {"type": "integer", "minimum": 0, "maximum": most, "title": schema["cls"].__name__}
            members = [one for one in schema["members"] if not _is_json(getattr(one, "value", one))]
            if members and "missing" not in schema and (odd := _unread(schema, members)):
                made: _Json = self.unreadable(_ODD.format(odd), _NAMED)
            else:
                made = super().enum_schema(schema)
            return made

        def literal_schema(self, schema: Any) -> _Json:
            members = [one for one in schema["expected"] if not _is_json(one)]
            if members and (odd := _unread(schema, members)):
                made: _Json = self.unreadable(_ODD.format(odd), _NAMED)
            else:
                made = super().literal_schema(schema)
            return made

    return Values


def _noted(made: _Json, *notes: list[Any]) -> _Json:
    return {**made, AFTER: [*made.get(AFTER, ()), *notes]}


_WORD = "\\w\\u00aa-\\uffff"
"""Letters of all scripts, and more: pydantic's ``\\w`` takes them, JSON Schema's does not."""


def _text(made: _Json, schema: _Core, config: Any) -> _Json:
    """A text's schema, where pydantic means more by its pattern or takes white space off before it counts."""
    pattern = made.get("pattern")
    if isinstance(pattern, str) and (wide := _wide(pattern)) != pattern:
        made = _noted({**made, "pattern": wide}, ["unicode", pattern])
    strips = schema.get("strip_whitespace", config.str_strip_whitespace)
    return _noted(made, ["stripped", True]) if strips and ("minLength" in made or "pattern" in made) else made


def _wide(pattern: str) -> str:
    """The expression with every ``\\w`` for letters of all scripts."""
    out, inside = [], False
    for piece in re.findall(r"\\.|[^\\]", pattern, re.DOTALL):
        if piece == r"\w":
            piece = _WORD if inside else f"[{_WORD}]"
        inside = piece == "[" or (inside and piece != "]")
        out.append(piece)
    return "".join(out)


_ODD = "pydantic reads no JSON value as {}"
_NAMED = (
    "Give the members of the enum texts or numbers as values, and name their type too, as in class Kind(str, Enum)."
)


def _config(made_by: Any) -> _Core:
    """What a generator's present config says of inf and nan."""
    return {"ser_json_inf_nan": made_by._config.ser_json_inf_nan}


def _is_json(value: Any) -> bool:
    return type(value) in (str, int, float, bool, NoneType)


def _unread(schema: _Core, members: list[Any]) -> str:
    """The first of these members that validation does not get back from its JSON value, or nothing."""
    from pydantic_core import SchemaValidator, ValidationError

    validator = SchemaValidator({key: value for key, value in schema.items() if key != "ref"})
    for member in members:
        try:
            validator.validate_python(plain(member), strict=False)
        except ValidationError:
            return repr(member)
    return ""


# ---- notes


def _with_validator(made_by: Any, made: _Json, schema: _Core) -> _Json:
    """The schema with the name of a user's validator; pydantic's own are no news."""
    function = schema["function"]["function"]
    if module_of(function) in OWN:
        return made
    target = made_by.get_schema_from_definitions(made["$ref"]) if "$ref" in made else made
    if target is not None:
        target[FUNCTIONS] = [*target.get(FUNCTIONS, ()), getattr(function, "__name__", type(function).__name__)]
    return made


_BOUNDS = ("ge", "gt", "le", "lt")
_UNSAID: dict[str, tuple[str, ...]] = {
    "date": (*_BOUNDS, "now_op"),
    "time": _BOUNDS,
    "datetime": (*_BOUNDS, "now_op"),
    "timedelta": _BOUNDS,
    "decimal": (*_BOUNDS, "multiple_of", "max_digits", "decimal_places"),
    "url": ("allowed_schemes",),
    "multi-host-url": ("allowed_schemes",),
}
"""The constraints of each kind that its JSON Schema does not say."""


def _unsaid(words: tuple[str, ...]) -> Callable[[Any, _Json, _Core], _Json]:
    def change(made_by: Any, made: _Json, schema: _Core) -> _Json:
        notes = [[word, plain(schema[word])] for word in words if schema.get(word) is not None]
        notes = [note for note in notes if not _said_by_sign(note, made)]
        return _noted(made, *notes) if notes else made

    return change


def _said_by_sign(note: list[Any], made: _Json) -> bool:
    """Whether a Decimal's text cannot be negative, as its bound wants it."""
    return note == ["ge", 0] and any(one.get("pattern", "").startswith(_UNSIGNED) for one in made.get("anyOf", ()))


def _names(field: _Core, name: str, shown: str) -> _Json:
    """The notes of a field: its other plain names, and whether only its own name reaches it."""
    plain_names = [path[0] for path in alias_paths(field) if len(path) == 1]
    others = [other for other in dict.fromkeys((*plain_names, name)) if other != shown]
    notes: _Json = {ALIASES: others} if others else {}
    return notes | {BY_NAME: True} if alias_paths(field) and not plain_names else notes


def _short_names(made_by: GenerateJsonSchema) -> Any:
    """The renaming of definitions to their shortest names, where no two share one; pydantic's own way of finding
    this copies and compares all definitions, twice."""
    from pydantic.json_schema import _DefinitionsRemapping

    choices = {name: made_by._prioritized_defsref_choices[name] for name in made_by.definitions}
    uses = Counter(name for names in choices.values() for name in set(names))
    if any(uses[names[0]] > 1 for names in choices.values()):
        return None
    template = made_by.ref_template.format
    paths = {template(model=name): template(model=names[0]) for names in choices.values() for name in names}
    return _DefinitionsRemapping({name: names[0] for name, names in choices.items()}, paths)  # type: ignore[arg-type]


def _decimal_pattern(schema: _Core) -> str:
    """The texts of a Decimal: digits, a point, an exponent where places are not counted."""
    places, digits = schema.get("decimal_places"), schema.get("max_digits")
    least = next((schema[word] for word in ("ge", "gt") if schema.get(word) is not None), -1)
    sign = _UNSIGNED if least >= 0 else "^[+-]?"
    whole = r"\d*" if digits is None else rf"0*\d{{0,{max(0, digits - (places or 0))}}}"
    if digits is None and places is None:
        return sign + _DIGITS
    if places == 0:
        return rf"{sign}{whole}\.?0*$"
    after = rf"\d{{0,{places}}}0*" if places is not None else rf"\d{{0,{digits}}}0*"
    return rf"{sign}{whole}(?:\.{after})?$"


# ---- keys of dicts

_UNSIGNED = r"^\+?"
_DIGITS = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_NUMBER = "^[+-]?" + _DIGITS
_WHOLE = r"^[+-]?\d+$"
_NO_KEYS = (
    "none", "list", "tuple", "set", "frozenset", "deque", "dict", "model", "dataclass", "typed-dict", "named-tuple",
)  # fmt: skip
_KEYS: dict[str, Callable[[_Core], _Json | None]] = {
    "int": lambda core: {"pattern": _WHOLE},
    "float": lambda core: {"pattern": _NUMBER},
    "decimal": lambda core: {"pattern": _decimal_pattern(core)},
    "bool": lambda core: {"enum": ["true", "false"]},
    "enum": lambda core: _named_keys([getattr(one, "value", one) for one in core["members"]], core.get("sub_type")),
    "literal": lambda core: _named_keys(core["expected"], None),
    **dict.fromkeys(_NO_KEYS, lambda core: None),
}
"""What the names of an object look like that stand for keys of a kind; None where no name does."""
_AROUND = ("nullable", "default", "function-before", "function-after", "function-wrap", "custom-error")


def _named_keys(values: list[Any], kind: str | None) -> _Json | None:
    """The texts of the members that validation gets back from a text."""
    readable = [
        one for one in values if isinstance(one, str) or (kind in ("int", "float") and not isinstance(one, bool))
    ]
    texts = [str(one.value if isinstance(one, enum.Enum) else one) for one in readable]
    return {"enum": texts} if texts else None


def _with_keys(made_by: Any, made: _Json, schema: _Core) -> _Json:
    """The schema of a dict with the names that its keys have in JSON."""
    core = schema.get("keys_schema")
    while core is not None:
        if core["type"] in _AROUND:
            core = core.get("schema")
        elif core["type"] == "definition-ref":
            core = getattr(made_by, "cores", {}).get(core["schema_ref"])
        else:
            break
    rule = None if core is None else _KEYS.get(core["type"])
    if core is None or rule is None:
        return made
    names = rule(core)
    if names is None:
        said = f"pydantic reads no name of a JSON object as a key of this dict ({core['type']})"
        unread: _Json = made_by.unreadable(said, "Give it keys that are texts, numbers or dates.")
        return unread
    kept = {key: value for key, value in made.items() if key != "patternProperties"}
    values = next(iter(made.get("patternProperties", {}).values()), made.get("additionalProperties", True))
    made = {**kept, "propertyNames": names, "additionalProperties": values}
    bounds = [later(word, plain(core[word]))[0] for word in (*_BOUNDS, "multiple_of") if core.get(word) is not None]
    return _noted(made, ["keys", ", ".join(bounds)]) if bounds else made
