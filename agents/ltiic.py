"""Linear in trend and inventory with inventory constraint."""

from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import Context, Quotes
from lobarena.agents.quoting import limit_of, quote, view


@dataclass
class Ltiic:
    """LTIIC(a, b, c, d): quotes at m -/+ a + b I + d s, s a predicted trend (Niu et al., IJCAI 2024, expert of IMM).

    s is order-flow imbalance at the best prices (Cont, Kukanov & Stoikov 2014), each update's divided by the mean best
    size, and smoothed exponentially: our choice, since the paper leaves the predictor open.
    """

    a: float = 1.0  # ticks, half spread
    b: float = -0.1  # ticks a lot
    c: int = 0  # lots; 0 is the venue's position limit
    d: float = 0.5  # ticks a unit of imbalance
    memory: float = 0.8  # weight of the past in s, an update

    def reset(self, context: Context) -> None:
        """A new episode; the trend begins at 0."""
        self._context, self._trend = context, 0.0
        self._last: tuple[int, int, int, int] | None = None

    def act(self, observation: Any) -> Quotes | None:
        """Quotes about a mid that leans with the trend and against the inventory."""
        seen = view(observation)
        if seen is None:
            self._last = None
            return Quotes()
        now = (seen.bid, int(observation["bid_size"][0]), seen.ask, int(observation["ask_size"][0]))
        if self._last is not None:
            bid, bid_size, ask, ask_size = self._last
            flow = (now[1] if now[0] >= bid else 0) - (bid_size if now[0] <= bid else 0)
            flow += (ask_size if now[2] >= ask else 0) - (now[3] if now[2] <= ask else 0)
            scaled = max(-1.0, min(1.0, 2 * flow / (now[1] + now[3])))
            self._trend = self.memory * self._trend + (1 - self.memory) * scaled
        self._last = now
        centre = seen.mid + self.b * seen.inventory + self.d * self._trend
        limit = limit_of(self._context, self.c)
        return quote(self._context, observation, seen.inventory, centre - self.a, centre + self.a, limit)
