"""What quoters may know of a contract beforehand, from training days only: volatility and fill rates by distance."""

import math
from collections.abc import Sequence

import numpy as np

from lobarena.agents.windows.looks import looks
from lobarena.data.schema import ASK, BID, MARK, TAKE, TRADE, TRADING
from lobarena.sim.feed import Feed, snapshot_feed
from lobarena.sim.hawkes.record import recorded
from lobarena.sim.minds import PAUSE_S

_LEAST = 20  # intervals in which trades must reach a distance for it to count in the fit
_FURTHEST = 200.0  # ticks from the mid that the fit looks at

_INTERVAL = np.dtype(
    [
        ("seconds", "f8"),  # from one published book to the next
        ("mid", "f8"),  # ticks, of the first
        ("move", "f8"),  # ticks, of the mid
        ("spread", "f8"),  # ticks, of the first
        ("size", "f8"),  # lots, mean of its two best
        ("lots", "i8"),  # traded meanwhile
        ("reach", "f8", (2,)),  # ticks from the first mid that buyers and sellers reached; -inf without a trade
    ]
)


def fit(feeds: Sequence[Feed]) -> dict[str, float]:
    """sigma (ticks a root second), A (per s), k (per tick), spread (ticks), size (lots), volume (lots per s).

    {} without data.

    A exp(-k d) is the rate at which trades of one side reach d ticks from the mid (Avellaneda & Stoikov 2008, eq. 12):
    a line through log rates, weighted by how often each distance was reached. Thin days: where fewer than two distances
    were reached 20 times, or nearer ones no more often, k is 1 over the mean distance reached (at least half a tick; 1
    without trades) and A the rate of trades (at least one). sigma is at least 0.001, k too.
    """
    rows = np.concatenate([np.zeros(0, _INTERVAL), *map(_intervals, feeds)])
    seconds = float(rows["seconds"].sum())
    if seconds <= 0:
        return {}
    k, intensity = _decay(rows, seconds)
    return {
        "sigma": max(math.sqrt(float((rows["move"] ** 2).sum()) / seconds), 1e-3),
        "A": intensity,
        "k": k,
        "spread": float(rows["spread"].mean()),
        "size": float(rows["size"].mean()),
        "volume": float(rows["lots"].sum()) / seconds,
    }


def _intervals(feed: Feed) -> np.ndarray:
    """(n,) _INTERVAL of a day: from each book to the next where both have two sides and no break lies between."""
    if not len(feed.snapshots):
        if not len(feed.traits):
            return _published(feed)
        feed = snapshot_feed(recorded(feed))  # a living crowd: what it does when nobody else is there
    events = feed.events
    marks = np.flatnonzero((events["kind"] == MARK) & (events["ref"] >= 0))
    if len(marks) < 2:
        return np.zeros(0, _INTERVAL)
    shots = feed.snapshots[events["ref"][marks]]
    bid, ask = shots["bid"][:, 0].astype(float), shots["ask"][:, 0].astype(float)
    mid = (bid + ask) / 2
    rows = np.zeros(len(marks) - 1, _INTERVAL)
    rows["seconds"], rows["move"] = np.diff(shots["time"]) / 1e9, np.diff(mid)
    rows["mid"], rows["spread"], rows["lots"] = mid[:-1], (ask - bid)[:-1], np.diff(shots["volume"])
    rows["size"] = ((shots["bid_size"][:, 0] + shots["ask_size"][:, 0]) / 2)[:-1]
    takes = np.flatnonzero(events["kind"] == TAKE)
    _reach(rows, events[takes], np.searchsorted(marks, takes) - 1)
    quoted = (shots["kind"] == TRADING) & (shots["bid_size"][:, 0] > 0) & (shots["ask_size"][:, 0] > 0)
    usable = quoted[:-1] & quoted[1:] & (rows["seconds"] >= 0) & (rows["seconds"] < PAUSE_S)
    return np.compress(usable, rows)


def _published(feed: Feed) -> np.ndarray:
    """The same of a record of events: its market runs with an idle seat, and its publications are the books."""
    events, seen = feed.events, looks(feed)
    if len(seen) < 2:
        return np.zeros(0, _INTERVAL)
    rows = np.zeros(len(seen) - 1, _INTERVAL)
    bid, ask = seen["bid"][:, 0].astype(float), seen["ask"][:, 0].astype(float)
    mid, time = (bid + ask) / 2, seen["published"]
    rows["seconds"], rows["move"] = np.diff(time) / 1e9, np.diff(mid)
    rows["mid"], rows["spread"] = mid[:-1], (ask - bid)[:-1]
    rows["size"] = ((seen["bid_size"][:, 0] + seen["ask_size"][:, 0]) / 2)[:-1]
    trades = events[np.isin(events["kind"], (TAKE, TRADE))]
    place = np.searchsorted(time, trades["time"], "right") - 1
    inside = (place >= 0) & (place < len(rows))
    np.add.at(rows["lots"], place[inside], trades["size"][inside])
    _reach(rows, trades, place)
    quoted = (seen["bid_size"][:, 0] > 0) & (seen["ask_size"][:, 0] > 0)
    usable = quoted[:-1] & quoted[1:] & (rows["seconds"] > 0) & (rows["seconds"] < PAUSE_S)
    return np.compress(usable, rows)


def _reach(rows: np.ndarray, trades: np.ndarray, place: np.ndarray) -> None:
    """How far from the mid of their interval's first book buyers and sellers came; `place` is each trade's interval."""
    rows["reach"] = -np.inf
    inside = (place >= 0) & (place < len(rows))
    for side, away in ((BID, 1), (ASK, -1)):
        one = inside & (trades["side"] == side)
        np.maximum.at(rows["reach"][:, side], place[one], away * (trades["price"][one] - rows["mid"][place[one]]))


def _decay(rows: np.ndarray, seconds: float) -> tuple[float, float]:
    """(k, A) of rates A exp(-k d), one side.

    An interval tells only whether a distance was reached, so with a share p of them the Poisson rate is -ln(1 - p) over
    their mean length. A distance counts only where a whole price lies so far from the mid.
    """
    reached = rows["reach"][rows["reach"] >= 0]
    furthest = min(float(reached.max()), _FURTHEST) if len(reached) else 0.0
    points = []  # distance, log rate, count
    for distance in np.arange(1, 2 * furthest + 1) / 2:
        legal = rows[(rows["mid"] + distance) % 1 == 0]
        count, chances, length = np.count_nonzero(legal["reach"] >= distance), 2 * len(legal), legal["seconds"].sum()
        if _LEAST <= count < chances and length > 0:
            rate = -math.log1p(-count / chances) * len(legal) / length
            points.append((distance, math.log(rate), count))
    if len(points) >= 2:
        x, y, weight = np.array(points).T
        x_mean, y_mean = np.average(x, weights=weight), np.average(y, weights=weight)
        slope = float((weight * (x - x_mean) * (y - y_mean)).sum() / (weight * (x - x_mean) ** 2).sum())
        if slope < 0:
            k = max(-slope, 1e-3)
            return k, math.exp(float(y_mean + k * x_mean))
    k = 1 / max(float(reached.mean()), 0.5) if len(reached) else 1.0
    return max(k, 1e-3), max(len(reached), 1) / (2 * seconds)
