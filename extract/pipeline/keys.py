"""The words of a pipeline: its keys, its verbs and their options, and what is planned and not built yet."""

from __future__ import annotations

__all__ = [
    "EXTRAS",
    "LATER_KEYS",
    "LATER_OPTIONS",
    "LATER_VERBS",
    "LIMITS",
    "ON_FAILURE",
    "PER_DOCUMENT",
    "PIPELINE",
    "VERBS",
]

PIPELINE = (
    "name", "model", "documents", "steps", "write", "limits", "settings", "on_failure", "attempts", "offline", "hosts",
)  # fmt: skip

LATER_KEYS = {
    "variables": "Write the values themselves for now.",
    "version": "Leave it out; this version has one form of pipeline.",
}

VERBS: dict[str, tuple[str, ...]] = {
    "extract": ("instructions", "examples", "settings", "attempts", "on_failure", "best_effort"),
    "check": ("on_failure",),
    "where": (),
    "set": (),
    "sql": (),
    "write": (),
}
"""The verbs of a step with the options that may stand beside each."""

_SQL = "A `sql` step can do it: it sees all rows as the table `rows`."

LATER_VERBS = {
    "ask": "Extract a true-or-false field and test it with `where`.",
    "classify": "Give the schema a field with an enum of the classes.",
    "group": _SQL,
    "join": _SQL,
    "python": "Work it out in the schema's own validators, or with `set`.",
    "resolve": "",
    "review": "`on_failure: review` holds documents without a valid record for review.",
    "sample": _SQL,
    "similar": "",
    "unnest": _SQL,
}

LATER_OPTIONS = {
    "as": "Steps run one after another for now.",
    "from": "Steps run one after another for now: each reads the one before it.",
    "when": "Use `where`, or write the rows out with their class and split them there.",
    "text": "An `extract` reads the documents for now.",
    "group": _SQL,
    "model": "Set `model` for the whole pipeline.",
}

LIMITS = (
    "budget_usd", "tokens", "calls", "requests_per_minute", "tokens_per_minute", "in_flight", "timeout", "tries",
    "per_document",
)  # fmt: skip

PER_DOCUMENT = ("attempts", "tokens", "budget_usd")

ON_FAILURE = ("reject", "review", "keep")

EXTRAS = ("evidence", "confidence", "cost")
