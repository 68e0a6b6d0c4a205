"""Level changes of an hftbacktest array: depth and snapshots set levels, a clear takes away those not set again."""

import numpy as np

from lobarena.data.contracts import Contract
from lobarena.data.event_days import Events, falls_first, level_rows, standing
from lobarena.data.hftbacktest_file import DEPTH_CLEAR, TRADED, Ints, Rows
from lobarena.data.schema import BID, CLEAR, LEVEL, TRADE


def levels(rows: Rows, contract: Contract) -> Events:
    """(m,) EVENT of kinds LEVEL, TRADE and CLEAR, in the order of the rows.

    A clear of both sides is a CLEAR. A clear of one side, up to a price, comes before a snapshot: of the levels there
    only those that no later row of the same time sets are taken away, so that the others keep their queues.
    """
    kinds = np.where(rows.kind == TRADED, TRADE, np.where(rows.kind == DEPTH_CLEAR, CLEAR, LEVEL))
    events = level_rows(LEVEL, rows.time, np.maximum(rows.side, 0), np.maximum(rows.price, 0), np.maximum(rows.size, 0))
    events["kind"] = kinds
    sided = np.flatnonzero((kinds == CLEAR) & (rows.side >= 0))
    if len(sided):
        events = _without_sided(events, sided, rows, contract)
    level = events["kind"] == LEVEL
    new = np.ones(len(events), bool)
    new[1:] = ~level[1:] | ~level[:-1] | (events["time"][1:] != events["time"][:-1])
    new[1:] |= events["side"][1:] < events["side"][:-1]  # bids come first in each message
    return np.asarray(events[falls_first(events, np.cumsum(new))])


def _without_sided(events: Events, sided: Ints, rows: Rows, contract: Contract) -> Events:
    """The events with each clear of one side replaced by the levels that it takes away."""
    book = events[:0]  # LEVEL rows, one a level
    pieces, done = [], 0
    for at in sided.tolist():
        part = events[done:at]
        pieces.append(part)
        book, done = standing(np.concatenate([book, part])), at + 1
        side, last = rows.side[at], rows.px[at]
        gone = book["side"] == side
        if np.isfinite(last):
            tick = round(float(last) / contract.tick_size)
            gone &= (book["price"] >= tick) if side == BID else (book["price"] <= tick)
        behind = events[at + 1 : np.searchsorted(events["time"], events["time"][at], "right")]
        again = behind["price"][(behind["kind"] == LEVEL) & (behind["side"] == side)]
        leave = np.sort(book["price"][gone & ~np.isin(book["price"], again)])
        falls = level_rows(LEVEL, np.full(len(leave), events["time"][at]), side, leave, 0)
        pieces.append(falls)
        book = standing(np.concatenate([book, falls]))
    return np.concatenate([*pieces, events[done:]])
