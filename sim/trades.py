"""At which prices did the lots between two snapshots trade? Our formulation; prices are level indices here.

With turnover: lots d and turnover t fix the mean price exactly. One lot is at the last price when that is consistent;
the others lie on the two nearest of the prices known to matter (old and new quotes, last) that bracket their mean,
with one lot between them when t asks for it, so lots and turnover balance to the unit. Without turnover: the last
price, the levels a run to it consumed, and on the other side as many lots as its fall suggests.
"""

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim._jit import kernel, maker
from lobarena.sim.shot import levels_shown, lots_at, side_of

MAX_PRICES = 64  # different prices that one interval's trades may have


@maker
def split(shot, base, best, crowd, lots, turnover, known, auction, prices, sizes):
    """Fill `prices` (rising) and `sizes` with the trades of one interval: (count, whether a price was known).

    shot : SNAPSHOT at the end of the interval
    best, crowd : (2,) best levels and (2, levels) lots of the crowd at its start
    turnover : level index x lot traded, meant only when `known`
    auction : all lots trade at one price
    """
    levels = crowd.shape[1]
    last = np.int64(shot["last"]) - base
    known = known and 0 <= turnover <= (levels - 1) * lots
    if auction:
        if known and turnover % lots == 0:
            last = turnover // lots
        price = min(max(last, 0), levels - 1)
        return _add(prices, sizes, 0, price, lots), price == last
    if known:
        return _by_turnover(shot, base, best, levels, last, lots, turnover, prices, sizes), True
    price = last
    if price < 0 or price >= levels:  # no last price either: anywhere inside the old quotes
        price = best[ASK] if best[ASK] < levels else max(best[BID], 0)
    return _by_last(shot, base, best, crowd, price, lots, prices, sizes), price == last


@kernel
def _add(prices, sizes, count, price, size):
    """Insert in price order, merging equal prices; beyond MAX_PRICES the nearest price takes the lots."""
    if size <= 0:
        return count
    i = count
    while i > 0 and prices[i - 1] >= price:
        i -= 1
    if i < count and prices[i] == price:
        sizes[i] += size
        return count
    if count == prices.shape[0]:
        sizes[min(i, count - 1)] += size
        return count
    for j in range(count, i, -1):
        prices[j], sizes[j] = prices[j - 1], sizes[j - 1]
    prices[i], sizes[i] = price, size
    return count + 1


@maker
def _by_turnover(shot, base, best, levels, last, lots, turnover, prices, sizes):
    anchors = np.full(5, -1, np.int64)
    if best[BID] >= 0:
        anchors[0] = best[BID]
    if best[ASK] < levels:
        anchors[1] = best[ASK]
    if shot["bid_size"][0] > 0:
        anchors[2] = shot["bid"][0] - base
    if shot["ask_size"][0] > 0:
        anchors[3] = shot["ask"][0] - base
    if 0 <= last < levels:
        anchors[4] = last
    count = 0
    if 0 <= last < levels and lots > 1:
        rest = turnover - last
        low, high = np.int64(levels), np.int64(-1)
        for anchor in anchors:
            if anchor >= 0:
                low, high = min(low, anchor), max(high, anchor)
        if low * (lots - 1) <= rest <= high * (lots - 1):
            count = _add(prices, sizes, count, last, 1)
            lots, turnover = lots - 1, rest
    low, high = np.int64(-1), np.int64(levels)
    for anchor in anchors:
        if anchor >= 0 and anchor * lots <= turnover:
            low = max(low, anchor)
        if anchor >= 0 and anchor * lots >= turnover:
            high = min(high, anchor)
    if low < 0 or high >= levels:  # the market went beyond every quote we know and came back
        low = turnover // lots
        high = low + 1
    if low == high:
        return _add(prices, sizes, count, low, lots)
    over = turnover - low * lots
    upper, between = over // (high - low), over % (high - low)
    one = 1 if between > 0 else 0
    count = _add(prices, sizes, count, low, lots - upper - one)
    count = _add(prices, sizes, count, low + between, one)
    return _add(prices, sizes, count, high, upper)


@kernel
def _by_last(shot, base, best, crowd, price, lots, prices, sizes):
    levels = crowd.shape[1]
    bid, ask = best[BID], best[ASK]
    if ask < levels and price >= ask:
        maker = ASK
    elif bid >= 0 and price <= bid:
        maker = BID
    else:
        return _add(prices, sizes, 0, price, lots)
    step = 1 if maker == ASK else -1
    fell = np.int64(0)  # lots that left the levels up to the last price
    x = best[maker]
    while x != price + step:
        fell += max(0, crowd[maker, x] - lots_at(shot, maker, x + base))
        x += step
    other = np.int64(0)  # lots that left the best price of the other side
    touch = best[1 - maker]
    if 0 <= touch < levels:
        fall = crowd[1 - maker, touch] - lots_at(shot, 1 - maker, touch + base)
        if fall > 0 and _speaks_of(shot, 1 - maker, touch + base):
            other = min(fall, lots - 1, lots * fall // (fall + fell))
    count = _add(prices, sizes, 0, touch, other)
    left = lots - other
    x = best[maker]
    while x != price and left > 1 and count < prices.shape[0] - 1:
        size = min(crowd[maker, x], left - 1)
        count = _add(prices, sizes, count, x, size)
        left -= size
        x += step
    return _add(prices, sizes, count, price, left)


@kernel
def _speaks_of(shot, side, ticks):
    """Whether the new snapshot would show a price: a level hidden behind its last one says nothing."""
    prices, _ = side_of(shot, side)
    shown = levels_shown(shot, side)
    if shown < shot["depth"]:
        return True
    return ticks >= prices[shown - 1] if side == BID else ticks <= prices[shown - 1]
