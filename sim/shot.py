"""Reading one side of a snapshot.

A feed shows `depth` levels a side. A side that fills them all may have more behind its last one; a side that does not
is shown whole.
"""

import numpy as np

from lobarena.data.schema import BID
from lobarena.sim._jit import inline, kernel


@inline
def side_of(shot, side):
    """(prices in ticks, sizes in lots), best first."""
    return (shot["bid"], shot["bid_size"]) if side == BID else (shot["ask"], shot["ask_size"])


@kernel
def levels_shown(shot, side):
    """How many levels a side shows; fewer than the snapshot's depth when it is shown whole."""
    _, sizes = side_of(shot, side)
    shown = np.int64(0)
    while shown < shot["depth"] and sizes[shown] > 0:
        shown += 1
    return shown


@kernel
def lots_at(shot, side, ticks):
    """Lots that a side shows at a price; 0 where it shows none."""
    prices, sizes = side_of(shot, side)
    for level in range(shot["depth"]):
        if sizes[level] > 0 and prices[level] == ticks:
            return np.int64(sizes[level])
    return np.int64(0)
