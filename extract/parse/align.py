"""Reads a tree as a value of a type.

Names and choices are found by alias and case, numbers and dates read where a text has one reading; what the policy does
not allow, or has no reading, is a problem and is left out of the value (in a list it stays as it was written, so that
the places of the others do not change). Every change is an event; of a union the branch that needs none is taken, then
the one that needs fewest, and a tie between different values is a problem.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from .. import nodes
from ..events import Event
from ..extraction import Problem, ProblemKind
from ..jsontext import same
from ..pointer import ABSENT, inside
from . import scalars
from .conform import Checks, distinct, within
from .exact import NotJson, exact, whole
from .records import Names, names_of
from .tree import Leaf, List, Object, Tree, plain

__all__ = ["Aligner"]


@dataclass(frozen=True, slots=True)
class _Tried:
    """What reading a tree as one branch of a union gave."""

    value: Any
    events: tuple[Event, ...]
    problems: tuple[Problem, ...]
    places: tuple[tuple[int, int, str], ...]


class Aligner:
    """Reads one tree. `events`, `problems` and `places` (which range of the text became which pointer) grow on the
    way."""

    def __init__(
        self, type: nodes.Type, checks: Checks, text: str, lenient: bool, nested: Callable[[str], Tree | None]
    ):
        self.type, self.checks, self.text, self.lenient, self.nested = type, checks, text, lenient, nested
        self.events: list[Event] = []
        self.problems: list[Problem] = []
        self.places: list[tuple[int, int, str]] = []
        self._memo: dict[tuple[int, int, str], _Tried] = {}

    def read(self, tree: Tree, node: nodes.Node, pointer: str = "") -> Any:
        """The value, or ABSENT where a problem stands instead."""
        self.places.append((tree.start, tree.end, pointer))
        if isinstance(node, nodes.Ref):
            node = self.type.resolve(node)
        return _READERS[type(node)](self, tree, node, pointer)

    def changed(self, rule: str, pointer: str, tree: Tree, after: Any, note: str = "") -> Any:
        self.events.append(Event(rule, pointer, self.before(tree), after, (tree.start, tree.end), note))
        return after

    def before(self, tree: Tree) -> Any:
        return plain(tree)

    def wrong(self, pointer: str, message: str, tree: Tree | None, kind: ProblemKind = "invalid") -> Any:
        self.problems.append(Problem(pointer, message, kind, None if tree is None else self.before(tree)))
        return ABSENT

    def attempt(self, tree: Tree, node: nodes.Node, pointer: str) -> _Tried:
        """Reads a tree as a node without leaving a trace here."""
        key = (id(tree), id(node), pointer)
        found = self._memo.get(key)
        if found is None:
            marks = len(self.events), len(self.problems), len(self.places)
            value = self.read(tree, node, pointer)
            found = _Tried(
                value, tuple(self.events[marks[0] :]), tuple(self.problems[marks[1] :]), tuple(self.places[marks[2] :])
            )
            del self.events[marks[0] :], self.problems[marks[1] :], self.places[marks[2] :]
            self._memo[key] = found
        return found

    def take(self, tried: _Tried) -> Any:
        self.events.extend(tried.events)
        self.problems.extend(tried.problems)
        self.places.extend(tried.places)
        return tried.value


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _step(pointer: str, step: str | int) -> str:
    return f"{pointer}/{step.replace('~', '~0').replace('/', '~1')}" if isinstance(step, str) else f"{pointer}/{step}"


def _kind(tree: Tree) -> str:
    if isinstance(tree, List):
        return f"the list {_shown(plain(tree))}"
    if isinstance(tree, Object):
        return f"the object {_shown(plain(tree))}"
    if tree.form in ("string", "bare"):
        return f"the text {_shown(tree.value)}"
    return _shown(tree.value)


def _text_of(tree: Tree) -> str | None:
    return tree.value if isinstance(tree, Leaf) and isinstance(tree.value, str) else None


_NO_VALUE = frozenset({"nan", "infinity", "inf", "undefined", "nil", "null", "none", "true", "false"})


def _anything(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    if isinstance(tree, List):
        return [self.read(item, node, _step(pointer, i)) for i, item in enumerate(tree.items)]
    if isinstance(tree, Object):
        pairs = ((m.name, self.read(m.value, node, _step(pointer, m.name))) for m in tree.members)
        return {name: value for name, value in pairs if value is not ABSENT}
    if tree.form == "bare" and (
        tree.value is None
        or scalars.looks_numeric(tree.value)
        or tree.value.strip().lstrip("+-").casefold() in _NO_VALUE
    ):
        return self.wrong(pointer, f"{tree.value} could be a text or a value", tree, "reading")
    return tree.value


def _never(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    return self.wrong(pointer, "No value is allowed here", tree)


def _null(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    if isinstance(tree, Leaf) and tree.value is None and tree.form == "literal":
        return None
    text = _text_of(tree)
    if self.lenient and text is not None and text.strip().casefold() in ("null", "none"):
        return self.changed("read.null", pointer, tree, None)
    return self.wrong(pointer, f"Expected null, found {_kind(tree)}", tree)


def _boolean(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    if isinstance(tree, Leaf):
        if isinstance(tree.value, bool):
            return tree.value
        text = _text_of(tree)
        found = scalars.boolean(text, self.lenient) if text is not None else None
        if found is None and self.lenient and tree.form == "number" and tree.value in (0, 1):
            found = tree.value == 1
        if found is not None:
            return self.changed("read.boolean", pointer, tree, found)
    return self.wrong(pointer, f"Expected true or false, found {_kind(tree)}", tree)


def _number(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    number = cast(nodes.Number, node)
    what = "a whole number" if number.integer else "a number"
    value: Any = None
    if isinstance(tree, Leaf) and tree.form == "number":
        value = tree.value
    elif (text := _text_of(tree)) is not None:
        value = scalars.number(text, number.integer)
        rule = "read.number"
        if value is None and self.lenient:
            value, rule = scalars.amount(text, number.integer), "read.amount"
        if value is not None:
            self.changed(rule, pointer, tree, value)
    if value is None or (number.integer and not whole(value)):
        return self.wrong(pointer, f"Expected {what}, found {_kind(tree)}", tree)
    if not within(number, value):
        return self.wrong(pointer, f"{value} is not within the bounds of this number", tree)
    return value


def _text(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    text = cast(nodes.Text, node)
    if not isinstance(tree, Leaf) or tree.value is None or isinstance(tree.value, bool):
        return self.wrong(pointer, f"Expected a text, found {_kind(tree)}", tree)
    value = tree.value
    if tree.form in ("number", "literal"):
        value = self.changed("read.text", pointer, tree, self.text[tree.start : tree.end])
    elif tree.form == "bare" and scalars.looks_numeric(value):
        self.changed("read.text", pointer, tree, value)
    if self.checks.of(node)(value):
        return value
    if text.format == "date" and (day := scalars.day(value)) is not None and self.checks.of(node)(day):
        return self.changed("read.date", pointer, tree, day)
    return self.wrong(pointer, f"{_shown(value)} is not {_described(text)}", tree)


def _described(text: nodes.Text) -> str:
    """What a text must be, in words."""
    parts = []
    if text.format == "date":
        parts.append("a date with one reading")
    if text.pattern is not None:
        parts.append(f"a text with the pattern {text.pattern}")
    if text.min_length or text.max_length is not None:
        most = "" if text.max_length is None else f" to {text.max_length}"
        parts.append(f"a text of {text.min_length}{most or ' or more'} characters")
    return " and ".join(parts) or "a text"


def _choice(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    choice = cast(nodes.Choice, node)
    if isinstance(tree, List) and len(tree.items) == 1 and self.lenient:
        return _unwrapped(self, tree, tree.items[0], node, pointer)
    value = plain(tree)
    for member in choice.values:
        if same(value, member):
            return member
    text = _text_of(tree)
    if text is None and isinstance(tree, Leaf) and tree.form == "number":
        text = self.text[tree.start : tree.end]
    if text is not None:
        labels = [
            (v if isinstance(v, str) else json.dumps(v), v) for v in choice.values if not isinstance(v, dict | list)
        ]
        labels += [(name, v) for name, v in zip(choice.names, choice.values, strict=False)]
        found = scalars.choose(text, labels, self.lenient)
        if found is not None:
            return self.changed("read.choice", pointer, tree, found[0])
    among = ", ".join(_shown(v) for v in choice.values[:8]) + (", ..." if len(choice.values) > 8 else "")
    return self.wrong(pointer, f"Expected one of {among}; found {_kind(tree)}", tree)


def _unwrapped(self: Aligner, tree: Tree, inner: Tree, node: nodes.Node, pointer: str) -> Any:
    tried = self.attempt(inner, node, pointer)
    if tried.problems:
        return self.wrong(pointer, f"Expected one value, found {_kind(tree)}", tree)
    value = self.take(tried)
    return self.changed("read.unwrapped", pointer, tree, value)


def _opened(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    """A list or an object that was written as JSON inside a text, or ABSENT."""
    text = _text_of(tree)
    if text is None or not self.lenient:
        return ABSENT
    inner = self.nested(text)
    if inner is None or (isinstance(inner, List) and not _is_json(text)):
        return ABSENT
    within_text = Aligner(self.type, self.checks, text, self.lenient, lambda _: None)
    value = within_text.read(inner, node, pointer)
    if within_text.problems:
        return ABSENT
    return self.changed("read.nested-json", pointer, tree, value)


def _is_json(text: str) -> bool:
    try:
        exact(text)
    except (NotJson, RecursionError):
        return False
    return True


def _array(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    array = cast(nodes.Array, node)
    if not isinstance(tree, List):
        opened = _opened(self, tree, node, pointer)
        if opened is not ABSENT:
            return opened
        text = _text_of(tree)
        if not self.lenient or (isinstance(tree, Leaf) and (tree.value is None or (text or "").lstrip()[:1] == "[")):
            return self.wrong(pointer, f"Expected a list, found {_kind(tree)}", tree)
        tried = self.attempt(tree, array.items, _step(pointer, 0))
        if tried.problems:
            return self.wrong(pointer, f"Expected a list, found {_kind(tree)}", tree)
        return _counted(self, tree, array, self.changed("read.one-item", pointer, tree, [self.take(tried)]), pointer)
    return _counted(self, tree, array, _items(self, tree, [array.items] * len(tree.items), pointer), pointer)


def _items(self: Aligner, tree: List, kinds: list[nodes.Node], pointer: str) -> list[Any]:
    made = []
    for i, (item, kind) in enumerate(zip(tree.items, kinds, strict=False)):
        value = self.read(item, kind, _step(pointer, i))
        made.append(self.before(item) if value is ABSENT else value)
    return made


def _counted(self: Aligner, tree: Tree, array: nodes.Array | nodes.Tuple, value: list[Any], pointer: str) -> list[Any]:
    if len(value) < array.min_items:
        self.wrong(pointer, f"At least {array.min_items} items are needed, {len(value)} are there", tree)
    elif array.max_items is not None and len(value) > array.max_items:
        self.wrong(pointer, f"At most {array.max_items} items are allowed, {len(value)} are there", tree)
    elif isinstance(array, nodes.Array) and array.unique and not distinct(value):
        self.wrong(pointer, "An item stands twice in a list of different items", tree)
    return value


def _tuple(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    listed = cast(nodes.Tuple, node)
    if not isinstance(tree, List):
        opened = _opened(self, tree, node, pointer)
        return self.wrong(pointer, f"Expected a list, found {_kind(tree)}", tree) if opened is ABSENT else opened
    more = len(tree.items) - len(listed.prefix)
    if more > 0 and listed.rest is None:
        return self.wrong(pointer, f"At most {len(listed.prefix)} items are allowed, {len(tree.items)} are there", tree)
    kinds = [*listed.prefix, *([listed.rest] * more if listed.rest is not None else [])]
    return _counted(self, tree, listed, _items(self, tree, kinds, pointer), pointer)


def _union(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    union = cast(nodes.Union, node)
    other = _halved(tree)
    if other is not None and any(isinstance(self.type.resolve(one), other) for one in union.branches):
        return self.wrong(pointer, f"{plain(tree)} could be a text or a value", tree, "reading")
    tried = [self.attempt(tree, one, pointer) for one in union.branches]
    fitting = sorted((one for one in tried if not one.problems), key=lambda one: len(one.events))
    if not fitting:
        return _nearest(self, tree, union, tried, pointer)
    best = fitting[0]
    bent = {event.pointer for event in best.events if event.rule in ("read.text", "read.undeclared")}
    failed = [one for one in tried if one.problems]
    if any(event.rule == "read.undeclared" for event in best.events):
        nearly = any(all(p.pointer != pointer for p in one.problems) for one in failed)
    else:
        nearly = any(all(_on_the_way(p.pointer, bent) for p in one.problems) for one in failed)
    if bent and nearly:
        return self.wrong(pointer, f"{_capital(_kind(tree))} fits one kind here only by bending it", tree, "reading")
    others = [one for one in fitting[1:] if union.exclusive or len(one.events) == len(best.events)]
    if any(not same(one.value, best.value) for one in others) or (union.exclusive and others and not best.events):
        self.take(best)
        return self.wrong(pointer, f"{_capital(_kind(tree))} has more than one reading here", tree)
    return self.take(best)


def _on_the_way(pointer: str, places: set[str]) -> bool:
    """Whether a place is one of these, or holds one, or stands in one."""
    return any(inside(pointer, place) or inside(place, pointer) for place in places)


def _halved(tree: Tree) -> type[nodes.Node] | None:
    """What a text with one quote or none is instead, if one quote is one too many."""
    text = _text_of(tree)
    if not isinstance(tree, Leaf) or tree.form != "bare" or text is None:
        return None
    word = text.strip().casefold()
    return nodes.Number if scalars.looks_numeric(word) else _WORDS.get(word)


_WORDS: Mapping[str, type[nodes.Node]] = {
    "null": nodes.Null, "none": nodes.Null, "true": nodes.Boolean, "false": nodes.Boolean
}  # fmt: skip


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _nearest(self: Aligner, tree: Tree, union: nodes.Union, tried: list[_Tried], pointer: str) -> Any:
    """Nothing fits: the problems of the branch that comes nearest, or one problem where none stands out."""
    kinds = [self.type.resolve(one) for one in union.branches]
    if isinstance(tree, Object) and (tags := {_step(pointer, name) for name in _tags(self, kinds)}):
        tags.add(pointer)
        told = [
            one
            for kind, one in zip(kinds, tried, strict=True)
            if isinstance(kind, nodes.Record)
            and tags.isdisjoint(problem.pointer for problem in one.problems)
            and tags.isdisjoint(event.pointer for event in one.events)
        ]
        if len(told) == 1:
            return self.take(told[0])
    deep = [one for one in tried if all(p.pointer != pointer for p in one.problems)]
    if deep:
        fewest = min(len(one.problems) for one in deep)
        nearest = [one for one in deep if len(one.problems) == fewest]
        if len(nearest) == 1:
            return self.take(nearest[0])
    alike = [one for kind, one in zip(kinds, tried, strict=True) if _alike(tree, kind)]
    if len(alike) == 1:
        return self.take(alike[0])
    return self.wrong(pointer, f"{_capital(_kind(tree))} is none of the {len(union.branches)} kinds allowed here", tree)


def _tags(self: Aligner, kinds: list[nodes.Node]) -> set[str]:
    """The names under which all records among some kinds have constants, so that these tell them apart."""
    records = [one for one in kinds if isinstance(one, nodes.Record)]
    named = [
        {one.name for one in record.fields if isinstance(self.type.resolve(one.node), nodes.Choice)}
        for record in records
    ]
    return set.intersection(*named) if len(named) > 1 else set()


def _alike(tree: Tree, node: nodes.Node) -> bool:
    """Whether a node is of the JSON type that stands there, so that what it minds is what there is to say."""
    if isinstance(tree, Object):
        return isinstance(node, nodes.Record)
    if isinstance(tree, List):
        return isinstance(node, (nodes.Array, nodes.Tuple))
    if isinstance(tree.value, str):
        return isinstance(node, nodes.Text) or (
            isinstance(node, nodes.Choice) and any(isinstance(value, str) for value in node.values)
        )
    return isinstance(node, nodes.Boolean if isinstance(tree.value, bool) else nodes.Number)


def _record(self: Aligner, tree: Tree, node: nodes.Node, pointer: str) -> Any:
    record = cast(nodes.Record, node)
    if not isinstance(tree, Object):
        opened = _opened(self, tree, node, pointer)
        if opened is not ABSENT:
            return opened
        if self.lenient and isinstance(tree, List) and len(tree.items) == 1 and isinstance(tree.items[0], Object):
            return _unwrapped(self, tree, tree.items[0], node, pointer)
        return self.wrong(pointer, f"Expected an object, found {_kind(tree)}", tree)
    names = names_of(record, tree, self.lenient)
    if self.lenient and names.missing and (wrapped := _wrapping(self, tree, record, names, pointer)) is not ABSENT:
        return wrapped
    made = _members(self, tree, record, names, pointer)
    if not record.min_properties <= len(made) <= (record.max_properties or len(made)):
        self.wrong(pointer, f"The object has {len(made)} properties, which is not as many as it must have", tree)
    return made


def _wrapping(self: Aligner, tree: Object, record: nodes.Record, names: Names, pointer: str) -> Any:
    """An object with one layer too many, or one too few, or ABSENT where it is neither."""
    declared = {field.name for field in record.fields}
    if len(tree.members) == 1 and tree.members[0].name not in declared and isinstance(tree.members[0].value, Object):
        tried = self.attempt(tree.members[0].value, record, pointer)
        if not tried.problems:
            return self.changed("read.unwrapped", pointer, tree, self.take(tried))
    required = [field for field in record.fields if field.required]
    if len(required) == 1 and not declared & {member.name for member in tree.members} and record.extras is None:
        tried = self.attempt(tree, required[0].node, _step(pointer, required[0].name))
        if not tried.problems:
            return self.changed("read.wrapped", pointer, tree, {required[0].name: self.take(tried)})
    return ABSENT


def _members(self: Aligner, tree: Object, record: nodes.Record, names: Names, pointer: str) -> Any:
    made: dict[str, Any] = {}
    fields = {field.name: field for field in record.fields}
    missing = list(names.missing)
    adopted = _adopted(self, tree, names, fields, pointer)
    for i, (member, name) in enumerate(zip(tree.members, names.given, strict=True)):
        if name is None and adopted is not None and member.name == adopted[0]:
            name = adopted[1]
            missing.remove(name)
        if name is None:
            _undeclared(self, tree, i, names, pointer, bool(made))
            continue
        at = _step(pointer, name)
        self.places.append((member.start, member.end, at))
        if name in made or (name != member.name and names.given.count(name) > 1):
            self.wrong(at, f"{_shown(member.name)} is one of several names for {_shown(name)}", member.value)
            continue
        if name != member.name:
            self.events.append(Event("read.name", at, member.name, name, (member.start, member.end)))
        kinds = [fields[name].node] if name in fields else names.kinds(name)
        if self.lenient and name in fields:
            value = _tagged(self, member.value, kinds[0], at, record)
        else:
            value = self.read(member.value, kinds[0], at)
        for kind in kinds[1:]:
            self.problems.extend(self.attempt(member.value, kind, at).problems)
        if value is not ABSENT:
            made[name] = value
    for name in missing:
        self.problems.append(Problem(_step(pointer, name), f"{_shown(name)} is required and not there", "missing"))
    return made


def _tagged(self: Aligner, tree: Tree, node: nodes.Node, pointer: str, record: nodes.Record) -> Any:
    """A constant that tells objects apart, given as the name that its object has in the schema."""
    constant = self.type.resolve(node)
    text = _text_of(tree)
    single = isinstance(constant, nodes.Choice) and len(constant.values) == 1 and text not in (None, constant.values[0])
    names = {scalars.fold(name) for name in (record.title, record.pointer.rpartition("/")[2]) if name}
    if single and text is not None and scalars.fold(text) in names:
        return self.changed("read.choice", pointer, tree, cast(nodes.Choice, constant).values[0])
    return self.read(tree, node, pointer)


def _adopted(
    self: Aligner, tree: Object, names: Names, fields: Mapping[str, nodes.Field], pointer: str
) -> tuple[str, str] | None:
    """The one name that is not declared, read as the one required field that is missing: where the two are nearly the
    same word, or the value has a shape that fits by no accident."""
    loose = [member for member, name in zip(tree.members, names.given, strict=True) if name is None]
    if not self.lenient or len(loose) != 1 or len(names.missing) != 1:
        return None
    wanted = fields[names.missing[0]]
    tried = self.attempt(loose[0].value, wanted.node, _step(pointer, wanted.name))
    if tried.problems or tried.events:
        return None
    if names.alike(loose[0].name, wanted.name) or _telling(tried.value):
        return loose[0].name, wanted.name
    return None


def _telling(value: Any) -> bool:
    """Whether a value has enough structure of its own to be recognised by it."""
    if isinstance(value, list):
        return bool(value) and all(map(_telling, value))
    return isinstance(value, dict) and len(value) > 1


def _undeclared(self: Aligner, tree: Object, i: int, names: Names, pointer: str, kept: bool) -> None:
    """A property that the record does not allow: a problem, unless it can be left out and nothing misses it. The
    event's range takes a comma along, so that what remains is JSON."""
    member = tree.members[i]
    at = _step(pointer, member.name)
    if not self.lenient or names.missing or names.resembles(member.name):
        self.wrong(at, f"{_shown(member.name)} is not a property of this object", member.value)
        return
    start, end = member.start, member.value.end
    if kept:
        start = tree.members[i - 1].value.end
    elif i + 1 < len(tree.members):
        end = tree.members[i + 1].start
    self.events.append(Event("read.undeclared", at, self.before(member.value), None, (start, end)))


_READERS: Mapping[type, Callable[[Aligner, Tree, nodes.Node, str], Any]] = {
    nodes.Anything: _anything,
    nodes.Never: _never,
    nodes.Null: _null,
    nodes.Boolean: _boolean,
    nodes.Number: _number,
    nodes.Text: _text,
    nodes.Choice: _choice,
    nodes.Array: _array,
    nodes.Tuple: _tuple,
    nodes.Record: _record,
    nodes.Union: _union,
}
