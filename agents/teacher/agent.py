"""The tuned language model as market maker: it reads each look as one token, and the common rule makes the quotes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lobarena.agents.base import Context, Quotes
from lobarena.agents.forecast import STAY, Forecast, Rule
from lobarena.agents.foretold import Foretelling
from lobarena.agents.llm.answer import LlmError
from lobarena.agents.llm.fetch import fetched
from lobarena.agents.quoting import View, Volatility, limit_of
from lobarena.agents.windows.day import scales
from lobarena.agents.windows.numbers import COUNT, STATE, read_one
from lobarena.agents.windows.units import Units
from lobarena.sim.types import OBSERVATION


@dataclass
class TunedLlm(Foretelling):
    """A language model trained by `lobarena teach`; quotes anew every few looks, none while its history is short."""

    weights: str = ""  # teacher.safetensors of lobarena teach
    model: str = ""  # the language model that it belongs to; that of `lobarena llm fetch` if not given
    every: int = 2  # looks between two forecasts; between them the quotes stay
    least: int = 8  # looks that are read before the first quotes
    gamma: float = Rule.gamma
    kappa_s: float = Rule.kappa_s
    kappa_c: float = Rule.kappa_c
    kappa_v: float = Rule.kappa_v
    c: int = 0  # lots; 0 is the venue's position limit

    prompt_tokens = answer_tokens = 0  # of the last decision, a look each; it writes none

    def __post_init__(self) -> None:
        if self.every < 1 or self.least < 1:
            raise LlmError("every and least are 1 or more")
        if not self.weights:
            raise LlmError("tuned-llm needs weights=FILE; train some with `lobarena teach`, which names the file")
        self._rule = Rule(self.gamma, Rule.tau_s, self.kappa_s, self.kappa_c, self.kappa_v)
        self._path = Path(self.weights).expanduser()
        if not self._path.is_file():
            raise LlmError(f"{self.weights}: no such file; train a teacher with `lobarena teach`, which names it")
        self.digest = hashlib.sha256(self._path.read_bytes()).hexdigest()
        self._model = Path(self.model).expanduser() if self.model else fetched()

    def reset(self, context: Context) -> None:
        """A new episode; the first one of a process loads the model."""
        try:
            from lobarena.agents.teacher.stream import Stream
            from lobarena.agents.teacher.trained import trained
        except ImportError as error:
            raise LlmError(f"{error.name} is missing; pip install 'lobarena[llm]'") from error
        self._trained = trained(self._path, self._model)
        self.parameters = sum(one.numel() for one in self._trained.teacher.parameters())
        self.flop = 2.0 * self.parameters
        self.prompt_tokens = 0
        self._context, self._limit = context, limit_of(context, self.c)
        units = Units.of(context.fitted)
        self._units, self._scales = units.record(), scales(units)
        self._stream = Stream(self._trained.teacher)
        self._stream.read([np.zeros(COUNT, np.float32)])  # what is slow the first time is so before a clock runs
        self._stream.begin()
        self._look, self._state = np.zeros(1, OBSERVATION), np.zeros(1, STATE)
        read_one(self._look, self._state, self._units, np.zeros(COUNT, np.float32))
        self._new: list[np.ndarray] = []
        self._volatility = Volatility(context.fitted["sigma"])

    def act(self, observation: Any) -> Quotes | None:
        """A forecast every few looks, the quotes as they are between them, none where there is no mid."""
        return self._quotes(observation)

    def _foretell(self, seen: View | None, observation: Any) -> Forecast | Literal["stay"] | None:
        """A new forecast, none where there is no mid, STAY between two and while the history is short."""
        self.prompt_tokens = 0
        self._look[0] = observation
        numbers = np.zeros(COUNT, np.float32)
        if not read_one(self._look, self._state, self._units, numbers) or seen is None:
            return None
        row = int(self._state[0]["looks"])
        if row == 1:
            self._stream.begin()
            self._new = []
        self._new.append(numbers)
        self._volatility.update(seen.published, seen.mid)
        if row < self.least or row % self.every:
            return STAY
        self.prompt_tokens = len(self._new)
        correction = self._stream.read(self._new)
        told = self._trained.forecast(self._context.contract.symbol, numbers[None], correction[None])[0]
        told = told * self._scales[:, 1] + self._scales[:, 0]
        self._new = []
        move, spread, volume = told.tolist()
        # the forecast is of points alone: the rule takes it as sure
        return Forecast(move, max(0.0, spread), max(0.0, float(np.expm1(min(volume, 20.0)))), 1.0)
