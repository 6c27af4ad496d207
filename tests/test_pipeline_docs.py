"""What docs/pipelines.md shows is what pipelines are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from extract.expressions import FUNCTION_NAMES
from extract.pipeline import load_pipeline
from extract.pipeline.keys import VERBS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


pytestmark = pytest.mark.usefixtures("checkout")


@pytest.mark.parametrize("text", blocks("yaml"))
def test_its_pipelines_are_pipelines(text: str) -> None:
    Path("p.yaml").write_text(text)
    loaded = load_pipeline("p.yaml")
    assert loaded.steps
    if loaded.model == ("rules",):
        done = subprocess.run([sys.executable, "-m", "extract", "run", "p.yaml", "--json"], capture_output=True)
        assert done.returncode in (0, 3), done.stderr
        assert list(Path("out").iterdir())


def test_its_python_runs() -> None:
    Path("p.py").write_text("\n".join(blocks("python")))
    done = subprocess.run([sys.executable, "p.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Kopi Corner" in done.stdout


def test_every_verb_and_option_has_its_words() -> None:
    for verb, options in VERBS.items():
        assert f"**{verb}**" in PAGE or f"`{verb}" in PAGE, verb
        for option in options:
            assert f"`{option}:" in PAGE or f"`{option}`" in PAGE, (verb, option)
    named = set(
        re.findall(r"functions\n?\((.*?)\)", PAGE, re.DOTALL)[0].replace("`", "").replace("...", "").split(", ")
    )
    assert named - {""} <= set(FUNCTION_NAMES)
