"""What is there: reports of runs, models, a new project; and how good a pipeline is against the truth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from .options import json_option
from .shown import emit, say, table

__all__ = ["eval_", "init", "models", "report"]


@click.command()
@json_option
def models(as_json: bool) -> int:
    """Lists the models of the catalogue: what they take, what they can do, what they cost."""
    from ..models import known_models

    catalogue = known_models(os.environ)
    if as_json:
        emit(catalogue.plain())
        return 0
    rows = [
        {
            "model": facts.name,
            "context": facts.context,
            "output": facts.max_output,
            "inputs": " ".join(facts.inputs),
            "schema": facts.modes[0],
            "$ in/M": facts.price and facts.price.input,
            "cached": facts.price and facts.price.cached,
            "$ out/M": facts.price and facts.price.output,
            "as of": facts.date,
        }
        for facts in catalogue.values()
    ]
    table(rows, result=True)
    return 0


@click.command()
@click.argument("run")
@json_option
def report(run: str, as_json: bool) -> int:
    """Shows what came of RUN, a run's folder: its states, its steps, its cost, and why documents were not written."""
    from ..report import read_not_written, read_run

    account = read_run(Path(run))
    refused = read_not_written(Path(run))
    if as_json:
        emit({**account, "not_written": refused})
        return 0
    steps = account.pop("steps", [])
    table([{"": name, "value": value} for name, value in account.items()], title=run)
    table(steps, title="rows by step")
    if refused:
        rows: list[dict[str, Any]] = [
            {"document": one["_source"], "state": one["state"], "why": "; ".join(one["reasons"])} for one in refused
        ]
        table(rows, title="not written")
    return 0


@click.command("eval")
@click.argument("pipeline")
@click.option("--gold", required=True, type=click.Path(exists=True, dir_okay=False), help="JSONL of true records.")
@click.option("--model", multiple=True, metavar="NAME", help="These models instead of the pipeline's own.")
@click.option("--run", "folder", metavar="DIR", help="The run's folder; the same folder again resumes the run.")
@click.option("--step", metavar="NAME", help="The step whose records are judged; the last one that reads documents.")
@json_option
def eval_(pipeline: str, gold: str, model: tuple[str, ...], folder: str | None, step: str | None, as_json: bool) -> int:
    """Runs the PIPELINE and holds its records against the truth, field by field."""
    from ..evals import evaluate

    scores = evaluate(pipeline, Path(gold), model, folder, step)
    if as_json:
        emit(scores.plain())
    else:
        click.echo(scores.table())
    return 0


@click.command()
@click.argument("folder", default=".")
def init(folder: str) -> int:
    """Makes a project in FOLDER: schemas/ and pipelines/ with a ready example each, and documents/ for your own."""
    from ..project import make_project

    for path in make_project(Path(folder)):
        say(f"made {path}")
    say("Put documents into documents/, then: extract run pipelines/receipts.yaml --documents 'documents/*'")
    return 0
