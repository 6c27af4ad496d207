"""What a template reads, and what of it rows of a type do not have: one walk over Jinja's tree.

What is not in the tables here is refused by name, so that no other part of Jinja is ever run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from typing import Any

from .. import nodes
from ..expressions import Fault, is_decimal
from ..expressions.kinds import ANY, find, kinds_of
from .sandbox import FILTERS, LOOP, ROW, TESTS

__all__ = ["Checking"]

_SAME = ("list", "reverse", "sort", "unique")
_ITEM = ("first", "last")
_OUTSIDE = "Work it out before, with a `set` step."


@dataclass(frozen=True)
class _Path:
    """Where an expression leads: the names of fields, and the lengths at which an item of a list was taken."""

    steps: tuple[str, ...]
    items: frozenset[int] = frozenset()

    @property
    def spelled(self) -> str:
        return ".".join(self.steps)

    def item(self) -> _Path:
        return replace(self, items=self.items | {len(self.steps)})


_Scope = Mapping[str, _Path | None]
"""Names that a loop gives, with where their values come from (None: `loop` itself)."""


@dataclass
class Checking:
    """One walk over a template: what it names, and what is wrong."""

    type: nodes.Type | None
    hidden: Collection[str]
    faults: list[Fault] = field(default_factory=list)
    names: list[tuple[str, ...]] = field(default_factory=list)
    declared: list[tuple[str, ...]] = field(default_factory=list)

    def found(self) -> tuple[Any, ...]:
        """The names, those that the type declares, and those of them that are decimals."""
        declared = tuple(dict.fromkeys(self.declared))
        return tuple(dict.fromkeys(self.names)), declared, frozenset(filter(self.decimal, declared))

    def decimal(self, steps: tuple[str, ...]) -> bool:
        type = self.type
        return type is not None and any(is_decimal(node, type) for node in find(steps, type).found)

    def fault(self, node: Any, message: str, fix: str | None = None) -> None:
        while isinstance(node, _through()):  # a field begins where its first name stands
            node = node.node
        self.faults.append(Fault(node.lineno, message, fix))

    def statements(self, body: list[Any], scope: _Scope) -> None:
        from jinja2 import nodes as j

        for node in body:
            if isinstance(node, j.Output):
                for one in node.nodes:
                    if not isinstance(one, j.TemplateData):
                        self.expression(one, scope)
            elif isinstance(node, j.If):
                self.expression(node.test, scope)
                for branch in (node.body, node.elif_, node.else_):
                    self.statements(branch, scope)
            elif isinstance(node, j.For) and isinstance(node.target, j.Name) and not node.recursive:
                self.loop(node, scope)
            else:
                word = _WORDS.get(type(node).__name__, type(node).__name__.lower())
                self.fault(node, f"`{word}` is not a part of templates.", "There are `if` and `for` over a list.")

    def loop(self, node: Any, scope: _Scope) -> None:
        before = len(self.faults)
        over = self.expression(node.iter, scope)
        if len(self.faults) == before and (over is None or not self.may_be_list(over)):
            what = "A `for` goes" if over is None else f"`{over.spelled}` is no list: a `for` goes"
            self.fault(node.iter, f"{what} over a list of the row.", "Write `{% for line in lines %}`.")
        inner = {**scope, node.target.name: None if over is None else over.item(), "loop": None}
        if node.test is not None:
            self.expression(node.test, inner)
        self.statements(node.body, inner)
        self.statements(node.else_, scope)

    def may_be_list(self, path: _Path) -> bool:
        if self.type is None or len(path.steps) in path.items:  # the items of lists of lists are not followed
            return True
        place = find(path.steps, self.type)
        return place.fault is not None or any("list" in kinds_of(node, self.type) for node in place.found)

    def expression(self, node: Any, scope: _Scope) -> _Path | None:
        """Checks an expression; where it leads, if it is a field, or a list in another order."""
        from jinja2 import nodes as j

        if isinstance(node, (j.Name, j.Getattr, j.Getitem)):
            return self.field(node, scope)
        if isinstance(node, j.Filter):
            return self.filter(node, scope)
        if isinstance(node, j.Test):
            self.known_word(node, "test", TESTS)
        elif isinstance(node, j.Call):
            self.fault(node, "Nothing is called in a template.", _OUTSIDE)
            return None
        elif not isinstance(node, _allowed()):
            self.fault(node, f"`{type(node).__name__.lower()}` is not worked out in a template.", _OUTSIDE)
            return None
        for one in node.iter_child_nodes():
            self.expression(one, scope)
        return None

    def filter(self, node: Any, scope: _Scope) -> _Path | None:
        self.known_word(node, "filter", FILTERS)
        of = None if node.node is None else self.expression(node.node, scope)
        for one in node.args:
            self.expression(one, scope)
        for one in node.kwargs:
            self.expression(one.value, scope)
            if one.key == "attribute" and of is not None and isinstance(name := getattr(one.value, "value", 0), str):
                self.reads(node.node, _Path((*of.steps, *name.split(".")), of.item().items))
        if of is None or node.name not in (*_SAME, *_ITEM):
            return None
        return of if node.name in _SAME else of.item()

    def known_word(self, node: Any, kind: str, known: Collection[str]) -> None:
        if node.name not in known:
            near = get_close_matches(node.name, known, 1)
            fix = f"Did you mean `{near[0]}`?" if near else f"The {kind}s: {', '.join(known)}."
            self.faults.append(Fault(node.lineno, f"There is no {kind} `{node.name}`.", fix))

    def field(self, node: Any, scope: _Scope) -> _Path | None:
        found = self.path(node, scope)
        if found is not None and not found.steps:
            self.fault(node, "`row` is the whole row.", "Name one of its fields: `row['odd name']`.")
            return None
        if found is not None:
            self.reads(node, found)
        return found

    def reads(self, node: Any, path: _Path) -> None:
        """Notes a field that is read, and what is wrong with it."""
        self.names.append(path.steps)
        if path.steps[0] in self.hidden:
            message = "The document's text cannot stand in instructions."
            self.fault(node, message, "It goes to the model as the document.")
        elif self.type is not None:
            self.known(node, path, self.type)

    def known(self, node: Any, path: _Path, type: nodes.Type) -> None:
        """Notes what rows of the type do not have."""
        place = find(path.steps, type)
        through = [length for length in place.lists if length not in path.items]
        if place.fault is not None:
            self.fault(node, *place.fault)
        elif place.part:
            self.fault(node, f"`{path.spelled}` is no field of the row.", _OUTSIDE)
        elif through:
            here = ".".join(path.steps[: through[0]])
            fix = f"Write `{{% for one in {here} %}}`, or `{here}[0]`."
            self.fault(node, f"`{here}` is a list, and `{path.spelled}` names no item of it.", fix)
        else:
            above = [type.root, *(one for i in range(1, len(path.steps)) for one in find(path.steps[:i], type).found)]
            if not any(kinds_of(one, type) == ANY for one in above):
                self.declared.append(path.steps)

    def path(self, node: Any, scope: _Scope) -> _Path | None:
        """The fields that lead to a value; None where it is not plain, or a part of `loop`."""
        from jinja2 import nodes as j

        if isinstance(node, j.Name):
            if node.name in scope:
                return scope[node.name]
            return _Path(() if node.name == ROW and not self.is_field(ROW) else (node.name,))
        if not isinstance(node, (j.Getattr, j.Getitem)):
            return self.expression(node, scope)
        if isinstance(node.node, j.Name) and node.node.name == "loop" and "loop" in scope:
            name = node.attr if isinstance(node, j.Getattr) else getattr(node.arg, "value", None)
            if name not in LOOP:
                self.fault(node, f"`loop` has no `{name}`.", f"It has {', '.join(LOOP)}.")
            return None
        before = self.path(node.node, scope)
        name = node.attr if isinstance(node, j.Getattr) else _item(node.arg)
        if name is None:
            self.fault(node, "An item is named by a number or a text.", "Write `lines[0]`.")
            return None
        if before is None:
            return None
        return before.item() if isinstance(name, int) else _Path((*before.steps, name), before.items)

    def is_field(self, name: str) -> bool:
        return (
            self.type is not None
            and find((name,), self.type).fault is None
            and kinds_of(self.type.root, self.type) != ANY
        )


_WORDS = {"Assign": "set", "AssignBlock": "set", "FromImport": "from", "CallBlock": "call", "FilterBlock": "filter"}


def _item(node: Any) -> str | int | None:
    """What stands in brackets: a name, or a number that may be negative."""
    from jinja2 import nodes as j

    sign = -1 if isinstance(node, j.Neg) else 1
    value = getattr(node.node if isinstance(node, j.Neg) else node, "value", None)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return sign * value if isinstance(value, int) else value


@cache
def _allowed() -> tuple[type, ...]:
    """The parts of Jinja's expressions that templates have, beside fields, filters and tests."""
    from jinja2 import nodes as j

    return (j.Const, j.Compare, j.Operand, j.And, j.Or, j.Not, j.CondExpr, j.Concat, j.List, j.Keyword)


@cache
def _through() -> tuple[Any, ...]:
    from jinja2 import nodes as j

    return (j.Getattr, j.Getitem, j.Call)
