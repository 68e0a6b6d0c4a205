"""From one snapshot to the next: the crowd's trades, adds and cancels that explain the difference.

A pure function of the record and a seed (no seat can change it), so it is done once a day and shared by every run.
The trades match the recorded volume to the lot and the recorded turnover to the tick; what cannot be matched is
counted in `Unexplained`, never dropped. How trades, adds and cancels are split is our formulation, after the idea
that the mean trade price dT/dV tells how many lots traded at which price (see docs/replay.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lobarena.data.schema import (
    ASK,
    AUCTION,
    BID,
    BREAK,
    CALL,
    CANCEL,
    EVENT,
    LEVELS,
    LIMIT,
    MARK,
    PHASE,
    TAKE,
    UNCROSS,
    UNKNOWN,
)
from lobarena.sim._jit import kernel, maker
from lobarena.sim.depth import grow, shrink
from lobarena.sim.shot import levels_shown, lots_at, side_of
from lobarena.sim.trades import MAX_PRICES, split
from lobarena.sim.types import NONE

ROOM = 131_072  # events made in one kernel call

STATE = np.dtype(
    [
        ("volume", "i8"),  # lots
        ("turnover", "i8"),  # tick x lot, UNKNOWN when not recorded
        ("best", "i8", (2,)),  # level index of the crowd's best bid and ask; -1, levels when there is none
        ("far", "i8", (2,)),  # level index of the crowd's furthest bid and ask
        ("off_lots", "i8"),  # lots whose price the record does not explain
        ("off_turnover", "i8"),  # tick x lot of recorded turnover that the trades do not carry
        ("off_rows", "i8"),  # snapshots where either happened
        ("first_off_row", "i8"),  # the first of them (source row), 0 when none
    ]
)


@dataclass(frozen=True)
class Unexplained:
    """What the record's volume and turnover leave open; all zero on a record that balances."""

    lots: int
    turnover: int  # tick x lot
    rows: int
    first_row: int


def infer(
    snapshots: np.ndarray, since: np.ndarray, base: int, levels: int, seed: np.random.SeedSequence
) -> tuple[np.ndarray, Unexplained]:
    """(n,) SNAPSHOT of one trading day -> (m,) EVENT in time order, and what stayed unexplained.

    since : (n,) i8, ns UTC from which on the events of a snapshot may have happened
    base, levels : ticks of level 0 and number of levels of the book the events are meant for
    """
    state = _start(levels)
    chunks = list(_chunks(snapshots, since, base, levels, seed, state))
    events = np.concatenate(chunks) if chunks else np.zeros(0, EVENT)
    s = state[0]
    return events, Unexplained(int(s["off_lots"]), int(s["off_turnover"]), int(s["off_rows"]), int(s["first_off_row"]))


def _start(levels: int) -> np.ndarray:
    state = np.zeros(1, STATE)
    state["best"] = state["far"] = (NONE, levels)
    return state


def _chunks(
    snapshots: np.ndarray,
    since: np.ndarray,
    base: int,
    levels: int,
    seed: np.random.SeedSequence,
    state: np.ndarray,
) -> Iterator[np.ndarray]:
    crowd = np.zeros((2, levels), np.int32)
    rng = np.random.Generator(np.random.PCG64(seed))
    events = np.zeros(ROOM, EVENT)
    row = 0
    while row < snapshots.shape[0]:
        moments, places = rng.random(ROOM), rng.random(ROOM, np.float32)
        made, after = _infer(snapshots, since, row, base, crowd, state, events, moments, places)
        if after == row:
            raise ValueError(f"snapshot row {snapshots[row]['row']} changes more than {ROOM} price levels at once")
        row = after
        yield events[:made].copy()


@maker
def _infer(snapshots, since, row, base, crowd, state, events, moments, places):
    """Events for the snapshots from `row` on until `events` may not hold another: (events made, next row)."""
    made = np.int64(0)
    while row < snapshots.shape[0]:
        before = made
        made = _interval(snapshots, row, base, crowd, state, events, made, places)
        if made < 0:
            return before, row
        _lay_times(events, before, made, since[row], snapshots[row]["time"], moments)
        row += 1
    return made, row


