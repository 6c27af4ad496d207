"""Works an expression out for a row.

One rule for each kind of term. An aggregate works its argument out once for each item of the list that its fields lead
through; fields outside that list keep their value meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException
from typing import Any

from .functions import DATE_PARTS, FUNCTIONS, Wrong, arithmetic, compared, date_part, kind_of, plain
from .tree import Apply, Arithmetic, Compare, Listing, Literal, Logic, Negative, Not, Path, Term, paths, spelled

__all__ = ["Evaluation", "truth"]

_Bindings = Mapping[tuple[str, ...], Any]


def truth(value: Any) -> bool:
    """true, false or null (which is false); anything else is no condition."""
    if value is None or value is False or value is True:
        return value is True
    raise Wrong(f"A {kind_of(value)} stands where true or false is needed.")


@dataclass(frozen=True)
class Evaluation:
    """One row being read. `bound` gives the current item of each list that an aggregate goes through; `decimals` are
    the fields whose texts are numbers, as their schema says."""

    row: Any
    decimals: frozenset[tuple[str, ...]] = frozenset()
    bound: _Bindings = field(default_factory=dict)

    def value(self, term: Term) -> Any:
        return _RULES[type(term)](self, term)

    def path(self, term: Path) -> Any:
        value, left = self.start(term.steps)
        for i, step in enumerate(left):
            if isinstance(value, Mapping):
                value = plain(value.get(step))
            elif value is None:
                return None
            elif isinstance(value, str) and step in DATE_PARTS and i == len(left) - 1:
                return date_part(value, step)
            elif isinstance(value, (list, tuple)):
                here = spelled(term.steps[: len(term.steps) - len(left) + i])
                raise Wrong(f"`{here}` is a list: `{spelled(term.steps)}` needs sum, any, all, count, min or max.")
            else:
                raise Wrong(f"A {kind_of(value)} has no field `{step}`.")
        if self.decimals and isinstance(value, str) and term.steps in self.decimals:
            return _number(value)
        return value

    def start(self, steps: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
        """The value to begin at, and the steps that are left."""
        for length in range(len(steps), 0, -1) if self.bound else ():
            if steps[:length] in self.bound:
                return self.bound[steps[:length]], steps[length:]
        return self.row, steps

    def listing(self, term: Listing) -> list[Any]:
        return [self.value(item) for item in term.items]

    def negated(self, term: Not) -> bool:
        return not truth(self.value(term.operand))

    def negative(self, term: Negative) -> Any:
        return arithmetic("-", 0, self.value(term.operand))

    def arithmetic(self, term: Arithmetic) -> Any:
        return arithmetic(term.sign, self.value(term.left), self.value(term.right))

    def logic(self, term: Logic) -> bool:
        holds = (truth(self.value(one)) for one in term.terms)
        return all(holds) if term.word == "and" else any(holds)

    def compare(self, term: Compare) -> bool:
        left = self.value(term.terms[0])
        for sign, right_term in zip(term.signs, term.terms[1:], strict=True):
            right = self.value(right_term)
            holds = (left is None) is (sign == "is") if sign in ("is", "is not") else compared(sign, left, right)
            if not holds:
                return False
            left = right
        return True

    def apply(self, term: Apply) -> Any:
        if term.aggregate:
            return self.aggregate(term.name, term.arguments[0])
        function = FUNCTIONS[term.name]
        values = [self.value(one) for one in term.arguments]
        if not function.null and None in values:
            return False if function.gives == "boolean" else None
        for i, value in enumerate(values):
            takes = function.takes[min(i, len(function.takes) - 1)]
            if takes != "any" and kind_of(value) not in takes.split("|"):
                raise Wrong(f"`{term.name}` takes a {takes.replace('|', ' or a ')}, and this is a {kind_of(value)}.")
        return function.rule(*values)

    def aggregate(self, name: str, argument: Term) -> Any:
        steps = [path.steps for path in paths(argument)]
        over = _shallowest(self, steps)
        if over is None and not any(self.value(path) is None for path in paths(argument)):
            raise Wrong(f"`{name}` reads a list, and none of {', '.join(map(spelled, steps))} leads through one.")
        values = [plain(item.value(argument)) for item in self.items(steps)] if over is not None else []
        if name == "sum" and over is None:
            return None
        return _AGGREGATES[name](values)

    def items(self, steps: list[tuple[str, ...]]) -> Iterator[Evaluation]:
        """The row once for each item of the list that the steps lead through, and of the lists within it."""
        over = _shallowest(self, steps)
        if over is None:
            yield self
            return
        at, items = over
        for item in items:
            yield from Evaluation(self.row, self.decimals, {**self.bound, at: plain(item)}).items(steps)


def _number(text: str) -> Decimal | str:
    """A number that is written as a text, or the text if it is none."""
    try:
        number = Decimal(text)
    except DecimalException:
        return text
    return number if number.is_finite() else text


def _shallowest(here: Evaluation, every: list[tuple[str, ...]]) -> tuple[tuple[str, ...], Any] | None:
    """The first list on the way of any of the paths, with its place; two that are side by side make no sense."""
    found: dict[tuple[str, ...], Any] = {}
    for steps in every:
        value, left = here.start(steps)
        for i in range(len(left) + 1):
            if isinstance(value, (list, tuple)):
                found[steps[: len(steps) - len(left) + i]] = value
                break
            value = value.get(left[i]) if i < len(left) and isinstance(value, Mapping) else None
    if not found:
        return None
    at = min(found, key=len)
    if len(found) > 1 and any(steps[: len(at)] != at for steps in found):
        first, second = sorted(map(spelled, found))[:2]
        raise Wrong(f"`{first}` and `{second}` are two lists; one aggregate reads one list.")
    return at, found[at]


def _sum(values: list[Any]) -> Any:
    total: Any = 0
    for value in values:
        if kind_of(value) not in ("number", "null"):
            raise Wrong(f"`sum` adds numbers, and this is a {kind_of(value)}.")
        total = total if value is None else arithmetic("+", total, value)
    return total


_AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "sum": _sum,
    "any": lambda values: any(truth(value) for value in values),
    "all": lambda values: all(truth(value) for value in values),
    "count": lambda values: sum(value is not None and value is not False for value in values),
    "min": lambda values: FUNCTIONS["min"].rule(*values),
    "max": lambda values: FUNCTIONS["max"].rule(*values),
}

_RULES: dict[type[Term], Callable[[Evaluation, Any], Any]] = {
    Literal: lambda _, term: term.value,
    Path: Evaluation.path,
    Listing: Evaluation.listing,
    Not: Evaluation.negated,
    Negative: Evaluation.negative,
    Arithmetic: Evaluation.arithmetic,
    Logic: Evaluation.logic,
    Compare: Evaluation.compare,
    Apply: Evaluation.apply,
}
