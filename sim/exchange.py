"""The venue around the book: who may send what, and what a fill sets in motion."""

import numpy as np

from lobarena.data.schema import ASK, BID, CALL, CONTINUOUS
from lobarena.sim._jit import kernel
from lobarena.sim.account import equity, margin_of, settle
from lobarena.sim.bits import next_level
from lobarena.sim.hawkes.hear import hear
from lobarena.sim.impact import owe
from lobarena.sim.matching import amend, find, remove, rest, submit
from lobarena.sim.queue import crowd_lots
from lobarena.sim.reports import report, row_of
from lobarena.sim.types import (
    ACCEPTED,
    AUCTION_FILL,
    BAD_SIZE,
    CANCEL_LIMIT,
    CROSSED,
    CROWD,
    DAY,
    GATE_SHUT,
    IOC,
    LIQUIDATION,
    MESSAGE_LIMIT,
    NO_MARGIN,
    NONE,
    NOT_TRADING,
    OFF_LIMITS,
    POSITION_LIMIT,
    QUEUE_REACHED,
    STP_CANCEL_RESTING,
    STP_OFF,
    TOO_LARGE,
    TOOK,
)


@kernel
def remark(book, venue):
    """Mark the market at the crowd's own best prices, so that no seat can move its mark by quoting."""
    best, levels, base = book["best"], book["level"].shape[0] // 2, book["base"]
    bid, ask = np.int64(best[BID]), np.int64(best[ASK])
    while bid >= 0 and crowd_lots(book, BID, bid) == 0:
        bid = next_level(book, BID, bid - 1)
    while ask < levels and crowd_lots(book, ASK, ask) == 0:
        ask = next_level(book, ASK, ask + 1)
    if bid >= 0 and ask < levels:
        venue["mid2"], venue["spread"] = bid + ask + 2 * base, ask - bid
    elif bid >= 0:  # locked at the upper limit: nobody sells, the best bid is all there is
        venue["mid2"], venue["spread"] = 2 * (bid + base), 0
    elif ask < levels:
        venue["mid2"], venue["spread"] = 2 * (ask + base), 0


@kernel
def refusal(book, venue, seat, side, price, size, kind):
    """ACCEPTED, or why the venue refuses a seat's order (price in ticks)."""
    s = venue["seat"][seat]
    if venue["phase"] != CONTINUOUS and not (venue["phase"] == CALL and kind == DAY):
        return NOT_TRADING
    if venue["gate"] == 1:
        return GATE_SHUT
    if size <= 0:
        return BAD_SIZE
    if price < venue["lower"] or price > venue["upper"]:
        return OFF_LIMITS
    if size > s["largest"]:
        return TOO_LARGE
    if s["arrived"] > s["message_limit"]:
        return MESSAGE_LIMIT
    ahead = np.int64(size)
    for row in range(s["rows"]):
        work = s["work"][row]
        if work["id"] != NONE and work["side"] == side:
            slot = find(book, work["id"])
            if slot != NONE:
                ahead += book["orders"][slot]["qty"]
    after = s["position"] + ahead if side == BID else s["position"] - ahead
    reduces = after * s["position"] >= 0 and abs(after) <= abs(s["position"])
    if abs(after) > s["position_limit"] and not reduces:
        return POSITION_LIMIT
    if not reduces and s["withdrawn"] > s["cancel_limit"]:
        return CANCEL_LIMIT
    if not reduces and margin_of(venue, after) > equity(venue, seat):
        return NO_MARGIN
    return ACCEPTED


@kernel
def _protected(book, venue, side):
    """Price of a market order, ticks: so far beyond the touch and no further, nor beyond the daily limit."""
    best, base, levels = book["best"], book["base"], book["level"].shape[0] // 2
    if side == BID:
        return min(
            np.int64(venue["upper"]), (best[ASK] if best[ASK] < levels else best[BID]) + base + venue["protection"]
        )
    return max(np.int64(venue["lower"]), (best[BID] if best[BID] >= 0 else best[ASK]) + base - venue["protection"])


@kernel
def enter(book, venue, seat, work, side, price, size, kind):
    """A seat's order reaches the venue (price in ticks): refused or matched, and reported back.

    An IOC is a market order, protected from the touch that it meets; it brings no price.
    """
    s = venue["seat"][seat]
    if kind == IOC:
        price = np.int64(_protected(book, venue, side))
    code = refusal(book, venue, seat, side, price, size, kind)
    order_id = np.int64(NONE)
    if code == ACCEPTED:
        s["ordered"] += size
        remark(book, venue)
        index = price - book["base"]
        if venue["phase"] == CALL:
            order_id = rest(book, seat, side, index, size)
        else:
            fills, order_id, code = submit(book, seat, side, index, size, kind, s["stp"])
            hear(venue, side, record(book, venue, fills, price if kind != IOC else np.int64(NONE), TOOK, work))
            if s["stp"] == STP_CANCEL_RESTING:
                _own_gone(book, venue, seat)
    if code != ACCEPTED:
        s["refused"][code] += 1
    row = s["work"][work]
    row["id"] = order_id
    report(venue, seat, work, 0, price, _left(book, order_id), code, 0.0)


