"""Order flow of a made-up crowd through the real book: limit orders, market orders and cancels, one after the other.

A zero-intelligence crowd (arrivals by distance from the opposite best, cancels in proportion to what stands) with two
additions: market orders excite further ones of their side, and all lean towards a reference price that nobody sees.
The crowd lives in its own time, which runs now faster, now slower; rates are per second of that time.
Draws come from outside and kernels use plain arithmetic only: the same draws make the same day, compiled or not.
"""

import numpy as np

from lobarena.data.schema import ASK, BID, LEVELS
from lobarena.sim._jit import kernel
from lobarena.sim.auction import uncross
from lobarena.sim.bits import next_level
from lobarena.sim.matching import cancel, remove, rest, submit
from lobarena.sim.types import ACCEPTED, CROWD, DAY, IOC, NONE, SMALL, STP_OFF

PERIOD_S = 0.5  # between two snapshots
WAIT, SIZE, PLACE, WHAT, WHICH = range(5)  # columns of the draws: three standard exponentials, two uniforms

REGIME = np.dtype(
    [
        ("near", "f8"),  # 1/s, limit orders one tick from the opposite best, both sides
        ("heal", "f8"),  # growth of that rate for each tick of the spread beyond two
        ("far", "f8"),  # 1/s, limit orders further away
        ("reach", "f8"),  # ticks, scale of the exponential that is cut to their distance
        ("cancel", "f8"),  # 1/s, of each standing order
        ("take", "f8"),  # 1/s, unexcited market orders of both sides
        ("excite", "f8"),  # 1/s that a market order adds to the rate of its side
        ("decay", "f8"),  # 1/s, how fast the excitement fades
        ("lean", "f8"),  # 1/tick, how the reference price tilts buyers against sellers
        ("edge", "f8"),  # ticks beyond a best price from which on the reference price is acted upon
        ("chase", "f8"),  # 1/s, of acting upon it
        ("pull", "f8"),  # share of it that is makers who withdraw, not takers who sweep
        ("limit_size", "f8"),  # lots, scale of the exponential that is cut to the geometric size
        ("take_size", "f8"),  # lots, likewise
    ]
)

PATH = np.dtype(
    [
        ("time", "i8"),  # ns UTC, when the snapshot is published
        ("seconds", "f8"),  # how much of the crowd's own time the period holds; 0.5 at the usual pace
        ("reference", "f8"),  # level index, the reference price in the period
        ("regime", "i8"),  # row of the regimes
    ]
)

_ORDERS = 4 * SMALL[1]  # orders remembered for cancelling: those that stand, and some already gone

FLOW = np.dtype(
    [
        ("regimes", REGIME, (3,)),
        ("lower", "i8"),  # level index, lowest and highest legal price
        ("upper", "i8"),
        ("row", "i8"),  # next row of the path
        ("left", "f8"),  # s of the crowd's time until it is published
        ("excited", "f8", (2,)),  # 1/s, of buyers and sellers
        ("volume", "i8"),  # lots
        ("turnover", "i8"),  # tick x lot
        ("last", "i8"),  # ticks; 0 before the first trade
        ("known", "i8"),  # entries of `order`
        ("order", "i8", (_ORDERS,)),  # ids, one each of every order that stands, and of some that are gone
    ]
)


@kernel
def trade(books, flow, path, draws, shots):
    """Run the crowd on from path row flow["row"] until the path is at its end or no draw is left.

    path : (n,) PATH; draws : (m, 5) f8, one row an event; shots : (n,) SNAPSHOT, a row filled at each publication
    """
    book, f = books[0], flow[0]
    for k in range(draws.shape[0]):
        if f["row"] == path.shape[0]:
            return
        step, draw = path[f["row"]], draws[k]
        r, reference = f["regimes"][step["regime"]], step["reference"]
        bid, ask = _touch(book, reference)
        buyers = 0.5 + 0.5 * min(0.9, max(-0.9, r["lean"] * (reference - 0.5 * (bid + ask))))  # share of those who come
        near = r["near"] * (1.0 + r["heal"] * max(0, ask - bid - 2))
        limits = near + r["far"]
        buys = r["take"] * buyers + f["excited"][BID] * min(1.0, 2.0 * buyers)
        sells = r["take"] * (1.0 - buyers) + f["excited"][ASK] * min(1.0, 2.0 - 2.0 * buyers)
        stale = reference - ask > r["edge"] or bid - reference > r["edge"]
        chase = r["chase"] if stale else 0.0
        rate = limits + buys + sells + chase + r["cancel"] * f["known"]
        wait = draw[WAIT]
        if wait >= rate * f["left"]:
            _fade(f, r, f["left"])
            _publish(book, f, step["time"], shots[f["row"]])
            f["row"] += 1
            f["left"] = path[f["row"]]["seconds"] if f["row"] < path.shape[0] else 0.0
            continue
        wait /= rate
        _fade(f, r, wait)
        f["left"] -= wait
        book["time"] = step["time"] - np.int64(f["left"] / step["seconds"] * PERIOD_S * 1e9)
        what = draw[WHAT] * rate
        if what < limits:
            side = BID if draw[WHICH] < buyers else ASK
            distance = 1 if what < near else 2 + np.int64(draw[PLACE] * r["reach"])
            price = _price(side, bid, ask, distance, reference, r["edge"])
            _place(book, f, side, price, 1 + np.int64(draw[SIZE] * r["limit_size"]))
        elif what < limits + buys + sells:
            side = BID if what < limits + buys else ASK
            _take(book, f, side, ask if side == BID else bid, 1 + np.int64(draw[SIZE] * r["take_size"]))
            f["excited"][side] += r["excite"]
        elif what < limits + buys + sells + chase:
            side = BID if reference > ask else ASK
            price = ask if side == BID else bid
            if draw[WHICH] < r["pull"]:
                _withdraw(book, 1 - side, price)
            else:
                _take(book, f, side, price, _lots(book, 1 - side, price))
        else:
            _cancel(book, f, draw[WHICH])


