"""How things look on a terminal: errors, progress, tables. Nothing here decides anything.

Where standard error is no terminal, progress is plain lines. With ``--json`` standard output holds one object, and an
error is an object as well.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any

import click

from ..errors import BudgetExceeded, ExtractError, ModelError, RunError, ValidationFailed
from ..events import DocumentEnded
from ..jsontext import dump

if TYPE_CHECKING:
    from ..batches import Wave
    from ..events import Happening
    from ..runner import Progress, Run

__all__ = ["account", "emit", "fail", "progress", "say", "table", "tell", "told_of"]

_MINUTE, _OFTEN = 60.0, 0.1
"""Seconds between lines, and between two looks of the bar: it is not seen more often."""

STATES = ("written", "merged", "filtered", "review", "rejected", "pending")


def say(text: str) -> None:
    """A message for the person, on standard error."""
    click.echo(text, err=True)


def emit(value: Any) -> None:
    """A JSON value on standard output."""
    click.echo(dump(value))


def tell(happening: Happening) -> None:
    """Something that happened, as one JSON line on standard output; of a document's end what came of it."""
    plain: dict[str, Any] = {"event": type(happening).__name__}
    for one in fields(happening):
        value = getattr(happening, one.name)
        if isinstance(happening, DocumentEnded) and one.name == "extraction":
            plain |= _came_of(value)
        else:
            plain[one.name] = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    emit(plain)


def _came_of(extraction: Any) -> dict[str, Any]:
    if extraction is None:
        return {"state": "pending"}
    problems = [str(one) for one in extraction.problems]
    return {"state": "ok" if extraction.ok else "failed", "problems": problems, "cost": extraction.cost}


def fail(error: ExtractError, *, as_json: bool) -> int:
    """Shows an error, as an object on standard output too if that was asked for, and gives its exit code."""
    if as_json:
        emit({"error": {"message": error.message, "where": error.where, "fix": error.fix}})
    say(f"error: {error}")
    if isinstance(error, BudgetExceeded) or (isinstance(error, RunError) and error.retryable):
        return 4
    if isinstance(error, ModelError):
        return 2 if error.kind == "configuration" else 1
    return 1 if isinstance(error, ValidationFailed) else 2


def table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None, title: str = "", *, result: bool = False
) -> None:
    """Rows as a table on standard error, in the width of the terminal; as the command's `result` on standard output,
    and as wide as it is."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    wanted = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    console = Console(stderr=not result, width=sum(wanted) + 4 * len(wanted) if result else None)
    widths = wanted if result else _widths(wanted, console.width)
    drawn = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name, width in zip(names, widths, strict=True):
        numbers = all(isinstance(row.get(name), (int, float, Decimal, NoneType)) for row in rows)
        drawn.add_column(escape(name), justify="right" if numbers else "left", no_wrap=True, width=width)
    for row_cells in cells:
        drawn.add_row(*map(escape, row_cells))
    console.print(drawn)


def _widths(wanted: list[int], room: int) -> list[int]:
    """The widths of columns that fit into the room: the widest are cut first, and the first one, which names the row,
    by no more than half."""
    widths = list(wanted)
    while sum(widths) + 3 * len(widths) > room:
        spare = [(width - (wanted[0] // 2 + 20 if i == 0 else 0), i) for i, width in enumerate(widths) if width > 6]
        if not spare:
            break
        widths[max(spare)[1]] -= 1
    return widths


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"{len(value)} rows"
    return " ".join(value.split()) if isinstance(value, str) else dump(value)


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A bar on a terminal, a line for each fifth elsewhere, nothing if `quiet`."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as watch:
            yield watch
    else:
        yield _lines()


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("documents"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task, last = bar.add_task("", total=None, told=""), -1.0

        def watch(update: Any) -> None:
            nonlocal last
            if update.seconds - last >= _OFTEN or update.done == update.total:
                last = update.seconds
                bar.update(task, completed=update.done, total=update.total, told=_told(update))

        yield watch


def _lines() -> Callable[[Progress], None]:
    """A line at each fifth of the documents, and one a minute between them."""
    last, at = 0.0, -1

    def watch(update: Progress) -> None:
        nonlocal last, at
        fifth = update.done * 5 // update.total if update.total else 5
        if fifth > at or update.seconds - last >= _MINUTE:
            last, at = update.seconds, fifth
            say(f"{update.done:,}/{update.total:,} documents, {_told(update)}")

    return watch


def _told(update: Progress) -> str:
    """What a run has come to so far, and what it will come to if it goes on like this."""
    parts = [f"{update.states[state]:,} {state}" for state in STATES if update.states.get(state)]
    parts.append(_money(update.spent) if update.projected is None else _projected(update.spent, update.projected))
    if update.tokens:
        parts.append(f"{update.tokens:,} tokens")
    if update.repairs:
        parts.append(f"{update.repairs:,} repair{'s' * (update.repairs != 1)}")
    if update.rate is not None and update.done < update.total:
        parts.append(f"{update.rate:,.1f}/s" if update.rate >= 1 else f"{60 * update.rate:,.1f}/min")
    if update.left and update.done < update.total:
        parts.append(f"{_duration(update.left)} left")
    if update.held:
        what, count = max(update.held.items(), key=lambda one: one[1])
        parts.append(f"{count:,} call{'s' * (count != 1)} wait{'s' * (count == 1)} for {what}")
    return ", ".join(parts)


def _projected(spent: Decimal, projected: Decimal) -> str:
    return _money(spent) if projected <= spent else f"{_money(spent)} of about {_money(projected)}"


def _duration(seconds: float) -> str:
    """A time as people say it: ``40 s``, ``12 min``, ``3 h 20 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _money(cost: Decimal | None) -> str:
    return "cost not known" if cost is None else f"${cost:.4f}"


