"""What can be said of the models that a pipeline names before any of them is opened.

Their names, each where it is written: a cascade names each once, and what is no model is an error, as is an unknown
name of OpenAI's. The settings that a step gives to them, which each must take. And whether anything will be known of
how sure a model was, where a step wants to go by that. Keys, packages and addresses are looked at when a model is
opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..catalogue import Catalogue, ModelFacts
from ..errors import ModelError
from ..models import built_in_catalogue, known_models
from ..models.cascade import check_accepted
from .problems import Problems
from .values import DOCUMENTS, Asked, Review, Sql, Step
from .written import Place, Written

__all__ = ["Cascades"]


@dataclass
class Cascades:
    """Reads the names of models, and then checks the steps that ask them. `settings` are those of the pipeline as they
    are written, `own` those of steps by their numbers, and `sure` are the places where reviews go by confidence."""

    problems: Problems
    settings: Written | None = None
    facts: dict[str, ModelFacts] = field(default_factory=dict)
    own: dict[int, Written] = field(default_factory=dict)
    sure: dict[int, Place] = field(default_factory=dict)

    def read(self, written: Written) -> tuple[str, ...]:
        """A cascade of models, each named once."""
        found = self.problems.texts(written, "model")
        for i, item in enumerate(found):
            name = str(item.value)
            if name in [other.value for other in found[:i]]:
                message = f"The model {item.shown} stands in the cascade twice."
                self.problems.add(item.place, message, "Take one of them out.")
            elif name != name.strip():
                self.problems.add(item.place, "The model's name has blanks around it.", f"Write {item.shown.strip()}.")
            elif (error := self.know(name, item.place)) is not None:
                fix = error.fix
                if "/" not in name:
                    message = f"`{item.shown}` is not a model: a model is named provider/model."
                    built_in = next((one for one in ("rules", "scripted") if one == name.lower()), None)
                    fix = f"Write openai/{item.shown}, or rules for the built-in reader."
                    fix = fix if built_in is None else f"Did you mean `{built_in}`?"
                else:
                    message = error.message
                self.problems.add(item.place, message, fix)
        return tuple(str(item.value) for item in found)

    def know(self, name: str, place: Place) -> ModelError | None:
        """Takes down the facts of a model, or gives what is wrong with its name."""
        catalogue = self.catalogue
        try:
            self.facts[name] = catalogue.facts(name)
        except ModelError as error:
            return error
        return None

    @cached_property
    def catalogue(self) -> Catalogue:
        """What is known of models; a file of the user's own that cannot be read is an error of its own."""
        try:
            return known_models(os.environ)
        except ModelError as error:
            self.problems.add(Place(error.where or "models.yaml"), error.message, error.fix)
            return built_in_catalogue()

    def of(self, names: tuple[str, ...]) -> tuple[ModelFacts, ...]:
        """The facts of these models, as far as they are models."""
        return tuple(self.facts[name] for name in names if name in self.facts)

    # ---- the steps that ask

    def check(self, steps: tuple[Step, ...], model: tuple[str, ...]) -> None:
        """Notes settings that a step's models do not take, and reviews that go by what nobody will know."""
        for step in steps:
            if isinstance(step, Asked):
                self.check_settings(step, self.of(step.model or model))
        by_number = {step.number: step for step in steps}
        for step in steps:
            if isinstance(step, Review) and step.confidence is not None:
                self.check_known(step, by_number, model)

    def check_settings(self, step: Asked, models: tuple[ModelFacts, ...]) -> None:
        own = self.own.get(step.number)
        for name, value in step.settings.items():
            try:
                needed: Mapping[str, Any] = {"logprobs": True} if name == "top_logprobs" else {}
                check_accepted({name: value, **needed}, models)
            except ModelError as error:
                fix = error.fix
                if step.model and (own is None or name not in own.value):
                    fix = f"{fix or ''} Or give it to the steps whose models take it.".strip()
                self.problems.add(self.place(name, own), error.message, fix)
        if own is None or self.settings is None:
            return
        try:
            check_accepted(step.settings, ())
        except ModelError as error:
            self.problems.add(own.place, error.message, error.fix)

    def place(self, name: str, own: Written | None) -> Place:
        """Where a setting stands: with its step, or with the pipeline."""
        for one in (own, self.settings):
            if one is not None and isinstance(one.value, dict) and name in one.value:
                return one.keys[name]
        return Place("")

    def check_known(self, review: Review, by_number: Mapping[int, Step], model: tuple[str, ...]) -> None:
        """Notes a review by confidence before which no step can give any."""
        place = self.sure.get(review.number, review.place)
        asked = list(_asked_before(review, by_number))
        if not asked:
            message = "Nothing will be known of how sure a model was: none is asked before this step"
            if any(isinstance(by_number.get(number), Sql) for number in _before(review, by_number)):
                message += ", or a query has made new rows since"
            self.problems.add(place, f"{message}.", "Put the review directly behind the step that asks.")
            return
        cascades = [(step, self.of(step.model or model)) for step in asked]
        if any(not facts or _may_be_sure(step, facts) for step, facts in cascades):
            return
        step, facts = cascades[0]
        able = [one for one in facts if one.logprobs]
        if able:
            message = f"Nothing will be known of how sure {able[0].name} was: the step `{step.name}` asks for no"
            self.problems.add(place, f"{message} log-probabilities.", "Give it `settings: {logprobs: true}`.")
        else:
            message = f"Nothing will be known of how sure {facts[0].name} was: it gives no log-probabilities."
            fix = "Take a model that gives them, such as openai/gpt-4o-mini, with `settings: {logprobs: true}`."
            self.problems.add(place, message, fix)


def _may_be_sure(step: Asked, facts: tuple[ModelFacts, ...]) -> bool:
    """Whether one of the models may say how sure it was: the built-in ones do without being asked, and of a server that
    is not in the catalogue nobody knows."""
    asks = step.settings.get("logprobs") is True
    return any("/" not in one.name or one.warning or (one.logprobs and asks) for one in facts)


def _before(step: Step, by_number: Mapping[int, Step]) -> Iterator[int]:
    """The numbers of the steps that the rows of a step come from, up to a query, which makes new ones."""
    waiting, seen = list(step.reads), set()
    while waiting:
        number = waiting.pop()
        if number == DOCUMENTS or number in seen or number not in by_number:
            continue
        seen.add(number)
        yield number
        if not isinstance(by_number[number], Sql):
            waiting += by_number[number].reads


def _asked_before(step: Step, by_number: Mapping[int, Step]) -> Iterator[Asked]:
    for number in _before(step, by_number):
        asked = by_number[number]
        if isinstance(asked, Asked):
            yield asked
