"""The recorded market enters the book: every event becomes a crowd order, every snapshot is met."""

import numpy as np

from lobarena.data.schema import (
    ASK,
    BID,
    CANCEL,
    CLEAR,
    CLOSED,
    CONTINUOUS,
    DELETE,
    LEVEL,
    LIMIT,
    MARKET,
    PHASE,
    REDUCE,
    STAND,
    STIR,
    SWEEP,
    SWELL,
    TAKE,
    TRADE,
    UNCROSS,
    UNKNOWN,
)
from lobarena.sim._jit import inline, kernel
from lobarena.sim.auction import uncross
from lobarena.sim.bits import next_level
from lobarena.sim.exchange import record, remark, withdraw_all
from lobarena.sim.hawkes.hear import hear
from lobarena.sim.hawkes.stir import swell, wake
from lobarena.sim.impact import forgive, less_owed, owe
from lobarena.sim.levels import clear_crowd, raise_level, refill, set_level, trade_at
from lobarena.sim.matching import cancel, find, reduce, rest, submit
from lobarena.sim.queue import crowd_lots, thin
from lobarena.sim.shot import levels_shown, side_of
from lobarena.sim.types import AUCTION_FILL, CROWD, DAY, IOC, NONE, QUEUE_REACHED, STP_OFF


@inline
def apply(book, venue, event, order):
    """One event of the record but a MARK; the engine's id of the order it speaks of, `order` until now, or -1."""
    # Whole 64-bit numbers from here on: every narrower type would be one more compile of all that is called.
    kind, side, size = np.int64(event["kind"]), np.int64(event["side"]), np.int64(event["size"])
    levels = book["level"].shape[0] // 2
    index = np.int64(max(0, min(levels - 1, event["price"] - book["base"])))
    if kind == LEVEL:
        set_level(book, venue, side, index, size, event["u"])
    elif kind == TRADE:
        trade_at(book, venue, side, index, size)
    elif kind == LIMIT:
        return _limit(book, venue, side, index, size, event["ref"] != NONE)
    elif kind in (TAKE, MARKET, SWEEP):
        if venue["phase"] == CONTINUOUS:
            own = np.int64(event["price"])
            if kind == MARKET:
                index, own = np.int64(levels - 1 if side == BID else 0), np.int64(NONE)
            if venue["seats"] > 0:
                remark(book, venue)
            fills, _, _ = submit(book, CROWD, side, index, size, IOC, STP_OFF)
            lots = record(book, venue, fills, own, QUEUE_REACHED, NONE)
            hear(venue, side, lots)
            size -= lots
            if kind == SWEEP:
                _owe_all(book, venue, fills)
        venue["unfilled"] += size
    elif kind == CANCEL:
        thin(book, side, index, size, event["u"], venue["cancel_model"], venue["power"])
    elif kind == DELETE:
        cancel(book, order)
    elif kind == REDUCE:
        slot = find(book, order)
        if slot != NONE:
            reduce(book, slot, size)
    elif kind == CLEAR:
        clear_crowd(book)
    elif kind == STIR:
        wake(book, venue, event)
    elif kind == SWELL:
        swell(venue, event)
    elif kind == STAND:
        rest(book, CROWD, side, index, size)
    elif kind == UNCROSS:
        remark(book, venue)
        fills, _ = uncross(book, index)
        record(book, venue, fills, NONE, AUCTION_FILL, NONE)
    elif kind == PHASE:
        venue["phase"] = side
        if side == CLOSED:
            for seat in range(1, venue["seats"] + 1):
                withdraw_all(book, venue, seat)
    return order


