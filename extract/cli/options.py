"""The options that several commands share, said once."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["instructions_option", "json_option", "model_option", "schema_option", "setting_option", "settings"]

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
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def settings(given: tuple[str, ...]) -> dict[str, Any]:
    """``name=value`` pairs; a value that is JSON is taken as such."""
    from ..jsontext import load

    found: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--setting {pair}: write NAME=VALUE, such as temperature=0.")
        try:
            found[name] = load(value)
        except ValueError:
            found[name] = value
        if found[name] != found[name]:
            raise click.UsageError(f"--setting {pair}: NaN is not a number that can be sent.")
    return found
