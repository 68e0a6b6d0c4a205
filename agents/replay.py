"""The past as a ring of rows, one row a step of the vector environment."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lobarena.agents.torch_arrays import Arrays


class Batch(NamedTuple):
    """Transitions; B rows."""

    seen: Tensor  # (B, F) f4
    action: Tensor  # (B, A) f4
    reward: Tensor  # (B,) f4, tick x lot
    terminated: Tensor  # (B,) f4
    then: Tensor  # (B, F) f4, the observation that followed
    moves: Tensor  # (B, H) f4, the mid's move over each horizon from here
    known: Tensor  # (B, H) f4, 1 where that horizon lies inside the path


class Replay:
    """The last `rows` steps of n environments; an observation is kept once, as float16: row t + 1 follows row t.

    `valid` says which steps count: those from an observation that was not an episode's last, and with a row after them.
    """

    FIELDS = ("seen", "action", "reward", "move", "terminated", "valid", "count")

    def __init__(self, rows: int, n: int, seen: int, actions: int) -> None:
        self.rows, self.n = rows, n
        self.seen = np.zeros((rows, n, seen), np.float16)
        self.action = np.zeros((rows, n, actions), np.float32)
        self.reward = np.zeros((rows, n), np.float32)
        self.move = np.zeros((rows, n), np.float32)  # of the mid, from the look before to this one
        self.terminated = np.zeros((rows, n), np.bool_)
        self.valid = np.zeros((rows, n), np.bool_)
        self.count = np.zeros(1, np.int64)  # rows ever written

    def add(
        self,
        seen: np.ndarray,
        move: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        terminated: np.ndarray,
        valid: np.ndarray,
    ) -> None:
        """One step: what was seen (n, F), the mid's last move, what was done, and what came of it."""
        row = int(self.count[0]) % self.rows
        self.seen[row], self.move[row], self.action[row] = seen, move, action
        self.reward[row], self.terminated[row], self.valid[row] = reward, terminated, valid
        self.count += 1

    def cut(self) -> None:
        """The next row does not follow the newest one: its steps do not count."""
        self.valid[int(self.count[0] - 1) % self.rows] = False

    def sample(self, size: int, horizons: tuple[int, ...], rng: np.random.Generator) -> Batch:
        """About `size` transitions, drawn with equal chances; the few draws that do not count are left out."""
        held = min(int(self.count[0]), self.rows)
        oldest = int(self.count[0]) - held
        at, env = rng.integers(held - 1, size=size), rng.integers(self.n, size=size)  # the newest has nothing after it
        fits = self.valid[(oldest + at) % self.rows, env]
        at, env = at[fits], env[fits]
        row, after = (oldest + at) % self.rows, (oldest + at + 1) % self.rows
        far = max(horizons)
        ahead = at[:, None] + np.arange(far + 1)  # (B, far + 1)
        path = (oldest + ahead) % self.rows
        steps = np.cumsum(self.move[path[:, 1:], env[:, None]], 1)
        whole = np.logical_and.accumulate(self.valid[path[:, :-1], env[:, None]] & (ahead[:, 1:] < held), 1)
        ends = [h - 1 for h in horizons]
        return Batch(
            *(
                torch.from_numpy(array.astype(np.float32))
                for array in (
                    self.seen[row, env],
                    self.action[row, env],
                    self.reward[row, env],
                    self.terminated[row, env],
                    self.seen[after, env],
                    steps[:, ends],
                    whole[:, ends],
                )
            )
        )

    def arrays(self) -> Arrays:
        """Everything in it."""
        return {f"replay.{name}": getattr(self, name).copy() for name in self.FIELDS}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Replay":
        """The ring that arrays() came from; ValueError when one is missing or does not fit."""
        missing = [name for name in cls.FIELDS if f"replay.{name}" not in arrays]
        if missing:
            raise ValueError(f"the replay buffer has no {', '.join(missing)}; start the training again")
        seen, action = arrays["replay.seen"], arrays["replay.action"]
        rows, n, width = seen.shape
        replay = cls(rows, n, width, action.shape[-1])
        for name in cls.FIELDS:
            have, needs = arrays[f"replay.{name}"], getattr(replay, name)
            if have.shape != needs.shape or have.dtype != needs.dtype:
                raise ValueError(f"replay.{name} is {have.dtype} {have.shape}, not {needs.dtype} {needs.shape}")
            setattr(replay, name, have.copy())
        return replay
