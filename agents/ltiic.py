"""Linear in trend and inventory with inventory constraint."""

from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.quoting import View, limit_of, quote, view


@dataclass
class Ltiic:
    """LTIIC(a, b, c, d): quotes at m -/+ a + b I + d s, s a predicted trend (Niu et al., IJCAI 2024, expert of IMM).

    s is order-flow imbalance at the best prices (Cont, Kukanov & Stoikov 2014), each update's divided by the mean of
    the two best sizes, cut to -1..1 and smoothed exponentially: our choice, since the paper leaves the predictor open.
    """

    a: float = 1.0  # ticks, half spread
    b: float = -0.1  # ticks a lot, negative: a long position lowers both quotes
    c: int = 0  # lots; 0 is the venue's position limit
    d: float = 0.5  # ticks a unit of imbalance
    memory: float = 0.8  # weight of the past in s, an update of the market

    def __post_init__(self) -> None:
        if not 0 <= self.memory < 1:
            raise ValueError(f"memory is {self.memory}; give 0 <= memory < 1")

    def reset(self, context: Context) -> None:
        """A new episode; the trend begins at 0."""
        self._context, self._limit = context, limit_of(context, self.c)
        self._trend = 0.0
        self._last: View | None = None

    def act(self, observation: Any) -> Quotes | None:
        """Quotes about a mid that leans with the trend and against the inventory."""
        seen, last = view(observation), self._last
        self._last = seen
        if seen is None:
            return NO_QUOTES
        if last is not None and seen.published > last.published:
            flow = 2 * _imbalance(last, seen) / (seen.bid_size + seen.ask_size)
            self._trend = self.memory * self._trend + (1 - self.memory) * max(-1.0, min(1.0, flow))
        centre = seen.mid + self.b * seen.inventory + self.d * self._trend
        return quote(self._context, seen, centre - self.a, centre + self.a, self._limit)


def _imbalance(last: View, now: View) -> int:
    """Lots that came to the best bid, or left the best ask, less the opposite, between two looks."""
    bids = (now.bid_size if now.bid >= last.bid else 0) - (last.bid_size if now.bid <= last.bid else 0)
    asks = (now.ask_size if now.ask <= last.ask else 0) - (last.ask_size if now.ask >= last.ask else 0)
    return bids - asks
