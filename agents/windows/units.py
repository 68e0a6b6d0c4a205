"""The units of a contract: what its moves, spreads, volumes and sizes are measured by, from training days only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

STEP_S = 0.5  # seconds between two snapshots of the exchanges' feed, the step that moves and volumes are measured by

UNITS = np.dtype(
    [
        ("move", "f8"),  # ticks, sd of the mid over STEP_S
        ("spread", "f8"),  # ticks, mean
        ("volume", "f8"),  # lots, mean over STEP_S
        ("size", "f8"),  # lots, mean of the best sizes
    ],
    align=True,
)


@dataclass(frozen=True, slots=True)
class Units:
    """Of one contract; all are positive."""

    move: float  # ticks, sd of the mid over STEP_S
    spread: float  # ticks, mean
    volume: float  # lots, mean over STEP_S
    size: float  # lots, mean of the best sizes

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"the unit of {name} is {value}; fit it on a training day on which there was trading")

    @classmethod
    def of(cls, fitted: Mapping[str, float]) -> "Units":
        """From what `agents.calibration.fit` found; ValueError when something is missing."""
        if missing := {"sigma", "spread", "volume", "size"} - set(fitted):
            raise ValueError(f"nothing was fitted of {', '.join(sorted(missing))}; give the contract a training day")
        return cls(
            move=fitted["sigma"] * math.sqrt(STEP_S),
            spread=max(fitted["spread"], 1.0),
            volume=max(fitted["volume"] * STEP_S, 1e-3),
            size=max(fitted["size"], 1.0),
        )

    def record(self) -> np.ndarray:
        """(1,) UNITS, as kernels take them."""
        row = np.zeros(1, UNITS)
        row[0] = (self.move, self.spread, self.volume, self.size)
        return row
