"""Where schemas and pipelines are found, and how a schema is loaded from its file.

A reference such as ``schemas/receipt.py:Receipt`` is looked up in the user's project first (the working folder, then
the folders above the pipeline that names it) and then among the copies that come with the package. A Python file is
loaded by its path, under a private name, so that a user's folder called ``schemas`` meets nobody's module; the same
file is loaded once. Loading a schema runs its file: it is one of the two ways in which code of a project runs.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from inspect import isfunction
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import ExtractError, PipelineError, SchemaError

__all__ = [
    "code_digest",
    "find_file",
    "find_pipeline",
    "load_file",
    "load_function",
    "load_schema",
    "loaded_files",
    "make_project",
    "ready",
    "roots",
    "shown",
]

_PRIVATE = "_extract_project"
_DOCUMENTS = re.compile(r"^documents:\n(?:  - .*\n)+", re.MULTILINE)
_LOADED: dict[tuple[str, int, int], ModuleType] = {}
_LOCK = threading.RLock()

_WRITE_IT = "Write the file and the name in it: schemas/receipt.py:Receipt, or a JSON Schema: schemas/receipt.json."


def ready() -> Path:
    """The folder that holds the `schemas` and `pipelines` that come with the package: inside the wheel, or the
    repository itself where the package runs from a checkout."""
    inside = Path(__file__).parent / "_ready"
    return inside if inside.is_dir() else Path(__file__).parent.parent


def roots(pipeline: Path | None = None, root: Path | None = None) -> tuple[Path, ...]:
    """Where a reference is looked up, in order: `root` (the working folder), then the folders above the pipeline's
    file. The home folder and what is above it are nobody's project."""
    found = [Path(root) if root is not None else Path.cwd()]
    home = Path.home()
    for folder in pipeline.resolve().parents if pipeline is not None else ():
        if folder in (home, *home.parents):
            break
        found.append(folder)
    return tuple(dict.fromkeys(found))


def find_file(name: str, roots: tuple[Path, ...]) -> Path | None:
    """The first file of this name, relative to the roots and then to the package's own copies."""
    for root in (*roots, ready()):
        path = root / name
        if path.is_file():
            return path
    return None


def find_pipeline(name: str, root: Path | None = None) -> Path:
    """The file of a pipeline, in the project or among the ready ones; raises PipelineError with the nearest names."""
    where = roots(None, root)
    found = find_file(name, where)
    if found is not None:
        return found
    if any((one / name).is_dir() for one in where):
        raise PipelineError("This is a folder, not a pipeline.", name, _listed("pipelines", where, ".yaml", name))
    raise PipelineError("There is no such pipeline.", name, _listed("pipelines", where, ".yaml", name))


def load_schema(ref: str, root: Path | None = None, *, pipeline: Path | None = None) -> Any:
    """What a reference names: the type in a Python file, or a JSON Schema as a dict.

    Raises SchemaError: no such file, no such name in it, or an error of the file itself, with its line.
    """
    where = roots(pipeline, root)
    file, name = _split(ref)
    path = find_file(file, where)
    if path is None and "://" in ref:
        raise SchemaError("A schema is a file, and this is an address.", ref, "Save it, and give the path of the file.")
    if path is None:
        raise SchemaError("There is no such schema file.", ref, _listed("schemas", where, (".py", ".json"), file))
    if path.suffix == ".json":
        if name:
            raise SchemaError(f"A JSON file has no name {name} in it.", ref, f"Write {file}.")
        return _json_schema(path)
    return _named(_module(path), name, ref)


def load_function(ref: str, root: Path | None = None, *, pipeline: Path | None = None) -> Any:
    """The function in a Python file that a reference names: ``code/clean.py:tidy``. This runs the file.

    Raises SchemaError: no such file, no such function in it, or an error of the file itself, with its line.
    """
    path, name = _code(ref, root, pipeline)
    module = _module(path)
    found = getattr(module, name, None)
    if callable(found):
        return found
    own = [one for one, value in vars(module).items() if isfunction(value) and value.__module__ == module.__name__]
    if found is not None:
        raise SchemaError(f"{name} is no function.", ref, f"The functions in it: {', '.join(own)}." if own else None)
    near = get_close_matches(name, own, 1)
    listed = f"The functions in it: {', '.join(own)}." if own else "There is no function in it."
    fix = f"Did you mean {near[0]}?" if near else listed
    raise SchemaError(f"There is no {name} in {shown(path)}.", ref, fix)


def loaded_files() -> dict[str, Path]:
    """The Python files of projects that are loaded, by the names of their modules."""
    private = ((name, module) for name, module in list(sys.modules.items()) if name.startswith(_PRIVATE))
    return {name: Path(file) for name, module in private if (file := getattr(module, "__file__", None))}


def load_file(path: Path) -> None:
    """Loads a Python file of a project, so that what is declared in it is known by the name of its module. Raises
    SchemaError for an error of the file itself."""
    _module(path)


def code_digest(ref: str, root: Path | None = None, *, pipeline: Path | None = None) -> str:
    """A hash of the file that a reference to a function names."""
    return sha256(_code(ref, root, pipeline)[0].read_bytes()).hexdigest()


def _code(ref: str, root: Path | None, pipeline: Path | None) -> tuple[Path, str]:
    file, _, name = ref.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        fix = "Write the file and the function in it: code/clean.py:tidy."
        raise SchemaError("This does not name a function.", ref, fix)
    path = find_file(file, roots(pipeline, root))
    if path is None:
        raise SchemaError(
            f"There is no file {file}.", ref, "Paths are relative to the folder that the command runs in."
        )
    return path, name


