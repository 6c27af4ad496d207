"""What a user of PostgreSQL may do with a table, asked before anything is written.

Since its version 15 a user may not make tables in the schema `public` unless that was granted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import PipelineError
from ..tables import quoted

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["require_leave"]

_NEEDS = {"insert": ("insert",), "merge": ("select", "insert", "update"), "replace": ("insert", "delete")}
_NOTING = ("select", "insert", "delete")


def require_leave(connection: Connection, table: str, mode: str, exists: bool, notes: str, shown: str) -> None:
    """Raises PipelineError where the user may not write to the table or make it, or not note what was inserted."""
    schema, _, name = table.rpartition(".")
    schema = schema or str(_asked(connection, "select current_schema()"))
    _require(connection, schema, name, _NEEDS[mode] if exists else None, shown)
    if mode == "insert":
        there = _asked(connection, "select to_regclass(:name) is not null", name=f"{quoted(schema)}.{quoted(notes)}")
        _require(connection, schema, notes, _NOTING if there else None, shown)


def _require(connection: Connection, schema: str, name: str, needs: tuple[str, ...] | None, shown: str) -> None:
    if needs is None:
        if not _asked(connection, "select has_schema_privilege(:schema, 'create')", schema=schema):
            message = f"The user may not make the table `{name}` in the schema `{schema}`."
            raise PipelineError(message, shown, f"Let them: grant create on schema {schema} to the user.")
        return
    for need in needs:
        whole = f"{quoted(schema)}.{quoted(name)}"
        if not _asked(connection, "select has_table_privilege(:name, :need)", name=whole, need=need):
            message = f"The user may not {need} rows of the table `{name}`."
            raise PipelineError(message, shown, f"Let them: grant {need} on {schema}.{name} to the user.")


def _asked(connection: Connection, query: str, **values: Any) -> Any:
    import sqlalchemy as sa

    return connection.execute(sa.text(query), values).scalar()
