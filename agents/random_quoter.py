"""The quoter that everything should beat."""

from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.quoting import limit_of, quote, view


@dataclass
class Random:
    """Bid and ask at uniform random distances of 0 to `reach` ticks from the best prices."""

    reach: int = 3  # ticks
    c: int = 0  # lots; 0 is the venue's position limit

    def __post_init__(self) -> None:
        if self.reach < 0:
            raise ValueError("reach is not negative")

    def reset(self, context: Context) -> None:
        """A new episode, with a stream of its own."""
        self._context, self._limit = context, limit_of(context, self.c)

    def act(self, observation: Any) -> Quotes | None:
        """Quotes somewhere near the market."""
        seen = view(observation)
        if seen is None:
            return NO_QUOTES
        draw, choices = self._context.rng.random, self.reach + 1  # numpy's integers() takes four times as long
        return quote(
            self._context, seen, seen.bid - int(draw() * choices), seen.ask + int(draw() * choices), self._limit
        )
