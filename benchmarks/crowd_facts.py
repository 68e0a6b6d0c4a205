"""The stylised facts of recorded and made-up days, from best quotes and volume every half second, alike for both.

Sums are kept by window of five minutes (`stylised.windows_of`), so that a fact of any choice of windows, and of a
thousand draws of them, is arithmetic of sums: the block bootstrap of Künsch (1989) with blocks of a window.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lobarena.benchmarks.stylised import A_SECOND

SECONDS = (1, 5, 10, 30, 60)  # of the volatility signature
LAGS = (1, 2, 10, 60)  # half seconds, of order signs and volume
MOST = 8_192  # lots at which counted distributions end
BUCKETS = (("small", 0.0, 0.5), ("middle", 0.5, 0.9), ("large", 0.9, 1.0))  # quantiles of half seconds' volume
RATIO, DIFFERENCE = "ratio", "difference"


@dataclass(frozen=True, slots=True)
class Facts:
    """Sums by window, (w, k) each, and what is told of them."""

    sums: dict[str, np.ndarray]

    @property
    def windows(self) -> int:
        """How many."""
        return len(next(iter(self.sums.values())))

    def told(self, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Each fact, (n,), of n choices of windows; weights (n, w) count each window, all once if not given."""
        w = np.ones((1, self.windows)) if weights is None else weights
        pooled = {name: w @ sums for name, sums in self.sums.items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            return {name: fact(pooled) for name, fact in FACTS.items() if PASSIVE.get(name, "spread") in pooled}


Pooled = dict[str, np.ndarray]


def facts_of(windows: Sequence[np.ndarray], edges: tuple[int, int] | None = None) -> Facts:
    """The sums of some windows, each (n,) SNAPSHOT on a grid of half seconds; ValueError without any.

    edges : lots that part small, middle and large half seconds; from these windows themselves if not given
    """
    if not windows:
        raise ValueError("no window of five minutes without a hole; give a longer recording")
    edges = edges or edges_of(windows)
    rows = [_sums(window, edges) for window in windows]
    return Facts({name: np.stack([row[name] for row in rows]) for name in rows[0]})


def edges_of(windows: Sequence[np.ndarray]) -> tuple[int, int]:
    """Lots traded in a half second: the median and the upper decile of those with trades."""
    lots = np.concatenate([np.diff(window["volume"]) for window in windows])
    traded = lots[lots > 0]
    return (int(np.quantile(traded, 0.5)), int(np.quantile(traded, 0.9))) if len(traded) else (1, 2)


def _sums(rows: np.ndarray, edges: tuple[int, int]) -> dict[str, np.ndarray]:
    bid, ask = rows["bid"][:, 0].astype(np.float64), rows["ask"][:, 0].astype(np.float64)
    bids, asks = rows["bid_size"][:, 0].astype(np.float64), rows["ask_size"][:, 0].astype(np.float64)
    mid, spread, lots = (bid + ask) / 2, ask - bid, np.diff(rows["volume"]).astype(np.float64)
    sign = np.sign(rows["last"][1:] - mid[:-1]) * (lots > 0)
    depth = np.concatenate([bids, asks])
    found = {
        "spread": _moments(spread),
        "one": np.array([np.count_nonzero(spread == 1), len(spread)], np.float64),
        "depth": _moments(depth),
        "depths": np.bincount(np.minimum(depth.astype(np.int64), MOST - 1), minlength=MOST).astype(np.float64),
        "lots": _moments(lots),
        "volumes": np.bincount(np.minimum(lots[lots > 0].astype(np.int64), MOST - 1), minlength=MOST).astype(
            np.float64
        ),
        "quiet": np.array([np.count_nonzero(lots == 0), len(lots)], np.float64),
        "runs": _runs(lots == 0),
        "depth10": _pairs(_shifted(bids + asks, 10 * A_SECOND)),
    }
    for seconds in SECONDS:
        move = mid[seconds * A_SECOND :] - mid[: -seconds * A_SECOND]
        found[f"move{seconds}"] = np.array([len(move), (move**2).sum() / seconds, (move**2).sum(), (move**4).sum()])
    second = np.diff(mid[::A_SECOND])
    five = np.diff(mid[:: 5 * A_SECOND])
    found["return1"], found["return5"] = _pairs(_shifted(second, 1)), _pairs(_shifted(five, 1))
    for lag in LAGS:
        there = (sign[:-lag] != 0) & (sign[lag:] != 0)
        found[f"sign{lag}"] = _pairs((sign[:-lag][there], sign[lag:][there]))
        found[f"volume{lag}"] = _pairs(_shifted(np.log1p(lots), lag))
    imbalance = (bids - asks) / (bids + asks)
    for seconds in (1, 5):
        step = seconds * A_SECOND
        found[f"told{seconds}"] = _pairs((imbalance[:-step], mid[step:] - mid[:-step]))
    ahead = 5 * A_SECOND
    after = sign[: len(mid) - 1 - ahead] * (mid[1 + ahead :] - mid[: -1 - ahead])
    size = lots[: len(after)]
    for (name, _, _), low, high in zip(BUCKETS, (0, edges[0], edges[1]), (edges[0], edges[1], np.inf), strict=True):
        there = (size > low) & (size <= high) & (sign[: len(after)] != 0)
        found[f"impact {name}"] = np.array([after[there].sum(), np.count_nonzero(there)], np.float64)
    return found


def _moments(x: np.ndarray) -> np.ndarray:
    return np.array([len(x), x.sum(), (x**2).sum()])


def _shifted(x: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    return x[:-lag], x[lag:]


def _pairs(pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    x, y = pair
    return np.array([len(x), x.sum(), y.sum(), (x * y).sum(), (x * x).sum(), (y * y).sum()], np.float64)


def _runs(quiet: np.ndarray) -> np.ndarray:
    """Quiet half seconds, and runs of them."""
    return np.array([quiet.sum(), quiet[0] + np.count_nonzero(quiet[1:] & ~quiet[:-1])], np.float64)


def _mean(name: str) -> Callable[[Pooled], np.ndarray]:
    return lambda p: p[name][:, 1] / p[name][:, 0]


def _sd(name: str) -> Callable[[Pooled], np.ndarray]:
    return lambda p: np.sqrt(np.maximum(p[name][:, 2] / p[name][:, 0] - (p[name][:, 1] / p[name][:, 0]) ** 2, 0))


def _share(name: str) -> Callable[[Pooled], np.ndarray]:
    return lambda p: p[name][:, 0] / p[name][:, 1]


def _correlation(name: str) -> Callable[[Pooled], np.ndarray]:
    def fact(p: Pooled) -> np.ndarray:
        n, x, y, xy, xx, yy = p[name].T
        return np.asarray((xy / n - x * y / n**2) / np.sqrt((xx / n - (x / n) ** 2) * (yy / n - (y / n) ** 2)))

    return fact


def _quantile(name: str, share: float) -> Callable[[Pooled], np.ndarray]:
    """Of a counted distribution, linear inside its whole number."""

    def fact(p: Pooled) -> np.ndarray:
        counts = p[name]
        total = counts.cumsum(axis=1)
        wanted = share * total[:, -1]
        at = (total < wanted[:, None]).sum(axis=1).clip(max=MOST - 1)
        row = np.arange(len(at))
        inside = (wanted - (total[row, at] - counts[row, at])) / np.maximum(counts[row, at], 1e-9)
        return np.asarray(at - 0.5 + inside.clip(0, 1))

    return fact


def _volatility(seconds: int) -> Callable[[Pooled], np.ndarray]:
    return lambda p: np.sqrt(p[f"move{seconds}"][:, 1] / p[f"move{seconds}"][:, 0])


def _kurtosis(seconds: int) -> Callable[[Pooled], np.ndarray]:
    return lambda p: p[f"move{seconds}"][:, 3] * p[f"move{seconds}"][:, 0] / p[f"move{seconds}"][:, 2] ** 2


FACTS: dict[str, Callable[[Pooled], np.ndarray]] = {
    "spread, mean, ticks": _mean("spread"),
    "spread, sd, ticks": _sd("spread"),
    "spread of one tick, share of time": _share("one"),
    "lots at a best price, mean": _mean("depth"),
    "lots at a best price, sd / mean": lambda p: _sd("depth")(p) / _mean("depth")(p),
    "lots at a best price, 10 % quantile": _quantile("depths", 0.1),
    "lots at a best price, median": _quantile("depths", 0.5),
    "lots at a best price, 90 % quantile": _quantile("depths", 0.9),
    "lots at both best prices, correlation over 10 s": _correlation("depth10"),
    "lots a minute": lambda p: 60 * A_SECOND * _mean("lots")(p),
    "half seconds without a trade, share": _share("quiet"),
    "quiet runs, mean, half seconds": _share("runs"),
    "lots of a half second with trades, median": _quantile("volumes", 0.5),
    "lots of a half second with trades, 90 % quantile": _quantile("volumes", 0.9),
    "lots of a half second with trades, 99 % quantile": _quantile("volumes", 0.99),
    **{f"log volume, autocorrelation, {lag / A_SECOND:g} s": _correlation(f"volume{lag}") for lag in LAGS},
    **{f"order signs, autocorrelation, {lag / A_SECOND:g} s": _correlation(f"sign{lag}") for lag in LAGS},
    **{f"volatility over {seconds} s, ticks / root s": _volatility(seconds) for seconds in SECONDS},
    "moves of 1 s, autocorrelation": _correlation("return1"),
    "moves of 5 s, autocorrelation": _correlation("return5"),
    **{f"moves of {seconds} s, kurtosis": _kurtosis(seconds) for seconds in (1, 5, 60)},
    **{f"imbalance and the next {seconds} s, correlation": _correlation(f"told{seconds}") for seconds in (1, 5)},
    **{f"impact after 5 s of {name} half seconds, ticks": _share(f"impact {name}") for name, _, _ in BUCKETS},
}

PASSIVE = {  # by the sums of crowd_passive, where they were added
    "passive lot at the best price filled in 10 s": "filled 0",
    "likewise, behind a short queue": "filled short",
    "likewise, behind a long queue": "filled long",
    "passive lot one tick behind filled in 10 s": "filled 1",
    "passive lot two ticks behind filled in 10 s": "filled 2",
}
FACTS |= {name: _share(sums) for name, sums in PASSIVE.items()}
