"""The laws of finding: the project first, then the ready ones; modules stay private; errors name the nearest."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import get_type_hints

import pytest
from pydantic import BaseModel

from extract.errors import PipelineError, SchemaError
from extract.project import find_file, find_pipeline, load_schema, make_project, ready, roots

RECEIPT = """
from __future__ import annotations
from pydantic import BaseModel
from .parts import Line

class Receipt(BaseModel):
    company: str
    lines: list[Line]
    next: Other | None = None

class Other(BaseModel):
    receipt: Receipt
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("schemas", "pipelines"):
        (tmp_path / folder).mkdir()
    Path("schemas/receipt.py").write_text(RECEIPT)
    Path("schemas/parts.py").write_text("from pydantic import BaseModel\nclass Line(BaseModel):\n    total: int\n")
    Path("pipelines/mine.yaml").write_text("steps: []\n")


def test_a_schema_with_forward_references_and_a_file_beside_it() -> None:
    found = load_schema("schemas/receipt.py:Receipt")
    record = found.model_validate(
        {"company": "a", "lines": [{"total": 1}], "next": {"receipt": {"company": "b", "lines": []}}}
    )
    assert record.next.receipt.company == "b"
    assert get_type_hints(found)["company"] is str


def test_the_same_file_is_the_same_module() -> None:
    first, again = load_schema("schemas/receipt.py:Receipt"), load_schema("schemas/receipt.py:Receipt")
    assert first is again
    assert load_schema("schemas/receipt.py:Line") is load_schema("schemas/parts.py:Line")
    assert load_schema("./schemas/../schemas/receipt.py:Receipt") is first


def test_a_file_that_changed_is_loaded_again() -> None:
    first = load_schema("schemas/parts.py:Line")
    Path("schemas/parts.py").write_text("from pydantic import BaseModel\nclass Line(BaseModel):\n    amount: int\n")
    assert list(load_schema("schemas/parts.py:Line").model_fields) == ["amount"]
    assert list(first.model_fields) == ["total"]


def test_nothing_is_put_where_others_would_find_it() -> None:
    before = set(sys.modules)
    path = list(sys.path)
    load_schema("schemas/receipt.py:Receipt")
    assert {name.split(".")[0].rpartition("_")[0] for name in set(sys.modules) - before} <= {"_extract_project", ""}
    assert "schemas" not in sys.modules
    assert sys.path == path


def test_two_projects_with_the_same_names(tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "schemas").mkdir(parents=True)
    (other / "schemas" / "receipt.py").write_text("class Receipt: pass\n")
    assert load_schema("schemas/receipt.py:Receipt", other) is not load_schema("schemas/receipt.py:Receipt")


def test_the_project_comes_before_the_ready_ones(tmp_path: Path) -> None:
    assert find_file("schemas/receipt.py", roots()) == tmp_path / "schemas" / "receipt.py"
    Path("pyproject.toml").write_text("")
    assert find_file("pyproject.toml", roots()) == tmp_path / "pyproject.toml"
    Path("pyproject.toml").unlink()
    Path("schemas/receipt.py").unlink()
    assert find_file("schemas/receipt.py", roots()) in (None, ready() / "schemas" / "receipt.py")


def test_a_schema_is_also_found_above_its_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path / "pipelines")
    assert issubclass(load_schema("schemas/parts.py:Line", pipeline=tmp_path / "pipelines" / "mine.yaml"), BaseModel)


def test_a_json_schema() -> None:
    Path("schemas/note.json").write_text('{"type": "object"}')
    assert load_schema("schemas/note.json") == {"type": "object"}


def test_pipelines() -> None:
    assert find_pipeline("pipelines/mine.yaml") == Path.cwd() / "pipelines" / "mine.yaml"


def test_a_new_project_begins_with_a_ready_pipeline_and_keeps_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    made = list(make_project(folder))
    assert folder / "documents" in made
    mine, its = ((one / "pipelines/receipts.yaml").read_text(encoding="utf-8") for one in (folder, ready()))
    assert "documents: documents/*\n" in mine
    assert mine.splitlines()[-5:] == its.splitlines()[-5:]
    (folder / "schemas/receipt.py").write_text("mine")
    assert list(make_project(folder)) == []
    assert (folder / "schemas/receipt.py").read_text() == "mine"


