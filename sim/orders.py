"""A day of orders made ready to run: every add, delete and aggressor of the record, with the seats in the same queues.

A market by order has no snapshots to meet, so nothing is ever put right: the venue publishes on a time grid, and the
book is what the orders make of it.
"""

import hashlib

import numpy as np

from lobarena.data.schema import DELETE, EVENT, LIMIT, MARK, SNAPSHOT
from lobarena.data.sessions import session_times
from lobarena.data.sse import OrderRecording
from lobarena.sim.feed import MARGIN_TICKS, Feed
from lobarena.sim.types import LARGE, MAX_SEATS, MAX_WORKING, NONE, SMALL

ROOM = MAX_SEATS * MAX_WORKING  # order slots kept for the seats


def order_feed(recording: OrderRecording, publish_ms: int = 500) -> Feed:
    """The feed of a recorded order day, published every `publish_ms` inside its sessions.

    ValueError when the interval is not positive or the prices span more than the largest book holds.
    """
    if publish_ms < 1:
        raise ValueError(f"publish_ms is {publish_ms}; give a whole number of milliseconds, at least 1")
    lower, upper = price_limits(recording)
    base = max(0, lower - MARGIN_TICKS)
    sessions = session_times(recording.contract, recording.trading_day)
    return Feed(
        contract=recording.contract,
        day=recording.trading_day,
        events=_with_marks(recording.events, sessions, publish_ms * 1_000_000),
        snapshots=np.zeros(0, SNAPSHOT),
        base=base,
        size=book_size(recording, base, upper),
        lower=lower,
        upper=upper,
        sessions=sessions,
        orders=len(recording.numbers),
        digest=hashlib.sha256(recording.events.tobytes()).hexdigest(),
    )


def price_limits(recording: OrderRecording) -> tuple[int, int]:
    """Lowest and highest legal price, ticks: the daily limit about yesterday's close, or what was ordered beyond it."""
    priced = recording.events["price"][recording.events["price"] > 0]
    reach = recording.previous * recording.contract.daily_limit
    low, high = int(recording.previous - reach + 0.5), int(recording.previous + reach + 0.5)
    return max(1, min(low, int(priced.min(initial=low)))), max(high, int(priced.max(initial=high)))


def book_size(recording: OrderRecording, base: int, upper: int) -> tuple[int, int]:
    """Levels and order slots of a book that holds the day's orders with room for the seats.

    ValueError when the prices span more than the largest book holds.
    """
    kind = recording.events["kind"]
    resting = np.cumsum((kind == LIMIT).astype(np.int64) - (kind == DELETE))  # at most: those that traded away count
    levels, slots = upper + MARGIN_TICKS - base, int(resting.max(initial=0)) + ROOM
    for size in (SMALL, LARGE):
        if levels <= size[0] and slots <= size[1]:
            return size
    if levels > LARGE[0]:
        raise ValueError(
            f"{recording.symbol} {recording.trading_day}: prices span {upper - base:,} ticks, the largest book holds "
            f"{LARGE[0]:,}; check the prices of the record"
        )
    return LARGE[0], 1 << (slots - 1).bit_length()


def _with_marks(events: np.ndarray, sessions: np.ndarray, every: int) -> np.ndarray:
    """The events with a publication each `every` ns inside each session, after what happens at that instant."""
    times = np.concatenate([np.arange(start + every, end, every) for start, end in sessions.tolist()])
    marks = np.zeros(len(times), EVENT)
    marks["time"], marks["kind"], marks["ref"] = times, MARK, NONE
    return np.insert(events, np.searchsorted(events["time"], times, "right"), marks)
