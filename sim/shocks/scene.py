"""A window of a recorded day that shocks are painted on, and the market that comes of it.

A shock changes nothing that is published at or before its start: it begins at the first publication at or after the
moment asked for, and what happens later is inferred from the changed rows with the same draws (`sim/infer.py`).
Prices are ticks, sizes lots, times ns UTC. How shocks are painted is our formulation.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from lobarena.data.recording import Quarantine, Recording
from lobarena.data.schema import ASK, AUCTION, BID, BOTH, EVENT, SETTLEMENT, SNAPSHOT, UNKNOWN
from lobarena.sim.feed import Feed, snapshot_feed
from lobarena.sim.line import Fault
from lobarena.sim.random import generator
from lobarena.sim.types import NONE

SECOND = 1_000_000_000  # ns
LEAST_ROWS = 2


@dataclass(frozen=True, slots=True)
class Patch:
    """A rule of the venue, or of every seat, that is another for a while: factor x usual value + added."""

    start: int  # ns UTC
    end: int
    name: str  # field of the venue's record, or of its seats'
    factor: float = 1.0
    added: float = 0.0
    seats: bool = False


@dataclass(frozen=True, slots=True)
class Large:
    """A large position of the episode's own, with the capital that carries it so far and no further."""

    start: int  # ns UTC, it is there from then on
    end: int  # ns UTC, what is left of it goes to the crowd at the mid
    lots: int  # below 0 sold
    pace: int  # lots that the venue closes at a publication
    bears: float  # ticks against it at which its equity no longer covers its margin
    impact: float  # ticks that the market moves for each lot of it that the crowd takes


@dataclass(frozen=True, slots=True)
class Mood:
    """How a living crowd's makers quote for a while: smaller, or further from the price that they expect."""

    start: int  # ns UTC
    end: int
    back: int = 0  # ns in which sizes come back, in a straight line
    side: int = BOTH
    factor: float = 1.0  # on the size of limit orders
    shy: float = 0.0  # ticks


@dataclass
class Scene:
    """The rows of a window with what each interval traded, and what else the shocks ask for.

    Where the day is `living`, the rows are those of its crowd left alone, and shocks are played by `living.py`.
    """

    recording: Recording
    opens: int  # ns UTC, the seats come in
    closes: int  # ns UTC, the seats go out
    seed: int
    lower: int  # ticks, legal prices of the day
    upper: int
    rows: np.ndarray  # (n,) SNAPSHOT, in order of time
    lots: np.ndarray  # (n,) i8 traded since the row before
    value: np.ndarray  # (n,) i8 tick x lot of them; meaningless unless `valued`
    valued: bool
    usual: int  # lots that a side shows at the median
    events: list[np.ndarray] = field(default_factory=list)  # (k,) EVENT beyond the record
    patches: list[Patch] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    large: list[Large] = field(default_factory=list)
    halts: list[tuple[int, int]] = field(default_factory=list)  # ns UTC in which nothing may trade
    spans: list[tuple[int, int]] = field(default_factory=list)  # ns UTC of every shock
    messages: int = 0  # crowd messages beyond the record
    living: Feed | None = None  # the day, where a crowd answers
    moves: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)  # start, times (k,), ticks (k,)
    moods: list[Mood] = field(default_factory=list)
    auctions: list[tuple[int, int, int]] = field(default_factory=list)  # of those that reopen a halt, its ns UTC, lots
    # orders of a living market that are taken back: ns UTC from and to, side, price, lots
    feints: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    late: list[Callable[["Scene"], None]] = field(default_factory=list)  # done when all rows are painted

    def begin(self, at_s: float) -> int:
        """The first publication at or after so many seconds from the opening, or the window's last: ns UTC."""
        times = self.rows["time"]
        return int(times[min(int(np.searchsorted(times, self.opens + round(at_s * SECOND))), len(times) - 1)])

    def after(self, start: int, end: int) -> np.ndarray:
        """Numbers of the rows with start < time <= end."""
        return np.flatnonzero((self.rows["time"] > start) & (self.rows["time"] <= end))

    def at(self, time: int) -> int:
        """Number of the last row at or before a time."""
        return max(0, int(np.searchsorted(self.rows["time"], time, "right")) - 1)

    def mid(self, time: int) -> float:
        """Ticks, as last published at `time`, in a one-sided book the price that there is."""
        for row in self.rows[: self.at(time) + 1][::-1]:
            there = [float(row[side][0]) for side in ("bid", "ask") if row[f"{side}_size"][0]]
            if there:
                return sum(there) / len(there)
        return (self.lower + self.upper) / 2

    def draws(self, *purpose: str | int) -> np.random.Generator:
        """A stream of random numbers for one use by one shock."""
        return generator(self.seed, "shock", self.recording.symbol, self.recording.trading_day, *purpose)

    def displace(self, rows: np.ndarray, ticks: np.ndarray) -> None:
        """Move everything that these rows (k,) say of prices by so many ticks (k,)."""
        shots, by = self.rows, ticks.astype(np.int64)
        if len(rows):
            self.moves.append((int(shots["time"][max(0, rows[0] - 1)]), shots["time"][rows].copy(), by))
        for side in ("bid", "ask"):
            there = shots[side][rows] > 0
            shots[side][rows] = np.where(there, np.maximum(1, shots[side][rows] + by[:, None]), 0)
        traded = shots["last"][rows] > 0
        shots["last"][rows] = np.where(traded, np.maximum(1, shots["last"][rows] + by), 0)
        self.value[rows] += by * self.lots[rows]

    def insert(self, shots: np.ndarray, lots: int = 0, value: int = 0) -> None:
        """Put rows (k,) SNAPSHOT in their places by time; all of `lots` and `value` trade before the first of them."""
        places = np.searchsorted(self.rows["time"], shots["time"], "right")
        traded = np.zeros((2, len(shots)), np.int64)
        traded[:, 0] = lots, value
        self.rows = np.insert(self.rows, places, shots)
        self.lots, self.value = np.insert(self.lots, places, traded[0]), np.insert(self.value, places, traded[1])

    def add(self, rows: Iterable[tuple[int, int, int, int, int, float]]) -> None:
        """Events beyond the record: (time, kind, side, price, size, u) each."""
        made = np.array([(t, NONE, p, n, u, k, s) for t, k, s, p, n, u in rows], EVENT)
        self.events.append(made)
        self.messages += len(made)


