"""Fixed offset with inventory constraint."""

from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.quoting import limit_of, quote, view


@dataclass
class Foic:
    """FOIC(N, M, c): bid N ticks below, ask M ticks above the best prices (Gašperov & Kostanjčar, IEEE Access 2021)."""

    N: int = 0  # ticks below the best bid
    M: int = 0  # ticks above the best ask
    c: int = 0  # lots; 0 is the venue's position limit

    def reset(self, context: Context) -> None:
        """A new episode."""
        self._context, self._limit = context, limit_of(context, self.c)

    def act(self, observation: Any) -> Quotes | None:
        """Quotes about the best prices of the others."""
        seen = view(observation)
        if seen is None:
            return NO_QUOTES
        return quote(self._context, seen, seen.bid - self.N, seen.ask + self.M, self._limit)
