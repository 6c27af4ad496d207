"""Pipelines: `extract run` runs one, `extract plan` says what it would do."""

from __future__ import annotations

import gc
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

from .options import document_limits, document_limits_options, json_option, model_option, offline_option
from .shown import account, emit, progress, say, tell, told_of

if TYPE_CHECKING:
    from ..pipeline import Pipeline
    from ..runner import Run

__all__ = ["plan", "run"]

ENGINES = ("local", "batch", "ray")

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
    type=click.Choice(ENGINES),
    help="Ask call by call, by OpenAI's Batch API (half the price, within a day), or from many workers with Ray; each"
    " goes on with the others' runs.",
)
@click.option(
    "--retry",
    type=click.Choice(["rejected", "review"]),
    multiple=True,
    help="Ask anew about what an earlier start of the run rejected, or held for review.",
)
@click.option("--max-rejected", metavar="N|P%", help="Stop as soon as more inputs were rejected; fewer end with 0.")
@click.option("--cache", metavar="DIR", help="Take answers that other runs with this cache paid for, and keep yours.")
@click.option("--detach", is_flag=True, help="With --engine batch: end once all is asked; another start takes it in.")
@click.option("--small", type=click.IntRange(min=1), metavar="N", help="With --engine batch: fewer calls go online.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="With --engine ray: so many workers.")
@click.option("--address", metavar="ADDRESS", help="With --engine ray: the cluster's; without, this machine alone.")
@click.option("--events", is_flag=True, help="A JSON line on standard output for each thing that happens.")
@click.option("--quiet", is_flag=True, help="No progress and no tables.")
def run(
    pipeline: str,
    model: tuple[str, ...],
    documents: tuple[str, ...],
    variables: tuple[str, ...],
    folder: str | None,
    limit: int | None,
    offline: bool,
    as_json: bool,
    retry: tuple[Any, ...],
    detach: bool,
    small: int | None,
    workers: int | None,
    address: str | None,
    events: bool,
    quiet: bool,
    **instead: Any,
) -> int:
    """Runs the PIPELINE file, or goes on with a run that was interrupted."""
    from .. import door
    from ..endpoints import Reach
    from ..limits import Batching, Fleet
    from ..runner import execute, new_folder, open_models

    loaded = _instead(_pipeline(pipeline, model, documents, variables), **instead)
    if loaded.conduct.engine != "batch" and (detach or small):
        raise click.UsageError(f"{'--detach' if detach else '--small'} goes with --engine batch.")
    if loaded.conduct.engine != "ray" and (workers or address):
        raise click.UsageError(f"{'--workers' if workers else '--address'} goes with --engine ray.")
    if retry and folder is None:
        raise click.UsageError("--retry goes with --run: it names the run whose documents are tried again.")
    silent = quiet or as_json or events
    options: dict[str, Any] = {
        "on_wave": None if silent else told_of,
        "retry": retry,
        "batching": Batching(detach=detach, small=small or 0),
        "fleet": Fleet(workers=workers, address=address),
        "limit": limit,
        "on_event": tell if events else None,
    }
    loaded = replace(loaded, reach=loaded.reach & Reach(offline))
    cascade = open_models(loaded)
    for warning in cascade.warnings:
        say(f"warning: {warning}")
    where = Path(folder) if folder else new_folder(loaded.name)
    _settle()
    with progress(silent) as watch:
        done = door.run(lambda: execute(loaded, cascade, where, watch=watch, **options), "await")
    if events:
        emit({"event": "RunEnded", **done.plain()})
    elif as_json:
        emit(done.plain())
    elif not quiet:
        account(done)
    if silent and done.stopped is not None:
        say(f"stopped: {done.stopped}")
    return _code(done)


def _settle() -> None:
    """This process only runs the pipeline. What is loaded by now stays to the end, and is no longer looked through for
    garbage; what comes is looked through less often. That takes a fifth of the time of a run otherwise."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _code(done: Run) -> int:
    """The exit code that says how a run ended."""
    from ..errors import Detached, TooManyRejected

    if done.stopped is None:
        return 0 if done.clean else 3
    return 5 if isinstance(done.stopped, Detached) else 3 if isinstance(done.stopped, TooManyRejected) else 4


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


def _instead(
    loaded: Pipeline,
    *,
    budget: float | None,
    tokens: int | None,
    calls: int | None,
    tokens_per_document: int | None,
    budget_per_document: float | None,
    engine: Any,
    max_rejected: str | None,
    cache: str | None,
) -> Pipeline:
    """The pipeline, with what the options say in place of what it says."""
    from ..ledger import Cache
    from ..pipeline import Tolerance

    conduct = loaded.conduct
    if engine is not None:
        conduct = replace(conduct, engine=engine)
    if max_rejected is not None:
        conduct = replace(conduct, max_rejected=Tolerance.of(max_rejected))
    if cache is not None:
        there = conduct.cache
        conduct = replace(conduct, cache=replace(there, folder=Path(cache)) if there else Cache(Path(cache)))
    given = {"budget_usd": None if budget is None else Decimal(str(budget)), "tokens": tokens, "calls": calls}
    limits = {**loaded.limits, **{name: value for name, value in given.items() if value is not None}}
    each = document_limits(tokens_per_document, budget_per_document, loaded.per_document)
    return replace(loaded, limits=limits, per_document=each, conduct=conduct)


def _pipeline(name: str, model: tuple[str, ...], documents: tuple[str, ...], variables: tuple[str, ...]) -> Pipeline:
    from ..pipeline import load_pipeline
    from ..project import find_pipeline

    values = dict(_pair(one) for one in variables)
    return load_pipeline(find_pipeline(name), model=model or None, documents=documents or None, variables=values)


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--set {given}: write NAME=VALUE.")
    return name, value
