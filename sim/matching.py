"""Matching inside the book: price-time priority over price-indexed levels, each a queue of linked order slots.

Every function is a kernel on the book's record (`sim.types.book_type`). `sim.book` hands in the record of a book array:
a record is a bare address, so that the calls here pay nothing for what they are handed.
"""

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim._jit import kernel
from lobarena.sim.bits import next_level, occupy, vacate
from lobarena.sim.types import (
    ACCEPTED,
    BAD_SIZE,
    BOOK_FULL,
    CANNOT_FILL,
    CROWD,
    DAY,
    FOK,
    NONE,
    OFF_BOOK,
    POST_ONLY,
    SELF_TRADE,
    STP_CANCEL_INCOMING,
    STP_OFF,
    WOULD_TRADE,
)


@kernel
def submit(book, owner, side, price, qty, kind, stp):
    """Match an order and rest what is left of it: (fills written to the tape, id of the resting order or -1, code).

    owner : CROWD or a seat; the crowd never counts as trading with itself
    price : level index; a market order is IOC at the worst price of the book
    kind : DAY, IOC, FOK or POST_ONLY
    stp : what happens when a seat meets its own order (STP_OFF, STP_CANCEL_RESTING, STP_CANCEL_INCOMING)
    code : ACCEPTED or why the order, or what was left of it, was refused; fills before it stand
    """
    level, best = book["level"], book["best"]
    levels = level.shape[0] // 2
    if qty <= 0:
        return 0, NONE, BAD_SIZE
    if price < 0 or price >= levels:
        return 0, NONE, OFF_BOOK
    other = 1 - side
    touch = np.int64(best[other])
    if (touch <= price) if side == BID else (touch >= price):
        if kind == POST_ONLY:
            return 0, NONE, WOULD_TRADE
        if kind == FOK and _fillable(book, owner, side, price, qty, stp) < qty:
            return 0, NONE, CANNOT_FILL
        fills, left, code = _match(book, owner, side, price, qty, stp)
        if left == 0 or code != ACCEPTED:
            return fills, NONE, code
    else:
        if kind == FOK:
            return 0, NONE, CANNOT_FILL
        fills, left = 0, qty
    if kind != DAY and kind != POST_ONLY:
        return fills, NONE, ACCEPTED
    order_id = rest(book, owner, side, price, left)
    if order_id == NONE:
        return fills, NONE, BOOK_FULL
    for row in range(fills):
        book["tape"][row]["taker"] = order_id
    return fills, order_id, ACCEPTED


@kernel
def _match(book, owner, side, price, qty, stp):
    """Take from the other side up to `price`: (fills, lots left, code)."""
    orders, level, best, tape = book["orders"], book["level"], book["best"], book["tape"]
    slots, levels = orders.shape[0], level.shape[0] // 2
    base, now, free, resting = book["base"], book["time"], book["free"], book["resting"]
    other = 1 - side
    start = 0 if other == BID else levels
    first = np.int64(best[other])
    x = first
    n, left, code = 0, qty, ACCEPTED
    while left > 0 and ((x <= price and x < levels) if side == BID else (x >= price and x >= 0)):
        queue = level[start + x]
        slot = queue["head"]
        taken = gone = own = 0  # lots taken here, lots leaving the level, lots of seats among those
        while left > 0 and slot != NONE:
            maker = orders[slot]
            size = maker["qty"]
            if stp != STP_OFF and owner != CROWD and maker["owner"] == owner:
                if stp == STP_CANCEL_INCOMING:
                    left, code = 0, SELF_TRADE
                    break
                maker["qty"] = 0
            else:
                if size > left:
                    size = left
                fill = tape[n]
                fill["time"], fill["maker"], fill["taker"] = now, maker["use"] * slots + slot, NONE
                fill["price"], fill["size"] = base + x, size
                fill["joined"], fill["hit"] = maker["ahead"], taken
                fill["maker_owner"], fill["taker_owner"], fill["side"] = maker["owner"], owner, side
                n += 1
                maker["qty"] -= size
                left -= size
                taken += size
            gone += size
            if maker["owner"] != CROWD:
                own += size
            if maker["qty"] == 0:
                behind = maker["next"]
                maker["next"] = free
                free = slot
                resting -= 1
                slot = behind
        queue["size"] -= gone
        queue["seats"] -= own
        queue["head"] = slot
        if slot == NONE:
            queue["tail"] = NONE
            vacate(book["map"], book["top"], start + x)
            x = next_level(book, other, x)
        else:
            orders[slot]["prev"] = NONE
            if code != ACCEPTED:
                break
    if x != first:
        best[other] = x
    book["free"], book["resting"] = free, resting
    return n, left, code


