"""Where models are: the interface that all of them keep, and the one door that opens them by name.

A model makes exactly one attempt of a call and hands back a `Reply`, whatever happened: a failure is a value in it and
never an exception, so that waiting, retrying and giving up are decided in one place, by the engine. Each adapter
touches one outside thing; what a model can do stands in the catalogue (``catalogue.json`` and the user's own file, read
by `declared`) and not in its adapter.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from ..call import Call, Mode, Reply
from ..catalogue import BRIDGED, Catalogue, ModelFacts
from ..endpoints import ANYWHERE, Reach
from ..errors import ModelError
from . import bridge
from .access import Access, open_azure, open_compatible, open_openai
from .declared import built_in_catalogue, known_models, reach_in

__all__ = ["Model", "built_in_catalogue", "known_models", "open_model", "reach_in"]


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


def open_model(
    name: str,
    catalogue: Catalogue | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    client: Any = None,
    reach: Reach = ANYWHERE,
    headers: Mapping[str, str] | None = None,
) -> Model:
    """Opens a model by name; nothing is sent yet.

    Keys and addresses come from the arguments, else from `environ` (the process's, if none is given):
    ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL`` for ``openai/`` and ``compatible/``, ``AZURE_OPENAI_API_KEY``,
    ``AZURE_OPENAI_ENDPOINT`` and ``OPENAI_API_VERSION`` for ``azure/``, those in `bridge.PROVIDERS` for the others; the
    endpoints that the catalogue (the user's, if none is given) declares for a model come before the last. `client` is
    a client of the caller's own (an ``AsyncOpenAI``, an ``AsyncAzureOpenAI``, or that of the provider's SDK), used as
    it is and never closed. `reach` says where data may go, beside what the environment says of it; `headers` go with
    each request. Raises `ModelError` for a name that is not known, for a key, an address or a package that is missing,
    and for a host that data may not go to.
    """
    environ = os.environ if environ is None else environ
    known = known_models(environ) if catalogue is None else catalogue
    facts = known.facts(name)
    reach = reach & reach_in(environ)
    access = Access(environ, base_url, api_key, client, known.endpoints.get(name, ()), reach, headers or {})
    return _OPENERS[facts.provider](facts, access)


def _open_rules(facts: ModelFacts, access: Access) -> Model:
    """The reader is imported when it is asked for: its tables take time to build."""
    from .rules import Rules

    return Rules()


def _refuse_scripted(facts: ModelFacts, access: Access) -> Model:
    raise ModelError(
        "The scripted model has nothing to say until it is given its replies.",
        fix="In a test, make one with extract.models.scripted.Scripted(replies).",
    )


_OPENERS: Mapping[str, Callable[[ModelFacts, Access], Model]] = {
    "openai": open_openai,
    "azure": open_azure,
    "compatible": open_compatible,
    "rules": _open_rules,
    "scripted": _refuse_scripted,
    **dict.fromkeys(BRIDGED, bridge.open_bridged),
}
