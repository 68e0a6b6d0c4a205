"""The records of the simulator. A record type is a document: one field a line, its unit beside it.

Prices are ticks, sizes and positions lots, times ns UTC, cash tick x lot (exact; times tick value it is money),
fees and margin currency. A wealth or PnL is held doubled, in half-tick x lot, because a mid lies between two ticks.
"""

from functools import lru_cache
from typing import Any

import numpy as np

NONE = -1  # no slot, no order, no price level

CROWD = 0  # owner of every order of the replayed market; seats are 1, 2, ...
MAX_SEATS = 16  # seats of one market
QUOTE_LEVELS = 5  # prices a side that an agent may quote
SEEN_LEVELS = 5  # levels a side that an observation shows
MAX_WORKING = 32  # orders that one seat may have working or in flight

# Order types, `submit(..., kind)`.
DAY, IOC, FOK, POST_ONLY = 0, 1, 2, 3
# Self-trade prevention.
STP_OFF, STP_CANCEL_RESTING, STP_CANCEL_INCOMING = 0, 1, 2

# Why a fill happened, told from the maker's side.
QUEUE_REACHED = 1  # a crowd trade of the record (or another seat's market order) took the queue up to this order
CROSSED = 2  # an order that came to rest at another price crossed this one first
TOOK = 3  # a seat took liquidity of the crowd
AUCTION_FILL = 4  # the call auction
LIQUIDATION = 5  # the venue or the end of the episode closed a position
REASONS = {
    QUEUE_REACHED: "queue reached",
    CROSSED: "crossed by the crowd",
    TOOK: "took liquidity",
    AUCTION_FILL: "auction",
    LIQUIDATION: "liquidation",
}

# Why an order was refused.
(ACCEPTED, OFF_LIMITS, BAD_SIZE, TOO_LARGE, POSITION_LIMIT, NOT_TRADING, WOULD_TRADE, CANNOT_FILL) = range(8)
(BOOK_FULL, UNKNOWN_ORDER, MESSAGE_LIMIT, NO_MARGIN, SELF_TRADE, OFF_BOOK, CANCEL_LIMIT, GATE_SHUT) = range(8, 16)
REFUSALS = {
    OFF_LIMITS: "beyond the daily price limit",
    BAD_SIZE: "size is not positive",
    TOO_LARGE: "larger than the largest order allowed",
    POSITION_LIMIT: "would exceed the position limit",
    NOT_TRADING: "the venue is not open for this",
    WOULD_TRADE: "post-only order would trade",
    CANNOT_FILL: "fill-or-kill order cannot be filled",
    BOOK_FULL: "the book has no free order slot",
    UNKNOWN_ORDER: "no such order (filled or cancelled before)",
    MESSAGE_LIMIT: "too many messages",
    NO_MARGIN: "margin is not enough",
    SELF_TRADE: "would trade with the same owner",
    OFF_BOOK: "price outside the book's range",
    CANCEL_LIMIT: "too many cancels: only closing orders are taken",
    GATE_SHUT: "the venue takes no new orders now",
}

ORDER = np.dtype(
    [
        ("qty", "i4"),  # lots left; 0 when the slot is free
        ("price", "i4"),  # level index, 0 <= price < levels (ticks less the book's base)
        ("next", "i4"),  # slot behind in the queue, or next free slot
        ("prev", "i4"),  # slot ahead in the queue
        ("use", "i4"),  # how often the slot was used; id = use * slots + slot, so a stale id cancels nobody
        ("ahead", "i4"),  # lots ahead in the queue when the order joined it
        ("time", "i8"),  # ns UTC when it joined the queue
        ("owner", "i2"),  # CROWD or a seat
        ("side", "i1"),  # BID or ASK
    ],
    align=True,
)

LEVEL = np.dtype(
    [
        ("head", "i4"),  # slot first in the queue
        ("tail", "i4"),  # slot last in the queue
        ("size", "i4"),  # lots resting, all owners
        ("seats", "i4"),  # lots of them that belong to seats
    ]
)

