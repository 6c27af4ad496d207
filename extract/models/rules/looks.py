"""What is wanted of a field, and what its value looks like.

A field is known by its names (its own, its aliases, its title, what its description puts in quotes), the words around
it, and its node. The look decides which reader goes for it: a format or a kind of value where the node says so,
otherwise what the names say: an ``invoice_number`` is an identifier, a ``vendor`` an organisation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...nodes import Boolean, Choice, Field, Node, Number, Record, Text
from .labels import Names
from .words import listed, tokens

__all__ = ["Wanted", "date_order", "fits", "look_of", "names_of"]


@dataclass(frozen=True)
class Wanted:
    """A value to look for: its names, the node that it must fit, what it looks like, and the order of its dates."""

    names: Names
    node: Node
    look: str
    order: str | None = None


_QUOTED = re.compile(r"[\"“'‘]([^\"”'’]{2,40})[\"”'’]")


def names_of(field: Field, node: Node, around: tuple[str, ...], apart: bool) -> Names:
    """The names of a field. `around` are the tokens of the record that it is in; a field of another party (`apart`) is
    only known by its full name, otherwise by its own as well."""
    titles = () if isinstance(node, Record) else (node.title, field.node.title)
    spelled = [field.name, *field.aliases, *titles, *_QUOTED.findall(node.description)]
    plain = [name for name in dict.fromkeys(tokens(text) for text in spelled if text) if name]
    plain += [name[:-1] for name in plain if len(name) > 1 and name[-1] == "name"]
    full = [around + name for name in plain] if around else []
    full += [around for name in full if name[-1] == "name"]
    hints = {*tokens(node.description), *tokens(field.node.description), *around}
    return Names(tuple(full if apart and full else full + plain), frozenset(hints))


_MONEY = listed(
    "total amount sub price tax balance discount paid change rounding shipping payable excl incl service due"
)

_NUMBERS: tuple[tuple[str, Callable[[frozenset[str]], bool]], ...] = (
    ("percent", lambda said: bool(said & {"percent", "rate"})),
    ("money", lambda said: bool(said & _MONEY) and "quantity" not in said),
)
"""Looks of numbers by the tokens of their names; the first that holds."""

_LOOKS: tuple[tuple[str, Callable[[frozenset[str]], bool]], ...] = (
    ("email", lambda said: "email" in said),
    ("iban", lambda said: "iban" in said),
    ("url", lambda said: "web" in said),
    ("phone", lambda said: bool(said & {"phone", "fax"})),
    ("currency", lambda said: "currency" in said),
    (
        "identifier",
        lambda said: bool(said & {"number", "code", "registration", "bic", "account"}) and "quantity" not in said,
    ),
    ("place", lambda said: bool(said & {"postcode", "city", "country", "street"})),
    ("address", lambda said: "address" in said),
    ("date", lambda said: bool(said & {"date", "birth"})),
    ("time", lambda said: "time" in said),
    ("percent", lambda said: bool(said & {"percent", "rate"})),
    ("amount", lambda said: bool(said & _MONEY)),
    ("organisation", lambda said: bool(said & {"company", "customer"})),
)
"""Looks of strings by the tokens of their names; the first that holds."""

_FORMATS = {
    "date": "isodate",
    "date-time": "isodatetime",
    "time": "isotime",
    "email": "email",
    "idn-email": "email",
    "uri": "url",
    "iri": "url",
    "url": "url",
    "uuid": "uuid",
    "ipv4": "ipv4",
}


def look_of(node: Node, names: Names) -> str:
    """The look of a leaf."""
    if isinstance(node, Choice):
        return "choice"
    if isinstance(node, Boolean):
        return "flag"
    if isinstance(node, Number):
        return next((look for look, holds in _NUMBERS if holds(names.all)), "count")
    if isinstance(node, Text) and node.format:
        return _FORMATS.get(node.format, "text")
    return _said(names)


def _said(names: Names) -> str:
    """By the plainest name first: the last one is without the words around."""
    for name in reversed(names.own):
        for look, holds in _LOOKS:
            if holds(frozenset(name)):
                return look
    if frozenset({"name"}) & names.all and names.hints & {"company", "customer"}:
        return "organisation"
    return "text"


def fits(node: Node, value: Any) -> bool:
    """Whether a value keeps to the node's own limits."""
    if isinstance(node, Number):
        return _in_range(node, value)
    if isinstance(node, Text):
        longest = len(value) if node.max_length is None else node.max_length
        return node.min_length <= len(value) <= longest and (node.pattern is None or _searches(node.pattern, value))
    return True


def _in_range(node: Number, value: Any) -> bool:
    return not (
        (node.integer and value != int(value))
        or (node.minimum is not None and value < node.minimum)
        or (node.maximum is not None and value > node.maximum)
        or (node.exclusive_minimum is not None and value <= node.exclusive_minimum)
        or (node.exclusive_maximum is not None and value >= node.exclusive_maximum)
    )


def _searches(pattern: str, value: str) -> bool:
    """Whether the ECMA expression is found; one that Python does not know is left to the validation afterwards."""
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True


_ORDERS = (
    ("dmy", r"\bdd?[./-]mm?[./-]y|day first"),
    ("mdy", r"\bmm?[./-]dd?[./-]y|month first"),
    ("ymd", r"\byyyy[./-]mm?"),
)


def date_order(description: str) -> str | None:
    """The order of day and month that a description names (``dd/mm/yyyy``)."""
    shown = [order for order, pattern in _ORDERS if re.search(pattern, description, re.IGNORECASE)]
    return shown[0] if len(shown) == 1 and shown[0] != "ymd" else None
