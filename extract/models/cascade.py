"""The models of a task, opened: a list of names as facts to decide by and adapters to send with.

A name stands for a model of the catalogue; a `Model` object (a scripted one, a user's own) is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..catalogue import Catalogue, ModelFacts
from ..errors import ModelError
from . import Model, open_model

__all__ = ["Cascade", "Models", "facts_of", "open_cascade"]

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


def open_cascade(chosen: Models, catalogue: Catalogue, environ: Mapping[str, str], **access: Any) -> Cascade:
    """Opens each model; raises `ModelError` for the first that cannot be used. `access` goes to `open_model`."""
    several = _listed(chosen)
    opened = [open_model(one, catalogue, environ, **access) if isinstance(one, str) else one for one in several]
    names = [one if isinstance(one, str) else one.name for one in several]
    return Cascade(facts_of(chosen, catalogue), dict(zip(names, opened, strict=True)))


def facts_of(chosen: Models, catalogue: Catalogue) -> tuple[ModelFacts, ...]:
    """What is known of each model; opens nothing. Raises `ModelError` for what is no model."""
    return tuple(catalogue.facts(one) if isinstance(one, str) else _own(one, catalogue) for one in _listed(chosen))


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
