"""A living day written down: what the venue publishes of the crowd when no seat is in the market."""

import numpy as np

from lobarena.data.recording import Quarantine, Recording
from lobarena.data.schema import ASK, AUCTION, BID, LEVELS, MARK, SNAPSHOT, UNKNOWN
from lobarena.sim._jit import kernel
from lobarena.sim.bits import next_level
from lobarena.sim.crowd import apply
from lobarena.sim.feed import Feed
from lobarena.sim.hawkes.stir import stir
from lobarena.sim.market import Market
from lobarena.sim.types import NONE


def recorded(feed: Feed) -> Recording:
    """The day's snapshots, five levels a side, as the venue of a living feed publishes them to nobody.

    The first row is that of the opening auction.
    """
    market = Market(feed)
    shots = np.zeros(np.count_nonzero(feed.events["kind"] == MARK), SNAPSHOT)
    count = write_down(market.book, market.venue, feed.events, shots)
    shots = shots[:count]
    shots["kind"][shots["time"] < feed.sessions[0, 0]] = AUCTION
    shots["received"] = shots["interest"] = UNKNOWN
    shots["upper"], shots["lower"], shots["depth"] = feed.upper, feed.lower, LEVELS
    shots["row"] = np.arange(1, count + 1)
    contract, nothing = feed.contract, Quarantine(np.zeros(0, SNAPSHOT))
    source = f"living crowd {feed.digest[:16]}, no seat"
    return Recording(contract, contract.symbol, contract.exchange, feed.day, shots, nothing, [], source, count)


@kernel
def write_down(books, venues, events, shots):
    """Run a living day that has no seats: rows of `shots`, (n,) SNAPSHOT, written."""
    book, venue, count = books[0], venues[0], 0
    for row in range(events.shape[0]):
        event = events[row]
        if venue["stir"] > 0:
            stir(book, venue, event["time"] - 1)
        venue["now"] = book["time"] = event["time"]
        if event["kind"] == MARK:
            _shoot(book, venue, shots[count])
            count += 1
        else:
            apply(book, venue, event, np.int64(NONE))
    return count


@kernel
def _shoot(book, venue, shot):
    """The five best levels a side and the day's totals."""
    levels, base = book["level"].shape[0] // 2, book["base"]
    shot["time"], shot["last"] = venue["now"], venue["last"]
    shot["volume"], shot["turnover"] = venue["volume"], venue["turnover"]
    bid, ask = np.int64(book["best"][BID]), np.int64(book["best"][ASK])
    for place in range(LEVELS):
        if bid >= 0:
            shot["bid"][place], shot["bid_size"][place] = base + bid, book["level"][bid]["size"]
            bid = next_level(book, BID, bid - 1)
        if ask < levels:
            shot["ask"][place], shot["ask_size"][place] = base + ask, book["level"][levels + ask]["size"]
            ask = next_level(book, ASK, ask + 1)
