"""The recorded market enters the book: every event becomes a crowd order, every snapshot is met.

Impact rules (docs/replay.md): crowd lots that a seat took stay away until the next snapshot (`restore`), come back with
a half-life (`decay`), or stay away while the record shows the level (`keep`).
"""

import numpy as np

from lobarena.data.schema import (
    ASK,
    BID,
    CALL,
    CANCEL,
    CLOSED,
    CONTINUOUS,
    DELETE,
    LIMIT,
    MARK,
    MARKET,
    PHASE,
    TAKE,
    UNCROSS,
    UNKNOWN,
)
from lobarena.sim._jit import kernel
from lobarena.sim.auction import uncross
from lobarena.sim.bits import next_level
from lobarena.sim.book import cancel, rest, submit
from lobarena.sim.exchange import fade, owe, record, remark, withdraw_all
from lobarena.sim.queue import crowd_lots, thin
from lobarena.sim.shot import levels_shown, side_of
from lobarena.sim.state import DECAY, RESTORE
from lobarena.sim.types import AUCTION_FILL, CROSSED, CROWD, DAY, IOC, NONE, QUEUE_REACHED, STP_OFF


@kernel
def apply(book, venue, tape, event, snapshots, ids):
    """One event of the record; True when the venue publishes its book."""
    v = venue[0]
    # Whole 64-bit numbers from here on: every narrower type would be one more compile of all that is called.
    kind, side, size = np.int64(event["kind"]), np.int64(event["side"]), np.int64(event["size"])
    levels = book[0]["level"].shape[0] // 2
    index = np.int64(max(0, min(levels - 1, event["price"] - book[0]["base"])))
    if kind == LIMIT:
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
        _raise(book, venue, tape, side, index, size)
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
def _raise(book, venue, tape, side, index, size):
    """Add crowd lots at a level; what a seat did may have left crowd lots in the way, which the record says are gone.

    Seats in the way are hit at their own prices: the record went through them.
    """
    v = venue[0]
    if v["phase"] == CALL:
        rest(book, CROWD, side, index, size)
        return
    levels = book[0]["level"].shape[0] // 2
    other = 1 - side
    x = book[0]["best"][other]
    crossed = False
    while (x <= index and x < levels) if side == BID else (x >= index and x >= 0):
        thin(book, other, x, np.int64(crowd_lots(book, other, x)), np.float32(0.0), v["cancel_model"], v["power"])
        queue = book[0]["level"][x if other == BID else levels + x]
        crossed = crossed or queue["size"] > 0
        x = next_level(book, other, x + 1 if other == ASK else x - 1)
    if not crossed:
        rest(book, CROWD, side, index, size)
    elif v["phase"] == CONTINUOUS:
        remark(book, venue)
        fills, _, _ = submit(book, tape, CROWD, side, index, size, DAY, STP_OFF)
        lots = record(book, venue, tape, fills, index + book[0]["base"], CROSSED, NONE)
        owe(venue, book, side, index + book[0]["base"], lots)


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
                    want = _less_owed(venue, sizes[level], x if side == BID else levels + x)
            excess = np.int64(crowd_lots(book, side, x) - want)
            if excess > 0:
                v["moved"] += thin(book, side, x, excess, u, v["cancel_model"], v["power"])
            x = behind
        _forgive(venue, prices, shown, side, edge, base, levels)
    for side in range(2):
        prices, sizes = side_of(shot, side)
        for level in range(levels_shown(shot, side)):
            x = np.int64(prices[level] - base)
            if 0 <= x < levels:
                want = _less_owed(venue, sizes[level], x if side == BID else levels + x)
                short = np.int64(want - crowd_lots(book, side, x))
                if short > 0:
                    v["moved"] += short
                    _raise(book, venue, tape, side, x, short)


@kernel
def _forgive(venue, prices, shown, side, edge, base, levels):
    """Nothing is owed at a level that the record no longer shows."""
    v = venue[0]
    span = v["owed_span"][side]
    low, high = np.int64(levels), np.int64(-1)
    for x in range(span[0], span[1] + 1):
        owed = v["owed"][x + side * levels]
        if owed["lots"] > 0.0:
            gone = x > edge if side == BID else x < edge
            for level in range(shown):
                gone = gone and prices[level] != x + base
            if gone:
                owed["lots"] = 0.0
            else:
                low, high = min(low, np.int64(x)), max(high, np.int64(x))
    span[0], span[1] = low, high


@kernel
def _less_owed(venue, size, at):
    """Crowd lots that should stand at level `at` when the record shows `size`."""
    v = venue[0]
    owed = v["owed"][at]
    if owed["lots"] <= 0.0:
        return size
    if v["impact"] == RESTORE:
        owed["lots"] = 0.0
    elif v["impact"] == DECAY:
        fade(venue, owed)
    if owed["lots"] > size:
        owed["lots"] = size
    return size - int(np.floor(owed["lots"] + np.float32(0.5)))
