"""The recorded market enters the book: every event becomes a crowd order, every snapshot is met."""

import numpy as np

from lobarena.data.schema import (
    BID,
    CALL,
    CANCEL,
    CLEAR,
    CLOSED,
    CONTINUOUS,
    DELETE,
    LEVEL,
    LIMIT,
    MARK,
    MARKET,
    PHASE,
    REDUCE,
    TAKE,
    TRADE,
    UNCROSS,
    UNKNOWN,
)
from lobarena.sim._jit import kernel
from lobarena.sim.auction import uncross
from lobarena.sim.bits import next_level
from lobarena.sim.book import cancel, find, reduce, rest, submit
from lobarena.sim.exchange import record, remark, withdraw_all
from lobarena.sim.impact import forgive, less_owed
from lobarena.sim.levels import clear_crowd, raise_level, refill, set_level, trade_at
from lobarena.sim.queue import crowd_lots, thin
from lobarena.sim.shot import levels_shown, side_of
from lobarena.sim.types import AUCTION_FILL, CROWD, DAY, IOC, NONE, QUEUE_REACHED, STP_OFF


@kernel
def apply(book, venue, tape, event, snapshots, ids):
    """One event of the record; True when the venue publishes its book."""
    v = venue[0]
    # Whole 64-bit numbers from here on: every narrower type would be one more compile of all that is called.
    kind, side, size = np.int64(event["kind"]), np.int64(event["side"]), np.int64(event["size"])
    levels = book[0]["level"].shape[0] // 2
    index = np.int64(max(0, min(levels - 1, event["price"] - book[0]["base"])))
    if kind == LEVEL:
        set_level(book, venue, tape, side, index, size, event["u"])
    elif kind == TRADE:
        trade_at(book, venue, tape, side, index, size)
    elif kind == LIMIT:
        _limit(book, venue, tape, side, index, size, np.int64(event["ref"]), ids)
    elif kind in (TAKE, MARKET):
        if v["phase"] == CONTINUOUS:
            own = np.int64(event["price"])
            if kind == MARKET:
                index, own = np.int64(levels - 1 if side == BID else 0), np.int64(NONE)
            if v["seats"] > 0:
                remark(book, venue)
            fills, _, _ = submit(book, tape, CROWD, side, index, size, IOC, STP_OFF)
            size -= record(book, venue, tape, fills, own, QUEUE_REACHED, NONE)
        v["unfilled"] += size
    elif kind == CANCEL:
        thin(book, side, index, size, event["u"], v["cancel_model"], v["power"])
    elif kind == DELETE:
        cancel(book, ids[event["ref"]])
    elif kind == REDUCE:
        slot = find(book, ids[event["ref"]])
        if slot != NONE:
            reduce(book, slot, size)
    elif kind == CLEAR:
        clear_crowd(book)
    elif kind == MARK:
        if event["ref"] != NONE:
            shot = snapshots[event["ref"]]
            met = _meets(book, venue, shot)
            v["shots"] += 1
            if met:
                v["met"] += 1
            elif v["first_missed"] == 0:
                v["first_missed"] = shot["row"]
            if v["seats"] > 0 or not met:
                _meet(book, venue, tape, shot, event["u"])
        elif v["seats"] > 0 and v["numbered"] == 0:
            refill(book, venue, tape)
        remark(book, venue)
        return True
    elif kind == UNCROSS:
        remark(book, venue)
        fills, _ = uncross(book, tape, index)
        record(book, venue, tape, fills, NONE, AUCTION_FILL, NONE)
    elif kind == PHASE:
        v["phase"] = side
        if side == CLOSED:
            for seat in range(1, v["seats"] + 1):
                withdraw_all(book, venue, seat)
    return False


@kernel
def _limit(book, venue, tape, side, index, size, ref, ids):
    """A crowd order: by number when the record has every order, else a rise of a level that the record shows."""
    v = venue[0]
    if ref == NONE:
        raise_level(book, venue, tape, side, index, size)
        return
    if v["phase"] == CALL:
        ids[ref] = rest(book, CROWD, side, index, size)
        return
    if v["seats"] > 0:
        remark(book, venue)
    fills, order_id, _ = submit(book, tape, CROWD, side, index, size, DAY, STP_OFF)
    record(book, venue, tape, fills, index + book[0]["base"], QUEUE_REACHED, NONE)
    ids[ref] = order_id


@kernel
def _meets(book, venue, shot):
    """Whether the crowd's book shows what the snapshot shows, and volume and turnover are the record's."""
    v = venue[0]
    if v["volume"] != shot["volume"] or (shot["turnover"] != UNKNOWN and v["turnover"] != shot["turnover"]):
        return False
    levels, base = book[0]["level"].shape[0] // 2, book[0]["base"]
    for side in range(2):
        prices, sizes = side_of(shot, side)
        shown = levels_shown(shot, side)
        whole = shown < shot["depth"]
        x = book[0]["best"][side]
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
def _meet(book, venue, tape, shot, u):
    """Bring the crowd's levels to the snapshot, less what the seats took and the impact rule keeps away."""
    v = venue[0]
    levels, base = book[0]["level"].shape[0] // 2, book[0]["base"]
    for side in range(2):
        prices, sizes = side_of(shot, side)
        shown = levels_shown(shot, side)
        whole = shown < shot["depth"]
        step = -1 if side == BID else 1
        edge = np.int64(-1 if side == BID else levels)  # first level the snapshot says nothing about
        if not whole:
            edge = np.int64(prices[shown - 1] - base + step)
        x = book[0]["best"][side]
        while 0 <= x < levels and (x > edge if side == BID else x < edge):
            behind = next_level(book, side, x + step)
            want = 0
            for level in range(shown):
                if prices[level] == x + base:
                    want = less_owed(venue, sizes[level], x if side == BID else levels + x)
            excess = np.int64(crowd_lots(book, side, x) - want)
            if excess > 0:
                v["moved"] += thin(book, side, x, excess, u, v["cancel_model"], v["power"])
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
                    v["moved"] += short
                    raise_level(book, venue, tape, side, x, short)
