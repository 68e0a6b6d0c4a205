"""What a living crowd does to the book: it takes, places, cancels, follows the reference price, clears what is far."""

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim._jit import kernel
from lobarena.sim.bits import next_level
from lobarena.sim.exchange import record, remark
from lobarena.sim.hawkes.hear import excite
from lobarena.sim.hawkes.traits import HEAVIEST, REACH, TAKE
from lobarena.sim.matching import remove, submit
from lobarena.sim.types import CROWD, DAY, IOC, NONE, QUEUE_REACHED, STP_OFF

_BEYOND = np.float64(REACH - 2)  # ticks


@kernel
def lots_at(book, side, price):
    """Lots of everybody at a level."""
    levels = book["level"].shape[0] // 2
    if price < 0 or price >= levels:
        return 0.0
    return np.float64(book["level"][price if side == BID else levels + price]["size"])


@kernel
def expected(book, venue):
    """The price that the crowd expects, a level index: no further beyond a daily limit than it looks for orders."""
    mood, base = venue["mood"], book["base"]
    return min(max(mood["reference"] + mood["shift"], venue["lower"] - base - _BEYOND), venue["upper"] - base + _BEYOND)


@kernel
def price_of(book, venue, side, bid, ask, behind):
    """Level index of a limit order so far behind its side's best; nobody offers what would be acted upon at once."""
    centre, edge = expected(book, venue), venue["traits"]["edge"] - venue["mood"]["shy"]
    if side == BID:
        return min(bid - behind, np.int64(np.floor(centre + edge)))
    return max(ask + behind, np.int64(np.ceil(centre - edge)))


@kernel
def take(book, venue, side, price, size):
    """An aggressor takes up to `size` lots at `price` or better, the rest of it is gone: lots traded.

    It takes what is there, so its fills are of a queue that was reached, however far it goes.
    """
    if price < 0 or price >= book["level"].shape[0] // 2:
        return np.int64(0)
    if venue["seats"] > 0:
        remark(book, venue)
    fills, _, _ = submit(book, CROWD, side, price, size, IOC, STP_OFF)
    return np.int64(record(book, venue, fills, np.int64(NONE), QUEUE_REACHED, NONE))


@kernel
def place_order(book, venue, side, price, size):
    """A limit order comes in, unless nobody may ask for so much or no slot is free: whether it did.

    Who would pay more than the upper limit pays the limit: so a market is locked there.
    """
    ticks = price + book["base"]
    ticks = min(ticks, np.int64(venue["upper"])) if side == BID else max(ticks, np.int64(venue["lower"]))
    price = ticks - book["base"]
    if ticks < venue["lower"] or ticks > venue["upper"] or book["free"] == NONE:
        return False
    if venue["seats"] > 0:
        remark(book, venue)
    fills, _, _ = submit(book, CROWD, side, price, size, DAY, STP_OFF)
    record(book, venue, fills, ticks, QUEUE_REACHED, NONE)
    return True


@kernel
def crowd_at(book, side, price):
    """The crowd's lots at a level."""
    levels = book["level"].shape[0] // 2
    if price < 0 or price >= levels:
        return 0.0
    queue = book["level"][price if side == BID else levels + price]
    return np.float64(queue["size"] - queue["seats"])


@kernel
def cancel_one(book, side, price, half, place, later):
    """An order of the crowd leaves a level, found by the place of a lot in its queue: whether there was one.

    half : uniform draw for whether that lot lies in the later half of the crowd's lots, as a share `later` does
    """
    stock = crowd_at(book, side, price)
    if stock <= 0.0:
        return False
    where = stock * (0.5 + 0.5 * place if half < later else 0.5 * place)
    levels = book["level"].shape[0] // 2
    slot = book["level"][price if side == BID else levels + price]["head"]
    found = slot
    while slot != NONE:
        order = book["orders"][slot]
        if order["owner"] == CROWD:
            found = slot
            where -= order["qty"]
            if where < 0.0:
                break
        slot = order["next"]
    remove(book, found)
    return True


@kernel
def chase(book, venue, bid, ask, which):
    """The reference price lies beyond a best price: makers withdraw that level, or a taker sweeps it.

    Where it is only nearer than makers like, they withdraw.
    """
    traits = venue["traits"]
    centre = expected(book, venue)
    side = BID if centre - ask > bid - centre else ASK
    price = ask if side == BID else bid
    if which < traits["pull"] or max(centre - ask, bid - centre) <= traits["edge"]:
        leave(book, 1 - side, price)
        return
    lots = take(book, venue, side, price, np.int64(max(1.0, lots_at(book, 1 - side, price))))
    if lots > 0:  # it excites, but the reference price moves nothing by being followed
        excite(venue, TAKE, side, min(HEAVIEST, lots / traits["take_mean"]))


@kernel
def leave(book, side, price):
    """All the crowd's orders of a level leave."""
    levels = book["level"].shape[0] // 2
    if price < 0 or price >= levels:
        return
    slot = book["level"][price if side == BID else levels + price]["head"]
    while slot != NONE:
        behind = book["orders"][slot]["next"]
        if book["orders"][slot]["owner"] == CROWD:
            remove(book, slot)
        slot = behind


@kernel
def trim(book):
    """The crowd keeps no order further than twice its reach behind a best price."""
    levels = book["level"].shape[0] // 2
    for side in range(2):
        step = -1 if side == BID else 1
        x = np.int64(book["best"][side])
        x = next_level(book, side, x + step * 2 * REACH) if 0 <= x < levels else x
        while 0 <= x < levels:
            behind = next_level(book, side, x + step) if 0 <= x + step < levels else np.int64(-1)
            leave(book, side, x)
            x = behind
