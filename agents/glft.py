"""Guéant, Lehalle & Fernandez-Tapia's stationary quotes."""

import math
from dataclasses import dataclass
from typing import Any

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.quoting import Volatility, limit_of, quote, view


def coefficients(gamma: float, sigma: float, k: float, intensity: float) -> tuple[float, float]:
    """(a, b) of the equal LIIC, ticks and ticks a lot: a = ln(1 + g / k) / g + R / 2, b = -R.

    R = sqrt(s^2 g / (2 k A) (1 + g / k)^(1 + k / g)); sigma in ticks a root second, k per tick, intensity A per second.
    """
    slope = math.sqrt(sigma * sigma * gamma / (2 * k * intensity) * (1 + gamma / k) ** (1 + k / gamma))
    return math.log1p(gamma / k) / gamma + slope / 2, -slope


@dataclass
class Glft:
    """GLFT(gamma, c): LIIC with a, b from fitted A, k and live volatility (Guéant, Lehalle & Fernandez-Tapia 2013)."""

    gamma: float = 0.01  # risk aversion, per tick and lot
    c: int = 0  # lots; 0 is the venue's position limit

    def __post_init__(self) -> None:
        if not self.gamma > 0:
            raise ValueError("gamma is positive")

    def reset(self, context: Context) -> None:
        """A new episode; A, k, first volatility as fitted, else 0.5 a second, 1 a tick, 0.3 ticks a root second."""
        self._context, self._limit = context, limit_of(context, self.c)
        self._k, self._intensity = context.fitted.get("k", 1.0), context.fitted.get("A", 0.5)
        self._volatility = Volatility(context.fitted.get("sigma", 0.3))

    def act(self, observation: Any) -> Quotes | None:
        """Quotes about a mid that leans against the inventory."""
        seen = view(observation)
        if seen is None:
            return NO_QUOTES
        sigma = self._volatility.update(seen.published, seen.mid)
        a, b = coefficients(self.gamma, sigma, self._k, self._intensity)
        centre = seen.mid + b * seen.inventory
        return quote(self._context, seen, centre - a, centre + a, self._limit)
