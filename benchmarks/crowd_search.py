"""Fit a living crowd to recorded days: what can be counted is counted, the rest is searched by simulated moments.

Recordings of best quotes every half second tell no arrival times, so a likelihood of arrivals has nothing to work on.
The method of simulated moments (McFadden 1989; Duffie & Singleton 1993) asks only that days made by the crowd look
like the recorded ones in the facts below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from cmaes import CMA

from lobarena.benchmarks.crowd_counts import AIMS, Counted, aimed_at
from lobarena.benchmarks.stylised import windows_of
from lobarena.data.schema import STIR
from lobarena.sim.hawkes.day import living_day, living_feed
from lobarena.sim.hawkes.fit import Fit, FitError, mean_intensity
from lobarena.sim.hawkes.record import recorded
from lobarena.sim.random import generator

FIRST_DAY = date(2024, 1, 3)  # of the made-up stretches that a trial is judged by
BUSIEST = 100.0  # 1/s, mean intensity; a busier crowd is not tried, which costs most of a search otherwise
LONG_RUN = 200  # days over which the mean pace is taken
POPULATION = 16  # trials of one generation of the search


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
    "walk": Space(0.0, 0.6),
    "depth": Space(0.0, 1.2),
    "depth_s": Space(5.0, 600.0, True),
    "press": Space(0.0, 0.6),
    "press_s": Space(1.0, 300.0, True),
    # powers of the factors that were counted: windows vary within a regime, too
    "pace_power": Space(0.0, 2.0),
    "volatility_power": Space(0.0, 2.0),
    "depth_power": Space(0.0, 2.0),
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
                "walk": x["walk"],
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
            "swell": {name: x[name] for name in ("depth", "depth_s", "press", "press_s")},
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
            "regimes": known.regimes
            | {name: _powered(known.regimes[name], x[f"{name}_power"]) for name in ("pace", "volatility", "depth")},
        }
    )


LATER = 0.6  # share of cancels in the later half of their queue: assumed, snapshots cannot show it


def _powered(factors: tuple[float, ...], power: float) -> tuple[float, ...]:
    """The factors drawn apart or together; their mean stays."""
    raised = np.array(factors) ** power
    return tuple(np.clip(raised * np.mean(factors) / raised.mean(), 0.05, 10).tolist())


def point_of(known: Counted, fit: Fit) -> dict[str, float]:
    """The point of the space at which `fit_from` gives this fit, or the nearest one that it can give.

    A crowd that is faster in all regimes is one of higher rates, so that a fit which `settled` has sped up is met, too.
    """
    o, e, p = fit.orders, fit.excitement, fit.price
    speed = float(np.mean(fit.regimes.pace) / np.mean(known.regimes["pace"]))
    cancel, lots = o.cancel * speed, known.lots
    behind = o.cancel_behind / o.cancel
    found = {
        "take": o.take * speed * fit.sizes.take / (lots * (1 - sum(e.take_take))),
        "near": o.near * speed * fit.sizes.limit / (2 * known.depth * cancel + lots),
        "behind": o.far * fit.sizes.limit / (2 * known.depth * o.cancel_behind * o.reach),
        "limit": fit.sizes.limit / known.depth,
        "take_size": fit.sizes.take / known.half,
        "cancel": cancel,
        "cancel_behind": behind,
        "limit_tail": fit.sizes.limit_tail,
        "take_tail": fit.sizes.take_tail,
        "take_take": e.take_take[0],
        "take_other": e.take_take[1],
        "take_near": e.take_near[0],
        "take_near_other": e.take_near[1],
        "take_cancel": e.take_cancel[0],
        "take_cancel_other": e.take_cancel[1],
        "near_near": e.near_near[0],
        "cross": e.near_cancel[0],
        "cancel_cancel": e.cancel_cancel[0],
        "fast_s": e.fast_s / speed,
        "slow_s": e.slow_s / speed,
        "volatility": p.volatility * np.sqrt(speed) / known.volatility_60s,
        "impact": p.impact * np.sqrt(fit.sizes.take) / known.volatility_60s,
        "lean": p.lean * known.usual,
        "edge": p.edge / known.usual,
        "chase": p.chase * speed,
        "jump": p.jump / known.volatility_1s,
        "improve": o.improve,
        "heal": o.heal,
        "walk": o.walk,
        "slow": e.slow,
        **{name: getattr(p, name) for name in ("tilt", "pull", "news")},
        **{name: getattr(fit.pace, name) for name in ("swing", "spell_s")},
        **{name: getattr(fit.swell, name) for name in ("depth", "depth_s", "press", "press_s")},
    }
    for name in ("pace", "volatility", "depth"):
        was, now = (np.log(np.array(one)[[0, 2]]) for one in (known.regimes[name], getattr(fit.regimes, name)))
        apart = float(was[1] - was[0])
        found[f"{name}_power"] = float(now[1] - now[0]) / apart if abs(apart) > 1e-6 else 1.0
    return {name: float(np.clip(found[name], s.low, s.high)) for name, s in SPACE.items()}


def made(fit: Fit, day: date, seed: int, minutes: int | None = None) -> list[np.ndarray]:
    """The windows of a stretch of a made-up day."""
    return windows_of(recorded(living_feed(living_day(fit, day, seed, minutes))).snapshots)


def distance(told: dict[str, float], aims: dict[str, float]) -> float:
    """Mean of squares over the aims, each in its own unit and at most 5 of it: one wild fact must not rule."""
    off = []
    for name, aim in aims.items():
        unit, in_log = AIMS[name]
        value = told.get(name, np.nan)
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
    *,
    days: int = 2,
    start: Fit | None = None,
) -> tuple[Fit, float]:
    """The best fit of a seeded search, and its distance on the days that it was found on.

    A sixth of the trials are spread over the space (a Latin hypercube); from the best of them on, or from `start`, a
    CMA evolution strategy goes (Hansen 2016; the `cmaes` package). optuna's TPE had come less far in as many trials.
    """
    rng = generator(seed, "crowd search", known.code)
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
            busy = mean_intensity(fit) / BUSIEST
            found = judged(fit, known, minutes, days) if busy < 1 else 1e2 * busy
            best = min(best, (found, fit), key=lambda one: one[0]) if busy < 1 else best
        if on_progress:
            on_progress(done, trials, f"distance {best[0]:.2f}")
        return found

    if start is None:
        first = max(POPULATION, trials // 6)
        spread = np.stack([(rng.permutation(first) + rng.random(first)) / first for _ in SPACE], axis=1)
        begin, width = spread[int(np.argmin([value(place) for place in spread]))], 0.15
    else:
        begin, width = _place(point_of(known, start)), 0.03
        value(begin)
    strategy = CMA(
        mean=begin,
        sigma=width,
        bounds=np.array([[0.0, 1.0]] * len(SPACE)),
        seed=int(rng.integers(2**32)),
        population_size=POPULATION,
    )
    while done < trials:
        places = [strategy.ask() for _ in range(POPULATION)]
        strategy.tell([(place, value(place)) for place in places])
    if best[1] is None:
        raise FitError("no trial gave a crowd that can live; raise the number of trials")
    return settled(best[1], minutes, days), float(best[0])


def settled(fit: Fit, minutes: int, days: int = 2) -> Fit:
    """The fit with the pace of its trial days as its pace in the long run: a search finds days that were lucky."""
    lucky = np.mean([_pace(fit, day, 0, minutes) for day in _weekdays(days)])
    long = np.mean([_pace(fit, FIRST_DAY, seed) for seed in range(1, 1 + LONG_RUN)])
    pace = tuple(float(np.clip(one * lucky / long, 0.01, 10)) for one in fit.regimes.pace)
    return fit.model_copy(update={"regimes": fit.regimes.model_copy(update={"pace": pace})})


def _pace(fit: Fit, day: date, seed: int, minutes: int | None = None) -> float:
    rows = living_day(fit, day, seed, minutes).events
    return float(rows["u"][rows["kind"] == STIR].mean())


def _point(place: np.ndarray) -> dict[str, float]:
    """A point of the unit cube as numbers of the space."""
    return {
        name: float(s.low * (s.high / s.low) ** at if s.log else s.low + (s.high - s.low) * at)
        for (name, s), at in zip(SPACE.items(), place.tolist(), strict=True)
    }


def _place(point: dict[str, float]) -> np.ndarray:
    """A point of the space in the unit cube."""
    return np.array(
        [
            np.log(point[name] / s.low) / np.log(s.high / s.low) if s.log else (point[name] - s.low) / (s.high - s.low)
            for name, s in SPACE.items()
        ]
    )


def _weekdays(count: int) -> list[date]:
    every = (FIRST_DAY + timedelta(k) for k in range(2 * count + 4))
    return [day for day in every if day.weekday() < 5][:count]


def judged(fit: Fit, known: Counted, minutes: int, days: int = 2) -> float:
    """The distance of stretches of days made by a fit from what was recorded."""
    windows = [rows for day in _weekdays(days) for rows in made(fit, day, 0, minutes)]
    if len(windows) < 2:  # an emptied side: no market
        return 1e2
    return distance(aimed_at(windows, known.edges), known.aims)
