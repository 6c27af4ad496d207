"""Formats on the wire: the nine that the strict mode knows, others as expressions that admit every text of the format.

An expression here may admit more than the format does, never less; formats are checked once a value is there. Dates
with a time are a case of their own: pydantic admits them without an offset, RFC 3339 does not, and a model must not
be made to invent one; so types that admit both carry `DATE_TIME` or `TIME` as their pattern, and then the format is
left out.
"""

from __future__ import annotations

__all__ = [
    "BARE",
    "CHECKED",
    "CHECKS",
    "DATE_TIME",
    "DURATION",
    "FORMATS",
    "OWN",
    "PATTERNS",
    "STRICT",
    "TIME",
    "known",
]

FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))
"""The formats that the strict mode knows."""

_DAY = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?"
TIME = f"^{_CLOCK}$"
DATE_TIME = rf"^{_DAY}[Tt ]{_CLOCK}$"
DURATION = r"^[+-]?P(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?)$"
OWN = frozenset((DATE_TIME, TIME, DURATION))
"""Patterns that stand in for their format."""

BARE = frozenset(("binary", "password"))
"""Formats that say what a text is for and rule out none."""

_NO_URI = r'[^\s"<>\\^`{|}]'
_STEP = "(?:/(?:[^~/]|~[01])*)*"
PATTERNS: dict[str, str] = {
    "uri": rf"^[A-Za-z][A-Za-z0-9+.\-]*:{_NO_URI}*$",
    "iri": rf"^[A-Za-z][A-Za-z0-9+.\-]*:{_NO_URI}*$",
    "uri-reference": rf"^{_NO_URI}*$",
    "iri-reference": rf"^{_NO_URI}*$",
    "json-pointer": rf"^{_STEP}$",
    "relative-json-pointer": rf"^(?:0|[1-9][0-9]*)(?:#|{_STEP})$",
    "uri-template": rf"^(?:{_NO_URI}|\{{[^{{}}\s]+\}})*$",
}


_HOUR = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[zZ]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
STRICT: dict[str, str] = {
    "date": f"^{_DAY}$",
    "time": f"^{_HOUR}$",
    "date-time": f"^{_DAY}[tT]{_HOUR}$",
    "duration": r"^P(?!$)(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)$",
    "email": rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*$",
    "hostname": rf"^{_LABEL}(?:\.{_LABEL})*$",
    "ipv4": rf"^{_BYTE}(?:\.{_BYTE}){{3}}$",
    "ipv6": r"^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$",
    "uuid": r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
}
"""Texts that every server takes for the nine formats: for choosing among alternatives."""

CHECKS: dict[str, str] = {**PATTERNS, **{name: STRICT[name] for name in ("date-time", "duration", "hostname")}}
"""The formats of JSON Schema that are checked by an expression of ours: jsonschema knows the others."""

_PYDANTIC = (
    "base64", "base64url", "directory-path", "file-path", "fraction", "ipv4interface", "ipv4network", "ipv6interface",
    "ipv6network", "ipvanyaddress", "ipvanyinterface", "ipvanynetwork", "json-string", "multi-host-uri", "path",
    "zoneinfo",
)  # fmt: skip
CHECKED = FORMATS | CHECKS.keys() | {"idn-email", "idn-hostname", "regex", *_PYDANTIC}
"""The formats that are checked once a value is there; any other one is an annotation, and told to the model."""


def known(name: str) -> str:
    """The wire's own name for a format, or nothing."""
    if name in FORMATS:
        return name
    return "uuid" if name in ("uuid1", "uuid3", "uuid4", "uuid5", "uuid6", "uuid7", "uuid8") else ""
