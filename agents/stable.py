"""PPO, SAC and DQN as stable-baselines3 has them, as learners; nothing of the algorithms is written again.

PPO (Schulman et al. 2017), SAC with a learnt temperature (Haarnoja et al. 2018), DQN (Mnih et al. 2015, Huber loss,
hard target updates).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lobarena.agents.stable_base import HYBRID, LINEAR, REWARDS, Stable


@dataclass
class Ppo(Stable):
    """PPO of stable-baselines3 on the continuous action, or on the ten offset pairs; its rate falls to nothing."""

    learning_rate: float = 1e-3
    gamma: float = 0.95  # a fill and what the market does just after it, not what is held for minutes
    batch_size: int = 1_024
    reward: str = HYBRID
    unit: float = 2.0
    action: str = "continuous"
    rollout: int = 256  # looks of each environment between updates
    epochs: int = 4
    gae_lambda: float = 0.95
    entropy: float = 1e-4  # weight of the entropy bonus
    start: float = -0.5  # half spread of the first policy's continuous action, in -1..1
    std: float = 0.2  # of the first policy's continuous actions

    name: ClassVar[str] = "ppo"
    envs: ClassVar[int] = 64
    budget: ClassVar[int] = 3_000_000
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
        own: dict[str, Any] = {"batch_size": min(self.batch_size, envs * looks)}
        own["learning_rate"] = self.learning_rate * (1 - done)
        own["policy_kwargs"] = {"net_arch": [self.width, self.width], "log_std_init": float(np.log(self.std))}
        return PPO(
            **self._common() | own,
            n_steps=looks,
            n_epochs=self.epochs,
            gae_lambda=self.gae_lambda,
            ent_coef=self.entropy,
        )

    def _first(self, model: Any) -> None:
        if self.action == "continuous":
            model.policy.action_net.bias.data[-1] = self.start

    def _squash(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.tanh(x))

    def _chosen(self, outputs: np.ndarray) -> np.ndarray:
        space = self._spaces[1]
        if self.action == "offsets":
            return super()._chosen(outputs)
        return np.asarray(np.clip(outputs, space.low, space.high))


@dataclass
class Sac(Stable):
    """SAC of stable-baselines3 on the continuous action.

    Of random actions of the whole box it learns to stay away: they cross the market, or lie where nobody trades. So its
    first policy quotes near the mid and explores around it, as C-PPO's does, and its entropy falls with the budget,
    slice by slice.
    """

    learning_rate: float = 3e-4  # at the start of the budget; it falls to nothing, slice by slice
    gamma: float = 0.95
    batch_size: int = 512
    reward: str = LINEAR
    unit: float = 0.1
    action: str = "continuous"
    start: float = -0.8  # half spread of the first policy, in -1..1
    std: float = 0.25  # of the first policy's actions, before they are squashed into -1..1
    temperature: float = 0.01  # that it begins with
    entropy: float = -0.5  # nats that the policy is held to at the start
    entropy_end: float = -2.0  # at the end of the budget
    train_freq: int = 2  # steps of the vector environment an update
    buffer: int = 100_000  # transitions
    learning_starts: int = 0  # environment steps of random actions before

    name: ClassVar[str] = "sac"
    budget: ClassVar[int] = 200_000
    layers: ClassVar[tuple[str, ...]] = ("actor.latent_pi.0", "actor.latent_pi.2", "actor.mu")
    optimizers: ClassVar[tuple[str, ...]] = ("actor.optimizer", "critic.optimizer", "ent_coef_optimizer")
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "learning_rate": ("float", 1e-4, 3e-3, "log"),
        "gamma": ("choice", (0.9, 0.95, 0.97, 0.99)),
        "start": ("float", -0.9, 0.0, ""),
        "reward": ("choice", REWARDS),
    }

    def _make(self, envs: int, steps: int, done: float) -> Any:
        from stable_baselines3 import SAC

        return SAC(
            **self._common() | {"learning_rate": self.learning_rate * (1 - done)},
            buffer_size=self.buffer,
            learning_starts=self.learning_starts,
            train_freq=self.train_freq,
            ent_coef=f"auto_{self.temperature}",
            target_entropy=self.entropy + (self.entropy_end - self.entropy) * done,
        )

    def _first(self, model: Any) -> None:
        import torch

        actor = model.policy.actor
        with torch.no_grad():
            for layer in (actor.mu, actor.log_std):
                layer.weight.mul_(0.01)  # the first policy hardly looks at its state
            actor.mu.bias.zero_()[-1] = float(np.arctanh(self.start))
            actor.log_std.bias.fill_(float(np.log(self.std)))

    def _chosen(self, outputs: np.ndarray) -> np.ndarray:
        low, high = self._spaces[1].low, self._spaces[1].high
        return np.asarray(low + (np.tanh(outputs) + 1) * ((high - low) / 2))


@dataclass
class Dqn(Stable):
    """DQN of stable-baselines3 on the ten offset pairs; epsilon and rate fall in straight lines, slice by slice."""

    learning_rate: float = 1e-3
    gamma: float = 0.97
    reward: str = "inventory:zeta=0.03"
    train_freq: int = 4  # steps of the vector environment an update
    buffer: int = 100_000  # transitions
    learning_starts: int = 5_000  # environment steps of random actions before
    target_every: int = 5_000  # environment steps between updates of the target network
    epsilon_end: float = 0.05  # from 1
    epsilon_share: float = 0.5  # of the budget, until it is there

    name: ClassVar[str] = "dqn"
    budget: ClassVar[int] = 800_000
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
            **self._common() | {"learning_rate": self.learning_rate * (1 - done)},
            buffer_size=self.buffer,
            learning_starts=self.learning_starts,
            train_freq=self.train_freq,
            target_update_interval=self.target_every,
            exploration_initial_eps=epsilon,
            exploration_final_eps=epsilon,
        )
