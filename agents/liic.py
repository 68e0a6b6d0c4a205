"""Linear in inventory with inventory constraint."""

from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.quoting import limit_of, quote, view


@dataclass
class Liic:
    """LIIC(a, b, c): quotes at m -/+ a + b I, m the mid, I the inventory (Gašperov & Kostanjčar, IEEE Access 2021)."""

    a: float = 1.0  # ticks, half spread
    b: float = -0.1  # ticks a lot, negative: a long position lowers both quotes
    c: int = 0  # lots; 0 is the venue's position limit

    def reset(self, context: Context) -> None:
        """A new episode."""
        self._context, self._limit = context, limit_of(context, self.c)

    def act(self, observation: Any) -> Quotes | None:
        """Quotes about a mid that leans against the inventory."""
        seen = view(observation)
        if seen is None:
            return NO_QUOTES
        centre = seen.mid + self.b * seen.inventory
        return quote(self._context, seen, centre - self.a, centre + self.a, self._limit)
