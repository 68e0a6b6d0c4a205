"""The crowd's depth as it is known while a day is inferred: lots a level, shown or remembered.

crowd : (2, levels) i4, lots
best, far : (2,) i8, level index of the best and the furthest level of each side; -1 and `levels` for an empty side
"""

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim._jit import kernel
from lobarena.sim.types import NONE


@kernel
def grow(crowd, best, far, side, price, lots):
    """Lots come to a level."""
    crowd[side, price] += lots
    levels = crowd.shape[1]
    if side == BID:
        far[BID] = price if best[BID] < 0 else min(far[BID], price)
        best[BID] = max(best[BID], price)
    else:
        far[ASK] = price if best[ASK] >= levels else max(far[ASK], price)
        best[ASK] = min(best[ASK], price)


@kernel
def shrink(crowd, best, far, side, price, lots):
    """Lots leave a level; when it was the best one, the next best is looked for."""
    crowd[side, price] -= lots
    if crowd[side, price] > 0 or price != best[side]:
        return
    levels = crowd.shape[1]
    x = np.int64(price)
    if side == BID:
        while x >= far[BID] and crowd[BID, x] == 0:
            x -= 1
        best[BID] = x if x >= far[BID] else NONE
    else:
        while x <= far[ASK] and crowd[ASK, x] == 0:
            x += 1
        best[ASK] = x if x <= far[ASK] else levels
