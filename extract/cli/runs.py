"""Runs that there are: `extract runs` lists them, shows one, compares two, and drops texts that are kept no longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import json_option
from .shown import STATES, emit, say, table

if TYPE_CHECKING:
    from ..comparison import Comparison
    from ..ledger import LedgerReader

__all__ = ["runs"]

_SHOWN = 40
"""So many differences are printed; --json has more."""


class _Runs(click.Group):
    """Subcommands, or the name of a folder to be listed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Runs, invoke_without_command=True)
def runs() -> None:
    """Lists the runs in a folder, shows one, compares two, or drops what is kept no longer."""


@runs.command("list")
@click.argument("folder", default="runs")
@json_option
def list_(folder: str, as_json: bool) -> int:
    """Lists the runs in FOLDER (`runs`, if not named)."""
    from ..report import runs_in

    found = [account for _, account in runs_in(Path(folder))]
    if as_json:
        emit(found)
    elif found:
        columns = ("run", "state", "in", *STATES, "calls", "cost_usd")
        table(found, columns, result=True)
    else:
        say(f"There are no runs in {folder}.")
    return 0


@runs.command()
@click.argument("run")
@click.option("--document", metavar="NAME", help="What became of this document: its reasons, attempts and rows.")
@json_option
def show(run: str, document: str | None, as_json: bool) -> int:
    """Shows how RUN stands, also while it goes on or after it was killed."""
    from ..ledger import LedgerReader
    from ..report import standing

    with LedgerReader(Path(run)) as reader:
        if document is not None:
            _show_document(reader, document, as_json)
            return 0
        account = standing(reader)
    if as_json:
        emit(account)
        return 0
    models, starts = account.pop("models"), account.pop("starts")
    table([{"": name, "value": value} for name, value in account.items()], title=run, result=True)
    if models:
        table(models, title="models", result=True)
    table(starts, title="starts", result=True)
    return 0


@runs.command()
@click.argument("first")
@click.argument("second")
@json_option
def diff(first: str, second: str, as_json: bool) -> int:
    """Compares the runs FIRST and SECOND: what they decided by, and document by document what came of it. Ends with 3
    if documents differ."""
    from ..comparison import compare
    from ..ledger import LedgerReader

    with LedgerReader(Path(first)) as one, LedgerReader(Path(second)) as other:
        found = compare(one, other)
    if as_json:
        emit(found.plain())
    else:
        _show_comparison(found)
    return 0 if found.same else 3


@runs.command()
@click.argument("folder", default="runs")
@click.option("--older-than", metavar="TIME", help="All runs that ended so long ago: `30 days`, `12 hours`.")
@json_option
def prune(folder: str, older_than: str | None, as_json: bool) -> int:
    """Drops the texts of the runs in FOLDER that are kept no longer, by what their pipelines say (`record: {retention:
    30 days}`) or by --older-than. The account of each run stays: states, reasons, calls, tokens and cost."""
    from ..ledger import prune as pruned_in
    from ..ledger import seconds_of

    try:
        older = None if older_than is None else seconds_of(older_than)
    except ValueError:
        raise click.UsageError(f"--older-than {older_than}: write a time such as `30 days`.") from None
    found = [
        {"run": str(one.folder), "what": one.what, "bytes_before": one.before, "bytes_after": one.after}
        for one in pruned_in(Path(folder), older)
    ]
    if as_json:
        emit(found)
    elif found:
        table(found, result=True)
    else:
        say(f"There are no runs in {folder}.")
    return 0


def _show_document(reader: LedgerReader, name: str, as_json: bool) -> None:
    from ..errors import RunError
    from ..report import of_document

    entry = reader.entry(name) or next((one for one in reader.entries() if name in (one.id, one.source)), None)
    if entry is None:
        fix = "Name it as the run does: `extract runs show RUN --json` and the outputs' `_source` have the names."
        raise RunError(f"The run has no document {name}.", str(reader.folder), fix)
    account = of_document(reader, entry)
    if as_json:
        emit(account)
        return
    lists = {title: account.pop(title) for title in ("attempts", "events", "rows", "refused")}
    table([{"": key, "value": value} for key, value in account.items()], title=entry.source, result=True)
    for title, several in lists.items():
        if several:
            table(several, title=title, result=True)


def _show_comparison(found: Comparison) -> None:
    if found.about:
        about = [{"decided by": name, "first": a, "second": b} for name, (a, b) in found.about.items()]
        table(about, title="what the runs decided by", result=True)
    totals = [{"": name, "first": a, "second": b} for name, (a, b) in found.totals.items()]
    table(totals, title="totals", result=True)
    for line in _summary(found):
        click.echo(line)
    if found.differences:
        table([one.plain() for one in found.differences[:_SHOWN]], title="differences", result=True)
    if len(found.differences) > _SHOWN:
        click.echo(f"and {len(found.differences) - _SHOWN:,} more; --json has the first thousand.")


def _summary(found: Comparison) -> Iterator[str]:
    yield f"{found.documents:,} documents are in both, {found.changed:,} of them differ"
    for which, count in zip(("first", "second"), found.only, strict=True):
        if count:
            yield f"{count:,} are only in the {which}"
    for (before, after), count in found.states.most_common():
        yield f"{count:,} were {before} and are {after}"
    if found.fields:
        yield "fields that differ: " + ", ".join(f"{name} ({count:,})" for name, count in found.fields.most_common(20))
