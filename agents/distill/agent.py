"""Distilled students as market makers: look -> forecast -> the common rule. One alone, and several under a gate."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.distill.decision import MARKET, QUOTED, WILD, decide, decide_all
from lobarena.agents.distill.forecaster import forecaster
from lobarena.agents.forecast import Rule
from lobarena.agents.quoting import limit_of
from lobarena.agents.weight_file import WeightsError
from lobarena.agents.windows.day import scales
from lobarena.agents.windows.numbers import COUNT
from lobarena.agents.windows.units import Units
from lobarena.sim.types import OBSERVATION

KEPT = -1.0  # the number that was tuned with the weights
PACKAGED = Path(__file__).parents[1] / "weights"


@dataclass
class Distilled:
    """Students of one method of distillation, or of a control, trained by `lobarena distill`; their plain mean."""

    weights: str = ""  # student.safetensors of lobarena distill; the packaged one if not given
    least: int = 8  # looks that are read before the first quotes
    gamma: float = KEPT  # of the rule; of agents.forecast.Rule where the weights keep none
    kappa_s: float = KEPT
    kappa_c: float = KEPT
    kappa_v: float = KEPT
    c: int = 0  # lots; 0 is the venue's position limit

    name: ClassVar[str] = "student"
    gated: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.least < 1:
            raise WeightsError("least is 1 or more")
        path = Path(self.weights).expanduser() if self.weights else PACKAGED / f"{self.name}.safetensors"
        if not path.is_file():
            method = "cmm" if self.gated else "kd"
            raise WeightsError(
                f"{path}: no such file; train some with `lobarena distill {method}`, which names its file, and give "
                f"{self.name}:weights=FILE"
            )
        self._forecaster = forecaster(path)
        kept = vars(Rule()) | self._forecaster.about.rule
        for name in ("gamma", "kappa_s", "kappa_c", "kappa_v"):
            if getattr(self, name) == KEPT:
                setattr(self, name, kept[name])
        self._rule = Rule(self.gamma, Rule.tau_s, self.kappa_s, self.kappa_c, self.kappa_v)
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if bool(self._forecaster.gate) != self.gated:
            other = "student" if self.gated else "cmm"
            raise WeightsError(f"{path} is of the agent {other!r}; give {other}:weights={path}")
        self.parameters, self.flop = self._forecaster.parameters, self._forecaster.flop

    def reset(self, context: Context) -> None:
        """A new episode."""
        units = Units.of(context.fitted)
        market = np.zeros(1, MARKET)
        market["units"], market["scales"] = units.record(), scales(units)
        for name in ("gamma", "tau_s", "kappa_s", "kappa_c", "kappa_v"):
            market[name] = getattr(self._rule, name)
        market["least"], market["largest"], market["limit"] = self.least, context.order_size, limit_of(context, self.c)
        market["sigma"] = context.fitted["sigma"]
        self._market, self._look = market, np.zeros(1, OBSERVATION)
        self._told, self._target = np.zeros(4), np.zeros((2, 1, 2), np.int64)
        followed = self._forecaster.follow(context.contract.symbol)
        self._arrays = (market.ctypes.data, *followed.arrays, np.zeros(COUNT, np.float32))
        self._decide = partial(decide, self._look.ctypes.data, *self._arrays, self._told, self._target)
        self._decide()  # what compiles does so before a clock runs; a look of zeros is none

    def act(self, observation: Any) -> Quotes | None:
        """Quotes at every look, none while the history is short and where there is no mid."""
        self._look[0] = observation
        found = self._decide()
        if found != QUOTED:
            return self._without(found)
        ((bid, buy),), ((ask, sell),) = self._target.tolist()
        return Quotes([(bid, buy)] if buy else (), [(ask, sell)] if sell else ())

    def forecast(self, observations: np.ndarray) -> np.ndarray:
        """Its forecasts at the looks of an episode, without quoting; as agents/foretold.py says."""
        count = len(observations)
        told, targets, found = np.zeros((count, 4)), np.zeros((count, 2, 1, 2), np.int64), np.zeros(count, np.int64)
        decide_all(np.ascontiguousarray(observations), *self._arrays, told, targets, found)
        if (found == WILD).any():
            self._without(WILD)
        told[found != QUOTED] = np.inf
        return told

    def _without(self, found: int) -> Quotes:
        if found == WILD:
            raise WeightsError(f"{self.weights or self.name} forecasts no finite price; train again, lobarena distill")
        return NO_QUOTES


@dataclass
class Untaught(Distilled):
    """One student of the size of CMM that had no teacher: the control that the others are compared with."""

    name: ClassVar[str] = "untaught"


@dataclass
class Cmm(Distilled):
    """Cooperative Market Making (Fu, Xu et al. 2025): small students of an LLM, fused by what each adds to a consensus.

    What of it is the paper's and what our formulation say `cells`, `cooperation`, `mixture` and `hajek`. The consensus
    is the confidence: where the students disagree, quotes are wider by kappa_c.
    """

    name: ClassVar[str] = "cmm"
    gated: ClassVar[bool] = True
