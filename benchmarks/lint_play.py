"""Simple policies in an environment, and all that is seen of them: what `lobarena lint` judges by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import gymnasium
import numpy as np

Env = gymnasium.Env[Any, Any]
Policy = Callable[[np.random.Generator], Any]  # to an action; looks at nothing
RANDOM = "random"
FEW = 12  # constant actions at most


@dataclass(frozen=True, eq=False)
class Trace:
    """One episode, or its beginning, under one policy. k steps, k + 1 observations; nothing is known before reset."""

    policy: str
    seen: np.ndarray  # (k + 1, F) f8, observations laid flat
    rewards: np.ndarray  # (k,) f8
    outside: int  # observations that the observation space does not hold, of finite ones
    told: dict[str, np.ndarray]  # key of the infos -> (k + 1,) or (k + 1, P) f8, for those that every info has

    @property
    def traded(self) -> float:
        """Lots by which the position changed; NaN when infos tell no position."""
        held = self.told.get("position")
        return float("nan") if held is None else float(np.abs(np.diff(held)).sum())

    def gained(self, key: str) -> np.ndarray | None:
        """(k,) changes of what the infos tell under a key, None without it."""
        told = self.told.get(key)
        return None if told is None else np.diff(told)


KEYS = ("wealth", "position", "fees", "time", "parts")


def play(env: Env, policy: Policy, name: str, seed: int, steps: int) -> Trace:
    """Reset with a seed and take up to `steps` steps; the policy's draws are the same in every run of the seed."""
    rng = np.random.default_rng([seed, 1])
    observation, info = env.reset(seed=seed)
    seen, rewards, infos, outside = [_flat(env, observation)], [], [info], 0
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(policy(rng))
        seen.append(_flat(env, observation))
        rewards.append(float(reward))
        infos.append(info)
        outside += not env.observation_space.contains(observation) and bool(np.isfinite(seen[-1]).all())
        if terminated or truncated:
            break
    told = {key: np.array([one[key] for one in infos], float) for key in KEYS if all(key in one for one in infos)}
    if "parts" not in told and all("parts" in one for one in infos[1:]):  # no reward, and no parts of it, at reset
        parts = np.array([one["parts"] for one in infos[1:]], float)
        told["parts"] = np.concatenate([np.zeros_like(parts[:1]), parts])
    return Trace(name, np.array(seen), np.array(rewards), outside, told)


def _flat(env: Env, observation: Any) -> np.ndarray:
    if isinstance(env.observation_space, gymnasium.spaces.Box):
        return np.ravel(np.asarray(observation, float))
    return np.asarray(gymnasium.spaces.flatten(env.observation_space, observation), float)


def policies(space: gymnasium.Space[Any]) -> dict[str, Policy]:
    """Constant actions that cover the action space coarsely, and actions drawn at random, by name."""
    return {name: _always(action) for name, action in _constants(space)} | {RANDOM: lambda rng: draw(space, rng)}


def _always(action: Any) -> Policy:
    return lambda _: action


def draw(space: gymnasium.Space[Any], rng: np.random.Generator) -> Any:
    """An action of the space, drawn evenly; unbounded numbers lie between -1 and 1."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return np.int64(space.start + rng.integers(space.n))
    if isinstance(space, gymnasium.spaces.Box):
        low, high = _limits(space)
        if space.dtype.kind == "f":
            return rng.uniform(low, high).astype(space.dtype)
        return rng.integers(low.astype(np.int64), high.astype(np.int64), endpoint=True).astype(space.dtype)
    space.seed(int(rng.integers(2**31)))
    return space.sample()


def _constants(space: gymnasium.Space[Any]) -> Iterator[tuple[str, Any]]:
    rng = np.random.default_rng(0)
    if isinstance(space, gymnasium.spaces.Discrete):
        for k in range(min(int(space.n), FEW)):
            yield f"always {space.start + k}", np.int64(space.start + k)
        return
    if isinstance(space, gymnasium.spaces.Box):
        low, high = _limits(space)
        middle = (low + high) / 2
        if low.size <= 2:  # a grid of three points an axis
            points = [np.reshape(point, low.shape) for point in product(*zip(low.flat, middle.flat, high.flat))]  # noqa: B905
        else:
            points = [low, middle, high, np.clip(np.zeros(low.shape), low, high)]
            points += [rng.uniform(low, high) for _ in range(4)]
        for point in points:
            yield (
                f"always {np.array2string(np.ravel(point)[:3], precision=2, separator=' ')}",
                point.astype(space.dtype),
            )
        return
    for k in range(8):
        yield f"always draw {k}", draw(space, rng)


def _limits(space: gymnasium.spaces.Box) -> tuple[np.ndarray, np.ndarray]:
    low = np.where(np.isfinite(space.low), space.low.astype(float), -1.0)
    high = np.where(np.isfinite(space.high), space.high.astype(float), 1.0)
    return low, np.maximum(low, high)
