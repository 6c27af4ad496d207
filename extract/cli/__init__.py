"""The command `extract`: the nouns and verbs of the library, on a terminal.

Records and machine-readable objects go to standard output, progress and messages to standard error. Every error is a
sentence with its place and its remedy, and never a traceback. What each exit code means stands in `EXIT_CODES`. A
command's body is a few lines; the modules that do the work are loaded when it runs.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ..errors import ExtractError
from .documents import from_, parse
from .places import eval_, init, models, report
from .running import plan, run
from .runs import runs
from .schemas import schema
from .shown import fail

__all__ = ["EXIT_CODES", "main"]

EXIT_CODES = {
    0: "everything went well",
    1: "the document gave no valid record, or the run could not be done",
    2: "the command was used wrongly: an option, a file, a schema, a pipeline or a key",
    3: "the run is done; some documents were rejected (more than `max_rejected`, if that is said) or held for review",
    4: "the run stopped before its end (budget reached, or a model that cannot be used); start it again to go on",
    5: "the run is detached: its requests are with the provider; start it again to take in the answers",
    130: "interrupted; the same run can be started again",
}


class _Commands(click.Group):
    """Commands in the order in which a newcomer meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="typed-extract", prog_name="extract")
def cli() -> None:
    """Turns documents into typed, checked, explained records with a language model."""


for command in (from_, run, plan, schema, parse, eval_, report, runs, models, init):
    cli.add_command(command)


def main(args: list[str] | None = None) -> Any:
    """Runs the command; errors become messages and exit codes."""
    given = sys.argv[1:] if args is None else args
    try:
        with _terminable():
            code = cli.main(args, standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):  # click makes the one of the other
        click.echo("Interrupted. What was paid for is recorded: the same run can be started again.", err=True)
        code = 130
    except click.ClickException as error:
        error.show()
        code = 2
    except ExtractError as error:
        code = fail(error, as_json="--json" in given)
    except OSError as error:
        click.echo(f"error: {error.filename or 'the output'}: {error.strerror}.", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _terminable() -> Iterator[None]:
    """Takes SIGTERM, by which services and containers are stopped, for Ctrl-C: what is on the wire is taken in."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
