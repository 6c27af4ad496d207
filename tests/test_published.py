"""The published schema of pipelines: it accepts what the reader accepts, and refuses words that nobody knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from test_broken import BROKEN, GOOD
from test_pipeline import WHOLE

from extract.errors import PipelineError
from extract.jsontext import dump
from extract.pipeline import keys
from extract.pipeline.published import MEANINGS, VERSION, pipeline_schema
from extract.pipeline.written import from_yaml
from extract.settings import SETTINGS

READY = sorted((Path(__file__).parent.parent / "pipelines").glob("*.yaml"))
SCHEMA = pipeline_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def plain(text: str, folder: Path) -> Any:
    path = folder / "p.yaml"
    path.write_text(text, "utf-8")
    return json.loads(dump(from_yaml(path).plain()))


def refused(value: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(value)]


def test_it_is_a_schema_with_a_version() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == f"urn:extract:pipeline:{VERSION}" == "urn:extract:pipeline:1"
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", READY, ids=lambda path: path.name)
def test_the_ready_pipelines_are_right(path: Path) -> None:
    assert refused(from_yaml(path).plain()) == []


@pytest.mark.parametrize("text", [WHOLE, *GOOD])
def test_what_the_reader_accepts_is_accepted(text: str, tmp_path: Path) -> None:
    assert refused(plain(text, tmp_path)) == []


MISSPELT = [one for one in BROKEN if " has no key `" in one[2] or "There is no verb `" in one[2]]


@pytest.mark.parametrize("text", [one[1] for one in MISSPELT], ids=[one[0] for one in MISSPELT])
def test_every_misspelt_word_is_refused(text: str, tmp_path: Path) -> None:
    assert refused(plain(text, tmp_path))


def test_most_of_what_is_wrong_in_itself_is_refused(tmp_path: Path) -> None:
    count = 0
    for _, text, _ in BROKEN:
        try:
            count += bool(refused(plain(text, tmp_path)))
        except (PipelineError, ValueError):  # no YAML, or no number of JSON
            continue
    assert count >= 90


@pytest.mark.parametrize(
    "step",
    [
        {"extract": "a.py:A", "check": "total > 0"},
        {"from": "a"},
        {},
        {"classify": ["a", "b"], "on_failure": "keep"},
        {"extract": "a.py:A", "settings": {"extra_headers": {"a": "b"}}},
        {"write": {"to": "a.csv", "from": "b"}},
        {"sample": 0},
        {"sample": "ten"},
        {"review": 0.9},
    ],
)
def test_a_step_has_one_verb_and_what_goes_with_it(step: Any) -> None:
    assert refused({"documents": "a", "steps": [step]})


def test_variables_may_stand_where_numbers_and_choices_are() -> None:
    written = {
        "documents": {"files": "in/*.pdf", "pdf": "${PDF}"},
        "limits": {"budget_usd": "${USD}", "in_flight": "${N}"},
        "offline": "${OFF}",
        "on_failure": "${WHAT}",
        "steps": [
            {"sample": "${SHARE}", "seed": "${SEED}"},
            {"extract": "a.py:A", "attempts": "${N}"},
            {"unnest": "lines", "keep_empty": "${KEEP}"},
        ],
        "write": [{"to": "out/${NAME}.csv", "mode": "${MODE}"}],
    }
    assert refused(written) == []
    assert refused({**written, "offline": "yes"})


def test_every_word_has_its_meaning_and_nothing_else_does() -> None:
    tables = {
        "pipeline": keys.PIPELINE,
        "documents": (*keys.FILES, *keys.ROWS),
        "limits": keys.LIMITS,
        "per_document": keys.PER_DOCUMENT,
        "output": keys.OUTPUT,
        "record": keys.RECORD,
        "cache": keys.CACHE,
        **{verb: (verb, *options, *keys.FLOW) for verb, options in keys.VERBS.items()},
    }
    used = set()
    for place, words in tables.items():
        around = ("step",) if place in keys.VERBS else ()
        for word in words:
            named = (*(f"{one}.{word}" for one in (place, *around)), word)
            used.add(next(one for one in named if one in MEANINGS))
    assert used == set(MEANINGS)
    assert all(meaning.endswith(".") and meaning[0].isupper() for _, meaning in MEANINGS.values())
    assert set(SCHEMA["$defs"]["settings"]["properties"]) == set(SETTINGS)
    assert set(SCHEMA["properties"]) == set(keys.PIPELINE)
    assert [step["required"] for step in SCHEMA["$defs"]["step"]["oneOf"]] == [[verb] for verb in keys.VERBS]
