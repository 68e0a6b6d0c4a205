"""From a forecast to quotes: one rule for every forecaster, so that only the forecasts differ (our formulation).

Reservation price r = m + move - gamma sigma^2 tau I; half spread h = max(1/2, kappa_s spread / 2 + kappa_c (1 - q));
size = clip(kappa_v volume, 1, order size). Bid r - h and ask r + h are rounded outwards to the tick, and at the
inventory limit only the reducing side is quoted, as FOIC does.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Literal

from lobarena.agents.base import Context, Quotes
from lobarena.agents.quoting import View, quote

STAY: Literal["stay"] = "stay"  # in place of a forecast: nothing new, the quotes stay


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the market is expected to do over the horizon; ValueError when it means nothing."""

    move: float  # of the mid, ticks
    spread: float  # mean, ticks
    volume: float  # traded, lots
    confidence: float  # q, from 0 (none) to 1 (sure)

    def __post_init__(self) -> None:
        if not all(math.isfinite(getattr(self, field.name)) for field in fields(self)):
            raise ValueError(f"{self} has a number that is not finite")
        if self.spread < 0 or self.volume < 0 or not 0 <= self.confidence <= 1:
            raise ValueError(f"{self}: spread and volume are not negative, confidence lies in [0, 1]")


@dataclass(frozen=True)
class Rule:
    """The numbers of the rule, to be tuned on validation days only and with the same budget for every forecaster."""

    gamma: float = 0.01  # risk aversion, per tick and lot
    tau_s: float = 5.0  # horizon of the forecast, seconds
    kappa_s: float = 1.0  # half spread by forecast half spread
    kappa_c: float = 1.0  # ticks of half spread added where the forecaster is not sure at all
    kappa_v: float = 0.05  # lots quoted by forecast lot

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{field.name} is {value}; give a number that is 0 or more")


def to_quotes(forecast: Forecast, rule: Rule, context: Context, seen: View, sigma: float, limit: int) -> Quotes:
    """Quotes by the rule. sigma: ticks a root second; limit: lots of inventory, either way."""
    lean = rule.gamma * sigma * sigma * rule.tau_s * seen.inventory
    reservation = seen.mid + forecast.move - lean
    half = max(0.5, rule.kappa_s * forecast.spread / 2 + rule.kappa_c * (1 - forecast.confidence))
    size = int(min(max(rule.kappa_v * forecast.volume, 1), context.order_size))
    return quote(replace(context, order_size=size), seen, reservation - half, reservation + half, limit)
