"""Joins the best prices and steps back with its inventory."""

from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.quoting import limit_of, quote, view


@dataclass
class Join:
    """JOIN(step, c): at the best prices; the side that would add to the inventory one tick back for each `step` lots.

    The rule that speed comparisons of backtesters use; our formulation.
    """

    step: int = 5  # lots of inventory a tick
    c: int = 0  # lots; 0 is the venue's position limit

    def __post_init__(self) -> None:
        if self.step < 1:
            raise ValueError(f"step is {self.step} lots; give at least 1")

    def reset(self, context: Context) -> None:
        """A new episode."""
        self._context, self._limit = context, limit_of(context, self.c)

    def act(self, observation: Any) -> Quotes | None:
        """Quotes at the touch or behind it."""
        seen = view(observation)
        if seen is None:
            return NO_QUOTES
        long, short = max(seen.inventory, 0) // self.step, max(-seen.inventory, 0) // self.step
        return quote(self._context, seen, seen.bid - long, seen.ask + short, self._limit)
