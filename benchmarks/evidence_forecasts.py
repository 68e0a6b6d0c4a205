"""Forecasts of a trained file over many looks in one batch, as its agent makes them one by one in play."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lobarena.agents.distill import hajek
from lobarena.agents.distill.forecaster import Forecaster, forecaster
from lobarena.agents.distill.lessons import Lessons, Units
from lobarena.agents.distill.mixture import Gate, Mixture, Sight, fit, fused
from lobarena.agents.distill.student import Size, Students, read_rows
from lobarena.agents.teacher.base import Base

LEAST = 8  # looks that an agent reads before its first quotes, as `agents.distill.agent` sets it


@dataclass(frozen=True, eq=False)
class Told:
    """Forecasts of n looks."""

    label: str  # of the gate, "" for the file's own
    forecast: np.ndarray  # (n, 3) f8 in units of the contract, line included; NaN where not read
    confidence: np.ndarray  # (n,) in 0 .. 1
    weights: np.ndarray  # (n, K, 3) of the students; (n, 0, 3) without a gate


def students_of(one: Forecaster) -> Students:
    """The students of a file, for batches."""
    about = one.about
    size = Size(about.size.students, about.size.width, about.size.blocks, about.size.bins)
    students = Students(size, one.students["shift"], one.students["scale"])
    students.load_state_dict({name: torch.from_numpy(array) for name, array in one.students.items()})
    return students


def mixture_of(one: Forecaster) -> Mixture:
    """Its gate."""
    half, space = one.gate["frequency"].shape
    gate = Gate(form=one.about.form, space=space, features=2 * half)
    found = Mixture(gate, one.gate["tasks"] > 0, one.about.size.width)
    found.load_state_dict({name: torch.from_numpy(array) for name, array in one.gate.items()})
    return found


def units_of(one: Forecaster) -> Units:
    """What a file's forecasts are measured by."""
    about = one.about
    mean, sd, cuts = np.array(about.mean), np.array(about.sd), np.array(about.cuts, np.float32)
    return Units(one.students["shift"], one.students["scale"], mean, sd, cuts)


def forecasts(
    file: Path, seen: Lessons, learn: Lessons, validate: Lessons, gates: Sequence[str] = (), steps: int = 200
) -> Iterator[Told]:
    """Of a file, and of other gates over its students: fitted on the learning looks, chosen on the validation."""
    one = forecaster(file)
    students, units = students_of(one), units_of(one)
    z, told = read_rows(students, seen.numbers, seen.begins, seen.ends)
    if not one.gate:
        forecast = seen.whole(told.mean(1) * units.sd + units.mean, one.base)
        yield Told("", forecast, np.ones(len(forecast)), np.zeros((len(forecast), 0, 3)))
        return
    known = np.isfinite(told).all((1, 2))
    regime = units.regime(seen.volatility)
    nothing, rows = np.zeros_like(told[known, 0]), np.flatnonzero(known)
    given = Sight(*map(torch.from_numpy, (z[known], told[known], nothing, regime[known], rows)))
    yield _fused("", mixture_of(one), given, seen, units, one.base)
    if not gates:
        return
    tasks = one.gate["tasks"] > 0
    learnt, chosen = (_sight(students, part, units) for part in (learn, validate))
    for name in gates:
        if name in ("naive", "backfitted"):
            yield _additive(name, tasks, told, chosen, seen, units)
            continue
        mixture = fit(Gate(form=name, steps=steps, every=min(50, steps)), tasks, learnt, chosen)[0]
        told_then = chosen.everywhere(fused(mixture, chosen)[0], len(validate.target))
        base = validate.shared(told_then * units.sd + units.mean)
        yield _fused(name, mixture, given, seen, units, base)


def _sight(students: Students, part: Lessons, units: Units) -> Sight:
    z, told = read_rows(students, part.numbers, part.begins, part.ends)
    return Sight.of(z, told, (part.target - units.mean) / units.sd, units.regime(part.volatility))


def _fused(name: str, mixture: Mixture, given: Sight, seen: Lessons, units: Units, base: Base) -> Told:
    found, sure, weighed = fused(mixture, given)
    left, confidence, weights = (
        given.everywhere(one, len(seen.numbers))
        for one in (found * units.sd + units.mean, sure.astype(np.float64), weighed)
    )
    return Told(name, seen.whole(left, base), confidence, weights)


def _additive(name: str, tasks: np.ndarray, told: np.ndarray, chosen: Sight, seen: Lessons, units: Units) -> Told:
    """Sums, not averages: no share of them is kept back. Who does not forecast a task tells its mean, 0."""
    own = torch.from_numpy(tasks.astype(np.float32))
    x = torch.from_numpy(told) * own
    if name == "naive":
        found = hajek.naive(x, torch.zeros(3))
    else:
        coefficients, intercept = hajek.backfit(chosen.told * own, chosen.target)
        found = (x * coefficients).sum(1) + intercept
    forecast = seen.whole(found.numpy() * units.sd + units.mean)
    return Told(name, forecast, np.ones(len(forecast)), np.zeros((len(forecast), 0, 3)))


def for_the_rule(told: Told, scales: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(n, 4) f8 as the rule takes them: move and spread (ticks), volume (lots), confidence; infinite where none.

    scales : (3, 2) of the contract; place : (n,) looks in a row up to each
    """
    move, spread, volume = (told.forecast * scales[:, 1] + scales[:, 0]).T
    found = np.stack([move, np.maximum(spread, 0), np.expm1(np.clip(volume, 0, 20)), told.confidence], 1)
    found[(place < LEAST) | ~np.isfinite(found).all(1)] = np.inf
    return found
