"""What quoters share: the mid of what they see, their volatility, and prices turned into legal quotes."""

import math
from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import Context, Quotes
from lobarena.data.schema import CONTINUOUS

HALF_LIFE_S = 60.0  # of the volatility's memory


@dataclass(slots=True)
class View:
    """One look at the market, prices in ticks."""

    bid: int
    ask: int
    mid: float
    inventory: int  # lots


def view(observation: Any) -> View | None:
    """The market as it is seen; None when it is closed or one-sided and there is no mid to quote around."""
    if observation["phase"] != CONTINUOUS or not observation["bid_size"][0] or not observation["ask_size"][0]:
        return None
    bid, ask = int(observation["bid"][0]), int(observation["ask"][0])
    return View(bid, ask, (bid + ask) / 2, int(observation["position"]))


def quote(context: Context, observation: Any, inventory: int, bid: float, ask: float, limit: int) -> Quotes:
    """One bid and one ask, rounded outwards to the tick; at the inventory limit only the reducing side.

    Prices beyond the daily limits are left out; of a pair that rounding made cross, none is quoted.
    """
    low, high = math.floor(bid), math.ceil(ask)
    if low >= high:
        return Quotes()
    buy = min(context.order_size, limit - inventory)
    sell = min(context.order_size, limit + inventory)
    lower, upper = int(observation["lower"]), int(observation["upper"])
    return Quotes(
        bids=[(low, buy)] if buy > 0 and lower <= low <= upper else (),
        asks=[(high, sell)] if sell > 0 and lower <= high <= upper else (),
    )


def limit_of(context: Context, c: int) -> int:
    """The inventory limit in lots: the agent's own c, never above the venue's; 0 stands for the venue's."""
    return min(c, context.position_limit) if c > 0 else context.position_limit


@dataclass(slots=True)
class Volatility:
    """Causal volatility of the mid, ticks a square root of a second: exponential mean of squared moves over time."""

    sigma: float  # where it begins
    time: int = 0  # ns
    mid: float = 0.0

    def update(self, time: int, mid: float) -> float:
        """The estimate after seeing `mid` (ticks) at `time` (ns)."""
        if self.time:
            seconds = (time - self.time) / 1e9
            if seconds <= 0:
                return self.sigma
            weight = 0.5 ** (seconds / HALF_LIFE_S)
            move = mid - self.mid
            self.sigma = math.sqrt(weight * self.sigma**2 + (1 - weight) * move * move / seconds)
        self.time, self.mid = time, mid
        return self.sigma
