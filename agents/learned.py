"""Learners that play: a file of weights as an agent of the tournament.

What it sees and what its actions mean are computed by the very kernels of the environment that it learnt in
(`sim.features`, `sim.actions`), from the same looks.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np

from lobarena.agents.base import Context, Ladder, Quotes
from lobarena.agents.learner import Learner, make_learner
from lobarena.agents.weight_file import Card, WeightsError, read
from lobarena.data.schema import ASK, BID
from lobarena.sim.actions import FAULTS, KINDS, WIDTH, choose
from lobarena.sim.blocks import ROW, layout
from lobarena.sim.env_spaces import action_space
from lobarena.sim.features import MEMORY, show
from lobarena.sim.types import OBSERVATION, QUOTE_LEVELS

PACKAGED = Path(__file__).parent / "weights"


@dataclass
class Learned:
    """A trained policy, greedy; without `weights` the one that comes with the package."""

    weights: str = ""  # file made by lobarena train

    name: ClassVar[str] = ""

    def __post_init__(self) -> None:
        path = Path(self.weights) if self.weights else PACKAGED / f"{self.name}.safetensors"
        if not path.is_file():
            raise WeightsError(
                f"{path}: no weights of {self.name}; make them with `lobarena train {self.name}` and give "
                f"{self.name}:weights=FILE"
            )
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self._policy, card = _policy(str(path), path.stat().st_mtime_ns, self.name)
        self._layout = _layout(path, card)
        self._kind, self._depth = KINDS.index(card.action), card.history
        arrays = self._policy.weights()
        self.parameters = sum(array.size for array in arrays.values())
        flop = getattr(self._policy, "flop", None)  # a decision; of a network, each weight is one multiply-add
        self.flop = float(flop if flop is not None else 2 * self.parameters)

    def reset(self, context: Context) -> None:
        """A new episode."""
        self._order_size = np.int64(context.order_size)
        self._look, self._memory = np.zeros(1, OBSERVATION), np.zeros(1, MEMORY)
        self._history = np.zeros((self._depth, len(ROW)), np.float32)
        self._seen = np.zeros((1, len(self._layout)), np.float32)
        self._action = np.zeros(WIDTH)
        self._target = np.zeros((2, QUOTE_LEVELS, 2), np.int32)

    def act(self, observation: Any) -> Quotes | None:
        """The greedy action of what is seen, as quotes."""
        self._look[0] = observation
        show(self._look, self._memory, self._history, self._layout, self._seen[0])
        action = np.asarray(self._policy.act(self._seen), np.float64).reshape(-1)
        self._action[: len(action)] = action
        fault, take = choose(self._kind, self._action, self._look, self._order_size, self._target)
        if fault:
            raise ValueError(f"the action {action.tolist()} of {self.name} {FAULTS[int(fault)]}; train it again")
        return Quotes(_ladder(self._target[BID]), _ladder(self._target[ASK]), int(take))


def _ladder(side: np.ndarray) -> Ladder:
    return tuple((price, lots) for price, lots in side.tolist() if lots > 0)


@lru_cache(maxsize=16)
def _policy(path: str, _changed: int, name: str) -> tuple[Learner, Card]:
    """A learner with the weights of a file; shared, since acting changes nothing in it."""
    weights, card = read(path, name)
    if card.action not in KINDS:
        raise WeightsError(f"{path}: no action {card.action!r}; known are {', '.join(KINDS)}; train again")
    box = gymnasium.spaces.Box(-np.inf, np.inf, (card.features,), np.float32)
    try:
        learner = make_learner(name, card.hyperparameters)
        learner.begin(box, action_space(card.action), card.seed)
        learner.load_weights(weights)
    except Exception as error:  # whatever a stranger's numbers make networks and tables raise
        raise WeightsError(f"{path}: {error}; train again, lobarena train {name}") from error
    return learner, card


def _layout(path: Path, card: Card) -> np.ndarray:
    """(F,) LAYOUT of what it was trained to see; WeightsError when that is no longer so."""
    try:
        rows = layout(card.observation, card.history, card.normalise)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; train again, lobarena train {card.learner}") from error
    if len(rows) != card.features:
        raise WeightsError(
            f"{path}: trained on {card.features} numbers, its blocks {', '.join(card.observation)} have {len(rows)} "
            f"in this version; train again, lobarena train {card.learner}"
        )
    return rows


class RlDs(Learned):
    """SARSA(lambda) over tile codings (Spooner et al., AAMAS 2018), trained by `lobarena train rl-ds`."""

    name = "rl-ds"


class DrlOs(Learned):
    """Deep Q-learning of stacked orders (Chung et al., ICAIF 2022), trained by `lobarena train drl-os`."""

    name = "drl-os"


class Imm(Learned):
    """Imitative market maker of several levels (Niu et al., IJCAI 2024), trained by `lobarena train imm`."""

    name = "imm"


class CPpo(Learned):
    """Continuous PPO over an attention-based book encoder (Guo et al. 2023), trained by `lobarena train c-ppo`."""

    name = "c-ppo"


class Ppo(Learned):
    """PPO of stable-baselines3, trained by `lobarena train ppo`."""

    name = "ppo"


class Sac(Learned):
    """SAC of stable-baselines3, trained by `lobarena train sac`."""

    name = "sac"


class Dqn(Learned):
    """DQN of stable-baselines3, trained by `lobarena train dqn`."""

    name = "dqn"
