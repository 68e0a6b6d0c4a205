"""Places in a recorded day from which an episode can begin without replaying what came before."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim._jit import kernel
from lobarena.sim.bits import next_level
from lobarena.sim.book import clear
from lobarena.sim.hawkes.traits import MOOD
from lobarena.sim.market import Market, Seat
from lobarena.sim.matching import find, rest
from lobarena.sim.state import PAUSED
from lobarena.sim.types import CROWD, NONE, ORDER

EVERY_NS = 60 * 10**9  # of market time between two places
_CARRIED = (  # what an episode inherits of the day before it, beside the book
    *("now", "event", "phase", "sequence", "volume", "turnover", "last", "mid2", "spread"),
    *("shots", "met", "first_missed", "moved", "unfilled", "stir"),
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The crowd and the venue at one moment, before any seat came in."""

    time: int  # ns UTC; everything until then has happened
    orders: np.ndarray  # (n,) ORDER in the queue's order, level by level
    shown: np.ndarray  # (k,) i8 places of the venue's `owed` that hold something
    owed: np.ndarray  # (k,) OWED there
    carried: tuple[int, ...]
    mood: np.ndarray  # (1,) MOOD of a living crowd


def checkpoints(market: Market) -> list[Checkpoint]:
    """Places a minute apart through the market's day, in order; the first is its beginning.

    A record that names its orders by number has the first alone: its book is replayed from the start.
    """
    feed = market.feed
    times = feed.events["time"]
    market.start([Seat()], 2**62, 2**62)  # one seat that never comes in: the day runs as it will with seats
    found = [_take(market, 0)]
    if feed.orders or not len(times):
        return found
    for pause in range(int(times[0]) + EVERY_NS, int(times[-1]), EVERY_NS):
        market.venue[0]["pause"] = pause
        if market.run() != PAUSED:
            break
        found.append(_take(market, pause))
    return found


def _take(market: Market, time: int) -> Checkpoint:
    orders = np.zeros(int(market.book[0]["resting"]), ORDER)
    pack(market.book, orders)
    venue = market.venue[0]
    shown = np.flatnonzero((venue["owed"]["shown"] != 0) | (venue["owed"]["lots"] != 0))
    return Checkpoint(
        time, orders, shown, venue["owed"][shown], tuple(venue[name].item() for name in _CARRIED), _mood(venue)
    )


def _mood(venue: Any) -> np.ndarray:
    mood = np.zeros(1, MOOD)
    mood[0] = venue["mood"]
    return mood


def resume(book: np.ndarray, venue: np.ndarray, base: int, place: Checkpoint) -> None:
    """Bring a book, (1,), and a venue, (1,) and otherwise as at the day's beginning, to a checkpoint."""
    unpack(book, base, place.orders)
    v = venue[0]
    v["owed"].view(np.uint8)[:] = 0
    v["owed"][place.shown] = place.owed
    for name, value in zip(_CARRIED, place.carried, strict=True):
        v[name] = value
    v["mood"] = place.mood[0]


@kernel
def pack(books, rows):
    """Write every resting order into rows, (n,) ORDER, in the order in which `unpack` gives each its place again."""
    book = books[0]
    orders, level = book["orders"], book["level"]
    levels, count = level.shape[0] // 2, 0
    for side in range(2):
        x = book["best"][side]
        while 0 <= x < levels:
            slot = level[x if side == BID else levels + x]["head"]
            while slot != NONE:
                rows[count] = orders[slot]
                count += 1
                slot = orders[slot]["next"]
            x = next_level(book, side, x - 1 if side == BID else x + 1)


@kernel
def unpack(books, base, rows):
    """Empty a book and rest the packed orders in it."""
    clear(books, base)
    book = books[0]
    for k in range(rows.shape[0]):
        row = rows[k]
        side = BID if row["side"] == BID else ASK
        slot = find(book, rest(book, CROWD, side, np.int64(row["price"]), np.int64(row["qty"])))
        order = book["orders"][slot]
        order["time"], order["ahead"] = row["time"], row["ahead"]
