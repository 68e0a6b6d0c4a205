"""The probe: all that it says of one model's hidden states, from the evidence alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lobarena.agents.probe.background import spread_lags
from lobarena.agents.probe.bootstrap import draws, interval
from lobarena.agents.probe.brightness import Advance, Squares, excite, r_squared
from lobarena.agents.probe.estimate import Estimate
from lobarena.agents.probe.evidence import Evidence, Quench
from lobarena.agents.probe.fluorescence import FLOOR, darkness, floors, fluorescence, normalised, split
from lobarena.agents.probe.plan import Plan, make_plan
from lobarena.agents.probe.quenching import ROWS, Quenching, compare, quenched
from lobarena.agents.probe.regimes import REGIMES
from lobarena.agents.probe.specialisation import COMPONENTS, shares, whole

RANK = 64


@dataclass(frozen=True, eq=False)
class Result:
    """L layers, T tasks, R regimes; NaN where not measured, and for shares where a row is dark."""

    layers: tuple[str, ...]
    tasks: tuple[str, ...]
    rho: Estimate  # (L, T, R) out-of-sample R^2
    background: np.ndarray  # (L, T, R) mean over the lags
    background_sd: np.ndarray  # (L, T, R) over the lags
    light: Estimate  # (L, T, R) F
    share: Estimate  # (L, T, R) F-hat
    control: Estimate  # (T, R) R^2 of the raw features of the book
    control_background: np.ndarray  # (T, R)
    gain: Estimate  # (T, R) rho of the brightest layer less that of the control, paired by day
    floor: np.ndarray  # (T, R) sum over the layers that F must reach
    why: np.ndarray  # (T, R) text: why a row is dark; "" where it is lit
    rows: np.ndarray  # (R, 2) of train and of test
    days: int  # of test
    specialisation: list[dict[str, Any]]  # {of, component, share, low, high, noise}
    counted: dict[str, list[str]]  # of each measure the tasks and regimes between which no cell is missing
    quenching: Quenching | None
    squares: Squares
    test_days: np.ndarray  # (B,) as the evidence names them

    @property
    def brightest(self) -> np.ndarray:
        """(T, R) places of the layers of largest F; 0 where nothing is known."""
        return np.asarray(np.nan_to_num(self.light.value, nan=-1.0).argmax(axis=0))


def measure(
    evidence: Evidence,
    *,
    rank: int = RANK,
    lags: Sequence[float] | None = None,
    floor: float = FLOOR,
    seed: int = 0,
    quench: Quench | None = None,
    quench_rows: int = ROWS,
    advance: Advance = lambda done, total, what: None,
) -> Result:
    """All six points of docs/probe.md.

    rank : directions of a layer that are read; lags : shares of a series that targets are shifted by, None for
    `spread_lags()`; floor : brightness a layer below which a row is dark; seed : of the bootstrap, all else is
    deterministic; quench : runs the model for point 5, None leaves it out
    """
    if rank < 1 or quench_rows < 1:
        raise ValueError(f"rank is {rank} and quench_rows {quench_rows}; both are at least 1")
    if not 0 <= floor < 1:
        raise ValueError(f"the floor is {floor}; give a brightness from 0 to 1")
    plan = make_plan(evidence, spread_lags() if lags is None else tuple(lags))
    squares = excite(evidence, plan, rank, advance)
    weights, days = draws(len(plan.days), seed), len(plan.days)
    (rho, lagged), (rhos, laggeds) = split(squares), split(squares, weights)
    light, lights = fluorescence(rho, lagged), fluorescence(rhos, laggeds)
    least = floors(lagged, floor)
    why = darkness(rho, light, least, plan.missing)
    share, sampled = normalised(light, why), normalised(lights, why)
    control, controls = (r_squared(squares.control, squares.total, w) for w in (None, weights))
    best = np.nan_to_num(light, nan=-1.0).argmax(axis=0)[None]
    gain = np.take_along_axis(rho, best, 0)[0] - control[0, ..., 0]
    gains = np.take_along_axis(rhos, best[None], 1)[:, 0] - controls[:, 0, ..., 0]
    tables = {"F": (light, lights, plan.missing != ""), "F-hat": (share, sampled, why != "")}
    special, counted = _specialisation(tables, evidence.tasks, days)
    seen = None
    if quench is not None:
        run = quenched(evidence, plan, squares.means, quench, quench_rows, advance)
        seen = compare(run, weights, (light, lights), why, floor, plan.missing)
    return Result(
        layers=evidence.names,
        tasks=evidence.tasks,
        rho=Estimate(rho, *interval(rhos, days)),
        background=lagged.mean(axis=-1),
        background_sd=lagged.std(axis=-1),
        light=Estimate(light, *interval(lights, days)),
        share=Estimate(share, *interval(sampled, days)),
        control=Estimate(control[0, ..., 0], *interval(controls[:, 0, ..., 0], days)),
        control_background=control[0, ..., 1:].mean(axis=-1),
        gain=Estimate(gain, *interval(gains, days)),
        floor=least,
        why=why,
        rows=_rows(plan),
        days=days,
        specialisation=special,
        counted=counted,
        quenching=seen,
        squares=squares,
        test_days=plan.days,
    )


def _rows(plan: Plan) -> np.ndarray:
    return np.array([[len(part) for part in plan.cell(regime)] for regime in range(len(REGIMES))])


def _specialisation(
    tables: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], names: tuple[str, ...], days: int
) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    rows, counted = [], {}
    for of, (table, samples, missing) in tables.items():
        tasks, regimes = whole(missing)
        counted[of] = [*(names[task] for task in tasks), *(REGIMES[regime] for regime in regimes)]
        if not len(tasks) or not len(regimes):
            continue
        chosen = np.ix_(np.arange(len(table)), tasks, regimes)
        found, drawn, noise = shares(table[chosen], np.stack([sample[chosen] for sample in samples]))
        low, high = interval(drawn, days)
        varies = {"layer": len(table) > 1, "task": len(tasks) > 1, "regime": len(regimes) > 1}
        for place, component in enumerate(COMPONENTS):
            axes = component.split(" x ")
            by_construction = of == "F-hat" and "layer" not in axes  # each row sums to 1: nothing is left to explain
            if all(varies[axis] for axis in axes) and not by_construction:
                ends = {"low": float(low[place]), "high": float(high[place])}
                own = float(noise[place]) if days > 1 else np.nan
                rows.append({"of": of, "component": component, "share": float(found[place]), **ends, "noise": own})
    return rows, counted
