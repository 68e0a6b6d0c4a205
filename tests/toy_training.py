"""A market that is learnt in a second: quoting wide earns, quoting at the touch loses; and two learners for it.

`toy_training:Toy-v0` is a vector environment of the same interface as the real one, NEXT_STEP autoreset included.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

LENGTH = 20  # looks of an episode


class Toy(gymnasium.vector.VectorEnv):
    """The observation tells which of ten offsets earns now; the others lose. Continuous: how near a[0] and a[1] are."""

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, num_envs=1, action="offsets", between=(0, 10), contract=("TOY",), reward="pnl", **options):
        self.num_envs, self.action = num_envs, action
        self.episodes = [(contract[0], start) for start in range(*between)]
        self.part_names = ("pnl",)
        box = gymnasium.spaces.Box
        self.single_observation_space = box(-10.0, 10.0, (3,), np.float32)
        actions = {"offsets": gymnasium.spaces.Discrete(10), "continuous": box(-1.0, 1.0, (2,), np.float32)}
        self.single_action_space = actions[action]
        batch = gymnasium.vector.utils.batch_space
        self.observation_space = batch(self.single_observation_space, num_envs)
        self.action_space = batch(self.single_action_space, num_envs)

    def reset(self, *, seed=None, options=None):
        mask = (options or {}).get("reset_mask")
        if mask is not None:  # only these begin anew, on their own streams
            self.step_of[mask], self.wealth[mask], self.held[mask], self.again[mask] = 0, 0.0, 0.0, False
            return self._observe(np.flatnonzero(mask)), self._infos()
        episodes = (options or {}).get("episode")
        own = seed if isinstance(seed, list) else range(seed or 0, (seed or 0) + self.num_envs)
        seeds = [(s, 0) for s in own]
        if episodes is not None:
            seeds = [(self.episodes[k][1], 1) for k in episodes]
        self.rngs = [np.random.default_rng(pair) for pair in seeds]
        self.step_of = np.zeros(self.num_envs, np.int64)
        self.wealth, self.held = np.zeros(self.num_envs), np.zeros(self.num_envs)
        self.again = np.zeros(self.num_envs, bool)
        return self._observe(range(self.num_envs)), self._infos()

    def _observe(self, rows):
        if not hasattr(self, "seen") or len(self.seen) != self.num_envs:
            self.seen = np.zeros((self.num_envs, 3), np.float32)
        self.seen = self.seen.copy()
        for row in rows:
            self.seen[row] = self.rngs[row].uniform(-1, 1, 3)
        return self.seen

    def step(self, actions):
        good = np.where(self.seen[:, 0] > 0, 4, 2)
        if self.action == "offsets":
            reward = np.where(np.asarray(actions) == good, 1.0, -1.0)
        else:
            reward = 1.0 - np.abs(np.asarray(actions)[:, 0] - self.seen[:, 0]) - np.abs(np.asarray(actions)[:, 1] - 0.5)
        fresh = self.again
        reward = np.where(fresh, 0.0, reward)
        self.step_of = np.where(fresh, 0, self.step_of + 1)
        self.wealth = np.where(fresh, 0.0, self.wealth + reward)
        self.held = np.where(fresh, 0.0, 1.0)
        self.again = self.step_of >= LENGTH
        self._observe(range(self.num_envs))
        return self.seen, reward, self.again.copy(), np.zeros(self.num_envs, bool), self._infos()

    def _infos(self):
        return {"wealth": self.wealth.copy(), "map": self.held.copy(), "parts": self.wealth[:, None].copy()}


gymnasium.register("Toy-v0", vector_entry_point=Toy)


@dataclass
class Linear:
    """A linear softmax policy by REINFORCE without a baseline, with momentum: enough state to be worth keeping."""

    alpha: float = 0.05  # learning rate
    broken_at: int = 0  # slices after which its weights are NaN; 0 is never
    slow: float = 0.0  # s a slice takes longer

    name: ClassVar[str] = "linear"
    budget: ClassVar[int] = 4_000
    envs: ClassVar[int] = 8
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {"alpha": ("float", 1e-4, 0.5, "log")}

    def environment(self):
        return {"observation": ("levels",), "action": "offsets", "reward": "pnl"}

    def begin(self, observation_space, action_space, seed):
        self.shape = (observation_space.shape[0] + 1, int(action_space.n))
        self.theta = np.random.default_rng(seed).normal(0, 0.01, self.shape).astype(np.float32)
        self.momentum, self.slices = np.zeros(self.shape), 0

    def _features(self, observations):
        return np.concatenate([np.sign(observations), np.ones((len(observations), 1))], axis=1).astype(np.float32)

    def learn(self, venv, steps, done, seed):
        import time

        rng, total = np.random.default_rng(seed), 0.0
        observations, _ = venv.reset(seed=seed)
        for _ in range(steps // venv.num_envs):
            x = self._features(observations)
            logits = x @ self.theta
            p = np.exp(logits - logits.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            chosen = (p.cumsum(1) > rng.random((len(x), 1))).argmax(1)
            observations, reward, *_ = venv.step(chosen)
            total += float(reward.sum())
            slope = -p
            slope[np.arange(len(x)), chosen] += 1
            self.momentum = 0.9 * self.momentum + x.T @ (slope * reward[:, None]) / len(x)
            self.theta = (self.theta + self.alpha * (1 - done) * self.momentum).astype(np.float32)
        self.slices += 1
        time.sleep(self.slow)
        if self.broken_at and self.slices >= self.broken_at:
            self.theta[0, 0] = np.nan
        return {"reward": total / steps}

    def act(self, observations):
        return (self._features(observations) @ self.theta).argmax(1)

    def weights(self):
        return {"theta": self.theta.copy()}

    def load_weights(self, weights):
        if set(weights) != {"theta"} or weights["theta"].shape != self.shape:
            raise ValueError(f"theta {self.shape} is needed")
        self.theta = weights["theta"].copy()

    def state(self):
        return {"momentum": self.momentum.copy(), "slices": np.array(self.slices)}

    def load_state(self, state):
        self.momentum, self.slices = state["momentum"].copy(), int(state["slices"])
