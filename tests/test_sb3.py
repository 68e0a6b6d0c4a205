"""The adapter equals the vector environment stepped by hand; each check finds what it is for, and nothing else does."""

from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3 import PPO
from toy_market import ToyMarket, ToyVector

import lobarena.sim  # noqa: F401 - registers the environment
from lobarena.sim.sb3 import StableVecEnv
from lobarena.sim.vec_check import CHECKS, VecEnvError, check_vec_env, wrongs

OURS = "lobarena/MarketMaking-v0"
N = 3
STEPS = 200  # three episodes of each toy


def vectors() -> dict[str, Any]:
    return {
        "ours": lambda: gymnasium.make_vec(OURS, num_envs=N, contract="RBSYN", episode_minutes=0.4),
        "native": lambda: ToyVector(N),
        "gymnasium's": lambda: SyncVectorEnv([lambda k=k: ToyMarket(steps=60 + k) for k in range(N)]),
    }


def by_hand(venv: Any, seed: int) -> list[list[tuple[bytes, float, bool]]]:
    """For each environment what it showed, gave and ended; the k-th step of an environment takes action k % 4."""
    told: list[list[tuple[bytes, float, bool]]] = [[] for _ in range(venv.num_envs)]
    seen, _ = venv.reset(seed=seed)
    steps, over = np.zeros(venv.num_envs, int), np.zeros(venv.num_envs, bool)
    for k in range(venv.num_envs):
        told[k].append((seen[k].tobytes(), 0.0, False))
    for _ in range(STEPS):
        seen, rewards, terminated, truncated, _ = venv.step(steps % 4)
        for k in range(venv.num_envs):
            told[k].append((seen[k].tobytes(), float(np.float32(rewards[k])), bool(terminated[k] | truncated[k])))
        steps, over = np.where(over, steps, steps + 1), terminated | truncated
    return told


def adapted(env: StableVecEnv, seed: int) -> list[list[tuple[bytes, float, bool]]]:
    """The same by the adapter: a terminal observation counts as seen, then the first one of the next episode."""
    told: list[list[tuple[bytes, float, bool]]] = [[] for _ in range(env.num_envs)]
    env.seed(seed)
    for k, first in enumerate(env.reset()):
        told[k].append((first.tobytes(), 0.0, False))
    for step in range(STEPS):
        seen, rewards, dones, infos = env.step(np.full(env.num_envs, step % 4))
        for k in range(env.num_envs):
            last = infos[k].get("terminal_observation", seen[k])
            told[k].append((last.tobytes(), float(rewards[k]), bool(dones[k])))
            if dones[k]:
                told[k].append((seen[k].tobytes(), 0.0, False))
    return told


@pytest.mark.parametrize("kind", vectors())
def test_every_environment_equals_the_vector_environment_stepped_by_hand(kind: str):
    make = vectors()[kind]
    one, other = by_hand(make(), 11), adapted(StableVecEnv(make()), 11)
    for k in range(N):
        shown = min(len(one[k]), len(other[k]))
        assert sum(over for *_, over in one[k]) >= 3
        assert one[k][:shown] == other[k][:shown]


@pytest.mark.parametrize("kind", vectors())
def test_the_adapter_passes_every_check(kind: str):
    check_vec_env(StableVecEnv(vectors()[kind]()), STEPS)


def test_the_dict_of_an_ended_environment_holds_its_wealth_and_others_hold_nothing():
    env = StableVecEnv(ToyVector(N))
    env.seed(0)
    env.reset()
    ends = 0
    for _ in range(STEPS):
        _, _, dones, infos = env.step(np.full(N, 2))
        for k in range(N):
            assert bool(infos[k]) == dones[k]
            if dones[k]:
                ends += 1
                assert infos[k]["wealth"] == env.last_infos["wealth"][k]
                assert infos[k]["TimeLimit.truncated"] is False
    assert ends >= 3 * N


def test_seeds_are_used_once():
    env = StableVecEnv(ToyVector(N))
    assert env.seed(4) == [4, 5, 6]
    env.reset()
    one = env.step(np.full(N, 2))[0]
    env.reset()
    assert env.step(np.full(N, 2))[0].tobytes() != one.tobytes()
    env.seed(4)
    env.reset()
    assert env.step(np.full(N, 2))[0].tobytes() == one.tobytes()


def test_options_of_each_environment_reach_the_vector_environment_together():
    class Told(ToyVector):
        def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
            self.told = options
            return super().reset(seed=seed)

    env = StableVecEnv(Told(N))
    env.set_options([{"episode": k} for k in range(N)])
    env.reset()
    assert env.venv.told == {"episode": [0, 1, 2]}
    env.reset()
    assert env.venv.told is None
    env.set_options([{"episode": 0}, {}, {}])
    with pytest.raises(ValueError, match="'episode' is set for some environments only"):
        env.reset()


