"""Lists of records: tables with a header, and lines that end in an amount.

A header is a line whose words name at least two fields. What stands under it is given to columns by place, or from
left to right where a row has as many cells as the header. Where there is no header, lines of words that end in an
amount are records of a description and an amount, with a quantity and a price where the line has them. A row of sums
ends a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from ...nodes import Number
from .labels import likeness
from .looks import Wanted, fits
from .page import Cell, Line
from .paper import Paper
from .patterns import SYMBOL, Amount, amounts, dated, days
from .words import listed, tokens

__all__ = ["table"]

Row = tuple[dict[str, Any], dict[str, float]]

_SUMS = listed("total sub grand payable balance paid change rounding tax discount excl net")
"""Words that begin a row of sums, which is no record."""

_MOST_HEADERS = 10
"""Lines that are taken for a header until one has rows under it."""

_WIDEST_HEADER = 400
"""Characters of a longest header."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    wanted: Wanted | None  # None: a column that no field asks for
    left: int
    right: int
    likeness: float


def table(paper: Paper, fields: Sequence[tuple[str, Wanted]]) -> list[Row]:
    """The records of the first table that has any."""
    headers = ((index, found) for index, line in enumerate(paper.page.lines) if (found := _header(line, fields)))
    for index, columns in islice(headers, _MOST_HEADERS):
        rows = list(_rows(paper, paper.page.lines[index + 1 :], columns, fields))
        if rows:
            return rows
    return list(_loose_rows(paper, fields))


# Tables with a header


def _header(line: Line, fields: Sequence[tuple[str, Wanted]]) -> list[_Column] | None:
    if any(cell.text.rstrip().endswith(":") for cell in line.cells) or sum(ch.isdigit() for ch in line.text) > 2:
        return None
    if len(line.text) > _WIDEST_HEADER or (len(line.cells) == 1 and len(line.text.split()) > 10):
        return None
    cells = list(line.cells) if len(line.cells) > 1 else _word_cells(line)
    columns = _assigned([part for cell in cells for part in _parts(cell, fields)], fields)
    asked = [column for column in columns if column.wanted is not None]
    return columns if len(asked) >= 2 and any(_numeric(column) for column in asked) else None


def _parts(cell: Cell, fields: Sequence[tuple[str, Wanted]]) -> list[Cell]:
    """The cell, or its words where they name several fields and the whole names none."""
    parts = _split(cell)
    named = sum(_best(part.text, fields) is not None for part in parts)
    return parts if named >= 2 and _best(cell.text, fields) is None else [cell]


def _assigned(cells: list[Cell], fields: Sequence[tuple[str, Wanted]]) -> list[_Column]:
    """Each field to the cell that names it best, the best match first."""
    claims = sorted(
        (
            (-_claim(cell.text, wanted), place, name, wanted)
            for place, cell in enumerate(cells)
            for name, wanted in fields
        ),
        key=lambda one: one[:2],
    )
    given: dict[int, tuple[str, Wanted, float]] = {}
    for claim, place, name, wanted in claims:
        if -claim >= 0.55 and place not in given and all(name != other for other, _, _ in given.values()):
            given[place] = (name, wanted, -claim)
    blank: tuple[str, None, float] = ("", None, 0.0)
    return [
        _Column(name, wanted, cell.left, cell.right, like)
        for cell, (name, wanted, like) in ((cell, given.get(place, blank)) for place, cell in enumerate(cells))
    ]


def _claim(text: str, wanted: Wanted) -> float:
    label = tokens(text)
    return likeness(wanted.names, label) * (0.8 if label == ("article",) or label == ("total",) else 1.0)


def _best(text: str, fields: Sequence[tuple[str, Wanted]]) -> str | None:
    like, name = max(((_claim(text, wanted), name) for name, wanted in fields), default=(0.0, ""))
    return name if like >= 0.55 else None


