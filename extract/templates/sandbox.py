"""Jinja as templates have it: its parser, with the column of everything, and its sandbox, with little in it.

Nothing of a value can be reached but the fields of a record and the items of a list. Filters and comparisons take null
for nothing, and numbers are exact. Whatever could grow or go on without end is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from ..expressions import Fault
from ..expressions.functions import FUNCTIONS, Wrong, compared, plain
from ..jsontext import dump

if TYPE_CHECKING:
    import jinja2

__all__ = ["FILTERS", "LONGEST", "LOOP", "ROW", "SIGNS", "TESTS", "Unreadable", "compiled", "context", "parsed"]

LONGEST = 200_000
"""Characters of what a template may give: more is no instruction."""

_ITEMS = 100_000
"""Items of lists that a template may go through for one row."""

SIGNS = ("{{", "{%", "{#")
LOOP = ("first", "index", "index0", "last", "length")
ROW = "row"
"""The name of the whole row, of which fields can be taken whose names are no words: ``row['odd name']``."""

_ROOM, _WHOLE = " room", " row"
_JOINED, _COMPARED, _COUNTED, _FIELD = " joined", " compared", " counted", " field"
"""Names that nobody can write."""

_IGNORED = {"whitespace", "comment_begin", "comment", "comment_end", "raw_begin", "raw_end"}
_CLOSING = {"variable_begin": "}}", "block_begin": "%}"}
_BLOCKS = {"if": "endif", "for": "endfor"}
_TEXT = 'Text with `{{` in it is a template; `{{ "{{" }}` stands for the signs themselves.'
_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in"}


@dataclass(frozen=True)
class Unreadable(Exception):
    """The text is no template; `fault` says where and why."""

    fault: Fault


def parsed(text: str) -> Any:
    """Jinja's tree of a text, in which the number of a line is the column in the whole text. Raises `Unreadable`."""
    import jinja2
    from jinja2.ext import Extension
    from jinja2.lexer import Token, TokenStream

    flat = text.replace("\r\n", " \n").replace("\r", "\n")  # Jinja reads every end of a line as one character
    columns = _columns(flat)

    class Columns(Extension):
        def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
            for token, column in zip(stream, columns, strict=True):
                yield Token(column, token.type, token.value)

    try:
        return jinja2.Environment(extensions=[Columns], keep_trailing_newline=True).parse(flat)
    except jinja2.TemplateSyntaxError as error:
        raise _unreadable(error.lineno, error.message) from None


def _unreadable(column: int, said: str | None) -> Unreadable:
    said = (said or "it is no template").rstrip(".")
    return Unreadable(Fault(column, f"The instructions cannot be read: {said}.", _TEXT))


def _columns(text: str) -> list[int]:
    """The column of each token that the parser sees, in order; raises `Unreadable` for what is not closed."""
    import jinja2

    found: list[int] = []
    at = last = 0
    tag: tuple[int, str] | None = None
    blocks: list[tuple[int, str]] = []
    named = True
    try:
        for _, kind, value in _environment().lex(text):
            last = text.index(value, at)  # what Jinja leaves out between two tokens is white space
            at = last + len(value)
            if kind in _CLOSING:
                tag, named = (last, kind), kind != "block_begin"
            elif kind == "name" and not named:
                named = True
                if value in _BLOCKS:
                    blocks.append((last, value))
                elif blocks and value == _BLOCKS[blocks[-1][1]]:
                    blocks.pop()
            elif kind.endswith("_end"):
                tag = None
            if kind not in _IGNORED:
                found.append(last + 1)
    except jinja2.TemplateSyntaxError as error:
        _closed(text, tag)
        at = last if tag is None else at + len(text[at:]) - len(text[at:].lstrip())
        raise _unreadable(at + 1, (error.message or "").partition(" at ")[0]) from None
    if tag is not None:
        _closed(text[: tag[0] + 2], tag)
    if blocks:
        at, name = blocks[-1]
        raise Unreadable(Fault(at + 1, f"The `{name}` is not closed.", f"Write `{{% {_BLOCKS[name]} %}}` after it."))
    return found


