"""Pipelines: `extract run` runs one, `extract plan` says what it would do."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from .options import document_limits, document_limits_options, json_option, model_option, offline_option
from .shown import account, emit, progress, say, table

__all__ = ["plan", "run"]

documents_option = click.option(
    "--documents", multiple=True, metavar="GLOB", help="These documents instead of the pipeline's own."
)
limit_option = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N documents only.")


@click.command()
@click.argument("pipeline")
@model_option
@documents_option
@click.option("--run", "folder", metavar="DIR", help="The run's folder; the same folder again resumes the run.")
@limit_option
@click.option("--budget", type=click.FloatRange(min=0), metavar="USD", help="Stop before the run costs more than this.")
@click.option("--tokens", type=click.IntRange(min=1), metavar="N", help="Stop before the run takes more tokens.")
@click.option("--calls", type=click.IntRange(min=1), metavar="N", help="Stop before the run makes more calls.")
@document_limits_options
@offline_option
@json_option
@click.option("--quiet", is_flag=True, help="No progress and no tables.")
def run(
    pipeline: str,
    model: tuple[str, ...],
    documents: tuple[str, ...],
    folder: str | None,
    limit: int | None,
    budget: float | None,
    tokens: int | None,
    calls: int | None,
    tokens_per_document: int | None,
    budget_per_document: float | None,
    offline: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Runs the PIPELINE file, or goes on with a run that was interrupted."""
    from .. import door
    from ..endpoints import Reach
    from ..limits import Limits
    from ..runner import execute, open_models

    loaded = _pipeline(pipeline, model, documents)
    given = {"budget_usd": None if budget is None else Decimal(str(budget)), "tokens": tokens, "calls": calls}
    limits = Limits(**{**loaded.limits, **{name: value for name, value in given.items() if value is not None}})
    each = document_limits(tokens_per_document, budget_per_document, loaded.per_document)
    loaded = replace(loaded, per_document=each)
    cascade = open_models(loaded, Reach(offline))
    for warning in cascade.warnings:
        say(f"warning: {warning}")
    where = Path(folder) if folder else _new_folder(loaded.name)
    with progress(quiet or as_json) as watch:
        done = door.run(lambda: execute(loaded, cascade, where, limits=limits, limit=limit, watch=watch), "await")
    if as_json:
        emit(done.plain())
    elif not quiet:
        account(done)
    if done.stopped is not None:
        if as_json or quiet:
            say(f"stopped: {done.stopped}")
        return 4
    return 0 if done.lossless else 3


@click.command()
@click.argument("pipeline")
@model_option
@documents_option
@limit_option
@click.option("--prompt", is_flag=True, help="Print the exact messages for the first document.")
@json_option
def plan(
    pipeline: str,
    model: tuple[str, ...],
    documents: tuple[str, ...],
    limit: int | None,
    prompt: bool,
    as_json: bool,
) -> int:
    """Says what the PIPELINE would do and what it may cost; sends nothing and needs no key."""
    from ..models.cascade import check_accepted, facts_of
    from ..plan import plan_of
    from ..runner import inputs, task_of
    from ..settings import apart
    from .documents import print_prompt

    loaded = _pipeline(pipeline, model, documents)
    facts = facts_of(loaded.model)
    check_accepted(apart(loaded.asked)[0], facts)
    if prompt:
        first = next(inputs(loaded, 1))
        print_prompt(task_of(loaded, facts).first_call(first.open()), facts[0], as_json)
        return 0
    planned = plan_of(loaded, facts, limit)
    if as_json:
        emit(planned.plain())
    else:
        table(planned.steps, title=f"{loaded.name}: {planned.documents} documents")
        click.echo(planned.sentence())
    return 0


def _pipeline(name: str, model: tuple[str, ...], documents: tuple[str, ...]) -> Any:
    from ..pipeline import load_pipeline
    from ..project import find_pipeline

    return load_pipeline(find_pipeline(name), model=model or None, documents=documents or None)


def _new_folder(name: str) -> Path:
    """A folder that is not there yet: the name and the time, and a number if that is taken."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip(".-")[:80] or "run"
    stem = f"runs/{safe}-{datetime.now().strftime('%Y%m%d-%H%M%S')}"
    number = 1
    while (folder := Path(stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return folder
