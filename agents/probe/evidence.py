"""What a probe looks at: hidden states of every layer beside what the market did next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lobarena.agents.windows.targets import TASKS

Quench = Callable[[int | None, np.ndarray | None, np.ndarray], np.ndarray]
"""(layer, mean, rows) -> (m, T) forecasts in the units of the targets, of the m places `rows` of the evidence.

The state of `layer` that the pooling reads is replaced by `mean` (D,) f8 and the forward pass goes on from there;
(None, None, rows) asks for the forecasts of the model as it is.
"""


@dataclass(frozen=True, eq=False)
class Evidence:
    """n windows of one or more contracts; ValueError says what is wrong with them and what to do.

    A row that is neither train nor test is not looked at; its numbers may be NaN. Within a contract every row of train
    comes before every row of test, and whoever makes the evidence leaves out the rows whose horizon reaches over.
    """

    hidden: Any  # (n, L, D) f2 or f4, an array or a memory map; read layer by layer, as hidden[:, l]
    targets: np.ndarray  # (n, T) f8 raw units: ticks, ticks, log(1 + lots)
    volatility: np.ndarray  # (n,) f8 of the past alone
    raw: np.ndarray  # (n, F) f8 hand-made features of the book, for the control
    time: np.ndarray  # (n,) i8 ns UTC of the look
    contract: np.ndarray  # (n,) whole numbers or text
    day: np.ndarray  # (n,) whole numbers, trading days: the blocks of the bootstrap
    train: np.ndarray  # (n,) bool
    test: np.ndarray  # (n,) bool
    names: tuple[str, ...]  # of the layers
    tasks: tuple[str, ...] = TASKS
    source: Mapping[str, Any] = field(default_factory=dict)  # what it was made of (model, prompt, data), as JSON values

    def __post_init__(self) -> None:
        n, layers, tasks = len(self.time), len(self.names), len(self.tasks)
        if len(self.hidden.shape) != 3 or self.hidden.shape[:2] != (n, layers):
            raise ValueError(
                f"hidden has shape {tuple(self.hidden.shape)}; give ({n} windows, {layers} named layers, width)"
            )
        shapes = {
            "targets": (n, tasks),
            "raw": (n, *self.raw.shape[1:2]),
            **dict.fromkeys(("volatility", "contract", "day", "train", "test"), (n,)),
        }
        for name, shape in shapes.items():
            if (found := getattr(self, name).shape) != shape:
                raise ValueError(f"{name} has shape {found}; {shape} belongs to {n} windows of {tasks} tasks")
        for what, names in (("layers", self.names), ("tasks", self.tasks)):
            if not names or len(set(names)) != len(names):
                raise ValueError(f"names of {what} are {', '.join(names) or 'none'}; give each its own")
        if self.train.dtype != bool or self.test.dtype != bool:
            raise ValueError("train and test are not bool; give masks of the rows")
        if (self.train & self.test).any():
            raise ValueError("rows stand in both train and test; take them out of one")
        for part in ("train", "test"):
            if not getattr(self, part).any():
                raise ValueError(f"no row is in {part}; give the days for both")
        self._finite()
        self._in_order()

    def _finite(self) -> None:
        used = self.train | self.test
        for name in ("targets", "volatility", "raw"):
            values = getattr(self, name)[used]
            if bad := int((~np.isfinite(values.reshape(len(values), -1))).any(axis=1).sum()):
                raise ValueError(f"{name} of {bad:,} rows is not finite; leave them out of train and test")

    def _in_order(self) -> None:
        for contract in np.unique(self.contract[self.train | self.test]):
            own = self.contract == contract
            before, after = self.time[own & self.train], self.time[own & self.test]
            if not len(before):
                raise ValueError(f"contract {contract} has no row in train, so its units are unknown; leave it out")
            if len(after) and before.max() >= after.min():
                raise ValueError(f"contract {contract} has rows of train that are not before its test; cut by time")

    def layer(self, place: int, rows: np.ndarray) -> np.ndarray:
        """(m, D) f4 states of one layer at the places `rows`; ValueError when one is not finite."""
        states: np.ndarray = np.asarray(self.hidden[:, place])[rows].astype(np.float32)
        if bad := int((~np.isfinite(states)).any(axis=1).sum()):
            raise ValueError(
                f"layer {self.names[place]} has {bad:,} states that are not finite (float16 ends at 65,504); "
                "scale the layer before it is stored"
            )
        return states
