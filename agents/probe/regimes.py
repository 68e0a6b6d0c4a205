"""Regimes of the market: terciles of past realised volatility, cut on training rows alone."""

import numpy as np

REGIMES = ("calm", "usual", "volatile")


def regimes(volatility: np.ndarray, contract: np.ndarray, train: np.ndarray) -> np.ndarray:
    """(n,) i8 places in REGIMES.

    Each contract has cuts of its own, so that a regime is not the name of a contract. A volatility that equals a cut
    belongs to the calmer side; where most values are equal a regime may stay empty.

    volatility : (n,) f8, of the past of each row; contract : (n,); train : (n,) bool
    """
    found = np.zeros(len(volatility), np.int8)
    shares = np.arange(1, len(REGIMES)) / len(REGIMES)
    for one in np.unique(contract):
        own = contract == one
        found[own] = np.searchsorted(np.quantile(volatility[own & train], shares), volatility[own])
    return found
