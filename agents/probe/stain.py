"""A stain: a layer's features standardised and reduced to a few directions, as training rows say."""

from dataclasses import dataclass

import numpy as np

_CHUNK = 8_192  # rows whose products are summed in float32; the sums of chunks are float64
_FLAT = 1e-6  # of the largest variance: directions below it are rounding


@dataclass(frozen=True, eq=False)
class Stain:
    """z = (h - mean) @ directions: p directions of unit variance on the training rows.

    Equal variances make the read-out equally able in every layer: at one ridge penalty a it has p / (1 + a) effective
    parameters whatever the layer's spectrum is.
    """

    mean: np.ndarray  # (D,) in the precision of the features
    directions: np.ndarray  # (D, p) likewise; columns of 0 where the rank ends

    def apply(self, features: np.ndarray) -> np.ndarray:
        """(m, p) f8 of features (m, D)."""
        return np.asarray((features - self.mean) @ self.directions, np.float64)


def fit_stain(features: np.ndarray, rank: int) -> Stain:
    """Standardise, then the first `rank` principal components, whitened; features (m, D) of training rows alone.

    A feature that is constant on the training rows is left out.
    """
    rows, width = features.shape
    mean = features.mean(axis=0, dtype=np.float64).astype(features.dtype)
    products = np.zeros((width, width))
    for start in range(0, rows, _CHUNK):
        part = features[start : start + _CHUNK] - mean
        products += part.T @ part
    products /= rows
    deviation = np.sqrt(np.diag(products))
    scale = np.where(deviation > _FLAT * np.abs(mean), 1 / np.where(deviation > 0, deviation, 1), 0.0)
    variances, vectors = np.linalg.eigh(products * np.outer(scale, scale))
    first = np.arange(width - 1, max(width - 1 - rank, -1), -1)
    kept = variances[first] > max(_FLAT * variances[-1], 0)
    unit = np.where(kept, 1 / np.sqrt(np.where(kept, variances[first], 1)), 0.0)
    return Stain(mean, np.asarray(scale[:, None] * vectors[:, first] * unit, features.dtype))
