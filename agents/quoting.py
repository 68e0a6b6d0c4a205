"""What quoters share: what they see, its volatility, and prices turned into legal quotes."""

import math
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.data.schema import CONTINUOUS
from lobarena.sim.minds import HALF_LIFE_S, PAUSE_S
from lobarena.sim.types import OBSERVATION

_FIELDS = ("phase", "bid", "bid_size", "ask", "ask_size", "position", "lower", "upper", "published", "time", "closes")
_read = itemgetter(*((OBSERVATION.names or ()).index(name) for name in _FIELDS))


@dataclass(slots=True)
class View:
    """One look at a market with both sides; prices in ticks, sizes and inventory in lots, times in ns UTC."""

    bid: int
    bid_size: int
    ask: int
    ask_size: int
    mid: float
    inventory: int
    lower: int  # lowest legal price
    upper: int  # highest legal price
    published: int  # when the market was so
    left_s: float  # until the episode ends; 0 when it is over


def view(observation: Any) -> View | None:
    """The market as it is seen; None when it is closed or a side is empty: then there is no mid to quote around."""
    # the whole record at once: numpy takes a third of the time it needs for these fields one by one
    phase, bids, bid_sizes, asks, ask_sizes, position, lower, upper, published, time, closes = _read(observation.item())
    bid_size, ask_size = int(bid_sizes[0]), int(ask_sizes[0])
    if phase != CONTINUOUS or not bid_size or not ask_size:
        return None
    bid, ask = int(bids[0]), int(asks[0])
    left_s = max(0, closes - time) / 1e9
    return View(bid, bid_size, ask, ask_size, (bid + ask) / 2, position, lower, upper, published, left_s)


def quote(context: Context, seen: View, bid: float, ask: float, limit: int) -> Quotes:
    """One bid and one ask, rounded outwards to the tick; at the inventory limit only the reducing side.

    Prices beyond the daily limits are left out; of a pair that does not leave a tick between, none is quoted. A formula
    that leans far enough to cross the market does so: that quote takes.
    """
    low, high = math.floor(bid), math.ceil(ask)
    if low >= high:
        return NO_QUOTES
    buy = min(context.order_size, limit - seen.inventory)
    sell = min(context.order_size, limit + seen.inventory)
    return Quotes(
        bids=[(low, buy)] if buy > 0 and seen.lower <= low <= seen.upper else (),
        asks=[(high, sell)] if sell > 0 and seen.lower <= high <= seen.upper else (),
    )


def limit_of(context: Context, c: int) -> int:
    """The inventory limit in lots: the agent's own c, never above the venue's; 0 stands for the venue's."""
    if c < 0:
        raise ValueError(f"c is {c} lots; give a positive limit, or 0 for the venue's")
    return min(c, context.position_limit) if c else context.position_limit


@dataclass(slots=True)
class Volatility:
    """Causal volatility of the mid, ticks a square root of a second: exponential mean of squared moves over time."""

    sigma: float  # where it begins
    time: int = 0  # ns
    mid: float = 0.0

    def update(self, time: int, mid: float) -> float:
        """The estimate after seeing `mid` (ticks) at `time` (ns)."""
        seconds = (time - self.time) / 1e9
        if self.time and seconds <= 0:
            return self.sigma
        if self.time and seconds < PAUSE_S:
            weight = 0.5 ** (seconds / HALF_LIFE_S)
            move = mid - self.mid
            self.sigma = math.sqrt(weight * (self.sigma * self.sigma) + (1 - weight) * move * move / seconds)
        self.time, self.mid = time, mid
        return self.sigma
