"""Brightness: the out-of-sample R^2 of one small read-out a layer, task and regime."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lobarena.agents.probe.evidence import Evidence
from lobarena.agents.probe.plan import Plan
from lobarena.agents.probe.readout import fit_readout
from lobarena.agents.probe.regimes import REGIMES
from lobarena.agents.probe.stain import fit_stain

Advance = Callable[[int, int, str], None]  # (done, in all, what was done)


@dataclass(frozen=True, eq=False)
class Squares:
    """Sums over the rows of each day of test; whatever is said of brightness is made of them.

    Axes: B days, L layers, T tasks, R regimes, then the true target and the K shifted ones.
    """

    error: np.ndarray  # (B, L, T, R, 1 + K) f8 of the read-outs
    control: np.ndarray  # (B, 1, T, R, 1 + K) f8 of the same read-out on the raw features of the book
    total: np.ndarray  # (B, 1, T, R, 1 + K) f8 about the mean of the regime's training rows
    means: np.ndarray  # (L, R, D) f8 state of each layer in each regime, over training rows; NaN without rows


def excite(evidence: Evidence, plan: Plan, rank: int, advance: Advance) -> Squares:
    """Read every layer once; a layer at a time is in memory."""
    shape = (len(plan.days), 1, plan.y.shape[1], len(REGIMES), plan.y.shape[2])
    means = np.full((len(evidence.names), len(REGIMES), evidence.hidden.shape[2]), np.nan)
    errors = []
    for place in range(len(evidence.names)):
        states = evidence.layer(place, plan.rows)
        for regime in range(len(REGIMES)):
            before, _ = plan.cell(regime)
            if len(before):
                means[place, regime] = states[before].mean(axis=0, dtype=np.float64)
        errors.append(squared_errors(plan, states, rank).reshape(shape))
        advance(place + 1, len(evidence.names), f"layer {evidence.names[place]}")
    control = squared_errors(plan, evidence.raw[plan.rows], rank)
    return Squares(np.concatenate(errors, axis=1), control.reshape(shape), plan.totals().reshape(shape), means)


def squared_errors(plan: Plan, features: np.ndarray, rank: int) -> np.ndarray:
    """(B, T, R, 1 + K) of read-outs of features (n, D); a regime without enough rows is NaN."""
    days, (_, tasks, targets) = len(plan.days), plan.y.shape
    found = np.full((days, tasks, len(REGIMES), targets), np.nan)
    z = fit_stain(features[plan.train], rank).apply(features)
    for regime in range(len(REGIMES)):
        measured = plan.missing[:, regime] == ""
        if not measured.any():
            continue
        before, after = plan.cell(regime)
        y = plan.y[:, measured].reshape(len(z), -1)
        missed = (y[after] - fit_readout(z[before], y[before], plan.time[before]).forecast(z[after])) ** 2
        found[:, measured, regime] = plan.by_day(after, missed).reshape(days, -1, targets)
    return found


def r_squared(error: np.ndarray, total: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """1 - error / total over all days, first axis, or over each of N weighted samples of them; NaN where total is 0.

    The total is about the training mean, so 0 is what a forecast without features earns (Campbell & Thompson 2008,
    eq. 1). error : (B, ...); total : (B, ...), which broadcasts; weights : (N, B)
    """
    if weights is None:
        return np.asarray(r_squared(error, total, np.ones((1, len(error))))[0])
    below, above = np.tensordot(weights, total, 1), np.tensordot(weights, error, 1)
    return np.asarray(1 - above / np.where(below > 0, below, np.nan))
