"""Pipelines: `extract run` runs one, `extract plan` says what it would do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import click

from .options import document_limits, document_limits_options, json_option, model_option, offline_option
from .shown import account, emit, progress, say, tell, told_of

__all__ = ["plan", "run"]

documents_option = click.option(
    "--documents", multiple=True, metavar="GLOB", help="These documents instead of the pipeline's own."
)
set_option = click.option(
    "--set", "variables", multiple=True, metavar="NAME=VALUE", help="A value for ${NAME} in the pipeline's file."
)
limit_option = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N documents only.")


@click.command()
@click.argument("pipeline")
@model_option
@documents_option
@set_option
@click.option("--run", "folder", metavar="DIR", help="The run's folder; the same folder again resumes the run.")
@limit_option
@click.option("--budget", type=click.FloatRange(min=0), metavar="USD", help="Stop before the run costs more than this.")
@click.option("--tokens", type=click.IntRange(min=1), metavar="N", help="Stop before the run takes more tokens.")
@click.option("--calls", type=click.IntRange(min=1), metavar="N", help="Stop before the run makes more calls.")
@document_limits_options
@offline_option
@json_option
@click.option(
    "--engine",
    type=click.Choice(["local", "batch"]),
    default="local",
    help="Ask call by call, or by OpenAI's Batch API (half the price, within a day); one goes on with the other's run.",
)
@click.option("--detach", is_flag=True, help="With --engine batch: end once all is asked; another start takes it in.")
@click.option("--small", type=click.IntRange(min=1), metavar="N", help="With --engine batch: fewer calls go online.")
@click.option("--events", is_flag=True, help="A JSON line on standard output for each thing that happens.")
@click.option("--quiet", is_flag=True, help="No progress and no tables.")
def run(
    pipeline: str,
    model: tuple[str, ...],
    documents: tuple[str, ...],
    variables: tuple[str, ...],
    folder: str | None,
    limit: int | None,
    budget: float | None,
    tokens: int | None,
    calls: int | None,
    tokens_per_document: int | None,
    budget_per_document: float | None,
    offline: bool,
    as_json: bool,
    engine: Any,
    detach: bool,
    small: int | None,
    events: bool,
    quiet: bool,
) -> int:
    """Runs the PIPELINE file, or goes on with a run that was interrupted."""
    from .. import door
    from ..endpoints import Reach
    from ..errors import Detached
    from ..limits import Batching, Limits
    from ..runner import execute, new_folder, open_models

    if engine != "batch" and (detach or small):
        raise click.UsageError(f"{'--detach' if detach else '--small'} goes with --engine batch.")
    loaded = _pipeline(pipeline, model, documents, variables)
    on_wave = None if quiet or as_json or events else told_of
    options: dict[str, Any] = {
        "on_wave": on_wave,
        "engine": engine,
        "batching": Batching(detach=detach, small=small or 0),
        "limit": limit,
        "on_event": tell if events else None,
    }
    given = {"budget_usd": None if budget is None else Decimal(str(budget)), "tokens": tokens, "calls": calls}
    limits = Limits(**{**loaded.limits, **{name: value for name, value in given.items() if value is not None}})
    each = document_limits(tokens_per_document, budget_per_document, loaded.per_document)
    loaded = replace(loaded, per_document=each)
    cascade = open_models(loaded, Reach(offline))
    for warning in cascade.warnings:
        say(f"warning: {warning}")
    where = Path(folder) if folder else new_folder(loaded.name)
    with progress(quiet or as_json or events) as watch:
        done = door.run(lambda: execute(loaded, cascade, where, limits=limits, watch=watch, **options), "await")
    if events:
        emit({"event": "RunEnded", **done.plain()})
    elif as_json:
        emit(done.plain())
    elif not quiet:
        account(done)
    if done.stopped is not None:
        if as_json or quiet or events:
            say(f"stopped: {done.stopped}")
        return 5 if isinstance(done.stopped, Detached) else 4
    return 0 if done.lossless else 3


@click.command()
@click.argument("pipeline")
@model_option
@documents_option
@set_option
@limit_option
@click.option("--prompt", is_flag=True, help="Print the exact messages for the first document.")
@click.option("--mermaid", is_flag=True, help="Print the steps as a diagram in Mermaid's language.")
@json_option
def plan(
    pipeline: str,
    model: tuple[str, ...],
    documents: tuple[str, ...],
    variables: tuple[str, ...],
    limit: int | None,
    prompt: bool,
    mermaid: bool,
    as_json: bool,
) -> int:
    """Says what the PIPELINE would do and what it may cost; sends nothing and needs no key."""
    from .. import plan as plans
    from ..models.cascade import facts_of
    from ..runner import lacking
    from .documents import print_prompt

    loaded = _pipeline(pipeline, model, documents, variables)
    facts = {one.name: one for one in (facts_of(loaded.models) if loaded.models else ())}
    if prompt:
        print_prompt(*plans.first_prompt(loaded, facts), as_json)
        return 0
    if mermaid:
        click.echo(plans.mermaid(loaded))
        return 0
    planned = plans.plan_of(loaded, facts, limit, tuple(lacking(loaded)))
    if as_json:
        emit(planned.plain())
    else:
        click.echo(f"{loaded.name}: {planned.documents} documents\n")
        click.echo(f"{planned.listing(get_terminal_size().columns)}\n")
        click.echo(planned.sentence())
    return 0


def _pipeline(name: str, model: tuple[str, ...], documents: tuple[str, ...], variables: tuple[str, ...]) -> Any:
    from ..pipeline import load_pipeline
    from ..project import find_pipeline

    values = dict(_pair(one) for one in variables)
    return load_pipeline(find_pipeline(name), model=model or None, documents=documents or None, variables=values)


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--set {given}: write NAME=VALUE.")
    return name, value
