"""What an expression reads and gives, against the type of the rows: unknown fields and operands that cannot fit.

A kind of value is one of ``null boolean number text date list record``; a term has a set of them, and the set of all
(`ANY`) where nothing is known. Only what can never be right is a fault: a field that may be a number is taken as one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from .. import nodes
from .functions import DATE_PARTS, FUNCTIONS, kind_of, moment
from .tree import (
    Apply,
    Arithmetic,
    Compare,
    Fault,
    Listing,
    Literal,
    Logic,
    Negative,
    Not,
    Path,
    Term,
    paths,
    spelled,
)

__all__ = ["ANY", "Kinds", "Place", "faults", "find", "is_decimal", "kinds_of", "node_of"]

Kinds = frozenset[str]

ANY: Kinds = frozenset({"null", "boolean", "number", "text", "date", "list", "record"})

_NAMES = {"boolean": "true or false", "number": "a number", "text": "text", "date": "a date", "list": "a list"}
_NAMES |= {"record": "a record", "null": "null"}
_ORDERED = frozenset({"number", "text", "date"})


@dataclass(frozen=True)
class Place:
    """Where a path leads: the nodes that may be there, the lists on the way (as lengths of the path), the number of
    steps that are fields (a date's year is none), or what is wrong with it."""

    found: tuple[nodes.Node, ...] = ()
    lists: tuple[int, ...] = ()
    fields: int = 0
    part: bool = False
    fault: tuple[str, str | None] | None = None


def kinds_of(node: nodes.Node, type: nodes.Type) -> Kinds:
    """The kinds of value that a node admits."""
    node = type.resolve(node)
    if isinstance(node, nodes.Text):
        return frozenset({"date" if node.format in ("date", "date-time") else "text"})
    if isinstance(node, nodes.Choice):
        return frozenset(kind_of(Decimal(repr(v)) if isinstance(v, float) else v) for v in node.values)
    if isinstance(node, nodes.Union):
        if is_decimal(node, type) and _sure(node, type):
            return frozenset({"number", *({"null"} if "null" in _branch_kinds(node, type) else ())})
        return _branch_kinds(node, type)
    return _KINDS.get(node.__class__, ANY)


def _branch_kinds(node: nodes.Union, type: nodes.Type) -> Kinds:
    return frozenset().union(*(kinds_of(branch, type) for branch in node.branches))


_KINDS: dict[Any, Kinds] = {
    nodes.Null: frozenset({"null"}),
    nodes.Boolean: frozenset({"boolean"}),
    nodes.Number: frozenset({"number"}),
    nodes.Array: frozenset({"list"}),
    nodes.Tuple: frozenset({"list"}),
    nodes.Record: frozenset({"record"}),
}


def is_decimal(node: nodes.Node, type: nodes.Type) -> bool:
    """Whether a text at this node may be a number: a Decimal is declared as a number that may also be written as text.

    Where nothing says that the text is made of digits, it may as well be words, and is a number if it looks like one.
    """
    node = type.resolve(node)
    if not isinstance(node, nodes.Union):
        return False
    branches = [type.resolve(branch) for branch in node.branches]
    numbers = [branch for branch in branches if isinstance(branch, nodes.Number) and not branch.integer]
    texts = [branch for branch in branches if isinstance(branch, nodes.Text)]
    nulls = [branch for branch in branches if isinstance(branch, nodes.Null)]
    if len(numbers) + len(texts) + len(nulls) < len(branches) or not texts or not numbers:
        return False
    return all(_digits(text) or _open(text) for text in texts)


def _open(text: nodes.Text) -> bool:
    return text.format is None and text.pattern is None and text.max_length is None


def _sure(node: nodes.Node, type: nodes.Type) -> bool:
    """Whether texts at this decimal node are never words."""
    branches = node.branches if isinstance(node, nodes.Union) else ()
    texts = [one for one in map(type.resolve, branches) if isinstance(one, nodes.Text)]
    return all(_digits(text) for text in texts)


def _digits(text: nodes.Text) -> bool:
    """Whether a text's format or pattern admits numbers and no words."""
    if text.format == "decimal":
        return True
    if text.pattern is None:
        return False
    try:
        pattern = re.compile(text.pattern)
    except re.error:
        return False
    numbers, words = ("1.5", "1", "10"), ("a", "x1", "1x")
    return any(map(pattern.search, numbers)) and not any(map(pattern.search, words))


def find(steps: tuple[str, ...], type: nodes.Type) -> Place:
    """Where a path leads in rows of this type."""
    here: list[nodes.Node] = [type.root]
    lists: list[int] = []
    for i, step in enumerate(steps):
        here, crossed = _into_items(here, type)
        if crossed:
            lists.append(i)
        last = i == len(steps) - 1
        next_nodes = [inner for node in here for inner in _step(node, step, type)]
        if not next_nodes:
            if last and step in DATE_PARTS and any(kinds_of(node, type) & {"date"} for node in here):
                return Place((nodes.Number(integer=True),), tuple(lists), i, part=True)
            return Place(lists=tuple(lists), fields=i, fault=_missing(here, steps, i, type))
        here = next_nodes
    return Place(tuple(here), tuple(lists), len(steps))


def _into_items(here: list[nodes.Node], type: nodes.Type) -> tuple[list[nodes.Node], bool]:
    """The nodes themselves, and for lists the nodes of their items, however deep."""
    found: list[nodes.Node] = []
    crossed = False
    for node in _flat(here, type):
        if isinstance(node, nodes.Array):
            crossed = True
            found.extend(_into_items([node.items], type)[0])
        elif isinstance(node, nodes.Tuple):
            crossed = True
            rest = () if node.rest is None else (node.rest,)
            found.extend(_into_items([*node.prefix, *rest], type)[0])
        else:
            found.append(node)
    return found, crossed


def _flat(here: list[nodes.Node], type: nodes.Type) -> Iterator[nodes.Node]:
    for node in here:
        node = type.resolve(node)
        if isinstance(node, nodes.Union) and not is_decimal(node, type):
            yield from _flat(list(node.branches), type)
        else:
            yield node


def _step(node: nodes.Node, step: str, type: nodes.Type) -> list[nodes.Node]:
    if isinstance(node, nodes.Anything):
        return [node]
    if not isinstance(node, nodes.Record):
        return []
    for one in node.fields:
        if one.name == step:
            return [one.node] if one.required or one.default else [one.node, nodes.Null()]
    if node.entries:
        return [*(entry.node for entry in node.entries), nodes.Null()]
    silent = isinstance(node.extras, nodes.Anything) and not node.extras.said and node.fields
    return [] if node.extras is None or silent else [node.extras, nodes.Null()]


def _missing(here: list[nodes.Node], steps: tuple[str, ...], i: int, type: nodes.Type) -> tuple[str, str | None]:
    known = list(dict.fromkeys(one.name for node in here if isinstance(node, nodes.Record) for one in node.fields))
    above, step = spelled(steps[:i]), steps[i]
    if not any(isinstance(node, nodes.Record) for node in here):
        kinds = _words(frozenset().union(*(kinds_of(node, type) for node in here)) - {"null"})
        date = any(kinds_of(node, type) & {"date"} for node in here)
        return f"`{above}` is {kinds} and has no field `{step}`.", f"It has {', '.join(DATE_PARTS)}." if date else None
    near = get_close_matches(step, known, 1) or get_close_matches(step.lower(), [name.lower() for name in known], 1)
    listed = f"The fields here: {', '.join(known)}." if known else "There are no fields here."
    fix = f"Did you mean `{near[0]}`? {listed}" if near else listed
    return (f"There is no field `{step}`{f' in `{above}`' if i else ''}."), fix


def _words(kinds: Kinds) -> str:
    return " or ".join(_NAMES[kind] for kind in sorted(kinds)) or "null"


def faults(term: Term, type: nodes.Type, condition: bool) -> tuple[Fault, ...]:
    """Everything that is wrong with the term for rows of this type; a `condition` must give true or false."""
    reader = _Typing(type)
    kinds = reader.kinds(term)
    if condition and not reader.faults and not kinds & {"boolean"}:
        message = f"A condition is needed here, and this gives {_words(kinds)}."
        return (Fault(term.column, message, "Compare it with something, such as `total > 0`."),)
    return tuple(sorted(reader.faults, key=lambda fault: fault.column))


@dataclass
class _Typing:
    """Goes through a term once, collects what is wrong, and gives its kinds. `inside` counts aggregates around it."""

    type: nodes.Type
    faults: list[Fault] = field(default_factory=list)
    inside: int = 0

    def kinds(self, term: Term) -> Kinds:
        return _RULES[term.__class__](self, term)

    def fault(self, column: int, message: str, fix: str | None = None) -> Kinds:
        self.faults.append(Fault(column, message, fix))
        return ANY

    def path(self, term: Path) -> Kinds:
        place = find(term.steps, self.type)
        if place.fault is not None:
            return self.fault(term.column, *place.fault)
        if place.lists and not self.inside:
            at, whole = spelled(term.steps[: place.lists[0]]), spelled(term.steps)
            message = f"`{at}` is a list, and `{whole}` is many values."
            return self.fault(term.column, message, f"Write sum({whole}), any(...), all(...), count, min or max.")
        kinds = frozenset().union(*(kinds_of(node, self.type) for node in place.found))
        if self.inside and "list" in kinds:
            items, _ = _into_items(list(place.found), self.type)
            kinds = frozenset().union(*(kinds_of(node, self.type) for node in items))
        return kinds

    def listing(self, term: Listing) -> Kinds:
        for item in term.items:
            self.kinds(item)
        return frozenset({"list"})

    def negated(self, term: Not) -> Kinds:
        return self.conditions((term.operand,))

    def logic(self, term: Logic) -> Kinds:
        return self.conditions(term.terms)

    def conditions(self, terms: tuple[Term, ...]) -> Kinds:
        for one in terms:
            kinds = self.kinds(one)
            if not kinds & {"boolean", "null"}:
                fix = "Compare it with something, such as `total > 0`."
                self.fault(one.column, f"This is {_words(kinds)}, where true or false is needed.", fix)
        return frozenset({"boolean"})

    def negative(self, term: Negative) -> Kinds:
        return self.numbers((term.operand,))

    def numbers(self, terms: tuple[Term, ...]) -> Kinds:
        null: Kinds = frozenset()
        for one in terms:
            kinds = self.kinds(one)
            null |= kinds & {"null"}
            if not kinds & {"number"}:
                self.fault(one.column, f"This is {_words(kinds)}, where a number is needed.")
        return frozenset({"number"}) | null

    def arithmetic(self, term: Arithmetic) -> Kinds:
        if term.sign == "+":
            left, right = self.kinds(term.left), self.kinds(term.right)
            texts = frozenset({"text", "date"})
            if left & texts and right & texts and not (left & right & {"number"}):
                return frozenset({"text"}) | ((left | right) & {"null"})
            if not left & right & {"number"}:
                return self.fault(term.column, f"{_cap(left)} and {_words(right)} cannot be added.")
            return frozenset({"number"}) | ((left | right) & {"null"}) | (left & right & {"text"})
        return self.numbers((term.left, term.right))

    def compare(self, term: Compare) -> Kinds:
        kinds = [self.kinds(one) for one in term.terms]
        for i, sign in enumerate(term.signs):
            self.pair(sign, term.terms[i], term.terms[i + 1], kinds[i], kinds[i + 1])
        return frozenset({"boolean"})

    def pair(self, sign: str, left: Term, right: Term, a: Kinds, b: Kinds) -> None:
        if sign in ("is", "is not"):
            return
        if sign in ("in", "not in"):
            if isinstance(right, Listing):
                for item in right.items:
                    self.meets("==", left, item, a, self.kinds(item))
            elif not b & {"list", "text", "date"}:
                self.fault(right.column, f"This is {_words(b)}; `{sign}` looks into a list or a text.")
            return
        if sign not in ("==", "!="):
            for one, kinds in ((left, a), (right, b)):
                if not kinds & _ORDERED:
                    self.fault(one.column, f"This is {_words(kinds)}, and `{sign}` needs a number, a text or a date.")
                    return
        self.meets(sign, left, right, a, b)

    def meets(self, sign: str, left: Term, right: Term, a: Kinds, b: Kinds) -> None:
        """Two sides that are compared must be able to be of one kind; a date is compared with an ISO text."""
        if isinstance(left, Literal) and not isinstance(right, Literal):
            left, right, a, b = right, left, b, a
        if isinstance(right, Literal) and isinstance(right.value, str):
            if "date" in a and not a & {"text"}:
                if moment(right.value) is None:
                    fix = "Write it as 'YYYY-MM-DD', or compare a part: `date.year == 2018`."
                    self.fault(right.column, f"{right.value!r} is not a date.", fix)
                return
            self.choice(left, right)
        alike = {"text"} if "date" in a | b and "text" in a | b else set()
        reach = (a & b) | (alike if (a & {"text", "date"}) and (b & {"text", "date"}) else frozenset())
        if not reach - {"null"}:
            at = right.column if isinstance(right, Literal) else left.column
            self.fault(at, f"{_cap(a - {'null'})} is compared with {_words(b - {'null'})}.", _kind_fix(a, b))

    def choice(self, left: Term, right: Literal) -> None:
        """A text that is compared with a choice must be one of it."""
        if not isinstance(left, Path):
            return
        place = find(left.steps, self.type)
        found = list(_flat(list(place.found), self.type))
        known = [v for node in found if isinstance(node, nodes.Choice) for v in node.values if isinstance(v, str)]
        if (place.lists and not self.inside) or right.value in known:
            return
        if known and all(isinstance(node, (nodes.Choice, nodes.Null)) for node in found):
            near = get_close_matches(right.value, known, 1)
            listed = f"It is one of {', '.join(map(repr, known))}."
            fix = f"Did you mean {near[0]!r}? {listed}" if near else listed
            self.fault(right.column, f"`{spelled(left.steps)}` is never {right.value!r}.", fix)

    def apply(self, term: Apply) -> Kinds:
        if term.aggregate:
            return self.aggregate(term)
        function = FUNCTIONS[term.name]
        null: Kinds = frozenset()
        given: Kinds = frozenset()
        for i, one in enumerate(term.arguments):
            kinds = self.kinds(one)
            null |= kinds & {"null"}
            given |= kinds
            takes = function.takes[min(i, len(function.takes) - 1)].split("|")
            wanted = ANY if takes == ["any"] else frozenset(takes) | ({"date"} if "text" in takes else frozenset())
            if not kinds & (wanted | {"null"}):
                words = _words(frozenset(takes))
                self.fault(one.column, f"`{term.name}` takes {words}, and this is {_words(kinds)}.")
        return given if function.gives == "any" else frozenset({function.gives}) | null

    def aggregate(self, term: Apply) -> Kinds:
        before = len(self.faults)
        self.inside += 1
        kinds = self.kinds(term.arguments[0])
        self.inside -= 1
        if len(self.faults) > before or not self.one_list(term):
            return ANY
        wanted = {"sum": {"number"}, "any": {"boolean"}, "all": {"boolean"}}.get(term.name, ANY)
        if not kinds & wanted:
            words = _words(frozenset(wanted))
            fix = f"Compare it: `{term.name}(lines.total > 0)`." if term.name in ("any", "all") else None
            self.fault(term.arguments[0].column, f"`{term.name}` takes {words}, and this is {_words(kinds)}.", fix)
        gives = {"sum": {"number", "null"}, "count": {"number"}, "any": {"boolean"}, "all": {"boolean"}}
        return frozenset(gives.get(term.name, kinds | {"null"}))

    def one_list(self, term: Apply) -> bool:
        """Whether the argument leads through a list, and through one only."""
        found: set[tuple[str, ...]] = set()
        unknown = False
        for path in paths(term.arguments[0]):
            place = find(path.steps, self.type)
            ends = frozenset().union(*(kinds_of(node, self.type) for node in place.found))
            unknown |= any(isinstance(self.type.resolve(node), nodes.Anything) for node in place.found)
            found |= {path.steps[:length] for length in place.lists}
            found |= {path.steps} if "list" in ends and ends != ANY else set()
        if not found and not unknown:
            path = next(paths(term.arguments[0]))
            message = f"`{term.name}` reads a list, and `{spelled(path.steps)}` does not lead through one."
            self.fault(path.column, message)
            return False
        longest = max(sorted(found), key=len, default=())
        apart = sorted(spelled(steps) for steps in found if longest[: len(steps)] != steps)
        if apart:
            first, second = sorted((apart[0], spelled(longest)))
            message = f"`{first}` and `{second}` are two lists; one aggregate reads one list."
            self.fault(term.column, message)
        return not apart


def _cap(kinds: Kinds) -> str:
    words = _words(kinds)
    return words[0].upper() + words[1:]


def _kind_fix(a: Kinds, b: Kinds) -> str | None:
    if "text" in b and "number" in a:
        return "Write the number without quotes."
    return "Write the text in quotes." if "text" in a and "number" in b else None


def node_of(term: Term, type: nodes.Type) -> nodes.Node:
    """The node of what a term gives, as far as that is plain; `Anything` where it is not."""
    if isinstance(term, Path):
        place = find(term.steps, type)
        if len(place.found) == 1:
            return place.found[0]
    kinds = _Typing(type).kinds(term)
    branches = tuple(_NODES[kind] for kind in sorted(kinds)) if kinds <= _NODES.keys() else ()
    return nodes.Union(branches=branches) if len(branches) > 1 else branches[0] if branches else nodes.Anything()


_NODES: dict[str, nodes.Node] = {
    "boolean": nodes.Boolean(),
    "date": nodes.Text(format="date"),
    "null": nodes.Null(),
    "number": nodes.Number(),
    "text": nodes.Text(),
}

_RULES: dict[Any, Callable[[_Typing, Any], Kinds]] = {
    Literal: lambda _, term: frozenset({kind_of(term.value)}),
    Path: _Typing.path,
    Listing: _Typing.listing,
    Not: _Typing.negated,
    Negative: _Typing.negative,
    Arithmetic: _Typing.arithmetic,
    Logic: _Typing.logic,
    Compare: _Typing.compare,
    Apply: _Typing.apply,
}
