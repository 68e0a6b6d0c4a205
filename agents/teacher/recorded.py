"""What a tuned language model told of whole days, played again without it: no model, no torch, any opponents.

A forecast was made at a look of the market as it was recorded, without any agent in it; what the agents' own orders
change is not in it. `lobarena llm record` makes such a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from lobarena.agents.base import NO_QUOTES, Context, Quotes
from lobarena.agents.forecast import Rule
from lobarena.agents.foretold import Foretold
from lobarena.agents.weight_file import WeightsError, read_arrays, write

PACKAGED = Path(__file__).parents[1] / "weights" / "llm-recorded.safetensors"
Nanoseconds = Annotated[int, Field(ge=0, lt=2**62)]
Limits = Annotated[list[Annotated[int, Field(ge=-(2**31), lt=2**31)]], Field(min_length=2, max_length=2)]
_MS = 1_000_000


class About(BaseModel, strict=True, extra="forbid"):
    """What a file of recorded forecasts says of itself."""

    format: Literal[1] = 1
    kind: Literal["recorded forecasts"] = "recorded forecasts"
    starts: dict[str, Nanoseconds] = Field(max_length=100_000)  # SYMBOL.DAY -> UTC, of what its arrays count from
    limits: dict[str, Limits] = Field(max_length=100_000)  # likewise, ticks: by which another day of that name is known
    tokens: int = Field(ge=0, lt=2**31)  # that the model reads for a forecast
    parameters: int = Field(ge=0, lt=2**53)  # of the model
    model: str = ""  # SHA-256 of the language model
    teacher: str = ""  # SHA-256 of the tuned weights
    data: str = ""  # digest of the days
    command: str = ""


@dataclass(frozen=True, eq=False)
class Record:
    """The n forecasts of one contract on one day."""

    time: np.ndarray  # (n,) i8 ns UTC, in order; of the looks they were made at, rounded up to ms
    forecast: np.ndarray  # (n, 4) f8 move and spread (ticks), volume (lots), confidence
    limits: tuple[int, int]  # of the day's prices, ticks


def store(path: Path, records: Mapping[str, Record], about: Mapping[str, Any]) -> Path:
    """Write a file: times in ms, forecasts as half floats.

    records : by SYMBOL.DAY; about : of `About`, without the starts
    """
    arrays: dict[str, np.ndarray] = {}
    starts = {key: int(one.time[0]) // _MS * _MS for key, one in records.items()}
    for key, one in records.items():
        arrays[f"{key}.ms"] = -((starts[key] - one.time) // _MS).astype(np.int32)  # rounded up: never used too early
        told = np.stack([*one.forecast[:, :2].T, np.log1p(one.forecast[:, 2]), one.forecast[:, 3]], 1)
        arrays[f"{key}.forecast"] = told.astype(np.float16)
    limits = {key: list(one.limits) for key, one in records.items()}
    return write(path, arrays, About(starts=starts, limits=limits, **about).model_dump())


def recorded(path: str | Path) -> tuple[Mapping[str, Record], About]:
    """The records of a file by SYMBOL.DAY; WeightsError when it is damaged or something else."""
    path = Path(path).expanduser()
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); make one, lobarena llm record") from error


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> tuple[Mapping[str, Record], About]:
    arrays, told = read_arrays(path)
    try:
        about = About.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise WeightsError(
            f"{path} holds no recorded forecasts ({where}: {first['msg']}); lobarena llm record"
        ) from error
    if wrong := set(arrays) ^ {f"{key}.{part}" for key in about.starts for part in ("ms", "forecast")}:
        raise WeightsError(f"{path}: lacks or does not name {min(wrong)}; make it again, lobarena llm record")
    found = {}
    for key, start in about.starts.items():
        ms, forecast = arrays[f"{key}.ms"], arrays[f"{key}.forecast"]
        fits = ms.dtype == np.int32 and forecast.dtype == np.float16 and ms.ndim == 1
        fits = fits and forecast.shape == (ms.size, 4) and key in about.limits
        if not fits or not len(ms) or (np.diff(ms.astype(np.int64)) < 0).any() or not np.isfinite(forecast).all():
            raise WeightsError(f"{path}: {key} holds no forecasts in the order of time; make it again")
        wide = forecast.astype(float)
        if not ((wide[:, 1:] >= 0).all() and (wide[:, 2] <= 20).all() and (wide[:, 3] <= 1).all()):
            raise WeightsError(f"{path}: {key} forecasts a spread, volume or confidence that none can be")
        wide[:, 2] = np.expm1(wide[:, 2])
        lower, upper = about.limits[key]
        found[key] = Record(start + ms.astype(np.int64) * _MS, wide, (lower, upper))
    return found, about


@dataclass
class RecordedLlm:
    """A tuned language model, from a recording of its forecasts: `tuned-llm` without the model.

    Its forecasts remember the whole day before the episode, where `tuned-llm` begins with the episode's first look.
    Where a day was not recorded, or its price limits are not those of the recording, it quotes nothing and counts the
    episode as `unrecorded`.
    """

    forecasts: str = ""  # file of lobarena llm record; that of the embedded days if not given
    gamma: float = Rule.gamma
    kappa_s: float = Rule.kappa_s
    kappa_c: float = Rule.kappa_c
    kappa_v: float = Rule.kappa_v
    c: int = 0  # lots; 0 is the venue's position limit

    prompt_tokens = answer_tokens = 0  # of the last decision; it writes none

    def __post_init__(self) -> None:
        self.counts = {"unrecorded": 0}
        self._rule = Rule(self.gamma, Rule.tau_s, self.kappa_s, self.kappa_c, self.kappa_v)
        self._records, about = recorded(self.forecasts or PACKAGED)
        self._tokens, self.parameters = about.tokens, about.parameters
        self.flop = 2.0 * about.parameters * about.tokens

    def reset(self, context: Context) -> None:
        """A new episode: the forecasts of its stretch of the day."""
        self.prompt_tokens = 0
        symbol, opens, closes = context.contract.symbol, context.opens, context.closes
        self._quoter: Foretold | None = None
        for key, one in self._records.items():
            first, last = np.searchsorted(one.time, [opens, closes])
            if key.rpartition(".")[0] == symbol and first < last:
                self._quoter = Foretold(one.time[first:last], one.forecast[first:last], self._rule, self.c)
                self._quoter.reset(context)
                self._limits = one.limits
        self.counts = {"unrecorded": int(self._quoter is None)}

    def act(self, observation: Any) -> Quotes | None:
        """Quotes at each recorded forecast; they stay between two."""
        if self._quoter is not None and (observation["lower"], observation["upper"]) != self._limits:
            self._quoter, self.counts = None, {"unrecorded": 1}  # another day of that date and name
        if self._quoter is None:
            return NO_QUOTES
        quotes = self._quoter.act(observation)
        self.prompt_tokens = self._tokens if quotes is not None else 0
        return quotes
