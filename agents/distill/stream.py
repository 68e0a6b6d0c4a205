"""Students look by look, in numpy: the state is carried on, and a decision needs no torch. Equal to the batch to 1e-5.

Arrays are those of `student.Students` and `mixture.Mixture`, which say what is computed and have the same names.
"""

from collections.abc import Mapping

import numpy as np

from lobarena.agents.windows.numbers import INSTANT

CUT = 5.0  # standard deviations, as student.CUT
Arrays = Mapping[str, np.ndarray]


class Stream:
    """K students that follow one market."""

    def __init__(self, arrays: Arrays, blocks: int) -> None:
        self._shift, self._scale = arrays["shift"], arrays["scale"]
        self._enter = [arrays[f"enter.{k}"] for k in range(blocks)]
        self._leave = [arrays[f"leave.{k}"] for k in range(blocks)]
        self._head = arrays["head"]
        self.begin()

    def begin(self) -> None:
        """Forget everything: a new row of looks begins."""
        self._state = [np.zeros(leave.shape[::2], np.float32) for leave in self._leave]

    def read(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One look, (INSTANT,) f4 -> z (K, H) and forecasts (K, 3), standardised."""
        x = ((numbers[:INSTANT] - self._shift) / self._scale).clip(-CUT, CUT)
        u = np.broadcast_to(x.astype(np.float32), (len(self._head), INSTANT))
        for k, (enter, leave) in enumerate(zip(self._enter, self._leave, strict=True)):
            both = _apply(u, enter)
            width = both.shape[1] // 2
            gate = _sigmoid(both[:, :width])
            self._state[k] = h = (1 - gate) * self._state[k] + gate * both[:, width:]
            mixed = _apply(np.concatenate([u, h], 1), leave)
            u = mixed * _sigmoid(mixed)
        return u, _apply(u, self._head)


class Fusion:
    """The gate: `mixture.Mixture` for one look."""

    def __init__(self, arrays: Arrays, form: str) -> None:
        self._form, self._tasks = form, arrays["tasks"]
        self._space, self._frequency, self._mean = arrays["space"], arrays["frequency"], arrays["mean"]
        self._score = arrays["score"]
        self._temperature = float(np.exp(np.clip(arrays["log_temperature"], -5, 5)))
        with np.errstate(divide="ignore"):
            self._prior = np.where(self._tasks > 0, arrays["prior"], -np.inf)
        experts = len(self._tasks)
        total = self._mean.sum(1, keepdims=True)
        self._others = (total - self._mean) / max(experts - 1, 1)
        self._even = self._tasks / self._tasks.sum(0)

    def fuse(self, z: np.ndarray, told: np.ndarray, regime: int) -> tuple[np.ndarray, float, np.ndarray]:
        """z (K, H), forecasts (K, 3), regime -> forecast (3,), confidence in 0 .. 1, weights (K, 3)."""
        experts = len(z)
        u = np.einsum("ki,kip->kp", np.concatenate([z, told * self._tasks], 1), self._space)
        angle = u @ self._frequency.T
        phi = np.concatenate([np.cos(angle), np.sin(angle)], 1) / np.sqrt(len(self._frequency))
        total, own = phi.sum(0), (phi * phi).sum(1)
        pairs = total @ total - own.sum()
        agreement = pairs / (experts * (experts - 1)) if experts > 1 else float(own[0])
        weights = self._even
        if self._form != "average":
            if self._form == "learned":
                contribution = (u * self._score).sum(1)
            elif self._form == "empirical":
                with_others = phi @ total - own
                without = (pairs - 2 * with_others) / ((experts - 1) * (experts - 2))
                contribution = (with_others / (experts - 1) - without) * 2 / experts
            else:
                contribution = ((phi - self._mean[regime]) * self._others[regime]).sum(1) * 2 / experts
            score = contribution[:, None] / self._temperature + self._prior[regime]
            weights = np.exp(score - score.max(0))
            weights = weights / weights.sum(0)
        return (weights * told).sum(0), float(min(max(agreement, 0.0), 1.0)), weights


def _apply(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(K, in), (K, in + 1, out) -> (K, out)"""
    return np.asarray(np.matmul(x[:, None], weight[:, :-1])[:, 0] + weight[:, -1])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -80, 80))))
