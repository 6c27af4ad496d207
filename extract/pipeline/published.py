"""The JSON Schema of a pipeline's YAML, for editors: what may stand where, and what each word means.

It is made of the words in `keys` and of the table of their meanings here, so that an editor knows what the reader does:
unknown keys are refused, a step has one verb, and ``${NAME}`` may stand where a number or a choice is expected. What
only the schemas, files and steps of a pipeline can tell is left to the reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..load import PDF_USES
from ..settings import SETTINGS
from .keys import (
    CACHE,
    ENGINES,
    EXTRAS,
    FILES,
    FLOW,
    KEEP_ALL,
    LIMITS,
    MODES,
    ON_FAILURE,
    ORIGIN,
    OUTPUT,
    PER_DOCUMENT,
    PIPELINE,
    RECORD,
    ROWS,
    SYNCHRONOUS,
    VERBS,
)

__all__ = ["MEANINGS", "VERSION", "pipeline_schema"]

VERSION = 1
"""Of the published schema; it grows when a pipeline that was right would be refused."""

Shape = Mapping[str, Any]

_VARIABLE: Shape = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}
_SHARE = r"^\s*\d+(\.\d+)?\s*%?\s*$"
_TEXT: Shape = {"type": "string", "minLength": 1}
_TEXTS: Shape = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_SCALAR: Shape = {"type": ["string", "number", "boolean", "null"]}
_EXPRESSION: Shape = {"type": ["string", "number", "boolean"]}
_FLAG: Shape = {"anyOf": [{"type": "boolean"}, _VARIABLE]}


def _number(above: int | None = None, *, whole: bool = False, most: int | None = None) -> Shape:
    """A number above this one, or from 0 on."""
    bound: dict[str, Any] = {"minimum": 0} if above is None else {"exclusiveMinimum": above}
    if most is not None:
        bound["maximum"] = most
    return {"anyOf": [{"type": "integer" if whole else "number", **bound}, _VARIABLE]}


def _choice(*values: str) -> Shape:
    return {"anyOf": [{"enum": list(values)}, _VARIABLE]}


def _several(*shapes: Shape) -> Shape:
    return {"anyOf": list(shapes)}


def _mapping(values: Shape, **more: Any) -> Shape:
    return {"type": "object", "additionalProperties": values, **more}


def _ref(name: str) -> Shape:
    return {"$ref": f"#/$defs/{name}"}


_LABELS = _several(
    {"type": "array", "items": _TEXT, "minItems": 2, "uniqueItems": True}, _mapping(_SCALAR, minProperties=2)
)
_EXAMPLE: Shape = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "record": {"type": "object"}},
    "required": ["text", "record"],
    "additionalProperties": False,
}
_KEPT = _several({"const": KEEP_ALL}, _TEXT, {"type": "array", "items": _TEXT})

MEANINGS: Mapping[str, tuple[Shape, str]] = {
    # of the pipeline
    "name": (_TEXT, "What the pipeline is called in accounts of its runs; its file's name if nothing is said."),
    "model": (
        _TEXTS,
        "The model that is asked, as provider/model or `rules`; several are a cascade, field by field.",
    ),
    "documents": (_ref("documents"), "What is read: files by patterns, or the rows of a file."),
    "steps": ({"type": "array", "items": _ref("step"), "minItems": 1}, "What is done, step after step."),
    "pipeline.write": (_ref("outputs"), "Where the rows at the end are written to, or those of a named step."),
    "limits": (_ref("limits"), "What a run may take: money, tokens, calls, and their rate."),
    "settings": (_ref("settings"), "The settings of calls, such as `temperature`."),
    "on_failure": (
        _choice(*ON_FAILURE),
        "What becomes of a document without a valid record: it is rejected, held for review, or what is valid of it"
        " is kept.",
    ),
    "attempts": (_number(0, whole=True), "The most calls to a model for one document or row."),
    "offline": (_FLAG, "Whether data stays on this machine."),
    "hosts": (_TEXTS, "The hosts that data may go to."),
    "engine": (
        _choice(*ENGINES),
        "How calls are answered: one by one, by OpenAI's Batch API, or from many workers with Ray.",
    ),
    "max_rejected": (
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _SHARE}, _VARIABLE]},
        "How many inputs may be rejected, as a number or a share; a run stops before there are more.",
    ),
    "record": (_ref("record"), "How the record of a run is kept."),
    "record.retention": (_TEXT, "How long texts stay in the record: `for good`, `until ended`, or `30 days`."),
    "record.synchronous": (_choice(*SYNCHRONOUS), "Whether the record outlives a loss of power (`full`)."),
    "cache": (
        _several(_TEXT, _ref("cache")),
        "A folder of answers that runs share: what another run paid for costs nothing.",
    ),
    "cache.folder": (_TEXT, "The folder of the cache."),
    "cache.size": (_TEXT, "The greatest size of the cache: `500 MB`, `2 GB`."),
    "cache.age": (_TEXT, "The greatest age of an answer: `30 days`."),
    "variables": (
        _mapping(_SCALAR, propertyNames={"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}),
        "Values for ${NAME}; null for one that must be given with --set.",
    ),
    # of documents
    "documents.files": (_TEXTS, "Patterns of files, relative to the folder that the command runs in."),
    "documents.pdf": (_choice(*PDF_USES), "What of a PDF goes to the model."),
    "documents.rows": (_TEXT, "A file or a database whose rows are the documents."),
    "documents.table": (_TEXT, "The table of a database whose rows are read."),
    "documents.query": (_TEXT, "The query of a database whose rows are read, instead of a table."),
    "documents.text": (_TEXT, "The column that is a row's document; the others come along."),
    # of limits
    "limits.budget_usd": (_number(), "The most US dollars that a run may spend."),
    "limits.tokens": (_number(0, whole=True), "The most tokens that a run may take, in and out."),
    "limits.calls": (_number(0, whole=True), "The most calls that a run may make."),
    "limits.requests_per_minute": (_number(0), "The most requests in a minute."),
    "limits.tokens_per_minute": (_number(0), "The most tokens in a minute."),
    "limits.in_flight": (_number(0, whole=True), "The most requests at a time."),
    "limits.timeout": (_number(0), "The seconds after which an attempt is given up."),
    "limits.tries": (_number(0, whole=True), "The attempts of one call before it has failed."),
    "limits.per_document": (_ref("per_document"), "What one document may take."),
    "per_document.attempts": (_number(0, whole=True), "The most calls to a model for one document."),
    "per_document.tokens": (_number(0, whole=True), "The most tokens for one document, in and out."),
    "per_document.budget_usd": (_number(0), "The most US dollars for one document."),
    # verbs
    "extract": (_TEXT, "A record of this schema out of each document: schemas/receipt.py:Receipt."),
    "classify": (_LABELS, "Gives each row one of these labels; a mapping says what each means."),
    "check": (_EXPRESSION, "A condition that must hold; directly after an `extract`, what breaks it is asked again."),
    "where": (
        _several(
            _EXPRESSION,
            {
                "type": "object",
                "properties": {
                    "ask": {**_TEXT, "description": "A question to a model, to be answered with yes or no."}
                },
                "required": ["ask"],
                "additionalProperties": False,
            },
        ),
        "Keeps the rows for which a condition holds, or to a question about which a model says yes.",
    ),
    "set": (_mapping(_EXPRESSION, minProperties=1), "Gives fields the values of expressions."),
    "unnest": (_TEXT, "A row for each item of the list in this field."),
    "sql": (_TEXT, "One query over all rows, which are the table `rows`."),
    "python": (_TEXT, "Each row through a function of your own: code/clean.py:tidy."),
    "sample": (_number(0), "Some of the rows: a share below 1, or a whole number of them."),
    "review": (
        {"type": ["string", "boolean", "null"]},
        "Holds rows for a person: those that meet a condition, or of which a model was not sure.",
    ),
    "write": (_ref("output_of_step"), "Writes the rows here as well; they go on as they are."),
    # beside any verb
    "from": (_TEXTS, "The steps whose rows are read, by name; `documents` are the documents themselves."),
    "as": ({"type": "string", "pattern": r"^[\w-]+$|\$\{"}, "What the step is called."),
    "when": (_EXPRESSION, "Which of the rows are taken."),
    # beside verbs
    "text": (_EXPRESSION, "What is asked about: a field, or an expression. The document itself if nothing is said."),
    "instructions": (_TEXT, "What the model is told; {{ field }} puts a field of the row in."),
    "examples": (
        _several(_TEXT, {"type": "array", "items": _EXAMPLE}),
        "Pairs of a text and its record, or a file of them.",
    ),
    "step.settings": (_ref("settings_of_step"), "The settings of this step's calls, over those of the pipeline."),
    "keep": (_KEPT, "The fields of the row that come along with the record."),
    "best_effort": (_TEXTS, "Fields that a record can do without if they fail."),
    "group": (_TEXTS, "The fields that rows share which are read as one document."),
    "classify.into": (_TEXT, "The field that the label goes into; `label` if nothing is said."),
    "classify.on_failure": (_choice(*ON_FAILURE[:2]), "What becomes of a row without a label."),
    "classify.otherwise": (_TEXT, "The label for what none of the others fits."),
    "check.on_failure": (_choice(*ON_FAILURE[:2]), "What becomes of a row for which it does not hold."),
    "where.on_failure": (_choice(*ON_FAILURE[:2]), "What becomes of a row to which there is no answer."),
    "unnest.into": (_TEXT, "The field that an item goes into as a whole."),
    "position": (_TEXT, "A field for the number of the item, from 1."),
    "keep_empty": (_FLAG, "Whether a row without items goes on, with nulls in their place."),
    "tables": (_mapping(_ref("origin")), "Files and tables of databases that the query sees as tables, by name."),
    "schema": (_TEXT, "The schema of the rows that the function gives."),
    "seed": (_number(whole=True), "Another number draws other rows."),
    "confidence": (_number(0, most=1), "Rows with a field that a model was less sure of are held."),
    "decisions": (_TEXT, "A file that says what was decided about rows, by their `_id`."),
    # of outputs
    "output.to": (_TEXT, "A file by its ending, or the address of a database."),
    "output.with": (
        _several(_choice(*EXTRAS), {"type": "array", "items": _choice(*EXTRAS), "minItems": 1}),
        "What comes along beside the fields.",
    ),
    "output.table": (_TEXT, "The table of a database, or the sheet of a workbook."),
    "output.mode": (_choice(*MODES), "What becomes of rows that are there already."),
    "output.key": (_TEXTS, "The fields by which rows are merged."),
    "output.rows_per_file": (_number(1, whole=True), "How many rows a file has where the rows go to several."),
}
"""The shape of each word and what it means; a name with a point is that of the word in this place only."""


def pipeline_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a pipeline's file."""
    outputs = _several(_ref("output"), {"type": "array", "items": _ref("output"), "minItems": 1})
    files, rows, origin = (_object("documents", keys, keys[:1]) for keys in (FILES, ROWS, ORIGIN))
    steps = [_object(verb, (verb, *VERBS[verb], *FLOW), (verb,), "step") for verb in VERBS]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:extract:pipeline:{VERSION}",
        "title": "A pipeline of extract",
        **_object("pipeline", PIPELINE, ("documents", "steps")),
        "$defs": {
            "documents": _several(_TEXTS, files, rows),
            "origin": _several(_TEXT, origin),
            "step": {"oneOf": steps},
            "output": _several(_TEXT, _object("output", OUTPUT, ("to",))),
            "output_of_step": _several(
                _TEXT, _object("output", tuple(one for one in OUTPUT if one not in FLOW), ("to",))
            ),
            "outputs": outputs,
            "limits": _object("limits", LIMITS),
            "record": _object("record", RECORD),
            "cache": _object("cache", CACHE, ("folder",)),
            "per_document": _object("per_document", PER_DOCUMENT),
            "settings": _settings(SETTINGS),
            "settings_of_step": _settings(name for name in SETTINGS if name != "extra_headers"),
        },
    }


def _object(place: str, keys: Iterable[str], required: Iterable[str] = (), *around: str) -> dict[str, Any]:
    """A mapping of these keys and no others; a word that has a meaning of its own in this place, or in one around it,
    has that."""
    properties = {}
    for key in keys:
        named = (f"{one}.{key}" for one in (place, *around))
        shape, meaning = MEANINGS[next((one for one in named if one in MEANINGS), key)]
        properties[key] = {**shape, "description": meaning}
    made = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**made, "required": list(required)} if required else made


def _settings(names: Iterable[str]) -> dict[str, Any]:
    properties = {
        name: {"description": f"{SETTINGS[name].meant[0].upper()}{SETTINGS[name].meant[1:]}."} for name in names
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}
