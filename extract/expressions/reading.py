"""Reads an expression's text: Python's syntax, and of that only what the language has.

`ast` parses, one table turns its nodes into the language's own terms, and whatever is not in the table is refused by
name. Nothing is ever evaluated by Python.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from .functions import FUNCTIONS
from .tree import (
    AGGREGATES,
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
    within,
)

__all__ = ["Refused", "read"]

LONGEST = 4000
DEEPEST = 100

_CONSTANTS = {"null": None, "true": True, "false": False}
_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Mod: "%",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_WORDS = {"and", "or", "not", "in", "is", "True", "False", "None", "if", "else", "for", "lambda"}
"""Words that have a meaning here, or a refusal of their own."""

_BEFORE = re.compile(r"([A-Za-z_][\w.]*)\.$")
_SLIPS = {
    "&&": "Write `and`.",
    "||": "Write `or`.",
    "===": "Write `==`.",
    "<>": "Write `!=`.",
    "!": "Write `not`.",
    "=": "Write `==` to compare.",
}
_SLIP = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|&&|\|\||===|<>|[!=<>]=|!|=")
_COMPREHENSION = (
    "Expressions have no comprehensions.",
    "Read a list with sum, any, all, count, min or max: `sum(lines.total)`, `any(lines.total > 100)`.",
)
_REFUSED: dict[type[ast.AST], tuple[str, str | None]] = {
    ast.ListComp: _COMPREHENSION,
    ast.SetComp: _COMPREHENSION,
    ast.DictComp: _COMPREHENSION,
    ast.GeneratorExp: _COMPREHENSION,
    ast.Pow: ("Expressions have no power.", "Write `x * x`."),
    ast.FloorDiv: ("Expressions have no `//`.", "Write `round(x / y)` or `x % y`."),
    ast.BitAnd: ("Expressions have no `&`.", "Write `and`."),
    ast.BitOr: ("Expressions have no `|`.", "Write `or`."),
    ast.Invert: ("Expressions have no `~`.", "Write `not`."),
    ast.IfExp: ("Expressions have no `if`.", "Use a `sql` step with `case when ... then ... else ... end`."),
    ast.Lambda: ("Expressions have no functions of their own.", None),
    ast.JoinedStr: ("Expressions have no f-strings.", "Join texts with `+`."),
    ast.Dict: ("Expressions have no records of their own.", None),
    ast.Set: ("Expressions have no sets.", "Write a list: ['a', 'b']."),
    ast.NamedExpr: ("Expressions set nothing.", "Use a `set` step."),
}


@dataclass(frozen=True)
class Refused(Exception):
    """The text is not an expression; `fault` says where and why."""

    fault: Fault


def read(text: str) -> Term:
    """The term that the text stands for; raises `Refused`."""
    flat = re.sub(r"[\r\n\t\f]", " ", text)
    lead = len(flat) - len(flat.lstrip())
    if not flat.strip():
        raise Refused(Fault(1, "The expression is empty.", "Write a condition, such as `total >= 0`."))
    if len(text) > LONGEST:
        raise Refused(Fault(1, f"The expression is {len(text)} characters long; at most {LONGEST} are read."))
    _spot_slips(flat)
    body = flat[lead:]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = ast.parse(body, mode="eval").body
        term = _Reader(body, lead).term(parsed)
    except SyntaxError as error:
        raise Refused(_syntax(error, lead, len(flat.rstrip()))) from None
    except (RecursionError, MemoryError):
        raise Refused(_too_deep(1)) from None
    except ValueError as error:
        raise Refused(Fault(1, f"The expression cannot be read: {error}.")) from None
    _spot_nesting(term)
    return term


def _spot_slips(text: str) -> None:
    """What people bring along from other languages, and words that Python keeps for itself."""
    for found in _SLIP.finditer(text):
        if found[0] in _SLIPS:
            raise Refused(Fault(found.start() + 1, f"`{found[0]}` is not part of an expression.", _SLIPS[found[0]]))
    lead = len(text) - len(text.lstrip())
    try:
        for token in tokenize.generate_tokens(io.StringIO(text.strip()).readline):
            column = token.start[1] + 1 + lead
            if token.type == tokenize.COMMENT:
                raise Refused(Fault(column, "A comment cannot stand in an expression.", "Put it into the YAML."))
            if token.type == tokenize.NAME and keyword.iskeyword(token.string) and token.string not in _WORDS:
                before = _BEFORE.search(text[: column - 1])
                message = f"`{token.string}` is a word of Python and cannot stand alone."
                fix = f"If it is a field, write {before[1] if before else 'row'}['{token.string}']."
                raise Refused(Fault(column, message, fix))
    except (tokenize.TokenError, SyntaxError):
        return


def _syntax(error: SyntaxError, lead: int, length: int) -> Fault:
    said = (error.msg or "invalid syntax").split(". ")[0].rstrip(".")
    if "nested parentheses" in said or "nested" in said:
        return _too_deep(1)
    if not error.offset or error.offset + lead > length:
        return Fault(length, "The expression ends too early.")
    if said.startswith("invalid syntax"):
        return Fault((error.offset or 1) + lead, "The expression cannot be read from here on.")
    return Fault((error.offset or 1) + lead, f"The expression cannot be read: {said}.")


def _too_deep(column: int) -> Fault:
    return Fault(column, "The expression is nested too deeply.", "Split it with a `set` step.")


def _spot_nesting(term: Term) -> None:
    """An aggregate inside another would have to say which list it means."""
    for outer in _terms(term):
        if isinstance(outer, Apply) and outer.aggregate:
            if not any(True for _ in paths(outer)):
                message = f"`{outer.name}` reads a list, and there is no field in it."
                raise Refused(Fault(outer.column, message, f"Name the list: `{outer.name}(lines.total)`."))
            for inner in _terms(outer.arguments[0]):
                if isinstance(inner, Apply) and inner.aggregate:
                    message = f"`{inner.name}` cannot stand inside `{outer.name}`: both read a list."
                    raise Refused(Fault(inner.column, message, "Work the inner one out in a `set` step before."))


def _terms(term: Term) -> list[Term]:
    return [term, *(deeper for inner in within(term) for deeper in _terms(inner))]


@dataclass
class _Reader:
    """Turns nodes of `ast` into terms; `depth` counts how far down it is."""

    text: str
    lead: int
    depth: int = 0

    def term(self, node: ast.expr) -> Term:
        rule = _RULES.get(type(node))
        if rule is None:
            raise self.refused(node, node)
        self.depth += 1
        if self.depth > DEEPEST:
            raise Refused(_too_deep(self.column(node)))
        made = rule(self, node)
        self.depth -= 1
        return made

    def column(self, node: ast.expr) -> int:
        """Python counts bytes of UTF-8; people count characters."""
        return len(self.text.encode()[: node.col_offset].decode()) + 1 + self.lead

    def refused(self, node: ast.expr, cause: ast.AST) -> Refused:
        message, fix = _REFUSED.get(type(cause), ("This is not part of an expression.", None))
        return Refused(Fault(self.column(node), message, fix))

    def constant(self, node: ast.Constant) -> Term:
        value: Any = node.value
        if isinstance(value, float):
            value = Decimal(ast.get_source_segment(self.text, node) or repr(value))
        elif value is not None and not isinstance(value, (str, int)):
            raise self.refused(node, node)
        return Literal(self.column(node), value)

    def name(self, node: ast.Name) -> Term:
        if node.id in _CONSTANTS:
            return Literal(self.column(node), _CONSTANTS[node.id])
        return Path(self.column(node), () if node.id == "row" else (node.id,))

    def attribute(self, node: ast.Attribute) -> Term:
        return self.step(node, node.value, node.attr)

    def subscript(self, node: ast.Subscript) -> Term:
        key = node.slice
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            return self.step(node, node.value, key.value)
        message = "Only a field's name can stand in brackets: row['odd name']."
        fix = "Read a list with sum, any, all, count, min or max; take single items with a `sql` step."
        raise Refused(Fault(self.column(key), message, fix))

    def step(self, node: ast.expr, value: ast.expr, step: str) -> Term:
        inner = self.term(value)
        if not isinstance(inner, Path):
            raise Refused(Fault(self.column(node), f"Only a field can have a field `{step}`."))
        return Path(inner.column, (*inner.steps, step))

    def listing(self, node: ast.List | ast.Tuple) -> Term:
        return Listing(self.column(node), tuple(self.term(item) for item in node.elts))

    def unary(self, node: ast.UnaryOp) -> Term:
        if isinstance(node.op, ast.Not):
            return Not(self.column(node), self.term(node.operand))
        if isinstance(node.op, ast.Invert):
            raise self.refused(node, node.op)
        operand = self.term(node.operand)
        if isinstance(node.op, ast.UAdd):
            return operand
        if isinstance(operand, Literal) and isinstance(operand.value, Decimal):
            return Literal(self.column(node), operand.value.copy_negate())
        if isinstance(operand, Literal) and isinstance(operand.value, int) and not isinstance(operand.value, bool):
            return Literal(self.column(node), -operand.value)
        return Negative(self.column(node), operand)

    def binary(self, node: ast.BinOp) -> Term:
        sign = _SIGNS.get(type(node.op))
        if sign is None:
            raise self.refused(node, node.op)
        return Arithmetic(self.column(node), sign, self.term(node.left), self.term(node.right))

    def logic(self, node: ast.BoolOp) -> Term:
        word = "and" if isinstance(node.op, ast.And) else "or"
        return Logic(self.column(node), word, tuple(self.term(value) for value in node.values))

    def compare(self, node: ast.Compare) -> Term:
        terms = tuple(self.term(one) for one in (node.left, *node.comparators))
        signs = tuple(_SIGNS[type(op)] for op in node.ops)
        for i, sign in enumerate(signs):
            left, right = terms[i], terms[i + 1]
            null = [isinstance(one, Literal) and one.value is None for one in (left, right)]
            if sign in ("is", "is not") and not null[1]:
                message = f"`{sign}` is for null only."
                raise Refused(Fault(right.column, message, f"Write `{'==' if sign == 'is' else '!='}`."))
            if sign not in ("is", "is not") and any(null):
                field = spelled(left.steps) if isinstance(left, Path) else "x"
                fix = f"Write `{field} {'is not' if sign == '!=' else 'is'} null`."
                raise Refused(Fault(terms[i + null.index(True)].column, "A comparison with null is always false.", fix))
        return Compare(self.column(node), terms, signs)

    def call(self, node: ast.Call) -> Term:
        if isinstance(node.func, ast.Attribute):
            fix = None
            if node.func.attr in FUNCTIONS:
                rest = ", ..." if node.args else ""
                fix = f"Write {node.func.attr}({ast.unparse(node.func.value)}{rest})."
            raise Refused(Fault(self.column(node), f"Nothing has a method `{node.func.attr}` here.", fix))
        if not isinstance(node.func, ast.Name):
            raise self.refused(node, node)
        name = node.func.id
        known = sorted({*FUNCTIONS, *AGGREGATES})
        if name not in known:
            near = get_close_matches(name.lower(), known, 1)
            fix = f"Did you mean `{near[0]}`?" if near else f"The functions are {', '.join(known)}."
            raise Refused(Fault(self.column(node), f"There is no function `{name}`.", fix))
        if node.keywords or any(isinstance(one, ast.Starred) for one in node.args):
            raise Refused(Fault(self.column(node), f"`{name}` takes plain arguments only."))
        self.count_arguments(node, name)
        return Apply(self.column(node), name, tuple(self.term(one) for one in node.args))

    def count_arguments(self, node: ast.Call, name: str) -> None:
        least, most = FUNCTIONS[name].arguments if name in FUNCTIONS else (1, 1)
        if name in ("min", "max"):
            least = 1
        if not least <= len(node.args) <= most:
            wanted = f"{least}" if least == most else f"{least} or more" if most > 9 else f"{least} to {most}"
            plural = "argument" if wanted == "1" else "arguments"
            message = f"`{name}` takes {wanted} {plural}, and {len(node.args)} are given."
            raise Refused(Fault(self.column(node), message))


_RULES: dict[type[ast.AST], Callable[[_Reader, Any], Term]] = {
    ast.Constant: _Reader.constant,
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.attribute,
    ast.Subscript: _Reader.subscript,
    ast.List: _Reader.listing,
    ast.Tuple: _Reader.listing,
    ast.UnaryOp: _Reader.unary,
    ast.BinOp: _Reader.binary,
    ast.BoolOp: _Reader.logic,
    ast.Compare: _Reader.compare,
    ast.Call: _Reader.call,
}
