"""What the learners of stable-baselines3 (Raffin et al., JMLR 2021) share.

Each slice builds its model from arrays alone, which is what lets a killed training go on to the same bits, and acting
is a small network in numpy: a tournament needs neither torch nor stable-baselines3.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np

from lobarena.agents.columns import INVENTORY
from lobarena.agents.learner import Arrays
from lobarena.sim.blocks import composed

BLOCKS = ("levels", "imbalance", "order flow", "volatility", "own orders", "inventory", "time left")
HYBRID, LINEAR = "hybrid:eta=0.5,zeta=0.01", "imm:bonus=0.02,zeta=0.02,free=0"
REWARDS = (
    *("pnl", "dampened:eta=0.5", "inventory:zeta=0.01", "inventory:zeta=0.03", "inventory:zeta=0.1"),
    *(HYBRID, LINEAR),
)
_BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


NAMES = [feature.name for feature in composed(BLOCKS, 0)]


class Louder(gymnasium.vector.VectorWrapper[np.ndarray, np.ndarray, np.ndarray]):
    """A vector environment whose observations are multiplied by `gains`, (F,) f4, and whose rewards are in `unit`s."""

    def __init__(self, env: Any, gains: np.ndarray, unit: float) -> None:
        super().__init__(env)
        self.gains, self.unit = gains, unit

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """As the environment's own."""
        observations, infos = self.env.reset(**options)
        return observations * self.gains, infos

    def step(self, actions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """As the environment's own."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        return observations * self.gains, rewards / self.unit, terminated, truncated, infos


@dataclass
class Stable:
    """What the three share: a network of two hidden layers, weights `k.weight` (out, in) and `k.bias` (out,) f4."""

    learning_rate: float = 3e-4
    gamma: float = 0.99  # discount a look
    batch_size: int = 256
    width: int = 64  # of each hidden layer
    reward: str = "pnl"
    unit: float = 1.0  # tick x lot that networks hear as a reward of 1
    action: str = "offsets"

    name: ClassVar[str] = ""
    budget: ClassVar[int] = 0
    envs: ClassVar[int] = 16
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {}
    layers: ClassVar[tuple[str, ...]] = ()  # the acting network's, in the model's policy
    optimizers: ClassVar[tuple[str, ...]] = ("policy.optimizer",)

    def environment(self) -> dict[str, Any]:
        """All that is seen of one look; the action and reward of the hyperparameters."""
        return {"observation": BLOCKS, "action": self.action, "reward": self.reward}

    def begin(self, observation_space: Any, action_space: Any, seed: int) -> None:
        """Only noted: the first weights are made when they are asked for, so that acting needs no library."""
        self._spaces, self._seed = (observation_space, action_space), seed
        self._gains = np.ones(observation_space.shape, np.float32)
        if observation_space.shape == (len(NAMES),):  # one lot of a wide limit must be heard
            self._gains[NAMES.index(INVENTORY)] = 10.0
        self._weights: Arrays = {}
        self._state: Arrays = {}

    def learn(self, venv: Any, steps: int, done: float, seed: int) -> dict[str, float]:
        """One slice with the library's own `learn`."""
        import torch
        from stable_baselines3.common.logger import Logger

        from lobarena.sim.sb3 import StableVecEnv

        torch.set_num_threads(1)
        model = self._model(venv.num_envs, steps, done)
        self._put(model)
        model.set_env(StableVecEnv(Louder(venv, self._gains, self.unit)))
        model.set_logger(Logger(None, []))  # its own makes a folder a slice in the temporary one
        model.set_random_seed(seed)  # of python, numpy, torch, the action space and the environments
        earned = 0.0

        def listen(local: dict[str, Any], _: dict[str, Any]) -> bool:
            nonlocal earned
            earned += float(local["rewards"].sum())
            return True

        model.learn(steps, listen, log_interval=None, reset_num_timesteps=False)
        self._take(model)
        told = {key.removeprefix("train/"): value for key, value in model.logger.name_to_value.items()}
        kept = {key: float(value) for key, value in told.items() if "loss" in key or key in ("ent_coef", "approx_kl")}
        return {"reward": earned * self.unit / steps} | kept

    def act(self, observations: np.ndarray) -> np.ndarray:
        """(n, F) f4 -> (n,) i8 the best offsets, or (n, 2) f4 the mean action."""
        return self._chosen(self._forward(np.asarray(observations, np.float32) * self._gains))

    def weights(self) -> Arrays:
        """Six arrays; once loaded they are told without the library, for who only acts."""
        if not self._weights:
            self._begun()
        return dict(self._weights)

    def load_weights(self, weights: Arrays) -> None:
        """ValueError names the array that does not fit the spaces and the width."""
        space, action = self._spaces
        outputs = int(action.n) if hasattr(action, "n") else int(np.prod(action.shape or ()))
        sizes = (int(np.prod(space.shape or ())), self.width, self.width, outputs)
        wanted: dict[str, tuple[int, ...]] = {}
        for k in range(3):
            wanted |= {f"{k}.weight": (sizes[k + 1], sizes[k]), f"{k}.bias": (sizes[k + 1],)}
        if weights.keys() != wanted.keys():
            raise ValueError(f"arrays {', '.join(sorted(weights))}; {self.name} has {', '.join(sorted(wanted))}")
        for key, shape in wanted.items():
            if weights[key].shape != shape or weights[key].dtype != np.float32:
                raise ValueError(f"{key} is {weights[key].dtype}{weights[key].shape}; {self.name} has float32{shape}")
        self._weights = {key: array.copy() for key, array in weights.items()}

    def state(self) -> Arrays:
        """The rest of the networks, the optimizers, the replay buffer, the counters."""
        self._begun()
        return dict(self._state)

    def load_state(self, state: Arrays) -> None:
        """After load_weights."""
        self._state = {key: array.copy() for key, array in state.items()}

    def _make(self, envs: int, steps: int, done: float) -> Any:
        """The library's model without its networks."""
        raise NotImplementedError

    def _first(self, model: Any) -> None:
        """What of a model's first weights is not the library's."""

    def _chosen(self, outputs: np.ndarray) -> np.ndarray:
        """(n, A) of the network -> actions."""
        return np.asarray(outputs.argmax(axis=1))

    def _squash(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(x, 0))

    def _forward(self, x: np.ndarray) -> np.ndarray:
        for k in range(3):
            x = x @ self._weights[f"{k}.weight"].T + self._weights[f"{k}.bias"]
            x = self._squash(x) if k < 2 else x
        return x

    def _model(self, envs: int, steps: int, done: float) -> Any:
        model = self._make(envs, steps, done)
        model.observation_space, model.action_space = self._spaces
        model.n_envs, model.seed = envs, self._seed
        model._setup_model()
        return model

    def _begun(self) -> None:
        """Whatever was not loaded begins as the seed has it."""
        if not self._state:
            loaded = self._weights
            model = self._model(1, 1, 0.0)
            self._first(model)
            self._take(model)
            self._weights |= loaded

    def _common(self) -> dict[str, Any]:
        return {
            "policy": "MlpPolicy",
            "env": None,
            "learning_rate": self.learning_rate,
            "gamma": self.gamma,
            "batch_size": self.batch_size,
            "policy_kwargs": {"net_arch": [self.width, self.width]},
            "device": "cpu",
            "_init_setup_model": False,
        }

    def _put(self, model: Any) -> None:
        """Arrays into a model; of what no array is there, the model's own beginning stays."""
        import torch

        self._begun()
        state = self._state
        told = {key.removeprefix("policy/"): array for key, array in state.items() if key.startswith("policy/")}
        for k, layer in enumerate(self.layers):
            told |= {f"{layer}.{kind}": self._weights[f"{k}.{kind}"] for kind in ("weight", "bias")}
        model.policy.load_state_dict({key: torch.from_numpy(array.copy()) for key, array in told.items()})
        for name in self.optimizers:
            optimizer = _of(model, name)
            moments: dict[int, dict[str, Any]] = {}
            for key, array in state.items():
                if key.startswith(f"{name}/"):
                    number, kind = key.removeprefix(f"{name}/").split("/")
                    moments.setdefault(int(number), {})[kind] = torch.from_numpy(array.copy())
            optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
        if "log_ent_coef" in state:
            model.log_ent_coef.data[:] = torch.from_numpy(state["log_ent_coef"])
        if "buffer/rewards" in state:
            filled = len(state["buffer/rewards"])
            for key in _BUFFER:
                getattr(model.replay_buffer, key)[:filled] = state[f"buffer/{key}"]
            model.replay_buffer.pos, model.replay_buffer.full = (int(one) for one in state["buffer/place"])
        model.num_timesteps, model._n_updates, model._n_calls = (int(one) for one in state["counters"])

    def _take(self, model: Any) -> None:
        """A model's arrays become this learner's."""
        told = {key: tensor.numpy().copy() for key, tensor in model.policy.state_dict().items()}
        self._weights = {
            f"{k}.{kind}": told.pop(f"{layer}.{kind}")
            for k, layer in enumerate(self.layers)
            for kind in ("weight", "bias")
        }
        state = {f"policy/{key}": array for key, array in told.items()}
        for name in self.optimizers:
            for number, moments in _of(model, name).state_dict()["state"].items():
                state |= {f"{name}/{number}/{kind}": tensor.numpy().copy() for kind, tensor in moments.items()}
        if getattr(model, "log_ent_coef", None) is not None:
            state["log_ent_coef"] = model.log_ent_coef.detach().numpy().copy()
        buffer = getattr(model, "replay_buffer", None)
        if buffer is not None:
            filled = buffer.size()
            state |= {f"buffer/{key}": getattr(buffer, key)[:filled].copy() for key in _BUFFER if filled}
            state["buffer/place"] = np.array([buffer.pos, buffer.full], np.int64)
        state["counters"] = np.array([model.num_timesteps, model._n_updates, getattr(model, "_n_calls", 0)], np.int64)
        self._state = state


def _of(model: Any, path: str) -> Any:
    """model.a.b of "a.b"."""
    for name in path.split("."):
        model = getattr(model, name)
    return model
