"""The call auction: orders rest without matching, then all trade at one price.

The price trades the most lots, then leaves the smallest imbalance, then is nearest to the reference price, then is
the higher one (the order of criteria of Chinese futures and stock exchanges, with the last one added so that the
price is always unique).
"""

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim._jit import kernel
from lobarena.sim.matching import reduce
from lobarena.sim.types import NONE


@kernel
def clearing_price(book, reference):
    """(price, lots) of the call auction; (-1, 0) when no bid reaches an ask. `reference` is a level index."""
    level, best = book["level"], book["best"]
    levels = level.shape[0] // 2
    low, high = best[ASK], best[BID]  # only prices between the best ask and the best bid can trade
    if low > high:
        return np.int64(NONE), np.int64(0)
    buys, sells = np.int64(0), np.int64(0)  # lots willing to buy at x or more, to sell at x or less
    for x in range(low, high + 1):
        buys += level[x]["size"]
    found, most, gap, far = np.int64(NONE), np.int64(0), np.int64(0), np.int64(0)
    for x in range(low, high + 1):
        sells += level[levels + x]["size"]
        lots = min(buys, sells)
        imbalance, distance = abs(buys - sells), abs(x - reference)
        if lots > most or (lots == most and imbalance < gap) or (lots == most and imbalance == gap and distance <= far):
            found, most, gap, far = np.int64(x), lots, imbalance, distance
        buys -= level[x]["size"]
    return found, most


@kernel
def uncross(book, reference):
    """Trade the call auction at its one price, in price-time priority: (fills, price or -1).

    The later of the two orders counts as the taker of a fill, of two of one instant the seller's. `hit` is 0: in an
    auction nobody takes a queue in turn.
    """
    orders, level, best, tape = book["orders"], book["level"], book["best"], book["tape"]
    slots, levels = orders.shape[0], level.shape[0] // 2
    price, left = clearing_price(book, reference)
    n = 0
    while left > 0 and n < tape.shape[0]:
        buyer, seller = level[best[BID]]["head"], level[levels + best[ASK]]["head"]
        size = min(left, orders[buyer]["qty"], orders[seller]["qty"])
        early, late = buyer, seller
        if orders[seller]["time"] < orders[buyer]["time"]:
            early, late = seller, buyer
        fill, maker, taker = tape[n], orders[early], orders[late]
        fill["time"], fill["price"], fill["size"] = book["time"], book["base"] + price, size
        fill["maker"], fill["maker_owner"] = np.int64(maker["use"]) * slots + early, maker["owner"]
        fill["taker"], fill["taker_owner"] = np.int64(taker["use"]) * slots + late, taker["owner"]
        fill["joined"], fill["hit"], fill["side"] = maker["ahead"], 0, taker["side"]
        n += 1
        left -= size
        reduce(book, buyer, size)
        reduce(book, seller, size)
    return n, price
