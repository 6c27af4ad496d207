"""Makes types and rewrites them for the wire.

`read_schema` reads a JSON Schema as nodes; `wire_of` rewrites nodes into a schema that OpenAI's strict mode takes,
with the codec between the two; `violations` says what the strict mode refuses in any schema, `lint` what a schema
costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import nodes
from .documents import Library
from .finishing import finish
from .linting import Finding, lint
from .reading import Reader
from .rules import Violation, violations
from .space import Space, endless
from .wire import Extras, Rewrite, Wired, wire_of

__all__ = ["Extras", "Finding", "Rewrite", "Violation", "Wired", "lint", "read_schema", "violations", "wire_of"]


def read_schema(full: Mapping[str, Any] | bool, *, declared: bool = False) -> nodes.Type:
    """The nodes of a JSON Schema of any draft from 4 to 2020-12. `declared`: it was made from a pydantic type, so that
    ``discriminator`` and the notes of `describing` bind."""
    library, space = Library(full if isinstance(full, bool) else dict(full)), Space()
    reader = Reader(library, space, declared)
    try:
        return finish(space, reader.ref(library.root), declared)
    except RecursionError:
        raise endless("") from None
