"""Reads `sql` steps: the tables that a query sees, and the query against them.

A query sees the rows of the step that it reads as the table `rows`, those of steps that `from` names by their names,
and files that `tables` names. DuckDB says what rows it gives; what is wrong with it is said at its place in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DocumentError
from ..nodes import Type
from ..project import ready, roots
from ..sources import Source, column_types
from ..tables import QueryError, describe
from .asking import Taken
from .keys import ORIGIN
from .origins import read_origin
from .problems import Problems, kind, nearest
from .rowtypes import KEPT, field_names, row_of
from .values import Sql
from .written import Place, Written

__all__ = ["ROWS_NAME", "QueryReader", "is_name"]

ROWS_NAME = "rows"
"""The table of the rows that a query reads if nothing else is said."""


def is_name(name: str) -> bool:
    """Whether a step or a table may have this name."""
    return name.replace("_", "").replace("-", "").isalnum()


@dataclass(frozen=True)
class QueryReader:
    """Reads a query; `names` are the steps that it may name, and `types` those of their rows."""

    problems: Problems
    root: Path
    path: Path | None
    names: Mapping[str, int]
    types: Mapping[int, Type | None]

    def read(self, number: int, place: Place, options: dict[str, Written], of: Taken) -> Sql | None:
        query = self.problems.text(options["sql"], "sql")
        types: dict[str, Type] = {}
        tables: dict[str, tuple[int, ...] | Source] = {}
        for called, reads, type in self.several(options.get("from"), of):
            tables[called] = reads
            if type is not None:
                types[called] = type
        for name, source, type in self.files(options["tables"]) if "tables" in options else ():
            tables[name], types[name] = source, type
        if query is None or len(types) < len(tables) or options["sql"].unfilled:
            return None
        try:
            given = describe(query, types)
        except QueryError as error:
            at = options["sql"].at(error.position) if error.position is not None else options["sql"].place
            self.problems.add(at, error.message, self.mended(error, tables))
            return None
        for name in field_names(given):
            if name.startswith("_") and name not in KEPT:
                message = f"The query gives a column `{name}`, and names with `_` belong to the run."
                self.problems.add(options["sql"].place, message, "Give it another name with `as`.")
        self.unread(options["sql"], tables)
        type = row_of(given)
        return Sql(number, place, type, query, tables, types, shown=options["sql"].shown, **of.flow)

    def unread(self, query: Written, tables: Mapping[str, tuple[int, ...] | Source]) -> None:
        """Notes tables that the query does not name."""
        words = set(re.findall(r"[\w-]+", query.text.lower()))
        alike = {name: [one for one, of in tables.items() if of == tables[name]] for name in tables}
        for name, several in alike.items():
            if words.isdisjoint(one.lower() for one in several) and name == several[-1]:
                fix = (
                    "Read it, or take it out of `from` or `tables`."
                    if len(tables) > 1
                    else "Write `from rows` into it."
                )
                self.problems.add(query.place, f"The query does not read the table `{name}`.", fix)

    def mended(self, error: QueryError, tables: Mapping[str, Any]) -> str | None:
        """How to mend a query, with the tables that it can read."""
        if not error.message.startswith("There is no table"):
            return error.fix
        name = error.message.split("`")[1] if "`" in error.message else ""
        if name in self.names:
            listed = ", ".join([*(one for one in tables if one in self.names), name])
            return f"It is a step; a query reads the steps that `from` names: `from: [{listed}]`."
        if len(tables) == 1:
            return f"The rows are the table `{next(iter(tables))}`."
        listed = f"The tables: {', '.join(tables)}."
        near = nearest(name, tables, "")
        return f"{near} {listed}" if near.startswith("Did") else listed

    def several(self, written: Written | None, of: Taken) -> Iterator[tuple[str, tuple[int, ...], Type | None]]:
        """The tables of steps that a query sees: `rows`, and each that `from` names by its name."""
        if len(of.reads) == 1:
            yield ROWS_NAME, of.reads, of.type
        for item in () if written is None else self.problems.texts(written, "from"):
            number = self.names.get(str(item.value))
            if number is not None:
                yield str(item.value), (number,), self.types[number]

    def files(self, written: Written) -> Iterator[tuple[str, Source, Type]]:
        """The tables of files and databases that a query sees."""
        if not isinstance(written.value, dict):
            message = f"`tables` is a mapping of names to files, and this is {kind(written)}."
            self.problems.add(written.place, message, "Write `tables: {vendors: data/vendors.csv}`.")
            return
        taken = {one.lower() for one in (ROWS_NAME, *self.names)}
        for name, item in written.value.items():
            if name.lower() in taken:
                message = f"`{name}` is the name of rows of this pipeline already."
                if name.lower() not in (ROWS_NAME, *map(str.lower, self.names)):
                    message = f"There is a table `{name.lower()}` already, and SQL does not tell case apart."
                self.problems.add(written.keys[name], message, "Give the table another name.")
                continue
            if not is_name(name):
                message = f"`{name}` is no name for a table."
                self.problems.add(written.keys[name], message, "Write one word of letters, digits, `_` and `-`.")
                continue
            taken.add(name.lower())
            entries, what = {"rows": item}, name
            if isinstance(item.value, dict):
                entries = self.problems.keys(item, ORIGIN, f"the table `{name}`")
                what = "rows"
                if "rows" not in entries:
                    fix = "Write `{rows: shop.db, table: vendors}`."
                    self.problems.add(item.place, f"The table `{name}` needs `rows`.", fix)
                    continue
            source = read_origin(self.problems, entries, (*roots(self.path, self.root), ready()), what)
            if source is not None:
                try:
                    yield name, source, column_types(source)
                except DocumentError as error:
                    self.problems.add(item.place, f"{error.where}: {error.message}", error.fix)
