"""What several workers of one run share, on the side that keeps it: its ledger, its budgets and its pace.

Workers (`remote`) ask in batches, so that one message serves all that came up at about the same time. The sums hold
over all of them because there is one of each here: a call's greatest cost is set aside before any worker sends it, and
turns are given out by one clock. A worker that died may have had calls under way: what was set aside for them counts as
taken, since nobody knows what was charged. A call that one worker has under way is not sent by another, which waits for
the reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..call import Reply
from ..errors import ExtractError
from ..ledger import Cache, Entry, Lookup, RunLedger, Synchronous
from ..limits import NOTHING, Amounts, Limits, Traffic

__all__ = ["ELSEWHERE", "Asked", "Keeper", "Raised", "value_of"]

Asked = tuple[str, tuple[Any, ...]]
"""One thing that a worker asks: its kind, and what goes with it."""

ELSEWHERE = "elsewhere"
"""The answer for a call that another worker has under way."""


@dataclass(frozen=True)
class Raised:
    """An error as an answer: it is raised where it was asked for."""

    error: ExtractError


def value_of(answer: Any) -> Any:
    """What an answer holds; raises what it has of an error."""
    if isinstance(answer, Raised):
        raise answer.error
    return answer


@dataclass
class _Held:
    """What a worker has of the run's: the amounts that are set aside for it, and the calls that it has under way."""

    amounts: Amounts = NOTHING
    keys: set[str] = field(default_factory=set)


