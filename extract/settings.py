"""The settings of a call: which there are, what each may be, and which model takes them.

They have the names and the ranges of OpenAI's reference for chat completions (as read in 2026), plus four that are
ours: `extra_body` (fields that a server such as vLLM takes beside them, sent as they are), `extra_headers` (sent with
each request, and no part of what is asked), `image_detail` (sent with each image), and `date_order` of the built-in
reader. They are checked before anything is sent, and in the same words wherever they were written: in Python, in a
pipeline and on the command line.

`tools`, `tool_choice` and `response_format` are made from the schema by the mode in which it is asked for, and a user's
own are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from .errors import ModelError
from .image_rules import DETAILS
from .jsontext import dump

__all__ = ["DATE_ORDERS", "OPENAI_PARAMETERS", "SETTINGS", "apart", "check_settings", "on_the_wire", "refusal", "wrong"]

OPENAI_PARAMETERS = (
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "presence_penalty",
    "seed",
    "stop",
    "temperature",
    "top_logprobs",
    "top_p",
)
"""The sampling parameters of the chat endpoint by OpenAI's names; what an unknown model is assumed to take."""

DATE_ORDERS = ("DMY", "MDY", "YMD")

_NOT_SENT = ("date_order", "extra_body", "extra_headers", "image_detail")
"""Settings that no model takes as a parameter: of the built-in reader, which the others of a cascade are given as well,
for any server, and of what goes with a document."""

_NOT_BRIDGED = ("extra_body", "extra_headers", "image_detail")
"""Those of them that a provider's own package has no place for."""

_SET_BY_US = (
    *("function_call", "functions", "messages", "model", "n", "response_format", "stream", "stream_options"),
    *("tool_choice", "tools"),
)
_SAID_ELSEWHERE = {
    "timeout": "The seconds for one attempt are a limit: `limits: {timeout: 60}`, or Limits(timeout=60).",
    "max_retries": "The attempts of one call are a limit: `limits: {tries: 6}`, or Limits(tries=6).",
    "api_key": "Keys are given in the environment (OPENAI_API_KEY), never in a file.",
    "base_url": "The address is given in the environment (OPENAI_BASE_URL), or as an endpoint in models.yaml.",
}
_MOST_BIASES = 300
"""The most tokens that one request may bias, by OpenAI's reference."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a value must be, in words, whether one is, and the texts that it may be, if they are few."""

    meant: str
    holds: Callable[[Any], bool]
    choices: tuple[str, ...] = ()


def _number(low: float, high: float) -> _Setting:
    return _Setting(f"a number from {low} to {high}", lambda value: _is_number(value) and low <= value <= high)


def _whole(low: int, high: int | None = None) -> _Setting:
    meant = f"a whole number from {low}" + ("" if high is None else f" to {high}")
    return _Setting(meant, lambda value: type(value) is int and low <= value <= (value if high is None else high))


def _one_of(*values: str) -> _Setting:
    meant = f"{', '.join(values[:-1])} or {values[-1]}"
    return _Setting(meant, lambda value: isinstance(value, str) and value in values, values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_stop(value: Any) -> bool:
    texts = [value] if isinstance(value, str) else value
    return isinstance(texts, (list, tuple)) and 0 < len(texts) <= 4 and all(isinstance(t, str) and t for t in texts)


def _is_body(value: Any) -> bool:
    try:
        return isinstance(value, Mapping) and bool(dump(value))
    except (TypeError, ValueError):  # no JSON, or a number that is none
        return False


def _is_bias(value: Any) -> bool:
    if not isinstance(value, Mapping) or len(value) > _MOST_BIASES:
        return False
    return all(str(token).isdigit() and _is_number(bias) and -100 <= bias <= 100 for token, bias in value.items())


_OURS = frozenset(
    {"connection", "content-length", "content-type", "expect", "host", "te", "transfer-encoding", "upgrade"}
)
"""Headers that say how a request is carried, and to whom."""


def _is_headers(value: Any) -> bool:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return False
    if any(name.lower() in _OURS or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) for name in value):
        return False
    return all(
        isinstance(part, str) and part.isascii() and part.isprintable() and part
        for pair in value.items()
        for part in pair
    )


