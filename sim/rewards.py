"""Rewards as objects: each is a sum of named parts, in tick x lot."""

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import ClassVar, NamedTuple

import numpy as np

from lobarena.sim._jit import kernel

# The first four sum to the change of marked wealth, net of fees; the others reshape it.
PARTS = ("spread", "holding", "fees", "liquidation", "dampening", "made", "volume", "inventory")

_WEIGHTS = ("gain", "adverse", "moves", "made", "volume", "linear", "free", "square")
WEIGHTS = np.dtype([(name, "f8") for name in _WEIGHTS])


class Step(NamedTuple):
    """What happened to n learners in one step: (n,) f8 each, tick x lot where not said otherwise."""

    spread: np.ndarray  # captured against the mid at each fill
    holding: np.ndarray  # what the position gained by moves of the mid
    fees: np.ndarray  # paid
    liquidation: np.ndarray  # of closing the position at the end, fees included
    lots: np.ndarray  # traded, both sides; lots
    position: np.ndarray  # held after the step; lots


@dataclass(frozen=True, slots=True)
class Reward:
    """The change of marked wealth net of fees, W' - W; every other reward adds parts to it.

    A reward of your own is a subclass that names its `extra` parts and gives them in `shape`.
    """

    extra: ClassVar[tuple[str, ...]] = ()

    def shape(self, step: Step) -> np.ndarray:
        """(n, len(extra)) f8: the extra parts of n learners' step, tick x lot."""
        raise NotImplementedError(f"{type(self).__name__} names extra parts; give them in shape(step)")

    def weights(self) -> np.ndarray:
        """(1,) WEIGHTS of the parts beyond the change of wealth."""
        return np.zeros(1, WEIGHTS)

    @property
    def plain(self) -> bool:
        """Whether the reward is the change of wealth and nothing else."""
        return not self.extra and not np.any(self.weights().view("f8"))


def _weights(**values: float) -> np.ndarray:
    row = np.zeros(1, WEIGHTS)
    for name, value in values.items():
        if not np.isfinite(value) or value < 0:
            raise ValueError(f"a reward's parameter is {value!r}; give a finite number that is not negative")
        row[name] = value
    return row


@dataclass(frozen=True, slots=True)
class Pnl(Reward):
    """The change of marked wealth alone."""


@dataclass(frozen=True, slots=True)
class Dampened(Reward):
    """Change of wealth - max(0, eta I dm): an inventory's gains are dampened, its losses not (Spooner 2018, eq. 7)."""

    eta: float = 0.5

    def weights(self) -> np.ndarray:
        return _weights(adverse=self.eta)


@dataclass(frozen=True, slots=True)
class DampenedSymmetric(Reward):
    """Change of wealth - eta I dm: what the inventory gains or loses counts less (Spooner 2018, eq. 6)."""

    eta: float = 0.1

    def weights(self) -> np.ndarray:
        return _weights(moves=self.eta)


@dataclass(frozen=True, slots=True)
class Hybrid(Reward):
    """Guo et al. 2023: dW - max(0, eta dW) + sum of v (m - p) over fills - zeta I^2."""

    eta: float = 0.5
    zeta: float = 0.01

    def weights(self) -> np.ndarray:
        return _weights(gain=self.eta, made=1.0, square=self.zeta)


@dataclass(frozen=True, slots=True)
class Imm(Reward):
    """Niu et al. 2024: change of wealth + bonus x lots traded - zeta max(0, |I| - free); the weights are ours."""

    bonus: float = 0.05
    zeta: float = 0.05
    free: float = 2.0  # lots that cost nothing

    def weights(self) -> np.ndarray:
        return _weights(volume=self.bonus, linear=self.zeta, free=self.free)


@dataclass(frozen=True, slots=True)
class InventoryPenalised(Reward):
    """Change of wealth - zeta I^2."""

    zeta: float = 0.01

    def weights(self) -> np.ndarray:
        return _weights(square=self.zeta)


REWARDS: dict[str, type[Reward]] = {
    "pnl": Pnl,
    "dampened": Dampened,
    "dampened symmetric": DampenedSymmetric,
    "hybrid": Hybrid,
    "imm": Imm,
    "inventory": InventoryPenalised,
}


def reward_of(spec: "str | Reward") -> Reward:
    """ "hybrid:eta=0.5,zeta=0.01" -> Hybrid(0.5, 0.01); ValueError names the nearest reward or parameter."""
    if isinstance(spec, Reward):
        spec.weights()  # names what is wrong with its numbers
        return spec
    name, _, rest = str(spec).partition(":")
    if name.strip() not in REWARDS:
        near = get_close_matches(name, REWARDS, 1, 0.0)[0]
        raise ValueError(f"no reward {name!r}; did you mean {near!r}? Known: {', '.join(REWARDS)}")
    kind = REWARDS[name.strip()]
    known = [field.name for field in fields(kind)]
    values: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in rest.split(","))):
        key, _, text = (piece.strip() for piece in part.partition("="))
        if key not in known:
            raise ValueError(f"reward {name!r} has no parameter {key!r}; it has {', '.join(known) or 'none'}")
        try:
            values[key] = float(text)
        except ValueError as error:
            raise ValueError(f"reward {spec!r}: {key} is {text!r}; give a number") from error
    made = kind(**values)
    made.weights()
    return made


@kernel
def judge(weights, spread, holding, fees, closed, lots, position, parts):
    """Write a step's parts, (8,) f8 tick x lot: their sum.

    spread : captured against the mid at each fill; holding : what the position gained by moves of the mid
    closed : of the terminal liquidation, fees included; lots : traded, both sides; position : held after the step
    """
    parts[0], parts[1], parts[2], parts[3] = spread, holding, -fees, closed
    wealth = spread + holding - fees + closed
    parts[4] = -max(0.0, weights["gain"] * wealth) - max(0.0, weights["adverse"] * holding) - weights["moves"] * holding
    parts[5] = weights["made"] * spread
    parts[6] = weights["volume"] * lots
    parts[7] = -weights["linear"] * max(0.0, abs(position) - weights["free"]) - weights["square"] * position * position
    return wealth + parts[4] + parts[5] + parts[6] + parts[7]
