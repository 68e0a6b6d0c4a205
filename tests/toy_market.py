"""A market of 60 lines with the environment's interface, sound or broken in one named way; and many of it at once."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

STEPS, LIMIT = 60, 10
IDLE, NARROW, WIDE, CLEAR = range(4)
DISTANCE, CHANCE = {NARROW: -0.5, WIDE: 1.0}, {NARROW: 0.5, WIDE: 0.2}
LOW, HIGH = np.array([-10, -1, 0, -10], np.float32), np.array([10, 1, 1, 10], np.float32)


class ToyMarket(gymnasium.Env):
    """Quote narrow and lose, or wide and earn, about a mid that walks at random. `fault` names what is broken."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, fault: str = "", steps: int = STEPS) -> None:
        self.fault, self.steps, self.altered = fault, steps, steps + 1
        self.observation_space = gymnasium.spaces.Box(LOW, HIGH, dtype=np.float32)
        self.action_space = gymnasium.spaces.Discrete(4)
        self.part_names = ("pnl", "bonus") if fault == "parts" else ("pnl",)
        self.fee = {"costly": 5.0, "rebate": -0.05, "free": 0.0}.get(fault, 0.1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        rng = np.random.default_rng(7) if self.fault == "seedless" else self.np_random
        self.moves, self.luck = rng.normal(size=self.steps + 1), rng.random((self.steps, 2))
        self.moves[self.altered :] += 1.0
        self.now = self.position = 0
        self.wealth = self.fees = 0.0
        self.shown = np.zeros(4, np.float32)
        return self._observe(), self._info(0.0)

    def alter_after(self, time: int) -> None:
        """Change everything that comes after a time, from the next reset on."""
        self.altered = time

    def step(self, action: Any) -> Any:
        if self.fault == "picky" and action == CLEAR:
            raise RuntimeError("not now")
        before, lots = self.wealth, 0
        edge = DISTANCE.get(int(action), 0.0) + (3.0 if self.fault == "churn" else 0.0)
        for side, luck in zip((1, -1), self.luck[self.now], strict=True):
            if luck < CHANCE.get(int(action), 0.0) and abs(self.position + side) <= LIMIT:
                self.position, lots, self.wealth = self.position + side, lots + 1, self.wealth + edge
        if action == CLEAR:
            lots, self.wealth, self.position = abs(self.position), self.wealth - 0.5 * abs(self.position), 0
        self.fees += self.fee * lots
        move = 0.0 if self.fault == "churn" else self.moves[self.now]
        self.wealth += self.position * move - self.fee * lots
        self.now += 1
        over = self.now == self.steps
        reward = self.wealth - before + (1.0 if self.fault == "unearned" else 0.0)
        reward *= {"small": 1e-9, "large": 1e9}.get(self.fault, 1.0)
        return self._observe(), reward, over, False, self._info(reward)

    def _observe(self) -> np.ndarray:
        if self.fault != "stale" or self.now % 40 == 0:
            seen = self.moves[self.now] if self.fault == "foresight" else self.moves[self.now - 1] if self.now else 0.0
            position = 0.0 if self.fault == "blind" else self.position / LIMIT
            noise = np.random.default_rng().normal() if self.fault == "random" else 0.0  # noise of no seed
            self.shown = np.array([seen, position, 1 - self.now / self.steps, noise], np.float32)
        shown = np.clip(self.shown, LOW, HIGH)
        if self.now == 20 and self.fault in ("nan", "bounds"):
            shown[3] = np.nan if self.fault == "nan" else 11.0
        return shown

    def _info(self, reward: float) -> dict[str, Any]:
        parts = [reward, 1.0] if self.fault == "parts" else [reward]
        told = {"wealth": self.wealth, "position": self.position, "fees": self.fees, "time": self.now}
        return {} if self.fault == "silent" else told | {"parts": np.array(parts)}


class ToyVector(VectorEnv):
    """`num_envs` toy markets that restart on the step after their end; env i of seed s is seeded s + i."""

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, num_envs: int, **options: Any) -> None:
        self.num_envs, self.envs = num_envs, [ToyMarket(**options) for _ in range(num_envs)]
        for k, env in enumerate(self.envs):
            env.steps += k  # so that they end at different times
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.part_names = self.envs[0].part_names
        self.over = np.zeros(num_envs, bool)
        self.seen = np.zeros((num_envs, 4), np.float32)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        rows = np.flatnonzero((options or {}).get("reset_mask", np.ones(self.num_envs, bool)))
        for k in rows:
            self.seen[k], _ = self.envs[k].reset(seed=None if seed is None else int(seed) + int(k))
        self.over[rows] = False
        return self.seen.copy(), self._arrays([env._info(0.0) for env in self.envs])

    def step(self, actions: Any) -> Any:
        rewards, over, infos = np.zeros(self.num_envs), np.zeros(self.num_envs, bool), []
        for k, env in enumerate(self.envs):
            if self.over[k]:
                self.seen[k], info = env.reset()
            else:
                self.seen[k], rewards[k], over[k], _, info = env.step(actions[k])
            infos.append(info)
        self.over = over
        return self.seen.copy(), rewards, over.copy(), np.zeros(self.num_envs, bool), self._arrays(infos)

    def _arrays(self, infos: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        return {key: np.array([info[key] for info in infos]) for key in infos[0]}
