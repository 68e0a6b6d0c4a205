"""The record of one running market beside its book: seats, messages in flight, counters and outgoing rows."""

from typing import Any

import numpy as np

from lobarena.sim.hawkes.traits import MOOD, TRAITS
from lobarena.sim.types import FILL, MAX_SEATS, MAX_WORKING, QUOTE_LEVELS, SEEN_LEVELS

IMAGES = 64  # published books kept for a seat whose feed is slow
IN_FLIGHT = 4_096  # messages and decisions under way, all seats
BUFFER = 4_096  # outgoing rows that wait for Python; the kernel stops when a buffer is nearly full
STRETCHES = 256  # draws of a seat's latency distribution, used in turn

# Messages in flight. At one instant: market events, then what seats send to the venue, then reports, then images of the
# book, then decisions. What seats send is one class, kept in the order of sending.
WITHDRAW, AMEND, NEW, REPORT, PEEK, UPDATE, WAKE, ANSWER = 1, 2, 3, 4, 5, 6, 7, 8
# States of one working order as its seat knows it.
FREE, SENT, LIVE, LEAVING = 0, 1, 2, 3
# States of a seat.
IDLE, THINKING, ASKED, OUT = 0, 1, 2, 3
# Cancel models: where in the queue a crowd cancel falls.
BACK, PRO_RATA, POWER, FRONT = 0, 1, 2, 3
# Impact rules: how long the record's liquidity that a seat took stays away.
RESTORE, DECAY, KEEP = 0, 1, 2
# What `run` stopped for (a positive value is the seat that must decide).
FINISHED, DRAIN, PAUSED = 0, -1, -2

MESSAGE = np.dtype(
    [
        ("kind", "i4"),
        ("seat", "i4"),
        ("work", "i4"),  # the seat's working-order row it speaks of, or the image of an UPDATE
        ("turn", "i4"),  # use count of that row, so that a late message speaks of nobody else's order
        ("side", "i4"),
        ("price", "i4"),  # ticks
        ("size", "i4"),  # lots; negative in a REPORT of a sale
        ("type", "i4"),  # order type of a NEW
        ("code", "i4"),  # refusal of a REPORT
        ("left", "i4"),  # lots left of the order when a REPORT was made
        ("fee", "f8"),  # currency
    ],
    align=True,
)

KEY = np.dtype(
    [
        ("time", "i8"),  # ns UTC when the message arrives
        ("order", "i8"),  # class * 2**40 + sequence: breaks ties at one instant
        ("slot", "i8"),  # its letter
    ]
)

WORK = np.dtype(
    [
        ("id", "i8"),  # the venue's order id; -1 until it rests, and when it is gone
        ("price", "i4"),  # ticks
        ("left", "i4"),  # lots left as the seat knows
        ("turn", "i4"),  # use count of this row
        ("side", "i1"),
        ("state", "i1"),  # FREE, SENT, LIVE, LEAVING as the seat knows
    ],
    align=True,
)

IMAGE = np.dtype(
    [
        ("time", "i8"),  # ns UTC, the exchange's stamp
        ("volume", "i8"),  # lots since the episode began
        ("turnover", "i8"),  # tick x lot since the episode began
        ("bid", "i4", (SEEN_LEVELS,)),
        ("bid_size", "i4", (SEEN_LEVELS,)),
        ("ask", "i4", (SEEN_LEVELS,)),
        ("ask_size", "i4", (SEEN_LEVELS,)),
        ("ahead", "i4", (MAX_WORKING,)),  # lots ahead of each working order of the seat; -1 when it does not rest
        ("turn", "i4", (MAX_WORKING,)),  # which order of the row that was
        ("rows", "i4"),  # rows of the two that are written; the others hold what an older image left there
        ("last", "i4"),
        ("phase", "i4"),
    ],
    align=True,
)

