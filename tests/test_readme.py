"""What README and the examples show is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from extract.cli import cli
from extract.pipeline import load_pipeline

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def program(*args: str) -> str:
    done = subprocess.run([sys.executable, *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_python_runs(checkout: Path) -> None:
    (checkout / "readme.py").write_text("\n".join(blocks("python")), encoding="utf-8")
    assert "4.95" in program("readme.py")


def test_its_pipeline_is_a_pipeline(checkout: Path) -> None:
    (checkout / "readme.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    pipeline = load_pipeline("readme.yaml")
    assert [step.verb for step in pipeline.steps] == ["extract", "check", "where", "sql"]


def test_its_commands_exist_with_their_options() -> None:
    lines = re.findall(r"^    extract (\w+)(.*?)(?:  +#.*)?$", README, re.MULTILINE)
    assert len(lines) >= 5
    for name, rest in lines:
        options = {option for parameter in cli.commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", rest)) <= options


def test_its_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make (\w+)`?", README)) <= targets
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("name", ["one_receipt.py", "many_receipts.py", "invoices_with_lines.py", "in_a_service.py"])
def test_the_examples_run(checkout: Path, name: str) -> None:
    assert program(f"examples/{name}").strip()


WITHOUT_A_KEY = [path for path in sorted((ROOT / "pipelines").glob("*.yaml")) if "\nmodel: rules\n" in path.read_text()]


@pytest.mark.parametrize("path", WITHOUT_A_KEY, ids=lambda path: path.stem)
def test_the_ready_pipelines_run(checkout: Path, path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "extract", "run", f"pipelines/{path.name}", "--quiet"], timeout=120)
    assert done.returncode == 3  # some of the documents are broken, wrong or something else on purpose
    assert list((checkout / "out").iterdir())
