"""Values that are made quickly are what their dataclass would have made."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from extract.frozen import quick


@dataclass(frozen=True)
class Plain:
    name: str
    number: int = 3
    others: list[Any] = field(default_factory=list, repr=False)
    seen: str = field(default="", compare=False)


@quick
@dataclass(frozen=True)
class Quick:
    name: str
    number: int = 3
    others: list[Any] = field(default_factory=list, repr=False)
    seen: str = field(default="", compare=False)


@pytest.mark.parametrize(
    ("given", "named"),
    [(("a",), {}), (("a", 4), {"others": [1]}), ((), {"seen": "x", "name": "a"}), (("a", 4, [1], "x"), {})],
)
def test_it_has_what_it_was_given_and_the_defaults(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    plain, made = Plain(*given, **named), Quick(*given, **named)
    assert vars(made) == vars(plain)
    assert repr(made) == repr(plain).replace("Plain", "Quick")
    assert made == replace(made, seen="y") == pickle.loads(pickle.dumps(made))
    assert made != replace(made, number=5)


def test_each_has_a_default_of_its_own_where_that_is_made() -> None:
    assert Quick("a").others is not Quick("a").others


def test_it_is_frozen_and_says_what_it_takes() -> None:
    with pytest.raises(FrozenInstanceError):
        Quick("a").name = "b"  # type: ignore[misc]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Quick()  # type: ignore[call-arg]
    assert inspect.signature(Quick) == inspect.signature(Plain)
