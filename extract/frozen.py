"""Frozen values that are made several times for each call, made in less than half the time.

A frozen dataclass sets each field by a call of its own, past the guard that keeps it frozen. `quick` gives it an
``__init__`` with the same parameters that writes the fields into the value's dictionary; all else about the value is
the dataclass's. `but` is `dataclasses.replace` for values that are changed as often, `computed` a
`functools.cached_property`, which takes a lock each time before Python 3.12. A field that is declared `LATE` may be
given as `later`: it is computed when somebody asks for it, which for a digest of a long text is often nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from dataclasses import replace as but
    from functools import cached_property as computed

__all__ = ["LATE", "but", "computed", "later", "later_of", "quick"]

C = TypeVar("C")

LATE: Mapping[str, Any] = {"late": True}
"""The metadata of a field of a `quick` class that may be given as `later`."""


class _Later:
    __slots__ = ("compute",)

    def __init__(self, compute: Callable[[], Any]):
        self.compute = compute


def later(compute: Callable[[], Any]) -> Any:
    """In place of a field's value: it is what this gives, which is called when the field is first asked for."""
    return _Later(compute)


def later_of(value: Any, name: str) -> Any:
    """What is `computed` of a value, if it was by now, or later."""
    found = value.__dict__.get(name)
    return later(lambda: getattr(value, name)) if found is None else found


def quick(cls: type[C]) -> type[C]:
    """The frozen dataclass with the quick ``__init__``; it has no slots, no ``__post_init__``, and fields only that are
    given by their names."""
    names: dict[str, Any] = {"_to_be_made": object()}
    parameters, lines = ["self"], ["own = self.__dict__"]
    for one in fields(cls):  # type: ignore[arg-type]
        value = one.name
        if one.default is not MISSING:
            names[f"_{one.name}"] = one.default
            parameters.append(f"{one.name}=_{one.name}")
        elif one.default_factory is not MISSING:
            names[f"_{one.name}"] = one.default_factory
            parameters.append(f"{one.name}=_to_be_made")
            value = f"_{one.name}() if {one.name} is _to_be_made else {one.name}"
        else:
            parameters.append(one.name)
        name = repr(one.name)
        if one.metadata.get("late"):
            names["_Later"] = _Later
            name = f"{'_later_' + one.name!r} if {one.name}.__class__ is _Later else {name}"
        lines.append(f"own[{name}] = {value}")
    exec(f"def init({', '.join(parameters)}):\n " + "\n ".join(lines), names)  # as dataclasses make theirs
    setattr(cls, "__init__", update_wrapper(names["init"], cls.__init__))  # noqa: B010  mypy knows of no other way
    late = [one.name for one in fields(cls) if one.metadata.get("late")]  # type: ignore[arg-type]
    for one_name in late:
        setattr(cls, one_name, _Late(one_name))
    if late:
        setattr(cls, "__getstate__", lambda value: _known(value, late))  # noqa: B010
    return cls


def _known(value: Any, late: list[str]) -> dict[str, Any]:
    """All that a value has, with what was to be computed: it may go where that cannot be done."""
    for name in late:
        getattr(value, name)
    return dict(value.__dict__)


class _Late:
    """Stands in for a field of a value that has none yet."""

    def __init__(self, name: str):
        self._name, self._later = name, f"_later_{name}"

    def __get__(self, value: Any, owner: type | None = None) -> Any:
        if value is None:
            return self
        own = value.__dict__
        if (later := own.get(self._later)) is not None:  # otherwise another thread was quicker
            own[self._name] = later.compute()
            own.pop(self._later, None)
        try:
            return own[self._name]
        except KeyError:  # a value that is being copied, and has nothing yet
            raise AttributeError(self._name) from None


if not TYPE_CHECKING:

    class computed:
        """A property that is computed once, and again where several threads ask for it at the same moment."""

        def __init__(self, compute: Callable[[Any], Any]):
            self._compute, self.__doc__ = compute, compute.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self._name = name

        def __get__(self, value: Any, owner: type | None = None) -> Any:
            if value is None:
                return self
            found = value.__dict__[self._name] = self._compute(value)
            return found

    def but(value: C, /, **changes: Any) -> C:
        """A frozen value without slots, with these changes. `dataclasses.replace` takes several times as long: it makes
        the value anew by its fields. Here it is not looked at again, and what it has computed is taken over."""
        made = object.__new__(type(value))
        made.__dict__.update(value.__dict__, **changes)
        return made
