"""Fluorescence: brightness less background, normalised over the layers; rows without light are dark and say why."""

import numpy as np

from lobarena.agents.probe.brightness import Squares, r_squared

FLOOR = 0.001  # brightness a layer, on average: rows below it are dark


def split(squares: Squares, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(..., L, T, R) rho and (..., L, T, R, K) rho of every lag; with weights (N, B) a sample stands first."""
    found = r_squared(squares.error, squares.total, weights)
    return found[..., 0], found[..., 1:]


def fluorescence(rho: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """F = max(0, rho - rho_0), rho_0 the mean over the lags; NaN where rho is."""
    return np.asarray(np.maximum(0, rho - lags.mean(axis=-1)))


def floors(lags: np.ndarray, floor: float) -> np.ndarray:
    """(T, R) sums over the layers that a row must reach.

    The larger of `floor` a layer and of the largest sum that the same formula gives to one of the lags when the others
    are its background: a row no brighter than its own background is dark (our formulation). lags : (L, T, R, K)
    """
    fixed = np.full(lags.shape[1:3], floor * len(lags))
    if lags.shape[-1] < 2:
        return fixed
    count = lags.shape[-1]
    others = (lags.sum(axis=-1, keepdims=True) - lags) / (count - 1)
    return np.asarray(np.fmax(fixed, np.maximum(0, lags - others).sum(axis=0).max(axis=-1)))


def darkness(rho: np.ndarray, light: np.ndarray, least: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """(T, R) text: why a row is dark; "" where it is lit.

    rho, light : (L, T, R); least : (T, R) from `floors`; missing : (T, R) from the plan
    """
    why = missing.copy()
    for task, regime in np.argwhere(why == ""):
        total = light[:, task, regime].sum()
        if rho[:, task, regime].max() <= 0:
            why[task, regime] = "no layer forecasts better than the mean"
        elif not total >= least[task, regime]:
            why[task, regime] = f"sum over layers {total:.4f}, below the floor {least[task, regime]:.4f}"
    return np.asarray(why)


def normalised(light: np.ndarray, why: np.ndarray) -> np.ndarray:
    """F / its sum over the layers, (..., L, T, R); NaN in dark rows, so that each row sums to 1 or is dark.

    A sample of the bootstrap in which a lit row has no light at all is NaN there too.
    """
    total = light.sum(axis=-3, keepdims=True)
    return np.asarray(light / np.where((why == "") & (total > 0), total, np.nan))
