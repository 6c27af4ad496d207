"""`extract schema`: what a schema becomes on the wire, and what becomes of its parts; the schema of pipelines."""

from __future__ import annotations

from dataclasses import asdict

import click

from ..compiler import Extras
from .options import json_option
from .shown import emit

__all__ = ["schema"]


@click.command()
@click.argument("ref", required=False)
@click.option("--strict", "strict", is_flag=True, help="The strict wire schema (the default).")
@click.option("--full", "full", is_flag=True, help="The schema as it was declared, as JSON Schema.")
@click.option("--explain", "explain", is_flag=True, help="Every rewrite, and what is checked afterwards.")
@click.option("--lint", "lint", is_flag=True, help="What a provider would refuse, and what is costly.")
@click.option("--pipeline", "pipeline", is_flag=True, help="The JSON Schema of pipelines, for editors; takes no REF.")
@click.option(
    "--keep-extras", is_flag=True, help="Carry undeclared properties of open objects; else they are left out."
)
@click.option("--require", is_flag=True, help="Fail where the wire does not enforce everything.")
@json_option
def schema(ref: str | None, keep_extras: bool, require: bool, as_json: bool, pipeline: bool, **views: bool) -> int:
    """Shows what the schema REF becomes: schemas/receipt.py:Receipt, or a JSON Schema's file. Sends nothing."""

    chosen = [name for name, given in views.items() if given]
    if pipeline:
        return _pipelines(ref, [*chosen, *(["keep-extras"] if keep_extras else []), *(["require"] if require else [])])
    if ref is None:
        raise click.UsageError("No schema is named. Write schemas/receipt.py:Receipt, or --pipeline for pipelines.")
    if len(chosen) > 1:
        raise click.UsageError(f"--{chosen[0]} and --{chosen[1]} are two views of a schema. Give one of them.")
    return _shown(ref, chosen[0] if chosen else "strict", keep_extras, require, as_json)


def _pipelines(ref: str | None, beside: list[str]) -> int:
    """Prints the schema of pipelines."""
    from ..pipeline.published import pipeline_schema

    if ref is not None:
        raise click.UsageError(f"--pipeline shows the schema of all pipelines, and takes no REF. Leave {ref} out.")
    if beside:
        raise click.UsageError(f"--{beside[0]} is for a schema of yours, and not for --pipeline. Give one of them.")
    emit(pipeline_schema())
    return 0


def _shown(ref: str, view: str, keep_extras: bool, require: bool, as_json: bool) -> int:
    """Prints one view of a schema."""
    from ..project import load_schema
    from ..schema import compile

    extras: Extras = "keep" if keep_extras else "ignore"
    compiled = compile(load_schema(ref), extras=extras, strict="require" if require else "allow")
    if view in ("strict", "full"):
        emit(compiled.strict if view == "strict" else compiled.full)
        return 0
    lines = compiled.explain() if view == "explain" else compiled.lint()
    if as_json:
        emit([asdict(line) for line in lines])
    else:
        for line in lines:
            click.echo(str(line))
        if not lines:
            click.echo("Nothing is rewritten." if view == "explain" else "Nothing would be refused.")
    return 0
