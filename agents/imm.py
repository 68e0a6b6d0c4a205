"""IMM: an imitative market maker on several price levels (Niu et al., IJCAI 2024, arXiv 2308.08918).

The paper's: quotes (m*, delta*, phi) about a reference price that moves only with the levels of the book; a state with
the queue position of the own orders; a representation of the book's history that also forecasts its trends; LTIIC as a
suboptimal expert; an actor-critic with an imitation loss; reward = PnL + volume - inventory penalty.
Ours: everything scaled down (agents/imm_network.py); TD3 (Fujimoto et al. 2018, arXiv 1802.09477) as the actor-critic;
the imitation loss with a weight that falls with the budget, against a policy gradient normalised as in TD3+BC (Fujimoto
& Gu 2021, arXiv 2106.06860, eq. 5). A Q-filter (Nair et al. 2018, arXiv 1709.10089, eq. 5) was tried and left out: the
critic is too noisy for it, it let go of the expert and the policy drifted into large positions. The expert plays first
and the policy clones it; later it is asked about every state in the replay, not only those that it came to itself: it
is a formula, and a policy that drifts must be shown the way back. Exploration noise lasts some steps, since an order
that jumps about never reaches the front of its queue.

The action is "ladder": orders rest on five levels a side and keep their places, which is what (m*, delta*, phi) is
for; "continuous" knows one price a side and no phi.

Read from top to bottom: losses, learner. What a quote is on the ladder: agents/demonstrations.py.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import huber_loss, mse_loss

from lobarena.agents.columns import INVENTORY, Columns
from lobarena.agents.demonstrations import Expert, ladder
from lobarena.agents.imm_network import Critics, Policy, follow
from lobarena.agents.replay import Batch, Replay
from lobarena.agents.reward_unit import RewardUnit
from lobarena.agents.torch_arrays import Arrays, adam_arrays, load_adam, load_module, module_arrays

BLOCKS = (
    "inventory",
    "imbalance",
    "order flow",
    "volatility",
    "queue positions",
    "time left",
    "history window",
)
TREND, MOVE = "imbalance of the best sizes", "mid move since the last look"
QUOTE = 4  # numbers of a quote: m*, delta*, phi bid, phi ask


def td_target(reward: Tensor, terminated: Tensor, first: Tensor, second: Tensor, gamma: float) -> Tensor:
    """Clipped double Q target r + gamma (1 - terminated) min(Q1', Q2') (Fujimoto et al. 2018, eq. 10); all (B,)."""
    return reward + gamma * (1 - terminated) * torch.minimum(first, second)


def smoothed(action: Tensor, noise: Tensor, largest: float) -> Tensor:
    """Target policy smoothing: clip(a + clip(noise, -c, c), -1, 1) (Fujimoto et al. 2018, eq. 14); all (B, A)."""
    return (action + noise.clamp(-largest, largest)).clamp(-1, 1)


def imitation_loss(own: Tensor, shown: Tensor) -> Tensor:
    """Mean over the batch of |pi(s) - a|^2, a the expert's quote in s; own, shown: (B, A)."""
    return (own - shown).square().sum(1).mean()


def policy_loss(value: Tensor) -> Tensor:
    """-Q / mean |Q|: the policy gradient in units of its own size (Fujimoto & Gu 2021, eq. 5); value: (B,)."""
    return -value.mean() / value.abs().mean().detach().clamp_min(1e-6)


def trend_loss(forecast: Tensor, moves: Tensor, known: Tensor) -> Tensor:
    """Huber loss of the forecasts over the horizons that are known; all (B, H), ticks. 0 when none is."""
    error = huber_loss(forecast, moves, reduction="none")
    return (error * known).sum() / known.sum().clamp_min(1)


