"""What a learner is: training, tuning and the tournament know it by this alone; and every learner by name.

A learner is a dataclass: its fields are its hyperparameters, with units and defaults. All that a slice of training
depends on is in `weights()`, `state()` and the slice's seed, so that a run that was killed goes on to the same bits.
"""

import math
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

if TYPE_CHECKING:
    import gymnasium

Arrays = dict[str, np.ndarray]

LEARNERS: dict[str, str] = {
    "rl-ds": "lobarena.agents.rl_ds:RlDs",
    "drl-os": "lobarena.agents.drl_os:DrlOs",
    "imm": "lobarena.agents.imm:Imm",
    "c-ppo": "lobarena.agents.c_ppo:CPpo",
    "ppo": "lobarena.agents.stable:Ppo",
    "sac": "lobarena.agents.stable:Sac",
    "dqn": "lobarena.agents.stable:Dqn",
}


class TrainingError(ValueError):
    """A learner that cannot be made, or a training that cannot begin or go on; the text says what to change."""


class AstrayError(TrainingError):
    """A learner whose numbers became NaN or infinite: its hyperparameters do not work."""


class Learner(Protocol):
    """A policy that learns in slices from a vector environment.

    It may name `envs`, how many environments it learns in at a time, and `flop`, what a decision costs.
    """

    name: ClassVar[str]
    budget: ClassVar[int]  # environment steps of a default training
    search_space: ClassVar[
        dict[str, tuple[Any, ...]]
    ]  # ("float", low, high, "log" or ""), ("int", ...), ("choice", (...))

    def environment(self) -> dict[str, Any]:
        """Keyword arguments of the environment it learns in: observation, history, action, reward."""

    def begin(self, observation_space: "gymnasium.Space[Any]", action_space: "gymnasium.Space[Any]", seed: int) -> None:
        """Networks or tables are made for the spaces of a single environment."""

    def learn(self, venv: Any, steps: int, done: float, seed: int) -> dict[str, float]:
        """One slice: `steps` environment steps in all over a vector environment, begun by venv.reset(seed=seed).

        done : share of the budget spent before it, for schedules; seed : of every random stream of the slice
        Scalars to log, all finite.
        """

    def act(self, observations: np.ndarray) -> np.ndarray:
        """(n, F) f4 -> (n,) or (n, A): the greedy policy; nothing is kept between calls."""

    def weights(self) -> Arrays:
        """What `act` needs."""

    def load_weights(self, weights: Arrays) -> None:
        """After `begin`; ValueError names what does not fit."""

    def state(self) -> Arrays:
        """Everything else that the next slice depends on: moments, counts, a replay buffer."""

    def load_state(self, state: Arrays) -> None:
        """After `load_weights`."""


def make_learner(name: str, settings: dict[str, Any] | None = None) -> Learner:
    """A new learner; TrainingError names the nearest learner or hyperparameter, or a value of another type."""
    if name not in LEARNERS:
        near = get_close_matches(name, LEARNERS, 1, 0.0)[0]
        raise TrainingError(f"no learner {name!r}; did you mean {near!r}? Known: {', '.join(LEARNERS)}")
    module, _, attribute = LEARNERS[name].partition(":")
    try:
        kind = getattr(import_module(module), attribute)
    except ImportError as error:
        raise TrainingError(f"learner {name!r} cannot be loaded ({error}); pip install 'lobarena[rl]'") from error
    slots = {field.name: field.default for field in fields(kind) if field.init}
    for key in settings or {}:
        if key not in slots:
            close = get_close_matches(key, slots, 1, 0.0)
            hint = f"did you mean {close[0]!r}? It has {', '.join(slots)}" if close else "it has none"
            raise TrainingError(f"learner {name!r} has no hyperparameter {key!r}; {hint}")
    chosen = {key: _like(name, key, value, slots[key]) for key, value in (settings or {}).items()}
    try:
        learner: Learner = kind(**chosen)
    except ValueError as error:
        raise TrainingError(f"{name}: {error}") from error
    return learner


def hyperparameters(learner: Any) -> dict[str, Any]:
    """The constructor's fields of a learner, as JSON can hold them."""
    return {field.name: getattr(learner, field.name) for field in fields(learner) if field.init}


def _like(name: str, key: str, value: Any, default: Any) -> Any:
    """The value, which may be text, as the type of the default."""
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[str(value).lower()]
        if isinstance(default, int):
            if float(value) != int(float(value)):
                raise ValueError("not whole")
            return int(float(value))
        if isinstance(default, float):
            if not math.isfinite(float(value)):
                raise ValueError("not finite")
            return float(value)
        if isinstance(default, str):
            return str(value)
        if isinstance(default, tuple):
            parts = value.split(",") if isinstance(value, str) else list(value)
            return tuple(_like(name, key, *pair) for pair in zip(parts, default, strict=True))
        return value
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{name}: {key} is {value!r}; give a value like {default!r}") from error
