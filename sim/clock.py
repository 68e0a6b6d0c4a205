"""The clock: market events and messages in one strict order, until a seat must decide."""

import numpy as np

from lobarena.data.schema import ASK, BID, CONTINUOUS
from lobarena.sim._jit import kernel
from lobarena.sim.account import equity, margin_of
from lobarena.sim.crowd import apply
from lobarena.sim.desk import send_quotes
from lobarena.sim.exchange import close_out, enter, remark, shrink, withdraw, withdraw_all
from lobarena.sim.flight import READ, post, take
from lobarena.sim.observe import publish
from lobarena.sim.reports import hear
from lobarena.sim.state import (
    AMEND,
    ANSWER,
    ASKED,
    BUFFER,
    DRAIN,
    FINISHED,
    IDLE,
    NEW,
    OUT,
    REPORT,
    UPDATE,
    WAKE,
    WITHDRAW,
)
from lobarena.sim.types import MAX_SEATS, MAX_WORKING, NONE, UNKNOWN_ORDER

_NEVER = np.int64(2**62)
_ROOM = BUFFER - 1_024 - 2 * MAX_SEATS  # a buffer fuller than this is emptied before the next event


@kernel
def run(book, venue, tape, events, snapshots, ids):
    """Run until something needs Python: FINISHED, DRAIN, or the number (>= 1) of the seat that must decide.

    events : (m,) EVENT in time order; snapshots : (n,) SNAPSHOT that its MARKs name
    ids : (k,) i8, engine id of each order number of an order feed
    """
    v = venue[0]
    while True:
        if v["fills"] > _ROOM or v["curves"] > _ROOM or v["marks"] > _ROOM:
            return DRAIN
        feed = events[v["event"]]["time"] if v["event"] < events.shape[0] else _NEVER
        mail = v["heap"][0]["time"] if v["flight"] > 0 else _NEVER
        now = min(feed, mail)
        if v["image"] == 0 and v["seats"] > 0 and now > v["opens"]:
            _open(book, venue)
            continue
        if v["image"] > 0 and v["next_curve"] <= min(now, v["closes"] - 1):
            _curve(venue)
            continue
        if now >= v["closes"] or now == _NEVER:
            return _close(book, venue, tape)
        v["now"] = now
        book[0]["time"] = now
        if feed <= mail:
            row = v["event"]
            v["event"] = row + 1
            if apply(book, venue, tape, events[row], snapshots, ids) and v["image"] > 0:
                _mark(venue)
                _call_margins(book, venue, tape)
                publish(book, venue)
        else:
            take(venue)
            seat = _deliver(book, venue, tape)
            if seat > 0:
                return seat


