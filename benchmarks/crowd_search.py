"""Fit a living crowd to recorded days: what can be counted is counted, the rest is searched by simulated moments.

Recordings of best quotes every half second tell no arrival times, so a likelihood of arrivals has nothing to work on.
The method of simulated moments (McFadden 1989; Duffie & Singleton 1993) asks only that days made by the crowd look
like the recorded ones in the facts below.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from lobarena.benchmarks.crowd_facts import edges_of, facts_of
from lobarena.benchmarks.stylised import by_volatility, measure, windows_of
from lobarena.data.contracts import Contract
from lobarena.sim.hawkes.day import living_day, living_feed
from lobarena.sim.hawkes.fit import Fit, FitError
from lobarena.sim.hawkes.record import recorded
from lobarena.sim.random import generator

TRIAL_DAYS = (date(2024, 1, 3), date(2024, 1, 4))  # of the made-up stretches that a trial is judged by
_LEAST_WINDOWS = 6
POPULATION = 16  # trials of one generation of the search
AIMS = {  # fact: (how far off counts as one, whether in the log)
    "spread, mean, ticks": (0.04, True),
    "spread, sd, ticks": (0.15, True),
    "spread of one tick, share of time": (0.04, False),
    "lots at a best price, mean": (0.08, True),
    "lots at a best price, sd / mean": (0.1, True),
    "lots at a best price, 10 % quantile": (0.2, True),
    "lots at a best price, median": (0.12, True),
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
    "moves of 5 s, kurtosis": (0.5, True),
    "imbalance and the next 1 s, correlation": (0.05, False),
    "imbalance and the next 5 s, correlation": (0.05, False),
}


@dataclass(frozen=True, slots=True)
class Space:
    """One number that is searched: its range, and whether in the log."""

    low: float
    high: float
    log: bool = False


SPACE = {
    # of what would just keep up depth and volume (`counted`): both are hit from the first trial on
    "take": Space(0.6, 1.7, True),
    "near": Space(0.4, 2.0, True),
    "behind": Space(0.2, 3.0, True),
    "limit": Space(0.02, 0.4, True),  # of the mean depth
    "take_size": Space(0.3, 1.5, True),  # of the median half second's volume
    "cancel": Space(0.003, 0.6, True),
    "cancel_behind": Space(0.1, 3.0, True),  # of that at the best price
    "improve": Space(0.0, 1.0),
    "heal": Space(0.0, 10.0),
    "limit_tail": Space(1.15, 6.0, True),
    "take_tail": Space(1.15, 6.0, True),
    "take_take": Space(0.05, 0.6),
    "take_other": Space(0.0, 0.2),
    "take_near": Space(0.0, 0.5),
    "take_near_other": Space(0.0, 0.5),
    "take_cancel": Space(0.0, 0.5),
    "take_cancel_other": Space(0.0, 0.5),
    "near_near": Space(0.0, 0.4),
    "cross": Space(0.0, 0.2),  # near limit orders and cancels, of each other
    "cancel_cancel": Space(0.0, 0.4),
    "fast_s": Space(0.03, 2.0, True),
    "slow_s": Space(2.0, 120.0, True),
    "slow": Space(0.0, 0.9),
    "volatility": Space(0.1, 1.3),  # of that over 60 s
    "impact": Space(0.0, 0.6),  # of the volatility over 60 s, for a mean market order
    "tilt": Space(0.0, 0.95),
    "lean": Space(0.02, 3.0, True),
    "edge": Space(0.0, 2.0),  # usual spreads
    "chase": Space(0.05, 10.0, True),
    "pull": Space(0.0, 1.0),
    "news": Space(0.0, 20.0),
    "jump": Space(1.0, 12.0, True),  # volatilities over 1 s
    "swing": Space(0.0, 1.2),
    "spell_s": Space(2.0, 300.0, True),
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
    told = {name: float(value[0]) for name, value in facts_of(windows).told().items()}
    edges = edges_of(windows)
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
        aims={name: told[name] for name in AIMS if np.isfinite(told[name])},
        edges=edges,
    )


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


def fit_from(known: Counted, x: dict[str, float]) -> Fit:
    """The fit at one point of the space; FitError or pydantic's error where no crowd is possible."""
    take_size = max(1.0, x["take_size"] * known.half)
    limit = max(1.0, x["limit"] * known.depth)
    branching = x["take_take"] + x["take_other"]
    behind = x["cancel_behind"] * x["cancel"]
    take = x["take"] * known.lots * (1 - branching) / take_size
    near = x["near"] * (2 * known.depth * x["cancel"] + known.lots) / limit
    reach = 6.0
    rate = 2 * known.depth * behind * x["behind"] * reach / limit
    mean = float(np.sqrt(take_size))
    least = 1e-4
    return Fit.model_validate(
        {
            "code": known.code,
            "source": known.source,
            "orders": {
                "take": max(take, least),
                "near": max(near, least),
                "far": max(rate, least),
                "reach": reach,
                "improve": x["improve"],
                "heal": x["heal"],
                "usual": known.usual,
                "cancel": x["cancel"],
                "cancel_behind": max(behind, least),
                "later": LATER,
            },
            "sizes": {
                "limit": limit,
                "limit_tail": x["limit_tail"],
                "take": take_size,
                "take_tail": x["take_tail"],
            },
            "excitement": {
                "take_take": (x["take_take"], x["take_other"]),
                "take_near": (x["take_near"], x["take_near_other"]),
                "take_cancel": (x["take_cancel"], x["take_cancel_other"]),
                "near_near": (x["near_near"], 0.5 * x["near_near"]),
                "near_cancel": (x["cross"], x["cross"]),
                "cancel_near": (x["cross"], x["cross"]),
                "cancel_cancel": (x["cancel_cancel"], 0.5 * x["cancel_cancel"]),
                "fast_s": x["fast_s"],
                "slow_s": x["slow_s"],
                "slow": x["slow"],
            },
            "price": {
                "level": known.level,
                "volatility": x["volatility"] * known.volatility_60s,
                "impact": x["impact"] * known.volatility_60s / mean,
                "tilt": x["tilt"],
                "lean": x["lean"] / known.usual,
                "edge": x["edge"] * known.usual,
                "chase": x["chase"],
                "pull": x["pull"],
                "news": x["news"],
                "jump": x["jump"] * known.volatility_1s,
            },
            "pace": {"swing": x["swing"], "spell_s": x["spell_s"], "alarm": 3.0, "alarm_s": 10.0},
            "regimes": known.regimes,
        }
    )


