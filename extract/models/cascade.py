"""The models of a task, opened: a list of names as facts to decide by and adapters to send with.

A name stands for a model of the catalogue; a `Model` object (a scripted one, a user's own) is taken as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..catalogue import BRIDGED, Catalogue, ModelFacts
from ..errors import ModelError
from ..settings import check_settings, refusal
from . import Model, known_models, open_model

__all__ = ["Cascade", "Models", "check_accepted", "facts_of", "open_cascade"]

Models = str | Model | Sequence[str | Model]
"""One model or several, each by its name or as it is."""


@dataclass(frozen=True)
class Cascade:
    """Facts in the order in which the models are asked, and the models by name."""

    facts: tuple[ModelFacts, ...]
    models: Mapping[str, Model]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was assumed about models that are not in the catalogue."""
        return tuple(one.warning for one in self.facts if one.warning)


def open_cascade(
    chosen: Models,
    catalogue: Catalogue | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    **access: Any,
) -> Cascade:
    """Opens each model, by the catalogue and the environment of the user if no others are given; `access` goes to
    `open_model`. Raises `ModelError` for the first that cannot be used, or that does not take one of the settings."""
    environ = os.environ if environ is None else environ
    known = known_models(environ) if catalogue is None else catalogue
    several, facts = _listed(chosen), facts_of(chosen, known)
    check_accepted(settings or {}, facts)
    opened = [open_model(one, known, environ, **access) if isinstance(one, str) else one for one in several]
    names = [one if isinstance(one, str) else one.name for one in several]
    return Cascade(facts, dict(zip(names, opened, strict=True)))


def check_accepted(settings: Mapping[str, Any], models: Iterable[ModelFacts]) -> None:
    """Raises `ModelError` for a setting that cannot be meant or that one of the models does not take."""
    check_settings(settings)
    for facts in models:
        if (
            facts.parameters
            and facts.asks_again
            and (why := refusal(settings, facts.name, facts.parameters, bridged=facts.provider in BRIDGED))
        ):
            raise ModelError(why[0], facts.name, why[1] or None)
        for name in ("max_tokens", "max_completion_tokens"):
            if facts.max_output is not None and (settings.get(name) or 0) > facts.max_output:
                message = f"`{name}` is {settings[name]:,}, and {facts.name} says at most {facts.max_output:,} tokens."
                raise ModelError(message, facts.name, "Set it lower, or leave it out.")


def facts_of(chosen: Models, catalogue: Catalogue | None = None) -> tuple[ModelFacts, ...]:
    """What is known of each model; opens nothing. Raises `ModelError` for what is no model."""
    known = known_models(os.environ) if catalogue is None else catalogue
    return tuple(known.facts(one) if isinstance(one, str) else _own(one, known) for one in _listed(chosen))


def _listed(chosen: Models) -> list[str | Model]:
    several = [chosen] if isinstance(chosen, str) or not isinstance(chosen, Sequence) else list(chosen)
    odd = [one for one in several if not isinstance(one, str) and not hasattr(one, "send")]
    if odd:
        raise ModelError(f"{odd[0]!r} is no model.", fix="Write a name, such as openai/gpt-4o-mini, or pass a Model.")
    if not several:
        raise ModelError("No model is named.", fix="Name one, such as openai/gpt-4o-mini, or rules.")
    return several


def _own(model: Model, catalogue: Catalogue) -> ModelFacts:
    """A model of the user's own may say its facts itself, as its attribute `facts`."""
    facts = getattr(model, "facts", None) or catalogue.get(model.name)
    return facts if isinstance(facts, ModelFacts) else ModelFacts(name=model.name, provider="own")
