"""Fit a living crowd to recorded days: what can be counted is counted, the rest is searched by simulated moments.

Recordings of best quotes every half second tell no arrival times, so a likelihood of arrivals has nothing to work on.
The method of simulated moments (McFadden 1989; Duffie & Singleton 1993) asks only that days made by the crowd look
like the recorded ones in the facts below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
from cmaes import CMA

from lobarena.benchmarks.crowd_counts import AIMS, Counted
from lobarena.benchmarks.crowd_facts import facts_of
from lobarena.benchmarks.stylised import windows_of
from lobarena.sim.hawkes.day import living_day, living_feed
from lobarena.sim.hawkes.fit import Fit, FitError
from lobarena.sim.hawkes.record import recorded
from lobarena.sim.random import generator

TRIAL_DAYS = (date(2024, 1, 3), date(2024, 1, 4))  # of the made-up stretches that a trial is judged by
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
    strategy goes (Hansen 2016; the `cmaes` package). optuna's TPE had come less far after as many trials.
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

    strategy = CMA(
        mean=start[int(np.argmin([value(place) for place in start]))],
        sigma=0.15,
        bounds=np.array([[0.0, 1.0]] * len(SPACE)),
        seed=int(rng.integers(2**32)),
        population_size=POPULATION,
    )
    while done < trials:
        places = [strategy.ask() for _ in range(POPULATION)]
        strategy.tell([(place, value(place)) for place in places])
    if best[1] is None:
        raise FitError("no trial gave a crowd that can live; raise the number of trials")
    return best[1], float(best[0])


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
