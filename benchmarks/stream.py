"""The published order stream: a million messages whose matching has a known result, the same for every engine.

Half limit orders (one in ten marketable), four in ten cancels of a live order, one in ten market orders; prices in
ticks, sizes 1 to 100 lots, seed 20261124. Matched by price-time priority the million gives 245,509 trades, 6,287,788
lots, notional 13,177,297,846 and a final best of 2165 / 2168.
"""

from typing import Any

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim._jit import kernel, maker
from lobarena.sim.book import new_book
from lobarena.sim.matching import cancel, find, submit
from lobarena.sim.types import CROWD, DAY, IOC, NONE, STP_OFF

SEED = 20261124
TICKS = 4_096  # prices of the stream
LIMIT, MARKET, CANCEL = 0, 1, 2
MESSAGE = np.dtype([("kind", "i4"), ("side", "i4"), ("price", "i4"), ("size", "i4"), ("order", "i4")])
CHECKSUM = {
    "trades": 245_509,
    "lots": 6_287_788,
    "notional": 13_177_297_846,
    "bid": 2_165,
    "ask": 2_168,
}  # of 1,000,000


def stream(count: int = 1_000_000, seed: int = SEED) -> np.ndarray:
    """(count,) MESSAGE, made by matching as it goes, so that a cancel always names a live order."""
    book, messages = new_book(), np.zeros(count, MESSAGE)
    _make(book, messages, np.full(count + 1, NONE, np.int64), seed)
    return messages


def replay(messages: np.ndarray) -> dict[str, Any]:
    """Match the stream in an empty book: trades, lots, notional, best bid and ask (ticks)."""
    book = new_book()
    trades, lots, notional = match(book, messages, ids_for(messages))
    bid, ask = (int(price) for price in book[0]["best"])
    return {"trades": int(trades), "lots": int(lots), "notional": int(notional), "bid": bid, "ask": ask}


def ids_for(messages: np.ndarray) -> np.ndarray:
    """(k,) i8, room for the engine's id of every order of the stream."""
    return np.full(int(messages["order"].max(initial=0)) + 1, NONE, np.int64)


@kernel
def match(books, messages, ids):
    """Match every message with the full engine (ids, owners, fills, queue ahead): (trades, lots, notional)."""
    book = books[0]
    trades, lots, notional = 0, 0, 0
    tape, levels = book["tape"], book["level"].shape[0] // 2
    for row in range(messages.shape[0]):
        message = messages[row]
        kind, side = message["kind"], np.int64(message["side"])
        if kind == CANCEL:
            cancel(book, ids[message["order"]])
            continue
        size = np.int64(message["size"])
        if kind == LIMIT:
            fills, ids[message["order"]], _ = submit(book, CROWD, side, np.int64(message["price"]), size, DAY, STP_OFF)
        else:
            fills, _, _ = submit(book, CROWD, side, (levels - 1) * (1 - side), size, IOC, STP_OFF)
        for fill in range(fills):
            lots += tape[fill]["size"]
            notional += np.int64(tape[fill]["price"]) * tape[fill]["size"]
        trades += fills
    return trades, lots, notional


@maker
def _make(books, messages, ids, seed):
    np.random.seed(seed)
    book = books[0]
    levels = book["level"].shape[0] // 2
    orders = book["orders"]
    live = np.zeros(messages.shape[0] + 1, np.int64)
    count, last, centre = 0, 0, TICKS // 2
    for row in range(messages.shape[0]):
        choice = np.random.random()
        if np.random.random() < 0.01:
            centre = min(max(centre + np.random.randint(-1, 2), 500), TICKS - 500)
        kind = LIMIT
        if row > 1_000 and count > 500 and choice < 0.50:
            kind = CANCEL if choice < 0.40 else MARKET
        side, size = np.random.randint(0, 2), np.random.randint(1, 101)
        message = messages[row]
        if kind == CANCEL:
            kind = LIMIT
            while count > 0:
                pick = np.random.randint(0, count)
                order = live[pick]
                count -= 1
                live[pick] = live[count]
                slot = find(book, ids[order])
                if slot != NONE:
                    kind = CANCEL
                    message["order"], message["side"] = order, orders[slot]["side"]
                    message["price"], message["size"] = orders[slot]["price"], orders[slot]["qty"]
                    cancel(book, ids[order])
                    break
        best = book["best"]
        if kind == MARKET and ((best[ASK] >= levels) if side == BID else (best[BID] < 0)):
            kind = LIMIT
        message["kind"] = kind
        if kind == CANCEL:
            continue
        last += 1
        message["order"], message["side"], message["size"] = last, side, size
        if kind == MARKET:
            submit(book, CROWD, np.int64(side), (levels - 1) * (1 - side), np.int64(size), IOC, STP_OFF)
            continue
        off = int(np.random.exponential(12.0))
        if np.random.random() < 0.10:
            off = -1 - int(np.random.exponential(2.0))
        price = min(max(centre - 1 - off if side == BID else centre + 1 + off, 1), TICKS - 2)
        message["price"] = price
        _, ids[last], _ = submit(book, CROWD, np.int64(side), np.int64(price), np.int64(size), DAY, STP_OFF)
        if ids[last] != NONE:
            live[count] = last
            count += 1
