"""How much may be sent, how fast, and for how much money.

`Limits` is what a user sets for all calls together, `Batching` how calls are gathered for a provider's batch endpoint;
`DocumentLimits`, what one document may take, is a part of its task. `Pace` holds requests and tokens per minute, first
come first served. `Budget` reserves the greatest cost of a call before it is sent and settles it afterwards, so that
the sum is never passed unless a provider charges more than its list price; what it charged beyond the reserve is kept
in `over`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Literal

from .catalogue import ModelFacts
from .document_limits import DocumentLimits
from .errors import BudgetExceeded, ExtractError, ModelError

__all__ = [
    "NOTHING",
    "Amounts",
    "Batching",
    "Budget",
    "DocumentLimits",
    "Engine",
    "Fleet",
    "Limits",
    "Pace",
    "Traffic",
    "check_priced",
    "plus",
]


Engine = Literal["local", "batch", "ray"]
"""How calls are answered: one by one, by OpenAI's Batch API, or one by one from the workers of a `Fleet`. A run may be
started by one and finished by another."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`budget_usd`, `tokens` (of input and output) and `calls` are for the whole run, over all of its starts;
    `in_flight` counts requests on the wire; `timeout` is the seconds for one attempt; `tries` the greatest number of
    attempts of one call when the transport fails."""

    budget_usd: Decimal | None = None
    tokens: int | None = None
    calls: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    in_flight: int = 32
    timeout: float = 120.0
    tries: int = 6

    def __post_init__(self) -> None:
        if self.budget_usd is not None:
            object.__setattr__(self, "budget_usd", _dollars(self.budget_usd))
        for name in ("tokens", "calls", "requests_per_minute", "tokens_per_minute", "in_flight", "timeout", "tries"):
            value, whole = getattr(self, name), name in _WHOLE
            if value is None and name in _MAY_BE_NONE:
                continue
            kinds = (int,) if whole else (int, float, Decimal)
            if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < float("inf"):
                meant = "a whole number" if whole else "a number"
                raise ExtractError(f"The limit {name} is {meant} greater than 0, not {value!r}.")


@dataclass(frozen=True, slots=True)
class Batching:
    """How calls are gathered into files for OpenAI's Batch API: at most so many `requests` and `bytes` a file, as
    OpenAI has it, and so many `tokens` of one model under way at once (None: not known; it is learnt when the queue is
    full). Where nothing more can be gathered and there are fewer than `small` calls, they are sent online. `detach`
    ends the run once all that could be asked was asked, and another start of it takes in the answers.

    So many `units` (documents and rows) are under way at once: all of them wait in memory for their answers. A file is
    closed when every unit waits and for `quiet` seconds no call has come, or for `patience` seconds although some are
    still at work. How a batch fares is asked after `poll` seconds first, then less and less often, up to `rarely`."""

    requests: int = 50_000
    bytes: int = 200_000_000
    tokens: int | None = None
    small: int = 0
    detach: bool = False
    units: int = 20_000
    quiet: float = 1.0
    patience: float = 120.0
    poll: float = 5.0
    rarely: float = 300.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "detach" or (one.name == "tokens" and value is None):
                continue
            whole, least = (
                one.name in ("requests", "bytes", "tokens", "small", "units"),
                0 if one.name == "small" else 1,
            )
            good = isinstance(value, int) and value >= least if whole else isinstance(value, (int, float)) and value > 0
            if isinstance(value, bool) or not good:
                meant = f"a whole number from {least}" if whole else "a number of seconds greater than 0"
                raise ExtractError(f"`{one.name}` of Batching is {meant}, not {value!r}.")


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers that the engine ``ray`` spreads a run over. `workers` is how many there are (None: as many as have
    room when it begins, and at most as many as there are places in flight), each with `num_cpus` of Ray's processors.
    `address` is that of a Ray cluster (None: what RAY_ADDRESS says, else Ray is started on this machine), and
    `runtime_env` goes to Ray as it is. Documents are handed out in blocks of so many (None: as fits the places in
    flight); a worker has a block given up that it died over for the `deaths`th time. So many seconds of `patience` may
    pass before the first worker is ready."""

    workers: int | None = None
    address: str | None = None
    num_cpus: float = 1
    runtime_env: Mapping[str, Any] | None = None
    block: int | None = None
    deaths: int = 3
    patience: float = 120.0

    def __post_init__(self) -> None:
        for name, least in (("workers", 1), ("block", 1), ("deaths", 1)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise ExtractError(f"`{name}` of Fleet is a whole number from {least}, not {value!r}.")


_WHOLE = ("tokens", "calls", "in_flight", "tries")
_MAY_BE_NONE = ("tokens", "calls", "requests_per_minute", "tokens_per_minute")


def _dollars(amount: Any) -> Decimal:
    """An amount of US dollars; a float is taken as it is written."""
    try:
        found = Decimal(str(amount))
    except ArithmeticError:
        found = Decimal("nan")
    if isinstance(amount, bool) or not found.is_finite() or found < 0:
        raise ExtractError(f"A budget is an amount of US dollars from 0, not {amount!r}.")
    return found


def check_priced(limits: Limits, facts: Iterable[ModelFacts]) -> None:
    """Raises `ModelError` for a budget in dollars that cannot be held, because a model has no price."""
    unpriced = [one.name for one in facts if one.price is None]
    if limits.budget_usd is not None and unpriced:
        raise ModelError(
            f"A budget in dollars cannot be held: the price of {', '.join(unpriced)} is not known.",
            fix="Leave budget_usd out, or declare the price of the model.",
        )


class Budget:
    """What one run may take of something, US dollars if not said otherwise: `spent` so far, `reserved` by calls that
    are under way, `over` what was charged beyond a reserve. It may be shared by event loops of several threads."""

    def __init__(self, limit: Decimal | int | None, spent: Decimal = Decimal(0), unit: str = "USD"):
        self.limit, self.spent, self.reserved, self.over = limit, spent, Decimal(0), Decimal(0)
        self.unit = unit
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def reserve(self, most: Decimal) -> None:
        """Sets `most` aside; waits where only the reserves of others stand in the way, because most calls cost much
        less than they may. Raises `BudgetExceeded` where what is spent already does."""
        while True:
            changed = asyncio.Event()
            with self._lock:
                if self.limit is None or self.spent + self.reserved + most <= self.limit:
                    self.reserved += most
                    return
                if self.spent + most > self.limit:
                    break
                self._waiting.append((asyncio.get_running_loop(), changed))
            await changed.wait()
        fix = "Raise the budget and start again; a run in a folder goes on where it stopped, and pays nothing twice."
        raise BudgetExceeded(self._said(most), fix=fix)

    def _said(self, most: Decimal) -> str:
        if self.unit == "USD":
            return f"The next call may cost {most:.6f} USD, and {self.spent:.6f} of {self.limit} USD are spent."
        return f"The next call may take {most:,} of the {self.unit}, and {self.spent:,} of {self.limit:,} are spent."

    @property
    def left(self) -> Decimal | None:
        """What may still be set aside (None: there is no limit)."""
        with self._lock:
            return None if self.limit is None else self.limit - self.spent - self.reserved

    def hold(self, most: Decimal) -> None:
        """Sets aside what is known to fit, or has been sent already."""
        with self._lock:
            self.reserved += most

    def settle(self, reserved: Decimal, cost: Decimal) -> None:
        """Replaces a reserve by what was paid."""
        with self._lock:
            self.reserved -= reserved
            self.spent += cost
            if self.limit is not None:
                self.over += max(Decimal(0), cost - reserved)
            waiting, self._waiting = self._waiting, []
        for loop, changed in waiting:
            with suppress(RuntimeError):  # its loop has ended, and whoever waited there with it
                loop.call_soon_threadsafe(changed.set)


class Pace:
    """Requests and tokens per minute, as two clocks that run ahead of the present.

    Each call moves each clock on by its share of a minute and waits until the present has come to where the clock
    stood, but for one second: so much may go out at once. No minute sees more than its number and a sixtieth.
    """

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None):
        self._rates = (requests_per_minute, tokens_per_minute)
        self._ready = [float("-inf"), float("-inf")]

    def claim(self, now: float, tokens: int) -> float:
        """Takes the turn of one request of so many tokens; gives the seconds to wait for it."""
        wait = 0.0
        for i, share in self._shares(tokens):
            begin = max(self._ready[i], now)
            wait = max(wait, begin - now - 1.0)
            self._ready[i] = begin + share
        return wait

    def give_back(self, tokens: int) -> None:
        """Returns a turn that was not used."""
        for i, share in self._shares(tokens):
            self._ready[i] -= share

    def _shares(self, tokens: int) -> Iterable[tuple[int, float]]:
        amounts = enumerate(zip(self._rates, (1, tokens), strict=True))
        return [(i, 60.0 * amount / rate) for i, (rate, amount) in amounts if rate]


