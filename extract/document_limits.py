"""How much one document may take: a part of what a task decides by.

A limit is held between calls. The first call of a document is always made; before each further one, what its calls have
taken so far is compared, and a document that has reached a limit is asked no more. A call that is under way is not cut,
so a document may come to cost one call more than its limit. Everything that was paid for stays in the extraction.

Tokens and prices are those that the task knows, so that a resumed run stops at the same call; what a run as a whole may
send and spend is the work of `limits`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from .call import Usage
from .catalogue import ModelFacts
from .errors import ExtractError, ModelError
from .extraction import Attempt, Problem

__all__ = ["DocumentLimits"]


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """`tokens` (input and output together) and `budget_usd` (US dollars at list prices) are for all calls of one
    document, to all models; None is no limit. Raises `ExtractError` for a limit that is not above 0."""

    tokens: int | None = None
    budget_usd: Decimal | None = None

    def __post_init__(self) -> None:
        tokens, budget = self.tokens, self.budget_usd
        if tokens is not None and not (type(tokens) is int and tokens > 0):
            raise ExtractError(f"The tokens for one document are a whole number above 0, not {tokens!r}.")
        if budget is not None and not (
            isinstance(budget, (Decimal, int))
            and not isinstance(budget, bool)
            and Decimal(budget).is_finite()
            and budget > 0
        ):
            raise ExtractError(
                f"The budget for one document is a Decimal of US dollars above 0, not {budget!r}.",
                fix='Write Decimal("0.01").',
            )

    def check_priced(self, models: Iterable[ModelFacts]) -> None:
        """Raises `ModelError` for a budget that cannot be held, because a model has no price."""
        unpriced = [one.name for one in models if one.price is None]
        if self.budget_usd is not None and unpriced:
            raise ModelError(
                f"A budget for each document cannot be held: the price of {', '.join(unpriced)} is not known.",
                fix="Limit the tokens of a document instead, or name models with a price.",
            )

    def reached(self, attempts: tuple[Attempt, ...]) -> Problem | None:
        """Why a document that has had these calls is asked no more, if so."""
        if self.tokens is None and self.budget_usd is None:
            return None
        used = sum((one.usage for one in attempts), Usage())
        tokens = used.input + used.output
        cost = sum((one.cost for one in attempts if one.cost is not None), Decimal(0))
        calls = f"{len(attempts)} call{'s' if len(attempts) > 1 else ''}"
        if self.tokens is not None and attempts and tokens >= self.tokens:
            limit = f"{self.tokens:,} tokens for one document is reached: {calls} took {tokens:,}"
        elif self.budget_usd is not None and attempts and cost >= self.budget_usd:
            limit = f"{self.budget_usd} USD for one document is reached: {calls} cost {cost:.6f} USD"
        else:
            return None
        return Problem("", f"The limit of {limit}.", "limit")
