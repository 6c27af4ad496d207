"""Templates in instructions: ``Sort the mail from {{ sender }}``, over the fields of a row.

They are Jinja's, in its sandbox and with little of it: fields, items of lists, ``if``, ``for`` over a field,
comparisons and a list of filters. There is no call, no arithmetic, no attribute of Python's and nothing to include;
what a row holds is put in as text and never read as a template. A document's own text cannot be named at all: it is
data, and goes to the model as the document. A template is checked against the type of the rows before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import nodes
from .errors import ExtractError
from .expressions import Fault
from .expressions.kinds import find
from .jsontext import dump

if TYPE_CHECKING:
    import jinja2

__all__ = ["Template", "examine_template"]

_LONGEST = 200_000
"""Characters of what a template may give: more is no instruction."""

_FILTERS = (
    "capitalize", "count", "default", "first", "join", "last", "length", "list", "lower", "replace", "reverse", "round",
    "sort", "title", "trim", "truncate", "unique", "upper",
)  # fmt: skip
_TESTS = ("defined", "eq", "even", "false", "ge", "gt", "in", "le", "lt", "ne", "none", "odd", "true", "undefined")
_LOOP = ("first", "index", "index0", "last", "length")
_SIGNS = ("{{", "{%", "{#")


@dataclass(frozen=True)
class Template:
    """Instructions as written. `names` are the paths of the fields that they read; `fixed` says that they are the same
    for all rows."""

    text: str
    fixed: bool = True
    names: tuple[tuple[str, ...], ...] = field(default=(), repr=False)

    def render(self, row: Mapping[str, Any]) -> str:
        """The instructions for a row: null is nothing, lists and records are their JSON. Raises ExtractError for a
        field that the row does not have."""
        if self.fixed:
            return self.text
        import jinja2

        parts, room = [], _LONGEST
        try:
            for part in _compiled(self.text).generate(dict(row)):
                parts.append(part)
                room -= len(part) + 1
                if room < 0:
                    raise ExtractError(f"The instructions for this row are longer than {_LONGEST:,} characters.")
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise ExtractError(f"The instructions cannot be filled in: {str(error).rstrip('.')}.") from None
        return "".join(parts)


def examine_template(
    text: str, type: nodes.Type | None = None, hidden: Collection[str] = ()
) -> tuple[Template | None, tuple[Fault, ...]]:
    """The template that a text stands for, and everything that is wrong with it for rows of this type, where that is
    known. A fault's column counts the characters of the whole text. `hidden` are fields that may not be named."""
    if not any(sign in text for sign in _SIGNS):
        return Template(text), ()
    import jinja2

    try:
        tree = _environment().parse(text)
    except jinja2.TemplateSyntaxError as error:
        said = (error.message or "it is no template").rstrip(".")
        fix = 'Text with `{{` in it is a template; `{{ "{{" }}` stands for the signs themselves.'
        return None, (Fault(_at(text, error.lineno, ""), f"The instructions cannot be read: {said}.", fix),)
    reading = _Reading(text, type, hidden)
    reading.statements(tree.body, {})
    if reading.faults:
        return None, tuple(reading.faults)
    return Template(text, False, tuple(dict.fromkeys(reading.names))), ()


