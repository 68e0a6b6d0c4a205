"""Forecasts made beforehand, and an agent that quotes by the rule from them: so a rule is tried without its forecaster.

A forecaster is an agent with one method more:

    forecast(observations) -> (n, 4) f8    move (ticks), spread (ticks), volume (lots), confidence, a row a look

called after `reset`, with the (n,) OBSERVATION of one episode in order. A row of NaN is nothing new (the quotes stay),
a row of infinities no forecast (the quotes are pulled).
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.forecast import STAY, Forecast, Rule, to_quotes
from lobarena.agents.quoting import View, Volatility, limit_of, view


class Forecaster(Protocol):
    """An agent whose forecasts can be had without its quotes."""

    def reset(self, context: Context) -> None:
        """A new episode begins."""

    def forecast(self, observations: np.ndarray) -> np.ndarray:
        """(n,) OBSERVATION of the episode, in order -> (n, 4) f8; see above."""


class Foretelling:
    """What forecasters that quote by the rule share; the four fields, set by `reset`, and `_foretell` are theirs."""

    _rule: Rule
    _context: Context
    _volatility: Volatility
    _limit: int

    def forecast(self, observations: np.ndarray) -> np.ndarray:
        """Its forecasts at the looks of an episode, without quoting; see above."""
        rows = np.full((len(observations), 4), np.nan)
        for row, observation in zip(rows, observations, strict=True):
            told = self._foretell(view(observation), observation)
            if told != STAY:
                row[:] = (told.move, told.spread, told.volume, told.confidence) if told else np.inf
        return rows

    def _quotes(self, observation: Any) -> Quotes | None:
        """Quotes at each new forecast; they stay between two, and go where there is no mid or no forecast."""
        seen = view(observation)
        told = self._foretell(seen, observation)
        if told == STAY:
            return None
        if told is None or seen is None:
            return NO_QUOTES
        return to_quotes(told, self._rule, self._context, seen, self._volatility.sigma, self._limit)

    def _foretell(self, seen: View | None, observation: Any) -> Forecast | Literal["stay"] | None:
        """A forecast, None where there is none, STAY where nothing is new; brings `_volatility` to this look."""
        raise NotImplementedError


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