SEAT = np.dtype(
    [
        # rules of the venue for this seat
        ("feed_ns", "i8"),  # ns from publication to the seat
        ("order_ns", "i8"),  # ns from the seat to the venue
        ("report_ns", "i8"),  # ns from the venue back to the seat
        ("depth", "i4"),  # levels a side that its feed shows
        ("every_ns", "i8"),  # ns between looks; 0 looks at each update
        ("on_fill", "i4"),  # 1: an own fill is an occasion to decide as well
        ("stp", "i4"),  # self-trade prevention
        ("position_limit", "i4"),  # lots
        ("largest", "i4"),  # lots, largest order
        ("message_limit", "i4"),  # orders, amendments and cancels in an episode
        ("cancel_limit", "i4"),  # cancels at the venue after which only closing orders are taken
        ("capital", "f8"),  # currency
        ("maintenance", "f8"),  # share of the margin below which the venue closes the position at once
        ("grace_ns", "i8"),  # ns that a margin call may stand
        ("stretch", "f4", (STRETCHES,)),  # factors on the three network latencies
        # the account, as the venue keeps it
        ("position", "i4"),  # lots
        ("held", "i4"),  # lots of it carried from the day before
        ("cash", "i8"),  # tick x lot
        ("fees", "f8"),  # currency
        # the account, as reported to the seat
        ("known_position", "i4"),
        ("known_cash", "i8"),
        ("known_fees", "f8"),
        ("new_fills", "i4"),
        # orders
        ("work", WORK, (MAX_WORKING,)),
        ("rows", "i4"),  # rows of `work` that were ever used: the others need no look
        ("target", "i4", (2, QUOTE_LEVELS, 2)),  # price and size of the quotes being decided
        ("need", "i4", (2, QUOTE_LEVELS)),  # lots of them that no working order holds yet
        ("take", "i4"),  # lots of the market order being decided
        ("keep", "i4"),  # 1: the decision leaves the working orders as they are
        # clock
        ("state", "i4"),  # IDLE, THINKING, ASKED or OUT
        ("seen", "i4"),  # image last delivered; -1 none
        ("latest", "i4"),  # image made last
        ("coming", "i4"),  # images under way to it
        ("looked", "i8"),  # ns UTC of the last look
        ("heard", "i8"),  # ns UTC of the last delivery: a feed never overtakes itself
        ("answered", "i8"),  # likewise for reports
        ("sent", "i8"),  # likewise for orders on their way
        ("draw", "i4"),  # next latency factor; -1: latencies do not vary
        # counters
        ("orders", "i4"),
        ("ordered", "i8"),  # lots of the orders that the venue accepted
        ("cancels", "i4"),
        ("messages", "i4"),  # sent
        ("arrived", "i4"),  # of them at the venue
        ("withdrawn", "i4"),  # cancels among those
        ("refused", "i4", (16,)),  # by reason code
        ("called", "i8"),  # ns UTC of the margin call that stands; 0 none
        ("calls", "i4"),  # margin calls
        ("liquidated", "i4"),  # 1 after a forced liquidation
        ("images", IMAGE, (IMAGES,)),
    ],
    align=True,
)

CURVE = np.dtype(
    [
        ("time", "i8"),  # ns UTC
        ("cash", "i8"),  # tick x lot
        ("fees", "f8"),  # currency
        ("seat", "i4"),
        ("mid2", "i4"),  # ticks, bid + ask
        ("position", "i4"),  # lots
        ("bid", "i4"),  # ticks, own best bid; 0 none
        ("ask", "i4"),
    ],
    align=True,
)

MARK_ROW = np.dtype([("time", "i8"), ("mid2", "i4"), ("spread", "i4")], align=True)  # ns UTC, ticks, ticks

OWED = np.dtype(
    [
        ("lots", "f4"),  # crowd lots that seats took from a level, as of `time`
        ("shown", "i4"),  # lots that a record of level changes shows there
        ("time", "i8"),  # ns UTC
    ],
    align=True,
)


