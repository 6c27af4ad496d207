"""What writers of tables share: how rows wait, how they are told apart, and what is noted of them.

`database` says what the notes are for; `duck` keeps them in the same form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from ..databases import Address, Slot, stripped
from ..errors import PipelineError
from ..jsontext import canonical, digest
from ..nodes import Type
from ..tables import Row, fields_of, plain_dates
from .spool import Spool
from .writing import Writer

__all__ = ["NAME_LENGTH", "NOTES", "NULL", "TableWriter", "noted_as"]

NOTES = "_extract_written"

NAME_LENGTH = 190
"""Characters of a name in the notes: what every database indexes."""

_PIECE = 80

NULL = "it is null, and the rows are merged by it"


class TableWriter(Writer):
    """Takes rows for a table of a database; a kind of database is a child that has `_appear`."""

    def __init__(
        self,
        address: Address,
        table: str,
        mode: str,
        key: Sequence[str],
        *,
        type: Type | None,
        columns: Sequence[str],
        run: str,
        output: str,
    ):
        super().__init__(address.shown)
        self._address, self._name, self._mode, self._key, self._type = address, table, mode, tuple(key), type
        self._run, self._output = _noted_output(run, output, table) if mode == "insert" else ("", "")
        declared = () if type is None else tuple(one.name for one in fields_of(type))
        self._spool = Spool(tuple(dict.fromkeys((*columns, *declared))))

    def _take(self, row: Row) -> None:
        self._spool.add(row, _identity(row, self._key, self._run))

    def _drop(self) -> None:
        self._spool.close()

    def _require_key_in(self, names: Iterable[str]) -> None:
        """Raises PipelineError for a field to merge by that a table made for the rows would not have."""
        known = list(names)
        for name in self._key:
            if name not in known:
                fix = f"There are {', '.join(known)}."
                raise PipelineError(f"No row has the field `{name}` to merge by.", self.shown, fix)

    def _refused(self, name: str, slot: Slot, declared: str, id: Any, why: str) -> PipelineError:
        """What is said of a value that its column does not take."""
        which = f" of the row {id}" if id is not None else ""
        message = f"The field `{name}`{which} does not go into `{slot.name}` ({declared}): {why}."
        fix = "Change the column, or take such rows out with a `where` or a `check` before."
        return PipelineError(message, self.shown, fix)


def _identity(row: Row, key: Sequence[str], run: str) -> bytes | None:
    """What tells the row from others: the values of its key, or its `_id`, or all that it holds."""
    if key:
        return canonical([_same(row.get(name)) for name in key])
    if not run:
        return None
    found = row.get("_id")
    name = str(found) if found is not None else digest(canonical(plain_dates(row)))
    return name.encode("utf-8", "backslashreplace")


def _same(value: Any) -> Any:
    """A value of a key as a database compares it: 1 is 1.0."""
    if isinstance(value, (float, Decimal)):
        number = Decimal(repr(value)) if isinstance(value, float) else value
        return int(number) if number == number.to_integral_value() else stripped(number)
    return plain_dates(value)


def _noted_output(run: str, output: str, table: str) -> tuple[str, str]:
    """The names of a run and of its output in the notes: of one output to another table nothing is noted yet."""
    return (_short(run), _short(f"{output} > {table}")) if run else ("", "")


def noted_as(identity: bytes) -> str:
    """The name of a row in the notes of its run."""
    return _short(identity.decode())


def _short(name: str) -> str:
    """A name that fits an indexed column of every database; a long one ends in its hash."""
    name = name.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return name if len(name) <= NAME_LENGTH else f"{name[:_PIECE]}…{digest(name.encode())}"
