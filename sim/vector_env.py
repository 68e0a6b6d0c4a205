"""Many environments of one kind as gymnasium's native vector environment: one kernel call advances them all."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from lobarena.sim.batch import Batch
from lobarena.sim.env import MarketMaking
from lobarena.sim.env_spaces import action_space, fill, observation_space
from lobarena.sim.settings import Settings


class VectorMarketMaking(gymnasium.vector.VectorEnv[np.ndarray, Any, np.ndarray]):
    """`num_envs` of MarketMaking, which documents them; equal to single ones, environment by environment.

    An environment whose episode has ended is reset by the next step, whose action and reward do not count for it
    (AutoresetMode.NEXT_STEP). `infos` holds the keys of the single environment with (n,) arrays, parts (n, P).
    `reset(seed=s)` seeds environment i with s + i; options={"episode": [...]} names one of `episodes` for each.
    """

    metadata: dict[str, Any] = MarketMaking.metadata | {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, num_envs: int = 1, **settings: Any) -> None:
        self.settings, self.num_envs = Settings(**settings), num_envs
        self.batch = Batch(self.settings, num_envs)
        self.part_names = self.batch.part_names
        self.single_observation_space = observation_space(self.batch.layout)
        self.single_action_space = action_space(self.settings.action)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.generators: list[np.random.Generator] = [np.random.default_rng() for _ in range(num_envs)]
        batch = self.batch
        self._actions, self._width = batch.actions[:, 0], (self.single_action_space.shape or (1,))[0]
        self._seen, self._money, self._parts = batch.observations[:, 0], batch.money[:, :, 0], batch.parts[:, 0]
        self._positions, self._times = batch.positions[:, 0], batch.times
        self._out, self._over = batch.out[:, 0], np.ones(num_envs, bool)
        self._never = np.zeros(num_envs, bool)  # truncations, of every step
        self._never.flags.writeable = False

    @property
    def episodes(self) -> list[tuple[int, int, int]]:
        """Every whole episode of the data: (place of its day, opens, closes), ns UTC."""
        return self.batch.episodes

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode everywhere, or where options["reset_mask"], (n,) bool, says so."""
        n, options = self.num_envs, options or {}
        if seed is not None:
            seeds = [seed + i for i in range(n)] if isinstance(seed, int) else list(seed)
            if len(seeds) != n:
                raise ValueError(f"{len(seeds)} seeds for {n} environments")
            for i, one in enumerate(seeds):
                if one is not None:
                    self.generators[i], _ = gymnasium.utils.seeding.np_random(one)
        mask = np.asarray(options.get("reset_mask", np.ones(n, bool)))
        if mask.shape != (n,) or mask.dtype != bool:
            raise ValueError(f"reset_mask is {mask.dtype} of shape {mask.shape}; give bool of shape {(n,)}")
        episodes = options.get("episode")
        if episodes is not None and len(episodes) != n:
            raise ValueError(f"{len(episodes)} episodes named for {n} environments")
        rows = np.flatnonzero(mask).tolist()
        for i in rows:
            self.batch.begin(i, self.generators[i], None if episodes is None else episodes[i])
        self.batch.settle(rows)
        self._over = self._out.copy()
        return self._seen.copy(), self._told()[1]

    def step(self, actions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """(observations, rewards in tick x lot, terminated, truncated (never), infos); see the class."""
        fill(self._actions, actions, self._width)
        batch = self.batch
        if np.count_nonzero(self._over):
            for i in np.flatnonzero(self._over).tolist():
                batch.begin(i, self.generators[i])
        if batch.spoilt:
            raise gymnasium.error.ResetNeeded("an action meant nothing, and some environments moved; call reset()")
        batch.step()
        self._over = over = self._out.copy()
        rewards, infos = self._told()
        return self._seen.copy(), rewards, over, self._never, infos

    def _told(self) -> tuple[np.ndarray, dict[str, Any]]:
        """Rewards and infos."""
        rewards, wealth, fees, held, lots = self._money.copy()
        return rewards, {
            "wealth": wealth,
            "position": self._positions.copy(),
            "fees": fees,
            "map": held,
            "lots": lots,
            "parts": self._parts.copy(),
            "time": self._times.copy(),
        }
