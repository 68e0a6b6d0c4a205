"""The clock: market events and messages in one strict order, until a seat must decide."""

import numpy as np

from lobarena.data.schema import ASK, BID, CONTINUOUS
from lobarena.sim._jit import kernel
from lobarena.sim.account import equity, margin_of
from lobarena.sim.crowd import apply
from lobarena.sim.desk import send_quotes
from lobarena.sim.exchange import close_out, enter, remark, shrink, withdraw, withdraw_all
from lobarena.sim.flight import READ, post, take
from lobarena.sim.observe import publish, send_image
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
    PEEK,
    REPORT,
    UPDATE,
    WAKE,
    WITHDRAW,
)
from lobarena.sim.types import MAX_SEATS, NONE, UNKNOWN_ORDER

_NEVER = np.int64(2**62)
_ON = -2  # nothing that needs Python
_ROOM = BUFFER - 1_024 - 2 * MAX_SEATS  # a buffer fuller than this is emptied before the next event


@kernel
def run(book, venue, tape, events, snapshots, ids):
    """Run until something needs Python: FINISHED, DRAIN, or the number (>= 1) of the seat that must decide.

    events : (m,) EVENT in time order; snapshots : (n,) SNAPSHOT that its MARKs name
    ids : (k,) i8, engine id of each order number of an order feed
    """
    code = np.int64(_ON)
    while code == _ON:
        code = step(book, venue, tape, events, snapshots, ids)
    return code


@kernel
def step(book, venue, tape, events, snapshots, ids):
    """One message, one rite of the clock, or the events of the record up to the next of these: a code of `run`, or -2.

    Nobody but the venue acts between two messages, so the events between them need no look at the clock.
    """
    v = venue[0]
    if v["fills"] > _ROOM or v["curves"] > _ROOM or v["marks"] > _ROOM:
        return np.int64(DRAIN)
    row = v["event"]
    feed = events[row]["time"] if row < events.shape[0] else _NEVER
    mail = v["heap"][0]["time"] if v["flight"] > 0 else _NEVER
    now = min(feed, mail)
    if v["image"] == 0 and v["seats"] > 0 and now > v["opens"]:
        _open(book, venue)
        return np.int64(_ON)
    if v["image"] > 0 and v["next_curve"] <= min(now, v["closes"] - 1):
        _curve(venue)
        return np.int64(_ON)
    if now >= v["closes"] or now == _NEVER:
        return np.int64(_close(book, venue, tape))
    if mail < feed:
        v["now"] = book[0]["time"] = mail
        take(venue)
        seat = _deliver(book, venue, tape)
        return np.int64(seat if seat > 0 else _ON)
    until = min(mail, v["closes"] - 1)
    if v["seats"] > 0:
        until = min(until, v["opens"] if v["image"] == 0 else v["next_curve"] - 1)
    flight = v["flight"]
    while feed <= until and v["flight"] == flight and v["fills"] <= _ROOM:
        v["now"] = book[0]["time"] = feed
        v["event"] = row + 1
        if apply(book, venue, tape, events[row], snapshots, ids) and v["image"] > 0:
            _mark(venue)
            _call_margins(book, venue, tape)
            publish(book, venue)
            break
        row += 1
        feed = events[row]["time"] if row < events.shape[0] else _NEVER
    return np.int64(_ON)


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
            wait = np.int64(s["every_ns"])
            if v["live"] == 1:
                post(venue, v["opens"] + wait, PEEK, seat)
            else:
                post(venue, v["opens"] + s["feed_ns"] + wait, WAKE, seat)


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
        for at in range(s["rows"]):
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
    elif kind == PEEK:
        post(venue, v["now"] + s["every_ns"], PEEK, seat)
        send_image(book, venue, seat, WAKE)
    elif kind == WAKE:
        if v["live"] == 1:
            s["seen"] = row
        else:
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
