"""`extract schema`: what a schema becomes on the wire, and what becomes of each of its parts."""

from __future__ import annotations

from dataclasses import asdict

import click

from ..compiler import Extras
from .options import json_option
from .shown import emit

__all__ = ["schema"]


@click.command()
@click.argument("ref")
@click.option("--strict", "strict", is_flag=True, help="The strict wire schema (the default).")
@click.option("--full", "full", is_flag=True, help="The schema as it was declared, as JSON Schema.")
@click.option("--explain", "explain", is_flag=True, help="Every rewrite, and what is checked afterwards.")
@click.option("--lint", "lint", is_flag=True, help="What a provider would refuse, and what is costly.")
@click.option(
    "--keep-extras", is_flag=True, help="Carry undeclared properties of open objects; else they are left out."
)
@click.option("--require", is_flag=True, help="Fail where the wire does not enforce everything.")
@json_option
def schema(ref: str, keep_extras: bool, require: bool, as_json: bool, **views: bool) -> int:
    """Shows what the schema REF becomes: schemas/receipt.py:Receipt, or a JSON Schema's file. Sends nothing."""

    from ..project import load_schema
    from ..schema import compile

    chosen = [name for name, given in views.items() if given] or ["strict"]
    if len(chosen) > 1:
        raise click.UsageError(f"--{chosen[0]} and --{chosen[1]} are two views of a schema. Give one of them.")
    [view] = chosen
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
