"""A seat's desk: target quotes become orders, amendments and cancels, by what the seat knows of its working orders.

What still fits stays, since a cancelled order loses its place in the queue: an order at a target price keeps its lots,
shrinks when it is too large, and gets a second order behind it when it is too small.
"""

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim._jit import kernel
from lobarena.sim.flight import delay, letter, post
from lobarena.sim.reports import free_row
from lobarena.sim.state import AMEND, ANSWER, FREE, IDLE, LEAVING, NEW, SENT, THINKING, WITHDRAW
from lobarena.sim.types import BOOK_FULL, DAY, IOC, NONE, QUOTE_LEVELS


@kernel
def answer(venues, seat, thinking_ns):
    """The seat has decided (its `target`, `take` and `keep` are set); its orders leave when it has thought."""
    reply(venues[0], seat, thinking_ns)


@kernel
def reply(venue, seat, thinking_ns):
    """`answer`, of a record."""
    if thinking_ns == 0:
        venue["seat"][seat]["state"] = IDLE
        send_quotes(venue, seat)
        return
    venue["seat"][seat]["state"] = THINKING
    post(venue, venue["now"] + thinking_ns, ANSWER, seat)


@kernel
def send_quotes(venue, seat):
    """Send what brings the working orders to the targets: cancels first, so that a seat never meets its own order."""
    s = venue["seat"][seat]
    if s["keep"] == 1:
        return
    target, need = s["target"], s["need"]
    for side in range(2):
        for level in range(QUOTE_LEVELS):
            need[side, level] = target[side, level, 1]
    for row in range(s["rows"]):
        work = s["work"][row]
        if work["state"] == FREE or work["state"] == LEAVING:
            continue
        side, keep = int(work["side"]), np.int64(0)
        for level in range(QUOTE_LEVELS):
            if need[side, level] > 0 and target[side, level, 0] == work["price"]:
                keep = min(np.int64(need[side, level]), np.int64(work["left"]))
                need[side, level] -= keep
                break
        if keep == 0:
            work["state"] = LEAVING
            _send(venue, seat, WITHDRAW, row, 0, 0)
            s["cancels"] += 1
        elif keep < work["left"]:
            work["left"] = keep
            _send(venue, seat, AMEND, row, keep, 0)
    for level in range(QUOTE_LEVELS):
        for side in range(2):
            if need[side, level] > 0:
                _order(venue, seat, side, np.int64(target[side, level, 0]), np.int64(need[side, level]), DAY)
    if s["take"] != 0:
        side = BID if s["take"] > 0 else ASK
        _order(venue, seat, side, np.int64(0), np.int64(abs(s["take"])), IOC)


@kernel
def _order(venue, seat, side, price, size, kind):
    s = venue["seat"][seat]
    row = free_row(venue, seat)
    if row == NONE:
        s["refused"][BOOK_FULL] += 1
        return
    work = s["work"][row]
    work["id"], work["price"], work["left"], work["side"] = NONE, price, size, side
    work["state"] = SENT if kind == DAY else LEAVING  # a market order never rests: nothing to show or to cancel
    work["turn"] += 1
    draft = letter(venue)
    draft["side"], draft["price"] = side, price
    s["orders"] += 1
    _send(venue, seat, NEW, row, size, kind)


@kernel
def _send(venue, seat, kind, row, size, order_type):
    """A message leaves for the venue; messages of one seat keep their order."""
    s, draft = venue["seat"][seat], letter(venue)
    draft["work"], draft["turn"], draft["size"], draft["type"] = row, s["work"][row]["turn"], size, order_type
    s["sent"] = max(s["sent"], venue["now"] + delay(venue, seat, s["order_ns"]))
    s["messages"] += 1
    post(venue, s["sent"], kind, seat)
