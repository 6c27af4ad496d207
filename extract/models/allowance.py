"""What an endpoint lets through: known limits per minute, and what its answers say of them.

OpenAI and many servers like it send with each answer how many requests and tokens may follow and when the count is full
again (``x-ratelimit-limit-``, ``-remaining-`` and ``-reset-`` of ``requests`` and ``tokens``). An `Allowance` keeps a
level for both that sinks with each request and fills up again, corrects it by each answer, and says how long a request
has to wait. What was sent after the request that an answer belongs to, that answer cannot know: it is taken off. Where
nothing is known nothing waits. To a server that refuses requests and says nothing of limits they go further and further
apart, until it refuses none. The clock is the caller's; nothing here sleeps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Allowance", "Ticket", "seconds_in"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request that was sent: when, and how much had been sent of each kind, itself among it."""

    at: float
    sent: tuple[float, float]


_LONGEST = 86_400.0
"""A limit that is said to be full again later than in a day says something else, such as the time of it."""

_APART, _FURTHEST = 0.05, 10.0
"""Seconds between requests to a server that has refused some: at first, and at most."""

_NEAR = 0.75
"""What is left of a limit is followed once it is less than this share; before that nothing has to wait for it."""


class _Level:
    """How much of one kind may still be sent: `level` at the time `at`, filling by `rate` a second up to `most`."""

    def __init__(self, per_minute: float | None):
        self.most = self.level = per_minute or 0.0
        self.rate = (per_minute or 0.0) / 60
        self.known = per_minute is not None
        self.at = float("-inf")
        self.sent = 0.0
        self._learnt = float("-inf")

    def now(self, now: float) -> float:
        return (
            min(self.most, self.level + self.rate * max(0.0, now - self.at)) if self.at > float("-inf") else self.most
        )

    def wait(self, now: float, amount: float) -> float:
        """Seconds until so much may be sent; what is more than there can ever be may go when the level is full."""
        lacking = min(amount, self.most) - self.now(now)
        return lacking / self.rate if self.known and lacking > 1e-9 and self.rate > 0 else 0.0

    def take(self, now: float, amount: float) -> None:
        self.sent += amount
        if self.known:
            self.level, self.at = self.now(now) - amount, now

    def learn(
        self, limit: float, remaining: float, reset: float | None, ticket_at: float, since: float, now: float
    ) -> None:
        """Takes over what an answer says to a request of the time `ticket_at`; `since` was sent after it."""
        if ticket_at < self._learnt:
            return  # a later request was answered before
        self._learnt = ticket_at
        used = limit - remaining
        told = reset is not None and 0 < reset <= _LONGEST and used > 0
        self.rate = used / reset if told and reset else self.rate or limit / 60
        self.most, self.known = limit, True
        self.level, self.at = min(limit, remaining + self.rate * (now - ticket_at)) - since, now


class Allowance:
    """The allowance of one endpoint, in requests and tokens per minute where they are known beforehand."""

    def __init__(self, requests_per_minute: float | None = None, tokens_per_minute: float | None = None):
        self._levels = (_Level(requests_per_minute), _Level(tokens_per_minute))
        self._resting = self._slowed = self._last = float("-inf")
        self._gap = 0.0

    def wait(self, now: float, tokens: float) -> float:
        """Seconds until a request of so many tokens may be sent; 0 for now."""
        requests, counted = self._levels
        resting = max(self._resting, self._last + self._gap) - now if self._gap else self._resting - now
        if not (requests.known or counted.known):
            return max(0.0, resting)
        return max(0.0, resting, requests.wait(now, 1.0), counted.wait(now, tokens))

    def take(self, now: float, tokens: float) -> Ticket:
        """Notes that a request is sent."""
        self._last = now
        requests, counted = self._levels
        requests.take(now, 1.0)
        counted.take(now, tokens)
        return Ticket(now, (requests.sent, counted.sent))

    def refused(self, ticket: Ticket, now: float) -> None:
        """A request came too early for a server that may not say what its limits are: the next ones are set further
        apart, twice as far for each time that this did not do."""
        if ticket.at >= self._slowed:
            self._gap, self._slowed = min(max(2 * self._gap, _APART), _FURTHEST), now

    def served(self) -> None:
        """A request was answered: the next ones may be a little closer to each other."""
        if self._gap:
            self._gap = self._gap * 0.95 if self._gap > _APART / 4 else 0.0

    def rest(self, until: float) -> None:
        """Nothing may be sent before this time."""
        self._resting = max(self._resting, until)

    def learn(self, headers: Mapping[str, str], ticket: Ticket, now: float) -> None:
        """Takes over what the headers of an answer say, if they say anything."""
        if "x-ratelimit-limit-requests" not in headers and "x-ratelimit-limit-tokens" not in headers:
            return
        for level, kind, sent in zip(self._levels, ("requests", "tokens"), ticket.sent, strict=True):
            limit = _number(headers.get(f"x-ratelimit-limit-{kind}"))
            remaining = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
            if limit and remaining is not None and (level.known or remaining < _NEAR * limit):
                reset = seconds_in(headers.get(f"x-ratelimit-reset-{kind}") or "")
                level.learn(limit, max(0.0, remaining), reset, ticket.at, level.sent - sent, now)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


def seconds_in(text: str) -> float | None:
    """The seconds of a duration such as ``6m0s``, ``120ms`` or ``7``; None for what is none."""
    if (plain := _number(text)) is not None:
        return plain
    found = _DURATION.findall(text)
    whole = "".join(number + unit for number, unit in found)
    return sum(float(number) * _UNITS[unit] for number, unit in found) if found and whole == text else None
