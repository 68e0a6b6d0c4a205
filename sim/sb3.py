"""The vector environment as stable-baselines3 wants it: an episode ends and the next begins in the same step."""

from collections.abc import Iterable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn


class StableVecEnv(VecEnv):
    """n environments of a gymnasium vector environment for stable-baselines3.

    venv : restarts an environment on the step after its end (NEXT_STEP) or, asked by `reset(options={"reset_mask":
        (n,) bool})`, at once; ours and gymnasium's SyncVectorEnv do. Its single spaces are used as they are.

    step() returns observations (n, F) of the venv's dtype, rewards (n,) f4, dones (n,) bool and n dicts. An environment
    that has ended shows the first observation of its next episode; its dict holds `terminal_observation` (F,),
    `TimeLimit.truncated` and all that the venv's infos say of it. The dicts of the others are empty: making them full
    would cost more than the step (`last_infos` has the arrays). All arrays are the caller's to keep.

    ValueError for a venv of another autoreset mode, and for actions that are not finite.
    """

    def __init__(self, venv: VectorEnv[Any, Any, Any]) -> None:
        mode = venv.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.NEXT_STEP:
            raise ValueError(f"the vector environment restarts by {mode}; make it with AutoresetMode.NEXT_STEP")
        self.venv = venv
        self.last_infos: dict[str, Any] = {}
        super().__init__(venv.num_envs, venv.single_observation_space, venv.single_action_space)

    def reset(self) -> np.ndarray:
        """First observations (n, F); the seeds of seed() and the options of set_options() are used, once."""
        seed = None if self._seeds[0] is None else int(self._seeds[0])
        observations, self.last_infos = self.venv.reset(seed=seed, options=self._together())
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = [{} for _ in range(self.num_envs)]
        return np.array(observations)

    def _together(self) -> dict[str, Any] | None:
        """Options of every environment, [{"episode": 3}, {"episode": 4}], as one: {"episode": [3, 4]}."""
        keys = set().union(*self._options)
        for key in keys:
            if not all(key in options for options in self._options):
                raise ValueError(f"option {key!r} is set for some environments only; give it to all {self.num_envs}")
        return {key: [options[key] for options in self._options] for key in keys} or None

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for step_wait(), which does everything; nothing runs beside the caller."""
        if not np.isfinite(actions).all():
            raise ValueError("an action is not a finite number; has the policy diverged? Try a smaller learning rate")
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """(observations, rewards, dones, infos) after the actions; the class docstring tells of them."""
        observations, rewards, terminated, truncated, infos = self.venv.step(self._actions)
        dones = terminated | truncated
        told: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        self.last_infos = infos
        observations = np.array(observations)
        if dones.any():
            for k in np.flatnonzero(dones):
                told[k] = {key: value[k] for key, value in infos.items() if isinstance(value, np.ndarray)}
                told[k]["terminal_observation"] = observations[k].copy()
                told[k]["TimeLimit.truncated"] = bool(truncated[k] and not terminated[k])
            fresh, _ = self.venv.reset(options={"reset_mask": dones.copy()})
            observations[dones] = fresh[dones]
        return observations, np.asarray(rewards, np.float32), dones, told

    def close(self) -> None:
        """Close the vector environment."""
        self.venv.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The vector environment's attribute, once for each index: the environments share it."""
        return [self._attribute(attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set the attribute of all environments; ValueError for some of them, since they share it."""
        self._all(indices, f"set {attr_name}")
        setattr(self.venv.unwrapped, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Call the vector environment's method once; its result stands for each. ValueError for some of them."""
        self._all(indices, f"call {method_name}")
        return [self._attribute(method_name)(*method_args, **kwargs)] * self.num_envs

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """Never: the environments are rows of arrays, and no single one exists to be wrapped."""
        return [False for _ in self._get_indices(indices)]

    def _attribute(self, name: str) -> Any:
        return getattr(self.venv if hasattr(self.venv, name) else self.venv.unwrapped, name)

    def _all(self, indices: VecEnvIndices, what: str) -> None:
        asked: Iterable[int] = self._get_indices(indices)
        if sorted(asked) != list(range(self.num_envs)):
            raise ValueError(f"cannot {what} for some environments only: they share it; leave out `indices`")
