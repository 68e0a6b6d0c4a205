"""The engine's side of the fuzz: kernels that play messages into a book and write down all that came of it.

Ids are translated to the numbers of the messages that brought the orders, so that two engines can be compared.
"""

import numpy as np

from lobarena.benchmarks.fuzz_stream import AHEAD, AMEND, CANCEL, CLEAR, MARKET, NEVER, REST, SUBMIT, THIN
from lobarena.sim import book as engine
from lobarena.sim._jit import kernel
from lobarena.sim.types import NONE

RING = 1 << 17  # messages whose ids are remembered; an older order counts as gone

OUTCOME = np.dtype([("fills", "<i8"), ("rests", "<i8"), ("result", "<i8"), ("lots", "<i8")])
FILLED = np.dtype(
    [
        ("time", "<i8"),  # ns UTC
        ("maker", "<i8"),  # number of the message that brought it
        ("taker", "<i8"),  # likewise; -1 when it did not come to rest
        ("price", "<i8"),  # ticks
        ("size", "<i8"),  # lots
        ("joined", "<i8"),  # lots ahead of the maker when it joined
        ("hit", "<i8"),  # lots ahead of the maker that this taker took first
        ("maker_owner", "<i8"),
        ("taker_owner", "<i8"),
        ("side", "<i8"),  # the taker's
    ]
)
RESTING = np.dtype([(name, "<i8") for name in ("side", "price", "number", "qty", "owner", "joined", "time")])
NAMED = np.dtype([("id", "<i8"), ("number", "<i8")])  # the engine's id and the message's number of one order


@kernel
def number_of(names, order_id):
    """The number behind an id that is, or just was, in its slot; -1 for no id, -2 for one that nobody was given."""
    if order_id == NONE:
        return NONE
    name = names[order_id % names.shape[0]]
    return name["number"] if name["id"] == order_id else -2


@kernel
def play(books, messages, outcomes, fills, ring, names):
    """Play messages into a book: fills written.

    outcomes : (n,) OUTCOME; `rests` is -2 when the new id was given out before
    fills : FILLED, with room for every order that can trade
    ring : (RING,) NAMED by number, names : (slots,) NAMED by slot; what ids stand for, kept between calls
    """
    book, written = books[0], 0
    tape = book["tape"]
    for row in range(messages.shape[0]):
        message, outcome = messages[row], outcomes[row]
        kind, number, ref = message["kind"], message["number"], message["ref"]
        owner, side, price = np.int64(message["owner"]), np.int64(message["side"]), np.int64(message["price"])
        size, stp, kind_of = np.int64(message["size"]), np.int64(message["stp"]), np.int64(message["type"])
        book["time"] = message["time"]
        order_id = ref
        if 0 <= ref < NEVER:
            name = ring[ref % RING]
            order_id = name["id"] if name["number"] == ref else np.int64(NONE)
        count, new_id, result = 0, np.int64(NONE), np.int64(0)
        if kind in (SUBMIT, MARKET):
            count, new_id, result = engine.submit(books, owner, side, price, size, kind_of, stp)
        elif kind == REST:
            new_id = engine.rest(books, owner, side, price, size)
        elif kind == CANCEL:
            result = engine.cancel(books, order_id)
        elif kind == AMEND:
            result = np.int64(engine.amend(books, order_id, size))
        elif kind == AHEAD:
            result = engine.ahead(books, order_id)
        elif kind == THIN:
            result = engine.thin(books, side, price, size, message["u"], kind_of, stp)
        elif kind == CLEAR:
            engine.clear(books, price)
        else:
            count, result = engine.uncross(books, price)

        lots = 0
        for at in range(count):
            fill, out = tape[at], fills[written + at]
            out["time"], out["price"], out["size"] = fill["time"], fill["price"], fill["size"]
            out["joined"], out["hit"], out["side"] = fill["joined"], fill["hit"], fill["side"]
            out["maker_owner"], out["taker_owner"] = fill["maker_owner"], fill["taker_owner"]
            out["maker"] = number_of(names, fill["maker"])
            out["taker"] = number if new_id != NONE and fill["taker"] == new_id else number_of(names, fill["taker"])
            lots += fill["size"]
        written += count
        outcome["fills"], outcome["rests"], outcome["result"], outcome["lots"] = count, NONE, result, lots
        seen = ring[number % RING]
        seen["number"], seen["id"] = number, new_id
        if new_id != NONE:
            name = names[new_id % names.shape[0]]
            outcome["rests"] = number if new_id > name["id"] else -2
            name["id"], name["number"] = new_id, number
    return written


@kernel
def walk(books, occupied, names, rows):
    """Write the orders of the `occupied` levels in queue order to `rows`, RESTING: how many, -1 for a broken queue."""
    book, count = books[0], 0
    orders, level = book["orders"], book["level"]
    levels = level.shape[0] // 2
    for at in range(occupied.shape[0]):
        index = occupied[at]
        before, slot = np.int64(NONE), np.int64(level[index]["head"])
        while slot != NONE:
            order = orders[slot]
            if count == rows.shape[0] or order["prev"] != before:
                return -1
            row = rows[count]
            row["side"], row["price"], row["qty"] = order["side"], order["price"], order["qty"]
            row["owner"], row["joined"], row["time"] = order["owner"], order["ahead"], order["time"]
            row["number"] = number_of(names, np.int64(order["use"]) * names.shape[0] + slot)
            if np.int64(order["side"]) * levels + order["price"] != index:
                return -1
            count += 1
            before, slot = slot, np.int64(order["next"])
        if level[index]["tail"] != before:
            return -1
    return count
