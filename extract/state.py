"""What a task knows of one document at a moment of its way: a frozen value, and each answer makes another one of it.

`task` decides by it what to ask next; nothing here decides anything. How sure the leaves are is kept by their pointers,
and `reassured` says what becomes of that when some places come from another answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar

from .call import Call, Reply
from .catalogue import ModelFacts
from .events import Event
from .extraction import Attempt, Problem
from .frozen import but, later, later_of
from .pointer import ABSENT, upwards, within
from .rest import Gap

__all__ = ["State", "reassured", "touched"]

T = TypeVar("T")


@dataclass(frozen=True)
class State(Generic[T]):
    """What is known of one document so far. `open` is what a value lacks whose answer was cut off; `left` is what the
    reader left out or as it was, and why: it stays wrong until its place changes, though validation may not mind;
    `stuck` are complaints that an answer did not settle, `cut` the settings that an answer had not enough room with.
    `unsure` are the places that the present model is asked for although they are valid, `doubted` those that the next
    one will be. `halted` is why the present model was given up, `unread` why its last answer could not be read."""

    value: Any = ABSENT
    open: tuple[Gap, ...] = ()
    left: tuple[Problem, ...] = ()
    stuck: frozenset[tuple[str, str]] = frozenset()
    cut: Mapping[str, Any] | None = None
    salvage: Any = None
    instance: T | None = None
    problems: tuple[Problem, ...] = ()
    unsure: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()
    halted: Problem | None = None
    unread: Problem | None = None
    confidence: Mapping[str, float] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether there is a record that is read, complete and valid."""
        return self.value is not ABSENT and not (self.problems or self.open or self.unread)

    @property
    def valid(self) -> bool:
        """Whether there is a valid record, whatever its last answer was."""
        return self.value is not ABSENT and not (self.problems or self.open)

    @property
    def settled(self) -> bool:
        return self.whole and not (self.unsure or self.doubted or self.halted)

    def better(self, before: State[T]) -> bool:
        """Whether other places are wrong than before: those that were have been mended."""
        now, then = ({problem.pointer for problem in one.problems} for one in (self, before))
        return now != then or (before.value is ABSENT) != (self.value is ABSENT)

    def goes_on(self, before: State[T]) -> bool:
        """Whether a cut answer left something that the next one goes on from, and more than there was."""
        return self.value is not before.value and (bool(self.open) or self.better(before))

    @property
    def limited(self) -> bool:
        return self.halted is not None and self.halted.kind == "limit"

    @property
    def failing(self) -> list[str]:
        """The places that are to be asked for again."""
        return [problem.pointer for problem in self.problems] + list(self.unsure)

    def after(self, before: State[T]) -> State[T]:
        """The state with the complaints that an answer was to settle and did not."""
        if not before.problems:
            return self
        then = {(one.pointer, one.message) for one in before.problems}
        return but(self, stuck=self.stuck | (then & {(one.pointer, one.message) for one in self.problems}))

    def halt(self, problem: Problem) -> State[T]:
        event = Event(f"failure.{problem.kind}", note=problem.message)
        return but(self, halted=problem, events=(*self.events, event))

    def noted(self, call: Call, reply: Reply, facts: ModelFacts) -> State[T]:
        charged = reply.paid or reply.usage.output > 0  # answers of no use may have come before a failure
        usage, batch, heavy = reply.usage, reply.batch, any(part.data for part in call.inputs)
        attempt = Attempt(
            key=call.key if heavy else later_of(call, "key"),  # images are not kept for the sake of a key
            model=facts.name,
            number=call.attempt,
            outcome=reply.outcome,
            usage=usage,
            cost=later(lambda: facts.cost(usage, batch=batch)) if charged else Decimal(0),
        )
        attempts, events = (*self.attempts, attempt), self.events
        if reply.mode not in facts.modes[:1] and len(facts.modes) > 1 and reply.paid:
            weaker = Event(f"mode.{reply.mode}", note=f"{facts.name} does not hold answers to a strict schema")
            events = events if weaker in events else (*events, weaker)
        if reply.estimated:
            events = (*events, Event("usage.estimated", note=f"{facts.name} does not say how many tokens it took"))
        return but(self, attempts=attempts, events=events)


def reassured(old: Mapping[str, float], new: Mapping[str, float] | None, taken: tuple[str, ...]) -> Mapping[str, float]:
    """The confidences after `taken` places came from another answer."""
    if not (old or new):
        return old
    gone, come = touched(old, taken), set(within(new or (), taken))
    return {p: c for p, c in old.items() if p not in gone} | {p: c for p, c in (new or {}).items() if p in come}


def touched(pointers: Iterable[str], places: tuple[str, ...]) -> set[str]:
    """The pointers that lead into some places, or to what they are in: a list that was empty is not any more."""
    return set(within(pointers, places)) | {around for place in places for around in upwards(place)}
