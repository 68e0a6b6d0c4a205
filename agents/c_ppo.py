"""C-PPO: market making with continuous actions by proximal policy optimisation (Guo et al. 2023, arXiv 2305.15821).

The paper's: actions are a reservation price and a spread, both continuous; the state joins features of the book's
history (Attn-LOB), market and agent variables; the reward is hybrid: dampened PnL, plus v (m - p) for each fill, minus
zeta I^2 (the environment's "hybrid" reward); the learner is PPO (Schulman et al. 2017, arXiv 1707.06347).
Ours: the small encoder of agents/attention.py, trained with the policy instead of on labels before it; rewards
divided by the running deviation of discounted returns; steps that only bring a new episode are left out.

Read from top to bottom: losses, network, learner.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from lobarena.agents.attention import AttentionEncoder
from lobarena.agents.columns import Columns
from lobarena.agents.reward_unit import RewardUnit
from lobarena.agents.torch_arrays import Arrays, adam_arrays, fitting, load_adam, load_module, module_arrays

BLOCKS = ("inventory", "imbalance", "order flow", "volatility", "own orders", "time left", "history window")


def advantages(rewards: Tensor, values: Tensor, terminated: Tensor, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438, eq. 16).

    delta_t = r_t + gamma V(s_{t+1}) (1 - terminated_t) - V(s_t); A_t = delta_t + gamma lam (1 - terminated_t) A_{t+1}.
    rewards, terminated: (T, n) f4; values: (T + 1, n) f4 -> (T, n) f4.
    """
    estimates = torch.zeros_like(rewards)
    follows = torch.zeros_like(rewards[0])
    for t in range(len(rewards) - 1, -1, -1):
        goes_on = 1 - terminated[t]
        delta = rewards[t] + gamma * values[t + 1] * goes_on - values[t]
        follows = delta + gamma * lam * goes_on * follows
        estimates[t] = follows
    return estimates


