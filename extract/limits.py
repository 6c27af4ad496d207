"""How much may be sent, how fast, and for how much money.

`Limits` is what a user sets. `Pace` holds requests and tokens per minute, first come first served. `Budget` reserves
the greatest cost of a call before it is sent and settles it afterwards, so that the sum is never passed unless a
provider charges more than its list price; what it charged beyond the reserve is kept in `over`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from .errors import BudgetExceeded

__all__ = ["Budget", "Limits", "Pace", "Traffic"]


@dataclass(frozen=True, slots=True)
class Limits:
    """`budget_usd` is for the whole run, over all of its starts; `in_flight` counts requests on the wire; `timeout` is
    the seconds for one attempt; `tries` the greatest number of attempts of one call when the transport fails."""

    budget_usd: Decimal | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    in_flight: int = 32
    timeout: float = 120.0
    tries: int = 6


class Budget:
    """Money of one run in US dollars: `spent` so far, `reserved` by calls that are under way."""

    def __init__(self, limit: Decimal | None, spent: Decimal = Decimal(0)):
        self.limit, self.spent, self.reserved, self.over = limit, spent, Decimal(0), Decimal(0)

    def reserve(self, most: Decimal) -> None:
        """Sets `most` aside; raises `BudgetExceeded` if that would pass the limit."""
        if self.limit is not None and self.spent + self.reserved + most > self.limit:
            raise BudgetExceeded(
                f"The next call may cost {most:.6f} USD; {self.spent:.6f} of {self.limit} USD are spent"
                f" and {self.reserved:.6f} are reserved.",
                fix="Nothing is lost: raise budget_usd and start the same run again.",
            )
        self.reserved += most

    def settle(self, reserved: Decimal, cost: Decimal) -> None:
        """Replaces a reserve by what was paid."""
        self.reserved -= reserved
        self.spent += cost
        self.over += max(Decimal(0), cost - reserved)


class Pace:
    """Requests and tokens per minute as two clocks that run ahead of the present by at most one minute.

    A call moves each clock by its share of a minute and waits until both have been caught up with: an idle minute can
    be used at once, and after that calls go out evenly.
    """

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None):
        self._rates = (requests_per_minute, tokens_per_minute)
        self._ready = [float("-inf"), float("-inf")]

    async def take(self, tokens: int) -> None:
        """Waits for the turn of one request of so many tokens."""
        wait = self._claim(asyncio.get_running_loop().time(), tokens)
        if wait > 0:
            await asyncio.sleep(wait)

    def _claim(self, now: float, tokens: int) -> float:
        wait = 0.0
        for i, (rate, amount) in enumerate(zip(self._rates, (1, tokens), strict=True)):
            if rate:
                self._ready[i] = max(self._ready[i], now - 60.0) + 60.0 * amount / rate
                wait = max(wait, self._ready[i] - now)
        return wait


class Traffic:
    """What concurrent calls share: the pace, the places on the wire, and the budget. It belongs to one event loop."""

    def __init__(self, limits: Limits, budget: Budget | None = None):
        self.limits = limits
        self.pace = Pace(limits.requests_per_minute, limits.tokens_per_minute)
        self.slots = asyncio.Semaphore(limits.in_flight)
        self.budget = budget or Budget(limits.budget_usd)

    @property
    def counted(self) -> bool:
        """Whether anybody asks how many tokens a call has: counting takes time."""
        return self.budget.limit is not None or bool(self.limits.tokens_per_minute)