def test_the_wheel_carries_what_the_ready_pipelines_read() -> None:
    here = Path(__file__).parent.parent
    wheel = tomllib.loads((here / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["only-include"]) == {"extract", *wheel["sources"]}
    assert all(inside == f"extract/_ready/{folder}" for folder, inside in wheel["sources"].items())
    for pipeline in (here / "pipelines").glob("*.yaml"):
        for folder in re.findall(r"(examples/\w+)/", pipeline.read_text("utf-8")):
            assert folder in wheel["sources"], pipeline
            assert (here / folder).is_dir()


MISSING = "Write the file and the name in it: schemas/receipt.py:Receipt, or a JSON Schema: schemas/receipt.json."

WRONG = [
    (
        "schemas/receit.py:Receipt",
        "schemas/receit.py:Receipt: There is no such schema file.\n  Did you mean schemas/receipt.py?",
    ),
    ("receipt.py:Receipt", "receipt.py:Receipt: There is no such schema file.\n  Did you mean schemas/receipt.py?"),
    (
        "schemas/receipt.py:Recept",
        "schemas/receipt.py:Recept: There is no Recept in schemas/receipt.py.\n"
        "  Did you mean Receipt? The names in it: Receipt, Other.",
    ),
    (
        "schemas/receipt.py:zzz",
        "schemas/receipt.py:zzz: There is no zzz in schemas/receipt.py.\n  The names in it: Receipt, Other.",
    ),
    (
        "schemas/receipt.py",
        "schemas/receipt.py: The name of the schema in the file is missing.\n  Write schemas/receipt.py:Receipt.",
    ),
    ("Receipt", f"Receipt: This does not name a schema.\n  {MISSING}"),
    ("schemas/receipt:Receipt", f"schemas/receipt:Receipt: This does not name a schema.\n  {MISSING}"),
    ("schemas/syntax.py:A", "schemas/syntax.py:2:7: The file is not Python: invalid syntax."),
    (
        "schemas/raises.py:A",
        "schemas/raises.py:2: The file cannot be loaded: ZeroDivisionError: division by zero.",
    ),
    ("schemas/exits.py:A", "schemas/exits.py:2: The file cannot be loaded: SystemExit: 3."),
    (
        "schemas/imports.py:A",
        "schemas/imports.py:1: The file cannot be loaded: ModuleNotFoundError: No module named"
        " 'nowhere_at_all'.\n"
        "  Install it where extract is installed, or write `from .name import ...` for a file beside this one.",
    ),
    ("schemas/broken.json", "schemas/broken.json:2:1: The JSON Schema cannot be read: Expecting value."),
    (
        "schemas/list.json",
        "schemas/list.json: A JSON Schema is an object, and this is a list.\n"
        '  Give a file that holds one JSON Schema, such as {"type": "object", "properties": {}}.',
    ),
    ("schemas/list.json:A", "schemas/list.json:A: A JSON file has no name A in it.\n  Write schemas/list.json."),
    (
        "schemas/empty.py",
        "schemas/empty.py: The name of the schema in the file is missing.\n"
        "  Write a class into it and name it: file.py:Name.",
    ),
]


@pytest.mark.parametrize(("ref", "message"), WRONG)
def test_schemas_that_cannot_be_loaded(ref: str, message: str) -> None:
    Path("schemas/syntax.py").write_text("x = 1\nclass = 2\n")
    Path("schemas/raises.py").write_text("x = 1\nx / 0\n")
    Path("schemas/exits.py").write_text("import sys\nsys.exit(3)\n")
    Path("schemas/imports.py").write_text("import nowhere_at_all\n")
    Path("schemas/broken.json").write_text('{"a":\n}')
    Path("schemas/list.json").write_text("[]")
    Path("schemas/empty.py").write_text("")
    with pytest.raises(SchemaError) as raised:
        load_schema(ref)
    assert str(raised.value) == message


def test_a_pipeline_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as raised:
        find_pipeline("pipelines/mne.yaml")
    assert str(raised.value) == "pipelines/mne.yaml: There is no such pipeline.\n  Did you mean pipelines/mine.yaml?"
    with pytest.raises(PipelineError) as raised:
        find_pipeline("schemas")
    assert raised.value.message == "This is a folder, not a pipeline."
