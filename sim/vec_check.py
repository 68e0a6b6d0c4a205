"""Is a vector environment what the algorithms of stable-baselines3 take it for? Its own checker is for single ones."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np

STEPS = 1_000  # of a walk with random actions; it is to see some episodes end


class Wrong(NamedTuple):
    """One thing that is wrong: which check found it, and what it is."""

    check: str
    what: str


class VecEnvError(ValueError):
    """A vector environment is not what stable-baselines3 takes it for; the message names every check that failed."""


def check_vec_env(vec_env: Any, steps: int = STEPS) -> None:
    """Raise VecEnvError, naming all that is wrong, unless every check passes.

    vec_env : a stable_baselines3 VecEnv (or anything with its attributes and methods); it is stepped and reset
    steps : how long the walks are; make the episodes shorter than this, or their ends cannot be checked
    """
    found = wrongs(vec_env, steps)
    if found:
        raise VecEnvError("; ".join(f"{check}: {what}" for check, what in found))


def wrongs(vec_env: Any, steps: int = STEPS) -> list[Wrong]:
    """What is wrong, in the order of CHECKS; empty when all is sound. It stops where later checks could not run."""
    found: list[Wrong] = []
    for name, check in CHECKS.items():
        what = check(vec_env, steps)
        if what:
            found.append(Wrong(name, what))
            if name in ("spaces", "shapes", "infos"):
                break
    return found


def _spaces(env: Any, _: int) -> str:
    if not isinstance(env.num_envs, int) or env.num_envs < 1:
        return f"num_envs is {env.num_envs!r}; it is a whole number from 1"
    kinds = (gymnasium.spaces.Box, gymnasium.spaces.Discrete)
    for name in ("observation_space", "action_space"):
        if not isinstance(getattr(env, name), kinds):
            return f"{name} is {getattr(env, name)!r}; only Box and Discrete, of ONE environment, are checked"
    return ""


def _shapes(env: Any, _: int) -> str:
    n = env.num_envs
    seen = env.reset()
    if np.shape(seen) != (n, *env.observation_space.shape):
        return f"reset() gives {np.shape(seen)}; observations are {(n, *env.observation_space.shape)}"
    seen, rewards, dones, _ = env.step(_actions(env, np.random.default_rng(0)))
    if np.shape(seen) != (n, *env.observation_space.shape):
        return f"step() gives observations {np.shape(seen)}; they are {(n, *env.observation_space.shape)}"
    for name, array in (("rewards", rewards), ("dones", dones)):
        if np.shape(array) != (n,):
            return f"{name} are {np.shape(array)}; they are ({n},)"
    return ""


def _dtypes(env: Any, _: int) -> str:
    first = env.reset()
    seen, rewards, dones, _ = env.step(_actions(env, np.random.default_rng(0)))
    wanted = {"observations": env.observation_space.dtype, "rewards": np.float32, "dones": np.bool_}
    for array, name in ((first, "observations"), (seen, "observations"), (rewards, "rewards"), (dones, "dones")):
        if array.dtype != wanted[name]:
            return f"{name} are {array.dtype}; they are {np.dtype(wanted[name])}"
    return ""


def _infos(env: Any, _: int) -> str:
    env.reset()
    infos = env.step(_actions(env, np.random.default_rng(0)))[3]
    if not isinstance(infos, list | tuple) or len(infos) != env.num_envs:
        return f"infos are {type(infos).__name__} of {len(infos)}; they are a list of {env.num_envs} dicts"
    if not all(isinstance(info, dict) for info in infos):
        return "not every element of infos is a dict"
    return ""


def _finite_rewards(env: Any, steps: int) -> str:
    for step, (_, rewards, _, _) in enumerate(_walk(env, steps)):
        if not np.isfinite(rewards).all():
            return f"reward {rewards[~np.isfinite(rewards)][0]} at step {step}"
    return ""


def _bounds(env: Any, steps: int) -> str:
    space = env.observation_space
    if not isinstance(space, gymnasium.spaces.Box):
        return ""
    for step, seen in enumerate([env.reset(), *(seen for seen, *_ in _walk(env, steps))]):
        outside = ~((seen >= space.low) & (seen <= space.high))  # NaN is outside too
        if outside.any():
            row, *place = np.argwhere(outside)[0]
            at, low, high = tuple(place), space.low[tuple(place)], space.high[tuple(place)]
            return f"observation {at} of environment {row} is {seen[row][at]} at step {step}, outside {low} to {high}"
    return ""


def _terminal_observation(env: Any, steps: int) -> str:
    ends = 0
    for step, (seen, _, dones, infos) in enumerate(_walk(env, steps)):
        for k, info in enumerate(infos):
            last = info.get("terminal_observation")
            if not dones[k]:
                if last is not None:
                    return f"environment {k} has a terminal_observation at step {step} but is not done"
                continue
            ends += 1
            if last is None:
                return f"environment {k} is done at step {step} and infos[{k}] has no terminal_observation"
            if np.shape(last) != seen[k].shape or np.asarray(last).dtype != seen.dtype:
                kind, wanted = (f"{np.asarray(one).dtype} {np.shape(one)}" for one in (last, seen[k]))
                return f"terminal_observation is {kind}; observations are {wanted}"
    if not ends:
        return f"no episode ended in {steps:,} steps: nothing of its end could be checked; give more `steps`"
    return ""


def _truncation(env: Any, steps: int) -> str:
    for step, (_, _, dones, infos) in enumerate(_walk(env, steps)):
        for k in np.flatnonzero(dones):
            if not isinstance(infos[k].get("TimeLimit.truncated"), bool | np.bool_):
                return f"environment {k} is done at step {step} and infos[{k}]['TimeLimit.truncated'] is no bool"
    return ""


def _auto_reset(env: Any, steps: int) -> str:
    """An episode's last observation given back as the next one's first means that nothing was reset."""
    ends, stale, again = 0, 0, 0
    before = np.zeros(env.num_envs, bool)
    for seen, _, dones, infos in _walk(env, steps):
        for k in np.flatnonzero(dones):
            last = infos[k].get("terminal_observation")
            ends += last is not None
            stale += last is not None and np.array_equal(seen[k], last)
        again += int((dones & before).sum())
        before = dones.copy()
    if ends and stale == ends:
        return "observations given with done=True are the terminal ones; they are the next episode's first"
    if ends and again == ends - int(before.sum()):
        return "every environment that is done is done again at the next step; reset it at its end"
    return ""


def _same_seed(env: Any, steps: int) -> str:
    one, two = (_stream(env, seed, min(steps, 200)) for seed in (5, 5))
    for name, first, second in zip(("observations", "rewards", "dones"), one, two, strict=True):
        if first.tobytes() != second.tobytes():
            step = int(np.argmax([a.tobytes() != b.tobytes() for a, b in zip(first, second, strict=True)]))
            return f"seed(5) twice gives other {name} from step {step} on; draw every number from the seed's stream"
    return ""


def _different_envs(env: Any, steps: int) -> str:
    seen, _, dones = _stream(env, 5, min(steps, 200), alike=True)
    ended = np.flatnonzero(dones.any(axis=1))
    first = seen[: ended[0] + 1] if len(ended) else seen  # episodes of unequal length part by that alone
    for k in range(1, env.num_envs):
        if first[:, k].tobytes() == first[:, 0].tobytes():
            return f"environments 0 and {k} show the same under the same actions; seed the i-th by seed + i"
    return ""


def _aliasing(env: Any, steps: int) -> str:
    """What a step gave must stay as it was: rollout buffers keep references until the next step is done."""
    held = [("reset observations", first := env.reset(), first.copy())]
    for seen, rewards, dones, infos in _walk(env, min(steps, 200), reset=False):
        for name, array, copy in held:
            if not np.array_equal(array, copy, equal_nan=True):
                return f"{name} are overwritten by the next step; return copies"
        held = [
            (name, array, array.copy())
            for name, array in (("observations", seen), ("rewards", rewards), ("dones", dones))
        ]
        ended = [info["terminal_observation"] for info in infos if info.get("terminal_observation") is not None]
        held += [("terminal observations", array, np.array(array)) for array in ended]
    return ""


def _nan_action(env: Any, _: int) -> str:
    if not isinstance(env.action_space, gymnasium.spaces.Box) or env.action_space.dtype.kind != "f":
        return ""  # whole numbers cannot be NaN
    env.reset()
    try:
        env.step(np.full((env.num_envs, *env.action_space.shape), np.nan, env.action_space.dtype))
    except (ValueError, AssertionError):
        env.reset()
        return ""
    return "an action of NaN is taken as if it were one; raise ValueError"


Check = Callable[[Any, int], str]
CHECKS: dict[str, Check] = {  # each gives what is wrong, or nothing
    "spaces": _spaces,
    "shapes": _shapes,
    "dtypes": _dtypes,
    "infos": _infos,
    "finite rewards": _finite_rewards,
    "bounds": _bounds,
    "terminal observation": _terminal_observation,
    "truncation": _truncation,
    "auto reset": _auto_reset,
    "same seed": _same_seed,
    "different environments": _different_envs,
    "aliasing": _aliasing,
    "NaN action": _nan_action,
}


def _actions(env: Any, rng: np.random.Generator, *, alike: bool = False) -> np.ndarray:
    """Random actions (n, ...) inside the space, the same for all environments when `alike`."""
    space, rows = env.action_space, 1 if alike else env.num_envs
    if isinstance(space, gymnasium.spaces.Discrete):
        drawn = int(space.start) + rng.integers(int(space.n), size=rows)
    else:
        low, high = np.nan_to_num(space.low, neginf=-1.0), np.nan_to_num(space.high, posinf=1.0)
        drawn = rng.uniform(low, high, (rows, *space.shape)).astype(space.dtype)
    return np.repeat(drawn, env.num_envs, axis=0) if alike else drawn


def _walk(env: Any, steps: int, *, alike: bool = False, reset: bool = True) -> Any:
    """Steps of random actions, the same at every call: (observations, rewards, dones, infos) of each."""
    rng = np.random.default_rng(1)
    if reset:
        env.reset()
    for _ in range(steps):
        yield env.step(_actions(env, rng, alike=alike))


def _stream(env: Any, seed: int, steps: int, *, alike: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations (k + 1, n, F), rewards and dones (k, n) of a walk after seed()."""
    env.seed(seed)
    first = env.reset().copy()
    walked = [
        (seen.copy(), np.array(rewards), np.array(dones))
        for seen, rewards, dones, _ in _walk(env, steps, alike=alike, reset=False)
    ]
    seen, rewards, dones = (np.array(column) for column in zip(*walked, strict=True))
    return np.concatenate([first[None], seen]), rewards, dones
