"""What the synthetic days of each product are made of: its price level, and its flow in calm, normal and wild markets.

The numbers were searched so that spread, depth, volume and volatility of each regime come near those of recorded days,
cut into terciles of realised volatility (docs/synthetic.md has both side by side). No fuel oil was at hand: FU has the
flow of RB at its own price. Only best quotes were recorded, so that depth behind the best is assumed.
"""

from dataclasses import dataclass
from math import exp, log1p

import numpy as np

from lobarena.sim.flow import REGIME

REGIMES = ("calm", "normal", "wild")
REACH = 6.0  # ticks, scale of the distance of the orders behind the best
HEAL = 10.0  # growth of the rate of limit orders for each tick of the spread beyond two
PACE_S = 10.0  # how long a fast or slow spell lasts
CHASE = 5.0  # 1/s, of acting upon a reference price beyond a best price


@dataclass(frozen=True, slots=True)
class Regime:
    """Order flow in one state of the market."""

    volatility: float  # ticks per square root of a second, of the reference price
    near: float  # 1/s, limit orders one tick from the opposite best, both sides
    cancel: float  # 1/s, of each standing order
    behind: float  # lots that would stand at each price behind the best, were none taken
    limit_size: float  # lots, mean
    take: float  # 1/s, market orders that no other excited, both sides
    take_size: float  # lots, mean
    edge: float  # ticks beyond a best price from which on the reference price is acted upon
    lean: float  # 1/tick, how the reference price tilts buyers against sellers


@dataclass(frozen=True, slots=True)
class Profile:
    """One product."""

    price: int  # ticks, about which the days settle
    pull: float  # share of makers who withdraw when the price moves on, against takers who sweep
    branching: float  # market orders that one market order excites in all, below 1
    decay: float  # 1/s, how fast excitement fades
    swing: float  # 0 to 1, how much the pace of the market varies
    regimes: tuple[Regime, Regime, Regime]  # calm, normal, wild

    def rows(self) -> np.ndarray:
        """(3,) REGIME for the kernels."""
        rows = np.zeros(3, REGIME)
        for row, r in zip(rows, self.regimes, strict=True):
            row["near"], row["heal"], row["reach"], row["cancel"] = r.near, HEAL, REACH, r.cancel
            row["far"] = 2 * r.cancel * r.behind / r.limit_size / (1 - exp(-1 / REACH))
            row["take"], row["excite"], row["decay"] = r.take, self.branching * self.decay, self.decay
            row["lean"], row["edge"], row["chase"], row["pull"] = r.lean, r.edge, CHASE, self.pull
            row["limit_size"], row["take_size"] = _scale(r.limit_size), _scale(r.take_size)
        return rows


def _scale(mean: float) -> float:
    """Scale of the exponential whose whole part plus one is geometric with this mean (above 1)."""
    return -1 / log1p(-1 / mean)


_REBAR = (
    Regime(0.237, 18.5, 0.221, 262, 9, 1.85, 5.20, 0.075, 0.5),
    Regime(0.327, 26.6, 0.216, 305, 9, 2.70, 6.60, 0.047, 0.5),
    Regime(0.640, 26.8, 0.0852, 250, 9, 3.50, 9.30, 0.188, 0.5),
)
_COPPER = (
    Regime(0.116, 0.119, 0.0077, 25.2, 6.94, 0.0733, 4.85, 0.147, 0.896),
    Regime(0.169, 0.278, 0.0095, 25.6, 6.54, 0.115, 6.97, 0.190, 0.375),
    Regime(0.260, 0.293, 0.0197, 17.6, 6.03, 0.146, 4.68, 0.288, 0.336),
)
_SILVER = (
    Regime(0.0245, 0.836, 0.0082, 134.5, 3.30, 0.0746, 5.40, 0.160, 2.0),
    Regime(0.0660, 0.768, 0.0081, 70.5, 4.63, 0.0773, 6.31, 0.106, 0.232),
    Regime(0.170, 1.73, 0.0210, 77.7, 5.42, 0.170, 6.97, 0.187, 0.286),
)

PROFILES = {
    "FU": Profile(3_050, 0.4, 0.8, 0.5, 0.6, _REBAR),
    "RB": Profile(3_750, 0.4, 0.8, 0.5, 0.6, _REBAR),
    "CU": Profile(5_340, 0.8, 0.5, 1.0, 0.6, _COPPER),
    "AG": Profile(3_980, 0.8, 0.5, 1.0, 0.6, _SILVER),
}