def venue_type(levels: int, seats: int = MAX_SEATS) -> "np.dtype[Any]":
    """The record of one venue over a book of `levels` prices."""
    return np.dtype(
        [
            ("now", "i8"),  # ns UTC
            ("event", "i8"),  # next row of the feed
            ("opens", "i8"),  # ns UTC, the seats come in
            ("closes", "i8"),  # ns UTC, the seats go out
            ("pause", "i8"),  # ns UTC, nothing later is done before Python has had a look
            ("stir", "i8"),  # ns UTC, next candidate of a living crowd; 0 where the crowd is a record
            ("phase", "i4"),
            ("seats", "i4"),  # how many are in
            ("image", "i4"),  # publications so far
            ("gone", "i4"),  # seats that have left before the end
            ("numbered", "i4"),  # 1: the record knows every order by its number
            ("live", "i4"),  # 1: the book can be looked at any time, not only when it is published
            ("sequence", "i8"),
            # rules
            ("lower", "i4"),  # ticks, lowest and highest legal price
            ("upper", "i4"),
            ("protection", "i4"),  # ticks beyond the touch that a market order may reach
            ("by_turnover", "i4"),  # 1: the three fees are fractions of turnover, 0: currency a lot
            ("fee_open", "f8"),
            ("fee_close", "f8"),
            ("fee_today", "f8"),
            ("margin", "f8"),  # fraction of notional
            ("gate", "i4"),  # 1: no new orders of seats are taken
            ("tick_value", "f8"),  # currency of one lot and one tick
            ("cancel_model", "i4"),
            ("power", "i4"),  # exponent of POWER
            ("impact", "i4"),
            ("half_life", "f8"),  # ns, of DECAY
            # what the market did
            ("volume", "i8"),  # lots, whole day
            ("turnover", "i8"),  # tick x lot, whole day
            ("last", "i4"),  # ticks
            ("mid2", "i4"),  # ticks, best bid + best ask of the crowd when last both were there
            ("spread", "i4"),  # ticks, likewise
            ("start_volume", "i8"),  # when the episode began
            ("start_turnover", "i8"),
            ("crowd_cash", "i8"),  # tick x lot of crowd against seats: with the seats' cash it sums to 0
            ("crowd_position", "i8"),
            # how well the record was met, before anything is put right
            ("shots", "i8"),  # snapshots compared
            ("met", "i8"),  # of them equal in every shown level, volume and turnover
            ("first_missed", "i8"),  # source row of the first that was not; 0 none
            ("moved", "i8"),  # crowd lots added or taken away to meet snapshots
            ("unfilled", "i8"),  # lots of recorded trades that found nobody left to trade with
            # rows on their way out
            ("fills", "i4"),
            ("curves", "i4"),
            ("marks", "i4"),
            ("curve_ns", "i8"),  # ns between curve rows
            ("next_curve", "i8"),
            ("flight", "i4"),  # messages in the heap
            ("lost", "i4"),  # messages that found the heap full
            ("heap", KEY, (IN_FLIGHT,)),
            ("letter", MESSAGE, (IN_FLIGHT,)),
            ("free", "i8"),  # letter that is written next
            ("issued", "i8"),  # highest letter that was ever free
            ("reading", "i8"),  # one more than the letter taken last; 0 none
            ("spares", "i8"),  # further free letters
            ("spare", "i8", (IN_FLIGHT,)),
            ("fill", FILL, (BUFFER,)),
            ("fee", "f8", (BUFFER, 2)),  # currency, of maker and taker
            ("after", "i4", (BUFFER, 2)),  # lots, position of maker and taker after the fill
            ("curve", CURVE, (BUFFER,)),
            ("mark", MARK_ROW, (BUFFER,)),
            ("owed", OWED, (2 * levels,)),
            ("owed_span", "i8", (2, 2)),  # lowest and highest level index of each side that may be owed something
            ("mood", MOOD),  # of a living crowd
            ("traits", TRAITS),
            ("seat", SEAT, (seats + 1,)),  # row 0 is the crowd's and stays empty
        ],
        align=True,
    )
