"""What is to be forecast: the market over the next seconds."""

import numpy as np

TASKS = ("mid move", "spread", "volume")  # ticks; ticks, mean; log(1 + lots)
HORIZON_S = 5.0  # ten snapshots of the exchanges' feed


def targets(looks: np.ndarray, place: np.ndarray, horizon_s: float = HORIZON_S) -> np.ndarray:
    """(n, 3) f8 TASKS of each look over (t, t + horizon]; NaN where a pause or the end of the day comes first.

    looks : (n,) OBSERVATION in order; place : (n,) i8 looks in a row up to each, 0 where it cannot be read
    The mid is that of the last look in the horizon, the spread the mean of the looks in it.
    """
    time = looks["published"]
    mid = (looks["bid"][:, 0].astype(float) + looks["ask"][:, 0]) / 2
    spread = (looks["ask"][:, 0] - looks["bid"][:, 0]).astype(float)
    index = np.arange(len(looks))
    first = index - place + 1  # of the row of looks that each stands in
    begins = np.flatnonzero(place <= 1)  # where no row goes on
    row = np.searchsorted(begins, index, "right")
    ends = np.append(begins[1:], len(looks))[row - 1] if len(begins) else np.full(len(looks), len(looks))
    until = np.searchsorted(time, time + round(horizon_s * 1e9), "right") - 1
    # what is known of a row ends with its last look: a horizon beyond it is not known
    whole = (place > 0) & (until > index) & (until < ends) & (first <= index)
    whole &= time + round(horizon_s * 1e9) <= time[np.minimum(ends, len(looks)) - 1]
    total = np.cumsum(np.where(place > 0, spread, 0.0))
    found = np.full((len(looks), len(TASKS)), np.nan)
    i, j = index[whole], until[whole]
    found[i, 0] = mid[j] - mid[i]
    found[i, 1] = (total[j] - total[i]) / (j - i)
    found[i, 2] = np.log1p(np.maximum(0, looks["volume"][j] - looks["volume"][i]))
    return found