@kernel
def meet(book, venue, shot, u, shown):
    """The venue publishes: where the record shows its book (`shown`), the crowd is compared and brought to `shot`."""
    if shown:
        alike = _shows(book, shot)
        met = alike and venue["volume"] == shot["volume"]
        met = met and (shot["turnover"] == UNKNOWN or venue["turnover"] == shot["turnover"])
        venue["shots"] += 1
        if met:
            venue["met"] += 1
        elif venue["first_missed"] == 0:
            venue["first_missed"] = shot["row"]
        if not alike or venue["owed_span"][BID, 1] >= 0 or venue["owed_span"][ASK, 1] >= 0:
            _meet(book, venue, shot, u)
    elif venue["seats"] > 0 and venue["numbered"] == 0:
        refill(book, venue)
    remark(book, venue)


@kernel
def _owe_all(book, venue, fills):
    """What an order beyond the record took from the crowd is missing afterwards, as if a seat had taken it."""
    for row in range(fills):
        fill = book["tape"][row]
        if fill["maker_owner"] == CROWD:
            owe(venue, book, 1 - np.int64(fill["side"]), np.int64(fill["price"]), np.int64(fill["size"]))


@kernel
def _limit(book, venue, side, index, size, numbered):
    """A crowd order: by number when the record has every order, else a rise of a level that the record shows.

    The id under which it rests, or -1.
    """
    if not numbered:
        raise_level(book, venue, side, index, size)
        return np.int64(NONE)
    if venue["phase"] != CONTINUOUS:
        return rest(book, CROWD, side, index, size)
    if venue["seats"] > 0:
        remark(book, venue)
    fills, order_id, _ = submit(book, CROWD, side, index, size, DAY, STP_OFF)
    record(book, venue, fills, index + book["base"], QUEUE_REACHED, NONE)
    return order_id


@kernel
def _shows(book, shot):
    """Whether the crowd's book shows what the snapshot shows."""
    levels, base = book["level"].shape[0] // 2, book["base"]
    for side in range(2):
        prices, sizes = side_of(shot, side)
        shown = levels_shown(shot, side)
        whole = shown < shot["depth"]
        x = book["best"][side]
        step = -1 if side == BID else 1
        for level in range(shown + 1):
            while 0 <= x < levels and crowd_lots(book, side, x) == 0:
                x = next_level(book, side, x + step)
            if level == shown:
                if whole and 0 <= x < levels:
                    return False
            else:
                if x + base != prices[level] or not 0 <= x < levels or crowd_lots(book, side, x) != sizes[level]:
                    return False
                x = next_level(book, side, x + step)
    return True


@kernel
def _meet(book, venue, shot, u):
    """Bring the crowd's levels to the snapshot, less what the seats took and the impact rule keeps away."""
    levels, base = book["level"].shape[0] // 2, book["base"]
    for side in range(2):
        prices, sizes = side_of(shot, side)
        shown = levels_shown(shot, side)
        whole = shown < shot["depth"]
        step = -1 if side == BID else 1
        edge = np.int64(-1 if side == BID else levels)  # first level the snapshot says nothing about
        if not whole:
            edge = np.int64(prices[shown - 1] - base + step)
        x = book["best"][side]
        while 0 <= x < levels and (x > edge if side == BID else x < edge):
            behind = next_level(book, side, x + step)
            want = 0
            for level in range(shown):
                if prices[level] == x + base:
                    want = less_owed(venue, sizes[level], x if side == BID else levels + x)
            excess = np.int64(crowd_lots(book, side, x) - want)
            if excess > 0:
                venue["moved"] += thin(book, side, x, excess, u, venue["cancel_model"], venue["power"])
            x = behind
        forgive(venue, prices, shown, side, edge, base, levels)
    for side in range(2):
        prices, sizes = side_of(shot, side)
        for level in range(levels_shown(shot, side)):
            x = np.int64(prices[level] - base)
            if 0 <= x < levels:
                want = less_owed(venue, sizes[level], x if side == BID else levels + x)
                short = np.int64(want - crowd_lots(book, side, x))
                if short > 0:
                    venue["moved"] += short
                    raise_level(book, venue, side, x, short)
