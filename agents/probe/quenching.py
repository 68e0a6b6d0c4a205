"""Quenching: what the model's own forecast loses when a layer's state is replaced by its mean over the regime."""

from dataclasses import dataclass

import numpy as np

from lobarena.agents.probe.bootstrap import interval
from lobarena.agents.probe.brightness import Advance, r_squared
from lobarena.agents.probe.estimate import Estimate
from lobarena.agents.probe.evidence import Evidence, Quench
from lobarena.agents.probe.fluorescence import normalised
from lobarena.agents.probe.plan import Plan
from lobarena.agents.probe.regimes import REGIMES

ROWS = 256  # windows of test a regime, through as many forward passes as there are layers and one more


@dataclass(frozen=True, eq=False)
class Quenching:
    """L layers, T tasks, R regimes; a row is NaN where `why` tells a reason."""

    own: Estimate  # (T, R) R^2 of the model's forecast as it is
    fall: Estimate  # (L, T, R) max(0, R^2 as it is - R^2 without the layer)
    share: Estimate  # (L, T, R) fall / its sum over the layers
    correlation: Estimate  # (T, R) Spearman's, over the layers, of F and fall
    overall: Estimate  # () mean of the correlations of the rows that have one
    why: np.ndarray  # (T, R) text: why a row is dark; "" where it is lit
    rows: np.ndarray  # (R,) windows used


def quenched(
    evidence: Evidence, plan: Plan, means: np.ndarray, quench: Quench, most: int, advance: Advance
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run the model: (B, 1 + L, T, R) squared errors, the model as it is first, (B, 1, T, R) totals, (R,) windows used.

    means : (L, R, D) of training rows; most : windows a regime, spread evenly over its rows of test
    """
    layers, (_, tasks, _) = len(evidence.names), plan.y.shape
    error = np.full((len(plan.days), 1 + layers, tasks, len(REGIMES)), np.nan)
    total, used = np.full((len(plan.days), 1, tasks, len(REGIMES)), np.nan), np.zeros(len(REGIMES), np.int64)
    open_regimes = [regime for regime in range(len(REGIMES)) if (plan.missing[:, regime] == "").any()]
    for turn, regime in enumerate(open_regimes):
        before, after = plan.cell(regime)
        after = after[np.argsort(plan.time[after], kind="stable")]
        chosen = after[np.unique(np.linspace(0, len(after) - 1, most).round().astype(np.int64))]
        truth, used[regime] = plan.y[chosen, :, 0], len(chosen)
        about = plan.y[before, :, 0].mean(axis=0)
        total[:, 0, :, regime] = plan.by_day(chosen, (truth - about) ** 2)
        for place in range(1 + layers):
            layer = place - 1 if place else None
            mean = None if layer is None else means[layer, regime]
            forecast = _checked(quench(layer, mean, plan.rows[chosen]), truth.shape, layer)
            scaled = (forecast - plan.shift[chosen]) / plan.scale[chosen]
            error[:, place, :, regime] = plan.by_day(chosen, (truth - scaled) ** 2)
            name = "none" if layer is None else evidence.names[layer]
            advance(turn * (1 + layers) + place + 1, len(open_regimes) * (1 + layers), f"quenched {name}")
    return error, total, used


def compare(
    squares: tuple[np.ndarray, np.ndarray, np.ndarray],
    weights: np.ndarray,
    light: tuple[np.ndarray, np.ndarray],
    why: np.ndarray,
    floor: float,
    missing: np.ndarray,
) -> Quenching:
    """The falls, and how they rank the layers beside F; the same days are drawn for both.

    squares : from `quenched`; weights : (N, B); light : F (L, T, R) and its samples (N, L, T, R); why : its dark rows
    floor : brightness a layer that the falls of a row must reach
    """
    error, total, rows = squares
    days = len(error)
    found, drawn = r_squared(error, total), r_squared(error, total, weights)
    fall, falls = (np.maximum(0, r[..., :1, :, :] - r[..., 1:, :, :]) for r in (found, drawn))
    dark = missing.copy()
    for task, regime in np.argwhere(dark == ""):
        summed = fall[:, task, regime].sum()
        if not found[0, task, regime] > 0:
            dark[task, regime] = "the model's own forecast is no better than the mean"
        elif not summed >= floor * len(fall):
            dark[task, regime] = f"sum of the falls {summed:.4f}, below the floor {floor * len(fall):.4f}"
    both = (dark == "") & (why == "")
    correlation = np.where(both, spearman(light[0], fall), np.nan)
    correlations = np.where(both, spearman(light[1], falls), np.nan)
    return Quenching(
        own=Estimate(found[0], *interval(drawn[:, 0], days)),
        fall=Estimate(fall, *interval(falls, days)),
        share=Estimate(normalised(fall, dark), *interval(normalised(falls, dark), days)),
        correlation=Estimate(correlation, *interval(correlations, days)),
        overall=Estimate(_mean(correlation[None])[0], *interval(_mean(correlations), days)),
        why=dark,
        rows=rows,
    )


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., T, R) rank correlation over the axis of layers of (..., L, T, R); ties share their mean rank.

    NaN where a value is missing or one side is constant.
    """
    ranks = []
    for values in (a, b):
        rank = _ranks(values)
        ranks.append(rank - rank.mean(axis=-3, keepdims=True))
    x, y = ranks
    scale = np.sqrt((x * x).sum(axis=-3) * (y * y).sum(axis=-3))
    known = ~(np.isnan(a) | np.isnan(b)).any(axis=-3)
    return np.asarray((x * y).sum(axis=-3) / np.where(known & (scale > 0), scale, np.nan))


def _ranks(values: np.ndarray) -> np.ndarray:
    """How many are less and half of how many others are equal."""
    found = np.empty(values.shape)
    for place in range(values.shape[-3]):
        own = values[..., place : place + 1, :, :]
        found[..., place, :, :] = (values < own).sum(axis=-3) + ((values == own).sum(axis=-3) - 1) / 2
    return found


def _mean(correlations: np.ndarray) -> np.ndarray:
    """(N,) mean over the rows that have a correlation; NaN without one."""
    flat = correlations.reshape(len(correlations), -1)
    known = (~np.isnan(flat)).sum(axis=1)
    return np.asarray(np.nansum(flat, axis=1) / np.where(known > 0, known, np.nan))


def _checked(forecast: np.ndarray, shape: tuple[int, ...], layer: int | None) -> np.ndarray:
    values = np.asarray(forecast, np.float64)
    if values.shape != shape or not np.isfinite(values).all():
        what = "the model as it is" if layer is None else f"layer {layer} quenched"
        raise ValueError(f"forecasts of {what} have shape {values.shape}; {shape} finite numbers are needed")
    return values
