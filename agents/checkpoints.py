"""Where a training stands: one file after each slice, from which it goes on to the same bits."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.weight_file import FORMAT, WeightsError, read_arrays, write

NAME = "checkpoint.safetensors"
_LARGEST = 1 << 30  # bytes; a replay buffer is in it
_HEADER = 64 << 20  # bytes; the history, a row a slice, is in it


@dataclass
class Checkpoint:
    """A training after a whole number of slices."""

    settings: dict[str, Any]  # all that the training depends on
    weights: dict[str, np.ndarray]
    state: dict[str, np.ndarray]
    best: dict[str, np.ndarray] = field(default_factory=dict)  # weights of the best validation
    history: list[dict[str, float]] = field(default_factory=list)  # a row a slice: steps, validation and logged scalars
    finished: bool = False

    @property
    def steps(self) -> int:
        """Environment steps learnt from."""
        return int(self.history[-1]["steps"]) if self.history else 0

    @property
    def best_row(self) -> dict[str, float]:
        """The first row of the best validation PnLMAP."""
        return max(self.history, key=lambda row: row["validation/pnlmap"])

    @property
    def stale(self) -> int:
        """Validations since the best one."""
        return len(self.history) - 1 - self.history.index(self.best_row) if self.history else 0


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Whole or not at all."""
    arrays = {
        f"{part}/{name}": array
        for part in ("weights", "state", "best")
        for name, array in getattr(checkpoint, part).items()
    }
    about = {"format": FORMAT} | {key: getattr(checkpoint, key) for key in ("settings", "history", "finished")}
    return write(folder / NAME, arrays, about)


def load(folder: Path) -> Checkpoint | None:
    """The checkpoint of a folder, None when there is none; WeightsError when it is damaged."""
    path = folder / NAME
    if not path.exists():
        return None
    arrays, about = read_arrays(path, _LARGEST, _HEADER)
    parts: dict[str, dict[str, np.ndarray]] = {"weights": {}, "state": {}, "best": {}}
    try:
        if about["format"] != FORMAT:
            raise KeyError(f"format {about['format']}")
        for name, array in arrays.items():
            part, _, own = name.partition("/")
            parts[part][own] = array
        return Checkpoint(about["settings"], **parts, history=about["history"], finished=about["finished"])
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path}: no checkpoint of this version ({error}); delete it, or train elsewhere") from error
