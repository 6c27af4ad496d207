"""What OpenAI's strict mode refuses in a schema.

The rules come from OpenAI's guide to structured outputs (supported schemas, limits) and from answers of the API that
were reported in public; where the two leave a doubt the rule is marked uncertain. A `Violation` reads as the API's
own message does after ``Invalid schema for response_format 'name': ``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..pointer import join
from .formats import FORMATS
from .membership import json_type
from .patterns import unfit

__all__ = ["DEEPEST", "Violation", "violations"]

DEEPEST = 10
MOST_PROPERTIES = 5000
MOST_STRINGS = 120_000
MOST_ENUM_VALUES = 1000
LARGE_ENUM, LARGE_ENUM_STRINGS = 250, 15_000

_WORDS = frozenset(("title", "description"))
_AT_ROOT = frozenset(("$schema", "$id", "$defs", "definitions"))
_PLAIN = frozenset(("type", "enum", "const")) | _WORDS
_NUMERIC = frozenset(("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"))
_OF_TYPE: dict[str, frozenset[str]] = {
    "object": frozenset(("type", "properties", "required", "additionalProperties")) | _WORDS,
    "array": frozenset(("type", "items", "minItems", "maxItems")) | _WORDS,
    "string": _PLAIN | {"pattern", "format"},
    "number": _PLAIN | _NUMERIC,
    "integer": _PLAIN | _NUMERIC,
    "boolean": _PLAIN,
    "null": _PLAIN,
}


def _of_type(value: Any, named: str) -> bool:
    """Whether a value has the type of this name."""
    if named == "integer":
        return json_type(value) == "number" and bool(value == value // 1)
    return json_type(value) == named


Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is refused. `pointer` leads into the schema; `certain` is False where the rule is in doubt."""

    pointer: str
    message: str
    certain: bool = True

    def __str__(self) -> str:
        return self.message


def violations(schema: Any) -> tuple[Violation, ...]:
    """Everything that the strict mode refuses in the schema, in the order in which it stands there."""
    if isinstance(schema, Mapping) and not isinstance(schema, dict):
        schema = dict(schema)
    if not isinstance(schema, dict) or schema.get("type") != "object":
        found = schema.get("type") if isinstance(schema, dict) else None
        said = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{found}\"'."
        return (Violation("", said), *(_Check(schema).run() if isinstance(schema, dict) else ()))
    return tuple(_Check(schema).run())


