"""The codecs of records and unions: where a value has to be taken apart by its names.

Both run for every record of every answer, so what can be known beforehand is: which properties differ on the wire,
which may be missing, and which branch a wire object belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import SchemaError
from ..pointer import ABSENT
from .codec import Codec, MapCodec, Tokens, frozen, inside, misfit, placed
from .membership import json_type

__all__ = ["Branch", "Part", "RecordCodec", "UnionCodec"]


@dataclass(frozen=True)
class Part:
    """One declared property: its codec, whether it may be missing, what the wire admits, and how missing is written
    there: as null, or as a mark where null says something else."""

    name: str
    codec: Codec
    optional: bool = False
    fits: Callable[[Any], bool] = lambda value: True
    missing: Mapping[str, Any] | None = None


@dataclass
class RecordCodec(Codec):
    """An object with declared properties. `carrier` holds the others as entries; where there is none they are refused,
    or left out where the type ignores them (`open`)."""

    parts: Sequence[Part]
    carrier: str | None = None
    others: MapCodec | None = None
    open: bool = False
    identity: bool = False

    def __post_init__(self) -> None:
        carried = {self.carrier: None} if self.carrier else {}
        self._blank: dict[str, Any] = {**{part.name: part.missing for part in self.parts}, **carried}
        self._names = frozenset(part.name for part in self.parts)
        self._required = frozenset(part.name for part in self.parts if not part.optional)
        self._special = [(part.name, part.codec) for part in self.parts if not part.codec.identity]
        self._decoded = [(part.name, part.codec) for part in self.parts if not part.codec.kept]
        self._strict = [part for part in self.parts if part.optional]
        self._nulls = frozenset(part.name for part in self.parts if not part.optional or part.missing)
        self._marked = [(part.name, part.missing) for part in self.parts if part.missing]
        self._optional = any(part.optional for part in self.parts)
        self._by_name = {part.name: part for part in self.parts}
        self._kept = not (self._optional or self._marked or self._decoded or self.carrier)

    @property
    def kept(self) -> bool:
        return self._kept

    def encode(self, value: Any) -> Any:
        if type(value) is not dict:
            raise misfit(f"An object was expected, not {json_type(value)}.")
        names = value.keys()
        if not self._required <= names:
            missing = next(part.name for part in self.parts if part.name in self._required - names)
            raise misfit(f"The property {missing!r} is missing.")
        extras: dict[str, Any] = {}
        if not names <= self._names:
            extras = {name: inner for name, inner in value.items() if name not in self._names}
            value = {name: inner for name, inner in value.items() if name in self._names}
            if self.others is None and not self.open:
                raise misfit(f"There may be no property {next(iter(extras))!r}.")
        wire: dict[str, Any] = {**self._blank, **value}
        if self._strict and None in value.values():
            for part in self._strict:
                if part.name in value and value[part.name] is None and not part.fits(None):
                    raise misfit(f"The property {part.name!r} may be left out, but it may not be null.")
        for name, codec in self._special:
            if name in value:
                wire[name] = placed(codec.encode, value[name], name)
        if self.others is not None and self.carrier is not None:
            wire[self.carrier] = self.others.encode(extras)
        return wire

    def decode(self, wire: Any) -> Any:
        if self._kept:
            return wire
        if self._optional:
            nulls = self._nulls
            value = {name: inner for name, inner in wire.items() if inner is not None or name in nulls}
        else:
            value = dict(wire)
        for name, missing in self._marked:
            if value[name] == missing:
                del value[name]
        for name, codec in self._decoded:
            if name in value:
                value[name] = codec.decode(value[name])
        if self.others is not None and self.carrier is not None:
            self._add(value, self.others.decode(value.pop(self.carrier)))
        return value

    def _add(self, value: dict[str, Any], extras: Mapping[str, Any]) -> None:
        """The carried properties; one that is declared counts only where its own place is empty and it fits there."""
        for name, inner in extras.items():
            part = self._by_name.get(name)
            if part is None or (name not in value and part.fits(inner)):
                value[name] = inner

    def partial(self, wire: Any) -> Any:
        if not isinstance(wire, dict):
            return ABSENT
        value: dict[str, Any] = {}
        for part in self.parts:
            held = wire.get(part.name, ABSENT)
            marked = part.missing is not None and isinstance(held, dict) and held.keys() <= part.missing.keys()
            if held is ABSENT or marked or (part.optional and part.missing is None and held is None):
                continue
            made = part.codec.partial(held)
            if made is not ABSENT:
                value[part.name] = made
        if self.others is not None and self.carrier is not None and isinstance(wire.get(self.carrier), list):
            self._add(value, self.others.partial(wire[self.carrier]))
        return value

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        if not tokens:
            return ()
        if tokens[0] == self.carrier and self.others is not None:
            return self.others.locate(tokens[1:], inside(wire, tokens[0]))
        part = self._by_name.get(tokens[0])
        return tokens if part is None else (tokens[0], *part.codec.locate(tokens[1:], inside(wire, tokens[0])))


@dataclass(frozen=True)
class Branch:
    """One branch of a union: its codec, which values of the user's it takes, the JSON types that its wire form has, and
    for wire objects their names and the constants that some of them have."""

    codec: Codec
    fits: Callable[[Any], bool]
    types: frozenset[str]
    kinds: frozenset[str]
    objects: tuple[tuple[frozenset[str], Mapping[str, frozenset[str]]], ...] = ()


@dataclass
class UnionCodec(Codec):
    """A value of one of several branches, told apart on the wire by JSON type, by a constant, or by its names.
    Of several branches that take a value, the one that gives most of it back does."""

    branches: Sequence[Branch]
    identity: bool = False
    _to: dict[str, list[Branch]] = field(default_factory=dict)
    _from: dict[str, list[Branch]] = field(default_factory=dict)
    _by_names: dict[frozenset[str], list[tuple[Mapping[str, frozenset[str]], Branch]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for branch in self.branches:
            for kind in branch.types:
                self._to.setdefault(kind, []).append(branch)
            for kind in branch.kinds:
                self._from.setdefault(kind, []).append(branch)
            for names, tags in branch.objects:
                self._by_names.setdefault(names, []).append((tags, branch))

    def encode(self, value: Any) -> Any:
        found = self._to.get(json_type(value), ())
        if len(found) == 1:
            return found[0].codec.encode(value)
        fitting = [branch for branch in found if branch.fits(value)]
        if not fitting:
            raise misfit("The value belongs to none of the alternatives.")
        return fitting[0].codec.encode(value) if len(fitting) == 1 else _fullest(fitting, value)

    def decode(self, wire: Any) -> Any:
        branch = self._meant(wire)
        return wire if branch is None else branch.codec.decode(wire)

    def _meant(self, wire: Any) -> Branch | None:
        kind = json_type(wire)
        found = self._from.get(kind, ())
        if len(found) < 2 or kind != "object":
            return found[0] if found else None
        for tags, branch in self._by_names.get(frozenset(wire), ()):
            if all(frozen(wire[name]) in values for name, values in tags.items()):
                return branch
        return None

    def partial(self, wire: Any) -> Any:
        branch = self.branch(wire)
        return ABSENT if branch is None else branch.codec.partial(wire)

    def branch(self, wire: Any) -> Branch | None:
        """The branch that a wire value belongs to; of an unfinished object, the one that it can still become."""
        return self._meant(wire) or (self._likely(wire) if isinstance(wire, dict) else None)

    def _likely(self, wire: Mapping[str, Any]) -> Branch | None:
        """The one branch that an unfinished object can still become."""
        fitting = {
            id(branch): branch
            for names, ways in self._by_names.items()
            for tags, branch in ways
            if wire.keys() <= names
            and all(frozen(wire[name]) in values for name, values in tags.items() if name in wire)
        }
        return next(iter(fitting.values())) if len(fitting) == 1 else None

    def locate(self, tokens: Tokens, wire: Any) -> Tokens:
        branch = self.branch(wire)
        return () if branch is None else branch.codec.locate(tokens, wire)


def _fullest(branches: Sequence[Branch], value: Any) -> Any:
    """The wire form that gives most of the value back: open objects leave out the names that they do not declare."""
    best, most = None, -1
    refused: SchemaError | None = None
    for branch in branches:
        try:
            wire = branch.codec.encode(value)
        except SchemaError as wrong:
            refused = refused or wrong
            continue
        back = branch.codec.decode(wire)
        if back == value:
            return wire
        if (size := _size(back)) > most:
            best, most = wire, size
    if most < 0 and refused is not None:
        raise refused
    return best


def _size(value: Any) -> int:
    """How many properties and items a value has, at any depth."""
    if isinstance(value, dict):
        return len(value) + sum(map(_size, value.values()))
    return len(value) + sum(map(_size, value)) if isinstance(value, list) else 0
