"""What teachers and students begin with: a ridge forecast from the numbers, contract by contract, and how far it is
corrected.

The line of a contract is its own ridge forecast, or that of all contracts together plus a ridge forecast of what this
one leaves over, whichever is better on validation days, target by target: where looks are few the others help. What
is trained learns what the line leaves over, in that contract's own standard deviations, and only the share of its
correction that helped on validation days counts (our formulation). A contract that was not among those learnt from has
the line of all of them together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lobarena.agents.teacher.chunks import Rows
from lobarena.agents.weight_file import WeightsError
from lobarena.agents.windows.numbers import COUNT
from lobarena.agents.windows.ridge import ridge
from lobarena.agents.windows.targets import TASKS

CUT = 6.0  # standard deviations at which a residual is cut in the loss, so that one jump does not outweigh a day
_NAMES = ("weight", "bias", "sd", "share")


@dataclass(frozen=True, eq=False)
class Base:
    """C + 1 lines, that of all contracts together first."""

    weight: np.ndarray  # (C + 1, COUNT, 3) f4
    bias: np.ndarray  # (C + 1, 3) f4
    sd: np.ndarray  # (C + 1, 3) f4 of what the line leaves over on training looks
    share: np.ndarray  # (C + 1, 3) f4 of the correction that counts, 0 to 1

    @classmethod
    def of(cls, learn: Rows, validate: Rows, contracts: int) -> "Base":
        """Penalties are chosen on validation looks. ValueError names a target that does not change."""
        shape = (contracts + 1, len(TASKS))
        weight, bias = np.zeros((contracts + 1, COUNT, len(TASKS)), np.float32), np.zeros(shape, np.float32)
        sd = np.ones(shape, np.float32)
        for place in range(contracts + 1):
            x, y = _known(learn, place)
            later, later_y = _known(validate, place)
            if len(y) < 2 or not len(later_y):
                raise ValueError("a contract has no look with a target to learn from or to choose on; give more days")
            for task, one in zip(TASKS, y.std(0).tolist(), strict=True):
                if one <= 1e-12:
                    raise ValueError(f"the target {task!r} is the same at every look of the training days; give others")
            lines = [
                _line(x, y, later, later_y, weight[0] * share, bias[0] * share) for share in (0, 1)
            ]  # alone, beside the first
            errors = [((later_y - later @ slope - level) ** 2).mean(0) for slope, level in lines]
            for k in range(len(TASKS)):
                slope, level = lines[int(errors[1][k] < errors[0][k])]
                weight[place, :, k], bias[place, k] = slope[:, k], level[k]
            left = y - (x @ weight[place] + bias[place])
            sd[place] = np.maximum(left.std(0), 1e-6)
        return cls(weight, bias, sd, np.ones(shape, np.float32))

    @classmethod
    def none(cls, contracts: int = 0) -> "Base":
        """Lines of zero, in units of the contract: what is trained forecasts everything."""
        shape = (contracts + 1, len(TASKS))
        zero, one = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        return cls(np.zeros((contracts + 1, COUNT, len(TASKS)), np.float32), zero, one, one)

    def line(self, numbers: np.ndarray, contract: np.ndarray | int) -> np.ndarray:
        """(n, COUNT) of (n,) or one contract -> (n, 3) forecasts in units of the contract."""
        if np.ndim(contract) == 0:
            return np.asarray(numbers @ self.weight[contract] + self.bias[contract])
        found = np.empty((len(numbers), len(TASKS)))
        for place in np.unique(contract):
            own = contract == place
            found[own] = self.line(numbers[own], int(place))
        return found

    def left(self, rows: Rows) -> np.ndarray:
        """(n, 3) what is to be learnt: targets less the line, in its standard deviations; NaN where unknown."""
        return np.asarray((rows.targets - self.line(rows.numbers, rows.contract)) / self.sd[rows.contract])

    def corrected(self, numbers: np.ndarray, contract: np.ndarray | int, correction: np.ndarray) -> np.ndarray:
        """(n, 3) the forecasts in units of the contract; correction : (n, 3) in standard deviations of the residual."""
        return np.asarray(self.line(numbers, contract) + (self.share * self.sd)[contract] * correction)

    def shared(self, left: np.ndarray, contract: np.ndarray, correction: np.ndarray) -> "Base":
        """With the shares that leave the smallest squared errors on these looks: least squares, cut to 0..1.

        left : (n, 3) as `left` has it; contract : (n,) places; of place 0, any other contract, all looks count
        """
        share = self.share.copy()
        known = np.isfinite(left).all(1) & np.isfinite(correction).all(1)
        for place in range(len(share)):
            own = known & ((contract == place) | (place == 0))
            if own.any():
                told = correction[own].astype(np.float64)
                share[place] = np.clip((left[own] * told).sum(0) / np.maximum((told**2).sum(0), 1e-12), 0.0, 1.0)
        return replace(self, share=share)

    def arrays(self) -> dict[str, np.ndarray]:
        """By name, for a file."""
        return {f"base.{name}": getattr(self, name) for name in _NAMES}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], contracts: Sequence[str]) -> "Base":
        """WeightsError when an array is missing, of another shape, not finite, or one too many."""
        rows, tasks = len(contracts) + 1, len(TASKS)
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_NAMES, (rows, tasks))
        shapes["weight"] = (rows, COUNT, tasks)
        if more := {name for name in arrays if name.startswith("base.")} - {f"base.{name}" for name in _NAMES}:
            raise WeightsError(f"an array {min(more)!r} that no line has; train again")
        for name, shape in shapes.items():
            found = arrays.get(f"base.{name}")
            if found is None or found.shape != shape or found.dtype != np.float32 or not np.isfinite(found).all():
                raise WeightsError(f"array base.{name} is not float32{shape} of finite numbers; train again")
        sd, share = arrays["base.sd"], arrays["base.share"]
        if not (sd > 0).all() or not ((share >= 0) & (share <= 1)).all():
            raise WeightsError("array base.sd is not above 0, or base.share not within 0 and 1; train again")
        return cls(**{name: arrays[f"base.{name}"] for name in _NAMES})


def _line(
    x: np.ndarray, y: np.ndarray, later: np.ndarray, later_y: np.ndarray, weight: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(COUNT, 3) and (3,): a line plus a ridge forecast of what it leaves over."""
    line = ridge(x, y - x @ weight - bias, later, later_y - later @ weight - bias)
    slope = line.weight / line.scale[:, None]
    return weight + slope, bias + line.bias - line.shift @ slope


def _known(rows: Rows, place: int) -> tuple[np.ndarray, np.ndarray]:
    own = np.isfinite(rows.targets).all(1) & ((rows.contract == place) | (place == 0))
    return rows.numbers[own].astype(np.float64), rows.targets[own]
