"""What a server says that is no answer: its refusals and its failures as values.

Each becomes a `Failure` of one kind, with a sentence and a remedy, so that the engine knows whether to wait, to stop or
to give up one document. Messages never hold a secret: they are cleaned of the keys that were used and of everything
that looks like one. What a success by its status may hide (an error in the body) is told here too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from ..call import Failure, FailureKind, Reply
from .wire import Wire

__all__ = ["broken", "clean", "failure_of", "retry_after", "said_no", "status_in"]


def broken(wire: Wire, how: str) -> Reply:
    return Reply(
        failure=Failure("transport", f"The answer of {wire.facts.name} cannot be used: {how}.", status=200, sent=True),
        mode=wire.mode,
    )


_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_FILTER = frozenset({"content_filter", "content_policy_violation", "invalid_prompt"})
_PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 that may pass by themselves."""


def failure_of(status: int, headers: Mapping[str, str], data: bytes, wire: Wire, *, now: float) -> Failure:
    """What a response that is no success means. `now` is the time in seconds since 1970, for ``retry-after`` dates."""
    failure = said_no(status, _error_in(data), wire)
    return replace(failure, retry_after=retry_after(headers, now)) if failure.kind == "transport" else failure


def _error_in(data: bytes) -> Any:
    """What the body of a failed response says: OpenAI's ``error``, what other servers have in its place, or its
    text."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return data.decode("utf-8", "replace")
    if not isinstance(body, Mapping):
        return str(body)
    return body.get("error") or (body if "message" in body else body.get("detail") or "")


def said_no(status: int, error: Any, wire: Wire) -> Failure:
    details = error if isinstance(error, Mapping) else {"message": error}
    code = str(details.get("code") or details.get("type") or "")
    param = clean(str(details.get("param") or ""), wire.secrets)
    said = clean(str(details.get("message") or ""), wire.secrets)
    kind, sentence, fix = _meaning(status, code, param, wire)
    if code not in _TELLING and _names_the_mode(status, param, said):
        kind, code = "configuration", "unsupported_mode"
        sentence, fix = f"The server refused the request to {wire.facts.name}.", _refused_fix("schema", param)
    # what a server says of a key may quote the key
    message = sentence if status == 401 or not said else f"{sentence[:-1]}: {said}"
    return Failure(kind, message, status=status, code=code, fix=fix)


def _meaning(status: int, code: str, param: str, wire: Wire) -> tuple[FailureKind, str, str]:
    """The kind, a sentence and the remedy."""
    name = wire.facts.name
    if code in _QUOTA:
        return (
            "configuration",
            f"The account has no credit left for {name}.",
            "Add credit to the account, or raise its limit.",
        )
    if status == 429:
        return "transport", f"{name} has a rate limit, and it is reached.", ""
    if status in _PASSING or status >= 500:
        return "transport", f"The server of {name} failed with status {status}.", ""
    if code in _FILTER:
        return "filter", f"The content filter of {name} took the request.", ""
    if status == 401:
        return "configuration", f"The key for {name} was not accepted.", f"Check {wire.key_variable}."
    if status == 403:
        return (
            "configuration",
            f"The key for {name} may not be used for this.",
            f"Use another key in {wire.key_variable}, or another model.",
        )
    if status == 413 or code in _OF_THE_DOCUMENT or param.startswith("messages"):
        return "document", f"{name} does not take this document.", _refused_fix(code, param)
    if 300 <= status < 400:
        fix = f"Give the address itself in {wire.address_variables}; http may have to be https."
        return "configuration", f"The server of {name} redirects to another address, which is not followed.", fix
    if status == 404:
        fix = f"Check the model's name and {wire.address_variables}."
        return "configuration", f"The server does not know {wire.model!r} or has no chat endpoint.", fix
    return "configuration", f"The server refused the request to {name}.", _refused_fix(code, param)


_NOT_THIS_WAY = frozenset({400, 404, 415, 422})
"""Statuses with which servers refuse a field that they do not know; with 500 and 501 some fail over it."""

_MODE_FIELDS = ("response_format", "json_schema", "json_object", "tool_choice", "tools")
"""The fields of a request that ask for a schema, as servers name them when they refuse one."""

_FIELDS_NAMED = re.compile(r"\b(?:response_format|json_schema|json_object|tool_choice)\b")
_MODE_NAMED = re.compile(rf"{_FIELDS_NAMED.pattern}|\b(?:tools?|strict|schemas?|grammar|structured outputs?)\b", re.I)


def _names_the_mode(status: int, param: str, said: str) -> bool:
    """Whether a refusal is about the way in which the schema was asked for. What a server fails over may have any
    reason, and is taken for this one only if it names a field."""
    if status in (500, 501):
        return param.startswith(_MODE_FIELDS) or _FIELDS_NAMED.search(said) is not None
    return status in _NOT_THIS_WAY and (param.startswith(_MODE_FIELDS) or _MODE_NAMED.search(said) is not None)


_OF_THE_DOCUMENT = frozenset(
    {
        "context_length_exceeded",
        "image_parse_error",
        "invalid_base64",
        "invalid_image",
        "invalid_image_format",
        "image_too_large",
        "string_above_max_length",
        "unsupported_image_media_type",
    }
)
"""Codes of refusals that concern what was sent, and not how."""

_TELLING = _QUOTA | _FILTER | _OF_THE_DOCUMENT
"""Codes that leave no doubt, whatever the words beside them."""


def _refused_fix(code: str, param: str) -> str:
    if code == "context_length_exceeded":
        return "The document is too long for this model: choose one with a larger context."
    if "schema" in code or param.startswith(("response_format", "tools")):
        return "The server does not take this schema: `extract schema REF --lint` says what it holds."
    if param.startswith("messages"):
        return ""
    return f"Change the setting {param!r}, or leave it out." if param else ""


def status_in(error: Any) -> int:
    """The status that an error inside a successful response names; 0 where it names none that says more, which
    passes."""
    code = error.get("code") if isinstance(error, Mapping) else None
    return code if isinstance(code, int) and code >= 400 else 500


_KEYS = re.compile(r"\b(?:sk|pk|key|Bearer)[-_ ][A-Za-z0-9_\-*.]{6,}")


def clean(text: str, secrets: tuple[str, ...]) -> str:
    """One line of at most 400 characters without the secrets and without what looks like one."""
    for secret in secrets:
        if len(secret) > 3:
            text = text.replace(secret, "***")
    text = " ".join(_KEYS.sub("***", text).split())
    return text if len(text) <= 400 else text[:399] + "…"


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that the server asks to wait, by ``retry-after-ms`` or ``retry-after`` (seconds or a date)."""
    millis, after = headers.get("retry-after-ms"), headers.get("retry-after")
    if millis is not None and (seconds := _seconds(millis)) is not None:
        return seconds / 1000
    if after is None or (seconds := _seconds(after)) is not None:
        return None if after is None else seconds
    try:
        return max(0.0, parsedate_to_datetime(after).timestamp() - now)
    except ValueError:
        return None


def _seconds(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d+(\.\d+)?\s*", text) else None