@maker
def _interval(snapshots, row, base, crowd, state, events, made, places):
    """Everything between the snapshot before and this one; the new number of events, or -1 without room."""
    shot = snapshots[row]
    s = state[0]
    lots = np.int64(shot["volume"] - s["volume"])
    known = shot["turnover"] != UNKNOWN and s["turnover"] != UNKNOWN
    turnover = shot["turnover"] - s["turnover"] - lots * base if known else np.int64(0)  # in level indices
    # The most this interval can need: every price that holds lots now leaves, every new one comes, twice.
    held = max(0, s["best"][BID] - s["far"][BID] + 1) + max(0, s["far"][ASK] - s["best"][ASK] + 1)
    reach = held + 4 * (LEVELS + MAX_PRICES)
    if made + reach >= events.shape[0]:
        return np.int64(-1)
    if lots > 0:
        prices, sizes = np.zeros(MAX_PRICES, np.int64), np.zeros(MAX_PRICES, np.int64)
        auction = shot["kind"] == AUCTION
        count, explained = split(shot, base, s["best"], crowd, lots, turnover, known, auction, prices, sizes)
        carried = np.int64(0)
        for i in range(count):
            carried += prices[i] * sizes[i]
        gap = turnover - carried if known else np.int64(0)
        if not explained or gap != 0:
            s["off_lots"] += 0 if explained else lots
            s["off_turnover"] += abs(gap)
            s["off_rows"] += 1
            if s["first_off_row"] == 0:
                s["first_off_row"] = shot["row"]
        if auction:
            made = _call_auction(events, made, base + prices[0], lots)
        else:
            made = _trade(events, made, shot, base, crowd, s["best"], s["far"], count, prices, sizes, places)
    made = _cancels(events, made, shot, base, crowd, s["best"], s["far"], places)
    made = _adds(events, made, shot, base, crowd, s["best"], s["far"])
    made = _put(events, made, MARK, BID, 0, 0, places[made])
    events[made - 1]["ref"] = row
    s["volume"] = shot["volume"]
    s["turnover"] = shot["turnover"]
    return np.int64(made)


@kernel
def _put(events, made, kind, side, price, size, u):
    event = events[made]
    event["time"], event["ref"] = 0, NONE
    event["kind"], event["side"], event["price"], event["size"], event["u"] = kind, side, price, size, u
    return made + 1


@kernel
def _call_auction(events, made, price, lots):
    """Both sides of the auction's volume enter at its price and match; afterwards the venue waits for its opening."""
    made = _put(events, made, PHASE, CALL, 0, 0, 0.0)
    made = _put(events, made, LIMIT, BID, price, lots, 0.0)
    made = _put(events, made, LIMIT, ASK, price, lots, 0.0)
    made = _put(events, made, UNCROSS, BID, price, lots, 0.0)
    return _put(events, made, PHASE, BREAK, 0, 0, 0.0)


@kernel
def _trade(events, made, shot, base, crowd, best, far, count, prices, sizes, places):
    """Aggressors of the crowd, the side that ends further away last, each price reached in its natural order."""
    levels = crowd.shape[1]
    low, high = best[BID], best[ASK]  # the quotes the trades are judged by, before any of them
    rises = _rises(shot, base, low, high, levels, places[made])
    for turn in range(2):
        taker = (ASK if turn == 0 else BID) if rises else (BID if turn == 0 else ASK)
        maker = 1 - taker
        for step in range(count):
            i = step if taker == BID else count - 1 - step  # prices are in rising order
            price, size = prices[i], sizes[i]
            if size == 0 or _taker_side(price, low, high, levels, rises) != taker:
                continue
            made = _clear_better(events, made, base, crowd, best, far, maker, price, places)
            short = size - crowd[maker, price]
            if short > 0:
                made = _put(events, made, LIMIT, maker, base + price, short, 0.0)
                grow(crowd, best, far, maker, price, short)
            made = _put(events, made, TAKE, taker, base + price, size, 0.0)
            shrink(crowd, best, far, maker, price, size)
    return made


