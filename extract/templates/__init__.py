"""Templates in instructions: ``Sort the mail from {{ sender }}``, over the fields of a row.

They are Jinja's, in its sandbox and with little of it: fields, items of lists, ``row['odd name']``, ``if``, ``for``
over a list, comparisons and a list of filters. There is no call, no arithmetic, no attribute of Python's and nothing to
include; what a row holds is put in as text and never read as a template. A document's own text cannot be named at all:
it is data, and goes to the model as the document. A template is checked against the type of the rows before anything
runs, and neither what it gives nor how long it goes through lists is without end.

Null is nothing: it leaves no text, an ``if`` and a comparison do not hold for it, ``default`` replaces it. A field that
the type of the rows declares and a row leaves out is null as well; what no type declares must be there. Comparisons are
those of expressions: exact numbers, dates as dates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from .. import nodes
from ..errors import ExtractError
from ..expressions import Fault
from ..expressions.functions import Wrong
from .checking import Checking
from .sandbox import LONGEST, SIGNS, Unreadable, compiled, context, parsed

__all__ = ["Template", "examine_template"]

_DEEP = Fault(1, "The instructions are nested too deeply.", "Take brackets out.")


@dataclass(frozen=True)
class Template:
    """Instructions as written. `names` are the paths of the fields that they read; `fixed` says that there are no signs
    of a template in them, so that they are the same for all rows. Of the names, `declared` are those that the type of
    the rows has, and `decimals` those that may be written there as text and are numbers."""

    text: str
    fixed: bool = True
    names: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    declared: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    decimals: frozenset[tuple[str, ...]] = field(default=frozenset(), repr=False)

    def render(self, row: Mapping[str, Any]) -> str:
        """The instructions for a row: null is nothing, lists and records are their JSON. Raises ExtractError for a
        field that the row does not have, and for what cannot be worked out."""
        if self.fixed:
            return self.text
        import jinja2

        whole: Any = row
        for steps in self.declared:
            whole = _completed(whole, steps, steps in self.decimals)
        parts, room = [], LONGEST
        try:
            for part in compiled(self.text).generate(context(whole)):
                parts.append(part)
                room -= len(part) + 1
                if room < 0:
                    raise ExtractError(f"The instructions for this row are longer than {LONGEST:,} characters.")
        except (jinja2.TemplateError, Wrong, TypeError, ValueError, ArithmeticError) as error:
            raise ExtractError(f"The instructions cannot be filled in: {str(error).rstrip('.')}.") from None
        return "".join(parts)


def _completed(value: Any, steps: tuple[str, ...], decimal: bool) -> Any:
    """The value with null where a path leads to nothing, and with a number where its text stands for one."""
    if isinstance(value, (list, tuple)):
        return [_completed(item, steps, decimal) for item in value]
    if not steps:
        return _number(value) if decimal else value
    if not isinstance(value, Mapping):
        return value
    inner = _completed(value.get(steps[0]), steps[1:], decimal)
    return value if steps[0] in value and inner is value[steps[0]] else {**value, steps[0]: inner}


def _number(value: Any) -> Any:
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return value
    return number if number is not None and number.is_finite() else value


def examine_template(
    text: str, type: nodes.Type | None = None, hidden: Collection[str] = ()
) -> tuple[Template | None, tuple[Fault, ...]]:
    """The template that a text stands for, and everything that is wrong with it for rows of this type, where that is
    known. A fault's column counts the characters of the whole text. `hidden` are fields that may not be named."""
    if not any(sign in text for sign in SIGNS):
        return Template(text), ()
    checking = Checking(type, hidden)
    try:
        checking.statements(parsed(text).body, {})
        if not checking.faults:
            compiled(text)
    except Unreadable as unreadable:
        return None, (unreadable.fault,)
    except (RecursionError, MemoryError, SyntaxError):  # of Jinja's parser, or of Python's on what Jinja makes of it
        return None, (_DEEP,)
    if checking.faults:
        return None, tuple(sorted(checking.faults, key=lambda fault: fault.column))
    return Template(text, False, *checking.found()), ()