@kernel
def _open(book, venue):
    """The seats come in and see the book for the first time."""
    v = venue[0]
    v["now"] = v["opens"]
    v["start_volume"], v["start_turnover"] = v["volume"], v["turnover"]
    v["next_curve"] = v["opens"]
    remark(book, venue)
    _mark(venue)
    publish(book, venue)
    for seat in range(1, v["seats"] + 1):
        s = v["seat"][seat]
        if s["held"] != 0:  # carried from the day before: as if bought from the crowd at the opening mid
            paid = np.int64(s["held"]) * (v["mid2"] // 2)
            s["cash"] -= paid
            s["known_cash"] -= paid
            v["crowd_cash"] += paid
            v["crowd_position"] -= s["held"]
        if s["every_ns"] > 0:
            post(venue, v["opens"] + s["feed_ns"] + s["every_ns"], WAKE, seat)


@kernel
def _mark(venue):
    v = venue[0]
    row = v["mark"][v["marks"]]
    row["time"], row["mid2"], row["spread"] = v["now"], v["mid2"], v["spread"]
    v["marks"] += 1


@kernel
def _curve(venue):
    """One row a seat on the time grid, while the market trades."""
    v = venue[0]
    time = v["next_curve"]
    v["next_curve"] = time + v["curve_ns"]
    if v["phase"] != CONTINUOUS:
        return
    _curve_rows(venue, time)


@kernel
def _curve_rows(venue, time):
    v = venue[0]
    for seat in range(1, v["seats"] + 1):
        s, row = v["seat"][seat], v["curve"][v["curves"]]
        row["time"], row["seat"], row["mid2"], row["position"] = time, seat, v["mid2"], s["position"]
        row["cash"], row["fees"], row["bid"], row["ask"] = s["cash"], s["fees"], 0, 0
        for at in range(MAX_WORKING):
            work = s["work"][at]
            if work["id"] != NONE and work["side"] == BID:
                row["bid"] = max(row["bid"], work["price"])
            elif work["id"] != NONE and work["side"] == ASK:
                row["ask"] = work["price"] if row["ask"] == 0 else min(row["ask"], work["price"])
        v["curves"] += 1


@kernel
def _call_margins(book, venue, tape):
    """A seat whose equity no longer covers its margin is closed out, as far as the book goes each time, and leaves."""
    v = venue[0]
    for seat in range(1, v["seats"] + 1):
        s = v["seat"][seat]
        if s["position"] == 0 or v["phase"] != CONTINUOUS:
            continue
        if s["liquidated"] == 1 or equity(venue, seat) < margin_of(venue, s["position"]):
            close_out(book, venue, tape, seat)
            s["state"], s["liquidated"] = OUT, 1


@kernel
def _close(book, venue, tape):
    """The episode ends: every order leaves, then every position is closed by a market order."""
    v = venue[0]
    if v["seats"] > 0 and v["image"] > 0:
        v["now"] = book[0]["time"] = min(v["closes"], _NEVER)
        for seat in range(1, v["seats"] + 1):
            withdraw_all(book, venue, seat)
        for seat in range(1, v["seats"] + 1):
            close_out(book, venue, tape, seat)
            v["seat"][seat]["state"] = OUT
        _curve_rows(venue, v["now"])
        _mark(venue)
        v["seats"] = 0
    return FINISHED


@kernel
def _deliver(book, venue, tape):
    """Act on the message just taken: the seat that must decide now, else 0."""
    v = venue[0]
    message = v["heap"][READ]
    seat, kind, row = np.int64(message["seat"]), np.int64(message["kind"]), np.int64(message["work"])
    s = v["seat"][seat]
    if kind <= NEW:
        s["arrived"] += 1
    if kind == NEW:
        if s["state"] != OUT:
            side, price, size = np.int64(message["side"]), np.int64(message["price"]), np.int64(message["size"])
            enter(book, venue, tape, seat, row, side, price, size, np.int64(message["type"]))
    elif kind == WITHDRAW:
        if s["work"][row]["turn"] == message["turn"] and not withdraw(book, venue, seat, row):
            s["refused"][UNKNOWN_ORDER] += 1
    elif kind == AMEND:
        if s["work"][row]["turn"] == message["turn"] and not shrink(book, venue, seat, row, np.int64(message["size"])):
            s["refused"][UNKNOWN_ORDER] += 1
    elif s["state"] == OUT:
        return 0
    elif kind == REPORT:
        if hear(venue, message) and s["on_fill"] == 1:
            return _ask(venue, seat)
    elif kind == UPDATE:
        s["seen"] = row
        if s["every_ns"] == 0:
            return _ask(venue, seat)
    elif kind == WAKE:
        post(venue, v["now"] + s["every_ns"], WAKE, seat)
        return _ask(venue, seat)
    elif kind == ANSWER:
        s["state"] = IDLE
        send_quotes(venue, seat)
    return 0


@kernel
def _ask(venue, seat):
    """The seat's number when it is free to decide; what comes while it thinks passes unseen."""
    s = venue[0]["seat"][seat]
    if s["state"] != IDLE or s["seen"] < 0:
        return 0
    s["state"], s["looked"] = ASKED, venue[0]["now"]
    return seat
