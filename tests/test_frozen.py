"""Values that are made quickly are what their dataclass would have made."""

from __future__ import annotations

import copy
import inspect
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, asdict, dataclass, field, replace
from threading import Barrier
from typing import Any

import pytest

from extract.frozen import LATE, but, later, quick


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


@quick
@dataclass(frozen=True)
class Slow:
    name: str = field(metadata=LATE)
    seen: str = field(default="no", metadata=LATE)


def test_a_late_field_is_computed_once_and_only_when_somebody_asks() -> None:
    asked: list[str] = []
    made = Slow(later(lambda: asked.append("name") or "a"))  # type: ignore[func-returns-value]
    assert (made.seen, asked) == ("no", [])
    assert (made.name, made.name, asked) == ("a", "a", ["name"])
    assert "_later_name" not in vars(made)  # what it was computed from is let go of


@pytest.mark.parametrize(
    "ask",
    [
        lambda made: made == Slow("a", "b"),
        lambda made: repr(made) == "Slow(name='a', seen='b')",
        lambda made: hash(made) == hash(Slow("a", "b")),
        lambda made: pickle.loads(pickle.dumps(made)) == Slow("a", "b"),
        lambda made: copy.copy(made) == Slow("a", "b"),
        lambda made: replace(made, name="c") == Slow("c", "b"),
        lambda made: but(made, seen="b") == Slow("a", "b"),
        lambda made: asdict(made) == {"name": "a", "seen": "b"},
    ],
)
def test_a_value_with_late_fields_is_like_any_other(ask: Callable[[Slow], bool]) -> None:
    assert ask(Slow(later(lambda: "a"), seen=later(lambda: "b")))


def test_what_a_late_field_raises_is_raised_to_each_who_asks() -> None:
    made = Slow(later(lambda: {}["a"]))
    for _ in range(2):
        with pytest.raises(KeyError):
            _ = made.name


def test_threads_that_ask_at_the_same_moment_get_the_same() -> None:
    for _ in range(50):
        barrier = Barrier(4)
        made = Slow(later(lambda: str(time.sleep(0.0001))))

        def asks(made: Slow = made, barrier: Barrier = barrier) -> str:
            barrier.wait()
            return made.name

        with ThreadPoolExecutor(4) as threads:
            assert {one.result() for one in [threads.submit(asks) for _ in range(4)]} == {"None"}


def test_it_is_frozen_and_says_what_it_takes() -> None:
    with pytest.raises(FrozenInstanceError):
        Quick("a").name = "b"  # type: ignore[misc]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Quick()  # type: ignore[call-arg]
    assert inspect.signature(Quick) == inspect.signature(Plain)
