"""Verbs of other packages, found by entry point in a package that is really installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from extract.errors import PipelineError
from extract.pipeline import Pipeline
from extract.plugins import verb_names
from extract.running import Pipeline as Runnable

PACKAGE = """
    from pydantic import BaseModel

    class Placed(BaseModel):
        town: str
        at: int

    def geocode(argument, *, by=1):
        if not isinstance(argument, str):
            raise ValueError("the argument is the name of a field")
        def place(row) -> Placed:
            return Placed(town=row[argument].upper(), at=by)
        return place

    def odd(argument):
        return argument
"""
ENTRIES = """
    [extract.verbs]
    geocode = geo_of_tests:geocode
    odd = geo_of_tests:odd
    gone = geo_of_tests:nowhere
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "geo_of_tests.py").write_text(dedent(PACKAGE))
    info = tmp_path / "geo_of_tests-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: geo-of-tests\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(dedent(ENTRIES))
    (tmp_path / "towns.jsonl").write_text('{"town": "Bonn"}\n{"town": "Ulm"}\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "geo_of_tests", raising=False)


def pipeline(*steps: object) -> dict[str, object]:
    return {"documents": {"rows": "towns.jsonl"}, "steps": list(steps), "write": "out.jsonl"}


def test_a_verb_of_another_package_works_as_a_function_of_the_row() -> None:
    assert {"geocode", "gone", "odd"} <= set(verb_names())
    steps = [{"geocode": "town", "by": 7, "as": "placed"}, {"where": "at > 1 and town != 'ULM'"}]
    done = Runnable(steps, documents={"rows": "towns.jsonl"}, write="out.jsonl").run("run")
    assert done.states == {"written": 1, "filtered": 1}
    row = json.loads(Path("out.jsonl").read_text())
    assert (row["town"], row["at"]) == ("BONN", 7)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            {"geocode": 5},
            "pipeline: steps[0].geocode: The verb `geocode` does not take this: the argument is the name of a field.\n"
            "  It comes from geo-of-tests 1.2.",
        ),
        (
            {"geocode": "town", "bye": 1},
            "pipeline: steps[0].geocode: The verb `geocode` does not take this: geocode() got an unexpected keyword"
            " argument 'bye'.\n  It comes from geo-of-tests 1.2.",
        ),
        (
            {"odd": "x"},
            "pipeline: steps[0].odd: The verb `odd` gave a str and no function of a row.\n"
            "  It comes from geo-of-tests 1.2.",
        ),
        (
            {"gone": "x"},
            "pipeline: steps[0].gone: The verb `gone` cannot be loaded: AttributeError: module 'geo_of_tests' has no"
            " attribute 'nowhere'.\n  It comes from geo-of-tests 1.2.",
        ),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_place(step: dict[str, object], message: str) -> None:
    with pytest.raises(PipelineError) as raised:
        Pipeline.of(pipeline(step))
    assert str(raised.value) == message


def test_its_type_is_known_to_the_steps_behind_it() -> None:
    with pytest.raises(PipelineError, match="There is no field `twn`"):
        Pipeline.of(pipeline({"geocode": "town"}, {"where": "twn == 'x'"}))
