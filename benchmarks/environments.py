"""Steps a second of the environments, against ones that do nothing: the floors of gymnasium and PettingZoo here."""

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector.utils import batch_space

from lobarena.benchmarks.measures import Row, Terms, median
from lobarena.benchmarks.peers import NoPeerError

NAME = "lobarena/MarketMaking-v0"
STEPS = 20_000  # environment steps of one timing
CHECKED = 40  # steps that are compared before anything is timed
_WHAT = "AGSYN embedded days, random quotes, resets counted"


class Nothing(gymnasium.Env[np.ndarray, np.int64]):
    """What any environment of this shape costs through gymnasium."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (35,), np.float32)
    action_space = gymnasium.spaces.Discrete(10)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Zeros."""
        super().reset(seed=seed)
        return np.zeros(35, np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Zeros again."""
        return np.zeros(35, np.float32), 0.0, False, False, {}


class Nothings(gymnasium.vector.VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """The same of a native vector environment."""

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = Nothing.observation_space, Nothing.action_space
        self.observation_space = batch_space(Nothing.observation_space, num_envs)
        self.action_space = batch_space(Nothing.action_space, num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Zeros."""
        return np.zeros((self.num_envs, 35), np.float32), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Zeros again."""
        n = self.num_envs
        return np.zeros((n, 35), np.float32), np.zeros(n), np.zeros(n, bool), np.zeros(n, bool), {}


def single(terms: Terms) -> Row:
    """One environment through gymnasium.make."""
    import lobarena.sim  # noqa: F401 - registers the environment

    env = gymnasium.make(NAME)
    if "lobarena/Nothing-v0" not in gymnasium.registry:
        gymnasium.register("lobarena/Nothing-v0", "lobarena.benchmarks.environments:Nothing")
    actions = np.random.default_rng(0).integers(0, 10, STEPS).tolist()

    def steps(which: gymnasium.Env[Any, Any]) -> Callable[[], None]:
        def work() -> None:
            for action in actions:
                *_, over, _, _ = which.step(action)
                if over:
                    which.reset()

        which.reset(seed=0)
        return work

    ours, least = (_rate(steps(one), terms.runs) for one in (env, gymnasium.make("lobarena/Nothing-v0")))
    return Row("env.single", ours, "steps/s", _WHAT, least, "empty environment")


def vector(num_envs: int) -> Callable[[Terms], Row]:
    """A row of the native vector environment of so many."""

    def row(terms: Terms) -> Row:
        import lobarena.sim  # noqa: F401 - registers the environment

        _equal_single_ones(min(num_envs, 8))
        rng, count = np.random.default_rng(0), max(1, STEPS * min(8, num_envs) // num_envs)
        actions = [rng.integers(0, 10, num_envs) for _ in range(count)]

        def steps(which: gymnasium.vector.VectorEnv[Any, Any, Any]) -> Callable[[], None]:
            def work() -> None:
                for action in actions:
                    which.step(action)

            which.reset(seed=0)
            return work

        ours, least = (
            _rate(steps(one), terms.runs, count * num_envs)
            for one in (gymnasium.make_vec(NAME, num_envs=num_envs), Nothings(num_envs))
        )
        return Row(f"env.vector{num_envs}", ours, "environment steps/s", _WHAT, least, "empty vector environment")

    return row


def seats8(terms: Terms) -> Row:
    """Eight seats in one book, through PettingZoo."""
    if importlib.util.find_spec("pettingzoo") is None:
        raise NoPeerError("needs PettingZoo: pip install 'lobarena[rl]'")
    from lobarena.sim.seats_env import parallel_env

    env = parallel_env(seats=8)
    rng = np.random.default_rng(0)
    actions = [dict(zip(env.possible_agents, rng.integers(0, 10, 8).tolist(), strict=True)) for _ in range(STEPS // 4)]

    def work() -> None:
        for action in actions:
            env.step(action)
            if not env.agents:
                env.reset()

    env.reset(seed=0)
    rate = _rate(work, terms.runs, len(actions))
    return Row("env.seats8", rate, "environment steps/s", "eight learners in one book of AGSYN, random quotes")


def _rate(work: Callable[[], None], runs: int, steps: int = STEPS) -> float:
    def seconds() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    return steps / median(seconds, runs)


def _equal_single_ones(count: int) -> None:
    """RuntimeError unless a vector environment does what as many single ones do."""
    many, ones = gymnasium.make_vec(NAME, num_envs=count), [gymnasium.make(NAME) for _ in range(count)]
    seen = [one.reset(seed=7 + k)[0] for k, one in enumerate(ones)]
    both = [(many.reset(seed=7)[0], np.array(seen))]
    rng = np.random.default_rng(1)
    for _ in range(CHECKED):
        actions = rng.integers(0, 10, count)
        alone = [one.step(action) for one, action in zip(ones, actions.tolist(), strict=True)]
        together = many.step(actions)
        both += [(together[0], np.array([a[0] for a in alone])), (together[1], np.array([a[1] for a in alone]))]
    if not all(np.array_equal(a, b) for a, b in both):
        raise RuntimeError("the vector environment differs from single ones; nothing was timed")