def _closed(text: str, tag: tuple[int, str] | None) -> None:
    if tag is not None and text.find(_CLOSING[tag[1]], tag[0]) < 0:
        sign = text[tag[0] : tag[0] + 2]
        raise Unreadable(Fault(tag[0] + 1, f"The `{sign}` is not closed.", _TEXT))


class _Room:
    """The items that a template may still go through."""

    def __init__(self) -> None:
        self.items = _ITEMS

    def take(self, items: int) -> None:
        self.items -= items
        if self.items < 0:
            raise Wrong(f"They go through more than {_ITEMS:,} items.")


def context(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a template sees of a row."""
    return {ROW: row, **row, _WHOLE: row, _ROOM: _Room()}


@lru_cache(256)
def compiled(text: str) -> jinja2.Template:
    """The template of a text that `parsed` reads; comparisons, joined texts and loops are those of this room."""
    from jinja2 import nodes as j
    from jinja2.visitor import NodeTransformer

    class Own(NodeTransformer):
        def visit_Compare(self, node: j.Compare) -> j.Node:
            self.generic_visit(node)
            made, left = [], node.expr
            for one in node.ops:
                made.append(_filter(left, _COMPARED, [j.Const(_COMPARISONS[one.op]), one.expr]))
                left = one.expr
            whole: j.Expr = made[0]
            for holds in made[1:]:
                whole = j.And(whole, holds)
            return whole

        def visit_Concat(self, node: j.Concat) -> j.Node:
            self.generic_visit(node)
            return _filter(j.List(node.nodes), _JOINED, [])

        def visit_Name(self, node: j.Name) -> j.Node:
            """`self` is a word of Jinja's own, and may be the name of a field."""
            return _filter(j.Const("self"), _FIELD, []) if node.name == "self" else node

        def visit_For(self, node: j.For) -> j.Node:
            self.generic_visit(node)
            node.iter = _filter(node.iter, _COUNTED, [])
            return node

    def _filter(node: Any, name: str, arguments: list[Any]) -> j.Filter:
        return j.Filter(node, name, arguments, [], None, None, lineno=getattr(node, "lineno", 1) or 1)

    tree = Own().visit(_environment().parse(text))
    tree.set_environment(_environment())
    return _environment().from_string(tree)


@cache
def _environment() -> jinja2.Environment:
    import jinja2
    from jinja2.runtime import LoopContext
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Fields(ImmutableSandboxedEnvironment):
        """Nothing of a value can be reached but the fields of a record and the items of a list."""

        def getattr(self, obj: Any, attribute: str) -> Any:
            if isinstance(obj, LoopContext) and attribute in LOOP:
                return getattr(obj, attribute)
            return self.getitem(obj, attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:
            if obj is None or isinstance(obj, jinja2.Undefined):
                return obj
            if isinstance(obj, Mapping) and argument in obj:
                return obj[argument]
            if isinstance(obj, (list, tuple)) and isinstance(argument, int):
                if -len(obj) <= argument < len(obj):
                    return obj[argument]
                return self.undefined(f"there is no item {argument} in a list of {len(obj)}")
            return self.undefined(f"there is no field `{argument}`")

    made = Fields(undefined=jinja2.StrictUndefined, finalize=_shown, autoescape=False, keep_trailing_newline=True)
    made.globals.clear()
    made.filters = {**_filters(made), _JOINED: _joined, _COMPARED: _compared, **_of_contexts(made)}
    made.tests = dict(_TESTS)
    return made


def _shown(value: Any) -> Any:
    """How a value stands in the text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return dump(value) if isinstance(value, (dict, list, tuple)) else value


def _joined(values: list[Any], between: str = "") -> str:
    texts = [str(_shown(value)) for value in values]
    _fits(sum(len(text) + len(between) for text in texts))
    return between.join(texts)


def _fits(characters: int) -> None:
    if characters > LONGEST:
        raise Wrong(f"A text in them is longer than {LONGEST:,} characters.")


def _compared(left: Any, sign: str, right: Any) -> bool:
    import jinja2

    for value in (left, right):
        if isinstance(value, jinja2.Undefined):
            str(value)  # says what there is not
    return compared(sign, plain(left), plain(right))


def _of_contexts(environment: jinja2.Environment) -> dict[str, Callable[..., Any]]:
    """What needs more of a template than one value."""
    import jinja2

    @jinja2.pass_context
    def counted(context: Any, value: Any) -> Any:
        if value is None:
            return ()
        if isinstance(value, jinja2.Undefined):
            str(value)
        if not isinstance(value, (list, tuple)):
            raise Wrong("What a `for` goes over is no list.")
        context.resolve(_ROOM).take(len(value))
        return value

    @jinja2.pass_context
    def field(context: Any, name: str) -> Any:
        return environment.getitem(context.resolve(_WHOLE), name)

    return {_COUNTED: counted, _FIELD: field}


def _is_null(value: Any) -> bool:
    import jinja2

    return value is None or isinstance(value, jinja2.Undefined)


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    old, new = str(_shown(old)), str(_shown(new))
    times = text.count(old) if count < 0 else min(count, text.count(old))
    _fits(len(text) + times * max(0, len(new) - len(old)))
    return text.replace(old, new, count)


def _default(value: Any, instead: Any = "", boolean: bool = False) -> Any:
    return instead if _is_null(value) or (boolean and not value) else value


_OF_TEXTS: dict[str, Callable[..., Any]] = {
    "capitalize": str.capitalize,
    "lower": str.lower,
    "replace": _replace,
    "upper": str.upper,
}
_OF_VALUES: dict[str, Callable[..., Any]] = {
    "count": len,
    "length": len,
    "list": lambda value: value if isinstance(value, (list, tuple)) else list(value),
    "reverse": lambda value: value[::-1],
    "round": lambda value, precision=0: FUNCTIONS["round"].rule(plain(value), precision),
}
_JINJAS_OF_TEXTS = ("title", "trim", "truncate")
_JINJAS_OF_VALUES = ("first", "last", "sort", "unique")
FILTERS = tuple(sorted((*_OF_TEXTS, *_OF_VALUES, *_JINJAS_OF_TEXTS, *_JINJAS_OF_VALUES, "default", "join")))


def _filters(environment: jinja2.Environment) -> dict[str, Callable[..., Any]]:
    """The filters: null stays null in them, and a filter of texts takes a value as it would be shown."""
    from jinja2.filters import FILTERS as JINJAS

    def without_environment(rule: Callable[..., Any]) -> Callable[..., Any]:
        if not hasattr(rule, "jinja_pass_arg"):
            return rule
        return lambda *given, **named: rule(environment, *given, **named)

    def of_text(rule: Callable[..., Any]) -> Callable[..., Any]:
        return lambda value, *given, **named: None if value is None else rule(str(_shown(value)), *given, **named)

    def of_value(rule: Callable[..., Any]) -> Callable[..., Any]:
        return lambda value, *given, **named: None if value is None else rule(value, *given, **named)

    def join(value: Any, d: str = "", attribute: str | None = None) -> Any:
        for step in () if attribute is None else attribute.split("."):
            value = [environment.getitem(item, step) for item in value]
        return _joined(list(value), d)

    made = {name: of_text(rule) for name, rule in _OF_TEXTS.items()}
    made |= {name: of_text(without_environment(JINJAS[name])) for name in _JINJAS_OF_TEXTS}
    made |= {name: of_value(rule) for name, rule in _OF_VALUES.items()}
    made |= {name: of_value(without_environment(JINJAS[name])) for name in _JINJAS_OF_VALUES}
    return {**made, "default": _default, "join": of_value(join)}


_TESTS: dict[str, Callable[..., Any]] = {
    "defined": lambda value: not _is_null(value),
    "undefined": _is_null,
    "none": lambda value: value is None,
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "even": lambda value: value is not None and value % 2 == 0,
    "odd": lambda value: value is not None and value % 2 == 1,
    "eq": lambda value, other: _compared(value, "==", other),
    "ne": lambda value, other: _compared(value, "!=", other),
    "gt": lambda value, other: _compared(value, ">", other),
    "ge": lambda value, other: _compared(value, ">=", other),
    "lt": lambda value, other: _compared(value, "<", other),
    "le": lambda value, other: _compared(value, "<=", other),
    "in": lambda value, other: _compared(value, "in", other),
}
TESTS = tuple(sorted(_TESTS))
