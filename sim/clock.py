"""The clock: market events and messages in one strict order, until a seat must decide."""

import numpy as np

from lobarena.data.schema import ASK, BID, CONTINUOUS, MARK, STIR
from lobarena.sim._jit import kernel
from lobarena.sim.account import equity, margin_of
from lobarena.sim.crowd import apply, meet
from lobarena.sim.desk import send_quotes
from lobarena.sim.exchange import close_out, enter, remark, shrink, withdraw, withdraw_all
from lobarena.sim.flight import post, take
from lobarena.sim.hawkes.stir import stir
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
    PAUSED,
    PEEK,
    REPORT,
    UPDATE,
    WAKE,
    WITHDRAW,
)
from lobarena.sim.types import MAX_SEATS, NONE, UNKNOWN_ORDER

_NEVER = np.int64(2**62)
_BEFORE = np.int64(-(2**62))
_ON = -3  # nothing that needs Python
_ROOM = BUFFER - 1_024 - 2 * MAX_SEATS  # a buffer fuller than this is emptied before the next event


@kernel
def run(books, venues, events, snapshots, ids):
    """Run until something needs Python: FINISHED, DRAIN, PAUSED, or the number (>= 1) of the seat that must decide.

    events : (m,) EVENT in time order; snapshots : (n,) SNAPSHOT that its MARKs name, at least one
    ids : (k,) i8, engine id of each order number of an order feed, at least one
    """
    return proceed(books[0], venues[0], events, events.shape[0], snapshots, ids)


@kernel
def proceed(book, venue, events, count, snapshots, ids):
    """`run`, of records and the first `count` events.

    One flat loop. Nobody but the venue acts between two messages, so the events between them need no look at the clock.
    """
    code = np.int64(_ON)
    while code == _ON:
        row = venue["event"]
        feed = events[row]["time"] if row < count else _NEVER
        if venue["stir"] > 0:  # a living crowd acts between the rows of its day
            code, until = attend(book, venue, min(feed, venue["stir"]))
            if venue["stir"] < feed:
                stir(book, venue, min(until, feed - 1))
                continue
            until = np.int64(min(until, feed))
        else:
            code, until = attend(book, venue, feed)
        flight, numbered = venue["flight"], venue["numbered"] == 1
        while feed <= until and venue["flight"] == flight and venue["fills"] <= _ROOM:
            venue["now"] = book["time"] = feed
            event = events[row]
            ref = event["ref"]
            row += 1
            venue["event"] = row
            if event["kind"] == MARK:
                _publish(book, venue, snapshots[max(ref, 0)], event["u"], ref != NONE)
                until = np.int64(until if venue["image"] == 0 else _BEFORE)
            elif numbered and ref != NONE and event["kind"] != STIR:  # the seed of one is no order's number
                ids[ref] = apply(book, venue, event, ids[ref])
            else:
                apply(book, venue, event, np.int64(NONE))
            feed = events[row]["time"] if row < count else _NEVER
    return code


@kernel
def attend(book, venue, feed):
    """What is due before the next event of the record, at `feed` (ns UTC): (code, time up to which events may follow).

    All messages up to the next rite of the clock, or one rite; while there is any, no event may.
    """
    if venue["fills"] > _ROOM or venue["curves"] > _ROOM or venue["marks"] > _ROOM:
        return np.int64(DRAIN), _BEFORE
    mail = venue["heap"][0]["time"] if venue["flight"] > 0 else _NEVER
    now = min(feed, mail)
    if now > venue["pause"]:
        return np.int64(PAUSED), _BEFORE
    if venue["image"] == 0 and venue["seats"] > 0 and now > venue["opens"]:
        _open(book, venue)
        return np.int64(_ON), _BEFORE
    if venue["image"] > 0 and venue["next_curve"] <= min(now, venue["closes"] - 1):
        if venue["live"] == 1:
            remark(book, venue)
        _curve(venue)
        return np.int64(_ON), _BEFORE
    if now >= venue["closes"] or now == _NEVER:
        return np.int64(_close(book, venue)), _BEFORE
    until = min(venue["closes"] - 1, venue["pause"])
    if venue["seats"] > 0:
        until = min(until, venue["opens"] if venue["image"] == 0 else venue["next_curve"] - 1)
    while mail < feed and mail <= until and venue["fills"] <= _ROOM:  # no message brings a rite nearer
        venue["now"] = book["time"] = mail
        seat = _deliver(book, venue, take(venue))
        if seat > 0:
            return np.int64(seat), _BEFORE
        mail = venue["heap"][0]["time"] if venue["flight"] > 0 else _NEVER
    return np.int64(_ON), np.int64(min(until, mail) if venue["fills"] <= _ROOM else _BEFORE)


@kernel
def _publish(book, venue, shot, u, shown):
    """The venue shows its book: the record is met, marks are taken, margins called, images sent."""
    meet(book, venue, shot, u, shown)
    if venue["image"] > 0:
        _mark(venue)
        _call_margins(book, venue)
        publish(book, venue)


