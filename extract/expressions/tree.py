"""The parts of an expression, as frozen values; each knows the column where it stands in the text (from 1).

This is the language's own small tree. `reading` makes it out of Python's, so that nothing behind that door can meet a
part of Python that the language does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AGGREGATES",
    "Apply",
    "Arithmetic",
    "Compare",
    "Fault",
    "Listing",
    "Literal",
    "Logic",
    "Negative",
    "Not",
    "Path",
    "Term",
    "paths",
    "spelled",
    "within",
]

AGGREGATES = ("sum", "any", "all", "count", "min", "max")
"""The functions that read a list: their one argument is worked out once for each of its items."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with an expression: the column in its text (from 1), a sentence, and the remedy."""

    column: int
    message: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Term:
    column: int


@dataclass(frozen=True, slots=True)
class Literal(Term):
    """null, true, false, a text, an int or a Decimal."""

    value: Any


@dataclass(frozen=True, slots=True)
class Path(Term):
    """A field, or a field of a field; the empty path is the row itself."""

    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing(Term):
    """A list that is written out, as on the right of `in`."""

    items: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Not(Term):
    operand: Term


@dataclass(frozen=True, slots=True)
class Negative(Term):
    operand: Term


@dataclass(frozen=True, slots=True)
class Arithmetic(Term):
    """`sign` is one of ``+ - * / %``."""

    sign: str
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Compare(Term):
    """A chain of comparisons: each holds between a term and the next. `signs` are Python's, and ``is`` is for null."""

    terms: tuple[Term, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Logic(Term):
    """`word` is ``and`` or ``or``."""

    word: str
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Apply(Term):
    """A call of a listed function."""

    name: str
    arguments: tuple[Term, ...]

    @property
    def aggregate(self) -> bool:
        """Whether it reads a list; ``min`` and ``max`` of several arguments compare those instead."""
        return self.name in AGGREGATES and len(self.arguments) == 1


def within(term: Term) -> tuple[Term, ...]:
    """The terms that a term is made of."""
    if isinstance(term, (Not, Negative)):
        return (term.operand,)
    if isinstance(term, Arithmetic):
        return (term.left, term.right)
    if isinstance(term, (Compare, Logic)):
        return term.terms
    if isinstance(term, Listing):
        return term.items
    return term.arguments if isinstance(term, Apply) else ()


def paths(term: Term) -> Iterator[Path]:
    """Every path in a term, from left to right."""
    if isinstance(term, Path):
        yield term
    for inner in within(term):
        yield from paths(inner)


def spelled(steps: tuple[str, ...]) -> str:
    """A path as it is written: ``lines.total``, ``row['odd name']``."""
    text = ""
    for step in steps:
        if step.isidentifier():
            text += f".{step}" if text else step
        else:
            text = f"{text or 'row'}[{step!r}]"
    return text or "row"
