"""What a market looks like in numbers: spread, depth, volume and volatility over windows of its snapshots.

A window is (n,) SNAPSHOT rows on a grid of half seconds, both sides there; measures pool over windows, never across.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lobarena.data.schema import TRADING

STEP_NS = 500_000_000
A_SECOND = 2  # steps
WINDOW_NS = 300 * 10**9  # over which the volatility of recorded days is judged
_EDGE_NS, _HOLE_NS = 15 * 10**9, 30 * 10**9  # silence at a window's ends, and inside it, that spoils the window


@dataclass(frozen=True, slots=True)
class Measures:
    """The stylised facts of some windows."""

    spread: float  # ticks, mean
    one_tick: float  # share of time with a spread of one tick
    depth: float  # lots at a best price, mean of both sides
    lots: float  # a minute
    volatility_1s: float  # ticks per square root of a second, from moves of the mid over 1 s
    volatility_60s: float  # likewise, over 60 s
    quiet: float  # share of half seconds without a trade


def measure(windows: Sequence[np.ndarray]) -> Measures:
    """The measures of windows of at least a minute; ValueError when there is none."""
    if not windows:
        raise ValueError("no window to measure; give a longer recording")
    spread = np.concatenate([rows["ask"][:, 0] - rows["bid"][:, 0] for rows in windows])
    size = np.concatenate([rows["ask_size"][:, 0] + rows["bid_size"][:, 0] for rows in windows])
    traded = np.concatenate([np.diff(rows["volume"]) for rows in windows])
    return Measures(
        spread=float(spread.mean()),
        one_tick=float((spread == 1).mean()),
        depth=float(size.mean() / 2),
        lots=float(traded.mean() * 60 * A_SECOND),
        volatility_1s=_volatility(windows, 1),
        volatility_60s=_volatility(windows, 60),
        quiet=float((traded == 0).mean()),
    )


def _volatility(windows: Sequence[np.ndarray], seconds: int) -> float:
    """Root mean square move of the mid over so many seconds, overlapping, per square root of a second."""
    moves = np.concatenate([_moves(rows, seconds * A_SECOND) for rows in windows])
    return float(np.sqrt(np.mean(moves**2) / seconds))


def _moves(rows: np.ndarray, steps: int) -> np.ndarray:
    mid: np.ndarray = (rows["bid"][:, 0].astype(np.float64) + rows["ask"][:, 0]) / 2
    moves: np.ndarray = mid[steps:] - mid[:-steps]
    return moves


def windows_of(shots: np.ndarray) -> list[np.ndarray]:
    """The windows of five minutes of a recorded day, (n,) SNAPSHOT, that it covers without a hole."""
    rows = shots[(shots["kind"] == TRADING) & (shots["bid_size"][:, 0] > 0) & (shots["ask_size"][:, 0] > 0)]
    time = rows["time"]
    found = []
    for start in range(int(time[0]) // WINDOW_NS * WINDOW_NS, int(time[-1]), WINDOW_NS):
        first, last = np.searchsorted(time, [start, start + WINDOW_NS])
        inside = time[first:last]
        if len(inside) < 2 or inside[0] > start + _EDGE_NS or inside[-1] < start + WINDOW_NS - _EDGE_NS:
            continue
        if np.diff(inside).max() <= _HOLE_NS:
            grid = np.arange(inside[0], start + WINDOW_NS, STEP_NS)
            found.append(rows[np.searchsorted(time, grid, "right") - 1])
    return found


def by_volatility(windows: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Windows in three equal parts, calm, normal and wild, by their volatility over 10 s."""
    values = np.array([_volatility([rows], 10) for rows in windows])
    part = np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values)
    return [[rows for rows, mine in zip(windows, part, strict=True) if mine == regime] for regime in range(3)]
