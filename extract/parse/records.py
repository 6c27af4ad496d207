"""Which declared property each name of an object stands for: itself, an alias, or the same name in another case."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from .. import nodes
from .conform import pattern
from .scalars import fold
from .tree import Object

__all__ = ["Names", "names_of"]


@dataclass(frozen=True)
class Names:
    """`given` has, for each member in order, the name of the property that it is (None: not declared); `missing` the
    required properties that no member is; `absent` all properties that no member is."""

    record: nodes.Record
    given: tuple[str | None, ...]
    missing: tuple[str, ...]
    absent: tuple[str, ...]

    def kinds(self, name: str) -> list[nodes.Node]:
        """The nodes that a property without a field of its own must fit."""
        matching = [entry.node for entry in self.record.entries if _matches(entry, name)]
        return matching or ([self.record.extras] if self.record.extras is not None else [])

    def alike(self, a: str, b: str) -> bool:
        """Whether two names are one word in two forms, such as singular and plural."""
        a, b = fold(a), fold(b)
        if min(len(a), len(b)) < 3:
            return False
        return a.rstrip("s") == b.rstrip("s") or SequenceMatcher(None, a, b).ratio() >= 0.85

    def resembles(self, name: str) -> bool:
        """Whether an undeclared name could be meant for a property that is absent."""
        return any(self.alike(name, absent) or fold(absent) in fold(name) for absent in self.absent)


def names_of(record: nodes.Record, tree: Object, lenient: bool) -> Names:
    """Settles the names of an object against a record."""
    fields = {field.name: field for field in record.fields}
    present = {member.name for member in tree.members if member.name in fields}
    aliases = _aliases(record, present)
    given: list[str | None] = []
    for member in tree.members:
        name: str | None = member.name
        if name not in fields:
            name = aliases.get(member.name) or aliases.get("\n" + fold(member.name)) or _loose(record, member.name)
        given.append(name)
    found = set(given)
    absent = tuple(name for name in fields if name not in found)
    return Names(record, tuple(given), tuple(name for name in absent if fields[name].required), absent)


def _aliases(record: nodes.Record, present: set[str]) -> dict[str, str | None]:
    """Other names of the properties that are not there under their own: aliases as they are, and folded after a line
    break (no alias has one). A name that leads to two properties leads to none. Where every name is allowed, only
    required properties are looked for under other names."""
    out: dict[str, str | None] = {}
    for field in record.fields:
        if field.name in present:
            continue
        labels = set(field.aliases)
        if field.required or (record.extras is None and not record.entries):
            labels |= {"\n" + fold(label) for label in (field.name, *field.aliases) if fold(label)}
        for label in labels:
            out[label] = None if label in out else field.name
    return out


def _loose(record: nodes.Record, name: str) -> str | None:
    """The name itself where properties without a field are allowed."""
    return name if record.extras is not None or any(_matches(entry, name) for entry in record.entries) else None


def _matches(entry: nodes.Entry, name: str) -> bool:
    searched = pattern(entry.pattern)
    return searched is None or searched.search(name) is not None
