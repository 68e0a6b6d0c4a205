"""Fit a living crowd to recorded days: what can be counted is counted, the rest is searched by simulated moments.

Recordings of best quotes every half second tell no arrival times, so a likelihood of arrivals has nothing to work on.
The method of simulated moments (McFadden 1989; Duffie & Singleton 1993) asks only that days made by the crowd look
like the recorded ones in the facts below.
"""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
from cmaes import CMA

from lobarena.benchmarks.crowd_counts import AIMS, Counted, aimed_at
from lobarena.benchmarks.crowd_space import SPACE, fit_from, from_cube, point_of, to_cube
from lobarena.benchmarks.stylised import windows_of
from lobarena.data.schema import STIR
from lobarena.sim.hawkes.day import living_day, living_feed
from lobarena.sim.hawkes.fit import Fit, FitError, mean_intensity
from lobarena.sim.hawkes.record import recorded
from lobarena.sim.random import generator

FIRST_DAY = date(2024, 1, 3)  # of the made-up stretches that a trial is judged by
BUSIEST = 100.0  # 1/s, mean intensity; a busier crowd is not tried, which costs most of a search otherwise
LONG_RUN = 200  # days over which the mean pace is taken
HYPERCUBES = 200  # drawn at most
POPULATION = 16  # trials of one generation of the search


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
    if start is not None and start.code != known.code:
        raise FitError(f"the fit to begin with is one of {start.code}, the days are of {known.code}; give its own")
    rng = generator(seed, "crowd search", known.code)
    first = 1 if start else max(POPULATION, trials // 6)
    planned = first + POPULATION * max(0, -(-(trials - first) // POPULATION))  # whole generations
    best: tuple[float, Fit | None] = (np.inf, None)
    done = 0

    def value(place: np.ndarray) -> float:
        nonlocal best, done
        done += 1
        busy, fit = _busy(known, place)
        found = 1e2 * min(busy, 1e3)
        if fit is not None and busy < 1:
            found = judged(fit, known, minutes, days)
            best = min(best, (found, fit), key=lambda one: one[0])
        if on_progress:
            on_progress(done, planned, f"distance {best[0]:.2f}")
        return found

    if start is None:
        spread = _spread(known, first, rng)
        begin, width = spread[int(np.argmin([value(place) for place in spread]))], 0.15
    else:
        begin, width = to_cube(point_of(known, start)), 0.03
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


def _busy(known: Counted, place: np.ndarray) -> tuple[float, Fit | None]:
    """The mean intensity of a point's crowd, BUSIEST is 1; ten times that and no fit for one too excited to live."""
    try:
        fit = fit_from(known, from_cube(place))
    except ValueError:
        return 10.0, None
    return mean_intensity(fit) / BUSIEST, fit


def _spread(known: Counted, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, k) points of a Latin hypercube of which at least one can be tried."""
    for _ in range(HYPERCUBES):
        found = np.stack([(rng.permutation(count) + rng.random(count)) / count for _ in SPACE], axis=1)
        if any(_busy(known, place)[0] < 1 for place in found):
            break
    return found


def settled(fit: Fit, minutes: int, days: int = 2) -> Fit:
    """The fit with the pace of its trial days as its pace in the long run: a search finds days that were lucky."""
    lucky = np.mean([mean_pace(fit, day, 0, minutes) for day in _weekdays(days)])
    long = np.mean([mean_pace(fit, FIRST_DAY, seed) for seed in range(1, 1 + LONG_RUN)])
    pace = tuple(float(np.clip(one * lucky / long, 0.01, 10)) for one in fit.regimes.pace)
    return fit.model_copy(update={"regimes": fit.regimes.model_copy(update={"pace": pace})})


def mean_pace(fit: Fit, day: date, seed: int, minutes: int | None = None) -> float:
    """Of a made-up day, or of its first minutes."""
    rows = living_day(fit, day, seed, minutes).events
    return float(rows["u"][rows["kind"] == STIR].mean())


def _weekdays(count: int) -> list[date]:
    every = (FIRST_DAY + timedelta(k) for k in range(2 * count + 4))
    return [day for day in every if day.weekday() < 5][:count]


def judged(fit: Fit, known: Counted, minutes: int, days: int = 2) -> float:
    """The distance of stretches of days made by a fit from what was recorded."""
    windows = [rows for day in _weekdays(days) for rows in made(fit, day, 0, minutes)]
    if len(windows) < 2:  # an emptied side: no market
        return 1e2
    return distance(aimed_at(windows, known.edges), known.aims)