class Keeper:
    """Keeps the ledger of one run's folder, for the process that runs it (`open` comes first, then `serves`) and for
    its workers. A worker has a number and, for each time that it was started, a name; what still comes by an earlier
    name is recorded, and changes nothing else."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._held: dict[str, _Held] = {}
        self._out: dict[str, tuple[str, asyncio.Event]] = {}
        self._lookup: Lookup | None = None
        self._kinds: Mapping[str, Callable[..., Any]] = {
            "reply": self._reply,
            "record": self._recorded,
            "free": self._free,
            "known": self._known,
            "claim": self._claim,
            "give back": self._give_back,
            "reserve": self._reserve,
            "settle": self._settle,
        }

    # ---- for the process that runs the run

    async def open(
        self, folder: Path, synchronous: Synchronous, cache: Cache | None, asks: Mapping[str, tuple[str, str]]
    ) -> int | Raised:
        """Opens the ledger of a folder, and the cache that it looks into; gives the number of its last start."""
        try:
            self._ledger = await asyncio.to_thread(RunLedger, folder, synchronous=synchronous)
            if cache is not None:
                look = asyncio.to_thread(Lookup, cache, lambda name: asks.get(name, ("", "")))
                self._lookup = self._ledger.cache = await look
        except ExtractError as error:
            return Raised(error)
        return self._ledger.start

    async def ledger(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, int]:
        """What a method of the ledger gives, and the number of this start."""
        answer = await _or_raised(getattr(self._ledger, name)(*given, **named))
        return answer, self._ledger.start

    async def serves(self, limits: Limits, setup: Any) -> None:
        """Begins to serve workers, within what the limits leave; `setup` is what each of them begins with."""
        self._traffic, self._setup = Traffic(limits, await self._ledger.spent()), setup

    async def enter(self, entries: Sequence[Entry]) -> tuple[Any, Decimal, Decimal]:
        """Records entries; gives the US dollars that are spent, and those beyond what was set aside for them."""
        for entry in entries:
            await self._ledger.enter_soon(entry)
        budget = self._traffic.budget
        return await _or_raised(self._ledger.entered()), budget.spent, budget.over

    async def close(self) -> None:
        """Commits what has come in, and lets go of the folder."""
        if self._lookup is not None:
            await asyncio.to_thread(self._lookup.close)
        await asyncio.to_thread(self._ledger.close)

    # ---- for workers

    async def arrived(self, number: int, worker: str) -> Any:
        """A worker begins; gives what it begins with. If there was one of its number before, that one has died."""
        before = self._held.pop(self._names.get(number, ""), None)
        self._names[number], self._held[worker] = worker, _Held()
        if before is not None:
            self._traffic.settle(before.amounts, before.amounts)
            for key in before.keys:
                self._let_go(key)
        return self._setup

    async def serve(self, worker: str, asked: Sequence[Asked]) -> list[Any]:
        """The answers to what one worker asks; errors among them are `Raised`. What it records is recorded first, in
        one transaction."""
        paid = [rest for kind, rest in asked if kind == "record"]
        recorded = await _or_raised(self._ledger.record_all(paid)) if paid else None
        answers = []
        for kind, rest in asked:
            answer = self._kinds[kind](worker, *rest)
            answer = await _or_raised(answer) if isinstance(answer, Awaitable) else answer
            answers.append(recorded if isinstance(recorded, Raised) and kind == "record" else answer)
        return answers

    async def reserve(self, worker: str, most: Amounts) -> Raised | None:
        """Sets aside what a call may take, once there is room for it."""
        answer = await _or_raised(self._traffic.reserve(most))
        if answer is None and worker in self._held:
            self._holds(worker, most)
        elif answer is None:
            self._traffic.settle(most, NOTHING)
        return answer  # type: ignore[no-any-return]

    async def wait(self, worker: str, key: str) -> Reply | None:
        """The reply to a call that another worker has under way, once it has come; None if none came, and the call is
        this worker's now."""
        while (answer := await self._reply(worker, key)) == ELSEWHERE:
            await self._out[key][1].wait()
        assert not isinstance(answer, str)
        return answer

    # ---- the kinds of what is asked

    async def _reply(self, worker: str, key: str) -> Reply | str | None:
        found = await self._ledger.reply(key)
        if found is not None:
            return found
        holder = self._out.get(key)
        if holder is None and worker in self._held:
            self._out[key] = worker, asyncio.Event()
            self._held[worker].keys.add(key)
        return None if holder is None or holder[0] == worker else ELSEWHERE

    def _recorded(self, worker: str, key: str, *_: Any) -> None:
        self._free(worker, key)

    def _free(self, worker: str, key: str) -> None:
        """A call is no longer under way."""
        if worker in self._held and key in (keys := self._held[worker].keys):
            keys.remove(key)
            self._let_go(key)

    def _let_go(self, key: str) -> None:
        if (out := self._out.pop(key, None)) is not None:
            out[1].set()

    async def _known(self, worker: str, stage: int, id: str) -> tuple[int, Entry] | None:
        return await self._ledger.known(stage, id)

    def _claim(self, worker: str, tokens: int) -> float:
        pace = self._traffic.pace
        return 0.0 if pace is None else pace.claim(asyncio.get_running_loop().time(), tokens)

    def _give_back(self, worker: str, tokens: int) -> None:
        if self._traffic.pace is not None:
            self._traffic.pace.give_back(tokens)

    def _reserve(self, worker: str, most: Amounts) -> bool:
        """Whether what a call may take is set aside; it is not where others stand in the way, or the limit does."""
        rooms = zip(self._traffic.left, most, strict=True)
        if worker not in self._held or not all(left is None or amount <= left for left, amount in rooms):
            return False
        self._traffic.hold(most)
        self._holds(worker, most)
        return True

    def _settle(self, worker: str, reserved: Amounts, taken: Amounts) -> None:
        if worker in self._held:
            self._holds(worker, reserved, -1)
            self._traffic.settle(reserved, taken)

    def _holds(self, worker: str, amounts: Amounts, sign: int = 1) -> None:
        held = self._held[worker]
        dollars, tokens, calls = (a + sign * b for a, b in zip(held.amounts, amounts, strict=True))
        held.amounts = dollars, tokens, calls


async def _or_raised(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except ExtractError as error:
        return Raised(error)
