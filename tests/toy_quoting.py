"""A market of one formula with the vector environment's interface, in which the best action is known.

The mid walks at random. A quote k + 1 ticks from the mid is filled with probability FILLED[k]; then the mid moves
against it by a cost, so that it earns (k + 1 - cost) on average: little in a wild regime, which the observed
volatility tells. Fills of different quotes are independent: the best quotes are known one by one.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from lobarena.sim.blocks import composed

FILLED = np.array([0.95, 0.95, 0.9, 0.3, 0.2])
COST = {False: 2.2, True: 3.5}  # ticks; by whether the regime is wild
PAIRS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 3), (3, 1), (2, 5), (5, 2), None)  # `offsets`, None clears
BEST_OFFSETS = {False: 2, True: 4}  # (3, 3) and (5, 5)
BEST_LADDER = {False: [0, 0, 1, 1, 1] * 2, True: [0, 0, 0, 1, 1] * 2}
BEST_MEAN = {
    "offsets": (2 * 0.9 * 0.8 + 2 * 0.2 * 1.5) / 2,
    "ladder": (2 * (0.72 + 0.54 + 0.56) + 2 * (0.15 + 0.3)) / 2,
}
LIMIT = 20  # lots


def gain(distance: int, wild: bool) -> float:
    """Expected tick x lot a step of a quote `distance` ticks from the mid."""
    return float(FILLED[distance - 1] * (distance - COST[wild]))


class ToyMarket:
    """n markets; autoreset in the next step, as gymnasium's NEXT_STEP."""

    part_names = ("spread", "holding")

    def __init__(
        self, num_envs: int, action: str, observation: Sequence[str], looks: int = 100, noise: float = 0.3, **_: Any
    ) -> None:
        self.num_envs, self.action, self.looks, self.noise = num_envs, action, looks, noise
        features = composed(observation, 0)
        self.scales = {feature.name: (k, feature.scale) for k, feature in enumerate(features)}
        self.single_observation_space = gymnasium.spaces.Box(-10, 10, (len(features),), np.float32)
        self.single_action_space: gymnasium.spaces.Space[Any] = (
            gymnasium.spaces.Discrete(len(PAIRS)) if action == "offsets" else gymnasium.spaces.Box(0, 1, (10,))
        )
        table = np.zeros((len(PAIRS), 10), np.float32)  # lots at distances 1 to 5, bids first
        for k, pair in enumerate(PAIRS[:-1]):
            assert pair is not None
            table[k, pair[0] - 1] = table[k, 5 + pair[1] - 1] = 1
        self.ladders = table

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        n = self.num_envs
        self.rng = np.random.default_rng(seed)
        self.look, self.over = self.rng.integers(self.looks, size=n), np.zeros(n, np.bool_)
        self.position, self.wild, self.wealth = np.zeros(n), self.rng.random(n) < 0.5, np.zeros(n)
        return self._observe(), self._infos(np.zeros((n, 2)))

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        n, fresh = self.num_envs, self.over
        lots = self.ladders[actions] if self.action == "offsets" else np.round(actions)
        filled = (self.rng.random((n, 10)) < np.tile(FILLED, 2)) * lots
        earned = np.tile(np.arange(1.0, 6.0), 2) - np.where(self.wild, COST[True], COST[False])[:, None]
        moves = self.noise * self.rng.standard_normal(n)
        parts = np.stack([(filled * earned).sum(1), self.position * moves], 1)
        parts[fresh] = 0.0
        change = filled[:, :5].sum(1) - filled[:, 5:].sum(1)
        self.position = np.where(fresh, 0.0, np.clip(self.position + change, -LIMIT, LIMIT))
        if self.action == "offsets":
            self.position[actions == len(PAIRS) - 1] = 0.0
        self.wealth = np.where(fresh, 0.0, self.wealth + parts.sum(1))
        self.look = np.where(fresh, 0, self.look + 1)
        self.wild ^= self.rng.random(n) < 0.1
        self.over = self.look >= self.looks
        return self._observe(), parts.sum(1), self.over, np.zeros(n, np.bool_), self._infos(parts)

    def _observe(self) -> np.ndarray:
        out = np.zeros((self.num_envs, len(self.scales)), np.float32)
        for name, value in (
            ("bid 1 distance", 1.0),
            ("ask 1 distance", 1.0),
            ("volatility, memory 0.98", 0.2 + 1.6 * self.wild),
            ("position / limit", self.position / LIMIT),
            ("time left / length", 1 - self.look / self.looks),
        ):
            if name in self.scales:
                at, scale = self.scales[name]
                out[:, at] = value / scale
        return out

    def _infos(self, parts: np.ndarray) -> dict[str, np.ndarray]:
        return {"wealth": self.wealth.copy(), "position": self.position.astype(np.int64), "parts": parts}
