"""Avellaneda & Stoikov's quotes on a finite horizon."""

import math
from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.quoting import Volatility, limit_of, quote, view


@dataclass
class AvellanedaStoikov:
    """Avellaneda & Stoikov 2008, eqs. 29-30: r = m - I g s^2 (T - t), spread g s^2 (T - t) + (2 / g) ln(1 + g / k).

    m mid and r in ticks, I lots, g = gamma, s volatility in ticks a root second, T - t seconds to the end, k = kappa.
    """

    gamma: float = 0.001  # risk aversion, per tick and lot
    kappa: float = 0.0  # decay of fill intensity, per tick; 0 takes the fitted k, or 1 where nothing was fitted
    c: int = 0  # lots; 0 is the venue's position limit

    def __post_init__(self) -> None:
        if not self.gamma > 0 or self.kappa < 0:
            raise ValueError("gamma is positive, kappa is not negative")

    def reset(self, context: Context) -> None:
        """A new episode; volatility begins at the fitted one, or 0.3 ticks a square root of a second."""
        self._context, self._limit = context, limit_of(context, self.c)
        self._kappa = self.kappa or context.fitted.get("k", 1.0)
        self._volatility = Volatility(context.fitted.get("sigma", 0.3))

    def act(self, observation: Any) -> Quotes | None:
        """Quotes about the reservation price."""
        seen = view(observation)
        if seen is None:
            return NO_QUOTES
        sigma = self._volatility.update(seen.published, seen.mid)
        risk = self.gamma * (sigma * sigma) * seen.left_s
        half = (risk + 2 / self.gamma * math.log1p(self.gamma / self._kappa)) / 2
        centre = seen.mid - seen.inventory * risk
        return quote(self._context, seen, centre - half, centre + half, self._limit)
