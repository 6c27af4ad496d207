"""The options that several commands share, said once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..document_limits import DocumentLimits

__all__ = [
    "document_limits",
    "document_limits_options",
    "instructions_option",
    "json_option",
    "model_option",
    "offline_option",
    "schema_option",
    "setting_option",
    "settings",
]

schema_option = click.option(
    "--schema", required=True, metavar="REF", help="schemas/receipt.py:Receipt, or a JSON Schema: schemas/receipt.json."
)
model_option = click.option(
    "--model",
    multiple=True,
    metavar="NAME",
    help="provider/model, or rules (no key, no network). Given several times: a cascade, field by field.",
)
instructions_option = click.option("--instructions", default="", help="What the model is told to do.")
setting_option = click.option(
    "--setting", multiple=True, metavar="NAME=VALUE", help="A sampling parameter (temperature=0), or date_order=dmy."
)
offline_option = click.option(
    "--offline", is_flag=True, help="Send nothing beyond this machine; EXTRACT_HOSTS names the hosts that may be asked."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")

F = TypeVar("F", bound=Callable[..., Any])


def document_limits_options(command: F) -> F:
    """What one document may take."""
    tokens = click.option(
        "--tokens-per-document",
        type=click.IntRange(min=1),
        metavar="N",
        help="Ask no more about a document that has taken so many tokens.",
    )
    budget = click.option(
        "--budget-per-document",
        type=click.FloatRange(min=0, min_open=True),
        metavar="USD",
        help="Ask no more about a document that has cost so much.",
    )
    return tokens(budget(command))


def document_limits(tokens: int | None, budget: float | None, written: DocumentLimits | None = None) -> DocumentLimits:
    """The limits that were given on the command line, and those that were written for what was not."""
    from ..document_limits import DocumentLimits

    given = DocumentLimits(tokens, None if budget is None else Decimal(str(budget)))
    kept = written or DocumentLimits()
    return DocumentLimits(given.tokens or kept.tokens, given.budget_usd or kept.budget_usd)


def settings(given: tuple[str, ...]) -> dict[str, Any]:
    """``name=value`` pairs; a value that is JSON is taken as such."""
    from ..jsontext import load
    from ..settings import wrong

    found: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--setting {pair}: write NAME=VALUE, such as temperature=0.")
        try:
            found[name] = load(value)
        except ValueError:
            found[name] = value
        if (said := wrong(name, found[name])) is not None:
            raise click.UsageError(f"--setting {pair}: {said[0]}" + (f"\n  {said[1]}" if said[1] else ""))
    return found
