"""IMM's quotes as orders on a ladder, and its expert, LTIIC, as a function of the observation."""

from dataclasses import dataclass

import numpy as np

LEVELS = 5  # a side of the ladder
LEAN = 3.0  # ticks of m* at 1
DEEPEST = 5.0  # ticks behind the best of delta* at 1; a first level beyond the ladder withdraws the side


def ladder(quotes: np.ndarray) -> np.ndarray:
    """Quotes (m*, delta*, phi bid, phi ask) in -1..1, (n, 4) -> shares of the order size at each level, (n, 10) f4.

    The paper's action: a desired quoted mid m* about the reference price, a desired spread delta*, and phi, how the
    volume spreads over the price levels. Its reference price moves only with the best prices, so our levels are ticks
    behind the own best price of each side: the bid's first level is round(d - 3 m*), the ask's round(d + 3 m*), d =
    5 (1 + delta*) / 2, not before the best; level j behind the first gets phi'^j, phi' = (1 + phi) / 2 (our form).
    """
    lean, depth = LEAN * quotes[:, 0], DEEPEST * (1 + quotes[:, 1]) / 2
    level = np.arange(LEVELS)
    sides = []
    for first, phi in ((depth - lean, quotes[:, 2]), (depth + lean, quotes[:, 3])):
        behind = level - np.rint(first).clip(0)[:, None]
        sides.append(np.where(behind >= 0, ((1 + phi[:, None]) / 2) ** behind.clip(0), 0))
    return np.concatenate(sides, 1).astype(np.float32)


@dataclass(frozen=True)
class Expert:
    """LTIIC(a, b, d), the suboptimal expert of IMM: m* = b I + d s, half distance a, I inventory, s the trend.

    The paper's expert leans linearly with inventory and a predicted trend; the coefficients and s, the imbalance of the
    best sizes, are ours. `order_size` at the first level of each side.
    """

    a: float  # ticks behind the best prices
    b: float  # ticks at the position limit: negative, a long position lowers both quotes
    d: float  # ticks a unit of imbalance

    def __call__(self, inventory: np.ndarray, trend: np.ndarray) -> np.ndarray:
        """inventory / limit and trend, (n,) -> quotes (n, 4) f4 in -1..1."""
        lean = (self.b * inventory + self.d * trend) / LEAN
        depth = np.full_like(lean, 2 * self.a / DEEPEST - 1)
        narrow = np.full_like(lean, -1.0)
        return np.stack([lean, depth, narrow, narrow], 1).clip(-1, 1).astype(np.float32)
