"""The background: targets that belong to other moments of the same contract, part and regime."""

import numpy as np

LAGS = 24
_GOLDEN = (5**0.5 - 1) / 2


def spread_lags(count: int = LAGS) -> tuple[float, ...]:
    """Lags as shares of a series' length, all from a quarter to three quarters of it.

    Multiples of the golden ratio lie far from simple fractions, so that with few days no lag is a whole number of days,
    which would leave the time of day in place.
    """
    return tuple(0.25 + 0.5 * ((k + 1) * _GOLDEN % 1) for k in range(count))


def shifted(targets: np.ndarray, group: np.ndarray, time: np.ndarray, lags: tuple[float, ...]) -> np.ndarray:
    """(n, T, K) targets, shifted in time and circularly within each group by each lag.

    A shift keeps what a group's targets are and how they go together with each other and with their own past; it only
    parts them from the features. With groups of (contract, part, regime), what a read-out wins by telling contracts
    apart, or by features that drift as slowly as the targets, stays in the background and is taken off.

    targets : (n, T); group : (n,); time : (n,) i8
    lags : shares of the group's length in (0, 1), rounded to whole rows, at least one
    """
    if not lags or not all(0 < lag < 1 for lag in lags):
        raise ValueError(f"lags are {lags}; give at least one, each a share of the series between 0 and 1")
    found = np.empty((*targets.shape, len(lags)))
    for one in np.unique(group):
        own = np.flatnonzero(group == one)
        own = own[np.argsort(time[own], kind="stable")]
        for place, lag in enumerate(lags):
            found[own, :, place] = np.roll(targets[own], max(1, round(lag * len(own))), axis=0)
    return found
