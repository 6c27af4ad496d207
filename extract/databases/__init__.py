"""Databases, as rows are written to them and read from them: their addresses, their connections, their columns.

`addresses` reads where a database is and keeps its password to itself, `connections` opens one through SQLAlchemy and
says its errors in our words, `columns` knows what each of its columns holds. Which rows go where, and once, is the
business of `sinks`; how they are read is that of `sources`. DuckDB's files are opened by its own library there.
"""

from __future__ import annotations

from .addresses import DUCKDB_SUFFIXES, SQLITE_SUFFIXES, Address, address_of, masked
from .columns import Slot, bound, kind_of_new, made, node_of, stripped
from .connections import connected, slots, table_names, unique_keys

__all__ = [
    "DUCKDB_SUFFIXES",
    "SQLITE_SUFFIXES",
    "Address",
    "Slot",
    "address_of",
    "bound",
    "connected",
    "kind_of_new",
    "made",
    "masked",
    "node_of",
    "slots",
    "stripped",
    "table_names",
    "unique_keys",
]
