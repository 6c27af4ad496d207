"""Where a database is: a URL or a file, read once and never shown with its password.

Words only: nothing is opened here. A plain `postgresql://` becomes the address of a driver with a permissive licence;
what has no such driver here is refused with the command that installs one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PipelineError

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["DUCKDB_SUFFIXES", "SQLITE_SUFFIXES", "Address", "address_of", "masked"]

SQLITE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
DUCKDB_SUFFIXES = (".duckdb",)

_DRIVERS = {
    "postgres": ("postgresql+pg8000", "pg8000", "postgres"),
    "postgresql": ("postgresql+pg8000", "pg8000", "postgres"),
    "postgresql+pg8000": ("postgresql+pg8000", "pg8000", "postgres"),
    "mysql": ("mysql+pymysql", "pymysql", "mysql"),
    "mysql+pymysql": ("mysql+pymysql", "pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "pymysql", "mysql"),
    "mariadb+pymysql": ("mariadb+pymysql", "pymysql", "mysql"),
}
"""For each scheme that an extra serves: SQLAlchemy's scheme, the driver's module and the extra that brings it."""

_WORDS = {"application_name", "connect_timeout", "host", "sslmode", "sslrootcert"}
"""What may stand after the `?` of PostgreSQL's address; see `connections`."""

_SCHEMES = ("postgresql", "mysql", "mariadb", "sqlite", "duckdb")
_ASYNC = ("asyncpg", "aiosqlite", "aiomysql", "asyncmy", "aioodbc", "psycopg_async")
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):(.*)@", re.DOTALL)
_QUERY_SECRET = re.compile(r"([?&][^=&]*(?:password|passwd|pwd|secret|token|key)[^=&]*=)([^&]*)", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{[^}]*\}|\$\w+")


@dataclass(frozen=True)
class Address:
    """The address of one database. `shown` is what people may see; `url` is SQLAlchemy's and holds the password;
    `path` is the file of SQLite or DuckDB."""

    shown: str
    dialect: str
    url: URL | None = field(default=None, repr=False)
    path: Path | None = None

    def scrubbed(self, said: str) -> str:
        """A database's words without the password, should it have said it back."""
        found = [] if self.url is None else [self.url.password, *(v for v in self.url.query.values())]
        for secret in found:
            if isinstance(secret, str) and len(secret) > 2 and secret != self.url.host:  # type: ignore[union-attr]
                said = said.replace(secret, "***")
        return said


def masked(text: str) -> str:
    """An address as people may see it: a password in it is `***`, unless it is a reference such as ${PGPASSWORD}."""
    text = _PASSWORD.sub(lambda m: f"{m[1]}:{_hidden(m[2])}@", text)
    return _QUERY_SECRET.sub(lambda m: m[1] + _hidden(m[2]), text)


def _hidden(secret: str) -> str:
    return secret if not secret or _REFERENCE.fullmatch(secret) else "***"


def address_of(to: str, shown: str | None = None) -> Address | None:
    """The address that a text is, None where it names no database. Raises PipelineError for one of no use."""
    shown = masked(shown if shown is not None else to)
    if "://" not in to:
        suffix = Path(to).suffix.lower()
        dialect = "sqlite" if suffix in SQLITE_SUFFIXES else "duckdb" if suffix in DUCKDB_SUFFIXES else None
        return dialect and _file(dialect, to, shown)  # type: ignore[return-value]
    scheme = to.partition("://")[0].lower()
    if scheme.partition("+")[0] in ("sqlite", "duckdb"):
        return _file(scheme.partition("+")[0], to.partition("://")[2].partition("?")[0].removeprefix("/"), shown)
    return _server(scheme, to, shown)


def _file(dialect: str, name: str, shown: str) -> Address:
    if not name or name == ":memory:":
        raise PipelineError("A database in memory is gone when the work is done.", shown, "Name a file.")
    path = Path(name).expanduser()
    if dialect == "duckdb":
        return Address(shown, dialect, None, path)
    from sqlalchemy import URL

    return Address(shown, dialect, URL.create("sqlite", database=str(path)), path)


def _server(scheme: str, to: str, shown: str) -> Address:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    full, module, extra = _DRIVERS.get(scheme, (scheme, "", ""))
    if module and find_spec(module) is None:
        message = f"The driver of {scheme.partition('+')[0]} databases, {module}, is not installed."
        raise PipelineError(message, shown, f"pip install 'typed-extract[{extra}]'")
    if full.partition("+")[2] in _ASYNC:
        message = f"The driver {full.partition('+')[2]} is an asynchronous one."
        raise PipelineError(message, shown, f"Write {full.partition('+')[0]}:// and what follows.")
    try:
        url = make_url(full + to[len(scheme) :])
        url.get_dialect().import_dbapi()
    except NoSuchModuleError:
        near = get_close_matches(scheme.partition("+")[0], _SCHEMES, 1)
        fix = f"Did you mean {near[0]}://?" if near else f"There are {', '.join(f'{one}://' for one in _SCHEMES)}."
        raise PipelineError(f"Nothing is known of databases at {scheme}://.", shown, fix) from None
    except (ArgumentError, ValueError):
        raise _unreadable(shown) from None
    except ImportError as error:
        message = f"The driver {error.name or full.partition('+')[2]} is not installed."
        raise PipelineError(message, shown, f"pip install {error.name or full.partition('+')[2]}") from None
    if "@" in (url.host or ""):
        raise _unreadable(shown)
    unknown = sorted(set(url.query) - _WORDS) if full == "postgresql+pg8000" else []
    if unknown:
        message = f"Nothing is known of `{unknown[0]}` in the address of a PostgreSQL database."
        raise PipelineError(message, shown, f"There are {', '.join(sorted(_WORDS))}.")
    if not url.database:
        raise PipelineError("The address does not name a database.", shown, "Write its name after the host: host/shop.")
    return Address(shown, url.get_backend_name(), url)


def _unreadable(shown: str) -> PipelineError:
    fix = "Write postgresql://user:password@host:5432/database; in a password @ is %40, : is %3A and / is %2F."
    return PipelineError("The address of the database cannot be read.", shown, fix)