def _split(cell: Cell) -> list[Cell]:
    return [
        Cell(
            match.group(),
            cell.start + match.start(),
            cell.start + match.end(),
            cell.left + match.start(),
            cell.left + match.end(),
        )
        for match in re.finditer(r"\S+", cell.text)
    ]


def _word_cells(line: Line) -> list[Cell]:
    return _split(line.cells[0]) if line.cells else []


def _numeric(column: _Column) -> bool:
    return column.wanted is not None and (
        isinstance(column.wanted.node, Number) or column.wanted.look in ("amount", "percent")
    )


def _rows(
    paper: Paper, lines: Sequence[Line], columns: list[_Column], fields: Sequence[tuple[str, Wanted]]
) -> Iterator[Row]:
    empty = 0
    for line in lines:
        if not line.text:
            empty += 1
            if empty > 1:
                return
            continue
        if _is_sum(line):
            return
        row = _row(paper, line, columns, fields)
        if row is not None:
            empty = 0
            yield row


def _is_sum(line: Line) -> bool:
    """A row of sums begins with one of their words and has no description besides."""
    if not line.numbered:
        return False
    first = next((cell for cell in line.cells if re.search(r"[^\W\d_]", cell.text)), None)
    label = tokens(re.split(r"\d", first.text)[0]) if first else ()
    if label and label[0] in _SUMS and len(label) <= 4:
        return True
    return any("total" in said and len(said) <= 3 for said in (tokens(cell.text) for cell in line.cells))


def _row(paper: Paper, line: Line, columns: list[_Column], fields: Sequence[tuple[str, Wanted]]) -> Row | None:
    """The record in a line; None if it has no number where the table's numbers are."""
    value: dict[str, Any] = {}
    sure: dict[str, float] = {}
    placed = _placed(line, columns)
    for column, cell in placed:
        if column.wanted is None:
            continue
        read = _cell_value(paper, cell.text, column.wanted)
        if read is not None and column.name not in value:
            value[column.name] = read
            sure["/" + column.name] = min(0.9, 0.95 * column.likeness)
    if not any(_numeric(column) and column.name in value for column, _ in placed) or len(value) < 2:
        return None
    _take_last(paper, line, placed, fields, value, sure)
    return value, sure


def _take_last(
    paper: Paper,
    line: Line,
    placed: list[tuple[_Column, Cell]],
    fields: Sequence[tuple[str, Wanted]],
    value: dict[str, Any],
    sure: dict[str, float],
) -> None:
    """The last amount of a line is its amount, under whatever header, unless a field has it."""
    wanted = dict(fields)
    name = _role(fields, "amount")
    used = {cell.start for column, cell in placed if column.wanted is not None}
    last = line.cells[-1]
    if (
        not name
        or name in value
        or last.start in used
        or not any(amount.money for amount in amounts(last.text, paper.mark))
    ):
        return
    read = _cell_value(paper, last.text, wanted[name])
    if read is not None:
        value[name], sure["/" + name] = read, 0.6


def _placed(line: Line, columns: list[_Column]) -> list[tuple[_Column, Cell]]:
    if len(line.cells) == len(columns):
        return list(zip(columns, line.cells, strict=True))
    pairs: list[tuple[_Column, Cell]] = []
    for cell in line.cells:
        near = min(columns, key=lambda column: _distance(column, cell))
        if _distance(near, cell) <= 6 and all(near is not column for column, _ in pairs):
            pairs.append((near, cell))
    return pairs


def _distance(column: _Column, cell: Cell) -> float:
    """How far apart: nothing where they overlap or share an edge, otherwise the gap; edges settle what overlaps
    twice."""
    gap = max(column.left - cell.right, cell.left - column.right, 0)
    edges = min(abs(column.left - cell.left), abs(column.right - cell.right))
    return gap + edges / 100