@kernel
def _touch(book, reference):
    """Best bid and ask, level indices; where a side is empty, the prices that border on the reference price."""
    bid, ask = book["best"][BID], book["best"][ASK]
    if bid == NONE:
        bid = min(np.int64(reference), ask - 1)
    if ask == book["level"].shape[0] // 2:
        ask = max(np.int64(reference) + 1, bid + 1)
    return bid, ask


@kernel
def _price(side, bid, ask, distance, reference, edge):
    """Level index of a limit order so far from the opposite best; nobody offers what would be acted upon at once."""
    if side == BID:
        return min(ask - distance, np.int64(reference + edge))
    return max(bid + distance, np.int64(reference - edge) + 1)


@kernel
def _fade(f, r, seconds):
    """Excitement after some seconds: an implicit step of dx/dt = -decay x, needing no exponential."""
    kept = 1.0 / (1.0 + r["decay"] * seconds)
    f["excited"][BID] *= kept
    f["excited"][ASK] *= kept


@kernel
def _place(book, f, side, price, size):
    """A limit order comes in; it is refused beyond the price limits."""
    if price < f["lower"] or price > f["upper"] or f["known"] == f["order"].shape[0]:
        return
    fills, order_id, code = submit(book, CROWD, side, price, size, DAY, STP_OFF)
    _count(book, f, fills)
    if code == ACCEPTED and order_id != NONE:
        f["order"][f["known"]] = order_id
        f["known"] += 1


@kernel
def _take(book, f, side, price, size):
    """An aggressor takes up to `size` lots at `price`; the rest of it is gone."""
    fills, _, _ = submit(book, CROWD, side, price, size, IOC, STP_OFF)
    _count(book, f, fills)


@kernel
def _cancel(book, f, u):
    """One of the remembered orders goes; when it was filled before, it is only forgotten.

    So each standing order is cancelled at the same rate, without a search for those that were filled.
    """
    if f["known"] == 0:
        return
    chosen = np.int64(u * f["known"])
    cancel(book, f["order"][chosen])
    f["known"] -= 1
    f["order"][chosen] = f["order"][f["known"]]


@kernel
def _count(book, f, fills):
    tape = book["tape"]
    for row in range(fills):
        f["volume"] += tape[row]["size"]
        f["turnover"] += np.int64(tape[row]["price"]) * tape[row]["size"]
        f["last"] = tape[row]["price"]


@kernel
def _lots(book, side, price):
    return np.int64(book["level"][price if side == BID else book["level"].shape[0] // 2 + price]["size"])


@kernel
def _withdraw(book, side, price):
    """Every maker of a level goes."""
    queue = book["level"][price if side == BID else book["level"].shape[0] // 2 + price]
    while queue["head"] != NONE:
        remove(book, queue["head"])


@kernel
def _publish(book, f, time, shot):
    """The venue's snapshot: the five best levels a side and the day's totals."""
    levels, base = book["level"].shape[0] // 2, book["base"]
    book["time"] = time
    shot["time"], shot["last"], shot["volume"], shot["turnover"] = time, f["last"], f["volume"], f["turnover"]
    bid, ask = book["best"][BID], book["best"][ASK]
    for level in range(LEVELS):
        if bid >= 0:
            shot["bid"][level], shot["bid_size"][level] = base + bid, _lots(book, BID, bid)
            bid = next_level(book, BID, bid - 1)
        if ask < levels:
            shot["ask"][level], shot["ask_size"][level] = base + ask, _lots(book, ASK, ask)
            ask = next_level(book, ASK, ask + 1)


@kernel
def open_auction(books, flow, orders, time, shots):
    """The opening call auction: orders are collected, matched at one price and published in the first row of `shots`.

    orders : (n, 3) i8, side, level index and lots, in order of their arrival
    time : ns UTC of the match; the reference price is the middle of the price limits, the previous settlement
    """
    book, f = books[0], flow[0]
    for k in range(orders.shape[0]):
        book["time"] = time - (orders.shape[0] - k)  # all before the match; who came first is the earlier
        f["order"][k] = rest(book, CROWD, orders[k, 0], orders[k, 1], orders[k, 2])
    f["known"] = orders.shape[0]
    book["time"] = time
    fills, _ = uncross(book, np.int64(f["lower"] + f["upper"]) // 2)
    _count(book, f, fills)
    _publish(book, f, time, shots[0])