Amounts = tuple[Decimal, Decimal, Decimal]
"""US dollars, tokens and calls."""

NOTHING: Amounts = (Decimal(0), Decimal(0), Decimal(0))


def plus(one: Amounts, other: Amounts) -> Amounts:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


class Line:
    """Where several stand in line, one after the other: who is inside is the first. `standing` are all of them."""

    def __init__(self) -> None:
        self.standing = 0
        self._first = asyncio.Lock()

    async def __aenter__(self) -> None:
        self.standing += 1
        try:
            await self._first.acquire()
        except BaseException:
            self.standing -= 1
            raise

    async def __aexit__(self, *raised: object) -> None:
        self._first.release()
        self.standing -= 1


class Traffic:
    """What concurrent calls share: the pace (None: there is none), the places on the wire, and the budgets of the run:
    dollars (`budget`), tokens and calls, of which some are `spent` by earlier starts. `held` counts the calls that wait
    at this moment, by what they wait for. It belongs to one event loop; `beside` makes another for another loop, with
    the same pace and budgets."""

    def __init__(self, limits: Limits, spent: Amounts = NOTHING, beside: Traffic | None = None):
        self.limits = limits
        self.slots = asyncio.Semaphore(limits.in_flight)
        self.held: Counter[str] = Counter()
        self._lines: dict[str, Line] = {}
        rates = (limits.requests_per_minute, limits.tokens_per_minute)
        own = (limits.budget_usd, "USD"), (limits.tokens, "tokens"), (limits.calls, "calls")
        budgets = tuple(Budget(limit, taken, unit) for (limit, unit), taken in zip(own, spent, strict=True))
        self._budgets: tuple[Budget, ...] = beside._budgets if beside else budgets
        self.pace: Pace | None = beside.pace if beside else Pace(*rates) if any(rates) else None
        self.budget = self._budgets[0]
        self.counted = limits.budget_usd is not None or bool(limits.tokens_per_minute or limits.tokens)
        """Whether anybody asks how many tokens a call has: counting takes time."""
        self.limited = any(budget.limit is not None for budget in self._budgets)
        """Whether there is a budget of anything."""

    def line(self, model: str) -> Line:
        """Where the calls to a model stand in line for a place."""
        found = self._lines.get(model)
        if found is None:
            found = self._lines[model] = Line()
        return found

    @contextmanager
    def holds(self, what: str) -> Iterator[None]:
        """Around a wait, to be shown."""
        self.held[what] += 1
        try:
            yield
        finally:
            self.held[what] -= 1

    async def reserve(self, most: Amounts) -> None:
        """Sets aside what a call may take of each budget. Raises `BudgetExceeded` where one would be passed."""
        done: list[tuple[Budget, Decimal]] = []
        try:
            for budget, amount in zip(self._budgets, most, strict=True):
                await budget.reserve(amount)
                done.append((budget, amount))
        except BaseException:
            for budget, amount in done:
                budget.settle(amount, Decimal(0))
            raise

    @property
    def left(self) -> tuple[Decimal | None, ...]:
        """What may still be set aside of each budget (None: there is no limit)."""
        return tuple(budget.left for budget in self._budgets)

    def hold(self, most: Amounts) -> None:
        """Sets aside what is known to fit, or has been sent already; `settle` takes it back."""
        for budget, amount in zip(self._budgets, most, strict=True):
            if budget.limit is not None or budget is self.budget:
                budget.hold(amount)

    def settle(self, reserved: Amounts, taken: Amounts) -> None:
        """Replaces what was set aside by what was taken. Dollars are counted in any case, to be shown."""
        if not self.limited:
            self.budget.settle(reserved[0], taken[0])
            return
        for budget, before, after in zip(self._budgets, reserved, taken, strict=True):
            if budget.limit is not None or budget is self.budget:
                budget.settle(before, after)
