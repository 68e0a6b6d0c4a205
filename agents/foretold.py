"""Forecasts made beforehand, and an agent that quotes by the rule from them: so a rule is tried without its forecaster.

A forecaster is an agent with one method more:

    forecast(observations) -> (n, 4) f8    move (ticks), spread (ticks), volume (lots), confidence, a row a look

called after `reset`, with the (n,) OBSERVATION of one episode in order. A row of NaN is nothing new (the quotes stay),
a row of infinities no forecast (the quotes are pulled).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.forecast import Forecast, Rule, to_quotes
from lobarena.agents.quoting import Volatility, limit_of, view


class Forecaster(Protocol):
    """An agent whose forecasts can be had without its quotes."""

    def reset(self, context: Context) -> None:
        """A new episode begins."""

    def forecast(self, observations: np.ndarray) -> np.ndarray:
        """(n,) OBSERVATION of the episode, in order -> (n, 4) f8; see above."""


@dataclass
class Foretold:
    """Quotes by `rule` from forecasts of an episode that was watched without quoting.

    What the agent's own orders change in the book is not in these forecasts. A forecast is used once, at the first look
    that is not older than the one it was made at.
    """

    published: np.ndarray  # (n,) i8 ns UTC, of the looks that were watched
    forecasts: np.ndarray  # (n, 4) f8
    rule: Rule
    c: int = 0  # lots; 0 is the venue's position limit

    def reset(self, context: Context) -> None:
        """A new episode."""
        self._context, self._limit = context, limit_of(context, self.c)
        self._volatility = Volatility(context.fitted.get("sigma", 0.3))
        new = ~np.isnan(self.forecasts).any(axis=1)
        self._times, self._rows = self.published[new], self.forecasts[new]
        self._used = -1

    def act(self, observation: Any) -> Quotes | None:
        """Quotes at each new forecast; they stay between two, and go where there is no mid or no forecast."""
        seen = view(observation)
        if seen is None:
            return NO_QUOTES
        sigma = self._volatility.update(seen.published, seen.mid)
        row = int(np.searchsorted(self._times, seen.published, "right")) - 1
        if row <= self._used:
            return None
        self._used = row
        if not np.isfinite(self._rows[row]).all():
            return NO_QUOTES
        forecast = Forecast(*self._rows[row].tolist())
        return to_quotes(forecast, self.rule, self._context, seen, sigma, self._limit)
