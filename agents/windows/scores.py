"""How good forecasts are: R2 of each task, with intervals by a bootstrap over blocks of time."""

from dataclasses import dataclass

import numpy as np

BLOCK_NS = 600 * 10**9  # looks of ten minutes are drawn together
RESAMPLES = 2_000


@dataclass(frozen=True, eq=False)
class Score:
    """R2 of the tasks with 95 % intervals, and the draws that they come from."""

    value: np.ndarray  # (3,)
    draws: np.ndarray  # (RESAMPLES, 3)

    @property
    def low(self) -> np.ndarray:
        """(3,)"""
        return np.asarray(np.quantile(self.draws, 0.025, axis=0))

    @property
    def high(self) -> np.ndarray:
        """(3,)"""
        return np.asarray(np.quantile(self.draws, 0.975, axis=0))

    def less(self, other: "Score") -> "Score":
        """The difference, paired: both were drawn with the same blocks."""
        return Score(self.value - other.value, self.draws - other.draws)


def blocks(time: np.ndarray) -> np.ndarray:
    """(n,) i8 number of the block of each look."""
    return np.unique(time // BLOCK_NS, return_inverse=True)[1]


def score(forecast: np.ndarray, target: np.ndarray, block: np.ndarray, seed: int = 0) -> Score:
    """R2 = 1 - sum (y - f)^2 / sum (y - mean y)^2 of every task over the rows given, all of them finite.

    forecast, target : (n, 3); block : (n,) i8. The mean is the rows' own: a level that is merely right earns nothing.
    """
    count = int(block.max()) + 1
    error, y = (target - forecast) ** 2, target
    sums = np.stack(
        [
            np.stack([np.bincount(block, column, count) for column in part.T], axis=1)
            for part in (np.ones_like(y), y, y**2, error)
        ]
    )  # (4, blocks, 3)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return Score(_r2(sums.sum(1)), _r2(np.einsum("rb,kbt->krt", drawn, sums)))


def _r2(sums: np.ndarray) -> np.ndarray:
    n, y, y2, error = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - error / (y2 - y**2 / n))
