"""A day of events made ready to run: every order of the record, or every change of a level, with seats in the queues.

Nothing is ever put right: a market by order has no snapshots to meet, and a record of level changes meets itself at
each change. The venue publishes on a time grid, and the book is what the events make of it.
"""

import hashlib
from dataclasses import replace

import numpy as np

from lobarena.data.recording import EventRecording
from lobarena.data.schema import DELETE, EVENT, LEVEL, LIMIT, MARK, PHASE, SNAPSHOT, STIR, TRADE
from lobarena.data.sessions import session_times, weekday_before
from lobarena.sim.feed import MARGIN_TICKS, Feed, with_phases
from lobarena.sim.random import stream
from lobarena.sim.types import LARGE, MAX_SEATS, MAX_WORKING, NONE, SMALL

ROOM = MAX_SEATS * MAX_WORKING  # order slots kept for the seats
_PRICED = (LIMIT, LEVEL, TRADE)


def event_feed(recording: EventRecording, seed: int = 0, publish_ms: int = 500, digest: str = "") -> Feed:
    """The feed of a recorded day of events, published every `publish_ms` inside its sessions.

    `seed` draws where in their queues the falls of a level are. ValueError when the interval is not positive, nothing
    is priced, or the prices span more than the largest book holds. Of a record of level changes, levels so far from
    every trade that the largest book does not reach them are left out.
    """
    if publish_ms < 1:
        raise ValueError(f"publish_ms is {publish_ms}; give a whole number of milliseconds, at least 1")
    events = recording.events
    if (events["kind"] == STIR).any():
        from lobarena.sim.hawkes.day import living_feed

        return living_feed(recording, publish_ms, digest)
    if not np.isin(events["kind"], _PRICED).any():
        raise ValueError(f"{recording.symbol} {recording.trading_day} has no order and no level; nothing to replay")
    lower, upper = price_limits(recording)
    if recording.levels:
        lower, upper, events = _within_reach(events, lower, upper)
    base = max(0, lower - MARGIN_TICKS)
    sessions = session_times(recording.contract, recording.trading_day, weekday_before(recording.trading_day))
    if len(sessions) == 0:
        raise ValueError(f"{recording.symbol} has no session on {recording.trading_day}; give its hours in a contract")
    events = _with_draws(events, seed, recording)
    marked = _with_marks(events, sessions, publish_ms * 1_000_000)
    if not (events["kind"] == PHASE).any():
        marked = with_phases(marked, sessions)
    return Feed(
        contract=recording.contract,
        day=recording.trading_day,
        events=marked,
        snapshots=np.zeros(0, SNAPSHOT),
        base=base,
        size=book_size(replace(recording, events=events), base, upper),
        lower=lower,
        upper=upper,
        sessions=sessions,
        orders=recording.orders,
        live=True,
        digest=digest or hashlib.sha256(np.ascontiguousarray(recording.events).data).hexdigest(),
    )


def price_limits(recording: EventRecording) -> tuple[int, int]:
    """Lowest and highest legal price, ticks: as recorded, and what was ordered beyond it."""
    events = recording.events
    priced = events["price"][np.isin(events["kind"], _PRICED) & (events["price"] > 0)]
    low, high = int(priced.min(initial=2**31 - 1)), int(priced.max(initial=0))
    return max(1, min(recording.lower or low, low)), max(recording.upper, high)


def book_size(recording: EventRecording, base: int, upper: int) -> tuple[int, int]:
    """Levels and order slots of a book that holds the day's orders with room for the seats.

    ValueError when the prices span more than the largest book holds.
    """
    events = recording.events
    if recording.levels:  # one crowd order a level, and one more behind each seat's order
        shown = events[np.isin(events["kind"], (LEVEL, TRADE))]
        most = len(np.unique(2 * shown["price"].astype(np.int64) + shown["side"])) + ROOM
    else:  # at most: those that traded away count
        comes, goes = np.isin(events["kind"], (LIMIT, LEVEL)), events["kind"] == DELETE
        most = int(np.cumsum(comes.astype(np.int64) - goes).max(initial=0))
    levels, slots = upper + MARGIN_TICKS - base, most + ROOM
    for size in (SMALL, LARGE):
        if levels <= size[0] and slots <= size[1]:
            return size
    if levels > LARGE[0]:
        raise ValueError(
            f"{recording.symbol} {recording.trading_day}: prices span {upper - base:,} ticks, the largest book holds "
            f"{LARGE[0]:,}; check the prices of the record"
        )
    return LARGE[0], 1 << (slots - 1).bit_length()


def _within_reach(events: np.ndarray, lower: int, upper: int) -> tuple[int, int, np.ndarray]:
    """Limits and events of a record of levels, cut to what the largest book can hold about the prices that traded."""
    room = LARGE[0] - 2 * MARGIN_TICKS
    if upper - lower < room:
        return lower, upper, events
    traded = events["price"][events["kind"] == TRADE]
    about = traded if len(traded) else events["price"][events["kind"] == LEVEL]
    centre = int(np.median(about))
    lower, upper = max(lower, centre - room // 2), min(upper, centre + room // 2)
    near = (events["price"] >= lower) & (events["price"] <= upper)
    return lower, upper, events[near | ~np.isin(events["kind"], _PRICED)]


def _with_draws(events: np.ndarray, seed: int, recording: EventRecording) -> np.ndarray:
    """The events with a uniform draw each: a fall of a level is a cancel somewhere in its queue."""
    events = events.copy()
    rng = np.random.Generator(np.random.PCG64(stream(seed, "crowd", recording.symbol, recording.trading_day)))
    events["u"] = rng.random(len(events), np.float32)
    return events


def _with_marks(events: np.ndarray, sessions: np.ndarray, every: int) -> np.ndarray:
    """The events with a publication each `every` ns inside each session, after what happens at that instant."""
    times = np.concatenate([np.arange(start + every, end, every) for start, end in sessions.tolist()])
    times = times[(times >= events["time"][0]) & (times <= events["time"][-1] + every)]
    marks = np.zeros(len(times), EVENT)
    marks["time"], marks["kind"], marks["ref"] = times, MARK, NONE
    return np.insert(events, np.searchsorted(events["time"], times, "right"), marks)
