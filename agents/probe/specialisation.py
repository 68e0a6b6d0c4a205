"""Specialisation: shares of the variance over layers, tasks and regimes that the axes and interactions explain."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

AXES = ("layer", "task", "regime")
COMPONENTS = tuple(" x ".join(names) for size in (1, 2, 3) for names in combinations(AXES, size))


def components(table: np.ndarray) -> np.ndarray:
    """(..., 7) sums of squares of COMPONENTS of tables (..., L, T, R), per cell; they sum to the variance of the table.

    Of a balanced design: the effect of a set of axes is the mean over all other axes, less the effects of its subsets
    (functional ANOVA). Axes of length 1 have no effect.
    """
    effects = dict(_effects(table))
    return np.stack([(effect**2).mean(axis=(-3, -2, -1)) for effect in effects.values()], axis=-1)


def _effects(table: np.ndarray) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """The effect of every non-empty set of axes, with axes of length 1 where it does not vary."""
    axes = (-3, -2, -1)
    known: dict[tuple[int, ...], np.ndarray] = {}
    for size in range(4):
        for own in combinations(axes, size):
            mean = table.mean(axis=tuple(axis for axis in axes if axis not in own), keepdims=True)
            known[own] = mean - sum(part for other, part in known.items() if set(other) < set(own))
            if own:
                yield own, known[own]


def whole(missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the tasks and regimes between which no cell is missing: empty tasks go first, then regimes with a gap.

    missing : (T, R) bool
    """
    tasks = np.flatnonzero(~missing.all(axis=1))
    regimes = np.flatnonzero(~missing[tasks].any(axis=0)) if len(tasks) else np.zeros(0, np.int64)
    return tasks, regimes


def shares(table: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(7,) shares of the variance, (N, 7) those of every sample, and (7,) what noise alone would give.

    Noise is the mean over the samples of the components of (sample - table), by the variance of the table: sampling
    error adds about so much to each share, most to the highest interaction. NaN where the table does not vary.

    table : (L, T, R) without NaN; samples : (N, L, T, R) of the bootstrap
    """
    found, drawn = components(table), components(samples)
    noise = np.nanmean(components(samples - table), axis=0)
    total = found.sum() if found.sum() > 1e-18 else np.nan
    sums = drawn.sum(axis=-1, keepdims=True)
    return found / total, drawn / np.where(sums > 1e-18, sums, np.nan), noise / total
