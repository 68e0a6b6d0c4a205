"""IMM: an imitative market maker on several price levels (Niu et al., IJCAI 2024, arXiv 2308.08918).

The paper's: quotes (m*, delta*, phi) about a reference price that moves only with the levels of the book; a state with
the queue position of the own orders; a representation of the book's history that also forecasts its trends; LTIIC as a
suboptimal expert; an actor-critic with an imitation loss; reward = PnL + volume - inventory penalty.
Ours: everything scaled down (agents/imm_network.py); TD3 (Fujimoto et al. 2018, arXiv 1802.09477) as the actor-critic;
the imitation loss with a Q-filter (Nair et al. 2018, arXiv 1709.10089, eq. 5) and a weight that falls with the budget,
against a policy gradient normalised as in TD3+BC (Fujimoto & Gu 2021, arXiv 2106.06860, eq. 5); exploration noise
that lasts some steps, since an order that jumps about never reaches the front of its queue.

The action is "ladder": orders rest on five levels a side and keep their places, which is what (m*, delta*, phi) is
for; "continuous" knows one price a side and no phi.

Read from top to bottom: losses, learner. What a quote is on the ladder: agents/demonstrations.py.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from torch import Tensor

from lobarena.agents.columns import Columns
from lobarena.agents.demonstrations import Expert, ladder
from lobarena.agents.imm_network import Critics, Policy, follow
from lobarena.agents.replay import Batch, Replay
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
INVENTORY, TREND, MOVE = "position / limit", "imbalance of the best sizes", "mid move since the last look"
QUOTE = 4  # numbers of a quote: m*, delta*, phi bid, phi ask


def td_target(reward: Tensor, terminated: Tensor, first: Tensor, second: Tensor, gamma: float) -> Tensor:
    """Clipped double Q target r + gamma (1 - terminated) min(Q1', Q2') (Fujimoto et al. 2018, eq. 10); all (B,)."""
    return reward + gamma * (1 - terminated) * torch.minimum(first, second)


def smoothed(action: Tensor, noise: Tensor, largest: float) -> Tensor:
    """Target policy smoothing: clip(a + clip(noise, -c, c), -1, 1) (Fujimoto et al. 2018, eq. 14); all (B, A)."""
    return (action + noise.clamp(-largest, largest)).clamp(-1, 1)


def imitation_loss(own: Tensor, shown: Tensor, value_own: Tensor, value_shown: Tensor) -> Tensor:
    """Mean over the batch of |pi(s) - a|^2 where the critic finds the expert's a better: Q(s, a) > Q(s, pi(s)).

    Nair et al. 2018, eq. 5. own, shown: (B, A); values: (B,); the filter has no gradient.
    """
    better = (value_shown > value_own).detach()
    return ((own - shown).square().sum(1) * better).mean()


def policy_loss(value: Tensor) -> Tensor:
    """-Q / mean |Q|: the policy gradient in units of its own size (Fujimoto & Gu 2021, eq. 5); value: (B,)."""
    return -value.mean() / value.abs().mean().detach().clamp_min(1e-6)


def trend_loss(forecast: Tensor, moves: Tensor, known: Tensor) -> Tensor:
    """Huber loss of the forecasts over the horizons that are known; all (B, H), ticks. 0 when none is."""
    error = torch.nn.functional.huber_loss(forecast, moves, reduction="none")
    return (error * known).sum() / known.sum().clamp_min(1)


@dataclass
class Imm:
    """The learner "imm". Hyperparameters are ours."""

    name: ClassVar[str] = "imm"
    budget: ClassVar[int] = 1_000_000  # environment steps
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "learning_rate": ("float", 1e-4, 3e-3, "log"),
        "gamma": ("float", 0.9, 0.995, ""),
        "imitation": ("float", 0.1, 10.0, "log"),
        "noise": ("float", 0.05, 0.5, "log"),
    }

    history: int = 8  # looks in the window, a power of two
    reward: str = "imm"
    gamma: float = 0.97
    learning_rate: float = 5e-4
    batch: int = 256
    every: int = 1  # steps of the vector environment between two updates
    delay: int = 2  # critic updates between two policy updates (TD3)
    rate: float = 0.01  # of the target networks
    noise: float = 0.2  # deviation of exploration, falls to a fifth over the budget
    lasting: float = 0.8  # part of the exploration noise that the next step keeps
    smoothing: float = 0.2  # deviation of the target policy's noise
    imitation: float = 2.0  # weight of the imitation loss at the start, falls to 0 over the budget
    trend: float = 0.5  # weight of the trend loss
    horizons: tuple[int, int] = (2, 20)  # looks: the short and the long trend
    demonstrations: int = 20_000  # steps that the expert plays first
    memory: int = 50_000  # steps kept
    hidden: int = 64
    expert: Expert = field(default_factory=Expert)

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
        self.shown = np.zeros((0, self.seen), np.float16), np.zeros((0, QUOTE), np.float32)  # observations, quotes
        self.unit = 1.0  # tick x lot: rewards are divided by it
        self.updates = 0

    def learn(self, venv: Any, steps: int, done: float, seed: int) -> dict[str, float]:
        """`steps` environment steps; the first slice begins with the expert's demonstrations."""
        rng, self.generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        n = venv.num_envs
        if self.replay is None:
            self.replay = Replay(max(2, self.memory // n), n, self.seen, QUOTE)
        if self.replay.n != n:
            raise ValueError(f"training began with {self.replay.n} environments; go on with as many, not {n}")
        deviation, weight = self.noise * (1 - 0.8 * done), self.imitation * (1 - done)
        shows = 0 if len(self.shown[0]) else min(self.demonstrations // n, steps // n)
        inventory, trend, move = (self.columns.at(name) for name in (INVENTORY, TREND, MOVE))
        observations, _ = venv.reset(seed=seed)
        ended, noise = np.zeros(n, bool), np.zeros((n, QUOTE))
        logs: list[dict[str, float]] = []
        gained, shown = np.zeros(2), []
        for k in range(steps // n):
            if k < shows:
                quotes = self.expert(observations[:, inventory], observations[:, trend])
                shown.append((observations.astype(np.float16), quotes))
            else:
                noise = self.lasting * noise + (1 - self.lasting**2) ** 0.5 * rng.normal(0, deviation, noise.shape)
                quotes = (self.quotes(observations) + noise).clip(-1, 1)
            seen, kept = observations, ~ended
            observations, reward, terminated, truncated, _ = venv.step(ladder(quotes))
            reward = np.where(kept, reward, 0.0)
            self.replay.add(seen, seen[:, move], quotes, reward, terminated, kept)
            ended = terminated | truncated
            gained += [reward.sum(), kept.sum()]
            if k + 1 == shows:
                self.shown = np.concatenate([o for o, _ in shown]), np.concatenate([q for _, q in shown])
                self.unit = float(self.replay.reward[: self.replay.count[0]].std()) + 1e-6
            if k >= shows and k % self.every == 0:
                logs.append(self.update(self.replay.sample(self.batch, self.horizons, rng), weight, rng))
        self.replay.cut()
        keys = {key for log in logs for key in log}
        means = {key: float(np.mean([log[key] for log in logs if key in log])) for key in sorted(keys)}
        return means | {"reward": float(gained[0] / gained[1]), "imitation weight": weight, "noise": deviation}

    def update(self, batch: Batch, weight: float, rng: np.random.Generator) -> dict[str, float]:
        """One step of the critics and the representation; every `delay`-th also of the policy and the targets."""
        self.updates += 1
        policy, critics = self.policy, self.critics
        with torch.no_grad():
            then = self.slow_policy.features(batch.then)
            noise = self.smoothing * torch.randn(batch.action.shape, generator=self.generator)
            quote = smoothed(self.slow_policy.quote(then), noise, 2.5 * self.smoothing)
            first, second = self.slow_critics(then, quote)
            target = td_target(batch.reward / self.unit, batch.terminated, first, second, self.gamma)
        features = policy.features(batch.seen)
        first, second = critics(features, batch.action)
        td = torch.nn.functional.huber_loss(first, target, delta=10.0) + torch.nn.functional.huber_loss(
            second, target, delta=10.0
        )
        trend = trend_loss(policy.trends(features), batch.moves, batch.known)
        self.critic_optimizer.zero_grad()
        torch.autograd.backward(td + self.trend * trend)
        self.critic_optimizer.step()
        log = {"td loss": td.item(), "trend loss": trend.item()}
        if self.updates % self.delay:
            return log
        with torch.no_grad():
            features = policy.features(batch.seen)
            rows = rng.integers(max(1, len(self.shown[0])), size=self.batch // 2)
            shown = torch.from_numpy(self.shown[1][rows])
            shown_features = policy.features(torch.from_numpy(self.shown[0][rows].astype(np.float32)))
        loss = policy_loss(critics(features, policy.quote(features))[0])
        if weight > 0:
            own = policy.quote(shown_features)
            value_own, value_shown = critics(shown_features, own)[0], critics(shown_features, shown)[0]
            imitation = imitation_loss(own, shown, value_own, value_shown)
            loss = loss + weight * imitation
            log["imitation loss"] = imitation.item()
        self.policy_optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.policy_optimizer.step()
        follow(self.slow_policy, policy, self.rate)
        follow(self.slow_critics, critics, self.rate)
        return log | {"policy loss": loss.item()}

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
        """Critics, targets, moments, demonstrations and the replay buffer."""
        return {
            **module_arrays(self.critics, "critics"),
            **module_arrays(self.slow_policy, "slow_policy"),
            **module_arrays(self.slow_critics, "slow_critics"),
            **adam_arrays(self.critic_optimizer, "critic_adam"),
            **adam_arrays(self.policy_optimizer, "policy_adam"),
            "shown.seen": self.shown[0].copy(),
            "shown.quotes": self.shown[1].copy(),
            "unit": np.array(self.unit),
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
        self.shown = state["shown.seen"].copy(), state["shown.quotes"].copy()
        self.unit, self.updates = float(state["unit"]), int(state["updates"])
        self.replay = Replay.of(state) if "replay.count" in state else None
