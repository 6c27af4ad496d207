"""The models that a user declares: a YAML file beside the project, over those that this package knows.

The file is the one that ``EXTRACT_MODELS`` names, else ``models.yaml`` in the working folder. It gives facts by name,
in the words of `catalogue.ModelFacts`: what it says of a model that is known replaces what is known, the rest stays; a
model that is not known becomes known, also under ``openai/``; ``same_as`` takes the facts of another one, such as an
Azure deployment's of its model. `endpoints` says where a model is asked, in order, and by which variable's key. Every
error is told with its line. The file is read anew when it has changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from ..call import Mode
from ..catalogue import BRIDGED, MODES, Catalogue, Input, provider_of
from ..endpoints import Endpoint, Reach
from ..errors import ModelError
from ..image_rules import rule_from_plain
from ..settings import OPENAI_PARAMETERS, SETTINGS

__all__ = ["built_in_catalogue", "known_models", "reach_in"]

FILE = "models.yaml"


@cache
def _built_in() -> Mapping[str, Any]:
    text = files(__package__).joinpath("catalogue.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@cache
def built_in_catalogue() -> Catalogue:
    """The models that this package knows."""
    return Catalogue.from_plain(_built_in())


def known_models(environ: Mapping[str, str], folder: Path | None = None) -> Catalogue:
    """The models that this package and the user's file know; the file is looked for in `folder`, the working folder if
    none is given. Raises `ModelError` for a file that is not there or not right, with the place."""
    named = environ.get("EXTRACT_MODELS")
    path = Path(named) if named else (folder or Path()) / FILE
    try:
        state = path.stat()
    except OSError:
        if named:
            raise ModelError("There is no such file of models.", named, "Check EXTRACT_MODELS.") from None
        return built_in_catalogue()
    return _read(str(path), state.st_mtime_ns, state.st_size)


def reach_in(environ: Mapping[str, str]) -> Reach:
    """Where data may go by ``EXTRACT_OFFLINE`` (1, true or yes) and ``EXTRACT_HOSTS`` (names, with commas between)."""
    said = environ.get("EXTRACT_OFFLINE", "").strip().lower()
    if said not in ("", "0", "false", "no", "1", "true", "yes"):
        raise ModelError(f"EXTRACT_OFFLINE is 1 or 0, and not {said!r}.", fix="Set it to 1 to send nothing outside.")
    hosts = tuple(one.strip() for one in environ.get("EXTRACT_HOSTS", "").split(",") if one.strip())
    return Reach(said in ("1", "true", "yes"), hosts)


@lru_cache(maxsize=8)
def _read(path: str, changed: int, size: int) -> Catalogue:
    written = _written(path)
    entries: dict[str, Any] = {}
    endpoints: dict[str, tuple[Endpoint, ...]] = {}
    for name, entry in _checked(written, path).items():
        if "endpoints" in entry:
            endpoints[name] = tuple(Endpoint(**one) for one in entry.pop("endpoints"))
        entries[name] = {**(_built_in().get(name) or _unknown(name)), "source": path, **entry}
    every = {**_built_in(), **entries}
    for name, entry in entries.items():
        if (wrong := _not_same(name, entry, every)) is not None:
            raise ModelError(wrong[0], _place(path, written, (name, "same_as")), wrong[1])
    return Catalogue(Catalogue.from_plain(every).models, endpoints)


def _not_same(name: str, entry: Mapping[str, Any], every: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """What is wrong with the model that an entry takes its facts from, and the remedy."""
    seen, other = {name}, entry.get("same_as")
    while other is not None:
        if other in seen:
            return f"`same_as` of {name} leads back to {other}.", "Say the facts of one of them."
        if other not in every:
            near = get_close_matches(other, every, 1)
            return f"`same_as` of {name} names no model: {other}.", f"Did you mean {near[0]}?" if near else None
        seen.add(other)
        other = every[other].get("same_as")
    return None


def _unknown(name: str) -> dict[str, Any]:
    """What is assumed of a model that the file declares and nobody knew before."""
    modes = MODES if provider_of(name) == "compatible" else ("strict",)
    return {"modes": modes, "parameters": OPENAI_PARAMETERS}


def _written(path: str) -> Any:
    """The file's mapping, in which ruamel keeps the places."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        written = YAML(typ="rt").load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"The file of models cannot be read: {error.strerror}.", path) from None
    except MarkedYAMLError as error:
        at = error.problem_mark
        where = path if at is None else f"{path}:{at.line + 1}:{at.column + 1}"
        raise ModelError(f"This is not YAML: {error.problem}.", where, "Check the indentation and quotes.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"This is not YAML: {error}.", path) from None
    except RecursionError:
        raise ModelError("This is nested too deeply to be read.", path) from None
    if written is None:
        return {}
    if not isinstance(written, dict):
        raise ModelError("A file of models is a mapping of names.", path, "Write `compatible/my-model:` and its facts.")
    return written


def _checked(written: Any, path: str) -> dict[str, dict[str, Any]]:
    """The entries as plain values of the right kinds."""
    from pydantic import ValidationError

    try:
        entries = _adapter().validate_python(_plain(written))
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        steps = tuple(first["loc"])
        where = _place(path, written, steps)
        message, fix = _said(first, steps)
        raise ModelError(message, where, fix) from None
    for name in entries:
        provider, _, model = name.partition("/")
        if provider not in (*_PROVIDERS, *BRIDGED) or not model:
            message = f"{name!r} is not the name of a model: it names no provider that is known."
            fix = f"Write compatible/{model or provider}, or one of {', '.join(_PROVIDERS)}."
            raise ModelError(message, _place(path, written, (name,)), fix)
    return {name: one.model_dump(exclude_unset=True, mode="python") for name, one in entries.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _place(path: str, written: Any, steps: tuple[int | str, ...]) -> str:
    """Where the innermost of these steps stands that the file has."""
    at, held = (0, 0), written
    for step in steps:
        try:
            at = held.lc.item(step) if isinstance(step, int) else held.lc.key(step)
            held = held[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return f"{path}:{at[0] + 1}:{at[1] + 1}"


def _said(wrong: Any, steps: tuple[int | str, ...]) -> tuple[str, str | None]:
    """The sentence and the remedy."""
    name = str(next((step for step in reversed(steps) if isinstance(step, str)), steps[-1]))
    if wrong["type"] == "extra_forbidden":
        near = get_close_matches(name, _KEYS, 1)
        return f"There is no fact `{name}`.", f"Did you mean `{near[0]}`?" if near else None
    if wrong["type"] == "missing":
        return f"`{name}` is missing.", None
    return f"`{name}` is not right: {wrong['msg'].removeprefix('Value error, ')}.", None


_KEYS = (
    *("same_as", "context", "max_output", "inputs", "modes", "tools", "logprobs", "parameters", "asks_again", "price"),
    *("tokenizer", "images", "most_images", "most_file_bytes", "most_bytes", "source", "date", "endpoints", "url"),
    *("key", "model", "api_version", "headers", "requests_per_minute", "tokens_per_minute", "input", "output"),
)


_PROVIDERS = ("openai", "azure", "compatible")


def _is_variable(name: str) -> str:
    if name and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        raise ValueError("it names the environment variable that holds the key, such as MY_KEY; a key is in no file")
    return name


def _is_finite(amount: Decimal) -> Decimal:
    if not amount.is_finite():
        raise ValueError("it is an amount of dollars")
    return amount


def _are_settings(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in SETTINGS:
            raise ValueError(f"there is no setting {name!r}; there are {', '.join(SETTINGS)}")
    return names


def _is_rule(value: Any) -> Any:
    try:
        rule_from_plain(value).tokens((100, 100))
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        example = "{kind: tiles, base: 85, tile: 170}"
        raise ValueError(f"it is no rule of counting images, such as {example}") from error
    return value


@cache
def _adapter() -> Any:
    from annotated_types import Ge, MinLen
    from pydantic import (
        AfterValidator,
        BaseModel,
        BeforeValidator,
        ConfigDict,
        Field,
        PositiveFloat,
        PositiveInt,
        TypeAdapter,
    )

    Amount = Annotated[Decimal, Ge(0), AfterValidator(_is_finite)]

    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")

    class Prices(Strict):
        input: Amount
        output: Amount
        cached: Amount | None = None
        batch: Prices | None = None

    class Place(Strict):
        url: str
        key: Annotated[str, AfterValidator(_is_variable)] | None = None
        model: str = ""
        api_version: Annotated[str, BeforeValidator(str)] = ""  # YAML takes 2024-10-21 for a day
        headers: dict[str, str] = Field(default_factory=dict)
        modes: tuple[Mode, ...] = ()
        requests_per_minute: PositiveFloat | None = None
        tokens_per_minute: PositiveFloat | None = None

    class Entry(Strict):
        same_as: str | None = None
        context: PositiveInt | None = None
        max_output: PositiveInt | None = None
        inputs: tuple[Input, ...] = ("text",)
        modes: Annotated[tuple[Mode, ...], MinLen(1)] = ("strict",)
        tools: bool = False
        logprobs: bool = False
        parameters: Annotated[tuple[str, ...], AfterValidator(_are_settings)] = ()
        asks_again: bool = True
        price: Prices | None = None
        tokenizer: str = ""
        images: Annotated[dict[str, Any], AfterValidator(_is_rule)] | None = None
        most_images: PositiveInt | None = None
        most_file_bytes: PositiveInt | None = None
        most_bytes: PositiveInt | None = None
        source: str = ""
        date: Annotated[str, BeforeValidator(str)] = ""
        endpoints: Annotated[tuple[Place, ...], MinLen(1)] = ()

    here = {**globals(), **locals()}  # annotations are texts here, and the classes are not the module's
    Prices.model_rebuild(_types_namespace=here)
    Place.model_rebuild(_types_namespace=here)
    Entry.model_rebuild(_types_namespace=here)
    return TypeAdapter(dict[str, Entry])
