"""Where a learner that reads the book's history finds what in its observations."""

from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium
import numpy as np

from lobarena.sim.blocks import HISTORY, ROW, composed

INVENTORY = "position / limit"


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns before the history window, then `looks` looks of `width` numbers, oldest first."""

    flat: tuple[str, ...]
    looks: int
    width: int

    @classmethod
    def of(cls, blocks: Sequence[str], history: int, space: gymnasium.Space[np.ndarray]) -> "Columns":
        """The columns of an environment's observation; ValueError when its space is of other blocks."""
        if not blocks or blocks[-1] != HISTORY:
            raise ValueError(f"observation is {blocks}; give {HISTORY!r} as its last block")
        names = [feature.name for feature in composed(blocks, history)]
        if space.shape != (len(names),):
            raise ValueError(
                f"the observation space has shape {space.shape}, not {(len(names),)}; make the environment with the "
                f"learner's environment(): observation={tuple(blocks)}, history={history}"
            )
        return cls(tuple(names[: len(names) - history * len(ROW)]), history, len(ROW))

    def gains(self) -> np.ndarray:
        """What networks multiply the columns before the window by: one lot of a wide limit must be seen."""
        gains = np.ones(len(self.flat), np.float32)
        gains[self.at(INVENTORY)] = 10.0
        return gains

    def at(self, name: str) -> int:
        """The column of that name, before the history window."""
        return self.flat.index(name)
