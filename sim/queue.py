"""Whose order was cancelled? The record shows that a level fell, not where in its queue.

Cancel models (docs/replay.md): `back` takes the last crowd lots, so a seat's queue ahead falls by trades alone
(pessimistic); `pro rata` takes a run of lots from a uniform place; `power` from a place drawn as u^n, nearer the front;
`front` takes the first lots (optimistic).
"""

from lobarena.data.schema import BID
from lobarena.sim._jit import kernel
from lobarena.sim.matching import reduce
from lobarena.sim.state import BACK, FRONT, POWER
from lobarena.sim.types import CROWD, NONE


@kernel
def crowd_lots(book, side, price):
    """Lots of the crowd at a level index."""
    level = book["level"]
    queue = level[price if side == BID else level.shape[0] // 2 + price]
    return queue["size"] - queue["seats"]


@kernel
def thin(book, side, price, lots, u, model, power):
    """Cancel up to `lots` crowd lots at a level, placed by the cancel model with the uniform draw u: lots cancelled."""
    orders, level = book["orders"], book["level"]
    queue = level[price if side == BID else level.shape[0] // 2 + price]
    stock = queue["size"] - queue["seats"]
    if lots > stock:
        lots = stock
    if lots <= 0:
        return 0
    spare = stock - lots
    if model == FRONT:
        skip = 0
    elif model == BACK:
        skip = spare
    else:
        place = float(u)
        if model == POWER:
            for _ in range(power - 1):
                place *= float(u)
        skip = int(place * (spare + 1))
        if skip > spare:
            skip = spare
    left = lots
    slot = queue["head"]
    while left > 0 and slot != NONE:
        behind = orders[slot]["next"]
        if orders[slot]["owner"] == CROWD:
            here = orders[slot]["qty"]
            if skip >= here:
                skip -= here
            else:
                cut = min(here - skip, left)
                skip = 0
                left -= cut
                reduce(book, slot, cut)
        slot = behind
    return lots
