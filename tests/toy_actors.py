"""A toy market with the interface of the vector environment: wide quotes earn, quotes at the touch lose.

The mid walks by whole ticks. A quote d ticks away is hit with probability exp(-d / 2) / 2 at each step, and each fill
moves the mid 1.5 ticks against its maker on average: a fill earns d - 1.5 ticks.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from lobarena.agents.checkpoints import Checkpoint, load, save
from lobarena.sim.blocks import ROW, composed

SHOWN = ("position / limit", "imbalance of the best sizes", "time left / length", "mid move since the last look")
LIMIT = 10  # lots
EPISODE = 100  # steps


class ToyMarket:
    """num_envs markets for the learner that gives `environment`.

    Action "continuous" is (lean, half spread) in -1..1, "ladder" the lots at 5 levels a side. Of the observation only
    position, imbalance, time left and moves of the mid say anything; all else is 0.
    """

    def __init__(self, num_envs: int, environment: dict[str, Any], poison: float = 0.0) -> None:
        self.num_envs, self.history, self.action = num_envs, environment["history"], environment["action"]
        names = [feature.name for feature in composed(environment["observation"], self.history)]
        self.places = [names.index(name) for name in SHOWN]
        self.width, self.looks = len(names), len(names) - self.history * len(ROW)
        self.poison = poison  # reward of the steps that only bring a new episode; the true environment gives 0
        low, shape = (-1.0, (2,)) if self.action == "continuous" else (0.0, (10,))
        self.single_action_space = gymnasium.spaces.Box(low, 1.0, shape, np.float32)
        self.single_observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (self.width,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        self.rng = np.random.default_rng(seed)
        self.position = np.zeros(self.num_envs)
        self.trend = np.zeros(self.num_envs)
        self.window = np.zeros((self.num_envs, self.history, len(ROW)), np.float32)
        self.age = self.rng.integers(0, EPISODE, self.num_envs)  # episodes end at different steps
        self.over = np.zeros(self.num_envs, bool)
        return self._observe(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        n = self.num_envs
        assert actions.shape == (n, *self.single_action_space.shape)
        assert np.isfinite(actions).all()
        assert (actions >= self.single_action_space.low).all()
        assert (actions <= 1).all()
        if self.action == "continuous":
            lean, half = 2 * actions[:, 0], 2.5 * (1 + actions[:, 1])
            bids, asks = (half - lean)[:, None].clip(0), (half + lean)[:, None].clip(0)
        else:
            distance = 0.5 + np.arange(5.0)
            bids = np.where(actions[:, :5] >= 0.5, distance, np.inf)
            asks = np.where(actions[:, 5:] >= 0.5, distance, np.inf)
        bought = (self.rng.random(bids.shape) < np.exp(-bids / 2) / 2) & (self.position < LIMIT)[:, None]
        sold = (self.rng.random(asks.shape) < np.exp(-asks / 2) / 2) & (self.position > -LIMIT)[:, None]
        buys, sells = bought.sum(1), sold.sum(1)
        self.trend = 0.8 * self.trend + 0.2 * self.rng.normal(size=n)
        move = np.round(self.trend + self.rng.normal(size=n) + 1.5 * np.sign(sells - buys))
        reward = np.where(bought, bids, 0).sum(1) + np.where(sold, asks, 0).sum(1)
        self.position = (self.position + buys - sells).clip(-LIMIT, LIMIT)
        reward = reward + self.position * move - 1.5 * np.minimum(buys, sells) - 0.02 * self.position**2
        self.age += 1
        again = self.over
        reward[again] = self.poison
        self.position[again], self.trend[again], self.age[again] = 0, 0, 0
        self.window = np.roll(self.window, -1, axis=1)
        self.window[:, -1] = 0
        self.window[:, -1, 0] = move
        self.window[again] = 0
        self.over = (self.age >= EPISODE) & ~again
        return self._observe(), reward, self.over.copy(), np.zeros(n, bool), {}

    def _observe(self) -> np.ndarray:
        seen = np.zeros((self.num_envs, self.width), np.float32)
        shown = [self.position / LIMIT, self.trend, 1 - self.age / EPISODE, self.window[:, -1, 0]]
        seen[:, self.places] = np.stack(shown, 1)
        seen[:, self.looks :] = self.window.reshape(self.num_envs, -1)
        return seen


def begun(learner: Any, market: ToyMarket, seed: int = 0) -> Any:
    """The learner with its networks made."""
    learner.begin(market.single_observation_space, market.single_action_space, seed)
    return learner


def assert_resumes(make: Callable[[], Any], market: ToyMarket, steps: int, folder: Path) -> None:
    """Two slices in one go leave the bits that a slice, a new learner with what a file kept, and a slice leave."""
    whole, first, second = (begun(make(), market, seed) for seed in (5, 5, 6))
    for done, seed in ((0.0, 11), (0.5, 12)):
        whole.learn(market, steps, done, seed)
    first.learn(market, steps, 0.0, 11)
    save(folder, Checkpoint({}, first.weights(), first.state()))
    kept = load(folder)
    assert kept is not None
    second.load_weights(kept.weights)
    second.load_state(kept.state)
    logged = second.learn(market, steps, 0.5, 12)
    assert np.isfinite(list(logged.values())).all()
    assert_same(whole, second)


def assert_same(one: Any, other: Any) -> None:
    """Two learners know the same, bit by bit."""
    for a, b in ((one.weights(), other.weights()), (one.state(), other.state())):
        assert a.keys() == b.keys()
        for name in a:
            assert a[name].dtype == b[name].dtype, name
            assert a[name].tobytes() == b[name].tobytes(), name


def mean_reward(learner: Any, market: ToyMarket, seed: int = 77, steps: int = 300) -> float:
    """Reward a step of the learner's greedy policy on unseen seeds."""
    observations, _ = market.reset(seed=seed)
    total = 0.0
    for _ in range(steps):
        observations, reward, *_ = market.step(learner.act(observations))
        total += float(reward.mean())
    return total / steps
