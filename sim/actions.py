"""What a learner's action means: kinds of action, their spaces, and the target quotes that one becomes."""

from difflib import get_close_matches

import numpy as np

from lobarena.data.schema import ASK, BID, CONTINUOUS
from lobarena.sim._jit import kernel
from lobarena.sim.types import QUOTE_LEVELS

# Quote distances from the mid, in half spreads, of bid and ask: Spooner et al. 2018 (arXiv 1804.04216), table 1.
OFFSETS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 3), (3, 1), (2, 5), (5, 2))
CLEAR = len(OFFSETS)  # the tenth action: no quotes, and the inventory goes by a market order
KINDS = ("offsets", "continuous", "ladder", "orders")
_OFFSETS, _CONTINUOUS, _LADDER, _ORDERS = range(len(KINDS))
_BELOW, _ABOVE = (np.array([pair[side] for pair in OFFSETS]) for side in range(2))
LEAN = 5.0  # half spreads that `continuous` may move its centre from the mid
NEAR, FAR = 1.0, 10.0  # half spreads between its quotes and its centre
WIDTHS = (1, 2, 2 * QUOTE_LEVELS, 4 * QUOTE_LEVELS + 1)  # numbers of an action of each kind
WIDTH = max(WIDTHS)

# What is wrong with an action.
GOOD, NOT_FINITE, OUTSIDE, NOT_WHOLE, CROSSED = range(5)
FAULTS = {
    NOT_FINITE: "is not a finite number",
    OUTSIDE: "lies outside its space",
    NOT_WHOLE: "names no whole ticks or lots, or fewer than none",
    CROSSED: "has a bid at or above an ask",
}


def kind_of(action: str) -> int:
    """The place of an action in KINDS, as kernels know it; ValueError names the nearest."""
    if action not in KINDS:
        near = get_close_matches(str(action), KINDS, 1, 0.0)[0]
        raise ValueError(f"no action {action!r}; did you mean {near!r}? Known: {', '.join(KINDS)}")
    return KINDS.index(action)


@kernel
def act(kind, action, o, order_size, target):
    """Write an action, (WIDTH,) f8, as target quotes, (2, 5, 2) i4 ticks and lots: (fault, lots of a market order).

    o : the OBSERVATION that it answers. At the position limit only the reducing side is quoted; a market that is closed
    or has one side only is not quoted, but by `orders`, which are sent as they are.
    """
    for level in range(QUOTE_LEVELS):
        target[BID, level, 1] = target[ASK, level, 1] = 0
    if kind == _ORDERS:
        return _orders(action, target)
    position, limit = np.int64(o["position"]), np.int64(o["position_limit"])
    if kind == _OFFSETS:
        if not 0.0 <= action[0] <= CLEAR or action[0] != np.floor(action[0]):
            return OUTSIDE, np.int64(0)
        choice = np.int64(action[0])
        if choice == CLEAR:
            other = o["bid_size"][0] if position > 0 else o["ask_size"][0]
            return GOOD, -position if o["phase"] == CONTINUOUS and other > 0 else np.int64(0)
    bid, ask = np.int64(o["bid"][0]), np.int64(o["ask"][0])
    quoted = o["phase"] == CONTINUOUS and o["bid_size"][0] > 0 and o["ask_size"][0] > 0
    mid2, spread = bid + ask, ask - bid
    if kind == _OFFSETS:
        if quoted:  # mid - below x spread / 2 and mid + above x spread / 2, rounded outwards, all in half ticks
            buy, sell = (mid2 - _BELOW[choice] * spread) // 2, -((-mid2 - _ABOVE[choice] * spread) // 2)
            _pair(o, buy, sell, position, limit, order_size, target)
        return GOOD, np.int64(0)
    if kind == _CONTINUOUS:
        if not (np.isfinite(action[0]) and np.isfinite(action[1])):
            return NOT_FINITE, np.int64(0)
        if abs(action[0]) > 1.0 or abs(action[1]) > 1.0:
            return OUTSIDE, np.int64(0)
        if quoted:
            half = spread / 2
            centre = mid2 / 2 + LEAN * action[0] * half
            away = (NEAR + (FAR - NEAR) * (action[1] + 1.0) / 2.0) * half
            low, high = np.int64(np.floor(centre - away)), np.int64(np.ceil(centre + away))
            _pair(o, low, high, position, limit, order_size, target)
        return GOOD, np.int64(0)
    for k in range(2 * QUOTE_LEVELS):
        if not np.isfinite(action[k]):
            return NOT_FINITE, np.int64(0)
        if action[k] < 0.0 or action[k] > 1.0:
            return OUTSIDE, np.int64(0)
    if quoted:
        _stack(o, action, BID, bid, -1, max(0, limit - position), order_size, target)
        _stack(o, action, ASK, ask, 1, max(0, limit + position), order_size, target)
    return GOOD, np.int64(0)


@kernel
def _pair(o, low, high, position, limit, order_size, target):
    """One bid and one ask, within the position limit and the daily price limits; neither when they would meet."""
    if low >= high:
        return
    buy, sell = min(order_size, limit - position), min(order_size, limit + position)
    if buy > 0 and o["lower"] <= low <= o["upper"]:
        target[BID, 0, 0], target[BID, 0, 1] = low, buy
    if sell > 0 and o["lower"] <= high <= o["upper"]:
        target[ASK, 0, 0], target[ASK, 0, 1] = high, sell


@kernel
def _stack(o, action, side, best, step, room, order_size, target):
    """Lots at the best price of a side and up to four ticks behind it, in all no more than `room`."""
    count = 0
    for level in range(QUOTE_LEVELS):
        lots = min(room, np.int64(np.floor(action[side * QUOTE_LEVELS + level] * order_size + 0.5)))
        price = best + step * level
        if lots > 0 and o["lower"] <= price <= o["upper"]:
            target[side, count, 0], target[side, count, 1] = price, lots
            room -= lots
            count += 1


@kernel
def _orders(action, target):
    """Prices and lots as they are: bids, asks, and a market order."""
    highest, lowest = np.int64(-1), np.int64(2**40)
    for k in range(WIDTH):
        if not np.isfinite(action[k]):
            return NOT_FINITE, np.int64(0)
        if abs(action[k]) >= 2**31 or action[k] != np.floor(action[k]) or (k < WIDTH - 1 and action[k] < 0):
            return NOT_WHOLE, np.int64(0)
    for side in range(2):
        count = 0
        for level in range(QUOTE_LEVELS):
            at = 2 * (side * QUOTE_LEVELS + level)
            price, lots = np.int64(action[at]), np.int64(action[at + 1])
            if lots > 0:
                target[side, count, 0], target[side, count, 1] = price, lots
                count += 1
                if side == BID:
                    highest = max(highest, price)
                else:
                    lowest = min(lowest, price)
    if highest >= lowest:
        return CROSSED, np.int64(0)
    return GOOD, np.int64(action[WIDTH - 1])


@kernel
def choose(kind, action, look, order_size, target):
    """`act` of look[0], an OBSERVATION."""
    return act(kind, action, look[0], order_size, target)
