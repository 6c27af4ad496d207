"""The laws of the house: imports go down only, no circles, no effects at import, and rooms of a size to live in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "extract"

FLOORS = (
    {"call", "errors", "events", "extraction", "frozen", "jsontext", "pointer"},
    {
        *("confidence", "document_limits", "endpoints", "image_rules", "settings", "waiving"),
        *(
            "catalogue",
            "chunks",
            "compiler",
            "document",
            "evidence",
            "expressions",
            "nodes",
            "parse",
            "prompt",
            "templates",
        ),
        *("excerpt", "patch", "repair", "rest", "schema", "state", "task", "templates"),
    },
    {
        *(
            "batches",
            "comparison",
            "databases",
            "door",
            "images",
            "ledger",
            "load",
            "models",
            "plugins",
            "project",
            "report",
            "sinks",
            "sources",
            "tables",
        ),
        *("tokenizer", "tokens", "writer"),
    },
    {"engines", "limits", "operators", "pipeline", "plan", "runner"},
    {"__main__", "cli", "evals", "function", "running", "testing", "testing_fixtures"},
)

HEAVY = {
    "anthropic": "the client of Anthropic",
    "annotated_types": "comes with pydantic",
    "aiohttp": "the fake server and the client's transport: 190 ms",
    "certifi": "certificates, for addresses that need them",
    "ssl": "the same",
    "urllib": "proxies, where the environment names one",
    "yarl": "comes with aiohttp",
    "click": "the command line only",
    "duckdb": "relational steps and table files: 80 ms",
    "sqlalchemy": "databases as sources and outputs: 150 ms",
    "google": "the client of Google",
    "httpx2": "what the SDK speaks through",
    "instructor": "the bridge to other providers: over a second",
    "jinja2": "templates in instructions",
    "jsonschema": "checks of schemas given as JSON Schema",
    "jsonschema_specifications": "the meta-schemas that a schema may refer to",
    "ray": "many workers: a second",
    "referencing": "comes with jsonschema",
    "openai": "the client: 500 ms",
    "pydantic": "75 ms, and a user's own schema has loaded it before",
    "pydantic_core": "comes with pydantic",
    "pypdfium2": "PDF pages",
    "pytest": "the fixtures of testing",
    "regex": "Unicode properties in a schema's patterns: 30 ms",
    "rich": "tables and progress",
    "ruamel": "pipelines in YAML",
    "toktok": "counting tokens: half a second to load",
    "zstandard": "long values of a ledger, in a run only: 15 ms",
    "tenacity": "waiting and retrying in the engine",
    "PIL": "images",
}
"""What may be imported inside a function, and why it is not imported at the top."""

PURE_IMPORTS = {
    "asyncio",
    "datetime.now",
    "os",
    "random",
    "socket",
    "subprocess",
    "threading",
    "time",
    "pathlib",
    "sqlite3",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if name in rooms)


def imports(path: Path) -> list[tuple[str, bool, int]]:
    """(module, whether inside a function, line) for each import that runs; those for type checkers only do not."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checking = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    inside = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for inner in ast.walk(node)
    }
    package = ("extract", *path.relative_to(PACKAGE).parts[:-1])
    found = []
    for node in ast.walk(tree):
        if node in checking:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node in inside, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*start, *([node.module] if node.module else [])])
            if node.level and not node.module:
                found += [(f"{base}.{alias.name}", node in inside, node.lineno) for alias in node.names]
            else:
                found.append((base, node in inside, node.lineno))
    return found


def rooms_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name, _, _ in imports(path) if name.startswith("extract.")}


def test_every_room_stands_on_a_floor() -> None:
    standing = {room(path) for path in modules() if path.name != "__init__.py" or path.parent != PACKAGE}
    assert standing - set().union(*FLOORS) == set()


def test_imports_go_down_only() -> None:
    up = [
        f"{path.relative_to(ROOT)} imports {other}"
        for path in modules()
        if path != PACKAGE / "__init__.py"
        for other in rooms_imported(path)
        if other != room(path) and floor(other) > floor(room(path))
    ]
    assert up == []


def test_there_are_no_circles_between_rooms() -> None:
    below = {}
    for path in modules():
        if path != PACKAGE / "__init__.py":
            below.setdefault(room(path), set()).update(rooms_imported(path) - {room(path)})
    done: set[str] = set()
    while ready := {name for name in below if name not in done and below[name] <= done}:
        done |= ready
    assert set(below) - done == set()


def test_imports_inside_functions_are_of_heavy_libraries_only() -> None:
    hidden = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules()
        for name, inside, line in imports(path)
        if inside and name.split(".")[0] not in HEAVY and not _adapter(path, name)
    ]
    assert hidden == []


def _adapter(path: Path, name: str) -> bool:
    """Adapters and commands are loaded by name, where they are asked for: they bring SDKs along."""
    return name.startswith("extract.") and room(path) in ("models", "cli", "testing", "testing_fixtures")


@pytest.mark.parametrize("path", [p for p in modules() if room(p) in FLOORS[0] | FLOORS[1]], ids=lambda p: p.stem)
def test_the_lower_floors_touch_nothing(path: Path) -> None:
    touched = {name for name, _, _ in imports(path) if name.split(".")[0] in PURE_IMPORTS}
    assert touched == set()


def test_rooms_have_a_size_to_live_in() -> None:
    long = [f"{path.name}: {n}" for path in modules() if (n := len(path.read_text().splitlines())) > 600]
    assert long == []
    functions = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno - node.lineno >= 60
    ]
    assert functions == []


def test_every_room_opens_with_a_paragraph_and_names_what_is_public() -> None:
    silent = [path.name for path in modules() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def python(*code: str) -> str:
    done = subprocess.run([sys.executable, "-c", "\n".join(code)], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.strip()


def test_importing_the_package_loads_no_sdk_and_no_event_loop() -> None:
    loaded = python("import sys, extract", "print(*sorted(m for m in sys.modules))").split()
    heavy = {name for name in loaded if name.split(".")[0] in {*HEAVY, "asyncio", "httpx", "httpx2", "concurrent"}}
    assert heavy == set()


def test_importing_every_room_has_no_effect() -> None:
    code = (
        "import importlib, os, sys, threading, pathlib",
        "before = (dict(os.environ), sorted(os.listdir()), threading.active_count(), os.getcwd())",
        "for path in sorted(pathlib.Path('extract').rglob('*.py')):",
        "    if path.stem not in ('testing_fixtures', '__main__') and '_ready' not in path.parts:",
        "        importlib.import_module('.'.join(path.with_suffix('').parts).removesuffix('.__init__'))",
        "print(before == (dict(os.environ), sorted(os.listdir()), threading.active_count(), os.getcwd()))",
    )
    assert python(*code) == "True"


def test_the_public_names_are_few_and_all_there() -> None:
    import extract

    assert len(extract.__all__) <= 15
    assert all(getattr(extract, name) is not None for name in extract.__all__)
