"""Where models are: the interface that all of them keep, and the one door that opens them by name.

A model makes exactly one attempt of a call and hands back a `Reply`, whatever happened: a failure is a value in it and
never an exception, so that waiting, retrying and giving up are decided in one place, by the engine. Each adapter
touches one outside thing; what a model can do stands in the catalogue (``catalogue.json``, read here) and not in its
adapter.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from ..call import Call, Mode, Reply
from ..catalogue import BRIDGED, Catalogue, ModelFacts
from ..errors import ModelError
from . import bridge, openai

__all__ = ["Model", "built_in_catalogue", "open_model"]


class Model(Protocol):
    """One model, ready to be asked from any event loop. `name` is the catalogue's name for it."""

    name: str

    @property
    def mode(self) -> Mode:
        """How it asks for the schema, so that a stream can be read before its reply is there."""
        ...

    async def send(self, call: Call, *, timeout: float | None = None) -> Reply:
        """One attempt, within `timeout` seconds. Never raises for what a provider does; cancelling closes the
        connection."""
        ...

    def stream(self, call: Call, *, timeout: float | None = None) -> AsyncIterator[str | Reply]:
        """One attempt, as pieces of text while they come, and then the whole `Reply`, which is always the last item."""
        ...

    async def close(self) -> None:
        """Closes what the running event loop holds open. The model can be used again afterwards."""
        ...


@cache
def built_in_catalogue() -> Catalogue:
    """The models that this package knows."""
    text = files(__package__).joinpath("catalogue.json").read_text(encoding="utf-8")
    return Catalogue.from_plain(json.loads(text))


def open_model(
    name: str,
    catalogue: Catalogue,
    environ: Mapping[str, str],
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    client: Any = None,
) -> Model:
    """Opens a model by name; nothing is sent yet.

    Keys and addresses come from the arguments, else from `environ`: ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL`` for
    ``openai/`` and ``compatible/``, ``AZURE_OPENAI_API_KEY``, ``AZURE_OPENAI_ENDPOINT`` and ``OPENAI_API_VERSION`` for
    ``azure/``, and those in `bridge.PROVIDERS` for the others. `client` is a client of the caller's own (an
    ``AsyncOpenAI``, an ``AsyncAzureOpenAI``, or that of the provider's SDK), used as it is and never closed. Raises
    `ModelError` for a name that is not known and for a key, an address or a package that is missing.
    """
    facts = catalogue.facts(name)
    return _OPENERS[facts.provider](facts, openai.Access(environ, base_url, api_key, client))


def _open_rules(facts: ModelFacts, access: openai.Access) -> Model:
    """The reader is imported when it is asked for: its tables take time to build."""
    from .rules import Rules

    return Rules()


def _refuse_scripted(facts: ModelFacts, access: openai.Access) -> Model:
    raise ModelError(
        "The scripted model has nothing to say until it is given its replies.",
        fix="In a test, make one with extract.models.scripted.Scripted(replies).",
    )


_OPENERS: Mapping[str, Callable[[ModelFacts, openai.Access], Model]] = {
    "openai": openai.open_openai,
    "azure": openai.open_azure,
    "compatible": openai.open_compatible,
    "rules": _open_rules,
    "scripted": _refuse_scripted,
    **dict.fromkeys(BRIDGED, bridge.open_bridged),
}
