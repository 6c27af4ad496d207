"""The words of a pipeline: its keys, its verbs and their options, and what is planned and not built yet."""

from __future__ import annotations

from typing import get_args

from ..ledger import Synchronous
from ..limits import Engine

__all__ = [
    "ASKING",
    "CACHE",
    "ENGINES",
    "EXTRAS",
    "FILES",
    "FLOW",
    "KEEP_ALL",
    "LATER_KEYS",
    "LATER_VERBS",
    "LIMITS",
    "MODES",
    "ON_FAILURE",
    "ORIGIN",
    "OUTPUT",
    "PER_DOCUMENT",
    "PIPELINE",
    "RECORD",
    "ROWS",
    "SYNCHRONOUS",
    "VERBS",
]

PIPELINE = (
    "name", "model", "documents", "steps", "write", "limits", "settings", "on_failure", "attempts", "offline", "hosts",
    "variables", "engine", "max_rejected", "record", "cache",
)  # fmt: skip

LATER_KEYS = {"version": "Leave it out; this version has one form of pipeline."}

FLOW = ("from", "as", "when")
"""What may stand beside any verb: which rows it takes, and what it is called."""

ASKING = ("text", "model", "instructions", "examples", "settings", "attempts", "on_failure", "keep")
"""What may stand beside a verb that asks a model."""

VERBS: dict[str, tuple[str, ...]] = {
    "extract": (*ASKING, "best_effort", "group"),
    "classify": (*(one for one in ASKING if one != "keep"), "into", "otherwise"),
    "check": ("on_failure",),
    "where": tuple(one for one in ASKING if one != "keep"),
    "set": (),
    "unnest": ("into", "position", "keep_empty"),
    "sql": ("tables",),
    "python": ("schema",),
    "sample": ("seed",),
    "review": ("confidence", "decisions"),
    "write": (),
}
"""The verbs of a step with the options that may stand beside each."""

LATER_VERBS = {
    "join": "A `sql` step can do it: `from: [a, b]` gives it the rows of two steps as the tables `a` and `b`.",
    "resolve": "A `sql` step brings rows together whose keys are equal.",
    "similar": "A `sql` step brings rows together whose keys are equal.",
}

LIMITS = (
    "budget_usd", "tokens", "calls", "requests_per_minute", "tokens_per_minute", "in_flight", "timeout", "tries",
    "per_document",
)  # fmt: skip

PER_DOCUMENT = ("attempts", "tokens", "budget_usd")

ON_FAILURE = ("reject", "review", "keep")

OUTPUT = ("to", "with", "from", "when", "table", "mode", "key", "rows_per_file")

EXTRAS = ("evidence", "confidence", "cost")

KEEP_ALL = "all"

ENGINES: tuple[str, ...] = get_args(Engine)

RECORD = ("retention", "synchronous")
"""What may be said of the record of a run."""

SYNCHRONOUS: tuple[str, ...] = get_args(Synchronous)

CACHE = ("folder", "size", "age")

FILES = ("files", "pdf")
"""What documents that are files may say."""

ORIGIN = ("rows", "table", "query")

ROWS = (*ORIGIN, "text")
"""What documents that are rows may say."""

MODES = ("insert", "merge", "replace")