@kernel
def _rises(shot, base, bid, ask, levels, coin):
    """Which way the interval went, told alike for both directions: quotes, then last price, then sizes, then a coin."""
    if shot["ask_size"][0] == 0 or shot["bid_size"][0] == 0:
        return shot["ask_size"][0] == 0 and (shot["bid_size"][0] > 0 or coin < 0.5)
    if bid < 0 or ask >= levels:
        return (bid >= 0) or (ask >= levels and coin < 0.5)
    move = np.int64(shot["bid"][0]) + shot["ask"][0] - 2 * base - bid - ask
    if move == 0 and shot["last"] > 0:
        move = 2 * (np.int64(shot["last"]) - base) - bid - ask
    if move == 0:
        move = np.int64(shot["bid_size"][0]) - shot["ask_size"][0]
    return move > 0 or (move == 0 and coin < 0.5)


@kernel
def _taker_side(price, bid, ask, levels, rises):
    """Who attacked: at or above the old ask a buyer, at or below the old bid a seller, else whoever is nearer."""
    if bid < 0 and ask >= levels:
        return BID if rises else ASK
    if ask < levels and price >= ask:
        return BID
    if bid >= 0 and price <= bid:
        return ASK
    if bid < 0:
        return ASK
    if ask >= levels:
        return BID
    if 2 * price == bid + ask:
        return BID if rises else ASK
    return BID if 2 * price > bid + ask else ASK


@kernel
def _clear_better(events, made, base, crowd, best, far, maker, price, places):
    """The crowd leaves the levels that a trade at `price` passes over."""
    levels = crowd.shape[1]
    while (best[ASK] < price and best[ASK] < levels) if maker == ASK else (best[BID] > price):
        x = best[maker]
        made = _put(events, made, CANCEL, maker, base + x, crowd[maker, x], places[made])
        shrink(crowd, best, far, maker, x, crowd[maker, x])
    return made


@kernel
def _reach(shot, side, base, best, far, levels):
    """Lowest and highest level index that this snapshot speaks of on one side (low > high when it speaks of none)."""
    prices, _ = side_of(shot, side)
    shown = levels_shown(shot, side)
    first, last = best, best
    if shown > 0:
        first, last = np.int64(prices[0] - base), np.int64(prices[shown - 1] - base)
    whole = shown < shot["depth"]  # then what was remembered behind is gone
    if side == BID:
        return min(last, far) if whole and best >= 0 else last, max(first, best)
    return min(first, best), max(last, far) if whole and best < levels else last


@kernel
def _cancels(events, made, shot, base, crowd, best, far, places):
    for side in range(2):
        low, high = _reach(shot, side, base, best[side], far[side], crowd.shape[1])
        for x in range(max(low, 0), min(high, crowd.shape[1] - 1) + 1):
            fall = crowd[side, x] - lots_at(shot, side, x + base)
            if fall > 0:
                made = _put(events, made, CANCEL, side, base + x, fall, places[made])
                shrink(crowd, best, far, side, x, fall)
    return made


@kernel
def _adds(events, made, shot, base, crowd, best, far):
    for side in range(2):
        prices, sizes = side_of(shot, side)
        for level in range(shot["depth"]):
            x = prices[level] - base
            if sizes[level] > 0 and 0 <= x < crowd.shape[1] and sizes[level] > crowd[side, x]:
                rise = sizes[level] - crowd[side, x]
                made = _put(events, made, LIMIT, side, base + x, rise, 0.0)
                grow(crowd, best, far, side, x, rise)
    return made


@kernel
def _lay_times(events, start, stop, after, until, moments):
    """Seeded times for one interval's events: uniform order statistics in [after, until], the MARK at its end."""
    last = stop - 1
    for i in range(start, last):
        moment = moments[i]
        j = i
        while j > start and moments[j - 1] > moment:  # insertion sort: an interval has a few events
            moments[j] = moments[j - 1]
            j -= 1
        moments[j] = moment
    for i in range(start, last):
        events[i]["time"] = after + np.int64(moments[i] * (until - after))
    events[last]["time"] = until
    for i in range(start, last):  # a call auction happens at one instant, after its orders were collected
        if events[i]["kind"] == UNCROSS:
            events[start]["time"] = after
            for j in range(start + 1, last):
                events[j]["time"] = until
            break
