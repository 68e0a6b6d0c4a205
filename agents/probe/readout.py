"""A read-out: ridge regression in closed form, every penalty and every target at once."""

from dataclasses import dataclass

import numpy as np

FOLDS = 5  # blocks of time of the inner cross-validation
PENALTIES = np.logspace(-4, 3, 15)  # of a feature's variance, which is 1


@dataclass(frozen=True, eq=False)
class Readout:
    """Forecasts z @ weights + intercept of Y targets."""

    weights: np.ndarray  # (p, Y) f8
    intercept: np.ndarray  # (Y,) f8
    penalty: np.ndarray  # (Y,) f8, the one that the inner cross-validation chose

    def forecast(self, z: np.ndarray) -> np.ndarray:
        """(m, Y) of features (m, p)."""
        return np.asarray(z @ self.weights + self.intercept)


def fit_readout(z: np.ndarray, y: np.ndarray, time: np.ndarray) -> Readout:
    """Least |y - z w - b|^2 / m + a |w|^2 with the penalty a of least squared error over FOLDS blocks of time.

    Each target has its own penalty. A pass over the rows makes one Gram matrix a fold; folds left out, penalties and
    targets are algebra of those (scikit-learn's RidgeCV leaves out single rows, which leaks where horizons overlap, or
    goes over the rows for every fold and penalty).

    z : (m, p) f8; y : (m, Y) f8; time : (m,), of training rows alone
    """
    edges = np.quantile(time, np.arange(1, FOLDS) / FOLDS)
    fold = np.searchsorted(edges, time, "right")
    parts = [_sums(z[fold == k], y[fold == k]) for k in range(FOLDS)]
    whole = tuple(np.sum([part[i] for part in parts], axis=0) for i in range(6))
    missed = np.zeros((len(PENALTIES), y.shape[1]))
    for part in parts:
        rest = tuple(total - own for total, own in zip(whole, part, strict=True))
        if part[0] > 0 and rest[0] > 0:
            weights, centre, level = _solve(rest)
            missed += _missed(part, weights, centre, level)
    best = missed.argmin(axis=0)
    weights, centre, level = _solve(whole)
    chosen = weights[best, :, np.arange(y.shape[1])].T
    return Readout(chosen, level - centre @ chosen, PENALTIES[best])


def _sums(z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Rows, sums of z and y, and sums of z'z, z'y and y^2."""
    return np.array(len(z)), z.sum(axis=0), y.sum(axis=0), z.T @ z, z.T @ y, (y * y).sum(axis=0)


def _solve(sums: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(A, p, Y) weights of every penalty, (p,) and (Y,) means."""
    n, z, y, zz, zy, _ = sums
    centre, level = z / n, y / n
    variances, vectors = np.linalg.eigh(zz / n - np.outer(centre, centre))
    turned = vectors.T @ (zy / n - np.outer(centre, level))
    shrunk = turned / (np.maximum(variances, 0)[:, None] + PENALTIES[:, None, None])
    return vectors @ shrunk, centre, level


def _missed(part: tuple[np.ndarray, ...], weights: np.ndarray, centre: np.ndarray, level: np.ndarray) -> np.ndarray:
    """(A, Y) squared errors, summed over the rows of a fold, of the weights that others made."""
    n, z, y, zz, zy, yy = part
    zz = zz - np.outer(z, centre) - np.outer(centre, z) + n * np.outer(centre, centre)
    zy = zy - np.outer(z, level) - np.outer(centre, y) + n * np.outer(centre, level)
    yy = yy - 2 * level * y + n * level**2
    return np.asarray(yy - 2 * (weights * zy).sum(axis=1) + (weights * (zz @ weights)).sum(axis=1))
