"""Pipelines: a YAML file, or the same in Python, read into frozen values and checked whole.

What is wrong is found before anything is sent, all of it at once, each with ``file:line:column``, what was meant and
how to mend it. A `Pipeline` that exists can be run; running it is the work of `runner`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any

from ..project import find_pipeline
from .conduct import Conduct, Tolerance
from .contents import Contents
from .reading import Given, read
from .rowtypes import KEPT
from .values import (
    DOCUMENTS,
    Ask,
    Asked,
    Check,
    Classify,
    Extract,
    Files,
    OnFailure,
    Python,
    Review,
    Rows,
    Sample,
    Set,
    Sql,
    Step,
    Unnest,
    Where,
    Write,
)
from .written import Place, from_values, from_yaml

__all__ = [
    "DOCUMENTS",
    "KEPT",
    "Ask",
    "Asked",
    "Check",
    "Classify",
    "Conduct",
    "Extract",
    "Files",
    "OnFailure",
    "Pipeline",
    "Place",
    "Python",
    "Review",
    "Rows",
    "Sample",
    "Set",
    "Sql",
    "Step",
    "Tolerance",
    "Unnest",
    "Where",
    "Write",
    "load_pipeline",
]


@dataclass(frozen=True)
class Pipeline(Contents):
    """A checked pipeline: its name, its cascade of models, its documents, its steps and its outputs."""

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        root: Path | None = None,
        model: str | Sequence[str] | None = None,
        documents: str | Sequence[str] | Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Pipeline:
        """The pipeline in a YAML file. `root` is the folder that paths are relative to, the working folder if it is not
        given; `model` and `documents` replace what the file says; `variables` are values for its ``${NAME}``.

        Raises PipelineError with everything that is wrong.
        """
        file = find_pipeline(str(path), root)
        return cls._made(from_yaml(file), file, root, Given(variables or {}, model, documents))

    @classmethod
    def of(
        cls, values: Mapping[str, Any], *, root: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> Pipeline:
        """The pipeline of Python values, in the form that the YAML has: ``{"documents": ..., "steps": [...]}``. Schemas
        and functions may stand there themselves."""
        return cls._made(from_values(values), None, root, Given(variables or {}))

    @classmethod
    def _made(cls, written: Any, file: Path | None, root: Path | None, given: Given) -> Pipeline:
        contents = read(written, file, root or Path.cwd(), given)
        return cls(**{one.name: getattr(contents, one.name) for one in fields(contents)})


def load_pipeline(path: str | PathLike[str], **overrides: Any) -> Pipeline:
    """`Pipeline.load`."""
    return Pipeline.load(path, **overrides)