def clipped_objective(log_ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Mean of min(r A, clip(r, 1 - clip, 1 + clip) A), r = exp(log_ratio) (Schulman et al. 2017, eq. 7): to grow."""
    ratio = log_ratio.exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()


def log_density(actions: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log density of independent normals. actions, mean: (B, A); log_std: (A,) -> (B,)."""
    z = (actions - mean) * (-log_std).exp()
    return (-0.5 * z * z - log_std - 0.9189385332046727).sum(1)  # log(2 pi) / 2


class ActorCritic(nn.Module):
    """Observation -> mean action and value, over one encoder of the book's history."""

    def __init__(self, columns: Columns, actions: int, hidden: int) -> None:
        super().__init__()
        self.flat = len(columns.flat)
        self.gains: Tensor
        self.register_buffer("gains", torch.from_numpy(columns.gains()), persistent=False)
        self.encoder = AttentionEncoder(columns.looks, columns.width)
        seen = self.flat + 32
        self.actor = nn.Sequential(
            nn.Linear(seen, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, actions)
        )
        self.critic = nn.Sequential(
            nn.Linear(seen, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1)
        )
        self.log_std = nn.Parameter(torch.zeros(actions))

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F) f4 -> mean actions (B, A), values (B,)."""
        x = self.features(observations)
        return self.actor(x), self.critic(x).squeeze(1)

    def features(self, observations: Tensor) -> Tensor:
        return torch.cat([observations[:, : self.flat] * self.gains, self.encoder(observations[:, self.flat :])], 1)


@dataclass
class CPpo:
    """The learner "c-ppo". Hyperparameters not said to be the paper's are ours."""

    name: ClassVar[str] = "c-ppo"
    budget: ClassVar[int] = 1_500_000  # environment steps
    envs: ClassVar[int] = 64
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "learning_rate": ("float", 1e-4, 3e-3, "log"),
        "gamma": ("float", 0.9, 0.999, ""),
        "std": ("float", 0.1, 0.6, "log"),
        "entropy": ("float", 1e-5, 1e-2, "log"),
        "horizon": ("int", 64, 512, "log"),
        "reward": ("choice", ("hybrid:eta=0.5,zeta=0.01", "inventory:zeta=0.01", "pnl")),
    }

    history: int = 10  # looks in the window
    reward: str = "hybrid:eta=0.5,zeta=0.01"  # the paper's
    gamma: float = 0.95
    lam: float = 0.95
    clip: float = 0.2
    learning_rate: float = 1e-3  # at the start; falls to a tenth over the budget
    entropy: float = 1e-4  # weight of the entropy bonus
    start: float = -0.5  # half spread of the first policy, in -1..1
    std: float = 0.2  # of the first policy's actions, which span -1..1
    horizon: int = 256  # steps of each environment between two updates
    epochs: int = 3
    minibatch: int = 2048
    hidden: int = 64

    def environment(self) -> dict[str, Any]:
        """Keyword arguments of the environment it learns in."""
        return {
            "observation": BLOCKS,
            "history": self.history,
            "action": "continuous",
            "reward": self.reward,
        }

    def begin(self, observation_space: gymnasium.Space[Any], action_space: gymnasium.Space[Any], seed: int) -> None:
        """Make the network; spaces are those of one environment."""
        columns = Columns.of(BLOCKS, self.history, observation_space)
        if not isinstance(action_space, gymnasium.spaces.Box):
            raise ValueError(f'the action space is {action_space}; C-PPO needs action="continuous"')
        self.low, self.high = action_space.low, action_space.high
        torch.set_num_threads(1)  # networks this small lose time to a second thread
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = ActorCritic(columns, action_space.shape[0], self.hidden)
            for layer in [*self.network.actor, *self.network.critic]:
                if isinstance(layer, nn.Linear):
                    nn.init.orthogonal_(layer.weight, 2**0.5)
                    nn.init.zeros_(layer.bias)
            with torch.no_grad():
                list(self.network.actor.parameters())[-2].mul_(0.01)  # the first policy hardly looks at its state
                self.network.log_std.fill_(float(np.log(self.std)))
                list(self.network.actor.parameters())[-1][1] = self.start
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate, eps=1e-5)
        self.unit = RewardUnit(self.gamma)

    def learn(self, venv: Any, steps: int, done: float, seed: int) -> dict[str, float]:
        """`steps` environment steps over all environments of venv, in rounds of acting and updating."""
        self.generator = torch.Generator().manual_seed(seed)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * (1 - 0.9 * done)
        n = venv.num_envs
        looks = max(1, steps // n)
        rounds = max(1, round(looks / self.horizon))
        observations, _ = venv.reset(seed=seed)
        self.observations = torch.from_numpy(observations.astype(np.float32))
        self.ended = np.zeros(n, bool)  # the episode ended with the step before: the next step only brings a new one
        self.unit.begin(n)
        logs = []
        for k in range(rounds):
            length = looks * (k + 1) // rounds - looks * k // rounds
            logs.append(self.update(*self.collect(venv, length)))
        means = {key: float(np.mean([log[key] for log in logs])) for key in logs[0]}
        return means | {"std": float(self.network.log_std.detach().exp().mean()), "reward unit": self.unit.value()}

    @torch.no_grad()
    def collect(self, venv: Any, length: int) -> tuple[Tensor, ...]:
        """Act for `length` steps of each environment; flat tensors of what the update needs, and the mean reward."""
        n, network, low, high = venv.num_envs, self.network, self.low, self.high
        seen = torch.empty(length + 1, n, self.observations.shape[1])
        actions = torch.empty(length, n, network.log_std.shape[0])
        rewards, terminated, counts = np.zeros((length, n)), np.zeros((length, n)), np.zeros((length, n), bool)
        std = network.log_std.exp()
        means, values = torch.empty_like(actions), torch.empty(length + 1, n)
        for t in range(length):
            seen[t] = self.observations
            means[t], values[t] = network(self.observations)
            actions[t] = means[t] + std * torch.randn(means[t].shape, generator=self.generator)
            counts[t] = ~self.ended
            observations, reward, over, cut, _ = venv.step(actions[t].numpy().clip(low, high))
            rewards[t], terminated[t], self.ended = np.where(counts[t], reward, 0.0), over, over | cut
            self.observations = torch.from_numpy(observations.astype(np.float32))
            self.unit.see(rewards[t], self.ended)
        seen[length] = self.observations
        values[length] = network(self.observations)[1]
        scaled = torch.from_numpy((rewards / self.unit.value()).astype(np.float32))
        estimates = advantages(scaled, values, torch.from_numpy(terminated.astype(np.float32)), self.gamma, self.lam)
        kept = torch.from_numpy(counts)
        log_densities = log_density(actions[kept], means[kept], network.log_std)
        return (
            seen[:length][kept],
            actions[kept],
            log_densities,
            estimates[kept],
            (estimates + values[:-1])[kept],
            torch.tensor(rewards[counts].mean()),
        )

    def update(
        self, seen: Tensor, actions: Tensor, old: Tensor, estimates: Tensor, targets: Tensor, reward: Tensor
    ) -> dict[str, float]:
        """Epochs of minibatches over one round; means of the losses."""
        network, logs = self.network, []
        for _ in range(self.epochs):
            order = torch.randperm(len(seen), generator=self.generator)
            for start in range(0, len(order) - 1, self.minibatch):
                rows = order[start : start + self.minibatch]
                mean, value = network(seen[rows])
                advantage = estimates[rows]
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                log_ratio = log_density(actions[rows], mean, network.log_std) - old[rows]
                gain = clipped_objective(log_ratio, advantage, self.clip)
                value_loss = 0.5 * (value - targets[rows]).square().mean()
                entropy = network.log_std.sum()  # up to a constant
                loss = value_loss - gain - self.entropy * entropy
                self.optimizer.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(network.parameters(), 0.5)
                self.optimizer.step()
                logs.append((gain.item(), value_loss.item(), -log_ratio.mean().item()))
        gain_mean, value_mean, kl = np.mean(logs, 0)
        return {"reward": float(reward), "gain": gain_mean, "value loss": value_mean, "kl": kl}

    @torch.no_grad()
    def act(self, observations: np.ndarray) -> np.ndarray:
        """(n, F) f4 -> mean actions (n, A) f4, inside the action space."""
        x = self.network.features(torch.from_numpy(np.ascontiguousarray(observations, np.float32)))
        mean: np.ndarray = self.network.actor(x).numpy()
        return mean.clip(self.low, self.high)

    def weights(self) -> Arrays:
        """Encoder and actor."""
        return module_arrays(self.network.encoder, "encoder") | module_arrays(self.network.actor, "actor")

    def load_weights(self, weights: Arrays) -> None:
        """After begin(); ValueError names what does not fit."""
        load_module(self.network.encoder, "encoder", weights)
        load_module(self.network.actor, "actor", weights)

    def state(self) -> Arrays:
        """Critic, exploration, optimizer and the unit of rewards."""
        return {
            **module_arrays(self.network.critic, "critic"),
            "log_std": self.network.log_std.detach().numpy().copy(),
            "unit": self.unit.kept.copy(),
            **adam_arrays(self.optimizer, "adam"),
        }

    def load_state(self, state: Arrays) -> None:
        """After begin(); ValueError names what does not fit."""
        load_module(self.network.critic, "critic", state)
        with torch.no_grad():
            self.network.log_std.copy_(torch.from_numpy(fitting(state, "log_std", tuple(self.network.log_std.shape))))
        self.unit.kept = np.array(state["unit"], np.float64)
        load_adam(self.optimizer, "adam", state)