def told_of(wave: Wave) -> None:
    """How a batch fares: what the provider says of it, and that its answers are recorded."""
    said = "taken in" if wave.state == "ingested" else wave.status
    if said is not None and wave.state in ("created", "finished", "ingested"):
        say(f"batch {wave.number} ({wave.requests:,} requests to {wave.model}): {said.replace('_', ' ')}")


def account(run: Run) -> None:
    """The end of a run: the first records, the documents by state, the steps, the cost, and where everything went."""
    if run.sample:
        table(run.sample, title="records")
    for entry in run.refused:
        say(f"{entry.state}: {entry.source}: {'; '.join(entry.reasons)}")
    states = ", ".join(f"{run.states[state]} {state}" for state in STATES if run.states.get(state))
    say(f"{sum(run.states.values())} documents: {states or 'none'}")
    if run.waived:
        say(f"{run.waived} of the documents were kept without fields that failed")
    table(_steps(run), title="rows by step")
    for line in _reused(run):
        say(line)
    say(f"{run.calls} calls, {run.usage.input + run.usage.output:,} tokens, {_money(run.cost)}, {run.seconds:.1f} s")
    if run.over_budget:
        say(f"The provider charged {_money(run.over_budget)} more than was reserved.")
    if run.from_cache:
        say(f"{run.from_cache:,} answers were taken from the cache")
    if run.tolerated is not None:
        say(f"{run.rejected:,} of the inputs had something rejected; up to {run.tolerated:,} are tolerated")
    for output, count in run.outputs:
        say(f"{count:>6} rows in {output}")
    for output in run.left:
        say(f"       left as it was: {output}")
    for path in run.not_written:
        say(f"       what was not written, and why: {path}")
    say(f"       the run: {run.folder}")
    if run.stopped is not None:
        say(f"stopped: {run.stopped}")


def _steps(run: Run) -> list[dict[str, Any]]:
    """The counts of the steps, without the columns that are zero everywhere."""
    flows = [flow.plain() for flow in run.flows]
    used = [name for name in flows[0] if name in ("step", "in", "out") or any(flow[name] for flow in flows)]
    return [{name: flow[name] for name in used} for flow in flows]


def _reused(run: Run) -> Iterator[str]:
    """What a run that was started again took from its record, and why it asked for the rest."""
    for name in dict.fromkeys((*run.reused, *run.anew)):
        anew = run.anew.get(name, {})
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(anew.items(), key=lambda one: -one[1]))
        asked = f"; {sum(anew.values())} asked anew: {why}" if anew else ""
        yield f"{name}: {run.reused.get(name, 0)} answered from the run's record{asked}"