SETTINGS: Mapping[str, _Setting] = {
    "date_order": _Setting(
        "DMY, MDY or YMD", lambda value: isinstance(value, str) and value.upper() in DATE_ORDERS, DATE_ORDERS
    ),
    "extra_body": _Setting("an object of JSON values", _is_body),
    "extra_headers": _Setting(
        "an object of texts, headers by their names, none of which says how it is sent", _is_headers
    ),
    "frequency_penalty": _number(-2, 2),
    "image_detail": _one_of(*DETAILS),
    "logit_bias": _Setting("an object that gives token numbers a bias from -100 to 100, at most 300 of them", _is_bias),
    "logprobs": _Setting("true or false", lambda value: isinstance(value, bool)),
    "max_completion_tokens": _whole(1),
    "max_tokens": _whole(1),
    "presence_penalty": _number(-2, 2),
    "reasoning_effort": _one_of("none", "minimal", "low", "medium", "high", "xhigh"),
    "seed": _whole(-(2**63), 2**63 - 1),
    "stop": _Setting("a text or a list of up to 4 texts", _is_stop),
    "temperature": _number(0, 2),
    "top_k": _whole(1),
    "top_logprobs": _whole(0, 20),
    "top_p": _number(0, 1),
}
"""What each setting may be."""


def wrong(name: str, value: Any) -> tuple[str, str | None] | None:
    """What is wrong with a setting whatever the model is: a sentence and the remedy; None if nothing is."""
    if name in _SET_BY_US:
        return f"The setting `{name}` is made from the schema and cannot be given.", None
    if name in _SAID_ELSEWHERE:
        return f"`{name}` is not a setting of a call.", _SAID_ELSEWHERE[name]
    if name not in SETTINGS:
        guess = get_close_matches(name, SETTINGS, 1)
        known = f"Did you mean `{guess[0]}`?" if guess else f"There are {', '.join(SETTINGS)}."
        own = " A field that only your server knows goes into `extra_body`."
        return f"There is no setting `{name}`.", known + ("" if guess else own)
    if not SETTINGS[name].holds(value):
        near = get_close_matches(str(value), SETTINGS[name].choices, 1)
        fix = f"Did you mean `{near[0]}`?" if near else None
        return f"`{name}` is {SETTINGS[name].meant}, and this is {_shown(value)}.", fix
    if name == "extra_body" and (ours := [one for one in value if one in _SET_BY_US]):
        return f"`extra_body` holds `{ours[0]}`, which is made from the schema and cannot be given.", None
    return None


def check_settings(settings: Mapping[str, Any], where: str | None = None) -> None:
    """Raises `ModelError` for the first setting that cannot be meant, or that needs another one."""
    for name, value in settings.items():
        if (said := wrong(name, value)) is not None:
            raise ModelError(said[0], where, said[1])
    if settings.get("top_logprobs") is not None and not settings.get("logprobs"):
        raise ModelError("`top_logprobs` needs `logprobs`.", where, "Set logprobs to true as well.")
    if settings.get("max_tokens") is not None and settings.get("max_completion_tokens") is not None:
        message = "`max_tokens` and `max_completion_tokens` mean the same, and both are given."
        raise ModelError(message, where, "Keep one of them; the name that the model wants is sent.")


def apart(settings: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, str]]:
    """What is asked, and the headers that go with each request: another header does not make another call."""
    asked = {name: value for name, value in settings.items() if name != "extra_headers"}
    return asked, settings.get("extra_headers", {})


def on_the_wire(name: str, parameters: Iterable[str]) -> str | None:
    """A setting's name in a request to a model that takes these parameters; None if it is not sent."""
    known = tuple(parameters)
    if name in known:
        return name
    if name == "max_tokens" and "max_completion_tokens" in known:
        return "max_completion_tokens"
    if name == "max_completion_tokens" and "max_tokens" in known:
        return "max_tokens"
    return None


def refusal(
    settings: Mapping[str, Any], model: str, parameters: tuple[str, ...], *, bridged: bool = False
) -> tuple[str, str] | None:
    """Why a model that takes these parameters cannot be given these settings, and the remedy; None if it can.
    `bridged`: it is asked through its provider's own package."""
    for name, value in settings.items():
        beside = name in _NOT_SENT and not (bridged and name in _NOT_BRIDGED)
        if beside or on_the_wire(name, parameters) is not None:
            continue
        if (said := wrong(name, value)) is not None:
            return said[0], said[1] or ""
        guess = get_close_matches(name, parameters, 1)
        fix = f"Did you mean `{guess[0]}`?" if guess else f"It takes {', '.join(parameters) or 'none'}."
        return f"{model} takes no setting `{name}`.", fix
    return None


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, Decimal) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
