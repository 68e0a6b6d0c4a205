"""Distilled students as market makers: look -> forecast -> the common rule. One alone, and several under a gate."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lobarena.agents.base import Context, Quotes
from lobarena.agents.distill.forecaster import forecaster
from lobarena.agents.forecast import Forecast, Rule
from lobarena.agents.foretold import Foretelling
from lobarena.agents.quoting import View, Volatility, limit_of
from lobarena.agents.weight_file import WeightsError
from lobarena.agents.windows.day import scales
from lobarena.agents.windows.numbers import COUNT, STATE, read_one
from lobarena.agents.windows.units import Units
from lobarena.sim.types import OBSERVATION


@dataclass
class Distilled(Foretelling):
    """Students of one method of distillation, or of a control, trained by `lobarena distill`; their plain mean."""

    weights: str = ""  # student.safetensors of lobarena distill
    least: int = 8  # looks that are read before the first quotes
    gamma: float = Rule.gamma
    kappa_s: float = Rule.kappa_s
    kappa_c: float = Rule.kappa_c
    kappa_v: float = Rule.kappa_v
    c: int = 0  # lots; 0 is the venue's position limit

    name: ClassVar[str] = "student"
    gated: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.least < 1:
            raise WeightsError("least is 1 or more")
        if not self.weights:
            example = "cmm" if self.gated else "kd"
            raise WeightsError(
                f"{self.name} needs weights=FILE; train some with `lobarena distill {example}`, which names the file"
            )
        self._rule = Rule(self.gamma, Rule.tau_s, self.kappa_s, self.kappa_c, self.kappa_v)
        self._forecaster = forecaster(self.weights)
        self.digest = hashlib.sha256(Path(self.weights).expanduser().read_bytes()).hexdigest()
        if bool(self._forecaster.gate) != self.gated:
            other = "student" if self.gated else "cmm"
            raise WeightsError(f"{self.weights} is of the agent {other!r}; give {other}:weights={self.weights}")
        self.parameters, self.flop = self._forecaster.parameters, self._forecaster.flop

    def reset(self, context: Context) -> None:
        """A new episode."""
        self._context, self._limit = context, limit_of(context, self.c)
        units = Units.of(context.fitted)
        self._units, self._scales = units.record(), scales(units)
        self._market = self._forecaster.follow()
        self._look, self._state = np.zeros(1, OBSERVATION), np.zeros(1, STATE)
        self._numbers = np.zeros(COUNT, np.float32)
        read_one(self._look, self._state, self._units, self._numbers)  # what compiles does so before a clock runs
        self._volatility = Volatility(context.fitted["sigma"])

    def act(self, observation: Any) -> Quotes | None:
        """Quotes at every look, none while the history is short and where there is no mid."""
        return self._quotes(observation)

    def _foretell(self, seen: View | None, observation: Any) -> Forecast | None:
        """None where there is no mid and while the history is short."""
        self._look[0] = observation
        if not read_one(self._look, self._state, self._units, self._numbers) or seen is None:
            return None
        row = int(self._state[0]["looks"])
        if row == 1:
            self._market.begin()
        told, confidence = self._market.read(self._numbers)
        self._volatility.update(seen.published, seen.mid)
        if row < self.least:
            return None
        move, spread, volume = (told * self._scales[:, 1] + self._scales[:, 0]).tolist()
        return Forecast(move, max(0.0, spread), max(0.0, float(np.expm1(min(volume, 20.0)))), confidence)


@dataclass
class Cmm(Distilled):
    """Cooperative Market Making (Fu, Xu et al. 2025): small students of an LLM, fused by what each adds to a consensus.

    What of it is the paper's and what our formulation say `cells`, `cooperation`, `mixture` and `hajek`. The consensus
    is the confidence: where the students disagree, quotes are wider by kappa_c.
    """

    name: ClassVar[str] = "cmm"
    gated: ClassVar[bool] = True