@dataclass
class _Check:
    root: Mapping[str, Any]
    found: list[Violation] = field(default_factory=list)
    properties: int = 0
    strings: int = 0
    values: int = 0

    def run(self) -> list[Violation]:
        self.definitions = {
            f"#/{holder}/{name}": body
            for holder in ("$defs", "definitions")
            for name, body in _mapping(self.root.get(holder)).items()
        }
        for word in ("anyOf", "oneOf", "allOf", "enum", "const", "not"):
            if word in self.root:
                self.add((), f"schema must not have {word!r} at the top level.")
        self.node(self.root, (), True)
        for holder in ("$defs", "definitions"):
            for name, body in _mapping(self.root.get(holder)).items():
                self.strings += len(name)
                if any(char in name for char in "/~%"):
                    self.add((holder, name), "definition names must not need escaping.", certain=False)
                self.node(body, (holder, name))
        self.limits()
        return self.found

    def add(self, path: Path, said: str, *, context: bool = True, certain: bool = True) -> None:
        place = f"In context={path!r}, " if context else ""
        self.found.append(Violation(join(*path), place + said, certain))

    # ---- one node

    def node(self, schema: Any, path: Path, root: bool = False) -> None:
        if not isinstance(schema, dict):
            said = (
                "schema must have a 'type' key." if isinstance(schema, bool) else f"{schema!r} is not of type 'object'."
            )
            self.add(path, said)
            return
        if "$ref" in schema:
            self.reference(schema, path, root)
        elif "anyOf" in schema and "type" not in schema:
            self.keywords(schema, path, _WORDS | {"anyOf"}, root)
            self.branches(schema["anyOf"], path)
        elif "type" in schema:
            self.typed(schema, path, root)
        else:
            self.add(path, "schema must have a 'type' key.")
            self.keywords(schema, path, frozenset().union(*_OF_TYPE.values()), root)

    def reference(self, schema: Mapping[str, Any], path: Path, root: bool) -> None:
        beside = sorted(set(schema) - {"$ref"} - (_AT_ROOT if root else frozenset()))
        if beside:
            self.add(path, f"$ref cannot have keywords {{{', '.join(map(repr, beside))}}}.")
        target = schema["$ref"]
        if target != "#" and target not in self.definitions:
            self.add(
                path, f"reference can only point to definitions defined at the top level of the schema: {target!r}."
            )

    def branches(self, branches: Any, path: Path) -> None:
        if not isinstance(branches, list) or not branches:
            self.add(path, "'anyOf' must be a list that is not empty.")
            return
        for index, branch in enumerate(branches):
            self.node(branch, (*path, "anyOf", str(index)))
        self.first_names(branches, path)

    def typed(self, schema: Mapping[str, Any], path: Path, root: bool) -> None:
        named = schema["type"]
        types = [named] if isinstance(named, str) else named if isinstance(named, list) else []
        if not types or not all(one in _OF_TYPE for one in types):
            self.add(path, f"{named!r} is not valid under any of the given schemas.")
            return
        if isinstance(named, list) and not (len(set(types)) == len(types) == 2 and "null" in types):
            self.add(path, f"a list of types must be one type and 'null', not {named!r}.")
        main = [one for one in types if one != "null"] or ["null"]
        allowed = frozenset().union(*(_OF_TYPE[one] for one in main))
        if "anyOf" in schema:
            self.add(path, "expected exactly one of 'type', 'anyOf' and '$ref'.")
            self.branches(schema["anyOf"], path)
            allowed |= {"anyOf"}
        self.keywords(schema, path, allowed, root)
        if "object" in main:
            self.object(schema, path)
        if "array" in main:
            self.array(schema, path)
        self.constraints(schema, path)
        self.enumeration(schema, path, types)

    def keywords(self, schema: Mapping[str, Any], path: Path, allowed: frozenset[str], root: bool) -> None:
        for word in schema:
            if word in allowed or (root and word in _AT_ROOT) or (root and word in ("oneOf", "allOf", "not")):
                continue
            if word in ("$defs", "definitions"):
                self.add(path, "definitions must stand at the top level of the schema.")
            else:
                self.add(path, f"'{word}' is not permitted.")
        for word in ("title", "description", "$schema", "$id"):
            if word in schema and not isinstance(schema[word], str):
                self.add(path, f"{word!r} must be a string.", certain=False)

    def object(self, schema: Mapping[str, Any], path: Path) -> None:
        if schema.get("additionalProperties") is not False:
            self.add(path, "'additionalProperties' is required to be supplied and to be false.")
        if not isinstance(schema.get("properties"), dict):
            self.add(path, "object schema missing properties.")
        properties, listed = _mapping(schema.get("properties")), schema.get("required")
        said = "'required' is required to be supplied and to be an array including every key in properties."
        names = listed if isinstance(listed, list) else []
        missing = [name for name in properties if name not in names]
        if not isinstance(listed, list) and not missing:
            self.add(path, said)
        for name in missing[:1]:
            self.add(path, f"{said} Missing '{name}'.")
        for name in names:
            if name not in properties:
                self.add(path, f"{said} Extra required key '{name}' supplied.", certain=False)
        if len(set(map(str, names))) < len(names):
            self.add(path, "'required' names a key twice.", certain=False)
        for name, inner in properties.items():
            self.properties += 1
            self.strings += len(name)
            self.node(inner, (*path, "properties", name))

    def array(self, schema: Mapping[str, Any], path: Path) -> None:
        if "items" not in schema:
            self.add(path, "array schema missing items.")
        elif isinstance(schema["items"], list):
            self.add(path, "'items' must be one schema.")
        else:
            self.node(schema["items"], (*path, "items"))

    def constraints(self, schema: Mapping[str, Any], path: Path) -> None:
        if "pattern" in schema:
            wrong = unfit(schema["pattern"]) if isinstance(schema["pattern"], str) else "it is no string"
            if wrong == "lookaround":
                place = ".".join(("$", *path, "pattern"))
                self.add(
                    path, f"Invalid JSON schema: regex lookaround is not supported. Found at {place}.", context=False
                )
            elif wrong:
                self.add(path, f"the pattern is not supported: {wrong}.", certain=False)
        if "format" in schema and schema["format"] not in FORMATS:
            self.add(path, f"{schema['format']!r} is not a valid format.")
        for word in _NUMERIC & schema.keys():
            if json_type(schema[word]) != "number" or (word == "multipleOf" and schema[word] <= 0):
                self.add(path, f"{schema[word]!r} is not valid for {word!r}.")
        counts = [schema.get(word, 0) for word in ("minItems", "maxItems")]
        if any(json_type(count) != "number" or count < 0 for count in counts):
            self.add(path, "'minItems' and 'maxItems' must be whole numbers from 0.")
        elif "maxItems" in schema and counts[0] > counts[1]:
            self.add(path, "'minItems' is above 'maxItems'.", certain=False)

    def enumeration(self, schema: Mapping[str, Any], path: Path, types: list[str]) -> None:
        listed = schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else None
        if listed is None:
            return
        if not isinstance(listed, list) or not listed:
            self.add(path, "'enum' must be a list that is not empty.")
            return
        length = sum(len(one) if isinstance(one, str) else len(json.dumps(one)) for one in listed)
        self.strings += length
        self.values += len(listed) if "enum" in schema else 0
        for value in listed:
            if isinstance(value, (dict, list)):
                self.add(path, "enum and const values must be plain.")
            elif not any(_of_type(value, one) for one in types):
                self.add(path, f"enum value {value!r} does not validate against {{'type': {schema['type']!r}}}.")
        if len({json_type(value) for value in listed} - {"null"}) > 1:
            self.add(path, "enum values must be of the same type.")
        if len({json.dumps(value, sort_keys=True) for value in listed}) < len(listed):
            self.add(path, "an enum value stands twice.", certain=False)
        if len(listed) > LARGE_ENUM and length > LARGE_ENUM_STRINGS and any(isinstance(v, str) for v in listed):
            self.add(
                path, f"enum with {len(listed)} values has a string length of {length}, above {LARGE_ENUM_STRINGS}."
            )

    # ---- the first names of objects side by side

    def first_names(self, branches: list[Any], path: Path) -> None:
        firsts: dict[str, list[frozenset[str] | None]] = {}
        for one in self.objects(branches, ()):
            properties = _mapping(one.get("properties"))
            if properties:
                name, inner = next(iter(properties.items()))
                firsts.setdefault(name, []).append(self.constants(inner))
        for name, sets in firsts.items():
            known = [one for one in sets if one is not None]
            if len(sets) > 1 and (len(known) < len(sets) or len(frozenset().union(*known)) < sum(map(len, known))):
                self.add(
                    path,
                    "Objects provided via 'anyOf' must not share identical first keys. Consider adding a discriminator "
                    f"key or rearranging the properties to ensure the first key is unique. The key is {name!r}.",
                )

    def objects(self, branches: list[Any], seen: tuple[int, ...]) -> Iterator[Mapping[str, Any]]:
        for branch in branches:
            one = self.target(branch)
            if not isinstance(one, dict) or id(one) in seen:
                continue
            if isinstance(one.get("anyOf"), list):
                yield from self.objects(one["anyOf"], (*seen, id(one)))
            elif "object" in (one.get("type"), *(one["type"] if isinstance(one.get("type"), list) else ())):
                yield one

    def constants(self, schema: Any) -> frozenset[str] | None:
        one = self.target(schema)
        if not isinstance(one, dict) or not ("const" in one or isinstance(one.get("enum"), list)):
            return None
        return frozenset(json.dumps(v, sort_keys=True) for v in (one["enum"] if "enum" in one else [one["const"]]))

    def target(self, schema: Any) -> Any:
        """What a chain of references leads to."""
        seen = set()
        while isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
            if schema["$ref"] in seen:
                return None
            seen.add(schema["$ref"])
            schema = self.root if schema["$ref"] == "#" else self.definitions.get(schema["$ref"])
        return schema

    # ---- limits

    def limits(self) -> None:
        if self.properties > MOST_PROPERTIES:
            self.add((), f"{self.properties} parameters exceeds limit of {MOST_PROPERTIES}.", context=False)
        if self.values > MOST_ENUM_VALUES:
            said = f"Expected at most {MOST_ENUM_VALUES} enum values in total within a single schema when using "
            self.add((), f"{said}structured outputs, but received {self.values}.", context=False)
        if self.strings > MOST_STRINGS:
            said = "total length of property names, definition names, enum and const values"
            self.add((), f"{said} is {self.strings}, which exceeds the limit of {MOST_STRINGS}.", context=False)
        lexical = max([_height(self.root), *(1 + _height(body) for body in self.definitions.values())])
        depth = max(lexical, self.followed())
        if depth > DEEPEST:
            said = f"{depth} levels of nesting exceeds limit of {DEEPEST}."
            self.add((), said, context=False, certain=lexical > DEEPEST)

    def followed(self) -> int:
        """The levels when references that do not come back are followed."""
        loops = _loops({"#": self.root, **self.definitions})
        known: dict[str, int] = {}

        def of(schema: Any, owner: str) -> int:
            if not isinstance(schema, dict):
                return 0
            target = schema.get("$ref")
            if isinstance(target, str):
                if target in loops.get(owner, ()) or (target not in self.definitions and target != "#"):
                    return 0
                if target not in known:
                    known[target] = 0
                    known[target] = of(self.definitions.get(target, self.root), target)
                return known[target]
            return max((1 + of(inner, owner) for inner in _inner(schema)), default=0)

        return of(self.root, "#")


def _loops(bodies: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """For each name the names that it shares a loop with."""
    edges = {name: set(_references(body)) & bodies.keys() for name, body in bodies.items()}
    reach = {name: _reachable(edges, name) for name in edges}
    return {name: frozenset(one for one in reach[name] if name in reach[one]) for name in reach}


def _reachable(edges: Mapping[str, set[str]], name: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(edges[name])
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting.extend(edges[one])
    return seen


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for inner in _inner(schema):
            yield from _references(inner)


def _inner(schema: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas one level below, definitions left out."""
    yield from _mapping(schema.get("properties")).values()
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield schema[word]
    for word in ("anyOf", "oneOf", "allOf", "prefixItems", "items"):
        if isinstance(schema.get(word), list):
            yield from schema[word]


def _height(schema: Any) -> int:
    return max((1 + _height(inner) for inner in _inner(schema)), default=0) if isinstance(schema, dict) else 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
