"""How a record whose answer was cut off goes on.

What a cut answer still lacks is a set of `Gap`s: a value that is not there, a list whose next items are missing, a map
whose other entries are. `begin` makes them from what was certain and from what was open; what was open and has no path
of its own is taken out, and what is around it is asked for as a whole. `asked` words them for a call, and `go_on` takes
an answer over: values where they were missing, items in their order behind those that are there, and nothing else.

A gap stays until it is closed: a value when it is given, be it as null where there may be none; a list or a map when an
answer that ended by itself gave more of it, and each item had a place. That there is no more of a list is said by an
answer that gives nothing at all, where nothing but lists and maps was asked for. What need not be there, and what the
first answer had gone past before it was cut, is not there if an answer that is asked for it says nothing of it either.
So nothing that was cut off is lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from .call import Failed, Target
from .compiler.patching import Change, Container, Place, Places
from .events import Event
from .extraction import Problem
from .jsontext import dump, same
from .parse import Cut, Reading
from .patch import Answer, Patch, ignored, target_of
from .pointer import ABSENT, drop, get, inside, join, put, split

__all__ = ["Begun", "Gap", "Rest", "asked", "begin", "go_on"]


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing at a place: its value, the next items of the list there, or the other entries of the map. `more`:
    that there is at least one more is known; `passed`: it need not be there, and the answer had gone on behind it;
    `wrong` is what was wrong with a value that was given."""

    pointer: str
    kind: Literal["value", "items", "entries"]
    target: Target
    more: bool = False
    passed: bool = False
    wrong: Problem | None = None


