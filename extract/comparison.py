"""What is different between two runs: what they decided by, what became of each document, and field by field the rows
at their ends.

Documents are known by their names, rows by the document and their place among its rows. Both ledgers are read side by
side, one document at a time, so runs of any size can be compared; the sums are exact, and of the single differences the
first ones are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .jsontext import dump
from .ledger import STATES, Entry, LedgerReader

__all__ = ["Comparison", "Difference", "compare"]

_KEPT = 1_000
"""So many single differences are kept."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One document that is not the same in both runs: its name, what is different (``state``, ``rows``, or a field of a
    row), and how it is in the first and in the second run."""

    document: str
    what: str
    first: Any
    second: Any

    def plain(self) -> dict[str, Any]:
        return {"document": self.document, "what": self.what, "first": self.first, "second": self.second}


@dataclass
class Comparison:
    """The differences between two runs. `about` has what they decided by, where that is not the same; `totals` their
    documents, calls, tokens and cost side by side; `only` counts the documents that only one of them has; `states` and
    `fields` count what is different, and `differences` are the first of all of them."""

    about: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    totals: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    documents: int = 0
    only: tuple[int, int] = (0, 0)
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether every document is in both and came to the same."""
        return not (self.changed or any(self.only))

    def note(self, document: str, what: str, first: Any, second: Any) -> None:
        if len(self.differences) < _KEPT:
            self.differences.append(Difference(document, what, first, second))

    def plain(self) -> dict[str, Any]:
        """As one object."""
        return {
            "same": self.same,
            "about": {name: list(pair) for name, pair in self.about.items()},
            "totals": {name: list(pair) for name, pair in self.totals.items()},
            "in_both": self.documents,
            "only_in": list(self.only),
            "changed": self.changed,
            "states": [{"first": a, "second": b, "documents": n} for (a, b), n in self.states.most_common()],
            "fields": dict(self.fields.most_common()),
            "differences": [one.plain() for one in self.differences],
        }


def compare(first: LedgerReader, second: LedgerReader) -> Comparison:
    """The differences between the last starts of two runs."""
    found = Comparison()
    known, other = _Known.of(first), _Known.of(second)
    found.about = _differing(known.about(), other.about())
    found.totals = {name: (a, b) for (name, a), b in zip(_totals(first), dict(_totals(second)).values(), strict=True)}
    ends = known.end, other.end
    missing = [0, 0]
    for entry in first.entries():
        there = second.entry(entry.id, entry.stage)
        if there is None:
            missing[0] += 1
            found.note(entry.source, "document", entry.state, None)
            continue
        found.documents += 1
        _entries(found, entry, there, (first, second), ends)
    for entry in second.entries():
        if first.entry(entry.id, entry.stage) is None:
            missing[1] += 1
            found.note(entry.source, "document", None, entry.state)
    found.only = (missing[0], missing[1])
    return found


def _entries(
    found: Comparison, one: Entry, other: Entry, of: tuple[LedgerReader, LedgerReader], ends: tuple[int, int]
) -> None:
    """One document in both runs."""
    changed = one.state != other.state
    if changed:
        found.states[one.state, other.state] += 1
        found.note(one.source, "state", _told(one), _told(other))
    rows = [
        list(reader.rows(end, stage=entry.stage, ordinals=range(entry.ordinal, entry.ordinal + 1)))
        for reader, end, entry in zip(of, ends, (one, other), strict=True)
    ]
    if len(rows[0]) != len(rows[1]):
        changed = True
        found.fields["(number of rows)"] += 1
        found.note(one.source, "rows", len(rows[0]), len(rows[1]))
    for name, before, after in _fields(rows[0], rows[1]):
        changed = True
        found.fields[name] += 1
        found.note(one.source, name, before, after)
    found.changed += changed


def _told(entry: Entry) -> str:
    return f"{entry.state}: {'; '.join(entry.reasons)}" if entry.reasons else entry.state


def _fields(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """The fields that differ between rows of the same place; those of the run itself are left out."""
    for one, other in zip(first, second, strict=False):
        for name in dict.fromkeys((*one, *other)):
            if not name.startswith("_") and one.get(name) != other.get(name):
                yield name, one.get(name), other.get(name)


@dataclass(frozen=True)
class _Known:
    """What is known of the last start of a run: its number, and the manifest."""

    number: int
    manifest: Mapping[str, Any]

    @classmethod
    def of(cls, reader: LedgerReader) -> _Known:
        return cls(0 if reader.last is None else reader.last.number, reader.manifest())

    @property
    def start(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.manifest.get(f"start:{self.number}", {})
        return found

    @property
    def end(self) -> int:
        """The number of the last step."""
        return int(self.start.get("step", 0))

    def about(self) -> dict[str, Any]:
        """What the start decided by."""
        parts: Mapping[str, Mapping[str, Any]] = self.manifest.get(f"asked:{self.number}", {})
        return {
            "pipeline": self.manifest.get("pipeline"),
            "steps": self.start.get("fingerprint", self.manifest.get("fingerprint")),
            "prompt": self.manifest.get("prompt"),
            **{f"{step}: {name}": value for step, said in parts.items() for name, value in said.items()},
            **{name: dump(value) for name, value in self.manifest.items() if name.startswith("model:")},
        }


def _totals(reader: LedgerReader) -> Iterator[tuple[str, Any]]:
    states = reader.states()
    yield "documents", sum(states.values())
    for state in STATES:
        yield state, states.get(state, 0)
    calls, usage, cost = reader.totals()
    yield "calls", calls
    yield "input tokens", usage.input
    yield "output tokens", usage.output
    yield "cost_usd", cost


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys((*first, *second))
    return {name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)}
