"""What seats took from the crowd, and how long it stays away.

Impact rules (docs/replay.md): crowd lots that a seat took stay away until the next snapshot (`restore`), come back with
a half-life (`decay`), or stay away while the record shows the level (`keep`).
"""

import numpy as np

from lobarena.data.schema import BID
from lobarena.sim._jit import kernel
from lobarena.sim.state import DECAY, RESTORE


@kernel
def owe(venue, book, side, price, lots):
    """Remember crowd lots that a seat took from a level (price in ticks): the record shows them still."""
    index = price - book["base"]
    owed, span = venue["owed"][index + side * (book["level"].shape[0] // 2)], venue["owed_span"][side]
    if venue["impact"] == DECAY:
        _fade(venue, owed)
    owed["lots"] += lots
    owed["time"] = venue["now"]
    span[0], span[1] = min(span[0], index), max(span[1], index)


@kernel
def _fade(venue, owed):
    """Halve what is owed once every half-life since it was last looked at."""
    owed["lots"] = owed["lots"] * np.float32(0.5 ** ((venue["now"] - owed["time"]) / venue["half_life"]))
    owed["time"] = venue["now"]


@kernel
def less_owed(venue, size, at):
    """Crowd lots that should stand at level `at` when the record shows `size`."""
    owed = venue["owed"][at]
    if owed["lots"] <= 0.0:
        return size
    if venue["impact"] == RESTORE:
        owed["lots"] = 0.0
    elif venue["impact"] == DECAY:
        _fade(venue, owed)
    if owed["lots"] > size:
        owed["lots"] = size
    return size - _whole(owed)


@kernel
def still_owed(venue, at):
    """Lots that seats took from level `at` and that stay away now."""
    owed = venue["owed"][at]
    if owed["lots"] <= 0.0:
        return np.int64(0)
    if venue["impact"] == DECAY:
        _fade(venue, owed)
    return _whole(owed)


@kernel
def _whole(owed):
    return np.int64(np.floor(owed["lots"] + np.float32(0.5)))


@kernel
def forgive(venue, prices, shown, side, edge, base, levels):
    """Nothing is owed at a level that the record no longer shows.

    prices, shown : the levels it shows; edge : first level index beyond which it says nothing
    """
    span = venue["owed_span"][side]
    low, high = np.int64(levels), np.int64(-1)
    for x in range(span[0], span[1] + 1):
        owed = venue["owed"][x + side * levels]
        if owed["lots"] > 0.0:
            gone = x > edge if side == BID else x < edge
            for level in range(shown):
                gone = gone and prices[level] != x + base
            if gone:
                owed["lots"] = 0.0
            else:
                low, high = min(low, np.int64(x)), max(high, np.int64(x))
    span[0], span[1] = low, high