def _at(text: str, line: int, word: str) -> int:
    """The column of a word in the whole text, by its line; of the line's first template sign where it is not there."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    end = text.find("\n", start)
    here = text[start : len(text) if end < 0 else end]
    found = re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", here) if word else None
    if found is not None:
        return start + found.start() + 1
    signs = [at for sign in _SIGNS if (at := here.find(sign)) >= 0]
    return start + min(signs, default=0) + 1


@dataclass(frozen=True)
class _Path:
    """Where an expression leads: the names of fields, and the lengths at which an item of a list was taken; and how it
    is written, where that is with the name of a loop."""

    steps: tuple[str, ...]
    items: frozenset[int] = frozenset()
    written: str = ""

    @property
    def spelled(self) -> str:
        return ".".join(self.steps)


_Scope = Mapping[str, _Path | None]
"""Names that a loop gives, with where their values come from (None: `loop` itself)."""


@dataclass
class _Reading:
    """One walk over a template: what it names, and what is wrong."""

    text: str
    type: nodes.Type | None
    hidden: Collection[str]
    faults: list[Fault] = field(default_factory=list)
    names: list[tuple[str, ...]] = field(default_factory=list)

    def fault(self, node: Any, word: str, message: str, fix: str | None = None) -> None:
        self.faults.append(Fault(_at(self.text, node.lineno, word), message, fix))

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
                word = type(node).__name__.lower()
                self.fault(
                    node, word, f"`{word}` is not a part of templates.", "There are `if` and `for` over a field."
                )

    def loop(self, node: Any, scope: _Scope) -> None:
        over = self.expression(node.iter, scope)
        if over is None and not self.faults:
            self.fault(node, "for", "A `for` goes over a field of the row.", "Write `{% for line in lines %}`.")
        items = None if over is None else _Path(over.steps, over.items | {len(over.steps)})
        inner = {**scope, node.target.name: items, "loop": None}
        if node.test is not None:
            self.expression(node.test, inner)
        self.statements(node.body, inner)
        self.statements(node.else_, scope)

    def expression(self, node: Any, scope: _Scope) -> _Path | None:
        """Checks an expression; where it leads, if it is a field."""
        from jinja2 import nodes as j

        if isinstance(node, (j.Name, j.Getattr, j.Getitem)):
            return self.field(node, scope)
        if isinstance(node, (j.Filter, j.Test)):
            known = _FILTERS if isinstance(node, j.Filter) else _TESTS
            if node.name not in known:
                kind = "filter" if isinstance(node, j.Filter) else "test"
                near = get_close_matches(node.name, known, 1)
                fix = f"Did you mean `{near[0]}`?" if near else f"The {kind}s: {', '.join(known)}."
                self.fault(node, node.name, f"There is no {kind} `{node.name}`.", fix)
        elif not isinstance(node, _allowed()):
            kind = type(node).__name__.lower()
            said = "Nothing is called" if isinstance(node, j.Call) else f"`{kind}` is not worked out"
            self.fault(node, "", f"{said} in a template.", "Work it out before, with a `set` step.")
            return None
        for one in node.iter_child_nodes():
            self.expression(one, scope)
        return None

    def field(self, node: Any, scope: _Scope) -> _Path | None:
        found = self.path(node, scope)
        if found is None or not found.steps:
            return found
        if found.steps[0] in self.hidden:
            message = "The document's text cannot stand in instructions."
            self.fault(node, found.steps[0], message, "It goes to the model as the document.")
        elif self.type is not None:
            self.known(node, found, self.type)
        self.names.append(found.steps)
        return found

    def known(self, node: Any, path: _Path, type: nodes.Type) -> None:
        """Notes what rows of the type do not have."""
        place = find(path.steps, type)
        through = [length for length in place.lists if length not in path.items]
        if place.fault is not None:
            self.fault(node, path.written, *place.fault)
        elif place.part:
            message = f"`{path.spelled}` is no field of the row."
            self.fault(node, path.written, message, "Work it out before, with a `set` step.")
        elif through:
            here = ".".join(path.steps[: through[0]])
            fix = f"Write `{{% for one in {here} %}}`, or `{here}[0]`."
            self.fault(node, path.written, f"`{here}` is a list, and `{path.spelled}` names no item of it.", fix)

    def path(self, node: Any, scope: _Scope) -> _Path | None:
        """The fields that lead to a value; None where it is not plain, or a part of `loop`."""
        from jinja2 import nodes as j

        if isinstance(node, j.Name):
            if node.name not in scope:
                return _Path((node.name,), written=node.name)
            item = scope[node.name]
            return None if item is None else replace(item, written=node.name)
        if (
            isinstance(node, j.Getattr)
            and isinstance(node.node, j.Name)
            and node.node.name == "loop"
            and "loop" in scope
        ):
            if node.attr not in _LOOP:
                self.fault(node, "loop", f"`loop` has no `{node.attr}`.", f"It has {', '.join(_LOOP)}.")
            return None
        if not isinstance(node, (j.Getattr, j.Getitem)):
            self.expression(node, scope)
            return None
        before = self.path(node.node, scope)
        if before is None:
            return None
        name = node.attr if isinstance(node, j.Getattr) else getattr(node.arg, "value", None)
        if isinstance(name, str):
            return _Path((*before.steps, name), before.items, f"{before.written}.{name}")
        if isinstance(name, int):
            return replace(before, items=before.items | {len(before.steps)})
        self.fault(node, before.spelled, "An item is named by a number or a text.", "Write `lines[0]`.")
        return None


@lru_cache(1)
def _allowed() -> tuple[type, ...]:
    """The parts of Jinja's expressions that templates have, beside fields, filters and tests."""
    from jinja2 import nodes as j

    return (j.Const, j.Compare, j.Operand, j.And, j.Or, j.Not, j.CondExpr, j.Concat, j.List, j.Keyword)


def _shown(value: Any) -> Any:
    """How a value stands in the text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return dump(value) if isinstance(value, (dict, list, tuple)) else value


@lru_cache(1)
def _environment() -> jinja2.Environment:
    from jinja2 import StrictUndefined
    from jinja2.runtime import LoopContext
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Fields(ImmutableSandboxedEnvironment):
        """Nothing of a value can be reached but the fields of a record and the items of a list."""

        def getattr(self, obj: Any, attribute: str) -> Any:
            if isinstance(obj, LoopContext) and attribute in _LOOP:
                return getattr(obj, attribute)
            return self.getitem(obj, attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:
            if isinstance(obj, Mapping) and argument in obj:
                return obj[argument]
            if isinstance(obj, (list, tuple)) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
                return obj[argument]
            return self.undefined(obj=obj, name=argument)

    made = Fields(undefined=StrictUndefined, finalize=_shown, autoescape=False, keep_trailing_newline=True)
    made.globals.clear()
    made.filters = {name: one for name, one in made.filters.items() if name in _FILTERS}
    made.tests = {name: one for name, one in made.tests.items() if name in _TESTS}
    return made


@lru_cache(256)
def _compiled(text: str) -> jinja2.Template:
    return _environment().from_string(text)