@kernel
def _fillable(book, owner, side, price, qty, stp):
    """Lots, up to `qty`, that an order could really trade at once."""
    orders, level, best = book["orders"], book["level"], book["best"]
    levels = level.shape[0] // 2
    other = 1 - side
    start = 0 if other == BID else levels
    found, x = np.int64(0), np.int64(best[other])
    while found < qty and ((x <= price and x < levels) if side == BID else (x >= price and x >= 0)):
        slot = level[start + x]["head"]
        while slot != NONE and found < qty:
            if stp != STP_OFF and owner != CROWD and orders[slot]["owner"] == owner:
                if stp == STP_CANCEL_INCOMING:
                    return found
            else:
                found += orders[slot]["qty"]
            slot = orders[slot]["next"]
        x = next_level(book, other, x + 1 if other == ASK else x - 1)
    return found


@kernel
def rest(book, owner, side, price, qty):
    """Join the queue at `price` without matching: the order's id, or -1 when no slot is free."""
    orders, level, best = book["orders"], book["level"], book["best"]
    slots, levels = orders.shape[0], level.shape[0] // 2
    slot = book["free"]
    if slot == NONE:
        return np.int64(NONE)
    order = orders[slot]
    book["free"] = order["next"]
    book["resting"] += 1
    at = price if side == BID else levels + price
    queue = level[at]
    last = queue["tail"]
    order["qty"], order["price"], order["owner"], order["side"] = qty, price, owner, side
    order["next"], order["prev"], order["ahead"], order["time"] = NONE, last, queue["size"], book["time"]
    order["use"] += 1
    queue["size"] += qty
    queue["tail"] = slot
    if owner != CROWD:
        queue["seats"] += qty
    if last != NONE:
        orders[last]["next"] = slot
    else:
        queue["head"] = slot
        occupy(book["map"], book["top"], at)
        if (price > best[BID]) if side == BID else (price < best[ASK]):
            best[side] = price
    return np.int64(order["use"]) * slots + slot


@kernel
def pile(book, side, price, qty):
    """Add anonymous crowd lots at the back of a queue; False when no slot is free.

    They join the crowd's order that stands last, if one does: nobody can tell them apart, and the queue stays short.
    """
    level = book["level"]
    queue = level[price if side == BID else level.shape[0] // 2 + price]
    slot = queue["tail"]
    if slot != NONE and book["orders"][slot]["owner"] == CROWD:
        book["orders"][slot]["qty"] += qty
        queue["size"] += qty
        return True
    return rest(book, CROWD, side, price, qty) != NONE


@kernel
def find(book, order_id):
    """Slot of a resting order, or -1 when it is gone (or never was)."""
    orders = book["orders"]
    slots = orders.shape[0]
    if order_id < 0:
        return np.int64(NONE)
    slot = order_id % slots
    if orders[slot]["qty"] == 0 or orders[slot]["use"] != order_id // slots:
        return np.int64(NONE)
    return slot


@kernel
def remove(book, slot):
    """Take a resting order out of its queue: its lots."""
    orders, level, best = book["orders"], book["level"], book["best"]
    levels = level.shape[0] // 2
    order = orders[slot]
    side, price, qty = np.int64(order["side"]), np.int64(order["price"]), np.int64(order["qty"])
    at = price if side == BID else levels + price
    queue = level[at]
    ahead, behind = order["prev"], order["next"]
    if ahead != NONE:
        orders[ahead]["next"] = behind
    else:
        queue["head"] = behind
    if behind != NONE:
        orders[behind]["prev"] = ahead
    else:
        queue["tail"] = ahead
    queue["size"] -= qty
    if order["owner"] != CROWD:
        queue["seats"] -= qty
    order["qty"] = 0
    order["next"] = book["free"]
    book["free"] = slot
    book["resting"] -= 1
    if queue["head"] == NONE:
        vacate(book["map"], book["top"], at)
        if best[side] == price:
            best[side] = next_level(book, side, price)
    return qty


@kernel
def reduce(book, slot, qty):
    """Shrink a resting order by `qty` lots where it stands; it leaves when nothing is left."""
    order, level = book["orders"][slot], book["level"]
    if qty >= order["qty"]:
        remove(book, slot)
        return
    queue = level[order["price"] if order["side"] == BID else level.shape[0] // 2 + order["price"]]
    order["qty"] -= qty
    queue["size"] -= qty
    if order["owner"] != CROWD:
        queue["seats"] -= qty


@kernel
def cancel(book, order_id):
    """Take an order out of the book: lots cancelled, 0 when it is no longer there."""
    slot = find(book, order_id)
    if slot == NONE:
        return 0
    return remove(book, slot)


@kernel
def amend(book, order_id, qty):
    """Shrink an order to `qty` lots, keeping its place; False when it is gone or this is no reduction."""
    slot = find(book, order_id)
    if slot == NONE or qty <= 0 or qty >= book["orders"][slot]["qty"]:
        return False
    reduce(book, slot, book["orders"][slot]["qty"] - qty)
    return True


@kernel
def ahead(book, order_id):
    """Lots ahead of an order in its queue, -1 when the order is gone."""
    slot = find(book, order_id)
    if slot == NONE:
        return NONE
    orders, lots = book["orders"], 0
    slot = orders[slot]["prev"]
    while slot != NONE:
        lots += orders[slot]["qty"]
        slot = orders[slot]["prev"]
    return lots
