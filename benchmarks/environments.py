"""Steps a second of the environment, against an environment that does nothing: gymnasium's own floor."""

import time
from typing import Any

import gymnasium
import numpy as np

from lobarena.benchmarks.measures import Row, Terms, median

STEPS = 5_000


class Nothing(gymnasium.Env[np.ndarray, np.int64]):
    """What any environment of this shape costs through gymnasium."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (30,), np.float32)
    action_space = gymnasium.spaces.Discrete(10)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Zeros."""
        super().reset(seed=seed)
        return np.zeros(30, np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Zeros again."""
        return np.zeros(30, np.float32), 0.0, False, False, {}


def single(terms: Terms) -> Row:
    """One environment through gymnasium.make, resets counted."""
    import lobarena.sim  # noqa: F401 - registers the environment

    env = gymnasium.make("lobarena/MarketMaking-v0")
    if "lobarena/Nothing-v0" not in gymnasium.registry:
        gymnasium.register("lobarena/Nothing-v0", "lobarena.benchmarks.environments:Nothing")
    floor = gymnasium.make("lobarena/Nothing-v0")

    def seconds(which: gymnasium.Env[Any, Any]) -> float:
        which.reset(seed=0)
        begin = time.perf_counter()
        for step in range(STEPS):
            *_, over, _, _ = which.step(np.int64(step % 10))
            if over:
                which.reset()
        return (time.perf_counter() - begin) / STEPS

    ours, least = (1 / median(lambda env=one: seconds(env), terms.runs) for one in (env, floor))  # type: ignore[misc]
    return Row("env.single", ours, "steps/s", "embedded days, one seat", least, "empty environment")