@kernel
def record(book, venue, fills, price, reason, work):
    """Account for the fills on the tape of an order that came with `price` (ticks; -1 a market order): lots filled.

    work : the taker's row of working orders, when the taker is a seat
    """
    tape = book["tape"]
    lots, seated = np.int64(0), False
    for row in range(fills):
        fill = tape[row]
        size, at, side = np.int64(fill["size"]), np.int64(fill["price"]), np.int64(fill["side"])
        lots += size
        venue["volume"] += size
        venue["turnover"] += np.int64(at) * size
        venue["last"] = at
        maker, taker = np.int64(fill["maker_owner"]), np.int64(fill["taker_owner"])
        if maker == CROWD and taker == CROWD:
            continue
        seated = True
        fill["mid2"] = venue["mid2"]
        why = reason
        if maker != CROWD and reason in (TOOK, QUEUE_REACHED):
            why = QUEUE_REACHED if at == price or price == NONE else CROSSED
        fill["reason"] = why
        signed = size if side == BID else -size  # the taker's
        fees = (0.0, 0.0)
        if maker != CROWD:
            paid = settle(venue, maker, -signed, at)
            fees = (paid, fees[1])
            held = row_of(venue, maker, fill["maker"])
            if held != NONE:
                report(venue, maker, held, -signed, at, _left(book, fill["maker"]), ACCEPTED, paid)
        if taker != CROWD:
            paid = settle(venue, taker, signed, at)
            fees = (fees[0], paid)
            if reason == AUCTION_FILL:
                held = row_of(venue, taker, fill["taker"])
                report(venue, taker, held, signed, at, _left(book, fill["taker"]), ACCEPTED, paid)
            elif work != NONE:
                report(venue, taker, work, signed, at, _left(book, fill["taker"]), ACCEPTED, paid)
        if maker == CROWD:
            owe(venue, book, 1 - side, at, size)
            venue["crowd_cash"] += np.int64(at) * signed
            venue["crowd_position"] -= signed
        if taker == CROWD:
            venue["crowd_cash"] -= np.int64(at) * signed
            venue["crowd_position"] += signed
        n = venue["fills"]
        if n >= venue["fill"].shape[0]:
            venue["lost"] += 1
            continue
        venue["fill"][n] = fill
        venue["fee"][n, 0], venue["fee"][n, 1] = fees[0], fees[1]
        venue["after"][n, 0], venue["after"][n, 1] = venue["seat"][maker]["position"], venue["seat"][taker]["position"]
        venue["fills"] = n + 1
    for row in range(fills if seated else 0):  # only now: an order may have had several of these fills
        _forget(book, venue, tape[row]["maker_owner"], tape[row]["maker"])
        _forget(book, venue, tape[row]["taker_owner"], tape[row]["taker"])
    return lots


@kernel
def _left(book, order_id):
    """Lots left of an order in the book; 0 when it is gone or never came to rest."""
    slot = find(book, order_id) if order_id != NONE else np.int64(NONE)
    return np.int64(book["orders"][slot]["qty"]) if slot != NONE else np.int64(0)


@kernel
def _forget(book, venue, owner, order_id):
    """The venue lets go of a seat's order that is no longer in the book."""
    if owner != CROWD and order_id != NONE and find(book, order_id) == NONE:
        held = row_of(venue, owner, order_id)
        if held != NONE:
            venue["seat"][owner]["work"][held]["id"] = NONE


@kernel
def _own_gone(book, venue, seat):
    """Report the seat's resting orders that its own order has pushed out (self-trade prevention)."""
    work = venue["seat"][seat]["work"]
    for row in range(venue["seat"][seat]["rows"]):
        if work[row]["id"] != NONE and find(book, work[row]["id"]) == NONE:
            work[row]["id"] = NONE
            report(venue, seat, row, 0, np.int64(work[row]["price"]), 0, ACCEPTED, 0.0)


@kernel
def withdraw(book, venue, seat, work):
    """Take one working order of a seat out of the book and report it; False when it was not there."""
    row = venue["seat"][seat]["work"][work]
    slot = find(book, row["id"]) if row["id"] != NONE else np.int64(NONE)
    if slot == NONE:
        return False
    remove(book, slot)
    row["id"] = NONE
    report(venue, seat, work, 0, np.int64(row["price"]), 0, ACCEPTED, 0.0)
    return True


@kernel
def shrink(book, venue, seat, work, size):
    """Reduce a working order of a seat to `size` lots, keeping its place, and report it; False when it was not there.

    An order that fills have made smaller already stays as it is.
    """
    row = venue["seat"][seat]["work"][work]
    if row["id"] == NONE or find(book, row["id"]) == NONE:
        return False
    amend(book, row["id"], size)
    report(venue, seat, work, 0, np.int64(row["price"]), _left(book, row["id"]), ACCEPTED, 0.0)
    return True


@kernel
def withdraw_all(book, venue, seat):
    """Take every working order of a seat out of the book."""
    for work in range(venue["seat"][seat]["rows"]):
        withdraw(book, venue, seat, work)


@kernel
def close_out(book, venue, seat):
    """Close a seat's position by a market order, as far as the book goes; its working orders leave first."""
    s = venue["seat"][seat]
    withdraw_all(book, venue, seat)
    lots = np.int64(s["position"])
    if lots == 0 or venue["phase"] != CONTINUOUS:
        return
    side = ASK if lots > 0 else BID
    price = np.int64(venue["lower"] if side == ASK else venue["upper"])
    remark(book, venue)
    fills, _, _ = submit(book, seat, side, price - book["base"], abs(lots), IOC, STP_OFF)
    hear(venue, side, record(book, venue, fills, price, LIQUIDATION, NONE))
