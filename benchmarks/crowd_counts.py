"""What recorded windows tell of a crowd without a search, and the facts that a search aims at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lobarena.benchmarks.crowd_facts import edges_of, facts_of
from lobarena.benchmarks.stylised import by_volatility, measure
from lobarena.data.contracts import Contract
from lobarena.sim.hawkes.fit import FitError

_LEAST_WINDOWS = 6
TERCILES = ("calm", "normal", "wild")
BY_TERCILE = {
    "lots at a best price": "depth",
    "lots a minute": "lots",
    "volatility over 1 s": "volatility_1s",
    "volatility over 60 s": "volatility_60s",
}  # name of the fact: field of Measures
AIMS = {  # fact: (how far off counts as one, whether in the log)
    "spread, mean, ticks": (0.04, True),
    "spread, sd, ticks": (0.15, True),
    "spread of one tick, share of time": (0.04, False),
    "lots at a best price, mean": (0.08, True),
    "lots at a best price, sd / mean": (0.1, True),
    "lots at a best price, 10 % quantile": (0.2, True),
    "lots at a best price, median": (0.12, True),
    "lots at a best price, 90 % quantile": (0.12, True),
    "lots at both best prices, correlation over 10 s": (0.08, False),
    "lots a minute": (0.07, True),
    "half seconds without a trade, share": (0.03, False),
    "quiet runs, mean, half seconds": (0.1, True),
    "lots of a half second with trades, median": (0.12, True),
    "lots of a half second with trades, 90 % quantile": (0.12, True),
    "lots of a half second with trades, 99 % quantile": (0.2, True),
    "log volume, autocorrelation, 0.5 s": (0.05, False),
    "log volume, autocorrelation, 5 s": (0.05, False),
    "log volume, autocorrelation, 30 s": (0.06, False),
    "order signs, autocorrelation, 0.5 s": (0.05, False),
    "order signs, autocorrelation, 1 s": (0.05, False),
    "order signs, autocorrelation, 5 s": (0.05, False),
    "volatility over 1 s, ticks / root s": (0.06, True),
    "volatility over 5 s, ticks / root s": (0.06, True),
    "volatility over 10 s, ticks / root s": (0.08, True),
    "volatility over 30 s, ticks / root s": (0.1, True),
    "volatility over 60 s, ticks / root s": (0.12, True),
    "moves of 1 s, autocorrelation": (0.06, False),
    "moves of 5 s, autocorrelation": (0.06, False),
    "moves of 1 s, kurtosis": (0.5, True),
    "moves of 5 s, kurtosis": (0.5, True),
    "moves of 60 s, kurtosis": (0.5, True),
    "imbalance and the next 1 s, correlation": (0.05, False),
    "imbalance and the next 5 s, correlation": (0.05, False),
    "impact after 5 s of small half seconds, ticks": (0.15, True),
    "impact after 5 s of middle half seconds, ticks": (0.15, True),
    "impact after 5 s of large half seconds, ticks": (0.15, True),
    # of windows in terciles of volatility
    **{f"{name}, {part}": (0.12, True) for name in BY_TERCILE for part in TERCILES},
}


@dataclass(frozen=True, slots=True)
class Counted:
    """What recorded windows tell without a search."""

    code: str
    source: str
    level: int  # ticks
    usual: float  # ticks, median spread
    depth: float  # lots at a best price
    lots: float  # a second
    half: float  # lots of a half second with trades, median
    volatility_1s: float
    volatility_60s: float
    regimes: dict[str, Any]
    aims: dict[str, float]
    edges: tuple[int, int]


def counted(windows: Sequence[np.ndarray], contract: Contract, source: str) -> Counted:
    """The numbers of some training windows; FitError when there are too few for three regimes."""
    if len(windows) < _LEAST_WINDOWS:
        raise FitError(
            f"{contract.symbol}: {len(windows)} windows of five minutes without a hole, at least {_LEAST_WINDOWS} are "
            "needed to tell calm from wild; give longer or more days"
        )
    whole = measure(windows)
    if not whole.lots:
        raise FitError(f"{contract.symbol}: nothing trades in its record; a crowd is fitted to days with volume")
    edges = edges_of(windows)
    told = aimed_at(windows, edges)
    spread = np.concatenate([rows["ask"][:, 0] - rows["bid"][:, 0] for rows in windows])
    return Counted(
        code=contract.code,
        source=source,
        level=round(float(np.mean([rows["bid"][:, 0].mean() for rows in windows]))),
        usual=float(max(1.0, np.median(spread))),
        depth=whole.depth,
        lots=whole.lots / 60,
        half=float(edges[0]),
        volatility_1s=max(whole.volatility_1s, 1e-3),
        volatility_60s=max(whole.volatility_60s, 1e-3),
        regimes=_regimes(windows),
        aims={name: value for name, value in told.items() if np.isfinite(value)},
        edges=edges,
    )


def aimed_at(windows: Sequence[np.ndarray], edges: tuple[int, int]) -> dict[str, float]:
    """What AIMS names, of some windows; edges as of `facts_of`. A tercile without a window is left out."""
    told = {name: float(value[0]) for name, value in facts_of(windows, edges).told().items() if name in AIMS}
    for part, rows in zip(TERCILES, by_volatility(windows), strict=True):
        if rows:
            measures = measure(rows)
            told |= {f"{name}, {part}": getattr(measures, field) for name, field in BY_TERCILE.items()}
    return told


def _regimes(windows: Sequence[np.ndarray]) -> dict[str, Any]:
    """Terciles of volatility: their factors, and how one follows the other (half a transition added to each)."""
    parts = by_volatility(windows)
    whole, three = measure(windows), [measure(part) for part in parts]
    pace = [float(np.clip(part.lots / whole.lots, 0.2, 5)) for part in three]
    # volatility goes with the root of the pace anyway
    volatility = [
        float(np.clip(part.volatility_60s / whole.volatility_60s / np.sqrt(p), 0.3, 4))
        for part, p in zip(three, pace, strict=True)
    ]
    place = {id(rows): k for k, part in enumerate(parts) for rows in part}
    turns = [place[id(rows)] for rows in windows]
    counts = np.full((3, 3), 0.5)
    for before, after, first, second in zip(turns[:-1], turns[1:], windows[:-1], windows[1:], strict=True):
        if second["time"][0] - first["time"][0] < 301 * 10**9:
            counts[before, after] += 1
    leave = 1 - counts.diagonal() / counts.sum(axis=1)
    others = counts * (1 - np.eye(3))
    return {
        "pace": tuple(pace),
        "volatility": tuple(volatility),
        "depth": tuple(float(np.clip(part.depth / whole.depth, 0.3, 3)) for part in three),
        "minutes": tuple((5 / leave).tolist()),
        "to": tuple(tuple(row) for row in (others / others.sum(axis=1, keepdims=True)).tolist()),
    }
