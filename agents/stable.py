"""PPO, SAC and DQN as stable-baselines3 has them (Raffin et al., JMLR 2021), as learners.

Nothing of the algorithms is written again: PPO (Schulman et al. 2017), SAC with a learnt temperature (Haarnoja et al.
2018), DQN (Mnih et al. 2015, Huber loss, hard target updates). Ours is that each slice builds its model from arrays
alone, which is what lets a killed training go on to the same bits, and that acting is a small network in numpy: a
tournament needs neither torch nor stable-baselines3.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np

from lobarena.agents.columns import INVENTORY
from lobarena.agents.learner import Arrays
from lobarena.sim.blocks import composed

BLOCKS = ("levels", "imbalance", "order flow", "volatility", "own orders", "inventory", "time left")
REWARDS = ("pnl", "dampened:eta=0.5", "inventory:zeta=0.01", "inventory:zeta=0.03", "inventory:zeta=0.1")
_BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


NAMES = [feature.name for feature in composed(BLOCKS, 0)]


class Louder(gymnasium.vector.VectorObservationWrapper[np.ndarray, np.ndarray, np.ndarray]):
    """A vector environment whose observations are multiplied by `gains`, (F,) f4."""

    def __init__(self, env: Any, gains: np.ndarray) -> None:
        super().__init__(env)
        self.gains = gains

    def observations(self, observations: np.ndarray) -> np.ndarray:
        return np.asarray(observations * self.gains)


@dataclass
class Stable:
    """What the three share: a network of two hidden layers, weights `k.weight` (out, in) and `k.bias` (out,) f4."""

    learning_rate: float = 3e-4
    gamma: float = 0.99  # discount a look
    batch_size: int = 256
    width: int = 64  # of each hidden layer
    reward: str = "pnl"
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

        from lobarena.sim.sb3 import StableVecEnv

        torch.set_num_threads(1)
        model = self._model(venv.num_envs, steps, done)
        self._put(model)
        model.set_env(StableVecEnv(Louder(venv, self._gains)))
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
        return {"reward": earned / steps} | kept

    def act(self, observations: np.ndarray) -> np.ndarray:
        """(n, F) f4 -> (n,) i8 the best offsets, or (n, 2) f4 the mean action."""
        return self._chosen(self._forward(np.asarray(observations, np.float32) * self._gains))

    def weights(self) -> Arrays:
        """Six arrays."""
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
            self._take(self._model(1, 1, 0.0))
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


@dataclass
class Ppo(Stable):
    """PPO of stable-baselines3 on the ten offset pairs, or on the continuous action; its rate falls to nothing."""

    learning_rate: float = 1e-3
    gamma: float = 0.9  # a fill and what the market does just after it, not what is held for minutes
    batch_size: int = 1_024
    reward: str = "inventory:zeta=0.03"
    rollout: int = 256  # looks of each environment between updates
    epochs: int = 2
    gae_lambda: float = 0.95
    entropy: float = 0.01  # weight of the entropy bonus

    name: ClassVar[str] = "ppo"
    envs: ClassVar[int] = 64
    budget: ClassVar[int] = 2_000_000
    layers: ClassVar[tuple[str, ...]] = ("mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net")
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "learning_rate": ("float", 1e-4, 3e-3, "log"),
        "gamma": ("choice", (0.9, 0.97, 0.99, 0.997)),
        "entropy": ("float", 1e-4, 3e-2, "log"),
        "reward": ("choice", REWARDS),
        "action": ("choice", ("offsets", "continuous")),
    }

    def _make(self, envs: int, steps: int, done: float) -> Any:
        from stable_baselines3 import PPO

        rollouts = max(1, round(steps / (envs * self.rollout)))
        looks = max(2, -(-steps // (envs * rollouts)))  # rounded up: a step short of the slice costs one more rollout
        own = {"batch_size": min(self.batch_size, envs * looks), "learning_rate": self.learning_rate * (1 - done)}
        return PPO(
            **self._common() | own,
            n_steps=looks,
            n_epochs=self.epochs,
            gae_lambda=self.gae_lambda,
            ent_coef=self.entropy,
        )

    def _squash(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.tanh(x))

    def _chosen(self, outputs: np.ndarray) -> np.ndarray:
        space = self._spaces[1]
        if self.action == "offsets":
            return super()._chosen(outputs)
        return np.asarray(np.clip(outputs, space.low, space.high))


@dataclass
class Sac(Stable):
    """SAC of stable-baselines3 on the continuous action."""

    learning_rate: float = 1e-3
    gamma: float = 0.97
    reward: str = "inventory:zeta=0.03"
    action: str = "continuous"
    temperature: float = 0.001  # that it begins with: rewards a look are of this order, and 1 would drown them
    train_freq: int = 2  # steps of the vector environment an update
    buffer: int = 20_000  # transitions
    learning_starts: int = 2_000  # environment steps of random actions before

    name: ClassVar[str] = "sac"
    budget: ClassVar[int] = 100_000
    layers: ClassVar[tuple[str, ...]] = ("actor.latent_pi.0", "actor.latent_pi.2", "actor.mu")
    optimizers: ClassVar[tuple[str, ...]] = ("actor.optimizer", "critic.optimizer", "ent_coef_optimizer")
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "learning_rate": ("float", 1e-4, 3e-3, "log"),
        "gamma": ("choice", (0.9, 0.97, 0.99)),
        "reward": ("choice", REWARDS),
    }

    def _make(self, envs: int, steps: int, done: float) -> Any:
        from stable_baselines3 import SAC

        return SAC(
            **self._common(),
            buffer_size=self.buffer,
            learning_starts=self.learning_starts,
            train_freq=self.train_freq,
            ent_coef=f"auto_{self.temperature}",
            target_entropy=-float(np.prod(self._spaces[1].shape or ())),
        )

    def _chosen(self, outputs: np.ndarray) -> np.ndarray:
        low, high = self._spaces[1].low, self._spaces[1].high
        return np.asarray(low + (np.tanh(outputs) + 1) * ((high - low) / 2))


@dataclass
class Dqn(Stable):
    """DQN of stable-baselines3 on the ten offset pairs; epsilon falls in a straight line, slice by slice."""

    learning_rate: float = 1e-3
    gamma: float = 0.97
    reward: str = "inventory:zeta=0.03"
    train_freq: int = 4  # steps of the vector environment an update
    buffer: int = 20_000  # transitions
    learning_starts: int = 5_000  # environment steps of random actions before
    target_every: int = 5_000  # environment steps between updates of the target network
    epsilon_end: float = 0.05  # from 1
    epsilon_share: float = 0.5  # of the budget, until it is there

    name: ClassVar[str] = "dqn"
    budget: ClassVar[int] = 200_000
    layers: ClassVar[tuple[str, ...]] = ("q_net.q_net.0", "q_net.q_net.2", "q_net.q_net.4")
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "learning_rate": ("float", 1e-4, 3e-3, "log"),
        "gamma": ("choice", (0.9, 0.97, 0.99)),
        "target_every": ("int", 1_000, 20_000, "log"),
        "reward": ("choice", REWARDS),
    }

    def _make(self, envs: int, steps: int, done: float) -> Any:
        from stable_baselines3 import DQN

        epsilon = 1 + (self.epsilon_end - 1) * min(1.0, done / self.epsilon_share)
        return DQN(
            **self._common(),
            buffer_size=self.buffer,
            learning_starts=self.learning_starts,
            train_freq=self.train_freq,
            target_update_interval=self.target_every,
            exploration_initial_eps=epsilon,
            exploration_final_eps=epsilon,
        )


def _of(model: Any, path: str) -> Any:
    """model.a.b of "a.b"."""
    for name in path.split("."):
        model = getattr(model, name)
    return model
