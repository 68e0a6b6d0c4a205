"""What the venue tells a seat of its orders, and what the seat then knows."""

import numpy as np

from lobarena.sim._jit import kernel
from lobarena.sim.flight import delay, letter, post
from lobarena.sim.state import FREE, LIVE, REPORT, SENT
from lobarena.sim.types import MAX_WORKING, NONE


@kernel
def row_of(venue, seat, order_id):
    """The row of a seat's working orders that holds a venue's order id, or -1."""
    work = venue["seat"][seat]["work"]
    for row in range(venue["seat"][seat]["rows"]):
        if work[row]["id"] == order_id:
            return row
    return NONE


@kernel
def report(venue, seat, work, lots, price, left, code, fee):
    """Tell a seat what became of its order: lots filled and lots left; reports keep their order."""
    s = venue["seat"][seat]
    draft = letter(venue)
    draft["work"], draft["turn"], draft["size"], draft["price"] = work, s["work"][work]["turn"], lots, price
    draft["left"], draft["code"], draft["fee"] = left, code, fee
    s["answered"] = max(s["answered"], venue["now"] + delay(venue, seat, s["report_ns"]))
    post(venue, s["answered"], REPORT, seat)


@kernel
def hear(venue, message):
    """A report reaches its seat: what it knows of its order and account; True when it told of a fill."""
    s = venue["seat"][message["seat"]]
    lots = message["size"]
    if lots != 0:
        s["known_position"] += lots
        s["known_cash"] -= np.int64(message["price"]) * lots
        s["known_fees"] += message["fee"]
        s["new_fills"] += 1
    if message["work"] != NONE:
        row = s["work"][message["work"]]
        if row["turn"] == message["turn"]:
            row["left"] = message["left"]
            if message["left"] == 0:
                row["state"] = FREE
            elif row["state"] == SENT:
                row["state"] = LIVE
    return lots != 0


@kernel
def free_row(venue, seat):
    """A row for a new working order, the lowest that is free, or -1."""
    s = venue["seat"][seat]
    work = s["work"]
    for row in range(MAX_WORKING):
        if work[row]["state"] == FREE and work[row]["id"] == NONE:
            s["rows"] = max(s["rows"], row + 1)
            return row
    return NONE