def shown(path: Path) -> str:
    """A path as people write it: relative to the working folder where it is inside."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def _split(ref: str) -> tuple[str, str]:
    file, colon, name = ref.rpartition(":")
    if not colon or "/" in name or "\\" in name:
        file, name = ref, ""
    if not file.endswith((".py", ".json")):
        raise SchemaError("This does not name a schema.", ref, _WRITE_IT)
    return file, name.strip()


def _listed(folder: str, where: tuple[Path, ...], suffix: str | tuple[str, ...], name: str) -> str:
    """The nearest of the files that there are, or all of them."""
    known: list[str] = []
    for root in (*where[:1], *where[1:], ready()):
        place = root / folder
        files = sorted(place.rglob("*")) if place.is_dir() else []
        known += [one.relative_to(root).as_posix() for one in files if one.name.endswith(suffix) and one.name[0] != "_"]
    known = list(dict.fromkeys(known))
    close = get_close_matches(Path(name).name, [Path(one).name for one in known], 1)
    near = [one for one in known if Path(one).name in close or Path(one).stem == Path(name).stem]
    if near:
        return f"Did you mean {near[0]}?"
    return f"There are {', '.join(known[:8])}." if known else f"Make it: there is no folder `{folder}` with one in it."


def _json_schema(path: Path) -> Any:
    try:
        found = json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        where = f"{shown(path)}:{error.lineno}:{error.colno}"
        raise SchemaError(f"The JSON Schema cannot be read: {error.msg}.", where) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"The JSON Schema cannot be read: {error}.", shown(path)) from None
    if not isinstance(found, (dict, bool)):
        kind = {list: "a list", str: "a text", int: "a number", float: "a number"}.get(type(found), "null")
        fix = 'Give a file that holds one JSON Schema, such as {"type": "object", "properties": {}}.'
        raise SchemaError(f"A JSON Schema is an object, and this is {kind}.", shown(path), fix)
    return found


def _named(module: ModuleType, name: str, ref: str) -> Any:
    known = list(_public(module))
    if name and hasattr(module, name):
        return getattr(module, name)
    listed = f"The names in it: {', '.join(known)}." if known else "There is no class in it."
    if not name:
        example = (
            f"Write {ref.rstrip(':')}:{known[0]}." if known else "Write a class into it and name it: file.py:Name."
        )
        raise SchemaError("The name of the schema in the file is missing.", ref, example)
    near = get_close_matches(name, known, 1) or [one for one in known if one.lower() == name.lower()]
    fix = f"Did you mean {near[0]}? {listed}" if near else listed
    raise SchemaError(f"There is no {name} in {shown(Path(str(module.__file__)))}.", ref, fix)


def _public(module: ModuleType) -> Iterator[str]:
    """The names of the classes that the file itself declares."""
    for name, value in vars(module).items():
        if not name.startswith("_") and isinstance(value, type) and value.__module__ == module.__name__:
            yield name


def _module(path: Path) -> ModuleType:
    """The module of a file, loaded once for as long as the file does not change."""
    path = path.resolve()
    stat = path.stat()
    known = (str(path), stat.st_mtime_ns, stat.st_size)
    with _LOCK:
        if known not in _LOADED:
            _LOADED[known] = _imported(path) or _load(path)
        return _LOADED[known]


def _imported(path: Path) -> ModuleType | None:
    """The module, if a file beside it has imported it already."""
    if any(file == str(path) for file, _, _ in _LOADED):
        return None
    return sys.modules.get(f"{_Folder(path.parent).name}.{path.stem}")


def _load(path: Path) -> ModuleType:
    package = _package(path.parent)
    name = f"{package}.{path.stem}"
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic resolves forward references through this table
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _broken(path, error) from error
    return module


@dataclass(frozen=True)
class _Folder:
    """The private package of a folder, so that ``from .other import Name`` works between its files."""

    path: Path

    @property
    def name(self) -> str:
        return f"{_PRIVATE}_{sha256(os.fsencode(self.path)).hexdigest()[:12]}"


def _package(path: Path) -> str:
    folder = _Folder(path)
    if folder.name not in sys.modules:
        package = ModuleType(folder.name)
        package.__path__ = [str(path)]
        sys.modules[folder.name] = package
    return folder.name


def _broken(path: Path, error: BaseException) -> ExtractError:
    """What went wrong inside a user's file, at the last line of it that was reached."""
    if isinstance(error, ExtractError):
        return error
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{shown(Path(error.filename))}:{error.lineno}:{error.offset or 1}"
        return SchemaError(f"The file is not Python: {error.msg}.", where)
    frames = [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename) == path]
    where = shown(path) + (f":{frames[-1].lineno}" if frames else "")
    said = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {said[0].rstrip('.') if said else 'no message'}."
    fix = None
    if isinstance(error, ModuleNotFoundError):
        fix = "Install it where extract is installed, or write `from .name import ...` for a file beside this one."
    return SchemaError(f"The file cannot be loaded: {message}", where, fix)


def make_project(folder: Path) -> Iterator[Path]:
    """Makes a project of one's own: a ready schema and pipeline to start from with their examples, and a folder for
    documents. What is there already stays as it is; gives each path that was made. Raises ExtractError where nothing
    can be made."""
    shots = "examples/receipts/shots.jsonl"
    try:
        for name in ("schemas/receipt.py", "pipelines/receipts.yaml", shots):
            target = folder / name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                text = (ready() / name).read_text(encoding="utf-8")
                target.write_text(_DOCUMENTS.sub("documents: documents/*\n", text), encoding="utf-8")
                yield target
        documents = folder / "documents"
        if not documents.exists():
            documents.mkdir(parents=True)
            yield documents
    except OSError as error:
        raise ExtractError(f"The project cannot be made: {error.strerror}.", str(folder)) from None
