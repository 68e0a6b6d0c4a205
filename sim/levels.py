"""Levels of the crowd as a record of level changes shows them: they rise, fall, trade and come back."""

import numpy as np

from lobarena.data.schema import ASK, BID, CALL, CONTINUOUS
from lobarena.sim._jit import inline, kernel
from lobarena.sim.bits import next_level
from lobarena.sim.exchange import record, remark
from lobarena.sim.impact import less_owed, owe, still_owed
from lobarena.sim.matching import pile, rest, submit
from lobarena.sim.queue import crowd_lots, thin
from lobarena.sim.state import FRONT
from lobarena.sim.types import CROSSED, CROWD, DAY, IOC, NONE, QUEUE_REACHED, STP_OFF


@kernel
def raise_level(book, venue, side, index, size):
    """Add crowd lots at a level; what a seat did may have left crowd lots in the way, which the record says are gone.

    Seats in the way are hit at their own prices: the record went through them.
    """
    levels = book["level"].shape[0] // 2
    if venue["phase"] == CALL:
        _come(book, venue, side, index, size)
        return
    other = 1 - side
    x = np.int64(book["best"][other])
    crossed = False
    while (x <= index and x < levels) if side == BID else (x >= index and x >= 0):
        _leave(book, other, x)
        crossed = crossed or book["level"][x if other == BID else levels + x]["size"] > 0
        x = next_level(book, other, x + 1 if other == ASK else x - 1)
    if not crossed:
        _come(book, venue, side, index, size)
    elif venue["phase"] == CONTINUOUS:
        remark(book, venue)
        fills, _, _ = submit(book, CROWD, side, index, size, DAY, STP_OFF)
        lots = record(book, venue, fills, index + book["base"], CROSSED, NONE)
        owe(venue, book, side, index + book["base"], lots)


@kernel
def _come(book, venue, side, index, size):
    """Crowd lots at the back of a queue. Where orders have numbers, each is its own; else what stands last grows."""
    if venue["numbered"] == 0:
        if not pile(book, side, index, size):
            venue["lost"] += 1
    elif rest(book, CROWD, side, index, size) == NONE:
        venue["lost"] += 1


@kernel
def _leave(book, side, index):
    """All crowd lots of a level leave."""
    thin(book, side, index, np.int64(crowd_lots(book, side, index)), np.float32(0.0), FRONT, 1)


@inline
def set_level(book, venue, side, index, size, u):
    """The record shows `size` lots at a level: the crowd is brought to that, less what seats took and keep away."""
    levels = book["level"].shape[0] // 2
    at = index if side == BID else levels + index
    want = size
    if venue["seats"] > 0:
        venue["owed"][at]["shown"] = size
        if venue["owed"][at]["lots"] > 0.0:
            want = np.int64(less_owed(venue, size, at))
    queue = book["level"][at]
    more = want - (queue["size"] - queue["seats"])
    if more == 0:
        return
    # nearly always the crowd's last order grows, or its only one shrinks; the long way took twice the time
    orders, best, last = book["orders"], book["best"], queue["tail"]
    if last != NONE and orders[last]["owner"] == CROWD:
        free = index < best[ASK] if side == BID else index > best[BID]
        if (more > 0 and free and venue["numbered"] == 0) or (more < 0 and want > 0 and last == queue["head"]):
            orders[last]["qty"] += more
            queue["size"] += more
            return
    if more > 0:
        raise_level(book, venue, side, index, more)
    else:
        thin(book, side, index, -more, u, venue["cancel_model"], venue["power"])


@kernel
def trade_at(book, venue, side, index, size):
    """`size` lots trade at exactly this level: crowd levels that the trade passes over leave, missing makers come.

    A seat with a better price is hit first, at its own; what a seat took of the level before cannot trade again.
    """
    if venue["phase"] != CONTINUOUS:
        venue["unfilled"] += size
        return
    maker, levels = 1 - side, book["level"].shape[0] // 2
    at = index if maker == BID else levels + index
    if venue["seats"] > 0:
        venue["owed"][at]["shown"] = max(0, venue["owed"][at]["shown"] - size)
    queue = book["level"][at]
    first = queue["head"]
    if book["best"][maker] == index and book["orders"][first]["owner"] == CROWD and size < book["orders"][first]["qty"]:
        # as often as not: the crowd stands first at the touch and has more
        book["orders"][first]["qty"] -= size
        queue["size"] -= size
        trade = index + book["base"]
        venue["volume"] += size
        venue["turnover"] += trade * size
        venue["last"] = trade
        return
    x = np.int64(book["best"][maker])
    while (x > index) if maker == BID else (x < index):
        _leave(book, maker, x)
        x = next_level(book, maker, x + 1 if maker == ASK else x - 1)
    short = size - np.int64(crowd_lots(book, maker, index))
    if venue["seats"] > 0:
        short -= still_owed(venue, at)
    if short > 0:
        raise_level(book, venue, maker, index, short)
    if venue["seats"] > 0:
        remark(book, venue)
    fills, _, _ = submit(book, CROWD, side, index, size, IOC, STP_OFF)
    lots = record(book, venue, fills, index + book["base"], QUEUE_REACHED, NONE)
    venue["unfilled"] += size - lots


@kernel
def clear_crowd(book):
    """The crowd leaves the book; the seats stay."""
    levels = book["level"].shape[0] // 2
    for side in range(2):
        step = -1 if side == BID else 1
        x = np.int64(book["best"][side])
        while 0 <= x < levels:
            behind = next_level(book, side, x + step)
            _leave(book, side, x)
            x = behind


@kernel
def refill(book, venue):
    """At a publication, what seats took comes back as the impact rule says, at levels that the record still shows."""
    levels = book["level"].shape[0] // 2
    for side in range(2):
        span = venue["owed_span"][side]
        first, last = np.int64(span[0]), np.int64(span[1])
        span[0], span[1] = levels, NONE
        for x in range(first, last + 1):
            at = x if side == BID else levels + x
            if venue["owed"][at]["lots"] > 0.0:
                short = np.int64(less_owed(venue, np.int64(venue["owed"][at]["shown"]), at) - crowd_lots(book, side, x))
                if venue["owed"][at]["lots"] > 0.0:
                    span[0], span[1] = min(np.int64(span[0]), x), max(np.int64(span[1]), x)
                if short > 0:
                    raise_level(book, venue, side, x, short)