def test_attributes_are_shared_by_all_environments():
    env = StableVecEnv(ToyVector(N))
    assert env.get_attr("part_names", [0, 2]) == [("pnl",), ("pnl",)]
    assert env.env_is_wrapped(gymnasium.Wrapper) == [False] * N
    assert env.render_mode is None
    assert not env.has_attr("no such thing")
    env.set_attr("mood", "calm")
    assert env.get_attr("mood") == ["calm"] * N
    assert env.env_method("__repr__") == [repr(env.venv)] * N
    with pytest.raises(ValueError, match="leave out `indices`"):
        env.set_attr("mood", "wild", indices=0)
    with pytest.raises(ValueError, match="leave out `indices`"):
        env.env_method("close", indices=[0])


def test_another_way_to_restart_is_refused():
    venv = SyncVectorEnv([ToyMarket], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match="NEXT_STEP"):
        StableVecEnv(venv)


def test_ppo_learns_to_quote_wide():
    torch.set_num_threads(1)
    env = StableVecEnv(ToyVector(4))
    model = PPO("MlpPolicy", env, n_steps=64, batch_size=64, seed=0, device="cpu", learning_rate=3e-3)
    model.learn(6_000)
    seen, earned = env.reset(), 0.0
    for _ in range(60):
        seen, rewards, _, _ = env.step(model.predict(seen, deterministic=True)[0])
        earned += float(rewards.mean())
    assert earned > 5


class Broken:
    """A sound vector environment of random numbers, broken in one named way."""

    def __init__(self, fault: str = "") -> None:
        self.fault, self.num_envs = fault, N
        box = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = gymnasium.spaces.Dict({"a": box}) if fault == "spaces" else box
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.buffer = np.zeros((N, 2), np.float32)
        self.seeds = np.random.SeedSequence().generate_state(N)

    def seed(self, seed: int) -> None:
        self.seeds = np.full(N, seed) if self.fault == "different environments" else np.arange(N) + seed

    def reset(self) -> np.ndarray:
        self.rngs = [np.random.default_rng(None if self.fault == "same seed" else int(seed)) for seed in self.seeds]
        self.age = np.zeros(N, int)
        first = self._seen()
        return first[:, :1] if self.fault == "shapes" else first

    def step(self, actions: np.ndarray) -> Any:
        if self.fault != "NaN action" and not np.isfinite(actions).all():
            raise ValueError("no number")
        self.age += 1
        over = self.age == 5 + np.arange(N)
        infos: list[dict[str, Any]] = [{} for _ in range(N)]
        seen = self._seen()
        for k in np.flatnonzero(over):
            if self.fault != "terminal observation":
                infos[k]["terminal_observation"] = seen[k].copy()
            infos[k]["TimeLimit.truncated"] = None if self.fault == "truncation" else False
            self.age[k] = 0
            if self.fault != "auto reset":
                seen[k] = self.rngs[k].uniform(-1, 1, 2)
        rewards = seen.sum(axis=1)
        if self.fault == "finite rewards" and over[0]:
            rewards[0] = np.inf
        if self.fault == "bounds" and over[0]:
            seen[0, 1] = 1.5
        return (
            seen,
            rewards.astype(float) if self.fault == "dtypes" else rewards,
            over,
            infos[: N - (self.fault == "infos")],
        )

    def _seen(self) -> np.ndarray:
        drawn = np.array([rng.uniform(-1, 1, 2) for rng in self.rngs], np.float32)
        self.buffer[:] = drawn
        return self.buffer if self.fault == "aliasing" else drawn


def test_a_sound_vector_environment_passes_every_check():
    assert wrongs(Broken(), STEPS) == []


@pytest.mark.parametrize("name", CHECKS)
def test_what_is_broken_is_found_by_its_check_alone(name: str):
    broken = Broken(name)
    assert [wrong.check for wrong in wrongs(broken, STEPS)] == [name]
    with pytest.raises(VecEnvError, match=f"^{name}: .{{20,}}"):
        check_vec_env(broken, STEPS)


def test_an_environment_that_stays_done_was_not_reset():
    class Stuck(Broken):
        def step(self, actions: np.ndarray) -> Any:
            seen, rewards, _, _ = super().step(actions)
            last = self._seen()
            ended = [{"terminal_observation": last[k], "TimeLimit.truncated": False} for k in range(N)]
            return seen, rewards, np.ones(N, bool), ended

    assert [wrong.check for wrong in wrongs(Stuck(), STEPS)] == ["auto reset"]


def test_ends_that_no_walk_reaches_are_said_to_be_unchecked():
    with pytest.raises(VecEnvError, match="no episode ended in 3 steps"):
        check_vec_env(Broken(), 3)


def test_a_number_of_environments_is_a_whole_one():
    assert wrongs(SimpleNamespace(num_envs=0))[0].what.startswith("num_envs is 0")
