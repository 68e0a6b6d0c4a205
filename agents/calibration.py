"""What quoters may know of a contract beforehand: volatility, and how fill rates fall with distance. Training days only."""

import math
from collections.abc import Sequence

import numpy as np

from lobarena.data.schema import MARK, TAKE, TRADING
from lobarena.sim.feed import Feed

_LEAST = 20  # trades that must reach a distance for it to count in the fit
_DISTANCES = np.arange(1, 41) / 2  # ticks from the mid


def fit(feeds: Sequence[Feed]) -> dict[str, float]:
    """sigma (ticks a root second), A (per s), k (per tick), spread (ticks), volume (lots per s); {} without data.

    A exp(-k d) is the rate of crowd trades, of one side, that reach d ticks from the mid (Avellaneda & Stoikov 2008,
    eq. 12), as a line through log rates weighted by counts. Where too few distances were reached, k falls back to 1
    over the mean distance reached.
    """
    seconds, squares, spreads, lots, rows = 0.0, 0.0, 0.0, 0, 0
    reached = []
    for feed in feeds:
        shots = feed.snapshots[feed.snapshots["kind"] == TRADING]
        both = shots[(shots["bid_size"][:, 0] > 0) & (shots["ask_size"][:, 0] > 0)]
        if len(both) < 2:
            continue
        mids, gaps = (both["bid"][:, 0] + both["ask"][:, 0]) / 2, np.diff(both["time"]) / 1e9
        trading = (gaps > 0) & (gaps < 60)  # neither repeated stamps nor breaks
        seconds += float(gaps[trading].sum())
        squares += float((np.diff(mids)[trading] ** 2).sum())
        spreads += float((both["ask"][:, 0] - both["bid"][:, 0]).sum())
        lots += int(both["volume"][-1] - both["volume"][0])
        rows += len(both)
        reached.append(_distances(feed))
    if seconds <= 0:
        return {}
    k, intensity = _decay(np.concatenate(reached), seconds)
    sigma = math.sqrt(max(squares / seconds, 1e-6))
    return {"sigma": sigma, "A": intensity, "k": k, "spread": spreads / rows, "volume": lots / seconds}


def _distances(feed: Feed) -> np.ndarray:
    """(n,) f8, ticks: how far from the last published mid each crowd trade reached; at most one an interval and side."""
    events, shots = feed.events, feed.snapshots
    marks = np.flatnonzero((events["kind"] == MARK) & (events["ref"] >= 0))
    trades = np.flatnonzero(events["kind"] == TAKE)
    before = np.searchsorted(marks, trades) - 1
    trades, before = trades[before >= 0], before[before >= 0]
    shot = shots[events["ref"][marks[before]]]
    both = (shot["bid_size"][:, 0] > 0) & (shot["ask_size"][:, 0] > 0)
    mid = (shot["bid"][:, 0] + shot["ask"][:, 0]) / 2
    sign = np.where(events["side"][trades] == 0, 1, -1)
    distance = (events["price"][trades] - mid) * sign
    key = (before * 2 + events["side"][trades])[both]
    furthest = np.full(2 * len(marks), -np.inf)
    np.maximum.at(furthest, key, distance[both])
    return furthest[furthest >= 0]


def _decay(reached: np.ndarray, seconds: float) -> tuple[float, float]:
    """(k, A) of rates A exp(-k d), one side."""
    counts = np.array([np.count_nonzero(reached >= distance) for distance in _DISTANCES])
    use = counts >= _LEAST
    rates = np.maximum(counts, 1) / (2 * seconds)
    if np.count_nonzero(use) < 2 or counts[use][0] == counts[use][-1]:
        k = 1 / max(float(reached.mean()), 0.5) if len(reached) else 1.0
        return k, max(len(reached), 1) / (2 * seconds)
    x, y, weight = _DISTANCES[use], np.log(rates[use]), counts[use] / counts[use].sum()
    centre = float((weight * x).sum())
    slope = float((weight * (x - centre) * y).sum() / (weight * (x - centre) ** 2).sum())
    k = max(-slope, 1e-3)
    return k, math.exp(float((weight * y).sum()) + k * centre)