LATER = 0.6  # share of cancels in the later half of their queue: assumed, snapshots cannot show it


def made(fit: Fit, day: date, seed: int, minutes: int | None = None) -> list[np.ndarray]:
    """The windows of a stretch of a made-up day."""
    return windows_of(recorded(living_feed(living_day(fit, day, seed, minutes))).snapshots)


def distance(told: dict[str, float], aims: dict[str, float]) -> float:
    """Mean of squares over the aims, each in its own unit and at most 5 of it: one wild fact must not rule."""
    off = []
    for name, aim in aims.items():
        unit, in_log = AIMS[name]
        value = told[name]
        if not np.isfinite(value):
            off.append(25.0)
        elif in_log:
            off.append(min(5.0, abs(np.log(max(value, 1e-3) / max(aim, 1e-3))) / unit) ** 2)
        else:
            off.append(min(5.0, abs(value - aim) / unit) ** 2)
    return float(np.mean(off))


def search(
    known: Counted,
    trials: int = 400,
    seed: int = 0,
    minutes: int = 30,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> tuple[Fit, float]:
    """The best fit of a seeded search, and its distance.

    A sixth of the trials are spread over the space (a Latin hypercube); from the best of them on a CMA evolution
    strategy goes (Hansen 2016, with a rank-mu update alone): generations drawn about a mean that moves to their better
    half, with the covariance of the steps that helped. optuna's TPE had come less far after as many trials.
    """
    rng = generator(seed, "crowd search", known.code)
    first = max(POPULATION, trials // 6)
    start = np.stack([(rng.permutation(first) + rng.random(first)) / first for _ in SPACE], axis=1)
    best: tuple[float, Fit | None] = (np.inf, None)
    done = 0

    def value(place: np.ndarray) -> float:
        nonlocal best, done
        done += 1
        try:
            fit = fit_from(known, _point(place))
        except ValueError:  # too excited to live
            found = 1e3
        else:
            found = judged(fit, known, minutes)
            best = min(best, (found, fit), key=lambda one: one[0])
        if on_progress:
            on_progress(done, trials, f"distance {best[0]:.2f}")
        return found

    mean = start[int(np.argmin([value(place) for place in start]))]
    dims, half = len(SPACE), POPULATION // 2
    weights = np.log(half + 0.5) - np.log(np.arange(1, half + 1))
    weights /= weights.sum()
    mass = 1 / (weights**2).sum()
    learn = min(0.5, 2 * (mass - 2 + 1 / mass) / ((dims + 2) ** 2 / 4 + mass))
    pull, damp = (mass + 2) / (dims + mass + 5), 1 + (mass + 2) / (dims + mass + 5)
    covariance, step, path = np.eye(dims), 0.15, np.zeros(dims)
    while done < trials:
        values, axes = np.linalg.eigh(covariance)
        root = axes * np.sqrt(np.maximum(values, 1e-12)) @ axes.T
        drawn = rng.standard_normal((POPULATION, dims))
        places = _reflected(mean + step * drawn @ root)
        order = np.argsort([value(place) for place in places])[:half]
        white = weights @ drawn[order]
        mean = _reflected(mean + step * root @ white)
        path = (1 - pull) * path + np.sqrt(pull * (2 - pull) * mass) * white
        steps = drawn[order] @ root
        covariance = (1 - learn) * covariance + learn * (weights * steps.T) @ steps
        step *= float(np.exp(min(0.3, pull / damp * (np.linalg.norm(path) / np.sqrt(dims) - 1))))
    if best[1] is None:
        raise FitError("no trial gave a crowd that can live; raise the number of trials")
    return best[1], float(best[0])


def _reflected(place: np.ndarray) -> np.ndarray:
    """Into the unit cube, reflected at its sides."""
    return np.asarray(np.clip(1 - np.abs(1 - np.abs(place)), 0, 1))


def _point(place: np.ndarray) -> dict[str, float]:
    """A point of the unit cube as numbers of the space."""
    return {
        name: float(s.low * (s.high / s.low) ** at if s.log else s.low + (s.high - s.low) * at)
        for (name, s), at in zip(SPACE.items(), place.tolist(), strict=True)
    }


def judged(fit: Fit, known: Counted, minutes: int) -> float:
    """The distance of days made by a fit from what was recorded."""
    windows = [rows for day in TRIAL_DAYS for rows in made(fit, day, 0, minutes)]
    if len(windows) < 2:  # an emptied side: no market
        return 1e2
    told = {name: float(value[0]) for name, value in facts_of(windows, known.edges).told().items()}
    return distance(told, known.aims)
