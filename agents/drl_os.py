"""DRL_OS: deep reinforcement learning under order stacking (Chung et al. 2022, ICAIF, doi 10.1145/3533271.3561789).

The paper's: limit orders rest at several prices beyond the best one of each side, to reserve places in their queues;
the state encodes the queue position of each; a deep network decides at each look which are kept, one unit each.

Ours, where its abstract is silent: five prices a side, the best one and 1 to 4 ticks behind it; log(1 + lots ahead) of
each own order; a branching dueling double DQN (Tavakoli et al. 2018), one branch a price, 64 x 64 units, returns of
several looks, a Polyak-averaged target; exploration of single prices, a while each; every other step is learned from
as in a mirror, where buying is selling; steps made with much inventory weigh less, as their returns are mostly noise;
the dampened reward of Spooner et al. (2018).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from lobarena.agents.branching import CHOICES, Branching, loss, target
from lobarena.agents.look_replay import Arrays, Replay
from lobarena.sim.blocks import composed
from lobarena.sim.random import generator

OBSERVATION = ("queue positions", "imbalance", "order flow", "volatility", "inventory", "time left")


@dataclass
class DrlOs:
    """A learner; its fields are its hyperparameters."""

    name: ClassVar[str] = "drl-os"
    envs: ClassVar[int] = 32
    budget: ClassVar[int] = 1_600_000  # environment steps of a default training
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "alpha": ("float", 1e-4, 3e-3, "log"),
        "gamma": ("float", 0.9, 0.995, ""),
        "reach": ("int", 1, 16, ""),
        "eta": ("float", 0.0, 1.0, ""),
        "epsilon": ("float", 0.05, 0.5, ""),
    }

    alpha: float = 0.0003  # step of Adam at the start of the budget
    alpha_floor: float = 0.00003  # at its end
    gamma: float = 0.95  # a look
    reach: int = 4  # looks whose rewards are summed before a value is believed
    epsilon: float = 0.3  # share of the prices that are decided at random, at the start of the budget
    epsilon_floor: float = 0.1  # at its end: with less, a policy that keeps nothing learns nothing more
    stay: float = 20.0  # looks that a random decision lasts on average: an order must rest to get anywhere in its queue
    eta: float = 0.5  # share of the inventory's gains that the reward leaves out
    hidden: int = 64  # units of each of the two layers
    batch: int = 256  # steps an update
    quiet: float = 0.01  # share of the position limit x ticks a look: a step with this risk counts half, as it is noise
    pause: int = 128  # environment steps between updates
    memory: int = 20_000  # looks kept for replay, over all environments
    follow: float = 0.002  # share of the network that moves into the averaged one, target and policy, an update
    steepest: float = 10.0  # norm that a gradient is cut to

    def __post_init__(self) -> None:
        if min(self.alpha, self.alpha_floor, self.epsilon, self.epsilon_floor) <= 0:
            raise ValueError("alpha, epsilon and their floors are positive: they fall by the same factor each slice")

    def environment(self) -> dict[str, Any]:
        """Keyword arguments of the environment that it learns in."""
        return {"observation": OBSERVATION, "action": "ladder", "reward": f"dampened:eta={self.eta!r}"}

    def begin(self, observation_space: Any, action_space: Any, seed: int) -> None:
        names = [feature.name for feature in composed(OBSERVATION, 0)]
        self.order, self.sign = mirror(names)
        self.risk = names.index("position / limit"), names.index("volatility, memory 0.98")
        if observation_space.shape != self.order.shape or len(action_space.shape or ()) != 1:
            raise ValueError(
                f"drl-os needs Box({self.order.shape}) to see and a Box of one axis to act in, not {observation_space} "
                f"and {action_space}; make the environment with **learner.environment()"
            )
        torch.set_num_threads(1)  # networks of this size are slower on several
        self.features, self.levels = observation_space.shape[0], action_space.shape[0]
        self.network = Branching(self.features, self.levels, self.hidden, seed)
        self.average = Branching(self.features, self.levels, self.hidden, seed)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=self.alpha)
        self.replay: Replay | None = None

    def learn(self, venv: Any, steps: int, done: float, seed: int) -> dict[str, float]:
        """`steps` environment steps over all of venv; alpha and epsilon stay those of `done`, of the budget."""
        n, looks = venv.num_envs, -(-steps // venv.num_envs)
        rng = generator(seed, self.name, "learn")
        epsilon = self.epsilon * (self.epsilon_floor / self.epsilon) ** done
        for group in self.optimizer.param_groups:
            group["lr"] = self.alpha * (self.alpha_floor / self.alpha) ** done
        if self.replay is None or self.replay.seen.shape[1] != n:
            self.replay = Replay(self.memory // n, n, self.features, self.levels)
        observations, _ = venv.reset(seed=seed)
        ended, losses, total, updates = np.zeros(n, np.bool_), 0.0, 0.0, 0
        random = np.zeros((2, n, self.levels), np.bool_)  # which prices are decided at random, and how
        for look in range(looks):
            anew = rng.random((n, self.levels)) < (1 / self.stay if look else 1)
            drawn = rng.random((2, n, self.levels)) < np.array([epsilon, 0.5])[:, None, None]
            random = np.where(anew, drawn, random)
            kept = np.where(random[0], random[1], self._kept(observations))
            seen, fresh = observations, ended
            observations, rewards, ended, _, _ = venv.step(kept.astype(np.float32))
            self.replay.add(seen, kept, rewards, ended, fresh)
            total += float(rewards.sum())
            if look % max(1, self.pause // n) == 0 and self.replay.rows > 2 * self.reach:
                losses += self._update(self.replay.draw(rng, self.batch, self.reach, self.gamma))
                updates += 1
        self.replay.close(observations)
        if not np.isfinite(losses):
            raise ValueError(f"drl-os diverged: choose an alpha below {self.alpha}, or a reward that is finite")
        return {"epsilon": epsilon, "reward": total / (looks * n), "loss": losses / max(1, updates)}

    def act(self, observations: np.ndarray) -> np.ndarray:
        """Ladders of 0 and 1, (n, D) f4, for observations (n, F) f4."""
        return self._kept(observations).astype(np.float32)

    def weights(self) -> Arrays:
        """Of the averaged network: the quick one follows every fill."""
        return _arrays(self.average)

    def load_weights(self, weights: Arrays) -> None:
        """ValueError names what does not fit."""
        _load(self.average, weights)

    def state(self) -> Arrays:
        found = {f"network.{name}": value for name, value in _arrays(self.network).items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                found[f"adam.{key}.{name}"] = value.numpy().copy()
        if self.replay is not None:
            found |= {f"replay.{name}": value for name, value in self.replay.state().items()}
        return found

    def load_state(self, state: Arrays) -> None:
        """ValueError names what does not fit."""
        _load(self.network, _part(state, "network"))
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=self.alpha)
        adam = _part(state, "adam")
        for name, parameter in self.network.named_parameters():
            keys = [key for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}.{name}" in adam]
            if keys:
                self.optimizer.state[parameter] = {key: torch.tensor(adam[f"{key}.{name}"]) for key in keys}
        replay = _part(state, "replay")
        self.replay = Replay.of(replay) if replay else None

    def _kept(self, observations: np.ndarray) -> np.ndarray:
        """(n, D) bool: the orders whose keeping is worth more than their absence.

        The value of a state is common to both choices and left out; numpy, as a call of torch costs more than the sum.
        """
        p = {name: parameter.detach().numpy() for name, parameter in self.average.named_parameters()}
        body = np.maximum(observations @ p["first.weight"].T + p["first.bias"], 0)
        body = np.maximum(body @ p["second.weight"].T + p["second.bias"], 0)
        advantage = body @ p["advantage.weight"].T + p["advantage.bias"]
        return np.asarray(advantage[:, 1::CHOICES] > advantage[:, ::CHOICES])

    def _update(self, drawn: tuple[np.ndarray, ...]) -> float:
        for array in (drawn[0], drawn[4]):  # what was seen, before and after
            array[::2] = array[::2][:, self.order] * self.sign
        drawn[1][::2] = np.roll(drawn[1][::2], self.levels // 2, axis=1)
        seen, done, returns, discounts, then = (torch.from_numpy(array) for array in drawn)
        with torch.no_grad():
            wanted = target(returns, discounts, self.network(then), self.average(then))
        position, volatility = (seen[:, at] for at in self.risk)
        weights = 1 / (1 + (position * volatility / self.quiet).square())
        error = loss(self.network(seen), done.long(), wanted, weights)
        self.optimizer.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.steepest)
        self.optimizer.step()
        with torch.no_grad():
            for slow, quick in zip(self.average.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(quick, self.follow)
        return float(error.detach())


def mirror(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Where each number of an observation stands when bids are asks, and by which sign: (F,) i8, (F,) f4."""
    swapped = [name.replace("bid", "?").replace("ask", "bid").replace("?", "ask") for name in names]
    signed = ("imbalance", "order flow", "mid move", "position")
    signs = [-1.0 if name.startswith(signed) else 1.0 for name in names]
    return np.array([names.index(name) for name in swapped]), np.array(signs, np.float32)


def _arrays(network: Branching) -> Arrays:
    return {name: parameter.detach().numpy().copy() for name, parameter in network.named_parameters()}


def _load(network: Branching, arrays: Arrays) -> None:
    """Fill a network; ValueError names what is missing, not finite or of another shape."""
    for name, parameter in network.named_parameters():
        shape = tuple(parameter.shape)
        if name not in arrays or arrays[name].shape != shape:
            given = arrays[name].shape if name in arrays else "missing"
            raise ValueError(
                f"drl-os: {name} is {given}, {shape} is wanted; make it with the `hidden` it was trained with"
            )
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"drl-os: {name} holds numbers that are not finite; train again with a smaller alpha")
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.asarray(arrays[name], np.float32)))


def _part(arrays: Arrays, prefix: str) -> Arrays:
    return {name[len(prefix) + 1 :]: value for name, value in arrays.items() if name.startswith(prefix + ".")}