def _cell_value(paper: Paper, text: str, wanted: Wanted) -> Any:
    """The value of a cell as its field wants it, or None."""
    if isinstance(wanted.node, Number):
        shown = [amount for amount in amounts(text, paper.mark) if amount.value is not None]
        letters = sum(ch.isalpha() for ch in text)
        alone = len(shown) == 1 and letters <= 5 and shown[0].percent == (wanted.look == "percent")
        return _number(shown[0], wanted) if alone else None
    if wanted.look == "isodate":
        found = days(text)
        return dated(found[0], wanted.order or paper.order, paper.telling)[0] if len(found) == 1 else None
    said = wanted.look != "text" or re.search(r"[^\W\d_]", text)
    return text if said and wanted.look != "flag" and fits(wanted.node, text) else None


def _number(amount: Amount, wanted: Wanted) -> Any:
    if amount.value is None or not fits(wanted.node, amount.value):
        return None
    return int(amount.value) if isinstance(wanted.node, Number) and wanted.node.integer else amount.value


# Lines that end in an amount


_TIMES = re.compile(
    r"(?P<count>\d+(?:[.,]\d+)?)\s*(?:[xX×*@]|pcs|stk|st)\s*(?:[A-Z$€£]{0,3})\s*(?P<price>\d+[.,]\d{2})"
)
_PRICED = re.compile(rf"\s{SYMBOL}\s*$", re.IGNORECASE)
_LEADING = re.compile(r"^(?P<count>\d{1,3})\s*[xX×]?\s+(?=[^\W\d_])")


def _loose_rows(paper: Paper, fields: Sequence[tuple[str, Wanted]]) -> Iterator[Row]:
    roles = {role: name for role in ("description", "quantity", "price", "amount") if (name := _role(fields, role))}
    if "description" not in roles or not roles.keys() & {"price", "amount"}:
        return
    wanted = dict(fields)
    for line in paper.page.lines:
        if _is_sum(line):
            return
        shown = [amount for amount in amounts(line.text, paper.mark) if amount.money]
        if not shown or shown[-1].end < len(line.text) - 4:
            continue
        row = _loose_row(paper, line, shown, roles, wanted)
        if row is not None:
            yield row


def _role(fields: Sequence[tuple[str, Wanted]], role: str) -> str:
    """The field that fits a role best; a list's total is its amount, a name its description."""
    sought = {
        "description": ("description", "name"),
        "amount": ("amount", "total", "price"),
        "price": ("unit", "price"),
    }.get(role, (role,))
    label = sought if role == "price" else None
    for token in sought:
        scored = [(likeness(wanted.names, label or (token,)), name) for name, wanted in fields]
        like, name = max(scored, default=(0.0, ""))
        if like >= (0.9 if label else 0.55):
            return name
    return ""


def _loose_row(
    paper: Paper, line: Line, shown: list[Amount], roles: dict[str, str], wanted: dict[str, Wanted]
) -> Row | None:
    head = _PRICED.sub("", line.text[: shown[0].start]).strip(" .:-*")
    parts: dict[str, Decimal] = {"amount": shown[-1].value} if shown[-1].value is not None else {}
    times = _TIMES.search(line.text)
    leading = _LEADING.match(head)
    if times:
        read = amounts(times.group("price"), paper.mark)
        count = amounts(times.group("count"), paper.mark)
        if read and count and read[0].value is not None and count[0].value is not None:
            parts |= {"quantity": count[0].value, "price": read[0].value}
        head = line.text[: times.start()].strip(" .:-*")
    elif leading:
        parts["quantity"] = Decimal(leading.group("count"))
        head = head[leading.end() :]
    if sum(ch.isalpha() for ch in head) < 3 or ":" in head or not parts:
        return None
    value: dict[str, Any] = {roles["description"]: head}
    for role, number in parts.items():
        name = roles.get(role)
        if name and name not in value and fits(wanted[name].node, number):
            node = wanted[name].node
            value[name] = (
                number
                if isinstance(node, Number) and not node.integer
                else int(number)
                if isinstance(node, Number)
                else str(number)
            )
    return (value, {f"/{name}": 0.55 for name in value}) if len(value) > 1 else None