FILL = np.dtype(
    [
        ("time", "i8"),  # ns UTC
        ("maker", "i8"),  # order id
        ("taker", "i8"),  # order id
        ("price", "i4"),  # ticks
        ("size", "i4"),  # lots
        ("joined", "i4"),  # lots ahead of the maker when it joined the queue
        ("hit", "i4"),  # lots ahead of the maker that this same taker took first; 0 in an auction
        ("mid2", "i4"),  # crowd's best bid + best ask before the taker came, ticks (twice the mid)
        ("maker_owner", "i2"),
        ("taker_owner", "i2"),
        ("side", "i1"),  # the taker's side
        ("reason", "i1"),  # QUEUE_REACHED, ...
    ],
    align=True,
)


@lru_cache
def book_type(levels: int, slots: int) -> "np.dtype[Any]":
    """The record of one book: `levels` prices, `slots` orders. Capacity is part of the type: one compile for each."""
    return np.dtype(
        [
            ("orders", ORDER, (slots,)),
            ("level", LEVEL, (2 * levels,)),  # bids at [price], asks at [levels + price]
            ("map", "u8", (2 * levels // 64,)),  # bit set where a level is occupied, 64 prices a word
            ("top", "u8", (max(1, 2 * levels // 4096),)),  # bit set where a word of the map is not 0
            ("tape", FILL, (slots + 1,)),  # fills of the last order
            ("best", "i8", (2,)),  # level index of best bid, best ask; -1 and `levels` when the side is empty
            ("free", "i8"),  # first free slot
            ("base", "i8"),  # ticks of level index 0
            ("time", "i8"),  # ns UTC, stamped on orders and fills
            ("resting", "i8"),  # orders in the book
        ],
        align=True,
    )


SMALL = (8_192, 16_384)  # levels, order slots: any futures day within its price limits
LARGE = (65_536, 65_536)  # stocks with every order of the day

OBSERVATION = np.dtype(
    [
        ("time", "i8"),  # ns UTC, when the seat looks (market time plus its feed latency)
        ("published", "i8"),  # ns UTC, the exchange's stamp of what it sees
        ("opens", "i8"),  # ns UTC, start of the episode
        ("closes", "i8"),  # ns UTC, end of the episode: quotes die and the position is closed
        ("bid", "i4", (SEEN_LEVELS,)),  # ticks, best first, own orders taken out
        ("bid_size", "i4", (SEEN_LEVELS,)),  # lots; 0 when the level is not there
        ("ask", "i4", (SEEN_LEVELS,)),
        ("ask_size", "i4", (SEEN_LEVELS,)),
        ("last", "i4"),  # ticks, last trade; 0 before the first
        ("volume", "i8"),  # lots traded since the episode began
        ("turnover", "i8"),  # tick x lot traded since the episode began
        ("upper", "i4"),  # ticks, highest legal price
        ("lower", "i4"),  # ticks, lowest legal price
        ("phase", "i4"),  # CALL, CONTINUOUS, ...
        ("position", "i4"),  # lots, as reported to the seat so far
        ("position_limit", "i4"),  # lots, either way
        ("cash", "i8"),  # tick x lot, as reported
        ("fees", "f8"),  # currency, as reported
        ("own_bid", "i4", (QUOTE_LEVELS,)),  # ticks, own working bids, best first
        ("own_bid_size", "i4", (QUOTE_LEVELS,)),  # lots left as reported; 0 when there is none
        ("own_bid_ahead", "i4", (QUOTE_LEVELS,)),  # lots ahead in the queue when `published`
        ("own_ask", "i4", (QUOTE_LEVELS,)),
        ("own_ask_size", "i4", (QUOTE_LEVELS,)),
        ("own_ask_ahead", "i4", (QUOTE_LEVELS,)),
        ("new_fills", "i4"),  # fills reported since the last decision
    ],
    align=True,
)