def scene_of(recording: Recording, opens: int, closes: int, seed: int = 0) -> Scene:
    """The window [opens, closes] (ns UTC) of a day; ValueError when hardly anything of it is recorded.

    The daily limits are as recorded, else the contract's distance from the day's first price. `seed` is the market's.
    """
    shots = recording.snapshots
    lower, upper = _limits(recording)
    inside = (shots["time"] >= opens - 5 * SECOND) & (shots["time"] <= closes + 5 * SECOND)
    rows = shots[inside & (shots["kind"] != SETTLEMENT)].copy()
    if len(rows) < LEAST_ROWS:
        raise ValueError(f"{recording.symbol} {recording.trading_day} has no rows in the window; choose another one")
    rows["lower"], rows["upper"] = lower, upper
    valued = bool((rows["turnover"] != UNKNOWN).all())
    lots = np.diff(rows["volume"], prepend=rows["volume"][:1])
    value = np.diff(rows["turnover"], prepend=rows["turnover"][:1]) if valued else rows["last"] * lots
    usual = int(np.median(np.concatenate([rows["bid_size"].sum(1), rows["ask_size"].sum(1)])))
    scene = Scene(recording, opens, closes, seed, lower, upper, rows, lots, value, valued, max(1, usual))
    return scene


def feed_of_scene(scene: Scene) -> Feed:
    """The painted window as a market: legal prices, whole ladders, volume and turnover that add up."""
    scene = replace(scene, rows=scene.rows.copy(), events=list(scene.events))
    _within_limits(scene)
    _orderly(scene)
    for paint in scene.late:
        paint(scene)
    rows = scene.rows
    rows["volume"] = np.cumsum(scene.lots)
    rows["turnover"] = np.cumsum(scene.value) if scene.valued else UNKNOWN
    rows["row"] = np.arange(1, len(rows) + 1)
    nothing = Quarantine(np.zeros(0, SNAPSHOT))
    painted = replace(scene.recording, snapshots=rows, quarantine=nothing, findings=[], rows_in=len(rows))
    feed = snapshot_feed(painted, scene.seed)
    events = feed.events
    for extra in scene.events:
        extra = extra[np.argsort(extra["time"], kind="stable")]
        events = np.insert(events, np.searchsorted(events["time"], extra["time"], "right"), extra)
    return replace(feed, events=events)


def _limits(recording: Recording) -> tuple[int, int]:
    shots = recording.snapshots
    recorded = np.flatnonzero((shots["lower"] > 0) & (shots["upper"] > shots["lower"]))
    if len(recorded):
        return int(shots["lower"][recorded[0]]), int(shots["upper"][recorded[0]])
    named = [shots[side][shots[f"{side}_size"] > 0] for side in ("bid", "ask")]
    prices = np.concatenate([*named, shots["last"][shots["last"] > 0]])
    first = int(shots["last"][shots["last"] > 0][0]) if (shots["last"] > 0).any() else int(prices[0])
    reach = int(first * recording.contract.daily_limit)
    return max(1, min(first - reach, int(prices.min()))), max(first + reach, int(prices.max()))


def _within_limits(scene: Scene) -> None:
    """Nothing is quoted or traded beyond the daily limits: what was pushed there stands, one-sided, at the limit."""
    rows, lower, upper = scene.rows, scene.lower, scene.upper
    for side, beyond in (("ask", rows["ask"] > upper), ("bid", rows["bid"] < lower)):
        rows[f"{side}_size"][beyond] = 0
        rows[side][beyond] = 0
    for side, limit, step in (("bid", upper, -1), ("ask", lower, 1)):
        price = rows[side]
        locked = ((price > limit) if side == "bid" else (price < limit)) & (rows[f"{side}_size"] > 0)
        moved = np.flatnonzero(locked[:, 0])
        ladder = limit + step * np.arange(price.shape[1])
        there = rows[f"{side}_size"][moved] > 0
        rows[side][moved] = np.where(there, ladder, 0)
    rows["last"] = np.where(rows["last"] > 0, np.clip(rows["last"], lower, upper), 0)
    scene.value = np.clip(scene.value, lower * scene.lots, upper * scene.lots)


def _orderly(scene: Scene) -> None:
    """Levels that are there come first; a book that crosses keeps the side that the last trade is nearer to."""
    rows = scene.rows
    for side in ("bid", "ask"):
        gone = rows[f"{side}_size"] <= 0
        order = np.argsort(gone, axis=1, kind="stable")
        for name in (side, f"{side}_size"):
            rows[name] = np.take_along_axis(np.where(gone, 0, rows[name]), order, axis=1)
    both = (rows["bid_size"][:, 0] > 0) & (rows["ask_size"][:, 0] > 0) & (rows["kind"] != AUCTION)
    if (both & (rows["bid"][:, 0] >= rows["ask"][:, 0])).any():
        raise AssertionError("shocks have crossed the record's own quotes")
    scene.lots = np.maximum(scene.lots, 0)


SIDES = {"buy": BID, "sell": ASK}
