"""A connection to a database for one piece of work, through SQLAlchemy, and its errors in our words.

JSON keeps its digits on the way in and out. A password is never part of what is said. SQLite takes its write lock when
a transaction begins, and waits for others half a minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..errors import PipelineError
from ..jsontext import dump
from .addresses import Address
from .columns import Slot, slot_of, sqlite_slot

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["connected", "slots", "table_names", "unique_keys"]

_WAIT_SECONDS = 30
_UNREACHED = "Is it running, and can this machine reach it?"
_FIXES: dict[Any, str] = {
    "28P01": "Look at the user and the password.",
    "28000": "Look at the user, and at what the server allows.",
    "3D000": "Make the database, or look at its name.",
    "42501": "Let the user do it, or take another user.",
    1045: "Look at the user and the password.",
    1049: "Make the database, or look at its name.",
    2003: _UNREACHED,
    "SQLITE_BUSY": "Another program is writing to it; try again when it is done.",
    "SQLITE_NOTADB": "This is no SQLite file.",
    "SQLITE_READONLY": "It may only be read.",
    "SQLITE_CANTOPEN": "Look at the path, and whether it may be written.",
}
"""What to do, by the code that the database gave: an SQLSTATE, a number of MySQL, a name of SQLite."""


@contextmanager
def connected(address: Address, write: bool = False) -> Iterator[Connection]:
    """A connection, to `write` or only to read, closed at the end; what was not committed is rolled back. Raises
    PipelineError for all that the database or its driver refuse."""
    import sqlalchemy as sa

    engine = _engine(address, write)
    try:
        with engine.connect() as connection:
            if not write and address.dialect in _READ_ONLY:
                connection.exec_driver_sql(_READ_ONLY[address.dialect])
            yield connection
    except sa.exc.DBAPIError as error:
        raise _error(address, error.orig) from None
    except sa.exc.SQLAlchemyError as error:
        said = address.scrubbed(str(error).splitlines()[0])
        raise PipelineError(f"The database cannot be used so: {said.rstrip('.')}.", address.shown) from None
    except OSError as error:  # not every driver makes it one of its own
        raise PipelineError(f"The connection broke: {error.strerror or error}.", address.shown, _UNREACHED) from None
    finally:
        engine.dispose()


_READ_ONLY = {
    "sqlite": "pragma query_only = on",
    "postgresql": "set transaction read only",
    "mysql": "set transaction read only",
    "mariadb": "set transaction read only",
}


def _error(address: Address, error: BaseException | None) -> PipelineError:
    fields = error.args[0] if error is not None and error.args and isinstance(error.args[0], dict) else {}
    code = fields.get("C") or getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None)
    said = fields.get("M")
    if not code and error is not None and len(error.args) == 2 and isinstance(error.args[0], int):
        code, said = error.args
    said = str(said or error).strip().splitlines()[0].rstrip(".")
    if "D" in fields:
        said += f" ({fields['D'].rstrip('.')})"
    fix = _FIXES.get(code, None if code else _UNREACHED)
    return PipelineError(f"The database refuses: {address.scrubbed(said)}.", address.shown, fix)


def _engine(address: Address, write: bool) -> Engine:
    import sqlalchemy as sa
    from sqlalchemy.pool import NullPool

    assert address.url is not None
    url, arguments = _arguments(address)
    json_of = {"json_serializer": _json, "json_deserializer": _value}
    engine = sa.create_engine(url, poolclass=NullPool, connect_args=arguments, **json_of)
    if address.dialect == "sqlite":
        sa.event.listen(engine, "connect", _unmanaged)
        sa.event.listen(engine, "begin", _begin_writing if write else _begin)
    return engine


def _unmanaged(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # else Python's module commits before it makes a table


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("begin")


def _begin_writing(connection: Any) -> None:
    connection.exec_driver_sql("begin immediate")


def _json(value: Any) -> str:
    return dump(value)


def _value(text: Any) -> Any:
    return json.loads(text, parse_float=Decimal)


def _arguments(address: Address) -> tuple[Any, dict[str, Any]]:
    """The URL and what else the driver is given. What PostgreSQL's own library reads from an address (a socket's folder
    as `host`, `sslmode`, `connect_timeout`) is said to pg8000 in its words."""
    url = address.url
    assert url is not None
    if address.dialect == "sqlite":
        return url, {"timeout": _WAIT_SECONDS, "check_same_thread": False}
    if url.drivername != "postgresql+pg8000":
        return url, {}
    words = dict(url.query)
    words.pop("connect_timeout", None)  # pg8000's own limit holds for statements as well
    arguments: dict[str, Any] = {}
    folder = str(words.pop("host", ""))
    if folder:
        arguments["unix_sock"] = f"{folder}/.s.PGSQL.{url.port or 5432}"
    mode, root = str(words.pop("sslmode", "prefer")), words.pop("sslrootcert", None)
    if mode.startswith("verify") or root is not None:
        import ssl

        arguments["ssl_context"] = ssl.create_default_context(cafile=root)  # type: ignore[arg-type]
        arguments["ssl_context"].check_hostname = mode != "verify-ca"
    elif mode in ("require", "disable"):
        arguments["ssl_context"] = mode == "require"
    return url.set(query=words), arguments


def slots(connection: Connection, table: str) -> dict[str, Slot] | None:
    """The columns of a table by name, or None where there is no such table."""
    import sqlalchemy as sa

    schema, name = _parts(table)
    inspector = sa.inspect(connection)
    if not inspector.has_table(name, schema):
        return None
    if connection.dialect.name == "sqlite":
        of = connection.dialect.identifier_preparer.quote_identifier
        found = connection.exec_driver_sql(f"pragma {of(schema or 'main')}.table_info({of(name)})")
        return {slot.name: slot for slot in (sqlite_slot(tuple(row)) for row in found)}
    made = (slot_of(one, connection.dialect) for one in inspector.get_columns(name, schema))
    return {slot.name: slot for slot in made}


def table_names(connection: Connection, table: str) -> list[str]:
    """The tables and views that are there, in the schema of `table`."""
    import sqlalchemy as sa

    inspector = sa.inspect(connection)
    schema, _ = _parts(table)
    if schema is not None and schema not in inspector.get_schema_names():
        return []
    return [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]


def unique_keys(connection: Connection, table: str) -> list[frozenset[str]]:
    """The sets of columns that no two rows of the table share: its primary key and its whole unique indexes."""
    import sqlalchemy as sa

    schema, name = _parts(table)
    inspector = sa.inspect(connection)
    found = [inspector.get_pk_constraint(name, schema).get("constrained_columns") or []]
    found += [one["column_names"] for one in inspector.get_unique_constraints(name, schema)]
    for index in inspector.get_indexes(name, schema):
        options = index.get("dialect_options", {})
        partial = any(key.endswith("_where") and value is not None for key, value in options.items())
        if index["unique"] and not partial and None not in index["column_names"]:
            found.append(index["column_names"])  # type: ignore[arg-type]
    return [frozenset(one) for one in found if one]


def _parts(table: str) -> tuple[str | None, str]:
    schema, dot, name = table.rpartition(".")
    return (schema, name) if dot else (None, table)
