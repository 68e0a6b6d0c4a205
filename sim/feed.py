"""A recorded day made ready to run: its events, the book they need, and when it trades.

Made once a day and never changed by a run, so every agent, seat and process shares the same market.
"""

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from lobarena.data.contracts import Contract
from lobarena.data.recording import EventRecording, Recording
from lobarena.data.schema import AUCTION, BREAK, CLOSED, CONTINUOUS, EVENT, PHASE, SETTLEMENT
from lobarena.data.sessions import session_times, weekday_before
from lobarena.sim.hawkes.traits import TRAITS
from lobarena.sim.infer import Unexplained, infer
from lobarena.sim.random import stream
from lobarena.sim.types import LARGE, SMALL

GRACE_NS = 60 * 10**9  # a snapshot stamped so long after a session's end may still carry trades of the session
CALL_NS = 240 * 10**9  # orders are collected for four minutes before the opening auction matches
MARGIN_TICKS = 64  # room beyond the day's extreme prices when no price limit is recorded


@dataclass(frozen=True, eq=False)
class Feed:
    """One trading day of one contract as events."""

    contract: Contract
    day: date
    events: np.ndarray  # (m,) EVENT in time order
    snapshots: np.ndarray  # (n,) SNAPSHOT that MARK events name; empty for an order feed
    base: int  # ticks of the book's level 0
    size: tuple[int, int]  # levels, order slots
    lower: int  # ticks, lowest legal price
    upper: int  # ticks, highest legal price
    sessions: np.ndarray  # (k, 2) i8 ns UTC, continuous trading
    orders: int = 0  # order numbers of the record; 0 when it knows levels only
    live: bool = False  # whether the book is true at any time, not only when it is published
    unexplained: Unexplained = field(default_factory=lambda: Unexplained(0, 0, 0, 0))
    digest: str = ""  # of the recorded rows
    traits: np.ndarray = field(default_factory=lambda: np.zeros(0, TRAITS))  # (1,) of a living crowd, else (0,)


def feed_of(recording: Recording | EventRecording, seed: int = 0, publish_ms: int = 500, digest: str = "") -> Feed:
    """The feed of any recorded day; `publish_ms` is how often the venue of a record of events publishes its book."""
    if isinstance(recording, Recording):
        return snapshot_feed(recording, seed, digest)
    from lobarena.sim.event_feed import event_feed

    return event_feed(recording, seed, publish_ms, digest)


def snapshot_feed(recording: Recording, seed: int = 0, digest: str = "") -> Feed:
    """The events between a day's snapshots; `seed` lays their times inside each half second.

    ValueError when the day has no rows or its prices span more than the largest book holds.
    """
    shots = recording.snapshots
    if len(shots) == 0:
        raise ValueError(
            f"{recording.symbol} {recording.trading_day} has no usable rows; `lobarena data check` says why"
        )
    contract, day = recording.contract, recording.trading_day
    sessions = _sessions(contract, day, shots)
    low, high = _prices(shots)
    lower, upper = _limits(contract, shots, low)
    base = max(0, min(low, lower) - MARGIN_TICKS)
    size = _size(max(high, upper) + MARGIN_TICKS - base, f"{recording.symbol} {day}")
    events, unexplained = infer(
        shots, _since(shots, sessions), base, size[0], stream(seed, "crowd", recording.symbol, day)
    )
    events = with_phases(events, sessions)
    return Feed(
        contract, day, events, shots, base, size, lower, upper, sessions, unexplained=unexplained, digest=digest
    )


def _size(ticks: int, what: str) -> tuple[int, int]:
    for size in (SMALL, LARGE):
        if ticks <= size[0]:
            return size
    raise ValueError(f"{what}: prices span {ticks:,} ticks, the largest book holds {LARGE[0]:,}; check the tick size")


def _prices(shots: np.ndarray) -> tuple[int, int]:
    """Lowest and highest price, ticks, that any row names."""
    seen = [shots[side][shots[f"{side}_size"] > 0] for side in ("bid", "ask")]
    named = np.concatenate([*seen, shots["last"][shots["last"] > 0]])
    if len(named) == 0:
        raise ValueError("no row of the day has a price; there is nothing to replay")
    return int(named.min()), int(named.max())


def _limits(contract: Contract, shots: np.ndarray, lowest: int) -> tuple[int, int]:
    """Price limits of the day: as first recorded, else from the contract. Never from prices that come later.

    The previous settlement is not recorded; the first price may lie at one limit, so the other may be two away.
    """
    recorded = shots[(shots["lower"] > 0) & (shots["upper"] > shots["lower"])]
    if len(recorded):
        return int(recorded["lower"][0]), int(recorded["upper"][0])
    for row in shots[:1_000]:
        for name, there in (
            ("last", row["last"] > 0),
            ("bid", row["bid_size"][0] > 0),
            ("ask", row["ask_size"][0] > 0),
        ):
            if there:
                first = int(row[name] if name == "last" else row[name][0])
                reach = int(2 * first * contract.daily_limit)
                return max(1, first - reach), first + reach
    return 1, 2 * lowest


def _sessions(contract: Contract, day: date, shots: np.ndarray) -> np.ndarray:
    """The day's sessions; each end is moved to the last snapshot that still reports of it."""
    sessions = session_times(contract, day, weekday_before(day)).copy()
    if len(sessions) == 0:
        raise ValueError(f"{contract.symbol} has no session on {day}; give its hours in a contract file")
    times = shots["time"]
    trading = shots["kind"] != SETTLEMENT
    for k, (_, end) in enumerate(sessions):
        late = times[(times >= end) & (times < end + GRACE_NS) & trading]
        if len(late):
            sessions[k, 1] = int(late.max()) + 1
    return sessions


def _since(shots: np.ndarray, sessions: np.ndarray) -> np.ndarray:
    """(n,) i8: from when on each row's events may have happened: the row before, or its session's opening."""
    times = shots["time"]
    since = np.concatenate([times[:1], times[:-1]])
    where = np.searchsorted(sessions[:, 0], times, "right") - 1
    opened = np.where(where >= 0, sessions[np.maximum(where, 0), 0], 0)
    inside = (where >= 0) & (times < sessions[np.maximum(where, 0), 1])
    since = np.where(inside, np.maximum(since, opened), times)
    auction = shots["kind"] == AUCTION
    before = np.concatenate([[0], times[:-1]])
    since[auction] = np.maximum(before[auction], times[auction] - CALL_NS)
    return since.astype(np.int64)


def with_phases(events: np.ndarray, sessions: np.ndarray) -> np.ndarray:
    """Add the sessions' openings (before what happens then) and ends (after it)."""
    marks = np.zeros(2 * len(sessions), EVENT)
    marks["kind"], marks["ref"] = PHASE, -1
    marks["time"] = sessions.reshape(-1)
    marks["side"][0::2], marks["side"][1::2] = CONTINUOUS, BREAK
    marks["side"][-1] = CLOSED
    places = np.searchsorted(events["time"], marks["time"], "left")
    return np.insert(events, places, marks)