@dataclass
class Imm:
    """The learner "imm". Hyperparameters are ours."""

    name: ClassVar[str] = "imm"
    budget: ClassVar[int] = 400_000  # environment steps
    envs: ClassVar[int] = 32
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "learning_rate": ("float", 1e-4, 3e-3, "log"),
        "gamma": ("float", 0.9, 0.995, ""),
        "imitation": ("float", 0.1, 10.0, "log"),
        "noise": ("float", 0.05, 0.5, "log"),
        "expert_a": ("float", 1.0, 3.0, ""),
        "expert_b": ("float", -30.0, -5.0, ""),
    }

    history: int = 8  # looks in the window, a power of two
    reward: str = "imm:bonus=0.02,zeta=0.02,free=0"
    gamma: float = 0.95
    learning_rate: float = 3e-4
    batch: int = 256
    every: int = 2  # steps of the vector environment between two updates
    delay: int = 2  # critic updates between two policy updates (TD3)
    rate: float = 0.01  # of the target networks
    noise: float = 0.15  # deviation of exploration, falls to a fifth over the budget
    lasting: float = 0.8  # part of the exploration noise that the next step keeps
    smoothing: float = 0.2  # deviation of the target policy's noise
    imitation: float = 5.0  # weight of the imitation loss at the start, falls to a fifth over the budget
    trend: float = 0.5  # weight of the trend loss
    soon: int = 2  # looks, horizon of the short trend
    later: int = 20  # looks, horizon of the long trend
    demonstrations: int = 40_000  # steps that the expert plays first; no more than the first slice has
    cloning: int = 1_000  # updates after them that only imitate
    memory: int = 150_000  # steps kept: too few, and the policy learns the way that prices went in them
    hidden: int = 64
    expert_a: float = 1.5  # of LTIIC: ticks behind the best prices
    expert_b: float = -15.0  # ticks at the position limit
    expert_d: float = 0.5  # ticks a unit of imbalance

    def environment(self) -> dict[str, Any]:
        """Keyword arguments of the environment it learns in."""
        return {
            "observation": BLOCKS,
            "history": self.history,
            "action": "ladder",
            "reward": self.reward,
        }

    def begin(self, observation_space: gymnasium.Space[Any], action_space: gymnasium.Space[Any], seed: int) -> None:
        """Make the networks; spaces are those of one environment."""
        self.columns = Columns.of(BLOCKS, self.history, observation_space)
        if action_space.shape != (10,):
            raise ValueError(f'the action space is {action_space}; IMM needs action="ladder"')
        self.seen = len(self.columns.flat) + self.columns.looks * self.columns.width
        torch.set_num_threads(1)  # networks this small lose time to a second thread
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.policy = Policy(self.columns, QUOTE, self.hidden)
            self.critics = Critics(len(self.columns.flat) + 32, QUOTE, self.hidden)
        self.slow_policy, self.slow_critics = deepcopy(self.policy), deepcopy(self.critics)
        learned = [*self.critics.parameters(), *self.policy.representation.parameters()]
        self.critic_optimizer = torch.optim.Adam(learned, lr=self.learning_rate)
        self.policy_optimizer = torch.optim.Adam(self.policy.actor.parameters(), lr=self.learning_rate)
        self.replay: Replay | None = None
        self.unit = RewardUnit(self.gamma)
        self.updates = 0

    def learn(self, venv: Any, steps: int, done: float, seed: int) -> dict[str, float]:
        """`steps` environment steps; the first slice begins with the expert's demonstrations."""
        rng, self.generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        n = venv.num_envs
        if self.replay is None:
            self.replay = Replay(max(2, self.memory // n), n, self.seen, QUOTE)
        if self.replay.n != n:
            raise ValueError(f"training began with {self.replay.n} environments; go on with as many, not {n}")
        deviation, weight = self.noise * (1 - 0.8 * done), self.imitation * (1 - 0.8 * done)
        looks = max(1, steps // n)
        shows = min(self.demonstrations // n, looks) if self.updates == 0 else 0
        self.unit.begin(n)
        move = self.columns.at(MOVE)
        observations, _ = venv.reset(seed=seed)
        ended, noise = np.zeros(n, bool), np.zeros((n, QUOTE))
        logs: list[dict[str, float]] = []
        gained = np.zeros(2)
        for k in range(looks):
            quotes = self.shown(observations) if k < shows else self.quotes(observations)
            # the expert is disturbed too: critics must see what lies beside its quotes
            noise = self.lasting * noise + (1 - self.lasting**2) ** 0.5 * rng.normal(0, deviation, noise.shape)
            quotes = (quotes + noise).clip(-1, 1)
            seen, kept = observations, ~ended
            observations, reward, terminated, truncated, _ = venv.step(ladder(quotes))
            reward = np.where(kept, reward, 0.0)
            self.replay.add(seen, seen[:, move], quotes, reward, terminated, kept)
            ended = terminated | truncated
            self.unit.see(reward, ended)
            gained += [reward.sum(), kept.sum()]
            if k + 1 == shows:
                for _ in range(self.cloning):
                    self.update(self.replay.sample(self.batch, (self.soon, self.later), rng), None)
            if k >= max(shows, 1) and k % self.every == 0:  # a transition needs two rows
                logs.append(self.update(self.replay.sample(self.batch, (self.soon, self.later), rng), weight))
        self.replay.cut()
        keys = {key for log in logs for key in log}
        means = {key: float(np.mean([log[key] for log in logs if key in log])) for key in sorted(keys)}
        return means | {"reward": float(gained[0] / gained[1]), "imitation weight": weight, "noise": deviation}

    def update(self, batch: Batch, weight: float | None) -> dict[str, float]:
        """One step of the critics and the representation; every `delay`-th also of the policy and the targets.

        weight : of the imitation loss; None imitates only, without a look at the critics.
        """
        self.updates += 1
        policy, critics = self.policy, self.critics
        with torch.no_grad():
            then = self.slow_policy.features(batch.then)
            noise = self.smoothing * torch.randn(batch.action.shape, generator=self.generator)
            quote = smoothed(self.slow_policy.quote(then), noise, 2.5 * self.smoothing)
            first, second = self.slow_critics(then, quote)
            target = td_target(batch.reward / self.unit.value(), batch.terminated, first, second, self.gamma)
        features = policy.features(batch.seen)
        first, second = critics(features, batch.action)
        td = mse_loss(first, target) + mse_loss(second, target)
        trend = trend_loss(policy.trends(features), batch.moves, batch.known)
        self.critic_optimizer.zero_grad()
        torch.autograd.backward(td + self.trend * trend)
        self.critic_optimizer.step()
        log = {"td loss": td.item(), "trend loss": trend.item()}
        if self.updates % self.delay:
            return log
        with torch.no_grad():
            features = policy.features(batch.seen)
            shown = torch.from_numpy(self.shown(batch.seen.numpy()))
        own = policy.quote(features)
        imitation = loss = imitation_loss(own, shown)
        if weight is not None:
            loss = policy_loss(critics(features, own)[0]) + weight * imitation
        self.policy_optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.policy_optimizer.step()
        follow(self.slow_policy, policy, self.rate)
        follow(self.slow_critics, critics, self.rate)
        return log | {"policy loss": loss.item(), "imitation loss": imitation.item()}

    def shown(self, observations: np.ndarray) -> np.ndarray:
        """(n, F) f4 -> the expert's quotes (n, 4) f4."""
        expert = Expert(self.expert_a, self.expert_b, self.expert_d)
        return expert(observations[:, self.columns.at(INVENTORY)], observations[:, self.columns.at(TREND)])

    @torch.no_grad()
    def quotes(self, observations: np.ndarray) -> np.ndarray:
        """(n, F) f4 -> the policy's quotes (n, 4) f4."""
        features = self.policy.features(torch.from_numpy(np.ascontiguousarray(observations, np.float32)))
        return self.policy.quote(features).numpy()

    def act(self, observations: np.ndarray) -> np.ndarray:
        """(n, F) f4 -> shares of the order size on the ladder, (n, 10) f4."""
        return ladder(self.quotes(observations))

    def weights(self) -> Arrays:
        """Representation and actor."""
        return module_arrays(self.policy, "policy")

    def load_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """After begin(); ValueError names what does not fit."""
        load_module(self.policy, "policy", weights)

    def state(self) -> Arrays:
        """Critics, targets, moments and the replay buffer."""
        return {
            **module_arrays(self.critics, "critics"),
            **module_arrays(self.slow_policy, "slow_policy"),
            **module_arrays(self.slow_critics, "slow_critics"),
            **adam_arrays(self.critic_optimizer, "critic_adam"),
            **adam_arrays(self.policy_optimizer, "policy_adam"),
            "unit": self.unit.kept.copy(),
            "updates": np.array(self.updates),
            **(self.replay.arrays() if self.replay else {}),
        }

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """After begin(); ValueError names what does not fit."""
        load_module(self.critics, "critics", state)
        load_module(self.slow_policy, "slow_policy", state)
        load_module(self.slow_critics, "slow_critics", state)
        load_adam(self.critic_optimizer, "critic_adam", state)
        load_adam(self.policy_optimizer, "policy_adam", state)
        self.unit.kept, self.updates = np.array(state["unit"], np.float64), int(state["updates"])
        self.replay = Replay.of(state) if "replay.count" in state else None
