"""Whether rows of a type go into a table that is there, said before anything is written.

A field must have its column, a column that may not be empty its field, and each a kind of value that the other takes.
`_id` and `_source` go only where there are columns for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from .. import nodes
from ..databases import Slot
from ..errors import PipelineError
from ..expressions import is_decimal
from ..tables import fields_of

__all__ = ["OWN", "matched", "require_fit", "require_key"]

OWN = ("_id", "_source")
"""Fields of ours, which a user's table need not have."""

_TAKES: dict[type[nodes.Node], frozenset[str]] = {
    nodes.Boolean: frozenset({"boolean", "whole"}),
    nodes.Number: frozenset({"whole", "exact", "float"}),
    nodes.Text: frozenset({"text", "date", "time", "moment", "instant", "uuid"}),
    nodes.Array: frozenset({"list"}),
    nodes.Record: frozenset(),
}
_ALL_TAKE = frozenset({"text", "json", "other", "loose"})
_SAID: dict[type[nodes.Node], str] = {
    nodes.Boolean: "true or false",
    nodes.Number: "a number",
    nodes.Text: "a text",
    nodes.Array: "a list",
    nodes.Record: "a record",
}


def matched(names: Sequence[str], slots: Mapping[str, Slot], shown: str, table: str) -> dict[str, Slot]:
    """The column of each field that has one; SQL folds case, so a name that differs in case only is the same. Raises
    PipelineError for a field that has none."""
    folded = {name.lower(): slot for name, slot in slots.items()}
    found = {}
    for name in names:
        slot = slots.get(name) or folded.get(name.lower())
        if slot is not None:
            found[name] = slot
        elif name not in OWN:
            near = get_close_matches(name.lower(), folded, 1)
            known = f"The nearest is `{folded[near[0]].name}`." if near else f"There are {', '.join(slots)}."
            message = f"The table `{table}` has no column for the field `{name}`."
            raise PipelineError(message, shown, f"{known} Rename one of them, or add the column.")
    return found


def require_fit(type: nodes.Type, slots: Mapping[str, Slot], shown: str, table: str) -> None:
    """Raises PipelineError where rows of the type do not go into a table with these columns."""
    fields = {one.name: one.node for one in fields_of(type)}
    if not fields:
        return
    found = matched(tuple(fields), slots, shown, table)
    for name, slot in found.items():
        node = _plain(fields[name], type)
        if node.__class__ in _TAKES and slot.kind not in _TAKES[node.__class__] | _ALL_TAKE:
            what = f"`{name}` is {_SAID[node.__class__]}, and the column `{slot.name}` of `{table}` is {slot.declared}."
            raise PipelineError(f"The field {what}", shown, "Change the one or the other, or write to another table.")
    taken = {slot.name for slot in found.values()}
    for slot in slots.values():
        if not slot.nullable and not slot.filled and slot.name not in taken and slot.name not in OWN:
            message = f"The column `{slot.name}` of `{table}` may not be empty, and the rows have no such field."
            raise PipelineError(message, shown, "Give the rows that field, or the column a default.")


def require_key(
    key: Sequence[str], unique: Sequence[frozenset[str]], slots: Mapping[str, Slot], shown: str, table: str
) -> None:
    """Raises PipelineError where a table cannot be merged into by these columns."""
    folded = {name.lower(): name for name in slots}
    for name in key:
        if name.lower() not in folded:
            near = get_close_matches(name, slots, 1)
            fix = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(slots)}."
            raise PipelineError(f"The table `{table}` has no column `{name}` to merge by.", shown, fix)
    wanted = {folded[name.lower()] for name in key}
    if not any(one == wanted for one in unique):
        listed = ", ".join(key)
        message = f"Nothing keeps two rows of `{table}` from having the same {listed}."
        fix = f"Make it: create unique index on {table} ({listed})."
        raise PipelineError(f"{message} Merging needs a unique index of exactly these columns.", shown, fix)


def _plain(node: nodes.Node, type: nodes.Type) -> nodes.Node:
    """The node without references and null; a decimal that may come as text is a number."""
    node = type.resolve(node)
    if is_decimal(node, type):
        return nodes.Number()
    if isinstance(node, nodes.Union):
        kinds = [one for one in map(type.resolve, node.branches) if not isinstance(one, nodes.Null)]
        return _plain(kinds[0], type) if len(kinds) == 1 else nodes.Anything()
    return node
