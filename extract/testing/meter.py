"""The rate limits of the fake server: two buckets that fill by the minute, told in OpenAI's headers."""

from __future__ import annotations

import time

from .script import Request

__all__ = ["Meter"]


class Meter:
    """Counts requests and tokens (one for each four bytes of the body) against limits per minute (None: none). A bucket
    holds a whole minute's worth at first. `refused` counts the requests that came too early."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None):
        limits = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        self._limits = {kind: limit for kind, limit in limits.items() if limit}
        self._levels = dict(self._limits)
        self._at = time.monotonic()
        self.refused = 0

    def take(self, request: Request) -> float | None:
        """Counts a request; the seconds to wait if it came too early, else None."""
        now = time.monotonic()
        for kind, limit in self._limits.items():
            self._levels[kind] = min(limit, self._levels[kind] + (now - self._at) * limit / 60)
        self._at = now
        amounts = {"requests": 1.0, "tokens": len(request.raw) / 4}
        lacking = [(amounts[kind] - level) * 60 / self._limits[kind] for kind, level in self._levels.items()]
        if any(seconds > 0 for seconds in lacking):
            self.refused += 1
            return max(lacking)
        for kind in self._levels:
            self._levels[kind] -= amounts[kind]
        return None

    def headers(self) -> dict[str, str]:
        """What is left, as the server says it with each response."""
        said: dict[str, str] = {}
        for kind, limit in self._limits.items():
            level = max(0.0, self._levels[kind])
            said |= {
                f"x-ratelimit-limit-{kind}": f"{limit:.0f}",
                f"x-ratelimit-remaining-{kind}": f"{int(level)}",
                f"x-ratelimit-reset-{kind}": f"{(limit - level) * 60 / limit:.3f}s",
            }
        return said
