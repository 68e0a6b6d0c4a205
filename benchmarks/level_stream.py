"""The published stream as a record of level changes: what backtesters of level-2 data replay.

Every fill is a TRADE, every level that a message touched a LEVEL with what is left there; 1,296,702 events for the
million messages, 10 ms apart on average (exponential, seed 7).
"""

from datetime import date

import numpy as np

from lobarena.benchmarks.stream import CANCEL, LIMIT, MESSAGE, ids_for, stream
from lobarena.data.contracts import Contract, plain_contract
from lobarena.data.recording import EventRecording
from lobarena.data.schema import ASK, BID, EVENT, LEVEL, TRADE
from lobarena.data.sessions import utc
from lobarena.sim._jit import kernel
from lobarena.sim.book import new_book
from lobarena.sim.matching import cancel, find, submit
from lobarena.sim.types import CROWD, DAY, IOC, NONE, STP_OFF

DAY_OF_STREAM = date(2026, 11, 24)
TRADES = 245_509
EVENTS = 1_296_702
_GAP_NS = 10_000_000  # mean time between messages


def contract() -> Contract:
    """Half-unit ticks, no fees, round the clock."""
    from decimal import Decimal

    return plain_contract("STREAM", "TEST", Decimal("0.5"))


def recording(count: int = 1_000_000) -> EventRecording:
    """The first `count` messages of the stream as one day of level changes."""
    messages = stream(count)
    gaps = np.random.Generator(np.random.PCG64(7)).exponential(_GAP_NS, count)
    start = utc(DAY_OF_STREAM, "00:00", "UTC")
    times = start + np.cumsum(gaps).astype(np.int64)
    assert messages.dtype == MESSAGE
    events = np.zeros(3 * count, EVENT)
    book = new_book()
    made = int(_levels(book, messages, ids_for(messages), times, events))
    kept = events[:made].copy()
    kept["ref"] = NONE
    return EventRecording(contract(), "STREAM", "TEST", DAY_OF_STREAM, kept, 0, source="published stream", rows_in=made)


@kernel
def _levels(books, messages, ids, times, events):
    """Match every message and write what a level-2 feed would tell: the number of events."""
    book, made = books[0], 0
    tape, levels = book["tape"], book["level"].shape[0] // 2
    for row in range(messages.shape[0]):
        message = messages[row]
        kind, side, price = message["kind"], np.int64(message["side"]), np.int64(message["price"])
        first = made
        if kind == CANCEL:
            order = book["orders"][find(book, ids[message["order"]])]
            side, price = np.int64(order["side"]), np.int64(order["price"])
            cancel(book, ids[message["order"]])
            made = _put(events, made, LEVEL, side, price, _lots(book, side, price))
        else:
            how = DAY if kind == LIMIT else IOC
            reach = price if kind == LIMIT else np.int64((levels - 1) * (1 - side))
            fills, ids[message["order"]], _ = submit(book, CROWD, side, reach, np.int64(message["size"]), how, STP_OFF)
            other = ASK if side == BID else BID
            for fill in range(fills):
                at = np.int64(tape[fill]["price"])
                made = _put(events, made, TRADE, side, at, np.int64(tape[fill]["size"]))
                if fill + 1 == fills or tape[fill + 1]["price"] != at:
                    made = _put(events, made, LEVEL, other, at, _lots(book, other, at))
            if ids[message["order"]] != NONE:
                made = _put(events, made, LEVEL, side, price, _lots(book, side, price))
        for new in range(first, made):
            events[new]["time"] = times[row]
    return made


@kernel
def _lots(book, side, price):
    level = book["level"]
    return np.int64(level[price if side == BID else level.shape[0] // 2 + price]["size"])


@kernel
def _put(events, made, kind, side, price, size):
    event = events[made]
    event["kind"], event["side"], event["price"], event["size"] = kind, side, price, size
    return made + 1
