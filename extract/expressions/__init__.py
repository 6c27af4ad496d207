"""Expressions: the small language of conditions and values in a pipeline.

An expression reads a row and gives a JSON value. It has Python's syntax and of that only literals, fields (``total``,
``date.year``, ``row['odd name']``), comparisons, ``+ - * / %``, ``and or not in is null``, a short list of functions,
and ``sum any all count min max`` over a list (``sum(lines.total)``, ``any(lines.total > 100)``). Numbers are exact; a
comparison with null is false; dates are compared as dates. It is checked against the type of the rows before anything
runs, and it never reaches Python's own evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import DecimalException
from typing import Any

from .. import nodes
from ..errors import ExtractError
from ..pointer import join
from . import kinds
from .evaluating import Evaluation, truth
from .functions import FUNCTIONS, Wrong
from .kinds import is_decimal
from .reading import Refused, read
from .tree import AGGREGATES, Fault, Path, Term, paths

__all__ = ["FUNCTION_NAMES", "Expression", "Fault", "examine", "is_decimal", "parse"]

FUNCTION_NAMES = tuple(sorted({*FUNCTIONS, *AGGREGATES}))


@dataclass(frozen=True)
class Expression:
    """One expression: its text as written and what it means. `type` is that of the rows, where it is known: with it,
    `names` end at fields (and not at a date's year) and `pointers` before lists."""

    text: str
    term: Term = field(repr=False)
    type: nodes.Type | None = field(default=None, repr=False, compare=False)
    decimals: frozenset[tuple[str, ...]] = field(default=frozenset(), repr=False)
    shown: str = field(default="", repr=False, compare=False)

    def __str__(self) -> str:
        """The text as people may see it: a variable in it may have been filled with a secret."""
        return self.shown or self.text

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """The paths of the fields that it reads, each once, in the order of the text."""
        found = [path.steps if self.type is None else self._fields(path.steps) for path in paths(self.term)]
        return tuple(dict.fromkeys(found))

    @property
    def plain_path(self) -> tuple[str, ...]:
        """The names that lead to the field, if it is nothing but one; otherwise empty."""
        return self.term.steps if isinstance(self.term, Path) else ()

    @property
    def pointers(self) -> tuple[str, ...]:
        """JSON pointers of the fields that it reads. A path through a list leads to the list as a whole, once the type
        is known."""
        return tuple(dict.fromkeys(join(*self._before_list(steps)) for steps in self.names))

    def evaluate(self, row: Mapping[str, Any]) -> Any:
        """What it gives for a row: a JSON value, numbers as int or Decimal. Raises ExtractError where it makes no
        sense.
        """
        try:
            return Evaluation(row, self.decimals).value(self.term)
        except (Wrong, DecimalException, OverflowError) as error:
            raise ExtractError(f"`{self}` cannot be worked out: {error}") from None

    def condition(self, row: Mapping[str, Any]) -> bool:
        """Whether it is true for a row. Raises ExtractError where it gives neither true nor false nor null."""
        value = self.evaluate(row)
        try:
            return truth(value)
        except Wrong as error:
            raise ExtractError(f"`{self}` is no condition: {error}") from None

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether it is true for a row; what cannot be worked out does not hold."""
        try:
            return self.condition(row)
        except ExtractError:
            return False

    def check(self, type: nodes.Type, condition: bool = False) -> tuple[Fault, ...]:
        """What is wrong with it for rows of this type: fields that do not exist, operands that cannot fit."""
        return kinds.faults(self.term, type, condition)

    def bind(self, type: nodes.Type) -> Expression:
        """The same expression for rows of this type."""
        places = {path.steps: kinds.find(path.steps, type) for path in paths(self.term)}
        decimals = {s for s, place in places.items() if any(kinds.is_decimal(node, type) for node in place.found)}
        return replace(self, type=type, decimals=frozenset(decimals))

    def gives(self, type: nodes.Type) -> nodes.Node:
        """The node of what it gives for rows of this type, as far as that is plain."""
        return kinds.node_of(self.term, type)

    def _fields(self, steps: tuple[str, ...]) -> tuple[str, ...]:
        assert self.type is not None
        place = kinds.find(steps, self.type)
        return steps if place.fault is not None else steps[: place.fields]

    def _before_list(self, steps: tuple[str, ...]) -> tuple[str, ...]:
        lists = () if self.type is None else kinds.find(steps, self.type).lists
        return steps[: lists[0]] if lists else steps


def parse(text: str) -> Expression:
    """The expression that a text stands for; raises ExtractError with the column and what was meant."""
    try:
        return Expression(text, read(text))
    except Refused as refused:
        fault = refused.fault
        raise ExtractError(fault.message, f"column {fault.column}", fault.fix) from None


def examine(
    text: str, type: nodes.Type | None = None, condition: bool = False
) -> tuple[Expression | None, tuple[Fault, ...]]:
    """The expression, bound to the type of the rows where that is known, and everything that is wrong with it."""
    try:
        expression = Expression(text, read(text))
    except Refused as refused:
        return None, (refused.fault,)
    if type is None:
        return expression, ()
    return expression.bind(type), expression.check(type, condition)
