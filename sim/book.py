"""One limit order book: a record of levels and order slots in a one-element array, and what can be asked of it.

Price-time priority; a price is a level index, 0 <= price < levels (ticks less the book's base); fills carry ticks. An
order id is use * slots + slot, so that the id of an order that is gone names nobody else's. The functions are kernels
that take the array, from Python or from a kernel, and hand its record to those of `sim.matching`.
"""

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim import auction, bits, matching, queue
from lobarena.sim._jit import kernel
from lobarena.sim.types import NONE, SMALL, book_type


def new_book(size: tuple[int, int] = SMALL, base: int = 0) -> np.ndarray:
    """An empty book of `size` = (levels, order slots) as a (1,) record; `base` is the price of level 0, ticks.

    ValueError unless levels is a multiple of 2,048 (whole words of the occupancy map) and slots is positive.
    """
    if size[0] <= 0 or size[0] % 2_048 or size[1] <= 0:
        raise ValueError(
            f"a book of {size[0]} levels and {size[1]} slots; give a multiple of 2,048 levels and some slots"
        )
    book = np.zeros(1, book_type(*size))
    clear(book, base)
    return book


def tape_of(book: np.ndarray) -> np.ndarray:
    """(slots + 1,) FILL inside the book, where each call writes its fills from the start; a view, not a copy."""
    tape: np.ndarray = book[0]["tape"]
    return tape


@kernel
def clear(book, base):
    """Empty the book; ids handed out before stay dead."""
    orders, level = book[0]["orders"], book[0]["level"]
    slots, levels = orders.shape[0], level.shape[0] // 2
    for slot in range(slots):
        orders[slot]["qty"] = 0
        orders[slot]["next"] = slot + 1 if slot + 1 < slots else NONE
    for at in range(2 * levels):
        level[at]["head"] = level[at]["tail"] = NONE
        level[at]["size"] = level[at]["seats"] = 0
    book[0]["map"][:] = np.uint64(0)
    book[0]["top"][:] = np.uint64(0)
    book[0]["best"][BID], book[0]["best"][ASK] = NONE, levels
    book[0]["free"], book[0]["base"], book[0]["resting"] = 0, base, 0


@kernel
def submit(book, owner, side, price, qty, kind, stp):
    """Match an order and rest what is left: (fills on the tape, id or -1, code); see `matching.submit`."""
    return matching.submit(book[0], owner, side, price, qty, kind, stp)


@kernel
def rest(book, owner, side, price, qty):
    """Join the queue at `price` without matching: the order's id, or -1 when no slot is free."""
    return matching.rest(book[0], owner, side, price, qty)


@kernel
def find(book, order_id):
    """Slot of a resting order, or -1 when it is gone (or never was)."""
    return matching.find(book[0], order_id)


@kernel
def cancel(book, order_id):
    """Take an order out of the book: lots cancelled, 0 when it is no longer there."""
    return matching.cancel(book[0], order_id)


@kernel
def amend(book, order_id, qty):
    """Shrink an order to `qty` lots, keeping its place; False when it is gone or this is no reduction."""
    return matching.amend(book[0], order_id, qty)


@kernel
def ahead(book, order_id):
    """Lots ahead of an order in its queue, -1 when the order is gone."""
    return matching.ahead(book[0], order_id)


@kernel
def thin(book, side, price, lots, u, model, power):
    """Cancel up to `lots` crowd lots at a level, placed by the cancel model with the uniform draw u: lots cancelled."""
    return queue.thin(book[0], side, price, lots, u, model, power)


@kernel
def uncross(book, reference):
    """Trade the call auction at its one price: (fills on the tape, price or -1); see `auction.uncross`."""
    return auction.uncross(book[0], reference)


@kernel
def next_level(book, side, price):
    """The occupied level of `side` nearest to `price`, at it or further from the market; -1 or `levels`: none."""
    return bits.next_level(book[0], side, price)