@dataclass(frozen=True)
class Begun:
    """The certain part of a record, what it lacks, and what is wrong with what is there."""

    value: Any
    gaps: tuple[Gap, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Rest:
    """A record after an answer for what it lacked: the gaps that are left, what was wrong with values that were given,
    and an event for each change that was taken or left."""

    value: Any
    gaps: tuple[Gap, ...]
    problems: tuple[Problem, ...] = ()
    events: tuple[Event, ...] = ()


# ---- what a cut answer lacks


def begin(patch: Patch, cut: Reading, seen: Any = ABSENT, ended: bool = False) -> Begun | None:
    """What of a cut answer is kept and goes on, or None where it has to be asked for again as a whole. `seen` is what
    there is to see of the answer, half texts included. `ended`: it ended by itself, and is only not closed; then it may
    lack nothing."""
    if cut.cut is None or any(one.kind == "reading" and not one.pointer for one in cut.problems):
        return None
    way = list(_way(cut.value, cut.cut.open))
    for depth in range(len(way), 0, -1):
        kept = way[:depth]
        certain, begun = _certain(cut.value, cut.cut, kept, seen, ended)
        found = _gaps(patch.places, certain, kept, begun)
        if found is not None:
            value, gaps = found[0], tuple(_passed(patch.places, cut.value, cut.cut, kept, found[1]))
            whole = ended and depth == len(cut.cut.open)
            return _judged(value, gaps, cut.problems, certain, kept) if certain and (gaps or whole) else None
    return None


def _way(value: Any, open_: Iterable[str]) -> Iterator[str]:
    """The open lists and objects that are there, each in the one before."""
    outer = None
    for place in open_:
        if not isinstance(get(value, place), (dict, list)):
            return
        if outer is not None and not (inside(place, outer) and len(split(place)) == len(split(outer)) + 1):
            return
        yield place
        outer = place


def _certain(value: Any, cut: Cut, kept: list[str], seen: Any, ended: bool) -> tuple[Any, bool]:
    """The value with nothing unfinished inside of the innermost container that is kept, and whether it is known that
    there is more of that one. The last part that can be seen is asked for again, if it is an item of a list or a plain
    value: so it is seen where the answer goes on, and a text that a provider has closed is not taken for whole."""
    innermost = kept[-1]
    begun = next((one for one in cut.open[len(kept) :] if inside(one, innermost) and one != innermost), None)
    part = begun or cut.last
    if part is None or part == innermost or not inside(part, innermost) or (begun is None and ended and cut.goes_on):
        return value, cut.goes_on
    last = join(*split(part)[: len(split(innermost)) + 1])
    held, around, shown = get(value, last), get(value, innermost), get(seen, innermost)
    if held is ABSENT:
        return value, True
    if begun is None and isinstance(shown, (dict, list)) and len(shown) > len(around):
        return value, True  # another one had begun, and is the last
    if isinstance(around, list):
        return put(value, innermost, around[: int(split(last)[-1])]), True
    if begun is None and isinstance(held, (dict, list)):
        return value, cut.goes_on
    return drop(value, last), True


def _gaps(places: Places, value: Any, way: list[str], begun: bool) -> tuple[Any, tuple[Gap, ...]] | None:
    """The value with the containers that its gaps are in, and what the open containers lack; None where something of
    that has no path. `begun`: of the innermost one, another part had begun."""
    gaps: list[Gap] = []
    for place in way:
        container = places.container(split(place))
        if container is None:
            return None
        made = _lacking(places, value, place, container, begun and place == way[-1])
        if made is None:
            return None
        value, found = made
        gaps += found
    return value, tuple(gaps)


def _lacking(
    places: Places, value: Any, pointer: str, container: Container, more: bool
) -> tuple[Any, list[Gap]] | None:
    """What an open container lacks."""
    held = get(value, pointer)
    if not isinstance(held, list if container.kind == "list" else dict):
        return None
    names = set(held) if container.kind == "record" else set()
    if container.kind != "record":
        member = container.members[0]
        if member.path not in places.by_path:
            return None
        return value, [Gap(pointer, "items" if container.kind == "list" else "entries", _target(member, pointer), more)]
    gaps: list[Gap] = []
    if not names <= {member.steps[-1] for member in container.members}:
        return None  # it is not understood: a bracket may be missing in it
    for member in container.members:
        place = pointer + join(str(member.steps[-1]))
        if get(value, place) is ABSENT:
            made = _missing(places, value, place, member)
            if made is None:
                return None
            value, found = made
            gaps += found
    return value, gaps


def _missing(places: Places, value: Any, pointer: str, member: Place) -> tuple[Any, list[Gap]] | None:
    """What is asked for where a member is not there: its value, or where only its parts have paths, those."""
    if member.path in places.by_path:
        return value, [Gap(pointer, "value", _target(member, pointer))]
    container = places.containers.get(member.path)
    if container is None:
        return None
    return _lacking(places, put(value, pointer, [] if container.kind == "list" else {}), pointer, container, False)


def _passed(places: Places, value: Any, cut: Cut, kept: list[str], gaps: Iterable[Gap]) -> Iterator[Gap]:
    """The gaps, with what is known of fields that an answer left out on its way to later ones."""
    left_out = [at for place in kept for at in _left_out(places, value, cut, place)]
    for gap in gaps:
        yield replace(gap, passed=any(inside(gap.pointer, at) for at in left_out) and gap.pointer not in kept)


def _left_out(places: Places, value: Any, cut: Cut, place: str) -> list[str]:
    """The fields of an open record that need not be there, and that an answer in the declared order has gone past."""
    container = places.container(split(place))
    if container is None or container.kind != "record":
        return []
    ways = {place + join(str(member.steps[-1])): member for member in container.members}
    there = [at for at in ways if get(value, at) is not ABSENT or at in cut.open]
    written = [place + join(name) for name in get(value, place)]
    if not there or written != [at for at in there if at in written]:
        return []
    before = list(ways)[: list(ways).index(there[-1])]
    missing = [at for at in before if at not in there]
    return [] if any(ways[at].required for at in missing) else missing


def _target(place: Place, pointer: str) -> Target:
    return target_of(place, split(pointer))


def _judged(value: Any, gaps: tuple[Gap, ...], problems: tuple[Problem, ...], certain: Any, way: list[str]) -> Begun:
    """The beginning with its problems: not those of what was taken out or of what is still open; where a value is asked
    for anyway, what was wrong with it is told."""
    wrong: dict[str, Problem] = {}
    left: list[Problem] = []
    for problem in problems:
        place, around = problem.pointer, problem.pointer.rpartition("/")[0]
        gap = next((one for one in gaps if one.kind == "value" and inside(place, one.pointer)), None)
        if gap is not None and problem.kind != "missing":
            wrong.setdefault(gap.pointer, problem)
        elif gap is None and place not in way and get(certain, around if around not in way else place) is not ABSENT:
            left.append(problem)
    told = (wrong.get(gap.pointer) if gap.kind == "value" else None for gap in gaps)
    made = (replace(gap, wrong=one, passed=gap.passed and one is None) for gap, one in zip(gaps, told, strict=True))
    return Begun(value, tuple(made), tuple(left))


# ---- how it is asked for


def asked(value: Any, gaps: Iterable[Gap]) -> tuple[Failed, ...]:
    """The gaps as a call asks for them."""
    return tuple(_worded(value, gap) for gap in gaps)


def _worded(value: Any, gap: Gap) -> Failed:
    wrong = gap.wrong
    told = "" if wrong is None else f" ({wrong})" if gap.kind != "value" else f": {wrong.message}"
    if gap.kind == "value":
        return Failed(
            gap.pointer, None if wrong is None else wrong.value, f"this is not there yet{told}", (gap.target,)
        )
    held = get(value, gap.pointer)
    last = ""
    if held and isinstance(held, list):
        last = f", the last one {dump(held[-1])}"
    elif held:
        name = next(reversed(held))
        last = f", the last one {dump(name)}: {dump(held[name])}"
    count = f"{len(held)} {gap.kind} are there" if len(held) != 1 else f"1 {_ONE[gap.kind]} is there"
    message = f"{count}{last}; the next ones are missing{told}"
    return Failed(gap.pointer, None, message, (gap.target,))


_ONE = {"items": "item", "entries": "entry"}


# ---- what an answer adds


def go_on(value: Any, gaps: Sequence[Gap], answer: Answer, ended: bool) -> Rest:
    """The value with what an answer gives for its gaps. `ended`: the answer ended by itself, and was read whole."""
    left: list[Gap] = []
    problems: list[Problem] = []
    placed: set[int] = set()
    nothing = not answer.changes and all(gap.kind != "value" or gap.passed for gap in gaps)
    for gap in gaps:
        given = {index: one for index, one in enumerate(answer.changes) if _fits(gap, one)}
        wrong = next((one for one in answer.refused if inside(one.pointer, gap.pointer)), None)
        if gap.kind == "value":
            value, taken = _given(value, given)
            if wrong is not None and not given:
                problems.append(replace(wrong, pointer=gap.pointer, message=_inner(wrong, gap.pointer)))
            elif not (taken or (ended and gap.passed and not given)):
                left.append(gap)
        else:
            value, taken, clean = (_items if gap.kind == "items" else _entries)(value, gap.pointer, given)
            strays = (one for one in answer.changes if inside(one.pointer, gap.pointer) and not _asked(one, gaps))
            more = (gap.more and not taken) or any(inside(place, gap.pointer) for place in answer.begun)
            closed = (
                ended
                and clean
                and not more
                and wrong is None
                and not any(strays)
                and (bool(given) or nothing or gap.passed)
            )
            left += [] if closed else [replace(gap, more=more, wrong=wrong)]
        placed |= taken
    return Rest(value, tuple(left), tuple(problems), answer.events + tuple(_told(answer.changes, placed)))


def _told(changes: Iterable[Change], placed: set[int]) -> Iterator[Event]:
    """An event for each change that was taken or left."""
    for index, change in enumerate(changes):
        if index not in placed:
            yield ignored(change)
        elif change.value is not ABSENT:
            yield Event("repair.field", change.pointer, after=change.value)


def _inner(problem: Problem, pointer: str) -> str:
    """The message of a problem that is told of a place around it."""
    return problem.message if problem.pointer == pointer else f"{problem.pointer[len(pointer) :]}: {problem.message}"


def _fits(gap: Gap, change: Change) -> bool:
    """Whether a change is what a gap asks for."""
    if gap.kind == "value":
        return change.pointer == gap.pointer
    return change.pointer.rpartition("/")[0] == gap.pointer and change.pointer != ""


def _asked(change: Change, gaps: Sequence[Gap]) -> bool:
    return any(_fits(gap, change) for gap in gaps)


def _given(value: Any, given: dict[int, Change]) -> tuple[Any, set[int]]:
    """The value with one that was missing, and which changes gave it: none, where two say different things."""
    changes = list(given.values())
    if not changes or any(not _alike(changes[0].value, one.value) for one in changes[1:]):
        return value, set()
    if changes[0].value is not ABSENT:
        value = put(value, changes[0].pointer, changes[0].value)
    return value, set(given)


def _items(value: Any, pointer: str, given: dict[int, Change]) -> tuple[Any, set[int], bool]:
    """The value with the next items of a list, in their order; which changes were taken, and whether these are all, and
    give nothing twice. Where an item differs from one that is there, the indexes are not to be trusted, and nothing is
    taken."""
    held = get(value, pointer)
    by_index: dict[int, Any] = {}
    twice = False
    for change in given.values():
        index = int(split(change.pointer)[-1])
        known = held[index] if index < len(held) else by_index.get(index, ABSENT)
        if change.value is ABSENT or (known is not ABSENT and not _alike(known, change.value)):
            return value, set(), False
        twice = twice or known is not ABSENT
        by_index[index] = change.value
    end = len(held)
    while end in by_index:
        end += 1
    if end > len(held):
        value = put(value, pointer, [*held, *(by_index[index] for index in range(len(held), end))])
    taken = {at for at, change in given.items() if len(held) <= int(split(change.pointer)[-1]) < end}
    return value, taken, not twice and len(taken) == len(given)


def _entries(value: Any, pointer: str, given: dict[int, Change]) -> tuple[Any, set[int], bool]:
    """The value with more entries of a map; which changes were taken, and whether none says something else than what is
    there, or than another one."""
    held = get(value, pointer)
    made = dict(held)
    taken: set[int] = set()
    clean = True
    by_key: dict[str, list[int]] = {}
    for index, change in given.items():
        by_key.setdefault(split(change.pointer)[-1], []).append(index)
    for key, indexes in by_key.items():
        new = given[indexes[0]].value
        if new is ABSENT or any(not _alike(given[index].value, new) for index in indexes):
            clean = False
        elif key in held:
            clean = clean and _alike(held[key], new)
        else:
            made[key] = new
            taken |= set(indexes)
    return (put(value, pointer, made) if taken else value), taken, clean


def _alike(one: Any, other: Any) -> bool:
    return one is other or (one is not ABSENT and other is not ABSENT and same(one, other))