@kernel
def _open(book, venue):
    """The seats come in and see the book for the first time."""
    venue["now"] = venue["opens"]
    venue["start_volume"], venue["start_turnover"] = venue["volume"], venue["turnover"]
    venue["next_curve"] = venue["opens"]
    remark(book, venue)
    _mark(venue)
    publish(book, venue)
    for seat in range(1, venue["seats"] + 1):
        s = venue["seat"][seat]
        if s["held"] != 0:  # carried from the day before: as if bought from the crowd at the opening mid
            paid = np.int64(s["held"]) * (venue["mid2"] // 2)
            s["cash"] -= paid
            s["known_cash"] -= paid
            venue["crowd_cash"] += paid
            venue["crowd_position"] -= s["held"]
        if s["every_ns"] > 0:
            wait = np.int64(s["every_ns"])
            if venue["live"] == 1:
                post(venue, venue["opens"] + wait, PEEK, seat)
            else:
                post(venue, venue["opens"] + s["feed_ns"] + wait, WAKE, seat)


@kernel
def _mark(venue):
    row = venue["mark"][venue["marks"]]
    row["time"], row["mid2"], row["spread"] = venue["now"], venue["mid2"], venue["spread"]
    venue["marks"] += 1


@kernel
def _curve(venue):
    """One row a seat on the time grid, while the market trades."""
    time = venue["next_curve"]
    venue["next_curve"] = time + venue["curve_ns"]
    if venue["phase"] != CONTINUOUS:
        return
    _curve_rows(venue, time)


@kernel
def _curve_rows(venue, time):
    for seat in range(1, venue["seats"] + 1):
        s, row = venue["seat"][seat], venue["curve"][venue["curves"]]
        row["time"], row["seat"], row["mid2"], row["position"] = time, seat, venue["mid2"], s["position"]
        row["cash"], row["fees"], row["bid"], row["ask"] = s["cash"], s["fees"], 0, 0
        for at in range(s["rows"]):
            work = s["work"][at]
            if work["id"] != NONE and work["side"] == BID:
                row["bid"] = max(row["bid"], work["price"])
            elif work["id"] != NONE and work["side"] == ASK:
                row["ask"] = work["price"] if row["ask"] == 0 else min(row["ask"], work["price"])
        venue["curves"] += 1


@kernel
def _call_margins(book, venue):
    """A seat whose equity no longer covers its margin is called; one that leaves the call standing for longer than its
    grace, or falls below its maintenance level, is closed out, as far as the book goes each time, and leaves.
    """
    for seat in range(1, venue["seats"] + 1):
        s = venue["seat"][seat]
        if s["position"] == 0:
            s["called"] = 0
            continue
        if venue["phase"] != CONTINUOUS:
            continue
        has, needs = equity(venue, seat), margin_of(venue, s["position"])
        if has >= needs:
            s["called"] = 0
        elif s["called"] == 0:
            s["called"] = venue["now"]
            s["calls"] += 1
        late = s["called"] > 0 and venue["now"] - s["called"] > s["grace_ns"]
        if s["liquidated"] == 1 or late or has < s["maintenance"] * needs:
            close_out(book, venue, seat)
            venue["gone"] += 1 if s["state"] != OUT else 0
            s["state"], s["liquidated"] = OUT, 1


@kernel
def _close(book, venue):
    """The episode ends: every order leaves, then every position is closed by a market order."""
    if venue["seats"] > 0 and venue["image"] > 0:
        venue["now"] = book["time"] = min(venue["closes"], _NEVER)
        for seat in range(1, venue["seats"] + 1):
            withdraw_all(book, venue, seat)
        for seat in range(1, venue["seats"] + 1):
            close_out(book, venue, seat)
            venue["seat"][seat]["state"] = OUT
        _curve_rows(venue, venue["now"])
        _mark(venue)
        venue["seats"] = 0
    return FINISHED


@kernel
def _deliver(book, venue, message):
    """Act on the message just taken: the seat that must decide now, else 0."""
    seat, kind, row = np.int64(message["seat"]), np.int64(message["kind"]), np.int64(message["work"])
    s = venue["seat"][seat]
    if kind <= NEW:
        s["arrived"] += 1
    if kind == NEW:
        if s["state"] != OUT:
            side, price, size = np.int64(message["side"]), np.int64(message["price"]), np.int64(message["size"])
            enter(book, venue, seat, row, side, price, size, np.int64(message["type"]))
    elif kind == WITHDRAW:
        s["withdrawn"] += 1
        if s["work"][row]["turn"] != message["turn"] or not withdraw(book, venue, seat, row):
            s["refused"][UNKNOWN_ORDER] += 1
    elif kind == AMEND:
        if s["work"][row]["turn"] != message["turn"] or not shrink(book, venue, seat, row, np.int64(message["size"])):
            s["refused"][UNKNOWN_ORDER] += 1
    elif s["state"] == OUT:
        return 0
    elif kind == REPORT:
        if hear(venue, message) and s["on_fill"] == 1:
            return _ask(venue, seat)
    elif kind == UPDATE:
        s["seen"] = row
        s["coming"] -= 1
        if s["every_ns"] == 0:
            return _ask(venue, seat)
    elif kind == PEEK:
        post(venue, venue["now"] + s["every_ns"], PEEK, seat)
        send_image(book, venue, seat, WAKE)
    elif kind == WAKE:
        if venue["live"] == 1:
            s["seen"] = row
            s["coming"] -= 1
        else:
            post(venue, venue["now"] + s["every_ns"], WAKE, seat)
        return _ask(venue, seat)
    elif kind == ANSWER:
        s["state"] = IDLE
        send_quotes(venue, seat)
    return 0


@kernel
def _ask(venue, seat):
    """The seat's number when it is free to decide; what comes while it thinks passes unseen."""
    s = venue["seat"][seat]
    if s["state"] != IDLE or s["seen"] < 0:
        return 0
    s["state"], s["looked"] = ASKED, venue["now"]
    return seat


@kernel
def leave(books, venues, seat):
    """A seat leaves: its orders go, and it decides no more."""
    withdraw_all(books[0], venues[0], seat)
    venues[0]["gone"] += 1
    venues[0]["seat"][seat]["state"] = OUT
